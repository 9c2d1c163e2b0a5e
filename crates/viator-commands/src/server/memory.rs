//! MEMORY: what takes the memory.

use viator_engine::args;
use viator_engine::client::flag;
use viator_engine::command::Outcome;
use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler, Scope};
use viator_engine::ctx::{AdminCtx, ReadCtx};
use viator_engine::error::Error;
use viator_engine::info::{Fragmentation, KeyFacts, MemoryFacts};
use viator_resp::reply::Reply;

use crate::help::help;

use crate::declare::{KEY, RO, one_key};

/// MEMORY.
pub static MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    group: Group::Server,
    since: "4.0.0",
    summary: "A container for memory diagnostics commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&MEMORY_DOCTOR, &MEMORY_HELP, &MEMORY_MALLOC_STATS, &MEMORY_PURGE, &MEMORY_STATS, &MEMORY_USAGE],
    ..Command::BASE
};

/// MEMORY DOCTOR.
pub static MEMORY_DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    scope: Scope::All,
    group: Group::Server,
    since: "4.0.0",
    summary: "Outputs a memory problems report.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["MEMORY DOCTOR extra"],
    handler: Handler::Admin(memory_doctor),
    ..Command::BASE
};

fn memory_doctor(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let used = ctx.server.used_memory();
    let keys = KeyFacts::all(ctx, true);
    let m = MemoryFacts::gather(ctx.server, used, &keys, ctx.local.now / 1000);
    let f = Fragmentation::of(&ctx.server.host.process_info(), m.used);
    let mut findings = Vec::new();
    if m.used < 5 << 20 {
        findings.push("This server is empty or uses very little memory: there is nothing to judge yet.".to_owned());
    } else {
        if m.peak_percent() < 66.7 {
            findings.push(format!(
                "Peak memory: memory use was once {:.1} times what it is now. The allocator may keep pages of that time; \
                 MEMORY PURGE, or a restart, returns them.",
                m.peak as f64 / m.used as f64
            ));
        }
        if f.total.ratio > 1.4 && f.total.bytes > 10 << 20 {
            findings.push(format!(
                "Fragmentation: the process holds {:.2} times the memory in use. Values of many different sizes that come \
                 and go make this; it falls as the arenas are compacted.",
                f.total.ratio
            ));
        }
        let clients = ctx.server.clients.len().max(1) as u64;
        if m.clients / clients > 200 << 10 {
            findings.push(
                "Client buffers: clients take more than 200 kB each on average. Look for slow readers, or large \
                 pipelines, with CLIENT LIST (omem, qbuf)."
                    .to_owned(),
            );
        }
        let replicas = ctx.server.clients.all().iter().filter(|c| c.has_flag(flag::REPLICA)).count() as u64;
        if replicas > 0 && m.replicas / replicas > 10 << 20 {
            findings.push("Replica buffers: replicas take more than 10 MB each on average.".to_owned());
        }
        if findings.is_empty() {
            findings.push("No memory problem was found.".to_owned());
        }
    }
    let mut text = findings.join("\n\n");
    text.push('\n');
    ctx.out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// MEMORY HELP.
pub static MEMORY_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Server,
    since: "4.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["MEMORY HELP", "MEMORY UNKNOWN"],
    handler: Handler::Admin(memory_help),
    ..Command::BASE
};

fn memory_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "MEMORY",
        &[
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    );
    Ok(())
}

/// MEMORY MALLOC-STATS.
pub static MEMORY_MALLOC_STATS: Command = Command {
    name: "malloc-stats",
    arity: 2,
    group: Group::Server,
    since: "4.0.0",
    summary: "Returns the allocator statistics.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["MEMORY MALLOC-STATS extra"],
    handler: Handler::Admin(memory_malloc_stats),
    ..Command::BASE
};

fn memory_malloc_stats(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.verbatim("txt", ctx.server.host.malloc_stats().as_bytes());
    Ok(())
}

/// MEMORY PURGE.
pub static MEMORY_PURGE: Command = Command {
    name: "purge",
    arity: 2,
    group: Group::Server,
    since: "4.0.0",
    summary: "Asks the allocator to release memory.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    examples: &["MEMORY PURGE"],
    handler: Handler::Admin(memory_purge),
    ..Command::BASE
};

fn memory_purge(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.server.host.purge();
    ctx.out.ok();
    Ok(())
}

/// MEMORY STATS.
pub static MEMORY_STATS: Command = Command {
    name: "stats",
    arity: 2,
    scope: Scope::All,
    group: Group::Server,
    since: "4.0.0",
    summary: "Returns details about memory usage.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["MEMORY STATS extra"],
    handler: Handler::Admin(memory_stats),
    ..Command::BASE
};

