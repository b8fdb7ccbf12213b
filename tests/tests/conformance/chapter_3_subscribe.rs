//! Sections 3.8 to 3.14: SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT.

use super::*;
use iothub_proto::Config;
use iothub_proto::auth::Identity;
use iothub_proto::error::TimeoutReason;
use iothub_proto::event::DisconnectReason;
use iothub_proto::packet::{PacketId, unsubscribe};
use iothub_proto::time::Duration;
use iothub_proto::wire::frame;
use iothub_tests::pair::{Setup, is_over};
use iothub_tests::script::{hex, suback};

/// SUBSCRIBE with these features: its bytes, and its filters with the QoS asked for.
fn subscribe(features: Features) -> (Vec<u8>, Vec<(String, u8)>) {
    let identity = if features.contains(Features::INPUTS) {
        Identity::module("contoso.azure-devices.net", "dev1", "mod1")
    } else {
        Identity::device("contoso.azure-devices.net", "dev1")
    };
    let mut memory = Memory::default();
    let mut rig = memory.try_rig(Config { identity, settings: Settings { features, ..quiet() } }).unwrap();
    rig.connect(ACCEPTED);
    let sent = rig.sent();
    match read(&sent).as_slice() {
        [Packet::Subscribe(_, filters)] => (sent, filters.clone()),
        other => panic!("{other:?}"),
    }
}

/// Waiting for the SUBACK of four filters.
fn four<T>(run: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    with(Settings { features: Features::ALL_DEVICE, ..quiet() }, |rig| {
        rig.connect(ACCEPTED);
        assert_eq!(rig.sent()[0], 0x82);
        run(rig)
    })
}

#[test]
fn mqtt_3_8_1_1() {
    for features in [Features::MESSAGES, Features::ALL_DEVICE, Features::ALL_MODULE] {
        assert_eq!(subscribe(features).0[0], 0x82);
    }
}

#[test]
fn mqtt_3_8_3_1() {
    // The strict reader takes no filter that is ill-formed or has a wildcard in a wrong place.
    let filters = subscribe(Features::ALL_DEVICE).1;
    assert_eq!(filters[0].0, "devices/dev1/messages/devicebound/#");
    assert_eq!(subscribe(Features::ALL_MODULE).1[3].0, "devices/dev1/modules/mod1/inputs/#");
}

#[test]
fn mqtt_3_8_3_2() {
    four(|rig| {
        let events = rig.feed(&suback(&[0x80; 4])).events;
        assert_eq!(events, [Seen::Ready(Features::ALL_DEVICE)], "each is reported, and the session lives");
        assert_eq!(rig.client.state(), State::Ready);
    });
    four(|rig| assert!(matches!(rig.cut()[..], [Seen::Disconnected(_)])));
}

#[test]
fn mqtt_3_8_3_3() {
    with(quiet(), |rig| {
        rig.sign_in(ACCEPTED);
        assert_eq!(rig.sent(), b"", "nothing to subscribe, no SUBSCRIBE");
        rig.client.subscribe(rig.now, Features::NONE).unwrap();
        assert_eq!(rig.sent(), b"");
        rig.client.subscribe(rig.now, Features::METHODS).unwrap();
        assert!(matches!(&read(&rig.sent())[..], [Packet::Subscribe(_, filters)] if filters.len() == 1));
    });
}

#[test]
fn mqtt_3_8_3_4() {
    for features in [Features::ALL_DEVICE, Features::ALL_MODULE] {
        for (filter, qos) in subscribe(features).1 {
            assert_eq!(qos, u8::from(!filter.starts_with("$iothub/")), "{filter}");
        }
    }
}

/// No SUBACK ends the connection: without it nobody knows what is heard. A late one is for nobody.
#[test]
fn mqtt_3_8_4_1() {
    four(|rig| {
        assert_eq!(rig.pass(TimeoutReason::Suback), Err(Error::TimedOut(TimeoutReason::Suback)));
        let late = rig.feed(&suback(&[1; 4]));
        assert!(matches!(late.events[..], [Seen::Disconnected(_)]), "{late:?}");
        assert_eq!(late.error, Some(Error::TimedOut(TimeoutReason::Suback)));
    });
}

