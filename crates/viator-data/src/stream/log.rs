//! The entries of a stream, without its groups.

use super::StreamId;
use super::listpack;
use super::node::{Fields, Node, Walker, Which};
use super::nodes::{At, Nodes};
use crate::packed::{Entry, Malformed, Packed};

/// Bytes of a node above which Redis never goes, whatever the configuration says.
const MAX_NODE_BYTES: usize = 1 << 30;

/// When a new node begins: the configuration's `stream-node-max-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `stream-node-max-bytes` (0: no limit).
    pub node_bytes: usize,
    /// `stream-node-max-entries` (0: no limit).
    pub node_entries: usize,
}

impl Default for Limits {
    /// Redis's defaults.
    fn default() -> Self {
        Limits { node_bytes: 4096, node_entries: 100 }
    }
}

/// An entry, borrowed from the stream.
#[derive(Clone)]
pub struct Item<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its names and values.
    pub fields: Fields<'a>,
}

/// The id is not above the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotGreater;

impl core::fmt::Display for NotGreater {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the id is equal or smaller than the target stream top item")
    }
}

impl core::error::Error for NotGreater {}

/// How far XTRIM and XADD cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// Until at most so many entries are left.
    MaxLen(usize),
    /// Entries below this id.
    MinId(StreamId),
}

/// The entries of a stream and what is known about those that were.
#[derive(Clone, Debug, Default)]
pub struct Log {
    nodes: Nodes,
    len: usize,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    /// Heap bytes of the nodes' entries.
    bytes: usize,
}

