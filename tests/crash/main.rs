//! What an acknowledged write is worth: servers that are killed (SIGKILL) at random moments under a load of several
//! clients, which note what was acknowledged, and again while they load what was left; then the server is started on it.
//!
//! `VIATOR_CRASH_ROUNDS` sets the rounds for each test (3; 200 in the long form), `VIATOR_SEED` repeats one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod power;
mod traced;

use common::rng::{Rng, seed};
use common::{Launch, Server, ok};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use viator_client::Client;
use viator_client::value::{Value, encode_command};

/// Clients that write.
const CLIENTS: usize = 6;
/// What `everysec` may lose, and some patience for a busy machine.
const WINDOW: Duration = Duration::from_millis(2_500);

/// Then a new server begins with nothing, so that rounds do not get longer and longer.
const ROUNDS_PER_SERVER: u64 = 20;

fn rounds() -> u64 {
    std::env::var("VIATOR_CRASH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

/// What is to be there after a crash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Every acknowledged write.
    Everything,
    /// Those acknowledged more than [`WINDOW`] ago.
    Window,
    /// Those acknowledged before the last save that was.
    Saved,
}

/// What a client knows for certain of its own keys. Every write of client C carries a number, ascending:
/// `n:C` counts single writes, `l:C` lists them, `a:C` and `b:C` are written together in transactions.
#[derive(Clone, Copy, Default, Debug)]
struct Known {
    /// The last number that was acknowledged.
    acked: i64,
    /// The last that was sent.
    sent: i64,
    /// The last that was acknowledged when the window of `everysec` began.
    old: i64,
}

struct Load {
    threads: Vec<JoinHandle<Known>>,
    stop: Arc<AtomicBool>,
    total: Arc<AtomicU64>,
    /// The last number that was acknowledged, of each client.
    acked: Arc<Vec<AtomicI64>>,
    /// What a save that began later has, of each client.
    saved: Vec<i64>,
    /// The same, of a save that runs.
    saving: Option<Vec<i64>>,
}

impl Load {
    fn acked(&self) -> Vec<i64> {
        self.acked.iter().map(|n| n.load(Ordering::SeqCst)).collect()
    }
}

/// Starts clients that write until the server is gone. `from`: the numbers they go on from.
fn load(server: &Server, from: &[i64]) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let total = Arc::new(AtomicU64::new(0));
    let acked: Arc<Vec<AtomicI64>> = Arc::new(from.iter().map(|n| AtomicI64::new(*n)).collect());
    let threads = from
        .iter()
        .enumerate()
        .map(|(c, &n)| {
            let client = server.client();
            let (stop, total, acked) = (stop.clone(), total.clone(), acked.clone());
            thread::spawn(move || write(client, c, n, &stop, &total, &acked[c]))
        })
        .collect();
    Load { threads, stop, total, acked, saved: from.to_vec(), saving: None }
}

fn write(mut client: Client, c: usize, from: i64, stop: &AtomicBool, total: &AtomicU64, acked: &AtomicI64) -> Known {
    let mut known = Known { acked: from, sent: from, old: from };
    let mut history: Vec<(Instant, i64)> = Vec::new();
    let (counter, list, a, b) = (format!("n:{c}"), format!("l:{c}"), format!("a:{c}"), format!("b:{c}"));
    while !stop.load(Ordering::Relaxed) {
        let n = known.sent + 1;
        let text = n.to_string();
        known.sent = n;
        let commands: Vec<Vec<&str>> = vec![
            vec!["MULTI"],
            vec!["SET", &a, &text],
            vec!["RPUSH", &list, &text],
            vec!["SET", &b, &text],
            vec!["EXEC"],
            vec!["SET", &counter, &text],
        ];
        match client.pipeline(&commands) {
            Ok(replies) => {
                if replies.iter().any(|r| r.as_error().is_some()) {
                    panic!("a write was refused: {replies:?}");
                }
            }
            Err(_) => break,
        }
        known.acked = n;
        acked.store(n, Ordering::SeqCst);
        history.push((Instant::now(), n));
        total.fetch_add(1, Ordering::Relaxed);
    }
    let end = Instant::now();
    known.old = history.iter().rev().find(|(at, _)| end.duration_since(*at) >= WINDOW).map_or(from, |h| h.1);
    known
}

