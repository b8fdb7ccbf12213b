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

/// Which of a slot's links a list goes through. A slot is on at most one list of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Through {
    /// The order of packets' places in the arena.
    Arena = 0,
    /// The order of sending; free slots wait on it too.
    Queue = 1,
    /// The order of deadlines; expired ones wait for the application on it too.
    Wait = 2,
}

/// A list of slots: its ends and which links it goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    head: u16,
    tail: u16,
    through: Through,
}

impl List {
    pub(crate) const fn new(through: Through) -> Self {
        Self { head: NONE, tail: NONE, through }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// The first slot; [`NONE`] if there is none.
    pub(crate) const fn first(&self) -> u16 {
        self.head
    }

    /// The last slot; [`NONE`] if there is none.
    #[cfg(test)]
    pub(crate) const fn last(&self) -> u16 {
        self.tail
    }

    /// The slot after `index`, or [`NONE`].
    pub(crate) fn after(&self, slots: &[Slot], index: u16) -> u16 {
        self.link(slots, index).next
    }

    /// The slot before `index`, or [`NONE`].
    pub(crate) fn before(&self, slots: &[Slot], index: u16) -> u16 {
        self.link(slots, index).previous
    }

    /// Adds `index`, which is on no list of this kind, as the last.
    pub(crate) fn push(&mut self, slots: &mut [Slot], index: u16) {
        self.insert(slots, self.tail, index);
    }

    /// Adds `index`, which is on no list of this kind, after `previous`; after [`NONE`]: as the first.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn insert(&mut self, slots: &mut [Slot], previous: u16, index: u16) {
        let next = core::mem::replace(self.next_of(slots, previous), index);
        *self.previous_of(slots, next) = index;
        if let Some(link) = self.link_mut(slots, index) {
            *link = Link { previous, next };
        }
    }

    /// Takes `index`, which is on this list, out of it.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn remove(&mut self, slots: &mut [Slot], index: u16) {
        let Link { previous, next } = self.link(slots, index);
        *self.next_of(slots, previous) = next;
        *self.previous_of(slots, next) = previous;
    }

    /// Takes the first slot out; [`NONE`] if there is none.
    pub(crate) fn pop(&mut self, slots: &mut [Slot]) -> u16 {
        let first = self.head;
        if first != NONE {
            self.remove(slots, first);
        }
        first
    }

    fn link(&self, slots: &[Slot], index: u16) -> Link {
        let slot = slots.get(usize::from(index));
        slot.and_then(|slot| slot.links.get(self.through as usize)).copied().unwrap_or(Link::EMPTY)
    }

    fn link_mut<'s>(&self, slots: &'s mut [Slot], index: u16) -> Option<&'s mut Link> {
        slots.get_mut(usize::from(index))?.links.get_mut(self.through as usize)
    }

    /// What says which slot is after `index`: its link, or the head of the list for [`NONE`].
    fn next_of<'s>(&'s mut self, slots: &'s mut [Slot], index: u16) -> &'s mut u16 {
        match self.link_mut(slots, index) {
            Some(link) => &mut link.next,
            None => &mut self.head,
        }
    }

    /// What says which slot is before `index`: its link, or the tail of the list for [`NONE`].
    fn previous_of<'s>(&'s mut self, slots: &'s mut [Slot], index: u16) -> &'s mut u16 {
        match self.link_mut(slots, index) {
            Some(link) => &mut link.previous,
            None => &mut self.tail,
        }
    }
}
