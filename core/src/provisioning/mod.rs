//! The Device Provisioning Service: which hub a device belongs to. [`ProvisioningClient`] asks it over the same MQTT
//! session as [`Client`](crate::Client), with the same verbs.
//!
//! A device is made with an id scope, a registration id and a key or certificate, and knows no hub. It connects to the
//! service (to [`Registration::GLOBAL_HOST`], port 8883, that name in TLS, too), registers, asks until the service has
//! assigned it, and is told its hub and device id. With these it connects to the hub, there with a token for the hub:
//! with a symmetric key the same key signs both, with X.509 the same certificate serves both.
//!
//! When a hub refuses a device for long, the device may have moved:
//! [`Retry::reprovision`](crate::retry::Retry::reprovision) advises to ask the service again.

mod answer;
mod event;
mod machine;
#[cfg(feature = "alloc")]
mod owned;
mod pace;
mod request;
#[cfg(test)]
mod tests;

pub use event::{Assignment, ProvisioningEvent, ProvisioningHandled};
#[cfg(feature = "alloc")]
pub use owned::OwnedProvisioningClient;

use crate::auth::Registration;
use crate::config::Settings;
use crate::error::{CapacityError, Error, Field, Setting, TimeoutReason, UsageError};
use crate::session::state::State;
use crate::storage::{Inbound, RxBuffer, Storage};
use crate::time::{Duration, Instant};
use crate::wire::{JsonError, Writer, check_json};
use machine::{Machine, Parts};

/// The service takes no larger message.
const MAX_BODY: usize = 96 * 1024;

/// Answers to acknowledge at once. There is one request at a time; the others answer what was given up.
const RECORDS: usize = 4;

/// Who registers, and how.
///
/// ```
/// use iothub_proto::{ProvisioningConfig, auth::Registration};
/// let config = ProvisioningConfig {
///     payload: Some(br#"{"modelId":"dtmi:com:example:Thermostat;1"}"#),
///     ..ProvisioningConfig::new(Registration::new("0ne00000001", "reg-001"))
/// };
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ProvisioningConfig<'a> {
    /// Who registers.
    pub registration: Registration<'a>,
    /// JSON for a custom allocation policy or for the application behind the hub, such as an IoT Plug and Play model
    /// id. With the registration id at most 96 KiB.
    pub payload: Option<&'a [u8]>,
    /// How the session behaves. Of these, keep-alive, packet sizes, the reserve of CONNECT and the timeouts of
    /// connection, subscription, request (default 60 s, after which the request is sent again) and end mean something
    /// here. A receive buffer of 1 KiB holds every answer without a large payload.
    pub settings: Settings,
    /// From `connect` to the assignment, whatever happens in between. Default 5 min.
    pub deadline: Duration,
}

impl<'a> ProvisioningConfig<'a> {
    /// The default settings for `registration`, without a payload.
    #[must_use]
    pub fn new(registration: Registration<'a>) -> Self {
        Self { registration, payload: None, settings: Settings::default(), deadline: Duration::from_secs(300) }
    }

    /// Checks everything once.
    fn check(&self) -> Result<(), UsageError> {
        self.registration.check()?;
        self.settings.check()?;
        if self.deadline == Duration::ZERO {
            return Err(UsageError::BadSetting(Setting::Timeout));
        }
        if let Some(Err(JsonError::IllFormed { at } | JsonError::TooLong { needed: at })) = self.payload.map(check_json)
        {
            return Err(UsageError::BadText { field: Field::Payload, at });
        }
        let mut body = Writer::new(&mut []);
        request::put_body(&mut body, self);
        if body.len() > MAX_BODY {
            return Err(UsageError::MessageTooLarge { len: body.len(), limit: MAX_BODY });
        }
        Ok(())
    }
}

