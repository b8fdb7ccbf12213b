//! The machine's events, written into the caller's struct.

use crate::error::iothub_error;
use crate::event::*;
use crate::request::iothub_request;
#[cfg(feature = "stream")]
use crate::stream::*;
use crate::types::{IOTHUB_VERSION_NONE, iothub_bytes, iothub_str, iothub_token};
use iothub_proto::Event;
use iothub_proto::event::{
    DisconnectReason, Disconnected, LastSent, Message, MessageToken, RequestError, Skipped, TelemetryToken, TwinToken,
};
#[cfg(feature = "stream")]
use iothub_proto::event::{StreamEnd, StreamSource};

/// The number of a token of telemetry. No slot has the number 65,535, so it is not 0.
pub(crate) fn telemetry(token: TelemetryToken) -> iothub_token {
    !token.to_bits()
}

/// The number of a token of a twin request, by the same rule.
pub(crate) fn twin_number(token: TwinToken) -> iothub_token {
    !token.to_bits()
}

/// The token of telemetry that a number stands for.
pub(crate) fn telemetry_token(number: iothub_token) -> TelemetryToken {
    TelemetryToken::from_bits(!number)
}

/// The number of a token of a message. No connection has the number 0, so it is not 0.
fn message(token: Option<MessageToken>) -> iothub_token {
    token.map_or(0, MessageToken::to_bits)
}

/// Writes `event` into `to`, which is zeroed.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn write(to: &mut iothub_event, event: &Option<Event<'_>>) {
    let Some(event) = event else { return };
    to.kind = match *event {
        Event::Connected { session_present } => {
            to.u.connected = iothub_event_connected { session_present };
            IOTHUB_EVENT_CONNECTED
        }
        Event::Ready { refused } => {
            to.u.ready = iothub_event_subscribed { features: 0, refused: refused.bits().into() };
            IOTHUB_EVENT_READY
        }
        Event::Subscribed { features, refused } => {
            to.u.subscribed =
                iothub_event_subscribed { features: features.bits().into(), refused: refused.bits().into() };
            IOTHUB_EVENT_SUBSCRIBED
        }
        Event::TelemetryAcked(token) => {
            to.u.telemetry_acked = iothub_event_acked { token: telemetry(token) };
            IOTHUB_EVENT_TELEMETRY_ACKED
        }
        Event::Message(ref message) => {
            to.u.message = from_cloud(message);
            IOTHUB_EVENT_MESSAGE
        }
        Event::MessageLeft(ref message) => {
            to.u.message = from_cloud(message);
            IOTHUB_EVENT_MESSAGE_LEFT
        }
        Event::MethodCall { name, payload, request } => {
            to.u.method_call = iothub_event_method_call {
                name: iothub_str::new(name),
                payload: iothub_bytes::new(payload),
                request: iothub_request::new(request),
            };
            IOTHUB_EVENT_METHOD_CALL
        }
        Event::TwinDocument { token, version, stale, payload } => {
            to.u.twin_document = iothub_event_twin_document {
                version: number(version),
                token: token.map_or(0, twin_number),
                stale,
                payload: iothub_bytes::new(payload),
            };
            IOTHUB_EVENT_TWIN_DOCUMENT
        }
        Event::TwinReported { token, version } => {
            to.u.twin_reported = iothub_event_twin_reported { version: number(version), token: twin_number(token) };
            IOTHUB_EVENT_TWIN_REPORTED
        }
        Event::TwinDesired { version, unsynced, payload } => {
            to.u.twin_desired =
                iothub_event_twin_desired { version: number(version), unsynced, payload: iothub_bytes::new(payload) };
            IOTHUB_EVENT_TWIN_DESIRED
        }
        Event::RequestFailed { token, reason, payload } => {
            to.u.request_failed = failed(twin_number(token), reason, payload);
            IOTHUB_EVENT_REQUEST_FAILED
        }
        Event::TwinSyncFailed { reason } => {
            to.u.request_failed = failed(0, reason, &[]);
            IOTHUB_EVENT_TWIN_SYNC_FAILED
        }
        Event::Skipped(ref skipped) => {
            to.u.skipped = passed_by(skipped);
            IOTHUB_EVENT_SKIPPED
        }
        Event::Unknown { topic, payload, retain } => {
            to.u.unknown =
                iothub_event_unknown { topic: iothub_str::new(topic), payload: iothub_bytes::new(payload), retain };
            IOTHUB_EVENT_UNKNOWN
        }
        Event::CredentialExpiring => IOTHUB_EVENT_CREDENTIAL_EXPIRING,
        Event::Disconnected(ref ended) => {
            to.u.disconnected = ended_by(ended);
            IOTHUB_EVENT_DISCONNECTED
        }
        #[cfg(feature = "stream")]
        Event::StreamBegin { source, payload_len } => {
            to.u.stream_begin = begins(source, payload_len);
            IOTHUB_EVENT_STREAM_BEGIN
        }
        #[cfg(feature = "stream")]
        Event::StreamPiece { offset, bytes } => {
            to.u.stream_piece = iothub_event_stream_piece { offset, bytes: iothub_bytes::new(bytes) };
            IOTHUB_EVENT_STREAM_PIECE
        }
        #[cfg(feature = "stream")]
        Event::StreamEnd(end) => {
            to.u.stream_end = ends(end);
            IOTHUB_EVENT_STREAM_END
        }
        #[cfg(feature = "stream")]
        Event::PartWanted { token, offset, room } => {
            to.u.part_wanted = iothub_event_part_wanted { token: telemetry(token), offset, room };
            IOTHUB_EVENT_PART_WANTED
        }
        _ => IOTHUB_EVENT_OTHER,
    };
}

