//! What a client can be asked, without changing it.

use crate::guard;
use crate::ptr::{self, Zeroed};
use crate::status::{IOTHUB_ERR_STALE, IOTHUB_OK, iothub_status};
use crate::translate;
use crate::types::{IOTHUB_TOKEN_NONE, iothub_client, iothub_token};
use iothub_proto::error::TimeoutReason;

/// Where the connection is. This: no connection. Commands are kept for the next one.
pub const IOTHUB_STATE_OFFLINE: i32 = 0;
/// CONNECT is on its way, or CONNACK is.
pub const IOTHUB_STATE_CONNECTING: i32 = 1;
/// CONNACK came; SUBACK has not. Messages may arrive already.
pub const IOTHUB_STATE_SUBSCRIBING: i32 = 2;
/// Everything works.
pub const IOTHUB_STATE_READY: i32 = 3;
/// iothub_client_disconnect() was called: what is in flight settles, nothing new is begun.
pub const IOTHUB_STATE_DRAINING: i32 = 4;
/// DISCONNECT is on its way. Input is ignored.
pub const IOTHUB_STATE_CLOSING: i32 = 5;
/// The connection ended with a fatal error, which is repeated until iothub_client_connect().
pub const IOTHUB_STATE_FAILED: i32 = 6;

/// What the next deadline is about: there is none.
pub const IOTHUB_TIMEOUT_NONE: i32 = 0;
/// No CONNACK. Fatal when it passes.
pub const IOTHUB_TIMEOUT_CONNACK: i32 = 1;
/// No SUBACK. Fatal.
pub const IOTHUB_TIMEOUT_SUBACK: i32 = 2;
/// No PINGRESP. Fatal.
pub const IOTHUB_TIMEOUT_PINGRESP: i32 = 3;
/// No PUBACK although messages wait for one. Fatal.
pub const IOTHUB_TIMEOUT_PUBACK: i32 = 4;
/// Bytes are waiting and none is confirmed. Fatal.
pub const IOTHUB_TIMEOUT_SEND: i32 = 5;
/// The GET of twin synchronisation has waited too long; it is sent again later.
pub const IOTHUB_TIMEOUT_TWIN_SYNC: i32 = 6;
/// The next GET of twin synchronisation is due.
pub const IOTHUB_TIMEOUT_TWIN_REFETCH: i32 = 7;
/// The credential is about to expire.
pub const IOTHUB_TIMEOUT_CREDENTIAL: i32 = 8;
/// The polite disconnect has waited long enough for what is in flight.
pub const IOTHUB_TIMEOUT_DRAIN: i32 = 9;
/// DISCONNECT was not confirmed in time.
pub const IOTHUB_TIMEOUT_CLOSE: i32 = 10;
/// A PINGREQ is due.
pub const IOTHUB_TIMEOUT_KEEP_ALIVE: i32 = 11;
/// A twin request has waited too long. Ends that request only.
pub const IOTHUB_TIMEOUT_REQUEST: i32 = 12;

/// The Device Provisioning Service is to be asked again. Of iothub_provisioning only.
pub const IOTHUB_TIMEOUT_POLL: i32 = 13;
/// The Device Provisioning Service has not assigned the device in time. Of iothub_provisioning only; fatal.
pub const IOTHUB_TIMEOUT_REGISTRATION: i32 = 14;
/// The application did not supply the next part of a message, half of which was sent. Fatal.
pub const IOTHUB_TIMEOUT_SUPPLY: i32 = 15;

/// Commands not settled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_pending {
    /// Telemetry messages unsent or unacknowledged.
    pub telemetry: u32,
    /// Twin requests unsent or unanswered.
    pub twin_requests: u32,
    /// Method answers unsent.
    pub method_answers: u32,
    /// Messages delivered and not acknowledged or left.
    pub messages: u32,
}

// SAFETY: numbers.
unsafe impl Zeroed for iothub_pending {}

/// Whether an event waits that needs no new bytes: iothub_client_handle_input() takes it, in every state.
///
/// @return 1 or 0, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_has_event(client: *const iothub_client) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { Ok(guard::peek(client)?.has_event().into()) })
}

/// Where the connection is.
///
/// @return IOTHUB_STATE_*, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_state(client: *const iothub_client) -> i32 {
    // SAFETY: the caller's promise. The states count as their numbers do; a test goes through all of them.
    guard::call(|| unsafe { Ok(guard::peek(client)?.state() as i32) })
}

/// What iothub_client_poll_timeout() is about.
///
/// @return IOTHUB_TIMEOUT_*, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_timeout_reason(client: *const iothub_client) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { Ok(guard::peek(client)?.timeout_reason().map_or(IOTHUB_TIMEOUT_NONE, reason)) })
}

/// The reasons count as their numbers do; a test goes through all of them.
pub(crate) fn reason(reason: TimeoutReason) -> i32 {
    reason as i32 + IOTHUB_TIMEOUT_CONNACK
}

/// What is not settled.
///
/// @param[out] pending The numbers.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_pending(
    client: *const iothub_client,
    pending: *mut iothub_pending,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let out = ptr::out(pending)?;
        let pending = guard::peek(client)?.pending();
        *out = iothub_pending {
            telemetry: pending.telemetry.into(),
            twin_requests: pending.twin_requests.into(),
            method_answers: pending.method_answers.into(),
            messages: pending.messages.into(),
        };
        Ok(IOTHUB_OK)
    })
}

/// QoS 1 telemetry not acknowledged, sent or not: the first `capacity` of its tokens, oldest first.
///
/// @param[out] tokens Room for `capacity` tokens; may be NULL if that is 0.
/// @param[out] count How many there are; above `capacity` if there is no room for all.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH `capacity` is larger than any memory.
///
/// # Safety
///
/// The pointers point to what their types say, `tokens` to room for `capacity` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_unacked(
    client: *const iothub_client,
    tokens: *mut iothub_token,
    capacity: usize,
    count: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let count = ptr::out(count)?;
        let room = ptr::records(tokens, capacity, IOTHUB_TOKEN_NONE)?;
        for token in guard::peek(client)?.unacked() {
            if let Some(to) = room.get_mut(*count) {
                *to = translate::telemetry(token);
            }
            *count += 1;
        }
        Ok(IOTHUB_OK)
    })
}

/// Whether a byte of a message has left, so that the hub may have it.
///
/// @return 1 or 0, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_STALE It is settled already.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_telemetry_sent(client: *const iothub_client, token: iothub_token) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let sent = guard::peek(client)?.telemetry_sent(translate::telemetry_token(token));
        sent.map(i32::from).map_err(|_| ptr::Misuse(IOTHUB_ERR_STALE))
    })
}

/// Bytes of the largest packet that fits into `tx` now.
///
/// @return Bytes, at most INT32_MAX, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_tx_free(client: *const iothub_client) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { Ok(i32::try_from(guard::peek(client)?.tx_free()).unwrap_or(i32::MAX)) })
}

/// Acknowledgements and answers that matched nothing since the client was made: a confused peer, or late answers to what
/// was given up.
///
/// @param[out] strays How many.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_strays(client: *const iothub_client, strays: *mut u32) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let strays = ptr::out(strays)?;
        *strays = guard::peek(client)?.strays();
        Ok(IOTHUB_OK)
    })
}
