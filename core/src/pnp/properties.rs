//! Desired properties, one by one.

use super::{MARKER, parse};
use crate::wire::{JsonError, JsonMembers, JsonText, JsonValue};

/// One property of a twin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property<'i> {
    /// The component; `None` for the default component.
    pub component: Option<JsonText<'i>>,
    /// Its name.
    pub name: JsonText<'i>,
    /// Its value. In a patch `null` says that the property is no more; so does the whole component, if `component` is
    /// `None` and the name is a component's.
    pub value: JsonValue<'i>,
}

impl Property<'_> {
    /// Whether it is this one, however the names are spelled.
    #[must_use]
    pub fn is(&self, component: Option<&str>, name: &str) -> bool {
        let same = match (self.component, component) {
            (Some(own), Some(other)) => own.is(other),
            (own, other) => own.is_none() && other.is_none(),
        };
        same && self.name.is(name)
    }
}

/// The properties of one section of a twin: an iterator that borrows the JSON and needs no heap.
///
/// An object is a component if its name is on the caller's list, since a patch may come without the marker, or if it has
/// the marker `"__t":"c"`; its members are given, and not it. Other objects are values. What the hub adds, members whose name
/// begins with `$` such as `$version`, and the marker are left out.
///
/// ```
/// use iothub_proto::pnp::Properties;
/// let document = br#"{"desired":{"on":true,"fan":{"__t":"c","speed":3},"$version":7},"reported":{"$version":1}}"#;
/// let properties: Vec<_> = Properties::of_document(document, &[]).expect("well-formed").collect();
/// assert!(properties[0].is(None, "on") && properties[1].is(Some("fan"), "speed"));
/// assert_eq!(properties[1].value.number(), Some(3));
/// ```
#[derive(Clone, Debug)]
pub struct Properties<'i, S = &'i str> {
    members: JsonMembers<'i>,
    /// The component whose members are given now.
    open: Option<(JsonText<'i>, JsonMembers<'i>)>,
    components: &'i [S],
}

impl<'i> Properties<'i> {
    /// Of the desired section of a whole twin, the answer to GET. There are none if it has no such object.
    ///
    /// # Errors
    ///
    /// [`JsonError::IllFormed`], also for what is no UTF-8.
    pub fn of_document(document: &'i [u8], components: &'i [&'i str]) -> Result<Self, JsonError> {
        let document = parse(document)?;
        // What is no object has no properties.
        Ok(Self::of_section(document.get("desired").unwrap_or_default(), components))
    }

    /// Of a patch of desired properties.
    ///
    /// # Errors
    ///
    /// [`JsonError::IllFormed`], also for what is no UTF-8.
    pub fn of_patch(patch: &'i [u8], components: &'i [&'i str]) -> Result<Self, JsonError> {
        parse(patch).map(|section| Self::of_section(section, components))
    }

    /// Of any section that was found already, such as `reported` by [`JsonValue::get`]. None if it is no object.
    #[must_use]
    pub const fn of_section(section: JsonValue<'i>, components: &'i [&'i str]) -> Self {
        Self::with_names(section, components)
    }
}

impl<'i, S> Properties<'i, S>
where
    S: AsRef<str>,
{
    /// As [`Properties::of_section`], with names of another type, as a binding has them.
    #[must_use]
    pub const fn with_names(section: JsonValue<'i>, components: &'i [S]) -> Self {
        Self { members: section.members(), open: None, components }
    }

    fn is_component(&self, name: JsonText<'_>, value: JsonValue<'_>) -> bool {
        let marked = || {
            let marker = value.get(MARKER.0).and_then(JsonValue::text);
            marker.is_some_and(|marker| marker.is(MARKER.1))
        };
        value.raw().starts_with(b"{")
            && (self.components.iter().any(|component| name.is(component.as_ref())) || marked())
    }
}

/// Whether the hub has added it.
fn is_of_the_hub(name: JsonText<'_>) -> bool {
    name.chars().next() == Some('$')
}

impl<'i, S> Iterator for Properties<'i, S>
where
    S: AsRef<str>,
{
    type Item = Property<'i>;

    fn next(&mut self) -> Option<Property<'i>> {
        loop {
            if let Some((component, members)) = &mut self.open {
                let component = Some(*component);
                match members.find(|(name, _)| !is_of_the_hub(*name) && !name.is(MARKER.0)) {
                    Some((name, value)) => return Some(Property { component, name, value }),
                    None => self.open = None,
                }
            }
            let (name, value) = self.members.find(|(name, _)| !is_of_the_hub(*name))?;
            if !self.is_component(name, value) {
                return Some(Property { component: None, name, value });
            }
            self.open = Some((name, value.members()));
        }
    }
}

impl<S> core::iter::FusedIterator for Properties<'_, S> where S: AsRef<str> {}
