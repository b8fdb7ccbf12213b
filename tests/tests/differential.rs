//! Our codec against another one, `mqttbytes`, on generated packets: what it writes we read, what we write it reads, and
//! of packets that were damaged both think the same, or the standard says which of them is right: see [`LENIENT`].

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use iothub_proto::error::ConnectRefusal;
use iothub_proto::packet::{
    Connack, Connect, Packet, PacketId, Publish, QoS, Suback, WillFields, connect, disconnect, ping, puback, subscribe,
    unsubscribe,
};
use iothub_proto::wire::{Writer, frame};
use iothub_tests::reference::{self, Fault, Verdict};
use mqttbytes::v4;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What `mqttbytes` 0.6 takes and we do not: our violation, the packet's type, and what decides for us. In every other
/// case both agree; nothing that it refuses is taken by us.
const LENIENT: &[(&str, u8, &str)] = &[
    ("BadFlags", 2, "2.2.2-2: reserved flags with another value end the connection"),
    ("BadFlags", 4, "2.2.2-2"),
    ("BadFlags", 9, "2.2.2-2"),
    ("BadFlags", 11, "2.2.2-2"),
    ("BadFlags", 13, "2.2.2-2"),
    ("WrongLength", 2, "3.2.1: the Remaining Length of CONNACK is 2"),
    ("WrongLength", 3, "4.7.3-1: a topic has at least one byte, so a PUBLISH at least 3, and 5 with a packet id"),
    ("WrongLength", 4, "3.4.1: the Remaining Length of PUBACK is 2"),
    ("WrongLength", 13, "3.13.1: PINGRESP has no more than its header"),
    ("BadConnackFlags", 2, "3.2.2.1: bits 7 to 1 are 0"),
    ("BadSessionPresent", 2, "3.2.2-4: a refusal has it 0"),
    ("DupOnQos0", 3, "3.3.1-2: DUP is 0 at QoS 0"),
    ("ForbiddenType", 3, "3.8.4-6: QoS 2 is above what was granted, which is 1 at most"),
    ("EmptyTopic", 3, "4.7.3-1: a topic has at least one character"),
    ("NulInText", 3, "1.5.3-2: no text has U+0000 in it"),
    ("WildcardInTopic", 3, "3.3.2-2: a topic name has no wildcards"),
    ("ZeroPacketId", 4, "2.3.1-6: it answers a packet id, and 2.3.1-1: none is 0"),
    ("ZeroPacketId", 9, "2.3.1-7, 2.3.1-1"),
    ("ZeroPacketId", 11, "2.3.1-7, 2.3.1-1"),
];

/// A packet that a hub sends.
#[derive(Clone, Debug)]
enum FromHub {
    Connack(bool, u8),
    Publish { first: u8, topic: String, id: PacketId, payload: Vec<u8> },
    Puback(PacketId),
    Suback(PacketId, Vec<u8>),
    Unsuback(PacketId),
    Pingresp,
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    prop_oneof![3 => 1..=3_u16, 1 => 1..=u16::MAX, 1 => Just(u16::MAX)].prop_map(|id| PacketId::new(id).expect("not 0"))
}

/// Text without what no topic has.
fn topic(len: Range<usize>) -> impl Strategy<Value = String> {
    let character = prop_oneof![any::<char>(), Just('/'), Just('$'), proptest::char::range('a', 'z')];
    let legal = character.prop_filter("in topics", |c| !matches!(c, '\0' | '+' | '#'));
    prop::collection::vec(legal, len).prop_map(|characters| characters.into_iter().collect())
}

/// Of lengths around those where Remaining Length grows.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![0..4_usize, 90..140_usize, 16_300..16_400_usize];
    (len, any::<u8>()).prop_map(|(len, seed)| (0..len).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect())
}

