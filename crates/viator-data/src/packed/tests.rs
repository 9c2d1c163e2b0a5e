use super::*;
use proptest::prelude::*;

fn unhex(s: &str) -> Vec<u8> {
    (0..s.len()).step_by(2).map(|i| u8::from_str_radix(&s[i..i + 2], 16).unwrap()).collect()
}

/// The values and the listpack a Redis 8 server's DUMP gave for them (RPUSH).
#[test]
fn bytes_of_a_redis_dump() {
    let mut values: Vec<Vec<u8>> = [
        "0",
        "127",
        "128",
        "-1",
        "-4096",
        "4095",
        "4096",
        "-4097",
        "32767",
        "-32768",
        "32768",
        "8388607",
        "-8388608",
        "8388608",
        "2147483647",
        "-2147483648",
        "2147483648",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-0",
        "01",
        "",
        "a",
    ]
    .iter()
    .map(|s| s.as_bytes().to_vec())
    .collect();
    values.push(vec![b'x'; 63]);
    values.push(vec![b'x'; 64]);
    let mut expected = unhex(concat!(
        "0c0100001a00",
        "00017f01c08002dfff02d00002cfff02f1001003f1ffef03f1ff7f03f1008003f200800004f2ffff7f04f200008004f30000800005",
        "f3ffffff7f05f30000008005f4000000800000000009f4ffffffffffffff7f09f4000000000000008009",
        "933932323333373230333638353437373538303814822d3003823031038001816102bf"
    ));
    expected.extend([b'x'; 63]);
    expected.extend(unhex("40e040"));
    expected.extend([b'x'; 64]);
    expected.extend(unhex("42ff"));
    let p: Packed = values.iter().map(|v| v.as_slice()).collect();
    assert_eq!(p.as_bytes(), expected);
    let read: Vec<Vec<u8>> = Packed::from_bytes(expected).unwrap().iter().map(|e| e.to_vec()).collect();
    assert_eq!(read, values);
}

/// Redis writes an entry of 16383 bytes with a length of three bytes, not two.
#[test]
fn backlen_bounds_are_redis_s() {
    for (len, tail) in [(16377, "7ffe"), (16378, "00ffff"), (16379, "018080")] {
        let p: Packed = [vec![b'x'; len].as_slice(), b"z"].into_iter().collect();
        let mut end = unhex(tail);
        end.extend(unhex("817a02ff"));
        assert!(p.as_bytes().ends_with(&end), "{len}");
        assert_eq!(p.iter().rev().map(|e| e.len()).collect::<Vec<_>>(), [1, len]);
        Packed::from_bytes(p.into_bytes()).unwrap();
    }
    for len in [2097145, 2097146, 2097147] {
        let p: Packed = [vec![b'x'; len].as_slice(), b"z"].into_iter().collect();
        assert_eq!(p.index(-2).unwrap().len(), len);
    }
}

#[test]
fn more_entries_than_the_count_field_holds() {
    let mut p = Packed::new();
    for i in 0..70_000 {
        p.push_back_int(i);
    }
    assert_eq!(p.len(), 70_000);
    assert_eq!(p.index(-1), Some(Entry::Int(69_999)));
    assert_eq!(p.index(65_536), Some(Entry::Int(65_536)));
    assert_eq!(p.remove_range(0, 10_000), 10_000);
    assert_eq!(p.len(), 60_000);
    assert_eq!(p.index(0), Some(Entry::Int(10_000)));
    Packed::from_bytes(p.into_bytes()).unwrap();
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..20),
        2 => any::<i64>().prop_map(|i| i.to_string().into_bytes()),
        2 => (-9000i64..9000).prop_map(|i| i.to_string().into_bytes()),
        1 => (60usize..70).prop_map(|n| vec![b'q'; n]),
        1 => (4090usize..4100).prop_map(|n| vec![b'r'; n]),
    ]
}

