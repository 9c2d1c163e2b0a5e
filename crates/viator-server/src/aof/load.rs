//! Loading the append-only file: its commands run as a client's do.

use super::{Aof, is_old_style, plain};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use viator_engine::aof::State;
use viator_engine::config::Config;
use viator_engine::local::Local;
use viator_engine::persistence::{Replayed, Stop, replay};
use viator_engine::propagation::listener;
use viator_engine::server::{Server, gate};
use viator_keyspace::Footprint;
use viator_persist::aof::journal::{self, Recovered};
use viator_persist::aof::{LogError, Manifest};

impl Aof {
    /// Reads the manifest. Also where the AOF is off: if it is switched on later, its files are numbered on.
    ///
    /// # Errors
    /// The text for the log; the server must not start.
    pub fn read_manifest(&self) -> Result<(), String> {
        let mut f = self.files.lock();
        let path = f.path(&f.manifest_name());
        let found = Manifest::read(&path).map_err(|e| match e.kind() {
            ErrorKind::InvalidData => e.to_string(),
            _ => format!(
                "Fatal error: can't open the AOF manifest file {} for reading: {}",
                f.manifest_name(),
                plain(&e)
            ),
        })?;
        f.manifest = found.unwrap_or_default();
        Ok(())
    }

    /// Makes a manifest for a single file of an older version.
    fn upgrade(&self) -> Result<(), String> {
        let mut f = self.files.lock();
        let old = Path::new(&f.base).to_path_buf();
        let interrupted = match &f.manifest.base {
            Some(b) => is_old_style(b, &f.base) && f.manifest.incrs.is_empty() && !f.path(&f.base).exists(),
            None => f.manifest.incrs.is_empty(),
        };
        if interrupted && old.is_file() {
            let mut m = Manifest::default();
            let name = f.base.clone();
            m.next_base(&name, false);
            if let Some(b) = &mut m.base {
                b.name.clone_from(&name);
            }
            let upgraded = fs::create_dir_all(&f.dir)
                .and_then(|()| f.persist(&m))
                .and_then(|()| fs::rename(&old, f.path(&name)))
                .and_then(|()| viator_persist::aof::manifest::sync_dir(&f.dir));
            upgraded.map_err(|e| {
                format!("Error trying to move the old AOF file {name} into dir {}: {}", f.dir.display(), plain(&e))
            })?;
            f.manifest = m;
            tracing::info!(
                "Successfully migrated an old-style AOF file ({name}) into the AOF directory ({}).",
                f.dir.display()
            );
        }
        Ok(())
    }

    /// Loads everything at the server's start, and opens the file for writing.
    ///
    /// # Errors
    /// The text for the log; the server must not start.
    pub fn load_at_start(&self, server: &Server, local: &mut Local) -> Result<(), String> {
        self.read_manifest()?;
        self.upgrade()?;
        self.recover()?;
        self.load_all(server, local)?;
        let cfg = server.config.load();
        if !cfg.appendonly {
            return Ok(()); // switched off meanwhile
        }
        self.open_at_start(server, &cfg)?;
        self.open_journal(server);
        let end = server.propagation.end();
        server.aof.written.store(end, Relaxed);
        server.aof.synced.store(end, Relaxed);
        let _all = server.keyspace.lock(Footprint::ALL);
        server.propagation.reselect();
        server.propagation.listen(listener::AOF, true);
        Ok(())
    }

    /// Adds to the increments what only the journal has, after a power failure. Then they are on the disk, for what is logged
    /// from now on relies on that, and there is no journal.
    fn recover(&self) -> Result<(), String> {
        let f = self.files.lock();
        let name = journal::name(&f.base);
        let failed =
            |e| format!("Fatal error: the AOF file cannot be completed from its journal {name}: {}", plain(&e));
        let found = journal::recover(&f.dir, &f.base, &f.manifest, true).map_err(failed)?;
        let mut keep = false;
        for r in found {
            match r {
                Recovered::Added { name: part, at, bytes } => {
                    tracing::warn!("The AOF file {part} lacked {bytes} bytes from offset {at} on, which {name} had");
                }
                Recovered::Foreign { name: part } => {
                    keep = true;
                    tracing::warn!("The AOF file {part} was changed without {name}, which is not used");
                }
                Recovered::Damaged => {
                    keep = true;
                    tracing::warn!("The AOF journal {name} is damaged and is not used");
                }
            }
        }
        for p in &f.manifest.incrs {
            // that it is there is checked when it is loaded
            if let Ok(file) = File::open(f.path(&p.name)) {
                file.sync_all().map_err(|e| format!("Error syncing the AOF file {}: {}", p.name, plain(&e)))?;
            }
        }
        if keep {
            journal::set_aside(&f.dir, &f.base)
                .map_err(|e| format!("The AOF journal {name} cannot be renamed: {}", plain(&e)))?;
        }
        journal::delete(&f.dir, &f.base).map_err(|e| format!("The AOF journal {name} cannot be deleted: {}", plain(&e)))
    }

