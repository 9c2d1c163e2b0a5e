//! Strings.

mod expiry;
mod get;
mod incr;
mod lcs;
mod multi;
mod range;
mod set;

use std::ops::Deref;
use std::sync::Arc;
use viator_engine::command::Command;
use viator_engine::config::Config;
use viator_engine::error::Error;
use viator_keyspace::{NewValue, Object, ValueRef};

/// The family.
pub static COMMANDS: &[&Command] = &[
    &get::GET,
    &get::GETDEL,
    &get::GETEX,
    &get::GETSET,
    &get::STRLEN,
    &get::DIGEST,
    &incr::INCR,
    &incr::DECR,
    &incr::INCRBY,
    &incr::DECRBY,
    &incr::INCRBYFLOAT,
    &lcs::LCS,
    &multi::MGET,
    &multi::MSET,
    &multi::MSETNX,
    &multi::MSETEX,
    &range::APPEND,
    &range::GETRANGE,
    &range::SUBSTR,
    &range::SETRANGE,
    &set::SET,
    &set::SETEX,
    &set::PSETEX,
    &set::SETNX,
    &set::DELEX,
];

/// A string of any size that is held while other keys are looked at: a long one shares the key's memory.
pub(crate) enum Held {
    Shared(Arc<Vec<u8>>),
    Own(Vec<u8>),
}

impl Deref for Held {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Held::Shared(s) => s,
            Held::Own(s) => s,
        }
    }
}

/// Takes hold of a string value, or fails with [`Error::WrongType`].
pub(crate) fn hold(value: ValueRef<'_>) -> Result<Held, Error> {
    match value {
        ValueRef::Int(n) => Ok(Held::Own(n.to_string().into_bytes())),
        ValueRef::Str { bytes, .. } => Ok(Held::Own(bytes.to_vec())),
        ValueRef::Object(o) => o.as_str().cloned().map(Held::Shared).ok_or(Error::WrongType),
    }
}

/// A string value's bytes; those of an integer are written into `digits`.
#[inline]
pub(crate) fn bytes<'v>(value: ValueRef<'v>, digits: &'v mut itoa::Buffer) -> Result<&'v [u8], Error> {
    match value {
        ValueRef::Int(n) => Ok(digits.format(n).as_bytes()),
        ValueRef::Str { bytes, .. } => Ok(bytes),
        ValueRef::Object(o) => o.as_str().map(|s| s.as_slice()).ok_or(Error::WrongType),
    }
}

/// Whether a value is a string.
pub(crate) fn is_string(value: ValueRef<'_>) -> bool {
    !matches!(value, ValueRef::Object(o) if o.as_str().is_none())
}

/// The value to store for bytes that were computed: never an integer, moved instead of copied where they are long.
pub(crate) fn computed(bytes: &mut Vec<u8>, raw: bool) -> NewValue<'_> {
    if bytes.len() > viator_keyspace::MAX_INLINE {
        NewValue::Object(Box::new(Object::Str(Arc::new(std::mem::take(bytes)))))
    } else {
        NewValue::Str { bytes, raw }
    }
}

/// `proto-max-bulk-len`.
pub(crate) fn max_len(cfg: &Config) -> u64 {
    cfg.proto_max_bulk_len
}

/// Makes room for a string of `len` bytes that grows step by step: amortised, but with at most a quarter (and for up to
/// 1 MB as much again) to spare.
pub(crate) fn reserve(bytes: &mut Vec<u8>, len: usize) {
    if len > bytes.capacity() {
        let spare = if bytes.is_empty() { 0 } else { len.min((1 << 20).max(len / 4)) };
        bytes.reserve_exact(len - bytes.len() + spare);
    }
}

/// Lengthens a string with zeros to at least `len` bytes.
pub(crate) fn grow(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        reserve(bytes, len);
        bytes.resize(len, 0);
    }
}

/// First and last index that `start` and `end`, negative ones counting from the end, mean among `len` elements;
/// `None` if there is nothing between them.
pub(crate) fn bounds(start: i64, end: i64, len: u64) -> Option<(u64, u64)> {
    let from_end = |i: i64| if i < 0 { len.saturating_sub(i.unsigned_abs()) } else { i as u64 };
    let (start, end) = (from_end(start), from_end(end).min(len.checked_sub(1)?));
    (start <= end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_count_from_both_ends() {
        assert_eq!(bounds(0, -1, 5), Some((0, 4)));
        assert_eq!(bounds(-3, 100, 5), Some((2, 4)));
        assert_eq!(bounds(i64::MIN, i64::MAX, 5), Some((0, 4)));
        assert_eq!(bounds(-100, -90, 5), Some((0, 0)));
        assert_eq!(bounds(3, 2, 5), None);
        assert_eq!(bounds(5, 5, 5), None);
        assert_eq!(bounds(0, 0, 0), None);
    }

    #[test]
    fn growth_is_amortised_and_bounded() {
        let (mut bytes, mut moves) = (Vec::new(), 0);
        for len in (0..40 << 20).step_by(4096) {
            let before = bytes.capacity();
            grow(&mut bytes, len);
            moves += usize::from(bytes.capacity() != before);
            assert!(bytes.capacity() <= 2 * len.max(4096));
        }
        assert!(moves < 40, "{moves} reallocations");
        grow(&mut bytes, 1);
        assert_eq!(bytes.len(), (40 << 20) - 4096);
        let mut once = Vec::new();
        grow(&mut once, 100);
        assert_eq!(once.capacity(), 100);
    }
}
