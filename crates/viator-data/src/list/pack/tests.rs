use super::*;
use crate::hashing::{below, mix};
use proptest::prelude::*;

fn all(p: &Pack) -> Vec<Vec<u8>> {
    let mut v = Vec::new();
    p.visit(0, false, |e| {
        v.push(e.to_vec());
        true
    });
    v
}

/// Values of many shapes; some often, so that runs come to be.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let near = |n: i64| (n - 2..n + 3).prop_map(|i| i.to_string().into_bytes());
    let integers = [0, 127, 4095, -4096, 32767, -32768, 1 << 23, -(1 << 23), 1 << 31, -(1 << 31), 1 << 40].map(near);
    prop_oneof![
        6 => "[ab]{3}".prop_map(String::into_bytes),
        3 => "[ab]{0,2}".prop_map(String::into_bytes),
        4 => (0..200i64).prop_map(|i| i.to_string().into_bytes()),
        4 => (0usize..integers.len()).prop_flat_map(move |i| integers[i].clone()),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(|i| i.to_string().into_bytes()),
        1 => prop_oneof![Just("007"), Just("-0"), Just("+1"), Just("9223372036854775808"), Just("-")].prop_map(|s| s.into()),
        1 => prop_oneof![60usize..70, 120usize..130, 4090usize..4100].prop_map(|n| vec![b'x'; n]),
    ]
}

#[derive(Debug, Clone)]
enum Op {
    Push(bool, Vec<u8>, usize),
    Pop(bool, usize),
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveValue(Vec<u8>, usize, bool),
    Split(usize, bool),
    Append(Vec<Vec<u8>>),
    Convert,
    Small,
    Shrink,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (any::<bool>(), value(), prop_oneof![Just(1), 1usize..80]).prop_map(|(f, v, n)| Op::Push(f, v, n)),
        4 => (any::<bool>(), 1usize..60).prop_map(|(f, n)| Op::Pop(f, n)),
        4 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Insert(i, v)),
        4 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Replace(i, v)),
        2 => (any::<usize>(), 0usize..50).prop_map(|(i, n)| Op::RemoveRange(i, n)),
        2 => (value(), 1usize..100, any::<bool>()).prop_map(|(v, n, r)| Op::RemoveValue(v, n, r)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(i, tail)| Op::Split(i, tail)),
        1 => proptest::collection::vec(value(), 0..10).prop_map(Op::Append),
        1 => Just(Op::Convert),
        1 => Just(Op::Small),
        1 => Just(Op::Shrink),
    ]
}

