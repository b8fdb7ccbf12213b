//! What the end-to-end tests of `iothub-proto` stand on.
//!
//! * [`hub`]: an IoT Hub in memory. A machine without I/O, with a strict MQTT codec of its own, so that a
//!   mistake in the client's codec cannot be repeated here.
//! * `server`: that hub on loopback, over TLS, plain TCP and WebSocket, for real clients (feature `server`).
//! * `websocket`: the server's end of a WebSocket, by tungstenite, without I/O (feature `server`).
//! * [`script`]: a client driven by hand, at the level of bytes, with no hub.
//! * [`link`]: a seeded, simulated byte link, to put between a client machine and the hub.
//! * [`pair`]: client, link and hub on one simulated clock.
//! * [`sim`]: pairs by the million in bad weather, each made of a seed.
//! * [`registration`]: a device and the provisioning service on such a clock.
//! * [`pcap`]: capture files for dissectors, made of recorded bytes.
//! * [`mod@reference`]: a second, naive reading of the standard, to hold the client against.

pub mod hub;
pub mod link;
pub mod pair;
pub mod pcap;
pub mod reference;
pub mod registration;
pub mod script;
#[cfg(feature = "server")]
pub mod server;
pub mod sim;
#[cfg(feature = "server")]
pub mod websocket;
