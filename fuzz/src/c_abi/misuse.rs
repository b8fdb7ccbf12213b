//! Calls that are wrong in every way that a function can tell: each is refused, and nothing is touched.

use iothub::auth::*;
use iothub::client::*;
use iothub::commands::*;
use iothub::config::{iothub_config_init, iothub_storage};
use iothub::error::iothub_client_last_error;
use iothub::json::*;
use iothub::key::*;
use iothub::patch::*;
use iothub::pnp::*;
use iothub::properties::*;
use iothub::request::iothub_request_keep;
use iothub::retry::*;
use iothub::rx::*;
use iothub::state::*;
use iothub::status::*;
use iothub::telemetry::iothub_telemetry;
use iothub::twin::*;
use iothub::types::*;
use std::mem::{MaybeUninit, size_of};
use std::ptr::{null, null_mut};

use super::client::{Client, bytes, text};

const NOTHING: iothub_str = iothub_str { ptr: null(), len: 0 };
const NO_BYTES: iothub_bytes = iothub_bytes { ptr: null(), len: 0 };

/// NULL for everything, of every function.
pub(super) fn without_objects() {
    // SAFETY: NULL is what each of them may be given.
    let statuses = unsafe {
        [
            iothub_client_init(null_mut(), 0, null(), null(), null_mut()),
            iothub_client_deinit(null_mut()),
            iothub_client_connect(null_mut(), 0, null()),
            iothub_client_handle_input(null_mut(), 0, null(), 0, null_mut(), null_mut(), null_mut()),
            iothub_client_poll_event(null_mut(), 0, null_mut(), null_mut()),
            iothub_client_poll_transmit(null_mut(), null_mut()),
            iothub_client_confirm_transmit(null_mut(), 0, 0),
            iothub_client_handle_timeout(null_mut(), 0),
            iothub_client_handle_eof(null_mut(), 0),
            iothub_client_disconnect(null_mut(), 0),
            iothub_client_subscribe(null_mut(), 0, 0),
            iothub_client_send_telemetry(null_mut(), 0, null(), null_mut()),
            iothub_client_telemetry_withdraw(null_mut(), 0, 0, null_mut()),
            iothub_client_message_accept(null_mut(), 0, 0),
            iothub_client_message_leave(null_mut(), 0, 0),
            iothub_client_method_respond(null_mut(), 0, null(), 0, NO_BYTES),
            iothub_client_method_respond_kept(null_mut(), 0, null(), 0, NO_BYTES),
            iothub_client_twin_get(null_mut(), 0, null_mut()),
            iothub_client_twin_report(null_mut(), 0, NO_BYTES, null_mut()),
            iothub_client_last_error(null(), null_mut()),
            iothub_client_has_event(null()),
            iothub_client_state(null()),
            iothub_client_timeout_reason(null()),
            iothub_client_pending(null(), null_mut()),
            iothub_client_unacked(null(), null_mut(), 0, null_mut()),
            iothub_client_telemetry_sent(null(), 0),
            iothub_client_tx_free(null()),
            iothub_client_strays(null(), null_mut()),
            iothub_config_init(null_mut(), 0),
            iothub_rx_init(null_mut(), 0, null_mut(), 0),
            iothub_rx_space(null_mut(), null_mut(), null_mut()),
            iothub_rx_commit(null_mut(), 0),
            iothub_rx_clear(null_mut()),
            iothub_connection_string_parse(NOTHING, null_mut(), null_mut()),
            iothub_connection_string_unknown_key(NOTHING, 0, null_mut()),
            iothub_sas_string_to_sign(null(), 0, null_mut(), 0, null_mut()),
            iothub_sas_token(null(), null(), 0, NOTHING, null_mut(), 0, null_mut()),
            iothub_sas_token_capacity(null(), NOTHING, null_mut()),
            iothub_key_init(null_mut(), 0, NOTHING, null_mut()),
            iothub_key_init_bytes(null_mut(), 0, NO_BYTES, null_mut()),
            iothub_key_deinit(null_mut()),
            iothub_key_sign(null(), NO_BYTES, null_mut()),
            iothub_key_token(null(), null(), 0, NOTHING, null_mut(), 0, null_mut()),
            iothub_key_derive(null_mut(), 0, null(), NOTHING),
            iothub_key_derive_base64(null(), NOTHING, null_mut(), 0, null_mut()),
            iothub_properties_iter(NOTHING, null_mut()),
            iothub_properties_next(null_mut(), null_mut()),
            iothub_properties_get(NOTHING, NOTHING, null_mut()),
            iothub_properties_system(NOTHING, 0, null_mut()),
            iothub_text_decode(NOTHING, null_mut(), 0, null_mut()),
            iothub_json_find(NO_BYTES, null(), 0, null_mut()),
            iothub_json_number(NO_BYTES, null_mut()),
            iothub_json_text(NO_BYTES, null_mut(), 0, null_mut()),
            iothub_json_reader_init(null_mut(), 0, null(), 0, null_mut(), 0),
            iothub_json_reader_feed(null_mut(), NO_BYTES),
            iothub_json_reader_value(null_mut(), null_mut()),
            iothub_command_split(NOTHING, null_mut(), null_mut()),
            iothub_desired_iter_init(null_mut(), 0, 0, NO_BYTES, null(), 0),
            iothub_desired_next(null_mut(), null_mut()),
            iothub_patch_init(null_mut(), 0, null_mut(), 0),
            iothub_patch_json(null_mut(), NOTHING, NOTHING, NO_BYTES),
            iothub_patch_text(null_mut(), NOTHING, NOTHING, NOTHING),
            iothub_patch_integer(null_mut(), NOTHING, NOTHING, 0),
            iothub_patch_acknowledge(null_mut(), NOTHING, NOTHING, NO_BYTES, 0, 0, NOTHING),
            iothub_patch_finish(null_mut(), null_mut()),
            iothub_request_keep(null(), null_mut()),
            iothub_retry_policy_init(null_mut(), 0),
            iothub_backoff_init(null_mut(), 0, null()),
            iothub_backoff_next(null_mut(), 0, 0, 0, null_mut()),
            iothub_backoff_reset(null_mut()),
            iothub_backoff_failures(null(), null_mut()),
        ]
    };
    for (at, status) in statuses.into_iter().enumerate() {
        assert_eq!(status, IOTHUB_ERR_NULL, "function {at} of the list");
    }
    // SAFETY: as above.
    unsafe { assert_eq!(iothub_client_poll_timeout(null()), IOTHUB_NEVER) };
}

