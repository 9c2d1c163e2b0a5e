//! The listpack: many short strings and integers in one allocation, byte for byte in Redis's format.
//!
//! Layout: total bytes (u32 LE), element count (u16 LE; 65535 means "more than the field holds: count them"), the
//! entries, and a final `0xFF`. An entry is its encoding and data, then its own length written so that it can be read
//! backwards. Because the bytes are Redis's, DUMP and RDB write a listpack as it is.
//!
//! A [`Packed`] is always well formed: bytes from outside come in through [`Packed::from_bytes`] only, which checks
//! every entry.

pub(crate) mod bare;
mod codec;
#[cfg(test)]
mod tests;

use crate::num::parse_i64;
use crate::room;
use codec::{Encoded, backlen_at_end, backlen_size, decode, entry_size};
pub use codec::{Entry, IntBuf};

/// Bytes before the first entry.
const HEADER: usize = 6;
/// Bytes of a listpack without entries.
pub(crate) const EMPTY: usize = HEADER + 1;
/// The byte after the last entry.
const END: u8 = 0xFF;
/// The count field's value when the count does not fit.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// Size above which Redis refuses to grow a listpack (1 GiB); see [`Packed::can_add`].
pub const MAX_BYTES: usize = 1 << 30;

/// Why bytes are not a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("malformed packed structure")
    }
}

impl core::error::Error for Malformed {}

/// The position of an entry: valid until the listpack changes in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos(usize);

/// A listpack.
#[derive(PartialEq, Eq)]
pub struct Packed {
    bytes: Vec<u8>,
}

impl Clone for Packed {
    fn clone(&self) -> Self {
        Packed { bytes: room::copy(&self.bytes) }
    }
}

impl Default for Packed {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Packed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Packed {
    /// An empty listpack (7 bytes).
    pub fn new() -> Self {
        Packed { bytes: vec![7, 0, 0, 0, 0, 0, END] }
    }

    /// An empty listpack with room for `bytes` bytes of entries.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut v = Vec::with_capacity(HEADER + 1 + bytes);
        v.extend_from_slice(&[7, 0, 0, 0, 0, 0, END]);
        Packed { bytes: v }
    }

