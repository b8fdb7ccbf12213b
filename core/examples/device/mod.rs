//! The device of the TLS examples: all but the driver, which is what they show.
//!
//! It takes its options, signs in, sends a reading now and then, and answers what the hub asks for.

use iothub_proto::auth::{ConnectionString, Credential, SharedAccessKey};
use iothub_proto::error::Error;
use iothub_proto::event::{DisconnectReason, Disconnected};
use iothub_proto::retry::{Backoff, RetryCause, RetryPolicy};
use iothub_proto::time::{Duration, Instant, UnixSeconds};
use iothub_proto::topic::SystemProperties;
use iothub_proto::{Client, Config, ConnectOptions, Event, Handled, Telemetry};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub(crate) const USAGE: &str = "options: ['HostName=…;DeviceId=…;SharedAccessKey=…']
    --host NAME       connect to this host, which TLS verifies, instead of the one in the connection string
    --port PORT       8883 by default
    --ca FILE         trust the certificates in this PEM file instead of the system's
    --certificate FILE
                      sign in with the client certificate and private key in this PEM file, if the connection string
                      says x509=true
    --interval-ms MS  from one reading to the next: 5000 by default, or the desired property interval_ms
    --count N         end after N acknowledged readings
    --ttl SECONDS     of the SAS tokens: 3600 by default
Without a connection string as argument the environment variable IOTHUB_DEVICE_CONNECTION_STRING has it.";

/// Bytes of the receive buffer: the largest method call is 128 KiB.
pub(crate) const MAX_PACKET: u32 = 256 * 1024;

/// What the command line says.
pub(crate) struct Options {
    pub(crate) connection_string: String,
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    ca: Option<String>,
    certificate: Option<String>,
    interval: Duration,
    count: u32,
    ttl: u32,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options = Self {
            connection_string: std::env::var("IOTHUB_DEVICE_CONNECTION_STRING").unwrap_or_default(),
            host: None,
            port: 8883,
            ca: None,
            certificate: None,
            interval: Duration::from_secs(5),
            count: u32::MAX,
            ttl: 3_600,
        };
        while let Some(name) = arguments.next() {
            if !name.starts_with('-') {
                options.connection_string = name;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--host" => options.host = Some(value),
                "--port" => options.port = value.parse()?,
                "--ca" => options.ca = Some(value),
                "--certificate" => options.certificate = Some(value),
                "--interval-ms" => options.interval = Duration::from_millis(value.parse()?),
                "--count" => options.count = value.parse()?,
                "--ttl" => options.ttl = value.parse()?,
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(options)
    }

    /// TLS that verifies the hub, by the system's roots or those of `--ca`, and shows it the client certificate.
    pub(crate) fn tls(&self) -> Outcome<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.ca {
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if roots.is_empty() {
            return Err("there is no certificate to trust".into());
        }
        let tls = ClientConfig::builder().with_root_certificates(roots);
        Ok(Arc::new(match &self.certificate {
            None => tls.with_no_client_auth(),
            Some(file) => {
                let chain = CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?;
                tls.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(file)?)?
            }
        }))
    }
}

/// The application. A driver tells it of events and of time.
pub(crate) struct Device<'a> {
    options: &'a Options,
    login: ConnectionString<'a>,
    backoff: Backoff,
    start: std::time::Instant,
    interval: Duration,
    next_reading: Instant,
    queued: u32,
    acknowledged: u32,
}

impl<'a> Device<'a> {
    pub(crate) fn new(options: &'a Options) -> Outcome<Self> {
        Ok(Self {
            options,
            login: ConnectionString::parse(&options.connection_string)?,
            backoff: Backoff::new(RetryPolicy::default()),
            start: std::time::Instant::now(),
            interval: options.interval,
            next_reading: Instant::ZERO,
            queued: 0,
            acknowledged: 0,
        })
    }

