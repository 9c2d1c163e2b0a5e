//! What the append-only file does when several things happen to it at once: each test holds open a moment that is short
//! otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::rng::{Rng, seed};
use common::strace::Strace;
use common::{Launch, Server, ok, wait_until};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use viator_client::Client;
use viator_client::value::encode_command;

fn info(client: &mut Client, field: &str) -> String {
    common::info(client, "persistence", field)
}

fn always() -> Launch {
    Launch::viator().directive("appendonly", "yes").directive("appendfsync", "always").directive("io-threads", "4")
}

fn switch(client: &mut Client, on: &str) {
    ok(client, &["CONFIG", "SET", "appendonly", on]);
}

/// No rewrite runs or waits: asked at once, for one becomes the other.
fn is_idle(client: &mut Client) -> bool {
    let text = ok(client, &["INFO", "persistence"]).as_text().unwrap();
    ["aof_rewrite_in_progress:0\r\n", "aof_rewrite_scheduled:0\r\n"].iter().all(|f| text.contains(f))
}

fn is_written(client: &mut Client) {
    wait_until("the first rewrite", || is_idle(client));
    assert_eq!(info(client, "aof_last_bgrewrite_status"), "ok");
}

/// Tells the log that what is behind it begins: no reply could.
const BEGUN: &[&str] = &["EVAL", "redis.log(redis.LOG_WARNING, 'begun')", "0"];

/// Sends a transaction that takes so many seconds; what it changes is logged at its end. `first`: a command before it.
fn slow_transaction(client: &mut Client, first: &[&str], seconds: &str) {
    let commands = [first, BEGUN, &["MULTI"], &["SET", "y", "v"], &["DEBUG", "SLEEP", seconds], &["EXEC"]];
    client.send_raw(&commands.map(encode_command).concat()).unwrap();
}

/// Holds all locks for so many seconds, from now on; two replies come.
fn hold_locks(server: &Server, client: &mut Client, seconds: &str) {
    client.send_raw(&[BEGUN, &["DEBUG", "SLEEP", seconds]].map(encode_command).concat()).unwrap();
    begun(server, 1);
}

/// Waits until the log has told of so many.
fn begun(server: &Server, n: usize) {
    wait_until("the transaction", || server.log().matches("begun").count() == n);
}

fn replies(client: &mut Client, log: impl Fn() -> String) {
    for _ in 0..6 {
        let reply = client.read_reply();
        assert!(reply.is_ok(), "no reply: {reply:?}\n{}", log());
    }
}

/// A command ends while the log is being switched off: what it logs is written no more.
fn late_command(server: &Server, n: usize, admin: &mut Client, client: &mut Client) {
    ok(admin, &["DEBUG", "AOF-FLUSH-SLEEP", "800000"]);
    // logged at once, so that there is something to be written, which takes long now
    slow_transaction(client, &["SET", "x", "v"], "0.4");
    begun(server, n);
    switch(admin, "no");
    replies(client, || server.log());
    ok(admin, &["DEBUG", "AOF-FLUSH-SLEEP", "0"]);
}

/// Nobody waits for what is logged too late to be written. The timer writes the log too, so the moment is not met every time.
#[test]
fn a_reply_does_not_wait_for_a_log_that_was_switched_off() {
    let server = always().directive("hz", "1").start();
    let (mut admin, mut client) = (server.client(), server.client());
    for n in 1..=4 {
        late_command(&server, n, &mut admin, &mut client);
        switch(&mut admin, "yes");
        is_written(&mut admin);
    }
}

/// What was to be on the disk before it is acknowledged is not acknowledged if that fails while the log is switched off.
#[test]
fn what_cannot_be_synced_when_the_log_is_switched_off_is_not_acknowledged() {
    let mut server = always().directive("hz", "1").start();
    let (mut admin, mut client) = (server.client(), server.client());
    ok(&mut admin, &["DEBUG", "AOF-FLUSH-SLEEP", "800000"]);
    let path = server.dir().join("appendonlydir/appendonly.aof.1.incr.aof").display().to_string();
    let args = ["-e", "inject=fdatasync:error=EIO", "-e", "trace=fdatasync", "-o", "/dev/null", "-P", &path];
    let Some(fault) = Strace::attach(&server, &args) else { return };
    slow_transaction(&mut client, &["SET", "x", "v"], "0.4");
    begun(&server, 1);
    assert!(admin.cmd(&["CONFIG", "SET", "appendonly", "no"]).is_err());
    assert!(client.read_reply().is_err());
    drop(fault);
    assert!(!server.wait());
    assert!(server.log().contains("Can't persist AOF for fsync error"), "{}", server.log());
}

