//! The layout of an entry in its arena slot: header, expiry, key, small value.
//!
//! ```text
//! narrow:  kind|flags u8, lru u24, klen u16, vlen u16                [expire i64] key value
//! wide:    kind|flags u8, lru u24, klen u32, vlen u32                [expire i64] key value
//! ```
//! The value is a string's bytes, an integer in 0..=8 little-endian bytes, the bytes of a small collection, or the
//! number of an object.

#![expect(clippy::indexing_slicing, reason = "offsets come from the header that `write` put there")]

use crate::small::Form;
use viator_data::list::Pack;

const INT: u8 = 1;
const STR: u8 = 2;
const OBJECT: u8 = 3;
/// The first form of a small collection; the others follow.
const SMALL: u8 = 4;
const KIND: u8 = 0x0f;
const TTL: u8 = 0x10;
const RAW: u8 = 0x20;
const WIDE: u8 = 0x40;
/// Whether a snapshot has the entry; what it means changes with every snapshot.
pub(crate) const MARK: u8 = 0x80;

/// A value as it stands in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inline<'a> {
    /// An integer; its string form is its decimal digits.
    Int(i64),
    /// A string; `raw` if it was built by modification (OBJECT ENCODING says "raw").
    Str {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether it was modified in place.
        raw: bool,
    },
    /// A small collection.
    Small(Form, &'a [u8]),
    /// A small list that is to be written; [`Inline::Small`] when it is read.
    List(&'a Pack),
    /// The number of an object of the same database shard.
    Object(u32),
}

/// A decoded entry.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: Inline<'a>,
    /// Expiry, Unix milliseconds.
    pub expire: Option<i64>,
    /// LRU clock or LFU counter, 24 bits.
    pub lru: u32,
    /// Bytes of the whole entry.
    pub len: usize,
}

fn int_len(v: i64) -> usize {
    let bits = 64 - (if v < 0 { !v } else { v }).leading_zeros() as usize + usize::from(v != 0);
    match bits {
        0 => 0,
        1..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        _ => 8,
    }
}

/// Bytes an entry needs.
pub(crate) fn size(key: &[u8], value: Inline<'_>, expires: bool) -> usize {
    let vlen = value_len(value);
    let head = if key.len() > 0xffff || vlen > 0xffff { 12 } else { 8 };
    head + if expires { 8 } else { 0 } + key.len() + vlen
}

pub(crate) fn value_len(value: Inline<'_>) -> usize {
    match value {
        Inline::Int(v) => int_len(v),
        Inline::Str { bytes, .. } | Inline::Small(_, bytes) => bytes.len(),
        Inline::List(pack) => pack.small_size().unwrap_or(0),
        Inline::Object(_) => 4,
    }
}

/// Writes a whole entry into its slot.
pub(crate) fn write(slot: &mut [u8], key: &[u8], value: Inline<'_>, expire: Option<i64>, lru: u32) {
    let vlen = value_len(value);
    let wide = key.len() > 0xffff || vlen > 0xffff;
    let mut flags = match value {
        Inline::Int(_) => INT,
        Inline::Str { raw: false, .. } => STR,
        Inline::Str { raw: true, .. } => STR | RAW,
        Inline::Small(form, _) => SMALL + form as u8,
        Inline::List(..) => SMALL + Form::List as u8,
        Inline::Object(_) => OBJECT,
    };
    if expire.is_some() {
        flags |= TTL;
    }
    if wide {
        flags |= WIDE;
    }
    let l = lru.to_le_bytes();
    slot[..4].copy_from_slice(&[flags, l[0], l[1], l[2]]);
    let mut at = if wide {
        slot[4..8].copy_from_slice(&(key.len() as u32).to_le_bytes());
        slot[8..12].copy_from_slice(&(vlen as u32).to_le_bytes());
        12
    } else {
        slot[4..6].copy_from_slice(&(key.len() as u16).to_le_bytes());
        slot[6..8].copy_from_slice(&(vlen as u16).to_le_bytes());
        8
    };
    if let Some(e) = expire {
        slot[at..at + 8].copy_from_slice(&e.to_le_bytes());
        at += 8;
    }
    slot[at..at + key.len()].copy_from_slice(key);
    at += key.len();
    match value {
        Inline::Int(v) => slot[at..at + vlen].copy_from_slice(&v.to_le_bytes()[..vlen]),
        Inline::Str { bytes, .. } | Inline::Small(_, bytes) => slot[at..at + vlen].copy_from_slice(bytes),
        Inline::List(pack) => pack.write_small(&mut slot[at..at + vlen]),
        Inline::Object(id) => slot[at..at + 4].copy_from_slice(&id.to_le_bytes()),
    }
}

