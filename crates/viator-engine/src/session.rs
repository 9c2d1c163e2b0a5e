//! The state of a connection that only its worker touches.

use crate::aof::State;
use crate::args::OwnedArgs;
use crate::blocking::{self, Waiter};
use crate::client::{ClientShared, flag};
use crate::config::Config;
use crate::local::Local;
use crate::server::{Server, gate as server_gate};
use crate::{auth, pubsub, tracking, transaction};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use viator_resp::reply::Reply;
use viator_script::Console;

/// What CLIENT REPLY chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// No reply is sent.
    Off,
    /// The next command's reply is not sent (set by CLIENT REPLY SKIP during that command itself).
    SkipNext,
    /// This command's reply is not sent.
    Skip,
}

/// A transaction being queued.
#[derive(Default, Debug)]
pub struct Multi {
    /// The queue.
    pub queue: Vec<OwnedArgs>,
    /// A command was refused while queueing: EXEC aborts.
    pub aborted: bool,
    /// Bytes of the queue.
    pub memory: usize,
}

/// A watched key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Database.
    pub db: usize,
    /// Key.
    pub key: Vec<u8>,
}

/// Why dispatch cannot take the fast path for a session; bits of [`Session::gate`].
pub mod gate {
    /// Not authenticated.
    pub const AUTH: u32 = 1;
    /// In MULTI.
    pub const MULTI: u32 = 1 << 1;
    /// RESP2 client with subscriptions.
    pub const SUBSCRIBED: u32 = 1 << 2;
    /// CLIENT REPLY is not ON.
    pub const REPLY: u32 = 1 << 3;
    /// CLIENT TRACKING is on, and remembers keys.
    pub const TRACKING: u32 = 1 << 4;
    /// The user's permissions must be checked.
    pub const ACL: u32 = 1 << 5;
    /// A MONITOR client, which may send little else.
    pub const MONITOR: u32 = 1 << 6;
    /// SCRIPT DEBUG is on: the debugger must be able to take the connection.
    pub const DEBUGGER: u32 = 1 << 7;
    /// SCRIPT DEBUG YES was refused: a script of a client that did not look must not change what it believes to be a copy.
    pub const NO_COPY: u32 = 1 << 8;
}

/// See the module.
pub struct Session {
    /// What others see.
    pub shared: Arc<ClientShared>,
    /// Selected database.
    pub db: usize,
    /// RESP3 was chosen.
    pub resp3: bool,
    /// Reasons against the fast path.
    pub gate: u32,
    /// The transaction being queued.
    pub multi: Option<Box<Multi>>,
    /// Watched keys.
    pub watched: Vec<Watched>,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// Close after the reply was sent.
    pub close_after_reply: bool,
    /// Peer address for NOAUTH-free protected mode and logs; `true` for loopback and unix sockets.
    pub local: bool,
    /// CLIENT TRACKING.
    pub tracking: Option<Box<tracking::Mode>>,
    /// What it subscribes to.
    pub subscriptions: crate::pubsub::Subscriptions,
    /// What a blocked client waits for.
    pub blocked: Option<Blocked>,
    /// Number of the last command, for the table's fast lookup.
    pub last_command: usize,
    /// Commands of EXEC or of a script are running: nothing may block.
    pub in_exec: bool,
    /// A script is running.
    pub in_script: bool,
    /// Unix microseconds at its beginning: time stands still for it.
    pub script_us: i64,
    /// The propagation log's end after this client's last write.
    pub log_end: u64,
    /// It stands in for the session of a client that waits.
    pub stand_in: StandIn,
    /// The client's connection, for the debugger, while a command of a client that debugs scripts is executed.
    pub console: Option<Box<dyn Console>>,
}

/// Whether a session is a client's own, or stands in for it while a command that waits is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// It is the client's own.
    No,
    /// It stands in.
    Tries,
    /// It stands in, and the command would wait again.
    Waits {
        /// When it is to be tried again without a reason, Unix milliseconds.
        again: Option<i64>,
    },
}

/// WAITAOF where there is nothing to wait for.
pub const WAITAOF_DISABLED: &str = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

/// Why a client's input is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// CLIENT PAUSE: the command is tried again when the pause ends.
    Paused(OwnedArgs),
    /// SHUTDOWN, until the server ends or the shutdown is aborted.
    Shutdown,
    /// A command that waits for keys.
    Keys(Arc<Waiter>),
    /// A command that waits for a time at most, or until CLIENT UNBLOCK.
    Waiting(Waiting),
}

/// See [`Blocked::Waiting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Unix milliseconds; `None`: without end.
    pub until: Option<i64>,
    /// What is replied when the time is over.
    pub reply: Vec<u8>,
    /// WAITAOF: the offset of the propagation log that must be on the disk.
    pub synced: Option<u64>,
}

