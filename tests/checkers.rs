//! What the checkers tell of files beyond what Redis's do: statistics and JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Launch, ok};
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
    common::wait_until("the rewrite", || common::info(&mut c, "persistence", "aof_rewrite_in_progress") == "0");
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
