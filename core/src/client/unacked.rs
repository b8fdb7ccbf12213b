//! What the hub has not acknowledged.

use super::machine::Machine;
use crate::event::TelemetryToken;
use crate::session::Session;
use crate::storage::{Flags, Slot, SlotKind, Ticket};

/// QoS 1 telemetry not acknowledged, sent or not, oldest first: see [`Client::unacked`](crate::Client::unacked).
#[derive(Clone, Debug)]
pub struct Unacked<'c> {
    session: &'c Session,
    slots: &'c [Slot],
    next: Option<u16>,
}

impl<'c> Unacked<'c> {
    pub(crate) fn new(machine: &'c Machine, slots: &'c [Slot]) -> Self {
        Self { session: &machine.session, slots, next: machine.session.next_unacked(slots, None) }
    }
}

impl Iterator for Unacked<'_> {
    type Item = TelemetryToken;

    fn next(&mut self) -> Option<TelemetryToken> {
        loop {
            let index = self.next?;
            self.next = self.session.next_unacked(self.slots, Some(index));
            let slot = self.slots.get(usize::from(index))?;
            let settled = slot.flags.has(Flags::WITHDRAWN) || slot.flags.has(Flags::DONE);
            if slot.kind == SlotKind::Telemetry1 && !settled {
                return Some(TelemetryToken(Ticket { slot: index, generation: slot.generation }));
            }
        }
    }
}
