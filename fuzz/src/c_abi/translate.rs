//! What the C interface gives, in Rust's words.

use iothub::error::iothub_error;
use iothub::event::{self as c, iothub_event};
use iothub::stream as s;
use iothub::types::{IOTHUB_TOKEN_NONE, IOTHUB_VERSION_NONE, iothub_bytes, iothub_str, iothub_token};
use iothub_proto::Event;
use iothub_proto::error::{CapacityError, ConnectRefusal, Error, PeerError, TimeoutReason, UsageError, Violation};
use iothub_proto::event::{
    DisconnectReason, Disconnected, LastSent, Message, MessageToken, RequestError, RequestId, Skipped, StreamEnd,
    StreamSource, Suspect, TelemetryToken, TwinToken,
};
use iothub_proto::time::Duration;
use iothub_proto::topic::{Features, Properties};

use crate::plant::{Plant, planted};

/// In the order of their statuses, from -201 on.
const VIOLATIONS: [Violation; 21] = [
    Violation::ForbiddenType,
    Violation::BadFlags,
    Violation::BadQos,
    Violation::DupOnQos0,
    Violation::BadRemainingLength,
    Violation::WrongLength,
    Violation::TooLarge,
    Violation::Truncated,
    Violation::ZeroPacketId,
    Violation::EmptyTopic,
    Violation::BadUtf8,
    Violation::NulInText,
    Violation::WildcardInTopic,
    Violation::ExpectedConnack,
    Violation::SecondConnack,
    Violation::BadConnackFlags,
    Violation::BadReturnCode,
    Violation::BadSessionPresent,
    Violation::BadSubackCode,
    Violation::SubackCount,
    Violation::WrongAck,
];

/// In the order of IOTHUB_TIMEOUT_*, from 1 on.
const REASONS: [TimeoutReason; 15] = [
    TimeoutReason::Connack,
    TimeoutReason::Suback,
    TimeoutReason::Pingresp,
    TimeoutReason::Puback,
    TimeoutReason::Send,
    TimeoutReason::TwinSync,
    TimeoutReason::TwinRefetch,
    TimeoutReason::Credential,
    TimeoutReason::Drain,
    TimeoutReason::Close,
    TimeoutReason::KeepAlive,
    TimeoutReason::Request,
    TimeoutReason::Poll,
    TimeoutReason::Registration,
    TimeoutReason::Supply,
];

/// IOTHUB_SENT_*, from 1 on.
const SENT: [LastSent; 7] = [
    LastSent::Connect,
    LastSent::Subscribe,
    LastSent::Control,
    LastSent::Disconnect,
    LastSent::Telemetry,
    LastSent::TwinRequest,
    LastSent::MethodAnswer,
];

pub(super) fn reason(number: i32) -> Option<TimeoutReason> {
    assert!(matches!(number, 0..=12 | 15), "{number} is no reason of a client");
    REASONS.get((number as usize).checked_sub(1)?).copied()
}

/// # Panics
///
/// For a status that no call of a session may give.
pub(super) fn error(error: &iothub_error) -> Error {
    let iothub_error { status, subject, offset, needed, available } = *error;
    let (needed, available) = (needed as usize, available as usize);
    match status {
        -10 => UsageError::BadInstant.into(),
        -11 => UsageError::InvalidState.into(),
        -12 => UsageError::Stale.into(),
        -13 => UsageError::NotSubscribed.into(),
        -14 => UsageError::BadConfirm { lent: available, confirmed: needed }.into(),
        -17 => UsageError::MessageTooLarge { len: needed, limit: available }.into(),
        -100 => CapacityError::TxFull { needed, free: available }.into(),
        -101 => CapacityError::TooLarge { needed, capacity: available }.into(),
        -102 => CapacityError::SlotsFull.into(),
        -221..=-201 => {
            let kind = VIOLATIONS[(-201 - status) as usize];
            PeerError { kind, packet: u8::try_from(subject).expect("a byte"), offset }.into()
        }
        -305..=-301 => Error::Refused(ConnectRefusal::from_code((-300 - status) as u8).expect("a code")),
        -405..=-401 | -415 => Error::TimedOut(REASONS[(-401 - status) as usize]),
        status => panic!("status {status} of a call that was right"),
    }
}

/// Finds the places of an event in the input that was copied for it.
pub(super) struct Places<'i, 'c> {
    pub(super) input: &'i [u8],
    pub(super) copy: &'c [u8],
}

