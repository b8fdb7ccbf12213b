//! The harness around nothing.
#![no_std]
#![no_main]

harness::scenario!(nothing);

fn nothing() -> Result<(), u32> {
    Ok(())
}
