//! The driver's calls of a client of the Device Provisioning Service. They are those of a client of a hub.

use crate::error::{explain, iothub_error};
use crate::event::iothub_event;
use crate::guard::{self, Place};
use crate::ptr::{self, Misuse};
use crate::registration::{self, iothub_provisioning_config};
use crate::rx::{self, iothub_rx};
use crate::state::{self, IOTHUB_TIMEOUT_NONE};
use crate::status::{IOTHUB_ERR_OBJECT_SIZE, IOTHUB_OK, iothub_status, status_of};
use crate::types::{IOTHUB_NEVER, fits, iothub_str};
use core::mem::{MaybeUninit, align_of, size_of};
use iothub_proto::ProvisioningClient;
use iothub_proto::error::Error;
use iothub_proto::provisioning::ProvisioningHandled;
use iothub_proto::time::Instant;

/// Words of 8 bytes in an iothub_provisioning.
#[cfg(target_pointer_width = "64")]
pub const IOTHUB_PROVISIONING_WORDS: usize = 104;
/// Words of 8 bytes in an iothub_provisioning.
#[cfg(target_pointer_width = "32")]
pub const IOTHUB_PROVISIONING_WORDS: usize = 88;

/// A device that asks the Device Provisioning Service which hub it belongs to, in memory of the caller's. Connect it to
/// `global.azure-devices-provisioning.net`, port 8883, that name in TLS, too. Opaque. It must not be copied or moved; it
/// ends with iothub_provisioning_deinit(). Not in a library built without the feature `provisioning`.
#[repr(C)]
pub struct iothub_provisioning {
    /// Not for the caller.
    pub opaque: [u64; IOTHUB_PROVISIONING_WORDS],
}

impl Place for iothub_provisioning {
    type Machine = ProvisioningClient<'static>;
    type Error = Error;
    const ALIVE: u32 = 0x1074_0B07;

    fn status(error: &Error) -> iothub_status {
        status_of(error)
    }

    fn detail(error: &Error) -> iothub_error {
        error.into()
    }
}

fits!(guard::Inner<iothub_provisioning>, iothub_provisioning);

/// Makes a client of the service in the caller's memory, offline. `config` is not used after the call, but its texts and its
/// payload are; they and `tx` must live as long as the client, and `tx` is the client's alone.
///
/// @param provisioning The place.
/// @param provisioning_size sizeof *provisioning.
/// @param tx Memory for one packet to send at a time.
/// @param[out] error What is behind a failure; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `provisioning_size` is too small.
/// @retval IOTHUB_ERR_STRUCT_SIZE of `config`.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of a text, the payload or `tx`.
/// @retval IOTHUB_ERR_BAD_TEXT A name cannot be sent, or the payload is no JSON; `error` has the field and the offset.
/// @retval IOTHUB_ERR_BAD_SETTING A setting is out of its range; `error` tells which.
/// @retval IOTHUB_ERR_MESSAGE_TOO_LARGE The payload is larger than the service takes.
/// @retval IOTHUB_ERR_TOO_LARGE `tx` cannot hold the largest packet; `error` has the bytes needed.
/// @retval IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// The pointers point to what their types say, `provisioning` to `provisioning_size` bytes, `tx` to `tx_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_init(
    provisioning: *mut iothub_provisioning,
    provisioning_size: usize,
    config: *const iothub_provisioning_config,
    tx: *mut u8,
    tx_len: usize,
    error: *mut iothub_error,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        explain(error, || {
            ptr::place(provisioning)?;
            if provisioning_size < size_of::<iothub_provisioning>() {
                return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE).into());
            }
            let place = ptr::exclusive(provisioning.cast::<MaybeUninit<iothub_provisioning>>())?;
            guard::make(place, |place| {
                let config = ptr::input(config)?.read()?;
                let made = ProvisioningClient::new(config, ptr::slice_mut(tx, tx_len)?);
                place.write(made.map_err(|refused| iothub_error::from(&refused))?);
                Ok(())
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
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_deinit(provisioning: *mut iothub_provisioning) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { guard::end(provisioning).map(|()| IOTHUB_OK) })
}

/// The transport is up: sign in, and register. What an earlier connection has asked for is asked for again; `now_ms` may be
/// earlier than before.
///
/// @param password A token for IOTHUB_RESOURCE_REGISTRATION, with the key name `registration`; none (NULL) with X.509.
/// @param random Any random number, for jitter: a fleet must not ask at the same moment.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the password.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_INVALID_STATE There is a connection.
/// @retval IOTHUB_ERR_BAD_TEXT The password cannot be sent.
/// @retval IOTHUB_ERR_TOO_LARGE CONNECT is larger than `tx`, or than its reserve.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_connect(
    provisioning: *mut iothub_provisioning,
    now_ms: u64,
    password: iothub_str,
    random: u32,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let password = ptr::optional_text(password)?;
        guard::with(provisioning, |client| client.connect(Instant::from_millis(now_ms), password, random))?;
        Ok(IOTHUB_OK)
    })
}

