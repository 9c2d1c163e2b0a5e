//! BGREWRITEAOF.

use viator_engine::command::Outcome;
use viator_engine::command::{Command, Flags, Group, Handler};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;

/// BGREWRITEAOF.
pub static BGREWRITEAOF: Command = Command {
    name: "bgrewriteaof",
    arity: 1,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING),
    group: Group::Server,
    since: "1.0.0",
    summary: "Asynchronously rewrites the append-only file to disk.",
    complexity: "O(1)",
    handler: Handler::Admin(bgrewriteaof),
    ..Command::BASE
};

fn bgrewriteaof(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.simple(ctx.server.host.rewrite_aof(ctx.in_exec()).map_err(Error::Static)?);
    Ok(())
}