#[derive(Debug, Clone)]
enum Op {
    Back(Vec<u8>),
    Extend(Vec<Vec<u8>>, i64),
    Front(Vec<u8>),
    Before(usize, Vec<u8>),
    After(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveRange(i64, usize),
    Split(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => value().prop_map(Op::Back),
        1 => (proptest::collection::vec(value(), 0..4), any::<i64>()).prop_map(|(v, i)| Op::Extend(v, i)),
        2 => value().prop_map(Op::Front),
        2 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Before(i, v)),
        2 => (any::<usize>(), value()).prop_map(|(i, v)| Op::After(i, v)),
        2 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Replace(i, v)),
        2 => any::<usize>().prop_map(Op::Remove),
        1 => (-10i64..10, 0usize..6).prop_map(|(i, n)| Op::RemoveRange(i, n)),
        1 => any::<usize>().prop_map(Op::Split),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn behaves_like_a_vec(ops in proptest::collection::vec(op(), 1..60)) {
        let mut p = Packed::new();
        let mut m: Vec<Vec<u8>> = Vec::new();
        for op in ops {
            let at = |i: usize| if m.is_empty() { None } else { Some(i % m.len()) };
            match op {
                Op::Back(v) => { p.push_back(&v); m.push(v); }
                Op::Extend(values, int) => {
                    p.extend(|to| {
                        values.iter().for_each(|v| to.push_entry(Entry::of(v)));
                        to.push_int(int);
                    });
                    m.extend(values);
                    m.push(int.to_string().into_bytes());
                }
                Op::Front(v) => { p.push_front(&v); m.insert(0, v); }
                Op::Before(i, v) => if let Some(i) = at(i) {
                    let pos = p.insert_before(p.seek(i as i64).unwrap(), &v);
                    prop_assert!(p.get(pos).unwrap().eq_bytes(&v));
                    m.insert(i, v);
                }
                Op::After(i, v) => if let Some(i) = at(i) {
                    let pos = p.insert_after(p.seek(i as i64).unwrap(), &v);
                    prop_assert!(p.get(pos).unwrap().eq_bytes(&v));
                    m.insert(i + 1, v);
                }
                Op::Replace(i, v) => if let Some(i) = at(i) {
                    p.replace(p.seek(i as i64).unwrap(), &v);
                    m[i] = v;
                }
                Op::Remove(i) => if let Some(i) = at(i) {
                    let next = p.remove(p.seek(i as i64).unwrap());
                    m.remove(i);
                    prop_assert_eq!(next.and_then(|n| p.get(n)).map(|e| e.to_vec()), m.get(i).cloned());
                }
                Op::RemoveRange(i, n) => {
                    let from = if i < 0 { m.len() as i64 + i } else { i };
                    let want = if from < 0 || from as usize >= m.len() { 0 } else { n.min(m.len() - from as usize) };
                    prop_assert_eq!(p.remove_range(i, n), want);
                    if want > 0 { m.drain(from as usize..from as usize + want); }
                }
                Op::Split(i) => if let Some(i) = at(i) {
                    let tail = p.split_off(i);
                    prop_assert_eq!(tail.len(), m.len() - i);
                    Packed::from_bytes(tail.as_bytes().to_vec()).unwrap();
                    Packed::from_bytes(p.as_bytes().to_vec()).unwrap();
                    p.append_all(&tail);
                }
            }
            prop_assert_eq!(p.len(), m.len());
        }
        prop_assert_eq!(p.iter().map(|e| e.to_vec()).collect::<Vec<_>>(), m.clone());
        prop_assert_eq!(p.iter().rev().map(|e| e.to_vec()).collect::<Vec<_>>(), m.iter().rev().cloned().collect::<Vec<_>>());
        for (i, v) in m.iter().enumerate() {
            prop_assert!(p.iter().nth(i).unwrap().eq_bytes(v));
            prop_assert!(p.iter().nth_back(m.len() - 1 - i).unwrap().eq_bytes(v));
            prop_assert!(p.index(i as i64).unwrap().eq_bytes(v));
            prop_assert!(p.index(i as i64 - m.len() as i64).unwrap().eq_bytes(v));
            let first = m.iter().position(|w| w == v).unwrap();
            prop_assert_eq!(p.find(p.first().unwrap(), v, 0), p.seek(first as i64));
            let even = m.iter().step_by(2).position(|w| w == v);
            prop_assert_eq!(p.find(p.first().unwrap(), v, 1), even.and_then(|e| p.seek(2 * e as i64)));
        }
        prop_assert!(Packed::from_bytes(p.into_bytes()).is_ok());
    }

    /// Bytes from outside: either refused, or readable to the end in both directions.
    #[test]
    fn damaged_bytes_are_refused_or_readable(values in proptest::collection::vec(value(), 0..8),
                                             flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
                                             cut in 0usize..4) {
        let p: Packed = values.iter().map(|v| v.as_slice()).collect();
        let mut bytes = p.into_bytes();
        for (i, x) in flips { let n = bytes.len(); bytes[i % n] ^= x; }
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Ok(p) = Packed::from_bytes(bytes) {
            let mut forward: Vec<_> = p.iter().map(|e| e.to_vec()).collect();
            forward.reverse();
            prop_assert_eq!(forward, p.iter().rev().map(|e| e.to_vec()).collect::<Vec<_>>());
        }
    }
}