/// One registration with the Device Provisioning Service: bytes and time in, bytes and events out.
///
/// Its driver is that of a [`Client`](crate::Client), call for call, and the same laws hold. What it does by itself:
/// it subscribes, registers, asks again after the time that the service names (at least 2 s), waits longer when the
/// service throttles (429) or has trouble (5xx), repeats a request that is not answered, and disconnects once the device
/// is assigned. It makes no connection: after a lost one the driver calls [`connect`](Self::connect), and the
/// registration begins anew, which the service takes as the same.
///
/// It ends in [`Assigned`](ProvisioningEvent::Assigned) or in a fatal error: [`Error::Refused`] by CONNACK,
/// [`Error::Registration`] with the service's status and code, [`Error::TimedOut`] with
/// [`TimeoutReason::Registration`] when all took too long, or one of the link.
///
/// # Example
///
/// The service's bytes written by hand:
///
/// ```
/// use iothub_proto::auth::Registration;
/// use iothub_proto::time::Instant;
/// use iothub_proto::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent as Event};
///
/// # fn publish(topic: &str, body: &str) -> Vec<u8> {
/// #     let len = topic.len() as u16;
/// #     let all = [&len.to_be_bytes()[..], topic.as_bytes(), body.as_bytes()].concat();
/// #     [&[0x30, (all.len() % 128) as u8 | 0x80, (all.len() / 128) as u8][..], &all].concat()
/// # }
/// # fn send(client: &mut ProvisioningClient<'_>, now: Instant) {
/// #     while let Some(len) = client.poll_transmit().map(<[u8]>::len) { client.confirm_transmit(now, len).unwrap() }
/// # }
/// let mut tx = [0; 512];
/// let mut client = ProvisioningClient::new(ProvisioningConfig::new(Registration::new("0ne00000001", "reg-001")), &mut tx)?;
/// let now = Instant::from_millis(0);
/// client.connect(now, None, 0)?; // with a client certificate; else with a token
/// send(&mut client, now);
/// assert_eq!(client.handle_input(now, b"\x20\x02\x00\x00")?.event, Some(Event::Connected));
/// send(&mut client, now);
/// assert_eq!(client.handle_input(now, b"\x90\x03\xff\xff\x01")?.event, Some(Event::Ready));
/// send(&mut client, now);
///
/// let answer = publish("$dps/registrations/res/202/?$rid=1&retry-after=3", r#"{"operationId":"4.op","status":"assigning"}"#);
/// assert!(matches!(client.handle_input(now, &answer)?.event, Some(Event::Assigning { .. })));
/// let now = client.poll_timeout().expect("the next question");
/// assert_eq!(now, Instant::from_millis(3_000));
/// client.handle_timeout(now)?;
/// send(&mut client, now);
///
/// let answer = publish("$dps/registrations/res/200/?$rid=2", r#"{"status":"assigned",
///     "registrationState":{"assignedHub":"contoso.azure-devices.net","deviceId":"dev1"}}"#);
/// let Some(Event::Assigned(assignment)) = client.handle_input(now, &answer)?.event else { panic!("assigned") };
/// let mut room = [0; 384];
/// let identity = assignment.identity(&mut room)?;
/// assert_eq!((identity.host_name, identity.device_id), ("contoso.azure-devices.net", "dev1"));
/// # Ok::<(), iothub_proto::error::Error>(())
/// ```
#[derive(Debug)]
pub struct ProvisioningClient<'a> {
    machine: Machine,
    tx: Memory<'a>,
    inbound: [Inbound; RECORDS],
    config: ProvisioningConfig<'a>,
}

/// The caller's memory, of which `Debug` shows the length only: CONNECT with the password is in it until it is sent.
struct Memory<'a>(&'a mut [u8]);

impl core::fmt::Debug for Memory<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.len().fmt(f)
    }
}

impl<'a> ProvisioningClient<'a> {
    /// A client in the caller's memory, offline. `tx` holds one outgoing packet: 512 bytes are enough for names of usual
    /// length and a small payload.
    ///
    /// # Errors
    ///
    /// [`UsageError`] for a name, payload or setting that cannot work; [`CapacityError::TooLarge`] if `tx` cannot hold
    /// the largest packet.
    pub fn new(config: ProvisioningConfig<'a>, tx: &'a mut [u8]) -> Result<Self, Error> {
        config.check()?;
        let (needed, capacity) = (request::needed(&config), tx.len());
        match u32::try_from(capacity) {
            Ok(reserve) if needed <= capacity => {
                Ok(Self { machine: Machine::new(reserve), tx: Memory(tx), inbound: [Inbound::EMPTY; RECORDS], config })
            }
            _ => Err(CapacityError::TooLarge { needed, capacity }.into()),
        }
    }

    fn split(&mut self) -> (&mut Machine, Parts<'_, 'a>) {
        let storage = Storage { tx: self.tx.0, slots: &mut [], inbound: &mut self.inbound };
        (&mut self.machine, Parts { storage, config: &self.config })
    }

