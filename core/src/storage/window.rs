//! Messages delivered and not yet acknowledged, in delivery order.
//!
//! PUBACKs leave in the order the messages came (MQTT-4.6.0-2): an undecided message holds the later ones, one
//! that was left does not. This memory is apart from `tx`, so that nothing the application queues can block
//! an acknowledgement (law 12).

use crate::config::INBOUND;
use crate::packet::PacketId;

/// A record of one delivered message. The caller gives an array of them and never looks inside.
///
/// ```
/// let inbound = [iothub_proto::Inbound::EMPTY; 64];
/// # let _ = inbound;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Inbound {
    id: Option<PacketId>,
    decision: Decision,
}

impl Inbound {
    /// A record that is not in use.
    pub const EMPTY: Self = Self { id: None, decision: Decision::Left };
}

/// What the application decided about a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    Undecided,
    Accepted,
    Left,
}

/// The window's ends: a ring in the caller's [`Inbound`] records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    /// Index of the oldest record.
    start: u16,
    len: u16,
    /// Number of the oldest message; the next has the next number. Numbers wrap.
    oldest: u16,
    /// The newest message is still coming in: its PUBACK waits for its last byte.
    partial: bool,
}

impl Window {
    /// Messages not yet acknowledged or left.
    pub(crate) const fn len(&self) -> u16 {
        self.len
    }

    /// Whether there is no record left.
    pub(crate) const fn is_full(&self, records: &[Inbound]) -> bool {
        self.len as usize >= records.len()
    }

    /// Makes the oldest record the first, so that records can be added behind the last.
    #[cfg(feature = "alloc")]
    pub(crate) fn straighten(&mut self, records: &mut [Inbound]) {
        records.rotate_left(usize::from(self.start).min(records.len()));
        self.start = 0;
    }

    /// Forgets everything: with its connection, every token dies.
    pub(crate) const fn clear(&mut self) {
        self.oldest = self.oldest.wrapping_add(self.len);
        self.len = 0;
        self.partial = false;
    }

    /// Remembers message `id`, which is `partial` if only its beginning is there; its number, or `None` if the
    /// window is full.
    pub(crate) fn push(
        &mut self,
        records: &mut [Inbound],
        id: PacketId,
        decision: Decision,
        partial: bool,
    ) -> Option<u16> {
        let number = self.oldest.wrapping_add(self.len);
        if self.is_full(records) {
            return None;
        }
        let record = records.get_mut(self.index(records.len(), self.len)?)?;
        *record = Inbound { id: Some(id), decision };
        self.len = self.len.wrapping_add(1);
        self.partial = partial;
        Some(number)
    }

    /// The last byte of the newest message came.
    pub(crate) const fn complete(&mut self) {
        self.partial = false;
    }

    /// Decides about message `number`; `false` if there is no undecided message of that number.
    pub(crate) fn decide(&mut self, records: &mut [Inbound], number: u16, decision: Decision) -> bool {
        let offset = number.wrapping_sub(self.oldest);
        if offset >= self.len {
            return false;
        }
        let Some(record) = self.index(records.len(), offset).and_then(|index| records.get_mut(index)) else {
            return false;
        };
        if record.decision != Decision::Undecided {
            return false;
        }
        record.decision = decision;
        self.drop_left(records);
        true
    }

    /// The next PUBACK: the oldest message's id, if it is accepted and whole.
    pub(crate) fn next_ack(&self, records: &[Inbound]) -> Option<PacketId> {
        self.accepted(records).filter(|_| !self.partial || self.len > 1)
    }

    /// The oldest message's id, if it is accepted.
    pub(crate) fn accepted(&self, records: &[Inbound]) -> Option<PacketId> {
        if !INBOUND || self.len == 0 {
            return None;
        }
        let record = records.get(usize::from(self.start))?;
        record.id.filter(|_| record.decision == Decision::Accepted)
    }

    /// Forgets the oldest message: its PUBACK is on its way.
    pub(crate) fn pop(&mut self, records: &[Inbound]) {
        self.advance(records.len());
        self.drop_left(records);
    }

    fn drop_left(&mut self, records: &[Inbound]) {
        while self.len > 0
            && records.get(usize::from(self.start)).is_some_and(|record| record.decision == Decision::Left)
        {
            self.advance(records.len());
        }
    }

    const fn advance(&mut self, capacity: usize) {
        if self.len > 0 {
            self.len = self.len.wrapping_sub(1);
            self.oldest = self.oldest.wrapping_add(1);
            // Below the capacity, which is not above 65,535.
            let next = self.start.wrapping_add(1);
            self.start = if (next as usize) < capacity { next } else { 0 };
        }
    }

