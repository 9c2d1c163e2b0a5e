//! MULTI, EXEC, WATCH.
//!
//! A transaction's footprint is the union of its commands' and its watched keys': EXEC takes all those locks, looks
//! whether a watched key changed, and runs the queue under them. A watched key's watchers stand in its shard; every
//! change of the key marks them, under the same lock.

use crate::args::Args;
use crate::blocking;
use crate::client::flag;
use crate::command::Flags;
use crate::ctx::{AdminCtx, ReadCtx};
use crate::dispatch;
use crate::error::Error;
use crate::propagation;
use crate::server::{Held, Server, ShardExt, Watcher};
use crate::session::{Session, Watched};
use crate::table::{Entry, Lookup};
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::{Footprint, Shard};

/// Memory of a watched key beside its bytes twice: the session's and the shard's entries.
const WATCH_BYTES: u64 = 128;

/// Whether a queued command is such a one.
pub fn queued_any(session: &Session, server: &Server, is: impl Fn(&Entry, Args<'_>) -> bool) -> bool {
    session.multi.as_ref().is_some_and(|m| {
        m.queue.iter().any(|c| matches!(server.table.lookup(c.args()), Lookup::Found(e) if is(e, c.args())))
    })
}

/// Whether a queued command has one of these flags.
pub fn queued_flags(session: &Session, server: &Server, flags: Flags) -> bool {
    queued_any(session, server, |e, _| e.flags.any(flags))
}

/// Forgets transaction and watched keys. No shard may be held.
pub fn discard(session: &mut Session, server: &Server) {
    session.end_multi();
    unwatch(session, server);
}

/// WATCH of one key; its shard is held.
pub fn watch(ctx: &mut ReadCtx<'_, '_>, key: &[u8]) {
    let db = ctx.session.db;
    // EXEC will fail already: there is nothing more to find out
    if ctx.session.shared.watch_dirty.load(Relaxed) || ctx.session.watched.iter().any(|w| w.db == db && w.key == key) {
        return;
    }
    // whether it had expired matters: its later removal is no change then
    let loc = ctx.keys.locate(key);
    let now = ctx.keys.now();
    let shard = ctx.keys.shard(loc.shard());
    let expired = has_expired(shard, db, key, loc, now);
    let client = ctx.session.shared.clone();
    shard.ext.watchers.entry((db, key.into())).or_default().push(Watcher { client, expired });
    ctx.session.watched.push(Watched { db, key: key.to_vec() });
    ctx.session.shared.watch.store(ctx.session.watched.len() as u32, Relaxed);
    ctx.session.shared.state_mem.fetch_add(watch_memory(key), Relaxed);
}

fn watch_memory(key: &[u8]) -> u64 {
    2 * key.len() as u64 + WATCH_BYTES
}

/// Whether the key is there, and its time has come.
fn has_expired(shard: &Shard<ShardExt>, db: usize, key: &[u8], loc: viator_keyspace::Loc, now: i64) -> bool {
    let expire = |d: &viator_keyspace::DbShard| d.find(loc, key).and_then(|h| d.expire_of(h));
    shard.db(db).and_then(expire).is_some_and(|when| when <= now)
}

/// Takes a client from a key's watchers. Returns whether the key had expired already when it was watched, and still has.
fn forget(shard: &mut Shard<ShardExt>, w: &Watched, client: u64) -> bool {
    let id = (w.db, w.key.as_slice().into());
    let Some(watchers) = shard.ext.watchers.get_mut(&id) else { return false };
    let expired = watchers.iter().any(|x| x.client.id == client && x.expired);
    watchers.retain(|x| x.client.id != client);
    if watchers.is_empty() {
        shard.ext.watchers.remove(&id);
    }
    expired
}

/// Forgets the watched keys. No shard may be held.
pub fn unwatch(session: &mut Session, server: &Server) {
    for w in std::mem::take(&mut session.watched) {
        let shard = server.keyspace.locate(&w.key).shard();
        session.shared.state_mem.fetch_sub(watch_memory(&w.key), Relaxed);
        match server.lock(Footprint::NONE.with(shard)) {
            Ok(mut guards) => {
                forget(guards.shard(shard), &w, session.shared.id);
            }
            Err(_) => {
                server.late_unwatch.lock().push((session.shared.id, w));
                catch_up(server);
            }
        }
    }
    clear_watch_state(session);
}

/// Makes up for what a script which took long kept from the shards, if it ended before that was noted. No shard may be
/// held.
#[cold]
pub(crate) fn catch_up(server: &Server) {
    // while it is busy, its end will see to it
    if let Ok(mut guards) = server.lock(Footprint::ALL) {
        after_slow(server, &mut guards);
    }
}

/// Makes up for what a script which took long kept from the shards; all of these are held.
pub(crate) fn after_slow(server: &Server, guards: &mut Held<'_>) {
    unwatch_late(server, guards);
    blocking::leave_late(server, guards);
}

fn unwatch_late(server: &Server, guards: &mut Held<'_>) {
    let mut late = server.late_unwatch.lock();
    late.retain(|(client, w)| {
        let shard = server.keyspace.locate(&w.key).shard();
        let held = guards.held().covers(Footprint::NONE.with(shard));
        if held {
            forget(guards.shard(shard), w, *client);
        }
        !held
    });
}

fn clear_watch_state(session: &mut Session) {
    session.shared.watch.store(0, Relaxed);
    session.shared.watch_dirty.store(false, Relaxed);
    session.shared.set_flag(flag::DIRTY_CAS, false);
}

/// EXEC.
///
/// # Errors
/// `EXECABORT` if a command was refused while queueing; EXEC without MULTI.
pub fn exec(ctx: &mut AdminCtx<'_, '_>) -> Result<(), Error> {
    let server = ctx.server;
    let Some(multi) = ctx.session.take_multi() else {
        return Err(Error::Static("ERR EXEC without MULTI"));
    };
    if multi.aborted {
        discard(ctx.session, server);
        return Err(Error::Static("EXECABORT Transaction discarded because of previous errors."));
    }
    let mut footprint = Footprint::NONE;
    let mut entries = Vec::with_capacity(multi.queue.len());
    for c in &multi.queue {
        // the table does not change after start: what was found while queueing is found again
        if let Lookup::Found(e) = server.table.lookup(c.args()) {
            footprint = footprint.or(dispatch::footprint(server, e, c.args()));
            entries.push(e);
        }
    }
    for w in &ctx.session.watched {
        footprint = footprint.with(server.keyspace.locate(&w.key).shard());
    }
    let locked = server.lock(footprint);
    let mut guards = match locked.and_then(|g| dispatch::loads_not(ctx.local, server).map(|()| g)) {
        Ok(g) => g,
        Err(e) => {
            discard(ctx.session, server);
            return Err(Error::text(format!("EXECABORT Transaction discarded because of: {e}")));
        }
    };
    let mut changed = ctx.session.shared.watch_dirty.load(Relaxed);
    for w in std::mem::take(&mut ctx.session.watched) {
        let loc = server.keyspace.locate(&w.key);
        let shard = guards.shard(loc.shard());
        let was_expired = forget(shard, &w, ctx.session.shared.id);
        // a watched key whose time has come counts as changed even if nobody removed it yet
        changed |= !was_expired && has_expired(shard, w.db, &w.key, loc, ctx.local.now);
        ctx.session.shared.state_mem.fetch_sub(watch_memory(&w.key), Relaxed);
    }
    clear_watch_state(ctx.session);
    if changed {
        ctx.session.end_multi();
        ctx.out.null_array();
        return Ok(());
    }
    ctx.out.array(entries.len());
    ctx.session.in_exec = true;
    propagation::begin(ctx.local);
    let mut at = ctx.local.clock.read();
    // a client that kills itself gets no replies from then on
    let mut last_words = None;
    for (entry, c) in entries.into_iter().zip(&multi.queue) {
        at = dispatch::call_held(ctx.local, server, ctx.session, entry, c.args(), ctx.out, &mut guards, at);
        if ctx.session.close_after_reply {
            last_words.get_or_insert_with(|| ctx.out.mark());
        }
    }
    propagation::end(ctx.local, server);
    if let Some(mark) = last_words {
        ctx.out.truncate(mark);
    }
    ctx.session.in_exec = false;
    ctx.session.end_multi();
    if !ctx.local.ready.is_empty() {
        blocking::serve_held(ctx.local, server, &mut guards);
    }
    Ok(())
}
