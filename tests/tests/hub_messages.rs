//! Telemetry, cloud-to-device messages and module inputs in the hub simulator.

mod common;

use common::*;
use iothub_proto::time::{Duration, Instant};
use iothub_tests::hub::{CloseReason, CloudMessage, Cut, MAX_MESSAGE, Outcome, SendError, topic::Feature};

const EVENTS: &str = "devices/dev1/messages/events/";

#[test]
fn telemetry_arrives_with_its_properties() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    let bag = "%24.mid=m%201&$.ct=application%2Fjson&level=&flag&a%3Db=%C3%A9/";
    hub.handle_input(conn, millis(5), &publish(0x3b, &format!("{EVENTS}{bag}"), Some(7), b"{}"));
    assert_eq!(bytes(&mut hub, conn), puback(7));
    let received = hub.take_telemetry();
    let [telemetry] = received.as_slice() else { panic!("{received:?}") };
    let expected = [
        ("$.mid", Some("m 1")),
        ("$.ct", Some("application/json")),
        ("level", Some("")),
        ("flag", None),
        ("a=b", Some("é")),
        ("mqtt-retain", Some("true")),
    ];
    let expected: Vec<_> = expected.iter().map(|(name, value)| (name.to_string(), value.map(str::to_owned))).collect();
    assert_eq!(telemetry.properties, expected);
    assert_eq!((telemetry.payload.as_slice(), telemetry.qos, telemetry.dup), (&b"{}"[..], 1, true));
    assert_eq!((telemetry.packet_id, telemetry.at, telemetry.conn), (Some(7), millis(5), conn));
    assert!(hub.take_telemetry().is_empty());
}

#[test]
fn every_form_of_the_telemetry_topic_is_accepted() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    for tail in ["events", "events/", "events/a=b", "events/a=b/", "events/?a=b"] {
        hub.handle_input(conn, Instant::ZERO, &publish(0x30, &format!("devices/dev1/messages/{tail}"), None, b""));
    }
    assert_eq!(hub.take_telemetry().len(), 5);
    assert!(hub.violations().is_empty());
}

#[test]
fn size_is_counted_as_the_hub_counts_it() {
    // The name of a system property is free; values and application names are not.
    let topic = format!("{EVENTS}%24.mid=abc&ab=c");
    for (len, fits) in [(MAX_MESSAGE - 6, true), (MAX_MESSAGE - 5, false)] {
        let mut hub = hub();
        let conn = sign_in(&mut hub, Instant::ZERO, true);
        hub.handle_input(conn, Instant::ZERO, &publish(0x30, &topic, None, &vec![0; len]));
        assert_eq!(hub.take_telemetry().len(), usize::from(fits));
        assert_eq!(hub.wants_close(conn).is_none(), fits);
    }
}

#[test]
fn pubacks_are_dropped_and_delayed_as_told() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    hub.faults.drop_pubacks = 1;
    hub.faults.puback_delay = Duration::from_millis(30);
    hub.handle_input(conn, Instant::ZERO, &publish(0x32, EVENTS, Some(1), b"a"));
    hub.handle_input(conn, Instant::ZERO, &publish(0x32, EVENTS, Some(2), b"b"));
    assert!(bytes(&mut hub, conn).is_empty());
    assert_eq!(hub.poll_timeout(), Some(millis(30)));
    hub.handle_timeout(millis(29));
    assert!(bytes(&mut hub, conn).is_empty());
    hub.handle_timeout(millis(30));
    assert_eq!(bytes(&mut hub, conn), puback(2));
    // Number 2 is free again, number 1 only for a re-delivery.
    hub.handle_input(conn, millis(31), &publish(0x32, EVENTS, Some(2), b"c"));
    hub.handle_input(conn, millis(31), &publish(0x3a, EVENTS, Some(1), b"a"));
    assert!(hub.violations().is_empty());
    hub.handle_input(conn, millis(31), &publish(0x32, EVENTS, Some(1), b"d"));
    assert_eq!(hub.violations()[0].what, "packet id in use");
}

#[test]
fn a_poisonous_message_ends_the_connection_untaken() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    hub.faults.poison = Some(b"bad".to_vec());
    hub.handle_input(conn, Instant::ZERO, &publish(0x32, EVENTS, Some(1), b"so bad"));
    assert_eq!(hub.wants_close(conn), Some(CloseReason::Fault));
    assert!(hub.take_telemetry().is_empty() && hub.violations().is_empty());
}

