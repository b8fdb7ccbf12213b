//! Sections 3.3 to 3.7: PUBLISH and its answers.

use super::*;
use iothub_proto::Config;
use iothub_proto::auth::Identity;
use iothub_proto::error::UsageError;
use iothub_tests::script::hex;

#[test]
fn mqtt_3_3_1_1() {
    ready(device(), |rig| {
        rig.send(b"whole");
        assert!(!publish(&rig.sent()).dup, "the first time");
        rig.send(b"in part");
        let len = rig.lent().len();
        rig.confirm(1);
        assert!(len > 1);
        rig.send(b"not begun");
        let mut expected = vec![("whole", true), ("in part", true), ("not begun", false)];
        for _ in 0..3 {
            rig.cut();
            rig.sign_in(RESUMED);
            let sent = rig.sent();
            let again: Vec<_> = packets(&sent).iter().map(|packet| publish(packet)).collect();
            let flags: Vec<_> = again.iter().map(|one| (std::str::from_utf8(&one.payload).unwrap(), one.dup)).collect();
            // A message of which one byte has left may have arrived.
            assert_eq!(flags, expected);
            rig.feed(&common::puback(again[0].packet_id.unwrap()));
            expected.remove(0);
            expected.iter_mut().for_each(|(_, dup)| *dup = true);
        }
    });
}

/// The letter forbids it to the sender and says nothing of the receiver: 4.8.0-1 then closes.
#[test]
fn mqtt_3_3_1_2() {
    for packet in whole_life() {
        assert!(packet[0] & 0xf6 != 0x30 || packet[0] & 8 == 0, "{packet:02x?}");
    }
    for first in [0x38, 0x39] {
        ready(device(), |rig| {
            assert_eq!(closes(rig, &common::publish(first, "t", None, b"a")), Violation::DupOnQos0);
        });
    }
}

/// DUP is told, and filters nothing.
#[test]
fn mqtt_3_3_1_3() {
    ready(device(), |rig| {
        for (first, redelivered) in [(0x3a, true), (0x32, false), (0x3a, true)] {
            let events = rig.feed(&common::publish(first, C2D, Some(9), b"x")).events;
            assert!(
                matches!(events[..], [Seen::Message { redelivered: told, .. }] if told == redelivered),
                "{events:?}"
            );
        }
        assert_eq!(rig.client.pending().messages, 3);
    });
}

#[test]
fn mqtt_3_3_1_4() {
    for first in [0x36, 0x37, 0x3e, 0x3f] {
        ready(device(), |rig| {
            assert_eq!(closes(rig, &common::publish(first, "t", Some(1), b"a")), Violation::BadQos);
        });
    }
}

/// A message may come between SUBSCRIBE and SUBACK.
#[test]
fn mqtt_3_3_1_6() {
    with(device(), |rig| {
        rig.connect(ACCEPTED);
        rig.sent();
        message(rig, 0x33, 4, b"retained");
        assert_eq!(rig.client.state(), State::Subscribing);
    });
}

fn retained(first: u8) -> bool {
    ready(device(), |rig| {
        let events = rig.feed(&common::publish(first, "t", None, b"a")).events;
        match &events[..] {
            [Seen::Unknown { retain, .. }] => *retain,
            other => panic!("{other:?}"),
        }
    })
}

/// IoT Hub retains nothing, so the flag is told only of topics that are not its own; a message is delivered all the same.
#[test]
fn mqtt_3_3_1_8() {
    assert!(retained(0x31));
    ready(device(), |rig| message(rig, 0x33, 4, b"x"));
}

#[test]
fn mqtt_3_3_1_9() {
    assert!(!retained(0x30));
}

#[test]
fn mqtt_3_3_1_10() {
    ready(device(), |rig| {
        rig.send(b"");
        assert_eq!(publish(&rig.sent()).payload, b"");
        message(rig, 0x32, 4, b"");
        message(rig, 0x33, 5, b"");
    });
}

#[test]
fn mqtt_3_3_2_1() {
    for packet in whole_life().iter().filter(|packet| packet[0] >> 4 == 3) {
        let at = connect_at(packet);
        let len = usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
        let topic = std::str::from_utf8(&packet[at + 2..][..len]).unwrap();
        assert!(topic.starts_with(D2C) || topic.starts_with("$iothub/"), "{topic}");
    }
    // A topic that is longer than the rest of its packet, by one byte and by as many as there can be.
    for (bytes, why) in [
        ("300400037461", Violation::Truncated),
        ("3004ffff7461", Violation::Truncated),
        ("32050003746161", Violation::Truncated),
        ("300100", Violation::WrongLength),
        ("3000", Violation::WrongLength),
    ] {
        ready(device(), |rig| assert_eq!(closes(rig, &hex(bytes)), why, "{bytes}"));
    }
}

