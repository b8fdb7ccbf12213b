//! See `iothub_fuzz::connection_string`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iothub_fuzz::connection_string::run(data));
