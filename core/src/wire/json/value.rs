//! Any one value of a JSON document, by the names that lead to it.

use super::append_digit;
use super::finder::{Finder, Path, State, Step};
use super::members::JsonMembers;
use crate::wire::Writer;
use core::fmt;

/// Names longer than this are not found: [`Finder`] counts their bytes in eight bits.
const MAX_NAME: usize = 254;

impl<S> Path for &[S]
where
    S: AsRef<str>,
{
    const ASCII: bool = false;

    fn name(&self, found: u8) -> Option<&[u8]> {
        self.get(usize::from(found)).map(|name| name.as_ref().as_bytes())
    }

    fn is_last(&self, found: u8) -> bool {
        usize::from(found).checked_add(1) == Some(self.len()) && self.iter().all(|name| name.as_ref().len() <= MAX_NAME)
    }
}

/// Why there is no telling whether a document has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum JsonError {
    /// The document is no JSON, or nested deeper than 63 levels.
    IllFormed {
        /// Offset in bytes of the first wrong one; the document's length if it ends too early.
        at: usize,
    },
    /// The value is longer than the room of a [`ValueReader`].
    TooLong {
        /// Bytes it has.
        needed: usize,
    },
}

/// Finds the value that `path` leads to: the name of a member of the top object, the name of a member of that, and so
/// on; `None` if there is no such member.
///
/// The whole `document` is read, once, in constant memory, by the rules of [`VersionReader`](super::VersionReader): of
/// duplicate members the last counts, names may be spelled with escapes, and of a document that is ill-formed nothing
/// is believed. Arrays are not entered. A name has at most 254 bytes.
///
/// ```
/// use iothub_proto::wire::json_value;
/// let twin = br#"{"desired":{"fan":{"speed":3,"mode":"eco\u002b"},"$version":7}}"#;
/// let value = |path: &[&str]| json_value(twin, path).expect("well-formed");
/// assert_eq!(value(&["desired", "$version"]).and_then(|value| value.number()), Some(7));
/// assert_eq!(value(&["desired", "fan"]).map(|value| value.raw()), Some(&br#"{"speed":3,"mode":"eco\u002b"}"#[..]));
/// assert_eq!(value(&["desired", "fan", "mode"]).and_then(|value| value.text()).expect("a text").to_string(), "eco+");
/// assert_eq!(value(&["reported"]), None);
/// ```
///
/// # Errors
///
/// [`JsonError::IllFormed`].
pub fn json_value<'i>(document: &'i [u8], path: &[&str]) -> Result<Option<JsonValue<'i>>, JsonError> {
    let mut finder = Finder::new(path, 0);
    let mut found = None;
    for (at, &byte) in document.iter().enumerate() {
        let end = at.saturating_add(1);
        match finder.step(byte) {
            _ if finder.state == State::IllFormed => return Err(JsonError::IllFormed { at }),
            Step::Elsewhere => {}
            Step::Forget => found = None,
            Step::First => found = Some(at..end),
            Step::Next => found = found.map(|found| found.start..end),
        }
    }
    if !finder.is_complete_here() {
        return Err(JsonError::IllFormed { at: document.len() });
    }
    Ok(found.and_then(|found| document.get(found)).map(JsonValue))
}

/// Whether `document` is JSON, as far as [`json_value`] looks.
///
/// # Errors
///
/// [`JsonError::IllFormed`].
pub fn check_json(document: &[u8]) -> Result<(), JsonError> {
    json_value(document, &[]).map(drop)
}

