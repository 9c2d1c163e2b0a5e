//! The part of one database that one shard holds: 256 slot tables over one arena, and the expiry index.

#![expect(clippy::indexing_slicing, reason = "slot indexes are `Loc::index()`, below SLOTS_PER_SHARD by construction")]

use crate::arena::{self, Arena, Handle};
use crate::buckets::{Buckets, Wanted};
use crate::change::Changing;
use crate::entry::{self, Inline, View};
use crate::fields::FieldIndex;
use crate::object::{Object, Objects};
use crate::sizes::Sizes;
use crate::small::MAX_KEY;
use crate::{HashSeed, Loc, SLOTS_PER_SHARD, Type};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Longest string kept inside its entry, bytes.
pub const MAX_INLINE: usize = 1024;

/// A value to store.
#[derive(Debug)]
pub enum NewValue<'v> {
    /// An integer.
    Int(i64),
    /// A string; a long one is copied into an object of its own.
    Str {
        /// The bytes.
        bytes: &'v [u8],
        /// Whether it was built by modification.
        raw: bool,
    },
    /// An object.
    Object(Box<Object>),
}

impl<'v> NewValue<'v> {
    /// Its type.
    pub fn kind(&self) -> Type {
        if let NewValue::Object(o) = self { o.kind() } else { Type::String }
    }

    /// A string as clients set it: an integer if it is one's decimal form.
    #[inline]
    pub fn text(bytes: &'v [u8]) -> NewValue<'v> {
        // no integer has more characters
        if bytes.len() <= 20
            && let Some(n) = viator_data::num::parse_i64(bytes)
        {
            return NewValue::Int(n);
        }
        NewValue::Str { bytes, raw: false }
    }
}

/// A value read from the keyspace.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// An integer, a string by type.
    Int(i64),
    /// A string within its entry.
    Str {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether it was built by modification.
        raw: bool,
    },
    /// An object.
    Object(&'a Object),
}

/// An entry read from the keyspace.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: ValueRef<'a>,
    /// Expiry, Unix milliseconds.
    pub expire: Option<i64>,
    /// LRU clock or LFU counter, 24 bits.
    pub lru: u32,
    /// Bytes of the entry; 0 if it is in no arena.
    pub len: usize,
    /// Whether the object is a copy of what the entry holds, and takes no memory but the entry's.
    pub within: bool,
}

/// Longest key and value together that Redis keeps in one allocation of 64 bytes: "embstr".
const MAX_EMBEDDED: usize = 41;

impl EntryRef<'_> {
    /// Whether Redis has the string in an allocation of its own: "raw". It stays there under whatever name.
    pub fn is_raw(&self) -> bool {
        match self.value {
            ValueRef::Str { bytes, raw } => raw || self.key.len() + bytes.len() > MAX_EMBEDDED,
            ValueRef::Int(_) => false,
            ValueRef::Object(o) => o.kind() == Type::String,
        }
    }

    /// Bytes of the entry in its arena.
    pub fn slot_bytes(&self) -> usize {
        if self.len == 0 { 0 } else { arena::slot_bytes(self.len) }
    }

    /// Bytes of the entry and of its value.
    pub fn memory(&self) -> usize {
        let object = if let (ValueRef::Object(o), false) = (self.value, self.within) { o.memory() } else { 0 };
        self.slot_bytes() + object
    }
}

/// What an entry is about to hold.
enum Kept<'v> {
    Value(Inline<'v>),
    /// A small collection, of which the entry gets the bytes.
    Small(Box<Object>),
}

impl Kept<'_> {
    fn inline(&self) -> Inline<'_> {
        match self {
            Kept::Value(value) => *value,
            Kept::Small(o) => o.small(false).unwrap_or(Inline::Int(0)),
        }
    }
}

/// What happens to the expiry when a value is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// Removed.
    Clear,
    /// As it was.
    Keep,
    /// Set, Unix milliseconds.
    At(i64),
}

/// Ticks of the expiry index: 1/8 s since the index's epoch. Index entries are only hints that lead to the entry, whose
/// own milliseconds decide.
const TICK_MS: i64 = 125;

fn tick(epoch: i64, when: i64) -> u32 {
    // rounded up: when the tick has passed, the key has expired
    u32::try_from((when.saturating_sub(epoch).max(0)).div_euclid(TICK_MS) + 1).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct TtlIndex {
    /// (tick << 32 | handle), earliest first; may hold stale ones.
    heap: BinaryHeap<Reverse<u64>>,
    /// Entries with an expiry in this slot.
    live: u32,
}

/// The entry of a key.
struct Key<'a> {
    arena: &'a Arena,
    key: &'a [u8],
}

