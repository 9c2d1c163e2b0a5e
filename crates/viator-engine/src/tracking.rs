//! Client-side caching: who is to be told when a key changes.
//!
//! In the default mode a shard remembers, under its lock, which clients read which of its keys; a change tells them once
//! and forgets. A client in BCAST mode is told of all changes of keys with its prefixes: a thread collects what its
//! commands change, and sends it when it has answered them. Keys are known by their names, whatever their database.

use crate::client::{ClientShared, flag};
use crate::command::{Flags, Group};
use crate::local::Local;
use crate::server::{Held, Server, ShardExt};
use crate::session::{Session, gate};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use viator_keyspace::{Footprint, SHARDS, Shard};
use viator_resp::reply::Reply;

/// Clients that have read keys of a shard, by key.
pub type Readers = HashMap<Box<[u8]>, SmallVec<[Arc<ClientShared>; 1]>, ahash::RandomState>;

/// The channel that tells a RESP2 client what another one must forget.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// Changes that are collected before they are sent.
const MAX_COLLECTED: usize = 1024;
/// Keys forgotten at once when there are more than `tracking-table-max-keys`.
const MAX_FORGOTTEN: usize = 1000;
/// Memory of a prefix beside its bytes twice.
const PREFIX_BYTES: u64 = 96;

/// What CLIENT TRACKING chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// BCAST.
    pub bcast: bool,
    /// OPTIN.
    pub optin: bool,
    /// OPTOUT.
    pub optout: bool,
    /// NOLOOP.
    pub noloop: bool,
    /// Who is told instead; 0: the client itself.
    pub redirect: u64,
    /// Prefixes, of BCAST.
    pub prefixes: Vec<Vec<u8>>,
    /// CLIENT CACHING: the next command is the exception from OPTIN or OPTOUT.
    pub caching: bool,
}

type Followers = HashMap<u64, Arc<ClientShared>, ahash::RandomState>;

/// The server's part.
#[derive(Default)]
pub struct Tracking {
    prefixes: Mutex<BTreeMap<Vec<u8>, Followers>>,
    /// Prefixes that somebody follows.
    followed: AtomicUsize,
    clients: AtomicUsize,
    /// Keys remembered.
    keys: AtomicUsize,
    /// Readers of all of them.
    items: AtomicUsize,
}

/// A key that somebody with a prefix may want to know changed.
#[derive(Debug)]
pub struct Change {
    key: Vec<u8>,
    /// The client that changed it; 0: none.
    by: u64,
}

impl Tracking {
    /// Whether somebody follows a prefix.
    #[inline]
    pub fn is_followed(&self) -> bool {
        self.followed.load(Relaxed) != 0
    }

    /// Keys, readers of all of them, and prefixes.
    pub fn totals(&self) -> (usize, usize, usize) {
        (self.keys.load(Relaxed), self.items.load(Relaxed), self.followed.load(Relaxed))
    }
}

/// Begins tracking, or changes its mode.
pub fn enable(server: &Server, session: &mut Session, mut mode: Mode) {
    if mode.bcast {
        let before = session.tracking.take().map(|m| m.prefixes).unwrap_or_default();
        if mode.prefixes.is_empty() {
            mode.prefixes.push(Vec::new());
        }
        let mut map = server.tracking.prefixes.lock();
        for p in &mode.prefixes {
            map.entry(p.clone()).or_default().insert(session.id(), session.shared.clone());
            if !before.contains(p) {
                session.shared.state_mem.fetch_add(2 * p.len() as u64 + PREFIX_BYTES, Relaxed);
            }
        }
        server.tracking.followed.store(map.len(), Relaxed);
        // those of before stay
        for p in before {
            if !mode.prefixes.contains(&p) {
                mode.prefixes.push(p);
            }
        }
        mode.prefixes.sort_unstable();
    }
    let shared = &session.shared;
    if !shared.has_flag(flag::TRACKING) {
        server.tracking.clients.fetch_add(1, Relaxed);
    }
    shared.redirect.store(mode.redirect, Relaxed);
    shared.set_flag(flag::TRACKING_BROKEN | flag::TRACKING_BCAST | flag::TRACKING_NOLOOP, false);
    let mut bits = flag::TRACKING;
    if mode.bcast {
        bits |= flag::TRACKING_BCAST;
    }
    if mode.noloop {
        bits |= flag::TRACKING_NOLOOP;
    }
    shared.set_flag(bits, true);
    // who follows prefixes has nothing remembered
    session.set_gate(gate::TRACKING, !mode.bcast);
    session.tracking = Some(Box::new(mode));
}

