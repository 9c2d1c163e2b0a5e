//! Any values and files in the RDB format.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viator_fuzz::rdb::run(data));
