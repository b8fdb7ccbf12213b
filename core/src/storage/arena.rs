//! Encoded packets in one byte slice, each contiguous, kept until it is settled.
//!
//! The next packet goes directly behind the newest, or to the front when the end is too near. Settled in order, as a
//! hub does, that makes a ring in which nothing is ever moved or searched. A packet settled out of order leaves a
//! hole; when both places are too small, [`Arena::reserve`] moves the packets together once, and a hole is never
//! waited for. Only the packet that is lent to the transport cannot move (law 11): those below it gather at the
//! front, those above it directly behind it.

use super::list::{ARENA, List, NONE};
use super::{Slot, move_down};
use core::ops::Range;

/// Where the packets are. Their places are in the slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arena {
    /// Packets from the front to the end.
    places: List<ARENA>,
    /// The next packet goes behind this one; [`NONE`]: to the front.
    newest: u16,
    /// The packets begin here; the reserve is before it.
    base: u32,
}

impl Arena {
    pub(crate) const fn new(base: u32) -> Self {
        Self { places: List::EMPTY, newest: NONE, base }
    }

    /// Bytes of the reserve before the packets.
    pub(crate) const fn base(&self) -> usize {
        self.base as usize
    }

    /// The free bytes where the next packet goes first.
    pub(crate) fn gap(&self, slots: &[Slot], len: usize) -> Range<u32> {
        self.gap_behind(slots, len, self.newest)
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn gap_behind(&self, slots: &[Slot], len: usize, index: u16) -> Range<u32> {
        let (start, next) = match slots.get(usize::from(index)) {
            Some(slot) => (slot.end(), self.places.after(slots, index)),
            None => (self.base, self.places.first()),
        };
        start..slots.get(usize::from(next)).map_or(len as u32, |slot| slot.start)
    }

    /// A place for the next packet, of `needed` bytes.
    ///
    /// # Errors
    ///
    /// The largest packet there is a place for.
    pub(crate) fn reserve(
        &mut self,
        slots: &mut [Slot],
        tx: &mut [u8],
        lent: u16,
        needed: usize,
    ) -> Result<Range<u32>, usize> {
        let fits = |behind| self.gap_behind(slots, tx.len(), behind).len() >= needed;
        let behind = if fits(self.newest) {
            self.newest
        } else if fits(NONE) {
            NONE
        } else {
            let (behind, largest) = self.widest(slots, tx.len(), lent);
            if largest < needed {
                return Err(largest);
            }
            self.gather(slots, tx, lent);
            behind
        };
        self.newest = behind;
        let start = self.gap(slots, tx.len()).start;
        Ok(start..start.wrapping_add(needed as u32))
    }

    /// Records the packet in `place`, which was reserved, as the newest, for `index`.
    pub(crate) fn commit(&mut self, slots: &mut [Slot], index: u16, place: &Range<u32>) {
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            slot.start = place.start;
            slot.len = place.end.wrapping_sub(place.start);
            self.places.insert(slots, self.newest, index);
            self.newest = index;
        }
    }

    /// Gives back the bytes of `index`, if it has any.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn release(&mut self, slots: &mut [Slot], index: u16) {
        if let Some(slot) = slots.get_mut(usize::from(index)).filter(|slot| slot.len > 0) {
            slot.len = 0;
            if self.newest == index {
                self.newest = self.places.before(slots, index);
            }
            self.places.remove(slots, index);
        }
    }

    /// Whether there is no packet.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The largest packet [`reserve`](Self::reserve) has a place for now.
    pub(crate) fn largest(&self, slots: &[Slot], len: usize, lent: u16) -> usize {
        self.widest(slots, len, lent).1
    }

    /// The widest gap there will be when the packets are [gathered](Self::gather): the packet before it, or
    /// [`NONE`], and its bytes. It is below the packet `lent`, which stays, or behind the last.
    #[cfg_attr(target_os = "none", inline(never))]
    fn widest(&self, slots: &[Slot], len: usize, lent: u16) -> (u16, usize) {
        let mut end = self.base;
        let (mut last, mut next) = (NONE, self.places.first());
        let mut below = (NONE, 0);
        while let Some(slot) = slots.get(usize::from(next)) {
            if next == lent {
                below = (last, slot.start.wrapping_sub(end) as usize);
                end = slot.start;
            }
            end = end.wrapping_add(slot.len);
            last = next;
            next = self.places.after(slots, next);
        }
        let above = len.saturating_sub(end as usize);
        if above > below.1 { (last, above) } else { below }
    }

    /// Moves every packet down against the one before it, but for `lent`.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn gather(&self, slots: &mut [Slot], tx: &mut [u8], lent: u16) {
        let mut end = self.base;
        let mut next = self.places.first();
        while let Some(slot) = slots.get_mut(usize::from(next)) {
            if next != lent && slot.start != end {
                move_down(tx, slot.start as usize, end as usize, slot.len as usize);
                slot.start = end;
            }
            end = slot.end();
            next = self.places.after(slots, next);
        }
    }
}

#[cfg(test)]
mod tests;
