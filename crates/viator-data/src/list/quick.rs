//! The large form of a list: nodes in a row, none over the size limit, those away from the ends compressed if asked.

use super::node::Node;
use super::pack::Pack;
use super::spine::{Loc, Spine};
use super::{End, Limits};
use crate::packed::{self, Entry};

/// Bytes up to which replacing elements may grow a node.
pub(super) const MAX_GROWN: usize = 1 << 20;

/// Bytes that an entry is taken to need beside its data when a node's room is judged.
const ENTRY: usize = 8;

/// A row of nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Quick {
    pub(super) spine: Spine,
}

impl Quick {
    pub(super) fn of(pack: Pack) -> Self {
        let mut q = Quick::default();
        if !pack.is_empty() {
            q.spine.push_back(Node::Packed(pack));
        }
        q
    }

    pub(super) fn len(&self) -> usize {
        self.spine.items()
    }

    /// Number of nodes.
    pub(super) fn nodes(&self) -> usize {
        self.spine.nodes()
    }

    /// A copy that shares the nodes, until either changes them.
    pub(super) fn share(&mut self) -> Quick {
        Quick { spine: self.spine.share() }
    }

    fn end(&self, end: End) -> Option<Loc> {
        match end {
            End::Front => self.spine.first(),
            End::Back => self.spine.last(),
        }
    }

    /// Keeps the outermost nodes uncompressed and compresses the ones just behind them, after nodes came or went.
    fn settle_ends(&mut self, limits: &Limits) {
        let depth = limits.compress_depth;
        if depth == 0 {
            return;
        }
        for end in [End::Front, End::Back] {
            let mut at = self.end(end);
            for i in 0..=depth {
                let Some(loc) = at else { break };
                if i < depth {
                    self.spine.edit(loc, Node::decompress);
                } else if self.spine.nodes() > 2 * depth {
                    self.spine.edit(loc, Node::compress);
                }
                at = match end {
                    End::Front => self.spine.next(loc),
                    End::Back => self.spine.prev(loc),
                };
            }
        }
    }

    /// Compresses a node again after it was changed, if it is far enough from the ends.
    fn settle(&mut self, at: Loc, limits: &Limits) {
        let depth = limits.compress_depth;
        if depth > 0 && self.spine.depth(at, depth) >= depth {
            self.spine.edit(at, Node::compress);
        }
    }

    /// Compresses what the depth asks for, after a list was built node by node.
    pub(super) fn settle_all(&mut self, limits: &Limits) {
        let mut at = self.spine.first().filter(|_| limits.compress_depth > 0);
        while let Some(loc) = at {
            self.settle(loc, limits);
            at = self.spine.next(loc);
        }
    }

    /// Whether an element of `len` bytes may be added to the node. Decompresses it for the purpose.
    fn has_room(&mut self, at: Loc, len: usize, limits: &Limits) -> bool {
        if limits.is_large(len) {
            return false;
        }
        self.spine.edit(at, |node| {
            if node.is_plain() {
                return false;
            }
            node.decompress();
            matches!(node, Node::Packed(p) if !limits.exceeded(p.packed_len() + len + ENTRY, p.len() + 1))
        }) == Some(true)
    }

    pub(super) fn push(&mut self, end: End, value: &[u8], limits: &Limits) {
        let large = limits.is_large(value.len());
        if let Some(at) = self.end(end).filter(|_| !large) {
            let pushed = self.spine.edit(at, |node| {
                if node.is_plain() {
                    return false;
                }
                node.decompress();
                match node {
                    Node::Packed(p) if !limits.exceeded(p.packed_len() + value.len() + ENTRY, p.len() + 1) => {
                        p.push(end, value, true);
                        true
                    }
                    _ => false,
                }
            });
            if pushed == Some(true) {
                return;
            }
        }
        // nothing comes to the one that was outermost
        if let Some(at) = self.end(end) {
            self.spine.edit(at, Node::shrink_to_fit);
        }
        let node = Node::of(value, large);
        match end {
            End::Front => self.spine.push_front(node),
            End::Back => self.spine.push_back(node),
        }
        self.settle_ends(limits);
    }

    pub(super) fn pop<R>(&mut self, end: End, limits: &Limits, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let at = self.end(end)?;
        let (taken, empty) = self.spine.edit(at, |node| {
            node.decompress();
            match node {
                Node::Packed(p) => {
                    let taken = p.pop(end, take);
                    Some((taken, p.is_empty()))
                }
                Node::Plain(b) => Some((Some(take(Entry::Str(b))), true)),
                Node::Lzf(_) => None,
            }
        })??;
        if empty {
            self.spine.remove(at);
            self.settle_ends(limits);
        }
        taken
    }

    pub(super) fn get<R>(&self, index: usize, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let (at, offset) = self.spine.seek(index)?;
        let mut room = None;
        match self.spine.get(at)?.raw(&mut room) {
            Node::Packed(p) => p.get(offset).map(read),
            Node::Plain(b) => Some(read(Entry::Str(b))),
            Node::Lzf(_) => None,
        }
    }

