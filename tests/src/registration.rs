//! A device that registers with the provisioning service of a simulated hub: client, links and service on one
//! simulated clock.

use std::collections::VecDeque;

use iothub_proto::auth::{Resource, SharedAccessKey};
use iothub_proto::error::{Error, RegistrationError, TimeoutReason};
use iothub_proto::event::DisconnectReason;
use iothub_proto::time::{Duration, Instant, UnixSeconds};
use iothub_proto::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent};

use crate::hub::{ConnId, Hub, PeerCertificate};
use crate::link::{Break, End, Link, LinkConfig, Received, Rng};

/// How long a lost connection stays lost.
const RECONNECT: Duration = Duration::from_secs(1);

/// Turns before it counts as a livelock.
const TURNS: u32 = 200_000;

/// How a device proves itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By a key of its own, in base64.
    Key(&'static str),
    /// By a key derived from that of its group.
    Group(&'static str),
    /// By a certificate with this common name.
    Certificate(&'static str),
}

/// What the application saw: an event without borrows, or the error that ended the registration.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the fields are those of the events")]
pub enum Seen {
    Connected,
    Ready,
    Assigning { retry_after: Duration },
    Throttled { status: u16, code: u32, retry_after: Duration },
    Assigned { hub: String, device_id: String, substatus: String, payload: Vec<u8> },
    Refused { error: RegistrationError, payload: Vec<u8> },
    Disconnected(DisconnectReason),
    Failed(Error),
}

impl From<&ProvisioningEvent<'_>> for Seen {
    fn from(event: &ProvisioningEvent<'_>) -> Self {
        match *event {
            ProvisioningEvent::Connected => Self::Connected,
            ProvisioningEvent::Ready => Self::Ready,
            ProvisioningEvent::Assigning { retry_after } => Self::Assigning { retry_after },
            ProvisioningEvent::Throttled { status, code, retry_after } => Self::Throttled { status, code, retry_after },
            ProvisioningEvent::Assigned(assignment) => Self::Assigned {
                hub: assignment.assigned_hub.to_owned(),
                device_id: assignment.device_id.to_string(),
                substatus: assignment.substatus.to_owned(),
                payload: assignment.payload.to_vec(),
            },
            ProvisioningEvent::Refused { error, payload } => Self::Refused { error, payload: payload.to_vec() },
            ProvisioningEvent::Disconnected(end) => Self::Disconnected(end.reason),
            ref other => panic!("an event that this harness does not know: {other:?}"),
        }
    }
}

struct Transport {
    link: Link,
    conn: ConnId,
    /// Taken from the service, and not yet by the link.
    outbox: Vec<u8>,
    hub_open: bool,
}

/// A registration with all that it needs.
pub struct Registering {
    /// The device.
    pub client: ProvisioningClient<'static>,
    /// Whose provisioning service is asked.
    pub hub: Hub,
    /// How the next links carry bytes.
    pub link: LinkConfig,
    /// Where the next links break, in order of their opening: after so many bytes from this end.
    pub cuts: VecDeque<(End, u64, Break)>,
    /// What the application saw, and when.
    pub seen: Vec<(Instant, Seen)>,
    /// Every byte that the client sent.
    pub sent: Vec<u8>,
    proof: Proof,
    now: Instant,
    rng: Rng,
    transport: Option<Transport>,
    rx: Vec<u8>,
    connect_at: Option<Instant>,
}

impl Registering {
    /// A device, not connected; the link takes 10 ms each way.
    ///
    /// # Panics
    /// If the client refuses the configuration.
    #[must_use]
    pub fn new(config: ProvisioningConfig<'static>, proof: Proof, hub: Hub, seed: u64) -> Self {
        let travel = Duration::from_millis(10);
        Self {
            client: ProvisioningClient::new(config, vec![0; 2_048].leak()).expect("a configuration that works"),
            hub,
            link: LinkConfig { latency: (travel, travel), ..LinkConfig::default() },
            cuts: VecDeque::new(),
            seen: Vec::new(),
            sent: Vec::new(),
            proof,
            now: Instant::ZERO,
            rng: Rng::new(seed),
            transport: None,
            rx: Vec::new(),
            connect_at: None,
        }
    }

    /// The time that both ends live in.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// What the application saw, without the times.
    #[must_use]
    pub fn events(&self) -> Vec<Seen> {
        self.seen.iter().map(|(_, seen)| seen.clone()).collect()
    }

    /// Registers, with a new connection for each one that is lost, until the device is assigned and has said good-bye, or
    /// until there is an error. Gives hub and device id.
    ///
    /// # Errors
    /// The fatal error.
    ///
    /// # Panics
    /// If neither happens.
    pub fn run(&mut self) -> Result<(String, String), Error> {
        self.connect();
        for _ in 0..TURNS {
            if self.turn() {
                continue;
            }
            if self.transport.is_none() && self.connect_at.is_none() {
                return self.outcome();
            }
            self.now = self.next_deadline().unwrap_or_else(|| panic!("nothing is due: {:?}", self.seen));
        }
        panic!("livelock: {:?}", self.seen)
    }

    fn outcome(&self) -> Result<(String, String), Error> {
        for (_, seen) in self.seen.iter().rev() {
            match seen {
                Seen::Failed(error) => return Err(*error),
                Seen::Assigned { hub, device_id, .. } => return Ok((hub.clone(), device_id.clone())),
                _ => {}
            }
        }
        panic!("an end without a result: {:?}", self.seen)
    }

    fn connect(&mut self) {
        self.connect_at = None;
        let registration = self.client.config().registration;
        let (key, peer) = match self.proof {
            Proof::Key(key) => (Some(SharedAccessKey::from_base64(key).expect("base64")), None),
            Proof::Group(key) => {
                let group = SharedAccessKey::from_base64(key).expect("base64");
                (Some(group.derive_device_key(registration.registration_id)), None)
            }
            Proof::Certificate(name) => (None, Some(PeerCertificate::named(name))),
        };
        let mut room = [0; 512];
        let expiry = UnixSeconds(u32::try_from(self.hub.unix_now()).expect("before 2106")).plus(3_600);
        let password = key.as_ref().map(|key| {
            let name = Some(Resource::REGISTRATION_KEY_NAME);
            key.token_for(&registration.resource(), expiry, name, &mut room).expect("512 bytes are enough")
        });
        let random = (self.rng.next_u64() >> 32) as u32;
        self.client.connect(self.now, password, random).expect("offline, and the options are fine");
        let mut link = Link::new(self.link, self.rng.next_u64());
        if let Some((from, bytes, how)) = self.cuts.pop_front() {
            link.break_after(from, bytes, how);
        }
        let conn = self.hub.accept_dps(self.now, peer);
        self.transport = Some(Transport { link, conn, outbox: Vec::new(), hub_open: true });
    }

    /// Does what can be done now; `false` if that is nothing.
    fn turn(&mut self) -> bool {
        let mut moved = self.reads() | self.writes() | self.hub_moves();
        if self.client.poll_timeout().is_some_and(|at| at <= self.now) {
            let _ = self.client.handle_timeout(self.now);
            assert!(self.client.poll_timeout().is_none_or(|at| at > self.now), "law 7");
            moved = true;
        }
        if self.hub.poll_timeout().is_some_and(|at| at <= self.now) {
            self.hub.handle_timeout(self.now);
            moved = true;
        }
        if self.connect_at.is_some_and(|at| at <= self.now) {
            self.connect();
            moved = true;
        }
        moved
    }

    fn next_deadline(&self) -> Option<Instant> {
        let link = self.transport.as_ref().and_then(|transport| transport.link.poll_timeout());
        let all = [link, self.client.poll_timeout(), self.hub.poll_timeout(), self.connect_at];
        all.into_iter().flatten().map(|at| at.max(self.now)).min()
    }

    fn reads(&mut self) -> bool {
        let mut moved = self.take_events();
        while let Some(received) =
            self.transport.as_mut().and_then(|transport| transport.link.receive(End::Client, self.now))
        {
            moved = true;
            match received {
                Received::Bytes(bytes) => self.rx.extend(bytes),
                Received::Closed => {
                    self.client.handle_eof(self.now).expect("a good instant");
                    self.hang_up();
                }
            }
            self.take_events();
        }
        moved
    }

    fn take_events(&mut self) -> bool {
        let mut moved = false;
        loop {
            let handled = match self.client.handle_input(self.now, &self.rx) {
                Ok(handled) => handled,
                Err(error) => {
                    assert!(error.is_fatal(), "{error:?}");
                    if self.transport.is_some() {
                        let lost = matches!(error, Error::TimedOut(reason) if reason != TimeoutReason::Registration);
                        self.connect_at = lost.then_some(self.now + RECONNECT);
                        self.seen.push((self.now, Seen::Failed(error)));
                        self.hang_up();
                    }
                    return moved;
                }
            };
            let (consumed, seen) = (handled.consumed, handled.event.as_ref().map(Seen::from));
            if seen.is_none() && consumed == 0 {
                return moved;
            }
            moved = true;
            self.rx.drain(..consumed);
            let Some(seen) = seen else { continue };
            match seen {
                Seen::Disconnected(DisconnectReason::TransportClosed) => self.connect_at = Some(self.now + RECONNECT),
                Seen::Disconnected(DisconnectReason::Requested) => self.hang_up(),
                _ => {}
            }
            self.seen.push((self.now, seen));
        }
    }

    fn hang_up(&mut self) {
        self.rx.clear();
        if let Some(mut transport) = self.transport.take() {
            transport.link.close(End::Client);
            self.hub.handle_eof(transport.conn, self.now);
        }
    }

    fn writes(&mut self) -> bool {
        let mut moved = false;
        while let Some(transport) = &mut self.transport
            && let Some(bytes) = self.client.poll_transmit()
        {
            let taken = transport.link.send(End::Client, self.now, bytes);
            if taken == 0 {
                break;
            }
            self.sent.extend_from_slice(&bytes[..taken]);
            self.client.confirm_transmit(self.now, taken).expect("no more than was lent");
            moved = true;
        }
        moved
    }

    fn hub_moves(&mut self) -> bool {
        let (hub, now) = (&mut self.hub, self.now);
        let Some(Transport { link, conn, outbox, hub_open }) = &mut self.transport else { return false };
        let mut moved = false;
        while *hub_open {
            let mut step = false;
            match link.receive(End::Hub, now) {
                Some(Received::Bytes(bytes)) => {
                    hub.handle_input(*conn, now, &bytes);
                    step = true;
                }
                Some(Received::Closed) => {
                    *hub_open = false;
                    return true;
                }
                None => {}
            }
            if outbox.is_empty() {
                *outbox = hub.poll_transmit(*conn, usize::MAX);
            }
            let taken = link.send(End::Hub, now, outbox);
            outbox.drain(..taken);
            step |= taken > 0;
            if outbox.is_empty() && hub.wants_close(*conn).is_some() {
                link.close(End::Hub);
                *hub_open = false;
                step = true;
            }
            if !step {
                break;
            }
            moved = true;
        }
        moved
    }
}
