//! [`WriteKeys`]: changing keys.

use super::{Garbage, ReadKeys, STALLING_EFFORT, kind, mark, touched};
use crate::args::OwnedArgs;
use crate::config::NotifyFlags;
use crate::error::Error;
use crate::server::{Server, ShardExt};
use crate::{blocking, evict, propagation, tracking};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use viator_keyspace::{DbShard, EntryRef, Expiry, Handle, Loc, NewValue, Object, Shard, Type, ValueRef};

/// Writing access; see the module.
pub struct WriteKeys<'a, 's>(ReadKeys<'a, 's>);

impl<'a, 's> Deref for WriteKeys<'a, 's> {
    type Target = ReadKeys<'a, 's>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for WriteKeys<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<'a, 's> WriteKeys<'a, 's> {
    pub(crate) fn new(keys: ReadKeys<'a, 's>) -> Self {
        WriteKeys(ReadKeys { reads: false, ..keys })
    }

    #[inline]
    fn tell(&mut self, db: usize, loc: Loc, key: &[u8]) {
        let ReadKeys { server, local, guards, .. } = &mut self.0;
        let by = local.client;
        touched(server, local, guards.shard(loc.shard()), db, key, Some(by));
    }

    /// Tells that a key changed: to be called by everything that changes one. Wakes watchers.
    #[inline]
    pub fn touched(&mut self, key: &[u8]) {
        let (db, loc) = (self.db, self.locate(key));
        self.tell(db, loc, key);
    }

    /// Has those who wait for a key try again, though its content did not change (XGROUP DESTROY).
    pub fn wake(&mut self, key: &[u8]) {
        let (db, loc) = (self.db, self.locate(key));
        let keys = &mut self.0;
        let shard = keys.guards.shard(loc.shard());
        if !shard.ext.waiters.is_empty() {
            blocking::note(keys.local, shard, db, key);
        }
    }

    /// Counts changes of the dataset.
    #[inline]
    pub fn dirty(&mut self, n: u64) {
        self.local.dirty += n;
    }

    /// Records a keyspace event of the selected database.
    #[inline]
    pub fn notify(&mut self, class: NotifyFlags, name: &'static str, key: &[u8]) {
        let db = self.db;
        self.0.event(class, name, db, key);
    }

    /// Whether somebody listens to the log of changes.
    #[inline]
    pub fn is_propagating(&self) -> bool {
        self.server.propagation.listening()
    }

    /// Has this command propagated as another one. `with` runs only if somebody listens to the log.
    #[inline]
    pub fn propagate_as(&mut self, with: impl FnOnce() -> OwnedArgs) {
        if self.is_propagating() {
            let db = self.db;
            propagation::replace(self.local, db, with().args());
        }
    }

    /// Reads a key for a writing command: touches its LRU bits, counts neither hit nor miss.
    #[inline]
    pub fn lookup_write(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let Spot { db, loc, handle } = self.touched_spot(key);
        Some(self.part(db, loc).get(handle?))
    }

    /// LRU bits of a value that is stored now.
    fn fresh_lru(&self, old: Option<u32>) -> u32 {
        if self.local.cfg.maxmemory_policy.is_lfu() {
            old.unwrap_or_else(|| evict::lfu_init(self.local.now))
        } else {
            self.local.lru_clock
        }
    }

    /// Stores a value under a key of the selected database, replacing what is there. Tells watchers, and "new",
    /// "overwritten" and "type_changed" events; the caller notifies its own event and counts `dirty`.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let db = self.db;
        self.set_in(db, key, value, expiry);
    }

    /// As [`WriteKeys::set`], in any database.
    #[inline]
    pub fn set_in(&mut self, db: usize, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let spot = self.spot_in(db, key);
        self.overwrite(spot, key, value, expiry);
    }

    /// Finds where a key of the selected database is or would be, for several steps with one search. Counts neither
    /// hit nor miss and touches no LRU bits. Any change of this or another key makes the spot invalid.
    #[inline]
    pub fn spot(&mut self, key: &[u8]) -> Spot {
        let db = self.db;
        self.spot_in(db, key)
    }

    #[inline]
    fn spot_in(&mut self, db: usize, key: &[u8]) -> Spot {
        let loc = self.locate(key);
        Spot { db, loc, handle: self.find_at(db, loc, key, DbShard::seek, |_, _| {}) }
    }

