//! Memory: any size either fails when the client is made or works, what is full is said exactly, and control never
//! waits for it.

use iothub_proto::auth::Identity;
use iothub_proto::error::{CapacityError, Error, Setting, TimeoutReason, UsageError};
use iothub_proto::event::TelemetryToken;
use iothub_proto::packet::QoS;
use iothub_proto::topic::Features;
use iothub_proto::{Config, ConnectOptions, Pending, Settings, State, Telemetry};
use iothub_tests::script::{ACCEPTED, IDENTITY, Memory, RESUMED, Rig, Seen, hex, packets, quiet, subscribe_filters};
use proptest::prelude::*;

mod common;
use common::{puback, publish};

const C2D: &str = "devices/dev1/messages/devicebound/";
const D2C: &str = "devices/dev1/messages/events/";
const METHOD: &str = "$iothub/methods/POST/blink/?$rid=7";

fn full() -> Settings {
    Settings { features: Features::ALL_DEVICE, twin_sync: true, ..Settings::default() }
}

/// A QoS 0 message whose packet has exactly `len` bytes; `None` if there is no such packet.
fn payload_of(len: usize) -> Option<Vec<u8>> {
    let body = |header: usize| len.checked_sub(header + 2 + D2C.len());
    let payload = [2, 3, 4].into_iter().filter_map(|header| Some((header, body(header)?)));
    let fits = |header: usize, payload: usize| match payload + 2 + D2C.len() {
        0..=127 => header == 2,
        128..=16_383 => header == 3,
        _ => header == 4,
    };
    payload.into_iter().find(|(header, payload)| fits(*header, *payload)).map(|(_, payload)| vec![b'x'; payload])
}

fn send_len(rig: &mut Rig<'_>, len: usize) -> Option<Result<TelemetryToken, Error>> {
    let payload = payload_of(len)?;
    let message = Telemetry { payload: &payload, qos: QoS::AtMostOnce, ..Telemetry::default() };
    Some(rig.client.send_telemetry(rig.now, &message))
}

