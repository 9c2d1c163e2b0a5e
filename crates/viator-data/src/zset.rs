//! The sorted set: members in the order of their scores, equal scores in the order of the members' bytes.
//!
//! A small set is a listpack in Redis's format ("listpack"): up to `zset-max-listpack-entries` members of up to
//! `zset-max-listpack-value` bytes. A larger one is a hash index and a B+tree with counts ("skiplist", which is the name
//! clients know). A score of -0 equals 0; NaN is no score, which the callers see to.
//!
//! Every query comes down to ranks: bounds of scores or members become a range of ranks in O(log n), and a range of
//! ranks is walked in either direction.

pub mod algebra;
mod index;
mod small;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashSet;

use crate::hashing::{Chance, below};
use crate::packed::{self, Entry, IntBuf, Packed};
use index::Index;
use tree::{Key, Tree};

/// Where the listpack ends: the configuration's `zset-max-listpack-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `zset-max-listpack-entries`, members.
    pub listpack_entries: usize,
    /// `zset-max-listpack-value`, bytes of a member.
    pub listpack_value: usize,
}

impl Default for Limits {
    /// Redis's defaults.
    fn default() -> Self {
        Limits { listpack_entries: 128, listpack_value: 64 }
    }
}

/// How a sorted set is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Member, score…
    Listpack,
    /// Index and tree, called a skiplist as in Redis.
    Skiplist,
}

impl Encoding {
    /// The name OBJECT ENCODING gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Listpack => "listpack",
            Encoding::Skiplist => "skiplist",
        }
    }
}

/// What [`ZSet::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inserted {
    /// The member is new.
    Added,
    /// The member had this other score.
    Updated(f64),
    /// The member had this score already.
    Unchanged,
}

/// A range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// Lower bound.
    pub min: f64,
    /// Whether the lower bound itself is out.
    pub min_exclusive: bool,
    /// Upper bound.
    pub max: f64,
    /// Whether the upper bound itself is out.
    pub max_exclusive: bool,
}

impl ScoreRange {
    /// Whether the score is not below the range.
    fn above_min(&self, score: f64) -> bool {
        if self.min_exclusive { score > self.min } else { score >= self.min }
    }

    /// Whether the score is not above the range.
    fn below_max(&self, score: f64) -> bool {
        if self.max_exclusive { score < self.max } else { score <= self.max }
    }
}

