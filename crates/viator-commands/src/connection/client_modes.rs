//! CLIENT: what changes how connections are served (PAUSE, REPLY, UNBLOCK, NO-EVICT, NO-TOUCH).

use viator_engine::args;
use viator_engine::client::flag;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::session::{ReplyMode, gate};

use crate::help::bad_subcommand;

/// Shared by CLIENT NO-EVICT and CLIENT NO-TOUCH.
const ENABLED: ArgSpec = ArgSpec::oneof("enabled", &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF")]);

/// CLIENT NO-EVICT.
pub static CLIENT_NO_EVICT: Command = Command {
    name: "no-evict",
    arity: 3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "7.0.0",
    summary: "Sets the client eviction mode of the connection.",
    complexity: "O(1)",
    args: &[ENABLED],
    examples: &["CLIENT NO-EVICT on", "CLIENT NO-EVICT off", "CLIENT NO-EVICT perhaps"],
    handler: Handler::Admin(client_no_evict),
    ..Command::BASE
};

fn client_no_evict(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let on = on_or_off(ctx.args.at(2))?;
    ctx.session.shared.set_flag(flag::NO_EVICT, on);
    ctx.out.ok();
    Ok(())
}

fn on_or_off(arg: &[u8]) -> Result<bool, Error> {
    if args::is(arg, "on") {
        Ok(true)
    } else if args::is(arg, "off") {
        Ok(false)
    } else {
        Err(Error::Syntax)
    }
}

/// CLIENT NO-TOUCH.
pub static CLIENT_NO_TOUCH: Command = Command {
    name: "no-touch",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "7.2.0",
    summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
    complexity: "O(1)",
    args: &[ENABLED],
    examples: &["CLIENT NO-TOUCH on", "CLIENT NO-TOUCH off", "CLIENT NO-TOUCH perhaps"],
    handler: Handler::Admin(client_no_touch),
    ..Command::BASE
};

fn client_no_touch(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let on = on_or_off(ctx.args.at(2))?;
    ctx.session.no_touch = on;
    ctx.session.shared.set_flag(flag::NO_TOUCH, on);
    ctx.out.ok();
    Ok(())
}

/// CLIENT PAUSE.
pub static CLIENT_PAUSE: Command = Command {
    name: "pause",
    arity: -3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "3.0.0",
    summary: "Suspends commands processing.",
    complexity: "O(1)",
    history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
    args: &[
        ArgSpec::integer("timeout"),
        ArgSpec::oneof("mode", &[ArgSpec::token("write", "WRITE"), ArgSpec::token("all", "ALL")]).since("6.2.0").opt(),
    ],
    examples: &[
        "CLIENT PAUSE 1 WRITE",
        "CLIENT PAUSE 1",
        "CLIENT UNPAUSE",
        "CLIENT PAUSE -1",
        "CLIENT PAUSE soon",
        "CLIENT PAUSE 1 READ",
    ],
    handler: Handler::Admin(client_pause),
    ..Command::BASE
};

fn client_pause(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.args.len() > 4 {
        return Err(bad_subcommand(ctx.args));
    }
    let all = match ctx.args.get(3) {
        None => true,
        Some(mode) if args::is(mode, "all") => true,
        Some(mode) if args::is(mode, "write") => false,
        Some(_) => return Err(Error::Static("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let ms = args::int(ctx.args.at(2)).map_err(|_| Error::Static("ERR timeout is not an integer or out of range"))?;
    if ms < 0 {
        return Err(Error::Static("ERR timeout is negative"));
    }
    let now = ctx.local.now;
    let until = ms.checked_add(now).ok_or(Error::Static("ERR timeout is out of range"))?;
    ctx.server.pause_clients(until, all, now);
    ctx.out.ok();
    Ok(())
}

/// CLIENT REPLY.
pub static CLIENT_REPLY: Command = Command {
    name: "reply",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "3.2.0",
    summary: "Instructs the server whether to reply to commands.",
    complexity: "O(1)",
    args: &[ArgSpec::oneof(
        "action",
        &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF"), ArgSpec::token("skip", "SKIP")],
    )],
    examples: &["CLIENT REPLY ON", "CLIENT REPLY PERHAPS"],
    handler: Handler::Admin(client_reply),
    ..Command::BASE
};

fn client_reply(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let mode = ctx.args.at(2);
    if args::is(mode, "on") {
        ctx.session.reply_mode = ReplyMode::On;
        ctx.out.ok();
    } else if args::is(mode, "off") {
        ctx.session.reply_mode = ReplyMode::Off;
        ctx.session.set_gate(gate::REPLY, true);
    } else if args::is(mode, "skip") {
        if ctx.session.reply_mode != ReplyMode::Off {
            ctx.session.reply_mode = ReplyMode::SkipNext;
            ctx.session.set_gate(gate::REPLY, true);
        }
    } else {
        return Err(Error::Syntax);
    }
    Ok(())
}

/// CLIENT UNBLOCK.
pub static CLIENT_UNBLOCK: Command = Command {
    name: "unblock",
    arity: -3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "5.0.0",
    summary: "Unblocks a client blocked by a blocking command from a different connection.",
    complexity: "O(log N) where N is the number of client connections",
    args: &[
        ArgSpec::integer("client-id"),
        ArgSpec::oneof("unblock-type", &[ArgSpec::token("timeout", "TIMEOUT"), ArgSpec::token("error", "ERROR")]).opt(),
    ],
    examples: &[
        "CLIENT UNBLOCK 9999999999",
        "CLIENT UNBLOCK 9999999999 ERROR",
        "CLIENT UNBLOCK 9999999999 PERHAPS",
        "CLIENT UNBLOCK zero",
    ],
    handler: Handler::Admin(client_unblock),
    ..Command::BASE
};

fn client_unblock(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let with_error = match ctx.args.get(3) {
        _ if ctx.args.len() > 4 => return Err(bad_subcommand(ctx.args)),
        None => false,
        Some(how) if args::is(how, "timeout") => false,
        Some(how) if args::is(how, "error") => true,
        Some(_) => return Err(Error::Static("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = args::int(ctx.args.at(2))?;
    let target = u64::try_from(id).ok().and_then(|id| ctx.server.clients.get(id));
    let unblocked = target.is_some_and(|c| c.end_wait(with_error));
    ctx.out.int(i64::from(unblocked));
    Ok(())
}

/// CLIENT UNPAUSE.
pub static CLIENT_UNPAUSE: Command = Command {
    name: "unpause",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.2.0",
    summary: "Resumes processing commands from paused clients.",
    complexity: "O(N) Where N is the number of paused clients",
    examples: &["CLIENT PAUSE 1 WRITE", "CLIENT UNPAUSE", "CLIENT UNPAUSE"],
    handler: Handler::Admin(client_unpause),
    ..Command::BASE
};

fn client_unpause(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.server.unpause_clients();
    ctx.out.ok();
    Ok(())
}
