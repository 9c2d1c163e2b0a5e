#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::aof::manifest::{Kind, Part};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const BASE: &str = "x.aof";
/// A half of two blocks.
const SMALL: u64 = 2 * BLOCK as u64;

/// A folder of its own; removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("viator-journal-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn journal(&self, half: u64) -> Journal {
        let mut j = Journal::prepare(&self.0, BASE, half).unwrap();
        j.put_in_place().unwrap();
        j
    }

    fn path(&self) -> PathBuf {
        self.0.join(name(BASE))
    }

    fn content(&self) -> (Content, Vec<u8>) {
        let bytes = fs::read(self.path()).unwrap();
        (content(&bytes).unwrap(), bytes)
    }

    fn incr(&self, seq: i64) -> PathBuf {
        self.0.join(incr_name(seq))
    }

    fn recover(&self, parts: i64) -> Vec<Recovered> {
        recover(&self.0, BASE, &manifest(parts), true).unwrap()
    }

    /// Increment 1 has `content`, changed so many seconds after `NOW`.
    fn write(&self, content: &[u8], after: i64) {
        fs::write(self.incr(1), content).unwrap();
        let at = UNIX_EPOCH + Duration::from_millis((NOW + after * 1000) as u64);
        File::options().write(true).open(self.incr(1)).unwrap().set_modified(at).unwrap();
    }

    fn read(&self) -> Vec<u8> {
        fs::read(self.incr(1)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// When the journal's records are written.
const NOW: i64 = 1_700_000_000_000;

fn incr_name(seq: i64) -> String {
    format!("{BASE}.{seq}.incr.aof")
}

fn manifest(parts: i64) -> Manifest {
    let mut m = Manifest::default();
    for seq in 1..=parts {
        m.incrs.push(Part { name: incr_name(seq), seq, kind: Kind::Incr, start_offset: None, end_offset: None });
    }
    m
}

fn added(seq: i64, at: u64, bytes: u64) -> Vec<Recovered> {
    vec![Recovered::Added { name: incr_name(seq), at, bytes }]
}

fn foreign() -> Vec<Recovered> {
    vec![Recovered::Foreign { name: incr_name(1) }]
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new();
    let mut j = folder.journal(2 * SMALL);
    assert!(folder.content().0.records.is_empty());
    assert_eq!(j.append(7, 100, b"abc", 3, 0, NOW).unwrap(), Appended::Yes);
    assert_eq!(j.append(7, 103, b"", 3, 0, NOW + 1).unwrap(), Appended::Yes);
    assert_eq!(j.append(-8, 0, &[0; 1000], 1003, 0, -5).unwrap(), Appended::Yes);
    assert_eq!(j.end(), 1003);
    let (Content { records, recovering, .. }, bytes) = folder.content();
    let plain: Vec<_> =
        records.iter().map(|r| (r.number, r.part, r.offset, r.time_ms, &bytes[r.bytes.clone()])).collect();
    assert_eq!(plain, [(1, 7, 100, NOW, &b"abc"[..]), (2, 7, 103, NOW + 1, b""), (3, -8, 0, -5, &[0; 1000])]);
    assert_eq!(recovering, 0);
    assert_eq!(bytes.len() as u64, FILE_HEADER + 4 * SMALL, "its size is fixed");
}

#[test]
fn it_is_not_in_its_place_before_it_is_put_there() {
    let folder = Folder::new();
    fs::write(folder.path(), "old").unwrap();
    let j = Journal::prepare(&folder.0, BASE, SMALL).unwrap();
    j.remove().unwrap();
    assert_eq!(fs::read(folder.path()).unwrap(), b"old");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    folder.journal(SMALL).remove().unwrap();
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    let _left = Journal::prepare(&folder.0, BASE, SMALL).unwrap();
    let _there = folder.journal(SMALL);
    delete(&folder.0, BASE).unwrap();
    delete(&folder.0, BASE).unwrap();
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn a_half_is_used_again_when_it_is_settled() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    let group = [1; 1948];
    let length = group.len() as u64;
    let mut end = 0;
    let mut append = |settled: u64| {
        let got = j.append(1, end, &group, end + length, settled, NOW).unwrap();
        if got != Appended::No {
            end += length;
        }
        got
    };
    assert_eq!(
        [append(0), append(0), append(0), append(0)].map(|a| a == Appended::Turned),
        [false, false, true, false]
    );
    assert_eq!(append(0), Appended::No, "nothing is settled");
    assert_eq!(append(2 * length - 1), Appended::No, "not all of it");
    assert_eq!(append(2 * length), Appended::Turned);
    let numbers: Vec<u64> = folder.content().0.records.iter().map(|r| r.number).collect();
    assert_eq!(numbers, [3, 4, 5], "the older half comes first; what was behind the new record is not read");
    assert_eq!(append(2 * length), Appended::Yes);
    assert_eq!(append(2 * length), Appended::No);
    assert_eq!(append(u64::MAX), Appended::Turned);
}

#[test]
fn a_group_that_is_too_large_is_not_taken() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    assert_eq!(j.append(1, 0, &[1; SMALL as usize - RECORD_HEADER + 1], 9, 0, NOW).unwrap(), Appended::No);
    assert_eq!(j.append(1, 0, &[1; SMALL as usize - RECORD_HEADER], 9, 0, NOW).unwrap(), Appended::Yes);
    let mut j = folder.journal(HALF);
    assert_eq!(j.append(1, 0, &vec![1; MAX_GROUP + 1], 9, 0, NOW).unwrap(), Appended::No);
    assert_eq!(j.append(1, 0, &vec![1; MAX_GROUP], 9, 0, NOW).unwrap(), Appended::Yes);
    assert_eq!(folder.content().0.records.len(), 1);
}

/// What is marked as settled is never added, whatever becomes of the increment.
#[test]
fn what_is_settled_is_forgotten() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    j.mark_settled(0, NOW).unwrap();
    j.append(1, 0, b"abc", 3, 0, NOW).unwrap();
    j.mark_settled(2, NOW).unwrap();
    assert_eq!(folder.content().0.records.len(), 1, "not all is settled");
    j.mark_settled(3, NOW).unwrap();
    j.mark_settled(3, NOW).unwrap();
    assert_eq!(folder.content().0.records.len(), 0);
    folder.write(b"a", 0);
    assert_eq!(folder.recover(1), []);
    assert_eq!(folder.read(), b"a");
    j.append(1, 3, b"def", 6, 3, NOW).unwrap();
    assert_eq!(folder.content().0.records.len(), 1);
    // it was cut below what was durable
    assert_eq!(folder.recover(1), foreign());
    folder.write(b"abcd", 0);
    assert_eq!(folder.recover(1), added(1, 4, 2));
    // no mark where there is no room for one
    let mut j = folder.journal(SMALL);
    j.append(1, 0, &[1; 5000], 5000, 0, NOW).unwrap();
    j.mark_settled(5000, NOW).unwrap();
    assert_eq!(folder.content().0.records.len(), 1);
    assert_eq!(j.append(1, 5000, b"x", 5001, 5000, NOW).unwrap(), Appended::Turned);
    assert_eq!(folder.content().0.records.len(), 2);
}

