use super::*;
use crate::event::{
    DisconnectReason, Disconnected, LastSent, MessageToken, RequestError, StreamEnd, Suspect, TelemetryToken, TwinToken,
};
use crate::time::Duration;
use crate::topic::Features;
use std::vec;

fn begin(source: StreamSource<'_>) -> Event<'_> {
    Event::StreamBegin { source, payload_len: 70_000 }
}

/// Every kind of event, with texts and payloads out of `input`, as long as they can be and absent.
fn every_event(input: &str) -> Vec<Event<'_>> {
    let (a, b, c) = (&input[..4], &input[4..9], &input[9..20]);
    let token = MessageToken::from_bits(0x0102_0304);
    let twin = TwinToken::from_bits(7);
    let telemetry = TelemetryToken::from_bits(8);
    let full = Message {
        token: Some(token),
        input: Some(a),
        properties: Properties::new(b),
        payload: c.as_bytes(),
        redelivered: true,
    };
    let bare = Message { token: None, input: None, properties: Properties::new(""), payload: &[], redelivered: false };
    let skipped = Skipped {
        topic: a,
        packet_id: Some(9),
        payload_len: 70_000,
        token: Some(token),
        request: Some(RequestId::new(b, 3)),
    };
    vec![
        Event::Connected { session_present: true },
        Event::Ready { refused: Features::TWIN },
        Event::Subscribed { features: Features::ALL_DEVICE, refused: Features::NONE },
        Event::TelemetryAcked(telemetry),
        Event::Message(full),
        Event::Message(bare),
        Event::Message(Message { input: Some(""), ..bare }),
        Event::MethodCall { name: b, payload: a.as_bytes(), request: RequestId::new(c, 0x1234) },
        Event::MethodCall { name: a, payload: &[], request: RequestId::new(b, 1) },
        Event::TwinDocument { token: Some(twin), version: Some(3), stale: true, payload: c.as_bytes() },
        Event::TwinReported { token: twin, version: Some(1 << 40) },
        Event::TwinDesired { version: None, unsynced: true, payload: b.as_bytes() },
        Event::RequestFailed { token: twin, reason: RequestError::Status(429), payload: a.as_bytes() },
        Event::RequestFailed { token: twin, reason: RequestError::TimedOut, payload: &[] },
        Event::TwinSyncFailed { reason: RequestError::TooLarge { payload_len: 9, version: Some(2) } },
        Event::Skipped(skipped),
        Event::Skipped(Skipped { topic: "", packet_id: None, token: None, request: None, ..skipped }),
        Event::MessageLeft(full),
        begin(StreamSource::Message { input: Some(a), properties: Properties::new(c), redelivered: true }),
        begin(StreamSource::Message { input: None, properties: Properties::new(""), redelivered: false }),
        begin(StreamSource::MethodCall { name: b, request: RequestId::new(c, 0x1234) }),
        begin(StreamSource::TwinDocument { token: Some(twin) }),
        begin(StreamSource::TwinDesired { version: Some(4), unsynced: true }),
        begin(StreamSource::Unknown { topic: b, retain: true }),
        Event::StreamPiece { offset: 70_000, bytes: c.as_bytes() },
        Event::StreamEnd(StreamEnd::TwinDocument { token: Some(twin), version: Some(9), stale: true }),
        Event::Unknown { topic: c, payload: a.as_bytes(), retain: true },
        Event::CredentialExpiring,
        Event::Disconnected(Disconnected {
            reason: DisconnectReason::TransportClosed,
            last_sent: Some(LastSent::Telemetry),
            suspect: Some(Suspect { token: telemetry, cuts: 2 }),
            ready_for: Duration::from_secs(60),
        }),
    ]
}

fn payload<'i>(event: &Event<'i>) -> &'i [u8] {
    match *event {
        Event::Message(it) | Event::MessageLeft(it) => it.payload,
        Event::MethodCall { payload, .. }
        | Event::TwinDocument { payload, .. }
        | Event::TwinDesired { payload, .. }
        | Event::RequestFailed { payload, .. }
        | Event::Unknown { payload, .. }
        | Event::StreamPiece { bytes: payload, .. } => payload,
        _ => &[],
    }
}

const INPUT: &str = "abcdé01234567890xyz!";

#[test]
fn every_event_comes_back_from_either_memory() {
    for event in every_event(INPUT) {
        let shared = OwnedEvent::of(&event, INPUT.as_bytes()).with_bytes(Bytes::from_static(INPUT.as_bytes()));
        for owned in [shared.clone(), OwnedEvent::from(event)] {
            assert_eq!(owned.as_event(), event);
            assert_eq!(owned.payload(), payload(&event), "{event:?}");
            assert_eq!(std::format!("{owned:?}"), std::format!("{event:?}"));
        }
        assert_eq!(shared, OwnedEvent::from(event));
    }
}

#[test]
fn the_payload_is_not_copied() {
    for event in every_event(INPUT) {
        let bytes = Bytes::from(INPUT.as_bytes().to_vec());
        let owned = OwnedEvent::of(&event, INPUT.as_bytes()).with_bytes(bytes.clone());
        let payload = owned.payload();
        assert!(payload.is_empty() || bytes.as_ptr_range().contains(&payload.as_ptr()), "{event:?}");
    }
}

#[test]
fn a_call_is_answered_later() {
    let longest = "x".repeat(47);
    let call = |request| OwnedEvent::from(Event::MethodCall { name: "m", payload: b"{}", request });
    let event = call(RequestId::new(&longest, 5));
    let kept = event.request_id().unwrap();
    drop(event);
    assert_eq!(kept.id(), RequestId::new(&longest, 5));
    let longer = "x".repeat(48);
    let event = call(RequestId::new(&longer, 5));
    assert_eq!(event.request_id(), None);
    let Event::MethodCall { request, .. } = event.as_event() else { panic!("a call") };
    assert_eq!(request, RequestId::new(&longer, 5));
    assert_eq!(OwnedEvent::from(Event::CredentialExpiring).request_id(), None);
}

#[test]
fn travels_between_threads() {
    fn travels<T: Clone + Send + Sync + fmt::Debug + 'static>() {}
    travels::<OwnedEvent>();
}
