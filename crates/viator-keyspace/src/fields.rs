//! Which hashes of a database shard have fields that expire, and when the first field of each does.
//!
//! As in the expiry index of keys, an entry of the index is only a hint that leads to the hash, whose own times decide:
//! for every such hash there is a hint of the time when its first field expires, and maybe others that mean nothing.

use crate::arena::Handle;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Default)]
pub(crate) struct FieldIndex {
    /// (tick << 32 | handle), earliest first.
    heap: BinaryHeap<Reverse<u64>>,
    /// Hashes with fields that expire.
    live: usize,
}

impl FieldIndex {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn memory(&self) -> usize {
        self.heap.capacity() * 8
    }

    /// Follows a change of a hash from one time to another; the ticks of the times, if there are any. `tick_of` gives the
    /// tick of the hash with this handle as it is now.
    pub(crate) fn change(
        &mut self,
        handle: Handle,
        old: Option<u32>,
        new: Option<u32>,
        tick_of: impl Fn(Handle) -> Option<u32>,
    ) {
        match (old, new) {
            (None, Some(_)) => self.live += 1,
            (Some(_), None) => self.live = self.live.saturating_sub(1),
            _ => {}
        }
        if self.live == 0 {
            self.heap = BinaryHeap::new();
        } else if let Some(tick) = new
            && old != new
        {
            self.hint(handle, tick, tick_of);
        }
    }

    /// Adds a hint: the hash is at a new place, or was named as due and still is.
    pub(crate) fn hint(&mut self, handle: Handle, tick: u32, tick_of: impl Fn(Handle) -> Option<u32>) {
        self.heap.push(Reverse(u64::from(tick) << 32 | u64::from(handle.0)));
        if self.heap.len() > 2 * self.live + 64 {
            // mostly stale
            let mut hints = std::mem::take(&mut self.heap).into_vec();
            hints.retain(|Reverse(h)| tick_of(Handle(*h as u32)) == Some((h >> 32) as u32));
            hints.sort_unstable();
            hints.dedup();
            self.heap = BinaryHeap::from(hints);
        }
    }

    /// The next hint whose tick has passed.
    pub(crate) fn pop_due(&mut self, now: u32) -> Option<Handle> {
        let &Reverse(first) = self.heap.peek()?;
        if (first >> 32) as u32 > now {
            return None;
        }
        self.heap.pop();
        Some(Handle(first as u32))
    }
}
