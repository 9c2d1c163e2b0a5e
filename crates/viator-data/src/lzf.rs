//! LZF, the compression of strings in RDB files and DUMP payloads.
//!
//! The format is a sequence of two things: a byte `n` < 32 and `n + 1` bytes as they are; or a reference, whose first
//! byte has its length less 2 in the upper three bits (7: the next byte is to be added) and the upper five bits of the
//! distance less 1, whose lower eight are the last byte.
//!
//! The compressor takes the same decisions as liblzf in the mode that Redis builds, so that DUMP payloads and files
//! come out byte for byte the same.

/// Bits of a slot number.
const HASH_BITS: u32 = 16;
/// Greatest distance.
const MAX_DISTANCE: usize = 1 << 13;
/// Greatest length of a reference.
const MAX_LENGTH: usize = (1 << 8) + (1 << 3);
/// Greatest length of a run of literal bytes.
const MAX_LITERALS: usize = 1 << 5;

/// The input is not LZF, or not of the expected length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt;

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("invalid LZF compressed string")
    }
}

impl std::error::Error for Corrupt {}

/// A compressor: 256 KiB that are worth keeping between calls.
#[derive(Debug)]
pub struct Compressor {
    /// Where each hash of three bytes was seen last, plus `base`.
    table: Vec<u32>,
    /// Entries up to it are of earlier inputs.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor { table: vec![0; 1 << HASH_BITS], base: 0 }
    }
}

impl Compressor {
    /// A compressor with nothing seen.
    pub fn new() -> Compressor {
        Compressor::default()
    }

    /// Compresses `input` to at most `limit` bytes appended to `out`; when that is not possible, leaves `out` as it
    /// was and returns `false`. Inputs of 4 GiB and more are not compressed.
    ///
    /// Redis compresses strings of more than 20 bytes, with the limit 4 bytes below the input's length.
    pub fn compress(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let Ok(len) = u32::try_from(input.len()) else { return false };
        let next = match self.base.checked_add(len) {
            Some(next) => next,
            None => {
                self.table.fill(0);
                self.base = 0;
                len
            }
        };
        let done = self.run(input, limit, out);
        self.base = next;
        if !done {
            out.truncate(start);
        }
        done
    }

    /// Puts `at` into the slot of the three bytes there, and returns what the slot had, if it is of this input.
    fn swap(&mut self, bytes: [u8; 3], at: usize) -> Option<usize> {
        let [a, b, c] = bytes.map(u32::from);
        let hash = a << 16 | b << 8 | c;
        let slot = (hash >> (24 - HASH_BITS)).wrapping_sub(hash.wrapping_mul(5)) & ((1 << HASH_BITS) - 1);
        let entry = self.table.get_mut(slot as usize)?;
        // `at` is below the input's length, and base plus that fits.
        let old = std::mem::replace(entry, self.base + at as u32 + 1);
        old.checked_sub(self.base + 1).map(|at| at as usize)
    }

    fn run(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        if input.is_empty() || limit == 0 {
            return false;
        }
        let mut writer = Writer::new(out, limit);
        let mut at = 0;
        while let Some(here) = three(input, at) {
            let found = self.swap(here, at).filter(|old| {
                // liblzf never refers to the input's first byte.
                *old > 0 && at - old <= MAX_DISTANCE && three(input, *old) == Some(here)
            });
            let Some(old) = found else {
                let [byte, ..] = here;
                if !writer.literal(byte) {
                    return false;
                }
                at += 1;
                continue;
            };
            // liblzf keeps the last two bytes out of references, except where its unrolled comparisons (of three
            // bytes, and of sixteen more when there is room) run past that.
            let room = (input.len() - at - 2).min(MAX_LENGTH);
            let most = room.max(if room > 16 { 19 } else { 3 });
            let (earlier, later) = (input.get(old..).unwrap_or_default(), input.get(at..).unwrap_or_default());
            let length = 3 + earlier.iter().zip(later).take(most).skip(3).take_while(|(a, b)| a == b).count();
            if !writer.reference(at - old, length) {
                return false;
            }
            at += length;
            if three(input, at).is_none() {
                break;
            }
            for back in [2, 1] {
                if let Some(bytes) = three(input, at - back) {
                    self.swap(bytes, at - back);
                }
            }
        }
        writer.finish(input.get(at..).unwrap_or_default())
    }
}

