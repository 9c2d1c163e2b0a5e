//! Every command's own examples, as its declaration gives them: run in order on empty databases, in RESP2 and RESP3.

use crate::common::{missing_commands, quoting};
use crate::pair::{Diff, Pair, Step};

use viator_engine::command::Command;

#[test]
fn examples() {
    let Some((ours, theirs)) = crate::servers() else { return };
    let missing = missing_commands();
    let (mut diffs, mut lines) = (Vec::new(), 0);
    for resp in [2, 3] {
        let mut pair = Pair::new(&ours, &theirs, resp, &missing);
        let mut play = |command: &Command, name: &str| {
            pair.reset();
            for (i, line) in command.examples.iter().enumerate() {
                let words = quoting::split(line).unwrap_or_else(|e| panic!("example {} of {name}: {e}", i + 1));
                // A line needs what Viator lacks until the family that it comes from is there.
                if pair.is_missing(&words) {
                    continue;
                }
                lines += 1;
                diffs.extend(pair.run(&Step::new(&words), &|| format!("example {} of {name} (RESP{resp})", i + 1)));
            }
            diffs.extend(
                pair.compare_datasets().into_iter().map(|d| Diff { place: format!("{name}: {}", d.place), ..d }),
            );
        };
        for command in viator_commands::all() {
            play(command, command.name);
            for sub in command.subcommands {
                play(sub, &format!("{} {}", command.name, sub.name));
            }
        }
    }
    let report: Vec<String> = diffs.iter().take(60).map(ToString::to_string).collect();
    assert!(
        diffs.is_empty(),
        "{} differences in {lines} lines (the first {}):\n{}",
        diffs.len(),
        report.len(),
        report.join("\n")
    );
}
