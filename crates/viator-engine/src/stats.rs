//! Statistics: counters that one thread writes and INFO adds up, so that counting costs a plain addition.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$m:meta])* $name:ident,)*) => {
        /// Counters of one thread.
        #[derive(Default)]
        pub struct Counters { $($(#[$m])* pub $name: Counter,)* }
        impl Counters {
            /// Sets all to zero (CONFIG RESETSTAT), but not the changes of the dataset, which the save points need.
            pub fn reset(&self) {
                $(if !std::ptr::eq(&self.$name, &self.dirty) { self.$name.reset(); })*
            }
        }
    };
}

/// A counter with one writer.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the owning thread may.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    /// Raises it to `n` if it is lower; only the owning thread may.
    pub fn raise(&self, n: u64) {
        if n > self.get() {
            self.0.store(n, Relaxed);
        }
    }
    /// Adds from any thread.
    pub fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
    /// Sets it to zero. What its owner adds at the same moment may keep it from that.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

counters! {
    #[doc = "Commands executed."] commands,
    #[doc = "Reads that found their key."] hits,
    #[doc = "Reads that did not."] misses,
    #[doc = "Keys expired, lazily or actively."] expired,
    #[doc = "Keys expired by the active cycle."] expired_active,
    #[doc = "Fields of hashes expired, lazily or actively."] expired_fields,
    #[doc = "Fields of hashes expired by the active cycle."] expired_fields_active,
    #[doc = "Keys evicted."] evicted,
    #[doc = "Bytes read."] net_in,
    #[doc = "Bytes written."] net_out,
    #[doc = "Read calls."] reads,
    #[doc = "Write calls."] writes,
    #[doc = "Changes to the dataset, for the save points."] dirty,
    #[doc = "Error replies."] errors,
    #[doc = "Event loop turns."] loops,
    #[doc = "Time in event loop turns, nanoseconds."] loop_ns,
    #[doc = "Time in commands, nanoseconds."] command_ns,
    #[doc = "Batches of more than one command."] batches,
    #[doc = "The longest event loop turn, nanoseconds."] loop_max_ns,
    #[doc = "Most commands in an event loop turn."] loop_max_commands,
    #[doc = "Time in timers, nanoseconds."] timer_ns,
}

/// Buckets of a latency histogram: 8 per octave from 2^10 ns (1 µs) on, 24 octaves.
pub const BUCKETS: usize = 8 * 24;

/// Statistics of one command on one thread.
#[derive(Default)]
pub struct CommandStat {
    /// Calls.
    pub calls: Counter,
    /// Nanoseconds in calls.
    pub ns: Counter,
    /// Calls refused before execution.
    pub rejected: Counter,
    /// Calls that replied an error.
    pub failed: Counter,
    histogram: OnceLock<Box<[AtomicU32]>>,
}

impl CommandStat {
    /// Counts a call's duration into the histogram.
    #[inline]
    pub fn record(&self, ns: u64) {
        let h = self.histogram.get_or_init(|| (0..BUCKETS).map(|_| AtomicU32::new(0)).collect());
        if let Some(b) = h.get(bucket(ns)) {
            b.store(b.load(Relaxed).saturating_add(1), Relaxed);
        }
    }

    /// Adds the histogram to `sum`.
    pub fn add_histogram(&self, sum: &mut [u64; BUCKETS]) {
        if let Some(h) = self.histogram.get() {
            for (s, b) in sum.iter_mut().zip(h.iter()) {
                *s += u64::from(b.load(Relaxed));
            }
        }
    }

    /// Sets all to zero.
    pub fn reset(&self) {
        for c in [&self.calls, &self.ns, &self.rejected, &self.failed] {
            c.reset();
        }
        self.reset_histogram();
    }

    /// Sets the histogram to zero (LATENCY RESET does not; CONFIG RESETSTAT does).
    pub fn reset_histogram(&self) {
        for b in self.histogram.get().into_iter().flat_map(|h| h.iter()) {
            b.store(0, Relaxed);
        }
    }
}

fn bucket(ns: u64) -> usize {
    let v = ns.max(1 << 10);
    let octave = 63 - v.leading_zeros() as usize; // >= 10
    let sub = (v >> (octave - 3)) as usize & 7;
    ((octave - 10) * 8 + sub).min(BUCKETS - 1)
}

/// The largest duration, in nanoseconds, that falls into a bucket.
pub fn bucket_top(b: usize) -> u64 {
    let (octave, sub) = (b / 8 + 10, (b % 8) as u64);
    ((8 + sub + 1) << (octave - 3)) - 1
}

/// What one thread counts.
pub struct ThreadStats {
    /// Counters.
    pub counters: Counters,
    /// By command number of the table.
    pub commands: Vec<CommandStat>,
    /// Number of the worker, if the thread serves connections.
    pub worker: OnceLock<usize>,
}

impl ThreadStats {
    /// Statistics of a thread, for a table of so many commands.
    pub fn new(commands: usize) -> ThreadStats {
        ThreadStats {
            counters: Counters::default(),
            commands: std::iter::repeat_with(CommandStat::default).take(commands).collect(),
            worker: OnceLock::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_say() {
        for ns in [0, 1, 1023, 1024, 1500, 4096, 1_000_000, 123_456_789, u64::MAX / 2] {
            let b = bucket(ns);
            if b < BUCKETS - 1 {
                assert!(bucket_top(b) >= ns, "{ns}");
                assert!(b == 0 || bucket_top(b - 1) < ns, "{ns}");
            }
        }
    }
}
