use super::*;
use crate::hashing::mix;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn encodings_follow_redis() {
    let l = Limits { listpack_entries: 3, listpack_value: 4 };
    let mut h = Hash::new();
    for (i, f) in ["a", "b", "c"].iter().enumerate() {
        assert!(h.set(f.as_bytes(), i.to_string().as_bytes(), Ttl::Clear, &l).created);
    }
    assert_eq!(h.encoding().name(), "listpack");
    assert_eq!(h.set_expire(b"b", 50), Some(None));
    assert_eq!(h.encoding().name(), "listpackex");
    assert_eq!(h.set_expire(b"x", 50), None);
    assert!(h.set(b"d", b"9", Ttl::Clear, &l).created);
    assert_eq!((h.encoding().name(), h.min_expire()), ("hashtable", Some(50)));
    let mut h = Hash::new();
    h.set(b"a", b"12345", Ttl::Keep, &l);
    assert_eq!(h.encoding(), Encoding::Hashtable);
    let mut h = Hash::new();
    h.expect(4, 1, 8, &l);
    assert_eq!(h.encoding(), Encoding::Hashtable);
}

/// The order Redis keeps: by time, of equal times the last given first, fields without one last.
#[test]
fn listpackex_is_in_the_order_of_time() {
    let l = Limits::default();
    let mut h = Hash::new();
    for f in ["a", "b", "c", "d", "e"] {
        h.set(f.as_bytes(), b"1", Ttl::Clear, &l);
    }
    for (f, at) in [("d", 30), ("b", 20), ("e", 30), ("a", 20)] {
        assert_eq!(h.set_expire(f.as_bytes(), at), Some(None));
    }
    let order = |h: &Hash| h.iter().map(|f| String::from_utf8(f.name.to_vec()).unwrap()).collect::<String>();
    assert_eq!(order(&h), "abedc");
    h.set(b"b", b"2", Ttl::Clear, &l);
    assert_eq!(order(&h), "aedcb");
    h.set(b"a", b"2", Ttl::Keep, &l);
    assert_eq!((order(&h).as_str(), h.min_expire()), ("aedcb", Some(20)));
    assert_eq!(h.set_expire(b"a", 0), Some(Some(20)));
    assert_eq!(order(&h), "edcba");
    assert_eq!(h.set_expire(b"d", 30), Some(Some(30)));
    assert_eq!(order(&h), "decba");
}

fn text(n: u8) -> Vec<u8> {
    match n % 3 {
        0 => n.to_string().into_bytes(),
        1 => format!("f{n}").into_bytes(),
        _ => vec![b'x'; usize::from(n)],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn behaves_like_a_map(ops in proptest::collection::vec((0u8..12, 0u8..60, any::<u8>(), 0u64..20), 1..200), small: bool) {
        let limits = if small { Limits { listpack_entries: 8, listpack_value: 64 } }
            else { Limits { listpack_entries: 512, listpack_value: 1000 } };
        let mut h = Hash::new();
        let mut m: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)> = BTreeMap::new();
        for (op, f, v, t) in ops {
            let (f, v) = (text(f), text(v));
            let old = m.get(&f).cloned();
            match op {
                0..=4 => {
                    let ttl = match op { 0 => Ttl::At(t), 1 | 2 => Ttl::Keep, _ => Ttl::Clear };
                    let got = h.set(&f, &v, ttl, &limits);
                    let before = old.as_ref().and_then(|o| o.1);
                    prop_assert_eq!(got, SetOutcome { created: old.is_none(), previous_expire: before });
                    let expire = match ttl { Ttl::At(t) => some(t), Ttl::Keep => before, Ttl::Clear => None };
                    m.insert(f, (v, expire));
                }
                5..=6 => prop_assert_eq!(h.remove(&f), m.remove(&f).is_some()),
                7..=8 => {
                    prop_assert_eq!(h.set_expire(&f, t), old.map(|o| o.1));
                    if let Some(o) = m.get_mut(&f) { o.1 = some(t); }
                }
                9 => {
                    let limit = usize::from(v.len() as u8 % 4);
                    let mut gone = Vec::new();
                    let n = h.take_expired(t, limit, |f| gone.push(f.to_vec()));
                    let expired = m.values().filter(|o| o.1.is_some_and(|e| e < t)).count();
                    prop_assert_eq!((n, gone.len()), (expired.min(limit), expired.min(limit)));
                    for f in gone { prop_assert!(m.remove(&f).unwrap().1.unwrap() < t); }
                }
                _ => {
                    let got = h.get(&f);
                    prop_assert_eq!(got.map(|g| (g.value.to_vec(), g.expire)), old);
                    prop_assert!(got.is_none_or(|g| g.name.eq_bytes(&f)));
                }
            }
            prop_assert_eq!(h.len(), m.len());
            prop_assert_eq!(h.min_expire(), m.values().filter_map(|o| o.1).min());
            prop_assert_eq!(h.expiring_len(), m.values().filter(|o| o.1.is_some()).count());
        }
        let got: BTreeMap<_, _> = h.iter().map(|f| (f.name.to_vec(), (f.value.to_vec(), f.expire))).collect();
        prop_assert_eq!(h.iter().count(), m.len());
        prop_assert_eq!(&got, &m);
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = h.scan(cursor, 5, |f| { seen.insert(f.name.to_vec()); });
            if cursor == 0 { break }
        }
        prop_assert!(seen.iter().eq(m.keys()));
        for i in 0..5 {
            prop_assert_eq!(h.random(mix(i)).map(|f| m.contains_key(&f.name.to_vec())), (!m.is_empty()).then_some(true));
        }
    }
}

