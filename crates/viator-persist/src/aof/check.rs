//! Checking and mending an append-only file: what `redis-check-aof` does, in its words.

use super::journal::{self, Recovered};
use super::manifest::{Kind, Manifest, Part};
use super::{Item, LogError, LogReader};
use crate::check::{Found as RdbFound, Progress, text};
use crate::{Reader, Source, Streamed};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What is to be done with a file that is not whole, or too new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Only tell.
    Tell,
    /// Cut after the last whole command, if the user agrees.
    Fix,
    /// Cut before the first annotation of a later time (Unix seconds).
    TruncateTo(i64),
}

const NO_EXEC: &str = "Reached EOF before reading EXEC for MULTI";

/// How the check of a file ended.
enum Verdict {
    Valid,
    Empty,
    Truncated,
}

/// The check was broken off; all was said.
#[derive(Debug)]
pub struct Aborted;

impl From<io::Error> for Aborted {
    fn from(_: io::Error) -> Aborted {
        Aborted
    }
}

/// See the module.
pub struct Check<'a> {
    /// What is to be done.
    pub mode: Mode,
    /// Where it is told.
    pub out: &'a mut dyn Write,
    /// Where the user agrees.
    pub answers: &'a mut dyn BufRead,
    /// Whether progress is shown on a terminal.
    pub progress: bool,
    /// Lines read, over all files.
    lines: u64,
    /// What was found.
    pub found: Found,
}

/// What was found in an append-only file.
#[derive(Default, Debug)]
pub struct Found {
    /// The files, in order.
    pub files: Vec<OfFile>,
    /// The commands, by their names.
    pub commands: BTreeMap<String, OfCommand>,
    /// The RDB file that it begins with, if there is one.
    pub base: Option<RdbFound>,
}

/// What was found in a file.
#[derive(Default, Debug)]
pub struct OfFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Up to where it is whole.
    pub good: u64,
}

/// What was found of a command.
#[derive(Default, Debug)]
pub struct OfCommand {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Names of commands that are counted each for itself; whatever comes beyond these is counted together. A file that is not
/// one has as many names as one likes.
const MAX_NAMES: usize = 1000;
/// Longest such name, bytes.
const MAX_NAME: usize = 64;

impl Found {
    fn count(&mut self, name: &[u8], bytes: u64) {
        let name = text(name.get(..MAX_NAME).unwrap_or(name)).to_lowercase();
        let known = self.commands.len() < MAX_NAMES || self.commands.contains_key(&name);
        let c = self.commands.entry(if known { name } else { "(others)".to_owned() }).or_default();
        c.count += 1;
        c.bytes += bytes;
    }

    /// The lines of statistics: the base's types, then the commands.
    pub fn statistics(&self) -> impl Iterator<Item = String> {
        let commands = self
            .commands
            .iter()
            .map(|(name, c)| format!("[stats] {}: {} commands, {} bytes", name.escape_default(), c.count, c.bytes));
        self.base.iter().flat_map(RdbFound::statistics).chain(commands)
    }
}

impl<'a> Check<'a> {
    /// A check that has not begun.
    pub fn new(mode: Mode, out: &'a mut dyn Write, answers: &'a mut dyn BufRead) -> Check<'a> {
        Check { mode, out, answers, progress: false, lines: 0, found: Found::default() }
    }

    /// Checks what is at `path`: a manifest with its files, or a single file.
    ///
    /// # Errors
    /// Something is wrong, and was not mended.
    pub fn run(&mut self, path: &Path) -> Result<(), Aborted> {
        let mut file = match File::open(path) {
            Ok(f) => f,
            Err(e) => {
                writeln!(self.out, "Cannot open file {}: {}", path.display(), plain(&e))?;
                return Err(Aborted);
            }
        };
        if is_manifest(&mut file)? {
            return self.manifest(path);
        }
        writeln!(self.out, "Start checking Old-Style AOF")?;
        let name = path.display().to_string();
        let preamble = is_rdb(&mut file)?;
        match self.single(path, &name, true, preamble)? {
            Verdict::Valid => writeln!(self.out, "AOF {name} is valid")?,
            Verdict::Empty => writeln!(self.out, "AOF {name} is empty")?,
            Verdict::Truncated => self.said_truncated(&name)?,
        }
        Ok(())
    }

