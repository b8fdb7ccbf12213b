//! Deadlines that tell a dead link, and the keep-alive that keeps a living one.

use iothub_proto::error::{Error, TimeoutReason};
use iothub_proto::event::{DisconnectReason, LastSent};
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{State, Telemetry};
use iothub_tests::hub::CloseReason;
use iothub_tests::hub::codec::{Packet, publish_packet};
use iothub_tests::link::{Break, End};
use iothub_tests::pair::{LinkCut, Pair, Seen, Setup, is_over};

const SECOND: Duration = Duration::from_secs(1);

fn ready(setup: Setup) -> Pair {
    let mut pair = setup.start();
    pair.sign_in();
    pair
}

/// Seconds at which a PINGREQ left.
fn pings(pair: &Pair) -> Vec<u64> {
    let pings = pair.sent().iter().filter(|sent| sent.packet == Packet::PingReq);
    pings.map(|sent| sent.at.as_millis() / 1_000).collect()
}

fn send_at_0(pair: &mut Pair) {
    let message = Telemetry { qos: QoS::AtMostOnce, ..Telemetry::default() };
    pair.client.send_telemetry(pair.now(), &message).unwrap();
}

/// Drives to the end of the connection, which `reason` is to cause at `at` milliseconds.
#[track_caller]
fn assert_dies(pair: &mut Pair, reason: TimeoutReason, at: u64) {
    let before = pair.count(is_over);
    pair.run_until("over", |pair| pair.count(is_over) > before);
    let error = Error::TimedOut(reason);
    let [.., (_, Seen::Disconnected(end)), (_, Seen::Failed(failed))] = pair.seen() else { panic!("{pair:?}") };
    assert_eq!((end.reason, *failed), (DisconnectReason::Failed(error), error), "{pair:?}");
    assert_eq!(pair.now(), Instant::from_millis(at), "{pair:?}");
    assert_eq!((pair.client.state(), pair.client.poll_timeout()), (State::Failed, None));
    assert_eq!(pair.client.handle_timeout(pair.now()), Err(error));
    // And nothing of it is left on the next connection.
    pair.stalled = false;
    pair.hub.faults = Default::default();
    pair.cuts.clear();
    pair.sign_in();
    pair.run_for(Duration::from_secs(100));
    assert_eq!(pair.client.state(), State::Ready);
}

#[test]
fn an_idle_device_pings_at_three_quarters_of_the_interval() {
    let mut pair = ready(Setup::sensor());
    pair.run_for(Duration::from_secs(1_000));
    assert_eq!(pings(&pair), [180, 360, 540, 720, 900]);
    assert_eq!((pair.client.state(), pair.client.strays()), (State::Ready, 0));
}

#[test]
fn without_keep_alive_nothing_is_sent_and_nothing_is_due() {
    let mut pair = ready(Setup::sensor().settings(|settings| settings.keep_alive = 0));
    pair.run_for(Duration::from_secs(1_700));
    assert!(pings(&pair).is_empty());
    assert_eq!(pair.client.timeout_reason(), Some(TimeoutReason::Credential), "only the token ends");
}

#[test]
fn the_longest_interval_lives_behind_the_load_balancer() {
    let mut pair = ready(Setup::sensor().settings(|settings| settings.keep_alive = 1_177));
    pair.run_for(Duration::from_secs(20_000));
    assert!(pair.closes.is_empty() && pings(&pair).len() > 15, "{pair:?}");
}

#[test]
fn a_hub_that_keeps_sending_does_not_postpone_the_ping() {
    let mut pair = ready(Setup::device().settings(|settings| settings.twin_sync = false));
    let conn = pair.hub.connection("dev1").unwrap();
    for _ in 0..50 {
        pair.hub.send_raw(conn, &publish_packet("devices/dev1/messages/devicebound/", b"", false, None));
        pair.run_for(Duration::from_secs(10));
    }
    assert_eq!(pings(&pair), [180, 360]);
    assert!(pair.closes.is_empty(), "the hub heard of the device in time");
}

