//! Checks and mends append-only files, as `redis-check-aof` does, and tells what is in them.

#[path = "../check_json.rs"]
mod check_json;

use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;
use viator_persist::aof::check::{Check, Found, Mode};

const USAGE: &str =
    "Usage: viator-check-aof [--fix|--truncate-to-timestamp $timestamp] [--stats] [--json] <file.manifest|file.aof>
  Checks an append-only file, or all files of a manifest. The exit status is 0 if they are whole, or were mended.
  --fix    cuts the last file after its last whole command, if you agree
  --truncate-to-timestamp
           cuts the last file before the first annotation of a later time
  --stats  tells of every command, and of every type in the base, how many there are and their bytes
  --json   writes all that was found as one JSON object, and nothing else; not with what cuts";

/// What is to be done.
struct Orders {
    mode: Mode,
    stats: bool,
    json: bool,
    path: OsString,
}

/// Reads the arguments. The text and the status with which it ends at once, if it does.
fn orders(args: impl IntoIterator<Item = OsString>) -> Result<Orders, (String, ExitCode)> {
    let wrong = || (USAGE.to_owned(), ExitCode::FAILURE);
    let (mut mode, mut stats, mut json, mut path) = (None, false, false, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("-h" | "--help") => return Err((USAGE.to_owned(), ExitCode::SUCCESS)),
            Some("-v" | "--version") => {
                return Err((format!("viator-check-aof {}", env!("CARGO_PKG_VERSION")), ExitCode::SUCCESS));
            }
            Some("--stats") => stats = true,
            Some("--json") => json = true,
            Some("--fix") if mode.is_none() => mode = Some(Mode::Fix),
            Some("--truncate-to-timestamp") if mode.is_none() => {
                let time = args.next().ok_or_else(wrong)?;
                let time = time.to_str().and_then(|t| t.parse::<i64>().ok()).filter(|t| *t > 0);
                let time = time.ok_or_else(|| ("Invalid timestamp, aborting...".to_owned(), ExitCode::FAILURE))?;
                mode = Some(Mode::TruncateTo(time));
            }
            Some(option) if option.starts_with("--") => return Err(wrong()),
            _ if path.is_none() => path = Some(arg),
            _ => return Err(wrong()),
        }
    }
    match path {
        Some(path) if !(json && mode.is_some()) => Ok(Orders { mode: mode.unwrap_or(Mode::Tell), stats, json, path }),
        _ => Err(wrong()),
    }
}

fn main() -> ExitCode {
    let Orders { mode, stats, json, path } = match orders(std::env::args_os().skip(1)) {
        Ok(orders) => orders,
        Err((text, status)) => {
            println!("{text}");
            return status;
        }
    };
    let path = Path::new(&path);
    let mut said = Vec::new();
    let (mut terminal, mut answers) = (stdout().lock(), stdin().lock());
    let out: &mut dyn Write = if json { &mut said } else { &mut terminal };
    let mut check = Check::new(mode, out, &mut answers);
    check.progress = !json;
    let sound = check.run(path).is_ok();
    let found = check.found;
    let mut lines: Vec<String> = Vec::new();
    if json {
        lines.push(as_json(path, sound, &found, &String::from_utf8_lossy(&said)).to_string());
    } else if stats {
        lines.extend(found.statistics());
    }
    let told = lines.iter().try_for_each(|line| writeln!(terminal, "{line}"));
    if sound && told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn as_json(path: &Path, sound: bool, found: &Found, said: &str) -> Value {
    let files: Vec<Value> =
        found.files.iter().map(|f| json!({ "name": f.name, "bytes": f.bytes, "ok_up_to": f.good })).collect();
    let commands: Map<String, Value> =
        found.commands.iter().map(|(name, c)| (name.clone(), json!({ "count": c.count, "bytes": c.bytes }))).collect();
    json!({
        "file": path.display().to_string(), "ok": sound, "files": files, "commands": commands,
        "base": found.base.as_ref().map(check_json::of_rdb), "said": said.lines().collect::<Vec<_>>(),
    })
}
