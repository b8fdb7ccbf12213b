//! Chapters 4 and 6: sessions, delivery, ordering, topics, errors, chunks.

use super::*;
use iothub_proto::error::{TimeoutReason, UsageError};
use iothub_tests::script::{hex, suback};

/// Payload and DUP of each PUBLISH.
fn payloads(stream: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let packets = read(stream).into_iter();
    let publish = |packet| match packet {
        Packet::Publish(publish) => (publish.payload, publish.dup),
        other => panic!("{other:?}"),
    };
    packets.map(publish).collect()
}

fn again(payloads: &[&str]) -> Vec<(Vec<u8>, bool)> {
    payloads.iter().map(|payload| (payload.as_bytes().to_vec(), true)).collect()
}

#[test]
fn mqtt_4_1_0_1() {
    let ends: [fn(&mut Rig<'_>); 3] = [
        |rig| drop(rig.cut()),
        |rig| drop(rig.feed(&hex("f0"))),
        |rig| {
            rig.client.disconnect(rig.now).unwrap();
            rig.client.disconnect(rig.now).unwrap();
            rig.sent();
            rig.drain();
        },
    ];
    for end in ends {
        ready(device(), |rig| {
            let token = rig.send(b"kept");
            rig.sent();
            end(rig);
            assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token]);
            rig.sign_in(RESUMED);
            assert_eq!(payloads(&rig.sent()), again(&["kept"]));
        });
    }
}

#[test]
fn mqtt_4_1_0_2() {
    ready(Settings { keep_alive: 60, ..device() }, |rig| {
        let token = rig.send(b"kept");
        rig.sent();
        let undecided = message(rig, 0x32, 4, b"undecided");
        // Until the very deadline of its PUBACK.
        while rig.client.timeout_reason() == Some(TimeoutReason::KeepAlive) {
            rig.pass(TimeoutReason::KeepAlive).unwrap();
            rig.sent();
            rig.feed(&hex("d000"));
        }
        assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token]);
        rig.client.message_accept(rig.now, undecided).unwrap();
        assert_eq!(rig.sent(), common::puback(4));
    });
}

#[test]
fn mqtt_4_3_1_1() {
    ready(device(), |rig| {
        rig.send0(b"zero");
        assert_eq!(rig.sent()[0], 0x30);
        // Sent once: it is not there any more.
        rig.cut();
        rig.sign_in(RESUMED);
        assert_eq!(rig.sent(), b"");
    });
}

#[test]
fn mqtt_4_3_2_1() {
    ready(device(), |rig| {
        let token = rig.send(b"one");
        let sent = rig.sent();
        let first = publish(&sent);
        assert_eq!((sent[0], first.dup), (0x32, false));
        assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token]);
        let ack = common::puback(first.packet_id.unwrap());
        assert_eq!(rig.feed(&ack).events, [Seen::Acked(token)]);
        assert_eq!((rig.feed(&ack).events, rig.client.strays()), (vec![], 1), "once");
        assert_eq!(rig.client.unacked().count(), 0);
    });
}

#[test]
fn mqtt_4_3_2_2() {
    for second in [0x32, 0x3a] {
        ready(device(), |rig| {
            for first in [0x32, second] {
                let token = message(rig, first, 4, b"x");
                rig.client.message_accept(rig.now, token).unwrap();
                assert_eq!(rig.sent(), common::puback(4), "a new message each time");
            }
        });
    }
}

/// IoT Hub has no QoS 2, so this client has none: it cannot be asked for, and the answers to it close.
#[test]
fn mqtt_4_3_3_1() {
    for first in [0x50, 0x70] {
        ready(device(), |rig| {
            let token = rig.send(b"one");
            let id = publish(&rig.sent()).packet_id.unwrap().to_be_bytes();
            assert_eq!(closes(rig, &[first, 2, id[0], id[1]]), Violation::ForbiddenType);
            assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token], "no answer to a QoS 1 PUBLISH");
        });
    }
}

