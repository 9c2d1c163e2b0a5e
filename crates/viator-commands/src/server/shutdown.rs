//! SHUTDOWN.

use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};

/// SHUTDOWN.
pub static SHUTDOWN: Command = Command {
    name: "shutdown",
    arity: -1,
    flags: Flags::ADMIN
        .or(Flags::NOSCRIPT)
        .or(Flags::LOADING)
        .or(Flags::STALE)
        .or(Flags::ALLOW_BUSY)
        .or(Flags::NO_MULTI),
    group: Group::Server,
    since: "1.0.0",
    summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise \
        O(1)",
    history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
    args: &[
        ArgSpec::oneof("save-selector", &[ArgSpec::token("nosave", "NOSAVE"), ArgSpec::token("save", "SAVE")]).opt(),
        ArgSpec::token("now", "NOW").since("7.0.0").opt(),
        ArgSpec::token("force", "FORCE").since("7.0.0").opt(),
        ArgSpec::token("abort", "ABORT").since("7.0.0").opt(),
    ],
    examples: &["SHUTDOWN NOW LATER", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW", "SHUTDOWN ABORT"],
    handler: Handler::Admin(shutdown),
    ..Command::BASE
};
