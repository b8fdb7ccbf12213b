//! Members of the enums in `_enums.py`, found by the names that the machine's own enums have.

use iothub_proto::State;
use iothub_proto::topic::Features;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyAny, PyType};
use std::fmt::Debug;

/// An enum of `_enums.py`.
pub(crate) struct Enum {
    name: &'static str,
    class: PyOnceLock<Py<PyType>>,
}

impl Enum {
    const fn new(name: &'static str) -> Self {
        Self { name, class: PyOnceLock::new() }
    }

    fn class<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        self.class.import(py, "iothub_proto._enums", self.name)
    }

    /// The member for a value of the machine's enum of the same name.
    pub(crate) fn member<'py>(&self, py: Python<'py>, value: impl Debug) -> PyResult<Bound<'py, PyAny>> {
        self.named(py, &snake(&format!("{value:?}")).to_uppercase())
    }

    /// The member of this name.
    pub(crate) fn named<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.class(py)?.getattr(name)
    }
}

pub(crate) static APPLIED: Enum = Enum::new("Applied");
pub(crate) static DISCONNECT_REASON: Enum = Enum::new("DisconnectReason");
pub(crate) static LAST_SENT: Enum = Enum::new("LastSent");
pub(crate) static PATCH_RULE: Enum = Enum::new("PatchRule");
pub(crate) static REGISTRATION_FAILURE: Enum = Enum::new("RegistrationFailure");
pub(crate) static REQUEST_FAILURE: Enum = Enum::new("RequestFailure");
pub(crate) static RETRY_CAUSE: Enum = Enum::new("RetryCause");
pub(crate) static STREAM_KIND: Enum = Enum::new("StreamKind");
pub(crate) static TIMEOUT_REASON: Enum = Enum::new("TimeoutReason");
pub(crate) static USAGE: Enum = Enum::new("Usage");
pub(crate) static VIOLATION: Enum = Enum::new("Violation");
pub(crate) static WEBSOCKET_FAILURE: Enum = Enum::new("WebSocketFailure");
pub(crate) static WEBSOCKET_STATE: Enum = Enum::new("WebSocketState");
pub(crate) static WITHDRAWN: Enum = Enum::new("Withdrawn");
static FEATURE: Enum = Enum::new("Feature");
static STATE: Enum = Enum::new("State");

/// `BadText { field: … }` is `bad_text`.
pub(crate) fn snake(debug: &str) -> String {
    let mut name = String::new();
    for letter in debug.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The member of `State`; drivers ask for it often.
pub(crate) fn state(py: Python<'_>, state: State) -> PyResult<Py<PyAny>> {
    static MEMBERS: PyOnceLock<Vec<Py<PyAny>>> = PyOnceLock::new();
    let members = MEMBERS.get_or_try_init(py, || {
        State::ALL.iter().map(|state| Ok(STATE.member(py, state)?.unbind())).collect::<PyResult<_>>()
    })?;
    match members.get(state as usize) {
        Some(member) => Ok(member.clone_ref(py)),
        None => Ok(STATE.member(py, state)?.unbind()),
    }
}

/// The `Feature` with these members.
pub(crate) fn feature(py: Python<'_>, features: Features) -> PyResult<Bound<'_, PyAny>> {
    FEATURE.class(py)?.call1((features.bits(),))
}

/// The features a caller named.
pub(crate) fn features(feature: u8) -> PyResult<Features> {
    Features::from_bits(feature).ok_or_else(|| PyValueError::new_err("no such feature"))
}
