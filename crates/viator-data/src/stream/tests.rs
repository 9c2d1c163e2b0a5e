use super::*;
use crate::hashing::mix;
use crate::packed::IntBuf;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn id(ms: u64) -> StreamId {
    StreamId::new(ms, 0)
}

fn numbered(n: u64) -> Stream {
    let mut s = Stream::new();
    for i in 1..=n {
        s.append(id(i), &["f", &i.to_string()], &Limits::default()).unwrap();
    }
    s
}

fn ids(s: &Stream) -> Vec<u64> {
    s.log().range(StreamId::MIN, StreamId::MAX, false).map(|i| i.id.ms).collect()
}

fn pairs(i: &Item<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    i.fields.clone().map(|(n, v)| (n.to_vec(), v.to_vec())).collect()
}

/// The node a Redis server dumps after four XADDs and an XDEL.
#[test]
fn bytes_of_a_redis_dump() {
    let mut s = Stream::new();
    let l = Limits::default();
    s.append(StreamId::new(5, 7), &["a", "1", "b", "x"], &l).unwrap();
    s.append(StreamId::new(5, 9), &["a", "2", "b", "y"], &l).unwrap();
    s.append(StreamId::new(9, 1), &["c", "hello"], &l).unwrap();
    s.append(StreamId::new(9, 2), &["a", "12345", "b", ""], &l).unwrap();
    assert!(s.delete(StreamId::new(5, 9)));
    let hex = concat!(
        "530000001f00",
        "03010101020181610281620200010201000100010101817802050103010001020102018179020501",
        "00010401dffa0201018163028568656c6c6f06060102010401dffb02f139300380010501ff"
    );
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    let (master, node) = s.log().nodes().next().unwrap();
    assert_eq!(master.to_bytes(), [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 7]);
    assert_eq!(node.as_bytes(), bytes);
    let mut loaded = Stream::new();
    loaded.push_node(master, Packed::from_bytes(bytes).unwrap()).unwrap();
    assert_eq!((loaded.len(), loaded.log().last_id()), (3, StreamId::new(9, 2)));
    let back: Vec<_> = loaded.log().range(StreamId::MIN, StreamId::MAX, true).map(|i| pairs(&i)).collect();
    assert_eq!(back[0], [(b"a".to_vec(), b"12345".to_vec()), (b"b".to_vec(), vec![])]);
    assert_eq!(back[1], [(b"c".to_vec(), b"hello".to_vec())]);
}

