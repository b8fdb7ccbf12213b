//! A response larger than the receive buffer, passing by: skipped, or told in pieces.

use super::super::machine::{Machine, Parts};
use super::{Request, TwinSync};
use crate::event::{Event, RequestError};
use crate::wire::VersionReader;
#[cfg(feature = "stream")]
use {super::Document, crate::error::TimeoutReason, crate::event::TwinToken, crate::storage::SlotKind};

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Passing {
    status: u16,
    request: Option<Request>,
    payload_len: u32,
    reader: VersionReader,
}

impl TwinSync {
    /// A response larger than the receive buffer begins.
    pub(in super::super) fn skip(&mut self, status: u16, request_id: &str, payload_len: u32) {
        let reader = VersionReader::document();
        self.passing = Some(Passing { status, request: Request::parse(request_id), payload_len, reader });
    }

    /// The next bytes of it.
    pub(in super::super) fn read(&mut self, bytes: &[u8]) {
        if let Some(response) = &mut self.passing {
            response.reader.feed(bytes);
        }
    }

    /// The answer that synchronisation awaits is told in pieces already: there is no more to wait for.
    pub(super) fn is_told(&self) -> bool {
        let awaited = Some(Request::Sync(self.number));
        cfg!(feature = "stream") && self.passing.as_ref().is_some_and(|passing| passing.request == awaited)
    }
}

impl Machine {
    /// A response that nobody listened to has passed by.
    pub(in super::super) fn skipped_response<'i>(&mut self, parts: &mut Parts<'_>) -> Option<Event<'i>> {
        let Passing { status, request, payload_len, reader } = self.twin.passing.take()?;
        let too_large = RequestError::TooLarge { payload_len, version: reader.version() };
        self.answered(parts, status, request, None, Err(too_large))
    }

    /// The document that passes by is one that is awaited: by the application's request, or by synchronisation, if
    /// `Some(None)`. Its time to come begins anew; that of synchronisation is over, as keep-alive bounds it.
    #[cfg(feature = "stream")]
    #[expect(clippy::option_option, reason = "synchronisation has no token")]
    pub(in super::super) fn twin_awaits(&mut self, parts: &mut Parts<'_>) -> Option<Option<TwinToken>> {
        let Passing { status: 200..=299, request, .. } = *self.twin.passing.as_ref()? else { return None };
        match request? {
            Request::Sync(number) => {
                if !self.twin.outstanding || self.twin.number != number {
                    return None;
                }
                self.session.disarm(TimeoutReason::TwinSync);
                Some(None)
            }
            Request::Application(ticket) => {
                let timeout = parts.config.settings.request_timeout;
                let awaits = self.session.await_more(parts.storage.slots, ticket, SlotKind::TwinGet, timeout);
                awaits.then_some(Some(TwinToken(ticket)))
            }
        }
    }

    /// The document that was told in pieces is whole: its version, and whether it is stale.
    #[cfg(feature = "stream")]
    pub(in super::super) fn twin_streamed(&mut self, parts: &mut Parts<'_>) -> (Option<u64>, bool) {
        let Some(Passing { status, request, reader, .. }) = self.twin.passing.take() else {
            return (None, true);
        };
        let version = reader.version();
        match self.answered(parts, status, request, None, Ok(Document::Told(version))) {
            Some(Event::TwinDocument { stale, .. }) => (version, stale),
            _ => (version, true),
        }
    }
}
