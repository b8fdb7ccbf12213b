//! What an owner whose memory grows and shrinks must know and tell.

use super::machine::{Machine, Parts};
use crate::session::Lane;
use crate::storage::{Inbound, Slot, Storage};

impl Machine {
    /// Bytes of the reserve at the front of `tx`.
    pub(crate) const fn reserve(&self) -> usize {
        self.reserve as usize
    }

    /// Whether the next packet is one that is written into the reserve.
    pub(crate) fn wants_reserve(&self, parts: &Parts<'_>) -> bool {
        let lane = self.session.next_lane(&parts.storage, parts.settings);
        !self.session.is_lending() && matches!(lane, Some(Lane::Subscribe | Lane::TwinGet))
    }

    /// Whether input stopped because it needs an inbound record: see [`Parts::inbound_grows`].
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

    pub(crate) fn uses_tx(&self) -> bool {
        self.session.uses_tx()
    }

    pub(crate) fn uses_slots(&self) -> bool {
        self.session.uses_slots()
    }

    pub(crate) const fn forget_slots(&mut self) {
        self.session.forget_slots();
    }

    /// Bytes of all packets in `tx` behind the reserve.
    pub(crate) fn used(&self, slots: &[Slot]) -> usize {
        self.session.used(slots)
    }

    /// Makes one gap of all that is free in `tx`, which may have grown.
    pub(crate) fn gather(&mut self, storage: &mut Storage<'_>) {
        self.session.gather(storage);
    }
}
