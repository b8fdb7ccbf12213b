//! The adapter between a server's bytes, put together by hand, and a client's.

use super::*;
use crate::error::{CapacityError, UsageError, WebSocketError};
use crate::time::Instant;
use proptest::prelude::*;
use std::format;
use std::vec::Vec;

mod ends;
mod sent;

const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

const RANDOM: [u8; 32] = *b"the sample nonceand a secret one";
const HOST: &str = "contoso.azure-devices.net";

const fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A frame from the server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len();
    let mut frame = match len {
        0..=125 => std::vec![first, len as u8],
        126..=65_535 => std::vec![first, 126, (len >> 8) as u8, len as u8],
        _ => [&[first, 127][..], &(len as u64).to_be_bytes()].concat(),
    };
    frame.extend(payload);
    frame
}

/// Asked for an upgrade, which was sent.
fn upgrading(window: &mut [u8]) -> WebSocket<'_> {
    let mut socket = WebSocket::new(window);
    socket.connect(at(0), &Upgrade::new(HOST, RANDOM)).unwrap();
    let request = socket.poll_transmit(None).unwrap().len();
    assert_eq!(socket.confirm_transmit(at(0), request), Ok(0));
    socket
}

fn open(window: &mut [u8]) -> WebSocket<'_> {
    let mut socket = upgrading(window);
    let answered = socket.handle_input(at(1), ANSWER);
    assert_eq!(answered, Ok(Unframed { consumed: ANSWER.len(), payload: &[] }));
    assert_eq!(socket.state(), State::Open);
    socket
}

/// The first byte and the payload of a frame of ours, unmasked.
fn unmasked(frame: &[u8]) -> (u8, Vec<u8>) {
    let header = match frame[1] {
        0xFE => 4,
        0xFF => 10,
        _ => 2,
    };
    let key = &frame[header..header + 4];
    let payload = frame[header + 4..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    (frame[0], payload.collect())
}

/// The next frame, sent in parts of `step` bytes; `mqtt` shrinks by what was confirmed.
fn send(socket: &mut WebSocket<'_>, mqtt: &mut &[u8], step: usize) -> Option<(u8, Vec<u8>)> {
    let mut sent = socket.poll_transmit(Some(mqtt))?.to_vec();
    let place = socket.poll_transmit(Some(mqtt))?.as_ptr();
    let (mut left, whole) = (sent.len(), sent.len());
    while left > 0 {
        let lent = socket.poll_transmit(Some(mqtt)).unwrap();
        assert_eq!((lent.as_ptr() as usize, lent), (place as usize + whole - left, &sent[whole - left..]), "law 11");
        let count = step.min(left);
        let confirmed = socket.confirm_transmit(at(1), count).unwrap();
        *mqtt = &mqtt[confirmed..];
        left -= count;
    }
    Some(unmasked(&core::mem::take(&mut sent)))
}

/// All that is sent without MQTT's bytes.
fn control(socket: &mut WebSocket<'_>) -> Vec<(u8, Vec<u8>)> {
    core::iter::from_fn(|| send(socket, &mut &[][..], usize::MAX)).collect()
}

/// What some input came to.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Outcome {
    mqtt: Vec<u8>,
    error: Option<WebSocketError>,
    state: State,
    sent: Vec<(u8, Vec<u8>)>,
    end: State,
}

/// Feeds `input` in pieces of these sizes, in turn.
fn fed(mut socket: WebSocket<'_>, input: &[u8], sizes: &[usize], in_place: bool) -> Outcome {
    let (mut mqtt, mut rest) = (Vec::new(), input);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        rest = behind;
        if in_place {
            let mut piece = piece.to_vec();
            let len = socket.handle_input_in_place(at(1), &mut piece).unwrap_or(0);
            mqtt.extend(&piece[..len]);
            continue;
        }
        let mut piece = piece;
        while let Ok(Unframed { consumed: consumed @ 1.., payload }) = socket.handle_input(at(1), piece) {
            assert_eq!(&piece[consumed - payload.len()..consumed], payload);
            mqtt.extend(payload);
            piece = &piece[consumed..];
        }
    }
    let state = socket.state();
    let error = socket.error();
    assert_eq!(
        socket.handle_input(at(1), &[]).err(),
        error.or((state == State::Offline).then_some(UsageError::InvalidState.into()))
    );
    let sent = control(&mut socket);
    Outcome { mqtt, error, state, sent, end: socket.state() }
}

