//! Bitmaps.

use crate::pair::Step;
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "bitmap", step };

fn step(g: &mut Gen) -> Step {
    let words = command(g);
    Step::new(&g.spoil(words))
}

fn offset(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(12) {
        0 => small(g),
        1 => b"4294967296".to_vec(),
        _ => g.rng.range(0, 300).to_string().into_bytes(),
    }
}

/// An odd offset, but none that makes a value of hundreds of megabytes.
fn small(g: &mut Gen) -> Vec<u8> {
    let word = g.intish();
    let number: Option<i64> = std::str::from_utf8(&word).ok().and_then(|w| w.parse().ok());
    if number.is_some_and(|n| (100_000..1 << 33).contains(&n)) { b"99999".to_vec() } else { word }
}

fn range(g: &mut Gen) -> Vec<u8> {
    if g.rng.chance(8) { g.intish() } else { g.rng.range(-40, 40).to_string().into_bytes() }
}

fn field_type(g: &mut Gen) -> Vec<u8> {
    if g.rng.chance(5) {
        return g.pick(&["u64", "i65", "u0", "i0", "x8", "u", "", "u-1", "i08", "U8"]).into();
    }
    let sign = g.pick(&["u", "i"]);
    let bits = *g.rng.pick(&[1, 2, 3, 5, 7, 8, 9, 15, 16, 24, 31, 32, 33, 60, 63]);
    format!("{sign}{bits}").into_bytes()
}

fn field_offset(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(14) {
        0 => small(g),
        1 => b"#x".to_vec(),
        2 => b"#-1".to_vec(),
        3..=6 => format!("#{}", g.rng.below(12)).into_bytes(),
        _ => g.rng.range(0, 200).to_string().into_bytes(),
    }
}

/// A value, but none so low that the reference saturates it at the wrong end (known-differences.md).
fn no_minimum(g: &mut Gen) -> Vec<u8> {
    let word = g.intish();
    if word.starts_with(b"-92233720368547") { b"-1".to_vec() } else { word }
}

fn bitfield(g: &mut Gen, read_only: bool) -> Words {
    let mut words = words![if read_only { "BITFIELD_RO" } else { "BITFIELD" }, g.key()];
    for _ in 0..g.rng.below(5) {
        match if read_only && g.rng.chance(92) { 0 } else { g.rng.below(8) } {
            0..=2 => words.extend(words!["GET", field_type(g), field_offset(g)]),
            3 | 4 => words.extend(words!["set", field_type(g), field_offset(g), no_minimum(g)]),
            5 | 6 => words.extend(words!["INCRBY", field_type(g), field_offset(g), g.intish()]),
            _ => words.extend(words!["OVERFLOW", g.pick(&["WRAP", "SAT", "fail", "none"])]),
        }
    }
    words
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(30) {
        0..=4 => words!["SETBIT", key, offset(g), if g.rng.chance(95) { g.rng.range(0, 1).to_string().into_bytes() } else { g.intish() }],
        5 | 6 => words!["GETBIT", key, offset(g)],
        7..=9 => {
            let mut words = words!["BITCOUNT", key];
            if g.rng.chance(75) {
                words.extend(words![range(g), range(g)]);
                words.extend(g.option(25, &["BIT"]));
                words.extend(g.option(20, &["BYTE"]));
            }
            words
        }
        10..=13 => {
            let bit = if g.rng.chance(93) { g.rng.range(0, 1).to_string().into_bytes() } else { g.intish() };
            let mut words = words!["BITPOS", key, bit];
            if g.rng.chance(80) {
                words.push(range(g));
                if g.rng.chance(70) {
                    words.push(range(g));
                    words.extend(g.option(30, &["BIT"]));
                    words.extend(g.option(15, &["BYTE"]));
                }
            }
            words
        }
        14..=18 => {
            let operation = g.pick(&["AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE", "and", "NAND"]);
            let mut words = words!["BITOP", operation, key];
            words.extend(if operation == "NOT" && g.rng.chance(90) { g.keys(1, 1) } else { g.keys(1, 4) });
            words
        }
        19..=22 => bitfield(g, false),
        23 => bitfield(g, true),
        24 | 25 => words!["SET", key, g.value()],
        26 => words!["GET", key],
        27 => words!["STRLEN", key],
        28 => words!["RPUSH", key, g.value()],
        _ => words!["DEL", key],
    }
}
