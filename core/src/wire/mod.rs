//! Bytes to primitive fields and back. No state, no MQTT meaning.
//!
//! Nothing here panics or reads past what it was given: readers say what is missing, the [`Writer`] counts
//! what did not fit.

mod base64;
mod percent;
mod writer;

pub(crate) use base64::{put_base64, put_from_base64};
pub use percent::put_encoded;
pub use writer::Writer;
