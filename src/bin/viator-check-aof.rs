//! Checks and mends append-only files, as `redis-check-aof` does.

use std::io::{stdin, stdout};
use std::path::Path;
use std::process::ExitCode;
use viator_persist::aof::check::{Check, Mode};

const USAGE: &str = "Usage: viator-check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let word = |i: usize| args.get(i).and_then(|a| a.to_str()).unwrap_or_default();
    let (mode, path) = match args.as_slice() {
        [_] if matches!(word(0), "-v" | "--version") => {
            println!("viator-check-aof {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        [path] => (Mode::Tell, path),
        [_, path] if word(0) == "--fix" => (Mode::Fix, path),
        [_, _, path] if word(0) == "--truncate-to-timestamp" => match word(1).parse::<i64>() {
            Ok(t) if t > 0 => (Mode::TruncateTo(t), path),
            _ => {
                println!("Invalid timestamp, aborting...");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            println!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let (mut out, mut answers) = (stdout().lock(), stdin().lock());
    match (Check { mode, out: &mut out, answers: &mut answers, lines: 0 }).run(Path::new(path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
