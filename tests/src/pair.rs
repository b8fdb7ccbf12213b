//! A client and a hub on one simulated clock: [`Pair`].
//!
//! It is the driver that the client's documentation asks for, with a [`Link`] in place of a socket and a clock that
//! jumps to whatever is due next, so that an hour of keep-alive takes no time and every run can be repeated by
//! its seed. Driving is bounded: a client that spins, or waits without a deadline, fails the test with a dump of
//! what happened before.
//!
//! On the way it checks what holds in every run: what is lent stays frozen until it is confirmed, a timeout
//! leaves a later deadline behind, a client that waits for the peer has a deadline, and the hub found nothing to
//! object to.
//!
//! | file | what |
//! |---|---|
//! | [`setup`] | who signs in, how, over which link, in how much memory |
//! | [`seen`] | events, owned, to compare |
//! | `drive` | one instant: bytes, deadlines, script, until nothing moves |
//! | [`trace`] | what was on the wire, and the dump of a failure |
//!
//! ```
//! use iothub_tests::pair::{Seen, Setup};
//!
//! let mut pair = Setup::device().start();
//! pair.connect();
//! pair.run_until("ready", |pair| pair.has(|seen| matches!(seen, Seen::Ready { .. })));
//! let token = pair.send(b"21.5");
//! pair.run_until("acknowledged", |pair| pair.has(|seen| *seen == Seen::Acked(token)));
//! assert_eq!(pair.hub.take_telemetry()[0].payload, b"21.5");
//! ```

mod drive;
pub mod seen;
pub mod setup;
pub mod trace;

use std::collections::VecDeque;
use std::fmt;

use iothub_proto::auth::{ConnectionString, Credential, SharedAccessKey};
use iothub_proto::event::TelemetryToken;
use iothub_proto::time::{Duration, Instant, UnixSeconds};
use iothub_proto::{Client, ConnectOptions, Event, Telemetry};

use crate::hub::{CloseReason, ConnId, Hub, PeerCertificate};
use crate::link::{Break, End, Link, LinkConfig, Rng};
use trace::{History, Sent, Trace};

pub use seen::Seen;
pub use setup::{Memory, Setup};

/// How long [`PairIn::run_until`] lets the simulated clock run.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// Jumps of the clock in one run, before it counts as a livelock.
const JUMPS: u32 = 200_000;

/// Called with each event while it is alive, as an application's match is.
pub type Handler<'m> = Box<dyn FnMut(&mut Client<'m>, Instant, &Event<'_>) + 'm>;

/// Called with each packet that the client lends, before a byte of it is sent: several, if acknowledgements are lent
/// together. What it gives is sent instead, and nothing if that is empty.
pub type Tap<'m> = Box<dyn FnMut(&Client<'m>, Instant, &[u8]) -> Option<Vec<u8>> + 'm>;

/// Something a test does when its time has come.
type Action<'m> = Box<dyn FnOnce(&mut PairIn<'m>)>;

/// When to connect again after a connection has ended, however that was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reconnect {
    /// Only when the test calls [`Pair::connect`].
    Never,
    /// After this time.
    After(Duration),
}

/// Where a link is to break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkCut {
    /// Whose bytes are counted.
    pub from: End,
    /// After how many.
    pub bytes: u64,
    /// How the break looks.
    pub how: Break,
}

/// One transport connection, until both ends have let go of it.
#[derive(Debug)]
struct Transport {
    link: Link,
    conn: ConnId,
    /// What the tap gave and the link has not taken.
    tapped: Vec<u8>,
    /// Taken from the hub, and not yet by the link.
    outbox: Vec<u8>,
    client_open: bool,
    hub_open: bool,
}

/// A [`PairIn`] memory that is never freed, as is well for a test that ends soon.
pub type Pair = PairIn<'static>;

