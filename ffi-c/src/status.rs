//! Status codes and their texts. A number once given keeps its meaning; a retired one stays here as a comment.

use core::ffi::c_char;
#[cfg(feature = "provisioning")]
use iothub_proto::error::RegistrationError;
use iothub_proto::error::{CapacityError, Error, TimeoutReason, UsageError};

pub use crate::types::iothub_status;

/// It is done.
pub const IOTHUB_OK: iothub_status = 0;

/// A pointer is NULL that must not be.
pub const IOTHUB_ERR_NULL: iothub_status = -1;
/// A pointer is not aligned for what it points to.
pub const IOTHUB_ERR_MISALIGNED: iothub_status = -2;
/// The object was not initialised, has ended, or was copied or moved.
pub const IOTHUB_ERR_NOT_INITIALIZED: iothub_status = -3;
/// The size given for an opaque object is smaller than the library needs: header and library differ.
pub const IOTHUB_ERR_OBJECT_SIZE: iothub_status = -4;
/// `struct_size` is not that of a version of the struct: not set, or header and library differ.
pub const IOTHUB_ERR_STRUCT_SIZE: iothub_status = -5;
/// A length is larger than any memory.
pub const IOTHUB_ERR_BAD_LENGTH: iothub_status = -6;
/// A text is not UTF-8.
pub const IOTHUB_ERR_BAD_UTF8: iothub_status = -7;
/// A number is none of those the field may have.
pub const IOTHUB_ERR_BAD_VALUE: iothub_status = -8;
/// `now_ms` is above UINT64_MAX / 2.
pub const IOTHUB_ERR_BAD_INSTANT: iothub_status = -10;
/// The call is not legal in the present IOTHUB_STATE_*.
pub const IOTHUB_ERR_INVALID_STATE: iothub_status = -11;
/// The token or request belongs to an earlier connection, or was settled before.
pub const IOTHUB_ERR_STALE: iothub_status = -12;
/// The feature was not subscribed, or the hub refused it.
pub const IOTHUB_ERR_NOT_SUBSCRIBED: iothub_status = -13;
/// More bytes were confirmed than lent.
pub const IOTHUB_ERR_BAD_CONFIRM: iothub_status = -14;
/// The receive buffer is smaller than `max_packet`.
pub const IOTHUB_ERR_RX_TOO_SMALL: iothub_status = -15;
/// The topic with its properties is longer than MQTT allows: 65,535 bytes (MQTT 3.1.1, section 1.5.3).
pub const IOTHUB_ERR_TOPIC_TOO_LONG: iothub_status = -16;
/// The message is larger than the hub takes.
pub const IOTHUB_ERR_MESSAGE_TOO_LARGE: iothub_status = -17;
/// A text is empty where it may not be, too long, or has a character its field does not allow.
pub const IOTHUB_ERR_BAD_TEXT: iothub_status = -18;
/// A reported patch breaks a rule of twins. Only a library built with the feature `json` looks.
pub const IOTHUB_ERR_BAD_PATCH: iothub_status = -19;
/// Modules only, or devices only: inputs and outputs are for modules, messages for devices.
pub const IOTHUB_ERR_WRONG_IDENTITY: iothub_status = -20;
/// A setting is out of its range.
pub const IOTHUB_ERR_BAD_SETTING: iothub_status = -21;
/// Connection string: a required key is missing. Without DeviceId it is most likely that of a hub policy.
pub const IOTHUB_ERR_STRING_MISSING: iothub_status = -30;
/// Connection string: a key stands twice.
pub const IOTHUB_ERR_STRING_DUPLICATE: iothub_status = -31;
/// Connection string: a key has no value.
pub const IOTHUB_ERR_STRING_EMPTY: iothub_status = -32;
/// Connection string: a value is not what its key takes.
pub const IOTHUB_ERR_STRING_BAD_VALUE: iothub_status = -33;
/// Connection string: a key asks for what this library does not do.
pub const IOTHUB_ERR_STRING_UNSUPPORTED: iothub_status = -34;
/// Connection string: SharedAccessKey is not base64.
pub const IOTHUB_ERR_STRING_BASE64: iothub_status = -35;
/// Connection string: a segment is not `key=value`.
pub const IOTHUB_ERR_STRING_SEGMENT: iothub_status = -36;
/// Connection string: a space, line break, quote, control or non-ASCII character: was the text cut or wrapped?
pub const IOTHUB_ERR_STRING_CHARACTER: iothub_status = -37;
/// Connection string: more than one of SharedAccessKey, SharedAccessSignature and x509=true.
pub const IOTHUB_ERR_STRING_TWO_CREDENTIALS: iothub_status = -38;
/// Connection string: none of SharedAccessKey, SharedAccessSignature and x509=true.
pub const IOTHUB_ERR_STRING_NO_CREDENTIAL: iothub_status = -39;
/// The key has no bytes.
pub const IOTHUB_ERR_KEY_EMPTY: iothub_status = -40;
/// The key is not base64 with the standard alphabet and padding.
pub const IOTHUB_ERR_KEY_BASE64: iothub_status = -41;
/// The key has more than 128 bytes.
pub const IOTHUB_ERR_KEY_TOO_LONG: iothub_status = -42;
/// The decoded text is not UTF-8. Its bytes are there.
pub const IOTHUB_ERR_NOT_UTF8: iothub_status = -50;
/// The JSON is ill-formed, or nested deeper than 63 levels.
pub const IOTHUB_ERR_BAD_JSON: iothub_status = -51;
/// The property was written before, or its component, and another one after it: what comes twice would replace what came
/// first.
pub const IOTHUB_ERR_DUPLICATE: iothub_status = -52;
/// A wrong call, of a kind that this header does not know.
pub const IOTHUB_ERR_USAGE: iothub_status = -99;
/// The packet does not fit now. It will when something in flight is settled.
pub const IOTHUB_ERR_TX_FULL: iothub_status = -100;
/// The packet, or at initialisation the handshake, can never fit into `tx`.
pub const IOTHUB_ERR_TOO_LARGE: iothub_status = -101;
/// Every slot is in use.
pub const IOTHUB_ERR_SLOTS_FULL: iothub_status = -102;
/// The caller's buffer is too short.
pub const IOTHUB_ERR_BUFFER_TOO_SMALL: iothub_status = -103;
/// Memory is too small or too full, in a way that this header does not know.
pub const IOTHUB_ERR_CAPACITY: iothub_status = -199;
/// Fatal. The hub broke the protocol: a packet type that no server sends, or QoS 2 (MQTT 3.1.1, section 2.2.1).
pub const IOTHUB_ERR_PEER_FORBIDDEN_TYPE: iothub_status = -201;
/// Fatal. The hub broke the protocol: reserved flag bits are wrong (section 2.2.2).
pub const IOTHUB_ERR_PEER_BAD_FLAGS: iothub_status = -202;
/// Fatal. The hub broke the protocol: QoS bits 11 (section 3.3.1.2).
pub const IOTHUB_ERR_PEER_BAD_QOS: iothub_status = -203;
/// Fatal. The hub broke the protocol: DUP on a QoS 0 PUBLISH (section 3.3.1.1).
pub const IOTHUB_ERR_PEER_DUP_ON_QOS0: iothub_status = -204;
/// Fatal. The hub broke the protocol: a fifth length byte (section 2.2.3).
pub const IOTHUB_ERR_PEER_BAD_REMAINING_LENGTH: iothub_status = -205;
/// Fatal. The hub broke the protocol: a length that this packet type cannot have.
pub const IOTHUB_ERR_PEER_WRONG_LENGTH: iothub_status = -206;
/// Fatal. The hub broke the protocol: a packet larger than `packet_limit`.
pub const IOTHUB_ERR_PEER_TOO_LARGE: iothub_status = -207;
/// Fatal. The hub broke the protocol: a field runs past the end of the packet.
pub const IOTHUB_ERR_PEER_TRUNCATED: iothub_status = -208;
/// Fatal. The hub broke the protocol: packet identifier 0 (section 2.3.1).
pub const IOTHUB_ERR_PEER_ZERO_PACKET_ID: iothub_status = -209;
/// Fatal. The hub broke the protocol: an empty topic name (section 4.7.3).
pub const IOTHUB_ERR_PEER_EMPTY_TOPIC: iothub_status = -210;
/// Fatal. The hub broke the protocol: ill-formed UTF-8 (section 1.5.3).
pub const IOTHUB_ERR_PEER_BAD_UTF8: iothub_status = -211;
/// Fatal. The hub broke the protocol: U+0000 in a text (section 1.5.3).
pub const IOTHUB_ERR_PEER_NUL_IN_TEXT: iothub_status = -212;
/// Fatal. The hub broke the protocol: a wildcard in a topic name (section 3.3.2.1).
pub const IOTHUB_ERR_PEER_WILDCARD_IN_TOPIC: iothub_status = -213;
/// Fatal. The hub broke the protocol: something else before CONNACK (section 3.2).
pub const IOTHUB_ERR_PEER_EXPECTED_CONNACK: iothub_status = -214;
/// Fatal. The hub broke the protocol: a second CONNACK (section 3.2).
pub const IOTHUB_ERR_PEER_SECOND_CONNACK: iothub_status = -215;
/// Fatal. The hub broke the protocol: CONNACK flags other than session-present (section 3.2.2.1).
pub const IOTHUB_ERR_PEER_BAD_CONNACK_FLAGS: iothub_status = -216;
/// Fatal. The hub broke the protocol: a reserved CONNACK return code (section 3.2.2.3).
pub const IOTHUB_ERR_PEER_BAD_RETURN_CODE: iothub_status = -217;
/// Fatal. The hub broke the protocol: session-present where it cannot be (section 3.2.2.2).
pub const IOTHUB_ERR_PEER_BAD_SESSION_PRESENT: iothub_status = -218;
/// Fatal. The hub broke the protocol: a reserved SUBACK return code (section 3.9.3).
pub const IOTHUB_ERR_PEER_BAD_SUBACK_CODE: iothub_status = -219;
/// Fatal. The hub broke the protocol: SUBACK codes that do not match the filters in number (section 3.8.4).
pub const IOTHUB_ERR_PEER_SUBACK_COUNT: iothub_status = -220;
/// Fatal. The hub broke the protocol: an acknowledgement of one kind for a packet of another.
pub const IOTHUB_ERR_PEER_WRONG_ACK: iothub_status = -221;
/// Fatal. Below MQTT, the server broke HTTP or the WebSocket protocol; `subject` says how, IOTHUB_VIOLATION_*.
pub const IOTHUB_ERR_PEER_WEBSOCKET: iothub_status = -241;
/// Fatal. The server closed the WebSocket; `subject` is its code (RFC 6455, section 7.4), or 0. Right after DISCONNECT it is no
/// failure: the hub was the quicker one.
pub const IOTHUB_ERR_PEER_WEBSOCKET_CLOSED: iothub_status = -242;
/// Fatal. The hub broke the protocol, in a way that this header does not know.
pub const IOTHUB_ERR_PEER: iothub_status = -299;
/// Fatal. CONNACK 1: protocol level not supported. Retrying will not help.
pub const IOTHUB_ERR_REFUSED_PROTOCOL_VERSION: iothub_status = -301;
/// Fatal. CONNACK 2: client id rejected. Retrying will not help.
pub const IOTHUB_ERR_REFUSED_CLIENT_ID: iothub_status = -302;
/// Fatal. CONNACK 3: the hub is unavailable or throttles, or the device is disabled. Retry slowly.
pub const IOTHUB_ERR_REFUSED_SERVER_UNAVAILABLE: iothub_status = -303;
/// Fatal. CONNACK 4: malformed user name or password.
pub const IOTHUB_ERR_REFUSED_BAD_CREDENTIALS: iothub_status = -304;
/// Fatal. CONNACK 5: expired or wrong token, unknown or disabled device, or a wrong clock.
pub const IOTHUB_ERR_REFUSED_NOT_AUTHORIZED: iothub_status = -305;
/// Fatal. The server, or a proxy before it, did not upgrade to WebSocket; `subject` is the HTTP status.
pub const IOTHUB_ERR_REFUSED_WEBSOCKET: iothub_status = -311;
/// Fatal. The Device Provisioning Service refused a request, and will again: see `http_status` and `code` of
/// iothub_event_refused. 401 for wrong credentials, 404 for an unknown registration.
pub const IOTHUB_ERR_REGISTRATION_REFUSED: iothub_status = -321;
/// Fatal. The Device Provisioning Service tried to assign the device and failed, for instance in a custom allocation policy.
pub const IOTHUB_ERR_REGISTRATION_FAILED: iothub_status = -322;
/// Fatal. The enrollment is disabled.
pub const IOTHUB_ERR_REGISTRATION_DISABLED: iothub_status = -323;
/// Fatal. The Device Provisioning Service refused the subscription to its answers.
pub const IOTHUB_ERR_REGISTRATION_NOT_SUBSCRIBED: iothub_status = -324;
/// Fatal. The Device Provisioning Service's answer is larger than `max_packet`.
pub const IOTHUB_ERR_REGISTRATION_ANSWER_TOO_LARGE: iothub_status = -325;
/// Fatal. The Device Provisioning Service's answer is no JSON, or lacks what belongs to it.
pub const IOTHUB_ERR_REGISTRATION_BAD_ANSWER: iothub_status = -326;
/// Fatal. The Device Provisioning Service did not assign the device, for a reason that this header does not know.
pub const IOTHUB_ERR_REGISTRATION: iothub_status = -399;
/// Fatal. The link is dead: no CONNACK in time.
pub const IOTHUB_ERR_TIMED_OUT_CONNACK: iothub_status = -401;
/// Fatal. The link is dead: no SUBACK in time.
pub const IOTHUB_ERR_TIMED_OUT_SUBACK: iothub_status = -402;
/// Fatal. The link is dead: no PINGRESP in time.
pub const IOTHUB_ERR_TIMED_OUT_PINGRESP: iothub_status = -403;
/// Fatal. The link is dead: no PUBACK although messages wait for one in time.
pub const IOTHUB_ERR_TIMED_OUT_PUBACK: iothub_status = -404;
/// Fatal. The link is dead: bytes were waiting and none was confirmed in time.
pub const IOTHUB_ERR_TIMED_OUT_SEND: iothub_status = -405;
/// Fatal. The Device Provisioning Service has not assigned the device in time.
pub const IOTHUB_ERR_TIMED_OUT_REGISTRATION: iothub_status = -414;
/// Fatal. The application did not supply the next part of a message, half of which was sent, in time.
pub const IOTHUB_ERR_TIMED_OUT_SUPPLY: iothub_status = -415;
/// Fatal. The server did not upgrade to WebSocket in time.
pub const IOTHUB_ERR_TIMED_OUT_WEBSOCKET: iothub_status = -421;
/// Fatal. The link is dead: a deadline passed that this header does not know.
pub const IOTHUB_ERR_TIMED_OUT: iothub_status = -499;
/// Fatal. A fault of the library, which was caught. The client it happened in only gives this from then on.
pub const IOTHUB_ERR_INTERNAL: iothub_status = -900;

