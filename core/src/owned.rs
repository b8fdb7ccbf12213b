//! The tier that owns its memory, for gateways, fleets and bindings (feature `alloc`).
//!
//! [`OwnedClient`] is a second owner of the machine that [`Client`](crate::Client) owns, and does nothing but find
//! memory for it. [`RxBytes`] collects input, and [`OwnedEvent`]s share its bytes, so that they can be kept and sent
//! to another thread without a copy.

mod event;
mod input;
mod memory;
mod names;
mod parts;
mod rx;
#[cfg(test)]
mod tests;

pub use event::OwnedEvent;
pub use memory::OwnedLimits;
pub use rx::RxBytes;

use crate::auth::Identity;
use crate::client::{Machine, Parts, Pending, Unacked};
use crate::config::{Config, ConnectOptions, Settings, Telemetry};
use crate::error::{Error, TimeoutReason, UsageError};
use crate::event::{MessageToken, RequestId, TelemetryToken, TwinToken, Withdrawn};
use crate::session::State;
use crate::storage::window::Decision;
use crate::time::Instant;
use crate::topic::Features;
use alloc::sync::Arc;
use memory::Memory;
use names::Names;

/// A [`Client`](crate::Client) that owns its memory: none while nothing is pending, more as commands need it, up to
/// [`OwnedLimits`].
///
/// It has the same verbs and keeps the same laws, but for two: it allocates, and what
/// [`poll_transmit`](Self::poll_transmit) lent may be lent from another place after a command, the same bytes.
/// [`CapacityError`](crate::error::CapacityError)s come when a limit is reached, and have its numbers.
///
/// A device that is connected and has nothing pending costs this struct, one allocation of its identity's texts, and
/// no other. A fleet shares its [`Settings`].
///
/// ```
/// use iothub_proto::auth::Identity;
/// use iothub_proto::time::Instant;
/// use iothub_proto::{Config, ConnectOptions, Event, OwnedClient, OwnedLimits, RxBytes};
/// use std::sync::Arc;
///
/// let config = Config::new(Identity::device("contoso.azure-devices.net", "dev1"));
/// let settings = Arc::new(config.settings);
/// let mut client = OwnedClient::new(&config.identity, settings, OwnedLimits::default())?;
/// let mut rx = RxBytes::new(client.settings().max_packet as usize + 4096);
///
/// let now = Instant::from_millis(0);
/// client.connect(now, &ConnectOptions::default())?;
/// let sent = client.poll_transmit().map_or(0, <[u8]>::len);
/// client.confirm_transmit(now, sent)?;
///
/// assert_eq!(rx.receive(b"\x20\x02\x00\x00"), 4);
/// let event = client.poll_event(now, &mut rx)?.expect("CONNACK is whole");
/// let told = std::thread::spawn(move || matches!(event.as_event(), Event::Connected { .. }));
/// assert!(told.join().unwrap());
/// # Ok::<(), iothub_proto::error::Error>(())
/// ```
#[derive(Debug)]
pub struct OwnedClient {
    machine: Machine,
    memory: Memory,
    names: Names,
    settings: Arc<Settings>,
}

impl OwnedClient {
    /// A client, offline, with a copy of `identity`.
    ///
    /// # Errors
    ///
    /// As [`Client::new`](crate::Client::new), the limits taken for the memory.
    pub fn new(identity: &Identity<'_>, settings: Arc<Settings>, limits: OwnedLimits) -> Result<Self, Error> {
        let reserve = Machine::check(identity, &settings, limits.into())?;
        let mut machine = Machine::new(reserve, settings.features, &mut []);
        machine.limit_slots(limits.slots);
        Ok(Self { machine, memory: Memory::new(limits), names: Names::new(identity), settings })
    }

