//! Clocks that go backwards or far, and calls that come late.

use super::*;

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
