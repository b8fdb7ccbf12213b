//! The exhaustive header matrix: every first byte with every short length, against a table.

use super::*;

/// First bytes that are legal for a client of QoS 0 and 1, with the least and the greatest Remaining Length.
const LEGAL: [(u8, u32, u32); 11] = [
    (0x20, 2, 2),
    (0x30, 3, u32::MAX),
    (0x31, 3, u32::MAX),
    (0x32, 5, u32::MAX),
    (0x33, 5, u32::MAX),
    (0x3A, 5, u32::MAX),
    (0x3B, 5, u32::MAX),
    (0x40, 2, 2),
    (0x90, 3, u32::MAX),
    (0xB0, 2, 2),
    (0xD0, 0, 0),
];

/// The fault of an illegal first byte, by type and flags (MQTT 3.1.1 tables 2.1 and 2.2).
fn fault(first: u8) -> Violation {
    match (first >> 4, first & 0x0F) {
        (3, flags) if flags & 0x06 == 0x06 => Violation::BadQos,
        (3, flags) if flags & 0x06 == 0x04 => Violation::ForbiddenType,
        (3, _) => Violation::DupOnQos0,
        (2 | 4 | 9 | 11 | 13, _) => Violation::BadFlags,
        _ => Violation::ForbiddenType,
    }
}

#[test]
fn the_first_byte_decides() {
    let legal = (0..=255).filter(|first| Kind::of(*first).is_ok()).collect::<Vec<u8>>();
    assert_eq!(legal, LEGAL.map(|(first, ..)| first));
    for first in (0..=255).filter(|first| !legal.contains(first)) {
        let error = PeerError { kind: fault(first), packet: first, offset: 0 };
        assert_eq!(Kind::of(first), Err(error));
        // Also when the body would be well formed, and when the length is not even there.
        for lengths in [&[][..], &[0], &[2, 0, 1], &[0xFF; 4]] {
            let packet = [&[first], lengths].concat();
            assert_eq!(drive(&packet, 1).error, Some(error));
        }
    }
}

#[test]
fn kinds() {
    let kinds: Vec<_> = LEGAL.iter().map(|(first, ..)| Kind::of(*first).unwrap()).collect();
    use Kind::{Connack, Pingresp, Puback, Publish, Suback, Unsuback};
    let publish = [Publish; 6];
    assert_eq!(kinds, [&[Connack][..], &publish, &[Puback, Suback, Unsuback, Pingresp]].concat());
}

#[test]
fn every_first_byte_with_every_short_length_and_a_body_of_zeros() {
    let mut accepted = Vec::new();
    for first in 0..=255 {
        for remaining in 0..=5_u8 {
            let packet = [&[first, remaining], &[0; 5][..remaining.into()]].concat();
            let expected = match LEGAL.iter().find(|(legal, ..)| *legal == first) {
                None => Some((fault(first), 0)),
                Some((_, min, max)) if !(*min..=*max).contains(&remaining.into()) => Some((Violation::WrongLength, 1)),
                Some((0x20 | 0xD0, ..)) => None,
                Some((0x30..=0x3F, ..)) => Some((Violation::EmptyTopic, 4)),
                Some(_) => Some((Violation::ZeroPacketId, 2)),
            };
            let expected = expected.map(|(kind, offset)| PeerError { kind, packet: first, offset });
            for piece in [1, 100] {
                assert_eq!(drive(&packet, piece).error, expected, "{packet:02X?}");
            }
            match expected {
                None => accepted.push((first, remaining)),
                // Decided by the header alone: the body need not come.
                Some(error) if error.offset < 2 => assert_eq!(drive(&packet[..2], 1).error, expected),
                Some(_) => (),
            }
        }
    }
    assert_eq!(accepted, [(0x20, 2), (0xD0, 0)]);
}

#[test]
fn a_length_of_any_form_is_checked_by_its_value() {
    for (packet, error) in [
        (&[0x20, 0x82, 0x80, 0x80, 0x00][..], None),
        (&[0x20, 0x83, 0x80, 0x00], Some(Violation::WrongLength)),
        (&[0xD0, 0x80, 0x00], None),
        (&[0xD0, 0xFF, 0xFF, 0xFF, 0x7F], Some(Violation::WrongLength)),
        (&[0x40, 0xFF, 0xFF, 0xFF, 0x7F], Some(Violation::WrongLength)),
        (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], None),
        (&[0x90, 0xFF, 0xFF, 0xFF, 0x7F], None),
    ] {
        assert_eq!(drive(packet, 1).error.map(|error| error.kind), error, "{packet:02X?}");
    }
}
