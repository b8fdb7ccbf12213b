//! Everything at once, at random: commands, faults, cuts and stalls. Then calm, and every promise is counted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use iothub_proto::error::{CapacityError, Error, UsageError};
use iothub_proto::event::{KeptRequestId, MessageToken, RequestId, TelemetryToken, TwinToken, Withdrawn};
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{Client, Event, State, Telemetry};
use iothub_tests::hub::{CallResult, CloudMessage, HubConfig, MessageId, Outcome};
use iothub_tests::link::{Break, End, Rng};
use iothub_tests::pair::{LinkCut, Pair, Reconnect, Seen, Setup, is_ready};
use proptest::prelude::*;

/// What the application has in its hands.
#[derive(Default)]
struct Hands {
    messages: Vec<MessageToken>,
    requests: Vec<KeptRequestId>,
    /// Times a method was answered without complaint.
    answers: u32,
    rng: Option<Rng>,
}

impl Hands {
    /// Decides at once, later or never, as it comes.
    fn on_event(&mut self, client: &mut Client<'static>, now: Instant, event: &Event<'_>) {
        let choice = self.rng.as_mut().map_or(0, |rng| rng.between(0, 3));
        match *event {
            Event::Message(message) => match (message.token, choice) {
                (Some(token), 0) => client.message_accept(now, token).unwrap(),
                (Some(token), 1) => client.message_leave(now, token).unwrap(),
                (Some(token), _) => self.messages.push(token),
                (None, _) => {}
            },
            Event::MethodCall { request, payload, .. } if choice < 2 => self.respond(client, now, &request, payload),
            Event::MethodCall { request, .. } => self.requests.extend(request.keep()),
            Event::Skipped(skipped) => {
                if let Some(token) = skipped.token {
                    client.message_accept(now, token).unwrap();
                }
                if let Some(request) = skipped.request {
                    self.respond(client, now, &request, b"");
                }
            }
            _ => {}
        }
    }

