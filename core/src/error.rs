//! Errors: small, `Copy`, without strings. Five families, told apart because they call for different answers.

mod registration;
#[cfg(feature = "websocket")]
mod websocket;

use core::fmt;
pub use registration::RegistrationError;
#[cfg(feature = "websocket")]
pub use websocket::{WebSocketError, WebSocketViolation};

/// Whatever the machine refuses or gives up on.
///
/// [`Usage`](Self::Usage) and [`Capacity`](Self::Capacity) changed nothing: correct the call, or wait. The
/// others are fatal: the connection is over, and every [`handle_input`](crate::Client::handle_input) and
/// [`handle_timeout`](crate::Client::handle_timeout) repeats them until the next
/// [`connect`](crate::Client::connect).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u32)]
pub enum Error {
    /// The call was wrong. Nothing changed.
    Usage(UsageError),
    /// The caller's memory is too small or too full. Nothing changed.
    Capacity(CapacityError),
    /// The hub broke the protocol. Fatal.
    Peer(PeerError),
    /// The hub refused the connection. Fatal.
    Refused(ConnectRefusal),
    /// A deadline that means a dead link has passed. Fatal.
    TimedOut(TimeoutReason),
    /// The Device Provisioning Service did not assign the device to a hub. Fatal.
    Registration(RegistrationError),
}

impl Error {
    /// Whether the connection is over because of this error.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Peer(_) | Self::Refused(_) | Self::TimedOut(_) | Self::Registration(_))
    }
}

/// A wrong call. Nothing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u32)]
pub enum UsageError {
    /// `now` is above [`Instant::MAX`](crate::time::Instant::MAX).
    BadInstant,
    /// The call is not legal in the present [`State`](crate::State).
    InvalidState,
    /// The token or request id belongs to an earlier connection, or was settled before.
    Stale,
    /// The feature was not subscribed, or the hub refused its filter.
    NotSubscribed,
    /// More bytes were confirmed than lent.
    BadConfirm {
        /// Bytes lent and not yet confirmed.
        lent: usize,
        /// Bytes the caller confirmed.
        confirmed: usize,
    },
    /// The receive buffer is smaller than [`Settings::max_packet`](crate::Settings::max_packet).
    RxTooSmall {
        /// Bytes the buffer holds.
        capacity: usize,
        /// Bytes it must hold.
        needed: usize,
    },
    /// The topic with its property bag is longer than MQTT allows (65,535 bytes, MQTT 3.1.1 §1.5.3).
    TopicTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The message is larger than the hub takes, counted as the hub counts it: body, values of system
    /// properties, names and values of application properties.
    MessageTooLarge {
        /// Its size in bytes.
        len: usize,
        /// The largest size in bytes.
        limit: usize,
    },
    /// A text is empty where it may not be, has a character its field does not allow, or is too long.
    BadText {
        /// The field.
        field: Field,
        /// Offset in bytes of the first bad character; 0 for an empty text, the limit for one that is too long.
        at: usize,
    },
    /// A reported patch breaks a rule of device twins.
    BadPatch(PatchRule),
    /// The module-only or device-only feature does not fit the identity, or is not in this build.
    WrongIdentity,
    /// A setting is outside its range.
    BadSetting(Setting),
}

/// A text field of an outgoing message or of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Field {
    /// The hub's host name.
    HostName,
    /// The device id.
    DeviceId,
    /// The module id.
    ModuleId,
    /// The service API version.
    ApiVersion,
    /// The name of the product (`DeviceClientType`).
    Product,
    /// The id of the IoT Plug and Play model.
    ModelId,
    /// The name of an application property.
    PropertyName,
    /// The password (SAS token).
    Password,
    /// The request id of a direct method.
    RequestId,
    /// The DPS id scope.
    IdScope,
    /// The DPS registration id.
    RegistrationId,
    /// The JSON that goes to DPS with a registration.
    Payload,
    /// The path of a WebSocket's address.
    Path,
    /// The query of a WebSocket's address.
    Query,
}

/// A setting that can be out of range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Setting {
    /// [`Settings::keep_alive`](crate::Settings::keep_alive): 0 to 1177 s.
    KeepAlive,
    /// [`Settings::max_packet`](crate::Settings::max_packet).
    MaxPacket,
    /// [`Settings::packet_limit`](crate::Settings::packet_limit).
    PacketLimit,
    /// [`Settings::send_window`](crate::Settings::send_window): not 0.
    SendWindow,
    /// A timeout of 0.
    Timeout,
    /// More slots than MQTT has packet ids to give them.
    Slots,
    /// No inbound entry at all.
    Inbound,
}

/// A rule of device twins that a reported patch breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PatchRule {
    /// It is not well-formed JSON.
    Json,
    /// It is JSON, but not an object.
    NotAnObject,
    /// It is larger than 32 KiB, counted as the hub counts it.
    TooLarge,
    /// It is nested deeper than 10 levels.
    TooDeep,
    /// A key is empty, longer than 1 KiB, or has a control character, `.`, `$` or a space.
    BadKey,
    /// A string value is longer than 4 KiB.
    StringTooLong,
    /// An integer is outside −4503599627370496 … 4503599627370495.
    IntegerOutOfRange,
    /// A `null` inside an array, where it can delete nothing.
    NullInArray,
}

/// The caller's memory is too small or too full. Nothing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u32)]
pub enum CapacityError {
    /// The packet does not fit now. It will when something in flight is settled.
    TxFull {
        /// Bytes it needs.
        needed: usize,
        /// The largest packet that fits now.
        free: usize,
    },
    /// The packet can never fit.
    TooLarge {
        /// Bytes it needs.
        needed: usize,
        /// Bytes there are for such a packet when nothing else is in flight.
        capacity: usize,
    },
    /// Every slot is in use.
    SlotsFull,
    /// A caller's output slice is too short.
    BufferTooSmall {
        /// Bytes it needs.
        needed: usize,
    },
}

