//! The server's shared state: what every worker, timer and background job sees.

use crate::aof::AofStatus;
use crate::args::OwnedArgs;
use crate::blocking::{Blocking, Queues};
use crate::client::{ClientShared, Clients};
use crate::config::Config;
use crate::error::Error;
use crate::latency::LatencyMonitor;
use crate::pause::Pause;
use crate::persistence::Persistence;
use crate::propagation::Propagation;
use crate::pubsub::PubSub;
use crate::scripting::Scripting;
use crate::slowlog::Slowlog;
use crate::snapshot::Snapshot;
use crate::stats::{Counter, ThreadStats};
use crate::table::Table;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use viator_keyspace::{Footprint, Guards, Keyspace, Object};

/// A client that watches a key.
pub struct Watcher {
    /// The client.
    pub client: Arc<ClientShared>,
    /// The key was there when it was watched, but had expired: its removal is no change.
    pub expired: bool,
}

/// Clients that watch keys of a shard, by database and key.
pub type Watchers = HashMap<(usize, Box<[u8]>), Vec<Watcher>, ahash::RandomState>;

/// What the engine keeps per shard, under the shard's lock.
#[derive(Default)]
pub struct ShardExt {
    /// WATCH.
    pub watchers: Watchers,
    /// Those who wait for keys.
    pub waiters: Queues,
    /// CLIENT TRACKING.
    pub readers: crate::tracking::Readers,
}

/// The locks that a command holds.
pub type Held<'s> = Guards<'s, ShardExt>;

