//! The driver: it moves bytes and time between a [`Client`] and a [`Link`], and connects again when a connection
//! ends. This is the part to copy.

use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::time::{SystemTime, UNIX_EPOCH};

use iothub_proto::auth::{Credential, Identity, SharedAccessKey};
use iothub_proto::error::Error;
use iothub_proto::event::{DisconnectReason, Disconnected};
use iothub_proto::retry::{Backoff, RetryCause, RetryPolicy};
use iothub_proto::time::{Duration, Instant, UnixSeconds};
use iothub_proto::{Client, ConnectOptions, Event, RxBuffer, State};
use zeroize::Zeroizing;

use super::app::App;
use super::link::{Link, Remote};
use super::transcript::number;

/// How long to wait for input while the socket is too full to send.
pub(crate) const FULL: std::time::Duration = std::time::Duration::from_millis(10);

/// A device with its connection, when there is one.
pub(crate) struct Device<'a> {
    /// The state machine.
    pub(crate) client: Client<'a>,
    /// The application: it takes the events.
    pub(crate) app: App<'a>,
    /// Seconds for which the next token is signed.
    pub(crate) token_lifetime: u32,
    /// The hub was assigned by the provisioning service, which can be asked again.
    pub(crate) provisioned: bool,
    /// Why the provisioning service should be asked again: the hub does not know the device, so perhaps another does.
    pub(crate) moved: Option<String>,
    /// Connections that were made.
    pub(crate) connections: u32,
    /// MQTT bytes that were sent and received.
    pub(crate) traffic: (u64, u64),
    remote: &'a Remote,
    identity: Identity<'a>,
    credential: Credential<'a>,
    rx: RxBuffer<'a>,
    link: Option<Link>,
    backoff: Backoff,
    /// When to connect; `None` while connected, and when nobody wants to be.
    connect_at: Option<Instant>,
    /// Why there is no point in going on.
    given_up: Option<String>,
    start: std::time::Instant,
}

impl<'a> Device<'a> {
    /// A device that will connect at once when it is run.
    pub(crate) fn new(
        client: Client<'a>,
        rx: RxBuffer<'a>,
        remote: &'a Remote,
        credential: Credential<'a>,
        app: App<'a>,
    ) -> Self {
        Self {
            identity: client.config().identity,
            client,
            app,
            token_lifetime: 3_600,
            provisioned: false,
            moved: None,
            connections: 0,
            traffic: (0, 0),
            remote,
            credential,
            rx,
            link: None,
            // Another assignment is advised after ten failures by default, which is too long for a demonstration.
            backoff: Backoff::new(RetryPolicy { reprovision_after: 1, ..RetryPolicy::default() }),
            connect_at: Some(Instant::ZERO),
            given_up: None,
            start: std::time::Instant::now(),
        }
    }

    /// Runs until `step` says that it is done.
    ///
    /// # Errors
    /// The reason for giving up, or that `what` was not there in time.
    pub(crate) fn run_until(
        &mut self,
        seconds: u32,
        what: &str,
        step: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        match self.run_for(seconds, step)? {
            true => Ok(()),
            false => Err(format!("no {what} within {seconds} s")),
        }
    }

    /// The loop of the `Client`'s documentation, until `step` says that it is done, or the time is over: then it
    /// gives `false`.
    ///
    /// # Errors
    /// The reason for giving up.
    pub(crate) fn run_for(&mut self, seconds: u32, mut step: impl FnMut(&mut Self) -> bool) -> Result<bool, String> {
        let limit = self.now() + Duration::from_secs(seconds);
        loop {
            self.take_events(); // 1. feed input, take events,
            let done = step(self); // the application's turn,
            self.send(); // 2. send,
            if let Some(reason) = self.given_up.take() {
                return Err(reason);
            }
            if done || self.now() >= limit {
                return Ok(done);
            }
            self.sleep(limit); // 3. sleep until input, or a deadline
        }
    }

