//! Single bits and their counts: GETBIT, SETBIT, BITCOUNT, BITPOS.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RO_ACCESS, RW_ACCESS_UPDATE, one_key};

/// GETBIT.
pub static GETBIT: Command = Command {
    name: "getbit",
    arity: 3,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.2.0",
    summary: "Returns a bit value by offset.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("offset")],
    examples: &[
        "SETBIT key 7 1",
        "GETBIT key 0",
        "GETBIT key 7",
        "GETBIT key 100",
        "GETBIT missing 3",
        "GETBIT key -1",
    ],
    handler: Handler::Read(getbit),
    ..Command::BASE
};

/// SETBIT.
pub static SETBIT: Command = Command {
    name: "setbit",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::BITMAP,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.2.0",
    summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("offset"), ArgSpec::integer("value")],
    examples: &[
        "SETBIT key 7 1",
        "SETBIT key 7 0",
        "SETBIT key 4294967296 1",
        "SETBIT key 7 2",
        "SETBIT key 1 1",
        "GET key",
    ],
    handler: Handler::Write(setbit),
    ..Command::BASE
};

/// BITCOUNT.
pub static BITCOUNT: Command = Command {
    name: "bitcount",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.6.0",
    summary: "Counts the number of set bits (population counting) in a string.",
    complexity: "O(N)",
    history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
    args: &[
        KEY,
        ArgSpec::block(
            "range",
            &[
                ArgSpec::integer("start"),
                ArgSpec::integer("end"),
                ArgSpec::oneof("unit", &[ArgSpec::token("byte", "BYTE"), ArgSpec::token("bit", "BIT")])
                    .since("7.0.0")
                    .opt(),
            ],
        )
        .opt(),
    ],
    examples: &[
        "SET key foobar",
        "BITCOUNT key",
        "BITCOUNT key 0 0",
        "BITCOUNT key 1 1 BYTE",
        "BITCOUNT key 5 30 BIT",
        "BITCOUNT key -2 -1",
        "BITCOUNT missing",
        "BITCOUNT key 0",
    ],
    handler: Handler::Read(bitcount),
    ..Command::BASE
};

/// BITPOS.
pub static BITPOS: Command = Command {
    name: "bitpos",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.8.7",
    summary: "Finds the first set (1) or clear (0) bit in a string.",
    complexity: "O(N)",
    history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
    args: &[
        KEY,
        ArgSpec::integer("bit"),
        ArgSpec::block(
            "range",
            &[
                ArgSpec::integer("start"),
                ArgSpec::block(
                    "end-unit-block",
                    &[
                        ArgSpec::integer("end"),
                        ArgSpec::oneof("unit", &[ArgSpec::token("byte", "BYTE"), ArgSpec::token("bit", "BIT")])
                            .since("7.0.0")
                            .opt(),
                    ],
                )
                .opt(),
            ],
        )
        .opt(),
    ],
    examples: &[
        r#"SETRANGE key 0 "\xff\xf0\x00""#,
        "BITPOS key 0",
        "BITPOS key 1 2",
        "BITPOS key 1 0 -1",
        "BITPOS key 1 7 15 BIT",
        r#"SET ones "\xff\xff""#,
        "BITPOS ones 0",
        "BITPOS ones 0 0 -1",
        "BITPOS missing 0",
        "BITPOS missing 1",
        "BITPOS key 2",
    ],
    handler: Handler::Read(bitpos),
    ..Command::BASE
};
