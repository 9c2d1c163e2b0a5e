//! Streams. Ids are explicit or of the form `ms-*`: what the clock makes would differ.

use crate::pair::Step;
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "stream", step };

fn step(g: &mut Gen) -> Step {
    let words = command(g);
    if words[0] == b"CONFIG" {
        return Step::new(&words);
    }
    let mut words = g.spoil(words);
    // Nothing waits here, and ids are not the clock's.
    let is = |w: &[u8], name: &str| w.eq_ignore_ascii_case(name.as_bytes());
    for i in 1..words.len() {
        if is(&words[i - 1], "BLOCK") || (i >= 2 && is(&words[0], "XADD") && words[i] == b"*") {
            words[i] = b"x".to_vec();
        }
    }
    Step::new(&words)
}

fn key(g: &mut Gen) -> Vec<u8> {
    if g.rng.chance(97) { g.pick(&["s1", "s2", "s3"]).into() } else { g.key() }
}

/// The id of an entry that may be there.
fn id(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(40) {
        0 => g.value(),
        1 => {
            let odd = [
                "0", "0-0", "-", "+", "$", ">", "*", "5-*", "18446744073709551615-18446744073709551615", "007-01",
                "18446744073709551615", "18446744073709551616-0", "-1", "1--1", "1-2-3", "1-", " 1-1", "+1-1", "1-+1", "(1-1",
                "18446744073709551615-18446744073709551614", "1\x000-1",
            ];
            g.pick(&odd).into()
        }
        2..=5 => g.rng.range(0, 30).to_string().into_bytes(),
        _ => format!("{}-{}", g.rng.range(1, 30), g.rng.below(3)).into_bytes(),
    }
}

fn bound(g: &mut Gen, end: bool) -> Vec<u8> {
    match g.rng.below(10) {
        0..=3 => if end { "+" } else { "-" }.into(),
        4 => if end { "-" } else { "+" }.into(),
        5 | 6 => [b"(".to_vec(), id(g)].concat(),
        _ => id(g),
    }
}

fn group(g: &mut Gen) -> Vec<u8> {
    g.pick(&["g1", "g1", "g1", "g1", "g2", "g2", "g3", "STREAMS", "nogroup"]).into()
}

fn consumer(g: &mut Gen) -> Vec<u8> {
    g.pick(&["alice", "alice", "bob", "carol", "", "GROUP"]).into()
}

fn count(g: &mut Gen, percent: usize) -> Words {
    if !g.rng.chance(percent) {
        return Vec::new();
    }
    let n = if g.rng.chance(95) { g.rng.range(1, 6).to_string().into_bytes() } else { g.index() };
    words!["COUNT", n]
}

fn min_idle(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(12) {
        0 => {
            let n = g.intish();
            // how long ago something was would decide
            let by_chance = str::from_utf8(&n).ok().and_then(|n| n.parse::<f64>().ok()).is_some_and(|n| n > 0.0 && n < 1e7);
            if by_chance { b"100000000".to_vec() } else { n }
        }
        1 => b"-5".to_vec(),
        2..=4 => b"100000000".to_vec(),
        _ => b"0".to_vec(),
    }
}

fn policy(g: &mut Gen, percent: usize) -> Words {
    let policy = g.pick(&["KEEPREF", "DELREF", "ACKED"]);
    g.option(percent, &[policy])
}

fn trim(g: &mut Gen, required: bool) -> Words {
    if !required && g.rng.chance(75) {
        return policy(g, 2);
    }
    let mut words = policy(g, 15);
    let by_len = g.rng.chance(60);
    words.push(if by_len { "MAXLEN" } else { "MINID" }.into());
    let operator = match g.rng.below(6) {
        0 | 1 => "~",
        2 => "=",
        _ => "",
    };
    if !operator.is_empty() {
        words.push(operator.into());
    }
    words.push(match (by_len, g.rng.chance(95)) {
        (true, true) => g.rng.range(0, 12).to_string().into_bytes(),
        (true, false) => g.intish(),
        _ => id(g),
    });
    if g.rng.chance(if operator == "~" { 40 } else { 3 }) {
        words.extend(words!["LIMIT", g.index()]);
    }
    words.extend(policy(g, 15));
    words
}

