//! Consumer groups: who was given which entries, and has not acknowledged them yet.

use super::StreamId;
use crate::sorted::Sorted;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A delivered entry that was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Name of the consumer that has it.
    pub consumer: Arc<[u8]>,
    /// When it was delivered last, in milliseconds since the epoch.
    pub delivery_time: u64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// A consumer of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// When it tried to do something last, in milliseconds since the epoch.
    pub seen_time: u64,
    /// When it got something last; `None`: never.
    pub active_time: Option<u64>,
    pending: Sorted<StreamId, ()>,
}

impl Consumer {
    /// The ids of its pending entries from `start` on.
    pub fn pending_from(&self, start: StreamId) -> impl DoubleEndedIterator<Item = StreamId> {
        self.pending.range(start, StreamId::MAX).map(|(id, ())| *id)
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub(super) last_id: StreamId,
    pub(super) entries_read: Option<u64>,
    pending: Sorted<StreamId, Pending>,
    /// The pending entries in the order of their delivery.
    by_time: Sorted<(u64, StreamId), ()>,
    consumers: BTreeMap<Arc<[u8]>, Consumer>,
}

impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        let (pending, by_time) = (Sorted::default(), Sorted::default());
        Group { last_id, entries_read, pending, by_time, consumers: BTreeMap::new() }
    }

    /// The last id delivered to any consumer.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// How many entries the group has read, if known.
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// Sets where the group stands (XGROUP SETID).
    pub fn set_position(&mut self, last_id: StreamId, entries_read: Option<u64>) {
        self.last_id = last_id;
        self.entries_read = entries_read;
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (&[u8], &Consumer)> {
        self.consumers.iter().map(|(name, c)| (&**name, c))
    }

    /// Number of consumers.
    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    /// The consumer of this name.
    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(name)
    }

    /// Adds a consumer unless there is one; whether it is new.
    pub fn create_consumer(&mut self, name: &[u8], now: u64) -> bool {
        if self.consumers.contains_key(name) {
            return false;
        }
        self.consumers.insert(name.into(), Consumer { seen_time: now, active_time: None, pending: Sorted::default() });
        true
    }

    /// Sets when a consumer was seen, and was active if given.
    pub fn touch_consumer(&mut self, name: &[u8], seen_time: u64, active_time: Option<u64>) {
        if let Some(c) = self.consumers.get_mut(name) {
            c.seen_time = seen_time;
            c.active_time = active_time.or(c.active_time);
        }
    }

    /// Removes a consumer with its pending entries; how many those were.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        for (id, ()) in consumer.pending.iter() {
            if let Some(p) = self.pending.remove(id) {
                self.by_time.remove(&(p.delivery_time, *id));
            }
        }
        Some(consumer.pending.len())
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The pending entry of this id.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Pending entries from `start` to `end`, both included.
    pub fn pending_range(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &Pending)> {
        self.pending.range(start, end).map(|(id, p)| (*id, p))
    }

    /// The ids of pending entries that were delivered at or before a time, the longest waiting first.
    pub fn pending_since(&self, delivered_by: u64) -> impl Iterator<Item = StreamId> {
        self.by_time.range((0, StreamId::MIN), (delivered_by, StreamId::MAX)).map(|((_, id), ())| *id)
    }

    /// Makes an entry pending for a consumer (added if it is new), whoever had it before: delivered at this time, so
    /// many times in all.
    pub fn assign(&mut self, id: StreamId, consumer: &[u8], delivery_time: u64, delivery_count: u64) {
        self.create_consumer(consumer, delivery_time);
        let Some((name, _)) = self.consumers.get_key_value(consumer) else { return };
        let new = Pending { consumer: name.clone(), delivery_time, delivery_count };
        if let Some(old) = self.pending.insert(id, new) {
            self.by_time.remove(&(old.delivery_time, id));
            if *old.consumer != *consumer
                && let Some(c) = self.consumers.get_mut(&*old.consumer)
            {
                c.pending.remove(&id);
            }
        }
        self.by_time.insert((delivery_time, id), ());
        if let Some(c) = self.consumers.get_mut(consumer) {
            c.pending.insert(id, ());
        }
    }

    /// Ends an entry's being pending (XACK); whether it was.
    pub fn ack(&mut self, id: StreamId) -> bool {
        let Some(p) = self.pending.remove(&id) else { return false };
        self.by_time.remove(&(p.delivery_time, id));
        if let Some(c) = self.consumers.get_mut(&*p.consumer) {
            c.pending.remove(&id);
        }
        true
    }

    pub(super) fn memory_usage(&self) -> usize {
        let consumers = self.consumers.iter();
        let consumers: usize =
            consumers.map(|(n, c)| (n.len() + 32 + size_of::<Consumer>()) * 4 / 3 + c.pending.memory_usage()).sum();
        size_of::<Group>() + self.pending.memory_usage() + self.by_time.memory_usage() + consumers
    }

    /// A copy that shares what is pending, until either is changed. Consumers are copied.
    pub(super) fn share(&mut self) -> Group {
        let consumers = self.consumers.iter_mut().map(|(name, c)| {
            (name.clone(), Consumer { seen_time: c.seen_time, active_time: c.active_time, pending: c.pending.share() })
        });
        Group {
            last_id: self.last_id,
            entries_read: self.entries_read,
            consumers: consumers.collect(),
            pending: self.pending.share(),
            by_time: self.by_time.share(),
        }
    }

    pub(super) fn drop_some(&mut self, n: usize) -> bool {
        for _ in 0..n {
            let entry = self.pending.pop_first();
            self.by_time.pop_first();
            if let Some((id, p)) = &entry
                && let Some(c) = self.consumers.get_mut(&*p.consumer)
            {
                c.pending.remove(id);
            }
            if entry.is_none() && self.consumers.pop_first().is_none() {
                return true;
            }
        }
        false
    }
}
