//! MQTT 3.1.1 rules over packets, for one client. No topic has a meaning here.
//!
//! * `state`: every state, transition and permission.
//! * `timer`: deadlines.
//! * `queue`: what the application wants sent, encoded once and kept until settled.
//! * `transmit`: which packet leaves next, and what follows from its last byte being sent.
//! * `supply`: a payload that the application supplies in parts (feature `stream`).
//! * `receive`: one inbound packet, checked and sorted.
//! * `oversize`: a PUBLISH larger than the receive buffer.
//! * `lifecycle`: how a connection begins and what its end does to everything in flight.
//! * `grow` (feature `alloc`): memory that comes and goes under a living session.

mod ending;
#[cfg(feature = "alloc")]
mod grow;
mod lifecycle;
mod oversize;
mod queue;
mod receive;
pub(crate) mod state;
#[cfg_attr(not(feature = "stream"), path = "no_supply.rs")]
mod supply;
mod timer;
mod transmit;

pub use ending::{DisconnectReason, LastSent};
pub(crate) use ending::{Ended, Fatal};
pub use queue::Withdrawn;
pub(crate) use queue::{Body, Ident};
pub(crate) use receive::{Incoming, Look, Step};
pub use state::State;
#[cfg(feature = "stream")]
pub(crate) use supply::Wish;
pub(crate) use transmit::{Lane, Lent};

use crate::config::{Settings, TWIN};
use crate::error::{Error, TimeoutReason};
use crate::storage::arena::Arena;
use crate::storage::list::{List, NONE, QUEUE, WAIT};
use crate::storage::window::Window;
use crate::storage::{Slot, Storage};
use crate::time::{Duration, Instant, Moment};
use core::ops::Range;
use ending::Ending;
use oversize::Skip;
use queue::slot_mask;
use state::Trigger;
use supply::Supply;
use timer::{Mark, Timers};
use transmit::{Control, Lend, Ping};

/// The packet id of every SUBSCRIBE: one is outstanding at a time, and no slot has this id.
pub(crate) const SUBSCRIBE_ID: u16 = u16::MAX;

/// Where the base moves along: timeouts of up to 24 days are exact.
const REBASE_AT: Moment = Moment::START.after(Duration::from_millis(1 << 31));

/// Consecutive connections cut with a PUBLISH lent and no PUBACK after which messages go out one at a time:
/// the hub closes the link instead of refusing a publish.
const POISON_CUTS: u8 = 2;

