use super::*;
use crate::auth::Identity;
use crate::error::{CapacityError, UsageError, WebSocketError, WebSocketViolation as Violation};
use crate::time::{Duration, Instant};
use crate::{Client, Config, ConnectOptions, Event, Inbound, Slot, Storage};
use proptest::prelude::*;
use std::format;
use std::vec::Vec;

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
fn mqtt_waits_for_the_upgrade() {
    let mut room = [0; 512];
    let mut socket = WebSocket::new(&mut room);
    socket.connect(at(0), &Upgrade::new(HOST, RANDOM)).unwrap();
    let request = socket.poll_transmit(Some(b"CONNECT")).unwrap().to_vec();
    assert!(request.starts_with(b"GET /$iothub/websocket HTTP/1.1\r\n"));
    assert_eq!(socket.confirm_transmit(at(0), request.len()), Ok(0));
    assert_eq!(socket.poll_transmit(Some(b"CONNECT")), None);
    socket.handle_input(at(1), ANSWER).unwrap();
    assert_eq!(send(&mut socket, &mut &b"CONNECT"[..], 3), Some((0x82, b"CONNECT".to_vec())));
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
fn a_packet_leaves_in_as_many_frames_as_the_window_needs() {
    let packet: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
    for (window, frames) in [(512, 199), (70_000, 2), (200_000, 1)] {
        let mut room = std::vec![0; window];
        let mut socket = open(&mut room);
        let mut left = packet.as_slice();
        let (mut count, mut bytes) = (0, Vec::new());
        while let Some((first, payload)) = send(&mut socket, &mut left, 777) {
            assert_eq!(first, 0x82);
            bytes.extend(payload);
            count += 1;
            // A ping between its frames is answered between them.
            if count == 1 && left.len() > 1 {
                socket.handle_input(at(1), &frame(0x89, b"now")).unwrap();
                assert_eq!(send(&mut socket, &mut left, 1), Some((0x8A, b"now".to_vec())));
            }
        }
        assert!(bytes == packet && left.is_empty());
        assert_eq!(count, frames, "window {window}");
    }
}

#[test]
fn masks_change_with_each_frame() {
    let mut room = [0; 512];
    let mut socket = open(&mut room);
    let mut keys: Vec<Vec<u8>> = (0..100)
        .map(|_| {
            let lent = socket.poll_transmit(Some(b"x")).unwrap().to_vec();
            socket.confirm_transmit(at(1), lent.len()).unwrap();
            lent[2..6].to_vec()
        })
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 100);
}

#[test]
fn confirmed_bytes_are_mqtts_without_the_header() {
    let mut room = [0; 512];
    let mut socket = open(&mut room);
    assert_eq!(socket.poll_transmit(Some(b"abc")).unwrap().len(), 9);
    assert_eq!(socket.confirm_transmit(at(1), 10), Err(UsageError::BadConfirm { lent: 9, confirmed: 10 }.into()));
    for (count, mqtt) in [(0, 0), (5, 0), (2, 1), (1, 1), (1, 1), (0, 0)] {
        assert_eq!(socket.confirm_transmit(at(1), count), Ok(mqtt));
    }
    assert_eq!(socket.confirm_transmit(at(1), 1), Err(UsageError::BadConfirm { lent: 0, confirmed: 1 }.into()));
    assert_eq!(socket.poll_transmit(Some(b"")), None);
    assert_eq!(socket.poll_transmit(None), None);
}

/// Law 10: the mask stands beside what it masks, so a sent CONNECT would be readable.
#[test]
fn nothing_sent_stays_in_memory() {
    let password = b"SharedAccessSignature sig=secret";
    for end in 0..5 {
        let mut room = [0; 512];
        let mut socket = open(&mut room);
        let len = socket.poll_transmit(Some(password)).unwrap().len();
        match end {
            0 => drop(socket.confirm_transmit(at(1), len)),
            1 => drop(socket.handle_eof(at(1))),
            2 => socket.fail(WebSocketError::TimedOut),
            3 => drop(socket.disconnect(at(1))),
            _ => {}
        }
        if end == 2 || end == 3 {
            // Half a frame is finished first.
            assert_eq!(socket.handle_timeout(socket.poll_timeout().unwrap()).err(), socket.error());
        }
        drop(socket);
        assert!(room[..len].iter().all(|&byte| byte == 0), "end {end}");
    }
    let mut room = [0; 512];
    let shown = format!("{:?}", open(&mut room));
    assert_eq!(shown, "WebSocket { state: Open, error: None, .. }");
}

