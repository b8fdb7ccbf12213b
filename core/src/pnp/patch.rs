//! Reported properties, written into memory of the caller's.

use super::parse;
use crate::wire::{JsonError, JsonText, JsonValue, ValueReader, Writer, put_json_number, put_json_text};
use core::fmt;
use core::ops::Range;

/// Bytes of a name; [`ValueReader`] finds no longer one.
const MAX_NAME: usize = 254;

/// What a device has made of a writable property: `ac`, `av` and `ad`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack<'a> {
    /// An HTTP-like status: one of the constants here, or another.
    pub code: u16,
    /// The desired `$version` that the value came with; 0 with [`DEFAULT`](Self::DEFAULT).
    pub version: u64,
    /// For people to read.
    pub description: Option<&'a str>,
}

impl Ack<'_> {
    /// The value is applied.
    pub const APPLIED: u16 = 200;
    /// It is being applied; another acknowledgement follows.
    pub const IN_PROGRESS: u16 = 202;
    /// The value is the device's own, as nobody has desired one yet.
    pub const DEFAULT: u16 = 203;
    /// The value is not acceptable.
    pub const REJECTED: u16 = 400;
    /// It could not be applied.
    pub const FAILED: u16 = 500;
}

/// A value to report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportedValue<'a> {
    /// JSON of the caller's; `null` deletes the property.
    Json(&'a [u8]),
    /// A text, to be escaped.
    Text(&'a str),
    /// A whole number. The hub takes −2⁵² to 2⁵² − 1.
    Integer(i64),
}

impl<'a> From<JsonValue<'a>> for ReportedValue<'a> {
    fn from(value: JsonValue<'a>) -> Self {
        Self::Json(value.raw())
    }
}

impl<'a> From<&'a str> for ReportedValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for ReportedValue<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// Why a property was not written. What was written before is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PatchError {
    /// The room is too small.
    BufferTooSmall {
        /// Bytes for all so far and this.
        needed: usize,
    },
    /// The name of a property or of a component is empty, or longer than 254 bytes.
    BadName,
    /// The value is no JSON.
    BadValue {
        /// Offset in bytes of the first wrong one.
        at: usize,
    },
    /// The property was written before, or its component, and another one after it: what comes twice would replace what
    /// came first.
    Duplicate,
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => write!(f, "the patch needs {needed} bytes"),
            Self::BadName => f.write_str("a name is empty or longer than 254 bytes"),
            Self::BadValue { at } => write!(f, "a value is no JSON, at byte {at}"),
            Self::Duplicate => f.write_str("a property or component is written twice"),
        }
    }
}

impl core::error::Error for PatchError {}

/// Writes a patch of reported properties into a slice of the caller's: what `twin_report` takes.
///
/// Properties of one component are written one after the other. Each call writes its property whole or changes nothing, so
/// when the room is full, what is there can be reported, and the rest in another patch.
///
/// ```
/// use iothub_proto::pnp::{Ack, PatchWriter};
/// let mut room = [0; 256];
/// let mut patch = PatchWriter::new(&mut room);
/// patch.property(None, "serialNumber", "A \"1\"".into())?;
/// patch.property(Some("fan"), "speed", 3.into())?;
/// let ack = Ack { code: Ack::REJECTED, version: 7, description: Some("too fast") };
/// patch.acknowledge(Some("fan"), "targetSpeed", 900.into(), &ack)?;
/// assert_eq!(patch.finish()?, concat!(
///     r#"{"serialNumber":"A \"1\"","fan":{"__t":"c","speed":3,"#,
///     r#""targetSpeed":{"ac":400,"av":7,"ad":"too fast","value":900}}}"#,
/// ).as_bytes());
/// # Ok::<(), iothub_proto::pnp::PatchError>(())
/// ```
pub struct PatchWriter<'b> {
    room: &'b mut [u8],
    /// Bytes written. What is open is closed by [`finish`](Self::finish), and always has the room for it.
    len: usize,
    /// Where the name of the open component stands, without its quotes.
    open: Option<Range<usize>>,
}

impl<'b> PatchWriter<'b> {
    /// An empty patch.
    pub const fn new(room: &'b mut [u8]) -> Self {
        if let Some(first) = room.first_mut() {
            *first = b'{';
        }
        Self { room, len: 1, open: None }
    }

    /// Writes one property of a component, or of the default component (`None`).
    ///
    /// # Errors
    ///
    /// [`PatchError`].
    pub fn property(
        &mut self,
        component: Option<&str>,
        name: &str,
        value: ReportedValue<'_>,
    ) -> Result<(), PatchError> {
        let value = checked(value)?;
        self.write(component, name, &mut |w| put_value(w, value))
    }