/// And what it logged is not there when the log is switched on again.
#[test]
fn a_log_that_is_switched_on_again_begins_with_nothing() {
    let server = always().start();
    let (mut admin, mut client) = (server.client(), server.client());
    for n in 1..=3 {
        slow_transaction(&mut client, &["PING"], "0.3");
        begun(&server, n);
        switch(&mut admin, "no");
        replies(&mut client, || server.log());
        // a long turn, after which the log is written
        let mut turn = vec![vec!["CONFIG", "SET", "appendonly", "yes"]];
        turn.extend(vec![vec!["COMMAND", "DOCS"]; 8]);
        turn.push(vec!["SET", "z", "v"]);
        let replies = admin.pipeline(&turn);
        assert!(replies.is_ok(), "{replies:?}\n{}", server.log());
        is_written(&mut admin);
        assert!(!server.log().contains("Error writing"), "{}", server.log());
    }
}

/// Replies do not wait for what was thrown away with the log, though the first rewrite cannot begin yet.
#[test]
fn a_log_that_waits_for_its_first_rewrite_holds_nobody_up() {
    let server = always().directive("hz", "1").directive("rdb-key-save-delay", "10000").start();
    let (mut admin, mut client) = (server.client(), server.client());
    ok(&mut admin, &["DEBUG", "POPULATE", "15000"]);
    late_command(&server, 1, &mut admin, &mut client);
    ok(&mut admin, &["BGSAVE"]);
    switch(&mut admin, "yes");
    for _ in 0..10 {
        ok(&mut client, &["SET", "z", "v"]);
    }
    assert_eq!(info(&mut admin, "rdb_bgsave_in_progress"), "1");
    ok(&mut admin, &["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    is_written(&mut admin);
}

/// No thread can be had for a rewrite that is about to begin: it is as if it had not begun.
#[test]
fn a_rewrite_without_a_thread_leaves_nothing_behind() {
    let server = Launch::viator().directive("appendonly", "yes").directive("io-threads", "2").start();
    let mut client = server.client();
    ok(&mut client, &["SET", "k", "v"]);
    let refused = ["-e", "inject=clone3,clone:error=EAGAIN", "-e", "trace=clone3,clone", "-o", "/dev/null"];
    let Some(fault) = Strace::attach(&server, &refused) else { return };
    client.cmd(&["BGREWRITEAOF"]).unwrap();
    assert_eq!(info(&mut client, "aof_rewrite_in_progress"), "0");
    assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "err");
    client.cmd(&["BGSAVE"]).unwrap();
    assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "0");
    assert!(client.cmd(&["SAVE"]).unwrap().as_error().is_some());
    // the first one is tried again
    switch(&mut client, "no");
    switch(&mut client, "yes");
    assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "err");
    drop(fault);
    is_written(&mut client);
    ok(&mut client, &["SAVE"]);
    ok(&mut client, &["BGSAVE"]);
    wait_until("the save", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    ok(&mut client, &["BGREWRITEAOF"]);
    is_written(&mut client);
}

/// While the files are loaded nothing is rewritten or saved: the dataset is not whole.
#[test]
fn a_dataset_that_is_being_loaded_is_not_saved() {
    let mut server = always().directive("auto-aof-rewrite-percentage", "0").start();
    let (mut admin, mut client) = (server.client(), server.client());
    for i in 0..2000 {
        client.send(&["SET", &i.to_string(), "v"]).unwrap();
    }
    for _ in 0..2000 {
        client.read_reply().unwrap();
    }
    // asked for at the moment at which the load begins, and done by the timer meanwhile
    ok(&mut admin, &["CONFIG", "SET", "key-load-delay", "500"]);
    let waiting: Vec<Vec<&str>> =
        vec![vec!["MULTI"], vec!["BGREWRITEAOF"], vec!["BGSAVE"], vec!["EXEC"], vec!["DEBUG", "LOADAOF"]];
    admin.pipeline(&waiting).unwrap();
    assert_eq!(ok(&mut admin, &["DBSIZE"]).as_int(), Some(2000));
    is_written(&mut admin);
    wait_until("the save", || info(&mut admin, "rdb_bgsave_in_progress") == "0");
    drop((admin, client));
    server.kill();
    server.restart();
    assert_eq!(ok(&mut server.client(), &["DBSIZE"]).as_int(), Some(2000));
}

