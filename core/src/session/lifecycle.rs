//! How a connection begins, and what its end does to everything in flight.

use super::ending::Ending;
use super::state::{self, Command, State, Trigger};
use super::timer::Mark;
use super::transmit::{Lend, Lent, Ping};
use super::{DisconnectReason, Ended, Fatal, POISON_CUTS, Session};
use crate::config::{INBOUND, Settings, TWIN};
use crate::error::{TimeoutReason, UsageError};
use crate::storage::{Flags, Slot, SlotKind, Storage, Ticket};
use crate::time::Instant;
use core::ops::Range;

impl Session {
    /// Whether the application may call `command` now.
    pub(crate) fn check(&self, command: Command) -> Result<(), UsageError> {
        if state::permits(self.state, command) { Ok(()) } else { Err(UsageError::InvalidState) }
    }

    /// Begins a connection with the CONNECT that stands in the reserve. `now` rebases the clock.
    pub(crate) fn begin(&mut self, storage: &mut Storage<'_>, now: Instant, connect: Range<u32>, clean: bool) {
        // An earlier one than the last sets the clock back: what is kept for this connection moves with it.
        self.tick(storage.slots, now);
        self.rebase(storage.slots, now);
        self.transition(Trigger::Connect);
        self.timers.mark(Mark::LastOut, self.now);
        self.timers.mark(Mark::LastIn, self.now);
        // 0 is no connection: the tokens of its messages would be the number that stands for none in C.
        self.generation = self.generation.wrapping_add(1).max(1);
        self.error = None;
        self.ending = None;
        self.connect = connect;
        self.clean = clean;
        self.last_sent = None;
        self.acked = false;
    }

    /// CONNACK with code 0. Without the hub's session, nothing was delivered before: copies are no duplicates.
    pub(crate) fn accept(&mut self, slots: &mut [Slot], session_present: bool) {
        self.transition(Trigger::Accepted);
        self.timers.disarm(TimeoutReason::Connack);
        if !session_present {
            let mut next = self.telemetry.first();
            while let Some(slot) = slots.get_mut(usize::from(next)) {
                slot.flags = slot.flags.without(Flags::DUP);
                next = self.telemetry.after(slots, next);
            }
        }
    }

    /// SUBACK came, or there was nothing to subscribe. `true` if the connection is ready by that.
    pub(crate) fn subscribed(&mut self) -> bool {
        let first = self.state == State::Subscribing;
        self.transition(Trigger::Subscribed);
        if first {
            self.timers.mark(Mark::Ready, self.now);
        }
        first
    }

    /// The application wants a polite end.
    pub(crate) fn disconnect(&mut self, storage: &mut Storage<'_>, settings: &Settings) {
        match self.state {
            State::Connecting => self.end(storage, Trigger::Disconnect),
            State::Subscribing | State::Ready => {
                self.transition(Trigger::Disconnect);
                self.arm_after(TimeoutReason::Drain, settings.drain_timeout);
            }
            State::Draining => self.begin_close(settings),
            State::Offline | State::Closing | State::Failed => {}
        }
    }

    /// A deadline of MQTT's own has passed.
    pub(crate) fn timeout(&mut self, storage: &mut Storage<'_>, settings: &Settings, reason: TimeoutReason) {
        match reason {
            TimeoutReason::Connack
            | TimeoutReason::Suback
            | TimeoutReason::Pingresp
            | TimeoutReason::Puback
            | TimeoutReason::Send => self.fail(storage, Fatal::TimedOut(self.stalled_by(reason))),
            TimeoutReason::KeepAlive => self.ping = Ping::Due,
            TimeoutReason::Request if TWIN => self.expire(storage.slots),
            TimeoutReason::Drain => self.begin_close(settings),
            TimeoutReason::Close => self.finish_close(storage),
            // Those of the session's user.
            TimeoutReason::TwinSync
            | TimeoutReason::TwinRefetch
            | TimeoutReason::Credential
            | TimeoutReason::Poll
            | TimeoutReason::Registration
            | TimeoutReason::Request
            // Another name for `Send`.
            | TimeoutReason::Supply => {}
        }
    }