    /// Writes what became of a writable property. `value` is the one in force: what was desired if that was applied.
    ///
    /// # Errors
    ///
    /// [`PatchError`].
    pub fn acknowledge(
        &mut self,
        component: Option<&str>,
        name: &str,
        value: ReportedValue<'_>,
        ack: &Ack<'_>,
    ) -> Result<(), PatchError> {
        let value = checked(value)?;
        self.write(component, name, &mut |w| {
            w.put(b"{\"ac\":");
            w.put_decimal(ack.code.into());
            w.put(b",\"av\":");
            put_json_number(w, ack.version);
            if let Some(description) = ack.description {
                w.put(b",\"ad\":");
                put_json_text(w, description);
            }
            w.put(b",\"value\":");
            put_value(w, value);
            w.put_u8(b'}');
        })
    }

    /// Whether there is no property in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 1
    }

    /// The whole patch.
    ///
    /// # Errors
    ///
    /// [`PatchError::BufferTooSmall`] if the room had fewer than two bytes from the beginning.
    pub fn finish(self) -> Result<&'b [u8], PatchError> {
        let mut w = Writer::behind(self.room, self.len);
        w.put(closing(self.open.is_some()));
        w.finish().map(|patch| &*patch).map_err(|needed| PatchError::BufferTooSmall { needed })
    }

    fn write(
        &mut self,
        component: Option<&str>,
        name: &str,
        put: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Result<(), PatchError> {
        if !is_name(name) || !component.is_none_or(is_name) {
            return Err(PatchError::BadName);
        }
        let stays = self.is_open(component);
        let written = match component {
            None => self.has(&[name]),
            Some(component) if stays => self.has(&[component, name]),
            Some(component) => self.has(&[component]),
        };
        if written {
            return Err(PatchError::Duplicate);
        }
        let (mut open, mut first) = (self.open.clone(), self.is_empty());
        let mut w = Writer::behind(self.room, self.len);
        if !stays {
            if open.take().is_some() {
                w.put_u8(b'}');
            }
            if let Some(component) = component {
                open = Some(put_name(&mut w, component, first));
                w.put(b"{\"__t\":\"c\"");
                first = false;
            }
        }
        put_name(&mut w, name, first);
        put(&mut w);
        let len = w.len();
        let needed = len.saturating_add(closing(open.is_some()).len());
        if needed > self.room.len() {
            return Err(PatchError::BufferTooSmall { needed });
        }
        (self.len, self.open) = (len, open);
        Ok(())
    }

    fn is_open(&self, component: Option<&str>) -> bool {
        match (&self.open, component) {
            (Some(open), Some(component)) => {
                let open = self.room.get(open.clone()).and_then(JsonText::new);
                open.is_some_and(|open| open.is(component))
            }
            (open, component) => open.is_none() && component.is_none(),
        }
    }

    /// Whether there is such a member in what was written.
    fn has(&self, path: &[&str]) -> bool {
        // Without room, what it finds is too long.
        let mut reader = ValueReader::new(path, &mut []);
        reader.feed(self.room.get(..self.len).unwrap_or_default());
        reader.feed(closing(self.open.is_some()));
        matches!(reader.value(), Err(JsonError::TooLong { .. }))
    }
}

impl fmt::Debug for PatchWriter<'_> {
    /// No bytes: what a device reports may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatchWriter").field("len", &self.len).finish_non_exhaustive()
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
}

/// What ends a patch.
const fn closing(in_component: bool) -> &'static [u8] {
    if in_component { b"}}" } else { b"}" }
}

/// Puts `,"name":` and gives where the name stands, without its quotes.
fn put_name(w: &mut Writer<'_>, name: &str, first: bool) -> Range<usize> {
    if !first {
        w.put_u8(b',');
    }
    let start = w.len().saturating_add(1);
    put_json_text(w, name);
    let end = w.len().saturating_sub(1);
    w.put_u8(b':');
    start..end
}

/// The value, if it is one.
fn checked(value: ReportedValue<'_>) -> Result<ReportedValue<'_>, PatchError> {
    match value {
        ReportedValue::Json(json) => match parse(json) {
            Ok(value) => Ok(value.into()),
            Err(JsonError::IllFormed { at } | JsonError::TooLong { needed: at }) => Err(PatchError::BadValue { at }),
        },
        other => Ok(other),
    }
}

fn put_value(w: &mut Writer<'_>, value: ReportedValue<'_>) {
    match value {
        ReportedValue::Json(json) => w.put(json),
        ReportedValue::Text(text) => put_json_text(w, text),
        ReportedValue::Integer(number) => {
            if number < 0 {
                w.put_u8(b'-');
            }
            put_json_number(w, number.unsigned_abs());
        }
    }
}
