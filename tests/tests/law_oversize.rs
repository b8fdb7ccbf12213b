//! PUBLISHes larger than the receive buffer: skipped as they arrive, reported, acknowledged when they have passed.

use iothub_proto::error::{Error, PeerError, TimeoutReason, UsageError, Violation};
use iothub_proto::event::{MessageToken, RequestError};
use iothub_proto::topic::Features;
use iothub_proto::{Pending, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, packets, quiet, suback};

mod common;
use common::{packet, puback, publish};

const C2D: &str = "devices/dev1/messages/devicebound/";
const METHOD: &str = "$iothub/methods/POST/blink/?$rid=7";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/?$version=9";

/// The receive buffer of these tests.
const BUFFER: u32 = 128;

fn settings() -> Settings {
    Settings { features: Features::ALL_DEVICE, max_packet: BUFFER, packet_limit: 1_000, ..quiet() }
}

fn skip(topic: &str, packet_id: Option<u16>, payload_len: u32) -> impl Fn(&Seen) -> Option<MessageToken> {
    move |event| match event {
        Seen::Skipped { topic: of, packet_id: id, payload_len: len, token, request } => {
            assert_eq!((of.as_str(), *id, *len), (topic, packet_id, payload_len));
            assert_eq!(request.is_some(), topic == METHOD);
            *token
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_message_has_to_fit_the_buffer_and_may_fill_it() {
    for (codes, error) in [(BUFFER as usize - 4, None), (BUFFER as usize - 3, Some(Violation::TooLarge))] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings());
        rig.sign_in(ACCEPTED);
        let outcome = rig.feed(&suback(&vec![1; codes]));
        let expected = error.map(|kind| Error::Peer(PeerError { kind, packet: 0x90, offset: 1 }));
        assert_eq!((outcome.error, rig.client.strays()), (expected, u32::from(error.is_none())));
    }
}

/// Feeds `input` whole, byte by byte, and split everywhere, and has `judge` look at each.
fn everywhere(settings: Settings, input: &[u8], judge: impl Fn(&mut Rig<'_>, Vec<Seen>)) {
    for split in 0..=input.len() + 1 {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings);
        rig.sign_in(ACCEPTED);
        rig.sent();
        let outcome = if split > input.len() { rig.feed_bytewise(input) } else { rig.feed_split(input, split) };
        assert_eq!(outcome.error, None);
        judge(&mut rig, outcome.events);
    }
}

#[test]
fn a_large_message_is_reported_and_what_follows_is_normal() {
    let normal = publish(0x30, C2D, None, b"normal");
    for (first, id) in [(0x30, None), (0x32, Some(7))] {
        let input = [publish(first, C2D, id, &[b'x'; 300]), normal.clone()].concat();
        everywhere(settings(), &input, |rig, events| {
            let token = skip(C2D, id, 300)(&events[0]);
            assert_eq!(token.is_some(), id.is_some());
            assert!(matches!(&events[1..], [Seen::Message { payload, .. }] if payload == b"normal"), "{events:?}");
            if let Some(token) = token {
                assert_eq!(rig.sent(), b"");
                rig.client.message_accept(rig.now, token).unwrap();
                assert_eq!(rig.sent(), puback(7));
            }
        });
    }
}

#[test]
fn a_topic_larger_than_the_buffer_is_not_delivered() {
    let long = format!("{C2D}{}", "p=1&".repeat(30));
    for payload in [0, 1, 300_usize] {
        for (first, id) in [(0x31, None), (0x3b, Some(7))] {
            let input = [publish(first, &long, id, &vec![b'x'; payload]), publish(0x30, "t", None, b"")].concat();
            everywhere(settings(), &input, |rig, events| {
                let token = skip("", id, payload as u32)(&events[0]);
                assert_eq!(token.is_some(), id.is_some());
                assert!(matches!(&events[1..], [Seen::Unknown { .. }]), "{events:?}");
                if let Some(token) = token {
                    rig.client.message_leave(rig.now, token).unwrap();
                    assert_eq!((rig.sent().len(), rig.client.pending()), (0, Pending::default()));
                }
            });
        }
    }
}

#[test]
fn a_skipped_packet_without_payload_has_passed_when_it_is_told() {
    let long = format!("{C2D}{}", "p=1&".repeat(30));
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    let input = publish(0x32, &long, Some(7), b"");
    let handled = rig.client.handle_input(rig.now, &input).unwrap();
    assert_eq!(handled.consumed, input.len());
    let Some(iothub_proto::Event::Skipped(skipped)) = handled.event else { panic!("{handled:?}") };
    rig.client.message_accept(rig.now, skipped.token.unwrap()).unwrap();
    assert!(!rig.client.has_event(), "nothing waits");
    assert_eq!(rig.sent(), puback(7));
}

#[test]
fn puback_leaves_when_the_packet_has_passed_and_not_before() {
    let input = publish(0x32, C2D, Some(7), &[b'x'; 300]);
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    let head = input.len() - 300;
    let events = rig.feed(&input[..head]).events;
    let token = skip(C2D, Some(7), 300)(&events[0]).unwrap();
    rig.client.message_accept(rig.now, token).unwrap();
    for byte in &input[head..input.len() - 1] {
        assert_eq!(rig.sent(), b"");
        assert_eq!(rig.client.poll_timeout(), None, "nothing can be sent, so nothing is stalled");
        assert_eq!(rig.feed(&[*byte]).events, []);
    }
    rig.feed(&input[input.len() - 1..]);
    assert_eq!(rig.sent(), puback(7));
}

#[test]
fn a_polite_end_waits_for_an_accepted_message_to_pass() {
    let input = publish(0x32, C2D, Some(7), &[b'x'; 300]);
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    let token = skip(C2D, Some(7), 300)(&rig.feed(&input[..200]).events[0]).unwrap();
    rig.client.message_accept(rig.now, token).unwrap();
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!((rig.sent().len(), rig.client.state()), (0, State::Draining));
    rig.feed(&input[200..]);
    assert_eq!(rig.sent(), [puback(7), vec![0xe0, 0]].concat());
}

#[test]
fn an_earlier_message_is_acknowledged_while_a_large_one_passes() {
    // At QoS 0 and 1, with the topic in the buffer and beyond it, and with a window that the earlier one fills.
    let long = format!("{C2D}{}", "p=1&".repeat(30));
    for inbound in [1, 8] {
        for (topic, first, id) in [(C2D, 0x30, None), (C2D, 0x32, Some(8)), (&long, 0x30, None), (&long, 0x32, Some(8))]
        {
            let input = publish(first, topic, id, &[b'x'; 300]);
            for at in [4, 140, input.len() - 1] {
                let mut memory = Memory::new(2048, 4, inbound);
                let mut rig = memory.rig(settings());
                rig.sign_in(ACCEPTED);
                let events = rig.feed(&publish(0x32, C2D, Some(7), b"earlier")).events;
                let [Seen::Message { token: Some(earlier), .. }] = events.as_slice() else { panic!("{events:?}") };
                rig.feed(&input[..at]);
                rig.client.message_accept(rig.now, *earlier).unwrap();
                let what = format!("{first:02x} {} bytes of topic, {at} bytes in", topic.len());
                assert_eq!(rig.sent(), puback(7), "{what}");
                rig.feed(&input[at..]);
                assert_eq!(rig.sent(), b"", "{what}");
            }
        }
    }
}

#[test]
fn other_packets_leave_while_a_large_one_passes() {
    let input = publish(0x32, C2D, Some(7), &[b'x'; 300]);
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { keep_alive: 60, ..settings() });
    rig.sign_in(ACCEPTED);
    rig.feed(&input[..200]);
    rig.send(b"meanwhile");
    assert_eq!(rig.sent()[0], 0x32);
    rig.pass(TimeoutReason::KeepAlive).unwrap();
    assert_eq!(rig.sent(), [0xc0, 0]);
    rig.feed(&input[200..]);
    assert_eq!(rig.feed(&[0xd0, 0]).error, None);
    assert_eq!(rig.client.strays(), 0);
}

