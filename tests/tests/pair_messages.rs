//! Cloud-to-device messages and module inputs (law 5).

use iothub_proto::Event;
use iothub_proto::error::{Error, UsageError};
use iothub_proto::event::MessageToken;
use iothub_proto::time::Duration;
use iothub_tests::hub::codec::{Packet, publish_packet};
use iothub_tests::hub::{CloudMessage, MessageId, Outcome};
use iothub_tests::link::Break;
use iothub_tests::pair::seen::Received;
use iothub_tests::pair::{Pair, Seen, Setup, is_over, is_ready};

const STALE: Result<(), Error> = Err(Error::Usage(UsageError::Stale));

fn tell(pair: &mut Pair, payload: &[u8]) -> MessageId {
    pair.hub.send_message("dev1", CloudMessage::new(payload)).unwrap()
}

fn messages(pair: &Pair) -> Vec<&Received> {
    let seen = pair.seen().iter();
    seen.filter_map(|(_, seen)| if let Seen::Message(message) = seen { Some(message) } else { None }).collect()
}

fn payloads(pair: &Pair) -> Vec<u8> {
    messages(pair).iter().flat_map(|message| message.payload.clone()).collect()
}

fn tokens(pair: &Pair) -> Vec<MessageToken> {
    messages(pair).iter().filter_map(|message| message.token).collect()
}

fn left(pair: &Pair) -> usize {
    pair.count(|seen| matches!(seen, Seen::MessageLeft(_)))
}

/// Packet ids of the PUBACKs, in the order they were sent.
fn pubacks(pair: &Pair) -> Vec<u16> {
    let id = |packet: &Packet| if let Packet::PubAck(id) = packet { Some(*id) } else { None };
    pair.sent().iter().filter_map(|sent| id(&sent.packet)).collect()
}

fn settle(pair: &mut Pair) {
    pair.run_for(Duration::from_millis(100));
}

fn cut(pair: &mut Pair) {
    pair.cut(Break::Close);
    let before = pair.count(is_over);
    pair.run_until("over", |pair| pair.count(is_over) > before);
}

/// A device to which these were sent, one byte each.
fn with(setup: Setup, bodies: &[u8]) -> (Pair, Vec<MessageId>) {
    let mut pair = setup.start();
    pair.sign_in();
    settle(&mut pair);
    let ids = bodies.iter().map(|body| tell(&mut pair, &[*body])).collect();
    settle(&mut pair);
    assert_eq!(payloads(&pair), bodies);
    (pair, ids)
}

#[test]
fn on_a_resumed_session_messages_come_before_the_subscription() {
    let (mut pair, _) = with(Setup::device(), b"");
    cut(&mut pair);
    let id = tell(&mut pair, b"waiting");
    pair.take_seen();
    pair.connect();
    pair.run_until("ready", |pair| pair.has(is_ready));
    let seen = pair.take_seen();
    let [Seen::Connected { session_present: true }, Seen::Message(message), Seen::Ready { .. }] = seen.as_slice()
    else {
        panic!("{seen:#?}")
    };
    assert_eq!((message.payload.as_slice(), message.redelivered), (&b"waiting"[..], false));
    pair.client.message_accept(pair.now(), message.token.unwrap()).unwrap();
    settle(&mut pair);
    assert_eq!(pair.hub.outcome(id), Some(Outcome::Completed));
}

#[test]
fn a_message_accepted_before_ready_is_acknowledged_before_ready() {
    let (mut pair, _) = with(Setup::device(), b"");
    cut(&mut pair);
    tell(&mut pair, b"waiting");
    pair.handler = Some(Box::new(|client, now, event| {
        if let Event::Message(message) = event {
            client.message_accept(now, message.token.unwrap()).unwrap();
        }
    }));
    // SUBACK is late: the acknowledgement does not wait for it.
    pair.connect();
    pair.run_until("acknowledged", |pair| !pubacks(pair).is_empty());
    assert_eq!(pair.count(is_ready), 1, "not ready again yet");
}

