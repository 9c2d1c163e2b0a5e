//! The way of a request from its arguments to its reply: lookup, checks, locks, handler, commit, statistics.

use crate::args::{Args, OwnedArgs};
use crate::batch::{Located, Prepared};
use crate::client::flag;
use crate::command::{Flags, Handler, Outcome, Traits};
use crate::config::MaxmemoryPolicy;
use crate::ctx::{AdminCtx, ReadCtx, WriteCtx};
use crate::error::Error;
use crate::evict::{self, Evicted};
use crate::keys::{ReadKeys, WriteKeys};
use crate::local::Local;
use crate::server::{Held, Server, gate as server_gate};
use crate::session::{Blocked, ReplyMode, Session, StandIn, gate};
use crate::table::{Entry, Lookup};
use crate::{auth, blocking, notify, propagation, tracking, transaction};
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::Footprint;
use viator_resp::reply::{Reply, shown};

/// What the connection does after a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Takes the next one.
    Continue,
    /// Sends what is there and closes.
    Close,
    /// Waits: `Session::blocked` says for what.
    Block,
    /// Has done nothing yet: once all replies before it are sent, the command is to be executed again with
    /// `Session::console`.
    Attend,
}

/// Executes one request. `start` is the clock's reading at its beginning; returns the reading at its end, so that a
/// pipeline reads the clock once per command.
pub fn execute(
    local: &mut Local,
    server: &Server,
    session: &mut Session,
    args: Args<'_>,
    prepared: Option<Prepared<'_, '_>>,
    out: &mut Reply,
    start: u64,
) -> (Flow, u64) {
    let (known, keys) = match prepared {
        Some(p) => (p.entry, Some(p.keys)),
        None => (None, None),
    };
    let entry = match known.map_or_else(|| lookup(server, session, args), Ok) {
        Ok(e) => e,
        Err(error) => {
            let mark = out.mark();
            if is_http(args.at(0)) {
                refuse_http(local, server, session);
                return (Flow::Close, local.clock.read());
            }
            if let Error::Arity(name) = &error
                && let Some(e) = server.table.by_full_name(name.as_bytes())
                && let Some(s) = local.stats.commands.get(e.id)
            {
                s.rejected.add(1);
            }
            let exec = server.table.top(args.at(0)).filter(|e| e.is(Traits::EXEC));
            reject(local, server, session, exec, args, out, &error);
            finish_reply(session, out, mark);
            return (after(session), local.clock.read());
        }
    };
    let mut mark = out.mark();
    let gates = session.gate | server.gate.load(Relaxed);
    // others who see that a subscription was ended by this command have seen its end
    let shown_late = gates != 0 && entry.flags.has(Flags::PUBSUB);
    if !shown_late {
        session.shared.last_command.store(entry.id as u32 + 1, Relaxed);
    }
    if gates != 0 || entry.is(Traits::DEBUG) {
        match check(local, server, session, entry, args, out, &mut mark) {
            Check::Run => {}
            Check::Done => {
                finish_reply(session, out, mark);
                return (after(session), local.clock.read());
            }
            Check::Block => return (Flow::Block, local.clock.read()),
            Check::Attend => return (Flow::Attend, local.clock.read()),
        }
    }
    local.client = session.id();
    let end = call(local, server, session, entry, args, keys, out, start);
    if shown_late {
        session.shared.last_command.store(entry.id as u32 + 1, Relaxed);
    }
    if local.log_end != 0 {
        session.log_end = std::mem::take(&mut local.log_end);
    }
    if session.gate & gate::TRACKING != 0 {
        tracking::after(local, server, session, entry);
    }
    if gates & server_gate::CHECKS != 0 {
        assert_sizes(server, entry);
    }
    finish_reply(session, out, mark);
    (after(session), end)
}

