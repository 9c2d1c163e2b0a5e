//! The hash table of a slot: buckets of one cache line, each with twelve handles and a byte of hash for each.
//!
//! A lookup touches one line, and the entry whose byte matches. An entry whose bucket is full goes to the next one; a
//! bucket counts how many of its own did (and gives up counting at 255), so that a search ends at the first bucket whose
//! count is zero. The number of buckets need not be a power of two: tables grow by a third or a half, which keeps them fuller than
//! doubling would. Up to two handles are in the table itself, so that a database of few keys does not pay a line for each.

#![expect(clippy::indexing_slicing, reason = "bucket numbers are below `len()` by construction, places below 12")]

use prefetch_index::prefetch_index;

const PLACES: usize = 12;

#[derive(Clone, Default)]
#[repr(align(64))]
pub(crate) struct Bucket {
    /// Per place, 0 if free, else a byte of the hash.
    tags: [u8; PLACES],
    /// How many entries that belong here are further on; 255: too many to count.
    over: u8,
    handles: [u32; PLACES],
}

/// What handle is looked for. A trait, since a closure would be inlined in one of two loops at most.
pub(crate) trait Wanted {
    fn is(&self, handle: u32) -> bool;
}

/// Handles that are in the table itself: as many as make it no larger, so that a slot does not lie across two cache lines.
const FEW: usize = 2;
const _: () = assert!(size_of::<Buckets>() == 24);

/// See the module. Handles are the caller's; it supplies their hashes.
pub(crate) enum Buckets {
    /// As a bucket, whatever their hash.
    Few {
        tags: [u8; FEW],
        handles: [u32; FEW],
    },
    Many {
        len: u32,
        buckets: Box<[Bucket]>,
    },
}

impl Default for Buckets {
    fn default() -> Self {
        Buckets::Few { tags: [0; FEW], handles: [0; FEW] }
    }
}

#[inline]
fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// Places of a bucket whose tag may be this one, rarely one too many: the top bit of a byte for each of the first eight,
/// and for each of the other four.
#[inline(always)]
fn matches(b: &Bucket, tag: u8) -> [u64; 2] {
    let t = &b.tags;
    let lo = u64::from_le_bytes([t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]]);
    let hi = u64::from(u32::from_le_bytes([t[8], t[9], t[10], t[11]]));
    let pattern = ONES * u64::from(tag);
    let zero = |v: u64| v.wrapping_sub(ONES) & !v & TOPS;
    [zero(lo ^ pattern), zero(hi ^ pattern) & 0xffff_ffff]
}

/// The first place of those that [`matches`] gave.
#[inline(always)]
fn first([lo, hi]: [u64; 2]) -> Option<usize> {
    if lo != 0 {
        Some(lo.trailing_zeros() as usize / 8)
    } else if hi != 0 {
        Some(8 + hi.trailing_zeros() as usize / 8)
    } else {
        None
    }
}

/// The others of them.
#[inline(always)]
fn rest([lo, hi]: [u64; 2]) -> [u64; 2] {
    if lo != 0 { [lo & (lo - 1), hi] } else { [0, hi & hi.wrapping_sub(1)] }
}

/// Handles that so many buckets may hold: one bucket may be full, several are kept at nine tenths.
const fn room(buckets: usize) -> usize {
    if buckets <= 1 { buckets * PLACES } else { buckets * PLACES * 9 / 10 }
}

/// The next number of buckets: 1, 2, 3, 4, 6, 8, 12, 16…, which are size classes of the allocator.
const fn larger(buckets: usize) -> usize {
    match buckets {
        0..=3 => buckets + 1,
        n if n.is_power_of_two() => n + n / 2,
        n => n / 3 * 4,
    }
}

/// The place of the handle that `eq` accepts among a few.
#[inline]
fn place_of_few(tags: &[u8; FEW], handles: &[u32; FEW], hash: u64, mut eq: impl FnMut(u32) -> bool) -> Option<usize> {
    let tag = tag(hash);
    (0..FEW).find(|&i| tags[i] == tag && eq(handles[i]))
}

/// The bucket where a hash is at home.
#[inline]
fn home(buckets: &[Bucket], hash: u64) -> usize {
    // the upper half of the product of the hash's low bits and the number of buckets: any number, no division
    (((hash & 0xffff_ffff) * buckets.len() as u64) >> 32) as usize
}

#[inline]
fn next(buckets: &[Bucket], b: usize) -> usize {
    if b + 1 == buckets.len() { 0 } else { b + 1 }
}

/// The place of the handle that `eq` accepts.
#[inline]
fn place(buckets: &[Bucket], hash: u64, mut eq: impl FnMut(u32) -> bool) -> Option<(usize, usize)> {
    let tag = tag(hash);
    let mut at = home(buckets, hash);
    for _ in 0..buckets.len() {
        let b = &buckets[at];
        let mut m = matches(b, tag);
        while let Some(i) = first(m) {
            if b.tags[i] == tag && eq(b.handles[i]) {
                return Some((at, i));
            }
            m = rest(m);
        }
        if b.over == 0 {
            return None;
        }
        at = next(buckets, at);
    }
    None
}