/// What the server may not do: the error, the code we close with, and how many bytes are consumed.
#[test]
fn bad_frames_are_refused() {
    let long = frame(0x89, &[0; 126]);
    let table: &[(&[u8], Violation, usize)] = &[
        (b"\xc2\x01x", Violation::ReservedBits, 0),
        (b"\xa2\x01x", Violation::ReservedBits, 0),
        (b"\x92\x01x", Violation::ReservedBits, 0),
        (b"\x81\x01x", Violation::TextFrame, 0),
        (b"\x83\x01x", Violation::ReservedOpcode, 0),
        (b"\x8f\x00", Violation::ReservedOpcode, 0),
        (b"\x82\x81\x01\x02\x03\x04x", Violation::Masked, 1),
        (b"\x89\x80\x01\x02\x03\x04", Violation::Masked, 1),
        (b"\x82\x7e\x00\x7d", Violation::BadLength, 3),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", Violation::BadLength, 9),
        (b"\x82\x7f\x80", Violation::BadLength, 2),
        (b"\x80\x00", Violation::UnexpectedContinuation, 0),
        (b"\x00\x00", Violation::UnexpectedContinuation, 0),
        (b"\x02\x00\x82\x00", Violation::ExpectedContinuation, 2),
        (b"\x02\x00\x80\x00\x80\x00", Violation::UnexpectedContinuation, 4),
        (b"\x09\x00", Violation::FragmentedControl, 0),
        (b"\x08\x00", Violation::FragmentedControl, 0),
        (&long, Violation::LongControl, 1),
        (b"\x88\x01\x03", Violation::BadClose, 2),
        (b"\x88\x02\x03\xe7", Violation::BadClose, 3),
        (b"\x88\x02\x03\xed", Violation::BadClose, 3),
        (b"\x88\x02\x13\x88", Violation::BadClose, 3),
        (b"\x88\x03\x03\xe8\xff", Violation::BadClose, 4),
    ];
    for &(input, violation, consumed) in table {
        let error = WebSocketError::Peer(violation);
        assert!(error.is_fatal() && !format!("{error}").is_empty());
        let code: u16 = if violation == Violation::TextFrame { 1003 } else { 1002 };
        let expected = Outcome {
            mqtt: Vec::new(),
            error: Some(error),
            state: State::Closing,
            sent: std::vec![(0x88, code.to_be_bytes().to_vec())],
            end: State::Closed,
        };
        for size in 1..=input.len() {
            let mut room = [0; 512];
            assert_eq!(fed(open(&mut room), input, &[size], false), expected, "{input:x?}");
        }
        let mut room = [0; 512];
        let mut socket = open(&mut room);
        let first = socket.handle_input(at(1), input);
        match consumed {
            0 => assert_eq!(first, Err(error), "{input:x?}"),
            _ => assert_eq!(first.map(|handled| handled.consumed), Ok(consumed), "{input:x?}"),
        }
        assert_eq!(socket.handle_input(at(1), b"\x82\x01x"), Err(error));
        assert_eq!(socket.handle_timeout(at(1)), Err(error));
    }
}

