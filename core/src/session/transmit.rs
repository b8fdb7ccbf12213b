//! Which packet leaves next, and what follows from its last byte being sent.
//!
//! One packet is lent at a time, and lanes change at packet boundaries only: the handshake; PUBACK and PINGREQ;
//! method answers, then twin requests; telemetry, oldest first. Control packets are written from state when
//! their turn comes, so they need no memory that the application could fill (law 12).

use super::state::{State, Trigger};
use super::timer::Mark;
use super::{LastSent, Session};
use crate::config::{INBOUND, Settings, TWIN};
use crate::error::{TimeoutReason, UsageError};
use crate::packet::{self, publish};
use crate::storage::list::NONE;
use crate::storage::{Flags, Slot, SlotKind, Storage};
use crate::wire::copy;
use core::ops::Range;
use zeroize::Zeroize;

/// Bytes of a PUBACK.
const PUBACK_LEN: usize = 4;

/// Acknowledgements lent together: six PUBACKs.
const CONTROL: usize = 6 * PUBACK_LEN;

/// The control packet, or several acknowledgements, being lent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    bytes: [u8; CONTROL],
    len: u8,
}

impl Control {
    pub(super) const EMPTY: Self = Self { bytes: [0; CONTROL], len: 0 };

    fn put(&mut self, packet: &[u8]) {
        let start = usize::from(self.len);
        if let Some(to) = self.bytes.get_mut(start..).and_then(|rest| rest.get_mut(..packet.len())) {
            copy(to, packet);
            // It is in the array.
            self.len = self.len.wrapping_add(packet.len() as u8);
        }
    }

    fn has_room(&self) -> bool {
        usize::from(self.len) <= CONTROL - PUBACK_LEN
    }
}

/// The one PINGREQ there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ping {
    Idle,
    /// Its time has come; it leaves at the next packet boundary.
    Due,
    /// Lent, and not answered: only PINGRESP clears it.
    Outstanding,
}

/// What is lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lent {
    Nothing,
    Connect,
    Subscribe,
    Request,
    Control,
    Disconnect,
    Slot(u16),
}

/// The packet being lent, and where its bytes are that were not confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lend {
    what: Lent,
    start: u32,
    end: u32,
}

impl Lend {
    pub(super) const NOTHING: Self = Self { what: Lent::Nothing, start: 0, end: 0 };

    pub(super) fn is_some(&self) -> bool {
        self.what != Lent::Nothing
    }

    pub(super) fn is(&self, what: Lent) -> bool {
        self.what == what
    }

    /// All of its bytes so far were confirmed.
    #[cfg(feature = "stream")]
    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Its next bytes are here.
    #[cfg(feature = "stream")]
    pub(super) const fn restart(&mut self, start: u32, end: u32) {
        self.start = start;
        self.end = end;
    }

    pub(super) fn is_slot(&self, index: u16) -> bool {
        self.what == Lent::Slot(index)
    }

    /// Its packet was moved.
    #[cfg(feature = "alloc")]
    pub(super) const fn moved(&mut self, from: u32, to: u32) {
        self.start = self.start.wrapping_sub(from).wrapping_add(to);
        self.end = self.end.wrapping_sub(from).wrapping_add(to);
    }

    /// The slot whose packet is lent, or [`NONE`].
    pub(super) fn slot(&self) -> u16 {
        match self.what {
            Lent::Slot(index) => index,
            _ => NONE,
        }
    }
}

/// Where the next packet comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    Connect,
    /// The client writes it into the reserve and calls [`Session::lend_reserve`].
    Subscribe,
    /// Likewise: the GET of twin synchronisation, or a request to the Device Provisioning Service.
    Request,
    Control,
    Disconnect,
    Slot(u16),
}

#[cfg(feature = "alloc")]
impl Lane {
    /// Whether its packets are written into the reserve when they are lent.
    pub(crate) const fn is_in_reserve(self) -> bool {
        matches!(self, Self::Subscribe | Self::Request)
    }
}

impl Session {
    /// The next packet's lane, once; `None` if nothing may leave now, or something is lent.
    pub(crate) const fn take_turn(&mut self) -> Option<Lane> {
        self.turn.take()
    }

