//! Provisioning: which hub does this device belong to? The driver is that of `device`, with another machine in it.

use std::io::{self, ErrorKind};
use std::time::Instant as Clock;

use iothub_proto::auth::{Registration, Resource, SharedAccessKey};
use iothub_proto::error::Error;
use iothub_proto::event::DisconnectReason;
use iothub_proto::retry::{Backoff, RetryCause, RetryPolicy};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::wire::Writer;
use iothub_proto::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent, RxBuffer};
use zeroize::Zeroizing;

use super::device::{random, unix_now};
use super::link::{Link, Remote};
use super::options::Enrolled;
use super::transcript::{Transcript, excerpt};

/// Bytes of the largest answer, and of the largest request without its payload.
const ANSWER: usize = 16 * 1024;
const REQUEST: usize = 2 * 1024;
/// Connections to try before it is given up.
const ATTEMPTS: u32 = 5;
/// Seconds for which the token is signed.
const LIFETIME: u32 = 3_600;

impl Enrolled {
    /// The device's own key in base64, if it has one.
    ///
    /// # Errors
    /// The key that was given is none.
    pub(crate) fn device_key(&self) -> io::Result<Option<String>> {
        let Some(group) = self.key.as_ref().filter(|_| self.of_group) else { return Ok(self.key.clone()) };
        let group = SharedAccessKey::from_base64(group).map_err(io::Error::other)?;
        let mut key = vec![0; SharedAccessKey::DERIVED_LEN];
        group.put_device_key(&mut Writer::new(&mut key), &self.registration_id);
        String::from_utf8(key).map(Some).map_err(io::Error::other)
    }
}

/// Registers the device with the service at `remote`, says good-bye, and gives the connection string for its hub.
///
/// # Errors
/// Why there is no hub for it.
pub(crate) fn provision(remote: &Remote, enrolled: &Enrolled, log: &Transcript) -> Result<String, String> {
    log.step("Provisioning: the device asks which hub it belongs to");
    let text = enrolled.device_key().map_err(|error| format!("key: {error}"))?;
    let key = text.as_deref().map(SharedAccessKey::from_base64).transpose().map_err(|error| error.to_string())?;
    if enrolled.of_group {
        log.device("has a key of its own, derived from that of its enrollment group");
    }
    let Assigned { host_name, device_id } = ask(remote, enrolled, key.as_ref(), log)?;
    let credential = text.map_or("x509=true".to_owned(), |text| format!("SharedAccessKey={text}"));
    Ok(format!("HostName={host_name};DeviceId={device_id};{credential}"))
}

/// Where the device belongs.
struct Assigned {
    host_name: String,
    device_id: String,
}

fn ask(
    remote: &Remote,
    enrolled: &Enrolled,
    key: Option<&SharedAccessKey>,
    log: &Transcript,
) -> Result<Assigned, String> {
    let registration = Registration::new(&enrolled.id_scope, &enrolled.registration_id);
    let payload = enrolled.payload.as_deref().map(str::as_bytes);
    let (mut tx, mut rx) = (vec![0; REQUEST + payload.map_or(0, <[u8]>::len)], vec![0; ANSWER]);
    let mut config = ProvisioningConfig { payload, ..ProvisioningConfig::new(registration) };
    config.settings.max_packet = ANSWER as u32;
    let client = ProvisioningClient::new(config, &mut tx).map_err(|error| error.to_string())?;
    let mut driver = Driver { client, rx: RxBuffer::new(&mut rx), log, start: Clock::now(), assigned: None };
    let mut backoff = Backoff::new(RetryPolicy::default());
    loop {
        let cause = match driver.attempt(remote, key)? {
            Some(cause) => cause,
            None => return driver.assigned.ok_or_else(|| "the connection ended before there was a hub".to_owned()),
        };
        let retry = backoff.next(cause, Duration::ZERO, random());
        if backoff.failures() >= ATTEMPTS {
            return Err("the provisioning service cannot be reached".to_owned());
        }
        log.device(format_args!("connects again in {} ms (backoff with jitter)", retry.after.as_millis()));
        std::thread::sleep(std::time::Duration::from_millis(retry.after.as_millis()));
    }
}

struct Driver<'a> {
    client: ProvisioningClient<'a>,
    rx: RxBuffer<'a>,
    log: &'a Transcript,
    start: Clock,
    assigned: Option<Assigned>,
}

