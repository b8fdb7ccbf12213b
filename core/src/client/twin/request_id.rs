//! The request ids of twin requests, by which their answers are told apart.

use crate::storage::Ticket;
use crate::wire::Writer;

/// What a twin request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// Synchronisation, by number.
    Sync(u16),
    /// The application, by its token.
    Application(Ticket),
}

/// What the ids of synchronisation begin with; those of the application are plain hexadecimal.
const SYNC: u8 = b's';

/// Hexadecimal digits in either.
const DIGITS: usize = 8;

/// Writes the `$rid` of `request`.
pub(super) fn put_request_id(w: &mut Writer<'_>, request: Request) {
    let value = match request {
        Request::Application(ticket) => ticket.to_bits(),
        Request::Sync(number) => {
            w.put_u8(SYNC);
            u32::from(number)
        }
    };
    for nibble in (0..DIGITS as u32).rev() {
        let digit = (value >> (nibble << 2) & 0xF) as u8;
        w.put_u8(if digit < 10 { digit | b'0' } else { (digit & 7).wrapping_add(b'a' - 2) });
    }
}

impl Request {
    /// What a `$rid` of ours names; `None` for one that is not ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (sync, digits) = match text.as_bytes() {
            [SYNC, digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if digits.len() != DIGITS {
            return None;
        }
        let mut value = 0u32;
        for &digit in digits {
            let digit = match digit {
                b'0'..=b'9' => digit & 0xF,
                b'a'..=b'f' => (digit & 7).wrapping_add(9),
                _ => return None,
            };
            value = value << 4 | u32::from(digit);
        }
        Some(if sync { Self::Sync(value as u16) } else { Self::Application(Ticket::from_bits(value)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for bits in [0, 1, 9, 10, 0x9abc_def0, 0x0fed_cba9, u32::MAX] {
            let request = Request::Application(Ticket::from_bits(bits));
            let mut room = [0; DIGITS];
            let mut writer = Writer::new(&mut room);
            put_request_id(&mut writer, request);
            let text = std::format!("{bits:08x}");
            assert_eq!(writer.finish().unwrap(), text.as_bytes());
            assert_eq!(Request::parse(&text), Some(request));
        }
        assert_eq!(Request::parse("s0000002a"), Some(Request::Sync(42)));
        for foreign in ["", "s", "7", "0000000g", "0000002A", "000000001", "s00000000 "] {
            assert_eq!(Request::parse(foreign), None, "{foreign}");
        }
    }
}
