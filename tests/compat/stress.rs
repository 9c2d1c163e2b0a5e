//! Random commands of all families from many connections at once, while keys expire and are evicted, while snapshots
//! are taken, databases flushed and exchanged, and scripts run: nothing panics or waits for ever, and the memory is
//! given back. Replies are not compared.
//!
//! `VIATOR_STRESS_N` sets the number of commands of each client in each round (500), `VIATOR_SEED` repeats the commands
//! (not their timing).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use viator_client::{Client, value::Value};

use crate::common::rng::seed;
use crate::common::{Launch, Server, ok, quoting, wait_until};
use crate::families;
use crate::pair::Act;
use crate::random::{Gen, Words};
use crate::words;

const CLIENTS: usize = 8;

/// After that long a reply will not come any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What may stay when everything is deleted: the states of scripts, statistics of commands, buffers of the threads.
const MAY_STAY: i64 = 8 << 20;

/// Commands that the families leave out, or that need more than one of them.
fn others(g: &mut Gen) -> Vec<Words> {
    let key = g.key();
    let script = "for i, k in ipairs(KEYS) do redis.call('DEL', k) redis.call('RPUSH', k, ARGV[1]) redis.call('PEXPIRE', k, 5) end
        return redis.call('KEYS', '*')";
    match g.rng.below(12) {
        0 => vec![words!["EVAL", script, "2", key, g.key(), g.value()]],
        1 => vec![words!["BLPOP", key, g.key(), g.pick(&["0", "0.01"])]],
        2 => vec![words!["BLMOVE", key, g.key(), "LEFT", "RIGHT", "0.02"]],
        3 => vec![words!["BZPOPMIN", key, g.key(), "0.01"]],
        4 => vec![words!["XREAD", "BLOCK", "10", "STREAMS", key, "$"]],
        5 => vec![words!["KEYS", "*"], words!["RANDOMKEY"], words!["DBSIZE"]],
        6 => vec![words!["WATCH", key.clone(), g.key()], words!["GET", key], words!["UNWATCH"]],
        7 => vec![words!["SELECT", g.pick(&["0", "0", "0", "1"])]],
        8 => vec![words!["MOVE", key, g.pick(&["0", "1"])]],
        9 => {
            vec![words!["CLIENT", "TRACKING", "ON"], words!["MGET", key, g.key()], words!["CLIENT", "TRACKING", "OFF"]]
        }
        10 => vec![words!["SETRANGE", key, g.pick(&["10", "100000"]), "x"]],
        _ => vec![words!["PUBLISH", "c", g.value()], words!["SCAN", "0", "COUNT", "100"]],
    }
}

/// The next commands of a client.
fn some(g: &mut Gen) -> Vec<Words> {
    if g.rng.chance(12) {
        return others(g);
    }
    let family = families::ALL[g.rng.below(families::ALL.len())];
    let step = g.step(family);
    let Act::Command(words, _) = step.act else { return Vec::new() };
    let name = words[0].to_ascii_uppercase();
    let second = words.get(1).map(|w| w.to_ascii_uppercase()).unwrap_or_default();
    // what would end the experiment, or change how replies come
    let odd: &[&[u8]] = &[b"DEBUG", b"SHUTDOWN", b"MONITOR", b"QUIT", b"HELLO", b"SYNC", b"PSYNC", b"FLUSHALL"];
    if odd.contains(&name.as_slice()) || name.ends_with(b"SUBSCRIBE") || (name == b"CLIENT" && second == b"REPLY") {
        return Vec::new();
    }
    let mut all = vec![words];
    if g.rng.chance(25) {
        let (key, ms) = (g.key(), g.rng.range(1, 30));
        all.push(match g.rng.below(3) {
            0 => words!["HPEXPIRE", key, ms, "FIELDS", "3", "f1", "f2", "f3"],
            _ => words!["PEXPIRE", key, ms],
        });
    }
    all
}