    /// The lane of the packet that is next when none is lent. The one place where this is decided.
    pub(crate) fn next_lane(&self, storage: &Storage<'_>, settings: &Settings) -> Option<Lane> {
        match self.state {
            State::Offline | State::Failed => None,
            State::Connecting => (!self.connect.is_empty()).then_some(Lane::Connect),
            State::Closing => Some(Lane::Disconnect),
            State::Subscribing | State::Ready | State::Draining => {
                let draining = self.state == State::Draining;
                let ready = self.state == State::Ready;
                if INBOUND && self.wants_subscribe && !draining && self.subscribing == 0 {
                    return Some(Lane::Subscribe);
                }
                if INBOUND && self.wants_request && ready {
                    return Some(Lane::Request);
                }
                if self.ping == Ping::Due || self.window.next_ack(storage.inbound).is_some() {
                    return Some(Lane::Control);
                }
                let mut slot = if INBOUND { self.answers.first() } else { NONE };
                // A request that overtakes the SUBSCRIBE for its answer would not hear it.
                if INBOUND && slot == NONE && ready && !self.wants_subscribe {
                    slot = self.requests.first();
                }
                if slot == NONE && ready {
                    slot = self.next_telemetry(storage, settings);
                }
                (slot != NONE).then_some(Lane::Slot(slot))
            }
        }
    }

    /// The oldest telemetry not lent, if the window lets it go, or [`NONE`].
    fn next_telemetry(&self, storage: &Storage<'_>, settings: &Settings) -> u16 {
        let window = if self.careful { 1 } else { settings.send_window };
        let fits = self.in_flight < window;
        match storage.slots.get(usize::from(self.unsent)) {
            Some(slot) if fits || slot.kind == SlotKind::Telemetry0 => self.unsent,
            _ => NONE,
        }
    }

    /// Lends the packet of `lane`, which is not [`Lane::Subscribe`] or [`Lane::Request`].
    pub(crate) fn lend(&mut self, storage: &mut Storage<'_>, lane: Lane) {
        match lane {
            Lane::Connect => {
                let packet = core::mem::take(&mut self.connect);
                self.lend_reserve(Lent::Connect, packet);
            }
            Lane::Subscribe | Lane::Request => {}
            Lane::Control => {
                self.put_control(storage);
                self.start_lend(Lent::Control, 0, u32::from(self.control.len), LastSent::Control);
            }
            Lane::Disconnect => {
                self.control.len = 0;
                self.control.put(&packet::disconnect::DISCONNECT);
                self.start_lend(Lent::Disconnect, 0, u32::from(self.control.len), LastSent::Disconnect);
            }
            Lane::Slot(index) => self.lend_slot(storage, index),
        }
    }

    /// Lends what the client wrote into the reserve.
    pub(crate) fn lend_reserve(&mut self, what: Lent, packet: Range<u32>) {
        let kind = match what {
            Lent::Connect => LastSent::Connect,
            Lent::Subscribe => LastSent::Subscribe,
            _ => LastSent::TwinRequest,
        };
        self.start_lend(what, packet.start, packet.end, kind);
    }

    /// Lends a request to the Device Provisioning Service, which stands in the reserve.
    pub(crate) const fn lend_registration(&mut self, packet: &Range<u32>) {
        self.start_lend(Lent::Request, packet.start, packet.end, LastSent::Registration);
    }

    const fn start_lend(&mut self, what: Lent, start: u32, end: u32, kind: LastSent) {
        self.lend = Lend { what, start, end };
        self.last_sent = Some(kind);
    }

    fn put_control(&mut self, storage: &Storage<'_>) {
        self.control.len = 0;
        if self.ping == Ping::Due {
            self.ping = Ping::Outstanding;
            self.control.put(&packet::ping::PINGREQ);
        }
        while self.control.has_room()
            && let Some(id) = self.window.next_ack(storage.inbound)
        {
            self.control.put(&packet::puback::packet(id));
            self.window.pop(storage.inbound);
        }
    }

    fn lend_slot(&mut self, storage: &mut Storage<'_>, index: u16) {
        let Some(slot) = storage.slots.get_mut(usize::from(index)) else { return };
        slot.flags = slot.flags.with(Flags::LENT);
        let start = slot.start;
        let end = self.begin_supply(storage.tx, slot);
        let kind = match slot.kind {
            SlotKind::Telemetry0 | SlotKind::Telemetry1 => {
                if slot.kind == SlotKind::Telemetry1 {
                    // No more than there are slots, as every count of them.
                    self.in_flight = self.in_flight.wrapping_add(1);
                    // DUP if and only if a byte was lent before in this session (MQTT-3.3.1-1).
                    if let Some(first) = storage.tx.get_mut(start as usize) {
                        let dup = if slot.flags.has(Flags::DUP) { publish::DUP } else { 0 };
                        *first = *first & !publish::DUP | dup;
                    }
                }
                self.unsent = self.telemetry.after(storage.slots, index);
                LastSent::Telemetry
            }
            SlotKind::Answer => LastSent::MethodAnswer,
            SlotKind::TwinGet | SlotKind::TwinReport | SlotKind::Free => {
                self.asked = self.asked.wrapping_add(1);
                LastSent::TwinRequest
            }
        };
        self.start_lend(Lent::Slot(index), start, end, kind);
    }

