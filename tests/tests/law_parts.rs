//! Telemetry whose payload the application supplies in parts: on the wire it is the message that is sent whole.

use iothub_proto::error::{CapacityError, Error, PeerError, TimeoutReason, UsageError, Violation};
use iothub_proto::event::{DisconnectReason, Suspect, TelemetryToken, Withdrawn};
use iothub_proto::packet::QoS;
use iothub_proto::{Parts, Pending, Settings, State, Telemetry};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, packets, quiet};

mod common;
use common::{puback, publish};

fn payload(len: u32) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

fn message(qos: QoS) -> Telemetry<'static> {
    Telemetry { payload: b"head:", qos, properties: &[("room", "kitchen")], ..Telemetry::default() }
}

fn send(rig: &mut Rig<'_>, qos: QoS, parts: Parts) -> TelemetryToken {
    rig.client.send_telemetry_parts(rig.now, &message(qos), parts).expect("there is room")
}

/// The part that is wanted, if one is told.
fn wish(rig: &mut Rig<'_>) -> Option<(TelemetryToken, u32, u32)> {
    let waits = rig.client.has_event();
    let events = rig.drain().events;
    assert_eq!(waits, !events.is_empty(), "a driver asks before it sleeps");
    match events[..] {
        [] => None,
        [Seen::PartWanted(token, offset, room)] => Some((token, offset, room)),
        ref other => panic!("{other:?}"),
    }
}

fn supply(rig: &mut Rig<'_>, payload: &[u8], token: TelemetryToken, offset: u32, len: u32) {
    let part = &payload[offset as usize..(offset + len) as usize];
    rig.client.telemetry_part(rig.now, token, offset, part).expect("it is wanted");
}

/// Sends and supplies until nothing moves: `chunk` bytes at a time, parts of at most `part` bytes.
fn run(rig: &mut Rig<'_>, payload: &[u8], chunk: usize, part: u32) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        let lent = rig.lent();
        if !lent.is_empty() {
            assert!(!rig.client.has_event(), "a part is asked for when the one before has left");
            let count = chunk.min(lent.len());
            rig.confirm(count);
            sent.extend_from_slice(&lent[..count]);
        } else if let Some((token, offset, room)) = wish(rig) {
            assert!(rig.client.poll_transmit().is_none() && !rig.client.has_event(), "told once");
            supply(rig, payload, token, offset, room.min(part));
        } else {
            return sent;
        }
    }
}

#[test]
fn the_wire_has_the_whole_message() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        // Around every length of a fixed header, and rooms that the payload fits and does not.
        for len in [1, 2, 60, 61, 62, 90, 16_200, 16_310, 16_330, 16_350, 16_400] {
            let payload = payload(len);
            let whole = Telemetry { payload: &[b"head:", &payload[..]].concat(), ..message(qos) };
            let mut memory = Memory::new(20_000, 4, 4);
            let mut rig = memory.rig(quiet());
            rig.sign_in(ACCEPTED);
            rig.client.send_telemetry(rig.now, &whole).unwrap();
            let expected = rig.sent();
            for room in [1, 7, 64, 700, 20_000_u32] {
                let chunks = if len > 100 { [500, 20_000].to_vec() } else { [1, 2, 63, 500].to_vec() };
                for (chunk, part) in chunks.into_iter().flat_map(|chunk| [(chunk, 3), (chunk, 600), (chunk, u32::MAX)])
                {
                    if len > 100 && room.min(part) < 64 {
                        continue;
                    }
                    let mut memory = Memory::new(20_000, 4, 4);
                    let mut rig = memory.rig(quiet());
                    rig.sign_in(ACCEPTED);
                    let free = rig.client.tx_free();
                    let token = send(&mut rig, qos, Parts { len, room });
                    let taken = free - rig.client.tx_free();
                    assert!(taken >= (room.min(len)) as usize && taken < room.min(len) as usize + 100, "{taken}");
                    let sent = run(&mut rig, &payload, chunk, part);
                    assert!(sent == expected, "{len} bytes, room {room}, chunks {chunk}, parts {part}");
                    if qos == QoS::AtLeastOnce {
                        assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
                    }
                    assert_eq!((rig.client.pending(), rig.client.tx_free()), (Pending::default(), free));
                }
            }
        }
    }
}

