//! Azure IoT Hub's device-side MQTT dialect as a pure state machine.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod auth;
mod client;
mod config;
pub mod error;
pub mod event;
#[cfg(feature = "alloc")]
mod owned;
pub mod packet;
pub mod retry;
mod session;
mod storage;
pub mod time;
pub mod topic;
#[cfg(feature = "json")]
pub mod twin;
pub mod wire;

pub use client::{Client, Handled, Pending, Unacked};
pub use config::{Config, ConnectOptions, Settings, Telemetry};
pub use event::Event;
#[cfg(feature = "alloc")]
pub use owned::{OwnedClient, OwnedEvent, OwnedLimits, RxBytes};
pub use session::State;
pub use storage::{Inbound, RxBuffer, Slot, Storage};
