//! The fuzz targets (`fuzz/README.md`) for some seconds, with inputs from a seeded random generator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../fuzz/src/aof.rs"]
mod aof;
#[path = "../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../fuzz/src/command.rs"]
mod command;
#[path = "../fuzz/src/host.rs"]
mod host;
#[path = "../fuzz/src/rdb.rs"]
mod rdb;
#[path = "../fuzz/src/request.rs"]
mod request;
#[path = "common/rng.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod rng;

use rng::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tikv_jemalloc_ctl::thread::allocatedp;

#[global_allocator]
static ALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs inputs; a failing one is shown. Each allocates no more than `most` bytes, all that it frees again included.
fn smoke(name: &str, count: usize, most: u64, run: fn(&[u8]), mut make: impl FnMut(&mut Rng) -> Vec<u8>) {
    let allocated = allocatedp::read().unwrap();
    let check = |input: &[u8]| {
        let before = allocated.get();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(input)));
        let bytes = allocated.get() - before;
        let hex: String = input.iter().map(|b| format!("{b:02x}")).collect();
        assert!(outcome.is_ok(), "{name} fails: VIATOR_FUZZ_INPUT={hex}");
        assert!(bytes <= most, "{name} allocates {bytes} bytes: VIATOR_FUZZ_INPUT={hex}");
        bytes
    };
    if let Ok(hex) = std::env::var("VIATOR_FUZZ_INPUT") {
        let digits = hex.as_bytes().chunks(2).map(|d| std::str::from_utf8(d).unwrap());
        let input: Vec<u8> = digits.map(|d| u8::from_str_radix(d, 16).expect("hexadecimal digits")).collect();
        check(&input);
        return;
    }
    let count = std::env::var("VIATOR_FUZZ_N").map_or(count, |n| n.parse().expect("VIATOR_FUZZ_N is a number"));
    // the same inputs in every run, unless others are asked for
    let mut rng = Rng::new(std::env::var("VIATOR_SEED").map_or(1, |_| rng::seed()));
    let peak = (0..count).map(|_| check(&make(&mut rng))).max();
    eprintln!("{name}: {count} inputs, {} bytes allocated at most", peak.unwrap_or(0));
}

/// Bytes that are often those of the protocol.
fn protocol(rng: &mut Rng) -> Vec<u8> {
    const PIECES: [&[u8]; 20] = [
        b"*",
        b"$",
        b"\r\n",
        b"\r",
        b"\n",
        b"*1\r\n",
        b"*3\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*11\r\n",
        b"$1\r\nx\r\n",
        b"$0\r\n\r\n",
        b"$4\r\nPING\r\n",
        b"$6\r\n",
        b"PING",
        b" ",
        b"\"",
        b"'",
        b"\\x4",
        b"536870913",
    ];
    let mut out: Vec<u8> = (0..10).map(|_| rng.next() as u8).collect();
    for _ in 0..rng.below(60) {
        if rng.chance(15) {
            out.push(rng.next() as u8);
        } else {
            out.extend_from_slice(rng.pick::<&[u8]>(&PIECES));
        }
    }
    // the lengths that matter are long
    if rng.chance(1) {
        let at = rng.below(out.len());
        let long = vec![*rng.pick(b"1x\r "); 64 * 1024 + rng.below(4)];
        out.splice(at..at, long);
    }
    if rng.chance(2) {
        let n = 1 + rng.below(3000);
        out.extend(format!("*{n}\r\n").bytes());
        out.extend(b"$1\r\nx\r\n".repeat(n + rng.below(2)));
    }
    out
}

#[test]
fn requests() {
    smoke("request", 3000, 64 << 20, request::run, protocol);
}

#[test]
fn commands() {
    smoke("command", 2000, 64 << 20, command::run, |rng| (0..20 + rng.below(600)).map(|_| rng.next() as u8).collect());
}

