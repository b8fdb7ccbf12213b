//! What the machine tells.

use crate::error::iothub_error;
use crate::ptr::Zeroed;
use crate::request::iothub_request;
use crate::stream::*;
use crate::types::{iothub_bytes, iothub_str, iothub_token};

/// Nothing: feed more bytes when there are some.
pub const IOTHUB_EVENT_NONE: u32 = 0;
/// `u.connected`: the hub accepted the connection. Messages may follow at once.
pub const IOTHUB_EVENT_CONNECTED: u32 = 1;
/// `u.ready`: subscribed. Telemetry and twin requests leave from now on.
pub const IOTHUB_EVENT_READY: u32 = 2;
/// `u.subscribed`: a later iothub_client_subscribe() was answered.
pub const IOTHUB_EVENT_SUBSCRIBED: u32 = 3;
/// `u.telemetry_acked`: the hub has stored this QoS 1 message.
pub const IOTHUB_EVENT_TELEMETRY_ACKED: u32 = 4;
/// `u.message`: a cloud-to-device message, or one routed to a module's input. With a token, accept or leave it.
pub const IOTHUB_EVENT_MESSAGE: u32 = 5;
/// `u.method_call`: a direct method is called. Answer with iothub_client_method_respond(), now or later.
pub const IOTHUB_EVENT_METHOD_CALL: u32 = 6;
/// `u.twin_document`: the whole twin.
pub const IOTHUB_EVENT_TWIN_DOCUMENT: u32 = 7;
/// `u.twin_reported`: the hub has stored a reported patch.
pub const IOTHUB_EVENT_TWIN_REPORTED: u32 = 8;
/// `u.twin_desired`: the desired section has changed.
pub const IOTHUB_EVENT_TWIN_DESIRED: u32 = 9;
/// `u.request_failed`: a twin request ended without success.
pub const IOTHUB_EVENT_REQUEST_FAILED: u32 = 10;
/// `u.request_failed`, without token and payload: twin synchronisation has given up on this connection. Patches come, but
/// unsynced.
pub const IOTHUB_EVENT_TWIN_SYNC_FAILED: u32 = 11;
/// `u.skipped`: a PUBLISH larger than `max_packet` passes by. Its payload is not delivered.
pub const IOTHUB_EVENT_SKIPPED: u32 = 12;
/// `u.message`: there is no inbound record left for it. It is not acknowledged, and comes again on a later connection.
pub const IOTHUB_EVENT_MESSAGE_LEFT: u32 = 13;
/// `u.unknown`: a PUBLISH on a topic outside the dialect. It was acknowledged.
pub const IOTHUB_EVENT_UNKNOWN: u32 = 14;
/// The credential ends soon: disconnect, then connect with a new one. Nothing is lost by that.
pub const IOTHUB_EVENT_CREDENTIAL_EXPIRING: u32 = 15;
/// `u.disconnected`: the connection is over. Close the transport.
pub const IOTHUB_EVENT_DISCONNECTED: u32 = 16;
/// `u.assigning`: the Device Provisioning Service works on it, and is asked again. Of iothub_provisioning only, as are the
/// next three.
pub const IOTHUB_EVENT_ASSIGNING: u32 = 32;
/// `u.assigning`: the service has no time, or trouble of its own; the same is asked again.
pub const IOTHUB_EVENT_THROTTLED: u32 = 33;
/// `u.assigned`: the device belongs to a hub. What follows is the polite end of this connection.
pub const IOTHUB_EVENT_ASSIGNED: u32 = 34;
/// `u.refused`: the device was not assigned, and will not be by asking again. Fatal.
pub const IOTHUB_EVENT_REFUSED: u32 = 35;
/// Something that this header does not know.
pub const IOTHUB_EVENT_OTHER: u32 = 255;

