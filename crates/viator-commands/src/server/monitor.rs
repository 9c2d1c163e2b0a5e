//! MONITOR: the stream of executed commands.

use viator_engine::command::{Command, Flags, Group, Handler};

/// MONITOR.
pub static MONITOR: Command = Command {
    name: "monitor",
    arity: 1,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "1.0.0",
    summary: "Listens for all requests received by the server in real-time.",
    examples: &["MONITOR extra"],
    handler: Handler::Admin(monitor),
    ..Command::BASE
};
