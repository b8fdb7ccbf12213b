//! Telemetry whose payload the application supplies in parts, while the packet leaves.
//!
//! Header, topic and the payload's length are encoded whole when it is queued; behind them its place in the arena has
//! room for one part. What is lent is first that beginning and then part after part. Between two parts nothing is lent,
//! and nothing else can leave, as MQTT packets do not interleave: so a part that does not come is a deadline, and it is
//! asked for by a flag, told once a part. A cut begins it anew: from its first part at QoS 1, and at QoS 0 it is gone.

use super::Session;
use crate::error::{CapacityError, Error, TimeoutReason, UsageError};
use crate::storage::{Slot, Storage, Ticket};
use crate::wire::{copy, frame};

/// The message that is lent, as far as its payload comes in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supply {
    /// Bytes that come in parts, and those of them that did not come yet.
    len: u32,
    left: u32,
    /// The application knows that the next part is wanted.
    told: bool,
}

impl Supply {
    pub(super) const NONE: Self = Self { len: 0, left: 0, told: false };
}

/// The part that is wanted next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) ticket: Ticket,
    pub(crate) offset: u32,
    /// The most bytes it may have.
    pub(crate) room: u32,
}

impl Session {
    /// The message in `slot` is lent from its beginning. Gives where what is lent first ends.
    pub(super) fn begin_supply(&mut self, tx: &[u8], slot: &Slot) -> u32 {
        self.supply = Supply::NONE;
        if slot.head == 0 {
            return slot.end();
        }
        let packet = tx.get(slot.start as usize..).unwrap_or_default();
        if let Ok(Some(header)) = frame::header(packet) {
            let len = (header.total() as u32).saturating_sub(slot.head);
            self.supply = Supply { len, left: len, told: false };
        }
        slot.start.wrapping_add(slot.head)
    }

    /// Nothing more can leave before the next part is supplied.
    pub(super) fn wants_part(&self) -> bool {
        self.supply.left > 0 && self.lend.is_empty()
    }

    /// Not all of the message in `index` was supplied, so the hub cannot have it.
    pub(super) fn is_half_supplied(&self, index: u16) -> bool {
        self.supply.left > 0 && self.lend.is_slot(index)
    }

    /// Whose fault it is that nothing leaves.
    pub(crate) fn stalled_by(&self, reason: TimeoutReason) -> TimeoutReason {
        if reason == TimeoutReason::Send && self.wants_part() { TimeoutReason::Supply } else { reason }
    }

    /// The part that is wanted now.
    fn wish(&self, slots: &[Slot]) -> Option<Wish> {
        let index = self.lend.slot();
        let slot = slots.get(usize::from(index)).filter(|_| self.wants_part())?;
        Some(Wish {
            ticket: Ticket { slot: index, generation: slot.generation },
            offset: self.supply.len.wrapping_sub(self.supply.left),
            room: slot.len.wrapping_sub(slot.head).min(self.supply.left),
        })
    }

    /// Whether the application does not know yet that a part is wanted.
    pub(crate) fn has_wish(&self) -> bool {
        self.wants_part() && !self.supply.told
    }

    /// The part that is wanted, to be told once.
    pub(crate) fn take_wish(&mut self, slots: &[Slot]) -> Option<Wish> {
        if !self.has_wish() {
            return None;
        }
        self.supply.told = true;
        self.wish(slots)
    }

    /// The part of `ticket` at `offset` is `bytes`.
    pub(crate) fn supply(
        &mut self,
        storage: &mut Storage<'_>,
        ticket: Ticket,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let wish = self.wish(storage.slots).filter(|wish| wish.ticket == ticket && wish.offset == offset);
        let Wish { room, .. } = wish.ok_or(UsageError::Stale)?;
        let (needed, capacity) = (bytes.len(), room as usize);
        if needed > capacity {
            return Err(CapacityError::TooLarge { needed, capacity }.into());
        }
        let Some(slot) = storage.slots.get(usize::from(ticket.slot)).filter(|_| needed > 0) else { return Ok(()) };
        let start = slot.start.wrapping_add(slot.head);
        let end = start.wrapping_add(needed as u32);
        copy(storage.tx.get_mut(start as usize..end as usize).unwrap_or_default(), bytes);
        self.lend.restart(start, end);
        self.supply.left = self.supply.left.wrapping_sub(needed as u32);
        self.supply.told = false;
        // It goes on: the watch over stalled sending begins anew.
        self.timers.disarm(TimeoutReason::Send);
        Ok(())
    }

    /// The connection is over: what was half supplied begins anew, or is gone.
    pub(super) const fn end_supply(&mut self) {
        self.supply = Supply::NONE;
    }
}
