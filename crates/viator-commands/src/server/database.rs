//! Whole databases: DBSIZE, FLUSHALL, FLUSHDB, SWAPDB.

use std::ops::Range;
use viator_engine::args;
use viator_engine::command::Outcome;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::persistence;
use viator_engine::server::Garbage;
use viator_engine::session::{Blocked, Waiting};

/// Shared by FLUSHALL and FLUSHDB.
const FLUSH_TYPE: ArgSpec = ArgSpec::oneof(
    "flush-type",
    &[ArgSpec::token("async", "ASYNC").since("4.0.0"), ArgSpec::token("sync", "SYNC").since("6.2.0")],
)
.opt();

/// DBSIZE.
pub static DBSIZE: Command = Command {
    name: "dbsize",
    arity: 1,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    scope: Scope::All,
    group: Group::Server,
    since: "1.0.0",
    summary: "Returns the number of keys in the database.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    examples: &["DBSIZE", "MSET one 1 two 2", "DBSIZE", "SELECT 1", "DBSIZE"],
    handler: Handler::Read(dbsize),
    ..Command::BASE
};

fn dbsize(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let n = ctx.keys.db_len(ctx.session.db);
    ctx.out.int(n as i64);
    Ok(())
}

/// FLUSHALL.
pub static FLUSHALL: Command = Command {
    name: "flushall",
    arity: -1,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    scope: Scope::All,
    group: Group::Server,
    since: "1.0.0",
    summary: "Removes all keys from all databases.",
    complexity: "O(N) where N is the total number of keys in all databases",
    history: &[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ],
    args: &[FLUSH_TYPE],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    examples: &[
        "SET key value",
        "FLUSHALL",
        "DBSIZE",
        "SELECT 1",
        "SET key value",
        "SELECT 0",
        "FLUSHALL ASYNC",
        "SELECT 1",
        "DBSIZE",
        "FLUSHALL SYNC",
        "FLUSHALL LATER",
    ],
    handler: Handler::Write(flushall),
    ..Command::BASE
};

fn flushall(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    flush(ctx, 0..ctx.server.keyspace.databases())?;
    if !ctx.keys.local.replaying {
        let (now, dirty) = (ctx.keys.now(), ctx.keys.local.dirty);
        persistence::after_flush(ctx.server, ctx.keys.guards(), now, dirty);
    }
    Ok(())
}

/// Empties databases. Without ASYNC the reply comes when all is freed, which is done in the background all the same
/// unless a transaction goes on.
fn flush(ctx: &mut WriteCtx<'_, '_>, dbs: Range<usize>) -> Outcome {
    let lazy = flush_lazy(ctx)?;
    let waits = !lazy && !ctx.session.in_exec && !ctx.keys.local.replaying;
    let mut removed = 0;
    for db in dbs {
        removed += ctx.keys.flush(db, lazy || waits);
    }
    // one more than the keys: the flush itself is propagated even when there was nothing to remove
    ctx.keys.dirty(removed as u64 + 1);
    if waits && removed > 0 {
        let wait = Waiting { until: None, reply: b"+OK\r\n".to_vec(), synced: None };
        ctx.session.block(ctx.server, Blocked::Waiting(wait));
        ctx.server.host.free_later(Garbage::Wake(ctx.session.shared.clone()));
    } else {
        ctx.out.ok();
    }
    Ok(())
}

/// ASYNC, SYNC, or what `lazyfree-lazy-user-flush` says.
fn flush_lazy(ctx: &WriteCtx<'_, '_>) -> Result<bool, Error> {
    match ctx.args.len() {
        1 => Ok(ctx.keys.cfg().lazyfree_lazy_user_flush),
        2 if args::is(ctx.args.at(1), "sync") => Ok(false),
        2 if args::is(ctx.args.at(1), "async") => Ok(true),
        _ => Err(Error::Syntax),
    }
}

/// FLUSHDB.
pub static FLUSHDB: Command = Command {
    name: "flushdb",
    arity: -1,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    scope: Scope::All,
    group: Group::Server,
    since: "1.0.0",
    summary: "Remove all keys from the current database.",
    complexity: "O(N) where N is the number of keys in the selected database",
    history: &[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ],
    args: &[FLUSH_TYPE],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    examples: &[
        "SET key value",
        "SELECT 1",
        "SET key value",
        "FLUSHDB",
        "DBSIZE",
        "SELECT 0",
        "DBSIZE",
        "FLUSHDB ASYNC",
        "FLUSHDB SYNC",
        "FLUSHDB LATER",
    ],
    handler: Handler::Write(flushdb),
    ..Command::BASE
};

fn flushdb(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    flush(ctx, ctx.session.db..ctx.session.db + 1)
}

/// SWAPDB.
pub static SWAPDB: Command = Command {
    name: "swapdb",
    arity: 3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    scope: Scope::All,
    group: Group::Server,
    since: "4.0.0",
    summary: "Swaps two Redis databases.",
    complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
    args: &[ArgSpec::integer("index1"), ArgSpec::integer("index2")],
    examples: &[
        "SET key zero",
        "SWAPDB 0 1",
        "EXISTS key",
        "SELECT 1",
        "GET key",
        "SWAPDB 0 16",
        "SWAPDB a 1",
        "SWAPDB 1 1",
    ],
    handler: Handler::Write(swapdb),
    ..Command::BASE
};

fn swapdb(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    if ctx.keys.cfg().cluster_enabled {
        return Err(Error::Static("ERR SWAPDB is not allowed in cluster mode"));
    }
    let int =
        |i: usize, text| args::int(ctx.args.at(i)).ok().and_then(|n| i32::try_from(n).ok()).ok_or(Error::Static(text));
    let a = int(1, "ERR invalid first DB index")?;
    let b = int(2, "ERR invalid second DB index")?;
    let within = |n: i32| usize::try_from(n).ok().filter(|n| *n < ctx.server.keyspace.databases());
    let (Some(a), Some(b)) = (within(a), within(b)) else { return Err(Error::DbIndex) };
    if a != b {
        ctx.keys.swap(a, b);
    }
    ctx.keys.dirty(1);
    ctx.out.ok();
    Ok(())
}
