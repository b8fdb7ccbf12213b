//! What the application and the hub know, and what the client must therefore say.

use std::collections::{BTreeMap, BTreeSet};

use iothub_proto::State;
use iothub_proto::error::Error;
use iothub_proto::event::{Event, KeptRequestId, MessageToken, StreamSource, TelemetryToken, TwinToken};
use iothub_proto::packet::QoS;
use iothub_proto::packet::publish::{self, Head};
use iothub_proto::time::Instant;
use iothub_proto::twin::{Applied, TwinReplica};
use iothub_proto::wire::frame;
use iothub_tests::hub::codec::{self, Packet};
use iothub_tests::hub::{ConnId, Hub, MessageId, Outcome, Telemetry};

use super::payload::{Begun, Wish};
use super::{DEVICE, Setup};
use crate::machine::Machine;
use crate::plant::{Plant, planted};

/// Telemetry that is not settled.
#[derive(Debug)]
struct Open {
    token: TelemetryToken,
    qos: QoS,
    /// A byte of it was lent in the hub's session.
    lent: bool,
}

/// Which of the hub's messages it is; `None` of one that was skipped.
type CloudNumber = Option<u32>;

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) auto_accepts: bool,
    /// Messages are accepted while their event is alive.
    pub(super) accepts_at_once: bool,
    twin_sync: bool,

    /// Telemetry by number: payloads of all, records of the unsettled, numbers that the hub stored or that were withdrawn.
    pub(super) payloads: BTreeMap<u32, (QoS, Vec<u8>)>,
    open: BTreeMap<u32, Open>,
    stored: BTreeSet<u32>,
    withdrawn: BTreeSet<u32>,
    stored_on: BTreeSet<(ConnId, u32)>,
    /// The highest number lent on this connection.
    last_lent: Option<u32>,
    said_goodbye: bool,

    pub(super) requests: Vec<TwinToken>,
    pub(super) calls: Vec<KeptRequestId>,
    /// Calls that were answered on this connection.
    pub(super) answers: Vec<u32>,

    pub(super) lazy: bool,
    /// The messages whose payload comes in parts.
    pub(super) named: Vec<(TelemetryToken, u32)>,
    /// The part that is wanted and was not supplied: message, offset and room.
    pub(super) wanted: Option<Wish>,
    /// What the last part was of, and where it ended.
    pub(super) supplied: Option<(TelemetryToken, u32)>,
    /// Bytes that are missing of the message that is half lent.
    half_lent: usize,
    /// What comes in pieces, and what came of it.
    pub(super) pieces: Option<(Begun, Vec<u8>)>,

    pub(super) cloud_messages: Vec<MessageId>,
    undecided: Vec<(MessageToken, CloudNumber)>,
    accepted: BTreeSet<u32>,
    accepted_unseen: usize,

    /// The twin that the application has, if it is synchronised.
    replica: Option<TwinReplica>,
    sync_failed: bool,
}

pub(super) fn accept_message(machine: &mut dyn Machine, now: Instant, token: MessageToken) -> Result<(), Error> {
    if planted(Plant::LoseAccept) { Ok(()) } else { machine.message_accept(now, token) }
}

impl Model {
    pub(super) fn new(setup: &Setup) -> Self {
        Self { auto_accepts: setup.auto_accept, twin_sync: setup.twin_sync, lazy: setup.lazy, ..Self::default() }
    }

    /// What belonged to the connection before dies.
    pub(super) fn connects(&mut self) {
        (self.last_lent, self.said_goodbye) = (None, false);
        self.half_lent = 0;
        (self.replica, self.sync_failed) = (None, false);
        // The end of the connection before need not have been told.
        self.connection_over();
    }

    fn connection_over(&mut self) {
        self.calls.clear();
        self.answers.clear();
        self.undecided.clear();
        self.pieces = None;
        self.supplied = None;
    }

    pub(super) fn next_message(&self, len: usize) -> (u32, Vec<u8>) {
        let number = self.payloads.len() as u32;
        (number, [&number.to_be_bytes()[..], &vec![number as u8; len]].concat())
    }

