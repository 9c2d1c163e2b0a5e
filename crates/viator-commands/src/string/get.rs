//! Reading a string: GET and its relatives, STRLEN, DIGEST.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RO, RO_ACCESS, RW_ACCESS_DELETE, RW_ACCESS_UPDATE, noted, one_key};

/// GET.
pub static GET: Command = Command {
    name: "get",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Returns the string value of a key.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["SET greeting hello", "GET greeting", "GET missing", "LPUSH list a", "GET list"],
    handler: Handler::Read(get),
    ..Command::BASE
};

/// GETDEL.
pub static GETDEL: Command = Command {
    name: "getdel",
    arity: 2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "6.2.0",
    summary: "Returns the string value of a key after deleting the key.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["SET key value", "GETDEL key", "GETDEL key", "EXISTS key"],
    handler: Handler::Write(getdel),
    ..Command::BASE
};

/// GETEX.
pub static GETEX: Command = Command {
    name: "getex",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[noted(one_key(1, RW_ACCESS_UPDATE), "RW and UPDATE because it changes the TTL")],
    scope: Scope::Keys,
    group: Group::String,
    since: "6.2.0",
    summary: "Returns the string value of a key after setting its expiration time.",
    complexity: "O(1)",
    args: &[
        KEY,
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX"),
                ArgSpec::integer("milliseconds").after("PX"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT"),
                ArgSpec::token("persist", "PERSIST"),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key value",
        "GETEX key EX 100",
        "TTL key",
        "GETEX key PERSIST",
        "TTL key",
        "GETEX key EX 0",
        "GETEX missing PX 100",
    ],
    handler: Handler::Write(getex),
    ..Command::BASE
};

/// GETSET.
pub static GETSET: Command = Command {
    name: "getset",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Returns the previous string value of a key after setting it to a new value.",
    complexity: "O(1)",
    deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
    args: &[KEY, ArgSpec::string("value")],
    examples: &["GETSET key first", "GETSET key second", "SET fleeting v EX 100", "GETSET fleeting w", "TTL fleeting"],
    handler: Handler::Write(getset),
    ..Command::BASE
};

/// STRLEN.
pub static STRLEN: Command = Command {
    name: "strlen",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.2.0",
    summary: "Returns the length of a string value.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[r#"SET key "hello world""#, "STRLEN key", "STRLEN missing", "SADD set a", "STRLEN set"],
    handler: Handler::Read(strlen),
    ..Command::BASE
};

/// DIGEST.
pub static DIGEST: Command = Command {
    name: "digest",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "8.4.0",
    summary: "Returns the XXH3 hash of a string value.",
    complexity: "O(N) where N is the length of the string value.",
    args: &[KEY],
    examples: &[
        "SET key hello",
        "DIGEST key",
        "DIGEST missing",
        "SET number 12345",
        "DIGEST number",
        "RPUSH list a",
        "DIGEST list",
    ],
    handler: Handler::Read(digest),
    ..Command::BASE
};
