//! Concurrent clients on several worker threads: what they saw must be explained by one order of their operations.
//!
//! `VIATOR_SEED` repeats the operations (not their timing).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod checker;
#[path = "../common/mod.rs"]
mod common;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use checker::{End, Event, Op, Verdict, check, plainly};
use common::rng::{Rng, seed};
use common::{Launch, Server, ok};
use viator_client::Client;

const CLIENTS: usize = 8;

/// Operations of each client in one history.
const LENGTH: usize = 30;

/// Histories, unless time ends first.
const ROUNDS: usize = 60;

const TIME: Duration = Duration::from_secs(12);

/// What the clients do, and over how many keys.
#[derive(Clone, Copy)]
struct Mix {
    keys: usize,
    single: usize,
    multi: usize,
    transactions: usize,
    watches: usize,
    /// Percentage of the steps that are sent as pipelines.
    pipelines: usize,
    /// Makes an operation.
    make: fn(&mut Rng, &Mix, &mut u32) -> Op,
}

/// An operation on lists, of which some wait for elements.
fn on_lists(rng: &mut Rng, mix: &Mix, unique: &mut u32) -> Op {
    let end = |rng: &mut Rng| if rng.chance(50) { End::Left } else { End::Right };
    let k = rng.below(mix.keys) as u8;
    let other = (k + 1 + rng.below(mix.keys - 1) as u8) % mix.keys as u8;
    let time = *rng.pick(&["0.002", "0.01", "0.03"]);
    match rng.below(20) {
        0..=5 => {
            let values = (0..1 + rng.below(2)).map(|_| {
                *unique += 1;
                format!("v{unique}")
            });
            Op::Push(k, end(rng), values.collect())
        }
        6 => Op::Pop(vec![k], end(rng), None),
        7..=10 => Op::Pop(vec![k], end(rng), Some(time)),
        11 | 12 => Op::Pop(vec![k, other], end(rng), Some(time)),
        13..=15 => Op::Move((k, end(rng)), (other, end(rng)), Some(time)),
        16 => Op::Move((k, end(rng)), (if rng.chance(30) { k } else { other }, end(rng)), None),
        17 => Op::Range(k),
        18 => Op::RenameList(k, other),
        _ => {
            if rng.chance(30) {
                Op::DelList(k)
            } else {
                Op::Range(k)
            }
        }
    }
}

fn simple(rng: &mut Rng, mix: &Mix, unique: &mut u32) -> Op {
    let key = |rng: &mut Rng| rng.below(mix.keys) as u8;
    let mut value = |rng: &mut Rng| {
        *unique += 1;
        if rng.chance(30) { unique.to_string() } else { format!("v{unique}") }
    };
    if rng.below(mix.single + mix.multi) < mix.single {
        let k = key(rng);
        return match rng.below(10) {
            0..=3 => Op::Get(k),
            4 | 5 => Op::Set(k, value(rng)),
            6 | 7 => Op::Incr(k),
            8 => Op::Append(k, format!("+{}", rng.below(9))),
            _ => Op::Del(k),
        };
    }
    let (a, b) = (key(rng), key(rng));
    match rng.below(5) {
        0 | 1 if a != b => Op::MSet(vec![(a, value(rng)), (b, value(rng))]),
        2 if a != b => Op::Rename(a, b),
        _ => Op::MGet((0..mix.keys as u8).collect()),
    }
}

