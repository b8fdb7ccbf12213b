//! What must hold, and what is counted in the end.

use core::fmt;

use iothub_proto::error::{CapacityError, Error};
use iothub_proto::packet::QoS;
use iothub_proto::{State, Telemetry};

use super::world::World;
use crate::hub::{CallResult, Outcome};
use crate::pair::PairIn;

/// A promise of the client's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Oracle {
    /// Telemetry that was queued is stored by the hub, unless it is withdrawn, and told as acknowledged once, not before.
    AtLeastOnce,
    /// On one connection messages leave and arrive in the order in which they were queued.
    Order,
    /// On one connection a message leaves and arrives once; at QoS 0 once at all.
    Once,
    /// DUP if and only if the message left before in this session.
    Dup,
    /// A message from the hub is accepted by the application, or comes back.
    Message,
    /// A token of an older connection, or one that was used, names nothing; nothing else is acknowledged.
    StaleToken,
    /// A message over which the hub closes the link is named, and blocks the others no longer than that.
    Poison,
    /// Nothing that goes before telemetry waits for it.
    Lane,
    /// A twin request ends in one event.
    OneEvent,
    /// A method call is told once, and its answer goes to it.
    Method,
    /// The twin that the application has is the hub's.
    Replica,
    /// The client knows until when it waits.
    Deadline,
    /// The client keeps nothing that is settled.
    Memory,
    /// A payload that comes in pieces is what the hub sent.
    Pieces,
    /// A payload that leaves in parts is what the application supplied.
    Parts,
}

impl Oracle {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AtLeastOnce,
        Self::Order,
        Self::Once,
        Self::Dup,
        Self::Message,
        Self::StaleToken,
        Self::Poison,
        Self::Lane,
        Self::OneEvent,
        Self::Method,
        Self::Replica,
        Self::Deadline,
        Self::Memory,
        Self::Pieces,
        Self::Parts,
    ];

    /// Fails the session unless it `holds`.
    pub(super) fn must(self, holds: bool, what: impl fmt::Display) {
        assert!(holds, "oracle {self:?}: {what}");
    }

    /// Whether `failure` is what this oracle says.
    #[must_use]
    pub fn said(self, failure: &str) -> bool {
        match self {
            // Every test with a `Pair` has this one.
            Self::Deadline => failure.contains("waits without a deadline"),
            _ => failure.contains(&format!("oracle {self:?}:")),
        }
    }
}

impl World {
    /// What must hold between any two steps: what the application was told is what happened at the hub.
    pub(super) fn audit(&mut self, pair: &mut PairIn<'_>) {
        for arrived in pair.hub.take_telemetry() {
            let number = super::wire::number(&arrived.payload);
            let Some(message) = self.telemetry.get_mut(number) else { continue };
            let last = self.last_arrived.filter(|(conn, _)| *conn == arrived.conn).map(|(_, number)| number);
            Oracle::Once.must(last != Some(number), format_args!("message {number} arrives once a connection"));
            Oracle::Order.must(last < Some(number), format_args!("message {number} arrives after {last:?}"));
            self.last_arrived = Some((arrived.conn, number));
            let same = arrived.payload == message.payload;
            Oracle::Parts.must(same, format_args!("message {number} arrives as {:?}", arrived.payload));
            message.stored += 1;
        }
        for (number, message) in self.telemetry.iter().enumerate() {
            let stored = !message.acked || message.stored > 0;
            Oracle::AtLeastOnce.must(stored, format_args!("message {number} is acknowledged and not stored"));
            let once = message.qos == QoS::AtLeastOnce || message.stored <= 1;
            Oracle::Once.must(once, format_args!("message {number} of QoS 0 is stored twice"));
        }
        for (number, message) in self.messages.iter().enumerate() {
            let completed = pair.hub.outcome(message.id) == Some(Outcome::Completed);
            Oracle::Message.must(
                !completed || message.accepted,
                format_args!("message {number} is acknowledged, and the application did not accept it"),
            );
        }
        for (number, call) in self.calls.iter().enumerate() {
            if let CallResult::Answered { payload, .. } = pair.hub.call_result(call.id) {
                let own = call.answered && payload == number.to_string().as_bytes();
                Oracle::Method.must(own, format_args!("call {number} is answered with {}", payload.escape_ascii()));
            }
        }
    }

    /// Whether nothing waits any more.
    pub(super) fn is_settled(&self, pair: &PairIn<'_>) -> bool {
        let pending = pair.client.pending();
        pair.client.state() == State::Ready
            && (pending.telemetry, pending.twin_requests, pending.method_answers) == (0, 0, 0)
            && !pair.client.has_event()
            && self.desired_agrees(pair)
    }

