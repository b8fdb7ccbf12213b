//! Capture files of TCP conversations that were recorded as bytes, for dissectors to read. Nothing is captured, so no
//! rights are needed and no packet is missed: Ethernet, IPv4 and TCP are made up around the bytes.
//!
//! The format is the classic one of libpcap, with microseconds.
//!
//! ```
//! use iothub_tests::link::End;
//! use iothub_tests::pcap::{Conversation, pcap};
//!
//! let chunks = vec![(End::Client, b"\xc0\x00".to_vec()), (End::Hub, b"\xd0\x00".to_vec())];
//! let file = pcap(&[Conversation { client_port: 50_000, hub_port: 1883, chunks }]);
//! assert_eq!(file[..4], 0xa1b2_c3d4_u32.to_be_bytes());
//! ```

use std::net::Ipv4Addr;

use crate::link::End;

/// One connection: what each end sent, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conversation {
    /// The client's port.
    pub client_port: u16,
    /// The hub's port.
    pub hub_port: u16,
    /// Who sent what.
    pub chunks: Vec<(End, Vec<u8>)>,
}

/// Bytes of data in a segment (Ethernet's 1500 without two headers of 20).
const SEGMENT: usize = 1_460;
const FIN: u8 = 1;
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// A capture of these conversations, one after the other: handshake, data with an acknowledgement for each segment,
/// and an end by the client.
#[must_use]
pub fn pcap(conversations: &[Conversation]) -> Vec<u8> {
    // Magic number, version 2.4, zone and accuracy 0, longest record, link type Ethernet.
    let header: [u32; 6] = [0xa1b2_c3d4, 0x0002_0004, 0, 0, 0xffff, 1];
    let mut writer = Writer { file: header.into_iter().flat_map(u32::to_be_bytes).collect(), millis: 0 };
    for conversation in conversations {
        writer.conversation(conversation);
    }
    writer.file
}

/// One end of a connection.
struct Side {
    address: Ipv4Addr,
    port: u16,
    /// The next sequence number.
    next: u32,
}

struct Writer {
    file: Vec<u8>,
    millis: u32,
}

impl Writer {
    fn conversation(&mut self, conversation: &Conversation) {
        let mut client = Side { address: Ipv4Addr::new(10, 0, 0, 1), port: conversation.client_port, next: 1_000 };
        // So that the numbers wrap on the way.
        let mut hub = Side { address: Ipv4Addr::new(10, 0, 0, 2), port: conversation.hub_port, next: u32::MAX - 10 };
        self.segment(&mut client, &hub, SYN, &[]);
        self.segment(&mut hub, &client, SYN | ACK, &[]);
        self.segment(&mut client, &hub, ACK, &[]);
        for (from, bytes) in &conversation.chunks {
            let (from, to) = match from {
                End::Client => (&mut client, &mut hub),
                End::Hub => (&mut hub, &mut client),
            };
            for bytes in bytes.chunks(SEGMENT) {
                self.segment(from, to, PSH | ACK, bytes);
                self.segment(to, from, ACK, &[]);
            }
        }
        self.segment(&mut client, &hub, FIN | ACK, &[]);
        self.segment(&mut hub, &client, FIN | ACK, &[]);
        self.segment(&mut client, &hub, ACK, &[]);
    }

    fn segment(&mut self, from: &mut Side, to: &Side, flags: u8, data: &[u8]) {
        let acknowledged = if flags & ACK == 0 { 0 } else { to.next };
        let mut tcp = Vec::new();
        tcp.extend(from.port.to_be_bytes());
        tcp.extend(to.port.to_be_bytes());
        tcp.extend(from.next.to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        // Five words of header; window; checksum and urgent pointer.
        tcp.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(data);
        let tcp_len = tcp.len() as u16;
        // The checksum also covers a pseudo-header (RFC 9293 §3.1).
        let pseudo = [&from.address.octets()[..], &to.address.octets(), &[0, 6], &tcp_len.to_be_bytes(), &tcp].concat();
        tcp[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());

        let [high, low] = (20 + tcp_len).to_be_bytes();
        // Version 4 and five words; length; no identification; not to be fragmented; 64 hops; TCP; checksum.
        let ip = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, 6, 0, 0];
        let mut ip = [&ip[..], &from.address.octets(), &to.address.octets()].concat();
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());

        let ethernet = [&mac(to)[..], &mac(from), &[8, 0]].concat();
        let frame = [ethernet, ip, tcp].concat();
        let len = frame.len() as u32;
        // 2026-01-01T00:00:00Z, and a millisecond for each frame.
        let time = [1_767_225_600 + self.millis / 1_000, self.millis % 1_000 * 1_000];
        self.millis += 1;
        self.file.extend([time[0], time[1], len, len].into_iter().flat_map(u32::to_be_bytes));
        self.file.extend(frame);
        // SYN and FIN count as a byte.
        let counted = data.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        from.next = from.next.wrapping_add(counted);
    }
}

/// A locally administered address.
fn mac(side: &Side) -> [u8; 6] {
    let [a, b, c, d] = side.address.octets();
    [2, 0, a, b, c, d]
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0x12]), !0x1200);
    }

    #[test]
    fn every_byte_is_in_its_place() {
        let chunks = vec![(End::Client, vec![1; 4_000]), (End::Hub, vec![2; 70_000]), (End::Client, vec![3])];
        let file = pcap(&[Conversation { client_port: 50_000, hub_port: 1883, chunks }]);
        let (mut rest, mut streams, mut frames) = (&file[24..], [Vec::<u8>::new(), Vec::new()], 0);
        while !rest.is_empty() {
            let len = u32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize;
            let (frame, behind) = rest[16..].split_at(len);
            rest = behind;
            frames += 1;
            let (ip, tcp) = (&frame[14..34], &frame[34..]);
            assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), len - 14);
            assert_eq!(checksum(ip), 0);
            let pseudo = [&ip[12..20], &[0, 6], &(tcp.len() as u16).to_be_bytes(), tcp].concat();
            assert_eq!(checksum(&pseudo), 0);
            let from_hub = tcp[..2] == 1883_u16.to_be_bytes();
            let first = if from_hub { u32::MAX - 10 } else { 1_000 };
            let stream = &mut streams[usize::from(from_hub)];
            let sequence = u32::from_be_bytes(tcp[4..8].try_into().unwrap());
            if tcp.len() > 20 {
                assert_eq!(sequence, first.wrapping_add(1 + stream.len() as u32));
                stream.extend(&tcp[20..]);
            }
        }
        assert_eq!(streams, [[vec![1; 4_000], vec![3]].concat(), vec![2; 70_000]]);
        // 3 + 48 + 1 segments, each acknowledged; 3 to begin and 3 to end.
        assert_eq!(frames, 52 * 2 + 6);
    }
}
