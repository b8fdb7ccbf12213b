//! What the machine tells: one class a kind.

use crate::errors::request_failed;
use crate::record::{Field, Lazy, record};
use crate::stream::{self, StreamPiece};
use iothub_proto::OwnedEvent;
use iothub_proto::error::Error;
use iothub_proto::event::{DisconnectReason, Disconnected as Ended, Event, LastSent, RequestError};
use iothub_proto::event::{Message as Received, RequestId as Borrowed, Skipped as Passed};
use iothub_proto::time::Duration;
use iothub_proto::topic::Features;
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass_init::PyClassInitializer;
use pyo3::types::{PyBytes, PyString};

record! {
    /// The hub accepted the connection. Messages may follow at once.
    Connected {
        /// Whether the hub had kept this device's session.
        session_present: bool,
    }
}

record! {
    /// Subscribed: telemetry and twin requests leave from now on.
    Ready {
        /// Features whose filter the hub refused; their commands raise LocalProtocolError.
        refused: Features,
    }
}

record! {
    /// A later Client.subscribe was answered.
    Subscribed {
        /// What was asked for.
        features: Features,
        /// What of it the hub refused.
        refused: Features,
    }
}

record! {
    /// The hub has stored this QoS 1 message.
    TelemetryAcked {
        /// What Client.send_telemetry returned.
        token: u32,
    }
}

record! {
    /// A cloud-to-device message, or one routed to a module's input. With a token, accept or leave it.
    Message {
        /// Its body.
        payload: Py<PyBytes>,
        /// Its properties, decoded when asked for.
        properties: Lazy,
        /// What to accept or leave; None at QoS 0.
        token: Option<u32>,
        /// The module's input it came through; None for a cloud-to-device message.
        input: Option<Py<PyString>>,
        /// It may have been delivered before (DUP).
        redelivered: bool,
    }
}

record! {
    /// A message for which the inbound window has no room: not acknowledged, back on a later connection.
    MessageLeft {
        /// Its body.
        payload: Py<PyBytes>,
        /// Its properties, decoded when asked for.
        properties: Lazy,
        /// The module's input it came through; None for a cloud-to-device message.
        input: Option<Py<PyString>>,
        /// It may have been delivered before (DUP).
        redelivered: bool,
    }
}

record! {
    /// A direct method is called: answer with Client.method_respond, now or later.
    MethodCall {
        /// Its name.
        name: Py<PyString>,
        /// The caller's payload: JSON, or nothing.
        payload: Py<PyBytes>,
        /// What the answer names.
        request: Py<RequestId>,
    }
}

record! {
    /// The whole twin, {"desired": {...}, "reported": {...}}.
    TwinDocument {
        /// The document, JSON.
        payload: Py<PyBytes>,
        /// The request it answers; None if twin synchronisation fetched it.
        token: Option<u32>,
        /// desired.$version, if it could be read.
        version: Option<u64>,
        /// Older than what was delivered before: do not apply it.
        stale: bool,
    }
}

record! {
    /// The hub has stored a reported patch.
    TwinReported {
        /// The request it answers.
        token: u32,
        /// The new version of the reported section.
        version: Option<u64>,
    }
}

record! {
    /// The desired section has changed.
    TwinDesired {
        /// The patch, JSON, $version included.
        payload: Py<PyBytes>,
        /// Its new version.
        version: Option<u64>,
        /// Without synchronisation, or after it failed: patches may be missing before this one.
        unsynced: bool,
    }
}

record! {
    /// A twin request ended without success. It is not sent again.
    TwinRequestFailed {
        /// The request.
        token: u32,
        /// Why.
        reason: RequestError,
        /// The hub's status if it answered with one.
        status: Option<u16>,
        /// What the hub says about it: JSON, or nothing.
        payload: Py<PyBytes>,
    }

    /// The same as an exception, to raise.
    #[getter]
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        request_failed(py, self.reason, &self.payload.object(py)?)
    }
}

record! {
    /// Twin synchronisation has given up on this connection: patches come, but unsynced.
    TwinSyncFailed {
        /// Why.
        reason: RequestError,
        /// The hub's status if it answered with one.
        status: Option<u16>,
    }

    /// The same as an exception, to raise.
    #[getter]
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        request_failed(py, self.reason, &PyBytes::new(py, b"").into_any())
    }
}

record! {
    /// A PUBLISH larger than Settings.max_packet passes by: its payload is not delivered.
    Skipped {
        /// Its topic; empty if that alone is larger.
        topic: Py<PyString>,
        /// Bytes of its payload.
        payload_len: u32,
        /// Its packet id at QoS 1.
        packet_id: Option<u16>,
        /// For a message at QoS 1: it may be accepted, so that it does not come again, or left.
        token: Option<u32>,
        /// For a direct method: it may be answered, for instance with 413.
        request: Option<Py<RequestId>>,
    }
}

record! {
    /// A PUBLISH on a topic outside the dialect. It was acknowledged.
    Unknown {
        /// The topic.
        topic: Py<PyString>,
        /// The payload.
        payload: Py<PyBytes>,
        /// Whether it is a retained message, which IoT Hub does not have.
        retain: bool,
    }
}

record! {
    /// The credential ends soon: disconnect, then connect with a new one. Nothing is lost by that.
    CredentialExpiring {}
}

record! {
    /// The connection is over.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
        /// The fatal error if it was one. The next Client.next_event raises it.
        error: Option<Error>,
        /// The last packet sent: over MQTT the hub closes the link instead of saying what it objects to.
        last_sent: Option<LastSent>,
        /// The message for which the hub may be closing the link.
        suspect: Option<Py<Suspect>>,
        /// Seconds for which the connection was ready, for Backoff.next.
        ready_for: Duration,
    }
}