/// As iothub_client_handle_input(): bytes came in, or an event waits.
///
/// @param data The bytes; NULL if `len` is 0.
/// @param[out] consumed How many are done with: drop exactly those from the front, when the event is done with.
/// @param[out] needed The full size of a packet that is incomplete in what then remains, as far as known; else 0. May be
/// NULL.
/// @param[out] event What happened, or IOTHUB_EVENT_NONE: of the kinds CONNECTED, READY, ASSIGNING, THROTTLED, ASSIGNED,
/// REFUSED and DISCONNECTED. Its pointers point into `data`.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH `len` is larger than any memory.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_PEER_x Fatal: the service broke the protocol.
/// @retval IOTHUB_ERR_REFUSED_x Fatal: the service refused the connection.
/// @retval IOTHUB_ERR_REGISTRATION_x Fatal: the service did not assign the device.
/// @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed.
///
/// # Safety
///
/// The pointers point to what their types say, `data` to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_handle_input(
    provisioning: *mut iothub_provisioning,
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
        let handled: ProvisioningHandled<'_> =
            guard::with(provisioning, |client| client.handle_input(Instant::from_millis(now_ms), data))?;
        *consumed = handled.consumed;
        if let Some(needed) = needed {
            *needed = handled.needed;
        }
        registration::write(event, &handled.event);
        Ok(IOTHUB_OK)
    })
}

/// As iothub_client_poll_event(): the next event out of `rx`.
///
/// @param[out] event What happened, or IOTHUB_EVENT_NONE. Its pointers point into the memory of `rx` and live until the next
/// call that takes `rx`.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above, of either.
/// @retval IOTHUB_ERR_RX_TOO_SMALL `rx` has less memory than `max_packet` of iothub_provisioning_config.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_PEER_x, IOTHUB_ERR_REFUSED_x, IOTHUB_ERR_REGISTRATION_x, IOTHUB_ERR_TIMED_OUT_x as
/// iothub_provisioning_handle_input().
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_poll_event(
    provisioning: *mut iothub_provisioning,
    now_ms: u64,
    rx: *mut iothub_rx,
    event: *mut iothub_event,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let event = ptr::out(event)?;
        let rx = rx::find(rx)?;
        let happened = guard::with(provisioning, |client| client.poll_event(Instant::from_millis(now_ms), rx))?;
        registration::write(event, &happened);
        Ok(IOTHUB_OK)
    })
}

/// As iothub_client_has_event(): whether an event waits that needs no new bytes.
///
/// @return 1 or 0, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_has_event(provisioning: *const iothub_provisioning) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { Ok(guard::peek(provisioning)?.has_event().into()) })
}

/// As iothub_client_poll_transmit(): the bytes to send next, lent until they are confirmed.
///
/// @param[out] data The first byte, or NULL if there is nothing to send.
/// @return How many, 0 for nothing, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_poll_transmit(
    provisioning: *mut iothub_provisioning,
    data: *mut *const u8,
) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let data = ptr::out(data)?;
        guard::with(provisioning, |client| {
            let Some(lent) = client.poll_transmit() else { return Ok(0) };
            *data = lent.as_ptr();
            // A packet has at most 268,435,460 bytes.
            Ok(lent.len() as i32)
        })
    })
}

/// As iothub_client_confirm_transmit(): the first `count` of the bytes lent were sent.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_BAD_CONFIRM That is more than was lent.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_confirm_transmit(
    provisioning: *mut iothub_provisioning,
    now_ms: u64,
    count: usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(provisioning, |client| client.confirm_transmit(Instant::from_millis(now_ms), count)) }
}

/// As iothub_client_poll_timeout(): when to call iothub_provisioning_handle_timeout(); IOTHUB_NEVER if there is no deadline,
/// and for what is no client.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_poll_timeout(provisioning: *const iothub_provisioning) -> u64 {
    // SAFETY: the caller's promise. It looks at numbers only: there is nothing in it that could panic.
    let timeout = unsafe { guard::peek(provisioning) }.map(ProvisioningClient::poll_timeout);
    timeout.ok().flatten().map_or(IOTHUB_NEVER, Instant::as_millis)
}

/// What iothub_provisioning_poll_timeout() is about.
///
/// @return IOTHUB_TIMEOUT_*, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_timeout_reason(provisioning: *const iothub_provisioning) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        Ok(guard::peek(provisioning)?.timeout_reason().map_or(IOTHUB_TIMEOUT_NONE, state::reason))
    })
}

/// As iothub_client_handle_timeout(): the time has come.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_TIMED_OUT_x Fatal: a deadline passed.
/// @retval IOTHUB_ERR_PEER_x, IOTHUB_ERR_REFUSED_x, IOTHUB_ERR_REGISTRATION_x The fatal error that came before.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_handle_timeout(
    provisioning: *mut iothub_provisioning,
    now_ms: u64,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(provisioning, |client| client.handle_timeout(Instant::from_millis(now_ms))) }
}

/// As iothub_client_handle_eof(): the transport is gone.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_handle_eof(
    provisioning: *mut iothub_provisioning,
    now_ms: u64,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(provisioning, |client| client.handle_eof(Instant::from_millis(now_ms))) }
}

/// As iothub_client_disconnect(): a polite end, for instance to give up. After IOTHUB_EVENT_ASSIGNED it comes by itself.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_INVALID_STATE The connection has ended in a fatal error.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_disconnect(
    provisioning: *mut iothub_provisioning,
    now_ms: u64,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { guard::command(provisioning, |client| client.disconnect(Instant::from_millis(now_ms))) }
}

/// Where the connection is.
///
/// @return IOTHUB_STATE_*, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `provisioning` points to an iothub_provisioning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_state(provisioning: *const iothub_provisioning) -> i32 {
    // SAFETY: the caller's promise. The states count as their numbers do.
    guard::call(|| unsafe { Ok(guard::peek(provisioning)?.state() as i32) })
}
