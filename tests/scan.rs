//! What SCAN and its kin promise: every element that is there from the beginning to the end of an iteration is given,
//! whatever others insert and delete meanwhile, and however tables grow and shrink.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use common::rng::{Rng, seed};
use common::{Launch, Server, ok};
use viator_client::Client;

/// Elements that stay.
const STAY: usize = 2_000;
/// Elements that come and go in each wave: tables grow to several times their size, and shrink again.
const WAVE: usize = 10_000;
/// Elements of one command.
const AT_ONCE: usize = 500;
/// Iterations of each kind.
const ITERATIONS: usize = 6;

/// A kind of iteration.
#[derive(Clone, Copy)]
struct Kind {
    scan: &'static [&'static str],
    add: &'static str,
    remove: &'static str,
    /// What follows an element when it is added, and when it is given.
    add_pairs: bool,
    give_pairs: bool,
}

const KINDS: &[Kind] = &[
    Kind { scan: &["SCAN"], add: "MSET", remove: "DEL", add_pairs: true, give_pairs: false },
    Kind { scan: &["SSCAN", "s"], add: "SADD", remove: "SREM", add_pairs: false, give_pairs: false },
    Kind { scan: &["HSCAN", "h"], add: "HSET", remove: "HDEL", add_pairs: true, give_pairs: true },
    Kind { scan: &["ZSCAN", "z"], add: "ZADD", remove: "ZREM", add_pairs: true, give_pairs: true },
];

impl Kind {
    fn add(self, c: &mut Client, names: &[String]) {
        let mut line = vec![self.add];
        line.extend(&self.scan[1..]);
        for n in names {
            match (self.add_pairs, self.add) {
                (true, "ZADD") => line.extend(["1", n]),
                (true, _) => line.extend([n, "1"]),
                (false, _) => line.push(n),
            }
        }
        ok(c, &line);
    }

    fn remove(self, c: &mut Client, names: &[String]) {
        let mut line = vec![self.remove];
        line.extend(&self.scan[1..]);
        line.extend(names.iter().map(String::as_str));
        ok(c, &line);
    }

    /// A whole iteration: everything it gives.
    fn iterate(self, c: &mut Client, count: &str) -> BTreeSet<String> {
        let (mut all, mut cursor) = (BTreeSet::new(), "0".to_owned());
        loop {
            let mut line = self.scan.to_vec();
            line.extend([&cursor, "COUNT", count]);
            let reply = ok(c, &line);
            let parts = reply.as_slice().unwrap();
            let step = if self.give_pairs { 2 } else { 1 };
            all.extend(parts[1].as_slice().unwrap().iter().step_by(step).map(|v| v.as_text().unwrap()));
            cursor = parts[0].as_text().unwrap();
            if cursor == "0" {
                return all;
            }
        }
    }
}

fn names(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}:{i}")).collect()
}

/// Inserts and deletes until told to stop; says how many waves there were.
fn disturb(server: &Server, kind: Kind, number: u64, over: &AtomicBool, waves: &AtomicUsize) {
    let mut c = server.client();
    let mut rng = Rng::new(seed().wrapping_add(number));
    while !over.load(SeqCst) {
        let mut all = names(&format!("come{number}"), WAVE / 2 + rng.below(WAVE / 2));
        for some in all.chunks(AT_ONCE) {
            kind.add(&mut c, some);
        }
        // in another order than they came
        for i in (1..all.len()).rev() {
            all.swap(i, rng.below(i + 1));
        }
        for some in all.chunks(AT_ONCE) {
            kind.remove(&mut c, some);
        }
        waves.fetch_add(1, SeqCst);
    }
}

#[test]
fn what_stays_is_given() {
    let server = Launch::viator().directive("io-threads", "3").start();
    for kind in KINDS {
        let mut c = server.client();
        ok(&mut c, &["FLUSHALL"]);
        let stay = names("stay", STAY);
        for some in stay.chunks(AT_ONCE) {
            kind.add(&mut c, some);
        }
        let (over, waves) = (AtomicBool::new(false), AtomicUsize::new(0));
        let iterations = thread::scope(|s| {
            for number in 0..2 {
                let (server, over, waves) = (&server, &over, &waves);
                s.spawn(move || disturb(server, *kind, number, over, waves));
            }
            let mut found = Vec::new();
            // at least some waves must have come and gone meanwhile
            while found.len() < ITERATIONS || waves.load(SeqCst) < 4 {
                let count = ["1", "10", "100", "1000"][found.len() % 4];
                found.push((count, kind.iterate(&mut c, count)));
            }
            over.store(true, SeqCst);
            found
        });
        for (count, found) in iterations {
            let missing: Vec<&String> = stay.iter().filter(|n| !found.contains(*n)).collect();
            assert!(missing.is_empty(), "{:?} COUNT {count} did not give {missing:?}", kind.scan);
        }
    }
}
