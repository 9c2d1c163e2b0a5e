//! Any bytes, cut anywhere, to the parser of requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viator_fuzz::request::run(data));
