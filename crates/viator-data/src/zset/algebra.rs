//! Unions, intersections and differences of sets and sorted sets, with weights.

use super::ZSet;
use crate::hashing;
use crate::packed::{Entry, IntBuf};
use crate::set::Set;
use std::collections::HashMap;
use std::collections::hash_map;

/// What members come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A sorted set.
    Scored(&'a ZSet),
    /// A set, whose members all have the score 1.
    Plain(&'a Set),
    /// A key that is not there.
    Nothing,
}

/// A source, and what its scores are multiplied by.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The source.
    pub source: Source<'a>,
    /// The factor.
    pub weight: f64,
}

/// What becomes of the scores of one member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aggregate {
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => number(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// The score, or 0 for what is no number (the sum of both infinities, 0 times infinity).
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Calls `visit` with every member of a source and its score.
macro_rules! each {
    ($source:expr, $visit:expr) => {
        match $source {
            Source::Scored(set) => set.unordered($visit),
            Source::Plain(set) => set.iter().for_each(|m| $visit(m, 1.0)),
            Source::Nothing => {}
        }
    };
}

impl Input<'_> {
    fn len(&self) -> usize {
        match self.source {
            Source::Scored(set) => set.len(),
            Source::Plain(set) => set.len(),
            Source::Nothing => 0,
        }
    }

    /// The score of a member, without the weight.
    fn score(&self, member: &[u8]) -> Option<f64> {
        match self.source {
            Source::Scored(set) => set.score(member),
            Source::Plain(set) => set.contains(member).then_some(1.0),
            Source::Nothing => None,
        }
    }

    fn is(&self, other: &Input<'_>) -> bool {
        match (self.source, other.source) {
            (Source::Scored(a), Source::Scored(b)) => core::ptr::eq(a, b),
            (Source::Plain(a), Source::Plain(b)) => core::ptr::eq(a, b),
            _ => false,
        }
    }
}

/// A result: members, each once, with scores.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(f64, Entry<'a>)>);

impl<'a> Members<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them in the order of a sorted set.
    pub fn sort(&mut self) {
        self.0.sort_unstable_by(|(a, m), (b, n)| {
            // there is no NaN among them
            a.partial_cmp(b).unwrap_or(core::cmp::Ordering::Equal).then_with(|| match (m, n) {
                (Entry::Str(m), Entry::Str(n)) => m.cmp(n),
                _ => m.bytes(&mut IntBuf::new()).cmp(n.bytes(&mut IntBuf::new())),
            })
        });
    }

    /// Them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Entry<'a>, f64)> + Clone + '_ {
        self.0.iter().map(|(s, m)| (*m, *s))
    }
}

