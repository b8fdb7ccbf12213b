//! A client driven by hand, byte by byte and millisecond by millisecond, with no hub at the other end.
//!
//! [`Rig`] is a driver that does only what a test says: time stands still until told, bytes move when told. After every
//! step it checks what must hold after any step, so each script tests the laws of [`Client`] besides its own point.

mod bytes;
mod seen;

pub use bytes::{SUBSCRIBE_ID, hex, packets, suback, subscribe_filters};
pub use seen::{Seen, joined};

use iothub_proto::auth::Identity;
use iothub_proto::error::{Error, TimeoutReason};
use iothub_proto::event::TelemetryToken;
use iothub_proto::packet::QoS;
use iothub_proto::time::Instant;
use iothub_proto::{Client, Config, ConnectOptions, Inbound, Pending, Settings, Slot, State, Storage, Telemetry};

/// The identity of every script.
pub const IDENTITY: Identity<'static> = Identity::device("contoso.azure-devices.net", "dev1");
/// CONNACK of a new session, and of one that the hub had kept.
pub const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
/// See [`ACCEPTED`].
pub const RESUMED: [u8; 4] = [0x20, 2, 1, 0];

/// Settings of a client that subscribes nothing, fetches nothing and sends no PINGREQ: what leaves is what was asked.
#[must_use]
pub fn quiet() -> Settings {
    Settings { keep_alive: 0, ..Settings::default() }
}

/// A client's memory, to be looked at when the client is gone.
#[derive(Clone)]
pub struct Memory {
    /// Bytes for packets.
    pub tx: Vec<u8>,
    /// Records of commands.
    pub slots: Vec<Slot>,
    /// Records of messages.
    pub inbound: Vec<Inbound>,
}

impl Memory {
    /// Memory of these sizes.
    #[must_use]
    pub fn new(tx: usize, slots: usize, inbound: usize) -> Self {
        Self { tx: vec![0xaa; tx], slots: vec![Slot::EMPTY; slots], inbound: vec![Inbound::EMPTY; inbound] }
    }

    /// A client with [`IDENTITY`].
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn rig(&mut self, settings: Settings) -> Rig<'_> {
        self.try_rig(Config { identity: IDENTITY, settings }).expect("settings and memory are fine")
    }

    /// A client, if it can be made.
    ///
    /// # Errors
    ///
    /// Those of [`Client::new`].
    pub fn try_rig<'m>(&'m mut self, config: Config<'m>) -> Result<Rig<'m>, Error> {
        let storage = Storage { tx: &mut self.tx, slots: &mut self.slots, inbound: &mut self.inbound };
        Ok(Rig { client: Client::new(config, storage)?, now: Instant::ZERO, inbox: Vec::new() })
    }
}

impl Default for Memory {
    /// Enough for any script that is not about memory.
    fn default() -> Self {
        Self::new(4096, 8, 8)
    }
}

/// What came of feeding input until nothing moved.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Events in their order.
    pub events: Vec<Seen>,
    /// The fatal error at the end.
    pub error: Option<Error>,
    /// What the last call said of the packet that is incomplete.
    pub needed: usize,
}

/// Everything that can be seen of a client without changing it, and what it would send.
#[derive(Clone, PartialEq, Debug)]
pub struct Snapshot {
    state: State,
    deadline: Option<(Instant, TimeoutReason)>,
    pending: Pending,
    unacked: Vec<TelemetryToken>,
    tx_free: usize,
    has_event: bool,
    strays: u32,
    sent: Vec<u8>,
}

/// A client, its clock, and the bytes that came in and were not consumed.
pub struct Rig<'m> {
    /// The client.
    pub client: Client<'m>,
    /// What every call is told.
    pub now: Instant,
    inbox: Vec<u8>,
}

