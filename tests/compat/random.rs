//! Random sequences of commands, and the search for the shortest that shows a difference.

use std::time::{Duration, Instant};

use crate::common::rng::{Rng, seed};
use crate::common::{Server, missing_commands, ok};
use crate::pair::{Act, Diff, Pair, Step};

/// A family of commands.
pub struct Family {
    /// Its name, for reports.
    pub name: &'static str,
    /// Makes the next step of a sequence.
    pub step: fn(&mut Gen) -> Step,
}

/// What the families make their commands with.
pub struct Gen {
    /// Chance.
    pub rng: Rng,
    /// What comes next, before the family is asked again.
    pub next: Vec<Step>,
}

/// The words of a command line in the making.
pub type Words = Vec<Vec<u8>>;

/// A command line from words of different types.
#[macro_export]
macro_rules! words {
    ($($w:expr),* $(,)?) => { vec![$($crate::random::word($w)),*] };
}

/// A word from a string, bytes or a number.
pub fn word(w: impl IntoWord) -> Vec<u8> {
    w.into_word()
}

/// What can be a word.
pub trait IntoWord {
    /// The word's bytes.
    fn into_word(self) -> Vec<u8>;
}

impl IntoWord for &str {
    fn into_word(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl IntoWord for Vec<u8> {
    fn into_word(self) -> Vec<u8> {
        self
    }
}

impl IntoWord for i64 {
    fn into_word(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl Gen {
    /// From this seed.
    pub fn new(seed: u64) -> Gen {
        Gen { rng: Rng::new(seed), next: Vec::new() }
    }

    /// The next step of a sequence.
    pub fn step(&mut self, family: &Family) -> Step {
        self.next.pop().unwrap_or_else(|| (family.step)(self))
    }

    /// One of the choices.
    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.rng.below(choices.len())]
    }

    /// A key of a small space, so that commands meet.
    pub fn key(&mut self) -> Vec<u8> {
        let among = if self.rng.below(30) == 0 { 8 } else { 7 };
        self.pick(&["k1", "k2", "k3", "k4", "k5", "{t}1", "{t}2", ""][..among]).into()
    }

    /// `n` keys at least, at most `m`.
    pub fn keys(&mut self, n: usize, m: usize) -> Words {
        let count = n + self.rng.below(m - n + 1);
        (0..count).map(|_| self.key()).collect()
    }

    /// An integer, often at an edge.
    pub fn int(&mut self) -> i64 {
        match self.rng.below(10) {
            0..=3 => self.rng.range(-3, 10),
            4 | 5 => self.rng.range(-200, 200),
            6 => *self.rng.pick(&[i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1]),
            7 => *self.rng.pick(&[
                i32::MAX.into(),
                i32::MIN.into(),
                u32::MAX.into(),
                1 << 52,
                -(1 << 52),
                127,
                128,
                -129,
            ]),
            8 => self.rng.range(-1_000_000, 1_000_000),
            _ => self.rng.range(9990, 10010),
        }
    }

    /// Something where an integer is expected: seldom not one.
    pub fn intish(&mut self) -> Vec<u8> {
        if self.rng.chance(94) {
            return self.int().to_string().into_bytes();
        }
        let odd = [
            "",
            " 1",
            "1 ",
            "01",
            "+1",
            "-0",
            "1.0",
            "1e3",
            "abc",
            "9223372036854775808",
            "-9223372036854775809",
            "0x10",
            "--1",
        ];
        self.pick(&odd).into()
    }

    /// Something where a small index or offset is expected.
    pub fn index(&mut self) -> Vec<u8> {
        match self.rng.below(20) {
            0 => self.intish(),
            1..=5 => self.rng.range(-8, -1).to_string().into_bytes(),
            _ => self.rng.range(0, 12).to_string().into_bytes(),
        }
    }

    /// Something where a float is expected.
    pub fn floatish(&mut self) -> Vec<u8> {
        if self.rng.chance(50) {
            return format!("{}.{}", self.rng.range(-20, 20), self.rng.below(1000)).into_bytes();
        }
        let odd = [
            "0",
            "-0",
            "1e3",
            "-1.5e-3",
            "3.0",
            "1e17",
            "123456789012345678",
            "0.1",
            "inf",
            "-inf",
            "+inf",
            "nan",
            "1e309",
            "",
            "abc",
            "1.2.3",
            "5e",
            "0x1p3",
            "1e-10",
            "3.14159265358979323846",
            " 1",
        ];
        self.pick(&odd).into()
    }

    /// A value: numbers, short and long strings, binary.
    pub fn value(&mut self) -> Vec<u8> {
        match self.rng.below(12) {
            0..=2 => self.int().to_string().into_bytes(),
            3 => self.floatish(),
            4 => self.intish(),
            5 => Vec::new(),
            6 => (0..self.rng.below(24)).map(|_| self.rng.below(256) as u8).collect(),
            // Around the border between embedded and raw strings.
            7 => vec![b'x'; 40 + self.rng.below(10)],
            8 => vec![b'y'; self.rng.below(300)],
            _ => (0..=self.rng.below(6)).map(|_| *self.rng.pick(b"abcXYZ01")).collect(),
        }
    }

    /// The option's words in some of the cases, in any case of letters.
    pub fn option(&mut self, percent: usize, words: &[&str]) -> Words {
        if !self.rng.chance(percent) {
            return Vec::new();
        }
        let lower = self.rng.chance(20);
        words.iter().map(|w| if lower { w.to_lowercase() } else { (*w).to_owned() }.into_bytes()).collect()
    }

    /// A time to live that has passed or will not pass during the test, in seconds or, times 1000, milliseconds.
    pub fn seconds(&mut self) -> Vec<u8> {
        match self.rng.below(12) {
            0 => self.intish_edge(),
            1 => b"0".to_vec(),
            2 => b"-1".to_vec(),
            _ => self.rng.range(1000, 2000).to_string().into_bytes(),
        }
    }

    /// The same in milliseconds.
    pub fn millis(&mut self) -> Vec<u8> {
        match self.rng.below(12) {
            0 => self.intish_edge(),
            1 => b"0".to_vec(),
            2 => b"-1".to_vec(),
            _ => self.rng.range(1_000_000, 2_000_000).to_string().into_bytes(),
        }
    }

    /// A moment that is long past or far away, in seconds since 1970.
    pub fn moment(&mut self) -> Vec<u8> {
        match self.rng.below(12) {
            0 => self.intish_edge(),
            1 => b"1".to_vec(),
            2 => b"1000000000".to_vec(),
            _ => self.rng.range(4_000_000_000, 4_000_001_000).to_string().into_bytes(),
        }
    }

    /// The same in milliseconds.
    pub fn moment_ms(&mut self) -> Vec<u8> {
        match self.rng.below(12) {
            0 => self.intish_edge(),
            1 => b"1".to_vec(),
            2 => b"1000000000000".to_vec(),
            _ => self.rng.range(4_000_000_000_000, 4_000_001_000_000).to_string().into_bytes(),
        }
    }

    fn intish_edge(&mut self) -> Vec<u8> {
        let odd = [
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775",
            "9223372036854776",
            "abc",
            "",
            "1.5",
            "-5",
        ];
        self.pick(&odd).into()
    }

    /// Seldom, a word too many or too few, or another in the place of one; and no time to live that ends during the
    /// test, which the two servers would not see end at the same moment.
    pub fn spoil(&mut self, words: Words) -> Words {
        let mut words = self.spoiled(words);
        let first = words.first().map(|w| w.to_ascii_uppercase()).unwrap_or_default();
        for i in 1..words.len() {
            let before = words[i - 1].to_ascii_uppercase();
            let unit = match (first.as_slice(), before.as_slice()) {
                (b"EXPIRE" | b"SETEX" | b"HEXPIRE", _) if i == 2 => 1,
                (b"PEXPIRE" | b"PSETEX" | b"HPEXPIRE", _) if i == 2 => 1000,
                (_, b"EX") => 1,
                (_, b"PX") => 1000,
                _ => continue,
            };
            let time: Option<i64> = std::str::from_utf8(&words[i]).ok().and_then(|t| t.parse().ok());
            if time.is_some_and(|t| (1..100 * unit).contains(&t)) {
                words[i] = (1000 * unit).to_string().into_bytes();
            }
        }
        words
    }

    fn spoiled(&mut self, mut words: Words) -> Words {
        if self.rng.chance(96) {
            return words;
        }
        match self.rng.below(3) {
            0 => words.push(self.value()),
            1 if words.len() > 1 => {
                words.pop();
            }
            _ if words.len() > 1 => {
                let at = 1 + self.rng.below(words.len() - 1);
                words[at] = self.value();
            }
            _ => {}
        }
        words
    }
}

/// Commands in one sequence.
const LENGTH: usize = 120;

/// Differences reported before a run gives up.
const ENOUGH: usize = 6;

/// Runs sequences of the family until the number of commands is reached; panics with the differences found.
pub fn run(family: &Family) {
    let Some((ours, theirs)) = crate::servers() else { return };
    let total: usize = std::env::var("VIATOR_COMPAT_N").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let first = seed();
    println!("{}: VIATOR_SEED={first}, {total} commands", family.name);
    // what INFO keysizes tells is counted again after every command
    ok(&mut ours.client(), &["DEBUG", "KEYSIZES-HIST-ASSERT", "1"]);
    let missing = missing_commands();
    let mut failures: Vec<(String, String)> = Vec::new();
    let rounds = total.div_ceil(LENGTH);
    for round in 0..rounds {
        let seed = first.wrapping_add(round as u64);
        let resp = if seed.is_multiple_of(2) { 2 } else { 3 };
        let mut pair = Pair::new(&ours, &theirs, resp, &missing);
        let mut generator = Gen::new(seed);
        let mut steps: Vec<Step> = (0..LENGTH).map(|_| generator.step(family)).collect();
        steps.retain(|s| !pair.is_missing(s.args()));
        let Some((at, seen)) = play(&mut pair, &steps) else { continue };
        steps.truncate(at);
        let steps = minimise(&mut pair, steps);
        let (_, diffs) = play(&mut pair, &steps).unwrap_or_else(|| (0, vec![]));
        let kind = steps.last().map(|s| crate::compare::name(s.args())).unwrap_or_default();
        if failures.iter().any(|(k, _)| *k == kind) {
            continue;
        }
        let lines: Vec<String> = steps.iter().map(|s| format!("    {s}")).collect();
        let diffs: Vec<String> = if diffs.is_empty() {
            let seen = seen.iter().map(Diff::to_string);
            [vec!["did not happen again: a matter of timing?".to_owned()], seen.collect()].concat()
        } else {
            diffs.iter().map(Diff::to_string).collect()
        };
        failures
            .push((kind, format!("VIATOR_SEED={seed}, RESP{resp}:\n{}\n  {}", lines.join("\n"), diffs.join("\n  "))));
        if failures.len() >= ENOUGH {
            break;
        }
    }
    let report: Vec<String> = failures.into_iter().map(|(_, r)| r).collect();
    assert!(
        report.is_empty(),
        "{}: {} differences; run again with the seed and VIATOR_COMPAT_N=1\n{}",
        family.name,
        report.len(),
        report.join("\n\n")
    );
    drop::<(Server, Server)>((ours, theirs));
}

/// Runs a sequence on empty databases: how many steps it took to the first difference, and the differences.
fn play(pair: &mut Pair, steps: &[Step]) -> Option<(usize, Vec<Diff>)> {
    pair.reset();
    for (i, step) in steps.iter().enumerate() {
        if let Some(diff) = pair.run(step, &|| format!("step {}", i + 1)) {
            return Some((i + 1, vec![diff]));
        }
    }
    let diffs = pair.compare_datasets();
    (!diffs.is_empty()).then_some((steps.len(), diffs))
}

/// Leaves out steps, half of them, then a quarter…, as long as a difference remains.
fn minimise(pair: &mut Pair, mut steps: Vec<Step>) -> Vec<Step> {
    let begun = Instant::now();
    let mut chunk = steps.len().div_ceil(2);
    while chunk > 0 && begun.elapsed() < Duration::from_secs(20) {
        let mut start = 0;
        let mut shorter = false;
        while start < steps.len() && begun.elapsed() < Duration::from_secs(20) {
            let end = (start + chunk).min(steps.len());
            let candidate: Vec<Step> = [&steps[..start], &steps[end..]].concat();
            match play(pair, &candidate) {
                Some((at, _)) if !candidate.is_empty() => {
                    steps = candidate;
                    steps.truncate(at);
                    shorter = true;
                }
                _ => start = end,
            }
        }
        if !(shorter && chunk == 1) {
            chunk /= 2;
        }
    }
    steps
}

/// A step that iterates with `words`, whose cursor is argument `cursor`.
pub fn scan(cursor: usize, words: Words) -> Step {
    Step { conn: 0, act: Act::Scan(cursor, words) }
}
