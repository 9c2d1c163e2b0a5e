//! The append-only file: exchanged with Redis, checked by both tools, and written to a disk that is full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Launch, Server, missing_commands, ok, peers_dir, quoting, skip, wait_until, wait_written};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use viator_client::Client;
use viator_client::value::{Value, encode_command};
use viator_persist::aof::journal::Journal;

fn digest(server: &Server) -> Value {
    ok(&mut server.client(), &["DEBUG", "DIGEST"])
}

fn info(client: &mut Client, field: &str) -> String {
    common::info(client, "persistence", field)
}

fn rewrite(client: &mut Client) {
    ok(client, &["BGREWRITEAOF"]);
    wait_until("the rewrite to end", || {
        info(client, "aof_rewrite_in_progress") == "0" && info(client, "aof_rewrite_scheduled") == "0"
    });
    assert_eq!(info(client, "aof_last_bgrewrite_status"), "ok");
}

/// Data of every type, before and after a rewrite, so that base and increment both have some.
fn fill(client: &mut Client, round: usize) {
    let missing = missing_commands();
    let lines = [
        "SET s{} value",
        "SET n{} 12345",
        "SET ttl{} x PXAT 4000000000000",
        "SETRANGE long{} 3000 x",
        "RPUSH l{} a b 3",
        "SADD set{} 1 2 3",
        "SADD names{} one two three",
        "ZADD z{} 1 a 2.5 b -inf c",
        "HSET h{} f v g w",
        "HPEXPIREAT h{} 4000000000000 FIELDS 1 f",
        "XADD x{} 1-1 f v",
        "XADD x{} 2-1 f v g w",
        "XGROUP CREATE x{} group 0",
        "XREADGROUP GROUP group c COUNT 1 STREAMS x{} >",
        "PFADD hll{} a b c",
        "GEOADD geo{} 13.4 52.5 Berlin",
        "SELECT 3",
        "SET other{} db",
        "SELECT 0",
        "MULTI",
        "SET m{} 1",
        "INCR m{}",
        "EXEC",
        "LPOP l{}",
        "SPOP set{}",
        "INCRBYFLOAT f{} 0.1",
    ];
    for line in lines {
        let words = quoting::split(&line.replace("{}", &round.to_string())).unwrap();
        let name = String::from_utf8_lossy(&words[0]).into_owned();
        if !missing.iter().any(|m| m.split(' ').next() == Some(&name)) {
            ok(client, &words);
        }
    }
}

fn check(tool: &Path, dir: &Path) -> Output {
    Command::new(tool).arg(dir.join("appendonlydir/appendonly.aof.manifest")).output().unwrap()
}

/// Runs a tool, which may ask. What it says, and its exit status.
fn answered(command: &mut Command, answer: &str) -> (String, Option<i32>) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // it may end without asking
    let _ = child.stdin.take().unwrap().write_all(answer.as_bytes());
    let out = child.wait_with_output().unwrap();
    (String::from_utf8_lossy(&out.stdout).into_owned(), out.status.code())
}

fn passes(dir: &Path) {
    let theirs = peers_dir().join("bin/redis-check-aof-8.6");
    let ours = Path::new(env!("CARGO_BIN_EXE_viator-check-aof"));
    for tool in [theirs.as_path(), ours] {
        if !tool.exists() {
            skip("redis-check-aof-8.6");
            continue;
        }
        let out = check(tool, dir);
        assert!(out.status.success(), "{}: {}", tool.display(), String::from_utf8_lossy(&out.stdout));
    }
}

fn copy_to(from: &Server, to: &Server) {
    let (from, to) = (from.dir().join("appendonlydir"), to.dir().join("appendonlydir"));
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(&to).unwrap();
    for f in fs::read_dir(from).unwrap() {
        let f = f.unwrap();
        fs::copy(f.path(), to.join(f.file_name())).unwrap();
    }
}

