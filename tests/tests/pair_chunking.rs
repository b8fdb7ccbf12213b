//! Law 8: however the input is split, the events are the same, and so is every byte that goes out.

use iothub_proto::event::MessageToken;
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{Client, ConnectOptions, Event, RxBuffer, Telemetry};
use iothub_tests::hub::CloudMessage;
use iothub_tests::hub::codec::publish_packet;
use iothub_tests::link::Rng;
use iothub_tests::pair::{Seen, Setup};
use proptest::prelude::*;
use serde_json::json;
use std::sync::OnceLock;

/// The receive buffer: some of what the hub sends is larger.
const MAX_PACKET: usize = 1024;

/// An application that reacts to events and to nothing else.
#[derive(Default)]
struct Application {
    undecided: Option<MessageToken>,
    acked: u32,
}

impl Application {
    fn on_event(&mut self, client: &mut Client<'static>, now: Instant, event: &Event<'_>) {
        let send = |client: &mut Client<'static>, payload: &[u8], qos| {
            let message = Telemetry { payload, qos, properties: &[("room", "küche")], ..Telemetry::default() };
            client.send_telemetry(now, &message).expect("there is room");
        };
        match *event {
            Event::Ready { .. } => {
                for payload in [&b"one"[..], b"two", &[7; 300]] {
                    send(client, payload, QoS::AtLeastOnce);
                }
                send(client, b"zero", QoS::AtMostOnce);
                client.twin_get(now).unwrap();
                client.twin_report(now, b"{\"on\":true}").unwrap();
            }
            Event::TelemetryAcked(_) => {
                self.acked += 1;
                if self.acked <= 3 {
                    send(client, &self.acked.to_be_bytes(), QoS::AtLeastOnce);
                }
            }
            Event::Message(message) => match (message.token, message.payload) {
                (Some(token), b"leave") => client.message_leave(now, token).unwrap(),
                (Some(token), b"later") => self.undecided = Some(token),
                (Some(token), _) => {
                    client.message_accept(now, token).unwrap();
                    if let Some(earlier) = self.undecided.take() {
                        client.message_accept(now, earlier).unwrap();
                    }
                }
                (None, _) => {}
            },
            Event::MethodCall { payload, request, .. } => client.method_respond(now, request, 200, payload).unwrap(),
            Event::TwinDesired { .. } => drop(client.twin_get(now).unwrap()),
            Event::Skipped(skipped) => {
                if let Some(request) = skipped.request {
                    client.method_respond(now, request, 413, b"").unwrap();
                }
                if let Some(token) = skipped.token {
                    if skipped.topic.is_empty() {
                        client.message_leave(now, token).unwrap();
                    } else {
                        client.message_accept(now, token).unwrap();
                    }
                }
            }
            _ => {}
        }
    }
}

fn setup() -> Setup {
    let mut setup = Setup::device().link(1_460, (0, 0)).settings(|settings| settings.max_packet = MAX_PACKET as u32);
    setup.eager = true;
    setup
}

/// A session with everything in it that a hub sends, and some things that it does not.
struct Session {
    input: Vec<u8>,
    seen: Vec<Seen>,
    output: Vec<u8>,
}

