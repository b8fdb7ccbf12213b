//! How connections to the hub simulator end, and what it calls a violation.

mod common;

use common::*;
use iothub_proto::time::{Duration, Instant};
use iothub_tests::hub::{CloseReason, HubConfig};
use proptest::prelude::*;

const EVENTS: &str = "devices/dev1/messages/events/";

/// CONNECT with a will.
fn with_will(topic: &str, qos: u8) -> Vec<u8> {
    let head = [b"\x00\x04MQTT\x04".to_vec(), vec![0xc6 | qos << 3, 0, 60], field("dev1")].concat();
    let will = [field(topic), field(b"gone")].concat();
    packet(0x10, &[head, will, field(DEVICE_USER), field(DEVICE_TOKEN)].concat())
}

#[test]
fn the_will_is_telemetry_unless_the_client_says_good_bye() {
    let mut hub = hub();
    let topic = format!("{EVENTS}a=b");
    let conn = open(&mut hub, Instant::ZERO, &with_will(&topic, 1));
    assert_eq!(bytes(&mut hub, conn), ACCEPTED);
    hub.handle_eof(conn, millis(3));
    let received = hub.take_telemetry();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].property("iothub-MessageType"), Some("Will"));
    assert_eq!((received[0].property("a"), received[0].payload.as_slice()), (Some("b"), &b"gone"[..]));

    let conn = open(&mut hub, millis(4), &with_will(&topic, 1));
    hub.handle_input(conn, millis(5), &DISCONNECT);
    assert_eq!((bytes(&mut hub, conn), hub.wants_close(conn)), (ACCEPTED.to_vec(), Some(CloseReason::Disconnected)));
    hub.handle_eof(conn, millis(5));
    assert!(hub.take_telemetry().is_empty());
    assert!(hub.violations().is_empty());
}

#[test]
fn silence_ends_a_connection_after_one_and_a_half_intervals() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    hub.handle_input(conn, millis(50_000), &PINGREQ);
    assert_eq!(bytes(&mut hub, conn), [0xd0, 0]);
    assert_eq!(hub.poll_timeout(), Some(millis(140_000)));
    hub.handle_timeout(millis(139_999));
    assert_eq!(hub.wants_close(conn), None);
    hub.handle_timeout(millis(140_000));
    assert_eq!(hub.wants_close(conn), Some(CloseReason::KeepAlive));
    assert_eq!(hub.poll_timeout(), None);
}

#[test]
fn no_keep_alive_and_a_long_one_end_at_the_load_balancer() {
    for keep_alive in [0, 1_177, 1_740] {
        let mut hub = hub();
        let conn = open(&mut hub, Instant::ZERO, &connect(2, keep_alive, "dev1", DEVICE_USER, DEVICE_TOKEN));
        let limit = if keep_alive == 1_177 { 1_765_500 } else { 1_767_000 };
        assert_eq!(hub.poll_timeout(), Some(millis(limit)));
        assert_eq!(bytes(&mut hub, conn), ACCEPTED);
        hub.handle_timeout(millis(limit));
        assert_eq!(hub.wants_close(conn), Some(CloseReason::KeepAlive));
    }
}

#[test]
fn a_silent_hub_does_not_answer_pings() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    hub.faults.ignore_pings = true;
    hub.handle_input(conn, millis(1), &PINGREQ);
    assert!(bytes(&mut hub, conn).is_empty());
    assert_eq!(hub.wants_close(conn), None);
}

#[test]
fn a_connect_must_come_in_time() {
    let mut hub = hub();
    let conn = hub.accept(millis(5), None);
    assert_eq!(hub.poll_timeout(), Some(millis(60_005)));
    hub.handle_timeout(millis(60_005));
    assert_eq!(hub.wants_close(conn), Some(CloseReason::NoConnect));
}

