//! BITOP: bitwise operations between strings.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{OW_UPDATE, RO_ACCESS, keys, one_key};

/// BITOP.
pub static BITOP: Command = Command {
    name: "bitop",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::BITMAP,
    keys: &[one_key(2, OW_UPDATE), keys(3, -1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Bitmap,
    since: "2.6.0",
    summary: "Performs bitwise operations on multiple strings, and stores the result.",
    complexity: "O(N)",
    args: &[
        ArgSpec::oneof(
            "operation",
            &[
                ArgSpec::token("and", "AND"),
                ArgSpec::token("or", "OR"),
                ArgSpec::token("xor", "XOR"),
                ArgSpec::token("not", "NOT"),
                ArgSpec::token("diff", "DIFF"),
                ArgSpec::token("diff1", "DIFF1"),
                ArgSpec::token("andor", "ANDOR"),
                ArgSpec::token("one", "ONE"),
            ],
        ),
        ArgSpec::key("destkey", 0),
        ArgSpec::key("key", 1).multi(),
    ],
    examples: &[
        "MSET a foobar b abcdef c x",
        "BITOP AND dest a b",
        "GET dest",
        "BITOP OR dest a b c",
        "GET dest",
        "BITOP XOR dest a b",
        "GET dest",
        "BITOP NOT dest c",
        "GET dest",
        "BITOP DIFF dest a b c",
        "GET dest",
        "BITOP ANDOR dest a b c",
        "GET dest",
        "BITOP ONE dest a b c",
        "GET dest",
        "BITOP NOT dest a b",
        "BITOP AND dest missing",
        "EXISTS dest",
    ],
    handler: Handler::Write(bitop),
    ..Command::BASE
};
