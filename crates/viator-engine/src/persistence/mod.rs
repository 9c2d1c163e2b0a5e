//! The dataset in files: what is going on, for INFO and for those who decide by it; saving; loading.

mod load;
mod replay;
mod save;

pub use load::{Duplicates, Loaded, Options, load_file, load_stream};
pub use replay::{Replayed, Stop, install_functions, replay};
pub use save::{FileSink, after_flush, bgsave, cron, remove_temporary, save, save_held};

use crate::server::{Server, gate};
use crate::snapshot::Snapshot;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How often the log tells how far a load or a save is.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// When the log is to tell next how far a load or a save is.
pub(crate) struct Pace {
    next: Instant,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { next: Instant::now() + TOLD_EVERY }
    }
}

impl Pace {
    /// Whether it is time now.
    pub(crate) fn is_due(&mut self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + TOLD_EVERY;
        }
        due
    }
}

/// A save that runs.
pub struct Running {
    /// Nobody waits for it; else it is SAVE's.
    pub background: bool,
    /// Unix seconds of its beginning.
    pub since: i64,
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
}

/// See the module.
pub struct Persistence {
    /// The save that runs: there is one file that it writes to.
    pub running: Mutex<Option<Running>>,
    /// It has ended.
    ended: Condvar,
    /// BGSAVE SCHEDULE: a save is to begin when the snapshot that runs has ended.
    pub scheduled: AtomicBool,
    /// Whether the last save succeeded.
    pub last_ok: AtomicBool,
    /// Unix seconds of the last attempt.
    pub last_try: AtomicI64,
    /// How long the last background save took, seconds; -1: none did.
    pub last_seconds: AtomicI64,
    /// Saves that were begun: SAVE, BGSAVE, save points.
    pub saves: AtomicU64,
    /// Those that failed since one succeeded.
    pub failures: AtomicU64,
    /// Most bytes that the last background save kept beside the dataset.
    pub last_copied: AtomicU64,
    /// Keys of the file loaded last that had expired.
    pub keys_expired: AtomicU64,
    /// Keys of the file loaded last.
    pub keys_loaded: AtomicU64,
    /// Unix seconds at which loading began.
    pub loading_since: AtomicI64,
    /// Bytes of the file that is loaded, or of all the files.
    pub loading_total: AtomicU64,
    /// Those that were read.
    pub loading_read: AtomicU64,
    /// Those of the files before the one that is loaded now.
    pub loading_before: AtomicU64,
    /// Bytes of memory that the server took which wrote it, as it says; 0: it does not.
    pub loading_used_mem: AtomicU64,
    /// When the log is to tell next how far that is.
    loading_pace: Mutex<Pace>,
    /// Libraries of functions, as they came from a file: whoever had it loaded takes them.
    pub functions: Mutex<Vec<Vec<u8>>>,
}

impl Default for Persistence {
    fn default() -> Persistence {
        Persistence {
            running: Mutex::default(),
            ended: Condvar::new(),
            scheduled: AtomicBool::new(false),
            last_ok: AtomicBool::new(true),
            last_try: AtomicI64::new(0),
            last_seconds: AtomicI64::new(-1),
            saves: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last_copied: AtomicU64::new(0),
            keys_expired: AtomicU64::new(0),
            keys_loaded: AtomicU64::new(0),
            loading_since: AtomicI64::new(0),
            loading_total: AtomicU64::new(0),
            loading_read: AtomicU64::new(0),
            loading_before: AtomicU64::new(0),
            loading_used_mem: AtomicU64::new(0),
            loading_pace: Mutex::default(),
            functions: Mutex::default(),
        }
    }
}

impl Persistence {
    /// Files of so many bytes will be loaded.
    pub fn begin_loading(&self, bytes: u64, now_ms: i64) {
        self.loading_since.store(now_ms / 1000, Relaxed);
        self.loading_total.store(bytes, Relaxed);
        self.loading_read.store(0, Relaxed);
        self.loading_before.store(0, Relaxed);
        self.loading_used_mem.store(0, Relaxed);
        *self.loading_pace.lock() = Pace::default();
    }

    /// The file that is loaded was read up to there.
    fn note_read(&self, position: u64) {
        let read = self.loading_before.load(Relaxed) + position;
        self.loading_read.store(read, Relaxed);
        if self.loading_pace.lock().is_due() {
            let total = self.loading_total.load(Relaxed);
            tracing::info!("Loading: {read} of {total} bytes ({}%)", read.saturating_mul(100) / total.max(1));
        }
    }
}

impl Server {
    /// Changes of the dataset since the last save.
    pub fn changes_since_save(&self) -> u64 {
        self.sum(|c| &c.dirty).saturating_sub(self.dirty_at_save.load(Relaxed))
    }

    /// Commands that write are refused while the last save failed, if the configuration says so.
    pub fn refresh_disk_gate(&self) {
        let cfg = self.config.load();
        let failing = cfg.stop_writes_on_bgsave_error && !cfg.save.is_empty();
        self.set_gate(gate::DISK_ERROR, failing && !self.persistence.last_ok.load(Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_work_is_told_of_every_ten_seconds() {
        let mut pace = Pace::default();
        let begun = Instant::now();
        let due: Vec<u64> = (0..=40).filter(|s| pace.is_due_at(begun + Duration::from_secs(*s))).collect();
        assert_eq!(due, [10, 20, 30, 40]);
    }
}
