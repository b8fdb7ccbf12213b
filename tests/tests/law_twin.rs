//! The twin: requests that end exactly once, and synchronisation that misses nothing and asks no more than it must.

use iothub_proto::error::TimeoutReason;
use iothub_proto::event::{RequestError, TwinToken};
use iothub_proto::topic::Features;
use iothub_proto::{Pending, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, packets, quiet};

mod common;
use common::publish;

fn synced() -> Settings {
    Settings { features: Features::TWIN | Features::DESIRED, twin_sync: true, ..quiet() }
}

fn document(version: u64) -> Vec<u8> {
    format!(r#"{{"desired":{{"$version":{version}}},"reported":{{"$version":1}}}}"#).into_bytes()
}

fn response(rid: &str, status: u16, payload: &[u8]) -> Vec<u8> {
    publish(0x30, &format!("$iothub/twin/res/{status}/?$rid={rid}"), None, payload)
}

fn patch(version: u64) -> Vec<u8> {
    let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
    publish(0x30, &topic, None, format!(r#"{{"$version":{version}}}"#).as_bytes())
}

/// The request id of the only packet sent, a GET of synchronisation; `None` if nothing is sent.
fn fetched(rig: &mut Rig<'_>) -> Option<String> {
    let sent = packets(&rig.sent());
    let text = String::from_utf8(sent.first()?[4..].to_vec()).unwrap();
    assert_eq!(sent.len(), 1);
    Some(text.strip_prefix("$iothub/twin/GET/?$rid=").unwrap().to_owned()).inspect(|rid| assert_eq!(rid.len(), 9))
}

/// What a document or patch gave: its version, if it was delivered.
fn delivered(rig: &mut Rig<'_>, input: &[u8]) -> Option<u64> {
    match rig.feed(input).events.as_slice() {
        [] => None,
        [Seen::Document { token: None, version, stale: false, .. } | Seen::Desired { version, unsynced: false }] => {
            *version
        }
        other => panic!("{other:?}"),
    }
}

/// Ready, with a document of this version.
fn at_version(rig: &mut Rig<'_>, version: u64) {
    rig.sign_in(ACCEPTED);
    let rid = fetched(rig).unwrap();
    assert_eq!(delivered(rig, &response(&rid, 200, &document(version))), Some(version));
    assert_eq!(fetched(rig), None);
}

#[test]
fn synchronisation_begins_when_its_features_are_subscribed() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { twin_sync: true, ..quiet() });
    rig.sign_in(ACCEPTED);
    for features in [Features::DESIRED, Features::TWIN] {
        assert_eq!(rig.sent().len(), 0);
        rig.client.subscribe(rig.now, features).unwrap();
        let granted = rig.grant();
        assert_eq!(granted, [Seen::Subscribed(features, Features::NONE)]);
    }
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(3))), Some(3));
    rig.cut();
    at_version(&mut rig, 3);
}

#[test]
fn the_twin_is_fetched_once_and_patches_in_order_are_delivered() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 4);
    for (version, expected) in [(5, Some(5)), (5, None), (3, None), (6, Some(6))] {
        assert_eq!(delivered(&mut rig, &patch(version)), expected);
    }
    assert_eq!((fetched(&mut rig), rig.client.poll_timeout()), (None, None));
}

#[test]
fn a_patch_before_the_first_document_is_covered_by_it_or_fetched() {
    // Covered.
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.sign_in(ACCEPTED);
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &patch(5)), None);
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(5))), Some(5));
    assert_eq!(rig.client.poll_timeout(), None);

    // The document is older than the patch that passed by.
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.sign_in(ACCEPTED);
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &patch(5)), None);
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(4))), Some(4));
    rig.pass(TimeoutReason::TwinRefetch).unwrap();
    assert_eq!(rig.now.as_millis(), 1_000, "a second apart");
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(5))), Some(5));
    assert_eq!(rig.client.poll_timeout(), None);
}

#[test]
fn a_gap_is_fetched_and_the_gap_is_closed_by_the_document() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 4);
    rig.at(5_000);
    assert_eq!(delivered(&mut rig, &patch(6)), None);
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &patch(7)), None);
    assert_eq!(delivered(&mut rig, &patch(5)), Some(5), "next in line, late");
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(7))), Some(7));
    assert_eq!(delivered(&mut rig, &patch(8)), Some(8));
    assert_eq!((fetched(&mut rig), rig.client.poll_timeout()), (None, None));
}

#[test]
fn a_document_older_than_what_is_held_is_dropped_and_a_gap_still_fetched() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 4);
    rig.at(5_000);
    assert_eq!(delivered(&mut rig, &patch(5)), Some(5));
    assert_eq!(delivered(&mut rig, &patch(7)), None);
    let rid = fetched(&mut rig).unwrap();
    // A replica of the hub that lags behind.
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(4))), None);
    rig.pass(TimeoutReason::TwinRefetch).unwrap();
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(7))), Some(7));
}

