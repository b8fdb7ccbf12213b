//! IoT Hub's meaning over MQTT: [`Client`], one device or module.
//!
//! The driver's verbs are here, the application's in `commands`; what they do is in the machine's files, by
//! feature. [`inbound`] is the only place where a packet gets a meaning.

mod commands;
#[cfg(feature = "alloc")]
mod grow;
mod inbound;
mod lifecycle;
mod machine;
mod message;
mod method;
mod outbound;
#[cfg_attr(not(feature = "stream"), path = "no_stream.rs")]
mod stream;
mod telemetry;
#[cfg_attr(not(feature = "twin"), path = "no_twin.rs")]
mod twin;
mod unacked;

pub use inbound::Handled;
pub use machine::Pending;
pub use unacked::Unacked;

use crate::config::{Config, ConnectOptions};
use crate::error::{Error, TimeoutReason, UsageError};
use crate::event::{Event, TelemetryToken};
use crate::session::state::State;
use crate::storage::{RxBuffer, Storage};
use crate::time::Instant;
use core::mem::MaybeUninit;
pub(crate) use machine::{Limits, Machine, Parts};

/// A device or module: bytes and time in, bytes and events out.
///
/// It opens no socket, reads no clock and starts no thread. A driver moves bytes between it and a transport, and after
/// anything does this:
///
/// 1. feed input ([`handle_input`](Self::handle_input), or [`poll_event`](Self::poll_event) with a buffer) until
///    there is no event and nothing is consumed, and while [`has_event`](Self::has_event);
/// 2. send ([`poll_transmit`](Self::poll_transmit), [`confirm_transmit`](Self::confirm_transmit)) until there
///    is nothing or the socket is full;
/// 3. begin again if `has_event`; else sleep until input, room to send, or [`poll_timeout`](Self::poll_timeout),
///    at which [`handle_timeout`](Self::handle_timeout) is called.
///
/// # The laws
///
/// 1. An event borrows the caller's input and nothing else. Every call is legal while an event is alive: a
///    method can be answered inside the match arm.
/// 2. One call makes at most one event, and its work is bounded by the input's length plus the number of slots.
///    What comes from time or from a lost connection is a flag, so no event queue can overflow: `has_event` says
///    that one waits, `handle_input(now, &[])` takes it, in every state. Order: a stream's end, ended requests by
///    age, then what the state brings, then `Disconnected`, then the sticky error.
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
/// 8. Split the input anywhere and the events are the same; so is what the pieces of a stream make together.
/// 9. No panic, no recursion, no unbounded loop, no allocation. Hostile bytes end in a typed error, or are
///    skipped as MQTT says.
/// 10. Secrets are never printed; the password is overwritten when CONNECT is confirmed.
/// 11. What `poll_transmit` lends is frozen, same bytes in the same place, until it is confirmed or the
///     connection ends. Confirming more than was lent is a usage error.
/// 12. Control never waits for memory that the application can fill: PUBACK, PINGREQ and DISCONNECT are written
///     from state, and the handshake has a reserve. Only a message it supplies in parts it holds up, for a while.
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
#[repr(C)] // The machine first: see `Session`.
pub struct Client<'a> {
    machine: Machine,
    parts: Parts<'a>,
}

impl<'a> Client<'a> {
    /// A client in the caller's memory, offline. The texts in `config` live as long as it does.
    ///
    /// # Errors
    ///
    /// [`UsageError`] for an identity or a setting that cannot work,
    /// [`CapacityError::TooLarge`](crate::error::CapacityError::TooLarge) if `tx` cannot hold the handshake.
    pub fn new(config: Config<'a>, storage: Storage<'a>) -> Result<Self, Error> {
        let reserve = Machine::check(&config.identity, &config.settings, Limits::of(&storage))?;
        Ok(Self {
            machine: Machine::new(reserve, config.settings.features, storage.slots),
            parts: Parts::new(storage, config),
        })
    }