fn put(buckets: &mut [Bucket], hash: u64, handle: u32) {
    let mut at = home(buckets, hash);
    loop {
        let b = &mut buckets[at];
        if let Some(i) = b.tags.iter().position(|&t| t == 0) {
            b.tags[i] = tag(hash);
            b.handles[i] = handle;
            return;
        }
        b.over = b.over.saturating_add(1);
        at = next(buckets, at);
    }
}

/// Tags and handles of buckets.
fn held(buckets: &[Bucket]) -> impl Iterator<Item = (u8, u32)> + '_ {
    buckets.iter().flat_map(|b| b.tags.iter().copied().zip(b.handles).filter(|(t, _)| *t != 0))
}

/// As many buckets with the same handles.
fn resized(buckets: &[Bucket], wanted: usize, rehash: impl FnOnce(&[u32]) -> Vec<u64>) -> Box<[Bucket]> {
    let handles: Vec<u32> = held(buckets).map(|(_, h)| h).collect();
    let hashes = rehash(&handles);
    let mut new = vec![Bucket::default(); wanted].into_boxed_slice();
    for (hash, handle) in hashes.into_iter().zip(handles) {
        put(&mut new, hash, handle);
    }
    new
}

impl Buckets {
    /// Number of handles.
    pub fn len(&self) -> usize {
        match self {
            Buckets::Few { tags, .. } => tags.iter().filter(|t| **t != 0).count(),
            Buckets::Many { len, .. } => *len as usize,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many handles there is room for.
    pub fn places(&self) -> usize {
        match self {
            Buckets::Few { .. } if self.is_empty() => 0,
            Buckets::Few { .. } => FEW,
            Buckets::Many { buckets, .. } => buckets.len() * PLACES,
        }
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        match self {
            Buckets::Few { .. } => 0,
            Buckets::Many { buckets, .. } => size_of_val(&**buckets),
        }
    }

    /// Begins to load the bucket of a hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if let Buckets::Many { buckets, .. } = self {
            prefetch_index(&**buckets, home(buckets, hash));
        }
    }

