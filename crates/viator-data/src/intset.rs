//! The intset: distinct integers in order, in one allocation, byte for byte in Redis's format.
//!
//! Layout: width of an element in bytes (u32 LE: 2, 4 or 8), element count (u32 LE), the elements little-endian and
//! ascending. The width grows with the first element that needs more; it never shrinks.

use crate::packed::Malformed;
use crate::room;

const HEADER: usize = 8;

/// A set of integers as a sorted array.
#[derive(Clone, PartialEq, Eq)]
pub struct IntSet {
    bytes: Vec<u8>,
}

impl Default for IntSet {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for IntSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

fn read(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

impl IntSet {
    /// An empty set of 16-bit integers.
    pub fn new() -> Self {
        IntSet { bytes: vec![2, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// Takes bytes from outside, after checking size, width and order.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let head: &[u8; HEADER] = bytes.first_chunk().ok_or(Malformed)?;
        let &[a, b, c, d, e, f, g, h] = head;
        let width = match u32::from_le_bytes([a, b, c, d]) {
            2 => 2usize,
            4 => 4,
            8 => 8,
            _ => return Err(Malformed),
        };
        let count = u32::from_le_bytes([e, f, g, h]) as usize;
        if count.checked_mul(width).and_then(|n| n.checked_add(HEADER)) != Some(bytes.len()) {
            return Err(Malformed);
        }
        let set = IntSet { bytes };
        if !set.iter().is_sorted_by(|a, b| a < b) {
            return Err(Malformed);
        }
        Ok(set)
    }

    /// Takes back bytes that [`IntSet::as_bytes`] gave.
    pub fn from_own(bytes: Vec<u8>) -> Self {
        IntSet { bytes }
    }

    /// As [`IntSet::from_own`], into the memory of this one.
    pub fn reload(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives memory reserved for growth back.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The bytes, as RDB and DUMP carry them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Size of the format in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Heap bytes held.
    pub fn memory_usage(&self) -> usize {
        self.bytes.capacity()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data().len() / self.width()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER
    }

    fn width(&self) -> usize {
        match self.bytes.first() {
            Some(&w) => usize::from(w),
            None => 2,
        }
    }

    fn data(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// The element with this index in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        let width = self.width();
        let at = index.checked_mul(width)?;
        self.data().get(at..at.checked_add(width)?).map(read)
    }

    /// The smallest element.
    pub fn first(&self) -> Option<i64> {
        self.get(0)
    }

    /// The greatest element.
    pub fn last(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Elements in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + '_ {
        self.data().chunks_exact(self.width()).map(read)
    }

    /// The index of `value`, or where it would be inserted.
    pub fn search(&self, value: i64) -> Result<usize, usize> {
        fn by<const W: usize>(data: &[u8], f: impl Fn([u8; W]) -> core::cmp::Ordering) -> Result<usize, usize> {
            let (elements, _) = data.as_chunks::<W>();
            // New elements are often the greatest.
            if elements.last().is_some_and(|&e| f(e).is_lt()) {
                return Err(elements.len());
            }
            elements.binary_search_by(|&e| f(e))
        }
        match self.width() {
            2 => by(self.data(), |e| i64::from(i16::from_le_bytes(e)).cmp(&value)),
            4 => by(self.data(), |e| i64::from(i32::from_le_bytes(e)).cmp(&value)),
            _ => by(self.data(), |e| i64::from_le_bytes(e).cmp(&value)),
        }
    }

    /// Whether `value` is in the set.
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds `value`; whether it was new.
    pub fn insert(&mut self, value: i64) -> bool {
        let width = width_of(value);
        if width > self.width() {
            self.widen(width, value);
            return true;
        }
        let Err(index) = self.search(value) else { return false };
        let width = self.width();
        let at = HEADER + index * width;
        let len = self.bytes.len();
        room::reserve(&mut self.bytes, width);
        self.bytes.resize(len + width, 0);
        self.bytes.copy_within(at..len, at + width);
        if let Some(hole) = self.bytes.get_mut(at..at + width) {
            for (to, from) in hole.iter_mut().zip(value.to_le_bytes()) {
                *to = from;
            }
        }
        self.set_count();
        true
    }

    /// Rewrites with wider elements and adds `value`, which is below or above all others as they were narrower.
    fn widen(&mut self, width: usize, value: i64) {
        let mut bytes = Vec::with_capacity(HEADER + (self.len() + 1) * width);
        bytes.extend_from_slice(&[width as u8, 0, 0, 0, 0, 0, 0, 0]);
        let mut put = |v: i64| bytes.extend(v.to_le_bytes().into_iter().take(width));
        if value < 0 {
            put(value);
        }
        self.iter().for_each(&mut put);
        if value >= 0 {
            put(value);
        }
        self.bytes = bytes;
        self.set_count();
    }

    /// Removes `value`; whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let width = self.width();
        let at = HEADER + index * width;
        self.bytes.drain(at..at + width);
        room::give_back(&mut self.bytes);
        self.set_count();
        true
    }

    fn set_count(&mut self) {
        let count = (self.len() as u32).to_le_bytes();
        for (to, from) in self.bytes.iter_mut().skip(4).zip(count) {
            *to = from;
        }
    }
}

impl FromIterator<i64> for IntSet {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        let mut set = IntSet::new();
        for v in values {
            set.insert(v);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Bytes of a Redis server's DUMP.
    #[test]
    fn bytes_of_a_redis_dump() {
        let small: IntSet = [3, 1, 2].into_iter().collect();
        assert_eq!(small.as_bytes(), [2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0, 3, 0]);
        let mid: IntSet = [1, -5, 70000].into_iter().collect();
        assert_eq!(mid.as_bytes(), [4, 0, 0, 0, 3, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0x70, 0x11, 1, 0]);
        let wide: IntSet = [5, i64::MIN, 7].into_iter().collect();
        let want = [8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(wide.as_bytes(), want);
    }

    #[test]
    fn refuses_bad_bytes() {
        for bad in [
            &[][..],
            &[2, 0, 0, 0, 1, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0],
            &[2, 0, 0, 0, 255, 255, 255, 255, 1, 0],
            &[8, 0, 0, 0, 255, 255, 255, 255, 1, 0],
        ] {
            assert!(IntSet::from_bytes(bad.to_vec()).is_err(), "{bad:?}");
        }
        assert!(IntSet::from_bytes(vec![2, 0, 0, 0, 0, 0, 0, 0]).is_ok());
    }

    fn int() -> impl Strategy<Value = i64> {
        prop_oneof![4 => -50i64..50, 2 => -40000i64..40000, 1 => any::<i32>().prop_map(i64::from), 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn behaves_like_a_btreeset(ops in proptest::collection::vec((any::<bool>(), int()), 0..200)) {
            let mut s = IntSet::new();
            let mut m = BTreeSet::new();
            for (add, v) in ops {
                if add { prop_assert_eq!(s.insert(v), m.insert(v)); } else { prop_assert_eq!(s.remove(v), m.remove(&v)); }
                prop_assert_eq!(s.len(), m.len());
                prop_assert_eq!(s.contains(v), add);
                prop_assert_eq!((s.first(), s.last()), (m.first().copied(), m.last().copied()));
            }
            prop_assert_eq!(s.iter().collect::<Vec<_>>(), m.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(IntSet::from_bytes(s.as_bytes().to_vec()), Ok(s));
        }
    }
}
