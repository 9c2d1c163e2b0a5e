//! Disks that fail: full ones (a small file system of the server's own), and ones whose calls give errors (`strace`
//! injects them). Writes are refused as Redis refuses them, everything else goes on, and so do writes when the fault is
//! gone; what was acknowledged is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::strace::Strace;
use common::{Launch, Server, ok, wait_until, wait_written};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use viator_client::{Client, value::Value};

fn info(client: &mut Client, field: &str) -> String {
    common::info(client, "persistence", field)
}

fn refusal(client: &mut Client, args: &[&str]) -> Option<String> {
    client.cmd(args).unwrap().as_error().map(|e| String::from_utf8_lossy(e).into_owned())
}

/// Waits until a command is refused; how.
fn refused(client: &mut Client, args: &[&str]) -> String {
    let mut text = None;
    wait_until("writes are refused", || {
        text = refusal(client, args);
        text.is_some()
    });
    text.unwrap()
}

/// How to start servers whose folder is a small file system of their own, with 200 kB in it that can be removed.
struct SmallDisk {
    launch: Launch,
    scripts: [PathBuf; 2],
}

impl SmallDisk {
    /// `None`, said aloud, where nothing can be mounted.
    fn new(kilobytes: u32) -> Option<SmallDisk> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let probe = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        if !probe.is_ok_and(|o| o.status.success()) {
            println!("a file system of one's own cannot be mounted here");
            return None;
        }
        let name = format!("viator-full-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (inner, outer) =
            (std::env::temp_dir().join(format!("{name}.sh")), std::env::temp_dir().join(format!("{name}.run")));
        let program = env!("CARGO_BIN_EXE_viator");
        let text = format!(
            "#!/bin/sh\nmkdir -p small\nmount -t tmpfs -o size={kilobytes}k tmpfs small || exit 77\n\
             head -c 200000 /dev/zero > small/ballast\nexec {program} \"$@\" --dir small\n"
        );
        fs::write(&inner, text).unwrap();
        fs::write(&outer, format!("#!/bin/sh\nexec unshare -rm sh {} \"$@\"\n", inner.display())).unwrap();
        fs::set_permissions(&outer, PermissionsExt::from_mode(0o755)).unwrap();
        Some(SmallDisk { launch: Launch::program(outer.clone()), scripts: [inner, outer] })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        for s in &self.scripts {
            let _ = fs::remove_file(s);
        }
    }
}

/// A path in the server's folder, by the server's own view of its files.
fn path(server: &Server, name: &str) -> PathBuf {
    format!("/proc/{}/cwd/{name}", server.pid()).into()
}

/// Names in a folder of the server that begin with `temp`.
fn leftovers(server: &Server, folder: &str) -> Vec<String> {
    let names = fs::read_dir(path(server, folder)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n.starts_with("temp")).collect()
}

fn make_room(server: &Server) {
    fs::remove_file(path(server, "ballast")).unwrap();
}

fn fill_disk(client: &mut Client, value: &str) -> String {
    refused(client, &["RPUSH", "list", value])
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let Some(disk) = SmallDisk::new(256) else { return };
    let launch = disk.launch.clone().directive("appendonly", "yes").directive("appendfsync", "everysec");
    let server = launch.directive("auto-aof-rewrite-percentage", "0").start();
    let mut client = server.client();
    let text = fill_disk(&mut client, &"x".repeat(4000));
    assert_eq!(text, "MISCONF Errors writing to the AOF file: No space left on device");
    assert_eq!(info(&mut client, "aof_last_write_status"), "err");
    let n = ok(&mut client, &["LLEN", "list"]).as_int().unwrap();
    assert!(refusal(&mut client, &["PING"]).is_some());
    make_room(&server);
    wait_until("writes go on", || refusal(&mut client, &["RPUSH", "list", "last"]).is_none());
    assert_eq!(info(&mut client, "aof_last_write_status"), "ok");
    assert!(server.log().contains("AOF write error looks solved. The server can write again."));
    ok(&mut client, &["DEBUG", "LOADAOF"]);
    assert_eq!(ok(&mut client, &["LLEN", "list"]).as_int(), Some(n + 1));
}

