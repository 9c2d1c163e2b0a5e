//! DUMP and RESTORE: the serialized form of a value.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, one_key};

/// DUMP.
pub static DUMP: Command = Command {
    name: "dump",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Returns a serialized representation of the value stored at a key.",
    complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects \
        composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) \
        where M is small, so simply O(1).",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["DUMP missing"],
    handler: Handler::Read(dump),
    ..Command::BASE
};

/// RESTORE.
pub static RESTORE: Command = Command {
    name: "restore",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    keys: &[one_key(1, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Creates a key from the serialized representation of a value.",
    complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the \
        number of Redis objects composing the value and M their average size. For small string values the time \
        complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity \
        is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
    history: &[
        ("3.0.0", "Added the `REPLACE` modifier."),
        ("5.0.0", "Added the `ABSTTL` modifier."),
        ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
    ],
    args: &[
        KEY,
        ArgSpec::integer("ttl"),
        ArgSpec::string("serialized-value"),
        ArgSpec::token("replace", "REPLACE").since("3.0.0").opt(),
        ArgSpec::token("absttl", "ABSTTL").since("5.0.0").opt(),
        ArgSpec::integer("seconds").after("IDLETIME").since("5.0.0").opt(),
        ArgSpec::integer("frequency").after("FREQ").since("5.0.0").opt(),
    ],
    examples: &[
        r#"RESTORE key 0 "\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC""#,
        "GET key",
        r#"RESTORE key 0 "\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC""#,
        r#"RESTORE key 100000 "\x00\xc0\x0c\x0c\x00\xf7\\\xcc\x91\xa6.\"\x9c" REPLACE"#,
        "GET key",
        "TTL key",
        "RESTORE l 33177117420000 \
        \"\\x12\\x01\\x02\\n\\n\\x00\\x00\\x00\\x01\\x00\\x81a\\x02\\xff\\x0c\\x00\\xc2\\xcf\\xd95n\\xf4G\\xdc\" \
        ABSTTL",
        "LRANGE l 0 -1",
        "EXPIRETIME l",
        "RESTORE bad 0 payload",
        "RESTORE bad -1 payload",
        "RESTORE bad 0 payload IDLETIME -1",
        "RESTORE bad 0 payload FREQ 256",
    ],
    handler: Handler::Write(restore),
    ..Command::BASE
};
