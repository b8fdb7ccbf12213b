//! Time: which deadline is next and why, what passes when it does, and clocks that go backwards or far.

use iothub_proto::error::{Error, TimeoutReason, UsageError};
use iothub_proto::event::{DisconnectReason, RequestError};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, quiet};
use proptest::prelude::*;

mod common;
use common::{puback, publish};

const FAR: Duration = Duration::MAX;

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds)
}

/// Every timeout differs, in seconds.
fn distinct() -> Settings {
    Settings {
        keep_alive: 400,
        connect_timeout: seconds(11),
        subscribe_timeout: seconds(12),
        ping_timeout: seconds(13),
        puback_timeout: seconds(14),
        send_timeout: seconds(15),
        request_timeout: seconds(16),
        drain_timeout: seconds(17),
        close_timeout: seconds(18),
        ..Settings::default()
    }
}

fn next(rig: &Rig<'_>) -> Option<(TimeoutReason, u64)> {
    let client = &rig.client;
    Some((client.timeout_reason()?, client.poll_timeout()?.as_millis()))
}

#[test]
fn each_deadline_has_its_reason_and_its_moment_and_its_end() {
    let fatal = |rig: &mut Rig<'_>, reason: TimeoutReason, at: u64| {
        assert_eq!(next(rig), Some((reason, at)));
        assert_eq!(rig.time(at - 1), Ok(()), "a millisecond early");
        assert_eq!(next(rig), Some((reason, at)), "{reason:?} is a no-op early");
        assert_eq!(rig.time(at), Err(Error::TimedOut(reason)));
        assert_eq!((rig.client.state(), next(rig)), (State::Failed, None));
        let outcome = rig.drain();
        let why = DisconnectReason::Failed(Error::TimedOut(reason));
        assert!(matches!(outcome.events.as_slice(), [Seen::Disconnected(end)] if end.reason == why), "{outcome:?}");
        assert_eq!(outcome.error, Some(Error::TimedOut(reason)));
    };
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::METHODS, ..distinct() });

    // Of CONNECT: until it is sent, and from its last byte on.
    rig.at(1_000).connect_with(&ConnectOptions::default());
    let connect = rig.lent();
    rig.at(5_000).confirm(1);
    fatal(&mut rig, TimeoutReason::Send, 20_000);
    rig.connect_with(&ConnectOptions::default());
    rig.at(21_000).confirm(0);
    rig.lent();
    rig.confirm(connect.len());
    fatal(&mut rig, TimeoutReason::Connack, 32_000);

    // Of SUBSCRIBE.
    rig.connect(ACCEPTED);
    assert_eq!(next(&rig), Some((TimeoutReason::Send, 47_000)));
    rig.at(40_000).sent();
    fatal(&mut rig, TimeoutReason::Suback, 52_000);

    // Of QoS 1: progress renews it, and nothing else does.
    rig.sign_in(ACCEPTED);
    rig.send(b"a");
    rig.send(b"b");
    rig.sent();
    rig.at(60_000).send(b"c");
    rig.sent();
    assert_eq!(next(&rig), Some((TimeoutReason::Puback, 66_000)), "from the first");
    rig.at(61_000).feed(&puback(1));
    assert_eq!(next(&rig), Some((TimeoutReason::Puback, 75_000)), "from the latest acknowledgement");
    rig.at(70_000).feed(&hex("40021234 d000"));
    fatal(&mut rig, TimeoutReason::Puback, 75_000);

    // Of PINGREQ: three quarters of the interval after the last packet.
    rig.sign_in(RESUMED);
    rig.sent();
    for id in [2, 3] {
        rig.feed(&puback(id));
    }
    assert_eq!(next(&rig), Some((TimeoutReason::KeepAlive, 375_000)));
    rig.time(374_999).unwrap();
    assert_eq!(rig.sent(), b"");
    rig.time(375_000).unwrap();
    assert_eq!(next(&rig), Some((TimeoutReason::Send, 390_000)));
    assert_eq!(rig.at(380_000).sent(), hex("c000"));
    fatal(&mut rig, TimeoutReason::Pingresp, 393_000);
    assert_eq!(rig.client.poll_timeout(), None);
}