/// Executes a command of the propagation log, as it is loaded: what keeps a client's command from running does not matter.
///
/// # Errors
/// There is no such command; [`Error::Arity`].
pub fn replay(
    local: &mut Local,
    server: &Server,
    session: &mut Session,
    args: Args<'_>,
    out: &mut Reply,
) -> Result<(), Error> {
    let entry = lookup(server, session, args)?;
    if entry.is(Traits::DEBUG) {
        // no server writes these, and DEBUG LOADAOF would never end
        tracing::warn!("A DEBUG command in the append only file is ignored");
        return Ok(());
    }
    if session.gate & gate::MULTI != 0 && !entry.is(Traits::NOW_IN_MULTI) {
        if entry.flags.has(Flags::NO_MULTI) {
            // it would ask for locks that EXEC holds
            tracing::warn!("'{}' in a transaction of the append only file is ignored", entry.cmd.name);
        } else {
            session.queue(OwnedArgs::copy(args));
        }
        return Ok(());
    }
    // nothing may block
    session.in_exec = true;
    let start = local.clock.read();
    local.now = local.clock.now_ms();
    call(local, server, session, entry, args, None, out, start);
    session.unblock(server);
    Ok(())
}

#[inline]
fn after(session: &Session) -> Flow {
    if session.close_after_reply {
        Flow::Close
    } else if session.blocked.is_some() {
        Flow::Block
    } else {
        Flow::Continue
    }
}

/// DEBUG KEYSIZES-HIST-ASSERT.
///
/// # Panics
/// If what is counted is not what is there, as asked for.
#[cold]
fn assert_sizes(server: &Server, entry: &Entry) {
    let Ok(mut guards) = server.lock(Footprint::ALL) else { return };
    for (n, shard) in guards.iter_mut() {
        for db in 0..server.keyspace.databases() {
            let all_right = shard.db_mut(db).is_none_or(|part| part.sizes_are_true());
            assert!(all_right, "the sizes of keys are wrong after {} (database {db}, shard {n})", entry.name);
        }
    }
}

/// CLIENT REPLY: takes back what is not to be sent.
#[inline]
fn finish_reply(session: &mut Session, out: &mut Reply, mark: (usize, usize)) {
    if session.gate & gate::REPLY != 0 {
        match session.reply_mode {
            ReplyMode::On => session.set_gate(gate::REPLY, false),
            ReplyMode::Off => out.truncate(mark),
            ReplyMode::SkipNext => {
                out.truncate(mark);
                session.reply_mode = ReplyMode::Skip;
            }
            ReplyMode::Skip => {
                out.truncate(mark);
                session.reply_mode = ReplyMode::On;
                session.set_gate(gate::REPLY, false);
            }
        }
    }
}

/// Finds the command and checks its arity.
#[inline]
pub(crate) fn lookup<'s>(server: &'s Server, session: &mut Session, args: Args<'_>) -> Result<&'s Entry, Error> {
    let name = args.at(0);
    // pipelines repeat themselves: try the last command first
    let last = server.table.entries().get(session.last_command).filter(|e| e.is_named(name));
    let entry = match last {
        Some(e) => e,
        None => match server.table.lookup(args) {
            Lookup::Found(e) => {
                session.last_command = if e.parent.is_none() && e.subcommands.is_empty() { e.id } else { usize::MAX };
                e
            }
            Lookup::Unknown => return Err(unknown(args)),
            Lookup::UnknownSubcommand(e) => {
                return Err(Error::text(format!(
                    "ERR unknown subcommand '{}'. Try {} HELP.",
                    shown(args.at(1)),
                    e.cmd.name.to_ascii_uppercase()
                )));
            }
        },
    };
    if !entry.arity_ok(args.len()) || matches!(entry.cmd.handler, Handler::Container) {
        return Err(Error::Arity(entry.name.clone()));
    }
    Ok(entry)
}

