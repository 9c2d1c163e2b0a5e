//! Setting a string: SET, its older forms, and DELEX, which takes it away on a condition.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{
    KEY, OW_INSERT, OW_UPDATE, RW_ACCESS_UPDATE_VARIABLE_FLAGS, RW_DELETE_VARIABLE_FLAGS, noted, one_key,
};

/// SET.
pub static SET: Command = Command {
    name: "set",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[noted(one_key(1, RW_ACCESS_UPDATE_VARIABLE_FLAGS), "RW and ACCESS due to the optional `GET` argument")],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
    complexity: "O(1)",
    history: &[
        ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
        ("6.0.0", "Added the `KEEPTTL` option."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
        ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ("8.4.0", "Added 'IFEQ', 'IFNE', 'IFDEQ', 'IFDNE' options."),
    ],
    args: &[
        KEY,
        ArgSpec::string("value"),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("nx", "NX"),
                ArgSpec::token("xx", "XX"),
                ArgSpec::string("ifeq-value").after("IFEQ").since("8.4.0"),
                ArgSpec::string("ifne-value").after("IFNE").since("8.4.0"),
                ArgSpec::integer("ifdeq-digest").after("IFDEQ").since("8.4.0"),
                ArgSpec::integer("ifdne-digest").after("IFDNE").since("8.4.0"),
            ],
        )
        .since("2.6.12")
        .opt(),
        ArgSpec::token("get", "GET").since("6.2.0").opt(),
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX").since("2.6.12"),
                ArgSpec::integer("milliseconds").after("PX").since("2.6.12"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT").since("6.2.0"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT").since("6.2.0"),
                ArgSpec::token("keepttl", "KEEPTTL").since("6.0.0"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key value",
        "SET key other NX",
        "SET key other XX GET",
        "SET fresh value NX GET",
        "SET key value EX 100",
        "TTL key",
        "SET key value KEEPTTL",
        "TTL key",
        "SET key new IFEQ value",
        "SET key new IFEQ value",
        "SET key newer IFNE new",
        "SET key v EX 10 PX 10",
        "SET key v EX 0",
    ],
    handler: Handler::Write(set),
    ..Command::BASE
};

/// SETEX.
pub static SETEX: Command = Command {
    name: "setex",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[one_key(1, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.0.0",
    summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
    complexity: "O(1)",
    deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
    args: &[KEY, ArgSpec::integer("seconds"), ArgSpec::string("value")],
    examples: &["SETEX key 100 value", "GET key", "TTL key", "SETEX key 0 value", "SETEX key notanumber value"],
    handler: Handler::Write(setex),
    ..Command::BASE
};

/// PSETEX.
pub static PSETEX: Command = Command {
    name: "psetex",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[one_key(1, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.6.0",
    summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't \
        exist.",
    complexity: "O(1)",
    deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
    args: &[KEY, ArgSpec::integer("milliseconds"), ArgSpec::string("value")],
    examples: &["PSETEX key 100000 value", "TTL key", "PSETEX key -1 value"],
    handler: Handler::Write(psetex),
    ..Command::BASE
};

/// SETNX.
pub static SETNX: Command = Command {
    name: "setnx",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, OW_INSERT)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Set the string value of a key only when the key doesn't exist.",
    complexity: "O(1)",
    deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
    args: &[KEY, ArgSpec::string("value")],
    examples: &["SETNX key first", "SETNX key second", "GET key"],
    handler: Handler::Write(setnx),
    ..Command::BASE
};

/// DELEX.
pub static DELEX: Command = Command {
    name: "delex",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_DELETE_VARIABLE_FLAGS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "8.4.0",
    summary: "Conditionally removes the specified key based on value or digest comparison.",
    complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
    args: &[
        KEY,
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::string("ifeq-value").after("IFEQ"),
                ArgSpec::string("ifne-value").after("IFNE"),
                ArgSpec::integer("ifdeq-digest").after("IFDEQ"),
                ArgSpec::integer("ifdne-digest").after("IFDNE"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key value",
        "DELEX key IFEQ other",
        "DELEX key IFNE value",
        "DELEX key IFEQ value",
        "DELEX key",
        "SET key hello",
        "DELEX key IFDEQ 9555e8555c62dcfd",
        "EXISTS key",
        "DELEX key IFEQ",
    ],
    handler: Handler::Write(delex),
    ..Command::BASE
};