/// Whether a status says that the connection is over: close the transport and call iothub_client_connect() on a new one.
/// Statuses above these changed nothing.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_status_is_fatal(status: iothub_status) -> bool {
    status <= -200
}

/// A status in words, in English: for a log. Ends with NUL, lives for ever, is never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_status_str(status: iothub_status) -> *const c_char {
    text(status).as_ptr().cast()
}

/// The status that stands for `error`.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn status_of(error: &Error) -> iothub_status {
    match *error {
        Error::Usage(ref error) => usage(error),
        Error::Capacity(error) => match error {
            CapacityError::TxFull { .. } => IOTHUB_ERR_TX_FULL,
            CapacityError::TooLarge { .. } => IOTHUB_ERR_TOO_LARGE,
            CapacityError::SlotsFull => IOTHUB_ERR_SLOTS_FULL,
            CapacityError::BufferTooSmall { .. } => IOTHUB_ERR_BUFFER_TOO_SMALL,
            _ => IOTHUB_ERR_CAPACITY,
        },
        // The machine's enums count as these numbers do; a test goes through all of them.
        Error::Peer(ref error) => ranked(IOTHUB_ERR_PEER_FORBIDDEN_TYPE, error.kind as i32, IOTHUB_ERR_PEER),
        Error::Refused(refusal) => IOTHUB_ERR_REFUSED_PROTOCOL_VERSION + 1 - i32::from(refusal.code()),
        Error::TimedOut(reason) => timed_out(reason),
        #[cfg(feature = "provisioning")]
        Error::Registration(error) => registration(error),
        _ => IOTHUB_ERR_INTERNAL,
    }
}