/// The hub broke the protocol: what, in which packet, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PeerError {
    /// What was wrong.
    pub kind: Violation,
    /// The packet's first byte (type and flags).
    pub packet: u8,
    /// Offset of the wrong byte from the start of the packet.
    pub offset: u32,
}

/// What the hub did wrong. The section is that of MQTT 3.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Violation {
    /// A type that only clients send, a reserved one, or one of QoS 2, which a client that subscribes at
    /// most QoS 1 never receives (§2.2.1, §3.8.4).
    ForbiddenType,
    /// Reserved flag bits are wrong (§2.2.2).
    BadFlags,
    /// QoS bits 11 (§3.3.1.2).
    BadQos,
    /// DUP on a QoS 0 PUBLISH (§3.3.1.1).
    DupOnQos0,
    /// A fifth length byte (§2.2.3).
    BadRemainingLength,
    /// A Remaining Length that this packet type cannot have.
    WrongLength,
    /// Larger than [`Settings::packet_limit`](crate::Settings::packet_limit).
    TooLarge,
    /// A field runs past the end of the packet.
    Truncated,
    /// Packet identifier 0 (§2.3.1).
    ZeroPacketId,
    /// An empty topic name (§4.7.3).
    EmptyTopic,
    /// Ill-formed UTF-8, surrogates included (§1.5.3).
    BadUtf8,
    /// U+0000 in a text (§1.5.3).
    NulInText,
    /// A wildcard in a topic name (§3.3.2.1).
    WildcardInTopic,
    /// Something else before CONNACK (§3.2), or a CONNACK before CONNECT was sent.
    ExpectedConnack,
    /// A second CONNACK (§3.2).
    SecondConnack,
    /// CONNACK flags other than session-present (§3.2.2.1).
    BadConnackFlags,
    /// A reserved CONNACK return code (§3.2.2.3).
    BadReturnCode,
    /// Session-present with a refusal, or after a clean session was asked for (§3.2.2.2).
    BadSessionPresent,
    /// A reserved SUBACK return code (§3.9.3).
    BadSubackCode,
    /// SUBACK codes that do not match the filters in number (§3.8.4).
    SubackCount,
    /// An acknowledgement of one kind for a packet of another.
    WrongAck,
}

/// Why the hub refused the connection (CONNACK return code, MQTT 3.1.1 §3.2.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum ConnectRefusal {
    /// 1: protocol level not supported. Retrying will not help.
    ProtocolVersion = 1,
    /// 2: client id rejected. Retrying will not help.
    ClientId = 2,
    /// 3: the hub is unavailable or throttles new connections, or the device is disabled. Retry slowly.
    ServerUnavailable = 3,
    /// 4: malformed user name or password.
    BadCredentials = 4,
    /// 5: not authorised: expired or wrong token, unknown or disabled device, or a wrong clock.
    NotAuthorized = 5,
}

impl ConnectRefusal {
    /// The refusal for a CONNACK return code; `None` for 0 and for the reserved codes.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::ProtocolVersion,
            2 => Self::ClientId,
            3 => Self::ServerUnavailable,
            4 => Self::BadCredentials,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }

    /// The CONNACK return code, 1 to 5.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Which deadline is next, or which one has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum TimeoutReason {
    /// No CONNACK. Fatal when it passes.
    Connack,
    /// No SUBACK. Fatal.
    Suback,
    /// No PINGRESP. Fatal.
    Pingresp,
    /// No PUBACK came although messages wait for one. Fatal.
    Puback,
    /// Bytes were waiting and none was confirmed. Fatal.
    Send,
    /// The GET of twin synchronisation has waited too long; it is sent again later.
    TwinSync,
    /// The next GET of twin synchronisation is due.
    TwinRefetch,
    /// The credential is about to expire.
    Credential,
    /// The polite disconnect has waited long enough for what is in flight.
    Drain,
    /// DISCONNECT was not confirmed in time.
    Close,
    /// A PINGREQ is due.
    KeepAlive,
    /// A twin request has waited too long, which ends that request only; or a request to the Device Provisioning
    /// Service, which is then sent again.
    Request,
    /// The Device Provisioning Service is to be asked again.
    Poll,
    /// The Device Provisioning Service has not assigned the device in time. Fatal.
    Registration,
    /// The application did not supply the next part of a message, half of which was sent: nothing else can leave.
    /// Fatal.
    Supply,
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<CapacityError> for Error {
    fn from(error: CapacityError) -> Self {
        Self::Capacity(error)
    }
}

impl From<PeerError> for Error {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "wrong call: {error:?}"),
            Self::Capacity(error) => write!(f, "no room: {error:?}"),
            Self::Peer(error) => write!(
                f,
                "the hub broke the protocol: {:?} at byte {} of a packet that begins with {:#04x}",
                error.kind, error.offset, error.packet
            ),
            Self::Refused(error) => write!(f, "the hub refused the connection: {error:?} (code {})", error.code()),
            Self::TimedOut(TimeoutReason::Registration) => f.write_str("no hub was assigned in time"),
            Self::TimedOut(TimeoutReason::Supply) => f.write_str("the next part of a message was not supplied in time"),
            Self::TimedOut(reason) => write!(f, "the link is dead: deadline {reason:?} passed"),
            Self::Registration(error) => write!(f, "no hub was assigned: {error:?}"),
        }
    }
}

impl core::error::Error for Error {}
