//! What an owner whose memory grows and shrinks must know and tell.

use super::machine::Machine;
use crate::storage::{Inbound, Slot, Storage};

impl Machine {
    /// It has no slots yet, and may come to have `slots`.
    pub(crate) fn limit_slots(&mut self, slots: u16) {
        self.session.limit_slots(slots);
    }

    /// Takes in the slots from `from` on, none of which was used more than `uses` times in an earlier life.
    pub(crate) fn add_slots(&mut self, slots: &mut [Slot], from: usize, uses: u16) {
        self.session.add_slots(slots, from, uses);
    }

    pub(crate) const fn forget_slots(&mut self) {
        self.session.forget_slots();
    }

    pub(crate) fn uses_slots(&self) -> bool {
        self.session.uses_slots()
    }

    /// Bytes of the reserve at the front of `tx`.
    pub(crate) const fn reserve(&self) -> usize {
        self.reserve as usize
    }

    pub(crate) fn uses_tx(&self) -> bool {
        self.session.uses_tx()
    }

    /// Makes one gap of all that is free in `tx`, which may have grown.
    pub(crate) fn gather(&mut self, storage: &mut Storage<'_>) {
        self.session.gather(storage);
    }

    /// Whether input stopped because it needs an inbound record: see [`Parts::inbound_grows`](super::machine::Parts::inbound_grows).
    pub(crate) fn wants_record(&self, records: &[Inbound], input: &[u8]) -> bool {
        self.session.wants_record(records, input)
    }

    /// The oldest inbound record becomes the first: more may be added behind.
    pub(crate) fn straighten_inbound(&mut self, records: &mut [Inbound]) {
        self.session.window.straighten(records);
    }

    pub(crate) const fn uses_inbound(&self) -> bool {
        self.session.window.len() > 0
    }
}
