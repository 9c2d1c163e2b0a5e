//! Reading a log of commands: RESP as the server itself writes it, between annotations (`#…`).

use std::fmt;
use std::io::{self, BufRead, Read};

/// Longest header line that is read.
const MAX_HEADER: usize = 128;
/// Most bytes that are taken from a file's word for the length of what follows.
const CHUNK: u64 = 1 << 20;

/// What a log holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A command's arguments, at least the name.
    Command(Vec<Vec<u8>>),
    /// An annotation, without its `#` and line end.
    Annotation(Vec<u8>),
}

/// Why a log cannot be read on.
#[derive(Debug)]
pub enum LogError {
    /// It ends in the middle; what was missing, or nothing to say.
    Truncated(String),
    /// What should begin a command does not.
    NotCommand,
    /// It is not what a log looks like.
    Format(String),
    /// The file cannot be read.
    Io(io::Error),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::NotCommand => f.write_str("Expected the beginning of a command"),
            LogError::Truncated(what) | LogError::Format(what) => f.write_str(what),
            LogError::Io(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for LogError {}

/// See the module.
#[derive(Debug)]
pub struct LogReader<R> {
    from: R,
    /// Bytes read.
    position: u64,
    /// Header lines and arguments read.
    lines: u64,
    /// Where the last header line or argument begins.
    step: u64,
}

impl<R: BufRead> LogReader<R> {
    /// Reads on from a position of a file.
    pub fn new(from: R, position: u64) -> LogReader<R> {
        LogReader { from, position, lines: 0, step: position }
    }

    /// Where the file is read on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the header line or the argument begins that was read last, or could not be read.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// How many lines were read: each header and each argument is one.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The next command or annotation; `None`: the file ends here.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn next_item(&mut self) -> Result<Option<Item>, LogError> {
        let Some(first) = self.peek()? else { return Ok(None) };
        if first == b'#' {
            let line = self.line()?;
            return match line.strip_suffix(b"\n") {
                Some(text) => {
                    let text = text.strip_suffix(b"\r").unwrap_or(text);
                    Ok(Some(Item::Annotation(text.get(1..).unwrap_or_default().to_vec())))
                }
                None => Err(LogError::Truncated("Reached EOF within an annotation".into())),
            };
        }
        if first != b'*' {
            return Err(LogError::NotCommand);
        }
        let n = self.header(b'*')?;
        if n < 1 {
            return Err(LogError::Format("Expected a command of at least one argument".into()));
        }
        let mut args = Vec::with_capacity(n.min(1024) as usize);
        for _ in 0..n {
            let len = self.header(b'$')?;
            let len = u64::try_from(len).map_err(|_| LogError::Format(format!("Expected a length, got {len}")))?;
            args.push(self.argument(len)?);
            self.lines += 1;
        }
        Ok(Some(Item::Command(args)))
    }

    fn peek(&mut self) -> Result<Option<u8>, LogError> {
        loop {
            match self.from.fill_buf() {
                Ok(b) => return Ok(b.first().copied()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(LogError::Io(e)),
            }
        }
    }

    /// A line with its end, if that is there.
    fn line(&mut self) -> Result<Vec<u8>, LogError> {
        let mut line = Vec::new();
        self.step = self.position;
        (&mut self.from).take(MAX_HEADER as u64).read_until(b'\n', &mut line).map_err(LogError::Io)?;
        self.position += line.len() as u64;
        Ok(line)
    }

    /// A header line: its mark and its number.
    fn header(&mut self, mark: u8) -> Result<i64, LogError> {
        self.step = self.position;
        match self.peek()? {
            None => return Err(LogError::Truncated(String::new())),
            Some(b) if b != mark => {
                let (mark, got) = (mark as char, b.escape_ascii());
                return Err(LogError::Format(format!("Expected prefix '{mark}', got: '{got}'")));
            }
            Some(_) => {}
        }
        let line = self.line()?;
        let digits = line.get(1..).unwrap_or_default();
        let sign = usize::from(digits.first() == Some(&b'-'));
        let end = sign + digits.iter().skip(sign).take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = digits.split_at_checked(end).unwrap_or((digits, &[]));
        if rest != b"\r\n" {
            let at = |i: usize| rest.get(i).copied().unwrap_or(0);
            let what = format!("Expected \\r\\n, got: {:02x}{:02x}", at(0), at(1));
            let short = line.last() != Some(&b'\n') && line.len() < MAX_HEADER && matches!(rest, [] | [b'\r']);
            return Err(if short { LogError::Truncated(what) } else { LogError::Format(what) });
        }
        self.lines += 1;
        viator_data::num::parse_i64(digits)
            .ok_or_else(|| LogError::Format(format!("Expected a number, got: '{}'", digits.escape_ascii())))
    }

    /// An argument of so many bytes, without believing that they are there.
    fn argument(&mut self, len: u64) -> Result<Vec<u8>, LogError> {
        self.step = self.position;
        let whole = len.saturating_add(2);
        let mut bytes = Vec::with_capacity(whole.min(CHUNK) as usize);
        (&mut self.from).take(whole).read_to_end(&mut bytes).map_err(LogError::Io)?;
        let got = bytes.len() as u64;
        self.position += got;
        if got < whole {
            return Err(LogError::Truncated(format!("Expected to read {whole} bytes, got {got} bytes")));
        }
        match bytes.split_off(len as usize).as_slice() {
            b"\r\n" => Ok(bytes),
            other => Err(LogError::Format(format!("Expected \\r\\n, got: {}", hex(other)))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> (Vec<Item>, u64, Result<(), LogError>) {
        let mut r = LogReader::new(bytes, 0);
        let (mut items, mut good) = (Vec::new(), 0);
        loop {
            match r.next_item() {
                Ok(Some(i)) => items.push(i),
                Ok(None) => return (items, good, Ok(())),
                Err(e) => return (items, good, Err(e)),
            }
            good = r.position();
        }
    }

    #[test]
    fn commands_and_annotations() {
        let log = b"#TS:12\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$0\r\n\r\n";
        let (items, good, end) = all(log);
        assert!(end.is_ok());
        assert_eq!(good, log.len() as u64);
        assert_eq!(
            items,
            [
                Item::Annotation(b"TS:12".to_vec()),
                Item::Command(vec![b"SELECT".to_vec(), b"0".to_vec()]),
                Item::Command(vec![vec![]])
            ]
        );
    }

    #[test]
    fn every_cut_is_seen_as_one() {
        let log = b"*2\r\n$4\r\nINCR\r\n$3\r\nfoo\r\n*2\r\n$4\r\nINCR\r\n$3\r\nbar\r\n";
        let half = log.len() / 2;
        for cut in 0..=log.len() {
            let (items, good, end) = all(&log[..cut]);
            assert_eq!(items.len(), cut / half);
            assert_eq!(good as usize, cut / half * half);
            if cut % half == 0 {
                assert!(end.is_ok());
            } else {
                assert!(matches!(end, Err(LogError::Truncated(_))), "cut at {cut}: {end:?}");
            }
        }
    }

    #[test]
    fn a_length_is_not_believed() {
        let (_, _, end) = all(b"*1\r\n$9000000000000000000\r\nabc");
        assert!(matches!(end, Err(LogError::Truncated(_))));
        let (_, _, end) = all(b"*9000000000000000000\r\n$1\r\na\r\n");
        assert!(matches!(end, Err(LogError::Truncated(_))));
    }

    #[test]
    fn what_is_no_log_is_told_apart() {
        for bad in
            [&b"!!!"[..], b"*0\r\n", b"*-1\r\n", b"*x\r\n", b"*1\r\n+OK\r\n", b"*1\r\n$1\r\nabc", b"*1\r\n$-1\r\n"]
        {
            assert!(matches!(all(bad).2, Err(LogError::Format(_) | LogError::NotCommand)), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn junk_does_no_harm(bytes: Vec<u8>) {
            let (_, good, _) = all(&bytes);
            prop_assert!(good <= bytes.len() as u64);
        }
    }
}
