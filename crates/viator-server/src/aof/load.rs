//! Loading the append-only file: its commands run as a client's do.

use super::{Aof, is_old_style, plain};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Cursor, ErrorKind, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use viator_engine::aof::State;
use viator_engine::args::OwnedArgs;
use viator_engine::client::ClientShared;
use viator_engine::config::Config;
use viator_engine::dispatch;
use viator_engine::local::Local;
use viator_engine::persistence::{Duplicates, Options, load_stream};
use viator_engine::propagation::listener;
use viator_engine::server::{Server, gate};
use viator_engine::session::Session;
use viator_keyspace::Footprint;
use viator_persist::aof::{Item, LogError, LogReader, Manifest};
use viator_persist::{Reader, Source, Streamed};
use viator_resp::reply::Reply;

/// How the loading of a file ended.
enum End {
    /// It was read to its end.
    Whole,
    /// It was cut after its last whole command.
    Cut,
}

impl Aof {
    /// Reads the manifest, or makes one for a single file of an older version.
    fn read_manifest(&self) -> Result<(), String> {
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
                "Successfully migrated an old-style AOF configuration ({name}) into the AOF directory ({}).",
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
        self.load_all(server, local)?;
        let cfg = server.config.load();
        if !cfg.appendonly {
            return Ok(()); // switched off meanwhile
        }
        self.open_at_start(server, &cfg)?;
        let end = server.propagation.end();
        server.aof.written.store(end, Relaxed);
        server.aof.synced.store(end, Relaxed);
        let _all = server.keyspace.lock(Footprint::ALL);
        server.propagation.reselect();
        server.propagation.listen(listener::AOF, true);
        Ok(())
    }