/// What any client that could be made must be able to do, with whatever memory.
fn small_session(rig: &mut Rig<'_>, slots: usize, what: &str) {
    let token = "t".repeat(rig.client.config().identity.token_capacity(None));
    for connack in [ACCEPTED, RESUMED] {
        rig.connect_with(&ConnectOptions { password: Some(&token), ..Default::default() });
        assert_eq!(rig.sent()[0], 0x10, "{what}");
        rig.feed(&connack);
        let subscribe = rig.lent();
        assert_eq!(subscribe_filters(&subscribe).len(), 4, "{what}");
        rig.confirm(subscribe.len());
        assert_eq!(rig.feed(&hex("9006ffff01000000")).events, [Seen::Ready(Features::NONE)]);
        let get = rig.sent();
        assert!(String::from_utf8_lossy(&get).contains("$iothub/twin/GET/?$rid=s"), "{what}");
        let rid = String::from_utf8(get[get.len() - 9..].to_vec()).unwrap();
        let topic = format!("$iothub/twin/res/200/?$rid={rid}");
        let events = rig.feed(&publish(0x30, &topic, None, br#"{"desired":{"$version":1}}"#)).events;
        assert!(matches!(events.as_slice(), [Seen::Document { version: Some(1), .. }]), "{what}");
        let events = rig.feed(&publish(0x32, C2D, Some(7), b"m")).events;
        let [Seen::Message { token: Some(token), .. }] = events.as_slice() else { panic!("{what}: {events:?}") };
        rig.client.message_accept(rig.now, *token).unwrap();
        assert_eq!(rig.sent(), puback(7), "{what}");
        telemetry_and_twin(rig, slots, what);
        rig.pass(TimeoutReason::KeepAlive).unwrap();
        assert_eq!(rig.sent(), hex("c000"), "{what}");
        rig.feed(&hex("d000"));
        rig.client.disconnect(rig.now).unwrap();
        assert_eq!(rig.sent(), hex("e000"), "{what}");
        assert!(matches!(rig.drain().events.as_slice(), [Seen::Disconnected(_)]));
        assert_eq!(rig.client.pending(), Pending::default(), "{what}");
    }
}

/// A message and a twin request: sent, or refused for a reason that is true.
fn telemetry_and_twin(rig: &mut Rig<'_>, slots: usize, what: &str) {
    let free = rig.client.tx_free();
    let refused = |error: Error, needed: usize| match error {
        Error::Capacity(CapacityError::SlotsFull) => assert_eq!(slots, 0, "{what}"),
        Error::Capacity(CapacityError::TooLarge { needed: told, capacity }) => {
            assert_eq!((told, capacity), (needed, free), "{what}");
            assert!(needed > free, "{what}");
        }
        other => panic!("{what}: {other:?}"),
    };
    match rig.client.send_telemetry(rig.now, &Telemetry { payload: b"t", ..Telemetry::default() }) {
        Ok(token) => {
            let sent = rig.sent();
            let id = u16::from_be_bytes([sent[4 + D2C.len()], sent[5 + D2C.len()]]);
            assert_eq!(sent, publish(0x32, D2C, Some(id), b"t"));
            assert_eq!(rig.feed(&puback(id)).events, [Seen::Acked(token)], "{what}");
        }
        Err(error) => refused(error, publish(0x32, D2C, Some(1), b"t").len()),
    }
    match rig.client.twin_get(rig.now) {
        Ok(token) => {
            rig.sent();
            let topic = format!("$iothub/twin/res/404/?$rid={:08x}", token.to_bits());
            assert!(matches!(rig.feed(&publish(0x30, &topic, None, b"")).events.as_slice(), [Seen::RequestFailed(..)]));
        }
        Err(error) => refused(error, publish(0x30, "$iothub/twin/GET/?$rid=00010000", None, b"").len()),
    }
}

#[test]
fn every_size_of_memory_fails_cleanly_or_works() {
    let (mut smallest, mut made) = (0, 0);
    for tx in 0..=3_000 {
        // Every number of slots for small sizes, where it matters; then in turn.
        let slots = if tx % 5 == 0 || (400..700).contains(&tx) { 0..=4 } else { tx % 5..=tx % 5 };
        for slots in slots {
            let inbound = tx % 3 + 1;
            let what = format!("{tx} bytes, {slots} slots, {inbound} inbound");
            let mut memory = Memory::new(tx, slots, inbound);
            match memory.try_rig(Config { identity: IDENTITY, settings: full() }) {
                Err(Error::Capacity(CapacityError::TooLarge { needed, capacity })) => {
                    assert_eq!(capacity, tx, "{what}");
                    assert!(needed >= tx && made == 0, "{what}: needs {needed}");
                    smallest = needed + 1;
                }
                Err(other) => panic!("{what}: {other:?}"),
                Ok(mut rig) => {
                    assert!(tx >= smallest, "{what}");
                    small_session(&mut rig, slots, &what);
                    made += 1;
                }
            }
        }
    }
    assert!(smallest < 700 && made > 3_000, "from {smallest} bytes on, {made} clients");
}

#[test]
fn no_inbound_entry_and_more_slots_than_packet_ids_are_refused() {
    let config = Config { identity: IDENTITY, settings: quiet() };
    let error = |mut memory: Memory| memory.try_rig(config).map(drop).unwrap_err();
    assert_eq!(error(Memory::new(1000, 1, 0)), UsageError::BadSetting(Setting::Inbound).into());
    assert_eq!(error(Memory::new(1000, 65_535, 1)), UsageError::BadSetting(Setting::Slots).into());
    assert!(Memory::new(1000, 65_534, 65_535).try_rig(config).is_ok());
    assert_eq!(error(Memory::new(1000, 1, 65_536)), UsageError::BadSetting(Setting::Inbound).into());
}

#[test]
fn settings_out_of_range_are_refused_and_at_their_ends_are_not() {
    let ok = |settings: Settings| {
        let mut memory = Memory::default();
        memory.try_rig(Config { identity: IDENTITY, settings }).map(drop)
    };
    let bad = |setting| Err(UsageError::BadSetting(setting).into());
    assert_eq!(ok(Settings { keep_alive: 1_177, ..quiet() }), Ok(()));
    assert_eq!(ok(Settings { keep_alive: 1_178, ..quiet() }), bad(Setting::KeepAlive));
    assert_eq!(ok(Settings { max_packet: 64, packet_limit: 64, ..quiet() }), Ok(()));
    assert_eq!(ok(Settings { max_packet: 63, ..quiet() }), bad(Setting::MaxPacket));
    assert_eq!(ok(Settings { max_packet: 65, packet_limit: 64, ..quiet() }), bad(Setting::MaxPacket));
    assert_eq!(ok(Settings { packet_limit: 268_435_460, ..quiet() }), Ok(()));
    assert_eq!(ok(Settings { packet_limit: 268_435_461, ..quiet() }), bad(Setting::PacketLimit));
    assert_eq!(ok(Settings { send_window: 0, ..quiet() }), bad(Setting::SendWindow));
    assert_eq!(ok(Settings { features: Features::INPUTS, ..quiet() }), Err(UsageError::WrongIdentity.into()));
    let mut memory = Memory::default();
    let module = Identity::module("contoso.azure-devices.net", "dev1", "mod1");
    let settings = Settings { features: Features::MESSAGES, ..quiet() };
    assert_eq!(memory.try_rig(Config { identity: module, settings }).map(drop), Err(UsageError::WrongIdentity.into()));
}

#[test]
fn free_is_exact_in_an_empty_arena_of_any_size() {
    for tx in 500..900 {
        let mut memory = Memory::new(tx, 2, 1);
        let mut rig = memory.rig(quiet());
        let free = rig.client.tx_free();
        assert!(free > 0);
        if payload_of(free + 1).is_some() {
            let outcome = send_len(&mut rig, free + 1).unwrap();
            assert_eq!(outcome, Err(CapacityError::TooLarge { needed: free + 1, capacity: free }.into()), "{tx}");
        }
        if let Some(outcome) = send_len(&mut rig, free) {
            assert!(outcome.is_ok(), "{tx}: {outcome:?}");
            assert_eq!(rig.client.tx_free(), 0);
            rig.sign_in(ACCEPTED);
            assert_eq!(rig.sent().len(), free);
        }
    }
}

#[test]
fn slots_run_out_before_bytes_and_come_back() {
    for slots in 0..4 {
        let mut memory = Memory::new(4096, slots, 1);
        let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
        let tokens: Vec<_> = (0..slots).map(|_| rig.send(b"x")).collect();
        let slots_full = Err(CapacityError::SlotsFull.into());
        assert_eq!(rig.client.send_telemetry(rig.now, &Telemetry::default()), slots_full);
        assert_eq!(rig.client.twin_get(rig.now).map(drop), Err(CapacityError::SlotsFull.into()));
        for token in tokens {
            rig.client.telemetry_withdraw(rig.now, token).unwrap();
            assert!(rig.client.twin_get(rig.now).is_ok());
        }
    }
}

/// Fills every slot and every byte that telemetry can fill.
fn fill(rig: &mut Rig<'_>) {
    while let Ok(_) | Err(Error::Capacity(CapacityError::TxFull { .. })) =
        rig.client.send_telemetry(rig.now, &Telemetry { payload: &[b'x'; 40], ..Telemetry::default() })
    {
        let free = rig.client.tx_free();
        if free < publish(0x32, D2C, Some(1), &[b'x'; 40]).len() {
            break;
        }
    }
    while rig.client.send_telemetry(rig.now, &Telemetry::default()).is_ok() {}
}

#[test]
fn a_full_arena_never_blocks_control() {
    // Full of bytes, or of slots; before sign-in, or while ready.
    for (tx, slots) in [(900, 64), (4_096, 3)] {
        let mut memory = Memory::new(tx, slots, 2);
        let mut rig = memory.rig(full());
        fill(&mut rig);
        let queued = rig.client.pending().telemetry;
        assert!(rig.client.send_telemetry(rig.now, &Telemetry::default()).is_err());
        rig.connect_with(&ConnectOptions { password: Some("secret"), ..Default::default() });
        assert_eq!(rig.sent()[0], 0x10);
        rig.feed(&ACCEPTED);
        let events = rig.feed(&publish(0x32, C2D, Some(9), b"m")).events;
        let [Seen::Message { token: Some(token), .. }] = events.as_slice() else { panic!("{events:?}") };
        rig.client.message_accept(rig.now, *token).unwrap();
        let sent = packets(&rig.sent());
        assert_eq!((sent.len(), sent[0][0], &sent[1]), (2, 0x82, &puback(9)));
        rig.feed(&hex("9006ffff01000000"));
        let get = rig.lent();
        assert!(String::from_utf8_lossy(&get).contains("$iothub/twin/GET/"));
        rig.confirm(get.len());
        // Telemetry drains; nothing is acknowledged, so the arena stays full.
        let sent = packets(&rig.sent());
        assert_eq!(sent.len(), usize::from(queued));
        assert!(rig.client.send_telemetry(rig.now, &Telemetry::default()).is_err());
        let input = [publish(0x32, C2D, Some(10), b"m"), publish(0x32, "t", Some(11), b"")].concat();
        let events = rig.feed(&input).events;
        let [Seen::Message { token: Some(token), .. }, Seen::Unknown { .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        rig.client.message_accept(rig.now, *token).unwrap();
        assert_eq!(rig.sent(), [puback(10), puback(11)].concat());
        rig.client.subscribe(rig.now, Features::METHODS).unwrap();
        rig.cut();
        rig.sign_in(RESUMED);
        assert_eq!(packets(&rig.sent()).len(), 1 + usize::from(queued));
        rig.client.disconnect(rig.now).unwrap();
        rig.client.disconnect(rig.now).unwrap();
        assert_eq!(rig.sent(), hex("e000"));
        assert_eq!(rig.client.pending().telemetry, queued, "kept");
    }
}

#[test]
fn a_ping_leaves_although_the_arena_is_full() {
    let mut memory = Memory::new(700, 64, 2);
    let mut rig = memory.rig(Settings { keep_alive: 60, ..quiet() });
    rig.sign_in(ACCEPTED);
    fill(&mut rig);
    rig.sent();
    rig.pass(TimeoutReason::KeepAlive).unwrap();
    assert_eq!(rig.sent(), hex("c000"));
}

#[test]
fn a_method_answer_without_room_changes_nothing_and_fits_later() {
    let mut memory = Memory::new(4_096, 1, 2);
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    let token = rig.send(b"x");
    rig.sent();
    let events = rig.feed(&publish(0x30, METHOD, None, b"")).events;
    let [Seen::Method { request, .. }] = events.as_slice() else { panic!("{events:?}") };
    let full = Err(CapacityError::SlotsFull.into());
    assert_eq!(rig.client.method_respond(rig.now, request, 200, b""), full);
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
    assert_eq!(rig.client.state(), State::Draining, "the method is unanswered");
    rig.client.method_respond(rig.now, request, 200, b"").unwrap();
    assert_eq!(rig.sent(), [publish(0x30, "$iothub/methods/res/200/?$rid=7", None, b""), hex("e000")].concat());
}

#[test]
fn a_full_inbound_window_reports_messages_and_input_goes_on() {
    for inbound in 1..=3_usize {
        let mut memory = Memory::new(1_000, 1, inbound);
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        let mut tokens = Vec::new();
        for id in 1..=5_u16 {
            let events = rig.feed(&publish(0x32, C2D, Some(id), &[id as u8])).events;
            match events.as_slice() {
                [Seen::Message { token: Some(token), .. }] if usize::from(id) <= inbound => tokens.push(*token),
                [Seen::Left(payload)] if usize::from(id) > inbound => assert_eq!(*payload, [id as u8]),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(
            rig.feed(&publish(0x30, C2D, None, b"")).events.as_slice(),
            [Seen::Message { token: None, .. }]
        ));
        // Decided out of order, acknowledged in order of delivery.
        for token in tokens.iter().skip(1) {
            rig.client.message_accept(rig.now, *token).unwrap();
        }
        assert_eq!(rig.sent(), b"", "the first holds the later ones");
        rig.client.message_accept(rig.now, tokens[0]).unwrap();
        assert_eq!(rig.sent(), (1..=inbound as u16).flat_map(puback).collect::<Vec<_>>());
        assert!(matches!(
            rig.feed(&publish(0x32, C2D, Some(6), b"")).events.as_slice(),
            [Seen::Message { token: Some(_), .. }]
        ));
    }
}

#[test]
fn many_acknowledgements_leave_in_order_whatever_their_number() {
    let mut memory = Memory::new(1_000, 1, 64);
    let mut rig = memory.rig(Settings { auto_accept: true, keep_alive: 60, ..quiet() });
    rig.sign_in(ACCEPTED);
    let input: Vec<u8> = (1..=50).flat_map(|id| publish(0x32, C2D, Some(id), b"")).collect();
    rig.time(45_000).unwrap();
    assert_eq!(rig.feed(&input).events.len(), 50);
    let expected: Vec<u8> = (1..=50).flat_map(puback).collect();
    assert_eq!(rig.sent(), [hex("c000"), expected].concat());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A packet of `free` bytes fits and one byte more does not, whatever holes and lends there are.
    #[test]
    fn free_is_exact_whatever_is_in_the_arena(
        tx in 450..1_400_usize,
        steps in prop::collection::vec((0..4_u8, 0..160_usize), 1..50),
    ) {
        let mut memory = Memory::new(tx, 12, 1);
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        let capacity = rig.client.tx_free();
        let mut open: Vec<(TelemetryToken, Vec<u8>)> = Vec::new();
        for (step, number) in steps {
            match step {
                0 | 1 => {
                    let payload = vec![number as u8; number];
                    let free = rig.client.tx_free();
                    let needed = publish(0x32, D2C, Some(1), &payload).len();
                    match rig.client.send_telemetry(rig.now, &Telemetry { payload: &payload, ..Telemetry::default() }) {
                        Ok(token) => {
                            prop_assert!(needed <= free);
                            open.push((token, payload));
                        }
                        Err(Error::Capacity(CapacityError::SlotsFull)) => prop_assert_eq!(open.len(), 12),
                        Err(error) => {
                            let expected = if needed > capacity {
                                CapacityError::TooLarge { needed, capacity }
                            } else {
                                CapacityError::TxFull { needed, free }
                            };
                            prop_assert_eq!(error, expected.into());
                            prop_assert!(needed > free);
                        }
                    }
                }
                2 if !open.is_empty() => {
                    let (token, _) = open.remove(number % open.len());
                    rig.client.telemetry_withdraw(rig.now, token).unwrap();
                    // A cut frees the slot of one that was sent.
                    rig.cut();
                    rig.sign_in(RESUMED);
                }
                _ => {
                    let lent = rig.lent().len();
                    rig.confirm((number / 8).min(lent.saturating_sub(1)));
                }
            }
            // Exactness, on a copy in time: what is queued for the test is taken back at once.
            let free = rig.client.tx_free();
            if open.len() < 12 && payload_of(free).is_some() {
                let token = send_len(&mut rig, free).unwrap();
                prop_assert!(token.is_ok(), "{} bytes are free: {:?}", free, token);
                rig.client.telemetry_withdraw(rig.now, token.unwrap()).unwrap();
            }
            if open.len() < 12 && payload_of(free + 1).is_some() {
                let refused = send_len(&mut rig, free + 1).unwrap();
                let is_full = matches!(refused, Err(Error::Capacity(CapacityError::TxFull { .. } | CapacityError::TooLarge { .. })));
                prop_assert!(is_full, "{} bytes are free: {:?}", free, refused);
            }
        }
        // Nothing of all that sliding has damaged a packet.
        rig.cut();
        rig.sign_in(RESUMED);
        let mut payloads = Vec::new();
        for _ in 0..20 {
            for packet in packets(&rig.sent()) {
                let header = if packet.len() - 2 <= 127 { 2 } else { 3 };
                let id_at = header + 2 + D2C.len();
                payloads.push(packet[id_at + 2..].to_vec());
                rig.feed(&puback(u16::from_be_bytes([packet[id_at], packet[id_at + 1]])));
            }
        }
        let expected: Vec<_> = open.into_iter().map(|(_, payload)| payload).collect();
        prop_assert_eq!(payloads, expected);
    }
}