#[test]
fn the_first_document_of_a_connection_counts_even_if_it_is_lower() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 40);
    rig.cut();
    at_version(&mut rig, 1);
    assert_eq!(delivered(&mut rig, &patch(2)), Some(2));
}

#[test]
fn fetches_are_further_and_further_apart_until_nothing_is_missing() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.sign_in(ACCEPTED);
    let mut sent_at = vec![rig.now.as_millis()];
    for status in [429, 500, 503, 599, 429, 429, 429, 429] {
        let rid = fetched(&mut rig).unwrap();
        assert_eq!(rig.feed(&response(&rid, status, b"")).events, []);
        rig.pass(TimeoutReason::TwinRefetch).unwrap();
        sent_at.push(rig.now.as_millis());
    }
    let apart: Vec<u64> = sent_at.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
    assert_eq!(apart, [1, 2, 4, 8, 16, 32, 60, 60]);
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(4))), Some(4));
    // Caught up: the next gap is fetched after a second again.
    assert_eq!(delivered(&mut rig, &patch(6)), None);
    let before = rig.now.as_millis();
    rig.pass(TimeoutReason::TwinRefetch).unwrap();
    assert_eq!(rig.now.as_millis() - before, 1_000);
}

#[test]
fn another_gap_does_not_put_off_the_fetch_that_is_coming() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 4);
    assert_eq!(delivered(&mut rig, &patch(6)), None);
    let deadline = rig.client.poll_timeout();
    assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::TwinRefetch));
    assert_eq!(delivered(&mut rig, &patch(8)), None);
    assert_eq!(rig.client.poll_timeout(), deadline);
}

#[test]
fn a_fetch_without_an_answer_is_repeated_and_a_late_answer_is_a_stray() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.sign_in(ACCEPTED);
    let first = fetched(&mut rig).unwrap();
    rig.pass(TimeoutReason::TwinSync).unwrap();
    assert_eq!(rig.now.as_millis(), 60_000);
    let second = fetched(&mut rig).unwrap();
    assert_ne!(first, second);
    assert_eq!(rig.feed(&response(&first, 200, &document(4))).events, []);
    assert_eq!(rig.client.strays(), 1);
    assert_eq!(delivered(&mut rig, &response(&second, 200, &document(4))), Some(4));
    assert_eq!(rig.feed(&response(&second, 200, &document(4))).events, []);
    assert_eq!((rig.client.strays(), rig.client.poll_timeout()), (2, None));
}

#[test]
fn an_answer_before_the_fetch_was_confirmed_leaves_no_deadline() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.sign_in(ACCEPTED);
    let get = rig.lent();
    rig.confirm(5);
    let rid = String::from_utf8(get[get.len() - 9..].to_vec()).unwrap();
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(1))), Some(1));
    rig.confirm(get.len() - 5);
    assert_eq!((rig.sent().len(), rig.client.poll_timeout()), (0, None));
}

#[test]
fn any_other_status_ends_synchronisation_once() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.sign_in(ACCEPTED);
    let rid = fetched(&mut rig).unwrap();
    let failed = Seen::SyncFailed(RequestError::Status(403));
    assert_eq!(rig.feed(&response(&rid, 403, b"")).events, [failed]);
    let unsynced = |version| Seen::Desired { version: Some(version), unsynced: true };
    assert_eq!(rig.feed(&[patch(9), patch(3)].concat()).events, [unsynced(9), unsynced(3)]);
    assert_eq!((fetched(&mut rig), rig.client.poll_timeout()), (None, None));
    rig.cut();
    at_version(&mut rig, 9);
}

#[test]
fn after_synchronisation_has_failed_nothing_is_fetched() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.sign_in(ACCEPTED);
    let rid = fetched(&mut rig).unwrap();
    assert_eq!(delivered(&mut rig, &patch(9)), None);
    rig.feed(&response(&rid, 403, b""));
    let token = rig.client.twin_get(rig.now).unwrap();
    rig.sent();
    let events = rig.feed(&response(&format!("{:08x}", token.to_bits()), 200, &document(5))).events;
    assert!(matches!(events.as_slice(), [Seen::Document { stale: false, .. }]), "{events:?}");
    assert_eq!((rig.sent().len(), rig.client.poll_timeout()), (0, None));
}

#[test]
fn a_desired_filter_granted_later_begins_synchronisation_whatever_is_held() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.connect(ACCEPTED);
    rig.sent();
    rig.feed(&hex("9004ffff0080"));
    let token = rig.client.twin_get(rig.now).unwrap();
    rig.sent();
    rig.feed(&response(&format!("{:08x}", token.to_bits()), 200, &document(5)));
    rig.client.subscribe(rig.now, Features::DESIRED).unwrap();
    rig.grant();
    let rid = fetched(&mut rig).expect("what changed before is not known");
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(7))), Some(7));
}

