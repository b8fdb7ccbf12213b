//! Azure IoT Hub's device-side MQTT dialect as a pure state machine: inbound bytes and timer ticks go in, outbound
//! bytes and events come out. No socket, no clock, no thread, no heap unless asked for.
//!
//! [`Client`] is one device or module; its documentation holds the laws it keeps and a whole conversation.
//! A driver moves bytes between it and a transport of the caller's (TLS is the transport's):
//!
//! ```
//! use iothub_proto::error::Error;
//! use iothub_proto::time::Instant;
//! use iothub_proto::{Client, Event, RxBuffer};
//!
//! /// One turn after anything happened. `send` gives how many bytes the socket took.
//! fn turn(
//!     client: &mut Client<'_>,
//!     rx: &mut RxBuffer<'_>,
//!     now: Instant,
//!     send: &mut dyn FnMut(&[u8]) -> usize,
//! ) -> Result<Option<Instant>, Error> {
//!     if client.poll_timeout().is_some_and(|at| at <= now) {
//!         // What is fatal here comes again from `poll_event`, after the events that explain it.
//!         let _ = client.handle_timeout(now);
//!     }
//!     while let Some(event) = client.poll_event(now, rx)? {
//!         match event {
//!             Event::Message(message) => {
//!                 if let Some(token) = message.token {
//!                     client.message_accept(now, token)?;
//!                 }
//!             }
//!             Event::MethodCall { request, .. } => client.method_respond(now, &request, 200, b"{}")?,
//!             _ => {}
//!         }
//!     }
//!     while let Some(bytes) = client.poll_transmit() {
//!         match send(bytes) {
//!             0 => break,
//!             sent => client.confirm_transmit(now, sent)?,
//!         }
//!     }
//!     Ok(if client.has_event() { Some(now) } else { client.poll_timeout() })
//! }
//! # let _ = turn;
//! ```
//!
//! # The rooms of the house
//!
//! Data flows one way, and a module imports only from those before it:
//!
//! | module | what |
//! |---|---|
//! | [`time`], [`error`] | the caller's clock; error families |
//! | [`wire`] | bytes to fields and back |
//! | [`packet`] | fields to MQTT 3.1.1 packets and back |
//! | [`topic`] | topic text to address and property bag, and back |
//! | [`pnp`] | IoT Plug and Play: components, commands, writable properties |
//! | `twin` | (`json`) twin documents, patches and their rules |
//! | [`auth`] | identity, connection string, SAS token |
//! | `config`, `storage` | what the caller says, and the memory it gives |
//! | `session` | MQTT's rules over packets: states, timers, what is in flight |
//! | [`event`] | what the application is told |
//! | `client` | IoT Hub's meaning over session and topic |
//! | [`provisioning`] | which hub a device belongs to: the Device Provisioning Service, over the same session |
//! | `websocket` | (`websocket`) MQTT's bytes in WebSocket frames and out of them |
//! | [`retry`] | when to connect again |
//! | `owned` | (`alloc`) the same machine with memory of its own |
//!
//! # Features
//!
//! | feature | what it adds | needs |
//! |---|---|---|
//! | none | sign-in, telemetry and the will, without a heap; tokens are signed by the caller; what the hub publishes all the same is passed over | |
//! | `inbound` | cloud-to-device messages, module inputs, direct methods; [`provisioning`] | |
//! | `twin` (default) | device twins: `Client::twin_get`, `Client::twin_report`, synchronisation | `inbound` |
//! | `sas` (default) | `auth::SharedAccessKey`: tokens signed here | |
//! | `stream` | payloads larger than the buffers, in pieces: `event::StreamSource`, `Client::send_telemetry_parts` | |
//! | `alloc` | `OwnedClient` and results that own memory; `twin`, `stream` | an allocator |
//! | `std` (default) | `alloc`, and properties out of a `HashMap` | the standard library |
//! | `json` | twin documents and patches on serde_json, and their rules checked before sending | an allocator |
//! | `websocket` | `websocket::WebSocket`: the same clients over port 443 | |
//! | `defmt` | `defmt::Format` on plain types | |
// `cfg_attr(target_os = "none", inline(never))` keeps one copy of a function, or its stack apart from others, on bare
// metal, where bytes count. Elsewhere the compiler inlines as it likes, which makes a message a fifth cheaper.
#![no_std]
#![forbid(unsafe_code)]
// What the session does for twin requests.
#![cfg_attr(not(feature = "twin"), allow(dead_code))]
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
pub mod pnp;
#[cfg(feature = "inbound")]
pub mod provisioning;
pub mod retry;
mod session;
mod storage;
pub mod time;
pub mod topic;
#[cfg(feature = "json")]
pub mod twin;
#[cfg(feature = "websocket")]
pub mod websocket;
pub mod wire;

pub use client::{Client, Handled, Pending, Unacked};
#[cfg(feature = "stream")]
pub use config::Parts;
pub use config::{Config, ConnectOptions, Settings, Telemetry};
pub use event::Event;
#[cfg(feature = "alloc")]
pub use owned::{OwnedClient, OwnedEvent, OwnedLimits, RxBytes};
#[cfg(feature = "alloc")]
pub use provisioning::OwnedProvisioningClient;
#[cfg(feature = "inbound")]
pub use provisioning::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent};
pub use session::State;
pub use storage::{Inbound, RxBuffer, Slot, Storage};

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