    /// Takes bytes from outside, after checking the header and every entry.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        validate(&bytes)?;
        Ok(Packed { bytes })
    }

    /// Takes back bytes that [`Packed::as_bytes`] gave.
    pub fn from_own(bytes: Vec<u8>) -> Self {
        debug_assert!(validate(&bytes).is_ok(), "the bytes were a listpack");
        Packed { bytes }
    }

    /// As [`Packed::from_own`], into the memory of this one.
    pub fn reload(&mut self, bytes: &[u8]) {
        debug_assert!(validate(bytes).is_ok(), "the bytes were a listpack");
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes, as RDB and DUMP carry them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, as RDB and DUMP carry them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Size of the format in bytes, header and end included.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Heap bytes held.
    pub fn memory_usage(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether `extra` more bytes keep the listpack under [`MAX_BYTES`].
    pub fn can_add(&self, extra: usize) -> bool {
        self.bytes.len().saturating_add(extra) <= MAX_BYTES
    }

    /// Gives memory reserved for growth back.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Number of entries: O(1) below 65535, otherwise a walk.
    pub fn len(&self) -> usize {
        count(&self.bytes)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER + 1
    }

    /// The first entry's position.
    pub fn first(&self) -> Option<Pos> {
        (!self.is_empty()).then_some(Pos(HEADER))
    }

    /// The last entry's position.
    pub fn last(&self) -> Option<Pos> {
        self.before(self.bytes.len().saturating_sub(1))
    }

    /// The position after `pos`.
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        let at = self.end_of(pos)?;
        (at + 1 < self.bytes.len()).then_some(Pos(at))
    }

    /// The position before `pos`.
    pub fn prev(&self, pos: Pos) -> Option<Pos> {
        self.before(pos.0)
    }

    /// The position of the entry with this index; negative indexes count from the end (-1 is the last).
    pub fn seek(&self, index: i64) -> Option<Pos> {
        let count = self.count_field();
        if index < 0 {
            let back = usize::try_from(index.unsigned_abs()).ok()?;
            if count != COUNT_UNKNOWN {
                return self.seek(i64::try_from(usize::from(count).checked_sub(back)?).ok()?);
            }
            return self.walk_back(back - 1);
        }
        let index = usize::try_from(index).ok()?;
        if count != COUNT_UNKNOWN {
            let n = usize::from(count);
            if index >= n {
                return None;
            }
            if index > n / 2 {
                return self.walk_back(n - 1 - index);
            }
        }
        let mut pos = self.first()?;
        for _ in 0..index {
            pos = self.next(pos)?;
        }
        Some(pos)
    }

    fn walk_back(&self, steps: usize) -> Option<Pos> {
        let mut pos = self.last()?;
        for _ in 0..steps {
            pos = self.prev(pos)?;
        }
        Some(pos)
    }

    /// The entry at `pos`.
    pub fn get(&self, pos: Pos) -> Option<Entry<'_>> {
        decode(self.bytes.get(pos.0..)?).map(|(e, _)| e)
    }

    /// The entry with this index; negative indexes count from the end.
    pub fn index(&self, index: i64) -> Option<Entry<'_>> {
        self.get(self.seek(index)?)
    }

    /// All entries, from either end.
    pub fn iter(&self) -> Iter<'_> {
        entries(&self.bytes)
    }

    /// Entries from `pos` on; its other end is the end of the listpack.
    pub fn iter_from(&self, pos: Pos) -> Iter<'_> {
        Iter { bytes: &self.bytes, front: pos.0, back: self.bytes.len().saturating_sub(1) }
    }

    /// Entries up to and including `pos`; meant to be read backwards.
    pub fn iter_to(&self, pos: Pos) -> Iter<'_> {
        Iter { bytes: &self.bytes, front: HEADER, back: self.end_of(pos).unwrap_or(HEADER) }
    }

    /// The first entry equal to `needle` at or after `from`, comparing one entry and skipping `skip` after each.
    pub fn find(&self, from: Pos, needle: &[u8], skip: usize) -> Option<Pos> {
        let as_int = parse_i64(needle);
        let mut at = from.0;
        let mut left = 0;
        let mut rest = self.bytes.get(at..)?;
        loop {
            let size = if left == 0 {
                let (entry, size) = decode(rest)?;
                let hit = match entry {
                    Entry::Str(s) => s == needle,
                    Entry::Int(i) => as_int == Some(i),
                };
                if hit {
                    return Some(Pos(at));
                }
                left = skip;
                size
            } else {
                left -= 1;
                entry_size(rest)?
            };
            let size = size + backlen_size(size);
            at += size;
            rest = rest.get(size..)?;
        }
    }

    /// Appends a value; what reads as an integer is stored as one.
    pub fn push_back(&mut self, value: &[u8]) {
        self.append(&Encoded::of(value));
    }

    /// Appends an integer.
    pub fn push_back_int(&mut self, value: i64) {
        self.append(&Encoded::int(value));
    }

    /// Appends an entry as it is.
    pub fn push_back_entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Int(i) => self.push_back_int(i),
            Entry::Str(s) => self.push_back(s),
        }
    }

    /// Appends what `write` hands over: as several calls of [`Packed::push_back`], but the header is written once.
    pub(crate) fn extend(&mut self, write: impl FnOnce(&mut Tail<'_>)) {
        self.bytes.pop();
        let mut tail = Tail { bytes: &mut self.bytes, added: 0 };
        write(&mut tail);
        let added = tail.added;
        self.bytes.push(END);
        self.adjust(added);
    }

    /// Prepends a value.
    pub fn push_front(&mut self, value: &[u8]) {
        self.splice(HEADER, 0, &Encoded::of(value), 1);
    }

    /// Inserts a value before `pos` and returns where it is.
    pub fn insert_before(&mut self, pos: Pos, value: &[u8]) -> Pos {
        self.splice(pos.0, 0, &Encoded::of(value), 1);
        pos
    }

    /// Inserts an integer before `pos` and returns where it is.
    pub fn insert_int_before(&mut self, pos: Pos, value: i64) -> Pos {
        self.splice(pos.0, 0, &Encoded::int(value), 1);
        pos
    }

    /// Inserts a value after `pos` and returns where it is.
    pub fn insert_after(&mut self, pos: Pos, value: &[u8]) -> Pos {
        let at = self.end_of(pos).unwrap_or(HEADER);
        self.splice(at, 0, &Encoded::of(value), 1);
        Pos(at)
    }

    /// Replaces the value at `pos`; the position stays valid.
    pub fn replace(&mut self, pos: Pos, value: &[u8]) {
        self.replace_encoded(pos, &Encoded::of(value));
    }

    /// Replaces the value at `pos` by an integer; the position stays valid.
    pub fn replace_int(&mut self, pos: Pos, value: i64) {
        self.replace_encoded(pos, &Encoded::int(value));
    }

    fn replace_encoded(&mut self, pos: Pos, value: &Encoded<'_>) {
        let Some(end) = self.end_of(pos) else { return };
        match self.bytes.get_mut(pos.0..end) {
            Some(same) if same.len() == value.total() => value.write_to(same),
            _ => self.splice(pos.0, end - pos.0, value, 0),
        }
    }

    /// Removes the entry at `pos`; returns the position of the one that followed.
    pub fn remove(&mut self, pos: Pos) -> Option<Pos> {
        self.remove_at(pos, 1)
    }

    /// Removes up to `count` entries from `pos` on; returns the position of the one that followed them.
    pub fn remove_at(&mut self, pos: Pos, count: usize) -> Option<Pos> {
        let mut end = pos.0;
        let mut removed = 0;
        while removed < count {
            match self.end_of(Pos(end)) {
                Some(e) => end = e,
                None => break,
            }
            removed += 1;
        }
        self.bytes.drain(pos.0..end);
        self.adjust(-(removed as isize));
        self.give_back();
        (pos.0 + 1 < self.bytes.len()).then_some(pos)
    }

    /// Removes up to `count` entries from index `start` on (negative: from the end); returns how many.
    pub fn remove_range(&mut self, start: i64, count: usize) -> usize {
        let Some(pos) = self.seek(start) else { return 0 };
        let before = self.len();
        self.remove_at(pos, count);
        before - self.len()
    }

    /// Removes every entry.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Moves the entries from index `at` on into a new listpack.
    pub fn split_off(&mut self, at: usize) -> Packed {
        let Some(pos) = i64::try_from(at).ok().and_then(|i| self.seek(i)) else { return Packed::new() };
        let moved = self.len() - at;
        let tail = self.bytes.get(pos.0..).unwrap_or_default();
        let mut other = Packed::with_capacity(tail.len());
        other.bytes.truncate(HEADER);
        other.bytes.extend_from_slice(tail);
        other.set_header(moved);
        self.bytes.truncate(pos.0);
        self.bytes.push(END);
        self.set_header(at);
        self.give_back();
        other
    }

    /// Appends all entries of `other`.
    pub fn append_all(&mut self, other: &Packed) {
        let total = self.len() + other.len();
        let tail = other.bytes.get(HEADER..).unwrap_or_default();
        self.reserve(tail.len());
        self.bytes.pop();
        self.bytes.extend_from_slice(tail);
        self.set_header(total);
    }

    /// The position one past the entry at `pos`; `None` at the end.
    fn end_of(&self, pos: Pos) -> Option<usize> {
        let size = entry_size(self.bytes.get(pos.0..)?)?;
        Some(pos.0 + size + backlen_size(size))
    }

    fn before(&self, at: usize) -> Option<Pos> {
        before(&self.bytes, at)
    }

    fn count_field(&self) -> u16 {
        count_field(&self.bytes)
    }

    fn set_header(&mut self, count: usize) {
        let total = (self.bytes.len() as u32).to_le_bytes();
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN).to_le_bytes();
        if let Some(head) = self.bytes.first_chunk_mut::<HEADER>() {
            *head = [total[0], total[1], total[2], total[3], count[0], count[1]];
        }
    }

    /// Writes the header after `delta` entries came or went.
    fn adjust(&mut self, delta: isize) {
        let old = self.count_field();
        let count = if old != COUNT_UNKNOWN {
            usize::from(old).saturating_add_signed(delta)
        } else if delta < 0 {
            // The count may fit the field again: Redis counts here as well.
            self.iter().count()
        } else {
            usize::from(COUNT_UNKNOWN)
        };
        self.set_header(count);
    }

    fn reserve(&mut self, extra: usize) {
        room::reserve(&mut self.bytes, extra);
    }

    fn give_back(&mut self) {
        room::give_back(&mut self.bytes);
    }

    fn append(&mut self, value: &Encoded<'_>) {
        self.reserve(value.total());
        self.bytes.pop();
        value.write(&mut self.bytes);
        self.bytes.push(END);
        self.adjust(1);
    }

    /// Replaces `old` bytes at `at` by an encoded value, `delta` entries more than before.
    fn splice(&mut self, at: usize, old: usize, value: &Encoded<'_>, delta: isize) {
        let new = value.total();
        let len = self.bytes.len();
        if new >= old {
            self.reserve(new - old);
            self.bytes.resize(len + new - old, 0);
            self.bytes.copy_within(at + old..len, at + new);
        } else {
            self.bytes.copy_within(at + old..len, at + new);
            self.bytes.truncate(len - (old - new));
        }
        if let Some(hole) = self.bytes.get_mut(at..at + new) {
            value.write_to(hole);
        }
        self.adjust(delta);
    }
}

