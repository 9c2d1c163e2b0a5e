//! An ordered map in pages of sorted entries, made for keys that mostly come at the end: dense, and a copy shares the pages
//! until either changes them.

use crate::cow::Cow;
use std::collections::VecDeque;

/// Entries of a page: what a copy makes its writer copy.
const PAGE: usize = 512;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Sorted<K, V> {
    /// None is empty.
    pages: VecDeque<Cow<VecDeque<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Sorted { pages: VecDeque::new(), len: 0 }
    }
}

impl<K: Ord + PartialEq, V: PartialEq> PartialEq for Sorted<K, V>
where
    K: Copy,
    V: Clone,
{
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Copy + Ord + Eq, V: Clone + Eq> Eq for Sorted<K, V> {}

impl<K: Copy + Ord, V: Clone> Sorted<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes, without what the values hold.
    pub(crate) fn memory_usage(&self) -> usize {
        let entries: usize = self.pages.iter().map(|p| p.capacity()).sum();
        entries * size_of::<(K, V)>() + self.pages.capacity() * size_of::<Cow<VecDeque<(K, V)>>>()
    }

    /// A copy that shares the pages, until either changes them.
    pub(crate) fn share(&mut self) -> Self {
        Sorted { pages: self.pages.iter_mut().map(Cow::share).collect(), len: self.len }
    }

    /// The first place whose key is not below this one: page and index, perhaps the end of a page.
    fn place(&self, key: &K) -> (usize, usize) {
        let page = self.pages.partition_point(|p| p.back().is_some_and(|(k, _)| k < key));
        let at = self.pages.get(page).map_or(0, |p| p.partition_point(|(k, _)| k < key));
        (page, at)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let (page, at) = self.place(key);
        self.pages.get(page)?.get(at).filter(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// Puts a value in its place; what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (page, at) = self.place(&key);
        if self.pages.get(page).and_then(|p| p.get(at)).is_some_and(|(k, _)| *k == key) {
            let entry = self.pages.get_mut(page)?.make_mut().get_mut(at)?;
            return Some(std::mem::replace(&mut entry.1, value));
        }
        self.len += 1;
        if page == self.pages.len() {
            // behind all others
            match self.pages.back_mut().filter(|p| p.len() < PAGE).map(Cow::make_mut) {
                Some(last) => last.push_back((key, value)),
                None => self.pages.push_back(Cow::Own(VecDeque::from([(key, value)]))),
            }
            return None;
        }
        let entries = self.pages.get_mut(page)?.make_mut();
        entries.insert(at, (key, value));
        if entries.len() > PAGE {
            let rest = entries.split_off(PAGE / 2);
            self.pages.insert(page + 1, Cow::Own(rest));
        }
        None
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (page, at) = self.place(key);
        self.pages.get(page)?.get(at).filter(|(k, _)| k == key)?;
        self.take(page, at).map(|(_, v)| v)
    }

    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        self.take(0, 0)
    }

    fn take(&mut self, page: usize, at: usize) -> Option<(K, V)> {
        let entries = self.pages.get_mut(page)?.make_mut();
        let entry = entries.remove(at)?;
        if entries.is_empty() {
            self.pages.remove(page);
        } else if entries.capacity() > 8 && entries.len() < entries.capacity() / 4 {
            entries.shrink_to(entries.capacity() / 2);
        }
        self.len -= 1;
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.pages.iter().flat_map(|p| p.iter().map(|(k, v)| (k, v)))
    }

    /// Those from one key to another, both included.
    pub(crate) fn range(&self, from: K, to: K) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        let (first, at) = self.place(&from);
        let (last, mut end) = self.place(&to);
        if self.pages.get(last).and_then(|p| p.get(end)).is_some_and(|(k, _)| *k == to) {
            end += 1;
        }
        let pages = if from <= to { first..(last + 1).min(self.pages.len()) } else { 0..0 };
        pages.filter_map(|i| Some((i, self.pages.get(i)?))).flat_map(move |(i, p)| {
            let from = if i == first { at } else { 0 };
            let to = if i == last { end } else { p.len() };
            p.range(from.min(to)..to).map(|(k, v)| (k, v))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u16, u8),
        Append(u8),
        Remove(u16),
        PopFirst,
        Share,
        Back,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0u16..3000, any::<u8>()).prop_map(|(k, v)| Op::Insert(k, v)),
            8 => any::<u8>().prop_map(Op::Append),
            3 => (0u16..3000).prop_map(Op::Remove),
            2 => Just(Op::PopFirst),
            1 => Just(Op::Share),
            1 => Just(Op::Back),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn as_a_tree(seed in 0u16..2500, ops in prop::collection::vec(op(), 1..600), a in 0u16..4000, b in 0u16..4000) {
            let mut map: Sorted<u16, u8> = Sorted::default();
            let mut model: BTreeMap<u16, u8> = BTreeMap::new();
            for k in 0..seed {
                map.insert(k, k as u8);
                model.insert(k, k as u8);
            }
            let mut copy = (map.share(), model.clone());
            for op in ops {
                match op {
                    Op::Insert(k, v) => prop_assert_eq!(map.insert(k, v), model.insert(k, v)),
                    Op::Append(v) => {
                        let k = model.last_key_value().map_or(0, |(k, _)| *k + 1);
                        prop_assert_eq!(map.insert(k, v), model.insert(k, v));
                    }
                    Op::Remove(k) => prop_assert_eq!(map.remove(&k), model.remove(&k)),
                    Op::PopFirst => prop_assert_eq!(map.pop_first(), model.pop_first()),
                    Op::Share => copy = (map.share(), model.clone()),
                    // the copy is changed as well, and the original keeps what it has
                    Op::Back => {
                        copy.0.pop_first();
                        copy.1.pop_first();
                    }
                }
                prop_assert_eq!(map.len(), model.len());
            }
            for (map, model) in [(&map, &model), (&copy.0, &copy.1)] {
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert!(map.iter().rev().eq(model.iter().rev()));
                if a <= b {
                    prop_assert!(map.range(a, b).eq(model.range(a..=b)));
                    prop_assert!(map.range(a, b).rev().eq(model.range(a..=b).rev()));
                } else {
                    prop_assert_eq!(map.range(a, b).count(), 0);
                }
                prop_assert_eq!(map.get(&a), model.get(&a));
            }
        }
    }
}