/// Whether a command's name is how a line of an HTTP request begins.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// Drops a client that speaks HTTP, without a word: a web page may have made somebody's browser speak to the server.
#[cold]
fn refuse_http(local: &Local, server: &Server, session: &mut Session) {
    let now = local.clock.now_ms();
    if now - server.http_warned_ms.swap(now, Relaxed) > 60_000 {
        tracing::warn!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This \
             is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. \
             Connection from {} aborted.",
            session.shared.addr
        );
    }
    session.shared.kill.store(true, Relaxed);
    session.close_after_reply = true;
}

fn unknown(args: Args<'_>) -> Error {
    let name = shown(args.at(0));
    if args.len() == 1 {
        return Error::text(format!("ERR unknown command '{name}'"));
    }
    let mut list = String::new();
    // bytes of the list as it is sent
    let mut used = 0;
    for a in args.from(1).iter() {
        if used >= 128 {
            break;
        }
        let part = a.get(..128 - used).unwrap_or(a);
        used += part.iter().take_while(|b| **b != 0).count() + 3;
        list += &format!("'{}' ", shown(part));
    }
    Error::text(format!("ERR unknown command '{name}', with args beginning with: {list}"))
}

/// Replies an error that came before execution. Such a one ends in a transaction that EXEC will abort; a refused EXEC
/// (`exec`) ends the transaction.
#[cold]
fn reject(
    local: &mut Local,
    server: &Server,
    session: &mut Session,
    exec: Option<&Entry>,
    args: Args<'_>,
    out: &mut Reply,
    error: &Error,
) {
    let line = error.to_string();
    if exec.is_none() {
        session.abort_multi();
        refuse(local, server, None, out, &line);
        return;
    }
    transaction::discard(session, server);
    let reason = line.strip_prefix("ERR ").unwrap_or(&line);
    refuse(local, server, None, out, &format!("EXECABORT Transaction discarded because of: {reason}"));
    // those who saw the MULTI see its end
    if server.gate.load(Relaxed) & server_gate::MONITOR != 0 {
        crate::monitor::feed(local, server, session, args);
    }
}

enum Check {
    Run,
    /// Replied or queued.
    Done,
    Block,
    /// See [`Flow::Attend`].
    Attend,
}

/// Arguments from this length on are looked at as memory of the client at once, not when the timer comes round.
const LARGE_ARGUMENTS: usize = 32 * 1024;

/// Everything that is not checked on the fast path. The reply begins at `mark`, behind messages that come first.
#[cold]
fn check(
    local: &mut Local,
    server: &Server,
    session: &mut Session,
    entry: &Entry,
    args: Args<'_>,
    out: &mut Reply,
    mark: &mut (usize, usize),
) -> Check {
    if session.gate & gate::DEBUGGER != 0 && session.console.is_none() {
        return Check::Attend;
    }
    if session.gate & gate::TRACKING != 0 {
        tracking::limit(local, server);
    }
    let refused = refusal(local, server, session, entry, args);
    if session.gate & gate::TRACKING != 0 && session.gate & gate::REPLY == 0 && session.shared.has_mail() {
        // what had to go is told before the command's reply
        out.raw(&session.shared.take_mail());
        *mark = out.mark();
    }
    if let Some(error) = refused {
        if let Some(s) = local.stats.commands.get(entry.id) {
            s.rejected.add(1);
        }
        reject(local, server, session, Some(entry).filter(|e| e.is(Traits::EXEC)), args, out, &error);
        return Check::Done;
    }
    if server.gate.load(Relaxed) & server_gate::CLIENT_EVICTION != 0 && args.bytes() >= LARGE_ARGUMENTS {
        session.shared.argv_mem.store(args.bytes() as u64, Relaxed);
        crate::client_evict::evict_clients(server, &local.cfg);
        if session.shared.kill.load(Relaxed) {
            session.close_after_reply = true;
            return Check::Done;
        }
    }
    // what is paused is not even queued
    if server.gate.load(Relaxed) & server_gate::PAUSED != 0 && paused(local, server, session, entry, args) {
        session.block(server, Blocked::Paused(OwnedArgs::copy(args)));
        return Check::Block;
    }
    if session.gate & gate::MULTI != 0 && !entry.is(Traits::NOW_IN_MULTI) {
        session.queue(OwnedArgs::copy(args));
        out.simple("QUEUED");
        return Check::Done;
    }
    Check::Run
}

