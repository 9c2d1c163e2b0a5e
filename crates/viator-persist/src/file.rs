//! Files: a header, then parts told by a code each, the keys with their values among them, and a checksum at the end.

use crate::decode::module_name;
use crate::reader::Reader;
use crate::source::Source;
use crate::writer::Writer;
use crate::{Fault, MAX_VERSION, VERSION, types};
use viator_keyspace::ValueRef;

/// Letters that every file begins with.
const MAGIC: &[u8; 5] = b"REDIS";

/// A part of a file. What it names is read next, where that is said.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// A name and a value that describe the file.
    Aux(Vec<u8>, Vec<u8>),
    /// The database of the keys that follow.
    Select(u64),
    /// How many keys that database has, and how many of them expire.
    Resize(u64, u64),
    /// A slot, its keys, and how many of them expire.
    Slot(u64, u64, u64),
    /// When the next key expires, Unix milliseconds.
    Expire(i64),
    /// Seconds that the next key has not been used.
    Idle(u64),
    /// LFU counter of the next key.
    Freq(u8),
    /// The code of a library of functions.
    Function(Vec<u8>),
    /// Data of a module that belongs to no key: its type's name. What follows: [`Reader::skip_moment`],
    /// [`Reader::skip_module`].
    ModuleAux(String),
    /// A key with its value, whose type this is. Key and value follow.
    Key(u8),
    /// The end. The checksum, from version 5 on, follows.
    End,
}

impl<S: Source> Reader<S> {
    /// A file's version.
    ///
    /// # Errors
    /// [`Fault::Version`], [`Fault::Short`].
    pub fn header(&mut self) -> Result<u16, Fault> {
        let head: [u8; 9] = self.bytes()?;
        let Some(digits) = head.strip_prefix(MAGIC) else {
            return Err(Fault::Signature);
        };
        let text = String::from_utf8_lossy(digits).into_owned();
        match text.trim_start().parse::<u16>() {
            Ok(version @ 1..=MAX_VERSION) => Ok(version),
            Ok(n) => Err(Fault::Version(n.to_string())),
            Err(_) => Err(Fault::Version(text)),
        }
    }

    /// The next part.
    ///
    /// # Errors
    /// [`Fault::Short`], [`Fault::Data`], [`Fault::Io`].
    pub fn part(&mut self) -> Result<Part, Fault> {
        self.code = None;
        let code = self.byte()?;
        self.code = Some(code);
        Ok(match code {
            types::AUX => Part::Aux(self.string()?, self.string()?),
            types::SELECT_DB => Part::Select(self.length()?),
            types::RESIZE_DB => Part::Resize(self.length()?, self.length()?),
            types::SLOT_INFO => Part::Slot(self.length()?, self.length()?, self.length()?),
            types::EXPIRE_MS => Part::Expire(self.millis()? as i64),
            types::EXPIRE => Part::Expire(i64::from(i32::from_le_bytes(self.bytes()?)) * 1000),
            types::IDLE => Part::Idle(self.length()?),
            types::FREQ => Part::Freq(self.byte()?),
            types::FUNCTION => Part::Function(self.string()?),
            types::FUNCTION_PRE_GA => return Err(Fault::EarlyFunction),
            types::MODULE_AUX => Part::ModuleAux(module_name(self.length()?)),
            types::EOF => Part::End,
            kind if types::is_value(kind) => Part::Key(kind),
            kind => return Err(Fault::Kind(kind)),
        })
    }
}

impl Writer<'_> {
    /// The beginning of a file.
    pub fn header(&mut self) {
        self.raw(MAGIC);
        self.raw(format!("{VERSION:04}").as_bytes());
    }

    /// A name and a value that describe the file.
    pub fn aux(&mut self, name: &str, value: &str) {
        self.byte(types::AUX);
        self.string(name.as_bytes());
        self.string(value.as_bytes());
    }

    /// The database of the keys that follow.
    pub fn select(&mut self, db: usize) {
        self.byte(types::SELECT_DB);
        self.length(db as u64);
    }

    /// How many keys the selected database has, and how many of them expire.
    pub fn resize(&mut self, keys: u64, expires: u64) {
        self.byte(types::RESIZE_DB);
        self.length(keys);
        self.length(expires);
    }

    /// The code of a library of functions.
    pub fn function(&mut self, code: &[u8]) {
        self.byte(types::FUNCTION);
        self.string(code);
    }

    /// What comes before a key and its value: expiry (Unix milliseconds) and how it is used.
    pub fn key_attributes(&mut self, expire: Option<i64>, used: Used) {
        if let Some(at) = expire {
            self.byte(types::EXPIRE_MS);
            self.millis(at as u64);
        }
        match used {
            Used::Untold => {}
            Used::Idle(seconds) => {
                self.byte(types::IDLE);
                self.length(seconds);
            }
            Used::Freq(n) => {
                self.byte(types::FREQ);
                self.byte(n);
            }
        }
    }

    /// A key and its value.
    pub fn key(&mut self, key: &[u8], value: ValueRef<'_>) {
        self.kind(value);
        self.string(key);
        self.content(value);
    }

    /// The end of a file, before the checksum.
    pub fn end(&mut self) {
        self.byte(types::EOF);
    }
}

/// How a key is used, as far as the eviction policy asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// Nobody asks.
    Untold,
    /// Seconds since it was used.
    Idle(u64),
    /// The LFU counter.
    Freq(u8),
}
