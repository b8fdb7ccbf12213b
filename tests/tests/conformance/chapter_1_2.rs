//! Chapters 1 and 2: text, fixed header, packet identifiers.

use super::*;
use iothub_proto::Config;
use iothub_proto::auth::Identity;
use iothub_proto::error::{CapacityError, Field, UsageError};
use iothub_tests::script::{SUBSCRIBE_ID, hex, suback};
use std::collections::BTreeSet;

/// A QoS 1 PUBLISH whose topic has these bytes.
fn topic(bytes: &[u8]) -> Vec<u8> {
    common::packet(0x32, &[common::field(bytes), vec![0, 9, b'x']].concat())
}

/// Each of these at the start, in the middle and at the end of a topic.
fn everywhere(ill: &[u8], violation: Violation) {
    for place in [[b"".as_slice(), b"ab"], [b"a", b"b"], [b"ab", b""]] {
        let text = [place[0], ill, place[1]].concat();
        ready(device(), |rig| assert_eq!(closes(rig, &topic(&text)), violation, "{text:02x?}"));
    }
}

#[test]
fn mqtt_1_5_3_1() {
    for ill in ["eda080", "edbfbf", "eda080edb080", "c080", "e08080", "f0808080", "f4908080", "f5808080", "ff", "80"] {
        everywhere(&hex(ill), Violation::BadUtf8);
    }
    for cut in ["c3", "e282", "f09f98"] {
        ready(device(), |rig| assert_eq!(closes(rig, &topic(&hex(cut))), Violation::BadUtf8));
    }
    // Out: texts are `&str`, and stay well-formed in a topic.
    ready(device(), |rig| {
        let odd = Telemetry { properties: &[("température", "20 °C 😀")], ..Telemetry::default() };
        rig.client.send_telemetry(rig.now, &odd).unwrap();
        assert!(publish(&rig.sent()).topic.starts_with(D2C));
    });
}

#[test]
fn mqtt_1_5_3_2() {
    everywhere(b"\0", Violation::NulInText);
    // Out: an identity with U+0000 makes no client, elsewhere it is percent-encoded.
    for (identity, field) in [
        (Identity::device("h\0st", "dev1"), Field::HostName),
        (Identity::device("host", "dev\0"), Field::DeviceId),
        (Identity::module("host", "dev1", "\0"), Field::ModuleId),
    ] {
        let mut memory = Memory::default();
        let error = memory.try_rig(Config { identity, settings: quiet() }).map(drop).unwrap_err();
        assert!(matches!(error, Error::Usage(UsageError::BadText { field: named, .. }) if named == field), "{error:?}");
    }
    ready(device(), |rig| {
        let odd = Telemetry { properties: &[("a\0b", "\0")], ..Telemetry::default() };
        rig.client.send_telemetry(rig.now, &odd).unwrap();
        assert_eq!(publish(&rig.sent()).topic, format!("{D2C}a%00b=%00"));
    });
}

#[test]
fn mqtt_1_5_3_3() {
    ready(device(), |rig| {
        let events = rig.feed(&hex("30070004efbbbf6161")).events;
        assert!(matches!(&events[..], [Seen::Unknown { topic, .. }] if topic == "\u{feff}a"), "{events:?}");
        let odd = Telemetry { properties: &[("p", "\u{feff}a")], ..Telemetry::default() };
        rig.client.send_telemetry(rig.now, &odd).unwrap();
        assert_eq!(publish(&rig.sent()).topic, format!("{D2C}p=%EF%BB%BFa"));
    });
}

#[test]
fn mqtt_2_2_2_1() {
    let seen: BTreeSet<u8> = whole_life().iter().map(|packet| packet[0]).collect();
    assert_eq!(seen, BTreeSet::from([0x10, 0x30, 0x32, 0x3a, 0x40, 0x82, 0xc0, 0xe0]));
}

/// Also what belongs to QoS 2 closes: a client that asks for QoS 1 at most never receives it (3.8.4-6).
#[test]
fn mqtt_2_2_2_2() {
    let legal = [0x30, 0x31, 0x32, 0x33, 0x3a, 0x3b, 0x40, 0x90, 0xb0, 0xd0];
    for first in 0..=255 {
        ready(device(), |rig| {
            if legal.contains(&first) {
                assert_eq!(rig.feed(&[first]).error, None, "{first:02x}");
            } else {
                closes(rig, &[first]);
            }
        });
    }
}

#[test]
fn mqtt_2_3_1_1() {
    let mut checked = 0;
    for packet in whole_life() {
        // The strict reader refuses id 0.
        match codec::decode(&packet).unwrap() {
            Packet::Publish(publish) => assert_eq!(publish.packet_id.is_some(), publish.qos > 0),
            Packet::Subscribe(id, _) => assert_ne!(id, 0),
            _ => continue,
        }
        checked += 1;
    }
    assert!(checked > 8);
    ready(device(), |rig| assert_eq!(closes(rig, &hex("3206000174000061")), Violation::ZeroPacketId));
}

