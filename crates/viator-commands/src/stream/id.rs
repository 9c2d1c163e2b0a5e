//! Ids of entries as arguments.

use viator_data::num::parse_i64;
use viator_data::stream::StreamId;
use viator_engine::error::Error;

/// Longest id argument, bytes.
const LONGEST: usize = 127;

const INVALID: Error = Error::Static("ERR Invalid stream ID specified as stream command argument");

/// A number of an id. As Redis reads it: anything `strtoull` takes, but no plain negative number.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(n) = parse_i64(text) {
        return u64::try_from(n).ok();
    }
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"\x0b").map_or(text, <[u8]>::trim_ascii_start);
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n: u64 = core::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { n.wrapping_neg() } else { n })
}

/// The parts of `ms-seq` or `ms`.
fn parts(arg: &[u8]) -> Option<(u64, Option<&[u8]>)> {
    if arg.len() > LONGEST {
        return None;
    }
    // what follows a NUL is not read
    let text = arg.split(|b| *b == 0).next()?;
    match text.iter().position(|b| *b == b'-') {
        Some(dash) => Some((number(text.get(..dash)?)?, text.get(dash + 1..))),
        None => Some((number(text)?, None)),
    }
}

/// An id, its sequence `missing_seq` if there is none.
///
/// # Errors
/// For what is none: `-` and `+` among it.
pub(super) fn with_seq(arg: &[u8], missing_seq: u64) -> Result<StreamId, Error> {
    let read = || {
        let (ms, seq) = parts(arg)?;
        Some(StreamId::new(ms, seq.map_or(Some(missing_seq), number)?))
    };
    read().ok_or(INVALID)
}

/// An id, its sequence 0 if there is none.
///
/// # Errors
/// As [`with_seq`].
pub(super) fn exact(arg: &[u8]) -> Result<StreamId, Error> {
    with_seq(arg, 0)
}

/// The id of a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: by the clock.
    Auto,
    /// `ms-*`: the next of this millisecond.
    Seq(u64),
    /// This one.
    Exact(StreamId),
}

/// An id as XADD takes it, but for `*`.
///
/// # Errors
/// As [`with_seq`].
pub(super) fn of_new(arg: &[u8]) -> Result<NewId, Error> {
    match parts(arg) {
        Some((ms, Some(b"*"))) => Ok(NewId::Seq(ms)),
        _ => exact(arg).map(NewId::Exact),
    }
}

/// The id behind the `(` of an exclusive bound.
fn exclusive(arg: &[u8]) -> Option<&[u8]> {
    arg.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}

/// `-`, `+` or an id.
///
/// # Errors
/// As [`with_seq`].
pub(super) fn bound(arg: &[u8], missing_seq: u64) -> Result<StreamId, Error> {
    match arg {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => with_seq(arg, missing_seq),
    }
}

/// The first id of a range: `-`, `+`, an id, or one behind `(`, which is not in the range itself.
///
/// # Errors
/// As [`with_seq`], and if nothing follows an excluded id.
pub(super) fn range_start(arg: &[u8]) -> Result<StreamId, Error> {
    match exclusive(arg) {
        Some(id) => exact(id)?.next().ok_or(Error::Static("ERR invalid start ID for the interval")),
        None => bound(arg, 0),
    }
}

/// The last id of a range, as [`range_start`]; without a sequence it is the last of its millisecond.
///
/// # Errors
/// As [`with_seq`], and if nothing precedes an excluded id.
pub(super) fn range_end(arg: &[u8]) -> Result<StreamId, Error> {
    match exclusive(arg) {
        Some(id) => with_seq(id, u64::MAX)?.prev().ok_or(Error::Static("ERR invalid end ID for the interval")),
        None => bound(arg, u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let id = |s: &str| exact(s.as_bytes()).ok().map(|i| (i.ms, i.seq));
        assert_eq!(id("5-3"), Some((5, 3)));
        assert_eq!(id("5"), Some((5, 0)));
        assert_eq!(id("18446744073709551615-18446744073709551615"), Some((u64::MAX, u64::MAX)));
        assert_eq!(id("18446744073709551616-0"), None);
        for bad in ["", "-", "+", "-1", "a", "5-", "5-a", "5-3-1", "5--1", "(5", "5-*", "*", "$", ">"] {
            assert_eq!(id(bad), None, "{bad}");
        }
        // what strtoull takes
        assert_eq!(id("007-+03"), Some((7, 3)));
        assert_eq!(id(" 7- 3"), Some((7, 3)));
        assert_eq!(id("7-3\0x"), Some((7, 3)));
        assert_eq!(id("7--01"), Some((7, u64::MAX)));
        assert_eq!(exact(&[b'1'; 128]), Err(INVALID));
        assert_eq!(of_new(b"5-*"), Ok(NewId::Seq(5)));
        assert_eq!(of_new(b"5"), Ok(NewId::Exact(StreamId::new(5, 0))));
    }

    #[test]
    fn ranges() {
        assert_eq!(range_start(b"-"), Ok(StreamId::MIN));
        assert_eq!(range_start(b"(5-3"), Ok(StreamId::new(5, 4)));
        assert_eq!(range_end(b"5"), Ok(StreamId::new(5, u64::MAX)));
        assert_eq!(range_end(b"(5"), Ok(StreamId::new(5, u64::MAX - 1)));
        assert_eq!(range_end(b"(5-0"), Ok(StreamId::new(4, u64::MAX)));
        assert!(range_start(b"(-").is_err() && range_end(b"(0-0").is_err() && range_start(b"(").is_err());
        assert!(range_start(b"(18446744073709551615-18446744073709551615").is_err());
    }
}
