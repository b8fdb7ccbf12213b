//! What a driver calls: bytes and time in, bytes and events out.

use crate::config::{iothub_config, iothub_storage};
use crate::error::{explain, iothub_error};
use crate::event::iothub_event;
use crate::guard;
use crate::ptr::{self, Input, Misuse};
use crate::rx::{self, iothub_rx};
use crate::status::{IOTHUB_ERR_OBJECT_SIZE, IOTHUB_OK, iothub_status};
use crate::telemetry::{self, iothub_telemetry};
use crate::translate;
use crate::types::{IOTHUB_NEVER, iothub_client, iothub_str};
use core::mem::{MaybeUninit, size_of};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{Client, ConnectOptions, Handled};

/// What one connection signs in with. Make it with IOTHUB_CONNECT_INIT. Nothing of it is used after the call.
#[repr(C)]
pub struct iothub_connect {
    /// sizeof(iothub_connect).
    pub struct_size: u32,
    /// How long the credential is valid from now on, in milliseconds: IOTHUB_EVENT_CREDENTIAL_EXPIRING comes before its
    /// end. 0: it does not expire.
    pub lifetime_ms: u32,
    /// The SAS token; none (NULL) with X.509.
    pub password: iothub_str,
    /// What the hub publishes as telemetry of this device if the connection ends without DISCONNECT, or NULL. It makes
    /// CONNECT larger: see `connect_reserve` of iothub_config.
    pub will: *const iothub_telemetry,
    /// Any random number, for jitter: a fleet must not renew at the same moment.
    pub random: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: it begins with `struct_size`, and is numbers and pointers.
unsafe impl Input for iothub_connect {}

/// sizeof(iothub_client), for callers that are not C.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_client_size() -> usize {
    size_of::<iothub_client>()
}

/// The alignment that an iothub_client needs, for callers that are not C.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_client_align() -> usize {
    align_of::<iothub_client>()
}

/// Makes a client in the caller's memory, offline. What was there is overwritten: a client that stood there must have been
/// ended by iothub_client_deinit(). `config` is not used after the call, but its texts are; they and the memory in
/// `storage` must live as long as the client, and that memory is the client's alone.
///
/// @param client The place.
/// @param client_size sizeof *client.
/// @param[out] error What is behind a failure; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above, also for the memory in `storage`.
/// @retval IOTHUB_ERR_OBJECT_SIZE `client_size` is too small.
/// @retval IOTHUB_ERR_STRUCT_SIZE of `config` or `storage`.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of a text or of the memory.
/// @retval IOTHUB_ERR_BAD_VALUE A flag is neither 0 nor 1, or `features` has an unknown bit.
/// @retval IOTHUB_ERR_BAD_TEXT A name cannot be sent; `error` has the field and the offset.
/// @retval IOTHUB_ERR_BAD_SETTING A setting is out of its range; `error` tells which.
/// @retval IOTHUB_ERR_WRONG_IDENTITY `features` has INPUTS for a device, or MESSAGES for a module.
/// @retval IOTHUB_ERR_TOO_LARGE `tx` cannot hold the handshake; `error` has the bytes needed.
/// @retval IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// The pointers point to what their types say, `client` to `client_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_init(
    client: *mut iothub_client,
    client_size: usize,
    config: *const iothub_config,
    storage: *const iothub_storage,
    error: *mut iothub_error,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        explain(error, || {
            ptr::place(client)?;
            if client_size < size_of::<iothub_client>() {
                return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE).into());
            }
            let place = ptr::exclusive(client.cast::<MaybeUninit<iothub_client>>())?;
            guard::make(place, |place| {
                let config = ptr::input(config)?.read()?;
                let storage = ptr::input(storage)?.read()?;
                Client::new_in(place, config, storage).map(drop).map_err(|refused| iothub_error::from(&refused))
            })
        })
    }
}

/// Ends a client and wipes what is left of a password. Its memory is the caller's again. Call it in any state; the
/// transport is not told.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_deinit(client: *mut iothub_client) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { guard::end(client).map(|()| IOTHUB_OK) })
}