impl Rig<'_> {
    /// Signs in with `options`; what was left of the last connection's input is gone.
    ///
    /// # Panics
    ///
    /// If that is refused.
    pub fn connect_with(&mut self, options: &ConnectOptions<'_>) {
        self.client.connect(self.now, options).expect("offline or failed");
        self.inbox.clear();
    }

    /// Signs in without a password, sends CONNECT whole and feeds this CONNACK.
    ///
    /// # Panics
    ///
    /// If the client does not connect, or not with these bytes.
    pub fn connect(&mut self, connack: [u8; 4]) {
        self.connect_with(&ConnectOptions::default());
        let sent = self.lent();
        assert_eq!(sent.first(), Some(&0x10));
        self.confirm(sent.len());
        assert_eq!(self.feed(&connack).events.first(), Some(&Seen::Connected(connack[2] == 1)));
    }

    /// The same until `Ready`, with every filter granted.
    ///
    /// # Panics
    ///
    /// If the client is not ready then.
    pub fn sign_in(&mut self, connack: [u8; 4]) {
        self.connect(connack);
        if self.client.state() == State::Subscribing {
            self.grant();
        }
        assert_eq!(self.client.state(), State::Ready);
    }

    /// Sends the SUBSCRIBE that waits and grants its filters.
    ///
    /// # Panics
    ///
    /// If none waits.
    pub fn grant(&mut self) -> Vec<Seen> {
        let sent = self.lent();
        self.confirm(sent.len());
        let filters = subscribe_filters(&sent);
        self.feed(&suback(&vec![1; filters.len()])).events
    }

    /// Sets the clock. Nothing is called.
    pub fn at(&mut self, millis: u64) -> &mut Self {
        self.now = Instant::from_millis(millis);
        self
    }

    /// Sets the clock and has the client see it.
    ///
    /// # Errors
    ///
    /// The fatal error, if there is one.
    ///
    /// # Panics
    ///
    /// If the next deadline is not later.
    pub fn time(&mut self, millis: u64) -> Result<(), Error> {
        self.at(millis);
        let outcome = self.client.handle_timeout(self.now);
        self.check();
        if let Some(deadline) = self.client.poll_timeout() {
            assert!(deadline > self.now, "{:?} at {deadline:?} is not later", self.client.timeout_reason());
        }
        outcome
    }

    /// Sets the clock to the next deadline and has the client see it.
    ///
    /// # Errors
    ///
    /// As [`time`](Self::time).
    ///
    /// # Panics
    ///
    /// If there is no deadline, or it has another reason.
    pub fn pass(&mut self, reason: TimeoutReason) -> Result<(), Error> {
        assert_eq!(self.client.timeout_reason(), Some(reason));
        let deadline = self.client.poll_timeout().expect("a reason has a deadline");
        self.time(deadline.as_millis())
    }

    /// Drops what came in and was not consumed, as a driver does when its transport is gone.
    pub fn forget_input(&mut self) {
        self.inbox.clear();
    }

    /// Bytes come in. What they lead to, until nothing moves.
    pub fn feed(&mut self, bytes: &[u8]) -> Outcome {
        self.inbox.extend_from_slice(bytes);
        self.drain()
    }

    /// The same one byte after another.
    pub fn feed_bytewise(&mut self, bytes: &[u8]) -> Outcome {
        let mut all = self.drain();
        for byte in bytes {
            if all.error.is_some() {
                break;
            }
            let outcome = self.feed(&[*byte]);
            all.events.extend(outcome.events);
            (all.error, all.needed) = (outcome.error, outcome.needed);
        }
        all
    }

    /// The same in two parts, the first of `split` bytes; after an error the second does not come.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn feed_split(&mut self, bytes: &[u8], split: usize) -> Outcome {
        let mut all = self.feed(&bytes[..split]);
        if all.error.is_none() {
            let outcome = self.feed(&bytes[split..]);
            all.events.extend(outcome.events);
            (all.error, all.needed) = (outcome.error, outcome.needed);
        }
        all
    }

    /// What waits, until nothing moves.
    ///
    /// # Panics
    ///
    /// If a law of input is broken.
    pub fn drain(&mut self) -> Outcome {
        let mut events = Vec::new();
        for _ in 0..10_000 {
            let waits = self.client.has_event();
            match self.client.handle_input(self.now, &self.inbox) {
                Ok(handled) => {
                    let (consumed, needed) = (handled.consumed, handled.needed);
                    assert!(consumed <= self.inbox.len());
                    if waits {
                        assert!(handled.event.is_some(), "has_event said that one waits");
                        assert_eq!(consumed, 0, "what waits comes before any byte");
                    }
                    let event = handled.event.map(Seen::of);
                    self.inbox.drain(..consumed);
                    self.check();
                    if consumed == 0 && event.is_none() {
                        assert!(!self.client.has_event());
                        return Outcome { events, error: None, needed };
                    }
                    events.extend(event);
                }
                Err(error) => {
                    assert!(!waits, "{error:?} before an event that waits");
                    assert!(error.is_fatal(), "{error:?}");
                    assert_eq!(self.client.handle_input(self.now, &self.inbox).unwrap_err(), error, "sticky");
                    self.check();
                    return Outcome { events, error: Some(error), needed: 0 };
                }
            }
        }
        panic!("the input never ends: {events:?}");
    }

    /// The bytes lent now; none if nothing is.
    pub fn lent(&mut self) -> Vec<u8> {
        let lent = self.client.poll_transmit().map(<[u8]>::to_vec);
        self.check();
        if let Some(lent) = &lent {
            assert!(!lent.is_empty(), "lending nothing would never end");
            assert_eq!(self.client.poll_transmit(), Some(lent.as_slice()), "asked twice, lent the same");
        }
        lent.unwrap_or_default()
    }

    /// So many of them were sent.
    ///
    /// # Panics
    ///
    /// If that is more than was lent.
    pub fn confirm(&mut self, count: usize) {
        self.client.confirm_transmit(self.now, count).expect("so much was lent");
        self.check();
    }

    /// Sends everything that can be sent, and gives it.
    ///
    /// # Panics
    ///
    /// If there is no end to it.
    pub fn sent(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        for _ in 0..1_000 {
            let lent = self.lent();
            if lent.is_empty() {
                return sent;
            }
            self.confirm(lent.len());
            sent.extend(lent);
        }
        panic!("sending never ends");
    }

    /// The transport is gone: what the client tells of it.
    ///
    /// # Panics
    ///
    /// If it tells of no end, or of two.
    pub fn cut(&mut self) -> Vec<Seen> {
        self.client.handle_eof(self.now).expect("a good instant");
        self.inbox.clear();
        self.check();
        let events = self.drain().events;
        let ends = events.iter().filter(|event| matches!(event, Seen::Disconnected(_))).count();
        assert_eq!(ends, 1, "{events:?}");
        assert!(matches!(events.last(), Some(Seen::Disconnected(_))), "{events:?}");
        events
    }

    /// Queues a QoS 1 message with this body.
    ///
    /// # Panics
    ///
    /// If there is no room.
    pub fn send(&mut self, payload: &[u8]) -> TelemetryToken {
        let message = Telemetry { payload, ..Telemetry::default() };
        self.client.send_telemetry(self.now, &message).expect("there is room")
    }

    /// Queues a QoS 0 message with this body.
    ///
    /// # Panics
    ///
    /// If there is no room.
    pub fn send0(&mut self, payload: &[u8]) {
        let message = Telemetry { payload, qos: QoS::AtMostOnce, ..Telemetry::default() };
        self.client.send_telemetry(self.now, &message).expect("there is room");
    }

    /// What can be seen, and everything that is sent from here.
    pub fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            state: self.client.state(),
            deadline: self.client.poll_timeout().zip(self.client.timeout_reason()),
            pending: self.client.pending(),
            unacked: self.client.unacked().collect(),
            tx_free: self.client.tx_free(),
            has_event: self.client.has_event(),
            strays: self.client.strays(),
            sent: self.sent(),
        }
    }

    /// What holds after every call.
    fn check(&mut self) {
        assert_eq!(self.client.poll_timeout().is_some(), self.client.timeout_reason().is_some());
        if matches!(self.client.state(), State::Offline | State::Failed) {
            assert_eq!(self.client.poll_transmit(), None, "nobody is there to send to");
        }
    }
}
