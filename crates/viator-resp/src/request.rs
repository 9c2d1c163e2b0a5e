//! Requests: the incremental parser of what clients send, multibulk and inline.
//!
//! The parser works on whatever has arrived so far and remembers where it stopped, so that a command that comes one byte
//! at a time costs no more than one that comes whole. Nothing is copied: arguments are ranges of the input.

use memchr::{memchr, memchr2};

/// Longest inline request, and longest header line of a multibulk one, bytes.
pub const MAX_INLINE: usize = 64 * 1024;

/// The arguments of a command, the name first: ranges of one buffer.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    buf: &'a [u8],
    ranges: &'a [(u32, u32)],
}

impl<'a> Args<'a> {
    /// No arguments at all.
    pub const EMPTY: Args<'static> = Args { buf: &[], ranges: &[] };

    /// Arguments that are these ranges (start, length) of a buffer.
    #[inline]
    pub fn new(buf: &'a [u8], ranges: &'a [(u32, u32)]) -> Args<'a> {
        Args { buf, ranges }
    }

    /// Number of arguments, the name included.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a command has at least its name")]
    pub fn len(self) -> usize {
        self.ranges.len()
    }

    /// The argument at `i`, or an empty slice beyond the end (arity was checked before a handler sees them).
    #[inline]
    pub fn at(self, i: usize) -> &'a [u8] {
        self.get(i).unwrap_or_default()
    }

    /// The argument at `i`.
    #[inline]
    pub fn get(self, i: usize) -> Option<&'a [u8]> {
        let &(start, len) = self.ranges.get(i)?;
        self.buf.get(start as usize..start as usize + len as usize)
    }

    /// All arguments.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator {
        self.ranges.iter().map(move |&(s, l)| self.buf.get(s as usize..s as usize + l as usize).unwrap_or_default())
    }

    /// The arguments from `from` on.
    pub fn from(self, from: usize) -> Args<'a> {
        Args { buf: self.buf, ranges: self.ranges.get(from..).unwrap_or_default() }
    }

    /// The first `n` arguments, or all if there are fewer.
    pub fn first(self, n: usize) -> Args<'a> {
        Args { buf: self.buf, ranges: self.ranges.get(..n).unwrap_or(self.ranges) }
    }

    /// Bytes of all arguments together.
    pub fn bytes(self) -> usize {
        self.ranges.iter().map(|r| r.1 as usize).sum()
    }
}

/// Arguments that own their bytes: queued, blocked or rewritten commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedArgs {
    buf: Vec<u8>,
    ranges: Vec<(u32, u32)>,
}

impl OwnedArgs {
    /// A copy of arguments.
    pub fn copy(args: Args<'_>) -> OwnedArgs {
        let mut owned = OwnedArgs { buf: Vec::with_capacity(args.bytes()), ranges: Vec::with_capacity(args.len()) };
        for a in args.iter() {
            owned.push(a);
        }
        owned
    }

    /// Arguments from slices.
    pub fn from_slices<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> OwnedArgs {
        let mut owned = OwnedArgs::default();
        for i in items {
            owned.push(i.as_ref());
        }
        owned
    }

    /// Appends an argument.
    pub fn push(&mut self, arg: &[u8]) {
        self.ranges.push((self.buf.len() as u32, arg.len() as u32));
        self.buf.extend_from_slice(arg);
    }

    /// Appends an integer.
    pub fn push_int(&mut self, n: i64) {
        self.push(itoa::Buffer::new().format(n).as_bytes());
    }

    /// Empties it, keeping a moderate amount of memory.
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.buf.clear();
        self.buf.shrink_to(64 * 1024);
        self.ranges.shrink_to(4 * 1024);
    }

    /// Them, borrowed.
    pub fn args(&self) -> Args<'_> {
        Args { buf: &self.buf, ranges: &self.ranges }
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        self.buf.capacity() + self.ranges.capacity() * 8
    }
}

/// What bounds a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest bulk, bytes (`proto-max-bulk-len`).
    pub max_bulk: u64,
    /// Whether the client has authenticated: before, requests are kept tiny.
    pub authenticated: bool,
}

/// A violation of the protocol. The text is what Redis says; the connection is closed after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

