//! SLOWLOG: commands that took long.

use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};

/// SLOWLOG.
pub static SLOWLOG: Command = Command {
    name: "slowlog",
    arity: -2,
    group: Group::Server,
    since: "2.2.12",
    summary: "A container for slow log commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&SLOWLOG_GET, &SLOWLOG_HELP, &SLOWLOG_LEN, &SLOWLOG_RESET],
    ..Command::BASE
};

/// SLOWLOG GET.
pub static SLOWLOG_GET: Command = Command {
    name: "get",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    summary: "Returns the slow log's entries.",
    complexity: "O(N) where N is the number of entries returned",
    history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
    args: &[ArgSpec::integer("count").opt()],
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    examples: &[
        "SLOWLOG RESET",
        "SLOWLOG GET",
        "SLOWLOG GET 5",
        "SLOWLOG GET 0",
        "SLOWLOG GET -1",
        "SLOWLOG GET -2",
        "SLOWLOG GET all",
    ],
    handler: Handler::Admin(slowlog_get),
    ..Command::BASE
};

/// SLOWLOG HELP.
pub static SLOWLOG_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Server,
    since: "6.2.0",
    summary: "Show helpful text about the different subcommands",
    complexity: "O(1)",
    examples: &["SLOWLOG HELP", "SLOWLOG UNKNOWN"],
    handler: Handler::Admin(slowlog_help),
    ..Command::BASE
};

/// SLOWLOG LEN.
pub static SLOWLOG_LEN: Command = Command {
    name: "len",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    summary: "Returns the number of entries in the slow log.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    examples: &["SLOWLOG RESET", "SLOWLOG LEN"],
    handler: Handler::Admin(slowlog_len),
    ..Command::BASE
};

/// SLOWLOG RESET.
pub static SLOWLOG_RESET: Command = Command {
    name: "reset",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    summary: "Clears all entries from the slow log.",
    complexity: "O(N) where N is the number of entries in the slowlog",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &["SLOWLOG RESET", "SLOWLOG RESET extra"],
    handler: Handler::Admin(slowlog_reset),
    ..Command::BASE
};
