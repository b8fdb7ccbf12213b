//! Texts and numbers as JSON.

use crate::wire::Writer;

/// Appends `text` as a JSON string (RFC 8259 §7): in quotes, with quotes, backslashes and control characters escaped.
///
/// ```
/// use iothub_proto::wire::{Writer, put_json_text};
/// let mut room = [0; 32];
/// let mut writer = Writer::new(&mut room);
/// put_json_text(&mut writer, "a \"b\"\n");
/// assert_eq!(writer.finish().unwrap(), br#""a \"b\"\u000a""#);
/// ```
pub fn put_json_text(writer: &mut Writer<'_>, text: &str) {
    writer.put_u8(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => writer.put(&[b'\\', byte]),
            0x20.. => writer.put_u8(byte),
            _ => {
                writer.put(b"\\u00");
                writer.put_u8(b'0' | byte >> 4);
                let low = byte & 0x0F;
                writer.put_u8(if low < 10 { b'0' | low } else { b'a'.wrapping_add(low).wrapping_sub(10) });
            }
        }
    }
    writer.put_u8(b'"');
}

/// Appends `value` in decimal digits.
///
/// Doubled bit by bit in digits: a Cortex-M divides no 64 bits without a function for it.
pub(crate) fn put_json_number(writer: &mut Writer<'_>, value: u64) {
    let mut digits = [0_u8; 20];
    for bit in (0..u64::BITS).rev() {
        let mut carry = (value >> bit) as u8 & 1;
        for digit in digits.iter_mut().rev() {
            let doubled = digit.wrapping_mul(2).wrapping_add(carry);
            carry = u8::from(doubled >= 10);
            *digit = if carry == 1 { doubled.wrapping_sub(10) } else { doubled };
        }
    }
    let leading = digits.iter().take_while(|&&digit| digit == 0).count().min(19);
    for digit in digits.iter().skip(leading) {
        writer.put_u8(b'0' | digit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn written(put: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut room = [0; 4096];
        let mut writer = Writer::new(&mut room);
        put(&mut writer);
        writer.finish().unwrap().to_vec()
    }

    #[test]
    fn numbers_have_no_leading_zero() {
        for value in [0, 1, 9, 10, 99, 100, u64::from(u32::MAX), u64::MAX - 1, u64::MAX, 10_u64.pow(19)] {
            assert_eq!(written(|w| put_json_number(w, value)), value.to_string().as_bytes());
        }
    }

    #[test]
    fn every_ascii_character() {
        for code in 0..0x80_u8 {
            let text = char::from(code).to_string();
            let json = written(|w| put_json_text(w, &text));
            assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
            assert!(json.iter().all(|byte| (0x20..0x7F).contains(byte)) || code == 0x7F, "{json:02X?}");
        }
        assert_eq!(written(|w| put_json_text(w, "\u{1f}\n\"\\/")), br#""\u001f\u000a\"\\/""#);
    }

    proptest! {
        #[test]
        fn any_number(value: u64, shift in 0..64_u32) {
            let value = value >> shift;
            prop_assert_eq!(written(|w| put_json_number(w, value)), value.to_string().into_bytes());
        }

        #[test]
        fn any_text(text in any::<String>()) {
            let json = written(|w| put_json_text(w, &text));
            prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }
    }
}