#[test]
fn a_device_that_keeps_sending_finds_out_that_nobody_listens() {
    let mut pair = ready(Setup::sensor());
    for _ in 0..100 {
        send_at_0(&mut pair);
        pair.run_for(Duration::from_secs(10));
    }
    // Silence of a whole interval from the hub: QoS 0 is not answered.
    assert_eq!(pings(&pair), [240, 480, 720, 960]);
    pair.cut(Break::Silent);
    let mut sent = 0;
    while pair.client.state() == State::Ready {
        send_at_0(&mut pair);
        pair.run_for(Duration::from_secs(10));
        sent += 1;
    }
    assert!(pair.has(|seen| *seen == Seen::Failed(Error::TimedOut(TimeoutReason::Pingresp))));
    assert!(sent <= 27, "{sent}");
}

#[test]
fn no_pingresp_ends_the_connection() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.ignore_pings = true;
    assert_dies(&mut pair, TimeoutReason::Pingresp, 180_000 + 30_000);
    assert_eq!(pair.closes, [CloseReason::TransportClosed]);
}

#[test]
fn nothing_but_pingresp_answers_a_ping() {
    let mut pair = ready(Setup::device().settings(|settings| settings.twin_sync = false));
    pair.hub.faults.ignore_pings = true;
    let conn = pair.hub.connection("dev1").unwrap();
    for second in 0..21 {
        pair.at(Instant::from_millis(second * 10_000), move |pair| {
            pair.hub.send_raw(conn, &publish_packet("devices/dev1/messages/devicebound/", b"", false, None));
        });
    }
    pair.at(Instant::from_millis(190_000), |pair| {
        pair.send(b"acknowledged");
    });
    assert_dies(&mut pair, TimeoutReason::Pingresp, 180_020 + 30_000);
    assert!(pair.has(|seen| matches!(seen, Seen::Acked(_))));
}

#[test]
fn a_silent_link_is_found_out_by_a_ping() {
    let mut pair = ready(Setup::sensor());
    pair.run_for(Duration::from_secs(100));
    pair.cut(Break::Silent);
    assert_dies(&mut pair, TimeoutReason::Pingresp, 180_000 + 30_000);
}

#[test]
fn no_connack_ends_the_connection() {
    let mut pair = Setup::device().start();
    pair.cuts.push_back(Some(LinkCut { from: End::Client, bytes: 1, how: Break::Silent }));
    pair.connect();
    assert_dies(&mut pair, TimeoutReason::Connack, 30_000);
    let Some((_, Seen::Disconnected(end))) = pair.seen().first() else { panic!("{pair:?}") };
    assert_eq!(end.last_sent, Some(LastSent::Connect));
}

#[test]
fn no_suback_ends_the_connection() {
    let mut pair = Setup::device().start();
    pair.connect();
    pair.run_until("connected", |pair| pair.has(|seen| matches!(seen, Seen::Connected { .. })));
    pair.hub.faults.answer_delay = Duration::from_secs(3_600);
    assert_dies(&mut pair, TimeoutReason::Suback, 30_020);
}

#[test]
fn no_suback_to_a_later_subscription_ends_the_connection_too() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.answer_delay = Duration::from_secs(3_600);
    pair.client.subscribe(pair.now(), iothub_proto::topic::Features::METHODS).unwrap();
    assert_dies(&mut pair, TimeoutReason::Suback, 30_020);
}

#[test]
fn no_puback_ends_the_connection_and_the_message_is_sent_again() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.drop_pubacks = 1;
    let token = pair.send(b"1");
    assert_dies(&mut pair, TimeoutReason::Puback, 120_020);
    assert!(pair.has(|seen| *seen == Seen::Acked(token)));
}

#[test]
fn a_hub_that_shapes_traffic_is_waited_for() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.puback_delay = Duration::from_secs(119);
    for _ in 0..20 {
        pair.send(b"slow");
        pair.run_for(Duration::from_secs(17));
    }
    pair.run_until("acknowledged", |pair| pair.client.pending().telemetry == 0);
    assert!(pair.closes.is_empty());
}

