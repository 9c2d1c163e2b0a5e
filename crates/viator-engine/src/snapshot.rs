//! Snapshots of the dataset while it is being changed: one mechanism for BGSAVE, for the rewriting of the AOF and for
//! replicas.
//!
//! [`Snapshot::begin`] holds all locks for an instant: from then on every entry is saved as it is at that moment. A thread
//! calls [`Snapshot::walk`], which goes through the slots, a bounded number of bytes for each hold of a shard's lock; a
//! writer about to change an entry that was not reached yet saves it first (`viator_keyspace::Saver`). Both put what they
//! encoded into a queue, from which another thread, in [`Snapshot::write`], gives it to a [`Sink`]. That thread takes no
//! locks, so whoever finds the queue full can wait for it; memory stays bounded.
//!
//! Large values are not encoded under a lock: a copy that shares their memory goes into the queue.

use crate::config::Config;
use crate::evict;
use crate::persistence::Pace;
use crate::server::{Held as Locks, Server, gate};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use viator_data::lzf::Compressor;
use viator_keyspace::{Captured, DbShard, EntryRef, Footprint, Object, SHARDS, Saver, ValueRef};
use viator_persist::Writer;
use viator_persist::file::Used;

/// Bytes encoded for each hold of a shard's lock: some 50 µs.
const PER_HOLD: usize = 32 << 10;
/// Bytes that wait in the queue before those who add to it wait.
const QUEUE: usize = 32 << 20;

/// Where a snapshot goes.
pub trait Sink: Send {
    /// Takes bytes.
    ///
    /// # Errors
    /// Those of the medium; the snapshot ends with them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// What waits for the sink.
enum Item {
    /// Encoded entries of a database.
    Bytes(usize, Vec<u8>),
    /// An entry with a large value.
    Value(Box<Large>),
    /// A shard of a database that was emptied: the rest of its entries.
    Part(Box<DbShard>),
}

/// An entry with a large value.
struct Large {
    db: usize,
    key: Vec<u8>,
    expire: Option<i64>,
    lru: u32,
    object: Box<Object>,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    /// Nothing comes any more.
    ended: bool,
}

/// How entries are encoded.
#[derive(Clone, Copy)]
struct Style {
    compress: bool,
    lfu: bool,
    lru: bool,
    clock: u32,
    /// Unix milliseconds of the beginning.
    now: i64,
    decay: i64,
}

impl Style {
    fn new(cfg: &Config, now: i64) -> Style {
        let policy = cfg.maxmemory_policy;
        Style {
            compress: cfg.rdbcompression,
            lfu: policy.is_lfu(),
            lru: policy.is_lru(),
            clock: (now / 1000) as u32 & evict::LRU_MAX,
            now,
            decay: cfg.lfu_decay_time,
        }
    }

    fn used(&self, lru: u32) -> Used {
        if self.lfu {
            Used::Freq(evict::lfu_counter(lru, self.now, self.decay).min(255) as u8)
        } else if self.lru {
            Used::Idle(u64::from(evict::idle_seconds(lru, self.clock)))
        } else {
            Used::Untold
        }
    }