/// What only the process around the engine can do.
pub trait Host: Send + Sync {
    /// Bytes that the allocator has given out, exact to a few kilobytes, cheap enough to ask per command.
    fn used_memory(&self) -> u64;
    /// Frees a value on the background thread.
    fn free_later(&self, garbage: Garbage);
    /// Runs a job on a thread of its own, which yields to those that serve clients. Returns whether there is one.
    fn spawn(&self, name: &'static str, job: Job) -> bool;
    /// Values waiting for the background thread.
    fn pending_frees(&self) -> u64;
    /// Lets a `Shutdown` request begin; its outcome reaches the client by its mailbox or the process's end.
    fn shutdown(&self, request: ShutdownRequest);
    /// Takes back a shutdown that waits. Returns whether there was one.
    fn abort_shutdown(&self) -> bool;
    /// Applies changed directives that touch sockets, files or limits; the error becomes CONFIG SET's.
    ///
    /// # Errors
    /// (directive, text)
    fn apply_config(&self, old: &Config, new: &Config, changed: &[&'static str]) -> Result<(), (String, String)>;
    /// Process facts for INFO: resident bytes, allocator statistics and the like, by INFO field name.
    fn process_info(&self) -> ProcessInfo;
    /// Asks the allocator to return memory (MEMORY PURGE).
    fn purge(&self);
    /// The allocator's own report (MEMORY MALLOC-STATS).
    fn malloc_stats(&self) -> String;
    /// Connections to other servers that are kept for MIGRATE.
    fn kept_connections(&self) -> u64 {
        0
    }
    /// Sends commands to another server, and reads the line that answers each.
    ///
    /// # Errors
    /// How far it got.
    fn exchange(&self, _peer: &Peer, _commands: &[OwnedArgs]) -> Result<Vec<Vec<u8>>, ExchangeError> {
        Err(ExchangeError::Connecting)
    }
    /// Begins to rewrite the append-only file, or, while locks are held or another snapshot is taken, notes that it is to be
    /// done as soon as possible. Returns the reply.
    ///
    /// # Errors
    /// Redis's text.
    fn rewrite_aof(&self, _held: bool) -> Result<&'static str, &'static str> {
        Err("ERR Can't execute an AOF background rewriting. Please check the server logs for more information.")
    }
    /// Loads the append-only file into the dataset, which has been emptied (DEBUG LOADAOF), and lets the log be written again
    /// if it was (`on`).
    ///
    /// # Errors
    /// Redis's text.
    fn reload_aof(&self, _on: bool) -> Result<(), String> {
        Err("ERR Error trying to load the AOF files, check server logs.".into())
    }
    /// Lets all workers look at their clients again (after CLIENT UNPAUSE, a new limit…).
    fn wake_all(&self);
}

/// What runs on a thread of its own.
pub type Job = Box<dyn FnOnce(&Server) + Send>;

/// Another server.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How long to wait for each step, milliseconds.
    pub timeout_ms: u64,
}

/// Where a conversation with another server ended.
#[derive(Debug)]
pub enum ExchangeError {
    /// There is no connection.
    Connecting,
    /// Not all was sent.
    Writing,
    /// Not all replies came: those that did.
    Reading(Vec<Vec<u8>>),
}

/// Facts of the process.
#[derive(Clone, Debug, Default)]
pub struct ProcessInfo {
    /// Resident set, bytes.
    pub rss: u64,
    /// Allocator: bytes given out.
    pub allocated: u64,
    /// Allocator: bytes in pages with something given out.
    pub active: u64,
    /// Allocator: bytes resident.
    pub resident: u64,
    /// Allocator: bytes in muzzy pages.
    pub muzzy: u64,
    /// Physical memory, bytes.
    pub total_system_memory: u64,
    /// CPU seconds: system, user, of the whole process.
    pub cpu: (f64, f64),
    /// CPU seconds: system, user, of the main (first worker's) thread.
    pub cpu_main: (f64, f64),
    /// Path of the executable.
    pub executable: String,
    /// Name and version of the allocator.
    pub allocator: String,
    /// Name, version and architecture of the operating system.
    pub os: String,
}

/// What goes to the background thread to be freed.
pub enum Garbage {
    /// A value.
    Object(Box<Object>),
    /// A whole shard's part of a database.
    Db(Box<viator_keyspace::DbShard>),
    /// Nothing: a client that waits until all before it is free.
    Wake(Arc<ClientShared>),
}

impl Garbage {
    /// How many values it is.
    pub fn objects(&self) -> u64 {
        match self {
            Garbage::Object(_) => 1,
            Garbage::Db(d) => d.len() as u64,
            Garbage::Wake(_) => 0,
        }
    }
}

/// A SHUTDOWN.
#[derive(Clone, Debug)]
pub struct ShutdownRequest {
    /// NOSAVE (`Some(false)`), SAVE (`Some(true)`) or by the configuration.
    pub save: Option<bool>,
    /// NOW.
    pub now: bool,
    /// FORCE.
    pub force: bool,
    /// The client that asked, if one did.
    pub client: Option<u64>,
}

/// Reasons of the server against dispatch's fast path; bits of [`Server::gate`].
pub mod gate {
    /// A MONITOR client listens.
    pub const MONITOR: u32 = 1 << 16;
    /// CLIENT PAUSE is on.
    pub const PAUSED: u32 = 1 << 17;
    /// `maxmemory` is set.
    pub const MAXMEMORY: u32 = 1 << 18;
    /// The dataset is loading.
    pub const LOADING: u32 = 1 << 19;
    /// `maxmemory-clients` is set.
    pub const CLIENT_EVICTION: u32 = 1 << 20;
    /// A script takes long: most commands are refused.
    pub const BUSY: u32 = 1 << 24;
    /// `min-replicas-to-write` asks for more replicas than there are.
    pub const FEW_REPLICAS: u32 = 1 << 23;
    /// The last save failed.
    pub const DISK_ERROR: u32 = 1 << 21;
    /// The append-only file cannot be written.
    pub const AOF_FAILING: u32 = 1 << 22;
    /// Something is checked after every command; see [`super::DebugSwitches`].
    pub const CHECKS: u32 = 1 << 25;
}

/// The configuration in force, replaced as a whole.
pub struct ConfigCell {
    version: AtomicU64,
    value: Mutex<Arc<Config>>,
    changing: Mutex<()>,
}

impl ConfigCell {
    /// With an initial configuration.
    pub fn new(c: Config) -> ConfigCell {
        ConfigCell { version: AtomicU64::new(1), value: Mutex::new(Arc::new(c)), changing: Mutex::default() }
    }
    /// Changes with every replacement.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }
    /// The present one.
    pub fn load(&self) -> Arc<Config> {
        self.value.lock().clone()
    }
    /// Replaces it by what `change` makes of it. One change follows the other, with all that it does besides; meanwhile the old
    /// configuration can be read. `change` must not ask for locks of the data: who holds them may wait here.
    ///
    /// # Errors
    /// Those of `change`, which leave it as it was.
    pub fn update<E>(&self, change: impl FnOnce(&Config) -> Result<Config, E>) -> Result<(), E> {
        self.unchanged(|old| {
            let changed = Arc::new(change(old)?);
            *self.value.lock() = changed;
            self.version.fetch_add(1, Relaxed);
            Ok(())
        })
    }

    /// Does something while nobody else changes it. The same holds for `work` as for a change.
    pub fn unchanged<R>(&self, work: impl FnOnce(&Config) -> R) -> R {
        let _one_at_a_time = self.changing.lock();
        work(&self.load())
    }
}

/// A rate of INFO (`instantaneous_*`): 16 samples, 100 ms apart.
#[derive(Default)]
pub struct Rate {
    samples: [f64; 16],
    at: usize,
    last: u64,
}

impl Rate {
    /// Takes a sample of a running total, `ms` after the one before.
    pub fn sample(&mut self, total: u64, ms: u64) {
        let per_second = total.saturating_sub(self.last) as f64 * 1000.0 / ms.max(1) as f64;
        self.last = total;
        if let Some(s) = self.samples.get_mut(self.at) {
            *s = per_second;
        }
        self.at = (self.at + 1) % self.samples.len();
    }
    /// The mean.
    pub fn per_second(&self) -> f64 {
        self.samples.iter().sum::<f64>() / self.samples.len() as f64
    }
}

/// The `instantaneous_*` rates.
#[derive(Default)]
pub struct Rates {
    /// Commands.
    pub ops: Rate,
    /// Bytes received.
    pub net_in: Rate,
    /// Bytes sent.
    pub net_out: Rate,
    /// Event loop turns.
    pub loops: Rate,
    /// Nanoseconds in event loop turns.
    pub loop_ns: Rate,
}

/// Different error codes that are counted.
const MAX_ERROR_CODES: usize = 128;
/// Bytes of an error in which its code has to end, as in Redis.
const MAX_ERROR_CODE: usize = 31;
/// The code that stands for all when there are more.
const ERRORSTATS_DISABLED: &str = "ERRORSTATS_DISABLED";

macro_rules! totals {
    ($($name:ident,)*) => {
        /// Totals that are counted rarely, from any thread.
        #[derive(Default)]
        #[expect(missing_docs, reason = "the names are INFO's own")]
        pub struct Totals { $(pub $name: Counter,)* }
        impl Totals {
            /// Sets all to zero.
            pub fn reset(&self) { $(self.$name.reset();)* }
        }
    };
}

totals! {
    connections_received,
    rejected_connections,
    evicted_clients,
    eviction_exceeded_us,
    expire_cycle_us,
    expired_time_cap_reached,
    query_buffer_limit_disconnections,
    output_buffer_limit_disconnections,
    acl_denied_auth,
    acl_denied_cmd,
    unexpected_errors,
    lazyfreed,
    reply_buffer_shrinks,
    reply_buffer_expands,
}

/// What DEBUG switches for tests.
#[derive(Default)]
pub struct DebugSwitches {
    /// SET-DISABLE-DENY-SCRIPTS: scripts may call commands that are flagged `noscript`.
    pub disable_deny_scripts: AtomicBool,
    /// SET-SKIP-CHECKSUM-VALIDATION: checksums of RDB files and of RESTORE's payload are not looked at.
    pub skip_checksum_validation: AtomicBool,
    /// KEYSIZES-HIST-ASSERT: after every command INFO's keysizes are counted again.
    pub assert_sizes: AtomicBool,
}

/// See the module.
pub struct Server {
    /// The data.
    pub keyspace: Keyspace<ShardExt>,
    /// The commands.
    pub table: Table,
    /// The configuration.
    pub config: ConfigCell,
    /// The connected clients.
    pub clients: Clients,
    /// The process around.
    pub host: Arc<dyn Host>,
    /// Reasons against the fast path.
    pub gate: Arc<AtomicU32>,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// Scripts and functions.
    pub scripting: Scripting,
    /// The append-only file.
    pub aof: AofStatus,
    /// The propagation log.
    pub propagation: Propagation,
    /// Watches that end as soon as a script lets go of their shards.
    pub late_unwatch: Mutex<Vec<(u64, crate::session::Watched)>>,
    /// SLOWLOG.
    pub slowlog: Mutex<Slowlog>,
    /// LATENCY.
    pub latency: Mutex<LatencyMonitor>,
    /// Pub/Sub.
    pub pubsub: PubSub,
    /// CLIENT TRACKING.
    pub tracking: crate::tracking::Tracking,
    /// Clients in MONITOR.
    pub monitors: Mutex<Vec<Arc<ClientShared>>>,
    /// Error replies by code.
    pub error_stats: Mutex<BTreeMap<String, u64>>,
    /// Rare totals.
    pub totals: Totals,
    /// Rates.
    pub rates: Mutex<Rates>,
    /// Unix milliseconds of the start.
    pub started_ms: i64,
    /// 40 hexadecimal digits, new with each start.
    pub run_id: String,
    /// 40 hexadecimal digits that name the history of this dataset.
    pub replid: Mutex<String>,
    /// Command line, for restarts and INFO.
    pub executable: String,
    /// Path of the configuration file, or "".
    pub config_file: String,
    /// TCP port that the server really listens on.
    pub port: AtomicU32,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: AtomicBool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: AtomicBool,
    /// Other switches of DEBUG.
    pub debug: DebugSwitches,
    /// Highest memory use seen, bytes, and the Unix seconds of it.
    pub peak_memory: AtomicU64,
    /// Unix seconds of the peak.
    pub peak_time: AtomicI64,
    /// Memory in use when the server had just started, bytes.
    pub startup_memory: AtomicU64,
    /// Stale share of the keys with an expiry, in millionths, as a running estimate.
    pub expired_stale: AtomicU64,
    /// Clients blocked in commands.
    pub blocked_clients: AtomicU64,
    /// Those of them who wait for keys.
    pub blocking: Blocking,
    /// `dirty` at the last save, for rdb_changes_since_last_save.
    pub dirty_at_save: AtomicU64,
    /// Saving and loading.
    pub persistence: Persistence,
    /// The snapshot that is being taken.
    pub snapshot: Mutex<Option<Arc<Snapshot>>>,
    /// It has ended.
    pub snapshot_over: Condvar,
    /// Unix seconds of the last save.
    pub last_save: AtomicI64,
    /// Unix milliseconds when somebody last spoke HTTP.
    pub http_warned_ms: AtomicI64,
    /// The seed of this server's random numbers.
    seed: AtomicU64,
    threads: Mutex<Vec<Arc<ThreadStats>>>,
}

/// What a server is made of.
pub struct Parts {
    /// Configuration.
    pub config: Config,
    /// Commands.
    pub table: Table,
    /// The process.
    pub host: Arc<dyn Host>,
    /// Configuration file.
    pub config_file: String,
    /// Executable.
    pub executable: String,
    /// A random number.
    pub seed: u64,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// 40 random hexadecimal digits.
    pub run_id: String,
}

impl Server {
    /// A server without data.
    pub fn new(p: Parts) -> Server {
        let seed = viator_keyspace::HashSeed::new(p.config.cluster_enabled, p.now_ms);
        let gate = Arc::new(AtomicU32::new(0));
        let s = Server {
            keyspace: Keyspace::new(usize::try_from(p.config.databases).unwrap_or(16).max(1), seed),
            table: p.table,
            clients: Clients::default(),
            host: p.host,
            gate: gate.clone(),
            scripting: Scripting::new(gate),
            late_unwatch: Mutex::default(),
            pause: Pause::default(),
            aof: AofStatus::default(),
            propagation: Propagation::default(),
            slowlog: Mutex::default(),
            latency: Mutex::default(),
            pubsub: PubSub::default(),
            tracking: Default::default(),
            monitors: Mutex::default(),
            error_stats: Mutex::default(),
            totals: Totals::default(),
            rates: Mutex::default(),
            started_ms: p.now_ms,
            run_id: p.run_id,
            replid: Mutex::default(),
            executable: p.executable,
            config_file: p.config_file,
            port: AtomicU32::new(0),
            active_expire: AtomicBool::new(true),
            cron_paused: AtomicBool::new(false),
            debug: DebugSwitches::default(),
            peak_memory: AtomicU64::new(0),
            peak_time: AtomicI64::new(p.now_ms / 1000),
            startup_memory: AtomicU64::new(0),
            expired_stale: AtomicU64::new(0),
            blocked_clients: AtomicU64::new(0),
            blocking: Blocking::default(),
            dirty_at_save: AtomicU64::new(0),
            persistence: Persistence::default(),
            snapshot: Mutex::default(),
            snapshot_over: Condvar::new(),
            last_save: AtomicI64::new(p.now_ms / 1000),
            http_warned_ms: AtomicI64::new(0),
            seed: AtomicU64::new(p.seed),
            threads: Mutex::default(),
            config: ConfigCell::new(p.config),
        };
        s.refresh_gates();
        s.new_replid();
        s
    }

    /// Begins a new history of the dataset (DEBUG CHANGE-REPL-ID).
    pub fn new_replid(&self) {
        let id = [self.random_seed(), self.random_seed(), self.random_seed()].map(|n| format!("{n:016x}")).concat();
        *self.replid.lock() = id.get(..40).unwrap_or_default().to_owned();
    }

    /// Whether a script takes long.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.gate.load(Relaxed) & gate::BUSY != 0
    }

    /// Takes the locks of a footprint.
    ///
    /// # Errors
    /// A script that takes long holds one of them.
    #[inline]
    pub fn lock(&self, footprint: Footprint) -> Result<Held<'_>, Error> {
        self.keyspace.lock_unless(footprint, || self.is_busy()).ok_or_else(|| self.scripting.running.busy_error())
    }

