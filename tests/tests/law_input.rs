//! Input: one event a call, in which order, what is consumed, what is needed, and that splits change nothing.

use iothub_proto::error::{Error, PeerError, TimeoutReason, Violation};
use iothub_proto::event::{DisconnectReason, RequestError};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Event, RxBuffer, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, quiet, suback};
use proptest::prelude::*;

mod common;
use common::publish;

const C2D: &str = "devices/dev1/messages/devicebound/";
const METHOD: &str = "$iothub/methods/POST/blink/?$rid=7";

fn subscribed() -> Settings {
    Settings { features: Features::ALL_DEVICE, ..quiet() }
}

fn subscribing(rig: &mut Rig<'_>) {
    rig.connect(ACCEPTED);
    assert!(!rig.sent().is_empty());
}

#[test]
fn ready_comes_before_any_later_byte() {
    let later = publish(0x30, C2D, None, b"m");
    let mut memory = Memory::default();
    let mut rig = memory.rig(subscribed());
    subscribing(&mut rig);
    let events = rig.feed(&[suback(&[1; 4]), later.clone()].concat()).events;
    assert!(matches!(events.as_slice(), [Seen::Ready(_), Seen::Message { .. }]), "{events:?}");

    // The same without filters, where `Ready` follows `Connected`.
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.connect_with(&ConnectOptions::default());
    rig.sent();
    let events = rig.feed(&[ACCEPTED.to_vec(), later].concat()).events;
    assert!(matches!(events.as_slice(), [Seen::Connected(_), Seen::Ready(_), Seen::Message { .. }]), "{events:?}");
}

#[test]
fn ready_comes_before_a_violation_in_the_same_bytes() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(subscribed());
    subscribing(&mut rig);
    let outcome = rig.feed(&[suback(&[1; 4]), vec![0]].concat());
    assert!(matches!(outcome.events.as_slice(), [Seen::Ready(_), Seen::Disconnected(_)]), "{outcome:?}");
    assert!(outcome.error.is_some());
}

#[test]
fn events_parsed_before_an_error_are_delivered_first() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(subscribed());
    rig.sign_in(ACCEPTED);
    let token = rig.send(b"t");
    rig.sent();
    let input = [publish(0x30, C2D, None, b"m"), hex("40020001"), publish(0x30, METHOD, None, b""), hex("f0")].concat();
    let outcome = rig.feed(&input);
    let [Seen::Message { .. }, Seen::Acked(acked), Seen::Method { .. }, Seen::Disconnected(end)] =
        outcome.events.as_slice()
    else {
        panic!("{outcome:?}")
    };
    let error = Error::Peer(PeerError { kind: Violation::ForbiddenType, packet: 0xf0, offset: 0 });
    assert_eq!((*acked, end.reason, outcome.error), (token, DisconnectReason::Failed(error), Some(error)));
}

#[test]
fn an_error_consumes_nothing_and_what_is_consumed_before_it_is_no_event() {
    // A packet without an event, then a bad one, in the same bytes.
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    let input = hex("40021234 00");
    let first = rig.client.handle_input(rig.now, &input).unwrap();
    assert_eq!((first.consumed, first.event, first.needed), (4, None, 0));
    assert_eq!(rig.client.state(), State::Ready, "the bad byte was not taken yet");
    let second = rig.client.handle_input(rig.now, &input[4..]).unwrap();
    assert_eq!(second.consumed, 0);
    assert!(matches!(second.event, Some(Event::Disconnected(_))));
    assert!(rig.client.handle_input(rig.now, &input[4..]).is_err());
    assert!(rig.client.handle_input(rig.now, &[]).is_err(), "sticky without bytes, too");
}

#[test]
fn ended_requests_then_disconnected_then_the_error() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
    rig.sign_in(ACCEPTED);
    let (first, second) = (rig.client.twin_get(rig.now).unwrap(), rig.client.twin_report(rig.now, b"{}").unwrap());
    rig.sent();
    let unsent = rig.client.twin_get(rig.now).unwrap();
    let outcome = rig.feed(&[0]);
    let lost = RequestError::ConnectionLost;
    let [Seen::RequestFailed(a, why_a), Seen::RequestFailed(b, why_b), Seen::Disconnected(_)] =
        outcome.events.as_slice()
    else {
        panic!("{outcome:?}")
    };
    assert_eq!((*a, *b, *why_a, *why_b), (first, second, lost, lost));
    assert!(outcome.error.is_some());
    assert_eq!(rig.client.pending().twin_requests, 1, "{unsent:?} waits for the next connection");
}

#[test]
fn what_waits_is_delivered_offline_too() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
    let token = rig.client.twin_get(rig.now).unwrap();
    assert!(!rig.client.has_event());
    rig.pass(TimeoutReason::Request).unwrap();
    assert!(rig.client.has_event());
    assert_eq!(rig.drain().events, [Seen::RequestFailed(token, RequestError::TimedOut)]);
}