/// What XINFO GROUPS of a Redis server says in the same situations: (entries-read, lag).
#[test]
fn lag_is_redis_s() {
    let check = |s: &Stream| {
        let g = s.group(b"g").unwrap();
        (g.entries_read(), s.lag(g))
    };
    let read = |s: &mut Stream, n: usize| {
        s.deliver(b"g", b"c", n, false, 1, |_| ());
    };
    let fresh = |n: u64, at: u64, entries_read: Option<u64>| {
        let mut s = numbered(n);
        assert!(s.create_group(b"g", id(at), entries_read));
        s
    };
    let mut s = fresh(10, 0, None);
    assert_eq!(check(&s), (None, Some(10)));
    read(&mut s, 2);
    assert_eq!(check(&s), (Some(2), Some(8)));
    assert_eq!(s.trim(TrimTo::MaxLen(3), false, 0, RefPolicy::Keep), 7);
    assert_eq!(check(&s), (Some(2), Some(3)));
    read(&mut s, 1);
    assert_eq!(check(&s), (Some(8), Some(2)));

    let mut s = fresh(10, 0, None);
    read(&mut s, 2);
    s.delete(id(5));
    assert_eq!(check(&s), (Some(2), None));
    read(&mut s, 1);
    assert_eq!(check(&s), (None, None));
    read(&mut s, 2);
    assert_eq!(check(&s), (None, None));
    read(&mut s, 0);
    assert_eq!(check(&s), (Some(10), Some(0)));

    let mut s = fresh(10, 0, None);
    read(&mut s, 5);
    s.delete(id(3));
    assert_eq!(check(&s), (Some(5), Some(5)));
    read(&mut s, 1);
    assert_eq!(check(&s), (Some(6), Some(4)));

    let mut s = fresh(10, 5, None);
    assert_eq!(check(&s), (None, None));
    read(&mut s, 1);
    assert_eq!(check(&s), (None, None));
    read(&mut s, 0);
    assert_eq!(check(&s), (Some(10), Some(0)));

    let mut s = numbered(10);
    s.delete(id(1));
    s.create_group(b"g", id(0), None);
    assert_eq!(check(&s), (None, Some(9)));
    read(&mut s, 1);
    assert_eq!(check(&s), (Some(2), Some(8)));

    let mut s = fresh(10, 0, None);
    s.delete(id(10));
    assert_eq!(check(&s), (None, None));
    read(&mut s, 0);
    assert_eq!(check(&s), (None, None));

    let mut s = fresh(3, 3, None);
    s.trim(TrimTo::MaxLen(0), false, 0, RefPolicy::Keep);
    assert_eq!(check(&s), (None, Some(0)));
    let mut s = fresh(3, 0, Some(2));
    assert_eq!(check(&s), (Some(2), Some(3)));
    s.trim(TrimTo::MaxLen(1), false, 0, RefPolicy::Keep);
    assert_eq!(check(&s), (Some(2), Some(1)));
    s.trim(TrimTo::MaxLen(0), false, 0, RefPolicy::Keep);
    assert_eq!((check(&s), s.log().first_id()), ((Some(2), Some(0)), StreamId::MIN));
    assert_eq!(check(&fresh(3, 9, None)), (None, None));
    // Whatever the group's position, there is nothing to read in an empty stream.
    for at in [2, 9] {
        let mut s = fresh(3, at, None);
        (1..=3).for_each(|i| assert!(s.delete(id(i))));
        assert_eq!(check(&s), (None, Some(0)));
        s.append(id(20), &["f", "v"], &Limits::default()).unwrap();
        assert_eq!(check(&s), (None, Some(1)));
        read(&mut s, 0);
        assert_eq!(check(&s), (Some(4), Some(0)));
    }
}

/// What XDELEX and XACKDEL of a Redis server answer in the same situations.
#[test]
fn reference_policies_are_redis_s() {
    let mut s = numbered(6);
    assert_eq!(s.delete_by(id(1), RefPolicy::Acked), Deleted::Yes);
    assert_eq!(s.delete_by(id(99), RefPolicy::Acked), Deleted::NotFound);
    s.create_group(b"g", id(0), None);
    assert_eq!(s.delete_by(id(2), RefPolicy::Acked), Deleted::Referenced);
    s.deliver(b"g", b"c", 3, false, 1, |_| ());
    assert_eq!(s.delete_by(id(2), RefPolicy::Acked), Deleted::Referenced);
    assert!(s.group_mut(b"g").unwrap().1.ack(id(2)));
    assert_eq!(s.delete_by(id(2), RefPolicy::Acked), Deleted::Yes);
    assert_eq!(s.delete_by(id(3), RefPolicy::Delete), Deleted::Yes);
    assert_eq!(s.group(b"g").unwrap().pending_len(), 1);
    assert_eq!(s.delete_by(id(4), RefPolicy::Keep), Deleted::Yes);
    assert_eq!(s.group(b"g").unwrap().pending_len(), 1);
    assert_eq!(s.delete_by(id(4), RefPolicy::Delete), Deleted::NotFound);
    assert_eq!(s.group(b"g").unwrap().pending_len(), 0);

    let mut s = numbered(6);
    for g in [b"g", b"h"] {
        s.create_group(g, id(0), None);
        s.deliver(g, b"c", 4, false, 1, |_| ());
    }
    let pending = |s: &Stream| (s.group(b"g").unwrap().pending_len(), s.group(b"h").unwrap().pending_len());
    assert_eq!(s.ack_delete(b"g", id(1), RefPolicy::Keep), Deleted::Yes);
    assert_eq!(s.ack_delete(b"g", id(9), RefPolicy::Keep), Deleted::NotFound);
    assert_eq!((s.len(), pending(&s)), (5, (3, 4)));
    assert_eq!(s.ack_delete(b"g", id(2), RefPolicy::Acked), Deleted::Referenced);
    assert_eq!((s.len(), pending(&s)), (5, (2, 4)));
    assert_eq!(s.ack_delete(b"h", id(2), RefPolicy::Acked), Deleted::Yes);
    assert_eq!(s.ack_delete(b"h", id(3), RefPolicy::Acked), Deleted::Referenced);
    assert_eq!((s.len(), pending(&s)), (4, (2, 2)));
    assert_eq!(s.ack_delete(b"g", id(4), RefPolicy::Delete), Deleted::Yes);
    assert_eq!((s.len(), pending(&s)), (3, (1, 1)));
    assert_eq!(s.ack_delete(b"g", id(5), RefPolicy::Delete), Deleted::NotFound);
    // Pending, but no longer in the stream.
    s.delete(id(3));
    assert_eq!(s.ack_delete(b"g", id(3), RefPolicy::Keep), Deleted::Yes);
}

