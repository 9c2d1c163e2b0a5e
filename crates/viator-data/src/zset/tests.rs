use super::*;
use crate::hashing::mix;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The listpacks Redis dumps for one member "a" with these scores.
#[test]
fn scores_are_stored_as_redis_stores_them() {
    for (score, bytes) in [
        (-0.0, &b"\x0c\x00\x00\x00\x02\x00\x81a\x02\x00\x01\xff"[..]),
        (1e18, b"\x14\x00\x00\x00\x02\x00\x81a\x02\xf4\x00\x00d\xa7\xb3\xb6\xe0\r\t\xff"),
        (4611686018427387904.0, b"\x14\x00\x00\x00\x02\x00\x81a\x02\xf4\x00\x00\x00\x00\x00\x00\x00@\t\xff"),
        (9e18, b"\x11\x00\x00\x00\x02\x00\x81a\x02\x859e+18\x06\xff"),
        (0.1, b"\x0f\x00\x00\x00\x02\x00\x81a\x02\x830.1\x04\xff"),
        (f64::NEG_INFINITY, b"\x10\x00\x00\x00\x02\x00\x81a\x02\x84-inf\x05\xff"),
        (1.5e300, b"\x14\x00\x00\x00\x02\x00\x81a\x02\x881.5e+300\t\xff"),
    ] {
        let mut z = ZSet::new();
        assert_eq!(z.insert(b"a", score, &Limits::default()), Inserted::Added);
        assert_eq!(z.as_packed().unwrap().as_bytes(), bytes);
        assert_eq!(z.score(b"a"), Some(score));
    }
}

#[test]
fn encodings_follow_redis() {
    let l = Limits { listpack_entries: 2, listpack_value: 4 };
    let mut z = ZSet::new();
    z.insert(b"a", 1.0, &l);
    z.insert(b"b", 1.0, &l);
    assert_eq!(z.encoding().name(), "listpack");
    z.insert(b"c", 1.0, &l);
    assert_eq!(z.encoding().name(), "skiplist");
    z.remove(b"c");
    assert_eq!(z.encoding().name(), "skiplist");
    z.try_into_packed(&l);
    assert_eq!(z.encoding().name(), "listpack");
    z.insert(b"a", 2.0, &l);
    z.remove(b"b");
    z.insert(b"12345", 2.0, &l);
    assert_eq!((z.encoding().name(), z.len()), ("skiplist", 2));
    z.try_into_packed(&l);
    assert_eq!(z.encoding().name(), "skiplist");
    assert_eq!(ZSet::for_members(3, 1, &l).encoding(), Encoding::Skiplist);
    assert_eq!(ZSet::for_members(2, 5, &l).encoding(), Encoding::Skiplist);
    assert_eq!(ZSet::for_members(2, 4, &l).encoding(), Encoding::Listpack);
}

type Model = BTreeMap<Vec<u8>, f64>;

fn ordered(m: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut v: Vec<_> = m.iter().map(|(k, s)| (k.clone(), *s)).collect();
    v.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    v
}

fn collect<'a>(r: impl Iterator<Item = (Entry<'a>, f64)>) -> Vec<(Vec<u8>, f64)> {
    r.map(|(m, s)| (m.to_vec(), s)).collect()
}

fn check(z: &ZSet, m: &Model) {
    if let Repr::Big(b) = &z.repr {
        b.tree.check(&b.index);
    }
    let all = ordered(m);
    assert_eq!(collect(z.iter()), all);
    let mut back = collect(z.range(0..usize::MAX, true));
    back.reverse();
    assert_eq!(back, all);
    for (rank, (member, score)) in all.iter().enumerate() {
        assert_eq!(z.rank(member), Some((rank, *score)));
    }
}