#[test]
fn properties_are_decoded_and_other_spellings_are_read() {
    let mut pair = Setup::device().start();
    pair.sign_in();
    let mut message = CloudMessage::new(b"{}").with("größe", "a b/c&d=e").with("empty", "");
    message.message_id = "m-1".to_owned();
    message.system.push(("iothub-ack".to_owned(), "full".to_owned()));
    pair.hub.send_message("dev1", message).unwrap();
    let raw = CloudMessage { raw_bag: Some("?%24%2Emid=m%2D2&null&x=1=2&".to_owned()), ..CloudMessage::default() };
    pair.hub.send_message("dev1", raw).unwrap();
    settle(&mut pair);
    let [first, second] = messages(&pair)[..] else { panic!("{pair:?}") };
    for (name, value) in [("$.mid", "m-1"), ("größe", "a b/c&d=e"), ("empty", ""), ("iothub-ack", "full")] {
        assert_eq!(first.property(name), Some(value), "{name}");
    }
    let wanted = [("$.mid", Some("m-2")), ("null", None), ("x", Some("1=2"))];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    assert_eq!(second.properties, wanted);
    assert_eq!((first.input.as_deref(), first.redelivered), (None, false));
}

#[test]
fn an_accepted_message_is_completed_and_decided_once() {
    let (mut pair, ids) = with(Setup::device(), b"1");
    let token = tokens(&pair)[0];
    pair.run_for(Duration::from_secs(30));
    assert_eq!(pair.hub.outcome(ids[0]), Some(Outcome::Delivered), "half a minute later it is still undecided");
    let now = pair.now();
    assert_eq!(pair.client.message_accept(now, token), Ok(()));
    assert_eq!(pair.client.message_accept(now, token), STALE);
    assert_eq!(pair.client.message_leave(now, token), STALE);
    settle(&mut pair);
    assert_eq!(pair.hub.outcome(ids[0]), Some(Outcome::Completed));
    assert_eq!(pair.client.message_accept(pair.now(), token), STALE);
    assert_eq!(pair.client.pending().messages, 0);
}

#[test]
fn messages_accepted_out_of_order_are_acknowledged_in_order() {
    let (mut pair, ids) = with(Setup::device(), b"12345");
    let tokens = tokens(&pair);
    let now = pair.now();
    for index in [3, 1, 4] {
        pair.client.message_accept(now, tokens[index]).unwrap();
    }
    settle(&mut pair);
    assert!(pubacks(&pair).is_empty(), "the first one is undecided and holds the others");
    pair.client.message_leave(pair.now(), tokens[2]).unwrap();
    pair.client.message_accept(pair.now(), tokens[0]).unwrap();
    settle(&mut pair);
    // The hub would object to another order. What was left is not acknowledged and holds nothing.
    assert_eq!(pubacks(&pair), [1, 2, 4, 5]);
    let outcomes: Vec<_> = ids.iter().filter_map(|id| pair.hub.outcome(*id)).collect();
    let done = Outcome::Completed;
    assert_eq!(outcomes, [done, done, Outcome::Delivered, done, done]);
}

#[test]
fn a_message_that_is_left_comes_again_on_a_later_connection() {
    let (mut pair, ids) = with(Setup::device(), b"1");
    pair.client.message_leave(pair.now(), tokens(&pair)[0]).unwrap();
    settle(&mut pair);
    assert_eq!((pubacks(&pair), pair.client.pending().messages), (vec![], 0));
    cut(&mut pair);
    pair.take_seen();
    pair.sign_in();
    let [message] = messages(&pair)[..] else { panic!("{pair:?}") };
    assert!(message.redelivered);
    let token = message.token.unwrap();
    pair.client.message_accept(pair.now(), token).unwrap();
    settle(&mut pair);
    assert_eq!(pair.hub.outcome(ids[0]), Some(Outcome::Completed));
}

#[test]
fn a_message_that_was_left_may_be_accepted_after_later_ones_on_the_next_connection() {
    let (mut pair, ids) = with(Setup::device(), b"12");
    let [first, second] = tokens(&pair)[..] else { panic!("{pair:?}") };
    pair.client.message_leave(pair.now(), first).unwrap();
    pair.client.message_accept(pair.now(), second).unwrap();
    settle(&mut pair);
    cut(&mut pair);
    pair.take_seen();
    pair.sign_in();
    assert_eq!(payloads(&pair), b"1");
    pair.client.message_accept(pair.now(), tokens(&pair)[0]).unwrap();
    settle(&mut pair);
    assert!(ids.iter().all(|id| pair.hub.outcome(*id) == Some(Outcome::Completed)));
}

