//! SORT and SORT_RO.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Scope};

use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, noted, one_key, unknown_keys};

/// Shared by SORT and SORT_RO.
const BY_PATTERN: ArgSpec =
    ArgSpec { key_spec: 1, ..ArgSpec::new("by-pattern", ArgKind::Pattern) }.after("BY").shown("pattern").opt();

/// Shared by SORT and SORT_RO.
const LIMIT: ArgSpec =
    ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")]).after("LIMIT").opt();

/// Shared by SORT and SORT_RO.
const GET_PATTERN: ArgSpec = ArgSpec { key_spec: 1, ..ArgSpec::new("get-pattern", ArgKind::Pattern) }
    .after("GET")
    .shown("pattern")
    .multi_token()
    .opt();

/// Shared by SORT and SORT_RO.
const ORDER: ArgSpec = ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt();

/// SORT.
pub static SORT: Command = Command {
    name: "sort",
    arity: -2,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SET.or(Acl::SORTEDSET).or(Acl::LIST).or(Acl::DANGEROUS),
    keys: &[
        one_key(1, RO_ACCESS),
        noted(
            unknown_keys(RO_ACCESS),
            "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive \
                from the content of the key we sort",
        ),
        noted(
            unknown_keys(OW_UPDATE),
            "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear \
                anywhere in the argument array",
        ),
    ],
    scope: Scope::All,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
    complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of \
        returned elements. When the elements are not sorted, complexity is O(N).",
    args: &[
        KEY,
        BY_PATTERN,
        LIMIT,
        GET_PATTERN,
        ORDER,
        ArgSpec::token("sorting", "ALPHA").opt(),
        ArgSpec::key("destination", 2).after("STORE").opt(),
    ],
    examples: &[
        "RPUSH list 3 1 2 10",
        "SORT list",
        "SORT list DESC LIMIT 0 2",
        "SORT list ALPHA",
        "MSET weight_1 30 weight_2 20 weight_3 10 weight_10 5",
        "SORT list BY weight_*",
        "SORT list BY weight_* GET # GET weight_*",
        "SORT list BY nosort GET nothing_*",
        "HSET object_1 name one",
        "SORT list GET object_*->name",
        "SORT list STORE sorted",
        "LRANGE sorted 0 -1",
        "SORT missing",
        "RPUSH words b a",
        "SORT words",
        "SET string v",
        "SORT string",
    ],
    handler: Handler::Write(sort),
    ..Command::BASE
};

/// SORT_RO.
pub static SORT_RO: Command = Command {
    name: "sort_ro",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SET.or(Acl::SORTEDSET).or(Acl::LIST).or(Acl::DANGEROUS),
    keys: &[
        one_key(1, RO_ACCESS),
        noted(
            unknown_keys(RO_ACCESS),
            "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive \
                from the content of the key we sort",
        ),
    ],
    scope: Scope::All,
    group: Group::Generic,
    since: "7.0.0",
    summary: "Returns the sorted elements of a list, a set, or a sorted set.",
    complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of \
        returned elements. When the elements are not sorted, complexity is O(N).",
    args: &[KEY, BY_PATTERN, LIMIT, GET_PATTERN, ORDER, ArgSpec::token("sorting", "ALPHA").opt()],
    examples: &[
        "RPUSH list 3 1 2",
        "SORT_RO list DESC",
        "SORT_RO list LIMIT 1 1",
        "SORT_RO list STORE other",
        "SADD set b a c",
        "SORT_RO set ALPHA",
    ],
    handler: Handler::Read(sort_ro),
    ..Command::BASE
};