fn exchange(from: Launch, to: &Launch, preamble: &str) {
    let with = |l: &Launch| l.clone().directive("appendonly", "yes").directive("aof-use-rdb-preamble", preamble);
    let mut source = with(&from).start();
    let mut client = source.client();
    fill(&mut client, 1);
    rewrite(&mut client);
    fill(&mut client, 2);
    drop(client);
    let wanted = digest(&source);
    source.terminate();
    passes(source.dir());
    let mut target = with(to).start();
    target.kill();
    copy_to(&source, &target);
    target.restart();
    assert_eq!(wanted, digest(&target), "{}", target.log());
}

#[test]
fn redis_loads_ours_and_we_load_theirs() {
    for peer in ["redis-8.6", "redis-8.2"] {
        let Some(theirs) = Launch::peer(peer) else { return };
        for preamble in ["yes", "no"] {
            exchange(Launch::viator(), &theirs, preamble);
            exchange(theirs.clone(), &Launch::viator(), preamble);
        }
    }
}

/// What was logged happened before anything expired: a time that has passed since changes nothing of it.
#[test]
fn nothing_expires_while_the_log_is_replayed() {
    let mut server = Launch::viator().directive("appendonly", "yes").start();
    server.terminate();
    let dir = server.dir().join("appendonlydir");
    let lines = [
        "SET kept v PXAT 1000",
        "PERSIST kept",
        "SET gone v",
        "PEXPIREAT gone 1000",
        "APPEND gone w",
        "HSET hash f 1 g 1 h 1",
        "HPEXPIREAT hash 1000 FIELDS 2 f g",
        "HINCRBY hash f 1",
        "HPERSIST hash FIELDS 1 f",
        "HSETEX hash PXAT 1000 FIELDS 1 h 2",
        "HPERSIST hash FIELDS 1 h",
        // it looks for keys that have not expired
        "RANDOMKEY",
    ];
    let mut log = String::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        log += &resp(&words);
    }
    fs::write(dir.join("appendonly.aof.1.incr.aof"), log).unwrap();
    server.restart();
    let mut client = server.client();
    assert_eq!(ok(&mut client, &["GET", "kept"]).as_text().as_deref(), Some("v"));
    assert_eq!(ok(&mut client, &["EXISTS", "gone"]).as_int(), Some(0));
    assert_eq!(ok(&mut client, &["HGET", "hash", "f"]).as_text().as_deref(), Some("2"));
    assert_eq!(ok(&mut client, &["HGET", "hash", "g"]).as_text(), None);
    assert_eq!(ok(&mut client, &["HGET", "hash", "h"]).as_text().as_deref(), Some("2"));
}

