//! The append-only file: writing the propagation log, syncing it, rewriting it.
//!
//! Workers append to the log in memory while they hold shard locks, and write it out at the end of their turn, before the
//! turn's replies are sent ([`Aof::flush`]); nobody waits for the disk under a lock of the data. With `appendfsync always`
//! a worker makes one fsync for all its clients who wait ([`crate::worker`]), or a thread one for all workers where the disk is
//! slow: an fsync of the journal ([`viator_persist::aof::journal`]). Locks are taken in this order: replacing, shards, order of
//! syncs or making of a journal, files, sync jobs or log; whoever holds the files does not ask for shards.

mod ahead;
mod load;
mod rewrite;

use self::ahead::delete_journal;
use self::rewrite::temporary_base;
use crate::memory::Memory;
use crate::worker::{Inbox, Message};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};
use viator_engine::aof::{AofStatus, State};
use viator_engine::config::{AppendFsync, Config};
use viator_engine::persistence::FileSink;
use viator_engine::propagation::listener;
use viator_engine::server::{Server, gate};
use viator_engine::snapshot::Snapshot;
use viator_persist::aof::journal::Journal;
use viator_persist::aof::manifest::TEMP_PREFIX;
use viator_persist::aof::{Kind, Manifest, Part};

/// How long writes wait for a running fsync with `appendfsync everysec`.
const MAX_DELAY: Duration = Duration::from_secs(2);
/// How often an error that does not go away is logged.
const ERROR_LOG_EVERY: Duration = Duration::from_secs(30);
/// A worker syncs itself if the last fsync did not take longer: it serves nobody meanwhile.
const MAX_HERE: Duration = Duration::from_millis(1);
/// After so many failed rewrites in a row the next one waits.
const FREE_FAILURES: u64 = 3;
/// Longest such wait, minutes.
const MAX_RETRY_MINUTES: u64 = 60;

/// See the module.
pub struct Aof {
    server: Mutex<Weak<Server>>,
    memory: Arc<Memory>,
    inboxes: Vec<Arc<Inbox>>,
    files: Mutex<Files>,
    sync: Mutex<SyncJobs>,
    sync_wake: Condvar,
    /// The increments are synced one after the other: what is closed before what comes after it.
    in_order: Mutex<()>,
    /// One journal is made at a time.
    making: Mutex<()>,
    /// The files are loaded (DEBUG LOADAOF), or a rewrite replaces them.
    replacing: Mutex<()>,
    /// How often the log was switched off, counted by who holds the files: a rewrite that began before the last time gives up.
    stops: AtomicU64,
    /// The count with which the rewrite that runs began.
    began: AtomicU64,
    /// When rewrites are tried again.
    rewrite: Mutex<Rewrites>,
    /// The snapshot of the rewrite that runs.
    running: Mutex<Option<Arc<Snapshot>>>,
}

/// The files, and what is on the way into them.
#[derive(Default)]
struct Files {
    dir: PathBuf,
    /// `appendfilename`.
    base: String,
    manifest: Manifest,
    /// The increment that is written.
    out: Option<Increment>,
    /// Those for the log's cuts to come.
    next: VecDeque<Increment>,
    /// With `always`: takes what goes to the increments first.
    journal: Option<Journal>,
    /// Nothing goes to this one any more: it is deleted when what it has is durable in the increments.
    retired: Option<Journal>,
    /// It could not be made.
    journal_failed: bool,
    /// The log's offset up to which the increments are on the disk.
    settled: u64,
    /// The log's offset up to which they have something that the journal has not.
    direct: u64,
    /// Taken from the log, not yet written: from `done` on.
    buf: Vec<u8>,
    done: usize,
    cuts: VecDeque<usize>,
    /// The log's offset at the end of `buf`.
    end: u64,
    /// Since when writes wait for an fsync.
    postponed: Option<Instant>,
    error_logged: Option<Instant>,
}

/// A part that is written to.
struct Increment {
    file: Arc<File>,
    /// Its number; a temporary one has none.
    seq: Option<i64>,
    len: u64,
}