fn number(client: &mut Client, key: &str) -> i64 {
    ok(client, &["GET", key]).as_text().map_or(0, |t| t.parse().unwrap())
}

/// Looks at what is there after the start. Returns the numbers that clients go on from.
fn verify(server: &Server, known: &[Known], saved: &[i64], promise: Promise) -> Vec<i64> {
    let mut client = server.client();
    let mut caught_up = false;
    let from = known
        .iter()
        .enumerate()
        .map(|(c, k)| {
            let least = match promise {
                Promise::Everything => k.acked,
                Promise::Window => k.old,
                Promise::Saved => saved[c],
            };
            let (a, b) = (number(&mut client, &format!("a:{c}")), number(&mut client, &format!("b:{c}")));
            let n = number(&mut client, &format!("n:{c}"));
            let list = ok(&mut client, &["LRANGE", &format!("l:{c}"), "0", "-1"]);
            let list: Vec<i64> =
                list.as_slice().unwrap_or_default().iter().map(|v| v.as_text().unwrap().parse().unwrap()).collect();
            assert_eq!(a, b, "client {c}: half a transaction");
            assert_eq!(list, (1..=a).collect::<Vec<_>>(), "client {c}: the list and the transactions");
            assert!(n == a || n == a - 1, "client {c}: {n} written after {a}");
            assert!(n >= least, "client {c}: {n} is there, {least} was acknowledged; {k:?}");
            assert!(a <= k.sent, "client {c}: {a} was never sent");
            // what comes next is written once more, so that the counter catches up
            if n < a {
                ok(&mut client, &["SET", &format!("n:{c}"), &a.to_string()]);
                caught_up = true;
            }
            a
        })
        .collect();
    if caught_up && promise == Promise::Saved {
        // the next crash may come before the next save
        ok(&mut client, &["SAVE"]);
    }
    from
}

/// Rounds of load, kill, start; the dataset may be a `large` one. `meanwhile` does something else to the server under load.
fn crash(launch: Launch, large: bool, promise: Promise, meanwhile: impl Fn(&mut Client, &mut Rng, &mut Load)) {
    let first = seed();
    println!("VIATOR_SEED={first}");
    let mut current = None;
    let mut from = vec![0; CLIENTS];
    let mut start = Duration::from_millis(50);
    for round in 0..rounds() {
        if round % ROUNDS_PER_SERVER == 0 {
            current = None;
            from = vec![0; CLIENTS];
        }
        let server = current.get_or_insert_with(|| {
            let server = launch.start();
            if large {
                // saves and loads take some time
                ok(&mut server.client(), &["DEBUG", "POPULATE", "8000", "ballast", "200"]);
            }
            server
        });
        let mut rng = Rng::new(first.wrapping_add(round));
        let mut load = load(server, &from);
        let mut client = server.client();
        let writes = 20 + rng.below(400) as u64;
        let begun = Instant::now();
        let mut next = writes / 4;
        while load.total.load(Ordering::Relaxed) < writes && begun.elapsed() < Duration::from_secs(60) {
            if load.total.load(Ordering::Relaxed) >= next {
                next += writes / 4 + 1;
                meanwhile(&mut client, &mut rng, &mut load);
            }
            thread::yield_now();
        }
        server.kill();
        load.stop.store(true, Ordering::Relaxed);
        let Load { threads, saved, .. } = load;
        let known: Vec<Known> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        // killed again while it loads, or soon after
        while rng.chance(40) {
            let most = start.as_millis() as usize * 5 / 4 + 2;
            server.run_for(Duration::from_millis(rng.below(most) as u64));
        }
        let begun = Instant::now();
        server.restart();
        start = begun.elapsed();
        from = verify(server, &known, &saved, promise);
    }
}

fn with_aof(fsync: &str) -> Launch {
    Launch::viator().directive("appendonly", "yes").directive("appendfsync", fsync).directive("io-threads", "2")
}

#[test]
fn always_keeps_every_acknowledged_write() {
    crash(with_aof("always"), false, Promise::Everything, |_, _, _| {});
}