#[test]
fn mqtt_3_8_4_2() {
    four(|rig| {
        assert_eq!(rig.feed(&hex("9006000101010101")).events, [], "another id");
        assert_eq!((rig.client.state(), rig.client.strays()), (State::Subscribing, 1));
        assert_eq!(rig.feed(&suback(&[1, 0, 0, 0])).events, [Seen::Ready(Features::NONE)]);
    });
}

/// The same filters are asked for on every connection, and a refused one as often as the application likes.
#[test]
fn mqtt_3_8_4_3() {
    with(device(), |rig| {
        let mut subscribes = Vec::new();
        for connack in [ACCEPTED, RESUMED] {
            rig.connect(connack);
            subscribes.push(rig.sent());
            rig.feed(&suback(&[0x80]));
            rig.client.subscribe(rig.now, Features::MESSAGES).unwrap();
            subscribes.push(rig.sent());
            let asked = Features::MESSAGES;
            assert_eq!(rig.feed(&suback(&[1])).events, [Seen::Subscribed(asked, Features::NONE)]);
            rig.cut();
        }
        assert!(subscribes[0][0] == 0x82 && subscribes.iter().all(|one| *one == subscribes[0]));
    });
}

#[test]
fn mqtt_3_8_4_4() {
    assert_eq!(subscribe(Features::ALL_DEVICE).1.len(), 4);
    four(|rig| assert_eq!(rig.feed(&suback(&[1, 0, 0, 0])).events, [Seen::Ready(Features::NONE)], "one answer"));
}

#[test]
fn mqtt_3_8_4_5() {
    for count in [1, 2, 3, 5, 6, 100] {
        four(|rig| assert_eq!(closes(rig, &suback(&vec![1; count])), Violation::SubackCount, "{count}"));
    }
    four(|rig| assert_eq!(closes(rig, &suback(&[])), Violation::WrongLength));
}

/// Less than was asked for is fine, and a message at more than was granted is taken; QoS 2 is not, since it is never
/// asked for.
#[test]
fn mqtt_3_8_4_6() {
    for granted in [0, 1, 2] {
        with(device(), |rig| {
            rig.connect(ACCEPTED);
            rig.sent();
            assert_eq!(rig.feed(&suback(&[granted])).events, [Seen::Ready(Features::NONE)]);
            let token = message(rig, 0x32, 4, b"one");
            rig.client.message_accept(rig.now, token).unwrap();
            assert_eq!(rig.sent(), common::puback(4));
            assert_eq!(closes(rig, &common::publish(0x34, C2D, Some(4), b"two")), Violation::ForbiddenType);
        });
    }
}

#[test]
fn mqtt_3_9_3_1() {
    for (place, feature) in Features::ALL_DEVICE.iter().enumerate() {
        four(|rig| {
            let mut codes = [1, 0, 0, 0];
            codes[place] = 0x80;
            assert_eq!(rig.feed(&suback(&codes)).events, [Seen::Ready(feature)], "at {place}");
        });
    }
}

#[test]
fn mqtt_3_9_3_2() {
    for code in 0..=255 {
        with(device(), |rig| {
            rig.connect(ACCEPTED);
            rig.sent();
            if matches!(code, 0..=2 | 0x80) {
                assert_eq!(rig.feed(&suback(&[code])).error, None);
            } else {
                assert_eq!(closes(rig, &suback(&[code])), Violation::BadSubackCode, "{code:02x}");
            }
        });
    }
}

/// UNSUBSCRIBE with these filters, by the codec: the client itself only ever adds to what is subscribed.
fn unsubscribe_packet(filters: &[&str]) -> Vec<u8> {
    let mut room = [0; 256];
    let id = PacketId::new(9).unwrap();
    let packet = frame::write(&mut room, 2, unsubscribe::FIRST, &mut |w| {
        unsubscribe::put_body(w, id, &mut |w| {
            for filter in filters {
                unsubscribe::put_filter(w, &mut |w| w.put(filter.as_bytes()));
            }
        });
    });
    room[packet.unwrap()].to_vec()
}

#[test]
fn mqtt_3_10_1_1() {
    assert_eq!(unsubscribe_packet(&["a/#"])[0], 0xa2);
}

