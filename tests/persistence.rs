//! Saving and loading: files of other versions, exact points in time, crashes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::rng::Rng;
use common::strace::Strace;
use common::{Launch, Server, ok, wait_until};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use viator_client::{Client, value::Value};

fn info(client: &mut Client, field: &str) -> String {
    common::info(client, "persistence", field)
}

fn digest(server: &Server) -> Value {
    ok(&mut server.client(), &["DEBUG", "DIGEST"])
}

fn bgsave(client: &mut Client) {
    ok(client, &["BGSAVE"]);
    wait_until("the save to end", || info(client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(client, "rdb_last_bgsave_status"), "ok");
}

/// Fills a server with every type, in small and large encodings.
fn fill(client: &mut Client, rng: &mut Rng) {
    let text = |rng: &mut Rng| match rng.below(4) {
        0 => (rng.below(100_000) as i64 - 300).to_string(),
        1 => "x".repeat(rng.below(200)),
        2 => format!("e{}", rng.below(1_000_000)),
        _ => "abc".repeat(rng.below(40)),
    };
    for (i, n) in [3usize, 40, 300, 1500].into_iter().enumerate() {
        let mut commands: Vec<Vec<String>> = Vec::new();
        let mut add = |line: &[&str]| commands.push(line.iter().map(|s| (*s).to_owned()).collect());
        add(&["SET", &format!("s{i}"), &text(rng)]);
        add(&["SET", &format!("long{i}"), &"hello ".repeat(rng.below(3000))]);
        add(&["SET", &format!("ttl{i}"), "x", "PXAT", &(4_000_000_000_000 + rng.below(1000)).to_string()]);
        for _ in 0..n {
            add(&["RPUSH", &format!("l{i}"), &text(rng)]);
            add(&["SADD", &format!("set{i}"), &text(rng)]);
            add(&["SADD", &format!("ints{i}"), &rng.below(1 << (i * 12 + 8)).to_string()]);
            add(&["HSET", &format!("h{i}"), &text(rng), &text(rng)]);
            add(&["HSET", &format!("hx{i}"), &format!("f{}", rng.below(n)), &text(rng)]);
            add(&["ZADD", &format!("z{i}"), ["1", "-3.25", "1e100", "inf", "0.1"][rng.below(5)], &text(rng)]);
            add(&["XADD", &format!("x{i}"), "*", "a", &text(rng), "b", &text(rng)]);
        }
        add(&["RPUSH", &format!("plain{i}"), &"y".repeat(20_000), "a"]);
        for f in (0..n).step_by(3) {
            add(&[
                "HPEXPIREAT",
                &format!("hx{i}"),
                &(4_000_000_000_000 + f).to_string(),
                "FIELDS",
                "1",
                &format!("f{f}"),
            ]);
        }
        add(&["XGROUP", "CREATE", &format!("x{i}"), "g", "0"]);
        add(&["XREADGROUP", "GROUP", "g", "c1", "COUNT", "7", "STREAMS", &format!("x{i}"), ">"]);
        add(&["XREADGROUP", "GROUP", "g", "c2", "COUNT", "2", "STREAMS", &format!("x{i}"), ">"]);
        add(&["PFADD", &format!("hll{i}"), &text(rng), &text(rng)]);
        for reply in client.pipeline(&commands).unwrap() {
            assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
        }
    }
    ok(client, &["SELECT", "9"]);
    ok(client, &["SET", "other", "database"]);
    ok(client, &["SELECT", "0"]);
}

/// Files go to and fro between Viator and Redis, and every server finds the same dataset in them.
#[test]
fn files_are_those_of_redis() {
    let mut rng = Rng::new(common::rng::seed());
    for peer in ["redis-8.6", "redis-8.2"] {
        let Some(peer) = Launch::peer(peer) else { continue };
        let peer = peer.directive("enable-protected-configs", "yes").start();
        let ours = Launch::viator().directive("enable-protected-configs", "yes").start();
        let (mut a, mut b) = (peer.client(), ours.client());
        fill(&mut a, &mut rng);
        ok(&mut a, &["SAVE"]);
        fs::copy(peer.dir().join("dump.rdb"), ours.dir().join("dump.rdb")).unwrap();
        ok(&mut b, &["DEBUG", "RELOAD", "NOSAVE"]);
        assert_eq!(digest(&peer), digest(&ours), "a file of Redis loaded here");
        bgsave(&mut b);
        fs::copy(ours.dir().join("dump.rdb"), peer.dir().join("dump.rdb")).unwrap();
        let check = common::peers_dir().join("bin/redis-check-rdb-8.6");
        let checked = Command::new(check).arg(ours.dir().join("dump.rdb")).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
        ok(&mut a, &["DEBUG", "RELOAD", "NOSAVE"]);
        assert_eq!(digest(&peer), digest(&ours), "our file loaded there");
        ok(&mut b, &["DEBUG", "RELOAD"]);
        assert_eq!(digest(&peer), digest(&ours), "our file loaded here");
    }
}

#[test]
fn what_was_saved_is_there_after_a_restart() {
    let mut server = Launch::viator().directive("save", "3600 1").start();
    let mut c = server.client();
    ok(&mut c, &["MSET", "a", "1", "b", "2"]);
    assert!(server.terminate(), "SIGTERM saves and ends");
    server.restart();
    assert_eq!(ok(&mut server.client(), &["GET", "b"]), Value::Bulk(b"2".to_vec()));
    assert!(server.log().contains("Done loading RDB, keys loaded: 2, keys expired: 0."), "{}", server.log());
}

/// Clients keep pairs of keys equal, each pair within a transaction, while snapshots are taken, databases swapped and
/// emptied: in every snapshot the pairs are equal, and a marker tells that the snapshot is of one moment.
#[test]
fn snapshots_show_one_moment() {
    const PAIRS: usize = 3000;
    let server = Launch::viator().directive("enable-protected-configs", "yes").start();
    let reader = Launch::viator().directive("enable-protected-configs", "yes").start();
    let stop = Arc::new(AtomicBool::new(false));
    let mut c = server.client();
    let mut fill = |db: &str| {
        ok(&mut c, &["SELECT", db]);
        for i in 0..PAIRS {
            ok(&mut c, &["MSET", &format!("a:{i}"), "0", &format!("b:{i}"), "0"]);
        }
    };
    fill("0");
    fill("1");
    let committed = Arc::new(AtomicI64::new(0));
    let writers: Vec<_> = (0..3)
        .map(|w| {
            let (mut c, stop, committed) = (server.client(), stop.clone(), committed.clone());
            thread::spawn(move || {
                let mut rng = Rng::new(w + 1);
                while !stop.load(Ordering::Relaxed) {
                    let i = rng.below(PAIRS);
                    let (a, b) = (format!("a:{i}"), format!("b:{i}"));
                    let db = rng.below(2).to_string();
                    let long = "v".repeat(1 + rng.below(3000));
                    let lines: Vec<Vec<&str>> = match rng.below(40) {
                        0 => vec![vec!["SWAPDB", "0", "1"]],
                        1 if w == 0 && rng.below(20) == 0 => vec![vec!["SELECT", "1"], vec!["FLUSHDB"]],
                        2..6 => vec![vec!["DEL", &a, &b]],
                        6..12 => vec![vec!["MULTI"], vec!["SET", &a, &long], vec!["SET", &b, &long], vec!["EXEC"]],
                        12..16 => vec![
                            vec!["MULTI"],
                            vec!["PEXPIRE", &a, "900000"],
                            vec!["APPEND", &b, "x"],
                            vec!["APPEND", &a, "x"],
                            vec!["EXEC"],
                        ],
                        _ => vec![
                            vec!["SELECT", &db],
                            vec!["MULTI"],
                            vec!["APPEND", &a, "y"],
                            vec!["APPEND", &b, "y"],
                            vec!["EXEC"],
                        ],
                    };
                    for reply in c.pipeline(&lines).unwrap() {
                        assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
                    }
                    committed.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (mut c, mut r) = (server.client(), reader.client());
    for _ in 0..12 {
        bgsave(&mut c);
        fs::copy(server.dir().join("dump.rdb"), reader.dir().join("dump.rdb")).unwrap();
        ok(&mut r, &["DEBUG", "RELOAD", "NOSAVE"]);
        for db in ["0", "1"] {
            ok(&mut r, &["SELECT", db]);
            let gets: Vec<Vec<String>> =
                (0..PAIRS).map(|i| vec!["MGET".into(), format!("a:{i}"), format!("b:{i}")]).collect();
            for (i, reply) in r.pipeline(&gets).unwrap().into_iter().enumerate() {
                let Value::Array(pair) = reply else { panic!("{reply:?}") };
                assert_eq!(pair[0], pair[1], "pair {i} of database {db}");
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    for w in writers {
        w.join().unwrap();
    }
    assert!(committed.load(Ordering::Relaxed) > 0);
}

/// Large values are written to while they are saved: each is in the snapshot as it was at one moment. A value and its
/// counter change together.
#[test]
fn large_values_are_of_one_moment() {
    let server = Launch::viator().directive("enable-protected-configs", "yes").start();
    let reader = Launch::viator().start();
    let mut c = server.client();
    let names = |i: usize| format!("element:{i}");
    for chunk in (0..20_000).collect::<Vec<usize>>().chunks(500) {
        let with = |head: &[&str], each: &dyn Fn(usize) -> Vec<String>| {
            let tail = chunk.iter().flat_map(|i| each(*i));
            head.iter().map(|h| (*h).to_owned()).chain(tail).collect::<Vec<_>>()
        };
        ok(&mut c, &with(&["HSET", "hash"], &|i| vec![names(i), "0".into()]));
        ok(&mut c, &with(&["ZADD", "zset"], &|i| vec!["0".into(), names(i)]));
        ok(&mut c, &with(&["SADD", "set"], &|i| vec![names(i)]));
        ok(&mut c, &with(&["RPUSH", "list"], &|i| vec![names(i)]));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (mut c, stop) = (server.client(), stop.clone());
        thread::spawn(move || {
            let mut rng = Rng::new(7);
            while !stop.load(Ordering::Relaxed) {
                let name = names(rng.below(20_000));
                let lines: [Vec<&str>; 12] = [
                    vec!["MULTI"],
                    vec!["HINCRBY", "hash", &name, "1"],
                    vec!["HINCRBY", "hash", "total", "1"],
                    vec!["ZINCRBY", "zset", "1", &name],
                    vec!["ZINCRBY", "zset", "1", "total"],
                    vec!["SREM", "set", &name],
                    vec!["SADD", "set", &name],
                    vec!["RPUSH", "list", "tail"],
                    vec!["LPUSH", "list", "head"],
                    vec!["INCR", "pushed"],
                    vec!["EXEC"],
                    vec!["PING"],
                ];
                c.pipeline(&lines).unwrap();
            }
        })
    };
    let mut r = reader.client();
    for _ in 0..6 {
        bgsave(&mut c);
        fs::copy(server.dir().join("dump.rdb"), reader.dir().join("dump.rdb")).unwrap();
        ok(&mut r, &["DEBUG", "RELOAD", "NOSAVE"]);
        let numbers =
            |v: Value| -> Vec<i64> { v.as_slice().unwrap().iter().filter_map(|x| x.as_text()?.parse().ok()).collect() };
        let int = |v: Value| v.as_text().map_or(0, |t| t.parse::<i64>().unwrap());
        let total = int(ok(&mut r, &["HGET", "hash", "total"]));
        let values = numbers(ok(&mut r, &["HVALS", "hash"]));
        assert_eq!(values.iter().sum::<i64>(), total * 2, "the hash");
        assert_eq!(int(ok(&mut r, &["ZSCORE", "zset", "total"])), total, "the sorted set and the hash");
        let scores = numbers(ok(&mut r, &["ZRANGE", "zset", "0", "-1", "WITHSCORES"]));
        assert_eq!(scores.iter().sum::<i64>(), total * 2, "the sorted set");
        assert_eq!(ok(&mut r, &["SCARD", "set"]), Value::Integer(20_000));
        assert_eq!(int(ok(&mut r, &["GET", "pushed"])), total);
        assert_eq!(ok(&mut r, &["LLEN", "list"]), Value::Integer(20_000 + 2 * total));
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

/// Killed at any moment of a save, the server finds the old file or the new one, whole.
#[test]
fn a_crash_leaves_a_whole_file() {
    let mut rng = Rng::new(common::rng::seed());
    let mut server = Launch::viator().start();
    for round in 0..8u64 {
        let mut c = server.client();
        let before = ok(&mut c, &["GET", "round"]);
        ok(&mut c, &["SET", "round", &round.to_string()]);
        ok(&mut c, &["DEBUG", "POPULATE", "20000", &format!("r{round}"), "100"]);
        ok(&mut c, &["BGSAVE"]);
        thread::sleep(std::time::Duration::from_millis(rng.below(150) as u64));
        server.kill();
        server.restart();
        let mut c = server.client();
        let after = ok(&mut c, &["GET", "round"]);
        let size = ok(&mut c, &["DBSIZE"]);
        if after == before {
            continue; // the old file, or none
        }
        assert_eq!(after, Value::Bulk(round.to_string().into_bytes()));
        let Value::Integer(n) = size else { panic!("{size:?}") };
        assert!(n > 20_000 && (n - 1) % 20_000 == 0, "{n} keys");
    }
}

/// Files of versions that Redis no longer writes.
#[test]
fn old_files_are_read() {
    let ours = Launch::viator().start();
    let reference = Launch::reference().map(|l| l.start());
    let mut c = ours.client();
    // with every encoding that the version has
    let files = [
        ("version-1", "1030fec51c939f1cfe65e2a0abafd4a829283bf6"),
        ("version-2", "6a3f07d8a1d0ab2156a15613a21c407729f7c587"),
        ("version-3", "94b4f5f164729c1671dcbcb3d72f2ae63516cfb6"),
        ("version-4", "0b8fbf1dde89d6a5f7c0026e66f1167fa108ccdd"),
        ("version-5", "ac40971e0164a78c4954e06b71efe9afbdf62bac"),
        ("version-6", "ac40971e0164a78c4954e06b71efe9afbdf62bac"),
        ("version-7", "46e06e0607118a13f212291ad52a4ce605ae5acc"),
        ("version-8", "d32c7bcc211376a76e6dc839f9ce905963308b7e"),
        ("version-9", "7255d69e0188821ac9c3c07a98420ca994eb8907"),
        ("version-9-without-checksum", "7255d69e0188821ac9c3c07a98420ca994eb8907"),
        ("version-10", "6c59ee9df530a0a2688aed20b3594ef300237ea0"),
        ("version-11", "0b6dc6b2227dcb9b8fdd6ef420e014cac96d7edb"),
        ("version-12", "c8244ed83ffdf59a66ae17e293ce43171f2a6169"),
    ];
    for (name, content) in files {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/rdb/{name}.rdb"));
        fs::copy(&file, ours.dir().join("dump.rdb")).unwrap();
        ok(&mut c, &["DEBUG", "RELOAD", "NOSAVE"]);
        assert_eq!(digest(&ours).as_text().as_deref(), Some(content), "{name}");
        if let Some(reference) = &reference {
            fs::copy(&file, reference.dir().join("dump.rdb")).unwrap();
            ok(&mut reference.client(), &["DEBUG", "RELOAD", "NOSAVE"]);
            assert_eq!(digest(&ours), digest(reference), "{name}");
        }
    }
    fs::copy("tests/fixtures/rdb/version-1.rdb", ours.dir().join("dump.rdb")).unwrap();
    ok(&mut c, &["DEBUG", "RELOAD", "NOSAVE"]);
    assert_eq!(ok(&mut c, &["GET", "lzf"]).as_text(), Some("a".repeat(100)));
    assert_eq!(ok(&mut c, &["EXPIRETIME", "expires"]), Value::Integer(2_000_000_000));
    assert_eq!(
        ok(&mut c, &["LRANGE", "list", "0", "-1"]),
        Value::Array([&b"a"[..], b"b", b"5"].map(|b| Value::Bulk(b.to_vec())).to_vec())
    );
}

/// FLUSHALL with save points saves that there is nothing, and gives up a save that would bring everything back.
#[test]
fn what_was_flushed_does_not_come_back() {
    let mut server = Launch::viator().directive("save", "3600 100000").start();
    let mut c = server.client();
    ok(&mut c, &["DEBUG", "POPULATE", "3000"]);
    ok(&mut c, &["SAVE"]);
    ok(&mut c, &["CONFIG", "SET", "rdb-key-save-delay", "1000"]);
    ok(&mut c, &["BGSAVE"]);
    ok(&mut c, &["FLUSHALL"]);
    assert_eq!(info(&mut c, "rdb_changes_since_last_save"), "0");
    assert_eq!(info(&mut c, "rdb_bgsave_in_progress"), "0");
    assert_eq!(info(&mut c, "rdb_last_bgsave_status"), "ok");
    ok(&mut c, &["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    ok(&mut c, &["SET", "after", "1"]);
    assert_eq!(info(&mut c, "rdb_changes_since_last_save"), "1");
    server.kill();
    server.restart();
    assert_eq!(ok(&mut server.client(), &["DBSIZE"]), Value::Integer(0));
    bgsave(&mut server.client());
}

/// A script that does not end keeps a SIGTERM waiting, as in Redis; SHUTDOWN NOSAVE ends both, and nothing of the script
/// is kept.
#[test]
fn shutdown_without_saving_overtakes_a_save_that_waits() {
    for appendonly in ["no", "yes"] {
        let launch = Launch::viator().directive("save", "3600 1").directive("busy-reply-threshold", "50");
        let mut server = launch.directive("appendonly", appendonly).start();
        let mut script = server.client();
        let busy = thread::spawn(move || script.cmd(&["EVAL", "redis.call('SET', 'half', 1) while true do end", "0"]));
        let mut c = server.client();
        wait_until("the script takes long", || c.cmd(&["PING"]).unwrap().as_error().is_some());
        ok_command(Command::new("kill").arg(server.pid().to_string()));
        wait_until("the signal was seen", || server.log().contains("User requested shutdown"));
        let refused = c.cmd(&["SHUTDOWN", "SAVE"]).unwrap();
        assert!(refused.as_error().is_some_and(|e| e.starts_with(b"BUSY")), "{refused}");
        let _ = c.cmd(&["SHUTDOWN", "NOSAVE"]);
        assert!(server.wait(), "{}", server.log());
        let _ = busy.join().unwrap();
        assert!(!server.dir().join("dump.rdb").exists());
        server.restart();
        assert_eq!(ok(&mut server.client(), &["DBSIZE"]), Value::Integer(0), "appendonly {appendonly}");
    }
}

fn ok_command(command: &mut Command) {
    assert!(command.status().unwrap().success());
}

/// What was loaded from a file counts as saved, functions as well; what the file says of itself under such a name is told.
#[test]
fn a_loaded_file_is_no_change() {
    let mut server = Launch::viator().directive("save", "").start();
    let mut client = server.client();
    ok(&mut client, &["SET", "a", "1"]);
    ok(&mut client, &["FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)"]);
    ok(&mut client, &["SAVE"]);
    server.kill();
    server.restart();
    let mut client = server.client();
    assert_eq!(info(&mut client, "rdb_changes_since_last_save"), "0");
    assert_eq!(ok(&mut client, &["FCALL", "f", "0"]), Value::Integer(1));
    server.kill();
    let path = server.dir().join("dump.rdb");
    let file = fs::read(&path).unwrap();
    let told = [&file[..9], b"\xfa\x05%note\x05hello", &file[9..file.len() - 8], &[0; 8]].concat();
    fs::write(&path, told).unwrap();
    server.restart();
    assert!(server.log().contains("RDB '%note': hello"), "{}", server.log());
}

/// Two clients save at once: the file of the first is complete before another is begun.
#[test]
fn saves_do_not_write_into_each_others_files() {
    let server = Launch::viator().directive("io-threads", "2").start();
    let (mut a, mut b) = (server.client(), server.client());
    ok(&mut a, &["DEBUG", "POPULATE", "500"]);
    // the dataset has been walked long before it is on the disk
    let slow = ["-e", "inject=fsync:delay_enter=60000000", "-e", "trace=fsync", "-o", "/dev/null"];
    let Some(slow) = Strace::attach(&server, &slow) else { return };
    a.send(&["SAVE"]).unwrap();
    wait_until("the save to begin", || {
        let names = fs::read_dir(server.dir()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|n| n.starts_with("temp-")).count() == 1 && info(&mut b, "current_save_keys_total") == "0"
    });
    for save in ["SAVE", "BGSAVE"] {
        let refused = b.cmd(&[save]).unwrap();
        assert_eq!(refused.as_error(), Some(&b"ERR Background save already in progress"[..]), "{}", server.log());
    }
    drop(slow);
    assert!(a.read_reply().unwrap().is_status("OK"));
}

/// Nor does what was flushed while SAVE was running.
#[test]
fn what_was_flushed_during_save_does_not_come_back() {
    let launch = Launch::viator().directive("save", "3600 1000000").directive("rdb-key-save-delay", "100000");
    let mut server = launch.directive("io-threads", "2").start();
    let (mut a, mut b) = (server.client(), server.client());
    ok(&mut a, &["DEBUG", "POPULATE", "500"]);
    a.send(&["SAVE"]).unwrap();
    wait_until("the save to begin", || info(&mut b, "current_save_keys_total") == "500");
    ok(&mut b, &["FLUSHALL"]);
    assert!(a.read_reply().unwrap().is_status("OK"));
    drop((a, b));
    server.restart();
    assert_eq!(ok(&mut server.client(), &["DBSIZE"]).as_int(), Some(0));
}

/// A server that is still loading ends at once if it is told to, by a signal as by a client, and its file stays.
#[test]
fn loading_does_not_delay_the_end() {
    for by_signal in [true, false] {
        let mut server = Launch::viator().directive("save", "3600 1").start();
        let mut client = server.client();
        ok(&mut client, &["DEBUG", "POPULATE", "2000"]);
        ok(&mut client, &["SAVE"]);
        server.kill();
        let file = fs::read(server.dir().join("dump.rdb")).unwrap();
        // a load that would take minutes
        let config = server.dir().join("server.conf");
        fs::write(&config, fs::read_to_string(&config).unwrap() + "key-load-delay 100000\n").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_viator"))
            .arg(&config)
            .stdout(Stdio::null())
            .current_dir(server.dir())
            .spawn()
            .unwrap();
        let mut client = None;
        wait_until("the server to listen", || {
            client = Client::connect(&server.address()).ok();
            client.is_some()
        });
        let mut client = client.unwrap();
        wait_until("it to load", || info(&mut client, "loading") == "1");
        if by_signal {
            ok_command(Command::new("kill").arg(child.id().to_string()));
        } else {
            assert!(client.cmd(&["SHUTDOWN"]).is_err());
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(fs::read(server.dir().join("dump.rdb")).unwrap(), file);
    }
}
