//! An event loop: one thread, its connections, its mailbox. The first worker also accepts.

mod listeners;
mod slab;

pub use self::listeners::Listeners;

use self::slab::Slab;
use crate::aof::Aof;
use crate::conn::{Conn, State};
use crate::memory::Memory;
use crate::net::{Accepted, Stream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::time::{Duration, Instant};
use viator_engine::blocking;
use viator_engine::client::ClientShared;
use viator_engine::client_evict::evict_clients;
use viator_engine::local::Local;
use viator_engine::scripting;
use viator_engine::server::{Server, gate};
use viator_engine::session::{Blocked, Session};
use viator_resp::reply::Reply;

const WAKE: Token = Token(usize::MAX);
/// Tokens from here on are listeners.
const LISTENERS: usize = usize::MAX - 1024;
/// Bytes read at once.
const READ: usize = 64 * 1024;
/// Reads of one connection before others have their turn.
const READS_PER_TURN: usize = 16;
/// How long writes are gathered for one fsync at most.
const GATHER: Duration = Duration::from_millis(1);

/// A message to a worker.
pub enum Message {
    /// A new connection.
    Accept(Accepted),
    /// A client has mail, or is to be closed.
    Look(u64),
    /// Blocked clients are to be looked at again.
    Recheck,
    /// More of the log is on the disk.
    Settled,
    /// The end.
    Stop,
}

/// The way into a worker from other threads.
pub struct Inbox {
    messages: Mutex<Vec<Message>>,
    awake: AtomicBool,
    /// It holds replies until the append-only file is on the disk.
    holds: AtomicBool,
    waker: Waker,
    /// Connections it serves.
    pub connections: AtomicUsize,
}

impl Inbox {
    /// Leaves a message and wakes the worker, once until it has looked.
    pub fn send(&self, m: Message) {
        self.messages.lock().push(m);
        if !self.awake.swap(true, Relaxed) && self.waker.wake().is_err() {
            tracing::warn!("a worker cannot be woken");
        }
    }

    /// Whether it holds replies until the append-only file is on the disk.
    pub(crate) fn holds(&self) -> bool {
        self.holds.load(Relaxed)
    }
}

/// What belongs to a worker's connections.
#[derive(Default)]
pub(crate) struct Desk {
    conns: Slab,
    by_id: HashMap<u64, usize>,
    /// Connections that may have more to read although no event will say so.
    again: Vec<usize>,
    /// Connections whose replies wait for the append-only file.
    held: Vec<usize>,
    /// When clients' waits end (Unix milliseconds), earliest first, and whose.
    waits: BTreeSet<(i64, u64)>,
    /// Messages that were not followed yet: what is before them may run a script that takes long.
    later: VecDeque<Message>,
}

/// What became of a connection's turn to be read.
enum Turn {
    /// It is over.
    Closed,
    /// There may be more.
    Again,
    /// The socket is empty.
    Done,
}

/// See the module.
pub struct Worker {
    index: usize,
    poll: Poll,
    server: Arc<Server>,
    memory: Arc<Memory>,
    inbox: Arc<Inbox>,
    peers: Vec<Arc<Inbox>>,
    listeners: Arc<Listeners>,
    aof: Arc<Aof>,
    registry: Rc<Registry>,
    desk: Desk,
    /// Where the desk lies while a command is executed: a script that takes long has it served from there.
    loan: Rc<RefCell<Option<Desk>>>,
    gathering: Gathering,
}

/// With `appendfsync always`: what waits for an fsync that was not begun yet. It begins when no client of this worker has
/// anything to do, so that all who are ready share it; and the worker makes it itself, for nobody can be answered before it is
/// done, and handing it to another thread and back costs as much as a command. Other workers serve their clients and make
/// their own meanwhile.
#[derive(Default)]
struct Gathering {
    /// Since when.
    since: Option<Instant>,
    /// The log's offset up to which it was made.
    asked: u64,
}

impl Gathering {
    /// Whether to go on gathering. `idle`: no client has anything to do.
    fn goes_on(&mut self, end: u64, idle: bool) -> bool {
        if end > self.asked && !idle && self.since.get_or_insert_with(Instant::now).elapsed() < GATHER {
            return true;
        }
        self.since = None;
        self.asked = end;
        false
    }
}

impl Worker {
    /// A worker's poll and inbox: made before the threads, so that all know each other.
    ///
    /// # Errors
    /// Those of the system.
    pub fn prepare() -> io::Result<(Poll, Arc<Inbox>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let inbox = Inbox {
            messages: Mutex::default(),
            awake: AtomicBool::new(false),
            holds: AtomicBool::new(false),
            waker,
            connections: AtomicUsize::new(0),
        };
        Ok((poll, Arc::new(inbox)))
    }

    /// A worker.
    ///
    /// # Errors
    /// Those of the system.
    #[expect(clippy::too_many_arguments, reason = "each is another part of the process")]
    pub fn new(
        index: usize,
        poll: Poll,
        server: Arc<Server>,
        memory: Arc<Memory>,
        inbox: Arc<Inbox>,
        peers: Vec<Arc<Inbox>>,
        listeners: Arc<Listeners>,
        aof: Arc<Aof>,
    ) -> io::Result<Worker> {
        let registry = poll.registry().try_clone()?;
        Ok(Worker {
            index,
            poll,
            server,
            memory,
            inbox,
            peers,
            listeners,
            aof,
            registry: Rc::new(registry),
            desk: Desk::default(),
            loan: Rc::default(),
            gathering: Gathering::default(),
        })
    }

    /// Executes what `f` does with a connection, which is out of the table meanwhile; the others are where a script that
    /// takes long can have them served.
    fn serve<R>(&mut self, token: usize, f: impl FnOnce(&mut Conn) -> R) -> Option<R> {
        let mut conn = self.desk.conns.take_out(token)?;
        *self.loan.borrow_mut() = Some(std::mem::take(&mut self.desk));
        let result = f(&mut conn);
        self.desk = self.loan.borrow_mut().take().unwrap_or_default();
        self.desk.conns.insert(token, conn);
        Some(result)
    }

    /// Runs until told to stop.
    pub fn run(mut self) {
        let server = self.server.clone();
        let mut local = Local::new(&server);
        let _ = local.stats.worker.set(self.index); // a new thread's is not set
        let counted = self.memory.this_thread();
        let mut events = Events::with_capacity(1024);
        let mut buf = vec![0u8; READ];
        let mut out = Reply::new();
        let mut last_tick = 0i64;
        let pump = crate::pump::Pump {
            loan: self.loan.clone(),
            registry: self.registry.clone(),
            server: self.server.clone(),
            inbox: self.inbox.clone(),
            listeners: (self.index == 0).then(|| self.listeners.clone()),
            index: self.index,
            own: RefCell::new(None),
        };
        scripting::set_pump(&mut local, Rc::new(move || pump.turn()));
        self.memory.publish(&counted);
        loop {
            let timeout = if !self.desk.again.is_empty() || self.gathering.since.is_some() {
                Duration::ZERO
            } else if server.gate.load(Relaxed) & (gate::PAUSED | gate::CLIENT_EVICTION) != 0 {
                Duration::from_millis(20)
            } else {
                let now = local.clock.now_ms();
                let next = self.desk.waits.first().map_or(500, |(until, _)| (until - now).clamp(0, 500));
                Duration::from_millis(next as u64)
            };
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    tracing::warn!("waiting for events failed: {e}");
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
            }
            let idle = events.is_empty() && self.desk.again.is_empty();
            let began = local.begin_batch(&server);
            let commands = local.stats.counters.commands.get();
            for event in &events {
                match event.token() {
                    WAKE => {
                        if self.messages(&mut local, &server, &mut out) {
                            return;
                        }
                    }
                    Token(t) if t >= LISTENERS => self.accept(&mut local, &server, t - LISTENERS),
                    Token(t) => {
                        if event.is_writable() {
                            self.write(t, &server);
                        }
                        let ended = event.is_read_closed() || event.is_error();
                        if ended && let Some(conn) = self.desk.conns.get_mut(t) {
                            conn.ended = true;
                        }
                        if ended || event.is_readable() {
                            self.read(t, &mut local, &server, &mut buf, &mut out);
                        }
                    }
                }
            }
            if !self.desk.later.is_empty() && self.messages(&mut local, &server, &mut out) {
                return;
            }
            for t in std::mem::take(&mut self.desk.again) {
                self.read(t, &mut local, &server, &mut buf, &mut out);
            }
            self.end_waits(&mut local, &server, &mut out);
            // what was evicted or had expired, without a command that served those who wait for it
            blocking::serve_rest(&mut local, &server);
            self.settle(&server, idle);
            self.tick(&mut local, &server, &mut last_tick);
            self.memory.publish(&counted);
            let counters = &local.stats.counters;
            counters.loops.add(1);
            counters.loop_max_commands.raise(counters.commands.get().saturating_sub(commands));
            let ns = local.clock.read().saturating_sub(began);
            let counters = &local.stats.counters;
            counters.loop_ns.add(ns);
            counters.loop_max_ns.raise(ns);
        }
    }

    fn messages(&mut self, local: &mut Local, server: &Server, out: &mut Reply) -> bool {
        self.inbox.awake.store(false, Relaxed);
        self.desk.later.extend(std::mem::take(&mut *self.inbox.messages.lock()));
        // one at a time, and the others where a script finds them: a new connection's may be what ends it
        while let Some(m) = self.desk.later.pop_front() {
            match m {
                Message::Accept(new) => self.adopt(local, server, new),
                Message::Look(id) => {
                    let Some(&token) = self.desk.by_id.get(&id) else { continue };
                    out.clear();
                    match self.serve(token, |conn| conn.deliver(local, server, out)) {
                        Some(State::Closed) => self.close(token, server),
                        Some(State::Open) => self.after_wait(token),
                        None => {}
                    }
                }
                Message::Recheck => self.recheck(local, server, out),
                Message::Settled => self.end_synced(local, server, out),
                Message::Stop => {
                    self.settle(server, true);
                    let tokens: Vec<usize> = self.desk.conns.iter_mut().map(|(t, _)| t).collect();
                    for t in tokens {
                        self.close(t, server);
                    }
                    return true;
                }
            }
        }
        false
    }

    /// Retries clients that CLIENT PAUSE held back, and serves those that wait for keys.
    fn recheck(&mut self, local: &mut Local, server: &Server, out: &mut Reply) {
        local.begin_batch(server);
        blocking::resume(local, server);
        let mut waiting: Vec<(u64, usize)> = self
            .desk
            .conns
            .iter_mut()
            .filter(|(_, c)| matches!(c.session.blocked, Some(Blocked::Paused(_))))
            .map(|(t, c)| (c.session.id(), t))
            .collect();
        waiting.sort_unstable();
        for (_, token) in waiting {
            out.clear();
            match self.serve(token, |conn| conn.retry(local, server, out)) {
                Some(State::Closed) => self.close(token, server),
                Some(State::Open) => self.after_wait(token),
                None => {}
            }
        }
    }

    /// Notes a client's new wait, or that it has input that nobody looked at while it waited.
    fn after_wait(&mut self, token: usize) {
        let Some(conn) = self.desk.conns.get_mut(token) else { return };
        arm(conn, &mut self.desk.waits);
        if conn.held() {
            self.desk.held.push(token);
        }
        if conn.session.blocked.is_none() && conn.readable {
            self.desk.again.push(token);
        }
    }

    /// Sends the replies that waited for the append-only file, as far as that has got: at the end of a turn all that was
    /// logged is written.
    fn settle(&mut self, server: &Server, idle: bool) {
        if self.desk.held.is_empty() {
            self.gathering.since = None;
            return;
        }
        let always = server.aof.always.load(Relaxed);
        self.inbox.holds.store(true, Relaxed);
        // whoever syncs the log looks after that whether there is somebody to tell
        fence(SeqCst);
        if !always {
            self.aof.flush(server);
        } else if !self.gathering.goes_on(server.propagation.end(), idle) {
            self.aof.flush_here(server);
        }
        let settled = server.aof.settled();
        for token in std::mem::take(&mut self.desk.held) {
            let Some(conn) = self.desk.conns.get_mut(token) else { continue };
            // without `always` a write that could not be made holds nobody up
            if always && !conn.may_send(settled) {
                self.desk.held.push(token);
            } else if !conn.release() {
                self.close(token, server);
            }
        }
        self.inbox.holds.store(!self.desk.held.is_empty(), Relaxed);
    }

    /// Ends WAITAOF where what it waits for is on the disk.
    fn end_synced(&mut self, local: &mut Local, server: &Server, out: &mut Reply) {
        if server.aof.waiters.load(Relaxed) == 0 {
            return;
        }
        let waiting: Vec<usize> = self
            .desk
            .conns
            .iter_mut()
            .filter(|(_, c)| matches!(&c.session.blocked, Some(Blocked::Waiting(w)) if w.synced.is_some()))
            .map(|(t, _)| t)
            .collect();
        for token in waiting {
            self.end_wait(token, local, server, out);
        }
    }

    /// Ends the waits whose time is over.
    fn end_waits(&mut self, local: &mut Local, server: &Server, out: &mut Reply) {
        let now = local.clock.now_ms();
        while let Some((until, id)) = self.desk.waits.first().copied()
            && until <= now
        {
            self.desk.waits.pop_first();
            let Some(&token) = self.desk.by_id.get(&id) else { continue };
            let Some(conn) = self.desk.conns.get_mut(token) else { continue };
            conn.armed = None;
            if let Some(w) = conn.session.due_again(now) {
                blocking::try_again(local, server, &w);
            }
            self.end_wait(token, local, server, out);
        }
    }

    fn end_wait(&mut self, token: usize, local: &mut Local, server: &Server, out: &mut Reply) {
        out.clear();
        let state = self.serve(token, |conn| {
            out.set_resp3(conn.session.resp3);
            conn.end_wait(local, server, out)
        });
        match state {
            Some(State::Closed) => self.close(token, server),
            Some(State::Open) => self.after_wait(token),
            None => {}
        }
    }

    fn accept(&mut self, local: &mut Local, server: &Server, listener: usize) {
        while let Some(new) = self.listeners.accept(listener, server) {
            // the worker with the fewest connections
            let target = self
                .peers
                .iter()
                .enumerate()
                .min_by_key(|(_, p)| p.connections.load(Relaxed))
                .map_or(self.index, |(i, _)| i);
            if let Some(p) = self.peers.get(target) {
                p.connections.fetch_add(1, Relaxed);
                if target == self.index {
                    self.adopt(local, server, new);
                } else {
                    p.send(Message::Accept(new));
                }
            }
        }
    }

    fn adopt(&mut self, local: &mut Local, server: &Server, new: Accepted) {
        let place = Place { registry: &self.registry, inbox: &self.inbox, index: self.index };
        self.desk.adopt(&place, local, server, new);
    }

    fn read(&mut self, token: usize, local: &mut Local, server: &Server, buf: &mut [u8], out: &mut Reply) {
        let mut was_held = false;
        let turn = self.serve(token, |conn| {
            was_held = conn.held();
            read(conn, local, server, buf, out)
        });
        match turn {
            Some(Turn::Closed) => return self.close(token, server),
            Some(Turn::Again) => self.desk.again.push(token),
            Some(Turn::Done) => {}
            None => return,
        }
        let Some(conn) = self.desk.conns.get_mut(token) else { return };
        if conn.held() && !was_held {
            self.desk.held.push(token);
        }
        arm(conn, &mut self.desk.waits);
    }

    fn write(&mut self, token: usize, server: &Server) {
        let Some(conn) = self.desk.conns.get_mut(token) else { return };
        if conn.has_pending() && (!conn.write_pending() || conn.done()) {
            self.close(token, server);
        }
    }

    fn close(&mut self, token: usize, server: &Server) {
        let place = Place { registry: &self.registry, inbox: &self.inbox, index: self.index };
        self.desk.close(&place, token, server);
    }

    /// What is due every now and then: idle clients, soft output limits, the end of a pause.
    fn tick(&mut self, local: &mut Local, server: &Server, last: &mut i64) {
        let now = local.clock.now_ms();
        if server.gate.load(Relaxed) & gate::PAUSED != 0 {
            // asking notes the end
            server.paused(now);
        }
        if self.index == 0 && server.gate.load(Relaxed) & gate::CLIENT_EVICTION != 0 {
            evict_clients(server, &local.cfg);
        }
        if now - *last < 500 {
            return;
        }
        *last = now;
        let timeout = local.cfg.timeout * 1000;
        let mut dead = Vec::new();
        for (t, c) in self.desk.conns.iter_mut() {
            let idle = timeout > 0
                && now - c.last_ms > timeout
                && c.session.blocked.is_none()
                && !c.session.shared.has_flag(
                    viator_engine::client::flag::PUBSUB
                        | viator_engine::client::flag::MONITOR
                        | viator_engine::client::flag::REPLICA,
                );
            if idle {
                tracing::debug!("Closing idle client");
                dead.push(t);
            } else if c.has_pending() && c.check_output_limit(local, server) == State::Closed {
                dead.push(t);
            }
        }
        for t in dead {
            self.close(t, server);
        }
    }
}

