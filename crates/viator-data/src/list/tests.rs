use super::quick::MAX_GROWN;
use super::*;
use crate::hashing::{below, mix};
use crate::packed;
use proptest::prelude::*;
use std::collections::VecDeque;

fn all(l: &List) -> Vec<Vec<u8>> {
    let mut v = Vec::new();
    l.for_each(|e| v.push(e.to_vec()));
    v
}

#[test]
fn encodings_follow_redis() {
    let limits = Limits { fill: 4, compress_depth: 0 };
    let mut l = List::new();
    l.push(End::Back, &["a", "b", "c", "d"], &limits);
    assert_eq!(l.encoding().name(), "listpack");
    l.push(End::Back, &["e"], &limits);
    assert_eq!((l.encoding().name(), l.node_count()), ("quicklist", 2));
    l.pop(End::Back, &limits, |_| ());
    l.pop(End::Back, &limits, |_| ());
    assert_eq!((l.encoding().name(), l.node_count()), ("quicklist", 1));
    l.pop(End::Back, &limits, |_| ());
    assert_eq!(l.encoding().name(), "listpack");
    // By size: all that is pushed counts.
    let limits = Limits { fill: -1, compress_depth: 0 };
    let mut l = List::new();
    l.push(End::Back, &[vec![b'x'; 4089]], &limits);
    assert_eq!(l.encoding().name(), "listpack");
    let mut l = List::new();
    l.push(End::Back, &[vec![b'x'; 4090]], &limits);
    assert_eq!(l.encoding().name(), "quicklist");
    let mut l = List::new();
    l.push(End::Back, &[vec![b'x'; 5000]], &limits);
    assert!(matches!(l.nodes().next(), Some(NodeView::Plain(_))));
    l.set(0, b"small", &limits);
    assert_eq!(l.encoding().name(), "listpack");
}

#[test]
fn the_middle_is_compressed() {
    let limits = Limits { fill: -1, compress_depth: 2 };
    let mut l = List::new();
    for i in 0..2000 {
        l.push(End::Back, &[format!("the same text over and over {i}")], &limits);
    }
    let kinds = |l: &List| -> String {
        l.nodes().map(|n| if matches!(n, NodeView::Compressed { .. }) { 'c' } else { '-' }).collect()
    };
    let k = kinds(&l);
    assert!(k.len() > 10 && k[2..k.len() - 2].bytes().all(|c| c == b'c'), "{k}");
    assert!(k.starts_with("--c") && k.ends_with("c--"), "{k}");
    assert_eq!(l.get(1000, |e| e.to_vec()), Some(b"the same text over and over 1000".to_vec()));
    for i in (500..2000).rev() {
        assert_eq!(l.pop(End::Back, &limits, |e| e.to_vec()), Some(format!("the same text over and over {i}").into()));
    }
    let k = kinds(&l);
    assert!(k.starts_with("--c") && k.ends_with("c--"), "{k}");
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u8..12).prop_map(|i| i.to_string().into_bytes()),
        4 => "[a-c]{1,2}".prop_map(String::into_bytes),
        2 => (200usize..1500).prop_map(|n| vec![b'x'; n]),
        1 => (4000usize..4200).prop_map(|n| vec![b'y'; n]),
        1 => (8180usize..8200).prop_map(|n| vec![b'z'; n]),
    ]
}