    /// Registers a thread that runs commands.
    pub fn add_thread(&self) -> Arc<ThreadStats> {
        let t = Arc::new(ThreadStats::new(self.table.entries().len()));
        self.threads.lock().push(t.clone());
        t
    }

    /// The statistics of all threads.
    pub fn threads(&self) -> Vec<Arc<ThreadStats>> {
        self.threads.lock().clone()
    }

    /// A counter's sum over the threads.
    pub fn sum(&self, f: impl Fn(&crate::stats::Counters) -> &Counter) -> u64 {
        self.threads.lock().iter().map(|t| f(&t.counters).get()).sum()
    }

    /// A non-zero random number, another at each call.
    pub fn random_seed(&self) -> u64 {
        let x = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        let z = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) | 1
    }

    /// Recomputes the reasons against the fast path that follow from the configuration.
    pub fn refresh_gates(&self) {
        let cfg = self.config.load();
        self.set_gate(gate::MAXMEMORY, cfg.maxmemory > 0);
        self.set_gate(gate::CLIENT_EVICTION, cfg.maxmemory_clients != 0);
        // there are no replicas yet
        self.set_gate(gate::FEW_REPLICAS, cfg.min_replicas_to_write > 0 && cfg.min_replicas_max_lag > 0);
        self.refresh_disk_gate();
    }

    /// Sets or clears a reason against the fast path.
    pub fn set_gate(&self, bit: u32, on: bool) {
        if on {
            self.gate.fetch_or(bit, Relaxed);
        } else {
            self.gate.fetch_and(!bit, Relaxed);
        }
    }

    /// Bytes of memory in use: what the allocator has given out, less arena pages that hold nothing.
    pub fn used_memory(&self) -> u64 {
        self.host.used_memory().saturating_sub(self.keyspace.free_bytes())
    }

    /// Counts an error reply by its code, ERR where there is none. From 128 different codes on (scripts can make any), only
    /// that is noted.
    pub fn count_error(&self, line: &str) {
        let end = line.bytes().take(MAX_ERROR_CODE).position(|b| b == b' ');
        let code = end.and_then(|end| line.get(..end)).unwrap_or("ERR");
        let mut stats = self.error_stats.lock();
        if let Some(n) = stats.get_mut(code) {
            *n += 1;
        } else if stats.len() >= MAX_ERROR_CODES {
            let codes: Vec<&str> = stats.keys().map(String::as_str).collect();
            tracing::warn!(
                "Errorstats stopped adding new errors because the number of errors reached the limit ({MAX_ERROR_CODES})."
            );
            tracing::warn!("Current errors code list: {}", codes.join(", "));
            stats.clear();
            stats.insert(ERRORSTATS_DISABLED.to_owned(), 1);
        } else if !stats.contains_key(ERRORSTATS_DISABLED) {
            stats.insert(code.to_owned(), 1);
        }
    }

    /// Sets the statistics to zero (CONFIG RESETSTAT).
    pub fn reset_stats(&self) {
        for t in self.threads() {
            t.counters.reset();
            t.commands.iter().for_each(crate::stats::CommandStat::reset);
        }
        self.totals.reset();
        self.scripting.reset_stats();
        self.error_stats.lock().clear();
        *self.rates.lock() = Rates::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a change does besides is done once, and not beside another's.
    #[test]
    fn changes_of_the_configuration_follow_each_other() {
        const EACH: i64 = 300;
        let cell = ConfigCell::new(Config { maxclients: 0, ..Config::default() });
        let (running, done) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..EACH {
                        let changed = cell.update(|old| {
                            assert_eq!(running.fetch_add(1, Relaxed), 0);
                            assert_eq!(done.fetch_add(1, Relaxed), old.maxclients as u64);
                            assert_eq!(cell.load().maxclients, old.maxclients);
                            std::thread::yield_now();
                            running.fetch_sub(1, Relaxed);
                            Ok::<_, ()>(Config { maxclients: old.maxclients + 1, ..old.clone() })
                        });
                        assert_eq!(changed, Ok(()));
                    }
                });
            }
        });
        assert_eq!(cell.load().maxclients, 4 * EACH);
        assert_eq!(cell.update(|_| Err(7)), Err(7));
        assert_eq!((cell.load().maxclients, cell.version()), (4 * EACH, 4 * EACH as u64 + 1));
    }
}
