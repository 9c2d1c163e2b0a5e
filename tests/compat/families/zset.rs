//! Sorted sets.

use crate::pair::Step;
use crate::random::{Family, Gen, Words, scan};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "zset", step };

/// A blocking command that need not block long: its time-out is short where the sets may be empty.
fn blocking(g: &mut Gen) -> Words {
    let timeout = if g.rng.chance(85) { b"0.001".to_vec() } else { g.pick(&["-1", "abc", "1e400", "", "inf"]).into() };
    let keys = g.keys(1, 3);
    if g.rng.chance(60) {
        let mut words = words![g.pick(&["BZPOPMIN", "BZPOPMAX"])];
        words.extend(keys);
        words.push(timeout);
        return words;
    }
    let n = if g.rng.chance(90) { keys.len().to_string().into_bytes() } else { g.index() };
    let mut words = words!["BZMPOP", timeout, n];
    words.extend(keys);
    words.extend(words![g.pick(&["MIN", "max", "MAX", "MID"])]);
    if g.rng.chance(50) {
        words.extend(words!["COUNT", g.index()]);
    }
    words
}

/// A limit of the small encoding.
fn setting(g: &mut Gen) -> Words {
    let (name, value) = match g.rng.below(2) {
        0 => ("zset-max-listpack-entries", g.pick(&["0", "1", "3", "128", "128", "5000"])),
        _ => ("zset-max-listpack-value", g.pick(&["0", "1", "5", "64", "64", "1000"])),
    };
    words!["CONFIG", "SET", name, value]
}

fn step(g: &mut Gen) -> Step {
    if g.rng.below(60) == 0 {
        return Step::new(&setting(g));
    }
    let words = command(g);
    // nothing may wait for long
    // and what ranges of members give where scores differ depends on the reference's random heights of members
    let equal = words[0] == b"ZADD" && words.get(1).is_some_and(|k| k.starts_with(b"w"));
    if words[0] == b"ZRANDMEMBER" || words[0].starts_with(b"B") || equal {
        return Step::new(&words);
    }
    let mut words = g.spoil(words);
    // Single steps through a table differ; only whole iterations tell something.
    if words[0] == b"ZSCAN"
        && let Some(cursor) = words.get_mut(2)
        && cursor.trim_ascii_start().first().is_some_and(u8::is_ascii_digit)
    {
        *cursor = b"0".to_vec();
        return scan(2, words);
    }
    Step::new(&words)
}

/// A member, of few.
fn member(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(12) {
        0..=3 => g.rng.range(-2, 12).to_string().into_bytes(),
        4..=8 => g.pick(&["a", "b", "c", "d", "e", "f", ""]).into(),
        9 => vec![b'm'; 62 + g.rng.below(5)],
        _ => g.value(),
    }
}

fn score(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(10) {
        0..=5 => g.rng.range(-4, 9).to_string().into_bytes(),
        6 | 7 => format!("{}.{}", g.rng.range(-3, 6), g.rng.below(100)).into_bytes(),
        8 => g.int().to_string().into_bytes(),
        _ => g.floatish(),
    }
}

fn score_bound(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(10) {
        0 => b"-inf".to_vec(),
        1 => b"+inf".to_vec(),
        2..=4 => [b"(".to_vec(), score(g)].concat(),
        _ => score(g),
    }
}

fn lex_bound(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(10) {
        0 => member(g),
        1 | 2 => b"-".to_vec(),
        3 | 4 => b"+".to_vec(),
        5..=7 => [b"[".to_vec(), member(g)].concat(),
        _ => [b"(".to_vec(), member(g)].concat(),
    }
}

/// A key of a sorted set whose scores are all 0: ranges of members mean nothing elsewhere.
fn words_key(g: &mut Gen) -> Vec<u8> {
    g.pick(&["w1", "w2"]).into()
}

fn limit(g: &mut Gen, percent: usize) -> Words {
    if g.rng.chance(percent) { words!["LIMIT", g.index(), g.index()] } else { vec![] }
}

fn add(g: &mut Gen) -> Words {
    let mut words = words!["ZADD", g.key()];
    for (percent, option) in [(8, "NX"), (8, "XX"), (8, "GT"), (8, "LT"), (15, "CH"), (8, "INCR")] {
        words.extend(g.option(percent, &[option]));
    }
    let single = words.iter().any(|w| w.eq_ignore_ascii_case(b"INCR")) && g.rng.chance(90);
    match g.rng.below(40) {
        0 if !single => {
            for i in 0..120 + g.rng.below(20) {
                words.extend(words![score(g), format!("m{i}").into_bytes()]);
            }
        }
        _ => {
            for _ in 0..if single { 1 } else { 1 + g.rng.below(5) } {
                words.extend(words![score(g), member(g)]);
            }
        }
    }
    words
}

