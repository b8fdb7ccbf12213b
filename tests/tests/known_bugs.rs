//! The classes behind the known bugs of MQTT clients and parsers, one test a class. The bytes of each report are in the
//! table of `core/src/packet/tests/bad_inputs.rs` and in `fuzz/regressions`.
//!
//! The ninth class, memory that grows with what a peer says, is the last here; what the owned tier takes from the heap is
//! counted in `owned_memory.rs`, too.

use iothub_proto::error::{Error, PeerError, UsageError, Violation};
use iothub_proto::topic::Features;
use iothub_proto::wire::frame::{self, MAX_REMAINING_LENGTH};
use iothub_proto::{ConnectOptions, Settings, State, Telemetry};
use iothub_tests::script::{ACCEPTED, Memory, Outcome, RESUMED, SUBSCRIBE_ID, Seen, packets, quiet};

mod common;
use common::{packet, puback, publish};

/// What a client that is ready makes of these bytes.
fn fed(settings: Settings, input: &[u8]) -> Outcome {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings);
    rig.sign_in(ACCEPTED);
    rig.feed(input)
}

fn violation(outcome: &Outcome) -> Option<Violation> {
    match outcome.error? {
        Error::Peer(PeerError { kind, .. }) => Some(kind),
        other => panic!("{other:?}"),
    }
}

/// Class 1. CVE-2021-41036, mbed-os 11802, MQTT-C 144, CVE-2020-10070: a topic length is believed.
#[test]
fn a_length_field_is_not_trusted_before_the_bounds_check() {
    for rest in 1..9_usize {
        for topic_len in (0..=12).chain([127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF]) {
            for id in [0, 2] {
                let body = [&(topic_len as u16).to_be_bytes()[..], &vec![b'a'; rest]].concat();
                let outcome = fed(quiet(), &packet(if id > 0 { 0x32 } else { 0x30 }, &body));
                if topic_len > 0 && topic_len + id <= rest {
                    let Seen::Unknown { topic, payload, .. } = &outcome.events[0] else { panic!("{outcome:?}") };
                    assert_eq!((topic.len(), payload.len()), (topic_len, rest - topic_len - id));
                } else {
                    let expected = [Violation::Truncated, Violation::EmptyTopic, Violation::WrongLength];
                    assert!(expected.contains(&violation(&outcome).unwrap()), "{topic_len} of {rest}: {outcome:?}");
                    assert!(matches!(outcome.events[..], [Seen::Disconnected(_)]), "and nothing is told of it");
                }
            }
        }
    }
}

/// Class 2. MQTT-C 203 to 206, mosquitto's "NanoMQ CWE-119": a size is what is left of a smaller one.
#[test]
fn no_size_is_the_rest_of_a_smaller_one() {
    for remaining in 0..6_usize {
        for first in [0x20, 0x30, 0x32, 0x40, 0x90, 0xB0, 0xD0] {
            let body = [0, 1, b't', 0, 1][..remaining.min(5)].to_vec();
            let outcome = fed(quiet(), &packet(first, &body));
            let legal = match first {
                0x30 => remaining >= 3,
                0x32 => remaining == 5,
                0x40 | 0xB0 => remaining == 2,
                0xD0 => remaining == 0,
                // A SUBACK is a stray here; `74` is no code.
                _ => false,
            };
            assert_eq!(outcome.error.is_none(), legal, "{first:02x} with {remaining} bytes: {outcome:?}");
            if let Some(Seen::Unknown { payload, .. }) = outcome.events.first() {
                assert_eq!(payload.len(), if first == 0x30 { remaining - 3 } else { 0 });
            }
        }
    }
}

/// Class 3. CVE-2020-10062, wolfMQTT 235, curl PR 20148 and 21949, MQTT 3.1.1's own sample code.
#[test]
fn the_length_decoder_holds_at_its_edges() {
    for (bytes, remaining) in [
        (&[0x7F][..], 127),
        (&[0x80, 0x01], 128),
        (&[0xFF, 0x7F], 16_383),
        (&[0x80, 0x80, 0x01], 16_384),
        (&[0xFF, 0xFF, 0x7F], 2_097_151),
        (&[0x80, 0x80, 0x80, 0x01], 2_097_152),
        (&[0xFF, 0xFF, 0xFF, 0x7F], MAX_REMAINING_LENGTH),
        // More bytes than necessary are legal.
        (&[0x83, 0x00], 3),
        (&[0x83, 0x80, 0x80, 0x00], 3),
    ] {
        let input = [&[0x30][..], bytes].concat();
        let header = frame::header(&input).unwrap().expect("whole");
        assert_eq!((header.remaining as usize, usize::from(header.len)), (remaining, input.len()));
        for cut in 0..input.len() {
            assert_eq!(frame::header(&input[..cut]), Ok(None), "{input:02x?} cut at {cut}");
        }
        let settings = Settings { packet_limit: MAX_REMAINING_LENGTH as u32 + 5, ..quiet() };
        let outcome = fed(settings, &input);
        assert_eq!((outcome.error, outcome.events.len()), (None, 0), "{input:02x?} waits");
        let outcome = fed(settings, &[0x40, bytes[0]]);
        assert_eq!(violation(&outcome).is_some(), bytes[0] & 0x80 == 0, "of a PUBACK two bytes decide, or none");
    }
    for fifth in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
        let outcome = fed(quiet(), &[0x30, 0x80, 0x80, 0x80, 0x80, fifth]);
        assert_eq!(violation(&outcome), Some(Violation::BadRemainingLength));
    }
    assert_eq!(violation(&fed(quiet(), &[0x30, 0xFF, 0xFF, 0xFF, 0xFF])), Some(Violation::BadRemainingLength));
}

