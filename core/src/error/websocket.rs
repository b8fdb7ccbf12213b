//! What can go wrong below MQTT, on a [`WebSocket`](crate::websocket::WebSocket).

use super::{CapacityError, UsageError};
use core::fmt;

/// Whatever a [`WebSocket`](crate::websocket::WebSocket) refuses or gives up on.
///
/// [`Usage`](Self::Usage) and [`Capacity`](Self::Capacity) changed nothing. The others are fatal: they are repeated
/// until the next [`connect`](crate::websocket::WebSocket::connect).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WebSocketError {
    /// The call was wrong. Nothing changed.
    Usage(UsageError),
    /// The caller's memory is too small. Nothing changed.
    Capacity(CapacityError),
    /// The server broke HTTP or RFC 6455. Fatal.
    Peer(WebSocketViolation),
    /// The server, or a proxy before it, answered the upgrade with another status than 101. Fatal.
    Refused {
        /// The HTTP status, 100 to 599. 401 and 403 tell of credentials or of a proxy that wants some, 404 of a wrong
        /// path, 429 and 503 of a server that wants to be left alone for a while; 3xx would be another address,
        /// which a device does not follow.
        status: u16,
    },
    /// The server closed the connection. Fatal. Right after DISCONNECT it is no failure: the hub was the quicker one.
    Closed {
        /// Its reason (RFC 6455 §7.4), 1000 to 4999, or none.
        code: Option<u16>,
    },
    /// The upgrade took longer than [`Upgrade::timeout`](crate::websocket::Upgrade::timeout). Fatal.
    TimedOut,
}

impl WebSocketError {
    /// Whether the connection is over because of this error.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Usage(_) | Self::Capacity(_))
    }
}

/// What the server did wrong. The section is that of RFC 6455, unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WebSocketViolation {
    /// The answer does not begin with `HTTP/1.` and a status: no web server (RFC 9112 §4).
    BadStatusLine,
    /// A header line that is none, or one of the handshake's own that is too long or there twice (RFC 9112 §5).
    BadHeader,
    /// The answer is longer than [`MAX_RESPONSE`](crate::websocket::MAX_RESPONSE) bytes.
    ResponseTooLarge,
    /// No `Upgrade: websocket` (§4.1).
    NoUpgrade,
    /// No `Connection: upgrade` (§4.1).
    NoConnectionUpgrade,
    /// `Sec-WebSocket-Accept` is missing, or is not the answer to our key: a cache or another server answered (§4.1).
    BadAccept,
    /// An extension that was not asked for (§4.1).
    UnexpectedExtension,
    /// The sub-protocol is missing or not `mqtt` (MQTT 3.1.1 §6.0).
    BadProtocol,
    /// A reserved bit is set without an extension (§5.2).
    ReservedBits,
    /// A reserved opcode (§5.2).
    ReservedOpcode,
    /// A frame from a server is masked (§5.1).
    Masked,
    /// A length above 2⁶³ − 1, or in more bytes than it needs (§5.2).
    BadLength,
    /// A text frame: MQTT goes in binary ones (MQTT 3.1.1 §6.0).
    TextFrame,
    /// A continuation of nothing (§5.4).
    UnexpectedContinuation,
    /// A new message inside a fragmented one (§5.4).
    ExpectedContinuation,
    /// A control frame in fragments (§5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes (§5.5).
    LongControl,
    /// A Close frame with half a code, a code that no endpoint may send, or a reason that is not UTF-8 (§5.5.1).
    BadClose,
}

impl From<UsageError> for WebSocketError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<CapacityError> for WebSocketError {
    fn from(error: CapacityError) -> Self {
        Self::Capacity(error)
    }
}

impl From<WebSocketViolation> for WebSocketError {
    fn from(violation: WebSocketViolation) -> Self {
        Self::Peer(violation)
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "wrong call: {error:?}"),
            Self::Capacity(error) => write!(f, "no room: {error:?}"),
            Self::Peer(violation) => write!(f, "the server broke the WebSocket protocol: {violation:?}"),
            Self::Refused { status } => write!(f, "the WebSocket upgrade was answered with HTTP status {status}"),
            Self::Closed { code: Some(code) } => write!(f, "the server closed the WebSocket with code {code}"),
            Self::Closed { code: None } => write!(f, "the server closed the WebSocket without a code"),
            Self::TimedOut => write!(f, "the WebSocket upgrade was not answered in time"),
        }
    }
}

impl core::error::Error for WebSocketError {}
