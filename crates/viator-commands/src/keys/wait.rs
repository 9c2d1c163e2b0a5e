//! WAIT and WAITAOF: waiting for replicas and for the disk.

use std::sync::atomic::{Ordering::Relaxed, Ordering::SeqCst, fence};
use viator_engine::aof::State;
use viator_engine::args;
use viator_engine::blocking::timeout_ms;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::session::{Blocked, WAITAOF_DISABLED, Waiting};

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

/// A lone master: no replica ever acknowledges anything, so what was asked for is reached at once or never.
fn wait(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let replicas = args::int(ctx.args.at(1))?;
    let until = timeout_ms(ctx.args.at(2), ctx.local.now)?;
    if replicas <= 0 || !may_block(ctx) {
        ctx.out.int(0);
        return Ok(());
    }
    ctx.session.block(ctx.server, Blocked::Waiting(Waiting { until, reply: b":0\r\n".to_vec(), synced: None }));
    Ok(())
}

/// Commands of a transaction do not block.
fn may_block(ctx: &AdminCtx<'_, '_>) -> bool {
    !ctx.in_exec()
}

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

fn waitaof(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let local = args::int(ctx.args.at(1))?;
    if !(0..=1).contains(&local) {
        return Err(Error::Static("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = args::positive(ctx.args.at(2))?;
    let until = timeout_ms(ctx.args.at(3), ctx.local.now)?;
    let aof = &ctx.server.aof;
    if local > 0 && aof.state() == State::Off {
        return Err(Error::Static(WAITAOF_DISABLED));
    }
    let offset = ctx.session.log_end;
    let done = aof.state() != State::Off && aof.synced.load(Relaxed) >= offset;
    if (replicas == 0 && (local == 0 || done)) || !may_block(ctx) {
        ctx.out.array(2);
        ctx.out.int(i64::from(done));
        ctx.out.int(0);
        return Ok(());
    }
    let reply = format!("*2\r\n:{}\r\n:0\r\n", u8::from(done)).into_bytes();
    // no replica ever acknowledges anything: who asks for one waits for the time to be over
    let synced = (local > 0 && replicas == 0).then_some(offset);
    ctx.session.block(ctx.server, Blocked::Waiting(Waiting { until, reply, synced }));
    // whoever syncs the log looks after that whether somebody waits; it may have been synced before this was to be seen
    fence(SeqCst);
    if synced.is_some_and(|offset| aof.state() == State::Off || aof.synced.load(Relaxed) >= offset) {
        ctx.session.shared.poke();
    }
    Ok(())
}
