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

/// A positive integer argument (a count), with Redis's text for what is not one.
///
/// # Errors
/// `value is out of range, must be positive`, or [`Error::NotInteger`].
pub fn positive(arg: &[u8]) -> Result<i64, Error> {
    let n = int(arg)?;
    if n < 0 { Err(Error::Static("ERR value is out of range, must be positive")) } else { Ok(n) }
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
