//! The fixed header: where a packet begins and ends (MQTT 3.1.1 §2.2).

use core::ops::Range;

use super::Writer;
use crate::error::{PeerError, Violation};

/// Bytes of the longest fixed header.
pub(crate) const MAX_HEADER: usize = 5;

/// The largest Remaining Length, what four length bytes can hold (MQTT 3.1.1 §2.2.3).
pub const MAX_REMAINING_LENGTH: usize = 268_435_455;

/// A fixed header: the first byte and the length of what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// Packet type and flags.
    pub first: u8,
    /// Bytes of the fixed header itself, 2 to 5.
    pub len: u8,
    /// Bytes after the fixed header, at most [`MAX_REMAINING_LENGTH`].
    pub remaining: u32,
}

impl Header {
    /// Bytes of the whole packet, this header included.
    #[must_use]
    pub const fn total(&self) -> usize {
        (self.remaining as usize).saturating_add(self.len as usize)
    }

    /// The error for what is wrong at `offset` bytes from the start of this packet.
    pub(crate) const fn error(&self, kind: Violation, offset: usize) -> PeerError {
        // No packet is longer than 268,435,460 bytes.
        PeerError { kind, packet: self.first, offset: offset as u32 }
    }
}

/// Reads the fixed header at the start of `input`; `None` while more bytes are needed to know it.
///
/// Lengths in more bytes than necessary are accepted: MQTT 3.1.1 has no rule against them, and small stacks
/// fill in a length of fixed size afterwards.
///
/// # Errors
///
/// [`Violation::BadRemainingLength`] as soon as the fourth length byte announces a fifth.
///
/// ```
/// use iothub_proto::wire::frame;
/// assert_eq!(frame::header(&[0x30, 0x80]), Ok(None));
/// let publish = frame::header(&[0x30, 0x80, 0x01, 0x00]).unwrap().unwrap();
/// assert_eq!((publish.first, publish.len, publish.remaining), (0x30, 3, 128));
/// assert_eq!(publish.total(), 131);
/// ```
#[cfg_attr(not(target_os = "none"), inline(always))]
pub fn header(input: &[u8]) -> Result<Option<Header>, PeerError> {
    let Some((&first, lengths)) = input.split_first() else { return Ok(None) };
    let mut header = Header { first, len: 1, remaining: 0 };
    // Not the sample code of §2.2.3: that one checks its multiplier too late and refuses every four-byte length.
    let mut shift = 0_u32;
    for &byte in lengths.iter().take(4) {
        header.len = header.len.saturating_add(1);
        header.remaining |= u32::from(byte & 0x7F).wrapping_shl(shift);
        if byte & 0x80 == 0 {
            return Ok(Some(header));
        }
        shift = shift.wrapping_add(7);
    }
    if header.len < 5 { Ok(None) } else { Err(header.error(Violation::BadRemainingLength, 4)) }
}

/// Length bytes, 1 to 4, for a Remaining Length of at most [`MAX_REMAINING_LENGTH`].
#[must_use]
pub const fn remaining_length_len(remaining: usize) -> usize {
    match remaining {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// Bytes of fixed header, 2 to 5, in a packet of `total` bytes: the `header_room` for a second [`write`](fn@write) into
/// exactly the room that the first one asked for.
#[must_use]
pub const fn header_len(total: usize) -> usize {
    match total {
        0..=129 => 2,
        130..=16_386 => 3,
        16_387..=2_097_155 => 4,
        _ => 5,
    }
}

/// Writes a packet whose length is known only afterwards: `body` at offset `header_room` of `room`, then the
/// fixed header directly before it. Gives the range of `room` that the packet fills.
///
/// # Errors
///
/// The size of the whole packet in bytes, if its body or its header does not fit, or if it is longer than MQTT
/// allows (more than [`MAX_REMAINING_LENGTH`] after the header; it then never fits). What is in `room` is
/// then of no use. So a caller tries once with a guess, and a second time exactly:
///
/// ```
/// use iothub_proto::wire::{Writer, frame};
/// let mut room = [0; 202];
/// let mut body = |w: &mut Writer<'_>| (0..200).for_each(|_| w.put_u8(b'x'));
/// assert_eq!(frame::write(&mut room, 2, 0x30, &mut body), Err(203));
/// let mut room = [0; 203];
/// assert_eq!(frame::write(&mut room, frame::header_len(203), 0x30, &mut body), Ok(0..203));
/// assert_eq!(room[..4], [0x30, 0xC8, 0x01, b'x']);
/// ```
pub fn write(
    room: &mut [u8],
    header_room: usize,
    first: u8,
    body: &mut dyn FnMut(&mut Writer<'_>),
) -> Result<Range<usize>, usize> {
    let mut writer = body_writer(room, header_room);
    body(&mut writer);
    let remaining = writer.len();
    finish(room, header_room, first, remaining, 0)
}

/// [`write`](fn@write) in two steps, the first: what puts the body at offset `header_room` of `room`.
pub(crate) fn body_writer(room: &mut [u8], header_room: usize) -> Writer<'_> {
    Writer::new(room.get_mut(header_room..).unwrap_or_default())
}

/// The second step: puts the fixed header directly before the body, which has `held` bytes, and `beyond` more that are
/// not here. Gives the range of what is here.
///
/// # Errors
///
/// As of [`write`](fn@write): the size without what is not here.
pub(crate) fn finish(
    room: &mut [u8],
    header_room: usize,
    first: u8,
    held: usize,
    beyond: usize,
) -> Result<Range<usize>, usize> {
    let remaining = held.saturating_add(beyond);
    let len = remaining_length_len(remaining).saturating_add(1);
    let end = header_room.saturating_add(held);
    let fits = len <= header_room && remaining <= MAX_REMAINING_LENGTH && end <= room.len();
    let start = header_room.wrapping_sub(len);
    let place = if fits { room.get_mut(start..header_room) } else { None };
    let Some(place) = place else { return Err(len.saturating_add(held)) };
    fill_header(place, first, remaining);
    Ok(start..end)
}

/// Fills `place`, which has one byte and as many as [`remaining_length_len`] says.
pub(crate) fn fill_header(place: &mut [u8], first: u8, remaining: usize) {
    let Some((to, lengths)) = place.split_first_mut() else { return };
    *to = first;
    let mut rest = remaining;
    for to in lengths {
        let more = if rest > 0x7F { 0x80 } else { 0 };
        *to = (rest & 0x7F) as u8 | more;
        rest >>= 7;
    }
}

#[cfg(test)]
mod tests;