#[test]
fn the_last_groups_record_can_be_taken_back() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    j.append(1, 0, b"abc", 3, 0, NOW).unwrap();
    j.append(1, 3, b"def", 6, 0, NOW).unwrap();
    j.revoke().unwrap();
    j.revoke().unwrap();
    assert_eq!(folder.content().0.records.len(), 1);
    folder.write(b"ab", 0);
    assert_eq!(folder.recover(1), added(1, 2, 1));
    // a group that has no record, and one that was marked, take nobody else's with them
    let mut j = folder.journal(SMALL);
    j.append(1, 0, b"abc", 3, 0, NOW).unwrap();
    assert_eq!(j.append(1, 3, &[1; 9000], 9003, 0, NOW).unwrap(), Appended::No);
    j.revoke().unwrap();
    assert_eq!(folder.content().0.records.len(), 1);
    j.mark_settled(3, NOW).unwrap();
    j.revoke().unwrap();
    assert_eq!(folder.content().0.records.len(), 0);
}

/// Where the newest record is torn, at whatever place, the others are there.
#[test]
fn a_torn_record_ends_it() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    j.append(1, 0, b"abc", 3, 0, NOW).unwrap();
    j.append(1, 3, b"defghi", 9, 0, NOW).unwrap();
    let whole = fs::read(folder.path()).unwrap();
    let at = FILE_HEADER as usize + BLOCK;
    for i in at..at + RECORD_HEADER + 6 {
        let mut torn = whole.clone();
        torn[i] ^= 0x55;
        let numbers: Vec<u64> = content(&torn).unwrap().records.iter().map(|r| r.number).collect();
        assert_eq!(numbers, [1], "byte {i}");
        // and a file that ends there
        assert_eq!(content(&whole[..i]).unwrap().records.len(), 1, "byte {i}");
    }
}

