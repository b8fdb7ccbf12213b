//! Law 8: the same bytes make the same events, however they come.

use super::*;
use crate::session::State;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// A packet from the hub, `what` with the choice `n`.
fn packet(what: u8, n: u16, rids: &[String]) -> Vec<u8> {
    let big = usize::from(n) % 300;
    let bag = "x".repeat(if n.is_multiple_of(3) { big } else { 0 });
    match what {
        0 => publish(
            &format!("devices/dev1/messages/devicebound/{bag}"),
            (n.is_multiple_of(2)).then_some(n | 1),
            &vec![b'm'; big],
        ),
        1 => desired(u64::from(n % 4)),
        2 => publish(&format!("$iothub/methods/POST/{bag}m/?$rid={n}"), None, &vec![b'1'; big]),
        3 => puback(n % 5 + 1).to_vec(),
        4 => document(&rids[usize::from(n) % rids.len()], u64::from(n % 4)),
        5 => {
            let body = format!("{{\"desired\":{{\"$version\":{}}},\"reported\":{{\"{}\":1}}}}", n % 4, "p".repeat(big));
            let topic = format!("$iothub/twin/res/200/?$rid={}", rids[usize::from(n) % rids.len()]);
            publish(&topic, (n.is_multiple_of(2)).then_some(n | 1), body.as_bytes())
        }
        6 => suback(&[0]),
        7 if n.is_multiple_of(4) => vec![[0xF0, 0], [0x20, 2], [0x30, 1], [0x40, 3]][usize::from(n / 4) % 4].to_vec(),
        _ => vec![0xD0, 0],
    }
}

fn set_streams(settings: &mut Settings, streams: bool) {
    let _ = (&settings, streams);
    #[cfg(feature = "stream")]
    {
        settings.stream_payloads = streams;
    }
}

/// Pieces that follow each other as one: where they are cut is how the bytes came.
fn joined(events: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for event in events {
        let bytes = |piece: &str| {
            let (_, bytes) = piece.strip_prefix("StreamPiece { ")?.split_once("bytes: [")?;
            Some(String::from(bytes.strip_suffix("] }")?))
        };
        match (bytes(&event), joined.last_mut()) {
            (Some(more), Some(last)) if bytes(last).is_some() => {
                last.truncate(last.len() - "] }".len());
                last.push_str(&format!(", {more}] }}"));
            }
            _ => joined.push(event),
        }
    }
    joined
}

/// Everything there is to see of a client to which `input` comes in pieces of these sizes, over and over.
fn outcome(input: &[u8], sizes: &[usize], drains: bool, streams: bool) -> (Vec<String>, Option<Error>, State, Vec<u8>) {
    let mut memory = Memory::roomy();
    let mut settings = Settings { max_packet: 128, ..synced() };
    set_streams(&mut settings, streams);
    let mut client = memory.client(settings);
    let now = Instant::ZERO;
    sign_in(&mut client, now, false);
    for body in [b"1", b"2"] {
        let token = telemetry(&mut client, now, body);
        sent(&mut client, now);
        client.telemetry_withdraw(now, token).unwrap();
    }
    telemetry(&mut client, now, b"3");
    client.twin_get(now).unwrap();
    sent(&mut client, now);
    client.subscribe(now, Features::ALL_DEVICE).unwrap();
    if drains {
        client.disconnect(now).unwrap();
    }
    let (mut events, mut rest, mut left) = (Vec::new(), input, Vec::new());
    for &size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        left.extend_from_slice(piece);
        let (more, error) = feed(&mut client, now, &mut left);
        events.extend(more);
        rest = behind;
        if error.is_some() || rest.is_empty() {
            return (joined(events), error, client.state(), sent(&mut client, now));
        }
    }
    unreachable!("there is a size")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000, rng_seed: RngSeed::Fixed(8), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_same_bytes_make_the_same_events(
        packets in proptest::collection::vec((0u8..9, any::<u16>()), 1..12),
        sizes in proptest::collection::vec(1usize..60, 1..6),
        drains: bool,
        streams: bool,
    ) {
        // The first GET is that of synchronisation, the second that of the application.
        let rids: Vec<String> = ["s00000001", "00010003"].map(String::from).to_vec();
        let input: Vec<u8> = packets.into_iter().flat_map(|(what, n)| packet(what, n, &rids)).collect();
        prop_assert_eq!(outcome(&input, &[input.len()], drains, streams), outcome(&input, &sizes, drains, streams));
        prop_assert_eq!(outcome(&input, &[1], drains, streams), outcome(&input, &sizes, drains, streams));
    }
}
