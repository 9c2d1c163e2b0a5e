//! INFO, and short questions about the server: LASTSAVE, LOLWUT, ROLE, TIME.

use super::art;
use std::sync::atomic::Ordering::Relaxed;
use viator_engine::args;
use viator_engine::command::Outcome;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Scope};
use viator_engine::ctx::AdminCtx;

use viator_engine::REDIS_VERSION;
use viator_engine::info::{self, KeyFacts, Section, Sections, Source};
use viator_engine::server::ProcessInfo;

/// INFO.
pub static INFO: Command = Command {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::DANGEROUS,
    scope: Scope::All,
    group: Group::Server,
    since: "1.0.0",
    summary: "Returns information and statistics about the server.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added support for taking multiple section arguments.")],
    args: &[ArgSpec::string("section").multi().opt()],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["INFO nothing"],
    handler: Handler::Admin(info),
    ..Command::BASE
};

fn info(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let used_memory = ctx.server.used_memory();
    let sections = Sections::parse(ctx.args.from(1));
    let keys = KeyFacts::gather(ctx, sections);
    // asking the system takes longer than all else
    let asks = [Section::Server, Section::Memory, Section::Cpu].iter().any(|s| sections.has(*s));
    let process = if asks { ctx.server.host.process_info() } else { ProcessInfo::default() };
    let source = Source {
        used_memory,
        server: ctx.server,
        cfg: &ctx.local.cfg,
        process: &process,
        keys: &keys,
        now_us: ctx.local.clock.now_us(),
    };
    ctx.out.verbatim("txt", info::build(sections, &source).as_bytes());
    Ok(())
}

/// LASTSAVE.
pub static LASTSAVE: Command = Command {
    name: "lastsave",
    arity: 1,
    flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
    acl: Acl::ADMIN.or(Acl::DANGEROUS),
    group: Group::Server,
    since: "1.0.0",
    summary: "Returns the Unix timestamp of the last successful save to disk.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    examples: &["LASTSAVE extra"],
    handler: Handler::Admin(lastsave),
    ..Command::BASE
};

fn lastsave(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.int(ctx.server.last_save.load(Relaxed));
    Ok(())
}

/// LOLWUT.
pub static LOLWUT: Command = Command {
    name: "lolwut",
    arity: -1,
    flags: Flags::READONLY.or(Flags::FAST),
    group: Group::Server,
    since: "5.0.0",
    summary: "Displays computer art and the Redis version",
    args: &[ArgSpec::integer("version").after("VERSION").opt()],
    examples: &["LOLWUT VERSION latest"],
    handler: Handler::Admin(lolwut),
    ..Command::BASE
};

fn lolwut(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let mut rest = ctx.args.from(1);
    let mut version = None;
    if rest.len() >= 2 && args::is(rest.at(0), "version") {
        version = Some(args::int(rest.at(1))?);
        rest = rest.from(2);
    }
    // one picture so far: versions before it have none of their own, as in Redis
    let picture = match version {
        None | Some(5..) => {
            let size = |i: usize, default| rest.get(i).map_or(Ok(default), args::int);
            let (columns, rows) = (size(0, 64)?, size(1, 20)?);
            art::waves(columns.clamp(4, 200) as usize, rows.clamp(2, 100) as usize, ctx.local.random())
        }
        Some(_) => String::new(),
    };
    ctx.out.verbatim("txt", format!("{picture}Redis ver. {REDIS_VERSION}\n").as_bytes());
    Ok(())
}

/// ROLE.
pub static ROLE: Command = Command {
    name: "role",
    arity: 1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
    acl: Acl::ADMIN.or(Acl::DANGEROUS),
    group: Group::Server,
    since: "2.8.12",
    summary: "Returns the replication role.",
    complexity: "O(1)",
    examples: &["ROLE extra"],
    handler: Handler::Admin(role),
    ..Command::BASE
};

fn role(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.array(3);
    ctx.out.bulk(b"master");
    ctx.out.int(0);
    ctx.out.array(0);
    Ok(())
}

/// TIME.
pub static TIME: Command = Command {
    name: "time",
    arity: 1,
    flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
    group: Group::Server,
    since: "2.6.0",
    summary: "Returns the server time.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    examples: &["TIME extra"],
    handler: Handler::Admin(time),
    ..Command::BASE
};

fn time(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let us = if ctx.session.in_script { ctx.session.script_us } else { ctx.local.clock.now_us() };
    ctx.out.array(2);
    ctx.out.bulk_int(us / 1_000_000);
    ctx.out.bulk_int(us % 1_000_000);
    Ok(())
}
