//! Bytes to primitive fields and back. No state, no MQTT meaning.
//!
//! Nothing here panics or reads past what it was given: readers say what is missing, the [`Writer`] counts
//! what did not fit.

mod json;
mod writer;

pub use json::VersionReader;
pub use writer::Writer;
