//! One test for each mistake that a review of the machine has found.

use super::*;
use crate::error::{ConnectRefusal, TimeoutReason, UsageError};
use crate::event::{DisconnectReason, Event, Withdrawn};
use crate::session::State;

/// Bytes sent that are a PUBLISH at QoS 1, by first byte and the last byte of the payload.
fn publishes(sent: &[u8]) -> Vec<(u8, u8)> {
    let mut rest = sent;
    let mut found = Vec::new();
    while let Ok(Some(header)) = crate::wire::frame::header(rest) {
        let (packet, behind) = rest.split_at(header.total());
        if header.first & 0xF0 == 0x30 {
            found.push((header.first, *packet.last().unwrap()));
        }
        rest = behind;
    }
    found
}

#[test]
fn ready_comes_before_any_later_byte() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(settings());
    let now = Instant::ZERO;
    client.connect(now, &ConnectOptions::default()).unwrap();
    sent(&mut client, now);
    events(&mut client, now, &connack(false));
    sent(&mut client, now);
    let got = events(&mut client, now, &[suback(&[1, 0, 0, 0]), message(7, b"hello")].concat());
    assert!(got[0].starts_with("Ready"), "{got:?}");
    assert!(got[1].starts_with("Message"), "{got:?}");
}

#[test]
fn a_topic_larger_than_the_buffer_is_skipped_however_it_comes() {
    let topic = format!("devices/dev1/messages/devicebound/{}", "x".repeat(100));
    let input = publish(&topic, Some(9), b"payload");
    let mut seen = Vec::new();
    for chunk in [1, 64, input.len()] {
        let mut memory = Memory::roomy();
        let mut client = memory.client(Settings { max_packet: 64, ..settings() });
        ready(&mut client);
        let (mut events, mut left) = (Vec::new(), Vec::new());
        for piece in input.chunks(chunk) {
            left.extend_from_slice(piece);
            let (more, error) = feed(&mut client, Instant::ZERO, &mut left);
            assert_eq!(error, None);
            events.extend(more);
        }
        assert!(left.is_empty());
        assert!(
            events[0].starts_with("Skipped(Skipped { topic: \"\", packet_id: Some(9), payload_len: 7"),
            "{events:?}"
        );
        seen.push(events);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}

#[test]
fn a_skipped_message_without_payload_leaves_no_event_behind() {
    let topic = format!("devices/dev1/messages/devicebound/{}", "x".repeat(100));
    let mut memory = Memory::roomy();
    let mut client = memory.client(Settings { max_packet: 64, ..settings() });
    ready(&mut client);
    // `events` checks has_event each time.
    assert_eq!(events(&mut client, Instant::ZERO, &publish(&topic, None, b"")).len(), 1);
    assert!(!client.has_event());
}

#[test]
fn an_accepted_message_is_acknowledged_while_another_is_skipped() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(Settings { max_packet: 64, ..settings() });
    ready(&mut client);
    let now = Instant::ZERO;
    let handled = client.handle_input(now, b"\x32\x29\x00\x22devices/dev1/messages/devicebound/\x00\x05abc").unwrap();
    let Some(Event::Message(message)) = handled.event else { panic!("{handled:?}") };
    client.message_accept(now, message.token.unwrap()).unwrap();
    // QoS 0 takes no place in the window: nothing to wait for.
    let big = publish("devices/dev1/messages/devicebound/", None, &[0; 100]);
    assert_eq!(events(&mut client, now, &big[..60]).len(), 1);
    assert_eq!(sent(&mut client, now), puback(5));
}