/// A rewrite that ends while the files are loaded leaves them where they are until then.
#[test]
fn a_rewrite_does_not_delete_files_that_are_loaded() {
    let server = always().directive("auto-aof-rewrite-percentage", "0").start();
    let (mut admin, mut client) = (server.client(), server.client());
    ok(&mut admin, &["CONFIG", "SET", "key-load-delay", "500", "rdb-key-save-delay", "100"]);
    for round in 0..2 {
        for i in 0..1000 {
            client.send(&["SET", &format!("{round}:{i}"), "v"]).unwrap();
        }
        for _ in 0..1000 {
            client.read_reply().unwrap();
        }
        ok(&mut admin, &["BGREWRITEAOF"]);
        if round == 0 {
            is_written(&mut admin);
        }
    }
    ok(&mut admin, &["DEBUG", "LOADAOF"]);
    assert_eq!(ok(&mut admin, &["DBSIZE"]).as_int(), Some(2000));
    is_written(&mut admin);
}

/// What CONFIG SET says while the files are loaded is followed after that.
#[test]
fn the_log_is_switched_while_the_files_are_loaded() {
    let server = always().start();
    let (mut admin, mut client) = (server.client(), server.client());
    for i in 0..1000 {
        ok(&mut client, &["SET", &i.to_string(), "v"]);
    }
    for (onoff, enabled) in [("no", "0"), ("yes", "1")] {
        ok(&mut admin, &["CONFIG", "SET", "key-load-delay", "100000"]);
        client.send(&["DEBUG", "LOADAOF"]).unwrap();
        wait_until("the load to begin", || info(&mut admin, "loading") == "1");
        switch(&mut admin, onoff);
        assert_eq!(info(&mut admin, "loading"), "1");
        ok(&mut admin, &["CONFIG", "SET", "key-load-delay", "0"]);
        assert!(client.read_reply().unwrap().is_status("OK"));
        assert_eq!(info(&mut admin, "aof_enabled"), enabled);
        for i in 0..10 {
            ok(&mut client, &["SET", &i.to_string(), "w"]);
        }
    }
    is_written(&mut admin);
}

/// Two clients that load the files do so one after the other.
#[test]
fn the_files_are_loaded_once_at_a_time() {
    let server = always().start();
    let (mut admin, mut client, mut other) = (server.client(), server.client(), server.client());
    for _ in 0..500 {
        ok(&mut client, &["INCR", "n"]);
    }
    ok(&mut admin, &["CONFIG", "SET", "key-load-delay", "500"]);
    // both wait for the locks
    hold_locks(&server, &mut admin, "0.3");
    for c in [&mut client, &mut other] {
        c.send(&["DEBUG", "LOADAOF"]).unwrap();
    }
    admin.read_reply().unwrap();
    for c in [&mut admin, &mut client, &mut other] {
        c.read_reply().unwrap();
    }
    assert_eq!(ok(&mut admin, &["GET", "n"]).as_text().as_deref(), Some("500"));
    assert_eq!(ok(&mut admin, &["INCR", "n"]).as_int(), Some(501));
    ok(&mut admin, &["CONFIG", "SET", "key-load-delay", "0"]);
    ok(&mut admin, &["DEBUG", "LOADAOF"]);
    assert_eq!(ok(&mut admin, &["GET", "n"]).as_text().as_deref(), Some("501"));
}

/// Nobody who asks for the server's end waits for ever for the news that it cannot end.
#[test]
fn a_shutdown_that_fails_is_told_to_all_who_asked_for_it() {
    let server = Launch::viator().directive("io-threads", "4").directive("dbfilename", "folder").start();
    std::fs::create_dir(server.dir().join("folder")).unwrap();
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    let mut admin = server.client();
    ok(&mut admin, &["SET", "k", "v"]);
    // all of them come before the first can be followed
    hold_locks(&server, &mut admin, "0.3");
    for c in &mut clients {
        c.send(&["SHUTDOWN", "SAVE"]).unwrap();
    }
    for c in &mut clients {
        let reply = c.read_reply().unwrap_or_else(|e| panic!("no reply: {e}\n{}", server.log()));
        assert_eq!(reply.as_error(), Some(&b"ERR Errors trying to SHUTDOWN. Check logs."[..]));
    }
}

