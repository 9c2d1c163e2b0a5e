//! Strings as arrays of bits, the most significant bit of the first byte being bit 0.

mod field;
mod op;

pub use field::{Field, Overflow};
pub use op::{Op, bitop};

/// Number of bits that are set.
pub fn popcount(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: u64 = words.iter().map(|w| u64::from(u64::from_ne_bytes(*w).count_ones())).sum();
    words + rest.iter().map(|b| u64::from(b.count_ones())).sum::<u64>()
}

/// Number of bits that are set from bit `first` to bit `last`, both included; bits past the end are 0.
pub fn popcount_range(bytes: &[u8], first: u64, last: u64) -> u64 {
    let Some(Span { head, middle, tail, .. }) = Span::of(bytes, first, last) else { return 0 };
    u64::from(head.count_ones()) + popcount(middle) + u64::from(tail.count_ones())
}

/// Position of the first bit equal to `bit`.
pub fn bitpos(bytes: &[u8], bit: bool) -> Option<u64> {
    let skip = if bit { 0 } else { 0xff };
    let (words, _) = bytes.as_chunks::<8>();
    let words = words.iter().position(|w| *w != [skip; 8]).unwrap_or(words.len()) * 8;
    let rest = bytes.get(words..).unwrap_or_default();
    let at = rest.iter().position(|b| *b != skip)?;
    let byte = rest.get(at).copied().unwrap_or(skip) ^ skip;
    Some((words + at) as u64 * 8 + u64::from(byte.leading_zeros()))
}

/// Position, from the start of `bytes`, of the first bit equal to `bit` among the bits `first` to `last`, both
/// included. Bits past the end are not looked at.
pub fn bitpos_range(bytes: &[u8], first: u64, last: u64, bit: bool) -> Option<u64> {
    let span = Span::of(bytes, first, last)?;
    let skip = if bit { 0 } else { 0xff };
    let start = span.start as u64 * 8;
    let head = (span.head ^ skip) & span.head_mask;
    if head != 0 {
        return Some(start + u64::from(head.leading_zeros()));
    }
    let start = start + 8;
    if let Some(at) = bitpos(span.middle, bit) {
        return Some(start + at);
    }
    let tail = (span.tail ^ skip) & span.tail_mask;
    (tail != 0).then(|| start + span.middle.len() as u64 * 8 + u64::from(tail.leading_zeros()))
}

/// A range of bits cut at byte borders: a first byte, whole bytes, a last byte (none when all is in the first).
struct Span<'a> {
    /// Index of the first byte.
    start: usize,
    /// The first byte's bits of the range, others 0.
    head: u8,
    head_mask: u8,
    middle: &'a [u8],
    tail: u8,
    tail_mask: u8,
}

impl Span<'_> {
    /// `None` when nothing of the range is within `bytes`.
    fn of(bytes: &[u8], first: u64, last: u64) -> Option<Span<'_>> {
        let last = last.min((bytes.len() as u64).checked_mul(8)?.checked_sub(1)?);
        if first > last {
            return None;
        }
        let (start, end) = (usize::try_from(first / 8).ok()?, usize::try_from(last / 8).ok()?);
        let head_mask = 0xff >> (first % 8);
        let tail_mask = !(0x7f >> (last % 8));
        let whole = bytes.get(start..=end)?;
        Some(match whole {
            [] => return None,
            [only] => {
                let mask = head_mask & tail_mask;
                Span { start, head: only & mask, head_mask: mask, middle: &[], tail: 0, tail_mask: 0 }
            }
            [head, middle @ .., tail] => {
                Span { start, head: head & head_mask, head_mask, middle, tail: tail & tail_mask, tail_mask }
            }
        })
    }
}

/// Bit number `at`; 0 past the end.
pub fn get_bit(bytes: &[u8], at: u64) -> bool {
    usize::try_from(at / 8).ok().and_then(|i| bytes.get(i)).is_some_and(|b| b & (0x80 >> (at % 8)) != 0)
}

/// Sets bit number `at` and returns what it was; `None`, and nothing is done, past the end.
pub fn set_bit(bytes: &mut [u8], at: u64, bit: bool) -> Option<bool> {
    let byte = usize::try_from(at / 8).ok().and_then(|i| bytes.get_mut(i))?;
    let mask = 0x80 >> (at % 8);
    let old = *byte & mask != 0;
    *byte = if bit { *byte | mask } else { *byte & !mask };
    Some(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(bytes: &[u8]) -> Vec<bool> {
        bytes.iter().flat_map(|b| (0..8).map(move |i| b >> (7 - i) & 1 == 1)).collect()
    }

    /// Long runs are what the word-at-a-time paths see.
    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0u8), Just(0xff), any::<u8>()];
        proptest::collection::vec((byte, 1usize..20), 0..6)
            .prop_map(|runs| runs.into_iter().flat_map(|(b, n)| vec![b; n]).collect())
    }

    #[test]
    fn known_answers() {
        assert_eq!(popcount(b"foobar"), 26);
        assert_eq!(popcount_range(b"foobar", 5, 30), 17);
        assert_eq!(popcount_range(b"foobar", 8, 15), 6);
        assert_eq!(popcount_range(b"foobar", 0, u64::MAX), 26);
        assert_eq!(popcount_range(b"", 0, u64::MAX), 0);
        assert_eq!(bitpos(b"\xff\xf0\x00", false), Some(12));
        assert_eq!(bitpos(b"\x00\xff\xf0", true), Some(8));
        assert_eq!(bitpos(b"\xff\xff", false), None);
        assert_eq!(bitpos_range(b"\x00\xff\xf0", 7, 15, true), Some(8));
        assert_eq!(bitpos_range(b"\x00\xff\xf0", 9, 9, false), None);
    }

    proptest! {
        #[test]
        fn agree_with_bits(mut bytes in runs(), first in 0u64..900, last in 0u64..900, bit: bool) {
            let model = bits(&bytes);
            prop_assert_eq!(popcount(&bytes), model.iter().filter(|b| **b).count() as u64);
            prop_assert_eq!(bitpos(&bytes, bit), model.iter().position(|b| *b == bit).map(|p| p as u64));
            let range = model.iter().enumerate().filter(|(i, _)| (first..=last).contains(&(*i as u64)));
            prop_assert_eq!(popcount_range(&bytes, first, last), range.clone().filter(|(_, b)| **b).count() as u64);
            let want = range.clone().find(|(_, b)| **b == bit).map(|(i, _)| i as u64);
            prop_assert_eq!(bitpos_range(&bytes, first, last, bit), want);
            let old = model.get(first as usize).copied();
            prop_assert_eq!(get_bit(&bytes, first), old == Some(true));
            prop_assert_eq!(set_bit(&mut bytes, first, bit), old);
            let mut model = model;
            if let Some(b) = model.get_mut(first as usize) {
                *b = bit;
            }
            prop_assert_eq!(bits(&bytes), model);
        }
    }
}
