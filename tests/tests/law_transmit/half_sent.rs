//! What becomes of a packet that was not lent, or was sent in part, when its answer, its deadline, a withdrawal or a cut
//! comes before its last byte.

use super::*;
use iothub_proto::ConnectOptions;
use iothub_proto::event::{RequestError, Withdrawn};
use iothub_proto::time::Duration;

#[test]
fn an_answer_before_the_last_byte_was_confirmed_settles_and_frees_nothing_that_is_lent() {
    // PUBACK for a message of which no byte, one byte, all but one were confirmed.
    let len = publish(0x32, D2C, Some(1), b"early").len();
    for confirmed in [0, 1, len - 1] {
        let mut memory = Memory::new(400, 1, 1);
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        let token = rig.send(b"early");
        let whole = rig.lent();
        rig.confirm(confirmed);
        assert_eq!(rig.feed(&puback(1)).events, [Seen::Acked(token)]);
        assert_eq!(rig.feed(&puback(1)).events, [], "told once");
        assert_eq!(rig.client.strays(), 1);
        assert_eq!(rig.client.unacked().count(), 0);
        assert_eq!(rig.client.pending().telemetry, 0, "it is settled");
        assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Err(UsageError::Stale.into()));
        assert_eq!(rig.lent(), whole[confirmed..]);
        rig.confirm(whole.len() - confirmed);
        assert_eq!((rig.lent().len(), rig.client.timeout_reason()), (0, None), "nothing is waited for");
        assert_ne!(rig.send(b"next"), token);
        assert_eq!(packets(&rig.sent()), [publish(0x32, D2C, Some(2), b"next")]);
    }
}

#[test]
fn a_twin_response_before_its_request_was_confirmed_settles_it() {
    for confirmed in [0, 1, 20] {
        let mut memory = Memory::new(400, 1, 1);
        let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
        rig.sign_in(ACCEPTED);
        let token = rig.client.twin_report(rig.now, br#"{"a":1}"#).unwrap();
        let response =
            publish(0x30, &format!("$iothub/twin/res/204/?$rid={:08x}&$version=5", token.to_bits()), None, b"");
        assert_eq!((rig.feed(&response).events.len(), rig.client.strays()), (0, 1), "no byte was lent");
        let whole = rig.lent();
        rig.confirm(confirmed);
        assert_eq!(rig.feed(&response).events, [Seen::Reported(token, Some(5))]);
        assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::Send));
        assert_eq!(rig.lent(), whole[confirmed..]);
        rig.confirm(whole.len() - confirmed);
        assert_eq!(rig.client.poll_timeout(), None, "nothing is waited for");
        assert_eq!((rig.feed(&response).events.len(), rig.client.strays()), (0, 2));
        assert!(rig.client.twin_get(rig.now).is_ok(), "the only slot is free");
    }
}

#[test]
fn a_request_that_expires_half_sent_ends_once_and_its_bytes_go_on() {
    // The application is told before or after the last byte is confirmed, or after a cut.
    for case in 0..3 {
        let mut memory = Memory::new(400, 1, 1);
        let request_timeout = Duration::from_secs(10);
        let mut rig = memory.rig(Settings { features: Features::TWIN, request_timeout, ..quiet() });
        rig.sign_in(ACCEPTED);
        let token = rig.client.twin_get(rig.now).unwrap();
        let whole = rig.lent();
        rig.confirm(3);
        rig.pass(TimeoutReason::Request).unwrap();
        assert_eq!(rig.lent(), whole[3..]);
        let expired = [Seen::RequestFailed(token, RequestError::TimedOut)];
        match case {
            0 => {
                assert_eq!(rig.drain().events, expired);
                assert_eq!(rig.lent(), whole[3..]);
                rig.confirm(whole.len() - 3);
            }
            1 => {
                rig.confirm(whole.len() - 3);
                assert_eq!(rig.drain().events, expired);
            }
            _ => {
                let events = rig.cut();
                assert_eq!(events[..1], expired, "it ended by time, not by the cut");
                assert_eq!(events.len(), 2);
                rig.sign_in(RESUMED);
            }
        }
        assert_eq!((rig.sent().len(), rig.client.poll_timeout()), (0, None));
        let response = publish(0x30, &format!("$iothub/twin/res/200/?$rid={:08x}", token.to_bits()), None, b"{}");
        assert_eq!((rig.feed(&response).events.len(), rig.client.strays()), (0, 1), "too late");
        assert_eq!(rig.client.pending(), iothub_proto::Pending::default());
        assert!(rig.client.twin_get(rig.now).is_ok(), "the only slot is free");
    }
}