/// Who writes: `key` counts up, and `all` with every acknowledgement. Returns the last number that was acknowledged, when told to
/// stop or when the server is gone.
fn count(mut client: Client, key: &str, all: &AtomicU64, stop: &AtomicBool, gone: &AtomicBool) -> i64 {
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        match client.cmd(&["SET", key, &(n + 1).to_string()]) {
            Ok(reply) if reply.is_status("OK") => {
                n += 1;
                all.fetch_add(1, Ordering::Relaxed);
            }
            Ok(reply) => assert!(reply.to_string().contains("LOADING"), "{reply}"),
            Err(e) => {
                assert!(gone.load(Ordering::Relaxed), "{key}: {e}");
                break;
            }
        }
    }
    n
}

/// Waits until so many more writes have been acknowledged.
fn more(all: &AtomicU64, writes: u64) {
    let until = all.load(Ordering::Relaxed) + writes;
    wait_until("more writes", || all.load(Ordering::Relaxed) >= until);
}

/// Nobody is told of a change that is made when all is on the disk, while the server ends.
#[test]
fn nothing_is_acknowledged_after_the_last_save() {
    for (appendonly, save) in [("yes", "\"\""), ("no", "3600 1")] {
        let launch = Launch::viator().directive("io-threads", "4").directive("appendfsync", "no");
        let mut server = launch.directive("appendonly", appendonly).directive("save", save).start();
        for round in 0..10 {
            let (all, stop, gone) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
            let key = |c: usize| format!("n:{round}:{c}");
            let acked: Vec<i64> = thread::scope(|s| {
                let (all, stop, gone) = (&all, &stop, &gone);
                let start = |c| (server.client(), key(c));
                let writers: Vec<_> = (0..12)
                    .map(start)
                    .map(|(client, key)| s.spawn(move || count(client, &key, all, stop, gone)))
                    .collect();
                more(all, 1000);
                gone.store(true, Ordering::Relaxed);
                assert!(server.terminate(), "{}", server.log());
                stop.store(true, Ordering::Relaxed);
                writers.into_iter().map(|w| w.join().unwrap()).collect()
            });
            server.restart();
            let mut client = server.client();
            for (c, n) in acked.iter().enumerate() {
                let there = ok(&mut client, &["GET", &key(c)]).as_text().map_or(0, |t| t.parse().unwrap());
                assert!(there >= *n, "{there} is there, {n} was acknowledged (round {round}, appendonly {appendonly})");
            }
        }
    }
}

/// WAITAOF ends though somebody else syncs just as it begins to wait, and nothing comes after that.
#[test]
fn waitaof_does_not_overlook_an_fsync() {
    const CLIENTS: usize = 4;
    let server = always().start();
    let together = Barrier::new(CLIENTS);
    thread::scope(|s| {
        for c in 0..CLIENTS {
            let (mut client, together) = (server.client(), &together);
            s.spawn(move || {
                let key = format!("k{c}");
                let commands = [vec!["SET", key.as_str(), "v"], vec!["WAITAOF", "1", "0", "0"]];
                for i in 0..1500 {
                    together.wait();
                    let replies = client.pipeline(&commands);
                    assert!(replies.is_ok(), "{replies:?} in round {i}");
                }
            });
        }
    });
}

