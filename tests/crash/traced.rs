//! Power failures, played after what the server really synced: `strace` notes its writes and fsyncs, and whatever was written
//! since the last fsync that covers it may be lost, of the increments and of the journal.

use super::power::{always, journal, killed_under_load, rewrite_unseen};
use super::*;
use common::strace::Strace;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

/// `strace` at a server, from its start to its end.
struct Trace {
    strace: Strace,
    notes: PathBuf,
    /// Files of the folder then, all of which was on the disk.
    sizes: HashMap<String, usize>,
}

/// A call that has begun.
struct Call {
    name: String,
    /// The file's name without its folder.
    file: String,
    /// Of `pwrite64`.
    place: usize,
    length: usize,
    /// Of an fsync: what had been written when it began.
    covers: usize,
    covers_records: Vec<usize>,
}

/// A record of the journal that was written since it was synced last: place and length.
struct Unsynced {
    number: usize,
    place: usize,
    length: usize,
    /// The call has ended.
    done: bool,
}

/// What is on the disk for certain.
#[derive(Default)]
struct Disk {
    written: HashMap<String, usize>,
    durable: HashMap<String, usize>,
    unsynced: Vec<Unsynced>,
    records: usize,
}

impl Trace {
    /// `None`, said aloud, where processes cannot be traced.
    fn attach(server: &Server) -> Option<Trace> {
        let notes = server.dir().join("trace");
        let path = notes.display().to_string();
        let args = ["-y", "-s", "0", "-e", "trace=write,pwrite64,fdatasync,fsync", "-o", &path];
        let strace = Strace::attach(server, &args)?;
        let files = fs::read_dir(server.dir().join("appendonlydir")).unwrap().map(|e| e.unwrap());
        let sizes =
            files.map(|e| (e.file_name().into_string().unwrap(), e.metadata().unwrap().len() as usize)).collect();
        Some(Trace { strace, notes, sizes })
    }

    /// What is on the disk, now that the server is gone.
    fn end(self) -> Disk {
        self.strace.end();
        let mut disk = Disk { written: self.sizes.clone(), durable: self.sizes, ..Disk::default() };
        let mut running: HashMap<String, Call> = HashMap::new();
        for line in fs::read_to_string(self.notes).unwrap().lines() {
            let (pid, rest) = line.split_once(' ').unwrap();
            let result = |text: &str| text.rsplit_once("= ").and_then(|(_, n)| n.trim().parse::<usize>().ok());
            if rest.trim_start().starts_with("<... ") {
                if let Some(call) = running.remove(pid) {
                    disk.ended(&call, result(rest));
                }
                continue;
            }
            let Some(call) = disk.begun(rest.trim_start()) else { continue };
            if rest.contains("<unfinished") {
                running.insert(pid.to_owned(), call);
            } else {
                disk.ended(&call, result(rest));
            }
        }
        disk
    }
}

impl Disk {
    fn begun(&mut self, text: &str) -> Option<Call> {
        let (name, rest) = text.split_once('(')?;
        let (_, rest) = rest.split_once('<')?;
        let (path, rest) = rest.split_once('>')?;
        let file = path.rsplit('/').next()?.to_owned();
        let numbers: Vec<usize> = rest.split([',', ')', ' ']).filter_map(|word| word.parse().ok()).collect();
        let mut call = Call { name: name.to_owned(), file, place: 0, length: 0, covers: 0, covers_records: Vec::new() };
        if name == "pwrite64" && call.file == "appendonly.aof.journal" {
            (call.length, call.place) = (numbers[0], numbers[1]);
            self.records += 1;
            call.covers = self.records;
            self.unsynced.push(Unsynced { number: self.records, place: call.place, length: call.length, done: false });
        }
        if name.ends_with("sync") || name == "fdatasync" {
            call.covers = self.written.get(&call.file).copied().unwrap_or(0);
            call.covers_records = self.unsynced.iter().filter(|r| r.done).map(|r| r.number).collect();
            if call.file == "temp-appendonly.aof.journal" {
                // the one before it is not needed
                self.unsynced.clear();
            }
        }
        Some(call)
    }

    fn ended(&mut self, call: &Call, result: Option<usize>) {
        let Some(result) = result else { return };
        match call.name.as_str() {
            "write" => *self.written.entry(call.file.clone()).or_default() += result,
            "pwrite64" => self.unsynced.iter_mut().filter(|r| r.number == call.covers).for_each(|r| r.done = true),
            _ if call.file == "appendonly.aof.journal" => {
                self.unsynced.retain(|r| !call.covers_records.contains(&r.number));
            }
            _ => {
                let durable = self.durable.entry(call.file.clone()).or_default();
                *durable = call.covers.max(*durable);
            }
        }
    }

