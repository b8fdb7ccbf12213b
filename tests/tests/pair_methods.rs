//! Direct methods: answered in the match arm, later, or too late.

use iothub_proto::error::{Error, UsageError};
use iothub_proto::event::KeptRequestId;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{Event, Telemetry};
use iothub_tests::hub::codec::{Packet, publish_packet};
use iothub_tests::hub::{CallId, CallResult};
use iothub_tests::link::Break;
use iothub_tests::pair::{Pair, Seen, Setup, is_over};

const STALE: Result<(), Error> = Err(Error::Usage(UsageError::Stale));

fn ready(setup: Setup) -> Pair {
    let mut pair = setup.start();
    pair.sign_in();
    settle(&mut pair);
    pair
}

fn settle(pair: &mut Pair) {
    pair.run_for(Duration::from_millis(100));
}

fn call(pair: &mut Pair, name: &str, payload: &[u8]) -> CallId {
    let client_id = pair.client_id().to_owned();
    let call = pair.hub.invoke(&client_id, name, payload, Duration::from_secs(30));
    settle(pair);
    call
}

/// Name, payload and request of the calls seen so far.
fn calls(pair: &Pair) -> Vec<(&str, &[u8], KeptRequestId)> {
    let seen = pair.seen().iter();
    seen.filter_map(|(_, seen)| match seen {
        Seen::Method { name, payload, request } => Some((name.as_str(), payload.as_slice(), *request)),
        _ => None,
    })
    .collect()
}

fn answered(status: i32, payload: &[u8]) -> CallResult {
    CallResult::Answered { status, payload: payload.to_vec() }
}

#[test]
fn a_method_is_answered_while_its_event_is_alive() {
    for setup in [Setup::device(), Setup::module(), Setup::device().link(1, (0, 3))] {
        let mut pair = ready(setup);
        pair.handler = Some(Box::new(|client, now, event| {
            if let Event::MethodCall { name: "echo", payload, request } = event {
                // The payload lies in the input; the answer copies it from there.
                client.method_respond(now, request, 200, payload).unwrap();
            }
        }));
        let before = pair.now();
        let call = call(&mut pair, "echo", b"{\"in\":[1,2]}");
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.hub.call_result(call), answered(200, b"{\"in\":[1,2]}"));
        let answer = pair.sent().last().expect("an answer");
        let Packet::Publish(publish) = &answer.packet else { panic!("{answer:?}") };
        assert_eq!((publish.qos, publish.topic.as_str()), (0, "$iothub/methods/res/200/?$rid=1"));
        assert!(answer.at > before);
    }
}

#[test]
fn a_method_is_answered_later() {
    let mut pair = ready(Setup::device());
    let first = call(&mut pair, "first", b"");
    let second = call(&mut pair, "second", b"null");
    let seen: Vec<_> = calls(&pair).iter().map(|(name, payload, _)| (name.to_string(), payload.to_vec())).collect();
    assert_eq!(seen, [("first".to_owned(), vec![]), ("second".to_owned(), b"null".to_vec())]);
    let [one, two] = [0, 1].map(|index| calls(&pair)[index].2);
    pair.run_for(Duration::from_secs(20));
    pair.client.method_respond(pair.now(), &two, 404, b"{}").unwrap();
    pair.client.method_respond(pair.now(), &one, 65_535, b"").unwrap();
    settle(&mut pair);
    assert_eq!(pair.hub.call_result(first), answered(65_535, b""));
    assert_eq!(pair.hub.call_result(second), answered(404, b"{}"));
}

#[test]
fn an_answer_after_a_reconnect_is_refused_and_never_sent() {
    let mut pair = ready(Setup::device());
    let call = call(&mut pair, "reboot", b"");
    let request = calls(&pair)[0].2;
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(pair.client.method_respond(pair.now(), &request, 200, b""), STALE, "offline");
    pair.sign_in();
    assert_eq!(pair.client.method_respond(pair.now(), &request, 200, b""), STALE, "of an earlier connection");
    pair.run_for(Duration::from_secs(60));
    assert_eq!((pair.hub.call_result(call), pair.hub.stray_answers()), (CallResult::TimedOut, 0));
}

