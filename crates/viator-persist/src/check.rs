//! What the checkers share: the walk of an RDB file as `redis-check-rdb` does it, what is found there, and the progress shown
//! meanwhile.

use crate::file::Part;
use crate::{Fault, Limits, Loaded, Reader, Source, Streamed, types};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// Files that are not larger are checked before anybody would look at a progress bar.
const WORTH_SHOWING: u64 = 16 << 20;

/// A bar on the terminal that tells how far a file has been read.
#[derive(Default)]
pub struct Progress {
    /// The file's size; 0: nothing is shown.
    size: u64,
    shown: u64,
}

impl Progress {
    /// For a file of this size. `wanted`: it is shown if standard error is a terminal.
    pub fn of(size: u64, wanted: bool) -> Progress {
        let shows = wanted && size > WORTH_SHOWING && io::stderr().is_terminal();
        Progress { size: if shows { size } else { 0 }, shown: 0 }
    }

    /// So many bytes have been read.
    pub fn advance(&mut self, at: u64) {
        if self.size == 0 || at.saturating_sub(self.shown) < self.size / 100 {
            return;
        }
        self.shown = at;
        let percent = (at * 100 / self.size).min(100);
        let bar = "#".repeat(percent as usize / 2);
        drop(write!(io::stderr(), "\r[{bar:<50}] {percent:3}%")); // a terminal that cannot be written to is nobody's loss
    }

    /// Takes the bar away, for a line of text.
    pub fn clear(&self) {
        if self.shown > 0 {
            drop(io::stderr().write_all(b"\r\x1b[K")); // likewise
        }
    }
}

/// What was found of a type.
#[derive(Default, Debug)]
pub struct OfType {
    /// Keys.
    pub keys: u64,
    /// Their elements; a string is one.
    pub elements: u64,
    /// Their bytes in the file, the keys' names included.
    pub bytes: u64,
    /// Bytes of the largest.
    pub largest: u64,
    /// Its name.
    pub largest_key: Vec<u8>,
}

/// What was found in an RDB file.
#[derive(Default, Debug)]
pub struct Found {
    /// Keys.
    pub keys: u64,
    /// Keys that expire.
    pub expires: u64,
    /// Of these, those whose time is over.
    pub expired: u64,
    /// Hashes with fields that expire.
    pub subexpires: u64,
    /// Libraries of functions.
    pub functions: u64,
    /// Version of the format.
    pub version: u16,
    /// Auxiliary fields.
    pub aux: Vec<(String, String)>,
    /// Keys of each database.
    pub databases: BTreeMap<u64, u64>,
    /// By the type's byte.
    pub types: BTreeMap<u8, OfType>,
    /// What is being read, in the reference's words.
    pub doing: &'static str,
    /// The key that is being read.
    pub key: Option<Vec<u8>>,
    /// The type that was read last, until its value was.
    pub kind: Option<u8>,
}