#[test]
fn another_answer_ends_the_upgrade() {
    for (answer, error) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", WebSocketError::Refused { status: 404 }),
        ("HTTP/1.1 100 Continue\r\n\r\n", WebSocketError::Refused { status: 100 }),
        ("HTTP/1.1 301 x\r\nLocation: /\r\n\r\n", WebSocketError::Refused { status: 301 }),
        ("HTTP/1.1 503 x\r\n\r\nbody", WebSocketError::Refused { status: 503 }),
        ("HTTP/1.1 101 x\r\n\r\n", WebSocketError::Peer(Violation::NoUpgrade)),
        ("\x15\x03\x01", WebSocketError::Peer(Violation::BadStatusLine)),
    ] {
        let expected = Outcome {
            mqtt: Vec::new(),
            error: Some(error),
            state: State::Closed,
            sent: Vec::new(),
            end: State::Closed,
        };
        for size in 1..=answer.len() {
            let mut room = [0; 512];
            assert_eq!(fed(upgrading(&mut room), answer.as_bytes(), &[size], size % 2 == 0), expected, "{answer:?}");
        }
        // It can be tried again at once.
        let mut room = [0; 512];
        let mut socket = upgrading(&mut room);
        let _ = socket.handle_input(at(1), answer.as_bytes());
        socket.connect(at(0), &Upgrade::new(HOST, RANDOM)).unwrap();
        assert_eq!((socket.state(), socket.error()), (State::Upgrading, None));
    }
}

#[test]
fn a_polite_end() {
    let mut room = [0; 512];
    let mut socket = open(&mut room);
    let half = socket.poll_transmit(Some(b"abc")).unwrap().len();
    assert_eq!(socket.confirm_transmit(at(1), half - 1), Ok(2));
    socket.disconnect(at(10)).unwrap();
    assert_eq!((socket.state(), socket.poll_timeout()), (State::Closing, Some(at(2_010))));
    // Half a frame is finished, for nobody; after the Close no MQTT leaves, and no pong.
    assert_eq!(socket.poll_transmit(Some(b"c")).unwrap().len(), 1);
    assert_eq!(socket.confirm_transmit(at(20), 1), Ok(0));
    socket.handle_input(at(20), &frame(0x89, b"?")).unwrap();
    assert_eq!(send(&mut socket, &mut &b"more"[..], 2), Some((0x88, std::vec![3, 232])));
    assert_eq!(socket.poll_transmit(Some(b"more")), None);
    // What comes before the answer is given on, what comes after it is dropped.
    let input = [frame(0x82, b"late"), frame(0x88, &[3, 232]), frame(0x82, b"never")].concat();
    assert_eq!(socket.handle_input(at(30), &input).unwrap().payload, b"late");
    assert_eq!(socket.handle_input(at(30), &input[6..]).unwrap().consumed, 4);
    assert_eq!((socket.state(), socket.error(), socket.poll_timeout()), (State::Closed, None, None));
    assert_eq!(socket.handle_input(at(30), &input[10..]), Ok(Unframed { consumed: 7, payload: &[] }));
    assert_eq!(socket.disconnect(at(30)), Ok(()));
}

