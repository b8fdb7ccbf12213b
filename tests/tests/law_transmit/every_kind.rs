//! Each kind of packet, however its bytes leave: frozen while they are lent, and cut off at every place.

use super::*;
use iothub_proto::ConnectOptions;

/// A kind of packet: how to have it lent next, and how it begins.
type Kind = (&'static str, fn(&mut Rig<'_>), u8);

const KINDS: [Kind; 10] = [
    ("CONNECT", |rig| rig.connect_with(&ConnectOptions { password: Some("secret"), ..Default::default() }), 0x10),
    ("SUBSCRIBE", |rig| rig.connect(ACCEPTED), 0x82),
    ("sync GET", |rig| rig.sign_in(ACCEPTED), 0x30),
    (
        "PUBACK batch",
        |rig| {
            settled(rig);
            for id in 1..=4 {
                let events = rig.feed(&publish(0x32, C2D, Some(id), b"m")).events;
                let [Seen::Message { token: Some(token), .. }] = events.as_slice() else { panic!("{events:?}") };
                rig.client.message_accept(rig.now, *token).unwrap();
            }
        },
        0x40,
    ),
    (
        "PINGREQ",
        |rig| {
            settled(rig);
            rig.pass(TimeoutReason::KeepAlive).unwrap();
        },
        0xc0,
    ),
    (
        "DISCONNECT",
        |rig| {
            settled(rig);
            rig.client.disconnect(rig.now).unwrap();
        },
        0xe0,
    ),
    (
        "QoS 0",
        |rig| {
            settled(rig);
            rig.send0(b"zero");
        },
        0x30,
    ),
    (
        "QoS 1",
        |rig| {
            settled(rig);
            rig.send(b"one");
        },
        0x32,
    ),
    (
        "twin report",
        |rig| {
            settled(rig);
            rig.client.twin_report(rig.now, br#"{"a":1}"#).unwrap();
        },
        0x30,
    ),
    (
        "method answer",
        |rig| {
            settled(rig);
            let request = call(rig);
            rig.client.method_respond(rig.now, &request, 200, b"{}").unwrap();
        },
        0x30,
    ),
];

/// Ready, the fetch of the twin answered.
fn settled(rig: &mut Rig<'_>) {
    rig.sign_in(ACCEPTED);
    rig.sent();
    let document = br#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
    let events = rig.feed(&publish(0x30, "$iothub/twin/res/200/?$rid=s00000001", None, document)).events;
    assert!(matches!(events.as_slice(), [Seen::Document { .. }]), "{events:?}");
}

fn every() -> Settings {
    Settings { features: Features::ALL_DEVICE, twin_sync: true, ..Settings::default() }
}

#[test]
fn every_kind_of_packet_goes_out_the_same_in_two_parts_or_byte_by_byte() {
    for (name, prepare, first) in KINDS {
        let whole = {
            let mut memory = Memory::default();
            let mut rig = memory.rig(every());
            prepare(&mut rig);
            rig.lent()
        };
        assert_eq!(whole[0], first, "{name}");
        for part in 1..whole.len() {
            let mut memory = Memory::default();
            let mut rig = memory.rig(every());
            prepare(&mut rig);
            assert_eq!(rig.lent(), whole);
            rig.confirm(part);
            assert_eq!(rig.lent(), whole[part..], "{name} after {part}");
            rig.confirm(whole.len() - part);
            let next = rig.lent();
            assert!(next.is_empty() || next[0] != first || name == "sync GET", "{name} is sent once: {next:02x?}");
        }
        let mut memory = Memory::default();
        let mut rig = memory.rig(every());
        prepare(&mut rig);
        for at in 0..whole.len() {
            assert_eq!(rig.lent(), whole[at..], "{name} byte {at}");
            rig.confirm(1);
        }
    }
}

#[test]
fn what_is_lent_stays_where_it_is_whatever_is_called() {
    for (name, prepare, _) in KINDS {
        let mut memory = Memory::new(1200, 8, 8);
        let mut rig = memory.rig(every());
        prepare(&mut rig);
        let lent = rig.client.poll_transmit().unwrap();
        let (place, bytes) = (lent.as_ptr(), lent.to_vec());
        let same = |rig: &mut Rig<'_>, what: &str| {
            let lent = rig.client.poll_transmit().unwrap();
            assert_eq!((lent.as_ptr(), lent), (place, bytes.as_slice()), "{name} moved by {what}");
        };
        let now = rig.now;
        // Fill and refill the arena, so that packets slide.
        let mut tokens = Vec::new();
        for round in 0..40_usize {
            let payload = vec![b'x'; round * 7 % 90];
            if let Ok(token) = rig.client.send_telemetry(now, &Telemetry { payload: &payload, ..Telemetry::default() })
            {
                tokens.push(token);
            }
            same(&mut rig, "send_telemetry");
            if round % 3 == 2 && !tokens.is_empty() {
                let token = tokens.remove(round % tokens.len());
                rig.client.telemetry_withdraw(now, token).unwrap();
                same(&mut rig, "telemetry_withdraw");
            }
            let _ = rig.client.twin_report(now, b"{}");
            same(&mut rig, "twin_report");
        }
        rig.client.subscribe(now, Features::METHODS).unwrap();
        same(&mut rig, "subscribe");
        let _ = rig.client.confirm_transmit(now, usize::MAX).unwrap_err();
        same(&mut rig, "a bad confirm");
        rig.confirm(0);
        same(&mut rig, "confirming nothing");
        let _ = rig.client.connect(now, &ConnectOptions { password: Some("x"), ..Default::default() }).unwrap_err();
        same(&mut rig, "connect");
        if rig.client.state() == State::Ready {
            rig.feed(&publish(0x32, C2D, Some(77), b"m"));
            same(&mut rig, "a message");
            rig.feed(&publish(0x30, METHOD, None, b""));
            same(&mut rig, "a call");
            rig.client.disconnect(now).unwrap();
            same(&mut rig, "disconnect");
            rig.client.disconnect(now).unwrap();
            same(&mut rig, "disconnect again");
            rig.confirm(bytes.len());
            assert_eq!(rig.sent(), hex("e000"), "{name}: DISCONNECT follows, and nothing else");
        }
    }
}

