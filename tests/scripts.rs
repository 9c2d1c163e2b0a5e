//! Scripts beside each other: what those that lock their declared keys only may not lose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Launch, ok};
use std::thread;

/// Reads, computes, writes: sums are exact only if nothing comes between.
const ADD: &str = "local v = redis.call('GET', KEYS[1]) or 0 redis.call('SET', KEYS[1], v + 1) \
                   local w = redis.call('GET', KEYS[2]) or 0 redis.call('SET', KEYS[2], w + 1) \
                   return redis.call('GET', KEYS[1])";

#[test]
fn nothing_comes_between_the_commands_of_scripts() {
    const EACH: usize = 300;
    let server = Launch::viator().directive("io-threads", "3").start();
    // each client adds to a counter that it shares with one other, and to one that all share with some
    let pairs = [("a", "b"), ("b", "a"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d")];
    thread::scope(|scope| {
        for (one, two) in pairs {
            let mut c = server.client_resp(2);
            scope.spawn(move || {
                for n in 0..EACH {
                    // some lock all shards: their text hides what they touch
                    let hidden = format!("local r = redis {}", ADD.replace("redis.call", "r.call"));
                    ok(&mut c, &["EVAL", if n % 10 == 0 { &hidden } else { ADD }, "2", one, two]);
                }
            });
        }
    });
    let mut c = server.client_resp(2);
    for (key, times) in [("a", 3), ("b", 2), ("c", 2), ("d", 3), ("e", 2)] {
        assert_eq!(ok(&mut c, &["GET", key]).as_text().unwrap(), (times * EACH).to_string(), "{key}");
    }
}