#[test]
fn mqtt_2_3_1_2() {
    let mut memory = Memory::new(4096, 64, 1);
    let mut rig = memory.rig(device());
    rig.connect(ACCEPTED);
    let mut ids = BTreeSet::from([u16::from_be_bytes(SUBSCRIBE_ID)]);
    rig.grant();
    for _ in 0..64 {
        rig.send(b"");
    }
    // With every slot in use the next is refused instead of using an id again.
    let full = rig.client.send_telemetry(rig.now, &Telemetry::default());
    assert_eq!(full, Err(CapacityError::SlotsFull.into()));
    for packet in read(&rig.sent()) {
        let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
        assert!(ids.insert(publish.packet_id.unwrap()), "in use: {publish:?}");
    }
    assert_eq!(ids.len(), 65);
}

/// Beside one that waits, ids go round: past 65,535, and never to 0 or to the one in use.
#[test]
fn mqtt_2_3_1_3() {
    let mut memory = Memory::new(1024, 2, 1);
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    rig.send(b"waits");
    let waits = publish(&rig.sent()).packet_id;
    let mut seen = BTreeSet::new();
    for _ in 0..33_000 {
        rig.client.send_telemetry(rig.now, &Telemetry::default()).unwrap();
        // No third: the id is free when its PUBACK is processed, not before.
        let none = rig.client.send_telemetry(rig.now, &Telemetry::default());
        assert_eq!(none, Err(CapacityError::SlotsFull.into()));
        let lent = rig.client.poll_transmit().unwrap();
        let (len, id) = (lent.len(), u16::from_be_bytes(*lent.last_chunk().unwrap()));
        rig.client.confirm_transmit(rig.now, len).unwrap();
        assert!(id != 0 && Some(id) != waits);
        seen.insert(id);
        assert!(rig.client.handle_input(rig.now, &common::puback(id)).unwrap().event.is_some());
    }
    assert!(seen.len() > 32_000 && seen.len() < 33_000, "{} ids came round", seen.len());
    // A re-send keeps its id.
    rig.cut();
    rig.sign_in(RESUMED);
    assert_eq!(publish(&rig.sent()).packet_id, waits);
}

/// The hub's ids are another space: the same number in both directions is legal.
#[test]
fn mqtt_2_3_1_4() {
    ready(device(), |rig| {
        rig.send(b"mine");
        let id = publish(&rig.sent()).packet_id.unwrap();
        let token = message(rig, 0x32, id, b"theirs");
        rig.client.message_accept(rig.now, token).unwrap();
        assert_eq!(rig.sent(), common::puback(id));
        assert_eq!(rig.client.pending().telemetry, 1, "its own PUBACK acknowledges nothing");
        assert!(matches!(rig.feed(&common::puback(id)).events[..], [Seen::Acked(_)]));
    });
}

#[test]
fn mqtt_2_3_1_5() {
    ready(device(), |rig| {
        rig.send0(b"\x00\x01zero");
        let sent = rig.sent();
        assert_eq!(sent[..2], [0x30, (2 + D2C.len() + 6) as u8]);
        assert_eq!((publish(&sent).packet_id, publish(&sent).payload), (None, b"\x00\x01zero".to_vec()));
        let events = rig.feed(&common::publish(0x30, C2D, None, b"\x00\x01zero")).events;
        let [Seen::Message { token: None, payload, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(payload, b"\x00\x01zero", "all after the topic is payload");
    });
}

#[test]
fn mqtt_2_3_1_6() {
    for id in [1, 2, 0x0102, 0x1234, 0x8000, 0xffff] {
        ready(device(), |rig| {
            let token = message(rig, 0x32, id, b"x");
            rig.client.message_accept(rig.now, token).unwrap();
            assert_eq!(rig.sent(), [vec![0x40, 2], id.to_be_bytes().to_vec()].concat());
        });
    }
}

#[test]
fn mqtt_2_3_1_7() {
    with(device(), |rig| {
        rig.connect(ACCEPTED);
        rig.sent();
        assert_eq!(rig.feed(&hex("9003123401 b0021234")).events, [], "of nothing that is known");
        assert_eq!((rig.client.state(), rig.client.strays()), (State::Subscribing, 2));
        assert_eq!(rig.feed(&suback(&[1])).events, [Seen::Ready(Features::NONE)]);
    });
    // With the id of another kind of packet it is no answer but a violation.
    with(device(), |rig| {
        rig.connect(ACCEPTED);
        rig.sent();
        assert_eq!(closes(rig, &hex("b002ffff")), Violation::WrongAck);
    });
}