    /// The bytes lent and not confirmed.
    pub(crate) fn lent_bytes<'s>(&'s self, tx: &'s [u8]) -> Option<&'s [u8]> {
        let memory = match self.lend.what {
            Lent::Nothing => return None,
            // The next part is awaited.
            _ if self.wants_part() => return None,
            Lent::Control | Lent::Disconnect => &self.control.bytes,
            _ => tx,
        };
        memory.get(self.lend.start as usize..self.lend.end as usize)
    }

    /// `count` bytes of what is lent were sent. Gives what that completed.
    pub(crate) fn confirm(
        &mut self,
        storage: &mut Storage<'_>,
        settings: &Settings,
        count: usize,
    ) -> Result<Lent, UsageError> {
        let lent = self.lend.end.wrapping_sub(self.lend.start) as usize;
        if count > lent {
            return Err(UsageError::BadConfirm { lent, confirmed: count });
        }
        if count == 0 {
            return Ok(Lent::Nothing);
        }
        // Progress: the watch over stalled sending begins anew, if there is more to send.
        self.timers.disarm(TimeoutReason::Send);
        self.lend.start = self.lend.start.wrapping_add(count as u32);
        if count < lent || self.wants_part() {
            return Ok(Lent::Nothing);
        }
        let what = core::mem::replace(&mut self.lend, Lend::NOTHING).what;
        self.timers.mark(Mark::LastOut, self.now);
        match what {
            Lent::Connect => {
                self.wipe_reserve(storage);
                if self.state == State::Connecting {
                    self.arm_after(TimeoutReason::Connack, settings.connect_timeout);
                }
            }
            Lent::Subscribe => {
                if INBOUND && self.subscribing > 0 {
                    self.arm_after(TimeoutReason::Suback, settings.subscribe_timeout);
                }
            }
            Lent::Control => {
                if self.ping == Ping::Outstanding && !self.timers.is_armed(TimeoutReason::Pingresp) {
                    self.arm_after(TimeoutReason::Pingresp, settings.ping_timeout);
                }
            }
            Lent::Disconnect => self.finish_close(storage),
            Lent::Slot(index) => self.slot_sent(storage, settings, index),
            Lent::Nothing | Lent::Request => {}
        }
        Ok(what)
    }

    fn slot_sent(&mut self, storage: &mut Storage<'_>, settings: &Settings, index: u16) {
        match self.end_lend(storage.slots, index) {
            Some(SlotKind::Telemetry1) if !self.timers.is_armed(TimeoutReason::Puback) => {
                self.arm_after(TimeoutReason::Puback, settings.puback_timeout);
            }
            Some(SlotKind::TwinGet | SlotKind::TwinReport) if TWIN => {
                // Anew: the hub's time begins now.
                self.waiting.remove(storage.slots, index);
                self.await_answer(storage.slots, index, settings.request_timeout);
            }
            _ => {}
        }
    }

    /// The packet in `index` is lent no more, sent or not: what nothing is awaited for is gone. Gives what it is if an
    /// answer is awaited.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn end_lend(&mut self, slots: &mut [Slot], index: u16) -> Option<SlotKind> {
        let slot = slots.get_mut(usize::from(index))?;
        let (kind, flags) = (slot.kind, slot.flags);
        let awaits = !flags.has(Flags::DONE);
        if kind == SlotKind::Telemetry1 && awaits {
            slot.flags = flags.with(Flags::SENT);
            self.awaiting = self.awaiting.wrapping_add(1);
            if flags.has(Flags::WITHDRAWN) {
                self.arena.release(slots, index);
            }
            return Some(kind);
        }
        self.queue(kind).remove(slots, index);
        if awaits && matches!(kind, SlotKind::TwinGet | SlotKind::TwinReport) {
            self.arena.release(slots, index);
            return if flags.has(Flags::EXPIRED) { None } else { Some(kind) };
        }
        self.free_slot(slots, index);
        None
    }

    /// Overwrites the reserve: the password was in it.
    pub(super) fn wipe_reserve(&self, storage: &mut Storage<'_>) {
        storage.tx.get_mut(..self.arena.base()).unwrap_or_default().zeroize();
    }

    /// Everything the application waits for before a polite end is settled.
    pub(super) fn is_drained(&self, storage: &Storage<'_>) -> bool {
        !self.lend.is_some()
            && self.in_flight == 0
            && self.asked == 0
            && self.methods == 0
            && self.answers.is_empty()
            && self.window.accepted(storage.inbound).is_none()
    }

    /// DISCONNECT is next, and nothing after it (MQTT-3.14.4-2).
    pub(super) fn begin_close(&mut self, settings: &Settings) {
        if self.transition(Trigger::Drained) {
            self.awaited = 0;
            self.timers.disarm_all();
            self.arm_after(TimeoutReason::Close, settings.close_timeout);
        }
    }
}
