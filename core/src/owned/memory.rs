//! The memory of one client: none while nothing is pending, more when needed, never above its limits.

use crate::client::{Limits, Machine};
use crate::error::CapacityError;
use crate::storage::{Inbound, Slot, Storage};
use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use zeroize::Zeroize;

/// The first slots, and the first inbound records, that are made.
const FIRST: usize = 4;

/// Inbound records that need no allocation: as many as cost the struct nothing where pointers have 64 bits.
const FEW: usize = 2;

/// How much memory an [`OwnedClient`](crate::OwnedClient) may take at most, identity and struct apart.
///
/// ```
/// use iothub_proto::OwnedLimits;
/// let limits = OwnedLimits { tx: 64 * 1024, slots: 100, ..OwnedLimits::default() };
/// assert_eq!(limits.inbound, 64);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnedLimits {
    /// Bytes for outgoing packets, the reserve for the handshake (about 500) included. Default 1 MiB.
    pub tx: u32,
    /// Commands in flight, 40 bytes each; at most 65,534. Default 1,024.
    pub slots: u16,
    /// Messages delivered and not yet acknowledged, 4 bytes each; at least 1. Default 64: the hub queues at most 50.
    pub inbound: u16,
}

impl Default for OwnedLimits {
    fn default() -> Self {
        Self { tx: 1 << 20, slots: 1_024, inbound: 64 }
    }
}

impl From<OwnedLimits> for Limits {
    fn from(limits: OwnedLimits) -> Self {
        Self { tx: limits.tx as usize, slots: limits.slots.into(), inbound: limits.inbound.into() }
    }
}

/// Boxes, and no `Vec`s: their sizes are chosen here, so a capacity beside the length would only cost room.
pub(super) struct Memory {
    pub(super) tx: Box<[u8]>,
    pub(super) slots: Box<[Slot]>,
    pub(super) inbound: Records,
    pub(super) limits: OwnedLimits,
    /// No slot that is gone was used more often, so that names of commands do not come back soon. It wraps.
    uses: u16,
    /// Bytes of the last packet for which all this had to be taken anew: the next is often as large.
    expected: u32,
}

/// Most devices have a message or two at a time, which are taken, answered and gone.
pub(super) enum Records {
    Few([Inbound; FEW]),
    Many(Box<[Inbound]>),
}

impl Records {
    const NONE: Self = Self::Few([Inbound::EMPTY; FEW]);
}

impl Memory {
    pub(super) fn new(limits: OwnedLimits) -> Self {
        let inbound = Records::NONE;
        Self { tx: Box::default(), slots: Box::default(), inbound, limits, uses: 0, expected: 0 }
    }

    /// The records that there are.
    pub(super) fn inbound(&self) -> &[Inbound] {
        match &self.inbound {
            Records::Few(few) => few.get(..FEW.min(self.limits.inbound.into())).unwrap_or_default(),
            Records::Many(many) => many,
        }
    }

