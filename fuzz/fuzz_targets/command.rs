//! Any command lines to an engine without sockets.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| viator_fuzz::command::run(data));