/// Both tools say the same of a file that is cut anywhere, and mend it alike.
#[test]
fn the_checkers_agree() {
    let theirs = peers_dir().join("bin/redis-check-aof-8.6");
    if !theirs.exists() {
        return skip("redis-check-aof-8.6");
    }
    let dir = std::env::temp_dir().join(format!("viator-check-aof-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let command = resp;
    let whole = [
        command(&["SET", "foo", "hello"]),
        command(&["MULTI"]),
        command(&["SET", "a", "b"]),
        command(&["EXEC"]),
        "#TS:7\r\n".to_owned(),
        command(&["DEL", "a"]),
    ]
    .concat();
    let annotation = whole.find('#').unwrap() + 1..whole.find('#').unwrap() + 7;
    let mut cases: Vec<Vec<u8>> = (0..=whole.len())
        // Redis takes an annotation without its end for a whole one, and would append to it.
        .filter(|cut| !annotation.contains(cut))
        .map(|cut| whole.as_bytes()[..cut].to_vec())
        .collect();
    cases.extend([&b"!!!"[..], b"*1\r\n+3\r\nabc", b"*x\r\n", b"*1\r\n$3\r\nabcde"].map(<[u8]>::to_vec));
    cases.push(command(&["EXEC"]).into_bytes());
    cases.push([command(&["MULTI"]), command(&["MULTI"])].concat().into_bytes());
    let run = |tool: &Path, fix: bool, case: &[u8]| {
        let path = dir.join("case.aof");
        fs::write(&path, case).unwrap();
        let mut command = Command::new(tool);
        if fix {
            command.arg("--fix");
        }
        let (text, status) = answered(command.arg("case.aof").current_dir(&dir), "y\n");
        (text, status, fs::read(&path).unwrap())
    };
    let ours = Path::new(env!("CARGO_BIN_EXE_viator-check-aof"));
    for case in &cases {
        for fix in [false, true] {
            let (a, b) = (run(ours, fix, case), run(&theirs, fix, case));
            // Bytes after the end of a line that was cut are whatever was in Redis's buffer.
            let plain = |text: &str| text.lines().filter(|l| !l.contains("got: 00")).collect::<Vec<_>>().join("\n");
            assert_eq!((plain(&a.0), a.1, &a.2), (plain(&b.0), b.1, &b.2), "{} with fix {fix}", case.escape_ascii());
        }
    }
    fs::remove_dir_all(&dir).unwrap();
}

fn resp(words: &[&str]) -> String {
    String::from_utf8(encode_command(words)).unwrap()
}

/// A folder with a manifest, an increment that a power failure has cut to `cut`, and a journal that has the rest.
fn torn_folder(dir: &Path, whole: &str, cut: usize) -> std::path::PathBuf {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("appendonly.aof.manifest"), "file appendonly.aof.1.incr.aof seq 1 type i\n").unwrap();
    let mut journal = Journal::prepare(dir, "appendonly.aof", 64 << 10).unwrap();
    journal.put_in_place().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    journal.append(1, 0, whole.as_bytes(), whole.len() as u64, 0, now).unwrap();
    let path = dir.join("appendonly.aof.1.incr.aof");
    fs::write(&path, &whole[..cut]).unwrap();
    path
}

/// What the journal has is told, and added before anything is cut; then the server cannot add it again.
#[test]
fn the_checker_knows_the_journal() {
    let dir = std::env::temp_dir().join(format!("viator-check-journal-{}", std::process::id()));
    let run = |args: &[&str], answer: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_viator-check-aof"));
        let (text, status) = answered(command.args(args).arg(dir.join("appendonly.aof.manifest")), answer);
        (text, status == Some(0))
    };
    let journal = dir.join("appendonly.aof.journal");
    let (first, second) = (resp(&["SET", "a", "1"]), resp(&["SET", "b", "2"]));
    let whole = ["#TS:100\r\n", &first, "#TS:200\r\n", &second].concat();
    let before_second = "#TS:100\r\n".len() + first.len();
    let lacks = |n: usize, what: &str| {
        format!(
            "INCR AOF appendonly.aof.1.incr.aof lacked {n} bytes from offset {} on, which the journal \
             appendonly.aof.journal has: {what}\n",
            whole.len() - n
        )
    };
    let added = "they were added";

    let path = torn_folder(&dir, &whole, whole.len() - 3);
    let (text, sound) = run(&[], "");
    assert!(text.contains(&lacks(3, "the server adds them when it starts")), "{text}");
    assert!(!sound, "as it is, it is torn");
    assert_eq!(fs::read_to_string(&path).unwrap(), whole[..whole.len() - 3]);
    assert!(journal.exists());
    let (text, sound) = run(&["--fix"], "");
    assert!(sound && text.contains(&lacks(3, added)), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    assert!(!journal.exists());
    let (text, sound) = run(&["--fix"], "");
    assert!(sound && !text.contains("journal"), "{text}");

    let path = torn_folder(&dir, &whole, 5);
    let (text, sound) = run(&["--truncate-to-timestamp", "150"], "");
    assert!(sound && text.contains(&lacks(whole.len() - 5, added)), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), whole[..before_second]);
    assert!(!journal.exists());

    // a group that is not whole: it is cut, if the user agrees
    let torn = &whole[..whole.len() - 3];
    let path = torn_folder(&dir, torn, 5);
    let (text, sound) = run(&["--fix"], "n\n");
    assert!(!sound && text.contains("Aborting"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), torn);
    assert!(journal.exists());
    let (text, sound) = run(&["--fix"], "y\n");
    assert!(sound && !text.contains("journal"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), whole[..before_second + "#TS:200\r\n".len()]);
    assert!(!journal.exists());

    // one that does not fit is kept aside
    let path = torn_folder(&dir, &whole, 0);
    fs::write(&path, &second).unwrap();
    let unused = "was changed without the journal appendonly.aof.journal, which is not used";
    let (text, sound) = run(&[], "");
    assert!(sound && text.contains(unused), "{text}");
    assert!(journal.exists());
    let (text, sound) = run(&["--fix"], "");
    assert!(sound && text.contains(unused), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), second);
    assert!(!journal.exists() && dir.join("appendonly.aof.journal.unused").exists());
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn switched_on_and_off_all_the_time() {
    on_and_off("everysec");
}

