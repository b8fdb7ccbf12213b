//! Direct methods: the call, and the topic of its answer.

use super::Inbound;
use super::query::Query;
use crate::wire::{Text, Writer};

/// Reads `{name}/?$rid={rid}`, what follows `$iothub/methods/POST/`.
pub(super) fn parse(rest: Text<'_>) -> Inbound<'_> {
    let query = Query::parse(rest);
    match (query.level(), query.request_id()) {
        (Some(name), Some(request_id)) => Inbound::Method { name: name.as_str(), request_id },
        _ => Inbound::Unknown,
    }
}

/// Writes the topic of an answer: `$iothub/methods/res/{status}/?$rid={rid}`.
///
/// `request_id` is that of [`Inbound::Method`], verbatim. `status` goes to the caller of the method as it is;
/// by convention it is HTTP's: 200 for success, 404 or 501 for an unknown method.
///
/// ```
/// use iothub_proto::topic::method;
/// use iothub_proto::wire::Writer;
/// let mut room = [0; 64];
/// let mut writer = Writer::new(&mut room);
/// method::put_response_topic(&mut writer, 200, b"7");
/// assert_eq!(writer.finish().unwrap(), b"$iothub/methods/res/200/?$rid=7");
/// ```
pub fn put_response_topic(writer: &mut Writer<'_>, status: u16, request_id: &[u8]) {
    writer.put(b"$iothub/methods/res/");
    writer.put_decimal(u32::from(status));
    writer.put(b"/?$rid=");
    writer.put(request_id);
}
