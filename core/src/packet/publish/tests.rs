use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::packet::{Packet, decode};

fn id(id: u16) -> Option<PacketId> {
    PacketId::new(id)
}

fn read(packet: &[u8]) -> Result<Packet<'_>, PeerError> {
    decode(&frame::header(packet).unwrap().unwrap(), packet)
}

#[test]
fn first_bytes() {
    use QoS::{AtLeastOnce, AtMostOnce};
    for (qos, dup, retain, first) in [
        (AtMostOnce, false, false, 0x30),
        (AtMostOnce, false, true, 0x31),
        (AtLeastOnce, false, false, 0x32),
        (AtLeastOnce, false, true, 0x33),
        (AtLeastOnce, true, false, 0x3A),
        (AtLeastOnce, true, true, 0x3B),
    ] {
        assert_eq!(first_byte(qos, dup, retain), first);
        assert_eq!(Kind::of(first), Ok(Kind::Publish));
    }
    assert_eq!(first_byte(AtLeastOnce, false, false) | DUP, first_byte(AtLeastOnce, true, false));
}

#[test]
fn packets_of_the_hub() {
    let method = b"\x30\x24\x00\x22$iothub/methods/POST/blink/?$rid=1";
    let Ok(Packet::Publish(publish)) = read(method) else { panic!() };
    assert_eq!(publish.topic, "$iothub/methods/POST/blink/?$rid=1");
    assert_eq!((publish.qos, publish.id, publish.payload), (QoS::AtMostOnce, None, &b""[..]));

    let message = b"\x3B\x25\x00\x1Edevices/d/messages/devicebound\x00\x04{\"a";
    let Ok(Packet::Publish(publish)) = read(message) else { panic!() };
    assert_eq!((publish.dup, publish.retain, publish.id), (true, true, id(4)));
    assert_eq!(publish.payload, b"{\"a");
}

#[test]
fn topic_and_payload_of_every_small_length() {
    // A client once read one combination of lengths wrongly.
    let bytes = [b'x'; 300];
    let text = core::str::from_utf8(&bytes).unwrap();
    let mut room = [0; 700];
    for topic in (1..=300).step_by(7).chain([1, 42, 124, 125, 126, 127, 128, 300]) {
        for payload in (0..=300).step_by(5).chain([76, 127, 128]) {
            for (qos, id) in [(QoS::AtMostOnce, None), (QoS::AtLeastOnce, id(0xABCD))] {
                let publish = Publish {
                    qos,
                    dup: false,
                    retain: false,
                    topic: text[..topic].into(),
                    id,
                    payload: &bytes[..payload],
                };
                let len = publish.emit(&mut room).unwrap();
                assert_eq!(read(&room[..len]), Ok(Packet::Publish(publish)));
            }
        }
    }
}

#[test]
fn the_longest_topic() {
    let topic = "x".repeat(65_535);
    let publish = Publish {
        qos: QoS::AtLeastOnce,
        dup: false,
        retain: false,
        topic: (&topic).into(),
        id: id(1),
        payload: b"end",
    };
    let mut room = vec![0; publish.encoded_len()];
    assert_eq!(publish.emit(&mut room), Ok(room.len()));
    assert_eq!(read(&room), Ok(Packet::Publish(publish)));
}

#[test]
fn the_id_stands_between_topic_and_payload() {
    let mut room = vec![0; 16];
    let mut writer = Writer::new(&mut room);
    writer.put_text("t");
    put_rest(&mut writer, id(2), b"xyz");
    assert_eq!(writer.finish().unwrap(), b"\x00\x01t\x00\x02xyz");
}

#[test]
fn a_head_asks_for_the_topic_length_then_for_all_before_the_payload() {
    let packet = b"\x32\x90\x4E\x00\x03a/b\x00\x07payload";
    let header = frame::header(packet).unwrap().unwrap();
    for (n, needed) in [(3, 5), (4, 5), (5, 10), (9, 10)] {
        assert_eq!(head(&header, &packet[..n]), Ok(Head::Needs(needed)));
    }
    let publish =
        Publish { qos: QoS::AtLeastOnce, dup: false, retain: false, topic: "a/b".into(), id: id(7), payload: b"" };
    for n in 10..=packet.len() {
        assert_eq!(head(&header, &packet[..n]), Ok(Head::Complete { publish, len: 10 }));
    }
}