    /// The transport is up: sign in, and register. `password` is a SAS token for [`Registration::resource`], `None` with
    /// a client certificate. `random` is any number of the caller's, for jitter. A registration that was begun on an
    /// earlier connection begins anew, and so does its deadline.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidState`] unless offline or failed; [`CapacityError::TooLarge`] if the password is longer than
    /// there is room for (see [`Settings::connect_reserve`]).
    pub fn connect(&mut self, now: Instant, password: Option<&str>, random: u32) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.connect(&mut parts, now, password, random)
    }

    /// Bytes came in. Looks at the front of `input` until there is an event or no whole packet is left.
    ///
    /// # Errors
    ///
    /// A fatal error, when nothing was consumed. It is repeated until `connect`.
    pub fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<ProvisioningHandled<'i>, Error> {
        let mut handled = ProvisioningHandled { consumed: 0, needed: 0, event: None };
        let (machine, mut parts) = self.split();
        machine.handle_input(&mut parts, now, input, &mut handled)?;
        Ok(handled)
    }

    /// The next event out of `rx`; `None` when it has no whole packet left. The same as
    /// [`handle_input`](Self::handle_input), with the buffer kept for the driver. When the connection ends the buffer
    /// is cleared.
    ///
    /// # Errors
    ///
    /// [`UsageError::RxTooSmall`] if `rx` cannot hold [`Settings::max_packet`] bytes; else as `handle_input`.
    pub fn poll_event<'r>(
        &mut self,
        now: Instant,
        rx: &'r mut RxBuffer<'_>,
    ) -> Result<Option<ProvisioningEvent<'r>>, Error> {
        let (capacity, needed) = (rx.capacity(), self.config.settings.max_packet as usize);
        if capacity < needed {
            return Err(UsageError::RxTooSmall { capacity, needed }.into());
        }
        let (mut input, mut consumed) = rx.split();
        loop {
            let handled = self.handle_input(now, input);
            if !self.state().has_connection() {
                // What is left came on a connection that is over, and would be taken for the next one's.
                consumed.add(input.len());
            }
            let handled = handled?;
            consumed.add(handled.consumed);
            input = input.get(handled.consumed..).unwrap_or_default();
            if handled.event.is_some() || handled.consumed == 0 {
                return Ok(handled.event);
            }
        }
    }

    /// Whether an event waits that needs no new bytes.
    #[must_use]
    pub const fn has_event(&self) -> bool {
        self.machine.session.has_ended()
    }

    /// The bytes to send next: one packet, or the rest of one. They stay where they are until they are confirmed or the
    /// connection ends.
    #[must_use = "bytes lent are counted as sent in part"]
    pub fn poll_transmit(&mut self) -> Option<&[u8]> {
        let (machine, mut parts) = self.split();
        machine.prepare_transmit(&mut parts);
        self.machine.session.lent_bytes(self.tx.0)
    }

    /// The first `count` of the bytes lent were sent.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadConfirm`] if that is more than was lent.
    pub fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.confirm_transmit(&mut parts, now, count)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: only bytes or `connect` change anything.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline().map(|(at, _)| at)
    }

    /// What [`poll_timeout`](Self::poll_timeout) is about.
    #[must_use]
    pub fn timeout_reason(&self) -> Option<TimeoutReason> {
        self.deadline().map(|(_, reason)| reason)
    }

    fn deadline(&self) -> Option<(Instant, TimeoutReason)> {
        self.machine.deadline(&self.config.settings)
    }

    /// Time has come. Early calls do nothing, late ones are safe.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if a deadline passed that ends the registration; it is repeated until `connect`.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.handle_timeout(&mut parts, now)
    }

    /// The transport is gone, by whatever cause.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadInstant`].
    pub fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.eof(&mut parts, now)
    }

    /// Gives the registration up politely. After [`Assigned`](ProvisioningEvent::Assigned) it is done already, and a
    /// call here does not wait for it. It is over at [`ProvisioningEvent::Disconnected`].
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidState`] after a fatal error.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.disconnect(&mut parts, now)
    }

    /// Where the connection is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.machine.session.state()
    }

    /// Answers that matched no question since the client was made: to what was given up, or of a confused peer.
    #[must_use]
    pub const fn strays(&self) -> u32 {
        self.machine.session.strays()
    }

    /// What it was made with.
    #[must_use]
    pub const fn config(&self) -> &ProvisioningConfig<'a> {
        &self.config
    }
}

/// A CONNECT that was not sent leaves no password behind.
impl Drop for ProvisioningClient<'_> {
    fn drop(&mut self) {
        let (machine, mut parts) = self.split();
        machine.session.wipe_connect(&mut parts.storage);
    }
}