#[test]
fn mqtt_3_10_3_1() {
    let filters = ["a/#", "é/b", "#"];
    let wanted = Packet::Unsubscribe(9, filters.map(str::to_owned).to_vec());
    assert_eq!(read(&unsubscribe_packet(&filters)), [wanted], "packed one behind another");
}

/// Topics are recognised byte by byte.
#[test]
fn mqtt_3_10_4_1() {
    for topic in [
        "Devices/dev1/messages/devicebound/",
        "devices/DEV1/messages/devicebound/",
        " devices/dev1/messages/devicebound/",
    ] {
        ready(device(), |rig| {
            let events = rig.feed(&common::publish(0x32, topic, Some(1), b"x")).events;
            assert!(matches!(events[..], [Seen::Unknown { .. }]), "{topic}: {events:?}");
        });
    }
}

/// What no filter asks for any more is still finished.
#[test]
fn mqtt_3_10_4_3() {
    ready(quiet(), |rig| {
        let token = message(rig, 0x32, 4, b"late");
        rig.client.message_accept(rig.now, token).unwrap();
        assert_eq!(rig.sent(), common::puback(4));
    });
}

/// None is asked for: one with an unknown id is counted, one with the id of something else is wrong.
#[test]
fn mqtt_3_10_4_4() {
    ready(device(), |rig| {
        assert_eq!((rig.feed(&hex("b0021234")).error, rig.client.strays()), (None, 1));
        rig.send(b"mine");
        let id = publish(&rig.sent()).packet_id.unwrap().to_be_bytes();
        assert_eq!(closes(rig, &[0xb0, 2, id[0], id[1]]), Violation::WrongAck);
    });
}

#[test]
fn mqtt_3_12_4_1() {
    ready(Settings { keep_alive: 60, ping_timeout: Duration::from_secs(300), ..device() }, |rig| {
        rig.pass(TimeoutReason::KeepAlive).unwrap();
        assert_eq!(rig.sent(), hex("c000"));
        rig.time(rig.now.as_millis() + 200_000).unwrap();
        assert_eq!(rig.sent(), b"", "one at a time");
        assert_eq!(rig.pass(TimeoutReason::Pingresp), Err(Error::TimedOut(TimeoutReason::Pingresp)));
    });
    ready(Settings { keep_alive: 60, ..device() }, |rig| {
        rig.pass(TimeoutReason::KeepAlive).unwrap();
        rig.sent();
        assert_eq!(rig.feed(&hex("d000")).error, None);
        assert_eq!((rig.client.timeout_reason(), rig.client.strays()), (Some(TimeoutReason::KeepAlive), 0));
    });
}

/// A device that said goodbye.
fn goodbye<T>(run: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    ready(Settings { keep_alive: 60, ..device() }, |rig| {
        message(rig, 0x32, 4, b"undecided");
        rig.client.disconnect(rig.now).unwrap();
        run(rig)
    })
}

#[test]
fn mqtt_3_14_1_1() {
    goodbye(|rig| assert_eq!(rig.sent(), hex("e000")));
}

#[test]
fn mqtt_3_14_4_1() {
    goodbye(|rig| {
        assert_eq!(rig.client.state(), State::Closing);
        rig.sent();
        // The driver is told when the bytes are gone, and closes.
        let events = rig.drain().events;
        let [Seen::Disconnected(end)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((end.reason, rig.client.state()), (DisconnectReason::Requested, State::Offline));
    });
}

#[test]
fn mqtt_3_14_4_2() {
    goodbye(|rig| {
        // Bytes that come while it is on its way, and after.
        rig.feed(&common::publish(0x32, C2D, Some(5), b"late"));
        assert_eq!(rig.sent(), hex("e000"));
        rig.drain();
        rig.feed(&common::publish(0x32, "t", Some(6), b"late"));
        rig.send(b"for the next connection");
        rig.time(1_000_000).unwrap();
        assert_eq!(rig.sent(), b"");
    });
}

#[test]
fn mqtt_3_14_4_3() {
    let mut pair = Setup::sensor().settings(|settings| settings.connect_reserve = 600).start();
    pair.will = Some(Telemetry { payload: b"gone", ..Telemetry::default() });
    pair.sign_in();
    pair.sign_out();
    pair.run_for(Duration::from_secs(1));
    assert!(pair.has(is_over) && pair.hub.take_telemetry().is_empty());
}