/// The same text is the same entry, whichever encoding it comes from.
fn same(member: Entry<'_>) -> Entry<'_> {
    member.as_int().map_or(member, Entry::Int)
}

/// The members of any input.
pub fn union(mut inputs: Vec<Input<'_>>, aggregate: Aggregate) -> Members<'_> {
    inputs.sort_by_key(Input::len);
    let greatest = inputs.last().map_or(0, Input::len);
    let mut members = Members(Vec::with_capacity(greatest));
    let mut places: HashMap<Entry<'_>, u32, _> = HashMap::with_capacity_and_hasher(greatest, hashing::state().clone());
    let single = inputs.iter().filter(|i| i.len() > 0).count() == 1;
    for input in &inputs {
        each!(input.source, |member, score: f64| {
            let score = number(score * input.weight);
            if single {
                return members.0.push((score, member));
            }
            match places.entry(same(member)) {
                hash_map::Entry::Vacant(free) => {
                    free.insert(members.0.len() as u32);
                    members.0.push((score, member));
                }
                hash_map::Entry::Occupied(place) => {
                    if let Some((sum, _)) = members.0.get_mut(*place.get() as usize) {
                        *sum = aggregate.of(*sum, score);
                    }
                }
            }
        });
    }
    members
}

/// The members of all inputs, at most `limit` (0: all of them).
pub fn intersection(mut inputs: Vec<Input<'_>>, aggregate: Aggregate, limit: usize) -> Members<'_> {
    inputs.sort_by_key(Input::len);
    let mut members = Members::default();
    let Some((first, others)) = inputs.split_first() else { return members };
    let visit = |member: Entry<'_>, score: f64| -> Option<f64> {
        let mut sum = number(score * first.weight);
        let mut buf = IntBuf::new();
        let bytes = member.bytes(&mut buf);
        for other in others {
            let score = if other.is(first) { score } else { other.score(bytes)? };
            sum = aggregate.of(sum, score * other.weight);
        }
        Some(sum)
    };
    let full = |members: &Members<'_>| limit != 0 && members.len() >= limit;
    match first.source {
        Source::Scored(set) => {
            for (member, score) in set.iter() {
                if full(&members) {
                    break;
                }
                members.0.extend(visit(member, score).map(|sum| (sum, member)));
            }
        }
        Source::Plain(set) => {
            for member in set.iter() {
                if full(&members) {
                    break;
                }
                members.0.extend(visit(member, 1.0).map(|sum| (sum, member)));
            }
        }
        Source::Nothing => {}
    }
    members
}

/// The members of the first input that are in no other. Weights do not count.
pub fn difference<'a>(inputs: &[Input<'a>]) -> Members<'a> {
    let mut members = Members::default();
    let Some((first, others)) = inputs.split_first() else { return members };
    if others.iter().any(|o| o.is(first)) {
        return members;
    }
    let mut others = others.to_vec();
    // what is in the greatest needs no look at the rest
    others.sort_by_key(|o| core::cmp::Reverse(o.len()));
    each!(first.source, |member: Entry<'a>, score: f64| {
        let mut buf = IntBuf::new();
        let bytes = member.bytes(&mut buf);
        if !others.iter().any(|o| o.score(bytes).is_some()) {
            members.0.push((score, member));
        }
    });
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set;
    use crate::zset::Limits;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Model = BTreeMap<Vec<u8>, f64>;

    fn text(i: u8) -> Vec<u8> {
        if i.is_multiple_of(2) { i.to_string().into_bytes() } else { format!("m{i}").into_bytes() }
    }

    fn model(members: &Members<'_>) -> Model {
        let all: Model = members.iter().map(|(m, s)| (m.to_vec(), s)).collect();
        assert_eq!(all.len(), members.len());
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn as_a_map_does(
            sets in proptest::collection::vec((proptest::collection::btree_map(0u8..30, -3i8..4, 0..20), 0u8..4, -2i8..3), 1..4),
            which in 0u8..3,
        ) {
            let big = Limits { listpack_entries: 0, listpack_value: 0 };
            let limits = set::Limits::default();
            let mut scored = Vec::new();
            let mut plain = Vec::new();
            for (map, kind, _) in &sets {
                let mut z = ZSet::new();
                let mut s = Set::empty(set::Encoding::Intset);
                for (m, score) in map {
                    z.insert(&text(*m), f64::from(*score), if *kind == 0 { &big } else { &Limits { listpack_entries: 128, listpack_value: 64 } });
                    s.add(&text(*m), &limits);
                }
                scored.push(z);
                plain.push(s);
            }
            let inputs: Vec<Input<'_>> = sets.iter().enumerate().map(|(i, (map, kind, weight))| Input {
                source: match kind {
                    0 | 1 => Source::Scored(&scored[i]),
                    2 => Source::Plain(&plain[i]),
                    _ if map.is_empty() => Source::Nothing,
                    _ => Source::Scored(&scored[i]),
                },
                weight: f64::from(*weight),
            }).collect();
            let aggregate = [Aggregate::Sum, Aggregate::Min, Aggregate::Max][usize::from(which)];
            let models: Vec<Model> = sets.iter().map(|(map, kind, _)| {
                map.iter().map(|(m, s)| (text(*m), if *kind == 2 { 1.0 } else { f64::from(*s) })).collect()
            }).collect();
            let mut all = Model::new();
            for (m, (_, _, w)) in models.iter().zip(&sets) {
                for (k, s) in m {
                    let s = s * f64::from(*w);
                    all.entry(k.clone()).and_modify(|e| *e = aggregate.of(*e, s)).or_insert(s);
                }
            }
            prop_assert_eq!(model(&union(inputs.clone(), aggregate)), all.clone());
            let both: Model = all.into_iter().filter(|(k, _)| models.iter().all(|m| m.contains_key(k))).collect();
            prop_assert_eq!(model(&intersection(inputs.clone(), aggregate, 0)), both.clone());
            prop_assert_eq!(intersection(inputs.clone(), aggregate, 2).len(), both.len().min(2));
            let rest: Model =
                models[0].iter().filter(|(k, _)| models[1..].iter().all(|m| !m.contains_key(*k))).map(|(k, s)| (k.clone(), *s)).collect();
            prop_assert_eq!(model(&difference(&inputs)), rest);
            let mut ordered = union(inputs, aggregate);
            ordered.sort();
            for limits in [Limits { listpack_entries: 128, listpack_value: 64 }, big] {
                let z = ZSet::from_ordered(ordered.iter(), &limits);
                let a: Vec<_> = z.iter().map(|(m, s)| (m.to_vec(), s)).collect();
                let b: Vec<_> = ordered.iter().map(|(m, s)| (m.to_vec(), s)).collect();
                prop_assert_eq!(a, b);
            }
        }
    }
}