    pub(super) fn sends(&mut self, number: u32, token: TelemetryToken, qos: QoS, payload: Vec<u8>) {
        assert!(self.open.values().all(|open| open.token != token), "a name is given once");
        self.payloads.insert(number, (qos, payload));
        self.named.push((token, number));
        self.open.insert(number, Open { token, qos, lent: false });
    }

    pub(super) fn nth_open(&self, n: usize) -> Option<(u32, TelemetryToken, QoS)> {
        let (number, open) = self.open.iter().nth(n.checked_rem(self.open.len())?)?;
        Some((*number, open.token, open.qos))
    }

    pub(super) fn withdraws(&mut self, number: u32) {
        self.open.remove(&number);
        self.withdrawn.insert(number);
    }

    /// Numbered by its place in [`cloud_messages`](Self::cloud_messages), if the hub has room for it.
    pub(super) fn next_cloud_message(&self, len: usize) -> Vec<u8> {
        let number = self.cloud_messages.len() as u32;
        [&number.to_be_bytes()[..], &vec![b'c'; len]].concat()
    }

    pub(super) fn nth_undecided(&self, n: usize) -> Option<(MessageToken, CloudNumber)> {
        self.undecided.get(n.checked_rem(self.undecided.len())?).copied()
    }

    pub(super) fn all_undecided(&self) -> Vec<(MessageToken, CloudNumber)> {
        self.undecided.clone()
    }

    /// The application has decided; accepted if there is a number.
    pub(super) fn decided(&mut self, token: MessageToken, accepted: Option<CloudNumber>) {
        self.undecided.retain(|(known, _)| *known != token);
        match accepted {
            Some(Some(number)) => drop(self.accepted.insert(number)),
            Some(None) => self.accepted_unseen += 1,
            None => {}
        }
    }

    pub(super) fn delivered(
        &mut self,
        machine: &mut dyn Machine,
        now: Instant,
        token: MessageToken,
        number: CloudNumber,
    ) {
        assert!(self.undecided.iter().all(|(known, _)| *known != token), "a name is given once");
        if self.auto_accepts {
            self.decided(token, Some(number));
        } else if self.accepts_at_once {
            accept_message(machine, now, token).expect("it was delivered just now");
            self.decided(token, Some(number));
        } else {
            self.undecided.push((token, number));
        }
    }

    pub(super) fn on_event(&mut self, machine: &mut dyn Machine, now: Instant, event: &Event<'_>) {
        match *event {
            Event::Connected { session_present: false } => self.open.values_mut().for_each(|open| open.lent = false),
            Event::TelemetryAcked(token) => self.acked(token),
            Event::Message(message) => {
                if let Some(token) = message.token {
                    let number = message.payload.first_chunk().map(|number| u32::from_be_bytes(*number));
                    self.delivered(machine, now, token, Some(number.expect("the hub's messages have one")));
                }
            }
            Event::Skipped(skipped) => {
                if let Some(token) = skipped.token {
                    self.delivered(machine, now, token, None);
                }
                self.calls.extend(
                    skipped.request.and_then(|request| request.keep()).filter(|id| !id.id().as_str().is_empty()),
                );
            }
            Event::MethodCall { request, .. } => self.calls.extend(request.keep()),
            Event::StreamBegin { source, .. } => {
                assert!(self.pieces.is_none(), "one at a time");
                let begun = match source {
                    StreamSource::Message { .. } => Begun::Message,
                    StreamSource::TwinDocument { token } => Begun::Document(token),
                    StreamSource::TwinDesired { unsynced, .. } => Begun::Desired { unsynced },
                    StreamSource::MethodCall { request, .. } => {
                        self.calls.extend(request.keep().filter(|id| !id.id().as_str().is_empty()));
                        Begun::Other
                    }
                    _ => Begun::Other,
                };
                self.pieces = Some((begun, Vec::new()));
            }
            Event::StreamPiece { offset: 1.., .. } if planted(Plant::LosePiece) => {}
            Event::StreamPiece { offset, bytes } => {
                let (_, all) = self.pieces.as_mut().expect("it has begun");
                assert_eq!(offset as usize, all.len(), "no gap");
                all.extend_from_slice(bytes);
            }
            Event::StreamEnd(end) => self.is_whole(machine, now, end),
            Event::PartWanted { token, offset, room } => {
                let wish = (token, offset, room);
                if self.lazy && !self.accepts_at_once && offset % 3 == 1 {
                    self.wanted = Some(wish);
                } else {
                    self.supply(machine, now, wish, false);
                }
            }
            Event::TwinDocument { token, version, stale, payload } => {
                token.into_iter().for_each(|token| self.ended(token));
                if !stale {
                    self.has_document(token.is_none(), version, payload);
                }
            }
            Event::TwinReported { token, .. } => self.ended(token),
            Event::RequestFailed { .. } if planted(Plant::LoseRequest) => {}
            Event::RequestFailed { token, .. } => {
                self.pieces.take_if(|(begun, _)| matches!(begun, Begun::Document(Some(known)) if *known == token));
                self.ended(token);
            }
            Event::TwinSyncFailed { .. } => self.sync_failed = true,
            Event::TwinDesired { version, unsynced, payload } => self.has_patch(version, unsynced, payload),
            Event::Disconnected(_) => {
                self.connection_over();
                if let (true, Some(open)) = (planted(Plant::LoseMessage), self.open.values().next()) {
                    let _ = machine.telemetry_withdraw(now, open.token);
                }
            }
            _ => {}
        }
    }

