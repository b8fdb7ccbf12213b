//! Every conformance statement of MQTT 3.1.1 that can be seen at a client has a test named after its id; of the others
//! `vectors/conformance.json` says why it has none. [`complete`] fails if a statement has neither.
//!
//! The tests stand at the client's verbs: bytes in, events and bytes out. Where this client reads a statement in its own
//! way, its test shows how, and says why.

mod chapter_1_2;
mod chapter_3_connack;
mod chapter_3_connect;
mod chapter_3_publish;
mod chapter_3_subscribe;
mod chapter_4_6;
mod complete;

#[path = "../common/mod.rs"]
mod common;

use iothub_proto::error::{Error, PeerError, TimeoutReason, Violation};
use iothub_proto::packet::QoS;
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State, Telemetry};
use iothub_tests::hub::codec::{self, Packet};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, packets, quiet};

/// The topics of messages to and from the device.
const C2D: &str = "devices/dev1/messages/devicebound/";
const D2C: &str = "devices/dev1/messages/events/";

/// A client that subscribes to messages, and otherwise sends what it is asked for.
fn device() -> Settings {
    Settings { features: Features::MESSAGES, ..quiet() }
}

/// A client with everything.
fn full() -> Settings {
    Settings { features: Features::ALL_DEVICE, twin_sync: true, ..Settings::default() }
}

fn with<T>(settings: Settings, run: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    let mut memory = Memory::default();
    run(&mut memory.rig(settings))
}

/// The same, when CONNECT was sent.
fn connecting<T>(settings: Settings, run: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    with(settings, |rig| {
        rig.connect_with(&ConnectOptions::default());
        assert_eq!(rig.sent()[0], 0x10);
        run(rig)
    })
}

/// The same, when it is ready.
fn ready<T>(settings: Settings, run: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    with(settings, |rig| {
        rig.sign_in(ACCEPTED);
        rig.sent();
        run(rig)
    })
}

/// Feeds what must end the connection: why. Nothing else may be told, and nothing leaves any more.
fn closes(rig: &mut Rig<'_>, bytes: &[u8]) -> Violation {
    let outcome = rig.feed(bytes);
    assert!(matches!(outcome.events.as_slice(), [Seen::Disconnected(_)]), "{bytes:02x?}: {:?}", outcome.events);
    assert_eq!((rig.client.state(), rig.sent()), (State::Failed, vec![]));
    match outcome.error {
        Some(Error::Peer(PeerError { kind, .. })) => kind,
        other => panic!("{bytes:02x?}: {other:?}"),
    }
}

/// What is sent, as a strict server reads it.
fn read(stream: &[u8]) -> Vec<Packet> {
    packets(stream).iter().map(|packet| codec::decode(packet).expect("legal")).collect()
}

/// The one PUBLISH there is.
fn publish(stream: &[u8]) -> codec::Publish {
    match read(stream).as_slice() {
        [Packet::Publish(publish)] => publish.clone(),
        other => panic!("{other:?}"),
    }
}

/// CONNECT with these options: its bytes, and as a strict server reads them.
fn connect(settings: Settings, options: &ConnectOptions<'_>) -> (Vec<u8>, codec::Connect) {
    with(Settings { connect_reserve: 2_000, ..settings }, |rig| {
        rig.connect_with(options);
        let sent = rig.sent();
        match read(&sent).as_slice() {
            [Packet::Connect(connect)] => (sent, (**connect).clone()),
            other => panic!("{other:?}"),
        }
    })
}

/// Every kind of CONNECT: with and without password, will and Clean Session.
fn every_connect(check: impl Fn(&ConnectOptions<'_>, &[u8], &codec::Connect)) {
    let will = |qos| Telemetry { payload: b"gone", qos, properties: &[("why", "cut")], ..Telemetry::default() };
    let wills = [None, Some(will(QoS::AtMostOnce)), Some(will(QoS::AtLeastOnce))];
    for password in [None, Some("token"), Some("")] {
        for will in &wills {
            for clean_session in [false, true] {
                let options = ConnectOptions { password, will: will.as_ref(), ..Default::default() };
                let (bytes, read) = connect(Settings { clean_session, ..device() }, &options);
                assert_eq!(read.clean_session, clean_session);
                check(&options, &bytes, &read);
            }
        }
    }
}

/// Where the variable header begins.
fn connect_at(bytes: &[u8]) -> usize {
    2 + bytes[1..].iter().take_while(|byte| **byte > 127).count()
}

/// The connect flags: after protocol name and level.
fn connect_flags(bytes: &[u8]) -> u8 {
    bytes[connect_at(bytes) + 7]
}

/// A message comes, which must be delivered.
fn message(rig: &mut Rig<'_>, first: u8, id: u16, payload: &[u8]) -> iothub_proto::event::MessageToken {
    let events = rig.feed(&common::publish(first, C2D, Some(id), payload)).events;
    match events.as_slice() {
        [Seen::Message { token: Some(token), payload: got, .. }] if got == payload => *token,
        other => panic!("{other:?}"),
    }
}

/// Every packet of a life with everything in it: two connections, telemetry of both kinds, some of it again, a message,
/// a method, twin requests, a ping, and the end.
fn whole_life() -> Vec<Vec<u8>> {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { keep_alive: 20, ..full() });
    let mut sent = Vec::new();
    for connack in [ACCEPTED, RESUMED] {
        rig.connect_with(&ConnectOptions { password: Some("token"), ..Default::default() });
        sent.extend(rig.sent());
        rig.feed(&connack);
        let subscribe = rig.lent();
        rig.confirm(subscribe.len());
        rig.feed(&iothub_tests::script::suback(&[1, 0, 0, 0]));
        sent.extend(subscribe);
        sent.extend(rig.sent());
        rig.send(b"one");
        rig.send0(b"zero");
        let token = message(&mut rig, 0x32, 7, b"hello");
        rig.client.message_accept(rig.now, token).unwrap();
        let call = rig.feed(&common::publish(0x30, "$iothub/methods/POST/blink/?$rid=7", None, b"{}")).events;
        let [Seen::Method { request, .. }] = call.as_slice() else { panic!("{call:?}") };
        rig.client.method_respond(rig.now, request, 200, b"{}").unwrap();
        rig.client.twin_report(rig.now, br#"{"a":1}"#).unwrap();
        sent.extend(rig.sent());
        if connack == ACCEPTED {
            rig.cut();
        }
    }
    rig.pass(TimeoutReason::KeepAlive).unwrap();
    sent.extend(rig.sent());
    rig.client.disconnect(rig.now).unwrap();
    rig.client.disconnect(rig.now).unwrap();
    sent.extend(rig.sent());
    packets(&sent)
}
