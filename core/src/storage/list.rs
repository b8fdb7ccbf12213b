//! Doubly linked lists through the slots, so that every queue of the machine costs no memory of its own and
//! every removal is one step.

use super::Slot;

/// No slot: no slice of slots is that long.
pub(crate) const NONE: u16 = u16::MAX;

/// The neighbours of a slot on one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    previous: u16,
    next: u16,
}

impl Link {
    pub(crate) const EMPTY: Self = Self { previous: NONE, next: NONE };
}

/// The order of packets' places in the arena.
pub(crate) const ARENA: usize = 0;
/// The order of sending; free slots wait on it too.
pub(crate) const QUEUE: usize = 1;
/// The order of deadlines; expired ones wait for the application on it too.
pub(crate) const WAIT: usize = 2;

/// A list of slots: its ends. It goes through the links `THROUGH`; a slot is on at most one list of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<const THROUGH: usize> {
    ends: Ends,
}

impl<const THROUGH: usize> List<THROUGH> {
    pub(crate) const EMPTY: Self = Self { ends: Ends { head: NONE, tail: NONE } };

    pub(crate) const fn is_empty(&self) -> bool {
        self.ends.head == NONE
    }

    /// The first slot; [`NONE`] if there is none.
    pub(crate) const fn first(&self) -> u16 {
        self.ends.head
    }

    /// The last slot; [`NONE`] if there is none.
    #[cfg(test)]
    pub(crate) const fn last(&self) -> u16 {
        self.ends.tail
    }

    /// The slot after `index`, or [`NONE`].
    pub(crate) fn after(&self, slots: &[Slot], index: u16) -> u16 {
        link(slots, index, THROUGH).next
    }

    /// The slot before `index`, or [`NONE`].
    pub(crate) fn before(&self, slots: &[Slot], index: u16) -> u16 {
        link(slots, index, THROUGH).previous
    }

    /// Adds `index`, which is on no list of this kind, as the last.
    pub(crate) fn push(&mut self, slots: &mut [Slot], index: u16) {
        self.insert(slots, self.ends.tail, index);
    }

    /// Adds `index`, which is on no list of this kind, after `previous`; after [`NONE`]: as the first.
    pub(crate) fn insert(&mut self, slots: &mut [Slot], previous: u16, index: u16) {
        self.ends.insert(slots, THROUGH, previous, index);
    }

    /// Takes `index`, which is on this list, out of it.
    pub(crate) fn remove(&mut self, slots: &mut [Slot], index: u16) {
        self.ends.remove(slots, THROUGH, index);
    }

    /// Takes the first slot out; [`NONE`] if there is none.
    pub(crate) fn pop(&mut self, slots: &mut [Slot]) -> u16 {
        let first = self.ends.head;
        if first != NONE {
            self.remove(slots, first);
        }
        first
    }
}

/// The first and the last slot of a list. What it does is the same for all links, so that a firmware has it once.
#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u16,
    tail: u16,
}

impl Ends {
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn insert(&mut self, slots: &mut [Slot], through: usize, previous: u16, index: u16) {
        let next = core::mem::replace(self.next_of(slots, through, previous), index);
        *self.previous_of(slots, through, next) = index;
        if let Some(link) = link_mut(slots, index, through) {
            *link = Link { previous, next };
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn remove(&mut self, slots: &mut [Slot], through: usize, index: u16) {
        let Link { previous, next } = link(slots, index, through);
        *self.next_of(slots, through, previous) = next;
        *self.previous_of(slots, through, next) = previous;
    }

    /// What says which slot is after `index`: its link, or the head of the list for [`NONE`].
    fn next_of<'s>(&'s mut self, slots: &'s mut [Slot], through: usize, index: u16) -> &'s mut u16 {
        match link_mut(slots, index, through) {
            Some(link) => &mut link.next,
            None => &mut self.head,
        }
    }

    /// What says which slot is before `index`: its link, or the tail of the list for [`NONE`].
    fn previous_of<'s>(&'s mut self, slots: &'s mut [Slot], through: usize, index: u16) -> &'s mut u16 {
        match link_mut(slots, index, through) {
            Some(link) => &mut link.previous,
            None => &mut self.tail,
        }
    }
}

fn link(slots: &[Slot], index: u16, through: usize) -> Link {
    let slot = slots.get(usize::from(index));
    slot.and_then(|slot| slot.links.get(through)).copied().unwrap_or(Link::EMPTY)
}

fn link_mut(slots: &mut [Slot], index: u16, through: usize) -> Option<&mut Link> {
    slots.get_mut(usize::from(index))?.links.get_mut(through)
}