#[test]
fn a_refused_twin_filter_lets_patches_pass_and_granting_it_later_begins_synchronisation() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    rig.connect(ACCEPTED);
    rig.sent();
    assert_eq!(rig.feed(&hex("9004ffff8000")).events, [Seen::Ready(Features::TWIN)]);
    assert_eq!(rig.feed(&patch(5)).events, [Seen::Desired { version: Some(5), unsynced: true }]);
    assert_eq!(rig.sent(), b"");
    rig.client.subscribe(rig.now, Features::TWIN).unwrap();
    assert_eq!(rig.grant(), [Seen::Subscribed(Features::TWIN, Features::NONE)]);
    let rid = fetched(&mut rig).expect("the twin is fetched now");
    assert_eq!(delivered(&mut rig, &response(&rid, 200, &document(5))), Some(5));
    assert_eq!(delivered(&mut rig, &patch(6)), Some(6));
    // Another subscription does not begin it again.
    rig.client.subscribe(rig.now, Features::METHODS).unwrap();
    rig.grant();
    assert_eq!(fetched(&mut rig), None);
}

#[test]
fn the_applications_own_get_is_always_answered_and_closes_a_gap() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 4);
    let get = |rig: &mut Rig<'_>| -> (TwinToken, String) {
        let token = rig.client.twin_get(rig.now).unwrap();
        rig.sent();
        (token, format!("{:08x}", token.to_bits()))
    };
    let own = |token, version, stale| {
        vec![Seen::Document { token: Some(token), version: Some(version), stale, payload: document(version) }]
    };
    let (token, rid) = get(&mut rig);
    assert_eq!(rig.feed(&response(&rid, 200, &document(7))).events, own(token, 7, false));
    assert_eq!(delivered(&mut rig, &patch(7)), None);
    assert_eq!(delivered(&mut rig, &patch(8)), Some(8));
    let (token, rid) = get(&mut rig);
    assert_eq!(rig.feed(&response(&rid, 200, &document(6))).events, own(token, 6, true));
    assert_eq!(delivered(&mut rig, &patch(9)), Some(9), "a stale document changed nothing");
}

#[test]
fn without_synchronisation_no_document_is_stale() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { twin_sync: false, ..synced() });
    rig.sign_in(ACCEPTED);
    for version in [8, 7] {
        let token = rig.client.twin_get(rig.now).unwrap();
        rig.sent();
        let events = rig.feed(&response(&format!("{:08x}", token.to_bits()), 200, &document(version))).events;
        let [Seen::Document { version: told, stale: false, .. }] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(*told, Some(version));
    }
}

#[test]
fn responses_end_requests_by_what_was_asked() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { twin_sync: false, ..synced() });
    rig.sign_in(ACCEPTED);
    for status in [200, 204, 299] {
        let token = rig.client.twin_report(rig.now, b"{}").unwrap();
        rig.sent();
        let topic = format!("$iothub/twin/res/{status}/?$rid={:08x}&$version=18446744073709551615", token.to_bits());
        assert_eq!(rig.feed(&publish(0x30, &topic, None, b"")).events, [Seen::Reported(token, Some(u64::MAX))]);
    }
    for status in [0, 199, 300, 400, 412, 429, 500, 65_535] {
        let token = rig.client.twin_report(rig.now, b"{}").unwrap();
        rig.sent();
        let events = rig.feed(&response(&format!("{:08x}", token.to_bits()), status, b"why")).events;
        assert_eq!(events, [Seen::RequestFailed(token, RequestError::Status(status))]);
    }
    assert_eq!((rig.client.pending(), rig.client.strays()), (Pending::default(), 0));
}

#[test]
fn responses_that_match_nothing_are_counted() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 1);
    let token = rig.client.twin_get(rig.now).unwrap();
    let rid = format!("{:08x}", token.to_bits());
    let upper = rid.to_uppercase();
    rig.sent();
    let other_use = format!("{:08x}", token.to_bits() + 0x1_0000);
    let strangers = ["1", "s", "s00000002", "00000063", &other_use, "000100000", "+0000001", &format!("{rid} ")];
    for (count, rid) in (1..).zip(strangers) {
        assert_eq!(rig.feed(&response(&rid.replace('+', "%2B"), 200, b"{}")).events, [], "{rid}");
        assert_eq!(rig.client.strays(), count, "{rid}");
    }
    assert!(upper == rid || rig.feed(&response(&upper, 200, b"{}")).events.is_empty());
    assert_eq!(rig.client.pending().twin_requests, 1);
}

#[test]
fn nothing_is_fetched_while_draining_or_offline() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(synced());
    at_version(&mut rig, 1);
    rig.send(b"holds the drain");
    rig.sent();
    assert_eq!(delivered(&mut rig, &patch(9)), None);
    rig.client.disconnect(rig.now).unwrap();
    rig.pass(TimeoutReason::TwinRefetch).unwrap();
    assert_eq!((rig.sent().len(), rig.client.state()), (0, State::Draining));
    rig.cut();
    rig.sign_in(RESUMED);
    let sent = packets(&rig.sent());
    assert_eq!((sent.len(), sent[1][0]), (2, 0x3a), "the fetch does not wait, and telemetry does not wait for it");
}
