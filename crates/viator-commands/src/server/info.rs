//! INFO, and short questions about the server: LASTSAVE, LOLWUT, ROLE, TIME.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler};

/// INFO.
pub static INFO: Command = Command {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::DANGEROUS,
    group: Group::Server,
    since: "1.0.0",
    summary: "Returns information and statistics about the server.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added support for taking multiple section arguments.")],
    args: &[ArgSpec::string("section").multi().opt()],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["INFO nothing"],
    handler: Handler::Admin(info),
    ..Command::BASE
};

/// LASTSAVE.
pub static LASTSAVE: Command = Command {
    name: "lastsave",
    arity: 1,
    flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
    acl: Acl::ADMIN.or(Acl::DANGEROUS),
    group: Group::Server,
    since: "1.0.0",
    summary: "Returns the Unix timestamp of the last successful save to disk.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    examples: &["LASTSAVE extra"],
    handler: Handler::Admin(lastsave),
    ..Command::BASE
};

/// LOLWUT.
pub static LOLWUT: Command = Command {
    name: "lolwut",
    arity: -1,
    flags: Flags::READONLY.or(Flags::FAST),
    group: Group::Server,
    since: "5.0.0",
    summary: "Displays computer art and the Redis version",
    args: &[ArgSpec::integer("version").after("VERSION").opt()],
    examples: &["LOLWUT VERSION latest"],
    handler: Handler::Admin(lolwut),
    ..Command::BASE
};

/// ROLE.
pub static ROLE: Command = Command {
    name: "role",
    arity: 1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
    acl: Acl::ADMIN.or(Acl::DANGEROUS),
    group: Group::Server,
    since: "2.8.12",
    summary: "Returns the replication role.",
    complexity: "O(1)",
    examples: &["ROLE extra"],
    handler: Handler::Admin(role),
    ..Command::BASE
};

/// TIME.
pub static TIME: Command = Command {
    name: "time",
    arity: 1,
    flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
    group: Group::Server,
    since: "2.6.0",
    summary: "Returns the server time.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    examples: &["TIME extra"],
    handler: Handler::Admin(time),
    ..Command::BASE
};
