//! Telemetry on a good day: many messages, little memory, second thoughts.

use std::collections::BTreeSet;

use iothub_proto::error::{CapacityError, Error, UsageError};
use iothub_proto::event::{TelemetryToken, Withdrawn};
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::SystemProperties;
use iothub_proto::{Client, Telemetry};
use iothub_tests::hub::codec::Packet;
use iothub_tests::link::{Break, Rng};
use iothub_tests::pair::{Pair, Seen, Setup, is_over};

const STALE: Error = Error::Usage(UsageError::Stale);

fn is_acked(seen: &Seen) -> bool {
    matches!(seen, Seen::Acked(_))
}

fn acked(pair: &Pair) -> Vec<TelemetryToken> {
    pair.seen().iter().filter_map(|(_, seen)| if let Seen::Acked(token) = seen { Some(*token) } else { None }).collect()
}

/// Payloads of the QoS 1 messages lent on connection `connection`.
fn lent(pair: &Pair, connection: u32) -> Vec<&[u8]> {
    let sent = pair.sent().iter().filter(|sent| sent.connection == connection);
    sent.filter_map(|sent| sent.telemetry().map(|(payload, _)| payload)).collect()
}

fn arrived(pair: &mut Pair) -> Vec<Vec<u8>> {
    pair.hub.take_telemetry().into_iter().map(|telemetry| telemetry.payload).collect()
}

fn unacked(pair: &Pair) -> Vec<TelemetryToken> {
    pair.client.unacked().collect()
}

fn send_at_0(pair: &mut Pair, payload: &[u8]) -> TelemetryToken {
    let message = Telemetry { payload, qos: QoS::AtMostOnce, ..Telemetry::default() };
    pair.client.send_telemetry(pair.now(), &message).unwrap()
}

/// A payload with which the QoS 1 packet of `dev1` has exactly `len` bytes; `None` if no packet has.
fn filling(len: usize) -> Option<Vec<u8>> {
    let topic = "devices/dev1/messages/events/".len();
    (2..=5).find_map(|header| {
        let payload = vec![0x55; len.checked_sub(header + 2 + topic + 2)?];
        let remaining = len - header;
        let digits = [128, 16_384, 2_097_152].iter().filter(|limit| remaining >= **limit).count() + 1;
        (header == 1 + digits).then_some(payload)
    })
}

fn try_send(client: &mut Client<'static>, now: Instant, payload: &[u8]) -> Result<TelemetryToken, Error> {
    client.send_telemetry(now, &Telemetry { payload, ..Telemetry::default() })
}

