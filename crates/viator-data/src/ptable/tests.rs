use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Op {
    Set(u16, usize, u64),
    Insert(u16, usize, u64),
    Remove(u16),
    Scan,
}

fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![0usize..40, 0usize..40, 150usize..260, Just(5000usize)];
    let ttl = prop_oneof![Just(0u64), 1u64..5];
    prop_oneof![
        4 => (0u16..300, size.clone(), ttl.clone()).prop_map(|(k, v, t)| Op::Set(k, v, t)),
        3 => (0u16..300, size, ttl).prop_map(|(k, v, t)| Op::Insert(k, v, t)),
        4 => (0u16..300).prop_map(Op::Remove),
        1 => Just(Op::Scan),
    ]
}

/// Keys of all lengths: some too long for a bucket.
fn key(k: u16) -> Vec<u8> {
    let len = match k % 10 {
        0 => 130,
        1 => 0,
        2 => 126,
        3 => 127,
        _ => 3,
    };
    let mut v = k.to_string().into_bytes();
    v.resize(v.len() + len, b'k');
    v
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn behaves_like_a_map(ops in proptest::collection::vec(op(), 1..400)) {
        let mut t = PackedTable::new();
        let mut m: BTreeMap<Vec<u8>, (Vec<u8>, u64)> = BTreeMap::new();
        for op in ops {
            match op {
                Op::Set(k, v, e) => {
                    let (k, v) = (key(k), vec![b'v'; v]);
                    let want = m.insert(k.clone(), (v.clone(), e)).map_or(Was::Absent, |o| Was::Present(o.1));
                    prop_assert_eq!(t.set(&k, &v, e), want);
                }
                Op::Insert(k, v, e) => {
                    let (k, v) = (key(k), vec![b'v'; v]);
                    let new = !m.contains_key(&k);
                    prop_assert_eq!(t.insert(&k, &v, e), new);
                    if new { m.insert(k, (v, e)); }
                }
                Op::Remove(k) => {
                    let k = key(k);
                    prop_assert_eq!(t.remove(&k), m.remove(&k).map(|o| o.1));
                }
                Op::Scan => {
                    let mut seen = BTreeSet::new();
                    let mut cursor = 0;
                    loop {
                        cursor = t.scan(cursor, |r| { seen.insert(r.key.to_vec()); });
                        if cursor == 0 { break }
                    }
                    prop_assert!(seen.iter().eq(m.keys()));
                }
            }
            prop_assert_eq!(t.len(), m.len());
        }
        for (k, (v, e)) in &m {
            prop_assert_eq!(t.get(k), Some(Record { key: k, value: v, expire: *e }));
        }
        prop_assert_eq!(t.iter().count(), m.len());
        let heap: usize = t.buckets.iter().map(Bucket::heap).sum();
        prop_assert_eq!(t.bytes, heap);
        prop_assert!(t.counts.iter().map(|n| usize::from(*n)).eq(t.buckets.iter().map(Bucket::len)));
    }
}

/// What is there all along is seen by a scan, however the table grows and shrinks meanwhile.
#[test]
fn scans_survive_growing_and_shrinking() {
    for round in 0..40u64 {
        let mut t = PackedTable::new();
        let keep: Vec<Vec<u8>> = (0..200).map(|i| format!("keep{i}").into_bytes()).collect();
        keep.iter().for_each(|k| assert!(t.insert(k, b"", 0)));
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        let mut r = round;
        let mut others = 0..0u64;
        loop {
            cursor = t.scan(cursor, |rec| {
                seen.insert(rec.key.to_vec());
            });
            if cursor == 0 {
                break;
            }
            r = mix(r);
            for _ in 0..r % 300 {
                if r & 1 << 40 == 0 {
                    t.insert(format!("other{}", others.end).as_bytes(), b"", 0);
                    others.end += 1;
                } else if let Some(i) = others.next() {
                    assert!(t.remove(format!("other{i}").as_bytes()).is_some());
                }
            }
        }
        assert!(keep.iter().all(|k| seen.contains(k)), "round {round}");
    }
}

