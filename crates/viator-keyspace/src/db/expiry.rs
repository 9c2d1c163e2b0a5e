//! When keys and hash fields expire: the index of each slot, and that of the hashes.

use super::DbShard;
use crate::Loc;
use crate::arena::{self, Arena, Handle};
use crate::entry::{self, Inline};
use crate::object::{Object, Objects};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Ticks of the expiry index: 1/8 s since the index's epoch. Index entries are only hints that lead to the entry, whose
/// own milliseconds decide.
const TICK_MS: i64 = 125;

fn tick(epoch: i64, when: i64) -> u32 {
    // rounded up: when the tick has passed, the key has expired
    u32::try_from((when.saturating_sub(epoch).max(0)).div_euclid(TICK_MS) + 1).unwrap_or(u32::MAX)
}

#[derive(Default)]
pub(super) struct TtlIndex {
    /// (tick << 32 | handle), earliest first; may hold stale ones.
    pub(super) heap: BinaryHeap<Reverse<u64>>,
    /// Entries with an expiry in this slot.
    pub(super) live: u32,
}

impl DbShard {
    /// When the first field of a hash expires.
    #[inline]
    pub(super) fn field_time(&self, value: Inline<'_>) -> Option<u64> {
        field_time(&self.objects, value)
    }

    #[inline]
    pub(crate) fn fields_changed(&mut self, handle: Handle, old: Option<u64>, new: Option<u64>) {
        if old.is_some() || new.is_some() {
            let (arena, objects) = (&self.arena, &self.objects);
            self.fields.change(handle, old, new, |h| time_of_hash(arena, objects, h));
        }
    }

    /// An entry has moved, or was named by [`DbShard::fields_due`] and still has expired fields: the index must find it.
    pub fn reindex_fields(&mut self, handle: Handle) {
        let handle = self.settled(handle);
        let (arena, objects) = (&self.arena, &self.objects);
        if let Some(at) = time_of_hash(arena, objects, handle) {
            self.fields.hint(handle, at, |h| time_of_hash(arena, objects, h));
        }
    }

    /// Number of hashes with fields that expire.
    pub fn expiring_hashes(&mut self) -> usize {
        self.settle();
        self.fields.len()
    }

    /// Keys of hashes with fields that have expired by `now`, at most `limit`, found through the index. Those that keep
    /// such fields are to be given to [`DbShard::reindex_fields`].
    pub fn fields_due(&mut self, now: i64, limit: usize) -> Vec<Vec<u8>> {
        self.settle();
        let mut out = Vec::new();
        if self.fields.len() == 0 {
            return out;
        }
        let now = now.max(0).unsigned_abs();
        while out.len() < limit
            && let Some(handle) = self.fields.pop_due(now)
        {
            if !self.arena.is_live(handle) {
                continue;
            }
            let view = entry::view(self.arena.bytes(handle));
            if self.field_time(view.value).is_some_and(|at| at < now) {
                out.push(view.key.to_vec());
            }
        }
        out
    }

    /// Sets or removes an entry's expiry, leaving value and LRU bits. Returns the entry's new handle.
    pub fn set_expire(&mut self, loc: Loc, handle: Handle, expire: Option<i64>) -> Handle {
        let handle = self.settled(handle);
        self.before_change(handle);
        let slot = self.arena.bytes(handle);
        match (entry::expire(slot), expire) {
            (None, None) => handle,
            (Some(before), Some(when)) => {
                if before != when {
                    entry::set_expire(self.arena.bytes_mut(handle), when);
                    self.index_expiry(loc, handle, when, false);
                }
                handle
            }
            (had, _) => {
                // the entry grows or shrinks by its expiry field: write it anew, perhaps elsewhere
                let old = slot[..entry::len(slot)].to_vec();
                let v = entry::view(&old);
                let need = entry::size(v.key, v.value, expire.is_some());
                let mut at = handle;
                if arena::slot_bytes(need) != arena::slot_bytes(old.len()) {
                    self.arena.free(handle);
                    at = self.arena.alloc(need);
                    if at != handle {
                        self.redirect(loc, handle, at);
                    }
                }
                self.write_entry(at, v.key, v.value, expire, v.lru);
                match expire {
                    Some(when) => {
                        self.expires += 1;
                        self.index_expiry(loc, at, when, true);
                    }
                    None => {
                        debug_assert!(had.is_some());
                        self.forget_expiry(loc);
                    }
                }
                if at != handle {
                    self.reindex_fields(at);
                }
                self.report();
                at
            }
        }
    }

