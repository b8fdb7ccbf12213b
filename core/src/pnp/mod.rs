//! IoT Plug and Play: components, commands, writable properties and their acknowledgements.
//!
//! | what | how |
//! |---|---|
//! | the model | [`Identity::with_model_id`](crate::auth::Identity::with_model_id): it is told with each sign-in |
//! | telemetry of a component | [`SystemProperties::component`](crate::topic::SystemProperties::component) |
//! | commands | [`Command`] splits a method's name |
//! | desired properties | [`Properties`] splits a document or a patch that is in memory, [`PropertyReader`] one that comes in pieces; with the feature `json`, `properties` one that `serde_json` has read |
//! | reported properties, acknowledgements | [`PatchWriter`]; with the feature `json`, `acknowledgement` |
//!
//! What a device does with a desired document or patch, without a heap:
//!
//! ```
//! use iothub_proto::pnp::{Ack, PatchError, PatchWriter, Properties};
//! use iothub_proto::wire::JsonError;
//!
//! # fn apply(_component: Option<&str>, _name: &str, _value: &[u8]) -> u16 { 200 }
//! // The payload and the version of `Event::TwinDesired`.
//! let patch = br#"{"interval":5,"thermostat1":{"__t":"c","targetTemperature":21.5},"$version":7}"#;
//! let version = 7;
//! let mut room = [0; 256];
//! let mut report = PatchWriter::new(&mut room);
//! for property in Properties::of_patch(patch, &["thermostat1"]).expect("the hub sends JSON") {
//!     // Names of a model have no escapes.
//!     let (component, name) = (property.component.and_then(|text| text.plain()), property.name.plain().unwrap_or(""));
//!     let code = apply(component, name, property.value.raw());
//!     report.acknowledge(component, name, property.value.into(), &Ack { code, version, description: None })?;
//! }
//! // … what `twin_report` takes.
//! assert_eq!(
//!     report.finish()?,
//!     br#"{"interval":{"ac":200,"av":7,"value":5},"thermostat1":{"__t":"c","targetTemperature":{"ac":200,"av":7,"value":21.5}}}"#,
//! );
//! # Ok::<(), PatchError>(())
//! ```

use crate::wire::{JsonError, JsonValue};

mod patch;
mod properties;
mod reader;
#[cfg(test)]
mod tests;
#[cfg(feature = "json")]
mod tree;

pub use patch::{Ack, PatchError, PatchWriter, ReportedValue};
pub use properties::{Properties, Property};
pub use reader::PropertyReader;
#[cfg(feature = "json")]
pub use tree::{acknowledgement, properties};

/// The member that marks an object as a component, and its value.
const MARKER: (&str, &str) = ("__t", "c");

/// A whole document, which is also checked to be UTF-8.
fn parse(json: &[u8]) -> Result<JsonValue<'_>, JsonError> {
    core::str::from_utf8(json).map_err(|error| JsonError::IllFormed { at: error.valid_up_to() })?;
    JsonValue::parse(json)
}

/// A command: the name of a direct method, split.
///
/// ```
/// use iothub_proto::pnp::Command;
/// assert_eq!(Command::parse("reboot"), Command { component: None, name: "reboot" });
/// assert_eq!(Command::parse("thermostat1*getReport"), Command { component: Some("thermostat1"), name: "getReport" });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// The component; `None` for the default component.
    pub component: Option<&'a str>,
    /// The command.
    pub name: &'a str,
}

impl<'a> Command<'a> {
    /// Splits the `name` of [`Event::MethodCall`](crate::Event::MethodCall) at its first `*`.
    #[must_use]
    pub fn parse(method: &'a str) -> Self {
        match method.split_once('*') {
            Some((component, name)) => Self { component: Some(component), name },
            None => Self { component: None, name: method },
        }
    }
}
