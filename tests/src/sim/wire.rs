//! What each packet that leaves says about the promises. It is read by the hub's codec, not by the client's.

use iothub_proto::Client;
use iothub_proto::event::TwinToken;

use super::oracle::Oracle;
use super::plant::Plant;
use super::world::{Decision, World};
use crate::hub::codec::{self, Packet};

/// What a packet is for.
pub(super) enum Kind {
    Connect,
    Telemetry {
        number: usize,
        qos: u8,
        dup: bool,
    },
    /// The application's, or else of synchronisation.
    TwinRequest(Option<TwinToken>),
    Answer,
    Puback,
    Other,
}

impl Kind {
    fn of(frame: &[u8]) -> Self {
        let packet = codec::decode(frame).expect("the client writes what the hub can read");
        match packet {
            Packet::Connect(_) => Self::Connect,
            Packet::PubAck(_) => Self::Puback,
            Packet::Publish(publish) => {
                if let Some((_, rid)) =
                    publish.topic.strip_prefix("$iothub/twin/").and_then(|it| it.split_once("$rid="))
                {
                    let token = u32::from_str_radix(rid, 16).ok().map(TwinToken::from_bits);
                    return Self::TwinRequest(token);
                }
                if publish.topic.starts_with("$iothub/methods/res/") {
                    return Self::Answer;
                }
                Self::Telemetry { number: number(&publish.payload), qos: publish.qos, dup: publish.dup }
            }
            _ => Self::Other,
        }
    }
}

/// The number that every payload begins with.
pub(super) fn number(payload: &[u8]) -> usize {
    payload.first_chunk().map_or(usize::MAX, |number| u32::from_be_bytes(*number) as usize)
}

/// Payload of telemetry and of messages.
pub(super) fn payload(number: usize, len: usize) -> Vec<u8> {
    let mut payload = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    payload.resize(4 + len, b'.');
    payload
}

impl World {
    /// The client lends these packets. Gives what goes out instead, if a fault is planted.
    pub(super) fn on_packets(&mut self, client: &Client<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.plant.is_none_or(Plant::is_of_payloads) {
            self.see(client, bytes);
            return None;
        }
        let mut out = Vec::new();
        let mut rest = bytes;
        while let Some((frame, behind)) = split(rest) {
            self.on_the_wire(&Kind::of(frame), frame, &mut out);
            rest = behind;
        }
        self.see(client, &out);
        Some(out)
    }

    fn see(&mut self, client: &Client<'_>, mut bytes: &[u8]) {
        if self.half_lent > 0 {
            self.half_lent = self.half_lent.checked_sub(bytes.len()).expect("a part ends with its message");
            return;
        }
        if let Some(missing) = missing(bytes) {
            self.half_lent = missing;
            self.packets += 1;
            let Kind::Telemetry { number, qos, dup } = Kind::of(&shortened(bytes)) else {
                panic!("telemetry alone has parts")
            };
            self.see_lanes(client);
            return self.see_telemetry(number, qos, dup);
        }
        while let Some((frame, behind)) = split(bytes) {
            self.packets += 1;
            match Kind::of(frame) {
                Kind::Connect => {
                    self.connection += 1;
                    self.connect = frame.to_vec();
                }
                Kind::Telemetry { number, qos, dup } => {
                    self.see_lanes(client);
                    self.see_telemetry(number, qos, dup);
                }
                Kind::TwinRequest(Some(token)) => {
                    let request = self.requests.iter_mut().find(|request| request.token == token);
                    let request = request.expect("a request that was made");
                    let first = !core::mem::replace(&mut request.sent, true);
                    Oracle::OneEvent.must(first && !request.ended, "a twin request is sent once, before its end");
                }
                Kind::Answer => self.answers_due = self.answers_due.saturating_sub(1),
                Kind::Puback => self.see_puback(),
                Kind::TwinRequest(None) | Kind::Other => {}
            }
            bytes = behind;
        }
    }

    fn see_telemetry(&mut self, number: usize, qos: u8, dup: bool) {
        let last = self.last_sent;
        let message = self.telemetry.get_mut(number).expect("a message that was queued");
        Oracle::Once.must(last != Some(number), format_args!("message {number} leaves once a connection"));
        Oracle::Order.must(last < Some(number), format_args!("message {number} leaves after {last:?}"));
        Oracle::AtLeastOnce.must(!message.acked && message.withdrawn.is_none(), "what is settled is not sent again");
        if qos == 0 {
            Oracle::Once.must(!message.sent, "QoS 0 is sent once");
        } else {
            let held = dup == message.sent;
            Oracle::Dup.must(held, format_args!("DUP of message {number} is {dup}: sent before is {}", message.sent));
        }
        message.sent = true;
        self.last_sent = Some(number);
    }

    /// Telemetry leaves: nothing that goes before it may be waiting.
    fn see_lanes(&self, client: &Client<'_>) {
        Oracle::Lane.must(self.answers_due == 0, "a method's answer does not wait for telemetry");
        let accepted = self.window.front().is_some_and(|&(decision, whole)| whole && decision == Decision::Accepted);
        Oracle::Lane.must(!accepted, "an acknowledgement does not wait for telemetry");
        // One whose time is over waits to be told of, not to be sent.
        let waiting = self.requests.iter().filter(|request| !request.sent && !request.ended).count();
        let exempt = client.has_event() || self.subscribing;
        Oracle::Lane.must(waiting == 0 || exempt, "a twin request does not wait for telemetry");
    }

    /// PUBACKs leave in the order of delivery, for what was accepted.
    fn see_puback(&mut self) {
        while self.window.front().is_some_and(|(decision, _)| *decision == Decision::Left) {
            self.window.pop_front();
        }
        let acknowledged = self.window.pop_front().map(|(decision, _)| decision);
        Oracle::Message.must(acknowledged.is_some(), "a message is acknowledged that was not delivered");
        let accepted = acknowledged == Some(Decision::Accepted);
        Oracle::StaleToken.must(accepted, "a message is acknowledged that was not accepted");
    }
}

/// Bytes that the packet, which comes in parts, has behind these.
fn missing(bytes: &[u8]) -> Option<usize> {
    codec::frame_len(bytes)
        .expect("packets begin with a header")?
        .checked_sub(bytes.len())
        .filter(|missing| *missing > 0)
}

/// The beginning of a packet as a packet of its own.
fn shortened(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes[1..].iter().take_while(|byte| **byte > 127).count() + 1;
    let body = &bytes[1 + digits..];
    let len = u8::try_from(body.len()).ok().filter(|len| *len < 128).expect("a topic and a number");
    [&[bytes[0], len], body].concat()
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = codec::frame_len(bytes).expect("the client lends whole packets")?;
    bytes.split_at_checked(len)
}
