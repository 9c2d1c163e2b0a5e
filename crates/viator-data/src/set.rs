//! The set: an intset, a listpack or a hash table, as Redis chooses between them.
//!
//! A set of integers is an intset up to `set-max-intset-entries`; a small set with other members is a listpack up to
//! `set-max-listpack-entries` members of up to `set-max-listpack-value` bytes; everything else is a table. A set
//! never goes back to a smaller encoding.

use std::collections::HashSet;

use crate::hashing::{Chance, below};
use crate::intset::IntSet;
use crate::num::parse_i64;
use crate::packed::{self, Entry, IntBuf, Packed};
use crate::ptable::PackedTable;

/// Where the encodings end: the configuration's `set-max-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `set-max-intset-entries`.
    pub intset_entries: usize,
    /// `set-max-listpack-entries`.
    pub listpack_entries: usize,
    /// `set-max-listpack-value`, bytes.
    pub listpack_value: usize,
}

impl Default for Limits {
    /// Redis's defaults.
    fn default() -> Self {
        Limits { intset_entries: 512, listpack_entries: 128, listpack_value: 64 }
    }
}

/// How a set is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Sorted integers.
    Intset,
    /// Members one after the other.
    Listpack,
    /// A hash table.
    Hashtable,
}

impl Encoding {
    /// The name OBJECT ENCODING gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Intset => "intset",
            Encoding::Listpack => "listpack",
            Encoding::Hashtable => "hashtable",
        }
    }
}

/// A set of byte strings.
#[derive(Clone, Debug)]
pub struct Set {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Int(IntSet),
    Packed(Packed),
    Table(Box<PackedTable>),
}

impl Set {
    /// An empty set in the encoding Redis creates for a first member, when `expected` members are about to be added.
    pub fn for_first(member: &[u8], expected: usize, limits: &Limits) -> Self {
        Self::empty(if parse_i64(member).is_some() && expected <= limits.intset_entries {
            Encoding::Intset
        } else if expected <= limits.listpack_entries {
            Encoding::Listpack
        } else {
            Encoding::Hashtable
        })
    }

    /// An empty set in the given encoding.
    pub fn empty(encoding: Encoding) -> Self {
        let repr = match encoding {
            Encoding::Intset => Repr::Int(IntSet::new()),
            Encoding::Listpack => Repr::Packed(Packed::new()),
            Encoding::Hashtable => Repr::Table(Box::new(PackedTable::new())),
        };
        Set { repr }
    }

    /// A set that is this intset.
    pub fn from_intset(set: IntSet) -> Self {
        Set { repr: Repr::Int(set) }
    }

    /// A set whose members are this listpack's entries, which the caller knows to be distinct.
    pub fn from_packed(members: Packed) -> Self {
        Set { repr: Repr::Packed(members) }
    }

    /// A copy that shares memory with this one, until either is changed.
    pub fn share(&mut self) -> Set {
        match &mut self.repr {
            Repr::Table(t) => Set { repr: Repr::Table(Box::new(t.share())) },
            _ => self.clone(),
        }
    }

    /// The encoding.
    pub fn encoding(&self) -> Encoding {
        match &self.repr {
            Repr::Int(_) => Encoding::Intset,
            Repr::Packed(_) => Encoding::Listpack,
            Repr::Table(_) => Encoding::Hashtable,
        }
    }

    /// The intset, in that encoding.
    pub fn as_intset(&self) -> Option<&IntSet> {
        match &self.repr {
            Repr::Int(s) => Some(s),
            _ => None,
        }
    }

    /// The intset, in that encoding, for [`IntSet::reload`].
    pub fn intset_mut(&mut self) -> Option<&mut IntSet> {
        match &mut self.repr {
            Repr::Int(s) => Some(s),
            _ => None,
        }
    }

    /// The listpack, in that encoding, for [`Packed::reload`].
    pub fn packed_mut(&mut self) -> Option<&mut Packed> {
        match &mut self.repr {
            Repr::Packed(p) => Some(p),
            _ => None,
        }
    }