impl Log {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first entry's id; 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The greatest id ever added.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The greatest id ever deleted (by name; trimming does not count).
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Number of nodes ("radix-tree-keys").
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes with their master ids, in order, as RDB and DUMP carry them.
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, Packed)> {
        self.nodes.iter().map(|n| (n.master(), listpack::write(n)))
    }

    /// A copy that shares the nodes, until either changes them.
    pub(super) fn share(&mut self) -> Log {
        Log { nodes: self.nodes.share(), ..*self }
    }

    /// How many nodes Redis's radix tree has for the ids of these nodes ("radix-tree-nodes"): one for each id of 16
    /// bytes, one for each place where ids part, and one for each stretch of bytes from such a place to the next.
    pub fn radix_nodes(&self) -> usize {
        let mut ids = self.nodes.iter().map(|n| u128::from_be_bytes(n.master().to_bytes()));
        let Some(mut last) = ids.next() else { return 1 };
        // a stretch in front of `depth`, which hangs from the place at depth `from`, or is the first
        let stretch = |from: Option<u32>, depth: u32| usize::from(depth > from.map_or(0, |f| f + 1));
        // depths of the places on the way to the last id
        let mut places: Vec<u32> = Vec::new();
        let mut nodes = 0;
        for id in ids {
            let parts = (last ^ id).leading_zeros() / 8;
            nodes += 1 + stretch(Some(places.last().map_or(parts, |p| parts.max(*p))), 16);
            while let Some(place) = places.pop_if(|p| *p > parts) {
                nodes += 1 + stretch(Some(places.last().map_or(parts, |p| parts.max(*p))), place);
            }
            if places.last() != Some(&parts) {
                places.push(parts);
            }
            last = id;
        }
        nodes += 1 + stretch(places.last().copied(), 16);
        while let Some(place) = places.pop() {
            nodes += 1 + stretch(places.last().copied(), place);
        }
        nodes
    }

    pub(super) fn memory_usage(&self) -> usize {
        self.bytes + self.nodes.memory_usage()
    }

    /// Panics if what is counted is not what is there.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.bytes, self.nodes.iter().map(|n| n.memory_usage()).sum::<usize>());
        assert_eq!(self.len, self.nodes.iter().map(|n| n.live()).sum::<usize>());
        assert_eq!(
            self.first_id,
            self.range(StreamId::MIN, StreamId::MAX, false).next().map_or(StreamId::MIN, |i| i.id)
        );
    }

    /// Appends an entry of names and values in turns.
    pub(super) fn append<V: AsRef<[u8]>>(
        &mut self,
        id: StreamId,
        fields: &[V],
        limits: &Limits,
    ) -> Result<(), NotGreater> {
        if id <= self.last_id {
            return Err(NotGreater);
        }
        let size: usize = fields.iter().map(|f| f.as_ref().len()).sum();
        let most = if limits.node_bytes == 0 { MAX_NODE_BYTES } else { limits.node_bytes.min(MAX_NODE_BYTES) };
        let mut last = self.nodes.last_mut();
        if let Some(node) = &mut last {
            let full = node.packed_len().saturating_add(size) >= most;
            if full || (limits.node_entries != 0 && node.live() + node.deleted() >= limits.node_entries) {
                let before = node.memory_usage();
                node.shrink_to_fit();
                self.bytes -= before - node.memory_usage();
                last = None;
            }
        }
        match last {
            Some(node) => {
                let before = node.memory_usage();
                node.append(id, fields);
                self.bytes = (self.bytes + node.memory_usage()).saturating_sub(before);
            }
            None => {
                let mut node = Node::new(id, fields.iter().step_by(2).map(|name| Entry::of(name.as_ref())));
                node.append(id, fields);
                self.bytes += node.memory_usage();
                self.nodes.push(node);
            }
        }
        if self.len == 0 {
            self.first_id = id;
        }
        self.len += 1;
        self.last_id = id;
        self.entries_added += 1;
        Ok(())
    }

    /// Adds a node of a stream that is being loaded, after checking it.
    pub(super) fn push_node(&mut self, master: StreamId, node: Packed) -> Result<(), Malformed> {
        let node = listpack::read(master, &node)?;
        let (live, bytes) = (node.live(), node.memory_usage());
        if !self.nodes.insert(node) {
            return Err(Malformed);
        }
        self.len += live;
        self.bytes += bytes;
        self.find_first();
        self.last_id = self.last_id.max(self.range(StreamId::MIN, StreamId::MAX, true).next().map_or(master, |i| i.id));
        self.entries_added = self.len as u64;
        Ok(())
    }

    pub(super) fn set_counters(&mut self, last_id: StreamId, max_deleted_id: StreamId, entries_added: u64) {
        self.last_id = last_id;
        self.max_deleted_id = max_deleted_id;
        self.entries_added = entries_added;
    }

    fn find_first(&mut self) {
        self.first_id = self.range(StreamId::MIN, StreamId::MAX, false).next().map_or(StreamId::MIN, |i| i.id);
    }

    /// Entries from `start` to `end`, both included, upwards or (`reverse`) downwards.
    pub fn range(&self, start: StreamId, end: StreamId, reverse: bool) -> Range<'_> {
        // The node that may hold an end has the greatest master id up to it.
        let last = if start <= end { self.nodes.find(end) } else { None };
        let span = last.zip(self.nodes.find(start).or_else(|| self.nodes.first())).map(|(last, first)| (first, last));
        Range { nodes: &self.nodes, span, walker: None, start, end, reverse }
    }

    /// The entry of this id.
    pub fn get(&self, id: StreamId) -> Option<Item<'_>> {
        self.range(id, id, false).next()
    }

    /// Whether there is an entry of this id.
    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// Deletes an entry by name; whether it was there.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(at) = self.nodes.find(id) else { return false };
        let Some(node) = self.nodes.get_mut(at) else { return false };
        let deleted = node.delete(|at| match at.cmp(&id) {
            core::cmp::Ordering::Less => Which::Keep,
            core::cmp::Ordering::Equal => Which::DeleteLast,
            core::cmp::Ordering::Greater => Which::Stop,
        });
        if deleted == 0 {
            return false;
        }
        let empty = node.live() == 0;
        self.len -= 1;
        if empty {
            self.remove_node(at);
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.find_first();
        }
        true
    }

    fn remove_node(&mut self, at: At) {
        if let Some(node) = self.nodes.remove(at) {
            self.bytes = self.bytes.saturating_sub(node.memory_usage());
        }
    }

    /// Cuts entries from the front as Redis does: whole nodes while they are out of the range, then (unless `approx`)
    /// single entries. `limit` (0: none) bounds the entries removed. `may_go` decides about every single entry when
    /// given; an entry it keeps is passed over.
    pub(super) fn trim(
        &mut self,
        to: TrimTo,
        approx: bool,
        limit: usize,
        mut may_go: Option<&mut dyn FnMut(StreamId) -> bool>,
    ) -> usize {
        let mut removed = 0;
        let mut place = self.nodes.first();
        loop {
            if matches!(to, TrimTo::MaxLen(n) if self.len <= n) {
                break;
            }
            let Some(at) = place else { break };
            let Some(node) = self.nodes.get(at) else { break };
            let (live, master) = (node.live(), node.master());
            if limit != 0 && removed + live > limit {
                break;
            }
            let whole = match to {
                TrimTo::MaxLen(n) => self.len - live >= n,
                TrimTo::MinId(id) => node.walk().next_back().is_none_or(|last| last.id < id),
            };
            if whole && may_go.is_none() {
                self.len -= live;
                removed += live;
                self.remove_node(at);
                place = self.nodes.first_above(master);
                continue;
            }
            // As in Redis, what has to look at single entries does so in the last node as well.
            if !whole && approx && may_go.is_none() {
                break;
            }
            let mut stopped = false;
            let mut left = self.len;
            let Some(node) = self.nodes.get_mut(at) else { break };
            let gone = node.delete(|id| {
                let stop = match to {
                    TrimTo::MaxLen(n) => left <= n,
                    TrimTo::MinId(min) => id >= min,
                };
                if stop {
                    stopped = true;
                    Which::Stop
                } else if may_go.as_mut().is_none_or(|f| f(id)) {
                    left -= 1;
                    Which::Delete
                } else {
                    Which::Keep
                }
            });
            let empty = node.live() == 0;
            self.len -= gone;
            removed += gone;
            // a node whose deleted entries reach into the range stays, as in Redis
            if empty && whole {
                self.remove_node(at);
            }
            if stopped {
                break;
            }
            place = self.nodes.first_above(master);
        }
        if removed > 0 {
            self.find_first();
        }
        removed
    }

    /// Whether an entry at or after `start` was deleted by name.
    pub(super) fn has_tombstones_from(&self, start: StreamId) -> bool {
        self.len > 0 && self.max_deleted_id != StreamId::MIN && start <= self.max_deleted_id
    }

    /// How many entries were added up to and including this id, if that can be known.
    pub fn entries_read_at(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id || id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        // Without holes behind the first entry, it can be counted from there.
        if self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id {
            let before = self.entries_added.saturating_sub(self.len as u64);
            match id.cmp(&self.first_id) {
                core::cmp::Ordering::Less => return Some(before),
                core::cmp::Ordering::Equal => return Some(before + 1),
                core::cmp::Ordering::Greater => {}
            }
        }
        None
    }

    pub(super) fn drop_some(&mut self, n: usize) -> bool {
        self.nodes.drop_some(n);
        self.nodes.is_empty()
    }
}

/// Entries in order; see [`Log::range`].
#[derive(Clone)]
pub struct Range<'a> {
    nodes: &'a Nodes,
    /// The first and the last of the nodes that are still to be read.
    span: Option<(At, At)>,
    walker: Option<Walker<'a>>,
    start: StreamId,
    end: StreamId,
    reverse: bool,
}

impl<'a> Iterator for Range<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(w) = &mut self.walker {
                while let Some(raw) = if self.reverse { w.next_back() } else { w.next() } {
                    let beyond = if self.reverse { raw.id < self.start } else { raw.id > self.end };
                    if beyond {
                        // What follows is further away still.
                        self.span = None;
                        break;
                    }
                    if !raw.deleted && (self.start..=self.end).contains(&raw.id) {
                        return Some(Item { id: raw.id, fields: raw.fields });
                    }
                }
            }
            self.walker = None;
            let (first, last) = self.span?;
            let at = if self.reverse { last } else { first };
            self.span = if first == last {
                None
            } else if self.reverse {
                self.nodes.prev(last).map(|last| (first, last))
            } else {
                self.nodes.next(first).map(|first| (first, last))
            };
            self.walker = Some(self.nodes.get(at)?.walk());
        }
    }
}