    /// Deletes a journal that another time has left: what it belongs to is about to be replaced.
    pub(super) fn forget_journal(&self) {
        let mut f = self.files.lock();
        f.journal_failed = false;
        if f.journal.is_none()
            && f.retired.is_none()
            && let Err(e) = journal::delete_in_place(&f.dir, &f.base)
        {
            tracing::warn!("the AOF journal stays: {}", plain(&e));
        }
    }

    /// DEBUG LOADAOF: the dataset is empty, the server is loading, and the log is not listened to any more.
    ///
    /// # Errors
    /// The text for the client.
    pub fn reload_now(self: &Arc<Self>, on: bool) -> Result<(), String> {
        let Some(server) = self.server() else { return Err("ERR the server ends".into()) };
        let loaded = {
            let _files_stay = self.replacing.lock();
            self.flush_for_reload(&server);
            let loaded = self.read_manifest().and_then(|()| self.load_all(&server, &mut Local::new(&server)));
            loaded.and_then(|bytes| {
                if bytes == 0 { Err("There is no append only file, or it is empty".to_owned()) } else { Ok(()) }
            })
        };
        {
            let _all = server.keyspace.lock(Footprint::ALL);
            let mut f = self.files.lock();
            if let Some(out) = &mut f.out {
                // it may have been cut
                out.len = out.file.metadata().map_or(out.len, |m| m.len());
            }
            // if it was not switched off meanwhile, and its first rewrite has not failed
            if on && server.aof.state() != State::Off && (f.out.is_some() || !f.next.is_empty()) {
                server.propagation.reselect();
                server.propagation.listen(listener::AOF, true);
            }
            server.set_gate(gate::LOADING, false);
        }
        self.after_loading(&server);
        loaded.map_err(|e| {
            tracing::warn!("{e}");
            "ERR Error trying to load the AOF files, check server logs.".to_owned()
        })?;
        tracing::warn!("Append Only File loaded by DEBUG LOADAOF");
        server.dirty_at_save.store(server.sum(|c| &c.dirty), Relaxed);
        Ok(())
    }

    fn flush_for_reload(&self, server: &Server) {
        if server.aof.state() != State::Off {
            self.write(server, &mut self.files.lock(), true);
        }
    }

    /// Loads all files. How many bytes they had.
    fn load_all(&self, server: &Server, local: &mut Local) -> Result<u64, String> {
        let (dir, folder, old, parts) = {
            let f = self.files.lock();
            let folder = f.dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            (f.dir.clone(), folder, f.base.clone(), f.manifest.files().cloned().collect::<Vec<_>>())
        };
        let began = Instant::now();
        let mut total = 0;
        for p in &parts {
            let size = fs::metadata(dir.join(&p.name))
                .map_err(|e| format!("Unable to obtain the AOF file {} length. stat: {}", p.name, plain(&e)))?
                .len();
            total += size;
        }
        let cfg = server.config.load();
        server.persistence.begin_loading(total, crate::now_ms());
        let loaded = parts.iter().enumerate().try_for_each(|(i, p)| {
            let began = Instant::now();
            // an increment that nothing was written to yet begins while the one before it is still written
            let last =
                parts.iter().skip(i + 1).all(|later| fs::metadata(dir.join(&later.name)).is_ok_and(|m| m.len() == 0));
            let what = if p.kind == viator_persist::aof::Kind::Base { "base" } else { "incr" };
            let log = Log {
                path: &dir.join(&p.name),
                folder: &folder,
                name: &p.name,
                old_style: is_old_style(p, &old),
                last,
            };
            let size = load_file(server, local, &cfg, log)?;
            if size > 0 {
                tracing::info!("DB loaded from {what} file {}: {:.3} seconds", p.name, began.elapsed().as_secs_f64());
            }
            server.persistence.loading_before.fetch_add(size, Relaxed);
            Ok::<(), String>(())
        });
        loaded?;
        if let Some(last) = parts.last()
            && let Some(start) = last.start_offset
        {
            let size = fs::metadata(dir.join(&last.name)).map_or(0, |m| m.len()) as i64;
            let end = last.end_offset.unwrap_or(start + size);
            server.propagation.set_commands(end.max(0) as u64);
        }
        if total > 0 {
            tracing::info!("DB loaded from append only file: {:.3} seconds", began.elapsed().as_secs_f64());
        }
        Ok(total)
    }
}