#[test]
fn a_thousand_messages_with_properties_arrive_and_are_acknowledged() {
    let mut pair = Setup::device().memory(4_096, 16, 4).link(300, (5, 40)).start();
    pair.sign_in();
    let (mut tokens, mut full) = (Vec::new(), 0);
    while tokens.len() < 1_000 {
        let number = tokens.len().to_string();
        let message = Telemetry {
            payload: number.as_bytes(),
            system: &SystemProperties { content_type: Some("application/json"), ..SystemProperties::default() },
            properties: &[("number", number.as_str()), ("größe & maß", "50% = ½")],
            ..Telemetry::default()
        };
        match pair.client.send_telemetry(pair.now(), &message) {
            Ok(token) => tokens.push(token),
            Err(Error::Capacity(CapacityError::SlotsFull | CapacityError::TxFull { .. })) => {
                full += 1;
                let before = pair.count(is_acked);
                pair.run_until("more room", |pair| pair.count(is_acked) > before);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    pair.run_until("all acknowledged", |pair| pair.client.pending().telemetry == 0);
    assert!(full > 50, "the memory is too small for all of them: {full}");
    assert_eq!(acked(&pair), tokens);
    assert_eq!(tokens.iter().map(|token| token.to_bits()).collect::<BTreeSet<_>>().len(), 1_000);
    for (number, telemetry) in pair.hub.take_telemetry().iter().enumerate() {
        let number = number.to_string();
        assert_eq!(telemetry.payload, number.as_bytes());
        let wanted = [("$.ct", "application/json"), ("number", number.as_str()), ("größe & maß", "50% = ½")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        assert_eq!(telemetry.properties, wanted);
        assert!(!telemetry.dup && !telemetry.retain && telemetry.qos == 1);
    }
}

#[test]
fn packet_ids_are_not_reused_while_the_hub_owes_an_acknowledgement() {
    // More messages than there are ids: they go round, and the hub would object to one in use.
    let mut pair = Setup::sensor().memory(8_192, 60, 1).start();
    pair.sign_in();
    pair.hub.faults.puback_delay = Duration::from_millis(7);
    for number in 0..70_000_u32 {
        pair.send(&number.to_be_bytes());
        if number % 60 == 59 {
            pair.run_until("acknowledged", |pair| pair.client.pending().telemetry == 0);
            pair.take_seen();
        }
    }
    pair.run_until("acknowledged", |pair| pair.client.pending().telemetry == 0);
    let ids: BTreeSet<u16> = pair.hub.take_telemetry().iter().filter_map(|telemetry| telemetry.packet_id).collect();
    assert!(ids.len() > 61_000, "60 of every 64 are used: {}", ids.len());
}

#[test]
fn the_list_of_unacknowledged_messages_is_by_age_and_shrinks() {
    let mut pair = Setup::sensor().start();
    let mut tokens: Vec<_> = (0..5_u8).map(|number| pair.send(&[number])).collect();
    assert_eq!(unacked(&pair), tokens, "offline");
    pair.hub.faults.puback_delay = Duration::from_millis(500);
    pair.sign_in();
    pair.run_for(Duration::from_millis(100));
    tokens.push(pair.send(b"later"));
    assert_eq!(unacked(&pair), tokens, "sent");
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), tokens.remove(2)), Ok(Withdrawn::MaybeSent));
    assert_eq!(unacked(&pair), tokens, "one is withdrawn");
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(unacked(&pair), tokens, "cut");
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    assert_eq!((unacked(&pair), acked(&pair)), (vec![], tokens));
}

#[test]
fn at_qos_0_a_message_is_gone_when_it_is_sent() {
    let mut pair = Setup::sensor().start();
    let before = send_at_0(&mut pair, b"offline");
    assert_eq!((pair.client.pending().telemetry, unacked(&pair)), (1, vec![]), "nobody will acknowledge it");
    pair.connect();
    pair.run_for(Duration::from_millis(5));
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    // No byte of it was lent: it is still there.
    assert_eq!(pair.client.pending().telemetry, 1);
    pair.sign_in();
    assert_eq!(pair.client.pending().telemetry, 0);
    pair.run_for(Duration::from_millis(100));
    send_at_0(&mut pair, b"online");
    pair.run_for(Duration::from_millis(5));
    pair.cut(Break::Close);
    pair.run_until("over again", |pair| pair.count(is_over) == 2);
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    // The second was sent, lost under way, and is not sent again.
    assert_eq!(arrived(&mut pair), [b"offline"]);
    assert!(!pair.has(is_acked));
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), before), Err(STALE));
}

#[test]
fn at_qos_0_a_half_sent_message_is_not_begun_again() {
    let mut pair = Setup::sensor().start();
    pair.link.capacity = 400;
    pair.sign_in();
    send_at_0(&mut pair, &[1; 1_000]);
    send_at_0(&mut pair, b"behind it");
    pair.run_for(Duration::ZERO);
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(pair.client.pending().telemetry, 1, "the one behind it is kept");
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(arrived(&mut pair), [b"behind it"]);
}

#[test]
fn both_qualities_of_service_keep_their_common_order() {
    let mut pair = Setup::sensor().start();
    for number in 0..10_u8 {
        if number % 3 == 0 {
            pair.send(&[number]);
        } else {
            send_at_0(&mut pair, &[number]);
        }
    }
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(arrived(&mut pair).concat(), (0..10).collect::<Vec<u8>>());
}

#[test]
fn a_message_that_is_withdrawn_before_it_is_sent_never_was() {
    let mut pair = Setup::sensor().start();
    let [first, second, third] = [b"1", b"2", b"3"].map(|payload| pair.send(payload));
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), second), Ok(Withdrawn::Unsent));
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), second), Err(STALE));
    let fourth = pair.send(b"4");
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    assert_eq!((arrived(&mut pair).concat(), acked(&pair)), (b"134".to_vec(), vec![first, third, fourth]));
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), first), Err(STALE), "it is acknowledged");
}

#[test]
fn a_message_that_is_withdrawn_while_it_is_sent_goes_out_whole_and_unheard() {
    let mut pair = Setup::sensor().start();
    pair.link.capacity = 300;
    pair.sign_in();
    let large = pair.send(&[7; 2_000]);
    let next = pair.send(b"next");
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), large), Ok(Withdrawn::MaybeSent));
    assert_eq!((unacked(&pair), pair.client.pending().telemetry), (vec![next], 1));
    pair.run_for(Duration::from_secs(1));
    // Its frame is whole (law 11), and nothing is said of its PUBACK.
    assert_eq!(arrived(&mut pair), [vec![7; 2_000], b"next".to_vec()]);
    assert_eq!((acked(&pair), pair.client.pending().telemetry, pair.client.strays()), (vec![next], 0, 0));
}