/// Answers an error in the place of a command. `entry`: the command, if it is to be counted as rejected.
pub(crate) fn refuse(local: &Local, server: &Server, entry: Option<&Entry>, out: &mut Reply, line: &str) {
    if let Some(s) = entry.and_then(|e| local.stats.commands.get(e.id)) {
        s.rejected.add(1);
    }
    out.error(line);
    local.stats.counters.errors.add(1);
    server.count_error(line);
}

/// Why a command may not run now, if it may not.
fn refusal(local: &mut Local, server: &Server, session: &mut Session, entry: &Entry, args: Args<'_>) -> Option<Error> {
    let g = session.gate | server.gate.load(Relaxed);
    if g & gate::AUTH != 0 && !entry.flags.has(Flags::NO_AUTH) && auth::required(session, &local.cfg) {
        return Some(Error::Static("NOAUTH Authentication required."));
    }
    // nothing below may be looked at: it might need locks that the script holds
    if g & server_gate::BUSY != 0 && !entry.flags.has(Flags::ALLOW_BUSY) {
        // a script of the append-only file
        let loading = g & server_gate::LOADING != 0 && !entry.flags.has(Flags::LOADING);
        return Some(if loading { LOADING } else { server.scripting.running.busy_error() });
    }
    if entry.is(Traits::DEBUG) && !local.cfg.enable_debug_command.allows(session.local) {
        return Some(Error::text(format!(
            "ERR {} command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
             local connection, otherwise you need to set this option in the configuration file, and then restart the \
             server.",
            entry.cmd.name.to_ascii_uppercase()
        )));
    }
    if g & gate::MULTI != 0 && entry.flags.has(Flags::NO_MULTI) {
        return Some(Error::Static("ERR Command not allowed inside a transaction"));
    }
    if g & server_gate::MAXMEMORY != 0 && !entry.flags.has(Flags::NO_AUTH) {
        let deny = entry.flags.has(Flags::DENYOOM)
            || (entry.is(Traits::EXEC) && transaction::queued_flags(session, server, Flags::DENYOOM));
        let state = evict::perform(local, server);
        let queued = g & gate::MULTI != 0 && !entry.is(Traits::NOW_IN_MULTI);
        if state == Evicted::Fail && (deny || (queued && entry.flags.has(Flags::DENYOOM))) {
            return Some(Error::Oom);
        }
    }
    if g & server_gate::AOF_FAILING != 0 && (writes(session, server, entry) || entry.is(Traits::REFUSED_WITH_WRITES)) {
        return Some(aof_failing(server));
    }
    if g & gate::SUBSCRIBED != 0 && !session.resp3 && !entry.is(Traits::WHILE_SUBSCRIBED) {
        return Some(Error::text(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            entry.cmd_name(args)
        )));
    }
    if g & server_gate::DISK_ERROR != 0 && (writes(session, server, entry) || entry.is(Traits::REFUSED_WITH_WRITES)) {
        return Some(DISK_ERROR);
    }
    if g & server_gate::FEW_REPLICAS != 0 && writes(session, server, entry) {
        return Some(Error::Static("NOREPLICAS Not enough good replicas to write."));
    }
    if g & server_gate::LOADING != 0 && !entry.flags.has(Flags::LOADING) {
        return Some(LOADING);
    }
    if g & gate::MONITOR != 0 && (changes(entry) || entry.flags.has(Flags::READONLY)) {
        return Some(Error::Static("ERR Replica can't interact with the keyspace"));
    }
    None
}

const LOADING: Error = Error::Static("LOADING Redis is loading the dataset in memory");

/// Refuses a command that was checked before DEBUG LOADAOF began, and got its locks after that. They are held.
#[inline]
pub(crate) fn loads_not(local: &Local, server: &Server) -> Result<(), Error> {
    if server.gate.load(Relaxed) & server_gate::LOADING != 0 && !local.replaying {
        return Err(LOADING);
    }
    Ok(())
}

