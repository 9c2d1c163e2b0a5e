//! Several strings at once: MGET, MSET, MSETNX, MSETEX.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Begin, Command, Find, Flags, Group, Handler, KeySpec, Scope};

use crate::declare::{KEY, OW_INSERT, OW_UPDATE, RO_ACCESS, keys};

/// Shared by MSET, MSETNX and MSETEX.
const DATA: ArgSpec = ArgSpec::block("data", &[KEY, ArgSpec::string("value")]).multi();

/// MGET.
pub static MGET: Command = Command {
    name: "mget",
    arity: -2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[keys(1, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Atomically returns the string values of one or more keys.",
    complexity: "O(N) where N is the number of keys to retrieve.",
    args: &[KEY.multi()],
    tips: &["request_policy:multi_shard"],
    examples: &["SET one 1", "LPUSH list a", "MGET one missing list one"],
    handler: Handler::Read(mget),
    ..Command::BASE
};

/// MSET.
pub static MSET: Command = Command {
    name: "mset",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[keys(1, -1, 2, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.1",
    summary: "Atomically creates or modifies the string values of one or more keys.",
    complexity: "O(N) where N is the number of keys to set.",
    args: &[DATA],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    examples: &["MSET one 1 two 2 one uno", "MGET one two", "MSET one 1 two"],
    handler: Handler::Write(mset),
    ..Command::BASE
};

/// MSETNX.
pub static MSETNX: Command = Command {
    name: "msetnx",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[keys(1, -1, 2, OW_INSERT)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.1",
    summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
    complexity: "O(N) where N is the number of keys to set.",
    args: &[DATA],
    examples: &["MSETNX one 1 two 2", "MSETNX two 3 three 3", "MGET one two three", "MSETNX one 1 two"],
    handler: Handler::Write(msetnx),
    ..Command::BASE
};

/// MSETEX.
pub static MSETEX: Command = Command {
    name: "msetex",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[KeySpec {
        flags: OW_UPDATE,
        begin: Begin::Index(1),
        find: Find::Keynum { count: 0, first: 1, step: 2 },
        notes: "",
    }],
    scope: Scope::Keys,
    group: Group::String,
    since: "8.4.0",
    summary: "Atomically sets multiple string keys with a shared expiration in a single operation. Supports flexible \
        argument parsing where condition and expiration flags can appear in any order.",
    complexity: "O(N) where N is the number of keys to set.",
    args: &[
        ArgSpec::integer("numkeys"),
        DATA,
        ArgSpec::oneof("condition", &[ArgSpec::token("nx", "NX"), ArgSpec::token("xx", "XX")]).opt(),
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX"),
                ArgSpec::integer("milliseconds").after("PX"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT"),
                ArgSpec::token("keepttl", "KEEPTTL"),
            ],
        )
        .opt(),
    ],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    examples: &[
        "MSETEX 2 one 1 two 2 EX 100",
        "TTL one",
        "MSETEX 2 two 3 three 3 NX",
        "MSETEX 2 one 4 two 5 XX KEEPTTL",
        "MGET one two three",
        "TTL two",
        "MSETEX 0 one 1",
        "MSETEX 2 one 1",
        "MSETEX 1 one 1 NX XX",
    ],
    handler: Handler::Write(msetex),
    ..Command::BASE
};
