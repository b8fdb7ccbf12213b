//! The members of one object, one after the other.

use super::finder::{Finder, Path, State, Step};
use super::value::{JsonText, JsonValue};
use core::iter::FusedIterator;

/// Whose members: those of `desired` in the top object, or, with one name found from the beginning, of the top object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Every;

impl Path for Every {
    const ASCII: bool = true;

    fn name(&self, found: u8) -> Option<&[u8]> {
        if found == 0 { Some(b"desired") } else { None }
    }

    fn is_last(&self, found: u8) -> bool {
        self.is_any(found)
    }

    fn is_any(&self, found: u8) -> bool {
        found > 0
    }
}

/// What a byte is to the members looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// No part of them. A value before it has ended.
    Elsewhere,
    /// The quote before a name. A value before it has ended.
    Quote,
    /// A byte of the name, as it is spelled.
    Name,
    /// The first byte of the value.
    First,
    /// A further byte of it.
    Next,
    /// The JSON is ill-formed.
    IllFormed,
}

/// Reads JSON and tells the members of one object in it, as [`Finder`] does one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Members(Finder<Every>);

impl Members {
    /// Of the object `desired` in the top object.
    pub(crate) const fn of_desired() -> Self {
        Self(Finder::new(Every, 0))
    }

    /// Of the top object.
    pub(crate) const fn of_top() -> Self {
        Self(Finder::new(Every, 1))
    }

    pub(crate) fn step(&mut self, byte: u8) -> Part {
        let before = self.0.is_in_any_name();
        match (self.0.step(byte), before, self.0.is_in_any_name()) {
            _ if self.0.state == State::IllFormed => Part::IllFormed,
            (Step::First, ..) => Part::First,
            (Step::Next, ..) => Part::Next,
            (_, false, true) => Part::Quote,
            (_, true, true) => Part::Name,
            _ => Part::Elsewhere,
        }
    }

    /// Whether one whole value was read, with nothing but white space after it, if the document ends here.
    pub(crate) fn is_complete_here(&self) -> bool {
        self.0.is_complete_here()
    }
}

/// The members of an object, in order; see [`JsonValue::members`].
#[derive(Clone, Debug)]
pub struct JsonMembers<'i> {
    object: &'i [u8],
    /// Bytes of it that were read.
    at: usize,
    members: Members,
}

impl<'i> JsonMembers<'i> {
    pub(super) const fn new(object: &'i [u8]) -> Self {
        Self { object, at: 0, members: Members::of_top() }
    }

    /// The next member, and where its name and its value begin and end.
    fn take(&mut self) -> Option<(&'i [u8], &'i [u8])> {
        let (mut name, mut value) = (0..0, None);
        while let Some(&byte) = self.object.get(self.at) {
            let (at, end) = (self.at, self.at.saturating_add(1));
            match self.members.step(byte) {
                Part::Quote => name = end..end,
                Part::Name => name.end = end,
                Part::First => value = Some(at),
                Part::Next => {}
                Part::IllFormed => return None,
                Part::Elsewhere => {
                    if let Some(start) = value {
                        // This byte counts with the next member; the value has ended before it.
                        self.at = end;
                        return Some((self.object.get(name)?, self.object.get(start..at)?));
                    }
                }
            }
            self.at = end;
        }
        None
    }
}

impl<'i> Iterator for JsonMembers<'i> {
    type Item = (JsonText<'i>, JsonValue<'i>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (name, value) = self.take()?;
            if let Some(name) = JsonText::new(name) {
                return Some((name, JsonValue::new(value)));
            }
        }
    }
}

impl FusedIterator for JsonMembers<'_> {}
