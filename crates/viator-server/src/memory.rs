//! Memory in use, as the allocator counts it per thread: exact, and cheap enough to ask before every write.

use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};
use tikv_jemalloc_ctl::{epoch, stats};

/// Most threads that can count at a time.
const MAX_THREADS: usize = 256;

/// The sum over threads of bytes allocated less bytes freed.
pub struct Memory {
    threads: Vec<AtomicI64>,
    next: AtomicUsize,
    /// Places of threads that have ended.
    vacant: Mutex<Vec<usize>>,
    /// What was in use when counting began, and what threads that have ended left behind.
    base: AtomicI64,
}

thread_local! {
    /// The calling thread's counters, so that it knows its own use exactly at any time.
    static OWN: Cell<Option<ThreadMemory>> = const { Cell::new(None) };
}

/// A thread's counters.
#[derive(Clone, Copy)]
pub struct ThreadMemory {
    allocated: Option<ThreadLocal<u64>>,
    freed: Option<ThreadLocal<u64>>,
    index: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            threads: (0..MAX_THREADS).map(|_| AtomicI64::new(0)).collect(),
            next: AtomicUsize::new(0),
            vacant: Mutex::default(),
            base: AtomicI64::new(0),
        }
    }
}

impl Memory {
    /// Counters of the calling thread.
    pub fn this_thread(&self) -> ThreadMemory {
        let vacant = self.vacant.lock().pop();
        let index = vacant.unwrap_or_else(|| self.next.fetch_add(1, Relaxed));
        let own = ThreadMemory { allocated: allocatedp::read().ok(), freed: deallocatedp::read().ok(), index };
        OWN.set(Some(own));
        own
    }

    /// Publishes a thread's counters. To be called now and then by each thread.
    #[inline]
    pub fn publish(&self, t: &ThreadMemory) {
        if let (Some(a), Some(f), Some(slot)) = (&t.allocated, &t.freed, self.threads.get(t.index)) {
            slot.store(a.get().wrapping_sub(f.get()) as i64, Relaxed);
        }
    }

    /// Counts what the calling thread, which ends after that, allocates and frees in `f`.
    pub fn counted<R>(&self, f: impl FnOnce() -> R) -> R {
        let counted = self.this_thread();
        let r = f();
        self.publish(&counted);
        OWN.set(None);
        if let Some(slot) = self.threads.get(counted.index) {
            self.base.fetch_add(slot.swap(0, Relaxed), Relaxed);
        }
        self.vacant.lock().push(counted.index);
        r
    }

    /// Takes the allocator's own figure as the truth of this moment.
    pub fn calibrate(&self) {
        if epoch::advance().is_ok()
            && let Ok(total) = stats::allocated::read()
        {
            self.base.store(total as i64 - self.sum(), Relaxed);
        }
    }

    fn sum(&self) -> i64 {
        let n = self.next.load(Relaxed).min(MAX_THREADS);
        self.threads.iter().take(n).map(|t| t.load(Relaxed)).sum()
    }

    /// Bytes in use: exact as to the calling thread, of others as they published last.
    #[inline]
    pub fn used(&self) -> u64 {
        if let Some(own) = OWN.get() {
            self.publish(&own);
        }
        (self.base.load(Relaxed) + self.sum()).max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_threads_leave_behind_is_counted_however_many_have_ended() {
        let memory = Arc::new(Memory::default());
        for _ in 0..2 * MAX_THREADS {
            let m = memory.clone();
            let kept = std::thread::spawn(move || m.counted(|| vec![0u8; 100_000])).join().unwrap();
            let m = memory.clone();
            std::thread::spawn(move || m.counted(|| drop(kept))).join().unwrap();
        }
        assert!(memory.next.load(Relaxed) < MAX_THREADS, "places are not used again");
        // without the allocator of the binary there are no counts, and the sum is that of nothing
        assert!(memory.used() < 1_000_000, "{} bytes are left", memory.used());
    }
}
