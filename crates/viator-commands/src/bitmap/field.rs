//! BITFIELD: integers of any width inside a string.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, RO_ACCESS, RW_ACCESS_UPDATE_VARIABLE_FLAGS, noted, one_key};

/// BITFIELD.
pub static BITFIELD: Command = Command {
    name: "bitfield",
    arity: -2,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::BITMAP,
    keys: &[noted(
        one_key(1, RW_ACCESS_UPDATE_VARIABLE_FLAGS),
        "This command allows both access and modification of the key",
    )],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "3.2.0",
    summary: "Performs arbitrary bitfield integer operations on strings.",
    complexity: "O(1) for each subcommand specified",
    args: &[
        KEY,
        ArgSpec::oneof(
            "operation",
            &[
                ArgSpec::block("get-block", &[ArgSpec::string("encoding"), ArgSpec::integer("offset")]).after("GET"),
                ArgSpec::block(
                    "write",
                    &[
                        ArgSpec::oneof(
                            "overflow-block",
                            &[
                                ArgSpec::token("wrap", "WRAP"),
                                ArgSpec::token("sat", "SAT"),
                                ArgSpec::token("fail", "FAIL"),
                            ],
                        )
                        .after("OVERFLOW")
                        .opt(),
                        ArgSpec::oneof(
                            "write-operation",
                            &[
                                ArgSpec::block(
                                    "set-block",
                                    &[
                                        ArgSpec::string("encoding"),
                                        ArgSpec::integer("offset"),
                                        ArgSpec::integer("value"),
                                    ],
                                )
                                .after("SET"),
                                ArgSpec::block(
                                    "incrby-block",
                                    &[
                                        ArgSpec::string("encoding"),
                                        ArgSpec::integer("offset"),
                                        ArgSpec::integer("increment"),
                                    ],
                                )
                                .after("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .multi()
        .opt(),
    ],
    examples: &[
        "BITFIELD key INCRBY i5 100 1 GET u4 0",
        "BITFIELD key SET u8 #1 200 GET u8 #1",
        "BITFIELD key INCRBY u2 100 3 OVERFLOW SAT INCRBY u2 102 3",
        "BITFIELD key OVERFLOW FAIL INCRBY u2 100 1",
        "BITFIELD key GET u64 0",
        "BITFIELD key GET i64 0",
        "BITFIELD key",
        "BITFIELD key OVERFLOW NONE GET u8 0",
    ],
    handler: Handler::Write(bitfield),
    ..Command::BASE
};

/// BITFIELD_RO.
pub static BITFIELD_RO: Command = Command {
    name: "bitfield_ro",
    arity: -2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::BITMAP,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "6.0.0",
    summary: "Performs arbitrary read-only bitfield integer operations on strings.",
    complexity: "O(1) for each subcommand specified",
    args: &[
        KEY,
        ArgSpec::block("get-block", &[ArgSpec::string("encoding"), ArgSpec::integer("offset")])
            .after("GET")
            .multi_token()
            .opt(),
    ],
    examples: &[
        "SET key hello",
        "BITFIELD_RO key GET i8 0 GET u4 #1",
        "BITFIELD_RO missing GET u8 0",
        "BITFIELD_RO key SET u8 0 1",
    ],
    handler: Handler::Read(bitfield_ro),
    ..Command::BASE
};
