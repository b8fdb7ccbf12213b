//! Events that borrow nothing.

use crate::event::{Event, KeptRequestId, Message, RequestId, Skipped, StreamSource};
use crate::topic::Properties;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// A place in the bytes of an event.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    const fn new(start: usize, len: usize) -> Self {
        // Input is never longer than a packet may be, 268,435,460 bytes.
        Self { start: start as u32, len: len as u32 }
    }

    fn range(self) -> core::ops::Range<usize> {
        self.start as usize..self.start.saturating_add(self.len) as usize
    }
}

/// No event has more texts and payloads: name, payload and request id of a method.
const SPANS: usize = 3;

/// An [`Event`] that borrows nothing: it can be kept, cloned and sent to another thread.
///
/// It shares the receive buffer it came in, so it costs no copy. One that is kept keeps a whole buffer; to keep
/// little of a lot, copy that and drop the event.
///
/// ```
/// use iothub_proto::{Event, OwnedEvent};
/// fn on_event(event: &OwnedEvent) {
///     match event.as_event() {
///         Event::MethodCall { name: "reboot", .. } => println!("later, by {:?}", event.request_id()),
///         Event::TwinDesired { .. } => println!("{} bytes, not copied", event.payload().len()),
///         _ => {}
///     }
/// }
/// # on_event(&OwnedEvent::from(Event::CredentialExpiring));
/// ```
#[derive(Clone)]
pub struct OwnedEvent {
    bytes: Bytes,
    /// The event without its texts and payloads.
    frame: Event<'static>,
    /// Where these are, in the order of [`relend`].
    spans: [Span; SPANS],
}

impl OwnedEvent {
    /// The event, borrowing this.
    #[must_use]
    pub fn as_event(&self) -> Event<'_> {
        let mut spans = self.spans.into_iter();
        relend(&self.frame, &mut |_| {
            let span = spans.next().unwrap_or_default();
            self.bytes.get(span.range()).unwrap_or_default()
        })
    }

    /// Its payload, sharing the memory; empty if it has none.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let [payload, ..] = self.spans;
        let range = payload.range();
        if range.end <= self.bytes.len() { self.bytes.slice(range) } else { Bytes::new() }
    }

    /// What the answer to a direct method names, kept; see [`RequestId::keep`]. `None` if this is no call, or if the
    /// id has more than 47 bytes: then answer with the one in [`as_event`](Self::as_event).
    #[must_use]
    pub fn request_id(&self) -> Option<KeptRequestId> {
        match self.as_event() {
            Event::MethodCall { request, .. } => request.keep(),
            Event::Skipped(skipped) => skipped.request?.keep(),
            Event::StreamBegin { source: StreamSource::MethodCall { request, .. }, .. } => request.keep(),
            _ => None,
        }
    }

    /// Without its bytes yet.
    pub(super) fn of(event: &Event<'_>, input: &[u8]) -> Self {
        let start = input.as_ptr() as usize;
        let mut spans = [Span::default(); SPANS];
        let mut free = spans.iter_mut();
        let frame = relend(event, &mut |part| {
            if let Some(span) = free.next().filter(|_| !part.is_empty()) {
                // An event borrows the input and nothing else (law 1).
                *span = Span::new((part.as_ptr() as usize).wrapping_sub(start), part.len());
            }
            &[]
        });
        Self { bytes: Bytes::new(), frame, spans }
    }

    /// Whether there is any text or payload in it.
    pub(super) fn has_bytes(&self) -> bool {
        self.spans.iter().any(|span| span.len > 0)
    }

    /// Gives it the bytes it came in.
    pub(super) fn with_bytes(self, bytes: Bytes) -> Self {
        Self { bytes, ..self }
    }
}

impl From<Event<'_>> for OwnedEvent {
    /// Copies texts and payload, for drivers whose input is in a buffer of their own.
    fn from(event: Event<'_>) -> Self {
        let mut bytes = Vec::new();
        let mut spans = [Span::default(); SPANS];
        let mut free = spans.iter_mut();
        let frame = relend(&event, &mut |part| {
            if let Some(span) = free.next() {
                *span = Span::new(bytes.len(), part.len());
                bytes.extend_from_slice(part);
            }
            &[]
        });
        Self { bytes: bytes.into(), frame, spans }
    }
}

impl PartialEq for OwnedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.as_event() == other.as_event()
    }
}

impl fmt::Debug for OwnedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_event().fmt(f)
    }
}

