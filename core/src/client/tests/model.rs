//! Random commands, chunks and faults against a client with little memory and a hub of a few lines. Between any two
//! calls the machine must be consistent, and what it told must agree with what it was told.

use super::*;
use crate::error::CapacityError;
use crate::event::{Event, KeptRequestId, MessageToken, TwinToken};
use crate::packet::QoS;
use crate::session::State;
use crate::time::Duration;
use crate::wire::frame;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::{BTreeMap, VecDeque};

const MAX_PACKET: usize = 160;

/// A message of the application: its number is its payload.
struct Message {
    token: TelemetryToken,
    qos: QoS,
    /// A byte of it was lent in the hub's session.
    lent: bool,
}

/// A delivered message: `None` while the application has not decided.
struct Delivered {
    id: u16,
    token: Option<MessageToken>,
    accepted: Option<bool>,
}

struct Model<'m> {
    client: Client<'m>,
    now: Instant,
    /// What is lent: where it is and what it was.
    lent: Option<(*const u8, Vec<u8>)>,
    /// Confirmed bytes that are no whole packet yet, and whether one was DISCONNECT.
    half_sent: Vec<u8>,
    said_goodbye: bool,
    /// Bytes on their way to the client.
    input: Vec<u8>,

    next_number: u32,
    messages: BTreeMap<u32, Message>,
    /// The last number lent on this connection.
    last_lent: Option<u32>,
    twins: Vec<TwinToken>,
    calls: Vec<KeptRequestId>,

    /// The hub: whether it has the session, ids to acknowledge, requests to answer, its own messages.
    session: bool,
    connected: bool,
    filters: VecDeque<usize>,
    to_ack: Vec<u16>,
    to_answer: Vec<String>,
    pings: usize,
    next_id: u16,
    delivered: VecDeque<Delivered>,
    version: u64,
    /// The desired version the application has, if it is synchronised.
    have: Option<u64>,
}

impl<'m> Model<'m> {
    fn new(client: Client<'m>) -> Self {
        Self {
            client,
            now: secs(10),
            lent: None,
            half_sent: Vec::new(),
            said_goodbye: false,
            input: Vec::new(),
            next_number: 0,
            messages: BTreeMap::new(),
            last_lent: None,
            twins: Vec::new(),
            calls: Vec::new(),
            session: false,
            connected: false,
            filters: VecDeque::new(),
            to_ack: Vec::new(),
            to_answer: Vec::new(),
            pings: 0,
            next_id: 1,
            delivered: VecDeque::new(),
            version: 1,
            have: None,
        }
    }

    /// One step, `what` with the choice `n`.
    fn step(&mut self, what: u8, n: usize) {
        match what {
            0..=4 => self.send_telemetry(n),
            5 => self.withdraw(n),
            6 => self.twin_request(n),
            7..=15 => self.transmit(n),
            16..=21 => self.receive(1 + n % 200),
            22..=24 => self.receive(usize::MAX),
            25..=30 => self.answer(n),
            31 => self.push_message(n),
            32 => self.push_desired(n),
            33 => self.push_call(n),
            34..=36 => self.decide(n),
            37 => self.respond(n),
            38..=40 => self.pass_time(n),
            41 if n.is_multiple_of(3) => drop(self.client.disconnect(self.now)),
            42 => self.client.handle_eof(self.now).unwrap(),
            43..=47 => self.connect(n),
            48 => drop(self.client.subscribe(self.now, Features::from_bits(n as u8 & 15).unwrap())),
            49 if n.is_multiple_of(16) => self.input.extend([[0xF0, 0], [0x40, 2], [0x90, 0]][n / 16 % 3]),
            49 if n.is_multiple_of(2) => self.answer_early(),
            49 => self.input.extend([&puback(n as u16 | 1)[..], &[0xD0, 0], &suback(&[0])][n % 3]),
            _ => {
                self.transmit(0);
                self.answer(0);
                self.receive(usize::MAX);
            }
        }
        self.check();
    }

