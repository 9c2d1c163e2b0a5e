//! The options that say when a string expires, and on what condition it is written: SET, GETEX, MSETEX.

use viator_engine::args::{Args, int, is};
use viator_engine::error::Error;

/// Units and origins of an expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// EX.
    Seconds,
    /// PX.
    Millis,
    /// EXAT.
    UnixSeconds,
    /// PXAT.
    UnixMillis,
}

impl Unit {
    /// The time in Unix milliseconds that an argument means.
    ///
    /// # Errors
    /// Not an integer; not positive, or beyond what 64 bits hold: "invalid expire time in '…' command".
    pub(super) fn deadline(self, arg: &[u8], now: i64, command: &str) -> Result<i64, Error> {
        let n = int(arg)?;
        let at = match self {
            _ if n <= 0 => None,
            Unit::Seconds => n.checked_mul(1000).and_then(|n| n.checked_add(now)),
            Unit::Millis => n.checked_add(now),
            Unit::UnixSeconds => n.checked_mul(1000),
            Unit::UnixMillis => Some(n),
        };
        at.ok_or_else(|| Error::InvalidExpire(command.to_owned()))
    }
}

/// What the options say about the expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When<'a> {
    /// Nothing.
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// EX and its kin, with their argument.
    At(Unit, &'a [u8]),
}

/// How a value is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Compare {
    /// By digest instead of by value.
    digest: bool,
    /// Whether it has to be equal.
    equal: bool,
}

impl Compare {
    /// The condition of this name.
    pub(super) fn parse(word: &[u8]) -> Option<Compare> {
        let of = |digest, equal| Some(Compare { digest, equal });
        match () {
            _ if is(word, "IFEQ") => of(false, true),
            _ if is(word, "IFNE") => of(false, false),
            _ if is(word, "IFDEQ") => of(true, true),
            _ if is(word, "IFDNE") => of(true, false),
            _ => None,
        }
    }

    /// Whether a value that is there fulfils the condition.
    ///
    /// # Errors
    /// A digest that is not 16 characters.
    pub(super) fn holds(self, value: &[u8], wanted: &[u8]) -> Result<bool, Error> {
        let equal = if self.digest {
            if wanted.len() != 16 {
                return Err(Error::Static("ERR must be exactly 16 hexadecimal characters"));
            }
            digest(value).eq_ignore_ascii_case(wanted)
        } else {
            value == wanted
        };
        Ok(equal == self.equal)
    }

    /// Whether a key that is not there fulfils it.
    pub(super) fn holds_for_none(self) -> bool {
        !self.equal
    }
}

/// The digest of a string: XXH3 of 64 bits in 16 hexadecimal digits.
pub(super) fn digest(value: &[u8]) -> [u8; 16] {
    let hash = xxhash_rust::xxh3::xxh3_64(value);
    std::array::from_fn(|i| {
        let nibble = (hash >> (60 - 4 * i) & 15) as u8;
        nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
    })
}

/// Options of one of these commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Options<'a> {
    pub(super) when: When<'a>,
    /// NX (`false`) and XX (`true`): whether the key must be there.
    pub(super) exists: Option<bool>,
    /// IFEQ, IFNE, IFDEQ, IFDNE with their argument.
    pub(super) compare: Option<(Compare, &'a [u8])>,
    /// GET.
    pub(super) get: bool,
}

/// Which options a command has beside EX, PX, EXAT and PXAT.
#[derive(Clone, Copy)]
pub(super) struct Grammar {
    pub(super) keep: bool,
    pub(super) persist: bool,
    pub(super) exists: bool,
    pub(super) compare: bool,
    pub(super) get: bool,
}

