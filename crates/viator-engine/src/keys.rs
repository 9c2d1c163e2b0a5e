//! Access to the keys under a command's locks.
//!
//! [`ReadKeys`] looks and never changes what a client can see (it removes what has expired, and keeps LRU bits).
//! [`WriteKeys`] is the only way to change a key, and every change goes through [`WriteKeys::touched`], which tells the
//! watchers; the command's end commits the rest (events, dirty count, propagation).

mod write;

pub use self::write::{Spot, Taken, TakenValue, WriteKeys};

use crate::batch::Located;
use crate::config::{Config, NotifyFlags};
use crate::evict;
use crate::local::{Event, Local};
use crate::propagation;
use crate::server::{Garbage, Held, Server, ShardExt, Watcher};
use crate::{blocking, tracking};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::{DbShard, EntryRef, Handle, Loc, Object, Shard, Type, ValueRef};
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

/// The type of a value.
pub fn kind(value: ValueRef<'_>) -> Type {
    if let ValueRef::Object(o) = value { o.kind() } else { Type::String }
}
