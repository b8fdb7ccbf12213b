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
    /// Bytes behind those.
    waiting: usize,
}

impl Input {
    pub(crate) const fn new() -> Self {
        Self { chunk: None, rest: Vec::new(), taken: 0, waiting: 0 }
    }

    /// More bytes came. How many.
    pub(crate) fn push(&mut self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = data.py();
        let len = if let Ok(bytes) = data.cast::<PyBytes>() {
            let came = bytes.as_bytes();
            if self.waiting == 0 {
                (self.chunk, self.taken) = (Some(bytes.clone().unbind()), 0);
            } else {
                self.gather(py).extend_from_slice(came);
            }
            came.len()
        } else {
            // Any other buffer can change under us: it is copied at once.
            let copy = PyBuffer::<u8>::get(data)?.to_vec(py)?;
            self.gather(py).extend_from_slice(&copy);
            copy.len()
        };
        self.waiting = self.waiting.saturating_add(len);
        Ok(len)
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

    /// How many bytes wait.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// What waits.
    pub(crate) fn filled<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        if self.waiting == 0 {
            return &[];
        }
        let all = self.chunk.as_ref().map_or(self.rest.as_slice(), |chunk| chunk.as_bytes(py));
        all.get(self.taken..).unwrap_or_default()
    }

    /// `len` bytes of it were taken.
    pub(crate) fn take(&mut self, len: usize) {
        self.taken = self.taken.saturating_add(len);
        self.waiting = self.waiting.saturating_sub(len);
        if self.waiting == 0 && self.taken > 0 {
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