    fn send_telemetry(&mut self, n: usize) {
        let number = self.next_number;
        let payload = [&number.to_be_bytes()[..], &vec![0; n % 120]].concat();
        let qos = if n.is_multiple_of(5) { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let free = self.client.tx_free();
        match self.client.send_telemetry(self.now, &Telemetry { payload: &payload, qos, ..Default::default() }) {
            Ok(token) => {
                self.messages.insert(number, Message { token, qos, lent: false });
                self.next_number += 1;
            }
            Err(error) => self.check_full(error, free),
        }
    }

    fn check_full(&self, error: Error, was_free: usize) {
        match error {
            Error::Capacity(CapacityError::TxFull { needed, free }) => {
                assert!(needed > free && free == self.client.tx_free() && free == was_free, "{error:?} of {was_free}");
            }
            Error::Capacity(CapacityError::TooLarge { .. } | CapacityError::SlotsFull) => {}
            Error::Usage(crate::error::UsageError::NotSubscribed | crate::error::UsageError::Stale) => {}
            error => panic!("{error:?}"),
        }
    }

    fn withdraw(&mut self, n: usize) {
        let Some(number) = self.messages.keys().nth(n % self.messages.len().max(1)).copied() else { return };
        let message = &self.messages[&number];
        match self.client.telemetry_withdraw(self.now, message.token) {
            Ok(_) => drop(self.messages.remove(&number)),
            // A message at QoS 0 is gone when sent, and nobody is told.
            Err(error) => assert!(message.qos == QoS::AtMostOnce, "{error:?}"),
        }
    }

    fn twin_request(&mut self, n: usize) {
        let free = self.client.tx_free();
        let patch = &b"{\"a\":1}"[..];
        let asked =
            if n.is_multiple_of(2) { self.client.twin_get(self.now) } else { self.client.twin_report(self.now, patch) };
        match asked {
            Ok(token) => self.twins.push(token),
            Err(error) => self.check_full(error, free),
        }
    }

    /// Takes what is lent, or confirms a part of it; 0: all that there is.
    fn transmit(&mut self, n: usize) {
        while let Some(lent) = self.client.poll_transmit() {
            let (place, bytes) = (lent.as_ptr(), lent.to_vec());
            if self.lent.is_none() {
                self.on_lent(&bytes);
                self.lent = Some((place, bytes.clone()));
            }
            let count = if n == 0 { bytes.len() } else { n % (bytes.len() + 1) };
            assert!(self.client.confirm_transmit(self.now, bytes.len() + 1).is_err());
            self.client.confirm_transmit(self.now, count).unwrap();
            self.half_sent.extend_from_slice(&bytes[..count]);
            // The rest stays where it is.
            self.lent = (count < bytes.len()).then(|| (place.wrapping_add(count), bytes[count..].to_vec()));
            self.take_packets();
            if n != 0 {
                return;
            }
        }
    }

    /// A packet is lent for the first time on this connection.
    fn on_lent(&mut self, bytes: &[u8]) {
        assert!(!self.said_goodbye, "nothing follows DISCONNECT");
        if bytes[0] & 0xF0 != 0x30 || !is_telemetry(bytes) {
            return;
        }
        let number = number(bytes);
        assert!(self.last_lent.is_none_or(|last| last < number), "oldest first, and once");
        self.last_lent = Some(number);
        let message = self.messages.get_mut(&number).expect("not withdrawn and not acknowledged");
        assert_eq!(bytes[0] & 8 != 0, message.lent, "DUP if and only if lent before in the session");
        message.lent = message.qos == QoS::AtLeastOnce;
    }

    /// What the hub makes of whole packets.
    fn take_packets(&mut self) {
        while let Ok(Some(header)) = frame::header(&self.half_sent)
            && self.half_sent.len() >= header.total()
        {
            let packet: Vec<u8> = self.half_sent.drain(..header.total()).collect();
            match packet[0] {
                0x10 => self.connected = true,
                0x82 => self.filters.push_back(filters(&packet[2..])),
                0x32 | 0x3A => self.to_ack.push(packet_id(&packet)),
                0x30 if is_telemetry(&packet) => drop(self.messages.remove(&number(&packet))),
                0x30 => {
                    let text = String::from_utf8_lossy(&packet).into_owned();
                    if let (true, Some((_, rid))) = (text.contains("$iothub/twin"), text.split_once("$rid=")) {
                        self.to_answer.push(rid.chars().take_while(char::is_ascii_alphanumeric).collect());
                    }
                }
                0x40 => self.take_puback(u16::from_be_bytes([packet[2], packet[3]])),
                0xC0 => self.pings += 1,
                0xE0 => self.said_goodbye = true,
                first => panic!("{first:#x}"),
            }
        }
    }

    fn take_puback(&mut self, id: u16) {
        while self.delivered.front().is_some_and(|oldest| oldest.accepted == Some(false)) {
            self.delivered.pop_front();
        }
        let oldest = self.delivered.pop_front().expect("what was delivered is acknowledged once");
        // With `auto_accept` the application never says so.
        let accepted = oldest.accepted == Some(true) || self.client.config().settings.auto_accept;
        assert_eq!((oldest.id, accepted), (id, true), "in the order of delivery");
    }

    /// At most `max` bytes arrive.
    fn receive(&mut self, max: usize) {
        let mut window = max.min(self.input.len());
        loop {
            let waits = self.client.has_event();
            let handled = match self.client.handle_input(self.now, &self.input[..window]) {
                Ok(handled) => handled,
                Err(error) => {
                    assert!(error.is_fatal() && self.client.state() == State::Failed, "{error:?}");
                    return;
                }
            };
            assert!(handled.event.is_some() || !waits, "has_event, and none came");
            let consumed = handled.consumed;
            let over = consumed == 0 && handled.event.is_none();
            match handled.event {
                None => {}
                Some(Event::Connected { session_present: false }) => {
                    self.messages.values_mut().for_each(|message| message.lent = false);
                }
                Some(Event::TelemetryAcked(token)) => {
                    let number = self.messages.iter().find(|(_, message)| message.token == token).map(|it| *it.0);
                    self.messages.remove(&number.expect("acknowledged once, and not after a withdrawal"));
                }
                Some(Event::Message(message)) => {
                    if let Some(token) = message.token {
                        let id = u16::from_be_bytes([message.payload[0], message.payload[1]]);
                        self.delivered.push_back(Delivered { id, token: Some(token), accepted: None });
                    }
                }
                Some(Event::Skipped(skipped)) => {
                    if let (Some(token), Some(id)) = (skipped.token, skipped.packet_id) {
                        self.delivered.push_back(Delivered { id, token: Some(token), accepted: None });
                    }
                }
                Some(Event::MethodCall { request, .. }) => self.calls.extend(request.keep()),
                Some(Event::TwinDocument { token, version, stale, .. }) => {
                    if let Some(token) = token {
                        self.ended(token);
                    }
                    if !stale && self.client.config().settings.twin_sync {
                        assert!(version >= self.have, "the application goes back: {version:?} after {:?}", self.have);
                        self.have = version;
                    }
                }
                Some(Event::TwinDesired { version, unsynced: false, .. }) => {
                    assert_eq!(version, self.have.map(|have| have + 1), "no gap");
                    self.have = version;
                }
                Some(Event::TwinReported { token, .. } | Event::RequestFailed { token, .. }) => self.ended(token),
                Some(Event::Disconnected(_)) => self.over(),
                Some(_) => {}
            }
            self.input.drain(..consumed.min(self.input.len()));
            window = window.saturating_sub(consumed).min(self.input.len());
            self.check();
            if over {
                return;
            }
        }
    }

    fn ended(&mut self, token: TwinToken) {
        let at = self.twins.iter().position(|open| *open == token).expect("a request ends once");
        self.twins.swap_remove(at);
    }

    /// The connection is over: what belonged to it dies.
    fn over(&mut self) {
        self.lent = None;
        self.half_sent.clear();
        self.filters.clear();
        self.to_ack.clear();
        self.to_answer.clear();
        self.delivered.clear();
        self.pings = 0;
        self.connected = false;
    }

    /// The hub does one thing that it owes; 0: all of it.
    fn answer(&mut self, n: usize) {
        for turn in 0..8 {
            match if n == 0 { turn } else { n % 8 } {
                0 | 1 if self.connected => {
                    let present = self.session && (n / 8).is_multiple_of(2);
                    (self.connected, self.session) = (false, true);
                    self.input.extend(connack(present));
                }
                2 => {
                    if let Some(count) = self.filters.pop_front() {
                        let code = if n / 8 % 7 == 6 { 0x80 } else { 0 };
                        let codes: Vec<u8> = (0..count).map(|at| if at == n / 8 % 5 { code } else { 0 }).collect();
                        self.input.extend(suback(&codes));
                    }
                }
                3 | 4 if !self.to_ack.is_empty() => {
                    let id = self.to_ack.remove(n / 8 % self.to_ack.len());
                    self.input.extend(puback(id));
                }
                5 if !self.to_answer.is_empty() => {
                    let rid = self.to_answer.remove(n / 8 % self.to_answer.len());
                    self.input.extend(match n / 8 % 6 {
                        5 => publish(&format!("$iothub/twin/res/429/?$rid={rid}"), None, b""),
                        4 => {
                            let pad = " ".repeat(MAX_PACKET);
                            let body = format!("{{\"desired\":{{\"$version\":{}}}{pad}}}", self.version);
                            publish(&format!("$iothub/twin/res/200/?$rid={rid}"), None, body.as_bytes())
                        }
                        _ => document(&rid, self.version - (n / 48 % 3) as u64 % self.version),
                    });
                }
                6 if self.pings > 0 => {
                    self.pings -= 1;
                    self.input.extend([0xD0, 0]);
                }
                _ => {}
            }
            if n != 0 {
                return;
            }
        }
    }

    /// The hub, or what plays it, answers what is lent and not confirmed.
    fn answer_early(&mut self) {
        let Some((_, bytes)) = &self.lent else { return };
        let mut whole = self.half_sent.clone();
        whole.extend_from_slice(bytes);
        match whole[0] {
            0x32 | 0x3A => self.input.extend(puback(packet_id(&whole))),
            0x30 if !is_telemetry(&whole) => {
                let text = String::from_utf8_lossy(&whole);
                if text.contains("twin/GET") {
                    self.input.extend(document(&rid(&whole), self.version));
                }
            }
            _ => {}
        }
    }

    /// Whether the hub may send: CONNACK is on its way, or was.
    fn is_open(&self) -> bool {
        self.client.state().is_connected()
    }

    fn push_message(&mut self, n: usize) {
        if self.is_open() {
            let id = self.next_id;
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            let mut payload = id.to_be_bytes().to_vec();
            payload.resize(2 + n % MAX_PACKET, 0);
            let topic =
                format!("devices/dev1/messages/devicebound/{}", "x".repeat(if n.is_multiple_of(9) { 200 } else { 0 }));
            self.input.extend(publish(&topic, (!n.is_multiple_of(4)).then_some(id), &payload));
        }
    }

    fn push_desired(&mut self, n: usize) {
        self.version += 1;
        if self.is_open() && !n.is_multiple_of(3) {
            self.input.extend(desired(self.version));
        }
    }

    fn push_call(&mut self, n: usize) {
        if self.is_open() {
            self.input.extend(publish(&format!("$iothub/methods/POST/m/?$rid={n}"), None, b"{}"));
        }
    }

    fn decide(&mut self, n: usize) {
        let undecided = self.delivered.iter_mut().filter(|it| it.accepted.is_none()).nth(n % 3);
        let Some((token, it)) = undecided.and_then(|it| Some((it.token?, it))) else { return };
        let accept = !n.is_multiple_of(4);
        let decided = match accept {
            true => self.client.message_accept(self.now, token),
            false => self.client.message_leave(self.now, token),
        };
        match decided {
            Ok(()) => it.accepted = Some(accept),
            Err(_) if self.client.config().settings.auto_accept => it.accepted = Some(true),
            Err(error) => assert!(!self.client.state().is_connected(), "{error:?}"),
        }
    }

    fn respond(&mut self, n: usize) {
        let Some(request) = self.calls.pop() else { return };
        let free = self.client.tx_free();
        if let Err(error) = self.client.method_respond(self.now, &request, 200, &vec![b'1'; n % 50]) {
            self.check_full(error, free);
        }
    }

    fn pass_time(&mut self, n: usize) {
        let to_deadline = self.client.poll_timeout().filter(|_| n.is_multiple_of(16));
        let at = to_deadline.unwrap_or(self.now + Duration::from_millis(n as u64 / 4));
        self.now = self.now.max(at);
        let outcome = self.client.handle_timeout(self.now);
        assert!(self.client.poll_timeout().is_none_or(|next| next > self.now), "{:?}", self.client.timeout_reason());
        assert!(outcome.is_ok() || self.client.state() == State::Failed);
    }

    fn connect(&mut self, n: usize) {
        if !matches!(self.client.state(), State::Offline | State::Failed) {
            return;
        }
        // The clock may have been set back.
        self.now = if n.is_multiple_of(4) { Instant::from_millis(n as u64) } else { self.now };
        self.client.connect(self.now, &ConnectOptions::default()).unwrap();
        // The hub may have lost its session.
        self.session &= !n.is_multiple_of(3);
        self.over();
        self.input.clear();
        (self.said_goodbye, self.last_lent, self.have) = (false, None, None);
        self.calls.clear();
    }

    fn check(&mut self) {
        let machine = &self.client.machine;
        machine.session.check_consistent(&self.client.parts.storage, &self.client.config().settings);
        machine.check_consistent(&self.client.config().settings);
        let unacked: Vec<_> = self.client.unacked().collect();
        let known: Vec<_> = self.messages.values().map(|message| message.token).collect();
        // The model does not hear of QoS 0 that a cut took.
        assert!(unacked.iter().all(|token| known.contains(token)), "{unacked:?} of {known:?}");
        for message in self.messages.values().filter(|message| message.qos == QoS::AtLeastOnce) {
            assert!(unacked.contains(&message.token), "lost");
        }
        if !self.client.state().has_connection() {
            assert!(self.client.poll_transmit().is_none());
            self.lent = None;
        }
        if let Some((place, bytes)) = &self.lent {
            let lent = self.client.poll_transmit().expect("what is lent stays");
            assert_eq!((lent.as_ptr(), lent), (*place, bytes.as_slice()), "frozen (law 11)");
        }
    }
}

fn is_telemetry(packet: &[u8]) -> bool {
    packet.windows(EVENTS.len()).any(|window| window == EVENTS)
}

const EVENTS: &[u8] = b"messages/events/";

/// The number of a telemetry packet: the first four bytes of its payload.
fn number(packet: &[u8]) -> u32 {
    let end = packet.windows(EVENTS.len()).position(|window| window == EVENTS).unwrap() + EVENTS.len();
    let payload = if packet[0] & 6 == 0 { &packet[end..] } else { &packet[end + 2..] };
    u32::from_be_bytes(*payload.first_chunk().unwrap())
}

/// The packet id of telemetry at QoS 1: it stands behind the topic, and the payload after it is the number.
fn packet_id(packet: &[u8]) -> u16 {
    let end = packet.windows(EVENTS.len()).position(|window| window == EVENTS).unwrap() + EVENTS.len();
    u16::from_be_bytes(*packet[end..].first_chunk().unwrap())
}

/// How many filters are in a SUBSCRIBE, from its packet id on.
fn filters(body: &[u8]) -> usize {
    let mut rest = match body {
        [0xFF, 0xFF, rest @ ..] | [_, 0xFF, 0xFF, rest @ ..] => rest,
        _ => panic!("{body:?}"),
    };
    let mut count = 0;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        rest = &after[usize::from(u16::from_be_bytes(*len)) + 1..];
        count += 1;
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stays_consistent(
        arena in 90usize..500,
        slots in 1usize..7,
        inbound in 1usize..4,
        send_window in 1u16..5,
        features in 0u8..16,
        twin_sync: bool,
        auto_accept: bool,
        steps in proptest::collection::vec((0u8..54, any::<u16>()), 1..250),
    ) {
        let mut memory = Memory::new(arena, slots, inbound);
        let features = if twin_sync { Features::ALL_DEVICE } else { Features::from_bits(features).unwrap() };
        let settings = Settings {
            features,             send_window, twin_sync, auto_accept, max_packet: MAX_PACKET as u32, keep_alive: 60, ..settings()
        };
        let mut model = Model::new(memory.client(settings));
        for (what, n) in steps {
            model.step(what, usize::from(n));
        }
    }
}
