//! One listpack entry: its encodings, and its length that is read backwards.

use crate::num::parse_i64;

/// What an entry holds, borrowed from the structure it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry<'a> {
    /// An integer; its text is its decimal form.
    Int(i64),
    /// Bytes.
    Str(&'a [u8]),
}

/// Room for the decimal text of an entry; see [`Entry::bytes`].
pub struct IntBuf(itoa::Buffer);

impl IntBuf {
    /// Fresh room.
    pub fn new() -> Self {
        IntBuf(itoa::Buffer::new())
    }

    /// The decimal text of an integer.
    pub fn format(&mut self, value: i64) -> &[u8] {
        self.0.format(value).as_bytes()
    }
}

impl Default for IntBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Entry<'a> {
    /// The entry that a value is stored as: an integer if it reads as one.
    pub fn of(value: &'a [u8]) -> Self {
        parse_i64(value).map_or(Entry::Str(value), Entry::Int)
    }

    /// The bytes of the value; an integer is written into `buf`.
    pub fn bytes<'b>(&self, buf: &'b mut IntBuf) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Entry::Int(i) => buf.format(i),
            Entry::Str(s) => s,
        }
    }

    /// An owned copy of the value's bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut IntBuf::new()).to_vec()
    }

    /// Length of the value's bytes.
    pub fn len(&self) -> usize {
        match *self {
            Entry::Int(_) => self.bytes(&mut IntBuf::new()).len(),
            Entry::Str(s) => s.len(),
        }
    }

    /// Whether the value is the empty string.
    pub fn is_empty(&self) -> bool {
        matches!(self, Entry::Str(b""))
    }

    /// The value as an integer, if its text is one's canonical form.
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Entry::Int(i) => Some(i),
            Entry::Str(s) => parse_i64(s),
        }
    }

    /// Whether the value's bytes are these.
    pub fn eq_bytes(&self, other: &[u8]) -> bool {
        match *self {
            Entry::Int(i) => parse_i64(other) == Some(i),
            Entry::Str(s) => s == other,
        }
    }
}

/// A value ready to be written: its header, its data, its length.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub(super) fn of_entry(entry: Entry<'a>) -> Self {
        match entry {
            Entry::Int(i) => Encoded::int(i),
            Entry::Str(s) => Encoded::str(s),
        }
    }

    pub(super) fn of(value: &'a [u8]) -> Self {
        match parse_i64(value) {
            Some(i) => Encoded::int(i),
            None => Encoded::str(value),
        }
    }

    pub(super) fn int(v: i64) -> Self {
        let mut head = [0u8; 9];
        let le = v.to_le_bytes();
        let [a, b, c, d, ..] = le;
        let used: &[u8] = if (0..=127).contains(&v) {
            &[a]
        } else if (-4096..=4095).contains(&v) {
            &[0xC0 | (b & 0x1F), a]
        } else if i16::try_from(v).is_ok() {
            &[0xF1, a, b]
        } else if (-(1 << 23)..1 << 23).contains(&v) {
            &[0xF2, a, b, c]
        } else if i32::try_from(v).is_ok() {
            &[0xF3, a, b, c, d]
        } else {
            let [_, _, _, _, e, f, g, h] = le;
            &[0xF4, a, b, c, d, e, f, g, h]
        };
        copy(&mut head, used);
        Encoded { head, head_len: used.len(), data: &[] }
    }

    fn str(s: &'a [u8]) -> Self {
        let mut head = [0u8; 9];
        let len = s.len();
        let [a, b, c, d] = (len as u32).to_le_bytes();
        let used: &[u8] = if len < 64 {
            &[0x80 | a]
        } else if len < 4096 {
            &[0xE0 | b, a]
        } else {
            &[0xF0, a, b, c, d]
        };
        copy(&mut head, used);
        Encoded { head, head_len: used.len(), data: s }
    }

    fn size(&self) -> usize {
        self.head_len + self.data.len()
    }

    /// All bytes of the entry.
    pub(super) fn total(&self) -> usize {
        let n = self.size();
        n + backlen_size(n)
    }

    /// Writes header and data.
    #[inline]
    pub(super) fn write_bare(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head.get(..self.head_len).unwrap_or_default());
        out.extend_from_slice(self.data);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_bare(out);
        let (back, n) = backlen(self.size());
        out.extend_from_slice(back.get(..n).unwrap_or_default());
    }

    /// Writes into a slice of exactly [`Encoded::total`] bytes.
    pub(super) fn write_to(&self, out: &mut [u8]) {
        if let Some((head, rest)) = out.split_at_mut_checked(self.head_len) {
            copy(head, self.head.get(..self.head_len).unwrap_or_default());
            if let Some((data, tail)) = rest.split_at_mut_checked(self.data.len()) {
                data.copy_from_slice(self.data);
                let (back, n) = backlen(self.size());
                copy(tail, back.get(..n).unwrap_or_default());
            }
        }
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t = *f;
    }
}