#[test]
fn without_parts_it_is_an_ordinary_message() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    send(&mut rig, QoS::AtLeastOnce, Parts { len: 0, room: 500 });
    let sent = rig.sent();
    rig.client.send_telemetry(rig.now, &message(QoS::AtLeastOnce)).unwrap();
    let other = rig.sent();
    let id = sent.len() - b"head:".len() - 2;
    assert_eq!((&sent[..id], &sent[id + 2..]), (&other[..id], &other[id + 2..]));
}

/// Signed in, with a QoS 1 message of 100 bytes in parts of 40, `confirmed` whole parts of it sent.
fn half_sent<'m>(memory: &'m mut Memory, settings: Settings, parts: u32) -> (Rig<'m>, TelemetryToken) {
    let mut rig = memory.rig(settings);
    rig.sign_in(ACCEPTED);
    let token = send(&mut rig, QoS::AtLeastOnce, Parts { len: 100, room: 40 });
    rig.sent();
    for _ in 0..parts {
        let (token, offset, room) = wish(&mut rig).expect("one is wanted");
        supply(&mut rig, &payload(100), token, offset, room);
        rig.sent();
    }
    (rig, token)
}

#[test]
fn an_answer_to_no_wish_changes_nothing() {
    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
    let stale = Err(Error::Usage(UsageError::Stale));
    let now = rig.now;
    for (token, offset) in [(TelemetryToken::from_bits(token.to_bits() + 1), 40), (token, 0), (token, 41), (token, 80)]
    {
        let before = rig.snapshot();
        assert_eq!(rig.client.telemetry_part(now, token, offset, b"x"), stale);
        assert_eq!(rig.snapshot(), before);
    }
    let large = rig.client.telemetry_part(now, token, 40, &[0; 41]);
    assert_eq!(large, Err(CapacityError::TooLarge { needed: 41, capacity: 40 }.into()));
    assert_eq!(rig.client.telemetry_part(now, token, 40, b""), Ok(()));
    assert_eq!(wish(&mut rig), Some((token, 40, 40)), "still");
    let before = rig.snapshot();
    assert_eq!(rig.client.telemetry_part(now, token, 40, b""), Ok(()));
    assert_eq!((rig.snapshot(), wish(&mut rig)), (before, None), "told once");
    // It may come before it was asked for, and not while another is on its way.
    supply(&mut rig, &payload(100), token, 40, 40);
    assert_eq!(rig.client.telemetry_part(now, token, 80, b"x"), stale);
    rig.sent();
    supply(&mut rig, &payload(100), token, 80, 19);
    assert_eq!(wish(&mut rig), None);
    rig.sent();
    let large = rig.client.telemetry_part(now, token, 99, b"xy");
    assert_eq!(large, Err(CapacityError::TooLarge { needed: 2, capacity: 1 }.into()), "no more than its length");
    supply(&mut rig, &payload(100), token, 99, 1);
    rig.sent();
    assert_eq!(rig.client.telemetry_part(now, token, 100, b"x"), stale);
    assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
}

#[test]
fn what_is_lent_is_frozen_while_the_next_part_is_not_asked_for() {
    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
    supply(&mut rig, &payload(100), token, 40, 40);
    let lent = rig.lent();
    let place = rig.client.poll_transmit().unwrap().as_ptr();
    // Others are settled before and behind, so that memory moves.
    for n in 0..8 {
        let other = rig.client.send_telemetry(rig.now, &Telemetry { payload: &vec![n; 900], ..Telemetry::default() });
        let larger =
            rig.client.send_telemetry(rig.now, &Telemetry { payload: &vec![n; 1_200], ..Telemetry::default() });
        for token in [other, larger].into_iter().flatten() {
            rig.client.telemetry_withdraw(rig.now, token).unwrap();
        }
        let again = rig.client.poll_transmit().unwrap();
        assert_eq!((again.as_ptr(), again), (place, &lent[..]));
    }
    rig.confirm(lent.len());
    let rest = run(&mut rig, &payload(100), 7, 9);
    assert_eq!(rest, payload(100)[80..]);
}

