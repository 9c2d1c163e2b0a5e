//! The process around the engine.

use crate::memory::Memory;
use crate::worker::{Inbox, Message};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock, Weak};
use viator_engine::args::OwnedArgs;
use viator_engine::config::Config;
use viator_engine::server::{ExchangeError, Garbage, Host, Job, Peer, ProcessInfo, Server, ShutdownRequest};

/// See the module.
pub struct Process {
    /// Allocator's counts.
    pub memory: Arc<Memory>,
    /// Values for the background thread.
    pub garbage: Mutex<Sender<Garbage>>,
    /// How many of them wait.
    pub pending: Arc<AtomicU64>,
    /// The listening sockets.
    pub listeners: Arc<crate::worker::Listeners>,
    /// The workers.
    pub inboxes: Vec<Arc<Inbox>>,
    /// Shutdown requests, to the main thread.
    pub control: Mutex<Sender<Control>>,
    /// A shutdown is waiting.
    pub stopping: AtomicBool,
    /// Until the dataset has been loaded: what is to be removed if the server ends before that.
    pub loading: Mutex<Option<crate::start::Leftovers>>,
    /// The kernel's score of the process.
    pub oom_score: crate::apply::OomScore,
    /// The log.
    pub log: Arc<crate::log::Log>,
    /// The server, once there is one.
    pub server: OnceLock<Weak<Server>>,
    /// Connections to other servers.
    pub peers: crate::peers::Peers,
    /// The append-only file.
    pub aof: Arc<crate::aof::Aof>,
}

impl Process {
    /// Ends the process if it is still loading the dataset: nothing is to be saved then.
    pub fn end_load(&self) {
        let mut loading = self.loading.lock();
        if let Some(leftovers) = loading.take() {
            tracing::warn!("User requested shutdown...");
            leftovers.remove();
            tracing::warn!("Redis is now ready to exit, bye bye...");
            // the main thread does not get the lock any more
            std::process::exit(0);
        }
    }
}

/// What the main thread is told.
pub enum Control {
    /// SHUTDOWN.
    Shutdown(ShutdownRequest),
    /// A signal.
    Signal(i32),
}

impl Host for Process {
    fn used_memory(&self) -> u64 {
        self.memory.used()
    }

    fn free_later(&self, garbage: Garbage) {
        let objects = garbage.objects();
        self.pending.fetch_add(objects, Relaxed);
        if let Err(unsent) = self.garbage.lock().send(garbage) {
            // the thread is gone, the process ends: free it here
            drop(unsent);
            self.pending.fetch_sub(objects, Relaxed);
        }
    }

    fn spawn(&self, name: &'static str, job: Job) -> bool {
        let Some(server) = self.server.get().and_then(Weak::upgrade) else { return false };
        let memory = self.memory.clone();
        let work = move || {
            give_way();
            memory.counted(|| job(&server));
        };
        std::thread::Builder::new().name(name.into()).spawn(work).map_err(|e| tracing::warn!("{e}")).is_ok()
    }

    fn pending_frees(&self) -> u64 {
        self.pending.load(Relaxed)
    }

    fn shutdown(&self, request: ShutdownRequest) {
        self.end_load();
        self.stopping.store(true, Relaxed);
        if self.control.lock().send(Control::Shutdown(request)).is_err() {
            tracing::warn!("the main thread is gone");
        }
    }

    fn abort_shutdown(&self) -> bool {
        let aborted = self.stopping.swap(false, Relaxed);
        if aborted {
            tracing::warn!("Shutdown manually aborted.");
        }
        aborted
    }

    fn apply_config(&self, old: &Config, new: &Config, changed: &[&'static str]) -> Result<(), (String, String)> {
        crate::apply::apply(self, old, new, changed)
    }

    fn exchange(&self, peer: &Peer, commands: &[OwnedArgs]) -> Result<Vec<Vec<u8>>, ExchangeError> {
        self.peers.exchange(peer, commands)
    }

    fn kept_connections(&self) -> u64 {
        self.peers.kept()
    }

    fn rewrite_aof(&self, held: bool) -> Result<&'static str, &'static str> {
        self.aof.request_rewrite(held)
    }

    fn reload_aof(&self, on: bool) -> Result<(), String> {
        self.aof.reload_now(on)
    }

    fn process_info(&self) -> ProcessInfo {
        crate::procfs::process_info()
    }

    fn malloc_stats(&self) -> String {
        crate::procfs::malloc_stats()
    }

    fn purge(&self) {
        crate::procfs::purge();
    }

    fn wake_all(&self) {
        for i in &self.inboxes {
            i.send(Message::Recheck);
        }
    }
}

/// Makes this thread one that yields to those that serve clients where there are more of them than cores: Linux has
/// priorities for each thread. A save that has a core for itself is as fast as before.
pub(crate) fn give_way() {
    if let Err(e) = rustix::process::nice(BACKGROUND) {
        tracing::debug!("a background thread keeps its priority: {e}");
    }
}

/// By how much `nice` lowers the priority of threads that write snapshots: a tenth of another thread's share of a core.
const BACKGROUND: i32 = 10;
