//! IoT Hub's meaning over MQTT: [`Client`], one device or module.
//!
//! The verbs are here; what they do is in the machine's files, by feature. [`inbound`] is the only place where
//! a packet gets a meaning.

#[cfg(feature = "alloc")]
mod grow;
mod inbound;
mod lifecycle;
mod machine;
mod message;
mod method;
mod outbound;
mod telemetry;
mod twin;
mod unacked;

pub use inbound::Handled;
pub use machine::Pending;
pub use unacked::Unacked;

use crate::config::{Config, ConnectOptions, Telemetry};
use crate::error::{Error, TimeoutReason, UsageError};
use crate::event::{Event, MessageToken, RequestId, TelemetryToken, TwinToken};
use crate::session::Withdrawn;
use crate::session::state::State;
use crate::storage::window::Decision;
use crate::storage::{RxBuffer, Storage};
use crate::time::Instant;
use crate::topic::Features;
pub(crate) use machine::{Limits, Machine, Parts};

/// A device or module: bytes and time in, bytes and events out.
///
/// It opens no socket, reads no clock and starts no thread. A driver moves bytes between it and a transport,
/// and after anything does this:
///
/// 1. feed input ([`handle_input`](Self::handle_input), or [`poll_event`](Self::poll_event) with a buffer) until
///    there is no event and nothing is consumed, and while [`has_event`](Self::has_event);
/// 2. send ([`poll_transmit`](Self::poll_transmit), [`confirm_transmit`](Self::confirm_transmit)) until there
///    is nothing or the socket is full;
/// 3. sleep until input, room to send, or [`poll_timeout`](Self::poll_timeout), at which
///    [`handle_timeout`](Self::handle_timeout) is called.
///
/// # The laws
///
/// 1. An event borrows the caller's input and nothing else. Every call is legal while an event is alive: a
///    method can be answered inside the match arm.
/// 2. One call makes at most one event, and its work is bounded by the input's length plus the number of slots.
///    What comes from time or from a lost connection is a flag, so no event queue can overflow: `has_event` says
///    that one waits, `handle_input(now, &[])` takes it, in every state. Order: ended requests by age, then what
///    the state brings, then `Disconnected`, then the sticky error.
/// 3. A command encodes whole or changes nothing. [`TxFull`](crate::error::CapacityError::TxFull) tells the
///    largest packet that fits now.
/// 4. QoS 1 telemetry is kept until its PUBACK was taken in, and sent again after a reconnect, oldest first, with
///    DUP if and only if a byte of it was lent before in this session. Only PUBACK or
///    [`telemetry_withdraw`](Self::telemetry_withdraw) ends it. Nothing is sent again on a live connection. QoS 0
///    and twin requests of which no byte was lent stay queued across a cut; once lent, QoS 0 may be lost and a
///    request ends as [`ConnectionLost`](crate::event::RequestError::ConnectionLost). Method answers and inbound
///    tokens die with their connection.
/// 5. A QoS 1 message is acknowledged by [`message_accept`](Self::message_accept);
///    [`message_leave`](Self::message_leave) gives it back until a later connection. PUBACKs leave in delivery
///    order: an undecided message holds the later ones. Accepted is not yet acknowledged: after a cut a message
///    may return. When the window is full, a message is reported as [`Event::MessageLeft`]; input never stops.
/// 6. Fatal are `Peer`, `Refused` and `TimedOut` errors. An error is returned only by a call that consumed
///    nothing; what was parsed before it is delivered first. It is repeated until `connect`, and nothing is
///    sent. `Usage` and `Capacity` errors changed nothing.
/// 7. A `now` earlier than the last counts as the last; `connect` rebases. Only `handle_timeout` fires timers:
///    a late call is safe, an early one does nothing, and after it the next deadline is later than `now`.
/// 8. Split the input anywhere and the events are the same.
/// 9. No panic, no recursion, no unbounded loop, no allocation. Hostile bytes end in a typed error, or are
///    skipped as MQTT says.
/// 10. Secrets are never printed; the password is overwritten when CONNECT is confirmed.
/// 11. What `poll_transmit` lends is frozen, same bytes in the same place, until it is confirmed or the
///     connection ends. Confirming more than was lent is a usage error.
/// 12. Control never waits for memory that the application can fill: PUBACK, PINGREQ and DISCONNECT are written
///     from state, and the handshake has a reserve.
///
/// # Example
///
/// A whole conversation, the hub's bytes written by hand:
///
/// ```
/// use iothub_proto::auth::Identity;
/// use iothub_proto::time::Instant;
/// use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, Slot, Storage, Telemetry};
///
/// let (mut tx, mut slots, mut inbound) = ([0; 2048], [Slot::EMPTY; 8], [Inbound::EMPTY; 8]);
/// let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
/// let mut config = Config::new(Identity::device("contoso.azure-devices.net", "dev1"));
/// config.settings.features = iothub_proto::topic::Features::NONE;
/// config.settings.twin_sync = false;
/// let mut client = Client::new(config, storage)?;
///
/// let now = Instant::from_millis(0);
/// client.connect(now, &ConnectOptions::default())?;
/// let connect = client.poll_transmit().map_or(0, <[u8]>::len);
/// client.confirm_transmit(now, connect)?;
///
/// let handled = client.handle_input(now, b"\x20\x02\x00\x00")?;
/// assert_eq!(handled.consumed, 4);
/// assert_eq!(handled.event, Some(Event::Connected { session_present: false }));
/// assert!(matches!(client.handle_input(now, &[])?.event, Some(Event::Ready { .. })));
///
/// let token = client.send_telemetry(now, &Telemetry { payload: b"21.5", ..Default::default() })?;
/// let publish = client.poll_transmit().unwrap_or_default().len();
/// client.confirm_transmit(now, publish)?;
/// let handled = client.handle_input(now, b"\x40\x02\x00\x01")?;
/// assert_eq!(handled.event, Some(Event::TelemetryAcked(token)));
/// # Ok::<(), iothub_proto::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Client<'a> {
    machine: Machine,
    storage: Storage<'a>,
    config: Config<'a>,
}