/// Why a command that has waited may not run, if it may not. Its locks are held: nothing is evicted for it.
pub(crate) fn refusal_after_wait(local: &Local, server: &Server, entry: &Entry) -> Option<Error> {
    let g = server.gate.load(Relaxed);
    let nothing_goes = local.cfg.maxmemory_policy == MaxmemoryPolicy::NoEviction;
    if entry.flags.has(Flags::DENYOOM) && nothing_goes && evict::is_over(local, server) {
        return Some(Error::Oom);
    }
    let writes = entry.flags.has(Flags::WRITE);
    if g & server_gate::AOF_FAILING != 0 && writes {
        return Some(aof_failing(server));
    }
    (g & server_gate::DISK_ERROR != 0 && writes).then_some(DISK_ERROR)
}

fn aof_failing(server: &Server) -> Error {
    let reason = server.aof.write_error.lock().clone();
    Error::text(format!("MISCONF Errors writing to the AOF file: {reason}"))
}

const DISK_ERROR: Error = Error::Static(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may \
     modify the data set are disabled, because this instance is configured to report errors during writes if RDB \
     snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
);

/// Whether a command writes, or the transaction that it executes does.
fn writes(session: &Session, server: &Server, entry: &Entry) -> bool {
    entry.flags.has(Flags::WRITE)
        || (entry.is(Traits::EXEC) && transaction::queued_flags(session, server, Flags::WRITE))
}

/// Whether a command writes, or has others write or be told.
fn changes(entry: &Entry) -> bool {
    entry.flags.has(Flags::WRITE) || entry.is(Traits::MAY_REPLICATE)
}

/// Whether CLIENT PAUSE holds the command back.
fn paused(local: &Local, server: &Server, session: &Session, entry: &Entry, args: Args<'_>) -> bool {
    let (writes, all) = server.paused(local.now);
    if session.shared.has_flag(flag::REPLICA) {
        return false;
    }
    let changes = |e: &Entry, args: Args<'_>| changes(e) && !e.cmd.only_reads.is_some_and(|f| f(server, args));
    all || (writes
        && (changes(entry, args) || (entry.is(Traits::EXEC) && transaction::queued_any(session, server, changes))))
}

/// Executes a command that was checked: locks, handler, commit, statistics. Returns the clock's reading at the end.
#[expect(clippy::too_many_arguments, reason = "one place for all that surrounds a handler")]
pub(crate) fn call(
    local: &mut Local,
    server: &Server,
    session: &mut Session,
    entry: &Entry,
    args: Args<'_>,
    keys: Option<&[Located]>,
    out: &mut Reply,
    start: u64,
) -> u64 {
    let mark = out.mark();
    // the keys come located from a batch; a single command locates its own
    let mut own = KeyList::new();
    let located = match keys {
        Some(k) => k,
        None => {
            if entry.names_keys() {
                entry.each_key(args, |i| own.push(Located::new(server, args.at(i))));
            }
            &own
        }
    };
    let outcome = match entry.cmd.handler {
        Handler::Read(f) => server.lock(footprint_of(entry, args, located)).and_then(|mut guards| {
            let no_touch = session.no_touch;
            let keys = ReadKeys::new(&mut guards, server, local, session.db, no_touch, located);
            let outcome = f(&mut ReadCtx { args, keys, out, session, entry, server });
            settle(local, server);
            remember(server, session, entry, args, &mut guards);
            if !local.ready.is_empty() {
                blocking::serve_held(local, server, &mut guards);
            }
            outcome
        }),
        Handler::Write(f) => server.lock(footprint_of(entry, args, located)).and_then(|mut guards| {
            loads_not(local, server)?;
            let no_touch = session.no_touch;
            let db = session.db;
            let keys = WriteKeys::new(ReadKeys::new(&mut guards, server, local, db, no_touch, located));
            let outcome = f(&mut WriteCtx { args, keys, out, session, entry, server });
            commit(local, server, db, args);
            if !local.ready.is_empty() {
                blocking::serve_held(local, server, &mut guards);
            }
            outcome
        }),
        Handler::Admin(f) => f(&mut AdminCtx { args, local, out, session, entry, server, held: None, located }),
        Handler::Container => Err(Error::Arity(entry.name.clone())),
    };
    let end = account(local, server, session, entry, args, out, mark, outcome, start);
    if local.ready.is_empty() { end } else { serve(local, server) }
}

