//! The same bytes in give the same events as with [`Client`](crate::Client), however they are cut, by either way into
//! the receive buffer, and for as long as the events are kept.

use super::device::publish;
use super::{NOW, transmit_all};
use crate::auth::Identity;
use crate::event::{Event, TelemetryToken};
use crate::{
    Client, Config, ConnectOptions, Inbound, OwnedClient, OwnedEvent, OwnedLimits, RxBytes, Settings, Slot, Storage,
    Telemetry,
};
use alloc::sync::Arc;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

const MAX_PACKET: u32 = 256;

fn config() -> Config<'static> {
    let mut config = Config::new(Identity::device("h", "d"));
    config.settings = Settings { max_packet: MAX_PACKET, ..config.settings };
    config
}

/// What the hub sends, in parts between which everything that waits is sent.
fn parts() -> [Vec<u8>; 3] {
    let messages = "devices/d/messages/devicebound/";
    let bag: String = messages.chars().chain("%24.mid=m-1&room=caf%C3%A9".chars()).collect();
    let long_topic: String = messages.chars().chain("x".repeat(300).chars()).collect();
    let rest = [
        publish("$iothub/twin/res/200/?$rid=s00000001", None, b"{\"desired\":{\"$version\":4},\"reported\":{}}"),
        publish(&bag, Some(11), b"first"),
        vec![0x40, 2, 0, 2],
        publish("$iothub/methods/POST/blink/?$rid=77", None, b"{\"on\":true}"),
        publish(&bag, None, b""),
        publish("$iothub/twin/PATCH/properties/desired/?$version=5", None, b"{\"a\":1,\"$version\":5}"),
        // Larger than the receive buffer: its payload, and then its topic.
        publish(&bag, Some(12), &[b'y'; 400]),
        publish(&long_topic, Some(13), &[b'z'; 10]),
        publish("$iothub/twin/res/429/?$rid=00010003", None, b"{\"errorCode\":429001}"),
        vec![0x40, 2, 0, 1, 0x40, 2, 0, 3],
        publish("some/other/topic", Some(14), b"?"),
        // Many at once: the window grows within one call.
        (20..40).flat_map(|id| publish(messages, Some(id), &[id as u8; 30])).collect(),
        vec![0xD0, 0],
        // The end: a packet that no hub sends.
        vec![0xF0, 0],
    ];
    [b"\x20\x02\x01\x00".to_vec(), vec![0x90, 6, 0xFF, 0xFF, 1, 1, 1, 1], rest.concat()]
}

fn telemetry(n: u8) -> Telemetry<'static> {
    const PAYLOADS: [&[u8]; 3] = [b"one", b"two", b"three"];
    Telemetry { payload: PAYLOADS[usize::from(n)], ..Telemetry::default() }
}

/// All that a client of fixed memory tells and sends.
fn expected(parts: &[Vec<u8>; 3]) -> (Vec<Event<'_>>, Vec<u8>) {
    let (mut tx, mut slots, mut inbound) = ([0; 8192], [Slot::EMPTY; 16], [Inbound::EMPTY; 64]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut client = Client::new(config(), storage).unwrap();
    let mut sent = vec![];
    let mut transmit = |client: &mut Client<'_>| {
        while let Some(bytes) = client.poll_transmit() {
            sent.extend_from_slice(bytes);
            let len = bytes.len();
            client.confirm_transmit(NOW, len).unwrap();
        }
    };
    (0..3).for_each(|n| assert!(client.send_telemetry(NOW, &telemetry(n)).is_ok()));
    client.twin_get(NOW).unwrap();
    client.connect(NOW, &ConnectOptions::default()).unwrap();
    let mut events = vec![];
    for part in parts {
        transmit(&mut client);
        let mut input = &part[..];
        while let Ok(handled) = client.handle_input(NOW, input) {
            input = &input[handled.consumed..];
            events.extend(handled.event);
            if handled.event.is_none() && handled.consumed == 0 {
                break;
            }
        }
    }
    transmit(&mut client);
    (events, sent)
}

