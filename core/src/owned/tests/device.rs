//! One owner of the machine, and a hub that answers what it sends.

use super::verbs::Verbs;
use crate::event::{Event, KeptRequestId, MessageToken, TelemetryToken, TwinToken};
use crate::time::Instant;
use crate::{State, Telemetry};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

/// One owner, what it was asked and what it sent, so that answers can be given and names compared.
pub(super) struct Device<V> {
    pub(super) verbs: V,
    telemetry: Vec<TelemetryToken>,
    twin: Vec<TwinToken>,
    messages: Vec<MessageToken>,
    methods: Vec<KeptRequestId>,
    /// Sent on this connection, and not looked at yet.
    sent: Vec<u8>,
    /// What the hub owes: packets to send at once, packet ids, twin request ids.
    owed: Vec<u8>,
    ids: Vec<u16>,
    requests: Vec<String>,
    /// Packet ids the hub gave.
    hub_id: u16,
}

/// One thing that happens to both.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Connect,
    Eof,
    Disconnect,
    Tick(u32),
    Transmit(usize),
    TransmitAll,
    HubAnswers,
    Send { qos1: bool, len: usize },
    Withdraw(usize),
    Ack(usize),
    TwinGet,
    TwinReport(usize),
    TwinAnswer { nth: usize, status: u16, version: u8 },
    Desired(u8),
    Message { qos1: bool, count: u8 },
    Accept(usize),
    Leave(usize),
    Call,
    Respond(usize, usize),
    Stray(u16),
}

