//! The stream: entries in the order of their ids, and groups of consumers that share reading them.
//!
//! Entries lie in nodes of a hundred or so, which are Redis's nodes: RDB and DUMP carry each as a listpack. Here they have
//! a form of their own that takes little more than half of that.

mod group;
mod listpack;
mod log;
mod node;
mod nodes;
#[cfg(test)]
mod tests;

use crate::packed::{Malformed, Packed};
pub use group::{Consumer, Group, Pending};
pub use log::{Item, Limits, Log, NotGreater, Range, TrimTo};
pub use node::Fields;
use std::collections::BTreeMap;

/// An entry's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds, as a rule since the epoch.
    pub ms: u64,
    /// Sequence within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// 0-0, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest id.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The id made of these two.
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The id after this one; `None` after the greatest.
    pub const fn next(self) -> Option<StreamId> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The id before this one; `None` before the smallest.
    pub const fn prev(self) -> Option<StreamId> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }

    /// 16 bytes that order as the ids do, as RDB writes a node's id.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.ms) << 64) | u128::from(self.seq)).to_be_bytes()
    }

    /// The id of 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let n = u128::from_be_bytes(bytes);
        StreamId { ms: (n >> 64) as u64, seq: n as u64 }
    }
}

impl core::fmt::Display for StreamId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// What becomes of the groups' references to an entry that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefPolicy {
    /// They stay (KEEPREF).
    #[default]
    Keep,
    /// They are deleted as well (DELREF).
    Delete,
    /// Only entries that every group has read and acknowledged are deleted (ACKED).
    Acked,
}

