//! Directives whose value is more than one word or number.

use super::NotifyFlags;
use viator_data::num::{parse_f64, parse_i64, parse_memory};

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// The configuration file or the command line; `again` when the directive was there before.
    File {
        /// Not the first time.
        again: bool,
    },
    /// CONFIG SET.
    Set,
}

/// A line CONFIG REWRITE writes.
pub(super) struct Line {
    /// The whole line.
    pub(super) text: Vec<u8>,
    /// Whether it is written even when the file has no such line yet: the value is not the default.
    pub(super) force: bool,
}

impl Line {
    /// `name value`.
    pub(super) fn plain(name: &str, value: &str, force: bool) -> Line {
        Line { text: format!("{name} {value}").into_bytes(), force }
    }

    /// `name "value"`, with what is not printable escaped.
    pub(super) fn quoted(name: &str, value: &[u8], force: bool) -> Line {
        let mut text = format!("{name} ").into_bytes();
        viator_data::args::quote_repr(value, &mut text);
        Line { text, force }
    }
}

/// A value of its own form.
pub(super) trait Setting {
    /// As CONFIG GET shows it.
    fn text(&self) -> String;
    /// Reads it.
    fn assign(&mut self, args: &[&[u8]], origin: Origin) -> Result<(), String>;
    /// The lines for CONFIG REWRITE, `default` being the default's text.
    fn lines(&self, name: &str, default: &str) -> Vec<Line> {
        let text = self.text();
        vec![Line::plain(name, if text.is_empty() { "\"\"" } else { &text }, text != default)]
    }
}

const WRONG_NUMBER: &str = "wrong number of arguments";

/// What C's `strtol` makes of a whole text: white space before, a sign, digits; no digits are 0, too many the limit.
/// `None` when something follows or the base does not have a digit.
pub(super) fn lenient_integer(text: &[u8], base: u32) -> Option<i64> {
    let text = text.split(|b| *b == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0);
    }
    let blanks = text.iter().take_while(|b| matches!(b, b' ' | b'\t'..=b'\r')).count();
    let (negative, digits) = match text.get(blanks..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0i64, |value, digit| {
        let digit = i64::from(char::from(*digit).to_digit(base)?);
        let value = value.saturating_mul(i64::from(base));
        Some(if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) })
    })
}

/// The lower 32 bits as a signed number: what Redis keeps of a number it stores in an `int`.
fn as_int(value: i64) -> i64 {
    i64::from(value as i32)
}

/// One `save <seconds> <changes>`: a snapshot is taken when so much time has passed and so much has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last snapshot, at least 1.
    pub seconds: i64,
    /// Changes since then, at least 0.
    pub changes: i64,
}

impl SavePoint {
    /// The points of a Redis that is not told any.
    pub const DEFAULT: [SavePoint; 3] = [
        SavePoint { seconds: 3600, changes: 1 },
        SavePoint { seconds: 300, changes: 100 },
        SavePoint { seconds: 60, changes: 10_000 },
    ];
}

/// `save`.
impl Setting for Vec<SavePoint> {
    fn text(&self) -> String {
        let points: Vec<_> = self.iter().map(|p| format!("{} {}", p.seconds, p.changes)).collect();
        points.join(" ")
    }

    fn assign(&mut self, args: &[&[u8]], origin: Origin) -> Result<(), String> {
        if args.is_empty() {
            self.clear();
            return Ok(());
        }
        let (pairs, rest) = args.as_chunks::<2>();
        let points: Option<Vec<_>> = pairs
            .iter()
            .map(|[seconds, changes]| {
                let seconds = lenient_integer(seconds, 10)?;
                let changes = as_int(lenient_integer(changes, 10)?);
                (seconds >= 1 && changes >= 0).then_some(SavePoint { seconds, changes })
            })
            .collect();
        let points = points.filter(|_| rest.is_empty()).ok_or("Invalid save parameters")?;
        // The first directive of a file replaces the default, each further one adds to it.
        if !matches!(origin, Origin::File { again: true }) {
            self.clear();
        }
        self.extend(points);
        Ok(())
    }

