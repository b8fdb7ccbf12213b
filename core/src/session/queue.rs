//! What the application wants sent: encoded once into the arena, found again by packet id or ticket.

use super::state::Command;
use super::{SUBSCRIBE_ID, Session};
use crate::error::{CapacityError, Error, UsageError};
use crate::packet::PacketId;
use crate::storage::list::NONE;
use crate::storage::{Flags, Slot, SlotKind, Storage, Ticket};
use crate::time::Instant;
use crate::wire::{Writer, frame};

/// The names a packet will have, known before it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ident {
    pub(crate) ticket: Ticket,
    /// For QoS 1 telemetry.
    pub(crate) id: Option<PacketId>,
}

/// What a withdrawn message had come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Withdrawn {
    /// No byte of it has left: the hub will not get it.
    Unsent,
    /// It was sent, in part or whole: the hub may have it.
    MaybeSent,
}

impl Session {
    /// Encodes a packet whose first byte is `first` and whose body `write` puts, whole or not at all.
    pub(crate) fn enqueue(
        &mut self,
        storage: &mut Storage<'_>,
        kind: SlotKind,
        first: u8,
        write: &mut dyn FnMut(&mut Writer<'_>, Ident) -> Result<(), UsageError>,
    ) -> Result<Ident, Error> {
        self.check(Command::Queue)?;
        let index = self.free.first().ok_or(CapacityError::SlotsFull)?;
        let ident = self.ident(storage.slots, index, kind);
        let place = self.encode(storage, first, &mut |w| write(w, ident))?;
        self.commands = self.commands.wrapping_add(1);
        self.free.remove(storage.slots, index);
        self.arena.commit(storage.slots, index, place);
        if let Some(slot) = storage.slots.get_mut(usize::from(index)) {
            slot.generation = ident.ticket.generation;
            slot.id = ident.id.map_or(slot.id, PacketId::get);
            slot.kind = kind;
            slot.flags = Flags::NONE;
            slot.deadline = Instant::NEVER;
        }
        match kind {
            SlotKind::Telemetry0 | SlotKind::Telemetry1 => {
                self.telemetry.push(storage.slots, index);
                if self.unsent == NONE {
                    self.unsent = index;
                }
            }
            SlotKind::Answer => self.answers.push(storage.slots, index),
            SlotKind::TwinGet | SlotKind::TwinReport | SlotKind::Free => self.requests.push(storage.slots, index),
        }
        Ok(ident)
    }

    /// Starts, or starts anew, the deadline of the twin request in `index`. Deadlines are constant, so the list
    /// stays in their order.
    pub(crate) fn await_answer(&mut self, slots: &mut [Slot], index: u16, deadline: Instant) {
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            if slot.deadline != Instant::NEVER {
                self.waiting.remove(slots, index);
            }
            if let Some(slot) = slots.get_mut(usize::from(index)) {
                slot.deadline = deadline;
            }
            self.waiting.push(slots, index);
        }
    }

