//! The functions over memory that a firmware gets from its C library, in the size in which newlib-nano has them. Those of
//! Rust's `compiler_builtins` copy by words and take 600 bytes.
//!
//! The names with `aeabi` are the ones that LLVM calls on ARM. All but the comparison go from the last byte to the first,
//! so that the destination, which is the result, stays in its register; nothing here has 2 GiB.

use core::arch::global_asm;

global_asm!(
    "
    .macro names, first, others:vararg
    .section .text.\\first, \"ax\"
    .irp name, \\first, \\others
    .global \\name
    .thumb_func
\\name:
    .endr
    .endm

    names memcpy, __aeabi_memcpy, __aeabi_memcpy4, __aeabi_memcpy8
    b 2f
1:  ldrb r3, [r1, r2]
    strb r3, [r0, r2]
2:  subs r2, #1
    bpl 1b
    bx lr

    @ The C function has its last two arguments the other way round.
    names memset
    mov r3, r1
    mov r1, r2
    mov r2, r3
    b __aeabi_memset

    names __aeabi_memclr, __aeabi_memclr4, __aeabi_memclr8
    movs r2, #0
    b __aeabi_memset

    names __aeabi_memset, __aeabi_memset4, __aeabi_memset8
    b 2f
1:  strb r2, [r0, r1]
2:  subs r1, #1
    bpl 1b
    bx lr

    names memcmp
    push {{r4, r5, lr}}
    movs r3, #0
1:  cmp r3, r2
    beq 2f
    ldrb r4, [r0, r3]
    ldrb r5, [r1, r3]
    adds r3, #1
    subs r4, r4, r5
    beq 1b
    mov r0, r4
    pop {{r4, r5, pc}}
2:  movs r0, #0
    pop {{r4, r5, pc}}

    .text
    "
);