    /// The first handle that may be the one of this hash.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<u32> {
        match self {
            Buckets::Few { tags, handles } => place_of_few(tags, handles, hash, |_| true).map(|i| handles[i]),
            Buckets::Many { buckets, .. } => {
                let b = &buckets[home(buckets, hash)];
                b.handles.get(first(matches(b, tag(hash)))?).copied()
            }
        }
    }

    /// The handle that `wanted` accepts among those of this hash.
    #[inline]
    pub fn find(&self, hash: u64, wanted: impl Wanted) -> Option<u32> {
        match self {
            Buckets::Few { tags, handles } => place_of_few(tags, handles, hash, |h| wanted.is(h)).map(|i| handles[i]),
            Buckets::Many { buckets, .. } => place(buckets, hash, |h| wanted.is(h)).map(|(b, i)| buckets[b].handles[i]),
        }
    }

    /// Puts another handle in the place of one.
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) {
        match self {
            Buckets::Few { tags, handles } => {
                if let Some(i) = place_of_few(tags, handles, hash, |h| h == old) {
                    handles[i] = new;
                }
            }
            Buckets::Many { buckets, .. } => {
                if let Some((b, i)) = place(buckets, hash, |h| h == old) {
                    buckets[b].handles[i] = new;
                }
            }
        }
    }

    /// Adds a handle. `rehash` gives the hashes of all handles in order when the table grows.
    pub fn insert(&mut self, hash: u64, handle: u32, rehash: impl FnOnce(&[u32]) -> Vec<u64>) {
        match self {
            Buckets::Few { tags, handles } => match tags.iter().position(|t| *t == 0) {
                Some(i) => {
                    tags[i] = tag(hash);
                    handles[i] = handle;
                }
                None => {
                    // all are at home in the only bucket
                    let mut bucket = Bucket::default();
                    bucket.tags[..FEW].copy_from_slice(tags);
                    bucket.handles[..FEW].copy_from_slice(handles);
                    let mut buckets = vec![bucket].into_boxed_slice();
                    put(&mut buckets, hash, handle);
                    *self = Buckets::Many { len: FEW as u32 + 1, buckets };
                }
            },
            Buckets::Many { len, buckets } => {
                if *len as usize + 1 > room(buckets.len()) {
                    *buckets = resized(buckets, larger(buckets.len()), rehash);
                }
                put(buckets, hash, handle);
                *len += 1;
            }
        }
    }

    /// Removes a handle. Returns whether it was there.
    pub fn remove(&mut self, hash: u64, handle: u32) -> bool {
        match self {
            Buckets::Few { tags, handles } => {
                let found = place_of_few(tags, handles, hash, |h| h == handle);
                if let Some(i) = found {
                    tags[i] = 0;
                }
                found.is_some()
            }
            Buckets::Many { len, buckets } => {
                let Some((found, i)) = place(buckets, hash, |h| h == handle) else { return false };
                let mut at = home(buckets, hash);
                while at != found {
                    let b = &mut buckets[at];
                    if b.over < u8::MAX {
                        b.over -= 1;
                    }
                    at = next(buckets, at);
                }
                buckets[found].tags[i] = 0;
                *len -= 1;
                true
            }
        }
    }

    /// Gives memory back when the table has become sparse.
    pub fn shrink(&mut self, rehash: impl FnOnce(&[u32]) -> Vec<u64>) {
        let Buckets::Many { len, buckets } = self else { return };
        let len = *len as usize;
        if len <= FEW / 2 {
            let (mut tags, mut handles) = ([0; FEW], [0; FEW]);
            for (i, held) in held(buckets).take(FEW).enumerate() {
                (tags[i], handles[i]) = held;
            }
            *self = Buckets::Few { tags, handles };
        } else if buckets.len() > 2 && len * 4 < buckets.len() * PLACES {
            let mut wanted = 1;
            while room(wanted) < len * 5 / 4 {
                wanted = larger(wanted);
            }
            *buckets = resized(buckets, wanted, rehash);
        }
    }

    /// All handles.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (few, many) = match self {
            Buckets::Few { tags, handles } => (Some((tags, handles)), None),
            Buckets::Many { buckets, .. } => (None, Some(buckets)),
        };
        let few = few.into_iter().flat_map(|(tags, handles)| tags.iter().copied().zip(handles.iter().copied()));
        let few = few.filter(|(t, _)| *t != 0);
        few.chain(many.into_iter().flat_map(|b| held(b))).map(|(_, h)| h)
    }

    /// A handle chosen by `random`, or none if its place is free.
    pub fn probe(&self, random: u64) -> Option<u32> {
        let (tag, handle) = match self {
            Buckets::Few { tags, handles } => {
                let p = (random % FEW as u64) as usize;
                (tags[p], handles[p])
            }
            Buckets::Many { buckets, .. } => {
                let p = (random % (buckets.len() * PLACES) as u64) as usize;
                let b = &buckets[p / PLACES];
                (b.tags[p % PLACES], b.handles[p % PLACES])
            }
        };
        (tag != 0).then_some(handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    struct Same(u32);

    impl Wanted for Same {
        fn is(&self, handle: u32) -> bool {
            self.0 == handle
        }
    }

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
        assert_eq!(size_of::<Buckets>(), 24);
    }

    #[test]
    fn every_tag_is_found_in_every_place() {
        for t in 1..=255u8 {
            for i in 0..PLACES {
                let mut b = Bucket::default();
                b.tags[i] = t;
                let mut m = matches(&b, t);
                let places: Vec<usize> = std::iter::from_fn(|| {
                    let i = first(m)?;
                    m = rest(m);
                    Some(i)
                })
                .collect();
                assert!(places.contains(&i), "tag {t} at {i}: {places:?}");
                assert!(places.is_sorted() && places.iter().all(|i| *i < PLACES), "tag {t}: {places:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// A table behaves as a map, with hashes as bad as they can be.
        #[test]
        fn behaves_as_a_map(ops in prop::collection::vec((any::<bool>(), prop_oneof![0u32..400, 0u32..6]), 1..900), bad in 0u32..3) {
            let hash = |k: u32| match bad {
                0 => u64::from(k).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                1 => u64::from(k % 7) << 56 | u64::from(k % 5),
                _ => 42,
            };
            let mut t = Buckets::default();
            let mut model: HashMap<u32, ()> = HashMap::new();
            let rehash = |hs: &[u32]| hs.iter().map(|&h| hash(h)).collect::<Vec<_>>();
            for (add, k) in ops {
                if add {
                    if model.insert(k, ()).is_none() {
                        t.insert(hash(k), k, rehash);
                    }
                } else {
                    prop_assert_eq!(t.remove(hash(k), k), model.remove(&k).is_some());
                    t.shrink(rehash);
                }
                prop_assert_eq!(t.len(), model.len());
                prop_assert_eq!(t.find(hash(k), Same(k)).is_some(), model.contains_key(&k));
                prop_assert_eq!(t.find(hash(k + 400), Same(k + 400)), None);
            }
            for k in 0..400 {
                prop_assert_eq!(t.find(hash(k), Same(k)).is_some(), model.contains_key(&k));
            }
            let mut all: Vec<_> = t.iter().collect();
            all.sort_unstable();
            let mut want: Vec<_> = model.into_keys().collect();
            want.sort_unstable();
            prop_assert_eq!(all, want);
        }
    }
}
