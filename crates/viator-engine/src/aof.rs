//! What the engine knows of the append-only file: how far the log has got on its way to the disk. The files themselves are
//! the process's.

use crate::propagation::Propagation;
use crate::stats::Counter;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

/// Whether the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No.
    Off,
    /// Yes.
    On,
    /// It was switched on, and waits for the first rewrite: the commands since its beginning are in a temporary file.
    WaitRewrite,
}

/// See the module. Offsets are those of the propagation log.
#[derive(Default)]
pub struct AofStatus {
    state: AtomicU8,
    /// `appendfsync always`.
    pub always: AtomicBool,
    /// What the system has been given.
    pub written: AtomicU64,
    /// What is on the disk for certain.
    pub synced: AtomicU64,
    /// Clients in WAITAOF.
    pub waiters: AtomicU64,
    /// Bytes of all parts.
    pub current_size: AtomicU64,
    /// Bytes of all parts after the last rewrite or start.
    pub base_size: AtomicU64,
    /// A rewrite is to begin as soon as possible.
    pub rewrite_scheduled: AtomicBool,
    /// A rewrite is running.
    pub rewriting: AtomicBool,
    /// Unix seconds of its beginning.
    pub rewrite_began: AtomicI64,
    /// Seconds that the last rewrite took plus one; 0: there was none.
    pub last_rewrite_secs: AtomicI64,
    /// Rewrites that were begun.
    pub rewrites: Counter,
    /// Rewrites that have failed since the last that did not.
    pub rewrite_failures: AtomicU64,
    /// The last write failed.
    pub write_failed: AtomicBool,
    /// The last fsync failed.
    pub sync_failed: AtomicBool,
    /// The error of either, the later one.
    pub write_error: parking_lot::Mutex<String>,
    /// Writes that did not wait any longer for a running fsync.
    pub delayed_fsync: Counter,
    /// An fsync is running or waiting.
    pub fsync_pending: AtomicBool,
    /// DEBUG AOF-FLUSH-SLEEP, microseconds before each write.
    pub flush_sleep: AtomicU64,
}

impl AofStatus {
    /// Whether the log is written.
    #[inline]
    pub fn state(&self) -> State {
        match self.state.load(Relaxed) {
            1 => State::On,
            2 => State::WaitRewrite,
            _ => State::Off,
        }
    }

    /// Notes it.
    pub fn set_state(&self, s: State) {
        let n = match s {
            State::Off => 0,
            State::On => 1,
            State::WaitRewrite => 2,
        };
        self.state.store(n, Relaxed);
    }

    /// Whether writes or fsyncs fail: changes of the dataset are refused.
    pub fn failing(&self) -> bool {
        self.write_failed.load(Relaxed) || self.sync_failed.load(Relaxed)
    }

    /// How far the log must have got for a reply to be sent, if it has not got there yet: all that was logged before, since
    /// the reply may tell of it.
    #[inline]
    pub fn unsettled(&self, log: &Propagation) -> Option<u64> {
        if self.state.load(Relaxed) == 0 {
            return None;
        }
        let end = log.end();
        (end > self.settled()).then_some(end)
    }

    /// Bytes of the log that the system has not been given yet.
    pub fn unwritten(&self, log: &Propagation) -> u64 {
        log.end().saturating_sub(self.written.load(Relaxed))
    }

    /// The offset up to which replies may be sent: whatever it is, if the log is not written (any more).
    #[inline]
    pub fn settled(&self) -> u64 {
        if self.state.load(Relaxed) == 0 {
            return u64::MAX;
        }
        if self.always.load(Relaxed) { self.synced.load(Relaxed) } else { self.written.load(Relaxed) }
    }
}
