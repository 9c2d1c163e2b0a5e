use crate::*;
use proptest::prelude::*;
use std::sync::Arc;
use viator_data::hash::{Hash, Ttl};
use viator_data::list::{self, End, List};
use viator_data::set::Set;
use viator_data::stream::{Stream, StreamId};
use viator_data::zset::ZSet;
use viator_data::{lzf, num};
use viator_keyspace::{Content, Object, ValueRef};

fn dump(value: ValueRef<'_>) -> Vec<u8> {
    let mut c = lzf::Compressor::new();
    let mut w = Writer::new(Some(&mut c));
    w.value(value);
    w.finish_payload()
}

fn limits() -> Limits {
    Limits { distinct: true, ..Limits::default() }
}

fn load(payload: &[u8]) -> Result<Loaded, Fault> {
    Reader::of_payload(payload, true)?.value(&limits())
}

fn text(loaded: Result<Loaded, Fault>) -> Result<Vec<u8>, Fault> {
    Ok(match loaded? {
        Loaded::Int(n) => n.to_string().into_bytes(),
        Loaded::Str(s) => s,
        Loaded::Object(o) => o.as_str().unwrap().to_vec(),
    })
}

/// Payloads that Redis 8.2 gives.
#[test]
fn payloads_are_those_of_redis() {
    assert_eq!(dump(ValueRef::Int(2)), b"\x00\xc0\x02\x0c\x00D\xd4\x84|\x02\xfe\xe0\x82");
    let hello = ValueRef::Str { bytes: b"hello", raw: true };
    assert_eq!(dump(hello), b"\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC");
    assert_eq!(text(load(b"\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC")), Ok(b"hello".into()));
    assert_eq!(text(load(b"\x00\x05hellp\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC")), Err(Fault::Footer));
    let list = load(b"\x12\x01\x02\n\n\x00\x00\x00\x01\x00\x81a\x02\xff\x0c\x00\xc2\xcf\xd95n\xf4G\xdc").unwrap();
    assert_eq!(elements(list), [b"a".to_vec()]);
}

#[test]
fn content_is_checked() {
    for content in [
        &b""[..],
        b"\x00",
        b"\x00\x05abc",
        b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x82",
        b"\x00\xc4",
        b"\x00\xc2\x01",
        b"\x00\xc3\x04\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x00a\x00b",
        b"\xfe\x00",
        // duplicates
        b"\x02\x02\x01a\x01a",
        b"\x14\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81a\x02\xff",
        // no elements
        b"\x01\x00",
        b"\x10\x07\x07\x00\x00\x00\x00\x00\xff",
        // a field without a value
        b"\x10\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff",
        // a score that is no number
        b"\x11\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff",
        b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f",
        // a huge length
        b"\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
        b"\x07\x81\x64\x18\x90\x5f\x5c\x40\x54\x01\x00",
    ] {
        assert!(Reader::of_bytes(content).value(&limits()).is_err(), "{content:?}");
    }
}

/// The elements of a value, in an order that does not depend on its encoding.
fn elements(loaded: Loaded) -> Vec<Vec<u8>> {
    let Loaded::Object(o) = loaded else { panic!("no object") };
    let mut all = Vec::new();
    let mut ordered = false;
    match &*o {
        Object::Str(_) => panic!("a string"),
        Object::List(l) => {
            l.for_each(|e| all.push(e.to_vec()));
            ordered = true;
        }
        Object::Set(s) => all.extend(s.iter().map(|e| e.to_vec())),
        Object::Zset(z) => all.extend(z.iter().map(|(m, s)| [m.to_vec(), s.to_string().into_bytes()].concat())),
        Object::Hash(h) => all.extend(
            h.iter().map(|f| [f.name.to_vec(), f.value.to_vec(), format!("{:?}", f.expire).into_bytes()].concat()),
        ),
        Object::Stream(_) => return vec![dump(ValueRef::Object(&o))],
    }
    if !ordered {
        all.sort();
    }
    all
}

