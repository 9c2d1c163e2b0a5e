//! The sequence of a list's nodes, in chunks that know how many elements they hold: both ends are O(1), a seek looks at
//! the chunks and then at the nodes of one, and an insertion in the middle moves one chunk at most.

use super::node::Node;
use crate::cow::Cow;
use std::collections::VecDeque;

/// Nodes of a chunk: what a copy of a list makes its writer copy, 256 KiB of listpacks of the usual size.
const CHUNK: usize = 32;

#[derive(Clone, Debug, Default)]
struct Chunk {
    nodes: Cow<VecDeque<Node>>,
    items: usize,
}

/// A node's place; valid until a node is inserted or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Loc {
    chunk: usize,
    node: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Spine {
    chunks: VecDeque<Chunk>,
    nodes: usize,
    items: usize,
    /// Heap bytes of the nodes.
    bytes: usize,
}

impl Spine {
    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    pub(super) fn items(&self) -> usize {
        self.items
    }

    pub(super) fn memory_usage(&self) -> usize {
        self.bytes + self.nodes * size_of::<Node>() + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// A copy that shares the nodes, until either changes them.
    pub(super) fn share(&mut self) -> Spine {
        let chunks = self.chunks.iter_mut().map(|c| Chunk { nodes: c.nodes.share(), items: c.items }).collect();
        Spine { chunks, ..*self }
    }

    pub(super) fn first(&self) -> Option<Loc> {
        (self.nodes > 0).then_some(Loc { chunk: 0, node: 0 })
    }

    pub(super) fn last(&self) -> Option<Loc> {
        let chunk = self.chunks.len().checked_sub(1)?;
        let node = self.chunks.get(chunk)?.nodes.len().checked_sub(1)?;
        Some(Loc { chunk, node })
    }

    pub(super) fn next(&self, at: Loc) -> Option<Loc> {
        if at.node + 1 < self.chunks.get(at.chunk)?.nodes.len() {
            return Some(Loc { node: at.node + 1, ..at });
        }
        (at.chunk + 1 < self.chunks.len()).then_some(Loc { chunk: at.chunk + 1, node: 0 })
    }

    pub(super) fn prev(&self, at: Loc) -> Option<Loc> {
        if at.node > 0 {
            return Some(Loc { node: at.node - 1, ..at });
        }
        let chunk = at.chunk.checked_sub(1)?;
        Some(Loc { chunk, node: self.chunks.get(chunk)?.nodes.len().checked_sub(1)? })
    }

    pub(super) fn get(&self, at: Loc) -> Option<&Node> {
        self.chunks.get(at.chunk)?.nodes.get(at.node)
    }

    /// The node that holds the element of this index, and its index in the node.
    pub(super) fn seek(&self, index: usize) -> Option<(Loc, usize)> {
        if index >= self.items {
            return None;
        }
        if index < self.items / 2 {
            let mut left = index;
            for (chunk, c) in self.chunks.iter().enumerate() {
                if left >= c.items {
                    left -= c.items;
                    continue;
                }
                for (node, n) in c.nodes.iter().enumerate() {
                    let count = n.count();
                    if left < count {
                        return Some((Loc { chunk, node }, left));
                    }
                    left -= count;
                }
            }
            return None;
        }
        // How many elements from this one on.
        let mut left = self.items - index;
        for (chunk, c) in self.chunks.iter().enumerate().rev() {
            if left > c.items {
                left -= c.items;
                continue;
            }
            for (node, n) in c.nodes.iter().enumerate().rev() {
                let count = n.count();
                if left <= count {
                    return Some((Loc { chunk, node }, count - left));
                }
                left -= count;
            }
        }
        None
    }

    /// Changes a node and keeps the counts.
    pub(super) fn edit<R>(&mut self, at: Loc, change: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let chunk = self.chunks.get_mut(at.chunk)?;
        let node = chunk.nodes.make_mut().get_mut(at.node)?;
        let (items, bytes) = (node.count(), node.heap());
        let result = change(node);
        let now = node.count();
        chunk.items = chunk.items + now - items;
        self.items = self.items + now - items;
        self.bytes = self.bytes + node.heap() - bytes;
        Some(result)
    }

    pub(super) fn push_back(&mut self, node: Node) {
        if self.chunks.back().is_none_or(|c| c.nodes.len() >= CHUNK) {
            self.chunks.push_back(Chunk::default());
        }
        self.count(&node);
        if let Some(c) = self.chunks.back_mut() {
            c.items += node.count();
            c.nodes.make_mut().push_back(node);
        }
    }

    pub(super) fn push_front(&mut self, node: Node) {
        if self.chunks.front().is_none_or(|c| c.nodes.len() >= CHUNK) {
            self.chunks.push_front(Chunk::default());
        }
        self.count(&node);
        if let Some(c) = self.chunks.front_mut() {
            c.items += node.count();
            c.nodes.make_mut().push_front(node);
        }
    }

    fn count(&mut self, node: &Node) {
        self.nodes += 1;
        self.items += node.count();
        self.bytes += node.heap();
    }

    /// Inserts a node before the one at `at`; returns where the new one is.
    pub(super) fn insert_before(&mut self, at: Loc, node: Node) -> Loc {
        self.insert(at, node)
    }

    /// Inserts a node after the one at `at`; returns where the new one is.
    pub(super) fn insert_after(&mut self, at: Loc, node: Node) -> Loc {
        self.insert(Loc { node: at.node + 1, ..at }, node)
    }

    fn insert(&mut self, mut at: Loc, node: Node) -> Loc {
        self.count(&node);
        if let Some(chunk) = self.chunks.get_mut(at.chunk).filter(|c| c.nodes.len() >= CHUNK) {
            let tail = chunk.nodes.make_mut().split_off(CHUNK / 2);
            let items = tail.iter().map(Node::count).sum();
            chunk.items -= items;
            self.chunks.insert(at.chunk + 1, Chunk { nodes: Cow::Own(tail), items });
            if at.node > CHUNK / 2 {
                at = Loc { chunk: at.chunk + 1, node: at.node - CHUNK / 2 };
            }
        }
        if let Some(chunk) = self.chunks.get_mut(at.chunk) {
            chunk.items += node.count();
            let place = at.node.min(chunk.nodes.len());
            chunk.nodes.make_mut().insert(place, node);
        }
        at
    }

    /// Takes a node out. The place then holds the next node, unless its chunk ended here.
    pub(super) fn remove(&mut self, at: Loc) -> Option<Node> {
        let chunk = self.chunks.get_mut(at.chunk)?;
        let node = chunk.nodes.make_mut().remove(at.node)?;
        chunk.items -= node.count();
        if chunk.nodes.is_empty() {
            self.chunks.remove(at.chunk);
        } else if chunk.nodes.capacity() > 16 && chunk.nodes.len() < chunk.nodes.capacity() / 4 {
            let half = chunk.nodes.capacity() / 2;
            chunk.nodes.make_mut().shrink_to(half);
        }
        self.nodes -= 1;
        self.items -= node.count();
        self.bytes -= node.heap();
        Some(node)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Node> {
        self.chunks.iter().flat_map(|c| c.nodes.iter())
    }

    /// How many nodes are on either side of this one, counted up to `limit`.
    pub(super) fn depth(&self, at: Loc, limit: usize) -> usize {
        let mut depth = 0;
        let (mut back, mut forth) = (Some(at), Some(at));
        while depth < limit {
            back = back.and_then(|l| self.prev(l));
            forth = forth.and_then(|l| self.next(l));
            if back.is_none() || forth.is_none() {
                break;
            }
            depth += 1;
        }
        depth
    }

    /// Panics if what is counted is not what is there.
    #[cfg(test)]
    pub(super) fn check(&self) {
        for c in &self.chunks {
            assert!((1..=CHUNK).contains(&c.nodes.len()));
            assert_eq!(c.items, c.nodes.iter().map(Node::count).sum::<usize>());
        }
        let sum = |f: fn(&Node) -> usize| self.iter().map(f).sum::<usize>();
        assert_eq!((self.nodes, self.items, self.bytes), (self.iter().count(), sum(Node::count), sum(Node::heap)));
    }
}
