//! Payloads larger than `Settings.max_packet`, told in pieces.

use crate::enums::STREAM_KIND;
use crate::events::{RequestId, new, text};
use crate::record::{Field, Lazy, record};
use iothub_proto::event::{StreamEnd as End, StreamSource as Source};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Whose payload it is: the name of a variant of [`Source`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    Message,
    MethodCall,
    TwinDocument,
    TwinDesired,
    Unknown,
}

impl Field for StreamKind {
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        STREAM_KIND.member(py, self)
    }
}

record! {
    /// With Settings.stream_payloads: a payload larger than Settings.max_packet begins. StreamPieces follow, in order and
    /// without gaps, and StreamEnd; nothing else that comes from the hub is told within. Without its end it is void: then
    /// Disconnected comes, or TwinRequestFailed for its request. What does not belong to its kind is None.
    StreamBegin {
        /// Whose it is.
        kind: StreamKind,
        /// Bytes of the whole payload.
        payload_len: u32,
        /// A message's properties, decoded when asked for.
        properties: Option<Lazy>,
        /// The module's input a message came through.
        input: Option<Py<PyString>>,
        /// A message may have been delivered before (DUP).
        redelivered: bool,
        /// The name of a method; the topic of what is unknown.
        name: Option<Py<PyString>>,
        /// What the answer to a method names. It may be answered now, or after the end.
        request: Option<Py<RequestId>>,
        /// The new version of the desired section, of a change of it.
        version: Option<u64>,
        /// Patches may be missing before this one.
        unsynced: bool,
    }
}

record! {
    /// The next bytes of the payload that began.
    StreamPiece {
        /// Bytes of it before these.
        offset: u32,
        /// At least one byte.
        payload: Py<PyBytes>,
    }
}

record! {
    /// The payload that began is whole.
    StreamEnd {
        /// Whose it is.
        kind: StreamKind,
        /// A message's: what to accept or leave; None at QoS 0.
        token: Option<u32>,
        /// The request that a whole twin answers; None if twin synchronisation fetched it.
        twin_token: Option<u32>,
        /// desired.$version, of a twin or a change of it, if it could be read.
        version: Option<u64>,
        /// A whole twin older than what was delivered before: do not apply it.
        stale: bool,
    }
}

pub(crate) fn begin<'py>(py: Python<'py>, source: Source<'_>, payload_len: u32) -> PyResult<Bound<'py, PyAny>> {
    let mut begin = StreamBegin {
        kind: StreamKind::Unknown,
        payload_len,
        properties: None,
        input: None,
        redelivered: false,
        name: None,
        request: None,
        version: None,
        unsynced: false,
    };
    match source {
        Source::Message { input, properties, redelivered } => {
            begin.kind = StreamKind::Message;
            begin.properties = Some(Lazy::new(py, properties));
            begin.input = input.map(|input| text(py, input));
            begin.redelivered = redelivered;
        }
        Source::MethodCall { name, request } => {
            begin.kind = StreamKind::MethodCall;
            begin.name = Some(text(py, name));
            begin.request = Some(RequestId::new(py, request)?);
        }
        Source::TwinDocument { token: _ } => begin.kind = StreamKind::TwinDocument,
        Source::TwinDesired { version, unsynced } => {
            begin.kind = StreamKind::TwinDesired;
            (begin.version, begin.unsynced) = (version, unsynced);
        }
        Source::Unknown { topic, retain: _ } => begin.name = Some(text(py, topic)),
        other => return Err(pyo3::exceptions::PyNotImplementedError::new_err(format!("no name for {other:?}"))),
    }
    new(py, begin)
}

pub(crate) fn end<'py>(py: Python<'py>, end: End) -> PyResult<Bound<'py, PyAny>> {
    let kind = StreamKind::Unknown;
    let mut ended = StreamEnd { kind, token: None, twin_token: None, version: None, stale: false };
    match end {
        End::Message { token } => {
            ended.kind = StreamKind::Message;
            ended.token = token.map(|token| token.to_bits());
        }
        End::MethodCall => ended.kind = StreamKind::MethodCall,
        End::TwinDocument { token, version, stale } => {
            ended.kind = StreamKind::TwinDocument;
            ended.twin_token = token.map(|token| token.to_bits());
            (ended.version, ended.stale) = (version, stale);
        }
        End::TwinDesired { version } => {
            ended.kind = StreamKind::TwinDesired;
            ended.version = version;
        }
        End::Unknown => {}
        other => return Err(pyo3::exceptions::PyNotImplementedError::new_err(format!("no name for {other:?}"))),
    }
    new(py, ended)
}