    fn entry(&self, w: &mut Writer<'_>, e: &EntryRef<'_>) {
        w.key_attributes(e.expire, self.used(e.lru));
        w.key(e.key, e.value);
    }
}

/// What the walk of a database has done since it last handed something on, or let others run: of small shards several.
#[derive(Default)]
struct Walked {
    bytes: Vec<u8>,
    /// As [`PER_HOLD`] counts it.
    effort: usize,
}

/// A snapshot being taken.
pub struct Snapshot {
    style: Style,
    waiting: Mutex<Waiting>,
    /// Something came.
    came: Condvar,
    /// Room came.
    room: Condvar,
    /// Nobody wants the rest: the sink failed, or the snapshot was given up.
    void: AtomicBool,
    /// Databases with their keys, and how many of them expire, at the beginning.
    databases: Vec<(usize, u64, u64)>,
    compressors: Mutex<Vec<Compressor>>,
    /// Keys saved.
    keys: AtomicU64,
    /// Bytes that wait because of writers: what is kept only for the snapshot.
    copied: AtomicU64,
    copied_peak: AtomicU64,
}

impl Snapshot {
    /// Begins a snapshot. `at_start` runs under all locks, at the point in time that the snapshot shows; it may refuse.
    /// `None`: it did, or one is being taken already, or a script that takes long holds the locks, or the dataset is not whole
    /// because it is being loaded.
    pub fn begin(
        server: &Server,
        now: i64,
        at_start: impl FnOnce(&mut Locks<'_>, &Arc<Snapshot>) -> bool,
    ) -> Option<Arc<Snapshot>> {
        if server.snapshot.lock().is_some() {
            return None;
        }
        // the shards come first: INFO in a transaction holds them when it looks for a snapshot
        let mut guards = server.lock(Footprint::ALL).ok()?;
        // DEBUG LOADAOF notes it under these locks
        if server.gate.load(Relaxed) & gate::LOADING != 0 {
            return None;
        }
        let mut current = server.snapshot.lock();
        if current.is_some() {
            return None;
        }
        let cfg = server.config.load();
        let mut databases: Vec<_> = (0..server.keyspace.databases()).map(|db| (db, 0, 0)).collect();
        for (_, shard) in guards.iter_mut() {
            for (db, keys, expires) in &mut databases {
                if let Some(part) = shard.db(*db) {
                    *keys += part.len() as u64;
                    *expires += part.expires() as u64;
                }
            }
        }
        databases.retain(|d| d.1 > 0);
        let snapshot = Arc::new(Snapshot {
            style: Style::new(&cfg, now),
            waiting: Mutex::default(),
            came: Condvar::new(),
            room: Condvar::new(),
            void: AtomicBool::new(false),
            databases,
            compressors: Mutex::default(),
            keys: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            copied_peak: AtomicU64::new(0),
        });
        if !at_start(&mut guards, &snapshot) {
            return None;
        }
        let saver: Arc<dyn Saver> = snapshot.clone();
        for (_, shard) in guards.iter_mut() {
            for db in 0..server.keyspace.databases() {
                if let Some(part) = shard.db_mut(db).filter(|p| !p.is_empty()) {
                    part.begin_saving(db, &saver);
                }
            }
        }
        *current = Some(snapshot.clone());
        Some(snapshot)
    }

    /// Keys that the snapshot will have.
    pub fn total_keys(&self) -> u64 {
        self.databases.iter().map(|d| d.1).sum()
    }

    /// Keys saved so far.
    pub fn saved_keys(&self) -> u64 {
        self.keys.load(Relaxed)
    }

    /// Bytes kept for the snapshot only, now and at most.
    pub fn copied(&self) -> (u64, u64) {
        (self.copied.load(Relaxed), self.copied_peak.load(Relaxed))
    }

    /// Gives the snapshot up: the rest is walked, but goes nowhere.
    pub fn abandon(&self) {
        let mut w = self.waiting.lock();
        self.void.store(true, Relaxed);
        w.items.clear();
        w.bytes = 0;
        drop(w);
        self.room.notify_all();
        self.came.notify_all();
    }

    /// Whether it was given up.
    pub(crate) fn is_void(&self) -> bool {
        self.void.load(Relaxed)
    }

    /// Walks all that is to be saved, and ends the snapshot. To be called once, by whoever began it, without locks.
    pub fn walk(&self, server: &Server) {
        let order: Vec<usize> = self.databases.iter().map(|d| d.0).collect();
        for origin in order {
            let mut walked = Walked::default();
            for shard in 0..SHARDS {
                self.walk_shard(server, shard, origin, &mut walked);
            }
            self.push_walked(origin, &mut walked);
        }
        let mut w = self.waiting.lock();
        w.ended = true;
        drop(w);
        self.came.notify_all();
        *server.snapshot.lock() = None;
        server.snapshot_over.notify_all();
    }

    fn walk_shard(&self, server: &Server, shard: usize, origin: usize, walked: &mut Walked) {
        let mut done = false;
        while !done {
            let mut effort = 0;
            if walked.bytes.is_empty() {
                walked.bytes.reserve(2 * PER_HOLD);
            }
            let (bytes, keys) = self.with_writer(std::mem::take(&mut walked.bytes), |w| {
                let mut larges = Vec::new();
                let mut keys = 0;
                let mut guards = server.keyspace.lock(Footprint::NONE.with(shard));
                let databases = server.keyspace.databases();
                let s = guards.shard(shard);
                let at = (0..databases).find(|db| s.db(*db).and_then(DbShard::saving_db) == Some(origin));
                done = match at.and_then(|db| s.db_mut(db)) {
                    None => true,
                    Some(part) => part.save_some(PER_HOLD, |db, c| {
                        keys += 1;
                        let n = if self.is_void() {
                            64
                        } else {
                            match Large::new(db, c) {
                                Ok(large) => {
                                    larges.push(large);
                                    256
                                }
                                Err(e) => {
                                    let before = w.len();
                                    self.style.entry(w, &e);
                                    w.len() - before
                                }
                            }
                        };
                        effort += n;
                        n
                    }),
                };
                drop(guards);
                for large in larges {
                    self.push(Item::Value(large), 0);
                }
                keys
            });
            self.keys.fetch_add(keys, Relaxed);
            walked.bytes = bytes;
            if walked.bytes.len() >= PER_HOLD {
                self.push_walked(origin, walked);
            }
            walked.effort += effort;
            if walked.effort >= PER_HOLD {
                walked.effort = 0;
                // where there are fewer cores than threads, a client's would wait for the end of a time slice
                std::thread::yield_now();
            }
            self.delay(server, keys);
        }
    }

    fn push_walked(&self, origin: usize, walked: &mut Walked) {
        let bytes = std::mem::take(&mut walked.bytes);
        let n = bytes.len();
        if n > 0 {
            self.push(Item::Bytes(origin, bytes), n);
        }
    }

    /// `rdb-key-save-delay`: makes saves slow, for tests.
    fn delay(&self, server: &Server, keys: u64) {
        let us = || u64::try_from(server.config.load().rdb_key_save_delay).unwrap_or(0);
        let mut left = Duration::from_micros(us().saturating_mul(keys));
        while !left.is_zero() && us() > 0 && !self.is_void() {
            let step = left.min(Duration::from_millis(10));
            std::thread::sleep(step);
            left -= step;
        }
    }

    fn with_writer<R>(&self, out: Vec<u8>, f: impl FnOnce(&mut Writer<'_>) -> R) -> (Vec<u8>, R) {
        let mut compressor = self.style.compress.then(|| self.compressors.lock().pop().unwrap_or_default());
        let mut writer = Writer::onto(out, compressor.as_mut());
        let r = f(&mut writer);
        let out = writer.finish();
        if let Some(c) = compressor {
            self.compressors.lock().push(c);
        }
        (out, r)
    }

    /// Adds to the queue, waiting for room.
    fn push(&self, item: Item, bytes: usize) {
        let mut w = self.waiting.lock();
        while w.bytes > QUEUE && !self.is_void() {
            self.room.wait(&mut w);
        }
        if self.is_void() {
            return;
        }
        w.items.push_back(item);
        w.bytes += bytes;
        if w.items.len() == 1 {
            self.came.notify_one();
        }
    }

    fn note_copied(&self, bytes: u64) {
        let now = self.copied.fetch_add(bytes, Relaxed) + bytes;
        self.copied_peak.fetch_max(now, Relaxed);
    }

    /// Gives the snapshot to a sink: the databases with their entries, as an RDB file has them, without its beginning
    /// and end. To be called once, by another thread than the one that walks.
    ///
    /// # Errors
    /// Those of the sink; and [`io::ErrorKind::Interrupted`] if the snapshot was given up.
    pub fn write(&self, sink: &mut dyn Sink) -> io::Result<()> {
        let result = self.write_items(sink);
        if result.is_err() {
            self.abandon();
        }
        result
    }

    fn write_items(&self, sink: &mut dyn Sink) -> io::Result<()> {
        let mut selected = None;
        let mut pace = Pace::default();
        let (bytes, ()) = self.with_writer(Vec::new(), |w| {
            for (db, keys, expires) in &self.databases {
                w.select(*db);
                w.resize(*keys, *expires);
                selected = Some(*db);
            }
        });
        sink.write(&bytes)?;
        loop {
            let mut w = self.waiting.lock();
            while w.items.is_empty() && !w.ended && !self.is_void() {
                self.came.wait(&mut w);
            }
            if self.is_void() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the snapshot was given up"));
            }
            let items = std::mem::take(&mut w.items);
            w.bytes = 0;
            let ended = w.ended;
            drop(w);
            self.room.notify_all();
            if items.is_empty() && ended {
                return Ok(());
            }
            self.copied.store(0, Relaxed);
            if pace.is_due() {
                tracing::info!("Saving: {} of {} keys", self.saved_keys(), self.total_keys());
            }
            for item in items {
                match item {
                    Item::Bytes(db, bytes) => {
                        self.select(sink, &mut selected, db)?;
                        sink.write(&bytes)?;
                        std::thread::yield_now();
                    }
                    Item::Value(large) => {
                        self.select(sink, &mut selected, large.db)?;
                        let (bytes, ()) = self.with_writer(Vec::new(), |w| {
                            let Large { key, expire, lru, ref object, .. } = *large;
                            self.style.entry(
                                w,
                                &EntryRef {
                                    key: &key,
                                    value: ValueRef::Object(object),
                                    expire,
                                    lru,
                                    len: 0,
                                    within: false,
                                },
                            );
                        });
                        sink.write(&bytes)?;
                    }
                    Item::Part(mut part) => self.write_part(sink, &mut selected, &mut part)?,
                }
            }
        }
    }

    fn select(&self, sink: &mut dyn Sink, selected: &mut Option<usize>, db: usize) -> io::Result<()> {
        if *selected != Some(db) {
            *selected = Some(db);
            let (bytes, ()) = self.with_writer(Vec::new(), |w| w.select(db));
            sink.write(&bytes)?;
        }
        Ok(())
    }

    fn write_part(&self, sink: &mut dyn Sink, selected: &mut Option<usize>, part: &mut DbShard) -> io::Result<()> {
        let Some(db) = part.saving_db() else { return Ok(()) };
        self.select(sink, selected, db)?;
        let mut done = false;
        while !done {
            let (bytes, ()) = self.with_writer(Vec::new(), |w| {
                done = part.save_some(1 << 20, |_, c| {
                    self.keys.fetch_add(1, Relaxed);
                    let before = w.len();
                    let value = c.copy.as_ref().map_or(c.entry.value, |o| ValueRef::Object(o));
                    self.style.entry(w, &EntryRef { value, ..c.entry });
                    w.len() - before
                });
            });
            sink.write(&bytes)?;
        }
        Ok(())
    }
}

impl Large {
    /// What was captured, if it has a copy of its value.
    fn new<'a>(db: usize, c: Captured<'a>) -> Result<Box<Large>, EntryRef<'a>> {
        match c.copy {
            Some(object) => {
                Ok(Box::new(Large { db, key: c.entry.key.to_vec(), expire: c.entry.expire, lru: c.entry.lru, object }))
            }
            None => Err(c.entry),
        }
    }
}

