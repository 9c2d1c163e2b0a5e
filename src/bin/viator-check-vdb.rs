//! Checks an RDB file, as `redis-check-rdb` does, and tells what is in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use viator_persist::file::Part;
use viator_persist::{Fault, Limits, Loaded, Reader, Source, Streamed, types};

const USAGE: &str = "Usage: viator-check-vdb [--json] [--stats] <rdb-file-name>
  Checks an RDB file: its framing, every value, its checksum. The exit status is 0 if it is whole.
  --stats  tells of every type how many keys there are, their elements and their bytes in the file
  --json   writes all that was found as one JSON object, and nothing else";

/// What was found of a type.
#[derive(Default)]
struct OfType {
    keys: u64,
    elements: u64,
    bytes: u64,
    largest: u64,
    largest_key: Vec<u8>,
}

/// What was found.
#[derive(Default)]
struct Found {
    keys: u64,
    expires: u64,
    expired: u64,
    subexpires: u64,
    functions: u64,
    version: u16,
    aux: Vec<(String, String)>,
    databases: BTreeMap<u64, u64>,
    types: BTreeMap<u8, OfType>,
    doing: &'static str,
    key: Option<Vec<u8>>,
    kind: u8,
}

/// How it is told.
struct Output {
    json: bool,
    /// Size of the file, while its progress is shown.
    progress: Option<u64>,
    shown: u64,
}

impl Output {
    fn line(&mut self, at: u64, text: &str) {
        if !self.json {
            self.clear();
            println!("[offset {at}] {text}");
        }
    }

    fn info(&mut self, text: &str) {
        if !self.json {
            self.clear();
            println!("{text}");
        }
    }

    fn clear(&self) {
        if self.progress.is_some() && self.shown > 0 {
            drop(io::stderr().write_all(b"\r\x1b[K")); // a terminal that cannot be written to is nobody's loss
        }
    }

