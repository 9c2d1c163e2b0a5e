//! Where RDB content is read from.

use crate::Fault;
use std::io::Read;
use viator_data::crc::crc64;

/// Bytes in order.
pub trait Source {
    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Fault::Short`], [`Fault::Io`].
    fn take(&mut self, n: usize) -> Result<&[u8], Fault>;

    /// How many bytes were taken.
    fn position(&self) -> u64;
}

/// Bytes in memory.
pub struct Slice<'a> {
    rest: &'a [u8],
    taken: u64,
}

impl<'a> Slice<'a> {
    /// All of these.
    pub fn new(bytes: &'a [u8]) -> Slice<'a> {
        Slice { rest: bytes, taken: 0 }
    }

    /// What was not taken.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Source for Slice<'_> {
    #[inline]
    fn take(&mut self, n: usize) -> Result<&[u8], Fault> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Fault::Short)?;
        self.rest = rest;
        self.taken += n as u64;
        Ok(head)
    }

    fn position(&self) -> u64 {
        self.taken
    }
}

/// Bytes that are read at one time.
const BLOCK: usize = 256 << 10;

/// Bytes of a file or a socket, with the checksum of those taken.
pub struct Streamed<R> {
    from: R,
    buf: Vec<u8>,
    at: usize,
    /// Up to where `crc` goes.
    summed: usize,
    crc: u64,
    checked: bool,
    /// Bytes taken that are no longer in `buf`.
    before: u64,
}

impl<R: Read> Streamed<R> {
    /// What this gives. `checked`: with a checksum.
    pub fn new(from: R, checked: bool) -> Streamed<R> {
        Streamed { from, buf: Vec::new(), at: 0, summed: 0, crc: 0, checked, before: 0 }
    }

    fn sum(&mut self) {
        if self.checked {
            self.crc = crc64(self.crc, self.buf.get(self.summed..self.at).unwrap_or_default());
        }
        self.summed = self.at;
    }

    /// Whether there is a checksum.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// The checksum of all that was taken.
    pub fn checksum(&mut self) -> u64 {
        self.sum();
        self.crc
    }

    /// What was read and not taken, and where the rest comes from.
    pub fn into_rest(mut self) -> (Vec<u8>, R) {
        self.buf.drain(..self.at.min(self.buf.len()));
        (self.buf, self.from)
    }

    /// Reads until there are `n` bytes. Memory grows with what has come only.
    #[cold]
    fn fill(&mut self, n: usize) -> Result<(), Fault> {
        self.sum();
        self.buf.drain(..self.at);
        self.before += self.at as u64;
        (self.at, self.summed) = (0, 0);
        if n < BLOCK && self.buf.capacity() > 4 * BLOCK {
            self.buf.shrink_to(BLOCK);
        }
        while self.buf.len() < n {
            let have = self.buf.len();
            let want = BLOCK.max((n - have).min(16 * BLOCK));
            self.buf.resize(have + want, 0);
            let read = loop {
                match self.from.read(self.buf.get_mut(have..).unwrap_or_default()) {
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            self.buf.truncate(have + *read.as_ref().unwrap_or(&0));
            if read.map_err(Fault::Io)? == 0 {
                return Err(Fault::Short);
            }
        }
        Ok(())
    }
}

impl<R: Read> Source for Streamed<R> {
    #[inline]
    fn take(&mut self, n: usize) -> Result<&[u8], Fault> {
        if self.buf.len() - self.at < n {
            self.fill(n)?;
        }
        let from = self.at;
        self.at += n;
        self.buf.get(from..self.at).ok_or(Fault::Short)
    }

    fn position(&self) -> u64 {
        self.before + self.at as u64
    }
}
