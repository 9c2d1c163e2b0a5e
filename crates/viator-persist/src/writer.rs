//! Writing lengths, strings and numbers.

use crate::VERSION;
use viator_data::crc::crc64;
use viator_data::{lzf, num};

/// Strings up to this length are never compressed.
const MIN_COMPRESSED: usize = 20;

/// Appends RDB content to a buffer.
pub struct Writer<'a> {
    pub(crate) out: Vec<u8>,
    /// With `rdbcompression` on.
    compressor: Option<&'a mut lzf::Compressor>,
    packed: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer; without a compressor, strings are written as they are.
    pub fn new(compressor: Option<&'a mut lzf::Compressor>) -> Writer<'a> {
        Writer::onto(Vec::new(), compressor)
    }

    /// A writer that appends to what is there.
    pub fn onto(out: Vec<u8>, compressor: Option<&'a mut lzf::Compressor>) -> Writer<'a> {
        Writer { out, compressor, packed: Vec::new() }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes what was written so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// A byte.
    pub fn byte(&mut self, b: u8) {
        self.out.push(b);
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
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

    /// A point in time.
    pub fn millis(&mut self, ms: u64) {
        self.out.extend_from_slice(&ms.to_le_bytes());
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
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        let done = compressor.compress(bytes, bytes.len() - 4, &mut packed);
        if done {
            self.lzf(&packed, bytes.len());
        }
        if packed.capacity() <= 1 << 20 {
            self.packed = packed;
        }
        done
    }

    /// A string that is compressed already.
    pub fn lzf(&mut self, packed: &[u8], len: usize) {
        self.out.push(0xC3);
        self.length(packed.len() as u64);
        self.length(len as u64);
        self.out.extend_from_slice(packed);
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
