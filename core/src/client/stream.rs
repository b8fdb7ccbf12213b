//! Payloads larger than the receive buffer, told in pieces as they pass by. Skipping is the same with nobody listening.

use super::machine::{Machine, Parts};
use crate::event::{Event, MessageToken, StreamEnd, StreamSource};
use crate::packet::Publish;
use crate::topic::Inbound;

/// Who listens to the payload that passes by.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Stream {
    /// What is told when it is whole; `None`: nobody listens.
    end: Option<StreamEnd>,
    /// Bytes that were told.
    told: u32,
    /// All of it was told: the end is next.
    whole: bool,
}

impl Stream {
    pub(crate) const fn new() -> Self {
        Self { end: None, told: 0, whole: false }
    }

    /// A new connection: half a payload is void. What came whole is still told as such.
    pub(super) const fn reset(&mut self) {
        if !self.whole {
            self.end = None;
        }
    }

    /// Whether the end of what was told waits to be taken.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }
}

impl Machine {
    /// A payload of `payload_len` bytes begins to pass by. `None`: it is skipped. Else what is told of it, and if
    /// that is nothing, nothing of its pieces is.
    #[expect(clippy::option_option, reason = "what is not streamed, and what is passed over in silence")]
    pub(super) fn stream_begin<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        publish: &Publish<'i>,
        inbound: Inbound<'i>,
        token: Option<MessageToken>,
        payload_len: u32,
    ) -> Option<Option<Event<'i>>> {
        if !parts.config.settings.stream_payloads {
            return None;
        }
        let Publish { topic, retain, dup: redelivered, .. } = *publish;
        let message = |input, properties| {
            // What cannot be accepted comes again: it is not taken now.
            (publish.id.is_none() || token.is_some())
                .then_some((StreamSource::Message { input, properties, redelivered }, StreamEnd::Message { token }))
        };
        let listens = match inbound {
            Inbound::Unknown if topic.is_empty() => return None,
            Inbound::CloudToDevice { properties } => Some(message(None, properties)?),
            Inbound::Input { name, properties } => Some(message(Some(name), properties)?),
            Inbound::Method { name, request_id } => {
                self.session.method_delivered();
                let request = self.request_id(request_id);
                Some((StreamSource::MethodCall { name, request }, StreamEnd::MethodCall))
            }
            Inbound::TwinResponse { status, request_id, .. } => {
                self.twin.skip(status, request_id, payload_len);
                self.twin_awaits(parts).map(|token| {
                    let end = StreamEnd::TwinDocument { token, version: None, stale: false };
                    (StreamSource::TwinDocument { token }, end)
                })
            }
            Inbound::Desired { version } => match self.twin_desired(parts, version, Some(&[])) {
                Some(Event::TwinDesired { version, unsynced, .. }) => {
                    Some((StreamSource::TwinDesired { version, unsynced }, StreamEnd::TwinDesired { version }))
                }
                _ => None,
            },
            Inbound::Unknown => Some((StreamSource::Unknown { topic: topic.as_str(), retain }, StreamEnd::Unknown)),
        };
        // Accepted by itself is what was told to its end.
        self.accept_next = None;
        let (source, end) = listens.unzip();
        self.stream = Stream { end, ..Stream::new() };
        Some(source.map(|source| Event::StreamBegin { source, payload_len }))
    }

    /// The next bytes of what passes by, `last` if these are all that was missing. `None` if nobody listens.
    pub(super) fn stream_piece<'i>(&mut self, parts: &mut Parts<'_>, bytes: &'i [u8], last: bool) -> Option<Event<'i>> {
        let mut end = self.stream.end.take()?;
        if let StreamEnd::TwinDocument { version, stale, .. } = &mut end {
            // A request that has ended without its answer was told so.
            self.twin_awaits(parts)?;
            if last {
                (*version, *stale) = self.twin_streamed(parts);
            }
        }
        let offset = self.stream.told;
        let told = offset.wrapping_add(bytes.len() as u32);
        self.stream = Stream { end: Some(end), told, whole: last };
        Some(Event::StreamPiece { offset, bytes })
    }

    /// The end of what was told, once it is whole.
    pub(super) fn stream_end<'i>(&mut self, parts: &Parts<'_>) -> Option<Event<'i>> {
        if !core::mem::take(&mut self.stream.whole) {
            return None;
        }
        let end = self.stream.end.take()?;
        if let StreamEnd::Message { token } = end
            && parts.config.settings.auto_accept
        {
            self.accept_next = token;
        }
        Some(Event::StreamEnd(end))
    }
}
