//! What leaves: MQTT's bytes in frames, each with a mask of its own.

use super::*;

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
