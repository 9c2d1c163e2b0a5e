//! Access to the keys under a command's locks.
//!
//! [`ReadKeys`] looks and never changes what a client can see (it removes what has expired, and keeps LRU bits).
//! [`WriteKeys`] is the only way to change a key, and every change goes through [`WriteKeys::touched`], which tells the
//! watchers; the command's end commits the rest (events, dirty count, propagation).

use crate::args::OwnedArgs;
use crate::batch::Located;
use crate::config::{Config, NotifyFlags};
use crate::error::Error;
use crate::evict;
use crate::local::{Event, Local};
use crate::propagation;
use crate::server::{Garbage, Held, Server, ShardExt, Watcher};
use crate::{blocking, tracking};
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::{DbShard, EntryRef, Expiry, Handle, Loc, NewValue, Object, Shard, Type, ValueRef};
use viator_persist::Writer;

/// Values that take more effort to free are freed in the background where that is asked for, as Redis does it.
const LAZY_EFFORT: usize = 64;
/// Those that take more effort, some 100 µs, are freed in the background always.
const STALLING_EFFORT: usize = 1000;

/// Reading access; see the module.
pub struct ReadKeys<'a, 's> {
    guards: &'a mut Held<'s>,
    /// Copies of small collections, of which several are read at once.
    pub(crate) copies: Vec<Object>,
    /// The server.
    pub server: &'s Server,
    /// The thread's own.
    pub local: &'a mut Local,
    /// Selected database.
    pub db: usize,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// The keys of the arguments, to hash each once.
    located: &'a [Located],
    /// The one of them that was asked for last.
    last: Cell<usize>,
    /// Only reads: leaves expired keys where they are while CLIENT PAUSE holds back writes.
    reads: bool,
}

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

impl<'a, 's> ReadKeys<'a, 's> {
    pub(crate) fn new(
        guards: &'a mut Held<'s>,
        server: &'s Server,
        local: &'a mut Local,
        db: usize,
        no_touch: bool,
        located: &'a [Located],
    ) -> Self {
        ReadKeys { guards, copies: Vec::new(), server, local, db, no_touch, located, last: Cell::new(0), reads: true }
    }

    /// Unix milliseconds; constant during the command.
    pub fn now(&self) -> i64 {
        self.local.now
    }

    /// Whether what is to expire at `when` has expired already. While the log is replayed nothing has: what was logged
    /// happened before it expired.
    pub fn is_past(&self, when: i64) -> bool {
        when <= self.local.now && !self.local.replaying
    }

    /// The time by which fields have expired; see [`ReadKeys::is_past`].
    pub fn expiry_now(&self) -> i64 {
        if self.local.replaying { 0 } else { self.local.now }
    }

    /// The configuration.
    pub fn cfg(&self) -> &Config {
        &self.local.cfg
    }

    /// Where a key lives.
    #[inline]
    pub fn locate(&self, key: &[u8]) -> Loc {
        // handlers go through their keys in order; the bytes do not change while the command runs
        let last = self.last.get();
        for i in [last, last + 1, 0] {
            if let Some(l) = self.located.get(i)
                && l.is(key)
            {
                self.last.set(i);
                return l.loc;
            }
        }
        self.server.keyspace.locate(key)
    }

    /// The held shard of a key, or any other.
    pub fn shard(&mut self, shard: usize) -> &mut Shard<ShardExt> {
        self.guards.shard(shard)
    }

