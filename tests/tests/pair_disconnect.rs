//! The polite end, the will, and renewing the credential.

use std::cell::Cell;
use std::rc::Rc;

use iothub_proto::error::{Error, TimeoutReason, UsageError};
use iothub_proto::event::{DisconnectReason, LastSent, RequestError};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{Event, State, Telemetry};
use iothub_tests::hub::codec::Packet;
use iothub_tests::hub::{CallResult, CloseReason, CloudMessage, Outcome};
use iothub_tests::link::Break;
use iothub_tests::pair::{Pair, Reconnect, Seen, Setup, is_over, is_ready};

fn ready(setup: Setup) -> Pair {
    let mut pair = setup.start();
    pair.sign_in();
    pair.run_for(Duration::from_millis(100));
    pair
}

/// Asks for a polite end, and gives the milliseconds until it is over.
fn sign_out(pair: &mut Pair) -> u64 {
    let before = pair.now();
    pair.client.disconnect(before).unwrap();
    pair.run_until("over", |pair| pair.has(is_over));
    pair.now().since(before).as_millis()
}

#[track_caller]
fn assert_polite(pair: &mut Pair) {
    let Some((_, Seen::Disconnected(end))) = pair.seen().last() else { panic!("{pair:?}") };
    assert_eq!((end.reason, end.last_sent), (DisconnectReason::Requested, Some(LastSent::Disconnect)));
    assert_eq!(pair.client.state(), State::Offline);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.closes.last(), Some(&CloseReason::Disconnected), "{pair:?}");
    // Nothing after DISCONNECT (MQTT-3.14.4-2).
    assert_eq!(pair.sent().last().map(|sent| &sent.packet), Some(&Packet::Disconnect));
}

#[test]
fn with_nothing_in_flight_it_is_immediate() {
    for setup in [Setup::sensor(), Setup::device()] {
        let mut pair = ready(setup);
        assert_eq!(sign_out(&mut pair), 0);
        assert_polite(&mut pair);
    }
}

#[test]
fn telemetry_in_flight_is_waited_for() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.puback_delay = Duration::from_secs(2);
    let token = pair.send(b"in flight");
    pair.run_for(Duration::from_millis(5));
    assert_eq!(sign_out(&mut pair), 2_015);
    let at = |wanted: &dyn Fn(&Seen) -> bool| pair.seen().iter().position(|(_, seen)| wanted(seen)).unwrap();
    assert!(at(&|seen| *seen == Seen::Acked(token)) < at(&is_over));
    assert_polite(&mut pair);
    assert_eq!(pair.client.pending().telemetry, 0);
}

#[test]
fn what_was_not_begun_stays_for_the_next_connection() {
    let mut pair = ready(Setup::device().settings(|settings| settings.send_window = 1));
    pair.hub.faults.puback_delay = Duration::from_millis(500);
    let first = pair.send(b"1");
    let second = pair.send(b"2");
    pair.run_for(Duration::from_millis(5));
    pair.client.disconnect(pair.now()).unwrap();
    let third = pair.send(b"3");
    let report = pair.client.twin_report(pair.now(), b"{\"a\":1}").unwrap();
    pair.run_until("over", |pair| pair.has(is_over));
    assert_polite(&mut pair);
    assert_eq!(pair.client.unacked().collect::<Vec<_>>(), [second, third]);
    assert_eq!(pair.client.pending().twin_requests, 1);
    pair.hub.faults.puback_delay = Duration::ZERO;
    pair.sign_in();
    pair.run_for(Duration::from_secs(1));
    let arrived = pair.hub.take_telemetry();
    assert_eq!(arrived.iter().map(|telemetry| telemetry.payload[0]).collect::<Vec<_>>(), b"123");
    assert!(arrived.iter().all(|telemetry| !telemetry.dup), "nothing was sent twice");
    for wanted in [Seen::Acked(first), Seen::Acked(second), Seen::Acked(third)] {
        assert_eq!(pair.count(|seen| *seen == wanted), 1);
    }
    assert!(pair.has(|seen| matches!(seen, Seen::TwinReported { token, .. } if *token == report)));
}

#[test]
fn a_twin_request_in_flight_is_waited_for() {
    let mut pair = ready(Setup::device());
    pair.hub.faults.answer_delay = Duration::from_secs(3);
    let token = pair.client.twin_report(pair.now(), b"{\"a\":1}").unwrap();
    pair.run_for(Duration::from_millis(5));
    assert_eq!(sign_out(&mut pair), 3_015);
    assert!(pair.has(|seen| matches!(seen, Seen::TwinReported { token: t, .. } if *t == token)));
    assert_polite(&mut pair);
}