fn session() -> &'static Session {
    static SESSION: OnceLock<Session> = OnceLock::new();
    SESSION.get_or_init(|| {
        let mut pair = setup().start();
        let mut application = Application::default();
        pair.handler = Some(Box::new(move |client, now, event| application.on_event(client, now, event)));
        pair.connect();
        let step = Duration::ZERO;
        pair.run_for(step);
        for payload in [&b"a"[..], b"leave", b"later", b"b", &[9; 3_000], b"c"] {
            pair.hub.send_message("dev1", CloudMessage::new(payload).with("größe", "a b")).unwrap();
        }
        pair.run_for(step);
        pair.hub.invoke("dev1", "small", b"{}", Duration::from_secs(30));
        pair.hub.invoke("dev1", "large", format!("\"{}\"", "x".repeat(2_000)).as_bytes(), Duration::from_secs(30));
        pair.run_for(step);
        for patch in [json!({ "a": 1 }), json!({ "b": { "c": null } })] {
            pair.hub.patch_desired("dev1", &patch).unwrap();
            pair.run_for(step);
        }
        // From here on the document is larger than the buffer, and the client knows of a gap.
        pair.hub.patch_desired("dev1", &json!({ "large": "y".repeat(2_000) })).unwrap();
        pair.run_for(step);
        pair.hub.patch_desired("dev1", &json!({ "large": 0, "larger": "y".repeat(2_000) })).unwrap();
        pair.run_for(step);

        let conn = pair.hub.connection("dev1").unwrap();
        let long = format!("devices/dev1/messages/devicebound/long={}", "z".repeat(3_000));
        for raw in [
            b"\xd0\x00\x40\x02\x12\x34\xb0\x02\x00\x07".to_vec(),
            publish_packet("devices/dev1/messages/devicebound/a&b=&c=%C3%A9", b"at QoS 0", false, None),
            publish_packet("elsewhere", b"unknown", false, None),
            publish_packet(&long, b"", false, Some(900)),
            publish_packet(&long, b"not empty", false, None),
            publish_packet("$iothub/twin/res/200/?$rid=nobody", &[b'{'; 2_000], false, None),
            // An empty payload behind a topic that just does not fit.
            publish_packet(&long[..MAX_PACKET], b"", false, None),
            publish_packet("devices/dev1/messages/devicebound/", b"the last one", true, None),
        ] {
            pair.hub.send_raw(conn, &raw);
            pair.run_for(step);
        }
        // DUP on QoS 0 above is a violation, so this byte is never looked at.
        pair.hub.send_raw(conn, b"\xff");
        pair.run_for(step);

        let output = pair.sent().iter().skip(1).flat_map(|sent| sent.bytes.clone()).collect();
        Session { input: pair.received().to_vec(), seen: pair.take_seen(), output }
    })
}

/// A fresh client to which the session's input is fed again.
struct Replay {
    client: Client<'static>,
    application: Application,
    seen: Vec<Seen>,
    output: Vec<u8>,
}

impl Replay {
    fn new() -> Self {
        let mut client = setup().client();
        client.connect(Instant::ZERO, &ConnectOptions::default()).unwrap();
        let mut replay = Self { client, application: Application::default(), seen: Vec::new(), output: Vec::new() };
        replay.send();
        // CONNECT differs: it has no password.
        replay.output.clear();
        replay
    }

    fn send(&mut self) {
        while let Some(bytes) = self.client.poll_transmit() {
            let len = bytes.len();
            self.output.extend(bytes);
            self.client.confirm_transmit(Instant::ZERO, len).unwrap();
        }
    }

