//! Arguments of commands, and the numbers and words in them.

pub use viator_resp::request::{Args, OwnedArgs};

use crate::error::Error;

/// An integer argument.
///
/// # Errors
/// [`Error::NotInteger`].
pub fn int(arg: &[u8]) -> Result<i64, Error> {
    viator_data::num::parse_i64(arg).ok_or(Error::NotInteger)
}

/// An integer argument within a range.
///
/// # Errors
/// [`Error::NotInteger`] also for an integer outside the range, as Redis's getRangeLongFromObjectOrReply says it
/// with its own texts where a command has one.
pub fn int_in(arg: &[u8], range: std::ops::RangeInclusive<i64>) -> Result<i64, Error> {
    int(arg).ok().filter(|n| range.contains(n)).ok_or(Error::NotInteger)
}

/// An integer argument whose negative is one too.
///
/// # Errors
/// [`Error::NotInteger`], and Redis's text for the lowest integer.
pub fn symmetric(arg: &[u8]) -> Result<i64, Error> {
    match int(arg)? {
        i64::MIN => Err(Error::Static(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        n => Ok(n),
    }
}

/// An integer argument within a range, with a text of the command's own for everything else.
///
/// # Errors
/// The text.
pub fn int_or(arg: &[u8], range: std::ops::RangeInclusive<i64>, text: &'static str) -> Result<i64, Error> {
    int(arg).ok().filter(|n| range.contains(n)).ok_or(Error::Static(text))
}

/// An integer argument from 0 on (a count), with Redis's text for what is not one.
///
/// # Errors
/// `value is out of range, must be positive`.
pub fn positive(arg: &[u8]) -> Result<i64, Error> {
    int_or(arg, 0..=i64::MAX, "ERR value is out of range, must be positive")
}

/// First and last index that `start` and `stop` of LRANGE, LTRIM, ZRANGE… mean among `len` elements, negative ones
/// counting from the end; `None` if there is nothing between them.
pub fn index_range(start: i64, stop: i64, len: usize) -> Option<(usize, usize)> {
    let from_end = |i: i64| if i < 0 { i.saturating_add_unsigned(len as u64) } else { i };
    let first = usize::try_from(from_end(start).max(0)).ok()?;
    let last = usize::try_from(from_end(stop)).ok()?.min(len.checked_sub(1)?);
    (first <= last).then_some((first, last))
}

/// A floating-point argument.
///
/// # Errors
/// [`Error::NotFloat`].
pub fn float(arg: &[u8]) -> Result<f64, Error> {
    viator_data::num::parse_f64(arg).filter(|f| !f.is_nan()).ok_or(Error::NotFloat)
}

/// Whether an argument is this keyword, in any case.
#[inline]
pub fn is(arg: &[u8], keyword: &str) -> bool {
    arg.eq_ignore_ascii_case(keyword.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_ranges_count_from_both_ends() {
        assert_eq!(index_range(0, -1, 5), Some((0, 4)));
        assert_eq!(index_range(-3, 100, 5), Some((2, 4)));
        assert_eq!(index_range(i64::MIN, i64::MAX, 5), Some((0, 4)));
        assert_eq!(index_range(-100, -90, 5), None);
        assert_eq!(index_range(3, 2, 5), None);
        assert_eq!(index_range(5, 5, 5), None);
        assert_eq!(index_range(0, 0, 0), None);
    }
}