    fn respond(&mut self, client: &mut Client<'static>, now: Instant, request: &RequestId<'_>, body: &[u8]) {
        match client.method_respond(now, request, 200, body) {
            Ok(()) => self.answers += 1,
            Err(Error::Capacity(_) | Error::Usage(UsageError::Stale)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What was asked for, and has to come to an end.
#[derive(Default)]
struct Ledger {
    telemetry: BTreeMap<u32, (TelemetryToken, QoS)>,
    withdrawn: BTreeMap<u32, Withdrawn>,
    twin: Vec<TwinToken>,
    calls: Vec<iothub_tests::hub::CallId>,
    messages: Vec<MessageId>,
    sent: u32,
}

fn storm(seed: u64, steps: u64) {
    let mut rng = Rng::new(seed);
    let mut setup = Setup::device().seed(seed).link(rng.between(1, 400) as usize, (0, rng.between(0, 120)));
    setup.link.capacity = [60, 300, 65_536][rng.between(0, 2) as usize];
    setup.hub = HubConfig { request_id_prefix: "call-".to_owned(), ..setup.hub };
    setup = setup.memory(rng.between(900, 4_000) as usize, rng.between(2, 20) as usize, rng.between(1, 8) as usize);
    setup = setup.settings(|settings| {
        settings.send_window = [1, 3, u16::MAX][rng.between(0, 2) as usize];
        settings.max_packet = [200, 4_096][rng.between(0, 1) as usize];
        settings.keep_alive = [10, 240][rng.between(0, 1) as usize];
    });
    let mut pair = setup.start();
    pair.eager = rng.between(0, 1) == 0;
    pair.reconnect = Reconnect::After(Duration::from_millis(rng.between(0, 2_000)));
    let hands = Rc::new(RefCell::new(Hands { rng: Some(Rng::new(seed)), ..Hands::default() }));
    let inside = Rc::clone(&hands);
    pair.handler = Some(Box::new(move |client, now, event| inside.borrow_mut().on_event(client, now, event)));
    let mut ledger = Ledger::default();

    pair.connect();
    for _ in 0..steps {
        step(&mut pair, &mut rng, &mut ledger, &hands);
    }
    calm(&mut pair, &hands);
    count(&mut pair, &ledger, &hands, seed);
}

fn step(pair: &mut Pair, rng: &mut Rng, ledger: &mut Ledger, hands: &RefCell<Hands>) {
    let now = pair.now();
    match rng.between(0, 19) {
        0..=4 => telemetry(pair, rng, ledger),
        5 => {
            if let Some((&number, &(token, _))) = ledger.telemetry.iter().nth(rng.between(0, 40) as usize)
                && let Ok(withdrawn) = pair.client.telemetry_withdraw(now, token)
            {
                assert!(ledger.withdrawn.insert(number, withdrawn).is_none(), "withdrawn twice");
            }
        }
        6 => match pair.client.twin_report(now, b"{\"value\":\"reported\"}") {
            Ok(token) => ledger.twin.push(token),
            Err(error) => assert!(matches!(error, Error::Capacity(_)), "{error:?}"),
        },
        7 => match pair.client.twin_get(now) {
            Ok(token) => ledger.twin.push(token),
            Err(error) => assert!(matches!(error, Error::Capacity(_)), "{error:?}"),
        },
        8 => {
            let payload = vec![b'm'; rng.between(0, 400) as usize];
            ledger.messages.extend(pair.hub.send_message("dev1", CloudMessage::new(&payload)).ok());
        }
        9 => {
            let payload = format!("\"{}\"", "p".repeat(rng.between(0, 200) as usize));
            ledger.calls.push(pair.hub.invoke("dev1", "method", payload.as_bytes(), Duration::from_secs(60)));
        }
        10 => drop(pair.hub.patch_desired("dev1", &serde_json::json!({ "a": rng.between(0, 99) })).unwrap()),
        11 => {
            let mut hands = hands.borrow_mut();
            for token in core::mem::take(&mut hands.messages) {
                // Those of an earlier connection are stale; in a state without a connection all are.
                let _ = pair.client.message_accept(now, token);
            }
            for request in core::mem::take(&mut hands.requests) {
                hands.respond(&mut pair.client, now, &request.id(), b"{}");
            }
        }
        12 => fault(pair, rng),
        13 => pair.cut([Break::Close, Break::Silent][rng.between(0, 1) as usize]),
        14 if rng.between(0, 2) == 0 && pair.client.state() != State::Failed => pair.client.disconnect(now).unwrap(),
        15 => pair.stalled = !pair.stalled && rng.between(0, 2) == 0,
        16 if rng.between(0, 4) == 0 => pair.hub.restart(rng.between(0, 1) == 0),
        _ => {
            let millis = [5, 50, 500, 5_000, 40_000][rng.between(0, 4) as usize];
            pair.run_for(Duration::from_millis(rng.between(0, millis)));
        }
    }
}

fn telemetry(pair: &mut Pair, rng: &mut Rng, ledger: &mut Ledger) {
    let mut payload = ledger.sent.to_be_bytes().to_vec();
    payload.resize(4 + rng.between(0, 300) as usize, 0);
    let qos = if rng.between(0, 3) == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let message = Telemetry { payload: &payload, qos, ..Telemetry::default() };
    match pair.client.send_telemetry(pair.now(), &message) {
        Ok(token) => {
            ledger.telemetry.insert(ledger.sent, (token, qos));
            ledger.sent += 1;
        }
        Err(Error::Capacity(CapacityError::TxFull { needed, free })) => assert!(needed > free),
        Err(error) => assert!(matches!(error, Error::Capacity(_)), "{error:?}"),
    }
}

fn fault(pair: &mut Pair, rng: &mut Rng) {
    let faults = &mut pair.hub.faults;
    match rng.between(0, 6) {
        0 => faults.answer_delay = Duration::from_millis(rng.between(0, 4_000)),
        1 => faults.puback_delay = Duration::from_millis(rng.between(0, 4_000)),
        2 => faults.drop_pubacks += 1,
        3 => faults.twin_statuses.extend([429, 500]),
        4 => faults.refuse_connects.push_back(3),
        5 => faults.ignore_pings = !faults.ignore_pings,
        _ => {
            let from = [End::Client, End::Hub][rng.between(0, 1) as usize];
            pair.cuts.push_back(Some(LinkCut { from, bytes: rng.between(1, 2_000), how: Break::Close }));
        }
    }
}

/// All faults end. Whatever waits is given time to settle.
fn calm(pair: &mut Pair, hands: &RefCell<Hands>) {
    pair.hub.faults = Default::default();
    pair.cuts.clear();
    pair.stalled = false;
    hands.borrow_mut().rng = None;
    pair.run_for(Duration::from_secs(600));
    // A new connection brings what was left, and ends what was undecided.
    pair.reconnect = Reconnect::Never;
    if pair.is_open() {
        pair.sign_out();
    }
    let before = pair.count(is_ready);
    pair.connect();
    pair.run_until("ready", |pair| pair.count(is_ready) > before);
    pair.run_for(Duration::from_secs(600));
}

fn count(pair: &mut Pair, ledger: &Ledger, hands: &RefCell<Hands>, seed: u64) {
    let pending = pair.client.pending();
    let open = (pending.telemetry, pending.twin_requests, pending.method_answers);
    assert_eq!(open, (0, 0, 0), "seed {seed}: {pair:?}");

    let arrived = pair.hub.take_telemetry();
    let copies = |number: u32| arrived.iter().filter(|it| it.payload[..4] == number.to_be_bytes()).count();
    for (&number, &(token, qos)) in &ledger.telemetry {
        let acked = pair.count(|seen| *seen == Seen::Acked(token));
        match (qos, ledger.withdrawn.get(&number)) {
            (QoS::AtLeastOnce, None) => assert!(acked == 1 && copies(number) > 0, "seed {seed}: {number}"),
            (QoS::AtLeastOnce, Some(Withdrawn::Unsent)) => assert_eq!((acked, copies(number)), (0, 0), "seed {seed}"),
            (QoS::AtLeastOnce, Some(Withdrawn::MaybeSent)) => assert_eq!(acked, 0, "seed {seed}: {number}"),
            (QoS::AtMostOnce, _) => assert!(acked == 0 && copies(number) <= 1, "seed {seed}: {number}"),
        }
    }
    for token in &ledger.twin {
        let ends = pair.count(|seen| match seen {
            Seen::TwinDocument { token: Some(t), .. }
            | Seen::TwinReported { token: t, .. }
            | Seen::RequestFailed { token: t, .. } => t == token,
            _ => false,
        });
        assert_eq!(ends, 1, "seed {seed}: {token:?}");
    }
    let done = |call: &&_| matches!(pair.hub.call_result(**call), CallResult::Answered { .. });
    assert!(ledger.calls.iter().filter(done).count() <= hands.borrow().answers as usize, "seed {seed}");
    assert!(ledger.calls.iter().all(|call| pair.hub.call_result(*call) != CallResult::Pending), "seed {seed}");
    for message in &ledger.messages {
        let outcome = pair.hub.outcome(*message);
        assert!(matches!(outcome, Some(Outcome::Completed | Outcome::Expired)), "seed {seed}: {outcome:?}: {pair:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_the_storm_every_promise_is_kept(seed: u64, steps in 1..150_u64) {
        storm(seed, steps);
    }
}
