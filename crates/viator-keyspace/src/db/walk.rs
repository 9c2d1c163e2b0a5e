//! Going through the entries of a shard's database, choosing some by chance, and moving them together.

use super::{DbShard, EntryRef};
use crate::SLOTS_PER_SHARD;
use crate::arena::Handle;
use crate::entry;
use std::cmp::Reverse;

impl DbShard {
    /// A random entry, chosen by `random`; every key has a similar chance.
    pub fn random(&self, random: u64) -> Option<Handle> {
        if self.len == 0 {
            return None;
        }
        let mut r = random;
        // slots hold similar numbers of keys: rejection against the fullest seen keeps small ones from being favoured
        for _ in 0..32 {
            r = mix(r);
            let table = &self.slots[(r % SLOTS_PER_SHARD as u64) as usize].table;
            if table.is_empty() {
                continue;
            }
            for _ in 0..16 {
                r = mix(r);
                if let Some(h) = table.probe(r) {
                    return Some(Handle(h));
                }
            }
        }
        // sparse: walk from a random slot on
        let start = (r % SLOTS_PER_SHARD as u64) as usize;
        (0..SLOTS_PER_SHARD)
            .map(|i| &self.slots[(start + i) % SLOTS_PER_SHARD].table)
            .find(|t| !t.is_empty())
            .and_then(|t| t.iter().nth((r >> 32) as usize % t.len()))
            .map(Handle)
    }

    /// A random entry among those with an expiry.
    pub fn random_volatile(&self, random: u64) -> Option<Handle> {
        if self.expires == 0 {
            return None;
        }
        let mut r = mix(random);
        let start = (r % SLOTS_PER_SHARD as u64) as usize;
        for i in 0..SLOTS_PER_SHARD {
            let Some(ttl) = &self.slots[(start + i) % SLOTS_PER_SHARD].ttl else { continue };
            let n = ttl.heap.len();
            for _ in 0..8 {
                r = mix(r);
                if let Some(Reverse(e)) = ttl.heap.as_slice().get((r % n.max(1) as u64) as usize) {
                    let h = Handle(*e as u32);
                    if self.arena.is_live(h) && self.expire_of(h).is_some() {
                        return Some(h);
                    }
                }
            }
        }
        None
    }

    /// One step of a scan over a slot: visits entries whose hash position is at least `from`, in order of position, until
    /// at least `count` were visited. Returns the position to go on from, or `None` when the slot is done.
    ///
    /// An entry's position depends on its key alone, so whatever is present during a whole scan is visited exactly once,
    /// however the table changes in between.
    pub fn scan_slot(
        &mut self,
        index: usize,
        from: u32,
        count: usize,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> Option<u32> {
        let table = &self.slots.get(index)?.table;
        if from == 0 && table.len() <= count {
            for h in self.slot_handles(index) {
                visit(self.get(Handle(h)));
            }
            return None;
        }
        let mut at: Vec<(u32, u32)> = table
            .iter()
            .map(|h| (self.seed.hash(entry::key(self.arena.bytes(Handle(h)))) as u32, h))
            .filter(|&(p, _)| p >= from)
            .collect();
        at.sort_unstable();
        let mut last = None;
        for (seen, (position, h)) in at.into_iter().enumerate() {
            if seen >= count && last != Some(position) {
                return Some(position);
            }
            visit(self.get(Handle(h)));
            last = Some(position);
        }
        None
    }

    /// Visits every entry.
    pub fn for_each(&mut self, mut visit: impl FnMut(EntryRef<'_>)) {
        for index in 0..self.slots.len() {
            for h in self.slot_handles(index) {
                visit(self.get(Handle(h)));
            }
        }
    }

    /// Moves the entries of one sparse page to others, so that the page's memory is returned. Returns entries moved.
    pub fn compact(&mut self, random: u64) -> usize {
        self.settle(); // entries move
        let Some(slots) = self.arena.sparse_page(random as usize) else { return 0 };
        let Some(&first) = slots.first() else { return 0 };
        self.arena.retire(first);
        let n = slots.len();
        for from in slots {
            let bytes = self.arena.bytes(from);
            let copy = bytes[..entry::len(bytes)].to_vec();
            let loc = self.seed.locate(entry::key(&copy));
            let to = self.arena.alloc(copy.len());
            self.arena.bytes_mut(to)[..copy.len()].copy_from_slice(&copy);
            self.redirect(loc, from, to);
            self.arena.free(from);
            if let Some(when) = entry::expire(&copy) {
                self.index_expiry(loc, to, when, false);
            }
            self.reindex_fields(to);
        }
        self.report();
        n
    }
}

/// A step of splitmix64.
fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