    /// One call of the machine.
    fn call<T>(&mut self, call: impl FnOnce(&mut Machine, &mut Parts<'_>) -> T) -> T {
        let inbound_grows = self.memory.inbound_grows();
        // Made in its place: this is done at each call.
        let mut parts = Parts {
            storage: self.memory.storage(),
            config: Config { identity: self.names.identity(), settings: *self.settings },
            inbound_grows,
        };
        call(&mut self.machine, &mut parts)
    }

    /// One call of the machine; then memory that is not needed any more is given back.
    fn finish<T>(&mut self, call: impl FnOnce(&mut Machine, &mut Parts<'_>) -> T) -> T {
        let outcome = self.call(call);
        self.memory.release(&mut self.machine);
        outcome
    }

    /// A command, tried again when memory was found for it: slots, and then bytes.
    fn command<T>(
        &mut self,
        mut command: impl FnMut(&mut Machine, &mut Parts<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let first = self.memory.expect(&mut self.machine);
        let mut outcome = self.call(&mut command);
        for _ in 0..2 {
            let Err(Error::Capacity(short)) = outcome else { break };
            outcome = match self.memory.make_room(&mut self.machine, short) {
                Ok(()) => self.call(&mut command),
                Err(short) => Err(short.into()),
            };
        }
        if first && outcome.is_ok() {
            self.memory.remember();
        }
        self.memory.release(&mut self.machine);
        outcome
    }

    /// As [`Client::connect`](crate::Client::connect); [`clear`](RxBytes::clear) the receive buffer, too.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn connect(&mut self, now: Instant, options: &ConnectOptions<'_>) -> Result<(), Error> {
        self.memory.hold_reserve(self.machine.reserve());
        self.finish(|machine, parts| machine.connect(parts, now, options))
    }

    /// As [`Client::has_event`](crate::Client::has_event).
    #[must_use]
    pub fn has_event(&self) -> bool {
        self.machine.has_event()
    }

    /// As [`Client::poll_transmit`](crate::Client::poll_transmit).
    #[must_use = "bytes lent are counted as sent in part"]
    pub fn poll_transmit(&mut self) -> Option<&[u8]> {
        match self.machine.take_turn() {
            None => {}
            Some(lane) if lane.is_in_reserve() => {
                self.memory.hold_reserve(self.machine.reserve());
                self.call(|machine, parts| machine.lend(parts, lane));
            }
            Some(lane) => self.machine.lend_ready(&mut self.memory.storage(), lane),
        }
        self.machine.lent_bytes(&self.memory.tx)
    }

    /// As [`Client::confirm_transmit`](crate::Client::confirm_transmit).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error> {
        self.finish(|machine, parts| machine.confirm_transmit(parts, now, count))
    }

    /// As [`Client::poll_timeout`](crate::Client::poll_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline().map(|(at, _)| at)
    }

    /// As [`Client::timeout_reason`](crate::Client::timeout_reason).
    #[must_use]
    pub fn timeout_reason(&self) -> Option<TimeoutReason> {
        self.deadline().map(|(_, reason)| reason)
    }

    fn deadline(&self) -> Option<(Instant, TimeoutReason)> {
        self.machine.deadline(&self.memory.slots, &self.settings)
    }

    /// As [`Client::handle_timeout`](crate::Client::handle_timeout).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.finish(|machine, parts| machine.handle_timeout(parts, now))
    }

    /// As [`Client::handle_eof`](crate::Client::handle_eof).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
        self.finish(|machine, parts| machine.handle_eof(parts, now))
    }

    /// As [`Client::disconnect`](crate::Client::disconnect).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        self.finish(|machine, parts| machine.disconnect(parts, now))
    }

    /// As [`Client::subscribe`](crate::Client::subscribe).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn subscribe(&mut self, now: Instant, features: Features) -> Result<(), Error> {
        self.finish(|machine, parts| machine.subscribe(parts, now, features))
    }

    /// As [`Client::send_telemetry`](crate::Client::send_telemetry).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn send_telemetry(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error> {
        self.command(|machine, parts| machine.send_telemetry(parts, now, message))
    }

    /// As [`Client::telemetry_withdraw`](crate::Client::telemetry_withdraw).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn telemetry_withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error> {
        self.finish(|machine, parts| machine.telemetry_withdraw(parts, now, token))
    }

    /// As [`Client::message_accept`](crate::Client::message_accept).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn message_accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        self.finish(|machine, parts| machine.settle_message(parts, now, token, Decision::Accepted))
    }

    /// As [`Client::message_leave`](crate::Client::message_leave).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn message_leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        self.finish(|machine, parts| machine.settle_message(parts, now, token, Decision::Left))
    }

    /// As [`Client::method_respond`](crate::Client::method_respond).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn method_respond<'r>(
        &mut self,
        now: Instant,
        request: impl Into<RequestId<'r>>,
        status: u16,
        body: &[u8],
    ) -> Result<(), Error> {
        let request = request.into();
        self.command(|machine, parts| machine.method_respond(parts, now, request, status, body))
    }

    /// As [`Client::twin_get`](crate::Client::twin_get).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error> {
        self.command(|machine, parts| machine.twin_get(parts, now))
    }

    /// As [`Client::twin_report`](crate::Client::twin_report).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error> {
        self.command(|machine, parts| machine.twin_report(parts, now, patch))
    }

    /// As [`Client::state`](crate::Client::state).
    #[must_use]
    pub const fn state(&self) -> State {
        self.machine.state()
    }

    /// As [`Client::pending`](crate::Client::pending).
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.machine.pending(&self.memory.slots)
    }

    /// As [`Client::telemetry_sent`](crate::Client::telemetry_sent).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn telemetry_sent(&self, token: TelemetryToken) -> Result<bool, UsageError> {
        self.machine.telemetry_sent(&self.memory.slots, token)
    }

    /// As [`Client::unacked`](crate::Client::unacked).
    #[must_use]
    pub fn unacked(&self) -> Unacked<'_> {
        Unacked::new(&self.machine, &self.memory.slots)
    }

    /// Bytes of the largest packet that fits now, within the limit.
    #[must_use]
    pub fn tx_free(&self) -> usize {
        self.memory.tx_free(&self.machine)
    }

    /// As [`Client::strays`](crate::Client::strays).
    #[must_use]
    pub const fn strays(&self) -> u32 {
        self.machine.strays()
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        self.names.identity()
    }

    /// How it behaves.
    #[must_use]
    pub const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }
}
