//! Twins and direct methods of the hub simulator.

mod common;

use common::*;
use iothub_proto::time::{Duration, Instant};
use iothub_tests::hub::{CallResult, Hub, HubConfig};
use serde_json::{Value, json};

const GET: &str = "$iothub/twin/GET/?$rid=";
const REPORT: &str = "$iothub/twin/PATCH/properties/reported/?$rid=";

#[test]
fn a_get_shows_both_sections_with_their_versions() {
    let mut hub = hub();
    assert_eq!(hub.patch_desired("dev1", &json!({"a": {"b": 1}, "gone": null})), Ok(2));
    let conn = subscribed(&mut hub, &[TWIN_RESPONSES]);
    hub.handle_input(conn, Instant::ZERO, &publish(0x32, &format!("{GET}x-1"), Some(4), b" "));
    let sent = packets(&mut hub, conn);
    assert_eq!((sent[0].first, sent[0].body.as_slice()), (0x40, &[0, 4][..]), "PUBACK first");
    assert_eq!(sent[1].first, 0x30);
    let (topic, _, body) = sent[1].publish();
    assert_eq!(topic, "$iothub/twin/res/200/?$rid=x-1");
    let expected = json!({"desired": {"a": {"b": 1}, "$version": 2}, "reported": {"$version": 1}});
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
}

#[test]
fn a_report_merges() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[TWIN_RESPONSES]);
    let first = br#"{"a":{"x":1,"y":2},"list":[1,2],"gone":true}"#;
    hub.handle_input(conn, Instant::ZERO, &publish(0x30, &format!("{REPORT}1"), None, first));
    let second = br#"{"a":{"x":null,"z":{"deep":null}},"list":[3],"gone":null}"#;
    hub.handle_input(conn, Instant::ZERO, &publish(0x30, &format!("{REPORT}2&$version=2"), None, second));
    let topics: Vec<_> = packets(&mut hub, conn).iter().map(|packet| packet.publish().0).collect();
    assert_eq!(topics, ["$iothub/twin/res/204/?$rid=1&$version=2", "$iothub/twin/res/204/?$rid=2&$version=3"]);
    assert_eq!(hub.twin("dev1")["reported"], json!({"a": {"y": 2, "z": {}}, "list": [3], "$version": 3}));
}

#[test]
fn bad_reports_are_answered_and_change_nothing() {
    let deep = (0..12).fold(json!(1), |inner, _| json!({ "d": inner }));
    let cases = [
        (b"{".to_vec(), "400"),
        (b"[]".to_vec(), "400"),
        (b"{\"a.b\":1}".to_vec(), "400"),
        (b"{\"$version\":1}".to_vec(), "400"),
        (b"{\"a b\":1}".to_vec(), "400"),
        (b"{\"\":1}".to_vec(), "400"),
        (b"{\"n\":4503599627370496}".to_vec(), "400"),
        (b"{\"n\":-4503599627370496}".to_vec(), "204"),
        (json!({ "s": "x".repeat(4097) }).to_string().into_bytes(), "400"),
        (json!({ "s": "x".repeat(4096) }).to_string().into_bytes(), "204"),
        (json!({ "l": vec!["x".repeat(4096); 8] }).to_string().into_bytes(), "400"),
        (deep.to_string().into_bytes(), "400"),
        (deep["d"].to_string().into_bytes(), "204"),
    ];
    for (body, status) in cases {
        let mut hub = hub();
        let conn = subscribed(&mut hub, &[TWIN_RESPONSES]);
        hub.handle_input(conn, Instant::ZERO, &publish(0x30, &format!("{REPORT}1"), None, &body));
        let (topic, _, answer) = packets(&mut hub, conn)[0].publish();
        let body = String::from_utf8_lossy(&body);
        assert!(topic.starts_with(&format!("$iothub/twin/res/{status}/?$rid=1")), "{topic} for {body}");
        if status == "400" {
            assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap()["errorCode"], 400_000);
            assert_eq!(hub.twin("dev1")["reported"], json!({"$version": 1}));
        }
    }
}

#[test]
fn another_version_than_expected_is_412() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[TWIN_RESPONSES]);
    hub.handle_input(conn, Instant::ZERO, &publish(0x30, &format!("{REPORT}1&$version=9"), None, b"{}"));
    assert_eq!(packets(&mut hub, conn)[0].publish().0, "$iothub/twin/res/412/?$rid=1");
}

#[test]
fn statuses_and_delays_are_as_told() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[TWIN_RESPONSES]);
    hub.faults.twin_statuses.extend([429, 500]);
    hub.faults.answer_delay = Duration::from_secs(2);
    for rid in ["1", "2", "3"] {
        hub.handle_input(conn, Instant::ZERO, &publish(0x30, &format!("{GET}{rid}"), None, b""));
    }
    assert!(bytes(&mut hub, conn).is_empty());
    hub.handle_timeout(millis(2_000));
    let sent: Vec<_> = packets(&mut hub, conn).iter().map(FromHub::publish).collect();
    assert_eq!(sent[0].0, "$iothub/twin/res/429/?$rid=1");
    assert!(serde_json::from_slice::<Value>(&sent[0].2).unwrap()["trackingId"].is_string());
    assert_eq!(sent[1].0, "$iothub/twin/res/500/?$rid=2");
    assert_eq!(sent[2].0, "$iothub/twin/res/200/?$rid=3");
}