/// One read: how many bytes, and whether into the buffer's own room.
type Read = (usize, bool);

/// The same with an owned client. Of the events, those are kept to the end whose turn `keep` says.
fn lived(parts: &[Vec<u8>; 3], reads: &[Read], keep: &[bool]) -> (Vec<OwnedEvent>, Vec<u8>) {
    let config = config();
    let limits = OwnedLimits { slots: 16, ..OwnedLimits::default() };
    let mut client = OwnedClient::new(&config.identity, Arc::new(config.settings), limits).unwrap();
    let mut rx = RxBytes::new(MAX_PACKET as usize + 64);
    (0..3).for_each(|n| assert!(client.send_telemetry(NOW, &telemetry(n)).is_ok()));
    client.twin_get(NOW).unwrap();
    client.connect(NOW, &ConnectOptions::default()).unwrap();
    let (mut sent, mut events) = (vec![], vec![]);
    let (mut reads, mut keep) = (reads.iter().cycle(), keep.iter().cycle());
    for part in parts {
        sent.extend(transmit_all(&mut client, NOW));
        let mut input = &part[..];
        loop {
            let outcome = loop {
                match client.poll_event(NOW, &mut rx) {
                    // A copy is equal, and what is not kept gives its memory back.
                    Ok(Some(event)) if *keep.next().unwrap() => events.push(event),
                    Ok(Some(event)) => events.push(OwnedEvent::from(event.as_event())),
                    outcome => break outcome,
                }
            };
            if input.is_empty() || outcome.is_err() {
                break;
            }
            let (len, into_room) = *reads.next().unwrap();
            let piece = &input[..len.min(input.len())];
            let taken = if into_room {
                let space = rx.space();
                assert!(!space.is_empty());
                let len = piece.len().min(space.len());
                space[..len].copy_from_slice(&piece[..len]);
                rx.commit(len);
                len
            } else {
                rx.receive(piece)
            };
            input = &input[taken..];
        }
    }
    sent.extend(transmit_all(&mut client, NOW));
    (events, sent)
}

#[test]
fn the_script_has_every_kind_of_event() {
    let parts = parts();
    let (events, _) = expected(&parts);
    let has = |wanted: fn(&Event<'_>) -> bool| assert!(events.iter().any(wanted), "{events:#?}");
    has(|event| matches!(event, Event::TwinDocument { token: None, .. }));
    has(|event| matches!(event, Event::Message(message) if message.token.is_some()));
    has(|event| matches!(event, Event::MethodCall { .. }));
    has(|event| matches!(event, Event::TwinDesired { unsynced: false, .. }));
    has(|event| matches!(event, Event::Skipped(skipped) if !skipped.topic.is_empty()));
    has(|event| matches!(event, Event::Skipped(skipped) if skipped.topic.is_empty()));
    has(|event| matches!(event, Event::RequestFailed { .. }));
    has(|event| matches!(event, Event::Unknown { .. }));
    has(|event| matches!(event, Event::Disconnected(_)));
    let acked = events.iter().filter(|event| matches!(event, Event::TelemetryAcked(TelemetryToken(_)))).count();
    let messages = events.iter().filter(|event| matches!(event, Event::Message(_))).count();
    assert_eq!((acked, messages), (3, 22));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_events_as_from_fixed_memory(
        reads in proptest::collection::vec((prop_oneof![1usize..8, 1usize..400], any::<bool>()), 1..40),
        keep in proptest::collection::vec(any::<bool>(), 1..20),
    ) {
        let parts = parts();
        let (events, sent) = expected(&parts);
        let (owned, owned_sent) = lived(&parts, &reads, &keep);
        let borrowed: Vec<_> = owned.iter().map(OwnedEvent::as_event).collect();
        prop_assert_eq!(borrowed, events);
        prop_assert_eq!(owned_sent, sent);
    }
}