    /// Feeds chunks as a caller with a slice does.
    fn feed<'c>(mut self, chunks: impl IntoIterator<Item = &'c [u8]>) -> Self {
        let mut rx: Vec<u8> = Vec::new();
        for chunk in chunks {
            rx.extend(chunk);
            loop {
                let handled = match self.client.handle_input(Instant::ZERO, &rx) {
                    Ok(handled) => handled,
                    Err(error) => {
                        self.seen.push(Seen::Failed(error));
                        return self;
                    }
                };
                let (consumed, had_event) = (handled.consumed, handled.event.is_some());
                let rest = rx.len() - consumed;
                assert!(handled.needed == 0 || handled.needed > rest, "{} of {rest}", handled.needed);
                if let Some(event) = &handled.event {
                    self.seen.push(event.into());
                    self.application.on_event(&mut self.client, Instant::ZERO, event);
                }
                rx.drain(..consumed);
                self.send();
                if !had_event && consumed == 0 {
                    break;
                }
            }
        }
        self
    }

    /// Feeds chunks through the helper buffer, which is as small as it may be.
    fn feed_buffer<'c>(mut self, chunks: impl IntoIterator<Item = &'c [u8]>) -> Self {
        let mut memory = [0; MAX_PACKET];
        let mut rx = RxBuffer::new(&mut memory);
        for mut chunk in chunks {
            while !chunk.is_empty() {
                let space = rx.space();
                assert!(!space.is_empty(), "a buffer of max_packet bytes always has room");
                let len = space.len().min(chunk.len());
                space[..len].copy_from_slice(&chunk[..len]);
                rx.commit(len);
                chunk = &chunk[len..];
                loop {
                    match self.client.poll_event(Instant::ZERO, &mut rx) {
                        Ok(None) => break,
                        Ok(Some(event)) => {
                            self.seen.push((&event).into());
                            self.application.on_event(&mut self.client, Instant::ZERO, &event);
                        }
                        Err(error) => {
                            self.seen.push(Seen::Failed(error));
                            return self;
                        }
                    }
                    self.send();
                }
                self.send();
            }
        }
        self
    }

    #[track_caller]
    fn check(self) {
        let session = session();
        for (index, (seen, wanted)) in self.seen.iter().zip(&session.seen).enumerate() {
            assert_eq!(seen, wanted, "event {index}");
        }
        assert_eq!(self.seen.len(), session.seen.len());
        assert!(self.output == session.output, "the same bytes go out");
    }
}

/// The input in chunks of 1 to `max` bytes.
fn chunks(seed: u64, max: u64) -> Vec<&'static [u8]> {
    let mut rng = Rng::new(seed);
    let mut rest = session().input.as_slice();
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(rest.len().min(rng.between(1, max) as usize));
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

#[test]
fn the_recorded_session_has_everything_in_it() {
    let session = session();
    type Is = fn(&Seen) -> bool;
    let kinds: [(&str, Is); 15] = [
        ("connected", |seen| matches!(seen, Seen::Connected { .. })),
        ("ready", |seen| matches!(seen, Seen::Ready { .. })),
        ("acknowledged", |seen| matches!(seen, Seen::Acked(_))),
        ("message", |seen| matches!(seen, Seen::Message(message) if message.token.is_some())),
        ("message at QoS 0", |seen| matches!(seen, Seen::Message(message) if message.token.is_none())),
        ("method", |seen| matches!(seen, Seen::Method { .. })),
        ("synchronised", |seen| matches!(seen, Seen::TwinDocument { token: None, .. })),
        ("document", |seen| matches!(seen, Seen::TwinDocument { token: Some(_), .. })),
        ("reported", |seen| matches!(seen, Seen::TwinReported { .. })),
        ("desired", |seen| matches!(seen, Seen::TwinDesired { .. })),
        ("skipped method", |seen| matches!(seen, Seen::Skipped { request: Some(_), .. })),
        ("skipped message", |seen| matches!(seen, Seen::Skipped { token: Some(_), topic, .. } if !topic.is_empty())),
        ("skipped topic", |seen| matches!(seen, Seen::Skipped { token: Some(_), topic, .. } if topic.is_empty())),
        ("unknown", |seen| matches!(seen, Seen::Unknown { .. })),
        ("failed", |seen| matches!(seen, Seen::Failed(_))),
    ];
    for (what, is) in kinds {
        assert!(session.seen.iter().any(is), "no {what} in {:#?}", session.seen);
    }
    assert!(session.input.len() > 15_000 && session.output.len() > 1_000);
}

#[test]
fn the_input_in_one_piece() {
    Replay::new().feed([session().input.as_slice()]).check();
    Replay::new().feed_buffer([session().input.as_slice()]).check();
}

#[test]
fn the_input_byte_by_byte() {
    Replay::new().feed(session().input.chunks(1)).check();
    Replay::new().feed_buffer(session().input.chunks(1)).check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_input_split_anywhere(seed: u64, max in prop::sample::select(vec![2, 5, 17, 100, 1_500, 9_000])) {
        let chunks = chunks(seed, max);
        Replay::new().feed(chunks.iter().copied()).check();
        Replay::new().feed_buffer(chunks).check();
    }
}
