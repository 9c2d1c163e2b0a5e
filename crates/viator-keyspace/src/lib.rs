//! The keyspace: entries in slot tables, grouped into 64 shards, each behind one lock.
//!
//! A key's *slot* is one of 16,384, its *shard* is `slot & 63`. A command's *footprint* is the set of shards its keys are
//! in; [`Keyspace::lock`] takes their locks in ascending order, so that no two footprints can deadlock. Within its shard a
//! database keeps 256 small tables over one arena of entries ([`DbShard`]): no table ever has more than its slot's keys to
//! move when it grows.

mod arena;
mod buckets;
mod change;
mod db;
mod entry;
mod fields;
mod object;
mod sizes;
mod small;
mod snapshot;

pub use arena::Handle;
pub use db::{DbShard, EntryRef, Expiry, MAX_INLINE, NewValue, ValueRef};
pub use object::{Content, Object, Type};
pub use sizes::Sizes;
pub use snapshot::{Captured, Saver};

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Most keys that are loaded ahead together: so many locks may be held for that.
const AHEAD: usize = 16;
/// Number of slots of a database.
pub const SLOTS: usize = 16384;
/// Number of shards.
pub const SHARDS: usize = 64;
/// Slots of each shard.
pub const SLOTS_PER_SHARD: usize = SLOTS / SHARDS;

/// Where a key lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loc {
    /// The key's hash.
    pub hash: u64,
    /// The key's slot.
    pub slot: u16,
}

impl Loc {
    /// The key's shard.
    #[inline]
    pub fn shard(self) -> usize {
        (self.slot as usize) & (SHARDS - 1)
    }

    /// The slot's index within its shard.
    #[inline]
    pub fn index(self) -> usize {
        (self.slot as usize) / SHARDS % SLOTS_PER_SHARD
    }
}

/// How keys are hashed: a random state, so that nobody can choose colliding keys.
#[derive(Clone)]
pub struct HashSeed {
    state: ahash::RandomState,
    cluster: bool,
    epoch_ms: i64,
}

impl HashSeed {
    /// A new random state. `cluster`: slots are CRC16 of the hash tag, as Redis Cluster defines them. `epoch_ms`: the
    /// Unix time at which the expiry index begins to count (the server's start).
    pub fn new(cluster: bool, epoch_ms: i64) -> HashSeed {
        HashSeed { state: ahash::RandomState::new(), cluster, epoch_ms }
    }

    pub(crate) fn epoch_ms(&self) -> i64 {
        self.epoch_ms
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.state.hash_one(key)
    }

    /// Where a key lives.
    #[inline]
    pub fn locate(&self, key: &[u8]) -> Loc {
        let hash = self.hash(key);
        // bits that neither the table's index (low) nor its tag (top 7) uses
        let slot = if self.cluster { cluster_slot(key) } else { (hash >> 40) as u16 & (SLOTS as u16 - 1) };
        Loc { hash, slot }
    }
}

/// The slot of a key in Redis Cluster: CRC16 of the hash tag.
fn cluster_slot(key: &[u8]) -> u16 {
    viator_data::crc::key_slot(key)
}

/// A set of shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Footprint(pub u64);

impl Footprint {
    /// No shard.
    pub const NONE: Footprint = Footprint(0);
    /// All shards.
    pub const ALL: Footprint = Footprint(u64::MAX);

    /// With one more shard.
    #[must_use]
    pub fn with(self, shard: usize) -> Footprint {
        Footprint(self.0 | 1 << (shard & (SHARDS - 1)))
    }

    /// The union.
    #[must_use]
    pub fn or(self, other: Footprint) -> Footprint {
        Footprint(self.0 | other.0)
    }