    /// The listpack, in that encoding.
    pub fn as_packed(&self) -> Option<&Packed> {
        match &self.repr {
            Repr::Packed(p) => Some(p),
            _ => None,
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Int(s) => s.len(),
            Repr::Packed(p) => p.len(),
            Repr::Table(t) => t.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes held.
    pub fn memory_usage(&self) -> usize {
        match &self.repr {
            Repr::Int(s) => s.memory_usage(),
            Repr::Packed(p) => p.memory_usage(),
            Repr::Table(t) => size_of::<PackedTable>() + t.memory_usage(),
        }
    }

    /// Converts to a table at once if `expected` more members would not fit the encoding, as SADD does.
    pub fn expect_members(&mut self, expected: usize, limits: &Limits) {
        let over = match &self.repr {
            Repr::Int(_) => expected > limits.intset_entries,
            Repr::Packed(_) => expected > limits.listpack_entries,
            Repr::Table(_) => false,
        };
        if over {
            self.make_table();
        }
    }

    /// Adds a member; whether it was new.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.repr {
            Repr::Table(t) => t.insert(member, b"", 0),
            Repr::Int(set) => {
                if let Some(i) = parse_i64(member) {
                    let added = set.insert(i);
                    if added && set.len() > limits.intset_entries.min(1 << 30) {
                        self.make_table();
                    }
                    return added;
                }
                if Self::intset_fits_packed(set, member, limits) {
                    let mut p = Packed::with_capacity(set.len() * 4 + member.len());
                    set.iter().for_each(|i| p.push_back_int(i));
                    p.push_back(member);
                    self.repr = Repr::Packed(p);
                    return true;
                }
                self.add_to_table(member)
            }
            Repr::Packed(p) => {
                if p.first().and_then(|first| p.find(first, member, 0)).is_some() {
                    return false;
                }
                let fits = p.len() < limits.listpack_entries && member.len() <= limits.listpack_value;
                if fits && p.can_add(member.len()) {
                    p.push_back(member);
                    return true;
                }
                self.add_to_table(member)
            }
        }
    }

    /// As [`Set::add`], of a member of another set.
    pub fn add_entry(&mut self, member: Entry<'_>, limits: &Limits) -> bool {
        match (&mut self.repr, member) {
            (Repr::Int(set), Entry::Int(i)) if set.len() < limits.intset_entries => set.insert(i),
            (_, member) => self.add(member.bytes(&mut IntBuf::new()), limits),
        }
    }

    /// Whether an intset and a member that is no integer make a listpack.
    fn intset_fits_packed(set: &IntSet, member: &[u8], limits: &Limits) -> bool {
        let digits = |i: Option<i64>| i.map_or(0, |i| Entry::Int(i).len());
        let longest = digits(set.first()).max(digits(set.last()));
        set.len() < limits.listpack_entries
            && member.len() <= limits.listpack_value
            && longest <= limits.listpack_value
            && set.len().saturating_mul(longest + 2).saturating_add(member.len()) <= packed::MAX_BYTES
    }

    fn make_table(&mut self) {
        if !matches!(self.repr, Repr::Table(_)) {
            let mut table = PackedTable::new();
            let mut buf = IntBuf::new();
            for e in self.iter() {
                table.insert(e.bytes(&mut buf), b"", 0);
            }
            self.repr = Repr::Table(Box::new(table));
        }
    }

    fn add_to_table(&mut self, member: &[u8]) -> bool {
        self.make_table();
        match &mut self.repr {
            Repr::Table(t) => t.insert(member, b"", 0),
            _ => false,
        }
    }

    /// Turns the set into an intset if its members are at most `set-max-intset-entries` integers, as SINTERSTORE does
    /// with its result.
    pub fn try_into_intset(&mut self, limits: &Limits) {
        if self.as_intset().is_some() || self.len() > limits.intset_entries.min(1 << 30) {
            return;
        }
        let ints: Option<IntSet> = self.iter().map(|e| e.as_int()).collect::<Option<Vec<_>>>().map(|mut v| {
            v.sort_unstable();
            v.into_iter().collect()
        });
        if let Some(set) = ints {
            self.repr = Repr::Int(set);
        }
    }

