//! Which hashes of a database shard have fields that expire, and when the first field of each does.
//!
//! As in the expiry index of keys, an entry of the index is only a hint that leads to the hash, whose own times decide:
//! for every such hash there is a hint of the time when its first field expires, and maybe others that mean nothing.

use crate::arena::Handle;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A time, Unix milliseconds, in two halves, the higher first, and the handle of a hash: twelve bytes.
type Hint = (u32, u32, u32);

fn hint(at: u64, handle: Handle) -> Hint {
    ((at >> 32) as u32, at as u32, handle.0)
}

fn parts((high, low, handle): Hint) -> (u64, Handle) {
    (u64::from(high) << 32 | u64::from(low), Handle(handle))
}

#[derive(Default)]
pub(crate) struct FieldIndex {
    /// Earliest first.
    heap: BinaryHeap<Reverse<Hint>>,
    /// Hashes with fields that expire.
    live: usize,
}

impl FieldIndex {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn memory(&self) -> usize {
        self.heap.capacity() * size_of::<Hint>()
    }

    /// Follows a change of a hash: when its first field expired, and when it does now. `time_of` gives the latter for any
    /// handle.
    pub(crate) fn change(
        &mut self,
        handle: Handle,
        old: Option<u64>,
        new: Option<u64>,
        time_of: impl Fn(Handle) -> Option<u64>,
    ) {
        match (old, new) {
            (None, Some(_)) => self.live += 1,
            (Some(_), None) => self.live = self.live.saturating_sub(1),
            _ => {}
        }
        if self.live == 0 {
            self.heap = BinaryHeap::new();
        } else if let Some(at) = new
            && old != new
        {
            self.hint(handle, at, time_of);
        }
    }

    /// Adds a hint: the hash is at a new place, or was named as due and still is.
    pub(crate) fn hint(&mut self, handle: Handle, at: u64, time_of: impl Fn(Handle) -> Option<u64>) {
        if self.heap.len() == self.heap.capacity() {
            self.heap.reserve_exact(self.heap.len() / 8 + 4);
        }
        self.heap.push(Reverse(hint(at, handle)));
        if self.heap.len() > self.live + self.live / 4 + 16 {
            // many are stale
            let mut hints = std::mem::take(&mut self.heap).into_vec();
            hints.retain(|Reverse(hint)| {
                let (at, handle) = parts(*hint);
                time_of(handle) == Some(at)
            });
            hints.sort_unstable();
            hints.dedup();
            hints.shrink_to_fit();
            self.heap = BinaryHeap::from(hints);
        }
    }

    /// The next hint whose time has passed.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<Handle> {
        let (at, handle) = parts(self.heap.peek()?.0);
        if at >= now {
            return None;
        }
        self.heap.pop();
        Some(handle)
    }
}
