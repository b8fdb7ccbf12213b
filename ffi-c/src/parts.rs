//! Messages whose payload the application supplies in parts. Not in a library built without the feature `stream`.

use crate::guard;
use crate::ptr;
use crate::status::{IOTHUB_OK, iothub_status};
use crate::telemetry::{self, iothub_telemetry};
use crate::translate;
use crate::types::{iothub_bytes, iothub_client, iothub_token};
use iothub_proto::Parts;
use iothub_proto::time::Instant;

/// As iothub_client_send_telemetry(), with a payload that the application supplies in parts while the message leaves: from
/// flash, for instance. `message` has only what goes before the parts, often nothing. It takes `part_room` bytes of `tx`
/// instead of the payload's.
///
/// When it is the message's turn, IOTHUB_EVENT_PART_WANTED asks for one part after another; after a cut, at QoS 1, for all
/// of them again. A driver looks at iothub_client_has_event() before it sleeps, as parts are asked for while bytes leave.
/// Half a message holds up everything behind it: an application that does not supply for `send_timeout_ms` loses its
/// connection (IOTHUB_ERR_TIMED_OUT_SUPPLY).
///
/// @param parts_len Bytes of all parts.
/// @param part_room Bytes of the largest part. 0 is 1.
/// @param[out] token What names it; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_x as iothub_client_send_telemetry().
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_send_telemetry_parts(
    client: *mut iothub_client,
    now_ms: u64,
    message: *const iothub_telemetry,
    parts_len: u32,
    part_room: u32,
    token: *mut iothub_token,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let token = ptr::optional_out(token)?;
        let message = ptr::input(message)?;
        let pairs = telemetry::pairs(message)?;
        let message = telemetry::read(message, &pairs)?;
        let (now, parts) = (Instant::from_millis(now_ms), Parts { len: parts_len, room: part_room });
        let sent = guard::with(client, |client| client.send_telemetry_parts(now, &message, parts))?;
        if let Some(token) = token {
            *token = translate::telemetry(sent);
        }
        Ok(IOTHUB_OK)
    })
}

/// Supplies the part that IOTHUB_EVENT_PART_WANTED asked for: some bytes, at most as many as there is room for. None at all
/// changes nothing.
///
/// @param offset `u.part_wanted.offset`.
/// @param bytes The part. It is copied.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH of `bytes`.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_STALE This message wants no part now, or one at another offset, as after a cut.
/// @retval IOTHUB_ERR_TOO_LARGE It has more bytes than there is room for.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_telemetry_part(
    client: *mut iothub_client,
    now_ms: u64,
    token: iothub_token,
    offset: u32,
    bytes: iothub_bytes,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let bytes = ptr::bytes(bytes)?;
        let (now, token) = (Instant::from_millis(now_ms), translate::telemetry_token(token));
        guard::with(client, |client| client.telemetry_part(now, token, offset, bytes)).map(|()| IOTHUB_OK)
    })
}
