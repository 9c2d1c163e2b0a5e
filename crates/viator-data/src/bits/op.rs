//! BITOP: bitwise operations over whole strings.

/// An operation of BITOP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// In every source.
    And,
    /// In any source.
    Or,
    /// In an odd number of sources.
    Xor,
    /// Not in the source; further sources do not count.
    Not,
    /// In the first source and in no other.
    Diff,
    /// Not in the first source, but in another.
    Diff1,
    /// In the first source and in another.
    AndOr,
    /// In exactly one source.
    One,
}

/// Bytes worked on at a time, so that the result stays in the first-level cache while the sources pass by.
const BLOCK: usize = 8192;

/// The result of `op` over the sources, shorter ones being extended with zeros to the length of the longest.
pub fn bitop(op: Op, sources: &[&[u8]]) -> Vec<u8> {
    let mut len = sources.iter().map(|s| s.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    if op == Op::Not {
        len = first.len();
    }
    let mut out = vec![0; len];
    let mut spare = [0; BLOCK];
    for (i, out) in out.chunks_mut(BLOCK).enumerate() {
        let block = |source: &&'_ [u8]| -> std::ops::Range<usize> {
            let start = (i * BLOCK).min(source.len());
            start..(start + BLOCK).min(source.len())
        };
        // Both ends of a block's range are at most the source's length.
        let first = first.get(block(first)).unwrap_or_default();
        let others = others.iter().map(|s| s.get(block(s)).unwrap_or_default());
        match op {
            Op::And => {
                load(out, first);
                others.for_each(|s| and(out, s));
            }
            Op::Or => {
                load(out, first);
                others.for_each(|s| fold(out, s, |a, b| a | b));
            }
            Op::Xor => {
                load(out, first);
                others.for_each(|s| fold(out, s, |a, b| a ^ b));
            }
            Op::Not => {
                load(out, first);
                out.iter_mut().for_each(|b| *b = !*b);
            }
            Op::Diff => {
                load(out, first);
                others.for_each(|s| fold(out, s, |a, b| a & !b));
            }
            Op::Diff1 => {
                others.for_each(|s| fold(out, s, |a, b| a | b));
                fold(out, first, |a, b| a & !b);
            }
            Op::AndOr => {
                others.for_each(|s| fold(out, s, |a, b| a | b));
                and(out, first);
            }
            Op::One => {
                load(out, first);
                spare.fill(0);
                for s in others {
                    // Seen before and here: more than once.
                    spare.iter_mut().zip(out.iter()).zip(s).for_each(|((more, once), b)| *more |= once & b);
                    fold(out, s, |a, b| a | b);
                }
                fold(out, &spare, |a, b| a & !b);
            }
        }
    }
    out
}

/// Sets the start of `out`, which is all zeros.
fn load(out: &mut [u8], source: &[u8]) {
    out.iter_mut().zip(source).for_each(|(o, s)| *o = *s);
}

/// As far as both reach.
fn fold(out: &mut [u8], source: &[u8], f: impl Fn(u8, u8) -> u8) {
    out.iter_mut().zip(source).for_each(|(o, s)| *o = f(*o, *s));
}

/// To the end of `out`: past its end, a source is zero.
fn and(out: &mut [u8], source: &[u8]) {
    fold(out, source, |a, b| a & b);
    if let Some(rest) = out.get_mut(source.len()..) {
        rest.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn model(op: Op, sources: &[&[u8]]) -> Vec<u8> {
        let Some(first) = sources.first() else { return Vec::new() };
        let len = if op == Op::Not { first.len() } else { sources.iter().map(|s| s.len()).max().unwrap() };
        (0..len)
            .map(|i| {
                let column: Vec<u8> = sources.iter().map(|s| s.get(i).copied().unwrap_or(0)).collect();
                (0..8).fold(0, |byte, bit| {
                    let x = column[0] >> bit & 1 == 1;
                    let others = column[1..].iter().filter(|c| **c >> bit & 1 == 1).count();
                    let all = others + usize::from(x);
                    let set = match op {
                        Op::And => all == column.len(),
                        Op::Or => all > 0,
                        Op::Xor => all % 2 == 1,
                        Op::Not => !x,
                        Op::Diff => x && others == 0,
                        Op::Diff1 => !x && others > 0,
                        Op::AndOr => x && others > 0,
                        Op::One => all == 1,
                    };
                    byte | u8::from(set) << bit
                })
            })
            .collect()
    }

    const ALL: [Op; 8] = [Op::And, Op::Or, Op::Xor, Op::Not, Op::Diff, Op::Diff1, Op::AndOr, Op::One];

    #[test]
    fn across_blocks() {
        let a: Vec<u8> = (0..BLOCK * 2 + 5).map(|i| (i * 7 + i / 300) as u8).collect();
        let b: Vec<u8> = (0..BLOCK + 3).map(|i| (i * 13 + i / 100) as u8).collect();
        let c: Vec<u8> = (0..100).map(|i| (i * 31) as u8).collect();
        for op in ALL {
            for sources in [vec![&a[..], &b, &c], vec![&c, &b, &a], vec![&b, &a, &b, &c], vec![&b]] {
                assert_eq!(bitop(op, &sources), model(op, &sources), "{op:?}");
            }
            assert_eq!(bitop(op, &[]), Vec::<u8>::new());
        }
    }

    proptest! {
        #[test]
        fn agrees_with_definition(sources in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6)) {
            let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            for op in ALL {
                prop_assert_eq!(bitop(op, &sources), model(op, &sources), "{:?}", op);
            }
        }
    }
}
