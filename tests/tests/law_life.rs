//! The life of a connection: sign-in, subscriptions, messages, and the message that the hub will not take.

use iothub_proto::error::{Error, TimeoutReason};
use iothub_proto::event::{DisconnectReason, Disconnected, LastSent, Suspect};
use iothub_proto::time::Duration;
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, packets, quiet, suback, subscribe_filters};

mod common;
use common::{connect, puback, publish};

const C2D: &str = "devices/dev1/messages/devicebound/";
const D2C: &str = "devices/dev1/messages/events/";
const ALL: [&str; 4] = [common::C2D, common::TWIN_RESPONSES, common::DESIRED, common::METHODS];

fn settings() -> Settings {
    Settings { features: Features::ALL_DEVICE, ..quiet() }
}

fn end(rig: &mut Rig<'_>) -> Disconnected {
    match rig.cut().last() {
        Some(Seen::Disconnected(end)) => *end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn connect_is_the_first_packet_to_the_last_byte() {
    for (password, clean) in [(None, false), (Some("secret"), true)] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(Settings { clean_session: clean, keep_alive: 60, ..quiet() });
        assert_eq!(rig.sent(), b"", "nothing before connect");
        rig.send(b"queued");
        assert_eq!(rig.sent(), b"", "nothing before connect");
        rig.connect_with(&ConnectOptions { password, ..Default::default() });
        let user = concat!(
            "contoso.azure-devices.net/dev1/?api-version=2021-04-12&DeviceClientType=iothub-proto%2F",
            env!("CARGO_PKG_VERSION")
        );
        let flags = u8::from(clean) * 2;
        let with_password = connect(flags, 60, "dev1", user, password.unwrap_or_default());
        let expected = match password {
            Some(_) => with_password,
            // The same without the flag and the two bytes of an empty password.
            None => {
                let header = with_password.windows(2).position(|bytes| bytes == [0, 4]).unwrap();
                let mut body = with_password[header..with_password.len() - 2].to_vec();
                body[7] &= !0x40;
                common::packet(0x10, &body)
            }
        };
        assert_eq!(rig.sent(), expected);
        assert_eq!(rig.sent(), b"", "nothing before CONNACK");
    }
}

#[test]
fn every_filter_is_asked_for_whatever_session_present_says() {
    for connack in [ACCEPTED, RESUMED] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings());
        for _ in 0..2 {
            rig.connect(connack);
            let sent = rig.sent();
            assert_eq!(subscribe_filters(&sent), ALL);
            let qos: Vec<u8> = ALL.iter().map(|filter| u8::from(!filter.starts_with('$'))).collect();
            let entries: Vec<(&str, u8)> = ALL.into_iter().zip(qos).collect();
            assert_eq!(sent, common::subscribe(0xffff, &entries));
            assert_eq!(rig.feed(&suback(&[1, 0, 0, 0])).events, [Seen::Ready(Features::NONE)]);
            rig.cut();
        }
    }
}

#[test]
fn telemetry_waits_for_ready_and_messages_do_not() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.send(b"t");
    rig.connect(RESUMED);
    let events = rig.feed(&publish(0x3a, C2D, Some(3), b"before SUBACK")).events;
    let [Seen::Message { token: Some(token), redelivered: true, .. }] = events.as_slice() else { panic!("{events:?}") };
    rig.client.message_accept(rig.now, *token).unwrap();
    let sent = packets(&rig.sent());
    assert_eq!((sent.len(), sent[0][0], &sent[1]), (2, 0x82, &puback(3)));
    assert_eq!(rig.feed(&suback(&[1; 4])).events, [Seen::Ready(Features::NONE)]);
    assert_eq!(rig.sent(), publish(0x32, D2C, Some(1), b"t"));
}

#[test]
fn the_same_qos_1_message_twice_is_two_messages_and_two_pubacks() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { auto_accept: true, ..settings() });
    rig.sign_in(ACCEPTED);
    let input = [publish(0x32, C2D, Some(3), b"m"), publish(0x3a, C2D, Some(3), b"m")].concat();
    let events = rig.feed(&input).events;
    assert!(matches!(
        events.as_slice(),
        [Seen::Message { redelivered: false, .. }, Seen::Message { redelivered: true, .. }]
    ));
    assert_eq!(rig.sent(), [puback(3), puback(3)].concat());
}

#[test]
fn auto_accept_waits_for_the_next_input_call_and_a_decision_comes_first() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { auto_accept: true, ..settings() });
    rig.sign_in(ACCEPTED);
    let input = publish(0x32, C2D, Some(3), b"m");
    let handled = rig.client.handle_input(rig.now, &input).unwrap();
    let Some(iothub_proto::Event::Message(message)) = handled.event else { panic!("{handled:?}") };
    assert_eq!(rig.sent(), b"", "the application is still at it");
    rig.client.message_leave(rig.now, message.token.unwrap()).unwrap();
    rig.drain();
    assert_eq!(rig.sent(), b"", "left is left");
    let handled = rig.client.handle_input(rig.now, &input).unwrap();
    assert_eq!(handled.consumed, input.len());
    rig.drain();
    assert_eq!(rig.sent(), puback(3));
    // A message of a lost connection is not accepted on the next.
    let _ = rig.client.handle_input(rig.now, &input).unwrap();
    rig.cut();
    rig.sign_in(RESUMED);
    rig.drain();
    assert_eq!(rig.sent(), b"");
}

