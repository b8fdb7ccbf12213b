//! Desired properties out of a document that comes in pieces.

use super::{Properties, Property};
use crate::wire::{JsonError, Members, Part, copy};
use core::fmt;

/// Splits a document or a patch that comes in pieces and is not kept: only one member of the section is held at a time, a
/// component with all its properties.
///
/// What it gives is what [`Properties`] gives of the whole, however it was cut. But it gives a property as soon as that is
/// there: only [`finish`](Self::finish) tells whether the whole was well-formed.
///
/// ```
/// use iothub_proto::pnp::PropertyReader;
/// let mut room = [0; 64];
/// let mut reader = PropertyReader::of_document(&["fan"], &mut room);
/// let mut speed = None;
/// for piece in [&br#"{"desired":{"fan":{"spe"#[..], br#"ed":3},"$version":7},"#, br#""reported":{"$version":1}}"#] {
///     reader.feed(piece, &mut |property| {
///         if property.is(Some("fan"), "speed") {
///             speed = property.value.number();
///         }
///     });
/// }
/// assert_eq!((speed, reader.finish()), (Some(3), Ok(())));
/// ```
pub struct PropertyReader<'p> {
    members: Members,
    components: &'p [&'p str],
    /// Holds `{"name":value}`, as in a patch.
    room: &'p mut [u8],
    /// Bytes of it, also those that did not fit.
    len: usize,
    /// Whether a value is being read.
    in_value: bool,
    /// Bytes read, the first wrong one not included.
    at: usize,
    failed: Option<JsonError>,
}

impl<'p> PropertyReader<'p> {
    /// For a whole twin, the answer to GET: reads its desired section.
    pub const fn of_document(components: &'p [&'p str], room: &'p mut [u8]) -> Self {
        Self::new(Members::of_desired(), components, room)
    }

    /// For a patch of desired properties.
    pub const fn of_patch(components: &'p [&'p str], room: &'p mut [u8]) -> Self {
        Self::new(Members::of_top(), components, room)
    }

    const fn new(members: Members, components: &'p [&'p str], room: &'p mut [u8]) -> Self {
        Self { members, components, room, len: 0, in_value: false, at: 0, failed: None }
    }

    /// Reads the next bytes, which may be cut anywhere, and passes each property on that they complete. Does nothing after an
    /// error; see [`finish`](Self::finish).
    pub fn feed(&mut self, bytes: &[u8], found: &mut dyn FnMut(Property<'_>)) {
        for &byte in bytes {
            if matches!(self.failed, Some(JsonError::IllFormed { .. })) {
                return;
            }
            match self.members.step(byte) {
                Part::IllFormed => {
                    self.failed = Some(JsonError::IllFormed { at: self.at });
                    return;
                }
                Part::First => {
                    self.put(b"\":");
                    self.put(&[byte]);
                    self.in_value = true;
                }
                Part::Next | Part::Name => self.put(&[byte]),
                ended => {
                    if self.in_value {
                        self.in_value = false;
                        self.give(found);
                    }
                    if ended == Part::Quote {
                        self.len = 0;
                        self.put(b"{\"");
                    }
                }
            }
            self.at = self.at.saturating_add(1);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        let to = self.room.get_mut(self.len..).unwrap_or_default();
        copy(to, bytes);
        self.len = self.len.saturating_add(bytes.len());
    }

    /// A member is whole.
    fn give(&mut self, found: &mut dyn FnMut(Property<'_>)) {
        self.put(b"}");
        match self.room.get(..self.len).map(|member| Properties::of_patch(member, self.components)) {
            Some(Ok(properties)) => properties.for_each(found),
            // It is JSON, but no UTF-8.
            Some(Err(_)) => self.failed = Some(JsonError::IllFormed { at: self.at }),
            None => {
                let before = if let Some(JsonError::TooLong { needed }) = self.failed { needed } else { 0 };
                self.failed = Some(JsonError::TooLong { needed: self.len.max(before) });
            }
        }
    }

    /// The document has ended.
    ///
    /// # Errors
    ///
    /// [`JsonError::IllFormed`]: nothing should be made of what came. [`JsonError::TooLong`]: all came but the members that
    /// the room could not hold.
    pub fn finish(&self) -> Result<(), JsonError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.members.is_complete_here() => Ok(()),
            None => Err(JsonError::IllFormed { at: self.at }),
        }
    }
}

impl fmt::Debug for PropertyReader<'_> {
    /// No bytes: what a document holds may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropertyReader").field("at", &self.at).field("failed", &self.failed).finish_non_exhaustive()
    }
}