fn xadd(g: &mut Gen) -> Words {
    let mut words = words!["XADD", key(g)];
    words.extend(g.option(5, &["NOMKSTREAM"]));
    words.extend(trim(g, false));
    words.push(match g.rng.below(10) {
        0..=4 => format!("{}-*", g.rng.range(1, 30)).into_bytes(),
        5..=7 => format!("{}-{}", g.rng.range(1, 30), g.rng.below(3)).into_bytes(),
        8 => g.rng.range(10, 40).to_string().into_bytes(),
        _ => id(g),
    });
    // Names repeat, so that entries share their node's.
    for i in 0..1 + g.rng.below(2) {
        words.push(if g.rng.chance(90) { format!("f{i}").into_bytes() } else { g.value() });
        words.push(g.value());
    }
    words
}

fn xgroup(g: &mut Gen) -> Words {
    let (key, group) = (key(g), group(g));
    let position = |g: &mut Gen| match g.rng.below(6) {
        0..=2 => b"0".to_vec(),
        3 => b"$".to_vec(),
        _ => id(g),
    };
    let read = |g: &mut Gen| {
        if g.rng.chance(25) { words!["ENTRIESREAD", g.rng.range(-2, 15)] } else { Vec::new() }
    };
    match g.rng.below(16) {
        0..=6 => {
            let mut words = words!["XGROUP", "CREATE", key, group, position(g)];
            words.extend(g.option(60, &["MKSTREAM"]));
            words.extend(read(g));
            words
        }
        7 | 8 => {
            let mut words = words!["XGROUP", "SETID", key, group, position(g)];
            words.extend(read(g));
            words
        }
        9 => words!["XGROUP", "DESTROY", key, group],
        10..=12 => words!["XGROUP", "CREATECONSUMER", key, group, consumer(g)],
        13 | 14 => words!["XGROUP", "DELCONSUMER", key, group, consumer(g)],
        _ => words!["XGROUP", g.value(), key, group],
    }
}

fn xreadgroup(g: &mut Gen) -> Words {
    let mut words = words!["XREADGROUP", "GROUP", group(g), consumer(g)];
    words.extend(count(g, 60));
    if g.rng.chance(25) {
        words.extend(words!["CLAIM", min_idle(g)]);
    }
    words.extend(g.option(15, &["NOACK"]));
    words.push("STREAMS".into());
    let n = if g.rng.chance(80) { 1 } else { 2 };
    (0..n).for_each(|_| words.push(key(g)));
    for _ in 0..n {
        words.push(match g.rng.below(10) {
            0..=6 => b">".to_vec(),
            7 | 8 => b"0".to_vec(),
            _ => id(g),
        });
    }
    words
}

fn xread(g: &mut Gen) -> Words {
    let mut words = words!["XREAD"];
    words.extend(count(g, 40));
    words.push("STREAMS".into());
    let n = if g.rng.chance(70) { 1 } else { 2 };
    (0..n).for_each(|_| words.push(key(g)));
    for _ in 0..n {
        words.push(match g.rng.below(10) {
            0 => b"$".to_vec(),
            1 | 2 => b"+".to_vec(),
            3..=5 => b"0".to_vec(),
            _ => id(g),
        });
    }
    words
}

fn xclaim(g: &mut Gen) -> Words {
    let mut words = words!["XCLAIM", key(g), group(g), consumer(g), min_idle(g)];
    (0..1 + g.rng.below(4)).for_each(|_| words.push(id(g)));
    words.extend(g.option(30, &["FORCE"]));
    words.extend(g.option(30, &["JUSTID"]));
    match g.rng.below(8) {
        // Idle for so long that the entry can be claimed by a least idle time.
        0 => words.extend(words!["IDLE", "2000000000"]),
        1 => words.extend(words!["TIME", g.int()]),
        2 => words.extend(words!["RETRYCOUNT", g.index()]),
        3 => words.extend(words!["LASTID", id(g)]),
        _ => {}
    }
    words
}

