//! The machine that asks the Device Provisioning Service which hub a device belongs to.

use crate::driver::{Driven, Machine, Next};
use crate::enums::{TIMEOUT_REASON, state};
use crate::errors::{Fault, registration_failed};
use crate::events::{Connected, Ready, bytes, disconnected, new, text};
use crate::identity::{Identity, Registration};
use crate::input::Payload;
use crate::record::{Field, record};
use crate::settings::{SETTINGS, Settings};
use crate::time::{duration, seconds};
use iothub_proto::auth::Identity as Named;
use iothub_proto::error::{Error, RegistrationError};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{OwnedProvisioningClient, ProvisioningConfig, ProvisioningEvent as Event, State};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

record! {
    /// The Device Provisioning Service works on the registration, and is asked again later.
    Assigning {
        /// Seconds until then.
        retry_after: Duration,
    }
}

record! {
    /// The Device Provisioning Service has no time (429), or trouble of its own (5xx): the same is asked again later.
    Throttled {
        /// In HTTP's numbers.
        status: u16,
        /// The service's own number; 0 if it gave none.
        code: u32,
        /// Seconds until then: what the service asked for, and no less than a backoff with jitter.
        retry_after: Duration,
    }
}

record! {
    /// The device belongs to a hub. What follows is the polite end of this connection.
    Assigned {
        /// The hub's host name.
        hub: Py<PyString>,
        /// The device id there. As a rule it is the registration id.
        device_id: Py<PyString>,
        /// How it came about: initialAssignment, deviceDataMigrated, deviceDataReset or
        /// reprovisionedToInitialAssignment; empty if the service does not say.
        substatus: Py<PyString>,
        /// JSON that a custom allocation policy gives the device; empty if there is none.
        payload: Py<PyBytes>,
    }

    /// Who the device is at its hub.
    #[getter]
    fn identity(&self, py: Python<'_>) -> PyResult<Identity> {
        Ok(Identity::copy(&Named::device(self.hub.to_str(py)?, self.device_id.to_str(py)?))?)
    }
}

record! {
    /// The device was not assigned, and will not be by asking again.
    NotAssigned {
        /// Why, as an exception. The next ProvisioningClient.next_event but one raises it, without the payload.
        error: NotAssignedError,
    }
}

/// Why the service did not assign the device, and what it said about that.
#[derive(PartialEq, Eq)]
pub(crate) struct NotAssignedError(RegistrationError, Box<[u8]>);

impl Field for NotAssignedError {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        registration_failed(py, self.0, &self.1)
    }

    fn same(&self, _: Python<'_>, other: &Self) -> PyResult<bool> {
        Ok(self == other)
    }
}

fn convert<'py>(py: Python<'py>, event: &Event<'_>) -> PyResult<Bound<'py, PyAny>> {
    match *event {
        Event::Connected => new(py, Connected { session_present: false }),
        Event::Ready => new(py, Ready { refused: Features::NONE }),
        Event::Assigning { retry_after } => new(py, Assigning { retry_after }),
        Event::Throttled { status, code, retry_after } => new(py, Throttled { status, code, retry_after }),
        Event::Assigned(assignment) => new(
            py,
            Assigned {
                hub: text(py, assignment.assigned_hub),
                device_id: text(py, &assignment.device_id.to_string()),
                substatus: text(py, assignment.substatus),
                payload: bytes(py, assignment.payload),
            },
        ),
        Event::Refused { error, payload } => new(py, NotAssigned { error: NotAssignedError(error, payload.into()) }),
        Event::Disconnected(ended) => disconnected(py, ended),
        ref other => Err(pyo3::exceptions::PyNotImplementedError::new_err(format!("no class for {other:?}"))),
    }
}

impl Machine for OwnedProvisioningClient {
    fn handle_input<'py>(&mut self, py: Python<'py>, now: Instant, input: &[u8], consumed: &mut usize) -> Next<'py> {
        let handled = self.handle_input(now, input).map_err(Fault::from)?;
        *consumed = handled.consumed;
        handled.event.as_ref().map(|event| convert(py, event)).transpose()
    }

    fn poll_transmit(&mut self) -> Option<&[u8]> {
        self.poll_transmit()
    }

    fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error> {
        self.confirm_transmit(now, count)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.handle_timeout(now)
    }

    fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
        self.handle_eof(now)
    }

    fn state(&self) -> State {
        self.state()
    }
}

/// Asks the Device Provisioning Service which hub a device belongs to: bytes and time in, bytes and events out.
///
/// registration: who asks.
/// payload: JSON for a custom allocation policy or for the application behind the hub; None if there is none.
/// settings: how the session behaves; of what it does, packet sizes and timeouts mean something here.
/// deadline: seconds from connect() to the assignment, whatever happens in between.
///
/// It is driven like a Client, by the same verbs. It registers, asks again when the service says so, waits longer when
/// that is throttled, and disconnects once the device is assigned. After a lost connection the driver connects again.
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct ProvisioningClient(Driven<OwnedProvisioningClient>);