/// Where the header ends, and the lengths of key and value.
#[inline(always)]
fn lens(slot: &[u8]) -> (usize, usize, usize) {
    match slot.first_chunk::<8>() {
        Some(head) if head[0] & WIDE == 0 => {
            // one load for all of a narrow header
            let head = u64::from_le_bytes(*head);
            (8, (head >> 32) as usize & 0xffff, (head >> 48) as usize)
        }
        _ => wide_lens(slot),
    }
}

#[cold]
fn wide_lens(slot: &[u8]) -> (usize, usize, usize) {
    (
        12,
        u32::from_le_bytes([slot[4], slot[5], slot[6], slot[7]]) as usize,
        u32::from_le_bytes([slot[8], slot[9], slot[10], slot[11]]) as usize,
    )
}

/// The key of the entry in this slot.
#[inline(always)]
pub(crate) fn key(slot: &[u8]) -> &[u8] {
    let (mut at, klen, _) = lens(slot);
    if slot[0] & TTL != 0 {
        at += 8;
    }
    &slot[at..at + klen]
}

/// Bytes that the entry in this slot needs.
#[inline]
pub(crate) fn len(slot: &[u8]) -> usize {
    let (at, klen, vlen) = lens(slot);
    at + if slot[0] & TTL != 0 { 8 } else { 0 } + klen + vlen
}

/// The entry's expiry.
#[inline(always)]
pub(crate) fn expire(slot: &[u8]) -> Option<i64> {
    if slot[0] & TTL == 0 {
        return None;
    }
    let at = if slot[0] & WIDE == 0 { 8 } else { 12 };
    slot[at..at + 8].first_chunk::<8>().map(|b| i64::from_le_bytes(*b))
}

/// Overwrites the expiry of an entry that has one.
pub(crate) fn set_expire(slot: &mut [u8], when: i64) {
    debug_assert!(slot[0] & TTL != 0, "the entry has room for an expiry");
    let at = if slot[0] & WIDE == 0 { 8 } else { 12 };
    slot[at..at + 8].copy_from_slice(&when.to_le_bytes());
}

/// The 24 bits of LRU clock or LFU counter.
#[inline]
pub(crate) fn lru(slot: &[u8]) -> u32 {
    u32::from_le_bytes([slot[1], slot[2], slot[3], 0])
}

/// Sets the 24 bits of LRU clock or LFU counter.
#[inline]
pub(crate) fn set_lru(slot: &mut [u8], lru: u32) {
    let l = lru.to_le_bytes();
    slot[1..4].copy_from_slice(&l[..3]);
}

/// Decodes the entry in this slot.
#[inline(always)]
pub(crate) fn view(slot: &[u8]) -> View<'_> {
    let (mut at, klen, vlen) = lens(slot);
    let expire = expire(slot);
    if expire.is_some() {
        at += 8;
    }
    let (key, rest) = slot[at..].split_at(klen);
    View { key, value: value(slot[0], &rest[..vlen]), expire, lru: lru(slot), len: at + klen + vlen }
}

#[inline(always)]
fn value(flags: u8, bytes: &[u8]) -> Inline<'_> {
    match flags & KIND {
        INT => {
            let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
            let mut buf = if negative { [0xff; 8] } else { [0; 8] };
            buf[..bytes.len()].copy_from_slice(bytes);
            Inline::Int(i64::from_le_bytes(buf))
        }
        STR => Inline::Str { bytes, raw: flags & RAW != 0 },
        OBJECT => {
            let mut id = [0; 4];
            id.copy_from_slice(&bytes[..4]);
            Inline::Object(u32::from_le_bytes(id))
        }
        small => Inline::Small(Form::ALL[usize::from(small - SMALL)], bytes),
    }
}

/// The number of the object that the entry in this slot holds, if it holds one.
#[inline(always)]
pub(crate) fn object(slot: &[u8]) -> Option<u32> {
    if slot[0] & KIND != OBJECT {
        return None;
    }
    let (mut at, klen, _) = lens(slot);
    if slot[0] & TTL != 0 {
        at += 8;
    }
    slot[at + klen..].first_chunk::<4>().map(|id| u32::from_le_bytes(*id))
}

/// The mark of the entry in this slot.
#[inline]
pub(crate) fn mark(slot: &[u8]) -> u8 {
    slot[0] & MARK
}

/// Sets the entry's mark.
#[inline]
pub(crate) fn set_mark(slot: &mut [u8], mark: u8) {
    slot[0] = slot[0] & !MARK | mark;
}

/// Overwrites an integer value with another of the same width; `false`, and nothing is done, for anything else.
#[inline]
pub(crate) fn set_int(slot: &mut [u8], v: i64) -> bool {
    let (mut at, klen, vlen) = lens(slot);
    if slot[0] & KIND != INT || vlen != int_len(v) {
        return false;
    }
    if slot[0] & TTL != 0 {
        at += 8;
    }
    slot[at + klen..at + klen + vlen].copy_from_slice(&v.to_le_bytes()[..vlen]);
    true
}

