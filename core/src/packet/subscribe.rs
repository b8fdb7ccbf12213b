//! SUBSCRIBE out (MQTT 3.1.1 §3.8), SUBACK in (§3.9).

use super::{PacketId, QoS};
use crate::error::{PeerError, Violation};
use crate::wire::{Fields, Writer};

/// The first byte of a SUBSCRIBE.
pub const FIRST: u8 = 0x82;

/// The return code of a filter that is refused.
const FAILURE: u8 = 0x80;

/// Puts the body of a SUBSCRIBE; `filters` puts at least one filter by [`put_filter`].
///
/// ```
/// use iothub_proto::packet::{PacketId, QoS, subscribe};
/// use iothub_proto::wire::frame;
/// let id = PacketId::new(1).unwrap();
/// let mut room = [0; 16];
/// let packet = frame::write(&mut room, 2, subscribe::FIRST, &mut |w| {
///     subscribe::put_body(w, id, &mut |w| {
///         subscribe::put_filter(w, &mut |w| w.put(b"a/#"), QoS::AtLeastOnce);
///     });
/// });
/// assert_eq!(room[packet.unwrap()], *b"\x82\x08\x00\x01\x00\x03a/#\x01");
/// ```
pub fn put_body(w: &mut Writer<'_>, id: PacketId, filters: &mut dyn FnMut(&mut Writer<'_>)) {
    w.put_u16(id.get());
    filters(w);
}

/// Puts one topic filter, of 1 to [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes, and the QoS asked for.
pub fn put_filter(w: &mut Writer<'_>, filter: &mut dyn FnMut(&mut Writer<'_>), qos: QoS) {
    w.put_text_with(filter);
    w.put_u8(qos as u8);
}

/// The hub's answer to a SUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suback<'i> {
    /// The id of the SUBSCRIBE.
    pub id: PacketId,
    /// One return code for each filter, in their order: 0, 1 or 2 (the QoS granted) or 0x80 (refused). Never empty.
    pub codes: &'i [u8],
}

impl<'i> Suback<'i> {
    /// For each filter the QoS granted; `None` if it is refused.
    ///
    /// A granted QoS 2, more than was asked for, counts as QoS 1: a QoS 2 PUBLISH is refused when it comes.
    pub fn codes(&self) -> impl ExactSizeIterator<Item = Option<QoS>> + use<'i> {
        self.codes.iter().map(|&code| match code {
            FAILURE => None,
            0 => Some(QoS::AtMostOnce),
            _ => Some(QoS::AtLeastOnce),
        })
    }
}

pub(crate) fn parse<'i>(fields: &mut Fields<'i>) -> Result<Suback<'i>, PeerError> {
    let id = PacketId::parse(fields)?;
    let codes = fields.rest();
    match codes.iter().position(|&code| !matches!(code, 0..=2 | FAILURE)) {
        Some(index) => Err(fields.error(Violation::BadSubackCode, fields.offset().saturating_add(index))),
        None => Ok(Suback { id, codes }),
    }
}
