//! The order of a large sorted set: a B+tree of (score, handle) with the number of entries below every child.
//!
//! A leaf holds up to 63 entries in one allocation, twelve bytes each. Entries with the same score are in the order of
//! their members, which the tree looks up in the index. With the counts a rank, and with it the number of entries in
//! any range, takes one way down.

use super::index::Index;
use core::cmp::Ordering;

/// Entries of a leaf: 760 bytes.
const LEAF: usize = 63;
/// Children of an inner node, at most one less.
const INNER: usize = 32;

/// What the tree is ordered by, and the handle it stores.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) score: f64,
    pub(super) member: &'a [u8],
    pub(super) handle: u32,
}

#[derive(Clone, Debug)]
struct Leaf {
    len: u32,
    handles: [u32; LEAF],
    scores: [f64; LEAF],
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Box<Leaf>),
    Inner(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    /// The first entry below.
    score: f64,
    handle: u32,
    /// Entries below.
    count: u32,
    node: Node,
}

/// The tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: Node,
    len: usize,
    leaves: usize,
    inners: usize,
}

#[inline]
fn cmp(index: &Index, score: f64, handle: u32, key: &Key<'_>) -> Ordering {
    match score.partial_cmp(&key.score) {
        Some(Ordering::Equal) | None if handle == key.handle => Ordering::Equal,
        Some(Ordering::Equal) | None => index.member(handle).cmp(key.member),
        Some(order) => order,
    }
}

impl Leaf {
    fn new() -> Box<Leaf> {
        Box::new(Leaf { len: 0, handles: [0; LEAF], scores: [0.0; LEAF] })
    }

    #[inline]
    fn scores(&self) -> &[f64] {
        self.scores.get(..self.len as usize).unwrap_or_default()
    }

    #[inline]
    fn handles(&self) -> &[u32] {
        self.handles.get(..self.len as usize).unwrap_or_default()
    }

    fn get(&self, i: usize) -> Option<(f64, u32)> {
        Some((*self.scores().get(i)?, *self.handles().get(i)?))
    }

    /// How many entries are below the key, and whether the next one is the key's.
    fn search(&self, key: &Key<'_>, index: &Index) -> (usize, bool) {
        let scores = self.scores();
        let from = scores.partition_point(|&s| s < key.score);
        let ties = scores.get(from..).unwrap_or_default().partition_point(|&s| s <= key.score);
        let handles = self.handles().get(from..from + ties).unwrap_or_default();
        match handles.binary_search_by(|&h| cmp(index, key.score, h, key)) {
            Ok(i) => (from + i, true),
            Err(i) => (from + i, false),
        }
    }

    /// Inserts into a leaf that is not full.
    fn insert(&mut self, at: usize, score: f64, handle: u32) {
        let len = self.len as usize;
        self.scores.copy_within(at..len, at + 1);
        self.handles.copy_within(at..len, at + 1);
        if let (Some(s), Some(h)) = (self.scores.get_mut(at), self.handles.get_mut(at)) {
            (*s, *h) = (score, handle);
            self.len += 1;
        }
    }

    fn remove(&mut self, at: usize) {
        let len = self.len as usize;
        self.scores.copy_within(at + 1..len, at);
        self.handles.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    /// Appends entries; the caller knows that they fit.
    fn extend(&mut self, scores: &[f64], handles: &[u32]) {
        for (&s, &h) in scores.iter().zip(handles) {
            self.insert(self.len as usize, s, h);
        }
    }

    fn split_off(&mut self, at: usize) -> Box<Leaf> {
        let mut right = Leaf::new();
        right.extend(self.scores().get(at..).unwrap_or_default(), self.handles().get(at..).unwrap_or_default());
        self.len = at as u32;
        right
    }
}

impl Child {
    fn of(node: Node) -> Child {
        let (score, handle) = node.min();
        Child { score, handle, count: node.count(), node }
    }