#[test]
fn a_method_that_is_being_carried_out_is_waited_for() {
    let mut pair = ready(Setup::device());
    let call = pair.hub.invoke("dev1", "slow", b"", Duration::from_secs(30));
    pair.run_for(Duration::from_millis(100));
    let request = pair.seen().iter().find_map(|(_, seen)| match seen {
        Seen::Method { request, .. } => Some(*request),
        _ => None,
    });
    let request = request.unwrap();
    pair.at(pair.now() + Duration::from_secs(4), move |pair| {
        assert_eq!(pair.client.state(), State::Draining);
        pair.client.method_respond(pair.now(), &request, 200, b"").unwrap();
    });
    assert_eq!(sign_out(&mut pair), 4_000);
    assert_polite(&mut pair);
    assert_eq!(pair.hub.call_result(call), CallResult::Answered { status: 200, payload: vec![] });
}

#[test]
fn an_undecided_message_is_not_waited_for() {
    let mut pair = ready(Setup::device());
    let id = pair.hub.send_message("dev1", CloudMessage::new(b"undecided")).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.client.pending().messages, 1);
    assert_eq!(sign_out(&mut pair), 0);
    assert_polite(&mut pair);
    assert_eq!(pair.hub.outcome(id), Some(Outcome::Delivered));
}

#[test]
fn messages_and_methods_that_come_meanwhile_are_still_served() {
    let mut pair = ready(Setup::device());
    pair.handler = Some(Box::new(|client, now, event| match event {
        Event::Message(message) => client.message_accept(now, message.token.unwrap()).unwrap(),
        Event::MethodCall { request, .. } => client.method_respond(now, request, 200, b"").unwrap(),
        _ => {}
    }));
    pair.hub.faults.puback_delay = Duration::from_secs(2);
    pair.send(b"in flight");
    pair.run_for(Duration::from_millis(5));
    pair.client.disconnect(pair.now()).unwrap();
    let id = pair.hub.send_message("dev1", CloudMessage::new(b"meanwhile")).unwrap();
    let call = pair.hub.invoke("dev1", "meanwhile", b"", Duration::from_secs(30));
    pair.run_until("over", |pair| pair.has(is_over));
    assert_polite(&mut pair);
    assert_eq!(pair.hub.outcome(id), Some(Outcome::Completed));
    assert_eq!(pair.hub.call_result(call), CallResult::Answered { status: 200, payload: vec![] });
}

#[test]
fn a_hub_that_does_not_answer_is_waited_for_five_seconds() {
    let mut pair = ready(Setup::device());
    pair.hub.faults.drop_pubacks = 1;
    pair.hub.faults.answer_delay = Duration::from_secs(3_600);
    let token = pair.send(b"1");
    let report = pair.client.twin_report(pair.now(), b"{}").unwrap();
    pair.run_for(Duration::from_millis(5));
    pair.client.disconnect(pair.now()).unwrap();
    assert_eq!(pair.client.timeout_reason(), Some(TimeoutReason::Drain));
    let before = pair.now();
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(pair.now().since(before), Duration::from_secs(5));
    assert_polite(&mut pair);
    // The message is kept and the request lost, as by any end.
    let lost = |seen: &Seen| matches!(seen, Seen::RequestFailed { token, reason: RequestError::ConnectionLost, .. } if *token == report);
    assert!(pair.has(lost));
    assert_eq!(pair.client.unacked().collect::<Vec<_>>(), [token]);
    pair.hub.faults.answer_delay = Duration::ZERO;
    pair.sign_in();
    pair.run_until("acknowledged", |pair| pair.has(|seen| *seen == Seen::Acked(token)));
    assert!(pair.hub.take_telemetry()[1].dup);
}

#[test]
fn a_second_call_does_not_wait() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.puback_delay = Duration::from_secs(2);
    pair.send(b"in flight");
    pair.run_for(Duration::from_millis(5));
    pair.client.disconnect(pair.now()).unwrap();
    pair.run_for(Duration::from_millis(300));
    assert_eq!(sign_out(&mut pair), 0);
    assert_polite(&mut pair);
    assert_eq!(pair.client.pending().telemetry, 1);
    // Offline, a third one is nothing.
    pair.client.disconnect(pair.now()).unwrap();
    assert_eq!((pair.client.state(), pair.client.has_event()), (State::Offline, false));
}

