//! UNSUBSCRIBE out (MQTT 3.1.1 §3.10). Its answer UNSUBACK (§3.11) is a packet id and nothing else.

use super::PacketId;
use crate::wire::Writer;

/// The first byte of an UNSUBSCRIBE.
pub const FIRST: u8 = 0xA2;

/// Puts the body of an UNSUBSCRIBE; `filters` puts at least one filter by [`put_filter`].
pub fn put_body(w: &mut Writer<'_>, id: PacketId, filters: &mut dyn FnMut(&mut Writer<'_>)) {
    w.put_u16(id.get());
    filters(w);
}

/// Puts one topic filter of 1 to [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes, as it was subscribed.
pub fn put_filter(w: &mut Writer<'_>, filter: &mut dyn FnMut(&mut Writer<'_>)) {
    w.put_text_with(filter);
}
