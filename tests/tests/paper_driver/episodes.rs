//! What the device lives through, one after the other.

use super::*;
use iothub_proto::error::{CapacityError, TimeoutReason, UsageError};
use iothub_proto::event::Withdrawn;
use iothub_proto::time::Duration;
use iothub_tests::hub::{CallResult, CloudMessage, Outcome};
use serde_json::json;

/// What is lent is held for a second, while everything else goes on around it.
pub(super) fn a_transfer_that_takes_long(driver: &mut Driver<'_>) {
    let first = driver.send(b"leaves a hole before it").unwrap();
    driver.send(&[b'd'; 900]).unwrap();
    driver.run_until(|driver| driver.transfer.as_ref().is_some_and(|transfer| transfer.bytes.len() > 900));
    driver.transfer.as_mut().unwrap().turns = 1_000;
    driver.wait(|seen| *seen == Seen::Acked(first));
    let len = driver.transfer.as_ref().unwrap().bytes.len();
    assert_eq!(len, AROUND + 900);
    driver.transfer.as_mut().unwrap().turns = 1_000;

    // Small messages fill the arena around it and are taken back, which makes holes and has packets moved.
    let mut tokens = Vec::new();
    for number in 0..u32::MAX {
        match driver.send(format!("around {number}").as_bytes()) {
            Ok(token) => tokens.push(token),
            Err(error) => {
                assert!(matches!(error, Error::Capacity(_)), "{error:?}");
                break;
            }
        }
        driver.step();
    }
    let now = driver.now();
    for token in tokens.into_iter().step_by(2) {
        assert_eq!(driver.client.telemetry_withdraw(now, token), Ok(Withdrawn::Unsent));
        driver.acks.retain(|_, (known, _)| *known != token);
        driver.check_frozen();
    }
    let free = driver.client.tx_free();
    driver.send(&vec![b'e'; free - AROUND]).unwrap();
    driver.run(50);

    // Part by part; a part is a byte at first.
    assert_eq!(
        driver.client.confirm_transmit(now, len + 1),
        Err(UsageError::BadConfirm { lent: len, confirmed: len + 1 }.into())
    );
    driver.check_frozen();
    driver.complete(1);
    let lent = driver.client.poll_transmit().unwrap();
    assert_eq!((lent.len(), lent[2]), (len - 1, 0), "the rest, from its second byte on");
    driver.run_until(Driver::all_acked);
    assert_eq!(driver.hub.take_telemetry().len(), driver.acks.len());
}

/// Offline until the arena is full to the last byte; then all of it drains in order.
pub(super) fn a_full_arena_offline(driver: &mut Driver<'_>) {
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    let whole = driver.client.tx_free();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let mut free = whole;
    // 200 bytes each: three bytes of header.
    let payload = |number: usize| [&[number as u8][..], &[b'f'; 200 - AROUND - 1]].concat();
    while free >= 200 {
        driver.send(&payload(sent.len())).unwrap();
        sent.push(payload(sent.len()));
        free -= 200;
        assert_eq!(driver.client.tx_free(), free, "after {}", sent.len());
    }
    let full = CapacityError::TxFull { needed: 200, free };
    assert_eq!(driver.send(&payload(sent.len())), Err(full.into()));
    let huge = vec![b'h'; whole];
    let too_large = CapacityError::TooLarge { needed: AROUND + whole, capacity: whole };
    assert_eq!(driver.send(&huge), Err(too_large.into()));
    assert_eq!((driver.client.tx_free(), driver.pending_telemetry()), (free, sent.len()), "nothing changed");

    // What `free` says fits, to the last byte; the header of such a small packet has two.
    assert!(free < 130);
    let last = vec![b'l'; free - (AROUND - 1)];
    driver.send(&last).unwrap();
    sent.push(last);
    assert_eq!(driver.client.tx_free(), 0);

    driver.connect();
    driver.run_until(Driver::all_acked);
    let arrived: Vec<_> = driver.hub.take_telemetry().into_iter().map(|telemetry| telemetry.payload).collect();
    assert_eq!(arrived, sent, "in order, once");
    assert_eq!(driver.client.tx_free(), whole);
}

