//! The part of one database that one shard holds: 256 slot tables over one arena; the expiry index is in `db/expiry.rs`.

#![expect(clippy::indexing_slicing, reason = "slot indexes are `Loc::index()`, below SLOTS_PER_SHARD by construction")]

mod expiry;
mod walk;

use self::expiry::TtlIndex;
use crate::arena::{self, Arena, Handle};
use crate::buckets::{Buckets, Wanted};
use crate::change::Changing;
use crate::entry::{self, Inline, View};
use crate::fields::FieldIndex;
use crate::object::{Object, Objects};
use crate::sizes::Sizes;
use crate::small::MAX_KEY;
use crate::{HashSeed, Loc, SLOTS_PER_SHARD, Type};
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
}

impl Drop for DbShard {
    fn drop(&mut self) {
        self.free.fetch_sub(self.reported, Ordering::Relaxed);
    }
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