    fn lines(&self, name: &str, _: &str) -> Vec<Line> {
        if self.is_empty() {
            return vec![Line::plain(name, "\"\"", true)];
        }
        self.iter().map(|p| Line::plain(name, &format!("{} {}", p.seconds, p.changes), true)).collect()
    }
}

/// `bind`.
impl Setting for Vec<String> {
    fn text(&self) -> String {
        self.join(" ")
    }

    fn assign(&mut self, args: &[&[u8]], _: Origin) -> Result<(), String> {
        /// As many as Redis takes.
        const MAX_ADDRESSES: usize = 16;
        if args.len() > MAX_ADDRESSES {
            return Err("Too many bind addresses specified.".into());
        }
        *self = args.iter().map(|a| utf8(a)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn lines(&self, name: &str, default: &str) -> Vec<Line> {
        let text = self.text();
        // As in Redis, the default is not even kept where the file has it.
        if text == default {
            return Vec::new();
        }
        vec![Line::plain(name, if text.is_empty() { "\"\"" } else { &text }, true)]
    }
}

/// A text that has to be UTF-8 here.
pub(super) fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "argument must be valid UTF-8".into())
}

/// When a client that does not read its replies is disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OutputBufferLimit {
    /// At once from so many bytes on; 0 is never.
    pub hard: u64,
    /// When it has been at so many bytes for `seconds` seconds; 0 is never.
    pub soft: u64,
    /// Seconds.
    pub seconds: i64,
}

/// `client-output-buffer-limit`, by class of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimits {
    /// Clients that are nothing else.
    pub normal: OutputBufferLimit,
    /// Replicas.
    pub replica: OutputBufferLimit,
    /// Clients subscribed to anything.
    pub pubsub: OutputBufferLimit,
}

impl Default for OutputBufferLimits {
    fn default() -> Self {
        OutputBufferLimits {
            normal: OutputBufferLimit::default(),
            replica: OutputBufferLimit { hard: 256 << 20, soft: 64 << 20, seconds: 60 },
            pubsub: OutputBufferLimit { hard: 32 << 20, soft: 8 << 20, seconds: 60 },
        }
    }
}

impl Setting for OutputBufferLimits {
    fn text(&self) -> String {
        let class = |name, l: OutputBufferLimit| format!("{name} {} {} {}", l.hard, l.soft, l.seconds);
        [class("normal", self.normal), class("slave", self.replica), class("pubsub", self.pubsub)].join(" ")
    }

    fn assign(&mut self, args: &[&[u8]], _: Origin) -> Result<(), String> {
        let (groups, rest) = args.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut new = *self;
        for [class, hard, soft, seconds] in groups {
            let limit = match class.to_ascii_lowercase().as_slice() {
                b"normal" => &mut new.normal,
                b"slave" | b"replica" => &mut new.replica,
                b"pubsub" => &mut new.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
            };
            let read = || {
                let seconds = lenient_integer(seconds, 10).map(as_int).filter(|s| *s >= 0)?;
                Some(OutputBufferLimit { hard: parse_memory(hard)?, soft: parse_memory(soft)?, seconds })
            };
            *limit = read().ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        }
        *self = new;
        Ok(())
    }

    fn lines(&self, name: &str, _: &str) -> Vec<Line> {
        let default = Self::default();
        [
            ("normal", self.normal, default.normal),
            ("replica", self.replica, default.replica),
            ("pubsub", self.pubsub, default.pubsub),
        ]
        .map(|(class, l, default)| {
            let text = format!("{class} {} {} {}", memory_text(l.hard), memory_text(l.soft), l.seconds);
            Line::plain(name, &text, l != default)
        })
        .into()
    }
}

/// A number of bytes as CONFIG REWRITE writes it: in the greatest unit that has it exactly.
pub(super) fn memory_text(bytes: u64) -> String {
    match [(30, "gb"), (20, "mb"), (10, "kb")].iter().find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift)
    {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// `shutdown-on-sigint` and `shutdown-on-sigterm`: the arguments of the SHUTDOWN that a signal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ShutdownFlags {
    /// Take a snapshot even without save points.
    pub save: bool,
    /// Take none.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Go on whatever fails.
    pub force: bool,
}

