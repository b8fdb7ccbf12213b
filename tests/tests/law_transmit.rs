//! Output: what is lent is frozen, what half-sent packets come to, which lane is next, and how it ends.

use iothub_proto::error::{TimeoutReason, UsageError};
use iothub_proto::event::{DisconnectReason, KeptRequestId, LastSent, RequestError, Withdrawn};
use iothub_proto::packet::QoS;
use iothub_proto::time::Duration;
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State, Telemetry};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, packets, quiet, suback};

mod common;
use common::{puback, publish, sent_id};

const C2D: &str = "devices/dev1/messages/devicebound/";
const D2C: &str = "devices/dev1/messages/events/";
const METHOD: &str = "$iothub/methods/POST/blink/?$rid=7";

fn settings() -> Settings {
    Settings { features: Features::ALL_DEVICE, ..quiet() }
}

fn send0(rig: &mut Rig<'_>, payload: &[u8]) {
    let message = Telemetry { payload, qos: QoS::AtMostOnce, ..Telemetry::default() };
    rig.client.send_telemetry(rig.now, &message).unwrap();
}

fn call(rig: &mut Rig<'_>) -> KeptRequestId {
    let events = rig.feed(&publish(0x30, METHOD, None, b"{}")).events;
    let [Seen::Method { request, .. }] = events.as_slice() else { panic!("{events:?}") };
    *request
}

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
            send0(rig, b"zero");
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
fn an_answer_before_the_last_byte_was_confirmed_settles_and_frees_nothing_that_is_lent() {
    // PUBACK for a message of which no byte, one byte, all but one were confirmed.
    let len = publish(0x32, D2C, Some(1), b"early").len();
    for confirmed in [0, 1, len - 1] {
        let mut memory = Memory::new(400, 1, 1);
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        let token = rig.send(b"early");
        let whole = rig.lent();
        rig.confirm(confirmed);
        assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
        assert_eq!(rig.feed(&puback(1)).events, [], "told once");
        assert_eq!(rig.client.strays(), 1);
        assert_eq!(rig.client.unacked().count(), 0);
        assert_eq!(rig.client.pending().telemetry, 0, "it is settled");
        assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Err(UsageError::Stale.into()));
        assert_eq!(rig.lent(), whole[confirmed..]);
        rig.confirm(whole.len() - confirmed);
        assert_eq!((rig.lent().len(), rig.client.timeout_reason()), (0, None), "nothing is waited for");
        assert_ne!(rig.send(b"next"), token);
        assert_eq!(packets(&rig.sent()), [publish(0x32, D2C, Some(2), b"next")]);
    }
}

#[test]
fn a_twin_response_before_its_request_was_confirmed_settles_it() {
    for confirmed in [0, 1, 20] {
        let mut memory = Memory::new(400, 1, 1);
        let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
        rig.sign_in(ACCEPTED);
        let token = rig.client.twin_report(rig.now, br#"{"a":1}"#).unwrap();
        let response =
            publish(0x30, &format!("$iothub/twin/res/204/?$rid={:08x}&$version=5", token.to_bits()), None, b"");
        assert_eq!((rig.feed(&response).events.len(), rig.client.strays()), (0, 1), "no byte was lent");
        let whole = rig.lent();
        rig.confirm(confirmed);
        assert_eq!(rig.feed(&response).events, [Seen::Reported(token, Some(5))]);
        assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::Send));
        assert_eq!(rig.lent(), whole[confirmed..]);
        rig.confirm(whole.len() - confirmed);
        assert_eq!(rig.client.poll_timeout(), None, "nothing is waited for");
        assert_eq!((rig.feed(&response).events.len(), rig.client.strays()), (0, 2));
        assert!(rig.client.twin_get(rig.now).is_ok(), "the only slot is free");
    }
}