fn memory_stats(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let used = ctx.server.used_memory();
    let keys = KeyFacts::all(ctx, true);
    let m = MemoryFacts::gather(ctx.server, used, &keys, ctx.local.now / 1000);
    let process = ctx.server.host.process_info();
    let f = Fragmentation::of(&process, m.used);
    let count = keys.keys() as u64;
    let data = m.used.saturating_sub(m.startup);
    let map = ctx.out.defer();
    let mut stats = Stats { out: ctx.out, pairs: 0 };
    stats.bytes("peak.allocated", m.peak);
    stats.bytes("total.allocated", m.used);
    stats.bytes("startup.allocated", m.startup);
    stats.bytes("replication.backlog", 0);
    stats.bytes("replica.fullsync.buffer", 0);
    stats.bytes("clients.slaves", m.replicas);
    stats.bytes("clients.normal", m.clients);
    for name in ["cluster.links", "aof.buffer", "lua.caches", "functions.caches", "script.VMs"] {
        stats.bytes(name, 0);
    }
    for (n, db) in keys.dbs.iter().enumerate().filter(|d| d.1.keys > 0) {
        stats.key(&format!("db.{n}"));
        stats.out.map(2);
        stats.out.bulk(b"overhead.hashtable.main");
        stats.out.int(db.tables as i64);
        stats.out.bulk(b"overhead.hashtable.expires");
        stats.out.int(db.indexes as i64);
    }
    stats.bytes("overhead.db.hashtable.lut", keys.tables());
    // no table is ever rehashed step by step
    stats.bytes("overhead.db.hashtable.rehashing", 0);
    stats.bytes("overhead.total", m.overhead);
    stats.bytes("db.dict.rehashing.count", 0);
    stats.bytes("keys.count", count);
    stats.bytes("keys.bytes-per-key", data.checked_div(count).unwrap_or(0));
    stats.bytes("dataset.bytes", m.dataset);
    stats.ratio("dataset.percentage", m.dataset_percent());
    stats.ratio("peak.percentage", m.peak_percent());
    stats.bytes("allocator.allocated", process.allocated);
    stats.bytes("allocator.active", process.active);
    stats.bytes("allocator.resident", process.resident);
    stats.bytes("allocator.muzzy", process.muzzy);
    for (name, e) in
        [("allocator-fragmentation", f.allocator), ("allocator-rss", f.allocator_rss), ("rss-overhead", f.rss)]
    {
        stats.ratio(&format!("{name}.ratio"), e.ratio);
        stats.signed(&format!("{name}.bytes"), e.bytes);
    }
    stats.ratio("fragmentation", f.total.ratio);
    stats.signed("fragmentation.bytes", f.total.bytes);
    let pairs = stats.pairs;
    ctx.out.finish(map, |r| r.map(pairs));
    Ok(())
}

/// The pairs of MEMORY STATS.
struct Stats<'r> {
    out: &'r mut Reply,
    pairs: usize,
}

impl Stats<'_> {
    fn key(&mut self, name: &str) {
        self.pairs += 1;
        self.out.bulk(name.as_bytes());
    }

    fn signed(&mut self, name: &str, n: i64) {
        self.key(name);
        self.out.int(n);
    }

    fn bytes(&mut self, name: &str, n: u64) {
        self.signed(name, i64::try_from(n).unwrap_or(i64::MAX));
    }

    fn ratio(&mut self, name: &str, x: f64) {
        self.key(name);
        let mut text = Vec::new();
        viator_data::num::format_f64(x, &mut text);
        self.out.double(&String::from_utf8_lossy(&text));
    }
}

/// MEMORY USAGE.
pub static MEMORY_USAGE: Command = Command {
    name: "usage",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[one_key(2, RO)],
    scope: Scope::Keys,
    group: Group::Server,
    since: "4.0.0",
    summary: "Estimates the memory usage of a key.",
    complexity: "O(N) where N is the number of samples.",
    args: &[KEY, ArgSpec::integer("count").after("SAMPLES").opt()],
    examples: &[
        "MEMORY USAGE missing",
        "SET key value",
        "MEMORY USAGE key SAMPLES -1",
        "MEMORY USAGE key SAMPLES",
        "MEMORY USAGE key OTHER 5",
    ],
    handler: Handler::Read(memory_usage),
    ..Command::BASE
};

fn memory_usage(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let mut rest = ctx.args.from(3);
    while rest.len() > 0 {
        if !args::is(rest.at(0), "samples") || rest.len() < 2 {
            return Err(Error::Syntax);
        }
        // every value knows its size, whatever the number of samples
        if args::int(rest.at(1))? < 0 {
            return Err(Error::Syntax);
        }
        rest = rest.from(2);
    }
    match ctx.keys.peek(ctx.args.at(2)) {
        None => ctx.out.null(),
        Some(e) => {
            let index = if e.expire.is_some() { 16 } else { 8 };
            ctx.out.int((e.memory() + index) as i64);
        }
    }
    Ok(())
}
