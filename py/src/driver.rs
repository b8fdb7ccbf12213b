//! What drives the machine: input that waits, the end of input, what is taken as sent.

use crate::errors::Fault;
use crate::events::convert;
use crate::input::Input;
use crate::time::instant;
use iothub_proto::time::Instant;
use iothub_proto::{Handled, OwnedClient, State};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Where the end of input is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Not in sight.
    Open,
    /// Behind the bytes that wait.
    Waits,
    /// The machine was told.
    Told,
}

/// The machine with the input it has not taken yet.
pub(crate) struct Inner {
    pub(crate) machine: OwnedClient,
    pub(crate) input: Input,
    /// When the last call was made.
    pub(crate) now: Instant,
    pub(crate) end: End,
}

impl Inner {
    pub(crate) const fn new(machine: OwnedClient) -> Self {
        Self { machine, input: Input::new(), now: Instant::ZERO, end: End::Open }
    }

    /// Notes when a call is made.
    pub(crate) fn at(&mut self, now: f64) -> Result<Instant, Fault> {
        self.now = instant(now)?;
        Ok(self.now)
    }

    /// The transport is gone. What came before is taken in first.
    pub(crate) fn eof(&mut self, py: Python<'_>) -> Result<(), Fault> {
        if self.end != End::Told && self.input.filled(py).is_empty() {
            self.machine.handle_eof(self.now)?;
            self.end = End::Told;
        } else if self.end == End::Open {
            self.end = End::Waits;
        }
        Ok(())
    }

    pub(crate) fn next_event<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let outcome = self.machine.handle_input(self.now, self.input.filled(py));
            let over = matches!(self.machine.state(), State::Offline | State::Failed);
            let (consumed, event) = match outcome {
                Ok(Handled { consumed, event, .. }) => (consumed, event.map(|event| convert(py, &event))),
                Err(error) => {
                    if over {
                        self.input.clear();
                    }
                    return Err(Fault::from(error).into());
                }
            };
            if over {
                // What is left came on a connection that is over, and would be taken for the next one's.
                self.input.clear();
            } else {
                self.input.take(py, consumed);
            }
            if event.is_some() {
                return event.transpose();
            }
            if consumed == 0 {
                if self.end != End::Waits {
                    return Ok(None);
                }
                // No more will come of the packet that has begun.
                self.input.clear();
                self.eof(py)?;
            }
        }
    }

    /// Up to `most` bytes, taken as sent.
    pub(crate) fn data_to_send<'py>(&mut self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyBytes>> {
        if self.end != End::Open {
            return Ok(PyBytes::new(py, b""));
        }
        let Some(first) = self.machine.poll_transmit() else { return Ok(PyBytes::new(py, b"")) };
        let first = first.get(..most).unwrap_or(first);
        let mut len = first.len();
        // Mostly it is one packet: it is copied once.
        let one = PyBytes::new(py, first);
        let mut all = Vec::new();
        self.machine.confirm_transmit(self.now, len).map_err(Fault::from)?;
        while len < most
            && let Some(next) = self.machine.poll_transmit()
        {
            if all.is_empty() {
                all.extend_from_slice(one.as_bytes());
            }
            let next = next.get(..most - len).unwrap_or(next);
            let taken = next.len();
            all.extend_from_slice(next);
            len += taken;
            self.machine.confirm_transmit(self.now, taken).map_err(Fault::from)?;
        }
        Ok(if all.is_empty() { one } else { PyBytes::new(py, &all) })
    }
}