    /// The held shards.
    pub fn guards(&mut self) -> &mut Held<'s> {
        self.guards
    }

    /// Finds a live key of any database; one that has expired is removed now.
    #[inline]
    pub fn find_in(&mut self, db: usize, key: &[u8]) -> Option<(Loc, Handle)> {
        let loc = self.locate(key);
        Some((loc, self.find_at(db, loc, key, DbShard::seek, |_, _| {})?))
    }

    /// As [`ReadKeys::find_in`], of a key that is located, in the way of `seek`; `found` does something to the part of the
    /// database that has it.
    #[inline]
    fn find_at(
        &mut self,
        db: usize,
        loc: Loc,
        key: &[u8],
        seek: impl FnOnce(&mut DbShard, Loc, &[u8]) -> Option<Handle>,
        found: impl FnOnce(&mut DbShard, Handle),
    ) -> Option<Handle> {
        let part = self.guards.shard(loc.shard()).db_mut(db)?;
        let handle = seek(part, loc, key)?;
        if let Some(when) = part.expire_of(handle)
            && when <= self.local.now
            && !self.local.replaying
        {
            self.expire_now(db, loc, handle, key);
            return None;
        }
        found(part, handle);
        Some(handle)
    }

    /// Puts a key that the expiry index gave, and that was not removed, back into it.
    pub(crate) fn reindex(&mut self, db: usize, key: &[u8]) {
        let loc = self.locate(key);
        if let Some(part) = self.guards.shard(loc.shard()).db_mut(db)
            && let Some(handle) = part.find(loc, key)
        {
            part.reindex(loc, handle);
        }
    }

    /// Removes an expired key. In Redis's terms: deleted, "expired" notified, propagated as a deletion. While CLIENT PAUSE
    /// holds back writes, readers leave the dataset as it is.
    pub fn expire_now(&mut self, db: usize, loc: Loc, handle: Handle, key: &[u8]) {
        if self.leaves_expired() {
            return;
        }
        let lazy = self.local.cfg.lazyfree_lazy_expire;
        self.take(db, loc, handle, lazy);
        touched(self.server, self.local, self.guards.shard(loc.shard()), db, key, None);
        propagation::removed(self.local, self.server, db, key, lazy);
        self.local.stats.counters.expired.add(1);
        self.event(NotifyFlags::EXPIRED, "expired", db, key);
    }

    /// Tells that a key changed, but not by a command.
    pub(crate) fn touched_by_expiry(&mut self, db: usize, loc: Loc, key: &[u8]) {
        touched(self.server, self.local, self.guards.shard(loc.shard()), db, key, None);
    }

    /// Whether what has expired stays for now: while CLIENT PAUSE holds back writes, readers leave the dataset as it is.
    pub(crate) fn leaves_expired(&self) -> bool {
        self.reads && self.server.pause.holds_writes(self.local.now)
    }

    /// Removes a key to free memory. The caller notifies.
    pub fn evict(&mut self, db: usize, loc: Loc, handle: Handle, key: &[u8], lazy: bool) {
        self.take(db, loc, handle, lazy);
        touched(self.server, self.local, self.guards.shard(loc.shard()), db, key, None);
        propagation::removed(self.local, self.server, db, key, lazy);
        self.local.stats.counters.evicted.add(1);
    }

    /// The part of a database that holds this location, which holds a key.
    #[inline]
    pub(crate) fn part(&mut self, db: usize, loc: Loc) -> &mut DbShard {
        self.guards.shard(loc.shard()).db_or_new(db)
    }

    /// The object of an entry that was found, and that has memory of its own, by a shared borrow: several can be held at
    /// once.
    pub(crate) fn object_ref(&self, loc: Loc, handle: Handle) -> Option<&Object> {
        self.guards.shard_ref(loc.shard()).db(self.db)?.object(handle)
    }

    /// The object of an entry that was found, in any database.
    pub(crate) fn object_in(&mut self, db: usize, loc: Loc, handle: Handle) -> Option<&Object> {
        match self.part(db, loc).get(handle).value {
            ValueRef::Object(o) => Some(o),
            _ => None,
        }
    }

    /// Removes an entry and frees its value, in the background if it is large and `lazy`.
    pub(crate) fn take(&mut self, db: usize, loc: Loc, handle: Handle, lazy: bool) {
        if let Some(o) = self.part(db, loc).remove(loc, handle) {
            self.discard(o, lazy);
        }
    }

    /// Frees a value: in the background if that takes long and `lazy` allows it, and whenever it would take so long that
    /// others, who wait for the shard, felt it.
    fn discard(&self, object: Box<Object>, lazy: bool) {
        if object.free_effort() > if lazy { LAZY_EFFORT } else { STALLING_EFFORT } {
            self.server.host.free_later(Garbage::Object(object));
        } else {
            drop(object);
        }
    }

    /// Reads a key for a reading command: counts hit or miss, touches its LRU bits.
    #[inline]
    pub fn lookup(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let (db, loc, lru) = (self.db, self.locate(key), self.lru());
        match self.find_at(db, loc, key, DbShard::seek, |part, handle| lru.touch(part, handle)) {
            None => {
                self.local.stats.counters.misses.add(1);
                self.event(NotifyFlags::KEY_MISS, "keymiss", db, key);
                None
            }
            Some(handle) => {
                self.local.stats.counters.hits.add(1);
                Some(self.part(db, loc).get(handle))
            }
        }
    }

    /// Reads a key as [`ReadKeys::lookup`] does, but leaves its LRU bits (EXISTS, TYPE, TTL).
    pub fn glance(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        match self.inspect_in(self.db, key) {
            None => {
                self.event(NotifyFlags::KEY_MISS, "keymiss", self.db, key);
                None
            }
            Some((loc, handle)) => Some(self.part(self.db, loc).get(handle)),
        }
    }

    /// Reads a key and counts hit or miss, but neither touches its LRU bits nor tells of a miss (OBJECT).
    pub fn inspect(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let (loc, handle) = self.inspect_in(self.db, key)?;
        Some(self.part(self.db, loc).get(handle))
    }

    fn inspect_in(&mut self, db: usize, key: &[u8]) -> Option<(Loc, Handle)> {
        let found = self.find_in(db, key);
        let counters = &self.local.stats.counters;
        if found.is_some() {
            counters.hits.add(1)
        } else {
            counters.misses.add(1)
        }
        found
    }

    /// Reads a key as [`ReadKeys::lookup`] does, and gives its value's DUMP payload.
    pub fn dump(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let mut compressor = match self.local.cfg.rdbcompression {
            true => Some(self.local.compressor.take().unwrap_or_default()),
            false => None,
        };
        let mut writer = Writer::new(compressor.as_deref_mut());
        let found = self.lookup(key).map(|e| writer.value(e.value)).is_some();
        let payload = writer.finish_payload();
        if compressor.is_some() {
            self.local.compressor = compressor;
        }
        found.then_some(payload)
    }

    /// Reads a key without counting or touching (DEBUG…).
    pub fn peek(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.peek_in(self.db, key)
    }

    /// As [`ReadKeys::peek`], of another database.
    pub fn peek_in(&mut self, db: usize, key: &[u8]) -> Option<EntryRef<'_>> {
        let (loc, handle) = self.find_in(db, key)?;
        Some(self.part(db, loc).get(handle))
    }

    /// As [`ReadKeys::peek`], of a key that is still there although its time is over, too (DEBUG OBJECT).
    pub fn peek_unexpired(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let loc = self.locate(key);
        let part = self.guards.shard(loc.shard()).db_mut(self.db)?;
        let handle = part.find(loc, key)?;
        Some(part.get(handle))
    }

    /// Whether a key exists (neither counted nor touched).
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.find_in(self.db, key).is_some()
    }

    /// What an access makes of LRU bits.
    #[inline]
    fn lru(&mut self) -> Lru {
        if self.no_touch {
            return Lru::Keep;
        }
        if !self.local.cfg.maxmemory_policy.is_lfu() {
            return Lru::Clock(self.local.lru_clock);
        }
        let cfg = &self.local.cfg;
        let (now, factor, decay) = (self.local.now, cfg.lfu_log_factor, cfg.lfu_decay_time);
        Lru::Count { now, factor, decay, random: self.local.random() }
    }

    /// Records a keyspace event, if somebody may listen.
    #[inline]
    pub fn event(&mut self, class: NotifyFlags, name: &'static str, db: usize, key: &[u8]) {
        if self.local.cfg.notify_keyspace_events.wants(class) {
            self.local.events.push(Event { class, name, db, key: key.to_vec() });
        }
    }

    /// Number of keys of a database; all shards must be held.
    pub fn db_len(&mut self, db: usize) -> usize {
        self.guards.iter_mut().filter_map(|(_, s)| s.db(db).map(DbShard::len)).sum()
    }

    /// A random number.
    pub fn random(&mut self) -> u64 {
        self.local.random()
    }
}

