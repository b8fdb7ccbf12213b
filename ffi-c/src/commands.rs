//! What an application asks of its client.

use crate::config;
use crate::guard;
use crate::ptr::{self, Misuse};
use crate::request::{iothub_kept_request, iothub_request};
use crate::status::{IOTHUB_ERR_BAD_VALUE, IOTHUB_OK, iothub_status};
use crate::telemetry::{self, iothub_telemetry};
use crate::translate;
use crate::types::{iothub_bytes, iothub_client, iothub_token};
use iothub_proto::Client;
use iothub_proto::error::Error;
use iothub_proto::event::{MessageToken, Withdrawn};
use iothub_proto::time::Instant;

/// No byte of the message had left: the hub will not get it.
pub const IOTHUB_WITHDRAWN_UNSENT: u32 = 1;
/// It was sent, in part or whole: the hub may have it.
pub const IOTHUB_WITHDRAWN_MAYBE_SENT: u32 = 2;

/// Adds to what is subscribed, on this connection and all later ones. IOTHUB_EVENT_SUBSCRIBED answers, or
/// IOTHUB_EVENT_READY if the connection is not ready yet; nothing does if all of it is granted already.
///
/// @param features IOTHUB_FEATURE_* bits.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_VALUE `features` has an unknown bit.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_WRONG_IDENTITY INPUTS for a device, or MESSAGES for a module.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_subscribe(
    client: *mut iothub_client,
    now_ms: u64,
    features: u32,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let features = config::features(features)?;
        guard::with(client, |client| client.subscribe(Instant::from_millis(now_ms), features)).map(|()| IOTHUB_OK)
    })
}

/// Queues a message, in every state. At QoS 1 it is kept until IOTHUB_EVENT_TELEMETRY_ACKED, across connections.
///
/// @param message The message. It is copied.
/// @param[out] token What names it; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE of `message` or its system properties.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of one of its parts.
/// @retval IOTHUB_ERR_BAD_VALUE `qos` is neither 0 nor 1.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_BAD_TEXT A property has no name.
/// @retval IOTHUB_ERR_MESSAGE_TOO_LARGE, IOTHUB_ERR_TOPIC_TOO_LONG The hub would close the connection.
/// @retval IOTHUB_ERR_WRONG_IDENTITY `output` is set, and this is no module.
/// @retval IOTHUB_ERR_TX_FULL, IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
/// @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_send_telemetry(
    client: *mut iothub_client,
    now_ms: u64,
    message: *const iothub_telemetry,
    token: *mut iothub_token,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let token = ptr::optional_out(token)?;
        let message = ptr::input(message)?;
        let pairs = telemetry::pairs(message)?;
        let message = telemetry::read(message, &pairs)?;
        let sent = guard::with(client, |client| client.send_telemetry(Instant::from_millis(now_ms), &message))?;
        if let Some(token) = token {
            *token = translate::telemetry(sent);
        }
        Ok(IOTHUB_OK)
    })
}

/// Takes a message back: it is not sent (again), and no acknowledgement is reported.
///
/// @param[out] withdrawn IOTHUB_WITHDRAWN_*; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_STALE It is settled already.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_telemetry_withdraw(
    client: *mut iothub_client,
    now_ms: u64,
    token: iothub_token,
    withdrawn: *mut u32,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let out = ptr::optional_out(withdrawn)?;
        let token = translate::telemetry_token(token);
        let withdrawn = guard::with(client, |client| client.telemetry_withdraw(Instant::from_millis(now_ms), token))?;
        if let Some(out) = out {
            *out = match withdrawn {
                Withdrawn::Unsent => IOTHUB_WITHDRAWN_UNSENT,
                Withdrawn::MaybeSent => IOTHUB_WITHDRAWN_MAYBE_SENT,
            };
        }
        Ok(IOTHUB_OK)
    })
}

/// Accepts a message: its PUBACK leaves when the earlier messages are decided.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_STALE It was decided before, or its connection is over.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_message_accept(
    client: *mut iothub_client,
    now_ms: u64,
    token: iothub_token,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { decide(client, now_ms, token, Client::message_accept) }
}

/// Leaves a message with the hub: no PUBACK, so it comes again on a later connection.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_STALE It was decided before, or its connection is over.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_message_leave(
    client: *mut iothub_client,
    now_ms: u64,
    token: iothub_token,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { decide(client, now_ms, token, Client::message_leave) }
}

/// # Safety
///
/// `client` points to an `iothub_client`.
#[cfg_attr(target_os = "none", inline(never))]
unsafe fn decide(
    client: *mut iothub_client,
    now_ms: u64,
    token: iothub_token,
    decide: fn(&mut Client<'static>, Instant, MessageToken) -> Result<(), Error>,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        guard::command(client, |client| decide(client, Instant::from_millis(now_ms), MessageToken::from_bits(token)))
    }
}

/// Answers a direct method, while the event it came in lives. The hub drops a second answer.
///
/// @param request `u.method_call.request` of the event, or `u.skipped.request`.
/// @param http_status An HTTP-like status of the application's: 200 and the like.
/// @param body JSON, or nothing. At most 128 KiB. It is copied.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `body` or the request's id.
/// @retval IOTHUB_ERR_BAD_VALUE `http_status` is above 65,535.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_STALE Its connection is over.
/// @retval IOTHUB_ERR_MESSAGE_TOO_LARGE `body` has more than 128 KiB.
/// @retval IOTHUB_ERR_TX_FULL, IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
/// @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_method_respond(
    client: *mut iothub_client,
    now_ms: u64,
    request: *const iothub_request,
    http_status: u32,
    body: iothub_bytes,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { respond(client, now_ms, *ptr::shared(request)?, http_status, body) })
}

/// As iothub_client_method_respond(), later: the request is what iothub_request_keep() made.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_x as iothub_client_method_respond().
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_method_respond_kept(
    client: *mut iothub_client,
    now_ms: u64,
    kept: *const iothub_kept_request,
    http_status: u32,
    body: iothub_bytes,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { respond(client, now_ms, ptr::shared(kept)?.view(), http_status, body) })
}

/// # Safety
///
/// The pointers point to what their types say.
#[cfg_attr(target_os = "none", inline(never))]
unsafe fn respond(
    client: *mut iothub_client,
    now_ms: u64,
    request: iothub_request,
    http_status: u32,
    body: iothub_bytes,
) -> Result<iothub_status, Misuse> {
    // SAFETY: the caller's promise.
    unsafe {
        let (request, body) = (request.read()?, ptr::bytes(body)?);
        let status = u16::try_from(http_status).map_err(|_| Misuse(IOTHUB_ERR_BAD_VALUE))?;
        let now = Instant::from_millis(now_ms);
        guard::with(client, |client| client.method_respond(now, request, status, body)).map(|()| IOTHUB_OK)
    }
}
