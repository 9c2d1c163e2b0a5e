//! A connection: bytes in, commands, bytes out. No knowledge of the event loop around it.

use crate::net::Stream;
use crate::wire::Wire;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use viator_engine::args::{Args, OwnedArgs};
use viator_engine::auth;
use viator_engine::batch::{Batch, MAX_COMMANDS, Prepared};
use viator_engine::client::flag;
use viator_engine::config::OutputBufferLimit;
use viator_engine::dispatch::{self, Flow};
use viator_engine::local::Local;
use viator_engine::server::Server;
use viator_engine::session::{Blocked, Session};
use viator_engine::stats::ThreadStats;
use viator_engine::tracking;
use viator_resp::reply::Reply;
use viator_resp::request::{Limits, Parsed, Parser, ProtocolError};

/// Most output that waits for a client that has not authenticated, bytes.
const MAX_STRANGERS_OUTPUT: u64 = 1024;

/// Last replies up to this many bytes are sent when the client is no longer known; longer ones, which it may never
/// read, while it can still be seen and closed.
const LAST_WORDS: usize = 16 << 10;

/// Output that the socket has not taken yet.
enum Chunk {
    Bytes(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Bytes(b) => b,
            Chunk::Shared(b) => b,
        }
    }
}

/// See the module.
pub struct Conn {
    /// The statistics of the thread that serves it.
    stats: Arc<ThreadStats>,
    /// Its socket.
    pub stream: Stream,
    /// Its state as a client.
    pub session: Session,
    parser: Parser,
    /// Input that is not yet a command, or waits while the client is blocked.
    input: Vec<u8>,
    pending: VecDeque<Chunk>,
    /// Bytes of the first chunk that were sent.
    sent: usize,
    pending_len: usize,
    /// Close once everything was sent.
    pub closing: bool,
    /// Close at once.
    broken: bool,
    /// The socket may have more to read.
    pub readable: bool,
    /// The peer will send no more: what is there is read to its end, since no event will tell of it again.
    pub ended: bool,
    /// Unix seconds since which the soft output limit is exceeded; 0: it is not.
    over_soft_since: i64,
    /// Unix milliseconds of the last input or output progress, for `timeout`.
    pub last_ms: i64,
    /// The end of its wait, if its worker knows of it.
    pub armed: Option<i64>,
    /// Output waits until the append-only file has got so far.
    held_until: Option<u64>,
}

/// What is to become of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It goes on.
    Open,
    /// It is over.
    Closed,
}

impl Conn {
    /// A new connection.
    pub fn new(stream: Stream, session: Session, stats: Arc<ThreadStats>, now_ms: i64) -> Conn {
        Conn {
            stats,
            stream,
            session,
            parser: Parser::new(|line| viator_data::args::split_args(line).ok()),
            input: Vec::new(),
            pending: VecDeque::new(),
            sent: 0,
            pending_len: 0,
            closing: false,
            broken: false,
            readable: true,
            ended: false,
            over_soft_since: 0,
            last_ms: now_ms,
            armed: None,
            held_until: None,
        }
    }

    /// Whether output waits for the socket.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes input and executes the commands in it. Replies are appended to `out` and sent.
    pub fn feed(&mut self, local: &mut Local, server: &Server, bytes: &[u8], out: &mut Reply) -> State {
        self.last_ms = local.clock.now_ms();
        self.session.shared.net_in.fetch_add(bytes.len() as u64, Relaxed);
        if self.session.blocked.is_some() || !self.input.is_empty() {
            self.keep(bytes);
            if self.check_input_limit(local, server) == State::Closed {
                return State::Closed;
            }
            let state = self.resume(local, server, out);
            return if state == State::Open { self.check_input_limit(local, server) } else { state };
        }
        let used = self.run(local, server, bytes, out);
        if let Some(rest) = bytes.get(used..)
            && !rest.is_empty()
            && !self.closing
        {
            self.keep(rest);
        }
        let state = self.finish(local, server, out);
        if state == State::Open { self.check_input_limit(local, server) } else { state }
    }

