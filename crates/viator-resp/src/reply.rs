//! Replies: the writer of RESP2 and RESP3.

use std::sync::Arc;

/// Bulks from this length on are referenced by a reply instead of copied into it.
pub const SHARE_FROM: usize = 32 * 1024;

/// The private characters that stand for bytes in error lines: the first for byte 0.
const BYTE_0: char = '\u{10ff00}';
const BYTE_MAX: char = '\u{10ffff}';

/// What an error line shows of an argument: as C's `%.128s` does, at most 128 bytes and none from the first NUL on. What is
/// not UTF-8 is disguised, one character for each byte, until [`Reply::error`] writes the line.
pub fn shown(arg: &[u8]) -> String {
    shown_whole(arg.get(..128).unwrap_or(arg))
}

/// What an error line shows of an argument as C's `%s` does: as [`shown`], whatever its length.
pub fn shown_whole(arg: &[u8]) -> String {
    let arg = arg.split(|b| *b == 0).next().unwrap_or_default();
    let disguised = |b: &u8| char::from_u32(u32::from(BYTE_0) + u32::from(*b)).unwrap_or(BYTE_0);
    let mut text = String::with_capacity(arg.len());
    for chunk in arg.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                // it would be taken for a disguised byte
                BYTE_0..=BYTE_MAX => text.extend(c.encode_utf8(&mut [0; 4]).as_bytes().iter().map(disguised)),
                c => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().map(disguised));
    }
    text
}

/// As [`shown`], of any length and up to the end: for lines that are not made of an argument.
pub fn shown_all(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for part in line.split(|b| *b == 0) {
        for chunk in part.chunks(128) {
            text.push_str(&shown(chunk));
        }
    }
    text
}

/// A value that is spliced into a reply before the byte at this position.
pub type Shared = (usize, Arc<Vec<u8>>);

/// A reply under construction: bytes, with long shared values spliced in.
#[derive(Default)]
pub struct Reply {
    buf: Vec<u8>,
    /// Values to be sent before the byte at this position of `buf`.
    shared: Vec<Shared>,
    resp3: bool,
}

impl Reply {
    /// An empty RESP2 reply.
    pub fn new() -> Reply {
        Reply::default()
    }

    /// Whether replies are RESP3.
    #[inline]
    pub fn resp3(&self) -> bool {
        self.resp3
    }

    /// Chooses the protocol of what follows.
    pub fn set_resp3(&mut self, on: bool) {
        self.resp3 = on;
    }

    /// Bytes to be sent, shared values included.
    pub fn len(&self) -> usize {
        self.buf.len() + self.shared.iter().map(|s| s.1.len()).sum::<usize>()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty() && self.shared.is_empty()
    }

    /// Position to which [`Reply::truncate`] can go back.
    #[inline]
    pub fn mark(&self) -> (usize, usize) {
        (self.buf.len(), self.shared.len())
    }

    /// Takes back what was written since the mark.
    pub fn truncate(&mut self, mark: (usize, usize)) {
        self.buf.truncate(mark.0);
        self.shared.truncate(mark.1);
    }

    /// Whether something was written since the mark.
    #[inline]
    pub fn grew(&self, mark: (usize, usize)) -> bool {
        self.buf.len() != mark.0 || self.shared.len() != mark.1
    }

    /// The bytes since the mark, if no shared value is among them.
    pub fn since(&self, mark: (usize, usize)) -> &[u8] {
        self.buf.get(mark.0..).unwrap_or_default()
    }

    /// The bytes and the shared values with their positions.
    pub fn parts(&self) -> (&[u8], &[Shared]) {
        (&self.buf, &self.shared)
    }