/// The transport is up: sign in. Tokens of messages and requests of earlier connections are stale from now on, an
/// IOTHUB_EVENT_DISCONNECTED not yet taken is dropped, and `now_ms` may be earlier than before. Input of an earlier
/// connection that was not consumed is for the caller to drop.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE of `options`, of the will, or of its system properties.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8, IOTHUB_ERR_BAD_VALUE of `options` or of the will.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_INVALID_STATE There is a connection.
/// @retval IOTHUB_ERR_BAD_TEXT of the password or the will.
/// @retval IOTHUB_ERR_TOPIC_TOO_LONG, IOTHUB_ERR_MESSAGE_TOO_LARGE, IOTHUB_ERR_WRONG_IDENTITY of the will.
/// @retval IOTHUB_ERR_TOO_LARGE CONNECT is larger than its reserve: see `connect_reserve` of iothub_config.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_connect(
    client: *mut iothub_client,
    now_ms: u64,
    options: *const iothub_connect,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let options = ptr::input(options)?;
        let given = ConnectOptions {
            password: ptr::optional_text(options.password)?,
            lifetime: match options.lifetime_ms {
                0 => None,
                millis => Some(Duration::from_millis(millis.into())),
            },
            random: options.random,
            will: None,
        };
        if options.will.is_null() {
            return sign_in(client, now_ms, &given);
        }
        let will = ptr::input(options.will)?;
        let pairs = telemetry::pairs(will)?;
        sign_in(client, now_ms, &ConnectOptions { will: Some(&telemetry::read(will, &pairs)?), ..given })
    })
}

/// # Safety
///
/// `client` points to an `iothub_client`.
unsafe fn sign_in(
    client: *mut iothub_client,
    now_ms: u64,
    options: &ConnectOptions<'_>,
) -> Result<iothub_status, Misuse> {
    // SAFETY: the caller's promise.
    unsafe { guard::with(client, |client| client.connect(Instant::from_millis(now_ms), options)).map(|()| IOTHUB_OK) }
}

/// Bytes came in, or an event waits (iothub_client_has_event()): looks at the front of `data` until there is an event or no
/// whole packet is left. Drop exactly `*consumed` bytes from the front, when the event is done with.
///
/// Call it again until there is no event and nothing is consumed. A fatal error is returned only by a call that consumed
/// nothing; what was parsed before it is delivered first. It is repeated until iothub_client_connect().
///
/// @param data The bytes; NULL if `len` is 0.
/// @param[out] consumed How many are done with. Written on every return.
/// @param[out] needed The full size of a packet that is incomplete in what then remains, as far as known; else 0. May be
/// NULL.
/// @param[out] event What happened, or IOTHUB_EVENT_NONE. Written on every return. Its pointers point into `data`.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH `len` is larger than any memory.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_PEER_x Fatal: the hub broke the protocol.
/// @retval IOTHUB_ERR_REFUSED_x Fatal: the hub refused the connection.
/// @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed, as iothub_client_handle_timeout() said.
///
/// # Safety
///
/// The pointers point to what their types say, `data` to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_handle_input(
    client: *mut iothub_client,
    now_ms: u64,
    data: *const u8,
    len: usize,
    consumed: *mut usize,
    needed: *mut usize,
    event: *mut iothub_event,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let (consumed, needed, event) = (ptr::out(consumed), ptr::optional_out(needed), ptr::out(event));
        let (consumed, needed, event) = (consumed?, needed?, event?);
        let data = ptr::slice(data, len)?;
        let mut handled = Handled { consumed: 0, needed: 0, event: None };
        guard::with(client, |client| client.handle_input_in(Instant::from_millis(now_ms), data, &mut handled))?;
        *consumed = handled.consumed;
        if let Some(needed) = needed {
            *needed = handled.needed;
        }
        translate::write(event, &handled.event);
        Ok(IOTHUB_OK)
    })
}

