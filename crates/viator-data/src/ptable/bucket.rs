//! One bucket: records one after the other in a byte vector.
//!
//! A record: tag (8 bits of the hash), key length with the top bit set when it expires, value length, the expiration
//! time (u64 LE) if it does, key, value. Large records are not worth moving about: they live in an allocation of
//! their own, and the bucket holds the tag, a mark in place of the key length, and their slot (u16 LE).

use crate::room;
use prefetch_index::prefetch_index;

/// Set in the key length when the record has an expiration time.
const EXPIRES: u8 = 0x80;
/// The key length that marks a record with an allocation of its own.
const LARGE: u8 = 0x7F;
/// Key and value together, in bytes, above which a record gets an allocation of its own.
const MAX_INLINE: usize = 192;
/// Bytes of a large record in the bucket.
const LARGE_SIZE: usize = 4;
/// Most bytes of a bucket that are loaded ahead.
const AHEAD: usize = 768;
/// Bytes of a cache line.
const LINE: usize = 64;

/// A record, borrowed from the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Expiration time; 0: none.
    pub(crate) expire: u64,
}

#[derive(Clone, Debug)]
struct Large {
    key_len: usize,
    expire: u64,
    /// Key, then value.
    data: Box<[u8]>,
}

impl Large {
    fn new(key: &[u8], value: &[u8], expire: u64) -> Self {
        Large { key_len: key.len(), expire, data: [key, value].concat().into_boxed_slice() }
    }

    fn record(&self) -> Record<'_> {
        let (key, value) = self.data.split_at_checked(self.key_len).unwrap_or_default();
        Record { key, value, expire: self.expire }
    }

    fn heap(&self) -> usize {
        size_of::<Large>() + self.data.len()
    }
}

#[derive(Clone, Debug, Default)]
struct Larges(Vec<Large>);

#[derive(Debug, Default)]
pub(super) struct Bucket {
    blob: Vec<u8>,
    large: Option<Box<Larges>>,
}

impl Clone for Bucket {
    fn clone(&self) -> Self {
        Bucket { blob: room::copy(&self.blob), large: self.large.clone() }
    }
}

/// A record's header, taken apart.
struct Head {
    /// Bytes in the blob.
    size: usize,
    body: Body,
}

/// Where a record is; see [`Bucket::place`].
pub(super) struct Place(usize, Head);

enum Body {
    Inline { data: usize, key_len: usize, expires: bool },
    Large(u16),
}

#[inline]
fn head(b: &[u8]) -> Option<Head> {
    let &[_, key_len, c, ..] = b else { return None };
    if key_len == LARGE {
        let slot = u16::from_le_bytes([c, *b.get(3)?]);
        return Some(Head { size: LARGE_SIZE, body: Body::Large(slot) });
    }
    let expires = key_len & EXPIRES != 0;
    let key_len = usize::from(key_len & !EXPIRES);
    let data = if expires { 11 } else { 3 };
    Some(Head { size: data + key_len + usize::from(c), body: Body::Inline { data, key_len, expires } })
}

impl Bucket {
    /// Heap bytes held.
    pub(super) fn heap(&self) -> usize {
        let large = self.large.as_ref().map_or(0, |l| size_of::<Larges>() + l.0.iter().map(Large::heap).sum::<usize>());
        self.blob.capacity() + large
    }

    /// Begins to load the records: a search reads them from front to back, and one is added at their end.
    #[inline]
    pub(super) fn prefetch(&self) {
        let mut at = 0;
        while at < self.blob.len().min(AHEAD) {
            prefetch_index(&self.blob, at);
            at += LINE;
        }
        prefetch_index(&self.blob, self.blob.len());
    }

    #[inline]
    fn record_at<'a>(&'a self, b: &'a [u8], h: &Head) -> Option<Record<'a>> {
        match h.body {
            Body::Inline { data, key_len, expires } => {
                let (key, value) = b.get(data..h.size)?.split_at_checked(key_len)?;
                let expire = if expires { u64::from_le_bytes(*b.get(3..)?.first_chunk()?) } else { 0 };
                Some(Record { key, value, expire })
            }
            Body::Large(slot) => Some(self.large.as_ref()?.0.get(usize::from(slot))?.record()),
        }
    }