/// A snapshot under all locks, while nothing changes.
pub struct Held;

impl Held {
    /// Gives the dataset to a sink, as [`Snapshot::write`] does.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn write(server: &Server, guards: &mut Locks<'_>, now: i64, sink: &mut dyn Sink) -> io::Result<()> {
        let cfg = server.config.load();
        let style = Style::new(&cfg, now);
        let mut compressor = style.compress.then(Compressor::default);
        let mut w = Writer::new(compressor.as_mut());
        for db in 0..server.keyspace.databases() {
            let (mut keys, mut expires) = (0, 0);
            for part in guards.iter_mut().filter_map(|(_, s)| s.db(db)) {
                keys += part.len() as u64;
                expires += part.expires() as u64;
            }
            if keys == 0 {
                continue;
            }
            w.select(db);
            w.resize(keys, expires);
            for (_, shard) in guards.iter_mut() {
                let Some(part) = shard.db_mut(db) else { continue };
                let mut result = Ok(());
                part.for_each(|e| {
                    style.entry(&mut w, &e);
                    if w.len() > 1 << 20 && result.is_ok() {
                        result = sink.write(&w.take());
                    }
                    if cfg.rdb_key_save_delay > 0 {
                        std::thread::sleep(Duration::from_micros(cfg.rdb_key_save_delay.unsigned_abs()));
                    }
                });
                result?;
            }
        }
        sink.write(&w.take())
    }
}

impl Saver for Snapshot {
    fn save(&self, db: usize, entry: Captured<'_>) {
        self.keys.fetch_add(1, Relaxed);
        if self.is_void() {
            return;
        }
        match Large::new(db, entry) {
            Ok(large) => {
                self.note_copied(large.object.memory() as u64);
                self.push(Item::Value(large), 0);
            }
            Err(e) => {
                let (bytes, ()) = self.with_writer(Vec::new(), |w| self.style.entry(w, &e));
                let n = bytes.len();
                self.note_copied(n as u64);
                self.push(Item::Bytes(db, bytes), n);
            }
        }
    }

    fn adopt(&self, part: Box<DbShard>) {
        let mut w = self.waiting.lock();
        // it may come in any number: nobody waits, for it is memory that is there already
        if !self.is_void() && !w.ended {
            w.items.push_back(Item::Part(part));
            self.came.notify_one();
        }
    }
}
