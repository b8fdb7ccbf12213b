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
    let start = writer.len();
    let mut counted = 0_usize;
    for (name, value) in system.pairs() {
        put_pair(writer, start, name, value);
        counted = counted.saturating_add(value.len());
    }
    properties.visit(&mut |name, value| {
        put_pair(writer, start, name, value);
        counted = counted.saturating_add(name.len()).saturating_add(value.len());
    });
    counted
}

/// Writes a pair of the bag that began at `start`.
fn put_pair(writer: &mut Writer<'_>, start: usize, name: &str, value: &str) {
    if writer.len() != start {
        writer.put_u8(b'&');
    }
    put_encoded(writer, name.as_bytes());
    writer.put_u8(b'=');
    put_encoded(writer, value.as_bytes());
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
