//! A hash table of packed buckets: the large form of sets and hashes.
//!
//! About eight records share a bucket, and a bucket is one small allocation with the records one after the other. A
//! record costs three bytes beside its key and value, against a table entry and two or three allocations elsewhere;
//! a lookup reads one bucket from front to back, which the processor prefetches.
//!
//! The table grows by *linear hashing*: every insert splits at most one bucket and every removal merges at most one,
//! so that no call ever rehashes the table. A bucket is always the set of records whose hashes share their low bits,
//! which makes a scan in the order of the reversed bits exact under any growing and shrinking, as Redis promises.

mod bucket;
#[cfg(test)]
mod tests;

use crate::hashing::{below, hash, mix};
use crate::paged::Paged;
use bucket::Bucket;
pub(crate) use bucket::Record;

/// Records per bucket, on average, above which the table grows.
const LOAD: usize = 8;
/// How many records of a bucket a random choice expects at most; hardly any bucket has more.
const CHOICES: u64 = 16;
/// So many records of a bucket or more: their number is not kept.
const MANY: u8 = u8::MAX;

/// Tables with fewer records are in the cache anyway, or soon.
const FAR: usize = 2048;
/// Most keys that are loaded ahead together.
const AHEAD: usize = 16;

/// What [`PackedTable::set`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// No record with this key; it was added.
    Absent,
    /// A record, with this expiration time (0: none).
    Present(u64),
}

/// The table. Keys are unique; a record has a value (maybe empty) and an expiration time (0: none).
#[derive(Clone, Debug)]
pub(crate) struct PackedTable {
    buckets: Paged<Bucket>,
    /// Records of each bucket, or [`MANY`]: a random choice tries several places, and these are all in the cache.
    counts: Paged<u8>,
    len: usize,
    /// Heap bytes of all buckets.
    bytes: usize,
}

/// The masks of linear hashing for `n` buckets: those of the already split buckets, and those of the others.
#[inline]
pub(crate) fn masks(n: usize) -> (u32, u32) {
    let high = u32::MAX.checked_shr((n as u32).leading_zeros()).unwrap_or(0);
    (high, high >> 1)
}

/// The bucket of a hash among `n`.
#[inline]
pub(crate) fn bucket_of(h: u32, n: usize) -> usize {
    let (high, low) = masks(n);
    let b = (h & high) as usize;
    if b < n { b } else { (h & low) as usize }
}

/// The bucket a scan's cursor is in, and the cursor after it (0 at the end).
pub(crate) fn scan_step(cursor: u64, n: usize) -> (usize, u64) {
    // A cursor is a position in the order of the hashes' reversed bits.
    let at = u32::try_from(cursor).unwrap_or(u32::MAX);
    let bucket = bucket_of(at.reverse_bits(), n);
    let (high, low) = masks(n);
    let split = (bucket & low as usize) + low as usize + 1 < n;
    let depth = if split { high.count_ones() } else { low.count_ones() };
    let width = 32 - depth;
    let next = ((u64::from(at) >> width) + 1) << width;
    (bucket, if next >> 32 == 0 { next } else { 0 })
}

impl PackedTable {
    pub(crate) fn new() -> Self {
        let mut buckets = Paged::new();
        buckets.push(Bucket::default());
        let mut counts = Paged::new();
        counts.push(0);
        PackedTable { buckets, counts, len: 0, bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes held.
    pub(crate) fn memory_usage(&self) -> usize {
        self.buckets.memory_usage() + self.counts.memory_usage() + self.bytes
    }

    #[inline]
    fn bucket(&self, h: u64) -> Option<&Bucket> {
        self.buckets.get(bucket_of(h as u32, self.buckets.len()))
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<Record<'_>> {
        let h = hash(key);
        self.bucket(h)?.find(tag(h), key)
    }

    #[inline]
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// Begins to load the buckets of these keys, each step for many of them, so that cache misses overlap.
    pub(crate) fn load_ahead(&self, keys: &[&[u8]]) {
        if self.len < FAR {
            return;
        }
        let mut places = [0; AHEAD];
        for keys in keys.chunks(AHEAD) {
            for (place, key) in places.iter_mut().zip(keys) {
                *place = bucket_of(hash(key) as u32, self.buckets.len());
                self.buckets.prefetch(*place);
            }
            for &place in places.iter().take(keys.len()) {
                self.load_bucket(place);
            }
        }
    }

    #[inline]
    fn load_bucket(&self, at: usize) {
        if let Some(bucket) = self.buckets.get(at) {
            bucket.prefetch();
        }
    }

    /// The first record in the hash's bucket that expires at exactly this time.
    pub(crate) fn find_expiring(&self, h: u64, at: u64) -> Option<Record<'_>> {
        self.bucket(h)?.iter().find(|r| r.expire == at)
    }

    /// Adds a record or replaces its value and expiration time.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], expire: u64) -> Was {
        self.upsert(key, value, expire, true)
    }