/// The end of the older half was not synced, and by chance the newer one has got to the disk.
#[test]
fn a_torn_end_of_the_older_half_does_not_hide_its_beginning() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    j.append(1, 0, &[1; 1500], 1500, 0, NOW).unwrap();
    j.append(1, 1500, &[2; 1500], 3000, 0, NOW).unwrap();
    let torn = j.last.unwrap();
    assert_eq!(j.append(1, 3000, &[3; 1500], 4500, 0, NOW).unwrap(), Appended::Turned);
    let file = File::options().write(true).open(folder.path()).unwrap();
    file.write_all_at(&[0; 10], torn + 200).unwrap();
    folder.write(b"", 0);
    assert_eq!(folder.recover(1), added(1, 0, 1500));
    assert_eq!(folder.read(), [1; 1500]);
}

#[test]
fn junk_of_every_length_is_none() {
    let folder = Folder::new();
    let j = folder.journal(SMALL);
    let whole = fs::read(folder.path()).unwrap();
    drop(j);
    folder.write(b"abc", 0);
    for n in (0..32).chain([32, 40, 47, 48, 4095, 4096, 4097]) {
        fs::write(folder.path(), &whole[..n]).unwrap();
        let expected = if n < 32 { vec![Recovered::Damaged] } else { vec![] };
        assert_eq!(folder.recover(1), expected, "{n}");
    }
    for i in 0..32 {
        let mut bytes = whole.clone();
        bytes[i] ^= 1;
        fs::write(folder.path(), &bytes).unwrap();
        assert_eq!(folder.recover(1), [Recovered::Damaged], "{i}");
    }
    // a half longer than any, with a sum that fits
    let fields = [&MAGIC[..], &u64::MAX.to_le_bytes(), &1u64.to_le_bytes()].concat();
    fs::write(folder.path(), [&fields[..], &xxh3_64(&fields).to_le_bytes(), &[0; 9000]].concat()).unwrap();
    assert_eq!(folder.recover(1), [Recovered::Damaged]);
    assert_eq!(folder.read(), b"abc");
}

#[test]
fn without_a_journal_nothing_is_done() {
    let folder = Folder::new();
    folder.write(b"abc", 0);
    assert_eq!(folder.recover(1), []);
}

/// A journal of increment 1: `0123456789` is durable, `abc` and `defg` are in three records with an empty one.
fn with_records(folder: &Folder) -> Journal {
    let mut j = folder.journal(SMALL);
    j.append(1, 10, b"abc", 13, 10, NOW).unwrap();
    j.append(1, 13, b"", 13, 10, NOW).unwrap();
    j.append(1, 13, b"defg", 17, 10, NOW).unwrap();
    j
}

const WHOLE: &[u8] = b"0123456789abcdefg";

#[test]
fn what_is_missing_or_zero_is_added() {
    let folder = Folder::new();
    for len in 10..=WHOLE.len() {
        for zeros in 0..1u32 << (len - 10) {
            let mut there = WHOLE[..len].to_vec();
            (10..len).filter(|i| zeros >> (i - 10) & 1 == 1).for_each(|i| there[i] = 0);
            let _journal = with_records(&folder);
            folder.write(&there, 3);
            let told = recover(&folder.0, BASE, &manifest(1), false).unwrap();
            assert_eq!(folder.read(), there, "only told");
            assert_eq!(folder.recover(1), told);
            assert_eq!(told.is_empty(), there == WHOLE, "{}", there.escape_ascii());
            assert_eq!(folder.read(), WHOLE, "{}", there.escape_ascii());
            assert_eq!(folder.recover(1), [], "once more");
        }
    }
}