#[test]
fn a_message_waits_for_the_subscription_and_ends_with_its_puback() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    let mut message = CloudMessage::new(b"hello").with("color", "light blue/ü");
    message.message_id = "m-1".to_owned();
    message.system.push(("$.cid".to_owned(), "c:1".to_owned()));
    let id = hub.send_message("dev1", message).unwrap();
    assert!(bytes(&mut hub, conn).is_empty());
    assert_eq!(hub.outcome(id), Some(Outcome::Pending));
    hub.handle_input(conn, Instant::ZERO, &subscribe(9, &[(C2D, 2)]));
    let sent = packets(&mut hub, conn);
    assert_eq!((sent[0].first, sent[0].body.as_slice()), (0x90, &[0, 9, 1][..]), "never QoS 2");
    let topic = "devices/dev1/messages/devicebound/%24.mid=m-1&\
                 %24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound&%24.cid=c%3A1&color=light%20blue%2F%C3%BC";
    assert_eq!(sent[1].first, 0x32);
    assert_eq!(sent[1].publish(), (topic.to_owned(), Some(1), b"hello".to_vec()));
    assert_eq!(hub.outcome(id), Some(Outcome::Delivered));
    hub.handle_input(conn, Instant::ZERO, &puback(1));
    assert_eq!((hub.outcome(id), hub.queued("dev1")), (Some(Outcome::Completed), 0));
}

#[test]
fn at_qos_0_a_message_is_done_when_sent() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &[("devices/+/messages/devicebound/#", 0)]));
    let raw = CloudMessage { raw_bag: Some("?prop1&prop2=".to_owned()), ..CloudMessage::default() };
    let id = hub.send_message("dev1", raw).unwrap();
    let sent = packets(&mut hub, conn);
    assert_eq!(sent[1].first, 0x30);
    assert_eq!(sent[1].publish().0, "devices/dev1/messages/devicebound/?prop1&prop2=");
    assert_eq!(hub.outcome(id), Some(Outcome::Completed));
}

#[test]
fn a_resumed_session_gets_its_messages_before_it_subscribes() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, false);
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &[(C2D, 1)]));
    let first = hub.send_message("dev1", CloudMessage::new(b"1")).unwrap();
    let second = hub.send_message("dev1", CloudMessage::new(b"2")).unwrap();
    hub.handle_input(conn, Instant::ZERO, &puback(1));
    hub.handle_eof(conn, millis(10));
    hub.send_message("dev1", CloudMessage::new(b"3")).unwrap();

    let conn = open(&mut hub, millis(20), &connect(0, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
    let sent = packets(&mut hub, conn);
    assert_eq!((sent.len(), sent[0].body.as_slice()), (3, &[1, 0][..]));
    let (_, id, payload) = sent[1].publish();
    assert_eq!((sent[1].first, id, payload.as_slice()), (0x3a, Some(2), &b"2"[..]), "sent again with DUP");
    let (_, id, payload) = sent[2].publish();
    assert_eq!((sent[2].first, id, payload.as_slice()), (0x32, Some(3), &b"3"[..]));
    hub.handle_input(conn, millis(20), &[puback(2), puback(3)].concat());
    assert_eq!(hub.outcome(first), Some(Outcome::Completed));
    assert_eq!(hub.outcome(second), Some(Outcome::Completed));
}

#[test]
fn a_clean_session_gives_unacknowledged_messages_back() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[C2D]);
    let id = hub.send_message("dev1", CloudMessage::new(b"1")).unwrap();
    hub.handle_eof(conn, millis(1));
    assert_eq!(hub.outcome(id), Some(Outcome::Pending));
    let conn = subscribed(&mut hub, &[C2D]);
    hub.handle_input(conn, millis(2), &puback(1));
    assert_eq!(hub.outcome(id), Some(Outcome::Completed));
}

#[test]
fn a_lock_ends_after_a_minute_and_the_message_comes_again() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[C2D]);
    let id = hub.send_message("dev1", CloudMessage::new(b"1")).unwrap();
    assert_eq!(packets(&mut hub, conn).len(), 1);
    hub.handle_input(conn, millis(30_000), &PINGREQ);
    assert_eq!(hub.poll_timeout(), Some(millis(60_000)));
    hub.handle_timeout(millis(60_000));
    let sent = packets(&mut hub, conn);
    assert_eq!((sent[1].first, sent[1].publish().1), (0x32, Some(2)));
    // A late PUBACK of the lost lock is no violation, but completes nothing.
    hub.handle_input(conn, millis(60_001), &puback(1));
    assert_eq!(hub.outcome(id), Some(Outcome::Delivered));
    hub.handle_input(conn, millis(60_001), &puback(2));
    assert_eq!(hub.outcome(id), Some(Outcome::Completed));
    assert!(hub.violations().is_empty());
}

