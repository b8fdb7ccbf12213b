//! A program without a standard library that is linked and never run.

/// Makes `$run` all that the program does.
macro_rules! start {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            $run();
            loop {
                core::hint::spin_loop();
            }
        }
    };
}
pub(crate) use start;

/// Undefined on purpose: a program in which a panic can be reached does not link.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn panic_is_reachable() -> !;
    }
    // SAFETY: it is never linked, so never called.
    unsafe { panic_is_reachable() }
}