    /// Takes every event that is there. Only when nothing is left to read do timers fire (law 7).
    fn take_events(&mut self) {
        let mut timers_fired = false;
        loop {
            let now = self.now();
            match self.client.poll_event(now, &mut self.rx) {
                Ok(Some(Event::Disconnected(end))) => self.disconnected(end),
                Ok(Some(event)) => {
                    if let Err(error) = self.app.take(&mut self.client, now, &event) {
                        self.given_up = Some(error.to_string());
                    }
                }
                // A fatal error came as `Disconnected` before, and is repeated until `connect` (law 6).
                Ok(None) | Err(_) if timers_fired => return,
                Ok(None) | Err(_) => {
                    let _ = self.client.handle_timeout(now);
                    timers_fired = true;
                }
            }
        }
    }

    /// Sends until there is nothing to send, or the socket is full: the client keeps the rest (law 11).
    fn send(&mut self) {
        let now = self.now();
        let Some(link) = &mut self.link else { return };
        while let Some(bytes) = self.client.poll_transmit() {
            let sent = match link.send(bytes) {
                Ok(0) => return,
                Ok(sent) => self.client.confirm_transmit(now, sent).map(|()| sent),
                Err(_) => self.client.handle_eof(now).map(|()| 0),
            };
            match sent {
                Ok(sent) => self.traffic.0 += sent as u64,
                Err(error) => self.given_up = Some(error.to_string()),
            }
        }
    }

    /// Waits for bytes, for the client's next deadline, for the time to connect, or for `limit`. A socket of the
    /// standard library cannot wait for room to send too, so it is then looked at often.
    fn sleep(&mut self, limit: Instant) {
        if self.client.has_event() {
            return;
        }
        let now = self.now();
        let until = [self.client.poll_timeout(), self.connect_at].into_iter().flatten().fold(limit, Instant::min);
        let mut pause = std::time::Duration::from_millis(until.since(now).as_millis());
        if let Some(link) = &mut self.link {
            if link.is_full() {
                pause = pause.min(FULL);
            }
            match link.receive(self.rx.space(), pause) {
                Ok(received) => {
                    self.rx.commit(received);
                    self.traffic.1 += received as u64;
                }
                Err(_) => drop(self.client.handle_eof(self.now())),
            }
        } else {
            std::thread::sleep(pause);
            if self.connect_at.is_some_and(|at| at <= self.now()) {
                self.connect_at = None;
                self.connect();
            }
        }
    }

    /// Brings the transport up, and signs in.
    fn connect(&mut self) {
        let link = match Link::open(self.remote) {
            Ok(link) => link,
            Err(error) => {
                self.app.log.device(format_args!("cannot connect: {error}"));
                // What the peer sends is no TLS, or its certificate is not trusted: no better the next time.
                if error.kind() == ErrorKind::InvalidData {
                    self.given_up = Some("no hub to trust there; look at --host, --port and --ca".to_owned());
                } else {
                    self.connect_later(RetryCause::Lost, Duration::ZERO);
                }
                return;
            }
        };
        self.connections += 1;
        if let Err(error) = self.sign_in(link.version()) {
            self.given_up = Some(error);
        }
        self.link = Some(link);
    }

    /// Signs a token and hands it to the client, which sends it first of all.
    fn sign_in(&mut self, tls: &str) -> Result<(), String> {
        // Wiped when it is dropped.
        let mut room = Zeroizing::new([0; 1_024]);
        let (password, lifetime) = match self.credential {
            Credential::Key { key, name } => {
                let key = SharedAccessKey::from_base64(key).map_err(|error| error.to_string())?;
                let expiry = unix_now()?.plus(self.token_lifetime);
                let token = key.token(&self.identity, expiry, name, room.as_mut_slice());
                let token = token.map_err(|error| Error::from(error).to_string())?;
                (Some(token), Some(Duration::from_secs(self.token_lifetime)))
            }
            Credential::Token(token) => (Some(token), None),
            // TLS shows it. Without a password the hub looks there.
            Credential::X509 => (None, None),
        };
        let Remote { host, port, .. } = self.remote;
        let proof = match (password, lifetime) {
            (None, _) => "client certificate shown".to_owned(),
            (Some(_), None) => "token of yours".to_owned(),
            (Some(_), Some(_)) => format!("token for {} s", number(self.token_lifetime)),
        };
        self.app.log.device(format_args!("connects to {host}:{port} ({tls}, certificate verified), {proof}"));
        let options = ConnectOptions { password, lifetime, random: random(), will: None };
        self.client.connect(self.now(), &options).map_err(|error| error.to_string())
    }

