//! Client, transport and hub, and how bytes and time move between them.

use iothub_proto::error::{Error, TimeoutReason};
use iothub_proto::event::TelemetryToken;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{ConnectOptions, Pending, State};
use iothub_tests::hub::{ConnId, Credentials, Hub, HubConfig, PeerCertificate};

use super::model::Model;
use super::{DEVICE, HOST, Setup};
use crate::machine::Machine;
use crate::plant::{Plant, planted};

/// Calls in one loop before it counts as endless.
const ENDLESS: usize = 10_000;

pub(super) struct World<'m> {
    pub(super) machine: &'m mut dyn Machine,
    pub(super) hub: Hub,
    pub(super) model: Model,
    owned: bool,
    /// The hub's clock.
    pub(super) now: Instant,
    /// When the client's clock was set, and to what.
    clock: (Instant, Instant),
    /// The client's transport.
    pub(super) conn: Option<ConnId>,
    /// Bytes on it vanish.
    pub(super) silent: bool,
    pub(super) to_hub: Vec<u8>,
    pub(super) to_client: Vec<u8>,
    /// Arrived and not consumed.
    pub(super) input: Vec<u8>,
    /// What is lent, and where it lies.
    lent: Option<(*const u8, Vec<u8>)>,
    error: Option<Error>,
}

/// Everything that a refused command must leave as it is.
#[derive(PartialEq, Debug)]
pub(super) struct Snapshot {
    state: State,
    pending: Pending,
    unacked: Vec<TelemetryToken>,
    tx_free: usize,
    deadline: Option<(Instant, TimeoutReason)>,
    has_event: bool,
    strays: u32,
}

impl<'m> World<'m> {
    pub(super) fn new(machine: &'m mut dyn Machine, setup: &Setup) -> Self {
        // Nothing expires before it is lost for another reason.
        let mut hub = Hub::new(HubConfig { time_to_live: Duration::from_secs(7 * 86_400), ..HubConfig::new(HOST) });
        hub.register(DEVICE, Credentials::Certificate);
        Self {
            machine,
            hub,
            model: Model::new(setup),
            owned: setup.owned,
            now: Instant::from_millis(10_000),
            clock: (Instant::from_millis(10_000), Instant::from_millis(500)),
            conn: None,
            silent: false,
            to_hub: Vec::new(),
            to_client: Vec::new(),
            input: Vec::new(),
            lent: None,
            error: None,
        }
    }

    /// The time on the client's clock.
    pub(super) fn clock(&self) -> Instant {
        // In milliseconds: a duration ends after 49 days.
        let (set, to) = self.clock;
        Instant::from_millis(to.as_millis() + self.now.as_millis() - set.as_millis())
    }

