//! What is behind a status.

use crate::guard;
use crate::ptr::{self, Misuse, Zeroed};
use crate::status::{IOTHUB_OK, iothub_status, status_of};
use crate::types::iothub_client;
use iothub_proto::error::{CapacityError, Error, UsageError};

/// A text field; `subject` of IOTHUB_ERR_BAD_TEXT.
pub const IOTHUB_FIELD_HOST_NAME: u32 = 1;
/// The device id.
pub const IOTHUB_FIELD_DEVICE_ID: u32 = 2;
/// The module id.
pub const IOTHUB_FIELD_MODULE_ID: u32 = 3;
/// The service API version.
pub const IOTHUB_FIELD_API_VERSION: u32 = 4;
/// The name of the product.
pub const IOTHUB_FIELD_PRODUCT: u32 = 5;
/// The id of the IoT Plug and Play model.
pub const IOTHUB_FIELD_MODEL_ID: u32 = 6;
/// The name of an application property.
pub const IOTHUB_FIELD_PROPERTY_NAME: u32 = 7;
/// The password (SAS token).
pub const IOTHUB_FIELD_PASSWORD: u32 = 8;
/// The request id of a direct method.
pub const IOTHUB_FIELD_REQUEST_ID: u32 = 9;
/// The id scope of the Device Provisioning Service.
pub const IOTHUB_FIELD_ID_SCOPE: u32 = 10;
/// The registration id of the Device Provisioning Service.
pub const IOTHUB_FIELD_REGISTRATION_ID: u32 = 11;
/// The JSON that goes to the Device Provisioning Service.
pub const IOTHUB_FIELD_PAYLOAD: u32 = 12;
/// The path of a WebSocket's address.
pub const IOTHUB_FIELD_PATH: u32 = 13;
/// The query of a WebSocket's address.
pub const IOTHUB_FIELD_QUERY: u32 = 14;

/// A setting; `subject` of IOTHUB_ERR_BAD_SETTING. This one: `keep_alive` is above 1177 s.
pub const IOTHUB_SETTING_KEEP_ALIVE: u32 = 1;
/// `max_packet` is below 64 or above `packet_limit`.
pub const IOTHUB_SETTING_MAX_PACKET: u32 = 2;
/// `packet_limit` is above 268,435,460.
pub const IOTHUB_SETTING_PACKET_LIMIT: u32 = 3;
/// `send_window` is 0.
pub const IOTHUB_SETTING_SEND_WINDOW: u32 = 4;
/// A timeout is 0.
pub const IOTHUB_SETTING_TIMEOUT: u32 = 5;
/// More slots than MQTT has packet ids to give them.
pub const IOTHUB_SETTING_SLOTS: u32 = 6;
/// No inbound record, or more than 65,535.
pub const IOTHUB_SETTING_INBOUND: u32 = 7;

/// A rule of twins; `subject` of IOTHUB_ERR_BAD_PATCH. This one: the patch is not well-formed JSON.
pub const IOTHUB_PATCH_JSON: u32 = 1;
/// It is not an object.
pub const IOTHUB_PATCH_NOT_AN_OBJECT: u32 = 2;
/// It is larger than 32 KiB, counted as the hub counts it.
pub const IOTHUB_PATCH_TOO_LARGE: u32 = 3;
/// It is nested deeper than 10 levels.
pub const IOTHUB_PATCH_TOO_DEEP: u32 = 4;
/// A key is empty, longer than 1 KiB, or has a control character, `.`, `$` or a space.
pub const IOTHUB_PATCH_BAD_KEY: u32 = 5;
/// A string value is longer than 4 KiB.
pub const IOTHUB_PATCH_STRING_TOO_LONG: u32 = 6;
/// An integer is outside -4503599627370496 to 4503599627370495.
pub const IOTHUB_PATCH_INTEGER_OUT_OF_RANGE: u32 = 7;
/// A `null` inside an array.
pub const IOTHUB_PATCH_NULL_IN_ARRAY: u32 = 8;