fn three(input: &[u8], at: usize) -> Option<[u8; 3]> {
    input.get(at..)?.first_chunk().copied()
}

/// The output: a run of literals is always open, its length byte reserved.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Where the output has to end.
    end: usize,
    /// Literals in the open run.
    literals: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut Vec<u8>, limit: usize) -> Writer<'a> {
        let end = out.len().saturating_add(limit);
        out.push(0);
        Writer { out, end, literals: 0 }
    }

    /// Writes the open run's length, or takes its reserved byte back when it is empty.
    fn close_run(&mut self) {
        if self.literals == 0 {
            self.out.pop();
        } else {
            let at = self.out.len() - self.literals - 1;
            if let Some(length) = self.out.get_mut(at) {
                *length = (self.literals - 1) as u8;
            }
            self.literals = 0;
        }
    }

    fn push_literal(&mut self, byte: u8) {
        self.out.push(byte);
        self.literals += 1;
        if self.literals == MAX_LITERALS {
            self.close_run();
            self.out.push(0);
        }
    }

    fn literal(&mut self, byte: u8) -> bool {
        if self.out.len() >= self.end {
            return false;
        }
        self.push_literal(byte);
        true
    }

    fn reference(&mut self, distance: usize, length: usize) -> bool {
        if self.out.len() - usize::from(self.literals == 0) + 4 >= self.end {
            return false;
        }
        self.close_run();
        let (distance, length) = (distance - 1, length - 2);
        let high = (distance >> 8) as u8;
        if length < 7 {
            self.out.push(high | (length as u8) << 5);
        } else {
            self.out.extend([high | 7 << 5, (length - 7) as u8]);
        }
        self.out.extend([distance as u8, 0]);
        true
    }

    /// The last bytes.
    fn finish(mut self, rest: &[u8]) -> bool {
        if self.out.len() + 3 > self.end {
            return false;
        }
        for byte in rest {
            self.push_literal(*byte);
        }
        self.close_run();
        true
    }
}

