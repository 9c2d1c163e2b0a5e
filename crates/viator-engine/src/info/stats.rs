//! The sections Persistence, Stats and Replication.

use super::{Lines, Source};
use crate::aof::State;
use crate::pubsub::Kind;
use crate::server::gate;
use crate::stats::{Counter, Counters};
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn persistence(source: &Source<'_>, out: &mut Lines) {
    let s = source.server;
    let p = &s.persistence;
    let now = source.now_us / 1_000_000;
    let loading = s.gate.load(Relaxed) & gate::LOADING != 0;
    let snapshot = s.snapshot.lock().clone();
    let (copied, peak) = snapshot.as_ref().map_or((0, 0), |x| x.copied());
    let (saved, total) = snapshot.as_ref().map_or((0, 0), |x| (x.saved_keys(), x.total_keys()));
    let running = p.running.lock().as_ref().filter(|r| r.background).map(|r| r.since);
    out.section("Persistence");
    out.line("loading", u8::from(loading));
    out.line("async_loading", 0);
    out.line("current_cow_peak", peak);
    out.line("current_cow_size", copied);
    out.line("current_cow_size_age", 0);
    out.line(
        "current_fork_perc",
        format_args!("{:.2}", if total == 0 { 0.0 } else { 100.0 * saved as f64 / total as f64 }),
    );
    out.line("current_save_keys_processed", saved);
    out.line("current_save_keys_total", total);
    out.line("rdb_changes_since_last_save", s.changes_since_save());
    out.line("rdb_bgsave_in_progress", u8::from(running.is_some()));
    out.line("rdb_last_save_time", s.last_save.load(Relaxed));
    out.line("rdb_last_bgsave_status", if p.last_ok.load(Relaxed) { "ok" } else { "err" });
    out.line("rdb_last_bgsave_time_sec", p.last_seconds.load(Relaxed));
    out.line("rdb_current_bgsave_time_sec", running.map_or(-1, |since| now - since));
    out.line("rdb_saves", p.saves.load(Relaxed));
    out.line("rdb_saves_consecutive_failures", p.failures.load(Relaxed));
    out.line("rdb_last_cow_size", p.last_copied.load(Relaxed));
    out.line("rdb_last_load_keys_expired", p.keys_expired.load(Relaxed));
    out.line("rdb_last_load_keys_loaded", p.keys_loaded.load(Relaxed));
    let aof = &s.aof;
    out.line("aof_enabled", u8::from(aof.state() != State::Off));
    let (rewriting, failures) = (aof.rewriting.load(Relaxed), aof.rewrite_failures.load(Relaxed));
    let status = |failed: bool| if failed { "err" } else { "ok" };
    out.line("aof_rewrite_in_progress", u8::from(rewriting));
    out.line("aof_rewrite_scheduled", u8::from(aof.rewrite_scheduled.load(Relaxed)));
    out.line("aof_last_rewrite_time_sec", aof.last_rewrite_secs.load(Relaxed) - 1);
    let since = (source.now_us / 1_000_000 - aof.rewrite_began.load(Relaxed)).max(0);
    out.line("aof_current_rewrite_time_sec", if rewriting { since } else { -1 });
    out.line("aof_last_bgrewrite_status", status(failures > 0));
    out.line("aof_rewrites", aof.rewrites.get());
    out.line("aof_rewrites_consecutive_failures", failures);
    out.line("aof_last_write_status", status(aof.failing()));
    out.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    if aof.state() != State::Off {
        out.line("aof_current_size", aof.current_size.load(Relaxed));
        out.line("aof_base_size", aof.base_size.load(Relaxed));
        out.zeros(&["aof_pending_rewrite"]);
        out.line("aof_buffer_length", aof.unwritten(&s.propagation));
        out.line("aof_pending_bio_fsync", u8::from(aof.fsync_pending.load(Relaxed)));
        out.line("aof_delayed_fsync", aof.delayed_fsync.get());
    }
    if loading {
        let (total, read) = (p.loading_total.load(Relaxed), p.loading_read.load(Relaxed));
        let elapsed = (now - p.loading_since.load(Relaxed)).max(0);
        out.line("loading_start_time", p.loading_since.load(Relaxed));
        out.line("loading_total_bytes", total);
        out.line("loading_rdb_used_mem", p.loading_used_mem.load(Relaxed));
        out.line("loading_loaded_bytes", read);
        out.line("loading_loaded_perc", format_args!("{:.2}", 100.0 * read as f64 / total.max(1) as f64));
        // where too little is known, a second
        let eta = if elapsed == 0 { 1 } else { elapsed * total.saturating_sub(read) as i64 / (read as i64 + 1) };
        out.line("loading_eta_seconds", eta);
    }
}

