//! See `iothub_fuzz::packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iothub_fuzz::packet::run(data));
