//! One frame's header and mask (RFC 6455 §5.2, §5.3).

use crate::error::WebSocketViolation as Violation;
use crate::wire::Writer;

/// Bytes of the longest header that a server sends: it has no mask.
pub(super) const MAX_HEADER: usize = 10;

/// Bytes of a control frame's payload at most (§5.5).
pub(super) const MAX_CONTROL: usize = 125;

/// What the last frame of a message has set.
const FIN: u8 = 0x80;
/// What a masked frame has set in its second byte.
const MASK: u8 = 0x80;

/// What a frame is. Text frames and reserved opcodes never become one of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opcode {
    Continuation = 0,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) const fn is_control(self) -> bool {
        self as u8 >= 8
    }

    const fn from_bits(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => return Err(Violation::TextFrame),
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(Violation::ReservedOpcode),
        })
    }
}

/// A header from the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// Whether the message ends with this frame.
    pub(super) fin: bool,
    /// Bytes of the payload.
    pub(super) len: u64,
}

impl Header {
    /// Reads the header of which `bytes` are the beginning; `None` while it is not whole. `fragmented` tells that a
    /// message is open, whose next frame is due.
    ///
    /// # Errors
    ///
    /// A violation, with the first byte that shows it: so it does not depend on how the bytes came.
    pub(super) fn parse(bytes: &[u8], fragmented: bool) -> Result<Option<Self>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0x0F)?;
        let fin = first & FIN != 0;
        match opcode {
            Opcode::Continuation if !fragmented => return Err(Violation::UnexpectedContinuation),
            Opcode::Binary if fragmented => return Err(Violation::ExpectedContinuation),
            _ if opcode.is_control() && !fin => return Err(Violation::FragmentedControl),
            _ => {}
        }
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        if second & MASK != 0 {
            return Err(Violation::Masked);
        }
        if opcode.is_control() && usize::from(second) > MAX_CONTROL {
            return Err(Violation::LongControl);
        }
        let (digits, least) = match second {
            126 => (2, 126),
            127 => (8, 65_536),
            _ => return Ok(Some(Self { opcode, fin, len: u64::from(second) })),
        };
        if digits == 8 && rest.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(Violation::BadLength);
        }
        let Some(digits) = rest.get(..digits) else { return Ok(None) };
        let len = digits.iter().fold(0, |len: u64, &digit| (len << 8) | u64::from(digit));
        if len < least {
            return Err(Violation::BadLength);
        }
        Ok(Some(Self { opcode, fin, len }))
    }
}

/// Bytes of the payload of the largest frame that fits in `room` bytes, at most `len`.
pub(super) fn payload_that_fits(len: usize, room: usize) -> usize {
    // A header with its mask has 6, 8 or 14 bytes, and a smaller payload may fit where a larger header does not.
    let short = len.min(room.saturating_sub(6));
    if short <= 125 {
        return short;
    }
    let medium = len.min(room.saturating_sub(8)).max(125);
    if medium <= 65_535 { medium } else { len.min(room.saturating_sub(14)).max(65_535) }
}