    pub(crate) fn index_expiry(&mut self, loc: Loc, handle: Handle, when: i64, new: bool) {
        let t = tick(self.epoch, when);
        let slot = &mut self.slots[loc.index()];
        let ttl = slot.ttl.get_or_insert_default();
        if new {
            ttl.live += 1;
        }
        ttl.heap.push(Reverse(u64::from(t) << 32 | u64::from(handle.0)));
        let due = &mut self.due[loc.index()];
        *due = (*due).min(t);
        if ttl.heap.len() > 2 * ttl.live as usize + 8 {
            // mostly stale: rebuild from the entries
            let (arena, epoch) = (&self.arena, self.epoch);
            let fresh: Vec<_> = slot
                .table
                .iter()
                .filter_map(|h| {
                    entry::expire(arena.bytes(Handle(h)))
                        .map(|e| Reverse(u64::from(tick(epoch, e)) << 32 | u64::from(h)))
                })
                .collect();
            ttl.heap = BinaryHeap::from(fresh);
        }
    }

    pub(super) fn forget_expiry(&mut self, loc: Loc) {
        self.expires -= 1;
        let slot = &mut self.slots[loc.index()];
        if let Some(ttl) = &mut slot.ttl {
            ttl.live -= 1;
            if ttl.live == 0 {
                slot.ttl = None;
                self.due[loc.index()] = u32::MAX;
            }
        }
    }

    /// Keys that have expired by `now`, at most `limit`, found through the index. A key may be named twice.
    pub fn expired(&mut self, now: i64, limit: usize) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        if self.expires == 0 {
            return out;
        }
        let now_tick = u32::try_from((now - self.epoch).max(0) / TICK_MS).unwrap_or(u32::MAX);
        for index in 0..self.slots.len() {
            if self.due[index] > now_tick {
                continue;
            }
            let Some(ttl) = &mut self.slots[index].ttl else {
                self.due[index] = u32::MAX;
                continue;
            };
            loop {
                let Some(&Reverse(top)) = ttl.heap.peek() else {
                    self.due[index] = u32::MAX;
                    break;
                };
                if (top >> 32) as u32 > now_tick {
                    self.due[index] = (top >> 32) as u32;
                    break;
                }
                if out.len() >= limit {
                    return out;
                }
                ttl.heap.pop();
                let handle = Handle(top as u32);
                if self.arena.is_live(handle)
                    && let Some(when) = entry::expire(self.arena.bytes(handle))
                    && when <= now
                {
                    out.push(entry::key(self.arena.bytes(handle)).to_vec());
                }
            }
        }
        out
    }

    /// Puts a key that `expired` gave, and that was not removed after all, back into the index.
    pub fn reindex(&mut self, loc: Loc, handle: Handle) {
        if let Some(when) = self.expire_of(handle) {
            self.index_expiry(loc, handle, when, false);
        }
    }
}

/// When the first field of a hash expires.
#[inline]
fn field_time(objects: &Objects, value: Inline<'_>) -> Option<u64> {
    match value {
        Inline::Small(form, bytes) => form.first_expire(bytes),
        Inline::Object(id) => match objects.get(id)? {
            Object::Hash(hash) => hash.min_expire(),
            _ => None,
        },
        Inline::Int(_) | Inline::Str { .. } | Inline::List(..) => None,
    }
}

fn time_of_hash(arena: &Arena, objects: &Objects, handle: Handle) -> Option<u64> {
    field_time(objects, entry::view(arena.is_live(handle).then(|| arena.bytes(handle))?).value)
}