#[test]
fn an_expired_token_ends_the_connection_after_the_grace() {
    let mut hub = hub_with(HubConfig { expiry_grace: Duration::from_secs(7), ..config() });
    let conn = open(&mut hub, Instant::ZERO, &connect(2, 0, "dev1", DEVICE_USER, DEVICE_TOKEN));
    bytes(&mut hub, conn);
    let end = 3_607_000;
    for at in [1_700_000, 3_400_000] {
        hub.handle_input(conn, millis(at), &PINGREQ);
    }
    bytes(&mut hub, conn);
    assert_eq!(hub.poll_timeout(), Some(millis(end)));
    hub.handle_timeout(millis(end - 1));
    assert_eq!(hub.wants_close(conn), None);
    hub.handle_timeout(millis(end));
    assert_eq!(hub.wants_close(conn), Some(CloseReason::TokenExpired));
}

#[test]
fn a_test_can_end_a_connection_and_send_garbage() {
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, false);
    hub.send_raw(conn, &[0xff, 0xff]);
    assert_eq!(bytes(&mut hub, conn), [0xff, 0xff]);
    hub.end_client("dev1", CloseReason::TokenExpired);
    assert_eq!(hub.wants_close(conn), Some(CloseReason::TokenExpired));
    let conn = sign_in(&mut hub, Instant::ZERO, false);
    hub.restart(true);
    assert_eq!(hub.wants_close(conn), Some(CloseReason::Fault));
    assert!(hub.violations().is_empty());
}

#[test]
fn filters_outside_the_documented_set_are_refused_or_close() {
    let filters = [("#", 1), (C2D, 1), ("devices/dev2/messages/devicebound/#", 0), ("devices/dev1/#", 0)];
    let mut hub = hub();
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    hub.handle_input(conn, Instant::ZERO, &subscribe(3, &filters));
    assert_eq!(bytes(&mut hub, conn), [0x90, 6, 0, 3, 0x80, 1, 0x80, 0x80]);
    hub.handle_input(conn, Instant::ZERO, &packet(0xa2, &[vec![0, 4], field(C2D)].concat()));
    assert_eq!(bytes(&mut hub, conn), [0xb0, 2, 0, 4]);
    assert!(hub.violations().is_empty());

    let mut hub = hub_with(HubConfig { close_on_unknown_filter: true, ..config() });
    let conn = sign_in(&mut hub, Instant::ZERO, true);
    hub.handle_input(conn, Instant::ZERO, &subscribe(3, &filters));
    assert_eq!(hub.violations().len(), 1);
    assert!(bytes(&mut hub, conn).is_empty());
}

#[test]
fn five_subscriptions_are_enough() {
    let mut hub = hub();
    let conn = open(&mut hub, Instant::ZERO, &connect(2, 60, "dev1/mod1", MODULE_USER, MODULE_TOKEN));
    bytes(&mut hub, conn);
    let module = "devices/dev1/modules/mod1";
    let (all, inputs, bound) =
        (format!("{module}/#"), format!("{module}/inputs/#"), format!("{module}/messages/devicebound/#"));
    let filters = [TWIN_RESPONSES, DESIRED, METHODS, &all, &inputs, &bound, METHODS].map(|filter| (filter, 1));
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &filters));
    assert_eq!(packets(&mut hub, conn)[0].body, [0, 1, 1, 1, 1, 1, 1, 0x80, 1]);
}