impl Increment {
    fn open(path: &Path, seq: i64) -> io::Result<Increment> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let len = file.metadata()?.len();
        Ok(Increment { file: Arc::new(file), seq: Some(seq), len })
    }
}

#[derive(Default)]
struct SyncJobs {
    /// Offset up to which the log is to be synced.
    want: u64,
    /// Complete files.
    closing: Vec<Arc<File>>,
    /// The thread is to do it.
    asked: bool,
    /// Somebody syncs for those who wait.
    running: bool,
    /// The increments are to be synced, for which nobody waits.
    settle: bool,
    /// When that was done last.
    settled: Option<Instant>,
    last: Option<Instant>,
    /// How long the last fsync took that somebody waited for.
    took: Duration,
}

#[derive(Default)]
struct Rewrites {
    retry_at: Option<Instant>,
    retry_minutes: u64,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn manifest_name(&self) -> String {
        format!("{}.manifest", self.base)
    }

    fn persist(&self, m: &Manifest) -> io::Result<()> {
        m.write(&self.dir, &self.manifest_name())
    }

    /// Forgets what was logged and is in no file: it belongs to none. Nobody waits for it.
    fn forget_logged(&mut self, server: &Server) {
        self.buf = Vec::new();
        self.cuts.clear();
        self.done = 0;
        server.propagation.discard();
        let end = server.propagation.end();
        server.aof.written.store(end, Relaxed);
        server.aof.synced.store(end, Relaxed);
    }

    /// Bytes of the parts that are read at start.
    fn size(&self) -> u64 {
        self.manifest.files().filter_map(|p| fs::metadata(self.path(&p.name)).ok()).map(|m| m.len()).sum()
    }
}

impl Aof {
    /// One that writes nothing yet.
    pub fn new(cfg: &Config, memory: Arc<Memory>, inboxes: Vec<Arc<Inbox>>) -> Arc<Aof> {
        let files =
            Files { dir: cfg.appenddirname.clone().into(), base: cfg.appendfilename.clone(), ..Files::default() };
        Arc::new(Aof {
            server: Mutex::default(),
            memory,
            inboxes,
            files: Mutex::new(files),
            sync: Mutex::default(),
            sync_wake: Condvar::new(),
            in_order: Mutex::default(),
            making: Mutex::default(),
            replacing: Mutex::default(),
            stops: AtomicU64::new(0),
            began: AtomicU64::new(0),
            rewrite: Mutex::default(),
            running: Mutex::default(),
        })
    }

    /// Meets its server, and starts the thread that syncs.
    pub fn attach(self: &Arc<Self>, server: &Arc<Server>) {
        *self.server.lock() = Arc::downgrade(server);
        server.aof.always.store(server.config.load().appendfsync == AppendFsync::Always, Relaxed);
        let aof = self.clone();
        crate::essential(thread::Builder::new(), "bio_aof", move || aof.sync_thread());
    }

    fn server(&self) -> Option<Arc<Server>> {
        self.server.lock().upgrade()
    }

    /// Writes out what has been logged, unless a running fsync would hold it up; `false`: nothing is logged.
    fn write_logged(&self, server: &Server) -> bool {
        let off = || server.aof.state() == State::Off;
        if off() {
            return false;
        }
        let mut f = self.files.lock();
        // it may have been switched off while this thread waited
        if off() {
            return false;
        }
        self.write(server, &mut f, false);
        true
    }

    /// Writes out what has been logged, unless a running fsync would hold it up. Called at the end of a worker's turn.
    pub fn flush(&self, server: &Server) {
        if self.write_logged(server) && server.aof.always.load(Relaxed) {
            self.request_sync(server.aof.written.load(Relaxed), server);
        }
    }