/// What one client did.
fn client(mut connection: Client, index: usize, mut rng: Rng, mix: Mix, start: &Barrier, epoch: Instant) -> Vec<Event> {
    let mut history: Vec<Event> = Vec::new();
    let mut unique = index as u32 * 10_000;
    let now = || epoch.elapsed().as_nanos() as u64;
    start.wait();
    while history.len() < LENGTH {
        let kind = rng.below(mix.single + mix.multi + mix.transactions + mix.watches);
        let several =
            |rng: &mut Rng, unique: &mut u32| (0..1 + rng.below(3)).map(|_| (mix.make)(rng, &mix, unique)).collect();
        // Steps that follow each other; a step is what is sent at once.
        let steps: Vec<Vec<Op>> = if kind < mix.single + mix.multi {
            let count = if rng.chance(mix.pipelines) { 2 + rng.below(4) } else { 1 };
            vec![(0..count).map(|_| (mix.make)(&mut rng, &mix, &mut unique)).collect()]
        } else if kind < mix.single + mix.multi + mix.transactions {
            vec![vec![Op::Transaction(several(&mut rng, &mut unique))]]
        } else {
            let k = rng.below(mix.keys) as u8;
            let keys = if rng.chance(50) { vec![k] } else { (0..mix.keys as u8).collect() };
            vec![vec![Op::Watch(keys)], vec![Op::Get(k)], vec![Op::Transaction(several(&mut rng, &mut unique))]]
        };
        for step in steps {
            let commands: Vec<Vec<String>> = step.iter().flat_map(Op::commands).collect();
            let call = now();
            let replies = connection.pipeline(&commands).unwrap();
            let ret = now();
            let mut replies = replies.into_iter();
            for op in step {
                // Of a transaction, EXEC's reply is the last of its replies.
                let reply = replies.nth(op.commands().len() - 1).unwrap();
                let reply = if mix.watches == 0 { plainly(reply) } else { reply };
                history.push(Event { client: index, op, call, ret, reply });
            }
        }
    }
    history
}

fn run(name: &str, mix: Mix, server: &Server) {
    let first = seed();
    println!("{name}: VIATOR_SEED={first}");
    let mut control = server.client();
    let begun = Instant::now();
    let (mut events, mut overlaps, mut rounds) = (0, 0, 0);
    while rounds < ROUNDS && begun.elapsed() < TIME {
        ok(&mut control, &["FLUSHALL"]);
        let mut rng = Rng::new(first.wrapping_add(rounds as u64));
        let (start, epoch) = (Barrier::new(CLIENTS), Instant::now());
        let mut history: Vec<Event> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|i| {
                    let (connection, rng, start) = (server.client(), Rng::new(rng.next()), &start);
                    scope.spawn(move || client(connection, i, rng, mix, start, epoch))
                })
                .collect();
            clients.into_iter().flat_map(|c| c.join().unwrap()).collect()
        });
        history.sort_by_key(|e| e.call);
        let verdict = check(&history, 3_000_000);
        if verdict != Verdict::Linearizable {
            let lines: Vec<String> = history.iter().map(ToString::to_string).collect();
            panic!(
                "{name}, round {rounds}, VIATOR_SEED={first}: {verdict:?} of {} events\n{}",
                history.len(),
                lines.join("\n")
            );
        }
        events += history.len();
        overlaps += history.windows(2).filter(|w| w[1].call < w[0].ret && w[0].client != w[1].client).count();
        rounds += 1;
    }
    println!("{name}: {rounds} histories, {events} operations, {overlaps} neighbours at the same time");
    assert!(overlaps > 0, "no two operations ran at the same time: nothing was tested");
}

fn server() -> Server {
    Launch::viator().directive("io-threads", "4").start()
}

#[test]
fn single_keys() {
    run(
        "single keys",
        Mix { keys: 2, single: 10, multi: 0, transactions: 0, watches: 0, pipelines: 20, make: simple },
        &server(),
    );
}

#[test]
fn several_keys() {
    run(
        "several keys",
        Mix { keys: 4, single: 5, multi: 5, transactions: 0, watches: 0, pipelines: 20, make: simple },
        &server(),
    );
}

#[test]
fn transactions() {
    run(
        "transactions",
        Mix { keys: 4, single: 4, multi: 3, transactions: 4, watches: 0, pipelines: 10, make: simple },
        &server(),
    );
}

#[test]
fn watches() {
    run(
        "watches",
        Mix { keys: 3, single: 4, multi: 2, transactions: 2, watches: 4, pipelines: 0, make: simple },
        &server(),
    );
}

#[test]
fn lists_and_those_who_wait() {
    let mix = Mix { keys: 3, single: 8, multi: 0, transactions: 2, watches: 0, pipelines: 10, make: on_lists };
    run("lists", mix, &server());
}
