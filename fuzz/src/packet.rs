//! Any bytes as a packet from the hub.
//!
//! The codec must agree with itself (what it reads it writes back, and the first bytes of a PUBLISH are judged as the
//! whole is), with the codec of the hub simulator, which shares nothing with it, and with a naive reading of the
//! standard for the packets that a hub's codec does not read.

use crate::plant::{Plant, planted};
use iothub_proto::error::{ConnectRefusal, PeerError, Violation};
use iothub_proto::packet::publish::{Head, head};
use iothub_proto::packet::{Packet, QoS, decode, ping, puback, publish};
use iothub_proto::wire::frame::{self, Header};
use iothub_tests::hub::codec;

/// Reads `data` as a packet and what follows it.
pub fn run(data: &[u8]) {
    let header = match frame::header(data) {
        Ok(Some(header)) => header,
        Ok(None) => return assert!(data.len() < 5 && data.iter().skip(1).all(|byte| byte & 0x80 != 0)),
        Err(error) => {
            assert_eq!((error.kind, error.offset), (Violation::BadRemainingLength, 4));
            return assert!(data.len() >= 5 && data[1..5].iter().all(|byte| byte & 0x80 != 0));
        }
    };
    assert_eq!(frame::header(&data[..usize::from(header.len)]), Ok(Some(header)), "no byte after it counts");
    let Some(packet) = data.get(..header.total()) else { return cut_off(&header, data) };
    let decoded = decode(&header, packet);
    assert_eq!(decode(&header, data), decoded, "bytes after the packet are not its own");
    if let Err(error) = decoded {
        assert_eq!(error.packet, header.first);
        assert!(error.offset as usize <= packet.len(), "{error:?} lies outside of {packet:02x?}");
    }
    early(&header, packet, &decoded);
    if let Ok(decoded) = &decoded {
        written_back(&header, packet, decoded);
    }
    match header.first >> 4 {
        3 | 4 => as_the_hub_reads(packet, &decoded),
        _ => as_the_standard_says(&header, packet, &decoded),
    }
}

/// A packet that is not there whole is never read, and what is wrong with its header is known.
fn cut_off(header: &Header, data: &[u8]) {
    let error = decode(header, data).expect_err("half a packet is none");
    if error.kind != Violation::Truncated {
        assert!(error.offset < 2, "{error:?}: only the header may decide before the packet is there");
    }
    if let (true, Ok(Head::Needs(needed))) = (header.first >> 4 == 3, head(header, data)) {
        assert!(data.len() < needed && needed <= header.total());
    }
}

/// However much of a PUBLISH is there, the verdict is that on the whole, or none yet.
fn early(header: &Header, packet: &[u8], decoded: &Result<Packet<'_>, PeerError>) {
    if header.first >> 4 != 3 {
        return assert_eq!(head(header, packet).map_err(|error| error.offset), Err(0));
    }
    for len in (usize::from(header.len)..=packet.len()).take(80).chain([packet.len()]) {
        let mut verdict = head(header, &packet[..len]);
        if planted(Plant::Early) && len == 9 {
            verdict = Err(PeerError { kind: Violation::Truncated, packet: header.first, offset: 2 });
        }
        match (verdict, decoded) {
            (Err(early), whole) => assert_eq!(Err(early), *whole, "after {len} bytes"),
            (Ok(Head::Needs(needed)), _) => assert!(len < needed && needed <= packet.len()),
            (Ok(Head::Complete { publish, len: at }), Ok(Packet::Publish(whole))) => {
                assert_eq!(publish::Publish { payload: &packet[at..], ..publish }, *whole);
            }
            (verdict, whole) => panic!("{verdict:?} after {len} bytes, {whole:?} in the end"),
        }
    }
}