#[test]
fn the_deadline_counts_from_the_latest_puback() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.drop_pubacks = 1;
    for _ in 0..10 {
        pair.send(b"");
        pair.run_for(Duration::from_secs(50));
    }
    // The first is never acknowledged, the last was sent at 450 s.
    assert_eq!(pair.client.pending().telemetry, 1);
    assert_dies(&mut pair, TimeoutReason::Puback, 450_040 + 120_000);
}

#[test]
fn a_message_that_was_withdrawn_still_tells_a_dead_link() {
    let mut pair = ready(Setup::sensor());
    pair.hub.faults.drop_pubacks = 1;
    let token = pair.send(b"1");
    pair.run_for(SECOND);
    pair.client.telemetry_withdraw(pair.now(), token).unwrap();
    assert_dies(&mut pair, TimeoutReason::Puback, 120_020);
    assert!(!pair.has(|seen| matches!(seen, Seen::Acked(_))));
}

#[test]
fn a_socket_that_takes_nothing_ends_the_connection() {
    let mut pair = Setup::device().start();
    pair.stalled = true;
    pair.connect();
    assert_dies(&mut pair, TimeoutReason::Send, 60_000);

    let mut pair = ready(Setup::sensor());
    pair.run_for(SECOND);
    pair.stalled = true;
    pair.send(b"stuck");
    assert_dies(&mut pair, TimeoutReason::Send, 61_020);
}

#[test]
fn a_slow_socket_is_waited_for() {
    let mut setup = Setup::sensor().link(1_000, (50_000, 50_000));
    setup.link.capacity = 100;
    setup.hub.connect_timeout = Duration::from_secs(1_000);
    setup.settings.connect_timeout = Duration::from_secs(200);
    setup.settings.puback_timeout = Duration::from_secs(1_000);
    setup.settings.keep_alive = 0;
    let mut pair = setup.start();
    pair.send(&[0; 500]);
    pair.connect();
    pair.run_until("acknowledged", |pair| pair.client.pending().telemetry == 0);
    assert!(pair.closes.is_empty() && !pair.has(is_over));
}

#[test]
fn offline_nothing_is_due() {
    let mut pair = ready(Setup::device());
    pair.hub.faults.puback_delay = SECOND;
    pair.send(b"kept");
    pair.run_for(Duration::from_millis(100));
    assert!(pair.client.poll_timeout().is_some());
    pair.cut(Break::Close);
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!((pair.client.poll_timeout(), pair.client.timeout_reason()), (None, None));
    assert_eq!(pair.client.handle_timeout(pair.now() + Duration::from_secs(9_999_999)), Ok(()));
    assert_eq!(pair.client.pending().telemetry, 1);
}

#[test]
fn an_early_call_does_nothing_and_a_late_one_is_safe() {
    let mut pair = ready(Setup::sensor());
    let due = pair.client.poll_timeout().unwrap();
    let early = Instant::from_millis(due.as_millis() - 1);
    for now in [Instant::ZERO, pair.now(), early] {
        pair.client.handle_timeout(now).unwrap();
        assert_eq!((pair.client.poll_timeout(), pair.client.poll_transmit()), (Some(due), None));
    }
    // Half a day late: the ping is due, and its answer has its whole time from when it is sent.
    let late = due + Duration::from_secs(40_000);
    pair.client.handle_timeout(late).unwrap();
    assert_eq!(pair.client.poll_transmit(), Some(&b"\xc0\x00"[..]));
    pair.client.confirm_transmit(late, 2).unwrap();
    assert_eq!(pair.client.poll_timeout(), Some(late + Duration::from_secs(30)));
    assert_eq!(pair.client.timeout_reason(), Some(TimeoutReason::Pingresp));
}

#[test]
fn bytes_in_hand_beat_a_deadline_that_has_passed() {
    let mut pair = ready(Setup::sensor());
    pair.run_for(Duration::from_millis(179_990));
    let late = pair.client.poll_timeout().unwrap() + SECOND;
    assert_eq!(pair.client.timeout_reason(), Some(TimeoutReason::Pingresp));
    // The answer lay in the socket while the program slept.
    assert!(pair.client.handle_input(late, b"\xd0\x00").unwrap().event.is_none());
    assert_eq!(pair.client.handle_timeout(late), Ok(()));
    assert_eq!(pair.client.state(), State::Ready);
}