#[test]
fn a_twin_request_counts_from_the_command_then_from_its_last_byte() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, keep_alive: 0, ..distinct() });
    rig.at(1_000);
    let first = rig.client.twin_get(rig.now).unwrap();
    rig.at(2_000);
    let second = rig.client.twin_get(rig.now).unwrap();
    assert_eq!(next(&rig), Some((TimeoutReason::Request, 17_000)), "it runs offline, too");
    rig.at(3_000).sign_in(ACCEPTED);
    let lent = rig.lent();
    rig.at(5_000).confirm(lent.len());
    assert_eq!(next(&rig), Some((TimeoutReason::Request, 18_000)), "that of the second, which is not sent");
    rig.time(18_000).unwrap();
    assert_eq!(rig.drain().events, [Seen::RequestFailed(second, RequestError::TimedOut)]);
    assert_eq!(rig.sent(), b"", "an expired request is not sent");
    rig.pass(TimeoutReason::Request).unwrap();
    assert_eq!(rig.now.as_millis(), 21_000);
    assert_eq!(rig.drain().events, [Seen::RequestFailed(first, RequestError::TimedOut)]);
    assert_eq!((rig.client.state(), rig.client.poll_timeout()), (State::Ready, None), "only the requests ended");
}

#[test]
fn queued_requests_expire_after_a_fatal_error_as_well() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, keep_alive: 0, ..distinct() });
    rig.sign_in(ACCEPTED);
    let token = rig.client.twin_get(rig.now).unwrap();
    let outcome = rig.feed(&[0]);
    assert!(outcome.error.is_some());
    assert_eq!(next(&rig), Some((TimeoutReason::Request, 16_000)));
    assert_eq!(rig.time(15_999), Err(outcome.error.unwrap()));
    assert_eq!(rig.time(16_000), Err(outcome.error.unwrap()), "the error stays");
    assert_eq!(rig.client.poll_timeout(), None, "a driver that sleeps until the next deadline does not spin");
    let after = rig.drain();
    assert_eq!(after.events, [Seen::RequestFailed(token, RequestError::TimedOut)]);
    assert_eq!(after.error, outcome.error);
}

#[test]
fn keep_alive_counts_silence_in_both_directions() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { keep_alive: 100, ..quiet() });
    rig.sign_in(ACCEPTED);
    assert_eq!(next(&rig), Some((TimeoutReason::KeepAlive, 75_000)));
    // Inbound traffic does not postpone it.
    rig.at(70_000).feed(&publish(0x30, "t", None, b""));
    assert_eq!(next(&rig), Some((TimeoutReason::KeepAlive, 75_000)));
    // An outgoing packet does, until the hub was silent for the interval.
    let token = rig.send(b"x");
    rig.client.telemetry_withdraw(rig.now, token).unwrap();
    assert_eq!(next(&rig), Some((TimeoutReason::KeepAlive, 75_000)), "what was not sent does not count");
    let request = match rig.feed(&publish(0x30, "$iothub/methods/POST/m/?$rid=1", None, b"")).events.as_slice() {
        [Seen::Method { request, .. }] => *request,
        other => panic!("{other:?}"),
    };
    rig.client.method_respond(rig.now, &request, 200, b"").unwrap();
    rig.sent();
    assert_eq!(next(&rig), Some((TimeoutReason::KeepAlive, 145_000)));
    for second in [110, 150, 165] {
        rig.at(second * 1_000);
        rig.client.method_respond(rig.now, &request, 200, b"").unwrap();
        rig.sent();
    }
    assert_eq!(next(&rig), Some((TimeoutReason::KeepAlive, 170_000)), "nothing came in since 70 s");
    rig.time(170_000).unwrap();
    assert_eq!(rig.sent(), hex("c000"));
    // One is outstanding, and only PINGRESP clears it.
    rig.at(172_000).feed(&publish(0x30, "t", None, b""));
    rig.client.method_respond(rig.now, &request, 200, b"").unwrap();
    rig.sent();
    assert_eq!(next(&rig), Some((TimeoutReason::Pingresp, 200_000)));
    rig.at(199_999).feed(&hex("d000"));
    assert_eq!(next(&rig), Some((TimeoutReason::KeepAlive, 247_000)));
    assert_eq!(rig.client.strays(), 0);
}

#[test]
fn a_pong_before_its_ping_was_confirmed_is_an_answer() {
    for confirmed in [0, 1] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(Settings { keep_alive: 100, ..quiet() });
        rig.sign_in(ACCEPTED);
        rig.pass(TimeoutReason::KeepAlive).unwrap();
        assert_eq!(rig.feed(&hex("d000")).error, None);
        assert_eq!(rig.client.strays(), 1, "PINGREQ is due and was not lent");
        rig.lent();
        rig.confirm(confirmed);
        rig.feed(&hex("d000"));
        assert_eq!(rig.client.strays(), 1);
        rig.confirm(2 - confirmed);
        assert_eq!(next(&rig).unwrap().0, TimeoutReason::KeepAlive, "no PINGRESP is awaited");
    }
}

