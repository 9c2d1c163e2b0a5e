//! Saving: SAVE, BGSAVE, save points, and what ends with the process.

use super::Running;
use crate::REDIS_VERSION;
use crate::error::Error;
use crate::server::{Held, Server, gate};
use crate::snapshot::{Held as HeldSnapshot, Sink, Snapshot};
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use viator_data::crc::crc64;
use viator_persist::Writer;

/// Bytes between two requests to the system to put them on the disk.
const SYNC_EVERY: usize = 16 << 20;
/// Seconds before a save point tries again after a failure.
const RETRY: i64 = 5;

/// A file that is written beside the one it will replace.
pub struct FileSink {
    file: File,
    temp: String,
    checksum: bool,
    crc: u64,
    incremental: bool,
    unsynced: usize,
    written: u64,
}

impl FileSink {
    /// A new file, with the beginning of its content.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(server: &Server, temp: String, now_ms: i64, aof_base: bool) -> io::Result<FileSink> {
        let cfg = server.config.load();
        let file = File::create(&temp)?;
        let (checksum, incremental) = (cfg.rdbchecksum, cfg.rdb_save_incremental_fsync);
        let mut sink = FileSink { file, temp, checksum, crc: 0, incremental, unsynced: 0, written: 0 };
        sink.write(&beginning(server, now_ms, aof_base))?;
        Ok(sink)
    }

    /// Writes the end, puts everything on the disk, and lets the file take its place. Returns its size.
    ///
    /// # Errors
    /// Those of the file system; the file is removed.
    pub fn finish(mut self, path: &str) -> io::Result<u64> {
        let done = self.seal().and_then(|()| std::fs::rename(&self.temp, path)).and_then(|()| sync_folder(path));
        match done {
            Ok(()) => Ok(self.written),
            Err(e) => {
                self.discard();
                Err(e)
            }
        }
    }

    /// Writes the end and puts everything on the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn seal(&mut self) -> io::Result<()> {
        let mut w = Writer::new(None);
        w.end();
        self.write(&w.finish())?;
        let crc = if self.checksum { self.crc } else { 0 };
        self.file.write_all(&crc.to_le_bytes())?;
        self.file.sync_all()
    }

    /// Removes the file.
    pub fn discard(self) {
        drop(std::fs::remove_file(&self.temp)); // it may be gone already
    }
}

impl Sink for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.checksum {
            self.crc = crc64(self.crc, bytes);
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.unsynced += bytes.len();
        if self.incremental && self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }
}

/// Puts a file's name on the disk.
fn sync_folder(path: &str) -> io::Result<()> {
    let folder = std::path::Path::new(path).parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(std::path::Path::new(".")))?.sync_all()
}

/// What stands before the databases.
fn beginning(server: &Server, now_ms: i64, aof_base: bool) -> Vec<u8> {
    let mut w = Writer::new(None);
    w.header();
    w.aux("redis-ver", REDIS_VERSION);
    w.aux("redis-bits", "64");
    w.aux("ctime", &(now_ms / 1000).to_string());
    w.aux("used-mem", &server.used_memory().to_string());
    w.aux("aof-base", if aof_base { "1" } else { "0" });
    for library in server.scripting.libraries() {
        w.function(&library.code);
    }
    w.finish()
}

/// The file that is written. Under all locks it is another one than a snapshot's: one may be going on.
fn temp_name(held: bool) -> String {
    format!("temp-{}{}.rdb", std::process::id(), if held { "" } else { "-bg" })
}

/// Removes the file that is being written under all locks: the process ends at once.
pub fn remove_temporary() {
    drop(std::fs::remove_file(temp_name(true))); // there may be none
}

