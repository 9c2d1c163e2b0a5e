//! Moving and copying keys: RENAME, RENAMENX, MOVE, COPY.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, OW_INSERT, OW_UPDATE, RO_ACCESS, RW_ACCESS_DELETE, RW_ACCESS_UPDATE, one_key};

/// RENAME.
pub static RENAME: Command = Command {
    name: "rename",
    arity: 3,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Renames a key and overwrites the destination.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::key("newkey", 1)],
    examples: &[
        "SET key value EX 100",
        "SET other old",
        "RENAME key other",
        "GET other",
        "TTL other",
        "RENAME missing other",
        "RENAME other other",
    ],
    handler: Handler::Write(rename),
    ..Command::BASE
};

/// RENAMENX.
pub static RENAMENX: Command = Command {
    name: "renamenx",
    arity: 3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, OW_INSERT)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Renames a key only when the target key name doesn't exist.",
    complexity: "O(1)",
    history: &[("3.2.0", "The command no longer returns an error when source and destination names are the same.")],
    args: &[KEY, ArgSpec::key("newkey", 1)],
    examples: &[
        "MSET key value other old",
        "RENAMENX key other",
        "RENAMENX key fresh",
        "GET fresh",
        "RENAMENX missing other",
    ],
    handler: Handler::Write(renamenx),
    ..Command::BASE
};

/// MOVE.
pub static MOVE: Command = Command {
    name: "move",
    arity: 3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Moves a key to another database.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("db")],
    examples: &[
        "SET key value",
        "MOVE key 1",
        "EXISTS key",
        "MOVE key 1",
        "SET key again",
        "MOVE key 1",
        "MOVE key 0",
        "MOVE key 100",
    ],
    handler: Handler::Write(move_key),
    ..Command::BASE
};

/// COPY.
pub static COPY: Command = Command {
    name: "copy",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS), one_key(2, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "6.2.0",
    summary: "Copies the value of a key to a new key.",
    complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
    args: &[
        ArgSpec::key("source", 0),
        ArgSpec::key("destination", 1),
        ArgSpec::integer("destination-db").after("DB").opt(),
        ArgSpec::token("replace", "REPLACE").opt(),
    ],
    examples: &[
        "SET key value EX 100",
        "COPY key twin",
        "GET twin",
        "TTL twin",
        "SET key new",
        "COPY key twin",
        "COPY key twin REPLACE",
        "GET twin",
        "COPY key key DB 1",
        "COPY key key",
        "COPY missing other",
        "COPY key twin DB 100",
    ],
    handler: Handler::Write(copy),
    ..Command::BASE
};