    /// Visits elements from `index` on, forwards or backwards, until `visit` returns false.
    pub(super) fn visit(&self, index: usize, reverse: bool, mut visit: impl FnMut(Entry<'_>) -> bool) {
        let Some((mut at, mut offset)) = self.spine.seek(index) else { return };
        loop {
            let mut room = None;
            let Some(node) = self.spine.get(at) else { return };
            if !node.raw(&mut room).visit(offset, reverse, &mut visit) {
                return;
            }
            let next = if reverse { self.spine.prev(at) } else { self.spine.next(at) };
            let Some(next) = next else { return };
            at = next;
            offset = if reverse { self.spine.get(at).map_or(0, |n| n.count().saturating_sub(1)) } else { 0 };
        }
    }

    /// Inserts before or after the element of this index; at the end if there is none.
    pub(super) fn insert(&mut self, index: usize, after: bool, value: &[u8], limits: &Limits) {
        let Some((at, offset)) = self.spine.seek(index) else { return self.push(End::Back, value, limits) };
        if self.has_room(at, value.len(), limits) {
            self.spine.edit(at, |node| {
                if let Node::Packed(p) = node {
                    p.insert(offset + usize::from(after), value);
                }
            });
            return self.settle(at, limits);
        }
        let large = limits.is_large(value.len());
        let node = self.spine.get(at);
        let outermost = if after { node.is_some_and(|n| offset + 1 == n.count()) } else { offset == 0 };
        if outermost || node.is_some_and(Node::is_plain) {
            // Between two nodes: the other one may have room.
            let other = if after { self.spine.next(at) } else { self.spine.prev(at) };
            if let Some(other) = other
                && self.has_room(other, value.len(), limits)
            {
                self.spine.edit(other, |node| {
                    if let Node::Packed(p) = node {
                        p.push(if after { End::Front } else { End::Back }, value, false);
                    }
                });
                self.settle(other, limits);
                return self.settle(at, limits);
            }
            let new = Node::of(value, large);
            let new = if after { self.spine.insert_after(at, new) } else { self.spine.insert_before(at, new) };
            return self.settle_around(new, limits);
        }
        // In the middle of a full node: split it, the value between the parts or at the end of the one that it is beside.
        let tail = self.spine.edit(at, |node| {
            node.decompress();
            match node {
                Node::Packed(p) => Some(p.split_off(offset + usize::from(after))),
                _ => None,
            }
        });
        let Some(Some(mut tail)) = tail else { return };
        if large {
            let right = self.spine.insert_after(at, Node::Packed(tail));
            let middle = self.spine.insert_before(right, Node::of(value, true));
            return self.settle_around(middle, limits);
        }
        if after {
            tail.push(End::Front, value, false);
        } else {
            self.spine.edit(at, |node| {
                if let Node::Packed(p) = node {
                    p.push(End::Back, value, false);
                }
            });
        }
        self.spine.insert_after(at, Node::Packed(tail));
        // the element beside which the value went is in the part that was given the value's place in Redis's split
        self.merge_around(if after { index } else { index + 1 }, limits);
    }

    /// Merges the small nodes that a split may have left around the node of this element, and compresses what remains.
    fn merge_around(&mut self, index: usize, limits: &Limits) {
        // The node's place changes with every merge; the element stays the same.
        let node = |q: &Self, steps: i32| {
            let mut at = q.spine.seek(index)?.0;
            for _ in 0..steps.unsigned_abs() {
                at = if steps < 0 { q.spine.prev(at) } else { q.spine.next(at) }?;
            }
            Some(at)
        };
        for (left, right) in [(-2, -1), (1, 2), (-1, 0), (0, 1)] {
            if let (Some(left), Some(right)) = (node(self, left), node(self, right)) {
                self.try_merge(left, right, limits);
            }
        }
        if let Some(at) = node(self, 0) {
            self.settle_around(at, limits);
        }
    }

    /// Compresses a node, its neighbours and what has moved away from the ends.
    fn settle_around(&mut self, at: Loc, limits: &Limits) {
        if limits.compress_depth > 0 {
            for near in [self.spine.prev(at), Some(at), self.spine.next(at)].into_iter().flatten() {
                self.settle(near, limits);
            }
            self.settle_ends(limits);
        }
    }

    /// Appends a node to the one before if both fit the limit.
    fn try_merge(&mut self, left: Loc, right: Loc, limits: &Limits) -> bool {
        let (Some(a), Some(b)) = (self.spine.get(left), self.spine.get(right)) else { return false };
        // One of the two headers goes.
        let bytes = (a.packed_size() + b.packed_size()).saturating_sub(packed::EMPTY);
        if a.is_plain() || b.is_plain() || limits.exceeded(bytes, a.count() + b.count()) {
            return false;
        }
        let Some(mut tail) = self.spine.remove(right) else { return false };
        tail.decompress();
        self.spine.edit(left, |node| {
            node.decompress();
            if let (Node::Packed(p), Node::Packed(tail)) = (node, &tail) {
                p.append_all(tail);
            }
        });
        true
    }

    /// Replaces an element; whether the index is in range.
    pub(super) fn set(&mut self, index: usize, value: &[u8], limits: &Limits) -> bool {
        let Some((at, offset)) = self.spine.seek(index) else { return false };
        let large = limits.is_large(value.len());
        let done = self.spine.edit(at, |node| {
            node.decompress();
            match node {
                Node::Plain(old) if large => {
                    *old = value.into();
                    true
                }
                Node::Packed(p) if !large => {
                    let (old, new) = (p.get(offset).map_or(0, entry_bytes), packed::encoded_size(value));
                    // as in Redis, whatever the limit; but what one call moves has a bound
                    let fits = new <= old || p.packed_len() + new - old <= MAX_GROWN;
                    if fits {
                        p.replace(offset, value);
                    }
                    fits
                }
                _ => false,
            }
        });
        if done == Some(true) {
            self.settle(at, limits);
        } else {
            self.replace_apart(index, value, limits);
        }
        true
    }

    /// Replaces an element by one that cannot be in the same node: it gets a node of its own.
    fn replace_apart(&mut self, index: usize, value: &[u8], limits: &Limits) {
        let Some((at, offset)) = self.spine.seek(index) else { return };
        if self.spine.get(at).is_some_and(Node::is_plain) {
            self.insert(index, true, value, limits);
            return self.remove_range(index, 1, limits);
        }
        let large = limits.is_large(value.len());
        let rest = self.spine.edit(at, |node| {
            node.decompress();
            let Node::Packed(p) = node else { return None };
            if p.len() == 1 {
                *node = Node::of(value, large);
                return None;
            }
            let rest = p.split_off(offset + 1);
            p.remove_range(offset, 1);
            Some((rest, p.is_empty()))
        });
        let Some(Some((rest, emptied))) = rest else { return self.settle(at, limits) };
        let new = if emptied {
            self.spine.edit(at, |node| *node = Node::of(value, large));
            at
        } else {
            self.spine.insert_after(at, Node::of(value, large))
        };
        if !rest.is_empty() {
            self.spine.insert_after(new, Node::Packed(rest));
        }
        self.merge_around(index, limits);
    }

    pub(super) fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) {
        let mut left = count.min(self.len().saturating_sub(start));
        while left > 0 {
            let Some((at, offset)) = self.spine.seek(start) else { break };
            let here = self.spine.get(at).map_or(0, Node::count);
            let n = left.min(here - offset);
            if n == here {
                self.spine.remove(at);
            } else {
                self.spine.edit(at, |node| {
                    node.decompress();
                    if let Node::Packed(p) = node {
                        p.remove_range(offset, n);
                    }
                });
                self.settle(at, limits);
            }
            left -= n;
        }
        self.settle_ends(limits);
    }