/// Where the value of an entry begins.
#[inline]
pub(crate) fn value_at(slot: &[u8]) -> usize {
    let (at, klen, _) = lens(slot);
    at + klen + if slot[0] & TTL != 0 { 8 } else { 0 }
}

/// Overwrites a value that is a small collection or an object by another that is one. The slot must have room for it,
/// and a small collection is shorter than 64 KiB.
pub(crate) fn set_value(slot: &mut [u8], value: Inline<'_>) {
    let at = value_at(slot);
    let vlen = value_len(value);
    let flag = if let Inline::Small(form, bytes) = value {
        slot[at..at + vlen].copy_from_slice(bytes);
        SMALL + form as u8
    } else if let Inline::List(pack) = value {
        pack.write_small(&mut slot[at..at + vlen]);
        SMALL + Form::List as u8
    } else if let Inline::Object(id) = value {
        slot[at..at + vlen].copy_from_slice(&id.to_le_bytes());
        OBJECT
    } else {
        return;
    };
    slot[0] = slot[0] & !KIND | flag;
    if slot[0] & WIDE == 0 {
        slot[6..8].copy_from_slice(&(vlen as u16).to_le_bytes());
    } else {
        slot[8..12].copy_from_slice(&(vlen as u32).to_le_bytes());
    }
}

/// The mutable bytes of an inline string value; `None` for other kinds. Marks the string as modified.
pub(crate) fn str_mut(slot: &mut [u8]) -> Option<&mut [u8]> {
    if slot[0] & KIND != STR {
        return None;
    }
    slot[0] |= RAW;
    let (mut at, klen, vlen) = lens(slot);
    if slot[0] & TTL != 0 {
        at += 8;
    }
    Some(&mut slot[at + klen..at + klen + vlen])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_take_few_bytes_and_come_back() {
        for v in [0, 1, -1, 127, 128, -128, -129, 32767, 32768, -32768, -32769, 1 << 31, i64::MAX, i64::MIN, 12345678] {
            let value = Inline::Int(v);
            let n = size(b"key", value, false);
            let mut slot = vec![0; n + 9];
            write(&mut slot, b"key", value, None, 7);
            assert_eq!(view(&slot).value, value);
            assert_eq!(len(&slot), n);
        }
        assert_eq!(size(b"", Inline::Int(12_345_678), false), 12);
    }

    proptest! {
        #[test]
        fn integers_change_in_place_within_their_width(a: i64, shift in 0u32..63, by in -300i64..300, exp in any::<Option<i64>>()) {
            let a = a >> shift;
            let b = a.wrapping_add(by);
            let mut slot = vec![0xAA; size(b"key", Inline::Int(a), exp.is_some()) + 3];
            write(&mut slot, b"key", Inline::Int(a), exp, 9);
            let done = set_int(&mut slot, b);
            prop_assert_eq!(done, int_len(a) == int_len(b));
            let v = view(&slot);
            prop_assert_eq!((v.key, v.value, v.expire, v.lru), (&b"key"[..], Inline::Int(if done { b } else { a }), exp, 9));
            prop_assert_eq!(&slot[slot.len() - 3..], [0xAA; 3]);
            write(&mut slot, b"key", Inline::Str { bytes: b"", raw: false }, exp, 9);
            prop_assert!(!set_int(&mut slot, 0));
        }

        #[test]
        fn entries_come_back(key_len in prop_oneof![0usize..40, 65530usize..65540], val in prop::collection::vec(any::<u8>(), 0..300),
                             exp in any::<Option<i64>>(), lru_bits in 0u32..1 << 24, raw: bool) {
            let key_bytes = vec![7u8; key_len];
            let value = Inline::Str { bytes: &val, raw };
            let n = size(&key_bytes, value, exp.is_some());
            let mut slot = vec![0xAA; n + 5];
            write(&mut slot, &key_bytes, value, exp, lru_bits);
            let v = view(&slot);
            prop_assert_eq!(v.key, &key_bytes[..]);
            prop_assert_eq!(v.value, value);
            prop_assert_eq!(v.expire, exp);
            prop_assert_eq!((v.lru, v.len), (lru_bits, n));
            prop_assert_eq!(key(&slot), &key_bytes[..]);
            prop_assert_eq!(len(&slot), n);
            prop_assert_eq!(object(&slot), None);
            let value = Inline::Object(lru_bits);
            let mut slot = vec![0xAA; size(&key_bytes, value, exp.is_some())];
            write(&mut slot, &key_bytes, value, exp, 0);
            prop_assert_eq!(object(&slot), Some(lru_bits));
        }
    }
}
