//! Commands that wait for keys: BLPOP, BZPOPMIN, XREAD BLOCK and their like.
//!
//! A handler that finds nothing calls [`wait`] while it holds its keys' shards. That makes a [`Waiter`] (the client, its
//! command, the footprint of it) and puts it into the queue of each key; since whoever changes such a key needs the same
//! locks, no change can be missed. The session is blocked; its worker looks at its input no more.
//!
//! Every change of a key passes `touched` in `keys.rs`, which notes the key as *ready* in the thread's
//! [`Local::ready`] if somebody waits for it: nothing runs yet. When the command is over (or the whole EXEC, or script:
//! until then nobody else may see its effects), the same thread serves the ready keys in the order they became so, and
//! the waiters of each first come first served, before it takes the next command:
//!
//! - A waiter's own command is run again, by the same dispatch, for a stand-in of its session whose reply goes into the
//!   client's mailbox. If it would wait again ([`wait`] is called for the stand-in) nothing has happened, and the waiter
//!   stays in its place. Any other reply, an error too, ends the wait.
//! - Commands are run only under their whole footprint. What the writer holds usually covers it, so that nobody can take
//!   the element in between, as in Redis. Further shards are taken if that needs no waiting. Else the key is put off
//!   until the writer's locks are released, and served under locks that are taken anew, in order.
//! - A waiter's command may make other keys ready (BLMOVE): they are appended to the list. Each run ends a wait or moves
//!   on to a later waiter, so the loop ends.
//! - While CLIENT PAUSE holds back writes nobody is served: the keys are kept (`Blocking::postponed`) for its end.
//!
//! A wait can end by being served, by its time-out, by CLIENT UNBLOCK, or with the connection. [`Waiter::state`] decides:
//! whoever sets it from `Waiting` to something else has ended the wait. It is locked while the command is run again, so
//! nobody ends a wait that is being served. It is the last lock to be taken, after shards.
//!
//! Time-outs are the worker's: it keeps its clients' deadlines sorted. A client that waits costs nothing else.

use crate::args::{self, Args, OwnedArgs};
use crate::client::ClientShared;
use crate::command::Outcome;
use crate::dispatch;
use crate::error::Error;
use crate::keys::{ReadKeys, kind};
use crate::local::Local;
use crate::server::{Held, Server, ShardExt};
use crate::session::{Blocked, ReplyMode, Session, StandIn, gate};
use crate::table::Entry;
use crate::transaction;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use viator_data::num::LongDouble;
use viator_keyspace::{Footprint, Shard, Type};
use viator_resp::reply::Reply;

/// What a command waits for; see [`wait`].
pub struct Wait {
    /// The type of value that serves it: a key of another type does not end the wait.
    pub kind: Type,
    /// Unix milliseconds; `None`: without end.
    pub until: Option<i64>,
    /// What it replies where it may not block. (When the time is over, it is the null array for all of them.)
    pub if_forbidden: fn(&mut Reply),
    /// The command is also tried when a key is deleted or gets another type (XREADGROUP, whose group is gone then).
    pub if_gone: bool,
    /// When the command is to be tried again though nothing changed, Unix milliseconds (XREADGROUP with CLAIM: what is
    /// pending becomes old enough).
    pub again: Option<i64>,
    /// The command to run instead of the one that was sent (XREAD, whose `$` means now).
    pub command: Option<OwnedArgs>,
}

/// How a wait stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It goes on.
    Waiting,
    /// The command was run, its reply is in the mailbox.
    Served,
    /// Its time is over, or CLIENT UNBLOCK … TIMEOUT said so.
    TimedOut,
    /// CLIENT UNBLOCK … ERROR.
    Unblocked,
    /// The client is gone.
    Gone,
}

/// A client's wait; see the module.
pub struct Waiter {
    client: Arc<ClientShared>,
    /// Its place: of two that wait for a key, the one with the lower number is served first.
    ticket: u64,
    /// Number of the command in the table.
    entry: usize,
    args: OwnedArgs,
    db: usize,
    resp3: bool,
    near: bool,
    no_touch: bool,
    /// CLIENT REPLY is off, or skips this one.
    silent: bool,
    footprint: Footprint,
    keys: Vec<Box<[u8]>>,
    kind: Type,
    if_gone: bool,
    until: Option<i64>,
    /// When it is tried again without a reason; `i64::MAX`: never.
    again: AtomicI64,
    state: Mutex<State>,
    /// The propagation log's end after its command.
    log_end: AtomicU64,
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").field("client", &self.client.id).field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Waiter) -> bool {
        self.ticket == other.ticket
    }
}