    /// Whether every shard of `other` is in it.
    pub fn covers(self, other: Footprint) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What one lock protects: the shard's part of every database, and what the engine keeps per shard.
pub struct Shard<X> {
    dbs: Vec<Option<Box<DbShard>>>,
    seed: HashSeed,
    /// The keyspace's `free_bytes`.
    free_bytes: Arc<AtomicI64>,
    /// The engine's own (waiters, watchers).
    pub ext: X,
}

impl<X> Shard<X> {
    /// The shard's part of a database, if it ever held a key.
    #[inline]
    pub fn db(&self, db: usize) -> Option<&DbShard> {
        self.dbs.get(db)?.as_deref()
    }

    /// The shard's part of a database, if it ever held a key, for writing.
    #[inline]
    pub fn db_mut(&mut self, db: usize) -> Option<&mut DbShard> {
        self.dbs.get_mut(db)?.as_deref_mut()
    }

    /// The shard's part of a database, made if it is not there.
    ///
    /// # Panics
    /// If `db` is not below the configured number of databases: sessions never select such a one.
    #[inline]
    pub fn db_or_new(&mut self, db: usize) -> &mut DbShard {
        let (seed, free) = (&self.seed, &self.free_bytes);
        #[expect(
            clippy::indexing_slicing,
            reason = "SELECT, MOVE, COPY and SWAPDB check the number against `databases`"
        )]
        self.dbs[db].get_or_insert_with(|| new_part(seed, free))
    }

    /// Takes away the shard's part of a database.
    pub fn take_db(&mut self, db: usize) -> Option<Box<DbShard>> {
        self.dbs.get_mut(db)?.take()
    }

    /// Exchanges two databases' parts.
    pub fn swap_dbs(&mut self, a: usize, b: usize) {
        if a.max(b) < self.dbs.len() {
            self.dbs.swap(a, b);
        }
    }

    /// Whether a database holds a key of this shard, expired or not.
    pub fn holds(&self, db: usize, key: &[u8]) -> bool {
        self.db(db).is_some_and(|d| d.find(self.seed.locate(key), key).is_some())
    }
}

/// An empty part of a database. Apart, because it is large and rare.
#[cold]
#[inline(never)]
fn new_part(seed: &HashSeed, free: &Arc<AtomicI64>) -> Box<DbShard> {
    Box::new(DbShard::new(seed.clone(), free.clone()))
}

struct Padded<X> {
    lock: Mutex<Shard<X>>,
    /// Keeps neighbouring locks off each other's cache line.
    _pad: [u64; 12],
}

/// All databases of a server.
pub struct Keyspace<X> {
    shards: Vec<Padded<X>>,
    seed: HashSeed,
    databases: usize,
    /// Arena bytes that the allocator counts and no entry occupies; every shard keeps its part of it.
    free_bytes: Arc<AtomicI64>,
}

impl<X: Default> Keyspace<X> {
    /// An empty keyspace of so many databases.
    pub fn new(databases: usize, seed: HashSeed) -> Keyspace<X> {
        let free_bytes = Arc::new(AtomicI64::new(0));
        let shard = || Shard {
            dbs: std::iter::repeat_with(|| None).take(databases).collect(),
            seed: seed.clone(),
            free_bytes: free_bytes.clone(),
            ext: X::default(),
        };
        Keyspace {
            shards: (0..SHARDS).map(|_| Padded { lock: Mutex::new(shard()), _pad: [0; 12] }).collect(),
            databases,
            free_bytes,
            seed,
        }
    }
}

impl<X> Keyspace<X> {
    /// Number of databases.
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// How keys are hashed.
    pub fn seed(&self) -> &HashSeed {
        &self.seed
    }

    /// Where a key lives.
    #[inline]
    pub fn locate(&self, key: &[u8]) -> Loc {
        self.seed.locate(key)
    }