pub(super) fn stats(source: &Source<'_>, out: &mut Lines) {
    let s = source.server;
    let t = &s.totals;
    out.section("Stats");
    out.line("total_connections_received", t.connections_received.get());
    out.line("total_commands_processed", s.sum(|c| &c.commands));
    let (ops, net_in, net_out, loops, loop_ns) = {
        let r = s.rates.lock();
        (
            r.ops.per_second(),
            r.net_in.per_second(),
            r.net_out.per_second(),
            r.loops.per_second(),
            r.loop_ns.per_second(),
        )
    };
    out.line("instantaneous_ops_per_sec", ops as u64);
    out.line("total_net_input_bytes", s.sum(|c| &c.net_in));
    out.line("total_net_output_bytes", s.sum(|c| &c.net_out));
    out.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    out.line("instantaneous_input_kbps", format_args!("{:.2}", net_in / 1024.0));
    out.line("instantaneous_output_kbps", format_args!("{:.2}", net_out / 1024.0));
    out.line("instantaneous_input_repl_kbps", "0.00");
    out.line("instantaneous_output_repl_kbps", "0.00");
    out.line("rejected_connections", t.rejected_connections.get());
    out.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    out.line("expired_subkeys", s.sum(|c| &c.expired_fields));
    out.line("expired_subkeys_active", s.sum(|c| &c.expired_fields_active));
    out.line("expired_keys", s.sum(|c| &c.expired));
    out.line("expired_keys_active", s.sum(|c| &c.expired_active));
    out.line("expired_stale_perc", format_args!("{:.2}", s.expired_stale.load(Relaxed) as f64 / 10_000.0));
    out.line("expired_time_cap_reached_count", t.expired_time_cap_reached.get());
    out.line("expire_cycle_cpu_milliseconds", t.expire_cycle_us.get() / 1000);
    out.line("evicted_keys", s.sum(|c| &c.evicted));
    out.line("evicted_clients", t.evicted_clients.get());
    out.line("evicted_scripts", s.scripting.evicted());
    out.line("total_eviction_exceeded_time", t.eviction_exceeded_us.get() / 1000);
    out.zeros(&["current_eviction_exceeded_time"]);
    out.line("keyspace_hits", s.sum(|c| &c.hits));
    out.line("keyspace_misses", s.sum(|c| &c.misses));
    out.line("pubsub_channels", s.pubsub.count(Kind::Channel));
    out.line("pubsub_patterns", s.pubsub.count(Kind::Pattern));
    out.line("pubsubshard_channels", s.pubsub.count(Kind::Shard));
    // nothing is ever forked, and memory is compacted by the arenas themselves; what Redis forks for is counted
    out.zeros(&["latest_fork_usec"]);
    out.line("total_forks", s.persistence.saves.load(Relaxed) + s.aof.rewrites.get());
    out.line("migrate_cached_sockets", s.host.kept_connections());
    out.zeros(&[
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ]);
    let (keys, items, prefixes) = s.tracking.totals();
    out.line("tracking_total_keys", keys);
    out.line("tracking_total_items", items);
    out.line("tracking_total_prefixes", prefixes);
    out.line("unexpected_error_replies", t.unexpected_errors.get());
    out.line("total_error_replies", s.sum(|c| &c.errors));
    out.zeros(&["dump_payload_sanitizations"]);
    let (reads, writes) = (s.sum(|c| &c.reads), s.sum(|c| &c.writes));
    out.line("total_reads_processed", reads);
    out.line("total_writes_processed", writes);
    // every read and write is a worker's
    out.line("io_threaded_reads_processed", reads);
    out.line("io_threaded_writes_processed", writes);
    out.line("io_threaded_total_prefetch_batches", s.sum(|c| &c.batches));
    out.zeros(&["io_threaded_total_prefetch_entries"]);
    out.line("client_query_buffer_limit_disconnections", t.query_buffer_limit_disconnections.get());
    out.line("client_output_buffer_limit_disconnections", t.output_buffer_limit_disconnections.get());
    out.line("reply_buffer_shrinks", t.reply_buffer_shrinks.get());
    out.line("reply_buffer_expands", t.reply_buffer_expands.get());
    out.line("eventloop_cycles", s.sum(|c| &c.loops));
    out.line("eventloop_duration_sum", s.sum(|c| &c.loop_ns) / 1000);
    out.line("eventloop_duration_cmd_sum", s.sum(|c| &c.command_ns) / 1000);
    out.line("instantaneous_eventloop_cycles_per_sec", loops as u64);
    let per_loop = if loops > 0.0 { loop_ns / loops / 1000.0 } else { 0.0 };
    out.line("instantaneous_eventloop_duration_usec", per_loop as u64);
    out.line("acl_access_denied_auth", t.acl_denied_auth.get());
    out.line("acl_access_denied_cmd", t.acl_denied_cmd.get());
    out.zeros(&["acl_access_denied_key", "acl_access_denied_channel", "acl_access_denied_tls_cert"]);
}

pub(super) fn debug(source: &Source<'_>, out: &mut Lines) {
    let threads = source.server.threads();
    let highest = |f: fn(&Counters) -> &Counter| threads.iter().map(|t| f(&t.counters).get()).max().unwrap_or(0);
    out.section("Debug");
    out.line("eventloop_duration_aof_sum", 0);
    out.line("eventloop_duration_cron_sum", source.server.sum(|c| &c.timer_ns) / 1000);
    out.line("eventloop_duration_max", highest(|c| &c.loop_max_ns) / 1000);
    out.line("eventloop_cmd_per_cycle_max", highest(|c| &c.loop_max_commands));
}

pub(super) fn replication(source: &Source<'_>, out: &mut Lines) {
    out.section("Replication");
    out.line("role", "master");
    out.line("connected_slaves", 0);
    out.line("master_failover_state", "no-failover");
    out.line("master_replid", &*source.server.replid.lock());
    out.line("master_replid2", "0".repeat(40));
    out.line("master_repl_offset", source.server.propagation.commands());
    out.line("second_repl_offset", -1);
    out.line("repl_backlog_active", 0);
    out.line("repl_backlog_size", source.cfg.repl_backlog_size);
    out.zeros(&["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}