impl Eq for Waiter {}

impl Waiter {
    /// When it ends by itself, Unix milliseconds.
    pub fn until(&self) -> Option<i64> {
        self.until
    }

    /// When its worker has to look at it, Unix milliseconds: it ends, or is to be tried again.
    pub fn due(&self) -> Option<i64> {
        let again = self.again.load(Relaxed);
        let again = (again != i64::MAX).then_some(again);
        self.until.into_iter().chain(again).min()
    }

    /// Whether it is to be tried again at `now`.
    pub fn is_due_again(&self, now: i64) -> bool {
        self.again.load(Relaxed) <= now
    }

    /// How it stands.
    pub fn state(&self) -> State {
        *self.state.lock()
    }

    /// Ends the wait this way, if nobody has ended it yet. Returns how it ended.
    pub fn end(&self, how: State) -> State {
        let mut state = self.state.lock();
        if *state == State::Waiting {
            *state = how;
        }
        *state
    }

    /// What is replied when the time is over; nothing if CLIENT REPLY is off.
    pub fn time_out(&self, out: &mut Reply) {
        if !self.silent {
            out.null_array();
        }
    }

    /// Whether errors are to be sent.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// The propagation log's end after the client's last write.
    pub fn log_end(&self) -> u64 {
        self.log_end.load(Relaxed)
    }

    /// Number of its command in the table.
    pub fn entry(&self) -> usize {
        self.entry
    }
}

/// Those who wait for a key of a database.
#[derive(Default)]
struct Queue {
    waiters: BTreeMap<u64, Arc<Waiter>>,
    /// How many of them are also woken when the key goes.
    if_gone: usize,
    /// Some thread has noted the key as ready.
    ready: bool,
}

/// The queues of a key, by database.
type OfKey = SmallVec<[(usize, Queue); 1]>;

/// The queues of a shard, by key.
#[derive(Default)]
pub struct Queues(HashMap<Box<[u8]>, OfKey, ahash::RandomState>);

impl Queues {
    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get_mut(&mut self, db: usize, key: &[u8]) -> Option<&mut Queue> {
        self.0.get_mut(key)?.iter_mut().find(|q| q.0 == db).map(|q| &mut q.1)
    }

    fn get(&self, db: usize, key: &[u8]) -> Option<&Queue> {
        self.0.get(key)?.iter().find(|q| q.0 == db).map(|q| &q.1)
    }

    fn add(&mut self, blocking: &Blocking, key: &[u8], w: &Arc<Waiter>) {
        let queues = self.0.entry(key.into()).or_default();
        if !queues.iter().any(|q| q.0 == w.db) {
            queues.push((w.db, Queue::default()));
            blocking.keys.fetch_add(1, Relaxed);
        }
        if let Some((_, q)) = queues.iter_mut().find(|q| q.0 == w.db)
            && q.waiters.insert(w.ticket, w.clone()).is_none()
            && w.if_gone
        {
            q.if_gone += 1;
            blocking.keys_if_gone.fetch_add(u64::from(q.if_gone == 1), Relaxed);
        }
    }

    fn remove(&mut self, blocking: &Blocking, key: &[u8], w: &Waiter) {
        let Some(queues) = self.0.get_mut(key) else { return };
        let Some(at) = queues.iter().position(|q| q.0 == w.db) else { return };
        let Some((_, q)) = queues.get_mut(at) else { return };
        if q.waiters.remove(&w.ticket).is_some() && w.if_gone {
            q.if_gone -= 1;
            blocking.keys_if_gone.fetch_sub(u64::from(q.if_gone == 0), Relaxed);
        }
        if q.waiters.is_empty() {
            queues.swap_remove(at);
            blocking.keys.fetch_sub(1, Relaxed);
            if queues.is_empty() {
                self.0.remove(key);
            }
        }
    }
}

/// A key that somebody waits for and that changed.
#[derive(Debug)]
pub struct Ready {
    db: usize,
    key: Box<[u8]>,
}

/// Least time between two attempts without a reason, milliseconds: as often as Redis looks.
pub const TRY_AGAIN_MS: i64 = 100;

