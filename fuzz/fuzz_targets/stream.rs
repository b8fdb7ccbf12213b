//! See `iothub_fuzz::stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iothub_fuzz::stream::run(data));