#[test]
fn a_request_that_expires_half_sent_ends_once_and_its_bytes_go_on() {
    // The application is told before or after the last byte is confirmed, or after a cut.
    for case in 0..3 {
        let mut memory = Memory::new(400, 1, 1);
        let request_timeout = Duration::from_secs(10);
        let mut rig = memory.rig(Settings { features: Features::TWIN, request_timeout, ..quiet() });
        rig.sign_in(ACCEPTED);
        let token = rig.client.twin_get(rig.now).unwrap();
        let whole = rig.lent();
        rig.confirm(3);
        rig.pass(TimeoutReason::Request).unwrap();
        assert_eq!(rig.lent(), whole[3..]);
        let expired = [Seen::RequestFailed(token, RequestError::TimedOut)];
        match case {
            0 => {
                assert_eq!(rig.drain().events, expired);
                assert_eq!(rig.lent(), whole[3..]);
                rig.confirm(whole.len() - 3);
            }
            1 => {
                rig.confirm(whole.len() - 3);
                assert_eq!(rig.drain().events, expired);
            }
            _ => {
                let events = rig.cut();
                assert_eq!(events[..1], expired, "it ended by time, not by the cut");
                assert_eq!(events.len(), 2);
                rig.sign_in(RESUMED);
            }
        }
        assert_eq!((rig.sent().len(), rig.client.poll_timeout()), (0, None));
        let response = publish(0x30, &format!("$iothub/twin/res/200/?$rid={:08x}", token.to_bits()), None, b"{}");
        assert_eq!((rig.feed(&response).events.len(), rig.client.strays()), (0, 1), "too late");
        assert_eq!(rig.client.pending(), iothub_proto::Pending::default());
        assert!(rig.client.twin_get(rig.now).is_ok(), "the only slot is free");
    }
}

#[test]
fn a_withdrawn_message_that_is_half_sent_goes_out_whole_and_its_puback_is_silent() {
    let mut memory = Memory::new(400, 2, 1);
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    let token = rig.send(b"regret");
    let whole = rig.lent();
    rig.confirm(5);
    assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Ok(Withdrawn::MaybeSent));
    assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Err(UsageError::Stale.into()));
    assert_eq!(rig.client.unacked().count(), 0);
    assert_eq!(rig.lent(), whole[5..]);
    rig.confirm(whole.len() - 5);
    assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::Puback), "its id is in use");
    assert_eq!(rig.feed(&puback(1)).events, []);
    assert_eq!((rig.client.strays(), rig.client.poll_timeout()), (0, None));

    // Acknowledged while half sent; and cut while half sent.
    let token = rig.send(b"regret");
    let id = u16::from_be_bytes(rig.lent()[2 + 2 + D2C.len()..][..2].try_into().unwrap());
    rig.confirm(1);
    rig.client.telemetry_withdraw(rig.now, token).unwrap();
    assert_eq!(rig.feed(&puback(id)).events, []);
    let rest = rig.lent().len();
    rig.confirm(rest);
    assert_eq!((rig.client.pending().telemetry, rig.client.strays()), (0, 0));

    let token = rig.send(b"regret");
    rig.lent();
    rig.client.telemetry_withdraw(rig.now, token).unwrap();
    rig.cut();
    rig.sign_in(RESUMED);
    assert_eq!(rig.sent(), b"", "withdrawn is not sent again");
    assert_eq!(rig.client.pending().telemetry, 0);
}

#[test]
fn withdrawn_tells_whether_the_hub_may_have_it() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    let unsent = rig.send(b"a");
    assert_eq!(rig.client.telemetry_sent(unsent), Ok(false));
    assert_eq!(rig.client.telemetry_withdraw(rig.now, unsent), Ok(Withdrawn::Unsent));
    assert_eq!(rig.client.telemetry_sent(unsent), Err(UsageError::Stale));
    let sent = [rig.send(b"b"), rig.send(b"c")];
    rig.sign_in(ACCEPTED);
    rig.lent();
    assert_eq!(sent.map(|token| rig.client.telemetry_sent(token)), [Ok(true), Ok(false)], "lent counts as sent");
    rig.sent();
    rig.cut();
    assert_eq!(sent.map(|token| rig.client.telemetry_sent(token)), [Ok(true), Ok(true)], "on an earlier connection");
    assert_eq!(rig.client.telemetry_withdraw(rig.now, sent[0]), Ok(Withdrawn::MaybeSent));
    // The hub has forgotten the session, not the message.
    rig.connect_with(&ConnectOptions::default());
    rig.sent();
    rig.feed(&ACCEPTED);
    assert_eq!(rig.client.telemetry_withdraw(rig.now, sent[1]), Ok(Withdrawn::MaybeSent));
    assert_eq!(rig.client.pending().telemetry, 0);
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

#[test]
fn what_was_not_lent_stays_across_a_cut() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    let request = call(&mut rig);
    rig.client.method_respond(rig.now, &request, 200, b"dies").unwrap();
    let twin = rig.client.twin_get(rig.now).unwrap();
    send0(&mut rig, b"zero");
    rig.send(b"one");
    let events = rig.cut();
    assert_eq!(events.len(), 1, "{events:?}");
    rig.sign_in(RESUMED);
    let sent = packets(&rig.sent());
    assert_eq!(
        sent,
        [
            publish(0x30, &format!("$iothub/twin/GET/?$rid={:08x}", twin.to_bits()), None, b""),
            publish(0x30, D2C, None, b"zero"),
            publish(0x32, D2C, Some(sent_id(&sent[2])), b"one"),
        ]
    );
    assert_eq!(rig.client.method_respond(rig.now, &request, 200, b""), Err(UsageError::Stale.into()));
}

