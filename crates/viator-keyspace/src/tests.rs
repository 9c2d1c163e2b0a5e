use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn shard() -> (DbShard, HashSeed) {
    let seed = HashSeed::new(false, 1_000_000);
    (DbShard::new(seed.clone(), Default::default()), seed)
}

fn text(v: ValueRef<'_>) -> Vec<u8> {
    match v {
        ValueRef::Int(i) => i.to_string().into_bytes(),
        ValueRef::Str { bytes, .. } => bytes.to_vec(),
        ValueRef::Object(o) => o.as_str().unwrap().to_vec(),
    }
}

#[derive(Debug, Clone)]
enum Op {
    Put(u8, usize, Option<i64>, bool),
    Int(u8, i64),
    Keep(u8, usize),
    Remove(u8),
    Expire(u8, Option<i64>),
    Tick(i64),
    Compact(u64),
    Grow(u8, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![0usize..80, 0usize..3000];
    let when = prop::option::of(1_000_000i64..1_100_000);
    prop_oneof![
        4 => (any::<u8>(), len.clone(), when.clone(), any::<bool>()).prop_map(|(k, l, w, r)| Op::Put(k, l, w, r)),
        1 => (any::<u8>(), any::<i64>()).prop_map(|(k, v)| Op::Int(k, v)),
        1 => (any::<u8>(), len).prop_map(|(k, l)| Op::Keep(k, l)),
        2 => any::<u8>().prop_map(Op::Remove),
        2 => (any::<u8>(), when).prop_map(|(k, w)| Op::Expire(k, w)),
        1 => (1_000_000i64..1_100_000).prop_map(Op::Tick),
        1 => any::<u64>().prop_map(Op::Compact),
        1 => (any::<u8>(), 0usize..4000).prop_map(|(k, n)| Op::Grow(k, n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// The shard behaves as a map from keys to (value, expiry), and the index finds exactly the expired.
    #[test]
    fn behaves_as_a_map(ops in prop::collection::vec(op(), 1..300)) {
        let (mut db, seed) = shard();
        let mut model: HashMap<Vec<u8>, (Vec<u8>, Option<i64>)> = HashMap::new();
        for op in ops {
            match op {
                Op::Put(k, l, w, raw) => {
                    let (key, val) = (vec![b'k', k], vec![k; l]);
                    let e = w.map_or(Expiry::Clear, Expiry::At);
                    db.put(seed.locate(&key), &key, NewValue::Str { bytes: &val, raw }, e, 0);
                    model.insert(key, (val, w));
                }
                Op::Int(k, v) => {
                    let key = vec![b'k', k];
                    db.put(seed.locate(&key), &key, NewValue::Int(v), Expiry::Clear, 0);
                    model.insert(key, (v.to_string().into_bytes(), None));
                }
                Op::Keep(k, l) => {
                    let (key, val) = (vec![b'k', k], vec![k; l]);
                    db.put(seed.locate(&key), &key, NewValue::Str { bytes: &val, raw: false }, Expiry::Keep, 0);
                    let e = model.get(&key).and_then(|m| m.1);
                    model.insert(key, (val, e));
                }
                Op::Remove(k) => {
                    let key = vec![b'k', k];
                    let found = db.find(seed.locate(&key), &key);
                    prop_assert_eq!(found.is_some(), model.remove(&key).is_some());
                    if let Some(h) = found {
                        db.remove(seed.locate(&key), h);
                    }
                }
                Op::Expire(k, w) => {
                    let key = vec![b'k', k];
                    if let Some(h) = db.find(seed.locate(&key), &key) {
                        db.set_expire(seed.locate(&key), h, w);
                        if let Some(m) = model.get_mut(&key) { m.1 = w; }
                    }
                }
                Op::Tick(now) => {
                    // the index may be late by a tick, never early, and never misses
                    let mut got = db.expired(now, 1_000_000);
                    got.sort();
                    got.dedup(); // a key whose expiry changed may be named twice
                    for key in &got {
                        prop_assert!(model.get(key).is_some_and(|m| m.1.is_some_and(|w| w <= now)));
                        let loc = seed.locate(key);
                        if let Some(h) = db.find(loc, key) { db.remove(loc, h); }
                        model.remove(key);
                    }
                    prop_assert!(model.values().all(|m| m.1.is_none_or(|w| w > now - 250)));
                }
                Op::Compact(r) => { db.compact(r); }
                Op::Grow(k, n) => {
                    let key = vec![b'k', k];
                    let found = db.find(seed.locate(&key), &key);
                    if let Some(s) = found.and_then(|h| db.object_mut(h)).and_then(Object::as_str_mut) {
                        std::sync::Arc::make_mut(s).resize(n, k);
                        if let Some(m) = model.get_mut(&key) { m.0 = vec![k; n]; }
                    }
                }
            }
            prop_assert_eq!(db.len(), model.len());
            prop_assert_eq!(db.expires(), model.values().filter(|m| m.1.is_some()).count());
        }
        for (key, (val, e)) in &model {
            let h = db.find(seed.locate(key), key).unwrap();
            let got = db.get(h);
            prop_assert_eq!(&text(got.value), val);
            prop_assert_eq!(got.expire, *e);
        }
        let mut sizes = std::collections::BTreeMap::new();
        for (val, _) in model.values() {
            *sizes.entry(if val.is_empty() { 0 } else { 1u64 << val.len().ilog2() }).or_insert(0) += 1;
        }
        prop_assert!(db.sizes().steps(Type::String).eq(sizes), "{:?}", db.sizes());
        let mut seen = 0;
        for i in 0..SLOTS_PER_SHARD {
            let mut from = 0;
            while let Some(next) = db.scan_slot(i, from, 1, |_| seen += 1) {
                from = next;
            }
        }
        // keys of one shard only: the test puts all keys into one DbShard, by their slot's index
        prop_assert_eq!(seen, model.len());
    }
}

#[test]
fn locks_of_a_footprint_are_the_shards_it_names() {
    let ks: Keyspace<()> = Keyspace::new(2, HashSeed::new(false, 0));
    let mut g = ks.lock(Footprint(1 << 3 | 1 << 40));
    g.shard(3).db_or_new(0);
    g.shard(40).db_or_new(1);
    assert_eq!(g.iter_mut().map(|(n, _)| n).collect::<Vec<_>>(), [3, 40]);
    assert_eq!(ks.lock(Footprint(1)).iter_mut().map(|(n, _)| n).collect::<Vec<_>>(), [0]);
}

#[test]
fn memory_per_small_key_is_what_the_design_counts() {
    let (mut db, seed) = shard();
    for i in 0..20_000 {
        let key = format!("key:{i:012}");
        db.put(
            seed.locate(key.as_bytes()),
            key.as_bytes(),
            NewValue::Str { bytes: &[b'x'; 64], raw: false },
            Expiry::Clear,
            0,
        );
    }
    let per_key = (db.overhead_bytes() + db.arena_bytes()) as f64 / db.len() as f64;
    assert!(per_key < 102.0, "{per_key} bytes per key of 16 bytes with a value of 64");
}
