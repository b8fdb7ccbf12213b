//! The application's own twin requests, and a replica of the twin over a bad link.

use std::cell::RefCell;
use std::rc::Rc;

use iothub_proto::error::{Error, PatchRule, TimeoutReason, UsageError};
use iothub_proto::event::{RequestError, TwinToken};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::twin::{Applied, TwinReplica};
use iothub_proto::{Event, State};
use iothub_tests::hub::codec::Packet;
use iothub_tests::link::{Break, Rng};
use iothub_tests::pair::{Pair, Reconnect, Seen, Setup, is_over, is_ready};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A device that asks for its twin itself, and nothing else does.
fn asking() -> Setup {
    Setup::device().settings(|settings| settings.twin_sync = false)
}

fn ready(setup: Setup) -> Pair {
    let mut pair = setup.start();
    pair.sign_in();
    pair.take_seen();
    pair
}

fn get(pair: &mut Pair) -> TwinToken {
    pair.client.twin_get(pair.now()).unwrap()
}

fn report(pair: &mut Pair, patch: &Value) -> TwinToken {
    pair.client.twin_report(pair.now(), patch.to_string().as_bytes()).unwrap()
}

fn failed(token: TwinToken, reason: RequestError) -> impl Fn(&Seen) -> bool {
    move |seen| matches!(seen, Seen::RequestFailed { token: t, reason: r, .. } if *t == token && *r == reason)
}

fn reported(token: TwinToken) -> impl Fn(&Seen) -> bool {
    move |seen| matches!(seen, Seen::TwinReported { token: t, .. } if *t == token)
}

/// Twin requests that were lent, by connection.
fn requests(pair: &Pair) -> Vec<(u32, Vec<u8>)> {
    let sent = pair.sent().iter();
    sent.filter_map(|sent| match &sent.packet {
        Packet::Publish(publish) if publish.topic.starts_with("$iothub/twin/") => {
            Some((sent.connection, publish.payload.clone()))
        }
        _ => None,
    })
    .collect()
}

fn cut(pair: &mut Pair) {
    pair.cut(Break::Close);
    let before = pair.count(is_over);
    pair.run_until("over", |pair| pair.count(is_over) > before);
}

