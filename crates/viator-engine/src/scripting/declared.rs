//! Whether a script touches no keys but those that its caller declares.

use crate::args::OwnedArgs;
use crate::command::{Begin, Find, KeyFlags, Scope};
use crate::table::{Entry, Lookup, Table};
use viator_script::{Arg, Call, Chunk, Library};

/// Whether the text of a script that compiles proves that.
///
/// The proof saves locks and nothing else: a command that would need another shard all the same is refused
/// ([`crate::dispatch::call_held`]).
pub(super) fn only_declared(table: &Table, source: &[u8]) -> bool {
    viator_script::calls(source).is_some_and(|calls| all_are_declared(table, &calls))
}

/// Whether the text of a library proves that of one of its functions.
pub(super) fn function_only_declared(table: &Table, library: &Library<'_>, function: &Chunk) -> bool {
    library.calls(function).is_some_and(|calls| all_are_declared(table, &calls))
}

fn all_are_declared(table: &Table, calls: &[Call<'_>]) -> bool {
    calls.iter().all(|c| keys_are_declared(table, c))
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
        Scope::Keys => {
            // what an open end gives begins where the last argument stands
            let open = if call.open_keys { call.args.len() - 1 } else { usize::MAX };
            positions(entry, call).is_some_and(|p| p.iter().all(|i| *i >= open || call.args.get(*i) == Some(&Arg::Key)))
        }
    }
}

/// Where the keys are, if that depends on the number of arguments at most, and that is known as far as it matters.
fn positions(entry: &Entry, call: &Call<'_>) -> Option<Vec<usize>> {
    if entry.cmd.find_keys.is_some() {
        return None;
    }
    // the more arguments the more keys: those of an open end are all keys, and of what is before it none is left out
    let n = call.args.len() + if call.open_keys { 8 } else { 0 };
    let mut positions = Vec::new();
    for spec in entry.cmd.keys.iter().filter(|s| !s.flags.has(KeyFlags::NOT_KEY)) {
        let (Begin::Index(begin), Find::Range { last, limit, .. }) = (spec.begin, spec.find) else { return None };
        if call.open_keys {
            if limit != 0 {
                return None;
            }
            continue;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientShared;
    use crate::command::{Command, Handler, KeySpec};
    use crate::local::Local;
    use crate::session::Session;
    use std::sync::Arc;
    use viator_keyspace::Footprint;
    use viator_resp::reply::Reply;

    const fn keys(last: i16) -> [KeySpec; 1] {
        let find = Find::Range { last, step: 1, limit: 0 };
        [KeySpec { flags: KeyFlags(0), begin: Begin::Index(1), find, notes: "" }]
    }

    const fn command(name: &'static str, keys: &'static [KeySpec]) -> Command {
        Command {
            name,
            arity: -2,
            keys,
            scope: Scope::Keys,
            handler: Handler::Read(|ctx| {
                ctx.out.ok();
                Ok(())
            }),
            ..Command::BASE
        }
    }

    static ONE: Command = command("one", &const { keys(0) });
    static ALL: Command = command("all", &const { keys(-1) });
    static BUT_LAST: Command = command("butlast", &const { keys(-2) });

    fn table() -> Table {
        Table::new([&ONE, &ALL, &BUT_LAST].into_iter(), &[]).unwrap()
    }

    #[test]
    fn keys_that_are_proven() {
        let table = table();
        for (script, proven) in [
            ("redis.call('one', KEYS[1], 'x')", true),
            ("redis.call('one', 'x')", false),
            ("redis.call('one', ARGV[1])", false),
            ("redis.call('one', KEYS[1], unpack(ARGV))", true),
            ("redis.call('one', unpack(ARGV))", false),
            ("redis.call('one', unpack(KEYS))", true),
            ("redis.call('all', KEYS[1], KEYS[2])", true),
            ("redis.call('all', KEYS[1], 'x')", false),
            ("redis.call('all', unpack(KEYS))", true),
            ("redis.call('all', KEYS[1], unpack(KEYS, 2))", true),
            ("redis.call('all', 'x', unpack(KEYS))", false),
            ("redis.call('all', KEYS[1], unpack(ARGV))", false),
            ("redis.call('all', unpack(KEYS), 'x')", false),
            ("redis.call('butlast', KEYS[1], 'x')", true),
            ("redis.call('butlast', unpack(KEYS))", true),
            ("redis.call('butlast', 'x', unpack(KEYS))", false),
            ("for i, k in ipairs(KEYS) do redis.call('all', k, KEYS[i]) end", true),
            ("redis.call('none', 'x')", true),
        ] {
            assert_eq!(only_declared(&table, script.as_bytes()), proven, "{script}");
        }
    }

    /// Were the proof wrong, a command would not touch a shard that is not locked.
    #[test]
    fn undeclared_shards_are_refused() {
        let server = crate::testing::server(table(), 0);
        let mut local = Local::new(&server);
        let wake = Arc::new(|_| {});
        let client = ClientShared::new(1, String::new(), String::new(), false, 0, 0, 0, wake);
        let mut session = Session::new(Arc::new(client), true, false);
        let shard = |key: &str| server.keyspace.locate(key.as_bytes()).shard();
        let other = (0..).map(|n| format!("other:{n}")).find(|k| shard(k) != shard("key")).unwrap();
        let mut guards = server.lock(Footprint::NONE.with(shard("key"))).unwrap();
        let mut run = |words: &[&str]| {
            let args = OwnedArgs::from_slices(words);
            let mut out = Reply::new();
            let Lookup::Found(entry) = server.table.lookup(args.args()) else { panic!("{words:?}") };
            crate::dispatch::call_held(&mut local, &server, &mut session, entry, args.args(), &mut out, &mut guards, 0);
            String::from_utf8(out.parts().0.to_vec()).unwrap()
        };
        assert_eq!(run(&["one", "key"]), "+OK\r\n");
        for words in [["one", &other, ""], ["all", "key", &other], ["all", &other, "key"]] {
            assert!(run(&words).starts_with("-ERR Script attempted to access a key"), "{words:?}");
        }
    }
}
