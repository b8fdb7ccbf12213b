//! From reset to `scenario` and on to `report`. In assembly, so that the stack's use is the scenario's alone.
//! Of the instructions that every Cortex-M has.

use core::arch::global_asm;

global_asm!(
    "
    .equ PAINT, 0xa5c35a3c

    .section .vectors, \"a\"
    .word __stack_top
    .word reset
    .rept 14
    .word fault
    .endr

    .section .text.reset, \"ax\"
    .global reset
    .thumb_func
reset:
    ldr r0, =__data_start
    ldr r1, =__data_end
    ldr r2, =__data_load
1:  cmp r0, r1
    beq 2f
    ldmia r2!, {{r3}}
    stmia r0!, {{r3}}
    b 1b

2:  ldr r0, =__zero_start
    ldr r1, =__zero_end
    movs r2, #0
3:  cmp r0, r1
    beq 4f
    stmia r0!, {{r2}}
    b 3b

4:  ldr r0, =__stack_bottom
    ldr r1, =__stack_top
    ldr r2, =PAINT
5:  stmia r0!, {{r2}}
    cmp r0, r1
    bne 5b

    bl scenario

    @ r0 is its answer; r1 becomes the distance from the stack's top to the lowest word that lost its paint.
    ldr r1, =__stack_bottom
    ldr r2, =PAINT
    ldr r4, =__stack_top
6:  cmp r1, r4
    beq 7f
    ldr r3, [r1]
    cmp r3, r2
    bne 7f
    adds r1, #4
    b 6b
7:  subs r1, r4, r1
    bl report
    .ltorg
    .text
    "
);