/// Why a twin request ended: the hub answered with `http_status`, which is 400 for a bad patch, 429 when throttled, 5xx
/// for trouble of its own.
pub const IOTHUB_REQUEST_STATUS: u32 = 1;
/// No answer came within `request_timeout_ms`.
pub const IOTHUB_REQUEST_TIMED_OUT: u32 = 2;
/// The connection ended after it was sent: the hub may have carried it out.
pub const IOTHUB_REQUEST_CONNECTION_LOST: u32 = 3;
/// The answer is larger than `max_packet`.
pub const IOTHUB_REQUEST_TOO_LARGE: u32 = 4;

/// Why a connection ended: iothub_client_disconnect() was called.
pub const IOTHUB_DISCONNECT_REQUESTED: u32 = 1;
/// The transport ended. Over MQTT the hub gives no reason: see `last_sent`.
pub const IOTHUB_DISCONNECT_TRANSPORT_CLOSED: u32 = 2;
/// A fatal error: see `error`.
pub const IOTHUB_DISCONNECT_FAILED: u32 = 3;

/// The last packet of which a byte was lent: nothing.
pub const IOTHUB_SENT_NOTHING: u32 = 0;
/// CONNECT.
pub const IOTHUB_SENT_CONNECT: u32 = 1;
/// SUBSCRIBE.
pub const IOTHUB_SENT_SUBSCRIBE: u32 = 2;
/// PUBACK or PINGREQ.
pub const IOTHUB_SENT_CONTROL: u32 = 3;
/// DISCONNECT.
pub const IOTHUB_SENT_DISCONNECT: u32 = 4;
/// A telemetry message.
pub const IOTHUB_SENT_TELEMETRY: u32 = 5;
/// A twin request.
pub const IOTHUB_SENT_TWIN_REQUEST: u32 = 6;
/// The answer to a direct method.
pub const IOTHUB_SENT_METHOD_ANSWER: u32 = 7;
/// A request to the Device Provisioning Service, by an iothub_provisioning only.
pub const IOTHUB_SENT_REGISTRATION: u32 = 8;

/// IOTHUB_EVENT_CONNECTED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_connected {
    /// Whether the hub had kept this device's session.
    pub session_present: bool,
}

/// IOTHUB_EVENT_READY and IOTHUB_EVENT_SUBSCRIBED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_subscribed {
    /// What was asked for, as IOTHUB_FEATURE_* bits. 0 with READY.
    pub features: u32,
    /// What the hub refused. Commands that need it give IOTHUB_ERR_NOT_SUBSCRIBED.
    pub refused: u32,
}

/// IOTHUB_EVENT_TELEMETRY_ACKED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_acked {
    /// What iothub_client_send_telemetry() gave.
    pub token: iothub_token,
}

/// IOTHUB_EVENT_MESSAGE and IOTHUB_EVENT_MESSAGE_LEFT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_message {
    /// What to accept or leave; IOTHUB_TOKEN_NONE at QoS 0 and with MESSAGE_LEFT.
    pub token: iothub_token,
    /// It may have been delivered before (DUP).
    pub redelivered: bool,
    /// The module's input it came through; none (NULL) for a cloud-to-device message.
    pub input: iothub_str,
    /// The property bag as it came; read it with iothub_properties_iter().
    pub properties: iothub_str,
    /// Its body.
    pub payload: iothub_bytes,
}

/// IOTHUB_EVENT_METHOD_CALL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_method_call {
    /// Its name.
    pub name: iothub_str,
    /// The caller's payload: JSON, or nothing.
    pub payload: iothub_bytes,
    /// What the answer names. iothub_request_keep() it to answer later.
    pub request: iothub_request,
}

/// IOTHUB_EVENT_TWIN_DOCUMENT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_twin_document {
    /// `desired.$version`, or IOTHUB_VERSION_NONE if it could not be read.
    pub version: u64,
    /// The request it answers; IOTHUB_TOKEN_NONE if twin synchronisation fetched it.
    pub token: iothub_token,
    /// Older than what was delivered before: do not apply it.
    pub stale: bool,
    /// `{"desired":{...},"reported":{...}}`.
    pub payload: iothub_bytes,
}