    /// Removes a member; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Int(s) => parse_i64(member).is_some_and(|i| s.remove(i)),
            Repr::Packed(p) => match p.first().and_then(|first| p.find(first, member, 0)) {
                Some(pos) => {
                    p.remove(pos);
                    true
                }
                None => false,
            },
            Repr::Table(t) => t.remove(member).is_some(),
        }
    }

    /// Begins to load what looking for these members will touch.
    pub fn load_ahead(&self, members: &[&[u8]]) {
        if let Repr::Table(t) = &self.repr {
            t.load_ahead(members);
        }
    }

    /// Whether this is a member.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.repr {
            Repr::Int(s) => parse_i64(member).is_some_and(|i| s.contains(i)),
            Repr::Packed(p) => p.first().and_then(|first| p.find(first, member, 0)).is_some(),
            Repr::Table(t) => t.contains(member),
        }
    }

    /// Whether this is a member; an integer need not be turned into text for an intset.
    pub fn contains_entry(&self, member: Entry<'_>) -> bool {
        match (&self.repr, member) {
            (Repr::Int(s), Entry::Int(i)) => s.contains(i),
            (_, member) => self.contains(member.bytes(&mut IntBuf::new())),
        }
    }

    /// All members, in the order of the encoding.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> + Clone {
        let (ints, packed, table) = match &self.repr {
            Repr::Int(s) => (Some(s), None, None),
            Repr::Packed(p) => (None, Some(p), None),
            Repr::Table(t) => (None, None, Some(t)),
        };
        ints.into_iter()
            .flat_map(|s| s.iter().map(Entry::Int))
            .chain(packed.into_iter().flatten())
            .chain(table.into_iter().flat_map(|t| t.iter().map(|r| Entry::Str(r.key))))
    }

    /// A member chosen by a random number.
    pub fn random(&self, r: u64) -> Option<Entry<'_>> {
        match &self.repr {
            Repr::Int(s) => s.get(below(r, s.len())).map(Entry::Int),
            Repr::Packed(p) => p.index(below(r, p.len()) as i64),
            Repr::Table(t) => t.random(r).map(|r| Entry::Str(r.key)),
        }
    }

    /// Removes a member chosen by a random number and returns it.
    pub fn pop(&mut self, r: u64) -> Option<Vec<u8>> {
        match &mut self.repr {
            Repr::Int(set) => {
                let i = set.get(below(r, set.len()))?;
                set.remove(i);
                Some(Entry::Int(i).to_vec())
            }
            Repr::Packed(p) => {
                let at = p.seek(below(r, p.len()) as i64)?;
                let member = p.get(at)?.to_vec();
                p.remove(at);
                Some(member)
            }
            Repr::Table(table) => table.pop(r),
        }
    }

    /// Tells of each member whether it is among `n` that are chosen by chance, each such choice being equally likely.
    fn choose<'a>(&'a self, n: usize, chance: &mut Chance, mut visit: impl FnMut(Entry<'a>, bool)) {
        let (mut wanted, mut left) = (n, self.len());
        for member in self.iter() {
            let chosen = below(chance.next(), left) < wanted;
            visit(member, chosen);
            wanted -= usize::from(chosen);
            left = left.saturating_sub(1);
        }
    }

    /// Visits `n` different members chosen by chance, or all if there are no more.
    pub fn sample<'a>(&'a self, n: usize, chance: &mut Chance, mut visit: impl FnMut(Entry<'a>)) {
        if self.as_packed().is_some() || n > self.len() / 3 {
            return self.choose(n, chance, |member, chosen| {
                if chosen {
                    visit(member);
                }
            });
        }
        let mut seen = HashSet::with_capacity(n);
        while seen.len() < n {
            let Some(member) = self.random(chance.next()) else { break };
            if seen.insert(member) {
                visit(member);
            }
        }
    }

    /// Removes `count` members chosen by chance, fewer than there are, and returns them. Where few remain, the set begins
    /// anew in a small encoding, as SPOP has it.
    pub fn pop_some(&mut self, count: usize, chance: &mut Chance, limits: &Limits) -> Vec<Vec<u8>> {
        let remaining = self.len().saturating_sub(count);
        if remaining.saturating_mul(5) > count {
            return (0..count).map_while(|_| self.pop(chance.next())).collect();
        }
        let mut rest = Set::empty(match self.encoding() {
            Encoding::Intset => Encoding::Intset,
            Encoding::Listpack | Encoding::Hashtable => Encoding::Listpack,
        });
        let mut gone = Vec::with_capacity(count);
        self.choose(remaining, chance, |member, chosen| {
            if chosen {
                rest.add_entry(member, limits);
            } else {
                gone.push(member.to_vec());
            }
        });
        *self = rest;
        gone
    }

    /// Visits about `count` members from `cursor` on and returns the next cursor, 0 at the end. The small encodings
    /// are visited as a whole. Members that are in the set during a whole scan are visited at least once.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'a>)) -> u64 {
        let Repr::Table(t) = &self.repr else {
            self.iter().for_each(visit);
            return 0;
        };
        t.scan_some(cursor, count, |r| visit(Entry::Str(r.key)))
    }

    /// Frees part of a set that is to be thrown away, about `n` members; whether nothing is left.
    pub fn drop_some(&mut self, n: usize) -> bool {
        match &mut self.repr {
            Repr::Table(t) => t.drop_some(n.div_ceil(8)),
            _ => true,
        }
    }
}

