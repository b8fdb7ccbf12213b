//! The application, which decides as it comes, and the ledger of what was promised to it and by it.

use std::collections::VecDeque;

use iothub_proto::error::{Error, UsageError};
use iothub_proto::event::{
    Disconnected, KeptRequestId, MessageToken, RequestId, Skipped, Suspect, TelemetryToken, TwinToken, Withdrawn,
};
use iothub_proto::packet::QoS;
use iothub_proto::time::Instant;
use iothub_proto::twin::TwinReplica;
use iothub_proto::{Client, Event, State};

use super::oracle::Oracle;
use super::payload::Begun;
use super::plant::Plant;
use super::weather::Weather;
use super::wire;
use crate::hub::{CallId, ConnId, MessageId};
use crate::link::Rng;

/// Cuts that are spoken against a message after which the application takes it back. At two the client begins to send
/// one message at a time, so the third cut has one to speak against.
const PATIENCE: u8 = 3;

/// Telemetry, by its number.
pub(super) struct Message {
    pub(super) token: TelemetryToken,
    pub(super) qos: QoS,
    pub(super) poison: bool,
    pub(super) payload: Vec<u8>,
    /// A byte of it was lent in the hub's present session; at QoS 0, ever.
    pub(super) sent: bool,
    pub(super) acked: bool,
    pub(super) withdrawn: Option<Withdrawn>,
    /// Copies that the hub has.
    pub(super) stored: u32,
}

/// A message from the hub, by its number.
pub(super) struct CloudMessage {
    pub(super) id: MessageId,
    pub(super) body: Vec<u8>,
    pub(super) expires: Instant,
    /// One of its deliveries was.
    pub(super) accepted: bool,
}

/// What the application decided about a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    Undecided,
    Accepted,
    Left,
}

/// A message that came, with its token.
pub(super) struct Delivery {
    pub(super) token: MessageToken,
    pub(super) connection: u32,
    number: usize,
    decided: bool,
    /// Place in the window, counted from the connection's first.
    place: usize,
}

/// A twin request.
pub(super) struct Request {
    pub(super) token: TwinToken,
    pub(super) sent: bool,
    pub(super) ended: bool,
}

/// A method call, by its number.
pub(super) struct Call {
    pub(super) id: CallId,
    /// How often the application was told.
    pub(super) told: u32,
    pub(super) answered: bool,
    /// To be answered later.
    kept: Option<KeptRequestId>,
}

impl Call {
    pub(super) const fn new(id: CallId) -> Self {
        Self { id, told: 0, answered: false, kept: None }
    }
}

/// What the application did and was told, and what went over the wire.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) plant: Option<Plant>,
    /// Packets that a planted fault holds back.
    pub(super) held: Vec<u8>,
    /// What was free in the beginning.
    pub(super) tx_free: usize,
    pub(super) slots: usize,
    auto_accept: bool,
    /// Only poison ends connections.
    clear: bool,
    /// The weather is calm: accept everything at once.
    pub(super) calm: bool,
    /// A SUBSCRIBE may be held back behind another.
    pub(super) subscribing: bool,

    /// Counts connections by their ends.
    pub(super) connection: u32,
    /// Bytes that are missing of the message that is half lent.
    pub(super) half_lent: usize,
    /// The part that is wanted, and was not supplied at once: message, offset and room.
    pub(super) wanted: Option<(TelemetryToken, u32, u32)>,
    /// Whose payload comes in pieces, and what came of it.
    pub(super) pieces: Option<(Begun, Vec<u8>)>,
    /// The last CONNECT.
    pub(super) connect: Vec<u8>,
    pub(super) telemetry: Vec<Message>,
    /// The last message that left on this connection, and the last that arrived.
    pub(super) last_sent: Option<usize>,
    pub(super) last_arrived: Option<(ConnId, usize)>,
    pub(super) messages: Vec<CloudMessage>,
    pub(super) deliveries: Vec<Delivery>,
    /// What this connection delivered and did not acknowledge, and whether that could leave at once.
    pub(super) window: VecDeque<(Decision, bool)>,
    delivered: usize,
    pub(super) requests: Vec<Request>,
    pub(super) calls: Vec<Call>,
    /// Answers given on this connection that did not leave.
    pub(super) answers_due: u32,
    /// Answers that the hub may have thought too late.
    pub(super) late_answers: u32,
    pub(super) replica: Option<TwinReplica>,
    /// Synchronisation gave up on this connection.
    pub(super) unsynced: bool,

    pub(super) ready: u64,
    pub(super) events: u64,
    pub(super) packets: u64,
}

