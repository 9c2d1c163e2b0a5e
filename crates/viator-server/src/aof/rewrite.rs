//! Rewriting the append-only file: a new base from a snapshot of the dataset, and a new increment for what comes after it.

use super::{Aof, FREE_FAILURES, Files, Increment, MAX_RETRY_MINUTES, plain};
use crate::host::give_way;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use viator_engine::aof::{AofStatus, State};
use viator_engine::config::Config;
use viator_engine::persistence::FileSink;
use viator_engine::propagation::listener;
use viator_engine::server::{Server, gate};
use viator_engine::snapshot::{Sink, Snapshot};
use viator_engine::typed::rdb_limits;
use viator_keyspace::{EntryRef, NewValue, ValueRef};
use viator_persist::aof::{commands, manifest::TEMP_PREFIX};
use viator_persist::file::Part;
use viator_persist::{Fault, Limits, Reader};

/// What held when a rewrite began. If the log is switched off after that the rewrite comes to nothing, whatever follows.
#[derive(Clone, Copy)]
struct Circumstances {
    /// Unless it is off, an increment begins with the rewrite.
    state: State,
    /// How often the log had been switched off.
    stops: u64,
}

/// A rewrite whose point in time has come.
struct Begun {
    snapshot: Arc<Snapshot>,
    /// The replication offset.
    offset: i64,
}

impl Aof {
    /// BGREWRITEAOF. `held`: within a transaction, which holds locks; it is done after that.
    ///
    /// # Errors
    /// Redis's text.
    pub fn request_rewrite(self: &Arc<Self>, held: bool) -> Result<&'static str, &'static str> {
        let Some(server) = self.server() else { return Err("ERR the server ends") };
        let given_up = self.began.load(Relaxed) != self.stops.load(Relaxed);
        let running = server.aof.rewriting.load(Relaxed);
        if running && !given_up {
            return Err("ERR Background append only file rewriting already in progress");
        }
        if held || running || server.snapshot.lock().is_some() {
            server.aof.rewrite_scheduled.store(true, Relaxed);
            server.aof.rewrite_failures.store(0, Relaxed);
            return Ok("Background append only file rewriting scheduled");
        }
        if !self.begin_rewrite(&server, true) {
            return Err(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
            );
        }
        Ok("Background append only file rewriting started")
    }

    /// Starts a rewrite on a thread of its own, unless one is running: then it is done again after that. `here`: its point in
    /// time is now; no shard may be held. `false`: it cannot begin.
    pub(super) fn begin_rewrite(self: &Arc<Self>, server: &Arc<Server>, here: bool) -> bool {
        let status = &server.aof;
        // a save that runs comes first
        let taken = server.snapshot.lock().is_some();
        if taken || status.rewriting.swap(true, Relaxed) {
            status.rewrite_scheduled.store(true, Relaxed);
            return true;
        }
        self.begin_claimed(server, here)
    }

    /// As [`Aof::begin_rewrite`]; it is noted already that one is running.
    fn begin_claimed(self: &Arc<Self>, server: &Arc<Server>, here: bool) -> bool {
        let status = &server.aof;
        status.rewrite_scheduled.store(false, Relaxed);
        let now = {
            let _files = self.files.lock();
            Circumstances { state: status.state(), stops: self.stops.load(Relaxed) }
        };
        self.began.store(now.stops, Relaxed);
        status.rewrites.add_shared(1);
        status.rewrite_began.store(crate::now_ms() / 1000, Relaxed);
        let (tell, told) = mpsc::channel();
        let (aof, its) = (self.clone(), server.clone());
        let spawned = thread::Builder::new().name("aof_rewrite".into()).spawn(move || {
            give_way();
            let memory = aof.memory.clone();
            memory.counted(move || {
                let begun = if here {
                    told.recv().unwrap_or_else(|e| Err(io::Error::other(e)))
                } else {
                    aof.begin_parts(&its, now)
                };
                aof.run_rewrite(&its, now, begun);
            });
        });
        match spawned {
            Ok(_) => {
                tracing::info!("Background append only file rewriting started by pid {}", std::process::id());
                if here {
                    // nothing has begun before there is a thread to end it
                    drop(tell.send(self.begin_parts(server, now))); // it waits for that
                }
                true
            }
            Err(e) => {
                tracing::warn!("Can't rewrite append only file in background: {e}");
                status.rewrite_failures.fetch_add(1, Relaxed);
                Self::note_end(status);
                false
            }
        }
    }

