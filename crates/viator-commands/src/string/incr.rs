//! Counters: INCR, DECR and their steps.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RW_ACCESS_UPDATE, one_key};

/// INCR.
pub static INCR: Command = Command {
    name: "incr",
    arity: 2,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[
        "INCR counter",
        "INCR counter",
        "SET text abc",
        "INCR text",
        "SET edge 9223372036854775807",
        "INCR edge",
    ],
    handler: Handler::Write(incr),
    ..Command::BASE
};

/// DECR.
pub static DECR: Command = Command {
    name: "decr",
    arity: 2,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["DECR counter", "SET counter 10", "DECR counter", "SET edge -9223372036854775808", "DECR edge"],
    handler: Handler::Write(decr),
    ..Command::BASE
};

/// INCRBY.
pub static INCRBY: Command = Command {
    name: "incrby",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("increment")],
    examples: &[
        "SET counter 10",
        "INCRBY counter 5",
        "INCRBY counter -20",
        "INCRBY counter 1.5",
        "INCRBY counter 9223372036854775807",
    ],
    handler: Handler::Write(incrby),
    ..Command::BASE
};

/// DECRBY.
pub static DECRBY: Command = Command {
    name: "decrby",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("decrement")],
    examples: &["SET counter 10", "DECRBY counter 3", "DECRBY counter -3", "DECRBY counter -9223372036854775808"],
    handler: Handler::Write(decrby),
    ..Command::BASE
};

/// INCRBYFLOAT.
pub static INCRBYFLOAT: Command = Command {
    name: "incrbyfloat",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.6.0",
    summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't \
        exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::new("increment", ArgKind::Double)],
    examples: &[
        "SET number 10.50",
        "INCRBYFLOAT number 0.1",
        "INCRBYFLOAT number -5",
        "SET number 5.0e3",
        "INCRBYFLOAT number 2.0e2",
        "INCRBYFLOAT number abc",
        "INCRBYFLOAT number inf",
    ],
    handler: Handler::Write(incrbyfloat),
    ..Command::BASE
};