    /// DEBUG LOADAOF: the dataset is empty, the server is loading, and the log is not listened to any more.
    ///
    /// # Errors
    /// The text for the client.
    pub fn reload_now(&self, on: bool) -> Result<(), String> {
        let Some(server) = self.server() else { return Err("ERR the server ends".into()) };
        let server = &*server;
        self.flush_for_reload(server);
        let loaded = self.read_manifest().and_then(|()| self.load_all(server, &mut Local::new(server)));
        if on {
            let _all = server.keyspace.lock(Footprint::ALL);
            server.propagation.reselect();
            server.propagation.listen(listener::AOF, true);
        }
        server.set_gate(gate::LOADING, false);
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

    fn load_all(&self, server: &Server, local: &mut Local) -> Result<(), String> {
        let (dir, parts) = {
            let f = self.files.lock();
            (f.dir.clone(), f.manifest.files().cloned().collect::<Vec<_>>())
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
        local.replaying = true;
        let loaded = parts.iter().enumerate().try_for_each(|(i, p)| {
            let began = Instant::now();
            // an increment that nothing was written to yet begins while the one before it is still written
            let last =
                parts.iter().skip(i + 1).all(|later| fs::metadata(dir.join(&later.name)).is_ok_and(|m| m.len() == 0));
            let what = if p.kind == viator_persist::aof::Kind::Base { "base" } else { "incr" };
            match load_file(server, local, &cfg, &dir.join(&p.name), &p.name, last)? {
                End::Whole => tracing::info!(
                    "DB loaded from {what} file {}: {:.3} seconds",
                    p.name,
                    began.elapsed().as_secs_f64()
                ),
                End::Cut => {}
            }
            Ok::<(), String>(())
        });
        local.replaying = false;
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
        Ok(())
    }
}

/// A client that nobody sees.
fn session(now: i64) -> Session {
    let nobody = ClientShared::new(0, String::new(), String::new(), false, -1, 0, now, Arc::new(|_| {}));
    Session::new(Arc::new(nobody), true, false)
}

/// Loads the libraries of functions that came from a file.
///
/// # Errors
/// The text for the log.
pub(crate) fn install_functions(server: &Server, local: &mut Local) -> Result<(), String> {
    let codes = std::mem::take(&mut *server.persistence.functions.lock());
    let mut session = session(local.now);
    let mut out = Reply::new();
    for code in codes {
        let args = OwnedArgs::from_slices([&b"FUNCTION"[..], b"LOAD", b"REPLACE", &code]);
        let run = dispatch::replay(local, server, &mut session, args.args(), &mut out);
        let (reply, _) = out.parts();
        if run.is_err() || reply.first() == Some(&b'-') {
            return Err(format!("Failed loading functions: {}", String::from_utf8_lossy(reply).trim_end()));
        }
        out.clear();
    }
    Ok(())
}

/// Loads the snapshot that a file may begin with. Returns what was read beyond it, the rest, and where it ends.
fn preamble(server: &Server, local: &mut Local, path: &Path, name: &str) -> Result<(Vec<u8>, File, u64), String> {
    let missing = |e| format!("The append log file {name} doesn't exist: {}", plain(&e));
    let mut file = File::open(path).map_err(missing)?;
    let mut magic = Vec::new();
    (&mut file).take(5).read_to_end(&mut magic).map_err(missing)?;
    file.rewind().map_err(missing)?;
    if magic != b"REDIS" {
        return Ok((Vec::new(), file, 0));
    }
    tracing::info!("Reading RDB base file on AOF loading...");
    let checked = server.config.load().rdbchecksum;
    let mut reader = Reader::new(Streamed::new(file, checked));
    let options = Options { duplicates: Duplicates::Refused, keep_expired: true, now_ms: local.now };
    let loaded = load_stream(server, None, &mut reader, options).map_err(|e| {
        tracing::warn!("{e}");
        format!("Error reading the RDB preamble of the AOF file {name}, AOF loading aborted")
    })?;
    tracing::info!("Done loading RDB, keys loaded: {}, keys expired: {}.", loaded.keys, loaded.expired);
    install_functions(server, local)?;
    let at = reader.source().position();
    let (rest, file) = reader.into_source().into_rest();
    Ok((rest, file, at))
}

fn load_file(
    server: &Server,
    local: &mut Local,
    cfg: &Config,
    path: &Path,
    name: &str,
    last: bool,
) -> Result<End, String> {
    let (head, file, from) = preamble(server, local, path, name)?;
    let mut reader = LogReader::new(Cursor::new(head).chain(BufReader::with_capacity(1 << 18, file)), from);
    let mut session = session(local.now);
    let mut out = Reply::new();
    // up to where the file is good: commands of a transaction are nothing before its EXEC
    let mut good = from;
    let error = loop {
        let args = match reader.next_item() {
            Ok(Some(Item::Command(args))) => OwnedArgs::from_slices(&args),
            Ok(Some(Item::Annotation(_))) => {
                if session.multi.is_none() {
                    good = reader.position();
                }
                continue;
            }
            Ok(None) if session.multi.is_some() => {
                tracing::warn!("Revert incomplete MULTI/EXEC transaction from AOF file {name}");
                break LogError::Truncated(String::new());
            }
            Ok(None) => return Ok(End::Whole),
            Err(e) => break e,
        };
        if let Err(e) = dispatch::replay(local, server, &mut session, args.args(), &mut out) {
            tracing::trace!("{e}");
            let command = String::from_utf8_lossy(args.args().at(0)).into_owned();
            return Err(format!("Unknown command '{command}' reading the append only file {name}"));
        }
        out.clear();
        if session.multi.is_none() {
            good = reader.position();
        }
    };
    drop(session);
    let size = fs::metadata(path).map_or(0, |m| m.len());
    let tail = size.saturating_sub(good);
    let cut = |why: &str| -> Result<End, String> {
        if !last {
            tracing::warn!("Fatal error: the truncated file is not the last file");
            return Err(unexpected_end(name));
        }
        tracing::warn!("!!! Warning: {why} while loading the AOF file {name}!!!");
        tracing::warn!("AOF loaded anyway because aof-load-truncated is enabled");
        tracing::warn!("Truncating the AOF {name} at offset {good}");
        let truncated = OpenOptions::new().write(true).open(path).and_then(|f| {
            f.set_len(good)?;
            f.sync_all()
        });
        truncated.map_err(|e| format!("Error truncating the AOF file {name}: {}", plain(&e)))?;
        Ok(End::Cut)
    };
    match error {
        LogError::Truncated(_) if cfg.aof_load_truncated => cut("short read"),
        LogError::Truncated(_) => Err(unexpected_end(name)),
        LogError::Format(_) | LogError::NotCommand
            if last && tail <= cfg.aof_load_corrupt_tail_max_size.max(0) as u64 =>
        {
            cut("corrupt tail")
        }
        e @ (LogError::Format(_) | LogError::NotCommand) => {
            tracing::warn!("{e}");
            Err(format!(
                "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
                 ./redis-check-aof --fix <filename.manifest>"
            ))
        }
        LogError::Io(e) => Err(format!("Unrecoverable error reading the append only file {name}: {}", plain(&e))),
    }
}

fn unexpected_end(name: &str) -> String {
    format!(
        "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration \
         option to yes and restart the server."
    )
}
