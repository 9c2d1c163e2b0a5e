//! What each thread that runs commands has for itself: clock, random numbers, statistics, scratch memory.

use crate::args::{Args, OwnedArgs};
use crate::config::{Config, NotifyFlags};
use crate::server::Server;
use crate::stats::ThreadStats;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One monotonic reading gives both the time of day and durations.
///
/// It reads the processor's counter where that runs evenly, which takes a third of the time of asking the system, and
/// follows the system's clocks every 100 ms: what the counter is wrong by never adds up.
pub struct Clock {
    counter: quanta::Clock,
    base: Instant,
    /// Unix nanoseconds at `base`.
    unix: u64,
    last_ns: u64,
    /// The counter when the system's clocks were read last, and the nanoseconds since `base` then.
    anchor: (u64, u64),
}

/// How long the counter is trusted.
const ANCHORED_NS: u64 = 100_000_000;

impl Default for Clock {
    fn default() -> Self {
        let counter = quanta::Clock::new();
        let anchor = (counter.raw(), 0);
        Clock { counter, base: Instant::now(), unix: unix_ns(), last_ns: 0, anchor }
    }
}

fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

impl Clock {
    /// Reads the clock. Returns nanoseconds since the clock was made, never less than the last time. Follows changes of
    /// the time of day every 100 ms.
    #[inline]
    pub fn read(&mut self) -> u64 {
        let counter = self.counter.raw();
        let (then, ns) = self.anchor;
        let since = self.counter.delta_as_nanos(then, counter);
        // a counter that went back is read anew too
        if since > ANCHORED_NS || counter < then {
            self.follow();
        } else {
            self.last_ns = self.last_ns.max(ns + since);
        }
        self.last_ns
    }

    #[cold]
    #[inline(never)]
    fn follow(&mut self) {
        let counter = self.counter.raw();
        let ns = self.base.elapsed().as_nanos() as u64;
        self.unix = unix_ns().saturating_sub(ns);
        self.anchor = (counter, ns);
        self.last_ns = self.last_ns.max(ns);
    }

    /// The last reading.
    pub fn last(&self) -> u64 {
        self.last_ns
    }

    /// Unix milliseconds of the last reading.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        ((self.unix + self.last_ns) / 1_000_000) as i64
    }

    /// Unix microseconds of the last reading.
    pub fn now_us(&self) -> i64 {
        ((self.unix + self.last_ns) / 1000) as i64
    }
}

/// A keyspace event waiting for the command's end.
pub struct Event {
    /// Class.
    pub class: NotifyFlags,
    /// Name.
    pub name: &'static str,
    /// Database.
    pub db: usize,
    /// Key.
    pub key: Vec<u8>,
}

/// See the module.
pub struct Local {
    /// The thread's clock.
    pub clock: Clock,
    /// Unix milliseconds for the running command (constant during a transaction).
    pub now: i64,
    /// The configuration as of the batch's beginning.
    pub cfg: Arc<Config>,
    cfg_version: u64,
    /// The thread's statistics, known to the server.
    pub stats: Arc<ThreadStats>,
    /// Events of the running command.
    pub events: Vec<Event>,
    /// What is to go into the propagation log.
    pub unit: crate::propagation::Unit,
    /// The append-only file is being loaded: nothing expires meanwhile.
    pub replaying: bool,
    /// The propagation log's end after what this thread appended last.
    pub log_end: u64,
    /// Changed keys that somebody waits for; see [`crate::blocking`].
    pub ready: std::collections::VecDeque<crate::blocking::Ready>,
    /// Changes of the running command.
    pub dirty: u64,
    /// The client whose command runs, or the last one did; 0: none.
    pub client: u64,
    /// The running command emptied a database.
    pub flushed: bool,
    /// Changes that those who follow prefixes have not been told of.
    pub changes: Vec<crate::tracking::Change>,
    /// Invalidation messages for the running command's client, where its reply must come first.
    pub held_back: Option<Vec<u8>>,
    /// Arguments of the running command that MONITOR and the slow log must not show: passwords.
    pub redact: Vec<usize>,
    /// LRU clock (seconds) or minute for LFU decay, recomputed per batch.
    pub lru_clock: u32,
    /// Eviction candidates found earlier.
    pub evict_pool: crate::evict::Pool,
    /// Bytes that a command builds; whoever takes it gives it back. No more than a few KB stay allocated.
    pub scratch: Vec<u8>,
    /// Working memory of string compression, made when first needed.
    pub compressor: Option<Box<viator_data::lzf::Compressor>>,
    /// Scratch for pipelines.
    pub batch: crate::batch::Batch,
    /// Lua states and what is compiled in them.
    pub scripting: Option<Box<crate::scripting::LocalScripting>>,
    rng: u64,
    /// It serves other clients from within a script, or from within the wait for one. A script that began here could not be
    /// reached: who would serve them meanwhile waits behind it.
    pub pumped: bool,
}

impl Local {
    /// The state of a new thread.
    pub fn new(server: &Server) -> Local {
        let stats = server.add_thread();
        let mut l = Local {
            clock: Clock::default(),
            now: 0,
            cfg: server.config.load(),
            cfg_version: server.config.version(),
            stats,
            events: Vec::new(),
            unit: crate::propagation::Unit::default(),
            log_end: 0,
            replaying: false,
            ready: std::collections::VecDeque::new(),
            dirty: 0,
            client: 0,
            flushed: false,
            changes: Vec::new(),
            held_back: None,
            redact: Vec::new(),
            lru_clock: 0,
            evict_pool: crate::evict::Pool::default(),
            scratch: Vec::new(),
            compressor: None,
            batch: crate::batch::Batch::default(),
            scripting: None,
            rng: server.random_seed(),
            pumped: false,
        };
        l.begin_batch(server);
        l
    }

    /// To be called before each batch of commands: reads the clock, follows configuration changes.
    #[inline]
    pub fn begin_batch(&mut self, server: &Server) -> u64 {
        let ns = self.clock.read();
        self.now = self.clock.now_ms();
        self.lru_clock = (self.now / 1000) as u32 & crate::evict::LRU_MAX;
        let v = server.config.version();
        if v != self.cfg_version {
            self.refresh_config(server);
        }
        ns
    }

    /// Takes up the present configuration.
    pub fn refresh_config(&mut self, server: &Server) {
        self.cfg_version = server.config.version();
        self.cfg = server.config.load();
    }

    /// The arguments as they may be shown, if some of them may not.
    pub fn redacted(&self, args: Args<'_>) -> Option<OwnedArgs> {
        if self.redact.is_empty() {
            return None;
        }
        let shown = args.iter().enumerate().map(|(i, a)| if self.redact.contains(&i) { b"(redacted)" } else { a });
        Some(OwnedArgs::from_slices(shown))
    }

    /// Gives the latency monitor an event that took `ns`, if that is as long as `latency-monitor-threshold`.
    #[inline]
    pub fn note_latency(&self, server: &Server, event: &str, ns: u64) {
        let threshold = self.cfg.latency_monitor_threshold;
        let ms = ns / 1_000_000;
        if threshold > 0 && ms as i64 >= threshold {
            server.latency.lock().add(event, self.clock.now_ms() / 1000, ms as u32);
        }
    }

    /// A random number.
    #[inline]
    pub fn random(&mut self) -> u64 {
        // xorshift64*: for sampling, never for secrets
        self.rng ^= self.rng >> 12;
        self.rng ^= self.rng << 25;
        self.rng ^= self.rng >> 27;
        self.rng.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
