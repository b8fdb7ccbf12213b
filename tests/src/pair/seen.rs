//! Events without borrows, to be kept and compared.

use iothub_proto::Event;
use iothub_proto::error::Error;
use iothub_proto::event::{
    Disconnected, KeptRequestId, Message, MessageToken, RequestError, RequestId, Skipped, StreamEnd, TelemetryToken,
    TwinToken,
};
use iothub_proto::topic::{Encoded, Features, Properties};

/// What the application saw: an [`Event`], or the error that ended a connection.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the fields are those of the events")]
pub enum Seen {
    Connected {
        session_present: bool,
    },
    Ready {
        refused: Features,
    },
    Subscribed {
        features: Features,
        refused: Features,
    },
    Acked(TelemetryToken),
    Message(Received),
    Method {
        name: String,
        payload: Vec<u8>,
        request: KeptRequestId,
    },
    TwinDocument {
        token: Option<TwinToken>,
        version: Option<u64>,
        stale: bool,
        payload: Vec<u8>,
    },
    TwinReported {
        token: TwinToken,
        version: Option<u64>,
    },
    TwinDesired {
        version: Option<u64>,
        unsynced: bool,
        payload: Vec<u8>,
    },
    RequestFailed {
        token: TwinToken,
        reason: RequestError,
        payload: Vec<u8>,
    },
    TwinSyncFailed {
        reason: RequestError,
    },
    Skipped {
        topic: String,
        payload_len: u32,
        token: Option<MessageToken>,
        request: Option<KeptRequestId>,
    },
    MessageLeft(Received),
    Unknown {
        topic: String,
        payload: Vec<u8>,
        retain: bool,
    },
    /// A payload begins, whose it is as text.
    StreamBegin {
        source: String,
        payload_len: u32,
    },
    StreamPiece {
        offset: u32,
        bytes: Vec<u8>,
    },
    StreamEnd(StreamEnd),
    PartWanted {
        token: TelemetryToken,
        offset: u32,
        room: u32,
    },
    CredentialExpiring,
    Disconnected(Disconnected),
    /// `handle_input` gave this error, once there was no event left.
    Failed(Error),
}

/// A message that was delivered.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the fields are those of the event")]
pub struct Received {
    pub token: Option<MessageToken>,
    pub input: Option<String>,
    /// Decoded, in their order; one without a value is null.
    pub properties: Vec<(String, Option<String>)>,
    pub payload: Vec<u8>,
    pub redelivered: bool,
}

impl Received {
    fn new(message: &Message<'_>) -> Self {
        Self {
            token: message.token,
            input: message.input.map(str::to_owned),
            properties: decode(message.properties),
            payload: message.payload.to_vec(),
            redelivered: message.redelivered,
        }
    }

    /// The value of a property, if it has one.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name)?.1.as_deref()
    }
}

fn decode(properties: Properties<'_>) -> Vec<(String, Option<String>)> {
    let text = |encoded: Encoded<'_>| {
        let mut room = vec![0; encoded.raw().len()];
        encoded.decode(&mut room).expect("the hub sends UTF-8").to_owned()
    };
    properties.iter().map(|property| (text(property.name), property.value.map(text))).collect()
}

fn keep(request: RequestId<'_>) -> KeptRequestId {
    request.keep().expect("the hub's request ids are short")
}

impl From<&Event<'_>> for Seen {
    fn from(event: &Event<'_>) -> Self {
        match *event {
            Event::Connected { session_present } => Self::Connected { session_present },
            Event::Ready { refused } => Self::Ready { refused },
            Event::Subscribed { features, refused } => Self::Subscribed { features, refused },
            Event::TelemetryAcked(token) => Self::Acked(token),
            Event::Message(ref message) => Self::Message(Received::new(message)),
            Event::MethodCall { name, payload, request } => {
                Self::Method { name: name.to_owned(), payload: payload.to_vec(), request: keep(request) }
            }
            Event::TwinDocument { token, version, stale, payload } => {
                Self::TwinDocument { token, version, stale, payload: payload.to_vec() }
            }
            Event::TwinReported { token, version } => Self::TwinReported { token, version },
            Event::TwinDesired { version, unsynced, payload } => {
                Self::TwinDesired { version, unsynced, payload: payload.to_vec() }
            }
            Event::RequestFailed { token, reason, payload } => {
                Self::RequestFailed { token, reason, payload: payload.to_vec() }
            }
            Event::TwinSyncFailed { reason } => Self::TwinSyncFailed { reason },
            Event::Skipped(Skipped { topic, payload_len, token, request, .. }) => {
                Self::Skipped { topic: topic.to_owned(), payload_len, token, request: request.map(keep) }
            }
            Event::MessageLeft(ref message) => Self::MessageLeft(Received::new(message)),
            Event::Unknown { topic, payload, retain } => {
                Self::Unknown { topic: topic.to_owned(), payload: payload.to_vec(), retain }
            }
            Event::StreamBegin { source, payload_len } => {
                Self::StreamBegin { source: format!("{source:?}"), payload_len }
            }
            Event::StreamPiece { offset, bytes } => Self::StreamPiece { offset, bytes: bytes.to_vec() },
            Event::StreamEnd(end) => Self::StreamEnd(end),
            Event::PartWanted { token, offset, room } => Self::PartWanted { token, offset, room },
            Event::CredentialExpiring => Self::CredentialExpiring,
            Event::Disconnected(disconnected) => Self::Disconnected(disconnected),
            ref other => panic!("an event that the harness does not know: {other:?}"),
        }
    }
}