fn packed(values: &[Vec<u8>]) -> Packed {
    values.iter().map(Vec::as_slice).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn behaves_like_a_vec(ops in proptest::collection::vec(op(), 1..60), probe in value()) {
        let mut p = Pack::new();
        let mut m: Vec<Vec<u8>> = Vec::new();
        for op in ops {
            match op {
                Op::Push(front, v, n) => for _ in 0..n {
                    p.push(if front { End::Front } else { End::Back }, &v, n % 2 == 0);
                    m.insert(if front { 0 } else { m.len() }, v.clone());
                },
                Op::Pop(front, n) => for _ in 0..n {
                    let got = p.pop(if front { End::Front } else { End::Back }, |e| e.to_vec());
                    let want = if m.is_empty() { None } else { Some(m.remove(if front { 0 } else { m.len() - 1 })) };
                    prop_assert_eq!(got, want);
                },
                Op::Insert(i, v) => {
                    let i = i % (m.len() + 1);
                    p.insert(i, &v);
                    m.insert(i, v);
                }
                Op::Replace(i, v) => {
                    let i = i % (m.len() + 1);
                    p.replace(i, &v);
                    if let Some(old) = m.get_mut(i) { *old = v; }
                }
                Op::RemoveRange(i, n) => {
                    let i = i % (m.len() + 1);
                    p.remove_range(i, n);
                    m.drain(i..(i + n).min(m.len()));
                }
                Op::RemoveValue(v, n, reverse) => {
                    let mut hits: Vec<usize> = (0..m.len()).filter(|&i| m[i] == v).collect();
                    if reverse { hits.reverse(); }
                    hits.truncate(n);
                    prop_assert_eq!(p.remove_value(&v, n, reverse), hits.len());
                    hits.sort();
                    for i in hits.into_iter().rev() { m.remove(i); }
                }
                Op::Split(i, tail) => {
                    let i = i % (m.len() + 1);
                    let other = p.split_off(i);
                    let rest = m.split_off(i);
                    if tail { (p, m) = (other, rest); } else { prop_assert_eq!(all(&other), rest); }
                }
                Op::Append(values) => {
                    p.append_all(&(&packed(&values)).into());
                    m.extend(values);
                }
                Op::Convert => {
                    let bytes = p.to_packed();
                    prop_assert_eq!(&bytes, &packed(&m));
                    prop_assert_eq!(bytes.byte_len(), p.packed_len());
                    let same: Pack = (&Packed::from_bytes(bytes.into_bytes()).unwrap()).into();
                    prop_assert_eq!(&same, &p);
                    p = same;
                }
                Op::Small => if let Some(size) = p.small_size() {
                    let mut bytes = vec![0xAA; size];
                    p.write_small(&mut bytes);
                    prop_assert_eq!(small_len(&bytes), m.len());
                    if m.len().is_multiple_of(2) { p = Pack::new(); }
                    p.reload(&bytes);
                }
                Op::Shrink => {
                    p.shrink_to_fit();
                    prop_assert_eq!(p.memory_usage(), p.data().len() + p.dir().len());
                }
            }
            p.check();
            prop_assert_eq!(p.len(), m.len());
            prop_assert_eq!(p.packed_len(), packed::EMPTY + m.iter().map(|v| packed::encoded_size(v)).sum::<usize>());
        }
        prop_assert_eq!(all(&p), m.clone());
        for i in 0..=m.len() {
            prop_assert_eq!(p.get(i).map(|e| e.to_vec()), m.get(i).cloned());
        }
        for from in (0..m.len()).step_by(7) {
            let (mut front, mut back) = (Vec::new(), Vec::new());
            p.visit(from, false, |e| { front.push(e.to_vec()); front.len() < 10 });
            p.visit(from, true, |e| { back.push(e.to_vec()); back.len() < 10 });
            prop_assert!(front.iter().eq(m[from..].iter().take(10)));
            prop_assert!(back.iter().eq(m[..=from].iter().rev().take(10)));
        }
        prop_assert_eq!(p.contains(&probe), m.contains(&probe));
    }
}

/// Elements of a payload that are strings, though Redis would make them integers, stay strings and are found.
#[test]
fn strings_of_digits_stay() {
    let packed = Packed::from_bytes(vec![13, 0, 0, 0, 2, 0, 0x82, b'1', b'2', 3, 12, 1, 0xFF]).unwrap();
    let mut p: Pack = (&packed).into();
    assert_eq!((p.get(0), p.get(1)), (Some(Entry::Str(b"12")), Some(Entry::Int(12))));
    assert_eq!(p.to_packed(), packed);
    assert_eq!(p.remove_value(b"12", 5, true), 2);
    assert!(p.is_empty());
}

/// What comes at both ends in turns, or goes through like a queue, is not moved each time, and takes little more memory
/// than its bytes.
#[test]
fn ends_are_cheap() {
    let mut p = Pack::new();
    let mut moved = 0;
    let mut at = 0u32;
    let mut random = 1;
    for i in 0..200_000usize {
        random = mix(random);
        match i / 20_000 % 4 {
            0 => p.push(if i % 2 == 0 { End::Front } else { End::Back }, b"0123456789", false),
            1 => {
                p.push(End::Front, b"0123456789", i % 1000 < 500);
                p.pop(End::Back, |_| ());
            }
            2 => {
                p.push(if below(random, 2) == 0 { End::Front } else { End::Back }, b"0123456789", i % 1000 < 500);
                p.pop(if below(mix(random), 2) == 0 { End::Front } else { End::Back }, |_| ());
            }
            _ => {
                p.pop(if i % 3 == 0 { End::Front } else { End::Back }, |_| ());
            }
        }
        // a move changes where the elements begin by more than one
        if at.abs_diff(p.start) > 10 {
            moved += 1;
        }
        at = p.start;
        p.check();
        let used = p.data().len() + p.dir().len();
        assert!(p.memory_usage() <= KEPT || p.memory_usage() <= used * 2 + 64, "{} of {used}", p.memory_usage());
    }
    assert!(moved < 1500, "{moved}");
}

#[test]
fn alike_elements_take_their_bytes() {
    let mut p = Pack::new();
    for i in 0..1000 {
        p.push(End::Back, format!("item:{i:05}").as_bytes(), true);
    }
    assert_eq!((p.data().len(), p.dir()), (10_000, &[10, 0x80 | 39, 0x80 | 15][..]));
    assert_eq!(p.packed_len(), 7 + 12_000);
}