fn comes_back(content: impl Content + Clone) {
    let object = content.clone().into_object();
    let loaded = load(&dump(ValueRef::Object(&object))).unwrap();
    let Loaded::Object(back) = &loaded else { panic!("no object") };
    assert_eq!(back.encoding(), object.encoding());
    assert_eq!(back.len(), object.len());
    assert_eq!(elements(loaded), elements(Loaded::Object(Box::new(object))));
}

#[test]
fn streams_come_back() {
    let mut s = Stream::new();
    for i in 1..300u64 {
        s.append(StreamId::new(i, 0), &[&b"name"[..], b"value", b"n", i.to_string().as_bytes()], &Default::default())
            .unwrap();
    }
    s.delete(StreamId::new(17, 0));
    s.create_group(b"g", StreamId::new(10, 0), Some(10));
    s.create_group(b"h", StreamId::MIN, None);
    let (_, g) = s.group_mut(b"g").unwrap();
    g.create_consumer(b"idle", 7);
    g.assign(StreamId::new(3, 0), b"c", 1000, 2);
    g.assign(StreamId::new(4, 0), b"d", 1001, 1);
    g.touch_consumer(b"c", 1002, Some(1001));
    comes_back(s);
    comes_back(Stream::new());
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (0i64..300).prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(0u8..2, 50..90),
    ]
}

proptest! {
    #[test]
    fn integers_come_back(n: i64, shift in 0u32..64) {
        let n = n >> shift;
        prop_assert_eq!(text(load(&dump(ValueRef::Int(n)))), Ok(n.to_string().into_bytes()));
        let text = n.to_string();
        prop_assert_eq!(dump(ValueRef::Str { bytes: text.as_bytes(), raw: true }), dump(ValueRef::Int(n)));
    }

    #[test]
    fn strings_come_back(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(0u8..2, 0..20000),
    ]) {
        let payload = dump(ValueRef::Str { bytes: &bytes, raw: false });
        prop_assert_eq!(&dump(ValueRef::Object(&Object::Str(Arc::new(bytes.clone())))), &payload);
        let loaded = load(&payload).unwrap();
        prop_assert_eq!(matches!(loaded, Loaded::Int(_)), num::parse_i64(&bytes).is_some());
        prop_assert_eq!(text(Ok(loaded)), Ok(bytes));
    }

    #[test]
    fn collections_come_back(members in prop::collection::vec(member(), 1..60), more in 0usize..700, expires: bool) {
        let mut list = List::new();
        let mut set = Set::for_first(&members[0], 1, &Default::default());
        let mut zset = ZSet::new();
        let mut hash = Hash::new();
        let all = members.iter().cloned().chain((0..more).map(|i| i.to_string().into_bytes()));
        for (i, m) in all.enumerate() {
            list.push(End::Back, &[&m], &list::Limits { fill: -1, compress_depth: 1 });
            set.add(&m, &Default::default());
            zset.insert(&m, [0.5, -3.0, f64::INFINITY, 1e100][i % 4], &Default::default());
            let ttl = if expires && i % 3 == 0 { Ttl::At(1_800_000_000_000 + i as u64) } else { Ttl::Clear };
            hash.set(&m, &m, ttl, &Default::default());
        }
        comes_back(list);
        comes_back(set);
        comes_back(zset);
        comes_back(hash);
    }

    #[test]
    fn anything_is_an_error_or_a_value(kind in 0u8..27, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let content = [&[kind][..], &bytes].concat();
        if let Ok(Loaded::Object(o)) = Reader::of_bytes(&content).value(&limits()) {
            prop_assert!(o.len() <= 300 * 60);
        }
    }

    /// A payload with bytes changed is refused, or gives something that is whole.
    #[test]
    fn changed_payloads_do_no_harm(members in prop::collection::vec(member(), 1..20), which in 0u8..5,
                                   changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let l = Default::default();
        let object = match which {
            0 => { let mut x = List::new(); x.push(End::Back, &members, &list::Limits::default()); x.into_object() }
            1 => { let mut x = Set::for_first(&members[0], 1, &l); members.iter().for_each(|m| { x.add(m, &l); }); x.into_object() }
            2 => { let mut x = ZSet::new(); members.iter().for_each(|m| { x.insert(m, 1.5, &Default::default()); }); x.into_object() }
            3 => { let mut x = Hash::new(); members.iter().for_each(|m| { x.set(m, m, Ttl::At(1 << 40), &Default::default()); }); x.into_object() }
            _ => {
                let mut x = Stream::new();
                for (i, m) in members.iter().enumerate() { x.append(StreamId::new(1 + i as u64, 0), &[m, m], &Default::default()).unwrap(); }
                x.create_group(b"g", StreamId::new(1, 0), Some(1));
                x.group_mut(b"g").unwrap().1.assign(StreamId::new(1, 0), b"c", 5, 1);
                x.into_object()
            }
        };
        let mut w = Writer::new(None);
        w.value(ValueRef::Object(&object));
        let mut bytes = w.finish();
        for (at, b) in changes {
            let at = at.index(bytes.len());
            bytes[at] = b;
        }
        if let Ok(Loaded::Object(o)) = Reader::of_bytes(&bytes).value(&limits()) {
            if !matches!(*o, Object::Str(_)) {
                elements(Loaded::Object(o.clone()));
            }
            let mut w = Writer::new(None);
            w.value(ValueRef::Object(&o));
            Reader::of_bytes(&w.finish()).value(&limits()).unwrap();
        }
    }
}