#[test]
fn mqtt_3_3_2_2() {
    for topic in ["+", "#", "a/+", "+/a", "a/+/b", "a/#", "a+", "a#b"] {
        ready(device(), |rig| {
            assert_eq!(
                closes(rig, &common::publish(0x32, topic, Some(1), b"a")),
                Violation::WildcardInTopic,
                "{topic}"
            );
        });
    }
    // Out: in the name of a property it is encoded, in an id it is refused.
    ready(device(), |rig| {
        let odd = Telemetry { properties: &[("+", "#")], ..Telemetry::default() };
        rig.client.send_telemetry(rig.now, &odd).unwrap();
        assert_eq!(publish(&rig.sent()).topic, format!("{D2C}%2B=%23"));
    });
    for id in ["a+", "#"] {
        let identity = Identity::device("contoso.azure-devices.net", id);
        let mut memory = Memory::default();
        let error = memory.try_rig(Config { identity, settings: quiet() }).map(drop);
        assert!(matches!(error, Err(Error::Usage(UsageError::BadText { .. }))), "{error:?}");
    }
}

/// What matches no filter is told as such and acknowledged, so that it does not come again.
#[test]
fn mqtt_3_3_2_3() {
    ready(device(), |rig| {
        let events = rig.feed(&common::publish(0x32, "devices/other/messages/devicebound/", Some(8), b"x")).events;
        assert!(matches!(events[..], [Seen::Unknown { .. }]), "{events:?}");
        assert_eq!(rig.sent(), common::puback(8));
    });
}

/// QoS 1 is answered by PUBACK when the application has decided to: an event that nobody took must not make the hub
/// forget the message. With `auto_accept` it is answered as it stands in the standard, at the next input call.
#[test]
fn mqtt_3_3_4_1() {
    ready(device(), |rig| {
        rig.feed(&common::publish(0x30, C2D, None, b"zero"));
        assert_eq!(rig.sent(), b"", "nothing for QoS 0");
        let token = message(rig, 0x32, 4, b"one");
        assert_eq!(rig.sent(), b"", "not before it is accepted");
        rig.client.message_accept(rig.now, token).unwrap();
        assert_eq!(rig.sent(), common::puback(4));
    });
    ready(Settings { auto_accept: true, ..device() }, |rig| {
        for id in 1..=8 {
            message(rig, 0x32, id, b"one");
        }
        rig.drain();
        let all: Vec<u8> = (1..=8).flat_map(common::puback).collect();
        assert_eq!(rig.sent(), all);
    });
    ready(device(), |rig| {
        assert_eq!(closes(rig, &common::publish(0x34, C2D, Some(4), b"two")), Violation::ForbiddenType);
    });
}

#[test]
fn mqtt_3_3_5_1() {
    ready(device(), |rig| {
        let copies = [message(rig, 0x32, 4, b"copy"), message(rig, 0x32, 5, b"copy")];
        for token in copies {
            rig.client.message_accept(rig.now, token).unwrap();
        }
        assert_eq!(rig.sent(), [common::puback(4), common::puback(5)].concat());
    });
}

/// The hub closes the link instead of refusing a PUBLISH: it stays unacknowledged.
#[test]
fn mqtt_3_3_5_2() {
    ready(device(), |rig| {
        let token = rig.send(b"not allowed");
        rig.sent();
        assert!(matches!(rig.cut()[..], [Seen::Disconnected(_)]));
        assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token]);
        rig.client.telemetry_withdraw(rig.now, token).unwrap();
        rig.sign_in(RESUMED);
        assert_eq!(rig.sent(), b"");
    });
}

/// Of QoS 2 nothing is sent and nothing is taken, whatever its flags.
#[test]
fn mqtt_3_6_1_1() {
    for first in 0x60..=0x6f {
        ready(device(), |rig| assert_eq!(closes(rig, &[first, 2, 0x12, 0x34]), Violation::ForbiddenType));
    }
    assert!(whole_life().iter().all(|packet| !matches!(packet[0] >> 4, 5..=7)));
}
