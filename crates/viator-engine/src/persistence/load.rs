//! Loading RDB files.

use crate::config::{Config, SanitizeDumpPayload};
use crate::evict;
use crate::server::{Held, Server};
use crate::typed::rdb_limits;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use viator_keyspace::{Expiry, Footprint, Shard};
use viator_persist::file::Part;
use viator_persist::{Fault, Loaded as Value, Reader, Source, Streamed};

/// What happens to a key that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duplicates {
    /// The file is refused.
    Refused,
    /// The file's value takes its place.
    Replace,
}

/// How RDB content is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Keys that are there already.
    pub duplicates: Duplicates,
    /// Keys that have expired are loaded as well: what follows the content tells of their end (AOF).
    pub keep_expired: bool,
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// What was loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loaded {
    /// Keys.
    pub keys: u64,
    /// Keys that were left out because they had expired.
    pub expired: u64,
    /// Collections that were left out because they were empty.
    pub empty: u64,
}

/// `key-load-delay`: makes loads slow, for tests.
#[derive(Default)]
pub(super) struct LoadDelay {
    /// Nanoseconds that were not slept yet.
    owed: u64,
}

impl LoadDelay {
    /// After a key or a command. As the directive has it: microseconds for each, or one for so many.
    pub(super) fn pass(&mut self, server: &Server) {
        let each = |n: i64| if n < 0 { 1000 / n.unsigned_abs() } else { n.unsigned_abs().saturating_mul(1000) };
        let delay = each(server.config.load().key_load_delay);
        self.owed = if delay == 0 { 0 } else { self.owed.saturating_add(delay) };
        while self.owed >= 1_000_000 && server.config.load().key_load_delay != 0 {
            let step = self.owed.min(10_000_000);
            std::thread::sleep(Duration::from_nanos(step));
            self.owed -= step;
        }
    }
}

/// Loads an RDB file into the dataset, whose locks the caller holds (`held`) or nobody asks for much.
///
/// # Errors
/// What is wrong with the file. The keys before that have been loaded.
pub fn load_file(
    server: &Server,
    held: Option<&mut Held<'_>>,
    path: &str,
    duplicates: Duplicates,
    now_ms: i64,
) -> Result<Loaded, Fault> {
    let file = File::open(path).map_err(Fault::Io)?;
    let p = &server.persistence;
    p.begin_loading(file.metadata().map_or(0, |m| m.len()), now_ms);
    let checked = server.config.load().rdbchecksum && !server.debug.skip_checksum_validation.load(Relaxed);
    let mut reader = Reader::new(Streamed::new(file, checked));
    let options = Options { duplicates, keep_expired: false, now_ms };
    let loaded = load_stream(server, held, &mut reader, options).inspect_err(|e| {
        let at = reader.source().position();
        match e {
            Fault::Checksum { .. } => {
                tracing::warn!("{e}");
                tracing::warn!("RDB CRC error");
            }
            Fault::Short => {
                tracing::warn!("Short read or OOM loading DB. Unrecoverable error, aborting now.");
                tracing::warn!("Internal error in RDB reading offset {at} -> {e}");
            }
            Fault::Data(_) | Fault::Kind(_) | Fault::Encoding(_) | Fault::EarlyFunction => {
                tracing::warn!("Internal error in RDB reading offset {at} -> {e}");
            }
            e => tracing::warn!("{e}"),
        }
    })?;
    Ok(loaded)
}