fn err<T>(text: &str) -> Result<T, ProtocolError> {
    Err(ProtocolError(text.to_owned()))
}

/// How inline requests are split into arguments: `None` for unbalanced quotes.
pub type SplitInline = fn(&[u8]) -> Option<Vec<Vec<u8>>>;

/// The incremental parser; see the module.
pub struct Parser {
    ranges: Vec<(u32, u32)>,
    /// Arguments still to come of the multibulk being read, or 0 outside one.
    missing: u64,
    /// Length of the bulk whose header was read, or -1.
    bulk: i64,
    /// Where parsing goes on, from the beginning of the command.
    pos: usize,
    /// The arguments of an inline request, unescaped.
    inline: Vec<u8>,
    is_inline: bool,
    split: SplitInline,
}

/// What one call of [`Parser::parse`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// A whole command of so many input bytes; [`Parser::args`] gives it.
    Command(usize),
    /// So many input bytes without a command (an empty line, `*0`).
    Nothing(usize),
    /// More input is needed; call again with the same bytes and more behind them.
    Incomplete,
}

impl Parser {
    /// A parser at the beginning of a connection.
    pub fn new(split: SplitInline) -> Parser {
        Parser { ranges: Vec::new(), missing: 0, bulk: -1, pos: 0, inline: Vec::new(), is_inline: false, split }
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        self.ranges.capacity() * 8 + self.inline.capacity()
    }

    /// Whether a command has begun and not ended.
    pub fn in_command(&self) -> bool {
        self.missing > 0
    }

    /// Of the bytes of a command that has begun, those that were taken already.
    pub fn taken(&self) -> usize {
        if self.missing > 0 { self.pos } else { 0 }
    }

    /// Bytes of the announced bulk that have not arrived of `have` bytes since the command's beginning.
    pub fn wanted(&self, have: usize) -> usize {
        if self.bulk >= 0 { (self.pos + self.bulk as usize + 2).saturating_sub(have) } else { 0 }
    }

    /// The command that [`Parser::parse`] found at the beginning of `buf`.
    #[inline]
    pub fn args<'a>(&'a self, buf: &'a [u8]) -> Args<'a> {
        Args { buf: if self.is_inline { &self.inline } else { buf }, ranges: &self.ranges }
    }

    /// The ranges of the command that [`Parser::parse`] found, unless it was inline and they are not of the input.
    #[inline]
    pub fn ranges(&self) -> Option<&[(u32, u32)]> {
        if self.is_inline { None } else { Some(&self.ranges) }
    }

    /// Forgets a command that has begun: its bytes will be given again from their beginning.
    pub fn restart(&mut self) {
        self.missing = 0;
        self.bulk = -1;
    }

    /// Gives back memory of an unusually large command, once it is over.
    pub fn shrink(&mut self) {
        if self.missing == 0 && self.ranges.capacity() > 1024 {
            self.ranges = Vec::new();
        }
        if self.inline.capacity() > 4096 {
            self.inline = Vec::new();
        }
    }

    /// Takes a command that has arrived whole and whose headers are short, as nearly all are: adds its arguments' ranges to
    /// `ranges` and returns its length. Anything else is left to [`Parser::parse`], and nothing has changed.
    #[inline]
    pub fn parse_whole(&self, buf: &[u8], limits: Limits, ranges: &mut Vec<(u32, u32)>) -> Option<usize> {
        if self.missing != 0 || !limits.authenticated || buf.first() != Some(&b'*') {
            return None;
        }
        let (n, mut pos) = short_int(buf, 1)?;
        if n == 0 {
            return None;
        }
        let before = ranges.len();
        for _ in 0..n {
            let Some(len) = short_bulk(buf, &mut pos).filter(|&len| u64::from(len) <= limits.max_bulk) else {
                ranges.truncate(before);
                return None;
            };
            ranges.push((pos as u32, len));
            pos += len as usize + 2;
        }
        Some(pos)
    }

