//! Events to compare.

use iothub_proto::Event;
use iothub_proto::event::{Disconnected, KeptRequestId, MessageToken, RequestError, TelemetryToken, TwinToken};
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
            Event::CredentialExpiring => Self::CredentialExpiring,
            Event::Disconnected(disconnected) => Self::Disconnected(disconnected),
            other => unreachable!("an event these scripts do not know: {other:?}"),
        }
    }
}