/// The status `rank` below `first`, if there is one above `other`.
fn ranked(first: iothub_status, rank: i32, other: iothub_status) -> iothub_status {
    (first - rank).max(other)
}

fn timed_out(reason: TimeoutReason) -> iothub_status {
    ranked(IOTHUB_ERR_TIMED_OUT_CONNACK, reason as i32, IOTHUB_ERR_TIMED_OUT)
}

#[cfg(feature = "provisioning")]
fn registration(error: RegistrationError) -> iothub_status {
    match error {
        RegistrationError::Refused { .. } => IOTHUB_ERR_REGISTRATION_REFUSED,
        RegistrationError::Failed { .. } => IOTHUB_ERR_REGISTRATION_FAILED,
        RegistrationError::Disabled => IOTHUB_ERR_REGISTRATION_DISABLED,
        RegistrationError::NotSubscribed => IOTHUB_ERR_REGISTRATION_NOT_SUBSCRIBED,
        RegistrationError::AnswerTooLarge { .. } => IOTHUB_ERR_REGISTRATION_ANSWER_TOO_LARGE,
        RegistrationError::BadAnswer { .. } => IOTHUB_ERR_REGISTRATION_BAD_ANSWER,
        _ => IOTHUB_ERR_REGISTRATION,
    }
}