/// What the server knows of all waits.
#[derive(Default)]
pub struct Blocking {
    tickets: AtomicU64,
    /// Keys that somebody waits for.
    pub keys: AtomicU64,
    /// Those of them whose deletion wakes somebody.
    pub keys_if_gone: AtomicU64,
    /// Clients that wait with a time-out.
    pub with_timeout: AtomicU64,
    /// Keys that became ready while CLIENT PAUSE held back writes, or a script that took long held the shards.
    postponed: Mutex<Vec<Ready>>,
    /// Ended waits that are still in their queues, because a script that takes long holds the shards.
    leaving: Mutex<Vec<Arc<Waiter>>>,
}

/// A time-out argument in seconds (BLPOP): when it is over, Unix milliseconds; `None` for 0, never.
///
/// # Errors
/// Redis's texts.
pub fn timeout_seconds(arg: &[u8], now: i64) -> Result<Option<i64>, Error> {
    let seconds = LongDouble::parse(arg).ok_or(Error::Static("ERR timeout is not a float or out of range"))?;
    let ms = seconds.product(LongDouble::from(1000)).ceil_i64();
    deadline(ms.ok_or(if seconds.is_negative() { NEGATIVE } else { OUT_OF_RANGE })?, now)
}

/// A time-out argument in milliseconds (XREAD): as [`timeout_seconds`].
///
/// # Errors
/// Redis's texts.
pub fn timeout_ms(arg: &[u8], now: i64) -> Result<Option<i64>, Error> {
    deadline(args::int(arg).map_err(|_| Error::Static("ERR timeout is not an integer or out of range"))?, now)
}

const NEGATIVE: Error = Error::Static("ERR timeout is negative");
const OUT_OF_RANGE: Error = Error::Static("ERR timeout is out of range");

fn deadline(ms: i64, now: i64) -> Result<Option<i64>, Error> {
    match ms {
        ..0 => Err(NEGATIVE),
        0 => Ok(None),
        _ => ms.checked_add(now).map(Some).ok_or(OUT_OF_RANGE),
    }
}

/// Has the client wait until one of `names` may have what its command needs. To be called by a handler that found
/// nothing, as its last act, without having replied: its reply comes when it is run again. In a transaction or a script
/// it replies at once.
///
/// # Errors
/// None; the type is a handler's.
pub fn wait<'k>(
    keys: &mut ReadKeys<'_, '_>,
    session: &mut Session,
    entry: &Entry,
    args: Args<'_>,
    out: &mut Reply,
    wait: Wait,
    names: impl Iterator<Item = &'k [u8]>,
) -> Outcome {
    if session.stand_in != StandIn::No {
        session.stand_in = StandIn::Waits { again: wait.again };
        return Ok(());
    }
    if session.in_exec {
        (wait.if_forbidden)(out);
        return Ok(());
    }
    let server = keys.server;
    let command = wait.command.unwrap_or_else(|| OwnedArgs::copy(args));
    let waiter = Arc::new(Waiter {
        client: session.shared.clone(),
        ticket: server.blocking.tickets.fetch_add(1, Relaxed) + 1,
        entry: entry.id,
        footprint: dispatch::footprint(server, entry, command.args()),
        args: command,
        db: keys.db,
        resp3: session.resp3,
        near: session.local,
        no_touch: session.no_touch,
        silent: session.gate & gate::REPLY != 0 && session.reply_mode != ReplyMode::On,
        keys: names.map(Into::into).collect(),
        kind: wait.kind,
        if_gone: wait.if_gone,
        until: wait.until,
        again: AtomicI64::new(wait.again.unwrap_or(i64::MAX)),
        state: Mutex::new(State::Waiting),
        log_end: AtomicU64::new(session.log_end),
    });
    // the session is blocked before anybody can find the waiter
    session.block(server, Blocked::Keys(waiter.clone()));
    for key in &waiter.keys {
        let shard = keys.locate(key).shard();
        keys.shard(shard).ext.waiters.add(&server.blocking, key, &waiter);
    }
    Ok(())
}

/// Takes an ended wait out of its queues, unless it was served: then it is not there. No shard may be held. While a script
/// takes long it stays there, passed over by all, until that is over.
pub(crate) fn leave(server: &Server, w: &Arc<Waiter>) {
    if w.end(State::Gone) == State::Served {
        return;
    }
    match server.lock(w.footprint) {
        Ok(mut guards) => take_out(server, &mut guards, w),
        Err(_) => {
            server.blocking.leaving.lock().push(w.clone());
            transaction::catch_up(server);
        }
    }
}