impl Wanted for Key<'_> {
    #[inline(always)]
    fn is(&self, handle: u32) -> bool {
        entry::key(self.arena.bytes(Handle(handle))) == self.key
    }
}

#[derive(Default)]
struct Slot {
    table: Buckets,
    ttl: Option<Box<TtlIndex>>,
}

/// See the module.
pub struct DbShard {
    pub(crate) arena: Arena,
    pub(crate) objects: Objects,
    slots: Vec<Slot>,
    /// Earliest tick in each slot's expiry index (a lower bound), to skip slots with nothing due.
    due: Vec<u32>,
    /// Unix milliseconds at which ticks begin.
    epoch: i64,
    len: usize,
    expires: usize,
    pub(crate) sizes: Sizes,
    /// The entry whose object somebody may have changed.
    pub(crate) changing: Option<Changing>,
    /// That object, if its entry holds a small collection.
    pub(crate) changed: Option<Object>,
    /// A copy of the small collection that was read last.
    opened: Option<Object>,
    /// Hashes with fields that expire.
    fields: FieldIndex,
    pub(crate) seed: HashSeed,
    /// The keyspace's sum of [`DbShard::free_bytes`].
    free: Arc<AtomicI64>,
    /// What this shard has added to it.
    reported: i64,
    /// Of the entries that need not be saved: those a snapshot has, or that came after its beginning.
    pub(crate) mark: u8,
    pub(crate) saving: Option<Box<crate::snapshot::Saving>>,
}

impl DbShard {
    /// An empty one, which keeps its part of `free`, the sum of all [`DbShard::free_bytes`], up to date.
    pub(crate) fn new(seed: HashSeed, free: Arc<AtomicI64>) -> DbShard {
        let mut new = DbShard {
            arena: Arena::default(),
            objects: Objects::default(),
            slots: std::iter::repeat_with(Slot::default).take(SLOTS_PER_SHARD).collect(),
            due: vec![u32::MAX; SLOTS_PER_SHARD],
            epoch: seed.epoch_ms(),
            len: 0,
            expires: 0,
            sizes: Sizes::default(),
            changing: None,
            changed: None,
            opened: None,
            fields: FieldIndex::default(),
            seed,
            free,
            reported: 0,
            mark: 0,
            saving: None,
        };
        new.report();
        new
    }