/// What XTRIM of a Redis server leaves with the same nodes.
#[test]
fn trimming_is_redis_s() {
    let acked = |approx: bool, node_entries: usize, acks: &[u64], read: usize, to: TrimTo, policy: RefPolicy| {
        let mut s = Stream::new();
        for i in 1..=10 {
            s.append(id(i), &["f", "v"], &Limits { node_entries, node_bytes: 4096 }).unwrap();
        }
        s.create_group(b"g", id(0), None);
        s.deliver(b"g", b"c", read, false, 1, |_| ());
        for &a in acks {
            s.group_mut(b"g").unwrap().1.ack(id(a));
        }
        let n = s.trim(to, approx, 0, policy);
        (n, ids(&s), s.group(b"g").unwrap().pending_len())
    };
    let rest = vec![4, 7, 8, 9, 10];
    let acks = [1, 2, 3, 5, 6];
    let first = acked(false, 100, &[1, 3], 5, TrimTo::MaxLen(4), RefPolicy::Acked);
    assert_eq!(first, (2, vec![2, 4, 5, 6, 7, 8, 9, 10], 3));
    for approx in [false, true] {
        for to in [TrimTo::MaxLen(2), TrimTo::MinId(id(8))] {
            assert_eq!(acked(approx, 3, &acks, 7, to, RefPolicy::Acked), (5, rest.clone(), 2));
        }
    }
    let to = TrimTo::MaxLen(2);
    for to in [to, TrimTo::MinId(id(9))] {
        assert_eq!(acked(true, 3, &[], 7, to, RefPolicy::Delete), (8, vec![9, 10], 0));
        assert_eq!(acked(true, 3, &[], 7, to, RefPolicy::Keep), (6, vec![7, 8, 9, 10], 7));
    }
    assert_eq!(acked(false, 3, &[], 7, to, RefPolicy::Keep), (8, vec![9, 10], 7));
    let mut s = numbered(10);
    s.delete(id(2));
    s.delete(id(4));
    assert_eq!(s.trim(TrimTo::MaxLen(5), false, 0, RefPolicy::Keep), 3);
    assert_eq!((ids(&s), s.log().first_id()), (vec![6, 7, 8, 9, 10], id(6)));
}

