//! The C interface of `iothub-proto`: `include/iothub.h`, which is generated from this crate's sources.
//!
//! Every comment on a public item is written for readers of that header. Types are named here as in C.
//!
//! | file | what |
//! |---|---|
//! | [`types`] | texts, bytes, tokens, and the memory that the caller places |
//! | [`status`], [`error`] | status codes, their texts, and what is behind the last one |
//! | `ptr` | the only place where a pointer of the caller becomes a reference |
//! | `guard` | a machine in the caller's memory: recognised, called, and shut when something panicked |
//! | [`config`], [`client`], [`commands`], `twin`, [`state`] | the device |
//! | `registration`, `provisioning` | the Device Provisioning Service |
//! | `websocket` | port 443 |
//! | [`telemetry`], `parts`, [`event`], [`stream`], `translate`, [`properties`], [`request`] | what goes out and what comes in |
//! | [`json`], [`pnp`], [`patch`] | values of twins; IoT Plug and Play |
//! | [`rx`] | a receive buffer |
//! | [`auth`], `key` | connection strings and SAS tokens |
//! | [`retry`] | when to connect again |
//!
//! A panic does not reach C. On a hosted system (feature `std`) it is caught, reported as `IOTHUB_ERR_INTERNAL`, and the
//! client it happened in answers nothing else from then on; where panics abort, the process ends. On bare metal there
//! is none: the handler calls a function that nobody defines, so an image that can reach a panic does not link.
#![no_std]
#![allow(non_camel_case_types)]
#![deny(unsafe_op_in_unsafe_fn)]
// `@param[out]` is doxygen's.
#![allow(rustdoc::broken_intra_doc_links)]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod auth;
pub mod client;
pub mod commands;
pub mod config;
pub mod error;
pub mod event;
mod guard;
pub mod json;
#[cfg(feature = "sas")]
pub mod key;
#[cfg(feature = "stream")]
pub mod parts;
pub mod patch;
pub mod pnp;
pub mod properties;
#[cfg(feature = "provisioning")]
pub mod provisioning;
mod ptr;
#[cfg(feature = "provisioning")]
pub mod registration;
pub mod request;
pub mod retry;
pub mod rx;
mod sizes;
pub mod state;
pub mod status;
pub mod stream;
pub mod telemetry;
#[cfg(test)]
mod tests;
mod translate;
#[cfg(feature = "twin")]
pub mod twin;
pub mod types;
pub mod version;
#[cfg(feature = "websocket")]
pub mod websocket;

/// Never called: what calls this symbol does not link, so a firmware that links has no panic in it. Builds without
/// optimisation do have some; they define the symbol.
#[cfg(all(not(feature = "std"), not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn iothub_panic_is_reachable() -> !;
    }
    // SAFETY: whoever defines it promises what a panic handler promises, not to return.
    unsafe { iothub_panic_is_reachable() }
}