#[test]
fn without_keep_alive_silence_is_fine() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    assert_eq!(next(&rig), None);
    rig.time(Instant::MAX.as_millis()).unwrap();
    assert_eq!((rig.sent().len(), rig.client.state()), (0, State::Ready));
}

#[test]
fn bytes_in_hand_beat_a_deadline_that_has_passed() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(distinct());
    rig.connect_with(&ConnectOptions::default());
    rig.sent();
    assert_eq!(next(&rig), Some((TimeoutReason::Connack, 11_000)));
    let outcome = rig.at(500_000).feed(&ACCEPTED);
    assert_eq!(outcome.events.len(), 2, "{outcome:?}");
    assert_eq!(rig.client.handle_timeout(rig.now), Ok(()));
    assert_eq!(rig.client.state(), State::Ready);
}

#[test]
fn a_late_call_fires_everything_that_is_due() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, ..distinct() });
    rig.sign_in(ACCEPTED);
    let tokens = [(); 3].map(|()| rig.client.twin_get(rig.now).unwrap());
    rig.sent();
    rig.time(399_000).unwrap();
    let timed_out = |token| Seen::RequestFailed(token, RequestError::TimedOut);
    assert_eq!(rig.drain().events, tokens.map(timed_out));
    assert_eq!(rig.sent(), hex("c000"), "one PINGREQ, however late");
}

#[test]
fn an_earlier_now_counts_as_the_latest() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(distinct());
    rig.at(100_000).sign_in(ACCEPTED);
    rig.at(50_000).send(b"x");
    assert_eq!(next(&rig), Some((TimeoutReason::Send, 115_000)));
    rig.at(0).sent();
    assert_eq!(next(&rig), Some((TimeoutReason::Puback, 114_000)));
    rig.at(0);
    assert_eq!(rig.client.handle_timeout(rig.now), Ok(()));
    assert_eq!(next(&rig), Some((TimeoutReason::Puback, 114_000)));
    rig.at(1).client.handle_eof(Instant::ZERO).unwrap();
    let events = rig.drain().events;
    assert!(matches!(events.as_slice(), [Seen::Disconnected(end)] if end.ready_for == Duration::ZERO), "{events:?}");
}

#[test]
fn connect_rebases_to_an_earlier_clock_and_queued_deadlines_move_with_it() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, keep_alive: 0, ..distinct() });
    rig.at(1_000_000);
    let first = rig.client.twin_get(rig.now).unwrap();
    rig.at(1_002_000);
    let second = rig.client.twin_get(rig.now).unwrap();
    rig.at(1_010_000).send(b"kept");
    assert_eq!(next(&rig), Some((TimeoutReason::Request, 1_016_000)), "in 6 s");
    rig.at(500).connect_with(&ConnectOptions::default());
    rig.sent();
    assert_eq!(next(&rig), Some((TimeoutReason::Request, 6_500)), "still in 6 s");
    rig.time(6_500).unwrap();
    assert_eq!(rig.drain().events, [Seen::RequestFailed(first, RequestError::TimedOut)]);
    rig.time(8_500).unwrap();
    assert_eq!(rig.drain().events, [Seen::RequestFailed(second, RequestError::TimedOut)]);
    rig.feed(&ACCEPTED);
    rig.grant();
    rig.at(9_000).sent();
    assert_eq!(next(&rig), Some((TimeoutReason::Puback, 23_000)), "on the new clock");
}

#[test]
fn connect_at_a_later_instant_needs_no_rebase() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, keep_alive: 0, ..distinct() });
    let token = rig.client.twin_get(rig.now).unwrap();
    rig.at(60_000).connect_with(&ConnectOptions::default());
    rig.time(60_000).unwrap();
    assert_eq!(rig.drain().events, [Seen::RequestFailed(token, RequestError::TimedOut)]);
}

#[test]
fn connect_with_a_bad_instant_changes_nothing() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(distinct());
    for bad in [Instant::from_millis(Instant::MAX.as_millis() + 1), Instant::from_millis(u64::MAX)] {
        let outcome = rig.client.connect(bad, &ConnectOptions::default());
        assert_eq!(outcome, Err(UsageError::BadInstant.into()));
    }
    assert_eq!((rig.client.state(), rig.client.poll_timeout()), (State::Offline, None));
    rig.now = Instant::MAX;
    rig.sign_in(ACCEPTED);
}

