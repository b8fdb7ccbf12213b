//! Calls in any order against a model of the other end: the stream is always well formed, and every message and every
//! request ends exactly once.

use iothub_proto::event::{MessageToken, TelemetryToken, TwinToken};
use iothub_proto::packet::QoS;
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State, Telemetry};
use iothub_tests::script::{Memory, Rig, Seen, packets, suback, subscribe_filters};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

mod common;
use common::{puback, publish};

const C2D: &str = "devices/dev1/messages/devicebound/";
const D2C: &str = "devices/dev1/messages/events/";

#[derive(Clone, Copy, Debug)]
enum Step {
    Connect { keeps_session: bool },
    Cut,
    Disconnect,
    Telemetry { qos: QoS, len: usize },
    Withdraw(usize),
    Get,
    Report,
    Message(QoS),
    Decide(usize, bool),
    Sent(usize),
    Arrived(usize),
    Wait(u64),
    Junk,
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::AtLeastOnce)];
    prop_oneof![
        3 => any::<bool>().prop_map(|keeps_session| Step::Connect { keeps_session }),
        1 => Just(Step::Cut),
        1 => Just(Step::Disconnect),
        4 => (qos.clone(), 0..150_usize).prop_map(|(qos, len)| Step::Telemetry { qos, len }),
        1 => any::<usize>().prop_map(Step::Withdraw),
        1 => Just(Step::Get),
        1 => Just(Step::Report),
        2 => qos.prop_map(Step::Message),
        2 => any::<(usize, bool)>().prop_map(|(which, accept)| Step::Decide(which, accept)),
        6 => (1..200_usize).prop_map(Step::Sent),
        6 => (1..60_usize).prop_map(Step::Arrived),
        1 => (0..40_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Junk),
    ]
}

/// The other end, and what it knows of the application.
#[derive(Default)]
struct Model {
    /// Bytes of the present connection, from the client and to it.
    stream: Vec<u8>,
    parsed: usize,
    answers: Vec<u8>,
    keeps_session: bool,
    /// Of each QoS 1 message by its number: the token, and whether a byte was lent in this session.
    open: BTreeMap<u32, (TelemetryToken, bool)>,
    settled: BTreeSet<u32>,
    requests: BTreeMap<u32, TwinToken>,
    delivered: Vec<MessageToken>,
    /// Packet ids of QoS 1 messages from the hub in their order: accepted ones must be acknowledged in it.
    next_inbound: u16,
    acked_inbound: u16,
    next_number: u32,
    disconnected: bool,
}

impl Model {
    fn end_connection(&mut self) {
        self.stream.clear();
        self.answers.clear();
        (self.parsed, self.next_inbound, self.acked_inbound) = (0, 0, 0);
        self.delivered.clear();
        self.disconnected = false;
    }

    /// The first byte of a packet was lent: a message carries its number in its first four bytes of body.
    fn lent(&mut self, lent: &[u8]) {
        let Some((number, first)) = telemetry_number(lent) else { return };
        if first & 0x06 == 0 {
            return;
        }
        let (_, lent_before) = self.open.get_mut(&number).expect("settled and withdrawn messages are not sent");
        assert_eq!(first & 0x08 != 0, *lent_before, "DUP of message {number}");
        *lent_before = true;
    }

    /// Bytes were sent: whole packets are answered.
    fn sent(&mut self, bytes: &[u8]) {
        assert!(!self.disconnected, "nothing follows DISCONNECT");
        self.stream.extend(bytes);
        while let Some(len) = whole(&self.stream[self.parsed..]) {
            let packet = self.stream[self.parsed..self.parsed + len].to_vec();
            assert_eq!(packet[0] == 0x10, self.parsed == 0, "CONNECT comes first and once");
            self.parsed += len;
            self.answer(&packet);
        }
    }

