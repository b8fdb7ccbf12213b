//! Property bags of messages: received ones are read on demand.

use iothub_proto::topic::{Encoded, Properties as Bag, Property, ReceivedSystem, SystemProperties as System};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use pyo3::{IntoPyObjectExt, intern};
use std::sync::Mutex;

/// The class of received properties, in `_properties.py`: a `dict`, which nothing of PyO3's can extend in every Python,
/// because copying one is what readers do most.
pub(crate) fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "iothub_proto._properties", "Properties")
}

/// The properties of a received message: `Properties(bag)`, without running Python for it.
pub(crate) fn received<'py>(bag: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    let py = bag.py();
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let properties = CLASS.import(py, "iothub_proto._properties", "_Received")?.call0()?;
    // It was checked when it came.
    read_bag(properties.cast()?, str::from_utf8(bag.as_bytes()).unwrap_or_default())?;
    properties.setattr(intern!(py, "_bag"), bag)?;
    Ok(properties)
}

/// Puts the application's properties, the first of each name, into an empty dict.
#[pyfunction]
#[pyo3(signature = (properties, bag, /))]
pub(crate) fn read_bag(properties: &Bound<'_, PyDict>, bag: &str) -> PyResult<()> {
    let py = properties.py();
    let mut count = 0usize;
    // Who meets another thread in there goes without.
    let mut names = NAMES.try_lock().ok();
    for property in Bag::new(bag).application() {
        let name = match names.as_mut() {
            Some(names) => names.name(py, property.name)?,
            None => text(py, property.name)?,
        };
        properties.set_item(name, value(py, &property)?)?;
        count += 1;
    }
    drop(names);
    if properties.len() == count {
        return Ok(());
    }
    // A name is repeated, which is rare: once more, with care.
    properties.clear();
    for property in Bag::new(bag).application() {
        let name = text(py, property.name)?;
        if !properties.contains(&name)? {
            properties.set_item(name, value(py, &property)?)?;
        }
    }
    Ok(())
}

/// The application's properties as they stand, repeated ones, too.
#[pyfunction]
#[pyo3(signature = (bag, /))]
pub(crate) fn application_pairs<'py>(py: Python<'py>, bag: &str) -> PyResult<Vec<Pair<'py>>> {
    Bag::new(bag).application().map(|property| pair(py, &property)).collect()
}

/// All properties as they stand: the application's and, by the names they have on the wire, the system's.
#[pyfunction]
#[pyo3(signature = (bag, /))]
pub(crate) fn all_pairs<'py>(py: Python<'py>, bag: &str) -> PyResult<Vec<Pair<'py>>> {
    Bag::new(bag).iter().map(|property| pair(py, &property)).collect()
}

/// The properties that the hub knows.
#[pyfunction]
#[pyo3(signature = (bag, /))]
pub(crate) fn system_properties(py: Python<'_>, bag: &str) -> PyResult<SystemProperties> {
    SystemProperties::received(py, &Bag::new(bag).system())
}

/// Bytes of a text that is decoded without an allocation.
const SHORT: usize = 128;

type Pair<'py> = (Bound<'py, PyString>, Option<Bound<'py, PyString>>);

fn pair<'py>(py: Python<'py>, property: &Property<'_>) -> PyResult<Pair<'py>> {
    Ok((text(py, property.name)?, value(py, property)?))
}

/// How many names are remembered.
const REMEMBERED: usize = 64;

/// Bytes of the longest of them.
const LONGEST: usize = 32;

/// Names of properties, with their hashes. The messages of a device have the same few again and again, so those that came
/// last are kept, and all messages share them.
struct Names([Option<Known>; REMEMBERED]);

/// A name as it comes in topics, and its text.
type Known = (Box<[u8]>, Py<PyString>);

static NAMES: Mutex<Names> = Mutex::new(Names([const { None }; REMEMBERED]));

impl Names {
    fn name<'py>(&mut self, py: Python<'py>, encoded: Encoded<'_>) -> PyResult<Bound<'py, PyString>> {
        let raw = encoded.raw().as_bytes();
        let place = raw.iter().fold(raw.len(), |place, &byte| place.wrapping_mul(31).wrapping_add(byte.into()));
        let kept = self.0.get_mut(place % REMEMBERED);
        if let Some(Some((known, name))) = &kept
            && **known == *raw
        {
            return Ok(name.bind(py).clone());
        }
        let name = text(py, encoded)?;
        if let Some(kept) = kept
            && raw.len() <= LONGEST
        {
            *kept = Some((raw.into(), name.clone().unbind()));
        }
        Ok(name)
    }
}