/// The end of a listpack to which values are appended; see [`Packed::extend`].
pub(crate) struct Tail<'a> {
    bytes: &'a mut Vec<u8>,
    added: isize,
}

impl Tail<'_> {
    /// Appends an integer.
    pub(crate) fn push_int(&mut self, value: i64) {
        self.append(&Encoded::int(value));
    }

    /// Appends an entry as it is.
    pub(crate) fn push_entry(&mut self, entry: Entry<'_>) {
        self.append(&Encoded::of_entry(entry));
    }

    fn append(&mut self, value: &Encoded<'_>) {
        // and the end
        room::reserve(self.bytes, value.total() + 1);
        value.write(self.bytes);
        self.added += 1;
    }
}

impl<'a> IntoIterator for &'a Packed {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'v> FromIterator<&'v [u8]> for Packed {
    fn from_iter<I: IntoIterator<Item = &'v [u8]>>(values: I) -> Self {
        let mut p = Packed::new();
        for v in values {
            p.push_back(v);
        }
        p
    }
}

/// Size in bytes that a value takes in a listpack.
pub fn encoded_size(value: &[u8]) -> usize {
    Encoded::of(value).total()
}

/// Size in bytes that a string of this length takes in a listpack.
#[inline]
pub(crate) fn str_size(len: usize) -> usize {
    let size = len
        + if len < 64 {
            1
        } else if len < 4096 {
            2
        } else {
            5
        };
    size + backlen_size(size)
}