/// Finds a value as [`json_value`] does, in a document that comes in pieces and is not kept: only the value is.
///
/// ```
/// use iothub_proto::wire::ValueReader;
/// let mut room = [0; 16];
/// let mut reader = ValueReader::new(&["desired", "interval"], &mut room);
/// reader.feed(br#"{"desired":{"inter"#);
/// reader.feed(br#"val":30},"reported":{"interval":60}}"#);
/// assert_eq!(reader.value().expect("complete").and_then(|value| value.number()), Some(30));
/// ```
pub struct ValueReader<'p, S = &'p str> {
    finder: Finder<&'p [S]>,
    room: &'p mut [u8],
    /// Bytes of the value, also those that did not fit.
    found: Option<usize>,
    /// Bytes read, the first wrong one not included.
    at: usize,
}

impl<'p> ValueReader<'p> {
    /// A reader at the beginning of a document. `room` takes the value as it stands there.
    pub const fn new(path: &'p [&'p str], room: &'p mut [u8]) -> Self {
        Self::with_names(path, room)
    }
}

impl<'p, S> ValueReader<'p, S>
where
    S: AsRef<str>,
{
    /// As [`ValueReader::new`], with names of another type, as a binding has them.
    pub const fn with_names(path: &'p [S], room: &'p mut [u8]) -> Self {
        Self { finder: Finder::new(path, 0), room, found: None, at: 0 }
    }

    /// Reads the next bytes, which may be cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let step = self.finder.step(byte);
            if self.finder.state == State::IllFormed {
                return;
            }
            self.at = self.at.saturating_add(1);
            match step {
                Step::Elsewhere => continue,
                Step::Forget => self.found = None,
                Step::First => self.found = Some(0),
                Step::Next => {}
            }
            if let Some(found) = &mut self.found {
                if let Some(to) = self.room.get_mut(*found) {
                    *to = byte;
                }
                *found = found.saturating_add(1);
            }
        }
    }

    /// The value, once the document is complete; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`JsonError`].
    pub fn value(&self) -> Result<Option<JsonValue<'_>>, JsonError> {
        if !self.finder.is_complete_here() {
            return Err(JsonError::IllFormed { at: self.at });
        }
        let Some(needed) = self.found else { return Ok(None) };
        self.room.get(..needed).map(|value| Some(JsonValue(value))).ok_or(JsonError::TooLong { needed })
    }
}

impl<S> fmt::Debug for ValueReader<'_, S>
where
    S: fmt::Debug,
{
    /// No bytes: what a document holds may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueReader").field("path", &self.finder.path).field("at", &self.at).finish_non_exhaustive()
    }
}

/// A value as it stands in its document: well-formed JSON, without white space around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JsonValue<'i>(&'i [u8]);

impl Default for JsonValue<'_> {
    /// `null`.
    fn default() -> Self {
        Self(b"null")
    }
}

impl<'i> JsonValue<'i> {
    pub(super) const fn new(raw: &'i [u8]) -> Self {
        Self(raw)
    }

    /// A whole document.
    ///
    /// # Errors
    ///
    /// [`JsonError::IllFormed`].
    pub fn parse(document: &'i [u8]) -> Result<Self, JsonError> {
        check_json(document).map(|()| Self(document.trim_ascii()))
    }

    /// All of it: an object with its braces, a text with its quotes.
    #[must_use]
    pub const fn raw(self) -> &'i [u8] {
        self.0
    }

    /// The members of an object, in order; none of anything else. One that stands there twice comes twice. One whose name is
    /// no UTF-8 is left out.
    ///
    /// ```
    /// use iothub_proto::wire::JsonValue;
    /// let object = JsonValue::parse(br#" {"speed": 3, "fan": {"on": true}} "#).expect("well-formed");
    /// let members: Vec<_> = object.members().map(|(name, value)| (name.raw(), value.raw())).collect();
    /// assert_eq!(members, [("speed", &b"3"[..]), ("fan", br#"{"on": true}"#)]);
    /// ```
    #[must_use]
    pub const fn members(self) -> JsonMembers<'i> {
        JsonMembers::new(self.0)
    }

    /// The member of this name, the last if there are several; `None` if there is none, or if it is no object.
    ///
    /// ```
    /// use iothub_proto::wire::JsonValue;
    /// let twin = JsonValue::parse(br#"{"desired":{"$version":7}}"#).expect("well-formed");
    /// let version = twin.get("desired").and_then(|desired| desired.get("$version"));
    /// assert_eq!(version.and_then(|version| version.number()), Some(7));
    /// ```
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        self.members().filter(|(known, _)| known.is(name)).last().map(|(_, value)| value)
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// A whole number from 0 to 2⁶⁴ − 1 in plain digits; `None` if it is anything else.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        let mut number = Some(0);
        self.0.iter().for_each(|&byte| append_digit(&mut number, byte));
        number
    }

    /// A text; `None` if it is anything else, or no UTF-8.
    #[must_use]
    pub fn text(self) -> Option<JsonText<'i>> {
        let inside = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        JsonText::new(inside)
    }
}