impl World {
    pub(super) fn new(weather: &Weather, tx_free: usize, plant: Option<Plant>) -> Self {
        Self {
            rng: Rng::new(!weather.seed),
            plant,
            held: Vec::new(),
            tx_free,
            slots: weather.memory.1,
            auto_accept: weather.auto_accept,
            clear: weather.clear,
            calm: false,
            subscribing: false,
            connection: 0,
            half_lent: 0,
            wanted: None,
            pieces: None,
            connect: Vec::new(),
            telemetry: Vec::new(),
            last_sent: None,
            last_arrived: None,
            messages: Vec::new(),
            deliveries: Vec::new(),
            window: VecDeque::new(),
            delivered: 0,
            requests: Vec::new(),
            calls: Vec::new(),
            answers_due: 0,
            late_answers: 0,
            replica: None,
            unsynced: false,
            ready: 0,
            events: 0,
            packets: 0,
        }
    }

    /// The driver's handler.
    pub(super) fn on_event(&mut self, client: &mut Client<'_>, now: Instant, event: &Event<'_>) {
        for _ in 0..self.told_times(client, now, event) {
            self.events += 1;
            self.told(client, now, event);
        }
    }

    fn told(&mut self, client: &mut Client<'_>, now: Instant, event: &Event<'_>) {
        match *event {
            Event::Connected { session_present: false } => {
                // The hub has nothing of an earlier session: copies are no duplicates.
                for message in self.telemetry.iter_mut().filter(|message| message.qos == QoS::AtLeastOnce) {
                    message.sent = false;
                }
            }
            Event::Ready { .. } => self.ready += 1,
            Event::Subscribed { .. } => self.subscribing = false,
            Event::TelemetryAcked(token) => self.acked(token),
            Event::Message(message) => {
                let number = wire::number(message.payload);
                match message.token {
                    Some(token) => self.delivered(client, now, token, number, true),
                    None => self.accept_number(number),
                }
            }
            Event::Skipped(Skipped { topic, token, request, .. }) => {
                if let Some(token) = token {
                    self.delivered(client, now, token, number_in(topic), false);
                }
                if let Some(request) = request {
                    self.late_answers += u32::from(client.method_respond(now, request, 413, b"").is_ok());
                }
            }
            Event::MethodCall { request, payload, .. } => self.called(client, now, &request, payload),
            Event::StreamBegin { source, .. } => {
                Oracle::Pieces.must(self.pieces.is_none(), "one payload at a time comes in pieces");
                self.pieces = Some((Begun::of(source), Vec::new()));
            }
            Event::StreamPiece { offset, bytes } => {
                let (_, all) = self.pieces.as_mut().expect("a payload begins before its pieces");
                Oracle::Pieces.must(offset as usize == all.len(), "pieces have no gap");
                all.extend_from_slice(bytes);
                if let (Some(Plant::MixPieces), Some(byte)) = (self.plant, all.last_mut()) {
                    *byte ^= 1;
                }
            }
            Event::StreamEnd(end) => self.is_whole(client, now, end),
            Event::PartWanted { token, offset, room } => {
                self.wanted = Some((token, offset, room));
                // For a part that does not come the hub closes the link, too.
                if self.calm || self.clear || self.rng.between(0, 7) > 0 {
                    self.supply_late(client, now);
                }
            }
            Event::TwinDocument { token, stale, payload, .. } => self.document(token, stale, payload),
            Event::TwinReported { token, version } => {
                self.ended(token);
                Oracle::OneEvent.must(version.is_some(), "a report has a version");
            }
            Event::TwinDesired { version: Some(version), unsynced, payload } => self.patch(version, unsynced, payload),
            Event::RequestFailed { token, .. } => {
                self.pieces.take_if(|(begun, _)| matches!(begun, Begun::Document(Some(it)) if *it == token));
                self.ended(token);
            }
            Event::TwinSyncFailed { .. } => self.unsynced = true,
            Event::CredentialExpiring if self.calm || self.rng.between(0, 2) > 0 => {
                client.disconnect(now).expect("it is ready");
            }
            Event::Disconnected(disconnected) => self.over(client, now, disconnected),
            _ => {}
        }
    }

    pub(super) fn acked(&mut self, token: TelemetryToken) {
        let message = self.telemetry.iter_mut().rev().find(|message| message.token == token);
        let message = message.expect("a message that was queued");
        let first = !core::mem::replace(&mut message.acked, true);
        Oracle::AtLeastOnce.must(first && message.withdrawn.is_none(), "a message is acknowledged once");
    }

    pub(super) fn accept_number(&mut self, number: usize) {
        if let Some(message) = self.messages.get_mut(number) {
            message.accepted = true;
        }
    }

    pub(super) fn delivered(
        &mut self,
        client: &mut Client<'_>,
        now: Instant,
        token: MessageToken,
        number: usize,
        whole: bool,
    ) {
        let place = self.delivered;
        self.delivered += 1;
        let at_once = whole && !self.auto_accept;
        self.window.push_back((Decision::Undecided, at_once));
        self.deliveries.push(Delivery { token, connection: self.connection, number, decided: false, place });
        let index = self.deliveries.len() - 1;
        if self.auto_accept {
            self.decided(index, Decision::Accepted);
            return;
        }
        match self.rng.between(0, 3) {
            _ if self.calm => self.decide(client, now, index, Decision::Accepted),
            0 => self.decide(client, now, index, Decision::Accepted),
            1 => self.decide(client, now, index, Decision::Left),
            _ => {}
        }
    }