/// Writes a whole message in one masked frame at the start of `room`, and gives its length in bytes; more than there
/// is room for if it does not fit.
pub(super) fn write(room: &mut [u8], opcode: Opcode, key: [u8; 4], payload: &[u8]) -> usize {
    let mut w = Writer::new(room);
    w.put_u8(FIN | opcode as u8);
    match payload.len() {
        len @ 0..=125 => w.put_u8(MASK | len as u8),
        len @ 126..=65_535 => {
            w.put_u8(MASK | 126);
            w.put_u16(len as u16);
        }
        len => {
            w.put_u8(MASK | 127);
            w.put(&(len as u64).to_be_bytes());
        }
    }
    w.put(&key);
    let header = w.len();
    w.put(payload);
    let end = w.len();
    for group in room.get_mut(header..end).unwrap_or_default().chunks_mut(key.len()) {
        group.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn framed(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut room = vec![0; payload.len() + 14];
        let len = write(&mut room, opcode, KEY, payload);
        room.truncate(len);
        room
    }

    fn read(bytes: &[u8]) -> Result<Option<(Opcode, bool, u64)>, Violation> {
        let fragmented = bytes.first().is_some_and(|first| first & 0x0F == 0);
        Header::parse(bytes, fragmented).map(|header| header.map(|header| (header.opcode, header.fin, header.len)))
    }

    /// The masked examples of RFC 6455 §5.7, with the opcodes that we send.
    #[test]
    fn frames_of_the_rfc_out() {
        assert_eq!(framed(Opcode::Binary, b"Hello"), b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(framed(Opcode::Pong, b"Hello"), b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(framed(Opcode::Close, b""), b"\x88\x80\x37\xfa\x21\x3d");
        assert_eq!(framed(Opcode::Binary, &[0; 256])[..8], *b"\x82\xfe\x01\x00\x37\xfa\x21\x3d");
        assert_eq!(framed(Opcode::Binary, &[0; 65_536])[..10], *b"\x82\xff\0\0\0\0\0\x01\0\0");
    }

    /// The unmasked examples of RFC 6455 §5.7.
    #[test]
    fn frames_of_the_rfc_in() {
        assert_eq!(read(b"\x81\x05Hello"), Err(Violation::TextFrame));
        assert_eq!(read(b"\x80\x02lo"), Ok(Some((Opcode::Continuation, true, 2))));
        assert_eq!(read(b"\x89\x05Hello"), Ok(Some((Opcode::Ping, true, 5))));
        assert_eq!(read(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), Err(Violation::Masked));
        assert_eq!(read(b"\x82\x7e\x01\x00"), Ok(Some((Opcode::Binary, true, 256))));
        assert_eq!(read(b"\x82\x7f\0\0\0\0\0\x01\0\0"), Ok(Some((Opcode::Binary, true, 65_536))));
    }

    #[test]
    fn a_length_has_one_spelling() {
        for (bytes, expected) in [
            (&b"\x82\x7e\x00\x7d"[..], None),
            (b"\x82\x7e\x00\x7e", Some(126)),
            (b"\x82\x7e\xff\xff", Some(65_535)),
            (b"\x82\x7f\0\0\0\0\0\0\xff\xff", None),
            (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", Some(u64::MAX / 2)),
        ] {
            let expected = expected.map(|len| Some((Opcode::Binary, true, len))).ok_or(Violation::BadLength);
            assert_eq!(read(bytes), expected, "{bytes:x?}");
        }
        assert_eq!(read(b"\x82\x7f\x80"), Err(Violation::BadLength), "with the first byte that shows it");
    }

    #[test]
    fn fragments_follow_each_other() {
        for (first, fragmented, expected) in [
            (0x80, false, Err(Violation::UnexpectedContinuation)),
            (0x00, false, Err(Violation::UnexpectedContinuation)),
            (0x82, true, Err(Violation::ExpectedContinuation)),
            (0x02, true, Err(Violation::ExpectedContinuation)),
            (0x89, true, Ok(None)),
            (0x00, true, Ok(None)),
        ] {
            assert_eq!(Header::parse(&[first], fragmented), expected, "{first:#x}");
        }
    }

    #[test]
    fn every_first_byte_is_what_the_rfc_says() {
        for first in 0..=255_u8 {
            let expected = match first {
                first if first & 0x70 != 0 => Err(Violation::ReservedBits),
                0x00 | 0x80 | 0x02 | 0x82 | 0x88..=0x8a => Ok(None),
                0x01 | 0x81 => Err(Violation::TextFrame),
                0x08..=0x0a => Err(Violation::FragmentedControl),
                _ => Err(Violation::ReservedOpcode),
            };
            assert_eq!(read(&[first]), expected, "{first:#x}");
        }
    }

    #[test]
    fn the_largest_frame_fills_the_room() {
        for room in (6..300).chain(65_500..65_600) {
            for len in (0..300).chain(65_400..65_600) {
                let fits = payload_that_fits(len, room);
                let size =
                    |payload: usize| payload + [6, 8, 14][usize::from(payload > 125) + usize::from(payload > 65_535)];
                assert!(fits <= len && size(fits) <= room, "{len} in {room}");
                assert!(fits == len || size(fits + 1) > room, "{len} in {room}: {fits}");
            }
        }
    }
}
