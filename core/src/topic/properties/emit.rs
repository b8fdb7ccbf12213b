//! Writing a bag.

use super::{PropertySource, SystemProperties};
use crate::error::{Field, UsageError};
use crate::wire::{Writer, put_encoded};

/// Writes a bag: the system properties that are set, then the application's in their order.
///
/// Returns how many bytes the hub counts for it towards a message's size: the values of system properties, and
/// the names and values of application properties, all unencoded. No system property and no application
/// property is an empty bag.
pub fn put_bag(writer: &mut Writer<'_>, system: &SystemProperties<'_>, properties: &dyn PropertySource) -> usize {
    let mut bag = Bag { start: writer.len(), writer, counted: 0 };
    for (name, value) in system.pairs() {
        bag.put(name, value, value.len());
    }
    properties.visit(&mut |name, value| bag.put(name, value, name.len().saturating_add(value.len())));
    bag.counted
}

/// A bag as far as it is written.
struct Bag<'w, 'b> {
    writer: &'w mut Writer<'b>,
    /// Where in `writer` it began.
    start: usize,
    /// What the hub counts of it, in bytes.
    counted: usize,
}

impl Bag<'_, '_> {
    /// Appends a pair of which the hub counts `counted` bytes.
    #[cfg_attr(target_os = "none", inline(never))] // Into a closure, which a firmware has twice.
    fn put(&mut self, name: &str, value: &str, counted: usize) {
        if self.writer.len() != self.start {
            self.writer.put_u8(b'&');
        }
        put_encoded(self.writer, name.as_bytes());
        self.writer.put_u8(b'=');
        put_encoded(self.writer, value.as_bytes());
        self.counted = self.counted.saturating_add(counted);
    }
}

/// Refuses what no bag can carry: a property without a name.
///
/// Any other name and any value can be sent: what MQTT or the hub could mistake is percent-encoded.
///
/// ```
/// use iothub_proto::error::{Field, UsageError};
/// use iothub_proto::topic::properties::check;
/// assert_eq!(check(&[("alarm", "")]), Ok(()));
/// assert_eq!(check(&[("", "on")]), Err(UsageError::BadText { field: Field::PropertyName, at: 0 }));
/// ```
///
/// # Errors
///
/// [`UsageError::BadText`] with [`Field::PropertyName`].
pub fn check(properties: &dyn PropertySource) -> Result<(), UsageError> {
    let mut result = Ok(());
    properties.visit(&mut |name, _| {
        if name.is_empty() {
            result = Err(UsageError::BadText { field: Field::PropertyName, at: 0 });
        }
    });
    result
}
