//! Base64 with the standard alphabet and padding (RFC 4648 §4), as keys and signatures of the hub are written.
//!
//! Own code, because no machine without heap should carry tables, SIMD dispatch and panic branches for keys of
//! a few bytes. The tests compare it with the `base64` crate.

use super::Writer;

/// Appends `bytes` in base64, padded.
pub(crate) fn put_base64(w: &mut Writer<'_>, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = (bits << 8) | u32::from(group.get(at).copied().unwrap_or_default());
        }
        // Four digits of six bits each, the first one taken from the top.
        for place in 0..4 {
            w.put_u8(if place <= group.len() { digit((bits >> 18) as u8 & 63) } else { b'=' });
            bits <<= 6;
        }
    }
}

/// Appends the bytes that `text` stands for.
///
/// Unused bits of the last digit may be set: the service accepts keys that were made up by hand.
///
/// # Errors
///
/// The offset of the first byte that cannot stand there; the length of `text` if it ends too early.
pub(crate) fn put_from_base64(w: &mut Writer<'_>, text: &[u8]) -> Result<(), usize> {
    let mut digits = text;
    for _ in 0..2 {
        digits = digits.strip_suffix(b"=").unwrap_or(digits);
    }
    let mut bits = 0_u32;
    let mut held = 0_u32;
    for (at, &byte) in digits.iter().enumerate() {
        bits = (bits << 6) | u32::from(value(byte).ok_or(at)?);
        held = held.wrapping_add(6);
        if held >= 8 {
            held = held.wrapping_sub(8);
            w.put_u8((bits >> held) as u8);
        }
    }
    if text.len().is_multiple_of(4) { Ok(()) } else { Err(text.len()) }
}

/// The digit for six bits.
const fn digit(value: u8) -> u8 {
    match value {
        0..=25 => value.wrapping_add(b'A'),
        26..=51 => value.wrapping_add(b'a' - 26),
        52..=61 => value.wrapping_sub(52 - b'0'),
        62 => b'+',
        _ => b'/',
    }
}

/// The six bits of a digit.
const fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit.wrapping_sub(b'A'),
        b'a'..=b'z' => digit.wrapping_sub(b'a' - 26),
        b'0'..=b'9' => digit.wrapping_add(52 - b'0'),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    use base64::{Engine, alphabet};
    use proptest::prelude::*;
    use std::{string::String, vec, vec::Vec};

    /// The `base64` crate, configured to be as strict as we are.
    const ORACLE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );

    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut room = [0; 512];
        let mut w = Writer::new(&mut room);
        put_base64(&mut w, bytes);
        w.finish().unwrap().to_vec()
    }

    fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
        let mut room = [0; 512];
        let mut w = Writer::new(&mut room);
        put_from_base64(&mut w, text)?;
        Ok(w.finish().unwrap().to_vec())
    }

    #[test]
    fn rfc_4648_vectors() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), text.as_bytes());
            assert_eq!(decode(text.as_bytes()), Ok(plain.as_bytes().to_vec()));
        }
    }

    #[test]
    fn tells_where_it_is_wrong() {
        for (text, at) in [
            ("key", 3),
            ("Zm9v\n", 4),
            ("Zm9v ", 4),
            ("Zm-v", 2),
            ("Zm_v", 2),
            ("=", 1),
            ("==", 2),
            ("====", 0),
            ("A===", 1),
            ("Zg=", 3),
            ("Zg==Zg==", 2),
            ("A", 1),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(at), "{text:?}");
        }
    }

    #[test]
    fn unused_bits_are_ignored() {
        assert_eq!(decode(b"Zh=="), Ok(vec![b'f']));
    }

    proptest! {
        #[test]
        fn encodes_as_the_crate_does(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let ours = encode(&bytes);
            prop_assert_eq!(String::from_utf8(ours.clone()).unwrap(), ORACLE.encode(&bytes));
            prop_assert_eq!(decode(&ours), Ok(bytes));
        }

        #[test]
        fn decodes_what_the_crate_decodes(text in "[A-Za-z0-9+/=]{0,12}|[A-Za-z0-9+/]{0,12}={0,3}|.{0,6}") {
            prop_assert_eq!(decode(text.as_bytes()).ok(), ORACLE.decode(&text).ok());
        }
    }
}