    /// The index of the record `offset` after the oldest.
    fn index(&self, capacity: usize, offset: u16) -> Option<usize> {
        let index = usize::from(self.start).saturating_add(usize::from(offset));
        if index < capacity { Some(index) } else { index.checked_sub(capacity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Window {
        /// The messages in it, oldest first.
        pub(crate) fn all(&self, records: &[Inbound]) -> std::vec::Vec<(Option<PacketId>, Decision)> {
            let record = |offset| records[self.index(records.len(), offset).unwrap()];
            (0..self.len).map(record).map(|record| (record.id, record.decision)).collect()
        }
    }

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    #[cfg(feature = "inbound")]
    fn acknowledges_in_delivery_order() {
        let mut records = [Inbound::EMPTY; 3];
        let mut window = Window { oldest: u16::MAX, ..Window::default() };
        let first = window.push(&mut records, id(10), Decision::Undecided, false).unwrap();
        let second = window.push(&mut records, id(11), Decision::Undecided, false).unwrap();
        let third = window.push(&mut records, id(12), Decision::Undecided, false).unwrap();
        assert_eq!(window.push(&mut records, id(13), Decision::Undecided, false), None, "full");
        assert!(window.decide(&mut records, third, Decision::Accepted));
        assert_eq!(window.next_ack(&records), None, "an undecided message holds the later ones");
        assert!(window.decide(&mut records, second, Decision::Left));
        assert_eq!(window.next_ack(&records), None);
        assert!(window.decide(&mut records, first, Decision::Accepted));
        assert!(!window.decide(&mut records, first, Decision::Left), "decided once");
        assert_eq!(window.next_ack(&records), Some(id(10)));
        window.pop(&records);
        assert_eq!(window.next_ack(&records), Some(id(12)), "a left one does not hold the later ones");
        window.pop(&records);
        assert_eq!((window.next_ack(&records), window.len()), (None, 0));
        assert!(!window.decide(&mut records, first, Decision::Accepted), "stale");
    }

    #[test]
    #[cfg(feature = "inbound")]
    fn a_message_still_coming_in_is_not_acknowledged() {
        let mut records = [Inbound::EMPTY; 2];
        let mut window = Window::default();
        window.push(&mut records, id(1), Decision::Accepted, false).unwrap();
        window.push(&mut records, id(2), Decision::Accepted, true).unwrap();
        assert_eq!(window.next_ack(&records), Some(id(1)), "an older one is");
        window.pop(&records);
        assert_eq!((window.next_ack(&records), window.accepted(&records)), (None, Some(id(2))));
        window.complete();
        assert_eq!(window.next_ack(&records), Some(id(2)));
    }

    #[test]
    #[cfg(feature = "inbound")]
    fn tokens_die_with_the_connection() {
        let mut records = [Inbound::EMPTY; 2];
        let mut window = Window::default();
        let number = window.push(&mut records, id(1), Decision::Undecided, false).unwrap();
        window.clear();
        assert!(!window.decide(&mut records, number, Decision::Accepted));
        for round in 0..200_000u32 {
            let number = window.push(&mut records, id(7), Decision::Undecided, false).unwrap();
            assert!(window.decide(&mut records, number, Decision::Accepted), "round {round}");
            assert_eq!(window.next_ack(&records), Some(id(7)));
            window.pop(&records);
        }
    }

    /// Whatever was in the ring and wherever it began: behind a straightened one there is room for more, and
    /// tokens and the order of PUBACKs stay.
    #[test]
    #[cfg(feature = "alloc")]
    fn grows_wherever_it_begins() {
        for (passed, kept) in (0..8).flat_map(|passed| (0..=3).map(move |kept| (passed, kept))) {
            let mut small = [Inbound::EMPTY; 3];
            let mut window = Window { oldest: u16::MAX - 2, ..Window::default() };
            for _ in 0..passed {
                window.push(&mut small, id(9), Decision::Accepted, false).unwrap();
                window.pop(&small);
            }
            let push = |window: &mut Window, records: &mut [Inbound], ids: core::ops::Range<u16>| {
                ids.map(|n| window.push(records, id(10 + n), Decision::Undecided, false).unwrap())
                    .collect::<std::vec::Vec<_>>()
            };
            let mut tokens = push(&mut window, &mut small, 0..kept);
            window.straighten(&mut small);
            let mut large = [Inbound::EMPTY; 7];
            large[..3].copy_from_slice(&small);
            tokens.extend(push(&mut window, &mut large, kept..7));
            assert!(window.is_full(&large));
            for (n, token) in (0..).zip(tokens) {
                assert!(window.decide(&mut large, token, Decision::Accepted), "{n} after {passed}");
                assert_eq!(window.next_ack(&large), Some(id(10 + n)));
                window.pop(&large);
            }
        }
    }
}
