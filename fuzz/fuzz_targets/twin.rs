//! See `iothub_fuzz::twin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iothub_fuzz::twin::run(data));