    fn answer(&mut self, packet: &[u8]) {
        match packet[0] {
            0x10 => self.answers.extend([0x20, 2, u8::from(self.keeps_session), 0]),
            0x82 => self.answers.extend(suback(&vec![1; subscribe_filters(packet).len()])),
            0x40 => {
                let id = u16::from_be_bytes([packet[2], packet[3]]);
                assert!(id > self.acked_inbound && id <= self.next_inbound, "PUBACK {id} out of order");
                self.acked_inbound = id;
            }
            0xc0 => self.answers.extend([0xd0, 0]),
            0xe0 => self.disconnected = true,
            0x30 | 0x32 | 0x3a => {
                let body = &packet[if packet.len() - 2 <= 127 { 2 } else { 3 }..];
                let topic_len = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = std::str::from_utf8(&body[2..2 + topic_len]).unwrap();
                if let Some((_, rid)) = topic.split_once("$rid=") {
                    let topic = format!("$iothub/twin/res/200/?$rid={rid}&$version=3");
                    self.answers.extend(publish(0x30, &topic, None, br#"{"desired":{"$version":1}}"#));
                } else if packet[0] != 0x30 {
                    let id = u16::from_be_bytes([body[2 + topic_len], body[3 + topic_len]]);
                    self.answers.extend(puback(id));
                }
            }
            other => panic!("a client sends no {other:02x}"),
        }
    }

    fn seen(&mut self, events: Vec<Seen>) {
        for event in events {
            match event {
                // The session is a new one: nothing was lent in it.
                Seen::Connected(false) => self.open.values_mut().for_each(|(_, lent)| *lent = false),
                Seen::Acked(token) => {
                    let number = self.open.iter().find(|(_, (open, _))| *open == token).map(|(number, _)| *number);
                    let number = number.expect("acknowledged once, and not after it was withdrawn");
                    self.open.remove(&number);
                    assert!(self.settled.insert(number));
                }
                Seen::Reported(token, _)
                | Seen::RequestFailed(token, _)
                | Seen::Document { token: Some(token), .. } => {
                    assert!(self.requests.remove(&token.to_bits()).is_some(), "{token:?} ends once");
                }
                Seen::Message { token, .. } | Seen::Skipped { token, .. } => self.delivered.extend(token),
                Seen::Disconnected(_) => self.end_connection(),
                _ => {}
            }
        }
    }
}

/// Bytes of the first packet, if it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let digits = bytes.get(1..)?.iter().take(4).position(|byte| *byte < 128)? + 1;
    let len = bytes[1..=digits].iter().rev().fold(0, |len, digit| len * 128 + usize::from(digit & 127));
    (bytes.len() > digits + len).then_some(1 + digits + len)
}

/// The number in a telemetry message that begins here, and its first byte.
fn telemetry_number(bytes: &[u8]) -> Option<(u32, u8)> {
    let topic = bytes.windows(D2C.len()).take(6).position(|window| window == D2C.as_bytes())?;
    let id = if bytes[0] & 0x06 == 0 { 0 } else { 2 };
    let at = topic + D2C.len() + id;
    Some((u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()), bytes[0]))
}

fn take(rig: &mut Rig<'_>, model: &mut Model, step: Step) {
    match step {
        Step::Connect { keeps_session } => {
            if rig.client.connect(rig.now, &ConnectOptions::default()).is_ok() {
                rig.forget_input();
                // A `Disconnected` that was not taken is dropped.
                model.end_connection();
                model.keeps_session = keeps_session;
            }
        }
        Step::Cut => {
            rig.client.handle_eof(rig.now).unwrap();
            rig.forget_input();
        }
        Step::Disconnect => drop(rig.client.disconnect(rig.now)),
        Step::Telemetry { qos, len } => {
            let number = model.next_number;
            let payload = [&number.to_be_bytes()[..], &vec![b'x'; len]].concat();
            let message = Telemetry { payload: &payload, qos, ..Telemetry::default() };
            if let Ok(token) = rig.client.send_telemetry(rig.now, &message) {
                model.next_number += 1;
                if qos == QoS::AtLeastOnce {
                    model.open.insert(number, (token, false));
                }
            }
        }
        Step::Withdraw(which) => {
            let number = model.open.keys().nth(which % model.open.len().max(1)).copied();
            if let Some((number, (token, _))) = number.and_then(|number| model.open.remove_entry(&number)) {
                rig.client.telemetry_withdraw(rig.now, token).expect("it is open");
                model.settled.insert(number);
            }
        }
        Step::Get | Step::Report => {
            let request = match step {
                Step::Get => rig.client.twin_get(rig.now),
                _ => rig.client.twin_report(rig.now, b"{}"),
            };
            if let Ok(token) = request {
                assert!(model.requests.insert(token.to_bits(), token).is_none());
            }
        }
        Step::Message(qos) => {
            if model.parsed > 0 && model.stream[0] == 0x10 {
                if qos == QoS::AtLeastOnce {
                    model.next_inbound += 1;
                    // Each third is larger than the receive buffer.
                    let payload = vec![b'm'; if model.next_inbound.is_multiple_of(3) { 90 } else { 9 }];
                    model.answers.extend(publish(0x32, C2D, Some(model.next_inbound), &payload));
                } else {
                    model.answers.extend(publish(0x30, C2D, None, b"zero"));
                }
            }
        }
        Step::Decide(which, accept) => {
            if !model.delivered.is_empty() && rig.client.state() != State::Closing {
                let token = model.delivered.remove(which % model.delivered.len());
                let decide =
                    if accept { iothub_proto::Client::message_accept } else { iothub_proto::Client::message_leave };
                decide(&mut rig.client, rig.now, token).expect("undecided");
            }
        }
        Step::Sent(count) => {
            let lent = rig.lent();
            let is_first = model.parsed == model.stream.len();
            if is_first && !lent.is_empty() {
                model.lent(&lent);
            }
            let count = count.min(lent.len());
            rig.confirm(count);
            model.sent(&lent[..count]);
        }
        Step::Arrived(count) => {
            let count = count.min(model.answers.len());
            let bytes: Vec<u8> = model.answers.drain(..count).collect();
            let outcome = rig.feed(&bytes);
            assert_eq!(outcome.error.is_some(), rig.client.state() == State::Failed, "{outcome:?}");
            model.seen(outcome.events);
        }
        Step::Wait(millis) => drop(rig.time(rig.now.as_millis() + millis)),
        Step::Junk => {
            let outcome = rig.feed(&[0xff]);
            model.seen(outcome.events);
        }
    }
    model.seen(rig.drain().events);
}