/// IOTHUB_EVENT_TWIN_REPORTED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_twin_reported {
    /// The new version of the reported section, or IOTHUB_VERSION_NONE.
    pub version: u64,
    /// The request it answers.
    pub token: iothub_token,
}

/// IOTHUB_EVENT_TWIN_DESIRED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_twin_desired {
    /// The new version of the desired section, or IOTHUB_VERSION_NONE.
    pub version: u64,
    /// Without synchronisation, or after it failed: patches may be missing before this one.
    pub unsynced: bool,
    /// The patch, JSON, `$version` included.
    pub payload: iothub_bytes,
}

/// IOTHUB_EVENT_REQUEST_FAILED and IOTHUB_EVENT_TWIN_SYNC_FAILED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_request_failed {
    /// TOO_LARGE: the twin's desired version, read as it passed by; else IOTHUB_VERSION_NONE.
    pub version: u64,
    /// The request; IOTHUB_TOKEN_NONE for twin synchronisation.
    pub token: iothub_token,
    /// IOTHUB_REQUEST_*.
    pub reason: u32,
    /// STATUS: what the hub answered, as HTTP has it; else 0.
    pub http_status: u32,
    /// TOO_LARGE: bytes of the answer's payload; else 0.
    pub payload_len: u32,
    /// What the hub says about it: JSON, or nothing.
    pub payload: iothub_bytes,
}

/// IOTHUB_EVENT_SKIPPED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_skipped {
    /// Its topic; empty if that alone is larger than `max_packet`.
    pub topic: iothub_str,
    /// For a direct method: it may be answered, for instance with 413. `id` is none (NULL) for anything else.
    pub request: iothub_request,
    /// For a message at QoS 1: it may be accepted, so that it does not come again, or left.
    pub token: iothub_token,
    /// Bytes of its payload.
    pub payload_len: u32,
    /// Its packet id; 0 at QoS 0.
    pub packet_id: u32,
}

/// IOTHUB_EVENT_UNKNOWN.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_unknown {
    /// The topic.
    pub topic: iothub_str,
    /// The payload.
    pub payload: iothub_bytes,
    /// Whether it is a retained message, which IoT Hub does not have.
    pub retain: bool,
}

/// IOTHUB_EVENT_DISCONNECTED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_disconnected {
    /// IOTHUB_DISCONNECT_*.
    pub reason: u32,
    /// IOTHUB_SENT_*: the last packet sent. Over MQTT the hub closes the link instead of saying what it objects to.
    pub last_sent: u32,
    /// After at least two connections cut with unacknowledged telemetry and no PUBACK: the oldest such message, to be
    /// withdrawn if the hub will never take it. Else IOTHUB_TOKEN_NONE.
    pub suspect: iothub_token,
    /// Connections in a row that ended so; 0 without a suspect.
    pub cuts: u32,
    /// How long the connection was ready, in milliseconds: for iothub_backoff_next().
    pub ready_for_ms: u32,
    /// FAILED: the fatal error. Else its `status` is IOTHUB_OK.
    pub error: iothub_error,
}

/// IOTHUB_EVENT_ASSIGNING and IOTHUB_EVENT_THROTTLED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_assigning {
    /// THROTTLED: what the service answered, as HTTP has it; else 0.
    pub http_status: u32,
    /// THROTTLED: the service's own number; 0 if it gave none.
    pub code: u32,
    /// When it is asked again, in milliseconds.
    pub retry_after_ms: u32,
}

