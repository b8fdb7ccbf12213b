//! State machines: a message in and its PUBACK out, a message out and its PUBACK in, sign-in.

use super::subject;
use crate::measure::{Operation, Subject};
use crate::workload::{CHUNK, CONNACK, DEVICE, PASSWORD, SIZES, TOPIC, batch, payload, publish};
use bytes::{Bytes, BytesMut};
use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::packet::GenericPacketTrait as _;
use std::hint::black_box;

/// What a message without properties goes to, and with those.
const EVENTS: &str = "devices/thermostat-0042/messages/events/";
const EVENTS_WITH_PROPERTIES: &str = "devices/thermostat-0042/messages/events/\
    source=6f1c2a34-9d0e-4b7a-8c51-2f3e4d5c6b7a&path=%2Fdevices%2Fthermostat-0042%2Fmessages%2FdeviceBound\
    &unit=full&correlation=a81bc81b-dead-4e5d-abff-90865d1e13b1&priority=critical";

pub fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for size in SIZES {
        let mut add = |group, library, operation| subjects.push(subject(group, size, library, operation));
        add("receive", "rumqttc", Box::new(RumqttcReceiving::new(size)));
        add("receive", "mqtt-protocol-core", Box::new(core_receiving(size)));
        for (group, topic) in [("publish", EVENTS), ("publish-5", EVENTS_WITH_PROPERTIES)] {
            add(group, "rumqttc", Box::new(rumqttc_sending(size, topic)));
            add(group, "mqtt-protocol-core", Box::new(core_sending(size, topic)));
        }
        add("decode", "mqtt-protocol-core", Box::new(core_decoding(size)));
        add("encode", "mqtt-protocol-core", Box::new(core_encoding(size)));
        add("stream", "mqtt-protocol-core", Box::new(CoreStream::new(size)));
    }
    for (library, operation) in [
        ("rumqttc", Box::new(rumqttc_setting_up) as Box<dyn Operation>),
        ("mqtt-protocol-core", Box::new(core_setting_up)),
    ] {
        subjects.push(Subject { group: "set-up", case: String::new(), library, batch: 1, operation });
    }
    subjects
}

/// As rumqttc's event loop: read, handle, write, and what is to be told taken out of the queue.
struct RumqttcReceiving {
    bytes: Vec<u8>,
    buffer: BytesMut,
    out: BytesMut,
    state: rumqttc::MqttState,
    batch: usize,
}

impl RumqttcReceiving {
    fn new(size: usize) -> Self {
        let bytes = publish(TOPIC, 1, &payload(size)).repeat(batch(size));
        let state = rumqttc::MqttState::new(100, false);
        Self { bytes, buffer: BytesMut::new(), out: BytesMut::with_capacity(1_024), state, batch: batch(size) }
    }
}

impl Operation for RumqttcReceiving {
    fn prepare(&mut self) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.bytes);
    }

    fn run(&mut self) {
        for _ in 0..self.batch {
            let packet = rumqttc::Packet::read(&mut self.buffer, 1 << 20).expect("a good packet");
            let puback = self.state.handle_incoming_packet(packet).expect("no error").expect("PUBACK");
            self.out.clear();
            puback.write(&mut self.out, 1 << 20).expect("room");
            black_box(&self.out);
            while let Some(event) = self.state.events.pop_front() {
                black_box(event);
            }
        }
    }
}

fn rumqttc_sending(size: usize, topic: &'static str) -> impl Operation {
    let (payload, mut out) = (Bytes::from(payload(size)), BytesMut::with_capacity(size + 512));
    let (mut state, mut buffer) = (rumqttc::MqttState::new(100, false), BytesMut::with_capacity(1_024));
    move || {
        for _ in 0..batch(size) {
            let (topic, payload) = (black_box(topic).to_owned(), black_box(&payload).clone());
            let publish = rumqttc::Publish::from_bytes(topic, rumqttc::QoS::AtLeastOnce, payload);
            let packet = state.handle_outgoing_packet(rumqttc::Request::Publish(publish)).expect("room");
            let Some(packet) = packet else { panic!("a collision") };
            let rumqttc::Packet::Publish(publish) = &packet else { panic!("another packet") };
            let [high, low] = publish.pkid.to_be_bytes();
            out.clear();
            packet.write(&mut out, 1 << 20).expect("room");
            black_box(&out);
            buffer.extend_from_slice(black_box(&[0x40, 2, high, low]));
            let puback = rumqttc::Packet::read(&mut buffer, 1 << 20).expect("a good packet");
            state.handle_incoming_packet(puback).expect("awaited");
            while let Some(event) = state.events.pop_front() {
                black_box(event);
            }
        }
    }
}

fn rumqttc_setting_up() {
    let mut out = BytesMut::with_capacity(1_024);
    let mut options = rumqttc::MqttOptions::new(DEVICE, "host", 8_883);
    options.set_credentials(DEVICE, black_box(PASSWORD));
    let mut connect = rumqttc::Connect::new(options.client_id());
    connect.login = options.credentials();
    rumqttc::Packet::Connect(connect).write(&mut out, 1 << 20).expect("room");
    let mut state = rumqttc::MqttState::new(100, false);
    let mut buffer = BytesMut::from(&black_box(CONNACK)[..]);
    black_box(rumqttc::Packet::read(&mut buffer, 1 << 20)).expect("CONNACK");
    let filters = ["devices/thermostat-0042/messages/devicebound/#", "$iothub/methods/POST/#"];
    let filters = filters.map(|filter| rumqttc::SubscribeFilter::new(filter.to_owned(), rumqttc::QoS::AtLeastOnce));
    let request = rumqttc::Request::Subscribe(rumqttc::Subscribe::new_many(filters));
    let packet = state.handle_outgoing_packet(request).expect("room").expect("SUBSCRIBE");
    packet.write(&mut out, 1 << 20).expect("room");
    black_box(&out);
    buffer.extend_from_slice(black_box(&[0x90, 4, 0, 1, 1, 1]));
    let suback = rumqttc::Packet::read(&mut buffer, 1 << 20).expect("SUBACK");
    state.handle_incoming_packet(suback).expect("awaited");
    while let Some(event) = state.events.pop_front() {
        black_box(event);
    }
}