#[test]
fn a_cut_at_every_byte_begins_it_anew() {
    let payload = payload(100);
    let parts = Parts { len: 100, room: 40 };
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    send(&mut rig, QoS::AtLeastOnce, parts);
    let expected = run(&mut rig, &payload, 500, 40);
    for cut in 0..=expected.len() {
        for (session, qos) in
            [ACCEPTED, RESUMED].into_iter().flat_map(|it| [(it, QoS::AtMostOnce), (it, QoS::AtLeastOnce)])
        {
            let mut memory = Memory::default();
            let mut rig = memory.rig(quiet());
            rig.sign_in(ACCEPTED);
            let free = rig.client.tx_free();
            let token = send(&mut rig, qos, parts);
            let mut left = cut;
            while left > 0 {
                let lent = rig.lent();
                let count = lent.len().min(left);
                rig.confirm(count);
                left -= count;
                if lent.is_empty() {
                    match wish(&mut rig) {
                        Some((token, offset, room)) => supply(&mut rig, &payload, token, offset, room),
                        None => break,
                    }
                }
            }
            rig.lent();
            assert_eq!(rig.cut().len(), 1);
            let stale = rig.client.telemetry_part(rig.now, token, 0, b"x");
            assert_eq!(stale, Err(UsageError::Stale.into()), "nothing is wanted offline");
            rig.sign_in(session);
            let again = run(&mut rig, &payload, 9, 33);
            if qos == QoS::AtMostOnce {
                assert_eq!(again, b"", "it may be lost, once lent");
            } else {
                let dup = if session == RESUMED { 0x08 } else { 0 };
                assert_eq!((again[0], &again[1..]), (expected[0] | dup, &expected[1..]), "cut after {cut}");
                assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
            }
            assert_eq!((rig.client.pending(), rig.client.tx_free()), (Pending::default(), free));
        }
    }
}

#[test]
fn nothing_interleaves_and_everything_follows() {
    let mut memory = Memory::default();
    let settings = Settings { features: iothub_proto::topic::Features::ALL_DEVICE, keep_alive: 20, ..quiet() };
    let (mut rig, token) = half_sent(&mut memory, settings, 1);
    assert_eq!(wish(&mut rig), Some((token, 40, 40)));
    rig.feed(&publish(0x32, "t", Some(9), b""));
    rig.client.twin_get(rig.now).unwrap();
    rig.send(b"behind");
    rig.pass(TimeoutReason::KeepAlive).unwrap();
    assert_eq!(rig.lent(), b"");
    supply(&mut rig, &payload(100), token, 40, 40);
    let rest = run(&mut rig, &payload(100), 500, 40);
    assert_eq!(rest[..60], payload(100)[40..]);
    let kinds: Vec<u8> = packets(&rest[60..]).iter().map(|packet| packet[0]).collect();
    assert_eq!(kinds, [0xc0, 0x40, 0x30, 0x32], "PINGREQ, PUBACK, twin request, telemetry");
}

#[test]
fn a_part_that_does_not_come_ends_the_connection_and_says_so() {
    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 0);
    let fatal = Error::TimedOut(TimeoutReason::Supply);
    for round in 0..4 {
        rig.sent();
        assert_eq!(wish(&mut rig), Some((token, 0, 40)));
        // Progress begins the time anew.
        rig.time(round * 500_000 + 40_000).unwrap();
        supply(&mut rig, &payload(100), token, 0, 40);
        assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::Send), "the transport's fault");
        rig.sent();
        assert_eq!(rig.pass(TimeoutReason::Supply), Err(fatal));
        let [Seen::PartWanted(..) | Seen::Disconnected(_), ..] = rig.drain().events[..] else { panic!() };
        assert_eq!((rig.client.state(), rig.lent()), (State::Failed, vec![]));
        // Not the hub's objection: no suspect, however often.
        rig.at((round + 1) * 500_000);
        rig.connect(RESUMED);
        assert_eq!(rig.client.state(), State::Ready);
    }
}

#[test]
fn the_hub_that_closes_over_it_is_told_with_its_name() {
    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 2);
    for cuts in 1..4 {
        let Some(Seen::Disconnected(end)) = rig.cut().pop() else { panic!() };
        assert_eq!(end.reason, DisconnectReason::TransportClosed);
        assert_eq!(end.suspect, (cuts >= 2).then_some(Suspect { token, cuts }));
        rig.sign_in(RESUMED);
        rig.sent();
        assert_eq!(wish(&mut rig), Some((token, 0, 40)));
    }
}