    /// Keeps input that is not a whole command yet. The buffer grows as vectors do, but for an announced bulk not beyond
    /// its end.
    fn keep(&mut self, bytes: &[u8]) {
        let wanted = self.parser.wanted(self.input.len() + bytes.len());
        if wanted > 0 && self.input.capacity() - self.input.len() < bytes.len() {
            self.input.reserve_exact(bytes.len() + wanted.min(self.input.len().max(1 << 16)));
        }
        self.input.extend_from_slice(bytes);
    }

    /// Bytes of input that are not arguments of a command yet.
    fn unparsed(&self) -> usize {
        self.input.len().saturating_sub(self.parser.taken())
    }

    /// Closes a client whose waiting input and queued transaction together are longer than allowed.
    fn check_input_limit(&self, local: &Local, server: &Server) -> State {
        let held = self.input.len() as u64 + self.session.shared.multi_args.load(Relaxed);
        if held <= local.cfg.client_query_buffer_limit {
            return State::Open;
        }
        server.totals.query_buffer_limit_disconnections.add_shared(1);
        tracing::warn!(
            "Closing client that reached max query buffer length: id={} addr={} (qbuf initial bytes: {})",
            self.session.id(),
            self.session.shared.addr,
            String::from_utf8_lossy(self.input.get(..64).unwrap_or(&self.input)).escape_debug()
        );
        State::Closed
    }

    /// Executes what is in the input buffer.
    pub fn resume(&mut self, local: &mut Local, server: &Server, out: &mut Reply) -> State {
        if self.session.blocked.is_some() {
            return self.finish(local, server, out);
        }
        let input = std::mem::take(&mut self.input);
        let used = self.run(local, server, &input, out);
        self.input = input;
        if used == self.input.len() || self.closing {
            self.input = Vec::new();
        } else if used > 0 {
            self.input.drain(..used);
            if self.input.capacity() > 4 * self.input.len() + 65536 && self.parser.wanted(self.input.len()) == 0 {
                self.input.shrink_to_fit();
            }
        }
        self.finish(local, server, out)
    }

    /// Tries the command again that CLIENT PAUSE held back.
    pub fn retry(&mut self, local: &mut Local, server: &Server, out: &mut Reply) -> State {
        if !matches!(self.session.blocked, Some(Blocked::Paused(_))) {
            return State::Open;
        }
        let Some(Blocked::Paused(args)) = self.session.unblock(server) else { return State::Open };
        let start = local.begin_batch(server);
        self.run_one(local, server, &args, out, start);
        self.resume(local, server, out)
    }

    fn run_one(&mut self, local: &mut Local, server: &Server, args: &OwnedArgs, out: &mut Reply, start: u64) {
        out.set_resp3(self.session.resp3);
        let (flow, _) = dispatch::execute(local, server, &mut self.session, args.args(), None, out, start);
        if flow == Flow::Close {
            self.closing = true;
        }
    }

    /// Executes the commands at the beginning of `bytes`; returns how many bytes they were.
    fn run(&mut self, local: &mut Local, server: &Server, bytes: &[u8], out: &mut Reply) -> usize {
        let mut at = 0;
        let mut clock = local.begin_batch(server);
        out.set_resp3(self.session.resp3);
        let mut batch = std::mem::take(&mut local.batch);
        while self.ready() && at < bytes.len() {
            let (parsed, end) = self.collect(local, server, &mut batch, bytes, at);
            batch.load_ahead(server, self.session.db, bytes);
            for i in 0..batch.len() {
                let Some((args, prepared, after)) = batch.get(i, bytes, server) else { break };
                clock = self.one(local, server, args, Some(prepared), out, clock);
                at = after;
                if !self.ready() {
                    break;
                }
            }
            if !self.ready() {
                break;
            }
            at = at.max(end);
            match parsed {
                Ok(Parsed::Command(n)) => {
                    // an inline command: its arguments are the parser's
                    let args = OwnedArgs::copy(self.parser.args(&[]));
                    clock = self.one(local, server, args.args(), None, out, clock);
                    at += n;
                }
                Ok(Parsed::Nothing(_)) => {}
                Ok(Parsed::Incomplete) => break,
                Err(ProtocolError(text)) => {
                    out.error(&format!("ERR {text}"));
                    tracing::debug!("{text} from client: id={} addr={}", self.session.id(), self.session.shared.addr);
                    self.closing = true;
                }
            }
        }
        if !self.ready() {
            self.parser.restart();
        }
        local.batch = batch;
        tracking::flush(local, server);
        self.parser.shrink();
        self.session.shared.last.store(local.clock.now_ms(), Relaxed);
        at
    }