/// Bytes that the length of an entry of `size` bytes takes. The bounds (16383, not 16384, and so on) are Redis's.
#[inline]
pub(super) fn backlen_size(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..16383 => 2,
        16383..2097151 => 3,
        2097151..268435455 => 4,
        _ => 5,
    }
}

fn backlen(size: usize) -> ([u8; 5], usize) {
    let n = backlen_size(size);
    let mut out = [0u8; 5];
    for (i, byte) in out.iter_mut().take(n).enumerate() {
        let part = (size >> (7 * (n - 1 - i))) & 0x7F;
        *byte = if i == 0 { part as u8 } else { part as u8 | 0x80 };
    }
    (out, n)
}

/// The length written at the end of `bytes`, and how many bytes it takes there.
pub(super) fn backlen_at_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut size = 0usize;
    for (i, &b) in bytes.iter().rev().take(5).enumerate() {
        size |= usize::from(b & 0x7F) << (7 * i);
        if b & 0x80 == 0 {
            return Some((size, i + 1));
        }
    }
    None
}

/// Bytes of the entry that starts here, without its length; `None` at the end.
#[inline]
pub(super) fn entry_size(b: &[u8]) -> Option<usize> {
    let (&first, rest) = b.split_first()?;
    Some(match first {
        0..=0x7F => 1,
        0x80..=0xBF => 1 + usize::from(first & 0x3F),
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 2 + (usize::from(first & 0x0F) << 8 | usize::from(*rest.first()?)),
        0xF0 => 5 + u32::from_le_bytes(*rest.first_chunk()?) as usize,
        0xF1 => 3,
        0xF2 => 4,
        0xF3 => 5,
        0xF4 => 9,
        _ => return None,
    })
}

/// The entry that starts here and its size without its length; `None` at the end (and on malformed bytes).
#[inline]
pub(super) fn decode(b: &[u8]) -> Option<(Entry<'_>, usize)> {
    let (&first, rest) = b.split_first()?;
    Some(match first {
        0..=0x7F => (Entry::Int(i64::from(first)), 1),
        0x80..=0xBF => {
            let len = usize::from(first & 0x3F);
            (Entry::Str(rest.get(..len)?), 1 + len)
        }
        0xC0..=0xDF => {
            let raw = i64::from(first & 0x1F) << 8 | i64::from(*rest.first()?);
            (Entry::Int(if raw >= 4096 { raw - 8192 } else { raw }), 2)
        }
        0xE0..=0xEF => {
            let (&low, data) = rest.split_first()?;
            let len = usize::from(first & 0x0F) << 8 | usize::from(low);
            (Entry::Str(data.get(..len)?), 2 + len)
        }
        0xF0 => {
            let (len, data) = rest.split_first_chunk::<4>()?;
            let len = u32::from_le_bytes(*len) as usize;
            (Entry::Str(data.get(..len)?), 5 + len)
        }
        0xF1 => (Entry::Int(i64::from(i16::from_le_bytes(*rest.first_chunk()?))), 3),
        0xF2 => {
            let &[a, b, c] = rest.first_chunk()?;
            (Entry::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)), 4)
        }
        0xF3 => (Entry::Int(i64::from(i32::from_le_bytes(*rest.first_chunk()?))), 5),
        0xF4 => (Entry::Int(i64::from_le_bytes(*rest.first_chunk()?)), 9),
        _ => return None,
    })
}