/// The same event with what `lend` gives for each of its parts: first the payload (an empty one if it has none),
/// then the texts.
fn relend<'b>(event: &Event<'_>, lend: &mut dyn FnMut(&[u8]) -> &'b [u8]) -> Event<'b> {
    match *event {
        Event::Message(ref it) => Event::Message(message(it, lend)),
        Event::MessageLeft(ref it) => Event::MessageLeft(message(it, lend)),
        Event::MethodCall { name, payload, request } => Event::MethodCall {
            payload: lend(payload),
            name: text(name.as_bytes(), lend),
            request: request_id(request, lend),
        },
        Event::TwinDocument { token, version, stale, payload } => {
            Event::TwinDocument { token, version, stale, payload: lend(payload) }
        }
        Event::TwinDesired { version, unsynced, payload } => {
            Event::TwinDesired { version, unsynced, payload: lend(payload) }
        }
        Event::RequestFailed { token, reason, payload } => {
            Event::RequestFailed { token, reason, payload: lend(payload) }
        }
        Event::Skipped(Skipped { topic, packet_id, payload_len, token, request }) => {
            // What is not delivered has no bytes here.
            lend(&[]);
            let topic = text(topic.as_bytes(), lend);
            let request = request.map(|request| request_id(request, lend));
            Event::Skipped(Skipped { topic, packet_id, payload_len, token, request })
        }
        Event::StreamBegin { source, payload_len } => {
            lend(&[]);
            Event::StreamBegin { source: stream_source(source, lend), payload_len }
        }
        Event::StreamPiece { offset, bytes } => Event::StreamPiece { offset, bytes: lend(bytes) },
        Event::StreamEnd(end) => Event::StreamEnd(end),
        Event::Unknown { topic, payload, retain } => {
            Event::Unknown { payload: lend(payload), topic: text(topic.as_bytes(), lend), retain }
        }
        Event::Connected { session_present } => Event::Connected { session_present },
        Event::Ready { refused } => Event::Ready { refused },
        Event::Subscribed { features, refused } => Event::Subscribed { features, refused },
        Event::TelemetryAcked(token) => Event::TelemetryAcked(token),
        Event::PartWanted { token, offset, room } => Event::PartWanted { token, offset, room },
        Event::TwinReported { token, version } => Event::TwinReported { token, version },
        Event::TwinSyncFailed { reason } => Event::TwinSyncFailed { reason },
        Event::CredentialExpiring => Event::CredentialExpiring,
        Event::Disconnected(disconnected) => Event::Disconnected(disconnected),
    }
}

fn message<'b>(message: &Message<'_>, lend: &mut dyn FnMut(&[u8]) -> &'b [u8]) -> Message<'b> {
    let Message { token, input, properties, payload, redelivered } = *message;
    let payload = lend(payload);
    let properties = Properties::new(text(properties.raw().as_bytes(), lend));
    Message { token, input: input.map(|input| text(input.as_bytes(), lend)), properties, payload, redelivered }
}

fn stream_source<'b>(source: StreamSource<'_>, lend: &mut dyn FnMut(&[u8]) -> &'b [u8]) -> StreamSource<'b> {
    match source {
        StreamSource::Message { input, properties, redelivered } => {
            let properties = Properties::new(text(properties.raw().as_bytes(), lend));
            let input = input.map(|input| text(input.as_bytes(), lend));
            StreamSource::Message { input, properties, redelivered }
        }
        StreamSource::MethodCall { name, request } => {
            StreamSource::MethodCall { name: text(name.as_bytes(), lend), request: request_id(request, lend) }
        }
        StreamSource::TwinDocument { token } => StreamSource::TwinDocument { token },
        StreamSource::TwinDesired { version, unsynced } => StreamSource::TwinDesired { version, unsynced },
        StreamSource::Unknown { topic, retain } => {
            StreamSource::Unknown { topic: text(topic.as_bytes(), lend), retain }
        }
    }
}

fn request_id<'b>(request: RequestId<'_>, lend: &mut dyn FnMut(&[u8]) -> &'b [u8]) -> RequestId<'b> {
    RequestId::new(text(request.as_str().as_bytes(), lend), request.generation)
}

/// What was a text is one: it comes back from the same bytes.
fn text<'b>(part: &[u8], lend: &mut dyn FnMut(&[u8]) -> &'b [u8]) -> &'b str {
    core::str::from_utf8(lend(part)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