#[test]
fn lanes_change_at_packet_boundaries_only_and_in_their_order() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { keep_alive: 60, ..settings() });
    rig.sign_in(ACCEPTED);
    rig.send(b"first");
    let first = rig.lent();
    rig.confirm(1);
    // While the first is half sent, everything else comes due.
    rig.send(b"last");
    rig.client.twin_get(rig.now).unwrap();
    let request = call(&mut rig);
    rig.client.method_respond(rig.now, &request, 200, b"").unwrap();
    let events = rig.feed(&publish(0x32, C2D, Some(5), b"m")).events;
    let [Seen::Message { token: Some(token), .. }] = events.as_slice() else { panic!("{events:?}") };
    rig.client.message_accept(rig.now, *token).unwrap();
    rig.pass(TimeoutReason::KeepAlive).unwrap();
    rig.client.subscribe(rig.now, Features::METHODS).unwrap();
    assert_eq!(rig.lent(), first[1..], "nothing comes in between");
    rig.confirm(first.len() - 1);
    let kinds: Vec<String> = packets(&rig.sent())
        .iter()
        .map(|packet| match packet[0] {
            0xc0 => "PINGREQ".to_owned(),
            0x40 => "PUBACK".to_owned(),
            _ => String::from_utf8_lossy(&packet[4..]).chars().skip_while(|c| *c != '/').skip(1).take(4).collect(),
        })
        .collect();
    assert_eq!(kinds, ["PINGREQ", "PUBACK", "meth", "twin", "dev1"]);
}

#[test]
fn disconnect_waits_for_what_is_in_flight_and_is_the_last_packet() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    rig.send(b"in flight");
    rig.sent();
    let request = call(&mut rig);
    let events = rig.feed(&publish(0x32, C2D, Some(5), b"m")).events;
    let [Seen::Message { token: Some(token), .. }] = events.as_slice() else { panic!("{events:?}") };
    rig.client.disconnect(rig.now).unwrap();
    rig.send(b"for the next connection");
    rig.client.twin_get(rig.now).unwrap();
    assert_eq!(rig.sent(), b"", "nothing new is begun");
    rig.client.message_accept(rig.now, *token).unwrap();
    assert_eq!(rig.sent(), puback(5));
    assert!(matches!(rig.feed(&puback(1)).events.as_slice(), [Seen::Acked(_)]), "input is still delivered");
    assert_eq!(rig.sent(), b"", "the method is not answered");
    rig.client.method_respond(rig.now, &request, 200, b"").unwrap();
    let sent = packets(&rig.sent());
    assert_eq!((sent.len(), sent[1].as_slice()), (2, &[0xe0, 0][..]));
    let events = rig.drain().events;
    let [Seen::Disconnected(end)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((end.reason, end.last_sent), (DisconnectReason::Requested, Some(LastSent::Disconnect)));
    assert_eq!(rig.client.state(), State::Offline);
    assert_eq!(rig.client.pending().telemetry, 1);
}

#[test]
fn disconnect_gives_up_waiting_and_then_gives_up_sending() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    rig.send(b"never acknowledged");
    rig.sent();
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!(rig.lent(), b"");
    rig.pass(TimeoutReason::Drain).unwrap();
    assert_eq!((rig.now.as_millis(), rig.client.state()), (5_000, State::Closing));
    assert_eq!(rig.lent(), hex("e000"));
    rig.confirm(1);
    rig.pass(TimeoutReason::Close).unwrap();
    assert_eq!((rig.now.as_millis(), rig.client.state()), (7_000, State::Offline));
    let events = rig.drain().events;
    assert!(matches!(events.as_slice(), [Seen::Disconnected(end)] if end.reason == DisconnectReason::Requested));
    assert_eq!(
        rig.client.confirm_transmit(rig.now, 1).unwrap_err(),
        UsageError::BadConfirm { lent: 0, confirmed: 1 }.into()
    );
    rig.sign_in(RESUMED);
    assert_eq!(rig.sent()[0], 0x3a, "unacknowledged is sent again");
}

#[test]
fn a_packet_half_sent_at_the_drain_deadline_is_finished_before_disconnect() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    rig.send(b"half");
    let whole = rig.lent();
    rig.confirm(4);
    rig.client.disconnect(rig.now).unwrap();
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!(rig.client.state(), State::Closing);
    assert_eq!(rig.sent(), [&whole[4..], &hex("e000")].concat());
    assert_eq!(rig.client.state(), State::Offline);
    assert_eq!(rig.client.poll_timeout(), None);
}