impl ShutdownFlags {
    /// `default`: as SHUTDOWN without arguments.
    pub const NONE: Self = ShutdownFlags { save: false, nosave: false, now: false, force: false };
}

impl Setting for ShutdownFlags {
    fn text(&self) -> String {
        let words = [(self.save, "save"), (self.nosave, "nosave"), (self.now, "now"), (self.force, "force")];
        let words: Vec<_> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        if words.is_empty() { "default".into() } else { words.join(" ") }
    }

    fn assign(&mut self, args: &[&[u8]], _: Origin) -> Result<(), String> {
        let mut new = ShutdownFlags::default();
        for word in args {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => new.save = true,
                b"nosave" => new.nosave = true,
                b"now" => new.now = true,
                b"force" => new.force = true,
                _ => return Err(one_of(&["default", "save", "nosave", "now", "force"])),
            }
        }
        if args.is_empty() {
            return Err(one_of(&["default", "save", "nosave", "now", "force"]));
        }
        if new.save && new.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        *self = new;
        Ok(())
    }
}

/// The error for a word that is none of those a directive takes.
pub(super) fn one_of(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

/// `latency-tracking-info-percentiles`.
impl Setting for Vec<f64> {
    fn text(&self) -> String {
        let number = |p: &f64| {
            let text = format!("{p:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        self.iter().map(number).collect::<Vec<_>>().join(" ")
    }

    fn assign(&mut self, args: &[&[u8]], _: Origin) -> Result<(), String> {
        let mut new = Vec::new();
        for arg in args {
            let p = parse_f64(arg).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&p) {
                return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
            }
            new.push(p);
        }
        *self = new;
        Ok(())
    }

    fn lines(&self, name: &str, _: &str) -> Vec<Line> {
        let text = self.text();
        vec![Line::plain(name, if text.is_empty() { "\"\"" } else { &text }, true)]
    }
}

/// `oom-score-adj-values`: for the server, for replicas, for background work.
impl Setting for [i64; 3] {
    fn text(&self) -> String {
        self.map(|v| v.to_string()).join(" ")
    }

    fn assign(&mut self, args: &[&[u8]], _: Origin) -> Result<(), String> {
        let args: [&[u8]; 3] = args.try_into().map_err(|_| WRONG_NUMBER)?;
        let mut new = *self;
        for (slot, arg) in new.iter_mut().zip(args) {
            *slot = lenient_integer(arg, 10)
                .filter(|v| (-2000..=2000).contains(v))
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
        }
        *self = new;
        Ok(())
    }
}

/// `replicaof`: the host and port of the master.
impl Setting for Option<(String, u16)> {
    fn text(&self) -> String {
        self.as_ref().map(|(host, port)| format!("{host} {port}")).unwrap_or_default()
    }

    fn assign(&mut self, args: &[&[u8]], _: Origin) -> Result<(), String> {
        let [host, port] = args else { return Err(WRONG_NUMBER.into()) };
        *self = if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            None
        } else {
            let port = parse_i64(port).and_then(|p| p.try_into().ok()).ok_or("Invalid master port")?;
            Some((utf8(host)?, port))
        };
        Ok(())
    }

    fn lines(&self, name: &str, _: &str) -> Vec<Line> {
        self.iter().map(|(host, port)| Line::plain(name, &format!("{host} {port}"), true)).collect()
    }
}

/// `notify-keyspace-events`.
impl Setting for NotifyFlags {
    fn text(&self) -> String {
        self.letters()
    }

    fn assign(&mut self, args: &[&[u8]], _: Origin) -> Result<(), String> {
        let [letters] = args else { return Err(WRONG_NUMBER.into()) };
        *self = NotifyFlags::parse(letters).ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        Ok(())
    }

    fn lines(&self, name: &str, default: &str) -> Vec<Line> {
        let text = self.text();
        vec![Line::quoted(name, text.as_bytes(), text != default)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<S: Setting>(value: &mut S, text: &str) -> Result<String, String> {
        let args: Vec<&[u8]> = text.split(' ').map(str::as_bytes).filter(|_| !text.is_empty()).collect();
        value.assign(&args, Origin::Set).map(|()| value.text())
    }

    #[test]
    fn integers_as_strtol_reads_them() {
        for (text, base, value) in [
            ("", 10, Some(0)),
            ("0", 10, Some(0)),
            ("-0", 10, Some(0)),
            ("\t +7", 10, Some(7)),
            ("0777", 8, Some(0o777)),
            ("9", 8, None),
            ("0x10", 10, None),
            ("1 ", 10, None),
            ("-", 10, None),
            ("99999999999999999999", 10, Some(i64::MAX)),
            ("-99999999999999999999", 10, Some(i64::MIN)),
        ] {
            assert_eq!(lenient_integer(text.as_bytes(), base), value, "{text:?}");
        }
    }

    #[test]
    fn memory_is_written_in_the_greatest_exact_unit() {
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (1024, "1kb"),
            (16_384, "16kb"),
            (1_000_000, "1000000"),
            (100 << 20, "100mb"),
            (1 << 30, "1gb"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(memory_text(bytes), text);
            assert_eq!(parse_memory(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn save_points() {
        let mut save = SavePoint::DEFAULT.to_vec();
        assert_eq!(save.text(), "3600 1 300 100 60 10000");
        for bad in ["3600", "0 1", "-1 1", "3600 -1", "3600  1", "a b", "1 2 3"] {
            assert_eq!(set(&mut save, bad), Err("Invalid save parameters".into()), "{bad}");
        }
        assert_eq!(set(&mut save, "1 "), Ok("1 0".into()));
        assert_eq!(set(&mut save, "3600 99999999999"), Ok("3600 1215752191".into()));
        assert_eq!(set(&mut save, "10 1 20 2"), Ok("10 1 20 2".into()));
        assert_eq!(save.assign(&[b"30", b"3"], Origin::File { again: true }), Ok(()));
        assert_eq!(save.text(), "10 1 20 2 30 3");
        assert_eq!(save.assign(&[b"30", b"3"], Origin::File { again: false }), Ok(()));
        assert_eq!(save.text(), "30 3");
        assert_eq!(set(&mut save, ""), Ok(String::new()));
    }

    #[test]
    fn output_buffer_limits() {
        let mut limits = OutputBufferLimits::default();
        for (given, shown) in [
            ("replica 1mb 1mb 1", "normal 0 0 0 slave 1048576 1048576 1 pubsub 33554432 8388608 60"),
            ("NORMAL 1 2 99999999999", "normal 1 2 1215752191 slave 1048576 1048576 1 pubsub 33554432 8388608 60"),
            ("pubsub 0 0 0 normal 0 0 -0", "normal 0 0 0 slave 1048576 1048576 1 pubsub 0 0 0"),
        ] {
            assert_eq!(set(&mut limits, given), Ok(shown.into()));
        }
        let before = limits;
        for (given, error) in [
            ("normal 1 2", "Wrong number of arguments in buffer limit configuration."),
            ("normal 5 5 5 master 1 1 1", "Invalid client class specified in buffer limit configuration."),
            ("normal -1 0 0", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
            ("normal 1 1 -1", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
            ("normal 1 1 4294967295", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ] {
            assert_eq!(set(&mut limits, given), Err(error.into()));
        }
        assert_eq!(limits, before);
    }

    #[test]
    fn shutdown_flags_and_percentiles() {
        let mut flags = ShutdownFlags::default();
        assert_eq!(set(&mut flags, "now force save"), Ok("save now force".into()));
        assert_eq!(set(&mut flags, "default SAVE"), Ok("save".into()));
        assert_eq!(
            set(&mut flags, "save nosave"),
            Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into())
        );
        assert_eq!(set(&mut flags, "now  force").err(), Some(one_of(&["default", "save", "nosave", "now", "force"])));
        assert_eq!(set(&mut flags, "default"), Ok("default".into()));
        let mut p: Vec<f64> = vec![];
        assert_eq!(set(&mut p, "0.001 1e-7 99.9999999 0x10 50.0"), Ok("0.001 0 100 16 50".into()));
        assert_eq!(
            set(&mut p, "100.1"),
            Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into())
        );
        assert_eq!(set(&mut p, "nan"), Err("Invalid latency-tracking-info-percentiles parameters".into()));
    }
}
