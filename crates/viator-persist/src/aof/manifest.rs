//! The manifest: which files make up the append-only file, in Redis's text format.
//!
//! A line is a list of keys and values: `file NAME seq NUMBER type b|h|i`, for increments also the replication offsets at
//! which they begin and, if they were closed in good order, end.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use viator_data::args::{quote_repr, split_args};
use viator_data::num::parse_i64;

/// Longest line that Redis reads, its end included.
const MAX_LINE: usize = 1024;
/// Prefix of a file that is being written.
pub const TEMP_PREFIX: &str = "temp-";

/// What a part is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The snapshot that everything begins with.
    Base,
    /// Replaced by a rewrite; to be deleted.
    History,
    /// Commands since the base.
    Incr,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Kind::Base => 'b',
            Kind::History => 'h',
            Kind::Incr => 'i',
        }
    }
}

/// A file of the append-only file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its name within the folder.
    pub name: String,
    /// Ascending among those of its kind.
    pub seq: i64,
    /// What it is.
    pub kind: Kind,
    /// Replication offset of its beginning.
    pub start_offset: Option<i64>,
    /// Replication offset of its end, once it is complete.
    pub end_offset: Option<i64>,
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    /// The base, if there is one.
    pub base: Option<Part>,
    /// Files to be deleted, newest first.
    pub history: Vec<Part>,
    /// The increments, oldest first.
    pub incrs: Vec<Part>,
    /// Number of the last base.
    pub base_seq: i64,
    /// Number of the last increment.
    pub incr_seq: i64,
}

/// Why a manifest is not one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestError {
    /// Line, from 1; 0: the whole.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// What is wrong, in Redis's words.
    pub reason: &'static str,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\n*** FATAL AOF MANIFEST FILE ERROR ***\n")?;
        if self.line > 0 {
            writeln!(f, "Reading the manifest file, at line {}\n>>> '{}'", self.line, self.text)?;
        }
        f.write_str(self.reason)
    }
}

impl std::error::Error for ManifestError {}

const INVALID: &str = "Invalid AOF manifest file format";

fn part(line: &[u8]) -> Result<Part, &'static str> {
    let words = split_args(line).map_err(|_| INVALID)?;
    if words.len() < 6 || words.len() % 2 != 0 {
        return Err(INVALID);
    }
    let (mut name, mut seq, mut kind, mut start_offset, mut end_offset) = (None, None, None, None, None);
    let mut rest = words.as_slice();
    while let [key, value, after @ ..] = rest {
        rest = after;
        let number = || parse_i64(value).ok_or(INVALID);
        match key.to_ascii_lowercase().as_slice() {
            b"file" => {
                let n = String::from_utf8(value.clone()).map_err(|_| INVALID)?;
                if n.contains('/') || n.contains('\\') {
                    return Err("File can't be a path, just a filename");
                }
                name = Some(n);
            }
            b"seq" => seq = Some(number()?),
            b"type" => {
                kind = Some(match value.first() {
                    Some(b'b') => Kind::Base,
                    Some(b'h') => Kind::History,
                    Some(b'i') => Kind::Incr,
                    _ => return Err("Unknown AOF file type"),
                });
            }
            b"startoffset" => start_offset = Some(number()?),
            b"endoffset" => end_offset = Some(number()?),
            // of a newer version
            _ => {}
        }
    }
    match (name, seq, kind) {
        (Some(name), Some(seq), Some(kind)) if !name.is_empty() && seq > 0 => {
            Ok(Part { name, seq, kind, start_offset, end_offset })
        }
        _ => Err(INVALID),
    }
}

