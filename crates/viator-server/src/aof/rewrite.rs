//! Rewriting the append-only file: a new base from a snapshot of the dataset, and a new increment for what comes after it.

use super::{Aof, FREE_FAILURES, Files, MAX_RETRY_MINUTES, open_append, plain};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};
use viator_engine::aof::State;
use viator_engine::config::Config;
use viator_engine::propagation::listener;
use viator_engine::server::Server;
use viator_keyspace::Footprint;
use viator_persist::aof::{commands, manifest::TEMP_PREFIX};

impl Aof {
    /// BGREWRITEAOF.
    ///
    /// # Errors
    /// Redis's text.
    pub fn request_rewrite(self: &Arc<Self>) -> Result<&'static str, &'static str> {
        let Some(server) = self.server() else { return Err("ERR the server ends") };
        if server.aof.rewriting.load(Relaxed) {
            return Err("ERR Background append only file rewriting already in progress");
        }
        self.begin_rewrite(&server);
        Ok("Background append only file rewriting started")
    }

    /// Starts a rewrite on a thread of its own, unless one is running: then it is done again after that.
    pub(super) fn begin_rewrite(self: &Arc<Self>, server: &Arc<Server>) {
        let status = &server.aof;
        if status.rewriting.swap(true, Relaxed) {
            status.rewrite_scheduled.store(true, Relaxed);
            return;
        }
        status.rewrite_scheduled.store(false, Relaxed);
        self.cancel.store(false, Relaxed);
        status.rewrites.add_shared(1);
        status.rewrite_began.store(crate::now_ms() / 1000, Relaxed);
        let (aof, server) = (self.clone(), server.clone());
        let spawned = thread::Builder::new().name("aof_rewrite".into()).spawn(move || aof.run_rewrite(&server));
        match spawned {
            Ok(_) => tracing::info!("Background append only file rewriting started by pid {}", std::process::id()),
            Err(e) => {
                tracing::warn!("Can't rewrite append only file in background: {e}");
                status.rewriting.store(false, Relaxed);
            }
        }
    }

