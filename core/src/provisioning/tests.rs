mod cuts;
mod refusals;

use super::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent as Event};
use crate::auth::Registration;
use crate::error::{
    CapacityError, ConnectRefusal, Error, Field, PeerError, RegistrationError, Setting, TimeoutReason, UsageError,
    Violation,
};
use crate::event::{DisconnectReason, Disconnected, LastSent};
use crate::session::state::State;
use crate::time::{Duration, Instant};
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

const REGISTRATION: Registration<'static> = Registration::new("0ne00000001", "reg-001");
const ASSIGNED: &str = r#"{"status":"assigned","registrationState":{"assignedHub":"h.net","deviceId":"dev1"}}"#;
const ASSIGNING: &str = r#"{"operationId":"4.op","status":"assigning"}"#;

fn config() -> ProvisioningConfig<'static> {
    ProvisioningConfig::new(REGISTRATION)
}

fn client(change: impl FnOnce(&mut ProvisioningConfig<'static>)) -> ProvisioningClient<'static> {
    let mut config = config();
    change(&mut config);
    ProvisioningClient::new(config, vec![0; 1_024].leak()).unwrap()
}

fn seconds(seconds: u32) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

/// A PUBLISH to the device, at QoS 1 with a packet id.
fn publish(topic: &str, id: Option<u16>, body: &[u8]) -> &'static [u8] {
    let mut rest = (topic.len() as u16).to_be_bytes().to_vec();
    rest.extend(topic.as_bytes());
    rest.extend(id.iter().flat_map(|id| id.to_be_bytes()));
    rest.extend(body);
    let len = rest.len();
    [&[if id.is_some() { 0x32 } else { 0x30 }, (len % 128) as u8 | 0x80, (len / 128) as u8], &rest[..]].concat().leak()
}

fn answer(status: u16, rid: u32, more: &str, body: &str) -> &'static [u8] {
    publish(&format!("$dps/registrations/res/{status}/?$rid={rid}{more}"), None, body.as_bytes())
}

/// Sends all there is.
fn send(client: &mut ProvisioningClient<'_>, now: Instant) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(bytes) = client.poll_transmit() {
        let len = bytes.len();
        sent.extend_from_slice(bytes);
        client.confirm_transmit(now, len).unwrap();
    }
    sent
}