/// A bound of a range of members, for sets whose scores are all equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Below every member (`-`).
    Lowest,
    /// Above every member (`+`).
    Highest,
    /// This member, in the range (`[`).
    Inclusive(&'a [u8]),
    /// This member, out of the range (`(`).
    Exclusive(&'a [u8]),
}

/// A sorted set.
#[derive(Clone, Debug)]
pub struct ZSet {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Packed(Packed),
    Big(Box<Big>),
}

#[derive(Clone, Debug)]
struct Big {
    index: Index,
    tree: Tree,
}

impl Default for ZSet {
    fn default() -> Self {
        Self::empty(Encoding::Listpack)
    }
}

impl Big {
    fn new() -> Self {
        Big { index: Index::new(), tree: Tree::new() }
    }

    fn add(&mut self, member: &[u8], score: f64) {
        let handle = self.index.insert(member, score);
        self.tree.insert(&Key { score, member, handle }, &self.index);
    }

    fn insert(&mut self, member: &[u8], score: f64) -> Inserted {
        let Some(handle) = self.index.find(member) else {
            self.add(member, score);
            return Inserted::Added;
        };
        let old = self.index.score(handle);
        if old == score {
            return Inserted::Unchanged;
        }
        self.tree.remove(&Key { score: old, member, handle }, &self.index);
        self.index.set_score(handle, score);
        self.tree.insert(&Key { score, member, handle }, &self.index);
        Inserted::Updated(old)
    }

    fn remove(&mut self, handle: u32) {
        let score = self.index.score(handle);
        self.tree.remove(&Key { score, member: self.index.member(handle), handle }, &self.index);
        let last = self.index.last();
        if last != handle {
            let (score, member) = (self.index.score(last), self.index.member(last));
            self.tree.relocate(&Key { score, member, handle: last }, &self.index, handle);
        }
        self.index.remove(handle);
    }
}

impl ZSet {
    /// An empty sorted set, a listpack.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty sorted set in the given encoding.
    pub fn empty(encoding: Encoding) -> Self {
        let repr = match encoding {
            Encoding::Listpack => Repr::Packed(Packed::new()),
            Encoding::Skiplist => Repr::Big(Box::new(Big::new())),
        };
        ZSet { repr }
    }

    /// An empty sorted set in the encoding Redis creates for this many members, the longest of this many bytes.
    pub fn for_members(expected: usize, longest: usize, limits: &Limits) -> Self {
        let mut z = Self::new();
        z.expect_members(expected, longest, limits);
        z
    }

    /// A sorted set from a listpack of members and scores; the caller knows it to be complete, distinct and in order.
    pub fn from_packed(pairs: Packed) -> Self {
        ZSet { repr: Repr::Packed(pairs) }
    }

    /// A sorted set of members that come in order, each once, in the encoding that ZUNIONSTORE gives its result.
    pub fn from_ordered<'m>(members: impl ExactSizeIterator<Item = (Entry<'m>, f64)> + Clone, limits: &Limits) -> Self {
        let (mut longest, mut bytes) = (0usize, 0usize);
        if members.len() <= limits.listpack_entries {
            for (m, _) in members.clone() {
                longest = longest.max(m.len());
                bytes = bytes.saturating_add(m.len());
            }
        }
        let mut z = Self::for_members(members.len(), longest, limits);
        if bytes > packed::MAX_BYTES {
            z.make_big();
        }
        let mut buf = IntBuf::new();
        for (member, score) in members {
            let member = member.bytes(&mut buf);
            match &mut z.repr {
                Repr::Packed(p) => small::push(p, member, score),
                Repr::Big(b) => b.add(member, score),
            }
        }
        z
    }

    /// The listpack, in that encoding, for [`Packed::reload`].
    pub fn packed_mut(&mut self) -> Option<&mut Packed> {
        match &mut self.repr {
            Repr::Packed(p) => Some(p),
            Repr::Big(_) => None,
        }
    }

    /// The listpack, in that encoding.
    pub fn as_packed(&self) -> Option<&Packed> {
        match &self.repr {
            Repr::Packed(p) => Some(p),
            Repr::Big(_) => None,
        }
    }

    /// A copy that shares memory with this one, until this one is changed. It has its encoding and
    /// [`ZSet::shared_members`] only: the order is not shared.
    pub fn share(&mut self) -> ZSet {
        match &mut self.repr {
            Repr::Big(b) => ZSet { repr: Repr::Big(Box::new(Big { index: b.index.share(), tree: Tree::new() })) },
            Repr::Packed(_) => self.clone(),
        }
    }

    /// Of what [`ZSet::share`] gave from a large one: how many members there are, and all of them in no order.
    pub fn shared_members(&self) -> Option<(usize, impl Iterator<Item = (&[u8], f64)>)> {
        match &self.repr {
            Repr::Big(b) if b.tree.len() < b.index.len() => Some((b.index.len(), b.index.iter())),
            _ => None,
        }
    }

    /// The encoding.
    pub fn encoding(&self) -> Encoding {
        match &self.repr {
            Repr::Packed(_) => Encoding::Listpack,
            Repr::Big(_) => Encoding::Skiplist,
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Packed(p) => p.len() / 2,
            Repr::Big(b) => b.tree.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes held.
    pub fn memory_usage(&self) -> usize {
        match &self.repr {
            Repr::Packed(p) => p.memory_usage(),
            Repr::Big(b) => size_of::<Big>() + b.index.memory_usage() + b.tree.memory_usage(),
        }
    }

    /// Converts to the large form at once if so many more members, the longest of this many bytes, would need it.
    pub fn expect_members(&mut self, expected: usize, longest: usize, limits: &Limits) {
        if expected > limits.listpack_entries || longest > limits.listpack_value {
            self.make_big();
        }
    }

    fn make_big(&mut self) {
        let Repr::Packed(p) = &self.repr else { return };
        let mut big = Big::new();
        let mut buf = IntBuf::new();
        for (member, score) in small::range(p, 0, usize::MAX, false) {
            // A listpack from outside may name a member twice.
            big.insert(member.bytes(&mut buf), score);
        }
        self.repr = Repr::Big(Box::new(big));
    }

    /// Turns the set into a listpack if its size allows, as ZUNIONSTORE and its kin do with their result.
    pub fn try_into_packed(&mut self, limits: &Limits) {
        if self.as_packed().is_some() || self.len() > limits.listpack_entries {
            return;
        }
        if self.iter().any(|(m, _)| m.len() > limits.listpack_value) {
            return;
        }
        let mut p = Packed::new();
        let mut buf = IntBuf::new();
        for (m, s) in self.iter() {
            small::insert(&mut p, m.bytes(&mut buf), s);
        }
        self.repr = Repr::Packed(p);
    }

    /// A member's score.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.repr {
            Repr::Packed(p) => small::find(p, member).map(|(_, s)| s),
            Repr::Big(b) => b.index.find(member).map(|h| b.index.score(h)),
        }
    }

    /// Adds a member or gives it another score. The score must not be NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Inserted {
        if let Repr::Packed(p) = &mut self.repr {
            let found = small::find(p, member);
            if let Some((pos, old)) = found {
                if old == score {
                    return Inserted::Unchanged;
                }
                p.remove_at(pos, 2);
                small::insert(p, member, score);
                return Inserted::Updated(old);
            }
            let fits = p.len() / 2 < limits.listpack_entries && member.len() <= limits.listpack_value;
            if fits && p.can_add(member.len()) {
                small::insert(p, member, score);
                return Inserted::Added;
            }
            self.make_big();
        }
        match &mut self.repr {
            Repr::Big(b) => b.insert(member, score),
            Repr::Packed(_) => Inserted::Unchanged,
        }
    }

    /// Removes a member and returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.repr {
            Repr::Packed(p) => {
                let (pos, score) = small::find(p, member)?;
                p.remove_at(pos, 2);
                Some(score)
            }
            Repr::Big(b) => {
                let handle = b.index.find(member)?;
                let score = b.index.score(handle);
                b.remove(handle);
                Some(score)
            }
        }
    }

    /// A member's rank, counted from the lowest, and its score. From the highest it is `len() - 1 - rank`.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.repr {
            Repr::Packed(p) => {
                let (_, score) = small::find(p, member)?;
                Some((small::count_while(p, |_, m| !m.eq_bytes(member)), score))
            }
            Repr::Big(b) => {
                let handle = b.index.find(member)?;
                let score = b.index.score(handle);
                Some((b.tree.rank(&Key { score, member, handle }, &b.index), score))
            }
        }
    }

    /// How many members, from the lowest on, satisfy a condition that holds for none after the first it fails for.
    fn count_while(&self, holds: impl Fn(f64, Entry<'_>) -> bool) -> usize {
        match &self.repr {
            Repr::Packed(p) => small::count_while(p, holds),
            Repr::Big(b) => b.tree.count_while(|s, h| holds(s, Entry::Str(b.index.member(h)))),
        }
    }

    /// The ranks of the members with a score in the range (empty if there is none).
    pub fn ranks_by_score(&self, range: &ScoreRange) -> core::ops::Range<usize> {
        let start = self.count_while(|s, _| !range.above_min(s));
        start..self.count_while(|s, _| range.below_max(s)).max(start)
    }

    /// The ranks of the members in a range of members (empty if there is none). All scores must be equal.
    pub fn ranks_by_lex(&self, min: LexBound<'_>, max: LexBound<'_>) -> core::ops::Range<usize> {
        let below = |bound: LexBound<'_>, lower: bool| match bound {
            LexBound::Lowest => 0,
            LexBound::Highest => self.len(),
            // Below the lower bound is what is less (and itself if it is out); below the upper bound the reverse.
            LexBound::Inclusive(b) => self.count_while(|_, m| less(m, b, !lower)),
            LexBound::Exclusive(b) => self.count_while(|_, m| less(m, b, lower)),
        };
        // With unequal scores the order says little; as in Redis, nothing is found when an end says that there is nothing.
        let last = self.len().saturating_sub(1);
        let member_at = |rank: usize| self.range(rank..rank + 1, false).next().map(|(m, _)| m);
        let out = |m: Option<Entry<'_>>, bound: LexBound<'_>, lower: bool| match (m, bound) {
            (Some(m), LexBound::Inclusive(b)) => less(m, b, !lower) == lower,
            (Some(m), LexBound::Exclusive(b)) => less(m, b, lower) == lower,
            _ => false,
        };
        if out(member_at(last), min, true) || out(member_at(0), max, false) {
            return 0..0;
        }
        let start = below(min, true);
        start..below(max, false).max(start)
    }

    /// Members and scores of a range of ranks counted from the lowest; `reverse` starts with the highest of them.
    pub fn range(&self, ranks: core::ops::Range<usize>, reverse: bool) -> Range<'_> {
        let end = ranks.end.min(self.len());
        let count = end.saturating_sub(ranks.start);
        let first = if reverse { end.saturating_sub(1) } else { ranks.start };
        Range(match &self.repr {
            Repr::Packed(p) => RangeRepr::Packed(small::range(p, first, count, reverse)),
            Repr::Big(b) => RangeRepr::Big(b.tree.range(first, count, reverse), &b.index),
        })
    }

    /// All members and scores in order.
    pub fn iter(&self) -> Range<'_> {
        self.range(0..self.len(), false)
    }

    /// The member of this rank.
    pub fn at(&self, rank: usize) -> Option<(Entry<'_>, f64)> {
        self.range(rank..rank.checked_add(1)?, false).next()
    }

    /// Removes the member of this rank and returns it.
    pub fn remove_at(&mut self, rank: usize) -> Option<(Vec<u8>, f64)> {
        let (member, score) = self.at(rank)?;
        let member = member.to_vec();
        match &mut self.repr {
            Repr::Packed(p) => {
                p.remove_range(i64::try_from(rank).ok()? * 2, 2);
            }
            Repr::Big(b) => {
                let (_, handle) = b.tree.at(rank)?;
                b.remove(handle);
            }
        }
        Some((member, score))
    }

    /// Removes the member with the lowest score and returns it.
    pub fn pop_min(&mut self) -> Option<(Vec<u8>, f64)> {
        self.remove_at(0)
    }

    /// Removes the member with the highest score and returns it.
    pub fn pop_max(&mut self) -> Option<(Vec<u8>, f64)> {
        self.remove_at(self.len().checked_sub(1)?)
    }

    /// Removes the members of a range of ranks, handing each to `gone`; returns how many.
    pub fn remove_ranks(&mut self, ranks: core::ops::Range<usize>, mut gone: impl FnMut(&[u8], f64)) -> usize {
        let count = ranks.end.min(self.len()).saturating_sub(ranks.start);
        match &mut self.repr {
            Repr::Packed(p) => {
                let mut buf = IntBuf::new();
                for (m, s) in small::range(p, ranks.start, count, false) {
                    gone(m.bytes(&mut buf), s);
                }
                if let (Ok(start), true) = (i64::try_from(ranks.start), count > 0) {
                    p.remove_range(start * 2, count * 2);
                }
            }
            Repr::Big(b) => {
                for _ in 0..count {
                    let Some((score, handle)) = b.tree.at(ranks.start) else { break };
                    gone(b.index.member(handle), score);
                    b.remove(handle);
                }
            }
        }
        count
    }

    /// Visits all members and scores, in whatever order is fastest.
    pub(crate) fn unordered<'a>(&'a self, mut visit: impl FnMut(Entry<'a>, f64)) {
        match &self.repr {
            Repr::Packed(_) => self.iter().for_each(|(m, s)| visit(m, s)),
            Repr::Big(b) => b.index.iter().for_each(|(m, s)| visit(Entry::Str(m), s)),
        }
    }

    /// `n` different members chosen by chance, or all if there are no more.
    pub fn sample(&self, n: usize, chance: &mut Chance) -> Vec<(Entry<'_>, f64)> {
        if n > self.len() / 3 {
            let (mut wanted, mut left) = (n, self.len());
            let chosen = self.iter().filter(|_| {
                let chosen = below(chance.next(), left) < wanted;
                wanted -= usize::from(chosen);
                left -= 1;
                chosen
            });
            return chosen.collect();
        }
        let mut ranks = HashSet::with_capacity(n);
        let mut members = Vec::with_capacity(n);
        while members.len() < n {
            let rank = below(chance.next(), self.len());
            if ranks.insert(rank) {
                members.extend(self.at(rank));
            }
        }
        members
    }

    /// A member chosen by a random number, each with the same chance.
    pub fn random(&self, r: u64) -> Option<(Entry<'_>, f64)> {
        self.at(below(r, self.len()))
    }

    /// Visits about `count` members from `cursor` on and returns the next cursor, 0 at the end. A listpack is visited
    /// as a whole. Members that are in the set during a whole scan are visited at least once.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'a>, f64)) -> u64 {
        let Repr::Big(b) = &self.repr else {
            self.iter().for_each(|(m, s)| visit(m, s));
            return 0;
        };
        let mut cursor = cursor;
        let mut seen = 0;
        for _ in 0..count.max(1).saturating_mul(10) {
            cursor = b.index.scan(cursor, |m, s| {
                seen += 1;
                visit(Entry::Str(m), s);
            });
            if cursor == 0 || seen >= count {
                break;
            }
        }
        cursor
    }

    /// Frees part of a sorted set that is to be thrown away, about `n` members; whether nothing is left.
    pub fn drop_some(&mut self, n: usize) -> bool {
        match &mut self.repr {
            Repr::Packed(_) => true,
            Repr::Big(b) => b.tree.drop_some(n.div_ceil(32)) && b.index.drop_some(n),
        }
    }
}

fn less(member: Entry<'_>, bound: &[u8], or_equal: bool) -> bool {
    let mut buf = IntBuf::new();
    let member = member.bytes(&mut buf);
    if or_equal { member <= bound } else { member < bound }
}

/// Members and scores in order; see [`ZSet::range`].
#[derive(Clone)]
pub struct Range<'a>(RangeRepr<'a>);

#[derive(Clone)]
enum RangeRepr<'a> {
    Packed(small::Range<'a>),
    Big(tree::Range<'a>, &'a Index),
}

impl<'a> Iterator for Range<'a> {
    type Item = (Entry<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            RangeRepr::Packed(r) => r.next(),
            RangeRepr::Big(r, index) => r.next().map(|(s, h)| (Entry::Str(index.member(h)), s)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            RangeRepr::Packed(r) => r.size_hint(),
            RangeRepr::Big(r, _) => r.size_hint(),
        }
    }
}

impl ExactSizeIterator for Range<'_> {}