/// Journals come and go with it.
#[test]
fn switched_on_and_off_all_the_time_with_always() {
    on_and_off("always");
}

/// Switched on and off by several clients while others write and rewrites are asked for: no write fails, then or later.
fn on_and_off(fsync: &str) {
    let mut server = Launch::viator().directive("io-threads", "4").directive("appendfsync", fsync).start();
    std::thread::scope(|s| {
        for n in 0..2 {
            let mut c = server.client();
            s.spawn(move || {
                for i in 0..250usize {
                    let onoff = if (i + n).is_multiple_of(2) { "yes" } else { "no" };
                    c.cmd(&["CONFIG", "SET", "appendonly", onoff]).unwrap();
                    if i % 5 == 0 {
                        c.cmd(&["BGREWRITEAOF"]).unwrap();
                    }
                }
            });
        }
        for n in 0..3 {
            let mut c = server.client();
            s.spawn(move || {
                for i in 0..4000 {
                    ok(&mut c, &["SET", &format!("k{n}:{}", i % 10), &i.to_string()]);
                }
            });
        }
    });
    let mut c = server.client();
    ok(&mut c, &["CONFIG", "SET", "appendonly", "no"]);
    ok(&mut c, &["SET", "k", "v"]);
    assert!(!server.log().contains("Error writing"), "{}", server.log());
    ok(&mut c, &["CONFIG", "SET", "appendonly", "yes"]);
    wait_until("the first rewrite", || {
        info(&mut c, "aof_rewrite_in_progress") == "0" && info(&mut c, "aof_enabled") == "1"
    });
    assert_eq!(ok(&mut c, &["SET", "k", "w"]).as_text().unwrap(), "OK");
    if fsync == "always" {
        let journal = server.dir().join("appendonlydir/appendonly.aof.journal");
        wait_until("a journal", || journal.exists());
        ok(&mut c, &["SET", "k", "x"]);
        // the one that is there is the one in use
        let last = b"\r\nx\r\n";
        assert!(fs::read(&journal).unwrap().windows(last.len()).any(|w| w == last));
        assert!(server.terminate());
        assert!(!journal.exists());
    }
}

/// Files of an earlier time are not written over, which would mix with them if the server were killed meanwhile.
#[test]
fn switched_on_later_the_files_are_numbered_on() {
    let mut before = Launch::viator().directive("appendonly", "yes").start();
    ok(&mut before.client(), &["SET", "k", "before"]);
    assert!(before.terminate());
    let mut server = Launch::viator().start();
    server.kill();
    copy_to(&before, &server);
    server.restart();
    let mut c = server.client();
    assert_eq!(ok(&mut c, &["DBSIZE"]), Value::Integer(0));
    ok(&mut c, &["CONFIG", "SET", "appendonly", "yes"]);
    let folder = server.dir().join("appendonlydir");
    wait_until("the first rewrite", || {
        fs::read_to_string(folder.join("appendonly.aof.manifest")).is_ok_and(|m| {
            m.contains("appendonly.aof.2.base.rdb seq 2 type b") && m.contains("appendonly.aof.2.incr.aof seq 2 type i")
        })
    });
    drop(c);
    server.kill();
    fs::write(folder.join("appendonly.aof.manifest"), "garbage\n").unwrap();
    let refused = server.try_restart().unwrap_err();
    assert!(refused.contains("Invalid AOF manifest file format"), "{refused}");
}

