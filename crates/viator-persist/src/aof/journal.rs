//! The journal of `appendfsync always`: a file of fixed size that takes what is appended to the increments once more, so that
//! one fsync of blocks that exist already makes it durable.
//!
//! A file that grows costs more per fsync than one that does not: its length, and where its blocks are, have to reach the disk
//! too, on journaling file systems by a commit of their journal. The increments are in Redis's format, which knows no room
//! to grow into. So each group of commands is written to the journal, which is synced, and to the increment, which the system
//! writes when it likes and which is synced now and then. After a power failure the increment may lack what the journal has:
//! [`recover`] adds it before the server loads the increment. A process that dies loses neither.
//!
//! Layout, integers little endian. A header of 4 KiB: `VIATORJ1`, the size of a half (`u64`), the generation (`u64`), XXH3 of
//! these 24 bytes; Unix milliseconds at which a recovery began (`u64`, 0: none did), XXH3 of generation and these. Then two
//! halves of records, each at a multiple of 4 KiB: XXH3 of all that follows, generation (`u64`), number (`u64`, ascending by
//! one), number of the increment (`i64`), offset in it (`u64`), Unix milliseconds (`i64`), length (`u32`), the bytes, zeros. So
//! no block is written twice before its half is used again, and the file can be written without the system's cache, which saves
//! a fifth of the time. A record at offset 2^64-1, without bytes, says that all before it is durable in the increments. A half is
//! used again from its beginning when what it holds is durable there.
//!
//! A group too large for the journal goes to the increment alone, which is synced then, before anything after it is
//! acknowledged. So where a record belongs behind the increment's end, nobody was told of it, nor of any record after it.
//! What was never synced may be missing from the increment, or be there as zeros, in whichever places; whatever else it has that
//! the journal has not was written by somebody else, and the journal is not used.

use super::manifest::{Manifest, TEMP_PREFIX, sync_dir};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a half. At full speed it is used up in some 0.3 seconds: 512 groups of two blocks.
pub const HALF: u64 = 4 << 20;
/// A group longer than this is not worth writing twice.
pub const MAX_GROUP: usize = 256 << 10;
/// Largest half that is read.
const MAX_HALF: u64 = 64 << 20;
const MAGIC: &[u8; 8] = b"VIATORJ1";
const FILE_HEADER: u64 = BLOCK as u64;
/// Records begin at multiples of it: no disk writes less without reading.
const BLOCK: usize = 4096;
const RECORD_HEADER: usize = 52;
/// Where the header tells of a recovery.
const RECOVERING: usize = 32;
/// Offset of a record that says that all before it is durable in the increments.
const SETTLED: u64 = u64::MAX;
/// An increment that is too short, and was changed so much later than the journal's last record for it, was cut by somebody
/// else. Nothing stays in the journal alone for so long unless the disk stands still.
const FOREIGN: Duration = Duration::from_secs(10);

/// The journal's name: that of the append-only file with a suffix that no part of it has.
pub fn name(basename: &str) -> String {
    format!("{basename}.journal")
}

/// A journal that is written. Offsets called ends are those of the log of changes.
pub struct Journal {
    file: Arc<File>,
    /// Where it is, and where it belongs.
    path: PathBuf,
    place: PathBuf,
    half: u64,
    generation: u64,
    /// Number of the next record.
    number: u64,
    /// The half that is written, and how far.
    current: usize,
    at: u64,
    /// End of the last record of each half.
    ends: [u64; 2],
    /// The place of the last group's record, if it has one, for [`Journal::revoke`].
    last: Option<u64>,
    /// All that it has is durable in the increments, and it says so.
    marked: bool,
    buf: Blocks,
}

/// Bytes that begin at a multiple of [`BLOCK`] in memory, as writing without the system's cache demands it.
struct Blocks {
    bytes: Vec<u8>,
    from: usize,
}

impl Blocks {
    fn new() -> Blocks {
        let bytes = vec![0; padded(RECORD_HEADER + MAX_GROUP) + BLOCK];
        let from = bytes.as_ptr().align_offset(BLOCK).min(BLOCK);
        Blocks { bytes, from }
    }