#[test]
fn withdrawn_it_is_not_sent_again_but_half_a_packet_goes_on() {
    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
    assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Ok(Withdrawn::MaybeSent));
    let rest = run(&mut rig, &payload(100), 11, 13);
    assert_eq!(rest, payload(100)[40..]);
    assert_eq!(rig.feed(&puback(1)).events, []);
    assert_eq!(rig.client.pending(), Pending::default());

    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
    rig.client.telemetry_withdraw(rig.now, token).unwrap();
    rig.cut();
    rig.sign_in(RESUMED);
    assert_eq!((rig.sent(), wish(&mut rig)), (vec![], None));

    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    let token = send(&mut rig, QoS::AtLeastOnce, Parts { len: 100, room: 40 });
    assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Ok(Withdrawn::Unsent));
    rig.sign_in(ACCEPTED);
    assert_eq!((rig.sent(), wish(&mut rig)), (vec![], None));
}

#[test]
fn a_polite_end_waits_for_the_parts() {
    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!((rig.lent(), rig.client.state()), (vec![], State::Draining));
    assert_eq!(run(&mut rig, &payload(100), 500, 40), payload(100)[40..]);
    assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
    assert_eq!(rig.sent(), [0xe0, 0]);
    assert_eq!(rig.client.state(), State::Offline);

    // If they do not come it is over without DISCONNECT, which cannot stand in a packet; if they come late, with it.
    for late in [false, true] {
        let mut memory = Memory::default();
        let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
        rig.client.disconnect(rig.now).unwrap();
        rig.pass(TimeoutReason::Drain).unwrap();
        assert_eq!((rig.lent(), rig.client.state()), (vec![], State::Closing));
        assert_eq!(wish(&mut rig), Some((token, 40, 40)));
        if late {
            supply(&mut rig, &payload(100), token, 40, 40);
            assert_eq!(rig.sent(), payload(100)[40..80]);
            supply(&mut rig, &payload(100), token, 80, 20);
            assert_eq!(rig.sent(), [&payload(100)[80..], &[0xe0, 0]].concat());
        } else {
            rig.pass(TimeoutReason::Close).unwrap();
        }
        assert_eq!(rig.client.state(), State::Offline);
        assert!(matches!(rig.drain().events[..], [Seen::Disconnected(_)]));
        assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [token], "kept for the next connection");
    }
}

#[test]
fn an_acknowledgement_of_half_a_message_is_the_hubs_mistake() {
    let mut memory = Memory::default();
    let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
    supply(&mut rig, &payload(100), token, 40, 40);
    for confirmed in [0, 40] {
        let mut memory = Memory::default();
        let (mut rig, token) = half_sent(&mut memory, quiet(), 1);
        supply(&mut rig, &payload(100), token, 40, 40);
        rig.lent();
        rig.confirm(confirmed);
        let outcome = rig.feed(&puback(1));
        let wrong = PeerError { kind: Violation::WrongAck, packet: 0x40, offset: 2 };
        assert_eq!(outcome.error, Some(wrong.into()));
    }
    // All of it is supplied, so it may have arrived before that was confirmed.
    rig.sent();
    supply(&mut rig, &payload(100), token, 80, 20);
    rig.lent();
    assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
    assert_eq!(rig.sent(), payload(100)[80..]);
    assert_eq!(rig.client.pending(), Pending::default());
}

#[test]
fn what_the_hub_would_not_take_is_refused_whole() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    let fits = 256 * 1024 - (b"head:".len() + "room".len() + "kitchen".len()) as u32;
    let send = |rig: &mut Rig<'_>, parts| rig.client.send_telemetry_parts(rig.now, &message(QoS::AtLeastOnce), parts);
    let before = rig.snapshot();
    let over = send(&mut rig, Parts { len: fits + 1, room: 40 });
    assert_eq!(over, Err(UsageError::MessageTooLarge { len: 256 * 1024 + 1, limit: 256 * 1024 }.into()));
    let Err(Error::Usage(UsageError::MessageTooLarge { .. })) = send(&mut rig, Parts { len: u32::MAX, room: u32::MAX })
    else {
        panic!()
    };
    let Err(Error::Capacity(CapacityError::TooLarge { needed, capacity })) =
        send(&mut rig, Parts { len: fits, room: fits })
    else {
        panic!()
    };
    assert!(needed > fits as usize && capacity < 4096);
    assert_eq!(rig.snapshot(), before);
    // A room of nothing is one byte.
    let token = send(&mut rig, Parts { len: fits, room: 0 }).unwrap();
    rig.sign_in(ACCEPTED);
    rig.sent();
    assert_eq!(wish(&mut rig), Some((token, 0, 1)));
}
