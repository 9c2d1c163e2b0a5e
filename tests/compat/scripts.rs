//! Handwritten scripts: `scripts/*.txt`, each run in RESP2 and in RESP3.
//!
//! A line is a command in redis-cli's quoting, sent to both servers, its replies compared exactly (what depends on time
//! or chance as `compare::default_mode` says). `<x*1000>` is a word of a thousand x. A word before the command changes
//! how it is compared, or where it is sent:
//!
//! ```text
//! ~ CMD        only the type          ~9 CMD    integers may differ by 9       % CMD   elements in any order
//! ? CMD        not at all             ! CMD     of an error only its first word
//! 2: CMD       on connection 2        2> CMD    on connection 2, which blocks   2<      the reply of it
//! # comment
//! @flush       empties both and drops the connections
//! @resp2, @resp3, @both               what follows is only for that protocol, or again for both
//! @raw "…"     bytes on a new connection: the whole answer, and whether the connection is closed
//! @scan 1 SCAN 0 …                    whole iterations, the cursor being argument 1, compared as sets
//! ```

use std::path::Path;

use crate::common::{missing_commands, quoting};
use crate::compare::Mode;
use crate::pair::{Act, Pair, Step};

enum Line {
    Flush,
    Step(Step),
}

/// The lines that are for protocol `resp`, with their numbers.
fn parse(text: &str, resp: u8) -> Result<Vec<(usize, Line)>, String> {
    let mut out = Vec::new();
    let mut wanted = true;
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if line.trim_start().starts_with('#') {
            continue;
        }
        let mut words = quoting::split(line.trim()).map_err(|e| format!("line {number}: {e}"))?;
        let Some(first) = words.first().map(|w| String::from_utf8_lossy(w).into_owned()) else { continue };
        match first.as_str() {
            "@resp2" => wanted = resp == 2,
            "@resp3" => wanted = resp == 3,
            "@both" => wanted = true,
            _ if !wanted => {}
            "@flush" => out.push((number, Line::Flush)),
            "@raw" => {
                let raw = words.into_iter().skip(1).flat_map(repeated).collect();
                out.push((number, Line::Step(Step { conn: 0, act: Act::Raw(raw) })));
            }
            "@scan" => {
                let cursor = words.get(1).and_then(|w| std::str::from_utf8(w).ok()?.parse().ok());
                let cursor = cursor.ok_or_else(|| format!("line {number}: @scan INDEX COMMAND"))?;
                out.push((number, Line::Step(Step { conn: 0, act: Act::Scan(cursor, words.split_off(2)) })));
            }
            _ if first.starts_with('@') => return Err(format!("line {number}: no directive {first}")),
            _ => out.push((number, Line::Step(step(words).map_err(|e| format!("line {number}: {e}"))?))),
        }
    }
    Ok(out)
}

fn step(mut words: Vec<Vec<u8>>) -> Result<Step, String> {
    let (mut conn, mut mode, mut send) = (0, None, false);
    while let Some(word) = words.first().and_then(|w| std::str::from_utf8(w).ok()) {
        let connection = |s: &str| s.parse::<usize>().ok().filter(|n| (1..=16).contains(n)).map(|n| n - 1);
        if let Some(n) = word.strip_suffix(':').and_then(connection) {
            conn = n;
        } else if let Some(n) = word.strip_suffix('>').and_then(connection) {
            (conn, send) = (n, true);
        } else if let Some(n) = word.strip_suffix('<').and_then(connection) {
            return Ok(Step { conn: n, act: Act::Read(mode) });
        } else if let Some(by) = word.strip_prefix('~').and_then(|n| n.parse().ok()) {
            mode = Some(Mode::Near(by));
        } else {
            mode = Some(match word {
                "~" => Mode::Type,
                "?" => Mode::Ignore,
                "%" => Mode::Unordered,
                "!" => Mode::ErrorCode,
                _ => break,
            });
        }
        words.remove(0);
    }
    if words.is_empty() {
        return Err("no command".to_owned());
    }
    let args: Vec<Vec<u8>> = words.into_iter().map(repeated).collect();
    Ok(Step { conn, act: if send { Act::Send(args) } else { Act::Command(args, mode) } })
}

/// `<x*3>` is xxx; every other word is itself.
fn repeated(word: Vec<u8>) -> Vec<u8> {
    let inner = word.strip_prefix(b"<").and_then(|w| w.strip_suffix(b">")).and_then(|w| std::str::from_utf8(w).ok());
    match inner.and_then(|w| w.rsplit_once('*')).and_then(|(what, n)| Some(what.repeat(n.parse().ok()?))) {
        Some(text) => text.into_bytes(),
        None => word,
    }
}

fn run(name: &str) {
    let Some((ours, theirs)) = crate::servers() else { return };
    let missing = missing_commands();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/compat/scripts/{name}.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut diffs = Vec::new();
    let (mut done, mut skipped) = (0, 0);
    for resp in [2, 3] {
        let lines = parse(&text, resp).unwrap_or_else(|e| panic!("{name}.txt: {e}"));
        let mut pair = Pair::new(&ours, &theirs, resp, &missing);
        for (number, line) in &lines {
            match line {
                Line::Flush => pair.reset(),
                Line::Step(step) if pair.is_missing(step.args()) => skipped += 1,
                Line::Step(step) => {
                    done += 1;
                    diffs.extend(pair.run(step, &|| format!("{name}.txt:{number} (RESP{resp})")));
                }
            }
        }
        diffs.extend(pair.compare_datasets());
    }
    println!("{name}.txt: {done} lines compared, {skipped} left out because Viator lacks the command");
    let report: Vec<String> = diffs.iter().take(60).map(ToString::to_string).collect();
    assert!(
        diffs.is_empty(),
        "{} differences in {done} lines (the first {}):\n{}",
        diffs.len(),
        report.len(),
        report.join("\n")
    );
}

macro_rules! scripts {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn every_script_is_run() {
            let mut listed = vec![$(stringify!($name)),*];
            listed.sort_unstable();
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/scripts");
            let names = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
            let mut there: Vec<String> =
                names.map(|p| p.file_stem().unwrap().to_string_lossy().into_owned()).collect();
            there.sort_unstable();
            assert_eq!(there, listed);
        }
    };
}

scripts! {
    bitmap
    connection
    debugger
    functions
    functions_api
    generic
    geo
    hash
    hyperloglog
    list
    list_blocking
    protocol
    pubsub
    scripting
    scripting_api
    server
    set
    stream
    string
    tracking
    transactions
    zset
    zset_blocking
}

#[test]
fn lines() {
    let parsed =
        parse("# c\n~ RANDOMKEY\n@resp3\n2: GET \"a\\x41\\n\" 'b'\n@resp2\nX\n@both\n~9 TTL <a*3>\n1<", 3).unwrap();
    let shown: Vec<String> = parsed
        .iter()
        .map(|(n, l)| match l {
            Line::Flush => format!("{n} flush"),
            Line::Step(s) => format!("{n} {s}"),
        })
        .collect();
    assert_eq!(shown, ["2 RANDOMKEY", "4 2: GET \"aA\\n\" b", "8 TTL aaa", "9 1<"]);
    assert!(parse("GET \"a", 2).is_err() && parse("@what", 2).is_err() && parse("2:", 2).is_err());
}
