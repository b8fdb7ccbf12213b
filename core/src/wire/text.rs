//! UTF-8 texts as MQTT has them (MQTT 3.1.1 §1.5.3, §4.7).

use crate::error::Violation;
use core::fmt;

/// Bytes in the longest text: its length has 16 bits (MQTT 3.1.1 §1.5.3).
pub const MAX_TEXT: usize = 65_535;

/// A text as it was received, and checked then: a `&str` when one is wanted.
///
/// Making one looks at each byte again, as this library has no `unsafe`; and most texts are only compared, cut and
/// copied.
///
/// ```
/// use iothub_proto::wire::Text;
/// let text = Text::new("room=café");
/// assert_eq!((text.as_str(), text.len()), ("room=café", 10));
/// assert!(text == "room=café");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Text<'i>(&'i [u8]);

impl<'i> Text<'i> {
    /// The text `text`.
    #[must_use]
    pub const fn new(text: &'i str) -> Self {
        Self(text.as_bytes())
    }

    /// Its UTF-8.
    #[must_use]
    pub const fn as_bytes(self) -> &'i [u8] {
        self.0
    }

    /// The text, which takes time in proportion to its length.
    #[must_use]
    pub fn as_str(self) -> &'i str {
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// Bytes in it.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is no character.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// What stands before the first `mark`, an ASCII character, and after it; all and `None` if there is none.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn cut(self, mark: u8) -> (Self, Option<Self>) {
        match find(self.0, mark).and_then(|at| self.0.split_at_checked(at)) {
            Some((before, [_, after @ ..])) => (Self(before), Some(Self(after))),
            _ => (self, None),
        }
    }

    /// What stands after `prefix`, if it begins with that.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn after(self, prefix: &str) -> Option<Self> {
        self.0.strip_prefix(prefix.as_bytes()).map(Self)
    }

    /// What stands before a `/` at its end.
    pub(crate) fn without_slash(self) -> Self {
        if let [before @ .., b'/'] = self.0 { Self(before) } else { self }
    }
}

impl<'i, T: AsRef<str> + ?Sized> From<&'i T> for Text<'i> {
    fn from(text: &'i T) -> Self {
        Self::new(text.as_ref())
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Text<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.as_str().format(f);
    }
}

/// `bytes` as a text: well-formed UTF-8 without U+0000.
///
/// Control characters and non-characters pass: a sender should not use them, a receiver may take them
/// (MQTT 3.1.1 §1.5.3). A byte order mark is a character like any other.
///
/// # Errors
///
/// [`Violation::BadUtf8`] or [`Violation::NulInText`], whichever comes first, with its offset in `bytes`.
pub fn text(bytes: &[u8]) -> Result<&str, (Violation, usize)> {
    check(bytes, |byte| byte == 0)
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
/// assert_eq!(topic_name(b"$iothub/twin/res/200/?$rid=1").unwrap(), "$iothub/twin/res/200/?$rid=1");
/// assert_eq!(topic_name(b"devices/+"), Err((Violation::WildcardInTopic, 8)));
/// ```
#[cfg_attr(not(target_os = "none"), inline(always))]
pub fn topic_name(bytes: &[u8]) -> Result<Text<'_>, (Violation, usize)> {
    if bytes.is_empty() {
        return Err((Violation::EmptyTopic, 0));
    }
    if is_plain(bytes) { Ok(Text(bytes)) } else { check(bytes, is_forbidden).map(Text::new) }
}

/// Bytes looked at together: what one register holds.
const WORD: usize = size_of::<usize>();

/// `byte` in each byte of a word.
const fn each(byte: u8) -> usize {
    usize::from_le_bytes([byte; WORD])
}

/// The highest bit of each byte.
const HIGH: usize = each(0x80);

/// Whether all of `bytes` are ASCII and none is [forbidden](is_forbidden) or near those: control characters, space and
/// `!"#()*+`, which hardly any topic has. Words and no branch between them: the compiler makes vectors of them where
/// there are some.
fn is_plain(bytes: &[u8]) -> bool {
    // With this bit set those are below `,` and all others are not: adding gives these the highest bit.
    let not_below = |word: usize| (word | each(0x08)).wrapping_add(each(0x80 - b','));
    let word = |word: &[u8; WORD]| usize::from_le_bytes(*word);
    // The last word overlaps the one before; what is less than a word is not worth it.
    let Some(last) = bytes.last_chunk().map(word) else { return false };
    let words = bytes.as_chunks().0.iter().map(word);
    let (or, and) = words.fold((last, not_below(last)), |(or, and), word| (or | word, and & not_below(word)));
    !or & and & HIGH == HIGH
}

/// Where the first `mark`, an ASCII character, stands in `bytes`: a word at a time.
fn find(bytes: &[u8], mark: u8) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    let mut at = 0_usize;
    for word in words {
        // 0 for the mark. The lowest byte that has the highest bit then was 0, whatever those above it were.
        let word = usize::from_le_bytes(*word) ^ each(mark);
        let zeros = word.wrapping_sub(each(1)) & !word & HIGH;
        if zeros != 0 {
            return Some(at.wrapping_add(zeros.trailing_zeros() as usize / 8));
        }
        at = at.wrapping_add(WORD);
    }
    rest.iter().position(|&byte| byte == mark).map(|behind| at.wrapping_add(behind))
}

/// As [`Text::cut`], where `&str`s are wanted. Unlike `split_once` it brings no panic into a firmware.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn cut(text: &str, mark: u8) -> (&str, Option<&str>) {
    let at = find(text.as_bytes(), mark).unwrap_or(text.len());
    text.split_at_checked(at).map_or((text, None), |(before, rest)| (before, rest.get(1..)))
}

/// A number of decimal digits and nothing else; `None` above 64 bits.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn decimal(text: Text<'_>) -> Option<u64> {
    let mut number = if text.is_empty() { None } else { Some(0) };
    for &digit in text.as_bytes() {
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

/// `bytes` as a text without `forbidden` ones. Says what is wrong first, in no hurry.
fn check(bytes: &[u8], forbidden: fn(u8) -> bool) -> Result<&str, (Violation, usize)> {
    let decoded = core::str::from_utf8(bytes);
    let well_formed = decoded.err().map_or(bytes.len(), |error| error.valid_up_to());
    for (offset, &byte) in bytes.iter().enumerate().take(well_formed) {
        if forbidden(byte) {
            return Err((if byte == 0 { Violation::NulInText } else { Violation::WildcardInTopic }, offset));
        }
    }
    decoded.map_err(|_| (Violation::BadUtf8, well_formed))
}

#[cfg(test)]
mod tests;
