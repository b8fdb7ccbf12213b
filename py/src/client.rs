//! The machine itself, with the verbs of the plan.

use crate::driver::{Driven, Inner, Machine, Next};
use crate::enums::{TIMEOUT_REASON, WITHDRAWN, features, state};
use crate::errors::Fault;
use crate::events::{RequestId, convert};
use crate::identity::Identity;
use crate::input::Payload;
use crate::outgoing::{Pairs, Telemetry, qos};
use crate::properties::SystemProperties;
use crate::record::record;
use crate::settings::{Limits, SETTINGS, Settings};
use crate::time::{duration, seconds};
use atomic_refcell::AtomicRefMut;
use iothub_proto::error::Error;
use iothub_proto::event::{MessageToken, TelemetryToken};
use iothub_proto::time::Instant;
use iothub_proto::topic::SystemProperties as System;
use iothub_proto::{ConnectOptions, OwnedClient, OwnedLimits, State, Telemetry as Message};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

record! {
    /// What is not settled: see Client.pending.
    Pending {
        /// Telemetry messages unsent or unacknowledged.
        telemetry: u16,
        /// Twin requests unsent or unanswered.
        twin_requests: u16,
        /// Method answers unsent.
        method_answers: u16,
        /// Messages delivered and not acknowledged or left.
        messages: u16,
    }
}

/// A device or module as a state machine: bytes and time in, bytes and events out. It opens no socket, reads no clock and
/// starts no thread.
///
/// identity: who it is.
/// settings: how it behaves.
/// limits: how much memory it may take.
///
/// `now` is seconds on one monotonic clock of the caller's, as time.monotonic() and loop.time() give them. After
/// anything happened, a driver takes events until next_event() is None, sends data_to_send(), and waits for input or
/// next_deadline(), at which it calls handle_timeout().
///
/// Calls raise LocalProtocolError (CapacityError, ConfigurationError) if they are wrong, and then nothing changed.
/// What ends the connection is raised by next_event() only, after the events that came before it.
///
/// One thread at a time may use a client: a call that meets another in progress raises LocalProtocolError with
/// Usage.IN_USE.
#[pyclass(frozen, weakref, module = "iothub_proto")]
pub(crate) struct Client(Driven<OwnedClient>);

impl Machine for OwnedClient {
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

impl Client {
    fn lock(&self, py: Python<'_>) -> PyResult<AtomicRefMut<'_, Inner<OwnedClient>>> {
        self.0.lock(py)
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (identity, settings=None, limits=None))]
    fn new(
        identity: &Bound<'_, Identity>,
        settings: Option<&Bound<'_, Settings>>,
        limits: Option<&Bound<'_, Limits>>,
    ) -> PyResult<Self> {
        let identity = identity.get().lend();
        let settings = settings.map_or_else(|| SETTINGS.of(&identity), |settings| settings.get().of(&identity));
        let limits = limits.map_or_else(OwnedLimits::default, |limits| limits.get().of());
        let machine = OwnedClient::new(&identity, settings, limits).map_err(Fault::from)?;
        Ok(Self(Driven::new(machine)))
    }

    /// The transport is up: sign in. CONNECT is in the next data_to_send().
    ///
    /// Tokens and request ids of earlier connections are stale from now on, and `now` may be earlier than before.
    ///
    /// password: the SAS token; None with a client certificate.
    /// lifetime: seconds for which the credential is valid from now on; CredentialExpiring comes before its end.
    /// random: any number of 32 bits, for jitter: a fleet must not renew at the same moment.
    /// will: what the hub publishes as telemetry of this device if the connection ends without DISCONNECT. It makes
    ///     CONNECT larger: see Settings.connect_reserve.
    #[pyo3(signature = (password=None, *, now, lifetime=None, random=0, will=None))]
    fn connect(
        &self,
        py: Python<'_>,
        password: Option<&str>,
        now: f64,
        lifetime: Option<f64>,
        random: u32,
        will: Option<&Bound<'_, Telemetry>>,
    ) -> PyResult<()> {
        let lifetime = lifetime.map(duration).transpose()?;
        self.lock(py)?.connect(now, |machine, now| {
            let mut connect =
                |will: Option<&Message<'_>>| machine.connect(now, &ConnectOptions { password, lifetime, random, will });
            let outcome = match will {
                Some(will) => will.get().lend(py, |will| connect(Some(will)))?,
                None => connect(None),
            };
            Ok(outcome.map_err(Fault::from)?)
        })
    }

    /// Bytes came in; none (b"") means the end of the transport. They are stored: next_event() looks at them.
    #[pyo3(signature = (data, /, *, now))]
    fn receive_data(&self, data: &Bound<'_, PyAny>, now: f64) -> PyResult<()> {
        self.lock(data.py())?.receive(data, now)
    }