/// Three messages: the first is decided seconds later, the others at once. PUBACKs keep their order.
pub(super) fn a_message_accepted_late(driver: &mut Driver<'_>) {
    let ids = [1, 2, 3].map(|number: u8| driver.hub.send_message(DEVICE, CloudMessage::new(&[number])).unwrap());
    let tokens = [1, 2, 3].map(|number: u8| {
        let Seen::Message { token, payload } = driver.wait(|seen| matches!(seen, Seen::Message { .. })) else {
            unreachable!()
        };
        assert_eq!(payload, [number]);
        token
    });
    let now = driver.now();
    driver.client.message_leave(now, tokens[1]).unwrap();
    driver.client.message_accept(now, tokens[2]).unwrap();
    // Telemetry flows meanwhile, both ways.
    for second in 0..5u8 {
        driver.send(&[b's', second]).unwrap();
        driver.run(1_000);
    }
    assert!(driver.all_acked());
    assert_eq!(ids.map(|id| driver.hub.outcome(id)), [Some(Outcome::Delivered); 3], "the first holds the third");
    driver.client.message_accept(driver.now(), tokens[0]).unwrap();
    assert_eq!(driver.client.message_accept(driver.now(), tokens[0]), Err(UsageError::Stale.into()));
    driver.run_until(|driver| driver.hub.outcome(ids[2]) == Some(Outcome::Completed));
    assert_eq!(
        ids.map(|id| driver.hub.outcome(id)).map(Option::unwrap),
        [Outcome::Completed, Outcome::Delivered, Outcome::Completed]
    );

    // What was left comes again on the next connection.
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    assert_eq!(driver.client.message_leave(driver.now(), tokens[1]), Err(UsageError::Stale.into()));
    driver.connect();
    let Seen::Message { token, payload } = driver.wait(|seen| matches!(seen, Seen::Message { .. })) else {
        unreachable!()
    };
    assert_eq!(payload, [2]);
    driver.client.message_accept(driver.now(), token).unwrap();
    driver.run_until(|driver| driver.hub.queued(DEVICE) == 0);
}

/// A method is called, the link breaks before the answer: it is refused, not sent to another call.
pub(super) fn a_method_answered_too_late(driver: &mut Driver<'_>) {
    let timeout = Duration::from_secs(30);
    let first = driver.hub.invoke(DEVICE, "reboot", b"{}", timeout);
    let Seen::Call(request) = driver.wait(|seen| matches!(seen, Seen::Call(_))) else { unreachable!() };
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    assert_eq!(driver.client.method_respond(driver.now(), &request, 200, b"{}"), Err(UsageError::Stale.into()));
    driver.connect();
    assert_eq!(driver.client.method_respond(driver.now(), &request, 200, b"{}"), Err(UsageError::Stale.into()));

    let second = driver.hub.invoke(DEVICE, "reboot", b"{}", timeout);
    let Seen::Call(request) = driver.wait(|seen| matches!(seen, Seen::Call(_))) else { unreachable!() };
    driver.client.method_respond(driver.now(), &request, 202, b"{\"in\":5}").unwrap();
    driver.run_until(|driver| driver.hub.call_result(second) != CallResult::Pending);
    let answer = CallResult::Answered { status: 202, payload: b"{\"in\":5}".to_vec() };
    assert_eq!((driver.hub.call_result(second), driver.hub.call_result(first)), (answer, CallResult::Pending));
    assert_eq!(driver.hub.stray_answers(), 0);
}

/// A twin of 20 KB and a receive buffer of 2 KB: it cannot be had, and that is said, with its version.
pub(super) fn a_twin_larger_than_the_buffer(driver: &mut Driver<'_>) {
    driver.cut();
    let mut version = 0;
    for key in ["a", "b", "c", "d", "e"] {
        version = driver.hub.patch_desired(DEVICE, &json!({ key: "x".repeat(4_000) })).unwrap();
    }
    let size = driver.hub.twin(DEVICE).to_string().len();
    assert!(size > 20_000);
    let too_large = RequestError::TooLarge { payload_len: u32::try_from(size).unwrap(), version: Some(version) };

    driver.connect();
    assert_eq!(driver.wait(|seen| matches!(seen, Seen::SyncFailed(_))), Seen::SyncFailed(too_large));
    let token = driver.client.twin_get(driver.now()).unwrap();
    let failed = driver.wait(|seen| matches!(seen, Seen::Failed { .. }));
    assert_eq!(failed, Seen::Failed { token, reason: too_large });

    // Small patches pass, and reports are answered.
    let small = driver.hub.patch_desired(DEVICE, &json!({ "rate": 5 })).unwrap();
    let desired = driver.wait(|seen| matches!(seen, Seen::Desired { .. }));
    assert_eq!(desired, Seen::Desired { version: Some(small), unsynced: true });
    let token = driver.client.twin_report(driver.now(), b"{\"rate\":5}").unwrap();
    driver.wait(|seen| *seen == Seen::Reported(token));
    driver.run(5_000);
    assert!(driver.take(|seen| matches!(seen, Seen::SyncFailed(_))).is_none(), "said once");

    // The application makes room at the hub; the next connection is synchronised again.
    let shrink = json!({ "a": null, "b": null, "c": null, "d": null, "e": null });
    driver.cut();
    let version = driver.hub.patch_desired(DEVICE, &shrink).unwrap();
    driver.connect();
    driver.wait(|seen| *seen == Seen::Document { token: None, version: Some(version) });
    while driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some() {}
}

