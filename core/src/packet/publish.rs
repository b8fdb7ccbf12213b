//! PUBLISH (MQTT 3.1.1 §3.3), in both directions: a message.

use super::{Kind, PacketId, QoS};
use crate::error::{PeerError, Violation};
use crate::wire::frame::{self, Header};
use crate::wire::{Fields, Text, Writer, topic_name};

/// The bit of the first byte that marks a PUBLISH as possibly sent before (§3.3.1.1).
pub const DUP: u8 = 0x08;

const FIRST: u8 = 0x30;
const QOS_SHIFT: u32 = 1;
const QOS_MASK: u8 = 0x06;
const RETAIN: u8 = 0x01;

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'i> {
    /// How surely it is delivered.
    pub qos: QoS,
    /// Whether this may be a repetition; only with QoS 1.
    pub dup: bool,
    /// Whether it is a retained message.
    pub retain: bool,
    /// Its topic: 1 to [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes without U+0000 and wildcards.
    pub topic: Text<'i>,
    /// The packet id: with QoS 1, and only then.
    pub id: Option<PacketId>,
    /// The application's bytes.
    pub payload: &'i [u8],
}

impl Publish<'_> {
    /// Bytes of the whole packet.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let remaining = self.remaining();
        remaining.saturating_add(1_usize.wrapping_add(frame::remaining_length_len(remaining)))
    }

    /// Writes the whole packet at the start of `room` and gives its size in bytes.
    ///
    /// # Errors
    ///
    /// The size it needs, if `room` is smaller.
    ///
    /// ```
    /// use iothub_proto::packet::{Publish, QoS};
    /// let publish = Publish {
    ///     qos: QoS::AtMostOnce, dup: false, retain: false, topic: "t".into(), id: None, payload: b"hi",
    /// };
    /// let mut room = [0; 8];
    /// assert_eq!(publish.emit(&mut room), Ok(7));
    /// assert_eq!(room[..7], *b"\x30\x05\x00\x01thi");
    /// ```
    pub fn emit(&self, room: &mut [u8]) -> Result<usize, usize> {
        let remaining = self.remaining();
        let header_len = frame::remaining_length_len(remaining).wrapping_add(1);
        let packet = room.split_at_mut_checked(header_len).filter(|_| remaining <= frame::MAX_REMAINING_LENGTH);
        let Some((header, body)) = packet.and_then(|(header, body)| Some((header, body.get_mut(..remaining)?))) else {
            return Err(self.encoded_len());
        };
        frame::fill_header(header, first_byte(self.qos, self.dup, self.retain), remaining);
        let mut writer = Writer::new(body);
        writer.put_binary(self.topic.as_bytes());
        put_rest(&mut writer, self.id, self.payload);
        Ok(header_len.wrapping_add(remaining))
    }

    const fn remaining(&self) -> usize {
        let lengths = if self.id.is_some() { 4 } else { 2 };
        self.topic.len().saturating_add(self.payload.len()).saturating_add(lengths)
    }
}

/// QoS, DUP and RETAIN out of a first byte that [`Kind::of`] has let pass.
pub(crate) const fn flags(first: u8) -> (QoS, bool, bool) {
    let qos = if first & QOS_MASK == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    (qos, first & DUP != 0, first & RETAIN != 0)
}

/// The first byte of a PUBLISH.
#[must_use]
pub const fn first_byte(qos: QoS, dup: bool, retain: bool) -> u8 {
    let dup = if dup { DUP } else { 0 };
    FIRST | dup | (qos as u8).wrapping_shl(QOS_SHIFT) | retain as u8
}

/// Puts what follows the topic, which was put as a text of at most [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes;
/// `id` is there with QoS 1, and only then.
pub fn put_rest(w: &mut Writer<'_>, id: Option<PacketId>, payload: &[u8]) {
    if let Some(id) = id {
        w.put_u16(id.get());
    }
    w.put(payload);
}

/// The beginning of a PUBLISH that does not lie whole in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Head<'i> {
    /// All before the payload is there.
    Complete {
        /// The message, its payload left empty.
        publish: Publish<'i>,
        /// Bytes from the start of the packet to the payload.
        len: usize,
    },
    /// More is needed to decide: this many bytes from the start of the packet.
    Needs(usize),
}

/// Reads a PUBLISH up to its payload from the bytes of it that are there, `input`.
///
/// Asked again with as many bytes as it [`Needs`](Head::Needs), it decides after three times at most. It decides
/// as [`decode`](super::decode) would with the whole packet.
///
/// # Errors
///
/// As of [`decode`](super::decode); [`Violation::ForbiddenType`] for any other packet than a PUBLISH.
///
/// ```
/// use iothub_proto::packet::publish::{Head, head};
/// use iothub_proto::wire::frame;
/// let input = b"\x30\xFF\x7F\x00\x03a/bxxxx";
/// let header = frame::header(input).unwrap().unwrap();
/// assert_eq!(head(&header, &input[..6]), Ok(Head::Needs(8)));
/// let Ok(Head::Complete { publish, len }) = head(&header, input) else { unreachable!() };
/// assert_eq!((publish.topic.as_str(), len), ("a/b", 8));
/// ```
pub fn head<'i>(header: &Header, input: &'i [u8]) -> Result<Head<'i>, PeerError> {
    match Kind::of(header.first)? {
        Kind::Publish => Kind::Publish.check_length(header)?,
        _ => return Err(header.error(Violation::ForbiddenType, 0)),
    }
    checked_head(header, input)
}

/// The whole PUBLISH. It has passed [`Kind::check_length`] and is exactly as long as its header says.
#[cfg_attr(not(target_os = "none"), inline(always))]
pub(crate) fn parse<'i>(header: &Header, packet: &'i [u8]) -> Result<Publish<'i>, PeerError> {
    match checked_head(header, packet)? {
        Head::Complete { publish, len } => Ok(Publish { payload: packet.get(len..).unwrap_or_default(), ..publish }),
        Head::Needs(needed) => Err(header.error(Violation::Truncated, needed)),
    }
}

/// [`head`] of a packet that has passed [`Kind::check_length`].
// Offsets up to the payload are sums of a few small numbers, so none of them wraps.
#[cfg_attr(not(target_os = "none"), inline(always))]
pub(crate) fn checked_head<'i>(header: &Header, input: &'i [u8]) -> Result<Head<'i>, PeerError> {
    let mut fields = Fields::new(header, input);
    let length_at = fields.offset();
    let topic_at = length_at.wrapping_add(2);
    let Some(topic_len) = fields.u16() else { return Ok(Head::Needs(topic_at)) };

    let (qos, dup, retain) = flags(header.first);
    let id_at = topic_at.wrapping_add(usize::from(topic_len));
    let len = if qos == QoS::AtLeastOnce { id_at.wrapping_add(2) } else { id_at };
    if len > header.total() {
        // Known from the two lengths alone, so not waited for.
        let at = if id_at > header.total() { length_at } else { id_at };
        return Err(fields.error(Violation::Truncated, at));
    }
    let Some(topic) = fields.bytes(usize::from(topic_len)).filter(|_| len <= input.len()) else {
        return Ok(Head::Needs(len));
    };
    let topic = topic_name(topic).map_err(|(kind, at)| fields.error(kind, topic_at.wrapping_add(at)))?;
    let id = if qos == QoS::AtLeastOnce { Some(PacketId::parse(&mut fields)?) } else { None };
    Ok(Head::Complete { publish: Publish { qos, dup, retain, topic, id, payload: &[] }, len })
}

#[cfg(test)]
mod tests;