    /// Where the record with this key is in the blob.
    #[inline]
    fn locate(&self, tag: u8, key: &[u8]) -> Option<(usize, Head)> {
        let mut at = 0;
        let mut rest = self.blob.as_slice();
        loop {
            let h = head(rest)?;
            if rest.first() == Some(&tag) {
                let same = match h.body {
                    Body::Inline { data, key_len, .. } => {
                        key_len == key.len() && rest.get(data..data + key_len) == Some(key)
                    }
                    Body::Large(_) => self.record_at(rest, &h).is_some_and(|r| r.key == key),
                };
                if same {
                    return Some((at, h));
                }
            }
            at += h.size;
            rest = rest.get(h.size..)?;
        }
    }

    #[inline]
    pub(super) fn find(&self, tag: u8, key: &[u8]) -> Option<Record<'_>> {
        let (at, h) = self.locate(tag, key)?;
        self.record_at(self.blob.get(at..)?, &h)
    }

    /// Adds a record whose key is not in the bucket.
    pub(super) fn push(&mut self, tag: u8, key: &[u8], value: &[u8], expire: u64) {
        if key.len() < usize::from(LARGE) && key.len() + value.len() <= MAX_INLINE {
            let ttl = if expire != 0 { 8 } else { 0 };
            room::reserve_ahead(&mut self.blob, 3 + ttl + key.len() + value.len());
            let mark = if expire != 0 { EXPIRES } else { 0 };
            self.blob.extend_from_slice(&[tag, key.len() as u8 | mark, value.len() as u8]);
            if expire != 0 {
                self.blob.extend_from_slice(&expire.to_le_bytes());
            }
            self.blob.extend_from_slice(key);
            self.blob.extend_from_slice(value);
        } else {
            self.push_large(tag, Large::new(key, value, expire));
        }
    }

    fn push_large(&mut self, tag: u8, record: Large) {
        let large = self.large.get_or_insert_default();
        let [a, b] = (large.0.len() as u16).to_le_bytes();
        large.0.reserve_exact(1);
        large.0.push(record);
        room::reserve(&mut self.blob, LARGE_SIZE);
        self.blob.extend_from_slice(&[tag, LARGE, a, b]);
    }

    /// Where the record with this key is, and its expiration time (0: none).
    #[inline]
    pub(super) fn place(&self, tag: u8, key: &[u8]) -> Option<(Place, u64)> {
        let (at, h) = self.locate(tag, key)?;
        let expire = self.record_at(self.blob.get(at..)?, &h)?.expire;
        Some((Place(at, h), expire))
    }

    /// Replaces value and expiration time of the record at this place, which has this key.
    pub(super) fn update(&mut self, Place(at, h): Place, tag: u8, key: &[u8], value: &[u8], expire: u64) {
        match h.body {
            Body::Large(slot) if key.len() + value.len() > MAX_INLINE => {
                if let Some(l) = self.large.as_mut().and_then(|l| l.0.get_mut(usize::from(slot))) {
                    l.expire = expire;
                    if let Some(old) = l.data.get_mut(key.len()..).filter(|old| old.len() == value.len()) {
                        old.copy_from_slice(value);
                    } else {
                        *l = Large::new(key, value, expire);
                    }
                }
            }
            // Same shape: overwrite in place.
            Body::Inline { data, key_len, expires }
                if expires == (expire != 0) && h.size - data - key_len == value.len() =>
            {
                if let Some(old) = self.blob.get_mut(at + data + key_len..at + h.size) {
                    old.copy_from_slice(value);
                }
                if let (true, Some(old)) = (expires, self.blob.get_mut(at + 3..at + 11)) {
                    old.copy_from_slice(&expire.to_le_bytes());
                }
            }
            _ => {
                self.remove_at(at, &h);
                self.push(tag, key, value, expire);
                room::give_back(&mut self.blob);
            }
        }
    }

    /// Removes a record; its expiration time.
    pub(super) fn remove(&mut self, tag: u8, key: &[u8]) -> Option<u64> {
        let (at, h) = self.locate(tag, key)?;
        let expire = self.record_at(self.blob.get(at..)?, &h)?.expire;
        self.remove_at(at, &h);
        room::give_back(&mut self.blob);
        Some(expire)
    }

    /// Number of records: a walk over their headers.
    pub(super) fn len(&self) -> usize {
        let (mut n, mut rest) = (0, self.blob.as_slice());
        while let Some(h) = head(rest) {
            n += 1;
            rest = rest.get(h.size..).unwrap_or_default();
        }
        n
    }

    /// Removes the record at this place and returns its key.
    pub(super) fn take(&mut self, place: usize) -> Option<Vec<u8>> {
        let mut at = 0;
        for _ in 0..place {
            at += head(self.blob.get(at..)?)?.size;
        }
        let rest = self.blob.get(at..)?;
        let h = head(rest)?;
        let key = self.record_at(rest, &h)?.key.to_vec();
        self.remove_at(at, &h);
        room::give_back(&mut self.blob);
        Some(key)
    }

    fn remove_at(&mut self, at: usize, h: &Head) {
        self.blob.drain(at..at + h.size);
        let Body::Large(slot) = h.body else { return };
        let Some(large) = self.large.as_mut() else { return };
        large.0.swap_remove(usize::from(slot));
        let moved = large.0.len() as u16;
        if large.0.is_empty() {
            self.large = None;
        } else if moved != slot {
            self.renumber(0, |s| if s == moved { slot } else { s });
        }
    }

    /// Rewrites the slots of the large records from byte `at` on.
    fn renumber(&mut self, mut at: usize, f: impl Fn(u16) -> u16) {
        while let Some(h) = self.blob.get(at..).and_then(head) {
            if let (Body::Large(slot), Some([_, _, a, b])) = (&h.body, self.blob.get_mut(at..at + LARGE_SIZE)) {
                [*a, *b] = f(*slot).to_le_bytes();
            }
            at += h.size;
        }
    }

    /// Moves the records whose key satisfies `goes` into a new bucket.
    pub(super) fn split(&mut self, goes: impl Fn(&[u8]) -> bool) -> Bucket {
        let old = core::mem::take(self);
        let mut other = Bucket::default();
        let half = room::good_size(old.blob.len() / 2);
        self.blob.reserve_exact(half);
        other.blob.reserve_exact(half);
        let mut at = 0;
        let mut larges: Vec<(u16, bool)> = Vec::new();
        while let Some(rest) = old.blob.get(at..) {
            let Some(h) = head(rest) else { break };
            let goes = old.record_at(rest, &h).is_some_and(|r| goes(r.key));
            let target = if goes { &mut other } else { &mut *self };
            if let Body::Large(slot) = h.body {
                larges.push((slot, goes));
            }
            room::reserve(&mut target.blob, h.size);
            target.blob.extend_from_slice(rest.get(..h.size).unwrap_or_default());
            at += h.size;
        }
        if let Some(all) = old.large {
            larges.sort_unstable();
            let (mut here, mut there) = (Larges::default(), Larges::default());
            for (record, &(_, goes)) in all.0.into_iter().zip(&larges) {
                if goes { there.0.push(record) } else { here.0.push(record) }
            }
            // A record's new slot: how many records of the same side had a smaller one.
            let new = |slot: u16| {
                let side = larges.get(usize::from(slot)).is_some_and(|l| l.1);
                larges.iter().take(usize::from(slot)).filter(|l| l.1 == side).count() as u16
            };
            for (bucket, records) in [(&mut *self, here), (&mut other, there)] {
                bucket.renumber(0, new);
                bucket.large = (!records.0.is_empty()).then(|| Box::new(records));
            }
        }
        for bucket in [self, &mut other] {
            room::give_back(&mut bucket.blob);
        }
        other
    }

    /// Takes all records of another bucket.
    pub(super) fn absorb(&mut self, other: Bucket) {
        let at = self.blob.len();
        room::reserve(&mut self.blob, other.blob.len());
        self.blob.extend_from_slice(&other.blob);
        if let Some(records) = other.large {
            let large = self.large.get_or_insert_default();
            let shift = large.0.len() as u16;
            large.0.extend(records.0);
            self.renumber(at, |slot| slot + shift);
        }
    }

    pub(super) fn iter(&self) -> Records<'_> {
        Records { bucket: self, rest: &self.blob }
    }
}

/// The records of a bucket.
#[derive(Clone)]
pub(super) struct Records<'a> {
    bucket: &'a Bucket,
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;
    fn next(&mut self) -> Option<Record<'a>> {
        let b = self.rest;
        let h = head(b)?;
        self.rest = b.get(h.size..)?;
        self.bucket.record_at(b, &h)
    }
}
