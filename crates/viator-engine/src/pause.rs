//! CLIENT PAUSE: until when which commands are held back.

use crate::server::{Server, gate};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// CLIENT PAUSE.
#[derive(Default)]
pub struct Pause {
    /// Unix milliseconds until which writes are held back.
    pub write_until: AtomicI64,
    /// Unix milliseconds until which everything is.
    pub all_until: AtomicI64,
    /// Held by whoever changes the times together with the gate.
    changing: Mutex<()>,
}

impl Pause {
    /// Whether writes are held back, and with them expiry and eviction: the dataset stands still.
    pub fn holds_writes(&self, now: i64) -> bool {
        self.write_until.load(Relaxed).max(self.all_until.load(Relaxed)) > now
    }
}

impl Server {
    /// Holds back writes, or everything (`all`), until a time in Unix milliseconds. A pause only grows: an earlier end
    /// does not shorten it, and one of everything stays one of everything.
    pub fn pause_clients(&self, until: i64, all: bool, now: i64) {
        let p = &self.pause;
        let _changing = p.changing.lock();
        let present = p.write_until.load(Relaxed).max(p.all_until.load(Relaxed));
        let until = if present > now { until.max(present) } else { until };
        if all || p.all_until.load(Relaxed) > now {
            p.all_until.store(until, Relaxed);
        } else {
            p.write_until.store(until, Relaxed);
        }
        self.set_gate(gate::PAUSED, true);
    }

    /// Ends the pause.
    pub fn unpause_clients(&self) {
        {
            let p = &self.pause;
            let _changing = p.changing.lock();
            p.write_until.store(0, Relaxed);
            p.all_until.store(0, Relaxed);
            self.set_gate(gate::PAUSED, false);
        }
        self.host.wake_all();
    }

    /// What is held back now: (writes, everything). Who finds that a pause is over tells those whom it held back: nobody
    /// else will look.
    pub fn paused(&self, now: i64) -> (bool, bool) {
        let p = &self.pause;
        let state = || (p.holds_writes(now), p.all_until.load(Relaxed) > now);
        if !p.holds_writes(now) {
            let over = {
                let _changing = p.changing.lock();
                // another thread may have begun a new pause meanwhile
                !p.holds_writes(now) && self.gate.fetch_and(!gate::PAUSED, Relaxed) & gate::PAUSED != 0
            };
            if over {
                self.host.wake_all();
            }
        }
        state()
    }
}