#[test]
fn the_request_needs_what_is_documented() {
    let mut room = [0; 256];
    let mut socket = WebSocket::new(&mut room);
    socket.connect(at(0), &Upgrade { path: "/", ..Upgrade::new("h", RANDOM) }).unwrap();
    assert_eq!(socket.poll_transmit(None).unwrap().len() - 2, 168);
    assert_eq!(socket.state(), State::Upgrading);
    let mut room = [0; 169];
    let mut socket = WebSocket::new(&mut room);
    let small = socket.connect(at(0), &Upgrade { path: "/", ..Upgrade::new("h", RANDOM) });
    assert_eq!(small, Err(CapacityError::TooLarge { needed: 170, capacity: 169 }.into()));
    assert_eq!((socket.state(), socket.poll_transmit(Some(b"x"))), (State::Offline, None));
    // Room for the largest control frame is there with that.
    const { assert!(169 > 6 + frame::MAX_CONTROL) };
}

#[test]
fn frames_and_answer_may_come_together() {
    let mut room = [0; 512];
    let mut socket = upgrading(&mut room);
    let input = [ANSWER, &frame(0x02, b"ab"), &frame(0x89, b"?"), &frame(0x80, b"c")].concat();
    let handled = socket.handle_input(at(1), &input).unwrap();
    assert_eq!((handled.consumed, handled.payload), (ANSWER.len() + 4, &b"ab"[..]));
    let handled = socket.handle_input(at(1), &input[handled.consumed..]).unwrap();
    assert_eq!((handled.consumed, handled.payload), (6, &b"c"[..]));
    assert_eq!(control(&mut socket), [(0x8A, b"?".to_vec())]);
}

#[test]
fn a_later_ping_takes_the_place_of_an_earlier() {
    let mut room = [0; 512];
    let mut socket = open(&mut room);
    for payload in ["a", "b", ""] {
        socket.handle_input(at(1), &frame(0x89, payload.as_bytes())).unwrap();
    }
    socket.handle_input(at(1), &frame(0x8A, &[b'x'; 125])).unwrap();
    assert_eq!(control(&mut socket), [(0x8A, Vec::new())]);
    socket.handle_input(at(1), &frame(0x89, &[b'y'; 125])).unwrap();
    assert_eq!(control(&mut socket), [(0x8A, std::vec![b'y'; 125])]);
}

#[cfg(feature = "alloc")]
#[test]
fn with_a_window_of_its_own() {
    let mut socket = WebSocket::with_window(512);
    socket.connect(at(0), &Upgrade::new(HOST, RANDOM)).unwrap();
    assert!(socket.poll_transmit(None).is_some_and(|request| request.ends_with(b"\r\n\r\n")));
}

/// Frames that are mostly as they should be.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => Just(0x82_u8), 4 => Just(0x02), 4 => Just(0x00), 4 => Just(0x80), 3 => Just(0x89), 1 => Just(0x8A), 1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let len = prop_oneof![8 => 0..20_usize, 2 => 120..130_usize, 1 => 65_530..65_540_usize];
    let one = (first, len).prop_map(|(first, len)| frame(first, &std::vec![b'm'; len]));
    let frames = proptest::collection::vec(one, 0..12).prop_map(|frames| frames.concat());
    let noise = proptest::collection::vec(any::<u8>(), 0..20);
    let good =
        prop_oneof![4 => Just(ANSWER.to_vec()), 1 => Just(Vec::new()), 1 => Just(b"HTTP/1.1 200 OK\r\n".to_vec())];
    (good, frames, noise).prop_map(|(answer, frames, noise)| [answer, frames, noise].concat())
}

proptest! {
    /// Law 8 and law 9: any bytes, split anywhere, in place or not, come to the same and panic nowhere.
    #[test]
    fn any_bytes_at_any_split(input in stream(), sizes in proptest::collection::vec(1..200_usize, 1..20)) {
        let mut rooms = [[0; 512]; 3];
        let [first, second, third] = &mut rooms;
        let whole = fed(upgrading(first), &input, &[usize::MAX], false);
        prop_assert_eq!(&fed(upgrading(second), &input, &sizes, false), &whole);
        prop_assert_eq!(&fed(upgrading(third), &input, &sizes, true), &whole);
    }
}

#[test]
fn a_socket_is_small() {
    // With a window of 512 bytes, what a device adds to its RAM.
    assert!(size_of::<WebSocket<'_>>() <= 384, "{} bytes", size_of::<WebSocket<'_>>());
}
