//! Calls every public function of the tier without a heap, with arguments of which the compiler knows nothing.
//!
//! Each is called by its full name, so that a test can see that none is missing. It is built for the host by
//! `tests/no-panic/run`, and for bare metal by `tests/firmware`.

mod auth;
mod client;
mod plain;
mod pnp;
#[cfg(feature = "inbound")]
mod provisioning;
mod topic;
#[cfg(feature = "websocket")]
mod websocket;
mod wire;

use core::hint::black_box;

/// All of them.
pub fn all() {
    auth::all();
    client::all();
    plain::all();
    pnp::all();
    #[cfg(feature = "inbound")]
    provisioning::all();
    topic::all();
    #[cfg(feature = "websocket")]
    websocket::all();
    wire::all();
}

/// Whatever it is given, as far as the compiler knows.
fn any<T>(value: T) -> T {
    black_box(value)
}

/// Some result; without this the call that made it could be left out.
fn used<T>(result: T) {
    black_box(result);
}

fn bytes() -> &'static [u8] {
    any(&[])
}

fn string() -> &'static str {
    any("")
}

fn some_string() -> Option<&'static str> {
    any(Some(string()))
}

fn room() -> &'static mut [u8] {
    any(&mut [])
}

fn number() -> usize {
    any(0)
}

fn writer() -> iothub_proto::wire::Writer<'static> {
    any(iothub_proto::wire::Writer::new(room()))
}