impl Session {
    /// The session of a new client.
    pub fn new(shared: Arc<ClientShared>, local: bool, needs_auth: bool) -> Session {
        Session {
            shared,
            db: 0,
            resp3: false,
            gate: if needs_auth { gate::AUTH } else { 0 },
            multi: None,
            watched: Vec::new(),
            reply_mode: ReplyMode::On,
            no_touch: false,
            close_after_reply: false,
            local,
            tracking: None,
            subscriptions: crate::pubsub::Subscriptions::default(),
            blocked: None,
            last_command: usize::MAX,
            in_exec: false,
            in_script: false,
            script_us: 0,
            stand_in: StandIn::No,
            log_end: 0,
            console: None,
        }
    }

    /// Whether the client may run commands that need authentication.
    pub fn authenticated(&self) -> bool {
        self.gate & gate::AUTH == 0
    }

    /// Ends the session when the client is gone: nothing of it stays behind. No shard may be held.
    pub fn close(&mut self, server: &Server) {
        self.unblock(server);
        transaction::discard(self, server);
        pubsub::forget(server, self);
        tracking::disable(server, self);
        self.leave_monitors(server);
        server.clients.remove(self.shared.id);
    }

    /// RESET: the state of a new connection, except for the library's name and version. No shard may be held.
    pub fn reset(&mut self, server: &Server, cfg: &Config) {
        transaction::discard(self, server);
        pubsub::forget(server, self);
        tracking::disable(server, self);
        self.leave_monitors(server);
        self.select(0);
        self.resp3 = false;
        self.no_touch = false;
        self.reply_mode = ReplyMode::On;
        self.shared.set_flag(flag::NO_TOUCH | flag::NO_EVICT | flag::READONLY, false);
        {
            let mut identity = self.shared.identity.lock();
            identity.name.clear();
            identity.resp = 2;
        }
        auth::reset(self, cfg);
    }

    fn leave_monitors(&mut self, server: &Server) {
        if self.shared.has_flag(flag::MONITOR) {
            self.shared.set_flag(flag::MONITOR, false);
            self.set_gate(gate::MONITOR, false);
            let mut monitors = server.monitors.lock();
            monitors.retain(|m| m.id != self.shared.id);
            server.set_gate(server_gate::MONITOR, !monitors.is_empty());
        }
    }

    /// Stops looking at the client's input until what it waits for has come.
    pub fn block(&mut self, server: &Server, reason: Blocked) {
        let may_unblock = matches!(reason, Blocked::Waiting(_) | Blocked::Keys(_));
        if let Blocked::Keys(w) = &reason {
            *self.shared.waiter.lock() = Some(w.clone());
        }
        if matches!(&reason, Blocked::Waiting(w) if w.synced.is_some()) {
            server.aof.waiters.fetch_add(1, Relaxed);
        }
        self.blocked = Some(reason);
        server.blocking.with_timeout.fetch_add(u64::from(self.deadline().is_some()), Relaxed);
        self.shared.unblock.store(0, Relaxed);
        self.shared.set_flag(flag::BLOCKED, true);
        self.shared.set_flag(flag::MAY_UNBLOCK, may_unblock);
        server.blocked_clients.fetch_add(1, Relaxed);
    }

    /// When the wait ends by itself, Unix milliseconds.
    pub fn deadline(&self) -> Option<i64> {
        match &self.blocked {
            Some(Blocked::Waiting(w)) => w.until,
            Some(Blocked::Keys(w)) => w.until(),
            _ => None,
        }
    }

    /// When its worker has to look at the wait, Unix milliseconds.
    pub fn due(&self) -> Option<i64> {
        match &self.blocked {
            Some(Blocked::Keys(w)) => w.due(),
            _ => self.deadline(),
        }
    }

    /// The wait for keys whose command is to be tried again at `now`.
    pub fn due_again(&self, now: i64) -> Option<Arc<Waiter>> {
        match &self.blocked {
            Some(Blocked::Keys(w)) if w.is_due_again(now) => Some(w.clone()),
            _ => None,
        }
    }