/// What an access makes of an entry's LRU bits.
enum Lru {
    /// Nothing: CLIENT NO-TOUCH.
    Keep,
    /// The clock.
    Clock(u32),
    /// One use more, by chance.
    Count { now: i64, factor: i64, decay: i64, random: u64 },
}

impl Lru {
    #[inline]
    fn touch(&self, part: &mut DbShard, handle: Handle) {
        match *self {
            Lru::Keep => {}
            Lru::Clock(clock) => part.set_lru(handle, clock),
            Lru::Count { now, factor, decay, random } => {
                let bits = evict::lfu_touch(part.lru_of(handle), now, factor, decay, random);
                part.set_lru(handle, bits);
            }
        }
    }
}

/// Tells those who watch a key, wait for it, or have it cached, that it changed. `by`: the client that changed it, if a command did.
#[inline]
fn touched(server: &Server, local: &mut Local, shard: &mut Shard<ShardExt>, db: usize, key: &[u8], by: Option<u64>) {
    if !shard.ext.watchers.is_empty() {
        mark_watchers(shard, db, key);
    }
    if !shard.ext.waiters.is_empty() {
        blocking::note(local, shard, db, key);
    }
    if !shard.ext.readers.is_empty() || server.tracking.is_followed() {
        tracking::changed(local, server, shard, key, by);
    }
}

#[cold]
fn mark_watchers(shard: &mut Shard<ShardExt>, db: usize, key: &[u8]) {
    let gone = !shard.holds(db, key);
    for w in shard.ext.watchers.get_mut(&(db, key.into())).into_iter().flatten() {
        if w.expired && gone {
            // it had expired already when it was watched: nothing changed
            w.expired = false;
        } else {
            mark(w);
        }
    }
}

/// EXEC of this client will fail.
fn mark(w: &Watcher) {
    w.client.watch_dirty.store(true, Relaxed);
    w.client.set_flag(crate::client::flag::DIRTY_CAS, true);
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

/// The type of a value.
pub fn kind(value: ValueRef<'_>) -> Type {
    if let ValueRef::Object(o) = value { o.kind() } else { Type::String }
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