/// Makes up for [`leave`] that a script which took long kept from the shards.
pub(crate) fn leave_late(server: &Server, guards: &mut Held<'_>) {
    server.blocking.leaving.lock().retain(|w| {
        let held = guards.held().covers(w.footprint);
        if held {
            take_out(server, guards, w);
        }
        !held
    });
}

fn take_out(server: &Server, guards: &mut Held<'_>, w: &Waiter) {
    for key in &w.keys {
        let shard = server.keyspace.locate(key).shard();
        guards.shard(shard).ext.waiters.remove(&server.blocking, key, w);
    }
}

/// Notes a changed key as ready, if somebody waits for it.
#[cold]
pub(crate) fn note(local: &mut Local, shard: &mut Shard<ShardExt>, db: usize, key: &[u8]) {
    if let Some(q) = shard.ext.waiters.get_mut(db, key)
        && !q.ready
    {
        q.ready = true;
        local.ready.push_back(Ready { db, key: key.into() });
    }
}

/// Notes all keys of a database that somebody waits for: its content is another now.
pub(crate) fn note_database(local: &mut Local, shard: &mut Shard<ShardExt>, db: usize) {
    for (key, queues) in &mut shard.ext.waiters.0 {
        for (_, q) in queues.iter_mut().filter(|(d, q)| *d == db && !q.ready) {
            q.ready = true;
            local.ready.push_back(Ready { db, key: key.clone() });
        }
    }
}

/// Serves those who wait for ready keys, under locks that are held: those of whoever changed the keys. What these do not
/// allow stays noted for [`serve`].
pub fn serve_held<'s>(local: &mut Local, server: &'s Server, guards: &mut Held<'s>) {
    let mut put_off = VecDeque::new();
    refresh(local);
    if !postpone(local, server) {
        while let Some(ready) = local.ready.pop_front() {
            if serve_key(local, server, guards, &ready).is_err() {
                put_off.push_back(ready);
            }
        }
    }
    local.ready = put_off;
}

/// What expired while a transaction ran serves nobody.
fn refresh(local: &mut Local) {
    local.clock.read();
    local.now = local.clock.now_ms();
}

/// Serves those who wait for ready keys. No shard may be held.
pub fn serve(local: &mut Local, server: &Server) {
    refresh(local);
    if postpone(local, server) {
        return;
    }
    while let Some(ready) = local.ready.pop_front() {
        let mut footprint = Footprint::NONE.with(server.keyspace.locate(&ready.key).shard());
        // each turn serves somebody, or needs more shards than the last
        loop {
            let Ok(mut guards) = server.lock(footprint) else { return put_off(local, server, ready) };
            match serve_key(local, server, &mut guards, &ready) {
                Ok(()) => break,
                Err(more) => footprint = footprint.or(more),
            }
        }
    }
}

/// Keeps what is ready until a script that takes long is over.
#[cold]
fn put_off(local: &mut Local, server: &Server, ready: Ready) {
    {
        let mut postponed = server.blocking.postponed.lock();
        postponed.push(ready);
        postponed.extend(local.ready.drain(..));
    }
    // its end may have come meanwhile, and found nothing
    if !server.is_busy() {
        server.host.wake_all();
    }
}

/// Tries the command of a waiter again whose time for that has come. No shard may be held.
pub fn try_again(local: &mut Local, server: &Server, w: &Waiter) {
    refresh(local);
    if server.pause.holds_writes(local.now) {
        // the end of the pause is soon enough
        w.again.store(local.now.saturating_add(TRY_AGAIN_MS), Relaxed);
        return;
    }
    let Ok(mut guards) = server.lock(w.footprint) else {
        w.again.store(local.now.saturating_add(TRY_AGAIN_MS), Relaxed);
        return;
    };
    // those who are due as well, and came before
    let mut due: SmallVec<[Arc<Waiter>; 4]> = SmallVec::new();
    for key in &w.keys {
        let shard = server.keyspace.locate(key).shard();
        let others =
            guards.shard(shard).ext.waiters.get(w.db, key).into_iter().flat_map(|q| q.waiters.range(..w.ticket));
        let others = others.map(|(_, o)| o).filter(|o| o.again.load(Relaxed) <= local.now);
        due.extend(others.filter(|o| w.footprint.covers(o.footprint)).cloned());
    }
    due.sort_by_key(|o| o.ticket);
    due.iter().for_each(|o| run_again(local, server, &mut guards, o));
    run_again(local, server, &mut guards, w);
    drop(guards);
    serve_rest(local, server);
}