    /// As [`WriteKeys::spot`], but touches the LRU bits.
    #[inline]
    pub(crate) fn touched_spot(&mut self, key: &[u8]) -> Spot {
        let (db, loc, lru) = (self.db, self.locate(key), self.lru());
        let seek = DbShard::seek_to_change;
        Spot { db, loc, handle: self.find_at(db, loc, key, seek, |part, handle| lru.touch(part, handle)) }
    }

    /// The object at a spot whose LRU bits were touched, for changing it in place.
    #[inline]
    pub(crate) fn object_mut_at(&mut self, spot: Spot) -> Option<&mut Object> {
        self.part(spot.db, spot.loc).object_mut(spot.handle?)
    }

    /// The entry at a spot, for a writing command: touches its LRU bits.
    #[inline]
    pub fn entry_at(&mut self, spot: Spot) -> Option<EntryRef<'_>> {
        let handle = spot.handle?;
        let lru = self.lru();
        let part = self.part(spot.db, spot.loc);
        lru.touch(part, handle);
        Some(part.get(handle))
    }

    /// As [`WriteKeys::set`], at a spot of that key.
    #[inline]
    pub fn overwrite(&mut self, spot: Spot, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let Spot { db, loc, handle } = spot;
        if let Some(handle) = handle
            && self.local.cfg.notify_keyspace_events.0 != 0
        {
            let before = kind(self.part(db, loc).get(handle).value);
            self.event(NotifyFlags::OVERWRITTEN, "overwritten", db, key);
            let after = if let NewValue::Object(o) = &value { o.kind() } else { Type::String };
            if before != after {
                self.event(NotifyFlags::TYPE_CHANGED, "type_changed", db, key);
            }
        }
        self.update(spot, key, value, expiry);
    }

    /// Stores a value at a spot of that key as a modification of what is there: tells watchers and "new" events, but
    /// no "overwritten" ones.
    pub fn update(&mut self, spot: Spot, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        self.store(spot, key, value, expiry);
        self.tell(spot.db, spot.loc, key);
    }

    /// Stores an object at a spot of that key, where there is nothing, and returns it to be changed. Tells watchers and
    /// "new" events.
    pub(crate) fn add_object(&mut self, spot: Spot, key: &[u8], object: Object) -> Option<&mut Object> {
        let Spot { db, loc, .. } = spot;
        let lru = self.fresh_lru(None);
        let handle = self.part(db, loc).insert_changing(loc, key, object, lru);
        self.0.event(NotifyFlags::NEW, "new", db, key);
        self.tell(db, loc, key);
        self.part(db, loc).object_mut(handle)
    }

    /// Stores a value without telling watchers.
    fn store(&mut self, spot: Spot, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let Spot { db, loc, handle } = spot;
        let lru = self.fresh_lru(None);
        let lfu = self.local.cfg.maxmemory_policy.is_lfu();
        let shard = self.0.guards.shard(loc.shard());
        let part = shard.db_or_new(db);
        let old = match handle {
            Some(handle) => {
                let lru = if lfu { part.lru_of(handle) } else { lru };
                part.replace(loc, handle, key, value, expiry, lru).1
            }
            None => {
                let when = if let Expiry::At(t) = expiry { Some(t) } else { None };
                part.insert(loc, key, value, when, lru);
                None
            }
        };
        if handle.is_none() {
            self.0.event(NotifyFlags::NEW, "new", db, key);
        }
        if let Some(o) = old {
            let lazy = self.local.cfg.lazyfree_lazy_server_del;
            self.discard(o, lazy);
        }
    }

    /// Stores an integer at a spot that holds a string: in place where its width allows. Tells watchers.
    #[inline]
    pub fn update_int(&mut self, spot: Spot, key: &[u8], value: i64) {
        let Spot { db, loc, handle } = spot;
        if let Some(handle) = handle
            && self.part(db, loc).set_int(handle, value)
        {
            self.tell(db, loc, key);
        } else {
            self.update(spot, key, NewValue::Int(value), Expiry::Keep);
        }
    }

    /// Has `edit` change the bytes of a string at a spot of that key; a key that is not there is an empty string. The
    /// result is stored as a modified string ("raw"), with "new" told where it applies; the caller tells watchers by
    /// [`WriteKeys::touched`] if the change is one. A long string is changed where it is, unless a reply still sends it.
    ///
    /// # Errors
    /// [`Error::WrongType`] for other types; those of `edit`, which must leave the bytes as they are if it fails.
    pub fn edit_string<R>(
        &mut self,
        spot: Spot,
        key: &[u8],
        edit: impl FnOnce(&mut Vec<u8>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut bytes = std::mem::take(&mut self.local.scratch);
        bytes.clear();
        if let Some(handle) = spot.handle {
            let lru = self.lru();
            let part = self.part(spot.db, spot.loc);
            lru.touch(part, handle);
            if part.has_object(handle) {
                let string = part.object_mut(handle).and_then(Object::as_str_mut);
                let result = string.ok_or(Error::WrongType).and_then(|s| edit(Arc::make_mut(s)));
                self.local.scratch = bytes;
                return result;
            }
            match part.get(handle).value {
                ValueRef::Int(n) => bytes.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
                ValueRef::Str { bytes: b, .. } => bytes.extend_from_slice(b),
                ValueRef::Object(_) => {
                    self.local.scratch = bytes;
                    return Err(Error::WrongType);
                }
            }
        }
        let result = edit(&mut bytes);
        if result.is_ok() {
            let value = if bytes.len() > viator_keyspace::MAX_INLINE {
                NewValue::Object(Box::new(Object::Str(Arc::new(std::mem::take(&mut bytes)))))
            } else {
                NewValue::Str { bytes: &bytes, raw: true }
            };
            self.store(spot, key, value, Expiry::Keep);
        }
        self.local.scratch = bytes;
        result
    }

    /// Removes a key of the selected database; `lazy`: its value may be freed in the background. Tells watchers; the
    /// caller notifies ("del", …) and counts.
    pub fn delete(&mut self, key: &[u8], lazy: bool) -> bool {
        let db = self.db;
        self.delete_in(db, key, lazy)
    }

    /// As [`WriteKeys::delete`], in any database.
    pub fn delete_in(&mut self, db: usize, key: &[u8], lazy: bool) -> bool {
        let Some((loc, handle)) = self.find_in(db, key) else { return false };
        self.take(db, loc, handle, lazy);
        self.tell(db, loc, key);
        true
    }

    /// Sets or removes the expiry of a key that exists. Returns whether it exists.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<i64>) -> bool {
        let db = self.db;
        let Some((loc, handle)) = self.find_in(db, key) else { return false };
        self.part(db, loc).set_expire(loc, handle, expire);
        self.touched(key);
        true
    }

    /// Sets the LRU or LFU bits of a key that exists (RESTORE).
    pub fn set_lru(&mut self, key: &[u8], bits: u32) {
        let db = self.db;
        if let Some((loc, handle)) = self.find_in(db, key) {
            self.part(db, loc).set_lru(handle, bits);
        }
    }

    /// The object of a key, for changing it in place. The caller tells by [`WriteKeys::touched`] that it did.
    pub fn object_mut(&mut self, key: &[u8]) -> Option<&mut Object> {
        let spot = self.touched_spot(key);
        self.object_mut_at(spot)
    }

    /// The bytes of a short string, for changing them in place without changing the length. The caller tells by
    /// [`WriteKeys::touched`] that it did.
    pub fn str_mut(&mut self, key: &[u8]) -> Option<&mut [u8]> {
        let db = self.db;
        let (loc, handle) = self.find_in(db, key)?;
        self.part(db, loc).str_mut(handle)
    }

    /// Takes an entry out of a database whole: value, expiry and LRU bits; for RENAME, MOVE. The value comes as one that
    /// can be stored again.
    pub fn take_entry(&mut self, db: usize, key: &[u8]) -> Option<Taken> {
        let (loc, handle) = self.find_in(db, key)?;
        let part = self.part(db, loc);
        let e = part.get(handle);
        let (expire, lru) = (e.expire, e.lru);
        let inline = match e.value {
            viator_keyspace::ValueRef::Int(v) => Some(TakenValue::Int(v)),
            viator_keyspace::ValueRef::Str { bytes, .. } => Some(TakenValue::Str(bytes.to_vec(), e.is_raw())),
            viator_keyspace::ValueRef::Object(o) if e.within => Some(TakenValue::Object(Box::new(o.clone()))),
            viator_keyspace::ValueRef::Object(_) => None,
        };
        let object = part.remove(loc, handle);
        self.tell(db, loc, key);
        let value = match (inline, object) {
            (Some(v), _) => v,
            (None, Some(o)) => TakenValue::Object(o),
            (None, None) => return None,
        };
        Some(Taken { value, expire, lru })
    }

    /// Stores a value in any database, with fresh LRU bits.
    pub fn put_new(&mut self, db: usize, key: &[u8], value: TakenValue, expire: Option<i64>) {
        let expiry = expire.map_or(Expiry::Clear, Expiry::At);
        match value {
            TakenValue::Int(v) => self.set_in(db, key, NewValue::Int(v), expiry),
            TakenValue::Str(s, raw) => self.set_in(db, key, NewValue::Str { bytes: &s, raw }, expiry),
            TakenValue::Object(o) => self.set_in(db, key, NewValue::Object(o), expiry),
        }
    }

    /// Stores what [`WriteKeys::take_entry`] gave, LRU bits included.
    pub fn put_entry(&mut self, db: usize, key: &[u8], taken: Taken) {
        self.put_new(db, key, taken.value, taken.expire);
        if let Some((loc, handle)) = self.find_in(db, key) {
            self.part(db, loc).set_lru(handle, taken.lru);
        }
    }

    /// Removes every key of a database (all shards must be held). Returns how many. `lazy`: freed in the background.
    pub fn flush(&mut self, db: usize, lazy: bool) -> usize {
        let (server, now) = (self.server, self.local.now);
        self.local.flushed = true;
        let mut n = 0;
        for (_, shard) in self.0.guards.iter_mut() {
            mark_database(server, shard, db, None, now);
            tracking::forget_all(server, shard);
            blocking::note_database(self.0.local, shard, db);
            if let Some(part) = shard.take_db(db) {
                n += part.len();
                let lazy = lazy || part.len() > STALLING_EFFORT;
                match part.leave_to_snapshot() {
                    Err(part) if lazy => server.host.free_later(Garbage::Db(part)),
                    _ => {}
                }
            }
        }
        n
    }

    /// Exchanges two databases (all shards must be held).
    pub fn swap(&mut self, a: usize, b: usize) {
        let (server, now) = (self.server, self.local.now);
        for (_, shard) in self.0.guards.iter_mut() {
            mark_database(server, shard, a, Some(b), now);
            mark_database(server, shard, b, Some(a), now);
            shard.swap_dbs(a, b);
            blocking::note_database(self.0.local, shard, a);
            blocking::note_database(self.0.local, shard, b);
        }
    }
}