/// Ends tracking.
pub fn disable(server: &Server, session: &mut Session) {
    let Some(mode) = session.tracking.take() else { return };
    session.set_gate(gate::TRACKING, false);
    session
        .shared
        .set_flag(flag::TRACKING | flag::TRACKING_BROKEN | flag::TRACKING_BCAST | flag::TRACKING_NOLOOP, false);
    server.tracking.clients.fetch_sub(1, Relaxed);
    if mode.bcast {
        let mut map = server.tracking.prefixes.lock();
        for p in &mode.prefixes {
            session.shared.state_mem.fetch_sub(2 * p.len() as u64 + PREFIX_BYTES, Relaxed);
            if let Some(followers) = map.get_mut(p) {
                followers.remove(&session.shared.id);
                if followers.is_empty() {
                    map.remove(p);
                }
            }
        }
        server.tracking.followed.store(map.len(), Relaxed);
    }
}

/// Remembers that a tracking client read a key; its shard is held.
pub(crate) fn remember(server: &Server, session: &Session, shards: &mut Held<'_>, key: &[u8]) {
    let shard = server.keyspace.locate(key).shard();
    let readers = &mut shards.shard(shard).ext.readers;
    let clients = match readers.get_mut(key) {
        Some(c) => c,
        None => {
            server.tracking.keys.fetch_add(1, Relaxed);
            readers.entry(key.into()).or_default()
        }
    };
    if !clients.iter().any(|c| c.id == session.shared.id) {
        server.tracking.items.fetch_add(1, Relaxed);
        clients.push(session.shared.clone());
    }
}

/// Whether what this client reads now is to be remembered.
pub(crate) fn remembers(session: &Session, flags: Flags) -> bool {
    flags.has(Flags::READONLY)
        && session.tracking.as_ref().is_some_and(|m| if m.optin { m.caching } else { !(m.optout && m.caching) })
}

/// After a command of a client that tracks: CLIENT CACHING was for this one, unless it was itself about the client, and
/// too many keys may be remembered.
#[cold]
pub(crate) fn after(local: &mut Local, server: &Server, session: &mut Session, entry: &crate::table::Entry) {
    let about_client = entry.parent.is_some() && entry.cmd.group == Group::Connection;
    if session.multi.is_none()
        && !about_client
        && let Some(m) = &mut session.tracking
    {
        m.caching = false;
    }
    limit(local, server);
}

/// Forgets keys, telling their readers, until there are no more than `tracking-table-max-keys`; not too many at once. No
/// shard may be held.
pub fn limit(local: &mut Local, server: &Server) {
    let max = usize::try_from(local.cfg.tracking_table_max_keys).unwrap_or(0);
    let over = |server: &Server| server.tracking.keys.load(Relaxed).saturating_sub(max);
    if max == 0 || over(server) == 0 {
        return;
    }
    let mut left = MAX_FORGOTTEN;
    let first = local.random() as usize;
    for n in 0..SHARDS {
        let n = first.wrapping_add(n) % SHARDS;
        let many = over(server).min(left);
        if many == 0 {
            return;
        }
        let Ok(mut guards) = server.lock(Footprint::NONE.with(n)) else { return };
        let shard = guards.shard(n);
        let keys: Vec<Box<[u8]>> = shard.ext.readers.keys().take(many).cloned().collect();
        left -= keys.len();
        for key in keys {
            tell_readers(server, shard, &key, 0, None);
        }
    }
}

/// Tells whoever wants to know that a key changed. `by`: who changed it, if a command did.
#[cold]
pub(crate) fn changed(local: &mut Local, server: &Server, shard: &mut Shard<ShardExt>, key: &[u8], by: Option<u64>) {
    if !shard.ext.readers.is_empty() {
        tell_readers(server, shard, key, local.client, local.held_back.as_mut());
    }
    if server.tracking.is_followed() {
        local.changes.push(Change { key: key.to_vec(), by: by.unwrap_or(0) });
        if local.changes.len() >= MAX_COLLECTED {
            send_changes(local, server);
        }
    }
}