#[test]
fn a_disconnected_that_was_not_taken_is_dropped_by_connect() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    rig.client.handle_eof(rig.now).unwrap();
    assert!(rig.client.has_event());
    rig.connect_with(&ConnectOptions::default());
    assert!(!rig.client.has_event());
    assert_eq!(rig.drain().events, []);
}

#[test]
fn lost_requests_that_were_not_taken_survive_connect() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
    rig.sign_in(ACCEPTED);
    let token = rig.client.twin_get(rig.now).unwrap();
    rig.sent();
    rig.client.handle_eof(rig.now).unwrap();
    rig.connect_with(&ConnectOptions::default());
    assert_eq!(rig.drain().events, [Seen::RequestFailed(token, RequestError::ConnectionLost)]);
}

#[test]
fn needed_is_the_size_of_the_incomplete_packet() {
    let packet = publish(0x30, C2D, None, &[b'x'; 300]);
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    for cut in 0..packet.len() {
        let handled = rig.client.handle_input(rig.now, &packet[..cut]).unwrap();
        let known = if cut < 3 { 0 } else { packet.len() };
        assert_eq!((handled.consumed, handled.needed, handled.event), (0, known, None), "{cut} bytes");
    }
    let handled = rig.client.handle_input(rig.now, &packet).unwrap();
    assert_eq!((handled.consumed, handled.needed), (packet.len(), 0));
}

#[test]
fn what_waits_is_delivered_while_more_of_a_packet_comes() {
    let packet = publish(0x30, C2D, None, &[b'x'; 300]);
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
    rig.sign_in(ACCEPTED);
    assert_eq!(rig.client.handle_input(rig.now, &packet[..10]).unwrap().needed, packet.len());
    rig.client.twin_get(rig.now).unwrap();
    rig.sent();
    rig.pass(TimeoutReason::Request).unwrap();
    let event = rig.client.handle_input(rig.now, &packet[..20]).unwrap().event;
    assert!(matches!(event, Some(Event::RequestFailed { reason: RequestError::TimedOut, .. })), "{event:?}");
}

#[test]
fn consumed_stops_behind_the_packet_of_the_event() {
    let packet = publish(0x30, C2D, None, b"one");
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    // Strays and pongs in front are consumed in the same call; what follows is not touched.
    let input = [hex("d000 40021234"), packet.clone(), packet.clone(), vec![0x30]].concat();
    let handled = rig.client.handle_input(rig.now, &input).unwrap();
    assert_eq!(handled.consumed, 6 + packet.len());
    let Some(Event::Message(message)) = handled.event else { panic!("{handled:?}") };
    assert_eq!(message.payload, b"one");
    assert_eq!(rig.client.strays(), 2);
}

#[test]
fn a_client_may_be_called_while_an_event_is_alive() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    let input = publish(0x30, METHOD, None, b"{}");
    let handled = rig.client.handle_input(rig.now, &input).unwrap();
    let Some(Event::MethodCall { request, payload, .. }) = handled.event else { panic!("{handled:?}") };
    rig.client.method_respond(rig.now, request, 200, payload).unwrap();
    assert_eq!(rig.client.poll_transmit(), Some(&publish(0x30, "$iothub/methods/res/200/?$rid=7", None, b"{}")[..]));
    assert_eq!(payload, b"{}");
}

#[test]
fn an_rx_buffer_gives_the_same_events() {
    let input = [
        suback(&[1; 4]),
        publish(0x32, C2D, Some(3), &[b'a'; 40]),
        publish(0x30, METHOD, None, &[b'b'; 20]),
        publish(0x30, "t", None, b"c"),
    ]
    .concat();
    for chunk in 1..=64 {
        let mut memory = Memory::default();
        let mut rig = memory.rig(Settings { max_packet: 100, ..subscribed() });
        subscribing(&mut rig);
        let mut room = [0; 100];
        let mut rx = RxBuffer::new(&mut room);
        let (mut rest, mut names) = (input.as_slice(), Vec::new());
        while !rest.is_empty() {
            let space = rx.space();
            let len = chunk.min(space.len()).min(rest.len());
            assert!(len > 0, "there is room after every poll");
            space[..len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            rx.commit(len);
            while let Some(event) = rig.client.poll_event(rig.now, &mut rx).unwrap() {
                names.push(match event {
                    Event::Ready { .. } => 'r',
                    Event::Message(message) if message.payload == [b'a'; 40] => 'm',
                    Event::MethodCall { payload, .. } if payload == [b'b'; 20] => 'c',
                    Event::Unknown { topic: "t", payload: b"c", .. } => 'u',
                    other => panic!("{other:?}"),
                });
            }
        }
        assert_eq!(names, ['r', 'm', 'c', 'u'], "in pieces of {chunk}");
        assert_eq!(rx.filled(), b"");
    }
}

#[test]
fn an_rx_buffer_smaller_than_the_largest_packet_is_refused() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { max_packet: 100, ..quiet() });
    let mut room = [0; 99];
    assert!(rig.client.poll_event(rig.now, &mut RxBuffer::new(&mut room)).is_err());
}

