//! One inbound packet: checked, sorted, and matched with what it answers.

use super::state::State;
use super::transmit::Ping;
use super::{SUBSCRIBE_ID, Session};
use crate::config::Settings;
use crate::error::{ConnectRefusal, PeerError, TimeoutReason, Violation};
use crate::packet::publish::{self, Head};
use crate::packet::{Connack, Kind, PacketId, Publish, QoS, Suback, connack, subscribe};
use crate::storage::window::Decision;
use crate::storage::{Flags, Slot, Storage, Ticket};
use crate::wire::Fields;
use crate::wire::frame::{self, Header};

/// A PUBLISH larger than the receive buffer, passing by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Skip {
    None,
    /// Its topic alone is larger than the buffer: it is skipped, then the packet id is read.
    Topic {
        left: u32,
        first: u8,
        /// Bytes after the topic.
        after: u32,
    },
    Payload {
        left: u32,
    },
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming<'i> {
    /// Nothing was consumed: how many bytes from here must be there, as far as known.
    Needs(usize),
    /// Nothing the client must know.
    Nothing,
    Accepted {
        session_present: bool,
    },
    /// CONNACK says no.
    Refused(ConnectRefusal),
    Subscribed(Suback<'i>),
    /// The hub has stored this message.
    Acked(Ticket),
    Publish(Publish<'i>),
    /// A PUBLISH larger than the receive buffer begins. Its `payload` is empty here; its topic too, if that
    /// alone is larger than the buffer.
    Oversize {
        publish: Publish<'i>,
        payload_len: u32,
    },
    /// A piece of its payload.
    Piece {
        bytes: &'i [u8],
        last: bool,
    },
}

/// What one look at the input gave.
#[derive(Debug)]
pub(crate) struct Step<'i> {
    pub(crate) consumed: usize,
    pub(crate) incoming: Incoming<'i>,
}

impl<'i> Step<'i> {
    const fn needs(needed: usize) -> Self {
        Self { consumed: 0, incoming: Incoming::Needs(needed) }
    }

    const fn took(consumed: usize, incoming: Incoming<'i>) -> Self {
        Self { consumed, incoming }
    }
}

impl Session {
    /// A PUBLISH larger than the receive buffer is passing by.
    const fn is_skipping(&self) -> bool {
        !matches!(self.skip, Skip::None)
    }

    /// Remembers the QoS 1 PUBLISH that came in last until its PUBACK leaves; `None` if the window is full.
    pub(crate) fn remember(&mut self, storage: &mut Storage<'_>, id: PacketId, decision: Decision) -> Option<u16> {
        self.window.push(storage.inbound, id, decision, self.is_skipping())
    }

    pub(crate) const fn heard(&mut self) {
        self.last_in = self.now;
    }

