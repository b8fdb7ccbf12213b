//! Twin documents and patches on `serde_json`: a copy of the twin kept up to date, and the rules that the hub
//! has for what a device reports.
//!
//! The state machine itself does not look into twin JSON. What it delivers goes in here: the document that
//! answers a GET makes a [`TwinReplica`], each patch of desired properties is merged into it with the version
//! it came with, and [`check_patch`] tells what the hub would refuse before it is sent.

use alloc::string::String;
use alloc::vec;
use core::fmt;

use serde_json::{Map, Number, Value};

use crate::error::PatchRule;

#[cfg(test)]
mod tests;

/// Objects and arrays inside one another, not counting the section itself.
const MAX_DEPTH: usize = 10;
/// Bytes of a name.
const MAX_KEY: usize = 1024;
/// Bytes of a string.
const MAX_STRING: usize = 4096;
/// What a section may come to.
const MAX_SECTION: usize = 32 * 1024;
const INTEGERS: core::ops::RangeInclusive<i64> = -(1 << 52)..=(1 << 52) - 1;

/// Checks a patch of reported properties against the rules of device twins.
///
/// The hub counts the size of a section as the sum of its names and values: UTF-8 bytes of names and strings
/// without control characters, 8 for a number, 4 for a boolean, nothing for punctuation. A `null`
/// deletes, so neither it nor its name counts. The limit holds for the section that the patch is merged
/// into, so a patch that passes here can still be too much for the twin.
///
/// An integer that fits neither `i64` nor `u64` is read as a floating-point number, and passes.
///
/// # Errors
///
/// The first broken rule found, in no particular order. JSON nested deeper than 127 levels is
/// [`PatchRule::Json`].
///
/// ```
/// use iothub_proto::error::PatchRule;
/// use iothub_proto::twin::check_patch;
///
/// assert_eq!(check_patch(br#"{"fan":{"__t":"c","speed":3},"old":null}"#), Ok(()));
/// assert_eq!(check_patch(br#"{"fan.speed":3}"#), Err(PatchRule::BadKey));
/// assert_eq!(check_patch(b"[3]"), Err(PatchRule::NotAnObject));
/// ```
pub fn check_patch(patch: &[u8]) -> Result<(), PatchRule> {
    let patch: Value = serde_json::from_slice(patch).map_err(|_| PatchRule::Json)?;
    if !patch.is_object() {
        return Err(PatchRule::NotAnObject);
    }
    let mut size = 0_usize;
    let mut open = vec![(&patch, 0_usize, false)];
    while let Some((value, depth, in_array)) = open.pop() {
        let below = depth.saturating_add(1);
        let own = match value {
            Value::Null if in_array => return Err(PatchRule::NullInArray),
            Value::Null => 0,
            Value::Bool(_) => 4,
            Value::Number(number) if !in_range(number) => return Err(PatchRule::IntegerOutOfRange),
            Value::Number(_) => 8,
            Value::String(text) if text.len() > MAX_STRING => return Err(PatchRule::StringTooLong),
            Value::String(text) => text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum(),
            Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => return Err(PatchRule::TooDeep),
            Value::Array(items) => {
                open.extend(items.iter().map(|item| (item, below, true)));
                0
            }
            Value::Object(members) => {
                if !members.keys().all(|key| is_key(key)) {
                    return Err(PatchRule::BadKey);
                }
                open.extend(members.values().map(|value| (value, below, in_array)));
                members.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.len()).sum()
            }
        };
        size = size.saturating_add(own);
    }
    if size > MAX_SECTION { Err(PatchRule::TooLarge) } else { Ok(()) }
}

fn in_range(number: &Number) -> bool {
    number.as_i64().map_or(number.is_f64(), |integer| INTEGERS.contains(&integer))
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && !key.chars().any(|c| c.is_control() || matches!(c, '.' | '$' | ' '))
}

/// A copy of the twin: desired and reported properties, each with its version.
///
/// Members whose name begins with `$` are the hub's (`$version`, and `$metadata` where it is sent), not
/// properties, and are kept out of the maps.
///
/// ```
/// use iothub_proto::twin::{Applied, TwinReplica};
///
/// let document = br#"{"desired":{"speed":3,"$version":7},"reported":{"$version":1}}"#;
/// let mut twin = TwinReplica::from_document(document)?;
/// assert_eq!(twin.apply_desired(br#"{"speed":5,"$version":8}"#, 8)?, Applied::Merged);
/// assert_eq!(twin.desired()["speed"], 5);
/// // Version 9 was lost: the replica says so and waits for a new document.
/// assert_eq!(twin.apply_desired(br#"{"speed":null,"$version":10}"#, 10)?, Applied::Gap);
/// assert_eq!(twin.desired_version(), 8);
/// # Ok::<(), iothub_proto::twin::TwinError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TwinReplica {
    desired: Section,
    reported: Section,
}

