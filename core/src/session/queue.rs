//! What the application wants sent: encoded once into the arena, found again by packet id or ticket.

use super::state::Command;
use super::{SUBSCRIBE_ID, Session};
#[cfg(feature = "stream")]
use crate::config::Parts;
use crate::error::{CapacityError, Error, UsageError};
use crate::packet::{PacketId, publish};
use crate::storage::list::{List, NONE, QUEUE};
use crate::storage::{Flags, Slot, SlotKind, Storage, Ticket};
use crate::time::Duration;
use crate::wire::{MAX_TEXT, Writer, frame};
use core::ops::Range;

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

/// What a PUBLISH has after its fixed header.
pub(crate) trait Body {
    /// Puts the topic. It may be put more than once, until there is room for the packet: it has to be the same each time.
    fn put_topic(&self, w: &mut Writer<'_>, ident: Ident) -> Result<(), UsageError>;

    fn payload(&self) -> &[u8];

    /// What of the payload comes later, in parts.
    #[cfg(feature = "stream")]
    fn parts(&self) -> Parts {
        Parts::NONE
    }
}

impl Session {
    /// Encodes a packet whose first byte is `first`, whole or not at all.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn enqueue(
        &mut self,
        storage: &mut Storage<'_>,
        kind: SlotKind,
        first: u8,
        body: &dyn Body,
    ) -> Result<Ident, Error> {
        self.check(Command::Queue)?;
        let index = self.free.first();
        let Some(slot) = storage.slots.get(usize::from(index)) else { return Err(CapacityError::SlotsFull.into()) };
        let ident = self.ident(slot, index, kind);
        let place = self.encode(storage, first, body, ident)?;
        self.free.pop(storage.slots);
        self.arena.commit(storage.slots, index, &place);
        self.queue(kind).push(storage.slots, index);
        if let Some(slot) = storage.slots.get_mut(usize::from(index)) {
            slot.kind = kind;
            slot.generation = ident.ticket.generation;
            if let Some(id) = ident.id {
                slot.id = id.get();
            }
            #[cfg(feature = "stream")]
            {
                let Parts { room, .. } = body.parts();
                slot.head = if room > 0 { slot.len.wrapping_sub(room) } else { 0 };
            }
        }
        if kind.is_telemetry() && self.unsent == NONE {
            self.unsent = index;
        }
        Ok(ident)
    }

    /// Where packets of this kind wait for their turn.
    pub(super) const fn queue(&mut self, kind: SlotKind) -> &mut List<QUEUE> {
        match kind {
            SlotKind::Telemetry0 | SlotKind::Telemetry1 => &mut self.telemetry,
            SlotKind::Answer => &mut self.answers,
            SlotKind::TwinGet | SlotKind::TwinReport | SlotKind::Free => &mut self.requests,
        }
    }

    /// Starts the deadline of the twin request in `index`. Deadlines are constant, so the list stays in their order.
    pub(crate) fn await_answer(&mut self, slots: &mut [Slot], index: u16, timeout: Duration) {
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            slot.deadline = self.now.after(timeout);
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
        let index = id.get().wrapping_sub(1) & self.slot_mask;
        let slot = slots.get(usize::from(index))?;
        let awaits = slot.kind == SlotKind::Telemetry1 && slot.id == id.get() && slot.flags.has(Flags::LENT);
        (awaits && !slot.flags.has(Flags::DONE)).then_some(index)
    }

