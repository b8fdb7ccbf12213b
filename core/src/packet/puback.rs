//! PUBACK (MQTT 3.1.1 §3.4), in both directions: the answer to a QoS 1 PUBLISH.

use super::PacketId;

/// The whole PUBACK for the PUBLISH with this id.
///
/// ```
/// use iothub_proto::packet::{PacketId, puback};
/// assert_eq!(puback::packet(PacketId::new(0x1234).unwrap()), [0x40, 0x02, 0x12, 0x34]);
/// ```
#[must_use]
pub const fn packet(id: PacketId) -> [u8; 4] {
    let [high, low] = id.get().to_be_bytes();
    [0x40, 0x02, high, low]
}