    /// Decides about a delivery, of whatever connection.
    fn decide(&mut self, client: &mut Client<'_>, now: Instant, index: usize, decision: Decision) {
        let delivery = &self.deliveries[index];
        let connected = matches!(client.state(), State::Subscribing | State::Ready | State::Draining);
        let open = !delivery.decided && delivery.connection == self.connection && connected;
        let token = if open { delivery.token } else { self.taken_for(client, now, delivery.token) };
        let result = match decision {
            Decision::Accepted => client.message_accept(now, token),
            _ => client.message_leave(now, token),
        };
        let expected = if open { Ok(()) } else { Err(Error::Usage(UsageError::Stale)) };
        Oracle::StaleToken.must(result == expected, format_args!("{result:?}, not {expected:?}"));
        if open {
            self.decided(index, decision);
        }
    }

    fn decided(&mut self, index: usize, decision: Decision) {
        let delivery = &mut self.deliveries[index];
        delivery.decided = true;
        let (number, behind) = (delivery.number, self.delivered - delivery.place);
        let at = self.window.len().checked_sub(behind);
        let record = at.and_then(|at| self.window.get_mut(at)).expect("what is undecided is in the window");
        record.0 = decision;
        if decision == Decision::Accepted {
            self.accept_number(number);
        }
    }

    /// Uses every token and every request id that is at hand, stale ones too.
    pub(super) fn decide_late(&mut self, client: &mut Client<'_>, now: Instant) {
        for index in 0..self.deliveries.len() {
            let left = !self.calm && self.rng.between(0, 3) == 0;
            self.decide(client, now, index, if left { Decision::Left } else { Decision::Accepted });
        }
        if !self.calm {
            // Once more some time, when they are stale.
            self.deliveries.retain(|delivery| !delivery.decided && delivery.connection == self.connection);
        }
        for number in 0..self.calls.len() {
            if let Some(request) = self.calls[number].kept.take() {
                self.respond(client, now, number, &request.id());
            }
        }
    }

    pub(super) fn called(&mut self, client: &mut Client<'_>, now: Instant, request: &RequestId<'_>, payload: &[u8]) {
        let number = str::from_utf8(payload).ok().and_then(|it| it.trim_end().parse::<usize>().ok());
        let number = number.expect("the payload of a call is its number");
        self.calls[number].told += 1;
        if self.calm || self.rng.between(0, 1) == 0 {
            self.respond(client, now, number, request);
        } else {
            self.calls[number].kept = request.keep();
        }
    }

    fn respond(&mut self, client: &mut Client<'_>, now: Instant, number: usize, request: &RequestId<'_>) {
        let said = if self.planted(Plant::MixAnswers) { number + 1 } else { number };
        match client.method_respond(now, request, 200, said.to_string().as_bytes()) {
            Ok(()) => {
                self.calls[number].answered = true;
                self.answers_due += 1;
                self.late_answers += 1;
            }
            Err(Error::Capacity(_) | Error::Usage(UsageError::Stale)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(super) fn ended(&mut self, token: TwinToken) {
        let request = self.requests.iter_mut().rev().find(|request| request.token == token);
        let request = request.expect("a request that was made");
        let first = !core::mem::replace(&mut request.ended, true);
        Oracle::OneEvent.must(first, "a request ends once");
    }

    /// The connection is over: what belonged to it dies.
    fn over(&mut self, client: &mut Client<'_>, now: Instant, disconnected: Disconnected) {
        self.connection += 1;
        self.last_sent = None;
        self.half_lent = 0;
        self.pieces = None;
        self.window.clear();
        self.delivered = 0;
        self.answers_due = 0;
        self.held.clear();
        self.unsynced = false;
        self.replica = None;
        self.subscribing = false;
        let suspect = disconnected.suspect.filter(|_| !self.planted(Plant::HideSuspect));
        if let Some(Suspect { token, .. }) = suspect.filter(|suspect| suspect.cuts >= PATIENCE) {
            let withdrawn = client.telemetry_withdraw(now, token).expect("the suspect is not settled");
            let message = self.telemetry.iter_mut().find(|message| message.token == token);
            let message = message.expect("a message that was queued");
            Oracle::Poison.must(message.poison || !self.clear, "the suspect is the message that the hub closes for");
            message.withdrawn = Some(withdrawn);
        }
    }
}

/// The number of a message whose payload is not delivered: the hub counts message ids from 1, as they are sent.
fn number_in(topic: &str) -> usize {
    let (_, rest) = topic.split_once("message-").expect("the topic fits the receive buffer");
    let digits = rest.split('&').next().and_then(|digits| digits.parse::<usize>().ok());
    digits.and_then(|id| id.checked_sub(1)).expect("the hub's message id")
}