fn plain(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Creates the temporary file, with Redis's words if that fails.
fn create(server: &Server, temp: String, now_ms: i64) -> io::Result<FileSink> {
    FileSink::create(server, temp.clone(), now_ms, false).inspect_err(|e| {
        tracing::warn!(
            "Failed opening the temp RDB file {temp} (in server root dir {}) for saving: {}",
            server.config.load().dir,
            plain(e)
        );
    })
}

fn finish(server: &Server, sink: FileSink) -> io::Result<u64> {
    let path = server.config.load().dbfilename.clone();
    sink.finish(&path).inspect_err(|e| tracing::warn!("Write error saving DB on disk: {}", plain(e)))
}

/// A save has ended.
fn note(server: &Server, result: &io::Result<()>, background: bool, dirty: u64, now_ms: i64) {
    let p = &server.persistence;
    p.last_try.store(now_ms / 1000, Relaxed);
    if result.is_ok() {
        p.last_ok.store(true, Relaxed);
        server.dirty_at_save.fetch_max(dirty, Relaxed);
        server.last_save.store(now_ms / 1000, Relaxed);
        p.failures.store(0, Relaxed);
    } else if background && !matches!(result, Err(e) if e.kind() == io::ErrorKind::Interrupted) {
        p.last_ok.store(false, Relaxed);
        p.failures.fetch_add(1, Relaxed);
    }
    server.refresh_disk_gate();
}

/// SAVE: takes a snapshot and waits for it. Others go on meanwhile. One that is taken for something else, the rewriting of the
/// AOF, comes to its end first.
///
/// # Errors
/// If another save runs, or it fails.
pub fn save(server: &Server, now_ms: i64) -> Result<(), Error> {
    let mut counted = false;
    loop {
        let (tell, told) = mpsc::channel();
        let snapshot = match begin(server, now_ms, false, tell)? {
            Begun::Snapshot(snapshot) => snapshot,
            Begun::NoThread => return Err(SAVE_FAILED),
            Begun::Another => {
                let mut current = server.snapshot.lock();
                while current.is_some() && server.persistence.running.lock().is_none() {
                    server.snapshot_over.wait(&mut current);
                }
                continue;
            }
        };
        if !std::mem::replace(&mut counted, true) {
            server.persistence.saves.fetch_add(1, Relaxed);
        }
        snapshot.walk(server);
        match told.recv().unwrap_or_else(|_| Err(io::Error::other("the writing thread is gone"))) {
            Ok(()) => return Ok(()),
            // FLUSHALL has come, which comes before this, then
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(SAVE_FAILED),
        }
    }
}

const SAVE_FAILED: Error = Error::Static("ERR Error saving DB on disk, check server logs");

const RUNNING: Error = Error::Static("ERR Background save already in progress");

/// Whether a save has begun.
enum Begun {
    /// Its snapshot is to be walked.
    Snapshot(Arc<Snapshot>),
    /// There is no thread for it.
    NoThread,
    /// A snapshot is being taken for something else.
    Another,
}

fn write_file(server: &Server, snapshot: &Snapshot, now_ms: i64) -> io::Result<()> {
    let mut sink = create(server, temp_name(false), now_ms).inspect_err(|_| snapshot.abandon())?;
    match snapshot.write(&mut sink) {
        Ok(()) => {
            let bytes = finish(server, sink)?;
            let keys = snapshot.saved_keys();
            tracing::info!("BGSAVE done, {keys} keys saved, 0 keys skipped, {bytes} bytes written.");
            Ok(())
        }
        Err(e) => {
            sink.discard();
            if e.kind() != io::ErrorKind::Interrupted {
                tracing::warn!("Write error saving DB on disk: {}", plain(&e));
            }
            Err(e)
        }
    }
}

/// Begins a background save.
///
/// # Errors
/// If another snapshot is being taken.
pub fn bgsave(server: &Server, now_ms: i64) -> Result<(), Error> {
    const TAKEN: Error = Error::Static(
        "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a \
         BGSAVE whenever possible.",
    );
    const FAILED: Error = Error::Static("ERR Can't save in background");
    let snapshot = match begin(server, now_ms, true, mpsc::channel().0)? {
        Begun::Snapshot(snapshot) => snapshot,
        Begun::NoThread => return Err(FAILED),
        Begun::Another => return Err(TAKEN),
    };
    let p = &server.persistence;
    p.last_try.store(now_ms / 1000, Relaxed);
    p.scheduled.store(false, Relaxed);
    p.saves.fetch_add(1, Relaxed);
    tracing::info!("Background saving started by pid {}", std::process::id());
    let walks = snapshot.clone();
    if !server.host.spawn("rdb_walk", Box::new(move |server| walks.walk(server))) {
        tracing::warn!("Can't save in background: no thread");
        snapshot.abandon();
        snapshot.walk(server);
        return Err(FAILED);
    }
    Ok(())
}

/// Begins a save, which writes its file as it is walked, and tells the result.
fn begin(server: &Server, now_ms: i64, background: bool, tell: mpsc::Sender<io::Result<()>>) -> Result<Begun, Error> {
    let p = &server.persistence;
    if p.running.lock().is_some() {
        return Err(RUNNING);
    }
    await_void(server);
    let mut dirty = 0;
    let snapshot = Snapshot::begin(server, now_ms, |_, snapshot| {
        let mut running = p.running.lock();
        // one may have begun meanwhile, and still be writing the file
        if running.is_some() {
            return false;
        }
        dirty = server.sum(|c| &c.dirty);
        *running = Some(Running { background, since: now_ms / 1000, snapshot: snapshot.clone() });
        true
    });
    let Some(snapshot) = snapshot else {
        return if p.running.lock().is_some() {
            Err(RUNNING)
        } else if server.is_busy() {
            Err(server.scripting.running.busy_error())
        } else {
            Ok(Begun::Another)
        };
    };
    let (writer, started) = (snapshot.clone(), Instant::now());
    let write: crate::server::Job = Box::new(move |server| {
        let result = write_file(server, &writer, now_ms);
        let p = &server.persistence;
        if background {
            p.last_seconds.store(started.elapsed().as_secs() as i64, Relaxed);
            p.last_copied.store(writer.copied().1, Relaxed);
        }
        note(server, &result, background, dirty, now_ms + started.elapsed().as_millis() as i64);
        match &result {
            Ok(()) => tracing::info!("DB saved on disk"),
            Err(_) if !background => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                tracing::warn!("Background saving terminated by signal 10")
            }
            Err(_) => tracing::warn!("Background saving error"),
        }
        if background && result.is_ok() {
            tracing::info!("Copies for RDB: {} MB at most", writer.copied().1 >> 20);
            tracing::info!("Background saving terminated with success");
        }
        p.end();
        drop(tell.send(result)); // nobody may care
    });
    if server.host.spawn("rdb_write", write) {
        return Ok(Begun::Snapshot(snapshot));
    }
    tracing::warn!("Can't save: no thread");
    snapshot.abandon();
    // whoever waits for the end may hold the locks
    p.end();
    snapshot.walk(server);
    Ok(Begun::NoThread)
}

