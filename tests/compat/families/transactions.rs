//! MULTI, EXEC, DISCARD, WATCH over three connections.

use crate::pair::Step;
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "transactions", step };

fn step(g: &mut Gen) -> Step {
    let conn = g.rng.below(3);
    let words = command(g);
    Step::on(conn, &g.spoil(words))
}

fn command(g: &mut Gen) -> Words {
    let key = g.key();
    match g.rng.below(50) {
        0..=6 => words!["MULTI"],
        7..=14 => words!["EXEC"],
        15 => words!["DISCARD"],
        16..=20 => {
            let mut words = words!["WATCH"];
            words.extend(g.keys(1, 3));
            words
        }
        21 => words!["UNWATCH"],
        22..=27 => words!["SET", key, g.value()],
        28..=30 => words!["GET", key],
        31 | 32 => words!["INCR", key],
        33 => words!["APPEND", key, g.value()],
        34 | 35 => words!["DEL", key],
        36 => words!["RPUSH", key, g.value()],
        37 => words!["NOSUCHCOMMAND", key],
        38 => words!["SET", key],
        39 => words!["SET", key, g.value(), g.pick(&["EX", "PX"]), "1000"],
        40 => words!["EXPIRE", key, g.seconds()],
        41 => words!["RENAME", key, g.key()],
        42 => words!["MSET", key, g.value(), g.key(), g.value()],
        43 => words!["SELECT", g.pick(&["0", "1"])],
        44 if g.rng.chance(40) => words!["SWAPDB", "0", "1"],
        45 if g.rng.chance(40) => words![g.pick(&["FLUSHDB", "FLUSHALL"])],
        46 => words!["PERSIST", key],
        47 if g.rng.chance(40) => words!["RESET"],
        48 => words!["COPY", key, g.key(), "REPLACE"],
        _ => words!["TYPE", key],
    }
}
