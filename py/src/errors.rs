//! The machine's errors as exceptions of `_errors.py`: the only place where one becomes the other.

use crate::enums::{
    PATCH_RULE, REGISTRATION_FAILURE, RETRY_CAUSE, TIMEOUT_REASON, USAGE, VIOLATION, WEBSOCKET_FAILURE, snake,
};
use iothub_proto::auth::{ConnectionStringError, SasError};
use iothub_proto::error::{
    CapacityError, ConnectRefusal, Error, PeerError, RegistrationError, TimeoutReason, UsageError, WebSocketError,
};
use iothub_proto::event::RequestError;
use iothub_proto::retry::RetryCause;
use iothub_proto::twin::TwinError;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};
use std::fmt::Display;

/// An error of the machine on its way to Python.
#[derive(Debug)]
pub(crate) struct Fault(Error);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<UsageError> for Fault {
    fn from(error: UsageError) -> Self {
        Self(error.into())
    }
}

impl From<Fault> for PyErr {
    fn from(Fault(error): Fault) -> Self {
        Python::attach(|py| exception(py, error).map_or_else(|failure| failure, Self::from_value))
    }
}

/// An exception class of `_errors.py`.
struct Class {
    name: &'static str,
    class: PyOnceLock<Py<PyType>>,
}

impl Class {
    const fn new(name: &'static str) -> Self {
        Self { name, class: PyOnceLock::new() }
    }

    fn make<'py>(&self, py: Python<'py>, args: impl PyCallArgs<'py>) -> Made<'py> {
        self.class.import(py, "iothub_proto._errors", self.name)?.call1(args)
    }
}

type Made<'py> = PyResult<Bound<'py, PyAny>>;

static CAPACITY: Class = Class::new("CapacityError");
static CONFIGURATION: Class = Class::new("ConfigurationError");
static LOCAL: Class = Class::new("LocalProtocolError");
static REFUSED: Class = Class::new("RefusedError");
static REGISTRATION: Class = Class::new("RegistrationFailed");
static REMOTE: Class = Class::new("RemoteProtocolError");
static REQUEST: Class = Class::new("RequestFailed");
static TIMED_OUT: Class = Class::new("TimedOutError");
static UNNAMED: Class = Class::new("IotHubError");
static WEBSOCKET: Class = Class::new("WebSocketError");

