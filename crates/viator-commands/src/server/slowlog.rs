//! SLOWLOG: commands that took long.

use crate::help::{bad_subcommand, help};
use viator_engine::args;
use viator_engine::command::Outcome;
use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;

/// SLOWLOG.
pub static SLOWLOG: Command = Command {
    name: "slowlog",
    arity: -2,
    group: Group::Server,
    since: "2.2.12",
    summary: "A container for slow log commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&SLOWLOG_GET, &SLOWLOG_HELP, &SLOWLOG_LEN, &SLOWLOG_RESET],
    ..Command::BASE
};

/// SLOWLOG GET.
pub static SLOWLOG_GET: Command = Command {
    name: "get",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    summary: "Returns the slow log's entries.",
    complexity: "O(N) where N is the number of entries returned",
    history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
    args: &[ArgSpec::integer("count").opt()],
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    examples: &[
        "SLOWLOG RESET",
        "SLOWLOG GET",
        "SLOWLOG GET 5",
        "SLOWLOG GET 0",
        "SLOWLOG GET -1",
        "SLOWLOG GET -2",
        "SLOWLOG GET all",
    ],
    handler: Handler::Admin(slowlog_get),
    ..Command::BASE
};

fn slowlog_get(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let count = match ctx.args.len() {
        2 => 10,
        3 => {
            let n = args::int(ctx.args.at(2)).unwrap_or(-2);
            if n < -1 {
                return Err(Error::Static("ERR count should be greater than or equal to -1"));
            }
            usize::try_from(n).unwrap_or(usize::MAX)
        }
        _ => return Err(bad_subcommand(ctx.args)),
    };
    let log = ctx.server.slowlog.lock();
    let newest = log.newest(count);
    ctx.out.array(newest.len());
    for e in newest {
        ctx.out.array(6);
        ctx.out.int(e.id);
        ctx.out.int(e.time);
        ctx.out.int(e.duration);
        ctx.out.array(e.args.len());
        for a in &e.args {
            ctx.out.bulk(a);
        }
        ctx.out.bulk(e.addr.as_bytes());
        ctx.out.bulk(&e.name);
    }
    Ok(())
}

/// SLOWLOG HELP.
pub static SLOWLOG_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Server,
    since: "6.2.0",
    summary: "Show helpful text about the different subcommands",
    complexity: "O(1)",
    examples: &["SLOWLOG HELP", "SLOWLOG UNKNOWN"],
    handler: Handler::Admin(slowlog_help),
    ..Command::BASE
};

fn slowlog_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    );
    Ok(())
}

/// SLOWLOG LEN.
pub static SLOWLOG_LEN: Command = Command {
    name: "len",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    summary: "Returns the number of entries in the slow log.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    examples: &["SLOWLOG RESET", "SLOWLOG LEN"],
    handler: Handler::Admin(slowlog_len),
    ..Command::BASE
};

fn slowlog_len(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.int(ctx.server.slowlog.lock().len() as i64);
    Ok(())
}

/// SLOWLOG RESET.
pub static SLOWLOG_RESET: Command = Command {
    name: "reset",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    summary: "Clears all entries from the slow log.",
    complexity: "O(N) where N is the number of entries in the slowlog",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &["SLOWLOG RESET", "SLOWLOG RESET extra"],
    handler: Handler::Admin(slowlog_reset),
    ..Command::BASE
};

fn slowlog_reset(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.server.slowlog.lock().reset();
    ctx.out.ok();
    Ok(())
}
