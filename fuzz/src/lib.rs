//! The bodies of the fuzz targets: each takes any bytes, and panics if what it checks does not hold.
//!
//! They are a library, so that a normal build checks their types and `cargo test` replays the corpora; the files in
//! `fuzz_targets/` hand them to cargo-fuzz. `fuzz/run` runs them.
//!
//! | target | what it does with the bytes |
//! |---|---|
//! | [`packet`] | decodes them as a packet: what is read is written back to the same bytes |
//! | [`stream`] | feeds them to clients in chunks: all tell the same as one that got them at once |
//! | [`topic`] | reads them as topic and property bag, and sends properties made of them |
//! | [`session`] | takes them as a list of calls and faults, with a hub at the other end |
//! | [`connection_string`] | reads them as a connection string, and signs tokens with a key of them |
//! | [`c_abi`] | takes them as a session with a client behind the C functions, or as texts for the other functions |
//! | [`twin`] | takes them as twin documents and patches, and splits them into properties |
//!
//! Each check is there for a law or a statement of a standard, and each can fail: [`plant`] has a fault for each.

pub mod c_abi;
pub mod connection_string;
pub mod corpus;
mod machine;
pub mod packet;
pub mod plant;
mod pnp;
pub mod session;
pub mod stream;
pub mod topic;
pub mod twin;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("packet", packet::run),
    ("stream", stream::run),
    ("topic", topic::run),
    ("session", session::run),
    ("connection_string", connection_string::run),
    ("twin", twin::run),
    ("c_abi", c_abi::run),
];
