//! The propagation log: everything that changes the dataset, as commands whose effect depends on nothing but the dataset,
//! in the order of the changes.
//!
//! A thread collects the effects of what it executes (a command, a transaction, an expired key) in its [`Unit`] and
//! appends them whole while it still holds the shard locks under which they happened. So the log's order is the order of
//! the changes of every key, however many threads write. Several effects of one unit are a transaction: whoever replays
//! the log sees all of them or none.
//!
//! The log is kept only while somebody listens; asking costs one load.

use crate::args::{Args, OwnedArgs};
use crate::local::Local;
use crate::server::Server;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Who listens to the log; bits.
pub mod listener {
    /// The append-only file.
    pub const AOF: u32 = 1;
}

/// The effects of what a thread executes, not yet in the log.
#[derive(Default)]
pub struct Unit {
    /// Commands in RESP, one after the other.
    bytes: Vec<u8>,
    /// Database of each command, and where it ends.
    effects: Vec<(usize, usize)>,
    /// Units within units: only the outermost one's end counts.
    depth: u32,
    /// The running command was replaced by what was staged.
    replaced: bool,
    /// Listeners ([`listener`]) that a script keeps its effects from.
    withheld: u32,
}

impl Unit {
    /// Adds a command.
    pub fn stage(&mut self, db: usize, args: Args<'_>) {
        if self.withheld & listener::AOF != 0 {
            return;
        }
        encode(&mut self.bytes, args.len(), args.iter());
        self.effects.push((db, self.bytes.len()));
    }

    /// Keeps what follows from these listeners (`redis.set_repl`). Returns from which it was kept before.
    pub fn withhold(&mut self, listeners: u32) -> u32 {
        std::mem::replace(&mut self.withheld, listeners)
    }

    fn stage_pair(&mut self, db: usize, name: &[u8], key: &[u8]) {
        encode(&mut self.bytes, 2, [name, key].into_iter());
        self.effects.push((db, self.bytes.len()));
    }

    fn clear(&mut self) {
        self.effects.clear();
        self.bytes.clear();
        if self.bytes.capacity() > 1 << 20 {
            self.bytes = Vec::new();
        }
    }
}

/// Appends a command in RESP.
fn encode<'a>(out: &mut Vec<u8>, n: usize, args: impl Iterator<Item = &'a [u8]>) {
    let header = |out: &mut Vec<u8>, mark: u8, n: usize| {
        let mut digits = itoa::Buffer::new();
        out.push(mark);
        out.extend_from_slice(digits.format(n).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    header(out, b'*', n);
    for a in args {
        header(out, b'$', a.len());
        out.extend_from_slice(a);
        out.extend_from_slice(b"\r\n");
    }
}

/// The log's end that nobody has taken yet.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    /// Where in `bytes` a new file begins.
    cuts: Vec<usize>,
    /// The database that the last command was for; none: the next one selects its own.
    db: Option<usize>,
    /// Unix seconds of the last timestamp annotation.
    stamped: i64,
}

/// What was taken from the log.
#[derive(Debug, Default)]
pub struct Taken {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where in them a new file begins.
    pub cuts: Vec<usize>,
    /// The log's length up to their end.
    pub end: u64,
}

/// See the module.
#[derive(Default)]
pub struct Propagation {
    listeners: AtomicU32,
    /// Bytes ever appended.
    end: AtomicU64,
    /// Commands ever appended: the replication offset while there are no replicas.
    commands: AtomicU64,
    tail: Mutex<Tail>,
}

impl Propagation {
    /// Whether anybody listens.
    #[inline]
    pub fn listening(&self) -> bool {
        self.listeners.load(Relaxed) != 0
    }

    /// Whether this one listens.
    pub fn has_listener(&self, who: u32) -> bool {
        self.listeners.load(Relaxed) & who != 0
    }

    /// Adds or removes a listener. When it comes all shards must be held, so that no command is in the middle of its changes;
    /// when it goes they need not: what such a command still appends, the listener has to throw away.
    pub fn listen(&self, who: u32, on: bool) {
        if on {
            self.listeners.fetch_or(who, Relaxed);
        } else {
            self.listeners.fetch_and(!who, Relaxed);
        }
    }

    /// Bytes ever appended: the log's offset.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end.load(Relaxed)
    }

    /// Commands ever appended.
    pub fn commands(&self) -> u64 {
        self.commands.load(Relaxed)
    }

    /// Goes on counting commands from here.
    pub fn set_commands(&self, n: u64) {
        self.commands.store(n, Relaxed);
    }

    /// The next command selects its database.
    pub fn reselect(&self) {
        self.tail.lock().db = None;
    }

    /// A new file begins here: what follows selects its database anew. All shards must be held if the file is to follow
    /// a snapshot.
    pub fn cut(&self) {
        let mut t = self.tail.lock();
        let at = t.bytes.len();
        t.cuts.push(at);
        t.db = None;
    }

    /// Takes what has been appended since the last time. `room`: what comes next is put there; it must be empty.
    pub fn take(&self, room: Vec<u8>) -> Taken {
        let mut t = self.tail.lock();
        let bytes = std::mem::replace(&mut t.bytes, room);
        Taken { bytes, cuts: std::mem::take(&mut t.cuts), end: self.end.load(Relaxed) }
    }

    /// Forgets what nobody has taken, as when the file is closed.
    pub fn discard(&self) {
        let mut t = self.tail.lock();
        t.bytes = Vec::new();
        t.cuts.clear();
        t.db = None;
    }

    /// Appends by `write`, which gets the tail. Returns the log's new end.
    fn append(&self, stamp: Option<i64>, commands: usize, write: impl FnOnce(&mut Tail)) -> u64 {
        let mut t = self.tail.lock();
        self.commands.store(self.commands() + commands as u64, Relaxed);
        let before = t.bytes.len();
        if let Some(now) = stamp
            && now > t.stamped
        {
            t.stamped = now;
            t.bytes.extend_from_slice(format!("#TS:{now}\r\n").as_bytes());
        }
        write(&mut t);
        let end = self.end.load(Relaxed) + (t.bytes.len() - before) as u64;
        // only ever changed under the lock of the tail
        self.end.store(end, Relaxed);
        end
    }
}