record! {
    /// A message for which the hub may be closing the link: after at least two connections cut with unacknowledged
    /// telemetry and no PUBACK, the oldest such message. Client.telemetry_withdraw it if the hub will never take it.
    Suspect {
        /// The message.
        token: u32,
        /// Connections in a row that ended so.
        cuts: u8,
    }
}

/// The name of a direct method call, for its answer. It may be kept; it dies with its connection.
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct RequestId(OwnedEvent);

impl RequestId {
    pub(crate) fn new(py: Python<'_>, request: Borrowed<'_>) -> PyResult<Py<Self>> {
        // The machine names no owned request id of any length but one in an event.
        Py::new(py, Self(Event::MethodCall { name: "", payload: &[], request }.into()))
    }

    /// To answer with; always there.
    pub(crate) fn lend(&self) -> Option<Borrowed<'_>> {
        if let Event::MethodCall { request, .. } = self.0.as_event() { Some(request) } else { None }
    }

    fn text(&self) -> &str {
        self.lend().map_or("", |request| request.as_str())
    }
}

impl Field for Py<RequestId> {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.bind(py).clone().into_any())
    }
}

#[pymethods]
impl RequestId {
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        PyString::new(py, self.text()).hash()
    }

    fn __str__(&self) -> &str {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("RequestId({:?})", self.text())
    }
}

/// The event as a Python object.
#[allow(clippy::too_many_lines)]
pub(crate) fn convert<'py>(py: Python<'py>, event: &Event<'_>) -> PyResult<Bound<'py, PyAny>> {
    match *event {
        Event::Message(Received { token, input, properties, payload, redelivered }) => new(
            py,
            Message {
                payload: bytes(py, payload),
                properties: Lazy::new(py, properties),
                token: token.map(|token| token.to_bits()),
                input: input.map(|input| text(py, input)),
                redelivered,
            },
        ),
        Event::TelemetryAcked(token) => new(py, TelemetryAcked { token: token.to_bits() }),
        Event::MethodCall { name, payload, request } => {
            let request = RequestId::new(py, request)?;
            new(py, MethodCall { name: text(py, name), payload: bytes(py, payload), request })
        }
        Event::TwinDocument { token, version, stale, payload } => {
            let token = token.map(|token| token.to_bits());
            new(py, TwinDocument { token, version, stale, payload: bytes(py, payload) })
        }
        Event::TwinReported { token, version } => new(py, TwinReported { token: token.to_bits(), version }),
        Event::TwinDesired { version, unsynced, payload } => {
            new(py, TwinDesired { version, unsynced, payload: bytes(py, payload) })
        }
        Event::RequestFailed { token, reason, payload } => new(
            py,
            TwinRequestFailed { token: token.to_bits(), reason, status: status(reason), payload: bytes(py, payload) },
        ),
        Event::TwinSyncFailed { reason } => new(py, TwinSyncFailed { reason, status: status(reason) }),
        Event::Connected { session_present } => new(py, Connected { session_present }),
        Event::Ready { refused } => new(py, Ready { refused }),
        Event::Subscribed { features, refused } => new(py, Subscribed { features, refused }),
        Event::MessageLeft(Received { token: _, input, properties, payload, redelivered }) => new(
            py,
            MessageLeft {
                payload: bytes(py, payload),
                properties: Lazy::new(py, properties),
                input: input.map(|input| text(py, input)),
                redelivered,
            },
        ),
        Event::Skipped(Passed { topic, packet_id, payload_len, token, request }) => {
            let token = token.map(|token| token.to_bits());
            let request = request.map(|request| RequestId::new(py, request)).transpose()?;
            new(py, Skipped { topic: text(py, topic), payload_len, packet_id, token, request })
        }
        Event::Unknown { topic, payload, retain } => {
            new(py, Unknown { topic: text(py, topic), payload: bytes(py, payload), retain })
        }
        Event::CredentialExpiring => new(py, CredentialExpiring {}),
        Event::Disconnected(ended) => disconnected(py, ended),
        Event::StreamBegin { source, payload_len } => stream::begin(py, source, payload_len),
        Event::StreamPiece { offset, bytes: piece } => new(py, StreamPiece { offset, payload: bytes(py, piece) }),
        Event::StreamEnd(end) => stream::end(py, end),
        ref other => Err(pyo3::exceptions::PyNotImplementedError::new_err(format!("no class for {other:?}"))),
    }
}

/// How a connection ended.
pub(crate) fn disconnected<'py>(py: Python<'py>, ended: Ended) -> PyResult<Bound<'py, PyAny>> {
    let error = if let DisconnectReason::Failed(error) = ended.reason { Some(error) } else { None };
    let suspect = ended.suspect.map(|it| Py::new(py, Suspect { token: it.token.to_bits(), cuts: it.cuts }));
    let suspect = suspect.transpose()?;
    let (reason, last_sent, ready_for) = (ended.reason, ended.last_sent, ended.ready_for);
    new(py, Disconnected { reason, error, last_sent, suspect, ready_for })
}

pub(crate) fn new<'py, T>(py: Python<'py>, event: T) -> PyResult<Bound<'py, PyAny>>
where
    T: PyClass + Into<PyClassInitializer<T>>,
{
    Ok(Bound::new(py, event)?.into_any())
}

pub(crate) fn bytes(py: Python<'_>, payload: &[u8]) -> Py<PyBytes> {
    PyBytes::new(py, payload).unbind()
}

pub(crate) fn text(py: Python<'_>, text: &str) -> Py<PyString> {
    PyString::new(py, text).unbind()
}

const fn status(reason: RequestError) -> Option<u16> {
    if let RequestError::Status(status) = reason { Some(status) } else { None }
}
