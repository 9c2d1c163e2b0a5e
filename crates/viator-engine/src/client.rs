//! What is known of a connected client outside the thread that serves it: the registry behind CLIENT LIST and KILL, and
//! the mailbox through which other threads send it messages.

use crate::blocking::{State, Waiter};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

/// What changes rarely about a client.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// CLIENT SETNAME's name.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_ver: Vec<u8>,
    /// Authenticated user.
    pub user: String,
    /// Selected database.
    pub db: usize,
    /// Protocol version.
    pub resp: u8,
}

/// A client as other threads see it.
pub struct ClientShared {
    /// Unique, ascending.
    pub id: u64,
    /// Peer address, as CLIENT LIST shows it.
    pub addr: String,
    /// Local address, as CLIENT LIST shows it.
    pub laddr: String,
    /// Whether it came through the unix socket.
    pub unix: bool,
    /// File descriptor.
    pub fd: i32,
    /// Number of the worker that serves it.
    pub worker: usize,
    /// Unix milliseconds of its arrival.
    pub created: i64,
    /// Unix milliseconds of its last request.
    pub last: AtomicI64,
    /// Number of the last command in the table, plus one; 0: none.
    pub last_command: AtomicU32,
    /// What changes rarely.
    pub identity: Mutex<Identity>,
    /// CLIENT LIST's flags, as [`flag`] bits.
    pub flags: AtomicU32,
    /// Channels subscribed to.
    pub sub: AtomicU32,
    /// Patterns subscribed to.
    pub psub: AtomicU32,
    /// Shard channels subscribed to.
    pub ssub: AtomicU32,
    /// Commands queued by MULTI plus one; 0: not in MULTI.
    pub multi: AtomicU32,
    /// Keys watched.
    pub watch: AtomicU32,
    /// Bytes of queued commands.
    pub multi_mem: AtomicU64,
    /// Bytes of the queued commands' arguments alone.
    pub multi_args: AtomicU64,
    /// Bytes of what it watches and subscribes to.
    pub state_mem: AtomicU64,
    /// Bytes of input held.
    pub qbuf: AtomicU64,
    /// Input buffer capacity not used.
    pub qbuf_free: AtomicU64,
    /// Bytes of arguments of an unfinished command.
    pub argv_mem: AtomicU64,
    /// Bytes of output not yet sent.
    pub omem: AtomicU64,
    /// Largest output buffer of late (CLIENT LIST rbp).
    pub peak_out: AtomicU64,
    /// Bytes received.
    pub net_in: AtomicU64,
    /// Bytes sent.
    pub net_out: AtomicU64,
    /// Commands executed.
    pub commands: AtomicU64,
    /// Set to close the client as soon as its worker sees it.
    pub kill: AtomicBool,
    /// Set by another client's write to a watched key.
    pub watch_dirty: AtomicBool,
    /// Who gets its invalidation messages instead; 0: itself.
    pub redirect: AtomicU64,
    /// CLIENT UNBLOCK: 0 none, 1 time-out, 2 error.
    pub unblock: AtomicU32,
    /// Its wait for keys.
    pub waiter: Mutex<Option<Arc<Waiter>>>,
    outbox: Mutex<Vec<u8>>,
    has_mail: AtomicBool,
    wake: Arc<dyn Fn(u64) + Send + Sync>,
}

/// Bits of [`ClientShared::flags`].
pub mod flag {
    /// Its output goes to MONITOR.
    pub const MONITOR: u32 = 1;
    /// In a subscription.
    pub const PUBSUB: u32 = 1 << 1;
    /// In MULTI.
    pub const MULTI: u32 = 1 << 2;
    /// Waiting in a blocking command.
    pub const BLOCKED: u32 = 1 << 3;
    /// Tracks keys.
    pub const TRACKING: u32 = 1 << 4;
    /// A watched key changed; EXEC will fail.
    pub const DIRTY_CAS: u32 = 1 << 5;
    /// Closes after its reply.
    pub const CLOSE_AFTER_REPLY: u32 = 1 << 6;
    /// Unix socket.
    pub const UNIX: u32 = 1 << 7;
    /// Read-only cluster mode.
    pub const READONLY: u32 = 1 << 8;
    /// CLIENT NO-EVICT.
    pub const NO_EVICT: u32 = 1 << 9;
    /// CLIENT NO-TOUCH.
    pub const NO_TOUCH: u32 = 1 << 10;
    /// A replica.
    pub const REPLICA: u32 = 1 << 11;
    /// Closes as soon as possible.
    pub const CLOSE_ASAP: u32 = 1 << 12;
    /// Tracking's redirection target is gone.
    pub const TRACKING_BROKEN: u32 = 1 << 13;
    /// Tracks by prefix.
    pub const TRACKING_BCAST: u32 = 1 << 14;
    /// Waits in a command that CLIENT UNBLOCK may end.
    pub const MAY_UNBLOCK: u32 = 1 << 15;
    /// Is not told of keys that it changes itself.
    pub const TRACKING_NOLOOP: u32 = 1 << 16;
}

