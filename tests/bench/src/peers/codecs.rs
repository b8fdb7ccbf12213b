//! Packets: decode, encode, and out of a stream. mqtt-format 0.4.0 is not among the decoders: it reads a Remaining Length
//! of more than one byte in the wrong order, and fails on these packets.

use super::subject;
use crate::measure::{Operation, Subject};
use crate::workload::{BUFFER, CHUNK, ID, SIZES, TOPIC, batch, payload, publish};
use bytes::{Bytes, BytesMut};
use std::hint::black_box;

pub fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for size in SIZES {
        let mut add = |group, library, operation| subjects.push(subject(group, size, library, operation));
        add("decode", "mqttrs", Box::new(mqttrs_decoding(size)));
        add("decode", "mqttbytes", Box::new(Decoding::new(size, |bytes| read_mqttbytes(bytes).is_some())));
        add("decode", "rumqttc", Box::new(Decoding::new(size, |bytes| read_rumqttc(bytes).is_some())));
        add("stream", "mqttrs", Box::new(MqttrsStream::new(size)));
        add("stream", "mqttbytes", Box::new(Stream::new(size, |bytes| read_mqttbytes(bytes).is_some())));
        add("stream", "rumqttc", Box::new(Stream::new(size, |bytes| read_rumqttc(bytes).is_some())));
        add("encode", "mqttrs", Box::new(mqttrs_encoding(size)));
        add("encode", "mqtt-format", Box::new(mqtt_format_encoding(size)));
        add("encode", "mqttbytes", Box::new(mqttbytes_encoding(size)));
        add("encode", "rumqttc", Box::new(rumqttc_encoding(size)));
    }
    subjects
}

/// The next packet, if it is there whole.
fn read_mqttbytes(bytes: &mut BytesMut) -> Option<mqttbytes::v4::Packet> {
    black_box(mqttbytes::v4::read(bytes, 1 << 20)).ok()
}

fn read_rumqttc(bytes: &mut BytesMut) -> Option<rumqttc::Packet> {
    black_box(rumqttc::Packet::read(bytes, 1 << 20)).ok()
}

fn mqttrs_decoding(size: usize) -> impl Operation {
    let packet = publish(TOPIC, 1, &payload(size));
    move || {
        for _ in 0..batch(size) {
            black_box(mqttrs::decode_slice(black_box(&packet))).expect("a good packet");
        }
    }
}

/// Packets that are taken out of a buffer. Filling it is not measured.
struct Decoding {
    bytes: Vec<u8>,
    buffer: BytesMut,
    batch: usize,
    read: fn(&mut BytesMut) -> bool,
}

impl Decoding {
    fn new(size: usize, read: fn(&mut BytesMut) -> bool) -> Self {
        let bytes = publish(TOPIC, 1, &payload(size)).repeat(batch(size));
        Self { bytes, buffer: BytesMut::new(), batch: batch(size), read }
    }
}

impl Operation for Decoding {
    fn prepare(&mut self) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.bytes);
    }

    fn run(&mut self) {
        for _ in 0..self.batch {
            assert!((self.read)(&mut self.buffer));
        }
    }
}

/// Packets that come in pieces.
struct Stream {
    bytes: Vec<u8>,
    buffer: BytesMut,
    batch: usize,
    read: fn(&mut BytesMut) -> bool,
}

impl Stream {
    fn new(size: usize, read: fn(&mut BytesMut) -> bool) -> Self {
        let bytes = publish(TOPIC, 1, &payload(size)).repeat(batch(size));
        Self { bytes, buffer: BytesMut::with_capacity(BUFFER), batch: batch(size), read }
    }
}

impl Operation for Stream {
    fn run(&mut self) {
        let mut messages = 0;
        for chunk in self.bytes.chunks(CHUNK) {
            self.buffer.extend_from_slice(chunk);
            while (self.read)(&mut self.buffer) {
                messages += 1;
            }
        }
        assert_eq!(messages, self.batch);
    }
}