/// Nothing that somebody else has written is changed.
#[test]
fn what_others_have_written_is_left_alone() {
    let folder = Folder::new();
    let late = 3600;
    let cases: &[(&[u8], i64, bool)] = &[
        // shorter than what was durable
        (b"", 0, true),
        (b"012345678", 0, true),
        // cut long after
        (b"0123456789", late, true),
        (b"0123456789abcdef", late, true),
        // other content, shorter, as long, longer, soon after and long after
        (b"0123456789x", 0, true),
        (b"0123456789abcdefx", 0, true),
        (b"0123456789abxdefg", 0, true),
        (b"0123456789bcdefgh", 0, true),
        (b"0123456789abcdexgx and more", 0, true),
        (b"0123456789x", late, true),
        // longer: what the journal has is there
        (b"0123456789abcdefg and more", 0, false),
        (b"0123456789abcdefg and more", late, false),
        (WHOLE, late, false),
        (WHOLE, -late, false),
    ];
    for (there, after, reported) in cases {
        let _journal = with_records(&folder);
        folder.write(there, *after);
        let expected = if *reported { foreign() } else { vec![] };
        let text = there.escape_ascii();
        assert_eq!(recover(&folder.0, BASE, &manifest(1), false).unwrap(), expected, "{text}");
        assert_eq!(folder.recover(1), expected, "{text}");
        assert_eq!(folder.read(), *there, "{text}");
    }
    // what became zeros in a file that was not cut is added at any time: the system may have written it out late
    let _journal = with_records(&folder);
    folder.write(b"0123456789ab\0\0efg and more", late);
    assert_eq!(folder.recover(1), added(1, 12, 2));
    assert_eq!(folder.read(), b"0123456789abcdefg and more");
}

#[test]
fn an_increment_that_is_gone_is_not_made_again() {
    let folder = Folder::new();
    let _journal = with_records(&folder);
    assert_eq!(folder.recover(1), foreign());
    assert!(!folder.incr(1).exists());
    // one that the manifest does not name is nobody's
    assert_eq!(folder.recover(0), []);
}

/// A recovery that was broken off has changed the increment long after the journal's last record.
#[test]
fn a_recovery_can_be_broken_off() {
    let folder = Folder::new();
    let _journal = with_records(&folder);
    folder.write(b"0123456789a", 0);
    assert_eq!(folder.recover(1), added(1, 11, 6));
    fs::write(folder.incr(1), b"0123456789ab").unwrap();
    assert_eq!(folder.recover(1), added(1, 12, 5));
    assert_eq!(folder.read(), WHOLE);
    // but not at any time
    fs::write(folder.incr(1), b"0123456789ab").unwrap();
    let at = SystemTime::now() + FOREIGN + Duration::from_secs(60);
    File::options().write(true).open(folder.incr(1)).unwrap().set_modified(at).unwrap();
    assert_eq!(folder.recover(1), foreign());
}

/// What a group that went without the journal leaves behind if it was not synced.
#[test]
fn nothing_is_added_behind_a_gap() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    j.append(1, 0, b"abc", 3, 0, NOW).unwrap();
    // `DDD` is not in the journal
    j.append(1, 6, b"efg", 9, 0, NOW).unwrap();
    // the next increment
    j.append(2, 0, b"hij", 12, 0, NOW).unwrap();
    fs::write(folder.incr(2), b"").unwrap();
    folder.write(b"ab", 0);
    assert_eq!(folder.recover(2), added(1, 2, 1));
    assert_eq!(folder.read(), b"abc");
    assert_eq!(fs::read(folder.incr(2)).unwrap(), b"", "what came after it neither");
    folder.write(b"abcDDDe", 0);
    assert_eq!(folder.recover(2), [added(1, 7, 2), added(2, 0, 3)].concat());
    assert_eq!(folder.read(), b"abcDDDefg");
    assert_eq!(fs::read(folder.incr(2)).unwrap(), b"hij");
}

#[test]
fn a_gap_at_the_beginning_of_an_increment_is_not_foreign() {
    let folder = Folder::new();
    let mut j = folder.journal(SMALL);
    j.append(1, 0, b"abc", 3, 0, NOW).unwrap();
    // `DDD` is in increment 2, and not in the journal
    j.append(2, 3, b"efg", 9, 0, NOW).unwrap();
    fs::write(folder.incr(2), b"").unwrap();
    folder.write(b"", 0);
    assert_eq!(folder.recover(2), added(1, 0, 3));
    assert_eq!(folder.read(), b"abc");
}

