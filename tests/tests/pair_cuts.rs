//! Telemetry over links that break (law 4): nothing is lost, nothing comes twice without DUP while the hub keeps
//! the session, the order stays, and nothing is acknowledged twice.

use std::collections::{BTreeMap, BTreeSet};

use iothub_proto::Telemetry;
use iothub_proto::event::TelemetryToken;
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_tests::hub::codec::Packet;
use iothub_tests::link::{Break, End};
use iothub_tests::pair::{LinkCut, Pair, Seen, Setup, is_over};
use proptest::prelude::*;

/// Messages of a burst.
const BURST: u32 = 20;

/// What a burst is sent through.
#[derive(Clone, Debug)]
struct Weather {
    /// One for each connection until one holds.
    cuts: Vec<LinkCut>,
    /// Whether the hub forgets the session after each cut.
    forget: bool,
    /// Every so many messages one is at QoS 0; 0 is none.
    qos_0_every: u32,
}

/// A message that is under way.
struct Message {
    number: u32,
    token: TelemetryToken,
    qos: QoS,
}

fn payload(number: u32) -> Vec<u8> {
    // Different lengths, so that cuts fall on every part of a packet.
    let mut payload = format!("{number:04}").into_bytes();
    payload.resize(4 + (number as usize * 7) % 23, b'.');
    payload
}

fn number(payload: &[u8]) -> u32 {
    str::from_utf8(&payload[..4]).unwrap().parse().unwrap()
}

/// Sends a burst through the weather, until everything is settled, and checks the law.
fn survive(setup: Setup, weather: &Weather) -> Pair {
    let mut pair = setup.start();
    pair.cuts = weather.cuts.iter().map(|cut| Some(*cut)).collect();
    let mut messages = Vec::new();
    // A part of the burst waits for the connection.
    for number in 0..BURST / 4 {
        messages.push(send(&mut pair, weather, number));
    }
    pair.connect();
    pair.at(Instant::from_millis(45), |_| {});
    pair.run_for(Duration::from_millis(45));
    for number in BURST / 4..BURST {
        messages.push(send(&mut pair, weather, number));
    }
    for _ in 0..=weather.cuts.len() {
        pair.run_until("settled or cut", |pair| !pair.is_open() || pair.client.pending().telemetry == 0);
        if pair.client.pending().telemetry == 0 {
            break;
        }
        // The hub learns of it, or finds out at the next sign-in.
        pair.run_for(Duration::from_millis(100));
        if weather.forget {
            pair.hub.restart(false);
        }
        pair.connect();
    }
    pair.run_for(Duration::from_secs(1));
    check(&mut pair, &messages, weather.forget);
    pair
}

fn send(pair: &mut Pair, weather: &Weather, number: u32) -> Message {
    let at_0 = weather.qos_0_every > 0 && number % weather.qos_0_every == 1;
    let qos = if at_0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let payload = payload(number);
    let message = Telemetry { payload: &payload, qos, ..Telemetry::default() };
    let token = pair.client.send_telemetry(pair.now(), &message).expect("there is room for a burst");
    Message { number, token, qos }
}

#[track_caller]
fn check(pair: &mut Pair, messages: &[Message], forget: bool) {
    assert_eq!(pair.client.pending().telemetry, 0, "{pair:?}");
    let at_1: Vec<&Message> = messages.iter().filter(|message| message.qos == QoS::AtLeastOnce).collect();

    // Each is acknowledged once, in order.
    let acked: Vec<(Instant, TelemetryToken)> = pair
        .seen()
        .iter()
        .filter_map(|(at, seen)| if let Seen::Acked(token) = seen { Some((*at, *token)) } else { None })
        .collect();
    let tokens: Vec<TelemetryToken> = acked.iter().map(|(_, token)| *token).collect();
    assert_eq!(tokens, at_1.iter().map(|message| message.token).collect::<Vec<_>>(), "{pair:?}");

    // DUP if and only if a byte was lent before in this session; never again once it was acknowledged.
    let fresh = pair.seen().iter().filter(|(_, seen)| *seen == Seen::Connected { session_present: false });
    let mut fresh = fresh.map(|(at, _)| *at).peekable();
    let (mut lent, mut connection, mut last) = (BTreeSet::new(), 0, None);
    let mut lent_at_0 = BTreeMap::new();
    for sent in pair.sent() {
        let Packet::Publish(publish) = &sent.packet else { continue };
        if !publish.topic.starts_with("devices/") {
            continue;
        }
        let number = number(&publish.payload);
        if sent.connection != connection {
            connection = sent.connection;
            last = None;
            while fresh.next_if(|at| *at <= sent.at).is_some() {
                lent.clear();
            }
        }
        assert!(last < Some(number), "{number} out of order on connection {connection}");
        last = Some(number);
        if publish.qos == 0 {
            *lent_at_0.entry(number).or_insert(0) += 1;
            continue;
        }
        assert_eq!(publish.dup, !lent.insert(number), "DUP of {number} on connection {connection}: {pair:?}");
        let index = at_1.iter().position(|message| message.number == number).expect("it was sent");
        assert!(sent.at <= acked[index].0, "{number} is sent again after it was acknowledged");
    }
    assert!(lent_at_0.values().all(|count| *count == 1), "QoS 0 is sent once: {lent_at_0:?}");

    // Nothing is lost, the order of arrival is that of sending, and a second copy says so.
    let arrived = pair.hub.take_telemetry();
    let mut known = BTreeSet::new();
    for telemetry in &arrived {
        let number = number(&telemetry.payload);
        assert_eq!(telemetry.payload, payload(number));
        let first = known.insert(number);
        assert!(first || telemetry.qos == 1, "QoS 0 arrives at most once");
        assert!(first || telemetry.dup || forget, "{number} arrives twice without DUP");
        assert!(!first || known.last() == Some(&number) || telemetry.qos == 1 && forget, "{number} comes late");
    }
    for message in &at_1 {
        assert!(known.contains(&message.number), "{} is lost", message.number);
    }
    for message in messages {
        assert!(message.qos == QoS::AtLeastOnce || lent_at_0.contains_key(&message.number), "QoS 0 was not even tried");
    }
}

