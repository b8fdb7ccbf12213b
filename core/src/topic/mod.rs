//! Topic text to address, and back: the dialect IoT Hub speaks in MQTT topics.
//!
//! The hub has no free topics. A topic's text says what a packet means, and carries the fields for which
//! MQTT 3.1.1 has no place: a message's properties, a request id, a status, a twin version.
//!
//! | text | meaning | here |
//! |---|---|---|
//! | `devices/{d}[/modules/{m}]/messages/events/{bag}` | telemetry, out | [`telemetry`] |
//! | `devices/{d}/messages/devicebound/{bag}` | cloud-to-device message, in | [`Inbound::CloudToDevice`] |
//! | `devices/{d}/modules/{m}/inputs/{name}/{bag}` | message to a module input, in | [`Inbound::Input`] |
//! | `$iothub/twin/…` | twin requests, responses, desired changes | [`twin`] |
//! | `$iothub/methods/…` | direct methods and their answers | [`method`] |
//! | `$dps/registrations/…` | requests to the Device Provisioning Service and its answers | [`registration`] |
//!
//! `{bag}` is a percent-encoded property bag: see [`properties`]. [`parse`] reads what the hub sends, the
//! `put_…` functions write what the device sends, [`Features`] names what can be subscribed. Ids and names
//! stand raw in a topic, never percent-encoded.

mod features;
mod message;
pub mod method;
pub mod properties;
mod query;
pub mod registration;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod twin;

use crate::wire::{Text, Writer};
pub use features::{Features, put_filter};
pub use properties::{
    DecodeError, Encoded, Properties, Property, PropertyIter, PropertySource, ReceivedSystem, SystemProperties,
};

/// Whose topics: a device, or a module of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Device<'a> {
    /// The device id, as registered, raw.
    pub device_id: &'a str,
    /// The module id, raw; `None` for the device itself.
    pub module_id: Option<&'a str>,
}

impl Device<'_> {
    /// Writes `devices/{d}/` or `devices/{d}/modules/{m}/`.
    fn put(self, writer: &mut Writer<'_>) {
        writer.put(DEVICES.as_bytes());
        writer.put(self.device_id.as_bytes());
        if let Some(module_id) = self.module_id {
            writer.put(MODULES.as_bytes());
            writer.put(module_id.as_bytes());
        }
        writer.put_u8(b'/');
    }

    /// What follows the text of [`put`](Self::put) in `topic`; `None` if the topic is not this device's.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn strip(self, topic: Text<'_>) -> Option<Text<'_>> {
        let mut rest = topic.after(DEVICES)?.after(self.device_id)?;
        if let Some(module_id) = self.module_id {
            rest = rest.after(MODULES)?.after(module_id)?;
        }
        rest.after("/")
    }
}

const DEVICES: &str = "devices/";
const MODULES: &str = "/modules/";

/// What the topic of a received PUBLISH means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Inbound<'i> {
    /// A cloud-to-device message.
    CloudToDevice {
        /// Its properties.
        properties: Properties<'i>,
    },
    /// A message routed to an input of this module.
    Input {
        /// The input's name, raw; not empty.
        name: &'i str,
        /// The message's properties.
        properties: Properties<'i>,
    },
    /// The answer to a twin GET or to a reported patch.
    TwinResponse {
        /// What became of the request, in HTTP's numbers: 200, 204, 400, 429, 5xx.
        status: u16,
        /// The request's `$rid`, verbatim; not empty.
        request_id: &'i str,
        /// The new version of the reported section, after a patch. `None` if it is missing, or no number of
        /// 64 bits: the status still settles the request.
        version: Option<u64>,
    },
    /// The desired section of the twin has changed.
    Desired {
        /// Its new version. `None` if it is missing, or no number of 64 bits.
        version: Option<u64>,
    },
    /// A direct method is called.
    Method {
        /// The method's name, raw; not empty.
        name: &'i str,
        /// The `$rid` to answer with, verbatim; not empty.
        request_id: &'i str,
    },
    /// None of these: another device's topic, a topic of no known form, a status that is no number below
    /// 65,536, a call or an answer without `$rid`.
    Unknown,
}

/// What the topic of a PUBLISH to `device` means. It never fails: what does not fit is [`Inbound::Unknown`].
///
/// The text is compared exactly, letter case included. Where hubs and gateways are known to differ it is
/// lenient: a `/` at the end, a missing `/` before `?`, a bag that is missing or begins with `?`, `$rid` and
/// `$version` in either order, with other pairs around them. Of a repeated pair the first counts.
///
/// ```
/// use iothub_proto::topic::{Device, Inbound, parse};
/// let device = Device { device_id: "boiler", module_id: None };
/// let call = parse("$iothub/methods/POST/blink/?$rid=7", device);
/// assert_eq!(call, Inbound::Method { name: "blink", request_id: "7" });
///
/// let Inbound::CloudToDevice { properties } = parse("devices/boiler/messages/devicebound/a=1", device) else {
///     panic!("a cloud-to-device message");
/// };
/// assert_eq!(properties.raw(), "a=1");
/// ```
#[must_use]
pub fn parse<'i>(topic: impl Into<Text<'i>>, device: Device<'_>) -> Inbound<'i> {
    parse_text(topic.into(), device)
}

#[inline(never)]
fn parse_text<'i>(topic: Text<'i>, device: Device<'_>) -> Inbound<'i> {
    match parse_message(topic, device) {
        Inbound::Unknown => parse_service(topic),
        message => message,
    }
}

/// As [`parse`], of what comes most often: messages. All else is [`Inbound::Unknown`].
#[cfg_attr(target_os = "none", inline(never))]
#[cfg_attr(not(target_os = "none"), inline(always))]
pub(crate) fn parse_message<'i>(topic: Text<'i>, device: Device<'_>) -> Inbound<'i> {
    device.strip(topic).map_or(Inbound::Unknown, |rest| message::parse(rest, device))
}

/// As [`parse`], of what is no message.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn parse_service(topic: Text<'_>) -> Inbound<'_> {
    if let Some(rest) = below(topic, features::TWIN) {
        twin::response(rest)
    } else if let Some(rest) = below(topic, features::DESIRED) {
        twin::desired(rest)
    } else if let Some(rest) = below(topic, features::METHODS) {
        method::parse(rest)
    } else {
        Inbound::Unknown
    }
}

/// What stands in `topic` for the `/#` of `filter`: empty also where the topic ends before it, since `/#` matches
/// the level above, too (MQTT 3.1.1 §4.7.1.2).
#[inline(always)] // The filter is a constant, and so is the text without its end.
fn below<'i>(topic: Text<'i>, filter: &str) -> Option<Text<'i>> {
    below_level(topic, filter.strip_suffix("/#").unwrap_or(filter))
}

#[cfg_attr(target_os = "none", inline(never))]
fn below_level<'i>(topic: Text<'i>, level: &str) -> Option<Text<'i>> {
    let rest = topic.after(level)?;
    if rest.is_empty() { Some(rest) } else { rest.after("/") }
}
