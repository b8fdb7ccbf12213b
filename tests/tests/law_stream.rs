//! PUBLISHes larger than the receive buffer, delivered in pieces: the same events as of whole ones, however the bytes
//! come, and nothing of what was cut off.

use iothub_proto::error::{TimeoutReason, UsageError};
use iothub_proto::event::{MessageToken, RequestError, StreamEnd, TwinToken};
use iothub_proto::topic::Features;
use iothub_proto::{Pending, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, joined, quiet};

mod common;
use common::{puback, publish};

const C2D: &str = "devices/dev1/messages/devicebound/";
const METHOD: &str = "$iothub/methods/POST/blink/?$rid=7";
/// Answers the first request of the application, and the first of synchronisation.
const ANSWER: &str = "$iothub/twin/res/200/?$rid=00010000";
const SYNC_ANSWER: &str = "$iothub/twin/res/200/?$rid=s00000001";

/// The receive buffer of these tests.
const BUFFER: u32 = 128;

fn settings() -> Settings {
    let features = Features::ALL_DEVICE;
    Settings { features, max_packet: BUFFER, packet_limit: 2_000, stream_payloads: true, ..quiet() }
}

fn synced() -> Settings {
    Settings { twin_sync: true, ..settings() }
}

fn document(version: u64) -> Vec<u8> {
    let filler = "x".repeat(200);
    format!(r#"{{"desired":{{"a":"{filler}","$version":{version}}},"reported":{{"$version":2}}}}"#).into_bytes()
}

fn desired(version: u64, len: usize) -> Vec<u8> {
    let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
    publish(0x30, &topic, None, format!(r#"{{"a":"{}","$version":{version}}}"#, "y".repeat(len)).as_bytes())
}

/// A client that is ready, with a GET of the application's on its way.
fn ready(memory: &mut Memory, settings: Settings) -> (Rig<'_>, TwinToken) {
    let mut rig = memory.rig(settings);
    let token = rig.client.twin_get(rig.now).unwrap();
    assert_eq!(token.to_bits(), 0x0001_0000);
    rig.sign_in(ACCEPTED);
    rig.sent();
    (rig, token)
}

/// Feeds `input` whole, byte by byte, and split everywhere, and has `judge` look at what was seen with whole payloads.
fn everywhere(settings: Settings, input: &[u8], judge: impl Fn(&mut Rig<'_>, Vec<Seen>)) {
    for split in 0..=input.len() + 1 {
        let mut memory = Memory::default();
        let (mut rig, _) = ready(&mut memory, settings);
        let outcome = if split > input.len() { rig.feed_bytewise(input) } else { rig.feed_split(input, split) };
        assert_eq!(outcome.error, None);
        let (events, cut) = joined(outcome.events);
        assert_eq!(cut, Vec::<Vec<u8>>::new());
        judge(&mut rig, events);
    }
}

/// What a client sees whose buffer holds everything, and what it sends then.
fn unstreamed(settings: Settings, input: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    let mut memory = Memory::default();
    let (mut rig, _) = ready(&mut memory, Settings { max_packet: 2_000, ..settings });
    let events = rig.feed(input).events;
    assert!(!events.is_empty());
    (events, rig.sent())
}

#[test]
fn a_stream_is_the_whole_event_in_pieces() {
    let bag = format!("{C2D}%24.mid=m-1&room=caf%C3%A9");
    let document = document(31);
    let mut cases = vec![
        publish(0x30, &bag, None, &[b'x'; 300]),
        publish(0x32, C2D, Some(7), &[b'x'; 300]),
        publish(0x3a, C2D, Some(7), &[b'x'; 129]),
        publish(0x30, METHOD, None, &[b'1'; 200]),
        publish(0x32, METHOD, Some(7), &[b'1'; 200]),
        publish(0x32, "t", Some(7), &[b'x'; 200]),
        publish(0x31, "t", None, &[b'x'; 200]),
        publish(0x30, ANSWER, None, &document),
        publish(0x32, ANSWER, Some(7), &document),
        publish(0x30, ANSWER, None, &[b'x'; 300]),
        desired(9, 300),
    ];
    // One after the other, with others between.
    let between = [publish(0x30, C2D, None, b"small"), vec![0xd0, 0]].concat();
    cases.push([&cases[0], &between, &cases[7], &between[..], &cases[3], &cases[1]].concat());
    for input in cases {
        let (whole, sent) = unstreamed(settings(), &input);
        everywhere(settings(), &input, |rig, events| {
            assert_eq!((&events, rig.sent()), (&whole, sent.clone()));
            let pending = Pending { twin_requests: 0, ..rig.client.pending() };
            assert_eq!(pending.telemetry, 0);
        });
    }
}

#[test]
fn a_patch_has_every_byte() {
    let input = desired(9, 300);
    let mut memory = Memory::default();
    let (mut rig, _) = ready(&mut memory, settings());
    let pieces: Vec<u8> = (rig.feed_bytewise(&input).events.into_iter())
        .flat_map(|event| if let Seen::StreamPiece(_, bytes) = event { bytes } else { Vec::new() })
        .collect();
    assert!(input.ends_with(&pieces) && pieces.starts_with(b"{\"a\":") && pieces.ends_with(b":9}"));
}

#[test]
fn synchronisation_takes_documents_and_patches_of_any_size() {
    let answer = publish(0x30, SYNC_ANSWER, None, &document(8));
    // The next patch, one that is known, and one after a gap: that is fetched, and not told.
    for (version, told) in [(9, true), (8, false), (11, false)] {
        let input = [answer.clone(), desired(version, 300)].concat();
        let (whole, sent) = unstreamed(synced(), &input);
        assert_eq!(whole.len(), 1 + usize::from(told));
        everywhere(synced(), &input, |rig, events| {
            assert_eq!((&events, rig.sent()), (&whole, sent.clone()));
            let refetch = (version == 11).then_some(TimeoutReason::TwinRefetch);
            assert_eq!(rig.client.timeout_reason(), Some(refetch.unwrap_or(TimeoutReason::Request)));
        });
    }
}

#[test]
fn a_stale_document_is_told_as_such_at_its_end() {
    let sync = |number: u8, version| {
        publish(0x30, &format!("$iothub/twin/res/200/?$rid=s0000000{number}"), None, &document(version))
    };
    let mut memory = Memory::default();
    let (mut rig, token) = ready(&mut memory, synced());
    let (events, _) = joined(rig.feed(&sync(1, 8)).events);
    assert!(matches!(events[..], [Seen::Document { token: None, version: Some(8), stale: false, .. }]), "{events:?}");
    // A gap has it fetched again, and the hub answers with less than is known.
    rig.feed(&desired(11, 10));
    rig.pass(TimeoutReason::TwinRefetch).unwrap();
    rig.sent();
    let (events, _) = joined(rig.feed(&sync(2, 7)).events);
    assert!(matches!(events[..], [Seen::Document { token: None, version: Some(7), stale: true, .. }]), "{events:?}");
    let (events, _) = joined(rig.feed(&publish(0x30, ANSWER, None, &document(6))).events);
    let [Seen::Document { token: Some(named), version: Some(6), stale: true, .. }] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(named, token);
}

#[test]
fn what_nobody_awaits_is_passed_over_in_silence() {
    let document = document(8);
    for (topic, settings) in [
        ("$iothub/twin/res/200/?$rid=nobody", settings()),
        ("$iothub/twin/res/200/?$rid=00010001", settings()),
        ("$iothub/twin/res/200/?$rid=s00000002", synced()),
        ("$iothub/twin/res/200/?$rid=s00000001", settings()),
    ] {
        everywhere(settings, &publish(0x32, topic, Some(7), &document), |rig, events| {
            assert_eq!((events, rig.client.strays()), (vec![], 1), "{topic}");
            assert_eq!(rig.sent(), puback(7));
        });
    }
    // An answer that says no, and that of a report, are told at their end.
    let refused = publish(0x30, "$iothub/twin/res/429/?$rid=00010000", None, &document);
    everywhere(settings(), &refused, |_, events| {
        assert!(matches!(events[..], [Seen::RequestFailed(_, RequestError::Status(429))]), "{events:?}");
    });
}

fn end_token(events: &[Seen]) -> MessageToken {
    match events.last() {
        Some(Seen::StreamEnd(StreamEnd::Message { token: Some(token) })) => *token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_accepted_at_its_end() {
    let input = publish(0x32, C2D, Some(7), &[b'x'; 300]);
    let mut memory = Memory::default();
    let (mut rig, _) = ready(&mut memory, settings());
    let token = end_token(&rig.feed(&input).events);
    assert_eq!(rig.sent(), b"");
    rig.client.message_accept(rig.now, token).unwrap();
    assert_eq!(rig.sent(), puback(7));
    let token = end_token(&rig.feed(&input).events);
    rig.client.message_leave(rig.now, token).unwrap();
    assert_eq!(rig.sent(), b"");
    assert_eq!(rig.client.pending().messages, 0);
}

#[test]
fn accepting_by_itself_waits_for_the_end_that_was_taken() {
    let input = publish(0x32, C2D, Some(7), &[b'x'; 300]);
    let mut memory = Memory::default();
    let (mut rig, _) = ready(&mut memory, Settings { auto_accept: true, ..settings() });
    let (last, rest) = input.split_last().unwrap();
    rig.feed(rest);
    let last = [*last];
    let handled = rig.client.handle_input(rig.now, &last).unwrap();
    assert!(matches!(handled.event, Some(iothub_proto::Event::StreamPiece { .. })));
    assert!(rig.client.has_event() && rig.lent().is_empty(), "the end was not told yet");
    let handled = rig.client.handle_input(rig.now, &[]).unwrap();
    assert!(matches!(handled.event, Some(iothub_proto::Event::StreamEnd(_))) && !rig.client.has_event());
    assert!(rig.lent().is_empty(), "nor looked at");
    assert_eq!((rig.drain().events, rig.sent()), (vec![], puback(7)));
}

#[test]
fn what_cannot_be_accepted_is_skipped() {
    let long = format!("{C2D}{}", "p=1&".repeat(30));
    let large = publish(0x32, C2D, Some(8), &[b'x'; 300]);
    for (first, input, payload_len) in [
        (vec![], publish(0x32, &long, Some(8), &[b'x'; 300]), 300),
        (publish(0x32, C2D, Some(7), b"fills the window"), large, 300),
    ] {
        let mut memory = Memory::new(4096, 8, 1);
        let (mut rig, _) = ready(&mut memory, settings());
        rig.feed(&first);
        let events = rig.feed(&input).events;
        let [Seen::Skipped { packet_id: Some(8), payload_len: len, token, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((*len, token.is_some()), (payload_len, first.is_empty()));
    }
}

#[test]
fn a_cut_in_the_middle_leaves_nothing_of_it() {
    for topic in [C2D, METHOD, ANSWER, "t"] {
        let input = publish(0x32, topic, Some(7), &document(8));
        for cut in 1..input.len() {
            let mut memory = Memory::default();
            let (mut rig, token) = ready(&mut memory, settings());
            let mut seen = rig.feed(&input[..cut]).events;
            assert!(!rig.client.has_event());
            seen.extend(rig.cut());
            let (events, _) = joined(seen);
            // The application's request ends as any other that was cut off.
            assert_eq!(events[0], Seen::RequestFailed(token, RequestError::ConnectionLost));
            assert!(matches!(events[1..], [Seen::Disconnected(_)]), "{events:?}");
            rig.sign_in(RESUMED);
            assert_eq!(rig.feed(&publish(0x30, "t", None, b"")).events.len(), 1, "cut after {cut}");
            assert_eq!((rig.sent(), rig.client.pending()), (vec![], Pending::default()));
        }
    }
}

#[test]
fn after_a_cut_in_the_middle_nobody_listens_to_what_is_skipped() {
    let mut memory = Memory::default();
    let (mut rig, _) = ready(&mut memory, settings());
    let message = publish(0x30, C2D, None, &document(8));
    rig.feed(&message[..message.len() - 1]);
    rig.cut();
    rig.sign_in(RESUMED);
    let topic = format!("{C2D}{}", "n=".repeat(BUFFER as usize));
    let events = rig.feed(&publish(0x30, &topic, None, b"payload")).events;
    assert!(matches!(events.as_slice(), [Seen::Skipped { .. }]), "{events:?}");
}

#[test]
fn what_came_whole_is_told_whole_though_the_connection_is_over() {
    for (topic, settings) in [(ANSWER, settings()), (SYNC_ANSWER, synced()), (C2D, settings())] {
        let input = publish(0x32, topic, Some(7), &document(8));
        let mut memory = Memory::default();
        let (mut rig, token) = ready(&mut memory, settings);
        let (last, rest) = input.split_last().unwrap();
        rig.feed(rest);
        let _ = rig.client.handle_input(rig.now, &[*last]).unwrap();
        rig.client.handle_eof(rig.now).unwrap();
        rig.forget_input();
        // Even after the next connection has begun.
        rig.connect_with(&iothub_proto::ConnectOptions::default());
        let events = rig.drain().events;
        match events[0] {
            Seen::StreamEnd(StreamEnd::TwinDocument { token: named, version: Some(8), stale: false }) => {
                assert_eq!(named, (topic == ANSWER).then_some(token));
            }
            Seen::StreamEnd(StreamEnd::Message { token: Some(message) }) => {
                let stale = rig.client.message_accept(rig.now, message);
                assert_eq!(stale, Err(UsageError::Stale.into()), "it comes again");
            }
            ref other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_has_time_from_piece_to_piece() {
    let input = publish(0x30, ANSWER, None, &document(8));
    let mut memory = Memory::default();
    let (mut rig, token) = ready(&mut memory, settings());
    // A slow link: far beyond the time of a request, and never out of it.
    let mut events = rig.feed(&input[..60]).events;
    for (n, byte) in (1..).zip(&input[60..200]) {
        rig.time(n * 50_000).unwrap();
        events.extend(rig.feed(&[*byte]).events);
    }
    assert!(!events.iter().any(|event| matches!(event, Seen::RequestFailed(..))));
    // Then it stands still: the request ends, and nothing more of its answer is told.
    rig.pass(TimeoutReason::Request).unwrap();
    events.extend(rig.feed(&input[200..]).events);
    let (events, cut) = joined(events);
    assert_eq!(events, [Seen::RequestFailed(token, RequestError::TimedOut)]);
    assert!(input[60 - ANSWER.len()..].windows(cut[0].len()).any(|it| it == cut[0]));
    assert_eq!(rig.client.strays(), 1);
    assert_eq!(rig.client.pending(), Pending::default());
}

#[test]
fn synchronisation_waits_for_a_slow_document() {
    let input = publish(0x30, SYNC_ANSWER, None, &document(8));
    // The answer may begin before the last byte of its request is confirmed.
    for early in [false, true] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(synced());
        rig.sign_in(ACCEPTED);
        let get = rig.lent();
        rig.confirm(if early { 1 } else { get.len() });
        let mut events = rig.feed(&input[..60]).events;
        if early {
            rig.confirm(get.len() - 1);
        }
        assert_eq!(rig.client.timeout_reason(), None, "keep-alive bounds it, which is off here");
        events.extend(rig.feed(&input[60..]).events);
        let (events, _) = joined(events);
        assert!(matches!(events[..], [Seen::Document { version: Some(8), stale: false, .. }]), "{events:?}");
    }
}

#[test]
fn other_packets_leave_within_a_stream_and_a_polite_end_waits_for_a_document() {
    let input = publish(0x30, ANSWER, None, &document(8));
    let mut memory = Memory::default();
    let (mut rig, _) = ready(&mut memory, Settings { keep_alive: 60, ..settings() });
    rig.feed(&input[..200]);
    rig.send(b"meanwhile");
    assert_eq!(rig.sent()[0], 0x32);
    rig.pass(TimeoutReason::KeepAlive).unwrap();
    assert_eq!(rig.sent(), [0xc0, 0]);
    rig.feed(&[]);
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!((rig.sent().len(), rig.client.state()), (0, State::Draining));
    let events = rig.feed(&input[200..]).events;
    assert!(matches!(events.last(), Some(Seen::StreamEnd(StreamEnd::TwinDocument { version: Some(8), .. }))));
    assert_eq!(rig.feed(&[0x40, 2, 0, 2]).events.len(), 1);
    assert_eq!(rig.sent(), [0xe0, 0]);
}
