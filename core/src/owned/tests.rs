//! What the owned tier adds to the machine: its memory, and that nothing else differs from [`Client`].

mod device;
mod limits;
mod model;
mod script;
mod verbs;

use super::memory::Records;
use super::*;
use crate::event::Event;
use std::vec::Vec;

/// A client that was asked for nothing but telemetry, with a reserve of known size.
fn telemetry_only(limits: OwnedLimits) -> OwnedClient {
    let settings = Settings { connect_reserve: 200, ..Settings::default() };
    OwnedClient::new(&Identity::device("h", "d"), Arc::new(settings), limits).unwrap()
}

/// Lends and confirms everything.
fn transmit_all(client: &mut OwnedClient, now: Instant) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(bytes) = client.poll_transmit() {
        sent.extend_from_slice(bytes);
        let len = bytes.len();
        client.confirm_transmit(now, len).unwrap();
    }
    sent
}

/// Bytes on the heap, texts and settings apart.
fn heap(client: &OwnedClient) -> usize {
    let Memory { tx, slots, inbound, .. } = &client.memory;
    let inbound = if let Records::Many(many) = inbound { size_of_val(&**many) } else { 0 };
    size_of_val(&**tx) + size_of_val(&**slots) + inbound
}

const NOW: Instant = Instant::ZERO;

#[test]
fn travels_between_threads() {
    fn travels<T: Send + Sync + core::fmt::Debug + 'static>() {}
    travels::<OwnedClient>();
    travels::<RxBytes>();
    travels::<OwnedLimits>();
}

#[test]
fn an_idle_device_has_nothing_on_the_heap() {
    let mut client = telemetry_only(OwnedLimits::default());
    assert_eq!(heap(&client), 0);
    client.connect(NOW, &ConnectOptions::default()).unwrap();
    assert!(heap(&client) > 0);
    transmit_all(&mut client, NOW);
    assert_eq!(heap(&client), 0, "CONNECT was sent");
    let _ = client.handle_input(NOW, b"\x20\x02\x00\x00").unwrap();
    let _ = client.handle_input(NOW, &[]).unwrap();
    assert_eq!((client.state(), heap(&client)), (State::Ready, 0));

    client.send_telemetry(NOW, &Telemetry { payload: b"21.5", ..Telemetry::default() }).unwrap();
    transmit_all(&mut client, NOW);
    assert!(heap(&client) > 0, "kept until PUBACK");
    let _ = client.handle_input(NOW, b"\x40\x02\x00\x01").unwrap();
    assert_eq!(heap(&client), 0);

    for (id, needs) in [(7, false), (8, false), (9, true)] {
        let _ = client.handle_input(NOW, &[0x32, 6, 0, 1, b'x', 0, id, b'!']).unwrap();
        assert_eq!(heap(&client) > 0, needs, "PUBACK {id} waits");
    }
    transmit_all(&mut client, NOW);
    assert_eq!(heap(&client), 0);

    client.handle_timeout(client.poll_timeout().unwrap()).unwrap();
    assert_eq!(transmit_all(&mut client, NOW), b"\xC0\x00");
    assert_eq!(heap(&client), 0, "PINGREQ needs none");
}

#[test]
fn a_refused_command_leaves_no_memory_behind() {
    let mut client = telemetry_only(OwnedLimits { tx: 400, ..OwnedLimits::default() });
    let too_large = Telemetry { payload: &[0; 300], ..Telemetry::default() };
    assert!(client.send_telemetry(NOW, &too_large).is_err());
    assert_eq!(heap(&client), 0);
    let password = "x".repeat(300);
    let options = ConnectOptions { password: Some(&password), ..ConnectOptions::default() };
    assert!(client.connect(NOW, &options).is_err());
    assert_eq!(heap(&client), 0);
}

