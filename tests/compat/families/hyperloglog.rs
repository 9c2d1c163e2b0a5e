//! HyperLogLogs.

use crate::pair::Step;
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "hyperloglog", step };

fn step(g: &mut Gen) -> Step {
    let words = command(g);
    let setting = words.first().is_some_and(|w| w == b"CONFIG");
    Step::new(&if setting { words } else { g.spoil(words) })
}

/// Elements: few of a small set, or many.
fn elements(g: &mut Gen) -> Words {
    match g.rng.below(12) {
        0 => {
            let (from, n) = (g.rng.below(5000), g.rng.below(700));
            (from..from + n).map(|i| format!("e{i}").into_bytes()).collect()
        }
        1 => Vec::new(),
        2 => vec![g.value()],
        _ => (0..=g.rng.below(5)).map(|_| format!("e{}", g.rng.below(40)).into_bytes()).collect(),
    }
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    let with = |name: &str, more: Words| [words![name, key.clone()], more].concat();
    match g.rng.below(32) {
        0..=9 => with("PFADD", elements(g)),
        10..=12 => with("PFCOUNT", Vec::new()),
        13..=15 => with("PFCOUNT", g.keys(1, 3)),
        16..=19 => with("PFMERGE", g.keys(0, 3)),
        20 => words!["PFDEBUG", g.pick(&["ENCODING", "encoding", "DECODE", "nothing"]), key],
        21 => words!["PFDEBUG", g.pick(&["TODENSE", "GETREG"]), key],
        22 => with("GET", Vec::new()),
        23 => with("STRLEN", Vec::new()),
        24 => with("GETRANGE", words!["0", "15"]),
        // the header: its last byte says whether the count in it is valid
        25 => with("SETRANGE", words![g.pick(&["5", "8", "14"]), g.pick(&["a", "\x01", "bc"])]),
        26 => with("SET", vec![g.value()]),
        27 => words!["SADD", key, "x"],
        28 => words!["CONFIG", "SET", "hll-sparse-max-bytes", g.pick(&["0", "30", "200", "3000", "3000"])],
        29 => words!["COPY", key, g.key(), "REPLACE"],
        30 => words!["OBJECT", "ENCODING", key],
        _ => words!["DEL", key],
    }
}