#[test]
fn with_auto_accept_each_message_lets_the_puback_of_the_one_before_leave() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { auto_accept: true, ..settings() });
    rig.sign_in(ACCEPTED);
    let mut before = Vec::new();
    for id in 3..6 {
        let input = publish(0x32, C2D, Some(id), b"m");
        let handled = rig.client.handle_input(rig.now, &input).unwrap();
        assert!(matches!(handled.event, Some(iothub_proto::Event::Message(_))), "{handled:?}");
        assert_eq!(rig.sent(), before, "at message {id}");
        before = puback(id);
    }
}

#[test]
fn tokens_and_request_ids_of_an_earlier_connection_are_stale() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    let mut old = Vec::new();
    for _ in 0..4 {
        rig.sign_in(RESUMED);
        let input = [publish(0x32, C2D, Some(3), b"m"), publish(0x30, "$iothub/methods/POST/m/?$rid=1", None, b"")];
        let events = rig.feed(&input.concat()).events;
        let [Seen::Message { token: Some(token), .. }, Seen::Method { request, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        for (token, request) in &old {
            assert!(rig.client.message_accept(rig.now, *token).is_err());
            assert!(rig.client.method_respond(rig.now, request, 200, b"").is_err());
        }
        assert_eq!(rig.sent(), b"");
        old.push((*token, *request));
        rig.cut();
    }
}

#[test]
fn subscribing_more_is_one_subscribe_at_a_time_and_is_kept() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::METHODS, ..quiet() });
    rig.sign_in(ACCEPTED);
    rig.client.subscribe(rig.now, Features::MESSAGES).unwrap();
    let sent = rig.sent();
    assert_eq!(subscribe_filters(&sent), [common::C2D]);
    rig.client.subscribe(rig.now, Features::TWIN).unwrap();
    rig.client.subscribe(rig.now, Features::DESIRED).unwrap();
    assert_eq!(rig.sent(), b"", "one is outstanding");
    assert_eq!(rig.feed(&suback(&[0x80])).events, [Seen::Subscribed(Features::MESSAGES, Features::MESSAGES)]);
    let sent = rig.sent();
    assert_eq!(subscribe_filters(&sent), [common::TWIN_RESPONSES, common::DESIRED]);
    let both = Features::TWIN | Features::DESIRED;
    assert_eq!(rig.feed(&suback(&[0, 0])).events, [Seen::Subscribed(both, Features::NONE)]);
    assert_eq!(rig.sent(), b"", "the refused one is not asked for again");
    rig.client.subscribe(rig.now, Features::MESSAGES).unwrap();
    assert_eq!(subscribe_filters(&rig.sent()), [common::C2D]);
    rig.cut();
    rig.connect(ACCEPTED);
    assert_eq!(subscribe_filters(&rig.sent()), ALL);
}

#[test]
fn subscribing_before_ready_is_answered_by_ready_or_after_it() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.connect_with(&ConnectOptions::default());
    rig.client.subscribe(rig.now, Features::METHODS).unwrap();
    rig.sent();
    assert_eq!(rig.feed(&ACCEPTED).events, [Seen::Connected(false)]);
    assert_eq!(subscribe_filters(&rig.sent()), [common::METHODS]);
    rig.client.subscribe(rig.now, Features::MESSAGES).unwrap();
    assert_eq!(rig.feed(&suback(&[0])).events, [Seen::Ready(Features::NONE)]);
    assert_eq!(rig.grant(), [Seen::Subscribed(Features::MESSAGES, Features::NONE)]);
}

#[test]
fn a_connack_before_the_last_byte_of_connect_is_an_answer() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.connect_with(&ConnectOptions::default());
    let whole = rig.lent();
    rig.confirm(3);
    assert_eq!(rig.feed(&ACCEPTED).events, [Seen::Connected(false)]);
    assert_eq!(rig.lent(), whole[3..]);
    rig.confirm(whole.len() - 3);
    assert_eq!(subscribe_filters(&rig.sent()), ALL);
    assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::Suback), "no CONNACK is awaited");
}

#[test]
fn a_suback_before_the_last_byte_of_subscribe_is_an_answer() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { twin_sync: true, ..settings() });
    rig.connect(ACCEPTED);
    let whole = rig.lent();
    rig.confirm(3);
    assert_eq!(rig.feed(&suback(&[1; 4])).events, [Seen::Ready(Features::NONE)]);
    assert_eq!(rig.lent(), whole[3..], "the fetch of the twin waits: it needs the same memory");
    rig.confirm(whole.len() - 3);
    assert_eq!(packets(&rig.sent()).len(), 1);
    assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::TwinSync), "no SUBACK is awaited");
}