#[test]
fn a_twin_is_fetched_and_reported_to() {
    let mut pair = ready(asking());
    pair.hub.patch_desired("dev1", &json!({ "speed": 3 })).unwrap();
    pair.run_for(Duration::from_millis(100));
    let wanted =
        Seen::TwinDesired { version: Some(2), unsynced: true, payload: br#"{"$version":2,"speed":3}"#.to_vec() };
    assert_eq!(pair.take_seen(), [wanted]);

    let (first, second) = (report(&mut pair, &json!({ "a": 1 })), report(&mut pair, &json!({ "b": null, "c": [] })));
    let get = get(&mut pair);
    pair.run_until("answered", |pair| pair.client.pending().twin_requests == 0);
    let [one, two, Seen::TwinDocument { token, version: Some(2), stale: false, payload }] = &pair.take_seen()[..]
    else {
        panic!("{pair:?}")
    };
    assert_eq!(*one, Seen::TwinReported { token: first, version: Some(2) });
    assert_eq!((two, *token), (&Seen::TwinReported { token: second, version: Some(3) }, Some(get)));
    let document: Value = serde_json::from_slice(payload).unwrap();
    let wanted = json!({ "desired": { "speed": 3, "$version": 2 }, "reported": { "a": 1, "c": [], "$version": 3 } });
    assert_eq!(document, wanted);
}

#[test]
fn a_patch_that_the_hub_refuses_ends_with_its_status_and_reason() {
    let mut pair = ready(asking());
    pair.hub.faults.twin_statuses.extend([400, 429, 500, 412]);
    for status in [400, 429, 500, 412] {
        let token = report(&mut pair, &json!({ "a": status }));
        let reason = RequestError::Status(status);
        pair.run_until("refused", |pair| pair.has(failed(token, reason)));
        let [Seen::RequestFailed { payload, .. }] = &pair.take_seen()[..] else { panic!("{pair:?}") };
        let body: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(body["errorCode"], u32::from(status) * 1_000);
    }
    // It is not sent again by itself.
    pair.run_for(Duration::from_secs(600));
    assert_eq!((requests(&pair).len(), pair.take_seen()), (4, vec![]));
}

#[test]
fn a_patch_that_breaks_the_rules_is_refused_here() {
    let mut pair = ready(asking());
    for (patch, rule) in
        [(&b"{"[..], PatchRule::Json), (b"[]", PatchRule::NotAnObject), (b"{\"a.b\":1}", PatchRule::BadKey)]
    {
        let error = Error::Usage(UsageError::BadPatch(rule));
        assert_eq!(pair.client.twin_report(pair.now(), patch), Err(error));
    }
    assert_eq!(pair.client.pending().twin_requests, 0);
}

#[test]
fn a_request_without_an_answer_times_out_alone() {
    let mut pair = ready(asking());
    pair.hub.faults.answer_delay = Duration::from_secs(90);
    let sent_at = pair.now();
    let token = get(&mut pair);
    pair.run_until("timed out", |pair| pair.has(failed(token, RequestError::TimedOut)));
    assert_eq!(pair.now(), sent_at + Duration::from_secs(60));
    assert_eq!((pair.client.state(), pair.client.pending().twin_requests), (State::Ready, 0));
    // Its answer comes after all: told of by nobody, and taken for no other request's.
    pair.take_seen();
    pair.hub.faults.answer_delay = Duration::from_secs(45);
    let next = get(&mut pair);
    pair.run_until("answered", |pair| pair.client.pending().twin_requests == 0);
    let [Seen::TwinDocument { token: Some(answered), .. }] = pair.take_seen()[..] else { panic!("{pair:?}") };
    assert_eq!((answered, pair.client.strays()), (next, 1));
}

#[test]
fn requests_end_in_the_order_of_their_deadlines() {
    let mut pair = ready(asking());
    pair.hub.faults.answer_delay = Duration::from_secs(3_600);
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(get(&mut pair));
        pair.run_for(Duration::from_secs(1));
    }
    pair.run_for(Duration::from_secs(60));
    let seen = pair.seen().iter().filter(|(_, seen)| matches!(seen, Seen::RequestFailed { .. }));
    let ended: Vec<(u64, TwinToken)> = seen
        .map(|(at, seen)| match seen {
            Seen::RequestFailed { token, reason: RequestError::TimedOut, .. } => (at.as_millis(), *token),
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted: Vec<_> = [60_040, 61_040, 62_040, 63_040, 64_040].into_iter().zip(tokens).collect();
    assert_eq!(ended, wanted);
}

#[test]
fn a_request_that_was_sent_is_lost_with_its_connection() {
    let mut pair = ready(asking());
    let sent = report(&mut pair, &json!({ "a": 1 }));
    pair.run_for(Duration::from_millis(5));
    let seen = {
        pair.cut(Break::Close);
        pair.run_until("over", |pair| pair.has(is_over));
        pair.take_seen()
    };
    // First the request, then the connection.
    let [lost, Seen::Disconnected(_)] = &seen[..] else { panic!("{seen:#?}") };
    assert!(failed(sent, RequestError::ConnectionLost)(lost));
    pair.sign_in();
    pair.run_for(Duration::from_secs(100));
    assert_eq!(requests(&pair).len(), 1, "an old patch must not overtake a newer one");
}

#[test]
fn a_request_that_was_half_sent_is_lost_too_and_others_stay() {
    let mut pair = asking().start();
    pair.link.capacity = 300;
    pair.sign_in();
    let large = report(&mut pair, &json!({ "large": "x".repeat(2_000) }));
    let small = report(&mut pair, &json!({ "small": 1 }));
    pair.run_for(Duration::ZERO);
    cut(&mut pair);
    assert_eq!(pair.count(failed(large, RequestError::ConnectionLost)), 1);
    assert_eq!(pair.client.pending().twin_requests, 1);
    pair.sign_in();
    pair.run_until("reported", |pair| pair.has(reported(small)));
    let wanted = json!({ "small": 1, "$version": 2 });
    assert_eq!(pair.hub.twin("dev1")["reported"], wanted);
    let connections: Vec<u32> = requests(&pair).iter().map(|(connection, _)| *connection).collect();
    assert_eq!(connections, [1, 2]);
}

#[test]
fn requests_made_offline_leave_with_the_next_connection() {
    let mut pair = asking().start();
    let tokens = [1, 2, 3].map(|value| report(&mut pair, &json!({ "value": value })));
    let get = get(&mut pair);
    pair.run_for(Duration::from_secs(30));
    pair.sign_in();
    pair.run_until("answered", |pair| pair.client.pending().twin_requests == 0);
    for token in tokens {
        assert!(pair.has(reported(token)));
    }
    assert!(pair.has(|seen| matches!(seen, Seen::TwinDocument { token: Some(t), .. } if *t == get)));
    assert_eq!(pair.hub.twin("dev1")["reported"]["value"], 3);
}

#[test]
fn the_deadline_of_a_request_runs_while_the_device_is_offline() {
    let mut pair = asking().start();
    let token = get(&mut pair);
    assert_eq!(pair.client.timeout_reason(), Some(TimeoutReason::Request));
    pair.run_until("timed out", |pair| pair.has(failed(token, RequestError::TimedOut)));
    assert_eq!((pair.now(), pair.client.poll_timeout()), (Instant::from_millis(60_000), None));
    assert_eq!(pair.client.pending().twin_requests, 0);
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    assert!(requests(&pair).is_empty(), "it is not sent any more");
}

#[test]
fn the_deadline_of_a_request_runs_after_a_fatal_error_too() {
    let mut pair = asking().start();
    pair.hub.faults.refuse_connects.push_back(5);
    pair.connect();
    pair.run_until("refused", |pair| pair.has(|seen| matches!(seen, Seen::Failed(_))));
    let token = get(&mut pair);
    pair.run_until("timed out", |pair| pair.has(failed(token, RequestError::TimedOut)));
    assert_eq!((pair.now(), pair.client.poll_timeout()), (Instant::from_millis(60_020), None));
    assert_eq!((pair.client.state(), pair.client.pending().twin_requests), (State::Failed, 0));
}

#[test]
fn the_deadline_starts_anew_when_the_request_is_sent() {
    let mut pair = asking().start();
    let token = get(&mut pair);
    pair.run_for(Duration::from_secs(59));
    pair.sign_in();
    pair.hub.faults.answer_delay = Duration::from_secs(20);
    pair.run_until("answered", |pair| pair.client.pending().twin_requests == 0);
    assert!(pair.has(|seen| matches!(seen, Seen::TwinDocument { token: Some(t), .. } if *t == token)), "{pair:?}");
    assert!(pair.now() > Instant::from_millis(75_000));
}

#[test]
fn a_document_larger_than_the_buffer_is_told_with_its_version() {
    let mut pair = ready(asking().settings(|settings| settings.max_packet = 500).link(50, (1, 2)));
    pair.hub.patch_desired("dev1", &json!({ "large": "x".repeat(3_000) })).unwrap();
    pair.run_for(Duration::from_secs(1));
    pair.take_seen();
    let token = get(&mut pair);
    pair.run_until("told", |pair| pair.client.pending().twin_requests == 0);
    let [Seen::RequestFailed { token: t, reason: RequestError::TooLarge { payload_len, version }, .. }] =
        pair.take_seen()[..]
    else {
        panic!("{pair:?}")
    };
    assert_eq!((t, version), (token, Some(2)));
    assert_eq!(payload_len as usize, pair.hub.twin("dev1").to_string().len());
}

#[test]
fn without_the_subscription_there_is_no_twin() {
    let error = Error::Usage(UsageError::NotSubscribed);
    let mut pair = Setup::sensor().start();
    for _ in 0..2 {
        assert_eq!(pair.client.twin_get(pair.now()), Err(error));
        assert_eq!(pair.client.twin_report(pair.now(), b"{}"), Err(error));
        if pair.client.state() == State::Offline {
            pair.sign_in();
        }
    }
    pair.client.subscribe(pair.now(), Features::TWIN).unwrap();
    // Accepted at once, and sent behind the SUBSCRIBE.
    let token = get(&mut pair);
    pair.run_until("answered", |pair| pair.client.pending().twin_requests == 0);
    let subscribed = Seen::Subscribed { features: Features::TWIN, refused: Features::NONE };
    assert!(pair.has(|seen| *seen == subscribed));
    assert!(pair.has(|seen| matches!(seen, Seen::TwinDocument { token: Some(t), .. } if *t == token)));
    // And on the next connection without being asked.
    cut(&mut pair);
    pair.sign_in();
    get(&mut pair);
    pair.run_until("answered", |pair| pair.client.pending().twin_requests == 0);
}

#[test]
fn synchronisation_fetches_at_sign_in_and_after_each_miss() {
    let mut pair = Setup::device().start();
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    pair.hub.patch_desired("dev1", &json!({ "a": 1 })).unwrap();
    pair.run_for(Duration::from_secs(1));
    cut(&mut pair);
    pair.hub.patch_desired("dev1", &json!({ "a": 2 })).unwrap();
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    let seen = pair.take_seen().into_iter().filter_map(|seen| match seen {
        Seen::TwinDocument { token: None, version, .. } => Some(("document", version.unwrap())),
        Seen::TwinDesired { version, unsynced: false, .. } => Some(("patch", version.unwrap())),
        _ => None,
    });
    assert_eq!(seen.collect::<Vec<_>>(), [("document", 1), ("patch", 2), ("document", 3)]);
}

#[test]
fn a_patch_on_a_resumed_session_before_the_subscription_is_no_unsynced_one() {
    let mut pair = Setup::device().start();
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    cut(&mut pair);
    pair.take_seen();
    pair.connect();
    pair.run_until("connected", |pair| pair.has(|seen| matches!(seen, Seen::Connected { session_present: true })));
    pair.hub.patch_desired("dev1", &json!({ "a": 1 })).unwrap();
    pair.run_for(Duration::from_secs(1));
    let twin = |seen: &Seen| matches!(seen, Seen::TwinDesired { .. } | Seen::TwinDocument { .. });
    assert_eq!(pair.count(twin), 1, "{:#?}", pair.seen());
    assert!(pair.has(|seen| matches!(seen, Seen::TwinDocument { version: Some(2), .. })));
}

#[test]
fn a_throttled_fetch_is_repeated_from_one_second_to_a_minute_apart() {
    let mut pair = Setup::device().start();
    pair.hub.faults.twin_statuses.extend([429; 9]);
    pair.sign_in();
    pair.run_until("synchronised", |pair| pair.has(|seen| matches!(seen, Seen::TwinDocument { .. })));
    let sent = pair.sent().iter().filter(|sent| matches!(&sent.packet, Packet::Publish(_)));
    let times: Vec<u64> = sent.map(|sent| sent.at.as_millis() / 1_000).collect();
    let apart: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(apart, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert!(!pair.has(|seen| matches!(seen, Seen::TwinSyncFailed { .. } | Seen::RequestFailed { .. })));
}

#[test]
fn a_fetch_that_fails_for_good_is_told_once_and_patches_pass_unsynced() {
    let mut pair = Setup::device().start();
    pair.hub.faults.twin_statuses.push_back(403);
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    for value in 1..4 {
        pair.hub.patch_desired("dev1", &json!({ "a": value })).unwrap();
        pair.run_for(Duration::from_secs(60));
    }
    let failed = Seen::TwinSyncFailed { reason: RequestError::Status(403) };
    assert_eq!(pair.count(|seen| *seen == failed), 1);
    let unsynced = |seen: &Seen| matches!(seen, Seen::TwinDesired { unsynced: true, .. });
    assert_eq!((pair.count(unsynced), requests(&pair).len()), (3, 1));
}

/// What a device keeps of its twin: events go in, nothing else does.
#[derive(Default)]
struct Keeper {
    twin: Option<TwinReplica>,
}

impl Keeper {
    fn on_event(&mut self, event: &Event<'_>) {
        match *event {
            Event::TwinDocument { stale: false, payload, .. } => {
                self.twin = Some(TwinReplica::from_document(payload).expect("the hub's document"));
            }
            Event::TwinDesired { version: Some(version), unsynced: false, payload } => {
                let twin = self.twin.as_mut().expect("a document comes before the first patch");
                assert_eq!(twin.apply_desired(payload, version), Ok(Applied::Merged), "patches come one by one");
            }
            Event::TwinDesired { .. } | Event::TwinSyncFailed { .. } => panic!("{event:?}"),
            _ => {}
        }
    }
}

fn random_patch(rng: &mut Rng) -> Value {
    let value = |rng: &mut Rng| match rng.between(0, 4) {
        0 => Value::Null,
        1 => json!({ "deep": rng.between(0, 9), "gone": null }),
        2 => json!("x".repeat(rng.between(0, 200) as usize)),
        _ => json!(rng.between(0, 1_000)),
    };
    let names = ["a", "b", "c", "größe"];
    let mut patch = json!({});
    for _ in 0..rng.between(1, 3) {
        patch[names[rng.between(0, 3) as usize]] = value(rng);
    }
    patch
}

/// Random patches, cuts, throttling and answers that overtake each other; then calm, and a look at both ends.
fn keep_up(seed: u64, steps: u64) {
    let mut rng = Rng::new(seed);
    let mut pair = Setup::device().seed(seed).link(rng.between(1, 300) as usize, (0, 80)).start();
    let keeper = Rc::new(RefCell::new(Keeper::default()));
    let inside = Rc::clone(&keeper);
    pair.handler = Some(Box::new(move |client, now, event| {
        inside.borrow_mut().on_event(event);
        if let Event::TwinDesired { version: Some(version), .. } = event
            && version % 3 == 0
        {
            client.twin_get(now).unwrap();
        }
    }));
    pair.reconnect = Reconnect::After(Duration::from_millis(300));
    pair.connect();
    for _ in 0..steps {
        match rng.between(0, 9) {
            0..=4 => drop(pair.hub.patch_desired("dev1", &random_patch(&mut rng)).unwrap()),
            5 => pair.hub.faults.answer_delay = Duration::from_millis(rng.between(0, 3_000)),
            6 if rng.between(0, 2) == 0 => pair.cut(Break::Close),
            7 => pair.hub.faults.twin_statuses.push_back([429, 500, 503][rng.between(0, 2) as usize]),
            8 if rng.between(0, 5) == 0 => {
                pair.hub.reset_twin("dev1");
                pair.cut(Break::Close);
            }
            _ => pair.run_for(Duration::from_millis(rng.between(0, 2_000))),
        }
    }
    pair.hub.faults.answer_delay = Duration::ZERO;
    pair.hub.faults.twin_statuses.clear();
    pair.run_for(Duration::from_secs(200));
    assert!(pair.has(is_ready));

    let mut desired = pair.hub.twin("dev1")["desired"].clone();
    let version = desired.as_object_mut().unwrap().remove("$version").unwrap();
    let keeper = keeper.borrow();
    let twin = keeper.twin.as_ref().unwrap_or_else(|| panic!("seed {seed}: nothing is known: {pair:?}"));
    assert_eq!(Value::Object(twin.desired().clone()), desired, "seed {seed}: {pair:?}");
    assert_eq!(Some(twin.desired_version()), version.as_u64(), "seed {seed}");
    assert!(!pair.has(|seen| matches!(seen, Seen::TwinSyncFailed { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_rest_the_replica_is_what_the_hub_has(seed: u64, steps in 1..60_u64) {
        keep_up(seed, steps);
    }
}
