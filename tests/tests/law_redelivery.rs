//! Redelivery: when DUP is set, what is sent again, and which packet ids are used.

use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, Telemetry};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, packets, quiet};
use std::collections::BTreeSet;

mod common;
use common::{puback, sent_id};

#[test]
fn dup_is_set_if_and_only_if_a_byte_was_lent_before_in_this_session() {
    let firsts = |rig: &mut Rig<'_>| packets(&rig.sent()).iter().map(|packet| packet[0]).collect::<Vec<_>>();
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { send_window: 2, ..quiet() });
    for payload in [b"a", b"b", b"c"] {
        rig.send(payload);
    }
    rig.sign_in(ACCEPTED);
    assert_eq!(firsts(&mut rig), [0x32, 0x32], "the window");
    rig.cut();
    // Lent before: DUP. The third was not.
    rig.sign_in(RESUMED);
    assert_eq!(firsts(&mut rig), [0x3a, 0x3a]);
    rig.feed(&puback(1));
    assert_eq!(firsts(&mut rig), [0x32]);
    rig.cut();
    // The session is lost: no copy is a duplicate in the new one.
    rig.sign_in(ACCEPTED);
    assert_eq!(firsts(&mut rig), [0x32, 0x32]);
    rig.cut();
    // A new session of which no byte was lent, then that session.
    rig.sign_in(ACCEPTED);
    rig.cut();
    rig.sign_in(RESUMED);
    assert_eq!(firsts(&mut rig), [0x32, 0x32]);
    rig.cut();
    // A cut before CONNACK leaves the session as it is.
    rig.connect_with(&ConnectOptions::default());
    rig.sent();
    rig.cut();
    rig.sign_in(RESUMED);
    assert_eq!(firsts(&mut rig), [0x3a], "one at a time, after two cuts without a PUBACK");
}

#[test]
fn resent_oldest_first_and_once_and_never_what_was_acknowledged() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    for number in 0..6_u8 {
        rig.send(&[number]);
    }
    rig.sign_in(ACCEPTED);
    let sent = packets(&rig.sent());
    let ids: Vec<u16> = sent.iter().map(|packet| sent_id(packet)).collect();
    for out_of_order in [3, 0, 4] {
        assert!(matches!(rig.feed(&puback(ids[out_of_order])).events.as_slice(), [Seen::Acked(_)]));
    }
    assert_eq!(rig.sent(), b"", "no resend on a live connection");
    rig.send(&[6]);
    for _ in 0..2 {
        rig.cut();
        rig.sign_in(RESUMED);
        let again = packets(&rig.sent());
        let payloads: Vec<u8> = again.iter().map(|packet| *packet.last().unwrap()).collect();
        assert_eq!(payloads, [1, 2, 5, 6]);
        let again: Vec<u16> = again.iter().map(|packet| sent_id(packet)).collect();
        assert_eq!(again[..3], [ids[1], ids[2], ids[5]], "with their ids");
    }
}

#[test]
fn packet_ids_are_never_zero_nor_in_use_through_the_wrap() {
    for slots in [1, 2, 3, 7] {
        let mut memory = Memory::new(2048, slots, 1);
        let mut rig = memory.rig(Settings { features: Features::METHODS, ..quiet() });
        rig.sign_in(ACCEPTED);
        let mut open: Vec<u16> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut last_use = std::collections::HashMap::new();
        let mut closest = usize::MAX;
        for round in 0..70_000_usize {
            let token = rig.client.send_telemetry(rig.now, &Telemetry::default()).unwrap();
            let lent = rig.client.poll_transmit().unwrap();
            let (len, id) = (lent.len(), sent_id(lent));
            rig.client.confirm_transmit(rig.now, len).unwrap();
            assert!(id != 0 && id != u16::MAX && !open.contains(&id), "{id} in round {round}");
            if let Some(before) = last_use.insert(id, round) {
                closest = closest.min(round - before);
            }
            seen.insert(id);
            open.push(id);
            // Out of order, and always one slot free.
            if open.len() == slots {
                let acked = open.remove(round % slots);
                let is_told = rig.client.handle_input(rig.now, &puback(acked)).unwrap().event.is_some();
                assert!(is_told, "{token:?} {acked}");
            }
        }
        // Each slot has its own, of which there are as many as if slots were a power of two.
        assert!(seen.len() > 32_000, "{slots} slots use {} ids", seen.len());
        assert!(closest > 8_000, "{slots} slots: an id came back after {closest} messages");
    }
}

#[test]
fn a_subscribe_uses_an_id_no_message_has() {
    let mut memory = Memory::new(2048, 1, 1);
    let mut rig = memory.rig(Settings { features: Features::METHODS, ..quiet() });
    rig.send(b"");
    rig.connect(ACCEPTED);
    assert_eq!(rig.sent()[2..4], [0xff, 0xff]);
}