/// The MQTT session: everything but the caller's memory and the meaning of topics.
///
/// Flags and counters stand first: on a Cortex-M the short instructions reach 32 bytes, or 32 halfwords, from the start.
#[derive(Debug)]
#[repr(C)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Session {
    state: State,
    ping: Ping,
    /// Filters in the outstanding SUBSCRIBE; 0: none is outstanding.
    subscribing: u8,
    /// The client wants a SUBSCRIBE, or a request of its own, sent: the GET of twin synchronisation, or what a
    /// registration asks.
    pub(crate) wants_subscribe: bool,
    pub(crate) wants_request: bool,
    /// Consecutive cuts with a PUBLISH lent and no PUBACK, as far as they speak against the oldest message.
    cuts: u8,
    /// There were [`POISON_CUTS`] of them: messages go out one at a time until a PUBACK.
    careful: bool,
    /// A PUBACK came on this connection.
    acked: bool,
    clean: bool,
    last_sent: Option<LastSent>,

    /// Counts connections: what belongs to an earlier one is stale.
    generation: u16,
    /// QoS 1 messages lent on this connection and not acknowledged; of these, sent whole.
    in_flight: u16,
    awaiting: u16,
    /// Twin requests lent and not ended.
    asked: u16,
    /// Direct methods delivered and not answered.
    methods: u16,
    /// The oldest telemetry not lent on this connection.
    unsent: u16,
    /// Which bits of a packet id tell its slot: see [`slot_mask`].
    slot_mask: u16,
    pub(crate) window: Window,

    /// Slots not in use, longest unused first, so that ids come back as late as possible.
    free: List<QUEUE>,
    /// Telemetry by age: sent and unacknowledged first, then unsent.
    telemetry: List<QUEUE>,
    /// Method answers and twin requests not yet sent, by age.
    answers: List<QUEUE>,
    requests: List<QUEUE>,
    /// Twin requests by deadline.
    waiting: List<WAIT>,
    /// Twin requests that ended without an answer and wait for the application to be told.
    flagged: List<WAIT>,
    arena: Arena,

    /// Whose packet is lent next, as [`settle`](Self::settle) found after the latest call that could change it.
    turn: Option<Lane>,
    lend: Lend,
    supply: Supply,
    /// A CONNECT in the reserve that is not lent yet.
    connect: Range<u32>,
    skip: Skip,
    /// Bytes that the packet at the front of the input has, which are not all there; 0: that is not known.
    awaited: u32,
    /// Acknowledgements that matched nothing. They do no harm, but tell of a confused peer.
    stray: u32,
    /// The fatal error that is repeated until `connect`.
    error: Option<Fatal>,

    /// The latest `now`; an earlier one counts as this. Before `base`, whose alignment would leave a gap there.
    now: Moment,
    /// Where moments count from: the latest `connect`, or later.
    base: Instant,
    timers: Timers,
    ending: Option<Ending>,
    control: Control,
}

impl Session {
    /// A session in `storage`, whose first `reserve` bytes of `tx` are for the handshake.
    pub(crate) fn new(reserve: u32, slots: &mut [Slot]) -> Self {
        let mut free = List::EMPTY;
        slots.fill(Slot::EMPTY);
        for index in (0..NONE).take(slots.len()) {
            free.push(slots, index);
        }
        Self {
            state: State::Offline,
            error: None,
            generation: 0,
            base: Instant::ZERO,
            now: Moment::START,
            timers: Timers::new(),
            arena: Arena::new(reserve),
            free,
            telemetry: List::EMPTY,
            unsent: NONE,
            answers: List::EMPTY,
            requests: List::EMPTY,
            waiting: List::EMPTY,
            flagged: List::EMPTY,
            slot_mask: slot_mask(u16::try_from(slots.len()).unwrap_or(NONE)),
            in_flight: 0,
            awaiting: 0,
            asked: 0,
            methods: 0,
            turn: None,
            lend: Lend::NOTHING,
            supply: Supply::NONE,
            control: Control::EMPTY,
            ping: Ping::Idle,
            connect: 0..0,
            subscribing: 0,
            wants_subscribe: false,
            wants_request: false,
            window: Window::default(),
            skip: Skip::None,
            awaited: 0,
            cuts: 0,
            careful: false,
            acked: false,
            clean: false,
            last_sent: None,
            ending: None,
            stray: 0,
        }
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) fn error(&self) -> Option<Error> {
        self.error.map(Error::from)
    }

    pub(crate) const fn generation(&self) -> u16 {
        self.generation
    }

    pub(crate) const fn strays(&self) -> u32 {
        self.stray
    }

