//! A copy of the twin, kept up to date.

use crate::enums::APPLIED;
use crate::errors::{Fault, bad_twin};
use crate::input::Payload;
use iothub_proto::error::UsageError;
use iothub_proto::twin::{TwinReplica as Replica, check_patch as check};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::{Map, Value};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A copy of the twin: desired and reported properties, each with its version. Names that begin with '$' are the hub's
/// and kept out.
///
/// document: the payload of TwinDocument. Raises LocalProtocolError for what is no such JSON.
///
/// >>> from iothub_proto import TwinReplica
/// >>> twin = TwinReplica(b'{"desired":{"speed":3,"$version":7},"reported":{"$version":1}}')
/// >>> twin.apply_desired(b'{"speed":5,"$version":8}', 8)
/// <Applied.MERGED: 'merged'>
/// >>> twin.desired
/// {'speed': 5}
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct TwinReplica(Mutex<Replica>);

impl TwinReplica {
    fn replica(&self) -> MutexGuard<'_, Replica> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl TwinReplica {
    #[new]
    #[pyo3(signature = (document, /))]
    fn new(py: Python<'_>, document: Payload<'_>) -> PyResult<Self> {
        let replica = Replica::from_document(document.as_bytes()).map_err(|error| bad_twin(py, error))?;
        Ok(Self(Mutex::new(replica)))
    }

    /// A new dict of the desired properties.
    #[getter]
    fn desired<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        object(py, self.replica().desired())
    }

    /// The version of the desired properties.
    #[getter]
    fn desired_version(&self) -> u64 {
        self.replica().desired_version()
    }

    /// A new dict of the reported properties.
    #[getter]
    fn reported<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        object(py, self.replica().reported())
    }

    /// The version of the reported properties.
    #[getter]
    fn reported_version(&self) -> u64 {
        self.replica().reported_version()
    }

    /// Merges a patch of desired properties: payload and version of TwinDesired.
    #[pyo3(signature = (patch, version, /))]
    fn apply_desired<'py>(&self, py: Python<'py>, patch: Payload<'_>, version: u64) -> PyResult<Bound<'py, PyAny>> {
        let applied = self.replica().apply_desired(patch.as_bytes(), version);
        APPLIED.member(py, applied.map_err(|error| bad_twin(py, error))?)
    }

    /// Merges a patch that this device reported; version is that of TwinReported.
    #[pyo3(signature = (patch, version, /))]
    fn apply_reported<'py>(&self, py: Python<'py>, patch: Payload<'_>, version: u64) -> PyResult<Bound<'py, PyAny>> {
        let applied = self.replica().apply_reported(patch.as_bytes(), version);
        APPLIED.member(py, applied.map_err(|error| bad_twin(py, error))?)
    }

    fn __repr__(&self) -> String {
        let replica = self.replica();
        format!("<TwinReplica desired={} reported={}>", replica.desired_version(), replica.reported_version())
    }
}

/// Checks a patch of reported properties against the rules of device twins. Client.twin_report does so itself.
///
/// Raises LocalProtocolError with the rule.
#[pyfunction]
#[pyo3(signature = (patch, /))]
pub(crate) fn check_patch(patch: Payload<'_>) -> Result<(), Fault> {
    check(patch.as_bytes()).map_err(|rule| UsageError::BadPatch(rule).into())
}

fn object<'py>(py: Python<'py>, members: &Map<String, Value>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in members {
        dict.set_item(name, python(py, value)?)?;
    }
    Ok(dict)
}

/// It calls itself for each level, which the parser limits to 127.
fn python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => integer.into_bound_py_any(py),
            (None, Some(integer)) => integer.into_bound_py_any(py),
            (None, None) => number.as_f64().into_bound_py_any(py),
        },
        Value::String(text) => text.into_bound_py_any(py),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| python(py, item)).collect::<PyResult<_>>()?;
            Ok(PyList::new(py, items)?.into_any())
        }
        Value::Object(members) => Ok(object(py, members)?.into_any()),
    }
}
