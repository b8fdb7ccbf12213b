//! The only place where a packet gets an IoT Hub meaning.

use super::lifecycle::disconnected;
use super::machine::{Machine, Parts, device};
use crate::config::{INBOUND, TWIN};
use crate::error::{Error, UsageError};
use crate::event::{Event, Message, MessageToken, RequestError, RequestId, Skipped, TelemetryToken, TwinToken};
use crate::packet::{PacketId, Publish, Suback};
#[cfg(feature = "stream")]
use crate::session::Wish;
use crate::session::state::State;
use crate::session::{Incoming, Step};
use crate::storage::window::Decision;
use crate::time::Instant;
use crate::topic::{self, Features, Inbound};

/// What one call of [`handle_input`](crate::Client::handle_input) did.
#[derive(Clone, Copy, PartialEq, Debug)]
#[must_use]
pub struct Handled<'i> {
    /// Drop exactly this many bytes from the front of the input.
    pub consumed: usize,
    /// The full size in bytes of a packet that is incomplete in what then remains, as far as known; else 0.
    pub needed: usize,
    /// At most one event.
    pub event: Option<Event<'i>>,
}

impl Machine {
    pub(crate) fn handle_input<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        input: &'i [u8],
        handled: &mut Handled<'i>,
    ) -> Result<(), Error> {
        self.session.tick(parts.storage.slots, now).ok_or(UsageError::BadInstant)?;
        if input.len() > self.unread as usize {
            self.session.heard();
            let awaited = self.session.awaited();
            if INBOUND && input.len() < awaited && !self.has_event() {
                // More of a packet that is still not whole: as if all of it were looked at, in a fraction of the time.
                self.unread = input.len() as u32;
                handled.needed = awaited;
                return Ok(());
            }
        }
        let outcome = self.take_input(parts, input, handled);
        self.session.settle(&parts.storage, &parts.config.settings);
        outcome
    }

    pub(crate) fn has_event(&self) -> bool {
        self.stream.is_whole()
            || self.session.has_flagged()
            || self.ready
            || self.credential_expires()
            || self.session.has_wish()
            || self.session.has_ended()
    }

    #[cfg_attr(not(target_os = "none"), inline(never))] // It needs many registers, which its caller would have to save.
    fn take_input<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        input: &'i [u8],
        handled: &mut Handled<'i>,
    ) -> Result<(), Error> {
        if INBOUND && let Some(token) = self.accept_next.take() {
            self.decide(&mut parts.storage, token, Decision::Accepted);
        }
        if self.has_event() {
            // What waits comes first.
            self.waiting_event(parts, &mut handled.event);
        }
        let mut step = Step { consumed: 0, incoming: Incoming::Nothing };
        while handled.event.is_none()
            && self.session.listens(&parts.storage, &parts.config.settings, input, &mut handled.consumed)?
        {
            #[cfg(feature = "alloc")]
            if parts.inbound_grows {
                let rest = input.get(handled.consumed..).unwrap_or_default();
                if self.session.wants_record(parts.storage.inbound, rest) {
                    break;
                }
            }
            let Handled { consumed, needed, .. } = &mut *handled;
            if !self.session.look(&mut parts.storage, &parts.config.settings, input, consumed, needed, &mut step) {
                break;
            }
            self.event(parts, &step.incoming, &mut handled.event);
        }
        if !input.is_empty() {
            self.unread = input.len().saturating_sub(handled.consumed) as u32;
        }
        Ok(())
    }

    /// The next event that waits without input: a payload's end, ended requests by age, what state brings, the
    /// connection's end.
    #[cold]
    fn waiting_event(&mut self, parts: &mut Parts<'_>, event: &mut Option<Event<'_>>) {
        *event = self.stream_end(parts);
        if event.is_some() {
            return;
        }
        if TWIN && let Some((ticket, lost)) = self.session.pop_flagged(parts.storage.slots) {
            let reason = if lost { RequestError::ConnectionLost } else { RequestError::TimedOut };
            *event = Some(Event::RequestFailed { token: TwinToken(ticket), reason, payload: &[] });
            return;
        }
        if core::mem::take(&mut self.ready) {
            *event = Some(Event::Ready { refused: self.refused });
            return;
        }
        if self.credential_expires() {
            self.credential_due = false;
            *event = Some(Event::CredentialExpiring);
            return;
        }
        #[cfg(feature = "stream")]
        if let Some(Wish { ticket, offset, room }) = self.session.take_wish(parts.storage.slots) {
            *event = Some(Event::PartWanted { token: TelemetryToken(ticket), offset, room });
            return;
        }
        if let Some(ended) = self.session.take_ended() {
            *event = Some(Event::Disconnected(disconnected(ended)));
        }
    }

    /// What `incoming` means to the application; if it is nothing, what waits. Written in place: an event is large to
    /// move.
    #[inline(never)] // Inlined into the loop, what it needs would be loaded before it, onto the stack.
    fn event<'i>(&mut self, parts: &mut Parts<'_>, incoming: &Incoming<'i>, event: &mut Option<Event<'i>>) {
        *event = match *incoming {
            Incoming::Publish { ref publish, skipped } if INBOUND => {
                return self.publish(parts, publish, skipped, event);
            }
            Incoming::Acked(ticket) => Some(Event::TelemetryAcked(TelemetryToken(ticket))),
            Incoming::Accepted { session_present } => {
                self.session.accept(parts.storage.slots, session_present);
                if !INBOUND || self.wanted.is_empty() {
                    self.now_ready(parts);
                } else {
                    self.want_subscribe();
                }
                Some(Event::Connected { session_present })
            }
            Incoming::Subscribed(ref suback) if INBOUND => self.subscribed(parts, suback),
            Incoming::Piece { bytes, last } if INBOUND => {
                self.twin.read(bytes);
                let event = self.stream_piece(parts, bytes, last);
                if event.is_none() && last { self.skipped_response(parts) } else { event }
            }
            _ => return self.waiting_event(parts, event),
        };
    }

    /// SUBACK: codes and filters stand in the same order (MQTT-3.9.3-1).
    #[cfg_attr(target_os = "none", inline(never))]
    fn subscribed<'i>(&mut self, parts: &mut Parts<'_>, suback: &Suback<'_>) -> Option<Event<'i>> {
        let asked = core::mem::take(&mut self.asked);
        let mut refused = Features::NONE;
        for (feature, code) in asked.iter().zip(suback.codes()) {
            if code.is_none() {
                refused = refused.union(feature);
            }
        }
        let before = self.granted;
        self.refused = self.refused.union(refused);
        self.granted = before.union(asked.difference(refused));
        self.want_subscribe();
        if self.session.state() == State::Ready {
            self.sync_start(parts, before);
            return Some(Event::Subscribed { features: asked, refused });
        }
        self.now_ready(parts);
        core::mem::take(&mut self.ready).then_some(Event::Ready { refused: self.refused })
    }

    /// `Ready` is an event of its own, told before any later byte is looked at.
    fn now_ready(&mut self, parts: &Parts<'_>) {
        if self.session.subscribed() {
            self.ready = true;
            self.sync_start(parts, Features::NONE);
        }
    }

    /// A PUBLISH came. With `skipped` its payload, of so many bytes, is larger than the receive buffer and passes by.
    fn publish<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        publish: &Publish<'i>,
        skipped: Option<u32>,
        event: &mut Option<Event<'i>>,
    ) {
        let inbound = topic::parse(publish.topic, device(&parts.config.identity));
        let is_message = match inbound {
            Inbound::CloudToDevice { .. } | Inbound::Input { .. } => true,
            // The topic alone is larger than the buffer, and only messages have such topics.
            Inbound::Unknown => publish.topic.is_empty(),
            _ => false,
        };
        let token = if is_message { self.await_decision(parts, publish) } else { self.acknowledge(parts, publish) };
        if let Some(payload_len) = skipped {
            *event = self.passes_by(parts, publish, inbound, token, payload_len);
            return;
        }
        let Publish { topic, payload, retain, id, dup: redelivered, .. } = *publish;
        let (input, properties) = match inbound {
            Inbound::CloudToDevice { properties } => (None, properties),
            Inbound::Input { name, properties } => (Some(name), properties),
            Inbound::Method { name, request_id } => {
                self.session.method_delivered();
                *event = Some(Event::MethodCall { name, payload, request: self.request_id(request_id) });
                return;
            }
            Inbound::TwinResponse { status, request_id, version } => {
                *event = self.twin_response(parts, status, request_id, version, payload);
                return;
            }
            Inbound::Desired { version } => {
                *event = self.twin_desired(parts, version, Some(payload));
                return;
            }
            Inbound::Unknown => {
                *event = Some(Event::Unknown { topic: topic.as_str(), payload, retain });
                return;
            }
        };
        let message = Message { token, input, properties, payload, redelivered };
        if id.is_some() && token.is_none() {
            *event = Some(Event::MessageLeft(message));
        } else {
            *event = Some(Event::Message(message));
        }
    }

    /// A PUBLISH whose payload, of so many bytes, passes by.
    fn passes_by<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        publish: &Publish<'i>,
        inbound: Inbound<'i>,
        token: Option<MessageToken>,
        payload_len: u32,
    ) -> Option<Event<'i>> {
        if let Some(event) = self.stream_begin(parts, publish, inbound, token, payload_len) {
            return event;
        }
        let request = self.skipped(parts, inbound, payload_len)?;
        let (topic, packet_id) = (publish.topic.as_str(), publish.id.map(PacketId::get));
        Some(Event::Skipped(Skipped { topic, packet_id, payload_len, token, request }))
    }

    /// What follows from a payload that passes by: a method's answer may still be given; `None` if there is nothing to
    /// tell now.
    fn skipped<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        inbound: Inbound<'i>,
        payload_len: u32,
    ) -> Option<Option<RequestId<'i>>> {
        match inbound {
            Inbound::Method { request_id, .. } => {
                self.session.method_delivered();
                Some(Some(self.request_id(request_id)))
            }
            Inbound::TwinResponse { status, request_id, .. } => {
                // Told at its end, when its version has passed by.
                self.twin.skip(status, request_id, payload_len);
                None
            }
            Inbound::Desired { version } => {
                self.twin_desired(parts, version, None);
                Some(None)
            }
            _ => Some(None),
        }
    }

    /// Remembers a QoS 1 message until the application decides; `None` if there is nothing to decide.
    fn await_decision(&mut self, parts: &mut Parts<'_>, publish: &Publish<'_>) -> Option<MessageToken> {
        let number = self.session.remember(&mut parts.storage, publish.id?, Decision::Undecided)?;
        let token = MessageToken { number, generation: self.session.generation() };
        if parts.config.settings.auto_accept {
            self.accept_next = Some(token);
        }
        Some(token)
    }

    /// What is no message is acknowledged at once (MQTT-4.5.0-2); in its turn, as PUBACKs keep their order. When the
    /// window is full it is not, which for these topics has no consequence but a second copy.
    fn acknowledge(&mut self, parts: &mut Parts<'_>, publish: &Publish<'_>) -> Option<MessageToken> {
        if let Some(id) = publish.id {
            let _ = self.session.remember(&mut parts.storage, id, Decision::Accepted);
        }
        None
    }
}
