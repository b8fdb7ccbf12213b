//! Malformed variants of each packet kind, generated.

use super::*;
use std::format;

fn error(packet: &[u8]) -> Option<(Violation, u32)> {
    let whole = drive(packet, packet.len()).error;
    assert_eq!(drive(packet, 1).error, whole, "{packet:02X?}");
    whole.map(|error| {
        assert_eq!(error.packet, packet[0]);
        (error.kind, error.offset)
    })
}

/// A PUBLISH with this first byte, whatever the topic is.
fn publish(first: u8, topic: &[u8], rest: &[u8]) -> Vec<u8> {
    written(first, &mut |w| {
        w.put_text_with(&mut |w| w.put(topic));
        w.put(rest);
    })
}

#[test]
fn packets_of_fixed_length_have_that_length() {
    for (first, right) in [(0x20, 2), (0x40, 2), (0xB0, 2), (0xD0, 0)] {
        for length in (0..=5_u8).chain([127]).filter(|length| *length != right) {
            let packet = [&[first, length], &[0, 1, 0, 0, 0][..length.min(5).into()]].concat();
            assert_eq!(error(&packet), Some((Violation::WrongLength, 1)), "{packet:02X?}");
        }
    }
}

#[test]
fn connack_flags_and_codes() {
    for flags in 0..=255 {
        for code in 0..=255 {
            let expected = match (flags, code) {
                (0, 0..=5) | (1, 0) => None,
                (2.., _) => Some((Violation::BadConnackFlags, 2)),
                (_, 6..) => Some((Violation::BadReturnCode, 3)),
                (1, _) => Some((Violation::BadSessionPresent, 2)),
            };
            assert_eq!(error(&[0x20, 2, flags, code]), expected);
        }
    }
    for code in 1..=5 {
        let Ok(Some((Packet::Connack(connack), _))) = step(&[0x20, 2, 0, code]) else { panic!() };
        assert_eq!(connack.refusal.unwrap().code(), code);
        assert!(!connack.session_present);
    }
}

#[test]
fn suback_codes() {
    let legal = [0x00, 0x01, 0x02, 0x80];
    for code in 0..=255 {
        let bad = !legal.contains(&code);
        // At the first place, in the middle, at the last.
        for at in 0..3 {
            let mut packet = [0x90, 5, 0, 1, 0x80, 0x01, 0x00];
            packet[4 + at] = code;
            let expected = bad.then_some((Violation::BadSubackCode, 4 + at as u32));
            assert_eq!(error(&packet), expected);
        }
        // After a longer header.
        let expected = bad.then_some((Violation::BadSubackCode, 5));
        assert_eq!(error(&[0x90, 0x83, 0x00, 0, 1, code]), expected);
    }
}

#[test]
fn ids_are_not_zero() {
    for (packet, offset) in [
        (&[0x40, 2, 0, 0][..], 2),
        (&[0xB0, 2, 0, 0], 2),
        (&[0x90, 3, 0, 0, 1], 2),
        (&[0x40, 0x82, 0, 0, 0], 3),
        (&[0x32, 5, 0, 1, b't', 0, 0], 5),
        (&[0x3B, 6, 0, 2, b't', b'u', 0, 0], 6),
    ] {
        assert_eq!(error(packet), Some((Violation::ZeroPacketId, offset)));
    }
}

#[test]
fn a_publish_with_a_bad_topic() {
    use Violation::{BadUtf8, EmptyTopic, NulInText, WildcardInTopic};
    let rows: [(&[u8], Violation, u32); 17] = [
        (b"", EmptyTopic, 0),
        (b"+", WildcardInTopic, 0),
        (b"a/+/b", WildcardInTopic, 2),
        (b"a/#", WildcardInTopic, 2),
        (b"a#b", WildcardInTopic, 1),
        (b"\0ab", NulInText, 0),
        (b"a\0b", NulInText, 1),
        (b"ab\0", NulInText, 2),
        (b"\xED\xA0\x80", BadUtf8, 0),
        (b"\xED\xA0\x80\xED\xB0\x80", BadUtf8, 0),
        (b"\xC0\x80", BadUtf8, 0),
        (b"a\xE0\x80\x80", BadUtf8, 1),
        (b"\xF4\x90\x80\x80", BadUtf8, 0),
        (b"\xF5", BadUtf8, 0),
        (b"ab\x80", BadUtf8, 2),
        (b"\xE2\x82", BadUtf8, 0),
        (b"abc\xF0\x9F\x98", BadUtf8, 3),
    ];
    for (topic, kind, at) in rows {
        for first in [0x30, 0x31, 0x32, 0x33, 0x3A, 0x3B] {
            let packet = publish(first, topic, b"\x00\x01payload");
            assert_eq!(error(&packet), Some((kind, 4 + at)), "{packet:02X?}");
        }
        // The topic is judged before the id, and its continuation does not lie in the payload.
        let packet = publish(0x32, topic, &[0, 0, 0x80]);
        assert_eq!(error(&packet), Some((kind, 4 + at)), "{packet:02X?}");
    }
}

#[test]
fn a_topic_length_past_the_end() {
    for (first, rest) in [(0x30, 0), (0x31, 0), (0x32, 2), (0x3B, 2)] {
        for topic_len in 4..=100_u16 {
            let body = [&topic_len.to_be_bytes()[..], b"abc", &[0, 1][..rest]].concat();
            let packet = [&[first, body.len() as u8], &body[..]].concat();
            // Past the end itself, or without room for the id behind it.
            let offset = if usize::from(topic_len) > 3 + rest { 2 } else { 4 + u32::from(topic_len) };
            assert_eq!(error(&packet), Some((Violation::Truncated, offset)), "{packet:02X?}");
        }
    }
}

#[test]
fn a_publish_waits_for_its_payload_but_not_with_an_error() {
    let packet = publish(0x32, b"topic", b"\x12\x34payload");
    for n in 0..packet.len() {
        assert_eq!(step(&packet[..n]), Ok(None));
    }
    assert!(matches!(step(&packet), Ok(Some((Packet::Publish(_), len))) if len == packet.len()));
}

#[test]
fn an_empty_payload_is_a_payload() {
    for (first, rest) in [(0x30, &[][..]), (0x32, &[0, 1])] {
        let packet = publish(first, b"t", rest);
        let Ok(Some((Packet::Publish(publish), _))) = step(&packet) else { panic!() };
        assert_eq!((publish.topic.as_str(), publish.payload), ("t", &b""[..]));
    }
}

#[test]
fn an_error_says_what_and_where() {
    let error = drive(&[0x40, 2, 0, 0], 1).error.unwrap();
    assert_eq!(
        format!("{}", crate::error::Error::from(error)),
        "the hub broke the protocol: ZeroPacketId at byte 2 of a packet that begins with 0x40"
    );
}