/// A client, a hub, links between them and the clock of all. The client works in [`Memory`] that lives for `'m`.
pub struct PairIn<'m> {
    /// The device or module. Commands are called on it directly, with [`Pair::now`].
    pub client: Client<'m>,
    /// The service.
    pub hub: Hub,
    /// Whether a lost connection is made again.
    pub reconnect: Reconnect,
    /// Seconds that a new token is valid for.
    pub token_lifetime: u32,
    /// Sent with each CONNECT.
    pub will: Option<Telemetry<'static>>,
    /// The client certificate, for X.509.
    pub certificate: Option<PeerCertificate>,
    /// How the next links carry bytes.
    pub link: LinkConfig,
    /// Where the next links break, in order of their opening.
    pub cuts: VecDeque<Option<LinkCut>>,
    /// The client's socket takes no bytes.
    pub stalled: bool,
    /// The client sends after each event instead of after all that have arrived.
    pub eager: bool,
    /// The application inside the match arm.
    pub handler: Option<Handler<'m>>,
    /// The wire, for a test that watches it or plants a fault there.
    pub tap: Option<Tap<'m>>,
    /// A planted fault: the driver is not told the client's deadlines.
    pub hides_deadlines: bool,
    /// Violations are part of the test.
    pub expects_violations: bool,
    /// Why the hub ended each connection, in order.
    pub closes: Vec<CloseReason>,
    connection_string: ConnectionString<'m>,
    client_id: String,
    now: Instant,
    rng: Rng,
    transports: Vec<Transport>,
    /// Bytes received and not consumed.
    rx: Vec<u8>,
    /// What was lent and not confirmed: it must stay as it is.
    lent: Option<(*const u8, Vec<u8>)>,
    /// What was lent of a message whose parts did not all come yet.
    half_lent: Vec<u8>,
    seen: Vec<(Instant, Seen)>,
    sent: Vec<Sent>,
    received: Vec<u8>,
    script: Vec<(Instant, Action<'m>)>,
    reconnect_at: Option<Instant>,
    /// The sticky error was recorded.
    failed: bool,
    connections: u32,
    trace: Trace,
}

impl<'m> PairIn<'m> {
    /// The time that both ends live in.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The name under which the hub knows the client.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What is remembered from now on.
    pub const fn set_history(&mut self, history: History) {
        self.trace.history = history;
    }

    fn remembers(&self) -> bool {
        self.trace.history != History::None
    }

    /// Opens a transport and signs in, with a token made now.
    pub fn connect(&mut self) {
        let mut room = [0; 1024];
        let expiry = u32::try_from(self.hub.unix_now()).map_or(UnixSeconds(u32::MAX), UnixSeconds);
        let identity = self.client.config().identity;
        let password = match self.connection_string.credential() {
            Credential::Key { key, name } => {
                let key = SharedAccessKey::from_base64(key).expect("checked when it was parsed");
                let token = key.token(&identity, expiry.plus(self.token_lifetime), name, &mut room);
                Some(token.expect("a kilobyte holds the token of a test"))
            }
            Credential::Token(token) => Some(token),
            Credential::X509 => None,
        };
        let options = ConnectOptions {
            password,
            lifetime: password.map(|_| Duration::from_secs(self.token_lifetime)),
            random: (self.rng.next_u64() >> 32) as u32,
            will: self.will.as_ref(),
        };
        self.client.connect(self.now, &options).expect("offline, and the options are fine");

        let mut link = Link::new(self.link, self.rng.next_u64());
        if let Some(LinkCut { from, bytes, how }) = self.cuts.pop_front().flatten() {
            link.break_after(from, bytes, how);
        }
        let conn = self.hub.accept(self.now, self.certificate.clone());
        let (tapped, outbox) = (Vec::new(), Vec::new());
        self.transports.push(Transport { link, conn, tapped, outbox, client_open: true, hub_open: true });
        self.connections += 1;
        self.failed = false;
        self.reconnect_at = None;
        self.rx.clear();
        self.lent = None;
        self.half_lent.clear();
        self.trace.note(self.now, format_args!("-- connection {}", self.connections));
    }

    /// Queues a QoS 1 message without properties.
    pub fn send(&mut self, payload: &[u8]) -> TelemetryToken {
        let message = Telemetry { payload, ..Telemetry::default() };
        let sent = self.client.send_telemetry(self.now, &message);
        sent.unwrap_or_else(|error| self.fail(format_args!("telemetry is refused: {error:?}")))
    }