impl Found {
    /// Reads a file to its end, every value and the checksum. `say` gets what the reference tells, and the offset it is told
    /// of.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn walk<R: Read>(
        &mut self,
        reader: &mut Reader<Streamed<R>>,
        progress: &mut Progress,
        say: &mut dyn FnMut(u64, &str),
    ) -> Result<(), Fault> {
        self.doing = "start";
        self.kind = Some(types::STRING); // what the reference shows before it has read one
        self.version = reader.header()?;
        let mut expire = None;
        let mut db = 0;
        loop {
            self.doing = "read-type";
            self.key = None;
            progress.advance(reader.source().position());
            let part = match reader.part() {
                Ok(part) => part,
                Err(e) => {
                    self.doing = reader.code.map_or(self.doing, doing);
                    return Err(e);
                }
            };
            let mut say = |at: u64, text: &str| {
                progress.clear();
                say(at, text);
            };
            match part {
                Part::Aux(name, value) => {
                    let (name, value) = (text(&name), text(&value));
                    say(reader.source().position(), &format!("AUX FIELD {name} = '{value}'"));
                    self.aux.push((name, value));
                }
                Part::Select(n) => {
                    db = n;
                    self.databases.entry(n).or_default();
                    say(reader.source().position(), &format!("Selecting DB ID {n}"));
                }
                Part::Expire(at) => expire = Some(at),
                Part::Resize(..) | Part::Slot(..) | Part::Idle(_) | Part::Freq(_) => {}
                Part::Function(_) => self.functions += 1,
                Part::ModuleAux(name) => {
                    self.doing = "read-module-aux";
                    reader.skip_moment()?;
                    say(reader.source().position(), &format!("MODULE AUX for: {name}"));
                    reader.skip_module()?;
                }
                Part::Key(kind) => {
                    self.key(reader, kind, expire.take())?;
                    *self.databases.entry(db).or_default() += 1;
                }
                Part::End => break,
            }
        }
        progress.clear();
        self.checksum(reader, say)
    }

    fn key<R: Read>(&mut self, reader: &mut Reader<Streamed<R>>, kind: u8, expire: Option<i64>) -> Result<(), Fault> {
        let begin = reader.source().position();
        self.doing = "read-key";
        self.kind = Some(kind);
        let mut key = Vec::new();
        reader.string_into(&mut key)?;
        let key = self.key.insert(key);
        self.doing = "read-object-value";
        self.keys += 1;
        let limits = Limits { distinct: true, ..Limits::default() };
        let elements = match kind {
            types::MODULE_2 => {
                reader.skip(kind)?;
                1
            }
            _ => match reader.content(kind, &limits) {
                Ok(Loaded::Object(o)) if o.as_str().is_none() => o.len() as u64,
                Ok(_) => 1,
                Err(Fault::Empty) => 0,
                Err(e) => return Err(e),
            },
        };
        let bytes = reader.source().position() - begin;
        let t = self.types.entry(kind).or_default();
        t.keys += 1;
        t.elements += elements;
        t.bytes += bytes;
        if bytes > t.largest {
            t.largest = bytes;
            t.largest_key.clone_from(key);
        }
        if let Some(at) = expire {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
            self.expires += 1;
            self.expired += u64::from(at < now);
        }
        let fields = types::HASH_METADATA_PRE_GA..=types::HASH_LISTPACK_EX;
        self.subexpires += u64::from(fields.contains(&kind));
        self.kind = None;
        Ok(())
    }

    fn checksum<R: Read>(
        &mut self,
        reader: &mut Reader<Streamed<R>>,
        say: &mut dyn FnMut(u64, &str),
    ) -> Result<(), Fault> {
        self.doing = "check-sum";
        if self.version < 5 {
            return Ok(());
        }
        let expected = reader.source().checksum();
        let got = reader.millis()?;
        let at = reader.source().position();
        if got == 0 {
            say(at, "RDB file was saved with checksum disabled: no check performed.");
        } else if expected != got {
            return Err(Fault::Checksum { expected, got });
        } else {
            say(at, "Checksum OK");
        }
        Ok(())
    }

    /// What the reference tells at the end of a walk. `at`: where that was.
    pub fn report(&self, result: &Result<(), Fault>, at: u64) -> Vec<String> {
        let mut lines = Vec::new();
        if let Err(e) = result {
            lines.push("--- RDB ERROR DETECTED ---".to_owned());
            let reason = match e {
                Fault::Checksum { .. } => "RDB CRC error".to_owned(),
                Fault::EarlyFunction => format!("Pre-release function format not supported {}", self.version),
                _ if self.doing == "read-functions" => {
                    "Failed loading library, Failed loading library payload".to_owned()
                }
                Fault::Data(_) | Fault::Encoding(_) if matches!(self.doing, "read-key" | "read-object-value") => {
                    format!("Internal error in RDB reading -> {e}")
                }
                _ => e.to_string(),
            };
            lines.push(format!("[offset {at}] {reason}"));
            lines.push(format!("[additional info] While doing: {}", self.doing));
            lines.extend(self.key.as_ref().map(|key| format!("[additional info] Reading key '{}'", text(key))));
            let kind = self.kind.map(|k| format!("[additional info] Reading type {k} ({})", types::name(k)));
            lines.extend(kind);
        } else {
            lines.push(format!("[offset {at}] \\o/ RDB looks OK! \\o/"));
        }
        lines.push(format!("[info] {} keys read", self.keys));
        lines.push(format!("[info] {} expires", self.expires));
        lines.push(format!("[info] {} already expired", self.expired));
        lines.push(format!("[info] {} subexpires", self.subexpires));
        lines
    }

    /// The lines of statistics: libraries of functions, if there are any, and one for each type.
    pub fn statistics(&self) -> impl Iterator<Item = String> {
        let libraries = (self.functions > 0).then(|| format!("[stats] functions: {} libraries", self.functions));
        libraries.into_iter().chain(self.of_types())
    }

    fn of_types(&self) -> impl Iterator<Item = String> {
        self.types.iter().map(|(kind, t)| {
            format!(
                "[stats] {}: {} keys, {} elements, {} bytes, largest {} bytes ('{}')",
                types::name(*kind),
                t.keys,
                t.elements,
                t.bytes,
                t.largest,
                text(&t.largest_key)
            )
        })
    }
}

/// What is being done with a part that begins so, in the reference's words.
fn doing(code: u8) -> &'static str {
    match code {
        types::AUX => "read-aux",
        types::EXPIRE | types::EXPIRE_MS => "read-expire",
        types::SELECT_DB | types::RESIZE_DB | types::SLOT_INFO => "read-len",
        types::FUNCTION => "read-functions",
        types::MODULE_AUX => "read-module-aux",
        _ => "read-type",
    }
}

/// Bytes to be shown.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