#[test]
fn a_half_sent_message_that_is_withdrawn_is_not_begun_again() {
    let mut pair = Setup::sensor().start();
    pair.link.capacity = 300;
    pair.sign_in();
    let large = pair.send(&[7; 2_000]);
    pair.run_for(Duration::from_millis(1));
    pair.client.telemetry_withdraw(pair.now(), large).unwrap();
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(pair.client.pending().telemetry, 0);
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    assert!(arrived(&mut pair).is_empty());
}

#[test]
fn a_message_that_is_withdrawn_after_it_was_sent_is_not_sent_again() {
    let mut pair = Setup::sensor().start();
    pair.hub.faults.drop_pubacks = 2;
    pair.sign_in();
    let [first, second] = [b"1", b"2"].map(|payload| pair.send(payload));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), first), Ok(Withdrawn::MaybeSent));
    assert_eq!(pair.client.telemetry_withdraw(pair.now(), first), Err(STALE));
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    // A message that waits to be sent again may be with the hub already.
    let third = pair.send(b"3");
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    assert_eq!((lent(&pair, 2).concat(), acked(&pair)), (b"23".to_vec(), vec![second, third]));
}

#[test]
fn a_message_that_waits_to_be_sent_again_may_be_with_the_hub() {
    for forget in [false, true] {
        let mut pair = Setup::device().start();
        pair.hub.faults.drop_pubacks = 1;
        pair.sign_in();
        let token = pair.send(b"1");
        pair.run_for(Duration::from_secs(1));
        pair.cut(Break::Close);
        pair.run_until("over", |pair| pair.has(is_over));
        if forget {
            // A new session knows of no duplicate, but the message may be stored all the same.
            pair.run_for(Duration::from_secs(1));
            pair.hub.restart(false);
            pair.connect();
            let fresh = Seen::Connected { session_present: false };
            pair.run_until("connected", |pair| pair.count(|seen| *seen == fresh) == 2);
        }
        assert_eq!(pair.client.telemetry_withdraw(pair.now(), token), Ok(Withdrawn::MaybeSent), "{forget}");
        assert_eq!((pair.client.pending().telemetry, unacked(&pair)), (0, vec![]));
    }
}

#[test]
fn no_more_messages_are_under_way_than_the_window_allows() {
    for window in [1, 2, 5] {
        let mut pair = Setup::sensor().settings(|settings| settings.send_window = window).start();
        pair.hub.faults.puback_delay = Duration::from_millis(50);
        for number in 0..12_u8 {
            pair.send(&[number]);
        }
        pair.connect();
        pair.run_until("all acknowledged", |pair| pair.count(is_acked) == 12);
        let acked: Vec<Instant> = pair.seen().iter().filter(|(_, seen)| is_acked(seen)).map(|(at, _)| *at).collect();
        let lent: Vec<Instant> =
            pair.sent().iter().filter(|sent| sent.telemetry().is_some()).map(|sent| sent.at).collect();
        assert_eq!(lent.len(), 12);
        for (index, at) in lent.iter().enumerate().skip(usize::from(window)) {
            assert!(*at >= acked[index - usize::from(window)], "window {window}, message {index}");
        }
        assert_eq!(lent.iter().filter(|at| **at < acked[0]).count(), usize::from(window), "and it is used");
    }
}

#[test]
fn qos_0_does_not_wait_for_the_window_but_for_its_turn() {
    let mut pair = Setup::sensor().settings(|settings| settings.send_window = 1).start();
    pair.sign_in();
    pair.hub.faults.puback_delay = Duration::from_secs(1);
    pair.send(b"1");
    send_at_0(&mut pair, b"2");
    pair.send(b"3");
    send_at_0(&mut pair, b"4");
    pair.run_for(Duration::from_millis(500));
    assert_eq!(arrived(&mut pair).concat(), b"12");
    pair.run_for(Duration::from_secs(5));
    assert_eq!(arrived(&mut pair).concat(), b"34");
}