    /// Arena bytes that hold nothing: to be taken off what the allocator reports as used.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed).max(0) as u64
    }

    /// Takes the lock of one shard, if nobody has it.
    #[inline]
    pub fn try_lock_one(&self, shard: usize) -> Option<Guards<'_, X>> {
        let guard = self.shards.get(shard)?.lock.try_lock()?;
        Some(Guards { held: Footprint::NONE.with(shard), locks: Locks::One(guard) })
    }

    /// Begins to load what lookups of these keys will touch: their slots, then their buckets, then their entries, each step
    /// for many keys, so that cache misses overlap.
    pub fn load_ahead(&self, db: usize, mut keys: impl Iterator<Item = Loc>) {
        loop {
            let mut some: SmallVec<[(Loc, u8); AHEAD]> = SmallVec::new();
            let mut held: SmallVec<[MutexGuard<'_, Shard<X>>; AHEAD]> = SmallVec::new();
            // which lock is each shard's
            let mut place = [u8::MAX; SHARDS];
            for loc in keys.by_ref().take(AHEAD) {
                let Some(place) = place.get_mut(loc.shard()) else { continue };
                if *place == u8::MAX {
                    // a shard that is busy is left alone: this only saves time
                    let Some(guard) = self.shards.get(loc.shard()).and_then(|s| s.lock.try_lock()) else { continue };
                    *place = held.len() as u8;
                    held.push(guard);
                }
                some.push((loc, *place));
                if let Some(part) = held.get(usize::from(*place)).and_then(|s| s.db(db)) {
                    part.prefetch_slot(loc);
                }
            }
            if some.is_empty() {
                return;
            }
            let part = |place: u8| held.get(usize::from(place)).and_then(|s| s.db(db));
            for &(loc, place) in &some {
                if let Some(part) = part(place) {
                    part.prefetch_bucket(loc);
                }
            }
            for &(loc, place) in &some {
                if let Some(part) = part(place) {
                    part.prefetch_entry(loc);
                }
            }
        }
    }

    /// Adds the locks of a footprint to those that are held, if nobody has them: without waiting, so that the order in
    /// which locks are taken does not matter. Returns whether all are held now; if not, nothing has changed.
    pub fn try_extend<'k>(&'k self, guards: &mut Guards<'k, X>, footprint: Footprint) -> bool {
        let held = guards.held;
        let mut more = Vec::new();
        for n in (0..SHARDS).filter(|n| (footprint.0 & !held.0) >> n & 1 == 1) {
            let Some(guard) = self.shards.get(n).and_then(|s| s.lock.try_lock()) else { return false };
            more.push((n, guard));
        }
        if !more.is_empty() {
            let locks = match std::mem::replace(&mut guards.locks, Locks::Many(Vec::new())) {
                Locks::One(guard) => vec![guard],
                Locks::Many(all) => all,
            };
            let mut all: Vec<_> = (0..SHARDS).filter(|n| held.0 >> n & 1 == 1).zip(locks).chain(more).collect();
            all.sort_unstable_by_key(|(n, _)| *n);
            *guards =
                Guards { held: held.or(footprint), locks: Locks::Many(all.into_iter().map(|(_, g)| g).collect()) };
        }
        true
    }

    /// Takes the locks of a footprint, in ascending order, waiting as long as it takes.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a footprint has 64 bits, the keyspace 64 shards")]
    pub fn lock(&self, footprint: Footprint) -> Guards<'_, X> {
        let mut rest = footprint.0;
        if rest.is_power_of_two() {
            let shard = rest.trailing_zeros() as usize;
            return Guards { held: footprint, locks: Locks::One(self.shards[shard].lock.lock()) };
        }
        let mut locks = Vec::with_capacity(rest.count_ones() as usize);
        while rest != 0 {
            locks.push(self.shards[rest.trailing_zeros() as usize].lock.lock());
            rest &= rest - 1;
        }
        Guards { held: footprint, locks: Locks::Many(locks) }
    }
}