/// Decompresses `input`, which has to give exactly `len` bytes. Allocates no more than the output that the input
/// really gives.
///
/// # Errors
/// [`Corrupt`] when the input is malformed or gives another length.
pub fn decompress(mut input: &[u8], len: usize) -> Result<Vec<u8>, Corrupt> {
    // A reference of three bytes gives at most 264.
    let mut out = Vec::with_capacity(len.min(input.len().saturating_mul(MAX_LENGTH.div_ceil(3))));
    while let Some((control, rest)) = input.split_first() {
        if *control < 32 {
            let (literals, rest) = rest.split_at_checked(usize::from(*control) + 1).ok_or(Corrupt)?;
            if literals.len() > len - out.len() {
                return Err(Corrupt);
            }
            out.extend_from_slice(literals);
            input = rest;
            continue;
        }
        let (length, low, rest) = match (control >> 5, rest) {
            (7, [more, low, rest @ ..]) => (usize::from(*more) + 9, *low, rest),
            (length @ 0..7, [low, rest @ ..]) => (usize::from(length) + 2, *low, rest),
            _ => return Err(Corrupt),
        };
        let distance = (usize::from(control & 0x1f) << 8 | usize::from(low)) + 1;
        let from = out.len().checked_sub(distance).ok_or(Corrupt)?;
        if length > len - out.len() {
            return Err(Corrupt);
        }
        if length <= distance {
            out.extend_from_within(from..from + length);
        } else {
            // The copy overlaps what it writes: the piece before it repeats.
            let mut left = length;
            while left > 0 {
                let n = left.min(out.len() - from);
                out.extend_from_within(from..from + n);
                left -= n;
            }
        }
        input = rest;
    }
    if out.len() == len { Ok(out) } else { Err(Corrupt) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compress(input: &[u8], limit: usize) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let done = Compressor::new().compress(input, limit, &mut out);
        let out = out.strip_prefix(b"before").unwrap().to_vec();
        assert!(done || out.is_empty());
        done.then_some(out)
    }

    /// Text with repetitions near and far.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            (any::<u8>(), 1usize..400).prop_map(|(b, n)| vec![b; n]),
            (proptest::collection::vec(0u8..4, 1..8), 1usize..40).prop_map(|(v, n)| v.repeat(n)),
            proptest::collection::vec(any::<u8>(), 0..200),
        ];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn known_answers() {
        // 'a' once, then 'aa…' from the second on: the first byte is never referred to.
        assert_eq!(compress(&[b'a'; 30], 26), Some(vec![1, b'a', b'a', 0xe0, 17, 0, 1, b'a', b'a']));
        assert_eq!(compress(&[b'a'; 21], 17), Some(vec![1, b'a', b'a', 0xe0, 10, 0]));
        assert_eq!(compress(b"abcdefghijklmnopqrstuvwxyz", 22), None);
        assert_eq!(compress(b"", 10), None);
        assert_eq!(compress(b"abc", 0), None);
    }

    #[test]
    fn corrupt_input() {
        for (input, len) in [
            (&[5u8, b'a'][..], 6),    // literals missing
            (&[0x20], 3),             // no distance
            (&[0xe0, 1], 10),         // no distance
            (&[0x20, 0], 3),          // before the start
            (&[0, b'a', 0x20, 1], 4), // before the start
            (&[0, b'a', 0x20, 0], 3), // too long
            (&[0, b'a', 0x20, 0], 5), // too short
            (&[1, b'a', b'b'], 1),    // too long
            (&[], 1),                 // too short
        ] {
            assert_eq!(decompress(input, len), Err(Corrupt), "{input:?}");
        }
        assert_eq!(decompress(&[0, b'a', 0x20, 0], 4), Ok(b"aaaa".to_vec()));
        assert_eq!(decompress(&[], 0), Ok(vec![]));
        // A great length that the input cannot give costs nothing.
        assert_eq!(decompress(&[0, b'a'], usize::MAX), Err(Corrupt));
    }

    proptest! {
        #[test]
        fn round_trip(inputs in proptest::collection::vec(text(), 1..4)) {
            let mut compressor = Compressor::new();
            for input in inputs {
                let mut out = Vec::new();
                let room = input.len() + input.len() / 16 + 64;
                prop_assert_eq!(compressor.compress(&input, room, &mut out), !input.is_empty());
                prop_assert_eq!(&decompress(&out, input.len()).unwrap(), &input);
                // What an earlier input left behind changes nothing.
                prop_assert_eq!(compress(&input, room).unwrap_or_default(), out.clone());
                // Any limit holds.
                for limit in [out.len() / 2, out.len().saturating_sub(1), out.len(), out.len() + 4] {
                    if let Some(short) = compress(&input, limit) {
                        prop_assert!(short.len() <= limit);
                        prop_assert_eq!(&short, &out);
                    }
                }
            }
        }

        #[test]
        fn base_wraps(input in text(), base in u32::MAX - 3000..) {
            let mut compressor = Compressor::new();
            compressor.base = base;
            let mut out = Vec::new();
            let room = input.len() * 2 + 64;
            compressor.compress(&input, room, &mut out);
            prop_assert_eq!(compress(&input, room).unwrap_or_default(), out);
        }

        #[test]
        fn junk_does_no_harm(input: Vec<u8>, len in 0usize..3000) {
            if let Ok(out) = decompress(&input, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