fn member(n: u16) -> Vec<u8> {
    match n % 4 {
        0 => n.to_string().into_bytes(),
        1 => format!("member-{n}").into_bytes(),
        2 => format!("{n:030}").into_bytes(),
        _ => vec![b'm'; usize::from(n % 90)],
    }
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3i8..4).prop_map(f64::from),
        1 => (-30i32..30).prop_map(|i| f64::from(i) / 7.0),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(1e300)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn behaves_like_a_sorted_map(ops in proptest::collection::vec((0u8..12, 0u16..300, score(), any::<u64>()), 1..400), small: bool) {
        let limits = if small { Limits { listpack_entries: 1000, listpack_value: 1000 } } else { Limits { listpack_entries: 8, listpack_value: 64 } };
        let mut z = ZSet::new();
        let mut m = Model::new();
        for (op, n, s, r) in ops {
            let k = member(n);
            match op {
                0..=7 => {
                    let want = match m.insert(k.clone(), s) {
                        None => Inserted::Added,
                        Some(old) if old == s => { m.insert(k.clone(), old); Inserted::Unchanged }
                        Some(old) => Inserted::Updated(old),
                    };
                    prop_assert_eq!(z.insert(&k, s, &limits), want);
                }
                8..=9 => prop_assert_eq!(z.remove(&k), m.remove(&k)),
                10 => {
                    let all = ordered(&m);
                    let want = if r & 1 == 0 { all.first() } else { all.last() };
                    let got = if r & 1 == 0 { z.pop_min() } else { z.pop_max() };
                    prop_assert_eq!(got.as_ref(), want);
                    if let Some((k, _)) = got { m.remove(&k); }
                }
                _ => {
                    let from = below(r, m.len() + 1);
                    let to = from + (r % 4) as usize;
                    let want: Vec<_> = ordered(&m).into_iter().skip(from).take(to - from).collect();
                    let mut got = Vec::new();
                    prop_assert_eq!(z.remove_ranks(from..to, |k, s| got.push((k.to_vec(), s))), want.len());
                    prop_assert_eq!(&got, &want);
                    for (k, _) in want { m.remove(&k); }
                }
            }
            prop_assert_eq!(z.len(), m.len());
        }
        check(&z, &m);
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = z.scan(cursor, 7, |k, s| { assert_eq!(m.get(&k.to_vec()), Some(&s)); seen.insert(k.to_vec()); });
            if cursor == 0 { break }
        }
        prop_assert!(seen.iter().eq(m.keys()));
        let bounds = [f64::NEG_INFINITY, -2.0, -0.5, 0.0, 1.0, 2.5, f64::INFINITY];
        let all = ordered(&m);
        for &min in &bounds { for &max in &bounds { for ex in 0..4u8 {
            let range = ScoreRange { min, min_exclusive: ex & 1 != 0, max, max_exclusive: ex & 2 != 0 };
            let want: Vec<_> = all.iter().filter(|e| range.above_min(e.1) && range.below_max(e.1)).cloned().collect();
            let ranks = z.ranks_by_score(&range);
            prop_assert_eq!(ranks.len(), want.len());
            prop_assert_eq!(collect(z.range(ranks, false)), want);
        }}}
    }

    #[test]
    fn ranges_of_members(names in proptest::collection::btree_set(0u16..400, 0..200), small: bool,
                         a in 0u16..400, b in 0u16..400, ex in 0u8..4) {
        let limits = Limits { listpack_entries: if small { 1000 } else { 4 }, listpack_value: 1000 };
        let mut z = ZSet::new();
        let m: BTreeSet<Vec<u8>> = names.into_iter().map(member).collect();
        m.iter().for_each(|k| { z.insert(k, 0.0, &limits); });
        let (a, b) = (member(a), member(b));
        let min = if ex & 1 == 0 { LexBound::Inclusive(&a) } else { LexBound::Exclusive(&a) };
        let max = if ex & 2 == 0 { LexBound::Inclusive(&b) } else { LexBound::Exclusive(&b) };
        let low = |k: &Vec<u8>| if ex & 1 == 0 { *k >= a } else { *k > a };
        let high = |k: &Vec<u8>| if ex & 2 == 0 { *k <= b } else { *k < b };
        let got = |min, max| z.range(z.ranks_by_lex(min, max), false).map(|e| e.0.to_vec()).collect::<Vec<_>>();
        let want = |f: &dyn Fn(&Vec<u8>) -> bool| m.iter().filter(|k| f(k)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(got(min, max), want(&|k| low(k) && high(k)));
        prop_assert_eq!(got(min, LexBound::Highest), want(&low));
        prop_assert_eq!(got(LexBound::Lowest, max), want(&high));
        prop_assert_eq!(got(LexBound::Lowest, LexBound::Highest), want(&|_| true));
        prop_assert_eq!(got(LexBound::Highest, LexBound::Lowest), want(&|_| false));
    }
}

