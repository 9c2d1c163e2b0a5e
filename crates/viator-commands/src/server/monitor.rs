//! MONITOR: the stream of executed commands.

use std::sync::atomic::Ordering::Relaxed;
use viator_engine::client::flag;
use viator_engine::command::Outcome;
use viator_engine::command::{Command, Flags, Group, Handler};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::server::gate as server_gate;
use viator_engine::session::gate;

/// MONITOR.
pub static MONITOR: Command = Command {
    name: "monitor",
    arity: 1,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "1.0.0",
    summary: "Listens for all requests received by the server in real-time.",
    examples: &["MONITOR extra"],
    handler: Handler::Admin(monitor),
    ..Command::BASE
};

fn monitor(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.in_exec() {
        return Err(Error::Static("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let shared = &ctx.session.shared;
    if shared.flags.load(Relaxed) & flag::MONITOR == 0 {
        shared.set_flag(flag::MONITOR, true);
        ctx.session.set_gate(gate::MONITOR, true);
        ctx.server.monitors.lock().push(ctx.session.shared.clone());
        ctx.server.set_gate(server_gate::MONITOR, true);
        ctx.out.ok();
    }
    // as in Redis, a client that monitors already gets no second answer
    Ok(())
}
