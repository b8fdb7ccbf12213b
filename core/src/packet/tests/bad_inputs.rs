//! Inputs that told five MQTT clients apart, and those behind known bugs of others: what the codec makes of them.
//!
//! Only what the codec decides: that a CONNACK may not come twice, or that an acknowledgement answers
//! nothing, is for the session.

use super::*;
use crate::error::ConnectRefusal;
use crate::wire::Text;
use Expected::{Read, Refused, Waits};
use Violation::*;

enum Expected {
    /// These packets and nothing else.
    Read(&'static [Packet<'static>]),
    /// Refused at this offset of the first packet.
    Refused(Violation, u32),
    /// More bytes are needed.
    Waits,
}

const fn connack(session_present: bool, refusal: Option<ConnectRefusal>) -> Packet<'static> {
    Packet::Connack(Connack { session_present, refusal })
}

const fn publish0(retain: bool, topic: &'static str, payload: &'static [u8]) -> Packet<'static> {
    Packet::Publish(Publish { qos: QoS::AtMostOnce, dup: false, retain, topic: Text::new(topic), id: None, payload })
}

const fn publish1(dup: bool, topic: &'static str, number: u16, payload: &'static [u8]) -> Packet<'static> {
    let id = Some(id(number));
    Packet::Publish(Publish { qos: QoS::AtLeastOnce, dup, retain: false, topic: Text::new(topic), id, payload })
}

const fn puback(number: u16) -> Packet<'static> {
    Packet::Puback(id(number))
}