#[test]
fn nothing_overtakes_the_connack() {
    let mut hub = hub();
    hub.faults.answer_delay = Duration::from_secs(1);
    let conn = open(&mut hub, Instant::ZERO, &connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
    hub.faults.answer_delay = Duration::ZERO;
    hub.handle_input(conn, Instant::ZERO, &[publish(0x32, EVENTS, Some(1), b""), PINGREQ.to_vec()].concat());
    assert!(bytes(&mut hub, conn).is_empty());
    hub.handle_timeout(millis(1_000));
    assert_eq!(bytes(&mut hub, conn), [ACCEPTED.to_vec(), puback(1), vec![0xd0, 0]].concat());
}

#[test]
fn qos_2_closes_unless_told_otherwise() {
    let message = publish(0x34, EVENTS, Some(5), b"x");
    let mut strict = hub();
    let conn = sign_in(&mut strict, Instant::ZERO, true);
    strict.handle_input(conn, Instant::ZERO, &message);
    assert_eq!(strict.wants_close(conn), Some(CloseReason::Violation("QoS 2")));

    let mut lax = hub_with(HubConfig { accept_qos_2: true, ..config() });
    let conn = sign_in(&mut lax, Instant::ZERO, true);
    lax.handle_input(conn, Instant::ZERO, &message);
    assert_eq!(bytes(&mut lax, conn), puback(5));
}

#[test]
fn breaches_after_sign_in_end_the_connection_and_are_recorded() {
    let events = |tail: &str| publish(0x30, &format!("{EVENTS}{tail}"), None, b"x");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("second CONNECT", connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN)),
        ("another's topic", publish(0x30, "devices/dev2/messages/events/", None, b"x")),
        ("unknown topic", publish(0x30, "a/b", None, b"x")),
        ("raw colon", events("time=12:00")),
        ("raw space", events("a=b c")),
        ("raw slash", events("a=b/c")),
        ("raw plus", events("a=b%2Bc").iter().map(|&byte| if byte == b'%' { b'+' } else { byte }).collect()),
        ("raw non-ASCII", events("a=é")),
        ("broken escape", events("a=%4")),
        ("escape that is not UTF-8", events("a=%FF")),
        ("two raw '='", events("a=b=c")),
        ("empty property", events("a=b&&c=d")),
        ("twin GET without rid", publish(0x30, "$iothub/twin/GET/", None, b"")),
        ("twin GET with an empty rid", publish(0x30, "$iothub/twin/GET/?$rid=", None, b"")),
        ("twin operation", publish(0x30, "$iothub/twin/PUT/?$rid=1", None, b"")),
        ("method status", publish(0x30, "$iothub/methods/res/ok/?$rid=1", None, b"")),
        ("method body", publish(0x30, "$iothub/methods/res/200/?$rid=1", None, b"{")),
        ("unexpected PUBACK", puback(1)),
        ("packet id 0", publish(0x32, EVENTS, Some(0), b"")),
        ("DUP on QoS 0", publish(0x38, EVENTS, None, b"")),
        ("QoS 3", publish(0x36, EVENTS, Some(1), b"")),
        ("wildcard in a topic name", publish(0x30, "devices/+/messages/events/", None, b"")),
        ("empty topic name", publish(0x30, "", None, b"")),
        ("topic longer than the packet", packet(0x30, &[0, 9, b'a'])),
        ("U+0000", publish(0x30, "devices/dev1\0", None, b"")),
        ("not UTF-8", packet(0x30, &[0, 2, 0xc3, 0x28])),
        ("SUBSCRIBE flags", packet(0x80, &[0, 1, 0, 1, b'#', 0])),
        ("SUBSCRIBE without filters", packet(0x82, &[0, 1])),
        ("SUBSCRIBE with packet id 0", subscribe(0, &[(C2D, 1)])),
        ("SUBSCRIBE with QoS 3", subscribe(1, &[(C2D, 3)])),
        ("'#' in the middle", subscribe(1, &[("devices/#/messages", 1)])),
        ("'+' within a level", subscribe(1, &[("devices/dev+/messages", 1)])),
        ("UNSUBSCRIBE without filters", packet(0xa2, &[0, 1])),
        ("PUBACK with a tail", packet(0x40, &[0, 1, 0])),
        ("PINGREQ with a body", vec![0xc0, 1, 0]),
        ("DISCONNECT flags", vec![0xe1, 0]),
        ("PUBREL", packet(0x62, &[0, 1])),
        ("CONNACK", vec![0x20, 2, 0, 0]),
        ("packet type 15", vec![0xf0]),
        ("remaining length of five bytes", vec![0x30, 0x80, 0x80, 0x80, 0x80]),
        ("a packet of 256 MiB", vec![0x30, 0xff, 0xff, 0xff, 0x7f]),
    ];
    for (what, input) in cases {
        let mut hub = hub();
        let conn = sign_in(&mut hub, Instant::ZERO, true);
        hub.handle_input(conn, Instant::ZERO, &input);
        assert_eq!(hub.violations().len(), 1, "{what}");
        assert!(bytes(&mut hub, conn).is_empty(), "{what}");
        assert!(matches!(hub.wants_close(conn), Some(CloseReason::Violation(_))), "{what}");
        assert!(hub.take_telemetry().is_empty(), "{what}");
        assert_eq!(hub.connection("dev1"), None, "{what}");
    }
}

