//! Viator's data structures, pure: no clock, no randomness, no I/O; time and random numbers come in as arguments.

pub mod args;
pub mod bits;
pub mod crc;
pub mod geo;
pub mod glob;
pub mod hll;
pub mod lcs;
pub mod lzf;
pub mod num;
