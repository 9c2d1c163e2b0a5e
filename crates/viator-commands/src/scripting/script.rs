//! SCRIPT: the cache of scripts.

use crate::help::help;
use viator_engine::args::is;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::scripting::{self, Kind};
use viator_engine::session::gate;

const BASE: Command = Command {
    flags: Flags::NOSCRIPT,
    acl: Acl::SCRIPTING,
    group: Group::Scripting,
    since: "2.6.0",
    complexity: "O(1)",
    ..Command::BASE
};

/// SCRIPT.
pub static SCRIPT: Command = Command {
    name: "script",
    arity: -2,
    group: Group::Scripting,
    since: "2.6.0",
    summary: "A container for Lua scripts management commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&DEBUG, &EXISTS, &FLUSH, &HELP, &KILL, &LOAD],
    ..Command::BASE
};

/// SCRIPT DEBUG.
pub static DEBUG: Command = Command {
    name: "debug",
    arity: 3,
    since: "3.2.0",
    summary: "Sets the debug mode of server-side Lua scripts.",
    args: &[ArgSpec::oneof(
        "mode",
        &[ArgSpec::token("yes", "YES"), ArgSpec::token("sync", "SYNC"), ArgSpec::token("no", "NO")],
    )],
    examples: &["SCRIPT DEBUG NO", "SCRIPT DEBUG maybe"],
    handler: Handler::Admin(debug),
    ..BASE
};

fn debug(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if !ctx.out.is_empty() {
        return Err(Error::Static("ERR SCRIPT DEBUG must be called outside a pipeline"));
    }
    let mode = ctx.args.at(2);
    let on = match () {
        _ if is(mode, "no") => false,
        _ if is(mode, "sync") => true,
        _ if is(mode, "yes") => {
            ctx.session.set_gate(gate::DEBUGGER, false);
            ctx.session.set_gate(gate::NO_COPY, true);
            return Err(scripting::NO_COPY);
        }
        _ => return Err(Error::Static("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    };
    ctx.session.set_gate(gate::NO_COPY, false);
    ctx.session.set_gate(gate::DEBUGGER, on);
    ctx.out.ok();
    Ok(())
}

/// SCRIPT EXISTS.
pub static EXISTS: Command = Command {
    name: "exists",
    arity: -3,
    summary: "Determines whether server-side Lua scripts exist in the script cache.",
    complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    args: &[ArgSpec::string("sha1").multi()],
    tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
    examples: &[
        "SCRIPT LOAD 'return 1'",
        "SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db other E0E1F9FABFC9D4800C877A703B823AC0578FF8DB",
    ],
    handler: Handler::Admin(exists),
    ..BASE
};

fn exists(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let shas = ctx.args.from(2);
    ctx.out.array(shas.len());
    for sha in shas.iter() {
        ctx.out.int(i64::from(ctx.server.scripting.has(sha)));
    }
    Ok(())
}

/// The argument of the two FLUSH.
pub(super) const FLUSH_TYPE: ArgSpec =
    ArgSpec::oneof("flush-type", &[ArgSpec::token("async", "ASYNC"), ArgSpec::token("sync", "SYNC")]).opt();

/// SCRIPT FLUSH.
pub static FLUSH: Command = Command {
    name: "flush",
    arity: -2,
    summary: "Removes all server-side Lua scripts from the script cache.",
    complexity: "O(N) with N being the number of scripts in cache",
    history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
    args: &[FLUSH_TYPE.since("6.2.0")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &[
        "SCRIPT LOAD 'return 1'",
        "SCRIPT FLUSH",
        "SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
        "SCRIPT FLUSH SYNC",
        "SCRIPT FLUSH ASYNC",
        "SCRIPT FLUSH later",
        "SCRIPT FLUSH SYNC ASYNC",
    ],
    handler: Handler::Admin(flush),
    ..BASE
};

/// Whether the arguments are SYNC, ASYNC, or none.
pub(super) fn flush_mode_ok(ctx: &AdminCtx<'_, '_>) -> bool {
    match ctx.args.len() {
        2 => true,
        3 => is(ctx.args.at(2), "sync") || is(ctx.args.at(2), "async"),
        _ => false,
    }
}

fn flush(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if !flush_mode_ok(ctx) {
        return Err(Error::Static("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    scripting::flush_scripts(ctx);
    ctx.out.ok();
    Ok(())
}

/// SCRIPT HELP.
pub static HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    since: "5.0.0",
    summary: "Returns helpful text about the different subcommands.",
    examples: &["SCRIPT HELP"],
    handler: Handler::Admin(script_help),
    ..BASE
};

fn script_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
        ],
    );
    Ok(())
}

/// SCRIPT KILL.
pub static KILL: Command = Command {
    name: "kill",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
    summary: "Terminates a server-side Lua script during execution.",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    examples: &["SCRIPT KILL"],
    handler: Handler::Admin(kill),
    ..BASE
};

fn kill(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.server.scripting.running.kill(Kind::Script)?;
    ctx.out.ok();
    Ok(())
}

/// SCRIPT LOAD.
pub static LOAD: Command = Command {
    name: "load",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::STALE),
    summary: "Loads a server-side Lua script to the script cache.",
    complexity: "O(N) with N being the length in bytes of the script body.",
    args: &[ArgSpec::string("script")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &["SCRIPT LOAD 'return 1'", "SCRIPT LOAD 'return +'", "SCRIPT LOAD ''"],
    scope: Scope::None,
    handler: Handler::Admin(load),
    ..BASE
};

fn load(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let args = ctx.args;
    let sha = scripting::load_script(ctx, args.at(2))?;
    ctx.out.bulk(sha.as_bytes());
    Ok(())
}