/// Has the commands be about more keys than the families know.
fn spread(g: &mut Gen, commands: &mut [Words]) {
    for word in commands.iter_mut().flatten() {
        let is_key = matches!(word.as_slice(), b"k1" | b"k2" | b"k3" | b"k4" | b"k5" | b"{t}1" | b"{t}2");
        if is_key && g.rng.chance(50) {
            word.extend_from_slice(format!(":{}", g.rng.below(300)).as_bytes());
        }
    }
}

fn client(server: &Server, seed: u64, commands: usize) {
    let mut g = Gen::new(seed);
    let mut c = Client::connect_timeout(&server.address(), PATIENCE).unwrap();
    if seed.is_multiple_of(2) {
        ok(&mut c, &["HELLO", "3"]);
    }
    let mut sent = 0;
    while sent < commands {
        let mut batch = Vec::new();
        let transaction = g.rng.chance(15);
        for _ in 0..1 + g.rng.below(8) {
            batch.extend(some(&mut g));
        }
        spread(&mut g, &mut batch);
        if transaction {
            batch.insert(0, words!["MULTI"]);
            batch.push(words!["EXEC"]);
        }
        if batch.is_empty() {
            continue;
        }
        sent += batch.len();
        if let Err(e) = c.pipeline(&batch) {
            let lines: Vec<String> = batch.iter().map(|w| quoting::line(w)).collect();
            panic!("{e} after\n{}\nlog:\n{}", lines.join("\n"), server.log());
        }
    }
}

/// One who meddles with everything at once.
fn meddler(server: &Server, seed: u64, over: &AtomicBool) {
    let mut g = Gen::new(seed);
    let mut c = Client::connect_timeout(&server.address(), PATIENCE).unwrap();
    while !over.load(Relaxed) {
        let commands: Vec<Words> = match g.rng.below(18) {
            0 => vec![words!["FLUSHALL", g.pick(&["SYNC", "ASYNC"])]],
            1 => vec![words!["SWAPDB", "0", "1"]],
            2 => vec![words!["BGSAVE"]],
            3 => vec![words!["BGREWRITEAOF"]],
            4 => vec![words!["CLIENT", "PAUSE", "4", g.pick(&["WRITE", "ALL"])]],
            5 => vec![words!["INFO", "everything"], words!["MEMORY", "STATS"]],
            6 => vec![words!["MULTI"], words!["INFO"], words!["BGSAVE"], words!["KEYS", "*"], words!["EXEC"]],
            7 => vec![words!["EVAL", "return {redis.call('INFO'), redis.call('DBSIZE')}", "0"]],
            8 => vec![words!["CONFIG", "SET", "appendonly", g.pick(&["yes", "no"])]],
            // until somebody ends it
            9 => vec![words!["EVAL", "while true do end", "0"]],
            10 => vec![words!["EVAL", "for i = 1, 300000 do end return redis.call('SET', 'k1', '1')", "0"]],
            11 => vec![words!["SAVE"]],
            12 => vec![words!["DEBUG", "RELOAD"]],
            13 => vec![words!["CONFIG", "SET", "tracking-table-max-keys", g.pick(&["1", "1000000"])]],
            14 => vec![
                words!["MULTI"],
                words!["SWAPDB", "0", "1"],
                words!["FLUSHDB"],
                words!["BGREWRITEAOF"],
                words!["EXEC"],
            ],
            _ => {
                // those who wait for ever
                let list = c.cmd(&["CLIENT", "LIST"]).unwrap().as_text().unwrap_or_default();
                let waiting = list.lines().filter(|l| l.contains(" flags=b"));
                let ids = waiting.filter_map(|l| l.split(' ').next()?.strip_prefix("id="));
                ids.map(|id| words!["CLIENT", "UNBLOCK", id]).collect()
            }
        };
        for command in &commands {
            if let Err(e) = c.cmd(command) {
                panic!("{e} after {}; log:\n{}", quoting::line(command), server.log());
            }
        }
        thread::yield_now();
    }
}

