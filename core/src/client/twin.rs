//! Device twins: requests and their answers, and the synchronisation that misses no desired patch.
//!
//! # Synchronisation
//!
//! The hub does not queue desired patches for a device that is away, so after each connect the machine fetches
//! the twin once. `have` is the desired version the application holds, `seen` the highest that passed by. A
//! patch that is next in line is delivered; an older one is dropped; any other is not delivered and makes
//! `seen` higher than `have`, which is what has the twin fetched again. Fetches are at least a second apart, and
//! the distance doubles up to a minute until nothing is missing.

#[cfg(test)]
mod checks;
mod passing;
mod request_id;
mod verbs;

use super::machine::{Machine, Parts, finish_reserve};
use crate::error::{Error, TimeoutReason, UsageError};
use crate::event::{Event, RequestError, TwinToken};
use crate::packet::{QoS, publish};
use crate::session::state::State;
use crate::session::{Body, Ident, Lent};
use crate::storage::{SlotKind, Ticket};
use crate::time::{Duration, Instant};
use crate::topic::{Features, twin};
use crate::wire::{VersionReader, Writer, frame};
use passing::Passing;
use request_id::{Request, put_request_id};

/// What synchronisation subscribes to.
const NEEDED: Features = Features::TWIN.union(Features::DESIRED);

/// The distance between two fetches of synchronisation: at first, and at most.
const FETCH_APART: Duration = Duration::from_secs(1);
const FETCH_APART_MAX: Duration = Duration::from_secs(60);

/// The twin on this connection.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct TwinSync {
    /// The desired version the application holds; `None` until the first document.
    have: Option<u64>,
    /// The highest desired version that passed by undelivered.
    seen: u64,
    /// Given up: patches pass unsynced.
    failed: bool,
    /// A GET of synchronisation is on its way, with this number as its request id.
    outstanding: bool,
    number: u16,
    /// When the last one was sent, and how long after it the next may be.
    last: Instant,
    apart: Duration,
    /// A response larger than the receive buffer is passing by.
    passing: Option<Passing>,
}

impl TwinSync {
    pub(crate) const fn new() -> Self {
        Self {
            have: None,
            seen: 0,
            failed: false,
            outstanding: false,
            number: 0,
            last: Instant::ZERO,
            apart: FETCH_APART,
            passing: None,
        }
    }

    /// A new connection: nothing is known of what was missed.
    pub(super) fn reset(&mut self) {
        *self = Self { number: self.number, ..Self::new() };
    }

    /// The number of the GET that is sent now.
    const fn next_get(&mut self, now: Instant) -> u16 {
        self.outstanding = true;
        self.last = now;
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// How long from now until the next GET may be sent; the one after it waits longer still.
    fn next_fetch(&mut self, now: Instant) -> Duration {
        let wait = self.apart.saturating_sub(now.since(self.last));
        self.apart = self.apart.saturating_add(self.apart).min(FETCH_APART_MAX);
        wait
    }
}

impl Machine {
    pub(crate) fn twin_get(&mut self, parts: &mut Parts<'_>, now: Instant) -> Result<TwinToken, Error> {
        self.at(parts, now, |this, parts| this.twin_request(parts, None))
    }

    pub(crate) fn twin_report(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        patch: &[u8],
    ) -> Result<TwinToken, Error> {
        self.at(parts, now, |this, parts| {
            #[cfg(feature = "json")]
            crate::twin::check_patch(patch).map_err(UsageError::BadPatch)?;
            this.twin_request(parts, Some(patch))
        })
    }

    /// Queues a report of `patch`, or a GET.
    fn twin_request(&mut self, parts: &mut Parts<'_>, patch: Option<&[u8]>) -> Result<TwinToken, Error> {
        if !self.wanted.contains(Features::TWIN) || self.refused.contains(Features::TWIN) {
            return Err(UsageError::NotSubscribed.into());
        }
        let first = publish::first_byte(QoS::AtMostOnce, false, false);
        let kind = if patch.is_some() { SlotKind::TwinReport } else { SlotKind::TwinGet };
        let ident = self.session.enqueue(&mut parts.storage, kind, first, &Outgoing { patch })?;
        self.session.await_answer(parts.storage.slots, ident.ticket.slot, parts.config.settings.request_timeout);
        Ok(TwinToken(ident.ticket))
    }

