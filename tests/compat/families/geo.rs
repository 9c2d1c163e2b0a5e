//! Positions on the Earth.

use crate::pair::Step;
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "geo", step };

fn step(g: &mut Gen) -> Step {
    let words = command(g);
    Step::new(&g.spoil(words))
}

fn member(g: &mut Gen) -> Vec<u8> {
    if g.rng.chance(97) { g.rng.range(0, 25).to_string().into_bytes() } else { g.value() }
}

/// Longitude and latitude: anywhere, close together, at the ends, out of range.
fn position(g: &mut Gen) -> Words {
    match g.rng.below(20) {
        0..=7 => words![
            format!("{}.{:04}", g.rng.range(-179, 179), g.rng.below(10000)).into_bytes(),
            format!("{}.{:04}", g.rng.range(-84, 84), g.rng.below(10000)).into_bytes()
        ],
        8..=15 => words![
            format!("13.{:04}", g.rng.below(10000)).into_bytes(),
            format!("38.{:04}", g.rng.below(10000)).into_bytes()
        ],
        16 => words![
            format!("{}.{:03}", g.pick(&["179", "-179"]), g.rng.below(1000)).into_bytes(),
            format!("{}.{:04}", g.rng.range(-1, 1), g.rng.below(10000)).into_bytes()
        ],
        17 => words![
            g.rng.range(-180, 180).to_string().into_bytes(),
            format!("{}.{:03}", g.pick(&["84", "-84", "85", "-85"]), g.rng.below(60)).into_bytes()
        ],
        18 => words![
            g.pick(&["180", "-180", "0", "-0", "180.000001"]),
            g.pick(&["85.05112878", "-85.05112878", "0", "85.0511288", "90"])
        ],
        _ => words![g.floatish(), g.floatish()],
    }
}

fn unit(g: &mut Gen) -> Vec<u8> {
    g.pick(&["m", "km", "km", "km", "ft", "mi", "KM", "yd"]).into()
}

fn length(g: &mut Gen) -> Vec<u8> {
    match g.rng.below(12) {
        0 => b"0".to_vec(),
        1 => g.floatish(),
        2..=4 => g.rng.range(1000, 30_000).to_string().into_bytes(),
        5..=8 => format!("{}.{}", g.rng.below(200), g.rng.below(100)).into_bytes(),
        _ => g.rng.range(1, 1500).to_string().into_bytes(),
    }
}

fn options(g: &mut Gen, with: usize) -> Words {
    let mut words = Words::new();
    words.extend(g.option(30, &["ASC"]));
    words.extend(g.option(20, &["DESC"]));
    if g.rng.chance(30) {
        words.extend(words!["COUNT", g.index()]);
        words.extend(g.option(30, &["ANY"]));
    }
    words.extend(g.option(with, &["WITHCOORD"]));
    words.extend(g.option(with, &["WITHDIST"]));
    words.extend(g.option(with, &["WITHHASH"]));
    words
}

fn store(g: &mut Gen) -> Words {
    words![g.pick(&["STORE", "STOREDIST"]), g.key()]
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(40) {
        0..=11 => {
            let mut words = words!["GEOADD", key];
            words.extend(g.option(10, &["NX"]));
            words.extend(g.option(10, &["XX"]));
            words.extend(g.option(20, &["CH"]));
            for _ in 0..1 + g.rng.below(5) {
                words.extend(position(g));
                words.push(member(g));
            }
            words
        }
        12..=14 => {
            let mut words = words!["GEODIST", key, member(g), member(g)];
            if g.rng.chance(60) {
                words.push(unit(g));
            }
            words
        }
        15 | 16 => words!["GEOHASH", key, member(g), member(g)],
        17 | 18 => words!["GEOPOS", key, member(g), member(g)],
        19..=28 => {
            let stores = g.rng.chance(25);
            let mut words = if stores { words!["GEOSEARCHSTORE", key, g.key()] } else { words!["GEOSEARCH", key] };
            if g.rng.chance(50) {
                words.extend(words!["FROMMEMBER", member(g)]);
            } else {
                words.push(b"FROMLONLAT".to_vec());
                words.extend(position(g));
            }
            if g.rng.chance(50) {
                words.extend(words!["BYRADIUS", length(g), unit(g)]);
            } else {
                words.extend(words!["BYBOX", length(g), length(g), unit(g)]);
            }
            words.extend(options(g, if stores { 3 } else { 30 }));
            words.extend(g.option(if stores { 40 } else { 2 }, &["STOREDIST"]));
            words
        }
        29..=31 => {
            let mut words = words![g.pick(&["GEORADIUS", "GEORADIUS_RO"]), key];
            words.extend(position(g));
            words.extend(words![length(g), unit(g)]);
            let stores = g.rng.chance(25);
            words.extend(options(g, if stores { 3 } else { 30 }));
            words.extend(if stores { store(g) } else { vec![] });
            words
        }
        32..=34 => {
            let name = g.pick(&["GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"]);
            let mut words = words![name, key, member(g), length(g), unit(g)];
            let stores = g.rng.chance(25);
            words.extend(options(g, if stores { 3 } else { 30 }));
            words.extend(if stores { store(g) } else { vec![] });
            words
        }
        35 => words!["ZREM", key, member(g)],
        36 => words!["ZADD", key, g.floatish(), member(g)],
        37 => words!["ZRANGE", key, "0", "-1", "WITHSCORES"],
        38 => words!["SET", key, g.value()],
        _ => words!["DEL", key],
    }
}
