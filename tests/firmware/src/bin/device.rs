//! The device: `scenario.rs` holds all that it does.
#![no_std]
#![no_main]

#[path = "../scenario.rs"]
mod scenario;

harness::scenario!(scenario::run);