/// What Redis's own tools made of old versions' structures.
#[test]
fn old_encodings_are_read() {
    // ziplist of "a", 1, "bb", -1, 300, 2^40
    let mut z = vec![0; 10];
    z.extend(b"\x00\x01a\x03\xf2\x02\x02bb\x04\xfe\xff\x03\xc0\x2c\x01\x04\xe0\x00\x00\x00\x00\x00\x01\x00\x00\xff");
    let (len, tail) = (z.len() as u32, z.len() as u32 - 11);
    z[..4].copy_from_slice(&len.to_le_bytes());
    z[4..8].copy_from_slice(&tail.to_le_bytes());
    z[8] = 6;
    let content = [&[types::LIST_ZIPLIST, len as u8][..], &z].concat();
    let list = Reader::of_bytes(&content).value(&limits()).unwrap();
    assert_eq!(elements(list), [&b"a"[..], b"1", b"bb", b"-1", b"300", b"1099511627776"]);
    let content = [&[types::LIST_QUICKLIST, 2, len as u8][..], &z, &[len as u8], &z].concat();
    assert_eq!(elements(Reader::of_bytes(&content).value(&limits()).unwrap()).len(), 12);
    let content = [&[types::HASH_ZIPLIST, len as u8][..], &z].concat();
    assert_eq!(
        elements(Reader::of_bytes(&content).value(&limits()).unwrap()),
        [&b"300"[..], b"a1None", b"bb-1None"].map(|e| if e == b"300" {
            b"3001099511627776None".to_vec()
        } else {
            e.to_vec()
        })
    );
    z[4] += 1;
    assert!(Reader::of_bytes(&[&[types::LIST_ZIPLIST, len as u8][..], &z].concat()).value(&limits()).is_err());
    // zipmap, with unused bytes
    let m = b"\x02\x01a\x03\x01foo?\x02bb\x01\x00x\xff";
    let content = [&[types::HASH_ZIPMAP, m.len() as u8][..], m].concat();
    assert_eq!(elements(Reader::of_bytes(&content).value(&limits()).unwrap()), [&b"afooNone"[..], b"bbxNone"]);
    // scores as text
    let zset = Reader::of_bytes(b"\x03\x03\x01a\x033.5\x01b\xfe\x01c\xff").value(&limits()).unwrap();
    assert_eq!(elements(zset), [&b"a3.5"[..], b"binf", b"c-inf"]);
    assert!(Reader::of_bytes(b"\x03\x01\x01a\xfd").value(&limits()).is_err());
    // fields with expiration, before general availability
    let h = Reader::of_bytes(b"\x16\x01\x05\x01a\x01b").value(&limits()).unwrap();
    assert_eq!(elements(h), [&b"abSome(5)"[..]]);
}