    /// All bytes in one piece.
    pub fn flatten(&self) -> std::borrow::Cow<'_, [u8]> {
        if self.shared.is_empty() {
            return self.buf.as_slice().into();
        }
        let mut all = Vec::with_capacity(self.len());
        let mut from = 0;
        for (at, value) in &self.shared {
            all.extend_from_slice(self.buf.get(from..*at).unwrap_or_default());
            all.extend_from_slice(value);
            from = *at;
        }
        all.extend_from_slice(self.buf.get(from..).unwrap_or_default());
        all.into()
    }

    /// Empties it, keeping a moderate amount of memory.
    pub fn clear(&mut self) {
        self.shared.clear();
        self.buf.clear();
        if self.buf.capacity() > 256 * 1024 {
            self.buf = Vec::with_capacity(16 * 1024);
        }
    }

    /// Empties it, and gives back memory beyond what replies take as a rule.
    pub fn release(&mut self) {
        self.clear();
        if self.buf.capacity() > 16 * 1024 {
            self.buf = Vec::with_capacity(16 * 1024);
        }
    }

    /// Appends another reply.
    pub fn append(&mut self, other: &Reply) {
        let at = self.buf.len();
        self.buf.extend_from_slice(&other.buf);
        self.shared.extend(other.shared.iter().map(|(p, v)| (p + at, v.clone())));
    }

    /// Appends bytes that are RESP already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    #[inline]
    fn header(&mut self, tag: u8, n: i64) {
        match n {
            0..=9 => self.buf.extend_from_slice(&[tag, b'0' + n as u8, b'\r', b'\n']),
            10..=99 => self.buf.extend_from_slice(&[tag, b'0' + (n / 10) as u8, b'0' + (n % 10) as u8, b'\r', b'\n']),
            _ => self.long_header(tag, n),
        }
    }

    fn long_header(&mut self, tag: u8, n: i64) {
        // one growth check for the whole header
        let mut digits = itoa::Buffer::new();
        let text = digits.format(n).as_bytes();
        self.buf.reserve(text.len() + 3);
        self.buf.push(tag);
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// `+text`. The text must hold no line break.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        self.buf.push(b'+');
        self.buf.extend_from_slice(text.as_bytes());
        self.buf.extend_from_slice(b"\r\n");
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// `-line`, where the line begins with its error code. Line breaks in it become blanks.
    ///
    /// Bytes that [`shown`] had to disguise are written as they were.
    pub fn error(&mut self, line: &str) {
        self.buf.push(b'-');
        for c in line.trim_end_matches(['\r', '\n']).chars() {
            match c {
                '\r' | '\n' => self.buf.push(b' '),
                BYTE_0..=BYTE_MAX => self.buf.push((u32::from(c) - u32::from(BYTE_0)) as u8),
                c => self.buf.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.buf.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, n: i64) {
        self.header(b':', n);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len() as i64);
        self.buf.reserve(bytes.len() + 2);
        self.buf.extend_from_slice(bytes);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A bulk string that may be long: shared from [`SHARE_FROM`] bytes on.
    pub fn bulk_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SHARE_FROM {
            return self.bulk(bytes);
        }
        self.header(b'$', bytes.len() as i64);
        self.shared.push((self.buf.len(), bytes.clone()));
        self.buf.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, n: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(n).as_bytes());
    }

    /// Null: `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null array: `*-1` or `_`.
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The header of an array of `n` elements.
    #[inline]
    pub fn array(&mut self, n: usize) {
        self.header(b'*', n as i64);
    }

    /// The header of a map of `n` pairs; RESP2: an array of `2n`.
    pub fn map(&mut self, n: usize) {
        if self.resp3 { self.header(b'%', n as i64) } else { self.header(b'*', 2 * n as i64) }
    }

    /// The header of a set of `n` elements; RESP2: an array.
    pub fn set(&mut self, n: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, n as i64);
    }

    /// The header of a push message of `n` elements; RESP2: an array.
    pub fn push(&mut self, n: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, n as i64);
    }

    /// The header of an attribute of `n` pairs; RESP3 only, the caller checks.
    pub fn attribute(&mut self, n: usize) {
        self.header(b'|', n as i64);
    }

    /// A double, formatted by the caller; RESP2: a bulk string.
    pub fn double(&mut self, text: &str) {
        if self.resp3 {
            self.buf.push(b',');
            self.buf.extend_from_slice(text.as_bytes());
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// A boolean; RESP2: 1 or 0.
    pub fn bool(&mut self, b: bool) {
        match (self.resp3, b) {
            (true, true) => self.raw(b"#t\r\n"),
            (true, false) => self.raw(b"#f\r\n"),
            (false, b) => self.int(i64::from(b)),
        }
    }

    /// A big number; RESP2: a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        if self.resp3 {
            self.buf.push(b'(');
            self.buf.extend_from_slice(digits.as_bytes());
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// A verbatim string with its three-letter format; RESP2: a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        if self.resp3 {
            self.header(b'=', text.len() as i64 + 4);
            self.buf.extend_from_slice(format.as_bytes());
            self.buf.push(b':');
            self.buf.extend_from_slice(text);
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Begins an aggregate whose length is known only at its end; [`Reply::finish`] writes the header.
    pub fn defer(&mut self) -> Deferred {
        Deferred { at: self.buf.len(), shared: self.shared.len() }
    }

    /// Ends an aggregate begun with [`Reply::defer`]: `write` writes its header (`|r| r.array(n)`).
    pub fn finish(&mut self, deferred: Deferred, write: impl FnOnce(&mut Reply)) {
        let end = self.buf.len();
        write(self);
        let header = self.buf.split_off(end);
        self.buf.splice(deferred.at..deferred.at, header.iter().copied());
        for s in self.shared.iter_mut().skip(deferred.shared) {
            s.0 += header.len();
        }
    }
}

/// Where a deferred header goes.
#[must_use]
pub struct Deferred {
    at: usize,
    shared: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(resp3: bool, f: impl FnOnce(&mut Reply)) -> String {
        let mut r = Reply::new();
        r.set_resp3(resp3);
        f(&mut r);
        String::from_utf8(r.buf).unwrap()
    }

    #[test]
    fn headers_of_any_length() {
        for n in (-1200..1200).chain([i64::MIN, i64::MAX]) {
            assert_eq!(written(false, |r| r.int(n)), format!(":{n}\r\n"));
        }
    }

    #[test]
    fn both_protocols() {
        assert_eq!(written(false, |r| r.map(2)), "*4\r\n");
        assert_eq!(written(true, |r| r.map(2)), "%2\r\n");
        assert_eq!(written(false, Reply::null), "$-1\r\n");
        assert_eq!(written(true, Reply::null_array), "_\r\n");
        assert_eq!(written(true, |r| r.double("3.1")), ",3.1\r\n");
        assert_eq!(written(false, |r| r.double("3.1")), "$3\r\n3.1\r\n");
        assert_eq!(written(true, |r| r.verbatim("txt", b"hi")), "=6\r\ntxt:hi\r\n");
        assert_eq!(written(true, |r| r.bool(false)), "#f\r\n");
        assert_eq!(written(true, |r| r.error("ERR a\r\nb\r\n")), "-ERR a  b\r\n");
    }

    #[test]
    fn error_lines_carry_any_bytes() {
        let through = |bytes: &[u8]| {
            let mut r = Reply::new();
            r.error(&format!("ERR '{}'", shown(bytes)));
            r.buf[6..r.buf.len() - 3].to_vec()
        };
        let all: Vec<u8> = (1..=255u8).filter(|b| !matches!(b, b'\r' | b'\n')).collect();
        for part in all.chunks(100) {
            assert_eq!(through(part), part);
        }
        for text in ["\u{10ff41}".as_bytes(), b"h\xc3\xa9", b"\xf4\x8f\xbf", b"\xff\xf4\x8f\xbf\xbf"] {
            assert_eq!(through(text), text);
        }
        assert_eq!(through(b"a\r\nb\0c"), b"a  b");
        assert_eq!(through(&[0xe9; 130]), [0xe9; 128]);
    }

    #[test]
    fn deferred_headers_move_shared_values() {
        let big = Arc::new(vec![b'x'; SHARE_FROM]);
        let mut r = Reply::new();
        r.ok();
        let d = r.defer();
        r.bulk_shared(&big);
        r.int(1);
        r.finish(d, |r| r.array(2));
        let (buf, shared) = r.parts();
        assert_eq!(buf, b"+OK\r\n*2\r\n$32768\r\n\r\n:1\r\n");
        assert_eq!(shared[0].0, b"+OK\r\n*2\r\n$32768\r\n".len());
        assert_eq!(r.len(), buf.len() + SHARE_FROM);
    }
}
