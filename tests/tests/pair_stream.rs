//! Payloads larger than the buffers, against the hub: a twin, messages and a method in pieces, telemetry in parts, and a
//! cut at every byte of them.

use std::cell::RefCell;
use std::rc::Rc;

use iothub_proto::event::{KeptRequestId, StreamEnd, StreamSource};
use iothub_proto::packet::QoS;
use iothub_proto::time::Duration;
use iothub_proto::{Event, Parts, Telemetry};
use iothub_tests::hub::{CallResult, CloudMessage, Outcome};
use iothub_tests::link::{Break, End};
use iothub_tests::pair::{LinkCut, Pair, Reconnect, Setup};
use serde_json::{Value, json};

/// What the application took whole, and what it supplies.
#[derive(Default)]
struct Taken {
    twins: Vec<(Option<u64>, Value)>,
    messages: Vec<Vec<u8>>,
    calls: Vec<Vec<u8>>,
    open: Option<(Vec<u8>, Option<KeptRequestId>)>,
    /// Pieces beyond the receive buffer would be a lie.
    longest: usize,
    log: Vec<u8>,
    wishes: u32,
}

/// A device with a receive buffer of 256 bytes that takes and supplies everything.
fn device(setup: Setup) -> (Pair, Rc<RefCell<Taken>>) {
    let setup = setup.settings(|settings| (settings.max_packet, settings.stream_payloads) = (256, true));
    let mut pair = setup.start();
    let taken = Rc::new(RefCell::new(Taken { log: (0..3_000_u32).map(|n| n as u8).collect(), ..Taken::default() }));
    let inside = Rc::clone(&taken);
    pair.handler = Some(Box::new(move |client, now, event| {
        let taken = &mut *inside.borrow_mut();
        match *event {
            Event::StreamBegin { source, .. } => {
                let call = match source {
                    StreamSource::MethodCall { name: "install", request } => request.keep(),
                    _ => None,
                };
                taken.open = Some((Vec::new(), call));
            }
            Event::StreamPiece { offset, bytes } => {
                let (payload, _) = taken.open.as_mut().expect("it has begun");
                assert_eq!(offset as usize, payload.len());
                taken.longest = taken.longest.max(bytes.len());
                payload.extend_from_slice(bytes);
            }
            Event::StreamEnd(end) => {
                let (payload, call) = taken.open.take().expect("it has begun");
                match end {
                    StreamEnd::Message { token } => {
                        client.message_accept(now, token.expect("QoS 1")).expect("delivered just now");
                        taken.messages.push(payload);
                    }
                    StreamEnd::MethodCall => {
                        client.method_respond(now, &call.expect("kept"), 200, b"{}").expect("there is room");
                        taken.calls.push(payload);
                    }
                    StreamEnd::TwinDocument { version, stale: false, .. } => {
                        taken.twins.push((version, serde_json::from_slice(&payload).expect("JSON")));
                    }
                    other => panic!("{other:?}"),
                }
            }
            Event::Disconnected(_) => taken.open = None,
            Event::PartWanted { token, offset, room } => {
                taken.wishes += 1;
                let rest = &taken.log[offset as usize..];
                let part = &rest[..rest.len().min(room as usize)];
                client.telemetry_part(now, token, offset, part).expect("it is wanted");
            }
            _ => {}
        }
    }));
    (pair, taken)
}

/// A twin of some size.
fn fill(pair: &mut Pair, bytes: usize) {
    for n in 0..bytes.div_ceil(1_000) {
        let patch = json!({ format!("key{n}"): "v".repeat(bytes.min(1_000)) });
        pair.hub.patch_desired("dev1", &patch).expect("within the rules");
    }
}

#[test]
fn a_twin_of_30_kb_passes_through_256_bytes() {
    for chunk in [1, 100, 1_460] {
        let (mut pair, taken) = device(Setup::device().link(chunk, (0, 2)));
        fill(&mut pair, 30_000);
        pair.sign_in();
        pair.run_until("synchronised", |_| !taken.borrow().twins.is_empty());
        let (version, twin) = taken.borrow_mut().twins.pop().unwrap();
        assert_eq!(
            (version, &twin["desired"]),
            (Some(pair.hub.desired_version("dev1")), &pair.hub.twin("dev1")["desired"])
        );
        assert!(twin.to_string().len() > 30_000);
    }
}

