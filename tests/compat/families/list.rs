//! Lists, under varied `list-max-listpack-size` and `list-compress-depth`.

use crate::pair::Step;
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "list", step };

fn step(g: &mut Gen) -> Step {
    if g.rng.below(40) == 0 {
        // the reference's lists keep what was configured when they became quicklists: no list sees it change
        let configuration = configuration(g);
        g.next.push(Step::new(&configuration));
        return Step::new(&["FLUSHALL"]);
    }
    let words = command(g);
    // an odd option of EXPIRE comes back in its error, as text here and as bytes there; an index may not become a far one
    // and nothing may wait for long
    let keep = matches!(words[0].as_slice(), b"EXPIRE" | b"LSET" | b"LINDEX") || words[0].starts_with(b"B");
    Step::new(&if keep { words } else { g.spoil(words) })
}

fn configuration(g: &mut Gen) -> Words {
    if g.rng.chance(30) {
        return words!["CONFIG", "SET", "list-compress-depth", g.pick(&["0", "1", "2", "3"])];
    }
    let size = g.pick(&["-2", "-1", "-5", "1", "2", "3", "4", "5", "8", "16", "128"]);
    words!["CONFIG", "SET", "list-max-listpack-size", size]
}

/// An element: few different ones, so that they are found, among others of all sizes.
fn element(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(40) {
        0..=19 => g.pick(&["a", "b", "c", "1", "2", "-1", "100000", ""]).into(),
        20 => vec![b'm'; 1000 + g.rng.below(2000)],
        21 if g.rng.chance(30) => vec![b'l'; 8000 + g.rng.below(400)],
        _ => g.value(),
    }
}

fn elements(g: &mut Gen) -> Words {
    let most = if g.rng.chance(10) { 40 } else { 4 };
    (0..=g.rng.below(most)).map(|_| element(g)).collect()
}

fn side(g: &mut Gen) -> Vec<u8> {
    let sides = if g.rng.chance(97) { ["LEFT", "RIGHT", "left", "right"] } else { ["LEFT", "", "MIDDLE", "r"] };
    g.pick(&sides).into()
}

/// An index, but none that the reference would cut to 32 bits (known-differences.md).
fn near(g: &mut Gen) -> Vec<u8> {
    let word = g.index();
    let far = std::str::from_utf8(&word).is_ok_and(|w| w.parse::<i64>().is_ok_and(|n| i32::try_from(n).is_err()));
    if far { b"77".to_vec() } else { word }
}

fn count(g: &mut Gen) -> Vec<u8> {
    if g.rng.chance(90) { g.rng.range(0, 6).to_string().into_bytes() } else { g.intish() }
}

fn several(g: &mut Gen) -> Words {
    let keys = g.keys(1, 3);
    let n = if g.rng.chance(95) { keys.len().to_string().into_bytes() } else { g.intish() };
    let mut words = words![n];
    words.extend(keys);
    words.push(side(g));
    if g.rng.chance(50) {
        words.extend(words![g.pick(&["COUNT", "count", "COUNT", "CNT"]), count(g)]);
    }
    words
}

fn lpos(g: &mut Gen, key: Vec<u8>) -> Words {
    let mut words = words!["LPOS", key, element(g)];
    for _ in 0..g.rng.below(4) {
        match g.rng.below(3) {
            0 => {
                let rank = if g.rng.chance(90) { g.rng.range(-4, 4).to_string().into_bytes() } else { g.intish() };
                words.extend(words!["RANK", rank]);
            }
            1 => words.extend(words!["count", count(g)]),
            _ => words.extend(words!["MAXLEN", count(g)]),
        }
    }
    words
}

/// A blocking command that need not block long: its time-out is short where the lists may be empty.
fn blocking(g: &mut Gen) -> Words {
    let timeout = if g.rng.chance(85) { b"0.001".to_vec() } else { g.pick(&["-1", "abc", "1e400", "", "inf"]).into() };
    match g.rng.below(4) {
        0 => {
            let mut words = words![g.pick(&["BLPOP", "BRPOP"])];
            words.extend(g.keys(1, 3));
            words.push(timeout);
            words
        }
        1 => words!["BLMOVE", g.key(), g.key(), side(g), side(g), timeout],
        2 => words!["BRPOPLPUSH", g.key(), g.key(), timeout],
        _ => {
            let mut words = words!["BLMPOP", timeout];
            words.extend(several(g));
            words
        }
    }
}

/// No command may be spoiled into one that blocks for long.
fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(60) {
        0..=7 => {
            let mut words = words![g.pick(&["LPUSH", "RPUSH"]), key];
            words.extend(elements(g));
            words
        }
        8..=10 => {
            let mut words = words![g.pick(&["LPUSHX", "RPUSHX"]), key];
            words.extend(elements(g));
            words
        }
        11..=15 => {
            let mut words = words![g.pick(&["LPOP", "RPOP"]), key];
            if g.rng.chance(50) {
                words.push(count(g));
            }
            words
        }
        16 | 17 => words!["LLEN", key],
        18..=20 => words!["LINDEX", key, near(g)],
        21..=25 => words!["LSET", key, near(g), element(g)],
        26..=30 => words!["LINSERT", key, g.pick(&["BEFORE", "AFTER", "before", "after", "at"]), element(g), element(g)],
        31..=33 => words!["LRANGE", key, g.index(), g.index()],
        34 => words!["LRANGE", key, "0", "-1"],
        35..=38 => {
            let n = if g.rng.chance(90) { g.rng.range(-3, 3).to_string().into_bytes() } else { g.intish() };
            words!["LREM", key, n, element(g)]
        }
        39..=41 => words!["LTRIM", key, g.index(), if g.rng.chance(60) { b"-2".to_vec() } else { g.index() }],
        42..=44 => lpos(g, key),
        45..=48 => words!["LMOVE", key, g.key(), side(g), side(g)],
        49 => words!["RPOPLPUSH", key, g.key()],
        50..=52 => {
            let mut words = words!["LMPOP"];
            words.extend(several(g));
            words
        }
        53 => words!["OBJECT", "ENCODING", key],
        54 => words!["SET", key, g.value()],
        55 => words!["DEL", key],
        56 => words!["SORT", key, "ALPHA", "STORE", g.key()],
        57 => words!["COPY", key, g.key(), "REPLACE"],
        58 => words!["EXPIRE", key, "1000"],
        _ => blocking(g),
    }
}
