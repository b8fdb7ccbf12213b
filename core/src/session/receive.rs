//! One inbound packet: checked, sorted, and matched with what it answers.

use super::state::State;
use super::timer::Mark;
use super::transmit::Ping;
use super::{Fatal, SUBSCRIBE_ID, Session};
use crate::config::{INBOUND, Settings};
use crate::error::{ConnectRefusal, Error, PeerError, TimeoutReason, Violation};
use crate::packet::publish::{self, Head};
use crate::packet::{Connack, Kind, PacketId, Publish, QoS, Suback, connack, subscribe};
use crate::storage::window::Decision;
use crate::storage::{Flags, Slot, Storage, Ticket};
use crate::wire::frame::{self, Header};
use crate::wire::{Fields, Text};

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
    /// A message. With `skipped` it is larger than the receive buffer: its payload has so many bytes and follows in
    /// pieces. Its topic is empty if that alone is larger than the buffer.
    Publish {
        publish: Publish<'i>,
        skipped: Option<u32>,
    },
    /// A piece of its payload.
    Piece {
        bytes: &'i [u8],
        last: bool,
    },
}

/// What one look at the input gave. Filled in place: it is large to move.
#[derive(Debug)]
pub(crate) struct Step<'i> {
    pub(crate) consumed: usize,
    pub(crate) incoming: Incoming<'i>,
}

impl<'i> Step<'i> {
    fn took(&mut self, consumed: usize, incoming: Incoming<'i>) {
        *self = Self { consumed, incoming };
    }

    const fn needs(&mut self, bytes: usize) {
        self.incoming = Incoming::Needs(bytes);
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

    pub(crate) fn heard(&mut self) {
        self.timers.mark(Mark::LastIn, self.now);
    }

    /// Bytes that the input must have before a look at it gives anything; 0 if that is not known.
    pub(crate) const fn awaited(&self) -> usize {
        self.awaited as usize
    }

    /// Whether the rest of the input is looked at in this call, behind what it has `consumed`.
    pub(crate) fn listens(
        &mut self,
        storage: &Storage<'_>,
        settings: &Settings,
        input: &[u8],
        consumed: &mut usize,
    ) -> Result<bool, Error> {
        if *consumed > 0 {
            // As if what follows came in another call (law 8).
            self.settle(storage, settings);
        }
        if let Some(error) = self.error() {
            return Err(error);
        }
        let listens = !matches!(self.state, State::Offline | State::Closing);
        if !listens {
            // What still comes in belongs to a connection that is over.
            *consumed = input.len();
        }
        Ok(listens)
    }

    /// Looks behind what was consumed: whether `step` has something. If not, more bytes are `needed`, or the call ends
    /// before a bad packet, so that the events before it come first (law 6). What is fatal leaves `step` empty.
    pub(crate) fn look<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
        consumed: &mut usize,
        needed: &mut usize,
        step: &mut Step<'i>,
    ) -> bool {
        let rest = input.get(*consumed..).unwrap_or_default();
        self.awaited = 0;
        let error = match (self.step(storage, settings, rest, step), &step.incoming) {
            (Err(error), _) => Fatal::Peer(error),
            (Ok(()), Incoming::Refused(refusal)) => Fatal::Refused(*refusal),
            (Ok(()), Incoming::Needs(bytes)) => {
                *needed = *bytes;
                self.awaited = *bytes as u32;
                return false;
            }
            (Ok(()), _) => {
                *consumed = consumed.saturating_add(step.consumed);
                return true;
            }
        };
        step.incoming = Incoming::Nothing;
        if *consumed == 0 {
            self.fail(storage, error);
        }
        *consumed == 0
    }