type Core = mqtt::Connection<mqtt::role::Client>;
type CoreEvents = Vec<mqtt::connection::Event>;

/// Everything that a driver would do with these: the packets to send as bytes.
fn core_driven(events: CoreEvents) {
    for event in events {
        if let mqtt::connection::Event::RequestSendPacket { packet, .. } = &event {
            black_box(packet.to_continuous_buffer());
        }
        black_box(event);
    }
}

fn core_connected() -> Core {
    let mut core = Core::new(mqtt::Version::V3_1_1);
    core.set_auto_pub_response(true);
    let connect = mqtt::packet::v3_1_1::Connect::builder()
        .client_id(DEVICE)
        .and_then(|connect| connect.user_name(DEVICE))
        .and_then(|connect| connect.password(black_box(PASSWORD)))
        .and_then(|connect| connect.clean_session(true).build())
        .expect("a good CONNECT");
    core_driven(core.checked_send(connect));
    core_driven(core.recv(&mut mqtt::common::Cursor::new(black_box(&CONNACK))));
    core
}

fn core_setting_up() {
    let mut core = core_connected();
    let id = core.acquire_packet_id().expect("a free one");
    let entry = |filter| {
        let options = mqtt::packet::SubOpts::new().set_qos(mqtt::packet::Qos::AtLeastOnce);
        mqtt::packet::SubEntry::new(filter, options).expect("a good filter")
    };
    let entries = ["devices/thermostat-0042/messages/devicebound/#", "$iothub/methods/POST/#"].map(entry);
    let subscribe = mqtt::packet::v3_1_1::Subscribe::builder().entries(entries.to_vec()).packet_id(id).build();
    core_driven(core.checked_send(subscribe.expect("a good SUBSCRIBE")));
    let [high, low] = id.to_be_bytes();
    core_driven(core.recv(&mut mqtt::common::Cursor::new(black_box(&[0x90, 4, high, low, 1, 1]))));
}

fn core_receiving(size: usize) -> impl Operation {
    let packet = publish(TOPIC, 1, &payload(size));
    let mut core = core_connected();
    move || {
        for _ in 0..batch(size) {
            core_driven(core.recv(&mut mqtt::common::Cursor::new(black_box(&packet))));
        }
    }
}

fn core_publish(topic: &str, payload: &[u8], id: u16) -> mqtt::packet::v3_1_1::Publish {
    mqtt::packet::v3_1_1::Publish::builder()
        .topic_name(black_box(topic))
        .expect("a good topic")
        .qos(mqtt::packet::Qos::AtLeastOnce)
        .packet_id(id)
        .payload(black_box(payload))
        .build()
        .expect("a good PUBLISH")
}

fn core_sending(size: usize, topic: &'static str) -> impl Operation {
    let payload = payload(size);
    let mut core = core_connected();
    move || {
        for _ in 0..batch(size) {
            let id = core.acquire_packet_id().expect("a free one");
            core_driven(core.checked_send(core_publish(topic, &payload, id)));
            let [high, low] = id.to_be_bytes();
            let puback = [0x40, 2, high, low];
            core_driven(core.recv(&mut mqtt::common::Cursor::new(black_box(&puback))));
        }
    }
}

/// Its parser wants what follows the fixed header in memory that it can share.
fn core_decoding(size: usize) -> impl Operation {
    let packet = publish(TOPIC, 1, &payload(size));
    let header = packet.len() - (2 + TOPIC.len() + 2 + size);
    move || {
        for _ in 0..batch(size) {
            let body = std::sync::Arc::from(&black_box(&packet)[header..]);
            black_box(mqtt::packet::v3_1_1::Publish::parse(2, body)).expect("a good packet");
        }
    }
}

fn core_encoding(size: usize) -> impl Operation {
    let payload = payload(size);
    move || {
        for _ in 0..batch(size) {
            black_box(core_publish(TOPIC, &payload, crate::workload::ID).to_continuous_buffer());
        }
    }
}

struct CoreStream {
    core: Core,
    bytes: Vec<u8>,
    batch: usize,
}

impl CoreStream {
    fn new(size: usize) -> Self {
        Self {
            core: core_connected(),
            bytes: publish(TOPIC, 0, &payload(size)).repeat(batch(size)),
            batch: batch(size),
        }
    }
}

impl Operation for CoreStream {
    fn run(&mut self) {
        let mut messages = 0;
        for chunk in self.bytes.chunks(CHUNK) {
            let mut cursor = mqtt::common::Cursor::new(chunk);
            while (cursor.position() as usize) < chunk.len() {
                for event in self.core.recv(&mut cursor) {
                    messages += usize::from(matches!(event, mqtt::connection::Event::NotifyPacketReceived(_)));
                    black_box(event);
                }
            }
        }
        assert_eq!(messages, self.batch);
    }
}