    /// An answer came that matched nothing.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) const fn count_stray(&mut self) {
        self.stray = self.stray.saturating_add(1);
    }

    pub(crate) fn is_armed(&self, reason: TimeoutReason) -> bool {
        self.timers.is_armed(reason)
    }

    /// Takes the caller's `now`: an earlier one counts as the latest. `None` if it is no instant a caller may pass.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn tick(&mut self, slots: &mut [Slot], now: Instant) -> Option<()> {
        if now > Instant::MAX {
            return None;
        }
        self.now = self.now.max(Moment::START.after(now.since(self.base)));
        if self.now > REBASE_AT {
            self.rebase(slots, now);
        }
        Some(())
    }

    pub(crate) const fn now(&self) -> Instant {
        self.base.after(self.now.since_start())
    }

    /// Counts moments from `base`, which is now. What is past is past all the same.
    fn rebase(&mut self, slots: &mut [Slot], base: Instant) {
        let span = self.now.since_start();
        let mut next = if TWIN { self.waiting.first() } else { NONE };
        while let Some(slot) = slots.get_mut(usize::from(next)) {
            slot.deadline = slot.deadline.rebased(span);
            next = self.waiting.after(slots, next);
        }
        self.timers.rebase(span);
        self.now = Moment::START;
        self.base = base;
    }

    /// The next deadline and its reason.
    fn due(&self, slots: &[Slot], settings: &Settings) -> Option<(Moment, TimeoutReason)> {
        let (mut at, mut reason) = self.timers.next();
        if TWIN
            && let Some(slot) = slots.get(usize::from(self.waiting.first()))
            && slot.deadline < at
        {
            (at, reason) = (slot.deadline, TimeoutReason::Request);
        }
        if let Some(ping) = self.ping_due(settings)
            && ping < at
        {
            (at, reason) = (ping, TimeoutReason::KeepAlive);
        }
        at.is_set().then_some((at, reason))
    }

    /// As [`due`](Self::due), on the caller's clock.
    pub(crate) fn deadline(&self, slots: &[Slot], settings: &Settings) -> Option<(Instant, TimeoutReason)> {
        self.due(slots, settings).map(|(at, reason)| (self.base.after(at.since_start()), reason))
    }

    /// When a PINGREQ is due (MQTT 3.1.1 §3.1.2.10): by outbound silence, so that inbound traffic cannot
    /// postpone it, and by inbound silence, so that a half-open link is found while the device talks.
    fn ping_due(&self, settings: &Settings) -> Option<Moment> {
        // A PINGREQ that was answered before its last byte was confirmed has not counted as sent yet.
        let pinging = self.ping != Ping::Idle || self.lend.is(Lent::Control);
        if settings.keep_alive == 0 || !self.state.is_connected() || pinging {
            return None;
        }
        let interval = Duration::from_secs(u32::from(settings.keep_alive));
        let (out, inbound) = (self.timers.when(Mark::LastOut), self.timers.when(Mark::LastIn));
        Some(out.after(interval.three_quarters()).min(inbound.after(interval)))
    }

    /// Takes the earliest deadline that has passed, disarmed.
    pub(crate) fn pop_due(&mut self, storage: &Storage<'_>, settings: &Settings) -> Option<TimeoutReason> {
        let (at, reason) = self.due(storage.slots, settings)?;
        if at > self.now {
            return None;
        }
        self.timers.disarm(reason);
        Some(reason)
    }

    /// Sets the deadline `span` from now.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn arm_after(&mut self, reason: TimeoutReason, span: Duration) {
        self.timers.arm(reason, self.now.after(span));
    }

    pub(crate) fn disarm(&mut self, reason: TimeoutReason) {
        self.timers.disarm(reason);
    }

    /// Moves by `trigger`, if it belongs to the present state.
    fn transition(&mut self, trigger: Trigger) -> bool {
        match state::next(self.state, trigger) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// After every call that may change what is to be sent: a drain that is over ends, it is decided whose turn to leave
    /// it is, and the watch over stalled sending is set or taken off.
    pub(crate) fn settle(&mut self, storage: &Storage<'_>, settings: &Settings) {
        if self.state == State::Draining && self.is_drained(storage) {
            self.begin_close(settings);
        }
        if !self.lend.is_some() {
            self.turn = self.next_lane(storage, settings);
            if self.turn.is_none() {
                self.timers.disarm(TimeoutReason::Send);
                return;
            }
        }
        if !self.timers.is_armed(TimeoutReason::Send) && self.state != State::Closing {
            self.arm_after(TimeoutReason::Send, settings.send_timeout);
        }
    }
}

#[cfg(test)]
mod tests;
