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
use crate::session::{Incoming, Look, Step};
use crate::storage::window::Decision;
use crate::time::Instant;
use crate::topic::{self, Features, Inbound};
use crate::wire::Text;

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
    #[cfg_attr(not(target_os = "none"), inline(always))]
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
        self.take_input(parts, input, handled)
    }

    pub(crate) fn has_event(&self) -> bool {
        self.stream.is_whole()
            || self.session.has_flagged()
            || self.ready
            || self.credential_expires()
            || self.session.has_wish()
            || self.session.has_ended()
    }

    /// Looks at `input`, and does what follows from any call.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn take_input<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        input: &'i [u8],
        handled: &mut Handled<'i>,
    ) -> Result<(), Error> {
        let outcome = self.take_packets(parts, input, handled);
        // A message changes nothing of what is to be sent, before the application has decided about it.
        if !(INBOUND && matches!(handled.event, Some(Event::Message(_)))) {
            self.session.settle(&parts.storage, &parts.config.settings);
        }
        outcome
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn take_packets<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        input: &'i [u8],
        handled: &mut Handled<'i>,
    ) -> Result<(), Error> {
        if INBOUND && let Some(token) = self.accept_next.take() {
            self.decide(&mut parts.storage, token, Decision::Accepted);
            self.session.settle(&parts.storage, &parts.config.settings);
        }
        if self.has_event() {
            // What waits comes first.
            self.waiting_event(parts, &mut handled.event);
        }
        while handled.event.is_none()
            && self.session.listens(&parts.storage, &parts.config.settings, input, &mut handled.consumed)?
            && self.take_packet(parts, input, handled)
        {}
        if !input.is_empty() {
            self.unread = input.len().saturating_sub(handled.consumed) as u32;
        }
        Ok(())
    }

    /// Looks behind what was consumed, and at what that means; `false` if nothing more is done in this call.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn take_packet<'i>(&mut self, parts: &mut Parts<'_>, input: &'i [u8], handled: &mut Handled<'i>) -> bool {
        #[cfg(feature = "alloc")]
        if parts.inbound_grows {
            let rest = input.get(handled.consumed..).unwrap_or_default();
            if self.session.wants_record(parts.storage.inbound, rest) {
                return false;
            }
        }
        let Handled { consumed, needed, event } = handled;
        let mut step = Step { consumed: 0, incoming: Incoming::Nothing };
        match self.session.look(&mut parts.storage, &parts.config.settings, input, consumed, needed, &mut step) {
            Look::Message(ref publish) if INBOUND => {
                if !self.message(parts, publish, event) {
                    let Publish { topic, id, payload, retain, .. } = *publish;
                    *event = self.no_message(parts, topic, id, payload, retain);
                }
            }
            Look::Acked(ticket) => *event = Some(Event::TelemetryAcked(TelemetryToken(ticket))),
            Look::Message(_) | Look::Step => self.event(parts, &step.incoming, event),
            Look::Over => return false,
        }
        true
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
    #[inline(never)]
    fn event<'i>(&mut self, parts: &mut Parts<'_>, incoming: &Incoming<'i>, event: &mut Option<Event<'i>>) {
        *event = match *incoming {
            Incoming::Oversize { ref publish, payload_len } if INBOUND => self.passes_by(parts, publish, payload_len),
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

    /// A PUBLISH came, whole: whether it is a message for the application to accept or leave, which is then the event.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn message<'i>(&mut self, parts: &mut Parts<'_>, publish: &Publish<'i>, event: &mut Option<Event<'i>>) -> bool {
        let (input, properties) = match topic::parse_message(publish.topic, device(&parts.config.identity)) {
            Inbound::CloudToDevice { properties } => (None, properties),
            Inbound::Input { name, properties } => (Some(name), properties),
            _ => return false,
        };
        let token = self.await_decision(parts, publish.id);
        let message = Message { token, input, properties, payload: publish.payload, redelivered: publish.dup };
        let left = publish.id.is_some() && token.is_none();
        *event = Some(if left { Event::MessageLeft(message) } else { Event::Message(message) });
        true
    }

    /// A PUBLISH that is not for the application to accept.
    #[inline(never)]
    fn no_message<'i>(
        &mut self,
        parts: &mut Parts<'_>,
        topic: Text<'i>,
        id: Option<PacketId>,
        payload: &'i [u8],
        retain: bool,
    ) -> Option<Event<'i>> {
        self.acknowledge(parts, id);
        match topic::parse_service(topic) {
            Inbound::TwinResponse { status, request_id, version } => {
                self.twin_response(parts, status, request_id, version, payload)
            }
            Inbound::Desired { version } => self.twin_desired(parts, version, Some(payload)),
            Inbound::Method { name, request_id } => {
                self.session.method_delivered();
                Some(Event::MethodCall { name, payload, request: self.request_id(request_id) })
            }
            _ => Some(Event::Unknown { topic: topic.as_str(), payload, retain }),
        }
    }

    /// A PUBLISH whose payload, of so many bytes, passes by.
    #[inline(never)]
    fn passes_by<'i>(&mut self, parts: &mut Parts<'_>, publish: &Publish<'i>, payload_len: u32) -> Option<Event<'i>> {
        let inbound = topic::parse(publish.topic, device(&parts.config.identity));
        let is_message = match inbound {
            Inbound::CloudToDevice { .. } | Inbound::Input { .. } => true,
            // The topic alone is larger than the buffer, and only messages have such topics.
            Inbound::Unknown => publish.topic.is_empty(),
            _ => false,
        };
        let token = if is_message {
            self.await_decision(parts, publish.id)
        } else {
            self.acknowledge(parts, publish.id);
            None
        };
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
    fn await_decision(&mut self, parts: &mut Parts<'_>, id: Option<PacketId>) -> Option<MessageToken> {
        let number = self.session.remember(&mut parts.storage, id?, Decision::Undecided)?;
        let token = MessageToken { number, generation: self.session.generation() };
        if parts.config.settings.auto_accept {
            self.accept_next = Some(token);
        }
        Some(token)
    }

    /// What is no message is acknowledged at once (MQTT-4.5.0-2); in its turn, as PUBACKs keep their order. When the
    /// window is full it is not, which for these topics has no consequence but a second copy.
    fn acknowledge(&mut self, parts: &mut Parts<'_>, id: Option<PacketId>) {
        if let Some(id) = id {
            let _ = self.session.remember(&mut parts.storage, id, Decision::Accepted);
        }
    }
}