#[test]
fn a_large_method_call_can_be_answered() {
    for (first, id) in [(0x30, None), (0x32, Some(7))] {
        let input = publish(first, METHOD, id, &[b'x'; 200]);
        everywhere(settings(), &input, |rig, events| {
            let [Seen::Skipped { request: Some(request), token: None, .. }] = events.as_slice() else {
                panic!("{events:?}")
            };
            skip(METHOD, id, 200)(&events[0]);
            rig.client.method_respond(rig.now, request, 413, b"").unwrap();
            let answer = publish(0x30, "$iothub/methods/res/413/?$rid=7", None, b"");
            let acked = id.map_or_else(Vec::new, puback);
            assert_eq!(rig.sent(), [acked, answer].concat());
        });
    }
}

#[test]
fn a_large_packet_on_an_unknown_topic_is_reported_and_acknowledged() {
    let input = publish(0x32, "t", Some(7), &[b'x'; 200]);
    everywhere(settings(), &input, |rig, events| {
        assert_eq!((events.len(), skip("t", Some(7), 200)(&events[0])), (1, None));
        assert_eq!(rig.sent(), puback(7));
    });
}

#[test]
fn a_large_twin_response_ends_its_request_with_the_version_that_passed_by() {
    let document = format!(r#"{{"desired":{{"a":"{}","$version":31}},"reported":{{"$version":2}}}}"#, "x".repeat(200));
    let features = Features::TWIN.union(Features::DESIRED);
    // The request id is known before the request is made: the first use of the first slot.
    for (status, first, id) in [(200, 0x30, None), (200, 0x32, Some(7)), (429, 0x30, None)] {
        let topic = format!("$iothub/twin/res/{status}/?$rid=00010000");
        let input = publish(first, &topic, id, document.as_bytes());
        for split in 0..=input.len() + 1 {
            let mut memory = Memory::default();
            let mut rig = memory.rig(Settings { features, ..settings() });
            let token = rig.client.twin_get(rig.now).unwrap();
            assert_eq!(token.to_bits(), 0x0001_0000);
            rig.sign_in(ACCEPTED);
            rig.sent();
            let events = if split > input.len() {
                rig.feed_bytewise(&input).events
            } else {
                let before = rig.feed(&input[..split]).events;
                assert!(split == input.len() || before.is_empty(), "told at its end");
                [before, rig.feed(&input[split..]).events].concat()
            };
            let payload_len = document.len() as u32;
            let reason = match status {
                200 => RequestError::TooLarge { payload_len, version: Some(31) },
                status => RequestError::Status(status),
            };
            assert_eq!(events, [Seen::RequestFailed(token, reason)], "split at {split}");
            assert_eq!(rig.sent(), id.map_or_else(Vec::new, puback));
            assert_eq!((rig.client.pending(), rig.client.poll_timeout()), (Pending::default(), None));
        }
    }
}

#[test]
fn a_document_too_large_for_synchronisation_is_told_once_and_patches_pass_unsynced() {
    let document = format!(r#"{{"desired":{{"a":"{}","$version":31}},"reported":{{}}}}"#, "x".repeat(200));
    let input = [
        publish(0x30, "$iothub/twin/res/200/?$rid=s00000001", None, document.as_bytes()),
        publish(0x30, "$iothub/twin/PATCH/properties/desired/?$version=33", None, b"{}"),
    ]
    .concat();
    everywhere(Settings { twin_sync: true, ..settings() }, &input, |rig, events| {
        let reason = RequestError::TooLarge { payload_len: document.len() as u32, version: Some(31) };
        assert_eq!(events, [Seen::SyncFailed(reason), Seen::Desired { version: Some(33), unsynced: true }]);
        assert_eq!((rig.sent().len(), rig.client.poll_timeout()), (0, None), "no other fetch");
    });
}

#[test]
fn a_large_desired_patch_is_fetched_as_a_whole_document() {
    let input = [
        publish(0x30, "$iothub/twin/res/200/?$rid=s00000001", None, br#"{"desired":{"$version":8}}"#),
        publish(0x30, DESIRED, None, &[b'x'; 300]),
    ]
    .concat();
    everywhere(Settings { twin_sync: true, ..settings() }, &input, |rig, events| {
        assert!(matches!(events.as_slice(), [Seen::Document { .. }, Seen::Skipped { .. }]), "{events:?}");
        assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::TwinRefetch));
        rig.pass(TimeoutReason::TwinRefetch).unwrap();
        assert!(String::from_utf8_lossy(&rig.sent()).contains("$iothub/twin/GET/?$rid=s00000002"));
    });
}

#[test]
fn a_cut_in_the_middle_of_a_skip_leaves_nothing_of_it() {
    let long = format!("{C2D}{}", "p=1&".repeat(30));
    for topic in [C2D, &long, METHOD, "$iothub/twin/res/200/?$rid=00010000"] {
        let input = publish(0x32, topic, Some(7), &[b'x'; 300]);
        for cut in 1..input.len() {
            let mut memory = Memory::default();
            let mut rig = memory.rig(settings());
            rig.sign_in(ACCEPTED);
            let events = rig.feed(&input[..cut]).events;
            let token = events.iter().find_map(|event| match event {
                Seen::Skipped { token, .. } => *token,
                _ => None,
            });
            if let Some(token) = token {
                rig.client.message_accept(rig.now, token).unwrap();
            }
            assert_eq!(rig.cut().len(), 1);
            if let Some(token) = token {
                assert_eq!(rig.client.message_accept(rig.now, token), Err(UsageError::Stale.into()));
            }
            rig.sign_in(RESUMED);
            assert_eq!(rig.feed(&publish(0x30, "t", None, b"")).events.len(), 1, "cut after {cut}");
            assert_eq!(rig.sent(), b"");
        }
    }
}

#[test]
fn the_buffer_and_the_limit_are_exact() {
    for (total, expected) in [
        (BUFFER - 1, "whole"),
        (BUFFER, "whole"),
        (BUFFER + 1, "skipped"),
        (999, "skipped"),
        (1_000, "skipped"),
        (1_001, "error"),
    ] {
        let header = if total - 2 <= 127 { 2 } else { 3 };
        let payload = total as usize - header - 2 - C2D.len();
        let input = publish(0x30, C2D, None, &vec![b'x'; payload]);
        assert_eq!(input.len(), total as usize);
        for split in [0, 1, 2, 3, 60, 127, 128] {
            let split = split.min(input.len());
            let mut memory = Memory::default();
            let mut rig = memory.rig(settings());
            rig.sign_in(ACCEPTED);
            let outcome = rig.feed_split(&input, split);
            match (expected, outcome.events.as_slice(), outcome.error) {
                ("whole", [Seen::Message { .. }], None) | ("skipped", [Seen::Skipped { .. }], None) => {}
                ("error", [Seen::Disconnected(_)], Some(Error::Peer(error))) => {
                    assert_eq!(error, PeerError { kind: Violation::TooLarge, packet: 0x30, offset: 1 });
                }
                other => panic!("{total} bytes split at {split}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_topic_fits_the_buffer_exactly_or_is_skipped() {
    for (head, fits) in [(BUFFER, true), (BUFFER + 1, false)] {
        for (first, id) in [(0x30, None), (0x32, Some(7))] {
            let fixed = 3 + 2 + if id.is_some() { 2 } else { 0 };
            let topic = format!("{C2D}{}", "p".repeat(head as usize - fixed - C2D.len()));
            let input = publish(first, &topic, id, &[b'x'; 100]);
            everywhere(settings(), &input, |_, events| {
                skip(if fits { &topic } else { "" }, id, 100)(&events[0]);
                assert_eq!(events.len(), 1);
            });
        }
    }
}

#[test]
fn only_a_publish_may_be_larger_than_the_buffer() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.connect(ACCEPTED);
    rig.sent();
    let outcome = rig.feed(&packet(0x90, &[0; 200])[..3]);
    assert!(matches!(outcome.error, Some(Error::Peer(PeerError { kind: Violation::TooLarge, .. }))), "{outcome:?}");
    assert_eq!(rig.client.state(), State::Failed);
}

#[test]
fn a_bad_head_of_a_large_packet_is_an_error_however_it_is_split() {
    let topic = |topic: &[u8]| packet(0x32, &[&[0, topic.len() as u8][..], topic, &[0, 7], &[b'x'; 300]].concat());
    let long = [b'p'; 140];
    let zero_id = |topic: &[u8]| packet(0x32, &[&[0, topic.len() as u8][..], topic, &[0, 0], &[b'x'; 300]].concat());
    let cases = [
        (topic(b"a/#"), Some(Violation::WildcardInTopic)),
        (topic(b"a\0"), Some(Violation::NulInText)),
        (topic(b"a\xff"), Some(Violation::BadUtf8)),
        (topic(b""), Some(Violation::EmptyTopic)),
        (zero_id(b"a"), Some(Violation::ZeroPacketId)),
        (zero_id(&long), Some(Violation::ZeroPacketId)),
        (packet(0x32, &[&[1, 200][..], &[b'x'; 300]].concat()), Some(Violation::Truncated)),
        (topic(&long), None),
    ];
    for (input, expected) in cases {
        for split in 0..input.len() {
            let mut memory = Memory::default();
            let mut rig = memory.rig(settings());
            rig.sign_in(ACCEPTED);
            let kind = match rig.feed_split(&input, split).error {
                Some(Error::Peer(error)) => Some(error.kind),
                None => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(kind, expected, "split at {split}");
            assert_eq!(rig.sent(), b"");
        }
    }
}

#[test]
fn a_large_message_with_a_full_window_returns_later() {
    let mut memory = Memory::new(2048, 4, 1);
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    rig.feed(&publish(0x32, C2D, Some(7), b"holds the window"));
    let events = rig.feed(&publish(0x32, C2D, Some(8), &[b'x'; 300])).events;
    assert_eq!((events.len(), skip(C2D, Some(8), 300)(&events[0])), (1, None), "nothing to accept");
    assert_eq!(rig.client.pending().messages, 1);
}

#[test]
fn with_auto_accept_a_skipped_message_is_accepted_when_it_has_passed() {
    let input = [publish(0x32, C2D, Some(7), &[b'x'; 300]), publish(0x32, C2D, Some(8), b"m")].concat();
    everywhere(Settings { auto_accept: true, ..settings() }, &input, |rig, events| {
        assert_eq!(events.len(), 2);
        assert_eq!(packets(&rig.sent()), [puback(7), puback(8)]);
    });
}