    /// The first `n` bytes.
    fn first(&mut self, n: usize) -> &mut [u8] {
        self.bytes.get_mut(self.from..self.from + n).unwrap_or_default()
    }
}

/// The length in whole blocks.
fn padded(length: usize) -> usize {
    length.next_multiple_of(BLOCK)
}

/// What became of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Appended {
    /// It is in the journal, which has to be synced.
    Yes,
    /// As `Yes`, and it began another half: the increments are to be synced before this half is full.
    Turned,
    /// There is no room for it: it needs an fsync of the increment, and so does what the journal has, before it.
    No,
}

impl Journal {
    /// Makes an empty journal in `dir`, under another name than the journal's: [`Journal::put_in_place`] is to follow, or
    /// [`Journal::remove`]. Waits until it is on the disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn prepare(dir: &Path, basename: &str, half: u64) -> io::Result<Journal> {
        let place = dir.join(name(basename));
        let path = temporary(dir, basename);
        let made = Journal::make(&path, half);
        let (file, generation) = made.inspect_err(|_| drop(fs::remove_file(&path)))?; // it may not have been made
        // not every file system can
        let file = uncached(&path).unwrap_or(file);
        Ok(Journal {
            file: Arc::new(file),
            path,
            place,
            half,
            generation,
            number: 1,
            current: 0,
            at: 0,
            ends: [0; 2],
            last: None,
            marked: true,
            buf: Blocks::new(),
        })
    }

    /// Puts it in the place of the journal that may be there, which must not be needed any more, and waits until that is on
    /// the disk. Nothing may rely on it before.
    ///
    /// # Errors
    /// Those of the system.
    pub fn put_in_place(&mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)?;
        self.path.clone_from(&self.place);
        sync_dir(self.place.parent().unwrap_or(Path::new(".")))
    }

    fn make(temp: &Path, half: u64) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(temp)?;
        let generation = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
        let mut header = vec![0; FILE_HEADER as usize];
        let fields = [&MAGIC[..], &half.to_le_bytes(), &generation.to_le_bytes()].concat();
        put(&mut header, 0, &fields);
        put(&mut header, fields.len(), &xxh3_64(&fields).to_le_bytes());
        file.write_all_at(&header, 0)?;
        // zeros that are written, for blocks that are only reserved cost as much as a file that grows
        let zeros = vec![0; 1 << 18];
        let (mut at, end) = (FILE_HEADER, FILE_HEADER + 2 * half);
        while at < end {
            let n = zeros.len().min((end - at) as usize);
            file.write_all_at(zeros.get(..n).unwrap_or_default(), at)?;
            at += n as u64;
        }
        file.sync_all()?;
        Ok((file, generation))
    }

    /// Appends what goes to `offset` of increment `part`. `end`: its end; `settled`: up to which end everything is durable in
    /// the increments.
    ///
    /// # Errors
    /// Those of the system: then it is not in the journal.
    pub fn append(
        &mut self,
        part: i64,
        offset: u64,
        bytes: &[u8],
        end: u64,
        settled: u64,
        now_ms: i64,
    ) -> io::Result<Appended> {
        self.last = None;
        let length = padded(RECORD_HEADER + bytes.len()) as u64;
        if bytes.len() > MAX_GROUP || length > self.half {
            return Ok(Appended::No);
        }
        let turns = self.at + length > self.half;
        let (current, at) = if turns { (1 - self.current, 0) } else { (self.current, self.at) };
        if turns && self.ends.get(current).is_some_and(|end| *end > settled) {
            return Ok(Appended::No);
        }
        self.put_record(current, at, part, offset, bytes, now_ms)?;
        self.marked = false;
        if let Some(e) = self.ends.get_mut(current) {
            *e = end;
        }
        Ok(if turns { Appended::Turned } else { Appended::Yes })
    }

    fn put_record(
        &mut self,
        half: usize,
        at: u64,
        part: i64,
        offset: u64,
        bytes: &[u8],
        now_ms: i64,
    ) -> io::Result<()> {
        let fields = [self.generation, self.number, part as u64, offset, now_ms as u64].map(u64::to_le_bytes);
        let length = RECORD_HEADER + bytes.len();
        let record = self.buf.first(padded(length));
        put(record, 8, fields.as_flattened());
        put(record, 48, &(bytes.len() as u32).to_le_bytes());
        put(record, RECORD_HEADER, bytes);
        record.get_mut(length..).unwrap_or_default().fill(0);
        let check = xxh3_64(record.get(8..length).unwrap_or_default());
        put(record, 0, &check.to_le_bytes());
        let place = FILE_HEADER + half as u64 * self.half + at;
        // even if it cannot be written whole
        self.last = Some(place);
        self.file.write_all_at(record, place)?;
        (self.current, self.at) = (half, at + padded(length) as u64);
        self.number += 1;
        Ok(())
    }

    /// Says that what it has is not needed any more, if all of it is durable in the increments, up to `settled`: whatever
    /// becomes of them later, it will not be added. Nothing depends on whether that gets to the disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn mark_settled(&mut self, settled: u64, now_ms: i64) -> io::Result<()> {
        // where there is no room the next record begins another half
        if self.marked || self.end() > settled || self.at + BLOCK as u64 > self.half {
            return Ok(());
        }
        self.put_record(self.current, self.at, 0, SETTLED, &[], now_ms)?;
        self.last = None;
        self.marked = true;
        Ok(())
    }

    /// The end of all that is in the journal.
    pub fn end(&self) -> u64 {
        self.ends.iter().copied().max().unwrap_or(0)
    }

    /// What is to be synced.
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Takes the record of the last group back, if it has one: the increment could not take its bytes, and they were not
    /// acknowledged. Nothing may be appended after that.
    ///
    /// # Errors
    /// Those of the system.
    pub fn revoke(&mut self) -> io::Result<()> {
        let Some(place) = self.last.take() else { return Ok(()) };
        let zeros = self.buf.first(BLOCK);
        zeros.fill(0);
        self.file.write_all_at(zeros, place)
    }

    /// Deletes it. All that is in it must be durable in the increments; no other may have been put in its place.
    ///
    /// # Errors
    /// Those of the system.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Opens a journal to be written without the system's cache, if that is possible here: its first block is written to see.
