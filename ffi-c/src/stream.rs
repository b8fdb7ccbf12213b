//! What the machine tells of payloads larger than the buffers: pieces that come, parts that are to leave.

use crate::request::iothub_request;
use crate::types::{iothub_bytes, iothub_str, iothub_token};

/// `u.stream_begin`: a payload larger than `max_packet` begins. Pieces follow in order, without gaps and with nothing from
/// the hub between, and an end. Without that end it is void: forget what came of it. It ends so by
/// IOTHUB_EVENT_DISCONNECTED, and what answers iothub_client_twin_get() by the IOTHUB_EVENT_REQUEST_FAILED of that request.
/// Only with `stream_payloads`.
pub const IOTHUB_EVENT_STREAM_BEGIN: u32 = 17;
/// `u.stream_piece`: the next bytes of that payload.
pub const IOTHUB_EVENT_STREAM_PIECE: u32 = 18;
/// `u.stream_end`: that payload is whole.
pub const IOTHUB_EVENT_STREAM_END: u32 = 19;
/// `u.part_wanted`: the next part of a message is wanted. Supply it with iothub_client_telemetry_part(); nothing else can
/// leave before.
pub const IOTHUB_EVENT_PART_WANTED: u32 = 20;

/// Whose payload it is that comes in pieces: a cloud-to-device message's, or that of one routed to a module's input. With a
/// token at its end, accept or leave it.
pub const IOTHUB_STREAM_MESSAGE: u32 = 1;
/// A direct method's. Answer it at once, or after its end as a kept request.
pub const IOTHUB_STREAM_METHOD_CALL: u32 = 2;
/// The whole twin.
pub const IOTHUB_STREAM_TWIN_DOCUMENT: u32 = 3;
/// A change of the desired section.
pub const IOTHUB_STREAM_TWIN_DESIRED: u32 = 4;
/// That of a PUBLISH on a topic outside the dialect.
pub const IOTHUB_STREAM_UNKNOWN: u32 = 5;

/// IOTHUB_EVENT_STREAM_BEGIN.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_stream_begin {
    /// IOTHUB_STREAM_*.
    pub source: u32,
    /// Bytes of the whole payload.
    pub payload_len: u32,
    /// TWIN_DOCUMENT: the request it answers; IOTHUB_TOKEN_NONE if twin synchronisation fetched it.
    pub token: iothub_token,
    /// MESSAGE: it may have been delivered before (DUP).
    pub redelivered: bool,
    /// TWIN_DESIRED: patches may be missing before this one.
    pub unsynced: bool,
    /// UNKNOWN: it is a retained message.
    pub retain: bool,
    /// MESSAGE: the module's input, none (NULL) for a cloud-to-device message. METHOD_CALL: the method. UNKNOWN: the topic.
    pub name: iothub_str,
    /// MESSAGE: the property bag; read it with iothub_properties_iter().
    pub properties: iothub_str,
    /// METHOD_CALL: what the answer names. iothub_request_keep() it to answer after the end.
    pub request: iothub_request,
}

/// IOTHUB_EVENT_STREAM_PIECE.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_stream_piece {
    /// Bytes of the payload before these.
    pub offset: u32,
    /// At least one byte.
    pub bytes: iothub_bytes,
}

/// IOTHUB_EVENT_STREAM_END.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_stream_end {
    /// TWIN_DOCUMENT: `desired.$version`; TWIN_DESIRED: the new version. IOTHUB_VERSION_NONE if there is none.
    pub version: u64,
    /// IOTHUB_STREAM_*, as its beginning.
    pub source: u32,
    /// MESSAGE: what to accept or leave. TWIN_DOCUMENT: the request that has ended by it. Else, and at QoS 0,
    /// IOTHUB_TOKEN_NONE.
    pub token: iothub_token,
    /// TWIN_DOCUMENT: older than what was delivered before. Do not apply it.
    pub stale: bool,
}

/// IOTHUB_EVENT_PART_WANTED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_event_part_wanted {
    /// The message: what iothub_client_send_telemetry_parts() gave. It may have been withdrawn: half of it was sent.
    pub token: iothub_token,
    /// Bytes of all parts before this one. 0 again after a cut.
    pub offset: u32,
    /// The most bytes it may have.
    pub room: u32,
}