    pub(super) fn storage(&mut self) -> Storage<'_> {
        let inbound = match &mut self.inbound {
            Records::Few(few) => few.get_mut(..FEW.min(self.limits.inbound.into())).unwrap_or_default(),
            Records::Many(many) => many,
        };
        Storage { tx: &mut self.tx, slots: &mut self.slots, inbound }
    }

    pub(super) fn inbound_grows(&self) -> bool {
        self.inbound().len() < usize::from(self.limits.inbound)
    }

    /// Makes room for the packets of the handshake. What is in `tx` already stands behind that.
    pub(super) fn hold_reserve(&mut self, reserve: usize) {
        if self.tx.len() < reserve {
            self.tx = vec![0; reserve].into();
        }
    }

    /// Makes room for a command like the one before if there is no memory at all: it would be encoded twice, once to see
    /// how long it is. Says whether it did.
    pub(super) fn expect(&mut self, machine: &mut Machine) -> bool {
        if !self.slots.is_empty() || !self.tx.is_empty() {
            return false;
        }
        // Limits that forbid it are the command's to meet.
        let _ = self.add_slots(machine);
        if self.expected > 0 {
            let _ = self.make_tx_room(machine, self.expected as usize);
        }
        true
    }

    /// What the first command needed.
    pub(super) fn remember(&mut self) {
        self.expected = self.slots.iter().map(|slot| slot.len).max().unwrap_or(0);
    }

    /// Makes room for a command that was short of it. The error, with the numbers of the limits, if there is none.
    pub(super) fn make_room(&mut self, machine: &mut Machine, short: CapacityError) -> Result<(), CapacityError> {
        match short {
            CapacityError::TxFull { needed, .. } | CapacityError::TooLarge { needed, .. } => {
                self.make_tx_room(machine, needed)
            }
            CapacityError::SlotsFull => self.add_slots(machine),
            CapacityError::BufferTooSmall { .. } => Err(short),
        }
    }

    /// Bytes of the largest packet that there is room for, or can be.
    pub(super) fn tx_free(&self, machine: &Machine) -> usize {
        let used = self.slots.iter().fold(0usize, |used, slot| used.saturating_add(slot.len as usize));
        self.tx_capacity(machine).saturating_sub(used)
    }

    fn tx_capacity(&self, machine: &Machine) -> usize {
        (self.limits.tx as usize).saturating_sub(machine.reserve())
    }

    fn make_tx_room(&mut self, machine: &mut Machine, needed: usize) -> Result<(), CapacityError> {
        let (capacity, free) = (self.tx_capacity(machine), self.tx_free(machine));
        if needed > capacity {
            return Err(CapacityError::TooLarge { needed, capacity });
        }
        if needed > free {
            return Err(CapacityError::TxFull { needed, free });
        }
        let least = capacity.saturating_sub(free).saturating_add(needed).saturating_add(machine.reserve());
        if least > self.tx.len() {
            let mut tx = larger(&self.tx, least, self.limits.tx as usize, 0);
            core::mem::swap(&mut self.tx, &mut tx);
            // CONNECT, with the password, may have been in the old one.
            tx.get_mut(..machine.reserve()).unwrap_or_default().zeroize();
        }
        machine.gather(&mut self.storage());
        Ok(())
    }

    fn add_slots(&mut self, machine: &mut Machine) -> Result<(), CapacityError> {
        let (before, limit) = (self.slots.len(), usize::from(self.limits.slots));
        if before >= limit {
            return Err(CapacityError::SlotsFull);
        }
        self.slots = larger(&self.slots, FIRST, limit, Slot::EMPTY);
        machine.add_slots(&mut self.slots, before, self.uses);
        Ok(())
    }

    /// Makes room for inbound records.
    pub(super) fn add_records(&mut self, machine: &mut Machine) {
        machine.straighten_inbound(self.storage().inbound);
        self.inbound = Records::Many(larger(self.inbound(), FIRST, self.limits.inbound.into(), Inbound::EMPTY));
    }

    /// Gives back what nothing is in.
    pub(super) fn release(&mut self, machine: &mut Machine) {
        if !self.tx.is_empty() && !machine.uses_tx() {
            self.tx = Box::default();
        }
        if !self.slots.is_empty() && !machine.uses_slots() {
            machine.forget_slots();
            let uses = self.slots.iter().map(|slot| slot.generation.wrapping_sub(self.uses)).max();
            self.uses = self.uses.wrapping_add(uses.unwrap_or(0));
            self.slots = Box::default();
        }
        if matches!(self.inbound, Records::Many(_)) && !machine.uses_inbound() {
            self.inbound = Records::NONE;
            machine.straighten_inbound(self.storage().inbound);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.tx.zeroize();
    }
}

impl fmt::Debug for Memory {
    /// Lengths only: CONNECT with the password may be in `tx`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("tx", &self.tx.len())
            .field("slots", &self.slots.len())
            .field("inbound", &self.inbound().len())
            .field("limits", &self.limits)
            .finish()
    }
}

/// A copy of `old` with `fill` behind it: twice as long and at least `least`, but not above `limit`.
fn larger<T: Copy>(old: &[T], least: usize, limit: usize, fill: T) -> Box<[T]> {
    let len = old.len().saturating_mul(2).max(least).min(limit);
    let mut new = vec![fill; len];
    new.iter_mut().zip(old).for_each(|(new, old)| *new = *old);
    new.into()
}