#[test]
fn a_drain_waits_for_the_puback_of_an_accepted_message_that_is_coming_in() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(Settings { max_packet: 64, ..settings() });
    ready(&mut client);
    let now = Instant::ZERO;
    let big = publish("devices/dev1/messages/devicebound/", Some(6), &[0; 100]);
    let handled = client.handle_input(now, &big[..60]).unwrap();
    let Some(Event::Skipped(skipped)) = handled.event else { panic!("{handled:?}") };
    let consumed = handled.consumed;
    client.message_accept(now, skipped.token.unwrap()).unwrap();
    client.disconnect(now).unwrap();
    assert_eq!((client.state(), client.poll_transmit()), (State::Draining, None));
    assert!(events(&mut client, now, &big[consumed..]).is_empty());
    assert_eq!(sent(&mut client, now), [&puback(6)[..], &[0xE0, 0]].concat());
}

#[test]
fn requests_expire_after_a_fatal_error_too() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(settings());
    let token = client.twin_get(secs(0)).unwrap();
    client.connect(secs(0), &ConnectOptions::default()).unwrap();
    sent(&mut client, secs(0));
    let refused = Err(Error::Refused(ConnectRefusal::ServerUnavailable));
    let event = client.handle_input(secs(1), b"\x20\x02\x00\x03").unwrap().event;
    assert!(matches!(event, Some(Event::Disconnected(_))));
    assert_eq!(client.poll_timeout(), Some(secs(60)));
    assert_eq!(client.timeout_reason(), Some(TimeoutReason::Request));
    assert_eq!(client.handle_timeout(secs(60)), refused);
    assert_eq!(client.poll_timeout(), None, "later than now, or a driver spins");
    let event = client.handle_input(secs(60), &[]).unwrap().event;
    assert!(matches!(event, Some(Event::RequestFailed { token: of, .. }) if of == token), "{event:?}");
}

#[test]
fn synchronisation_begins_when_a_refused_filter_is_granted_later() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(synced());
    let now = Instant::ZERO;
    client.connect(now, &ConnectOptions::default()).unwrap();
    sent(&mut client, now);
    events(&mut client, now, &connack(false));
    sent(&mut client, now);
    // The answers to twin requests are refused: patches come, unsynced.
    events(&mut client, now, &suback(&[1, 0x80, 0, 0]));
    assert!(events(&mut client, now, &desired(4))[0].contains("unsynced: true"));
    client.subscribe(now, Features::TWIN).unwrap();
    sent(&mut client, now);
    events(&mut client, now, &suback(&[0]));
    let rid = rid(&sent(&mut client, now));
    assert!(events(&mut client, now, &document(&rid, 5))[0].starts_with("TwinDocument"));
    assert!(events(&mut client, now, &desired(6))[0].contains("unsynced: false"));
}

#[test]
fn a_patch_before_suback_waits_for_the_document() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(synced());
    let now = Instant::ZERO;
    client.connect(now, &ConnectOptions::default()).unwrap();
    sent(&mut client, now);
    // A resumed session: its subscriptions are alive.
    assert_eq!(events(&mut client, now, &[connack(true).to_vec(), desired(3)].concat()).len(), 1);
    sent(&mut client, now);
    events(&mut client, now, &suback(&[1, 0, 0, 0]));
    let first = rid(&sent(&mut client, now));
    assert_eq!(events(&mut client, now, &document(&first, 2)).len(), 1);
    client.handle_timeout(secs(1)).unwrap();
    let second = rid(&sent(&mut client, secs(1)));
    assert_ne!(first, second, "what passed by is fetched");
}

#[test]
fn a_document_that_is_dropped_does_not_end_the_search() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(synced());
    let now = Instant::ZERO;
    let first = rid(&sign_in(&mut client, now, false));
    client.twin_get(now).unwrap();
    let own = rid(&sent(&mut client, now));
    assert_eq!(events(&mut client, now, &document(&own, 6)).len(), 1);
    // 7 is missing.
    assert!(events(&mut client, now, &desired(8)).is_empty());
    assert!(events(&mut client, now, &document(&first, 5)).is_empty(), "older than what is there");
    client.handle_timeout(secs(1)).unwrap();
    assert_ne!(rid(&sent(&mut client, secs(1))), first);
}