    /// No rewrite runs any more.
    fn note_end(status: &AofStatus) {
        status.rewriting.store(false, Relaxed);
        // switched off and on again meanwhile, or the first one failed
        if status.state() == State::WaitRewrite {
            status.rewrite_scheduled.store(true, Relaxed);
        }
    }

    fn run_rewrite(self: &Arc<Self>, server: &Arc<Server>, now: Circumstances, begun: io::Result<Begun>) {
        let began = Instant::now();
        let temp = temporary_base();
        let done = begun.and_then(|b| self.rewrite_parts(server, now, b, &temp));
        let status = &server.aof;
        match &done {
            Ok(()) => {
                status.rewrite_failures.store(0, Relaxed);
                let mut r = self.rewrite.lock();
                r.retry_at = None;
                r.retry_minutes = 0;
                tracing::info!("Background AOF rewrite finished successfully");
            }
            Err(e) => {
                drop(fs::remove_file(&temp)); // it may not have been made
                if !self.is_cancelled(now) && e.kind() != io::ErrorKind::ResourceBusy {
                    status.rewrite_failures.fetch_add(1, Relaxed);
                    tracing::warn!("Background AOF rewrite terminated with error: {}", plain(e));
                }
                if now.state == State::WaitRewrite {
                    self.forget_temporary(server);
                }
            }
        }
        status.last_rewrite_secs.store(began.elapsed().as_secs() as i64 + 1, Relaxed);
        // one that was asked for after this one was given up follows at once: nobody sees that none is running
        if self.is_cancelled(now) && status.rewrite_scheduled.load(Relaxed) && server.snapshot.lock().is_none() {
            self.begin_claimed(server, false);
        } else {
            Self::note_end(status);
        }
    }

    /// The first rewrite has failed: what was logged since its beginning is of no use.
    fn forget_temporary(&self, server: &Server) {
        server.propagation.listen(listener::AOF, false);
        let mut f = self.files.lock();
        f.out = None;
        f.next.clear();
        f.forget_logged(server);
        let name = temporary_incr(&f);
        if fs::remove_file(f.path(&name)).is_ok() {
            tracing::info!("Removing the temp incr aof file {name}");
        }
    }

    /// The log was switched off since; certain only while the files are held.
    fn is_cancelled(&self, began: Circumstances) -> bool {
        self.stops.load(Relaxed) != began.stops
    }

    /// To be asked by who holds the files.
    fn goes_on(&self, began: Circumstances) -> io::Result<()> {
        if self.is_cancelled(began) { Err(io::Error::other("cancelled")) } else { Ok(()) }
    }

    /// Opens the next increment and takes the snapshot with which it begins.
    fn begin_parts(&self, server: &Server, now: Circumstances) -> io::Result<Begun> {
        if now.state != State::Off {
            self.open_next(server, now)?;
        }
        let mut offset = 0;
        let snapshot = Snapshot::begin(server, crate::now_ms(), |_, _| {
            let mut f = self.files.lock();
            // if it was switched off meanwhile, nothing is logged for a rewrite that comes to nothing
            if now.state != State::Off && !self.is_cancelled(now) {
                if now.state == State::WaitRewrite {
                    // the last words of those who did not see that it was switched off, before it was switched on again
                    f.forget_logged(server);
                    server.propagation.listen(listener::AOF, true);
                }
                server.propagation.cut();
            }
            offset = server.propagation.commands() as i64;
            true
        });
        let Some(snapshot) = snapshot else {
            // a save began meanwhile; what the manifest calls the last increment is the one that is written
            let _files = self.files.lock();
            if now.state == State::On && !self.is_cancelled(now) {
                server.propagation.cut();
            }
            server.aof.rewrite_scheduled.store(true, Relaxed);
            return Err(io::ErrorKind::ResourceBusy.into());
        };
        *self.running.lock() = Some(snapshot.clone());
        if self.is_cancelled(now) {
            snapshot.abandon();
        }
        Ok(Begun { snapshot, offset })
    }

