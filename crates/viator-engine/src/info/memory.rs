//! The section Memory, and the figures that it shares with MEMORY STATS.

use super::{KeyFacts, Lines, Source};
use crate::client::flag;
use crate::server::{ProcessInfo, Server};
use std::sync::atomic::Ordering::Relaxed;
use viator_data::num::human_bytes;

/// What takes the memory, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryFacts {
    /// In use.
    pub used: u64,
    /// The highest use seen.
    pub peak: u64,
    /// Unix seconds of the peak.
    pub peak_time: i64,
    /// In use when the server had just started.
    pub startup: u64,
    /// Buffers of clients.
    pub clients: u64,
    /// Buffers of replicas.
    pub replicas: u64,
    /// Tables, expiry indexes: what databases need beside the entries.
    pub tables: u64,
    /// All of that is no data.
    pub overhead: u64,
    /// What is.
    pub dataset: u64,
}

impl MemoryFacts {
    /// As of now, with what was in use before anybody began to look (looking takes some). Takes note of a new peak.
    pub fn gather(server: &Server, used: u64, keys: &KeyFacts, now_s: i64) -> MemoryFacts {
        if server.peak_memory.fetch_max(used, Relaxed) < used {
            server.peak_time.store(now_s, Relaxed);
        }
        let (mut clients, mut replicas) = (0, 0);
        for c in server.clients.all() {
            if c.has_flag(flag::REPLICA) {
                replicas += c.memory();
            } else {
                clients += c.memory();
            }
        }
        let startup = server.startup_memory.load(Relaxed);
        let overhead = (startup + clients + replicas + keys.tables()).min(used);
        MemoryFacts {
            used,
            peak: server.peak_memory.load(Relaxed),
            peak_time: server.peak_time.load(Relaxed),
            startup,
            clients,
            replicas,
            tables: keys.tables(),
            overhead,
            dataset: used - overhead,
        }
    }

    /// The share of the dataset in what was allocated since the start, percent.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset, self.used.saturating_sub(self.startup))
    }

    /// The share of present use in the peak, percent.
    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// How much more of one thing there is than of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excess {
    /// The one as a multiple of the other.
    pub ratio: f64,
    /// The difference, bytes.
    pub bytes: i64,
}

impl Excess {
    fn of(a: u64, b: u64) -> Excess {
        Excess { ratio: if b == 0 { 1.0 } else { a as f64 / b as f64 }, bytes: a as i64 - b as i64 }
    }
}

/// Where resident memory goes that no data is in.
#[derive(Clone, Copy, Debug)]
pub struct Fragmentation {
    /// Of the allocator's pages: active over allocated.
    pub allocator: Excess,
    /// Of the allocator's address space: resident over active.
    pub allocator_rss: Excess,
    /// Of the process: resident over the allocator's resident.
    pub rss: Excess,
    /// Of all: resident over used.
    pub total: Excess,
}

impl Fragmentation {
    /// From the process's figures.
    pub fn of(p: &ProcessInfo, used: u64) -> Fragmentation {
        Fragmentation {
            allocator: Excess::of(p.active, p.allocated),
            allocator_rss: Excess::of(p.resident, p.active),
            rss: Excess::of(p.rss, p.resident),
            total: Excess::of(p.rss, used),
        }
    }
}

pub(super) fn memory(source: &Source<'_>, out: &mut Lines) {
    let (s, p) = (source.server, source.process);
    let m = MemoryFacts::gather(s, source.used_memory, source.keys, source.now_us / 1_000_000);
    let f = Fragmentation::of(p, m.used);
    out.section("Memory");
    out.bytes_human("used_memory", m.used);
    out.bytes_human("used_memory_rss", p.rss);
    out.bytes_human("used_memory_peak", m.peak);
    out.line("used_memory_peak_time", m.peak_time);
    out.line("used_memory_peak_perc", format_args!("{:.2}%", m.peak_percent()));
    out.line("used_memory_overhead", m.overhead);
    out.line("used_memory_startup", m.startup);
    out.line("used_memory_dataset", m.dataset);
    out.line("used_memory_dataset_perc", format_args!("{:.2}%", m.dataset_percent()));
    out.line("allocator_allocated", p.allocated);
    out.line("allocator_active", p.active);
    out.line("allocator_resident", p.resident);
    out.line("allocator_muzzy", p.muzzy);
    out.bytes_human("total_system_memory", p.total_system_memory);
    let scripting = &source.server.scripting;
    let [vm_eval, vm_functions] = scripting.memory.each_ref().map(|n| n.load(Relaxed));
    let (libraries, functions) = scripting.counts();
    let (scripts_eval, code) = (scripting.cached_bytes(), scripting.library_bytes());
    out.line("used_memory_lua", vm_eval);
    out.line("used_memory_vm_eval", vm_eval);
    out.line("used_memory_lua_human", human_bytes(vm_eval));
    out.line("used_memory_scripts_eval", scripts_eval);
    out.line("number_of_cached_scripts", scripting.cached());
    out.line("number_of_functions", functions);
    out.line("number_of_libraries", libraries);
    out.line("used_memory_vm_functions", vm_functions);
    out.bytes_human("used_memory_vm_total", vm_eval + vm_functions);
    out.line("used_memory_functions", code);
    out.bytes_human("used_memory_scripts", scripts_eval + code);
    out.bytes_human("maxmemory", source.cfg.maxmemory);
    out.line("maxmemory_policy", source.cfg.maxmemory_policy.name());
    for (name, e) in [
        ("allocator_frag", f.allocator),
        ("allocator_rss", f.allocator_rss),
        ("rss_overhead", f.rss),
        ("mem_fragmentation", f.total),
    ] {
        out.line(&format!("{name}_ratio"), format_args!("{:.2}", e.ratio));
        out.line(&format!("{name}_bytes"), e.bytes);
    }
    out.zeros(&[
        "mem_not_counted_for_evict",
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_replica_full_sync_buffer",
    ]);
    out.line("mem_clients_slaves", m.replicas);
    out.line("mem_clients_normal", m.clients);
    out.zeros(&[
        "mem_cluster_slot_migration_output_buffer",
        "mem_cluster_slot_migration_input_buffer",
        "mem_cluster_slot_migration_input_buffer_peak",
        "mem_cluster_links",
        "mem_aof_buffer",
    ]);
    out.line("mem_allocator", &p.allocator);
    // no table of the keyspace is ever rehashed step by step
    out.zeros(&["mem_overhead_db_hashtable_rehashing", "active_defrag_running"]);
    out.line("lazyfree_pending_objects", s.host.pending_frees());
    out.line("lazyfreed_objects", s.totals.lazyfreed.get());
}
