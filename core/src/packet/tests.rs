//! What the codec makes of bytes: hand-made packets, bad ones, every header, and arbitrary bytes.

use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::wire::{Writer, frame};

mod bad_inputs;
mod headers;
mod variants;

/// What became of a stream of bytes.
#[derive(PartialEq, Debug)]
struct Outcome<'i> {
    packets: Vec<Packet<'i>>,
    error: Option<PeerError>,
    /// Bytes of the stream that are taken.
    consumed: usize,
}

/// The next packet of `input`, as soon as it can be decided; `None` while bytes are missing.
fn step(input: &[u8]) -> Result<Option<(Packet<'_>, usize)>, PeerError> {
    let Some(&first) = input.first() else { return Ok(None) };
    let kind = Kind::of(first)?;
    let Some(header) = frame::header(input)? else { return Ok(None) };
    kind.check_length(&header)?;
    if input.len() < header.total() {
        return Ok(None);
    }
    Ok(Some((decode(&header, input)?, header.total())))
}

/// Reads `stream` in pieces of `piece` bytes.
fn drive(stream: &[u8], piece: usize) -> Outcome<'_> {
    let mut outcome = Outcome { packets: Vec::new(), error: None, consumed: 0 };
    for received in (0..stream.len()).step_by(piece).map(|n| (n + piece).min(stream.len())) {
        loop {
            match step(&stream[outcome.consumed..received]) {
                Ok(Some((packet, len))) => {
                    outcome.packets.push(packet);
                    outcome.consumed += len;
                }
                Ok(None) => break,
                Err(error) => return Outcome { error: Some(error), ..outcome },
            }
        }
    }
    outcome
}

const fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

#[test]
fn packet_ids_are_not_zero() {
    assert_eq!(PacketId::new(0), None);
    assert_eq!(PacketId::new(1).unwrap().get(), 1);
    assert_eq!(PacketId::new(65_535).unwrap().get(), 65_535);
}

#[test]
fn fixed_packets() {
    assert_eq!(ping::PINGREQ, [0xC0, 0x00]);
    assert_eq!(disconnect::DISCONNECT, [0xE0, 0x00]);
    assert_eq!(step(&ping::PINGRESP), Ok(Some((Packet::Pingresp, 2))));
    assert_eq!(step(&puback::packet(id(0xFFFE))), Ok(Some((Packet::Puback(id(0xFFFE)), 4))));
}