    /// Whether the next command may run.
    fn ready(&self) -> bool {
        !self.closing && self.session.blocked.is_none()
    }

    /// Parses commands from `at` on into the batch. Returns why it ended (`Nothing`: the batch is full) and the bytes that
    /// were used; what ended it comes after the batch.
    fn collect(
        &mut self,
        local: &Local,
        server: &Server,
        batch: &mut Batch,
        bytes: &[u8],
        mut at: usize,
    ) -> (Result<Parsed, ProtocolError>, usize) {
        batch.clear();
        let limits = Limits { max_bulk: local.cfg.proto_max_bulk_len, authenticated: self.session.authenticated() };
        // what a stranger sends next depends on whether AUTH succeeds
        let most = if limits.authenticated { MAX_COMMANDS } else { 1 };
        while batch.len() < most {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return (Ok(Parsed::Incomplete), at);
            }
            if let Some(n) = batch.take(&self.parser, limits, server, &mut self.session, rest, at) {
                at += n;
                continue;
            }
            match self.parser.parse(rest, limits) {
                Ok(Parsed::Command(n)) => {
                    let Some(ranges) = self.parser.ranges() else { return (Ok(Parsed::Command(n)), at) };
                    batch.push(server, &mut self.session, rest, ranges, at, at + n);
                    at += n;
                }
                Ok(Parsed::Nothing(n)) => at += n,
                other => return (other, at),
            }
        }
        (Ok(Parsed::Nothing(0)), at)
    }

    /// Executes one command.
    #[inline]
    fn one(
        &mut self,
        local: &mut Local,
        server: &Server,
        args: Args<'_>,
        prepared: Option<Prepared<'_, '_>>,
        out: &mut Reply,
        clock: u64,
    ) -> u64 {
        local.now = local.clock.now_ms();
        let (flow, end) = dispatch::execute(local, server, &mut self.session, args, prepared, out, clock);
        match flow {
            Flow::Continue | Flow::Block => {}
            Flow::Close => self.closing = true,
            Flow::Attend => self.attend(local, server, args, out),
        }
        let shared = &self.session.shared;
        if shared.has_mail() {
            out.raw(&shared.take_mail());
        }
        let hard = self.output_limits(local).hard;
        if hard > 0 && (out.len() + self.pending_len) as u64 >= hard {
            // as in Redis, nothing of such a reply is sent
            self.pending_len += out.len();
            if self.check_output_limit(local, server) == State::Closed {
                out.clear();
                self.closing = true;
                self.broken = true;
            }
        } else if out.len() > 1 << 20 {
            if !self.flush(server, out) || self.check_output_limit(local, server) == State::Closed {
                self.closing = true;
                self.broken = true;
            }
            out.set_resp3(self.session.resp3);
        }
        end
    }

    /// Executes a command of a client that debugs scripts: the debugger may take the socket, so all that comes before is
    /// sent first.
    #[cold]
    fn attend(&mut self, local: &mut Local, server: &Server, args: Args<'_>, out: &mut Reply) {
        self.enqueue(out, 0);
        out.set_resp3(self.session.resp3);
        self.closing = true;
        if !self.write_pending() || self.has_pending() {
            self.broken = true;
            return;
        }
        match Wire::new(&self.stream, self.session.shared.clone()) {
            Ok(wire) => self.session.console = Some(Box::new(wire)),
            Err(e) => {
                tracing::warn!("no way to the debugger's client: {e}");
                return;
            }
        }
        let start = local.begin_batch(server);
        let (flow, _) = dispatch::execute(local, server, &mut self.session, args, None, out, start);
        self.session.console = None;
        self.closing = flow == Flow::Close;
    }

    /// Ends a turn. What a connection that is over could not send is thrown away: `out` serves the next one.
    fn finish(&mut self, local: &mut Local, server: &Server, out: &mut Reply) -> State {
        let state = self.end_turn(local, server, out);
        if state == State::Closed {
            out.release();
        }
        state
    }

    /// Sends, checks limits, publishes buffer sizes.
    fn end_turn(&mut self, local: &mut Local, server: &Server, out: &mut Reply) -> State {
        if self.session.shared.has_mail() {
            out.raw(&self.session.shared.take_mail());
        }
        if self.broken || self.session.shared.kill.load(Relaxed) {
            return State::Closed;
        }
        if self.closing && self.pending.is_empty() && out.len() <= LAST_WORDS {
            // who reads that it has left has left, for clients of other threads as well
            self.session.close(server);
        }
        if !self.flush(server, out) {
            return State::Closed;
        }
        let shared = &self.session.shared;
        shared.qbuf.store(self.unparsed() as u64, Relaxed);
        shared.qbuf_free.store((self.input.capacity() - self.input.len()) as u64, Relaxed);
        let args = if self.parser.in_command() { self.parser.taken() + self.parser.memory() } else { 0 };
        shared.argv_mem.store(args as u64, Relaxed);
        if self.closing && self.pending.is_empty() {
            return State::Closed;
        }
        self.check_output_limit(local, server)
    }

    fn output_limits<'c>(&self, local: &'c Local) -> &'c OutputBufferLimit {
        let limits = &local.cfg.client_output_buffer_limit;
        if self.session.shared.has_flag(flag::PUBSUB) { &limits.pubsub } else { &limits.normal }
    }

    /// Closes a client whose output has exceeded its limits.
    pub fn check_output_limit(&mut self, local: &Local, server: &Server) -> State {
        self.session.shared.omem.store(self.pending_len as u64, Relaxed);
        if self.pending_len == 0 {
            self.over_soft_since = 0;
            return State::Open;
        }
        let limits = *self.output_limits(local);
        let n = self.pending_len as u64;
        let now = local.clock.now_ms() / 1000;
        // who has not authenticated could send without end and never read
        let stranger = n > MAX_STRANGERS_OUTPUT && auth::required(&self.session, &local.cfg);
        let hard = stranger || (limits.hard > 0 && n >= limits.hard);
        let over_soft = limits.soft > 0 && n >= limits.soft;
        if !over_soft {
            self.over_soft_since = 0;
        } else if self.over_soft_since == 0 {
            self.over_soft_since = now;
        }
        if hard || (over_soft && now - self.over_soft_since > limits.seconds) {
            server.totals.output_buffer_limit_disconnections.add_shared(1);
            tracing::warn!(
                "Client id={} addr={} omem={n} scheduled to be closed ASAP for overcoming of output buffer limits.",
                self.session.id(),
                self.session.shared.addr
            );
            return State::Closed;
        }
        State::Open
    }

    /// Sends mail that came from other threads.
    pub fn deliver(&mut self, local: &mut Local, server: &Server, out: &mut Reply) -> State {
        if self.session.blocked.is_some() {
            return self.end_wait(local, server, out);
        }
        self.finish(local, server, out)
    }

    /// Ends the client's wait if it is over, and goes on with its input.
    pub fn end_wait(&mut self, local: &mut Local, server: &Server, out: &mut Reply) -> State {
        out.set_resp3(self.session.resp3);
        if self.session.end_wait(local, server, local.clock.now_ms(), out) {
            if self.session.shared.has_mail() {
                // the reply of one that was served, before those of what the client sent after it
                out.raw(&self.session.shared.take_mail());
            }
            return self.resume(local, server, out);
        }
        self.finish(local, server, out)
    }

    /// Sends what is pending and `out`; what the socket does not take stays. `false`: the connection is broken.
    fn flush(&mut self, server: &Server, out: &mut Reply) -> bool {
        if !(out.is_empty() && self.pending.is_empty())
            && let Some(end) = server.aof.unsettled(&server.propagation)
        {
            self.enqueue(out, 0);
            self.held_until = Some(end);
            return true;
        }
        // what was held until now goes with what comes
        self.held_until = None;
        if !self.pending.is_empty() {
            self.enqueue(out, 0);
            return self.write_pending();
        }
        if out.is_empty() {
            return true;
        }
        let (bytes, shared) = out.parts();
        if !shared.is_empty() {
            self.enqueue(out, 0);
            return self.write_pending();
        }
        let mut done = 0;
        loop {
            match self.stream.write(bytes.get(done..).unwrap_or_default()) {
                Ok(0) => return false,
                Ok(n) => {
                    done += n;
                    self.count_sent(n);
                    if done == bytes.len() {
                        out.clear();
                        return true;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.enqueue(out, done);
                    return true;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Counts a write call and its bytes.
    fn count_sent(&self, n: usize) {
        self.session.shared.net_out.fetch_add(n as u64, Relaxed);
        self.stats.counters.net_out.add(n as u64);
        self.stats.counters.writes.add(1);
    }

    /// Moves `out`, from byte `from` on, to the pending output.
    fn enqueue(&mut self, out: &mut Reply, from: usize) {
        let (bytes, shared) = out.parts();
        let mut at = from;
        let mut push = |c: Chunk| {
            self.pending_len += c.bytes().len();
            match (self.pending.back_mut(), &c) {
                // many small replies make one chunk
                (Some(Chunk::Bytes(last)), Chunk::Bytes(b)) if last.len() + b.len() < 1 << 16 => {
                    last.extend_from_slice(b)
                }
                _ => self.pending.push_back(c),
            }
        };
        for (position, value) in shared {
            if let Some(b) = bytes.get(at..*position).filter(|b| !b.is_empty()) {
                push(Chunk::Bytes(b.to_vec()));
            }
            at = at.max(*position);
            push(Chunk::Shared(value.clone()));
        }
        if let Some(b) = bytes.get(at..).filter(|b| !b.is_empty()) {
            push(Chunk::Bytes(b.to_vec()));
        }
        out.clear();
    }

    /// Writes pending output. `false`: the connection is broken.
    pub fn write_pending(&mut self) -> bool {
        while let Some(first) = self.pending.front()
            && self.held_until.is_none()
        {
            let first = first.bytes().get(self.sent..).unwrap_or_default();
            let written = if self.pending.len() == 1 {
                // a reply that waited for the append-only file: `send` costs less than `writev`
                self.stream.write(first)
            } else {
                let rest = self.pending.iter().skip(1).take(63).map(Chunk::bytes);
                let slices: Vec<IoSlice> = [first].into_iter().chain(rest).map(IoSlice::new).collect();
                self.stream.write_vectored(&slices)
            };
            match written {
                Ok(0) => return false,
                Ok(mut n) => {
                    self.count_sent(n);
                    self.pending_len -= n;
                    while let Some(first) = self.pending.front() {
                        let left = first.bytes().len() - self.sent;
                        if n < left {
                            self.sent += n;
                            break;
                        }
                        n -= left;
                        self.sent = 0;
                        self.pending.pop_front();
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.session.shared.omem.store(self.pending_len as u64, Relaxed);
        true
    }

    /// Whether output waits for the append-only file.
    pub fn held(&self) -> bool {
        self.held_until.is_some()
    }

    /// Whether it does no more, now that the file has got so far.
    pub fn may_send(&self, settled: u64) -> bool {
        self.held_until.is_none_or(|end| end <= settled)
    }

    /// Sends what waited for the append-only file. `false`: the connection is over.
    pub fn release(&mut self) -> bool {
        self.held_until = None;
        self.write_pending() && !self.done()
    }

    /// Whether the connection can end now: it was to be closed, and everything was sent.
    pub fn done(&self) -> bool {
        self.closing && self.pending.is_empty()
    }
}
