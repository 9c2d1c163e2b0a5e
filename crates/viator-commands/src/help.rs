//! What containers answer to HELP, and to a subcommand with the wrong number of arguments.

use viator_engine::args::Args;
use viator_engine::error::Error;
use viator_resp::reply::Reply;

/// The HELP of a container: Redis's first line, these lines, and HELP itself.
pub fn help(out: &mut Reply, container: &str, lines: &[&str]) {
    out.array(lines.len() + 3);
    out.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines {
        out.simple(line);
    }
    out.simple("HELP");
    out.simple("    Print this help.");
}

/// The error for a subcommand that the container does not have, or not with so many arguments.
pub fn bad_subcommand(args: Args<'_>) -> Error {
    let container = String::from_utf8_lossy(args.at(0)).to_ascii_uppercase();
    let shown = viator_resp::reply::shown(args.at(1));
    Error::text(format!("ERR unknown subcommand or wrong number of arguments for '{shown}'. Try {container} HELP."))
}