const fn suback(number: u16, codes: &'static [u8]) -> Packet<'static> {
    Packet::Suback(Suback { id: id(number), codes })
}

/// Name, bytes in hexadecimal, what becomes of them.
type Row = (&'static str, &'static str, Expected);

#[rustfmt::skip]
const MEASURED: [Row; 113] = [
    ("connack ok", "20020000", Read(&[connack(false, None)])),
    ("connack sp=1 clean=1", "20020100", Read(&[connack(true, None)])),
    ("connack sp=1 clean=0 (first)", "20020100", Read(&[connack(true, None)])),
    ("connack flags 0x02", "20020200", Refused(BadConnackFlags, 2)),
    ("connack flags 0x80", "20028000", Refused(BadConnackFlags, 2)),
    ("connack hdr 21", "21020000", Refused(BadFlags, 0)),
    ("connack hdr 28", "28020000", Refused(BadFlags, 0)),
    ("connack rl=3", "2003000000", Refused(WrongLength, 1)),
    ("connack rl=1", "200100", Refused(WrongLength, 1)),
    ("connack rl=0", "2000", Refused(WrongLength, 1)),
    ("connack rc=1", "20020001", Read(&[connack(false, Some(ConnectRefusal::ProtocolVersion))])),
    ("connack rc=2", "20020002", Read(&[connack(false, Some(ConnectRefusal::ClientId))])),
    ("connack rc=3", "20020003", Read(&[connack(false, Some(ConnectRefusal::ServerUnavailable))])),
    ("connack rc=4", "20020004", Read(&[connack(false, Some(ConnectRefusal::BadCredentials))])),
    ("connack rc=5", "20020005", Read(&[connack(false, Some(ConnectRefusal::NotAuthorized))])),
    ("connack rc=6", "20020006", Refused(BadReturnCode, 3)),
    ("connack rc=127", "2002007f", Refused(BadReturnCode, 3)),
    ("connack rc=128", "20020080", Refused(BadReturnCode, 3)),
    ("connack rc=255", "200200ff", Refused(BadReturnCode, 3)),
    ("connack sp=1 rc=5", "20020105", Refused(BadSessionPresent, 2)),
    ("connack nonminimal rl 82 00", "2082000000", Read(&[connack(false, None)])),
    ("connack nonminimal 4 bytes", "20828080000000", Read(&[connack(false, None)])),
    ("rl 5 bytes", "20ffffffff7f0000", Refused(BadRemainingLength, 4)),
    ("first pkt PINGRESP", "d000", Read(&[Packet::Pingresp])),
    ("first pkt PUBLISH q0", "300400017461", Read(&[publish0(false, "t", b"a")])),
    ("first pkt PUBLISH q1", "3206000174000161", Read(&[publish1(false, "t", 1, b"a")])),
    ("first pkt SUBACK", "9003000101", Read(&[suback(1, &[1])])),
    ("first pkt PUBACK", "40020001", Read(&[puback(1)])),
    ("first pkt DISCONNECT", "e000", Refused(ForbiddenType, 0)),
    ("first pkt CONNECT", "100d00044d5154540402003c000170", Refused(ForbiddenType, 0)),
    ("first pkt type0", "0000", Refused(ForbiddenType, 0)),
    ("first pkt type15", "f000", Refused(ForbiddenType, 0)),
    ("connack twice", "20020000", Read(&[connack(false, None)])),
    ("connack twice refused", "20020005", Read(&[connack(false, Some(ConnectRefusal::NotAuthorized))])),
    ("server sends CONNECT", "100d00044d5154540402003c000170", Refused(ForbiddenType, 0)),
    ("server sends SUBSCRIBE", "8206000100017000", Refused(ForbiddenType, 0)),
    ("server sends UNSUBSCRIBE", "a2050001000170", Refused(ForbiddenType, 0)),
    ("server sends PINGREQ", "c000", Refused(ForbiddenType, 0)),
    ("server sends DISCONNECT", "e000", Refused(ForbiddenType, 0)),
    ("server sends type0 rl0", "0000", Refused(ForbiddenType, 0)),
    ("server sends type0 rl2", "00020001", Refused(ForbiddenType, 0)),
    ("server sends type15", "f000", Refused(ForbiddenType, 0)),
    ("PINGRESP unsolicited", "d000", Read(&[Packet::Pingresp])),
    ("PINGRESP flags 1", "d100", Refused(BadFlags, 0)),
    ("PINGRESP rl1", "d00100", Refused(WrongLength, 1)),
    ("PUBACK unknown id", "40021234", Read(&[puback(0x1234)])),
    ("PUBACK id0", "40020000", Refused(ZeroPacketId, 2)),
    ("PUBACK rl3", "4003000200", Refused(WrongLength, 1)),
    ("PUBACK rl1", "400101", Refused(WrongLength, 1)),
    ("PUBACK rl0", "4000", Refused(WrongLength, 1)),
    ("PUBACK flags 2", "42020002", Refused(BadFlags, 0)),
    ("PUBACK valid", "40020002", Read(&[puback(2)])),
    ("PUBACK valid twice", "4002000240020002", Read(&[puback(2), puback(2)])),
    ("PUBREC for QoS1 id", "50020002", Refused(ForbiddenType, 0)),
    ("PUBREC unknown", "50021234", Refused(ForbiddenType, 0)),
    ("PUBREL unknown", "62021234", Refused(ForbiddenType, 0)),
    ("PUBREL flags 0", "60021234", Refused(ForbiddenType, 0)),
    ("PUBCOMP unknown", "70021234", Refused(ForbiddenType, 0)),
    ("PUBCOMP for QoS1 id", "70020002", Refused(ForbiddenType, 0)),
    ("SUBACK unknown id", "9003123401", Read(&[suback(0x1234, &[1])])),
    ("SUBACK id0", "9003000001", Refused(ZeroPacketId, 2)),
    ("SUBACK again same id", "9003000301", Read(&[suback(3, &[1])])),
    ("SUBACK rc 3", "9003000303", Refused(BadSubackCode, 4)),
    ("SUBACK rc 0x81", "9003000381", Refused(BadSubackCode, 4)),
    ("SUBACK rc 0xff", "90030003ff", Refused(BadSubackCode, 4)),
    ("SUBACK rc 0x80", "9003000380", Read(&[suback(3, &[0x80])])),
    ("SUBACK rc 2 (granted>asked)", "9003000302", Read(&[suback(3, &[2])])),
    ("SUBACK 0 codes", "90020003", Refused(WrongLength, 1)),
    ("SUBACK 2 codes for 1", "900400030101", Read(&[suback(3, &[1, 1])])),
    ("SUBACK rl1", "900101", Refused(WrongLength, 1)),
    ("SUBACK rl0", "9000", Refused(WrongLength, 1)),
    ("SUBACK flags 2", "9203000301", Refused(BadFlags, 0)),
    ("UNSUBACK with SUB id", "b0020003", Read(&[Packet::Unsuback(id(3))])),
    ("UNSUBACK unknown", "b0021234", Read(&[Packet::Unsuback(id(0x1234))])),
    ("UNSUBACK id0", "b0020000", Refused(ZeroPacketId, 2)),
    ("UNSUBACK rl3", "b003123400", Refused(WrongLength, 1)),
    ("UNSUBACK flags", "b2021234", Refused(BadFlags, 0)),
    ("PUB q0 ok", "300400017461", Read(&[publish0(false, "t", b"a")])),
    ("PUB q3", "3606000174000161", Refused(BadQos, 0)),
    ("PUB q0 dup", "380400017461", Refused(DupOnQos0, 0)),
    ("PUB q0 retain", "310400017461", Read(&[publish0(true, "t", b"a")])),
    ("PUB q1 id0", "3206000174000061", Refused(ZeroPacketId, 5)),
    ("PUB q2 id0", "3406000174000061", Refused(ForbiddenType, 0)),
    ("PUB empty topic q0", "3003000061", Refused(EmptyTopic, 4)),
    ("PUB empty topic no payload", "30020000", Refused(WrongLength, 1)),
    ("PUB topic a/+", "30060003612f2b61", Refused(WildcardInTopic, 6)),
    ("PUB topic #", "300400012361", Refused(WildcardInTopic, 4)),
    ("PUB topic U+0000", "3006000361006261", Refused(NulInText, 5)),
    ("PUB topic bad utf8 ff", "3006000361ff6261", Refused(BadUtf8, 5)),
    ("PUB surrogate EDA080", "30060003eda08061", Refused(BadUtf8, 4)),
    ("PUB overlong C080", "30050002c08061", Refused(BadUtf8, 4)),
    ("PUB U+FFFF noncharacter", "30060003efbfbf61", Read(&[publish0(false, "\u{FFFF}", b"a")])),
    ("PUB U+0001 control", "300400010161", Read(&[publish0(false, "\u{1}", b"a")])),
    ("PUB BOM+a", "30070004efbbbf6161", Read(&[publish0(false, "\u{FEFF}a", b"a")])),
    ("PUB truncated 2byte C3 at end", "30040001c361", Refused(BadUtf8, 4)),
    ("PUB F4908080 >10FFFF", "30070004f490808061", Refused(BadUtf8, 4)),
    ("PUB topic len > packet", "3005ffff414243", Refused(Truncated, 2)),
    ("PUB rl0", "3000", Refused(WrongLength, 1)),
    ("PUB rl1", "300100", Refused(WrongLength, 1)),
    ("PUB q1 no id", "3203000174", Refused(WrongLength, 1)),
    ("PUB q1 half id", "320400017400", Refused(WrongLength, 1)),
    ("PUB nonminimal rl", "30840000017461", Read(&[publish0(false, "t", b"a")])),
    ("PUB q1 same id twice dup0", "32060001740001613206000174000161", Read(&[publish1(false, "t", 1, b"a"), publish1(false, "t", 1, b"a")])),
    ("PUB q1 same id twice dup1", "32060001740001613a06000174000161", Read(&[publish1(false, "t", 1, b"a"), publish1(true, "t", 1, b"a")])),
    ("PUB q2 twice then PUBREL", "34060001740007613c0600017400076162020007", Refused(ForbiddenType, 0)),
    ("PUB q2 no PUBREL", "3406000174000961", Refused(ForbiddenType, 0)),
    ("PUB q1 split bytewise", "3206000174000161", Read(&[publish1(false, "t", 1, b"a")])),
    ("rl 5 bytes post", "30808080808001", Refused(BadRemainingLength, 4)),
    ("rl ffffff7f post", "30ffffff7f", Waits),
    ("umqtt 2026 bytes", "308080808080808080", Refused(BadRemainingLength, 4)),
    ("MQTT-C 204", "3007ffff4142434445", Refused(Truncated, 2)),
    ("FF flood", "ffffffffffffffffffffffffffffffff", Refused(ForbiddenType, 0)),
    ("00 flood", "00000000000000000000000000000000", Refused(ForbiddenType, 0)),
];

#[rustfmt::skip]
const KNOWN_BUGS: [Row; 30] = [
    ("libmosquitto CVE-2024-10525, Paho C 563: SUBACK without codes", "90020001", Refused(WrongLength, 1)),
    ("mosquitto CVE-2021-34432: topic length 0", "30020000", Refused(WrongLength, 1)),
    ("mosquitto CVE-2017-7651: memory from the length", "10ffffff7f", Refused(ForbiddenType, 0)),
    ("mosquitto CVE-2023-0809: a large first packet", "30ffffff7f", Waits),
    ("mosquitto CVE-2021-28166: CONNACK of MQTT 5 flags", "290200 01e000", Refused(BadFlags, 0)),
    ("mosquitto: remaining length smaller than the fields", "100700044d51545404c2003c000b", Refused(ForbiddenType, 0)),
    ("Paho C 1678: SUBACK code 3", "9003000103", Refused(BadSubackCode, 4)),
    ("Paho embedded CVE-2021-41036: larger than the buffer", "30ff7f", Waits),
    ("mbed-os 11802: topic length over the end", "3005ffff414243", Refused(Truncated, 2)),
    ("wolfMQTT 497: CONNACK flags", "2002ff00", Refused(BadConnackFlags, 2)),
    ("wolfMQTT 502: QoS 3", "36", Refused(BadQos, 0)),
    ("wolfMQTT 509: id 0", "40020000", Refused(ZeroPacketId, 2)),
    ("wolfMQTT 515: PINGRESP with a body", "d00100", Refused(WrongLength, 1)),
    ("wolfMQTT 516: PUBACK with more bytes", "4003000100", Refused(WrongLength, 1)),
    ("wolfMQTT 580: AUTH of MQTT 5", "f000", Refused(ForbiddenType, 0)),
    ("wolfMQTT 581: UNSUBACK with more bytes", "b003000700", Refused(WrongLength, 1)),
    ("wolfMQTT 603: CONNACK with more bytes", "2003000000", Refused(WrongLength, 1)),
    ("azure-umqtt-c PR 175: a fifth length byte", "308080808080808080", Refused(BadRemainingLength, 4)),
    ("a codec that took any flag for QoS", "310400017461", Read(&[publish0(true, "t", b"a")])),
    ("a codec that read a SUBACK of one byte", "900101", Refused(WrongLength, 1)),
    ("MQTT-C 144: topic length not compared", "3007ffff4142434445", Refused(Truncated, 2)),
    ("Zephyr CVE-2020-10062: one length byte too many", "30ffffffff01", Refused(BadRemainingLength, 4)),
    ("Zephyr CVE-2020-10070: QoS 1 without room for an id", "3203000174", Refused(WrongLength, 1)),
    ("Zephyr CVE-2020-10070: topic over the end, with QoS", "3205000474ffff", Refused(Truncated, 2)),
    ("Contiki-NG CVE-2026-5857: topic length 200", "300500c8414141", Refused(Truncated, 2)),
    ("NetX Duo PR 438: half a topic length", "300100", Refused(WrongLength, 1)),
    ("curl PR 20148: five length bytes", "308080808001", Refused(BadRemainingLength, 4)),
    ("curl PR 21949: length cut off", "3080", Waits),
    ("Netty CVE-2026-44248: small packets in one buffer", "300400017461d000d000", Read(&[
        publish0(false, "t", b"a"), Packet::Pingresp, Packet::Pingresp])),
    ("rumqttd PR 812: a packet of the other direction", "820600010001 7000", Refused(ForbiddenType, 0)),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter(|c| *c != ' ').map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn every_row_ends_as_expected_however_it_is_split() {
    for (name, hex, expected) in MEASURED.iter().chain(&KNOWN_BUGS) {
        let stream = bytes(hex);
        for piece in [1, 2, 3, stream.len()] {
            let outcome = drive(&stream, piece);
            let (packets, error) = match *expected {
                Read(packets) => (packets, None),
                Refused(kind, offset) => (&[][..], Some(PeerError { kind, packet: stream[0], offset })),
                Waits => (&[][..], None),
            };
            assert_eq!((&outcome.packets[..], outcome.error), (packets, error), "{name}: {hex}");
            let taken = if matches!(expected, Read(_)) { stream.len() } else { 0 };
            assert_eq!(outcome.consumed, taken, "{name}: {hex}");
        }
    }
}

#[test]
fn nothing_is_read_after_an_error() {
    // 0x30 0x80 0x80 0x80 0x80, and then more length bytes in the next read.
    let stream = bytes("d0003080808080 80808080 d000");
    let outcome = drive(&stream, 5);
    assert_eq!(outcome.packets, [Packet::Pingresp]);
    assert_eq!(outcome.consumed, 2);
    assert_eq!(outcome.error.unwrap().kind, BadRemainingLength);
}