    /// The GET of synchronisation.
    pub(super) fn lend_sync_get(&mut self, parts: &mut Parts<'_>) {
        let number = self.twin.next_get(self.session.now());
        let room = parts.storage.tx.get_mut(..self.reserve as usize).unwrap_or_default();
        let first = publish::first_byte(QoS::AtMostOnce, false, false);
        let mut writer = frame::body_writer(room, frame::MAX_HEADER);
        put_sync_get(&mut writer, number);
        let remaining = writer.len();
        let packet = finish_reserve(room, first, remaining);
        self.session.wants_request = false;
        self.session.lend_reserve(Lent::Request, packet.unwrap_or_default());
    }

    /// It is sent: the hub's time begins.
    pub(super) fn sync_sent(&mut self, parts: &Parts<'_>) {
        if self.twin.outstanding && !self.twin.is_told() {
            self.session.arm_after(TimeoutReason::TwinSync, parts.config.settings.request_timeout);
        }
    }

    /// The first fetch of a connection: when both filters are granted that were not both so `before`.
    pub(super) fn sync_start(&mut self, parts: &Parts<'_>, before: Features) {
        if parts.config.settings.twin_sync && self.granted.contains(NEEDED) && !before.contains(NEEDED) {
            self.session.wants_request = true;
        }
    }

    /// Whether patches are held against the version the application has. On a resumed session they may come
    /// before SUBACK.
    fn is_synced(&self, parts: &Parts<'_>) -> bool {
        let subscribed = self.granted.contains(NEEDED) || self.session.state() == State::Subscribing;
        parts.config.settings.twin_sync && !self.twin.failed && subscribed
    }

    /// The fetch failed for now: throttled, trouble at the hub, or no answer.
    pub(super) fn sync_retry(&mut self) {
        self.twin.outstanding = false;
        self.sync_fetch();
    }

    /// Has the twin fetched as soon as it may be.
    fn sync_fetch(&mut self) {
        let coming =
            self.twin.outstanding || self.session.wants_request || self.session.is_armed(TimeoutReason::TwinRefetch);
        if coming || self.twin.failed {
            return;
        }
        match self.twin.next_fetch(self.session.now()) {
            Duration::ZERO => self.session.wants_request = true,
            wait => self.session.arm_after(TimeoutReason::TwinRefetch, wait),
        }
    }

    /// No later fetch of this connection can do better.
    fn sync_fail<'i>(&mut self, reason: RequestError) -> Option<Event<'i>> {
        self.twin.failed = true;
        self.session.disarm(TimeoutReason::TwinRefetch);
        Some(Event::TwinSyncFailed { reason })
    }

    /// A document with this desired version came: `true` if it is older than what the application holds.
    fn sync_document(&mut self, version: Option<u64>) -> bool {
        let Some(version) = version else {
            // Without a version no gap can be seen.
            self.twin.failed = true;
            return false;
        };
        // The first of a connection counts even if it is lower: the twin was made anew.
        let have = self.twin.have.map_or(version, |have| have.max(version));
        self.twin.have = Some(have);
        if self.twin.seen > have {
            self.sync_fetch();
        } else {
            self.twin.apart = FETCH_APART;
        }
        version < have
    }

