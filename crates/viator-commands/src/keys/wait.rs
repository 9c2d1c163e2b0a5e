//! WAIT and WAITAOF: waiting for replicas and for the disk.

use viator_engine::args;
use viator_engine::blocking::timeout_ms;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::session::{Blocked, Waiting};

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
    ctx.session.block(ctx.server, Blocked::Waiting(Waiting { until, reply: b":0\r\n".to_vec() }));
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
    if local > 0 && !ctx.cfg().appendonly {
        return Err(Error::Static("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."));
    }
    if local > 0 {
        return Err(Error::Static("ERR WAITAOF cannot wait for the append-only file: there is none yet"));
    }
    if replicas == 0 || !may_block(ctx) {
        ctx.out.array(2);
        ctx.out.int(0);
        ctx.out.int(0);
        return Ok(());
    }
    let reply = b"*2\r\n:0\r\n:0\r\n".to_vec();
    ctx.session.block(ctx.server, Blocked::Waiting(Waiting { until, reply }));
    Ok(())
}