/// A rewrite that finds no room fails, leaves nothing behind, and what was written before and is written afterwards
/// counts.
#[test]
fn a_rewrite_on_a_full_disk_fails_and_the_old_file_stays() {
    let Some(disk) = SmallDisk::new(400) else { return };
    let launch = disk.launch.clone().directive("appendonly", "yes").directive("rdbcompression", "no");
    let server = launch.directive("auto-aof-rewrite-percentage", "0").start();
    let mut client = server.client();
    // some 120 kB in the log, and so much again in a base
    ok(&mut client, &["SET", "big", &"y".repeat(120_000)]);
    for preamble in ["yes", "no"] {
        ok(&mut client, &["CONFIG", "SET", "aof-use-rdb-preamble", preamble]);
        ok(&mut client, &["BGREWRITEAOF"]);
        wait_until("the rewrite to end", || info(&mut client, "aof_rewrite_in_progress") == "0");
        assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "err");
        wait_until("nothing to be left", || leftovers(&server, ".").is_empty());
        assert_eq!(leftovers(&server, "appendonlydir"), Vec::<String>::new());
        ok(&mut client, &["SET", "after", preamble]);
    }
    make_room(&server);
    ok(&mut client, &["DEBUG", "LOADAOF"]);
    assert_eq!(ok(&mut client, &["GET", "after"]).as_text().as_deref(), Some("no"));
    assert_eq!(ok(&mut client, &["STRLEN", "big"]).as_int(), Some(120_000));
    ok(&mut client, &["BGREWRITEAOF"]);
    wait_until("the rewrite to end", || info(&mut client, "aof_rewrite_in_progress") == "0");
    assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "ok");
    ok(&mut client, &["DEBUG", "LOADAOF"]);
    assert_eq!(ok(&mut client, &["STRLEN", "big"]).as_int(), Some(120_000));
}

/// With `always` a write that cannot be made ends the server, as in Redis: it may not be acknowledged.
#[test]
fn a_full_disk_ends_a_server_that_promised_always() {
    let Some(disk) = SmallDisk::new(256) else { return };
    let launch = disk.launch.clone().directive("appendonly", "yes").directive("appendfsync", "always");
    let mut server = launch.directive("auto-aof-rewrite-percentage", "0").start();
    let mut client = server.client();
    // the file system stays as long as somebody looks at it
    let folder = File::open(path(&server, ".")).unwrap();
    let value = "x".repeat(4000);
    let mut acked = 0;
    while client.cmd(&["RPUSH", "list", &value]).is_ok_and(|v| v.as_int() == Some(acked + 1)) {
        acked += 1;
        assert!(acked < 1000, "the disk is never full");
    }
    assert!(!server.wait(), "it ends with an error");
    assert!(server.log().contains("Can't recover from AOF write error when the AOF fsync policy is 'always'"));
    let mut after = Launch::viator().directive("appendonly", "yes").start();
    after.kill();
    let to = after.dir().join("appendonlydir");
    fs::remove_dir_all(&to).unwrap();
    fs::create_dir(&to).unwrap();
    for e in fs::read_dir(format!("/proc/self/fd/{}/appendonlydir", folder.as_raw_fd())).unwrap() {
        let e = e.unwrap();
        fs::copy(e.path(), to.join(e.file_name())).unwrap();
    }
    after.restart();
    let n = ok(&mut after.client(), &["LLEN", "list"]).as_int().unwrap();
    // the last one may have got to the disk without its reply
    assert!(n == acked || n == acked + 1, "{n} there, {acked} acknowledged");
}

#[test]
fn a_save_on_a_full_disk_refuses_writes_until_one_succeeds() {
    let Some(disk) = SmallDisk::new(400) else { return };
    let launch = disk.launch.clone().directive("save", "3600 100000").directive("rdbcompression", "no");
    let server = launch.start();
    let mut client = server.client();
    ok(&mut client, &["SET", "old", &"o".repeat(100_000)]);
    ok(&mut client, &["SAVE"]);
    let saved = fs::read(path(&server, "dump.rdb")).unwrap();
    ok(&mut client, &["SET", "new", &"n".repeat(150_000)]);
    // SAVE tells its client, and refuses nothing
    assert_eq!(refusal(&mut client, &["SAVE"]).as_deref(), Some("ERR Error saving DB on disk, check server logs"));
    ok(&mut client, &["SET", "a", "1"]);
    ok(&mut client, &["BGSAVE"]);
    wait_until("the save to fail", || info(&mut client, "rdb_last_bgsave_status") == "err");
    let text = refused(&mut client, &["SET", "a", "2"]);
    assert!(text.starts_with("MISCONF Redis is configured to save RDB snapshots, but it's currently unable"), "{text}");
    assert_eq!(ok(&mut client, &["GET", "a"]).as_text().as_deref(), Some("1"));
    assert_eq!(leftovers(&server, "."), Vec::<String>::new());
    assert_eq!(fs::read(path(&server, "dump.rdb")).unwrap(), saved, "the old file stays");
    make_room(&server);
    ok(&mut client, &["BGSAVE"]);
    wait_until("writes go on", || refusal(&mut client, &["SET", "a", "3"]).is_none());
    ok(&mut client, &["DEBUG", "RELOAD", "NOSAVE"]);
    assert_eq!(ok(&mut client, &["STRLEN", "new"]).as_int(), Some(150_000));
}

