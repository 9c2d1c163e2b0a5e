//! Strings.

use crate::pair::Step;
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "string", step };

fn step(g: &mut Gen) -> Step {
    let words = command(g);
    let mut words = g.spoil(words);
    // The reference answers a bad digest twice if GET is there too (known-differences.md).
    let is = |w: &[u8], name: &str| w.eq_ignore_ascii_case(name.as_bytes());
    let valid = |w: &[u8]| w.len() == 16 && w.iter().all(u8::is_ascii_hexdigit);
    if words.windows(2).any(|p| (is(&p[0], "IFDEQ") || is(&p[0], "IFDNE")) && !valid(&p[1])) {
        words.retain(|w| !is(w, "GET"));
    }
    Step::new(&words)
}

/// The digest that a condition compares with: seldom the right one, as it depends on the value.
fn digest(g: &mut Gen) -> Vec<u8> {
    g.pick(&["0000000000000000", "2d06800538d394c2", "e6632b37c7ab0b9a", "ffffffffffffffff"]).into()
}

fn expiry(g: &mut Gen, percent: usize) -> Words {
    if !g.rng.chance(percent) {
        return Vec::new();
    }
    match g.rng.below(5) {
        0 => words!["EX", g.seconds()],
        1 => words!["PX", g.millis()],
        2 => words!["EXAT", g.moment()],
        3 => words!["pxat", g.moment_ms()],
        _ => words!["KEEPTTL"],
    }
}

fn shuffled(g: &mut Gen, mut options: Vec<Words>) -> Words {
    for i in (1..options.len()).rev() {
        let j = g.rng.below(i + 1);
        options.swap(i, j);
    }
    options.concat()
}

fn set(g: &mut Gen) -> Words {
    let mut words = words!["SET", g.key(), g.value()];
    let condition = match g.rng.below(14) {
        0 | 1 => words!["NX"],
        2 | 3 => words!["xx"],
        4 => words!["IFEQ", g.value()],
        5 => words!["IFNE", g.value()],
        6 => words!["IFDEQ", digest(g)],
        7 => words!["IFDNE", digest(g)],
        _ => Vec::new(),
    };
    let get = g.option(25, &["GET"]);
    let when = expiry(g, 40);
    let second = expiry(g, 4);
    let more = g.option(3, &["XX"]);
    words.extend(shuffled(g, vec![condition, get, when, second, more]));
    words
}

fn msetex(g: &mut Gen) -> Words {
    let n = 1 + g.rng.below(3);
    let mut words = words!["MSETEX", if g.rng.chance(92) { n.to_string().into_bytes() } else { g.index() }];
    for _ in 0..n {
        words.push(g.key());
        words.push(g.value());
    }
    let condition = match g.rng.below(5) {
        0 => words!["NX"],
        1 => words!["XX"],
        _ => Vec::new(),
    };
    let when = expiry(g, 60);
    words.extend(shuffled(g, vec![condition, when]));
    words
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(48) {
        0..=6 => set(g),
        7..=9 => words!["GET", key],
        10 => words!["GETSET", key, g.value()],
        11 => words!["GETDEL", key],
        12 | 13 => {
            let mut words = words!["GETEX", key];
            let persist = g.option(20, &["PERSIST"]);
            let when = expiry(g, 60);
            words.extend(shuffled(g, vec![persist, when]));
            words
        }
        14 => words!["SETNX", key, g.value()],
        15 => words!["SETEX", key, g.seconds(), g.value()],
        16 => words!["PSETEX", key, g.millis(), g.value()],
        17 | 18 => words!["APPEND", key, g.value()],
        19 | 20 => {
            let offset = if g.rng.chance(90) { g.rng.range(0, 60).to_string().into_bytes() } else { g.index() };
            words!["SETRANGE", key, offset, g.value()]
        }
        21 | 22 => words!["GETRANGE", key, g.index(), g.index()],
        23 => words!["SUBSTR", key, g.index(), g.index()],
        24 => words!["STRLEN", key],
        25 => words!["INCR", key],
        26 => words!["DECR", key],
        27 | 28 => words!["INCRBY", key, g.intish()],
        29 => words!["DECRBY", key, g.intish()],
        30..=32 => words!["INCRBYFLOAT", key, g.floatish()],
        33 => {
            let mut words = words!["MGET"];
            words.extend(g.keys(1, 4));
            words
        }
        34 | 35 => {
            let mut words = words![g.pick(&["MSET", "MSETNX"])];
            for _ in 0..=g.rng.below(3) {
                words.push(g.key());
                words.push(g.value());
            }
            words
        }
        36 | 37 => msetex(g),
        38..=40 => {
            let mut words = words!["LCS", key, g.key()];
            let parts = vec![
                g.option(20, &["LEN"]),
                g.option(30, &["IDX"]),
                g.option(20, &["WITHMATCHLEN"]),
                if g.rng.chance(20) { words!["MINMATCHLEN", g.index()] } else { Vec::new() },
            ];
            words.extend(shuffled(g, parts));
            words
        }
        41 => words!["DIGEST", key],
        42 | 43 => {
            let mut words = words!["DELEX", key];
            match g.rng.below(5) {
                0 => {}
                1 => words.extend(words!["IFEQ", g.value()]),
                2 => words.extend(words!["IFNE", g.value()]),
                3 => words.extend(words!["IFDEQ", digest(g)]),
                _ => words.extend(words!["IFDNE", digest(g)]),
            }
            words
        }
        44 => words!["OBJECT", "ENCODING", key],
        45 => words!["PTTL", key],
        46 => words![g.pick(&["RPUSH", "SADD"]), key, g.value()],
        _ => words!["DEL", key],
    }
}