fn uncached(path: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    let flags = rustix::fs::OFlags::DIRECT.bits() as i32;
    #[cfg(not(target_os = "linux"))]
    let flags = 0;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    let mut zeros = Blocks::new();
    file.write_all_at(zeros.first(BLOCK), FILE_HEADER)?;
    Ok(file)
}

fn temporary(dir: &Path, basename: &str) -> PathBuf {
    dir.join(format!("{TEMP_PREFIX}{}", name(basename)))
}

/// Deletes a journal of which nothing is needed, if there is one, and what is left of one that was being made: none may be being
/// made now.
///
/// # Errors
/// Those of the system.
pub fn delete(dir: &Path, basename: &str) -> io::Result<()> {
    remove_if_there(&temporary(dir, basename))?;
    delete_in_place(dir, basename)
}

/// As [`delete`], while one may be being made.
///
/// # Errors
/// Those of the system.
pub fn delete_in_place(dir: &Path, basename: &str) -> io::Result<()> {
    remove_if_there(&dir.join(name(basename)))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Gives a journal that does not fit another name, under which nobody looks for it.
///
/// # Errors
/// Those of the system.
pub fn set_aside(dir: &Path, basename: &str) -> io::Result<()> {
    let name = name(basename);
    fs::rename(dir.join(&name), dir.join(format!("{name}.unused")))
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Where a part of the increments' content stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    number: u64,
    part: i64,
    offset: u64,
    time_ms: i64,
    /// Of the journal.
    bytes: Range<usize>,
}

impl Record {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn record(bytes: &[u8], at: usize, end: usize, generation: u64) -> Option<Record> {
    let field = |i: usize| u64_at(bytes, at + i * 8);
    let length = u32::from_le_bytes(bytes.get(at + 48..at + RECORD_HEADER)?.try_into().ok()?) as usize;
    let from = at + RECORD_HEADER;
    let to = from.checked_add(length).filter(|to| *to <= end)?;
    let sound = length <= MAX_GROUP
        && field(1)? == generation
        && xxh3_64(bytes.get(at + 8..to)?) == field(0)?
        && field(4)?.checked_add(length as u64).is_some();
    sound.then_some(Record {
        number: field(2)?,
        part: field(3)? as i64,
        offset: field(4)?,
        time_ms: field(5)? as i64,
        bytes: from..to,
    })
}

/// What a journal has.
struct Content {
    generation: u64,
    /// When a recovery began that may not have been completed: Unix milliseconds.
    recovering: u64,
    /// Oldest first. Some that nobody was told of may be missing, and so may be some of those that are durable in the increments.
    records: Vec<Record>,
}

/// The check of the header's word of a recovery.
fn recovering_check(generation: u64, ms: u64) -> u64 {
    xxh3_64(&[generation.to_le_bytes(), ms.to_le_bytes()].concat())
}

/// Reads a journal. `None`: it is none.
fn content(bytes: &[u8]) -> Option<Content> {
    let header = bytes.get(..RECOVERING)?;
    let fields = header.get(..24)?;
    let (half, generation) = (u64_at(header, 8)?, u64_at(header, 16)?);
    if !fields.starts_with(MAGIC) || xxh3_64(fields) != u64_at(header, 24)? || half > MAX_HALF {
        return None;
    }
    let recovering = u64_at(bytes, RECOVERING)
        .filter(|ms| u64_at(bytes, RECOVERING + 8) == Some(recovering_check(generation, *ms)))
        .unwrap_or(0);
    let half = half as usize;
    let read = |k: usize| {
        let begin = FILE_HEADER as usize + k * half;
        let end = (begin + half).min(bytes.len());
        let (mut list, mut at) = (Vec::<Record>::new(), begin);
        while let Some(r) = record(bytes, at, end, generation)
            && list.last().is_none_or(|before| before.number.checked_add(1) == Some(r.number))
        {
            at = begin + padded(r.bytes.end - begin);
            list.push(r);
        }
        list
    };
    let (mut records, mut newer) = (read(0), read(1));
    let first = |list: &[Record]| list.first().map_or(0, |r| r.number);
    if first(&records) > first(&newer) {
        std::mem::swap(&mut records, &mut newer);
    }
    // There may be a gap between them. Either the older half is about to be used again, and these are the remains of what is
    // durable in the increments; or its end was not synced, and nothing was that is in the newer one.
    records.append(&mut newer);
    if let Some(last) = records.iter().rposition(|r| r.offset == SETTLED) {
        records.drain(..=last);
    }
    Some(Content { generation, recovering, records })
}

/// What an increment has from the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recovered {
    /// Bytes that it lacked from this offset on were added.
    Added {
        /// The increment.
        name: String,
        /// Where the first of them belongs.
        at: u64,
        /// How many.
        bytes: u64,
    },
    /// It does not fit to the journal: somebody else has changed it since. It is left as it is.
    Foreign {
        /// The increment.
        name: String,
    },
    /// The journal cannot be read, and was not used.
    Damaged,
}

/// An increment of which the journal has something.
struct Target<'a> {
    part: i64,
    name: &'a str,
    /// `None`: it is not there.
    file: Option<File>,
    size: u64,
    modified: SystemTime,
    /// Where it ends with what will be added.
    end: u64,
    /// Where it ends at least if nobody has cut it, and when that was written.
    least: u64,
    time_ms: u64,
    foreign: bool,
    /// Places in it, and in the journal.
    missing: Vec<(u64, Range<usize>)>,
    /// Bytes that it lacks.
    lacks: u64,
}