impl Tail {
    #[inline]
    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            self.db = Some(db);
            let mut digits = itoa::Buffer::new();
            encode(&mut self.bytes, 2, [&b"SELECT"[..], digits.format(db).as_bytes()].into_iter());
        }
    }
}

/// Seconds for the timestamp annotation, if those are configured.
fn stamp(local: &Local) -> Option<i64> {
    local.cfg.aof_timestamp_enabled.then_some(local.now / 1000)
}

/// Adds what the running command is to be propagated as, in its place.
#[inline]
pub fn replace(local: &mut Local, db: usize, args: Args<'_>) {
    local.unit.replaced = true;
    local.unit.stage(db, args);
}

/// Adds the removal of a key that nobody asked for: it expired, or was evicted.
#[cold]
pub fn removed(local: &mut Local, server: &Server, db: usize, key: &[u8], lazy: bool) {
    if server.propagation.listening() {
        local.unit.stage_pair(db, if lazy { b"UNLINK" } else { b"DEL" }, key);
    }
}

/// Adds the removal of a field that has expired.
#[cold]
pub fn removed_field(local: &mut Local, server: &Server, db: usize, key: &[u8], name: &[u8]) {
    if server.propagation.listening() {
        local.unit.stage(db, OwnedArgs::from_slices([b"HDEL", key, name]).args());
    }
}

/// The end of a command that changed the dataset (`dirty`), or not. The shard locks are still held.
#[inline]
pub fn command_done(local: &mut Local, server: &Server, db: usize, args: Args<'_>, dirty: bool) {
    let replaced = std::mem::take(&mut local.unit.replaced);
    if dirty && !replaced && server.propagation.listening() {
        if local.unit.depth == 0 && local.unit.effects.is_empty() {
            let stamp = stamp(local);
            local.log_end = server.propagation.append(stamp, 1, |t| {
                t.select(db);
                encode(&mut t.bytes, args.len(), args.iter());
            });
            return;
        }
        local.unit.stage(db, args);
    }
    flush(local, server);
}

/// Ends the unit, unless it is part of a larger one: appends its effects to the log. The shard locks are still held.
#[inline]
pub fn flush(local: &mut Local, server: &Server) {
    if !local.unit.effects.is_empty() && local.unit.depth == 0 {
        append_unit(local, server);
    }
}

#[cold]
fn append_unit(local: &mut Local, server: &Server) {
    let stamp = stamp(local);
    let Unit { bytes, effects, .. } = &local.unit;
    let transaction = effects.len() > 1;
    let commands = effects.len() + if transaction { 2 } else { 0 };
    local.log_end = server.propagation.append(stamp, commands, |t| {
        if transaction {
            t.bytes.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
        }
        let mut from = 0;
        for (db, end) in effects {
            t.select(*db);
            t.bytes.extend_from_slice(bytes.get(from..*end).unwrap_or_default());
            from = *end;
        }
        if transaction {
            t.bytes.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
        }
    });
    local.unit.clear();
}

/// Begins a unit of several commands: their effects are appended together by [`end`].
pub fn begin(local: &mut Local) {
    local.unit.depth += 1;
}

/// Forgets the effects of the unit so far.
pub fn forget(local: &mut Local) {
    local.unit.clear();
}

/// Ends what [`begin`] began. The shard locks are still held.
pub fn end(local: &mut Local, server: &Server) {
    local.unit.depth = local.unit.depth.saturating_sub(1);
    flush(local, server);
}