fn ids(g: &mut Gen, words: &mut Words) {
    let n = 1 + g.rng.below(3);
    words.extend(policy(g, 60));
    words.push("IDS".into());
    words.push(if g.rng.chance(95) { n.to_string().into_bytes() } else { g.index() });
    (0..n).for_each(|_| words.push(id(g)));
}

fn command(g: &mut Gen) -> Words {
    match g.rng.below(64) {
        0..=15 => xadd(g),
        16..=21 => xgroup(g),
        22..=31 => xreadgroup(g),
        32 | 33 => xread(g),
        34..=36 => xclaim(g),
        37 | 38 => {
            let mut words = words!["XAUTOCLAIM", key(g), group(g), consumer(g), min_idle(g), bound(g, false)];
            // the reference allocates for as many as COUNT says
            words.extend(if g.rng.chance(50) { words!["COUNT", g.rng.range(-1, 4)] } else { Vec::new() });
            words.extend(g.option(30, &["JUSTID"]));
            words
        }
        39 | 40 => {
            let mut words = words!["XACK", key(g), group(g)];
            (0..1 + g.rng.below(4)).for_each(|_| words.push(id(g)));
            words
        }
        41 | 42 => {
            let mut words = words!["XACKDEL", key(g), group(g)];
            ids(g, &mut words);
            words
        }
        43 | 44 => {
            let mut words = words!["XDELEX", key(g)];
            ids(g, &mut words);
            words
        }
        45 | 46 => {
            let mut words = words!["XDEL", key(g)];
            (0..1 + g.rng.below(3)).for_each(|_| words.push(id(g)));
            words
        }
        47 => {
            let mut words = words!["XTRIM", key(g)];
            words.extend(trim(g, true));
            words
        }
        48 => {
            let mut words = words!["XSETID", key(g), id(g)];
            if g.rng.chance(40) {
                words.extend(words!["ENTRIESADDED", g.rng.range(-1, 20)]);
            }
            if g.rng.chance(30) {
                words.extend(words!["MAXDELETEDID", id(g)]);
            }
            words
        }
        49..=51 => words!["XPENDING", key(g), group(g)],
        52 | 53 => {
            let mut words = words!["XPENDING", key(g), group(g)];
            if g.rng.chance(30) {
                words.extend(words!["IDLE", min_idle(g)]);
            }
            words.extend(words![bound(g, false), bound(g, true), g.index()]);
            if g.rng.chance(40) {
                words.push(consumer(g));
            }
            words
        }
        54 => {
            let mut words = words!["XRANGE", key(g), bound(g, false), bound(g, true)];
            words.extend(count(g, 40));
            words
        }
        55 => {
            let mut words = words!["XREVRANGE", key(g), bound(g, true), bound(g, false)];
            words.extend(count(g, 40));
            words
        }
        56 => words!["XINFO", "CONSUMERS", key(g), group(g)],
        57 => words!["XINFO", "GROUPS", key(g)],
        58 => words!["XINFO", "STREAM", key(g)],
        59 => {
            let mut words = words!["XINFO", "STREAM", key(g), "FULL"];
            words.extend(count(g, 30));
            words
        }
        60 => words!["XLEN", key(g)],
        61 if g.rng.chance(20) => words!["CONFIG", "SET", "stream-node-max-entries", g.rng.range(1, 6)],
        61 if g.rng.chance(15) => words!["CONFIG", "SET", "stream-node-max-bytes", g.pick(&["0", "1", "60", "150", "4096"])],
        62 if g.rng.chance(30) => words!["SET", key(g), "v"],
        62 | 63 if g.rng.chance(20) => words!["DEL", key(g)],
        _ => words!["XINFO", "GROUPS", key(g)],
    }
}