#[test]
fn ids_and_counters() {
    let mut s = Stream::new();
    let l = Limits::default();
    assert_eq!(s.append(StreamId::MIN, &["a", "b"], &l), Err(NotGreater));
    s.append(id(5), &["a", "b"], &l).unwrap();
    assert_eq!(s.append(id(5), &["a", "b"], &l), Err(NotGreater));
    s.append(StreamId::MAX, &["a", "b"], &l).unwrap();
    assert!(s.delete(StreamId::MAX) && !s.delete(StreamId::MAX));
    assert_eq!(
        (s.log().last_id(), s.log().max_deleted_id(), s.log().entries_added()),
        (StreamId::MAX, StreamId::MAX, 2)
    );
    assert_eq!(StreamId::MAX.next(), None);
    assert_eq!(StreamId::MIN.prev(), None);
    assert_eq!(StreamId::new(1, u64::MAX).next(), Some(id(2)));
    assert_eq!(id(2).prev(), Some(StreamId::new(1, u64::MAX)));
    assert_eq!(StreamId::from_bytes(StreamId::new(3, 4).to_bytes()), StreamId::new(3, 4));
    assert_eq!(StreamId::new(3, 4).to_string(), "3-4");
}

/// What XINFO STREAM of a Redis server says with an entry per node.
#[test]
fn radix_nodes_are_redis_s() {
    let nodes = |ids: &[(u64, u64)]| {
        let mut s = Stream::new();
        for &(ms, seq) in ids {
            s.append(StreamId::new(ms, seq), &["f", "v"], &Limits { node_entries: 1, node_bytes: 4096 }).unwrap();
        }
        s.log().radix_nodes()
    };
    assert_eq!((nodes(&[]), nodes(&[(1, 0)])), (1, 2));
    assert_eq!(nodes(&[(1, 0), (2, 0)]), 6);
    assert_eq!(nodes(&[(1, 0), (256, 0), (257, 0)]), 9);
    assert_eq!(nodes(&[(1, 0), (1, 1), (1, 2), (70000, 0), (70000, 1), (1 << 32, 0), (u64::MAX, 7)]), 18);
}

#[test]
fn drops_in_steps() {
    let mut s = numbered(5000);
    s.create_group(b"g", id(0), None);
    s.deliver(b"g", b"c", 0, false, 1, |_| ());
    let mut steps = 1;
    while !s.drop_some(10) {
        steps += 1;
    }
    assert!(steps > 500, "{steps}");
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Debug, Clone)]
enum Op {
    Append(u64, u64, Fields),
    Delete(usize),
    Trim(bool, usize, usize),
    Reload,
}