/// Class 4. CVE-2024-10525, Paho C 563: the first of no codes is read.
#[test]
fn an_empty_list_is_not_indexed() {
    let features = Features::MESSAGES | Features::METHODS;
    for count in 0..5_u8 {
        let mut memory = Memory::default();
        let mut rig = memory.rig(Settings { features, ..quiet() });
        rig.connect(ACCEPTED);
        rig.sent();
        let answer = packet(0x90, &[&SUBSCRIBE_ID[..], &vec![0; count.into()]].concat());
        let expected = match count {
            0 => Some(Violation::WrongLength),
            2 => None,
            _ => Some(Violation::SubackCount),
        };
        assert_eq!(violation(&rig.feed(&answer)), expected, "{count} codes for two filters");
    }
    assert_eq!(violation(&fed(quiet(), &[0x90, 2, 0, 1])), Some(Violation::WrongLength), "nothing was asked for");
}

/// Class 5. azure-umqtt-c PR 97 and 175, CVE-2026-5857: bytes after an error go on where it left off.
#[test]
fn no_parser_state_survives_an_error() {
    let bad: [&[u8]; 4] = [
        &[0x30, 0x80, 0x80, 0x80, 0x80],
        &[0x30, 0x05, 0x00, 0xC8, b'A', b'A', b'A'],
        &[0x32, 0x06, 0x00, 0x01, b't', 0x00, 0x00, b'a'],
        &[0xF0],
    ];
    for input in bad {
        let mut memory = Memory::default();
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        let outcome = rig.feed_bytewise(input);
        let error = outcome.error.expect("it is bad");
        for more in [&[0x80; 4][..], b"A", &[0xD0, 0x00], &[0x40, 2, 0, 1], b""] {
            let again = rig.feed(more);
            assert_eq!((again.error, again.events.len()), (Some(error), 0), "told once, repeated, nothing is read");
            assert_eq!(rig.sent(), b"");
        }
        rig.sign_in(RESUMED);
        let message = publish(0x30, "t", None, b"whole");
        assert!(matches!(rig.feed(&message).events[..], [Seen::Unknown { .. }]), "as if nothing had been");
    }
}

/// Class 6. CVE-2026-44248 and its fix: a limit for one packet is held against all that are there.
#[test]
fn bytes_of_other_packets_are_not_counted() {
    let settings = Settings { max_packet: 64, packet_limit: 64, ..quiet() };
    let largest = publish(0x30, "t", None, &[b'x'; 59]);
    assert_eq!(largest.len(), 64);
    let many = [largest.clone(), [0xD0, 0x00].repeat(500), largest.repeat(3)].concat();
    let outcome = fed(settings, &many);
    assert_eq!((outcome.error, outcome.events.len()), (None, 4));
    let outcome = fed(settings, &[largest, publish(0x30, "t", None, &[b'x'; 60])].concat());
    assert_eq!(violation(&outcome), Some(Violation::TooLarge));
    assert!(matches!(outcome.events[..], [Seen::Unknown { .. }, Seen::Disconnected(_)]), "what came before is told");
}

/// Class 7. rumqttd PR 812: a packet of the other direction cannot come, so the code for it panics.
#[test]
fn packets_of_the_other_direction_are_refused() {
    let well_formed: [&[u8]; 10] = [
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01p",
        &[0x82, 6, 0, 1, 0, 1, b'p', 0],
        &[0xA2, 5, 0, 1, 0, 1, b'p'],
        &[0xC0, 0],
        &[0xE0, 0],
        &[0x50, 2, 0, 1],
        &[0x62, 2, 0, 1],
        &[0x70, 2, 0, 1],
        &[0x00, 0],
        &[0xF0, 0],
    ];
    for input in well_formed {
        let mut memory = Memory::default();
        let mut rig = memory.rig(Settings { features: Features::MESSAGES, ..quiet() });
        for state in [State::Connecting, State::Subscribing, State::Ready, State::Draining] {
            match state {
                State::Connecting => {
                    rig.connect_with(&ConnectOptions::default());
                    rig.sent();
                }
                State::Subscribing => rig.connect(ACCEPTED),
                _ => rig.sign_in(ACCEPTED),
            }
            if state == State::Draining {
                rig.send(b"not acknowledged");
                rig.sent();
                rig.client.disconnect(rig.now).unwrap();
            }
            assert_eq!(rig.client.state(), state);
            assert_eq!(violation(&rig.feed(&input[..1])), Some(Violation::ForbiddenType), "{input:02x?} in {state:?}");
            assert_eq!(rig.sent(), b"", "no answer");
        }
    }
}