#[test]
fn confirming_more_than_lent_is_refused_at_every_byte() {
    for (name, prepare, _) in KINDS {
        let mut memory = Memory::default();
        let mut rig = memory.rig(every());
        prepare(&mut rig);
        let whole = rig.lent();
        for at in 0..whole.len() {
            let lent = whole.len() - at;
            for confirmed in [lent + 1, usize::MAX] {
                let error = rig.client.confirm_transmit(rig.now, confirmed).unwrap_err();
                assert_eq!(error, UsageError::BadConfirm { lent, confirmed }.into(), "{name}");
            }
            assert_eq!(rig.lent(), whole[at..]);
            rig.confirm(1);
        }
    }
}

#[test]
fn what_a_cut_leaves_of_each_kind_at_every_byte() {
    for (name, prepare, _) in KINDS {
        let len = {
            let mut memory = Memory::default();
            let mut rig = memory.rig(every());
            prepare(&mut rig);
            rig.lent().len()
        };
        for confirmed in 0..len {
            let mut memory = Memory::default();
            let mut rig = memory.rig(every());
            prepare(&mut rig);
            let whole = rig.lent();
            rig.confirm(confirmed);
            let events = rig.cut();
            let lost = events.iter().filter(|event| matches!(event, Seen::RequestFailed(..))).count();
            assert_eq!(lost, usize::from(name == "twin report"), "{name} cut after {confirmed}");
            rig.connect(RESUMED);
            let subscribe = rig.lent();
            assert_eq!(subscribe[0], 0x82, "{name} cut after {confirmed}: nothing of it, and SUBSCRIBE always");
            rig.confirm(subscribe.len());
            rig.feed(&suback(&[1; 4]));
            let sent = packets(&rig.sent());
            let (get, rest) = sent.split_first().unwrap();
            let number = if matches!(name, "CONNECT" | "SUBSCRIBE") { 1 } else { 2 };
            assert_eq!(get[4..], *format!("$iothub/twin/GET/?$rid=s{number:08}").as_bytes(), "{name}");
            let expected = match name {
                "QoS 1" => vec![[&[0x3a][..], &whole[1..]].concat()],
                _ => vec![],
            };
            assert_eq!(rest, expected, "{name} cut after {confirmed}");
            assert_eq!(rig.client.pending().method_answers, 0);
        }
    }
}