#[test]
fn a_refusal_is_told_with_its_code_and_nothing_was_sent_but_connect() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    let token = rig.send(b"t");
    rig.connect_with(&ConnectOptions::default());
    rig.sent();
    let outcome = rig.feed(&hex("20020003"));
    let Some(Error::Refused(refusal)) = outcome.error else { panic!("{outcome:?}") };
    assert_eq!(refusal.code(), 3);
    let [Seen::Disconnected(end)] = outcome.events.as_slice() else { panic!("{outcome:?}") };
    assert_eq!((end.last_sent, end.ready_for, end.suspect), (Some(LastSent::Connect), Duration::ZERO, None));
    assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token]);
}

#[test]
fn disconnected_tells_how_long_it_was_ready_and_what_was_sent_last() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.at(1_000).connect(ACCEPTED);
    rig.at(2_000).grant();
    rig.at(50_000).send(b"t");
    rig.lent();
    let cut = end(&mut rig);
    assert_eq!((cut.reason, cut.last_sent), (DisconnectReason::TransportClosed, Some(LastSent::Telemetry)));
    assert_eq!(cut.ready_for, Duration::from_secs(48));
    rig.connect(ACCEPTED);
    assert_eq!(end(&mut rig).ready_for, Duration::ZERO, "it was not ready");
}

#[test]
fn after_two_cuts_with_a_message_in_flight_it_is_the_suspect_and_goes_alone() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    let poison = rig.send(b"poison");
    let good = rig.send(b"good");
    for cuts in 1..=4_u8 {
        rig.sign_in(ACCEPTED);
        let sent = packets(&rig.sent()).len();
        assert_eq!(sent, if cuts <= 2 { 2 } else { 1 }, "connection {cuts}");
        let suspect = (cuts >= 2).then_some(Suspect { token: poison, cuts });
        assert_eq!(end(&mut rig).suspect, suspect, "connection {cuts}");
    }
    // Cuts before anything is sent tell nothing.
    rig.sign_in(ACCEPTED);
    assert_eq!(end(&mut rig).suspect, None);
    rig.sign_in(ACCEPTED);
    let sent = packets(&rig.sent());
    assert_eq!(sent.len(), 1, "one at a time until a PUBACK");
    let id = |packet: &[u8]| u16::from_be_bytes([packet[4 + D2C.len()], packet[5 + D2C.len()]]);
    rig.send(b"next");
    assert_eq!(rig.feed(&puback(id(&sent[0]))).events, [Seen::Acked(poison)]);
    let sent = packets(&rig.sent());
    assert_eq!(sent.len(), 2, "it was not the message");
    assert_eq!(rig.feed(&puback(id(&sent[0]))).events, [Seen::Acked(good)]);
    assert_eq!(end(&mut rig).suspect, None, "that connection had a PUBACK");
}

#[test]
fn a_suspect_that_is_withdrawn_is_not_sent_again() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    let poison = rig.send(b"poison");
    let good = rig.send(b"good");
    for _ in 0..2 {
        rig.sign_in(RESUMED);
        rig.sent();
        rig.cut();
    }
    rig.client.telemetry_withdraw(rig.now, poison).unwrap();
    rig.sign_in(RESUMED);
    let sent = packets(&rig.sent());
    assert_eq!((sent.len(), &sent[0][6 + D2C.len()..]), (1, &b"good"[..]));
    assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [good]);
}

#[test]
fn a_polite_end_is_no_cut() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.send(b"t");
    for _ in 0..3 {
        rig.sign_in(RESUMED);
        rig.sent();
        rig.client.disconnect(rig.now).unwrap();
        rig.client.disconnect(rig.now).unwrap();
        assert_eq!(rig.sent(), hex("e000"));
        let events = rig.drain().events;
        let [Seen::Disconnected(end)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((end.reason, end.suspect), (DisconnectReason::Requested, None));
    }
    rig.sign_in(RESUMED);
    rig.send(b"u");
    assert_eq!(packets(&rig.sent()).len(), 2, "the window is open");
}

#[test]
fn renewing_loses_no_acknowledgement_and_no_answer() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    let input = [publish(0x32, C2D, Some(3), b"m"), publish(0x30, "$iothub/methods/POST/m/?$rid=1", None, b"")];
    let events = rig.feed(&input.concat()).events;
    let [Seen::Message { token: Some(token), .. }, Seen::Method { request, .. }] = events.as_slice() else { panic!() };
    rig.client.message_accept(rig.now, *token).unwrap();
    rig.client.method_respond(rig.now, request, 200, b"").unwrap();
    rig.client.disconnect(rig.now).unwrap();
    let sent = packets(&rig.sent());
    assert_eq!(sent.iter().map(|packet| packet[0]).collect::<Vec<_>>(), [0x40, 0x30, 0xe0]);
    assert_eq!(rig.client.state(), State::Offline);
    rig.drain();
    rig.sign_in(RESUMED);
}

#[test]
fn an_undecided_message_does_not_hold_a_polite_end() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    rig.feed(&publish(0x32, C2D, Some(3), b"m"));
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!(rig.sent(), hex("e000"));
}
