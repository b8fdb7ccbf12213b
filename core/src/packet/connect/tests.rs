use std::vec::Vec;

use super::*;
use crate::wire::frame;

/// What a CONNECT is made of.
#[derive(Clone, Copy)]
struct Parts<'a> {
    client_id: &'a str,
    user_name: &'a str,
    password: Option<&'a [u8]>,
    clean_session: bool,
    will: Option<(&'a str, &'a [u8], QoS, bool)>,
}

const PLAIN: Parts<'_> = Parts { client_id: "d", user_name: "u", password: None, clean_session: false, will: None };

fn emit(parts: Parts<'_>) -> Vec<u8> {
    let topic = parts.will.map_or("", |will| will.0);
    let mut put_topic = |w: &mut Writer<'_>| w.put(topic.as_bytes());
    let mut connect = Connect {
        client_id: &mut |w| w.put(parts.client_id.as_bytes()),
        user_name: &mut |w| w.put(parts.user_name.as_bytes()),
        password: parts.password,
        keep_alive: 0x0102,
        clean_session: parts.clean_session,
        will: parts.will.map(|(_, message, qos, retain)| WillFields { topic: &mut put_topic, message, qos, retain }),
    };
    let mut room = [0; 512];
    let packet = frame::write(&mut room, 5, FIRST, &mut |w| connect.put_body(w)).unwrap();
    room[packet].to_vec()
}

/// The two bytes of length, then the field.
fn field(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

#[test]
fn a_whole_packet() {
    // With a SAS token as the hub wants it; written out by hand from MQTT 3.1.1 figures 3.2 to 3.6.
    let packet = emit(Parts {
        client_id: "d1",
        user_name: "h/d1/?api-version=2021-04-12",
        password: Some(b"SharedAccessSignature sr=h&sig=s&se=1"),
        ..PLAIN
    });
    let expected = b"\x10\x53\x00\x04MQTT\x04\xC0\x01\x02\x00\x02d1\x00\x1Ch/d1/?api-version=2021-04-12\
        \x00\x25SharedAccessSignature sr=h&sig=s&se=1";
    assert_eq!(packet, expected);
}

#[test]
fn fields_come_in_the_order_of_the_standard() {
    let will = Some(("wt", &b"wm"[..], QoS::AtMostOnce, false));
    let packet = emit(Parts { client_id: "ci", user_name: "un", password: Some(b"pw"), will, ..PLAIN });
    let payload: Vec<u8> = [b"ci", b"wt", b"wm", b"un", b"pw"].iter().flat_map(|text| field(*text)).collect();
    assert_eq!(packet[12..], payload);
    assert_eq!(packet[1] as usize, packet.len() - 2);
}

#[test]
fn flags_say_what_is_there() {
    // Every combination: the flags against the table of §3.1.2.3, and the number of fields that follow.
    let wills = [
        (None, 0),
        (Some((QoS::AtMostOnce, false)), 0b0000_0100),
        (Some((QoS::AtLeastOnce, false)), 0b0000_1100),
        (Some((QoS::AtMostOnce, true)), 0b0010_0100),
        (Some((QoS::AtLeastOnce, true)), 0b0010_1100),
    ];
    for (will, will_bits) in wills {
        for (password, password_bit) in [(None, 0), (Some(&b"p"[..]), 0b0100_0000)] {
            for (clean_session, clean_bit) in [(false, 0), (true, 0b10)] {
                let will = will.map(|(qos, retain)| ("w", &b"m"[..], qos, retain));
                let packet = emit(Parts { password, clean_session, will, ..PLAIN });
                assert_eq!(packet[9], 0b1000_0000 | will_bits | password_bit | clean_bit);
                let fields = 2 + 2 * usize::from(will.is_some()) + usize::from(password.is_some());
                assert_eq!(packet.len(), 12 + 3 * fields);
            }
        }
    }
}

#[test]
fn empty_fields_keep_their_length_bytes() {
    let will = Some(("w", &b""[..], QoS::AtMostOnce, false));
    let packet = emit(Parts { client_id: "", user_name: "", password: Some(b""), will, ..PLAIN });
    assert_eq!(packet[9], 0b1100_0100);
    assert_eq!(packet[12..], *b"\0\0\0\x01w\0\0\0\0\0\0");
}
