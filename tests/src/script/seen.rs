//! Events to compare.

use iothub_proto::Event;
use iothub_proto::event::{
    Disconnected, KeptRequestId, MessageToken, RequestError, StreamEnd, StreamSource, TelemetryToken, TwinToken,
};
use iothub_proto::topic::Features;

/// An event that outlives its input.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the fields are those of the event")]
pub enum Seen {
    Connected(bool),
    Ready(Features),
    Subscribed(Features, Features),
    Acked(TelemetryToken),
    Message {
        token: Option<MessageToken>,
        redelivered: bool,
        payload: Vec<u8>,
    },
    Left(Vec<u8>),
    Method {
        name: String,
        request: KeptRequestId,
        payload: Vec<u8>,
    },
    Document {
        token: Option<TwinToken>,
        version: Option<u64>,
        stale: bool,
        payload: Vec<u8>,
    },
    Reported(TwinToken, Option<u64>),
    Desired {
        version: Option<u64>,
        unsynced: bool,
    },
    RequestFailed(TwinToken, RequestError),
    SyncFailed(RequestError),
    Skipped {
        topic: String,
        packet_id: Option<u16>,
        payload_len: u32,
        token: Option<MessageToken>,
        request: Option<KeptRequestId>,
    },
    Unknown {
        topic: String,
        payload: Vec<u8>,
        retain: bool,
    },
    /// What a whole payload of this kind is seen as, without payload and token; and the payload's length.
    StreamBegin(Box<Self>, u32),
    StreamPiece(u32, Vec<u8>),
    StreamEnd(StreamEnd),
    PartWanted(TelemetryToken, u32, u32),
    CredentialExpiring,
    Disconnected(Disconnected),
}

impl Seen {
    pub(super) fn of(event: Event<'_>) -> Self {
        match event {
            Event::Connected { session_present } => Self::Connected(session_present),
            Event::Ready { refused } => Self::Ready(refused),
            Event::Subscribed { features, refused } => Self::Subscribed(features, refused),
            Event::TelemetryAcked(token) => Self::Acked(token),
            Event::Message(message) => Self::Message {
                token: message.token,
                redelivered: message.redelivered,
                payload: message.payload.to_vec(),
            },
            Event::MessageLeft(message) => Self::Left(message.payload.to_vec()),
            Event::MethodCall { name, payload, request } => Self::Method {
                name: name.to_owned(),
                request: request.keep().expect("a short id"),
                payload: payload.to_vec(),
            },
            Event::TwinDocument { token, version, stale, payload } => {
                Self::Document { token, version, stale, payload: payload.to_vec() }
            }
            Event::TwinReported { token, version } => Self::Reported(token, version),
            Event::TwinDesired { version, unsynced, .. } => Self::Desired { version, unsynced },
            Event::RequestFailed { token, reason, .. } => Self::RequestFailed(token, reason),
            Event::TwinSyncFailed { reason } => Self::SyncFailed(reason),
            Event::Skipped(skipped) => Self::Skipped {
                topic: skipped.topic.to_owned(),
                packet_id: skipped.packet_id,
                payload_len: skipped.payload_len,
                token: skipped.token,
                request: skipped.request.and_then(|request| request.keep()),
            },
            Event::Unknown { topic, payload, retain } => {
                Self::Unknown { topic: topic.to_owned(), payload: payload.to_vec(), retain }
            }
            Event::StreamBegin { source, payload_len } => Self::StreamBegin(Box::new(begun(source)), payload_len),
            Event::StreamPiece { offset, bytes } => Self::StreamPiece(offset, bytes.to_vec()),
            Event::StreamEnd(end) => Self::StreamEnd(end),
            Event::PartWanted { token, offset, room } => Self::PartWanted(token, offset, room),
            Event::CredentialExpiring => Self::CredentialExpiring,
            Event::Disconnected(disconnected) => Self::Disconnected(disconnected),
            other => unreachable!("an event these scripts do not know: {other:?}"),
        }
    }
}

fn begun(source: StreamSource<'_>) -> Seen {
    let payload = Vec::new();
    match source {
        StreamSource::Message { redelivered, .. } => Seen::Message { token: None, redelivered, payload },
        StreamSource::MethodCall { name, request } => {
            Seen::Method { name: name.to_owned(), request: request.keep().expect("a short id"), payload }
        }
        StreamSource::TwinDocument { token } => Seen::Document { token, version: None, stale: false, payload },
        StreamSource::TwinDesired { version, unsynced } => Seen::Desired { version, unsynced },
        StreamSource::Unknown { topic, retain } => Seen::Unknown { topic: topic.to_owned(), payload, retain },
        other => unreachable!("a source these scripts do not know: {other:?}"),
    }
}

/// The same with every whole stream as the event of a whole payload. A stream that is cut off is left out; with the
/// pieces that came of it, as a second result.
///
/// # Panics
///
/// If the pieces of a stream have a gap, or do not have its length, or if its end is not its beginning's.
#[must_use]
pub fn joined(events: Vec<Seen>) -> (Vec<Seen>, Vec<Vec<u8>>) {
    let (mut whole, mut cut, mut open) = (Vec::new(), Vec::new(), None::<(Seen, usize, Vec<u8>)>);
    for event in events {
        match (event, open.take()) {
            (Seen::StreamBegin(begun, len), None) => open = Some((*begun, len as usize, Vec::new())),
            (Seen::StreamPiece(offset, bytes), Some((begun, len, mut payload))) => {
                assert_eq!(offset as usize, payload.len(), "no gap");
                assert!(!bytes.is_empty());
                payload.extend(bytes);
                open = Some((begun, len, payload));
            }
            (Seen::StreamEnd(end), Some((begun, len, bytes))) => {
                assert_eq!(bytes.len(), len, "as long as was said");
                whole.push(ended(begun, end, bytes));
            }
            (Seen::StreamBegin(..) | Seen::StreamPiece(..) | Seen::StreamEnd(_), other) => {
                panic!("out of order: {other:?}")
            }
            (event, rest) => {
                // Only the end of the connection, or of the request, comes within.
                assert!(
                    rest.is_none() || matches!(event, Seen::Disconnected(_) | Seen::RequestFailed(..)),
                    "{event:?}"
                );
                cut.extend(rest.map(|(_, _, bytes)| bytes));
                whole.push(event);
            }
        }
    }
    cut.extend(open.map(|(_, _, bytes)| bytes));
    (whole, cut)
}

fn ended(mut begun: Seen, end: StreamEnd, bytes: Vec<u8>) -> Seen {
    match (&mut begun, end) {
        (Seen::Message { token, payload, .. }, StreamEnd::Message { token: named }) => {
            (*token, *payload) = (named, bytes)
        }
        (Seen::Method { payload, .. }, StreamEnd::MethodCall) | (Seen::Unknown { payload, .. }, StreamEnd::Unknown) => {
            *payload = bytes;
        }
        (
            Seen::Document { token, version, stale, payload },
            StreamEnd::TwinDocument { token: same, version: read, stale: is_stale },
        ) => {
            assert_eq!(*token, same);
            (*version, *stale, *payload) = (read, is_stale, bytes);
        }
        (Seen::Desired { version, .. }, StreamEnd::TwinDesired { version: same }) => assert_eq!(*version, same),
        other => panic!("{other:?}"),
    }
    begun
}