impl Manifest {
    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let mut m = Manifest::default();
        let whole = |reason| ManifestError { line: 0, text: String::new(), reason };
        if text.is_empty() {
            return Err(whole("Found an empty AOF manifest"));
        }
        let mut last_incr = 0;
        for (i, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
            if line.first() == Some(&b'#') {
                continue;
            }
            // one without an end may have been cut, and another number stand there now
            let Some(line) = line.strip_suffix(b"\n").filter(|line| line.len() < MAX_LINE) else {
                return Err(whole("The AOF manifest file contains too long line"));
            };
            let fail = |reason| ManifestError { line: i + 1, text: String::from_utf8_lossy(line).into_owned(), reason };
            let part = part(line.trim_ascii()).map_err(fail)?;
            match part.kind {
                Kind::Base => {
                    if m.base.is_some() {
                        return Err(fail("Found duplicate base file information"));
                    }
                    m.base_seq = part.seq;
                    m.base = Some(part);
                }
                Kind::History => m.history.push(part),
                Kind::Incr => {
                    if part.seq <= last_incr {
                        return Err(fail("Found a non-monotonic sequence number"));
                    }
                    last_incr = part.seq;
                    m.incr_seq = part.seq;
                    m.incrs.push(part);
                }
            }
        }
        Ok(m)
    }

    /// Reads the manifest at a path; `None`: there is no such file.
    ///
    /// # Errors
    /// Those of the system; `InvalidData` around a [`ManifestError`].
    pub fn read(path: &Path) -> io::Result<Option<Manifest>> {
        match fs::read(path) {
            Ok(text) => Manifest::parse(&text).map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Its text.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for p in self.base.iter().chain(&self.history).chain(&self.incrs) {
            let mut name = p.name.clone();
            if name.is_empty()
                || name.bytes().any(|b| matches!(b, b'\\' | b'\'' | b'"' | b' ') || !(33..127).contains(&b))
            {
                let mut quoted = Vec::new();
                quote_repr(p.name.as_bytes(), &mut quoted);
                name = String::from_utf8_lossy(&quoted).into_owned();
            }
            let _ = write!(out, "file {name} seq {} type {}", p.seq, p.kind.letter()); // a String takes all
            for (key, value) in [("startoffset", p.start_offset), ("endoffset", p.end_offset)] {
                if let Some(v) = value {
                    let _ = write!(out, " {key} {v}");
                }
            }
            out.push('\n');
        }
        out
    }

    /// Writes it in place of the one in `dir`, whole or not at all.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, dir: &Path, name: &str) -> io::Result<()> {
        let temp = dir.join(format!("{TEMP_PREFIX}{name}"));
        let mut f = File::create(&temp)?;
        f.write_all(self.render().as_bytes())?;
        f.sync_data()?;
        fs::rename(&temp, dir.join(name))?;
        sync_dir(dir)
    }

    /// Adds an increment, named after the next number.
    pub fn next_incr(&mut self, basename: &str, start_offset: Option<i64>) -> &Part {
        self.incr_seq += 1;
        let name = format!("{basename}.{}.incr.aof", self.incr_seq);
        self.incrs.push(Part { name, seq: self.incr_seq, kind: Kind::Incr, start_offset, end_offset: None });
        self.incrs.last().unwrap_or_else(|| unreachable!("pushed above"))
    }

    /// Puts another base in place, named after the next number; the one before becomes history.
    pub fn next_base(&mut self, basename: &str, rdb: bool) -> String {
        if let Some(mut old) = self.base.take() {
            old.kind = Kind::History;
            self.history.insert(0, old);
        }
        self.base_seq += 1;
        let name = format!("{basename}.{}.base.{}", self.base_seq, if rdb { "rdb" } else { "aof" });
        let part =
            Part { name: name.clone(), seq: self.base_seq, kind: Kind::Base, start_offset: None, end_offset: None };
        self.base = Some(part);
        name
    }

    /// Makes all increments but the last `keep` history.
    pub fn retire_incrs(&mut self, keep: usize) {
        let n = self.incrs.len().saturating_sub(keep);
        for mut p in self.incrs.drain(..n) {
            p.kind = Kind::History;
            self.history.insert(0, p);
        }
    }

    /// The files to be read, in order.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = &Part> {
        self.base.iter().chain(&self.incrs)
    }
}

/// Makes what was created in a folder, or renamed, outlast a power failure.
///
/// # Errors
/// Those of the system.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_redis_writes_and_writes_the_same() {
        let text = "file appendonly.aof.7.base.rdb seq 7 type b\nfile appendonly.aof.2.incr.aof seq 2 type h\n\
                    file appendonly.aof.3.incr.aof seq 3 type i startoffset 5 endoffset 9\n\
                    file appendonly.aof.4.incr.aof seq 4 type i startoffset 9\n";
        let m = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!((m.base_seq, m.incr_seq, m.incrs.len(), m.history.len()), (7, 4, 2, 1));
        assert_eq!(m.render(), text);
    }

    #[test]
    fn refuses_what_redis_refuses() {
        let base = "file a.1.base.aof seq 1 type b\n";
        let reason = |text: String| Manifest::parse(text.as_bytes()).map(|_| ()).map_err(|e| e.reason);
        assert_eq!(reason(String::new()), Err("Found an empty AOF manifest"));
        assert_eq!(reason(format!("{base}\nfile a.1.incr.aof seq 1 type i\n")), Err(INVALID));
        assert_eq!(reason(format!("{base}{base}")), Err("Found duplicate base file information"));
        assert_eq!(reason("file a seq 1 type x\n".into()), Err("Unknown AOF file type"));
        assert_eq!(reason("filx a seq 1 type b\n".into()), Err(INVALID));
        assert_eq!(reason("file a type b\n".into()), Err(INVALID));
        assert_eq!(reason("file a seq 1 type i newkey\n".into()), Err(INVALID));
        assert_eq!(reason("file ../a seq 1 type i\n".into()), Err("File can't be a path, just a filename"));
        assert_eq!(
            reason(format!("file {} seq 1 type i\n", "a".repeat(1024))),
            Err("The AOF manifest file contains too long line")
        );
        assert_eq!(
            reason("file a seq 2 type i\nfile b seq 1 type i\n".into()),
            Err("Found a non-monotonic sequence number")
        );
        assert_eq!(
            reason("file a seq 1 type i\nfile b seq 2 type i".into()),
            Err("The AOF manifest file contains too long line")
        );
        assert_eq!(reason("# comment\nfile a seq 1 type b newkey newvalue\n".into()), Ok(()));
    }

    #[test]
    fn names_with_spaces_are_quoted() {
        let mut m = Manifest::default();
        m.next_base(" file seq \n\n.aof ", true);
        m.next_incr(" file seq \n\n.aof ", Some(0));
        assert!(m.render().starts_with(r#"file " file seq \n\n.aof .1.base.rdb" seq 1 type b"#));
        assert_eq!(Manifest::parse(m.render().as_bytes()), Ok(m));
    }

    #[test]
    fn a_rewrite_makes_history() {
        let mut m = Manifest::default();
        m.next_base("x", true);
        m.next_incr("x", None);
        m.next_incr("x", None);
        m.next_base("x", false);
        m.retire_incrs(1);
        let names: Vec<_> = m.history.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["x.1.incr.aof", "x.1.base.rdb"]);
        assert_eq!(m.files().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["x.2.base.aof", "x.2.incr.aof"]);
    }

    proptest! {
        #[test]
        fn junk_does_no_harm(text: Vec<u8>) {
            let _ = Manifest::parse(&text);
        }
    }
}