impl Driver<'_> {
    /// One connection, to its end: `None` if it was a polite one, else why another should be made.
    fn attempt(&mut self, remote: &Remote, key: Option<&SharedAccessKey>) -> Result<Option<RetryCause>, String> {
        let mut link = match Link::open(remote) {
            Ok(link) => link,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(format!("no provisioning service to trust there: {error}"));
            }
            Err(error) => {
                self.log.device(format_args!("cannot connect: {error}"));
                return Ok(Some(RetryCause::Lost));
            }
        };
        self.sign_in(key)?;
        let Remote { host, port, .. } = remote;
        let tls = link.version();
        let proof =
            if key.is_some() { format!("token for {LIFETIME} s") } else { "client certificate shown".to_owned() };
        self.log.device(format_args!("connects to {host}:{port} ({tls}, certificate verified), {proof}"));
        let end = loop {
            if let Some(reason) = self.take_events()? {
                break reason;
            }
            while let Some(bytes) = self.client.poll_transmit() {
                match link.send(bytes) {
                    Ok(0) => break,
                    Ok(sent) => self.client.confirm_transmit(self.now(), sent).map_err(|error| error.to_string())?,
                    Err(_) => drop(self.client.handle_eof(self.now())),
                }
            }
            if !self.client.has_event() {
                self.sleep(&mut link);
            }
        };
        link.close();
        match end {
            DisconnectReason::Requested => Ok(None),
            DisconnectReason::Failed(error @ Error::Refused(refusal)) => match RetryCause::from(refusal) {
                RetryCause::Unauthorized | RetryCause::Rejected => {
                    Err(format!("{error}; look at the key, id scope, registration id and this machine's clock"))
                }
                cause => Ok(Some(cause)),
            },
            DisconnectReason::Failed(error @ Error::Registration(_)) => Err(error.to_string()),
            DisconnectReason::Failed(error) => {
                self.log.device(format_args!("notices that something is wrong: {error}"));
                Ok(Some(RetryCause::Lost))
            }
            _ => {
                self.log.device("notices that the connection is lost");
                Ok(Some(RetryCause::Lost))
            }
        }
    }

    fn sign_in(&mut self, key: Option<&SharedAccessKey>) -> Result<(), String> {
        // Wiped when it is dropped.
        let mut room = Zeroizing::new([0; 1_024]);
        let resource = self.client.config().registration.resource();
        let name = Some(Resource::REGISTRATION_KEY_NAME);
        let expiry = unix_now()?.plus(LIFETIME);
        let token = key.map(|key| key.token_for(&resource, expiry, name, room.as_mut_slice())).transpose();
        let token = token.map_err(|error| Error::from(error).to_string())?;
        self.client.connect(self.now(), token, random()).map_err(|error| error.to_string())
    }

    /// Takes every event that is there; the end of the connection when it comes.
    fn take_events(&mut self) -> Result<Option<DisconnectReason>, String> {
        let mut timers_fired = false;
        loop {
            let now = self.now();
            match self.client.poll_event(now, &mut self.rx) {
                Ok(Some(ProvisioningEvent::Connected)) => self.log.dps("accepts the device"),
                Ok(Some(ProvisioningEvent::Ready)) => self.log.device("registers"),
                Ok(Some(ProvisioningEvent::Assigning { retry_after })) => {
                    self.log.dps(format_args!("works on it: ask again in {} ms", retry_after.as_millis()));
                }
                Ok(Some(ProvisioningEvent::Throttled { status, retry_after, .. })) => {
                    self.log.dps(format_args!("has no time ({status}): again in {} ms", retry_after.as_millis()));
                }
                Ok(Some(ProvisioningEvent::Assigned(assignment))) => {
                    let (host_name, device_id) = (assignment.assigned_hub.to_owned(), assignment.device_id.to_string());
                    self.log.dps(format_args!("assigns {device_id} to {host_name} ({})", assignment.substatus));
                    if !assignment.payload.is_empty() {
                        self.log.dps(format_args!("gives it {}", excerpt(assignment.payload)));
                    }
                    self.assigned = Some(Assigned { host_name, device_id });
                }
                Ok(Some(ProvisioningEvent::Refused { payload, .. })) => {
                    self.log.dps(format_args!("refuses: {}", excerpt(payload)));
                }
                Ok(Some(ProvisioningEvent::Disconnected(end))) => {
                    self.rx.clear();
                    return Ok(Some(end.reason));
                }
                // Also those that this library may tell one day.
                Ok(Some(_)) => {}
                Ok(None) | Err(_) if timers_fired => return Ok(None),
                Ok(None) | Err(_) => {
                    let _ = self.client.handle_timeout(now);
                    timers_fired = true;
                }
            }
        }
    }

    /// Waits for bytes, or for the client's next deadline, which there always is with a connection.
    fn sleep(&mut self, link: &mut Link) {
        let until = self.client.poll_timeout().unwrap_or_else(|| self.now());
        let mut pause = std::time::Duration::from_millis(until.since(self.now()).as_millis());
        if link.is_full() {
            pause = pause.min(super::device::FULL);
        }
        match link.receive(self.rx.space(), pause) {
            Ok(received) => self.rx.commit(received),
            Err(_) => drop(self.client.handle_eof(self.now())),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