/// The next event out of `rx`: the same as iothub_client_handle_input(), with the buffer kept for the caller. Call it until
/// there is IOTHUB_EVENT_NONE. With IOTHUB_EVENT_DISCONNECTED and with a fatal error the buffer is cleared.
///
/// @param[out] event What happened, or IOTHUB_EVENT_NONE. Written on every return. Its pointers point into the memory of
/// `rx` and live until the next call that takes `rx`.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above, of either.
/// @retval IOTHUB_ERR_RX_TOO_SMALL `rx` has less memory than `max_packet` of iothub_config.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_PEER_x, IOTHUB_ERR_REFUSED_x, IOTHUB_ERR_TIMED_OUT_x as iothub_client_handle_input().
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_poll_event(
    client: *mut iothub_client,
    now_ms: u64,
    rx: *mut iothub_rx,
    event: *mut iothub_event,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let event = ptr::out(event)?;
        let rx = rx::find(rx)?;
        let mut handled = Handled { consumed: 0, needed: 0, event: None };
        guard::with(client, |client| client.poll_event_in(Instant::from_millis(now_ms), rx, &mut handled))?;
        translate::write(event, &handled.event);
        Ok(IOTHUB_OK)
    })
}

/// The bytes to send next: one packet, or the rest of one. They are lent: same bytes in the same place, through every call,
/// until they are confirmed, the connection ends, or the client does.
///
/// @param[out] data The first byte, or NULL if there is nothing to send.
/// @return How many, 0 for nothing, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_poll_transmit(client: *mut iothub_client, data: *mut *const u8) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let data = ptr::out(data)?;
        guard::with(client, |client| {
            let Some(lent) = client.poll_transmit() else { return Ok(0) };
            *data = lent.as_ptr();
            // A packet has at most 268,435,460 bytes.
            Ok(lent.len() as i32)
        })
    })
}

/// The first `count` of the bytes lent were sent. A transfer that completes after its connection ended is not confirmed any
/// more.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_BAD_CONFIRM That is more than was lent.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_confirm_transmit(
    client: *mut iothub_client,
    now_ms: u64,
    count: usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(client, |client| client.confirm_transmit(Instant::from_millis(now_ms), count)) }
}

/// When to call iothub_client_handle_timeout(). IOTHUB_NEVER: only bytes or commands change anything; also for NULL and
/// for what is no client, of which iothub_client_state() tells more.
///
/// # Safety
///
/// `client` points to an iothub_client, or is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_poll_timeout(client: *const iothub_client) -> u64 {
    // SAFETY: the caller's promise. It looks at numbers only: there is nothing in it that could panic.
    let timeout = unsafe { guard::peek(client) }.map(Client::poll_timeout);
    timeout.ok().flatten().map_or(IOTHUB_NEVER, Instant::as_millis)
}

/// Time has come. Early calls do nothing, late ones are safe, and after it the next deadline is later than `now_ms`.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed that means a dead link.
/// @retval IOTHUB_ERR_PEER_x, IOTHUB_ERR_REFUSED_x Fatal, as iothub_client_handle_input() said before.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_handle_timeout(client: *mut iothub_client, now_ms: u64) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(client, |client| client.handle_timeout(Instant::from_millis(now_ms))) }
}

/// The transport is gone, by whatever cause. IOTHUB_EVENT_DISCONNECTED tells what was known: take it with
/// iothub_client_handle_input() and no bytes.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_handle_eof(client: *mut iothub_client, now_ms: u64) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(client, |client| client.handle_eof(Instant::from_millis(now_ms))) }
}

/// A polite end: nothing new is begun, what is in flight settles (at most `drain_timeout_ms`), then DISCONNECT. A second
/// call does not wait. It is over at IOTHUB_EVENT_DISCONNECTED; then close the transport. Offline it does nothing, and no
/// event comes.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_INVALID_STATE The connection has ended in a fatal error.
///
/// # Safety
///
/// `client` points to an iothub_client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_disconnect(client: *mut iothub_client, now_ms: u64) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(client, |client| client.disconnect(Instant::from_millis(now_ms))) }
}