    /// Looks for a command at the beginning of `buf`.
    ///
    /// # Errors
    /// The protocol errors of Redis; the connection must be closed.
    #[inline]
    pub fn parse(&mut self, buf: &[u8], limits: Limits) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            match buf.first() {
                None => return Ok(Parsed::Incomplete),
                Some(b'*') => {}
                Some(_) => return self.parse_inline(buf),
            }
            self.is_inline = false;
            let (n, next) = match short_int(buf, 1) {
                Some(found) => found,
                None => {
                    let Some((line, next)) = header(buf, 1, "too big mbulk count string")? else {
                        return Ok(Parsed::Incomplete);
                    };
                    let Some(n) = parse_int(line).filter(|&n| n <= i64::from(i32::MAX)) else {
                        return err("Protocol error: invalid multibulk length");
                    };
                    (n, next)
                }
            };
            if n > 10 && !limits.authenticated {
                return err("Protocol error: unauthenticated multibulk length");
            }
            if n <= 0 {
                return Ok(Parsed::Nothing(next));
            }
            self.missing = n as u64;
            self.pos = next;
            self.bulk = -1;
            self.ranges.clear();
        }
        while self.missing > 0 {
            if self.bulk < 0 {
                let Some(&c) = buf.get(self.pos) else { return Ok(Parsed::Incomplete) };
                if c != b'$' {
                    // the header line must be there before it is judged, as Redis reads it
                    if header(buf, self.pos, "too big bulk count string")?.is_none() {
                        return Ok(Parsed::Incomplete);
                    }
                    let shown =
                        if c.is_ascii() { (c as char).to_string() } else { String::from_utf8_lossy(&[c]).into() };
                    return err(&format!("Protocol error: expected '$', got '{shown}'"));
                }
                let (n, next) = match short_int(buf, self.pos + 1) {
                    Some((n, next)) if n as u64 <= limits.max_bulk => (n, next),
                    _ => {
                        let Some((line, next)) = header(buf, self.pos + 1, "too big bulk count string")? else {
                            return Ok(Parsed::Incomplete);
                        };
                        let Some(n) = parse_int(line).filter(|&n| n >= 0 && n as u64 <= limits.max_bulk) else {
                            return err("Protocol error: invalid bulk length");
                        };
                        (n, next)
                    }
                };
                if n > 16384 && !limits.authenticated {
                    return err("Protocol error: unauthenticated bulk length");
                }
                self.pos = next;
                self.bulk = n;
            }
            let end = self.pos + self.bulk as usize;
            if buf.len() < end + 2 {
                return Ok(Parsed::Incomplete);
            }
            if end > u32::MAX as usize {
                return err("Protocol error: too big command");
            }
            self.ranges.push((self.pos as u32, self.bulk as u32));
            self.pos = end + 2;
            self.bulk = -1;
            self.missing -= 1;
        }
        Ok(Parsed::Command(self.pos))
    }

    fn parse_inline(&mut self, buf: &[u8]) -> Result<Parsed, ProtocolError> {
        // as in Redis, a line ends before a NUL or not at all
        let Some(end) = memchr2(b'\n', 0, buf).filter(|&end| buf.get(end) == Some(&b'\n')) else {
            if buf.len() > MAX_INLINE {
                return err("Protocol error: too big inline request");
            }
            return Ok(Parsed::Incomplete);
        };
        if end > MAX_INLINE {
            return err("Protocol error: too big inline request");
        }
        let line = buf.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(words) = (self.split)(line) else {
            return err("Protocol error: unbalanced quotes in request");
        };
        self.ranges.clear();
        self.inline.clear();
        self.is_inline = true;
        for w in words {
            self.ranges.push((self.inline.len() as u32, w.len() as u32));
            self.inline.extend_from_slice(&w);
        }
        if self.ranges.is_empty() { Ok(Parsed::Nothing(end + 1)) } else { Ok(Parsed::Command(end + 1)) }
    }
}