/// Serves those whose keys became ready and who could not be served under the command's locks.
#[cold]
fn serve(local: &mut Local, server: &Server) -> u64 {
    blocking::serve(local, server);
    local.clock.read()
}

/// As [`call`], under locks that a transaction or script holds. A command that needs others is refused.
#[expect(clippy::too_many_arguments, reason = "one place for all that surrounds a handler")]
pub(crate) fn call_held<'s>(
    local: &mut Local,
    server: &'s Server,
    session: &mut Session,
    entry: &'s Entry,
    args: Args<'_>,
    out: &mut Reply,
    guards: &mut Held<'s>,
    start: u64,
) -> u64 {
    let mark = out.mark();
    let no_touch = session.no_touch;
    let mut located = KeyList::new();
    if entry.names_keys() {
        entry.each_key(args, |i| located.push(Located::new(server, args.at(i))));
    }
    let outcome = match entry.cmd.handler {
        _ if !guards.held().covers(footprint_of(entry, args, &located)) => Err(Error::Static(UNDECLARED)),
        Handler::Read(f) => {
            let keys = ReadKeys::new(guards, server, local, session.db, no_touch, &located);
            let outcome = f(&mut ReadCtx { args, keys, out, session, entry, server });
            settle(local, server);
            remember(server, session, entry, args, guards);
            outcome
        }
        Handler::Write(f) => {
            let db = session.db;
            let keys = WriteKeys::new(ReadKeys::new(guards, server, local, db, no_touch, &located));
            let outcome = f(&mut WriteCtx { args, keys, out, session, entry, server });
            commit(local, server, db, args);
            outcome
        }
        Handler::Admin(f) => {
            let held = Some(guards);
            f(&mut AdminCtx { args, local, out, session, entry, server, held, located: &located })
        }
        Handler::Container => Err(Error::Arity(entry.name.clone())),
    };
    account(local, server, session, entry, args, out, mark, outcome, start)
}

/// Never seen, unless what lets a script take fewer locks is wrong.
const UNDECLARED: &str = "ERR Script attempted to access a key that it did not declare";

/// Few keys without an allocation.
type KeyList = smallvec::SmallVec<[Located; 4]>;

/// The shards of a command whose keys are located.
#[inline]
fn footprint_of(entry: &Entry, args: Args<'_>, keys: &[Located]) -> Footprint {
    if entry.touches_all(args) {
        return Footprint::ALL;
    }
    keys.iter().fold(Footprint::NONE, |f, k| f.with(k.loc.shard()))
}

/// The shards of a command.
pub(crate) fn footprint(server: &Server, entry: &Entry, args: Args<'_>) -> Footprint {
    if entry.touches_all(args) {
        return Footprint::ALL;
    }
    let mut footprint = Footprint::NONE;
    if entry.names_keys() {
        entry.each_key(args, |i| footprint = footprint.with(server.keyspace.locate(args.at(i)).shard()));
    }
    footprint
}

/// Remembers what keys a client that tracks them has read.
#[inline]
fn remember(server: &Server, session: &Session, entry: &Entry, args: Args<'_>, guards: &mut Held<'_>) {
    if session.gate & gate::TRACKING != 0 && entry.names_keys() && tracking::remembers(session, entry.flags) {
        entry.each_key(args, |i| tracking::remember(server, session, guards, args.at(i)));
    }
}

