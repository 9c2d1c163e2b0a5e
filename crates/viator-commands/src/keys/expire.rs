//! Setting and removing expirations: EXPIRE and its relatives, PERSIST.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RW_UPDATE, one_key};

/// Shared by EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT.
const CONDITION: ArgSpec = ArgSpec::oneof(
    "condition",
    &[ArgSpec::token("nx", "NX"), ArgSpec::token("xx", "XX"), ArgSpec::token("gt", "GT"), ArgSpec::token("lt", "LT")],
)
.since("7.0.0")
.opt();

/// EXPIRE.
pub static EXPIRE: Command = Command {
    name: "expire",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Sets the expiration time of a key in seconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::integer("seconds"), CONDITION],
    examples: &[
        "SET key value",
        "EXPIRE key 100",
        "TTL key",
        "EXPIRE key 200 NX",
        "EXPIRE key 50 GT",
        "EXPIRE key 50 LT",
        "EXPIRE key 60 XX",
        "TTL key",
        "EXPIRE missing 10",
        "EXPIRE key 10 NX XX",
        "EXPIRE key 10 BAD",
        "EXPIRE key 9223372036854775807",
        "EXPIRE key -1",
        "EXISTS key",
    ],
    handler: Handler::Write(expire),
    ..Command::BASE
};

/// PEXPIRE.
pub static PEXPIRE: Command = Command {
    name: "pexpire",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Sets the expiration time of a key in milliseconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::integer("milliseconds"), CONDITION],
    examples: &[
        "SET key value",
        "PEXPIRE key 100000",
        "TTL key",
        "PEXPIRE key 1000 GT",
        "PEXPIRE missing 10",
        "PEXPIRE key 0",
        "EXISTS key",
    ],
    handler: Handler::Write(pexpire),
    ..Command::BASE
};

/// EXPIREAT.
pub static EXPIREAT: Command = Command {
    name: "expireat",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.2.0",
    summary: "Sets the expiration time of a key to a Unix timestamp.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::new("unix-time-seconds", ArgKind::UnixTime), CONDITION],
    examples: &[
        "SET key value",
        "EXPIREAT key 33177117420",
        "EXPIRETIME key",
        "EXPIREAT key 33177117421 LT",
        "EXPIREAT key 1293840000",
        "EXISTS key",
    ],
    handler: Handler::Write(expireat),
    ..Command::BASE
};

/// PEXPIREAT.
pub static PEXPIREAT: Command = Command {
    name: "pexpireat",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    args: &[KEY, ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime), CONDITION],
    examples: &[
        "SET key value",
        "PEXPIREAT key 33177117420000",
        "PEXPIRETIME key",
        "PEXPIREAT key 33177117420001 GT",
        "PEXPIRETIME key",
        "PEXPIREAT key 1293840000000",
        "EXISTS key",
    ],
    handler: Handler::Write(pexpireat),
    ..Command::BASE
};

/// PERSIST.
pub static PERSIST: Command = Command {
    name: "persist",
    arity: 2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.2.0",
    summary: "Removes the expiration time of a key.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["SET key value EX 100", "PERSIST key", "PERSIST key", "TTL key", "PERSIST missing"],
    handler: Handler::Write(persist),
    ..Command::BASE
};
