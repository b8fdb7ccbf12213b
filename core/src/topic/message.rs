//! Messages to the device and to a module's inputs.

use super::{Device, Inbound, Properties, below, features};
use crate::wire::Text;

/// Reads `messages/devicebound[/{bag}]`, and of a module `inputs/{name}[/{bag}]`: what follows the address.
///
/// The bag is all the rest, further `/` included. It may be missing altogether: the documentation allows that
/// for a message without properties.
pub(super) fn parse<'i>(rest: Text<'i>, device: Device<'_>) -> Inbound<'i> {
    if let Some(bag) = below(rest, features::MESSAGES) {
        return Inbound::CloudToDevice { properties: Properties(bag) };
    }
    let Some(rest) = below(rest, features::INPUTS) else { return Inbound::Unknown };
    let (name, bag) = rest.cut(b'/');
    if device.module_id.is_none() || name.is_empty() {
        return Inbound::Unknown;
    }
    Inbound::Input { name: name.as_str(), properties: Properties(bag.unwrap_or_default()) }
}