    fn advance(&mut self, at: u64) {
        let Some(size) = self.progress.filter(|s| *s > 0) else { return };
        if at - self.shown.min(at) < size / 100 {
            return;
        }
        self.shown = at;
        let percent = (at * 100 / size).min(100);
        let bar = "#".repeat(percent as usize / 2);
        drop(write!(io::stderr(), "\r[{bar:<50}] {percent:3}%")); // likewise
    }
}

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
    let size = file.metadata().map_or(0, |m| m.len());
    let progress = (io::stderr().is_terminal() && !json && size > 16 << 20).then_some(size);
    let mut out = Output { json, progress, shown: 0 };
    out.line(0, &format!("Checking RDB file {path}"));
    let mut reader = Reader::new(Streamed::new(file, true));
    let mut found = Found { doing: "start", ..Found::default() };
    let result = check(&mut reader, &mut found, &mut out);
    let at = reader.source().position();
    match &result {
        Ok(()) => out.line(at, "\\o/ RDB looks OK! \\o/"),
        Err(e) => {
            out.info("--- RDB ERROR DETECTED ---");
            let text = match e {
                Fault::Checksum { .. } => "RDB CRC error".to_owned(),
                Fault::Short | Fault::Version(_) | Fault::Module(_) | Fault::Io(_) => e.to_string(),
                _ if found.doing == "start" => e.to_string(),
                _ => format!("Internal error in RDB reading -> {e}"),
            };
            out.line(at, &text);
            out.info(&format!("[additional info] While doing: {}", found.doing));
            if let Some(key) = &found.key {
                out.info(&format!("[additional info] Reading key '{}'", String::from_utf8_lossy(key)));
                out.info(&format!("[additional info] Reading type {} ({})", found.kind, types::name(found.kind)));
            }
        }
    }
    out.info(&format!("[info] {} keys read", found.keys));
    out.info(&format!("[info] {} expires", found.expires));
    out.info(&format!("[info] {} already expired", found.expired));
    out.info(&format!("[info] {} subexpires", found.subexpires));
    if found.functions > 0 {
        out.info(&format!("[info] {} libraries of functions", found.functions));
    }
    if stats {
        for (kind, t) in &found.types {
            out.info(&format!(
                "[stats] {}: {} keys, {} elements, {} bytes, largest {} bytes ('{}')",
                types::name(*kind),
                t.keys,
                t.elements,
                t.bytes,
                t.largest,
                String::from_utf8_lossy(&t.largest_key)
            ));
        }
    }
    if json {
        println!("{}", as_json(&path, at, &found, &result));
    }
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(reader: &mut Reader<Streamed<File>>, found: &mut Found, out: &mut Output) -> Result<(), Fault> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    found.version = reader.header()?;
    let limits = Limits { distinct: true, ..Limits::default() };
    let (mut db, mut expire) = (0, None);
    let mut key = Vec::new();
    loop {
        found.doing = "read-type";
        found.key = None;
        out.advance(reader.source().position());
        match reader.part()? {
            Part::Aux(name, value) => {
                let (name, value) = (text(&name), text(&value));
                out.line(reader.source().position(), &format!("AUX FIELD {name} = '{value}'"));
                found.aux.push((name, value));
            }
            Part::Select(n) => {
                db = n;
                if found.databases.insert(n, found.databases.get(&n).copied().unwrap_or(0)).is_none() {
                    out.line(reader.source().position(), &format!("Selecting DB ID {n}"));
                }
            }
            Part::Expire(at) => expire = Some(at),
            Part::Resize(..) | Part::Slot(..) | Part::Idle(_) | Part::Freq(_) => {}
            Part::Function(_) => found.functions += 1,
            Part::ModuleAux(name) => {
                found.doing = "read-module-aux";
                out.line(reader.source().position(), &format!("MODULE AUX for: {name}"));
                reader.skip_module()?;
            }
            Part::Key(kind) => {
                let begin = reader.source().position();
                found.doing = "read-key";
                found.kind = kind;
                reader.string_into(&mut key)?;
                found.key = Some(key.clone());
                found.doing = "read-object-value";
                found.keys += 1;
                let elements = match kind {
                    types::MODULE_2 => {
                        reader.skip(kind)?;
                        1
                    }
                    _ => match reader.content(kind, &limits) {
                        Ok(Loaded::Object(o)) if o.as_str().is_none() => o.len() as u64,
                        Ok(_) => 1,
                        Err(Fault::Empty) => 0,
                        Err(e) => return Err(e),
                    },
                };
                let bytes = reader.source().position() - begin;
                let t = found.types.entry(kind).or_default();
                t.keys += 1;
                t.elements += elements;
                t.bytes += bytes;
                if bytes > t.largest {
                    t.largest = bytes;
                    t.largest_key.clone_from(&key);
                }
                *found.databases.entry(db).or_default() += 1;
                if let Some(at) = expire.take() {
                    found.expires += 1;
                    found.expired += u64::from(at < now);
                }
                let fields = types::HASH_METADATA_PRE_GA..=types::HASH_LISTPACK_EX;
                found.subexpires += u64::from(fields.contains(&kind));
            }
            Part::End => break,
        }
    }
    found.doing = "check-sum";
    if found.version >= 5 {
        let got = reader.source().checksum();
        let expected = reader.millis()?;
        let at = reader.source().position();
        if expected == 0 {
            out.line(at, "RDB file was saved with checksum disabled: no check performed.");
        } else if expected != got {
            return Err(Fault::Checksum { expected, got });
        } else {
            out.line(at, "Checksum OK");
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A JSON string.
fn quoted(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if u32::from(c) < 0x20 => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn as_json(path: &str, at: u64, found: &Found, result: &Result<(), Fault>) -> String {
    let aux: Vec<_> = found.aux.iter().map(|(n, v)| format!("{}:{}", quoted(n), quoted(v))).collect();
    let databases: Vec<_> = found.databases.iter().map(|(n, keys)| format!("\"{n}\":{keys}")).collect();
    let types: Vec<_> = found
        .types
        .iter()
        .map(|(kind, t)| {
            format!(
                "{}:{{\"type\":{kind},\"keys\":{},\"elements\":{},\"bytes\":{},\"largest_bytes\":{},\"largest_key\":{}}}",
                quoted(types::name(*kind)),
                t.keys,
                t.elements,
                t.bytes,
                t.largest,
                quoted(&text(&t.largest_key))
            )
        })
        .collect();
    let error = match result {
        Ok(()) => "null".to_owned(),
        Err(e) => format!(
            "{{\"offset\":{at},\"text\":{},\"doing\":{},\"key\":{}}}",
            quoted(&e.to_string()),
            quoted(found.doing),
            found.key.as_ref().map_or("null".to_owned(), |k| quoted(&text(k)))
        ),
    };
    format!(
        "{{\"file\":{},\"ok\":{},\"version\":{},\"bytes\":{at},\"keys\":{},\"expires\":{},\"expired\":{},\"subexpires\":{},\
         \"functions\":{},\"aux\":{{{}}},\"databases\":{{{}}},\"types\":{{{}}},\"error\":{error}}}",
        quoted(path),
        result.is_ok(),
        found.version,
        found.keys,
        found.expires,
        found.expired,
        found.subexpires,
        found.functions,
        aux.join(","),
        databases.join(","),
        types.join(",")
    )
}