#[pymethods]
impl ProvisioningClient {
    #[new]
    #[pyo3(signature = (registration, *, payload=None, settings=None, deadline=300.0))]
    fn new(
        registration: &Bound<'_, Registration>,
        payload: Option<Payload<'_>>,
        settings: Option<&Bound<'_, Settings>>,
        deadline: f64,
    ) -> PyResult<Self> {
        let registration = registration.get().lend();
        // Settings differ for devices and modules by their features, which mean nothing here.
        let nobody = Named::device("h", "d");
        let settings = *settings.map_or_else(|| SETTINGS.of(&nobody), |settings| settings.get().of(&nobody));
        let payload = payload.as_ref().map(Payload::as_bytes);
        let config = ProvisioningConfig { registration, payload, settings, deadline: duration(deadline)? };
        Ok(Self(Driven::new(OwnedProvisioningClient::new(&config).map_err(Fault::from)?)))
    }

    /// The transport is up: sign in, and register. CONNECT is in the next data_to_send().
    ///
    /// password: the SAS token for the registration; None with a client certificate.
    /// random: any number of 32 bits, for jitter.
    #[pyo3(signature = (password=None, *, now, random=0))]
    fn connect(&self, py: Python<'_>, password: Option<&str>, now: f64, random: u32) -> PyResult<()> {
        self.0.lock(py)?.connect(now, |machine, now| Ok(machine.connect(now, password, random).map_err(Fault::from)?))
    }

    /// Bytes came in; none (b"") means the end of the transport. They are stored: next_event() looks at them.
    #[pyo3(signature = (data, /, *, now))]
    fn receive_data(&self, data: &Bound<'_, PyAny>, now: f64) -> PyResult<()> {
        self.0.lock(data.py())?.receive(data, now)
    }

    /// The transport is gone, by whatever cause: the same as receive_data(b"").
    #[pyo3(signature = (*, now))]
    fn receive_eof(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        let mut inner = self.0.lock(py)?;
        inner.at(now)?;
        Ok(inner.eof()?)
    }

    /// The next event, or None when it takes more bytes or time to have one.
    ///
    /// Raises RegistrationFailed, RefusedError, RemoteProtocolError or TimedOutError when it has failed, after all events
    /// before that, and again at each call until connect().
    fn next_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.lock(py)?.next_event(py)
    }

    /// Bytes to send, at most max_bytes of them; b"" if there are none. They count as sent.
    ///
    /// now: when they are sent, if that is later than the last call.
    #[pyo3(signature = (max_bytes=None, *, now=None))]
    fn data_to_send<'py>(
        &self,
        py: Python<'py>,
        max_bytes: Option<usize>,
        now: Option<f64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut inner = self.0.lock(py)?;
        if let Some(now) = now {
            inner.at(now)?;
        }
        inner.data_to_send(py, max_bytes.unwrap_or(usize::MAX))
    }

    /// When to call handle_timeout(), on the clock of `now`; None if only bytes or connect() change anything.
    fn next_deadline(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        Ok(self.0.lock(py)?.machine.poll_timeout().map(seconds))
    }

    /// What next_deadline() is about.
    #[getter]
    fn timeout_reason<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.lock(py)?.machine.timeout_reason().map(|reason| TIMEOUT_REASON.member(py, reason)).transpose()
    }

    /// Time has come. Early calls do nothing, late ones are safe. If a deadline passed that ends the registration,
    /// next_event() says so.
    #[pyo3(signature = (*, now))]
    fn handle_timeout(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        self.0.lock(py)?.handle_timeout(now)
    }

    /// Gives the registration up politely. After Assigned it is done already.
    #[pyo3(signature = (*, now))]
    fn disconnect(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        let mut inner = self.0.lock(py)?;
        let now = inner.at(now)?;
        Ok(inner.machine.disconnect(now).map_err(Fault::from)?)
    }

    /// Where the connection is.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        state(py, self.0.lock(py)?.machine.state())
    }

    /// Answers that matched no question: to what was given up, or of a confused peer.
    #[getter]
    fn strays(&self, py: Python<'_>) -> PyResult<u32> {
        Ok(self.0.lock(py)?.machine.strays())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let inner = self.0.lock(py)?;
        let config = inner.machine.config();
        let state = format!("{:?}", inner.machine.state()).to_uppercase();
        Ok(format!(
            "<ProvisioningClient {} at {}: {state}>",
            config.registration.registration_id, config.registration.id_scope
        ))
    }
}