/// Serves those who could not be served while CLIENT PAUSE held back writes. No shard may be held.
pub fn resume(local: &mut Local, server: &Server) {
    local.ready.extend(server.blocking.postponed.lock().drain(..));
    if !local.ready.is_empty() {
        serve(local, server);
    }
}

/// Serves those who wait for what a timer removed. No shard may be held.
pub fn serve_rest(local: &mut Local, server: &Server) {
    if !local.ready.is_empty() {
        serve(local, server);
    }
}

/// Keeps what is ready for later if CLIENT PAUSE holds back writes.
fn postpone(local: &mut Local, server: &Server) -> bool {
    let paused = server.pause.holds_writes(local.now);
    if paused {
        server.blocking.postponed.lock().extend(local.ready.drain(..));
    }
    paused
}

/// Serves the waiters of a key in their order.
///
/// # Errors
/// The footprint of the one whose turn it is, if not all of it could be locked.
fn serve_key<'s>(local: &mut Local, server: &'s Server, guards: &mut Held<'s>, ready: &Ready) -> Result<(), Footprint> {
    let shard = server.keyspace.locate(&ready.key).shard();
    // what was evicted before the command may be anywhere
    let own = Footprint::NONE.with(shard);
    if !server.keyspace.try_extend(guards, own) {
        return Err(own);
    }
    if let Some(q) = guards.shard(shard).ext.waiters.get_mut(ready.db, &ready.key) {
        q.ready = false;
    }
    let mut last = 0;
    loop {
        let there = ReadKeys::new(guards, server, local, ready.db, true, &[]).peek(&ready.key).map(|e| kind(e.value));
        let Some(q) = guards.shard(shard).ext.waiters.get(ready.db, &ready.key) else { return Ok(()) };
        if there.is_none() && q.if_gone == 0 {
            return Ok(());
        }
        let mut rest = q.waiters.range((Bound::Excluded(last), Bound::Unbounded));
        let Some((_, w)) = rest.find(|(_, w)| Some(w.kind) == there || w.if_gone) else { return Ok(()) };
        let w = w.clone();
        // a client that is being closed takes nothing any more
        if !w.client.kill.load(Relaxed) {
            if !server.keyspace.try_extend(guards, w.footprint) {
                return Err(w.footprint);
            }
            run_again(local, server, guards, &w);
        }
        last = w.ticket;
    }
}

/// Runs a waiter's command under its whole footprint, and ends the wait if it did not wait again.
fn run_again<'s>(local: &mut Local, server: &'s Server, guards: &mut Held<'s>, w: &Waiter) {
    let Some(entry) = server.table.entries().get(w.entry) else { return };
    let mut state = w.state.lock();
    if *state != State::Waiting {
        return;
    }
    let mut session = Session::new(w.client.clone(), w.near, false);
    session.db = w.db;
    session.resp3 = w.resp3;
    session.no_touch = w.no_touch;
    session.stand_in = StandIn::Tries;
    let mut out = Reply::new();
    out.set_resp3(w.resp3);
    let noted = local.ready.len();
    let client = std::mem::replace(&mut local.client, w.client.id);
    let held_back = local.held_back.replace(Vec::new());
    if let Some(error) = dispatch::refusal_after_wait(local, server, entry) {
        dispatch::refuse(local, server, Some(entry), &mut out, &error.to_string());
    } else {
        let start = local.clock.read();
        dispatch::call_held(local, server, &mut session, entry, w.args.args(), &mut out, guards, start);
    }
    local.client = client;
    let invalidations = std::mem::replace(&mut local.held_back, held_back).unwrap_or_default();
    if let StandIn::Waits { again } = session.stand_in {
        w.again.store(again.unwrap_or(i64::MAX), Relaxed);
        // whatever it touched changes nothing for those who wait
        for r in local.ready.drain(noted..) {
            let shard = server.keyspace.locate(&r.key).shard();
            if let Some(q) = guards.shard(shard).ext.waiters.get_mut(r.db, &r.key) {
                q.ready = false;
            }
        }
        return;
    }
    let reply = out.flatten();
    let mut reply = if w.silent { Vec::new() } else { reply.into() };
    reply.extend_from_slice(&invalidations);
    if local.log_end != 0 {
        w.log_end.store(local.log_end, Relaxed);
    }
    *state = State::Served;
    take_out(server, guards, w);
    // its worker sees the state only when the reply is there
    w.client.deliver(&reply);
}