fn usage(error: &UsageError) -> iothub_status {
    match error {
        UsageError::BadInstant => IOTHUB_ERR_BAD_INSTANT,
        UsageError::InvalidState => IOTHUB_ERR_INVALID_STATE,
        UsageError::Stale => IOTHUB_ERR_STALE,
        UsageError::NotSubscribed => IOTHUB_ERR_NOT_SUBSCRIBED,
        UsageError::BadConfirm { .. } => IOTHUB_ERR_BAD_CONFIRM,
        UsageError::RxTooSmall { .. } => IOTHUB_ERR_RX_TOO_SMALL,
        UsageError::TopicTooLong { .. } => IOTHUB_ERR_TOPIC_TOO_LONG,
        UsageError::MessageTooLarge { .. } => IOTHUB_ERR_MESSAGE_TOO_LARGE,
        UsageError::BadText { .. } => IOTHUB_ERR_BAD_TEXT,
        UsageError::BadPatch(_) => IOTHUB_ERR_BAD_PATCH,
        UsageError::WrongIdentity => IOTHUB_ERR_WRONG_IDENTITY,
        UsageError::BadSetting(_) => IOTHUB_ERR_BAD_SETTING,
        _ => IOTHUB_ERR_USAGE,
    }
}

/// Statuses and their texts.
///
/// The texts are one constant. Each as a C string of its own would be in a section with all others that end with NUL, which
/// the linker keeps whole: 3.4 KB of a firmware that prints none.
macro_rules! texts {
    ($($status:ident => $text:literal,)*) => {
        static STATUSES: [iothub_status; [$($status),*].len()] = [$($status),*];
        static TEXTS: &str = concat!($($text, "\0",)* "a status of another version\0");
    };
}