/// The end of a writing command, still under its locks.
#[inline]
pub(crate) fn commit(local: &mut Local, server: &Server, db: usize, args: Args<'_>) {
    let dirty = local.dirty > 0;
    if dirty {
        local.stats.counters.dirty.add(local.dirty);
        local.dirty = 0;
    }
    if local.flushed {
        local.flushed = false;
        tracking::flushed(server);
    }
    propagation::command_done(local, server, db, args, dirty);
    notify::publish_events(server, local);
}

/// The end of something that asked for no change, still under its locks: what expired on the way is propagated and told.
#[inline]
pub(crate) fn settle(local: &mut Local, server: &Server) {
    propagation::flush(local, server);
    notify::publish_events(server, local);
}

/// Statistics, slow log, MONITOR. Returns the clock's reading.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "one place for all that follows a command")]
fn account(
    local: &mut Local,
    server: &Server,
    session: &mut Session,
    entry: &Entry,
    args: Args<'_>,
    out: &mut Reply,
    mark: (usize, usize),
    outcome: Outcome,
    start: u64,
) -> u64 {
    let failed = outcome.is_err();
    if let Err(error) = outcome {
        reply_error(local, server, out, mark, &error);
    }
    let end = local.clock.read();
    // one that waits is counted when its wait ends, one that is tried again is shown by MONITOR only the first time
    if !matches!(session.stand_in, StandIn::Waits { .. }) && !matches!(session.blocked, Some(Blocked::Keys(_))) {
        let ns = end.saturating_sub(start);
        let counters = &local.stats.counters;
        counters.commands.add(1);
        // one writer: a plain addition
        let mine = &session.shared.commands;
        mine.store(mine.load(Relaxed) + 1, Relaxed);
        counters.command_ns.add(ns);
        if let Some(s) = local.stats.commands.get(entry.id) {
            s.calls.add(1);
            s.ns.add(ns);
            if failed {
                s.failed.add(1);
            }
            if local.cfg.latency_tracking {
                s.record(ns);
            }
        }
        let slower = local.cfg.slowlog_log_slower_than;
        if slower >= 0 && (ns / 1000) as i64 >= slower && !entry.flags.has(Flags::SKIP_SLOWLOG) {
            log_slow(local, server, session, args, (ns / 1000) as i64);
        }
        local.note_latency(server, if entry.flags.has(Flags::FAST) { "fast-command" } else { "command" }, ns);
    }
    if server.gate.load(Relaxed) & server_gate::MONITOR != 0
        && session.stand_in == StandIn::No
        && !entry.flags.any(Flags::SKIP_MONITOR.or(Flags::ADMIN))
    {
        crate::monitor::feed(local, server, session, args);
    }
    local.redact.clear();
    end
}

/// Replies and counts a command's error.
#[cold]
#[inline(never)]
fn reply_error(local: &Local, server: &Server, out: &mut Reply, mark: (usize, usize), error: &Error) {
    if *error != Error::Replied && *error != Error::RepliedCounted {
        out.truncate(mark);
        let line = error.to_string();
        out.error(&line);
        server.count_error(&line);
    }
    if *error != Error::RepliedCounted {
        local.stats.counters.errors.add(1);
    }
}

#[cold]
fn log_slow(local: &Local, server: &Server, session: &Session, args: Args<'_>, us: i64) {
    let max = usize::try_from(local.cfg.slowlog_max_len).unwrap_or(0);
    if max == 0 {
        return; // nothing is kept, and no number is spent
    }
    let name = session.shared.identity.lock().name.clone();
    let shown = local.redacted(args);
    let args = shown.as_ref().map_or(args, OwnedArgs::args);
    server.slowlog.lock().add(args, local.clock.now_ms() / 1000, us, &session.shared.addr, &name, max);
}

impl Entry {
    /// The name as an error message shows it: what the client wrote, in lower case.
    fn cmd_name(&self, _args: Args<'_>) -> &str {
        &self.name
    }
}
