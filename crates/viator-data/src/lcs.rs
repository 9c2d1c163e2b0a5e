//! The longest common subsequence of two strings, as the LCS command gives it.

use std::ops::Range;

/// A run of the subsequence that is contiguous in both strings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    /// Where it is in the first string.
    pub a: Range<usize>,
    /// Where it is in the second, with the same length.
    pub b: Range<usize>,
}

/// What [`lcs`] finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lcs {
    /// The subsequence.
    pub sequence: Vec<u8>,
    /// Its runs, the last of the strings first, as LCS IDX lists them. Of several longest subsequences it is the one
    /// that Redis finds.
    pub matches: Vec<Match>,
}

/// Number of cells (of four bytes) of the table that [`lcs`] allocates for strings of these lengths; `None` when
/// strings are too long (`u32::MAX - 1` bytes or more) or the number overflows. The caller decides how many it allows.
pub fn cells(a: usize, b: usize) -> Option<usize> {
    const TOO_LONG: usize = u32::MAX as usize - 1;
    if a >= TOO_LONG || b >= TOO_LONG { None } else { (a + 1).checked_mul(b + 1) }
}

/// The length of the longest common subsequence, in memory proportional to the shorter string.
///
/// Time is the product of the lengths.
pub fn length(a: &[u8], b: &[u8]) -> usize {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut row = vec![0u32; short.len()];
    for x in long {
        next_row(&mut row, *x, short);
    }
    row.last().map_or(0, |n| *n as usize)
}

/// From the lengths for a prefix of one string with every (not empty) prefix of `other` to those for the prefix one
/// byte longer, that byte being `x`.
fn next_row(row: &mut [u32], x: u8, other: &[u8]) {
    // The cells above left and left.
    let (mut diagonal, mut left) = (0, 0);
    for (cell, y) in row.iter_mut().zip(other) {
        let above = *cell;
        *cell = if x == *y { diagonal + 1 } else { above.max(left) };
        (diagonal, left) = (above, *cell);
    }
}

/// The longest common subsequence and where it is. Takes [`cells`] × 4 bytes for a moment, and time in proportion.
pub fn lcs(a: &[u8], b: &[u8]) -> Lcs {
    if a.is_empty() || b.is_empty() {
        return Lcs { sequence: Vec::new(), matches: Vec::new() };
    }
    let width = b.len();
    let mut table = Vec::with_capacity(a.len() * width);
    let mut row = vec![0u32; width];
    for x in a {
        next_row(&mut row, *x, b);
        table.extend_from_slice(&row);
    }
    // The length for the first i of a and the first j of b.
    let cell = |i: usize, j: usize| match (i.checked_sub(1), j.checked_sub(1)) {
        (Some(i), Some(j)) => table.get(i * width + j).copied().unwrap_or(0),
        _ => 0,
    };
    let mut sequence = Vec::with_capacity(cell(a.len(), width) as usize);
    let mut matches: Vec<Match> = Vec::new();
    let (mut i, mut j) = (a.len(), width);
    while let (Some(x), Some(y)) = (last(a, i), last(b, j)) {
        if x == y {
            sequence.push(x);
            match matches.last_mut() {
                Some(run) if run.a.start == i && run.b.start == j => (run.a.start, run.b.start) = (i - 1, j - 1),
                _ => matches.push(Match { a: i - 1..i, b: j - 1..j }),
            }
            (i, j) = (i - 1, j - 1);
        } else if cell(i - 1, j) > cell(i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    sequence.reverse();
    Lcs { sequence, matches }
}

/// The last of the first `n` bytes.
fn last(bytes: &[u8], n: usize) -> Option<u8> {
    bytes.get(n.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        let found = lcs(b"ohmytext", b"mynewtext");
        assert_eq!(found.sequence, b"mytext");
        assert_eq!(found.matches, vec![Match { a: 4..8, b: 5..9 }, Match { a: 2..4, b: 0..2 }]);
        assert_eq!(lcs(b"", b"abc"), Lcs { sequence: vec![], matches: vec![] });
        assert_eq!(lcs(b"abc", b"xyz"), Lcs { sequence: vec![], matches: vec![] });
        assert_eq!(length(b"ohmytext", b"mynewtext"), 6);
        assert_eq!(length(b"", b""), 0);
    }

    #[test]
    fn sizes() {
        assert_eq!(cells(3, 4), Some(20));
        assert_eq!(cells(u32::MAX as usize - 1, 0), None);
        assert_eq!(cells(0, usize::MAX), None);
        assert!(cells(u32::MAX as usize - 2, u32::MAX as usize - 2).is_some());
    }

    /// The length by its definition.
    fn model(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([x, a @ ..], [y, b @ ..]) if x == y => model(a, b) + 1,
            ([_, rest @ ..], [_, tail @ ..]) => model(rest, b).max(model(a, tail)),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn is_common_and_longest(a in "[a-c]{0,9}", b in "[a-c]{0,9}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let found = lcs(a, b);
            prop_assert_eq!(found.sequence.len(), model(a, b));
            prop_assert_eq!(length(a, b), found.sequence.len());
            let runs = found.matches.iter().rev();
            let from_a: Vec<u8> = runs.clone().flat_map(|m| a[m.a.clone()].to_vec()).collect();
            let from_b: Vec<u8> = runs.flat_map(|m| b[m.b.clone()].to_vec()).collect();
            prop_assert_eq!(&from_a, &found.sequence);
            prop_assert_eq!(&from_b, &found.sequence);
            for pair in found.matches.windows(2) {
                prop_assert!(pair[1].a.end <= pair[0].a.start && pair[1].b.end <= pair[0].b.start);
            }
        }
    }
}