    fn rewrite_parts(&self, server: &Arc<Server>, began: Circumstances, begun: Begun, temp: &Path) -> io::Result<()> {
        let Begun { snapshot, offset } = begun;
        let walks = snapshot.clone();
        let walker = {
            let (server, memory) = (server.clone(), self.memory.clone());
            thread::Builder::new().name("aof_walk".into()).spawn(move || {
                give_way();
                memory.counted(|| walks.walk(&server));
            })
        };
        let walker = walker.inspect_err(|_| {
            snapshot.abandon();
            snapshot.walk(server);
        })?;
        let written = self.note_offset(began, offset).and_then(|()| write_base(server, &snapshot, temp));
        if written.is_err() {
            snapshot.abandon();
        }
        drop(walker.join()); // it does not fail
        *self.running.lock() = None;
        let rdb = written?;
        self.put_in_place(server, began, rdb, offset, temp)
    }

    /// The replication offset at which the last increment begins is known now.
    fn note_offset(&self, began: Circumstances, offset: i64) -> io::Result<()> {
        let mut f = self.files.lock();
        if began.state == State::On
            && !self.is_cancelled(began)
            && let Some(last) = f.manifest.incrs.last_mut()
            && last.start_offset != Some(offset)
        {
            last.start_offset = Some(offset);
            f.persist(&f.manifest)?;
        }
        Ok(())
    }

    /// Opens the increment that begins with the snapshot: the manifest knows of it before anything is written to it.
    fn open_next(&self, server: &Server, began: Circumstances) -> io::Result<()> {
        let mut f = self.files.lock();
        self.goes_on(began)?;
        if began.state == State::WaitRewrite {
            let name = temporary_incr(&f);
            let file = File::create(f.path(&name))?;
            tracing::info!("Creating AOF incr file {name} on background rewrite");
            f.next.push_back(Increment { file: Arc::new(file), seq: None, len: 0 });
            return Ok(());
        }
        let mut m = f.manifest.clone();
        let base = f.base.clone();
        let part = m.next_incr(&base, Some(server.propagation.commands() as i64));
        let (name, seq) = (part.name.clone(), part.seq);
        let next = Increment::open(&f.path(&name), seq)?;
        f.persist(&m)?;
        tracing::info!("Creating AOF incr file {name} on background rewrite");
        f.manifest = m;
        f.next.push_back(next);
        Ok(())
    }

    /// The new base is complete: it and the increment take the place of what was there.
    fn put_in_place(
        &self,
        server: &Server,
        began: Circumstances,
        rdb: bool,
        offset: i64,
        temp: &Path,
    ) -> io::Result<()> {
        let cfg = server.config.load();
        let _not_while_they_are_loaded = self.replacing.lock();
        let mut f = self.files.lock();
        self.goes_on(began)?;
        let first = began.state == State::WaitRewrite;
        fs::create_dir_all(&f.dir)?;
        let mut m = f.manifest.clone();
        let base = f.base.clone();
        let name = m.next_base(&base, rdb);
        tracing::info!("Successfully created the temporary AOF base file {}", temp.display());
        tracing::info!("Background AOF rewrite terminated with success");
        fs::rename(temp, f.path(&name))?;
        tracing::info!("Successfully renamed the temporary AOF base file {} into {name}", temp.display());
        let keep = usize::from(began.state == State::On);
        m.retire_incrs(keep);
        if first {
            let part = m.next_incr(&base, Some(offset));
            let (incr, seq) = (part.name.clone(), part.seq);
            let f = &mut *f;
            for i in f.out.iter_mut().chain(&mut f.next).filter(|i| i.seq.is_none()) {
                i.seq = Some(seq);
            }
            let old = temporary_incr(f);
            fs::rename(f.path(&old), f.path(&incr))?;
            tracing::info!("Successfully renamed the temporary AOF incr file {old} into {incr}");
        }
        f.persist(&m)?;
        f.manifest = m;
        if first {
            server.aof.set_state(State::On);
        }
        if !cfg.aof_disable_auto_gc {
            self.delete_history(&mut f);
        }
        let size = f.size();
        server.aof.current_size.store(size, Relaxed);
        server.aof.base_size.store(size, Relaxed);
        Ok(())
    }

