//! Values as a listpack holds them, but without the lengths for reading backwards: for structures of our own that are
//! read forwards only.

use super::codec::{self, Encoded, Entry};

/// Appends a value; what reads as an integer is stored as one. Returns the bytes that it takes in a listpack.
#[inline]
pub(crate) fn push(out: &mut Vec<u8>, value: &[u8]) -> usize {
    write(out, &Encoded::of(value))
}

/// As [`push`], of an entry as it is.
pub(crate) fn push_entry(out: &mut Vec<u8>, entry: Entry<'_>) -> usize {
    write(out, &Encoded::of_entry(entry))
}

fn write(out: &mut Vec<u8>, value: &Encoded<'_>) -> usize {
    value.write_bare(out);
    value.total()
}

/// Reads such values one after the other.
#[derive(Clone)]
pub struct Entries<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let (entry, size) = codec::decode(self.0)?;
        self.0 = self.0.get(size..)?;
        Some(entry)
    }
}

/// Bytes that an integer takes in a listpack.
#[inline]
pub(crate) fn int_size(value: i64) -> usize {
    Encoded::int(value).total()
}