    /// The transport is gone, by whatever cause: the same as receive_data(b"").
    #[pyo3(signature = (*, now))]
    fn receive_eof(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        let mut inner = self.lock(py)?;
        inner.at(now)?;
        Ok(inner.eof()?)
    }

    /// The next event, or None when it takes more bytes, time or a command to have one.
    ///
    /// Raises RemoteProtocolError, RefusedError or TimedOutError when the connection is over because of that, after all
    /// events before it, Disconnected included; and again at each call until connect().
    fn next_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.lock(py)?.next_event(py)
    }

    /// Bytes to send, at most max_bytes of them; b"" if there are none. They count as sent.
    ///
    /// now: when they are sent, if that is later than the last call. To be told of a transport that is stuck, take no
    ///     more than it accepts.
    #[pyo3(signature = (max_bytes=None, *, now=None))]
    fn data_to_send<'py>(
        &self,
        py: Python<'py>,
        max_bytes: Option<usize>,
        now: Option<f64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut inner = self.lock(py)?;
        if let Some(now) = now {
            inner.at(now)?;
        }
        inner.data_to_send(py, max_bytes.unwrap_or(usize::MAX))
    }

    /// When to call handle_timeout(), on the clock of `now`; None if only bytes or commands change anything.
    fn next_deadline(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        Ok(self.lock(py)?.machine.poll_timeout().map(seconds))
    }

    /// What next_deadline() is about.
    #[getter]
    fn timeout_reason<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.lock(py)?.machine.timeout_reason().map(|reason| TIMEOUT_REASON.member(py, reason)).transpose()
    }

    /// Time has come. Early calls do nothing, late ones are safe. If a deadline passed that means a dead link,
    /// next_event() says so.
    #[pyo3(signature = (*, now))]
    fn handle_timeout(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        self.lock(py)?.handle_timeout(now)
    }

    /// A polite end: nothing new is begun, what is in flight settles (at most Settings.drain_timeout), then DISCONNECT.
    /// A second call does not wait. It is over at Disconnected; the caller then closes the transport.
    #[pyo3(signature = (*, now))]
    fn disconnect(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        let mut inner = self.lock(py)?;
        let now = inner.at(now)?;
        Ok(inner.machine.disconnect(now).map_err(Fault::from)?)
    }

    /// Adds to what is subscribed, on this connection and all later ones. Subscribed answers, or Ready if the connection
    /// is not ready yet; nothing does if all of it is granted already.
    #[pyo3(signature = (features, *, now))]
    fn subscribe(&self, py: Python<'_>, features: u8, now: f64) -> PyResult<()> {
        let mut inner = self.lock(py)?;
        let now = inner.at(now)?;
        Ok(inner.machine.subscribe(now, self::features(features)?).map_err(Fault::from)?)
    }

    /// Queues a message, in every state, and names it: TelemetryAcked tells when the hub has stored it.
    ///
    /// payload: the body, bytes or another buffer; with the properties at most 256 KiB.
    /// properties: the application's, as a mapping or as pairs of str.
    /// qos: 1, kept until the hub has stored it; 0, sent once and perhaps lost.
    /// system: the properties that the hub knows; the output of a module and the Plug and Play component are here.
    #[pyo3(signature = (payload, properties=None, *, now, qos=1, system=None))]
    fn send_telemetry(
        &self,
        py: Python<'_>,
        payload: Payload<'_>,
        properties: Option<&Bound<'_, PyAny>>,
        now: f64,
        qos: u8,
        system: Option<&Bound<'_, SystemProperties>>,
    ) -> PyResult<u32> {
        let mut inner = self.lock(py)?;
        let pairs = Pairs::collect(properties)?;
        let system = system.map_or(Ok(System::NONE), |system| system.get().lend(py))?;
        let (payload, qos) = (payload.as_bytes(), self::qos(qos)?);
        let now = inner.at(now)?;
        let token = pairs.lend(|properties| {
            inner.machine.send_telemetry(now, &Message { payload, qos, system: &system, properties: &properties })
        })?;
        Ok(token.map_err(Fault::from)?.to_bits())
    }

    /// Whether any byte of a message has left: then the hub may have it, and it may be acknowledged.
    #[pyo3(signature = (token, /))]
    fn telemetry_sent(&self, py: Python<'_>, token: u32) -> PyResult<bool> {
        let token = TelemetryToken::from_bits(token);
        Ok(self.lock(py)?.machine.telemetry_sent(token).map_err(Fault::from)?)
    }

    /// Takes a message back: it is not sent (again), and no acknowledgement is reported.
    #[pyo3(signature = (token, *, now))]
    fn telemetry_withdraw<'py>(&self, py: Python<'py>, token: u32, now: f64) -> PyResult<Bound<'py, PyAny>> {
        let mut inner = self.lock(py)?;
        let now = inner.at(now)?;
        let withdrawn = inner.machine.telemetry_withdraw(now, TelemetryToken::from_bits(token));
        WITHDRAWN.member(py, withdrawn.map_err(Fault::from)?)
    }

    /// Accepts a message: its PUBACK leaves when the earlier messages are decided.
    #[pyo3(signature = (token, *, now))]
    fn message_accept(&self, py: Python<'_>, token: u32, now: f64) -> PyResult<()> {
        let mut inner = self.lock(py)?;
        let now = inner.at(now)?;
        Ok(inner.machine.message_accept(now, MessageToken::from_bits(token)).map_err(Fault::from)?)
    }

    /// Leaves a message with the hub: no PUBACK, so it comes again on a later connection.
    #[pyo3(signature = (token, *, now))]
    fn message_leave(&self, py: Python<'_>, token: u32, now: f64) -> PyResult<()> {
        let mut inner = self.lock(py)?;
        let now = inner.at(now)?;
        Ok(inner.machine.message_leave(now, MessageToken::from_bits(token)).map_err(Fault::from)?)
    }

    /// Answers a direct method.
    ///
    /// request: MethodCall.request or Skipped.request; stale when its connection is over.
    /// status: like HTTP's, such as 200.
    /// body: JSON or nothing, at most 128 KiB.
    #[pyo3(signature = (request, status, body=None, *, now))]
    fn method_respond(
        &self,
        py: Python<'_>,
        request: &Bound<'_, RequestId>,
        status: u16,
        body: Option<Payload<'_>>,
        now: f64,
    ) -> PyResult<()> {
        let mut inner = self.lock(py)?;
        let body = body.as_ref().map_or(&b""[..], Payload::as_bytes);
        let now = inner.at(now)?;
        let request = request.get().lend().ok_or(iothub_proto::error::UsageError::Stale).map_err(Fault::from)?;
        Ok(inner.machine.method_respond(now, request, status, body).map_err(Fault::from)?)
    }

    /// Asks for the whole twin. TwinDocument or TwinRequestFailed answers.
    #[pyo3(signature = (*, now))]
    fn twin_get(&self, py: Python<'_>, now: f64) -> PyResult<u32> {
        let mut inner = self.lock(py)?;
        let now = inner.at(now)?;
        Ok(inner.machine.twin_get(now).map_err(Fault::from)?.to_bits())
    }

    /// Reports properties: a JSON merge patch, checked against the rules of twins. TwinReported or TwinRequestFailed
    /// answers.
    #[pyo3(signature = (patch, *, now))]
    fn twin_report(&self, py: Python<'_>, patch: Payload<'_>, now: f64) -> PyResult<u32> {
        let mut inner = self.lock(py)?;
        let now = inner.at(now)?;
        Ok(inner.machine.twin_report(now, patch.as_bytes()).map_err(Fault::from)?.to_bits())
    }

    /// Where the connection is.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        state(py, self.lock(py)?.machine.state())
    }

    /// What is not settled.
    #[getter]
    fn pending(&self, py: Python<'_>) -> PyResult<Pending> {
        let pending = self.lock(py)?.machine.pending();
        let (telemetry, twin_requests) = (pending.telemetry, pending.twin_requests);
        Ok(Pending { telemetry, twin_requests, method_answers: pending.method_answers, messages: pending.messages })
    }

    /// QoS 1 telemetry not acknowledged, sent or not, oldest first.
    #[getter]
    fn unacked(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        Ok(self.lock(py)?.machine.unacked().map(TelemetryToken::to_bits).collect())
    }

    /// Bytes of the largest packet that fits now.
    #[getter]
    fn tx_free(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.lock(py)?.machine.tx_free())
    }

    /// Acknowledgements and answers that matched nothing: a confused peer, or late answers to what was given up.
    #[getter]
    fn strays(&self, py: Python<'_>) -> PyResult<u32> {
        Ok(self.lock(py)?.machine.strays())
    }

    /// Who it is.
    #[getter]
    fn identity(&self, py: Python<'_>) -> PyResult<Identity> {
        Ok(Identity::copy(&self.lock(py)?.machine.identity())?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let inner = self.lock(py)?;
        let identity = inner.machine.identity();
        let module = identity.module_id.map(|id| format!("/{id}")).unwrap_or_default();
        let state = format!("{:?}", inner.machine.state()).to_uppercase();
        let (waiting, pending) = (inner.waiting(), inner.machine.pending());
        Ok(format!(
            "<Client {}{module} at {}: {state}, {waiting} bytes to read, {} messages unacknowledged>",
            identity.device_id, identity.host_name, pending.telemetry
        ))
    }
}
