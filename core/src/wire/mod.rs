//! Bytes to primitive fields and back. No state, no packet types.
//!
//! Reading starts at [`frame::header`], which finds where a packet ends; the fields inside are then taken one by one
//! and a text is checked by [`text`] or [`topic_name`]. Writing goes through a [`Writer`]; [`frame::write`] puts
//! the fixed header before a body whose length is not known beforehand.
//!
//! Nothing here panics or reads past what it was given: readers say what is missing and where, the [`Writer`]
//! counts what did not fit.

mod base64;
pub mod frame;
mod json;
mod percent;
mod read;
mod text;
mod writer;

pub(crate) use base64::{put_base64, put_from_base64};
pub use json::{
    JsonError, JsonMembers, JsonText, JsonValue, ValueReader, VersionReader, check_json, json_value, put_json_text,
};
pub(crate) use json::{Members, Part, put_json_number};
pub(crate) use percent::PercentDecoder;
pub use percent::put_encoded;
pub(crate) use read::Fields;
pub use text::{MAX_TEXT, Text, text, topic_name};
pub(crate) use text::{append_digit, cut, decimal};
pub use writer::Writer;
pub(crate) use writer::copy;
