//! LCS: the longest common subsequence of two strings.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{RO_ACCESS, keys};

/// LCS.
pub static LCS: Command = Command {
    name: "lcs",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::STRING,
    keys: &[keys(1, 1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "7.0.0",
    summary: "Finds the longest common substring.",
    complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    args: &[
        ArgSpec::key("key1", 0),
        ArgSpec::key("key2", 0),
        ArgSpec::token("len", "LEN").opt(),
        ArgSpec::token("idx", "IDX").opt(),
        ArgSpec::integer("min-match-len").after("MINMATCHLEN").opt(),
        ArgSpec::token("withmatchlen", "WITHMATCHLEN").opt(),
    ],
    examples: &[
        "MSET a ohmytext b mynewtext",
        "LCS a b",
        "LCS a b LEN",
        "LCS a b IDX",
        "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
        "LCS a missing",
        "LCS a b LEN IDX",
    ],
    handler: Handler::Read(lcs),
    ..Command::BASE
};
