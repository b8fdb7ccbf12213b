//! One inbound packet: checked, sorted, and matched with what it answers.
//!
//! Messages and their acknowledgements are most of the traffic. On a host all on their way from the bytes to the event
//! is inlined into [`take_packet`](crate::client), where it stays in registers, and what is rare is called; on bare
//! metal, where size counts, it is the other way round.

use super::state::State;
use super::timer::Mark;
use super::transmit::Ping;
use super::{Fatal, SUBSCRIBE_ID, Session, Skip};
use crate::config::{INBOUND, Settings};
use crate::error::{ConnectRefusal, Error, PeerError, TimeoutReason, Violation};
use crate::packet::{Connack, Kind, PacketId, Publish, Suback, connack, publish, subscribe};
use crate::storage::window::Decision;
use crate::storage::{Flags, Slot, Storage, Ticket};
use crate::wire::Fields;
use crate::wire::frame::{self, Header};

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
    /// A message that is larger than the receive buffer: its payload has so many bytes and follows in pieces. Its topic
    /// is empty if that alone is larger than the buffer.
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

/// What one look at the input gave. Filled in place: it is large to move.
#[derive(Debug)]
pub(crate) struct Step<'i> {
    pub(crate) consumed: usize,
    pub(crate) incoming: Incoming<'i>,
}

/// What a look at the input came to. What comes most often is not put in memory.
#[derive(Debug)]
pub(crate) enum Look<'i> {
    /// More bytes are needed, or the call ends here.
    Over,
    /// The step has it.
    Step,
    /// A message, whole.
    Message(Publish<'i>),
    /// The hub has stored this message.
    Acked(Ticket),
}

impl<'i> Step<'i> {
    pub(super) fn took(&mut self, consumed: usize, incoming: Incoming<'i>) {
        *self = Self { consumed, incoming };
    }

    pub(super) const fn needs(&mut self, bytes: usize) {
        self.incoming = Incoming::Needs(bytes);
    }
}

