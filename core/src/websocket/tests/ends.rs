//! How it ends: by the server's fault, politely, in time, and not by a wrong call.

use super::*;
use crate::auth::Identity;
use crate::error::WebSocketViolation as Violation;
use crate::time::Duration;
use crate::{Client, Config, ConnectOptions, Event, Inbound, Slot, Storage};

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