/// A text of a document, with its escapes. `==` compares it as it stands, [`is`](Self::is) by its meaning.
///
/// ```
/// use iothub_proto::wire::json_value;
/// let text = |document| json_value(document, &["id"]).unwrap().unwrap().text().unwrap();
/// assert_eq!(text(br#"{"id":"dev1"}"#).plain(), Some("dev1"));
/// let escaped = text(br#"{"id":"dev\u00271\u0027"}"#);
/// assert_eq!(escaped.plain(), None);
/// assert!(escaped.is("dev'1'"));
/// assert_eq!(escaped.decode(&mut [0; 8]), Ok("dev'1'"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JsonText<'i>(&'i str);

impl<'i> JsonText<'i> {
    pub(crate) fn new(raw: &'i [u8]) -> Option<Self> {
        core::str::from_utf8(raw).ok().map(Self)
    }

    /// What [`raw`](Self::raw) gave. An escape that is none ends the text.
    #[must_use]
    pub const fn from_raw(raw: &'i str) -> Self {
        Self(raw)
    }

    /// What stands between the quotes.
    #[must_use]
    pub const fn raw(self) -> &'i str {
        self.0
    }

    /// Whether it is this text, however it is spelled.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        self.chars().eq(text.chars())
    }

    /// The text, if no escape is in it.
    #[must_use]
    pub fn plain(self) -> Option<&'i str> {
        if self.0.bytes().any(|byte| byte == b'\\') { None } else { Some(self.0) }
    }

    /// The text's characters. Half of an escaped pair stands for nothing and becomes U+FFFD.
    pub fn chars(self) -> impl Iterator<Item = char> + use<'i> {
        let mut rest = self.0.chars();
        core::iter::from_fn(move || match rest.next()? {
            '\\' => match rest.next()? {
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'u' => {
                    let (high, after) = unit(rest.as_str())?;
                    rest = after.chars();
                    let low = after.strip_prefix("\\u").and_then(unit);
                    match (high, low) {
                        (0xD800..0xDC00, Some((low @ 0xDC00..0xE000, after))) => {
                            rest = after.chars();
                            char::from_u32((high.wrapping_sub(0xD7C0) << 10) | low & 0x3FF)
                        }
                        _ => Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)),
                    }
                }
                same => Some(same),
            },
            same => Some(same),
        })
    }

    /// Writes the text into `room` without its escapes, which takes no more bytes than [`raw`](Self::raw) has.
    ///
    /// # Errors
    ///
    /// The bytes it needs, if `room` is shorter.
    pub fn decode(self, room: &mut [u8]) -> Result<&str, usize> {
        let mut w = Writer::new(room);
        for c in self.chars() {
            w.put(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        // Whole characters were put one after the other: it is UTF-8.
        w.finish().map(|text| core::str::from_utf8(text).unwrap_or_default())
    }
}

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

/// The number of four hex digits, and what follows them.
fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let mut unit = 0;
    for digit in digits.chars() {
        unit = (unit << 4) | digit.to_digit(16)?;
    }
    Some((unit, rest))
}

#[cfg(test)]
mod tests;