#[test]
fn desired_changes_reach_only_those_who_listen() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, false);
    hub.patch_desired("dev1", &json!({"a": 1})).unwrap();
    assert!(bytes(&mut hub, conn).is_empty());
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &[(DESIRED, 1)]));
    bytes(&mut hub, conn);
    hub.patch_desired("dev1", &json!({"a": null, "b": {"c": 2}})).unwrap();
    let (topic, id, body) = packets(&mut hub, conn)[0].publish();
    assert_eq!((topic.as_str(), id), ("$iothub/twin/PATCH/properties/desired/?$version=3", None));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, json!({"a": null, "b": {"c": 2}, "$version": 3}));
    // Not queued while away, though the session is kept.
    hub.handle_eof(conn, Instant::ZERO);
    hub.patch_desired("dev1", &json!({"b": 3})).unwrap();
    let conn = open(&mut hub, Instant::ZERO, &connect(0, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
    assert_eq!(bytes(&mut hub, conn), RESUMED);
    assert!(hub.patch_desired("dev1", &json!([])).is_err());
}

#[test]
fn a_method_is_called_and_answered() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[METHODS]);
    let call = hub.invoke("dev1", "reboot", b"{\"in\":5}", Duration::from_secs(30));
    let sent = packets(&mut hub, conn);
    assert_eq!(sent[0].first, 0x30);
    assert_eq!(sent[0].publish(), ("$iothub/methods/POST/reboot/?$rid=1".to_owned(), None, b"{\"in\":5}".to_vec()));
    assert_eq!(hub.call_result(call), CallResult::Pending);
    let answer = publish(0x32, "$iothub/methods/res/-7/?$rid=1", Some(1), b"null");
    hub.handle_input(conn, Instant::ZERO, &answer);
    assert_eq!(hub.call_result(call), CallResult::Answered { status: -7, payload: b"null".to_vec() });
    assert_eq!(bytes(&mut hub, conn), puback(1));
    // Once is enough.
    hub.handle_input(conn, Instant::ZERO, &publish(0x30, "$iothub/methods/res/200/?$rid=1", None, b""));
    assert_eq!(hub.call_result(call), CallResult::Answered { status: -7, payload: b"null".to_vec() });
    assert_eq!(hub.stray_answers(), 1);
}

#[test]
fn calls_fail_when_nobody_answers() {
    let mut hub = hub_with(HubConfig { request_id_prefix: "a-B_~.".to_owned(), ..config() });
    let offline = hub.invoke("dev1", "m", b"", Duration::from_secs(5));
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    let deaf = hub.invoke("dev1", "m", b"", Duration::from_secs(5));
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &[(METHODS, 0)]));
    bytes(&mut hub, conn);
    let slow = hub.invoke("dev1", "m", b"", Duration::from_secs(5));
    assert_eq!(packets(&mut hub, conn)[0].publish().0, "$iothub/methods/POST/m/?$rid=a-B_~.3");
    assert_eq!(hub.poll_timeout(), Some(millis(5_000)));
    hub.handle_timeout(millis(5_000));
    assert_eq!(hub.call_result(offline), CallResult::NotOnline);
    assert_eq!(hub.call_result(deaf), CallResult::NotOnline);
    assert_eq!(hub.call_result(slow), CallResult::TimedOut);
    hub.handle_input(conn, millis(5_001), &publish(0x30, "$iothub/methods/res/200/?$rid=a-B_~.3", None, b""));
    assert_eq!((hub.call_result(slow), hub.stray_answers()), (CallResult::TimedOut, 1));
}

#[test]
fn a_late_patch_is_overtaken() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[DESIRED]);
    hub.faults.patch_delays.push_back(Duration::from_millis(100));
    assert_eq!(hub.patch_desired("dev1", &json!({"a": 1})), Ok(2));
    assert_eq!(hub.patch_desired("dev1", &json!({"a": 2})), Ok(3));
    let versions = |hub: &mut Hub| {
        let topics = packets(hub, conn).iter().map(|packet| packet.publish().0).collect::<Vec<_>>();
        topics.iter().map(|topic| topic.rsplit_once('=').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(versions(&mut hub), ["3"]);
    let due = Instant::from_millis(100);
    assert_eq!(hub.poll_timeout(), Some(due));
    hub.handle_timeout(due);
    assert_eq!(versions(&mut hub), ["2"]);
    assert_eq!(hub.desired_version("dev1"), 3);
}