    fn refresh_min(&mut self) {
        (self.score, self.handle) = self.node.min();
    }
}

/// The child that the key belongs to.
#[inline]
fn child_of(children: &[Child], key: &Key<'_>, index: &Index) -> usize {
    let later = children.get(1..).unwrap_or_default();
    later.partition_point(|c| cmp(index, c.score, c.handle, key).is_le())
}

impl Node {
    fn min(&self) -> (f64, u32) {
        match self {
            Node::Leaf(l) => l.get(0).unwrap_or_default(),
            Node::Inner(c) => c.first().map(|c| (c.score, c.handle)).unwrap_or_default(),
        }
    }

    fn count(&self) -> u32 {
        match self {
            Node::Leaf(l) => l.len,
            Node::Inner(c) => c.iter().map(|c| c.count).sum(),
        }
    }

    /// How full the node is: used and possible places.
    fn fill(&self) -> (usize, usize) {
        match self {
            Node::Leaf(l) => (l.len as usize, LEAF),
            Node::Inner(c) => (c.len(), INNER),
        }
    }

    /// Inserts a key that is not there; returns a new right neighbour if the node was split.
    fn insert(&mut self, key: &Key<'_>, index: &Index, rightmost: bool, made: &mut (usize, usize)) -> Option<Child> {
        match self {
            Node::Leaf(leaf) => {
                let (at, _) = leaf.search(key, index);
                let len = leaf.len as usize;
                if len < LEAF {
                    leaf.insert(at, key.score, key.handle);
                    return None;
                }
                // Ascending keys leave full leaves behind.
                let mid = if rightmost && at == len { len } else { LEAF / 2 };
                let mut right = leaf.split_off(mid);
                match at.checked_sub(mid) {
                    Some(at) if mid == len || at > 0 => right.insert(at, key.score, key.handle),
                    _ => leaf.insert(at, key.score, key.handle),
                }
                made.0 += 1;
                Some(Child::of(Node::Leaf(right)))
            }
            Node::Inner(children) => {
                let i = child_of(children, key, index);
                let last = i + 1 == children.len();
                let child = children.get_mut(i)?;
                if cmp(index, child.score, child.handle, key).is_gt() {
                    (child.score, child.handle) = (key.score, key.handle);
                }
                child.count += 1;
                let new = child.node.insert(key, index, rightmost && last, made)?;
                child.count -= new.count;
                children.insert(i + 1, new);
                if children.len() < INNER {
                    return None;
                }
                let mid = if rightmost && last { INNER - 1 } else { INNER / 2 };
                let mut right = Vec::with_capacity(INNER);
                right.extend(children.drain(mid..));
                made.1 += 1;
                Some(Child::of(Node::Inner(right)))
            }
        }
    }

    /// Removes a key; whether it was there.
    fn remove(&mut self, key: &Key<'_>, index: &Index, freed: &mut (usize, usize)) -> bool {
        match self {
            Node::Leaf(leaf) => {
                let (at, found) = leaf.search(key, index);
                if found {
                    leaf.remove(at);
                }
                found
            }
            Node::Inner(children) => {
                let i = child_of(children, key, index);
                let Some(child) = children.get_mut(i) else { return false };
                if !child.node.remove(key, index, freed) {
                    return false;
                }
                child.count -= 1;
                if child.count == 0 {
                    count_freed(&child.node, freed);
                    children.remove(i);
                    return true;
                }
                child.refresh_min();
                let (used, places) = child.node.fill();
                if used < places / 3 && !merge(children, i, freed) && i > 0 {
                    merge(children, i - 1, freed);
                }
                true
            }
        }
    }

    /// Puts another handle in place of the key's.
    fn relocate(&mut self, key: &Key<'_>, index: &Index, to: u32) {
        match self {
            Node::Leaf(leaf) => {
                if let (at, true) = leaf.search(key, index)
                    && let Some(h) = leaf.handles.get_mut(at)
                {
                    *h = to;
                }
            }
            Node::Inner(children) => {
                let i = child_of(children, key, index);
                if let Some(child) = children.get_mut(i) {
                    if child.handle == key.handle {
                        child.handle = to;
                    }
                    child.node.relocate(key, index, to);
                }
            }
        }
    }

