//! Channels, patterns and shard channels: who is told what, over three connections.

use crate::pair::{Act, Step};
use crate::random::{Family, Gen, Words};
use crate::words;

/// The family.
pub const FAMILY: Family = Family { name: "pubsub", step };

/// What was published to others has come when they are asked; what a connection tells itself comes with the reply.
fn step(g: &mut Gen) -> Step {
    let conn = g.rng.below(3);
    let words = command(g);
    let told = words[0].ends_with(b"PUBLISH") || words[0] == b"SET" || words[0] == b"DEL";
    if told {
        g.next.extend((0..3).map(|conn| Step { conn, act: Act::Drain }));
    } else if words[0].ends_with(b"SUBSCRIBE") {
        // a confirmation for each channel
        g.next.push(Step { conn, act: Act::Drain });
    }
    let spoiled = if words[0].ends_with(b"SUBSCRIBE") { words } else { g.spoil(words) };
    Step::on(conn, &spoiled)
}

fn channel(g: &mut Gen) -> Vec<u8> {
    g.pick(&["a", "b", "c", "news.a", "news.b", "", "__keyspace@0__:k"]).into()
}

fn pattern(g: &mut Gen) -> Vec<u8> {
    g.pick(&["*", "a*", "news.?", "[ab]", "news.[^a]", "b", "__key*__:*", "\\a"]).into()
}

fn several(g: &mut Gen, least: usize, make: fn(&mut Gen) -> Vec<u8>) -> Words {
    (0..least + g.rng.below(3)).map(|_| make(g)).collect()
}

fn command(g: &mut Gen) -> Words {
    let with = |name: &str, more: Words| [words![name], more].concat();
    match g.rng.below(44) {
        0..=5 => with("SUBSCRIBE", several(g, 1, channel)),
        6..=8 => with("PSUBSCRIBE", several(g, 1, pattern)),
        9..=11 => with("SSUBSCRIBE", several(g, 1, channel)),
        // never from all: their order is that of a table
        12..=14 => with("UNSUBSCRIBE", several(g, 1, channel)),
        15 | 16 => with("PUNSUBSCRIBE", several(g, 1, pattern)),
        17 => with("SUNSUBSCRIBE", several(g, 1, channel)),
        18..=26 => words!["PUBLISH", channel(g), g.value()],
        27..=29 => words!["SPUBLISH", channel(g), g.value()],
        30 => words!["PUBSUB", "CHANNELS"],
        31 => words!["PUBSUB", "CHANNELS", pattern(g)],
        32 => [words!["PUBSUB", "NUMSUB"], several(g, 0, channel)].concat(),
        33 => words!["PUBSUB", "NUMPAT"],
        34 => words!["PUBSUB", "SHARDCHANNELS", pattern(g)],
        35 => [words!["PUBSUB", "SHARDNUMSUB"], several(g, 0, channel)].concat(),
        36..=39 => words!["CONFIG", "SET", "notify-keyspace-events", g.pick(&["", "KEA", "K$", "Eg"])],
        40 => words!["SET", "k", g.value()],
        41 => words!["DEL", "k"],
        _ => words!["PING", g.value()],
    }
}