/// A save that cannot be put in its place is reported, and writes are refused until one succeeds.
#[test]
fn failing_saves_stop_writes() {
    let server = Launch::viator().directive("save", "3600 1000").directive("enable-protected-configs", "yes").start();
    let mut c = server.client();
    ok(&mut c, &["CONFIG", "SET", "dbfilename", "folder"]);
    fs::create_dir(server.dir().join("folder")).unwrap();
    ok(&mut c, &["BGSAVE"]);
    wait_until("the save to fail", || info(&mut c, "rdb_last_bgsave_status") == "err");
    assert!(refused(&mut c, &["SET", "a", "b"]).starts_with("MISCONF"));
    ok(&mut c, &["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
    ok(&mut c, &["SET", "a", "b"]);
    ok(&mut c, &["CONFIG", "SET", "stop-writes-on-bgsave-error", "yes", "dbfilename", "dump.rdb"]);
    ok(&mut c, &["BGSAVE"]);
    wait_until("writes go on", || refusal(&mut c, &["SET", "a", "c"]).is_none());
}

/// Has the system calls of a server fail until the result is dropped. `what`: as `strace --inject` has it. `file`: only calls
/// that concern this file. `None`, said aloud, where processes cannot be traced.
fn inject(server: &Server, what: &str, file: Option<&str>) -> Option<Strace> {
    let (inject, trace) = (format!("inject={what}"), format!("trace={}", what.split(':').next().unwrap()));
    let mut args = vec!["-e", &inject, "-e", &trace, "-o", "/dev/null"];
    let path = file.map(|f| server.dir().join(f).display().to_string());
    if let Some(path) = &path {
        args.extend(["-P", path]);
    }
    Strace::attach(server, &args)
}

fn with_log(fsync: &str) -> Launch {
    Launch::viator().directive("appendonly", "yes").directive("appendfsync", fsync)
}

const INCREMENT: &str = "appendonlydir/appendonly.aof.1.incr.aof";

#[test]
fn errors_of_the_append_only_file_refuse_writes_until_they_are_gone() {
    for what in ["write:error=EIO", "fdatasync:error=EIO"] {
        let mut server = with_log("everysec").start();
        let mut client = server.client();
        ok(&mut client, &["RPUSH", "list", "0"]);
        let Some(fault) = inject(&server, what, Some(INCREMENT)) else { return };
        let mut acked = 1;
        let mut text = None;
        wait_until("writes are refused", || {
            text = refusal(&mut client, &["RPUSH", "list", &acked.to_string()]);
            acked += i64::from(text.is_none());
            text.is_some()
        });
        assert_eq!(text.unwrap(), "MISCONF Errors writing to the AOF file: Input/output error", "{what}");
        assert_eq!(ok(&mut client, &["LLEN", "list"]).as_int(), Some(acked));
        drop(fault);
        wait_until("writes go on", || refusal(&mut client, &["RPUSH", "list", "last"]).is_none());
        drop(client);
        server.terminate();
        server.restart();
        let list = ok(&mut server.client(), &["LRANGE", "list", "0", "-1"]);
        let expected = (0..acked).map(|n| n.to_string()).chain(["last".to_owned()]);
        assert_eq!(list, Value::Array(expected.map(|t| Value::Bulk(t.into_bytes())).collect()), "{what}");
    }
}

const JOURNAL: &str = "appendonlydir/appendonly.aof.journal";

/// What was not synced is not acknowledged.
#[test]
fn an_fsync_that_fails_ends_a_server_that_promised_always() {
    let cases = [("write:error=EIO", INCREMENT), ("fdatasync:error=EIO", JOURNAL), ("pwrite64:error=EIO", JOURNAL)];
    for (what, file) in cases {
        let mut server = with_log("always").start();
        let mut client = server.client();
        ok(&mut client, &["RPUSH", "list", "0"]);
        let Some(fault) = inject(&server, what, Some(file)) else { return };
        assert!(client.cmd(&["RPUSH", "list", "1"]).is_err(), "{what}: acknowledged");
        assert!(!server.wait(), "it ends with an error");
        drop(fault);
        server.restart();
        let n = ok(&mut server.client(), &["LLEN", "list"]).as_int().unwrap();
        assert!(n == 1 || n == 2 && what.starts_with("fdatasync"), "{what}: {n}");
    }
}

/// What is in the journal is on the disk, even if the increment cannot be synced.
#[test]
fn an_increment_that_cannot_be_synced_ends_a_server_that_promised_always() {
    let mut server = with_log("always").start();
    let mut client = server.client();
    let Some(fault) = inject(&server, "fdatasync:error=EIO", Some(INCREMENT)) else { return };
    let mut acked = 0;
    while client.cmd(&["RPUSH", "list", "x"]).is_ok_and(|v| v.as_int() == Some(acked + 1)) {
        acked += 1;
    }
    assert!(!server.wait(), "it ends with an error");
    assert!(server.log().contains("Can't persist AOF for fsync error"), "{}", server.log());
    assert!(acked > 0);
    drop(fault);
    server.restart();
    let n = ok(&mut server.client(), &["LLEN", "list"]).as_int().unwrap();
    assert!(n == acked || n == acked + 1, "{n} there, {acked} acknowledged");
}

/// Whatever call of a save or a rewrite fails: it is told, the old file stays, nothing is left, and the next one succeeds.
#[test]
fn saves_and_rewrites_that_fail_anywhere_leave_the_old_file() {
    let mut server = with_log("everysec").directive("auto-aof-rewrite-percentage", "0").start();
    let mut client = server.client();
    ok(&mut client, &["DEBUG", "POPULATE", "3000", "key", "100"]);
    ok(&mut client, &["SAVE"]);
    let rewrite = |client: &mut Client| {
        ok(client, &["BGREWRITEAOF"]);
        wait_until("the rewrite to end", || {
            info(client, "aof_rewrite_in_progress") == "0" && info(client, "aof_rewrite_scheduled") == "0"
        });
        info(client, "aof_last_bgrewrite_status")
    };
    assert_eq!(rewrite(&mut client), "ok");
    let saved = fs::read(server.dir().join("dump.rdb")).unwrap();
    let mut n = 0;
    for what in ["fsync:error=EIO:when=1", "rename:error=EIO:when=1", "openat:error=EMFILE:when=1+"] {
        let Some(fault) = inject(&server, what, None) else { return };
        n += 1;
        ok(&mut client, &["SET", "n", &n.to_string()]);
        ok(&mut client, &["BGSAVE"]);
        wait_until("the save to end", || info(&mut client, "rdb_bgsave_in_progress") == "0");
        assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "err", "{what}");
        assert_eq!(fs::read(server.dir().join("dump.rdb")).unwrap(), saved, "{what}: the old file stays");
        drop(fault);
        assert_eq!(leftovers(&server, "."), Vec::<String>::new(), "{what}");
        ok(&mut client, &["BGSAVE"]);
        wait_until("the save to end", || info(&mut client, "rdb_bgsave_in_progress") == "0");
        assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok", "{what}");
        fs::write(server.dir().join("dump.rdb"), &saved).unwrap();
        for call in 1..=4 {
            let what = what.replace("when=1", &format!("when={call}"));
            let Some(fault) = inject(&server, &what, None) else { return };
            n += 1;
            ok(&mut client, &["SET", "n", &n.to_string()]);
            // there may be fewer calls than that
            rewrite(&mut client);
            drop(fault);
            n += 1;
            wait_until("writes go on", || refusal(&mut client, &["SET", "n", &n.to_string()]).is_none());
            wait_written(&mut client);
            server.kill();
            server.restart();
            client = server.client();
            assert_eq!(ok(&mut client, &["GET", "n"]).as_text(), Some(n.to_string()), "{what}");
            assert_eq!(ok(&mut client, &["DBSIZE"]).as_int(), Some(3001), "{what}");
            assert_eq!(rewrite(&mut client), "ok", "{what}");
        }
    }
}
