//! The client against bytes written by hand: what a hub rarely does, and what drivers rarely do.

mod model;
mod review;
mod scope;
mod split;

use super::Client;
use crate::auth::Identity;
use crate::config::{Config, ConnectOptions, Settings, Telemetry};
use crate::error::Error;
use crate::event::TelemetryToken;
use crate::storage::{Inbound, RxBuffer, Slot, Storage};
use crate::time::Instant;
use crate::topic::Features;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

impl super::machine::Machine {
    /// Panics unless what is wanted of the session, and what synchronisation waits for, is consistent.
    pub(super) fn check_consistent(&self, settings: &Settings) {
        let session = &self.session;
        if !session.state().is_connected() {
            // In `Closing` neither has an effect.
            let wants = session.wants_subscribe || session.wants_request;
            assert!(!wants || session.state().has_connection());
            return;
        }
        let missing = self.wanted.difference(self.granted).difference(self.refused).difference(self.asked);
        assert_eq!(session.wants_subscribe, !missing.is_empty());
        self.check_synced(settings);
    }
}

/// What a client works in.
#[derive(Clone)]
pub(super) struct Memory {
    tx: Vec<u8>,
    slots: Vec<Slot>,
    inbound: Vec<Inbound>,
}

impl Memory {
    /// Room for `arena` bytes of packets beside the reserve of [`identity`].
    pub(super) fn new(arena: usize, slots: usize, inbound: usize) -> Self {
        let reserve = super::machine::reserve(&identity(), &settings());
        Self { tx: vec![0; reserve + arena], slots: vec![Slot::EMPTY; slots], inbound: vec![Inbound::EMPTY; inbound] }
    }

    pub(super) fn roomy() -> Self {
        Self::new(2048, 8, 8)
    }

    pub(super) fn client(&mut self, settings: Settings) -> Client<'_> {
        Client::new(Config { identity: identity(), settings }, self.storage()).unwrap()
    }

    pub(super) fn storage(&mut self) -> Storage<'_> {
        Storage { tx: &mut self.tx, slots: &mut self.slots, inbound: &mut self.inbound }
    }
}

fn identity() -> Identity<'static> {
    Identity::device("h.net", "dev1")
}

/// Every feature, no synchronisation.
pub(super) fn settings() -> Settings {
    Settings { features: Features::ALL_DEVICE, ..Settings::default() }
}

pub(super) fn synced() -> Settings {
    Settings { twin_sync: true, ..settings() }
}

pub(super) fn secs(secs: u64) -> Instant {
    Instant::from_millis(secs * 1_000)
}

/// Sends all there is, each packet at once.
pub(super) fn sent(client: &mut Client<'_>, now: Instant) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(lent) = client.poll_transmit() {
        let len = lent.len();
        out.extend_from_slice(lent);
        client.confirm_transmit(now, len).unwrap();
    }
    out
}

/// What the driver's loop makes of `input`: every event as text, the error that ends it, and the bytes it leaves.
pub(super) fn feed(client: &mut Client<'_>, now: Instant, input: &mut Vec<u8>) -> (Vec<String>, Option<Error>) {
    let mut events = Vec::new();
    loop {
        let waits = client.has_event();
        let handled = match client.handle_input(now, input) {
            Ok(handled) => handled,
            Err(error) => return (events, Some(error)),
        };
        assert!(handled.event.is_some() || !waits, "has_event, and none came");
        events.extend(handled.event.map(|event| format!("{event:?}")));
        let (consumed, over) = (handled.consumed, handled.event.is_none() && handled.consumed == 0);
        input.drain(..consumed);
        if over {
            return (events, None);
        }
    }
}

/// The events of `input`, in which no error is.
pub(super) fn events(client: &mut Client<'_>, now: Instant, input: &[u8]) -> Vec<String> {
    let (events, error) = feed(client, now, &mut input.to_vec());
    assert_eq!(error, None);
    events
}

/// Signs in at second 0: `Ready`, nothing left to send.
pub(super) fn ready(client: &mut Client<'_>) {
    sign_in(client, Instant::ZERO, false);
}

/// Signs in and subscribes to every feature of a device; what leaves after `Ready` is sent, too.
pub(super) fn sign_in(client: &mut Client<'_>, now: Instant, session_present: bool) -> Vec<u8> {
    client.connect(now, &ConnectOptions::default()).unwrap();
    assert_eq!(sent(client, now)[0], 0x10);
    assert_eq!(
        events(client, now, &connack(session_present)),
        [format!("Connected {{ session_present: {session_present} }}")]
    );
    assert_eq!(sent(client, now)[0], 0x82);
    assert_eq!(events(client, now, &suback(&[1, 0, 0, 0])), ["Ready { refused: Features(0) }"]);
    sent(client, now)
}

pub(super) const fn connack(session_present: bool) -> [u8; 4] {
    [0x20, 2, session_present as u8, 0]
}

pub(super) fn suback(codes: &[u8]) -> Vec<u8> {
    [&[0x90, 2 + codes.len() as u8, 0xFF, 0xFF], codes].concat()
}

pub(super) const fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// A PUBLISH from the hub, at QoS 1 if it has an id.
pub(super) fn publish(topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let id = id.map(crate::packet::PacketId::new).map(Option::unwrap);
    let qos = if id.is_some() { crate::packet::QoS::AtLeastOnce } else { crate::packet::QoS::AtMostOnce };
    let publish = crate::packet::Publish { qos, dup: false, retain: false, topic: topic.into(), id, payload };
    let mut packet = vec![0; publish.encoded_len()];
    publish.emit(&mut packet).unwrap();
    packet
}

pub(super) fn message(id: u16, payload: &[u8]) -> Vec<u8> {
    publish("devices/dev1/messages/devicebound/", Some(id), payload)
}

pub(super) fn desired(version: u64) -> Vec<u8> {
    let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
    publish(&topic, None, format!("{{\"$version\":{version}}}").as_bytes())
}

/// The answer to the twin request whose PUBLISH ends with `$rid={rid}`.
pub(super) fn document(rid: &str, version: u64) -> Vec<u8> {
    let body = format!("{{\"desired\":{{\"$version\":{version}}},\"reported\":{{\"$version\":1}}}}");
    publish(&format!("$iothub/twin/res/200/?$rid={rid}"), None, body.as_bytes())
}

/// The `$rid` of the one twin GET in `sent`.
pub(super) fn rid(sent: &[u8]) -> String {
    let text = String::from_utf8_lossy(sent);
    let (_, rid) = text.rsplit_once("GET/?$rid=").unwrap_or_else(|| panic!("no GET in {text:?}"));
    rid.chars().take_while(char::is_ascii_alphanumeric).collect()
}

pub(super) fn telemetry(client: &mut Client<'_>, now: Instant, payload: &[u8]) -> TelemetryToken {
    client.send_telemetry(now, &Telemetry { payload, ..Default::default() }).unwrap()
}

/// A receive buffer that has taken `bytes`.
pub(super) fn commit(rx: &mut RxBuffer<'_>, bytes: &[u8]) {
    rx.space()[..bytes.len()].copy_from_slice(bytes);
    rx.commit(bytes.len());
}