fn written(first: u8, body: &mut dyn FnMut(&mut Writer<'_>)) -> Vec<u8> {
    let mut room = [0; 256];
    let packet = frame::write(&mut room, 5, first, body).unwrap();
    room[packet].to_vec()
}

#[test]
fn subscribe_has_every_filter_with_its_qos() {
    let packet = written(subscribe::FIRST, &mut |w| {
        subscribe::put_body(w, id(10), &mut |w| {
            subscribe::put_filter(w, &mut |w| w.put(b"a/b"), QoS::AtLeastOnce);
            subscribe::put_filter(w, &mut |w| w.put(b"c"), QoS::AtMostOnce);
        });
    });
    assert_eq!(packet, b"\x82\x0C\x00\x0A\x00\x03a/b\x01\x00\x01c\x00");
}

#[test]
fn unsubscribe_has_every_filter() {
    let packet = written(unsubscribe::FIRST, &mut |w| {
        unsubscribe::put_body(w, id(10), &mut |w| {
            unsubscribe::put_filter(w, &mut |w| w.put(b"a/b"));
            unsubscribe::put_filter(w, &mut |w| w.put(b"c"));
        });
    });
    assert_eq!(packet, b"\xA2\x0A\x00\x0A\x00\x03a/b\x00\x01c");
}

#[test]
fn suback_codes_come_in_the_order_of_the_filters() {
    let Ok(Some((Packet::Suback(suback), 8))) = step(b"\x90\x06\x12\x34\x00\x80\x01\x02") else { panic!() };
    assert_eq!(suback.id, id(0x1234));
    assert_eq!(suback.codes, [0x00, 0x80, 0x01, 0x02]);
    let granted: Vec<_> = suback.codes().collect();
    let at_least_once = Some(QoS::AtLeastOnce);
    assert_eq!(granted, [Some(QoS::AtMostOnce), None, at_least_once, at_least_once]);
    assert_eq!(suback.codes().len(), 4);
}

#[test]
fn what_follows_a_packet_is_ignored_and_a_missing_end_is_not() {
    let input = b"\x40\x02\x00\x05\x20\x02";
    let header = frame::header(input).unwrap().unwrap();
    assert_eq!(decode(&header, input), Ok(Packet::Puback(id(5))));
    for n in 0..4 {
        let truncated = PeerError { kind: Violation::Truncated, packet: 0x40, offset: n as u32 };
        assert_eq!(decode(&header, &input[..n]), Err(truncated));
    }
}

/// One packet that a hub may send, as bytes.
fn good_packet() -> impl Strategy<Value = Vec<u8>> {
    let number = 1..=u16::MAX;
    let ack = |first| number.clone().prop_map(move |id| [&[first, 2], &id.to_be_bytes()[..]].concat());
    let codes = prop::collection::vec(prop::sample::select(vec![0, 1, 2, 0x80]), 1..6);
    prop_oneof![
        prop::sample::select(vec![vec![0x20, 2, 0, 0], vec![0x20, 2, 1, 0], vec![0x20, 2, 0, 5], vec![0xD0, 0]]),
        ack(0x40),
        ack(0xB0),
        (number.clone(), codes)
            .prop_map(|(id, codes)| { [&[0x90, 2 + codes.len() as u8], &id.to_be_bytes()[..], &codes].concat() }),
        ("[a-z/]{1,20}", prop::collection::vec(any::<u8>(), 0..20), any::<bool>(), prop::option::of(number)).prop_map(
            |(topic, payload, retain, number)| {
                let qos = if number.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let id = number.and_then(PacketId::new);
                let publish = Publish { qos, dup: false, retain, topic: (&topic).into(), id, payload: &payload };
                let mut room = vec![0; publish.encoded_len()];
                publish.emit(&mut room).unwrap();
                room
            }
        ),
    ]
}

/// Bytes that get past the first gates more often than arbitrary ones.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![0x20, 0x30, 0x31, 0x32, 0x3A, 0x40, 0x90, 0xB0, 0xD0]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        (first, prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(first, body)| [
            &[first, body.len() as u8],
            &body[..]
        ]
        .concat()),
        (prop::collection::vec(good_packet(), 1..4), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(packets, at, byte)| {
                let mut stream = packets.concat();
                let at = at.index(stream.len());
                stream[at] = byte;
                stream
            }
        ),
    ]
}

proptest! {
    #[test]
    fn good_packets_are_all_read(packets in prop::collection::vec(good_packet(), 0..8), piece in 1..40_usize) {
        let stream = packets.concat();
        let outcome = drive(&stream, piece);
        prop_assert_eq!(outcome.error, None);
        prop_assert_eq!((outcome.packets.len(), outcome.consumed), (packets.len(), stream.len()));
    }

    #[test]
    fn any_split_gives_the_same(stream in hostile(), piece in 1..40_usize) {
        prop_assert_eq!(drive(&stream, piece), drive(&stream, usize::MAX / 2));
    }

    #[test]
    fn an_error_lies_inside_its_packet_and_is_final(stream in hostile(), more: u8) {
        let outcome = drive(&stream, 1);
        if let Some(error) = outcome.error {
            prop_assert_eq!(error.packet, stream[outcome.consumed]);
            prop_assert!(outcome.consumed + error.offset as usize <= stream.len());
            let longer = [&stream[..], &[more]].concat();
            prop_assert_eq!(drive(&longer, 7).error, Some(error));
        }
    }

    #[test]
    fn no_header_whatever_makes_decode_panic(first: u8, len: u8, remaining: u32, bytes in hostile()) {
        let header = Header { first, len, remaining };
        let _ = decode(&header, &bytes);
        let _ = publish::head(&header, &bytes);
    }
}