/// Class 8. CVE-2025-10543, CVE-2021-22945, OpenBK 2230: a length is cut to 16 bits, or a packet is written in part.
#[test]
fn output_is_never_cut_short() {
    let prefix = "devices/dev1/messages/events/n=".len();
    for (len, fits) in [(65_535 - prefix, true), (65_536 - prefix, false), (65_536, false), (131_072, false)] {
        let mut memory = Memory::new(140_000, 2, 1);
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        let value = "v".repeat(len);
        let message = Telemetry { payload: b"body", properties: &[("n", &value)], ..Telemetry::default() };
        let sent = rig.client.send_telemetry(rig.now, &message);
        if fits {
            assert!(sent.is_ok());
            assert_eq!(rig.sent()[4..6], [0xFF, 0xFF], "the longest topic");
        } else {
            assert_eq!(sent, Err(UsageError::TopicTooLong { len: prefix + len }.into()));
            assert_eq!(rig.sent(), b"");
        }
    }
    // Sent in two parts, cut everywhere, it is the same packet, and after a cut it begins anew.
    let whole = {
        let mut memory = Memory::default();
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        rig.send(b"kept");
        rig.sent()
    };
    for part in 1..whole.len() {
        let mut memory = Memory::default();
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        rig.send(b"kept");
        assert_eq!(rig.lent(), whole);
        rig.confirm(part);
        assert_eq!(rig.lent(), whole[part..]);
        rig.cut();
        rig.sign_in(RESUMED);
        let again = rig.sent();
        assert_eq!((again[0], &again[1..]), (0x3A, &whole[1..]));
        assert_eq!(packets(&again).len(), 1);
    }
}

/// Class 9. CVE-2017-7651, CVE-2023-0809, azure-iot-sdk-c 945, NetX Duo PR 438: memory for what a peer claims.
#[test]
fn memory_does_not_grow_with_what_a_peer_claims() {
    let outcome = fed(quiet(), &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert_eq!(violation(&outcome), Some(Violation::TooLarge), "five bytes are enough to refuse 256 MiB");
    // Below the limit it waits, for a part that its buffer can hold.
    let outcome = fed(quiet(), &[0x30, 0xFF, 0xFF, 0x3E]);
    assert_eq!(outcome.error, None);
    assert!(outcome.needed <= quiet().max_packet as usize, "{}", outcome.needed);

    let mut memory = Memory::new(1024, 2, 2);
    let mut rig = memory.rig(quiet());
    let token = rig.send(b"kept");
    let free = rig.client.tx_free();
    for nth in 0..10_000 {
        rig.sign_in(if nth == 0 { ACCEPTED } else { RESUMED });
        assert_eq!(violation(&rig.feed(&[0x30, 0x01, 0x00])), Some(Violation::WrongLength));
        assert_eq!((rig.client.tx_free(), rig.client.pending().telemetry), (free, 1), "nothing leaks");
    }
    rig.sign_in(RESUMED);
    rig.sent();
    assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
}

/// Class 10. wolfMQTT 497, 502, 521, Paho C 1678, hand-written codecs: flags and codes that mean nothing are taken.
#[test]
fn flags_and_codes_are_checked() {
    for first in 0..=255_u8 {
        let known = matches!(first, 0x30..=0x33 | 0x3A | 0x3B | 0x40 | 0x90 | 0xB0 | 0xD0);
        assert_eq!(fed(quiet(), &[first]).error.is_none(), known, "{first:02x}");
    }
    for code in 0..=255_u8 {
        let mut memory = Memory::default();
        let mut rig = memory.rig(Settings { features: Features::MESSAGES, ..quiet() });
        rig.connect(ACCEPTED);
        rig.sent();
        let outcome = rig.feed(&packet(0x90, &[SUBSCRIBE_ID[0], SUBSCRIBE_ID[1], code]));
        match code {
            0..=2 => assert_eq!(outcome.events, [Seen::Ready(Features::NONE)]),
            0x80 => assert_eq!(outcome.events, [Seen::Ready(Features::MESSAGES)]),
            _ => assert_eq!(violation(&outcome), Some(Violation::BadSubackCode), "{code:02x}"),
        }
    }
    for (flags, code) in [(2, 0), (0x80, 0), (0xFF, 0), (0, 6), (0, 0x80), (1, 5)] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(quiet());
        rig.connect_with(&ConnectOptions::default());
        rig.sent();
        assert!(violation(&rig.feed(&[0x20, 2, flags, code])).is_some(), "{flags:02x} {code:02x}");
    }
}