    /// Files lose what they may. What was written earlier is lost less than what was written later, as far as increments go.
    /// Returns how many bytes of increments were lost.
    fn fail(&self, server: &Server, rng: &mut Rng) -> usize {
        let dir = server.dir().join("appendonlydir");
        let manifest = fs::read_to_string(dir.join("appendonly.aof.manifest")).unwrap();
        let names: Vec<&str> =
            manifest.lines().filter(|l| l.contains(" type i")).map(|l| l.split(' ').nth(1).unwrap()).collect();
        let mut lost = 0;
        let mut cut = false;
        for (i, name) in names.iter().enumerate() {
            let whole = fs::read(dir.join(name)).unwrap();
            let durable = self.durable.get(*name).copied().unwrap_or(0);
            assert!(durable <= whole.len(), "{name}: {durable} of {}", whole.len());
            let left = if cut || i + 1 < names.len() {
                // whole commands: only the last file may be torn
                if cut || rng.chance(50) { durable } else { whole.len() }
            } else {
                durable + rng.below(whole.len() - durable + 1)
            };
            cut |= left < whole.len();
            lost += whole.len() - left;
            rewrite_unseen(&dir.join(name), &whole[..left]);
        }
        if let Ok(mut bytes) = fs::read(journal(server)) {
            for r in &self.unsynced {
                let from = r.place + rng.below(r.length);
                match rng.below(3) {
                    0 => bytes[r.place..r.place + r.length].fill(0),
                    1 => bytes[from..r.place + r.length].fill(0),
                    _ => {}
                }
            }
            fs::write(journal(server), bytes).unwrap();
        }
        lost
    }
}

fn rounds_of(meanwhile: impl Fn(&Server, &mut Client, &mut Rng)) {
    let first = seed();
    println!("VIATOR_SEED={first}");
    let mut server = always().start();
    let mut from = vec![0; CLIENTS];
    let mut last: Option<(Vec<Known>, i64)> = None;
    let mut lost = 0;
    for round in 0..rounds().max(4) {
        let mut rng = Rng::new(first.wrapping_add(round));
        let Some(trace) = Trace::attach(&server) else { return };
        let mut client = server.client();
        if let Some((known, large)) = &last {
            from = verify(&server, known, &[], Promise::Everything);
            let text = ok(&mut client, &["GETRANGE", "large", "0", "9"]).as_text().unwrap();
            assert_eq!(text.split(':').next().unwrap(), large.to_string());
        }
        let writes = 20 + rng.below(200) as u64;
        let (known, large) = killed_under_load(&mut server, &from, writes, &mut rng, &meanwhile);
        lost += trace.end().fail(&server, &mut rng);
        last = Some((known, large));
        server.restart();
        assert!(!server.log().contains("is damaged"), "{}", server.log());
    }
    let (known, _) = last.unwrap();
    verify(&server, &known, &[], Promise::Everything);
    assert!(lost > 0, "nothing was ever lost");
}

#[test]
fn what_was_acknowledged_was_synced() {
    rounds_of(|_, _, _| {});
}

#[test]
fn what_was_acknowledged_was_synced_while_the_file_is_rewritten() {
    rounds_of(|_, client, rng| {
        if rng.chance(60) {
            let _ = client.cmd(&["BGREWRITEAOF"]); // one may be running
        }
    });
}

#[test]
fn what_was_acknowledged_was_synced_while_the_policy_changes() {
    rounds_of(|server, client, rng| {
        let _ = client.cmd(&["CONFIG", "SET", "appendfsync", ["everysec", "no"][rng.below(2)]]);
        ok(client, &["SET", "between", "1"]);
        ok(client, &["CONFIG", "SET", "appendfsync", "always"]);
        if rng.chance(50) {
            common::wait_until("the journal", || journal(server).exists());
        }
    });
}

/// What a killed server had given to the system without syncing it is synced when the next one starts: what that acknowledges
/// is in the journal alone, which is worth nothing without it.
#[test]
fn what_a_killed_server_left_is_synced_at_start() {
    let script = std::env::temp_dir().join(format!("viator-traced-{}.sh", std::process::id()));
    let program = env!("CARGO_BIN_EXE_viator");
    let text = format!("#!/bin/sh\nexec strace -D -f -y -s 0 -e trace=fsync -o \"$PWD/trace\" {program} \"$@\"\n");
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    if !Command::new("strace").args(["-D", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        println!("processes cannot be traced here");
        return;
    }
    let launch = Launch::program(script.clone()).directive("appendonly", "yes").directive("appendfsync", "no");
    let mut server = launch.start();
    ok(&mut server.client(), &["SET", "k", "v"]);
    server.kill();
    server.restart();
    server.kill();
    common::wait_until("the increment is synced", || {
        let notes = fs::read_to_string(server.dir().join("trace")).unwrap();
        notes.lines().any(|l| l.contains("fsync(") && l.contains("appendonly.aof.1.incr.aof>"))
    });
    fs::remove_file(script).unwrap();
}