#[test]
fn a_socket_that_takes_no_disconnect_is_waited_for_two_seconds() {
    let mut pair = ready(Setup::sensor());
    pair.stalled = true;
    assert_eq!(sign_out(&mut pair), 2_000);
    let Some((_, Seen::Disconnected(end))) = pair.seen().last() else { panic!("{pair:?}") };
    assert_eq!(end.reason, DisconnectReason::Requested);
    assert_eq!((pair.client.state(), pair.client.poll_timeout()), (State::Offline, None));
}

#[test]
fn a_packet_that_is_half_sent_is_sent_whole_before_disconnect() {
    let mut pair = Setup::sensor().start();
    pair.link.capacity = 300;
    pair.sign_in();
    pair.send(&[7; 3_000]);
    pair.run_for(Duration::from_millis(1));
    pair.client.disconnect(pair.now()).unwrap();
    // A second call in the middle of a packet: DISCONNECT still waits for its boundary.
    pair.client.disconnect(pair.now()).unwrap();
    pair.run_until("over", |pair| pair.has(is_over));
    assert_polite(&mut pair);
    assert_eq!(pair.hub.take_telemetry()[0].payload, [7; 3_000]);
}

#[test]
fn before_connack_there_is_nobody_to_say_goodbye_to() {
    let mut pair = Setup::device().start();
    pair.send(b"kept");
    pair.connect();
    pair.run_for(Duration::from_millis(5));
    assert_eq!(sign_out(&mut pair), 0);
    let [(_, Seen::Disconnected(end))] = pair.seen() else { panic!("{pair:?}") };
    assert_eq!((end.reason, end.last_sent), (DisconnectReason::Requested, Some(LastSent::Connect)));
    assert_eq!((pair.client.state(), pair.client.pending().telemetry), (State::Offline, 1));
    pair.run_for(Duration::from_secs(1));
    pair.sign_in();
}

#[test]
fn before_ready_nothing_is_begun() {
    let mut pair = Setup::device().start();
    pair.send(b"kept");
    pair.connect();
    pair.run_until("connected", |pair| pair.has(|seen| matches!(seen, Seen::Connected { .. })));
    sign_out(&mut pair);
    assert_polite(&mut pair);
    assert!(!pair.has(is_ready) && pair.sent().iter().all(|sent| sent.telemetry().is_none()));
}

#[test]
fn a_link_that_breaks_meanwhile_is_no_polite_end() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.puback_delay = Duration::from_secs(2);
    pair.send(b"in flight");
    pair.run_for(Duration::from_millis(100));
    pair.client.disconnect(pair.now()).unwrap();
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    let Some((_, Seen::Disconnected(end))) = pair.seen().last() else { panic!("{pair:?}") };
    assert_eq!(end.reason, DisconnectReason::TransportClosed);
}

#[test]
fn the_will_is_published_unless_the_device_says_goodbye() {
    let will = Telemetry { payload: b"gone", properties: &[("why", "the link broke")], ..Telemetry::default() };
    let mut pair = Setup::sensor().settings(|settings| settings.connect_reserve = 600).start();
    pair.will = Some(will);
    pair.sign_in();
    sign_out(&mut pair);
    assert_polite(&mut pair);
    assert!(pair.hub.take_telemetry().is_empty());

    let ends: [fn(&mut Pair); 2] =
        [|pair| pair.cut(Break::Close), |pair| pair.hub.end_client("dev1", CloseReason::TokenExpired)];
    for end in ends {
        pair.take_seen();
        pair.sign_in();
        end(&mut pair);
        pair.run_until("over", |pair| pair.has(is_over));
        pair.run_for(Duration::from_secs(1));
        let [telemetry] = &pair.hub.take_telemetry()[..] else { panic!("{pair:?}") };
        assert_eq!((telemetry.payload.as_slice(), telemetry.retain), (&b"gone"[..], false));
        assert_eq!(telemetry.property("iothub-MessageType"), Some("Will"));
        assert_eq!(telemetry.property("why"), Some("the link broke"));
    }
}