/// What became of an entry that was to be deleted; the numbers XDELEX and XACKDEL answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// No such entry, or (XACKDEL) it was not pending.
    NotFound = -1,
    /// Deleted.
    Yes = 1,
    /// Not deleted, because a group still refers to it.
    Referenced = 2,
}

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy that shares the entries, and what is pending of them, with this one, until either is changed.
    pub fn share(&mut self) -> Stream {
        let groups = self.groups.iter_mut().map(|(name, g)| (name.clone(), g.share())).collect();
        Stream { log: self.log.share(), groups }
    }

    /// The entries.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Heap bytes held, tree nodes estimated.
    pub fn memory_usage(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(name, g)| name.len() + 16 + g.memory_usage()).sum();
        self.log.memory_usage() + groups
    }

    /// Appends an entry; `fields` are names and values in turns. The id must be above the last one.
    pub fn append<V: AsRef<[u8]>>(&mut self, id: StreamId, fields: &[V], limits: &Limits) -> Result<(), NotGreater> {
        self.log.append(id, fields, limits)
    }

    /// Adds a node of a stream that is being loaded, after checking every entry. Set the counters after the last one.
    pub fn push_node(&mut self, master: StreamId, node: Packed) -> Result<(), Malformed> {
        self.log.push_node(master, node)
    }

    /// Sets what a stream knows beside its entries (loading, XSETID).
    pub fn set_counters(&mut self, last_id: StreamId, max_deleted_id: StreamId, entries_added: u64) {
        self.log.set_counters(last_id, max_deleted_id, entries_added);
    }

    /// Deletes an entry and leaves references to it alone (XDEL); whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        self.log.delete(id)
    }

    /// Deletes an entry by a policy (XDELEX). References are deleted, under that policy, even if the entry is gone.
    pub fn delete_by(&mut self, id: StreamId, policy: RefPolicy) -> Deleted {
        match policy {
            RefPolicy::Keep => {}
            RefPolicy::Delete => self.forget(id),
            RefPolicy::Acked if self.is_referenced(id) => return Deleted::Referenced,
            RefPolicy::Acked => {}
        }
        if self.log.delete(id) { Deleted::Yes } else { Deleted::NotFound }
    }

    /// Acknowledges an entry for a group and deletes it by a policy (XACKDEL).
    pub fn ack_delete(&mut self, group: &[u8], id: StreamId, policy: RefPolicy) -> Deleted {
        if !self.groups.get_mut(group).is_some_and(|g| g.ack(id)) {
            return Deleted::NotFound;
        }
        match self.delete_by(id, policy) {
            // It was pending, which is what counts.
            Deleted::NotFound => Deleted::Yes,
            other => other,
        }
    }

    /// Whether a group has the entry pending or has yet to read it.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.values().any(|g| id > g.last_id() || g.pending(id).is_some())
    }

    fn forget(&mut self, id: StreamId) {
        for g in self.groups.values_mut() {
            g.ack(id);
        }
    }

    /// Cuts entries from the front and returns how many: with `approx` only whole nodes (unless, as in Redis, the policy
    /// asks for a look at every entry anyway); at most `limit` (0: no limit).
    pub fn trim(&mut self, to: TrimTo, approx: bool, limit: usize, policy: RefPolicy) -> usize {
        if policy == RefPolicy::Keep {
            return self.log.trim(to, approx, limit, None);
        }
        let groups = &mut self.groups;
        let mut may_go = |id| {
            if policy == RefPolicy::Acked {
                return !groups.values().any(|g| id > g.last_id() || g.pending(id).is_some());
            }
            for g in groups.values_mut() {
                g.ack(id);
            }
            true
        };
        self.log.trim(to, approx, limit, Some(&mut may_go))
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, g)| (&**name, g))
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The group of this name to change, and the entries to look at meanwhile.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        Some((&self.log, self.groups.get_mut(name)?))
    }

    /// Adds a group unless there is one of this name; whether it is new.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.groups.insert(name.into(), Group::new(last_id, entries_read));
        true
    }

    /// Removes a group; whether there was one.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }

    /// Delivers up to `count` (0: all) entries that the group has not read to a consumer, which must exist: every one
    /// is visited, moves the group's position, and becomes pending unless `no_ack`. Returns how many.
    pub fn deliver(
        &mut self,
        group: &[u8],
        consumer: &[u8],
        count: usize,
        no_ack: bool,
        now: u64,
        mut visit: impl FnMut(Item<'_>),
    ) -> usize {
        let Some(group) = self.groups.get_mut(group) else { return 0 };
        let Some(start) = group.last_id.next() else { return 0 };
        let most = if count == 0 { usize::MAX } else { count };
        let mut delivered = 0;
        for item in self.log.range(start, StreamId::MAX, false).take(most) {
            let exact = group.last_id >= self.log.first_id() && !self.log.has_tombstones_from(group.last_id);
            group.entries_read = match group.entries_read {
                Some(n) if exact => Some(n.saturating_add(1)),
                read if self.log.entries_added() == 0 => read,
                _ => self.log.entries_read_at(item.id),
            };
            group.last_id = item.id;
            if !no_ack {
                group.assign(item.id, consumer, now, 1);
            }
            delivered += 1;
            visit(item);
        }
        delivered
    }

    /// How many entries a group has yet to read, if that can be known (XINFO's `lag`). Negative, as in Redis, where its
    /// position was set so that it seems to have read more than there were.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let added = self.log.entries_added();
        if added == 0 || self.log.is_empty() {
            return Some(0);
        }
        let exact = group.last_id >= self.log.first_id() && !self.log.has_tombstones_from(group.last_id);
        let read = match group.entries_read {
            Some(n) if exact => n,
            _ => self.log.entries_read_at(group.last_id)?,
        };
        Some(added.wrapping_sub(read).cast_signed())
    }

    /// Frees part of a stream that is to be thrown away, up to `n` nodes and as many references; whether nothing is left.
    pub fn drop_some(&mut self, n: usize) -> bool {
        while let Some(mut last) = self.groups.last_entry() {
            if !last.get_mut().drop_some(n) {
                return false;
            }
            last.remove();
        }
        self.log.drop_some(n)
    }
}
