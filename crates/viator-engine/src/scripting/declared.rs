//! Whether a script touches no keys but those that its caller declares.

use crate::args::OwnedArgs;
use crate::command::{Begin, Find, KeyFlags, Scope};
use crate::table::{Entry, Lookup, Table};
use viator_script::{Arg, Call};

/// Whether the text of a script that compiles proves that.
///
/// The proof saves locks and nothing else: a command that would need another shard all the same is refused
/// ([`crate::dispatch::call_held`]).
pub(super) fn only_declared(table: &Table, source: &[u8]) -> bool {
    viator_script::calls(source).is_some_and(|calls| calls.iter().all(|c| keys_are_declared(table, c)))
}

fn keys_are_declared(table: &Table, call: &Call<'_>) -> bool {
    let text = |a: &Arg<'_>| match a {
        Arg::Text(t) => t.to_vec(),
        Arg::Key | Arg::Other => Vec::new(),
    };
    let args = OwnedArgs::from_slices(call.args.iter().map(text));
    let entry = match table.lookup(args.args()) {
        Lookup::Found(e) => e,
        Lookup::Unknown => return true, // an error
        Lookup::UnknownSubcommand(_) => return false,
    };
    if !entry.subcommands.is_empty() {
        return false; // which one is not known
    }
    match entry.cmd.scope {
        Scope::None => true,
        Scope::All | Scope::AllIf(_) => false,
        Scope::Keys => positions(entry, call).is_some_and(|p| p.iter().all(|i| call.args.get(*i) == Some(&Arg::Key))),
    }
}

/// Where the keys are, if that depends on the number of arguments at most, and that is known as far as it matters.
fn positions(entry: &Entry, call: &Call<'_>) -> Option<Vec<usize>> {
    if entry.cmd.find_keys.is_some() {
        return None;
    }
    let n = call.args.len();
    let mut positions = Vec::new();
    for spec in entry.cmd.keys.iter().filter(|s| !s.flags.has(KeyFlags::NOT_KEY)) {
        let (Begin::Index(begin), Find::Range { last, .. }) = (spec.begin, spec.find) else { return None };
        if last < 0 && call.open {
            return None;
        }
        let last = begin as usize + usize::try_from(last).unwrap_or(0);
        if call.open && last + 1 >= n {
            return None; // a position in the open end, which the last argument belongs to
        }
    }
    let args = OwnedArgs::from_slices(std::iter::repeat_n(b"", n));
    entry.each_key(args.args(), |i| positions.push(i));
    Some(positions)
}