fn from_hub(payload: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = FromHub> {
    let code = prop_oneof![0..=2_u8, Just(0x80)];
    prop_oneof![
        any::<bool>().prop_map(|present| FromHub::Connack(present, 0)),
        (1..=5_u8).prop_map(|code| FromHub::Connack(false, code)),
        (prop::sample::select(vec![0x30, 0x31, 0x32, 0x33, 0x3a, 0x3b]), topic(1..9), packet_id(), payload)
            .prop_map(|(first, topic, id, payload)| FromHub::Publish { first, topic, id, payload }),
        packet_id().prop_map(FromHub::Puback),
        (packet_id(), prop::collection::vec(code, 1..6)).prop_map(|(id, codes)| FromHub::Suback(id, codes)),
        packet_id().prop_map(FromHub::Unsuback),
        Just(FromHub::Pingresp),
    ]
}

impl FromHub {
    /// As our codec shows it.
    fn ours(&self) -> Packet<'_> {
        match self {
            Self::Connack(session_present, code) => Packet::Connack(Connack {
                session_present: *session_present,
                refusal: ConnectRefusal::from_code(*code),
            }),
            Self::Publish { first, topic, id, payload } => {
                let qos = if first & 2 == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                let id = (qos == QoS::AtLeastOnce).then_some(*id);
                Packet::Publish(Publish {
                    qos,
                    dup: first & 8 != 0,
                    retain: first & 1 != 0,
                    topic: topic.into(),
                    id,
                    payload,
                })
            }
            Self::Puback(id) => Packet::Puback(*id),
            Self::Suback(id, codes) => Packet::Suback(Suback { id: *id, codes }),
            Self::Unsuback(id) => Packet::Unsuback(*id),
            Self::Pingresp => Packet::Pingresp,
        }
    }

    /// As the other codec writes it.
    fn written(&self) -> Vec<u8> {
        write(&theirs(&self.ours()))
    }
}

fn write(packet: &v4::Packet) -> Vec<u8> {
    let mut out = BytesMut::new();
    let written = match packet {
        v4::Packet::Connect(packet) => packet.write(&mut out),
        v4::Packet::ConnAck(packet) => packet.write(&mut out),
        v4::Packet::Publish(packet) => packet.write(&mut out),
        v4::Packet::PubAck(packet) => packet.write(&mut out),
        v4::Packet::Subscribe(packet) => packet.write(&mut out),
        v4::Packet::SubAck(packet) => packet.write(&mut out),
        v4::Packet::Unsubscribe(packet) => packet.write(&mut out),
        v4::Packet::UnsubAck(packet) => packet.write(&mut out),
        v4::Packet::PingReq => v4::PingReq.write(&mut out),
        v4::Packet::PingResp => v4::PingResp.write(&mut out),
        v4::Packet::Disconnect => v4::Disconnect.write(&mut out),
        other => panic!("neither side sends {other:?}"),
    };
    written.expect("it can be written");
    out.to_vec()
}

fn their_qos(qos: QoS) -> mqttbytes::QoS {
    mqttbytes::qos(qos as u8).expect("0 or 1")
}

/// Our packet in the other codec's terms.
fn theirs(packet: &Packet<'_>) -> v4::Packet {
    match packet {
        Packet::Connack(connack) => {
            let code = match connack.refusal {
                None => v4::ConnectReturnCode::Success,
                Some(ConnectRefusal::ProtocolVersion) => v4::ConnectReturnCode::RefusedProtocolVersion,
                Some(ConnectRefusal::ClientId) => v4::ConnectReturnCode::BadClientId,
                Some(ConnectRefusal::ServerUnavailable) => v4::ConnectReturnCode::ServiceUnavailable,
                Some(ConnectRefusal::BadCredentials) => v4::ConnectReturnCode::BadUserNamePassword,
                Some(ConnectRefusal::NotAuthorized) => v4::ConnectReturnCode::NotAuthorized,
            };
            v4::Packet::ConnAck(v4::ConnAck::new(code, connack.session_present))
        }
        Packet::Publish(publish) => v4::Packet::Publish(v4::Publish {
            dup: publish.dup,
            qos: their_qos(publish.qos),
            retain: publish.retain,
            topic: publish.topic.as_str().to_owned(),
            pkid: publish.id.map_or(0, PacketId::get),
            payload: Bytes::copy_from_slice(publish.payload),
        }),
        Packet::Puback(id) => v4::Packet::PubAck(v4::PubAck::new(id.get())),
        Packet::Suback(suback) => {
            let code = |code: &u8| v4::SubscribeReasonCode::try_from(*code).expect("a legal code");
            v4::Packet::SubAck(v4::SubAck::new(suback.id.get(), suback.codes.iter().map(code).collect()))
        }
        Packet::Unsuback(id) => v4::Packet::UnsubAck(v4::UnsubAck::new(id.get())),
        Packet::Pingresp => v4::Packet::PingResp,
    }
}

/// What the other codec makes of the front of `input`; `None` while it waits for more.
fn read(input: &[u8]) -> Option<Result<v4::Packet, mqttbytes::Error>> {
    match v4::read(&mut BytesMut::from(input), usize::MAX) {
        Err(mqttbytes::Error::InsufficientBytes(_)) => None,
        outcome => Some(outcome),
    }
}