    fn run_rewrite(self: &Arc<Self>, server: &Arc<Server>) {
        let began = Instant::now();
        let first = server.aof.state() == State::WaitRewrite;
        let temp = PathBuf::from(format!("{TEMP_PREFIX}rewriteaof-bg-{}.aof", std::process::id()));
        let done = self.rewrite_parts(server, first, &temp);
        let status = &server.aof;
        let cancelled = self.cancel.load(Relaxed);
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
                if !cancelled {
                    status.rewrite_failures.fetch_add(1, Relaxed);
                    tracing::warn!("Background AOF rewrite terminated with error: {}", plain(e));
                }
                if first {
                    self.forget_temporary(server, cancelled);
                }
            }
        }
        status.last_rewrite_secs.store(began.elapsed().as_secs() as i64 + 1, Relaxed);
        status.rewriting.store(false, Relaxed);
        // switched off and on again meanwhile, or the first one failed
        if status.state() == State::WaitRewrite {
            status.rewrite_scheduled.store(true, Relaxed);
        }
    }

    /// The first rewrite has failed: what was logged since its beginning is of no use.
    fn forget_temporary(&self, server: &Server, cancelled: bool) {
        server.propagation.listen(listener::AOF, false);
        let mut f = self.files.lock();
        if !cancelled {
            f.out = None;
            f.next.clear();
            f.buf = Vec::new();
            f.cuts.clear();
            f.done = 0;
            server.propagation.discard();
            settle_all(server);
        }
        let name = temporary_incr(&f);
        if fs::remove_file(f.path(&name)).is_ok() {
            tracing::info!("Removing the temp incr aof file {name}");
        }
    }

    fn rewrite_parts(self: &Arc<Self>, server: &Arc<Server>, first: bool, temp: &PathBuf) -> io::Result<()> {
        let on = server.aof.state() != State::Off;
        if on {
            self.open_next(server, first)?;
        }
        let (body, offset) = self.snapshot(server, on, first);
        if on && !first {
            let mut f = self.files.lock();
            if let Some(last) = f.manifest.incrs.last_mut()
                && last.start_offset != Some(offset)
            {
                last.start_offset = Some(offset);
                f.persist(&f.manifest)?;
            }
        }
        let file = File::create(temp)?;
        let mut w = BufWriter::with_capacity(1 << 18, &file);
        for chunk in body.chunks(1 << 20) {
            if self.cancel.load(Relaxed) {
                return Err(io::Error::other("cancelled"));
            }
            w.write_all(chunk)?;
        }
        w.flush()?;
        drop(w);
        file.sync_all()?;
        self.put_in_place(server, first, offset, temp)
    }

    /// Opens the increment that begins with the snapshot: the manifest knows of it before anything is written to it.
    fn open_next(&self, server: &Server, first: bool) -> io::Result<()> {
        let mut f = self.files.lock();
        if first {
            let name = temporary_incr(&f);
            let file = File::create(f.path(&name))?;
            tracing::info!("Creating AOF incr file {name} on background rewrite");
            f.next.push_back(Arc::new(file));
            return Ok(());
        }
        let mut m = f.manifest.clone();
        let base = f.base.clone();
        let name = m.next_incr(&base, Some(server.propagation.commands() as i64)).name.clone();
        let file = open_append(&f.path(&name))?;
        f.persist(&m)?;
        tracing::info!("Creating AOF incr file {name} on background rewrite");
        f.manifest = m;
        f.next.push_back(Arc::new(file));
        Ok(())
    }

    /// The dataset at one moment, at which the next increment begins. Returns it as commands, and the replication offset.
    fn snapshot(&self, server: &Server, on: bool, first: bool) -> (Vec<u8>, i64) {
        let mut all = server.keyspace.lock(Footprint::ALL);
        if on {
            if first {
                settle_all(server);
                server.propagation.listen(listener::AOF, true);
            }
            server.propagation.cut();
        }
        let offset = server.propagation.commands() as i64;
        let mut out = Vec::new();
        if server.config.load().aof_timestamp_enabled {
            out.extend_from_slice(format!("#TS:{}\r\n", crate::now_ms() / 1000).as_bytes());
        }
        for db in 0..server.keyspace.databases() {
            let mut selected = false;
            for (_, shard) in all.iter_mut() {
                let Some(part) = shard.db(db) else { continue };
                part.for_each(|e| {
                    if !selected {
                        selected = true;
                        commands::command(&mut out, &[&b"SELECT"[..], db.to_string().as_bytes()]);
                    }
                    commands::key(&mut out, &e);
                });
            }
        }
        (out, offset)
    }

    /// The new base is complete: it and the increment take the place of what was there.
    fn put_in_place(
        self: &Arc<Self>,
        server: &Arc<Server>,
        first: bool,
        offset: i64,
        temp: &PathBuf,
    ) -> io::Result<()> {
        let cfg = server.config.load();
        let mut f = self.files.lock();
        if self.cancel.load(Relaxed) {
            return Err(io::Error::other("cancelled"));
        }
        let on = server.aof.state() != State::Off;
        fs::create_dir_all(&f.dir)?;
        let mut m = f.manifest.clone();
        let base = f.base.clone();
        let name = m.next_base(&base, false);
        tracing::info!("Successfully created the temporary AOF base file {}", temp.display());
        fs::rename(temp, f.path(&name))?;
        tracing::info!("Successfully renamed the temporary AOF base file {} into {name}", temp.display());
        let keep = usize::from(on && !first);
        m.retire_incrs(keep);
        if first {
            let incr = m.next_incr(&base, Some(offset)).name.clone();
            let old = temporary_incr(&f);
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
        if status.rewriting.load(Relaxed) {
            return;
        }
        if status.rewrite_scheduled.load(Relaxed) {
            if status.state() == State::WaitRewrite && self.limited(server) {
                return;
            }
            self.begin_rewrite(server);
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
            self.begin_rewrite(server);
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

/// Nothing is on its way to the disk.
fn settle_all(server: &Server) {
    let end = server.propagation.end();
    server.aof.written.store(end, Relaxed);
    server.aof.synced.store(end, Relaxed);
}

fn temporary_incr(f: &Files) -> String {
    format!("{TEMP_PREFIX}{}.incr", f.base)
}
