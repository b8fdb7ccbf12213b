//! Memory that comes and goes under a living session: what of it is in use, and how a change is taken in.
//!
//! A session that grows is made with no slots; inbound records that come are taken in by
//! [`Window::straighten`](crate::storage::window::Window::straighten).

use super::oversize::Skip;
use super::queue::slot_mask;
use super::transmit::Lent;
use super::{SUBSCRIBE_ID, Session};
use crate::storage::list::{List, NONE};
use crate::storage::{Inbound, Slot, Storage};

/// What type and QoS bits of a first byte are for a PUBLISH with QoS 1 (MQTT 3.1.1 §3.3.1).
const QOS1_PUBLISH: u8 = 0x32;
const QOS1_MASK: u8 = 0xF6;

impl Session {
    /// It may come to have `slots` slots.
    pub(crate) const fn limit_slots(&mut self, slots: u16) {
        self.slot_mask = slot_mask(slots);
    }

    /// Takes in the slots from `from` on. What an earlier slot in their place was called does not come again soon:
    /// none of these was used more than `uses` times.
    pub(crate) fn add_slots(&mut self, slots: &mut [Slot], from: usize, uses: u16) {
        let rounds = (SUBSCRIBE_ID - 1).checked_shr(self.slot_mask.count_ones()).unwrap_or(0);
        let round = uses.checked_rem(rounds).unwrap_or(0);
        for index in (0..NONE).take(slots.len()).skip(from) {
            if let Some(slot) = slots.get_mut(usize::from(index)) {
                let first = index.saturating_add(1);
                // Below `rounds` times the distance of two ids, so it fits.
                let before = round.wrapping_mul(self.slot_mask.wrapping_add(1));
                let id = if uses == 0 { 0 } else { before.wrapping_add(first) };
                *slot = Slot { id, generation: uses, ..Slot::EMPTY };
                self.free.push(slots, index);
            }
        }
    }

    /// The slots, none of which is in use, go.
    pub(crate) const fn forget_slots(&mut self) {
        self.free = List::EMPTY;
    }

    /// Whether any slot is in use. Each of them, also the one that is lent, is on one of these lists.
    pub(crate) fn uses_slots(&self) -> bool {
        let sending = [&self.telemetry, &self.answers, &self.requests];
        let waiting = [&self.waiting, &self.flagged];
        sending.into_iter().any(|list| !list.is_empty()) || waiting.into_iter().any(|list| !list.is_empty())
    }

    /// Whether anything is in `tx`: packets, or the handshake in the reserve.
    pub(crate) fn uses_tx(&self) -> bool {
        let in_reserve = [Lent::Connect, Lent::Subscribe, Lent::Request].into_iter().any(|it| self.lend.is(it));
        in_reserve || !self.connect.is_empty() || !self.arena.is_empty()
    }

    /// Makes one gap of all that is free in `tx`, which may have grown at its end. The packet that is lent may move
    /// too: nothing points to it while its owner lends out no slice.
    pub(crate) fn gather(&mut self, storage: &mut Storage<'_>) {
        let lent = usize::from(self.lend.slot());
        let before = storage.slots.get(lent).map_or(0, |slot| slot.start);
        self.arena.gather(storage.slots, storage.tx, NONE);
        if let Some(slot) = storage.slots.get(lent) {
            self.lend.moved(before, slot.start);
        }
    }

    /// What is at the front of `input` may need a record of the inbound window, and that has none left.
    pub(crate) fn wants_record(&self, records: &[Inbound], input: &[u8]) -> bool {
        let first = match self.skip {
            Skip::None => input.first().copied(),
            Skip::Topic { first, .. } => Some(first),
            Skip::Payload { .. } => None,
        };
        self.state.is_connected()
            && self.window.is_full(records)
            && first.is_some_and(|first| first & QOS1_MASK == QOS1_PUBLISH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::SlotKind;
    use std::vec;

    /// Slots that come, at first and later, are all on the free list, and their packet ids lead back to them.
    #[test]
    fn added_slots_are_free_and_have_ids_of_their_own() {
        for (limit, uses) in [(1, 0), (3, 0), (3, 1), (7, 65_535), (1_000, 40_000), (40_000, 9), (65_534, 65_535)] {
            let mut session = Session::new(0, &mut []);
            session.limit_slots(limit);
            let mut slots = vec![Slot::EMPTY; usize::from(limit)];
            let half = usize::from(limit) / 2;
            session.add_slots(&mut slots[..half], 0, uses);
            session.add_slots(&mut slots, half, uses);
            let mut ids = vec![false; usize::from(u16::MAX) + 1];
            for expected in 0..limit {
                let index = session.free.pop(&mut slots);
                assert_eq!(index, expected);
                let ident = session.ident(&slots[usize::from(index)], index, SlotKind::Telemetry1);
                assert_eq!(ident.ticket.generation, uses.wrapping_add(1));
                let id = ident.id.unwrap().get();
                assert!(id != SUBSCRIBE_ID && (id - 1) & session.slot_mask == index, "{id} of {index} in {limit}");
                assert!(!core::mem::replace(&mut ids[usize::from(id)], true));
            }
            assert!(session.free.is_empty());
        }
    }
}
