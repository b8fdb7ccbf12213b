//! The device twin: requests out, responses and desired changes in. Devices and modules use the same text.

use super::query::{Query, decimal};
use super::{Inbound, below};
use crate::wire::{Writer, after};

/// Reads `res/{status}/?$rid={rid}[&$version={v}]` and `PATCH/properties/desired/?$version={v}`, what follows
/// `$iothub/twin/`.
pub(super) fn parse(rest: &str) -> Option<Inbound<'_>> {
    if let Some(rest) = after(rest, "res/") {
        let (status, query) = Query::parse_after_head(rest)?;
        let status = u16::try_from(decimal(status)?).ok()?;
        return Some(Inbound::TwinResponse { status, request_id: query.request_id?, version: query.version() });
    }
    let rest = below(rest, "PATCH/properties/desired")?;
    Some(Inbound::Desired { version: Query::parse(rest)?.version() })
}

/// Writes the topic that asks for the whole twin: `$iothub/twin/GET/?$rid={rid}`.
///
/// `request_id` writes the `$rid`: not empty, of characters that a property value may have unencoded (letters,
/// digits, `-`). The hub gives it back verbatim.
///
/// ```
/// use iothub_proto::topic::twin;
/// use iothub_proto::wire::Writer;
/// let mut room = [0; 64];
/// let mut writer = Writer::new(&mut room);
/// twin::put_get_topic(&mut writer, &mut |writer| writer.put_decimal(42));
/// assert_eq!(writer.finish().unwrap(), b"$iothub/twin/GET/?$rid=42");
/// ```
pub fn put_get_topic(writer: &mut Writer<'_>, request_id: &mut dyn FnMut(&mut Writer<'_>)) {
    put_request(writer, b"GET", request_id);
}

/// Writes the topic of a reported patch: `$iothub/twin/PATCH/properties/reported/?$rid={rid}`.
///
/// `request_id` is as in [`put_get_topic`]. Without one the hub would apply the patch and not answer.
pub fn put_report_topic(writer: &mut Writer<'_>, request_id: &mut dyn FnMut(&mut Writer<'_>)) {
    put_request(writer, b"PATCH/properties/reported", request_id);
}

fn put_request(writer: &mut Writer<'_>, what: &[u8], request_id: &mut dyn FnMut(&mut Writer<'_>)) {
    writer.put(b"$iothub/twin/");
    writer.put(what);
    writer.put(b"/?$rid=");
    request_id(writer);
}