/// All timeouts as long as can be said.
fn endless() -> Settings {
    Settings {
        features: Features::ALL_DEVICE,
        twin_sync: true,
        keep_alive: 1_177,
        connect_timeout: FAR,
        subscribe_timeout: FAR,
        ping_timeout: FAR,
        puback_timeout: FAR,
        send_timeout: FAR,
        request_timeout: FAR,
        drain_timeout: FAR,
        close_timeout: FAR,
        credential_margin: Duration::ZERO,
        ..Settings::default()
    }
}

#[test]
fn deadlines_at_the_end_of_the_clock_are_set_and_do_not_pass() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { keep_alive: 0, twin_sync: false, ..endless() });
    let waits = |rig: &mut Rig<'_>, reason: TimeoutReason| {
        let (next, at) = next(rig).unwrap();
        assert_eq!(next, reason);
        assert!(at > Instant::MAX.as_millis() && at < u64::MAX, "{reason:?} at {at}");
        rig.time(Instant::MAX.as_millis()).unwrap();
    };
    rig.now = Instant::MAX;
    rig.connect_with(&ConnectOptions::default());
    waits(&mut rig, TimeoutReason::Send);
    rig.sent();
    waits(&mut rig, TimeoutReason::Connack);
    rig.feed(&ACCEPTED);
    rig.sent();
    waits(&mut rig, TimeoutReason::Suback);
    rig.feed(&hex("9006ffff01000000"));
    rig.client.twin_get(rig.now).unwrap();
    rig.sent();
    waits(&mut rig, TimeoutReason::Request);
    rig.send(b"x");
    rig.sent();
    waits(&mut rig, TimeoutReason::Puback);
    rig.client.disconnect(rig.now).unwrap();
    rig.client.disconnect(rig.now).unwrap();
    waits(&mut rig, TimeoutReason::Close);
    assert_eq!(rig.client.state(), State::Closing);
}

#[test]
fn a_timeout_of_zero_is_refused_when_the_client_is_made() {
    let zero = Duration::ZERO;
    for settings in [
        Settings { connect_timeout: zero, ..quiet() },
        Settings { subscribe_timeout: zero, ..quiet() },
        Settings { ping_timeout: zero, ..quiet() },
        Settings { puback_timeout: zero, ..quiet() },
        Settings { send_timeout: zero, ..quiet() },
        Settings { request_timeout: zero, ..quiet() },
        Settings { drain_timeout: zero, ..quiet() },
        Settings { close_timeout: zero, ..quiet() },
    ] {
        let mut memory = Memory::default();
        let config = iothub_proto::Config { identity: iothub_tests::script::IDENTITY, settings };
        assert!(memory.try_rig(config).is_err());
    }
}

#[test]
fn progress_renews_the_watch_over_sending_and_confirming_nothing_does_not() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(distinct());
    rig.sign_in(ACCEPTED);
    rig.send(&[b'x'; 200]);
    assert_eq!(next(&rig), Some((TimeoutReason::Send, 15_000)));
    rig.lent();
    rig.at(10_000).confirm(0);
    assert_eq!(next(&rig), Some((TimeoutReason::Send, 15_000)));
    rig.confirm(1);
    assert_eq!(next(&rig), Some((TimeoutReason::Send, 25_000)));
    rig.at(24_999).confirm(1);
    assert_eq!(rig.time(39_998), Ok(()));
    assert_eq!(rig.time(39_999), Err(Error::TimedOut(TimeoutReason::Send)));
}

#[test]
fn what_may_not_leave_is_not_stalled() {
    // A full send window, and a withdrawn queue.
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { send_window: 1, keep_alive: 0, ..distinct() });
    rig.sign_in(ACCEPTED);
    rig.send(b"a");
    rig.sent();
    rig.send(b"waits for the window");
    assert_eq!(next(&rig), Some((TimeoutReason::Puback, 14_000)));
    rig.feed(&puback(1));
    assert_eq!(next(&rig), Some((TimeoutReason::Send, 15_000)));
    let token = rig.client.unacked().next().unwrap();
    rig.client.telemetry_withdraw(rig.now, token).unwrap();
    assert_eq!(next(&rig), None);
}

