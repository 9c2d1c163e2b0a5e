//! The journal of `appendfsync always`: a file of fixed size that takes what is appended to the increments once more, so that
//! one fsync of blocks that exist already makes it durable.
//!
//! A file that grows costs more per fsync than one that does not: its length, and where its blocks are, have to reach the disk
//! too, on journaling file systems by a commit of their journal. The increments are in Redis's format, which knows no room
//! to grow into. So each group of commands is written to the journal, which is synced, and to the increment, which the system
//! writes when it likes and which is synced now and then. After a power failure the increment may lack what the journal has:
//! [`recover`] adds it before the server loads the increment. A process that dies loses neither.
//!
//! Layout, integers little endian. A header of 4 KiB: `VIATORJ1`, the size of a half (`u64`), the generation (`u64`), CRC-64 of
//! these 24 bytes. Then two halves of records, each at a multiple of 4 KiB: CRC-64 of all that follows, generation (`u64`),
//! number (`u64`, ascending by one), number of the increment (`i64`), offset in it (`u64`), Unix milliseconds (`i64`), length
//! (`u32`), the bytes, zeros. So no block is written twice before its half is used again, and the file can be written without
//! the system's cache, which saves a fifth of the time. A record at offset 2^64-1, without bytes, says that the increment goes on without the journal: with a
//! group too large for it, after which the increment itself is synced. A half is used again from its beginning when what it
//! holds is durable in the increments.

use super::manifest::{Manifest, TEMP_PREFIX, sync_dir};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use viator_data::crc::crc64;

/// Bytes of a half. A half is used up every 0.7 seconds at 60,000 small writes a second.
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
/// Offset of a record that says that the increment goes on without the journal.
const BEYOND: u64 = u64::MAX;
/// An increment that was changed so much later than the journal's last record was changed by somebody else.
const FOREIGN: Duration = Duration::from_secs(5);

/// The journal's name: that of the append-only file with a suffix that no part of it has.
pub fn name(basename: &str) -> String {
    format!("{basename}.journal")
}

/// A journal that is written. Offsets called ends are those of the log of changes.
pub struct Journal {
    file: Arc<File>,
    path: PathBuf,
    half: u64,
    generation: u64,
    /// Number of the next record.
    number: u64,
    /// The half that is written, and how far.
    current: usize,
    at: u64,
    /// End of the last record of each half.
    ends: [u64; 2],
    /// The last record's place, for [`Journal::revoke`].
    last: Option<u64>,
    /// The last record says that the increment goes on without the journal.
    open: bool,
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
    /// Makes an empty journal in `dir`, in place of one that may be there, and waits until it is on the disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn create(dir: &Path, basename: &str, half: u64) -> io::Result<Journal> {
        let path = dir.join(name(basename));
        let temp = dir.join(format!("{TEMP_PREFIX}{}", name(basename)));
        let made = Journal::make(&temp, half).and_then(|made| {
            fs::rename(&temp, &path)?;
            sync_dir(dir)?;
            Ok(made)
        });
        let (file, generation) = made.inspect_err(|_| drop(fs::remove_file(&temp)))?; // it may not have been made
        // not every file system can
        let file = uncached(&path).unwrap_or(file);
        Ok(Journal {
            file: Arc::new(file),
            path,
            half,
            generation,
            number: 1,
            current: 0,
            at: 0,
            ends: [0; 2],
            last: None,
            open: false,
            buf: Blocks::new(),
        })
    }

    fn make(temp: &Path, half: u64) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(temp)?;
        let generation = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
        let mut header = vec![0; FILE_HEADER as usize];
        let fields = [&MAGIC[..], &half.to_le_bytes(), &generation.to_le_bytes()].concat();
        put(&mut header, 0, &fields);
        put(&mut header, fields.len(), &crc64(0, &fields).to_le_bytes());
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
        let length = padded(RECORD_HEADER + bytes.len()) as u64;
        // there is always room for the record of `leave`
        let room = self.half.saturating_sub(BLOCK as u64);
        if bytes.len() > MAX_GROUP || length > room {
            return Ok(Appended::No);
        }
        let turns = self.at + length > room;
        let (current, at) = if turns { (1 - self.current, 0) } else { (self.current, self.at) };
        if turns && self.ends.get(current).is_some_and(|end| *end > settled) {
            return Ok(Appended::No);
        }
        self.put_record(current, at, part, offset, bytes, now_ms)?;
        self.open = false;
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
        let crc = crc64(0, record.get(8..length).unwrap_or_default());
        put(record, 0, &crc.to_le_bytes());
        let place = FILE_HEADER + half as u64 * self.half + at;
        self.file.write_all_at(record, place)?;
        self.last = Some(place);
        (self.current, self.at) = (half, at + padded(length) as u64);
        self.number += 1;
        Ok(())
    }

    /// Increment `part` goes on without the journal, with what [`Journal::append`] had no room for; waits until that is on the
    /// disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn leave(&mut self, part: i64, settled: u64, now_ms: i64) -> io::Result<()> {
        if self.open || self.end() <= settled {
            return Ok(());
        }
        self.put_record(self.current, self.at, part, BEYOND, &[], now_ms)?;
        self.open = true;
        self.file.sync_data()
    }

    /// The end of all that is in the journal.
    pub fn end(&self) -> u64 {
        self.ends.iter().copied().max().unwrap_or(0)
    }

    /// What is to be synced.
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Takes the last record back, whose bytes the increment could not take: they were not acknowledged.
    ///
    /// # Errors
    /// Those of the system.
    pub fn revoke(&mut self) -> io::Result<()> {
        let Some(place) = self.last.take() else { return Ok(()) };
        let zeros = self.buf.first(BLOCK);
        zeros.fill(0);
        self.file.write_all_at(zeros, place)
    }

    /// Deletes it. All that is in it must be durable in the increments.
    ///
    /// # Errors
    /// Those of the system.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Opens a journal to be written without the system's cache, if that is possible here: its first block is written to see.
