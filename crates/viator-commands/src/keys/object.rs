//! OBJECT: internals of a value.

use viator_engine::command::{Acl, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RO, one_key};

/// OBJECT.
pub static OBJECT: Command = Command {
    name: "object",
    arity: -2,
    group: Group::Generic,
    since: "2.2.3",
    summary: "A container for object introspection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&OBJECT_ENCODING, &OBJECT_FREQ, &OBJECT_HELP, &OBJECT_IDLETIME, &OBJECT_REFCOUNT],
    ..Command::BASE
};

/// OBJECT ENCODING.
pub static OBJECT_ENCODING: Command = Command {
    name: "encoding",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.3",
    summary: "Returns the internal encoding of a Redis object.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &[
        "SET number 12345",
        "OBJECT ENCODING number",
        "SET short hello",
        "OBJECT ENCODING short",
        r#"SET long "a string that is longer than what fits in an embedded string""#,
        "OBJECT ENCODING long",
        "RPUSH list a",
        "OBJECT ENCODING list",
        "SADD numbers 1 2",
        "OBJECT ENCODING numbers",
        "SADD words a",
        "OBJECT ENCODING words",
        "ZADD zset 1 a",
        "OBJECT ENCODING zset",
        "HSET hash f v",
        "OBJECT ENCODING hash",
        "OBJECT ENCODING missing",
    ],
    handler: Handler::Read(object_encoding),
    ..Command::BASE
};

/// OBJECT FREQ.
pub static OBJECT_FREQ: Command = Command {
    name: "freq",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "4.0.0",
    summary: "Returns the logarithmic access frequency counter of a Redis object.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "OBJECT FREQ key", "OBJECT FREQ missing"],
    handler: Handler::Read(object_freq),
    ..Command::BASE
};

/// OBJECT HELP.
pub static OBJECT_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::KEYSPACE,
    group: Group::Generic,
    since: "6.2.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["OBJECT HELP", "OBJECT UNKNOWN key"],
    handler: Handler::Admin(object_help),
    ..Command::BASE
};

/// OBJECT IDLETIME.
pub static OBJECT_IDLETIME: Command = Command {
    name: "idletime",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.3",
    summary: "Returns the time since the last access to a Redis object.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "OBJECT IDLETIME key", "OBJECT IDLETIME missing"],
    handler: Handler::Read(object_idletime),
    ..Command::BASE
};

/// OBJECT REFCOUNT.
pub static OBJECT_REFCOUNT: Command = Command {
    name: "refcount",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.3",
    summary: "Returns the reference count of a value of a key.",
    complexity: "O(1)",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "OBJECT REFCOUNT key", "OBJECT REFCOUNT missing"],
    handler: Handler::Read(object_refcount),
    ..Command::BASE
};