/// A PUBLISH from the hub.
pub(super) fn publish(topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    body.extend(id.into_iter().flat_map(u16::to_be_bytes));
    body.extend(payload);
    let mut packet = vec![if id.is_some() { 0x32 } else { 0x30 }];
    let mut rest = body.len();
    while rest > 127 {
        packet.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    packet.push(rest as u8);
    packet.extend(body);
    packet
}

impl<V: Verbs> Device<V> {
    pub(super) fn new(verbs: V) -> Self {
        Self {
            verbs,
            telemetry: vec![],
            twin: vec![],
            messages: vec![],
            methods: vec![],
            sent: vec![],
            owed: vec![],
            ids: vec![],
            requests: vec![],
            hub_id: 0,
        }
    }

    /// Takes the step, and tells everything about it that both owners must agree on.
    pub(super) fn step(&mut self, now: Instant, step: &Step) -> Vec<String> {
        let mut log = vec![];
        match *step {
            Step::Connect => {
                log.push(format!("{:?}", self.verbs.connect(now)));
                if self.verbs.seen().0 == State::Connecting && log[0] == "Ok(())" {
                    self.forget_connection();
                }
            }
            Step::Eof => {
                log.push(format!("{:?}", self.verbs.handle_eof(now)));
                self.forget_connection();
            }
            Step::Disconnect => log.push(format!("{:?}", self.verbs.disconnect(now))),
            Step::Tick(_) => log.push(format!("{:?}", self.verbs.handle_timeout(now))),
            Step::Transmit(at_most) => self.transmit(now, at_most.max(1), &mut log),
            Step::TransmitAll => {
                while self.verbs.seen().0 != State::Offline {
                    let before = log.len();
                    self.transmit(now, usize::MAX, &mut log);
                    if log.len() == before {
                        break;
                    }
                }
            }
            Step::HubAnswers => {
                let input = core::mem::take(&mut self.owed);
                self.feed(now, input, &mut log);
            }
            Step::Send { qos1, len } => {
                let qos = if qos1 { crate::packet::QoS::AtLeastOnce } else { crate::packet::QoS::AtMostOnce };
                let payload = vec![self.telemetry.len() as u8; len];
                let sent = self.verbs.send(now, &Telemetry { payload: &payload, qos, ..Telemetry::default() });
                self.telemetry.extend(sent);
                log.push(format!("{:?}", sent.map(|_| ())));
            }
            Step::Withdraw(nth) => {
                if let Some(&token) = pick(&self.telemetry, nth) {
                    log.push(format!("{:?}", self.verbs.withdraw(now, token)));
                }
            }
            Step::Ack(nth) => {
                if !self.ids.is_empty() {
                    let id = self.ids.remove(nth % self.ids.len());
                    let [high, low] = id.to_be_bytes();
                    self.feed(now, vec![0x40, 2, high, low], &mut log);
                }
            }
            Step::TwinGet => {
                let token = self.verbs.twin_get(now);
                self.twin.extend(token);
                log.push(format!("{:?}", token.map(|_| ())));
            }
            Step::TwinReport(len) => {
                let patch = format!("{{\"a\":\"{}\"}}", "x".repeat(len));
                let token = self.verbs.twin_report(now, patch.as_bytes());
                self.twin.extend(token);
                log.push(format!("{:?}", token.map(|_| ())));
            }
            Step::TwinAnswer { nth, status, version } => {
                if !self.requests.is_empty() {
                    let request = self.requests.remove(nth % self.requests.len());
                    let topic = format!("$iothub/twin/res/{status}/?$rid={request}&$version={version}");
                    let document = format!("{{\"desired\":{{\"$version\":{version}}},\"reported\":{{}}}}");
                    self.feed(now, publish(&topic, None, document.as_bytes()), &mut log);
                }
            }
            Step::Desired(version) => {
                let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
                self.feed(now, publish(&topic, None, b"{\"a\":1}"), &mut log);
            }
            Step::Message { qos1, count } => {
                let mut input = vec![];
                for _ in 0..count {
                    self.hub_id = self.hub_id % 60_000 + 1;
                    input.extend(publish(
                        "devices/d/messages/devicebound/a=1",
                        Some(self.hub_id).filter(|_| qos1),
                        &self.hub_id.to_be_bytes(),
                    ));
                }
                self.feed(now, input, &mut log);
            }
            Step::Accept(nth) => {
                if let Some(&token) = pick(&self.messages, nth) {
                    log.push(format!("{:?}", self.verbs.accept(now, token)));
                }
            }
            Step::Leave(nth) => {
                if let Some(&token) = pick(&self.messages, nth) {
                    log.push(format!("{:?}", self.verbs.leave(now, token)));
                }
            }
            Step::Call => {
                let topic = format!("$iothub/methods/POST/blink/?$rid=call{}", self.methods.len());
                self.feed(now, publish(&topic, None, b"null"), &mut log);
            }
            Step::Respond(nth, len) => {
                if let Some(&request) = pick(&self.methods, nth) {
                    log.push(format!("{:?}", self.verbs.respond(now, &request, &vec![b'x'; len])));
                }
            }
            Step::Stray(id) => {
                let [high, low] = (id | 0x8000).to_be_bytes();
                self.feed(now, vec![0x40, 2, high, low], &mut log);
            }
        }
        while self.verbs.seen().2 {
            self.feed(now, vec![], &mut log);
        }
        let unacked: Vec<_> = self.verbs.unacked().iter().map(|token| self.name(*token)).collect();
        log.push(format!("{:?} {unacked:?}", self.verbs.seen()));
        log
    }

    fn forget_connection(&mut self) {
        self.sent.clear();
        self.owed.clear();
        self.ids.clear();
        self.requests.clear();
    }

    fn feed(&mut self, now: Instant, mut input: Vec<u8>, log: &mut Vec<String>) {
        loop {
            let before = input.len();
            match self.verbs.feed(now, &mut input) {
                Ok(Some(event)) => {
                    let told = self.told(event.as_event());
                    log.push(told);
                }
                Ok(None) if input.len() < before => {}
                Ok(None) => return,
                Err(error) => return log.push(error.to_string()),
            }
        }
    }

    fn name(&self, token: TelemetryToken) -> usize {
        self.telemetry.iter().rposition(|it| *it == token).unwrap()
    }

    fn twin_name(&self, token: TwinToken) -> usize {
        self.twin.iter().rposition(|it| *it == token).unwrap()
    }

    /// The event, its tokens named by the order they were given in.
    fn told(&mut self, event: Event<'_>) -> String {
        match event {
            Event::TelemetryAcked(token) => format!("acked {}", self.name(token)),
            Event::TwinReported { token, version } => format!("reported {} {version:?}", self.twin_name(token)),
            Event::TwinDocument { token, version, stale, payload } => {
                let token = token.map(|token| self.twin_name(token));
                format!("document {token:?} {version:?} {stale} {payload:?}")
            }
            Event::RequestFailed { token, reason, payload } => {
                format!("failed {} {reason:?} {payload:?}", self.twin_name(token))
            }
            Event::Disconnected(it) => {
                let suspect = it.suspect.map(|it| (self.name(it.token), it.cuts));
                format!("disconnected {:?} {:?} {suspect:?} {:?}", it.reason, it.last_sent, it.ready_for)
            }
            Event::Message(message) => {
                self.messages.extend(message.token);
                format!("{event:?}")
            }
            Event::MethodCall { request, .. } => {
                self.methods.extend(request.keep());
                format!("{event:?}")
            }
            _ => format!("{event:?}"),
        }
    }

    /// Sends a piece of one packet, and notes what the hub makes of the packets that are whole by it.
    fn transmit(&mut self, now: Instant, at_most: usize, log: &mut Vec<String>) {
        let Some(bytes) = self.verbs.transmit(now, at_most) else { return };
        log.push(format!("{} bytes", bytes.len()));
        self.sent.extend(bytes);
        while let Some(header) = crate::wire::frame::header(&self.sent).unwrap() {
            if self.sent.len() < header.total() {
                break;
            }
            let packet: Vec<u8> = self.sent.drain(..header.total()).collect();
            let told = self.received(&packet, usize::from(header.len));
            log.push(told);
        }
    }

    /// What the hub reads in a packet, without the names that may differ.
    fn received(&mut self, packet: &[u8], header: usize) -> String {
        let mut shown = packet.to_vec();
        match packet[0] {
            0x10 => self.owed.extend(b"\x20\x02\x00\x00"),
            0x82 => {
                let codes = count_filters(&packet[header + 2..]);
                self.owed.extend([0x90, 2 + codes as u8, packet[header], packet[header + 1]]);
                self.owed.extend(vec![1; codes]);
            }
            0xC0 => self.owed.extend(b"\xD0\x00"),
            first if first >> 4 == 3 => {
                let topic_len = usize::from(u16::from_be_bytes([packet[header], packet[header + 1]]));
                let after = header + 2 + topic_len;
                if first & 0x06 != 0 {
                    let id = u16::from_be_bytes([packet[after], packet[after + 1]]);
                    assert!(id != 0 && !self.ids.contains(&id), "packet id {id} is in use");
                    self.ids.push(id);
                    shown[after..after + 2].fill(0);
                }
                let topic = core::str::from_utf8(&packet[header + 2..after]).unwrap();
                if let Some((before, request)) = topic.split_once("$rid=")
                    && topic.starts_with("$iothub/twin")
                {
                    assert!(!self.requests.iter().any(|it| it == request), "request id {request} is in use");
                    self.requests.push(request.to_string());
                    if !request.starts_with('s') {
                        let start = header + 2 + before.len() + 5;
                        shown[start..start + 8].fill(b'0');
                    }
                }
            }
            _ => {}
        }
        shown.escape_ascii().to_string()
    }
}

fn pick<T>(all: &[T], nth: usize) -> Option<&T> {
    all.get(nth.checked_rem(all.len())?)
}

fn count_filters(mut filters: &[u8]) -> usize {
    let mut count = 0;
    while let [high, low, rest @ ..] = filters {
        filters = &rest[usize::from(u16::from_be_bytes([*high, *low])) + 1..];
        count += 1;
    }
    count
}
