//! What a message to the cloud is made of.

use crate::input::Payload;
use crate::properties::{self, SystemProperties, application_pairs};
use iothub_proto::Telemetry as Message;
use iothub_proto::packet::QoS;
use iothub_proto::topic::{PropertySource, SystemProperties as System};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString, PyTuple};
use std::cell::RefCell;

/// Properties that are lent without another allocation.
const FEW: usize = 8;

/// Application properties, held while the machine reads them, which it does more than once.
pub(crate) struct Pairs<'py>(Vec<(Bound<'py, PyString>, Bound<'py, PyString>)>);

impl<'py> Pairs<'py> {
    /// Out of a mapping or an iterable of pairs.
    pub(crate) fn collect(source: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        let Some(source) = source else { return Ok(Self(Vec::new())) };
        let py = source.py();
        if let Ok(dict) = source.cast_exact::<PyDict>() {
            let pairs = RefCell::new(Vec::with_capacity(dict.len()));
            dict.locked_for_each(|name, value| {
                pairs.borrow_mut().push((text(name)?, text(value)?));
                Ok(())
            })?;
            return Ok(Self(pairs.into_inner()));
        }
        if source.is_instance(properties::class(py)?)? {
            // Sent on as they were received, repeated ones, too.
            let bag = source.getattr(intern!(py, "raw"))?.cast_into::<PyString>()?;
            let valued = application_pairs(py, bag.to_str()?)?.into_iter().map(|(name, value)| match value {
                Some(value) => Ok((name, value)),
                None => Err(PyTypeError::new_err("a property without a value cannot be sent")),
            });
            return Ok(Self(valued.collect::<PyResult<_>>()?));
        }
        let items = match source.cast::<PyMapping>() {
            Ok(mapping) => mapping.items()?.into_any(),
            Err(_) => source.clone(),
        };
        let pair = |item: PyResult<Bound<'py, PyAny>>| {
            let item = item?;
            let tuple = item.cast::<PyTuple>().cloned();
            let tuple = tuple
                .or_else(|_| item.try_iter()?.collect::<PyResult<Vec<_>>>().and_then(|it| PyTuple::new(py, it)))?;
            if tuple.len() != 2 {
                return Err(PyValueError::new_err("properties are pairs of a name and a value"));
            }
            Ok((text(tuple.get_item(0)?)?, text(tuple.get_item(1)?)?))
        };
        Ok(Self(items.try_iter()?.map(pair).collect::<PyResult<_>>()?))
    }

    /// Gives them to `use_them` as the machine takes them.
    pub(crate) fn lend<T>(&self, use_them: impl FnOnce(&dyn PropertySource) -> T) -> PyResult<T> {
        let mut few = [("", ""); FEW];
        if let Some(few) = few.get_mut(..self.0.len()) {
            for (to, (name, value)) in few.iter_mut().zip(&self.0) {
                *to = (name.to_str()?, value.to_str()?);
            }
            return Ok(use_them(&&*few));
        }
        let many = self.0.iter().map(|(name, value)| Ok((name.to_str()?, value.to_str()?)));
        Ok(use_them(&many.collect::<PyResult<Vec<_>>>()?))
    }
}

fn text<'py>(value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    value.cast_into::<PyString>().map_err(|error| {
        let found = error.into_inner().get_type();
        PyTypeError::new_err(format!("names and values of properties are str, not {found}"))
    })
}

/// 0 or 1.
pub(crate) fn qos(qos: u8) -> PyResult<QoS> {
    match qos {
        0 => Ok(QoS::AtMostOnce),
        1 => Ok(QoS::AtLeastOnce),
        _ => Err(PyValueError::new_err("IoT Hub has QoS 0 and 1")),
    }
}

/// A device-to-cloud message that is kept: the will of Client.connect.
///
/// payload: the body, bytes or another buffer.
/// properties: the application's, as a mapping or as pairs of str.
/// qos: 1, or 0.
/// system: the properties that the hub knows.
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct Telemetry {
    /// The body.
    #[pyo3(get)]
    payload: Py<PyBytes>,
    pairs: Vec<(Py<PyString>, Py<PyString>)>,
    /// 1, or 0.
    #[pyo3(get)]
    qos: u8,
    /// The properties that the hub knows.
    #[pyo3(get)]
    system: Option<Py<SystemProperties>>,
}

impl Telemetry {
    /// Gives it to `use_it` as the machine takes it.
    pub(crate) fn lend<T>(&self, py: Python<'_>, use_it: impl FnOnce(&Message<'_>) -> T) -> PyResult<T> {
        let pairs = self.pairs.iter().map(|(name, value)| (name.bind(py).clone(), value.bind(py).clone())).collect();
        let system = self.system.as_ref().map(|system| system.get().lend(py)).transpose()?.unwrap_or(System::NONE);
        let (payload, qos) = (self.payload.as_bytes(py), qos(self.qos)?);
        Pairs(pairs).lend(|properties| use_it(&Message { payload, qos, system: &system, properties: &properties }))
    }
}

#[pymethods]
impl Telemetry {
    #[new]
    #[pyo3(signature = (payload, properties=None, *, qos=1, system=None))]
    fn new(
        py: Python<'_>,
        payload: Payload<'_>,
        properties: Option<&Bound<'_, PyAny>>,
        qos: u8,
        system: Option<Py<SystemProperties>>,
    ) -> PyResult<Self> {
        self::qos(qos)?;
        let pairs = Pairs::collect(properties)?.0.into_iter();
        let pairs = pairs.map(|(name, value)| (name.unbind(), value.unbind())).collect();
        Ok(Self { payload: payload.into_bytes(py), pairs, qos, system })
    }

    /// The application's properties, in their order.
    #[getter]
    fn properties(&self, py: Python<'_>) -> Vec<(Py<PyString>, Py<PyString>)> {
        self.pairs.iter().map(|(name, value)| (name.clone_ref(py), value.clone_ref(py))).collect()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let payload = crate::record::Field::shown(&self.payload, py)?;
        Ok(format!("Telemetry({payload}, qos={}, properties={})", self.qos, self.pairs.len()))
    }
}