/// Both tools say the same of folders: bases that are whole and not, increments that are there and not, manifests that are cut.
#[test]
fn the_checkers_agree_on_folders() {
    let theirs = peers_dir().join("bin/redis-check-aof-8.6");
    if !theirs.exists() {
        return skip("redis-check-aof-8.6");
    }
    let mut base = b"REDIS0012\xfa\x08aof-base\x011\xfe\x00\x00\x01k\x01v\xff".to_vec();
    base.extend(viator_data::crc::crc64(0, &base).to_le_bytes());
    let manifest = "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
    let other = [&base[..base.len() - 1], &[base[base.len() - 1] ^ 1]].concat();
    let two = format!("{manifest}file a.2.incr.aof seq 2 type i\n");
    let incr = resp(&["SET", "a", "1"]);
    let times = format!("{incr}#TS:1000\r\n{incr}#TS:2000\r\n{incr}");
    let bad_time = format!("{incr}#TS:abc\r\n{incr}");
    let cut = &incr.as_bytes()[..incr.len() - 3];
    type Files<'a> = Vec<(&'a str, &'a [u8])>;
    let cases: Vec<(&str, Files<'_>)> = vec![
        ("whole", vec![("m", manifest.as_bytes()), ("a.1.base.rdb", &base), ("a.1.incr.aof", incr.as_bytes())]),
        ("a cut increment", vec![("m", manifest.as_bytes()), ("a.1.base.rdb", &base), ("a.1.incr.aof", cut)]),
        ("no increment", vec![("m", manifest.as_bytes()), ("a.1.base.rdb", &base)]),
        ("a cut base", vec![("m", manifest.as_bytes()), ("a.1.base.rdb", &base[..20]), ("a.1.incr.aof", b"")]),
        ("another checksum", vec![("m", manifest.as_bytes()), ("a.1.base.rdb", &other), ("a.1.incr.aof", b"")]),
        ("times", vec![("m", manifest.as_bytes()), ("a.1.base.rdb", &base), ("a.1.incr.aof", times.as_bytes())]),
        (
            "times, not in the last file",
            vec![
                ("m", two.as_bytes()),
                ("a.1.base.rdb", &base),
                ("a.1.incr.aof", times.as_bytes()),
                ("a.2.incr.aof", incr.as_bytes()),
            ],
        ),
        ("no time", vec![("m", manifest.as_bytes()), ("a.1.base.rdb", &base), ("a.1.incr.aof", bad_time.as_bytes())]),
        ("a cut manifest", vec![("m", &manifest.as_bytes()[..manifest.len() - 1]), ("a.1.base.rdb", &base)]),
    ];
    let dir = std::env::temp_dir().join(format!("viator-check-folders-{}", std::process::id()));
    let run = |tool: &Path, options: &[&str], files: &Files<'_>| {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(dir.join(name), bytes).unwrap());
        let (text, status) = answered(Command::new(tool).args(options).arg("m").current_dir(&dir), "y\n");
        // what Redis writes by its server's log has its time and a mark
        let lines: Vec<String> = text
            .lines()
            .map(|l| l.split_once(" # ").map_or(l, |(_, l)| l).to_owned())
            .filter(|l| !l.is_empty() && !l.ends_with(" #"))
            .collect();
        let after: Vec<_> = files.iter().map(|(name, _)| fs::read(dir.join(name)).unwrap()).collect();
        (lines, status, after)
    };
    let ours = Path::new(env!("CARGO_BIN_EXE_viator-check-aof"));
    for (what, files) in &cases {
        for options in [&[][..], &["--fix"], &["--truncate-to-timestamp", "1500"], &["--truncate-to-timestamp", "500"]]
        {
            assert_eq!(run(ours, options, files), run(&theirs, options, files), "{what} with {options:?}");
        }
    }
    fs::remove_dir_all(&dir).unwrap();
}