fn fields() -> impl Strategy<Value = Fields> {
    let text =
        prop_oneof![Just(b"a".to_vec()), Just(b"12".to_vec()), Just(vec![]), (0usize..90).prop_map(|n| vec![b'v'; n]),];
    prop_oneof![
        text.clone().prop_map(|v| vec![(b"name".to_vec(), v.clone()), (b"7".to_vec(), v)]),
        proptest::collection::vec((text.clone(), text), 1..5),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0u64..3, 0u64..5, fields()).prop_map(|(m, s, f)| Op::Append(m, s, f)),
        3 => any::<usize>().prop_map(Op::Delete),
        1 => (any::<bool>(), any::<usize>(), 0usize..20).prop_map(|(a, n, l)| Op::Trim(a, n, l)),
        1 => Just(Op::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn behaves_like_a_map(ops in proptest::collection::vec(op(), 1..120), node_entries in 1usize..12, node_bytes in 100usize..600,
                          a in any::<usize>(), b in any::<usize>()) {
        let limits = Limits { node_bytes, node_entries };
        let mut s = Stream::new();
        let mut m: BTreeMap<StreamId, Fields> = BTreeMap::new();
        for op in ops {
            match op {
                Op::Append(ms, seq, f) => {
                    let last = s.log().last_id();
                    let new = if ms > 0 { StreamId::new(last.ms + ms, seq) } else { StreamId::new(last.ms, last.seq + seq) };
                    let flat: Vec<&[u8]> = f.iter().flat_map(|(n, v)| [n.as_slice(), v.as_slice()]).collect();
                    prop_assert_eq!(s.append(new, &flat, &limits).is_ok(), new > last);
                    if new > last { m.insert(new, f); }
                }
                Op::Delete(i) => {
                    let id = m.keys().nth(i % (m.len() + 1)).copied().unwrap_or(StreamId::new(1, 99));
                    prop_assert_eq!(s.delete(id), m.remove(&id).is_some());
                }
                Op::Trim(exact, n, limit) => {
                    let n = n % (m.len() + 1);
                    let removed = s.trim(TrimTo::MaxLen(n), !exact, if exact { 0 } else { limit }, RefPolicy::Keep);
                    let within = if exact { s.len() <= n } else { limit == 0 || removed <= limit };
                    prop_assert!(within);
                    prop_assert!(removed == 0 || m.len() - removed >= n);
                    for _ in 0..removed { m.pop_first(); }
                }
                Op::Reload => {
                    let mut t = Stream::new();
                    for (id, node) in s.log().nodes() {
                        t.push_node(id, Packed::from_bytes(node.as_bytes().to_vec()).unwrap()).unwrap();
                    }
                    t.set_counters(s.log().last_id(), s.log().max_deleted_id(), s.log().entries_added());
                    s = t;
                }
            }
            prop_assert_eq!(s.len(), m.len());
            prop_assert_eq!(s.log().first_id(), m.keys().next().copied().unwrap_or(StreamId::MIN));
        }
        let got: Vec<_> = s.log().range(StreamId::MIN, StreamId::MAX, false).map(|i| (i.id, pairs(&i))).collect();
        prop_assert_eq!(&got, &m.clone().into_iter().collect::<Vec<_>>());
        let pick = |i: usize| m.keys().nth(i % (m.len() + 1)).copied().unwrap_or(StreamId::new(2, 1));
        let (start, end) = (pick(a), pick(b));
        for reverse in [false, true] {
            let got: Vec<_> = s.log().range(start, end, reverse).map(|i| (i.id, pairs(&i))).collect();
            let mut want: Vec<_> = if start <= end { m.range(start..=end).map(|(i, f)| (*i, f.clone())).collect() } else { vec![] };
            if reverse { want.reverse(); }
            prop_assert_eq!(got, want);
        }
        prop_assert_eq!(s.log().contains(start), m.contains_key(&start));
        let listpacks: usize = s.log().nodes().map(|(_, n)| n.memory_usage()).sum();
        prop_assert!(s.memory_usage() <= listpacks + 400 * s.log().node_count() + 256);
    }

    /// Damaged nodes are refused, or can be read, cut and deleted from.
    #[test]
    fn damaged_nodes(edits in proptest::collection::vec((any::<usize>(), -3i64..300), 1..3)) {
        let s = numbered(4);
        let (master, node) = s.log().nodes().next().unwrap();
        let mut node = node.clone();
        for (i, v) in edits {
            let pos = node.seek((i % node.len()) as i64).unwrap();
            node.replace_int(pos, v);
        }
        let mut t = Stream::new();
        if t.push_node(master, node).is_ok() {
            let mut buf = IntBuf::new();
            let n = t.log().range(StreamId::MIN, StreamId::MAX, false)
                .map(|i| i.fields.map(|(n, v)| n.bytes(&mut buf).len() + v.len()).sum::<usize>()).count();
            prop_assert!(n <= t.len());
            prop_assert!(t.log().range(StreamId::MIN, StreamId::MAX, true).count() <= t.len());
            t.delete(id(2));
            t.trim(TrimTo::MaxLen(1), false, 0, RefPolicy::Keep);
        }
    }

    #[test]
    fn groups_keep_their_books(ops in proptest::collection::vec((0u8..8, 1u64..20, 0u8..3, 0u64..50), 1..100)) {
        let mut g = Group::new(StreamId::MIN, None);
        let mut m: BTreeMap<StreamId, (Vec<u8>, u64, u64)> = BTreeMap::new();
        for (op, n, c, t) in ops {
            let name = vec![b'a' + c];
            match op {
                0..=3 => {
                    g.assign(id(n), &name, t, n);
                    m.insert(id(n), (name, t, n));
                }
                4..=5 => prop_assert_eq!(g.ack(id(n)), m.remove(&id(n)).is_some()),
                6 => {
                    let had = m.values().filter(|p| p.0 == name).count();
                    let was = g.consumer(&name).is_some();
                    prop_assert_eq!(g.remove_consumer(&name), was.then_some(had));
                    m.retain(|_, p| p.0 != name);
                }
                _ => {
                    let since: Vec<_> = g.pending_since(t).collect();
                    let mut want: Vec<_> = m.iter().filter(|(_, p)| p.1 <= t).map(|(i, p)| (p.1, *i)).collect();
                    want.sort();
                    prop_assert_eq!(since, want.into_iter().map(|w| w.1).collect::<Vec<_>>());
                }
            }
            let got: Vec<_> = g.pending_range(StreamId::MIN, StreamId::MAX)
                .map(|(i, p)| (i, (p.consumer.to_vec(), p.delivery_time, p.delivery_count))).collect();
            prop_assert_eq!(got, m.clone().into_iter().collect::<Vec<_>>());
            for (name, c) in g.consumers() {
                let want: Vec<_> = m.iter().filter(|(_, p)| p.0 == name).map(|(i, _)| *i).collect();
                prop_assert_eq!(c.pending_from(StreamId::MIN).collect::<Vec<_>>(), want);
            }
        }
    }
}

/// Copies stay what they were while entries come, are deleted and trimmed, and groups go on.
#[test]
fn copies_stay_while_the_stream_changes() {
    type Model = BTreeMap<u64, Vec<(Vec<u8>, Vec<u8>)>>;
    let entries = |s: &Stream| -> Model {
        s.log().range(StreamId::MIN, StreamId::MAX, false).map(|i| (i.id.ms, pairs(&i))).collect()
    };
    let limits = Limits { node_bytes: 4096, node_entries: 5 };
    for seed in 0..3u64 {
        let mut s = Stream::new();
        let mut m = Model::new();
        s.create_group(b"g", StreamId::MIN, None);
        let mut copies: Vec<(Stream, Model, Option<Group>)> = Vec::new();
        let (mut r, mut last) = (seed, 0u64);
        for _ in 0..10 {
            r = mix(r);
            for _ in 0..r % 2000 {
                r = mix(r);
                match r % 16 {
                    0..=9 => {
                        last += 1 + (r >> 60);
                        let (name, value) = (if r & 16 == 0 { "f" } else { "other" }, (r >> 32).to_string());
                        s.append(id(last), &[name, &value], &limits).unwrap();
                        m.insert(last, vec![(name.into(), value.into())]);
                    }
                    10..=12 => {
                        let at = (r >> 16) % (last + 1);
                        assert_eq!(s.delete(id(at)), m.remove(&at).is_some());
                    }
                    13 => {
                        s.deliver(b"g", b"c", 3, false, r % 1000, |_| ());
                    }
                    14 => {
                        let at = (r >> 16) % (last + 1);
                        s.group_mut(b"g").unwrap().1.ack(id(at));
                    }
                    _ => {
                        let keep = m.len().saturating_sub((r >> 40) as usize % 12);
                        s.trim(TrimTo::MaxLen(keep), false, 0, RefPolicy::Keep);
                        while m.len() > keep {
                            m.pop_first();
                        }
                    }
                }
            }
            assert!(entries(&s) == m && s.len() == m.len());
            s.log().check();
            if copies.len() == 2 {
                let (old, model, group) = copies.remove(0);
                assert!(entries(&old) == model && old.group(b"g") == group.as_ref());
            }
            copies.push((s.share(), m.clone(), s.group(b"g").cloned()));
        }
        s.trim(TrimTo::MaxLen(0), false, 0, RefPolicy::Delete);
        assert!(s.is_empty());
        for (old, model, group) in copies {
            assert!(entries(&old) == model && old.group(b"g") == group.as_ref());
        }
    }
}