    fn acked(&mut self, token: TelemetryToken) {
        let number = self.open.iter().find(|(_, open)| open.token == token).map(|(number, _)| *number);
        let number = number.expect("acknowledged once, and not after it was withdrawn");
        assert!(self.stored.contains(&number), "acknowledged, and the hub has not stored it");
        self.open.remove(&number);
    }

    pub(super) fn ended(&mut self, token: TwinToken) {
        let at = self.requests.iter().position(|open| *open == token).expect("a request ends once");
        self.requests.swap_remove(at);
    }

    pub(super) fn has_document(&mut self, fetched: bool, version: Option<u64>, payload: &[u8]) {
        let Ok(twin) = TwinReplica::from_document(payload) else {
            assert_eq!(version, None, "no document, but a version");
            self.sync_failed |= fetched;
            return;
        };
        assert_eq!(version, Some(twin.desired_version()));
        let have = self.replica.as_ref().map_or(0, TwinReplica::desired_version);
        assert!(!self.twin_sync || twin.desired_version() >= have, "the application goes back");
        self.replica = Some(twin);
    }

    pub(super) fn has_patch(&mut self, version: Option<u64>, unsynced: bool, payload: &[u8]) {
        if unsynced {
            return assert!(!self.twin_sync || self.sync_failed, "a patch may be missed, and nothing said so");
        }
        if planted(Plant::LosePatch) {
            return;
        }
        let (twin, version) = self.replica.as_mut().zip(version).expect("a document came first");
        assert_eq!(twin.apply_desired(payload, version), Ok(Applied::Merged), "no gap");
    }

    /// A packet, or several acknowledgements, is lent for the first time on this connection.
    pub(super) fn on_lent(&mut self, bytes: &[u8]) {
        assert!(!self.said_goodbye, "nothing follows DISCONNECT");
        if self.half_lent > 0 {
            self.half_lent = self.half_lent.checked_sub(bytes.len()).expect("no more than its length");
            return;
        }
        let mut rest = bytes;
        while let Some(len) = codec::frame_len(rest).expect("the client lends what the hub can read") {
            if len > rest.len() {
                self.half_lent = len - rest.len();
                let head = publish::head(&frame::header(rest).expect("a header").expect("whole"), rest);
                let Ok(Head::Complete { publish, len }) = head else { panic!("{head:?}") };
                let number = u32::from_be_bytes(*rest[len..].first_chunk().expect("a number"));
                return self.telemetry_lent(number, publish.dup && !planted(Plant::NoDup));
            }
            let (frame, behind) = rest.split_at(len);
            match codec::decode(frame).expect("the client lends what the hub can read") {
                Packet::Publish(publish) if publish.topic.starts_with("devices/") => {
                    let number = u32::from_be_bytes(*publish.payload.first_chunk().expect("a number"));
                    self.telemetry_lent(number, publish.dup && !planted(Plant::NoDup));
                }
                Packet::Disconnect => self.said_goodbye = true,
                _ => {}
            }
            rest = behind;
        }
        assert!(rest.is_empty(), "the client lends whole packets");
    }