/// Signs in, and sends the request to register: number 1.
fn register(client: &mut ProvisioningClient<'_>, now: Instant) {
    client.connect(now, Some("token"), 0).unwrap();
    send(client, now);
    assert_eq!(client.handle_input(now, b"\x20\x02\x00\x00").unwrap().event, Some(Event::Connected));
    assert_eq!(send(client, now), [&b"\x82\x1d\xff\xff\x00\x18"[..], b"$dps/registrations/res/#", b"\x01"].concat());
    assert_eq!(client.handle_input(now, b"\x90\x03\xff\xff\x01").unwrap().event, Some(Event::Ready));
    let request = send(client, now);
    assert!(request.ends_with(br#"{"registrationId":"reg-001"}"#), "{}", String::from_utf8_lossy(&request));
}

/// Takes the fatal error, and the event before it.
#[track_caller]
fn fails(client: &mut ProvisioningClient<'_>, now: Instant, error: Error) {
    let handled = client.handle_input(now, &[]).unwrap();
    let Some(Event::Disconnected(Disconnected { reason, .. })) = handled.event else { panic!("{handled:?}") };
    assert_eq!(reason, DisconnectReason::Failed(error));
    for _ in 0..2 {
        assert_eq!(client.handle_input(now, b"\xd0\x00"), Err(error));
        assert_eq!(client.handle_timeout(now), Err(error));
    }
    assert_eq!((client.state(), client.poll_timeout(), client.poll_transmit()), (State::Failed, None, None));
}

fn topic_of(packet: &[u8]) -> &str {
    let start = if packet[1] < 0x80 { 4 } else { 5 };
    let len = usize::from(packet[start - 2]) << 8 | usize::from(packet[start - 1]);
    core::str::from_utf8(&packet[start..start + len]).unwrap()
}

#[test]
fn connect_is_what_the_service_expects() {
    let mut client = client(|_| ());
    client.connect(Instant::ZERO, Some("token"), 0).unwrap();
    let sent = send(&mut client, Instant::ZERO);
    let user_name = format!(
        "0ne00000001/registrations/reg-001/api-version=2019-03-31&ClientVersion=iothub-proto%2F{}",
        env!("CARGO_PKG_VERSION")
    );
    let expected = [
        &b"\x00\x04MQTT\x04\xc2\x00\xf0\x00\x07reg-001\x00"[..],
        &[user_name.len() as u8],
        user_name.as_bytes(),
        b"\x00\x05token",
    ];
    assert_eq!(sent[2..], expected.concat());
    // Law 10: the token is gone, sent or not.
    assert!(!client.tx.0.windows(5).any(|window| window == b"token"));
    client.handle_eof(Instant::ZERO).unwrap();
    client.connect(Instant::ZERO, Some("token"), 0).unwrap();
    client.handle_eof(Instant::ZERO).unwrap();
    assert!(!client.tx.0.windows(5).any(|window| window == b"token"));
    assert!(!format!("{client:?}").contains(&format!("{:?}", &b"token"[..])));
}

#[test]
fn what_is_wrong_is_told_before_anything_is_sent() {
    let new = |config| ProvisioningClient::new(config, vec![0; 100_000].leak()).map(drop);
    let bad = |field, at| Err(UsageError::BadText { field, at }.into());
    let with = |payload: &'static [u8]| ProvisioningConfig { payload: Some(payload), ..config() };
    assert_eq!(new(ProvisioningConfig::new(Registration::new("0ne 1", "r"))), bad(Field::IdScope, 3));
    for (id, at) in [("", 0), ("a+b", 1), ("a.", 1), ("a_", 1), ("é", 0), ("a:", 1)] {
        assert_eq!(new(ProvisioningConfig::new(Registration::new("s", id))), bad(Field::RegistrationId, at), "{id}");
    }
    assert_eq!(new(ProvisioningConfig::new(Registration::new("s", "A.b_c:1-"))), Ok(()));
    assert_eq!(new(with(b"{\"a\":}")), bad(Field::Payload, 5));
    assert_eq!(new(with(b"")), bad(Field::Payload, 0));
    assert_eq!(new(with(b"{} ")), Ok(()));
    let timeout = UsageError::BadSetting(Setting::Timeout);
    assert_eq!(new(ProvisioningConfig { deadline: Duration::ZERO, ..config() }), Err(timeout.into()));
    let around = br#"{"registrationId":"reg-001","payload":}"#.len();
    let largest: &[u8] = format!("\"{}\"", "x".repeat(super::MAX_BODY - around - 2)).leak().as_bytes();
    assert_eq!(new(with(largest)), Ok(()));
    let larger: &[u8] = format!("\"{}\"", "x".repeat(super::MAX_BODY - around - 1)).leak().as_bytes();
    let (len, limit) = (super::MAX_BODY + 1, super::MAX_BODY);
    assert_eq!(new(with(larger)), Err(UsageError::MessageTooLarge { len, limit }.into()));
}

/// The smallest memory holds every packet; one byte less is refused.
#[test]
fn memory_is_sized_once() {
    let Err(Error::Capacity(CapacityError::TooLarge { needed, capacity: 0 })) =
        ProvisioningClient::new(config(), &mut [])
    else {
        panic!("no memory is too little")
    };
    assert!(needed < 384, "{needed}");
    assert!(ProvisioningClient::new(config(), &mut vec![0; needed - 1]).is_err());
    let mut room = vec![0; needed];
    let mut client = ProvisioningClient::new(config(), &mut room).unwrap();
    let token = "t".repeat(REGISTRATION.token_capacity());
    client.connect(Instant::ZERO, Some(&token), 0).unwrap();
    client.disconnect(Instant::ZERO).unwrap();
    let longer = "t".repeat(needed);
    let refused = client.connect(Instant::ZERO, Some(&longer), 0);
    assert!(matches!(refused, Err(Error::Capacity(CapacityError::TooLarge { .. }))), "{refused:?}");
    assert_eq!(client.tx.0, vec![0; needed]);

    // The longest operation id, which the smallest reserve of CONNECT must not make too large.
    let mut small = config();
    small.settings.connect_reserve = 1;
    let Err(Error::Capacity(CapacityError::TooLarge { needed, .. })) = ProvisioningClient::new(small, &mut []) else {
        panic!("no memory is too little")
    };
    let mut room = vec![0; needed];
    let mut client = ProvisioningClient::new(small, &mut room).unwrap();
    register(&mut client, Instant::ZERO);
    let id = "i".repeat(128);
    let body = format!(r#"{{"operationId":"{id}","status":"assigning"}}"#);
    let handled = client.handle_input(Instant::ZERO, answer(202, 1, "", &body)).unwrap();
    assert_eq!(handled.event, Some(Event::Assigning { retry_after: Duration::from_secs(2) }));
    client.handle_timeout(seconds(2)).unwrap();
    assert!(topic_of(&send(&mut client, seconds(2))).ends_with(&id));
}

#[test]
fn polls_until_assigned_and_says_good_bye() {
    let mut client = client(|_| ());
    register(&mut client, Instant::ZERO);
    let waits = [("&retry-after=3", 3), ("", 2), ("&retry-after=1", 2), ("&retry-after=x", 2), ("&retry-after=90", 90)];
    let mut now = Instant::ZERO;
    for (rid, (more, wait)) in (1..).zip(waits) {
        let handled = client.handle_input(now, answer(202, rid, more, ASSIGNING)).unwrap();
        let retry_after = Duration::from_secs(wait);
        assert_eq!(handled.event, Some(Event::Assigning { retry_after }), "{more}");
        assert_eq!(
            (client.poll_timeout(), client.timeout_reason()),
            (Some(now + retry_after), Some(TimeoutReason::Poll))
        );
        now = now + retry_after;
        client.handle_timeout(now).unwrap();
        let poll = send(&mut client, now);
        let expected = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid={}&operationId=4.op", rid + 1);
        assert_eq!(topic_of(&poll), expected);
    }
    let bytes = answer(200, 6, "", ASSIGNED);
    let handled = client.handle_input(now, bytes).unwrap();
    let Some(Event::Assigned(assignment)) = handled.event else { panic!("{handled:?}") };
    assert_eq!((assignment.assigned_hub, assignment.device_id.plain()), ("h.net", Some("dev1")));
    assert_eq!((assignment.substatus, assignment.payload), ("", &[][..]));
    assert_eq!(assignment.identity(&mut [0; 8]).unwrap_err(), CapacityError::BufferTooSmall { needed: 9 });
    assert_eq!(send(&mut client, now), b"\xe0\x00");
    let handled = client.handle_input(now, &[]).unwrap();
    let Some(Event::Disconnected(Disconnected { reason, last_sent, .. })) = handled.event else {
        panic!("{handled:?}")
    };
    assert_eq!((reason, last_sent), (DisconnectReason::Requested, Some(LastSent::Disconnect)));
    assert_eq!((client.poll_timeout(), client.state()), (None, State::Offline));
    // Again, for instance because the hub does not know the device any more.
    register(&mut client, now);
}

#[test]
fn answers_at_qos_1_are_acknowledged() {
    let mut client = client(|_| ());
    register(&mut client, Instant::ZERO);
    let topic = "$dps/registrations/res/202/?$rid=1";
    let _ = client.handle_input(Instant::ZERO, publish(topic, Some(7), ASSIGNING.as_bytes())).unwrap();
    assert_eq!(send(&mut client, Instant::ZERO), b"\x40\x02\x00\x07");
    // As is the last one, before the end.
    client.handle_timeout(seconds(2)).unwrap();
    send(&mut client, seconds(2));
    let topic = "$dps/registrations/res/200/?$rid=2";
    let _ = client.handle_input(seconds(2), publish(topic, Some(8), ASSIGNED.as_bytes())).unwrap();
    assert_eq!(send(&mut client, seconds(2)), b"\x40\x02\x00\x08\xe0\x00");
}

#[test]
fn what_answers_nothing_is_counted() {
    let mut client = client(|_| ());
    register(&mut client, Instant::ZERO);
    for stray in
        [answer(200, 2, "", ASSIGNED), answer(404, 0, "", ""), publish("$dps/x", None, b""), publish("a", None, b"")]
    {
        let handled = client.handle_input(Instant::ZERO, stray).unwrap();
        assert_eq!((handled.consumed, handled.event), (stray.len(), None));
    }
    assert_eq!(client.strays(), 4);
    // An answer to a request that was given up comes late; the one to its repetition counts.
    client.handle_timeout(seconds(60)).unwrap();
    assert_eq!(topic_of(&send(&mut client, seconds(60))), "$dps/registrations/PUT/iotdps-register/?$rid=2");
    assert_eq!(client.handle_input(seconds(61), answer(200, 1, "", ASSIGNED)).unwrap().event, None);
    assert_eq!(client.strays(), 5);
    let bytes = answer(200, 2, "", ASSIGNED);
    assert!(matches!(client.handle_input(seconds(61), bytes).unwrap().event, Some(Event::Assigned(_))));
    // Nothing is asked any more.
    assert_eq!(client.handle_input(seconds(61), answer(404, 2, "", "")).unwrap().event, None);
}

#[test]
fn throttling_is_waited_out_and_the_same_is_asked_again() {
    let mut client = client(|config| config.deadline = Duration::from_secs(3_600));
    register(&mut client, Instant::ZERO);
    let mut now = Instant::ZERO;
    let mut rid = 1;
    let mut step = |client: &mut ProvisioningClient<'_>, (status, more, body, code), wait| {
        let retry_after = Duration::from_secs(wait);
        let handled = client.handle_input(now, answer(status, rid, more, body)).unwrap();
        assert_eq!(handled.event, Some(Event::Throttled { status, code, retry_after }));
        now = now + retry_after;
        client.handle_timeout(now).unwrap();
        rid += 1;
        (now, rid, send(client, now))
    };
    for (throttled, wait) in [
        ((429, "&retry-after=5", r#"{"errorCode":429001}"#, 429_001), 5),
        ((500, "", "", 0), 4),
        ((503, "&retry-after=1", "not json", 0), 8),
    ] {
        let (_, rid, sent) = step(&mut client, throttled, wait);
        assert_eq!(topic_of(&sent), format!("$dps/registrations/PUT/iotdps-register/?$rid={rid}"));
    }
    for wait in [16, 32, 60, 60] {
        step(&mut client, (599, "", "", 0), wait);
    }
    // It works on it: the backoff begins anew, and the question is repeated, not the registration.
    let (at, rid, _) = step(&mut client, (429, "&retry-after=100", "", 0), 100);
    let handled = client.handle_input(at, answer(202, rid, "", ASSIGNING)).unwrap();
    assert_eq!(handled.event, Some(Event::Assigning { retry_after: Duration::from_secs(2) }));
    let at = at + Duration::from_secs(2);
    client.handle_timeout(at).unwrap();
    send(&mut client, at);
    let handled = client.handle_input(at, answer(429, rid + 1, "", "")).unwrap();
    let retry_after = Duration::from_secs(2);
    assert_eq!(handled.event, Some(Event::Throttled { status: 429, code: 0, retry_after }));
    client.handle_timeout(at + retry_after).unwrap();
    assert!(topic_of(&send(&mut client, at + retry_after)).contains("iotdps-get-operationstatus"));
}

#[test]
fn jitter_makes_it_longer_by_a_quarter_at_most() {
    for (random, wait) in [(0, 4_000), (1 << 31, 4_500), (u32::MAX, 4_999)] {
        let mut client = client(|_| ());
        client.connect(Instant::ZERO, None, random).unwrap();
        send(&mut client, Instant::ZERO);
        let _ = client.handle_input(Instant::ZERO, b"\x20\x02\x00\x00").unwrap();
        send(&mut client, Instant::ZERO);
        let _ = client.handle_input(Instant::ZERO, b"\x90\x03\xff\xff\x00").unwrap();
        send(&mut client, Instant::ZERO);
        let handled = client.handle_input(Instant::ZERO, answer(429, 1, "&retry-after=4", "")).unwrap();
        let retry_after = Duration::from_millis(wait);
        assert_eq!(handled.event, Some(Event::Throttled { status: 429, code: 0, retry_after }));
    }
}

#[test]
fn the_deadline_is_over_all() {
    let mut client = client(|config| config.deadline = Duration::from_secs(10));
    register(&mut client, Instant::ZERO);
    let _ = client.handle_input(seconds(1), answer(202, 1, "&retry-after=600", ASSIGNING)).unwrap();
    assert_eq!(client.poll_timeout(), Some(seconds(10)));
    assert_eq!(client.timeout_reason(), Some(TimeoutReason::Registration));
    assert_eq!(client.handle_timeout(seconds(9)), Ok(()));
    let error = Error::TimedOut(TimeoutReason::Registration);
    assert_eq!(client.handle_timeout(seconds(11)), Err(error));
    assert_eq!(format!("{error}"), "no hub was assigned in time");
    fails(&mut client, seconds(11), error);

    // Also while the link is slow; and `connect` sets it anew, on a clock that was set back.
    client.connect(seconds(5), None, 0).unwrap();
    assert_eq!(client.poll_timeout(), Some(seconds(15)));
    assert_eq!(client.handle_timeout(seconds(15)), Err(error));
}

#[test]
fn a_lost_connection_begins_anew() {
    let mut client = client(|_| ());
    register(&mut client, Instant::ZERO);
    let _ = client.handle_input(Instant::ZERO, answer(202, 1, "", ASSIGNING)).unwrap();
    client.handle_eof(seconds(1)).unwrap();
    assert!(client.has_event());
    let handled = client.handle_input(seconds(1), b"left over").unwrap();
    let Some(Event::Disconnected(Disconnected { reason, last_sent, .. })) = handled.event else {
        panic!("{handled:?}")
    };
    assert_eq!((reason, last_sent), (DisconnectReason::TransportClosed, Some(LastSent::Registration)));
    assert_eq!(client.poll_timeout(), None);
    assert_eq!(client.handle_timeout(seconds(1_000)), Ok(()));
    register(&mut client, seconds(1_000));
}

#[test]
fn giving_up_is_polite() {
    let mut client = client(|_| ());
    register(&mut client, Instant::ZERO);
    client.disconnect(seconds(1)).unwrap();
    assert_eq!(send(&mut client, seconds(1)), b"\xe0\x00");
    assert!(matches!(client.handle_input(seconds(1), &[]).unwrap().event, Some(Event::Disconnected(_))));
    assert_eq!(client.poll_timeout(), None);
}

/// Law 11: what is lent stays, though the answer came before its last byte was confirmed.
#[test]
fn an_early_answer_leaves_lent_bytes_alone() {
    let mut client = client(|_| ());
    client.connect(Instant::ZERO, None, 0).unwrap();
    send(&mut client, Instant::ZERO);
    let _ = client.handle_input(Instant::ZERO, b"\x20\x02\x00\x00").unwrap();
    send(&mut client, Instant::ZERO);
    let _ = client.handle_input(Instant::ZERO, b"\x90\x03\xff\xff\x01").unwrap();
    let lent = client.poll_transmit().unwrap().to_vec();
    client.confirm_transmit(Instant::ZERO, 10).unwrap();
    let _ = client.handle_input(Instant::ZERO, answer(202, 1, "", ASSIGNING)).unwrap();
    client.handle_timeout(seconds(2)).unwrap();
    assert_eq!(client.poll_transmit(), Some(&lent[10..]));
    client.confirm_transmit(seconds(2), lent.len() - 10).unwrap();
    assert!(topic_of(&send(&mut client, seconds(2))).contains("operationId=4.op"));
}
