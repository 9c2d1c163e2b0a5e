//! WAIT and WAITAOF: waiting for replicas and for the disk.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler};

/// WAIT.
pub static WAIT: Command = Command {
    name: "wait",
    arity: 3,
    flags: Flags::BLOCKING,
    acl: Acl::CONNECTION,
    group: Group::Generic,
    since: "3.0.0",
    summary: "Blocks until the asynchronous replication of all preceding write commands sent by the connection is \
        completed.",
    complexity: "O(1)",
    args: &[ArgSpec::integer("numreplicas"), ArgSpec::integer("timeout")],
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    examples: &["WAIT 0 0", "WAIT 1 1", "WAIT 1 -1", "WAIT notanumber 0"],
    handler: Handler::Admin(wait),
    ..Command::BASE
};

/// WAITAOF.
pub static WAITAOF: Command = Command {
    name: "waitaof",
    arity: 4,
    flags: Flags::BLOCKING,
    acl: Acl::CONNECTION,
    group: Group::Generic,
    since: "7.2.0",
    summary: "Blocks until all of the preceding write commands sent by the connection are written to the append-only \
        file of the master and/or replicas.",
    complexity: "O(1)",
    args: &[ArgSpec::integer("numlocal"), ArgSpec::integer("numreplicas"), ArgSpec::integer("timeout")],
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    examples: &["WAITAOF 0 0 0", "WAITAOF 0 1 1", "WAITAOF 1 0 0", "WAITAOF 2 0 0", "WAITAOF 0 -1 0"],
    handler: Handler::Admin(waitaof),
    ..Command::BASE
};
