//! The sparse encoding: runs of equal registers.
//!
//! `00nnnnnn` is n + 1 zeros, `01nnnnnn nnnnnnnn` as many zeros with 14 bits, `1vvvvvnn` n + 1 registers with the
//! value v + 1.

use super::{HEADER, HllError, REGISTERS};

/// The greatest value that a run can have.
const MAX_VALUE: u8 = 32;
/// The longest run that is not of zeros.
const MAX_VALUE_RUN: usize = 4;
/// The longest run of zeros in one byte.
const MAX_SHORT_ZEROS: usize = 64;

/// A run of equal registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) value: u8,
    pub(super) len: usize,
}

impl Run {
    /// The run at the start of `bytes` and its length in bytes.
    fn read(bytes: &[u8]) -> Option<(Run, usize)> {
        Some(match bytes {
            [b @ 0x80..=0xff, ..] => (Run { value: (b >> 2 & 0x1f) + 1, len: usize::from(b & 3) + 1 }, 1),
            [b @ 0x40..=0x7f, low, ..] => {
                (Run { value: 0, len: (usize::from(b & 0x3f) << 8 | usize::from(*low)) + 1 }, 2)
            }
            [b @ 0..=0x3f, ..] => (Run { value: 0, len: usize::from(*b) + 1 }, 1),
            _ => return None,
        })
    }

    /// Appends the run; one of no registers is nothing.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let Some(n) = self.len.checked_sub(1) else { return };
        if self.value != 0 {
            out.push(0x80 | (self.value - 1) << 2 | n as u8);
        } else if self.len > MAX_SHORT_ZEROS {
            out.extend([0x40 | (n >> 8) as u8, n as u8]);
        } else {
            out.push(n as u8);
        }
    }
}

/// The runs up to the first that is cut off.
pub(super) fn runs(mut body: &[u8]) -> impl Iterator<Item = Run> {
    std::iter::from_fn(move || {
        let (run, size) = Run::read(body)?;
        body = body.get(size..).unwrap_or_default();
        Some(run)
    })
}

/// Whether the runs are whole and of exactly all registers.
pub(super) fn validate(body: &[u8]) -> Result<(), HllError> {
    let (mut at, mut registers) = (0, 0);
    while let Some((run, size)) = Run::read(body.get(at..).unwrap_or_default()) {
        at += size;
        registers += run.len;
    }
    if at == body.len() && registers == REGISTERS { Ok(()) } else { Err(HllError::Corrupt) }
}

/// As PFDEBUG DECODE.
pub(super) fn describe(mut body: &[u8]) -> String {
    let mut words = Vec::new();
    while let Some((Run { value, len }, size)) = Run::read(body) {
        words.push(match (value, size) {
            (0, 1) => format!("z:{len}"),
            (0, _) => format!("Z:{len}"),
            _ => format!("v:{value},{len}"),
        });
        body = body.get(size..).unwrap_or_default();
    }
    words.join(" ")
}

/// Raises a register to at least `count`; whether it was less, `None` (and nothing done) when the string has to become
/// dense for it.
pub(super) fn raise(hll: &mut Vec<u8>, index: usize, count: u8, max_bytes: usize) -> Result<Option<bool>, HllError> {
    if count > MAX_VALUE {
        return Ok(None);
    }
    // Find the run with the register, and where the one before it begins.
    let (mut before, mut at, mut first) = (HEADER, HEADER, 0);
    let (run, size) = loop {
        let (run, size) = Run::read(hll.get(at..).unwrap_or_default()).ok_or(HllError::Corrupt)?;
        if index < first + run.len {
            break (run, size);
        }
        before = at;
        at += size;
        first += run.len;
    };
    if run.value >= count {
        return Ok(Some(false));
    }
    let mut replacement = Vec::with_capacity(5);
    Run { value: run.value, len: index - first }.write(&mut replacement);
    Run { value: count, len: 1 }.write(&mut replacement);
    Run { value: run.value, len: first + run.len - index - 1 }.write(&mut replacement);
    let grown = hll.len() - size + replacement.len();
    if grown > hll.len() && grown > max_bytes {
        return Ok(None);
    }
    // `size` bytes were read there.
    hll.splice(at..at + size, replacement);
    join_neighbours(hll, before);
    Ok(Some(true))
}

/// Joins runs of the same value (not zero) while they fit into one, among the five from `at` on: a change touches no
/// others.
fn join_neighbours(hll: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some((run, size)) = Run::read(hll.get(at..).unwrap_or_default()) else { return };
        let next = Run::read(hll.get(at + size..).unwrap_or_default());
        match next {
            Some((next, _)) if run.value != 0 && next.value == run.value && run.len + next.len <= MAX_VALUE_RUN => {
                let mut joined = Vec::with_capacity(1);
                Run { value: run.value, len: run.len + next.len }.write(&mut joined);
                hll.splice(at..at + 2, joined);
            }
            _ => at += size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_join() {
        let mut hll = super::super::empty();
        for index in [10, 12, 11, 13, 14] {
            assert_eq!(raise(&mut hll, index, 3, 3000), Ok(Some(true)));
        }
        assert_eq!(describe(&hll[HEADER..]), "z:10 v:3,4 v:3,1 Z:16369");
        assert_eq!(raise(&mut hll, 11, 4, 3000), Ok(Some(true)));
        assert_eq!(describe(&hll[HEADER..]), "z:10 v:3,1 v:4,1 v:3,3 Z:16369");
        assert_eq!(raise(&mut hll, 11, 4, 3000), Ok(Some(false)));
        assert_eq!(raise(&mut hll, 11, 33, 3000), Ok(None));
        let full = hll.len();
        assert_eq!(raise(&mut hll, 500, 1, full), Ok(None));
    }

    proptest! {
        #[test]
        fn runs_read_back(value in 0u8..=32, len in 1usize..=REGISTERS) {
            let len = if value == 0 { len } else { len % 4 + 1 };
            let mut bytes = Vec::new();
            Run { value, len }.write(&mut bytes);
            prop_assert_eq!(Run::read(&bytes), Some((Run { value, len }, bytes.len())));
        }
    }
}
