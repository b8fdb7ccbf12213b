//! Application properties to send, in whatever shape the caller has them.

#[cfg(feature = "alloc")]
use alloc::{collections::BTreeMap, vec::Vec};
#[cfg(feature = "std")]
use std::collections::HashMap;

/// The application properties of an outgoing message.
///
/// Arrays, slices, vectors and maps of text pairs have it, and so has `()`, which is none. For a
/// slice of a length known at run time, pass a reference to it: `&slice`.
///
/// ```
/// use iothub_proto::topic::PropertySource;
/// struct Reading { celsius: &'static str }
/// impl PropertySource for Reading {
///     fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
///         each("unit", "C");
///         each("value", self.celsius);
///     }
/// }
/// ```
pub trait PropertySource {
    /// Calls `each` with the name and the value, unencoded, of every property.
    ///
    /// It is called more than once for a message, and has to say the same each time. The order is kept.
    fn visit(&self, each: &mut dyn FnMut(&str, &str));
}

impl PropertySource for () {
    fn visit(&self, _each: &mut dyn FnMut(&str, &str)) {}
}

impl<T: PropertySource + ?Sized> PropertySource for &T {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        (**self).visit(each);
    }
}

impl<K: AsRef<str>, V: AsRef<str>> PropertySource for [(K, V)] {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self {
            each(name.as_ref(), value.as_ref());
        }
    }
}

impl<K: AsRef<str>, V: AsRef<str>, const N: usize> PropertySource for [(K, V); N] {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        self.as_slice().visit(each);
    }
}

#[cfg(feature = "alloc")]
impl<K: AsRef<str>, V: AsRef<str>> PropertySource for Vec<(K, V)> {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        self.as_slice().visit(each);
    }
}

/// In the map's order, which is none.
#[cfg(feature = "std")]
impl<K: AsRef<str>, V: AsRef<str>, S> PropertySource for HashMap<K, V, S> {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self {
            each(name.as_ref(), value.as_ref());
        }
    }
}

#[cfg(feature = "alloc")]
impl<K: AsRef<str>, V: AsRef<str>> PropertySource for BTreeMap<K, V> {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self {
            each(name.as_ref(), value.as_ref());
        }
    }
}
