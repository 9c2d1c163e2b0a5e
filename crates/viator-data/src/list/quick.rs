//! The large form of a list: nodes in a row, none over the size limit, those away from the ends compressed if asked.

use super::node::Node;
use super::spine::{Loc, Spine};
use super::{End, Limits};
use crate::packed::{self, Entry, Packed};

#[derive(Clone, Debug, Default)]
pub(super) struct Quick {
    pub(super) spine: Spine,
}

impl Quick {
    pub(super) fn from_packed(p: Packed) -> Self {
        let mut q = Quick::default();
        if !p.is_empty() {
            q.spine.push_back(Node::Packed(p));
        }
        q
    }

    pub(super) fn len(&self) -> usize {
        self.spine.items()
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
            // Eight bytes for what the entry needs beside the data.
            matches!(node, Node::Packed(p) if !limits.exceeded(p.byte_len() + len + 8, p.len() + 1))
        }) == Some(true)
    }

    pub(super) fn push(&mut self, end: End, value: &[u8], limits: &Limits) {
        if let Some(at) = self.end(end)
            && self.has_room(at, value.len(), limits)
        {
            self.spine.edit(at, |node| match (node, end) {
                (Node::Packed(p), End::Front) => p.push_front(value),
                (Node::Packed(p), End::Back) => p.push_back(value),
                _ => {}
            });
            return;
        }
        let node = Node::of(value, limits.is_large(value.len()));
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
                    let pos = if end == End::Front { p.first() } else { p.last() }?;
                    let taken = p.get(pos).map(take);
                    p.remove(pos);
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
            Node::Packed(p) => p.index(i64::try_from(offset).ok()?).map(read),
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

    /// Inserts before the element of this index (`len()`: at the end).
    pub(super) fn insert(&mut self, index: usize, value: &[u8], limits: &Limits) {
        if index == 0 || index >= self.len() {
            return self.push(if index == 0 { End::Front } else { End::Back }, value, limits);
        }
        let Some((mut at, mut offset)) = self.spine.seek(index) else { return };
        if offset == 0 && !self.has_room(at, value.len(), limits) {
            // Between two nodes: the one in front may have room.
            if let Some(prev) = self.spine.prev(at)
                && self.has_room(prev, value.len(), limits)
            {
                self.settle(at, limits);
                at = prev;
                offset = self.spine.get(prev).map_or(0, Node::count);
            }
        }
        if self.has_room(at, value.len(), limits) {
            self.spine.edit(at, |node| {
                if let Node::Packed(p) = node {
                    insert_at(p, offset, value);
                }
            });
            return self.settle(at, limits);
        }
        let new = Node::of(value, limits.is_large(value.len()));
        if offset == 0 {
            let new = self.spine.insert_before(at, new);
            self.settle(new, limits);
            if let Some(next) = self.spine.next(new) {
                self.settle(next, limits);
            }
            return self.settle_ends(limits);
        }
        // In the middle of a full node: split it.
        let tail = self.spine.edit(at, |node| {
            node.decompress();
            match node {
                Node::Packed(p) => Some(p.split_off(offset)),
                _ => None,
            }
        });
        let Some(Some(tail)) = tail else { return };
        let right = self.spine.insert_after(at, Node::Packed(tail));
        let Some(left) = self.spine.prev(right) else { return };
        if self.has_room(left, value.len(), limits) {
            self.spine.edit(left, |node| {
                if let Node::Packed(p) = node {
                    p.push_back(value);
                }
            });
        } else {
            self.spine.insert_after(left, new);
        }
        self.merge_around(index, limits);
        self.settle_ends(limits);
    }

    /// Merges the small nodes that splitting at this element may have left, and compresses what remains.
    fn merge_around(&mut self, index: usize, limits: &Limits) {
        // From the node before the split to the node after the new ones.
        let Some((at, _)) = self.spine.seek(index) else { return };
        let mut at = self.spine.prev(at).and_then(|p| self.spine.prev(p)).or_else(|| self.spine.prev(at)).unwrap_or(at);
        for _ in 0..4 {
            let Some(next) = self.spine.next(at) else { break };
            if self.try_merge(at, next, limits) {
                continue;
            }
            self.settle(at, limits);
            let Some(next) = self.spine.next(at) else { break };
            at = next;
        }
        self.settle(at, limits);
    }

    /// Appends a node to the one before if both fit the limit.
    fn try_merge(&mut self, left: Loc, right: Loc, limits: &Limits) -> bool {
        let size = |node: Option<&Node>| match node {
            Some(Node::Packed(p)) => Some((p.byte_len(), p.len())),
            _ => None,
        };
        let (Some(a), Some(b)) = (size(self.spine.get(left)), size(self.spine.get(right))) else { return false };
        if limits.exceeded(a.0 + b.0, a.1 + b.1) {
            return false;
        }
        let Some(Node::Packed(tail)) = self.spine.remove(right) else { return false };
        self.spine.edit(left, |node| {
            if let Node::Packed(p) = node {
                p.append_all(&tail);
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
                    let Some(pos) = p.seek(offset as i64) else { return false };
                    let (old, new) = (p.get(pos).map_or(0, entry_bytes), packed::encoded_size(value));
                    let fits = new <= old || !limits.exceeded(p.byte_len() + new - old, p.len());
                    if fits {
                        p.replace(pos, value);
                    }
                    fits
                }
                _ => false,
            }
        });
        if done == Some(true) {
            self.settle(at, limits);
        } else {
            self.insert(index, value, limits);
            self.remove_range(index + 1, 1, limits);
        }
        true
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
                        p.remove_range(offset as i64, n);
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
            let found = !node.raw(&mut room).visit(0, false, |e| !e.eq_bytes(value));
            let mut rest = count;
            if found {
                let gone = if node.is_plain() {
                    1
                } else {
                    let remove = |node: &mut Node| {
                        node.decompress();
                        node.remove_value(value, limit - removed, reverse)
                    };
                    self.spine.edit(at, remove).unwrap_or(0)
                };
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

    /// The only node, if it is a listpack of at most half the limit.
    pub(super) fn take_small(&mut self, limits: &Limits) -> Option<Packed> {
        let at = self.spine.first().filter(|_| self.spine.nodes() == 1)?;
        if self.spine.get(at)?.is_plain() {
            return None;
        }
        self.spine.edit(at, Node::decompress);
        match self.spine.get(at)? {
            Node::Packed(p) if limits.fits_half(p.byte_len(), p.len()) => {}
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

/// Inserts before the entry of this index, or at the end.
pub(super) fn insert_at(p: &mut Packed, index: usize, value: &[u8]) {
    match i64::try_from(index).ok().and_then(|i| p.seek(i)) {
        Some(pos) => {
            p.insert_before(pos, value);
        }
        None => p.push_back(value),
    }
}