fn validate(bytes: &[u8]) -> Result<(), Malformed> {
    let head: &[u8; HEADER] = bytes.first_chunk().ok_or(Malformed)?;
    let &[a, b, c, d, e, f] = head;
    if usize::try_from(u32::from_le_bytes([a, b, c, d])) != Ok(bytes.len()) || bytes.len() < HEADER + 1 {
        return Err(Malformed);
    }
    let count = u16::from_le_bytes([e, f]);
    let mut rest = bytes.get(HEADER..).ok_or(Malformed)?;
    let mut seen = 0usize;
    while rest != [END] {
        let (_, size) = decode(rest).ok_or(Malformed)?;
        let width = backlen_size(size);
        let whole = rest.get(..size + width).ok_or(Malformed)?;
        if backlen_at_end(whole) != Some((size, width)) {
            return Err(Malformed);
        }
        rest = rest.get(size + width..).ok_or(Malformed)?;
        seen += 1;
    }
    if count != COUNT_UNKNOWN && usize::from(count) != seen {
        return Err(Malformed);
    }
    Ok(())
}

fn before(bytes: &[u8], at: usize) -> Option<Pos> {
    if at <= HEADER {
        return None;
    }
    let (size, width) = backlen_at_end(bytes.get(..at)?)?;
    at.checked_sub(size.checked_add(width)?).filter(|&p| p >= HEADER).map(Pos)
}

fn count_field(bytes: &[u8]) -> u16 {
    match bytes.get(4..6) {
        Some(&[a, b]) => u16::from_le_bytes([a, b]),
        _ => 0,
    }
}

/// Number of entries of a listpack's bytes: O(1) below 65535, otherwise a walk.
pub fn count(bytes: &[u8]) -> usize {
    let n = count_field(bytes);
    if n == COUNT_UNKNOWN { entries(bytes).count() } else { usize::from(n) }
}

/// The entries of a listpack's bytes.
pub(crate) fn entries(bytes: &[u8]) -> Iter<'_> {
    Iter { bytes, front: HEADER, back: bytes.len().saturating_sub(1) }
}

/// Entries of a listpack, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    front: usize,
    back: usize,
}

impl<'a> Iter<'a> {
    /// The position of what `next` returns.
    pub fn pos(&self) -> Option<Pos> {
        (self.front < self.back).then_some(Pos(self.front))
    }

    /// The position of what `next_back` returned last (one past the end before that).
    pub fn back_pos(&self) -> Pos {
        Pos(self.back)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (entry, size) = decode(self.bytes.get(self.front..)?)?;
        self.front += size + backlen_size(size);
        Some(entry)
    }

    fn nth(&mut self, n: usize) -> Option<Entry<'a>> {
        for _ in 0..n {
            if self.front >= self.back {
                return None;
            }
            let size = entry_size(self.bytes.get(self.front..)?)?;
            self.front += size + backlen_size(size);
        }
        self.next()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let pos = before(self.bytes, self.back)?;
        self.back = pos.0;
        decode(self.bytes.get(pos.0..)?).map(|(e, _)| e)
    }

    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        for _ in 0..n {
            if self.front >= self.back {
                return None;
            }
            self.back = before(self.bytes, self.back)?.0;
        }
        self.next_back()
    }
}