fn uncached(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::DIRECT.bits();
    let file = OpenOptions::new().write(true).custom_flags(flags as i32).open(path)?;
    let mut zeros = Blocks::new();
    file.write_all_at(zeros.first(BLOCK), FILE_HEADER)?;
    Ok(file)
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
        && crc64(0, bytes.get(at + 8..to)?) == field(0)?
        && field(4)?.checked_add(length as u64).is_some();
    sound.then_some(Record {
        number: field(2)?,
        part: field(3)? as i64,
        offset: field(4)?,
        time_ms: field(5)? as i64,
        bytes: from..to,
    })
}

/// The records of a journal, oldest first: those that follow each other without a gap, up to the newest. `None`: it is none.
fn records(bytes: &[u8]) -> Option<Vec<Record>> {
    let header = bytes.get(..32)?;
    let fields = header.get(..24)?;
    let (half, generation) = (u64_at(header, 8)?, u64_at(header, 16)?);
    if !fields.starts_with(MAGIC) || crc64(0, fields) != u64_at(header, 24)? || half > MAX_HALF {
        return None;
    }
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
    let (mut older, mut newer) = (read(0), read(1));
    let number = |r: Option<&Record>| r.map_or(0, |r| r.number);
    if number(older.first()) > number(newer.first()) {
        std::mem::swap(&mut older, &mut newer);
    }
    if number(older.last()).checked_add(1) != newer.first().map(|r| r.number) && !newer.is_empty() {
        // what was between them is gone
        older.clear();
    }
    older.append(&mut newer);
    Some(older)
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

/// Adds to the increments what they lack and the journal has, and waits until they are on the disk: then the journal may go.
/// `apply`: `false` only tells what would be done. Nothing is done to an increment that goes on beyond the journal's end, that
/// has other content than the journal, or that was changed seconds after the journal's last record.
///
/// # Errors
/// Those of the system, other than that there is no journal.
pub fn recover(dir: &Path, basename: &str, manifest: &Manifest, apply: bool) -> io::Result<Vec<Recovered>> {
    let mut bytes = Vec::new();
    match File::open(dir.join(name(basename))) {
        Ok(f) => drop(io::Read::read_to_end(&mut io::Read::take(f, FILE_HEADER + 2 * MAX_HALF), &mut bytes)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    }
    let Some(records) = records(&bytes) else { return Ok(vec![Recovered::Damaged]) };
    let mut done = Vec::new();
    for part in &manifest.incrs {
        let own: Vec<&Record> = records.iter().filter(|r| r.part == part.seq).collect();
        if let Some(r) = recover_part(&dir.join(&part.name), &part.name, &bytes, &own, apply)? {
            done.push(r);
        }
    }
    Ok(done)
}

fn recover_part(
    path: &Path,
    name: &str,
    bytes: &[u8],
    records: &[&Record],
    apply: bool,
) -> io::Result<Option<Recovered>> {
    let open = records.last().is_some_and(|r| r.offset == BEYOND);
    let records: Vec<&Record> = records.iter().copied().filter(|r| r.offset != BEYOND).collect();
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(None) };
    let file = match OpenOptions::new().read(true).write(apply).open(path) {
        Ok(f) => f,
        // the server tells of it
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let meta = file.metadata()?;
    let size = meta.len();
    if size > last.end() && !open {
        return Ok(None);
    }
    let foreign = Ok(Some(Recovered::Foreign { name: name.to_owned() }));
    if size < first.offset {
        return foreign;
    }
    let mut missing: Vec<(u64, &[u8])> = Vec::new();
    let (mut covered, mut there) = (first.offset, Vec::new());
    for r in &records {
        if r.offset > covered && r.offset > size {
            // what stood between them was never synced: nobody was told of what came after it
            break;
        }
        covered = r.end();
        let content = bytes.get(r.bytes.clone()).unwrap_or_default();
        there.resize(content.len().min(size.saturating_sub(r.offset) as usize), 0);
        file.read_exact_at(&mut there, r.offset)?;
        let same = there.iter().zip(content).take_while(|(a, b)| a == b).count();
        // blocks that the system had not written yet may be there as zeros, but nothing else
        if there.iter().skip(same).any(|b| *b != 0) {
            return foreign;
        }
        if let Some(rest @ [_, ..]) = content.get(same..) {
            missing.push((r.offset + same as u64, rest));
        }
    }
    let Some((at, _)) = missing.first().copied() else {
        if apply {
            // it may be nowhere but in the system's memory
            file.sync_all()?;
        }
        return Ok(None);
    };
    if meta.modified()? > UNIX_EPOCH + Duration::from_millis(last.time_ms.max(0) as u64) + FOREIGN {
        return foreign;
    }
    if apply {
        for (at, rest) in &missing {
            file.write_all_at(rest, *at)?;
        }
        file.sync_all()?;
    }
    let bytes = missing.iter().map(|(_, rest)| rest.len() as u64).sum();
    Ok(Some(Recovered::Added { name: name.to_owned(), at, bytes }))
}
