//! What the checkers tell of files beyond what Redis's do: statistics and JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Launch, ok, peers_dir, skip};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a checker writes, and whether it is content.
fn run(tool: &str, args: &[&str], path: &Path) -> (String, bool) {
    let out = Command::new(tool).args(args).arg(path).output().unwrap();
    (String::from_utf8(out.stdout).unwrap(), out.status.success())
}

#[test]
fn of_an_rdb_file() {
    let tool = env!("CARGO_BIN_EXE_viator-check-vdb");
    let server = Launch::viator().start();
    let mut c = server.client();
    for line in
        ["SET a 1", "SET ttl x PX 1000000", "RPUSH l 1 2 3", "HSET h f v g w", "SELECT 3", "SADD s one two", "SAVE"]
    {
        ok(&mut c, &line.split(' ').collect::<Vec<_>>());
    }
    let path = server.dir().join("dump.rdb");
    let (text, sound) = run(tool, &["--json"], &path);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(sound, "{text}");
    assert_eq!(found["ok"], true);
    assert_eq!((&found["keys"], &found["expires"], &found["expired"]), (&json!(5), &json!(1), &json!(0)));
    assert_eq!(found["databases"], json!({ "0": 4, "3": 1 }));
    assert_eq!(found["bytes"], fs::metadata(&path).unwrap().len());
    assert_eq!(found["aux"]["redis-bits"], "64");
    let types = found["types"].as_object().unwrap();
    let elements: u64 = types.values().map(|t| t["elements"].as_u64().unwrap()).sum();
    assert_eq!((types["string"]["keys"].as_u64(), types.len(), elements), (Some(2), 4, 2 + 3 + 2 + 2), "{text}");

    let (text, sound) = run(tool, &["--stats"], &path);
    assert!(sound && text.contains("\n[stats] string: 2 keys, 2 elements, "), "{text}");
    assert_eq!(text.lines().filter(|l| l.starts_with("[stats]")).count(), 4, "{text}");
    let (plain, _) = run(tool, &[], &path);
    assert!(!plain.contains("[stats]") && plain.contains("\\o/ RDB looks OK! \\o/"), "{plain}");

    // a file that is cut
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 12]).unwrap();
    let (text, sound) = run(tool, &["--json"], &path);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(!sound && found["ok"] == false && found["error"]["offset"].is_u64(), "{text}");
}