#[test]
fn a_head_refuses_what_its_lengths_already_forbid() {
    // The topic ends one byte past the packet, far past it, and leaves no or half a place for the id.
    for (packet, offset) in
        [(&b"\x30\x05\x00\x04"[..], 2), (b"\x30\x05\xFF\xFF", 2), (b"\x32\x05\x00\x03", 7), (b"\x32\x05\x00\x02", 6)]
    {
        let header = frame::header(packet).unwrap().unwrap();
        let error = PeerError { kind: Violation::Truncated, packet: packet[0], offset };
        assert_eq!(head(&header, packet), Err(error), "{packet:02X?}");
        let whole = [packet, &[b'x'; 3]].concat();
        assert_eq!(read(&whole), Err(error), "{packet:02X?}");
    }
}

#[test]
fn a_head_is_that_of_a_publish_with_a_possible_length() {
    for (packet, kind, offset) in [
        (&[0x90, 0x7F, 0x00, 0x01][..], Violation::ForbiddenType, 0),
        (&[0x34, 0x7F, 0x00, 0x01], Violation::ForbiddenType, 0),
        (&[0x36, 0x7F, 0x00, 0x01], Violation::BadQos, 0),
        (&[0x30, 0x02, 0x00, 0x01], Violation::WrongLength, 1),
    ] {
        let header = frame::header(packet).unwrap().unwrap();
        assert_eq!(head(&header, packet), Err(PeerError { kind, packet: packet[0], offset }));
    }
}

/// A PUBLISH that owns its texts.
#[derive(Clone, Debug)]
struct Owned {
    qos: QoS,
    dup: bool,
    retain: bool,
    topic: String,
    id: Option<PacketId>,
    payload: Vec<u8>,
}

impl Owned {
    fn borrow(&self) -> Publish<'_> {
        let Self { qos, dup, retain, ref topic, id, ref payload } = *self;
        Publish { qos, dup, retain, topic: topic.into(), id, payload }
    }
}

fn publish() -> impl Strategy<Value = Owned> {
    let topic = prop_oneof!["[a-z0-9/$?=&%é€😀]{1,40}", "[^\u{0}+#]{1,12}", "[a-z]{120,130}"];
    let payload = prop_oneof![0..20_usize, 100..300_usize].prop_flat_map(|len| prop::collection::vec(any::<u8>(), len));
    let qos = prop::option::of((1..=u16::MAX, any::<bool>()));
    (qos, any::<bool>(), topic, payload).prop_map(|(qos1, retain, topic, payload)| Owned {
        qos: if qos1.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        dup: qos1.is_some_and(|(_, dup)| dup),
        retain,
        topic,
        id: qos1.and_then(|(number, _)| id(number)),
        payload,
    })
}

proptest! {
    #[test]
    fn decode_undoes_emit(publish in publish()) {
        let publish = publish.borrow();
        let mut room = [0; 700];
        let len = publish.emit(&mut room).unwrap();
        prop_assert_eq!(len, publish.encoded_len());
        prop_assert_eq!(read(&room[..len]), Ok(Packet::Publish(publish)));
        // A byte of room too few is refused with the size, and exactly enough is enough.
        prop_assert_eq!(publish.emit(&mut room[..len - 1]), Err(len));
        prop_assert_eq!(publish.emit(&mut room[..len]), Ok(len));
    }

    #[test]
    fn a_head_decides_as_decode_does(
        mut packet in publish().prop_map(|publish| {
            let mut room = vec![0; publish.borrow().encoded_len()];
            publish.borrow().emit(&mut room).unwrap();
            room
        }),
        // Damage in most cases: sometimes in the lengths, sometimes anywhere.
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>(), any::<bool>())),
    ) {
        let header = frame::header(&packet).unwrap().unwrap();
        let start = usize::from(header.len);
        if let Some((at, byte, lengths)) = damage {
            let end = if lengths { start + 2 } else { packet.len() };
            packet[start + at.index(end - start)] = byte;
        }
        let whole = decode(&header, &packet);
        let mut asked = 0;
        for n in start..=packet.len() {
            match head(&header, &packet[..n]) {
                Ok(Head::Needs(needed)) => {
                    prop_assert!(needed > n && needed <= packet.len());
                    asked = needed;
                }
                Ok(Head::Complete { publish, len }) => {
                    prop_assert!(n >= asked && len <= n);
                    prop_assert_eq!(publish.payload, b"");
                    let payload = &packet[len..];
                    prop_assert_eq!(whole, Ok(Packet::Publish(Publish { payload, ..publish })));
                }
                Err(error) => {
                    prop_assert!(n >= asked);
                    prop_assert_eq!(whole, Err(error));
                }
            }
        }
    }
}
