//! UTF-8 texts as MQTT has them (MQTT 3.1.1 §1.5.3, §4.7).

use core::str::Utf8Error;

use crate::error::Violation;

/// Bytes in the longest text: its length has 16 bits (MQTT 3.1.1 §1.5.3).
pub const MAX_TEXT: usize = 65_535;

/// `bytes` as a text: well-formed UTF-8 without U+0000.
///
/// Control characters and non-characters pass: a sender should not use them, a receiver may take them
/// (MQTT 3.1.1 §1.5.3). A byte order mark is a character like any other.
///
/// # Errors
///
/// [`Violation::BadUtf8`] or [`Violation::NulInText`], whichever comes first, with its offset in `bytes`.
pub fn text(bytes: &[u8]) -> Result<&str, (Violation, usize)> {
    match core::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Ok(text),
        decoded => Err(first_violation(bytes, decoded.err(), |byte| byte == 0)),
    }
}

/// `bytes` as a topic name: a [`text`] of at least one byte, without wildcards (MQTT 3.1.1 §4.7.1, §4.7.3).
///
/// # Errors
///
/// [`Violation::EmptyTopic`], [`Violation::BadUtf8`], [`Violation::NulInText`] or
/// [`Violation::WildcardInTopic`], whichever comes first, with its offset in `bytes`.
///
/// ```
/// use iothub_proto::error::Violation;
/// use iothub_proto::wire::topic_name;
/// assert_eq!(topic_name(b"$iothub/twin/res/200/?$rid=1"), Ok("$iothub/twin/res/200/?$rid=1"));
/// assert_eq!(topic_name(b"devices/+"), Err((Violation::WildcardInTopic, 8)));
/// ```
#[cfg_attr(not(target_os = "none"), inline(always))]
pub fn topic_name(bytes: &[u8]) -> Result<&str, (Violation, usize)> {
    if bytes.is_empty() {
        return Err((Violation::EmptyTopic, 0));
    }
    match core::str::from_utf8(bytes) {
        Ok(topic) if !has_forbidden(bytes) => Ok(topic),
        decoded => Err(first_violation(bytes, decoded.err(), is_forbidden)),
    }
}

/// Whether one of `bytes` is [forbidden](is_forbidden). Every message passes here: in blocks without a branch, which the
/// compiler turns into vector code, the last one overlapping the one before.
#[cfg(not(target_os = "none"))]
fn has_forbidden(bytes: &[u8]) -> bool {
    // 0 for the forbidden ones: `#` and `+` differ in this bit.
    let mark = |byte: u8| byte.min((byte | 0x08) ^ b'+');
    let Some(last) = bytes.last_chunk::<32>() else { return bytes.iter().any(|&byte| is_forbidden(byte)) };
    let mut lowest = last.map(mark);
    for block in bytes.as_chunks::<32>().0 {
        for (lowest, &byte) in lowest.iter_mut().zip(block) {
            *lowest = (*lowest).min(mark(byte));
        }
    }
    lowest.iter().fold(u8::MAX, |lowest, &byte| lowest.min(byte)) == 0
}

#[cfg(target_os = "none")]
fn has_forbidden(bytes: &[u8]) -> bool {
    bytes.iter().any(|&byte| is_forbidden(byte))
}

/// What stands before the first `mark`, an ASCII character, and after it; all and `None` if there is none. Unlike
/// `split_once` it brings no fast search, and no panic, into a firmware.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn cut(text: &str, mark: u8) -> (&str, Option<&str>) {
    let at = text.bytes().position(|byte| byte == mark).unwrap_or(text.len());
    text.split_at_checked(at).map_or((text, None), |(before, rest)| (before, rest.get(1..)))
}

/// What stands after `prefix`: `strip_prefix`, of which a firmware needs one copy only.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    text.strip_prefix(prefix)
}

/// A number of decimal digits and nothing else; `None` above 64 bits.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let mut number = if text.is_empty() { None } else { Some(0) };
    for digit in text.bytes() {
        append_digit(&mut number, digit);
    }
    number
}

/// Goes on with a number by one byte, which makes it `None` if it is no digit or the number is above 64 bits.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn append_digit(number: &mut Option<u64>, byte: u8) {
    /// Above this, another digit does not fit. A constant, so that the firmware never divides 64 bits.
    const TENTH: u64 = u64::MAX / 10;
    let digit = byte.wrapping_sub(b'0');
    *number = match *number {
        Some(so_far) if so_far <= TENTH && digit <= 9 => {
            let next = so_far.wrapping_mul(10).wrapping_add(u64::from(digit));
            // Ten times what is no more than `TENTH` is there; with the digit the number may wrap round to a small one.
            if next >= u64::from(digit) { Some(next) } else { None }
        }
        _ => None,
    };
}

const fn is_forbidden(byte: u8) -> bool {
    (byte == 0) | (byte == b'+') | (byte == b'#')
}

/// The first of the ill-formed sequence and the forbidden bytes, of which there is at least one.
#[cold]
fn first_violation(bytes: &[u8], ill_formed: Option<Utf8Error>, forbidden: fn(u8) -> bool) -> (Violation, usize) {
    let well_formed = ill_formed.map_or(bytes.len(), |error| error.valid_up_to());
    for (offset, &byte) in bytes.iter().enumerate().take(well_formed) {
        if forbidden(byte) {
            return (if byte == 0 { Violation::NulInText } else { Violation::WildcardInTopic }, offset);
        }
    }
    (Violation::BadUtf8, well_formed)
}

#[cfg(test)]
mod tests;