/// Ends scripts that take long: it is heard however busy everybody is.
fn rescuer(server: &Server, over: &AtomicBool) {
    while !over.load(Relaxed) {
        // each time on another worker
        let mut c = Client::connect_timeout(&server.address(), PATIENCE).unwrap();
        c.cmd(&["SCRIPT", "KILL"]).unwrap_or_else(|e| panic!("{e} after SCRIPT KILL; log:\n{}", server.log()));
        thread::sleep(Duration::from_millis(3));
    }
}

fn info(c: &mut Client, field: &str) -> i64 {
    let text = ok(c, &["INFO", "everything"]).as_text().unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|l| l.trim().parse().ok()).unwrap_or_else(|| panic!("no {field} in INFO"))
}

/// A round: all clients at once, until they have sent their commands.
fn round(server: &Server, seed: u64, commands: usize) {
    let (over, all_over) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|s| {
        let rescuer = s.spawn(|| rescuer(server, &all_over));
        let meddlers = [1, 2].map(|n| {
            s.spawn({
                let over = &over;
                move || meddler(server, seed ^ (n << 32), over)
            })
        });
        let clients: Vec<_> =
            (0..CLIENTS as u64).map(|i| s.spawn(move || client(server, seed.wrapping_add(i), commands))).collect();
        let results: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Relaxed);
        let [one, two] = meddlers.map(thread::ScopedJoinHandle::join);
        all_over.store(true, Relaxed);
        let ended = [one, two, rescuer.join()];
        for result in results.into_iter().chain(ended) {
            result.unwrap_or_else(|e| std::panic::resume_unwind(e));
        }
    });
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn nothing_breaks_and_memory_returns() {
    let commands: usize = std::env::var("VIATOR_STRESS_N").ok().and_then(|n| n.parse().ok()).unwrap_or(500);
    let seed = seed();
    println!("VIATOR_SEED={seed}, {commands} commands of each client in a round");
    let launch = Launch::viator().directive("io-threads", "4").directive("busy-reply-threshold", "5");
    let server = launch.directive("list-max-listpack-size", "-2").start();
    let mut control = Client::connect_timeout(&server.address(), PATIENCE).unwrap();
    let before = info(&mut control, "used_memory");
    let policies = ["noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl"];
    for (n, policy) in policies.iter().enumerate() {
        // the first round without a limit
        let limit = if n == 0 { 0 } else { info(&mut control, "used_memory") + (1 << 20) };
        ok(&mut control, &["CONFIG", "SET", "maxmemory", &limit.to_string(), "maxmemory-policy", policy]);
        round(&server, seed.wrapping_add(1000 * n as u64), commands);
    }
    ok(&mut control, &["CONFIG", "SET", "maxmemory", "0", "appendonly", "no"]);
    assert!(info(&mut control, "expired_keys") > 0, "no key has expired");
    assert!(info(&mut control, "evicted_keys") > 0, "no key was evicted");
    wait_until("no save runs", || {
        info(&mut control, "rdb_bgsave_in_progress") + info(&mut control, "aof_rewrite_in_progress") == 0
    });
    for command in [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"], &["SLOWLOG", "RESET"], &["CONFIG", "RESETSTAT"]] {
        ok(&mut control, command);
    }
    wait_until("everything is freed", || info(&mut control, "lazyfree_pending_objects") == 0);
    let keyspace = ok(&mut control, &["INFO", "keyspace"]);
    assert_eq!(keyspace, Value::Bulk(b"# Keyspace\r\n".to_vec()), "{keyspace}");
    // the connections of the clients end when their workers see it
    let mut after = 0;
    wait_until("memory is given back", || {
        after = info(&mut control, "used_memory");
        after - before < MAY_STAY
    });
    println!("memory: {before} bytes at the start, {after} at the end");
}
