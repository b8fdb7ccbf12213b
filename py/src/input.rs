//! Bytes received and not yet taken by the machine.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What was received.
///
/// The caller's `bytes` are immutable, so one that comes when nothing waits is read where it is. What is left of it when
/// more comes, a packet's beginning, is copied.
pub(crate) struct Input {
    chunk: Option<Py<PyBytes>>,
    /// Where a packet began before the present chunk; empty while there is a chunk.
    rest: Vec<u8>,
    /// Bytes of either that were taken.
    taken: usize,
}

impl Input {
    pub(crate) const fn new() -> Self {
        Self { chunk: None, rest: Vec::new(), taken: 0 }
    }

    /// More bytes came.
    pub(crate) fn push(&mut self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = data.py();
        if self.filled(py).is_empty() {
            self.clear();
        }
        if let Ok(bytes) = data.cast::<PyBytes>() {
            if self.chunk.is_none() && self.rest.is_empty() {
                self.chunk = Some(bytes.clone().unbind());
            } else {
                self.gather(py).extend_from_slice(bytes.as_bytes());
            }
            return Ok(());
        }
        // Any other buffer can change under us: it is copied at once.
        let copy = PyBuffer::<u8>::get(data)?.to_vec(py)?;
        self.gather(py).extend_from_slice(&copy);
        Ok(())
    }

    /// All that waits in one piece of our own, to append to.
    fn gather(&mut self, py: Python<'_>) -> &mut Vec<u8> {
        if let Some(chunk) = self.chunk.take() {
            self.rest.extend_from_slice(chunk.as_bytes(py).get(self.taken..).unwrap_or_default());
        } else {
            self.rest.drain(..self.taken.min(self.rest.len()));
        }
        self.taken = 0;
        &mut self.rest
    }

    /// What waits.
    pub(crate) fn filled<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        let all = self.chunk.as_ref().map_or(self.rest.as_slice(), |chunk| chunk.as_bytes(py));
        all.get(self.taken..).unwrap_or_default()
    }

    /// `len` bytes of it were taken.
    pub(crate) fn take(&mut self, py: Python<'_>, len: usize) {
        self.taken = self.taken.saturating_add(len);
        if self.filled(py).is_empty() {
            self.clear();
        }
    }

    /// Drops everything, and the memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}

/// The bytes of any buffer, borrowed if they cannot change.
pub(crate) enum Payload<'py> {
    Immutable(Bound<'py, PyBytes>),
    Copied(Vec<u8>),
}

impl Payload<'_> {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Immutable(bytes) => bytes.as_bytes(),
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Payload<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Immutable(bytes.to_owned()));
        }
        Ok(Self::Copied(PyBuffer::<u8>::get(&object)?.to_vec(object.py())?))
    }
}

impl Payload<'_> {
    pub(crate) fn into_bytes(self, py: Python<'_>) -> Py<PyBytes> {
        match self {
            Self::Immutable(bytes) => bytes.unbind(),
            Self::Copied(bytes) => PyBytes::new(py, &bytes).unbind(),
        }
    }
}