#[test]
fn an_answer_that_is_queued_when_the_link_breaks_dies_with_it() {
    let mut pair = Setup::device().start();
    pair.link.capacity = 200;
    pair.sign_in();
    settle(&mut pair);
    let call = call(&mut pair, "read", b"");
    let request = calls(&pair)[0].2;
    // A large message is half sent: the answer waits for the packet boundary.
    pair.send(&[0; 4_000]);
    pair.run_for(Duration::ZERO);
    pair.client.method_respond(pair.now(), &request, 200, b"\"answer\"").unwrap();
    assert_eq!(pair.client.pending().method_answers, 1);
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(pair.client.pending().method_answers, 0);
    pair.link.capacity = 65_536;
    pair.sign_in();
    pair.run_for(Duration::from_secs(60));
    assert_eq!((pair.hub.call_result(call), pair.hub.stray_answers()), (CallResult::TimedOut, 0));
}

#[test]
fn a_method_that_nobody_knows_is_refused_by_the_application() {
    let mut pair = ready(Setup::device());
    pair.handler = Some(Box::new(|client, now, event| {
        if let Event::MethodCall { name, request, .. } = event {
            assert_eq!(*name, "no such%20thing");
            client.method_respond(now, request, 501, br#"{"error":"unknown"}"#).unwrap();
        }
    }));
    let call = call(&mut pair, "no such%20thing", b"{}");
    assert_eq!(pair.hub.call_result(call), answered(501, br#"{"error":"unknown"}"#));
}

#[test]
fn a_method_call_that_is_too_large_can_still_be_answered() {
    let mut pair = ready(Setup::device().settings(|settings| settings.max_packet = 200));
    pair.handler = Some(Box::new(|client, now, event| {
        if let Event::Skipped(skipped) = event {
            assert_eq!((skipped.payload_len, skipped.token, skipped.packet_id), (5_002, None, None));
            client.method_respond(now, skipped.request.unwrap(), 413, b"").unwrap();
        }
    }));
    let call = call(&mut pair, "upload", format!("\"{}\"", "x".repeat(5_000)).as_bytes());
    assert_eq!(pair.hub.call_result(call), answered(413, b""));
}

#[test]
fn a_second_answer_does_no_harm() {
    let mut pair = ready(Setup::device());
    let call = call(&mut pair, "once", b"");
    let request = calls(&pair)[0].2;
    for status in [200, 500] {
        pair.client.method_respond(pair.now(), &request, status, b"").unwrap();
    }
    settle(&mut pair);
    assert_eq!((pair.hub.call_result(call), pair.hub.stray_answers()), (answered(200, b""), 1));
}

#[test]
fn an_answer_larger_than_the_hub_takes_is_refused_here() {
    let mut pair = ready(Setup::device().memory(150_000, 4, 4));
    let call = call(&mut pair, "read", b"");
    let request = calls(&pair)[0].2;
    let body = format!("\"{}\"", "x".repeat(128 * 1024 - 1));
    let error = UsageError::MessageTooLarge { len: 128 * 1024 + 1, limit: 128 * 1024 };
    let refused = pair.client.method_respond(pair.now(), &request, 200, body.as_bytes());
    assert_eq!(refused, Err(error.into()));
    let body = format!("\"{}\"", "x".repeat(128 * 1024 - 2));
    pair.client.method_respond(pair.now(), &request, 200, body.as_bytes()).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.hub.call_result(call), answered(200, body.as_bytes()));
}

#[test]
fn a_request_id_longer_than_can_be_kept_is_answered_in_the_event() {
    let long = "r".repeat(200);
    let packet = publish_packet(&format!("$iothub/methods/POST/m/?$rid={long}"), b"", false, None);
    let mut client = Setup::device().client();
    client.connect(Instant::ZERO, &iothub_proto::ConnectOptions::default()).unwrap();
    let len = client.poll_transmit().unwrap().len();
    client.confirm_transmit(Instant::ZERO, len).unwrap();
    assert!(client.handle_input(Instant::ZERO, b"\x20\x02\x00\x00").unwrap().event.is_some());
    let handled = client.handle_input(Instant::ZERO, &packet).unwrap();
    let Some(Event::MethodCall { request, .. }) = handled.event else { panic!("{handled:?}") };
    assert!(request.keep().is_none());
    client.method_respond(Instant::ZERO, request, 200, b"").unwrap();
    // The first packet is SUBSCRIBE: the handshake goes first.
    for first in [0x82, 0x30] {
        let bytes = client.poll_transmit().unwrap();
        assert_eq!(bytes[0], first);
        let (len, found) = (bytes.len(), bytes.windows(long.len()).any(|window| window == long.as_bytes()));
        assert_eq!(found, first == 0x30);
        client.confirm_transmit(Instant::ZERO, len).unwrap();
    }
}

#[test]
fn answers_leave_before_telemetry_that_was_queued_earlier() {
    let mut pair = Setup::device().start();
    pair.link.capacity = 500;
    pair.sign_in();
    settle(&mut pair);
    pair.handler = Some(Box::new(|client, now, event| {
        if let Event::MethodCall { request, .. } = event {
            client.method_respond(now, request, 200, b"").unwrap();
        }
    }));
    let numbers = 0..30_u8;
    for number in numbers.clone() {
        let message = Telemetry { payload: &[number; 300], ..Telemetry::default() };
        pair.client.send_telemetry(pair.now(), &message).unwrap();
    }
    let before = pair.now();
    let call = pair.hub.invoke("dev1", "now", b"", Duration::from_secs(30));
    let report = pair.client.twin_report(pair.now(), b"{\"busy\":true}").unwrap();
    pair.run_until("answered", |pair| pair.hub.call_result(call) != CallResult::Pending);
    // Two trips, the rest of a packet before it, and not the whole queue.
    assert!(pair.now().since(before) <= Duration::from_millis(60), "{pair:?}");
    assert!(pair.client.pending().telemetry > 25, "{:?}", pair.client.pending());
    pair.run_until("reported", |pair| {
        pair.has(|seen| matches!(seen, Seen::TwinReported { token, .. } if *token == report))
    });
    assert!(pair.client.pending().telemetry > 20, "{:?}", pair.client.pending());
    // Order of lanes on the wire: answer, request, telemetry, at packet boundaries.
    let kinds: Vec<&str> = pair
        .sent()
        .iter()
        .filter(|sent| sent.at >= before)
        .filter_map(|sent| match &sent.packet {
            Packet::Publish(publish) if publish.topic.starts_with("$iothub/methods") => Some("answer"),
            Packet::Publish(publish) if publish.topic.starts_with("$iothub/twin") => Some("request"),
            Packet::Publish(_) => Some("telemetry"),
            _ => None,
        })
        .collect();
    // The request was there first; the call came in 10 ms later.
    assert_eq!(kinds[0], "request");
    let answer = kinds.iter().position(|kind| *kind == "answer").unwrap();
    assert!(answer < 5, "{kinds:?}");
    pair.run_until("settled", |pair| pair.client.pending().telemetry == 0);
    let arrived: Vec<u8> = pair.hub.take_telemetry().iter().map(|telemetry| telemetry.payload[0]).collect();
    assert_eq!(arrived, numbers.collect::<Vec<_>>());
}

#[test]
fn answers_leave_before_ready() {
    let mut pair = Setup::device().start();
    pair.handler = Some(Box::new(|client, now, event| {
        if let Event::MethodCall { request, .. } = event {
            client.method_respond(now, request, 200, b"").unwrap();
        }
    }));
    pair.hub.faults.answer_delay = Duration::from_secs(5);
    pair.connect();
    pair.run_until("connected", |pair| pair.has(|seen| matches!(seen, Seen::Connected { .. })));
    let conn = pair.hub.connection("dev1").unwrap();
    pair.hub.send_raw(conn, &publish_packet("$iothub/methods/POST/early/?$rid=9", b"", false, None));
    let before = pair.now();
    // The hub has made no such call: it only counts the answer.
    pair.run_until("answered", |pair| pair.hub.stray_answers() == 1);
    assert_eq!(pair.now().since(before), Duration::from_millis(20));
    assert!(!pair.has(iothub_tests::pair::is_ready));
}