#[derive(Debug, Clone)]
enum Op {
    Push(bool, Vec<Vec<u8>>),
    Pop(bool),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    InsertBy(Vec<u8>, bool, Vec<u8>),
    RemoveValue(Vec<u8>, i64),
    Rotate(bool, bool),
    RemoveRange(usize, usize),
    Trim(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<bool>(), proptest::collection::vec(value(), 1..12)).prop_map(|(e, v)| Op::Push(e, v)),
        3 => any::<bool>().prop_map(Op::Pop),
        3 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Set(i, v)),
        4 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Insert(i, v)),
        2 => (value(), any::<bool>(), value()).prop_map(|(p, a, v)| Op::InsertBy(p, a, v)),
        2 => (value(), -3i64..4).prop_map(|(v, n)| Op::RemoveValue(v, n)),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(from, to)| Op::Rotate(from, to)),
        1 => (any::<usize>(), 0usize..20).prop_map(|(i, n)| Op::RemoveRange(i, n)),
        1 => (0usize..4, any::<usize>()).prop_map(|(i, n)| Op::Trim(i, n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn behaves_like_a_deque(ops in proptest::collection::vec(op(), 1..60), fill in prop_oneof![Just(-1), Just(-2), Just(1), Just(3), Just(40)],
                            compress_depth in 0usize..3) {
        let limits = Limits { fill, compress_depth };
        let mut l = List::new();
        let mut m: VecDeque<Vec<u8>> = VecDeque::new();
        for op in ops {
            let at = |i: usize| i % (m.len() + 1);
            match op {
                Op::Push(front, values) => {
                    l.push(if front { End::Front } else { End::Back }, &values, &limits);
                    for v in values { if front { m.push_front(v) } else { m.push_back(v) } }
                }
                Op::Pop(front) => {
                    let got = l.pop(if front { End::Front } else { End::Back }, &limits, |e| e.to_vec());
                    prop_assert_eq!(got, if front { m.pop_front() } else { m.pop_back() });
                }
                Op::Set(i, v) => {
                    let i = at(i);
                    prop_assert_eq!(l.set(i, &v, &limits), i < m.len());
                    if i < m.len() { m[i] = v; }
                }
                Op::Insert(i, v) => {
                    let i = at(i);
                    l.insert(i, &v, &limits);
                    m.insert(i, v);
                }
                Op::InsertBy(p, after, v) => {
                    let i = m.iter().position(|x| *x == p);
                    prop_assert_eq!(l.insert_by(&p, after, &v, &limits), i.is_some());
                    if let Some(i) = i { m.insert(i + usize::from(after), v); }
                }
                Op::RemoveValue(v, n) => {
                    let mut hits: Vec<usize> = (0..m.len()).filter(|&i| m[i] == v).collect();
                    if n < 0 { hits.reverse(); }
                    if n != 0 { hits.truncate(n.unsigned_abs() as usize); }
                    prop_assert_eq!(l.remove_value(&v, n, &limits), hits.len());
                    hits.sort();
                    for i in hits.into_iter().rev() { m.remove(i); }
                }
                Op::Rotate(from, to) => {
                    let end = |front| if front { End::Front } else { End::Back };
                    let want = if from { m.pop_front() } else { m.pop_back() };
                    prop_assert_eq!(l.rotate(end(from), end(to), &limits), want.clone());
                    if let Some(v) = want { if to { m.push_front(v) } else { m.push_back(v) } }
                }
                Op::RemoveRange(i, n) => {
                    let i = at(i);
                    l.remove_range(i, n, &limits);
                    let end = (i + n).min(m.len());
                    m.drain(i..end);
                }
                Op::Trim(i, n) => {
                    let n = at(n);
                    l.trim(i, n, &limits);
                    m = m.into_iter().skip(i).take(n).collect();
                }
            }
            prop_assert_eq!(l.len(), m.len());
            for n in l.nodes() {
                if let NodeView::Packed(p) = n {
                    prop_assert!(p.packed_len() <= MAX_GROWN + 8192 + 64, "{}", p.packed_len());
                    prop_assert_eq!(p.packed_len(), p.to_packed().byte_len());
                }
            }
        }
        prop_assert!(m == all(&l));
        for i in 0..m.len() {
            prop_assert!(l.get(i, |e| e.to_vec()) == m.get(i).cloned());
        }
        prop_assert_eq!(l.get(m.len(), |_| ()), None);
        let mut back = Vec::new();
        if let Some(last) = m.len().checked_sub(1) { l.visit(last, true, |e| { back.push(e.to_vec()); true }); }
        back.reverse();
        prop_assert!(m == back);
        let mut got = Vec::new();
        l.positions(b"3", 1, 2, 40, true, |i| got.push(i));
        let want: Vec<usize> = (0..m.len()).rev().take(40).filter(|&i| m[i] == b"3").skip(1).take(2).collect();
        prop_assert_eq!(got, want);
        let mut loaded = List::new();
        for n in l.nodes() {
            match n {
                NodeView::Packed(p) => loaded.push_packed_node(&Packed::from_bytes(p.to_packed().into_bytes()).unwrap()),
                NodeView::Plain(b) => loaded.push_plain_node(b.to_vec()),
                NodeView::Compressed { data, size, plain } => {
                    let b = crate::lzf::decompress(data, size).unwrap();
                    if plain { loaded.push_plain_node(b) } else { loaded.push_packed_node(&Packed::from_bytes(b).unwrap()) }
                }
            }
        }
        loaded.fit(&limits);
        prop_assert!(m == all(&loaded));
        if let Repr::Quick(q) = &l.repr {
            q.spine.check();
            prop_assert_eq!(q.spine.items(), l.len());
            prop_assert_eq!(q.spine.iter().map(Node::count).filter(|&n| n == 0).count(), 0);
        }
    }
}

/// More nodes than a chunk of the spine holds, with seeks and insertions everywhere.
#[test]
fn many_nodes() {
    let limits = Limits { fill: 2, compress_depth: 0 };
    let mut l = List::new();
    let mut m = Vec::new();
    for i in 0..6000usize {
        let at = (i * 7919) % (m.len() + 1);
        l.insert(at, i.to_string().as_bytes(), &limits);
        m.insert(at, i.to_string().into_bytes());
    }
    assert_eq!(all(&l), m);
    assert!(l.node_count() >= 3000);
    for i in (0..6000).step_by(37) {
        assert_eq!(l.get(i, |e| e.to_vec()).as_ref(), m.get(i));
    }
    l.remove_range(100, 5000, &limits);
    m.drain(100..5100);
    assert_eq!(all(&l), m);
    let mut steps = 1;
    while !l.drop_some(50) {
        steps += 1;
    }
    assert!(steps > 5, "{steps}");
}

/// However values come and go at the ends, a node is begun when the outermost has no room for a listpack's element.
#[test]
fn nodes_end_where_listpacks_would() {
    for fill in [-1, -2, -5] {
        let limits = Limits { fill, compress_depth: 0 };
        let size = SIZES[fill.unsigned_abs() as usize - 1];
        let mut l = List::new();
        l.make_quick();
        // the nodes' elements, front first
        let mut m: Vec<Vec<Vec<u8>>> = Vec::new();
        let bytes = |n: &[Vec<u8>]| packed::EMPTY + n.iter().map(|v| packed::encoded_size(v)).sum::<usize>();
        let mut random = 7u64;
        for step in 0..60_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let r = (random >> 33) as usize;
            let end = if r % 5 < 3 { End::Front } else { End::Back };
            let grows = if step / 6000 % 2 == 0 { 8 } else { 3 };
            if r / 5 % 10 < grows || m.is_empty() {
                let value = vec![b'a' + (r % 26) as u8; 1 + r / 64 % if r.is_multiple_of(97) { 3000 } else { 200 }];
                l.push(end, &[&value], &limits);
                let last = m.len().saturating_sub(1);
                let at = if end == End::Front { 0 } else { last };
                if m.is_empty() || bytes(&m[at]) + value.len() + 8 > size {
                    m.insert(if end == End::Front { 0 } else { m.len() }, vec![value]);
                } else if end == End::Front {
                    m[0].insert(0, value);
                } else {
                    m[last].push(value);
                }
            } else {
                let Repr::Quick(q) = &mut l.repr else { unreachable!() };
                let got = q.pop(end, &limits, |e| e.to_vec());
                let node = if end == End::Front { 0 } else { m.len() - 1 };
                let at = if end == End::Front { 0 } else { m[node].len() - 1 };
                assert_eq!(got, Some(m[node].remove(at)));
                if m[node].is_empty() {
                    m.remove(node);
                }
            }
            assert_eq!(l.node_count(), m.len());
            if step % 97 == 0 {
                let copy = l.share();
                for l in [&l, &copy] {
                    let nodes: Vec<_> = l.nodes().collect();
                    assert_eq!(nodes.len(), m.len());
                    for (node, m) in nodes.iter().zip(&m) {
                        let NodeView::Packed(p) = node else { panic!("{node:?}") };
                        assert!(p.to_packed().iter().map(|e| e.to_vec()).eq(m.iter().cloned()));
                    }
                }
            }
            if step % 501 == 0 && !m.is_empty() {
                let at = r % l.len();
                let value = l.get(at, |e| e.to_vec()).unwrap();
                assert!(l.set(at, &value, &limits));
                l.make_quick();
            }
        }
    }
}

