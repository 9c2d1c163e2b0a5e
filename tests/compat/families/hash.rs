//! Hashes, and the expiration times of their fields.

use std::collections::BTreeSet;

use crate::pair::{Act, Step};
use crate::random::{Family, Gen, Words, scan};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "hash", step };

fn step(g: &mut Gen) -> Step {
    match g.rng.below(60) {
        0..=2 => return expire_and_wait(g),
        3 => {
            let mut words = words!["HSCAN", g.key(), "0"];
            words.extend(g.option(30, &["MATCH", "f*"]));
            words.extend(g.option(30, &["COUNT", "3"]));
            words.extend(g.option(30, &["NOVALUES"]));
            return scan(2, words);
        }
        _ => {}
    }
    let words = command(g);
    if words.first().is_some_and(|w| w == b"CONFIG" || w == b"HSETEX") {
        return Step::new(&words);
    }
    let mut words = g.spoil(words);
    for at in 1..words.len() {
        let huge = std::str::from_utf8(&words[at]).ok().and_then(|w| w.parse::<i64>().ok()).is_some_and(|n| n > 1 << 30);
        if words[at - 1].eq_ignore_ascii_case(b"FIELDS") && huge {
            words[at] = b"1".to_vec();
        }
    }
    // nor does it ever end a reply of 2^63 fields
    if words[0] == b"HRANDFIELD"
        && let Some(count) = words.get_mut(2)
        && std::str::from_utf8(count).ok().and_then(|w| w.parse::<i64>().ok()).is_some_and(|n| n < -1000)
    {
        *count = b"-9".to_vec();
    }
    Step::new(&words)
}

/// Lets fields expire that nobody removes: the first command ends the active cycle's work for both servers.
fn expire_and_wait(g: &mut Gen) -> Step {
    let key = g.pick(&["k1", "k2", "k3", "k4", "k5"]);
    let (a, b) = (g.pick(FIELDS), g.pick(FIELDS));
    let lines = ["DEBUG SET-ACTIVE-EXPIRE 0", &format!("HPEXPIRE {key} 1 FIELDS 2 {a} {b}"), "DEBUG SLEEP 0.003", "QUIT", ""];
    Step { conn: 0, act: Act::Raw(lines.join("\r\n").into_bytes()) }
}

const FIELDS: &[&str] = &["f1", "f2", "f3", "f4", "f5", "f6", "7", "-8"];

fn field(g: &mut Gen) -> Vec<u8> {
    if g.rng.chance(95) { g.pick(FIELDS).into() } else { g.value() }
}

fn fields(g: &mut Gen) -> Words {
    (0..=g.rng.below(4)).map(|_| field(g)).collect()
}

fn pairs(g: &mut Gen) -> Words {
    (0..=g.rng.below(4)).flat_map(|_| [field(g), g.value()]).collect()
}

/// FIELDS, a count that is seldom wrong, and what is counted.
fn counted(g: &mut Gen, items: Words, each: usize) -> Words {
    let n = items.len() / each;
    // the reference does not survive counts near 2^31
    let wrong = g.pick(&["0", "-1", "1", "9", "x", "", "4294967296", "99999999999999999999"]);
    let mut words = words!["FIELDS", if g.rng.chance(97) { n.to_string() } else { wrong.to_owned() }.into_bytes()];
    words.extend(items);
    words
}

fn counted_fields(g: &mut Gen) -> Words {
    let names = fields(g);
    counted(g, names, 1)
}

fn condition(g: &mut Gen) -> Words {
    match g.rng.below(9) {
        0 => words!["NX"],
        1 => words!["XX"],
        2 => words!["gt"],
        3 => words!["LT"],
        _ => Vec::new(),
    }
}

fn expiry(g: &mut Gen, other: &str) -> Words {
    match g.rng.below(8) {
        0 => words!["EX", g.seconds()],
        1 => words!["PX", g.millis()],
        2 => words!["EXAT", g.moment()],
        3 => words!["pxat", g.moment_ms()],
        4 => words![other],
        _ => Vec::new(),
    }
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    let with = |name: &str, more: Words| [words![name, key.clone()], more].concat();
    match g.rng.below(64) {
        0..=9 => with("HSET", pairs(g)),
        10 => with("HMSET", pairs(g)),
        11 => with("HSETNX", words![field(g), g.value()]),
        12 | 13 => with("HGET", words![field(g)]),
        14 => with("HMGET", fields(g)),
        15..=17 => with("HDEL", fields(g)),
        18 => with("HEXISTS", words![field(g)]),
        19 => with("HLEN", Vec::new()),
        20 => with("HSTRLEN", words![field(g)]),
        21 => with("HKEYS", Vec::new()),
        22 => with("HVALS", Vec::new()),
        23 => with("HGETALL", Vec::new()),
        24..=26 => with("HINCRBY", words![field(g), g.intish()]),
        27..=29 => with("HINCRBYFLOAT", words![field(g), g.floatish()]),
        30 => {
            let count = if g.rng.chance(70) { vec![g.index()] } else { Vec::new() };
            let values = if count.is_empty() { Vec::new() } else { g.option(40, &["WITHVALUES"]) };
            with("HRANDFIELD", [count, values].concat())
        }
        31..=40 => {
            let (name, time) = match g.rng.below(4) {
                0 => ("HEXPIRE", g.seconds()),
                1 => ("HPEXPIRE", g.millis()),
                2 => ("HEXPIREAT", g.moment()),
                _ => ("HPEXPIREAT", g.moment_ms()),
            };
            let (condition, fields) = (condition(g), counted_fields(g));
            with(name, [vec![time], condition, fields].concat())
        }
        41..=44 => {
            let name = g.pick(&["HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME"]);
            with(name, counted_fields(g))
        }
        45 | 46 => with("HPERSIST", counted_fields(g)),
        47 | 48 => with("HGETDEL", counted_fields(g)),
        49..=51 => with("HGETEX", [expiry(g, "PERSIST"), counted_fields(g)].concat()),
        52..=55 => {
            let condition = match g.rng.below(5) {
                0 => words!["FNX"],
                1 => words!["fxx"],
                _ => Vec::new(),
            };
            let when = expiry(g, "KEEPTTL");
            // the reference does not survive a field given twice, if the hash is a table
            let names: BTreeSet<_> = fields(g).into_iter().collect();
            let items = names.into_iter().flat_map(|name| [name, g.value()]).collect();
            let items = counted(g, items, 2);
            let options = if g.rng.chance(80) { [condition, when, items] } else { [when, items, condition] };
            with("HSETEX", options.concat())
        }
        56 => with("OBJECT", Vec::new()).into_iter().take(1).chain(words!["ENCODING", key.clone()]).collect(),
        57 => words!["CONFIG", "SET", "hash-max-listpack-entries", g.pick(&["0", "1", "3", "6", "512", "512"])],
        58 => words!["COPY", key, g.key(), "REPLACE"],
        59 => words!["RENAME", key, g.key()],
        60 => words![g.pick(&["SET", "SADD"]), key, "x"],
        61 => words!["PEXPIRE", key, "1000000"],
        62 => words!["CONFIG", "SET", "hash-max-listpack-value", g.pick(&["0", "10", "64", "64", "64"])],
        _ => words!["DEL", key],
    }
}
