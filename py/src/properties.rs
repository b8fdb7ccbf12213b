//! Property bags of messages: received ones are read on demand.

use iothub_proto::topic::{Encoded, Properties as Bag, Property, ReceivedSystem, SystemProperties as System};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyMapping, PyString};
use pyo3::{IntoPyObjectExt, intern};
use std::sync::{Arc, OnceLock};

/// The application properties of a received message: an immutable mapping of names to values, in their order.
///
/// A value is None if the property came without one (a name and no '='). Of a repeated name the first value counts;
/// multi_items() has them all, and pairs() the system properties, too. Text that is not UTF-8 when decoded has surrogate
/// escapes (PEP 383). Nothing is decoded until it is asked for.
///
/// The constructor reads a bag as it stands in a topic:
///
/// >>> from iothub_proto import Properties
/// >>> properties = Properties("room=kitchen&%24.mid=m-1")
/// >>> dict(properties)
/// {'room': 'kitchen'}
/// >>> properties.system.message_id
/// 'm-1'
#[pyclass(frozen, mapping, module = "iothub_proto")]
pub(crate) struct Properties {
    bag: Arc<str>,
    first: OnceLock<Py<PyDict>>,
}

impl Properties {
    pub(crate) const fn of(bag: Arc<str>) -> Self {
        Self { bag, first: OnceLock::new() }
    }

    /// The application's properties, the first of each name.
    fn dict<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyDict>> {
        if let Some(dict) = self.first.get() {
            return Ok(dict.bind(py));
        }
        let dict = PyDict::new(py);
        let mut count = 0usize;
        for property in application(&self.bag) {
            dict.set_item(text(py, property.name)?, value(py, &property)?)?;
            count += 1;
        }
        if dict.len() < count {
            // A name is repeated, which is rare: once more, with care.
            dict.clear();
            for property in application(&self.bag) {
                let name = text(py, property.name)?;
                if !dict.contains(&name)? {
                    dict.set_item(name, value(py, &property)?)?;
                }
            }
        }
        // Made before the lock is asked, so that nobody waits in it for the interpreter.
        Ok(self.first.get_or_init(|| dict.unbind()).bind(py))
    }
}

#[pymethods]
impl Properties {
    #[new]
    #[pyo3(signature = (bag, /))]
    fn new(bag: &str) -> Self {
        Self::of(bag.into())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.dict(py)?.len())
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.dict(key.py())?.get_item(key)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.dict(key.py())?.contains(key)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.dict(py)?.try_iter()
    }

    /// The value of a name, or the default.
    #[pyo3(signature = (key, default=None, /))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.dict(key.py())?.get_item(key)?.or(default))
    }

    /// A view of the names.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.dict(py)?.call_method0(intern!(py, "keys"))
    }

    /// A view of the values.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.dict(py)?.call_method0(intern!(py, "values"))
    }

    /// A view of names and values.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.dict(py)?.call_method0(intern!(py, "items"))
    }

    /// The application properties as they stand, repeated ones, too.
    pub(crate) fn multi_items<'py>(&self, py: Python<'py>) -> PyResult<Vec<Pair<'py>>> {
        application(&self.bag).map(|property| pair(py, &property)).collect()
    }

    /// All properties as they stand: the application's and, by the names they have on the wire, the system's.
    fn pairs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Pair<'py>>> {
        Bag::new(&self.bag).iter().map(|property| pair(py, &property)).collect()
    }

    /// The properties that the hub knows.
    #[getter]
    fn system(&self, py: Python<'_>) -> PyResult<SystemProperties> {
        SystemProperties::received(py, &Bag::new(&self.bag).system())
    }

    /// The bag as it came, percent-encoded.
    #[getter]
    fn raw(&self) -> &str {
        &self.bag
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let own = self.dict(py)?;
        if let Ok(other) = other.cast::<Self>() {
            return own.eq(other.get().dict(py)?)?.into_py_any(py);
        }
        if let Ok(other) = other.cast::<PyDict>() {
            return own.eq(other)?.into_py_any(py);
        }
        let Ok(other) = other.cast::<PyMapping>() else { return Ok(py.NotImplemented()) };
        let copy = PyDict::new(py);
        copy.update(other)?;
        own.eq(copy)?.into_py_any(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Properties({})", PyString::new(py, &self.bag).repr()?))
    }
}

/// Names of system properties after '$.'.
const SHORT_NAMES: [&str; 16] = [
    "mid", "cid", "uid", "to", "ct", "ce", "exp", "ctime", "on", "ifid", "schema", "sub", "cdid", "cmid", "diagid",
    "diagctx",
];

type Pair<'py> = (Bound<'py, PyString>, Option<Bound<'py, PyString>>);

/// The properties of `bag` that are no system properties.
fn application(bag: &str) -> impl Iterator<Item = Property<'_>> {
    Bag::new(bag).iter().filter(|property| !is_system(property))
}

/// [`Property::is_system`], which decodes the name for each one that there is, without that for spellings in use.
fn is_system(property: &Property<'_>) -> bool {
    let name = property.name.raw();
    match name.as_bytes().first() {
        Some(b'$' | b'%') => {
            let known =
                name.strip_prefix("%24.").or_else(|| name.strip_prefix("$.")).filter(|rest| !rest.contains('%'));
            known.map_or_else(|| property.is_system(), |rest| SHORT_NAMES.contains(&rest))
        }
        Some(b'i') => property.is_system(),
        _ => false,
    }
}

fn pair<'py>(py: Python<'py>, property: &Property<'_>) -> PyResult<Pair<'py>> {
    Ok((text(py, property.name)?, value(py, property)?))
}

fn value<'py>(py: Python<'py>, property: &Property<'_>) -> PyResult<Option<Bound<'py, PyString>>> {
    property.value.map(|value| text(py, value)).transpose()
}

/// Decoded; bytes that are not UTF-8 as surrogate escapes.
fn text<'py>(py: Python<'py>, encoded: Encoded<'_>) -> PyResult<Bound<'py, PyString>> {
    if !encoded.raw().contains('%') {
        return Ok(PyString::new(py, encoded.raw()));
    }
    if let Ok(text) = encoded.to_cow() {
        return Ok(PyString::new(py, &text));
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