/// See above.
#[test]
fn mqtt_4_3_3_2() {
    for first in [0x34, 0x35, 0x3c, 0x3d] {
        ready(device(), |rig| {
            assert_eq!(closes(rig, &common::publish(first, C2D, Some(4), b"two")), Violation::ForbiddenType);
        });
    }
    ready(device(), |rig| assert_eq!(closes(rig, &hex("62020004")), Violation::ForbiddenType));
}

#[test]
fn mqtt_4_4_0_1() {
    ready(device(), |rig| {
        for payload in ["a", "b", "c"] {
            rig.send(payload.as_bytes());
        }
        let ids: Vec<u16> = read(&rig.sent())
            .iter()
            .map(|packet| match packet {
                Packet::Publish(publish) => publish.packet_id.unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        rig.feed(&common::puback(ids[1]));
        // No time makes it send again on a living connection.
        rig.time(rig.client.poll_timeout().unwrap().as_millis() - 1).unwrap();
        assert_eq!(rig.sent(), b"");
        rig.cut();
        rig.sign_in(RESUMED);
        let sent = rig.sent();
        assert_eq!(payloads(&sent), again(&["a", "c"]));
        let resent: Vec<Option<u16>> = packets(&sent).iter().map(|packet| publish(packet).packet_id).collect();
        assert_eq!(resent, [Some(ids[0]), Some(ids[2])]);
    });
}

/// The standard wants PUBACK whatever the application does. Here the application decides: an undecided message has no
/// PUBACK, holds later ones back, and is the hub's to deliver again, so that none is lost in an application that broke.
/// What an application cannot decide about is acknowledged at once, and `auto_accept` is the standard's way.
#[test]
fn mqtt_4_5_0_2() {
    ready(device(), |rig| {
        message(rig, 0x32, 4, b"undecided");
        rig.feed(&common::publish(0x32, "unknown", Some(5), b"x"));
        assert_eq!(rig.sent(), b"", "in order, so it waits");
        rig.cut();
        rig.sign_in(RESUMED);
        let token = message(rig, 0x3a, 4, b"undecided");
        rig.client.message_accept(rig.now, token).unwrap();
        rig.feed(&common::publish(0x3a, "unknown", Some(5), b"x"));
        assert_eq!(rig.sent(), [common::puback(4), common::puback(5)].concat());
    });
    ready(Settings { auto_accept: true, ..device() }, |rig| {
        message(rig, 0x32, 4, b"ignored");
        rig.drain();
        assert_eq!(rig.sent(), common::puback(4));
    });
}

#[test]
fn mqtt_4_6_0_1() {
    ready(device(), |rig| {
        for payload in ["a", "b", "c", "d", "e"] {
            rig.send(payload.as_bytes());
        }
        let sent = packets(&rig.sent());
        for acked in [3, 0] {
            rig.feed(&common::puback(publish(&sent[acked]).packet_id.unwrap()));
        }
        // In the slots that became free.
        rig.send(b"f");
        rig.sent();
        rig.send(b"g");
        rig.sent();
        for _ in 0..2 {
            rig.cut();
            rig.sign_in(RESUMED);
            assert_eq!(payloads(&rig.sent()), again(&["b", "c", "e", "f", "g"]));
        }
    });
}

/// In whatever order messages are accepted; one that is left is passed over.
#[test]
fn mqtt_4_6_0_2() {
    ready(device(), |rig| {
        let tokens: Vec<_> = (1..=5).map(|id| message(rig, 0x32, id, b"x")).collect();
        for accepted in [4, 2, 1] {
            rig.client.message_accept(rig.now, tokens[accepted]).unwrap();
            assert_eq!(rig.sent(), b"", "the first is undecided");
        }
        rig.client.message_accept(rig.now, tokens[0]).unwrap();
        assert_eq!(rig.sent(), [1, 2, 3].map(common::puback).concat());
        rig.client.message_leave(rig.now, tokens[3]).unwrap();
        assert_eq!(rig.sent(), common::puback(5));
    });
}

/// First copies leave in the order of the commands.
#[test]
fn mqtt_4_6_0_5() {
    ready(device(), |rig| {
        let names: Vec<String> = (0..8).map(|number| number.to_string()).collect();
        for name in &names {
            rig.send(name.as_bytes());
        }
        let sent: Vec<_> = payloads(&rig.sent()).into_iter().map(|(payload, _)| payload).collect();
        assert_eq!(sent, names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
    });
}

/// Every filter that this client subscribes, and every topic that it publishes to, in a life with everything.
fn texts() -> (Vec<String>, Vec<String>) {
    let (mut filters, mut topics) = (Vec::new(), Vec::new());
    for packet in whole_life() {
        match codec::decode(&packet).unwrap() {
            Packet::Subscribe(_, asked) => filters.extend(asked.into_iter().map(|(filter, _)| filter)),
            Packet::Publish(publish) => topics.push(publish.topic),
            _ => {}
        }
    }
    assert!(filters.len() == 8 && topics.len() > 8);
    (filters, topics)
}

#[test]
fn mqtt_4_7_1_1() {
    let (filters, topics) = texts();
    assert!(filters.iter().any(|filter| filter.contains('#')));
    assert!(topics.iter().all(|topic| !topic.contains(['+', '#'])), "{topics:?}");
    ready(device(), |rig| {
        assert_eq!(closes(rig, &common::publish(0x30, "a/#", None, b"x")), Violation::WildcardInTopic);
    });
}

#[test]
fn mqtt_4_7_1_2() {
    for filter in texts().0 {
        assert_eq!(filter.find('#'), filter.strip_suffix("/#").map(|rest| rest.len() + 1), "{filter}");
    }
}

#[test]
fn mqtt_4_7_1_3() {
    assert!(texts().0.iter().all(|filter| !filter.contains('+')), "the hub has no use for it");
}

#[test]
fn mqtt_4_7_3_1() {
    let (filters, topics) = texts();
    assert!(filters.iter().chain(&topics).all(|text| !text.is_empty()));
    for bytes in ["3003000061", "32050000000161"] {
        ready(device(), |rig| assert_eq!(closes(rig, &hex(bytes)), Violation::EmptyTopic));
    }
}

#[test]
fn mqtt_4_7_3_2() {
    let (filters, topics) = texts();
    assert!(filters.iter().chain(&topics).all(|text| !text.contains('\0')));
    ready(device(), |rig| {
        assert_eq!(closes(rig, &common::publish(0x30, "a\0", None, b"x")), Violation::NulInText);
    });
}

#[test]
fn mqtt_4_7_3_3() {
    let mut memory = Memory::new(200_000, 2, 2);
    let mut rig = memory.rig(Settings { max_packet: 100_000, ..device() });
    rig.sign_in(ACCEPTED);
    let room = 65_535 - D2C.len() - 2;
    for (len, fits) in [(room, true), (room + 1, false), (room + 65_536, false)] {
        let value = "x".repeat(len);
        let properties = [("p", value.as_str())];
        let message = Telemetry { properties: &properties, ..Telemetry::default() };
        match rig.client.send_telemetry(rig.now, &message) {
            Ok(_) => {
                let topic = publish(&rig.sent()).topic;
                assert!(fits && topic.len() == 65_535, "{}", topic.len());
            }
            Err(error) => {
                let told = D2C.len() + 2 + len;
                assert!(!fits, "{len}");
                assert_eq!(error, UsageError::TopicTooLong { len: told }.into());
                assert_eq!(rig.sent(), b"");
            }
        }
    }
    let longest = "t".repeat(65_535);
    let events = rig.feed(&common::publish(0x30, &longest, None, b"x")).events;
    assert!(matches!(&events[..], [Seen::Unknown { topic, .. }] if *topic == longest));
}

/// Neither is a topic normalised: é in one character and in two are two names.
#[test]
fn mqtt_4_7_3_4() {
    for topic in ["\u{e9}", "e\u{301}", "devices//dev1/messages/devicebound/", "/devices/dev1/messages/devicebound/"] {
        ready(device(), |rig| {
            let events = rig.feed(&common::publish(0x30, topic, None, b"x")).events;
            assert!(matches!(&events[..], [Seen::Unknown { topic: told, .. }] if told == topic), "{events:?}");
        });
    }
}

/// Closed is: one `Disconnected`, the error again and again, nothing more told and nothing more sent.
#[test]
fn mqtt_4_8_0_1() {
    ready(Settings { keep_alive: 60, ..device() }, |rig| {
        rig.send(b"one");
        let token = message(rig, 0x32, 4, b"x");
        closes(rig, &hex("c000"));
        let error = rig.drain().error.unwrap();
        assert_eq!(rig.feed(&common::publish(0x32, C2D, Some(5), b"x")).events, []);
        assert_eq!(rig.client.message_accept(rig.now, token), Err(UsageError::Stale.into()));
        assert_eq!(rig.time(1_000_000), Err(error));
        assert_eq!((rig.drain().error, rig.sent()), (Some(error), vec![]));
    });
}

/// The standard wants a close when there is no room for a packet. Here a PUBLISH that the receive buffer cannot hold is
/// reported and passes by, and one without a record of its own is left with the hub: closing would bring the same
/// packet again on the next connection, for ever. What is larger than any packet may be closes, at its header.
#[test]
fn mqtt_4_8_0_2() {
    ready(Settings { max_packet: 64, packet_limit: 256, ..device() }, |rig| {
        let large = common::publish(0x32, C2D, Some(4), &[b'x'; 200]);
        let events = rig.feed(&large).events;
        let [Seen::Skipped { token: Some(token), payload_len: 200, .. }] = events[..] else { panic!("{events:?}") };
        rig.client.message_accept(rig.now, token).unwrap();
        assert_eq!((rig.sent(), rig.client.state()), (common::puback(4), State::Ready));
        // 257 bytes: above the limit. 65 bytes of SUBACK: above the buffer.
        assert_eq!(closes(rig, &hex("32fe01")), Violation::TooLarge);
    });
    ready(Settings { max_packet: 64, ..device() }, |rig| {
        assert_eq!(closes(rig, &[0x90, 63]), Violation::TooLarge);
    });
    let mut memory = Memory::new(2048, 2, 1);
    let mut rig = memory.rig(device());
    rig.sign_in(ACCEPTED);
    let token = message(&mut rig, 0x32, 4, b"x");
    assert_eq!(rig.feed(&common::publish(0x32, C2D, Some(5), b"y")).events, [Seen::Left(b"y".to_vec())]);
    rig.client.message_accept(rig.now, token).unwrap();
    assert_eq!(rig.sent(), common::puback(4), "and none for the one that was left");
}

/// Frames, segments and packets begin and end where they like.
#[test]
fn mqtt_6_0_0_2() {
    let stream = [
        common::publish(0x32, C2D, Some(4), b"one"),
        hex("d000 40021234"),
        common::publish(0x30, "$iothub/methods/POST/blink/?$rid=7", None, b"{}"),
        suback(&[1]),
        common::publish(0x33, "other", Some(5), b""),
    ]
    .concat();
    let whole = ready(device(), |rig| (rig.feed(&stream), rig.client.strays()));
    assert_eq!((whole.0.events.len(), whole.0.error, whole.1), (3, None, 3));
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let split = ready(device(), |rig| {
                let mut events = Vec::new();
                for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                    events.extend(rig.feed(part).events);
                }
                (events, rig.client.strays())
            });
            assert_eq!(split, (whole.0.events.clone(), whole.1), "split at {first} and {second}");
        }
    }
}
