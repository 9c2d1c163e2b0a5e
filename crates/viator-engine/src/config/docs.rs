//! `docs/configuration.md`, made from the table.

use super::{Config, DIRECTIVES, Directive, Flags};
use std::fmt::Write;

const INTRODUCTION: &str = "\
# Configuration

<!-- Made from the table of directives in crates/viator-engine/src/config/table.rs: \
`UPDATE_DOCS=1 cargo test -p viator-engine config` writes it anew. -->

Viator is configured as Redis 8.4 is:

- by a file in the syntax of `redis.conf`: a directive and its arguments on each line, `\"…\"` and `'…'` around arguments with \
spaces, `\\n`, `\\t`, `\\\\`, `\\\"`, `\\xHH`… within `\"…\"`, comments from a `#` at the start of a line, `include FILE` (also with \
`*`, `?`, `[…]`) where another file is to be read;
- by options on the command line, which come after the file and so prevail: \
`viator /etc/viator.conf --maxmemory 2gb --save 900 1 300 10`;
- on standard input: `viator -`, or a `-` as the last argument;
- while it runs, by CONFIG SET, which takes several directives and sets all of them or none. CONFIG REWRITE writes what is in \
force into the file and leaves comments and order as they are.

A directive that is given again replaces what was before, except that `save`, `user`, `rename-command` and the classes of \
`client-output-buffer-limit` add to it. Sizes take `k`, `m`, `g` (thousands) and `kb`, `mb`, `gb` (1024s).

Directives without a field in the table: `include`; `user` (an ACL user); `rename-command OLD NEW` (`\"\"`: the command \
goes). `loadmodule` is refused: modules cannot be loaded, those of Redis 8.4 are built in. `io-threads-do-reads`, \
`list-max-ziplist-entries`, `list-max-ziplist-value` and `lua-replicate-commands` are taken and do nothing, as in Redis.
";

const DIFFERENCES: &str = "
## Differences from Redis

- `io-threads` is the number of threads that run commands. If it is not given there is one for each core; Redis has one in all.
- `activedefrag yes` is refused with the error of a Redis that is built without its own jemalloc.
- `locale-collate` takes the locales that compare bytes only: `\"\"`, `C`, `POSIX`, `C.UTF-8`.
- Texts other than passwords must be UTF-8.
- A file may not include itself, not even through others.
";

/// The page.
pub(super) fn page() -> String {
    let defaults = Config::default();
    let mut page = INTRODUCTION.to_owned();
    page += "\n## Directives\n\n\
        `at run time`: CONFIG SET changes it; `protected`: only as `enable-protected-configs` allows; `at start`: only the \
        file and the command line. What is marked † has [no meaning here](#directives-without-meaning).\n\n\
        | Directive | Default | Values | Set | What it does |\n|---|---|---|---|---|\n";
    for d in DIRECTIVES {
        let alias = d.alias.map(|a| format!(" (`{a}`)")).unwrap_or_default();
        let mark = if d.no_meaning.is_some() { " †" } else { "" };
        let name = d.name;
        let (default, values, when, summary) = (default_text(d, &defaults), d.values(), when(d), d.summary);
        let _ = writeln!(page, "| `{name}`{alias}{mark} | {default} | {values} | {when} | {summary} |");
    }
    page += "\n## Directives without meaning\n\n\
        These are taken and checked, shown by CONFIG GET and kept by CONFIG REWRITE, and change nothing:\n\n";
    for d in DIRECTIVES {
        if let Some(why) = d.no_meaning {
            let _ = writeln!(page, "- `{}`: {why}.", d.name);
        }
    }
    page + DIFFERENCES
}

fn default_text(d: &Directive, defaults: &Config) -> String {
    match (d.name, String::from_utf8_lossy(&d.get(defaults)).as_ref()) {
        ("dir", _) => "where it is started".into(),
        ("io-threads", _) => "one for each core".into(),
        (_, "") => "`\"\"`".into(),
        (_, text) => format!("`{text}`"),
    }
}

fn when(d: &Directive) -> String {
    let mut when = vec![if d.is_mutable() { "at run time" } else { "at start" }];
    let properties =
        [(Flags::PROTECTED, "protected"), (Flags::DENY_LOADING, "not while loading"), (Flags::HIDDEN, "hidden")];
    when.extend(properties.iter().filter(|(flag, _)| d.flags.contains(*flag)).map(|(_, text)| *text));
    when.join(", ")
}