#[test]
fn bad_connects_are_closed_without_an_answer() {
    let good = connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN);
    let flags = good.windows(5).position(|window| window == b"MQTT\x04").unwrap() + 5;
    let with_flags = |value: u8| {
        let mut bytes = good.clone();
        bytes[flags] = value;
        bytes
    };
    let mut name = good.clone();
    name[flags - 2] = b'X';
    let tail = packet(0x10, &[&good[3..], &[0]].concat());
    let cases = [
        ("not CONNECT", PINGREQ.to_vec()),
        ("reserved flag", with_flags(0xc3)),
        ("will QoS without will", with_flags(0xca)),
        ("will retain without will", with_flags(0xe2)),
        ("password without user name", with_flags(0x42)),
        ("will QoS 3", with_flags(0xde)),
        ("bytes missing", with_flags(0xc6)),
        ("protocol name", name),
        ("bytes behind", tail),
        ("will topic", with_will("devices/dev1/elsewhere", 0)),
        ("will bag", with_will(&format!("{EVENTS}a=b:c"), 0)),
        ("will QoS 2", with_will(EVENTS, 2)),
    ];
    for (what, input) in cases {
        let mut hub = hub();
        let (sent, reason) = attempt(&mut hub, &input);
        assert!(sent.is_empty() && matches!(reason, Some(CloseReason::Violation(_))), "{what}: {sent:?} {reason:?}");
        assert_eq!(hub.violations().len(), 1, "{what}");
    }
}

#[test]
fn input_may_come_in_any_pieces() {
    let mut hub = hub();
    let conn = hub.accept(Instant::ZERO, None);
    let message = publish(0x32, EVENTS, Some(1), &[b'x'; 300]);
    let input = [connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN), message.clone(), PINGREQ.to_vec()].concat();
    for byte in input {
        hub.handle_input(conn, Instant::ZERO, &[byte]);
    }
    assert_eq!(bytes(&mut hub, conn), [ACCEPTED.to_vec(), puback(1), vec![0xd0, 0]].concat());
    assert_eq!(hub.take_telemetry()[0].payload, [b'x'; 300]);
    assert!(hub.violations().is_empty());
}

/// Mostly what a client may send, so that the random rest is met in many states.
fn some_packet() -> impl Strategy<Value = Vec<u8>> {
    let legal = proptest::sample::select(vec![
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
        subscribe(1, &[(C2D, 1), ("x/#", 2), (METHODS, 0)]),
        publish(0x31, EVENTS, None, b"x"),
        publish(0x32, &format!("{EVENTS}a=b"), Some(1), b"{}"),
        publish(0x3a, "$iothub/twin/GET/?$rid=1", Some(2), b""),
        publish(0x30, "$iothub/twin/PATCH/properties/reported/?$rid=2", None, b"{\"a\":1}"),
    ]);
    let random = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40));
    prop_oneof![8 => legal, 1 => random.prop_map(|(first, body)| packet(first, &body))]
}

proptest! {
    /// Whatever a client sends, the hub goes on or ends the connection, and does so however the bytes are cut.
    #[test]
    fn any_input_is_handled_alike_in_any_pieces(
        packets in proptest::collection::vec(some_packet(), 0..12),
        piece in 1_usize..9,
    ) {
        let input = packets.concat();
        let run = |piece: usize| {
            let mut hub = hub();
            let conn = sign_in(&mut hub, Instant::ZERO, true);
            for bytes in input.chunks(piece) {
                hub.handle_input(conn, Instant::ZERO, bytes);
            }
            (bytes(&mut hub, conn), hub.wants_close(conn), hub.violations().to_vec())
        };
        prop_assert_eq!(run(piece), run(usize::MAX));
    }
}