/// Reads a connection and executes what comes.
fn read(conn: &mut Conn, local: &mut Local, server: &Server, buf: &mut [u8], out: &mut Reply) -> Turn {
    conn.readable = true;
    for _ in 0..READS_PER_TURN {
        match conn.stream.read(buf) {
            Ok(0) => return Turn::Closed,
            // what still comes is thrown away, until the end is seen
            Ok(_) if conn.closing => {}
            Ok(n) => {
                local.stats.counters.reads.add(1);
                local.stats.counters.net_in.add(n as u64);
                let bytes = buf.get(..n).unwrap_or_default();
                if conn.feed(local, server, bytes, out) == State::Closed {
                    return Turn::Closed;
                }
                if n < buf.len() && !conn.ended {
                    conn.readable = false;
                    return Turn::Done; // the socket is empty: the next event tells of more
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                conn.readable = conn.closing;
                return Turn::Done;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                tracing::debug!("Reading from client: {e}");
                return Turn::Closed;
            }
        }
    }
    Turn::Again
}

/// The worker around a desk.
pub(crate) struct Place<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) inbox: &'a Arc<Inbox>,
    pub(crate) index: usize,
}

impl Desk {
    pub(crate) fn adopt(&mut self, place: &Place<'_>, local: &Local, server: &Server, new: Accepted) {
        let Accepted { mut stream, addr, laddr, near } = new;
        let token = self.conns.vacant();
        if let Err(e) = place.registry.register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE) {
            tracing::warn!("Error registering fd event for the new client: {e}");
            place.inbox.connections.fetch_sub(1, Relaxed);
            self.conns.give_back(token);
            return;
        }
        let id = server.clients.next_id();
        let inbox = place.inbox.clone();
        let wake = Arc::new(move |id| inbox.send(Message::Look(id)));
        let now = local.clock.now_ms();
        let unix = matches!(stream, Stream::Unix(_));
        let shared = Arc::new(ClientShared::new(id, addr, laddr, unix, stream.fd(), place.index, now, wake));
        tracing::debug!("Accepted {}", shared.addr);
        server.clients.add(shared.clone());
        let session = Session::new(shared, near, !server.config.load().requirepass.is_empty());
        self.by_id.insert(id, token);
        self.conns.insert(token, Box::new(Conn::new(stream, session, local.stats.clone(), now)));
    }

    pub(crate) fn close(&mut self, place: &Place<'_>, token: usize, server: &Server) {
        let Some(mut conn) = self.conns.remove(token) else { return };
        drop(place.registry.deregister(&mut conn.stream)); // closing ends it anyway
        self.by_id.remove(&conn.session.id());
        if let Some(until) = conn.armed {
            self.waits.remove(&(until, conn.session.id()));
        }
        place.inbox.connections.fetch_sub(1, Relaxed);
        tracing::debug!("Client closed connection id={} addr={}", conn.session.id(), conn.session.shared.addr);
        conn.session.close(server);
    }

    /// While a script takes long: looks at messages and reads every connection once.
    pub(crate) fn pump(
        &mut self,
        place: &Place<'_>,
        local: &mut Local,
        server: &Server,
        buf: &mut [u8],
        out: &mut Reply,
    ) {
        place.inbox.awake.store(false, Relaxed);
        self.later.extend(std::mem::take(&mut *place.inbox.messages.lock()));
        for m in std::mem::take(&mut self.later) {
            match m {
                Message::Accept(new) => self.adopt(place, local, server, new),
                Message::Stop => {
                    server.scripting.running.kill_all();
                    self.later.push_back(Message::Stop);
                }
                other => self.later.push_back(other),
            }
        }
        for token in 0..self.conns.tokens() {
            let Some(mut conn) = self.conns.take_out(token) else { continue };
            let blocked = conn.session.blocked.is_some();
            let was_held = conn.held();
            let turn = if matches!(conn.session.blocked, Some(Blocked::Paused(_))) {
                // what a pause held back may be what ends the script
                out.clear();
                if conn.retry(local, server, out) == State::Closed { Turn::Closed } else { Turn::Done }
            } else if blocked {
                Turn::Done
            } else {
                read(&mut conn, local, server, buf, out)
            };
            if conn.held() && !was_held {
                self.held.push(token);
            }
            arm(&mut conn, &mut self.waits);
            self.conns.insert(token, conn);
            match turn {
                Turn::Closed => self.close(place, token, server),
                Turn::Again => self.again.push(token),
                Turn::Done => {}
            }
        }
    }
}

/// Notes when a client's wait ends, or that it does not wait any more.
fn arm(conn: &mut Conn, waits: &mut BTreeSet<(i64, u64)>) {
    let until = conn.session.due();
    if conn.armed != until {
        let id = conn.session.id();
        if let Some(before) = conn.armed {
            waits.remove(&(before, id));
        }
        if let Some(until) = until {
            waits.insert((until, id));
        }
        conn.armed = until;
    }
}
