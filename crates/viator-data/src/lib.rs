//! Viator's data structures, pure: no clock, no randomness, no I/O; time and random numbers come in as arguments.

pub mod glob;
pub mod num;
