//! What the end-to-end tests of `iothub-proto` stand on.
//!
//! * [`hub`]: an IoT Hub in memory. A machine without I/O, with a strict MQTT codec of its own, so that a
//!   mistake in the client's codec cannot be repeated here.
//! * [`server`]: that hub on loopback, over TLS and plain TCP, for real clients.
//! * [`link`]: a seeded, simulated byte link, to put between a client machine and the hub.
//! * [`pcap`]: capture files for dissectors, made of recorded bytes.

pub mod hub;
pub mod link;
pub mod pcap;
pub mod server;
