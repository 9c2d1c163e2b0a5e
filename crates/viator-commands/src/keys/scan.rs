//! Iterating over the keys of a database: SCAN, KEYS, RANDOMKEY.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Scope};

/// SCAN.
pub static SCAN: Command = Command {
    name: "scan",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    scope: Scope::All,
    group: Group::Generic,
    since: "2.8.0",
    summary: "Iterates over the key names in the database.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to \
        return back to 0. N is the number of elements inside the collection.",
    history: &[("6.0.0", "Added the `TYPE` subcommand.")],
    args: &[
        ArgSpec::integer("cursor"),
        ArgSpec::new("pattern", ArgKind::Pattern).after("MATCH").opt(),
        ArgSpec::integer("count").after("COUNT").opt(),
        ArgSpec::string("type").after("TYPE").since("6.0.0").opt(),
    ],
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    examples: &[
        "SCAN 0 COUNT 100000",
        "SADD only a",
        "SCAN 0 COUNT 100000",
        "SCAN 0 MATCH o*y COUNT 100000",
        "SCAN 0 MATCH other COUNT 100000",
        "SCAN 0 TYPE set COUNT 100000",
        "SCAN 0 COUNT 100000 TYPE string",
        "SCAN notacursor",
        "SCAN 0 COUNT 0",
        "SCAN 0 MATCH",
    ],
    handler: Handler::Read(scan),
    ..Command::BASE
};

/// KEYS.
pub static KEYS: Command = Command {
    name: "keys",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    scope: Scope::All,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Returns all key names that match a pattern.",
    complexity: "O(N) with N being the number of keys in the database, under the assumption that the key names in the \
        database and the given pattern have limited length.",
    args: &[ArgSpec::new("pattern", ArgKind::Pattern)],
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    examples: &["KEYS *", "SET hello world", "SET other world", "KEYS h[a-e]l?o", "KEYS h[^e]*", "KEYS he*"],
    handler: Handler::Read(keys),
    ..Command::BASE
};

/// RANDOMKEY.
pub static RANDOMKEY: Command = Command {
    name: "randomkey",
    arity: 1,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    scope: Scope::All,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Returns a random key name from the database.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    examples: &["RANDOMKEY", "SET only value", "RANDOMKEY"],
    handler: Handler::Read(randomkey),
    ..Command::BASE
};
