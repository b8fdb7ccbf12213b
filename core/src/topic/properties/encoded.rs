//! Percent-encoded text, decoded on demand.

use crate::wire::{PercentDecoder, Text, copy};
#[cfg(feature = "alloc")]
use alloc::borrow::Cow;
use core::fmt;

/// A name or value as it came: percent-encoded text.
///
/// It is compared decoded, with text and with its own kind: `%41` equals `A`.
///
/// ```
/// use iothub_proto::topic::Encoded;
/// let text = Encoded::new("21%20%C2%B0C");
/// assert!(text == *"21 °C");
/// assert_eq!(text.decode(&mut [0; 16]), Ok("21 °C"));
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoded<'i>(pub(super) Text<'i>);

impl<'i> Encoded<'i> {
    /// Takes `raw` as percent-encoded. Every text is: what looks like an escape and is none stands for itself.
    #[must_use]
    pub const fn new(raw: &'i str) -> Self {
        Self(Text::new(raw))
    }

    /// The text as it came.
    #[must_use]
    pub const fn raw(&self) -> Text<'i> {
        self.0
    }

    /// Whether there is no character.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The decoded bytes. They need not be UTF-8.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + Clone + use<'i> {
        PercentDecoder::new(self.0.as_bytes())
    }

    /// How many bytes it decodes to; never more than [`raw`](Self::raw) has.
    #[must_use]
    pub fn decoded_len(&self) -> usize {
        self.bytes().count()
    }

    /// Decodes into the front of `buffer`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooSmall`] leaves `buffer` alone; after [`DecodeError::NotUtf8`] it holds the bytes.
    pub fn decode<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, DecodeError> {
        // Where there is room for all that it could be, its length need not be counted first.
        let needed = if self.0.len() <= buffer.len() { self.0.len() } else { self.decoded_len() };
        let room = buffer.get_mut(..needed).ok_or(DecodeError::TooSmall { needed })?;
        // Most have no escape, or not before some way in: that is copied at once.
        let plain = self.0.cut(b'%').0.as_bytes();
        let (start, places) = room.split_at_mut_checked(plain.len()).unwrap_or_default();
        copy(start, plain);
        let mut len = plain.len();
        let escaped = PercentDecoder::new(self.0.as_bytes().get(len..).unwrap_or_default());
        for (to, byte) in places.iter_mut().zip(escaped) {
            *to = byte;
            len = len.wrapping_add(1);
        }
        let decoded = room.get(..len).unwrap_or_default();
        core::str::from_utf8(decoded).map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })
    }

    /// Decodes, and borrows where there is no escape.
    ///
    /// Nothing is replaced: who prefers U+FFFD to an error gives [`bytes`](Self::bytes) to
    /// `String::from_utf8_lossy`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotUtf8`].
    #[cfg(feature = "alloc")]
    pub fn to_cow(&self) -> Result<Cow<'i, str>, DecodeError> {
        if self.decoded_len() == self.0.len() {
            return Ok(Cow::Borrowed(self.0.as_str()));
        }
        let decoded = alloc::string::String::from_utf8(self.bytes().collect());
        decoded.map(Cow::Owned).map_err(|error| DecodeError::NotUtf8 { at: error.utf8_error().valid_up_to() })
    }
}

impl PartialEq for Encoded<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for Encoded<'_> {}

impl PartialEq<str> for Encoded<'_> {
    fn eq(&self, text: &str) -> bool {
        self.bytes().eq(text.bytes())
    }
}

impl PartialEq<&str> for Encoded<'_> {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

/// Why a text could not be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DecodeError {
    /// The buffer is too short.
    TooSmall {
        /// Bytes it needs.
        needed: usize,
    },
    /// The decoded bytes are not UTF-8.
    NotUtf8 {
        /// Offset of the first bad one, counted in decoded bytes.
        at: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { needed } => write!(f, "the decoded text needs {needed} bytes"),
            Self::NotUtf8 { at } => write!(f, "the decoded text is not UTF-8 from byte {at} on"),
        }
    }
}

impl core::error::Error for DecodeError {}