    /// As [`new`](Self::new), in `place`: a client has some 600 bytes, which a small device does not want on its stack.
    ///
    /// ```
    /// # use iothub_proto::{Client, Config, error::Error, Inbound, Slot, Storage, auth::Identity};
    /// use core::mem::MaybeUninit;
    /// # let (mut tx, mut slots, mut inbound) = ([0; 1024], [Slot::EMPTY; 4], [Inbound::EMPTY; 4]);
    /// # let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    /// let mut place = MaybeUninit::uninit();
    /// let config = Config::new(Identity::device("contoso.azure-devices.net", "dev1"));
    /// let client: &mut Client<'_> = Client::new_in(&mut place, config, storage)?;
    /// # let _ = client;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of `new`.
    pub fn new_in<'p>(
        place: &'p mut MaybeUninit<Self>,
        config: Config<'a>,
        storage: Storage<'a>,
    ) -> Result<&'p mut Self, Error> {
        let parts = Parts::new(storage, config);
        let Parts { storage, config: Config { identity, settings }, .. } = &parts;
        let reserve = Machine::check(identity, settings, Limits::of(storage))?;
        Ok(Self::put(place, reserve, parts))
    }

    #[cfg_attr(target_os = "none", inline(never))] // Apart from the check, so that their stacks do not add up.
    fn put<'p>(place: &'p mut MaybeUninit<Self>, reserve: u32, parts: Parts<'a>) -> &'p mut Self {
        let features = parts.config.settings.features;
        place.write(Self { machine: Machine::new(reserve, features, parts.storage.slots), parts })
    }

    /// The transport is up: sign in. Begins a new generation: tokens and request ids of earlier connections are
    /// stale, a `Disconnected` not yet taken is dropped, and `now` may be earlier than before. Input of an earlier
    /// connection that was not consumed is for the caller to drop.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidState`] unless offline or failed;
    /// [`CapacityError::TooLarge`](crate::error::CapacityError::TooLarge) if CONNECT is larger than its reserve
    /// (see [`Settings::connect_reserve`](crate::Settings::connect_reserve)).
    pub fn connect(&mut self, now: Instant, options: &ConnectOptions<'_>) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.connect(parts, now, options)
    }

    /// Bytes came in. Looks at the front of `input` until there is an event or no whole packet is left.
    ///
    /// # Errors
    ///
    /// A fatal error, when nothing was consumed; see law 6.
    pub fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<Handled<'i>, Error> {
        let mut handled = Handled { consumed: 0, needed: 0, event: None };
        self.handle_input_in(now, input, &mut handled)?;
        Ok(handled)
    }

    /// As [`handle_input`](Self::handle_input), in place, as an event is large to move on a small device. `handled` is
    /// given with zeros and no event.
    ///
    /// # Errors
    ///
    /// As of `handle_input`.
    pub fn handle_input_in<'i>(
        &mut self,
        now: Instant,
        input: &'i [u8],
        handled: &mut Handled<'i>,
    ) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.handle_input(parts, now, input, handled)
    }

    /// The next event out of `rx`; `None` when it has no whole packet left. The same as
    /// [`handle_input`](Self::handle_input), with the buffer kept for the driver. With `Disconnected` and with a
    /// fatal error the buffer is cleared.
    ///
    /// # Errors
    ///
    /// [`UsageError::RxTooSmall`] if `rx` cannot hold [`Settings::max_packet`](crate::Settings::max_packet) bytes;
    /// else as `handle_input`.
    pub fn poll_event<'r>(&mut self, now: Instant, rx: &'r mut RxBuffer<'_>) -> Result<Option<Event<'r>>, Error> {
        let mut handled = Handled { consumed: 0, needed: 0, event: None };
        self.poll_event_in(now, rx, &mut handled)?;
        // Not moved where there is none, as for most pieces of a packet.
        if handled.event.is_none() { Ok(None) } else { Ok(handled.event) }
    }

    /// As [`poll_event`](Self::poll_event), in place: see [`handle_input_in`](Self::handle_input_in). What `handled`
    /// says besides the event is of the last packet looked at, and done already.
    ///
    /// # Errors
    ///
    /// As of `poll_event`.
    pub fn poll_event_in<'r>(
        &mut self,
        now: Instant,
        rx: &'r mut RxBuffer<'_>,
        handled: &mut Handled<'r>,
    ) -> Result<(), Error> {
        let (capacity, needed) = (rx.capacity(), self.parts.config.settings.max_packet as usize);
        if capacity < needed {
            return Err(UsageError::RxTooSmall { capacity, needed }.into());
        }
        let (mut input, mut consumed) = rx.split();
        loop {
            handled.consumed = 0;
            let outcome = self.handle_input_in(now, input, handled);
            if !self.state().has_connection() {
                // What is left came on a connection that is over, and would be taken for the next one's.
                consumed.add(input.len());
            }
            outcome?;
            if handled.consumed == 0 {
                return Ok(());
            }
            consumed.add(handled.consumed);
            if handled.event.is_some() {
                return Ok(());
            }
            input = input.get(handled.consumed..).unwrap_or_default();
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
        let Self { machine, parts } = self;
        machine.prepare_transmit(parts);
        self.machine.lent_bytes(self.parts.storage.tx)
    }

    /// The first `count` of the bytes lent were sent. A lend ends with its connection: a transfer that completes after
    /// that is not confirmed any more.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadConfirm`] if that is more than was lent.
    pub fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.confirm_transmit(parts, now, count)
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
        self.machine.deadline(self.parts.storage.slots, &self.parts.config.settings)
    }

    /// Time has come. Early calls do nothing, late ones are safe.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if a deadline passed that means a dead link; it is repeated until `connect`.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.handle_timeout(parts, now)
    }

    /// The transport is gone, by whatever cause. [`Event::Disconnected`] tells what was known.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadInstant`].
    pub fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.handle_eof(parts, now)
    }

    /// A polite end: nothing new is begun, what is in flight settles (at most
    /// [`Settings::drain_timeout`](crate::Settings::drain_timeout)), then DISCONNECT. A second call does not wait.
    /// It is over at [`Event::Disconnected`]; the caller then closes the transport.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidState`] after a fatal error.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.disconnect(parts, now)
    }

    /// Where the connection is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.machine.state()
    }

    /// What is not settled.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.machine.pending(self.parts.storage.slots)
    }

    /// Whether a byte of a message has left, so that the hub may have it: what
    /// [`telemetry_withdraw`](Self::telemetry_withdraw) would answer, without doing it.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if it is settled already.
    pub fn telemetry_sent(&self, token: TelemetryToken) -> Result<bool, UsageError> {
        self.machine.telemetry_sent(self.parts.storage.slots, token)
    }

    /// QoS 1 telemetry not acknowledged, sent or not, oldest first.
    #[must_use]
    pub fn unacked(&self) -> Unacked<'_> {
        Unacked::new(&self.machine, self.parts.storage.slots)
    }

    /// Bytes of the largest packet that fits now.
    #[must_use]
    pub fn tx_free(&self) -> usize {
        self.machine.tx_free(self.parts.storage.slots, self.parts.storage.tx.len())
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
        &self.parts.config
    }
}

/// A CONNECT that was not sent leaves no password behind (law 10).
impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.machine.forget_password(&mut self.parts.storage);
    }
}

#[cfg(all(test, feature = "twin"))]
mod tests;
