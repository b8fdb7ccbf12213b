//! Reads one value out of JSON: the `$version` of a twin that nobody holds in memory, or any value by its path.
//!
//! [`Finder`] knows the grammar and where in the document it stands, and points at the bytes of one value;
//! [`VersionReader`] makes a number of them, [`value`] has the readers of any value, [`members`] that of all members of an
//! object. They differ in the [`Path`].

mod emit;
mod finder;
mod members;
#[cfg(test)]
mod tests;
mod value;

use super::append_digit;
pub(crate) use emit::put_json_number;
pub use emit::put_json_text;
use finder::{Finder, Path, Step};
pub use members::JsonMembers;
pub(crate) use members::{Members, Part};
pub use value::{JsonError, JsonText, JsonValue, ValueReader, check_json, json_value};

/// Finds a desired `$version` in twin JSON that comes in pieces, without holding it.
///
/// The document is read as a JSON parser reads it, but byte by byte, in constant memory: only the `$version`
/// that stands directly in the right object counts, not one in `reported`, in a component, or in a string.
/// As `serde_json` does, it takes the last of duplicate members, and a name spelled with escapes
/// (`"\u0024version"`) is the same name.
///
/// There is no version before the document is complete, nor in one that is ill-formed: no guess is made
/// from half a document. Ill-formed is what the grammar of RFC 8259 forbids, nesting deeper than 63 levels (a
/// twin has 12), and anything but white space after the end. Two errors that cannot move a value go
/// unnoticed: bytes of a string that are no UTF-8, and escaped surrogates without their other half.
///
/// ```
/// use iothub_proto::wire::VersionReader;
/// let mut reader = VersionReader::document();
/// reader.feed(br#"{"desired":{"fan":{"$version":1},"$ver"#);
/// reader.feed(br#"sion":7},"reported":{"$version":31"#);
/// assert_eq!(reader.version(), None);
/// reader.feed(b"}}");
/// assert_eq!(reader.version(), Some(7));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionReader {
    finder: Finder<TwinPath>,
    version: Option<u64>,
}

impl VersionReader {
    /// For a whole twin, the answer to GET: finds `$version` in the member `desired` of the top object.
    #[must_use]
    pub const fn document() -> Self {
        Self { finder: Finder::new(TwinPath, 0), version: None }
    }

    /// For a patch of desired properties: finds `$version` in the top object.
    #[must_use]
    pub const fn patch() -> Self {
        Self { finder: Finder::new(TwinPath, 1), version: None }
    }

    /// Reads the next bytes. They may be cut anywhere, and none is kept.
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.finder.step(byte) {
                Step::Elsewhere => continue,
                Step::Forget => self.version = None,
                Step::First => self.version = Some(0),
                Step::Next => {}
            }
            append_digit(&mut self.version, byte);
        }
    }

    /// The version, once the document is complete; `None` if it has none, if it is ill-formed, or if the
    /// version is no whole number from 0 to 2⁶⁴ − 1 in plain digits.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        if self.finder.is_complete() { self.version } else { None }
    }
}

/// The path of a version in a document: `$version` in `desired` in the top object. A patch has in its top object what a
/// document has in `desired`, so there the first name is found from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct TwinPath;

impl Path for TwinPath {
    const ASCII: bool = true;

    fn name(&self, found: u8) -> Option<&[u8]> {
        Some(if found == 0 { b"desired" } else { b"$version" })
    }

    fn is_last(&self, found: u8) -> bool {
        found > 0
    }
}
