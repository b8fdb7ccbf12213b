//! Encoded packets in one byte slice, each contiguous, kept until it is settled.
//!
//! The packets form a ring in the order they were made: the newest is written after the one before it, and
//! wraps to the front when the end is too short. Settled in order, as a hub does, both ends of the ring just
//! move. A packet settled out of order leaves a hole; when the ring is full, [`Arena::reserve`] slides the
//! packets together once, and a hole is never waited for. Only the packet that is lent to the transport cannot
//! move (law 11): the others gather around it.

use super::Slot;
use super::list::{List, Through};
use core::ops::Range;

/// Where the packets are. Their places are in the slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arena {
    /// Packets by age, which is also their order around the ring.
    order: List,
    /// The ring begins here; the reserve is before it.
    base: u32,
}

impl Arena {
    pub(crate) const fn new(base: u32) -> Self {
        Self { order: List::new(Through::Arena), base }
    }

    /// Bytes the ring has in a `tx` of `len` bytes: the largest packet that can ever fit.
    pub(crate) fn capacity(&self, len: usize) -> usize {
        len.saturating_sub(self.base as usize)
    }

    /// The free bytes after the newest packet and, if the ring has not wrapped, those at the front.
    pub(crate) fn gaps(&self, slots: &[Slot], len: usize) -> [Range<u32>; 2] {
        let end = to_u32(len);
        let ends = self.order.first().zip(self.order.last());
        let Some((oldest, newest)) = ends.and_then(|(a, b)| Some((slot(slots, a)?, slot(slots, b)?))) else {
            return [self.base..end, 0..0];
        };
        let tail = newest.start.saturating_add(newest.len);
        if newest.start >= oldest.start { [tail..end, self.base..oldest.start] } else { [tail..oldest.start, 0..0] }
    }

    /// A place for a packet of `needed` bytes; `None` if there is none even after sliding.
    pub(crate) fn reserve(
        &self,
        slots: &mut [Slot],
        tx: &mut [u8],
        lent: Option<u16>,
        needed: usize,
    ) -> Option<Range<u32>> {
        let fits = |gap: &Range<u32>| gap.len() >= needed;
        let place = match self.gaps(slots, tx.len()).into_iter().find(fits) {
            Some(place) => place,
            None if self.largest(slots, tx.len(), lent) >= needed => {
                self.slide(slots, tx, lent);
                self.gaps(slots, tx.len()).into_iter().find(fits)?
            }
            None => return None,
        };
        Some(place.start..place.start.saturating_add(to_u32(needed)))
    }