    /// A connection is over. What was not acknowledged is kept by the client (law 4).
    fn disconnected(&mut self, end: Disconnected) {
        if let Some(link) = self.link.take() {
            link.close();
        }
        self.rx.clear();
        match end.reason {
            DisconnectReason::Requested => {}
            DisconnectReason::Failed(error @ Error::Refused(refusal)) => match RetryCause::from(refusal) {
                // Another try is minutes away: a demonstration ends here, or asks for another hub.
                cause @ (RetryCause::Unauthorized | RetryCause::Rejected) => {
                    let retry = self.backoff.next(cause, end.ready_for, random());
                    let why = format!("{error}; look at the key, the device id and this machine's clock");
                    self.moved = (self.provisioned && retry.reprovision).then(|| why.clone());
                    self.given_up = Some(why);
                }
                cause => self.connect_later(cause, end.ready_for),
            },
            DisconnectReason::Failed(error) => self.lost(&format!("something is wrong: {error}"), end.ready_for),
            _ => self.lost("the connection is lost", end.ready_for),
        }
    }

    fn lost(&mut self, why: &str, ready_for: Duration) {
        let kept = self.client.pending().telemetry;
        self.app.log.device(format_args!("notices that {why}; {kept} messages are not acknowledged, and kept"));
        self.connect_later(RetryCause::Lost, ready_for);
    }

    fn connect_later(&mut self, cause: RetryCause, ready_for: Duration) {
        let retry = self.backoff.next(cause, ready_for, random());
        self.app.log.device(format_args!("connects again in {} ms (backoff with jitter)", retry.after.as_millis()));
        self.connect_at = Some(self.now() + retry.after);
    }

    /// Ends the connection politely. [`connect_now`](Self::connect_now) begins another.
    ///
    /// # Errors
    /// It cannot be ended now.
    pub(crate) fn disconnect(&mut self) -> Result<(), String> {
        self.client.disconnect(self.now()).map_err(|error| error.to_string())
    }

    /// Has the device connect when it is run next.
    pub(crate) fn connect_now(&mut self) {
        self.connect_at = Some(self.now());
    }

    /// Sends the next message; `false` if there is no room before something is acknowledged.
    pub(crate) fn send_telemetry(&mut self) -> bool {
        let now = self.now();
        match self.app.send_telemetry(&mut self.client, now) {
            Ok(sent) => sent,
            Err(error) => {
                self.given_up = Some(error.to_string());
                false
            }
        }
    }

    /// Whether there is no connection at all.
    pub(crate) fn is_offline(&self) -> bool {
        self.link.is_none()
    }

    /// Whether everything works.
    pub(crate) fn is_ready(&self) -> bool {
        self.client.state() == State::Ready && !self.client.has_event()
    }

    /// Has the TCP connection killed after so many bytes more.
    pub(crate) fn cut_cable_after(&mut self, bytes: usize) {
        if let Some(link) = &mut self.link {
            link.cut_after(bytes);
        }
    }

    /// Milliseconds since the start: any monotonic clock will do.
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Wall-clock time, which only tokens need.
///
/// # Errors
/// This machine's clock is wrong by decades.
pub(crate) fn unix_now() -> Result<UnixSeconds, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    Ok(UnixSeconds(u32::try_from(now.as_secs()).map_err(|error| error.to_string())?))
}

/// A random number, without a crate for it: each `RandomState` has other keys.
pub(crate) fn random() -> u32 {
    RandomState::new().hash_one(0_u8) as u32
}