/// mqttrs reads slices and keeps no buffer: it is given the floor's.
struct MqttrsStream {
    bytes: Vec<u8>,
    buffer: Vec<u8>,
    batch: usize,
}

impl MqttrsStream {
    fn new(size: usize) -> Self {
        let bytes = publish(TOPIC, 1, &payload(size)).repeat(batch(size));
        Self { bytes, buffer: vec![0; BUFFER], batch: batch(size) }
    }
}

impl Operation for MqttrsStream {
    fn run(&mut self) {
        let packet = self.bytes.len() / self.batch;
        let (mut start, mut end, mut messages) = (0, 0, 0);
        for chunk in self.bytes.chunks(CHUNK) {
            if self.buffer.len() - end < chunk.len() {
                self.buffer.copy_within(start..end, 0);
                (start, end) = (0, end - start);
            }
            self.buffer[end..end + chunk.len()].copy_from_slice(chunk);
            end += chunk.len();
            while let Ok(Some(message)) = mqttrs::decode_slice(&self.buffer[start..end]) {
                black_box(message);
                // It does not tell how long the packet was.
                start += packet;
                messages += 1;
            }
        }
        assert_eq!((messages, start), (self.batch, end));
    }
}

fn mqttrs_encoding(size: usize) -> impl Operation {
    let (payload, mut room) = (payload(size), vec![0; size + 512]);
    let id = mqttrs::Pid::try_from(ID).expect("not 0");
    move || {
        for _ in 0..batch(size) {
            let publish = mqttrs::Publish {
                dup: false,
                qospid: mqttrs::QosPid::AtLeastOnce(id),
                retain: false,
                topic_name: black_box(TOPIC),
                payload: black_box(&payload),
            };
            black_box(mqttrs::encode_slice(&publish.into(), black_box(&mut room))).expect("room");
        }
    }
}

fn mqtt_format_encoding(size: usize) -> impl Operation {
    use mqtt_format::v3::{identifier::MPacketIdentifier, packet::MPublish, qos::MQualityOfService, strings::MString};
    let (payload, mut room) = (payload(size), Vec::with_capacity(size + 512));
    move || {
        for _ in 0..batch(size) {
            let publish = MPublish {
                dup: false,
                qos: MQualityOfService::AtLeastOnce,
                retain: false,
                topic_name: MString { value: black_box(TOPIC) },
                id: Some(MPacketIdentifier(ID)),
                payload: black_box(&payload),
            };
            room.clear();
            let packet = mqtt_format::v3::packet::MPacket::Publish(publish);
            ready(packet.write_to(std::pin::Pin::new(&mut room))).expect("a vector takes all");
            black_box(&room);
        }
    }
}

/// What a future gives that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

fn mqttbytes_encoding(size: usize) -> impl Operation {
    let (payload, mut room) = (Bytes::from(payload(size)), BytesMut::with_capacity(size + 512));
    move || {
        for _ in 0..batch(size) {
            let (topic, payload) = (black_box(TOPIC).to_owned(), black_box(&payload).clone());
            let mut publish = mqttbytes::v4::Publish::from_bytes(topic, mqttbytes::QoS::AtLeastOnce, payload);
            publish.pkid = ID;
            room.clear();
            publish.write(black_box(&mut room)).expect("room");
        }
    }
}

fn rumqttc_encoding(size: usize) -> impl Operation {
    let (payload, mut room) = (Bytes::from(payload(size)), BytesMut::with_capacity(size + 512));
    move || {
        for _ in 0..batch(size) {
            let (topic, payload) = (black_box(TOPIC).to_owned(), black_box(&payload).clone());
            let mut publish = rumqttc::Publish::from_bytes(topic, rumqttc::QoS::AtLeastOnce, payload);
            publish.pkid = ID;
            room.clear();
            publish.write(black_box(&mut room)).expect("room");
        }
    }
}