#[test]
fn a_message_and_a_call_are_settled_at_their_end() {
    let (mut pair, taken) = device(Setup::device().link(100, (0, 5)));
    pair.sign_in();
    let body = vec![b'b'; 5_000];
    let message = pair.hub.send_message("dev1", CloudMessage::new(&body).with("k", "v")).unwrap();
    let payload = format!("\"{}\"", "i".repeat(2_000));
    let call = pair.hub.invoke("dev1", "install", payload.as_bytes(), Duration::from_secs(30));
    pair.run_until("settled", |pair| {
        pair.hub.outcome(message) == Some(Outcome::Completed) && pair.hub.call_result(call) != CallResult::Pending
    });
    let taken = taken.borrow();
    assert_eq!((&taken.messages, &taken.calls), (&vec![body], &vec![payload.into_bytes()]));
    assert!(taken.longest <= 256 || pair.received().len() > 256);
}

#[test]
fn a_cut_at_every_byte_of_what_comes() {
    let run = |cut: Option<LinkCut>| {
        let (mut pair, taken) = device(Setup::device().link(60, (0, 1)));
        fill(&mut pair, 600);
        let body = vec![b'b'; 300];
        let message = pair.hub.send_message("dev1", CloudMessage::new(&body)).unwrap();
        pair.reconnect = Reconnect::After(Duration::from_secs(1));
        pair.cuts.push_back(cut);
        pair.connect();
        pair.run_until("all is here", |pair| {
            pair.hub.outcome(message) == Some(Outcome::Completed) && !taken.borrow().twins.is_empty()
        });
        let received = pair.received().len();
        let taken = taken.borrow();
        // Twice only if the acknowledgement was lost; nothing half in either.
        assert!(taken.messages.iter().all(|it| *it == body) && taken.messages.len() <= 2, "{cut:?}");
        let desired = &pair.hub.twin("dev1")["desired"];
        assert!(taken.twins.iter().all(|(_, twin)| twin["desired"] == *desired), "{cut:?}");
        received
    };
    let whole = run(None) as u64;
    assert!(whole > 1_000);
    for bytes in 1..whole {
        run(Some(LinkCut { from: End::Hub, bytes, how: Break::Close }));
    }
}

#[test]
fn a_cut_at_every_byte_of_what_leaves() {
    let payload: Vec<u8> = (0..700_u32).map(|n| n as u8).collect();
    let run = |qos, cut: Option<LinkCut>| {
        let (mut pair, taken) = device(Setup::sensor().link(60, (0, 1)));
        taken.borrow_mut().log.clone_from(&payload);
        pair.reconnect = Reconnect::After(Duration::from_secs(1));
        pair.cuts.push_back(cut);
        pair.connect();
        pair.send(b"before");
        let parts = Parts { len: payload.len() as u32, room: 64 };
        let message = Telemetry { qos, ..Telemetry::default() };
        pair.client.send_telemetry_parts(pair.now(), &message, parts).expect("there is room");
        pair.send(b"behind");
        pair.run_until("all has left", |pair| pair.client.pending().telemetry == 0);
        pair.run_for(Duration::from_secs(1));
        let arrived: Vec<Vec<u8>> = pair.hub.take_telemetry().into_iter().map(|it| it.payload).collect();
        // Copies of what was not acknowledged may come; each is whole.
        assert!(arrived.iter().all(|it| *it == payload || it == b"before" || it == b"behind"), "{cut:?}");
        assert!(arrived.contains(&payload) || qos == QoS::AtMostOnce && cut.is_some(), "{cut:?}");
        let first = |what: &[u8]| arrived.iter().position(|it| it == what);
        assert!(first(b"before") < first(b"behind") && first(b"before").is_some());
        let left: usize = pair.sent().iter().map(|sent| sent.bytes.len()).sum();
        left
    };
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let whole = run(qos, None) as u64;
        assert!(whole > 800);
        for bytes in 1..whole {
            run(qos, Some(LinkCut { from: End::Client, bytes, how: Break::Close }));
        }
    }
}

#[test]
fn a_quarter_of_a_megabyte_leaves_through_a_kilobyte() {
    let (mut pair, taken) = device(Setup::sensor().memory(1_024, 4, 4).link(1_460, (1, 1)));
    let payload: Vec<u8> = (0..256 * 1_024_u32).map(|n| (n / 7) as u8).collect();
    taken.borrow_mut().log.clone_from(&payload);
    pair.sign_in();
    let parts = Parts { len: payload.len() as u32, room: 256 };
    pair.client.send_telemetry_parts(pair.now(), &Telemetry::default(), parts).expect("it fits exactly");
    pair.run_until("stored", |pair| pair.client.pending().telemetry == 0);
    assert!(pair.hub.take_telemetry()[0].payload == payload);
    assert_eq!(taken.borrow().wishes, 1_024);
}
