//! What the machine tells the application, and the tokens it answers with.
//!
//! An event borrows the caller's input and nothing else (law 1), so the client can be called while the event is
//! alive. Tokens are `Copy` and outlive it; one that is out of date is refused as
//! [`Stale`](crate::error::UsageError::Stale), never mistaken for another.

pub use crate::session::{DisconnectReason, LastSent, Withdrawn};
use crate::storage::Ticket;
use crate::time::Duration;
use crate::topic::{Features, Properties};

mod request;
#[cfg(feature = "stream")]
mod stream;

pub use request::{KeptRequestId, RequestId};
#[cfg(feature = "stream")]
pub use stream::{StreamEnd, StreamSource};

/// One thing that happened.
///
/// ```
/// use iothub_proto::Event;
/// fn describe(event: &Event<'_>) -> &'static str {
///     match event {
///         Event::Ready { .. } => "telemetry flows",
///         Event::MethodCall { name: "reboot", .. } => "asked to reboot",
///         Event::Disconnected(_) => "connect again, after a while",
///         _ => "something else",
///     }
/// }
/// # let _ = describe;
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event<'i> {
    /// The hub accepted the connection. Messages may follow at once.
    Connected {
        /// Whether the hub had kept this device's session.
        session_present: bool,
    },
    /// Subscribed: telemetry and twin requests leave from now on.
    Ready {
        /// Features whose filter the hub refused; their commands are refused as
        /// [`NotSubscribed`](crate::error::UsageError::NotSubscribed).
        refused: Features,
    },
    /// A later [`subscribe`](crate::Client::subscribe) was answered.
    Subscribed {
        /// What was asked for.
        features: Features,
        /// What of it the hub refused.
        refused: Features,
    },
    /// The hub has stored this QoS 1 message.
    TelemetryAcked(TelemetryToken),
    /// A cloud-to-device message, or one routed to a module's input. With a token, accept or leave it.
    Message(Message<'i>),
    /// A direct method is called: answer with [`method_respond`](crate::Client::method_respond), now or later.
    MethodCall {
        /// Its name, raw.
        name: &'i str,
        /// The caller's payload: JSON, or nothing.
        payload: &'i [u8],
        /// What the answer names. [`RequestId::keep`] it to answer later.
        request: RequestId<'i>,
    },
    /// The whole twin, `{"desired":{…},"reported":{…}}`.
    TwinDocument {
        /// The request it answers; `None` if twin synchronisation fetched it.
        token: Option<TwinToken>,
        /// `desired.$version`, if it could be read. Without it synchronisation, if it asked, ends: a gap could not
        /// be seen.
        version: Option<u64>,
        /// Older than what was delivered before: do not apply it.
        stale: bool,
        /// The document, JSON.
        payload: &'i [u8],
    },
    /// The hub has stored a reported patch.
    TwinReported {
        /// The request it answers.
        token: TwinToken,
        /// The new version of the reported section.
        version: Option<u64>,
    },
    /// The desired section has changed.
    TwinDesired {
        /// Its new version.
        version: Option<u64>,
        /// Without synchronisation, or after it failed: patches may be missing before this one.
        unsynced: bool,
        /// The patch, JSON, `$version` included.
        payload: &'i [u8],
    },
    /// A twin request ended without success.
    RequestFailed {
        /// The request.
        token: TwinToken,
        /// Why.
        reason: RequestError,
        /// What the hub says about it: JSON, or nothing.
        payload: &'i [u8],
    },
    /// Twin synchronisation has given up on this connection: patches come, but unsynced.
    TwinSyncFailed {
        /// Why.
        reason: RequestError,
    },
    /// A PUBLISH larger than [`Settings::max_packet`](crate::Settings::max_packet) passes by: its payload is not
    /// delivered.
    Skipped(Skipped<'i>),
    /// A message for which the inbound window has no room: not delivered, not acknowledged, back on a later
    /// connection.
    MessageLeft(Message<'i>),
    /// A PUBLISH on a topic outside the dialect. It was acknowledged.
    Unknown {
        /// The topic.
        topic: &'i str,
        /// The payload.
        payload: &'i [u8],
        /// Whether it is a retained message, which IoT Hub does not have.
        retain: bool,
    },
    /// The credential ends soon: `disconnect`, then `connect` with a new one. Nothing is lost by that.
    CredentialExpiring,
    /// The connection is over.
    Disconnected(Disconnected),
    /// A payload larger than [`Settings::max_packet`](crate::Settings::max_packet) begins: pieces follow, and an end.
    /// See [`StreamSource`].
    #[cfg(feature = "stream")]
    StreamBegin {
        /// Whose it is.
        source: StreamSource<'i>,
        /// Bytes of the whole payload.
        payload_len: u32,
    },
    /// The next bytes of the payload that began.
    #[cfg(feature = "stream")]
    StreamPiece {
        /// Bytes of it before these.
        offset: u32,
        /// At least one.
        bytes: &'i [u8],
    },
    /// The payload that began is whole.
    #[cfg(feature = "stream")]
    StreamEnd(StreamEnd),
    /// The next part of a message is wanted: supply it with
    /// [`telemetry_part`](crate::Client::telemetry_part). Nothing else can leave before.
    #[cfg(feature = "stream")]
    PartWanted {
        /// The message. It may have been withdrawn: half of it was sent already.
        token: TelemetryToken,
        /// Bytes of all parts before this one. 0 again after a cut.
        offset: u32,
        /// The most bytes it may have.
        room: u32,
    },
}

/// A message from the cloud, or from another module.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Message<'i> {
    /// What to accept or leave; `None` at QoS 0, and when it is not delivered.
    pub token: Option<MessageToken>,
    /// The module's input it came through; `None` for a cloud-to-device message.
    pub input: Option<&'i str>,
    /// Its properties, decoded when asked.
    pub properties: Properties<'i>,
    /// Its body.
    pub payload: &'i [u8],
    /// It may have been delivered before (DUP).
    pub redelivered: bool,
}

/// A PUBLISH that the receive buffer cannot hold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Skipped<'i> {
    /// Its topic; empty if that alone is larger than the buffer.
    pub topic: &'i str,
    /// Its packet id at QoS 1.
    pub packet_id: Option<u16>,
    /// Bytes of its payload.
    pub payload_len: u32,
    /// For a message at QoS 1: it may be accepted, so that it does not come again, or left.
    pub token: Option<MessageToken>,
    /// For a direct method: it may be answered, for instance with 413.
    pub request: Option<RequestId<'i>>,
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Disconnected {
    /// Why.
    pub reason: DisconnectReason,
    /// The last packet sent: over MQTT the hub closes the link instead of saying what it objects to.
    pub last_sent: Option<LastSent>,
    /// After at least two connections cut with unacknowledged telemetry and no PUBACK: the oldest such message.
    /// [`telemetry_withdraw`](crate::Client::telemetry_withdraw) it if the hub will never take it.
    pub suspect: Option<Suspect>,
    /// How long the connection was ready, for [`Backoff`](crate::retry::Backoff).
    pub ready_for: Duration,
}

/// A message the hub may be closing the link for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Suspect {
    /// The message.
    pub token: TelemetryToken,
    /// Connections in a row that ended so.
    pub cuts: u8,
}