impl ClientShared {
    /// A new client. `wake` is called with its id when there is mail and its worker must look.
    #[expect(clippy::too_many_arguments, reason = "each is a fact of its own that accept knows")]
    pub fn new(
        id: u64,
        addr: String,
        laddr: String,
        unix: bool,
        fd: i32,
        worker: usize,
        now: i64,
        wake: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> ClientShared {
        ClientShared {
            id,
            addr,
            laddr,
            unix,
            fd,
            worker,
            created: now,
            last: AtomicI64::new(now),
            last_command: AtomicU32::new(0),
            identity: Mutex::new(Identity { user: "default".into(), resp: 2, ..Identity::default() }),
            flags: AtomicU32::new(if unix { flag::UNIX } else { 0 }),
            sub: AtomicU32::new(0),
            psub: AtomicU32::new(0),
            ssub: AtomicU32::new(0),
            multi: AtomicU32::new(0),
            watch: AtomicU32::new(0),
            multi_mem: AtomicU64::new(0),
            multi_args: AtomicU64::new(0),
            state_mem: AtomicU64::new(0),
            qbuf: AtomicU64::new(0),
            qbuf_free: AtomicU64::new(0),
            argv_mem: AtomicU64::new(0),
            omem: AtomicU64::new(0),
            peak_out: AtomicU64::new(0),
            net_in: AtomicU64::new(0),
            net_out: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            kill: AtomicBool::new(false),
            watch_dirty: AtomicBool::new(false),
            redirect: AtomicU64::new(0),
            unblock: AtomicU32::new(0),
            waiter: Mutex::default(),
            outbox: Mutex::new(Vec::new()),
            has_mail: AtomicBool::new(false),
            wake,
        }
    }

    /// Sets or clears a flag.
    pub fn set_flag(&self, bit: u32, on: bool) {
        if on {
            self.flags.fetch_or(bit, Relaxed);
        } else {
            self.flags.fetch_and(!bit, Relaxed);
        }
    }

    /// Whether a flag is set.
    pub fn has_flag(&self, bit: u32) -> bool {
        self.flags.load(Relaxed) & bit != 0
    }

    /// Puts RESP bytes into the mailbox; its worker sends them after the reply in progress.
    pub fn send(&self, bytes: &[u8]) {
        let first = {
            let mut outbox = self.outbox.lock();
            outbox.extend_from_slice(bytes);
            self.omem.fetch_add(bytes.len() as u64, Relaxed);
            !self.has_mail.swap(true, Relaxed)
        };
        if first {
            (self.wake)(self.id);
        }
    }

    /// As [`ClientShared::send`], and has its worker look in any case.
    pub fn deliver(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let mut outbox = self.outbox.lock();
            outbox.extend_from_slice(bytes);
            self.omem.fetch_add(bytes.len() as u64, Relaxed);
            self.has_mail.store(true, Relaxed);
        }
        self.poke();
    }

    /// CLIENT UNBLOCK: ends a wait as at its time-out, or with an error. Whether there was one that could be ended.
    pub fn end_wait(&self, with_error: bool) -> bool {
        let waiter = self.waiter.lock().clone();
        let ended = match waiter {
            Some(w) => {
                let how = if with_error { State::Unblocked } else { State::TimedOut };
                // of several who try at once, one does it
                w.state() == State::Waiting && w.end(how) == how
            }
            None => {
                let how = if with_error { 2 } else { 1 };
                self.has_flag(flag::MAY_UNBLOCK) && self.unblock.compare_exchange(0, how, Relaxed, Relaxed).is_ok()
            }
        };
        if ended {
            self.poke();
        }
        ended
    }

    /// Whether there is mail.
    #[inline]
    pub fn has_mail(&self) -> bool {
        self.has_mail.load(Relaxed)
    }

    /// Bytes of mail waiting.
    pub fn mail_len(&self) -> usize {
        self.outbox.lock().len()
    }

    /// Takes the mail.
    pub fn take_mail(&self) -> Vec<u8> {
        let mut outbox = self.outbox.lock();
        self.has_mail.store(false, Relaxed);
        std::mem::take(&mut *outbox)
    }

    /// Makes its worker look at it (after setting `kill` or `unblock`).
    pub fn poke(&self) {
        (self.wake)(self.id);
    }

    /// Ends its wait as if the time were over: it is replied what it waits for.
    pub fn wake(&self) {
        self.unblock.store(1, Relaxed);
        self.poke();
    }

    /// Has it closed.
    pub fn close(&self) {
        self.kill.store(true, Relaxed);
        self.poke();
    }

    /// Memory charged to the client, bytes: buffers and bookkeeping.
    pub fn memory(&self) -> u64 {
        CLIENT_BYTES
            + self.qbuf.load(Relaxed)
            + self.qbuf_free.load(Relaxed)
            + self.omem.load(Relaxed)
            + self.argv_mem.load(Relaxed)
            + self.multi_mem.load(Relaxed)
            + self.state_mem.load(Relaxed)
    }
}

/// Memory of a client without buffers, bytes.
pub const CLIENT_BYTES: u64 = 1024;

/// All connected clients, by id.
#[derive(Default)]
pub struct Clients {
    map: Mutex<BTreeMap<u64, Arc<ClientShared>>>,
    next: AtomicU64,
    count: AtomicU64,
}

impl Clients {
    /// The id of a new client.
    pub fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Relaxed) + 1
    }

    /// Adds a client.
    pub fn add(&self, c: Arc<ClientShared>) {
        self.count.fetch_add(1, Relaxed);
        self.map.lock().insert(c.id, c);
    }

    /// Removes a client.
    pub fn remove(&self, id: u64) {
        if self.map.lock().remove(&id).is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// A client by id. One that is to be closed is not there any more.
    pub fn get(&self, id: u64) -> Option<Arc<ClientShared>> {
        self.map.lock().get(&id).filter(|c| !c.kill.load(Relaxed)).cloned()
    }

    /// All clients that are not to be closed, by ascending id.
    pub fn all(&self) -> Vec<Arc<ClientShared>> {
        self.map.lock().values().filter(|c| !c.kill.load(Relaxed)).cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed) as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