fn cut(from: End, bytes: u64, how: Break) -> LinkCut {
    LinkCut { from, bytes, how }
}

/// One cut at every so many bytes of the whole conversation, one way and the other.
fn everywhere(forget: bool, how: Break, step: usize) {
    let calm = Weather { cuts: vec![], forget, qos_0_every: 5 };
    let whole = survive(Setup::sensor(), &calm);
    let from_client = whole.sent().iter().map(|sent| sent.bytes.len() as u64).sum::<u64>();
    let from_hub = whole.received().len() as u64;
    for (from, total) in [(End::Client, from_client), (End::Hub, from_hub)] {
        // The first positions lie in CONNECT, where every one is like the others.
        let first = if from == End::Client { 250 } else { 1 };
        for bytes in (first..total).step_by(step) {
            survive(Setup::sensor(), &Weather { cuts: vec![cut(from, bytes, how)], ..calm.clone() });
        }
    }
}

#[test]
fn a_cut_at_any_byte_with_the_session_kept() {
    everywhere(false, Break::Close, 1);
}

#[test]
fn a_cut_at_any_byte_with_the_session_lost() {
    everywhere(true, Break::Close, 3);
}

#[test]
fn a_link_that_goes_silent_at_any_byte() {
    everywhere(false, Break::Silent, 7);
}

#[test]
fn a_cut_that_loses_what_is_under_way() {
    for at in 40..75 {
        let mut pair = Setup::sensor().start();
        let weather = Weather { cuts: vec![], forget: false, qos_0_every: 4 };
        let mut messages: Vec<Message> = (0..10).map(|number| send(&mut pair, &weather, number)).collect();
        pair.connect();
        pair.at(Instant::from_millis(at), |pair| pair.cut(Break::Close));
        pair.run_for(Duration::from_millis(30));
        messages.extend((10..20).map(|number| send(&mut pair, &weather, number)));
        pair.run_until("cut", |pair| pair.has(is_over));
        messages.extend((20..25).map(|number| send(&mut pair, &weather, number)));
        pair.sign_in();
        pair.run_for(Duration::from_secs(1));
        check(&mut pair, &messages, false);
    }
}

fn any_cut() -> impl Strategy<Value = LinkCut> {
    let from = prop::sample::select(vec![End::Client, End::Hub]);
    let how = prop::sample::select(vec![Break::Close, Break::Close, Break::Silent]);
    (from, how, 0..1_200_u64).prop_map(|(from, how, bytes)| cut(from, bytes, how))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_weather(
        cuts in prop::collection::vec(any_cut(), 0..6),
        forget: bool,
        qos_0_every in 0..6_u32,
        seed: u64,
        max_chunk in 1..200_usize,
        capacity in prop::sample::select(vec![20_usize, 100, 65_536]),
        latency in (0..30_u64, 0..200_u64),
        send_window in prop::sample::select(vec![1_u16, 2, 7, u16::MAX]),
        twin: bool,
    ) {
        let mut setup = if twin { Setup::device() } else { Setup::sensor() };
        setup = setup.seed(seed).link(max_chunk, latency).settings(|settings| settings.send_window = send_window);
        setup.link.capacity = capacity;
        survive(setup, &Weather { cuts, forget, qos_0_every });
    }
}