/// The exception for `error`.
///
/// Another crate's match cannot be told to be complete; a test reads the machine's source for what is missing here.
pub(crate) fn exception(py: Python<'_>, error: Error) -> Made<'_> {
    match error {
        Error::Usage(error) => usage(py, error),
        Error::Capacity(error) => capacity(py, error),
        Error::Peer(PeerError { kind, packet, offset }) => {
            REMOTE.make(py, (error.to_string(), VIOLATION.member(py, kind)?, packet, offset))
        }
        Error::Refused(refusal) => refused(py, refusal),
        Error::TimedOut(reason) => TIMED_OUT.make(py, (timed_out(reason), TIMEOUT_REASON.member(py, reason)?)),
        Error::Registration(error) => registration_failed(py, error, b""),
        other => UNNAMED.make(py, (other.to_string(),)),
    }
}

fn usage(py: Python<'_>, error: UsageError) -> Made<'_> {
    let kind = USAGE.member(py, error)?;
    let message = match error {
        UsageError::BadInstant => "'now' is negative, not finite, or too large".to_owned(),
        UsageError::InvalidState => "the call is not legal in this state".to_owned(),
        UsageError::Stale => "it belongs to an earlier connection, or was settled before".to_owned(),
        UsageError::NotSubscribed => "the feature is not subscribed, or the hub refused it".to_owned(),
        UsageError::TopicTooLong { len } => format!("the topic has {len} bytes, and MQTT allows 65,535"),
        UsageError::MessageTooLarge { len, limit } => {
            format!("the message counts {len} bytes, and the hub takes {limit}")
        }
        UsageError::WrongIdentity => {
            "devices have no inputs and outputs, modules get no cloud-to-device messages".to_owned()
        }
        UsageError::BadText { field, at } => {
            let field = snake(&format!("{field:?}"));
            let message = format!("{field} is empty, too long, or has a wrong character: see byte {at}");
            return CONFIGURATION.make(py, (message, kind, field, at));
        }
        UsageError::BadSetting(setting) => {
            let field = snake(&format!("{setting:?}"));
            return CONFIGURATION.make(py, (format!("the setting is out of range: {field}"), kind, field));
        }
        UsageError::BadPatch(rule) => {
            let rule = PATCH_RULE.member(py, rule)?;
            let message = format!("the patch breaks a rule of twins: {}", rule.str()?);
            return LOCAL.make(py, (message, kind, None::<&str>, None::<usize>, rule));
        }
        other => format!("{other:?}"),
    };
    LOCAL.make(py, (message, kind))
}

fn capacity(py: Python<'_>, error: CapacityError) -> Made<'_> {
    let kind = USAGE.member(py, error)?;
    match error {
        CapacityError::TxFull { needed, free } => {
            let message = format!("the packet needs {needed} bytes, and {free} are free until something is settled");
            CAPACITY.make(py, (message, kind, needed, free))
        }
        CapacityError::TooLarge { needed, capacity } => {
            let message = format!("the packet needs {needed} bytes, and there are never more than {capacity}");
            CAPACITY.make(py, (message, kind, needed, capacity))
        }
        CapacityError::SlotsFull => CAPACITY.make(py, ("too many commands are in flight", kind)),
        other => CAPACITY.make(py, (format!("{other:?}"), kind)),
    }
}

fn refused(py: Python<'_>, refusal: ConnectRefusal) -> Made<'_> {
    let why = match refusal {
        ConnectRefusal::ProtocolVersion => "it does not take this protocol version",
        ConnectRefusal::ClientId => "it does not take this client id",
        ConnectRefusal::ServerUnavailable => "it is unavailable or throttles, or the device is disabled",
        ConnectRefusal::BadCredentials => "the user name or password is malformed",
        ConnectRefusal::NotAuthorized => {
            "the token is wrong or expired, or the device unknown or disabled, or the clock wrong"
        }
    };
    let code = refusal.code();
    let cause = RETRY_CAUSE.member(py, RetryCause::from(refusal))?;
    REFUSED.make(py, (format!("the hub refused the connection (code {code}): {why}"), code, cause))
}

/// What did not happen in time.
fn timed_out(reason: TimeoutReason) -> String {
    let what = match reason {
        TimeoutReason::Registration => return "no hub was assigned in time".to_owned(),
        TimeoutReason::Connack => "no CONNACK came",
        TimeoutReason::Suback => "no SUBACK came",
        TimeoutReason::Pingresp => "no PINGRESP came",
        TimeoutReason::Puback => "no PUBACK came although messages wait for one",
        TimeoutReason::Send => "bytes were waiting and none was taken",
        other => return format!("the link is dead: deadline {other:?} passed in time"),
    };
    format!("the link is dead: {what} in time")
}

/// The exception that tells why there is no hub for a device.
pub(crate) fn registration_failed<'py>(py: Python<'py>, error: RegistrationError, payload: &[u8]) -> Made<'py> {
    let (message, status, code) = match error {
        RegistrationError::Refused { status, code } => {
            (format!("the service refused with status {status}, code {code}"), Some(status), code)
        }
        RegistrationError::Failed { code } => (format!("the service failed to assign a hub: code {code}"), None, code),
        RegistrationError::Disabled => ("the enrollment is disabled".to_owned(), None, 0),
        RegistrationError::NotSubscribed => ("the service refused the subscription to its answers".to_owned(), None, 0),
        RegistrationError::AnswerTooLarge { len } => (format!("the answer has {len} bytes, too many"), None, 0),
        RegistrationError::BadAnswer { status } => {
            (format!("the answer with status {status} is not as the service's are"), Some(status), 0)
        }
        other => (format!("{other:?}"), None, 0),
    };
    let kind = REGISTRATION_FAILURE.member(py, error)?;
    REGISTRATION.make(py, (message, kind, status, code, PyBytes::new(py, payload)))
}

/// What ended a WebSocket, or was wrong about a call of it.
pub(crate) fn websocket_failed(py: Python<'_>, error: WebSocketError) -> Made<'_> {
    let (kind, status, code) = match error {
        WebSocketError::Usage(error) => return exception(py, error.into()),
        WebSocketError::Capacity(error) => return exception(py, error.into()),
        WebSocketError::Peer(violation) => (WEBSOCKET_FAILURE.member(py, violation)?, None, None),
        WebSocketError::Refused { status } => (WEBSOCKET_FAILURE.member(py, error)?, Some(status), None),
        WebSocketError::Closed { code } => (WEBSOCKET_FAILURE.member(py, error)?, None, code),
        other => (WEBSOCKET_FAILURE.member(py, other)?, None, None),
    };
    WEBSOCKET.make(py, (error.to_string(), kind, status, code))
}

/// The exception that tells why a twin request ended.
pub(crate) fn request_failed<'py>(py: Python<'py>, reason: RequestError, payload: &Bound<'py, PyAny>) -> Made<'py> {
    let member = crate::enums::REQUEST_FAILURE.member(py, reason)?;
    let (message, status) = match reason {
        RequestError::Status(status) => (format!("the hub answered with status {status}"), Some(status)),
        RequestError::TimedOut => ("no answer came in time".to_owned(), None),
        RequestError::ConnectionLost => ("the connection ended before an answer came".to_owned(), None),
        RequestError::TooLarge { payload_len, .. } => (format!("the answer has {payload_len} bytes, too many"), None),
        other => (format!("{other:?}"), None),
    };
    REQUEST.make(py, (message, member, status, payload))
}

/// A connection string that cannot work. The exception never holds the text.
pub(crate) fn bad_connection_string(py: Python<'_>, error: ConnectionStringError) -> PyErr {
    let (key, at) = match error {
        ConnectionStringError::Missing(key)
        | ConnectionStringError::Duplicate(key)
        | ConnectionStringError::Empty(key)
        | ConnectionStringError::BadValue(key)
        | ConnectionStringError::Unsupported(key) => (Some(key.name()), None),
        ConnectionStringError::BadBase64 { at }
        | ConnectionStringError::BadSegment { at }
        | ConnectionStringError::BadCharacter { at } => (None, Some(at)),
        _ => (None, None),
    };
    raise(&CONFIGURATION, py, "BAD_CONNECTION_STRING", (key, at), &error)
}

/// A text that is no key. The exception never holds the text.
pub(crate) fn bad_key(py: Python<'_>, error: SasError) -> PyErr {
    let at = if let SasError::BadBase64 { at } = error { Some(at) } else { None };
    raise(&CONFIGURATION, py, "BAD_KEY", (None, at), &error)
}

/// A setting that is no number of the machine's.
pub(crate) fn bad_setting(py: Python<'_>, name: &str) -> PyErr {
    raise(&CONFIGURATION, py, "BAD_SETTING", (Some(name), None), &format!("the setting is out of range: {name}"))
}

/// JSON that is no twin document or patch.
pub(crate) fn bad_twin(py: Python<'_>, error: TwinError) -> PyErr {
    raise(&LOCAL, py, "BAD_TWIN", (None, None), &error)
}

/// A call that met another one in progress.
pub(crate) fn in_use(py: Python<'_>) -> PyErr {
    raise(&LOCAL, py, "IN_USE", (None, None), &"another thread, or this very call, is using the client already")
}

/// Input after the end of input.
pub(crate) fn ended(py: Python<'_>) -> PyErr {
    raise(&LOCAL, py, "INVALID_STATE", (None, None), &"the transport has ended: connect first")
}

fn raise(
    class: &Class,
    py: Python<'_>,
    kind: &str,
    (field, at): (Option<&str>, Option<usize>),
    message: &impl Display,
) -> PyErr {
    let made = USAGE.named(py, kind).and_then(|kind| class.make(py, (message.to_string(), kind, field, at)));
    made.map_or_else(|failure| failure, PyErr::from_value)
}