#[test]
fn auto_accept_acknowledges_what_the_handler_has_seen() {
    let setup = Setup::device().settings(|settings| settings.auto_accept = true);
    let (mut pair, ids) = with(setup, b"123");
    settle(&mut pair);
    assert_eq!(pubacks(&pair), [1, 2, 3]);
    assert!(ids.iter().all(|id| pair.hub.outcome(*id) == Some(Outcome::Completed)));
    assert_eq!(pair.client.message_accept(pair.now(), tokens(&pair)[0]), STALE);
}

#[test]
fn auto_accept_leaves_the_decision_open_while_the_event_is_alive() {
    let mut pair = Setup::device().settings(|settings| settings.auto_accept = true).start();
    pair.handler = Some(Box::new(|client, now, event| {
        if let Event::Message(message) = event
            && message.payload == b"2"
        {
            client.message_leave(now, message.token.unwrap()).unwrap();
        }
    }));
    pair.sign_in();
    let ids = [b"1", b"2", b"3"].map(|payload| tell(&mut pair, payload));
    settle(&mut pair);
    assert_eq!(ids.map(|id| pair.hub.outcome(id) == Some(Outcome::Completed)), [true, false, true]);
}

#[test]
fn a_full_window_leaves_messages_and_goes_on_reading() {
    let (mut pair, ids) = with(Setup::device().memory(16 * 1024, 8, 3), b"123");
    tell(&mut pair, b"4");
    let call = pair.hub.invoke("dev1", "still", b"", Duration::from_secs(30));
    settle(&mut pair);
    assert_eq!((payloads(&pair), left(&pair)), (b"123".to_vec(), 1));
    assert!(pair.has(|seen| matches!(seen, Seen::Method { name, .. } if name == "still")), "input never stops");
    let message = pair.seen().iter().find_map(|(_, seen)| match seen {
        Seen::MessageLeft(message) => Some(message.clone()),
        _ => None,
    });
    let message = message.unwrap();
    assert_eq!((message.payload.as_slice(), message.token), (&b"4"[..], None));
    // Room in the window is for new messages; the one that was left comes with a later connection.
    for token in tokens(&pair) {
        pair.client.message_accept(pair.now(), token).unwrap();
    }
    settle(&mut pair);
    tell(&mut pair, b"5");
    settle(&mut pair);
    assert_eq!(payloads(&pair), b"1235");
    assert_eq!(pair.hub.outcome(ids[2]), Some(Outcome::Completed));
    cut(&mut pair);
    pair.take_seen();
    pair.sign_in();
    assert_eq!(payloads(&pair), b"45");
    let _ = call;
}

#[test]
fn commands_cannot_take_the_memory_of_acknowledgements() {
    let (mut pair, ids) = with(Setup::device().memory(1_200, 2, 4), b"1234");
    // Arena and slots are full, and the hub acknowledges nothing.
    pair.hub.faults.puback_delay = Duration::from_secs(3_600);
    pair.send(&vec![0; pair.client.tx_free() - 80]);
    pair.send(b"");
    for token in tokens(&pair) {
        pair.client.message_accept(pair.now(), token).unwrap();
    }
    settle(&mut pair);
    assert!(ids.iter().all(|id| pair.hub.outcome(*id) == Some(Outcome::Completed)));
}

#[test]
fn an_acknowledgement_that_is_lost_brings_the_message_again() {
    let (mut pair, ids) = with(Setup::device(), b"12");
    let old = tokens(&pair);
    pair.client.message_accept(pair.now(), old[0]).unwrap();
    pair.run_for(Duration::from_millis(5));
    assert_eq!(pubacks(&pair), [1], "on its way");
    cut(&mut pair);
    for token in &old {
        assert_eq!(pair.client.message_accept(pair.now(), *token), STALE, "offline");
    }
    pair.take_seen();
    pair.sign_in();
    assert_eq!(payloads(&pair), b"12", "accepted is not yet acknowledged");
    assert!(messages(&pair).iter().all(|message| message.redelivered));
    for token in &old {
        assert_eq!(pair.client.message_accept(pair.now(), *token), STALE, "of an earlier connection");
        assert_eq!(pair.client.message_leave(pair.now(), *token), STALE, "of an earlier connection");
    }
    for token in tokens(&pair) {
        pair.client.message_accept(pair.now(), token).unwrap();
    }
    settle(&mut pair);
    assert!(ids.iter().all(|id| pair.hub.outcome(*id) == Some(Outcome::Completed)));
}

