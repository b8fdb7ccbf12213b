//! MQTT over WebSocket, for networks that let nothing but port 443 out: an adapter between transport and client.

use crate::error::iothub_error;
use crate::guard::{self, Place};
use crate::ptr::{self, Input, Misuse};
use crate::status::*;
use crate::types::{IOTHUB_NEVER, fits, iothub_str};
use core::mem::{MaybeUninit, align_of, size_of};
use iothub_proto::error::{Error, WebSocketError};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::websocket::{NO_CLIENT_CERTIFICATE, PATH, Upgrade, WebSocket};

/// Where a WebSocket is. This: there is no connection.
pub const IOTHUB_WEBSOCKET_OFFLINE: i32 = 0;
/// The server is asked to upgrade.
pub const IOTHUB_WEBSOCKET_UPGRADING: i32 = 1;
/// MQTT flows.
pub const IOTHUB_WEBSOCKET_OPEN: i32 = 2;
/// One side has said that it is over. The last word may still be sent or awaited.
pub const IOTHUB_WEBSOCKET_CLOSING: i32 = 3;
/// It is over: close the transport, and tell the client above by its _handle_eof(). After iothub_websocket_handle_eof() it is
/// IOTHUB_WEBSOCKET_OFFLINE.
pub const IOTHUB_WEBSOCKET_CLOSED: i32 = 4;

/// Words of 8 bytes in an iothub_websocket.
#[cfg(target_pointer_width = "64")]
pub const IOTHUB_WEBSOCKET_WORDS: usize = 64;
/// Words of 8 bytes in an iothub_websocket.
#[cfg(target_pointer_width = "32")]
pub const IOTHUB_WEBSOCKET_WORDS: usize = 60;

/// The client's side of a WebSocket, in memory of the caller's. It stands between a transport, TLS to port 443, and an
/// iothub_client or iothub_provisioning, which does not know of it. Opaque. It must not be copied or moved; it ends with
/// iothub_websocket_deinit(). Not in a library built without the feature `websocket`.
#[repr(C)]
pub struct iothub_websocket {
    /// Not for the caller.
    pub opaque: [u64; IOTHUB_WEBSOCKET_WORDS],
}

/// What to ask the server for. Make it with IOTHUB_UPGRADE_INIT. Nothing of it is used after the call.
#[repr(C)]
pub struct iothub_upgrade {
    /// sizeof(iothub_upgrade).
    pub struct_size: u32,
    /// How long that may take, in milliseconds. IOTHUB_UPGRADE_INIT says 30,000.
    pub timeout_ms: u32,
    /// The host, as in TLS.
    pub host: iothub_str,
    /// The path; none (NULL) for that of IoT Hub and of the Device Provisioning Service, `/$iothub/websocket`.
    pub path: iothub_str,
    /// 1: say that the TLS connection has no client certificate, as IoT Hub wants of devices that sign in with a token.
    /// Default 0.
    pub no_client_certificate: u8,
    /// 0.
    pub reserved: [u8; 7],
    /// From a good generator, anew for each connection: a nonce and the seed of the masks.
    pub random: [u8; 32],
}

// SAFETY: it begins with `struct_size`, and is numbers and pointers.
unsafe impl Input for iothub_upgrade {}

impl Place for iothub_websocket {
    type Machine = WebSocket<'static>;
    type Error = WebSocketError;
    const ALIVE: u32 = 0x1074_0B08;

    fn status(error: &WebSocketError) -> iothub_status {
        Self::detail(error).status
    }

    fn detail(error: &WebSocketError) -> iothub_error {
        match *error {
            WebSocketError::Usage(error) => iothub_error::from(&Error::Usage(error)),
            WebSocketError::Capacity(error) => iothub_error::from(&Error::Capacity(error)),
            WebSocketError::Peer(violation) => {
                iothub_error::of(IOTHUB_ERR_PEER_WEBSOCKET).subject(violation as u32 + 1)
            }
            WebSocketError::Refused { status } => iothub_error::of(IOTHUB_ERR_REFUSED_WEBSOCKET).subject(status.into()),
            WebSocketError::Closed { code } => {
                iothub_error::of(IOTHUB_ERR_PEER_WEBSOCKET_CLOSED).subject(code.unwrap_or(0).into())
            }
            WebSocketError::TimedOut => iothub_error::of(IOTHUB_ERR_TIMED_OUT_WEBSOCKET),
            _ => iothub_error::of(IOTHUB_ERR_PEER),
        }
    }
}

