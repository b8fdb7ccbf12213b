//! The only place where a packet gets an IoT Hub meaning.

use super::lifecycle::disconnected;
use super::machine::{Machine, Parts, device};
use crate::error::Error;
use crate::event::{Event, Message, MessageToken, RequestError, Skipped, TelemetryToken, TwinToken};
use crate::packet::{Publish, Suback};
use crate::session::state::State;
use crate::session::{Incoming, Step};
use crate::storage::Storage;
use crate::storage::window::Decision;
use crate::time::Instant;
use crate::topic::{self, Features, Inbound, Properties};

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
        parts: &mut Parts<'_, '_>,
        now: Instant,
        input: &'i [u8],
        handled: &mut Handled<'i>,
    ) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            if let Some(token) = this.accept_next.take() {
                this.decide(parts.storage, token, Decision::Accepted);
            }
            if input.len() > this.unread {
                this.session.heard();
            }
            this.take_input(parts, input, handled)
        })
    }

    pub(crate) fn has_event(&self) -> bool {
        self.session.has_flagged() || self.ready || self.credential_expires() || self.session.has_ended()
    }

    fn take_input<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        input: &'i [u8],
        handled: &mut Handled<'i>,
    ) -> Result<(), Error> {
        handled.event = self.waiting_event(parts);
        while handled.event.is_none() {
            if let Some(error) = self.session.error() {
                return Err(error);
            }
            if matches!(self.session.state(), State::Offline | State::Closing) {
                // Nothing listens: what still comes in belongs to a connection that is over.
                handled.consumed = input.len();
                break;
            }
            let rest = input.get(handled.consumed..).unwrap_or_default();
            #[cfg(feature = "alloc")]
            if parts.inbound_grows && self.session.wants_record(parts.storage.inbound, rest) {
                break;
            }
            let error = match self.session.step(parts.storage, parts.settings, rest) {
                Ok(Step { incoming: Incoming::Needs(bytes), .. }) => {
                    handled.needed = bytes;
                    break;
                }
                Ok(Step { incoming: Incoming::Refused(refusal), .. }) => Error::Refused(refusal),
                Ok(step) => {
                    handled.consumed = handled.consumed.saturating_add(step.consumed);
                    handled.event = self.incoming(parts, step.incoming);
                    if handled.event.is_none() {
                        // As if what follows came in another call (law 8).
                        self.session.settle(parts.storage, parts.settings);
                    }
                    continue;
                }
                Err(error) => Error::Peer(error),
            };
            if handled.consumed > 0 {
                // The next call, which begins with the bad packet, tells; the events before it come first.
                break;
            }
            self.session.fail(parts.storage, error);
            handled.event = self.waiting_event(parts);
        }
        if !input.is_empty() {
            self.unread = input.len().saturating_sub(handled.consumed);
        }
        Ok(())
    }

    /// The next event that waits without input: ended requests by age, what state brings, the connection's end.
    fn waiting_event<'i>(&mut self, parts: &mut Parts<'_, '_>) -> Option<Event<'i>> {
        if let Some((ticket, lost)) = self.session.pop_flagged(parts.storage.slots) {
            let reason = if lost { RequestError::ConnectionLost } else { RequestError::TimedOut };
            return Some(Event::RequestFailed { token: TwinToken(ticket), reason, payload: &[] });
        }
        if core::mem::take(&mut self.ready) {
            return Some(Event::Ready { refused: self.refused });
        }
        if self.credential_expires() {
            self.credential_due = false;
            return Some(Event::CredentialExpiring);
        }
        Some(Event::Disconnected(disconnected(self.session.take_ended()?)))
    }

    #[inline(never)]
    fn incoming<'i>(&mut self, parts: &mut Parts<'_, '_>, incoming: Incoming<'i>) -> Option<Event<'i>> {
        match incoming {
            Incoming::Nothing | Incoming::Needs(_) | Incoming::Refused(_) => None,
            Incoming::Acked(ticket) => Some(Event::TelemetryAcked(TelemetryToken(ticket))),
            Incoming::Publish(publish) => {
                let inbound = topic::parse(publish.topic, device(parts.identity));
                self.publish(parts, &publish, inbound)
            }
            Incoming::Accepted { session_present } => {
                self.session.accept(parts.storage.slots, session_present);
                if self.wanted.is_empty() {
                    self.now_ready(parts);
                } else {
                    self.want_subscribe();
                }
                Some(Event::Connected { session_present })
            }
            Incoming::Subscribed(suback) => self.subscribed(parts, &suback),
            Incoming::Oversize { publish, payload_len } => {
                let inbound = topic::parse(publish.topic, device(parts.identity));
                self.oversize(parts, &publish, inbound, payload_len)
            }
            Incoming::Piece { bytes, last } => self.skipped_piece(parts, bytes, last),
        }
    }

    /// SUBACK: codes and filters stand in the same order (MQTT-3.9.3-1).
    #[inline(never)]
    fn subscribed<'i>(&mut self, parts: &mut Parts<'_, '_>, suback: &Suback<'_>) -> Option<Event<'i>> {
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
    fn now_ready(&mut self, parts: &Parts<'_, '_>) {
        if self.session.subscribed() {
            self.ready = true;
            self.sync_start(parts, Features::NONE);
        }
    }

    #[inline(never)]
    fn publish<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        publish: &Publish<'i>,
        inbound: Inbound<'i>,
    ) -> Option<Event<'i>> {
        let Publish { topic, payload, retain, .. } = *publish;
        match inbound {
            Inbound::CloudToDevice { properties } => Some(self.message(parts, publish, None, properties)),
            Inbound::Input { name, properties } => Some(self.message(parts, publish, Some(name), properties)),
            Inbound::Method { name, request_id } => {
                self.acknowledge(parts.storage, publish);
                self.session.method_delivered();
                Some(Event::MethodCall { name, payload, request: self.request_id(request_id) })
            }
            Inbound::TwinResponse { status, request_id, version } => {
                self.acknowledge(parts.storage, publish);
                self.twin_response(parts, status, request_id, version, payload)
            }
            Inbound::Desired { version } => {
                self.acknowledge(parts.storage, publish);
                self.twin_desired(parts, version, Some(payload))
            }
            Inbound::Unknown => {
                self.acknowledge(parts.storage, publish);
                Some(Event::Unknown { topic, payload, retain })
            }
        }
    }

    fn message<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        publish: &Publish<'i>,
        input: Option<&'i str>,
        properties: Properties<'i>,
    ) -> Event<'i> {
        let token = self.await_decision(parts, publish);
        let Publish { payload, dup: redelivered, .. } = *publish;
        let message = Message { token, input, properties, payload, redelivered };
        if publish.id.is_some() && token.is_none() { Event::MessageLeft(message) } else { Event::Message(message) }
    }

    /// Remembers a QoS 1 message until the application decides; `None` if there is nothing to decide.
    fn await_decision(&mut self, parts: &mut Parts<'_, '_>, publish: &Publish<'_>) -> Option<MessageToken> {
        let number = self.session.remember(parts.storage, publish.id?, Decision::Undecided)?;
        let token = MessageToken { number, generation: self.session.generation() };
        if parts.settings.auto_accept {
            self.accept_next = Some(token);
        }
        Some(token)
    }

    /// What is no message is acknowledged at once (MQTT-4.5.0-2); in its turn, as PUBACKs keep their order. When the
    /// window is full it is not, which for these topics has no consequence but a second copy.
    #[inline(never)]
    fn acknowledge(&mut self, storage: &mut Storage<'_>, publish: &Publish<'_>) {
        if let Some(id) = publish.id {
            let _ = self.session.remember(storage, id, Decision::Accepted);
        }
    }

    /// A PUBLISH that the receive buffer cannot hold begins.
    #[inline(never)]
    fn oversize<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        publish: &Publish<'i>,
        inbound: Inbound<'i>,
        payload_len: u32,
    ) -> Option<Event<'i>> {
        let Publish { topic, id, .. } = *publish;
        let mut skipped = Skipped { topic, packet_id: id.map(|id| id.get()), payload_len, token: None, request: None };
        match inbound {
            Inbound::TwinResponse { status, request_id, .. } => {
                self.acknowledge(parts.storage, publish);
                // Told at its end, when its version has passed by.
                self.twin.skip(status, request_id, payload_len);
                return None;
            }
            Inbound::Desired { version } => {
                self.acknowledge(parts.storage, publish);
                self.twin_desired(parts, version, None);
            }
            Inbound::Method { request_id, .. } => {
                self.acknowledge(parts.storage, publish);
                self.session.method_delivered();
                skipped.request = Some(self.request_id(request_id));
            }
            Inbound::Unknown if !topic.is_empty() => self.acknowledge(parts.storage, publish),
            Inbound::CloudToDevice { .. } | Inbound::Input { .. } | Inbound::Unknown => {
                skipped.token = self.await_decision(parts, publish);
            }
        }
        Some(Event::Skipped(skipped))
    }
}
