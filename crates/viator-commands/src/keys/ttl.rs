//! Asking for expirations: TTL, PTTL, EXPIRETIME, PEXPIRETIME.

use viator_engine::command::{Acl, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RO_ACCESS, one_key};

/// TTL.
pub static TTL: Command = Command {
    name: "ttl",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Returns the expiration time in seconds of a key.",
    complexity: "O(1)",
    history: &[("2.8.0", "Added the -2 reply.")],
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "TTL key", "EXPIRE key 100", "TTL key", "TTL missing"],
    handler: Handler::Read(ttl),
    ..Command::BASE
};

/// PTTL.
pub static PTTL: Command = Command {
    name: "pttl",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Returns the expiration time in milliseconds of a key.",
    complexity: "O(1)",
    history: &[("2.8.0", "Added the -2 reply.")],
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["SET key value", "PTTL key", "PTTL missing"],
    handler: Handler::Read(pttl),
    ..Command::BASE
};

/// EXPIRETIME.
pub static EXPIRETIME: Command = Command {
    name: "expiretime",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "7.0.0",
    summary: "Returns the expiration time of a key as a Unix timestamp.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[
        "SET key value EXAT 33177117420",
        "EXPIRETIME key",
        "SET lasting value",
        "EXPIRETIME lasting",
        "EXPIRETIME missing",
    ],
    handler: Handler::Read(expiretime),
    ..Command::BASE
};

/// PEXPIRETIME.
pub static PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "7.0.0",
    summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[
        "SET key value PXAT 33177117420123",
        "PEXPIRETIME key",
        "SET lasting value",
        "PEXPIRETIME lasting",
        "PEXPIRETIME missing",
    ],
    handler: Handler::Read(pexpiretime),
    ..Command::BASE
};