texts! {
    IOTHUB_OK => "done",
    IOTHUB_ERR_NULL => "a pointer is NULL",
    IOTHUB_ERR_MISALIGNED => "a pointer is misaligned",
    IOTHUB_ERR_NOT_INITIALIZED => "not initialised, ended, copied or moved",
    IOTHUB_ERR_OBJECT_SIZE => "the object is too small: header and library differ",
    IOTHUB_ERR_STRUCT_SIZE => "struct_size is wrong: not set, or header and library differ",
    IOTHUB_ERR_BAD_LENGTH => "a length is larger than any memory",
    IOTHUB_ERR_BAD_UTF8 => "a text is not UTF-8",
    IOTHUB_ERR_BAD_VALUE => "a number is none of those the field may have",
    IOTHUB_ERR_BAD_INSTANT => "now_ms is too large",
    IOTHUB_ERR_INVALID_STATE => "the call is not legal in this state",
    IOTHUB_ERR_STALE => "the token or request is out of date",
    IOTHUB_ERR_NOT_SUBSCRIBED => "the feature is not subscribed",
    IOTHUB_ERR_BAD_CONFIRM => "more bytes were confirmed than lent",
    IOTHUB_ERR_RX_TOO_SMALL => "the receive buffer is smaller than max_packet",
    IOTHUB_ERR_TOPIC_TOO_LONG => "the topic is longer than MQTT allows",
    IOTHUB_ERR_MESSAGE_TOO_LARGE => "the message is larger than the hub takes",
    IOTHUB_ERR_BAD_TEXT => "a text is empty, too long, or has a wrong character",
    IOTHUB_ERR_BAD_PATCH => "the patch breaks a rule of twins",
    IOTHUB_ERR_WRONG_IDENTITY => "inputs and outputs are for modules, messages for devices",
    IOTHUB_ERR_BAD_SETTING => "a setting is out of its range",
    IOTHUB_ERR_STRING_MISSING => "connection string: a required key is missing",
    IOTHUB_ERR_STRING_DUPLICATE => "connection string: a key stands twice",
    IOTHUB_ERR_STRING_EMPTY => "connection string: a key has no value",
    IOTHUB_ERR_STRING_BAD_VALUE => "connection string: a value is not what its key takes",
    IOTHUB_ERR_STRING_UNSUPPORTED => "connection string: a key asks for what is not supported",
    IOTHUB_ERR_STRING_BASE64 => "connection string: SharedAccessKey is not base64",
    IOTHUB_ERR_STRING_SEGMENT => "connection string: a segment is not key=value",
    IOTHUB_ERR_STRING_CHARACTER => "connection string: a character that does not belong there",
    IOTHUB_ERR_STRING_TWO_CREDENTIALS => "connection string: more than one credential",
    IOTHUB_ERR_STRING_NO_CREDENTIAL => "connection string: no credential",
    IOTHUB_ERR_KEY_EMPTY => "the key is empty",
    IOTHUB_ERR_KEY_BASE64 => "the key is not base64",
    IOTHUB_ERR_KEY_TOO_LONG => "the key is too long",
    IOTHUB_ERR_NOT_UTF8 => "the decoded text is not UTF-8",
    IOTHUB_ERR_BAD_JSON => "the JSON is ill-formed",
    IOTHUB_ERR_DUPLICATE => "the property or its component was written before",
    IOTHUB_ERR_USAGE => "a wrong call",
    IOTHUB_ERR_TX_FULL => "no room now: settle something in flight first",
    IOTHUB_ERR_TOO_LARGE => "it can never fit into tx",
    IOTHUB_ERR_SLOTS_FULL => "every slot is in use",
    IOTHUB_ERR_BUFFER_TOO_SMALL => "the buffer is too short",
    IOTHUB_ERR_CAPACITY => "no room",
    IOTHUB_ERR_PEER_FORBIDDEN_TYPE => "the hub broke the protocol: a packet type that no server sends, or QoS 2",
    IOTHUB_ERR_PEER_BAD_FLAGS => "the hub broke the protocol: reserved flag bits are wrong",
    IOTHUB_ERR_PEER_BAD_QOS => "the hub broke the protocol: QoS bits 11",
    IOTHUB_ERR_PEER_DUP_ON_QOS0 => "the hub broke the protocol: DUP on a QoS 0 PUBLISH",
    IOTHUB_ERR_PEER_BAD_REMAINING_LENGTH => "the hub broke the protocol: a fifth length byte",
    IOTHUB_ERR_PEER_WRONG_LENGTH => "the hub broke the protocol: a length that this packet type cannot have",
    IOTHUB_ERR_PEER_TOO_LARGE => "the hub broke the protocol: a packet larger than packet_limit",
    IOTHUB_ERR_PEER_TRUNCATED => "the hub broke the protocol: a field runs past the end of the packet",
    IOTHUB_ERR_PEER_ZERO_PACKET_ID => "the hub broke the protocol: packet identifier 0",
    IOTHUB_ERR_PEER_EMPTY_TOPIC => "the hub broke the protocol: an empty topic name",
    IOTHUB_ERR_PEER_BAD_UTF8 => "the hub broke the protocol: ill-formed UTF-8",
    IOTHUB_ERR_PEER_NUL_IN_TEXT => "the hub broke the protocol: U+0000 in a text",
    IOTHUB_ERR_PEER_WILDCARD_IN_TOPIC => "the hub broke the protocol: a wildcard in a topic name",
    IOTHUB_ERR_PEER_EXPECTED_CONNACK => "the hub broke the protocol: something else before CONNACK",
    IOTHUB_ERR_PEER_SECOND_CONNACK => "the hub broke the protocol: a second CONNACK",
    IOTHUB_ERR_PEER_BAD_CONNACK_FLAGS => "the hub broke the protocol: CONNACK flags other than session-present",
    IOTHUB_ERR_PEER_BAD_RETURN_CODE => "the hub broke the protocol: a reserved CONNACK return code",
    IOTHUB_ERR_PEER_BAD_SESSION_PRESENT => "the hub broke the protocol: session-present where it cannot be",
    IOTHUB_ERR_PEER_BAD_SUBACK_CODE => "the hub broke the protocol: a reserved SUBACK return code",
    IOTHUB_ERR_PEER_SUBACK_COUNT => "the hub broke the protocol: SUBACK codes that do not match the filters in number",
    IOTHUB_ERR_PEER_WRONG_ACK => "the hub broke the protocol: an acknowledgement of one kind for a packet of another",
    IOTHUB_ERR_PEER_WEBSOCKET => "the server broke HTTP or the WebSocket protocol",
    IOTHUB_ERR_PEER_WEBSOCKET_CLOSED => "the server closed the WebSocket",
    IOTHUB_ERR_PEER => "the hub broke the protocol",
    IOTHUB_ERR_REFUSED_PROTOCOL_VERSION => "the hub refused: protocol level not supported, retrying will not help",
    IOTHUB_ERR_REFUSED_CLIENT_ID => "the hub refused: client id rejected, retrying will not help",
    IOTHUB_ERR_REFUSED_SERVER_UNAVAILABLE => "the hub refused: the hub is unavailable or throttles, or the device is disabled, retry slowly",
    IOTHUB_ERR_REFUSED_BAD_CREDENTIALS => "the hub refused: malformed user name or password",
    IOTHUB_ERR_REFUSED_NOT_AUTHORIZED => "the hub refused: expired or wrong token, unknown or disabled device, or a wrong clock",
    IOTHUB_ERR_REFUSED_WEBSOCKET => "the server refused the upgrade to WebSocket",
    IOTHUB_ERR_REGISTRATION_REFUSED => "not assigned to a hub: the provisioning service refused",
    IOTHUB_ERR_REGISTRATION_FAILED => "not assigned to a hub: the provisioning service tried and failed",
    IOTHUB_ERR_REGISTRATION_DISABLED => "not assigned to a hub: the enrollment is disabled",
    IOTHUB_ERR_REGISTRATION_NOT_SUBSCRIBED => "not assigned to a hub: the provisioning service refused the subscription",
    IOTHUB_ERR_REGISTRATION_ANSWER_TOO_LARGE => "not assigned to a hub: an answer larger than max_packet",
    IOTHUB_ERR_REGISTRATION_BAD_ANSWER => "not assigned to a hub: an answer that cannot be read",
    IOTHUB_ERR_REGISTRATION => "not assigned to a hub",
    IOTHUB_ERR_TIMED_OUT_CONNACK => "the link is dead: no CONNACK in time",
    IOTHUB_ERR_TIMED_OUT_SUBACK => "the link is dead: no SUBACK in time",
    IOTHUB_ERR_TIMED_OUT_PINGRESP => "the link is dead: no PINGRESP in time",
    IOTHUB_ERR_TIMED_OUT_PUBACK => "the link is dead: no PUBACK although messages wait for one in time",
    IOTHUB_ERR_TIMED_OUT_SEND => "the link is dead: bytes were waiting and none was confirmed in time",
    IOTHUB_ERR_TIMED_OUT_REGISTRATION => "not assigned to a hub in time",
    IOTHUB_ERR_TIMED_OUT_SUPPLY => "the next part of a message was not supplied in time",
    IOTHUB_ERR_TIMED_OUT_WEBSOCKET => "no upgrade to WebSocket in time",
    IOTHUB_ERR_TIMED_OUT => "the link is dead",
    IOTHUB_ERR_INTERNAL => "a fault of the library",
}

/// The text of a status, and all that follow it: each ends with NUL.
fn text(status: iothub_status) -> &'static [u8] {
    let mut before = STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len());
    let mut rest = TEXTS.as_bytes();
    while before > 0
        && let Some((&byte, behind)) = rest.split_first()
    {
        before -= usize::from(byte == 0);
        rest = behind;
    }
    rest
}
