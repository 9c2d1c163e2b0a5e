use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use viator_data::hash::{Hash, Limits, Ttl};

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

#[derive(Debug, Clone)]
enum HashOp {
    New(u8, usize, bool),
    Set(u8, u8, usize),
    ExpireField(u8, u8, Option<u16>),
    RemoveField(u8, u8),
    Expire(u8, Option<i64>),
    Replace(u8, usize),
    Remove(u8),
    Compact(u64),
}

fn hash_op() -> impl Strategy<Value = HashOp> {
    let len = || prop_oneof![4 => 0usize..20, 1 => 0usize..400];
    let when = prop::option::of(1_000_000i64..1_100_000);
    let key = || 0u8..6;
    prop_oneof![
        2 => (key(), len(), any::<bool>()).prop_map(|(k, l, long)| HashOp::New(k, l, long)),
        8 => (key(), any::<u8>(), len()).prop_map(|(k, f, l)| HashOp::Set(k, f % 20, l)),
        2 => (key(), any::<u8>(), prop::option::of(1u16..)).prop_map(|(k, f, w)| HashOp::ExpireField(k, f % 20, w)),
        3 => (key(), any::<u8>()).prop_map(|(k, f)| HashOp::RemoveField(k, f % 20)),
        2 => (key(), when).prop_map(|(k, w)| HashOp::Expire(k, w)),
        1 => (key(), len()).prop_map(|(k, l)| HashOp::Replace(k, l)),
        1 => key().prop_map(HashOp::Remove),
        1 => any::<u64>().prop_map(HashOp::Compact),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Collections that grow and shrink, within their entries and out of them, are what they were made.
    #[test]
    fn hashes_are_what_they_were_made(ops in prop::collection::vec(hash_op(), 1..200), look in any::<u64>()) {
        let free = Arc::new(AtomicI64::new(0));
        let seed = HashSeed::new(false, 1_000_000);
        let mut db = DbShard::new(seed.clone(), free.clone());
        let limits = Limits { listpack_entries: 16, listpack_value: 300 };
        let mut model: BTreeMap<u8, Made> = BTreeMap::new();
        // one key is too long for its value to be in the entry
        let name = |k: u8| vec![k; if k == 5 { 300 } else { 7 }];
        let mut saved: Option<(Arc<Saved>, BTreeMap<u8, Made>)> = None;
        for (n, op) in ops.into_iter().enumerate() {
            if look % 200 == n as u64 {
                let to = Arc::new(Saved::default());
                db.begin_saving(0, &(to.clone() as Arc<dyn Saver>));
                saved = Some((to, model.clone()));
            }
            let with = |l: usize| {
                let mut hash = Hash::new();
                hash.set(b"f", &vec![b'v'; l], Ttl::Clear, &limits);
                (NewValue::Object(Box::new(hash.into_object())), Fields::from([(b"f".to_vec(), (vec![b'v'; l], None))]))
            };
            match op {
                HashOp::New(k, l, other) => {
                    let (value, fields) = with(l);
                    let key = name(k);
                    let when = other.then_some(1_050_000);
                    db.put(seed.locate(&key), &key, value, when.map_or(Expiry::Clear, Expiry::At), 0);
                    model.insert(k, (fields, when));
                }
                HashOp::Set(k, f, l) => {
                    let key = name(k);
                    let loc = seed.locate(&key);
                    let h = match db.seek_to_change(loc, &key) {
                        Some(h) => h,
                        None => {
                            model.insert(k, Made::default());
                            db.insert_changing(loc, &key, Hash::new().into_object(), 0)
                        }
                    };
                    let hash = Hash::of_mut(db.object_mut(h).unwrap()).unwrap();
                    hash.set(&[f], &vec![f; l], Ttl::Clear, &limits);
                    model.get_mut(&k).unwrap().0.insert(vec![f], (vec![f; l], None));
                }
                HashOp::ExpireField(k, f, when) => {
                    let key = name(k);
                    let Some(h) = db.seek_to_change(seed.locate(&key), &key) else { continue };
                    let when = when.map_or(0, u64::from);
                    let was = Hash::of_mut(db.object_mut(h).unwrap()).unwrap().set_expire(&[f], when);
                    let field = model.get_mut(&k).unwrap().0.get_mut(&vec![f]);
                    prop_assert_eq!(was, field.as_ref().map(|f| f.1));
                    if let Some(f) = field { f.1 = (when > 0).then_some(when); }
                }
                HashOp::RemoveField(k, f) => {
                    let key = name(k);
                    let Some(h) = db.find(seed.locate(&key), &key) else { continue };
                    let was = Hash::of_mut(db.object_mut(h).unwrap()).unwrap().remove(&[f]);
                    prop_assert_eq!(was, model.get_mut(&k).unwrap().0.remove(&vec![f]).is_some());
                }
                HashOp::Expire(k, w) => {
                    let key = name(k);
                    let Some(h) = db.find(seed.locate(&key), &key) else { continue };
                    db.set_expire(seed.locate(&key), h, w);
                    model.get_mut(&k).unwrap().1 = w;
                }
                HashOp::Replace(k, l) => {
                    let key = name(k);
                    let Some(h) = db.find(seed.locate(&key), &key) else { continue };
                    let (value, fields) = with(l);
                    db.replace(seed.locate(&key), h, &key, value, Expiry::Keep, 0);
                    model.get_mut(&k).unwrap().0 = fields;
                }
                HashOp::Remove(k) => {
                    let key = name(k);
                    let found = db.find(seed.locate(&key), &key);
                    prop_assert_eq!(found.is_some(), model.remove(&k).is_some());
                    if let Some(h) = found { db.remove(seed.locate(&key), h); }
                }
                HashOp::Compact(r) => { db.compact(r); }
            }
            let k = (look >> (n % 50)) as u8 % 6;
            let key = name(k);
            let found = db.find(seed.locate(&key), &key).map(|h| db.get(h));
            prop_assert_eq!(found.map(|e| (fields_of(e.value), e.expire)), model.get(&k).cloned());
        }
        let mut sizes = BTreeMap::new();
        for (fields, _) in model.values() {
            *sizes.entry(if fields.is_empty() { 0 } else { 1u64 << fields.len().ilog2() }).or_insert(0) += 1;
        }
        prop_assert!(db.sizes().steps(Type::Hash).eq(sizes), "{:?}", db.sizes());
        let first = |fields: &Fields| fields.values().filter_map(|f| f.1).min();
        prop_assert_eq!(db.expiring_hashes(), model.values().filter(|m| first(&m.0).is_some()).count());
        let mut due = db.fields_due(40_000, 100);
        due.sort();
        due.dedup();
        let mut want: Vec<_> = model.iter().filter(|(_, m)| first(&m.0).is_some_and(|at| at < 40_000)).map(|(k, _)| name(*k)).collect();
        want.sort();
        prop_assert_eq!(due, want);
        let mut seen = BTreeMap::new();
        db.for_each(|e| { seen.insert(e.key[0], (fields_of(e.value), e.expire)); });
        prop_assert_eq!(&seen, &model);
        if let Some((to, model)) = saved {
            let mut got = std::mem::take(&mut *to.0.lock());
            while !db.save_some(1, |_, c| { got.push(to.take(c)); 1 }) {}
            prop_assert_eq!(got.len(), model.len());
            prop_assert_eq!(got.into_iter().collect::<BTreeMap<_, _>>(), model);
        }
        prop_assert_eq!(free.load(Ordering::Relaxed), db.free_bytes() as i64);
        drop(db);
        prop_assert_eq!(free.load(Ordering::Relaxed), 0);
    }
}

type Fields = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

/// The fields of a hash, and when the key expires.
type Made = (Fields, Option<i64>);

fn fields_of(value: ValueRef<'_>) -> Fields {
    let ValueRef::Object(o) = value else { panic!("a hash") };
    Hash::of(o).unwrap().iter().map(|f| (f.name.to_vec(), (f.value.to_vec(), f.expire))).collect()
}

/// What a snapshot got: the first byte of each key, the fields, the expiry.
#[derive(Default)]
struct Saved(Mutex<Vec<(u8, Made)>>);

impl Saved {
    fn take(&self, c: Captured<'_>) -> (u8, Made) {
        let value = c.copy.as_deref().map_or(c.entry.value, ValueRef::Object);
        (c.entry.key[0], (fields_of(value), c.entry.expire))
    }
}

impl Saver for Saved {
    fn save(&self, _: usize, c: Captured<'_>) {
        let taken = self.take(c);
        self.0.lock().push(taken);
    }

    fn adopt(&self, _: Box<DbShard>) {}
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
