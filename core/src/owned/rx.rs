//! A receive buffer that events can keep.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes there is room for in one read.
const READ: usize = 4096;

/// Collects input until a packet is whole, for [`OwnedClient::poll_event`](crate::OwnedClient::poll_event).
///
/// A driver reads from its transport into [`space`](Self::space) and says how much with [`commit`](Self::commit),
/// or hands over what it has read already with [`receive`](Self::receive); then it polls until there is no event.
/// Events share this memory: nothing is copied, and what one of them holds stays until the last copy of it is
/// dropped. A buffer that ran empty holds no memory at all.
///
/// ```
/// use iothub_proto::RxBytes;
/// let mut rx = RxBytes::new(8 * 1024);
/// rx.space()[..2].copy_from_slice(b"\xd0\x00");
/// rx.commit(2);
/// assert_eq!(rx.receive(b"\x40\x02\x00\x01"), 4);
/// assert_eq!(rx.filled(), b"\xd0\x00\x40\x02\x00\x01");
/// ```
#[derive(Debug)]
pub struct RxBytes {
    /// Bytes received and not consumed, and behind them room for the next read.
    bytes: BytesMut,
    filled: usize,
    /// The full size of the packet at the front, as far as known.
    needed: usize,
    capacity: usize,
}

impl RxBytes {
    /// A buffer that holds at most `capacity` bytes: at least [`Settings::max_packet`](crate::Settings::max_packet),
    /// and better a read more (4,096 bytes). It takes no memory yet.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { bytes: BytesMut::new(), filled: 0, needed: 0, capacity }
    }

    /// Bytes it holds at most.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes received and not consumed.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Room to read into: never empty after the client was polled until it had no event. It takes the memory for
    /// that, so call it when there is something to read.
    pub fn space(&mut self) -> &mut [u8] {
        self.make_room(READ / 2, READ);
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// `len` bytes were read into [`space`](Self::space). More than there was room for counts as all of it.
    pub fn commit(&mut self, len: usize) {
        self.filled = self.filled.saturating_add(len).min(self.bytes.len());
    }

    /// Takes bytes that were read elsewhere, and tells how many of them: fewer than all if the buffer is full, so
    /// that the client must be polled before the rest is handed in.
    #[must_use = "the rest was not taken"]
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.capacity.saturating_sub(self.filled));
        if len > 0 {
            self.make_room(len, len);
            let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
            room.iter_mut().zip(bytes.iter().take(len)).for_each(|(to, from)| *to = *from);
            self.commit(len);
        }
        len
    }

    /// Drops everything, as on a new connection.
    pub fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    /// Has room for `least` more bytes behind the filled ones; for `most`, or for the rest of the packet at the
    /// front, if memory must be taken for that. Capacity is above both.
    fn make_room(&mut self, least: usize, most: usize) {
        let least = least.max(self.needed.saturating_sub(self.filled)).min(self.capacity.saturating_sub(self.filled));
        if self.bytes.len().saturating_sub(self.filled) >= least {
            return;
        }
        self.bytes.truncate(self.filled);
        let end = self.filled.saturating_add(most).max(self.needed).min(self.capacity);
        if self.bytes.try_reclaim(least) {
            self.bytes.resize(end.min(self.bytes.capacity()), 0);
        } else {
            // Exactly as long as it says: then the last event can take it over without another allocation.
            let mut fresh = BytesMut::zeroed(end);
            fresh.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
            self.bytes = fresh;
        }
    }

    /// Drops `len` consumed bytes.
    pub(super) fn advance(&mut self, len: usize) {
        let len = len.min(self.filled);
        self.bytes.advance(len);
        self.filled = self.filled.saturating_sub(len);
        self.needed = 0;
    }

    /// Takes `len` consumed bytes out, and perhaps more behind them.
    pub(super) fn take(&mut self, len: usize) -> Bytes {
        let len = len.min(self.filled);
        self.needed = 0;
        self.filled = self.filled.saturating_sub(len);
        if self.filled == 0 { core::mem::take(&mut self.bytes).freeze() } else { self.bytes.split_to(len).freeze() }
    }

    /// There is no event (any more): the packet at the front has `needed` bytes, as far as known.
    pub(super) fn wait(&mut self, needed: usize) {
        self.needed = needed;
        if self.filled == 0 {
            self.bytes = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[derive(Clone, Debug)]
    enum Step {
        Receive(usize),
        Read(usize),
        Drop(usize),
        Keep(usize),
        Wait(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0usize..700).prop_map(Step::Receive),
            (0usize..700).prop_map(Step::Read),
            (0usize..900).prop_map(Step::Drop),
            (0usize..900).prop_map(Step::Keep),
            (0usize..3_000).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 1..60)
    }

    proptest! {
        /// It is a queue of bytes, never longer than its capacity, and what was taken out never changes.
        #[test]
        fn is_a_queue(capacity in 64usize..3_000, steps in steps()) {
            let mut rx = RxBytes::new(capacity);
            let (mut queue, mut kept) = (Vec::new(), Vec::new());
            let mut next = (0..=255u8).cycle();
            for step in steps {
                match step {
                    Step::Receive(len) => {
                        let bytes: Vec<u8> = next.by_ref().take(len).collect();
                        let taken = rx.receive(&bytes);
                        prop_assert_eq!(taken, len.min(capacity - queue.len()));
                        queue.extend_from_slice(&bytes[..taken]);
                    }
                    Step::Read(len) => {
                        let space = rx.space();
                        prop_assert_eq!(space.is_empty(), queue.len() == capacity);
                        let read = len.min(space.len());
                        let bytes: Vec<u8> = next.by_ref().take(read).collect();
                        space[..read].copy_from_slice(&bytes);
                        rx.commit(read);
                        queue.extend_from_slice(&bytes);
                    }
                    Step::Drop(len) => {
                        let len = len.min(queue.len());
                        rx.advance(len);
                        queue.drain(..len);
                    }
                    Step::Keep(len) => {
                        let len = len.min(queue.len());
                        let front: Vec<u8> = queue.drain(..len).collect();
                        let bytes = rx.take(len);
                        kept.push((bytes.slice(..len), front));
                    }
                    Step::Wait(needed) => {
                        rx.wait(needed.min(capacity));
                        prop_assert!(!queue.is_empty() || rx.bytes.capacity() == 0);
                    }
                }
                prop_assert_eq!(rx.filled(), &queue);
                prop_assert!(rx.bytes.len() <= capacity);
            }
            for (bytes, front) in kept {
                prop_assert_eq!(bytes, front);
            }
        }
    }

    #[test]
    fn a_large_packet_is_made_room_for_once() {
        let mut rx = RxBytes::new(70_000);
        let space = rx.space().len();
        rx.commit(space);
        rx.wait(60_000);
        assert_eq!(rx.space().len(), 60_000 - READ);
        let place = rx.bytes.as_ptr();
        for _ in 0..6 {
            let space = rx.space().len().min(10_000);
            rx.commit(space);
        }
        assert_eq!((rx.filled().len(), rx.bytes.as_ptr()), (60_000, place));
    }

    #[test]
    fn memory_of_dropped_events_is_used_again() {
        let mut rx = RxBytes::new(2 * READ);
        rx.space();
        rx.commit(READ - 10);
        let place = rx.bytes.as_ptr();
        drop(rx.take(READ - 100));
        assert_eq!(rx.space().len(), READ - 90);
        assert_eq!(rx.bytes.as_ptr(), place);
        let kept = rx.take(50);
        rx.commit(READ);
        assert!(rx.space().len() >= READ / 2);
        assert!(!kept.as_ptr_range().contains(&rx.filled().as_ptr()), "not while an event is kept");
    }
}
