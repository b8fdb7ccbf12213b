//! What a client does with its input, reduced to what the standard says of it.

use super::{Fault, Verdict, decode, first_byte, remaining_length};
use iothub_proto::error::{ConnectRefusal, Violation};
use iothub_proto::packet::{Connack, Packet, Suback};

/// Where a client is when input comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// CONNECT was sent.
    Connecting,
    /// The same, with Clean Session.
    ConnectingClean,
    /// A SUBSCRIBE with one filter waits for its answer.
    Subscribing,
    /// Ready; a QoS 1 PUBLISH with id 1 waits for its PUBACK.
    Publishing,
    /// Ready, and nothing is awaited.
    Idle,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Connecting, Self::ConnectingClean, Self::Subscribing, Self::Publishing, Self::Idle];
}

/// What a client has told after some input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// CONNACK was accepted.
    pub connected: bool,
    /// SUBACK was taken.
    pub ready: bool,
    /// The PUBLISH was acknowledged.
    pub acked: bool,
    /// Messages, by whatever topic.
    pub messages: u32,
    /// PUBACKs it owes.
    pub pubacks: u32,
    /// Packets that answer nothing.
    pub strays: u32,
    /// Bytes of whole packets.
    pub consumed: usize,
    /// The end: a violation and where in its packet, or a refusal.
    pub end: Option<Result<(Violation, usize), ConnectRefusal>>,
}

/// Of the default settings: bytes of the largest packet, and of the receive buffer.
const PACKET_LIMIT: usize = 1 << 20;
const BUFFER: usize = 4096;

/// The packet id of the one SUBSCRIBE and of the one PUBLISH.
const SUBSCRIBE: u16 = 0xffff;
const PUBLISH: u16 = 1;

/// A client in a phase, reduced to what its input does to it.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    connecting: bool,
    clean: bool,
    subscribing: bool,
    publishing: bool,
    fault: Fault,
}

impl Model {
    /// A client in `phase`, read with a fault.
    #[must_use]
    pub fn new(phase: Phase, fault: Fault) -> Self {
        Self {
            connecting: matches!(phase, Phase::Connecting | Phase::ConnectingClean),
            clean: phase == Phase::ConnectingClean,
            subscribing: phase == Phase::Subscribing,
            publishing: phase == Phase::Publishing,
            fault,
        }
    }

    /// What must come of `input`.
    #[must_use]
    pub fn run(mut self, input: &[u8]) -> Told {
        let mut told = Told::default();
        while told.end.is_none() && told.consumed < input.len() {
            let rest = &input[told.consumed..];
            if let Err(kind) = first_byte(rest[0], self.fault).and_then(|()| self.turn(rest[0])) {
                told.end = Some(Ok((kind, 0)));
                break;
            }
            match decode(rest, self.fault) {
                Verdict::Bad { kind, offset } => told.end = Some(Ok((kind, offset))),
                _ if self.too_large(rest) => told.end = Some(Ok((Violation::TooLarge, 1))),
                Verdict::Incomplete => break,
                Verdict::Whole(len, packet) => {
                    told.end = self.packet(packet, &mut told);
                    if told.end.is_none() {
                        told.consumed += len;
                    }
                }
            }
        }
        if told.end.is_some() {
            // After an error nothing leaves (§4.8).
            told.pubacks = 0;
        }
        told
    }

    /// A packet above its limit is an error as soon as its length is known. A PUBLISH above the buffer is skipped instead:
    /// no input here has enough of one to begin.
    fn too_large(&self, input: &[u8]) -> bool {
        let limit = if input[0] >> 4 == 3 { PACKET_LIMIT } else { BUFFER };
        matches!(remaining_length(input, self.fault), Ok(Some((remaining, start))) if start + remaining > limit)
    }

    /// CONNACK is the first packet and comes once (§3.2).
    fn turn(&self, first: u8) -> Result<(), Violation> {
        let connack = first >> 4 == 2;
        if self.connecting && !connack && self.fault != Fault::FirstPacketNeedNotBeConnack {
            return Err(Violation::ExpectedConnack);
        }
        if !self.connecting && connack && self.fault != Fault::SecondConnackPasses {
            return Err(Violation::SecondConnack);
        }
        Ok(())
    }

    fn packet(&mut self, packet: Packet<'_>, told: &mut Told) -> Option<Result<(Violation, usize), ConnectRefusal>> {
        match packet {
            Packet::Connack(Connack { refusal: Some(refusal), .. }) => return Some(Err(refusal)),
            Packet::Connack(Connack { session_present: true, .. }) if self.clean => {
                return Some(Ok((Violation::BadSessionPresent, 2)));
            }
            Packet::Connack(_) => {
                self.connecting = false;
                told.connected = true;
            }
            Packet::Publish(publish) => {
                told.messages += 1;
                told.pubacks += u32::from(publish.id.is_some());
            }
            Packet::Puback(id) if self.publishing && id.get() == PUBLISH => {
                self.publishing = false;
                told.acked = true;
            }
            Packet::Suback(suback) if self.subscribing && suback.id.get() == SUBSCRIBE => {
                if suback.codes.len() != 1 {
                    return Some(Ok((Violation::SubackCount, 1)));
                }
                self.subscribing = false;
                told.ready = true;
            }
            Packet::Pingresp => told.strays += 1,
            Packet::Puback(id) | Packet::Unsuback(id) | Packet::Suback(Suback { id, .. }) => {
                let awaited = self.publishing && id.get() == PUBLISH || self.subscribing && id.get() == SUBSCRIBE;
                if awaited && self.fault == Fault::AnyAckAcknowledges {
                    told.acked = true;
                } else if awaited || self.fault == Fault::StraysAreErrors {
                    return Some(Ok((Violation::WrongAck, 2)));
                } else {
                    told.strays += 1;
                }
            }
        }
        None
    }
}