    fn manifest(&mut self, path: &Path) -> Result<(), Aborted> {
        writeln!(self.out, "Start checking Multi Part AOF")?;
        let text = std::fs::read(path)?;
        let manifest = match Manifest::parse(&text) {
            Ok(m) => m,
            Err(e) => {
                writeln!(self.out, "{e}")?;
                return Err(Aborted);
            }
        };
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        let base = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".manifest"));
        let found = base.map(|base| self.journal(&dir, base, &manifest)).transpose()?.unwrap_or_default();
        self.parts(&dir, &manifest)?;
        if let Some(base) = base
            && self.mode != Mode::Tell
        {
            // the server is not to undo what was cut
            leave_journal(&dir, base, &found)?;
        }
        Ok(())
    }

    /// Tells what the journal has that the increments lack; if they are to be mended, adds it.
    fn journal(&mut self, dir: &Path, base: &str, manifest: &Manifest) -> Result<Vec<Recovered>, Aborted> {
        let apply = self.mode != Mode::Tell;
        let found = match journal::recover(dir, base, manifest, apply) {
            Ok(found) => found,
            Err(e) => {
                writeln!(self.out, "The journal {} cannot be used: {}", journal::name(base), plain(&e))?;
                return Err(Aborted);
            }
        };
        for r in &found {
            let journal = journal::name(base);
            match r {
                Recovered::Added { name, at, bytes } => {
                    let what = if apply { "they were added" } else { "the server adds them when it starts" };
                    writeln!(
                        self.out,
                        "INCR AOF {name} lacked {bytes} bytes from offset {at} on, which the journal {journal} has: {what}"
                    )?;
                }
                Recovered::Foreign { name } => {
                    writeln!(self.out, "INCR AOF {name} was changed without the journal {journal}, which is not used")?;
                }
                Recovered::Damaged => writeln!(self.out, "The journal {journal} is damaged and is not used")?,
            }
        }
        Ok(found)
    }

    fn parts(&mut self, dir: &Path, manifest: &Manifest) -> Result<(), Aborted> {
        let parts: Vec<Part> = manifest.files().cloned().collect();
        let mut incrs = false;
        for (i, p) in parts.iter().enumerate() {
            let at = dir.join(&p.name);
            let last = i + 1 == parts.len();
            let base = p.kind == Kind::Base;
            if !base && !incrs {
                incrs = true;
                writeln!(self.out, "Start to check INCR files.")?;
            }
            let mut file = match File::open(&at) {
                Ok(f) => f,
                Err(e) => {
                    let (at, e) = (at.display(), plain(&e));
                    writeln!(self.out, "Cannot open file {at}: {e}, aborting...")?;
                    return Err(Aborted);
                }
            };
            let preamble = base && is_rdb(&mut file)?;
            if base {
                let format = if preamble { "RDB" } else { "RESP" };
                writeln!(self.out, "Start to check BASE AOF ({format} format).")?;
            }
            let what = if base { "BASE" } else { "INCR" };
            match self.single(&at, &p.name, last, preamble)? {
                Verdict::Valid => writeln!(self.out, "{what} AOF {} is valid", p.name)?,
                Verdict::Empty => writeln!(self.out, "{what} AOF {} is empty", p.name)?,
                Verdict::Truncated => self.said_truncated(&p.name)?,
            }
        }
        writeln!(self.out, "All AOF files and manifest are valid")?;
        Ok(())
    }

    fn said_truncated(&mut self, name: &str) -> Result<(), Aborted> {
        match self.mode {
            Mode::TruncateTo(t) => writeln!(self.out, "Successfully truncated AOF {name} to timestamp {t}")?,
            _ => writeln!(self.out, "Successfully truncated AOF {name}")?,
        }
        Ok(())
    }

    /// Checks one file. `last`: only that may be cut.
    fn single(&mut self, path: &Path, name: &str, last: bool, preamble: bool) -> Result<Verdict, Aborted> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut progress = Progress::of(size, self.progress);
        self.found.files.push(OfFile { name: name.to_owned(), bytes: size, good: 0 });
        if size == 0 {
            return Ok(Verdict::Empty);
        }
        let mut from = 0;
        if preamble {
            from = match self.preamble_end(&mut file, path, &mut progress) {
                Ok(end) => end,
                Err(Aborted) => {
                    writeln!(self.out, "RDB preamble of AOF file is not sane, aborting.")?;
                    return Err(Aborted);
                }
            };
            writeln!(self.out, "RDB preamble is OK, proceeding with AOF tail...")?;
        }
        file.seek(SeekFrom::Start(from))?;
        let mut reader = LogReader::new(BufReader::with_capacity(1 << 18, file), from);
        let (mut good, mut multi) = (from, false);
        let mut complaint = None;
        loop {
            let before = reader.position();
            progress.advance(before);
            match reader.next_item() {
                Ok(None) => {
                    if multi {
                        complaint = Some((reader.step(), NO_EXEC.to_owned()));
                    }
                    break;
                }
                Ok(Some(Item::Annotation(text))) => {
                    if let Mode::TruncateTo(until) = self.mode
                        && let Some(time) = text.strip_prefix(b"TS:")
                    {
                        let Some(time) = viator_data::num::parse_i64(time) else {
                            writeln!(self.out, "Invalid timestamp annotation")?;
                            return Err(Aborted);
                        };
                        if time > until {
                            return self.truncate_to(path, name, last, before, until);
                        }
                    }
                    if !multi {
                        good = reader.position();
                    }
                }
                Ok(Some(Item::Command(args))) => {
                    if let Some(name) = args.first() {
                        self.found.count(name, reader.position() - before);
                    }
                    let is =
                        |word: &str| args.len() == 1 && args.iter().all(|a| a.eq_ignore_ascii_case(word.as_bytes()));
                    if is("multi") {
                        if multi {
                            complaint = Some((reader.step(), format!("Unexpected MULTI in AOF {name}")));
                            break;
                        }
                        multi = true;
                    } else if is("exec") {
                        if !multi {
                            complaint = Some((reader.step(), format!("Unexpected EXEC in AOF {name}")));
                            break;
                        }
                        multi = false;
                    }
                    if !multi {
                        good = reader.position();
                    }
                }
                Err(LogError::NotCommand) => {
                    writeln!(self.out, "AOF {name} format error")?;
                    break;
                }
                Err(LogError::Truncated(what) | LogError::Format(what)) => {
                    if !what.is_empty() {
                        complaint = Some((reader.step(), what));
                    } else if multi {
                        complaint = Some((reader.step(), NO_EXEC.to_owned()));
                    }
                    break;
                }
                Err(LogError::Io(e)) => {
                    writeln!(self.out, "Cannot read file {name}: {}", plain(&e))?;
                    return Err(Aborted);
                }
            }
        }
        progress.clear();
        self.lines += reader.lines();
        if let Some(f) = self.found.files.last_mut() {
            f.good = good;
        }
        if let Some((at, what)) = complaint {
            writeln!(self.out, "0x{at:16x}: {what}")?;
        }
        let diff = size - good;
        if let Mode::TruncateTo(t) = self.mode
            && diff == 0
        {
            writeln!(self.out, "Truncate nothing in AOF {name} to timestamp {t}")?;
            return Ok(Verdict::Valid);
        }
        writeln!(
            self.out,
            "AOF analyzed: filename={name}, size={size}, ok_up_to={good}, ok_up_to_line={}, diff={diff}",
            self.lines + 1
        )?;
        if diff == 0 {
            return Ok(Verdict::Valid);
        }
        if self.mode != Mode::Fix {
            writeln!(self.out, "AOF {name} is not valid. Use the --fix option to try fixing it.")?;
            return Err(Aborted);
        }
        if !last {
            writeln!(self.out, "Failed to truncate AOF {name} because it is not the last file")?;
            return Err(Aborted);
        }
        writeln!(self.out, "This will shrink the AOF {name} from {size} bytes, with {diff} bytes, to {good} bytes")?;
        write!(self.out, "Continue? [y/N]: ")?;
        self.out.flush()?;
        let mut answer = String::new();
        (&mut *self.answers).take(64).read_line(&mut answer)?;
        if !answer.to_ascii_lowercase().starts_with('y') {
            writeln!(self.out, "Aborting...")?;
            return Err(Aborted);
        }
        self.cut(path, name, good)?;
        Ok(Verdict::Truncated)
    }

    /// Checks an RDB preamble; where it ends.
    fn preamble_end(&mut self, file: &mut File, path: &Path, progress: &mut Progress) -> Result<u64, Aborted> {
        file.rewind()?;
        let mut r = Reader::new(Streamed::new(&*file, true));
        writeln!(self.out, "[offset 0] Checking RDB file {}", path.display())?;
        let base = self.found.base.insert(RdbFound::default());
        let mut said = Ok(());
        let checked = base.walk(&mut r, progress, &mut |at, text| {
            if said.is_ok() {
                said = writeln!(self.out, "[offset {at}] {text}");
            }
        });
        said?;
        progress.clear();
        let at = r.source().position();
        for line in base.report(&checked, at) {
            writeln!(self.out, "{line}")?;
        }
        checked.map(|()| at).map_err(|_| Aborted)
    }

    fn truncate_to(&mut self, path: &Path, name: &str, last: bool, at: u64, time: i64) -> Result<Verdict, Aborted> {
        if at == 0 {
            writeln!(self.out, "AOF {} has nothing before timestamp {time}, aborting...", path.display())?;
            return Err(Aborted);
        }
        if !last {
            writeln!(
                self.out,
                "Failed to truncate AOF {} to timestamp {time} to offset {at} because it is not the last file.\n\
                 If you insist, please delete all files after this file according to the manifest file and delete the \
                 corresponding records in manifest file manually. Then re-run redis-check-aof.",
                path.display()
            )?;
            return Err(Aborted);
        }
        self.cut(path, name, at)?;
        Ok(Verdict::Truncated)
    }

    fn cut(&mut self, path: &Path, name: &str, at: u64) -> Result<(), Aborted> {
        let cut = OpenOptions::new().write(true).open(path).and_then(|f| {
            f.set_len(at)?;
            f.sync_all()
        });
        if let Err(e) = cut {
            writeln!(self.out, "Failed to truncate AOF {name}: {}", plain(&e))?;
            return Err(Aborted);
        }
        Ok(())
    }
}

/// Deletes the journal, which is not needed any more; one that did not fit is kept under another name.
fn leave_journal(dir: &Path, base: &str, found: &[Recovered]) -> io::Result<()> {
    if !found.iter().all(|r| matches!(r, Recovered::Added { .. })) {
        journal::set_aside(dir, base)?;
    }
    journal::delete(dir, base)
}

fn plain(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Whether a file looks like a manifest: its first line that is not a comment begins with `file`.
fn is_manifest(file: &mut File) -> io::Result<bool> {
    file.rewind()?;
    let mut lines = BufReader::new(&*file);
    loop {
        let mut line = Vec::new();
        if (&mut lines).take(1024).read_until(b'\n', &mut line)? == 0 {
            return Ok(false);
        }
        if line.first() == Some(&b'#') {
            continue;
        }
        return Ok(line.starts_with(b"file"));
    }
}

fn is_rdb(file: &mut File) -> io::Result<bool> {
    file.rewind()?;
    let mut magic = Vec::new();
    file.take(5).read_to_end(&mut magic)?;
    Ok(magic == b"REDIS")
}
