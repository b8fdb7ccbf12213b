//! Memory that comes and goes under a living session: what of it is in use, and how a change is taken in.
//!
//! Slots that come are taken in by [`Session::add_slots`], inbound records by
//! [`Window::straighten`](crate::storage::window::Window::straighten).

use super::Session;
use crate::storage::list::{List, Through};
use crate::storage::{Slot, Storage};

impl Session {
    /// Whether anything is in `tx`: packets, or the handshake in the reserve.
    pub(crate) fn uses_tx(&self) -> bool {
        self.lend.is_in_tx() || !self.connect.is_empty() || !self.arena.is_empty()
    }

    /// Whether any slot is in use. Each of them, also the one that is lent, is on one of these lists.
    pub(crate) fn uses_slots(&self) -> bool {
        let lists = [&self.telemetry, &self.answers, &self.requests, &self.waiting, &self.flagged];
        lists.into_iter().any(|list| !list.is_empty())
    }

    /// The slots, none of which is in use, go.
    pub(crate) const fn forget_slots(&mut self) {
        self.free = List::new(Through::Queue);
    }

    /// Bytes of all packets in the ring.
    pub(crate) fn used(&self, slots: &[Slot]) -> usize {
        self.arena.used(slots)
    }

    /// Makes one gap of all that is free in `tx`, which may have grown at its end. The packet that is lent may move
    /// too: nothing points to it while its owner lends out no slice.
    pub(crate) fn gather(&mut self, storage: &mut Storage<'_>) {
        self.arena.slide(storage.slots, storage.tx, None);
        let lent = self.lend.slot().and_then(|index| storage.slots.get(usize::from(index)));
        if let Some(slot) = lent {
            self.lend.moved_to(slot.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SUBSCRIBE_ID;
    use crate::storage::SlotKind;
    use std::vec;

    /// Slots that come, at first and later, are all on the free list, and their packet ids lead back to them.
    #[test]
    fn added_slots_are_free_and_have_ids_of_their_own() {
        for (limit, commands) in [(1, 0), (3, 0), (3, 1), (7, 65_535), (1_000, 40_000), (40_000, 9), (65_534, 65_535)] {
            let mut session = Session::new(0, limit);
            session.commands = commands;
            let mut slots = vec![Slot::EMPTY; usize::from(limit)];
            let half = usize::from(limit) / 2;
            session.add_slots(slots.get_mut(..half).unwrap(), 0);
            session.add_slots(&mut slots, half);
            let mut ids = vec![false; usize::from(u16::MAX) + 1];
            for expected in 0..limit {
                let index = session.free.pop(&mut slots).unwrap();
                assert_eq!(index, expected);
                let ident = session.ident(&slots, index, SlotKind::Telemetry1);
                assert_eq!(ident.ticket.generation, commands.wrapping_add(1));
                let id = ident.id.unwrap().get();
                assert!(id != SUBSCRIBE_ID && (id - 1) % limit == index, "{id} of {index} in {limit}");
                assert!(!core::mem::replace(&mut ids[usize::from(id)], true));
            }
            assert!(session.free.is_empty());
        }
    }
}
