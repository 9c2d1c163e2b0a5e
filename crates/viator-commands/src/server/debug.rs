//! DEBUG: the subcommands that tests rely on.

use viator_engine::command::{Command, Flags, Group, Handler, Scope};

/// DEBUG.
pub static DEBUG: Command = Command {
    name: "debug",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    scope: Scope::All,
    group: Group::Server,
    since: "1.0.0",
    summary: "A container for debugging commands.",
    complexity: "Depends on subcommand.",
    syscmd: true,
    examples: &["DEBUG SLEEP 0", "DEBUG SET-ACTIVE-EXPIRE 1"],
    handler: Handler::Write(debug),
    ..Command::BASE
};
