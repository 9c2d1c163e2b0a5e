//! Values in the RDB format: what DUMP gives and RESTORE takes, and what files hold.
//!
//! A length has 6, 14, 32 or 64 bits, told by the first byte's upper two; where these are `11`, the rest says how a string
//! is encoded: as an 8, 16 or 32 bit integer, or compressed by LZF.

use crate::{NewValue, Object, ValueRef};
use viator_data::crc::crc64;
use viator_data::{lzf, num};

/// Version of the format that is written; newer ones are not read.
pub const VERSION: u16 = 12;
/// Type byte of a string.
const STRING: u8 = 0;
/// Bytes after a DUMP payload: version and CRC-64.
const FOOTER: usize = 10;
/// Strings up to this length are never compressed.
const MIN_COMPRESSED: usize = 20;

/// Why a payload is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Corrupt {
    /// Its footer: a version that is too new, or a wrong checksum.
    Footer,
    /// Its content.
    Data,
}

/// A value as it was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// An integer, a string by type.
    Int(i64),
    /// A string.
    Str(Vec<u8>),
}

impl Loaded {
    /// It, to be stored.
    pub fn value(&self) -> NewValue<'_> {
        match self {
            Loaded::Int(n) => NewValue::Int(*n),
            Loaded::Str(bytes) => NewValue::Str { bytes, raw: false },
        }
    }
}

/// Appends values to a buffer.
pub struct Writer<'a> {
    out: Vec<u8>,
    /// With `rdbcompression` on.
    compressor: Option<&'a mut lzf::Compressor>,
}

