//! Sets.

use crate::pair::Step;
use crate::random::{Family, Gen, Words, scan};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "set", step };

/// A limit of an encoding.
fn setting(g: &mut Gen) -> Words {
    // not of the intset: whether a result outgrows it depends on the order of a table
    let (name, value) = match g.rng.below(2) {
        0 => ("set-max-listpack-entries", g.pick(&["0", "1", "3", "128", "128", "5000"])),
        _ => ("set-max-listpack-value", g.pick(&["0", "1", "5", "64", "64", "1000"])),
    };
    words!["CONFIG", "SET", name, value]
}

fn step(g: &mut Gen) -> Step {
    if g.rng.below(60) == 0 {
        return Step::new(&setting(g));
    }
    let words = command(g);
    // What SPOP chooses is its own, and what is left then differs; of SRANDMEMBER, only how many are told.
    if words[0] == b"SPOP" || words[0] == b"SRANDMEMBER" {
        return Step::new(&words);
    }
    let mut words = g.spoil(words);
    // Single steps through a table differ; only whole iterations tell something.
    if words[0] == b"SSCAN"
        && let Some(cursor) = words.get_mut(2)
        && cursor.trim_ascii_start().first().is_some_and(u8::is_ascii_digit)
    {
        *cursor = b"0".to_vec();
        return scan(2, words);
    }
    Step::new(&words)
}

/// A member: integers of every width, short and long strings.
fn member(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(12) {
        0..=4 => g.rng.range(-2, 12).to_string().into_bytes(),
        5..=7 => g.pick(&["a", "b", "c", "d", ""]).into(),
        8 => vec![b'm'; 62 + g.rng.below(5)],
        9 => g.int().to_string().into_bytes(),
        _ => g.value(),
    }
}

/// Several members; seldom as many as make a table of the set.
fn members(g: &mut Gen) -> Words {
    match g.rng.below(30) {
        0 => {
            let first = g.rng.range(-1000, 1000);
            (0..120 + g.rng.below(20) as i64).map(|i| (first + i).to_string().into_bytes()).collect()
        }
        1 => (0..500 + g.rng.below(30)).map(|i| i.to_string().into_bytes()).collect(),
        2 => (0..120 + g.rng.below(20)).map(|i| format!("m{i}").into_bytes()).collect(),
        _ => (0..1 + g.rng.below(5)).map(|_| member(g)).collect(),
    }
}

/// A count that leaves nothing to chance.
fn all_or_nothing(g: &mut Gen) -> Vec<u8> {
    g.pick(&["0", "0", "1000000", "9223372036854775807", "-1", "x", "", "1.5", "9223372036854775808"]).into()
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(40) {
        0..=8 => {
            let mut words = words!["SADD", key];
            words.extend(members(g));
            words
        }
        9..=12 => {
            let mut words = words!["SREM", key];
            words.extend(members(g));
            words
        }
        13 => words!["SISMEMBER", key, member(g)],
        14 => {
            let mut words = words!["SMISMEMBER", key];
            words.extend(members(g));
            words
        }
        15 => words!["SCARD", key],
        16 => words!["SMEMBERS", key],
        17 => words!["SPOP", key, all_or_nothing(g)],
        18 => {
            let n = g.index();
            if n.len() > 5 { words!["SRANDMEMBER", key] } else { words!["SRANDMEMBER", key, n] }
        }
        19 | 20 => words!["SMOVE", key, g.key(), member(g)],
        21..=24 => {
            let mut words = words![g.pick(&["SINTER", "SUNION", "SDIFF"])];
            words.extend(g.keys(1, 4));
            words
        }
        25..=30 => {
            let mut words = words![g.pick(&["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), key];
            words.extend(g.keys(1, 4));
            words
        }
        31 | 32 => {
            let keys = g.keys(1, 3);
            let n = if g.rng.chance(90) { keys.len().to_string().into_bytes() } else { g.index() };
            let mut words = words!["SINTERCARD", n];
            words.extend(keys);
            if g.rng.chance(50) {
                words.extend(words!["LIMIT", g.index()]);
            }
            words
        }
        33 | 34 => {
            let mut words = words!["SSCAN", key, if g.rng.chance(95) { "0" } else { "x" }];
            words.extend(if g.rng.chance(30) { words!["MATCH", g.pick(&["*", "1*", "[ab]", "m*", "?"])] } else { vec![] });
            words.extend(if g.rng.chance(40) { words!["COUNT", g.index()] } else { vec![] });
            words
        }
        35 | 36 => words!["OBJECT", "ENCODING", key],
        37 => words!["COPY", key, g.key(), "REPLACE"],
        38 => match g.rng.below(3) {
            0 => words!["SET", key, g.value()],
            1 => words!["EXPIRE", key, "1500"],
            _ => words!["RENAME", key, g.key()],
        },
        _ => words!["DEL", key],
    }
}