    /// The twin request whose deadline is first has waited too long.
    fn expire(&mut self, slots: &mut [Slot]) {
        let index = self.waiting.first();
        let Some(slot) = slots.get(usize::from(index)) else { return };
        let lent = slot.flags.has(Flags::LENT);
        self.flag(slots, index, Flags::EXPIRED);
        if lent {
            self.asked = self.asked.wrapping_sub(1);
        } else {
            self.requests.remove(slots, index);
            self.arena.release(slots, index);
        }
    }

    /// Puts a twin request that ended without an answer where the application will be told of it.
    fn flag(&mut self, slots: &mut [Slot], index: u16, why: Flags) {
        self.waiting.remove(slots, index);
        self.flagged.push(slots, index);
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            slot.flags = slot.flags.with(why);
        }
    }

    /// Takes the oldest twin request that ended without an answer, and whether its connection was lost.
    pub(crate) fn pop_flagged(&mut self, slots: &mut [Slot]) -> Option<(Ticket, bool)> {
        let index = self.flagged.pop(slots);
        let slot = slots.get_mut(usize::from(index))?;
        let told = (Ticket { slot: index, generation: slot.generation }, slot.flags.has(Flags::LOST));
        if self.lend.is_slot(index) {
            slot.flags = slot.flags.with(Flags::DONE);
        } else {
            self.free_slot(slots, index);
        }
        Some(told)
    }

    pub(crate) fn has_flagged(&self) -> bool {
        TWIN && !self.flagged.is_empty()
    }

    /// A response to the twin request `ticket` came: what kind it is; `None` if none is open under that name.
    pub(crate) fn answered(&mut self, slots: &mut [Slot], ticket: Ticket) -> Option<SlotKind> {
        let index = ticket.slot;
        let kind = self.open_request(slots, ticket)?;
        self.waiting.remove(slots, index);
        self.asked = self.asked.wrapping_sub(1);
        if self.lend.is_slot(index) {
            // Answered before its last byte was confirmed: the bytes stay until they are (law 11).
            if let Some(slot) = slots.get_mut(usize::from(index)) {
                slot.flags = slot.flags.with(Flags::DONE);
            }
        } else {
            self.free_slot(slots, index);
        }
        Some(kind)
    }

    /// What kind of twin request is open under this name.
    fn open_request(&self, slots: &[Slot], ticket: Ticket) -> Option<SlotKind> {
        let slot = self.find(slots, ticket)?;
        let open = matches!(slot.kind, SlotKind::TwinGet | SlotKind::TwinReport)
            && slot.flags.has(Flags::LENT)
            && !slot.flags.has(Flags::LOST.with(Flags::EXPIRED));
        open.then_some(slot.kind)
    }

    /// A piece of the response to `ticket` came: there is `timeout` for the next one. `false` if no request of
    /// this kind is open under that name.
    #[cfg(feature = "stream")]
    pub(crate) fn await_more(
        &mut self,
        slots: &mut [Slot],
        ticket: Ticket,
        kind: SlotKind,
        timeout: crate::time::Duration,
    ) -> bool {
        let open = self.open_request(slots, ticket) == Some(kind);
        if open {
            self.waiting.remove(slots, ticket.slot);
            self.await_answer(slots, ticket.slot, timeout);
        }
        open
    }

    /// A direct method was handed to the application, or answered.
    pub(crate) const fn method_delivered(&mut self) {
        self.methods = self.methods.saturating_add(1);
    }

    pub(crate) const fn method_answered(&mut self) {
        self.methods = self.methods.saturating_sub(1);
    }

    /// DISCONNECT is sent, or was waited for long enough.
    pub(super) fn finish_close(&mut self, storage: &mut Storage<'_>) {
        self.end(storage, Trigger::Closed);
    }

    /// The transport is gone.
    pub(crate) fn eof(&mut self, storage: &mut Storage<'_>) {
        if self.state.has_connection() {
            self.end(storage, Trigger::Eof);
        }
    }

    /// The peer or a deadline ended the connection for good.
    pub(crate) fn fail(&mut self, storage: &mut Storage<'_>, error: Fatal) {
        if state::next(self.state, Trigger::Fatal).is_some() {
            self.error = Some(error);
            self.end(storage, Trigger::Fatal);
        }
    }

    /// Takes what the application is to be told of the connection's end.
    pub(crate) fn take_ended(&mut self) -> Option<Ended> {
        let Ending { requested, suspect, ready_for } = self.ending.take()?;
        let reason = match self.error() {
            Some(error) => DisconnectReason::Failed(error),
            None if requested => DisconnectReason::Requested,
            None => DisconnectReason::TransportClosed,
        };
        Some(Ended { reason, last_sent: self.last_sent, suspect, ready_for })
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// The one way a connection ends. What law 4 keeps is kept.
    fn end(&mut self, storage: &mut Storage<'_>, trigger: Trigger) {
        let requested = self.state == State::Closing || trigger == Trigger::Disconnect;
        // An application that does not supply says nothing about the hub.
        let own = cfg!(feature = "stream") && self.error == Some(Fatal::TimedOut(TimeoutReason::Supply));
        if !requested && !own && self.in_flight > 0 && !self.acked {
            self.cuts = self.cuts.saturating_add(1);
            self.careful |= self.cuts >= POISON_CUTS;
        }
        let suspect = self.suspect(storage.slots);
        let ready_for = self.now.since(self.timers.when(Mark::Ready));
        self.ending = Some(Ending { requested, suspect, ready_for });
        self.wipe_connect(storage);
        self.transition(trigger);
        self.end_supply();
        let half_sent = core::mem::replace(&mut self.lend, Lend::NOTHING).slot();
        self.end_lend(storage.slots, half_sent);
        self.cut_telemetry(storage.slots);
        if INBOUND {
            self.cut_answers(storage.slots);
        }
        if TWIN {
            self.cut_requests(storage.slots);
        }
        self.window.clear();
        self.timers = super::Timers::new();
        self.ping = Ping::Idle;
        self.connect = 0..0;
        self.subscribing = 0;
        self.wants_subscribe = false;
        self.wants_request = false;
        self.skip = super::Skip::None;
        self.awaited = 0;
        self.in_flight = 0;
        self.awaiting = 0;
        self.asked = 0;
        self.methods = 0;
    }

    /// Overwrites a CONNECT that was not sent whole: the password is in it.
    pub(crate) fn wipe_connect(&self, storage: &mut Storage<'_>) {
        if self.lend.is(Lent::Connect) || !self.connect.is_empty() {
            self.wipe_reserve(storage);
        }
    }

    /// The message the hub may be closing the link for.
    fn suspect(&self, slots: &[Slot]) -> Option<(Ticket, u8)> {
        let oldest = self.telemetry.first();
        let slot = slots.get(usize::from(oldest)).filter(|_| self.cuts >= POISON_CUTS)?;
        if slot.kind != SlotKind::Telemetry1 || !slot.flags.has(Flags::LENT) || slot.flags.has(Flags::WITHDRAWN) {
            return None;
        }
        Some((Ticket { slot: oldest, generation: slot.generation }, self.cuts))
    }

    /// Unacknowledged QoS 1 is kept, to go out again first. What was lent is before what was not; of QoS 0, which may
    /// be lost, it is gone already.
    fn cut_telemetry(&mut self, slots: &mut [Slot]) {
        let mut next = self.telemetry.first();
        while let Some(slot) = slots.get_mut(usize::from(next)).filter(|slot| slot.flags.has(Flags::LENT)) {
            let (index, withdrawn) = (next, slot.flags.has(Flags::WITHDRAWN));
            slot.flags = Flags::DUP.with(Flags::EARLIER);
            next = self.telemetry.after(slots, index);
            if withdrawn {
                self.forget_telemetry(slots, index);
            }
        }
        self.unsent = self.telemetry.first();
    }

    /// A method's request id means nothing on another connection.
    fn cut_answers(&mut self, slots: &mut [Slot]) {
        while !self.answers.is_empty() {
            let index = self.answers.pop(slots);
            self.free_slot(slots, index);
        }
    }

    /// A twin request of which a byte was lent is over: sent again, an old patch could overtake a newer one.
    fn cut_requests(&mut self, slots: &mut [Slot]) {
        let mut next = self.waiting.first();
        while let Some(slot) = slots.get(usize::from(next)) {
            let (index, lent) = (next, slot.flags.has(Flags::LENT));
            next = self.waiting.after(slots, index);
            if lent {
                self.flag(slots, index, Flags::LOST);
            }
        }
    }
}
