//! Reading lengths, strings and numbers from bytes that may be anything.

use crate::source::{Slice, Source};
use crate::{Fault, MAX_VERSION};
use viator_data::crc::crc64;
use viator_data::lzf;

/// Bytes after a DUMP payload: version and CRC-64.
const FOOTER: usize = 10;

/// Reads RDB content.
pub struct Reader<S> {
    source: S,
    /// What begins the part of a file that was read last, if it was there.
    pub(crate) code: Option<u8>,
}

/// What begins a string.
enum Len {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Reader<Slice<'a>> {
    /// A reader of RDB content in memory.
    pub fn of_bytes(input: &'a [u8]) -> Self {
        Reader::new(Slice::new(input))
    }

    /// A reader of a DUMP payload's content, its footer checked (its checksum only with `checked`, and not if it is 0).
    ///
    /// # Errors
    /// [`Fault::Footer`].
    pub fn of_payload(payload: &'a [u8], checked: bool) -> Result<Self, Fault> {
        let at = payload.len().checked_sub(FOOTER).ok_or(Fault::Footer)?;
        let (input, footer) = payload.split_at_checked(at).ok_or(Fault::Footer)?;
        let (version, crc) = footer.split_first_chunk::<2>().ok_or(Fault::Footer)?;
        let crc = u64::from_le_bytes(*crc.first_chunk::<8>().ok_or(Fault::Footer)?);
        if u16::from_le_bytes(*version) > MAX_VERSION {
            return Err(Fault::Footer);
        }
        if checked && crc != 0 && crc != crc64(crc64(0, input), version) {
            return Err(Fault::Footer);
        }
        Ok(Reader::of_bytes(input))
    }

    /// Whether all was read.
    pub fn is_at_end(&self) -> bool {
        self.source.rest().is_empty()
    }
}

impl<S: Source> Reader<S> {
    /// A reader of what a source gives.
    pub fn new(source: S) -> Self {
        Reader { source, code: None }
    }

    /// The source.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// The source.
    pub fn into_source(self) -> S {
        self.source
    }

    pub(crate) fn take(&mut self, n: u64) -> Result<&[u8], Fault> {
        self.source.take(usize::try_from(n).map_err(|_| Fault::Short)?)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.source.take(N)?.first_chunk::<N>().copied().ok_or(Fault::Short)
    }

    /// A byte.
    ///
    /// # Errors
    /// [`Fault::Short`].
    pub fn byte(&mut self) -> Result<u8, Fault> {
        self.bytes().map(|[b]| b)
    }

    fn head(&mut self) -> Result<Len, Fault> {
        let first = self.byte()?;
        Ok(match first >> 6 {
            0 => Len::Plain(u64::from(first)),
            1 => {
                let second = self.byte()?;
                Len::Plain(u64::from(u16::from_be_bytes([first & 0x3f, second])))
            }
            2 => match first {
                0x80 => Len::Plain(u64::from(u32::from_be_bytes(self.bytes()?))),
                0x81 => Len::Plain(u64::from_be_bytes(self.bytes()?)),
                _ => return Err(Fault::Data("Unknown length encoding")),
            },
            _ => Len::Encoded(first & 0x3f),
        })
    }

    /// A length.
    ///
    /// # Errors
    /// [`Fault::Short`] at the end of the input, [`Fault::Data`] for an encoded string.
    pub fn length(&mut self) -> Result<u64, Fault> {
        match self.head()? {
            Len::Plain(n) => Ok(n),
            Len::Encoded(_) => Err(Fault::Data("A length is expected, not an encoded string")),
        }
    }

    /// A point in time.
    ///
    /// # Errors
    /// [`Fault::Short`].
    pub fn millis(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A string. Takes no more memory than the input and, of what is compressed, than it really gives.
    ///
    /// # Errors
    /// [`Fault::Short`], [`Fault::Data`].
    pub fn string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        self.string_into(&mut out)?;
        Ok(out)
    }

    /// As [`Reader::string`], into a buffer, whose content is replaced.
    ///
    /// # Errors
    /// As [`Reader::string`].
    pub fn string_into(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.clear();
        let int = match self.head()? {
            Len::Plain(n) => {
                out.extend_from_slice(self.take(n)?);
                return Ok(());
            }
            Len::Encoded(0) => i64::from(i8::from_le_bytes(self.bytes()?)),
            Len::Encoded(1) => i64::from(i16::from_le_bytes(self.bytes()?)),
            Len::Encoded(2) => i64::from(i32::from_le_bytes(self.bytes()?)),
            Len::Encoded(3) => {
                let (packed, len) = (self.length()?, self.length()?);
                let len = usize::try_from(len).map_err(|_| Fault::Data("Invalid LZF compressed string"))?;
                let packed = self.take(packed)?;
                *out = lzf::decompress(packed, len).map_err(|_| Fault::Data("Invalid LZF compressed string"))?;
                return Ok(());
            }
            Len::Encoded(n) => return Err(Fault::Encoding(n)),
        };
        out.extend_from_slice(viator_data::packed::IntBuf::new().format(int));
        Ok(())
    }

    /// Passes over a string.
    ///
    /// # Errors
    /// As [`Reader::string`].
    pub fn skip_string(&mut self) -> Result<(), Fault> {
        match self.head()? {
            Len::Plain(n) => self.take(n).map(|_| ()),
            Len::Encoded(0) => self.take(1).map(|_| ()),
            Len::Encoded(1) => self.take(2).map(|_| ()),
            Len::Encoded(2) => self.take(4).map(|_| ()),
            Len::Encoded(3) => {
                let packed = self.length()?;
                self.length()?;
                self.take(packed).map(|_| ())
            }
            Len::Encoded(n) => Err(Fault::Encoding(n)),
        }
    }

    /// A score as early versions write it: a length and text, with lengths that stand for what is no number.
    pub(crate) fn text_double(&mut self) -> Result<f64, Fault> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            n => viator_data::num::parse_f64_loose(self.take(u64::from(n))?).ok_or(Fault::Data("Invalid score")),
        }
    }

    pub(crate) fn binary_double(&mut self) -> Result<f64, Fault> {
        Ok(f64::from_le_bytes(self.bytes()?))
    }
}