fits!(guard::Inner<iothub_websocket>, iothub_websocket);

/// Makes a WebSocket in the caller's memory, offline.
///
/// @param websocket The place.
/// @param websocket_size sizeof *websocket.
/// @param window Where frames are masked; it must live as long as the WebSocket, and is its alone. It holds the request,
/// which has 168 bytes beside the host, the path and, without client certificate, 28 more: 512 do for every hub. Large
/// packets go in frames of this size.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `websocket_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH of the window.
///
/// # Safety
///
/// `websocket` points to `websocket_size` bytes, `window` to `window_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_init(
    websocket: *mut iothub_websocket,
    websocket_size: usize,
    window: *mut u8,
    window_len: usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        ptr::place(websocket)?;
        if websocket_size < size_of::<iothub_websocket>() {
            return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE));
        }
        let place = ptr::exclusive(websocket.cast::<MaybeUninit<iothub_websocket>>())?;
        let made = guard::make(place, |place| {
            place.write(WebSocket::new(ptr::slice_mut(window, window_len)?));
            Ok(())
        });
        made.map(|()| IOTHUB_OK).map_err(|error| Misuse(error.status))
    })
}

/// Ends a WebSocket and wipes what was not sent. Its memory is the caller's again.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `websocket` points to an iothub_websocket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_deinit(websocket: *mut iothub_websocket) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { guard::end(websocket).map(|()| IOTHUB_OK) })
}

/// The transport is up: ask the server to upgrade. The client above connects at the same time; what it has to send waits.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE of `upgrade`.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8, IOTHUB_ERR_BAD_VALUE of `upgrade`.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_INVALID_STATE There is a connection.
/// @retval IOTHUB_ERR_BAD_TEXT The host or the path cannot be sent.
/// @retval IOTHUB_ERR_BAD_SETTING `timeout_ms` is 0.
/// @retval IOTHUB_ERR_TOO_LARGE The window cannot hold the request.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_connect(
    websocket: *mut iothub_websocket,
    now_ms: u64,
    upgrade: *const iothub_upgrade,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let from = ptr::input(upgrade)?;
        let without = crate::config::flag(from.no_client_certificate)?;
        let upgrade = Upgrade {
            path: ptr::optional_text(from.path)?.unwrap_or(PATH),
            query: if without { NO_CLIENT_CERTIFICATE } else { "" },
            timeout: Duration::from_millis(from.timeout_ms.into()),
            ..Upgrade::new(ptr::text(from.host)?, from.random)
        };
        guard::with(websocket, |websocket| websocket.connect(Instant::from_millis(now_ms), &upgrade))?;
        Ok(IOTHUB_OK)
    })
}

/// Bytes came in: takes all of them, and leaves MQTT's at their front. Read into iothub_rx_space(), call this, and give
/// `*mqtt_len` to iothub_rx_commit().
///
/// @param bytes What came in; changed in place. NULL if `len` is 0.
/// @param[out] mqtt_len How many bytes of MQTT stand at the front of `bytes` now.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH `len` is larger than any memory.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_INVALID_STATE There is no connection.
/// @retval IOTHUB_ERR_PEER_WEBSOCKET, IOTHUB_ERR_PEER_WEBSOCKET_CLOSED, IOTHUB_ERR_REFUSED_WEBSOCKET,
/// IOTHUB_ERR_TIMED_OUT_WEBSOCKET Fatal. What is still to be sent then tells the server why: send until
/// IOTHUB_WEBSOCKET_CLOSED.
///
/// # Safety
///
/// The pointers point to what their types say, `bytes` to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_handle_input(
    websocket: *mut iothub_websocket,
    now_ms: u64,
    bytes: *mut u8,
    len: usize,
    mqtt_len: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let mqtt_len = ptr::out(mqtt_len)?;
        let bytes = ptr::slice_mut(bytes, len)?;
        let now = Instant::from_millis(now_ms);
        *mqtt_len = guard::with(websocket, |websocket| websocket.handle_input_in_place(now, bytes))?;
        Ok(IOTHUB_OK)
    })
}

