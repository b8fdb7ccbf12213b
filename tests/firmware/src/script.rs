//! What the hub sends, byte by byte: it stands in for the wire, and `run` does not count it.

/// First bytes of what the device sends.
pub(super) const CONNECT: u8 = 0x10;
pub(super) const PUBLISH_0: u8 = 0x30;
pub(super) const PUBLISH_1: u8 = 0x32;
pub(super) const PUBLISH_1_DUP: u8 = 0x3A;
pub(super) const PUBACK: u8 = 0x40;
pub(super) const SUBSCRIBE: u8 = 0x82;
pub(super) const PINGREQ: u8 = 0xC0;
pub(super) const DISCONNECT: u8 = 0xE0;

/// Bytes of the receive buffer.
pub(super) const MAX_PACKET: usize = 512;

/// Puts each text into the script.
macro_rules! script {
    ($($(#[$doc:meta])* $name:ident = $bytes:expr;)*) => {$(
        $(#[$doc])*
        #[unsafe(link_section = ".script")]
        pub(super) static $name: [u8; $bytes.len()] = *$bytes;
    )*};
}

/// A PUBLISH with less than 128 bytes after its header; `rest` is what follows the topic.
macro_rules! publish {
    ($first:literal, $topic:literal, $rest:literal) => {{
        const LEN: usize = 2 + 2 + $topic.len() + $rest.len();
        const { &packet::<LEN>($first, $topic, $rest, LEN - 2) }
    }};
}

script! {
    CONNACK_NEW = b"\x20\x02\x00\x00";
    CONNACK_RESUMED = b"\x20\x02\x01\x00";
    SUBACK = b"\x90\x06\xFF\xFF\x01\x00\x00\x00";
    PINGRESP = b"\xD0\x00";
    PUBACK_FIRST = b"\x40\x02\x00\x01";
    PUBACK_AGAIN = AGAIN;
    SIGNATURE = b"what a secure element would tell";
    TWIN_DOCUMENT = publish!(
        0x30, b"$iothub/twin/res/200/?$rid=s00000001",
        br#"{"desired":{"interval":9,"$version":7},"reported":{"$version":2}}"#
    );
    TWIN_DOCUMENT_AGAIN = publish!(
        0x30, b"$iothub/twin/res/200/?$rid=s00000002",
        br#"{"desired":{"interval":5,"$version":8},"reported":{"$version":3}}"#
    );
    MESSAGE = publish!(
        0x32, b"devices/press-7/messages/devicebound/%24.mid=1&%24.to=%2Fdevices%2Fpress-7&do=reset&in=%C2%B0C",
        b"\x00\x01now"
    );
    METHOD = publish!(0x30, b"$iothub/methods/POST/reboot/?$rid=1", br#"{"delay":3}"#);
    DESIRED = publish!(0x30, b"$iothub/twin/PATCH/properties/desired/?$version=8", br#"{"interval":5,"$version":8}"#);
    REPORTED = publish!(0x30, b"$iothub/twin/res/204/?$rid=00010002&$version=3", b"");
    TOO_LARGE_BEGINS = const { &packet::<TOO_LARGE_HEAD>(
        0x32, b"devices/press-7/messages/devicebound/", b"\x00\x02", TOO_LARGE_HEAD - 3 + PIECE * TOO_LARGE_PIECES
    ) };
    TOO_LARGE_PIECE = b"sixty-four bytes of a message that is too large for the buffer. ";
}

/// The device's packet ids: the second message has a slot of its own.
const AGAIN: &[u8; 4] = if cfg!(feature = "everything") { b"\x40\x02\x00\x04" } else { b"\x40\x02\x00\x02" };

const TOO_LARGE_HEAD: usize = 3 + 2 + 37 + 2;
pub(super) const TOO_LARGE_PIECES: usize = 10;
const PIECE: usize = 64;

/// The first `N` bytes of a PUBLISH with `remaining` bytes after its header.
const fn packet<const N: usize>(first: u8, topic: &[u8], rest: &[u8], remaining: usize) -> [u8; N] {
    let mut packet = [0; N];
    packet[0] = first;
    packet[1] = remaining as u8;
    let mut at = 2;
    if remaining > 127 {
        packet[1] = remaining as u8 | 0x80;
        packet[2] = (remaining >> 7) as u8;
        at = 3;
    }
    packet[at] = (topic.len() >> 8) as u8;
    packet[at + 1] = topic.len() as u8;
    at += 2;
    let mut index = 0;
    while index < topic.len() {
        packet[at] = topic[index];
        at += 1;
        index += 1;
    }
    index = 0;
    while index < rest.len() {
        packet[at] = rest[index];
        at += 1;
        index += 1;
    }
    assert!(at == N);
    packet
}