#[test]
fn synchronisation_gives_up_once() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(synced());
    let now = Instant::ZERO;
    let rid_text = rid(&sign_in(&mut client, now, false));
    assert!(events(&mut client, now, &desired(9)).is_empty(), "there is no document yet");
    let refusal = publish(&format!("$iothub/twin/res/400/?$rid={rid_text}"), None, b"");
    assert!(events(&mut client, now, &refusal)[0].starts_with("TwinSyncFailed"));
    client.twin_get(now).unwrap();
    let own = rid(&sent(&mut client, now));
    assert_eq!(events(&mut client, now, &document(&own, 5)).len(), 1);
    client.handle_timeout(secs(30)).unwrap();
    assert!(sent(&mut client, secs(30)).is_empty(), "no further fetch");
}

#[test]
fn what_was_sent_on_a_lost_session_may_have_been_taken() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(settings());
    ready(&mut client);
    let token = telemetry(&mut client, secs(0), b"1");
    assert_eq!(publishes(&sent(&mut client, secs(0))), [(0x32, b'1')]);
    client.handle_eof(secs(1)).unwrap();
    client.connect(secs(2), &ConnectOptions::default()).unwrap();
    sent(&mut client, secs(2));
    events(&mut client, secs(2), &connack(false));
    assert_eq!(client.telemetry_withdraw(secs(2), token), Ok(Withdrawn::MaybeSent));
}

#[test]
fn a_dead_connection_leaves_no_bytes_in_the_receive_buffer() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(settings());
    let mut room = [0; 4096];
    let mut rx = RxBuffer::new(&mut room);
    ready(&mut client);
    commit(&mut rx, &[&[0xF0, 0][..], &message(1, b"never")].concat());
    let event = client.poll_event(secs(1), &mut rx).unwrap();
    assert!(matches!(event, Some(Event::Disconnected(_))), "{event:?}");
    // The driver dials again at once, as it may.
    client.connect(secs(2), &ConnectOptions::default()).unwrap();
    sent(&mut client, secs(2));
    commit(&mut rx, &connack(false));
    let event = client.poll_event(secs(2), &mut rx).unwrap();
    assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
}

#[test]
fn a_client_in_its_place_is_one_like_any_other() {
    let mut memory = Memory::roomy();
    let (mut place, mut room, mut small) =
        (core::mem::MaybeUninit::uninit(), Memory::roomy(), Memory { tx: vec![0; 9], ..Memory::roomy() });
    let config = Config { identity: identity(), settings: settings() };
    let made = Client::new_in(&mut place, config, room.storage()).unwrap();
    assert_eq!(std::format!("{made:?}"), std::format!("{:?}", memory.client(settings())));
    ready(made);
    assert_eq!(made.state(), State::Ready);
    made.disconnect(secs(1)).unwrap();
    assert!(Client::new_in(&mut core::mem::MaybeUninit::uninit(), config, small.storage()).is_err());
}

/// Cuts a connection on which all telemetry was sent; the suspect's token and its count.
fn cut(client: &mut Client<'_>, now: Instant) -> Option<(TelemetryToken, u8)> {
    sign_in(client, now, true);
    client.handle_eof(now).unwrap();
    let event = client.handle_input(now, &[]).unwrap().event;
    let Some(Event::Disconnected(ended)) = event else { panic!("{event:?}") };
    assert_eq!(ended.reason, DisconnectReason::TransportClosed);
    ended.suspect.map(|suspect| (suspect.token, suspect.cuts))
}

#[test]
fn cuts_are_counted_against_the_message_that_was_there() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(settings());
    let first = telemetry(&mut client, secs(0), b"1");
    let second = telemetry(&mut client, secs(0), b"2");
    assert_eq!(cut(&mut client, secs(1)), None);
    assert_eq!(cut(&mut client, secs(2)), Some((first, 2)));
    client.telemetry_withdraw(secs(2), first).unwrap();
    // An application that withdraws each suspect must not lose a good message to one unlucky cut.
    assert_eq!(cut(&mut client, secs(3)), None);
    assert_eq!(cut(&mut client, secs(4)), Some((second, 2)));
}

