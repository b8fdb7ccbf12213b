//! Percent-encoded text, decoded on demand.

use crate::wire::{Writer, cut};
#[cfg(feature = "alloc")]
use alloc::borrow::Cow;
use core::fmt;
use percent_encoding::percent_decode_str;

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
pub struct Encoded<'i>(&'i str);

impl<'i> Encoded<'i> {
    /// Takes `raw` as percent-encoded. Every text is: what looks like an escape and is none stands for itself.
    #[must_use]
    pub const fn new(raw: &'i str) -> Self {
        Self(raw)
    }

    /// The text as it came.
    #[must_use]
    pub const fn raw(&self) -> &'i str {
        self.0
    }

    /// Whether there is no character.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The decoded bytes. They need not be UTF-8.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + Clone + use<'i> {
        percent_decode_str(self.0)
    }

    /// How many bytes it decodes to; never more than [`raw`](Self::raw) has.
    #[must_use]
    pub fn decoded_len(&self) -> usize {
        let mut len = 0usize;
        self.runs(&mut |run| len = len.saturating_add(run.len()));
        len
    }

    /// Decodes into the front of `buffer`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooSmall`] leaves `buffer` alone; after [`DecodeError::NotUtf8`] it holds the bytes.
    pub fn decode<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, DecodeError> {
        // Where there is room for all that it could be, its length need not be counted first.
        let needed = if self.0.len() <= buffer.len() { self.0.len() } else { self.decoded_len() };
        let mut writer = Writer::new(buffer.get_mut(..needed).ok_or(DecodeError::TooSmall { needed })?);
        self.runs(&mut |run| writer.put(run));
        let decoded = writer.finish().unwrap_or_default();
        core::str::from_utf8(decoded).map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })
    }

    /// The decoded bytes in runs: what stands as it is, and each escape's byte. A small device copies them in far fewer
    /// instructions than the bytes one by one, as [`bytes`](Self::bytes) gives them.
    fn runs(&self, take: &mut dyn FnMut(&[u8])) {
        let mut rest = self.0;
        loop {
            let (plain, escaped) = cut(rest, b'%');
            take(plain.as_bytes());
            let Some(escaped) = escaped else { return };
            let (byte, after) = unescaped(escaped);
            take(&[byte]);
            rest = after;
        }
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
        let decoded = percent_decode_str(self.0).decode_utf8();
        decoded.map_err(|error| DecodeError::NotUtf8 { at: error.valid_up_to() })
    }
}

/// The byte that a `%` before `text` stands for, and what is left of that: two hex digits are an escape (RFC 3986 §2.1),
/// and before anything else it stands for itself.
fn unescaped(text: &str) -> (u8, &str) {
    if let Some(&[high, low]) = text.as_bytes().first_chunk()
        && let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16))
        && let Some(after) = text.get(2..)
    {
        return ((high << 4 | low) as u8, after);
    }
    (b'%', text)
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
