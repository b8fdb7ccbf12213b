//! Every public function. It links only if none can panic.
#![no_std]
#![no_main]

#[path = "../calls/mod.rs"]
mod calls;
#[path = "../host.rs"]
mod host;

host::start!(calls::all);
