//! The harness itself, on the way that every device goes.

use iothub_proto::event::DisconnectReason;
use iothub_proto::time::Duration;
use iothub_tests::hub::{CallResult, CloudMessage, Outcome};
use iothub_tests::pair::{Pair, Seen, Setup, is_over, is_ready};

#[test]
fn a_device_signs_in_and_uses_everything_once() {
    let mut pair = Setup::device().start();
    pair.handler = Some(Box::new(|client, now, event| {
        if let iothub_proto::Event::MethodCall { request, payload, .. } = event {
            client.method_respond(now, request, 200, payload).expect("the connection is there");
        }
    }));
    pair.sign_in();
    pair.run_for(Duration::from_millis(100));
    let token = pair.send(b"21.5");
    let message = pair.hub.send_message("dev1", CloudMessage::new(b"hello").with("color", "blue")).unwrap();
    let call = pair.hub.invoke("dev1", "reboot", b"{\"in\":5}", Duration::from_secs(30));
    pair.hub.patch_desired("dev1", &serde_json::json!({ "speed": 3 })).unwrap();
    let get = pair.client.twin_get(pair.now()).unwrap();
    let report = pair.client.twin_report(pair.now(), b"{\"speed\":3}").unwrap();
    pair.run_for(Duration::from_secs(1));

    assert_eq!(pair.hub.call_result(call), CallResult::Answered { status: 200, payload: b"{\"in\":5}".to_vec() });
    assert_eq!(pair.hub.take_telemetry()[0].payload, b"21.5");
    let accepted = pair.seen().iter().find_map(|(_, seen)| match seen {
        Seen::Message(message) if message.property("color") == Some("blue") => message.token,
        _ => None,
    });
    assert_eq!(pair.hub.outcome(message), Some(Outcome::Delivered));
    pair.client.message_accept(pair.now(), accepted.expect("it is at QoS 1")).unwrap();
    pair.client.disconnect(pair.now()).unwrap();
    pair.run_until("disconnected", |pair| pair.has(is_over));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.hub.outcome(message), Some(Outcome::Completed));

    let seen = pair.take_seen();
    let is = |wanted: &dyn Fn(&Seen) -> bool| seen.iter().position(wanted).unwrap_or_else(|| panic!("{seen:#?}"));
    let order = [
        is(&|seen| *seen == Seen::Connected { session_present: false }),
        is(&|seen| matches!(seen, Seen::Ready { .. })),
        is(&|seen| matches!(seen, Seen::TwinDocument { token: None, stale: false, version: Some(1), .. })),
        is(&|seen| matches!(seen, Seen::TwinDesired { version: Some(2), unsynced: false, .. })),
        is(&|seen| matches!(seen, Seen::TwinDocument { token, version: Some(2), .. } if *token == Some(get))),
        is(&|seen| *seen == Seen::TwinReported { token: report, version: Some(2) }),
        is(&|seen| *seen == Seen::Acked(token)),
        is(&|seen| matches!(seen, Seen::Disconnected(end) if end.reason == DisconnectReason::Requested)),
    ];
    assert!(order.is_sorted(), "{order:?}\n{seen:#?}");
    assert!(!pair.is_open());
}

#[test]
#[should_panic(expected = "livelock at one instant")]
fn a_run_that_spins_fails() {
    fn again(pair: &mut Pair) {
        pair.at(pair.now(), again);
    }
    let mut pair = Setup::device().start();
    again(&mut pair);
    pair.run_for(Duration::ZERO);
}

#[test]
#[should_panic(expected = "not ready, and nothing is due any more")]
fn a_run_that_waits_for_nothing_fails() {
    Setup::device().start().run_until("ready", |pair| pair.has(is_ready));
}

#[test]
#[should_panic(expected = "the client broke the rules")]
fn a_run_in_which_the_hub_objects_fails() {
    let mut pair = Setup::device().start();
    let conn = pair.hub.accept(pair.now(), None);
    pair.hub.handle_input(conn, pair.now(), b"\xc0\x00");
    pair.run_for(Duration::ZERO);
}