    /// The machine's configuration. A token signed by the key of a hub policy is longer than what the machine
    /// reserves by itself.
    pub(crate) fn config(&self) -> Config<'a> {
        let mut config = Config::new(self.login.identity());
        config.settings.max_packet = MAX_PACKET;
        config.settings.connect_reserve = 2_048;
        config
    }

    /// The host to connect to, and whose certificate it must be.
    pub(crate) fn host(&self) -> &'a str {
        self.options.host.as_deref().unwrap_or(self.login.connect_host())
    }

    /// The machine's clock: milliseconds since the start.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_millis(self.start.elapsed().as_millis() as u64)
    }

    /// How long to sleep at most: until the machine's deadline or the next reading, and not while an event waits.
    pub(crate) fn sleep(&self, client: &Client<'_>) -> std::time::Duration {
        let reading = (self.queued < self.options.count).then_some(self.next_reading);
        let next = client.poll_timeout().into_iter().chain(reading).min();
        let wait = next.map_or(Duration::from_secs(60), |at| at.since(self.now()));
        std::time::Duration::from_millis(if client.has_event() { 0 } else { wait.as_millis() })
    }

    /// The transport is up: sign in, with a token of this moment.
    pub(crate) fn sign_in(&self, client: &mut Client<'_>) -> Outcome<()> {
        let identity = self.login.identity();
        let mut room = [0; 1_024];
        let (password, lifetime) = match self.login.credential() {
            Credential::Key { key, name } => {
                let wall_clock = u32::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
                let expiry = UnixSeconds(wall_clock).plus(self.options.ttl);
                let token = SharedAccessKey::from_base64(key)?.token(&identity, expiry, name, &mut room);
                (Some(token.map_err(Error::from)?), Some(Duration::from_secs(self.options.ttl)))
            }
            Credential::Token(token) => (Some(token), None),
            // TLS has shown it. Without a password the hub looks there.
            Credential::X509 if self.options.certificate.is_some() => (None, None),
            Credential::X509 => {
                return Err("the device signs in with a client certificate: name it by --certificate".into());
            }
        };
        let options = ConnectOptions { password, lifetime, random: random(), will: None };
        Ok(client.connect(self.now(), &options)?)
    }

    /// Queues a reading if it is time for one. That is legal in every state: offline, it waits for the connection.
    pub(crate) fn read_sensor(&mut self, client: &mut Client<'_>) {
        let now = self.now();
        if now < self.next_reading || self.queued >= self.options.count {
            return;
        }
        self.next_reading = now + self.interval;
        let body = json!({ "index": self.queued, "temperature": 21.5 }).to_string();
        let system = SystemProperties {
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            ..SystemProperties::default()
        };
        match client
            .send_telemetry(now, &Telemetry { payload: body.as_bytes(), system: &system, ..Telemetry::default() })
        {
            Ok(_) => {
                println!("reading {}", self.queued);
                self.queued += 1;
            }
            // Law 3: nothing changed. When the hub has acknowledged older readings there is room again.
            Err(error) => println!("skipped a reading: {error}"),
        }
    }

    /// Between two connections: time goes on there as well, and what it ends is told (law 2).
    pub(crate) fn idle(&mut self, client: &mut Client<'_>) {
        let _ = client.handle_timeout(self.now());
        while let Ok(Handled { event: Some(event), .. }) = client.handle_input(self.now(), &[]) {
            self.handle(client, &event);
        }
        self.read_sensor(client);
    }

    /// Does what an event asks for. Gives the connection's end when it is that.
    pub(crate) fn handle(&mut self, client: &mut Client<'_>, event: &Event<'_>) -> Option<Disconnected> {
        let now = self.now();
        let done = match *event {
            Event::TelemetryAcked(_) => {
                self.acknowledged += 1;
                println!("acknowledged {}", self.acknowledged);
                if self.is_finished() { client.disconnect(now) } else { Ok(()) }
            }
            Event::Message(message) => {
                println!("message: {}", message.payload.escape_ascii());
                // Law 5: now it is ours, and the hub may forget it.
                message.token.map_or(Ok(()), |token| client.message_accept(now, token))
            }
            Event::MethodCall { name, payload, request } => {
                println!("method {name}: {}", payload.escape_ascii());
                // Law 1: answered while the event, and the request id in it, is alive.
                let (status, body) = if name == "echo" { (200, payload) } else { (404, &b""[..]) };
                client.method_respond(now, request, status, body)
            }
            Event::TwinDocument { stale: false, payload, version, .. } => {
                println!("twin: desired version {version:?}");
                self.apply(client, &parsed(payload)["desired"])
            }
            Event::TwinDesired { payload, version, .. } => {
                println!("desired version {version:?}: {}", payload.escape_ascii());
                self.apply(client, &parsed(payload))
            }
            // Law 4 and 5: a polite end loses nothing, and the next connection has a new token.
            Event::CredentialExpiring => {
                println!("renewing the token");
                client.disconnect(now)
            }
            Event::Disconnected(ended) => return Some(ended),
            ref other => {
                println!("{other:?}");
                Ok(())
            }
        };
        // A command that was refused changed nothing: the hub will ask again, or the caller of a method times out.
        if let Err(error) = done {
            println!("{error}");
        }
        None
    }

    /// Applies the one desired property there is, and reports it.
    fn apply(&mut self, client: &mut Client<'_>, desired: &Value) -> Result<(), Error> {
        let Some(millis) = desired["interval_ms"].as_u64() else { return Ok(()) };
        self.interval = Duration::from_millis(millis.clamp(1, 86_400_000));
        self.next_reading = self.next_reading.min(self.now() + self.interval);
        let patch = json!({ "interval_ms": self.interval.as_millis() }).to_string();
        client.twin_report(self.now(), patch.as_bytes()).map(drop)
    }

    /// A connection ended, or could not be made: when to try again; `None` when all is done.
    pub(crate) fn retry(&mut self, ended: Option<Disconnected>) -> Option<Instant> {
        let (cause, ready_for) = match ended {
            None => (RetryCause::Lost, Duration::ZERO),
            Some(Disconnected { reason, ready_for, .. }) => match reason {
                DisconnectReason::Requested => return (!self.is_finished()).then(|| self.now()),
                DisconnectReason::Failed(Error::Refused(refusal)) => (refusal.into(), ready_for),
                _ => (RetryCause::Lost, ready_for),
            },
        };
        let wait = self.backoff.next(cause, ready_for, random()).after;
        let why =
            ended.map_or_else(String::new, |ended| format!("{:?}, last sent {:?}; ", ended.reason, ended.last_sent));
        println!("offline: {why}again in {} ms", wait.as_millis());
        Some(self.now() + wait)
    }

    fn is_finished(&self) -> bool {
        self.acknowledged >= self.options.count
    }
}

/// JSON as a tree; `null` if it is none.
fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_default()
}

/// A random number, from where the standard library takes the seeds of its hash maps.
fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}
