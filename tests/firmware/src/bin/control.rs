//! Has each thing that a firmware must not have, so that `run` can show that its checks see them.
#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::hint::black_box;

harness::scenario!(everything_forbidden);

struct Sum(u32);

impl Write for Sum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len() as u32;
        Ok(())
    }
}

fn everything_forbidden() -> Result<(), u32> {
    let index = black_box(3_usize);
    let indexed = black_box([1_u64, 2, 3, 4])[index];
    let divided = black_box(1_u64 << 40) / black_box(indexed).max(1);
    let mut sum = Sum(0);
    write!(sum, "{divided}").map_err(|_| 1_u32)?;
    if sum.0 > 0 { Ok(()) } else { Err(2) }
}