/// Several clients do what they like, in any order, while others write. `ops`: lines, `|` between those that are sent at once.
/// Then the log is on, with 'always', and the server ends: all that was acknowledged is there.
fn anything_at_once(ops: &[&str], calm: bool) {
    const WRITERS: usize = 3;
    let first = seed();
    println!("VIATOR_SEED={first}");
    let rounds: u64 = std::env::var("VIATOR_CRASH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    for round in 0..rounds {
        let mut server =
            always().directive("auto-aof-rewrite-percentage", "1").directive("auto-aof-rewrite-min-size", "1").start();
        let mut admin = server.client();
        ok(&mut admin, &["DEBUG", "POPULATE", "2000"]);
        let (stop, quiet, gone) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        let (all, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let terminated = round % 2 == 1;
        let acked: Vec<i64> = thread::scope(|s| {
            let (all, done, stop, quiet, gone) = (&all, &done, &stop, &quiet, &gone);
            let writers: Vec<_> = (0..WRITERS)
                .map(|c| {
                    let client = server.client();
                    s.spawn(move || count(client, &format!("n:{c}"), all, stop, gone))
                })
                .collect();
            let others: Vec<_> = (0..3)
                .map(|c| {
                    let mut client = server.client();
                    let mut rng = Rng::new(first.wrapping_add(round * 3 + c));
                    s.spawn(move || {
                        while !quiet.load(Ordering::Relaxed) {
                            let op = ops[rng.below(ops.len())];
                            let lines: Vec<Vec<&str>> = op.split('|').map(|l| l.split(' ').collect()).collect();
                            if client.pipeline(&lines).is_err() {
                                assert!(gone.load(Ordering::Relaxed), "{op}");
                                return;
                            }
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            wait_until("many operations", || done.load(Ordering::Relaxed) >= 300);
            if calm {
                quiet.store(true, Ordering::Relaxed);
                others.into_iter().for_each(|o| o.join().unwrap_or_else(|_| panic!("{}", server.log())));
                ok(&mut admin, &["CONFIG", "SET", "appendonly", "yes", "appendfsync", "always"]);
                wait_until("the first rewrite", || {
                    let manifest = server.dir().join("appendonlydir/appendonly.aof.manifest");
                    is_idle(&mut admin) && std::fs::read_to_string(manifest).is_ok_and(|m| !m.contains("endoffset"))
                });
                more(all, 100);
            }
            gone.store(true, Ordering::Relaxed);
            if terminated && calm {
                assert!(server.terminate(), "{}", server.log());
            } else {
                server.kill();
            }
            stop.store(true, Ordering::Relaxed);
            quiet.store(true, Ordering::Relaxed);
            writers.into_iter().map(|w| w.join().unwrap_or_else(|_| panic!("{}", server.log()))).collect()
        });
        let log = server.log();
        server.restart();
        let mut client = server.client();
        for (c, n) in acked.iter().enumerate() {
            let there = ok(&mut client, &["GET", &format!("n:{c}")]).as_text().map_or(0, |t| t.parse::<i64>().unwrap());
            assert!(there >= *n, "{there} is there, {n} was acknowledged\n{log}\n{}", server.log());
        }
    }
}

#[test]
fn everything_at_once_while_it_is_switched_on_and_off() {
    anything_at_once(
        &[
            "CONFIG SET appendonly no",
            "CONFIG SET appendonly yes",
            "CONFIG SET appendonly no|CONFIG SET appendonly yes",
            "CONFIG SET appendfsync everysec",
            "CONFIG SET appendfsync no",
            "CONFIG SET appendfsync always",
            "CONFIG SET appendfsync no|CONFIG SET appendfsync always",
            "BGREWRITEAOF",
            "MULTI|BGREWRITEAOF|SET m 1|EXEC",
            "BGSAVE",
            "BGSAVE SCHEDULE",
            "SAVE",
            "DEBUG RELOAD",
            "SHUTDOWN ABORT",
            "CONFIG SET aof-use-rdb-preamble no",
            "CONFIG SET aof-use-rdb-preamble yes",
            "CONFIG SET aof-disable-auto-gc yes|CONFIG SET aof-disable-auto-gc no",
            "MULTI|CONFIG SET appendonly no|SET m 2|EXEC",
            "MULTI|CONFIG SET appendonly yes|SET m 3|EXEC",
            "EVAL redis.call('SET','x',1) 0",
            "WAITAOF 1 0 50",
        ],
        true,
    );
}

/// It stays on: what was acknowledged is there whenever the server dies.
#[test]
fn everything_at_once_while_it_stays_on() {
    anything_at_once(
        &[
            "BGREWRITEAOF",
            "BGREWRITEAOF|BGREWRITEAOF",
            "MULTI|BGREWRITEAOF|SET m 1|EXEC",
            "BGSAVE",
            "BGSAVE SCHEDULE",
            "SAVE",
            "DEBUG RELOAD",
            "DEBUG LOADAOF",
            "CONFIG SET aof-use-rdb-preamble no",
            "CONFIG SET aof-use-rdb-preamble yes",
            "WAITAOF 1 0 50",
        ],
        false,
    );
}
