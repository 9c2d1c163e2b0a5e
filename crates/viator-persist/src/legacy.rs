//! The packed structures of earlier versions, which become listpacks.

use crate::Fault;
use viator_data::packed::{Entry, Packed};

const BAD_ZIPLIST: Fault = Fault::Data("Ziplist integrity check failed.");
const BAD_ZIPMAP: Fault = Fault::Data("Zipmap integrity check failed.");
/// The byte after the last entry of either.
const END: u8 = 0xFF;

/// The entries of a ziplist: its size, the place of its last entry, their number, the entries, an end byte. An entry is the
/// size of the one before it, its encoding, and its data.
pub(crate) fn ziplist(bytes: &[u8]) -> Result<Packed, Fault> {
    let (head, body) = bytes.split_first_chunk::<10>().ok_or(BAD_ZIPLIST)?;
    let [a, b, c, d, e, f, g, h, i, j] = *head;
    let (total, tail) = (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]) as usize);
    let count = u16::from_le_bytes([i, j]);
    if total != bytes.len() {
        return Err(BAD_ZIPLIST);
    }
    let mut packed = Packed::with_capacity(body.len());
    let mut rest = body;
    let (mut before, mut seen, mut last) = (0, 0usize, head.len());
    loop {
        match rest {
            [END] => break,
            [END, ..] | [] => return Err(BAD_ZIPLIST),
            _ => {}
        }
        last = bytes.len() - rest.len();
        let (prev, after) = match rest {
            [0xFE, p, q, r, s, after @ ..] => (u32::from_le_bytes([*p, *q, *r, *s]) as usize, after),
            [n, after @ ..] => (usize::from(*n), after),
            [] => return Err(BAD_ZIPLIST),
        };
        if prev != before {
            return Err(BAD_ZIPLIST);
        }
        let (entry, after) = ziplist_entry(after).ok_or(BAD_ZIPLIST)?;
        packed.push_back_entry(entry);
        before = rest.len() - after.len();
        rest = after;
        seen += 1;
    }
    if (count != u16::MAX && usize::from(count) != seen) || tail != last {
        return Err(BAD_ZIPLIST);
    }
    Ok(packed)
}

/// The entry behind the size of the one before it, and what follows it.
fn ziplist_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (&encoding, rest) = bytes.split_first()?;
    fn int<const N: usize>(rest: &[u8], of: fn([u8; N]) -> i64) -> Option<(Entry<'_>, &[u8])> {
        let (n, rest) = rest.split_first_chunk::<N>()?;
        Some((Entry::Int(of(*n)), rest))
    }
    let (len, rest) = match encoding {
        0x00..=0x3F => (usize::from(encoding), rest),
        0x40..=0x7F => {
            let (&low, rest) = rest.split_first()?;
            (usize::from(encoding & 0x3F) << 8 | usize::from(low), rest)
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*len) as usize, rest)
        }
        0xC0 => return int(rest, |b: [u8; 2]| i64::from(i16::from_le_bytes(b))),
        0xD0 => return int(rest, |b: [u8; 4]| i64::from(i32::from_le_bytes(b))),
        0xE0 => return int(rest, i64::from_le_bytes),
        0xF0 => return int(rest, |[a, b, c]: [u8; 3]| i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)),
        0xFE => return int(rest, |b: [u8; 1]| i64::from(i8::from_le_bytes(b))),
        0xF1..=0xFD => return Some((Entry::Int(i64::from(encoding & 0x0F) - 1), rest)),
        _ => return None,
    };
    let (text, rest) = rest.split_at_checked(len)?;
    Some((Entry::Str(text), rest))
}

/// The keys and values of a zipmap: their number (254: unknown), then keys and values in turns, each behind its length,
/// values with unused bytes behind them, and an end byte.
pub(crate) fn zipmap(bytes: &[u8]) -> Result<Packed, Fault> {
    let read = || -> Option<Packed> {
        let (&count, mut rest) = bytes.split_first()?;
        let mut packed = Packed::with_capacity(rest.len());
        let mut seen = 0usize;
        while rest != [END] {
            let (len, after) = zipmap_length(rest)?;
            let (key, after) = after.split_at_checked(len)?;
            let (len, after) = zipmap_length(after)?;
            let (&unused, after) = after.split_first()?;
            let (value, after) = after.split_at_checked(len)?;
            rest = after.get(usize::from(unused)..)?;
            packed.push_back(key);
            packed.push_back(value);
            seen += 1;
        }
        (seen > 0 && (count >= 254 || usize::from(count) == seen)).then_some(packed)
    };
    read().ok_or(BAD_ZIPMAP)
}

fn zipmap_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [254, rest @ ..] => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*len) as usize, rest))
        }
        [END, ..] | [] => None,
        [len, rest @ ..] => Some((usize::from(*len), rest)),
    }
}
