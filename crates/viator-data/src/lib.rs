//! Viator's data structures, pure: no clock, no randomness, no I/O; time and random numbers come in as arguments.

pub mod args;
pub mod bits;
mod cow;
pub mod crc;
pub mod geo;
pub mod glob;
pub mod hash;
pub mod hashing;
pub mod hll;
pub mod intset;
pub mod lcs;
pub mod list;
pub mod lzf;
pub mod num;
pub mod packed;
mod paged;
mod ptable;
pub mod room;
pub mod set;
mod sorted;
pub mod stream;
pub mod zset;