    /// Ends a wait whose time is over at `now`, or that CLIENT UNBLOCK ended: replies. Returns whether it did.
    pub fn end_wait(&mut self, local: &Local, server: &Server, now: i64, out: &mut Reply) -> bool {
        if let Some(Blocked::Keys(w)) = &self.blocked {
            let w = w.clone();
            return self.end_wait_for_keys(&w, local, server, now, out);
        }
        let by = self.shared.unblock.load(Relaxed);
        if matches!(self.blocked, Some(Blocked::Shutdown)) && by != 0 {
            self.unblock(server);
            let line = "ERR Errors trying to SHUTDOWN. Check logs.";
            out.error(line);
            server.count_error(line);
            return true;
        }
        let Some(Blocked::Waiting(w)) = &self.blocked else { return false };
        let synced = w.synced.is_some_and(|offset| server.aof.synced.load(Relaxed) >= offset);
        let off = w.synced.is_some() && server.aof.state() == State::Off;
        if by == 0 && !synced && !off && w.until.is_none_or(|t| now < t) {
            return false;
        }
        if by != 2 && (synced || off) {
            self.unblock(server);
            if off && !synced {
                out.error(WAITAOF_DISABLED);
                server.count_error(WAITAOF_DISABLED);
            } else {
                out.raw(b"*2\r\n:1\r\n:0\r\n");
            }
            return true;
        }
        match self.unblock(server) {
            Some(Blocked::Waiting(w)) if by != 2 => out.raw(&w.reply),
            _ => {
                let line = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
                out.error(line);
                server.count_error(line);
            }
        }
        true
    }

    fn end_wait_for_keys(&mut self, w: &Waiter, local: &Local, server: &Server, now: i64, out: &mut Reply) -> bool {
        let over = w.until().is_some_and(|t| t <= now);
        let state = if over { w.end(blocking::State::TimedOut) } else { w.state() };
        if state == blocking::State::Waiting {
            return false;
        }
        self.unblock(server);
        self.log_end = w.log_end();
        let stats = local.stats.commands.get(w.entry());
        match state {
            blocking::State::TimedOut => w.time_out(out),
            blocking::State::Unblocked => {
                let line = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
                if !w.is_silent() {
                    out.error(line);
                }
                server.count_error(line);
                local.stats.counters.errors.add(1);
                if let Some(s) = stats {
                    s.failed.add(1);
                }
            }
            blocking::State::Served | blocking::State::Waiting | blocking::State::Gone => return true,
        }
        // one that was served was counted then
        local.stats.counters.commands.add(1);
        if let Some(s) = stats {
            s.calls.add(1);
        }
        true
    }

    /// Ends a wait; gives what it was for. No shard may be held.
    pub fn unblock(&mut self, server: &Server) -> Option<Blocked> {
        server.blocking.with_timeout.fetch_sub(u64::from(self.deadline().is_some()), Relaxed);
        let reason = self.blocked.take()?;
        if let Blocked::Keys(w) = &reason {
            blocking::leave(server, w);
            *self.shared.waiter.lock() = None;
        }
        self.shared.set_flag(flag::BLOCKED | flag::MAY_UNBLOCK, false);
        server.blocked_clients.fetch_sub(1, Relaxed);
        if matches!(&reason, Blocked::Waiting(w) if w.synced.is_some()) {
            server.aof.waiters.fetch_sub(1, Relaxed);
        }
        Some(reason)
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Sets or clears a reason against the fast path.
    pub fn set_gate(&mut self, bit: u32, on: bool) {
        if on {
            self.gate |= bit;
        } else {
            self.gate &= !bit;
        }
    }

    /// Selects a database.
    pub fn select(&mut self, db: usize) {
        if self.db != db {
            self.db = db;
            self.shared.identity.lock().db = db;
        }
    }

    /// Begins a transaction.
    pub fn begin_multi(&mut self) {
        self.multi = Some(Box::default());
        self.set_gate(gate::MULTI, true);
        self.shared.set_flag(flag::MULTI, true);
        self.shared.multi.store(1, Relaxed);
    }

    /// Queues a command.
    pub fn queue(&mut self, args: OwnedArgs) {
        if let Some(m) = &mut self.multi {
            m.memory += args.memory() + size_of::<OwnedArgs>();
            self.shared.multi_args.fetch_add(args.args().bytes() as u64, Relaxed);
            m.queue.push(args);
            self.shared.multi.store(m.queue.len() as u32 + 1, Relaxed);
            self.shared.multi_mem.store(m.memory as u64, Relaxed);
        }
    }

    /// Takes the queue of the transaction, for EXEC. Others see it until [`Session::end_multi`].
    pub fn take_multi(&mut self) -> Option<Box<Multi>> {
        self.set_gate(gate::MULTI, false);
        self.multi.take()
    }

    /// Ends the transaction.
    pub fn end_multi(&mut self) {
        self.set_gate(gate::MULTI, false);
        self.multi = None;
        self.shared.set_flag(flag::MULTI, false);
        self.shared.multi.store(0, Relaxed);
        self.shared.multi_mem.store(0, Relaxed);
        self.shared.multi_args.store(0, Relaxed);
    }

    /// Marks the transaction as one that EXEC must abort.
    pub fn abort_multi(&mut self) {
        if let Some(m) = &mut self.multi {
            m.aborted = true;
        }
    }
}