#[test]
fn expired_after_its_millisecond() {
    let mut h = Hash::new();
    h.set(b"a", b"1", Ttl::At(100), &Limits::default());
    assert_eq!(h.get_live(b"a", 100), Some(Entry::Int(1)));
    assert_eq!(h.get_live(b"a", 101), None);
    assert_eq!(h.take_expired(100, 10, |_| ()), 0);
    assert_eq!(h.take_expired(101, 10, |_| ()), 1);
}

/// A copy to read from stays what it was while fields come, change, expire and go.
#[test]
fn copies_stay_while_fields_come_and_expire() {
    type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;
    let fields = |h: &Hash| -> Model { h.iter().map(|f| (f.name.to_vec(), (f.value.to_vec(), f.expire))).collect() };
    let l = Limits::default();
    for seed in 0..3u64 {
        let mut h = Hash::new();
        let mut m = Model::new();
        let mut copies: Vec<(Hash, Model)> = Vec::new();
        let (mut r, mut now) = (seed, 0);
        for _ in 0..10 {
            r = mix(r);
            for _ in 0..below(r, 8000) {
                r = mix(r);
                let f = ((r >> 20) % 9000).to_string().into_bytes();
                match r % 16 {
                    0..=8 => {
                        h.set(&f, b"value", Ttl::Clear, &l);
                        m.insert(f, (b"value".to_vec(), None));
                    }
                    9..=11 => {
                        let at = now + 1 + (r >> 40) % 500;
                        h.set_expire(&f, at);
                        m.entry(f).and_modify(|o| o.1 = Some(at));
                    }
                    12..=14 => assert_eq!(h.remove(&f), m.remove(&f).is_some()),
                    _ => {
                        now += 1;
                        let gone = h.take_expired(now, 100, |f| assert!(m.remove(f).is_some()));
                        assert!(gone == 100 || m.values().all(|o| o.1.is_none_or(|at| at >= now)));
                    }
                }
            }
            assert!(fields(&h) == m && h.len() == m.len());
            if copies.len() == 2 {
                let (old, model) = copies.remove(0);
                assert!(fields(&old) == model && old.len() == model.len());
            }
            copies.push((h.share(), m.clone()));
        }
        h.take_expired(u64::MAX, usize::MAX, |_| ());
        assert_eq!(h.len(), m.values().filter(|o| o.1.is_none()).count());
        for (old, model) in copies {
            assert!(fields(&old) == model);
            assert_eq!(old.min_expire(), model.values().filter_map(|o| o.1).min());
        }
    }
}