/// Loads RDB content up to its end; what follows it is left in the reader (an AOF with such a beginning).
///
/// # Errors
/// What is wrong with it. The keys before that have been loaded.
pub fn load_stream<R: Read>(
    server: &Server,
    mut held: Option<&mut Held<'_>>,
    reader: &mut Reader<Streamed<R>>,
    options: Options,
) -> Result<Loaded, Fault> {
    let Options { duplicates, keep_expired, now_ms } = options;
    server.persistence.functions.lock().clear();
    let version = reader.header()?;
    let cfg = server.config.load();
    let limits = rdb_limits(&cfg, cfg.sanitize_dump_payload == SanitizeDumpPayload::Yes);
    let mut loaded = Loaded::default();
    let mut next = Next::default();
    let mut key = Vec::new();
    let mut delay = LoadDelay::default();
    loop {
        match reader.part()? {
            Part::Aux(name, value) => aux(server, &name, &value, now_ms),
            Part::Select(db) => {
                let databases = server.keyspace.databases();
                next.db = usize::try_from(db).ok().filter(|d| *d < databases).ok_or_else(|| {
                    tracing::warn!(
                        "FATAL: Data file was created with a Redis server configured to handle more than {databases} \
                         databases. Exiting"
                    );
                    Fault::Data("a database that there is not")
                })?;
            }
            Part::Resize(..) | Part::Slot(..) => {}
            Part::Expire(at) => next.expire = Some(at),
            Part::Idle(seconds) => next.idle = Some(seconds),
            Part::Freq(n) => next.freq = Some(n),
            Part::Function(code) => server.persistence.functions.lock().push(code),
            Part::ModuleAux(name) => return Err(Fault::ModuleAux(name)),
            Part::Key(kind) => {
                reader.string_into(&mut key)?;
                match reader.content(kind, &limits) {
                    Err(Fault::Empty) => {
                        if loaded.empty < 10 {
                            tracing::info!("rdbLoadObject skipping empty key: {}", String::from_utf8_lossy(&key));
                        }
                        loaded.empty += 1;
                    }
                    Err(e) => return Err(e),
                    Ok(_) if !keep_expired && next.expire.is_some_and(|at| at < now_ms) => loaded.expired += 1,
                    Ok(value) => {
                        let loc = server.keyspace.locate(&key);
                        let stored = match &mut held {
                            Some(guards) => {
                                next.put(&cfg, now_ms, guards.shard(loc.shard()), loc, &key, value, duplicates)
                            }
                            None => {
                                let mut guards = server.keyspace.lock(Footprint::NONE.with(loc.shard()));
                                next.put(&cfg, now_ms, guards.shard(loc.shard()), loc, &key, value, duplicates)
                            }
                        };
                        if !stored {
                            tracing::warn!(
                                "RDB has duplicated key '{}' in DB {}",
                                String::from_utf8_lossy(&key),
                                next.db
                            );
                            return Err(Fault::Data("duplicated key"));
                        }
                        loaded.keys += 1;
                    }
                }
                if loaded.keys.is_multiple_of(1024) {
                    server.persistence.note_read(reader.source().position());
                    server.persistence.keys_loaded.store(loaded.keys, Relaxed);
                }
                next = Next { db: next.db, ..Next::default() };
                delay.pass(server);
            }
            Part::End => break,
        }
    }
    if version >= 5 {
        let expected = reader.source().checksum();
        let got = reader.millis()?;
        if reader.source().is_checked() && got != 0 && expected != got {
            return Err(Fault::Checksum { expected, got });
        }
        if got == 0 && reader.source().is_checked() {
            tracing::info!("RDB file was saved with checksum disabled: no check performed.");
        }
    }
    let p = &server.persistence;
    p.note_read(reader.source().position());
    p.keys_loaded.store(loaded.keys, Relaxed);
    p.keys_expired.store(loaded.expired, Relaxed);
    let Loaded { keys, expired, empty } = loaded;
    if empty > 0 {
        tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}, empty keys skipped: {empty}.");
    } else {
        tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}.");
    }
    Ok(loaded)
}

/// What is known of the next key.
#[derive(Default)]
struct Next {
    db: usize,
    expire: Option<i64>,
    idle: Option<u64>,
    freq: Option<u8>,
}

impl Next {
    /// Stores a key. Returns what that changes in empty arena bytes, and whether it was stored.
    #[expect(clippy::too_many_arguments, reason = "all that a key is")]
    fn put<X>(
        &self,
        cfg: &Config,
        now: i64,
        shard: &mut Shard<X>,
        loc: viator_keyspace::Loc,
        key: &[u8],
        value: Value,
        duplicates: Duplicates,
    ) -> bool {
        let part = shard.db_or_new(self.db);
        let found = part.find(loc, key);
        if found.is_some() && duplicates == Duplicates::Refused {
            return false;
        }
        let clock = (now / 1000) as u32 & evict::LRU_MAX;
        let lru = if cfg.maxmemory_policy.is_lfu() {
            self.freq.map_or_else(|| evict::lfu_init(now), |n| evict::lfu_bits(now, n))
        } else {
            self.idle.map_or(clock, |s| evict::lru_of_idle(i64::try_from(s).unwrap_or(i64::MAX), clock))
        };
        value.store(|value| match found {
            Some(handle) => {
                let expiry = self.expire.map_or(Expiry::Clear, Expiry::At);
                part.replace(loc, handle, key, value, expiry, lru);
            }
            None => {
                part.insert(loc, key, value, self.expire, lru);
            }
        });
        true
    }
}

fn aux(server: &Server, name: &[u8], value: &[u8], now_ms: i64) {
    let text = String::from_utf8_lossy(value);
    match name {
        b"redis-ver" => tracing::info!("Loading RDB produced by version {text}"),
        b"ctime" => {
            if let Ok(t) = text.parse::<i64>() {
                tracing::info!("RDB age {} seconds", (now_ms / 1000).saturating_sub(t).max(0));
            }
        }
        b"used-mem" => {
            if let Ok(n) = text.parse::<u64>() {
                server.persistence.loading_used_mem.store(n, Relaxed);
                tracing::info!("RDB memory usage when created {:.2} Mb", n as f64 / 1_048_576.0);
            }
        }
        [b'%', ..] => tracing::info!("RDB '{}': {text}", String::from_utf8_lossy(name)),
        b"aof-base" if text != "0" => tracing::info!("RDB is base AOF"),
        _ => {}
    }
}
