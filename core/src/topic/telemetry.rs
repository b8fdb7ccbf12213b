//! Device-to-cloud messages, module outputs and the will: one topic form for all.

use super::Device;
use super::properties::{PropertySource, SystemProperties, put_bag};
use crate::wire::Writer;

/// Writes `devices/{d}[/modules/{m}]/messages/events/{bag}`, and returns what the bag counts towards the
/// hub's limit of 256 KiB a message, in bytes.
///
/// The hub counts the body, the values of system properties, and the names and values of application
/// properties, all unencoded; the body is the caller's to add. A module's output is chosen by
/// [`SystemProperties::output`]. The topic of a will is the same text.
///
/// Application properties with an empty name have to be refused before:
/// [`properties::check`](super::properties::check).
///
/// ```
/// use iothub_proto::topic::{Device, SystemProperties, telemetry};
/// use iothub_proto::wire::Writer;
/// let mut room = [0; 128];
/// let mut writer = Writer::new(&mut room);
/// let device = Device { device_id: "boiler", module_id: None };
/// let system = SystemProperties { message_id: Some("m-1"), ..Default::default() };
/// let counted = telemetry::put_topic(&mut writer, device, &system, &[("temperature", "21")]);
/// assert_eq!(counted, "m-1".len() + "temperature".len() + "21".len());
/// assert_eq!(writer.finish().unwrap(), b"devices/boiler/messages/events/%24.mid=m-1&temperature=21");
/// ```
pub fn put_topic(
    writer: &mut Writer<'_>,
    device: Device<'_>,
    system: &SystemProperties<'_>,
    properties: &dyn PropertySource,
) -> usize {
    device.put(writer);
    writer.put(b"messages/events/");
    put_bag(writer, system, properties)
}
