//! Immutable records: what events are made of.

use crate::enums::{DISCONNECT_REASON, LAST_SENT, REQUEST_FAILURE, feature};
use crate::errors::exception;
use crate::properties;
use crate::time::span;
use atomic_refcell::AtomicRefCell;
use iothub_proto::error::Error;
use iothub_proto::event::{DisconnectReason, LastSent, RequestError};
use iothub_proto::time::Duration;
use iothub_proto::topic::{Features, Properties as Bag};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Bytes of a payload that `repr` shows.
const SHOWN: usize = 48;

/// What a field holds: cheap to keep, a Python object when asked for.
pub(crate) trait Field {
    /// The Python object.
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;

    /// Whether both are the same.
    fn same(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        self.object(py)?.eq(other.object(py)?)
    }

    /// What `repr` of its record shows.
    fn shown(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.object(py)?.repr()?.to_string())
    }
}

/// Defines the class of a record: getters, `__match_args__`, `__eq__`, `__repr__`.
macro_rules! record {
    (
        $(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
        $($more:item)*
    ) => {
        $(#[$doc])*
        #[pyo3::pyclass(frozen, module = "iothub_proto")]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }

        #[pyo3::pymethods]
        impl $name {
            #[classattr]
            fn __match_args__(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Bound<'_, pyo3::types::PyTuple>> {
                pyo3::types::PyTuple::new(py, [$(stringify!($field),)*] as [&str; _])
            }

            $(
                $(#[$field_doc])*
                #[getter]
                fn $field<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                    $crate::record::Field::object(&self.$field, py)
                }
            )*

            fn __eq__(&self, other: &pyo3::Bound<'_, pyo3::PyAny>) -> pyo3::PyResult<pyo3::Py<pyo3::PyAny>> {
                let py = other.py();
                let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
                let _other = other.get();
                let same = true $(&& $crate::record::Field::same(&self.$field, py, &_other.$field)?)*;
                pyo3::IntoPyObjectExt::into_py_any(same, py)
            }

            fn __repr__(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<String> {
                let _ = py;
                let fields: Vec<String> =
                    vec![$(format!("{}={}", stringify!($field), $crate::record::Field::shown(&self.$field, py)?),)*];
                Ok(format!("{}({})", stringify!($name), fields.join(", ")))
            }

            $($more)*
        }
    };
}
pub(crate) use record;

macro_rules! plain_fields {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.into_bound_py_any(py)
            }
        }
    )*};
}

plain_fields!(bool, u8, u16, u32, Option<u16>, Option<u32>, Option<u64>, Py<PyString>);

impl<T> Field for Option<Py<T>>
where
    T: pyo3::PyTypeInfo,
{
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.into_bound_py_any(py)
    }
}

impl Field for Py<PyBytes> {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.bind(py).clone().into_any())
    }

    fn shown(&self, py: Python<'_>) -> PyResult<String> {
        let bytes = self.as_bytes(py);
        match bytes.get(..SHOWN) {
            Some(front) if bytes.len() > SHOWN => {
                Ok(format!("<{} bytes: {}...>", bytes.len(), PyBytes::new(py, front).repr()?))
            }
            _ => Ok(self.bind(py).repr()?.to_string()),
        }
    }
}

impl Field for Features {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        feature(py, *self)
    }
}

impl Field for Duration {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        span(*self).into_bound_py_any(py)
    }
}

impl Field for RequestError {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        REQUEST_FAILURE.member(py, self)
    }
}

impl Field for DisconnectReason {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        DISCONNECT_REASON.member(py, self)
    }
}

impl Field for Option<LastSent> {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.map_or_else(|| Ok(py.None().into_bound(py)), |last_sent| LAST_SENT.member(py, last_sent))
    }
}

/// The exception is made when asked for: one that was raised before would bring its traceback.
impl Field for Option<Error> {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.map_or_else(|| Ok(py.None().into_bound(py)), |error| exception(py, error))
    }

    fn same(&self, _: Python<'_>, other: &Self) -> PyResult<bool> {
        Ok(self == other)
    }
}

/// A property bag, until somebody wants it.
pub(crate) struct Lazy {
    bag: Py<PyBytes>,
    properties: AtomicRefCell<Option<Py<PyAny>>>,
}

impl Lazy {
    pub(crate) fn new(py: Python<'_>, bag: Bag<'_>) -> Self {
        // A str would be checked and measured first, and few ask for it.
        Self { bag: PyBytes::new(py, bag.raw().as_bytes()).unbind(), properties: AtomicRefCell::new(None) }
    }
}

impl Field for Option<Lazy> {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.as_ref().map_or_else(|| Ok(py.None().into_bound(py)), |lazy| lazy.object(py))
    }
}

impl Field for Lazy {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // Who meets another thread in there goes without.
        let Ok(mut kept) = self.properties.try_borrow_mut() else { return properties::received(self.bag.bind(py)) };
        if let Some(properties) = &*kept {
            return Ok(properties.bind(py).clone());
        }
        let properties = properties::received(self.bag.bind(py))?;
        *kept = Some(properties.clone().unbind());
        Ok(properties)
    }

    fn same(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        Ok(self.bag.as_bytes(py) == other.bag.as_bytes(py))
    }
}