/// What the server did wrong below MQTT; `subject` of IOTHUB_ERR_PEER_WEBSOCKET. Sections are those of RFC 6455, unless it says
/// otherwise. This one: the answer does not begin with `HTTP/1.` and a status, no web server (RFC 9112, section 4).
pub const IOTHUB_VIOLATION_BAD_STATUS_LINE: u32 = 1;
/// A header line that is none, or one of the handshake's own that is too long or there twice (RFC 9112, section 5).
pub const IOTHUB_VIOLATION_BAD_HEADER: u32 = 2;
/// The answer is longer than 8,192 bytes.
pub const IOTHUB_VIOLATION_RESPONSE_TOO_LARGE: u32 = 3;
/// No `Upgrade: websocket` (section 4.1).
pub const IOTHUB_VIOLATION_NO_UPGRADE: u32 = 4;
/// No `Connection: upgrade` (section 4.1).
pub const IOTHUB_VIOLATION_NO_CONNECTION_UPGRADE: u32 = 5;
/// `Sec-WebSocket-Accept` is missing, or is not the answer to our key: a cache or another server answered (section 4.1).
pub const IOTHUB_VIOLATION_BAD_ACCEPT: u32 = 6;
/// An extension that was not asked for (section 4.1).
pub const IOTHUB_VIOLATION_UNEXPECTED_EXTENSION: u32 = 7;
/// The sub-protocol is missing or not `mqtt` (MQTT 3.1.1, section 6.0).
pub const IOTHUB_VIOLATION_BAD_PROTOCOL: u32 = 8;
/// A reserved bit is set without an extension (section 5.2).
pub const IOTHUB_VIOLATION_RESERVED_BITS: u32 = 9;
/// A reserved opcode (section 5.2).
pub const IOTHUB_VIOLATION_RESERVED_OPCODE: u32 = 10;
/// A frame from a server is masked (section 5.1).
pub const IOTHUB_VIOLATION_MASKED: u32 = 11;
/// A length above 2^63 - 1, or in more bytes than it needs (section 5.2).
pub const IOTHUB_VIOLATION_BAD_LENGTH: u32 = 12;
/// A text frame: MQTT goes in binary ones (MQTT 3.1.1, section 6.0).
pub const IOTHUB_VIOLATION_TEXT_FRAME: u32 = 13;
/// A continuation of nothing (section 5.4).
pub const IOTHUB_VIOLATION_UNEXPECTED_CONTINUATION: u32 = 14;
/// A new message inside a fragmented one (section 5.4).
pub const IOTHUB_VIOLATION_EXPECTED_CONTINUATION: u32 = 15;
/// A control frame in fragments (section 5.5).
pub const IOTHUB_VIOLATION_FRAGMENTED_CONTROL: u32 = 16;
/// A control frame with more than 125 bytes (section 5.5).
pub const IOTHUB_VIOLATION_LONG_CONTROL: u32 = 17;
/// A Close frame with half a code, a code that no endpoint may send, or a reason that is not UTF-8 (section 5.5.1).
pub const IOTHUB_VIOLATION_BAD_CLOSE: u32 = 18;

/// What is behind a status. What a status has nothing to say about is 0; what is above UINT32_MAX counts as that.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_error {
    /// The status.
    pub status: iothub_status,
    /// BAD_TEXT: an IOTHUB_FIELD_*. BAD_SETTING: an IOTHUB_SETTING_*. BAD_PATCH: an IOTHUB_PATCH_*. STRING_MISSING,
    /// _DUPLICATE, _EMPTY, _BAD_VALUE, _UNSUPPORTED: an IOTHUB_KEY_*. PEER: the first byte of the packet. For a WebSocket as
    /// its statuses say.
    pub subject: u32,
    /// BAD_TEXT, STRING_BASE64, STRING_SEGMENT, STRING_CHARACTER, KEY_BASE64: offset of the first wrong byte of the
    /// text, or the limit for one that is too long. PEER: offset of the wrong byte from the start of the packet.
    pub offset: u32,
    /// TX_FULL, TOO_LARGE, BUFFER_TOO_SMALL, RX_TOO_SMALL: bytes needed. TOPIC_TOO_LONG, MESSAGE_TOO_LARGE,
    /// KEY_TOO_LONG: bytes there are. BAD_CONFIRM: bytes confirmed.
    pub needed: u32,
    /// TX_FULL: bytes of the largest packet that fits now. TOO_LARGE, RX_TOO_SMALL: bytes there are at most.
    /// MESSAGE_TOO_LARGE: the hub's limit. BAD_CONFIRM: bytes lent.
    pub available: u32,
}