/// Copies stay what they were while the list changes at its ends and in its middle, over many chunks.
#[test]
fn copies_stay_while_the_list_changes() {
    for (seed, limits) in [(1u64, 0), (2, 1)].map(|(s, d)| (s, Limits { fill: 2, compress_depth: d })) {
        let mut l = List::new();
        let mut m: VecDeque<Vec<u8>> = VecDeque::new();
        let mut copies: Vec<(List, VecDeque<Vec<u8>>)> = Vec::new();
        let mut r = seed;
        for phase in 0..12 {
            r = mix(r);
            let growing = phase % 4 != 3;
            for _ in 0..below(r, 2500) {
                r = mix(r);
                let v = if r & 0xf000 == 0 { vec![b'v'; 200] } else { (r >> 30).to_string().into_bytes() };
                let at = below(mix(r), m.len() + 1);
                let end = if r & 1 == 0 { End::Front } else { End::Back };
                match (growing, (r >> 8) % 8) {
                    (true, 0..=3) | (false, 0) => {
                        l.push(end, std::slice::from_ref(&v), &limits);
                        if end == End::Front { m.push_front(v) } else { m.push_back(v) }
                    }
                    (true, 4) | (false, 1) => {
                        l.insert(at, &v, &limits);
                        m.insert(at, v);
                    }
                    (_, 5) => {
                        assert_eq!(l.set(at, &v, &limits), at < m.len());
                        m.get_mut(at).into_iter().for_each(|old| *old = v.clone());
                    }
                    (_, 6) => {
                        l.remove_range(at, 3, &limits);
                        m.drain(at..(at + 3).min(m.len()));
                    }
                    _ => {
                        let want = if end == End::Front { m.pop_front() } else { m.pop_back() };
                        assert_eq!(l.pop(end, &limits, |e| e.to_vec()), want);
                    }
                }
            }
            assert!(m == all(&l));
            if let Repr::Quick(q) = &l.repr {
                q.spine.check();
            }
            if copies.len() == 2 {
                let (old, model) = copies.remove(0);
                assert!(model == all(&old));
            }
            copies.push((l.share(), m.clone()));
        }
        l.remove_range(0, usize::MAX, &limits);
        assert!(l.is_empty());
        for (mut copy, mut model) in copies {
            assert!(model == all(&copy));
            for i in 0..3000 {
                let at = below(mix(i), model.len() + 1);
                copy.insert(at, b"new", &limits);
                model.insert(at, b"new".to_vec());
            }
            assert!(model == all(&copy));
        }
    }
}