fn value<'py>(py: Python<'py>, property: &Property<'_>) -> PyResult<Option<Bound<'py, PyString>>> {
    property.value.map(|value| text(py, value)).transpose()
}

/// Decoded; bytes that are not UTF-8 as surrogate escapes.
fn text<'py>(py: Python<'py>, encoded: Encoded<'_>) -> PyResult<Bound<'py, PyString>> {
    let raw = encoded.raw();
    if !raw.as_bytes().contains(&b'%') {
        return Ok(PyString::new(py, raw.as_str()));
    }
    if let Ok(text) = encoded.decode(&mut [0; SHORT]) {
        return Ok(PyString::new(py, text));
    }
    let bytes: Vec<u8> = encoded.bytes().collect();
    PyString::from_encoded_object(&PyBytes::new(py, &bytes), Some(c"utf-8"), Some(c"surrogateescape"))
}

macro_rules! system_properties {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// The properties that the hub knows, of a message sent or received. None is absent.
        ///
        /// One that is used for many messages is best made once.
        #[pyclass(frozen, get_all, module = "iothub_proto")]
        pub(crate) struct SystemProperties {
            $($(#[$doc])* $field: Option<Py<PyString>>,)*
        }

        #[pymethods]
        impl SystemProperties {
            #[new]
            #[allow(clippy::too_many_arguments)] // All are optional and named.
            #[pyo3(signature = (*, $($field=None,)*))]
            fn new($($field: Option<Py<PyString>>,)*) -> Self {
                Self { $($field,)* }
            }

            /// The same, of a component of an IoT Plug and Play device.
            #[pyo3(signature = (component, /))]
            fn with_component(&self, py: Python<'_>, component: Py<PyString>) -> Self {
                let mut copy = Self { $($field: self.$field.as_ref().map(|text| text.clone_ref(py)),)* };
                copy.component = Some(component);
                copy
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                let py = other.py();
                let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
                self.fields(py).eq(other.get().fields(py))?.into_py_any(py)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
                self.fields(py).hash()
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                let mut fields = Vec::new();
                $(if let Some(value) = &self.$field {
                    fields.push(format!(concat!(stringify!($field), "={}"), value.bind(py).repr()?));
                })*
                Ok(format!("SystemProperties({})", fields.join(", ")))
            }
        }

        impl SystemProperties {
            fn fields<'py>(&self, py: Python<'py>) -> Bound<'py, pyo3::types::PyList> {
                let fields = [$(&self.$field,)*];
                // A list of what exists already: only memory can be short.
                pyo3::types::PyList::new(py, fields).unwrap_or_else(|_| pyo3::types::PyList::empty(py))
            }

            fn received(py: Python<'_>, system: &ReceivedSystem<'_>) -> PyResult<Self> {
                let text = |encoded: Option<Encoded<'_>>| -> PyResult<Option<Py<PyString>>> {
                    encoded.map(|encoded| Ok(text(py, encoded)?.unbind())).transpose()
                };
                Ok(Self { $($field: text(system.$field)?,)* })
            }

            /// To send.
            pub(crate) fn lend<'a>(&'a self, py: Python<'a>) -> PyResult<System<'a>> {
                let text = |text: &'a Option<Py<PyString>>| text.as_ref().map(|text| text.to_str(py)).transpose();
                Ok(System { $($field: text(&self.$field)?,)* })
            }
        }
    };
}

system_properties! {
    /// '$.mid': message id, at most 128 ASCII characters.
    message_id,
    /// '$.cid': correlation id.
    correlation_id,
    /// '$.uid': user id.
    user_id,
    /// '$.to': destination. On every cloud-to-device message.
    to,
    /// '$.ct': content type. The hub routes by body only with application/json.
    content_type,
    /// '$.ce': content encoding. The hub routes by body only with utf-8, utf-16 or utf-32.
    content_encoding,
    /// '$.exp': absolute expiry time, ISO 8601.
    expiry,
    /// '$.ctime': creation time, ISO 8601.
    creation_time,
    /// '$.on': the output of a module.
    output,
    /// '$.ifid': interface id, of security messages.
    interface_id,
    /// '$.schema': message schema, on IoT Edge.
    schema,
    /// '$.sub': the component of an IoT Plug and Play device that the message is from.
    component,
    /// '$.cdid': the device that sent the message to a module's input. The gateway sets it.
    connection_device_id,
    /// '$.cmid': the module that sent the message to a module's input. The gateway sets it.
    connection_module_id,
    /// '$.diagid': id of a distributed trace.
    diagnostic_id,
    /// '$.diagctx': context of a distributed trace.
    diagnostic_context,
    /// 'iothub-ack': the feedback that the sender wants: none, positive, negative, full.
    ack,
    /// 'iothub-operation': operation.
    operation,
}
