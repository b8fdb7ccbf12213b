//! MQTT's bytes in WebSocket frames and out of them.

use crate::enums::WEBSOCKET_STATE;
use crate::errors::{in_use, websocket_failed};
use crate::input::Payload;
use crate::time::{duration, instant, seconds};
use iothub_proto::error::{UsageError, WebSocketError};
use iothub_proto::time::Instant;
use iothub_proto::websocket::{State, Unframed, Upgrade, WebSocket as Socket};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Mutex, MutexGuard};

/// MQTT over WebSocket, port 443, between a transport and a Client or ProvisioningClient, which does not know of it.
///
/// window: bytes of the largest frame that leaves, from 256; the request has to fit, too.
///
/// What comes in goes through receive_data(), what goes out through data_to_send(), and next_deadline() is one more
/// beside the client's. Pings are answered, fragments joined, the closing handshake is made. When the state is CLOSED,
/// close the transport.
///
/// >>> from iothub_proto import WebSocket
/// >>> socket = WebSocket()
/// >>> socket.connect("contoso.azure-devices.net", now=0.0, random=bytes(32))  # yours from secrets.token_bytes
/// >>> socket.data_to_send(now=0.0)[:30]
/// b'GET /$iothub/websocket HTTP/1.'
/// >>> socket.state
/// <WebSocketState.UPGRADING: 'upgrading'>
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct WebSocket(Mutex<Socket<'static>>);

impl WebSocket {
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Socket<'static>>> {
        self.0.try_lock().map_err(|_| in_use(py))
    }
}

fn raised(py: Python<'_>, error: WebSocketError) -> PyErr {
    websocket_failed(py, error).map_or_else(|failure| failure, PyErr::from_value)
}

#[pymethods]
impl WebSocket {
    #[new]
    #[pyo3(signature = (window=4096))]
    fn new(window: u32) -> PyResult<Self> {
        if window < 256 {
            return Err(pyo3::exceptions::PyValueError::new_err("a window has 256 bytes or more"));
        }
        Ok(Self(Mutex::new(Socket::with_window(window as usize))))
    }

    /// The transport is up: ask the server to upgrade. The request is in the next data_to_send().
    ///
    /// host: its name, with ':port' behind it if that is not 443.
    /// random: 32 bytes that nobody else knows, new for each connection.
    /// path, query: what IoT Hub and the Device Provisioning Service take.
    /// timeout: seconds until the answer is there.
    #[pyo3(signature = (host, *, now, random, path="/$iothub/websocket", query="", timeout=30.0))]
    #[allow(clippy::too_many_arguments)] // All but one are named.
    fn connect(
        &self,
        py: Python<'_>,
        host: &str,
        now: f64,
        random: [u8; 32],
        path: &str,
        query: &str,
        timeout: f64,
    ) -> PyResult<()> {
        let upgrade = Upgrade { host, path, query, random, timeout: duration(timeout)? };
        self.lock(py)?.connect(instant(now)?, &upgrade).map_err(|error| raised(py, error))
    }

    /// Bytes came in: gives MQTT's bytes among them, for the client's receive_data() if there are any.
    ///
    /// Raises WebSocketError when the connection is over because of what came; if MQTT's bytes came before that, at the
    /// next call, and `error` tells at once. What is then still to be sent is a last word to the server.
    #[pyo3(signature = (data, /, *, now))]
    fn receive_data<'py>(&self, py: Python<'py>, data: Payload<'_>, now: f64) -> PyResult<Bound<'py, PyBytes>> {
        let mut socket = self.lock(py)?;
        let now = instant(now)?;
        let mut mqtt = Vec::new();
        let mut rest = data.as_bytes();
        loop {
            match socket.handle_input(now, rest) {
                Ok(Unframed { consumed: 0, .. }) => break,
                Ok(Unframed { consumed, payload }) => {
                    mqtt.extend_from_slice(payload);
                    rest = rest.get(consumed..).unwrap_or_default();
                }
                Err(error) if mqtt.is_empty() => return Err(raised(py, error)),
                Err(_) => break,
            }
        }
        Ok(PyBytes::new(py, &mqtt))
    }

    /// The transport is gone, by whatever cause.
    #[pyo3(signature = (*, now))]
    fn receive_eof(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        self.lock(py)?.handle_eof(instant(now)?).map_err(|error| raised(py, error))
    }

    /// Bytes to send: what the handshakes and pings take, and `mqtt` in frames. They count as sent.
    ///
    /// mqtt: the client's data_to_send(), while the state is OPEN; before and after that it takes none, and raises
    ///     LocalProtocolError.
    #[pyo3(signature = (mqtt=None, /, *, now))]
    fn data_to_send<'py>(&self, py: Python<'py>, mqtt: Option<Payload<'_>>, now: f64) -> PyResult<Bound<'py, PyBytes>> {
        let mut socket = self.lock(py)?;
        let now = instant(now)?;
        let mut mqtt = mqtt.as_ref().map_or(&b""[..], Payload::as_bytes);
        if !mqtt.is_empty() && socket.state() != State::Open {
            return Err(raised(py, UsageError::InvalidState.into()));
        }
        let mut framed = Vec::with_capacity(mqtt.len());
        while let Some(bytes) = socket.poll_transmit(Some(mqtt)) {
            let len = bytes.len();
            framed.extend_from_slice(bytes);
            let sent = socket.confirm_transmit(now, len).map_err(|error| raised(py, error))?;
            mqtt = mqtt.get(sent..).unwrap_or_default();
        }
        Ok(PyBytes::new(py, &framed))
    }

    /// When to call handle_timeout(), on the clock of `now`; None while MQTT flows.
    fn next_deadline(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        Ok(self.lock(py)?.poll_timeout().map(seconds))
    }

    /// Time has come. Raises WebSocketError if the upgrade took too long.
    #[pyo3(signature = (*, now))]
    fn handle_timeout(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        self.lock(py)?.handle_timeout(instant(now)?).map_err(|error| raised(py, error))
    }

    /// A polite end, after the client's: a last frame, and the server's answer to it, for which it waits 2 s at most.
    #[pyo3(signature = (*, now))]
    fn disconnect(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        let now: Instant = instant(now)?;
        self.lock(py)?.disconnect(now).map_err(|error| raised(py, error))
    }

    /// Where the connection is.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        WEBSOCKET_STATE.member(py, self.lock(py)?.state())
    }

    /// What ended this connection, or the last one; None if that was no error.
    #[getter]
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.lock(py)?.error().map(|error| websocket_failed(py, error)).transpose()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<WebSocket {}>", format!("{:?}", self.lock(py)?.state()).to_uppercase()))
    }
}
