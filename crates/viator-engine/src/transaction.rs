//! MULTI, EXEC, WATCH.
//!
//! A transaction's footprint is the union of its commands' and its watched keys': EXEC takes all those locks, looks
//! whether a watched key changed, and runs the queue under them. A watched key's watchers stand in its shard; every
//! change of the key marks them, under the same lock.

use crate::client::flag;
use crate::command::Flags;
use crate::ctx::{AdminCtx, ReadCtx};
use crate::dispatch;
use crate::error::Error;
use crate::keys::ReadKeys;
use crate::server::{Server, ShardExt};
use crate::session::{Session, Watched};
use crate::table::Lookup;
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::{Footprint, Shard};

/// Whether a queued command has one of these flags.
pub fn queued_any(session: &Session, server: &Server, flags: Flags) -> bool {
    session.multi.as_ref().is_some_and(|m| {
        m.queue.iter().any(|c| matches!(server.table.lookup(c.args()), Lookup::Found(e) if e.flags.any(flags)))
    })
}

/// Forgets transaction and watched keys.
pub fn discard(session: &mut Session, server: &Server) {
    session.end_multi();
    unwatch(session, server);
}

/// WATCH of one key; its shard is held.
pub fn watch(ctx: &mut ReadCtx<'_, '_>, key: &[u8]) {
    let db = ctx.session.db;
    if ctx.session.watched.iter().any(|w| w.db == db && w.key == key) {
        return;
    }
    // whether it had expired matters: its later removal is no change then
    let loc = ctx.keys.locate(key);
    let now = ctx.keys.now();
    let shard = ctx.keys.shard(loc.shard());
    let expired =
        shard.db(db).and_then(|d| d.find(loc, key).map(|h| d.expire_of(h))).flatten().is_some_and(|when| when <= now);
    shard.ext.watchers.entry((db, key.into())).or_default().push(ctx.session.shared.clone());
    ctx.session.watched.push(Watched { db, key: key.to_vec(), expired });
    ctx.session.shared.watch.store(ctx.session.watched.len() as u32, Relaxed);
}

fn forget(shard: &mut Shard<ShardExt>, w: &Watched, client: u64) {
    let id = (w.db, w.key.as_slice().into());
    if let Some(clients) = shard.ext.watchers.get_mut(&id) {
        clients.retain(|c| c.id != client);
        if clients.is_empty() {
            shard.ext.watchers.remove(&id);
        }
    }
}

/// Forgets the watched keys. No shard may be held.
pub fn unwatch(session: &mut Session, server: &Server) {
    for w in std::mem::take(&mut session.watched) {
        let shard = server.keyspace.locate(&w.key).shard();
        let mut guards = server.keyspace.lock(Footprint::NONE.with(shard));
        forget(guards.shard(shard), &w, session.shared.id);
    }
    clear_watch_state(session);
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
    let Some(multi) = ctx.session.end_multi() else {
        return Err(Error::Static("ERR EXEC without MULTI"));
    };
    if multi.aborted {
        unwatch(ctx.session, ctx.server);
        return Err(Error::Static("EXECABORT Transaction discarded because of previous errors."));
    }
    let server = ctx.server;
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
    let mut guards = dispatch::lock_for(server, footprint);
    let mut changed = ctx.session.shared.watch_dirty.load(Relaxed);
    for w in std::mem::take(&mut ctx.session.watched) {
        let shard = server.keyspace.locate(&w.key).shard();
        if !w.expired {
            // a watched key whose time has come counts as changed even if nobody removed it yet
            let mut keys = ReadKeys::new(&mut guards, server, ctx.local, w.db, true, &[]);
            let loc = keys.locate(&w.key);
            let now = keys.now();
            changed |= keys
                .shard(shard)
                .db(w.db)
                .and_then(|d| d.find(loc, &w.key).and_then(|h| d.expire_of(h)))
                .is_some_and(|when| when <= now);
        }
        forget(guards.shard(shard), &w, ctx.session.shared.id);
    }
    clear_watch_state(ctx.session);
    if changed {
        ctx.out.null_array();
        return Ok(());
    }
    ctx.out.array(entries.len());
    let mut at = ctx.local.clock.read();
    for (entry, c) in entries.into_iter().zip(&multi.queue) {
        at = dispatch::call_held(ctx.local, server, ctx.session, entry, c.args(), ctx.out, &mut guards, at);
    }
    Ok(())
}
