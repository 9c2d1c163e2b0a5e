//! Append-only files and manifests, from anybody: what the checker makes of them, and what the loader.

use crate::bytes::Bytes;
use crate::command;
use crate::host;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use viator_engine::local::Local;
use viator_engine::persistence::{Replayed, Stop, replay};
use viator_persist::aof::check::{Check, Mode};
use viator_persist::aof::{Item, LogReader, Manifest};
use viator_resp::value::encode_command;

/// The first byte chooses: a manifest, or a file of commands.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((choice, rest)) if choice & 1 == 0 => manifest(rest),
        Some((_, rest)) => log(rest),
        None => {}
    }
}

/// A manifest that is taken is written so that it is read again as the same; the checker ends.
fn manifest(text: &[u8]) {
    if let Ok(m) = Manifest::parse(text) {
        let rendered = m.render();
        // written out, a name's odd bytes may make its line too long
        let long = rendered.lines().any(|l| l.len() >= 1024);
        if !rendered.is_empty() && !long {
            assert_eq!(Manifest::parse(rendered.as_bytes()).as_ref(), Ok(&m), "what was written is read");
        }
    }
    let folder = Folder::new();
    // some of the files that the manifest may name
    for name in ["a", "b.aof", "a.1.base.rdb"] {
        fs::write(folder.0.join(name), b"*1\r\n$4\r\nPING\r\n*1\r\n").expect("written");
    }
    let path = folder.0.join("a.manifest");
    fs::write(&path, text).expect("written");
    check(Mode::Tell, &path);
    check(Mode::Fix, &path);
    check(Mode::TruncateTo(1_600_000_000), &path);
}

/// How far a file is good, the loader and the checker agree; cut there, both take it whole.
fn log(bytes: &[u8]) {
    let Replayed { good, stop } = load(bytes);
    let whole = &bytes[..usize::try_from(good).expect("within the file")];
    if stop.is_none() {
        assert_eq!(whole.len(), bytes.len(), "all was read");
    } else {
        let again = load(whole);
        // the preamble itself may be what is wrong
        let same = again.stop.is_none() && again.good == good;
        assert!(same || good == 0, "cut at {good}: {:?} at {}", again.stop, again.good);
    }
    let folder = Folder::new();
    let path = folder.0.join("appendonly.aof");
    fs::write(&path, bytes).expect("written");
    let sane = check(Mode::Tell, &path);
    check(Mode::TruncateTo(1_600_000_000), &path);
    fs::write(&path, bytes).expect("written");
    if check(Mode::Fix, &path) {
        assert!(check(Mode::Tell, &path), "what was mended is sane");
        let mended = fs::read(&path).expect("read");
        assert!(bytes.starts_with(&mended));
        // what no check can know: whether there is such a command, so called, and whether values fit together
        let known = |s: &Option<Stop>| {
            !matches!(s, Some(Stop::Unknown(_) | Stop::Refused(..) | Stop::Preamble(_) | Stop::Function(_)))
        };
        if known(&stop) && !nested(bytes) {
            assert_eq!(mended.len(), whole.len(), "the loader and the checker, {stop:?}");
            assert_eq!(sane, stop.is_none(), "{stop:?}");
        }
    }
}

/// MULTI within MULTI, EXEC without, DISCARD, RESET: the checker counts words, the loader runs commands.
fn nested(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"REDIS") {
        let text = bytes.to_ascii_lowercase();
        return [&b"multi"[..], b"exec", b"discard", b"reset"].iter().any(|w| text.windows(w.len()).any(|p| p == *w));
    }
    let mut r = LogReader::new(Cursor::new(bytes), 0);
    let mut open = false;
    while let Ok(Some(item)) = r.next_item() {
        let Item::Command(args) = item else { continue };
        match args.iter().map(|a| a.to_ascii_lowercase()).collect::<Vec<_>>().as_slice() {
            [name] if name == b"multi" && !open => open = true,
            [name] if name == b"exec" && open => open = false,
            [name, ..] if [&b"multi"[..], b"exec", b"discard", b"reset"].contains(&name.as_slice()) => return true,
            _ => {}
        }
    }
    false
}

fn load(bytes: &[u8]) -> Replayed {
    let server = host::server();
    let mut local = Local::new(&server);
    local.begin_batch(&server);
    let replayed = replay(&server, &mut local, Cursor::new(bytes), false);
    assert!(replayed.good <= bytes.len() as u64, "beyond the end");
    replayed
}

/// Whether the checker is content.
fn check(mode: Mode, path: &Path) -> bool {
    let (mut out, mut answers) = (Vec::new(), Cursor::new(b"y\ny\ny\n"));
    Check::new(mode, &mut out, &mut answers).run(path).is_ok()
}

/// A folder that goes with its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("viator-fuzz-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A file of commands from choices, as a server might write it, or nearly: what the mutations begin with.
pub fn seed(input: &mut Bytes<'_>) -> Vec<u8> {
    let mut out = vec![1];
    let server = host::server();
    let mut open = false;
    while !input.is_empty() {
        match input.below(30) {
            0 => out.extend_from_slice(b"#TS:1700000000\r\n"),
            2 => {
                out.extend(encode_command(&[if open { "EXEC" } else { "MULTI" }]));
                open = !open;
            }
            1 => out.extend(encode_command(&command::line(input, &server.table))),
            _ => out.extend(encode_command(&command::whole(input, &server.table))),
        }
    }
    out
}
