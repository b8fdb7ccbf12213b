//! One transport connection: buffers, timers and the way it ends.

use std::collections::BTreeSet;

use iothub_proto::time::{Duration, Instant};

use super::{codec::Will, config::Cut, dps::Registrant, registry::PeerCertificate};

/// A silent connection ends after this many milliseconds at the latest: the load balancer's idle limit.
const LONGEST_SILENCE: u64 = 1_767_000;

/// Names a connection; counted from 1 in order of opening.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u32);

/// Why the hub ends a connection. The client is told nothing of it, except for `Refused`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The client broke MQTT 3.1.1 or the dialect; also listed in [`Hub::violations`](super::Hub::violations).
    Violation(&'static str),
    /// The sign-in was refused with this CONNACK code.
    Refused(u8),
    /// The client sent DISCONNECT.
    Disconnected,
    /// The transport ended without DISCONNECT.
    TransportClosed,
    /// No CONNECT in time.
    NoConnect,
    /// Silence for 1.5 times the keep-alive interval.
    KeepAlive,
    /// The SAS token is out of date, and so is the grace.
    TokenExpired,
    /// A newer connection of the same identity took over (400027).
    TakenOver,
    /// The identity was disabled or deleted.
    IdentityGone,
    /// A fault that a test asked for.
    Fault,
}

/// What a client did wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// On which connection.
    pub conn: ConnId,
    /// By whom; empty before sign-in.
    pub client_id: String,
    /// What it was.
    pub what: &'static str,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    AwaitingConnect,
    Open,
    Ended(CloseReason),
}

/// An answer that is held back.
#[derive(Debug)]
struct Delayed {
    at: Instant,
    packet: Vec<u8>,
    /// The client's packet id that is free again once this is sent.
    frees: Option<u16>,
}

/// What a connection has cost, in MQTT's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// How often something went to the client after something had come from it.
    pub round_trips: u32,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) state: State,
    /// Empty before sign-in.
    pub(super) client_id: String,
    pub(super) peer: Option<PeerCertificate>,
    pub(super) inbox: Vec<u8>,
    outbox: Vec<u8>,
    delayed: Vec<Delayed>,
    /// When the last answer and the last PUBACK leave: none of a kind overtakes another, however delays change.
    leaves: [Instant; 2],
    pub(super) cut: Cut,
    pub(super) traffic: Traffic,
    /// What came in was answered: the next bytes from the client belong to another round trip.
    answered: bool,
    /// When the hub gives up waiting for the client's next packet, and the span it waits.
    pub(super) silence: (Instant, Duration),
    pub(super) expires: Option<Instant>,
    pub(super) will: Option<Will>,
    /// Packet ids of QoS 1 messages that the hub has yet to acknowledge.
    pub(super) unacknowledged: BTreeSet<u16>,
    /// A connection to the provisioning service.
    pub(super) registrant: Option<Registrant>,
}

impl Connection {
    pub(super) fn new(now: Instant, wait: Duration, peer: Option<PeerCertificate>, cut: Cut) -> Self {
        Self {
            state: State::AwaitingConnect,
            client_id: String::new(),
            peer,
            inbox: Vec::new(),
            outbox: Vec::new(),
            delayed: Vec::new(),
            leaves: [Instant::ZERO; 2],
            cut,
            traffic: Traffic::default(),
            answered: true,
            silence: (now + wait, wait),
            expires: None,
            will: None,
            unacknowledged: BTreeSet::new(),
            registrant: None,
        }
    }

    /// Queues a packet, held back until `at`.
    pub(super) fn send(&mut self, now: Instant, at: Instant, packet: Vec<u8>, frees: Option<u16>) {
        if matches!(self.state, State::Ended(_)) {
            return;
        }
        let last = &mut self.leaves[usize::from(frees.is_some())];
        let at = at.max(*last);
        *last = at;
        let delayed = Delayed { at, packet, frees };
        if at <= now { self.release(delayed) } else { self.delayed.push(delayed) }
    }

    /// Queues a packet behind all that was queued before, and holds it back for `delay` while others overtake it.
    pub(super) fn send_late(&mut self, now: Instant, delay: Duration, packet: Vec<u8>) {
        let at = self.leaves[0].max(now) + delay;
        if !matches!(self.state, State::Ended(_)) {
            self.delayed.push(Delayed { at, packet, frees: None });
        }
    }

    /// Sets how long the client may be silent, from what it said in CONNECT.
    pub(super) fn keep_alive(&mut self, now: Instant, seconds: u16) {
        let silence = match u64::from(seconds) * 1_500 {
            0 => LONGEST_SILENCE,
            millis => millis.min(LONGEST_SILENCE),
        };
        let silence = Duration::from_millis(silence);
        self.silence = (now + silence, silence);
    }

    /// Sends the CONNACK of an accepted connection, which everything else must follow.
    pub(super) fn open(&mut self, now: Instant, at: Instant, connack: Vec<u8>) {
        self.state = State::Open;
        self.leaves = [at; 2];
        self.send(now, at, connack, None);
    }

    fn release(&mut self, delayed: Delayed) {
        self.outbox.extend(delayed.packet);
        if let Some(id) = delayed.frees {
            self.unacknowledged.remove(&id);
        }
    }

    /// Releases what is due, the earliest first.
    pub(super) fn release_due(&mut self, now: Instant) {
        self.delayed.sort_by_key(|delayed| delayed.at);
        let due = self.delayed.partition_point(|delayed| delayed.at <= now);
        for delayed in self.delayed.drain(..due).collect::<Vec<_>>() {
            self.release(delayed);
        }
    }

    /// The next time at which something is due.
    pub(super) fn timeout(&self) -> Option<Instant> {
        if matches!(self.state, State::Ended(_)) {
            return None;
        }
        let delayed = self.delayed.iter().map(|delayed| delayed.at);
        delayed.chain(self.expires).chain([self.silence.0]).min()
    }

    /// Ends the connection; what waits to be sent still goes out, what is held back does not.
    pub(super) fn end(&mut self, reason: CloseReason) {
        self.state = State::Ended(reason);
        self.delayed.clear();
        self.inbox.clear();
        if !matches!(reason, CloseReason::Refused(_) | CloseReason::Disconnected | CloseReason::Violation(_)) {
            self.outbox.clear();
        }
    }

    /// Takes bytes of the client's, not beyond the cut: whether it is reached.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> bool {
        let allowed = self.cut.inbound.map_or(u64::MAX, |at| at.saturating_sub(self.traffic.received));
        let len = bytes.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        self.traffic.received += len as u64;
        self.answered &= len == 0;
        self.inbox.extend(bytes.iter().take(len));
        self.cut.inbound.is_some_and(|at| self.traffic.received >= at)
    }

    /// Takes at most `max` bytes to send, not beyond the cut.
    pub(super) fn take(&mut self, max: usize) -> Vec<u8> {
        let allowed = self.cut.outbound.map_or(u64::MAX, |at| at.saturating_sub(self.traffic.sent));
        let len = self.outbox.len().min(max).min(usize::try_from(allowed).unwrap_or(usize::MAX));
        self.traffic.sent += len as u64;
        if len > 0 && !self.answered {
            self.traffic.round_trips += 1;
            self.answered = true;
        }
        self.outbox.drain(..len).collect()
    }

    /// Whether the outbound cut is reached.
    pub(super) fn cut_reached(&self) -> bool {
        self.cut.outbound.is_some_and(|at| self.traffic.sent >= at)
    }

    /// Whether bytes wait to be sent.
    pub(super) fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }
}