    /// Brings the keyspace's sum of free bytes up to date.
    #[inline]
    pub(crate) fn report(&mut self) {
        let now = self.free_bytes() as i64;
        if now != self.reported {
            self.free.fetch_add(now - self.reported, Ordering::Relaxed);
            self.reported = now;
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of keys with an expiry.
    pub fn expires(&self) -> usize {
        self.expires
    }

    /// Number of keys in one of the shard's slots.
    pub fn slot_len(&self, index: usize) -> usize {
        self.slots.get(index).map_or(0, |s| s.table.len())
    }

    /// Bytes that are allocated and hold nothing: pages that no entry occupies, and the directory of the slots, which is
    /// as large for one key as for a million.
    pub fn free_bytes(&self) -> usize {
        self.arena.free_bytes() + size_of::<DbShard>() + SLOTS_PER_SHARD * (size_of::<Slot>() + size_of::<u32>())
    }

    /// Bytes of all arena pages.
    pub fn arena_bytes(&self) -> usize {
        self.arena.free_bytes() + self.arena.live_bytes()
    }

    /// How many values of each size there are.
    pub fn sizes(&mut self) -> &Sizes {
        self.settle();
        &self.sizes
    }

    /// Whether what [`DbShard::sizes`] tells is so: counts them all.
    pub fn sizes_are_true(&mut self) -> bool {
        let mut counted = Sizes::default();
        self.for_each(|e| {
            counted.insert(match e.value {
                ValueRef::Int(n) => (Type::String, n.to_string().len()),
                ValueRef::Str { bytes, .. } => (Type::String, bytes.len()),
                ValueRef::Object(o) => (o.kind(), o.len()),
            });
        });
        let told = self.sizes();
        Type::ALL.iter().all(|kind| told.steps(*kind).eq(counted.steps(*kind)))
    }

    /// When the first field of a hash expires.
    #[inline]
    fn field_time(&self, value: Inline<'_>) -> Option<u64> {
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

    /// What a value counts as in `sizes`.
    fn size_of(&self, value: Inline<'_>) -> (Type, usize) {
        match value {
            Inline::Int(v) => {
                let digits = v.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
                (Type::String, digits + usize::from(v < 0))
            }
            Inline::Str { bytes, .. } => (Type::String, bytes.len()),
            Inline::Small(form, bytes) => (form.kind(), form.len(bytes)),
            Inline::List(pack) => (Type::List, pack.len()),
            Inline::Object(id) => self.objects.get(id).map_or((Type::String, 0), |o| (o.kind(), o.len())),
        }
    }

    /// Places of all slot tables.
    pub fn places(&self) -> usize {
        self.slots.iter().map(|s| s.table.places()).sum()
    }

    /// Bytes of expiry indexes.
    pub fn expiry_bytes(&self) -> usize {
        let heaps = self.slots.iter().filter_map(|s| s.ttl.as_ref());
        heaps.map(|t| size_of::<TtlIndex>() + t.heap.capacity() * 8).sum::<usize>()
            + self.due.len() * 4
            + self.fields.memory()
    }

    /// Bytes of tables and expiry indexes.
    pub fn overhead_bytes(&self) -> usize {
        self.slots
            .iter()
            .map(|s| {
                s.table.memory()
                    + size_of::<Slot>()
                    + s.ttl.as_ref().map_or(0, |t| size_of::<TtlIndex>() + t.heap.capacity() * 8)
            })
            .sum::<usize>()
            + self.due.len() * 4
    }

    /// The entry of a key. The handle is good until this entry has been changed and another is looked at.
    #[inline]
    pub fn seek(&mut self, loc: Loc, key: &[u8]) -> Option<Handle> {
        self.settle();
        self.find(loc, key)
    }

    /// The entry of a key whose object is to be changed: if it is the one that was changed last, that change goes on.
    /// What an entry holds of a small collection may be out of date, the handle as good as [`DbShard::seek`]'s.
    #[inline]
    pub fn seek_to_change(&mut self, loc: Loc, key: &[u8]) -> Option<Handle> {
        let found = self.find(loc, key);
        if let Some(changing) = &self.changing
            && found != Some(changing.handle)
        {
            // moves no other entry
            self.settle();
        }
        found
    }

    /// The entry of a key, for a look at it: [`DbShard::object_mut`] of another may move it.
    #[inline]
    pub fn find(&self, loc: Loc, key: &[u8]) -> Option<Handle> {
        self.slots[loc.index()].table.find(loc.hash, Key { arena: &self.arena, key }).map(Handle)
    }

    /// First step towards a key that will be looked up soon: begins to load its slot.
    #[inline]
    pub fn prefetch_slot(&self, loc: Loc) {
        prefetch_index::prefetch_index(&self.slots, loc.index());
    }

    /// Second step: begins to load its bucket.
    #[inline]
    pub fn prefetch_bucket(&self, loc: Loc) {
        self.slots[loc.index()].table.prefetch(loc.hash);
    }

    /// Third step: begins to load the entry that is probably the key's.
    #[inline]
    pub fn prefetch_entry(&self, loc: Loc) {
        if let Some(h) = self.slots[loc.index()].table.candidate(loc.hash) {
            self.arena.prefetch(Handle(h));
        }
    }

    /// Reads an entry.
    #[inline(always)]
    pub fn get(&mut self, handle: Handle) -> EntryRef<'_> {
        let View { key, value, expire, lru, len } = entry::view(self.arena.bytes(handle));
        let mut within = false;
        let value = match value {
            Inline::Int(v) => ValueRef::Int(v),
            Inline::Str { bytes, raw } => ValueRef::Str { bytes, raw },
            Inline::List(_) => ValueRef::Str { bytes: b"", raw: true }, // cannot be: it is read as `Small`
            Inline::Small(form, bytes) => {
                within = true;
                match (self.changing, &self.changed) {
                    (Some(c), Some(object)) if c.handle == handle => ValueRef::Object(object),
                    _ => ValueRef::Object(form.open(bytes, &mut self.opened)),
                }
            }
            Inline::Object(id) => match self.objects.get(id) {
                Some(o) => ValueRef::Object(o),
                None => ValueRef::Str { bytes: b"", raw: true }, // cannot be: ids come from `insert` and die with their entry
            },
        };
        EntryRef { key, value, expire, lru, len, within }
    }

    /// The object of an entry whose value is not within it.
    #[inline]
    pub fn object(&self, handle: Handle) -> Option<&Object> {
        self.objects.get(entry::object(self.arena.bytes(handle))?)
    }

    /// A copy of the small collection that an entry holds.
    pub fn copy_small(&mut self, handle: Handle) -> Option<Object> {
        let e = self.get(handle);
        if let (ValueRef::Object(o), true) = (e.value, e.within) { Some(o.clone()) } else { None }
    }

    /// The entry's expiry, without the rest.
    #[inline]
    pub fn expire_of(&self, handle: Handle) -> Option<i64> {
        entry::expire(self.arena.bytes(handle))
    }

    /// The entry's LRU/LFU bits.
    #[inline]
    pub fn lru_of(&self, handle: Handle) -> u32 {
        entry::lru(self.arena.bytes(handle))
    }

    /// Sets the entry's LRU/LFU bits.
    #[inline]
    pub fn set_lru(&mut self, handle: Handle, lru: u32) {
        entry::set_lru(self.arena.bytes_mut(handle), lru);
    }

    /// Whether an entry's value is an object that is not within it.
    #[inline]
    pub fn has_object(&self, handle: Handle) -> bool {
        entry::object(self.arena.bytes(handle)).is_some()
    }

    /// The bytes of an inline string, for changing them in place (the length stays). Marks it as modified.
    pub fn str_mut(&mut self, handle: Handle) -> Option<&mut [u8]> {
        self.before_change(handle);
        entry::str_mut(self.arena.bytes_mut(handle))
    }

    /// Overwrites an entry that holds an integer with another of the same width. Returns whether it did.
    #[inline]
    pub fn set_int(&mut self, handle: Handle, value: i64) -> bool {
        self.before_change(handle);
        let old = self.size_of(entry::view(self.arena.bytes(handle)).value);
        let done = entry::set_int(self.arena.bytes_mut(handle), value);
        if done {
            self.sizes.replace(old, self.size_of(Inline::Int(value)));
        }
        done
    }

    /// Stores a value under a key, in place where it fits. Returns the entry and the object that it replaced.
    pub fn put(
        &mut self,
        loc: Loc,
        key: &[u8],
        value: NewValue<'_>,
        expiry: Expiry,
        lru: u32,
    ) -> (Handle, Option<Box<Object>>) {
        match self.find(loc, key) {
            Some(handle) => self.replace(loc, handle, key, value, expiry, lru),
            None => (self.insert(loc, key, value, if let Expiry::At(t) = expiry { Some(t) } else { None }, lru), None),
        }
    }

    fn store_object(&mut self, object: Object) -> Inline<'static> {
        Inline::Object(self.objects.insert(object))
    }

    fn keep<'v>(&mut self, key: &[u8], value: NewValue<'v>) -> Kept<'v> {
        Kept::Value(match value {
            NewValue::Int(v) => Inline::Int(v),
            NewValue::Str { bytes, raw } if bytes.len() <= MAX_INLINE => Inline::Str { bytes, raw },
            NewValue::Str { bytes, .. } => self.store_object(Object::Str(Arc::new(bytes.to_vec()))),
            NewValue::Object(o) if key.len() <= MAX_KEY && o.small(false).is_some() => return Kept::Small(o),
            NewValue::Object(o) => self.store_object(*o),
        })
    }

    /// Adds a key that is known to be absent.
    pub fn insert(&mut self, loc: Loc, key: &[u8], value: NewValue<'_>, expire: Option<i64>, lru: u32) -> Handle {
        let value = self.keep(key, value);
        self.insert_inline(loc, key, value.inline(), expire, lru)
    }

    pub(crate) fn insert_inline(
        &mut self,
        loc: Loc,
        key: &[u8],
        value: Inline<'_>,
        expire: Option<i64>,
        lru: u32,
    ) -> Handle {
        let size = self.size_of(value);
        self.sizes.insert(size);
        let handle = self.arena.alloc(entry::size(key, value, expire.is_some()));
        self.write_entry(handle, key, value, expire, lru);
        let (arena, seed) = (&self.arena, &self.seed);
        self.slots[loc.index()].table.insert(loc.hash, handle.0, |handles| hashes(arena, seed, handles));
        self.len += 1;
        if let Some(when) = expire {
            self.expires += 1;
            self.index_expiry(loc, handle, when, true);
        }
        self.fields_changed(handle, None, self.field_time(value));
        self.report();
        handle
    }

    /// Replaces the value (and expiry) of an entry. Returns its new handle and the object it held.
    pub fn replace(
        &mut self,
        loc: Loc,
        handle: Handle,
        key: &[u8],
        value: NewValue<'_>,
        expiry: Expiry,
        lru: u32,
    ) -> (Handle, Option<Box<Object>>) {
        let handle = self.settled(handle);
        self.before_change(handle);
        let slot = self.arena.bytes(handle);
        let (old, old_len) = (entry::view(slot), entry::len(slot));
        let had = old.expire;
        let (old_size, old_time) = (self.size_of(old.value), self.field_time(old.value));
        let old_object = match old.value {
            Inline::Object(id) => self.objects.remove(id),
            _ => None,
        };
        let value = self.keep(key, value);
        let value = value.inline();
        let size = self.size_of(value);
        self.sizes.replace(old_size, size);
        let expire = match expiry {
            Expiry::Clear => None,
            Expiry::Keep => had,
            Expiry::At(t) => Some(t),
        };
        let need = entry::size(key, value, expire.is_some());
        let mut at = handle;
        if arena::slot_bytes(need) != arena::slot_bytes(old_len) {
            self.arena.free(handle);
            at = self.arena.alloc(need);
            if at != handle {
                self.redirect(loc, handle, at);
            }
        }
        self.write_entry(at, key, value, expire, lru);
        match (had, expire) {
            (None, None) => {}
            (Some(_), None) => self.forget_expiry(loc),
            (None, Some(when)) => {
                self.expires += 1;
                self.index_expiry(loc, at, when, true);
            }
            (Some(before), Some(when)) => {
                if before != when || at != handle {
                    self.index_expiry(loc, at, when, false);
                }
            }
        }
        self.fields_changed(handle, old_time, None);
        self.fields_changed(at, None, self.field_time(value));
        self.report();
        (at, old_object)
    }

    fn write_entry(&mut self, at: Handle, key: &[u8], value: Inline<'_>, expire: Option<i64>, lru: u32) {
        let slot = self.arena.bytes_mut(at);
        entry::write(slot, key, value, expire, lru);
        entry::set_mark(slot, self.mark);
    }

    /// To be called before an entry changes: a snapshot gets it as it is, if it does not have it yet.
    #[inline]
    pub(crate) fn before_change(&mut self, handle: Handle) {
        if self.saving.is_some() {
            self.save_before_change(handle);
        }
    }

    /// The entries of a slot.
    pub(crate) fn slot_handles(&self, index: usize) -> Vec<u32> {
        self.slots[index].table.iter().collect()
    }

    pub(crate) fn entry_bytes(&self, handle: Handle) -> &[u8] {
        self.arena.bytes(handle)
    }

    pub(crate) fn prefetch(&self, handle: Handle) {
        self.arena.prefetch(handle);
    }

    pub(crate) fn set_mark(&mut self, handle: Handle) {
        entry::set_mark(self.arena.bytes_mut(handle), self.mark);
    }

    /// A copy of an entry's object that shares memory with it.
    pub(crate) fn share_object(&mut self, handle: Handle) -> Option<Object> {
        match entry::view(self.arena.bytes(handle)).value {
            Inline::Object(id) => self.objects.get_mut(id).map(Object::share),
            _ => None,
        }
    }

    /// Points the table at an entry's new place.
    pub(crate) fn redirect(&mut self, loc: Loc, from: Handle, to: Handle) {
        self.slots[loc.index()].table.replace(loc.hash, from.0, to.0);
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

    /// Removes an entry. Returns the object it held, but no small collection.
    pub fn remove(&mut self, loc: Loc, handle: Handle) -> Option<Box<Object>> {
        let handle = self.settled(handle);
        self.before_change(handle);
        let v = entry::view(self.arena.bytes(handle));
        let (size, field_time) = (self.size_of(v.value), self.field_time(v.value));
        self.sizes.remove(size);
        let expires = v.expire.is_some();
        let object = match v.value {
            Inline::Object(id) => self.objects.remove(id),
            _ => None,
        };
        let slot = &mut self.slots[loc.index()];
        if slot.table.remove(loc.hash, handle.0) {
            self.len -= 1;
        }
        let (arena, seed) = (&self.arena, &self.seed);
        slot.table.shrink(|handles| hashes(arena, seed, handles));
        if expires {
            self.forget_expiry(loc);
        }
        self.arena.free(handle);
        self.fields_changed(handle, field_time, None);
        self.report();
        object
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

    fn forget_expiry(&mut self, loc: Loc) {
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

impl Drop for DbShard {
    fn drop(&mut self) {
        self.free.fetch_sub(self.reported, Ordering::Relaxed);
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

/// The hashes of entries, with their memory loads overlapped.
fn hashes(arena: &Arena, seed: &HashSeed, handles: &[u32]) -> Vec<u64> {
    const AHEAD: usize = 8;
    for &h in handles.iter().take(AHEAD) {
        arena.prefetch(Handle(h));
    }
    handles
        .iter()
        .enumerate()
        .map(|(i, &h)| {
            if let Some(&later) = handles.get(i + AHEAD) {
                arena.prefetch(Handle(later));
            }
            seed.hash(entry::key(arena.bytes(Handle(h))))
        })
        .collect()
}

/// A step of splitmix64.
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