    /// Removes up to `limit` elements equal to `value`, from the front or from the back; returns how many.
    pub(super) fn remove_value(&mut self, value: &[u8], limit: usize, reverse: bool, limits: &Limits) -> usize {
        let mut removed = 0;
        // Elements before the node at hand (forwards), or up to and including it (backwards).
        let mut index = if reverse { self.len() } else { 0 };
        while removed < limit {
            let Some(probe) = (if reverse { index.checked_sub(1) } else { Some(index) }) else { break };
            let Some((at, offset)) = self.spine.seek(probe) else { break };
            let mut room = None;
            let Some(node) = self.spine.get(at) else { break };
            let count = node.count();
            let found = match node.raw(&mut room) {
                Node::Packed(p) => p.contains(value),
                Node::Plain(b) => **b == *value,
                Node::Lzf(_) => false,
            };
            let mut rest = count;
            if found {
                let remove = |node: &mut Node| {
                    node.decompress();
                    match node {
                        Node::Packed(p) => p.remove_value(value, limit - removed, reverse),
                        // the node goes
                        _ => 1,
                    }
                };
                let gone = self.spine.edit(at, remove).unwrap_or(0);
                removed += gone;
                rest -= gone;
                if rest == 0 {
                    self.spine.remove(at);
                } else {
                    self.settle(at, limits);
                }
            }
            index = if reverse { probe - offset } else { index + rest };
        }
        self.settle_ends(limits);
        removed
    }

    /// The only node, if it is at most half as large as a node may be, and not of one large element.
    pub(super) fn take_small(&mut self, limits: &Limits) -> Option<Pack> {
        if self.nodes() != 1 {
            return None;
        }
        let at = self.spine.first()?;
        if self.spine.get(at)?.is_plain() {
            return None;
        }
        self.spine.edit(at, Node::decompress);
        match self.spine.get(at)? {
            Node::Packed(p) if limits.fits_half(p.packed_len(), p.len()) => {}
            _ => return None,
        }
        match self.spine.remove(at)? {
            Node::Packed(p) => Some(p),
            _ => None,
        }
    }

    pub(super) fn drop_some(&mut self, n: usize) -> bool {
        for _ in 0..n {
            let Some(at) = self.spine.last() else { break };
            self.spine.remove(at);
        }
        self.spine.nodes() == 0
    }
}

fn entry_bytes(e: Entry<'_>) -> usize {
    packed::encoded_size(e.bytes(&mut packed::IntBuf::new()))
}
