//! What HSCAN, SSCAN and ZSCAN have in common: cursor, options, the reply for a key that is not there.

use viator_data::packed::{Entry, IntBuf};
use viator_data::{glob, num};
use viator_engine::args::{Args, int, is};
use viator_engine::error::Error;
use viator_resp::reply::Reply;

/// The cursor argument.
///
/// # Errors
/// Not a cursor.
pub(crate) fn cursor(arg: &[u8]) -> Result<u64, Error> {
    // leading blanks as the C library has it
    let digits = arg.iter().position(|b| !num::is_space(*b)).and_then(|at| arg.get(at..)).unwrap_or(arg);
    num::parse_u64(digits).ok_or(Error::Static("ERR invalid cursor"))
}

/// The reply of a scan of nothing.
pub(crate) fn reply_nothing(out: &mut Reply) {
    out.array(2);
    out.bulk(b"0");
    out.array(0);
}

/// MATCH, COUNT, NOVALUES.
pub(crate) struct ScanOptions<'a> {
    /// How many elements to look at.
    pub(crate) count: usize,
    /// `None`: all.
    pattern: Option<&'a [u8]>,
    /// Whether values are left out.
    pub(crate) no_values: bool,
}

impl<'a> ScanOptions<'a> {
    /// The options of a command line; `hash`: NOVALUES is one of them.
    ///
    /// # Errors
    /// Syntax errors, counts that are none.
    pub(crate) fn parse(args: Args<'a>, hash: bool) -> Result<Self, Error> {
        let mut o = ScanOptions { count: 10, pattern: None, no_values: false };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if is(word, "NOVALUES") {
                if !hash {
                    return Err(Error::Static("ERR NOVALUES option can only be used in HSCAN"));
                }
                o.no_values = true;
                continue;
            }
            let value = words.next().ok_or(Error::Syntax)?;
            if is(word, "COUNT") {
                o.count = usize::try_from(int(value)?).ok().filter(|n| *n > 0).ok_or(Error::Syntax)?;
            } else if is(word, "MATCH") {
                o.pattern = (glob::kind(value) != glob::Kind::All).then_some(value);
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(o)
    }

    /// Whether an element is among those asked for.
    pub(crate) fn matches(&self, element: Entry<'_>) -> bool {
        self.pattern.is_none_or(|p| glob::matches(p, element.bytes(&mut IntBuf::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use viator_engine::args::OwnedArgs;

    fn parse(line: &str, hash: bool) -> Result<(usize, bool, bool), Error> {
        let owned = OwnedArgs::from_slices(line.split_whitespace());
        ScanOptions::parse(owned.args(), hash).map(|o| (o.count, o.pattern.is_some(), o.no_values))
    }

    #[test]
    fn options() {
        assert_eq!(parse("", false), Ok((10, false, false)));
        assert_eq!(parse("count 5 MATCH a* NOVALUES", true), Ok((5, true, true)));
        assert_eq!(parse("MATCH * COUNT 1 COUNT 2", true), Ok((2, false, false)));
        for bad in ["COUNT", "COUNT 0", "COUNT -1", "MATCH", "TYPE hash", "x"] {
            assert_eq!(parse(bad, true), Err(Error::Syntax), "{bad}");
        }
        assert_eq!(parse("COUNT x", true), Err(Error::NotInteger));
        assert!(parse("NOVALUES", false).is_err());
    }

    #[test]
    fn cursors() {
        assert_eq!(cursor(b" 12"), Ok(12));
        assert_eq!(cursor(b"18446744073709551615"), Ok(u64::MAX));
        for bad in ["", "-1", "x", "1x", "18446744073709551616"] {
            assert!(cursor(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