/// What nearly every header line is: a number of one to three digits, and the line's whole end. Gives the number and where
/// the next line begins; `None` for anything else, which [`header`] and [`parse_int`] then judge.
#[inline(always)]
fn short_int(buf: &[u8], from: usize) -> Option<(i64, usize)> {
    let [a, b, c, d, e] = *buf.get(from..)?.first_chunk::<5>()?;
    let digit = |byte: u8| byte.wrapping_sub(b'0');
    let first = digit(a);
    if first > 9 {
        return None;
    }
    if b == b'\r' {
        return Some((i64::from(first), from + 3));
    }
    let second = digit(b);
    if first == 0 || second > 9 {
        return None;
    }
    let two = i64::from(first) * 10 + i64::from(second);
    if c == b'\r' {
        return Some((two, from + 4));
    }
    let third = digit(c);
    if third > 9 || d != b'\r' {
        return None;
    }
    let _ = e; // the byte after the carriage return is there
    Some((two * 10 + i64::from(third), from + 5))
}

/// The length of the bulk whose header is at `pos`, if that is a short one and the whole bulk is there; `pos` moves to its
/// first byte.
#[inline(always)]
fn short_bulk(buf: &[u8], pos: &mut usize) -> Option<u32> {
    if buf.get(*pos) != Some(&b'$') {
        return None;
    }
    let (len, next) = short_int(buf, *pos + 1)?;
    *pos = next;
    let len = len as u32;
    (next + len as usize + 2 <= buf.len() && next <= u32::MAX as usize).then_some(len)
}

/// The header line that begins at `from`, and where the next one begins. `None`: not there yet.
#[inline]
fn header<'a>(buf: &'a [u8], from: usize, too_big: &str) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
    let rest = buf.get(from..).unwrap_or_default();
    // header lines are a few digits: a plain loop beats a search routine
    let at = rest.iter().take(24).position(|&b| b == b'\r').or_else(|| memchr(b'\r', rest));
    match at {
        Some(n) if n > MAX_INLINE => err(&format!("Protocol error: {too_big}")),
        Some(n) if rest.len() > n + 1 => Ok(rest.get(..n).map(|line| (line, from + n + 2))),
        Some(_) => Ok(None),
        None if rest.len() > MAX_INLINE => err(&format!("Protocol error: {too_big}")),
        None => Ok(None),
    }
}

