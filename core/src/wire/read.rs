//! Fields in, from a packet that lies whole in memory: nom's parsers, and the place where one fails.

use nom::Parser;
use nom::number::complete::be_u16;

use super::frame::Header;
use crate::error::{PeerError, Violation};

/// The fields of a packet that are not read yet.
pub(crate) struct Fields<'i> {
    first: u8,
    packet_len: usize,
    rest: &'i [u8],
}

impl<'i> Fields<'i> {
    /// What follows the fixed header in `packet`, which begins with it.
    pub(crate) fn new(header: &Header, packet: &'i [u8]) -> Self {
        let rest = packet.get(usize::from(header.len)..).unwrap_or_default();
        Self { first: header.first, packet_len: packet.len(), rest }
    }

    /// Where the next field begins, in bytes from the start of the packet.
    pub(crate) const fn offset(&self) -> usize {
        // Never wraps: `rest` is the end of the packet.
        self.packet_len.wrapping_sub(self.rest.len())
    }

    /// The error for what is wrong at `offset` bytes from the start of the packet.
    pub(crate) const fn error(&self, kind: Violation, offset: usize) -> PeerError {
        PeerError { kind, packet: self.first, offset: offset as u32 }
    }

    /// A 16-bit number, high byte first (MQTT 3.1.1 §1.5.2). As with [`bytes`](Self::bytes), nothing is taken on failure.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.read(be_u16)
    }

    /// `count` bytes; `None` if there are fewer.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'i [u8]> {
        // nom's own `take` compares first and slices after, and where it is inlined the compiler may not see that the
        // slice is then in bounds: a panic that cannot happen stays in the program.
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    /// All that is left.
    pub(crate) const fn rest(&self) -> &'i [u8] {
        self.rest
    }

    fn read<T>(&mut self, mut parser: impl Parser<&'i [u8], Output = T, Error = ()>) -> Option<T> {
        let (rest, value) = parser.parse(self.rest).ok()?;
        self.rest = rest;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { first: 0x32, len: 2, remaining: 5 };

    #[test]
    fn fields_come_in_order_and_know_where_they_are() {
        let mut fields = Fields::new(&HEADER, &[0x32, 5, 7, 0x12, 0x34, b'a', b'b']);
        assert_eq!(fields.offset(), 2);
        assert_eq!(fields.bytes(1), Some(&[7][..]));
        assert_eq!(fields.u16(), Some(0x1234));
        assert_eq!(fields.offset(), 5);
        assert_eq!(fields.rest(), b"ab");
        assert_eq!(fields.bytes(2), Some(&b"ab"[..]));
        assert_eq!(fields.bytes(0), Some(&b""[..]));
    }

    #[test]
    fn a_field_past_the_end_takes_nothing() {
        let mut fields = Fields::new(&HEADER, &[0x32, 5, 7, 9]);
        fields.bytes(1).unwrap();
        assert_eq!(fields.u16(), None);
        assert_eq!(fields.bytes(2), None);
        assert_eq!(fields.bytes(usize::MAX), None);
        let truncated = PeerError { kind: Violation::Truncated, packet: 0x32, offset: 3 };
        assert_eq!(fields.error(Violation::Truncated, fields.offset()), truncated);
        assert_eq!(fields.bytes(1), Some(&[9][..]));
        assert_eq!((fields.u16(), fields.offset()), (None, 4));
    }
}