    /// Records the packet in `place` as the newest, for `index`.
    pub(crate) fn commit(&mut self, slots: &mut [Slot], index: u16, place: Range<u32>) {
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            slot.start = place.start;
            slot.len = place.end.saturating_sub(place.start);
            self.order.push(slots, index);
        }
    }

    /// Gives back the bytes of `index`, if it has any.
    pub(crate) fn release(&mut self, slots: &mut [Slot], index: u16) {
        if let Some(slot) = slots.get_mut(usize::from(index)).filter(|slot| slot.len > 0) {
            slot.len = 0;
            self.order.remove(slots, index);
        }
    }

    /// The largest packet [`reserve`](Self::reserve) has a place for now.
    pub(crate) fn largest(&self, slots: &[Slot], len: usize, lent: Option<u16>) -> usize {
        let end = to_u32(len);
        let pinned = lent.and_then(|index| slot(slots, index)).filter(|slot| slot.len > 0);
        let oldest = self.order.first().and_then(|index| slot(slots, index)).map_or(0, |slot| slot.start);
        let wrapped = self.wraps_after(slots).is_some();
        let is_lower = |it: &Slot| it.start < oldest;
        // Bytes before and after the lent packet in its stretch of the ring, and in the other stretch.
        let (mut before, mut after, mut other) = (0u32, 0u32, 0u32);
        let mut passed = false;
        let mut next = self.order.first();
        while let Some((index, it)) = next.and_then(|index| Some((index, slot(slots, index)?))) {
            let sum = match pinned {
                Some(_) if lent == Some(index) => {
                    passed = true;
                    next = self.order.after(slots, index);
                    continue;
                }
                Some(pinned) if is_lower(pinned) == is_lower(it) && passed => &mut after,
                Some(pinned) if is_lower(pinned) == is_lower(it) => &mut before,
                _ => &mut other,
            };
            *sum = sum.saturating_add(it.len);
            next = self.order.after(slots, index);
        }
        let slid = match pinned {
            None => end.saturating_sub(self.base).saturating_sub(other),
            Some(it) => {
                let above = it.start.saturating_add(it.len).saturating_add(after);
                let below = it.start.saturating_sub(before);
                if !wrapped {
                    // The others gather at the lent packet; there is room before and after them.
                    end.saturating_sub(above).max(below.saturating_sub(self.base))
                } else if is_lower(it) {
                    end.saturating_sub(other).saturating_sub(above)
                } else {
                    below.saturating_sub(self.base.saturating_add(other))
                }
            }
        };
        let [first, second] = self.gaps(slots, len);
        (slid as usize).max(first.len()).max(second.len())
    }

    /// Whether there is no packet.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Bytes of all packets.
    #[cfg(feature = "alloc")]
    pub(crate) fn used(&self, slots: &[Slot]) -> usize {
        let mut used = 0usize;
        let mut next = self.order.first();
        while let Some(index) = next {
            used = used.saturating_add(slot(slots, index).map_or(0, |slot| slot.len as usize));
            next = self.order.after(slots, index);
        }
        used
    }

    /// Slides packets together: without a lent one, all that is free is one gap after; else around the lent one.
    pub(crate) fn slide(&self, slots: &mut [Slot], tx: &mut [u8], lent: Option<u16>) {
        let lent = lent.filter(|&index| slot(slots, index).is_some_and(|slot| slot.len > 0));
        let end = to_u32(tx.len());
        let wrapped = self.wraps_after(slots);
        let (upper_last, lower_first) = match wrapped {
            Some(index) => (Some(index), self.order.after(slots, index)),
            None => (None, self.order.first()),
        };
        // The lower stretch (the only one if the ring has not wrapped) goes down, what is older than a lent
        // packet in a sole stretch goes up to it.
        let anchor = lent.filter(|_| wrapped.is_none());
        if let Some(anchor) = anchor {
            let limit = slot(slots, anchor).map_or(0, |slot| slot.start);
            self.slide_up(slots, tx, self.order.before(slots, anchor), lent, limit);
            self.slide_down(slots, tx, Some(anchor), lent);
        } else {
            self.slide_down(slots, tx, lower_first, lent);
        }
        self.slide_up(slots, tx, upper_last, lent, end);
    }

    /// Moves packets from `from` to the newest down, each against the one before it.
    fn slide_down(&self, slots: &mut [Slot], tx: &mut [u8], from: Option<u16>, lent: Option<u16>) {
        let mut to = self.base;
        let mut next = from;
        while let Some(index) = next {
            let Some(slot) = slots.get_mut(usize::from(index)) else { return };
            if Some(index) != lent {
                move_bytes(tx, slot.start, to, slot.len);
                slot.start = to;
            }
            to = slot.start.saturating_add(slot.len);
            next = self.order.after(slots, index);
        }
    }

    /// Moves packets from `from` to the oldest up, the first of them against `limit`.
    fn slide_up(&self, slots: &mut [Slot], tx: &mut [u8], from: Option<u16>, lent: Option<u16>, limit: u32) {
        let mut limit = limit;
        let mut next = from;
        while let Some(index) = next {
            let Some(slot) = slots.get_mut(usize::from(index)) else { return };
            if Some(index) != lent {
                let to = limit.saturating_sub(slot.len);
                move_bytes(tx, slot.start, to, slot.len);
                slot.start = to;
            }
            limit = slot.start;
            next = self.order.before(slots, index);
        }
    }

    /// The last packet before the ring wraps to the front, if it does.
    fn wraps_after(&self, slots: &[Slot]) -> Option<u16> {
        let oldest = slot(slots, self.order.first()?)?.start;
        let mut newest_upper = self.order.last()?;
        if slot(slots, newest_upper)?.start >= oldest {
            return None;
        }
        while slot(slots, newest_upper)?.start < oldest {
            newest_upper = self.order.before(slots, newest_upper)?;
        }
        Some(newest_upper)
    }
}

fn slot(slots: &[Slot], index: u16) -> Option<&Slot> {
    slots.get(usize::from(index))
}

fn to_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// `copy_within` without its panic: byte by byte, in the direction that an overlap needs.
fn move_bytes(tx: &mut [u8], from: u32, to: u32, len: u32) {
    let (from, to, len) = (from as usize, to as usize, len as usize);
    let mut step = |offset: usize| {
        let byte = tx.get(from.saturating_add(offset)).copied().unwrap_or_default();
        if let Some(target) = tx.get_mut(to.saturating_add(offset)) {
            *target = byte;
        }
    };
    if to < from {
        (0..len).for_each(&mut step);
    } else if to > from {
        (0..len).rev().for_each(&mut step);
    }
}

#[cfg(test)]
mod tests;