/// Where a key is or would be; see [`WriteKeys::spot`].
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    db: usize,
    loc: Loc,
    handle: Option<Handle>,
}

impl Spot {
    /// Whether the key is there.
    #[inline]
    pub fn is_occupied(self) -> bool {
        self.handle.is_some()
    }
}

/// Marks those who watch keys of a database that is about to be emptied, or replaced by another: a key that is in
/// neither does not change, nor does one that had expired and is missing, or has expired, afterwards.
fn mark_database(server: &Server, shard: &mut Shard<ShardExt>, db: usize, replaced_by: Option<usize>, now: i64) {
    if shard.ext.watchers.is_empty() {
        return;
    }
    let mut watchers = std::mem::take(&mut shard.ext.watchers);
    for ((_, key), clients) in watchers.iter_mut().filter(|(k, _)| k.0 == db) {
        let loc = server.keyspace.locate(key);
        // whether a database has the key: no, yes, or expired
        let find = |d: usize| {
            let part = shard.db(d)?;
            let handle = part.find(loc, key)?;
            Some(part.expire_of(handle).is_some_and(|when| when <= now))
        };
        let (before, after) = (find(db), replaced_by.and_then(find));
        if before.is_none() && after.is_none() {
            continue;
        }
        for w in clients {
            match after {
                None if w.expired => w.expired = false,
                Some(true) if w.expired => {}
                Some(true) if before.is_none() => w.expired = true,
                _ => mark(w),
            }
        }
    }
    shard.ext.watchers = watchers;
}

/// An entry that was taken out of the keyspace.
#[derive(Debug)]
pub struct Taken {
    /// The value.
    pub value: TakenValue,
    /// Expiry, Unix milliseconds.
    pub expire: Option<i64>,
    /// LRU bits.
    pub lru: u32,
}

/// The value of an entry that was taken out.
#[derive(Debug)]
pub enum TakenValue {
    /// An integer.
    Int(i64),
    /// A short string, and whether it was modified.
    Str(Vec<u8>, bool),
    /// An object.
    Object(Box<Object>),
}