impl<'a> Writer<'a> {
    /// A writer; without a compressor, strings are written as they are.
    pub fn new(compressor: Option<&'a mut lzf::Compressor>) -> Writer<'a> {
        Writer { out: Vec::new(), compressor }
    }

    /// A length.
    pub fn length(&mut self, n: u64) {
        if n < 1 << 6 {
            self.out.push(n as u8);
        } else if n < 1 << 14 {
            self.out.extend_from_slice(&(0x4000 | n as u16).to_be_bytes());
        } else if let Ok(n) = u32::try_from(n) {
            self.out.push(0x80);
            self.out.extend_from_slice(&n.to_be_bytes());
        } else {
            self.out.push(0x81);
            self.out.extend_from_slice(&n.to_be_bytes());
        }
    }

    /// A string: as an integer if it is the text of a small one, else compressed if that makes it shorter.
    pub fn string(&mut self, bytes: &[u8]) {
        // no 32 bit integer has more characters
        if bytes.len() <= 11
            && let Some(n) = num::parse_i64(bytes)
            && self.small_int(n)
        {
            return;
        }
        if bytes.len() > MIN_COMPRESSED && self.compressed(bytes) {
            return;
        }
        self.length(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// An integer that is a string by type.
    pub fn int(&mut self, n: i64) {
        if !self.small_int(n) {
            let text = n.to_string();
            self.length(text.len() as u64);
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    /// An integer of up to 32 bits, encoded; `false` for others.
    fn small_int(&mut self, n: i64) -> bool {
        if let Ok(n) = i8::try_from(n) {
            self.out.extend_from_slice(&[0xC0, n as u8]);
        } else if let Ok(n) = i16::try_from(n) {
            self.out.push(0xC1);
            self.out.extend_from_slice(&n.to_le_bytes());
        } else if let Ok(n) = i32::try_from(n) {
            self.out.push(0xC2);
            self.out.extend_from_slice(&n.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    /// A string, compressed; `false` if that saves less than 4 bytes.
    fn compressed(&mut self, bytes: &[u8]) -> bool {
        let Some(compressor) = &mut self.compressor else { return false };
        let mut packed = Vec::new();
        if !compressor.compress(bytes, bytes.len() - 4, &mut packed) {
            return false;
        }
        self.out.push(0xC3);
        self.length(packed.len() as u64);
        self.length(bytes.len() as u64);
        self.out.extend_from_slice(&packed);
        true
    }

    /// Type byte and content of a value.
    pub fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Int(n) => {
                self.out.push(STRING);
                self.int(n);
            }
            ValueRef::Str { bytes, .. } => {
                self.out.push(STRING);
                self.string(bytes);
            }
            ValueRef::Object(Object::Str(bytes)) => {
                self.out.push(STRING);
                self.string(bytes);
            }
            // no payload: RESTORE refuses what has no type byte
            ValueRef::Object(_) => {}
        }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// What was written, with the footer of a DUMP payload.
    pub fn finish_payload(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc64(0, &self.out);
        self.out.extend_from_slice(&crc.to_le_bytes());
        self.out
    }
}

/// Reads values from bytes that may be anything.
pub struct Reader<'a> {
    input: &'a [u8],
}

/// What begins a string.
enum Len {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Reader<'a> {
    /// A reader of RDB content.
    pub fn new(input: &'a [u8]) -> Reader<'a> {
        Reader { input }
    }

    /// A reader of a DUMP payload's content, its footer checked.
    ///
    /// # Errors
    /// [`Corrupt::Footer`].
    pub fn of_payload(payload: &'a [u8]) -> Result<Reader<'a>, Corrupt> {
        let at = payload.len().checked_sub(FOOTER).ok_or(Corrupt::Footer)?;
        let (input, footer) = payload.split_at_checked(at).ok_or(Corrupt::Footer)?;
        let (version, crc) = footer.split_first_chunk::<2>().ok_or(Corrupt::Footer)?;
        let crc = crc.first_chunk::<8>().ok_or(Corrupt::Footer)?;
        let computed = crc64(crc64(0, input), version);
        if u16::from_le_bytes(*version) > VERSION || u64::from_le_bytes(*crc) != computed {
            return Err(Corrupt::Footer);
        }
        Ok(Reader { input })
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], Corrupt> {
        let n = usize::try_from(n).map_err(|_| Corrupt::Data)?;
        let (head, rest) = self.input.split_at_checked(n).ok_or(Corrupt::Data)?;
        self.input = rest;
        Ok(head)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (head, rest) = self.input.split_first_chunk::<N>().ok_or(Corrupt::Data)?;
        self.input = rest;
        Ok(*head)
    }

    fn head(&mut self) -> Result<Len, Corrupt> {
        let [first] = self.bytes()?;
        Ok(match first >> 6 {
            0 => Len::Plain(u64::from(first)),
            1 => {
                let [second] = self.bytes()?;
                Len::Plain(u64::from(u16::from_be_bytes([first & 0x3f, second])))
            }
            2 => match first {
                0x80 => Len::Plain(u64::from(u32::from_be_bytes(self.bytes()?))),
                0x81 => Len::Plain(u64::from_be_bytes(self.bytes()?)),
                _ => return Err(Corrupt::Data),
            },
            _ => Len::Encoded(first & 0x3f),
        })
    }

    /// A length.
    ///
    /// # Errors
    /// [`Corrupt::Data`] at the end of the input, and for an encoded string.
    pub fn length(&mut self) -> Result<u64, Corrupt> {
        match self.head()? {
            Len::Plain(n) => Ok(n),
            Len::Encoded(_) => Err(Corrupt::Data),
        }
    }

    /// A string. Takes no more memory than the input and, of what is compressed, than it really gives.
    ///
    /// # Errors
    /// [`Corrupt::Data`].
    pub fn string(&mut self) -> Result<Vec<u8>, Corrupt> {
        Ok(match self.head()? {
            Len::Plain(n) => self.take(n)?.to_vec(),
            Len::Encoded(0) => i8::from_le_bytes(self.bytes()?).to_string().into_bytes(),
            Len::Encoded(1) => i16::from_le_bytes(self.bytes()?).to_string().into_bytes(),
            Len::Encoded(2) => i32::from_le_bytes(self.bytes()?).to_string().into_bytes(),
            Len::Encoded(3) => {
                let (packed, len) = (self.length()?, self.length()?);
                let packed = self.take(packed)?;
                let len = usize::try_from(len).map_err(|_| Corrupt::Data)?;
                lzf::decompress(packed, len).map_err(|_| Corrupt::Data)?
            }
            Len::Encoded(_) => return Err(Corrupt::Data),
        })
    }

    /// A value: type byte and content.
    ///
    /// # Errors
    /// [`Corrupt::Data`], also for types that are not known.
    pub fn value(&mut self) -> Result<Loaded, Corrupt> {
        let [kind] = self.bytes()?;
        match kind {
            STRING => {
                let text = self.string()?;
                Ok(match num::parse_i64(&text) {
                    Some(n) => Loaded::Int(n),
                    None => Loaded::Str(text),
                })
            }
            _ => Err(Corrupt::Data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dump(value: ValueRef<'_>) -> Vec<u8> {
        let mut c = lzf::Compressor::new();
        let mut w = Writer::new(Some(&mut c));
        w.value(value);
        w.finish_payload()
    }

    fn load(payload: &[u8]) -> Result<Loaded, Corrupt> {
        Reader::of_payload(payload)?.value()
    }

    /// Payloads that Redis 8.2 gives.
    #[test]
    fn payloads_are_those_of_redis() {
        assert_eq!(dump(ValueRef::Int(2)), b"\x00\xc0\x02\x0c\x00D\xd4\x84|\x02\xfe\xe0\x82");
        let hello = ValueRef::Str { bytes: b"hello", raw: true };
        assert_eq!(dump(hello), b"\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC");
        assert_eq!(load(b"\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC"), Ok(Loaded::Str(b"hello".into())));
        assert_eq!(load(b"\x00\x05hellp\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC"), Err(Corrupt::Footer));
    }

    #[test]
    fn content_is_checked() {
        for content in [
            &b""[..],
            b"\x00",
            b"\x00\x05abc",
            b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x00\x82",
            b"\x00\xc4",
            b"\x00\xc2\x01",
            b"\x00\xc3\x04\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x00a\x00b",
            b"\xfe\x00",
        ] {
            assert_eq!(Reader::new(content).value(), Err(Corrupt::Data), "{content:?}");
        }
    }

    proptest! {
        #[test]
        fn integers_come_back(n: i64, shift in 0u32..64) {
            let n = n >> shift;
            prop_assert_eq!(load(&dump(ValueRef::Int(n))), Ok(Loaded::Int(n)));
            let text = n.to_string();
            prop_assert_eq!(dump(ValueRef::Str { bytes: text.as_bytes(), raw: true }), dump(ValueRef::Int(n)));
        }

        #[test]
        fn strings_come_back(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(0u8..2, 0..20000),
        ]) {
            let loaded = load(&dump(ValueRef::Str { bytes: &bytes, raw: false }));
            match num::parse_i64(&bytes) {
                Some(n) => prop_assert_eq!(loaded, Ok(Loaded::Int(n))),
                None => prop_assert_eq!(loaded, Ok(Loaded::Str(bytes))),
            }
        }

        #[test]
        fn anything_is_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut content = vec![STRING];
            content.extend(&bytes);
            if let Ok(Loaded::Str(s)) = Reader::new(&content).value() {
                prop_assert!(s.len() <= 300 * 60);
            }
        }
    }
}