/// After a start the growth counts from the base alone, for the next automatic rewrite; what was loaded is told.
#[test]
fn what_a_start_tells() {
    let told = |launch: Launch| {
        let mut server = launch.directive("appendonly", "yes").start();
        let mut client = server.client();
        ok(&mut client, &["SET", "a", "1"]);
        rewrite(&mut client);
        ok(&mut client, &["SET", "b", &"x".repeat(1000)]);
        wait_written(&mut client);
        server.kill();
        server.restart();
        let mut client = server.client();
        let base = server.dir().join("appendonlydir/appendonly.aof.2.base.rdb");
        let base = fs::metadata(base).unwrap().len().to_string();
        let current = info(&mut client, "aof_current_size");
        assert_eq!(info(&mut client, "aof_base_size"), base);
        assert!(current.parse::<u64>().unwrap() > base.parse::<u64>().unwrap() + 1000, "{current} {base}");
        ["rdb_last_load_keys_loaded", "rdb_last_load_keys_expired", "rdb_changes_since_last_save"]
            .map(|field| info(&mut client, field))
    };
    let ours = told(Launch::viator());
    if let Some(reference) = Launch::reference() {
        assert_eq!(ours, told(reference));
    }
}

/// SAVE comes to its turn when the rewrite has ended that was going on.
#[test]
fn save_waits_for_a_rewrite() {
    let server = Launch::viator().directive("appendonly", "yes").directive("save", "").start();
    let mut client = server.client();
    ok(&mut client, &["DEBUG", "POPULATE", "2000"]);
    ok(&mut client, &["CONFIG", "SET", "rdb-key-save-delay", "200"]);
    ok(&mut client, &["BGREWRITEAOF"]);
    ok(&mut client, &["SAVE"]);
    assert_eq!(info(&mut client, "rdb_saves"), "1");
    assert_eq!(info(&mut client, "rdb_changes_since_last_save"), "0");
    wait_until("the rewrite to end", || info(&mut client, "aof_rewrite_in_progress") == "0");
    assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "ok");
    ok(&mut client, &["DEBUG", "RELOAD", "NOSAVE"]);
    assert_eq!(ok(&mut client, &["DBSIZE"]).as_int(), Some(2000));
}

/// A command of the file that fails is told; DEBUG LOADAOF without a file is an error.
#[test]
fn what_cannot_be_loaded_is_told() {
    let mut server = Launch::viator().directive("appendonly", "yes").start();
    let mut client = server.client();
    ok(&mut client, &["SET", "a", "1"]);
    wait_written(&mut client);
    server.kill();
    let path = server.dir().join("appendonlydir/appendonly.aof.1.incr.aof");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, before.clone() + &resp(&["LPUSH", "a", "x"])).unwrap();
    server.restart();
    let log = server.log();
    assert!(
        log.contains("== CRITICAL == This server is sending an error to its AOF-loading-client: '-WRONGTYPE"),
        "{log}"
    );
    let mut client = server.client();
    assert_eq!(common::info(&mut client, "stats", "unexpected_error_replies"), "1");
    ok(&mut client, &["CONFIG", "SET", "propagation-error-behavior", "panic"]);
    assert!(client.cmd(&["DEBUG", "LOADAOF"]).unwrap().as_error().is_some());
    server.kill();
    fs::write(&path, before.clone() + "junk\r\n" + &resp(&["SET", "b", "1"])).unwrap();
    let why = server.try_restart().unwrap_err() + &server.log();
    assert!(why.contains(&format!("appendonly.aof.1.incr.aof at offset {}", before.len())), "{why}");
    assert!(why.contains("aof-load-corrupt-tail-max-size"), "{why}");

    let server = Launch::viator().start();
    let reply = server.client().cmd(&["DEBUG", "LOADAOF"]).unwrap();
    assert!(matches!(&reply, Value::Error(e) if e.starts_with(b"ERR Error trying to load the AOF files")), "{reply:?}");
}
