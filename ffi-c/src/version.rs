//! The version of the library that is linked, as against that of the header.

use core::ffi::c_char;

/// The version of the library: to be compared with IOTHUB_VERSION, that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_version() -> u32 {
    NUMBER
}

/// The version of the library in words. Ends with NUL and lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_version_str() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) if number < 256 => number,
        _ => panic!("a part of the version is no number below 256"),
    }
}