    pub(super) fn must_be_settled(&self, pair: &PairIn<'_>, settled: bool) {
        let pending = pair.client.pending();
        let poisoned = pair.hub.faults.poison.is_some();
        let oracle = if poisoned { Oracle::Poison } else { Oracle::AtLeastOnce };
        oracle.must(pending.telemetry == 0, format_args!("when all is calm, {pending:?}"));
        let unacked =
            self.telemetry.iter().position(|it| it.qos == QoS::AtLeastOnce && it.withdrawn.is_none() && !it.acked);
        oracle.must(unacked.is_none(), format_args!("message {unacked:?} is neither acknowledged nor pending"));
        Oracle::OneEvent.must(pending.twin_requests == 0, format_args!("when all is calm, {pending:?}"));
        let open = self.requests.iter().position(|request| !request.ended);
        Oracle::OneEvent.must(open.is_none(), format_args!("request {open:?} did not end"));
        Oracle::Replica.must(self.desired_agrees(pair), format_args!("{:?}, the hub: {}", self.replica, twin(pair)));
        Oracle::AtLeastOnce.must(settled, format_args!("when all is calm, {:?}", pair.client.state()));
    }

    /// Settled, and nothing is left at the hub.
    pub(super) fn is_done(&self, pair: &PairIn<'_>) -> bool {
        let pending = self.calls.iter().any(|call| pair.hub.call_result(call.id) == CallResult::Pending);
        self.is_settled(pair) && pair.hub.queued("dev1") == 0 && !pending
    }

    pub(super) fn must_be_done(&self, pair: &mut PairIn<'_>, done: bool) {
        for (number, message) in self.messages.iter().enumerate() {
            let outcome = pair.hub.outcome(message.id);
            let expired = outcome == Some(Outcome::Expired) && message.expires <= pair.now();
            Oracle::Message.must(
                expired || outcome == Some(Outcome::Completed),
                format_args!("message {number} does not come back: {outcome:?}"),
            );
        }
        for (number, call) in self.calls.iter().enumerate() {
            let result = pair.hub.call_result(call.id);
            let told = call.told <= 1 && (call.told == 1 || !matches!(result, CallResult::Answered { .. }));
            Oracle::Method.must(told, format_args!("call {number} is told {} times: {result:?}", call.told));
        }
        Oracle::Method.must(pair.hub.stray_answers() <= self.late_answers, "an answer to no call");
        self.must_be_settled(pair, done);
        let whole = self.replica.as_ref().map(|replica| replica.reported().clone().into());
        let reported = without_version(&twin(pair)["reported"]);
        let agrees = self.unsynced || whole == Some(reported);
        Oracle::Replica.must(agrees, format_args!("{:?}, the hub: {}", self.replica, twin(pair)));
        self.must_be_free(pair);
    }

    /// Every byte and every slot is free again.
    fn must_be_free(&self, pair: &mut PairIn<'_>) {
        let now = pair.now();
        self.leak(&mut pair.client, now);
        let (free, pending) = (pair.client.tx_free(), pair.client.pending());
        Oracle::Memory.must(free == self.tx_free, format_args!("{free} bytes are free, not {}", self.tx_free));
        Oracle::Memory.must(pending == iothub_proto::Pending::default(), format_args!("{pending:?}"));
        for queued in 0.. {
            match pair.client.send_telemetry(now, &Telemetry { payload: b"full", ..Telemetry::default() }) {
                Ok(_) => {}
                Err(Error::Capacity(CapacityError::SlotsFull)) => {
                    return Oracle::Memory.must(queued == self.slots, format_args!("{queued} slots of {}", self.slots));
                }
                Err(Error::Capacity(_)) => return,
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// Whether the desired properties that the application has are the hub's.
    fn desired_agrees(&self, pair: &PairIn<'_>) -> bool {
        let desired = self.replica.as_ref().map(|replica| (replica.desired_version(), replica.desired()));
        self.unsynced
            || desired.is_some_and(|(version, properties)| {
                version == pair.hub.desired_version("dev1")
                    && without_version(&twin(pair)["desired"]).as_object() == Some(properties)
            })
    }
}

fn twin(pair: &PairIn<'_>) -> serde_json::Value {
    pair.hub.twin("dev1")
}

fn without_version(section: &serde_json::Value) -> serde_json::Value {
    let mut section = section.clone();
    if let Some(members) = section.as_object_mut() {
        members.remove("$version");
    }
    section
}