fn number(version: Option<u64>) -> u64 {
    version.unwrap_or(IOTHUB_VERSION_NONE)
}

fn from_cloud(from: &Message<'_>) -> iothub_event_message {
    iothub_event_message {
        token: message(from.token),
        redelivered: from.redelivered,
        input: iothub_str::optional(from.input),
        properties: iothub_str::new(from.properties.raw()),
        payload: iothub_bytes::new(from.payload),
    }
}

fn failed(token: iothub_token, reason: RequestError, payload: &[u8]) -> iothub_event_request_failed {
    let mut to = iothub_event_request_failed {
        version: IOTHUB_VERSION_NONE,
        token,
        reason: IOTHUB_REQUEST_STATUS,
        http_status: 0,
        payload_len: 0,
        payload: iothub_bytes::new(payload),
    };
    match reason {
        RequestError::Status(status) => to.http_status = status.into(),
        RequestError::TimedOut => to.reason = IOTHUB_REQUEST_TIMED_OUT,
        RequestError::ConnectionLost => to.reason = IOTHUB_REQUEST_CONNECTION_LOST,
        RequestError::TooLarge { payload_len, version } => {
            to.reason = IOTHUB_REQUEST_TOO_LARGE;
            to.payload_len = payload_len;
            to.version = number(version);
        }
        _ => to.reason = 0,
    }
    to
}

fn passed_by(skipped: &Skipped<'_>) -> iothub_event_skipped {
    iothub_event_skipped {
        topic: iothub_str::new(skipped.topic),
        request: skipped.request.map_or(iothub_request::NONE, iothub_request::new),
        token: message(skipped.token),
        payload_len: skipped.payload_len,
        packet_id: skipped.packet_id.unwrap_or(0).into(),
    }
}

pub(crate) fn ended_by(ended: &Disconnected) -> iothub_event_disconnected {
    let (reason, error) = match ended.reason {
        DisconnectReason::Requested => (IOTHUB_DISCONNECT_REQUESTED, iothub_error::of(0)),
        DisconnectReason::TransportClosed => (IOTHUB_DISCONNECT_TRANSPORT_CLOSED, iothub_error::of(0)),
        DisconnectReason::Failed(ref error) => (IOTHUB_DISCONNECT_FAILED, iothub_error::from(error)),
        _ => (0, iothub_error::of(0)),
    };
    iothub_event_disconnected {
        reason,
        last_sent: ended.last_sent.map_or(IOTHUB_SENT_NOTHING, last_sent),
        suspect: ended.suspect.map_or(0, |suspect| telemetry(suspect.token)),
        cuts: ended.suspect.map_or(0, |suspect| suspect.cuts.into()),
        ready_for_ms: ended.ready_for.as_millis() as u32,
        error,
    }
}

/// The kinds count as their numbers do; a test goes through all of them.
pub(crate) fn last_sent(kind: LastSent) -> u32 {
    kind as u32 + IOTHUB_SENT_CONNECT
}

#[cfg(feature = "stream")]
fn begins(from: StreamSource<'_>, payload_len: u32) -> iothub_event_stream_begin {
    let mut to = iothub_event_stream_begin {
        source: 0,
        payload_len,
        token: 0,
        redelivered: false,
        unsynced: false,
        retain: false,
        name: iothub_str::NONE,
        properties: iothub_str::NONE,
        request: iothub_request::NONE,
    };
    to.source = match from {
        StreamSource::Message { input, properties, redelivered } => {
            to.name = iothub_str::optional(input);
            to.properties = iothub_str::new(properties.raw());
            to.redelivered = redelivered;
            IOTHUB_STREAM_MESSAGE
        }
        StreamSource::MethodCall { name, request } => {
            to.name = iothub_str::new(name);
            to.request = iothub_request::new(request);
            IOTHUB_STREAM_METHOD_CALL
        }
        StreamSource::TwinDocument { token } => {
            to.token = token.map_or(0, twin_number);
            IOTHUB_STREAM_TWIN_DOCUMENT
        }
        StreamSource::TwinDesired { unsynced, .. } => {
            to.unsynced = unsynced;
            IOTHUB_STREAM_TWIN_DESIRED
        }
        StreamSource::Unknown { topic, retain } => {
            to.name = iothub_str::new(topic);
            to.retain = retain;
            IOTHUB_STREAM_UNKNOWN
        }
        _ => 0,
    };
    to
}

#[cfg(feature = "stream")]
fn ends(from: StreamEnd) -> iothub_event_stream_end {
    let mut to = iothub_event_stream_end { version: IOTHUB_VERSION_NONE, source: 0, token: 0, stale: false };
    to.source = match from {
        StreamEnd::Message { token } => {
            to.token = message(token);
            IOTHUB_STREAM_MESSAGE
        }
        StreamEnd::MethodCall => IOTHUB_STREAM_METHOD_CALL,
        StreamEnd::TwinDocument { token, version, stale } => {
            to.token = token.map_or(0, twin_number);
            to.version = number(version);
            to.stale = stale;
            IOTHUB_STREAM_TWIN_DOCUMENT
        }
        StreamEnd::TwinDesired { version } => {
            to.version = number(version);
            IOTHUB_STREAM_TWIN_DESIRED
        }
        StreamEnd::Unknown => IOTHUB_STREAM_UNKNOWN,
        _ => 0,
    };
    to
}
