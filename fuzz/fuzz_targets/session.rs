//! See `iothub_fuzz::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iothub_fuzz::session::run(data));
