//! Frame to typed packet and back: MQTT 3.1.1 as a client speaks it that uses no QoS 2.
//!
//! One file a packet kind. What the hub sends goes through three gates, each as early as it can decide:
//! [`Kind::of`] looks at the first byte, [`Kind::check_length`] at the fixed header, [`decode`] at the whole
//! packet. So the same bytes end in the same [`PeerError`] however they arrive. A PUBLISH that is larger than
//! the memory for it is read in part by [`publish::head`].
//!
//! What the client sends is written as a body, by [`connect`], [`publish`] or [`subscribe`], inside
//! [`frame::write`](crate::wire::frame::write); the packets of fixed size are constants or arrays.
//!
//! Packets are judged one by one. Whether one may come now, and whether it answers something, is the
//! session's knowledge.

use core::num::NonZeroU16;

use crate::error::{PeerError, Violation};
use crate::wire::Fields;
use crate::wire::frame::Header;

pub mod connack;
pub mod connect;
pub mod disconnect;
mod kind;
pub mod ping;
pub mod puback;
pub mod publish;
pub mod subscribe;
pub mod unsubscribe;

pub use connack::Connack;
pub use connect::{Connect, WillFields};
pub use kind::Kind;
pub use publish::{Head, Publish};
pub use subscribe::Suback;

/// A packet identifier: 1 to 65,535 (MQTT 3.1.1 §2.3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The identifier `id`; `None` for 0.
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        match NonZeroU16::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The number, never 0.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Self, PeerError> {
        let offset = fields.offset();
        let id = fields.u16().ok_or(Violation::Truncated);
        id.and_then(|id| Self::new(id).ok_or(Violation::ZeroPacketId)).map_err(|kind| fields.error(kind, offset))
    }
}

/// How surely a message is delivered (MQTT 3.1.1 §4.3). The hub has no QoS 2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum QoS {
    /// At most once: sent and forgotten.
    AtMostOnce = 0,
    /// At least once: kept until acknowledged, and possibly delivered again.
    AtLeastOnce = 1,
}

/// A packet from the hub. It borrows the bytes it was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'i> {
    /// The answer to CONNECT.
    Connack(Connack),
    /// A message.
    Publish(Publish<'i>),
    /// The answer to a QoS 1 PUBLISH.
    Puback(PacketId),
    /// The answer to SUBSCRIBE.
    Suback(Suback<'i>),
    /// The answer to UNSUBSCRIBE.
    Unsuback(PacketId),
    /// The answer to PINGREQ.
    Pingresp,
}

/// Reads the packet at the start of `packet`, whose fixed header is `header` and which must be there whole:
/// [`Header::total`] bytes. Bytes after it are ignored.
///
/// # Errors
///
/// What [`Kind::of`] and [`Kind::check_length`] say of the header, then whatever is wrong in the body; the
/// offset counts from the start of the packet. [`Violation::Truncated`] if `packet` is shorter than it should be.
///
/// ```
/// use iothub_proto::packet::{Packet, QoS, decode};
/// use iothub_proto::wire::frame;
/// let input = b"\x32\x07\x00\x01t\x00\x09hi";
/// let header = frame::header(input).unwrap().unwrap();
/// let Packet::Publish(publish) = decode(&header, input).unwrap() else { unreachable!() };
/// assert_eq!((publish.qos, publish.topic.as_str(), publish.payload), (QoS::AtLeastOnce, "t", &b"hi"[..]));
/// assert_eq!(publish.id.unwrap().get(), 9);
/// ```
#[cfg_attr(not(target_os = "none"), inline(always))]
pub fn decode<'i>(header: &Header, packet: &'i [u8]) -> Result<Packet<'i>, PeerError> {
    let kind = Kind::of(header.first)?;
    kind.check_length(header)?;
    let packet = packet.get(..header.total()).ok_or(header.error(Violation::Truncated, packet.len()))?;
    let mut fields = Fields::new(header, packet);
    Ok(match kind {
        Kind::Connack => Packet::Connack(connack::parse(&mut fields)?),
        Kind::Publish => Packet::Publish(publish::parse(header, packet)?),
        Kind::Puback => Packet::Puback(PacketId::parse(&mut fields)?),
        Kind::Suback => Packet::Suback(subscribe::parse(&mut fields)?),
        Kind::Unsuback => Packet::Unsuback(PacketId::parse(&mut fields)?),
        Kind::Pingresp => Packet::Pingresp,
    })
}

#[cfg(test)]
mod tests;