#[test]
fn of_an_append_only_file() {
    let tool = env!("CARGO_BIN_EXE_viator-check-aof");
    let server = Launch::viator().directive("appendonly", "yes").start();
    let mut c = server.client();
    ok(&mut c, &["RPUSH", "l", "1", "2", "3"]);
    ok(&mut c, &["BGREWRITEAOF"]);
    common::wait_until("the rewrite", || {
        ["aof_rewrite_in_progress", "aof_rewrite_scheduled"]
            .iter()
            .all(|f| common::info(&mut c, "persistence", f) == "0")
    });
    for i in 0..3 {
        ok(&mut c, &["SET", "k", &i.to_string()]);
    }
    ok(&mut c, &["DEL", "k"]);
    let folder = server.dir().join("appendonlydir");
    let manifest = folder.join("appendonly.aof.manifest");
    let (text, sound) = run(tool, &["--json"], &manifest);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(sound && found["ok"] == true, "{text}");
    assert_eq!(found["base"]["keys"], 1);
    assert_eq!(found["base"]["types"].as_object().unwrap().values().next().unwrap()["elements"], 3);
    assert_eq!(
        found["commands"]["set"],
        json!({ "count": 3, "bytes": 3 * "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n0\r\n".len() })
    );
    assert_eq!((&found["commands"]["del"]["count"], &found["commands"]["select"]["count"]), (&json!(1), &json!(1)));
    let files = found["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    for f in files {
        let size = fs::metadata(folder.join(f["name"].as_str().unwrap())).unwrap().len();
        assert_eq!((&f["bytes"], &f["ok_up_to"]), (&json!(size), &json!(size)), "{text}");
    }

    let (plain, _) = run(tool, &[], &manifest);
    let (text, sound) = run(tool, &["--stats"], &manifest);
    assert!(sound && text.contains("\n[stats] set: 3 commands, "), "{text}");
    let without: String = text.lines().filter(|l| !l.starts_with("[stats]")).map(|l| format!("{l}\n")).collect();
    assert_eq!(without, plain);

    // an increment that is cut: told, not mended
    let incr = folder.join(files[1]["name"].as_str().unwrap());
    let whole = fs::read(&incr).unwrap();
    fs::write(&incr, &whole[..whole.len() - 3]).unwrap();
    let (text, sound) = run(tool, &["--json"], &manifest);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(!sound && found["ok"] == false && found["commands"].get("del").is_none(), "{text}");
    let good = found["files"][1]["ok_up_to"].as_u64().unwrap() as usize;
    assert_eq!(&whole[good..], b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
    for args in [&["--json", "--fix"][..], &["--fix", "--fix"], &["--nothing"]] {
        let (text, sound) = run(tool, args, &manifest);
        assert!(!sound && text.starts_with("Usage: "), "{text}");
    }
}

/// A file with this between its header and its end, and the checksum it has.
fn rdb_file(version: u16, content: &[u8]) -> Vec<u8> {
    let mut file = [format!("REDIS{version:04}").as_bytes(), content, b"\xff"].concat();
    let checksum = viator_data::crc::crc64(0, &file);
    file.extend(checksum.to_le_bytes());
    file
}

/// A module's name as files have it.
fn module_id(name: &str) -> [u8; 9] {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = |b: u8| letters.iter().position(|l| *l == b).unwrap() as u64;
    let id = name.bytes().fold(0, |id, b| id << 6 | at(b)) << 10;
    let mut out = [0x81; 9];
    out[1..].copy_from_slice(&id.to_be_bytes());
    out
}

/// Of files that are whole and of files that are not, both tools tell the same, line by line, and with the same status. Where
/// in its source Redis found a value wrong is left out.
#[test]
fn of_rdb_files_as_the_reference() {
    let theirs = peers_dir().join("bin/redis-check-rdb-8.6");
    if !theirs.exists() {
        return skip("redis-check-rdb-8.6");
    }
    let string = b"\x00\x01k\x01v";
    let module = module_id("footype01");
    let module_data = b"\x02\x05\x01\x06\x03abcd\x04abcdefgh\x05\x02hi\x00";
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("half a header", b"REDIS00".to_vec()),
        ("only a header", b"REDIS0012".to_vec()),
        ("another signature", b"RODIS0012\xff".to_vec()),
        ("a version to come", rdb_file(99, string)),
        ("version 0", rdb_file(0, string)),
        ("a database twice", rdb_file(12, b"\xfe\x00\x00\x01k\x01v\xfe\x01\x00\x01k\x01v\xfe\x00\x00\x01l\x01v")),
        ("a library of functions", rdb_file(12, b"\xf5\x0f#!lua name=lib\n ")),
        ("a function of a release candidate", rdb_file(10, b"\xf6\x01x")),
        ("a slot", rdb_file(12, b"\xfe\x00\xfb\x01\x00\xf4\x05\x01\x00\x00\x01k\x01v")),
        ("an unknown type", rdb_file(12, b"\xfe\x00\x1b\x01k\x01v")),
        ("an unknown type behind a key", rdb_file(12, b"\xfe\x00\x00\x01k\x01v\xc8\x01k\x01v")),
        ("a key cut off", b"REDIS0012\xfe\x00\x00\x0ak".to_vec()),
        ("a value cut off", b"REDIS0012\xfe\x00\x00\x01k\x40\x80abc".to_vec()),
        ("no end", [b"REDIS0012\xfe\x00", &string[..]].concat()),
        ("an unknown encoding", rdb_file(12, b"\xfe\x00\x00\x01k\xc4")),
        ("a module's value", rdb_file(12, &[b"\x07\x01m", &module[..], module_data].concat())),
        ("a module's data", rdb_file(12, &[b"\xf7", &module[..], b"\x02\x01", module_data].concat())),
        ("a module's data, no moment", rdb_file(12, &[b"\xf7", &module[..], b"\x01\x01", module_data].concat())),
        ("a zipmap with a field twice", rdb_file(4, b"\x09\x01h\x0c\x02\x01a\x01\x00b\x01a\x01\x00c\xff")),
    ];
    let whole = rdb_file(12, string);
    cases.push(("another checksum", [&whole[..whole.len() - 1], &[whole[whole.len() - 1] ^ 1]].concat()));
    cases.push(("no checksum", [&whole[..whole.len() - 8], &[0; 8]].concat()));
    for version in 1..=12 {
        cases.push(("a version", rdb_file(version, string)));
    }
    let parts: [&[u8]; 8] = [
        b"\xfa\x05%note\x05hello\xf5\x0f#!lua name=lib\n \xfe\x00\xfb\x42\x00\x80\0\0\0\x01\xf4\x45\x00\x01\x00",
        b"\xfc\xff\xff\0\0\0\0\0\0\xf8\x41\x00\x00\x01k\xc1\x00\x01\xfd\xff\xff\0\0\xf9\x05\x00\xc0\x05\xc2\0\0\0\x01",
        b"\x01\x01l\x02\x01a\xc3\x04\x40\x40\x00aaa\x00",
        b"\x02\x01s\x02\x01a\x01b\x05\x01z\x01\x01a\0\0\0\0\0\0\0\0\x03\x01y\x01\x01a\x031.5",
        b"\x04\x01h\x01\x01f\x01v",
        b"\xf7",
        &module,
        b"\x02\x01\x02\x07\x00",
    ];
    let all = rdb_file(12, &parts.concat());
    for cut in 0..all.len() {
        cases.push(("cut", all[..cut].to_vec()));
    }
    let dir = std::env::temp_dir().join(format!("viator-check-vdb-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let tell = |tool: &Path| {
        let out = Command::new(tool).arg("x.rdb").current_dir(&dir).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        // the server's own log is mixed in
        let lines = text.lines().filter(|l| !l.contains("# Terminating server"));
        let lines: Vec<String> = lines
            .map(|l| {
                match l.split_once(" offset 0, function at ").and_then(|(a, b)| Some((a, b.split_once(" -> ")?.1))) {
                    // what is told of the value differs, too, where ours is checked by other steps
                    Some((a, _)) => a.to_owned(),
                    None => l.split_once(" RDB reading -> ").map_or(l, |(a, _)| &l[..a.len() + 12]).to_owned(),
                }
            })
            .collect();
        (lines, out.status.code())
    };
    for (what, file) in &cases {
        fs::write(dir.join("x.rdb"), file).unwrap();
        assert_eq!(tell(Path::new(env!("CARGO_BIN_EXE_viator-check-vdb"))), tell(&theirs), "{what}");
    }
    fs::remove_dir_all(&dir).unwrap();
}