/// The bytes to send next, lent until they are confirmed.
///
/// @param mqtt What the client above lends: call its _poll_transmit() each time. NULL if `mqtt_len` is 0.
/// @param[out] data The first byte, or NULL if there is nothing to send.
/// @return How many, 0 for nothing, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH `mqtt_len` is larger than any memory.
///
/// # Safety
///
/// The pointers point to what their types say, `mqtt` to `mqtt_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_poll_transmit(
    websocket: *mut iothub_websocket,
    mqtt: *const u8,
    mqtt_len: usize,
    data: *mut *const u8,
) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let data = ptr::out(data)?;
        let mqtt = ptr::slice(mqtt, mqtt_len)?;
        guard::with(websocket, |websocket| {
            let Some(lent) = websocket.poll_transmit(Some(mqtt)) else { return Ok(0) };
            *data = lent.as_ptr();
            Ok(i32::try_from(lent.len()).unwrap_or(i32::MAX))
        })
    })
}

/// The first `count` of the bytes lent were sent.
///
/// @param[out] mqtt_count How many of them were MQTT's: confirm so many to the client above.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_BAD_CONFIRM That is more than was lent.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_confirm_transmit(
    websocket: *mut iothub_websocket,
    now_ms: u64,
    count: usize,
    mqtt_count: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let mqtt_count = ptr::out(mqtt_count)?;
        let now = Instant::from_millis(now_ms);
        *mqtt_count = guard::with(websocket, |websocket| websocket.confirm_transmit(now, count))?;
        Ok(IOTHUB_OK)
    })
}

/// When to call iothub_websocket_handle_timeout(), beside that of the client above; IOTHUB_NEVER if there is no deadline, and
/// for what is no WebSocket.
///
/// # Safety
///
/// `websocket` points to an iothub_websocket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_poll_timeout(websocket: *const iothub_websocket) -> u64 {
    // SAFETY: the caller's promise. It looks at numbers only: there is nothing in it that could panic.
    let timeout = unsafe { guard::peek(websocket) }.map(WebSocket::poll_timeout);
    timeout.ok().flatten().map_or(IOTHUB_NEVER, Instant::as_millis)
}

/// The time has come. Early calls do nothing, late ones are safe.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_PEER_WEBSOCKET, IOTHUB_ERR_PEER_WEBSOCKET_CLOSED, IOTHUB_ERR_REFUSED_WEBSOCKET,
/// IOTHUB_ERR_TIMED_OUT_WEBSOCKET as iothub_websocket_handle_input().
///
/// # Safety
///
/// `websocket` points to an iothub_websocket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_handle_timeout(
    websocket: *mut iothub_websocket,
    now_ms: u64,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(websocket, |websocket| websocket.handle_timeout(Instant::from_millis(now_ms))) }
}

/// The transport is gone.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
///
/// # Safety
///
/// `websocket` points to an iothub_websocket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_handle_eof(websocket: *mut iothub_websocket, now_ms: u64) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(websocket, |websocket| websocket.handle_eof(Instant::from_millis(now_ms))) }
}

/// A polite end, after that of the client above: a last frame, and the server's answer to it, for which it waits 2 s at
/// most. It is over at IOTHUB_WEBSOCKET_CLOSED. A frame of which a byte has left is finished, but none of it is to be
/// confirmed to the client any more.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
///
/// # Safety
///
/// `websocket` points to an iothub_websocket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_disconnect(websocket: *mut iothub_websocket, now_ms: u64) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(websocket, |websocket| websocket.disconnect(Instant::from_millis(now_ms))) }
}

/// Where the WebSocket is.
///
/// @return IOTHUB_WEBSOCKET_*, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `websocket` points to an iothub_websocket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_state(websocket: *const iothub_websocket) -> i32 {
    // SAFETY: the caller's promise. The states count as their numbers do.
    guard::call(|| unsafe { Ok(guard::peek(websocket)?.state() as i32) })
}

/// The fatal error of this connection, or of the last one.
///
/// @param[out] error The error; its `status` is IOTHUB_OK if there was none.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_websocket_error(
    websocket: *const iothub_websocket,
    error: *mut iothub_error,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let out = ptr::out(error)?;
        if let Some(fatal) = guard::peek(websocket)?.error() {
            *out = iothub_websocket::detail(&fatal);
        }
        Ok(IOTHUB_OK)
    })
}