    /// The slot of `ticket`, if it is still the use the ticket speaks of.
    pub(crate) fn find<'s>(&self, slots: &'s [Slot], ticket: Ticket) -> Option<&'s Slot> {
        let slot = slots.get(usize::from(ticket.slot))?;
        (slot.kind != SlotKind::Free && slot.generation == ticket.generation && !slot.flags.has(Flags::DONE))
            .then_some(slot)
    }

    /// The QoS 1 message with packet id `id` that was lent on this connection.
    pub(super) fn find_sent(&self, slots: &[Slot], id: PacketId) -> Option<u16> {
        let index = id.get().checked_sub(1)?.checked_rem(self.stride)?;
        let slot = slots.get(usize::from(index))?;
        let awaits = slot.kind == SlotKind::Telemetry1 && slot.id == id.get() && slot.flags.has(Flags::LENT);
        (awaits && !slot.flags.has(Flags::DONE)).then_some(index)
    }

    /// Takes a message back.
    pub(crate) fn withdraw(&mut self, storage: &mut Storage<'_>, ticket: Ticket) -> Result<Withdrawn, UsageError> {
        let slot = self.find(storage.slots, ticket).ok_or(UsageError::Stale)?;
        let (kind, flags) = (slot.kind, slot.flags);
        if !matches!(kind, SlotKind::Telemetry0 | SlotKind::Telemetry1) || flags.has(Flags::WITHDRAWN) {
            return Err(UsageError::Stale);
        }
        let index = ticket.slot;
        if !flags.has(Flags::LENT) {
            self.forget_telemetry(storage.slots, index);
            return Ok(if flags.has(Flags::DUP) { Withdrawn::MaybeSent } else { Withdrawn::Unsent });
        }
        // Its id is in use until the PUBACK comes or the connection ends (MQTT-2.3.1-3).
        if let Some(slot) = storage.slots.get_mut(usize::from(index)) {
            slot.flags = flags.with(Flags::WITHDRAWN);
        }
        if !self.lend.is_slot(index) {
            self.arena.release(storage.slots, index);
        }
        Ok(Withdrawn::MaybeSent)
    }

    /// Takes telemetry out of the queue and frees its slot.
    pub(super) fn forget_telemetry(&mut self, slots: &mut [Slot], index: u16) {
        if self.unsent == index {
            self.unsent = self.telemetry.after(slots, index).unwrap_or(NONE);
        }
        self.telemetry.remove(slots, index);
        self.free_slot(slots, index);
    }

    /// Frees a slot that is on no list any more, and its bytes.
    pub(super) fn free_slot(&mut self, slots: &mut [Slot], index: u16) {
        self.arena.release(slots, index);
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            slot.kind = SlotKind::Free;
            slot.flags = Flags::NONE;
            slot.deadline = Instant::NEVER;
            self.free.push(slots, index);
        }
    }

    /// Telemetry not settled, oldest first.
    pub(crate) fn next_unacked(&self, slots: &[Slot], after: Option<u16>) -> Option<u16> {
        match after {
            None => self.telemetry.first(),
            Some(index) => self.telemetry.after(slots, index),
        }
    }

    /// The largest packet that fits now.
    pub(crate) fn largest(&self, slots: &[Slot], tx_len: usize) -> usize {
        self.arena.largest(slots, tx_len, self.lend.slot())
    }

    /// The names of the next use of slot `index`.
    pub(super) fn ident(&self, slots: &[Slot], index: u16, kind: SlotKind) -> Ident {
        let (generation, last) = slots.get(usize::from(index)).map_or((0, 0), |slot| (slot.generation, slot.id));
        let first = index.saturating_add(1);
        // Ids of one slot are `stride` apart: the slot follows from the id, and an id comes back late.
        let next = last.checked_add(self.stride).filter(|&next| last != 0 && next != SUBSCRIBE_ID).unwrap_or(first);
        let id = PacketId::new(next).filter(|_| kind == SlotKind::Telemetry1);
        Ident { ticket: Ticket { slot: index, generation: generation.wrapping_add(1) }, id }
    }

    /// Writes a packet into free bytes of the arena.
    fn encode(
        &self,
        storage: &mut Storage<'_>,
        first: u8,
        write: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), UsageError>,
    ) -> Result<core::ops::Range<u32>, Error> {
        // Most packets have two length bytes; another number of them is found out on the way.
        const USUAL_HEADER: usize = 3;
        let mut outcome = Ok(());
        let [gap, _] = self.arena.gaps(storage.slots, storage.tx.len());
        let room = storage.tx.get_mut(gap.start as usize..gap.end as usize).unwrap_or_default();
        let needed = match frame::write(room, USUAL_HEADER, first, &mut |w| outcome = write(w)) {
            Ok(range) => {
                outcome?;
                let at = |offset: usize| gap.start.saturating_add(offset as u32);
                return Ok(at(range.start)..at(range.end));
            }
            Err(needed) => needed,
        };
        outcome?;
        let capacity = self.arena.capacity(storage.tx.len());
        if needed > capacity {
            return Err(CapacityError::TooLarge { needed, capacity }.into());
        }
        let place = self
            .arena
            .reserve(storage.slots, storage.tx, self.lend.slot(), needed)
            .ok_or_else(|| CapacityError::TxFull { needed, free: self.largest(storage.slots, storage.tx.len()) })?;
        let room = storage.tx.get_mut(place.start as usize..place.end as usize).unwrap_or_default();
        let header = frame::header_len(needed);
        match frame::write(room, header, first, &mut |w| outcome = write(w)) {
            Ok(_) => Ok(place),
            Err(needed) => Err(CapacityError::TooLarge { needed, capacity }.into()),
        }
    }
}
