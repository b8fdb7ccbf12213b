//! Section 3.2: CONNACK.

use super::*;
use iothub_proto::error::{ConnectRefusal, UsageError};
use iothub_tests::script::hex;

#[test]
fn mqtt_3_2_0_1() {
    for (bytes, why) in [
        ("d000", Violation::ExpectedConnack),
        ("300400017461", Violation::ExpectedConnack),
        ("3206000174000161", Violation::ExpectedConnack),
        ("9003ffff01", Violation::ExpectedConnack),
        ("40020001", Violation::ExpectedConnack),
        ("b0020001", Violation::ExpectedConnack),
        ("c000", Violation::ForbiddenType),
    ] {
        connecting(device(), |rig| assert_eq!(closes(rig, &hex(bytes)), why, "{bytes}"));
    }
}

#[test]
fn mqtt_3_2_2_1() {
    connecting(Settings { clean_session: true, ..device() }, |rig| {
        assert_eq!(closes(rig, &RESUMED), Violation::BadSessionPresent);
    });
}

#[test]
fn mqtt_3_2_2_2() {
    ready(device(), |rig| {
        rig.send(b"again");
        rig.sent();
        rig.cut();
        rig.sign_in(RESUMED);
        assert!(publish(&rig.sent()).dup, "the session is there: a copy may be");
    });
}

/// Without a session the hub remembers nothing, and the client neither: no DUP, tokens of messages are stale, and every
/// filter is subscribed again, as it is in any case.
#[test]
fn mqtt_3_2_2_3() {
    ready(device(), |rig| {
        rig.send(b"again");
        rig.sent();
        let token = message(rig, 0x32, 3, b"undecided");
        rig.cut();
        rig.connect(ACCEPTED);
        assert_eq!(rig.client.message_accept(rig.now, token), Err(UsageError::Stale.into()));
        assert_eq!(rig.lent()[0], 0x82);
        rig.grant();
        assert!(!publish(&rig.sent()).dup);
    });
}

#[test]
fn mqtt_3_2_2_4() {
    for code in 1..=5 {
        connecting(device(), |rig| assert_eq!(closes(rig, &[0x20, 2, 1, code]), Violation::BadSessionPresent));
    }
}

#[test]
fn mqtt_3_2_2_5() {
    for code in 1..=5 {
        connecting(Settings { keep_alive: 60, ..device() }, |rig| {
            rig.send(b"queued");
            let error = rig.feed(&[0x20, 2, 0, code]).error;
            assert_eq!(error, ConnectRefusal::from_code(code).map(Error::Refused));
            // At once, without waiting for the end of the transport, and silent: no PINGREQ, no DISCONNECT.
            assert_eq!((rig.client.state(), rig.client.poll_timeout()), (State::Failed, None));
            assert_eq!(rig.client.disconnect(rig.now), Err(UsageError::InvalidState.into()));
            assert_eq!(Err(error.unwrap()), rig.time(1_000_000));
            assert_eq!(rig.sent(), b"");
        });
    }
}

#[test]
fn mqtt_3_2_2_6() {
    // Closed without CONNACK, or silent: both end the attempt, and another can be made.
    connecting(device(), |rig| assert!(matches!(rig.cut()[..], [Seen::Disconnected(_)])));
    connecting(device(), |rig| {
        assert_eq!(rig.pass(TimeoutReason::Connack), Err(Error::TimedOut(TimeoutReason::Connack)));
        assert!(matches!(rig.drain().events[..], [Seen::Disconnected(_)]));
        rig.sign_in(ACCEPTED);
    });
}
