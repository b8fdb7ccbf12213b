//! Doubly linked lists through the slots, so that every queue of the machine costs no memory of its own and
//! every removal is one step.

use super::Slot;

/// No slot.
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
    /// The order of packets in the arena.
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

    pub(crate) const fn first(&self) -> Option<u16> {
        if self.head == NONE { None } else { Some(self.head) }
    }

    pub(crate) const fn last(&self) -> Option<u16> {
        if self.tail == NONE { None } else { Some(self.tail) }
    }

    /// The slot after `index`.
    pub(crate) fn after(&self, slots: &[Slot], index: u16) -> Option<u16> {
        self.link(slots, index).map(|link| link.next).filter(|&next| next != NONE)
    }

    /// The slot before `index`.
    pub(crate) fn before(&self, slots: &[Slot], index: u16) -> Option<u16> {
        self.link(slots, index).map(|link| link.previous).filter(|&previous| previous != NONE)
    }

    /// Adds `index`, which is on no list of this kind, as the last.
    #[inline(never)]
    pub(crate) fn push(&mut self, slots: &mut [Slot], index: u16) {
        let previous = self.tail;
        if let Some(link) = self.link_mut(slots, index) {
            *link = Link { previous, next: NONE };
            self.tail = index;
            match self.link_mut(slots, previous) {
                Some(link) => link.next = index,
                None => self.head = index,
            }
        }
    }

    /// Takes `index`, which is on this list, out of it.
    pub(crate) fn remove(&mut self, slots: &mut [Slot], index: u16) {
        let Some(link) = self.link_mut(slots, index) else { return };
        let Link { previous, next } = core::mem::replace(link, Link::EMPTY);
        match self.link_mut(slots, previous) {
            Some(link) => link.next = next,
            None => self.head = next,
        }
        match self.link_mut(slots, next) {
            Some(link) => link.previous = previous,
            None => self.tail = previous,
        }
    }

    /// Takes the first slot out.
    pub(crate) fn pop(&mut self, slots: &mut [Slot]) -> Option<u16> {
        let first = self.first()?;
        self.remove(slots, first);
        Some(first)
    }

    fn link<'s>(&self, slots: &'s [Slot], index: u16) -> Option<&'s Link> {
        slots.get(usize::from(index))?.links.get(self.through as usize)
    }

    fn link_mut<'s>(&self, slots: &'s mut [Slot], index: u16) -> Option<&'s mut Link> {
        slots.get_mut(usize::from(index))?.links.get_mut(self.through as usize)
    }
}
