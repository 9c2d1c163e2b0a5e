//! From member to score: a chained hash table whose entries lie dense in a slab, named by 32-bit handles.
//!
//! The entry is the only place with the member's bytes; the tree refers to it by its handle. Short members lie in the
//! entry itself. The table grows and shrinks by linear hashing, one bucket at a time. Removing an entry moves the last
//! one into its place, so that a set that has shrunk does not hold on to memory.

use crate::hashing::hash;
use crate::paged::Paged;
use crate::ptable::{bucket_of, masks, scan_step};

const NIL: u32 = u32::MAX;
/// Longest member that lies in its entry.
const INLINE: usize = 22;

#[derive(Clone, Debug)]
enum Member {
    Inline(u8, [u8; INLINE]),
    Heap(Box<[u8]>),
}

impl Member {
    fn new(bytes: &[u8]) -> Self {
        let mut room = [0; INLINE];
        match room.get_mut(..bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                Member::Inline(bytes.len() as u8, room)
            }
            None => Member::Heap(bytes.into()),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Member::Inline(len, room) => room.get(..usize::from(*len)).unwrap_or_default(),
            Member::Heap(bytes) => bytes,
        }
    }

    fn heap(&self) -> usize {
        match self {
            Member::Inline(..) => 0,
            Member::Heap(bytes) => bytes.len(),
        }
    }
}

#[derive(Clone, Debug)]
struct Slot {
    /// The next entry of the same bucket.
    next: u32,
    hash: u32,
    score: f64,
    member: Member,
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    heads: Paged<u32>,
    slots: Paged<Slot>,
    /// Heap bytes of members.
    bytes: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        let mut heads = Paged::new();
        heads.push(NIL);
        Index { heads, slots: Paged::new(), bytes: 0 }
    }

    /// A copy that shares the entries; nothing can be looked up in it.
    pub(super) fn share(&mut self) -> Index {
        Index { heads: Paged::new(), slots: self.slots.share(), bytes: self.bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn memory_usage(&self) -> usize {
        self.heads.memory_usage() + self.slots.memory_usage() + self.bytes
    }

    fn slot(&self, handle: u32) -> Option<&Slot> {
        self.slots.get(handle as usize)
    }

    #[inline]
    pub(super) fn member(&self, handle: u32) -> &[u8] {
        self.slot(handle).map_or(&[], |s| s.member.bytes())
    }

    #[inline]
    pub(super) fn score(&self, handle: u32) -> f64 {
        self.slot(handle).map_or(0.0, |s| s.score)
    }

    pub(super) fn set_score(&mut self, handle: u32, score: f64) {
        if let Some(s) = self.slots.get_mut(handle as usize) {
            s.score = score;
        }
    }

    #[inline]
    fn head(&self, bucket: usize) -> u32 {
        self.heads.get(bucket).copied().unwrap_or(NIL)
    }

    fn set_head(&mut self, bucket: usize, to: u32) {
        if let Some(h) = self.heads.get_mut(bucket) {
            *h = to;
        }
    }

    fn set_next(&mut self, handle: u32, to: u32) {
        if let Some(s) = self.slots.get_mut(handle as usize) {
            s.next = to;
        }
    }

    #[inline]
    pub(super) fn find(&self, member: &[u8]) -> Option<u32> {
        let h = hash(member) as u32;
        let mut at = self.head(bucket_of(h, self.heads.len()));
        loop {
            let s = self.slot(at)?;
            if s.hash == h && s.member.bytes() == member {
                return Some(at);
            }
            at = s.next;
        }
    }

    /// Adds a member that is not in the index.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) -> u32 {
        let h = hash(member) as u32;
        let handle = self.slots.len() as u32;
        let bucket = bucket_of(h, self.heads.len());
        let member = Member::new(member);
        self.bytes += member.heap();
        self.slots.push(Slot { next: self.head(bucket), hash: h, score, member });
        self.set_head(bucket, handle);
        if self.slots.len() > self.heads.len() {
            self.split();
        }
        handle
    }

    /// The entry that [`Index::remove`] will move into the place of another: the last.
    pub(super) fn last(&self) -> u32 {
        (self.slots.len() as u32).wrapping_sub(1)
    }

    /// Removes an entry; the last one takes over its handle.
    pub(super) fn remove(&mut self, handle: u32) {
        let last = self.last();
        self.redirect(handle, self.slot(handle).map_or(NIL, |s| s.next));
        if handle != last {
            self.redirect(last, handle);
        }
        let Some(moved) = self.slots.pop() else { return };
        let gone = match self.slots.get_mut(handle as usize) {
            Some(place) => core::mem::replace(place, moved),
            None => moved,
        };
        self.bytes -= gone.member.heap();
        // Two at most, as one removal less makes two heads too many.
        for _ in 0..2 {
            if self.heads.len() > 1 && self.slots.len() < self.heads.len() / 2 {
                self.merge();
            }
        }
    }

    /// Lets what leads to `handle` lead to `to` instead.
    fn redirect(&mut self, handle: u32, to: u32) {
        let Some(slot) = self.slot(handle) else { return };
        let bucket = bucket_of(slot.hash, self.heads.len());
        let mut at = self.head(bucket);
        if at == handle {
            return self.set_head(bucket, to);
        }
        while let Some(next) = self.slot(at).map(|s| s.next) {
            if next == handle {
                return self.set_next(at, to);
            }
            at = next;
        }
    }

    fn split(&mut self) {
        let n = self.heads.len();
        if n as u64 >= 1 << 31 {
            return;
        }
        let (high, low) = masks(n);
        let old = n & low as usize;
        let mut at = self.head(old);
        let (mut stay, mut go) = (NIL, NIL);
        while let Some((h, next)) = self.slot(at).map(|s| (s.hash, s.next)) {
            let side = if h & high == n as u32 { &mut go } else { &mut stay };
            let rest = core::mem::replace(side, at);
            self.set_next(at, rest);
            at = next;
        }
        self.set_head(old, stay);
        self.heads.push(go);
    }

    fn merge(&mut self) {
        let Some(chain) = self.heads.pop() else { return };
        let n = self.heads.len();
        let bucket = n & masks(n).1 as usize;
        let first = self.head(bucket);
        let mut at = chain;
        let mut end = NIL;
        while let Some(s) = self.slot(at) {
            end = at;
            at = s.next;
        }
        if end != NIL {
            self.set_next(end, first);
            self.set_head(bucket, chain);
        }
    }

    /// All members and scores, in the order of their handles.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.slots.iter().map(|s| (s.member.bytes(), s.score))
    }

    pub(super) fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(&'a [u8], f64)) -> u64 {
        let (bucket, next) = scan_step(cursor, self.heads.len());
        let mut at = self.head(bucket);
        while let Some(s) = self.slot(at) {
            visit(s.member.bytes(), s.score);
            at = s.next;
        }
        next
    }

    /// Frees up to `n` entries of an index that is to be thrown away; whether nothing is left.
    pub(super) fn drop_some(&mut self, n: usize) -> bool {
        for _ in 0..n {
            let entry = self.slots.pop();
            if let Some(e) = &entry {
                self.bytes -= e.member.heap();
            }
            if self.heads.pop().is_none() && entry.is_none() {
                return true;
            }
        }
        false
    }
}