impl TwinReplica {
    /// The twin as the answer to a GET has it: `{"desired":{…,"$version":n},"reported":{…,"$version":n}}`.
    ///
    /// # Errors
    ///
    /// See [`TwinError`].
    pub fn from_document(document: &[u8]) -> Result<Self, TwinError> {
        let mut document = parse_object(document)?;
        let mut section = |name| match document.remove(name) {
            Some(Value::Object(members)) => Section::new(members),
            _ => Err(TwinError::NoSection),
        };
        Ok(Self { desired: section("desired")?, reported: section("reported")? })
    }

    /// The desired properties.
    #[must_use]
    pub const fn desired(&self) -> &Map<String, Value> {
        &self.desired.properties
    }

    /// The version of the desired properties.
    #[must_use]
    pub const fn desired_version(&self) -> u64 {
        self.desired.version
    }

    /// The reported properties.
    #[must_use]
    pub const fn reported(&self) -> &Map<String, Value> {
        &self.reported.properties
    }

    /// The version of the reported properties.
    #[must_use]
    pub const fn reported_version(&self) -> u64 {
        self.reported.version
    }

    /// Merges a patch of desired properties. `version` is the one of its topic.
    ///
    /// # Errors
    ///
    /// [`TwinError::Json`] or [`TwinError::NotAnObject`]; the replica is as it was.
    pub fn apply_desired(&mut self, patch: &[u8], version: u64) -> Result<Applied, TwinError> {
        self.desired.apply(patch, version)
    }

    /// Merges a patch that this device reported. `version` is the one with which the hub accepted it.
    ///
    /// # Errors
    ///
    /// [`TwinError::Json`] or [`TwinError::NotAnObject`]; the replica is as it was.
    pub fn apply_reported(&mut self, patch: &[u8], version: u64) -> Result<Applied, TwinError> {
        self.reported.apply(patch, version)
    }
}

/// What became of a patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub enum Applied {
    /// It was the next one, and is merged.
    Merged,
    /// The replica already has this version or a later one. Nothing changed.
    Stale,
    /// A patch before it is missing. Nothing changed: ask for the document, and make a new replica of it.
    Gap,
}

/// Why JSON is no twin document or patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TwinError {
    /// It is not well-formed JSON, or is nested deeper than 127 levels.
    Json,
    /// It is JSON, but not an object.
    NotAnObject,
    /// The document has no `desired` or no `reported` object.
    NoSection,
    /// A section of the document has no `$version` that is a whole number from 0 to 2⁶⁴ − 1.
    NoVersion,
}

impl fmt::Display for TwinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "not well-formed JSON",
            Self::NotAnObject => "not a JSON object",
            Self::NoSection => "no object `desired` or `reported`",
            Self::NoVersion => "no `$version`",
        })
    }
}

impl core::error::Error for TwinError {}

/// Desired or reported properties.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Section {
    properties: Map<String, Value>,
    version: u64,
}

impl Section {
    fn new(mut members: Map<String, Value>) -> Result<Self, TwinError> {
        let version = members.get("$version").and_then(Value::as_u64).ok_or(TwinError::NoVersion)?;
        keep_properties(&mut members);
        Ok(Self { properties: members, version })
    }

    fn apply(&mut self, patch: &[u8], version: u64) -> Result<Applied, TwinError> {
        if version <= self.version {
            return Ok(Applied::Stale);
        }
        if version > self.version.saturating_add(1) {
            return Ok(Applied::Gap);
        }
        let mut patch = parse_object(patch)?;
        keep_properties(&mut patch);
        merge(&mut self.properties, patch);
        self.version = version;
        Ok(Applied::Merged)
    }
}

fn parse_object(json: &[u8]) -> Result<Map<String, Value>, TwinError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(TwinError::NotAnObject),
        Err(_) => Err(TwinError::Json),
    }
}

/// Takes out what the hub adds.
fn keep_properties(members: &mut Map<String, Value>) {
    members.retain(|name, _| !name.starts_with('$'));
}

/// JSON merge patch (RFC 7396 §2) of objects. It calls itself for each level of the patch, which the parser
/// limits to 127.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(patch) => match target.entry(name).or_insert(Value::Null) {
                Value::Object(members) => merge(members, patch),
                other => {
                    // Not the patch itself: a null in it stands for no member.
                    let mut members = Map::new();
                    merge(&mut members, patch);
                    *other = Value::Object(members);
                }
            },
            value => {
                target.insert(name, value);
            }
        }
    }
}
