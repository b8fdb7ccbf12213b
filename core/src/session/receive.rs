//! One inbound packet: checked, sorted, and matched with what it answers.

use super::state::State;
use super::transmit::Ping;
use super::{SUBSCRIBE_ID, Session};
use crate::config::Settings;
use crate::error::{Error, PeerError, TimeoutReason, Violation};
use crate::packet::publish::{self, Head};
use crate::packet::{self, Kind, Packet, PacketId, Publish, QoS, Suback};
use crate::storage::{Flags, Inbound, Slot, Storage, Ticket};
use crate::wire::frame::{self, Header};

/// What type and QoS bits of a first byte are for a PUBLISH with QoS 1 (MQTT 3.1.1 §3.3.1).
const QOS1_PUBLISH: u8 = 0x32;
const QOS1_MASK: u8 = 0xF6;

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
    /// Nothing the client must know.
    Nothing,
    Accepted {
        session_present: bool,
    },
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
    /// 0 with [`Incoming::Nothing`]: more input is needed.
    pub(crate) consumed: usize,
    /// Then: how many bytes from here must be there, as far as known.
    pub(crate) needed: usize,
    pub(crate) incoming: Incoming<'i>,
}

impl<'i> Step<'i> {
    const fn needs(needed: usize) -> Self {
        Self { consumed: 0, needed, incoming: Incoming::Nothing }
    }

    const fn took(consumed: usize, incoming: Incoming<'i>) -> Self {
        Self { consumed, needed: 0, incoming }
    }
}

impl Session {
    /// A PUBLISH larger than the receive buffer is passing by.
    pub(crate) const fn is_skipping(&self) -> bool {
        !matches!(self.skip, Skip::None)
    }

    /// What is at the front of `input` may need a record of the inbound window, and that has none left.
    pub(crate) fn wants_record(&self, records: &[Inbound], input: &[u8]) -> bool {
        let first = match self.skip {
            Skip::None => input.first().copied(),
            Skip::Topic { first, .. } => Some(first),
            Skip::Payload { .. } => None,
        };
        self.state.is_connected()
            && self.window.is_full(records)
            && first.is_some_and(|first| first & QOS1_MASK == QOS1_PUBLISH)
    }

    /// A skipped PUBLISH has ended, and the client was not told yet.
    pub(crate) const fn has_skipped(&self) -> bool {
        matches!(self.skip, Skip::Payload { left: 0 })
    }

    pub(crate) const fn heard(&mut self) {
        self.last_in = self.now;
    }

    /// Looks at the front of the input. An error changed nothing: the same bytes give it again.
    pub(crate) fn step<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
    ) -> Result<Step<'i>, Error> {
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
    ) -> Result<Step<'i>, Error> {
        let Some(&first) = input.first() else { return Ok(Step::needs(0)) };
        let kind = Kind::of(first)?;
        self.check_turn(kind, first)?;
        let Some(header) = frame::header(input)? else { return Ok(Step::needs(0)) };
        kind.check_length(&header)?;
        let total = header.total();
        if kind == Kind::Publish && total > settings.packet_limit as usize
            || kind != Kind::Publish && total > settings.max_packet as usize
        {
            return Err(at(first, Violation::TooLarge, 1).into());
        }
        if total > settings.max_packet as usize {
            return self.oversize(settings, &header, input);
        }
        let Some(packet) = input.get(..total) else { return Ok(Step::needs(total)) };
        let incoming = match packet::decode(&header, packet)? {
            Packet::Publish(publish) => Incoming::Publish(publish),
            Packet::Puback(id) => self.puback(storage, settings, id)?,
            Packet::Connack(connack) => {
                if let Some(refusal) = connack.refusal {
                    return Err(Error::Refused(refusal));
                }
                if connack.session_present && self.clean {
                    return Err(at(first, Violation::BadSessionPresent, 2).into());
                }
                Incoming::Accepted { session_present: connack.session_present }
            }
            Packet::Suback(suback) => self.suback(storage.slots, first, suback)?,
            Packet::Unsuback(id) => {
                // None was asked for: only the id of something else makes it more than a stray.
                self.check_stray(storage.slots, first, id)?;
                Incoming::Nothing
            }
            Packet::Pingresp => {
                if self.ping == Ping::Outstanding {
                    self.ping = Ping::Idle;
                    self.timers.disarm(TimeoutReason::Pingresp);
                } else {
                    self.count_stray();
                }
                Incoming::Nothing
            }
        };
        Ok(Step::took(total, incoming))
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
        self.acked = true;
        if self.awaiting > 0 {
            self.timers.arm(TimeoutReason::Puback, self.now + settings.puback_timeout);
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

    fn oversize<'i>(&mut self, settings: &Settings, header: &Header, input: &'i [u8]) -> Result<Step<'i>, Error> {
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

    fn skip_topic<'i>(&mut self, input: &'i [u8], left: u32, first: u8, after: u32) -> Result<Step<'i>, Error> {
        if left > 0 {
            let passing = input.len().min(left as usize);
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
        self.skip = Skip::Payload { left: payload_len };
        let publish = Publish { qos, dup, retain, topic: "", id, payload: &[] };
        Ok(Step::took(len, Incoming::Oversize { publish, payload_len }))
    }

    fn skip_payload<'i>(&mut self, input: &'i [u8], left: u32) -> Step<'i> {
        let passing = input.len().min(left as usize);
        let rest = left.saturating_sub(passing as u32);
        if passing == 0 && left > 0 {
            return Step::needs(0);
        }
        self.skip = if rest == 0 { Skip::None } else { Skip::Payload { left: rest } };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Slot;
    use std::vec;
    use std::vec::Vec;

    /// Law 8: whether a topic is too long follows from `max_packet`, also when all of it is in the input.
    #[test]
    fn a_topic_longer_than_the_buffer_is_skipped_however_it_comes() {
        let settings = Settings { max_packet: 64, ..Settings::default() };
        for topic_len in [56, 57, 58, 59, 60, 61, 62, 63, 100] {
            let mut packet = vec![0x32, topic_len + 22, 0, topic_len];
            packet.extend(vec![b't'; topic_len.into()]);
            packet.extend([0, 7]);
            packet.extend([b'p'; 18]);
            let read = |chunk: usize| -> Vec<(usize, u32)> {
                let mut slots = [Slot::EMPTY; 1];
                let mut storage = Storage { tx: &mut [], slots: &mut slots, inbound: &mut [] };
                let mut session = Session::new(0, 1);
                session.state = State::Ready;
                let (mut from, mut to, mut told) = (0, 0, vec![]);
                while from < packet.len() {
                    let step = session.step(&mut storage, &settings, &packet[from..to]).unwrap();
                    if let Incoming::Oversize { publish, payload_len } = step.incoming {
                        told.push((publish.topic.len(), payload_len));
                    }
                    from += step.consumed;
                    to = (to + if step.consumed == 0 { chunk } else { 0 }).min(packet.len());
                }
                told
            };
            let whole = read(packet.len());
            let fits = 4 + usize::from(topic_len) + 2 <= 64;
            assert_eq!(whole, [(if fits { topic_len.into() } else { 0 }, 18)]);
            for chunk in 1..64 {
                assert_eq!(read(chunk), whole, "{topic_len} in pieces of {chunk}");
            }
        }
    }
}