/// What must be so after any call.
fn agree(rig: &Rig<'_>, model: &Model) {
    let mut tokens: Vec<_> = rig.client.unacked().map(TelemetryToken::to_bits).collect();
    let mut open: Vec<_> = model.open.values().map(|(token, _)| token.to_bits()).collect();
    tokens.sort_unstable();
    open.sort_unstable();
    open.retain(|token| !tokens.contains(token));
    assert_eq!(open, Vec::<u32>::new(), "every open message is kept");
    assert_eq!(usize::from(rig.client.pending().twin_requests), model.requests.len());
}

/// Everything is sent and answered.
fn pump(rig: &mut Rig<'_>, model: &mut Model) {
    for _ in 0..100 {
        take(rig, model, Step::Sent(usize::MAX));
        take(rig, model, Step::Arrived(usize::MAX));
    }
}

/// Ends with a hub that answers everything: nothing may be left, on the connection there is or on the next.
fn settle(rig: &mut Rig<'_>, model: &mut Model) {
    pump(rig, model);
    if rig.client.state() != State::Ready {
        take(rig, model, Step::Cut);
        take(rig, model, Step::Connect { keeps_session: true });
        pump(rig, model);
    }
    assert_eq!(rig.client.state(), State::Ready);
    assert!(model.open.is_empty(), "every message is acknowledged in the end: {:?}", model.open);
    assert!(model.requests.is_empty(), "every request has ended: {:?}", model.requests);
    let pending = rig.client.pending();
    assert_eq!((pending.telemetry, pending.twin_requests, pending.method_answers), (0, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_calls_keeps_the_laws(
        slots in 1..7_usize,
        tx in 700..1_500_usize,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut memory = Memory::new(tx, slots, 3);
        let features = Features::MESSAGES | Features::TWIN;
        let settings = Settings { features, max_packet: 128, keep_alive: 30, ..Settings::default() };
        let mut rig = memory.rig(settings);
        let mut model = Model::default();
        for step in steps {
            take(&mut rig, &mut model, step);
            agree(&rig, &model);
        }
        settle(&mut rig, &mut model);
    }
}

#[test]
fn the_model_reads_what_it_must() {
    let message = publish(0x3a, D2C, Some(7), &[0, 0, 1, 2, b'x']);
    assert_eq!(telemetry_number(&message), Some((0x102, 0x3a)));
    assert_eq!((whole(&message), whole(&message[..message.len() - 1])), (Some(message.len()), None));
    assert_eq!(packets(&message), std::slice::from_ref(&message));
    assert_eq!(telemetry_number(&puback(1)), None);
}