    /// Looks at the front of the input. An error changed nothing: the same bytes give it again.
    #[inline(never)]
    pub(crate) fn step<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
        step: &mut Step<'i>,
    ) -> Result<(), PeerError> {
        step.took(0, Incoming::Needs(0));
        match self.skip {
            Skip::None => self.packet(storage, settings, input, step),
            Skip::Topic { left, first, after } if INBOUND => self.skip_topic(input, left, first, after, step),
            Skip::Topic { left, .. } | Skip::Payload { left } => {
                self.skip_payload(input, left, step);
                Ok(())
            }
        }
    }

    fn packet<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
        step: &mut Step<'i>,
    ) -> Result<(), PeerError> {
        let Some(&first) = input.first() else { return Ok(()) };
        let kind = Kind::of(first)?;
        self.check_turn(kind).map_err(|kind| at(first, kind, 0))?;
        let Some(header) = frame::header(input)? else { return Ok(()) };
        kind.check_length(&header)?;
        let (total, buffer) = (header.total(), settings.max_packet as usize);
        let limit = if kind == Kind::Publish { settings.packet_limit as usize } else { buffer };
        if total > limit {
            return Err(at(first, Violation::TooLarge, 1));
        }
        if !INBOUND && kind == Kind::Publish {
            // Subscribed by an earlier program, whose session the hub has kept.
            self.skip = Skip::Payload { left: header.remaining };
            step.took(usize::from(header.len), Incoming::Nothing);
            return Ok(());
        }
        if INBOUND && total > buffer {
            return self.oversize(buffer, &header, input, step);
        }
        let Some(packet) = input.get(..total) else {
            step.needs(total);
            return Ok(());
        };
        // As `packet::decode` does, with what was checked above.
        let mut fields = Fields::new(&header, packet);
        step.incoming = Incoming::Nothing;
        match kind {
            Kind::Publish if INBOUND => {
                let publish = publish::parse(&header, packet)?;
                step.incoming = Incoming::Publish { publish, skipped: None };
            }
            Kind::Connack => match connack::parse(&mut fields)? {
                Connack { refusal: Some(refusal), .. } => {
                    step.incoming = Incoming::Refused(refusal);
                    return Ok(());
                }
                Connack { session_present: true, .. } if self.clean => {
                    return Err(at(first, Violation::BadSessionPresent, 2));
                }
                Connack { session_present, .. } => step.incoming = Incoming::Accepted { session_present },
            },
            Kind::Suback if INBOUND => {
                let suback = subscribe::parse(&mut fields)?;
                if suback.id.get() != SUBSCRIBE_ID || self.subscribing == 0 {
                    self.stray(storage.slots, suback.id).map_err(|kind| at(first, kind, 2))?;
                } else if suback.codes.len() != usize::from(self.subscribing) {
                    return Err(at(first, Violation::SubackCount, 1));
                } else {
                    self.subscribing = 0;
                    self.timers.disarm(TimeoutReason::Suback);
                    step.incoming = Incoming::Subscribed(suback);
                }
            }
            Kind::Puback | Kind::Unsuback => {
                let id = PacketId::parse(&mut fields)?;
                match self.find_sent(storage.slots, id) {
                    // The hub cannot have what was not supplied.
                    Some(index) if self.is_half_supplied(index) => return Err(at(first, Violation::WrongAck, 2)),
                    Some(index) if kind == Kind::Puback => self.puback(storage, settings, index, step),
                    // No UNSUBACK was asked for.
                    _ => self.stray(storage.slots, id).map_err(|kind| at(first, kind, 2))?,
                }
            }
            Kind::Pingresp if self.ping == Ping::Outstanding => {
                self.ping = Ping::Idle;
                self.timers.disarm(TimeoutReason::Pingresp);
            }
            Kind::Publish | Kind::Suback | Kind::Pingresp => self.count_stray(),
        }
        step.consumed = total;
        Ok(())
    }

    /// CONNACK is the first packet, once (MQTT-3.2.0-1), and answers a CONNECT.
    fn check_turn(&self, kind: Kind) -> Result<(), Violation> {
        let connecting = self.state == State::Connecting;
        let asked = self.connect.is_empty();
        match kind {
            Kind::Connack if connecting && asked => Ok(()),
            Kind::Connack if !connecting => Err(Violation::SecondConnack),
            _ if connecting => Err(Violation::ExpectedConnack),
            _ => Ok(()),
        }
    }

    /// The PUBACK of the message in `index`, which was lent on this connection.
    fn puback(&mut self, storage: &mut Storage<'_>, settings: &Settings, index: u16, step: &mut Step<'_>) {
        let Some(slot) = storage.slots.get_mut(usize::from(index)) else { return };
        if !slot.flags.has(Flags::WITHDRAWN) {
            step.incoming = Incoming::Acked(Ticket { slot: index, generation: slot.generation });
        }
        // Counted when it was lent and, if so, when it was sent.
        self.in_flight = self.in_flight.wrapping_sub(1);
        if slot.flags.has(Flags::SENT) {
            self.awaiting = self.awaiting.wrapping_sub(1);
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
            slot.flags = slot.flags.with(Flags::DONE);
        } else {
            self.forget_telemetry(storage.slots, index);
        }
    }

    /// An acknowledgement that is not awaited. One with the id of another kind of packet is wrong. One with an unknown
    /// id is counted: a late answer to what was given up, of which closing would make an outage.
    #[cfg_attr(target_os = "none", inline(never))]
    fn stray(&mut self, slots: &[Slot], id: PacketId) -> Result<(), Violation> {
        let subscribe = id.get() == SUBSCRIBE_ID && self.subscribing > 0;
        if subscribe || self.find_sent(slots, id).is_some() {
            return Err(Violation::WrongAck);
        }
        self.count_stray();
        Ok(())
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn oversize<'i>(
        &mut self,
        buffer: usize,
        header: &Header,
        input: &'i [u8],
        step: &mut Step<'i>,
    ) -> Result<(), PeerError> {
        // No more than the buffer holds, even if this input holds more (law 8).
        match publish::checked_head(header, input.get(..buffer).unwrap_or(input))? {
            Head::Complete { publish, len } => {
                let left = (header.total() as u32).saturating_sub(len as u32);
                self.skip = Skip::Payload { left };
                step.took(len, Incoming::Publish { publish, skipped: Some(left) });
            }
            Head::Needs(needed) if needed <= buffer => step.needs(needed),
            Head::Needs(needed) => {
                // Header and topic length are there, or `needed` would be small: it tells of the topic's length.
                let start = usize::from(header.len).saturating_add(2);
                let (qos, ..) = publish::flags(header.first);
                let id_len = if qos == QoS::AtLeastOnce { 2 } else { 0 };
                let topic = needed.saturating_sub(start).saturating_sub(id_len) as u32;
                let after = header.remaining.saturating_sub(2).saturating_sub(topic);
                self.skip = Skip::Topic { left: topic, first: header.first, after };
                step.took(start, Incoming::Nothing);
            }
        }
        Ok(())
    }

    fn skip_topic<'i>(
        &mut self,
        input: &'i [u8],
        left: u32,
        first: u8,
        after: u32,
        step: &mut Step<'i>,
    ) -> Result<(), PeerError> {
        if left > 0 {
            let passing = input.len().min(left as usize);
            if passing > 0 {
                self.skip = Skip::Topic { left: left.wrapping_sub(passing as u32), first, after };
                step.took(passing, Incoming::Nothing);
            }
            return Ok(());
        }
        let (qos, dup, retain) = publish::flags(first);
        let (mut id, mut len) = (None, 0);
        if qos == QoS::AtLeastOnce {
            let Some(&bytes) = input.first_chunk::<2>() else {
                step.needs(2);
                return Ok(());
            };
            id = Some(PacketId::new(u16::from_be_bytes(bytes)).ok_or(at(first, Violation::ZeroPacketId, 0))?);
            len = 2;
        }
        let payload_len = after.saturating_sub(len);
        self.skip = if payload_len == 0 { Skip::None } else { Skip::Payload { left: payload_len } };
        let publish = Publish { qos, dup, retain, topic: Text::default(), id, payload: &[] };
        step.took(len as usize, Incoming::Publish { publish, skipped: Some(payload_len) });
        Ok(())
    }

    fn skip_payload<'i>(&mut self, input: &'i [u8], left: u32, step: &mut Step<'i>) {
        let bytes = input.get(..left as usize).unwrap_or(input);
        if bytes.is_empty() {
            return;
        }
        let left = left.wrapping_sub(bytes.len() as u32);
        let last = left == 0;
        self.skip = Skip::Payload { left };
        if last {
            self.skip = Skip::None;
            self.window.complete();
        }
        step.took(bytes.len(), Incoming::Piece { bytes, last });
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