/// The members that are in all of the sets, until `visit` returns false. Reads the smallest set and looks up in the
/// others.
pub fn intersection<'a>(sets: &[&'a Set], mut visit: impl FnMut(Entry<'a>) -> bool) {
    let mut sorted = sets.to_vec();
    sorted.sort_by_key(|s| s.len());
    let Some((smallest, others)) = sorted.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|s| s.contains_entry(member)) && !visit(member) {
            return;
        }
    }
}

/// The members of any of the sets, each once.
pub fn union<'a>(sets: &[&'a Set], mut visit: impl FnMut(Entry<'a>)) {
    for (i, set) in sets.iter().enumerate() {
        let earlier = sets.get(..i).unwrap_or_default();
        for member in set.iter() {
            if !earlier.iter().any(|s| s.contains_entry(member)) {
                visit(member);
            }
        }
    }
}

/// The members of `first` that are in none of `others`.
pub fn difference<'a>(first: &'a Set, others: &[&Set], mut visit: impl FnMut(Entry<'a>)) {
    let mut others = others.to_vec();
    // What is in the greatest set needs no look at the rest.
    others.sort_by_key(|s| core::cmp::Reverse(s.len()));
    for member in first.iter() {
        if !others.iter().any(|s| s.contains_entry(member)) {
            visit(member);
        }
    }
}

/// What SINTERSTORE makes of these sets: an intersection in the encoding Redis gives it.
pub fn stored_intersection(sets: &[&Set], limits: &Limits) -> Set {
    let smallest = sets.iter().min_by_key(|s| s.len());
    let mut result = Set::empty(match smallest.map(|s| s.encoding()) {
        Some(Encoding::Intset) => Encoding::Intset,
        _ => Encoding::Listpack,
    });
    intersection(sets, |member| {
        result.add_entry(member, limits);
        true
    });
    result.try_into_intset(limits);
    result
}

/// What SUNIONSTORE makes of these sets: a union that begins as an intset.
pub fn stored_union(sets: &[&Set], limits: &Limits) -> Set {
    let mut result = Set::empty(Encoding::Intset);
    for member in sets.iter().flat_map(|s| s.iter()) {
        result.add_entry(member, limits);
    }
    result
}