// SAFETY: numbers.
unsafe impl Zeroed for iothub_error {}

impl iothub_error {
    pub(crate) const fn of(status: iothub_status) -> Self {
        Self { status, subject: 0, offset: 0, needed: 0, available: 0 }
    }

    pub(crate) fn subject(mut self, subject: u32) -> Self {
        self.subject = subject;
        self
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = saturate(offset);
        self
    }

    pub(crate) fn needs(mut self, needed: usize, available: usize) -> Self {
        (self.needed, self.available) = (saturate(needed), saturate(available));
        self
    }
}

impl From<&Error> for iothub_error {
    fn from(error: &Error) -> Self {
        let detail = Self::of(status_of(error));
        match *error {
            Error::Usage(error) => match error {
                UsageError::BadConfirm { lent, confirmed } => detail.needs(confirmed, lent),
                UsageError::RxTooSmall { capacity, needed } => detail.needs(needed, capacity),
                UsageError::TopicTooLong { len } => detail.needs(len, iothub_proto::wire::MAX_TEXT),
                UsageError::MessageTooLarge { len, limit } => detail.needs(len, limit),
                UsageError::BadText { field, at } => detail.subject(field as u32 + 1).at(at),
                UsageError::BadPatch(rule) => detail.subject(rule as u32 + 1),
                UsageError::BadSetting(setting) => detail.subject(setting as u32 + 1),
                _ => detail,
            },
            Error::Capacity(error) => match error {
                CapacityError::TxFull { needed, free } => detail.needs(needed, free),
                CapacityError::TooLarge { needed, capacity } => detail.needs(needed, capacity),
                CapacityError::BufferTooSmall { needed } => detail.needs(needed, 0),
                _ => detail,
            },
            Error::Peer(error) => detail.subject(error.packet.into()).at(error.offset as usize),
            _ => detail,
        }
    }
}

impl From<Misuse> for iothub_error {
    fn from(misuse: Misuse) -> Self {
        Self::of(misuse.0)
    }
}

/// Runs a call that says into `error`, unless that is NULL, what is behind its failure.
///
/// # Safety
///
/// Unless NULL or misaligned, `error` points to room for an [`iothub_error`] that nobody else uses meanwhile.
pub(crate) unsafe fn explain(
    error: *mut iothub_error,
    call: impl FnOnce() -> Result<(), iothub_error>,
) -> iothub_status {
    guard::call(|| {
        // SAFETY: the caller's promise.
        let to = unsafe { ptr::optional_out(error) }?;
        let Err(detail) = call() else { return Ok(IOTHUB_OK) };
        if let Some(to) = to {
            *to = detail;
        }
        Err(Misuse(detail.status))
    })
}

pub(crate) fn saturate(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// What is behind the last status from IOTHUB_ERR_BAD_INSTANT on down that a call gave which changes the client (the
/// pointer to it is not to const). It stays until another such call fails; IOTHUB_OK if none did. The fatal error of a
/// connection is also in its IOTHUB_EVENT_DISCONNECTED.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
///
/// # Safety
///
/// `client` and `error` point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_last_error(
    client: *const iothub_client,
    error: *mut iothub_error,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let out = ptr::out(error)?;
        *out = guard::last(client)?;
        Ok(IOTHUB_OK)
    })
}