const DAY: i64 = 86_400_000;

/// The device's clock is set forward by a day, and back again across a connect.
pub(super) fn a_clock_that_jumps(driver: &mut Driver<'_>) {
    // Idle: a day later a PINGREQ is due, and its answer makes it good.
    driver.run_until(|driver| driver.transfer.is_none() && driver.all_acked());
    driver.skew += DAY;
    driver.client.handle_timeout(driver.now()).unwrap();
    assert!(driver.client.poll_timeout().unwrap() > driver.now(), "later than now");
    driver.run(1_000);
    assert_eq!((driver.client.state(), driver.client.timeout_reason()), (State::Ready, Some(TimeoutReason::KeepAlive)));

    // An hour back, while connected, is no time at all.
    driver.skew -= 3_600_000;
    driver.send(b"an hour ago").unwrap();
    driver.run_until(Driver::all_acked);
    driver.skew += 3_600_000;

    // A PUBACK in hand beats its deadline that has passed.
    driver.send(b"in hand").unwrap();
    driver.run_until(|driver| !driver.hub.ready().is_empty());
    assert_eq!((driver.client.pending().telemetry, driver.transfer.is_some()), (1, false));
    driver.skew += DAY;
    assert!(driver.client.poll_timeout().unwrap() < driver.now());
    driver.receive(RX);
    driver.client.handle_timeout(driver.now()).unwrap();
    driver.run_until(Driver::all_acked);
    assert_eq!(driver.client.state(), State::Ready);

    // Without one the link is dead, and what was sent goes out again.
    driver.hub.faults.drop_pubacks = 1;
    let token = driver.send(b"again").unwrap();
    driver.run(1_000);
    driver.skew += DAY;
    driver.run(2);
    let end = driver.take(|seen| matches!(seen, Seen::Disconnected(_)));
    let Some(Seen::Disconnected(end)) = end else { panic!("{:?}", driver.client.state()) };
    let dead = Error::TimedOut(TimeoutReason::Puback);
    assert_eq!((end.reason, driver.client.handle_timeout(driver.now())), (DisconnectReason::Failed(dead), Err(dead)));

    // Back to where it was, with a request that has most of its minute left.
    let report = driver.client.twin_report(driver.now(), b"{\"day\":1}").unwrap();
    driver.skew -= 3 * DAY;
    driver.dial();
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    let deadline = driver.now() + Duration::from_secs(60);
    assert_eq!(driver.client.poll_timeout(), Some(deadline));
    driver.connect();
    driver.wait(|seen| *seen == Seen::Reported(report));
    driver.wait(|seen| *seen == Seen::Acked(token));
    let copies: Vec<_> = driver.hub.take_telemetry().into_iter().filter(|it| it.payload == b"again").collect();
    assert_eq!(copies.iter().map(|copy| copy.dup).collect::<Vec<_>>(), [false, true]);
    assert_eq!(copies[0].packet_id, copies[1].packet_id);
}

/// The hub closes the link over one message, whenever it comes. It is found, taken back, and the rest flows.
pub(super) fn a_message_the_hub_refuses_for_ever(driver: &mut Driver<'_>) {
    driver.hub.faults.poison = Some(b"poison".to_vec());
    driver.send(b"before").unwrap();
    let poison = driver.send(b"the poison").unwrap();
    for number in 0..4u8 {
        driver.send(&[b'p', number]).unwrap();
    }
    let end = driver.wait_disconnected();
    assert_eq!((end.reason, end.suspect), (DisconnectReason::TransportClosed, None), "a PUBACK came");
    let mut suspect = None;
    for cut in 1..=3u8 {
        driver.dial();
        let end = driver.wait_disconnected();
        assert_eq!(end.last_sent, Some(LastSent::Telemetry));
        suspect = end.suspect.map(|suspect| (suspect.token, suspect.cuts));
        assert_eq!(suspect, (cut >= 2).then_some((poison, cut)));
    }
    let (token, _) = suspect.unwrap();
    assert_eq!(driver.client.telemetry_withdraw(driver.now(), token), Ok(Withdrawn::MaybeSent));
    driver.acks.remove(&b"the poison"[..]);

    // One unlucky cut accuses nobody of what another did.
    driver.connect();
    let sends = |driver: &Driver<'_>| driver.transfer.as_ref().is_some_and(|transfer| transfer.bytes[0] & 0xF6 == 0x32);
    driver.run_until(sends);
    driver.cut();
    assert_eq!(driver.wait_disconnected().suspect, None);
    driver.connect();
    driver.run_until(Driver::all_acked);
    assert_eq!(driver.client.telemetry_withdraw(driver.now(), token), Err(UsageError::Stale.into()));
    assert!(driver.hub.take_telemetry().iter().all(|telemetry| telemetry.payload != b"the poison"));
}