impl Session {
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
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn look<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
        consumed: &mut usize,
        needed: &mut usize,
        step: &mut Step<'i>,
    ) -> Look<'i> {
        let before = *consumed;
        self.awaited = 0;
        let outcome = self.step(storage, settings, input.get(before..).unwrap_or_default(), step);
        *consumed = before.saturating_add(step.consumed);
        let error = match outcome {
            Ok(Look::Message(publish)) => return Look::Message(publish),
            Ok(Look::Acked(ticket)) => return Look::Acked(ticket),
            Ok(_) => match step.incoming {
                Incoming::Refused(refusal) => Fatal::Refused(refusal),
                Incoming::Needs(bytes) => {
                    *needed = bytes;
                    self.awaited = bytes as u32;
                    return Look::Over;
                }
                _ => return Look::Step,
            },
            Err(error) => Fatal::Peer(error),
        };
        *consumed = before;
        if before > 0 {
            return Look::Over;
        }
        step.incoming = Incoming::Nothing;
        self.fail(storage, error);
        Look::Step
    }

    /// Looks at the front of the input. An error changed nothing: the same bytes give it again.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn step<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
        step: &mut Step<'i>,
    ) -> Result<Look<'i>, PeerError> {
        step.took(0, Incoming::Needs(0));
        if self.is_skipping() {
            self.skip(input, step)?;
            return Ok(Look::Step);
        }
        self.packet(storage, settings, input, step)
    }

    fn packet<'i>(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        input: &'i [u8],
        step: &mut Step<'i>,
    ) -> Result<Look<'i>, PeerError> {
        let Some(&first) = input.first() else { return Ok(Look::Step) };
        let kind = Kind::of(first)?;
        self.check_turn(kind).map_err(|kind| at(first, kind, 0))?;
        let Some(header) = frame::header(input)? else { return Ok(Look::Step) };
        if kind == Kind::Publish {
            return self.publish(settings, header, input, step);
        }
        kind.check_length(&header)?;
        let total = header.total();
        if total > settings.max_packet as usize {
            return Err(at(first, Violation::TooLarge, 1));
        }
        let Some(packet) = input.get(..total) else {
            step.needs(total);
            return Ok(Look::Step);
        };
        let fields = Fields::new(&header, packet);
        step.took(total, Incoming::Nothing);
        if kind == Kind::Puback {
            return Ok(self.puback(storage, settings, fields)?.map_or(Look::Step, Look::Acked));
        }
        self.answer(storage, kind, fields, step)?;
        Ok(Look::Step)
    }

    /// What answers another packet than a message. It lies whole in memory.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn answer<'i>(
        &mut self,
        storage: &Storage<'_>,
        kind: Kind,
        mut fields: Fields<'i>,
        step: &mut Step<'i>,
    ) -> Result<(), PeerError> {
        match kind {
            Kind::Connack => match connack::parse(&mut fields)? {
                Connack { refusal: Some(refusal), .. } => step.incoming = Incoming::Refused(refusal),
                Connack { session_present: true, .. } if self.clean => {
                    return Err(fields.error(Violation::BadSessionPresent, 2));
                }
                Connack { session_present, .. } => step.incoming = Incoming::Accepted { session_present },
            },
            Kind::Suback if INBOUND => {
                let suback = subscribe::parse(&mut fields)?;
                if suback.id.get() != SUBSCRIBE_ID || self.subscribing == 0 {
                    self.stray(storage.slots, suback.id).map_err(|kind| fields.error(kind, 2))?;
                } else if suback.codes.len() != usize::from(self.subscribing) {
                    return Err(fields.error(Violation::SubackCount, 1));
                } else {
                    self.subscribing = 0;
                    self.timers.disarm(TimeoutReason::Suback);
                    step.incoming = Incoming::Subscribed(suback);
                }
            }
            // None was asked for.
            Kind::Unsuback => {
                let id = PacketId::parse(&mut fields)?;
                self.stray(storage.slots, id).map_err(|kind| fields.error(kind, 2))?;
            }
            Kind::Pingresp if self.ping == Ping::Outstanding => {
                self.ping = Ping::Idle;
                self.timers.disarm(TimeoutReason::Pingresp);
            }
            Kind::Publish | Kind::Puback | Kind::Suback | Kind::Pingresp => self.count_stray(),
        }
        Ok(())
    }

    /// A message, or the beginning of one that is larger than the receive buffer.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn publish<'i>(
        &mut self,
        settings: &Settings,
        header: Header,
        input: &'i [u8],
        step: &mut Step<'i>,
    ) -> Result<Look<'i>, PeerError> {
        if !Kind::Publish.fits(&header) {
            return Err(header.error(Violation::WrongLength, 1));
        }
        let (total, buffer) = (header.total(), settings.max_packet as usize);
        if total > settings.packet_limit as usize {
            return Err(header.error(Violation::TooLarge, 1));
        }
        if !INBOUND {
            // Subscribed by an earlier program, whose session the hub has kept.
            self.skip = Skip::Payload { left: header.remaining };
            step.took(usize::from(header.len), Incoming::Nothing);
            return Ok(Look::Step);
        }
        if total > buffer {
            self.oversize(buffer, header, input, step)?;
            return Ok(Look::Step);
        }
        let Some(packet) = input.get(..total) else {
            step.needs(total);
            return Ok(Look::Step);
        };
        step.consumed = total;
        publish::parse(&header, packet).map(Look::Message)
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

    /// A PUBACK: the message of this connection that it acknowledges, unless that was withdrawn.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn puback(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        mut fields: Fields<'_>,
    ) -> Result<Option<Ticket>, PeerError> {
        let id = PacketId::parse(&mut fields)?;
        let index = match self.find_sent(storage.slots, id) {
            // The hub cannot have what was not supplied.
            Some(index) if self.is_half_supplied(index) => return Err(fields.error(Violation::WrongAck, 2)),
            Some(index) => index,
            None => return self.stray(storage.slots, id).map(|()| None).map_err(|kind| fields.error(kind, 2)),
        };
        let Some(slot) = storage.slots.get_mut(usize::from(index)) else { return Ok(None) };
        let ticket = Ticket { slot: index, generation: slot.generation };
        let told = !slot.flags.has(Flags::WITHDRAWN);
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
        Ok(told.then_some(ticket))
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

    pub(crate) const fn subscribe_sent(&mut self, filters: u8) {
        self.subscribing = filters;
        self.wants_subscribe = false;
    }
}

/// An error at `offset` of the packet that begins with `first`.
pub(super) const fn at(first: u8, kind: Violation, offset: u32) -> PeerError {
    PeerError { kind, packet: first, offset }
}