    /// Adds a record unless there is one with this key; whether it was added.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8], expire: u64) -> bool {
        self.upsert(key, value, expire, false) == Was::Absent
    }

    fn upsert(&mut self, key: &[u8], value: &[u8], expire: u64, replace: bool) -> Was {
        let h = hash(key);
        let at = bucket_of(h as u32, self.buckets.len());
        let Some(bucket) = self.buckets.get_mut(at) else { return Was::Absent };
        if let Some((place, old)) = bucket.place(tag(h), key) {
            if replace {
                let before = bucket.heap();
                bucket.update(place, tag(h), key, value, expire);
                self.bytes = (self.bytes + bucket.heap()).saturating_sub(before);
            }
            return Was::Present(old);
        }
        let before = bucket.heap();
        bucket.push(tag(h), key, value, expire);
        self.bytes = (self.bytes + bucket.heap()).saturating_sub(before);
        self.len += 1;
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
        if self.len > self.buckets.len() * LOAD {
            self.split();
        }
        Was::Absent
    }

    /// Removes a record and returns its expiration time (0: none).
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<u64> {
        let h = hash(key);
        let at = bucket_of(h as u32, self.buckets.len());
        let bucket = self.buckets.get_mut(at)?;
        let before = bucket.heap();
        let expire = bucket.remove(tag(h), key)?;
        self.bytes = (self.bytes + bucket.heap()).saturating_sub(before);
        self.removed(at);
        Some(expire)
    }

    /// Counts a record that was removed from this bucket.
    fn removed(&mut self, bucket: usize) {
        self.len -= 1;
        match self.counts.get_mut(bucket) {
            Some(&mut MANY) => self.count(bucket),
            Some(count) => *count = count.saturating_sub(1),
            None => {}
        }
        self.merge_if_sparse();
    }

    /// Counts the records of a bucket anew.
    fn count(&mut self, bucket: usize) {
        let records = self.buckets.get(bucket).map_or(0, Bucket::len);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = u8::try_from(records).unwrap_or(MANY);
        }
    }

    fn merge_if_sparse(&mut self) {
        if self.buckets.len() > 1 && self.len < self.buckets.len() * (LOAD / 2) {
            self.merge();
        }
    }

    fn split(&mut self) {
        let n = self.buckets.len();
        let (high, low) = masks(n);
        // A bucket number is 32 bits wide; past that the buckets get longer instead.
        if n as u64 >= 1 << 31 {
            return;
        }
        let parent = n & low as usize;
        let Some(bucket) = self.buckets.get_mut(parent) else { return };
        let before = bucket.heap();
        let moved = bucket.split(|key| hash(key) as u32 & high == n as u32);
        self.bytes = (self.bytes + bucket.heap() + moved.heap()).saturating_sub(before);
        self.buckets.push(moved);
        self.counts.push(0);
        self.count(parent);
        self.count(n);
        // the one to be split next: it has some inserts' time to come
        let (_, low) = masks(n + 1);
        self.load_bucket((n + 1) & low as usize);
    }

    fn merge(&mut self) {
        let Some(last) = self.buckets.pop() else { return };
        let n = self.buckets.len();
        let (_, low) = masks(n);
        let parent = n & low as usize;
        let Some(bucket) = self.buckets.get_mut(parent) else { return };
        let before = bucket.heap() + last.heap();
        bucket.absorb(last);
        self.bytes = (self.bytes + bucket.heap()).saturating_sub(before);
        let moved = self.counts.pop().unwrap_or(0);
        if let Some(count) = self.counts.get_mut(parent) {
            *count = count.saturating_add(moved);
        }
        // the two to be merged next
        if let Some(last) = n.checked_sub(1) {
            let (_, low) = masks(last);
            self.load_bucket(last);
            self.load_bucket(last & low as usize);
        }
    }

    /// A copy that shares memory, until either is changed.
    pub(crate) fn share(&mut self) -> PackedTable {
        let (buckets, counts) = (self.buckets.share(), self.counts.share());
        PackedTable { buckets, counts, len: self.len, bytes: self.bytes }
    }

    /// All records, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Record<'_>> + Clone {
        self.buckets.iter().flat_map(Bucket::iter)
    }

    /// Visits the bucket at `cursor` and returns the next cursor, 0 at the end. A record that is in the table during
    /// a whole scan is visited at least once.
    pub(crate) fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(Record<'a>)) -> u64 {
        let (bucket, next) = scan_step(cursor, self.buckets.len());
        self.buckets.get(bucket).into_iter().flat_map(Bucket::iter).for_each(&mut visit);
        next
    }

    /// Visits buckets from `cursor` on until about `count` records were seen, or ten times as many buckets.
    pub(crate) fn scan_some<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Record<'a>)) -> u64 {
        let mut cursor = cursor;
        let mut seen = 0;
        for _ in 0..count.max(1).saturating_mul(10) {
            cursor = self.scan(cursor, |r| {
                seen += 1;
                visit(r);
            });
            if cursor == 0 || seen >= count {
                break;
            }
        }
        cursor
    }

    /// A record chosen with (nearly) equal chances by a random number.
    pub(crate) fn random(&self, r: u64) -> Option<Record<'_>> {
        let (bucket, place) = self.choose(r)?;
        self.buckets.get(bucket)?.iter().nth(place)
    }

    /// Removes a record chosen by a random number, and returns its key.
    pub(crate) fn pop(&mut self, r: u64) -> Option<Vec<u8>> {
        let (at, place) = self.choose(r)?;
        let bucket = self.buckets.get_mut(at)?;
        let before = bucket.heap();
        let key = bucket.take(place)?;
        self.bytes = (self.bytes + bucket.heap()).saturating_sub(before);
        self.removed(at);
        Some(key)
    }

    /// The bucket of a random record, and its place there.
    fn choose(&self, r: u64) -> Option<(usize, usize)> {
        if self.len == 0 {
            return None;
        }
        let n = self.buckets.len();
        let mut r = r;
        // Picking a place, not a bucket, gives records of full buckets the same chance; empty places are tried again.
        // In a bucket with more records than places they share those.
        for _ in 0..96 {
            r = mix(r);
            let (bucket, place) = (below(r, n), (r % CHOICES) as usize);
            let mut records = usize::from(*self.counts.get(bucket)?);
            if place < records {
                if records == usize::from(MANY) {
                    records = self.buckets.get(bucket)?.len();
                }
                let place = if records > CHOICES as usize { below(mix(r), records) } else { place };
                return Some((bucket, place));
            }
        }
        let at = |i: usize| (below(r, n) + i) % n;
        (0..n).map(at).find(|&i| self.counts.get(i).is_some_and(|&n| n > 0)).map(|bucket| (bucket, 0))
    }

    /// Frees up to `n` buckets; whether nothing is left. The table is of no other use afterwards.
    pub(crate) fn drop_some(&mut self, n: usize) -> bool {
        for _ in 0..n {
            if self.buckets.pop().is_none() {
                break;
            }
        }
        self.len = self.len.min(self.buckets.len() * LOAD);
        self.buckets.len() == 0
    }
}

#[inline]
fn tag(h: u64) -> u8 {
    (h >> 56) as u8
}