#[test]
fn always_keeps_every_acknowledged_write_while_the_file_is_rewritten() {
    crash(with_aof("always"), true, Promise::Everything, |client, rng, _| {
        let _ = client.cmd(&["CONFIG", "SET", "aof-use-rdb-preamble", ["yes", "no"][rng.below(2)]]);
        let _ = client.cmd(&["BGREWRITEAOF"]); // one may be running
    });
}

#[test]
fn everysec_loses_two_seconds_at_most() {
    crash(with_aof("everysec"), false, Promise::Window, |client, rng, _| {
        if rng.chance(50) {
            let _ = client.cmd(&["BGREWRITEAOF"]); // one may be running
        }
    });
}

/// A killed process loses nothing that it gave to the system: only a power failure does.
#[test]
fn a_write_is_given_to_the_system_before_it_is_acknowledged() {
    crash(with_aof("no"), false, Promise::Everything, |_, _, _| {});
}

/// What is there after a crash is one moment of the dataset, not earlier than the last save's.
#[test]
fn a_save_keeps_what_was_acknowledged_before_it() {
    crash(Launch::viator().directive("io-threads", "2"), true, Promise::Saved, |client, rng, load| {
        let running = common::info(client, "persistence", "rdb_bgsave_in_progress") == "1";
        if !running && let Some(saving) = load.saving.take() {
            assert_eq!(common::info(client, "persistence", "rdb_last_bgsave_status"), "ok");
            load.saved = saving;
        }
        let acked = load.acked();
        match rng.below(3) {
            0 if !running => {
                ok(client, &["SAVE"]);
                load.saved = acked;
            }
            1 if !running => {
                ok(client, &["BGSAVE"]);
                load.saving = Some(acked);
            }
            _ => {}
        }
    });
}

/// The last increment of a stopped server.
fn last_increment(server: &Server) -> std::path::PathBuf {
    let dir = server.dir().join("appendonlydir");
    let manifest = fs::read_to_string(dir.join("appendonly.aof.manifest")).unwrap();
    let line = manifest.lines().last().unwrap();
    dir.join(line.split(' ').nth(1).unwrap())
}

fn written(n: i64) -> Server {
    let server = with_aof("always").start();
    let mut client = server.client();
    for i in 0..n {
        ok(&mut client, &["RPUSH", "list", &i.to_string()]);
    }
    server
}

/// Damages a file of which nothing is in a journal.
fn damage(server: &Server, path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(power::journal(server)); // there is none after a start that failed
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_torn_file_is_cut_after_its_last_whole_command() {
    let mut server = written(20);
    server.kill();
    let path = last_increment(&server);
    let whole = fs::read(&path).unwrap();
    let mut rng = Rng::new(seed());
    for _ in 0..rounds().max(8) {
        let cut = rng.below(whole.len());
        damage(&server, &path, &whole[..cut]);
        server.restart();
        let mut client = server.client();
        let list = ok(&mut client, &["LRANGE", "list", "0", "-1"]);
        let n = list.as_slice().unwrap().len();
        let expected: Vec<Value> = (0..n).map(|i| Value::Bulk(i.to_string().into_bytes())).collect();
        assert_eq!(list.as_slice().unwrap(), expected, "cut at {cut}");
        // and what is written then is found the next time
        ok(&mut client, &["SET", "after", "1"]);
        drop(client);
        server.restart();
        assert_eq!(number(&mut server.client(), "after"), 1);
        server.kill();
    }
}

#[test]
fn flipped_bits_are_an_error_or_another_value_never_a_crash() {
    let mut server = written(10);
    server.kill();
    let path = last_increment(&server);
    let whole = fs::read(&path).unwrap();
    let mut rng = Rng::new(seed());
    for _ in 0..rounds().max(12) {
        let mut bytes = whole.clone();
        let at = rng.below(bytes.len());
        bytes[at] ^= 1 << rng.below(8);
        damage(&server, &path, &bytes);
        let started = server.try_restart();
        if let Err(text) = started {
            assert!(!text.contains("panicked"), "bit flipped at {at}: {text}");
            assert!(text.contains("reading the append only file"), "bit flipped at {at}: {text}");
        }
        server.kill();
    }
}