impl<'i> Places<'i, '_> {
    fn bytes(&self, bytes: iothub_bytes) -> &'i [u8] {
        let len = bytes.len + usize::from(planted(Plant::Span) && bytes.len > 0);
        if len == 0 {
            return &[];
        }
        let from =
            bytes.ptr.addr().checked_sub(self.copy.as_ptr().addr()).expect("a pointer in an event is in the input");
        self.input.get(from..from + len).expect("a pointer in an event is in the input")
    }

    fn text(&self, text: iothub_str) -> &'i str {
        let bytes = self.bytes(iothub_bytes { ptr: text.ptr.cast(), len: text.len });
        std::str::from_utf8(bytes).expect("texts are UTF-8")
    }

    fn request(&self, request: iothub::request::iothub_request) -> RequestId<'i> {
        RequestId::from_parts(self.text(request.id), u16::try_from(request.connection).expect("of 16 bits"))
    }

    fn message(&self, message: &c::iothub_event_message) -> Message<'i> {
        Message {
            token: token(message.token).map(MessageToken::from_bits),
            input: (!message.input.ptr.is_null()).then(|| self.text(message.input)),
            properties: Properties::new(self.text(message.properties)),
            payload: self.bytes(message.payload),
            redelivered: message.redelivered,
        }
    }

    fn source(&self, it: &s::iothub_event_stream_begin) -> StreamSource<'i> {
        match it.source {
            s::IOTHUB_STREAM_MESSAGE => StreamSource::Message {
                input: (!it.name.ptr.is_null()).then(|| self.text(it.name)),
                properties: Properties::new(self.text(it.properties)),
                redelivered: it.redelivered,
            },
            s::IOTHUB_STREAM_METHOD_CALL => {
                StreamSource::MethodCall { name: self.text(it.name), request: self.request(it.request) }
            }
            s::IOTHUB_STREAM_TWIN_DOCUMENT => {
                StreamSource::TwinDocument { token: token(it.token).map(TwinToken::from_bits) }
            }
            // Its version comes at its end.
            s::IOTHUB_STREAM_TWIN_DESIRED => StreamSource::TwinDesired { version: None, unsynced: it.unsynced },
            s::IOTHUB_STREAM_UNKNOWN => StreamSource::Unknown { topic: self.text(it.name), retain: it.retain },
            source => panic!("source {source} of a stream"),
        }
    }

    /// The event in Rust's words; `None` for IOTHUB_EVENT_NONE.
    pub(super) fn event(&self, event: &iothub_event) -> Option<Event<'i>> {
        // SAFETY: the kind says which member was written.
        Some(unsafe {
            match event.kind {
                c::IOTHUB_EVENT_NONE => return None,
                c::IOTHUB_EVENT_CONNECTED => Event::Connected { session_present: event.u.connected.session_present },
                c::IOTHUB_EVENT_READY => Event::Ready { refused: features(event.u.ready.refused) },
                c::IOTHUB_EVENT_SUBSCRIBED => {
                    let it = &event.u.subscribed;
                    Event::Subscribed { features: features(it.features), refused: features(it.refused) }
                }
                c::IOTHUB_EVENT_TELEMETRY_ACKED => {
                    Event::TelemetryAcked(TelemetryToken::from_bits(event.u.telemetry_acked.token))
                }
                c::IOTHUB_EVENT_MESSAGE => Event::Message(self.message(&event.u.message)),
                c::IOTHUB_EVENT_MESSAGE_LEFT => Event::MessageLeft(self.message(&event.u.message)),
                c::IOTHUB_EVENT_METHOD_CALL => {
                    let it = &event.u.method_call;
                    let (name, payload) = (self.text(it.name), self.bytes(it.payload));
                    Event::MethodCall { name, payload, request: self.request(it.request) }
                }
                c::IOTHUB_EVENT_TWIN_DOCUMENT => {
                    let it = &event.u.twin_document;
                    let token = token(it.token).map(TwinToken::from_bits);
                    let (version, payload) = (version(it.version), self.bytes(it.payload));
                    Event::TwinDocument { token, version, stale: it.stale, payload }
                }
                c::IOTHUB_EVENT_TWIN_REPORTED => {
                    let it = &event.u.twin_reported;
                    Event::TwinReported { token: TwinToken::from_bits(it.token), version: version(it.version) }
                }
                c::IOTHUB_EVENT_TWIN_DESIRED => {
                    let it = &event.u.twin_desired;
                    let payload = self.bytes(it.payload);
                    Event::TwinDesired { version: version(it.version), unsynced: it.unsynced, payload }
                }
                c::IOTHUB_EVENT_REQUEST_FAILED => {
                    let it = &event.u.request_failed;
                    let token = TwinToken::from_bits(it.token);
                    Event::RequestFailed { token, reason: request_error(it), payload: self.bytes(it.payload) }
                }
                c::IOTHUB_EVENT_TWIN_SYNC_FAILED => {
                    Event::TwinSyncFailed { reason: request_error(&event.u.request_failed) }
                }
                c::IOTHUB_EVENT_SKIPPED => {
                    let it = &event.u.skipped;
                    Event::Skipped(Skipped {
                        topic: self.text(it.topic),
                        packet_id: u16::try_from(it.packet_id).ok().filter(|id| *id != 0),
                        payload_len: it.payload_len,
                        token: token(it.token).map(MessageToken::from_bits),
                        request: (!it.request.id.ptr.is_null()).then(|| self.request(it.request)),
                    })
                }
                c::IOTHUB_EVENT_UNKNOWN => {
                    let it = &event.u.unknown;
                    Event::Unknown { topic: self.text(it.topic), payload: self.bytes(it.payload), retain: it.retain }
                }
                c::IOTHUB_EVENT_CREDENTIAL_EXPIRING => Event::CredentialExpiring,
                s::IOTHUB_EVENT_STREAM_BEGIN => {
                    let it = &event.u.stream_begin;
                    Event::StreamBegin { source: self.source(it), payload_len: it.payload_len }
                }
                s::IOTHUB_EVENT_STREAM_PIECE => {
                    let it = &event.u.stream_piece;
                    Event::StreamPiece { offset: it.offset, bytes: self.bytes(it.bytes) }
                }
                s::IOTHUB_EVENT_STREAM_END => Event::StreamEnd(stream_end(&event.u.stream_end)),
                s::IOTHUB_EVENT_PART_WANTED => {
                    let s::iothub_event_part_wanted { token, offset, room } = event.u.part_wanted;
                    Event::PartWanted { token: TelemetryToken::from_bits(token), offset, room }
                }
                c::IOTHUB_EVENT_DISCONNECTED => Event::Disconnected(disconnected(&event.u.disconnected)),
                kind => panic!("kind {kind} of an event"),
            }
        })
    }
}

