//! Has what `all` must not have: it must not link.
#![no_std]
#![no_main]

use core::hint::black_box;

#[path = "../host.rs"]
mod host;

host::start!(index);

fn index() {
    let index = black_box(3_usize);
    black_box(black_box([1, 2, 3, 4])[index]);
}