/// A decimal integer as Redis's string2ll takes it: no blanks, no plus sign, no leading zeros.
#[inline]
fn parse_int(line: &[u8]) -> Option<i64> {
    let (negative, digits) = match line.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, line),
    };
    match digits {
        [] => return None,
        [b'0'] if !negative => return Some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    if digits.len() > 18 {
        return None;
    }
    let mut n = 0i64;
    for &d in digits {
        if !d.is_ascii_digit() {
            return None;
        }
        n = n * 10 + i64::from(d - b'0');
    }
    Some(if negative { -n } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        Some(line.split(|b| *b == b' ').filter(|w| !w.is_empty()).map(<[u8]>::to_vec).collect())
    }

    const LIMITS: Limits = Limits { max_bulk: 1 << 29, authenticated: true };

    fn error(input: &[u8]) -> String {
        match Parser::new(split).parse(input, LIMITS) {
            Err(e) => e.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn violations_are_named_as_redis_names_them() {
        assert_eq!(error(b"*x\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error(b"*3000000000\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(error(b"*1\r\nfoo\r\n"), "Protocol error: expected '$', got 'f'");
        assert_eq!(error(b"*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(error(b"*1\r\n$600000000\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(error(&[b'a'; MAX_INLINE + 1]), "Protocol error: too big inline request");
        // no matter whether the line's end has come
        let whole = [&[b'a'; MAX_INLINE + 1][..], b"\r\n"].concat();
        assert_eq!(error(&whole), "Protocol error: too big inline request");
        assert_eq!(error(&[&b"*"[..], &[b'1'; MAX_INLINE + 1]].concat()), "Protocol error: too big mbulk count string");
        assert_eq!(
            error(&[&b"*1\r\n$"[..], &[b'1'; MAX_INLINE + 1]].concat()),
            "Protocol error: too big bulk count string"
        );
    }

    #[test]
    fn nothing_is_skipped_as_nothing() {
        assert_eq!(Parser::new(split).parse(b"\r\nPING\r\n", LIMITS), Ok(Parsed::Nothing(2)));
        assert_eq!(Parser::new(split).parse(b"*0\r\n", LIMITS), Ok(Parsed::Nothing(4)));
        assert_eq!(Parser::new(split).parse(b"*-7\r\nX", LIMITS), Ok(Parsed::Nothing(5)));
    }

    /// The beginning of a command with many arguments is all that is known of them until its end has come.
    #[test]
    fn shrinking_forgets_no_arguments() {
        let mut wire = b"*5000\r\n".to_vec();
        for i in 0..5000 {
            wire.extend(format!("$4\r\n{i:04}\r\n").bytes());
        }
        let mut p = Parser::new(split);
        assert_eq!(p.parse(&wire[..wire.len() / 2], LIMITS), Ok(Parsed::Incomplete));
        p.shrink();
        assert_eq!(p.parse(&wire, LIMITS), Ok(Parsed::Command(wire.len())));
        let args = p.args(&wire);
        assert_eq!((args.len(), args.at(0), args.at(4999)), (5000, &b"0000"[..], &b"4999"[..]));
        p.shrink();
        assert_eq!(p.memory(), 0);
    }

    #[test]
    fn strangers_may_send_little() {
        let limits = Limits { authenticated: false, ..LIMITS };
        assert!(Parser::new(split).parse(b"*11\r\n", limits).is_err());
        assert!(Parser::new(split).parse(b"*1\r\n$16385\r\n", limits).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// However the bytes are cut, the same commands come out.
        #[test]
        fn cuts_do_not_matter(cmds in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..5), 1..8),
                              cuts in prop::collection::vec(1usize..7, 1..200)) {
            let mut wire = Vec::new();
            for c in &cmds {
                wire.extend(format!("*{}\r\n", c.len()).bytes());
                for a in c {
                    wire.extend(format!("${}\r\n", a.len()).bytes());
                    wire.extend(a);
                    wire.extend(b"\r\n");
                }
            }
            let mut got: Vec<Vec<Vec<u8>>> = Vec::new();
            let mut p = Parser::new(split);
            let (mut start, mut end, mut cut) = (0, 0, cuts.iter().cycle());
            while start < wire.len() {
                match p.parse(&wire[start..end], LIMITS).unwrap() {
                    Parsed::Command(n) => {
                        got.push(p.args(&wire[start..end]).iter().map(<[u8]>::to_vec).collect());
                        start += n;
                    }
                    Parsed::Nothing(n) => start += n,
                    Parsed::Incomplete => {
                        prop_assert!(end < wire.len());
                        end = (end + cut.next().unwrap()).min(wire.len());
                    }
                }
            }
            prop_assert_eq!(got, cmds);
        }

        /// What is taken whole is what the general way takes.
        #[test]
        fn whole_commands_are_the_same(cmd in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1200), 0..12), cut in 0usize..40) {
            let mut wire = format!("*{}\r\n", cmd.len()).into_bytes();
            for a in &cmd {
                wire.extend(format!("${}\r\n", a.len()).bytes());
                wire.extend(a);
                wire.extend(b"\r\n");
            }
            wire.extend(b"*1\r\n");
            wire.truncate(wire.len().saturating_sub(cut));
            let mut p = Parser::new(split);
            let mut ranges = vec![(7, 7)];
            let whole = p.parse_whole(&wire, LIMITS, &mut ranges);
            let parsed = p.parse(&wire, LIMITS);
            let begun = parsed == Ok(Parsed::Incomplete) && p.in_command();
            match whole {
                Some(n) => {
                    prop_assert_eq!(parsed, Ok(Parsed::Command(n)));
                    prop_assert_eq!(Some(&ranges[1..]), p.ranges());
                }
                None => {
                    prop_assert_eq!(&ranges[..], [(7, 7)]);
                    let short = cut < 4 && !cmd.is_empty() && cmd.iter().all(|a| a.len() < 1000);
                    prop_assert!(!short, "{:?}", parsed);
                }
            }
            // one that has begun is not begun again
            if begun {
                prop_assert_eq!(p.parse_whole(&wire, LIMITS, &mut ranges), None);
            }
        }

        /// No input makes the parser fail but with its own errors.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), any::<u8>()], 0..60)) {
            let mut p = Parser::new(split);
            let mut at = 0;
            while let Ok(Parsed::Command(n) | Parsed::Nothing(n)) = p.parse(&bytes[at..], LIMITS) {
                prop_assert!(n > 0);
                at += n;
            }
        }
    }
}