/// Values of every type, whole and then damaged.
fn damaged_value(rng: &mut Rng) -> Vec<u8> {
    use viator_data::stream::{Stream, StreamId};
    use viator_data::{hash, list, set, zset};
    use viator_keyspace::{Content, ValueRef};
    if rng.chance(20) {
        return (0..rng.below(80)).map(|_| rng.next() as u8).collect();
    }
    let members: Vec<Vec<u8>> = (0..1 + rng.below(12))
        .map(|i| match rng.below(3) {
            0 => (rng.next() as i64 >> rng.below(64)).to_string().into_bytes(),
            1 => vec![b'x'; rng.below(80)],
            _ => format!("m{i}").into_bytes(),
        })
        .collect();
    let object = match rng.below(5) {
        0 => {
            let mut x = list::List::new();
            x.push(list::End::Back, &members, &list::Limits { fill: 2, compress_depth: 1 });
            x.into_object()
        }
        1 => {
            let mut x = set::Set::for_first(&members[0], 1, &set::Limits::default());
            members.iter().for_each(|m| {
                x.add(m, &set::Limits::default());
            });
            x.into_object()
        }
        2 => {
            let mut x = zset::ZSet::new();
            members.iter().enumerate().for_each(|(i, m)| {
                x.insert(m, i as f64 / 2.0, &zset::Limits::default());
            });
            x.into_object()
        }
        3 => {
            let mut x = hash::Hash::new();
            let ttl = if rng.chance(50) { hash::Ttl::At(1 << 40) } else { hash::Ttl::Clear };
            members.iter().for_each(|m| {
                x.set(m, m, ttl, &hash::Limits::default());
            });
            x.into_object()
        }
        _ => {
            let mut x = Stream::new();
            for (i, m) in members.iter().enumerate() {
                x.append(StreamId::new(1 + i as u64, 0), &[m, m], &Default::default()).unwrap();
            }
            x.create_group(b"g", StreamId::new(1, 0), Some(1));
            x.group_mut(b"g").unwrap().1.assign(StreamId::new(1, 0), b"c", 5, 1);
            x.into_object()
        }
    };
    let mut w = viator_persist::Writer::new(None);
    w.value(ValueRef::Object(&object));
    let mut bytes = w.finish();
    for _ in 0..rng.below(5) {
        let at = rng.below(bytes.len());
        bytes[at] = rng.next() as u8;
    }
    if rng.chance(50) {
        bytes[0] |= 0x80;
    }
    bytes
}

#[test]
fn rdb_values_and_files() {
    smoke("rdb", 20000, 64 << 20, rdb::run, damaged_value);
}

/// Overwrites, repeats, cuts out and cuts off.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.below(5) {
        if bytes.len() < 2 {
            return;
        }
        let at = 1 + rng.below(bytes.len() - 1);
        let n = rng.below(24).min(bytes.len() - at);
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + n)),
            2 => {
                let part = bytes[at..at + n].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes[at] = *rng.pick(b"*$\r\n-+0129 #\"'"),
            _ => bytes[at] = rng.next() as u8,
        }
    }
}

#[test]
fn append_only_files() {
    smoke("aof", 400, 128 << 20, aof::run, |rng| {
        let choices: Vec<u8> = (0..rng.below(500)).map(|_| rng.next() as u8).collect();
        let mut bytes = aof::seed(&mut bytes::Bytes(&choices));
        if rng.chance(30) {
            // a snapshot first
            let mut w = viator_persist::Writer::new(None);
            w.header();
            w.aux("aof-base", "1");
            w.select(0);
            for i in 0..rng.below(4) {
                w.key(format!("k{i}").as_bytes(), viator_keyspace::ValueRef::Int(7));
            }
            w.end();
            let mut head = w.finish();
            let crc = viator_data::crc::crc64(0, &head);
            head.extend(crc.to_le_bytes());
            bytes.splice(1..1, head);
        }
        damage(rng, &mut bytes);
        bytes
    });
}

#[test]
fn manifests() {
    const PIECES: [&str; 24] = [
        "file a seq 1 type b\n",
        "file b.aof seq 2 type i\n",
        "file a.1.base.rdb seq 1 type h\n",
        "file b.aof seq 3 type i startoffset 5 endoffset 9\n",
        "file ",
        "seq ",
        "type ",
        "startoffset ",
        "endoffset ",
        "b",
        "h",
        "i",
        " ",
        "\n",
        "\r",
        "\t",
        "\0",
        "1",
        "-1",
        "9223372036854775808",
        "\"a b\\n\" ",
        "'it\\'s' ",
        "#",
        "../x ",
    ];
    smoke("aof", 3000, 16 << 20, aof::run, |rng| {
        let mut bytes = vec![0];
        for _ in 0..rng.below(12) {
            let at = if rng.chance(85) { rng.below(4) } else { rng.below(PIECES.len()) };
            bytes.extend_from_slice(PIECES[at].as_bytes());
        }
        if rng.chance(2) {
            bytes.extend(vec![b'n'; 900 + rng.below(300)]);
        }
        damage(rng, &mut bytes);
        bytes
    });
}
