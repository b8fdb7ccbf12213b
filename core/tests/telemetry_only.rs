//! Without the feature `inbound`: sign-in and telemetry, and nothing of what the hub publishes.
#![cfg(not(feature = "inbound"))]

use iothub_proto::auth::Identity;
use iothub_proto::error::UsageError;
use iothub_proto::time::Instant;
use iothub_proto::topic::Features;
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, Settings, Slot, Storage, Telemetry};

const NOW: Instant = Instant::ZERO;

/// On a topic that an earlier program subscribed: QoS 1, 5 bytes of payload.
const PUBLISH: &[u8] = b"\x32\x0C\x00\x03a/b\x00\x07later";

fn transmit(client: &mut Client<'_>) -> Vec<u8> {
    let packet = client.poll_transmit().expect("a packet").to_vec();
    client.confirm_transmit(NOW, packet.len()).expect("what was lent");
    packet
}

/// Feeds `input` in pieces of `piece` bytes, and gives the events.
fn feed(client: &mut Client<'_>, input: &[u8], piece: usize) -> Vec<String> {
    let (mut start, mut end, mut events) = (0, 0, Vec::new());
    loop {
        let handled = client.handle_input(NOW, &input[start..end]).expect("no error");
        start += handled.consumed;
        match handled.event {
            Some(event) => events.push(format!("{event:?}")),
            None if handled.consumed > 0 || client.has_event() => {}
            None if end == input.len() => break,
            None => end = (end + piece).min(input.len()),
        }
    }
    assert_eq!(start, input.len());
    events
}

#[test]
fn a_device_sends_telemetry_and_passes_over_what_comes() {
    for piece in [1, 3, 64] {
        let (mut tx, mut slots, mut inbound) = ([0; 1_024], [Slot::EMPTY; 2], [Inbound::EMPTY; 1]);
        let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
        let config = Config::new(Identity::device("contoso.azure-devices.net", "dev1"));
        assert_eq!(config.settings.features, Features::NONE);
        let mut client = Client::new(config, storage).expect("a client");
        client.connect(NOW, &ConnectOptions::default()).expect("offline");
        assert_eq!(transmit(&mut client)[0], 0x10);
        assert_eq!(
            feed(&mut client, b"\x20\x02\x01\x00", piece),
            ["Connected { session_present: true }", "Ready { refused: Features(0) }"]
        );
        assert_eq!(client.poll_transmit(), None, "nothing is subscribed");

        let token = client.send_telemetry(NOW, &Telemetry { payload: b"21.5", ..Telemetry::default() }).expect("room");
        assert_eq!(transmit(&mut client)[0], 0x32);
        let acked = format!("{:?}", Event::TelemetryAcked(token));
        let input = [PUBLISH, b"\x40\x02\x00\x01", PUBLISH, b"\x30\x04\x00\x01tx"].concat();
        assert_eq!(feed(&mut client, &input, piece), [acked]);
        assert_eq!(client.poll_transmit(), None, "not acknowledged: the hub keeps it");
        assert_eq!((client.pending().telemetry, client.pending().messages), (0, 0));
    }
}

#[test]
fn what_is_not_in_the_build_is_refused() {
    let (mut tx, mut slots, mut inbound) = ([0; 1_024], [Slot::EMPTY; 2], [Inbound::EMPTY; 1]);
    let identity = Identity::device("contoso.azure-devices.net", "dev1");
    let settings = Settings { features: Features::METHODS, ..Settings::default() };
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let refused = Client::new(Config { identity, settings }, storage).err();
    assert_eq!(refused, Some(UsageError::WrongIdentity.into()));
}
