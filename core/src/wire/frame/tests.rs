use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::*;

/// Every boundary of Remaining Length with its shortest form (MQTT 3.1.1 table 2.4).
const BOUNDARIES: [(u32, &[u8]); 8] = [
    (0, &[0x00]),
    (127, &[0x7F]),
    (128, &[0x80, 0x01]),
    (16_383, &[0xFF, 0x7F]),
    (16_384, &[0x80, 0x80, 0x01]),
    (2_097_151, &[0xFF, 0xFF, 0x7F]),
    (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
    (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
];

fn packet(first: u8, lengths: &[u8]) -> Vec<u8> {
    [&[first], lengths].concat()
}

#[test]
fn boundary_lengths_are_read() {
    for (remaining, lengths) in BOUNDARIES {
        let len = lengths.len() as u8 + 1;
        assert_eq!(header(&packet(0x30, lengths)), Ok(Some(Header { first: 0x30, len, remaining })));
        assert_eq!(remaining_length_len(remaining as usize), lengths.len(), "{remaining}");
    }
}

#[test]
fn boundary_lengths_are_written() {
    for (remaining, lengths) in BOUNDARIES {
        let mut place = vec![0; lengths.len() + 1];
        fill_header(&mut place, 0x30, remaining as usize);
        assert_eq!(place, packet(0x30, lengths));
    }
}

#[test]
fn every_header_short_of_its_last_byte_waits() {
    for (_, lengths) in BOUNDARIES {
        let whole = packet(0x30, lengths);
        for n in 0..whole.len() {
            assert_eq!(header(&whole[..n]), Ok(None), "{:02X?}", &whole[..n]);
        }
    }
}

#[test]
fn longer_forms_than_necessary_are_read() {
    for (lengths, len) in [(&[0x82, 0x00][..], 3), (&[0x82, 0x80, 0x00], 4), (&[0x82, 0x80, 0x80, 0x00], 5)] {
        assert_eq!(header(&packet(0x20, lengths)), Ok(Some(Header { first: 0x20, len, remaining: 2 })));
    }
}

#[test]
fn a_fifth_length_byte_is_refused_at_the_fourth() {
    let refused = |first| Err(PeerError { kind: Violation::BadRemainingLength, packet: first, offset: 4 });
    for lengths in [&[0x80, 0x80, 0x80, 0x80][..], &[0xFF; 4], &[0x80; 8], &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]] {
        assert_eq!(header(&packet(0x30, lengths)), refused(0x30));
        assert_eq!(header(&packet(0xC7, lengths)), refused(0xC7));
    }
}

#[test]
fn a_total_counts_its_header() {
    for (remaining, lengths) in BOUNDARIES {
        let total = header(&packet(0x30, lengths)).unwrap().unwrap().total();
        assert_eq!(total, remaining as usize + lengths.len() + 1);
        assert_eq!(header_len(total), lengths.len() + 1);
    }
}

fn write_zeros(room: &mut [u8], header_room: usize, remaining: usize) -> Result<Range<usize>, usize> {
    let zeros = vec![0; remaining];
    write(room, header_room, 0x30, &mut |w| w.put(&zeros))
}

#[test]
fn the_header_stands_right_before_the_body() {
    let mut room = [0xEE; 10];
    assert_eq!(write(&mut room, 5, 0x30, &mut |w| w.put(b"abc")), Ok(3..8));
    assert_eq!(room, *b"\xEE\xEE\xEE\x30\x03abc\xEE\xEE");
}

#[test]
fn a_packet_without_body_needs_two_bytes() {
    let mut room = [0; 2];
    assert_eq!(write(&mut room, 2, 0xC0, &mut |_| ()), Ok(0..2));
    assert_eq!(room, [0xC0, 0x00]);
}

#[test]
fn too_little_room_tells_the_exact_size() {
    // The body, the header, or both do not fit; also a header_room beyond the room.
    for (room, header_room) in [(0, 0), (0, 5), (129, 2), (129, 5), (130, 2), (130, 3), (200, 2), (200, 0), (200, 201)]
    {
        assert_eq!(write_zeros(&mut vec![0; room], header_room, 128), Err(131), "{room} {header_room}");
    }
    assert_eq!(write_zeros(&mut [0; 131], 3, 128), Ok(0..131));
    assert_eq!(write_zeros(&mut [0; 133], 5, 128), Ok(2..133));
}

#[test]
fn a_packet_longer_than_mqtt_allows_never_fits() {
    /// Puts `bytes` bytes in few calls, most of which only count.
    fn count(bytes: usize) -> Result<Range<usize>, usize> {
        static CHUNK: [u8; 1 << 16] = [0; 1 << 16];
        write(&mut [], 5, 0x30, &mut |w| {
            while w.len() < bytes {
                w.put(&CHUNK[..CHUNK.len().min(bytes - w.len())]);
            }
        })
    }
    assert_eq!(count(MAX_REMAINING_LENGTH), Err(MAX_REMAINING_LENGTH + 5));
    assert_eq!(count(MAX_REMAINING_LENGTH + 1), Err(MAX_REMAINING_LENGTH + 6));
}

#[test]
fn the_largest_packet_fits_and_one_byte_more_does_not() {
    // Never touched but for its first bytes.
    let mut room = vec![0; MAX_REMAINING_LENGTH + 6];
    assert_eq!(finish(&mut room, 5, 0x30, MAX_REMAINING_LENGTH, 0), Ok(0..MAX_REMAINING_LENGTH + 5));
    assert_eq!(room[..5], *b"\x30\xFF\xFF\xFF\x7F");
    assert_eq!(finish(&mut room, 5, 0x30, MAX_REMAINING_LENGTH + 1, 0), Err(MAX_REMAINING_LENGTH + 6));
}

#[test]
fn a_second_try_with_the_exact_room_fits_around_every_boundary() {
    for remaining in [0, 1, 126, 127, 128, 129, 130, 16_382, 16_383, 16_384, 16_387, 2_097_151, 2_097_152] {
        let needed = write_zeros(&mut [], 0, remaining).unwrap_err();
        let mut room = vec![0xEE; needed];
        assert_eq!(write_zeros(&mut room, header_len(needed), remaining), Ok(0..needed));
        let read = header(&room).unwrap().unwrap();
        assert_eq!((read.total(), read.remaining as usize), (needed, remaining));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(first: u8, remaining in 0..=MAX_REMAINING_LENGTH) {
        let len = remaining_length_len(remaining) + 1;
        let mut place = vec![0; len];
        fill_header(&mut place, first, remaining);
        let read = header(&place).unwrap().unwrap();
        prop_assert_eq!(read, Header { first, len: len as u8, remaining: remaining as u32 });
        prop_assert_eq!(header_len(read.total()), len);
    }

    #[test]
    fn every_prefix_gives_the_same_answer_or_waits(
        first: u8,
        lengths in prop::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..], 0..8),
    ) {
        let whole = packet(first, &lengths);
        let mut answer = Ok(None);
        for n in 0..=whole.len() {
            let now = header(&whole[..n]);
            prop_assert!(answer == Ok(None) || now == answer);
            answer = now;
        }
        let last = lengths.iter().position(|byte| byte & 0x80 == 0);
        let decided = match last {
            Some(0..4) => matches!(answer, Ok(Some(_))),
            _ if lengths.len() >= 4 => answer.is_err(),
            _ => answer == Ok(None),
        };
        prop_assert!(decided);
    }
}
