//! The application of the clients that are fed: it reacts to each event, and notes it.

use iothub_proto::error::Error;
use iothub_proto::event::{
    DisconnectReason, Event, KeptRequestId, MessageToken, StreamEnd, StreamSource, TelemetryToken, TwinToken,
};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, State, Telemetry};
use std::fmt::Write;

use super::{DRAINS, End, NOW, Outcome, READY, Script};
use crate::machine::Machine;
use crate::plant::{Plant, planted};

/// How a client is fed.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Feeding {
    #[default]
    AtOnce,
    InChunks,
    Owned,
}

/// Reacts to events, and notes them with their tokens by the order in which they came.
#[derive(Default)]
pub(super) struct Application {
    log: String,
    sent: Vec<u8>,
    pubacks: Vec<u8>,
    pub(super) error: Option<Error>,
    telemetry: Vec<TelemetryToken>,
    requests: Vec<TwinToken>,
    undecided: Option<MessageToken>,
    /// What came of the payload that comes in pieces, its length, and the call to answer at its end.
    pieces: Option<(Vec<u8>, u32, Option<KeptRequestId>)>,
    free: Option<(usize, usize)>,
    /// How the bytes come, for the faults that depend on it.
    pub(super) feeding: Feeding,
}

impl Application {
    pub(super) fn new(feeding: Feeding) -> Self {
        Self { feeding, ..Self::default() }
    }

    /// Commands on their way in every state, and a connection up to where the stream begins.
    pub(super) fn begin(&mut self, client: &mut dyn Machine, script: &Script<'_>) {
        for body in [&b"one"[..], b"two", b"three"] {
            self.telemetry(client, body);
        }
        client.telemetry_withdraw(NOW, self.telemetry[1]).expect("it waits");
        self.requests
            .extend([client.twin_get(NOW), client.twin_report(NOW, b"{\"on\":true}")].map(|it| it.expect("room")));
        client.connect(NOW, &ConnectOptions::default()).expect("offline");
        self.send(client);
        if script.has(READY) {
            let filters = script.config().settings.features.iter().count();
            let suback = [&[0x90, 2 + filters as u8, 0xFF, 0xFF][..], &vec![1; filters]].concat();
            for answer in [&b"\x20\x02\x00\x00"[..], b"", &suback] {
                let handled = client.handle_input(NOW, answer).expect("as a hub answers");
                assert_eq!(handled.consumed, answer.len());
                self.send(client);
            }
            assert!(client.handle_input(NOW, &[]).expect("no error").event.is_none());
            assert_eq!(client.state(), State::Ready);
        }
        if script.has(DRAINS) {
            client.disconnect(NOW).expect("there is a connection");
        }
    }

    fn telemetry(&mut self, client: &mut dyn Machine, payload: &[u8]) {
        let message = Telemetry { payload, properties: &[("room", "küche")], ..Telemetry::default() };
        let sent = client.send_telemetry(NOW, &message);
        self.telemetry.extend(sent);
        self.note(format_args!("{:?}", sent.map(drop)));
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        writeln!(self.log, "{what}").expect("a text grows");
    }

    fn fails(&self, plant: Plant, feeding: Feeding) -> bool {
        self.feeding == feeding && planted(plant)
    }

    /// Sends everything.
    pub(super) fn send(&mut self, client: &mut dyn Machine) {
        while let Some(bytes) = client.poll_transmit() {
            let len = bytes.len();
            assert!(len > 0);
            // What is lent is one packet, or acknowledgements.
            match bytes[0] {
                0x40 if self.fails(Plant::ChunkAck, Feeding::InChunks) => {}
                0x40 => self.pubacks.extend_from_slice(bytes),
                0x30 if self.fails(Plant::ChunkOutput, Feeding::InChunks) => {}
                _ => self.sent.extend_from_slice(bytes),
            }
            client.confirm_transmit(NOW, len).expect("so much was lent");
        }
    }

    pub(super) fn on_event(&mut self, client: &mut dyn Machine, event: &Event<'_>) {
        let pending = client.pending();
        if (pending.telemetry, pending.twin_requests, pending.method_answers) == (0, 0, 0) && self.free.is_none() {
            self.free = Some((self.log.len(), self.sent.len()));
        }
        if self.fails(Plant::ChunkEvent, Feeding::InChunks) && matches!(event, Event::Unknown { .. }) {
            return;
        }
        match *event {
            // Where they are cut is how the bytes came: noted is what they make together.
            Event::StreamPiece { offset, bytes } => return self.piece(offset, bytes),
            Event::StreamEnd(StreamEnd::TwinDocument { token, version, stale }) => {
                let name = token.map(|token| self.end_request(token));
                self.note(format_args!("streamed document {name:?} {version:?} {stale}"));
            }
            Event::StreamBegin { source: StreamSource::TwinDocument { token }, payload_len } => {
                let known = token.map(|token| self.requests.iter().rposition(|known| *known == token));
                self.note(format_args!("document begins {known:?} {payload_len}"));
            }
            Event::TelemetryAcked(token) => {
                let name = self.telemetry.iter().rposition(|known| *known == token).expect("it was sent");
                self.note(format_args!("acked {name}"));
                if self.telemetry.len() < 6 {
                    self.telemetry(client, &[name as u8; 40]);
                }
            }
            Event::TwinDocument { token, version, stale, payload } => {
                let name = token.map(|token| self.end_request(token));
                self.note(format_args!("document {name:?} {version:?} {stale} {payload:?}"));
            }
            Event::TwinReported { token, version } => {
                let name = self.end_request(token);
                self.note(format_args!("reported {name} {version:?}"));
            }
            Event::RequestFailed { token, reason, payload } => {
                let name = self.end_request(token);
                self.note(format_args!("failed {name} {reason:?} {payload:?}"));
            }
            Event::Disconnected(it) => {
                let suspect = it.suspect.map(|it| it.cuts);
                let last_sent = it.last_sent.filter(|_| !matches!(it.reason, DisconnectReason::Failed(_)));
                self.note(format_args!("disconnected {:?} {:?} {suspect:?} {:?}", it.reason, last_sent, it.ready_for));
            }
            _ => {
                let cut = usize::from(self.fails(Plant::OwnedEvent, Feeding::Owned));
                let told = format!("{event:?}");
                self.note(format_args!("{}", &told[..told.len() - cut.min(told.len())]));
            }
        }
        self.react(client, event);
    }

