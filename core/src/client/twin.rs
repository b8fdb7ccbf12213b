//! Device twins: requests and their answers, and the synchronisation that misses no desired patch.
//!
//! # Synchronisation
//!
//! The hub does not queue desired patches for a device that is away, so after each connect the machine fetches
//! the twin once. `have` is the desired version the application holds, `seen` the highest that passed by. A
//! patch that is next in line is delivered; an older one is dropped; any other is not delivered and makes
//! `seen` higher than `have`, which is what has the twin fetched again. Fetches are at least a second apart, and
//! the distance doubles up to a minute until nothing is missing.

use super::machine::{Machine, Parts};
use crate::error::{Error, TimeoutReason, UsageError};
use crate::event::{Event, RequestError, TwinToken};
use crate::packet::{QoS, publish};
use crate::session::Ident;
use crate::storage::{SlotKind, Ticket};
use crate::time::{Duration, Instant};
use crate::topic::{Features, twin};
use crate::wire::{VersionReader, Writer};

/// The distance between two fetches of synchronisation: at first, and at most.
const FETCH_APART: Duration = Duration::from_secs(1);
const FETCH_APART_MAX: Duration = Duration::from_secs(60);

/// The twin on this connection.
#[derive(Debug)]
pub(crate) struct TwinSync {
    /// The desired version the application holds; `None` until the first document.
    have: Option<u64>,
    /// The highest desired version that passed by undelivered.
    seen: u64,
    /// The first fetch was wanted.
    started: bool,
    /// Given up: patches pass unsynced.
    failed: bool,
    /// A GET of synchronisation is on its way, with this number as its request id.
    outstanding: bool,
    number: u16,
    /// When the last one was sent, and how long after it the next may be.
    last: Instant,
    apart: Duration,
    /// A response larger than the receive buffer is passing by.
    skipped: Option<SkippedResponse>,
}

#[derive(Debug)]
struct SkippedResponse {
    status: u16,
    request: Option<Request>,
    payload_len: u32,
    reader: VersionReader,
}

/// What a response answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Request {
    Sync(u16),
    Application(Ticket),
}

impl TwinSync {
    pub(crate) const fn new() -> Self {
        Self {
            have: None,
            seen: 0,
            started: false,
            failed: false,
            outstanding: false,
            number: 0,
            last: Instant::ZERO,
            apart: FETCH_APART,
            skipped: None,
        }
    }

    /// A new connection: nothing is known of what was missed.
    pub(super) fn reset(&mut self) {
        *self = Self { number: self.number, ..Self::new() };
    }

    pub(super) const fn is_outstanding(&self) -> bool {
        self.outstanding
    }