    /// Looks at the front of the input. An error changed nothing: the same bytes give it again.
    #[inline(never)]
    pub(crate) fn step<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
    ) -> Result<Step<'i>, PeerError> {
        match self.skip {
            Skip::None => self.packet(storage, settings, input),
            Skip::Topic { left, first, after } => self.skip_topic(input, left, first, after),
            Skip::Payload { left } => Ok(self.skip_payload(input, left)),
        }
    }

    fn packet<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
    ) -> Result<Step<'i>, PeerError> {
        let Some(&first) = input.first() else { return Ok(Step::needs(0)) };
        let kind = Kind::of(first)?;
        self.check_turn(kind, first)?;
        let Some(header) = frame::header(input)? else { return Ok(Step::needs(0)) };
        kind.check_length(&header)?;
        let total = header.total();
        if kind == Kind::Publish && total > settings.packet_limit as usize
            || kind != Kind::Publish && total > settings.max_packet as usize
        {
            return Err(at(first, Violation::TooLarge, 1));
        }
        if total > settings.max_packet as usize {
            return self.oversize(settings, &header, input);
        }
        let Some(packet) = input.get(..total) else { return Ok(Step::needs(total)) };
        Ok(Step::took(total, self.whole(storage, settings, kind, &header, packet)?))
    }

    /// A packet that lies whole in the input. What its first bytes tell was checked.
    #[inline(never)] // With much to put on the stack, which what is skipped need not have.
    fn whole<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        kind: Kind,
        header: &Header,
        packet: &'i [u8],
    ) -> Result<Incoming<'i>, PeerError> {
        let first = header.first;
        let mut fields = Fields::new(header, packet);
        Ok(match kind {
            Kind::Publish => Incoming::Publish(publish::parse(header, packet)?),
            Kind::Puback => self.puback(storage, settings, PacketId::parse(&mut fields)?)?,
            Kind::Connack => match connack::parse(&mut fields)? {
                Connack { refusal: Some(refusal), .. } => Incoming::Refused(refusal),
                Connack { session_present: true, .. } if self.clean => {
                    return Err(at(first, Violation::BadSessionPresent, 2));
                }
                Connack { session_present, .. } => Incoming::Accepted { session_present },
            },
            Kind::Suback => self.suback(storage.slots, first, subscribe::parse(&mut fields)?)?,
            Kind::Unsuback => {
                // None was asked for: only the id of something else makes it more than a stray.
                self.check_stray(storage.slots, first, PacketId::parse(&mut fields)?)?;
                Incoming::Nothing
            }
            Kind::Pingresp => {
                if self.ping == Ping::Outstanding {
                    self.ping = Ping::Idle;
                    self.timers.disarm(TimeoutReason::Pingresp);
                } else {
                    self.count_stray();
                }
                Incoming::Nothing
            }
        })
    }

    /// CONNACK is the first packet, once (MQTT-3.2.0-1), and answers a CONNECT.
    fn check_turn(&self, kind: Kind, first: u8) -> Result<(), PeerError> {
        let connecting = self.state == State::Connecting;
        let asked = self.connect.is_empty();
        match kind {
            Kind::Connack if connecting && asked => Ok(()),
            Kind::Connack if !connecting => Err(at(first, Violation::SecondConnack, 0)),
            _ if connecting => Err(at(first, Violation::ExpectedConnack, 0)),
            _ => Ok(()),
        }
    }

    fn puback<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        id: PacketId,
    ) -> Result<Incoming<'i>, PeerError> {
        let Some(index) = self.find_sent(storage.slots, id) else {
            if id.get() == SUBSCRIBE_ID && self.subscribing > 0 {
                return Err(at(0x40, Violation::WrongAck, 2));
            }
            // A late answer to what was given up: tolerated, since closing would make an outage of it.
            self.count_stray();
            return Ok(Incoming::Nothing);
        };
        let Some(slot) = storage.slots.get_mut(usize::from(index)) else { return Ok(Incoming::Nothing) };
        let ticket = Ticket { slot: index, generation: slot.generation };
        let flags = slot.flags;
        self.in_flight = self.in_flight.saturating_sub(1);
        if flags.has(Flags::SENT) {
            self.awaiting = self.awaiting.saturating_sub(1);
        }
        self.cuts = 0;
        self.careful = false;
        self.acked = true;
        if self.awaiting > 0 {
            self.arm_after(TimeoutReason::Puback, settings.puback_timeout);
        } else {
            self.timers.disarm(TimeoutReason::Puback);
        }
        if self.lend.is_slot(index) {
            // Acknowledged before its last byte was confirmed: the bytes stay until they are (law 11).
            slot.flags = flags.with(Flags::DONE);
        } else {
            self.forget_telemetry(storage.slots, index);
        }
        Ok(if flags.has(Flags::WITHDRAWN) { Incoming::Nothing } else { Incoming::Acked(ticket) })
    }

    fn suback<'i>(&mut self, slots: &[Slot], first: u8, suback: Suback<'i>) -> Result<Incoming<'i>, PeerError> {
        // The id is on the wire as soon as SUBSCRIBE was lent.
        if suback.id.get() != SUBSCRIBE_ID || self.subscribing == 0 {
            self.check_stray(slots, first, suback.id)?;
            return Ok(Incoming::Nothing);
        }
        if suback.codes.len() != usize::from(self.subscribing) {
            return Err(at(first, Violation::SubackCount, 1));
        }
        self.subscribing = 0;
        self.timers.disarm(TimeoutReason::Suback);
        Ok(Incoming::Subscribed(suback))
    }

    /// An acknowledgement with an unknown id is counted; one with the id of another kind of packet is wrong.
    fn check_stray(&mut self, slots: &[Slot], first: u8, id: PacketId) -> Result<(), PeerError> {
        let subscribe = id.get() == SUBSCRIBE_ID && self.subscribing > 0;
        if subscribe || self.find_sent(slots, id).is_some() {
            return Err(at(first, Violation::WrongAck, 2));
        }
        self.count_stray();
        Ok(())
    }

    fn oversize<'i>(&mut self, settings: &Settings, header: &Header, input: &'i [u8]) -> Result<Step<'i>, PeerError> {
        // No more than the buffer holds, even if this input holds more (law 8).
        let limit = settings.max_packet as usize;
        match publish::head(header, input.get(..limit).unwrap_or(input))? {
            Head::Complete { publish, len } => {
                let left = (header.total() as u32).saturating_sub(len as u32);
                self.skip = Skip::Payload { left };
                Ok(Step::took(len, Incoming::Oversize { publish, payload_len: left }))
            }
            Head::Needs(needed) if needed <= limit => Ok(Step::needs(needed)),
            Head::Needs(_) => {
                // Header and topic length are there, or `needed` would be small.
                let start = usize::from(header.len);
                let Some(&[high, low]) = input.get(start..).and_then(|rest| rest.first_chunk::<2>()) else {
                    return Ok(Step::needs(start.saturating_add(2)));
                };
                let topic = u32::from(u16::from_be_bytes([high, low]));
                let after = header.remaining.saturating_sub(2).saturating_sub(topic);
                self.skip = Skip::Topic { left: topic, first: header.first, after };
                Ok(Step::took(start.saturating_add(2), Incoming::Nothing))
            }
        }
    }

    fn skip_topic<'i>(&mut self, input: &'i [u8], left: u32, first: u8, after: u32) -> Result<Step<'i>, PeerError> {
        if left > 0 {
            let passing = input.len().min(left as usize);
            if passing == 0 {
                return Ok(Step::needs(0));
            }
            let left = left.saturating_sub(passing as u32);
            self.skip = Skip::Topic { left, first, after };
            return Ok(Step::took(passing, Incoming::Nothing));
        }
        let (qos, dup, retain) = publish::flags(first);
        let (id, len) = match (qos, input.first_chunk::<2>()) {
            (QoS::AtMostOnce, _) => (None, 0usize),
            (QoS::AtLeastOnce, None) => return Ok(Step::needs(2)),
            (QoS::AtLeastOnce, Some(&bytes)) => {
                let id = PacketId::new(u16::from_be_bytes(bytes)).ok_or(at(first, Violation::ZeroPacketId, 0))?;
                (Some(id), 2)
            }
        };
        let payload_len = after.saturating_sub(len as u32);
        self.skip = if payload_len == 0 { Skip::None } else { Skip::Payload { left: payload_len } };
        let publish = Publish { qos, dup, retain, topic: "", id, payload: &[] };
        Ok(Step::took(len, Incoming::Oversize { publish, payload_len }))
    }

    fn skip_payload<'i>(&mut self, input: &'i [u8], left: u32) -> Step<'i> {
        let passing = input.len().min(left as usize);
        let rest = left.saturating_sub(passing as u32);
        if passing == 0 {
            return Step::needs(0);
        }
        self.skip = Skip::Payload { left: rest };
        if rest == 0 {
            self.skip = Skip::None;
            self.window.complete();
        }
        let bytes = input.get(..passing).unwrap_or_default();
        Step::took(passing, Incoming::Piece { bytes, last: rest == 0 })
    }

    pub(crate) const fn subscribe_sent(&mut self, filters: u8) {
        self.subscribing = filters;
        self.wants_subscribe = false;
    }
}

/// An error at `offset` of the packet that begins with `first`.
const fn at(first: u8, kind: Violation, offset: u32) -> PeerError {
    PeerError { kind, packet: first, offset }
}
