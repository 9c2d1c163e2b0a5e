//! How many values of each size there are, by type: INFO's keysizes.

use crate::Type;

/// Types that are counted.
const TYPES: usize = 5;

/// Counts of values by the power of two that their size reaches. A string's size is its bytes, another value's its
/// elements.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    /// By type, by step: step 0 is size 0, step n sizes from 2^(n-1) on. Only as long as needed.
    steps: [Vec<u32>; TYPES],
}

fn index(kind: Type) -> Option<usize> {
    match kind {
        Type::String => Some(0),
        Type::List => Some(1),
        Type::Set => Some(2),
        Type::Zset => Some(3),
        Type::Hash => Some(4),
        _ => None,
    }
}

/// The step of a size.
fn step(size: usize) -> usize {
    (usize::BITS - size.leading_zeros()) as usize
}

impl Sizes {
    fn counts(&mut self, kind: Type) -> Option<&mut Vec<u32>> {
        index(kind).and_then(|i| self.steps.get_mut(i))
    }

    /// Counts a new value.
    pub(crate) fn insert(&mut self, (kind, size): (Type, usize)) {
        let step = step(size);
        if let Some(counts) = self.counts(kind) {
            if counts.len() <= step {
                counts.resize(step + 1, 0);
            }
            if let Some(n) = counts.get_mut(step) {
                *n += 1;
            }
        }
    }

    /// Forgets a value.
    pub(crate) fn remove(&mut self, (kind, size): (Type, usize)) {
        if let Some(n) = self.counts(kind).and_then(|c| c.get_mut(step(size))) {
            *n = n.saturating_sub(1);
        }
    }

    /// A value has become another.
    #[inline]
    pub(crate) fn replace(&mut self, old: (Type, usize), new: (Type, usize)) {
        if old.0 != new.0 || step(old.1) != step(new.1) {
            self.remove(old);
            self.insert(new);
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Sizes) {
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            if mine.len() < theirs.len() {
                mine.resize(theirs.len(), 0);
            }
            for (m, t) in mine.iter_mut().zip(theirs) {
                *m += t;
            }
        }
    }

    /// The sizes of a type: (the smallest size of a step, values in it), for steps that have any.
    pub fn steps(&self, kind: Type) -> impl Iterator<Item = (u64, u32)> + '_ {
        let counts = index(kind).and_then(|i| self.steps.get(i)).map_or(&[][..], Vec::as_slice);
        let smallest = |step: usize| if step == 0 { 0 } else { 1u64 << (step - 1) };
        counts.iter().enumerate().filter(|c| *c.1 > 0).map(move |(step, n)| (smallest(step), *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_powers_of_two() {
        let mut s = Sizes::default();
        for size in [0, 1, 2, 3, 4, 1023, 1024] {
            s.insert((Type::String, size));
        }
        s.replace((Type::String, 3), (Type::String, 2));
        s.replace((Type::String, 1024), (Type::List, 1));
        s.remove((Type::String, 0));
        assert_eq!(s.steps(Type::String).collect::<Vec<_>>(), [(1, 1), (2, 2), (4, 1), (512, 1)]);
        let mut t = Sizes::default();
        t.add(&s);
        t.add(&s);
        assert_eq!(t.steps(Type::List).collect::<Vec<_>>(), [(1, 2)]);
    }
}