impl<'a> Client<'a> {
    /// A client in the caller's memory, offline. The texts in `config` live as long as it does.
    ///
    /// # Errors
    ///
    /// [`UsageError`] for an identity or a setting that cannot work,
    /// [`CapacityError::TooLarge`](crate::error::CapacityError::TooLarge) if `tx` cannot hold the handshake.
    pub fn new(config: Config<'a>, storage: Storage<'a>) -> Result<Self, Error> {
        let Storage { tx, slots, inbound } = &storage;
        let limits = Limits { tx: tx.len(), slots: slots.len(), inbound: inbound.len() };
        let mut machine = Machine::new(&config.identity, &config.settings, limits)?;
        machine.add_slots(storage.slots, 0);
        Ok(Self { machine, storage, config })
    }

    fn split(&mut self) -> (&mut Machine, Parts<'_>) {
        let Config { identity, settings } = &self.config;
        (&mut self.machine, Parts { storage: self.storage.reborrow(), identity, settings, inbound_grows: false })
    }

    /// The transport is up: sign in. Begins a new generation: tokens and request ids of earlier connections are
    /// stale, a `Disconnected` not yet taken is dropped, and `now` may be earlier than before.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidState`] unless offline or failed;
    /// [`CapacityError::TooLarge`](crate::error::CapacityError::TooLarge) if CONNECT is larger than its reserve
    /// (see [`Settings::connect_reserve`](crate::Settings::connect_reserve)).
    pub fn connect(&mut self, now: Instant, options: &ConnectOptions<'_>) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.connect(&mut parts, now, options)
    }

