//! Each deadline: what it counts from, what ends it, and what passes when it does.

use super::*;
use iothub_proto::event::DisconnectReason;

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