/// A file to be loaded.
struct Log<'a> {
    path: &'a Path,
    /// Its folder's name.
    folder: &'a str,
    name: &'a str,
    /// It is that of an early version.
    old_style: bool,
    /// Nothing follows it: it may be cut.
    last: bool,
}

/// Loads a file. Its size, after it was cut perhaps.
fn load_file(server: &Server, local: &mut Local, cfg: &Config, log: Log<'_>) -> Result<u64, String> {
    let Log { path, folder, name, old_style, last } = log;
    let file = File::open(path).map_err(|e| format!("The append log file {name} doesn't exist: {}", plain(&e)))?;
    let Replayed { good, stop } = replay(server, local, file, old_style);
    let size = fs::metadata(path).map_or(0, |m| m.len());
    let tail = size.saturating_sub(good);
    let cut = |why: &str, remaining: &str, directive: &str| -> Result<u64, String> {
        if !last {
            tracing::warn!("Fatal error: the truncated file is not the last file");
            return Err(unexpected_end(name));
        }
        tracing::warn!("!!! Warning: {why} while loading the AOF file {name}!!!");
        tracing::warn!("!!! Truncating the AOF {name} at offset {good}{remaining} !!!");
        let truncated = OpenOptions::new().write(true).open(path).and_then(|f| {
            f.set_len(good)?;
            f.sync_all()
        });
        truncated.map_err(|e| format!("Error truncating the AOF file {name}: {}", plain(&e)))?;
        tracing::warn!("AOF {folder}/{name} loaded anyway because {directive} is enabled");
        Ok(good)
    };
    let Some(stop) = stop else { return Ok(size) };
    match stop {
        Stop::Preamble(e) => {
            tracing::warn!("{e}");
            Err(format!("Error reading the RDB preamble of the AOF file {name}, AOF loading aborted"))
        }
        Stop::Function(e) => Err(e),
        Stop::Unknown(command) => Err(format!("Unknown command '{command}' reading the append only file {name}")),
        Stop::Refused(command, e) => {
            Err(format!("Command '{command}' cannot be run reading the append only file {name}: {e}"))
        }
        Stop::Unfinished | Stop::Log(LogError::Truncated(_)) => {
            if matches!(stop, Stop::Unfinished) {
                tracing::warn!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
            }
            if cfg.aof_load_truncated { cut("short read", "", "aof-load-truncated") } else { Err(unexpected_end(name)) }
        }
        Stop::Log(LogError::Format(_) | LogError::NotCommand)
            if last && tail <= cfg.aof_load_corrupt_tail_max_size.max(0) as u64 =>
        {
            cut("corrupt tail", &format!(" (remaining {tail})"), "aof-load-corrupt-tail-max-size")
        }
        Stop::Log(e @ (LogError::Format(_) | LogError::NotCommand)) => {
            tracing::warn!("{e}");
            Err(format!(
                "Bad file format reading the append only file {folder}/{name} at offset {good}: make a backup of your AOF \
                 file, then use ./redis-check-aof --fix <filename.manifest>. Alternatively you can set the \
                 'aof-load-corrupt-tail-max-size' configuration option to {tail} and restart the server."
            ))
        }
        Stop::Log(LogError::Io(e)) => {
            Err(format!("Unrecoverable error reading the append only file {name}: {}", plain(&e)))
        }
    }
}

fn unexpected_end(name: &str) -> String {
    format!(
        "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration \
         option to yes and restart the server."
    )
}