#[test]
fn a_credential_is_renewed_for_days_and_nothing_is_lost() {
    let mut pair = Setup::device().settings(|settings| settings.send_window = 3).start();
    pair.token_lifetime = 3_600;
    pair.hub.faults.puback_delay = Duration::from_millis(400);
    pair.reconnect = Reconnect::After(Duration::ZERO);
    let calls = Rc::new(Cell::new(0));
    let answered = Rc::clone(&calls);
    pair.handler = Some(Box::new(move |client, now, event| match event {
        Event::CredentialExpiring => client.disconnect(now).unwrap(),
        Event::MethodCall { request, .. } => {
            client.method_respond(now, request, 200, b"").unwrap();
            answered.set(answered.get() + 1);
        }
        Event::Message(message) => client.message_accept(now, message.token.unwrap()).unwrap(),
        _ => {}
    }));
    pair.connect();
    let mut tokens = Vec::new();
    let mut invoked = Vec::new();
    for step in 0..48 * 60_u32 {
        tokens.push(pair.send(&step.to_be_bytes()));
        if step % 30 == 0 {
            invoked.push(pair.hub.invoke("dev1", "beat", b"", Duration::from_secs(30)));
            let _ = pair.hub.send_message("dev1", CloudMessage::new(b"beat"));
        }
        pair.run_for(Duration::from_secs(60));
    }
    assert!(pair.connections() > 48 && pair.connections() < 70, "{}", pair.connections());
    assert!(pair.closes.iter().all(|reason| *reason == CloseReason::Disconnected), "{:?}", pair.closes);
    let acked: Vec<_> =
        pair.seen().iter().filter_map(|(_, seen)| if let Seen::Acked(t) = seen { Some(*t) } else { None }).collect();
    assert_eq!(acked, tokens);
    let arrived = pair.hub.take_telemetry();
    assert_eq!(arrived.len(), tokens.len());
    assert!(arrived.iter().all(|telemetry| !telemetry.dup), "no connection was cut short");
    // A call can fall into the moment between two connections, but none is left without an answer.
    let results: Vec<_> = invoked.iter().map(|call| pair.hub.call_result(*call)).collect();
    assert!(results.iter().all(|result| matches!(result, CallResult::Answered { .. } | CallResult::NotOnline)));
    let done = results.iter().filter(|result| matches!(result, CallResult::Answered { .. })).count();
    assert_eq!((done, pair.hub.stray_answers()), (calls.get(), 0));
    assert_eq!(pair.hub.queued("dev1"), 0);
}

#[test]
fn the_end_of_a_credential_is_announced_once_in_time_and_not_by_all_at_once() {
    let day = 24 * 3_600_000;
    let mut times = Vec::new();
    for seed in 0..20 {
        let mut pair = Setup::sensor().seed(seed).start();
        pair.connect();
        pair.run_for(Duration::from_secs(24 * 3_600));
        let told: Vec<_> = pair.seen().iter().filter(|(_, seen)| *seen == Seen::CredentialExpiring).collect();
        let [(at, _)] = told[..] else { panic!("{pair:?}") };
        assert!((day - 600_000..=day - 300_000).contains(&at.as_millis()), "{at:?}");
        times.push(at.as_millis());
    }
    times.sort_unstable();
    assert!(times[19] - times[0] > 150_000, "a fleet must not renew at the same moment: {times:?}");
}

#[test]
fn a_short_lived_credential_is_announced_after_ready() {
    let mut pair = Setup::device().start();
    pair.token_lifetime = 8;
    pair.connect();
    pair.run_until("connected", |pair| pair.has(|seen| matches!(seen, Seen::Connected { .. })));
    pair.hub.faults.answer_delay = Duration::from_secs(20);
    pair.run_for(Duration::from_secs(19));
    assert!(!pair.has(|seen| *seen == Seen::CredentialExpiring));
    pair.run_for(Duration::from_secs(30));
    let seen = pair.take_seen();
    let ready = seen.iter().position(is_ready).unwrap();
    assert_eq!(seen[ready + 1], Seen::CredentialExpiring);
    assert_eq!(seen.iter().filter(|seen| **seen == Seen::CredentialExpiring).count(), 1);
}

#[test]
fn after_a_fatal_error_there_is_nothing_to_end() {
    let mut pair = ready(Setup::sensor());
    let conn = pair.hub.connection("dev1").unwrap();
    pair.hub.send_raw(conn, b"\xff");
    pair.run_until("failed", |pair| pair.has(|seen| matches!(seen, Seen::Failed(_))));
    assert_eq!(pair.client.disconnect(pair.now()), Err(Error::Usage(UsageError::InvalidState)));
    assert_eq!(pair.now(), Instant::from_millis(130));
}
