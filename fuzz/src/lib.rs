//! What is fuzzed, apart from who makes up the input: cargo-fuzz does in `fuzz_targets`, a seeded random generator in
//! `tests/fuzz_smoke.rs` of the main package, which includes these modules.

pub mod aof;
pub mod bytes;
pub mod command;
pub mod host;
pub mod rdb;
pub mod request;