impl<X> Keyspace<X> {
    /// As [`Keyspace::lock`], but while it waits it asks now and then whether to give up.
    #[inline]
    pub fn lock_unless(&self, footprint: Footprint, give_up: impl FnMut() -> bool) -> Option<Guards<'_, X>> {
        // nearly always: one shard, which nobody has
        if footprint.0.is_power_of_two()
            && let Some(guards) = self.try_lock_one(footprint.0.trailing_zeros() as usize)
        {
            return Some(guards);
        }
        self.wait_unless(footprint, give_up)
    }

    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "a footprint has 64 bits, the keyspace 64 shards")]
    fn wait_unless(&self, footprint: Footprint, mut give_up: impl FnMut() -> bool) -> Option<Guards<'_, X>> {
        let mut one = |shard: usize| {
            let lock = &self.shards[shard].lock;
            if let Some(guard) = lock.try_lock() {
                return Some(guard);
            }
            loop {
                if give_up() {
                    return None;
                }
                if let Some(guard) = lock.try_lock_for(PATIENCE) {
                    return Some(guard);
                }
            }
        };
        let mut rest = footprint.0;
        if rest.is_power_of_two() {
            let guard = one(rest.trailing_zeros() as usize)?;
            return Some(Guards { held: footprint, locks: Locks::One(guard) });
        }
        let mut locks = Vec::with_capacity(rest.count_ones() as usize);
        while rest != 0 {
            locks.push(one(rest.trailing_zeros() as usize)?);
            rest &= rest - 1;
        }
        Some(Guards { held: footprint, locks: Locks::Many(locks) })
    }
}

/// Time between two questions whether to give up waiting.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(2);

enum Locks<'k, X> {
    One(MutexGuard<'k, Shard<X>>),
    Many(Vec<MutexGuard<'k, Shard<X>>>),
}

/// The lock of one of several shards that are held.
#[inline(never)]
fn one_of<'g, X>(locks: &'g mut [MutexGuard<'_, Shard<X>>], held: Footprint, shard: usize) -> &'g mut Shard<X> {
    let below = (held.0 & ((1 << (shard & 63)) - 1)).count_ones() as usize;
    #[expect(clippy::indexing_slicing, reason = "the shard is held, so it is among the locks")]
    &mut locks[below]
}

/// The held locks of a footprint.
pub struct Guards<'k, X> {
    held: Footprint,
    locks: Locks<'k, X>,
}

impl<X> Guards<'_, X> {
    /// The footprint that is held.
    pub fn held(&self) -> Footprint {
        self.held
    }

    /// A held shard.
    ///
    /// # Panics
    /// If the shard is not held: a command touched a key outside its declared footprint, and going on would break the
    /// isolation of all others.
    #[inline]
    pub fn shard(&mut self, shard: usize) -> &mut Shard<X> {
        assert!(self.held.covers(Footprint::NONE.with(shard)), "shard {shard} is outside the footprint");
        match &mut self.locks {
            Locks::One(g) => g,
            Locks::Many(v) => one_of(v, self.held, shard),
        }
    }

    /// A held shard, for reading several of its values, or of several shards', at once.
    ///
    /// # Panics
    /// As [`Guards::shard`].
    pub fn shard_ref(&self, shard: usize) -> &Shard<X> {
        assert!(self.held.covers(Footprint::NONE.with(shard)), "shard {shard} is outside the footprint");
        match &self.locks {
            Locks::One(g) => g,
            Locks::Many(v) => {
                let below = (self.held.0 & ((1 << (shard & 63)) - 1)).count_ones() as usize;
                #[expect(clippy::indexing_slicing, reason = "the shard is held, so it is among the locks")]
                &v[below]
            }
        }
    }

    /// The held shards with their numbers, ascending.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Shard<X>)> {
        let held = self.held.0;
        let numbers = (0..SHARDS).filter(move |n| held >> n & 1 == 1);
        let locks: &mut [MutexGuard<'_, Shard<X>>] = match &mut self.locks {
            Locks::One(g) => std::slice::from_mut(g),
            Locks::Many(v) => v,
        };
        numbers.zip(locks.iter_mut().map(|g| &mut **g))
    }
}

#[cfg(test)]
mod tests;
