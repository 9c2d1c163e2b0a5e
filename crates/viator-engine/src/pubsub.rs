//! Pub/Sub: who listens to what, and the delivery into their mailboxes.

use crate::client::ClientShared;
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

    /// Channels (or shard channels) with listeners, and how many each has.
    pub fn channels(&self, kind: Kind) -> Vec<(Vec<u8>, usize)> {
        let m = self.maps.lock();
        match kind {
            Kind::Channel => m.channels.iter().map(|(c, l)| (c.clone(), l.len())).collect(),
            Kind::Shard => m.shard.iter().map(|(c, l)| (c.clone(), l.len())).collect(),
            Kind::Pattern => m.patterns.iter().map(|(c, l)| (c.clone(), l.len())).collect(),
        }
    }

    /// How many channels (or patterns, or shard channels) have listeners.
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
            Kind::Channel => m.channels.get(name).map_or(0, HashMap::len),
            Kind::Shard => m.shard.get(name).map_or(0, HashMap::len),
            Kind::Pattern => m.patterns.get(name).map_or(0, HashMap::len),
        }
    }
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
    for l in listeners.values() {
        let r = if l.resp3 { &mut three } else { &mut two }.get_or_insert_with(|| message(l.resp3));
        l.client.send(r.since((0, 0)));
    }
    listeners.len()
}