    /// As [`Aof::flush`] with `always`, and syncs it. Where the disk is slow the thread does that, and wakes the worker.
    pub fn flush_here(&self, server: &Server) {
        if !self.write_logged(server) {
            return;
        }
        let want = server.aof.written.load(Relaxed);
        if want <= server.aof.synced.load(Relaxed) {
            return;
        }
        if self.sync.lock().took > MAX_HERE {
            self.request_sync(want, server);
            return;
        }
        self.sync_now(server, want);
        // as in `wake`
        fence(SeqCst);
        if server.aof.waiters.load(Relaxed) > 0 {
            self.wake(server);
        }
    }

    /// Takes what has been logged, and writes it. `force`: whatever it has to wait for.
    fn write(&self, server: &Server, f: &mut Files, force: bool) {
        let room = if f.buf.is_empty() { std::mem::take(&mut f.buf) } else { Vec::new() };
        let taken = server.propagation.take(room);
        if !taken.bytes.is_empty() || !taken.cuts.is_empty() {
            let at = f.buf.len();
            f.cuts.extend(taken.cuts.iter().map(|c| c + at));
            if f.buf.is_empty() {
                f.buf = taken.bytes;
            } else {
                f.buf.extend_from_slice(&taken.bytes);
            }
            f.end = taken.end;
        }
        if f.done == f.buf.len() && f.cuts.is_empty() {
            return;
        }
        let status = &server.aof;
        if !status.always.load(Relaxed) && !force && self.must_wait(server, f) {
            return;
        }
        f.postponed = None;
        let sleep = status.flush_sleep.load(Relaxed);
        if sleep > 0 {
            thread::sleep(Duration::from_micros(sleep));
        }
        let logged = server.propagation.has_listener(listener::AOF);
        match self.write_out(f, logged, status) {
            Ok(()) => {
                status.written.store(f.end, Relaxed);
                if note(server, &status.write_failed, None) {
                    tracing::warn!("AOF write error looks solved. The server can write again.");
                    f.error_logged = None;
                }
            }
            Err(e) => self.write_failed(server, f, &e),
        }
    }

    /// Whether a write has to wait for a running fsync, which could block it: for two seconds at most.
    fn must_wait(&self, server: &Server, f: &mut Files) -> bool {
        if !self.sync.lock().running {
            return false;
        }
        let since = *f.postponed.get_or_insert_with(Instant::now);
        if since.elapsed() < MAX_DELAY {
            return true;
        }
        server.aof.delayed_fsync.add_shared(1);
        tracing::info!(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to \
             complete, this may slow down Redis."
        );
        false
    }