    pub(super) fn twin_desired<'i>(
        &mut self,
        parts: &Parts<'_>,
        version: Option<u64>,
        payload: Option<&'i [u8]>,
    ) -> Option<Event<'i>> {
        let Some(version) = version.filter(|_| self.is_synced(parts)) else {
            return payload.map(|payload| Event::TwinDesired { version, unsynced: true, payload });
        };
        match (self.twin.have, payload) {
            (Some(have), _) if version <= have => None,
            (Some(have), Some(payload)) if Some(version) == have.checked_add(1) => {
                self.twin.have = Some(version);
                Some(Event::TwinDesired { version: Some(version), unsynced: false, payload })
            }
            (have, _) => {
                self.twin.seen = self.twin.seen.max(version);
                if have.is_some() {
                    self.sync_fetch();
                }
                None
            }
        }
    }

    /// The answer to the twin request with this `$rid`.
    pub(super) fn twin_response<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        status: u16,
        request_id: &str,
        version: Option<u64>,
        payload: &'i [u8],
    ) -> Option<Event<'i>> {
        self.answered(parts, status, Request::parse(request_id), version, Ok(Document::Whole(payload)))
    }

    /// The answer to a twin request; `body` is an error if it is larger than the receive buffer. What kind of answer it
    /// is follows from the request, not from the status.
    #[cfg_attr(target_os = "none", inline(never))]
    fn answered<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        status: u16,
        request: Option<Request>,
        version: Option<u64>,
        body: Result<Document<'i>, RequestError>,
    ) -> Option<Event<'i>> {
        let ok = matches!(status, 200..=299);
        match request {
            Some(Request::Sync(number)) => {
                self.sync_answered(number)?;
                match body {
                    _ if !ok => self.sync_refused(status),
                    Err(too_large) => self.sync_fail(too_large),
                    Ok(document) => {
                        let (version, payload) = (document.version(), document.payload());
                        let dropped = self.sync_document(version);
                        (!dropped).then_some(Event::TwinDocument { token: None, version, stale: false, payload })
                    }
                }
            }
            Some(Request::Application(ticket)) => {
                let kind = self.application_answered(parts, ticket)?;
                let token = TwinToken(ticket);
                Some(match body {
                    _ if !ok => {
                        let payload = body.map_or(&[][..], Document::payload);
                        let reason = RequestError::Status(status);
                        Event::RequestFailed { token, reason, payload }
                    }
                    _ if kind == SlotKind::TwinReport => Event::TwinReported { token, version },
                    Err(reason) => Event::RequestFailed { token, reason, payload: &[] },
                    Ok(document) => {
                        let (version, payload) = (document.version(), document.payload());
                        let synced = parts.config.settings.twin_sync && version.is_some();
                        let stale = synced && self.sync_document(version);
                        Event::TwinDocument { token: Some(token), version, stale, payload }
                    }
                })
            }
            None => {
                self.session.count_stray();
                None
            }
        }
    }

    /// 429 and 5xx pass; anything else would come again.
    fn sync_refused<'i>(&mut self, status: u16) -> Option<Event<'i>> {
        if matches!(status, 429 | 500..=599) {
            self.sync_fetch();
            None
        } else {
            self.sync_fail(RequestError::Status(status))
        }
    }

    /// The fetch with this number is answered; `None` if it is not the one that is awaited.
    fn sync_answered(&mut self, number: u16) -> Option<()> {
        if !self.twin.outstanding || self.twin.number != number {
            self.session.count_stray();
            return None;
        }
        self.twin.outstanding = false;
        self.session.disarm(TimeoutReason::TwinSync);
        Some(())
    }

    fn application_answered(&mut self, parts: &mut Parts<'_>, ticket: Ticket) -> Option<SlotKind> {
        let kind = self.session.answered(parts.storage.slots, ticket);
        if kind.is_none() {
            self.session.count_stray();
        }
        kind
    }
}

/// The document that a GET is answered with.
#[derive(Clone, Copy)]
enum Document<'i> {
    Whole(&'i [u8]),
    /// It was told in pieces, and had this version.
    #[cfg(feature = "stream")]
    Told(Option<u64>),
}

impl<'i> Document<'i> {
    const fn payload(self) -> &'i [u8] {
        match self {
            Self::Whole(payload) => payload,
            #[cfg(feature = "stream")]
            Self::Told(_) => &[],
        }
    }

    /// `desired.$version`.
    fn version(self) -> Option<u64> {
        match self {
            Self::Whole(payload) => {
                let mut reader = VersionReader::document();
                reader.feed(payload);
                reader.version()
            }
            #[cfg(feature = "stream")]
            Self::Told(version) => version,
        }
    }
}

/// The body of a GET of synchronisation.
pub(super) fn put_sync_get(w: &mut Writer<'_>, number: u16) {
    let topic = w.begin_text();
    twin::put_get_topic(w);
    put_request_id(w, Request::Sync(number));
    w.end_text(topic);
}

/// A request of the application's: a patch to report, or else a GET.
struct Outgoing<'m> {
    patch: Option<&'m [u8]>,
}

impl Body for Outgoing<'_> {
    fn put_topic(&self, w: &mut Writer<'_>, ident: Ident) -> Result<(), UsageError> {
        match self.patch {
            Some(_) => twin::put_report_topic(w),
            None => twin::put_get_topic(w),
        }
        put_request_id(w, Request::Application(ident.ticket));
        Ok(())
    }

    fn payload(&self) -> &[u8] {
        self.patch.unwrap_or_default()
    }
}