    /// Frees the last leaf; whether the node is empty then.
    fn drop_leaf(&mut self) -> bool {
        match self {
            Node::Leaf(_) => true,
            Node::Inner(children) => {
                if children.last_mut().is_none_or(|c| c.node.drop_leaf()) {
                    children.pop();
                }
                children.is_empty()
            }
        }
    }
}

fn count_freed(node: &Node, freed: &mut (usize, usize)) {
    match node {
        Node::Leaf(_) => freed.0 += 1,
        Node::Inner(_) => freed.1 += 1,
    }
}

/// Merges the children `i` and `i + 1` if they fit one node with room to spare.
fn merge(children: &mut Vec<Child>, i: usize, freed: &mut (usize, usize)) -> bool {
    let (Some(left), Some(right)) = (children.get(i), children.get(i + 1)) else { return false };
    let ((a, places), (b, _)) = (left.node.fill(), right.node.fill());
    if a + b > places * 3 / 4 {
        return false;
    }
    let right = children.remove(i + 1);
    count_freed(&right.node, freed);
    if let Some(left) = children.get_mut(i) {
        left.count += right.count;
        match (&mut left.node, right.node) {
            (Node::Leaf(l), Node::Leaf(r)) => l.extend(r.scores(), r.handles()),
            (Node::Inner(l), Node::Inner(r)) => l.extend(r),
            // Neighbours are of the same height.
            _ => {}
        }
    }
    true
}

impl Tree {
    pub(super) fn new() -> Self {
        Tree { root: Node::Leaf(Leaf::new()), len: 0, leaves: 1, inners: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn memory_usage(&self) -> usize {
        self.leaves * size_of::<Leaf>() + self.inners * INNER * size_of::<Child>()
    }

    /// Inserts a key that is not there.
    pub(super) fn insert(&mut self, key: &Key<'_>, index: &Index) {
        let mut made = (0, 0);
        let new = self.root.insert(key, index, true, &mut made);
        if let Some(new) = new {
            let old = core::mem::replace(&mut self.root, Node::Inner(Vec::with_capacity(INNER)));
            made.1 += 1;
            if let Node::Inner(children) = &mut self.root {
                children.push(Child::of(old));
                children.push(new);
            }
        }
        self.len += 1;
        self.leaves += made.0;
        self.inners += made.1;
    }

    /// Removes a key; whether it was there.
    pub(super) fn remove(&mut self, key: &Key<'_>, index: &Index) -> bool {
        let mut freed = (0, 0);
        if !self.root.remove(key, index, &mut freed) {
            return false;
        }
        self.len -= 1;
        self.leaves -= freed.0;
        self.inners -= freed.1;
        while let Node::Inner(children) = &mut self.root
            && children.len() <= 1
        {
            self.inners -= 1;
            self.root = match children.pop() {
                Some(only) => only.node,
                None => {
                    self.leaves += 1;
                    Node::Leaf(Leaf::new())
                }
            };
        }
        true
    }

    /// Puts another handle in place of the key's; both still name the same member.
    pub(super) fn relocate(&mut self, key: &Key<'_>, index: &Index, to: u32) {
        self.root.relocate(key, index, to);
    }

    /// How many entries are below the key.
    pub(super) fn rank(&self, key: &Key<'_>, index: &Index) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.search(key, index).0,
                Node::Inner(children) => {
                    let i = child_of(children, key, index);
                    rank += children.iter().take(i).map(|c| c.count as usize).sum::<usize>();
                    match children.get(i) {
                        Some(c) => node = &c.node,
                        None => return rank,
                    }
                }
            }
        }
    }

