//! This library: the codec, and a whole client at every step.

use crate::device::{Device, signed_in};
use crate::measure::{Operation, Subject};
use crate::workload::{BUFFER, CHUNK, ID, PROPERTIES, SIZES, TOPIC, batch, payload, publish};
use iothub_proto::event::MessageToken;
use iothub_proto::packet::{PacketId, Publish, QoS, decode};
use iothub_proto::topic::PropertySource;
use iothub_proto::wire::frame;
use iothub_proto::{Event, Handled, RxBuffer};
use std::hint::black_box;

pub const NAME: &str = "iothub-proto";

pub fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    let mut add = |group, case: &dyn ToString, batch, operation| {
        subjects.push(Subject { group, case: case.to_string(), library: NAME, batch, operation });
    };
    for size in SIZES {
        let batch = batch(size);
        add("decode", &size, batch, Box::new(decoding(size)));
        add("event", &size, batch, Box::new(Events::new(size)));
        add("encode", &size, batch, Box::new(encoding(size)));
        add("receive", &size, batch, Box::new(receiving(size)));
        add("publish", &size, batch, Box::new(Sending::new(size, &(), 0)));
        add("publish-5", &size, batch, Box::new(Sending::new(size, &PROPERTIES, 0)));
        add("stream", &size, batch, Box::new(Stream::new(size, CHUNK)));
    }
    add("set-up", &"", 1, Box::new(setting_up()));
    for in_flight in [1, 1_000, 65_533] {
        add("in flight", &in_flight, 48, Box::new(Sending::new(64, &(), in_flight)));
    }
    for count in [1, 10, 100] {
        let properties: Vec<_> = (0..count).map(|at| (format!("name-{at:03}"), "a value of some bytes")).collect();
        add("properties out", &count, 48, Box::new(Sending::new(64, Box::leak(Box::new(properties)), 0)));
        add("properties in", &count, 1, Box::new(reading(count)));
    }
    for size in SIZES {
        add("byte by byte", &size, 1, Box::new(Stream::new(size, 1)));
    }
    subjects
}

fn decoding(size: usize) -> impl Operation {
    let packet = publish(TOPIC, 1, &payload(size));
    move || {
        for _ in 0..batch(size) {
            let input = black_box(&packet[..]);
            let header = frame::header(input).expect("a good header").expect("all of it");
            black_box(decode(&header, input)).expect("a good packet");
        }
    }
}

fn encoding(size: usize) -> impl Operation {
    let (payload, mut room) = (payload(size), vec![0; size + 512]);
    move || {
        for _ in 0..batch(size) {
            let publish = Publish {
                qos: QoS::AtLeastOnce,
                dup: false,
                retain: false,
                topic: black_box(TOPIC).into(),
                id: PacketId::new(ID),
                payload: black_box(&payload),
            };
            let _ = black_box(publish.emit(black_box(&mut room)));
        }
    }
}

/// Only the way from bytes to [`Event::Message`]. What is received is settled between the runs.
struct Events {
    device: Device,
    packet: Vec<u8>,
    tokens: Vec<MessageToken>,
    batch: usize,
}

impl Events {
    fn new(size: usize) -> Self {
        let packet = publish(TOPIC, 1, &payload(size));
        Self { device: signed_in(64), packet, tokens: Vec::with_capacity(64), batch: batch(size) }
    }
}

impl Operation for Events {
    fn prepare(&mut self) {
        for token in self.tokens.drain(..) {
            self.device.client.message_accept(self.device.now, token).expect("this connection's");
        }
        self.device.send();
    }

    fn run(&mut self) {
        for _ in 0..self.batch {
            let handled = self.device.client.handle_input(self.device.now, black_box(&self.packet));
            let Ok(Handled { event: Some(Event::Message(message)), .. }) = black_box(&handled) else {
                panic!("no message")
            };
            self.tokens.extend(message.token);
        }
    }
}