#[test]
fn a_credential_is_reported_once_and_not_before_ready() {
    // (lifetime, random, seconds): the margin is 300 s, jitter as much again, at most a quarter of the lifetime.
    for (lifetime, random, at) in
        [(3_600, 0, 3_300_000), (3_600, u32::MAX, 3_000_001), (60, 0, 45_000), (60, u32::MAX, 45_000)]
    {
        let mut memory = Memory::default();
        let mut rig = memory.rig(quiet());
        let options = ConnectOptions { lifetime: Some(seconds(lifetime)), random, ..Default::default() };
        rig.connect_with(&options);
        rig.sent();
        rig.feed(&ACCEPTED);
        assert_eq!(next(&rig), Some((TimeoutReason::Credential, at)));
        rig.time(at - 1).unwrap();
        assert!(!rig.client.has_event());
        rig.time(at).unwrap();
        assert_eq!(rig.drain().events, [Seen::CredentialExpiring]);
        assert_eq!(next(&rig), None, "once");
    }

    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::METHODS, subscribe_timeout: FAR, ..quiet() });
    rig.connect_with(&ConnectOptions { lifetime: Some(Duration::ZERO), ..Default::default() });
    rig.sent();
    rig.time(0).unwrap();
    assert_eq!(rig.drain().events, []);
    rig.feed(&ACCEPTED);
    rig.time(1_000).unwrap();
    assert_eq!(rig.grant(), [Seen::Ready(Features::NONE), Seen::CredentialExpiring]);
    rig.cut();
    rig.sign_in(ACCEPTED);
    assert_eq!(next(&rig), None, "the next credential does not expire");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    ToDeadline,
    Connect,
    Cut,
    Send,
    Get,
    Confirm(usize),
    Answer,
    Pong,
    Disconnect,
    Junk,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..90_000_u64).prop_map(Step::Wait),
        Just(Step::ToDeadline),
        Just(Step::ToDeadline),
        Just(Step::Connect),
        Just(Step::Cut),
        Just(Step::Send),
        Just(Step::Get),
        (1..80_usize).prop_map(Step::Confirm),
        Just(Step::Confirm(usize::MAX)),
        Just(Step::Answer),
        Just(Step::Answer),
        Just(Step::Pong),
        Just(Step::Disconnect),
        Just(Step::Junk),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// [`Rig::time`] asserts that the next deadline is later.
    #[test]
    fn after_any_timeout_in_any_state_the_next_deadline_is_later(steps in prop::collection::vec(step(), 1..60)) {
        let mut memory = Memory::new(1500, 4, 2);
        let mut rig = memory.rig(Settings { keep_alive: 90, ..Settings { features: Features::ALL_DEVICE, twin_sync: true, ..distinct() } });
        let mut subscribed = false;
        for step in steps {
            let now = rig.now.as_millis();
            match step {
                Step::Wait(millis) => drop(rig.time(now + millis)),
                Step::ToDeadline => {
                    let at = rig.client.poll_timeout().map_or(now, Instant::as_millis);
                    let _ = rig.time(at.max(now));
                }
                Step::Connect => if rig.client.connect(rig.now, &ConnectOptions { lifetime: Some(seconds(100)), ..Default::default() }).is_ok() {
                    subscribed = false;
                    let sent = rig.lent();
                    rig.confirm(sent.len());
                },
                Step::Cut => rig.client.handle_eof(rig.now).unwrap(),
                Step::Send => drop(rig.client.send_telemetry(rig.now, &iothub_proto::Telemetry::default())),
                Step::Get => drop(rig.client.twin_get(rig.now)),
                Step::Confirm(count) => {
                    let lent = rig.lent().len();
                    rig.confirm(count.min(lent));
                }
                Step::Answer => match rig.client.state() {
                    State::Connecting => drop(rig.feed(&ACCEPTED)),
                    State::Subscribing if !subscribed => {
                        rig.sent();
                        subscribed = true;
                        rig.feed(&hex("9006ffff01000000"));
                    }
                    _ => drop(rig.feed(&publish(0x30, "$iothub/twin/res/500/?$rid=s00000001", None, b""))),
                },
                Step::Pong => drop(rig.feed(&hex("d000"))),
                Step::Disconnect => drop(rig.client.disconnect(rig.now)),
                Step::Junk => drop(rig.feed(&[0xff])),
            }
            rig.drain();
            let now = rig.now.as_millis();
            let _ = rig.time(now);
        }
    }
}
