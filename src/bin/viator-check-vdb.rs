//! Checks an RDB file, as `redis-check-rdb` does, and tells what is in it.

#[path = "../check_json.rs"]
mod check_json;

use serde_json::{Map, Value, json};
use std::fs::File;
use std::process::ExitCode;
use viator_persist::check::{Found, Progress, text};
use viator_persist::{Fault, Reader, Source, Streamed};

const USAGE: &str = "Usage: viator-check-vdb [--json] [--stats] <rdb-file-name>
  Checks an RDB file: its framing, every value, its checksum. The exit status is 0 if it is whole.
  --stats  tells of every type how many keys there are, their elements and their bytes in the file
  --json   writes all that was found as one JSON object, and nothing else";

fn main() -> ExitCode {
    let (mut json, mut stats, mut path) = (false, false, None);
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--json" => json = true,
            "--stats" => stats = true,
            "--help" | "-h" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            "--version" | "-v" => {
                println!("viator-check-vdb v={}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            _ if path.is_none() && !arg.starts_with("--") => path = Some(arg),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::FAILURE;
            }
        }
    }
    let Some(path) = path else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let file = match File::open(&path) {
        Ok(f) => f,
        Err(e) => {
            eprintln!("Cannot open file: {path}: {e}");
            return ExitCode::FAILURE;
        }
    };
    let mut progress = Progress::of(file.metadata().map_or(0, |m| m.len()), !json);
    let info = |line: &str| {
        if !json {
            println!("{line}");
        }
    };
    let mut say = |at: u64, line: &str| info(&format!("[offset {at}] {line}"));
    say(0, &format!("Checking RDB file {path}"));
    let mut reader = Reader::new(Streamed::new(file, true));
    let mut found = Found::default();
    let result = found.walk(&mut reader, &mut progress, &mut say);
    progress.clear();
    let at = reader.source().position();
    found.report(&result, at).iter().for_each(|line| info(line));
    if stats {
        found.statistics().for_each(|line| info(&line));
    }
    if json {
        println!("{}", as_json(&path, at, &found, &result));
    }
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn as_json(path: &str, at: u64, found: &Found, result: &Result<(), Fault>) -> Value {
    let aux: Map<String, Value> = found.aux.iter().map(|(n, v)| (n.clone(), json!(v))).collect();
    let error = result.as_ref().err().map(|e| {
        json!({
            "offset": at, "text": e.to_string(), "doing": found.doing, "key": found.key.as_deref().map(text),
        })
    });
    let mut all = check_json::of_rdb(found);
    all.extend([
        ("file".to_owned(), json!(path)),
        ("ok".to_owned(), json!(result.is_ok())),
        ("bytes".to_owned(), json!(at)),
        ("aux".to_owned(), Value::Object(aux)),
        ("error".to_owned(), json!(error)),
    ]);
    Value::Object(all)
}
