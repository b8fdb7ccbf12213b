//! What surrounds a scenario on the bare machine: start, memory, stack measurement, the word to the outside.
//!
//! The start paints the stack, calls `scenario`, sees how much of the paint is gone, and reports through semihosting.
//! All of it is in the image of `empty` too, which is subtracted.
#![no_std]

mod libc;
mod memory;
mod report;
mod start;

pub use memory::Place;

/// Bytes as if just received: the optimiser knows nothing of them.
pub fn received(bytes: &'static [u8]) -> &'static [u8] {
    core::hint::black_box(bytes)
}

/// Makes `run`, a `fn() -> Result<(), u32>`, what this image does. The number names the step that went wrong, from 1.
#[macro_export]
macro_rules! scenario {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn scenario() -> u32 {
            match $run() {
                Ok(()) => 0,
                Err(step) => step,
            }
        }
    };
}

/// Undefined on purpose: an image in which a panic can be reached does not link.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn panic_is_reachable() -> !;
    }
    // SAFETY: it is never linked, so never called.
    unsafe { panic_is_reachable() }
}
