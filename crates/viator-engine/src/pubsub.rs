//! Pub/Sub: who listens to what, and the delivery into their mailboxes.

use crate::client::{ClientShared, flag};
use crate::server::Server;
use crate::session::{Session, gate};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use viator_resp::reply::Reply;

/// What a session subscribes to.
#[derive(Default, Debug)]
pub struct Subscriptions {
    /// Channels.
    pub channels: BTreeSet<Vec<u8>>,
    /// Patterns.
    pub patterns: BTreeSet<Vec<u8>>,
    /// Shard channels.
    pub shard: BTreeSet<Vec<u8>>,
}

/// The kinds of subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// SUBSCRIBE.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE.
    Shard,
}

struct Listener {
    client: Arc<ClientShared>,
    resp3: bool,
}

type Listeners = HashMap<u64, Listener, ahash::RandomState>;

#[derive(Default)]
struct Maps {
    channels: HashMap<Vec<u8>, Listeners, ahash::RandomState>,
    patterns: BTreeMap<Vec<u8>, Listeners>,
    shard: HashMap<Vec<u8>, Listeners, ahash::RandomState>,
}

/// The subscriptions of all clients.
#[derive(Default)]
pub struct PubSub {
    maps: Mutex<Maps>,
    /// Channels and patterns with a listener: publishing to nobody takes no lock.
    listened: AtomicUsize,
}

impl PubSub {
    /// Adds a subscription. Messages come in the protocol that `resp3` says.
    pub fn add(&self, kind: Kind, name: &[u8], client: &Arc<ClientShared>, resp3: bool) {
        let mut m = self.maps.lock();
        let listener = Listener { client: client.clone(), resp3 };
        match kind {
            Kind::Channel => m.channels.entry(name.to_vec()).or_default().insert(client.id, listener),
            Kind::Pattern => m.patterns.entry(name.to_vec()).or_default().insert(client.id, listener),
            Kind::Shard => m.shard.entry(name.to_vec()).or_default().insert(client.id, listener),
        };
        self.recount(&m);
    }

    /// Removes a subscription.
    pub fn remove(&self, kind: Kind, name: &[u8], client: u64) {
        let mut m = self.maps.lock();
        let listeners = match kind {
            Kind::Channel => m.channels.get_mut(name),
            Kind::Pattern => m.patterns.get_mut(name),
            Kind::Shard => m.shard.get_mut(name),
        };
        if let Some(l) = listeners {
            l.remove(&client);
            if l.is_empty() {
                match kind {
                    Kind::Channel => m.channels.remove(name),
                    Kind::Pattern => m.patterns.remove(name),
                    Kind::Shard => m.shard.remove(name),
                };
            }
        }
        self.recount(&m);
    }

    fn recount(&self, m: &Maps) {
        self.listened.store(m.channels.len() + m.patterns.len() + m.shard.len(), Relaxed);
    }

    /// Publishes to a channel's and matching patterns' listeners. Returns how many got it.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        if self.listened.load(Relaxed) == 0 {
            return 0;
        }
        let m = self.maps.lock();
        let mut n = 0;
        if let Some(l) = m.channels.get(channel) {
            n += deliver(l, &[b"message", channel, message]);
        }
        for (pattern, l) in &m.patterns {
            if viator_data::glob::matches(pattern, channel) {
                n += deliver(l, &[b"pmessage", pattern, channel, message]);
            }
        }
        n
    }

    /// Publishes to a shard channel's listeners. Returns how many got it.
    pub fn publish_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        if self.listened.load(Relaxed) == 0 {
            return 0;
        }
        self.maps.lock().shard.get(channel).map_or(0, |l| deliver(l, &[b"smessage", channel, message]))
    }

    /// Channels (or shard channels, patterns) with listeners that a pattern, if one is given, matches.
    pub fn names(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Vec<u8>> {
        let m = self.maps.lock();
        let wanted = |c: &&Vec<u8>| pattern.is_none_or(|p| viator_data::glob::matches(p, c));
        match kind {
            Kind::Channel => m.channels.keys().filter(wanted).cloned().collect(),
            Kind::Shard => m.shard.keys().filter(wanted).cloned().collect(),
            Kind::Pattern => m.patterns.keys().filter(wanted).cloned().collect(),
        }
    }

    /// How many channels (or shard channels, patterns) have listeners.
    pub fn count(&self, kind: Kind) -> usize {
        let m = self.maps.lock();
        match kind {
            Kind::Channel => m.channels.len(),
            Kind::Shard => m.shard.len(),
            Kind::Pattern => m.patterns.len(),
        }
    }

    /// Listeners of one channel or shard channel.
    pub fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        let m = self.maps.lock();
        match kind {
            Kind::Channel => m.channels.get(name).map_or(0, present),
            Kind::Shard => m.shard.get(name).map_or(0, present),
            Kind::Pattern => m.patterns.get(name).map_or(0, present),
        }
    }
}