    fn telemetry_lent(&mut self, number: u32, dup: bool) {
        let last = self.open.keys().next_back().copied().filter(|_| planted(Plant::Overtaken));
        let number = last.unwrap_or(number);
        assert!(self.last_lent.is_none_or(|last| last < number), "oldest first, and once");
        self.last_lent = Some(number);
        let open = self.open.get_mut(&number).expect("not withdrawn and not acknowledged");
        assert_eq!(dup, open.lent, "DUP if and only if it was lent before in this session");
        open.lent = true;
        match open.qos {
            QoS::AtMostOnce => drop(self.open.remove(&number)),
            QoS::AtLeastOnce if planted(Plant::EarlyAck) => {
                let token = open.token;
                self.acked(token);
            }
            QoS::AtLeastOnce => {}
        }
    }

    /// The hub took these.
    pub(super) fn stored(&mut self, messages: Vec<Telemetry>) {
        for message in messages {
            let number = u32::from_be_bytes(*message.payload.first_chunk().expect("a number"));
            let (qos, payload) = self.payloads.get(&number).expect("it was sent");
            assert_eq!((message.qos, &message.payload), (*qos as u8, payload), "as it was sent");
            assert!(self.stored_on.insert((message.conn, number)), "not again on a live connection");
            assert!(!self.stored.contains(&number) || message.dup || *qos == QoS::AtLeastOnce, "QoS 0 at most once");
            self.stored.insert(number);
        }
    }

    /// What must be so after any step.
    pub(super) fn check(&self, machine: &dyn Machine, hub: &Hub) {
        let open = self.open.values().filter(|open| open.qos == QoS::AtLeastOnce).map(|open| open.token);
        assert_eq!(machine.unacked(), open.collect::<Vec<_>>(), "every accepted message is kept, oldest first");
        assert_eq!(usize::from(machine.pending().twin_requests), self.requests.len());
        let completed = |id: &MessageId| hub.outcome(*id) == Some(Outcome::Completed);
        let numbers = self.cloud_messages.iter().enumerate().filter(|(_, id)| completed(id)).map(|(at, _)| at as u32);
        let unknown = numbers.filter(|number| !self.accepted.contains(number)).count();
        assert!(unknown <= self.accepted_unseen, "acknowledged, and the application has not accepted it");
    }

    fn is_synchronised(&self, hub: &Hub) -> bool {
        let twin = hub.twin(DEVICE);
        let mut desired = twin["desired"].as_object().cloned().expect("a section");
        desired.remove("$version");
        self.replica.as_ref().is_some_and(|replica| *replica.desired() == desired)
    }

    /// Whether nothing is left to do.
    pub(super) fn is_settled(&self, machine: &dyn Machine, hub: &Hub) -> bool {
        let pending = machine.pending();
        let kept = |(number, (qos, _)): (&u32, &(QoS, Vec<u8>))| {
            *qos == QoS::AtMostOnce || self.stored.contains(number) || self.withdrawn.contains(number)
        };
        machine.state() == State::Ready
            && !machine.has_event()
            && (pending.telemetry, pending.twin_requests, pending.method_answers) == (0, 0, 0)
            && self.open.is_empty()
            && self.requests.is_empty()
            && self.undecided.is_empty()
            && self.payloads.iter().all(kept)
            && (!self.twin_sync || self.sync_failed || self.is_synchronised(hub))
    }
}