/// A session's bytes from the hub, after CONNECT.
fn stream() -> Vec<Vec<u8>> {
    let twin = |status: u16| publish(0x30, &format!("$iothub/twin/res/{status}/?$rid=s00000001"), None, DOCUMENT);
    vec![
        RESUMED.to_vec(),
        publish(0x3a, C2D, Some(7), b"before SUBACK"),
        suback(&[1, 0, 0, 0]),
        hex("40020001"),
        twin(200),
        publish(0x30, "$iothub/twin/PATCH/properties/desired/?$version=5", None, br#"{"$version":5}"#),
        publish(0x30, METHOD, None, b"{}"),
        publish(0x32, C2D, Some(8), &[b'x'; 200]),
        publish(0x30, METHOD, None, &[b'y'; 150]),
        publish(0x32, &format!("{C2D}{}", "p=1&".repeat(40)), Some(9), b"long topic"),
        hex("40021234 d000 b0020042"),
        publish(0x31, "t", None, b""),
        hex("30"),
    ]
}

const DOCUMENT: &[u8] = br#"{"desired":{"$version":4},"reported":{"$version":1}}"#;

/// Feeds `chunks`, sending everything after each packet of [`stream`]'s bytes, so that answers answer something.
fn play(cuts: &[usize]) -> (Vec<Seen>, Option<Error>, u32, Vec<u8>) {
    let mut memory = Memory::default();
    let settings = Settings { features: Features::ALL_DEVICE, twin_sync: true, max_packet: 128, ..quiet() };
    let mut rig = memory.rig(settings);
    rig.send(b"t");
    rig.connect_with(&ConnectOptions::default());
    let mut sent = rig.sent();
    let mut events = Vec::new();
    let mut error = None;
    let mut fed = 0;
    for packet in stream() {
        let mut rest = packet.as_slice();
        while !rest.is_empty() {
            let next = cuts.iter().find(|cut| **cut > fed).map_or(usize::MAX, |cut| cut - fed);
            let (now, later) = rest.split_at(next.min(rest.len()));
            let outcome = rig.feed(now);
            events.extend(outcome.events);
            error = error.or(outcome.error);
            fed += now.len();
            rest = later;
        }
        sent.extend(rig.sent());
    }
    (events, error, rig.client.strays(), sent)
}

#[test]
fn a_whole_session_split_once_anywhere_is_the_same() {
    let whole = play(&[]);
    assert_eq!(whole.0.len(), 11, "{:?}", whole.0);
    assert_eq!((whole.1, whole.2), (None, 3));
    let len: usize = stream().iter().map(Vec::len).sum();
    for cut in 1..len {
        assert_eq!(play(&[cut]), whole, "split at {cut}");
    }
    assert_eq!(play(&(1..len).collect::<Vec<_>>()), whole, "byte by byte");
}

/// Everything after CONNECT in one piece: nothing is sent in between, so what needs an answer comes as a stray.
fn play_at_once(chunks: &[usize]) -> (Vec<Seen>, Option<Error>, u32, Vec<u8>) {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::ALL_DEVICE, max_packet: 128, ..quiet() });
    rig.connect_with(&ConnectOptions::default());
    rig.sent();
    rig.feed(&RESUMED);
    rig.sent();
    let input = [stream()[1..].concat(), hex("00")].concat();
    let (mut at, mut events, mut error) = (0, Vec::new(), None);
    for chunk in chunks.iter().copied().chain([usize::MAX]) {
        let end = at + chunk.min(input.len() - at);
        let outcome = rig.feed(&input[at..end]);
        events.extend(outcome.events);
        error = error.or(outcome.error);
        at = end;
    }
    (events, error, rig.client.strays(), rig.sent())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pieces_of_the_input_change_nothing(chunks in prop::collection::vec(1..60_usize, 0..40)) {
        prop_assert_eq!(play_at_once(&chunks), play_at_once(&[]));
    }

    #[test]
    fn hostile_bytes_end_in_a_typed_error_or_are_taken(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        chunk in 1..200_usize,
    ) {
        let outcome = |chunk: usize| {
            let mut memory = Memory::default();
            let mut rig = memory.rig(Settings { max_packet: 64, packet_limit: 1000, ..subscribed() });
            rig.sign_in(ACCEPTED);
            let (mut events, mut error) = (Vec::new(), None);
            for piece in bytes.chunks(chunk) {
                let outcome = rig.feed(piece);
                events.extend(outcome.events);
                error = outcome.error;
                if error.is_some() {
                    break;
                }
            }
            (events, error, rig.client.strays())
        };
        prop_assert_eq!(outcome(chunk), outcome(200));
    }
}
