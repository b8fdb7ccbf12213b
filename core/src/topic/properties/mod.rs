//! The property bag at the end of a message's topic.
//!
//! A bag is pairs `name=value` joined by `&`, names and values percent-encoded. Some names belong to the hub:
//! the system properties (`$.mid`, `$.ct`, …). All others are the application's.
//!
//! Out, the caller gives [`SystemProperties`] and any [`PropertySource`]. In, [`Properties`] lends the bag as
//! it came; nothing is copied or decoded until asked. It reads bags as leniently as any SDK, and loses nothing:
//!
//! * `name` alone has no value (null), `name=` has an empty one; only the first `=` separates;
//! * repeated names are kept, in their order; where one is asked for, the first counts;
//! * an empty pair (`&&`, a `&` at the end) is passed over;
//! * `+` is a plus sign; an escape that is none (`%zz`, `%4`) stands for itself;
//! * one `?` before the bag and one `/` after it are no part of it; any other `/` is;
//! * a system name may be escaped in any way (`$.mid`, `%24.mid`, `%24%2Emid`), and stand anywhere.

mod emit;
mod encoded;
mod source;
mod system;
#[cfg(test)]
mod tests;

use crate::wire::Text;
pub use emit::{check, put_bag};
pub use encoded::{DecodeError, Encoded};
pub use source::PropertySource;
pub use system::{ReceivedSystem, SystemProperties};

/// The properties of a received message: the bag as it came, read on demand.
///
/// Two of them are equal if their text is.
///
/// ```
/// use iothub_proto::topic::Properties;
/// let properties = Properties::new("%24.mid=m-1&room=caf%C3%A9");
/// assert!(properties.system().message_id.is_some_and(|id| id == *"m-1"));
/// let mut buffer = [0; 16];
/// for property in properties.application() {
///     assert!(property.name == *"room");
///     let value = property.value.expect("not null");
///     assert_eq!(value.decode(&mut buffer), Ok("café"));
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Properties<'i>(pub(super) Text<'i>);

impl<'i> Properties<'i> {
    /// The properties in `bag`: what follows `devicebound/` or `inputs/{name}/` in a topic. Every text is a
    /// bag.
    #[must_use]
    pub const fn new(bag: &'i str) -> Self {
        Self(Text::new(bag))
    }

    /// The bag as it came, with a leading `?` and trailing `/` if it had them.
    #[must_use]
    pub const fn raw(&self) -> Text<'i> {
        self.0
    }

    /// Whether there is no property at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// All properties as they stand, system and application, repeated ones too.
    #[must_use]
    pub fn iter(&self) -> PropertyIter<'i> {
        PropertyIter { rest: self.0.after("?").unwrap_or(self.0).without_slash() }
    }

    /// The system properties by name, found in one pass. Of a repeated one the first counts; one without a
    /// value is absent.
    #[must_use]
    pub fn system(&self) -> ReceivedSystem<'i> {
        system::collect(self.iter())
    }

    /// The properties that are no system properties.
    pub fn application(&self) -> impl Iterator<Item = Property<'i>> + Clone + use<'i> {
        self.iter().filter(|property| !property.is_system())
    }

    /// The first property of this name, compared decoded: `get("$.mid")` finds `%24.mid`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Property<'i>> {
        self.iter().find(|property| property.name == *name)
    }
}

impl<'i> IntoIterator for Properties<'i> {
    type Item = Property<'i>;
    type IntoIter = PropertyIter<'i>;

    fn into_iter(self) -> PropertyIter<'i> {
        self.iter()
    }
}

/// One property of a received message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Property<'i> {
    /// Its name.
    pub name: Encoded<'i>,
    /// Its value; `None` (null) if it came without `=`.
    pub value: Option<Encoded<'i>>,
}

impl Property<'_> {
    /// Whether it is one of the fields of [`ReceivedSystem`].
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.system_position().is_some()
    }

    /// Where its name stands among the fields of [`ReceivedSystem`], counted from 0; `None` for the name of an
    /// application property.
    #[must_use]
    pub fn system_position(&self) -> Option<usize> {
        system::position(self.name)
    }
}

/// The properties of a bag, in their order.
#[derive(Clone, Debug)]
pub struct PropertyIter<'i> {
    rest: Text<'i>,
}

impl<'i> PropertyIter<'i> {
    /// The text that is still to be read. [`resume`](Self::resume) goes on from it.
    #[must_use]
    pub const fn rest(&self) -> Text<'i> {
        self.rest
    }

    /// Goes on where another iterator stopped, for callers that cannot keep one, such as the C interface.
    #[must_use]
    pub const fn resume(rest: Text<'i>) -> Self {
        Self { rest }
    }
}

impl<'i> Iterator for PropertyIter<'i> {
    type Item = Property<'i>;

    fn next(&mut self) -> Option<Property<'i>> {
        while !self.rest.is_empty() {
            let (pair, rest) = self.rest.cut(b'&');
            self.rest = rest.unwrap_or_default();
            if !pair.is_empty() {
                let (name, value) = pair.cut(b'=');
                return Some(Property { name: Encoded(name), value: value.map(Encoded) });
            }
        }
        None
    }
}

impl core::iter::FusedIterator for PropertyIter<'_> {}