/// Saves under all locks, which the caller holds: nothing changes until they are given back. A save that runs is given up: it
/// would put an older state in this one's place.
///
/// # Errors
/// Those of the file system, logged.
pub fn save_held(server: &Server, guards: &mut Held<'_>, now_ms: i64) -> io::Result<()> {
    server.persistence.abandon();
    let mut sink = create(server, temp_name(true), now_ms)?;
    let dirty = server.sum(|c| &c.dirty);
    let result = match HeldSnapshot::write(server, guards, now_ms, &mut sink) {
        Ok(()) => finish(server, sink).map(|_| ()),
        Err(e) => {
            sink.discard();
            tracing::warn!("Write error saving DB on disk: {}", plain(&e));
            Err(e)
        }
    };
    note(server, &result, false, dirty, now_ms);
    if result.is_ok() {
        tracing::info!("DB saved on disk");
    }
    result
}

/// FLUSHALL, under all locks. A save that runs is given up: it would bring back what is gone. With save points what there
/// is now, nothing, is saved at once, as Redis does. `dirty`: changes that the command has not noted yet.
pub fn after_flush(server: &Server, guards: &mut Held<'_>, now_ms: i64, dirty: u64) {
    server.persistence.abandon();
    if !server.config.load().save.is_empty() && save_held(server, guards, now_ms).is_ok() {
        server.dirty_at_save.fetch_add(dirty, Relaxed);
    }
}

/// Waits for the end of a snapshot that was given up, which is near, but for no longer than a second.
fn await_void(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut current = server.snapshot.lock();
    while current.as_ref().is_some_and(|s| s.is_void()) {
        if server.snapshot_over.wait_until(&mut current, deadline).timed_out() {
            return;
        }
    }
}

/// The timer: scheduled saves and save points.
pub fn cron(server: &Server, now_ms: i64) {
    let p = &server.persistence;
    // one lock after the other: the order is shards, snapshot, running
    let saving = p.running.lock().is_some();
    if saving || server.snapshot.lock().is_some() || server.gate.load(Relaxed) & (gate::LOADING | gate::BUSY) != 0 {
        return;
    }
    let now = now_ms / 1000;
    if p.scheduled.load(Relaxed) {
        drop(bgsave(server, now_ms)); // tried again next time
        return;
    }
    let may = p.last_ok.load(Relaxed) || now - p.last_try.load(Relaxed) > RETRY;
    let (changes, since) = (server.changes_since_save(), now - server.last_save.load(Relaxed));
    if !may || changes == 0 {
        return;
    }
    let cfg = server.config.load();
    let due = cfg.save.iter().find(|s| changes >= s.changes.max(0) as u64 && since > s.seconds);
    if let Some(point) = due {
        tracing::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
        drop(bgsave(server, now_ms)); // tried again next time
    }
}

impl super::Persistence {
    /// Gives up the save that runs, if there is one, and waits until its file is gone.
    pub fn abandon(&self) -> bool {
        let snapshot: Option<Arc<Snapshot>> = self.running.lock().as_ref().map(|r| r.snapshot.clone());
        let Some(snapshot) = snapshot else { return false };
        snapshot.abandon();
        let mut running = self.running.lock();
        while running.as_ref().is_some_and(|r| Arc::ptr_eq(&r.snapshot, &snapshot)) {
            self.ended.wait(&mut running);
        }
        true
    }

    /// No save runs any more.
    fn end(&self) {
        *self.running.lock() = None;
        self.ended.notify_all();
    }
}