#[test]
fn a_message_whose_lock_has_ended_comes_a_second_time() {
    let (mut pair, ids) = with(Setup::device(), b"1");
    pair.run_for(Duration::from_secs(61));
    assert_eq!(payloads(&pair), b"11");
    let now = pair.now();
    for token in tokens(&pair) {
        pair.client.message_accept(now, token).unwrap();
    }
    settle(&mut pair);
    assert_eq!((pubacks(&pair), pair.hub.outcome(ids[0])), (vec![1, 2], Some(Outcome::Completed)));
}

#[test]
fn fifty_messages_wait_for_a_device_that_was_away() {
    let mut pair = Setup::device().settings(|settings| settings.auto_accept = true).link(7, (1, 9)).start();
    let ids: Vec<_> = (0..50_u8).map(|body| tell(&mut pair, &[body])).collect();
    pair.sign_in();
    pair.run_for(Duration::from_secs(20));
    assert_eq!(payloads(&pair), (0..50).collect::<Vec<u8>>());
    assert!(ids.iter().all(|id| pair.hub.outcome(*id) == Some(Outcome::Completed)));
    assert_eq!(pubacks(&pair), (1..=50).collect::<Vec<u16>>());
}

#[test]
fn a_module_gets_inputs_by_name() {
    let mut pair = Setup::module().start();
    pair.sign_in();
    pair.hub.send_input("dev1/mod1", "temperature in", &CloudMessage::new(b"21").with("unit", "°C")).unwrap();
    settle(&mut pair);
    let [message] = messages(&pair)[..] else { panic!("{pair:?}") };
    assert_eq!((message.payload.as_slice(), message.property("unit")), (&b"21"[..], Some("°C")));
    assert_eq!(message.input.as_deref(), Some("temperature%20in"), "as it stands in the topic");
    let token = message.token.unwrap();
    pair.client.message_accept(pair.now(), token).unwrap();
    settle(&mut pair);
    assert_eq!(pubacks(&pair), [1]);
}

#[test]
fn at_qos_0_there_is_nothing_to_decide() {
    let (mut pair, _) = with(Setup::device(), b"");
    let conn = pair.hub.connection("dev1").unwrap();
    let topic = "devices/dev1/messages/devicebound/%24.mid=x";
    pair.hub.send_raw(conn, &publish_packet(topic, b"body", false, None));
    settle(&mut pair);
    let [message] = messages(&pair)[..] else { panic!("{pair:?}") };
    assert_eq!((message.token, message.payload.as_slice()), (None, &b"body"[..]));
    assert_eq!(pair.client.pending().messages, 0);
}

#[test]
fn a_message_larger_than_the_buffer_can_be_accepted_so_that_it_goes_away() {
    let setup = Setup::device().settings(|settings| settings.max_packet = 256).link(100, (1, 3));
    let (mut pair, _) = with(setup, b"1");
    let large = tell(&mut pair, &[b'x'; 60_000]);
    let small = tell(&mut pair, b"2");
    settle(&mut pair);
    pair.run_for(Duration::from_secs(10));
    let skipped = pair.seen().iter().find_map(|(_, seen)| match seen {
        Seen::Skipped { topic, payload_len: 60_000, token, .. } if topic.starts_with("devices/dev1/") => *token,
        _ => None,
    });
    assert_eq!(payloads(&pair), b"12");
    let now = pair.now();
    for token in [tokens(&pair)[0], skipped.expect("it was told"), tokens(&pair)[1]] {
        pair.client.message_accept(now, token).unwrap();
    }
    settle(&mut pair);
    assert_eq!([large, small].map(|id| pair.hub.outcome(id)), [Some(Outcome::Completed); 2]);
}

#[test]
fn a_skipped_message_is_not_acknowledged_before_it_has_passed() {
    let setup = Setup::device().settings(|settings| settings.max_packet = 256).link(100, (5, 5));
    let mut pair = setup.start();
    pair.handler = Some(Box::new(|client, now, event| {
        if let Event::Skipped(skipped) = event {
            client.message_accept(now, skipped.token.unwrap()).unwrap();
        }
    }));
    pair.sign_in();
    settle(&mut pair);
    pair.link.capacity = 100;
    tell(&mut pair, &[b'x'; 30_000]);
    pair.run_until("acknowledged", |pair| !pubacks(pair).is_empty());
    let received = pair.received();
    assert!(received.ends_with(&[b'x'; 30_000]), "the whole of it had passed by");
}