    /// How many entries, from the first on, satisfy a condition that none satisfies after the first that does not.
    pub(super) fn count_while(&self, holds: impl Fn(f64, u32) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let (mut low, mut high) = (0, leaf.len as usize);
                    while low < high {
                        let mid = low.midpoint(high);
                        if leaf.get(mid).is_some_and(|(s, h)| holds(s, h)) { low = mid + 1 } else { high = mid }
                    }
                    return rank + low;
                }
                Node::Inner(children) => {
                    let later = children.get(1..).unwrap_or_default();
                    let i = later.partition_point(|c| holds(c.score, c.handle));
                    rank += children.iter().take(i).map(|c| c.count as usize).sum::<usize>();
                    match children.get(i) {
                        Some(c) => node = &c.node,
                        None => return rank,
                    }
                }
            }
        }
    }

    /// The entry of this rank.
    pub(super) fn at(&self, rank: usize) -> Option<(f64, u32)> {
        self.range(rank, 1, false).next()
    }

    /// `count` entries from this rank on, upwards or (`reverse`) downwards.
    pub(super) fn range(&self, rank: usize, count: usize, reverse: bool) -> Range<'_> {
        let mut range = Range { path: Vec::new(), leaf: None, left: 0, reverse };
        if rank >= self.len {
            return range;
        }
        range.left = count.min(if reverse { rank + 1 } else { self.len - rank });
        let mut rank = rank;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    range.leaf = Some((leaf, rank));
                    return range;
                }
                Node::Inner(children) => {
                    let mut i = 0;
                    while let Some(c) = children.get(i).filter(|c| c.count as usize <= rank) {
                        rank -= c.count as usize;
                        i += 1;
                    }
                    let Some(c) = children.get(i) else { return range };
                    range.path.push((children, i));
                    node = &c.node;
                }
            }
        }
    }

    /// Frees up to `n` leaves of a tree that is to be thrown away; whether nothing is left.
    pub(super) fn drop_some(&mut self, n: usize) -> bool {
        (0..n).any(|_| self.root.drop_leaf())
    }

    /// Panics if the tree is not what it should be.
    #[cfg(test)]
    pub(super) fn check(&self, index: &Index) {
        fn walk(n: &Node, counts: &mut (usize, usize), root: bool) -> usize {
            match n {
                Node::Leaf(l) => {
                    counts.0 += 1;
                    assert!(root || l.len > 0);
                    l.len as usize
                }
                Node::Inner(children) => {
                    counts.1 += 1;
                    assert!(!children.is_empty() && children.len() < INNER);
                    children
                        .iter()
                        .map(|c| {
                            assert_eq!((c.score, c.handle), c.node.min());
                            let n = walk(&c.node, counts, false);
                            assert_eq!(n, c.count as usize);
                            n
                        })
                        .sum()
                }
            }
        }
        let mut counts = (0, 0);
        assert_eq!(walk(&self.root, &mut counts, true), self.len);
        assert_eq!(counts, (self.leaves, self.inners));
        assert_eq!(index.len(), self.len);
    }
}

/// Entries in order; see [`Tree::range`].
#[derive(Clone)]
pub(super) struct Range<'a> {
    /// The inner nodes on the way to the leaf, with the child taken.
    path: Vec<(&'a [Child], usize)>,
    /// The leaf and the place of the next entry in it.
    leaf: Option<(&'a Leaf, usize)>,
    left: usize,
    reverse: bool,
}

impl<'a> Range<'a> {
    /// Goes to the leaf next to this one.
    fn turn(&mut self) -> Option<(&'a Leaf, usize)> {
        loop {
            let (children, i) = self.path.pop()?;
            let next = if self.reverse { i.checked_sub(1) } else { Some(i + 1) };
            let Some((next, mut child)) = next.and_then(|n| Some((n, children.get(n)?))) else { continue };
            self.path.push((children, next));
            loop {
                match &child.node {
                    Node::Leaf(leaf) => {
                        return Some((leaf, if self.reverse { (leaf.len as usize).saturating_sub(1) } else { 0 }));
                    }
                    Node::Inner(below) => {
                        let i = if self.reverse { below.len().saturating_sub(1) } else { 0 };
                        child = below.get(i)?;
                        self.path.push((below, i));
                    }
                }
            }
        }
    }
}

impl Iterator for Range<'_> {
    type Item = (f64, u32);

    #[inline]
    fn next(&mut self) -> Option<(f64, u32)> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let (leaf, at) = self.leaf?;
        let entry = leaf.get(at)?;
        let next = if self.reverse { at.checked_sub(1) } else { Some(at + 1).filter(|&n| n < leaf.len as usize) };
        self.leaf = match next {
            Some(n) => Some((leaf, n)),
            None if self.left > 0 => self.turn(),
            None => None,
        };
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Range<'_> {}