    /// Automatic rewrites, and those that wait.
    pub(super) fn maybe_rewrite(self: &Arc<Self>, server: &Arc<Server>, cfg: &Config) {
        let status = &server.aof;
        if status.rewriting.load(Relaxed) || server.snapshot.lock().is_some() {
            return;
        }
        // no snapshot can begin, and each attempt would leave an increment
        if server.gate.load(Relaxed) & (gate::LOADING | gate::BUSY) != 0 {
            return;
        }
        if status.rewrite_scheduled.load(Relaxed) {
            if status.state() == State::WaitRewrite && self.limited(server) {
                return;
            }
            self.begin_rewrite(server, true);
            return;
        }
        let (percentage, current) = (cfg.auto_aof_rewrite_percentage, status.current_size.load(Relaxed));
        if status.state() != State::On || percentage <= 0 || current <= cfg.auto_aof_rewrite_min_size {
            return;
        }
        let base = status.base_size.load(Relaxed).max(1);
        let growth = current.saturating_mul(100) / base;
        let growth = growth.saturating_sub(100);
        if growth >= percentage as u64 && !self.limited(server) {
            tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
            self.begin_rewrite(server, true);
        }
    }

    /// After three failures in a row a rewrite waits: a minute, then twice as long each time, an hour at most.
    fn limited(&self, server: &Server) -> bool {
        if server.aof.rewrite_failures.load(Relaxed) < FREE_FAILURES {
            return false;
        }
        let mut r = self.rewrite.lock();
        match r.retry_at {
            Some(t) if Instant::now() < t => true,
            Some(_) => {
                r.retry_at = None;
                false
            }
            None => {
                r.retry_minutes = (r.retry_minutes * 2).clamp(1, MAX_RETRY_MINUTES);
                r.retry_at = Some(Instant::now() + Duration::from_secs(60 * r.retry_minutes));
                tracing::warn!(
                    "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {} minutes",
                    r.retry_minutes
                );
                true
            }
        }
    }
}

/// Writes the base's content: an RDB file, or commands. Returns which.
fn write_base(server: &Server, snapshot: &Snapshot, temp: &Path) -> io::Result<bool> {
    let cfg = server.config.load();
    if cfg.aof_use_rdb_preamble {
        let mut sink = FileSink::create(server, temp.display().to_string(), crate::now_ms(), true)?;
        snapshot.write(&mut sink)?;
        sink.seal()?;
        return Ok(true);
    }
    let mut sink = CommandSink::create(server, temp)?;
    snapshot.write(&mut sink)?;
    sink.finish()?;
    Ok(false)
}

/// Writes the entries that it gets in the RDB format as commands.
struct CommandSink {
    file: BufWriter<File>,
    limits: Limits,
    out: Vec<u8>,
}

impl CommandSink {
    fn create(server: &Server, temp: &Path) -> io::Result<CommandSink> {
        let cfg = server.config.load();
        let mut sink = CommandSink {
            file: BufWriter::with_capacity(1 << 18, File::create(temp)?),
            limits: rdb_limits(&cfg, false),
            out: Vec::new(),
        };
        if cfg.aof_timestamp_enabled {
            sink.out.extend_from_slice(format!("#TS:{}\r\n", crate::now_ms() / 1000).as_bytes());
        }
        for library in server.scripting.libraries() {
            commands::command(&mut sink.out, &[&b"FUNCTION"[..], b"LOAD", &library.code]);
        }
        sink.file.write_all(&sink.out)?;
        Ok(sink)
    }

    fn finish(self) -> io::Result<()> {
        self.file.into_inner().map_err(|e| e.into_error())?.sync_all()
    }

    fn translate(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut r = Reader::of_bytes(bytes);
        let mut expire = None;
        while !r.is_at_end() {
            match r.part()? {
                Part::Select(db) => commands::command(&mut self.out, &[&b"SELECT"[..], db.to_string().as_bytes()]),
                Part::Expire(at) => expire = Some(at),
                Part::Key(kind) => {
                    let key = r.string()?;
                    let value = r.content(kind, &self.limits)?;
                    let expire = expire.take();
                    value.store(|new| {
                        let value = match &new {
                            NewValue::Int(n) => ValueRef::Int(*n),
                            NewValue::Str { bytes, raw } => ValueRef::Str { bytes, raw: *raw },
                            NewValue::Object(o) => ValueRef::Object(o),
                        };
                        commands::key(
                            &mut self.out,
                            &EntryRef { key: &key, value, expire, lru: 0, len: 0, within: false },
                        );
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Sink for CommandSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.clear();
        self.translate(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.file.write_all(&self.out)
    }
}

/// Where a rewrite writes its base.
pub(super) fn temporary_base() -> PathBuf {
    PathBuf::from(format!("{TEMP_PREFIX}rewriteaof-bg-{}.aof", std::process::id()))
}

fn temporary_incr(f: &Files) -> String {
    format!("{TEMP_PREFIX}{}.incr", f.base)
}