    /// The number of the GET that is sent now.
    pub(super) const fn next_get(&mut self, now: Instant) -> u16 {
        self.outstanding = true;
        self.last = now;
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// A response larger than the receive buffer begins.
    pub(super) fn skip(&mut self, status: u16, request_id: &str, payload_len: u32) {
        let reader = VersionReader::document();
        self.skipped = Some(SkippedResponse { status, request: parse_request(request_id), payload_len, reader });
    }

    /// When the next GET may be sent; the one after it later still.
    fn next_fetch(&mut self) -> Instant {
        let at = self.last + self.apart;
        self.apart = self.apart.saturating_add(self.apart).min(FETCH_APART_MAX);
        at
    }
}

impl Machine {
    pub(crate) fn twin_get(&mut self, parts: &mut Parts<'_>, now: Instant) -> Result<TwinToken, Error> {
        self.at(parts, now, |this, parts| {
            let mut topic = |w: &mut Writer<'_>, ticket: Ticket| {
                twin::put_get_topic(w, &mut |w| put_request_id(w, ticket));
            };
            this.twin_request(parts, SlotKind::TwinGet, &mut topic, &[])
        })
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
            let mut topic = |w: &mut Writer<'_>, ticket: Ticket| {
                twin::put_report_topic(w, &mut |w| put_request_id(w, ticket));
            };
            this.twin_request(parts, SlotKind::TwinReport, &mut topic, patch)
        })
    }

    fn twin_request(
        &mut self,
        parts: &mut Parts<'_>,
        kind: SlotKind,
        topic: &mut dyn FnMut(&mut Writer<'_>, Ticket),
        payload: &[u8],
    ) -> Result<TwinToken, Error> {
        if !self.wanted.contains(Features::TWIN) || self.refused.contains(Features::TWIN) {
            return Err(UsageError::NotSubscribed.into());
        }
        let first = publish::first_byte(QoS::AtMostOnce, false, false);
        let mut write = |w: &mut Writer<'_>, ident: Ident| {
            publish::put_body(w, &mut |w| topic(w, ident.ticket), None, payload);
            Ok(())
        };
        let ident = self.session.enqueue(&mut parts.storage, kind, first, &mut write)?;
        let deadline = self.session.now() + parts.settings.request_timeout;
        self.session.await_answer(parts.storage.slots, ident.ticket.slot, deadline);
        Ok(TwinToken(ident.ticket))
    }

    /// The first fetch of a connection, as soon as both filters are granted.
    pub(super) fn sync_start(&mut self, parts: &Parts<'_>) {
        let both = Features::TWIN.union(Features::DESIRED);
        if parts.settings.twin_sync && self.granted.contains(both) && !self.twin.started {
            self.twin.started = true;
            self.session.wants_twin = true;
        }
    }

    /// The fetch failed for now: throttled, trouble at the hub, or no answer.
    pub(super) fn sync_retry(&mut self) {
        self.twin.outstanding = false;
        self.sync_fetch();
    }

    /// Has the twin fetched as soon as it may be.
    fn sync_fetch(&mut self) {
        let on_its_way = self.twin.outstanding || self.session.wants_twin;
        if self.twin.failed || on_its_way || self.session.is_armed(TimeoutReason::TwinRefetch) {
            return;
        }
        let at = self.twin.next_fetch();
        if at <= self.session.now() {
            self.session.wants_twin = true;
        } else {
            self.session.arm(TimeoutReason::TwinRefetch, at);
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
        let have = self.twin.have.filter(|&have| version < have);
        if have.is_none() {
            self.twin.have = Some(version);
        }
        if self.twin.seen > have.unwrap_or(version) {
            self.sync_fetch();
        } else {
            self.twin.apart = FETCH_APART;
        }
        have.is_some()
    }

    pub(super) fn twin_desired<'i>(
        &mut self,
        parts: &Parts<'_>,
        version: Option<u64>,
        payload: Option<&'i [u8]>,
    ) -> Option<Event<'i>> {
        let synced = parts.settings.twin_sync && !self.twin.failed && self.granted.contains(Features::TWIN);
        let Some(version) = version.filter(|_| synced) else {
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

    /// The answer to a twin request. What kind it is follows from the request, not from the status.
    pub(super) fn twin_response<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        status: u16,
        request_id: &str,
        version: Option<u64>,
        payload: &'i [u8],
    ) -> Option<Event<'i>> {
        let ok = matches!(status, 200..=299);
        let desired = || {
            let mut reader = VersionReader::document();
            reader.feed(payload);
            reader.version()
        };
        match parse_request(request_id) {
            Some(Request::Sync(number)) => {
                self.sync_answered(number)?;
                if !ok {
                    return self.sync_refused(status);
                }
                let version = desired();
                let dropped = self.sync_document(version);
                (!dropped).then_some(Event::TwinDocument { token: None, version, stale: false, payload })
            }
            Some(Request::Application(ticket)) => {
                let kind = self.application_answered(parts, ticket)?;
                let token = TwinToken(ticket);
                Some(match kind {
                    _ if !ok => Event::RequestFailed { token, reason: RequestError::Status(status), payload },
                    SlotKind::TwinReport => Event::TwinReported { token, version },
                    _ => {
                        let version = desired();
                        let stale = parts.settings.twin_sync && self.sync_document(version);
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

    /// A piece of a PUBLISH that is skipped. Only a twin response is of interest: at its end it is told.
    pub(super) fn skipped_piece<'i>(&mut self, parts: &mut Parts<'_>, bytes: &[u8], last: bool) -> Option<Event<'i>> {
        let skipped = self.twin.skipped.as_mut()?;
        skipped.reader.feed(bytes);
        if !last {
            return None;
        }
        let SkippedResponse { status, request, payload_len, reader } = self.twin.skipped.take()?;
        let too_large = RequestError::TooLarge { payload_len, version: reader.version() };
        let ok = matches!(status, 200..=299);
        match request {
            Some(Request::Sync(number)) => {
                self.sync_answered(number)?;
                if ok { self.sync_fail(too_large) } else { self.sync_refused(status) }
            }
            Some(Request::Application(ticket)) => {
                let kind = self.application_answered(parts, ticket)?;
                let token = TwinToken(ticket);
                Some(match kind {
                    SlotKind::TwinReport if ok => Event::TwinReported { token, version: None },
                    _ => {
                        let reason = if ok { too_large } else { RequestError::Status(status) };
                        Event::RequestFailed { token, reason, payload: &[] }
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

/// Whether `state` lets the GET of synchronisation leave is the session's business; this is its packet's body.
pub(super) fn put_sync_get(w: &mut Writer<'_>, number: u16) {
    let mut topic = |w: &mut Writer<'_>| {
        twin::put_get_topic(w, &mut |w| {
            w.put_u8(SYNC);
            put_hex(w, u32::from(number));
        });
    };
    publish::put_body(w, &mut topic, None, &[]);
}

/// What the request ids of synchronisation begin with; those of the application are plain hexadecimal.
const SYNC: u8 = b's';

fn put_request_id(w: &mut Writer<'_>, ticket: Ticket) {
    put_hex(w, ticket.to_bits());
}

/// Eight hexadecimal digits.
fn put_hex(w: &mut Writer<'_>, value: u32) {
    for shift in (0..8u32).rev() {
        let digit = (value >> (shift << 2) & 0xF) as u8;
        w.put_u8(if digit < 10 { digit | b'0' } else { (digit & 7).wrapping_add(b'a' - 2) });
    }
}

/// What a request id of ours names; `None` for one that is not ours.
fn parse_request(text: &str) -> Option<Request> {
    let (sync, digits) = match text.as_bytes() {
        [SYNC, digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() != 8 {
        return None;
    }
    let mut value = 0u32;
    for &digit in digits {
        let digit = match digit {
            b'0'..=b'9' => digit & 0xF,
            b'a'..=b'f' => (digit & 7).wrapping_add(9),
            _ => return None,
        };
        value = value << 4 | u32::from(digit);
    }
    Some(if sync { Request::Sync(value as u16) } else { Request::Application(Ticket::from_bits(value)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_round_trip() {
        for bits in [0, 1, 9, 10, 0x9abc_def0, 0x0fed_cba9, u32::MAX] {
            let mut room = [0; 8];
            let mut writer = Writer::new(&mut room);
            put_request_id(&mut writer, Ticket::from_bits(bits));
            let text = std::format!("{bits:08x}");
            assert_eq!(writer.finish().unwrap(), text.as_bytes());
            assert_eq!(parse_request(&text), Some(Request::Application(Ticket::from_bits(bits))));
        }
        assert_eq!(parse_request("s0000002a"), Some(Request::Sync(42)));
        for foreign in ["", "s", "7", "0000000g", "0000002A", "000000001", "s00000000 "] {
            assert_eq!(parse_request(foreign), None, "{foreign}");
        }
    }
}