#[test]
fn messages_expire_and_the_queue_is_bounded() {
    let mut hub = hub();
    let short = CloudMessage { time_to_live: Some(Duration::from_secs(5)), ..CloudMessage::new(b"") };
    let id = hub.send_message("dev1", short).unwrap();
    for _ in 1..50 {
        hub.send_message("dev1", CloudMessage::new(b"")).unwrap();
    }
    assert_eq!(hub.send_message("dev1", CloudMessage::new(b"")), Err(SendError::QueueFull));
    assert_eq!(hub.send_message("nobody", CloudMessage::new(b"")), Err(SendError::NotFound));
    assert_eq!(hub.send_message("dev1/mod1", CloudMessage::new(b"")), Err(SendError::NotFound));
    assert_eq!(hub.poll_timeout(), Some(millis(5_000)));
    hub.handle_timeout(millis(5_000));
    assert_eq!((hub.outcome(id), hub.queued("dev1")), (Some(Outcome::Expired), 49));
}

#[test]
fn pubacks_must_keep_the_order_of_delivery() {
    let mut hub = hub();
    let conn = subscribed(&mut hub, &[C2D]);
    for body in [b"1", b"2", b"3"] {
        hub.send_message("dev1", CloudMessage::new(body)).unwrap();
    }
    // One that is left out is no violation, one that comes after a later one is.
    hub.handle_input(conn, Instant::ZERO, &[puback(2), puback(3)].concat());
    assert!(hub.violations().is_empty());
    hub.handle_input(conn, Instant::ZERO, &puback(1));
    assert_eq!(hub.violations()[0].what, "PUBACK out of order");
}

#[test]
fn a_message_left_out_may_be_acknowledged_on_the_next_connection() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, false);
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &[(C2D, 1)]));
    let ids = [b"1", b"2"].map(|body| hub.send_message("dev1", CloudMessage::new(body)).unwrap());
    hub.handle_input(conn, Instant::ZERO, &puback(2));
    hub.handle_eof(conn, millis(10));
    let conn = open(&mut hub, millis(20), &connect(0, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
    hub.handle_input(conn, millis(20), &puback(1));
    assert_eq!(ids.map(|id| hub.outcome(id)), [Some(Outcome::Completed); 2]);
    assert!(hub.violations().is_empty());
}

#[test]
fn modules_have_inputs_and_outputs() {
    let mut hub = hub();
    let input = CloudMessage::new(b"in").with("k", "v");
    assert_eq!(hub.send_input("dev1/mod1", "in1", &input), Err(SendError::NotSubscribed));
    let conn = open(&mut hub, Instant::ZERO, &connect(2, 60, "dev1/mod1", MODULE_USER, MODULE_TOKEN));
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &[("devices/dev1/modules/mod1/inputs/#", 1)]));
    assert!(hub.is_subscribed("dev1/mod1", Feature::Inputs));
    bytes(&mut hub, conn);
    hub.send_input("dev1/mod1", "in1", &input).unwrap();
    let (topic, id, payload) = packets(&mut hub, conn)[0].publish();
    assert!(topic.starts_with("devices/dev1/modules/mod1/inputs/in1/%24.mid="), "{topic}");
    assert!(topic.ends_with("&%24.cdid=dev1&k=v"), "{topic}");
    assert_eq!((id, payload), (Some(1), b"in".to_vec()));

    let output = "devices/dev1/modules/mod1/messages/events/%24.on=out1/";
    hub.handle_input(conn, Instant::ZERO, &[puback(1), publish(0x30, output, None, b"out")].concat());
    assert_eq!(hub.take_telemetry()[0].property("$.on"), Some("out1"));
    assert!(hub.violations().is_empty());
}

#[test]
fn a_cut_passes_exactly_the_bytes_before_it() {
    let mut hub = hub();
    hub.faults.cuts.extend([Cut { outbound: Some(3), ..Cut::default() }]);
    let first = open(&mut hub, Instant::ZERO, &connect(0, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
    assert_eq!(hub.wants_close(first), None);
    assert_eq!(bytes(&mut hub, first), [0x20, 2, 0]);
    assert_eq!(hub.wants_close(first), Some(CloseReason::Fault));

    let second = sign_in(&mut hub, Instant::ZERO, false);
    let message = publish(0x32, EVENTS, Some(1), b"abc");
    let at = (connect(0, 60, "dev1", DEVICE_USER, DEVICE_TOKEN).len() + message.len()) as u64;
    hub.cut(second, Cut { inbound: Some(at), ..Cut::default() });
    hub.handle_input(second, Instant::ZERO, &[message, publish(0x30, EVENTS, None, b"never")].concat());
    assert_eq!(hub.wants_close(second), Some(CloseReason::Fault));
    let received = hub.take_telemetry();
    assert_eq!((received.len(), received[0].payload.as_slice()), (1, &b"abc"[..]));
}