/// The same cases every time.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn what_they_write_we_read() {
    let check = |packet: FromHub| {
        let bytes = packet.written();
        prop_assert_eq!(reference::verdict(&bytes), Verdict::Whole(bytes.len(), packet.ours()));
        Ok(())
    };
    runner(1_000).run(&from_hub(payload()), check).unwrap();
}

fn put(body: &mut dyn FnMut(&mut Writer<'_>), first: u8) -> Vec<u8> {
    let mut room = vec![0; 80_000];
    let packet = frame::write(&mut room, 5, first, body).expect("there is room");
    room[packet].to_vec()
}

type Texts = (String, String, Option<String>);
/// Texts, keep-alive, Clean Session, and the will: topic, message, QoS 1, retain.
type ConnectOf = (Texts, u16, bool, Option<(String, Vec<u8>, bool, bool)>);

#[test]
fn what_we_write_they_read_and_would_write_the_same() {
    let will = (topic(1..30), payload(), any::<bool>(), any::<bool>());
    let texts = (topic(1..40), topic(1..40), prop::option::of(topic(1..40)));
    let fields = (texts, any::<u16>(), any::<bool>(), prop::option::of(will));
    let check = |((client_id, user_name, password), keep_alive, clean_session, will): ConnectOf| {
        let mut will_topic = |w: &mut Writer<'_>| w.put(will.as_ref().map_or(b"", |will| will.0.as_bytes()));
        let qos = |qos1: bool| if qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let mut connect = Connect {
            client_id: &mut |w| w.put(client_id.as_bytes()),
            user_name: &mut |w| w.put(user_name.as_bytes()),
            password: password.as_deref().map(str::as_bytes),
            keep_alive,
            clean_session,
            will: will.as_ref().map(|(_, message, qos1, retain)| WillFields {
                topic: &mut will_topic,
                message,
                qos: qos(*qos1),
                retain: *retain,
            }),
        };
        let ours = put(&mut |w| connect.put_body(w), connect::FIRST);
        let mut theirs = v4::Connect::new(&client_id);
        theirs.keep_alive = keep_alive;
        theirs.clean_session = clean_session;
        theirs.set_login(&user_name, password.as_ref().unwrap_or(&String::new()));
        theirs.last_will = will.as_ref().map(|(topic, message, qos1, retain)| {
            v4::LastWill::new(topic, message.clone(), their_qos(qos(*qos1)), *retain)
        });
        let theirs = v4::Packet::Connect(theirs);
        prop_assert_eq!(read(&ours), Some(Ok(theirs.clone())));
        prop_assert_eq!(write(&theirs), ours);
        Ok(())
    };
    runner(300).run(&fields, check).unwrap();
}

#[test]
fn publishes_and_acknowledgements_are_written_alike() {
    let check = |packet: FromHub| {
        let theirs = packet.written();
        let ours = match packet.ours() {
            Packet::Publish(publish) => {
                let mut room = vec![0; publish.encoded_len()];
                prop_assert_eq!(publish.emit(&mut room), Ok(room.len()));
                room
            }
            Packet::Puback(id) => puback::packet(id).to_vec(),
            Packet::Pingresp => ping::PINGRESP.to_vec(),
            _ => return Ok(()),
        };
        prop_assert_eq!(ours, theirs);
        Ok(())
    };
    runner(1_000).run(&from_hub(payload()), check).unwrap();
    assert_eq!(write(&v4::Packet::PingReq), ping::PINGREQ);
    assert_eq!(write(&v4::Packet::Disconnect), disconnect::DISCONNECT);
}

#[test]
fn subscriptions_are_written_alike() {
    let filters = prop::collection::vec((topic(1..60), any::<bool>()), 1..9);
    let check = |(id, filters): (PacketId, Vec<(String, bool)>)| {
        let qos = |qos1: bool| if qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let subscribe = put(
            &mut |w| {
                subscribe::put_body(w, id, &mut |w| {
                    for (filter, qos1) in &filters {
                        subscribe::put_filter(w, &mut |w| w.put(filter.as_bytes()), qos(*qos1));
                    }
                });
            },
            subscribe::FIRST,
        );
        let wanted =
            filters.iter().map(|(filter, qos1)| v4::SubscribeFilter::new(filter.clone(), their_qos(qos(*qos1))));
        let mut theirs = v4::Subscribe::new_many(wanted);
        theirs.pkid = id.get();
        let theirs = v4::Packet::Subscribe(theirs);
        prop_assert_eq!(write(&theirs), subscribe.clone());
        prop_assert_eq!(read(&subscribe), Some(Ok(theirs)));

        let unsubscribe = put(
            &mut |w| {
                unsubscribe::put_body(w, id, &mut |w| {
                    for (filter, _) in &filters {
                        unsubscribe::put_filter(w, &mut |w| w.put(filter.as_bytes()));
                    }
                });
            },
            unsubscribe::FIRST,
        );
        let topics = filters.iter().map(|(filter, _)| filter.clone()).collect();
        let theirs = v4::Packet::Unsubscribe(v4::Unsubscribe { pkid: id.get(), topics });
        prop_assert_eq!(write(&theirs), unsubscribe.clone());
        prop_assert_eq!(read(&unsubscribe), Some(Ok(theirs)));
        Ok(())
    };
    runner(300).run(&(packet_id(), filters), check).unwrap();
}

/// What is done to a packet's bytes.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let telling =
        prop_oneof![any::<u8>(), prop::sample::select(vec![0, 0, 0, 1, 2, 3, 5, 0x2b, 0x23, 0x7f, 0x80, 0xed, 0xff])];
    let one = prop_oneof![
        (any::<Index>(), telling.clone()).prop_map(|(at, to)| Damage::Set(at, to)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        any::<Index>().prop_map(Damage::Remove),
        (any::<Index>(), telling).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
    ];
    prop::collection::vec(one, 1..4)
}

/// A small packet, so that damage hits where it hurts.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let small = from_hub(prop::collection::vec(any::<u8>(), 0..6));
    (small, damage()).prop_map(|(packet, damage)| {
        let mut bytes = packet.written();
        for damage in damage {
            let len = bytes.len();
            match damage {
                _ if len == 0 => {}
                // Half of the time among the first five bytes.
                Damage::Set(at, to) => bytes[at.index(len.min(2 * len.min(5)))] = to,
                Damage::Flip(at, bit) => bytes[at.index(len.min(5))] ^= 1 << bit,
                Damage::Remove(at) => drop(bytes.remove(at.index(len))),
                Damage::Insert(at, byte) => bytes.insert(at.index(len), byte),
                Damage::Cut(at) => bytes.truncate(at.index(len)),
            }
        }
        bytes
    })
}

