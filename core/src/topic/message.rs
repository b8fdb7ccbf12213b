//! Messages to the device and to a module's inputs.

use super::{Device, Inbound, Properties, below};
use crate::wire::{after, cut};

/// Reads `devices/{d}/messages/devicebound[/{bag}]` and `devices/{d}/modules/{m}/inputs/{name}[/{bag}]`.
///
/// The bag is all the rest, further `/` included. It may be missing altogether: the documentation allows that
/// for a message without properties.
pub(super) fn parse<'i>(topic: &'i str, device: Device<'_>) -> Option<Inbound<'i>> {
    let rest = device.strip(topic)?;
    if let Some(bag) = below(rest, "messages/devicebound") {
        return Some(Inbound::CloudToDevice { properties: Properties::new(bag) });
    }
    device.module_id?;
    let rest = after(rest, "inputs/")?;
    let (name, bag) = cut(rest, b'/').unwrap_or((rest, ""));
    if name.is_empty() {
        return None;
    }
    Some(Inbound::Input { name, properties: Properties::new(bag) })
}
