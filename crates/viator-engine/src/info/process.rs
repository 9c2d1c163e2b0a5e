//! The sections Server, Clients, Threads and CPU.

use super::{Lines, Source};
use crate::REDIS_VERSION;
use crate::client::flag;
use crate::evict::LRU_MAX;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn server(source: &Source<'_>, out: &mut Lines) {
    let (s, cfg) = (source.server, source.cfg);
    let now_ms = source.now_us / 1000;
    let uptime = (now_ms - s.started_ms).max(0) / 1000;
    out.section("Server");
    out.line("redis_version", REDIS_VERSION);
    out.line("redis_git_sha1", "00000000");
    out.line("redis_git_dirty", 0);
    out.line("redis_build_id", "0000000000000000");
    out.line("redis_mode", if cfg.cluster_enabled { "cluster" } else { "standalone" });
    out.line("viator_version", env!("CARGO_PKG_VERSION"));
    out.line("os", &source.process.os);
    out.line("arch_bits", usize::BITS);
    out.line("monotonic_clock", "POSIX clock_gettime");
    out.line("multiplexing_api", "epoll");
    out.line("atomicvar_api", "c11-builtin");
    out.line("gcc_version", "0.0.0");
    out.line("process_id", std::process::id());
    out.line("process_supervised", "no");
    out.line("run_id", &s.run_id);
    out.line("tcp_port", s.port.load(Relaxed));
    out.line("server_time_usec", source.now_us);
    out.line("uptime_in_seconds", uptime);
    out.line("uptime_in_days", uptime / 86400);
    out.line("hz", cfg.hz);
    out.line("configured_hz", cfg.hz);
    out.line("lru_clock", (now_ms / 1000) as u32 & LRU_MAX);
    out.line("executable", &s.executable);
    out.line("config_file", &s.config_file);
    out.line("io_threads_active", u8::from(workers(source).len() > 1));
    let mut listener = 0;
    if cfg.port != 0 {
        let bind: String = cfg.bind.iter().map(|b| format!(",bind={b}")).collect();
        out.line("listener0", format_args!("name=tcp{bind},port={}", cfg.port));
        listener = 1;
    }
    if !cfg.unixsocket.is_empty() {
        out.line(&format!("listener{listener}"), format_args!("name=unix,bind={}", cfg.unixsocket));
    }
}

pub(super) fn clients(source: &Source<'_>, out: &mut Lines) {
    let s = source.server;
    let all = s.clients.all();
    let (mut input, mut output) = (0, 0);
    let (mut tracking, mut pubsub, mut watching) = (0, 0, 0);
    for c in &all {
        input = input.max(c.qbuf.load(Relaxed) + c.qbuf_free.load(Relaxed));
        output = output.max(c.peak_out.load(Relaxed)).max(c.omem.load(Relaxed));
        tracking += usize::from(c.has_flag(flag::TRACKING));
        let subscriptions = c.sub.load(Relaxed) + c.psub.load(Relaxed) + c.ssub.load(Relaxed);
        pubsub += usize::from(subscriptions > 0);
        watching += usize::from(c.watch.load(Relaxed) > 0);
    }
    let replicas = all.iter().filter(|c| c.has_flag(flag::REPLICA)).count();
    out.section("Clients");
    out.line("connected_clients", all.len() - replicas);
    out.line("cluster_connections", 0);
    out.line("maxclients", source.cfg.maxclients);
    out.line("client_recent_max_input_buffer", input);
    out.line("client_recent_max_output_buffer", output);
    out.line("blocked_clients", s.blocked_clients.load(Relaxed));
    out.line("tracking_clients", tracking);
    out.line("pubsub_clients", pubsub);
    out.line("watching_clients", watching);
    out.line("clients_in_timeout_table", s.blocking.with_timeout.load(Relaxed));
    out.line("total_watched_keys", source.keys.watched);
    out.line("total_blocking_keys", s.blocking.keys.load(Relaxed));
    out.line("total_blocking_keys_on_nokey", s.blocking.keys_if_gone.load(Relaxed));
}

/// Reads and writes of the threads that serve connections, by worker number.
fn workers(source: &Source<'_>) -> BTreeMap<usize, (u64, u64)> {
    let threads = source.server.threads();
    threads.iter().filter_map(|t| Some((*t.worker.get()?, (t.counters.reads.get(), t.counters.writes.get())))).collect()
}

pub(super) fn threads(source: &Source<'_>, out: &mut Lines) {
    out.section("Threads");
    let clients = source.server.clients.all();
    for (n, (reads, writes)) in workers(source) {
        let count = clients.iter().filter(|c| c.worker == n).count();
        out.line(&format!("io_thread_{n}"), format_args!("clients={count},reads={reads},writes={writes}"));
    }
}

pub(super) fn cpu(source: &Source<'_>, out: &mut Lines) {
    let p = source.process;
    out.section("CPU");
    out.line("used_cpu_sys", format_args!("{:.6}", p.cpu.0));
    out.line("used_cpu_user", format_args!("{:.6}", p.cpu.1));
    // there are no child processes
    out.line("used_cpu_sys_children", "0.000000");
    out.line("used_cpu_user_children", "0.000000");
    out.line("used_cpu_sys_main_thread", format_args!("{:.6}", p.cpu_main.0));
    out.line("used_cpu_user_main_thread", format_args!("{:.6}", p.cpu_main.1));
}