/// IOTHUB_EVENT_ASSIGNED. iothub_assigned_names() copies the names.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_assigned {
    /// The hub.
    pub host_name: iothub_str,
    /// The device id, with the escapes of JSON.
    pub device_id: iothub_str,
    /// How it came about: `initialAssignment`, `deviceDataMigrated`, `deviceDataReset` or
    /// `reprovisionedToInitialAssignment`; empty if the service does not say.
    pub substatus: iothub_str,
    /// JSON that a custom allocation policy gives the device; empty if there is none.
    pub payload: iothub_bytes,
}

/// IOTHUB_EVENT_REFUSED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_refused {
    /// What the service answered, as HTTP has it; 0 if it was no such answer.
    pub http_status: u32,
    /// The service's own number for the cause, such as 401002; 0 if it gave none.
    pub code: u32,
    /// The service's answer: JSON with `errorCode`, `trackingId` and `message` as a rule. Empty if it was too large.
    pub payload: iothub_bytes,
    /// The error, with IOTHUB_ERR_REGISTRATION_x.
    pub error: iothub_error,
}

/// What `kind` says.
#[repr(C)]
#[derive(Clone, Copy)]
pub union iothub_event_union {
    /// IOTHUB_EVENT_CONNECTED.
    pub connected: iothub_event_connected,
    /// IOTHUB_EVENT_READY.
    pub ready: iothub_event_subscribed,
    /// IOTHUB_EVENT_SUBSCRIBED.
    pub subscribed: iothub_event_subscribed,
    /// IOTHUB_EVENT_TELEMETRY_ACKED.
    pub telemetry_acked: iothub_event_acked,
    /// IOTHUB_EVENT_MESSAGE, IOTHUB_EVENT_MESSAGE_LEFT.
    pub message: iothub_event_message,
    /// IOTHUB_EVENT_METHOD_CALL.
    pub method_call: iothub_event_method_call,
    /// IOTHUB_EVENT_TWIN_DOCUMENT.
    pub twin_document: iothub_event_twin_document,
    /// IOTHUB_EVENT_TWIN_REPORTED.
    pub twin_reported: iothub_event_twin_reported,
    /// IOTHUB_EVENT_TWIN_DESIRED.
    pub twin_desired: iothub_event_twin_desired,
    /// IOTHUB_EVENT_REQUEST_FAILED, IOTHUB_EVENT_TWIN_SYNC_FAILED.
    pub request_failed: iothub_event_request_failed,
    /// IOTHUB_EVENT_SKIPPED.
    pub skipped: iothub_event_skipped,
    /// IOTHUB_EVENT_UNKNOWN.
    pub unknown: iothub_event_unknown,
    /// IOTHUB_EVENT_DISCONNECTED.
    pub disconnected: iothub_event_disconnected,
    /// IOTHUB_EVENT_ASSIGNING, IOTHUB_EVENT_THROTTLED.
    pub assigning: iothub_event_assigning,
    /// IOTHUB_EVENT_ASSIGNED.
    pub assigned: iothub_event_assigned,
    /// IOTHUB_EVENT_REFUSED.
    pub refused: iothub_event_refused,
    /// IOTHUB_EVENT_STREAM_BEGIN.
    pub stream_begin: iothub_event_stream_begin,
    /// IOTHUB_EVENT_STREAM_PIECE.
    pub stream_piece: iothub_event_stream_piece,
    /// IOTHUB_EVENT_STREAM_END.
    pub stream_end: iothub_event_stream_end,
    /// IOTHUB_EVENT_PART_WANTED.
    pub part_wanted: iothub_event_part_wanted,
    /// For events of later versions: the size stays as it is.
    pub reserved: [usize; 12],
}

/// One thing that happened. Its pointers point into the bytes that were given to iothub_client_handle_input(), or into the
/// memory of the iothub_rx, and live as long as those stay where they are. Every call on the client is legal meanwhile.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event {
    /// IOTHUB_EVENT_*. A kind that this header does not know is to be ignored.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// What the kind says.
    pub u: iothub_event_union,
}

// SAFETY: numbers, pointers, and `false`.
unsafe impl Zeroed for iothub_event {}