    pub(super) fn set_clock(&mut self, to: Instant) {
        self.clock = (self.now, to);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.machine.state(),
            pending: self.machine.pending(),
            unacked: self.machine.unacked(),
            tx_free: self.machine.tx_free(),
            deadline: self.machine.poll_timeout().zip(self.machine.timeout_reason()),
            has_event: self.machine.has_event(),
            strays: self.machine.strays(),
        }
    }

    /// A new transport, and CONNECT into it.
    pub(super) fn connect(&mut self, options: &ConnectOptions<'_>) {
        self.machine.connect(self.clock(), options).expect("offline, and the options are fine");
        let old = self.conn.replace(self.hub.accept(self.now, Some(PeerCertificate::named(DEVICE))));
        if let Some(old) = old.filter(|_| !self.silent) {
            self.hub.handle_eof(old, self.now);
        }
        self.silent = false;
        self.to_hub.clear();
        self.to_client.clear();
        self.input.clear();
        self.lent = None;
        self.error = None;
        self.model.connects();
    }

    /// The transport is gone; bytes under way are lost.
    pub(super) fn cut(&mut self) {
        self.to_hub.clear();
        self.machine.handle_eof(self.clock()).expect("a good instant");
        self.hang_up();
        self.drain();
    }

    /// The client lets go of its transport; what it sent still arrives.
    fn hang_up(&mut self) {
        self.hub_reads(usize::MAX);
        if let Some(conn) = self.conn.take().filter(|_| !self.silent) {
            self.hub.handle_eof(conn, self.now);
        }
        self.silent = false;
        self.to_client.clear();
        self.input.clear();
        self.lent = None;
    }

    /// Feeds the client until there is no event and nothing is consumed.
    pub(super) fn drain(&mut self) {
        for _ in 0..ENDLESS {
            let waits = self.machine.has_event() || planted(Plant::Promise) && self.error.is_some();
            let now = self.clock();
            match self.machine.handle_input(now, &self.input) {
                Err(error) => return self.failed(error, waits),
                Ok(handled) => {
                    assert!(self.error.is_none() || waits, "{:?} was sticky", self.error);
                    let (consumed, over) = (handled.consumed, handled.event.is_none());
                    assert!(consumed <= self.input.len());
                    assert!(!waits || consumed == 0 && !over, "has_event, and none came");
                    assert!(handled.needed == 0 || handled.needed > self.input.len() - consumed);
                    if let Some(event) = handled.event {
                        self.model.on_event(&mut *self.machine, now, &event);
                    }
                    self.input.drain(..consumed);
                    if over && consumed == 0 {
                        break;
                    }
                }
            }
        }
        assert!(!self.machine.has_event(), "events without end");
        if matches!(self.machine.state(), State::Offline) && self.conn.is_some() {
            self.hang_up();
        }
    }

    fn failed(&mut self, error: Error, waits: bool) {
        assert!(error.is_fatal() && !waits, "{error:?}, and an event waits: {waits}");
        assert_eq!(self.machine.state(), State::Failed);
        if let Some(known) = self.error.replace(error) {
            let error = if planted(Plant::Unsticky) { Error::TimedOut(TimeoutReason::Close) } else { error };
            assert_eq!(error, known, "sticky");
        }
        assert_eq!(self.machine.handle_timeout(self.clock()), Err(error), "sticky");
        if self.conn.is_some() {
            self.hang_up();
        }
    }

    /// Takes what is lent and confirms `count` bytes of it, 0: all. Whether there was anything.
    pub(super) fn transmit(&mut self, count: usize) -> bool {
        let Some(bytes) = self.machine.poll_transmit() else { return false };
        let (place, bytes) = (bytes.as_ptr(), bytes.to_vec());
        assert!(!bytes.is_empty(), "lending nothing would never end");
        if self.lent.is_none() {
            self.model.on_lent(&bytes);
        }
        let now = self.clock();
        assert!(self.machine.confirm_transmit(now, bytes.len() + 1).is_err(), "more than was lent");
        let count = if count == 0 { bytes.len() } else { count % (bytes.len() + 1) };
        self.machine.confirm_transmit(now, count).expect("so much was lent");
        if !self.silent {
            self.to_hub.extend_from_slice(&bytes[..count]);
        }
        self.lent = (count < bytes.len()).then(|| (place.wrapping_add(count), bytes[count..].to_vec()));
        if let (true, Some((_, rest))) = (planted(Plant::MovedLend), &mut self.lent) {
            rest[0] ^= 1;
        }
        count > 0
    }

    /// At most `max` bytes reach the hub, which acts on them.
    pub(super) fn hub_reads(&mut self, max: usize) -> bool {
        let len = self.to_hub.len().min(max);
        let bytes: Vec<u8> = self.to_hub.drain(..len).collect();
        if let (false, Some(conn)) = (bytes.is_empty(), self.conn) {
            self.hub.handle_input(conn, self.now, &bytes);
        }
        self.model.stored(self.hub.take_telemetry());
        len > 0
    }

    /// Takes what the hub sends, whole packets.
    pub(super) fn hub_writes(&mut self) {
        if let Some(conn) = self.conn {
            let bytes = self.hub.poll_transmit(conn, usize::MAX);
            if !self.silent {
                self.to_client.extend(bytes);
            }
        }
    }

    /// At most `max` bytes of the hub reach the client, and behind them the end of the connection, if the hub ended it.
    pub(super) fn arrive(&mut self, max: usize) -> bool {
        self.hub_writes();
        let len = self.to_client.len().min(max);
        self.input.extend(self.to_client.drain(..len));
        self.drain();
        let closed = !self.silent && self.conn.is_some_and(|conn| self.hub.wants_close(conn).is_some());
        if closed && self.to_client.is_empty() {
            self.cut();
        }
        len > 0 || closed && self.conn.is_none()
    }

    /// Everything moves until nothing does.
    pub(super) fn pump(&mut self) {
        for _ in 0..ENDLESS {
            let sent = self.transmit(0);
            let read = self.hub_reads(usize::MAX);
            let arrived = self.arrive(usize::MAX);
            if !(sent | read | arrived) {
                return;
            }
        }
        panic!("bytes move without end");
    }

    /// Time passes, and both ends see it.
    pub(super) fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.hub.handle_timeout(self.now);
        let now = self.clock();
        let early = self.machine.poll_timeout().is_none_or(|at| at > now);
        let before = self.snapshot();
        let outcome = self.machine.handle_timeout(now);
        if early {
            assert_eq!(
                (self.snapshot(), outcome),
                (before, self.error.map_or(Ok(()), Err)),
                "an early call does nothing"
            );
        }
        assert!(outcome.is_ok() || self.machine.state() == State::Failed);
        let next = self.machine.poll_timeout().map(|at| if planted(Plant::PastDeadline) && !early { now } else { at });
        assert!(next.is_none_or(|at| at > now), "{:?} leaves no later deadline", self.machine.timeout_reason());
        self.drain();
    }

    /// When something is due at either end, counted from now.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let client = self.machine.poll_timeout().map(|at| at.since(self.clock()));
        let hub = self.hub.poll_timeout().map(|at| at.since(self.now));
        client.into_iter().chain(hub).min()
    }

    /// What holds after any step.
    pub(super) fn check(&mut self) {
        let machine = &mut *self.machine;
        assert_eq!(machine.poll_timeout().is_some(), machine.timeout_reason().is_some());
        let state = machine.state();
        if matches!(state, State::Offline | State::Failed) {
            assert_eq!(machine.poll_transmit(), None, "nobody is there to send to");
            self.lent = None;
        }
        if let Some((place, bytes)) = &self.lent {
            let lent = machine.poll_transmit().expect("what is lent stays");
            assert!(lent == bytes && (self.owned || lent.as_ptr() == *place), "what is lent is frozen (law 11)");
        }
        let pending = machine.pending();
        let waits = match state {
            State::Offline | State::Failed => pending.twin_requests > 0 && state == State::Offline,
            State::Ready => pending.telemetry > 0,
            _ => true,
        };
        let deadline = machine.poll_timeout().filter(|_| !planted(Plant::NoDeadline));
        assert!(!waits || machine.has_event() || deadline.is_some(), "{state:?} waits without a deadline: {pending:?}");
        assert!(self.hub.violations().is_empty(), "the client broke the rules: {:?}", self.hub.violations());
        self.model.check(machine, &self.hub);
    }
}
