//! MEMORY: what takes the memory.

use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RO, one_key};

/// MEMORY.
pub static MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    group: Group::Server,
    since: "4.0.0",
    summary: "A container for memory diagnostics commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&MEMORY_DOCTOR, &MEMORY_HELP, &MEMORY_MALLOC_STATS, &MEMORY_PURGE, &MEMORY_STATS, &MEMORY_USAGE],
    ..Command::BASE
};

/// MEMORY DOCTOR.
pub static MEMORY_DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    group: Group::Server,
    since: "4.0.0",
    summary: "Outputs a memory problems report.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["MEMORY DOCTOR extra"],
    handler: Handler::Admin(memory_doctor),
    ..Command::BASE
};

/// MEMORY HELP.
pub static MEMORY_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Server,
    since: "4.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["MEMORY HELP", "MEMORY UNKNOWN"],
    handler: Handler::Admin(memory_help),
    ..Command::BASE
};

/// MEMORY MALLOC-STATS.
pub static MEMORY_MALLOC_STATS: Command = Command {
    name: "malloc-stats",
    arity: 2,
    group: Group::Server,
    since: "4.0.0",
    summary: "Returns the allocator statistics.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["MEMORY MALLOC-STATS extra"],
    handler: Handler::Admin(memory_malloc_stats),
    ..Command::BASE
};

/// MEMORY PURGE.
pub static MEMORY_PURGE: Command = Command {
    name: "purge",
    arity: 2,
    group: Group::Server,
    since: "4.0.0",
    summary: "Asks the allocator to release memory.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    examples: &["MEMORY PURGE"],
    handler: Handler::Admin(memory_purge),
    ..Command::BASE
};

/// MEMORY STATS.
pub static MEMORY_STATS: Command = Command {
    name: "stats",
    arity: 2,
    group: Group::Server,
    since: "4.0.0",
    summary: "Returns details about memory usage.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["MEMORY STATS extra"],
    handler: Handler::Admin(memory_stats),
    ..Command::BASE
};

/// MEMORY USAGE.
pub static MEMORY_USAGE: Command = Command {
    name: "usage",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Server,
    since: "4.0.0",
    summary: "Estimates the memory usage of a key.",
    complexity: "O(N) where N is the number of samples.",
    args: &[KEY, ArgSpec::integer("count").after("SAMPLES").opt()],
    examples: &[
        "MEMORY USAGE missing",
        "SET key value",
        "MEMORY USAGE key SAMPLES -1",
        "MEMORY USAGE key SAMPLES",
        "MEMORY USAGE key OTHER 5",
    ],
    handler: Handler::Read(memory_usage),
    ..Command::BASE
};
