//! MONITOR: every executed command as a line to those who listen.

use crate::args::{Args, OwnedArgs};
use crate::ctx::AdminCtx;
use crate::local::Local;
use crate::server::{Server, gate};
use crate::session::Session;
use std::sync::atomic::Ordering::Relaxed;

/// Sends a command that runs a script, before what the script calls.
pub fn feed_script(ctx: &AdminCtx<'_, '_>) {
    if ctx.server.gate.load(Relaxed) & gate::MONITOR != 0 {
        feed(ctx.local, ctx.server, ctx.session, ctx.args);
    }
}

/// Sends a command to the monitors.
#[cold]
pub fn feed(local: &Local, server: &Server, session: &Session, args: Args<'_>) {
    let us = local.clock.now_us();
    let from = if session.in_script {
        "lua".to_owned()
    } else if session.shared.unix {
        format!("unix:{}", session.shared.laddr.trim_end_matches(":0"))
    } else {
        session.shared.addr.clone()
    };
    let mut line = format!("+{}.{:06} [{} {from}]", us / 1_000_000, us % 1_000_000, session.db).into_bytes();
    let shown = local.redacted(args);
    for a in shown.as_ref().map_or(args, OwnedArgs::args).iter() {
        line.push(b' ');
        viator_data::args::quote_repr(a, &mut line);
    }
    line.extend_from_slice(b"\r\n");
    for m in server.monitors.lock().iter() {
        m.send(&line);
    }
}
