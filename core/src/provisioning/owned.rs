//! The owner that has memory of its own (feature `alloc`).

use super::event::ProvisioningHandled;
use super::machine::{Machine, Parts};
use super::{ProvisioningConfig, RECORDS, request};
use crate::auth::Registration;
use crate::config::Settings;
use crate::error::{Error, TimeoutReason};
use crate::session::state::State;
use crate::storage::{Inbound, Storage};
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::vec;

/// A [`ProvisioningClient`](super::ProvisioningClient) that owns its memory, with a copy of what it is configured with,
/// for bindings and for programs that make one and pass it on. It has the same verbs and keeps the same laws.
///
/// ```
/// use iothub_proto::auth::Registration;
/// use iothub_proto::time::Instant;
/// use iothub_proto::{OwnedProvisioningClient, ProvisioningConfig};
///
/// fn of(registration_id: &str) -> Result<OwnedProvisioningClient, iothub_proto::error::Error> {
///     OwnedProvisioningClient::new(&ProvisioningConfig::new(Registration::new("0ne00000001", registration_id)))
/// }
/// let mut client = of("reg-001")?;
/// client.connect(Instant::ZERO, Some("SharedAccessSignature sr=…"), 0)?;
/// assert!(client.poll_transmit().is_some());
/// # Ok::<(), iothub_proto::error::Error>(())
/// ```
#[derive(Debug)]
pub struct OwnedProvisioningClient {
    machine: Machine,
    tx: Secret,
    inbound: [Inbound; RECORDS],
    asked: Asked,
}

/// One packet, of which `Debug` shows the length only: it may be CONNECT with the password.
struct Secret(Box<[u8]>);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.len().fmt(f)
    }
}

/// A [`ProvisioningConfig`] that borrows nothing.
#[derive(Debug)]
struct Asked {
    id_scope: Box<str>,
    registration_id: Box<str>,
    api_version: Box<str>,
    product: Box<str>,
    payload: Option<Box<[u8]>>,
    settings: Settings,
    deadline: Duration,
}

impl Asked {
    fn new(config: &ProvisioningConfig<'_>) -> Self {
        let Registration { id_scope, registration_id, api_version, product } = config.registration;
        Self {
            id_scope: id_scope.into(),
            registration_id: registration_id.into(),
            api_version: api_version.into(),
            product: product.into(),
            payload: config.payload.map(Into::into),
            settings: config.settings,
            deadline: config.deadline,
        }
    }

    fn config(&self) -> ProvisioningConfig<'_> {
        let Self { id_scope, registration_id, api_version, product, payload, settings, deadline } = self;
        let registration = Registration { id_scope, registration_id, api_version, product };
        let payload = payload.as_deref();
        ProvisioningConfig { registration, payload, settings: *settings, deadline: *deadline }
    }
}

impl OwnedProvisioningClient {
    /// A client, offline. It takes the memory of its largest packet.
    ///
    /// # Errors
    ///
    /// [`UsageError`](crate::error::UsageError) for a name, payload or setting that cannot work.
    pub fn new(config: &ProvisioningConfig<'_>) -> Result<Self, Error> {
        config.check()?;
        // No more than the limits of its parts come to, which fit.
        let len = request::needed(config);
        Ok(Self {
            machine: Machine::new(len as u32),
            tx: Secret(vec![0; len].into()),
            inbound: [Inbound::EMPTY; RECORDS],
            asked: Asked::new(config),
        })
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Machine, &mut Parts<'_, '_>) -> T) -> T {
        let storage = Storage { tx: &mut self.tx.0, slots: &mut [], inbound: &mut self.inbound };
        call(&mut self.machine, &mut Parts { storage, config: &self.asked.config() })
    }

    /// As [`ProvisioningClient::connect`](super::ProvisioningClient::connect).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn connect(&mut self, now: Instant, password: Option<&str>, random: u32) -> Result<(), Error> {
        self.call(|machine, parts| machine.connect(parts, now, password, random))
    }

    /// As [`ProvisioningClient::handle_input`](super::ProvisioningClient::handle_input).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<ProvisioningHandled<'i>, Error> {
        let mut handled = ProvisioningHandled { consumed: 0, needed: 0, event: None };
        self.call(|machine, parts| machine.handle_input(parts, now, input, &mut handled))?;
        Ok(handled)
    }

    /// As [`ProvisioningClient::has_event`](super::ProvisioningClient::has_event).
    #[must_use]
    pub const fn has_event(&self) -> bool {
        self.machine.session.has_ended()
    }

    /// As [`ProvisioningClient::poll_transmit`](super::ProvisioningClient::poll_transmit).
    #[must_use = "bytes lent are counted as sent in part"]
    pub fn poll_transmit(&mut self) -> Option<&[u8]> {
        self.call(Machine::prepare_transmit);
        self.machine.session.lent_bytes(&self.tx.0)
    }

    /// As [`ProvisioningClient::confirm_transmit`](super::ProvisioningClient::confirm_transmit).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error> {
        self.call(|machine, parts| machine.confirm_transmit(parts, now, count))
    }

    /// As [`ProvisioningClient::poll_timeout`](super::ProvisioningClient::poll_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.machine.deadline(&self.asked.settings).map(|(at, _)| at)
    }

    /// As [`ProvisioningClient::timeout_reason`](super::ProvisioningClient::timeout_reason).
    #[must_use]
    pub fn timeout_reason(&self) -> Option<TimeoutReason> {
        self.machine.deadline(&self.asked.settings).map(|(_, reason)| reason)
    }

    /// As [`ProvisioningClient::handle_timeout`](super::ProvisioningClient::handle_timeout).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.call(|machine, parts| machine.handle_timeout(parts, now))
    }

    /// As [`ProvisioningClient::handle_eof`](super::ProvisioningClient::handle_eof).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
        self.call(|machine, parts| machine.eof(parts, now))
    }

    /// As [`ProvisioningClient::disconnect`](super::ProvisioningClient::disconnect).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        self.call(|machine, parts| machine.disconnect(parts, now))
    }

    /// As [`ProvisioningClient::state`](super::ProvisioningClient::state).
    #[must_use]
    pub const fn state(&self) -> State {
        self.machine.session.state()
    }

    /// As [`ProvisioningClient::strays`](super::ProvisioningClient::strays).
    #[must_use]
    pub const fn strays(&self) -> u32 {
        self.machine.session.strays()
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> ProvisioningConfig<'_> {
        self.asked.config()
    }
}

/// A CONNECT that was not sent leaves no password behind.
impl Drop for OwnedProvisioningClient {
    fn drop(&mut self) {
        self.call(|machine, parts| machine.session.wipe_connect(&mut parts.storage));
    }
}