#[test]
fn nothing_of_a_connection_that_is_over_is_left_in_the_buffer() {
    let mut client = telemetry_only(OwnedLimits::default());
    let mut rx = RxBytes::new(8192);
    for end in [&b"\xF0\x00"[..], b""] {
        client.connect(NOW, &ConnectOptions::default()).unwrap();
        transmit_all(&mut client, NOW);
        assert_eq!(rx.receive(b"\x20\x02\x00\x00"), 4);
        assert!(matches!(client.poll_event(NOW, &mut rx).unwrap().unwrap().as_event(), Event::Connected { .. }));
        assert!(matches!(client.poll_event(NOW, &mut rx).unwrap().unwrap().as_event(), Event::Ready { .. }));
        let _ = rx.receive(&[end, b"\x40\x02\x00\x01"].concat());
        if end.is_empty() {
            client.handle_eof(NOW).unwrap();
        }
        let event = client.poll_event(NOW, &mut rx).unwrap().unwrap();
        assert!(matches!(event.as_event(), Event::Disconnected(_)));
        assert!(rx.filled().is_empty());
        let _ = rx.receive(b"\x40\x02\x00\x01");
        assert_eq!(client.poll_event(NOW, &mut rx).is_err(), !end.is_empty());
        assert!(rx.filled().is_empty());
    }
}

#[test]
fn secrets_are_not_printed() {
    let mut client = telemetry_only(OwnedLimits::default());
    let options = ConnectOptions { password: Some("SECRET"), ..ConnectOptions::default() };
    client.connect(NOW, &options).unwrap();
    let sent = client.poll_transmit().unwrap().to_vec();
    assert!(sent.ends_with(b"SECRET"));
    let text = std::format!("{client:?}");
    assert!(!text.contains("SECRET") && !text.contains("83, 69, 67"), "{text}");
}

#[test]
fn it_says_who_it_is_and_what_it_has() {
    let mut client = telemetry_only(OwnedLimits::default());
    assert_eq!(client.identity(), Identity::device("h", "d"));
    assert_eq!(client.settings().connect_reserve, 200);
    client.connect(NOW, &ConnectOptions::default()).unwrap();
    transmit_all(&mut client, NOW);
    let _ = client.handle_input(NOW, b"\x20\x02\x00\x00").unwrap();
    let _ = client.handle_input(NOW, &[]).unwrap();
    let free = client.tx_free();
    let token = client.send_telemetry(NOW, &Telemetry { payload: b"21.5", ..Telemetry::default() }).unwrap();
    assert!(client.tx_free() < free);
    assert_eq!(client.telemetry_sent(token), Ok(false));
    transmit_all(&mut client, NOW);
    assert_eq!(client.telemetry_sent(token), Ok(true));
    let _ = client.handle_input(NOW, b"\x40\x02\x00\x01\x40\x02\x12\x34").unwrap();
    let _ = client.handle_input(NOW, b"\x40\x02\x12\x34").unwrap();
    assert_eq!((client.telemetry_sent(token), client.strays()), (Err(UsageError::Stale), 1));
    client.subscribe(NOW, Features::MESSAGES).unwrap();
    assert_eq!(transmit_all(&mut client, NOW)[0], 0x82);
}

#[test]
fn a_window_at_its_limit_leaves_messages_with_the_hub() {
    let settings = Settings { features: Features::MESSAGES, ..Settings::default() };
    let limits = OwnedLimits { inbound: 5, ..OwnedLimits::default() };
    let mut client = OwnedClient::new(&Identity::device("h", "d"), Arc::new(settings), limits).unwrap();
    client.connect(NOW, &ConnectOptions::default()).unwrap();
    transmit_all(&mut client, NOW);
    let mut input = b"\x20\x02\x00\x00".to_vec();
    let topic = b"devices/d/messages/devicebound/";
    for id in 1..=7u8 {
        input.extend([0x32, topic.len() as u8 + 4, 0, topic.len() as u8]);
        input.extend(topic);
        input.extend([0, id]);
    }
    let (mut delivered, mut left) = (0, 0);
    let mut rest = &input[..];
    while !rest.is_empty() {
        let handled = client.handle_input(NOW, rest).unwrap();
        rest = &rest[handled.consumed..];
        match handled.event {
            Some(Event::Message(_)) => delivered += 1,
            Some(Event::MessageLeft(_)) => left += 1,
            _ => {}
        }
    }
    assert_eq!((delivered, left, client.memory.inbound().len()), (5, 2, 5));
}