#[test]
fn files_are_read_in_pieces() {
    struct Slow<'a>(&'a [u8]);
    impl std::io::Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = buf.len().min(1).min(self.0.len());
            let (head, rest) = self.0.split_at(n);
            buf[..n].copy_from_slice(head);
            self.0 = rest;
            Ok(n)
        }
    }
    let mut w = Writer::new(None);
    w.header();
    w.aux("redis-ver", "8.4.0");
    w.select(3);
    w.resize(1, 1);
    w.key_attributes(Some(123), file::Used::Freq(9));
    w.key(b"key", ValueRef::Int(7));
    w.end();
    let bytes = w.finish();
    let mut r = Reader::new(Streamed::new(Slow(&bytes), true));
    assert_eq!(r.header(), Ok(12));
    use file::Part;
    assert_eq!(r.part(), Ok(Part::Aux(b"redis-ver".to_vec(), b"8.4.0".to_vec())));
    assert_eq!(r.part(), Ok(Part::Select(3)));
    assert_eq!(r.part(), Ok(Part::Resize(1, 1)));
    assert_eq!(r.part(), Ok(Part::Expire(123)));
    assert_eq!(r.part(), Ok(Part::Freq(9)));
    assert_eq!(r.part(), Ok(Part::Key(0)));
    assert_eq!(r.string(), Ok(b"key".to_vec()));
    assert_eq!(text(r.content(0, &limits())), Ok(b"7".to_vec()));
    assert_eq!(r.part(), Ok(Part::End));
    assert_eq!(r.source().checksum(), viator_data::crc::crc64(0, &bytes));
    assert_eq!(r.part(), Err(Fault::Short));
}

/// A shared copy stays what it was, whatever happens to the original.
#[test]
fn shared_copies_stay() {
    let l = Default::default();
    let mut list = List::new();
    let mut set = Set::for_first(b"a", 1, &l);
    let mut zset = ZSet::new();
    let mut hash = Hash::new();
    let mut stream = Stream::new();
    let name = |i: u64| format!("member:{i}").into_bytes();
    for i in 0..20_000u64 {
        let m = name(i);
        list.push(End::Back, &[&m], &Default::default());
        set.add(&m, &l);
        zset.insert(&m, i as f64 / 3.0, &Default::default());
        hash.set(&m, &m, if i % 5 == 0 { Ttl::At(1 << 40) } else { Ttl::Clear }, &Default::default());
        stream.append(StreamId::new(i + 1, 0), &[&m, &m], &Default::default()).unwrap();
    }
    let objects = [list.into_object(), set.into_object(), zset.into_object(), hash.into_object(), stream.into_object()];
    for mut object in objects {
        let before = elements(load(&dump(ValueRef::Object(&object))).unwrap());
        let copy = object.share();
        match &mut object {
            Object::List(x) => {
                for i in 0..1000 {
                    x.push(End::Front, &[&b"new"[..]], &Default::default());
                    x.set(i * 7, b"changed", &Default::default());
                    x.pop(End::Back, &Default::default(), |_| ());
                }
            }
            Object::Set(x) => (0..15_000).for_each(|i| {
                x.remove(&name(i));
                x.add(&i.to_le_bytes(), &l);
            }),
            Object::Zset(x) => (0..15_000).for_each(|i| {
                x.remove(&name(i));
                x.insert(&name(i + 3000), 7.0, &Default::default());
            }),
            Object::Hash(x) => (0..15_000).for_each(|i| {
                x.remove(&name(i));
                x.set(&name(i + 3000), b"other", Ttl::Clear, &Default::default());
            }),
            Object::Stream(x) => (0..15_000).for_each(|i| {
                x.delete(StreamId::new(i * 2 % 20_000, 0));
                x.append(StreamId::new(100_000 + i, 0), &[&b"a"[..], b"b"], &Default::default()).unwrap();
            }),
            Object::Str(_) => {}
        }
        assert_ne!(elements(load(&dump(ValueRef::Object(&object))).unwrap()), before);
        assert_eq!(elements(load(&dump(ValueRef::Object(&copy))).unwrap()), before);
        drop(copy);
        object.share();
    }
}
