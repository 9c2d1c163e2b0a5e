//! Commands on keys of any type.

use crate::pair::Step;
use crate::random::{Family, Gen, Words, scan};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "generic", step };

fn step(g: &mut Gen) -> Step {
    if g.rng.chance(3) {
        let mut words = words!["SCAN", "0"];
        if g.rng.chance(50) {
            words.extend(words!["MATCH", pattern(g)]);
        }
        if g.rng.chance(50) {
            words.extend(words!["COUNT", g.rng.range(1, 20)]);
        }
        if g.rng.chance(30) {
            words.extend(words!["TYPE", g.pick(&["string", "list", "SET", "zset", "hash", "what"])]);
        }
        return scan(1, words);
    }
    let words = command(g);
    Step::new(&g.spoil(words))
}

fn pattern(g: &mut Gen) -> Vec<u8> {
    g.pick(&["*", "k*", "k?", "k[12]", "k[^12]", "k[2-4]", "*1", "{t}*", "\\k1", "", "?*", "[", "k[1", "k\\", "**1", "w_*", "[a-z]1"]).into()
}

fn db(g: &mut Gen) -> Vec<u8> {
    if g.rng.chance(95) { g.rng.range(0, 2).to_string().into_bytes() } else { g.pick(&["15", "16", "-1", "abc", "99999999999"]).into() }
}

fn write(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(9) {
        0..=3 => words!["SET", key, g.value()],
        4 => words!["RPUSH", key, g.rng.range(-5, 20), g.rng.range(0, 9)],
        5 => words!["RPUSH", key, g.value(), g.value(), g.floatish()],
        6 => words!["SADD", key, g.rng.range(0, 9), g.rng.range(0, 9)],
        7 => words!["ZADD", key, g.rng.range(0, 9), "1", g.rng.range(0, 9), "2"],
        _ => words!["HSET", key, g.value(), g.value()],
    }
}

fn sort(g: &mut Gen) -> Words {
    // The helper keys of BY and GET patterns: w_1, w_2… and h_1->f.
    match g.rng.below(8) {
        0 => return words!["SET", format!("w_{}", g.rng.below(8)).into_bytes(), g.rng.range(-9, 9)],
        1 => return words!["HSET", format!("h_{}", g.rng.below(8)).into_bytes(), "f", g.rng.range(-9, 9)],
        _ => {}
    }
    let read_only = g.rng.chance(30);
    let mut words = words![if read_only { "SORT_RO" } else { "SORT" }, g.key()];
    // With BY and ALPHA the order of elements with equal weights is nobody's promise (known-differences.md).
    let by = g.rng.chance(35);
    if by {
        words.extend(words!["BY", g.pick(&["w_*", "nosort", "h_*->f", "w_", "*", "h_*->"])]);
    }
    if g.rng.chance(30) {
        words.extend(words!["LIMIT", g.index(), g.index()]);
    }
    for _ in 0..g.rng.below(3) {
        if g.rng.chance(40) {
            words.extend(words!["GET", g.pick(&["#", "w_*", "h_*->f", "nothing", "h_*->"])]);
        }
    }
    words.extend(g.option(30, &["DESC"]));
    words.extend(g.option(10, &["ASC"]));
    words.extend(g.option(if by { 0 } else { 50 }, &["ALPHA"]));
    if g.rng.chance(if read_only { 3 } else { 25 }) {
        words.extend(words!["STORE", g.key()]);
    }
    words
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(60) {
        0..=13 => write(g),
        14 | 15 => {
            let mut words = words![g.pick(&["DEL", "UNLINK"])];
            words.extend(g.keys(1, 3));
            words
        }
        16 | 17 => {
            let mut words = words![g.pick(&["EXISTS", "TOUCH"])];
            words.extend(g.keys(1, 4));
            words
        }
        18..=24 => {
            let (name, time) = match g.rng.below(4) {
                0 => ("EXPIRE", g.seconds()),
                1 => ("PEXPIRE", g.millis()),
                2 => ("EXPIREAT", g.moment()),
                _ => ("PEXPIREAT", g.moment_ms()),
            };
            let mut words = words![name, key, time];
            for option in ["NX", "XX", "GT", "LT"] {
                words.extend(g.option(12, &[option]));
            }
            words
        }
        25 | 26 => words![g.pick(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]), key],
        27 => words!["PERSIST", key],
        28..=31 => words![g.pick(&["RENAME", "RENAMENX"]), key, g.key()],
        32..=35 => {
            let mut words = words!["COPY", key, g.key()];
            if g.rng.chance(40) {
                words.extend(words!["DB", db(g)]);
            }
            words.extend(g.option(50, &["REPLACE"]));
            words
        }
        36 | 37 => words!["MOVE", key, db(g)],
        38..=45 => sort(g),
        46 => words!["KEYS", pattern(g)],
        47 => words!["OBJECT", g.pick(&["ENCODING", "REFCOUNT", "IDLETIME", "FREQ", "encoding"]), key],
        48..=50 => words!["TYPE", key],
        51 => words!["DBSIZE"],
        52 | 53 => words!["SELECT", db(g)],
        54 if g.rng.chance(60) => words!["SWAPDB", db(g), db(g)],
        55 if g.rng.chance(30) => {
            let mut words = words!["FLUSHDB"];
            words.extend(g.option(30, &["ASYNC"]));
            words.extend(g.option(30, &["SYNC"]));
            words
        }
        56 => words!["DUMP", key],
        57 => words!["RANDOMKEY"],
        58 => words!["EXISTS", key],
        _ => words!["GET", key],
    }
}