/// A client gives up while a frame with its bytes is on its way: the frame is finished, and the client, whose lend is over,
/// is not told of it.
#[test]
fn a_client_that_fails_within_a_frame() {
    let (mut tx, mut slots, mut inbound) = ([0; 1_024], [Slot::EMPTY; 1], [Inbound::EMPTY; 1]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut client = Client::new(Config::new(Identity::device(HOST, "dev1")), storage).unwrap();
    let mut room = [0; 512];
    let mut socket = open(&mut room);
    client.connect(at(1), &ConnectOptions::default()).unwrap();
    let frame = socket.poll_transmit(client.poll_transmit()).unwrap().len();
    let confirmed = socket.confirm_transmit(at(1), 20).unwrap();
    client.confirm_transmit(at(1), confirmed).unwrap();

    let late = client.poll_timeout().unwrap();
    assert!(client.handle_timeout(late).is_err());
    assert!(matches!(client.handle_input(late, &[]).unwrap().event, Some(Event::Disconnected(_))));
    socket.disconnect(late).unwrap();
    let rest = socket.poll_transmit(client.poll_transmit()).unwrap().len();
    assert_eq!(rest, frame - 20);
    let confirmed = socket.confirm_transmit(late, rest).unwrap();
    assert_eq!(client.confirm_transmit(late, confirmed), Ok(()));
    assert_eq!(control(&mut socket), [(0x88, std::vec![3, 232])]);
}

#[test]
fn a_server_that_closes_gets_its_code_back() {
    for (payload, code) in [(&b""[..], None), (b"\x03\xe9", Some(1001)), (b"\x0f\xa0bye", Some(4000))] {
        let expected = Outcome {
            mqtt: b"x".to_vec(),
            error: Some(WebSocketError::Closed { code }),
            state: State::Closing,
            sent: std::vec![(0x88, payload[..payload.len().min(2)].to_vec())],
            end: State::Closed,
        };
        let input = [frame(0x82, b"x"), frame(0x88, payload), frame(0x82, b"never")].concat();
        let mut room = [0; 512];
        assert_eq!(fed(open(&mut room), &input, &[3], true), expected);
    }
    // Both at once: that is no error.
    let mut room = [0; 512];
    let mut socket = open(&mut room);
    socket.disconnect(at(1)).unwrap();
    socket.handle_input(at(1), &frame(0x88, &[3, 233])).unwrap();
    assert_eq!(
        (control(&mut socket), socket.state(), socket.error()),
        (std::vec![(0x88, std::vec![3, 232])], State::Closed, None)
    );
}

#[test]
fn deadlines() {
    let mut room = [0; 512];
    let mut socket = WebSocket::new(&mut room);
    let upgrade = Upgrade { timeout: Duration::from_secs(5), ..Upgrade::new(HOST, RANDOM) };
    assert_eq!(socket.poll_timeout(), None);
    socket.connect(at(1_000), &upgrade).unwrap();
    assert_eq!(socket.poll_timeout(), Some(at(6_000)));
    assert_eq!(socket.handle_timeout(at(5_999)), Ok(()));
    assert_eq!(socket.handle_timeout(at(9_000)), Err(WebSocketError::TimedOut));
    assert_eq!((socket.state(), socket.poll_timeout(), socket.poll_transmit(None)), (State::Closed, None, None));
    assert_eq!(socket.handle_timeout(at(9_000)), Err(WebSocketError::TimedOut), "repeated");
    // `connect` rebases; an answer disarms.
    socket.connect(at(10), &upgrade).unwrap();
    let request = socket.poll_transmit(None).unwrap().len();
    socket.confirm_transmit(at(10), request).unwrap();
    socket.handle_input(at(20), ANSWER).unwrap();
    assert_eq!(socket.poll_timeout(), None);
    // A server that does not answer a Close.
    socket.disconnect(at(30)).unwrap();
    assert_eq!(socket.poll_timeout(), Some(at(2_030)));
    let len = socket.poll_transmit(None).unwrap().len();
    socket.confirm_transmit(at(40), len).unwrap();
    assert_eq!(socket.poll_timeout(), Some(at(2_040)));
    assert_eq!((socket.handle_timeout(at(2_040)), socket.state()), (Ok(()), State::Closed));
}

#[test]
fn wrong_calls_change_nothing() {
    let mut room = [0; 512];
    let mut socket = WebSocket::new(&mut room);
    let upgrade = Upgrade::new(HOST, RANDOM);
    let late = at(u64::MAX / 2 + 1);
    let bad = WebSocketError::Usage(UsageError::BadInstant);
    assert_eq!(socket.connect(late, &upgrade), Err(bad));
    assert_eq!(socket.handle_input(late, b"x"), Err(bad));
    assert_eq!(socket.handle_timeout(late), Err(bad));
    assert_eq!(socket.handle_eof(late), Err(bad));
    assert_eq!(socket.disconnect(late), Err(bad));
    assert_eq!(socket.confirm_transmit(late, 0), Err(bad));
    assert_eq!(socket.handle_input(at(0), b"x"), Err(UsageError::InvalidState.into()));
    socket.connect(at(0), &upgrade).unwrap();
    assert_eq!(socket.connect(at(0), &upgrade), Err(UsageError::InvalidState.into()));
    assert_eq!(socket.state(), State::Upgrading);
    socket.disconnect(at(0)).unwrap();
    assert_eq!(socket.state(), State::Closed, "before the upgrade there is nothing to say");
    socket.connect(at(0), &upgrade).unwrap();
    socket.handle_eof(at(0)).unwrap();
    assert_eq!((socket.state(), socket.poll_transmit(None)), (State::Offline, None));
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
