//! Percent-encoding, both ways (RFC 3986 §2.1).
//!
//! Not by the crate percent-encoding, which the tests hold it against: its encoder costs a firmware a table of 768 bytes and
//! a panic that the linker cannot remove, and its decoder a quarter of the instructions of reading properties.

use super::Writer;
use core::slice::Iter;

/// Appends `bytes` with everything but `A-Z a-z 0-9 - . _ ~` as `%` and two upper-case hex digits.
///
/// That leaves alone what RFC 3986 §2.3 calls unreserved, and no more: SDKs differ here, but no receiver minds
/// an escape too many, and a reserved character sent raw makes the hub close the connection.
///
/// It works byte by byte, so UTF-8 text becomes the escapes of its bytes, and a `%` becomes `%25`: what is
/// encoded already is encoded again.
///
/// ```
/// use iothub_proto::wire::{Writer, put_encoded};
/// let mut room = [0; 32];
/// let mut writer = Writer::new(&mut room);
/// put_encoded(&mut writer, "21 °C".as_bytes());
/// assert_eq!(writer.finish().unwrap(), b"21%20%C2%B0C");
/// ```
pub fn put_encoded(writer: &mut Writer<'_>, bytes: &[u8]) {
    let room = writer.rest();
    let mut len = copy_plain_blocks(room, bytes);
    for &byte in bytes.get(len..).unwrap_or_default() {
        if goes_plain(byte) {
            if let Some(to) = room.get_mut(len) {
                *to = byte;
            }
            len = len.saturating_add(1);
        } else {
            if let Some(to) = room.get_mut(len..).and_then(<[u8]>::first_chunk_mut) {
                *to = [b'%', hex_digit(byte >> 4), hex_digit(byte & 0xF)];
            }
            len = len.saturating_add(3);
        }
    }
    writer.advance(len);
}

/// Copies what begins `bytes` and needs no escape, as far as it goes by eight bytes at once. Gives how many bytes that is.
#[cfg(not(target_os = "none"))]
fn copy_plain_blocks(room: &mut [u8], bytes: &[u8]) -> usize {
    let (room, _) = room.as_chunks_mut::<8>();
    let (blocks, _) = bytes.as_chunks::<8>();
    let mut plain = 0_usize;
    for (to, block) in room.iter_mut().zip(blocks) {
        if !block.iter().fold(true, |plain, &byte| plain & goes_plain(byte)) {
            break;
        }
        *to = *block;
        plain = plain.wrapping_add(block.len());
    }
    plain
}

/// A firmware goes byte by byte.
#[cfg(target_os = "none")]
const fn copy_plain_blocks(_: &mut [u8], _: &[u8]) -> usize {
    0
}

const fn is_unreserved(byte: u8) -> bool {
    // With this bit, letters of both cases are of one.
    (byte | 0x20).is_ascii_lowercase() || matches!(byte, b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// [`is_unreserved`], which a firmware computes.
#[cfg(target_os = "none")]
use is_unreserved as goes_plain;

/// [`is_unreserved`], looked up.
#[cfg(not(target_os = "none"))]
fn goes_plain(byte: u8) -> bool {
    #[allow(clippy::indexing_slicing)] // While compiling.
    const UNRESERVED: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < table.len() {
            table[byte] = is_unreserved(byte as u8);
            byte += 1;
        }
        table
    };
    UNRESERVED.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The upper-case digit of a number below 16.
const fn hex_digit(number: u8) -> u8 {
    number.wrapping_add(if number < 10 { b'0' } else { b'A' - 10 })
}

/// The bytes that percent-encoded ones stand for. A `%` without two hex digits behind it stands for itself.
#[derive(Clone, Debug)]
pub(crate) struct PercentDecoder<'i>(Iter<'i, u8>);

impl<'i> PercentDecoder<'i> {
    pub(crate) fn new(encoded: &'i [u8]) -> Self {
        Self(encoded.iter())
    }

    /// The byte of the two hex digits that are next.
    #[cfg_attr(target_os = "none", inline(never))]
    fn escaped(&mut self) -> Option<u8> {
        let (&[high, low], rest) = self.0.as_slice().split_first_chunk()?;
        let byte = hex_value(high)? << 4 | hex_value(low)?;
        self.0 = rest.iter();
        Some(byte)
    }
}

impl Iterator for PercentDecoder<'_> {
    type Item = u8;

    #[inline(always)] // Once a byte.
    fn next(&mut self) -> Option<u8> {
        let &byte = self.0.next()?;
        Some(if byte == b'%' { self.escaped().unwrap_or(byte) } else { byte })
    }
}

/// The number that a digit stands for, in either case.
fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

    #[test]
    fn every_byte_is_as_the_crate_encodes_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut room = [0; 1024];
        let mut writer = Writer::new(&mut room);
        put_encoded(&mut writer, &bytes);
        assert_eq!(writer.finish().unwrap(), percent_encode(&bytes, RESERVED).to_string().as_bytes());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut room = [0; 2];
        let mut writer = Writer::new(&mut room);
        put_encoded(&mut writer, b"a/b");
        assert_eq!(writer.len(), 5);
        assert!(writer.overflowed());
    }

    proptest! {
        #[test]
        fn everything_is_decoded_as_the_crate_does(
            bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "(%[0-9a-fA-Fg]{0,2}|[a-z+%]){0,12}".prop_map(String::into_bytes)],
        ) {
            prop_assert!(PercentDecoder::new(&bytes).eq(percent_decode(&bytes)), "{bytes:?}");
        }
    }
}