/// Why a twin request ended without success. It ended: it is not sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RequestError {
    /// The hub answered with this status: 400 for a bad patch, 429 when throttled, 5xx for trouble of its own.
    Status(u16),
    /// No answer came in [`Settings::request_timeout`](crate::Settings::request_timeout).
    TimedOut,
    /// The connection ended after it was sent: the hub may have carried it out.
    ConnectionLost,
    /// The answer is larger than [`Settings::max_packet`](crate::Settings::max_packet).
    TooLarge {
        /// Bytes of its payload.
        payload_len: u32,
        /// The twin's desired version, read as it passed by.
        version: Option<u64>,
    },
}

/// Names one telemetry message until it is settled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TelemetryToken(pub(crate) Ticket);

/// Names one twin request until it ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TwinToken(pub(crate) Ticket);

/// Names one message until it is accepted or left, or its connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MessageToken {
    pub(crate) number: u16,
    pub(crate) generation: u16,
}

macro_rules! bits {
    ($($token:ident),*) => {$(
        impl $token {
            /// The token as one number, for a binding to carry.
            #[must_use]
            pub const fn to_bits(self) -> u32 {
                self.0.to_bits()
            }

            /// The token a number was made from. Any other number is a stale token.
            #[must_use]
            pub const fn from_bits(bits: u32) -> Self {
                Self(Ticket::from_bits(bits))
            }
        }
    )*};
}

bits!(TelemetryToken, TwinToken);

impl MessageToken {
    /// The token as one number, for a binding to carry.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        (self.generation as u32) << 16 | self.number as u32
    }

    /// The token a number was made from. Any other number is a stale token.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self { number: bits as u16, generation: (bits >> 16) as u16 }
    }
}
