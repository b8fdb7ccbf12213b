//! One test for each mistake that a review of the machine has found.

use super::*;
use crate::error::{ConnectRefusal, TimeoutReason, UsageError};
use crate::event::{DisconnectReason, Event, Withdrawn};
use crate::session::State;

/// Bytes sent that are a PUBLISH at QoS 1, by first byte and the last byte of the payload.
fn publishes(sent: &[u8]) -> Vec<(u8, u8)> {
    let mut rest = sent;
    let mut found = Vec::new();
    while let Ok(Some(header)) = crate::wire::frame::header(rest) {
        let (packet, behind) = rest.split_at(header.total());
        if header.first & 0xF0 == 0x30 {
            found.push((header.first, *packet.last().unwrap()));
        }
        rest = behind;
    }
    found
}

#[test]
fn ready_comes_before_any_later_byte() {
    let mut memory = Memory::roomy();
    let mut client = memory.client(settings());
    let now = Instant::ZERO;
    client.connect(now, &ConnectOptions::default()).unwrap();
    sent(&mut client, now);
    events(&mut client, now, &connack(false));
    sent(&mut client, now);
    let got = events(&mut client, now, &[suback(&[1, 0, 0, 0]), message(7, b"hello")].concat());
    assert!(got[0].starts_with("Ready"), "{got:?}");
    assert!(got[1].starts_with("Message"), "{got:?}");
}

#[test]
fn the_end_of_a_drain_does_not_depend_on_how_the_bytes_come() {
    let mut seen = Vec::new();
    for chunk in [1, 1_000] {
        let mut memory = Memory::roomy();
        let mut client = memory.client(settings());
        ready(&mut client);
        let now = Instant::ZERO;
        let token = telemetry(&mut client, now, b"1");
        sent(&mut client, now);
        client.telemetry_withdraw(now, token).unwrap();
        client.disconnect(now).unwrap();
        let input = [puback(1).to_vec(), message(3, b"late")].concat();
        let mut left = Vec::new();
        let mut events = Vec::new();
        for piece in input.chunks(chunk) {
            left.extend_from_slice(piece);
            events.extend(feed(&mut client, now, &mut left).0);
        }
        seen.push(events);
    }
    assert_eq!(seen[0], seen[1]);
}