/// A client that is fine, and calls that are not.
pub(super) fn of_client(client: &mut Client) {
    let real = client.pointer();
    let mut message = iothub_telemetry {
        struct_size: size_of::<iothub_telemetry>() as u32,
        qos: 1,
        payload: bytes(b"body"),
        properties: null(),
        properties_len: 0,
        system: null(),
    };
    let send = |message: &iothub_telemetry| {
        let mut token = 7;
        // SAFETY: the client is alive; what is wrong in the message is told without being used.
        let status = unsafe { iothub_client_send_telemetry(real, 0, message, &mut token) };
        assert_eq!(token, 0, "written, whatever comes");
        status
    };
    message.qos = 7;
    assert_eq!(send(&message), IOTHUB_ERR_BAD_VALUE);
    message.qos = 1;
    message.struct_size -= 1;
    assert_eq!(send(&message), IOTHUB_ERR_STRUCT_SIZE);
    message.struct_size += 1;
    message.payload.len = usize::MAX;
    assert_eq!(send(&message), IOTHUB_ERR_BAD_LENGTH);
    message.payload = iothub_bytes { ptr: null(), len: 1 };
    assert_eq!(send(&message), IOTHUB_ERR_NULL);
    message.payload = NO_BYTES;
    let bad = [iothub::telemetry::iothub_property {
        name: iothub_str { ptr: b"\xFF".as_ptr().cast(), len: 1 },
        value: text("v"),
    }];
    (message.properties, message.properties_len) = (bad.as_ptr(), 1);
    assert_eq!(send(&message), IOTHUB_ERR_BAD_UTF8);
    message.properties_len = usize::MAX / 8;
    assert_eq!(send(&message), IOTHUB_ERR_BAD_LENGTH);

    // A copy elsewhere, and a place without a client, are told; so is a pointer that is none to a client.
    let mut elsewhere = Box::new(MaybeUninit::<iothub_client>::zeroed());
    // SAFETY: both have room for a client; a copy is not used but for being refused.
    unsafe {
        assert_eq!(iothub_client_state(elsewhere.as_ptr()), IOTHUB_ERR_NOT_INITIALIZED);
        std::ptr::copy_nonoverlapping(real, elsewhere.as_mut_ptr(), 1);
        assert_eq!(iothub_client_state(elsewhere.as_ptr()), IOTHUB_ERR_NOT_INITIALIZED);
        assert_eq!(iothub_client_deinit(elsewhere.as_mut_ptr()), IOTHUB_ERR_NOT_INITIALIZED);
        assert_eq!(iothub_client_disconnect(real.byte_add(1), 0), IOTHUB_ERR_MISALIGNED);
        assert_eq!(iothub_client_confirm_transmit(real, 0, 1), IOTHUB_ERR_BAD_CONFIRM);
        assert_eq!(iothub_client_message_accept(real, 0, u32::MAX), IOTHUB_ERR_STALE);
        assert_eq!(iothub_client_disconnect(real, u64::MAX), IOTHUB_ERR_BAD_INSTANT);
        let storage = iothub_storage {
            struct_size: size_of::<iothub_storage>() as u32,
            tx: null_mut(),
            tx_len: usize::MAX,
            slots: null_mut(),
            slots_len: 0,
            inbound: null_mut(),
            inbound_len: 0,
        };
        let place = elsewhere.as_mut_ptr();
        let size = size_of::<iothub_client>();
        assert_eq!(iothub_client_init(place, size - 1, null(), &storage, null_mut()), IOTHUB_ERR_OBJECT_SIZE);
        assert_eq!(iothub_client_init(place, size, null(), &storage, null_mut()), IOTHUB_ERR_NULL);
    }
}
