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
    /// Background saves.
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
            functions: Mutex::default(),
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