    fn write_failed(&self, server: &Server, f: &mut Files, e: &io::Error) {
        let text = plain(e);
        if f.error_logged.is_none_or(|t| t.elapsed() > ERROR_LOG_EVERY) {
            f.error_logged = Some(Instant::now());
            tracing::warn!("Error writing to the AOF file: {text}");
        }
        if server.aof.always.load(Relaxed) {
            tracing::warn!("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
            // nobody was told of it
            if let Some(j) = &mut f.journal
                && let Err(e) = j.revoke()
            {
                tracing::warn!("the AOF journal cannot be written: {}", plain(&e));
            }
            std::process::exit(1);
        }
        note(server, &server.aof.write_failed, Some(text));
    }

    /// Writes what is there, up to the end of each file. `logged`: there is to be a file for it.
    fn write_out(&self, f: &mut Files, logged: bool, status: &AofStatus) -> io::Result<()> {
        loop {
            let until = f.cuts.front().copied().unwrap_or(f.buf.len());
            if f.done < until {
                self.write_ahead(f, until, status)?;
            }
            while f.done < until {
                let Some(out) = &mut f.out else {
                    if logged {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    // the last words of one who did not see that the log was switched off: no file is to have them
                    f.done = until;
                    break;
                };
                match (&*out.file).write(f.buf.get(f.done..until).unwrap_or_default()) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        f.done += n;
                        out.len += n as u64;
                        status.current_size.fetch_add(n as u64, Relaxed);
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            if f.cuts.pop_front().is_none() {
                break;
            }
            if let Some(next) = f.next.pop_front()
                && let Some(old) = f.out.replace(next)
            {
                self.close_later(old.file);
            }
        }
        f.buf.clear();
        f.done = 0;
        if f.buf.capacity() > 1 << 20 {
            f.buf = Vec::new();
        }
        Ok(())
    }

    /// A complete file is to be synced before anything after it.
    fn close_later(&self, file: Arc<File>) {
        self.sync.lock().closing.push(file);
        self.sync_wake.notify_one();
    }

    fn request_sync(&self, want: u64, server: &Server) {
        if want <= server.aof.synced.load(Relaxed) {
            return;
        }
        let mut s = self.sync.lock();
        if want > s.want || !s.asked {
            s.want = s.want.max(want);
            s.asked = true;
            server.aof.fsync_pending.store(true, Relaxed);
            if !s.running {
                self.sync_wake.notify_one();
            }
        }
    }

    /// What is due every now and then: `everysec`, postponed writes, automatic rewrites.
    pub fn tick(self: &Arc<Self>, server: &Arc<Server>, cfg: &Config) {
        if server.aof.state() != State::Off {
            self.flush(server);
            if cfg.appendfsync == AppendFsync::EverySec && !self.holds_fsync(server, cfg) {
                let due = self.sync.lock().last.is_none_or(|t| t.elapsed() >= Duration::from_secs(1));
                if due {
                    self.request_sync(server.aof.written.load(Relaxed), server);
                }
            }
        }
        self.maybe_rewrite(server, cfg);
    }

    /// `no-appendfsync-on-rewrite`.
    fn holds_fsync(&self, server: &Server, cfg: &Config) -> bool {
        cfg.no_appendfsync_on_rewrite && server.aof.rewriting.load(Relaxed)
    }

    fn sync_thread(self: Arc<Self>) {
        loop {
            let Some(server) = self.server() else { return };
            if server.aof.always.load(Relaxed) {
                self.open_journal(&server);
            }
            if self.settling_is_due() {
                self.sync.lock().settle = true;
            }
            let mut s = self.sync.lock();
            if s.asked && s.want <= server.aof.synced.load(Relaxed) {
                // somebody else has synced it meanwhile
                drop(s);
                self.tell_settled(&server);
                continue;
            }
            let due = s.asked && !s.running;
            let settle = s.settle || !s.closing.is_empty();
            if !due && !settle {
                drop(server);
                self.sync_wake.wait_for(&mut s, Duration::from_secs(1));
                continue;
            }
            if due {
                (s.asked, s.running) = (false, true);
                s.last = Some(Instant::now());
            }
            s.settle = false;
            let want = s.want;
            drop(s);
            if due {
                self.sync_now(&server, want);
                let mut s = self.sync.lock();
                s.running = false;
                server.aof.fsync_pending.store(s.want > server.aof.synced.load(Relaxed), Relaxed);
                drop(s);
                self.wake(&server);
            }
            if settle {
                match self.sync_files(&server) {
                    Some(e) => self.sync_failed(&server, &e),
                    None => self.tell_settled(&server),
                }
            }
        }
    }

    /// Something was synced for another reason; it may be all that those wait for who have asked this thread.
    fn tell_settled(&self, server: &Server) {
        {
            let mut s = self.sync.lock();
            if s.want <= server.aof.synced.load(Relaxed) {
                s.asked = false;
                if !s.running {
                    server.aof.fsync_pending.store(false, Relaxed);
                }
            }
        }
        self.wake(server);
    }

    /// Syncs the increments: complete ones before the one that is written.
    fn sync_files(&self, server: &Server) -> Option<io::Error> {
        let _one_after_the_other = self.in_order.lock();
        let status = &server.aof;
        let (files, written) = {
            // what is closed from now on is not in what was written
            let f = self.files.lock();
            let mut s = self.sync.lock();
            s.settled = Some(Instant::now());
            let mut files = std::mem::take(&mut s.closing);
            files.extend(f.out.as_ref().map(|i| i.file.clone()));
            (files, status.written.load(Relaxed))
        };
        let failed = sync_all(&files).err();
        if failed.is_none() {
            let mut f = self.files.lock();
            f.settled = f.settled.max(written);
            status.synced.fetch_max(written, Relaxed);
            let settled = f.settled;
            if let Some(j) = &mut f.journal {
                // the next record tells if it cannot be written
                let _ = j.mark_settled(settled, crate::now_ms());
            }
            if let Some(old) = f.retired.take_if(|j| j.end() <= settled) {
                delete_journal(old, &Ok(()));
            }
        }
        failed
    }

    /// Makes what has been written durable, for those who wait: up to `want` at least.
    fn sync_now(&self, server: &Server, want: u64) {
        let began = Instant::now();
        let status = &server.aof;
        let journal = {
            let f = self.files.lock();
            let complete = f.direct <= f.settled;
            f.journal.as_ref().filter(|_| complete).map(|j| (j.file(), status.written.load(Relaxed)))
        };
        let failed = match journal {
            _ if want <= status.synced.load(Relaxed) => None,
            Some((file, written)) => {
                let failed = file.sync_data().err();
                if failed.is_none() {
                    status.synced.fetch_max(written, Relaxed);
                }
                failed
            }
            None => self.sync_files(server),
        };
        if let Some(e) = &failed {
            self.sync_failed(server, e);
        } else if note(server, &status.sync_failed, None) {
            tracing::warn!("AOF fsync error looks solved. The server can write again.");
        }
        let took = began.elapsed();
        self.sync.lock().took = took;
        let threshold = server.config.load().latency_monitor_threshold;
        let ms = took.as_millis();
        if threshold > 0 && ms as i64 >= threshold {
            server.latency.lock().add("aof-fsync-always", crate::now_ms() / 1000, ms as u32);
        }
    }

    fn sync_failed(&self, server: &Server, e: &io::Error) {
        let text = plain(e);
        if server.aof.always.load(Relaxed) {
            tracing::warn!(
                "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {text}. Exiting..."
            );
            std::process::exit(1);
        }
        tracing::warn!("Fail to fsync the AOF file: {text}");
        note(server, &server.aof.sync_failed, Some(text));
        // tried again with the next tick
        self.sync.lock().want = 0;
    }

    /// Has the workers send the replies that may be sent now.
    fn wake(&self, server: &Server) {
        // whoever notes that it holds replies looks after that how far the log is synced
        fence(SeqCst);
        let all = server.aof.waiters.load(Relaxed) > 0;
        for inbox in self.inboxes.iter().filter(|i| all || i.holds()) {
            inbox.send(Message::Settled);
        }
    }

    /// Follows `appendonly` and `appendfsync`.
    ///
    /// # Errors
    /// The text for the client.
    pub fn configure(self: &Arc<Self>, old: &Config, new: &Config, changed: &[&'static str]) -> Result<(), String> {
        let Some(server) = self.server() else { return Ok(()) };
        if changed.contains(&"appendfsync") {
            server.aof.always.store(new.appendfsync == AppendFsync::Always, Relaxed);
            if new.appendfsync == AppendFsync::Always {
                self.files.lock().journal_failed = false;
                self.sync_wake.notify_one();
            } else {
                self.retire_journal();
            }
            // who waits for the old policy's promise gets it, or does not need it any more
            self.request_sync(server.aof.written.load(Relaxed), &server);
            self.wake(&server);
        }
        if changed.contains(&"aof-disable-auto-gc") && !new.aof_disable_auto_gc {
            self.delete_history(&mut self.files.lock());
        }
        if changed.contains(&"appendonly") && server.gate.load(Relaxed) & gate::LOADING == 0 {
            match (old.appendonly, new.appendonly) {
                (true, false) => self.stop(&server),
                (false, true) => self.start(&server)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Follows `appendonly` as it was set while the dataset was loaded.
    pub fn after_loading(self: &Arc<Self>, server: &Arc<Server>) {
        // not beside a CONFIG SET that has seen that the dataset is loaded, and is not in force yet
        let followed = server.config.unchanged(|cfg| match (server.aof.state() != State::Off, cfg.appendonly) {
            (true, false) => {
                self.stop(server);
                Ok(())
            }
            (false, true) => self.start(server),
            _ => Ok(()),
        });
        if let Err(e) = followed {
            tracing::warn!("{e}");
        }
    }

    /// Switched on while the server runs: everything is written by a rewrite, and what comes meanwhile to a temporary file.
    fn start(self: &Arc<Self>, server: &Arc<Server>) -> Result<(), String> {
        let dir = self.files.lock().dir.clone();
        fs::create_dir_all(&dir).map_err(|e| {
            tracing::warn!("Can't open or create append-only dir {}: {}", dir.display(), plain(&e));
            "Unable to turn on AOF. Check server logs.".to_owned()
        })?;
        self.forget_journal();
        {
            let mut f = self.files.lock();
            if server.aof.state() != State::Off {
                return Ok(());
            }
            // the last words of those who did not see that it was switched off
            f.forget_logged(server);
            server.aof.set_state(State::WaitRewrite);
        }
        // CONFIG SET may hold locks
        tracing::info!("AOF was enabled. An AOF background was scheduled to start when possible.");
        self.begin_rewrite(server, false);
        Ok(())
    }

    /// Switched off, or the server ends: all that was logged is written and synced.
    pub fn stop(&self, server: &Server) {
        if server.aof.state() == State::Off {
            return;
        }
        if server.aof.rewriting.load(Relaxed) {
            tracing::info!("Killing running AOF rewrite child: {}", std::process::id());
        }
        {
            let _one_after_the_other = self.in_order.lock();
            // whoever begins to log or to write looks, holding the files, whether this has happened
            let mut f = self.files.lock();
            self.stops.fetch_add(1, Relaxed);
            server.propagation.listen(listener::AOF, false);
            self.write(server, &mut f, true);
            let awaited = server.aof.synced.load(Relaxed) < server.aof.written.load(Relaxed);
            let mut files = std::mem::take(&mut self.sync.lock().closing);
            files.extend(f.out.take().map(|i| i.file));
            let synced = sync_all(&files);
            if let Err(e) = &synced {
                if awaited && server.aof.always.load(Relaxed) {
                    self.sync_failed(server, e);
                }
                tracing::warn!("Fail to fsync the AOF file: {}", plain(e));
            }
            if server.aof.state() == State::On
                && let Some(last) = f.manifest.incrs.last_mut()
                && last.start_offset.is_some()
            {
                last.end_offset = Some(server.propagation.commands() as i64);
                if let Err(e) = f.persist(&f.manifest) {
                    tracing::warn!("the AOF manifest cannot be written: {}", plain(&e));
                }
            }
            f.next.clear();
            f.forget_logged(server);
            server.aof.set_state(State::Off);
            server.aof.rewrite_scheduled.store(false, Relaxed);
            note(server, &server.aof.write_failed, None);
            note(server, &server.aof.sync_failed, None);
            for journal in [f.journal.take(), f.retired.take()].into_iter().flatten() {
                delete_journal(journal, &synced);
            }
        }
        // one that is not there yet sees, when it is, that the log was switched off
        if let Some(s) = &*self.running.lock() {
            s.abandon();
        }
        self.wake(server);
    }

    /// The server ends.
    pub fn shut_down(&self, server: &Server) {
        let rewriting = server.aof.rewriting.load(Relaxed);
        if rewriting {
            tracing::warn!("There is a child rewriting the AOF. Killing it!");
        }
        if server.aof.state() != State::Off {
            tracing::info!("Calling fsync() on the AOF file.");
            self.stop(server);
            // one that is being made goes again
            drop(self.making.lock());
        }
        if rewriting {
            drop(fs::remove_file(temporary_base())); // it may not have been made
        }
    }

    /// Deletes what rewrites have replaced, and tells the manifest.
    fn delete_history(&self, f: &mut Files) {
        if f.manifest.history.is_empty() {
            return;
        }
        let history = std::mem::take(&mut f.manifest.history);
        if let Err(e) = f.persist(&f.manifest) {
            tracing::warn!("the AOF manifest cannot be written: {}", plain(&e));
            f.manifest.history = history;
            return;
        }
        let paths: Vec<(String, PathBuf)> = history.into_iter().map(|p| (p.name.clone(), f.path(&p.name))).collect();
        let delete = move || {
            for (name, path) in paths {
                tracing::info!("Removing the history file {name} in the background");
                drop(fs::remove_file(path)); // it may be gone already
            }
        };
        if let Err(e) = thread::Builder::new().name("bio_close_file".into()).spawn(delete) {
            tracing::warn!("history files stay: {e}");
        }
    }

    /// Opens the increment to write to after the server's start; the manifest was read before.
    fn open_at_start(&self, server: &Server, cfg: &Config) -> Result<(), String> {
        let mut f = self.files.lock();
        fs::create_dir_all(&f.dir)
            .map_err(|e| format!("Can't open or create append-only dir {}: {}", f.dir.display(), plain(&e)))?;
        if f.manifest.base.is_none() && f.manifest.incrs.is_empty() {
            let base = f.base.clone();
            let name = f.manifest.next_base(&base, cfg.aof_use_rdb_preamble);
            let path = f.path(&name).display().to_string();
            let temp = f.path(&format!("{TEMP_PREFIX}{name}")).display().to_string();
            let made = if cfg.aof_use_rdb_preamble {
                FileSink::create(server, temp, crate::now_ms(), true).and_then(|sink| sink.finish(&path)).map(drop)
            } else {
                File::create(&path).and_then(|file| file.sync_all())
            };
            made.map_err(|e| format!("Can't create the AOF base file {name}: {}", plain(&e)))?;
            tracing::info!("Creating AOF base file {name} on server start");
        }
        let base = f.base.clone();
        let (name, seq) = match f.manifest.incrs.last_mut() {
            Some(last) => {
                last.end_offset = None;
                tracing::info!("Opening AOF incr file {} on server start", last.name);
                (last.name.clone(), last.seq)
            }
            None => {
                let offset = server.propagation.commands() as i64;
                let part = f.manifest.next_incr(&base, Some(offset));
                tracing::info!("Creating AOF incr file {} on server start", part.name);
                (part.name.clone(), part.seq)
            }
        };
        let out = Increment::open(&f.path(&name), seq)
            .map_err(|e| format!("Can't open the append-only file {name}: {}", plain(&e)))?;
        f.persist(&f.manifest).map_err(|e| format!("the AOF manifest cannot be written: {}", plain(&e)))?;
        f.out = Some(out);
        if !cfg.aof_disable_auto_gc {
            self.delete_history(&mut f);
        }
        server.aof.current_size.store(f.size(), Relaxed);
        // that of the last rewrite's end is not known any more
        let base = f.manifest.base.as_ref().and_then(|b| fs::metadata(f.path(&b.name)).ok());
        server.aof.base_size.store(base.map_or(0, |m| m.len()), Relaxed);
        server.aof.set_state(State::On);
        Ok(())
    }
}

/// Notes how a write or an fsync (`which`) went: writes are refused while one fails. Returns whether it failed before.
fn note(server: &Server, which: &AtomicBool, error: Option<String>) -> bool {
    let failed = error.is_some();
    if !failed && !which.load(Relaxed) {
        return false;
    }
    let mut text = server.aof.write_error.lock();
    let before = which.swap(failed, Relaxed);
    if let Some(e) = error {
        *text = e;
    }
    server.set_gate(gate::AOF_FAILING, server.aof.failing());
    before
}

/// Syncs files, one after the other.
fn sync_all(files: &[Arc<File>]) -> io::Result<()> {
    let mut all = Ok(());
    for f in files {
        // whatever becomes of one
        all = all.and(f.sync_data());
    }
    all
}

/// The text of an error, as C gives it.
pub(crate) fn plain(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Whether a part is the old single file under its own name.
fn is_old_style(p: &Part, base: &str) -> bool {
    p.kind == Kind::Base && p.name == base
}