    /// Breaks the present link now; what is under way is lost.
    pub fn cut(&mut self, how: Break) {
        let now = self.now;
        if let Some(transport) = self.live() {
            transport.link.break_at(now, how);
        }
    }

    /// Has `action` done when the clock comes to `at`.
    pub fn at(&mut self, at: Instant, action: impl FnOnce(&mut Self) + 'static) {
        self.script.push((at, Box::new(action)));
    }

    /// Drives both ends after a jump of their clock by `span`: whatever was due in it happens late.
    pub fn jump(&mut self, span: Duration) {
        self.now = self.now + span;
        self.settle();
        self.check();
    }

    /// Drives both ends for `span`.
    pub fn run_for(&mut self, span: Duration) {
        self.run_within(span, |_| false);
    }

    /// Drives both ends until `done`. Fails if nothing of use happens in a day.
    pub fn run_until(&mut self, goal: &str, done: impl Fn(&Self) -> bool) {
        if !self.run_within(PATIENCE, done) {
            let due = self.next_deadline().map_or("and nothing is due any more", |_| "within a day");
            self.fail(format_args!("not {goal}, {due}"));
        }
    }

    /// Drives both ends until `done`, but no longer than `span`. Gives whether it is done.
    pub fn run_within(&mut self, span: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + span;
        for _ in 0..JUMPS {
            self.settle();
            let is_done = done(self);
            if is_done || self.now == end {
                self.check();
                return is_done;
            }
            self.now = self.next_deadline().filter(|at| *at <= end).unwrap_or(end);
        }
        self.fail(format_args!("livelock: {JUMPS} deadlines in {} ms", span.as_millis()))
    }

    /// Connects and drives until `Ready`.
    pub fn sign_in(&mut self) {
        self.connect();
        let before = self.count(is_ready);
        self.run_until("ready", |pair| pair.count(is_ready) > before);
    }

    /// Disconnects politely and drives until it is over.
    pub fn sign_out(&mut self) {
        self.client.disconnect(self.now).expect("there is a connection");
        let before = self.count(is_over);
        self.run_until("signed out", |pair| pair.count(is_over) > before);
    }

    /// Whether the application saw such an event, ever or since [`Pair::take_seen`].
    #[must_use]
    pub fn has(&self, is: impl Fn(&Seen) -> bool) -> bool {
        self.seen.iter().any(|(_, seen)| is(seen))
    }

    /// How many such events the application saw.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Seen) -> bool) -> usize {
        self.seen.iter().filter(|(_, seen)| is(seen)).count()
    }

    /// What the application saw, and when.
    #[must_use]
    pub fn seen(&self) -> &[(Instant, Seen)] {
        &self.seen
    }

    /// What the application saw since the last call.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        core::mem::take(&mut self.seen).into_iter().map(|(_, seen)| seen).collect()
    }

    /// Every packet that the client lent, in order, those that were never sent whole included.
    #[must_use]
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Every byte that the client received, in order.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// How many connections were opened.
    #[must_use]
    pub const fn connections(&self) -> u32 {
        self.connections
    }

    /// Whether the client's end of a transport is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.transports.iter().any(|transport| transport.client_open)
    }

    fn live(&mut self) -> Option<&mut Transport> {
        self.transports.iter_mut().find(|transport| transport.client_open)
    }

    /// What holds after every run.
    fn check(&self) {
        if !self.expects_violations && !self.hub.violations().is_empty() {
            self.fail(format_args!("the client broke the rules: {:?}", self.hub.violations()));
        }
    }

    /// Fails the test with everything there is to know.
    fn fail(&self, what: fmt::Arguments<'_>) -> ! {
        panic!("{what}\n{}", self.dump());
    }
}

impl fmt::Debug for PairIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.dump())
    }
}

/// For [`Pair::has`] and [`Pair::count`].
#[must_use]
pub const fn is_ready(seen: &Seen) -> bool {
    matches!(seen, Seen::Ready { .. })
}

/// For [`Pair::has`] and [`Pair::count`].
#[must_use]
pub const fn is_over(seen: &Seen) -> bool {
    matches!(seen, Seen::Disconnected(_))
}