impl<'a> Target<'a> {
    fn open(dir: &Path, part: i64, name: &'a str, apply: bool) -> io::Result<Target<'a>> {
        let file = match OpenOptions::new().read(true).write(apply).open(dir.join(name)) {
            Ok(f) => Some(f),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        let (size, modified) = match &file {
            Some(f) => (f.metadata()?.len(), f.metadata()?.modified()?),
            None => (0, UNIX_EPOCH),
        };
        let foreign = file.is_none();
        Ok(Target {
            part,
            name,
            file,
            size,
            modified,
            end: size,
            least: 0,
            time_ms: 0,
            foreign,
            missing: Vec::new(),
            lacks: 0,
        })
    }

    /// Compares it with a record that does not begin behind its end.
    fn compare(&mut self, r: &Record, journal: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let content = journal.get(r.bytes.clone()).unwrap_or_default();
        let mut there = vec![0; content.len().min(self.size.saturating_sub(r.offset) as usize)];
        file.read_exact_at(&mut there, r.offset)?;
        // blocks that the system had not written yet may be there as zeros, but nothing else
        if there.iter().zip(content).any(|(a, b)| a != b && *a != 0) {
            self.foreign = true;
            return Ok(());
        }
        let same = there.iter().zip(content).take_while(|(a, b)| a == b).count();
        if same < content.len() {
            self.missing.push((r.offset + same as u64, r.bytes.start + same..r.bytes.end));
            self.lacks += (content.len() - there.iter().zip(content).filter(|(a, b)| a == b).count()) as u64;
        }
        self.end = self.end.max(r.end());
        self.least = self.least.max(r.end());
        self.time_ms = r.time_ms.max(0) as u64;
        Ok(())
    }

    /// Whether it was cut long after the journal's last record for it.
    fn was_cut(&self, recovering: u64) -> bool {
        let last = UNIX_EPOCH.checked_add(Duration::from_millis(self.time_ms.max(recovering)) + FOREIGN);
        self.size < self.least && last.is_some_and(|t| self.modified > t)
    }
}

/// Adds to the increments what they lack and the journal has, and waits until they are on the disk: then the journal may go.
/// `apply`: `false` only tells what would be done. Nothing is done to an increment that has other content than the journal, or
/// that was cut seconds after the journal's last record.
///
/// # Errors
/// Those of the system, other than that there is no journal. It may be tried again.
pub fn recover(dir: &Path, basename: &str, manifest: &Manifest, apply: bool) -> io::Result<Vec<Recovered>> {
    let path = dir.join(name(basename));
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(f) => drop(io::Read::read_to_end(&mut io::Read::take(f, FILE_HEADER + 2 * MAX_HALF), &mut bytes)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    }
    let Some(Content { generation, recovering, records }) = content(&bytes) else {
        return Ok(vec![Recovered::Damaged]);
    };
    let mut targets: Vec<Target<'_>> = Vec::new();
    for (i, r) in records.iter().enumerate() {
        // others have been replaced by a rewrite
        let Some(part) = manifest.incrs.iter().find(|p| p.seq == r.part) else { continue };
        if targets.last().is_none_or(|t| t.part != part.seq) {
            targets.push(Target::open(dir, part.seq, &part.name, apply)?);
        }
        let Some(t) = targets.last_mut() else { continue };
        if t.foreign {
            continue;
        }
        if r.offset > t.end {
            if i > 0 {
                // what stood before it was never synced
                break;
            }
            // but what is older than the journal was
            t.foreign = true;
            continue;
        }
        t.compare(r, &bytes)?;
    }
    for t in &mut targets {
        t.foreign |= !t.missing.is_empty() && t.was_cut(recovering);
    }
    if apply {
        if targets.iter().any(|t| !t.foreign && !t.missing.is_empty()) {
            note_recovery(&path, generation)?;
        }
        for t in targets.iter().filter(|t| !t.foreign) {
            let Some(file) = &t.file else { continue };
            for (at, range) in &t.missing {
                file.write_all_at(bytes.get(range.clone()).unwrap_or_default(), *at)?;
            }
            // even what is there may be nowhere but in the system's memory
            file.sync_all()?;
        }
    }
    let told = targets.iter().filter_map(|t| {
        let name = t.name.to_owned();
        if t.foreign {
            return Some(Recovered::Foreign { name });
        }
        let (at, _) = *t.missing.first()?;
        Some(Recovered::Added { name, at, bytes: t.lacks })
    });
    Ok(told.collect())
}

/// From now on the increments are changed by the recovery, which may be broken off.
fn note_recovery(path: &Path, generation: u64) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64);
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&[now, recovering_check(generation, now)].map(u64::to_le_bytes).concat(), RECOVERING as u64)?;
    file.sync_data()
}

#[cfg(test)]
mod tests;