/// Several levels of inner nodes, growing in order and at random, then shrinking to nothing.
#[test]
fn many_members() {
    for sequential in [true, false] {
        let limits = Limits::default();
        let mut z = ZSet::new();
        let mut m = Model::new();
        for i in 0..40_000u64 {
            let n = if sequential { i } else { mix(i) % 1_000_000 };
            let k = format!("member{n}").into_bytes();
            z.insert(&k, n as f64, &limits);
            m.insert(k, n as f64);
        }
        let per_member = z.memory_usage() / m.len();
        assert!(per_member <= if sequential { 62 } else { 70 }, "{per_member}");
        check(&z, &m);
        let mut r = 7;
        while !m.is_empty() {
            r = mix(r);
            let (k, s) = z.remove_at(below(r, m.len())).unwrap();
            assert_eq!(m.remove(&k), Some(s));
            if m.len().is_multiple_of(8000) {
                check(&z, &m);
            }
        }
        assert_eq!(z.pop_min(), None);
        assert!(z.memory_usage() < 10_000, "{}", z.memory_usage());
    }
}

#[test]
fn drops_in_steps() {
    let mut z = ZSet::new();
    for i in 0..10_000u32 {
        z.insert(&i.to_le_bytes(), f64::from(i), &Limits::default());
    }
    let mut steps = 1;
    while !z.drop_some(100) {
        steps += 1;
    }
    assert!(steps >= 100, "{steps}");
}

/// What a copy shares stays what it was while members come, move and go.
#[test]
fn copies_stay_while_members_move() {
    let shared = |z: &ZSet, m: &Model| {
        let Some((n, members)) = z.shared_members() else { return assert_eq!(collect(z.iter()), ordered(m)) };
        assert_eq!(n, m.len());
        assert!(members.map(|(k, s)| (k.to_vec(), s)).collect::<Model>() == *m);
    };
    for seed in 0..3u64 {
        let limits = Limits::default();
        let mut z = ZSet::new();
        let mut m = Model::new();
        let mut copies: Vec<(ZSet, Model)> = Vec::new();
        let mut r = seed;
        for phase in 0..12 {
            r = mix(r);
            let growing = phase % 4 != 3;
            for _ in 0..below(r, 5000) {
                r = mix(r);
                let k = member((r >> 16) as u16 % 7000);
                match (growing, r % 8) {
                    (true, 0..=5) | (false, 0..=1) => {
                        let s = (r >> 40) as f64;
                        z.insert(&k, s, &limits);
                        m.insert(k, s);
                    }
                    (_, 6) => {
                        let popped = z.pop_min().map(|(k, _)| k);
                        assert!(popped.is_none_or(|k| m.remove(&k).is_some()));
                    }
                    _ => assert_eq!(z.remove(&k), m.remove(&k)),
                }
            }
            let cut = below(mix(r), 40);
            z.remove_ranks(0..cut, |k, _| assert!(m.remove(k).is_some()));
            check(&z, &m);
            if copies.len() == 2 {
                let (old, model) = copies.remove(0);
                shared(&old, &model);
            }
            copies.push((z.share(), m.clone()));
        }
        while z.pop_max().is_some() {}
        copies.iter().for_each(|(z, m)| shared(z, m));
    }
}
