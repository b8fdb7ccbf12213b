//! Messages to the device and to a module's inputs.

use super::{Device, Inbound, Properties, below, features};
use crate::wire::Text;

/// Reads `messages/devicebound[/{bag}]`, and of a module `inputs/{name}[/{bag}]`: what follows the address.
///
/// The bag is all the rest, further `/` included. It may be missing altogether: the documentation allows that
/// for a message without properties.
#[cfg_attr(not(target_os = "none"), inline(always))]
pub(super) fn parse<'i>(rest: Text<'i>, device: Device<'_>) -> Inbound<'i> {
    if let Some(bag) = below(rest, features::MESSAGES) {
        return Inbound::CloudToDevice { properties: Properties(bag) };
    }
    match input(rest, device) {
        Some((name, properties)) => Inbound::Input { name, properties },
        None => Inbound::Unknown,
    }
}

#[cfg_attr(not(target_os = "none"), inline(never))]
fn input<'i>(rest: Text<'i>, device: Device<'_>) -> Option<(&'i str, Properties<'i>)> {
    let (name, bag) = below(rest, features::INPUTS)?.cut(b'/');
    let is_input = device.module_id.is_some() && !name.is_empty();
    is_input.then(|| (name.as_str(), Properties(bag.unwrap_or_default())))
}