    /// Takes a message back.
    pub(crate) fn withdraw(&mut self, storage: &mut Storage<'_>, ticket: Ticket) -> Result<Withdrawn, UsageError> {
        let flags = self.telemetry_flags(storage.slots, ticket)?;
        let index = ticket.slot;
        if self.telemetry.first() == index && (flags.has(Flags::LENT) || flags.has(Flags::EARLIER)) {
            // The cuts were counted against this message, not against the next.
            self.cuts = 0;
        }
        if !flags.has(Flags::LENT) {
            self.forget_telemetry(storage.slots, index);
            return Ok(if flags.has(Flags::EARLIER) { Withdrawn::MaybeSent } else { Withdrawn::Unsent });
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

    /// Whether a byte of a message has left.
    pub(crate) fn was_sent(&self, slots: &[Slot], ticket: Ticket) -> Result<bool, UsageError> {
        let flags = self.telemetry_flags(slots, ticket)?;
        Ok(flags.has(Flags::LENT) || flags.has(Flags::EARLIER))
    }

    /// The flags of a message that is not settled.
    fn telemetry_flags(&self, slots: &[Slot], ticket: Ticket) -> Result<Flags, UsageError> {
        let slot = self.find(slots, ticket).filter(|slot| slot.kind.is_telemetry()).ok_or(UsageError::Stale)?;
        if slot.flags.has(Flags::WITHDRAWN) { Err(UsageError::Stale) } else { Ok(slot.flags) }
    }

    /// Takes telemetry out of the queue and frees its slot.
    pub(super) fn forget_telemetry(&mut self, slots: &mut [Slot], index: u16) {
        if self.unsent == index {
            self.unsent = self.telemetry.after(slots, index);
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
            self.free.push(slots, index);
        }
    }

    /// Telemetry not settled, oldest first.
    pub(crate) fn next_unacked(&self, slots: &[Slot], after: Option<u16>) -> Option<u16> {
        let next = after.map_or(self.telemetry.first(), |index| self.telemetry.after(slots, index));
        (next != NONE).then_some(next)
    }

    /// The largest packet that fits now.
    pub(crate) fn largest(&self, slots: &[Slot], tx_len: usize) -> usize {
        self.arena.largest(slots, tx_len, self.lend.slot())
    }

    /// The names of the next use of `slot`, whose number is `index`.
    pub(super) fn ident(&self, slot: &Slot, index: u16, kind: SlotKind) -> Ident {
        let before = slot.id.checked_add(self.slot_mask).filter(|&before| slot.id != 0 && before < SUBSCRIBE_ID - 1);
        let id = before.unwrap_or(index).wrapping_add(1);
        Ident {
            ticket: Ticket { slot: index, generation: slot.generation.wrapping_add(1) },
            id: PacketId::new(id).filter(|_| kind == SlotKind::Telemetry1),
        }
    }

    /// Writes a packet into free bytes of the arena.
    fn encode(
        &mut self,
        storage: &mut Storage<'_>,
        first: u8,
        body: &dyn Body,
        ident: Ident,
    ) -> Result<Range<u32>, Error> {
        let Storage { tx, slots, .. } = storage;
        // Of packets below 16 KiB nearly all have two length bytes. If the guess is too low, that is found out on the way.
        let mut header_room = frame::header_len(body.payload().len()).max(3);
        let mut gap = self.arena.gap(slots, tx.len());
        loop {
            let capacity = tx.len().saturating_sub(self.arena.base());
            let needed = match write(tx, gap, header_room, first, body, ident) {
                Err(Error::Capacity(CapacityError::TooLarge { needed, .. })) => needed,
                outcome => return outcome,
            };
            if needed > capacity {
                return Err(CapacityError::TooLarge { needed, capacity }.into());
            }
            let place = self.arena.reserve(slots, tx, self.lend.slot(), needed);
            gap = place.map_err(|free| CapacityError::TxFull { needed, free })?;
            // Twice is enough. A body that asks for more each time soon asks for too much.
            header_room = frame::header_len(needed.saturating_add(beyond(body)));
        }
    }
}

/// The bits of a packet id, less 1, that are the number of its slot. Ids of one slot differ in the others: so the slot
/// follows from the id, and an id comes back late.
pub(super) const fn slot_mask(slots: u16) -> u16 {
    match u16::MAX.checked_shr(slots.saturating_sub(1).leading_zeros()) {
        Some(mask) => mask,
        None => 0,
    }
}

/// Writes a packet into `gap` of `tx`, if it is not too large for it.
fn write(
    tx: &mut [u8],
    gap: Range<u32>,
    header_room: usize,
    first: u8,
    body: &dyn Body,
    ident: Ident,
) -> Result<Range<u32>, Error> {
    let room = tx.get_mut(gap.start as usize..gap.end as usize).unwrap_or_default();
    let mut writer = frame::body_writer(room, header_room);
    let topic = writer.begin_text();
    body.put_topic(&mut writer, ident)?;
    let len = writer.end_text(topic);
    if len > MAX_TEXT {
        // A topic has a 16-bit length (MQTT-4.7.3-3).
        return Err(UsageError::TopicTooLong { len }.into());
    }
    publish::put_rest(&mut writer, ident.id, body.payload());
    let remaining = writer.len();
    #[cfg(feature = "stream")]
    let remaining = remaining.saturating_add(body.parts().room as usize);
    // Inside `tx`, whose length is a `u32`.
    let at = |offset: usize| gap.start.wrapping_add(offset as u32);
    match frame::finish(room, header_room, first, remaining, beyond(body)) {
        Ok(packet) => Ok(at(packet.start)..at(packet.end)),
        Err(needed) => Err(CapacityError::TooLarge { needed, capacity: room.len() }.into()),
    }
}

/// Bytes that the packet has beyond its place in `tx`.
#[cfg(feature = "stream")]
fn beyond(body: &dyn Body) -> usize {
    let Parts { len, room } = body.parts();
    len.saturating_sub(room) as usize
}

#[cfg(not(feature = "stream"))]
const fn beyond(_: &dyn Body) -> usize {
    0
}