fn algebra(g: &mut Gen) -> Words {
    let name = g.pick(&["ZUNION", "ZINTER", "ZDIFF", "ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE", "ZINTERCARD"]);
    let mut words = words![name];
    if name.ends_with("STORE") {
        words.push(g.key());
    }
    // sums of three scores may depend on the order of equally long inputs
    let keys = g.keys(1, 2);
    let n = keys.len();
    words.push(if g.rng.chance(93) { n.to_string().into_bytes() } else { g.index() });
    words.extend(keys);
    if g.rng.chance(if name.starts_with("ZD") { 5 } else { 35 }) {
        words.push(b"WEIGHTS".to_vec());
        words.extend((0..n).map(|_| score(g)));
    }
    if g.rng.chance(if name.starts_with("ZD") { 5 } else { 35 }) {
        words.extend(words!["AGGREGATE", g.pick(&["SUM", "MIN", "max", "AVG"])]);
    }
    words.extend(g.option(if name.ends_with("STORE") { 4 } else { 60 }, &["WITHSCORES"]));
    if name == "ZINTERCARD" && g.rng.chance(70) {
        words.truncate(2 + n);
        words.extend(words!["LIMIT", g.index()]);
    }
    words
}

fn range(g: &mut Gen) -> Words {
    let store = g.rng.chance(20);
    let mut words = if store { words!["ZRANGESTORE", g.key()] } else { words!["ZRANGE"] };
    match g.rng.below(4) {
        0 => words.extend(words![words_key(g), lex_bound(g), lex_bound(g), "BYLEX"]),
        1 => words.extend(words![g.key(), g.index(), g.index()]),
        _ => words.extend(words![g.key(), score_bound(g), score_bound(g), "BYSCORE"]),
    }
    words.extend(g.option(30, &["REV"]));
    words.extend(limit(g, 30));
    words.extend(g.option(if store { 4 } else { 50 }, &["WITHSCORES"]));
    words
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(60) {
        0..=9 => add(g),
        10 | 11 => {
            let mut words = words!["ZADD", words_key(g)];
            for _ in 0..1 + g.rng.below(4) {
                words.extend(words!["0", member(g)]);
            }
            words
        }
        12 | 13 => words!["ZINCRBY", key, score(g), member(g)],
        14 | 15 => {
            let mut words = words!["ZREM", key];
            words.extend((0..1 + g.rng.below(4)).map(|_| member(g)));
            words
        }
        16 => words!["ZCARD", key],
        17 | 18 => words!["ZCOUNT", key, score_bound(g), score_bound(g)],
        19 => words!["ZLEXCOUNT", words_key(g), lex_bound(g), lex_bound(g)],
        20 => words!["ZSCORE", key, member(g)],
        21 => words!["ZMSCORE", key, member(g), member(g)],
        22..=24 => {
            let mut words = words![g.pick(&["ZRANK", "ZREVRANK"]), key, member(g)];
            words.extend(g.option(40, &["WITHSCORE"]));
            words
        }
        25..=31 => range(g),
        32 | 33 => {
            let mut words = words!["ZREVRANGE", key, g.index(), g.index()];
            words.extend(g.option(50, &["WITHSCORES"]));
            words
        }
        34..=36 => {
            let name = g.pick(&["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"]);
            let mut words = words![name, key, score_bound(g), score_bound(g)];
            words.extend(g.option(50, &["WITHSCORES"]));
            words.extend(limit(g, 40));
            words
        }
        37 | 38 => {
            let name = g.pick(&["ZRANGEBYLEX", "ZREVRANGEBYLEX"]);
            let mut words = words![name, words_key(g), lex_bound(g), lex_bound(g)];
            words.extend(limit(g, 40));
            words
        }
        39 => words!["ZREMRANGEBYRANK", key, g.index(), g.index()],
        40 => words!["ZREMRANGEBYSCORE", key, score_bound(g), score_bound(g)],
        41 => words!["ZREMRANGEBYLEX", words_key(g), lex_bound(g), lex_bound(g)],
        42 | 43 => {
            let mut words = words![g.pick(&["ZPOPMIN", "ZPOPMAX"]), key];
            if g.rng.chance(50) {
                words.push(g.index());
            }
            words
        }
        44 => {
            let keys = g.keys(1, 3);
            let n = if g.rng.chance(93) { keys.len().to_string().into_bytes() } else { g.index() };
            let mut words = words!["ZMPOP", n];
            words.extend(keys);
            words.extend(words![g.pick(&["MIN", "max", "MAX", "MID"])]);
            if g.rng.chance(50) {
                words.extend(words!["COUNT", g.index()]);
            }
            words
        }
        45 => {
            let n = g.index();
            if n.len() > 5 { words!["ZRANDMEMBER", key] } else { words!["ZRANDMEMBER", key, n] }
        }
        46..=53 => algebra(g),
        54 | 55 => {
            let mut words = words!["ZSCAN", key, "0"];
            words.extend(if g.rng.chance(30) { words!["MATCH", g.pick(&["*", "1*", "[ab]", "m*"])] } else { vec![] });
            words.extend(if g.rng.chance(40) { words!["COUNT", g.index()] } else { vec![] });
            words
        }
        56 if g.rng.chance(50) => blocking(g),
        56 => words!["OBJECT", "ENCODING", key],
        57 => {
            let mut words = words!["SADD", key];
            words.extend((0..1 + g.rng.below(6)).map(|_| member(g)));
            words
        }
        58 => match g.rng.below(4) {
            0 => words!["SET", key, g.value()],
            1 => words!["EXPIRE", key, "1500"],
            2 => words!["COPY", key, g.key(), "REPLACE"],
            _ => words!["RENAME", key, g.key()],
        },
        _ => words!["DEL", key],
    }
}
