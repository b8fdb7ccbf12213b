//! Bytes out, into memory of a fixed size.

/// Appends to a caller's slice and cannot overrun it.
///
/// What does not fit is counted but not written, so one pass tells either that everything is there or how
/// much room it needs.
///
/// ```
/// use iothub_proto::wire::Writer;
/// let mut room = [0; 4];
/// let mut writer = Writer::new(&mut room);
/// writer.put(b"abc");
/// writer.put_u16(7);
/// assert_eq!(writer.len(), 5);
/// assert!(writer.overflowed());
/// ```
#[derive(Debug)]
pub struct Writer<'b> {
    room: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    /// A writer at the start of `room`.
    pub const fn new(room: &'b mut [u8]) -> Self {
        Self { room, len: 0 }
    }

    /// Bytes put so far, also those that did not fit.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was put yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether something did not fit.
    #[must_use]
    pub const fn overflowed(&self) -> bool {
        self.len > self.room.len()
    }

    /// Appends `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        self.patch(self.len, bytes);
        self.len = self.len.saturating_add(bytes.len());
    }

    /// Appends one byte.
    pub fn put_u8(&mut self, byte: u8) {
        if let Some(to) = self.room.get_mut(self.len) {
            *to = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    /// Appends a 16-bit number, high byte first (MQTT 3.1.1 §1.5.2).
    pub fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Overwrites two bytes that were put before at `at`.
    pub fn patch_u16(&mut self, at: usize, value: u16) {
        self.patch(at, &value.to_be_bytes());
    }

    /// Overwrites bytes that were put before at `at`.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        // In two steps: only then is it seen that both have one length, and no panic is left in `copy_from_slice`.
        if let Some(to) = self.room.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
            to.copy_from_slice(bytes);
        }
    }

    /// Appends `value` in decimal digits, as topics and SAS tokens carry numbers.
    pub fn put_decimal(&mut self, value: u32) {
        let mut digits = [0; 10];
        let mut rest = value;
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.wrapping_add((rest % 10) as u8);
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        self.put(digits.get(10 - used..).unwrap_or_default());
    }

    /// What was written, or `Err(needed)` if the room is smaller than `needed` bytes.
    pub fn finish(self) -> Result<&'b mut [u8], usize> {
        let Self { room, len } = self;
        room.get_mut(..len).ok_or(len)
    }
}
