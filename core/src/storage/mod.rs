//! The caller's memory and how the machine divides it.
//!
//! Nothing here knows MQTT. [`Slot`]s are records of what is queued or in flight; the [`arena`] keeps
//! encoded packets in one byte slice until they are settled; the [`window`] remembers what came in and is not
//! acknowledged; [`RxBuffer`] collects input for drivers that want that done.

use crate::wire::copy;

pub(crate) mod arena;
pub(crate) mod list;
mod rx;
mod slot;
pub(crate) mod window;

pub use rx::RxBuffer;
pub use slot::Slot;
pub(crate) use slot::{Flags, SlotKind, Ticket};
pub use window::Inbound;

/// The memory a [`Client`](crate::Client) works in. It allocates nothing.
///
/// * `tx`: encoded packets, kept until acknowledged. Its front is a reserve for CONNECT, SUBSCRIBE and the GET
///   of twin synchronisation, so that nothing the application queues can keep the device from signing in.
/// * `slots`: one for each command in flight (a telemetry message, a twin request, a method answer). They share `tx`,
///   so an application that fills both with telemetry has no room to answer a method: leave a few.
/// * `inbound`: one for each cloud-to-device message delivered and not yet acknowledged; the hub queues at
///   most 50, so 64 never fill.
///
/// ```
/// use iothub_proto::{Inbound, Slot, Storage};
/// let (mut tx, mut slots, mut inbound) = ([0; 2048], [Slot::EMPTY; 8], [Inbound::EMPTY; 64]);
/// let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
/// # let _ = storage;
/// ```
pub struct Storage<'a> {
    /// Bytes for outgoing packets.
    pub tx: &'a mut [u8],
    /// Records of commands in flight.
    pub slots: &'a mut [Slot],
    /// Records of messages not yet acknowledged.
    pub inbound: &'a mut [Inbound],
}

impl core::fmt::Debug for Storage<'_> {
    /// Lengths only: what is queued may be secret, and CONNECT with the password is in `tx` until it is sent.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Storage")
            .field("tx", &self.tx.len())
            .field("slots", &self.slots.len())
            .field("inbound", &self.inbound.len())
            .finish()
    }
}

/// Moves `len` bytes from `from` down to `to`: `copy_within` without its panic, in pieces that do not overlap their place.
fn move_down(bytes: &mut [u8], from: usize, to: usize, len: usize) {
    let (distance, mut left) = (from.saturating_sub(to), len);
    let mut rest = bytes.get_mut(to..).unwrap_or_default();
    while left > 0 && distance > 0 {
        let Some((place, behind)) = rest.split_at_mut_checked(distance) else { return };
        copy(place, behind.get(..left).unwrap_or(behind));
        left = left.saturating_sub(distance);
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_move_down_by_any_distance() {
        for (from, to, len) in
            [(0, 0, 9), (1, 0, 9), (3, 0, 9), (9, 1, 3), (9, 2, 7), (10, 9, 6), (16, 3, 0), (5, 4, 99)]
        {
            let before: std::vec::Vec<u8> = (0..16).collect();
            let (mut moved, mut expected) = (before.clone(), before.clone());
            move_down(&mut moved, from, to, len);
            let end = (from + len).min(before.len());
            expected.copy_within(from..end, to);
            assert_eq!(moved, expected, "{len} from {from} to {to}");
        }
    }

    /// Law 10: CONNECT, with the password in it, stands in `tx` until it is sent.
    #[test]
    fn debug_shows_no_bytes() {
        let (mut tx, mut slots, mut inbound) = ([0x5A; 77], [Slot::EMPTY; 3], [Inbound::EMPTY; 2]);
        let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
        assert_eq!(std::format!("{storage:?}"), "Storage { tx: 77, slots: 3, inbound: 2 }");
    }
}