#[test]
fn a_withdrawn_message_that_is_half_sent_goes_out_whole_and_its_puback_is_silent() {
    let mut memory = Memory::new(400, 2, 1);
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    let token = rig.send(b"regret");
    let whole = rig.lent();
    rig.confirm(5);
    assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Ok(Withdrawn::MaybeSent));
    assert_eq!(rig.client.telemetry_withdraw(rig.now, token), Err(UsageError::Stale.into()));
    assert_eq!(rig.client.unacked().count(), 0);
    assert_eq!(rig.lent(), whole[5..]);
    rig.confirm(whole.len() - 5);
    assert_eq!(rig.client.timeout_reason(), Some(TimeoutReason::Puback), "its id is in use");
    assert_eq!(rig.feed(&puback(1)).events, []);
    assert_eq!((rig.client.strays(), rig.client.poll_timeout()), (0, None));

    // Acknowledged while half sent; and cut while half sent.
    let token = rig.send(b"regret");
    let id = u16::from_be_bytes(rig.lent()[2 + 2 + D2C.len()..][..2].try_into().unwrap());
    rig.confirm(1);
    rig.client.telemetry_withdraw(rig.now, token).unwrap();
    assert_eq!(rig.feed(&puback(id)).events, []);
    let rest = rig.lent().len();
    rig.confirm(rest);
    assert_eq!((rig.client.pending().telemetry, rig.client.strays()), (0, 0));

    let token = rig.send(b"regret");
    rig.lent();
    rig.client.telemetry_withdraw(rig.now, token).unwrap();
    rig.cut();
    rig.sign_in(RESUMED);
    assert_eq!(rig.sent(), b"", "withdrawn is not sent again");
    assert_eq!(rig.client.pending().telemetry, 0);
}

#[test]
fn withdrawn_tells_whether_the_hub_may_have_it() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    let unsent = rig.send(b"a");
    assert_eq!(rig.client.telemetry_sent(unsent), Ok(false));
    assert_eq!(rig.client.telemetry_withdraw(rig.now, unsent), Ok(Withdrawn::Unsent));
    assert_eq!(rig.client.telemetry_sent(unsent), Err(UsageError::Stale));
    let sent = [rig.send(b"b"), rig.send(b"c")];
    rig.sign_in(ACCEPTED);
    rig.lent();
    assert_eq!(sent.map(|token| rig.client.telemetry_sent(token)), [Ok(true), Ok(false)], "lent counts as sent");
    rig.sent();
    rig.cut();
    assert_eq!(sent.map(|token| rig.client.telemetry_sent(token)), [Ok(true), Ok(true)], "on an earlier connection");
    assert_eq!(rig.client.telemetry_withdraw(rig.now, sent[0]), Ok(Withdrawn::MaybeSent));
    // The hub has forgotten the session, not the message.
    rig.connect_with(&ConnectOptions::default());
    rig.sent();
    rig.feed(&ACCEPTED);
    assert_eq!(rig.client.telemetry_withdraw(rig.now, sent[1]), Ok(Withdrawn::MaybeSent));
    assert_eq!(rig.client.pending().telemetry, 0);
}

#[test]
fn what_was_not_lent_stays_across_a_cut() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    let request = call(&mut rig);
    rig.client.method_respond(rig.now, &request, 200, b"dies").unwrap();
    let twin = rig.client.twin_get(rig.now).unwrap();
    rig.send0(b"zero");
    rig.send(b"one");
    let events = rig.cut();
    assert_eq!(events.len(), 1, "{events:?}");
    rig.sign_in(RESUMED);
    let sent = packets(&rig.sent());
    assert_eq!(
        sent,
        [
            publish(0x30, &format!("$iothub/twin/GET/?$rid={:08x}", twin.to_bits()), None, b""),
            publish(0x30, D2C, None, b"zero"),
            publish(0x32, D2C, Some(sent_id(&sent[2])), b"one"),
        ]
    );
    assert_eq!(rig.client.method_respond(rig.now, &request, 200, b""), Err(UsageError::Stale.into()));
}