/// What happens to a log with a journal.
#[derive(Clone, Debug)]
enum Step {
    /// A group of so many bytes.
    Group(usize),
    /// Another increment begins.
    Cut,
    /// An fsync for those who wait.
    Ack,
    /// An fsync of the increments begins, and what was begun ends.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1usize..200).prop_map(Step::Group),
        4 => (200usize..10000).prop_map(Step::Group),
        1 => (12000usize..20000).prop_map(Step::Group),
        1 => Just(Step::Cut),
        6 => Just(Step::Ack),
        3 => Just(Step::Settle),
    ]
}

/// An increment.
#[derive(Default, Clone)]
struct Written {
    bytes: Vec<u8>,
    durable: usize,
    acked: usize,
}

/// A log, its journal, and how far what is on the disk, as the server keeps account of it.
struct Log {
    folder: Folder,
    journal: Journal,
    parts: Vec<Written>,
    end: u64,
    settled: u64,
    direct: u64,
    /// An fsync of the increments that was begun: their lengths then, and the end.
    settling: Option<(Vec<usize>, u64)>,
    /// The journal as it was synced.
    synced: Vec<u8>,
    now: i64,
    used: [usize; 3],
}

impl Log {
    fn new() -> Log {
        let folder = Folder::new();
        let journal = folder.journal(2 * SMALL);
        let synced = fs::read(folder.path()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        Log {
            folder,
            journal,
            parts: vec![Written::default()],
            end: 0,
            settled: 0,
            direct: 0,
            settling: None,
            synced,
            now,
            used: [0; 3],
        }
    }

    fn settle(&mut self) {
        if let Some((lengths, end)) = self.settling.take() {
            for (p, n) in self.parts.iter_mut().zip(lengths) {
                p.durable = n;
            }
            self.settled = end;
            self.journal.mark_settled(self.settled, self.now).unwrap();
        }
    }

    fn begin_settling(&mut self) {
        self.settling = Some((self.parts.iter().map(|p| p.bytes.len()).collect(), self.end));
    }

    fn step(&mut self, step: &Step, fill: &mut dyn FnMut(usize) -> Vec<u8>) {
        match step {
            Step::Group(n) => {
                let bytes = fill(*n);
                self.end += bytes.len() as u64;
                let seq = self.parts.len() as i64;
                let part = self.parts.last_mut().unwrap();
                let offset = part.bytes.len() as u64;
                let got = self.journal.append(seq, offset, &bytes, self.end, self.settled, self.now).unwrap();
                if got == Appended::No {
                    self.direct = self.end;
                }
                self.used[got as usize] += 1;
                part.bytes.extend_from_slice(&bytes);
            }
            Step::Cut => self.parts.push(Written::default()),
            Step::Ack => {
                if self.direct <= self.settled {
                    self.synced = fs::read(self.folder.path()).unwrap();
                } else {
                    self.settle();
                    self.begin_settling();
                    self.settle();
                }
                for p in &mut self.parts {
                    p.acked = p.bytes.len();
                }
            }
            Step::Settle => {
                self.settle();
                self.begin_settling();
            }
        }
    }

    /// The power fails; what is on the disk then. `chance`: a number below its argument.
    fn fail(&self, chance: &mut dyn FnMut(usize) -> usize) {
        let mut journal = self.synced.clone();
        let written = fs::read(self.folder.path()).unwrap();
        for (old, new) in journal.chunks_mut(512).zip(written.chunks(512)) {
            if chance(2) == 0 {
                old.copy_from_slice(new);
            }
        }
        fs::write(self.folder.path(), journal).unwrap();
        for (i, p) in self.parts.iter().enumerate() {
            let len = match chance(3) {
                0 => p.durable,
                1 => p.bytes.len(),
                _ => p.durable + chance(p.bytes.len() - p.durable + 1),
            };
            let mut bytes = p.bytes[..len].to_vec();
            let zeros = chance(2) == 0;
            for (k, sector) in bytes.chunks_mut(512).enumerate() {
                if zeros && chance(3) == 0 {
                    let from = p.durable.saturating_sub(k * 512).min(sector.len());
                    sector[from..].fill(0);
                }
            }
            fs::write(self.folder.incr(i as i64 + 1), bytes).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever a power failure leaves of what was not synced: all that was acknowledged is there afterwards, and nothing that
    /// was not written.
    #[test]
    fn what_was_acknowledged_outlasts_a_power_failure(
        steps in prop::collection::vec(step(), 1..80),
        seed: u64,
        again: bool,
    ) {
        let mut state = seed | 1;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 11
        };
        let mut log = Log::new();
        for s in &steps {
            // zeros are content, too
            log.step(s, &mut |n| (0..n).map(|_| if random() % 4 == 0 { 0 } else { random() as u8 }).collect());
        }
        let mut chance = |n: usize| (random() % n as u64) as usize;
        log.fail(&mut chance);
        let parts = log.parts.len() as i64;
        let told = recover(&log.folder.0, BASE, &manifest(parts), false).unwrap();
        let done = log.folder.recover(parts);
        prop_assert_eq!(&told, &done);
        if again {
            let left = log.folder.recover(parts);
            prop_assert!(!left.iter().any(|r| matches!(r, Recovered::Added { .. })), "{:?}, then {:?}", done, left);
        }
        for (i, p) in log.parts.iter().enumerate() {
            let there = fs::read(log.folder.incr(i as i64 + 1)).unwrap();
            prop_assert!(there.len() >= p.acked, "increment {}: {} of {}: {:?}", i + 1, there.len(), p.acked, done);
            prop_assert!(there[..p.acked] == p.bytes[..p.acked], "increment {}: {:?}", i + 1, done);
            prop_assert!(there.len() <= p.bytes.len(), "increment {}", i + 1);
            let strange = there.iter().zip(&p.bytes).position(|(a, b)| a != b && *a != 0);
            prop_assert_eq!(strange, None, "increment {}", i + 1);
        }
        let acked = log.parts.iter().any(|p| p.acked > p.durable);
        let foreign = done.iter().any(|r| matches!(r, Recovered::Foreign { .. }));
        prop_assert!(!(acked && foreign), "{:?}", done);
    }

    /// Bytes that are changed, moved or left out never do more harm than that records are missing.
    #[test]
    fn a_damaged_journal_adds_nothing_that_was_not_written(
        groups in prop::collection::vec(1usize..600, 1..12),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1usize..80, any::<u8>()), 1..6),
        cut: Option<prop::sample::Index>,
    ) {
        let folder = Folder::new();
        let mut j = folder.journal(SMALL);
        let mut whole = Vec::new();
        for (i, n) in groups.iter().enumerate() {
            let bytes = vec![i as u8 + 1; *n];
            let end = (whole.len() + n) as u64;
            if j.append(1, whole.len() as u64, &bytes, end, 0, NOW).unwrap() == Appended::No {
                break;
            }
            whole.extend_from_slice(&bytes);
        }
        let mut bytes = fs::read(folder.path()).unwrap();
        for (at, n, by) in changes {
            let at = at.index(bytes.len());
            let end = (at + n).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|b| *b = b.wrapping_add(by));
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(folder.path(), bytes).unwrap();
        folder.write(b"", 0);
        folder.recover(1);
        let there = folder.read();
        prop_assert!(whole.starts_with(&there));
    }