    /// Bytes came in. Looks at the front of `input` until there is an event or no whole packet is left.
    ///
    /// # Errors
    ///
    /// A fatal error, when nothing was consumed; see law 6.
    pub fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<Handled<'i>, Error> {
        let (machine, mut parts) = self.split();
        machine.handle_input(&mut parts, now, input)
    }

    /// The next event out of `rx`; `None` when it has no whole packet left. The same as
    /// [`handle_input`](Self::handle_input), with the buffer kept for the driver.
    ///
    /// # Errors
    ///
    /// [`UsageError::RxTooSmall`] if `rx` cannot hold [`Settings::max_packet`](crate::Settings::max_packet) bytes;
    /// else as `handle_input`.
    pub fn poll_event<'r>(&mut self, now: Instant, rx: &'r mut RxBuffer<'_>) -> Result<Option<Event<'r>>, Error> {
        let (capacity, needed) = (rx.capacity(), self.config.settings.max_packet as usize);
        if capacity < needed {
            return Err(UsageError::RxTooSmall { capacity, needed }.into());
        }
        let (mut input, mut consumed) = rx.split();
        loop {
            let handled = self.handle_input(now, input)?;
            consumed.add(handled.consumed);
            input = input.get(handled.consumed..).unwrap_or_default();
            if handled.event.is_some() || handled.consumed == 0 {
                return Ok(handled.event);
            }
        }
    }

    /// Whether an event waits that needs no new bytes.
    #[must_use]
    pub fn has_event(&self) -> bool {
        self.machine.has_event()
    }

    /// The bytes to send next: one packet, or the rest of one. Lent, see law 11.
    #[must_use = "bytes lent are counted as sent in part"]
    pub fn poll_transmit(&mut self) -> Option<&[u8]> {
        let (machine, mut parts) = self.split();
        machine.prepare_transmit(&mut parts);
        self.machine.lent_bytes(self.storage.tx)
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

    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: only bytes or commands change anything.
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
        self.machine.deadline(self.storage.slots, &self.config.settings)
    }

    /// Time has come. Early calls do nothing, late ones are safe.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if a deadline passed that means a dead link; it is repeated until `connect`.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.handle_timeout(&mut parts, now)
    }

    /// The transport is gone, by whatever cause. [`Event::Disconnected`] tells what was known.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadInstant`].
    pub fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.handle_eof(&mut parts, now)
    }

    /// A polite end: nothing new is begun, what is in flight settles (at most
    /// [`Settings::drain_timeout`](crate::Settings::drain_timeout)), then DISCONNECT. A second call does not wait.
    /// It is over at [`Event::Disconnected`]; the caller then closes the transport.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidState`] after a fatal error.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.disconnect(&mut parts, now)
    }

    /// Adds to what is subscribed, on this connection and all later ones. [`Event::Subscribed`] answers, or
    /// [`Event::Ready`] if the connection is not ready yet.
    ///
    /// # Errors
    ///
    /// [`UsageError::WrongIdentity`] for module inputs on a device or messages on a module.
    pub fn subscribe(&mut self, now: Instant, features: Features) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.subscribe(&mut parts, now, features)
    }

    /// Queues a message, in every state.
    ///
    /// # Errors
    ///
    /// [`CapacityError`](crate::error::CapacityError) if memory is short;
    /// [`UsageError::MessageTooLarge`], [`UsageError::TopicTooLong`], [`UsageError::BadText`] for what the hub
    /// would answer by closing the connection.
    pub fn send_telemetry(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error> {
        let (machine, mut parts) = self.split();
        machine.send_telemetry(&mut parts, now, message)
    }

    /// Takes a message back: it is not sent (again), and no acknowledgement is reported.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if it is settled already.
    pub fn telemetry_withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error> {
        let (machine, mut parts) = self.split();
        machine.telemetry_withdraw(&mut parts, now, token)
    }

    /// Accepts a message: its PUBACK leaves when the earlier messages are decided.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if it was decided before or its connection is over.
    pub fn message_accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.settle_message(&mut parts, now, token, Decision::Accepted)
    }

    /// Leaves a message with the hub: no PUBACK, so it comes again on a later connection.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if it was decided before or its connection is over.
    pub fn message_leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.settle_message(&mut parts, now, token, Decision::Left)
    }

    /// Answers a direct method with an HTTP-like status and JSON, or nothing. The hub drops a second answer.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if its connection is over; [`UsageError::MessageTooLarge`] above 128 KiB;
    /// [`CapacityError`](crate::error::CapacityError).
    pub fn method_respond(
        &mut self,
        now: Instant,
        request: &RequestId<'_>,
        status: u16,
        body: &[u8],
    ) -> Result<(), Error> {
        let (machine, mut parts) = self.split();
        machine.method_respond(&mut parts, now, request, status, body)
    }

    /// Asks for the whole twin. It ends in [`Event::TwinDocument`] or [`Event::RequestFailed`].
    ///
    /// # Errors
    ///
    /// [`UsageError::NotSubscribed`] without [`Features::TWIN`]; [`CapacityError`](crate::error::CapacityError).
    pub fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error> {
        let (machine, mut parts) = self.split();
        machine.twin_get(&mut parts, now)
    }

    /// Reports properties: a JSON merge patch. It ends in [`Event::TwinReported`] or [`Event::RequestFailed`].
    ///
    /// # Errors
    ///
    /// [`UsageError::NotSubscribed`] without [`Features::TWIN`]; with the feature `json`,
    /// [`UsageError::BadPatch`] for what breaks a rule of twins; [`CapacityError`](crate::error::CapacityError).
    pub fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error> {
        let (machine, mut parts) = self.split();
        machine.twin_report(&mut parts, now, patch)
    }

    /// Where the connection is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.machine.state()
    }

    /// What is not settled.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.machine.pending(self.storage.slots)
    }

    /// Telemetry not acknowledged, oldest first.
    #[must_use]
    pub fn unacked(&self) -> Unacked<'_> {
        Unacked::new(&self.machine, self.storage.slots)
    }

    /// Bytes of the largest packet that fits now.
    #[must_use]
    pub fn tx_free(&self) -> usize {
        self.machine.tx_free(self.storage.slots, self.storage.tx.len())
    }

    /// Acknowledgements and answers that matched nothing since the client was made: a confused peer, or late
    /// answers to what was given up.
    #[must_use]
    pub const fn strays(&self) -> u32 {
        self.machine.strays()
    }

    /// What it was made with.
    #[must_use]
    pub const fn config(&self) -> &Config<'a> {
        &self.config
    }
}
