//! Section 3.1: CONNECT.

use super::*;
use iothub_proto::Config;
use iothub_proto::auth::Identity;
use iothub_proto::error::{ConnectRefusal, Field, UsageError};
use iothub_proto::event::{DisconnectReason, LastSent};
use iothub_proto::time::Duration;
use iothub_tests::hub::{CloseReason, Telemetry as Stored};
use iothub_tests::link::Break;
use iothub_tests::pair::{Pair, Setup, is_over};
use iothub_tests::script::hex;

fn refused(code: u8) -> ConnectRefusal {
    connecting(device(), |rig| {
        let outcome = rig.feed(&[0x20, 2, 0, code]);
        assert!(matches!(outcome.events[..], [Seen::Disconnected(_)]));
        match outcome.error {
            Some(Error::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn mqtt_3_1_0_1() {
    with(device(), |rig| {
        rig.send(b"early");
        assert_eq!(rig.sent(), b"", "nothing before connect");
        rig.connect_with(&ConnectOptions::default());
        let sent = rig.sent();
        assert!(matches!(&read(&sent)[..], [Packet::Connect(_)]), "and nothing after it until CONNACK");
    });
}

#[test]
fn mqtt_3_1_0_2() {
    ready(device(), |rig| {
        assert_eq!(rig.client.connect(rig.now, &ConnectOptions::default()), Err(UsageError::InvalidState.into()));
        assert_eq!(rig.sent(), b"");
    });
    connecting(device(), |rig| {
        assert_eq!(rig.client.connect(rig.now, &ConnectOptions::default()), Err(UsageError::InvalidState.into()));
        assert_eq!(rig.sent(), b"");
    });
    let connects = whole_life().iter().filter(|packet| packet[0] == 0x10).count();
    assert_eq!(connects, 2, "one for each connection");
}

#[test]
fn mqtt_3_1_2_1() {
    every_connect(|_, bytes, _| assert_eq!(bytes[connect_at(bytes)..][..6], *b"\x00\x04MQTT"));
}

#[test]
fn mqtt_3_1_2_2() {
    every_connect(|_, bytes, read| assert_eq!((bytes[connect_at(bytes) + 6], read.level), (4, 4)));
    assert_eq!(refused(1), ConnectRefusal::ProtocolVersion);
}

#[test]
fn mqtt_3_1_2_3() {
    every_connect(|_, bytes, _| assert_eq!(connect_flags(bytes) & 1, 0));
}

#[test]
fn mqtt_3_1_2_4() {
    ready(device(), |rig| {
        let token = rig.send(b"kept");
        rig.sent();
        rig.cut();
        assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token]);
        rig.connect_with(&ConnectOptions::default());
        let connect = rig.sent();
        assert_eq!(connect_flags(&connect) & 2, 0);
        rig.feed(&RESUMED);
        rig.grant();
        let again = publish(&rig.sent());
        assert_eq!((again.dup, again.payload), (true, b"kept".to_vec()));
    });
}

#[test]
fn mqtt_3_1_2_5() {
    connecting(device(), |rig| {
        assert_eq!(rig.feed(&RESUMED).events, [Seen::Connected(true)]);
        // SUBSCRIBE has not left yet.
        let token = message(rig, 0x32, 5, b"waited");
        rig.client.message_accept(rig.now, token).unwrap();
        let sent = read(&rig.sent());
        assert!(matches!(&sent[..], [Packet::Subscribe(..), Packet::PubAck(5)]), "{sent:?}");
    });
}

/// With a clean session, and when the hub has lost the kept one, what was not acknowledged goes out as new, with DUP 0.
/// Its packet id stays: nobody on the other side knows it any more, so it is a number like any other, and the slot in
/// memory follows from it.
#[test]
fn mqtt_3_1_2_6() {
    for (clean_session, flag) in [(true, 2), (false, 0)] {
        ready(Settings { clean_session, ..device() }, |rig| {
            rig.send(b"again");
            let first = publish(&rig.sent());
            let token = message(rig, 0x32, 3, b"undecided");
            rig.cut();
            rig.connect_with(&ConnectOptions::default());
            assert_eq!(connect_flags(&rig.sent()) & 2, flag);
            rig.feed(&ACCEPTED);
            rig.grant();
            let second = publish(&rig.sent());
            assert_eq!((first.dup, second.dup), (false, false));
            assert_eq!(first.packet_id, second.packet_id);
            // What the hub sent is not remembered either.
            assert_eq!(rig.client.message_accept(rig.now, token), Err(UsageError::Stale.into()));
            assert_eq!(rig.sent(), b"");
        });
    }
}

/// A device with a will.
fn with_will() -> Pair {
    let mut pair = Setup::sensor().settings(|settings| settings.connect_reserve = 600).start();
    pair.will = Some(Telemetry { payload: b"gone", ..Telemetry::default() });
    pair
}

/// What the hub has of a connection that is cut at once.
fn left_by_a_cut(pair: &mut Pair) -> Vec<Stored> {
    pair.sign_in();
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    pair.run_for(Duration::from_secs(1));
    pair.hub.take_telemetry()
}

#[test]
fn mqtt_3_1_2_8() {
    every_connect(|options, bytes, _| assert_eq!(connect_flags(bytes) & 4 != 0, options.will.is_some()));
    let stored = left_by_a_cut(&mut with_will());
    assert!(matches!(&stored[..], [one] if one.payload == b"gone"), "{stored:?}");
}

#[test]
fn mqtt_3_1_2_9() {
    every_connect(|options, _, read| {
        let Some(will) = options.will else { return assert_eq!(read.will, None) };
        let sent = read.will.as_ref().expect("the flag is set");
        assert_eq!(
            (sent.topic.as_str(), sent.payload.as_slice()),
            ("devices/dev1/messages/events/why=cut", will.payload)
        );
        assert_eq!((sent.qos, sent.retain), (will.qos as u8, false));
    });
}

#[test]
fn mqtt_3_1_2_10() {
    let mut pair = with_will();
    assert_eq!(left_by_a_cut(&mut pair).len(), 1);
    // It is gone: a connection without one leaves nothing.
    pair.will = None;
    pair.take_seen();
    assert!(left_by_a_cut(&mut pair).is_empty());
}

#[test]
fn mqtt_3_1_2_11() {
    every_connect(|options, bytes, read| {
        if options.will.is_none() {
            assert_eq!((connect_flags(bytes) & 0x3c, read.will.as_ref()), (0, None));
        }
    });
}

#[test]
fn mqtt_3_1_2_12() {
    assert!(left_by_a_cut(&mut Setup::sensor().start()).is_empty());
}

#[test]
fn mqtt_3_1_2_13() {
    every_connect(|options, bytes, _| assert!(options.will.is_some() || connect_flags(bytes) & 0x18 == 0));
}

#[test]
fn mqtt_3_1_2_14() {
    // The type has no other.
    every_connect(|options, bytes, _| {
        let qos = options.will.map_or(0, |will| will.qos as u8);
        assert_eq!(connect_flags(bytes) >> 3 & 3, qos);
        assert!(qos <= 1);
    });
}

#[test]
fn mqtt_3_1_2_15() {
    every_connect(|_, bytes, _| assert_eq!(connect_flags(bytes) & 0x20, 0, "no will is retained at all"));
}

#[test]
fn mqtt_3_1_2_19() {
    every_connect(|_, bytes, read| {
        assert_eq!(connect_flags(bytes) & 0x80, 0x80);
        let user = read.user_name.as_deref().expect("a user name");
        assert!(user.starts_with("contoso.azure-devices.net/dev1/?"), "{user}");
    });
}

#[test]
fn mqtt_3_1_2_20() {
    every_connect(|options, bytes, read| {
        if options.password.is_none() {
            // The strict reader knows of no bytes after the user name.
            assert_eq!((connect_flags(bytes) & 0x40, read.password.as_ref()), (0, None));
        }
    });
}

#[test]
fn mqtt_3_1_2_21() {
    every_connect(|options, bytes, read| {
        if let Some(password) = options.password {
            assert_eq!(connect_flags(bytes) & 0x40, 0x40);
            assert_eq!(read.password.as_deref(), Some(password.as_bytes()), "also an empty one");
        }
    });
}

#[test]
fn mqtt_3_1_2_22() {
    // There is no way to leave out the user name.
    every_connect(|_, bytes, _| {
        let flags = connect_flags(bytes);
        assert!(flags & 0x40 == 0 || flags & 0x80 != 0);
    });
}

#[test]
fn mqtt_3_1_2_23() {
    const INTERVAL: u64 = 60_000;
    ready(Settings { keep_alive: 60, ..device() }, |rig| {
        let mut last = 0;
        for now in (1_000..1_000_000).step_by(1_000) {
            rig.time(now).unwrap();
            // What comes in does not postpone it.
            if now % 3_000 == 0 {
                rig.feed(&common::publish(0x30, C2D, None, b"x"));
            }
            if now % 70_000 == 0 {
                rig.send0(b"x");
            }
            let sent = rig.sent();
            if sent.contains(&0xc0) {
                rig.feed(&[0xd0, 0]);
            }
            if !sent.is_empty() {
                assert!(now - last <= INTERVAL, "nothing from {last} to {now} ms");
                last = now;
            }
            let deadline = rig.client.poll_timeout().expect("there is always one").as_millis();
            assert!(deadline <= last + INTERVAL, "{deadline} ms, after {last} ms");
        }
        assert!(last > 900_000);
    });
    ready(device(), |rig| {
        assert_eq!(rig.client.poll_timeout(), None, "0 is off");
        rig.time(10_000_000).unwrap();
        assert_eq!(rig.sent(), b"");
    });
}

/// The hub that these tests drive ends a connection after 1.5 times the interval, and has no cause to.
#[test]
fn mqtt_3_1_2_24() {
    for keep_alive in [1, 60, 1_177] {
        let mut pair = Setup::sensor().settings(|settings| settings.keep_alive = keep_alive).start();
        pair.sign_in();
        pair.run_for(Duration::from_secs(4 * u32::from(keep_alive)));
        assert_eq!((pair.closes.len(), pair.connections()), (0, 1), "{keep_alive} s");
    }
    // It does end a silent one.
    let mut pair = Setup::sensor().settings(|settings| settings.keep_alive = 60).start();
    pair.sign_in();
    pair.stalled = true;
    pair.run_for(Duration::from_secs(91));
    assert_eq!(pair.closes, [CloseReason::KeepAlive]);
}

#[test]
fn mqtt_3_1_3_1() {
    every_connect(|options, bytes, read| {
        let mut fields = vec![read.client_id.clone().into_bytes()];
        if let Some(will) = &read.will {
            fields.extend([will.topic.clone().into_bytes(), will.payload.clone()]);
        }
        fields.extend(read.user_name.clone().map(String::into_bytes));
        fields.extend(options.password.map(|password| password.as_bytes().to_vec()));
        let payload: Vec<u8> = fields.iter().flat_map(common::field).collect();
        assert_eq!(bytes[connect_at(bytes) + 10..], payload);
    });
}

/// A client has one identity for its life; with it goes the session.
#[test]
fn mqtt_3_1_3_2() {
    with(device(), |rig| {
        for _ in 0..3 {
            rig.connect_with(&ConnectOptions::default());
            let sent = rig.sent();
            assert!(matches!(&read(&sent)[..], [Packet::Connect(connect)] if connect.client_id == "dev1"));
            rig.cut();
        }
    });
}

#[test]
fn mqtt_3_1_3_3() {
    every_connect(|_, bytes, _| assert_eq!(bytes[connect_at(bytes) + 10..][..6], *b"\x00\x04dev1"));
}

/// Whether a client can be made for this device.
fn made(device: &str, clean_session: bool) -> Result<(), Error> {
    let mut memory = Memory::default();
    let settings = Settings { clean_session, ..quiet() };
    memory.try_rig(Config { identity: Identity::device("contoso.azure-devices.net", device), settings }).map(drop)
}

#[test]
fn mqtt_3_1_3_4() {
    let refused = |id: &str, at| {
        let error = UsageError::BadText { field: Field::DeviceId, at };
        assert_eq!(made(id, false), Err(error.into()), "{id}");
    };
    assert_eq!(made(&"d".repeat(128), false), Ok(()));
    refused(&"d".repeat(129), 128);
    refused("a\0", 1);
    refused("a\u{7f}", 1);
    refused("dé", 1);
}

#[test]
fn mqtt_3_1_3_7() {
    for clean_session in [false, true] {
        let error = UsageError::BadText { field: Field::DeviceId, at: 0 };
        assert_eq!(made("", clean_session), Err(error.into()), "the hub takes no empty id in either case");
    }
}

#[test]
fn mqtt_3_1_3_8() {
    assert_eq!(refused(2), ConnectRefusal::ClientId);
}

#[test]
fn mqtt_3_1_3_9() {
    connecting(device(), |rig| {
        assert_eq!(rig.feed(&hex("20020002")).error, Some(Error::Refused(ConnectRefusal::ClientId)));
        assert_eq!((rig.client.state(), rig.sent()), (State::Failed, vec![]));
    });
}

#[test]
fn mqtt_3_1_3_10() {
    // The strict reader takes no will topic that is empty, ill-formed, or has U+0000 or a wildcard in it.
    let odd = Telemetry { properties: &[("a\0+", "#é")], ..Telemetry::default() };
    let (_, read) = connect(device(), &ConnectOptions { will: Some(&odd), ..Default::default() });
    assert_eq!(read.will.unwrap().topic, "devices/dev1/messages/events/a%00%2B=%23%C3%A9");
    let long = "x".repeat(65_535);
    let properties = [("p", long.as_str())];
    let will = Telemetry { properties: &properties, ..Telemetry::default() };
    let settings = Settings { connect_reserve: 70_000, ..device() };
    let mut memory = Memory::new(80_000, 1, 1);
    let mut rig = memory.rig(settings);
    let refused = rig.client.connect(rig.now, &ConnectOptions { will: Some(&will), ..Default::default() });
    assert!(matches!(refused, Err(Error::Usage(UsageError::TopicTooLong { .. }))), "{refused:?}");
    assert_eq!(rig.sent(), b"");
}

#[test]
fn mqtt_3_1_3_11() {
    let identity = Identity::device("contoso.azure-devices.net", "dev1").with_product("pümpe\0 +#");
    let mut memory = Memory::default();
    let mut rig = memory.try_rig(Config { identity, settings: quiet() }).unwrap();
    rig.connect_with(&ConnectOptions::default());
    let sent = rig.sent();
    let [Packet::Connect(connect)] = &read(&sent)[..] else { panic!("{sent:02x?}") };
    assert!(connect.user_name.as_ref().unwrap().is_ascii(), "{connect:?}");
}

#[test]
fn mqtt_3_1_4_1() {
    connecting(device(), |rig| {
        let events = rig.cut();
        let [Seen::Disconnected(end)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((end.reason, end.last_sent), (DisconnectReason::TransportClosed, Some(LastSent::Connect)));
        rig.sign_in(ACCEPTED);
    });
}

/// Another client of the same name is seen as the end of the transport, in whatever state.
#[test]
fn mqtt_3_1_4_2() {
    let states: [fn(&mut Rig<'_>); 4] = [
        |rig| rig.connect_with(&ConnectOptions::default()),
        |rig| rig.connect(ACCEPTED),
        |rig| rig.sign_in(ACCEPTED),
        |rig| {
            rig.sign_in(ACCEPTED);
            rig.send(b"in flight");
            rig.sent();
            rig.client.disconnect(rig.now).unwrap();
        },
    ];
    for bring in states {
        with(device(), |rig| {
            bring(rig);
            let before = rig.client.state();
            let events = rig.cut();
            assert!(matches!(events[..], [Seen::Disconnected(_)]), "{before:?}: {events:?}");
            assert_eq!(rig.client.state(), State::Offline);
        });
    }
}

#[test]
fn mqtt_3_1_4_3() {
    for (connack, present) in [(ACCEPTED, false), (RESUMED, true)] {
        connecting(device(), |rig| assert_eq!(rig.feed(&connack).events, [Seen::Connected(present)]));
    }
}

#[test]
fn mqtt_3_1_4_4() {
    connecting(quiet(), |rig| {
        assert_eq!(rig.feed(&hex("20020000")).events, [Seen::Connected(false), Seen::Ready(Features::NONE)]);
    });
}

/// Nothing is sent behind CONNECT, so nothing can be ignored: what was queued stays.
#[test]
fn mqtt_3_1_4_5() {
    for code in 1..=5 {
        with(device(), |rig| {
            let token = rig.send(b"queued");
            rig.connect_with(&ConnectOptions::default());
            assert_eq!(read(&rig.sent()).len(), 1);
            let outcome = rig.feed(&[0x20, 2, 0, code]);
            assert!(matches!(outcome.events[..], [Seen::Disconnected(_)]), "no acknowledgement");
            assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token]);
        });
    }
}
