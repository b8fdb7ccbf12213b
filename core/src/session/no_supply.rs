//! In place of `supply.rs` without the feature `stream`: every packet is whole when it is queued.

use super::Session;
use crate::error::TimeoutReason;
use crate::storage::Slot;

#[derive(Clone, Copy, Debug)]
pub(super) struct Supply;

impl Supply {
    pub(super) const NONE: Self = Self;
}

impl Session {
    pub(super) const fn begin_supply(&mut self, _tx: &[u8], slot: &Slot) -> u32 {
        slot.end()
    }

    pub(super) const fn wants_part(&self) -> bool {
        false
    }

    pub(super) const fn is_half_supplied(&self, _index: u16) -> bool {
        false
    }

    pub(crate) const fn stalled_by(&self, reason: TimeoutReason) -> TimeoutReason {
        reason
    }

    pub(crate) const fn has_wish(&self) -> bool {
        false
    }

    pub(super) const fn end_supply(&mut self) {}
}
