//! LATENCY: latency events and histograms.

use super::latency_report::{doctor, graph};
use crate::help::help;
use viator_engine::command::Outcome;
use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::info::commands::{Histogram, histograms};

/// LATENCY.
pub static LATENCY: Command = Command {
    name: "latency",
    arity: -2,
    group: Group::Server,
    since: "2.8.13",
    summary: "A container for latency diagnostics commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &LATENCY_DOCTOR,
        &LATENCY_GRAPH,
        &LATENCY_HELP,
        &LATENCY_HISTOGRAM,
        &LATENCY_HISTORY,
        &LATENCY_LATEST,
        &LATENCY_RESET,
    ],
    ..Command::BASE
};

/// LATENCY DOCTOR.
pub static LATENCY_DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns a human-readable latency analysis report.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY DOCTOR extra"],
    handler: Handler::Admin(latency_doctor),
    ..Command::BASE
};

fn latency_doctor(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let report = doctor(&ctx.server.latency.lock(), ctx.cfg());
    ctx.out.verbatim("txt", report.as_bytes());
    Ok(())
}

/// LATENCY GRAPH.
pub static LATENCY_GRAPH: Command = Command {
    name: "graph",
    arity: 3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns a latency graph for an event.",
    complexity: "O(1)",
    args: &[ArgSpec::string("event")],
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY GRAPH nothing"],
    handler: Handler::Admin(latency_graph),
    ..Command::BASE
};

fn latency_graph(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let name = String::from_utf8_lossy(ctx.args.at(2));
    let monitor = ctx.server.latency.lock();
    let Some(series) = monitor.series().get(&*name) else {
        return Err(Error::text(format!("ERR No samples available for event '{name}'")));
    };
    let text = graph(&name, series, ctx.local.clock.now_ms() / 1000);
    ctx.out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// LATENCY HELP.
pub static LATENCY_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["LATENCY HELP", "LATENCY UNKNOWN"],
    handler: Handler::Admin(latency_help),
    ..Command::BASE
};

fn latency_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "LATENCY",
        &[
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "GRAPH <event>",
            "    Return an ASCII latency graph for the <event> class.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
            "    If no commands are specified then all histograms are replied.",
        ],
    );
    Ok(())
}

/// LATENCY HISTOGRAM.
pub static LATENCY_HISTOGRAM: Command = Command {
    name: "histogram",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "7.0.0",
    summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
    complexity: "O(N) where N is the number of commands with latency information being retrieved.",
    args: &[ArgSpec::string("command").multi().opt()],
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY HISTOGRAM nothing"],
    handler: Handler::Admin(latency_histogram),
    ..Command::BASE
};

fn latency_histogram(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let all = histograms(ctx.server);
    let mut chosen: Vec<&Histogram<'_>> = Vec::new();
    if ctx.args.len() == 2 {
        chosen.extend(&all);
    }
    for name in ctx.args.from(2).iter() {
        // a container stands for itself and its subcommands; unknown names are passed over
        let Some(entry) = ctx.server.table.by_full_name(name) else { continue };
        let wanted = |h: &&Histogram<'_>| {
            h.entry.id == entry.id
                || (entry.parent.is_none() && h.entry.parent.is_some_and(|p| std::ptr::eq(p, entry.cmd)))
        };
        chosen.extend(all.iter().filter(wanted));
    }
    ctx.out.map(chosen.len());
    for h in chosen {
        ctx.out.bulk(h.entry.name.as_bytes());
        ctx.out.map(2);
        ctx.out.bulk(b"calls");
        ctx.out.int(h.total() as i64);
        ctx.out.bulk(b"histogram_usec");
        let steps = h.cumulative();
        ctx.out.map(steps.len());
        for (usec, count) in steps {
            ctx.out.int(usec as i64);
            ctx.out.int(count as i64);
        }
    }
    Ok(())
}

/// LATENCY HISTORY.
pub static LATENCY_HISTORY: Command = Command {
    name: "history",
    arity: 3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns timestamp-latency samples for an event.",
    complexity: "O(1)",
    args: &[ArgSpec::string("event")],
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY HISTORY nothing"],
    handler: Handler::Admin(latency_history),
    ..Command::BASE
};

fn latency_history(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let name = String::from_utf8_lossy(ctx.args.at(2));
    let monitor = ctx.server.latency.lock();
    let samples = monitor.series().get(&*name).map(|s| s.samples());
    ctx.out.array(samples.as_ref().map_or(0, |s| s.len()));
    for (time, ms) in samples.into_iter().flatten() {
        ctx.out.array(2);
        ctx.out.int(time);
        ctx.out.int(i64::from(ms));
    }
    Ok(())
}

/// LATENCY LATEST.
pub static LATENCY_LATEST: Command = Command {
    name: "latest",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns the latest latency samples for all events.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    examples: &["LATENCY RESET", "LATENCY LATEST"],
    handler: Handler::Admin(latency_latest),
    ..Command::BASE
};

fn latency_latest(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let monitor = ctx.server.latency.lock();
    ctx.out.array(monitor.series().len());
    for (name, series) in monitor.series() {
        let (time, ms) = series.samples().next_back().unwrap_or_default();
        ctx.out.array(4);
        ctx.out.bulk(name.as_bytes());
        ctx.out.int(time);
        ctx.out.int(i64::from(ms));
        ctx.out.int(i64::from(series.max));
    }
    Ok(())
}

/// LATENCY RESET.
pub static LATENCY_RESET: Command = Command {
    name: "reset",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    summary: "Resets the latency data for one or more events.",
    complexity: "O(1)",
    args: &[ArgSpec::string("event").multi().opt()],
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    examples: &["LATENCY RESET", "LATENCY RESET nothing", "LATENCY RESET command fork"],
    handler: Handler::Admin(latency_reset),
    ..Command::BASE
};

fn latency_reset(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let mut monitor = ctx.server.latency.lock();
    let n = if ctx.args.len() == 2 {
        monitor.reset(None)
    } else {
        ctx.args.from(2).iter().map(|a| monitor.reset(Some(&String::from_utf8_lossy(a)))).sum()
    };
    ctx.out.int(n as i64);
    Ok(())
}