    #[test]
    fn junk_does_no_harm(junk: Vec<u8>, records in prop::collection::vec((any::<u64>(), any::<i64>(), any::<u64>()), 0..5)) {
        let folder = Folder::new();
        let _ = content(&junk);
        fs::write(folder.path(), &junk).unwrap();
        folder.write(b"abc", 0);
        prop_assert_eq!(folder.recover(1), vec![Recovered::Damaged]);
        // records that nobody wrote, with sums that fit
        let mut j = folder.journal(SMALL);
        for (number, part, offset) in records {
            j.number = number.min(u64::MAX - 1);
            j.append(part % 3, offset, &junk, 0, 0, offset as i64).unwrap();
        }
        let _ = recover(&folder.0, BASE, &manifest(2), false);
        prop_assert_eq!(folder.read(), b"abc");
    }
}

/// The random steps of the test above come to all that a journal does.
#[test]
fn the_random_steps_use_all_of_it() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = prop::collection::vec(step(), 2000);
    let steps = proptest::strategy::ValueTree::current(&steps.new_tree(&mut runner).unwrap());
    let mut log = Log::new();
    for s in &steps {
        log.step(s, &mut |n| vec![1; n]);
    }
    assert!(log.used.iter().all(|n| *n > 20), "{:?}", log.used);
}