#[test]
fn the_end_of_a_drain_does_not_depend_on_how_the_bytes_come() {
    let mut seen = Vec::new();
    for chunk in [1, 1_000] {
        let mut memory = Memory::roomy();
        let mut client = memory.client(settings());
        ready(&mut client);
        let now = Instant::ZERO;
        let token = telemetry(&mut client, now, b"1");
        sent(&mut client, now);
        client.telemetry_withdraw(now, token).unwrap();
        client.disconnect(now).unwrap();
        let input = [puback(1).to_vec(), message(3, b"late")].concat();
        let mut left = Vec::new();
        let mut events = Vec::new();
        for piece in input.chunks(chunk) {
            left.extend_from_slice(piece);
            events.extend(feed(&mut client, now, &mut left).0);
        }
        seen.push(events);
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a_twin_request_does_not_overtake_the_subscribe_for_its_answer() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(Settings { features: Features::MESSAGES, ..Settings::default() });
    let now = Instant::ZERO;
    client.connect(now, &ConnectOptions::default()).unwrap();
    sent(&mut client, now);
    events(&mut client, now, &connack(false));
    sent(&mut client, now);
    events(&mut client, now, &suback(&[1]));
    client.subscribe(now, Features::METHODS).unwrap();
    sent(&mut client, now);
    client.subscribe(now, Features::TWIN).unwrap();
    client.twin_get(now).unwrap();
    assert!(sent(&mut client, now).is_empty(), "the first SUBSCRIBE is not answered");
    events(&mut client, now, &suback(&[0]));
    let out = sent(&mut client, now);
    assert_eq!((out[0], publishes(&out).len()), (0x82, 1), "SUBSCRIBE, then GET");
}

#[test]
fn silence_is_not_broken_by_bytes_that_were_there_before() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(Settings { keep_alive: 100, ..settings() });
    ready(&mut client);
    let half = &message(1, b"half of it")[..20];
    assert!(client.handle_input(secs(10), half).unwrap().event.is_none());
    // The device talks, the hub does not: at 110 s it is asked.
    for at in (30..110).step_by(20) {
        telemetry(&mut client, secs(at), b"x");
        sent(&mut client, secs(at));
        // A driver may look for an event before it looks at its buffer again.
        assert!(client.handle_input(secs(at), &[]).unwrap().event.is_none());
        assert!(client.handle_input(secs(at), half).unwrap().event.is_none());
    }
    assert_eq!((client.poll_timeout(), client.timeout_reason()), (Some(secs(110)), Some(TimeoutReason::KeepAlive)));
}

#[test]
fn a_device_has_no_outputs_in_its_will_either() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(Settings { connect_reserve: 0, ..settings() });
    let system = crate::topic::SystemProperties { output: Some("out"), ..Default::default() };
    let will = Telemetry { system: &system, ..Default::default() };
    let options = ConnectOptions { will: Some(&will), ..Default::default() };
    assert_eq!(client.connect(secs(0), &options), Err(UsageError::WrongIdentity.into()));
    assert_eq!(client.state(), State::Offline);
}

#[test]
fn a_pingreq_answered_before_it_is_confirmed_is_not_followed_by_another() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(Settings { keep_alive: 40, ..settings() });
    ready(&mut client);
    let now = secs(30);
    client.handle_timeout(now).unwrap();
    assert_eq!(client.poll_transmit(), Some(&[0xC0, 0][..]));
    assert!(events(&mut client, now, &[0xD0, 0]).is_empty());
    client.handle_timeout(now).unwrap();
    client.confirm_transmit(now, 2).unwrap();
    assert_eq!(client.poll_transmit(), None);
    assert_eq!((client.poll_timeout(), client.timeout_reason()), (Some(secs(60)), Some(TimeoutReason::KeepAlive)));
}
