//! LATENCY: latency events and histograms.

use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};

/// LATENCY.
pub static LATENCY: Command = Command {
    name: "latency",
    arity: -2,
    group: Group::Server,
    since: "2.8.13",
    summary: "A container for latency diagnostics commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &LATENCY_DOCTOR,
        &LATENCY_GRAPH,
        &LATENCY_HELP,
        &LATENCY_HISTOGRAM,
        &LATENCY_HISTORY,
        &LATENCY_LATEST,
        &LATENCY_RESET,
    ],
    ..Command::BASE
};

/// LATENCY DOCTOR.
pub static LATENCY_DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns a human-readable latency analysis report.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY DOCTOR extra"],
    handler: Handler::Admin(latency_doctor),
    ..Command::BASE
};

/// LATENCY GRAPH.
pub static LATENCY_GRAPH: Command = Command {
    name: "graph",
    arity: 3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns a latency graph for an event.",
    complexity: "O(1)",
    args: &[ArgSpec::string("event")],
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY GRAPH nothing"],
    handler: Handler::Admin(latency_graph),
    ..Command::BASE
};

/// LATENCY HELP.
pub static LATENCY_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["LATENCY HELP", "LATENCY UNKNOWN"],
    handler: Handler::Admin(latency_help),
    ..Command::BASE
};

/// LATENCY HISTOGRAM.
pub static LATENCY_HISTOGRAM: Command = Command {
    name: "histogram",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "7.0.0",
    summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
    complexity: "O(N) where N is the number of commands with latency information being retrieved.",
    args: &[ArgSpec::string("command").multi().opt()],
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY HISTOGRAM nothing"],
    handler: Handler::Admin(latency_histogram),
    ..Command::BASE
};

/// LATENCY HISTORY.
pub static LATENCY_HISTORY: Command = Command {
    name: "history",
    arity: 3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns timestamp-latency samples for an event.",
    complexity: "O(1)",
    args: &[ArgSpec::string("event")],
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY HISTORY nothing"],
    handler: Handler::Admin(latency_history),
    ..Command::BASE
};

/// LATENCY LATEST.
pub static LATENCY_LATEST: Command = Command {
    name: "latest",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns the latest latency samples for all events.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY RESET", "LATENCY LATEST"],
    handler: Handler::Admin(latency_latest),
    ..Command::BASE
};

/// LATENCY RESET.
pub static LATENCY_RESET: Command = Command {
    name: "reset",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Resets the latency data for one or more events.",
    complexity: "O(1)",
    args: &[ArgSpec::string("event").multi().opt()],
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    examples: &["LATENCY RESET", "LATENCY RESET nothing", "LATENCY RESET command fork"],
    handler: Handler::Admin(latency_reset),
    ..Command::BASE
};
