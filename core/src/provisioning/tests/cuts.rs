//! Input cut anywhere.

use super::*;
use crate::storage::RxBuffer;
use proptest::prelude::*;

/// What the application sees, with the input cut at `cuts`.
fn events(input: &[u8], cuts: &[usize]) -> (Vec<String>, Option<Error>) {
    let mut client = client(|config| config.settings.max_packet = 128);
    client.connect(Instant::ZERO, None, 0).unwrap();
    let (mut seen, mut start, mut ends) = (Vec::new(), 0, cuts.iter().copied().chain([input.len()]));
    let mut end = ends.next().unwrap();
    loop {
        send(&mut client, Instant::ZERO);
        match client.handle_input(Instant::ZERO, &input[start..end]) {
            Err(error) => return (seen, Some(error)),
            Ok(handled) => {
                start += handled.consumed;
                seen.extend(handled.event.map(|event| match event {
                    // What was sent last depends on when there was something to send.
                    Event::Disconnected(end) => format!("{:?}", end.reason),
                    event => format!("{event:?}"),
                }));
                if handled.event.is_none() && handled.consumed == 0 {
                    match ends.next() {
                        Some(next) => end = next.max(end),
                        None => return (seen, None),
                    }
                }
            }
        }
    }
}

/// The same through a buffer that the input comes into in pieces.
fn buffered_events(input: &[u8], piece: usize) -> (Vec<String>, Option<Error>) {
    let mut client = client(|config| config.settings.max_packet = 128);
    client.connect(Instant::ZERO, None, 0).unwrap();
    let mut memory = [0; 130];
    let mut rx = RxBuffer::new(&mut memory);
    let (mut seen, mut rest) = (Vec::new(), input);
    loop {
        send(&mut client, Instant::ZERO);
        match client.poll_event(Instant::ZERO, &mut rx) {
            Err(error) => return (seen, Some(error)),
            Ok(Some(Event::Disconnected(end))) => seen.push(format!("{:?}", end.reason)),
            Ok(Some(event)) => seen.push(format!("{event:?}")),
            Ok(None) if rest.is_empty() => return (seen, None),
            Ok(None) => {
                let len = piece.min(rest.len()).min(rx.space().len());
                rx.space()[..len].copy_from_slice(&rest[..len]);
                rx.commit(len);
                rest = &rest[len..];
            }
        }
    }
}

#[test]
fn a_buffer_is_as_large_as_the_largest_packet_and_empty_after_the_end() {
    let mut client = client(|config| config.settings.max_packet = 128);
    let small = UsageError::RxTooSmall { capacity: 127, needed: 128 };
    assert_eq!(client.poll_event(Instant::ZERO, &mut RxBuffer::new(&mut [0; 127])), Err(small.into()));
    let mut memory = [0; 128];
    let mut rx = RxBuffer::new(&mut memory);
    client.connect(Instant::ZERO, None, 0).unwrap();
    send(&mut client, Instant::ZERO);
    let late = b"\xf0\x00\x20\x02\x00\x00";
    rx.space()[..late.len()].copy_from_slice(late);
    rx.commit(late.len());
    assert!(matches!(client.poll_event(Instant::ZERO, &mut rx), Ok(Some(Event::Disconnected(_)))));
    assert_eq!(rx.filled(), b"");
}

fn packets() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![Just(200_u16), Just(202), Just(429), Just(503), Just(404), any::<u16>()];
    let body = prop_oneof![Just(ASSIGNED), Just(ASSIGNING), Just(""), Just("{"), Just(r#"{"status":"failed"}"#)];
    let answers = (status, 0..4_u32, any::<bool>(), body, 0..200_usize).prop_map(|(status, rid, qos_1, body, more)| {
        let topic = format!("$dps/registrations/res/{status}/?$rid={rid}&retry-after=1");
        publish(&topic, qos_1.then_some(7), &[body.as_bytes(), &vec![b' '; more]].concat()).to_vec()
    });
    prop_oneof![
        8 => answers,
        1 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => Just(b"\x90\x03\xff\xff\x01".to_vec()),
        1 => Just(b"\xd0\x00".to_vec()),
    ]
}

proptest! {
    /// Laws 8 and 9, after a handshake and without one.
    #[test]
    fn events_do_not_depend_on_the_cuts(
        signed_in in any::<bool>(),
        packets in proptest::collection::vec(packets(), 0..5),
        mut cuts in proptest::collection::vec(0..600_usize, 0..8),
    ) {
        let mut input = if signed_in { b"\x20\x02\x00\x00\x90\x03\xff\xff\x01".to_vec() } else { Vec::new() };
        input.extend(packets.concat());
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(input.len()));
        cuts.sort_unstable();
        let bytes: Vec<usize> = (0..input.len()).collect();
        let expected = events(&input, &[]);
        prop_assert_eq!(&events(&input, &cuts), &expected);
        prop_assert_eq!(&events(&input, &bytes), &expected);
        for piece in [1, 50, usize::MAX] {
            prop_assert_eq!(&buffered_events(&input, piece), &expected);
        }
    }
}
