//! A receive buffer over the caller's memory.

use core::fmt;

/// Collects input until a packet is whole.
///
/// The driver reads from its transport into [`space`](Self::space), says how much it read with
/// [`commit`](Self::commit), and polls the client for events, which borrow this buffer. What an event borrows
/// stays until the next poll, which first drops what was consumed before.
///
/// ```
/// use iothub_proto::RxBuffer;
/// let mut memory = [0; 4096];
/// let mut rx = RxBuffer::new(&mut memory);
/// let read = b"\x20\x02";
/// rx.space()[..read.len()].copy_from_slice(read);
/// rx.commit(read.len());
/// assert_eq!(rx.filled(), read);
/// ```
pub struct RxBuffer<'b> {
    memory: &'b mut [u8],
    /// Bytes consumed by earlier events, dropped at the next poll.
    start: usize,
    end: usize,
}

impl<'b> RxBuffer<'b> {
    /// A buffer over `memory`, which must hold [`Settings::max_packet`](crate::Settings::max_packet) bytes.
    pub const fn new(memory: &'b mut [u8]) -> Self {
        Self { memory, start: 0, end: 0 }
    }

    /// Bytes it holds at most.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Bytes received and not consumed.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// Room to read into: never empty after the client was polled until it had no event.
    pub fn space(&mut self) -> &mut [u8] {
        self.compact();
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    /// `len` bytes were read into [`space`](Self::space). More than there was room for counts as all of it.
    pub fn commit(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.memory.len());
    }

    /// Drops everything, as on a new connection.
    pub const fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// The bytes received, and what counts the consumed ones while an event borrows them.
    pub(crate) fn split(&mut self) -> (&[u8], Consumed<'_>) {
        let input = self.memory.get(self.start..self.end).unwrap_or_default();
        (input, Consumed { start: &mut self.start, end: self.end })
    }

    fn compact(&mut self) {
        let len = self.end.saturating_sub(self.start);
        // Moving no more than was consumed keeps the cost of a byte constant.
        if self.start > 0 && (len <= self.start || self.end == self.memory.len()) {
            super::move_down(self.memory, self.start, 0, len);
            self.start = 0;
            self.end = len;
        }
    }
}

impl fmt::Debug for RxBuffer<'_> {
    /// Sizes only: what comes in may be anybody's secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxBuffer").field("filled", &self.filled().len()).field("capacity", &self.capacity()).finish()
    }
}

/// Drops bytes from the front of an [`RxBuffer`]. They stay where they are until the buffer needs their room.
pub(crate) struct Consumed<'r> {
    start: &'r mut usize,
    end: usize,
}

impl Consumed<'_> {
    pub(crate) fn add(&mut self, len: usize) {
        *self.start = self.start.saturating_add(len).min(self.end);
    }
}
