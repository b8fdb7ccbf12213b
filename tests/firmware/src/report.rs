//! The result, told through semihosting: ARM's way for a program to ask the debugger, here QEMU, for a service.

use core::arch::asm;

const SYS_WRITE0: u32 = 0x04;
const SYS_EXIT: u32 = 0x18;
const EXIT_ENDED: u32 = 0x2_0026;
const EXIT_FAILED: u32 = 0x2_0023;

/// Called by the start with what `scenario` gave and the bytes of stack it took.
#[unsafe(no_mangle)]
extern "C" fn report(failed_step: u32, stack: u32) -> ! {
    if failed_step == 0 {
        print(b"stack=\0");
        print_decimal(stack);
        exit(EXIT_ENDED)
    }
    print(b"failed at step \0");
    print_decimal(failed_step);
    exit(EXIT_FAILED)
}

/// Every exception ends here: none is expected.
#[unsafe(no_mangle)]
extern "C" fn fault() -> ! {
    print(b"fault\n\0");
    exit(EXIT_FAILED)
}

fn print_decimal(value: u32) {
    // Ten digits, a line end and the zero that ends the text.
    let mut text = *b"0000000000\n\0";
    let mut rest = value;
    for digit in text.iter_mut().take(10).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    print(&text);
}

/// Prints a text that ends with a zero byte.
fn print(text: &[u8]) {
    call(SYS_WRITE0, text.as_ptr() as u32);
}

fn exit(reason: u32) -> ! {
    call(SYS_EXIT, reason);
    loop {}
}

fn call(operation: u32, argument: u32) {
    // SAFETY: the debugger reads what `argument` points at, and changes r0 alone.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument, options(nostack)) }
}