/// Reads options. The same option may come again, its last argument counts; different ones of a kind may not.
///
/// # Errors
/// [`Error::Syntax`].
pub(super) fn options(args: Args<'_>, grammar: Grammar) -> Result<Options<'_>, Error> {
    let mut o = Options { when: When::Unsaid, exists: None, compare: None, get: false };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let unit = match () {
            _ if is(word, "EX") => Some(Unit::Seconds),
            _ if is(word, "PX") => Some(Unit::Millis),
            _ if is(word, "EXAT") => Some(Unit::UnixSeconds),
            _ if is(word, "PXAT") => Some(Unit::UnixMillis),
            _ => None,
        };
        let when = match unit {
            Some(unit) => Some(When::At(unit, words.next().ok_or(Error::Syntax)?)),
            None if grammar.keep && is(word, "KEEPTTL") => Some(When::Keep),
            None if grammar.persist && is(word, "PERSIST") => Some(When::Persist),
            None => None,
        };
        if let Some(when) = when {
            let again = match (o.when, when) {
                (When::At(a, _), When::At(b, _)) => a == b,
                (before, when) => before == When::Unsaid || before == when,
            };
            if !again {
                return Err(Error::Syntax);
            }
            o.when = when;
            continue;
        }
        if grammar.get && is(word, "GET") {
            o.get = true;
            continue;
        }
        let exists = match () {
            _ if !grammar.exists => None,
            _ if is(word, "NX") => Some(false),
            _ if is(word, "XX") => Some(true),
            _ => None,
        };
        if exists.is_some() {
            if o.exists.is_some() && o.exists != exists {
                return Err(Error::Syntax);
            }
            o.exists = exists;
            continue;
        }
        let compare = Compare::parse(word).filter(|_| grammar.compare).ok_or(Error::Syntax)?;
        // as the reference has it: NX and XX may follow a comparison, but not come before it
        if o.exists.is_some() || o.compare.is_some_and(|(before, _)| before != compare) {
            return Err(Error::Syntax);
        }
        o.compare = Some((compare, words.next().ok_or(Error::Syntax)?));
    }
    Ok(o)
}

#[cfg(test)]
mod tests {
    use super::*;
    use viator_engine::args::OwnedArgs;

    const ALL: Grammar = Grammar { keep: true, persist: false, exists: true, compare: true, get: true };

    fn read(line: &str) -> Result<String, Error> {
        let owned = OwnedArgs::from_slices(line.split_whitespace());
        options(owned.args(), ALL).map(|o| format!("{o:?}"))
    }

    #[test]
    fn options_exclude_others_of_their_kind() {
        for good in [
            "",
            "NX NX",
            "EX 1 EX 2",
            "KEEPTTL KEEPTTL",
            "IFEQ a IFEQ b GET GET",
            "get xx px 5",
            "IFEQ IFEQ",
            "IFEQ a NX",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "NX XX",
            "EX 1 PX 1",
            "EX 1 KEEPTTL",
            "KEEPTTL EXAT 1",
            "IFEQ a IFNE a",
            "NX IFEQ a",
            "EX",
            "IFDEQ",
            "PERSIST",
            "x",
        ] {
            assert_eq!(read(bad), Err(Error::Syntax), "{bad}");
        }
        assert_eq!(read("EX 1 EX 2"), read("EX 2"));
    }

    #[test]
    fn deadlines_are_positive_and_fit() {
        let at = |unit: Unit, arg: &str| unit.deadline(arg.as_bytes(), 5000, "set");
        let invalid = Err(Error::InvalidExpire("set".to_owned()));
        assert_eq!(at(Unit::Seconds, "10"), Ok(15_000));
        assert_eq!(at(Unit::Millis, "10"), Ok(5010));
        assert_eq!(at(Unit::UnixSeconds, "10"), Ok(10_000));
        assert_eq!(at(Unit::UnixMillis, "9223372036854775807"), Ok(i64::MAX));
        for unit in [Unit::Seconds, Unit::Millis, Unit::UnixSeconds, Unit::UnixMillis] {
            assert_eq!(at(unit, "0"), invalid);
            assert_eq!(at(unit, "-9223372036854775808"), invalid);
            assert_eq!(at(unit, "x"), Err(Error::NotInteger));
        }
        for unit in [Unit::Seconds, Unit::Millis, Unit::UnixSeconds] {
            assert_eq!(at(unit, "9223372036854775807"), invalid);
        }
    }

    #[test]
    fn digests_are_those_of_the_reference() {
        assert_eq!(&digest(b"hello"), b"9555e8555c62dcfd");
        assert_eq!(&digest(b"12"), b"7ecd2e572c949f74");
        let eq = Compare::parse(b"ifdeq").unwrap();
        assert_eq!(eq.holds(b"hello", b"9555E8555C62DCFD"), Ok(true));
        assert!(eq.holds(b"hello", b"9555E8555C62DCF").is_err());
        assert_eq!(Compare::parse(b"IFDNE").unwrap().holds(b"hello", b"9555e8555c62dcfx"), Ok(true));
    }
}
