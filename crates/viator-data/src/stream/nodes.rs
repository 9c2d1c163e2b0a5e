//! The sequence of a stream's nodes by the ids of their first entries, in chunks: appending fills them, and a copy of the
//! stream shares them.

use super::StreamId;
use super::node::Node;
use crate::cow::Cow;
use std::collections::VecDeque;

/// Nodes of a chunk: what a copy of a stream makes its writer copy, some 60 KiB.
const CHUNK: usize = 64;

/// A node's place; valid until a node comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    chunk: usize,
    node: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    /// None is empty.
    chunks: VecDeque<Cow<Vec<Node>>>,
    len: usize,
}

impl Nodes {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it takes beside the nodes' own.
    pub(super) fn memory_usage(&self) -> usize {
        let last = self.chunks.back().map_or(0, |c| c.capacity());
        (self.chunks.len().saturating_sub(1) * CHUNK + last) * size_of::<Node>()
            + self.chunks.capacity() * size_of::<Cow<Vec<Node>>>()
    }

    /// A copy that shares the nodes, until either changes them.
    pub(super) fn share(&mut self) -> Nodes {
        Nodes { chunks: self.chunks.iter_mut().map(Cow::share).collect(), len: self.len }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Node> {
        self.chunks.iter().flat_map(|c| c.iter())
    }

    pub(super) fn get(&self, at: At) -> Option<&Node> {
        self.chunks.get(at.chunk)?.get(at.node)
    }

    pub(super) fn get_mut(&mut self, at: At) -> Option<&mut Node> {
        self.chunks.get_mut(at.chunk)?.make_mut().get_mut(at.node)
    }

    pub(super) fn first(&self) -> Option<At> {
        (self.len > 0).then_some(At { chunk: 0, node: 0 })
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Node> {
        self.chunks.back_mut()?.make_mut().last_mut()
    }

    pub(super) fn last(&self) -> Option<At> {
        let chunk = self.chunks.len().checked_sub(1)?;
        Some(At { chunk, node: self.chunks.get(chunk)?.len().checked_sub(1)? })
    }

    pub(super) fn next(&self, at: At) -> Option<At> {
        if at.node + 1 < self.chunks.get(at.chunk)?.len() {
            return Some(At { node: at.node + 1, ..at });
        }
        (at.chunk + 1 < self.chunks.len()).then_some(At { chunk: at.chunk + 1, node: 0 })
    }

    pub(super) fn prev(&self, at: At) -> Option<At> {
        if let Some(node) = at.node.checked_sub(1) {
            return Some(At { node, ..at });
        }
        let chunk = at.chunk.checked_sub(1)?;
        Some(At { chunk, node: self.chunks.get(chunk)?.len().checked_sub(1)? })
    }

    /// The last node whose id is not above this one.
    pub(super) fn find(&self, id: StreamId) -> Option<At> {
        let above = |n: &Node| n.master() > id;
        let chunk = self.chunks.partition_point(|c| !c.first().is_some_and(above)).checked_sub(1)?;
        let node = self.chunks.get(chunk)?.partition_point(|n| !above(n)).checked_sub(1)?;
        Some(At { chunk, node })
    }

    /// The first node whose id is above this one.
    pub(super) fn first_above(&self, id: StreamId) -> Option<At> {
        self.find(id).map_or_else(|| self.first(), |at| self.next(at))
    }

    /// Adds a node, at its place; whether there was none of its id.
    pub(super) fn insert(&mut self, node: Node) -> bool {
        let before = self.find(node.master());
        if before.and_then(|at| self.get(at)).is_some_and(|n| n.master() == node.master()) {
            return false;
        }
        if before == self.last() {
            self.push(node);
            return true;
        }
        self.len += 1;
        let (at, place) = before.map_or((0, 0), |at| (at.chunk, at.node + 1));
        if let Some(chunk) = self.chunks.get_mut(at).map(Cow::make_mut) {
            chunk.insert(place, node);
            if chunk.len() > CHUNK {
                let rest = chunk.split_off(CHUNK / 2);
                self.chunks.insert(at + 1, Cow::Own(rest));
            }
        }
        true
    }

    /// Adds a node behind all others.
    pub(super) fn push(&mut self, node: Node) {
        self.len += 1;
        if let Some(chunk) = self.chunks.back_mut().filter(|c| c.len() < CHUNK).map(Cow::make_mut) {
            if chunk.len() == chunk.capacity() {
                // a chunk that is full has no place to spare
                chunk.reserve_exact(chunk.len().max(1).min(CHUNK - chunk.len()));
            }
            chunk.push(node);
            return;
        }
        let chunk = vec![node];
        self.chunks.push_back(Cow::Own(chunk));
    }

    /// Takes a node out. The place then holds the next node, unless its chunk ended here.
    pub(super) fn remove(&mut self, at: At) -> Option<Node> {
        let chunk = self.chunks.get_mut(at.chunk)?.make_mut();
        if at.node >= chunk.len() {
            return None;
        }
        let node = chunk.remove(at.node);
        if chunk.is_empty() {
            self.chunks.remove(at.chunk);
        } else if chunk.len() < chunk.capacity() / 4 {
            chunk.shrink_to(chunk.capacity() / 2);
        }
        self.len -= 1;
        Some(node)
    }

    /// Drops some of the first nodes, at least `n` if there are so many.
    pub(super) fn drop_some(&mut self, n: usize) {
        let mut gone = 0;
        while gone < n
            && let Some(chunk) = self.chunks.pop_front()
        {
            gone += chunk.len();
        }
        self.len -= gone;
    }
}
