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

    /// A writer behind `len` bytes that stand in `room` already and count as put.
    pub(crate) const fn behind(room: &'b mut [u8], len: usize) -> Self {
        Self { room, len }
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
    #[cfg_attr(target_os = "none", inline(never))] // Called from everywhere: a copy at each place would be a tenth of a firmware.
    pub fn put(&mut self, bytes: &[u8]) {
        if let Some(to) = self.room.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len())) {
            copy(to, bytes);
        }
        self.advance(bytes.len());
    }

    /// What is free.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        self.room.get_mut(self.len..).unwrap_or_default()
    }

    /// Counts bytes as put that stand in the [`rest`](Self::rest), or do not fit there.
    pub(super) const fn advance(&mut self, bytes: usize) {
        self.len = self.len.saturating_add(bytes);
    }

    /// Appends one byte.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn put_u8(&mut self, byte: u8) {
        if let Some(to) = self.room.get_mut(self.len) {
            *to = byte;
        }
        self.advance(1);
    }

    /// Appends a 16-bit number, high byte first (MQTT 3.1.1 §1.5.2).
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Appends `text` with its length in 16 bits before it (MQTT 3.1.1 §1.5.3); at most
    /// [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes.
    pub fn put_text(&mut self, text: &str) {
        self.put_binary(text.as_bytes());
    }

    /// As [`put_text`](Self::put_text), of bytes that need not be a text.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn put_binary(&mut self, bytes: &[u8]) {
        self.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.put(bytes);
    }

    /// Appends what `f` puts, with its length in 16 bits before it, and gives that length in bytes.
    ///
    /// The caller refuses a text longer than [`MAX_TEXT`](crate::wire::MAX_TEXT): its length field is wrong.
    ///
    /// ```
    /// use iothub_proto::wire::Writer;
    /// let mut room = [0; 8];
    /// let mut writer = Writer::new(&mut room);
    /// let len = writer.put_text_with(&mut |writer| {
    ///     writer.put(b"$rid=");
    ///     writer.put_decimal(7);
    /// });
    /// assert_eq!(len, 6);
    /// assert_eq!(writer.finish().unwrap(), b"\x00\x06$rid=7");
    /// ```
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn put_text_with(&mut self, f: &mut dyn FnMut(&mut Writer<'_>)) -> usize {
        let start = self.begin_text();
        f(self);
        self.end_text(start)
    }

    /// Begins a text whose length is known only afterwards; gives what [`end_text`](Self::end_text) takes.
    ///
    /// ```
    /// use iothub_proto::wire::Writer;
    /// let mut room = [0; 8];
    /// let mut writer = Writer::new(&mut room);
    /// let topic = writer.begin_text();
    /// writer.put(b"a/b");
    /// assert_eq!(writer.end_text(topic), 3);
    /// assert_eq!(writer.finish().unwrap(), b"\x00\x03a/b");
    /// ```
    pub fn begin_text(&mut self) -> usize {
        self.put_u16(0);
        self.len
    }

    /// Ends the text that began at `start`: fills in its length and gives it, in bytes. As with
    /// [`put_text_with`](Self::put_text_with), the caller refuses one that is too long.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn end_text(&mut self, start: usize) -> usize {
        let len = self.len.saturating_sub(start);
        self.patch_u16(start.wrapping_sub(2), u16::try_from(len).unwrap_or(u16::MAX));
        len
    }

    /// Overwrites two bytes that were put before at `at`.
    pub fn patch_u16(&mut self, at: usize, value: u16) {
        self.patch(at, &value.to_be_bytes());
    }

    /// Overwrites bytes that were put before at `at`.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.room.get_mut(at..).and_then(|room| room.get_mut(..bytes.len())) {
            copy(to, bytes);
        }
    }

    /// Appends `value` in decimal digits, as topics and SAS tokens carry numbers.
    pub fn put_decimal(&mut self, value: u32) {
        let mut digits = [0; 10];
        let mut rest = value;
        let mut used = 0_usize;
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.wrapping_add((rest % 10) as u8);
            rest /= 10;
            used = used.saturating_add(1);
            if rest == 0 {
                break;
            }
        }
        self.put(digits.get(digits.len().saturating_sub(used)..).unwrap_or_default());
    }

    /// What was written, or `Err(needed)` if the room is smaller than `needed` bytes.
    pub fn finish(self) -> Result<&'b mut [u8], usize> {
        let Self { room, len } = self;
        room.get_mut(..len).ok_or(len)
    }
}

/// Copies what fits. `copy_from_slice` would leave a panic in firmware, where it is not inlined.
#[cfg(not(target_os = "none"))]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// The same by words, of which a firmware's compiler would make single bytes.
#[cfg(target_os = "none")]
#[inline(never)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) else { return };
    let (words, bytes) = to.as_chunks_mut::<4>();
    let (from_words, from_bytes) = from.as_chunks::<4>();
    words.iter_mut().zip(from_words).for_each(|(to, from)| *to = *from);
    bytes.iter_mut().zip(from_bytes).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests;