/// What SDIFFSTORE makes of these sets. The encoding shows which of its two ways Redis takes: with many members in
/// `first` it takes all of them, and removes those of the others.
pub fn stored_difference(first: &Set, others: &[&Set], limits: &Limits) -> Set {
    let mut result = Set::empty(Encoding::Intset);
    if others.iter().any(|s| core::ptr::eq(*s, first)) {
        return result;
    }
    let one = first.len().saturating_mul(others.len() + 1) / 2;
    let two: usize = others.iter().map(|s| s.len()).sum::<usize>().saturating_add(first.len());
    if one <= two {
        difference(first, others, |member| {
            result.add_entry(member, limits);
        });
        return result;
    }
    for member in first.iter() {
        result.add_entry(member, limits);
    }
    for member in others.iter().flat_map(|s| s.iter()) {
        if result.is_empty() {
            break;
        }
        result.remove(member.bytes(&mut IntBuf::new()));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::mix;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn build<'a>(members: impl IntoIterator<Item = &'a str>, limits: &Limits) -> Set {
        let members: Vec<_> = members.into_iter().collect();
        let mut s = Set::for_first(members[0].as_bytes(), members.len(), limits);
        for m in members {
            s.add(m.as_bytes(), limits);
        }
        s
    }

    #[test]
    fn encodings_follow_redis() {
        let l = Limits { intset_entries: 4, listpack_entries: 6, listpack_value: 8 };
        assert_eq!(build(["1", "2", "3"], &l).encoding(), Encoding::Intset);
        assert_eq!(build(["1", "2", "x"], &l).encoding(), Encoding::Listpack);
        assert_eq!(build(["1", "2", "xxxxxxxxx"], &l).encoding(), Encoding::Hashtable);
        // Over the intset's limit a set of integers becomes a table, never a listpack...
        let mut s = build(["1", "2", "3", "4"], &l);
        assert!(s.add(b"5", &l));
        assert_eq!((s.encoding(), s.len()), (Encoding::Hashtable, 5));
        // ...but five integers at once start as a listpack.
        assert_eq!(build(["1", "2", "3", "4", "5"], &l).encoding(), Encoding::Listpack);
        let mut s = build(["a", "b", "c", "d", "e", "f"], &l);
        assert_eq!(s.encoding(), Encoding::Listpack);
        assert!(!s.add(b"f", &l) && s.as_packed().is_some());
        assert!(s.add(b"7", &l));
        assert_eq!(s.encoding(), Encoding::Hashtable);
        assert!(s.contains(b"7") && s.contains(b"a"));
        assert_eq!(build(["1", "2", "3", "4", "5", "6", "7"], &l).encoding(), Encoding::Hashtable);
        // An integer with too many digits for a listpack.
        assert_eq!(build(["123456789", "x"], &l).encoding(), Encoding::Hashtable);
        let mut s = build(["b", "10", "9"], &l);
        s.try_into_intset(&l);
        assert_eq!(s.encoding(), Encoding::Listpack);
        s.remove(b"b");
        s.try_into_intset(&l);
        assert_eq!(s.as_intset().unwrap().iter().collect::<Vec<_>>(), [9, 10]);
        s.expect_members(5, &l);
        assert_eq!(s.encoding(), Encoding::Hashtable);
    }

    fn member() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            3 => (-20i64..60).prop_map(|i| i.to_string().into_bytes()),
            2 => "[a-d]{0,3}".prop_map(String::into_bytes),
            1 => (0usize..90).prop_map(|n| vec![b'x'; n]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn behaves_like_a_btreeset(ops in proptest::collection::vec((0u8..10, member(), any::<u64>()), 1..150), big: bool) {
            let limits = if big { Limits { intset_entries: 20, listpack_entries: 20, listpack_value: 64 } } else { Limits::default() };
            let mut s = Set::for_first(&ops[0].1, 1, &limits);
            let mut m = BTreeSet::new();
            for (op, v, r) in ops {
                match op {
                    0..=5 => prop_assert_eq!(s.add(&v, &limits), m.insert(v)),
                    6..=7 => prop_assert_eq!(s.remove(&v), m.remove(&v)),
                    8 => {
                        let popped = s.pop(r);
                        prop_assert_eq!(popped.is_none(), m.is_empty());
                        prop_assert!(popped.is_none_or(|p| m.remove(&p)));
                    }
                    _ => prop_assert_eq!(s.contains(&v), m.contains(&v)),
                }
                prop_assert_eq!(s.len(), m.len());
            }
            let got: BTreeSet<Vec<u8>> = s.iter().map(|e| e.to_vec()).collect();
            prop_assert_eq!(s.iter().count(), m.len());
            prop_assert_eq!(&got, &m);
            let mut scanned = BTreeSet::new();
            let mut cursor = 0;
            loop {
                cursor = s.scan(cursor, 10, |e| { scanned.insert(e.to_vec()); });
                if cursor == 0 { break }
            }
            prop_assert_eq!(&scanned, &m);
        }

        #[test]
        fn algebra(sets in proptest::collection::vec(proptest::collection::btree_set(member(), 0..30), 1..4), tables: u8) {
            let limits = Limits::default();
            let ours: Vec<Set> = sets.iter().enumerate().map(|(i, m)| {
                let mut s = Set::empty(if tables >> i & 1 == 1 { Encoding::Hashtable } else { Encoding::Intset });
                m.iter().for_each(|v| { s.add(v, &limits); });
                s
            }).collect();
            let refs: Vec<&Set> = ours.iter().collect();
            let mut got = Vec::new();
            intersection(&refs, |e| { got.push(e.to_vec()); true });
            got.sort();
            let want: Vec<_> = sets[0].iter().filter(|v| sets.iter().all(|s| s.contains(*v))).cloned().collect();
            prop_assert_eq!(&got, &want);
            let mut got = Vec::new();
            union(&refs, |e| got.push(e.to_vec()));
            got.sort();
            let want: BTreeSet<_> = sets.iter().flatten().cloned().collect();
            prop_assert!(got.iter().eq(want.iter()));
            let mut got = Vec::new();
            difference(refs[0], &refs[1..], |e| got.push(e.to_vec()));
            got.sort();
            let want: Vec<_> = sets[0].iter().filter(|v| !sets[1..].iter().any(|s| s.contains(*v))).cloned().collect();
            prop_assert_eq!(&got, &want);
        }
    }

    #[test]
    fn random_reaches_every_member() {
        let l = Limits::default();
        for members in [vec!["1", "2", "3"], vec!["a", "b", "3"]] {
            let s = build(members.iter().copied(), &l);
            let seen: BTreeSet<_> = (0..100).filter_map(|i| s.random(mix(i))).map(|e| e.to_vec()).collect();
            assert_eq!(seen.len(), 3);
        }
        assert_eq!(Set::empty(Encoding::Hashtable).random(5), None);
        assert_eq!(Set::empty(Encoding::Listpack).random(5), None);
    }
}
