//! What is kept on disk. [`aof`]: the append-only file's parts. All else is the RDB format: values as DUMP gives and RESTORE
//! takes them, and files of them, which are read from a [`Source`] and written to a buffer.
//!
//! A length has 6, 14, 32 or 64 bits, told by the first byte's upper two; where these are `11`, the rest says how a string
//! is encoded: as an 8, 16 or 32 bit integer, or compressed by LZF. Everything else is made of lengths, strings and fixed
//! little-endian numbers; what a value is made of is told by its type byte.

pub mod aof;
pub mod check;
mod decode;
mod encode;
mod fault;
pub mod file;
mod legacy;
mod reader;
mod source;
mod stream;
#[cfg(test)]
mod tests;
pub mod types;
mod writer;

pub use decode::{Limits, Loaded};
pub use fault::Fault;
pub use reader::Reader;
pub use source::{Slice, Source, Streamed};
pub use writer::Writer;

/// Version of the format that is written.
pub const VERSION: u16 = 12;
/// Newest version that is read.
pub const MAX_VERSION: u16 = 13;
