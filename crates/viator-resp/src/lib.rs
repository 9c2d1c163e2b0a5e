//! The RESP2/RESP3 protocol: request parser, reply writer, reply reader. No I/O, no clock.

pub mod value;

pub mod reply;
pub mod request;
