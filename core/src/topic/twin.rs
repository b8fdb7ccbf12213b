//! The device twin: requests out, responses and desired changes in. Devices and modules use the same text.

use super::Inbound;
use super::query::Query;
use crate::wire::{Text, Writer, decimal};

/// Reads `{status}/?$rid={rid}[&$version={v}]`, what follows `$iothub/twin/res/`.
pub(super) fn response(rest: Text<'_>) -> Inbound<'_> {
    let query = Query::parse(rest);
    let status = query.level().and_then(decimal).and_then(|status| u16::try_from(status).ok());
    match (status, query.request_id()) {
        (Some(status), Some(request_id)) => Inbound::TwinResponse { status, request_id, version: query.version() },
        _ => Inbound::Unknown,
    }
}

/// Reads `?$version={v}`, what follows `$iothub/twin/PATCH/properties/desired/`.
pub(super) fn desired(rest: Text<'_>) -> Inbound<'_> {
    let query = Query::parse(rest);
    if query.path.is_empty() { Inbound::Desired { version: query.version() } } else { Inbound::Unknown }
}

/// Writes the topic that asks for the whole twin: `$iothub/twin/GET/?$rid={rid}`.
///
/// The caller puts the `$rid` behind it: not empty, of characters that a property value may have unencoded (letters,
/// digits, `-`). The hub gives it back verbatim.
///
/// ```
/// use iothub_proto::topic::twin;
/// use iothub_proto::wire::Writer;
/// let mut room = [0; 64];
/// let mut writer = Writer::new(&mut room);
/// twin::put_get_topic(&mut writer);
/// writer.put_decimal(42);
/// assert_eq!(writer.finish().unwrap(), b"$iothub/twin/GET/?$rid=42");
/// ```
pub fn put_get_topic(writer: &mut Writer<'_>) {
    put_request(writer, b"GET");
}

/// Writes the topic of a reported patch: `$iothub/twin/PATCH/properties/reported/?$rid={rid}`.
///
/// The `$rid` follows as in [`put_get_topic`]. Without one the hub would apply the patch and not answer.
pub fn put_report_topic(writer: &mut Writer<'_>) {
    put_request(writer, b"PATCH/properties/reported");
}

fn put_request(writer: &mut Writer<'_>, what: &[u8]) {
    writer.put(b"$iothub/twin/");
    writer.put(what);
    writer.put(b"/?$rid=");
}