    fn piece(&mut self, offset: u32, bytes: &[u8]) {
        let (all, len, _) = self.pieces.as_mut().expect("it has begun");
        assert!(offset as usize == all.len() && !bytes.is_empty(), "no gap");
        let lost = usize::from(self.feeding == Feeding::InChunks && planted(Plant::ChunkPiece));
        all.extend_from_slice(&bytes[..bytes.len() - lost]);
        all.resize(all.len() + lost, 0);
        assert!(all.len() <= *len as usize, "no longer than was said");
    }

    /// The payload that came in pieces ends, `whole` or cut off.
    fn end_pieces(&mut self, whole: bool) -> Option<(Vec<u8>, Option<KeptRequestId>)> {
        let (all, len, call) = self.pieces.take()?;
        assert!(!whole || all.len() == len as usize, "as long as was said");
        self.note(format_args!("in pieces, whole {whole}: {all:?}"));
        Some((all, call))
    }

    fn end_request(&mut self, token: TwinToken) -> usize {
        self.requests.iter().rposition(|known| *known == token).expect("it was asked for")
    }

    fn react(&mut self, client: &mut dyn Machine, event: &Event<'_>) {
        match *event {
            Event::Message(message) => {
                let Some(token) = message.token else { return };
                let decided = match message.payload.first().map_or(0, |byte| byte % 4) {
                    0 => client.message_accept(NOW, token),
                    1 => client.message_leave(NOW, token),
                    2 => return self.undecided = Some(token),
                    _ => self.undecided.take().map_or(Ok(()), |token| client.message_accept(NOW, token)),
                };
                self.note(format_args!("{decided:?}"));
            }
            Event::MethodCall { payload, request, .. } => {
                if let Some(kept) = request.keep() {
                    let answered = client.method_respond(NOW, &kept, 200, payload);
                    self.note(format_args!("{answered:?}"));
                }
            }
            Event::StreamBegin { source, payload_len } => {
                assert!(self.pieces.is_none(), "one at a time");
                let call = match source {
                    StreamSource::MethodCall { request, .. } => request.keep(),
                    _ => None,
                };
                self.pieces = Some((Vec::new(), payload_len, call));
            }
            Event::StreamEnd(end) => {
                let (all, call) = self.end_pieces(true).expect("it has begun");
                if let Some(kept) = call {
                    let answered = client.method_respond(NOW, &kept, 200, &all[..all.len().min(20)]);
                    self.note(format_args!("{answered:?}"));
                }
                if let StreamEnd::Message { token: Some(token) } = end {
                    let left = all.first().is_some_and(|byte| byte % 2 == 1);
                    let decided =
                        if left { client.message_leave(NOW, token) } else { client.message_accept(NOW, token) };
                    self.note(format_args!("{decided:?}"));
                }
            }
            Event::Disconnected(_) => drop(self.end_pieces(false)),
            Event::Skipped(skipped) => {
                if let Some(kept) = skipped.request.and_then(|request| request.keep()) {
                    let answered = client.method_respond(NOW, &kept, 413, b"");
                    self.note(format_args!("{answered:?}"));
                }
                if let Some(token) = skipped.token {
                    let decided = client.message_accept(NOW, token);
                    self.note(format_args!("{decided:?}"));
                }
            }
            Event::TwinDesired { version, .. } => {
                if let Ok(token) = client.twin_get(NOW) {
                    self.requests.push(token);
                    self.note(format_args!("asked after {version:?}"));
                }
            }
            Event::Ready { .. } => {
                let asked = client.subscribe(NOW, Features::TWIN | Features::METHODS);
                self.note(format_args!("{asked:?}"));
            }
            _ => {}
        }
    }

    pub(super) fn end(mut self, client: &mut dyn Machine) -> Outcome {
        self.send(client);
        self.end_pieces(false);
        let name = |token: TelemetryToken| self.telemetry.iter().rposition(|known| *known == token);
        let end = End {
            error: self.error,
            state: client.state(),
            pending: client.pending(),
            unacked: client.unacked().into_iter().map(name).collect(),
            strays: client.strays(),
            deadline: client.poll_timeout(),
        };
        let Self { log: events, sent, pubacks, free, .. } = self;
        Outcome { events, sent, pubacks, end, free }
    }
}