impl Subscriptions {
    /// The names of a kind.
    pub fn of(&self, kind: Kind) -> &BTreeSet<Vec<u8>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shard,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut BTreeSet<Vec<u8>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard,
        }
    }

    /// The count that a confirmation of this kind gives: shard channels count apart.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.shard.len(),
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
        }
    }
}

/// Memory of one subscription beside its name twice, bytes: set and map nodes.
const SUBSCRIPTION_BYTES: u64 = 96;

/// Subscribes a client. Nothing happens if it is subscribed already.
pub fn subscribe(server: &Server, session: &mut Session, kind: Kind, name: &[u8]) {
    if session.subscriptions.of_mut(kind).insert(name.to_vec()) {
        session.shared.state_mem.fetch_add(2 * name.len() as u64 + SUBSCRIPTION_BYTES, Relaxed);
        server.pubsub.add(kind, name, &session.shared, session.resp3);
        publish_state(session);
    }
}

/// Ends a subscription. Nothing happens if there is none.
pub fn unsubscribe(server: &Server, session: &mut Session, kind: Kind, name: &[u8]) {
    if session.subscriptions.of_mut(kind).remove(name) {
        session.shared.state_mem.fetch_sub(2 * name.len() as u64 + SUBSCRIPTION_BYTES, Relaxed);
        server.pubsub.remove(kind, name, session.shared.id);
        publish_state(session);
    }
}

/// Ends all subscriptions without a word (RESET, the end of the connection).
pub fn forget(server: &Server, session: &mut Session) {
    for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
        for name in session.subscriptions.of(kind).clone() {
            unsubscribe(server, session, kind, &name);
        }
    }
}

/// Has messages come in the protocol that the session speaks now.
pub fn protocol_changed(server: &Server, session: &Session) {
    for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
        for name in session.subscriptions.of(kind) {
            server.pubsub.add(kind, name, &session.shared, session.resp3);
        }
    }
}

/// Lets others, and dispatch, see the subscriptions.
fn publish_state(session: &mut Session) {
    let s = &session.subscriptions;
    let shared = &session.shared;
    shared.sub.store(s.channels.len() as u32, Relaxed);
    shared.psub.store(s.patterns.len() as u32, Relaxed);
    shared.ssub.store(s.shard.len() as u32, Relaxed);
    let any = !(s.channels.is_empty() && s.patterns.is_empty() && s.shard.is_empty());
    shared.set_flag(flag::PUBSUB, any);
    session.set_gate(gate::SUBSCRIBED, any);
}

/// How many listeners are there; one that was killed is not, though its worker may not have seen it yet.
fn present(listeners: &Listeners) -> usize {
    listeners.values().filter(|l| !l.client.kill.load(Relaxed)).count()
}

fn deliver(listeners: &Listeners, parts: &[&[u8]]) -> usize {
    let message = |resp3| {
        let mut r = Reply::new();
        r.set_resp3(resp3);
        r.push(parts.len());
        for p in parts {
            r.bulk(p);
        }
        r
    };
    let (mut two, mut three) = (None, None);
    let mut n = 0;
    for l in listeners.values().filter(|l| !l.client.kill.load(Relaxed)) {
        let r = if l.resp3 { &mut three } else { &mut two }.get_or_insert_with(|| message(l.resp3));
        l.client.send(r.since((0, 0)));
        n += 1;
    }
    n
}