/// What was read is written to the same bytes, but for a length in more bytes than necessary.
fn written_back(header: &Header, packet: &[u8], decoded: &Packet<'_>) {
    let mut again = encode(decoded);
    if planted(Plant::Reencode) && again[0] & 0x3A == 0x3A {
        again[0] &= !publish::DUP;
    }
    let shortest = frame::remaining_length_len(header.remaining as usize) + 1;
    assert_eq!(again[0], packet[0]);
    assert_eq!(again[shortest..], packet[usize::from(header.len)..]);
    if usize::from(header.len) == shortest {
        assert_eq!(again, packet);
    }
    let header = frame::header(&again).expect("written well").expect("whole");
    assert_eq!(decode(&header, &again).as_ref(), Ok(decoded));
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    match packet {
        Packet::Connack(connack) => {
            vec![0x20, 2, u8::from(connack.session_present), connack.refusal.map_or(0, ConnectRefusal::code)]
        }
        Packet::Publish(publish) => {
            assert_eq!(publish.qos == QoS::AtLeastOnce, publish.id.is_some());
            let mut room = vec![0; publish.encoded_len()];
            assert_eq!(publish.emit(&mut room), Ok(room.len()));
            assert!(publish.emit(&mut room[1..]).is_err(), "a byte less is not enough");
            assert_eq!(publish.emit(&mut room), Ok(room.len()));
            room
        }
        Packet::Puback(id) => puback::packet(*id).to_vec(),
        Packet::Suback(suback) => {
            let mut body = suback.id.get().to_be_bytes().to_vec();
            body.extend(suback.codes);
            let mut room = vec![0; body.len() + 5];
            let packet = frame::write(&mut room, 5, 0x90, &mut |w| w.put(&body)).expect("room for any length");
            room[packet].to_vec()
        }
        Packet::Unsuback(id) => [&[0xB0, 2][..], &id.get().to_be_bytes()].concat(),
        Packet::Pingresp => ping::PINGRESP.to_vec(),
    }
}

/// PUBLISH and PUBACK go both ways, so the hub's codec reads them, too. It also takes QoS 2.
fn as_the_hub_reads(packet: &[u8], decoded: &Result<Packet<'_>, PeerError>) {
    match (codec::decode(packet), decoded) {
        (Ok(codec::Packet::Publish(hub)), Ok(Packet::Publish(ours))) => {
            let payload =
                if planted(Plant::OtherCodec) { ours.payload.get(1..).unwrap_or_default() } else { ours.payload };
            assert_eq!(
                (hub.topic.as_str(), &hub.payload[..], hub.qos, hub.dup, hub.retain, hub.packet_id),
                (ours.topic.as_str(), payload, ours.qos as u8, ours.dup, ours.retain, ours.id.map(|id| id.get())),
            );
        }
        (Ok(codec::Packet::PubAck(hub)), Ok(Packet::Puback(ours))) => assert_eq!(hub, ours.get()),
        (Ok(codec::Packet::Publish(hub)), Err(error)) if hub.qos == 2 => {
            assert_eq!(error.kind, Violation::ForbiddenType);
        }
        (Err(_), Err(_)) => {}
        (hub, ours) => panic!("the hub reads {hub:?}, we read {ours:?}"),
    }
}

/// The packets of fixed form, read naively (MQTT 3.1.1 §3.2, §3.9, §3.11, §3.13).
fn as_the_standard_says(header: &Header, packet: &[u8], decoded: &Result<Packet<'_>, PeerError>) {
    let body = &packet[usize::from(header.len)..];
    let good = match (header.first, body) {
        (0x20, [flags, code]) => matches!((flags, code), (0 | 1, 0) | (0, 1..=5)),
        (0x90, [high, low, codes @ ..]) => {
            let known = |code: &u8| matches!(code, 0..=2 | 0x80) || planted(Plant::Lenient) && *code == 3;
            (*high, *low) != (0, 0) && !codes.is_empty() && codes.iter().all(known)
        }
        (0xB0, [high, low]) => (*high, *low) != (0, 0),
        (0xD0, []) => true,
        _ => false,
    };
    assert_eq!(good, decoded.is_ok(), "{decoded:?} of {packet:02x?}");
}