#[test]
fn a_message_as_large_as_the_memory_fits_and_one_byte_more_never_does() {
    let mut pair = Setup::sensor().memory(2_000, 4, 1).start();
    let free = pair.client.tx_free();
    let now = pair.now();
    let larger = filling(free + 1).unwrap();
    let error = Error::Capacity(CapacityError::TooLarge { needed: free + 1, capacity: free });
    assert_eq!(try_send(&mut pair.client, now, &larger), Err(error));
    let fits = filling(free).unwrap();
    let token = try_send(&mut pair.client, now, &fits).unwrap();
    assert_eq!(pair.client.tx_free(), 0);
    let small = filling(60).unwrap();
    let full = Error::Capacity(CapacityError::TxFull { needed: 60, free: 0 });
    assert_eq!(try_send(&mut pair.client, now, &small), Err(full));
    // Full of telemetry, it still signs in.
    pair.sign_in();
    pair.run_until("acknowledged", |pair| acked(pair) == [token]);
    assert_eq!((arrived(&mut pair), pair.client.tx_free()), (vec![fits], free));
}

#[test]
fn every_slot_in_use_is_said_so() {
    let mut pair = Setup::sensor().memory(2_000, 3, 1).start();
    let tokens = [0_u8; 3].map(|_| pair.send(b"x"));
    let now = pair.now();
    assert_eq!(try_send(&mut pair.client, now, b"x"), Err(Error::Capacity(CapacityError::SlotsFull)));
    pair.client.telemetry_withdraw(now, tokens[1]).unwrap();
    try_send(&mut pair.client, now, b"x").unwrap();
}

/// Fills the memory at random, on a link that holds a packet half sent or not, and asks for what is promised.
fn fill_and_ask(seed: u64, online: bool) {
    let mut pair = Setup::sensor().memory(1_500, 40, 1).seed(seed).start();
    let mut rng = Rng::new(seed);
    let mut refused = 0;
    if online {
        pair.link.capacity = 90;
        pair.sign_in();
    }
    for _ in 0..120 {
        let now = pair.now();
        let live = unacked(&pair);
        match rng.between(0, 5) {
            0 if !live.is_empty() => {
                let token = live[rng.between(0, live.len() as u64 - 1) as usize];
                pair.client.telemetry_withdraw(now, token).unwrap();
            }
            1 if online => pair.run_for(Duration::from_millis(rng.between(0, 30))),
            _ => {
                let payload = vec![rng.next_u64() as u8; rng.between(0, 400) as usize];
                let free = pair.client.tx_free();
                match try_send(&mut pair.client, now, &payload) {
                    Ok(_) | Err(Error::Capacity(CapacityError::SlotsFull)) => continue,
                    Err(Error::Capacity(CapacityError::TxFull { needed, free: told })) => {
                        assert_eq!(told, free, "seed {seed}");
                        assert!(needed > free, "seed {seed}: {needed} bytes fit into {free}");
                        assert_eq!(filling(needed).map(|payload| payload.len()), Some(payload.len()));
                        refused += 1;
                    }
                    Err(other) => panic!("seed {seed}: {other:?}"),
                }
                // One byte more does not fit, and exactly that much does.
                if let Some(payload) = filling(free + 1) {
                    let error = try_send(&mut pair.client, now, &payload).unwrap_err();
                    assert_eq!(error, Error::Capacity(CapacityError::TxFull { needed: free + 1, free }), "seed {seed}");
                }
                if let Some(payload) = filling(free) {
                    try_send(&mut pair.client, now, &payload).unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
                }
            }
        }
    }
    assert!(refused > 0, "seed {seed} never filled it");
    // Whatever moved in memory, the hub gets what was sent.
    let wanted = unacked(&pair);
    if !online {
        pair.connect();
    }
    let before = acked(&pair);
    pair.run_until("settled", |pair| pair.client.pending().telemetry == 0);
    assert_eq!(acked(&pair)[before.len()..], wanted);
    assert!(arrived(&mut pair).iter().all(|payload| payload.iter().all(|byte| *byte == payload[0])));
}

#[test]
fn offline_the_free_bytes_are_told_exactly() {
    (0..100).for_each(|seed| fill_and_ask(seed, false));
}

#[test]
fn online_the_free_bytes_are_told_exactly() {
    (0..100).for_each(|seed| fill_and_ask(seed, true));
}

#[test]
fn the_hub_gets_the_packets_that_were_lent() {
    let mut pair = Setup::sensor().start();
    pair.sign_in();
    pair.send(b"");
    pair.run_for(Duration::from_secs(1));
    let Some(Packet::Publish(publish)) = pair.sent().last().map(|sent| &sent.packet) else { panic!("{pair:?}") };
    assert_eq!((publish.topic.as_str(), publish.retain), ("devices/dev1/messages/events/", false));
    assert_eq!(pair.hub.take_telemetry()[0].properties, []);
}
