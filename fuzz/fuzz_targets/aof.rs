//! Any append-only files and manifests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viator_fuzz::aof::run(data));