fn token(token: iothub_token) -> Option<u32> {
    Some(token).filter(|token| *token != IOTHUB_TOKEN_NONE)
}

fn version(version: u64) -> Option<u64> {
    Some(version).filter(|version| *version != IOTHUB_VERSION_NONE)
}

fn features(bits: u32) -> Features {
    Features::from_bits(u8::try_from(bits).expect("few")).expect("known")
}

fn stream_end(it: &s::iothub_event_stream_end) -> StreamEnd {
    match it.source {
        s::IOTHUB_STREAM_MESSAGE => StreamEnd::Message { token: token(it.token).map(MessageToken::from_bits) },
        s::IOTHUB_STREAM_METHOD_CALL => StreamEnd::MethodCall,
        s::IOTHUB_STREAM_TWIN_DOCUMENT => {
            let token = token(it.token).map(TwinToken::from_bits);
            StreamEnd::TwinDocument { token, version: version(it.version), stale: it.stale }
        }
        s::IOTHUB_STREAM_TWIN_DESIRED => StreamEnd::TwinDesired { version: version(it.version) },
        s::IOTHUB_STREAM_UNKNOWN => StreamEnd::Unknown,
        source => panic!("source {source} of a stream"),
    }
}

fn request_error(failed: &c::iothub_event_request_failed) -> RequestError {
    match failed.reason {
        c::IOTHUB_REQUEST_STATUS => RequestError::Status(u16::try_from(failed.http_status).expect("of 16 bits")),
        c::IOTHUB_REQUEST_TIMED_OUT => RequestError::TimedOut,
        c::IOTHUB_REQUEST_CONNECTION_LOST => RequestError::ConnectionLost,
        c::IOTHUB_REQUEST_TOO_LARGE => {
            RequestError::TooLarge { payload_len: failed.payload_len, version: version(failed.version) }
        }
        reason => panic!("reason {reason} of a request"),
    }
}

fn disconnected(it: &c::iothub_event_disconnected) -> Disconnected {
    let suspect = token(it.suspect).map(|token| Suspect {
        token: TelemetryToken::from_bits(token),
        cuts: u8::try_from(it.cuts).expect("of 8 bits"),
    });
    let reason = match it.reason {
        c::IOTHUB_DISCONNECT_REQUESTED => DisconnectReason::Requested,
        c::IOTHUB_DISCONNECT_TRANSPORT_CLOSED => DisconnectReason::TransportClosed,
        c::IOTHUB_DISCONNECT_FAILED => DisconnectReason::Failed(error(&it.error)),
        reason => panic!("reason {reason} of an end"),
    };
    let last_sent = (it.last_sent as usize).checked_sub(1).map(|at| SENT[at]);
    Disconnected { reason, last_sent, suspect, ready_for: Duration::from_millis(it.ready_for_ms.into()) }
}
