//! What drives a machine: input that waits, the end of input, what is taken as sent, one call at a time.

use crate::errors::{Fault, ended, in_use};
use crate::input::Input;
use crate::time::instant;
use atomic_refcell::{AtomicRefCell, AtomicRefMut};
use iothub_proto::State;
use iothub_proto::error::Error;
use iothub_proto::time::Instant;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An event as an object of Python's, if there is one.
pub(crate) type Next<'py> = PyResult<Option<Bound<'py, PyAny>>>;

/// The verbs that are driven.
pub(crate) trait Machine {
    /// The event in `input`, and how much of that was consumed.
    fn handle_input<'py>(&mut self, py: Python<'py>, now: Instant, input: &[u8], consumed: &mut usize) -> Next<'py>;
    fn poll_transmit(&mut self) -> Option<&[u8]>;
    fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error>;
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error>;
    fn handle_eof(&mut self, now: Instant) -> Result<(), Error>;
    fn state(&self) -> State;
}

/// A machine of one thread at a time.
///
/// No thread waits for another, so a flag does; and that is left with a plain store, where a `Mutex` takes a second atomic
/// operation, which is felt at each call.
pub(crate) struct Driven<M>(AtomicRefCell<Inner<M>>);

impl<M> Driven<M> {
    pub(crate) const fn new(machine: M) -> Self {
        Self(AtomicRefCell::new(Inner { machine, input: Input::new(), now: Instant::ZERO, end: End::Open }))
    }

    pub(crate) fn lock(&self, py: Python<'_>) -> PyResult<AtomicRefMut<'_, Inner<M>>> {
        self.0.try_borrow_mut().map_err(|_| in_use(py))
    }
}

/// Where the end of input is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Not in sight.
    Open,
    /// Behind the bytes that wait.
    Waits,
    /// The machine was told.
    Told,
}

/// The machine with the input it has not taken yet.
pub(crate) struct Inner<M> {
    pub(crate) machine: M,
    input: Input,
    /// When the last call was made.
    now: Instant,
    end: End,
}

impl<M: Machine> Inner<M> {
    /// Notes when a call is made.
    pub(crate) fn at(&mut self, now: f64) -> Result<Instant, Fault> {
        self.now = instant(now)?;
        Ok(self.now)
    }

    /// A new transport is there, and `connect` begins on it.
    pub(crate) fn connect(&mut self, now: f64, connect: impl FnOnce(&mut M, Instant) -> PyResult<()>) -> PyResult<()> {
        let now = instant(now)?;
        if self.end == End::Waits {
            // The caller has moved on.
            self.input.clear();
            self.eof()?;
        }
        connect(&mut self.machine, now)?;
        self.now = now;
        self.end = End::Open;
        self.input.clear();
        Ok(())
    }

    /// Bytes came in, or with none of them the end.
    pub(crate) fn receive(&mut self, data: &Bound<'_, PyAny>, now: f64) -> PyResult<()> {
        self.at(now)?;
        if self.end == End::Open {
            if self.input.push(data)? > 0 {
                return Ok(());
            }
        } else if data.len()? > 0 {
            return Err(ended(data.py()));
        }
        Ok(self.eof()?)
    }

    /// Time has come. What is fatal comes again as an event.
    pub(crate) fn handle_timeout(&mut self, now: f64) -> PyResult<()> {
        let now = self.at(now)?;
        match self.machine.handle_timeout(now) {
            Err(error) if !error.is_fatal() => Err(Fault::from(error).into()),
            _ => Ok(()),
        }
    }

    /// Bytes of input that wait.
    pub(crate) const fn waiting(&self) -> usize {
        self.input.waiting()
    }

    /// The transport is gone. What came before is taken in first.
    pub(crate) fn eof(&mut self) -> Result<(), Fault> {
        if self.end != End::Told && self.input.waiting() == 0 {
            self.machine.handle_eof(self.now)?;
            self.end = End::Told;
        } else if self.end == End::Open {
            self.end = End::Waits;
        }
        Ok(())
    }

    pub(crate) fn next_event<'py>(&mut self, py: Python<'py>) -> Next<'py> {
        loop {
            let mut consumed = 0;
            let event = self.machine.handle_input(py, self.now, self.input.filled(py), &mut consumed);
            if matches!(self.machine.state(), State::Offline | State::Failed) {
                // What is left came on a connection that is over, and would be taken for the next one's.
                self.input.clear();
            } else {
                self.input.take(consumed);
            }
            if !matches!(event, Ok(None)) {
                return event;
            }
            if consumed == 0 {
                if self.end != End::Waits {
                    return event;
                }
                // No more will come of the packet that has begun.
                self.input.clear();
                self.eof()?;
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