/// How two readings of `input` differ; `None` if they do not.
fn difference(ours: &Verdict<'_>, input: &[u8]) -> Option<String> {
    // It knows packets of both sides, and of QoS 2; some of its code for those panics.
    if !matches!(input.first().map(|first| first >> 4), Some(2 | 3 | 4 | 9 | 11 | 13)) {
        return None;
    }
    let kind = input[0] >> 4;
    match (ours, read(input)) {
        (Verdict::Bad { .. }, Some(Err(_))) | (Verdict::Incomplete, None) => None,
        (Verdict::Whole(_, packet), Some(Ok(read))) if theirs(packet) == read => None,
        (Verdict::Bad { kind: violation, .. }, Some(Ok(_))) => Some(format!("{violation:?} {kind}")),
        // We need not wait for what is decided; whatever comes, it is looked at then.
        (Verdict::Bad { .. }, None) => None,
        (ours, theirs) => Some(format!("{ours:?} against {theirs:?}")),
    }
}

fn damaged_packets() -> Vec<Vec<u8>> {
    let all = RefCell::new(Vec::new());
    let take = |input| {
        all.borrow_mut().push(input);
        Ok(())
    };
    runner(16_000).run(&damaged(), take).unwrap();
    all.into_inner()
}

/// The differences over all these, and an input for each.
fn differences(inputs: &[Vec<u8>], ours: impl Fn(&[u8]) -> Verdict<'_>) -> BTreeMap<String, &[u8]> {
    let differing = inputs.iter().filter_map(|input| Some((difference(&ours(input), input)?, input.as_slice())));
    differing.collect()
}

#[test]
fn of_damaged_packets_they_think_the_same_or_the_standard_decides() {
    let inputs = damaged_packets();
    let found = differences(&inputs, reference::verdict);
    let names: BTreeSet<String> = found.keys().cloned().collect();
    let resolved = LENIENT.iter().map(|(violation, kind, _)| format!("{violation} {kind}")).collect();
    assert_eq!(names, resolved, "{found:02x?}");

    // The control: a codec with a mistake differs in another way.
    for fault in [
        Fault::Qos3IsQos1,
        Fault::ShortestLengthWanted,
        Fault::ReservedReturnCodePasses,
        Fault::SubackCodesUnchecked,
        Fault::CutCharacterPasses,
        Fault::ZeroPacketIdPasses,
    ] {
        let found = differences(&inputs, |input| reference::decode(input, fault));
        assert!(found.keys().any(|name| !names.contains(name)), "{fault:?} is not seen");
    }
}