/// A message in, accepted, and its PUBACK out.
fn receiving(size: usize) -> impl Operation {
    let packet = publish(TOPIC, 1, &payload(size));
    let mut device = signed_in(64);
    move || {
        for _ in 0..batch(size) {
            let handled = device.client.handle_input(device.now, black_box(&packet));
            let Ok(Handled { event: Some(Event::Message(message)), .. }) = black_box(&handled) else {
                panic!("no message")
            };
            let token = message.token.expect("QoS 1");
            device.client.message_accept(device.now, token).expect("undecided");
            let puback = black_box(device.client.poll_transmit()).map_or(0, <[u8]>::len);
            device.client.confirm_transmit(device.now, puback).expect("lent");
        }
    }
}

/// A message out, and its PUBACK in; with some more always on their way before it.
struct Sending {
    device: Device,
    payload: Vec<u8>,
    properties: &'static dyn PropertySource,
    batch: usize,
    /// The packet ids that are on their way, oldest first.
    sent: std::collections::VecDeque<[u8; 2]>,
}

impl Sending {
    fn new(size: usize, properties: &'static dyn PropertySource, in_flight: usize) -> Self {
        let batch = if in_flight > 0 { 48 } else { batch(size) };
        let sent = std::collections::VecDeque::with_capacity(in_flight + 1);
        let mut this = Self { device: signed_in(in_flight + 1), payload: payload(size), properties, batch, sent };
        for _ in 0..in_flight {
            this.send();
        }
        this
    }

    fn send(&mut self) {
        let Device { client, now } = &mut self.device;
        let message = iothub_proto::Telemetry {
            payload: black_box(&self.payload),
            properties: black_box(self.properties),
            ..Default::default()
        };
        client.send_telemetry(*now, &message).expect("room");
        let packet = black_box(client.poll_transmit()).expect("a packet");
        let id_at = packet.len() - self.payload.len() - 2;
        let (len, id) = (packet.len(), [packet[id_at], packet[id_at + 1]]);
        client.confirm_transmit(*now, len).expect("lent");
        self.sent.push_back(id);
    }
}

impl Operation for Sending {
    fn run(&mut self) {
        for _ in 0..self.batch {
            self.send();
            let [high, low] = self.sent.pop_front().expect("sent");
            let puback = [0x40, 2, high, low];
            let handled = self.device.client.handle_input(self.device.now, black_box(&puback)).expect("awaited");
            let event = black_box(handled.event);
            assert!(matches!(event, Some(Event::TelemetryAcked(_))));
        }
    }
}

/// Messages with QoS 0 that come in pieces: received, and looked at by the client until nothing is whole.
struct Stream {
    device: Device,
    bytes: Vec<u8>,
    rx: RxBuffer<'static>,
    messages: usize,
    chunk: usize,
}

impl Stream {
    fn new(size: usize, chunk: usize) -> Self {
        let messages = if chunk == 1 { 1 } else { batch(size) };
        let bytes = publish(TOPIC, 0, &payload(size)).repeat(messages);
        let rx = RxBuffer::new(vec![0; BUFFER].leak());
        Self { device: signed_in(64), bytes, rx, messages, chunk }
    }
}

impl Operation for Stream {
    fn run(&mut self) {
        let mut messages = 0;
        for chunk in self.bytes.chunks(self.chunk) {
            self.rx.space()[..chunk.len()].copy_from_slice(chunk);
            self.rx.commit(chunk.len());
            while let Some(event) = self.device.client.poll_event(self.device.now, &mut self.rx).expect("good packets")
            {
                black_box(event);
                messages += 1;
            }
        }
        assert_eq!(messages, self.messages);
    }
}

/// From `connect` to `Ready`, and the end of the connection.
fn setting_up() -> impl Operation {
    let mut device = Device::new(64);
    move || {
        device.sign_in();
        device.cut();
    }
}

/// Every property of a message, decoded.
fn reading(count: usize) -> impl Operation {
    let bag: Vec<_> = (0..count).map(|at| format!("name%2D{at:03}=a%20value%20of%20some%20bytes")).collect();
    let bag = bag.join("&");
    move || {
        let mut room = [0; 64];
        for property in iothub_proto::topic::Properties::new(black_box(&bag)).iter() {
            let _ = black_box(property.name.decode(&mut room));
            let _ = black_box(property.value.map(|value| value.decode(&mut room).map(str::len)));
        }
    }
}