/// Tells those who read a key, but for `current` if it wants no messages about its own changes. What else there is for
/// `current` is held back if that is wanted.
fn tell_readers(
    server: &Server,
    shard: &mut Shard<ShardExt>,
    key: &[u8],
    current: u64,
    mut held_back: Option<&mut Vec<u8>>,
) {
    let Some(clients) = shard.ext.readers.remove(key) else { return };
    server.tracking.keys.fetch_sub(1, Relaxed);
    server.tracking.items.fetch_sub(clients.len(), Relaxed);
    for c in &clients {
        let flags = c.flags.load(Relaxed);
        let own = c.id == current && flags & flag::TRACKING_NOLOOP != 0;
        if flags & flag::TRACKING != 0 && flags & flag::TRACKING_BCAST == 0 && !own {
            let Some((to, message)) = message(server, c, Some(&[key])) else { continue };
            match &mut held_back {
                Some(later) if to.id == current => later.extend_from_slice(message.since((0, 0))),
                _ => to.send(message.since((0, 0))),
            }
        }
    }
}

/// Sends what was collected for those who follow prefixes.
#[inline]
pub fn flush(local: &mut Local, server: &Server) {
    if !local.changes.is_empty() {
        send_changes(local, server);
    }
}

#[cold]
fn send_changes(local: &mut Local, server: &Server) {
    let mut changes = std::mem::take(&mut local.changes);
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes.dedup_by(|b, a| a.key == b.key);
    for (prefix, followers) in &*server.tracking.prefixes.lock() {
        let from = changes.partition_point(|c| c.key.as_slice() < prefix.as_slice());
        let rest = changes.get(from..).unwrap_or_default();
        let n = rest.iter().take_while(|c| c.key.starts_with(prefix)).count();
        let matching = rest.get(..n).unwrap_or_default();
        for (id, client) in followers {
            let noloop = client.has_flag(flag::TRACKING_NOLOOP);
            let keys: Vec<&[u8]> =
                matching.iter().filter(|c| !(noloop && c.by == *id)).map(|c| c.key.as_slice()).collect();
            if !keys.is_empty() {
                send(server, client, Some(&keys));
            }
        }
    }
}

/// Tells all who track that all keys are gone. All shards are held, and have forgotten their readers.
#[cold]
pub(crate) fn flushed(server: &Server) {
    if server.tracking.clients.load(Relaxed) == 0 {
        return;
    }
    for c in server.clients.all() {
        if c.has_flag(flag::TRACKING) {
            send(server, &c, None);
        }
    }
}

/// Forgets the readers of all keys of a shard.
pub(crate) fn forget_all(server: &Server, shard: &mut Shard<ShardExt>) {
    for (_, clients) in std::mem::take(&mut shard.ext.readers) {
        server.tracking.keys.fetch_sub(1, Relaxed);
        server.tracking.items.fetch_sub(clients.len(), Relaxed);
    }
}

/// Tells a client to forget keys, or all; or whom it redirected its messages to.
fn send(server: &Server, client: &Arc<ClientShared>, keys: Option<&[&[u8]]>) {
    if let Some((to, message)) = message(server, client, keys) {
        to.send(message.since((0, 0)));
    }
}

/// The message that [`send`] sends, and to whom.
fn message(server: &Server, client: &Arc<ClientShared>, keys: Option<&[&[u8]]>) -> Option<(Arc<ClientShared>, Reply)> {
    let redirect = client.redirect.load(Relaxed);
    let resp3 = |c: &ClientShared| c.identity.lock().resp > 2;
    let mut message = Reply::new();
    let target = if redirect == 0 { Some(client.clone()) } else { server.clients.get(redirect) };
    let Some(target) = target else {
        client.set_flag(flag::TRACKING_BROKEN, true);
        if !resp3(client) {
            return None;
        }
        message.set_resp3(true);
        message.push(2);
        message.bulk(b"tracking-redir-broken");
        message.int(redirect as i64);
        return Some((client.clone(), message));
    };
    if resp3(&target) {
        message.set_resp3(true);
        message.push(2);
        message.bulk(b"invalidate");
    } else if redirect != 0 && target.has_flag(flag::PUBSUB) {
        message.push(3);
        message.bulk(b"message");
        message.bulk(CHANNEL);
    } else {
        return None; // such a client cannot be told
    }
    match keys {
        Some(keys) => {
            message.array(keys.len());
            keys.iter().for_each(|k| message.bulk(k));
        }
        None => message.null(),
    }
    Some((target, message))
}