/// Every record is chosen about equally often.
#[test]
fn random_is_fair() {
    let mut t = PackedTable::new();
    for i in 0..500u32 {
        t.insert(&i.to_le_bytes(), b"", 0);
    }
    let mut hits = [0u32; 500];
    for i in 0..100_000u64 {
        let key: [u8; 4] = t.random(mix(i)).unwrap().key.try_into().unwrap();
        hits[u32::from_le_bytes(key) as usize] += 1;
    }
    assert!(hits.iter().all(|&h| (120..290).contains(&h)), "{hits:?}");
}

#[test]
fn shrinks_and_drops_in_steps() {
    let mut t = PackedTable::new();
    for i in 0..20_000u32 {
        t.insert(&i.to_le_bytes(), b"0123456789", 0);
    }
    let full = t.memory_usage();
    assert!(full < 20_000 * 26, "{}", full / 20_000);
    for i in 0..19_990u32 {
        t.remove(&i.to_le_bytes()).unwrap();
    }
    assert!(t.memory_usage() < full / 100, "{} of {full}", t.memory_usage());
    for i in 0..20_000u32 {
        t.insert(&i.to_le_bytes(), b"0123456789", 0);
    }
    let mut steps = 1;
    while !t.drop_some(100) {
        steps += 1;
    }
    assert!(steps > 20, "{steps}");
}

/// Copies stay what they were while the table grows, shrinks and is emptied over many pages, and so does the table.
#[test]
fn copies_stay_while_the_table_changes() {
    type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;
    let check = |t: &PackedTable, m: &Model| {
        assert_eq!(t.len(), m.len());
        let all: Model = t.iter().map(|r| (r.key.to_vec(), (r.value.to_vec(), r.expire))).collect();
        assert!(all == *m);
        assert!(m.keys().all(|k| t.contains(k)));
        assert_eq!(t.bytes, t.buckets.iter().map(Bucket::heap).sum::<usize>());
        assert!(t.counts.iter().map(|n| usize::from(*n)).eq(t.buckets.iter().map(Bucket::len)));
    };
    for seed in 0..4u64 {
        let mut t = PackedTable::new();
        let mut m = Model::new();
        let mut copies: Vec<(PackedTable, Model)> = Vec::new();
        let mut r = seed;
        for phase in 0..14u64 {
            r = mix(r);
            let (growing, steps) = ((phase + seed) % 4 != 3, below(mix(r), 9000));
            for _ in 0..steps {
                r = mix(r);
                let k = format!("{}", (r >> 24) % 12_000).into_bytes();
                let v = vec![b'v'; if r & 0xff00 == 0 { 300 } else { (r >> 40) as usize % 30 }];
                let expire = (r >> 60).saturating_sub(12);
                match (growing, r % 8) {
                    (true, 0..=4) | (false, 0) => {
                        t.set(&k, &v, expire);
                        m.insert(k, (v, expire));
                    }
                    (true, 5) | (false, 1..=5) => assert_eq!(t.remove(&k), m.remove(&k).map(|o| o.1)),
                    _ => {
                        let popped = t.pop(r);
                        assert_eq!(popped.is_none(), m.is_empty());
                        assert!(popped.is_none_or(|k| m.remove(&k).is_some()));
                    }
                }
            }
            check(&t, &m);
            if copies.len() == 2 {
                let (old, model) = copies.remove(0);
                check(&old, &model);
            }
            copies.push((t.share(), m.clone()));
        }
        while let Some(k) = t.pop(r) {
            r = mix(r);
            m.remove(&k);
        }
        check(&t, &m);
        // a copy may be changed as well
        for (mut copy, mut model) in copies {
            check(&copy, &model);
            for i in 0..6000u64 {
                let k = (mix(i) % 9000).to_string().into_bytes();
                copy.set(&k, b"new", 0);
                model.insert(k, (b"new".to_vec(), 0));
            }
            check(&copy, &model);
        }
    }
}
