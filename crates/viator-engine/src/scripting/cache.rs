//! The cache of scripts.

use crate::error::Error;
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use viator_resp::reply::shown;

/// Most scripts that EVAL leaves in the cache.
const MAX_EVAL: usize = 500;

/// Digest of a script, in lower-case hexadecimal digits.
pub type Sha = [u8; 40];

/// Hashes digests, which need no hashing to speak of.
#[derive(Default)]
pub(super) struct DigestHash(u64);

/// See [`DigestHash`].
pub(super) type ByDigest = BuildHasherDefault<DigestHash>;

impl Hasher for DigestHash {
    fn write(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a script's first line allows it, or keeps it from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScriptFlags(pub u8);

impl ScriptFlags {
    /// Writes nothing.
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1);
    /// Runs although memory is over `maxmemory`.
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(2);
    /// Runs on a stale replica.
    pub const ALLOW_STALE: ScriptFlags = ScriptFlags(4);
    /// Not in a cluster.
    pub const NO_CLUSTER: ScriptFlags = ScriptFlags(8);
    /// Keys of different slots.
    pub const ALLOW_CROSS_SLOT: ScriptFlags = ScriptFlags(16);
    /// No shebang: the rules of before Redis 7.
    pub const COMPAT: ScriptFlags = ScriptFlags(32);

    /// The flags with the names that scripts give them, in the order FUNCTION LIST shows them.
    pub const NAMES: [(ScriptFlags, &'static str); 5] = [
        (ScriptFlags::NO_WRITES, "no-writes"),
        (ScriptFlags::ALLOW_OOM, "allow-oom"),
        (ScriptFlags::ALLOW_STALE, "allow-stale"),
        (ScriptFlags::NO_CLUSTER, "no-cluster"),
        (ScriptFlags::ALLOW_CROSS_SLOT, "allow-cross-slot-keys"),
    ];

    /// Whether a flag is set.
    pub fn has(self, other: ScriptFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// With another flag.
    #[must_use]
    pub fn with(self, other: ScriptFlags) -> ScriptFlags {
        ScriptFlags(self.0 | other.0)
    }

    /// The flag of a name.
    pub fn named(name: &[u8]) -> Option<ScriptFlags> {
        ScriptFlags::NAMES.iter().find(|(_, n)| n.as_bytes() == name).map(|(f, _)| *f)
    }
}

/// A script.
#[derive(Debug)]
pub struct Script {
    /// Its digest.
    pub sha: Sha,
    /// The digest as text.
    name: String,
    /// Its text.
    pub body: Vec<u8>,
    /// What its first line says.
    pub flags: ScriptFlags,
    /// It had to make room in the cache.
    pub(super) evicted: AtomicBool,
    /// When EVALSHA last used it, in the cache's time.
    touched: AtomicU64,
}

impl Script {
    /// A script, its first line understood.
    ///
    /// # Errors
    /// A shebang that is not one of ours.
    pub fn new(body: &[u8]) -> Result<Script, Error> {
        let (sha, flags) = (sha_of(body), flags_of(body)?);
        let name = String::from_utf8_lossy(&sha).into_owned();
        Ok(Script { sha, name, body: body.to_vec(), flags, evicted: false.into(), touched: 0.into() })
    }

    /// The text without the shebang, line numbers kept.
    pub fn source(&self) -> &[u8] {
        if self.flags.has(ScriptFlags::COMPAT) {
            return &self.body;
        }
        let end = self.body.iter().position(|b| *b == b'\n').unwrap_or(self.body.len());
        self.body.get(end..).unwrap_or_default()
    }

    /// Notes that EVALSHA uses it now.
    #[inline]
    pub(super) fn touch(&self, now: u64) {
        // most often it is noted already, and many threads read
        if self.touched.load(Relaxed) != now {
            self.touched.store(now, Relaxed);
        }
    }

    /// The digest as text.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The digest of a text.
pub fn sha_of(body: &[u8]) -> Sha {
    let mut sha = [0; 40];
    for (pair, byte) in sha.chunks_exact_mut(2).zip(Sha1::digest(body)) {
        let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
        if let [high, low] = pair {
            *high = digit(byte >> 4);
            *low = digit(byte & 15);
        }
    }
    sha
}

/// The digest that an argument is.
pub fn sha_of_arg(arg: &[u8]) -> Option<Sha> {
    let mut sha: Sha = arg.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

pub(super) fn flags_of(body: &[u8]) -> Result<ScriptFlags, Error> {
    if !body.starts_with(b"#!") {
        return Ok(ScriptFlags::COMPAT);
    }
    let Some(end) = body.iter().position(|b| *b == b'\n') else {
        return Err(Error::Static("ERR Invalid script shebang"));
    };
    let line = body.get(..end).unwrap_or_default();
    let mut parts = line.split(|b| *b == b' ').filter(|p| !p.is_empty());
    let engine = parts.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(Error::text(format!("ERR Unexpected engine in script shebang: {}", shown(engine))));
    }
    let mut flags = ScriptFlags::default();
    for part in parts {
        let Some(names) = part.strip_prefix(b"flags=") else {
            return Err(Error::text(format!("ERR Unknown lua shebang option: {}", shown(part))));
        };
        for name in names.split(|b| *b == b',').filter(|_| !names.is_empty()) {
            match ScriptFlags::named(name) {
                Some(f) => flags = flags.with(f),
                None => return Err(Error::text(format!("ERR Unexpected flag in script shebang: {}", shown(name)))),
            }
        }
    }
    Ok(flags)
}

struct Cached {
    script: Arc<Script>,
    /// Of a script that EVAL left here: its place in the order of use.
    turn: Option<Turn>,
}

/// A place in the order of use: the cache's time, and a number for those of the same time.
type Turn = (u64, u64);

/// See the module.
#[derive(Default)]
pub(super) struct Scripts {
    map: HashMap<Sha, Cached, ByDigest>,
    /// Scripts that EVAL left here, least recently used first.
    turns: BTreeMap<Turn, Sha>,
    /// The cache's time: it goes on with each EVAL. Whoever notes that EVALSHA uses a script reads it without a lock.
    now: Arc<AtomicU64>,
    number: u64,
    bytes: u64,
    pub(super) evicted: u64,
}

impl Scripts {
    /// The cache's time.
    pub(super) fn clock(&self) -> Arc<AtomicU64> {
        self.now.clone()
    }

    /// A place in the order of use, at a time or later than all others.
    fn turn(&mut self, at: Option<u64>) -> Turn {
        self.number += 1;
        (at.unwrap_or_else(|| self.now.fetch_add(1, Relaxed) + 1), self.number)
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.map.len() as u64 * 128
    }

    pub(super) fn get(&self, sha: &Sha) -> Option<&Arc<Script>> {
        self.map.get(sha).map(|c| &c.script)
    }

    /// Notes that EVAL used a script.
    pub(super) fn used(&mut self, sha: &Sha) {
        let Some(before) = self.map.get(sha).and_then(|c| c.turn) else { return };
        let turn = self.turn(None);
        if let Some(cached) = self.map.get_mut(sha) {
            cached.turn = Some(turn);
            self.turns.remove(&before);
            self.turns.insert(turn, *sha);
        }
    }

    /// Adds a script: one that SCRIPT LOAD brings stays until it is flushed.
    pub(super) fn add(&mut self, script: Arc<Script>, stays: bool) {
        let sha = script.sha;
        if let Some(cached) = self.map.get_mut(&sha) {
            if stays && let Some(turn) = cached.turn.take() {
                self.turns.remove(&turn);
            }
            return;
        }
        self.bytes += script.body.len() as u64;
        let mut turn = None;
        if !stays {
            let last = self.turn(None);
            turn = Some(last);
            self.turns.insert(last, sha);
        }
        self.map.insert(sha, Cached { script, turn });
        if self.turns.len() > MAX_EVAL {
            self.make_room();
        }
    }

    /// Removes the script of EVAL that was not used for longest.
    fn make_room(&mut self) {
        while let Some((turn, oldest)) = self.turns.pop_first() {
            let Some(touched) = self.map.get(&oldest).map(|c| c.script.touched.load(Relaxed)) else { continue };
            if touched > turn.0 {
                // EVALSHA has used it since: its place is another one
                let turn = self.turn(Some(touched));
                if let Some(cached) = self.map.get_mut(&oldest) {
                    cached.turn = Some(turn);
                    self.turns.insert(turn, oldest);
                }
                continue;
            }
            if let Some(gone) = self.map.remove(&oldest) {
                self.bytes -= gone.script.body.len() as u64;
                self.evicted += 1;
                gone.script.evicted.store(true, Relaxed);
            }
            return;
        }
    }

    pub(super) fn flush(&mut self) {
        self.map.clear();
        self.turns.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_eval_make_room() {
        let mut scripts = Scripts::default();
        let script = |n: usize| Arc::new(Script::new(format!("return {n}").as_bytes()).unwrap());
        scripts.add(script(1000), true);
        for n in 0..MAX_EVAL {
            scripts.add(script(n), false);
            assert_eq!(scripts.evicted, 0);
        }
        scripts.used(&script(0).sha);
        let first = scripts.get(&script(1).sha).unwrap().clone();
        scripts.add(script(MAX_EVAL), false);
        assert!(first.evicted.load(Relaxed));
        assert!(scripts.get(&script(0).sha).is_some());
        assert!(scripts.get(&script(1).sha).is_none());
        assert!(scripts.get(&script(1000).sha).is_some());
        assert_eq!((scripts.len(), scripts.evicted), (MAX_EVAL + 1, 1));
    }

    #[test]
    fn scripts_of_evalsha_stay() {
        let mut scripts = Scripts::default();
        let clock = scripts.clock();
        let script = |n: usize| Arc::new(Script::new(format!("return {n}").as_bytes()).unwrap());
        let there = |scripts: &Scripts, n| scripts.get(&script(n).sha).is_some();
        for n in 0..MAX_EVAL {
            scripts.add(script(n), false);
        }
        scripts.used(&script(0).sha);
        for n in 1..3 {
            scripts.get(&script(n).sha).unwrap().touch(clock.load(Relaxed));
        }
        scripts.add(script(MAX_EVAL), false);
        assert!(there(&scripts, 0) && there(&scripts, 1) && there(&scripts, 2) && !there(&scripts, 3));
        // they go in the order of their last use, however that was
        for n in MAX_EVAL + 1..2 * MAX_EVAL - 4 {
            scripts.add(script(n), false);
        }
        assert!(there(&scripts, 0) && there(&scripts, 1) && there(&scripts, 2) && !there(&scripts, MAX_EVAL - 2));
        for n in 0..4 {
            scripts.add(script(2 * MAX_EVAL + n), false);
        }
        assert!(!there(&scripts, 0) && !there(&scripts, 1) && !there(&scripts, 2) && there(&scripts, MAX_EVAL));
        assert_eq!(scripts.len(), MAX_EVAL);
    }

    #[test]
    fn first_lines() {
        assert_eq!(Script::new(b"return 1").unwrap().flags, ScriptFlags::COMPAT);
        let s = Script::new(b"#!lua flags=no-writes,allow-oom\nreturn 1").unwrap();
        assert_eq!(s.flags, ScriptFlags::NO_WRITES.with(ScriptFlags::ALLOW_OOM));
        assert_eq!(s.source(), b"\nreturn 1");
        for bad in ["#!lua", "#!js\n", "#!lua name=x\n", "#!lua flags=some\n"] {
            assert!(Script::new(bad.as_bytes()).is_err());
        }
        assert_eq!(&sha_of(b""), b"da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
