//! The client itself, brought into a phase and fed: what it told, in the words of the model.

use super::{Fault, Model, Phase, Told, Verdict, decode};
use iothub_proto::auth::Identity;
use iothub_proto::error::{Error, PeerError};
use iothub_proto::packet::{self, Kind, Packet};
use iothub_proto::time::Instant;
use iothub_proto::topic::Features;
use iothub_proto::wire::frame;
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, Settings, Slot, Storage, Telemetry};

const NOW: Instant = Instant::ZERO;

/// Memory for a client, again and again.
#[derive(Debug)]
pub struct Subject {
    tx: Vec<u8>,
    slots: [Slot; 2],
    inbound: [Inbound; 8],
}

impl Default for Subject {
    fn default() -> Self {
        Self { tx: vec![0; 512], slots: [Slot::EMPTY; 2], inbound: [Inbound::EMPTY; 8] }
    }
}

impl Subject {
    /// A client in `phase`.
    ///
    /// # Panics
    ///
    /// If it does not come there.
    pub fn client(&mut self, phase: Phase) -> Client<'_> {
        let settings = Settings {
            keep_alive: 0,
            features: Features::MESSAGES,
            clean_session: phase == Phase::ConnectingClean,
            ..Settings::default()
        };
        let identity = Identity::device("contoso.azure-devices.net", "dev1");
        let storage = Storage { tx: &mut self.tx, slots: &mut self.slots, inbound: &mut self.inbound };
        let mut client = Client::new(Config { identity, settings }, storage).expect("settings and memory are fine");
        client.connect(NOW, &ConnectOptions::default()).expect("offline");
        send(&mut client);
        if !matches!(phase, Phase::Connecting | Phase::ConnectingClean) {
            feed(&mut client, b"\x20\x02\x00\x00");
            send(&mut client);
        }
        if matches!(phase, Phase::Publishing | Phase::Idle) {
            feed(&mut client, b"\x90\x03\xff\xff\x01");
        }
        if phase == Phase::Publishing {
            client.send_telemetry(NOW, &Telemetry::default()).expect("there is room");
            send(&mut client);
        }
        client
    }
}

/// Sends what there is.
fn send(client: &mut Client<'_>) {
    while let Some(len) = client.poll_transmit().map(<[u8]>::len) {
        client.confirm_transmit(NOW, len).expect("it was lent");
    }
}

/// Feeds `input` until nothing moves: what came of it.
///
/// # Panics
///
/// If an event comes that no short input can bring.
pub fn feed(client: &mut Client<'_>, input: &[u8]) -> Told {
    let mut told = Told::default();
    let before = client.strays();
    loop {
        let rest = &input[told.consumed..];
        match client.handle_input(NOW, rest) {
            Ok(handled) => {
                told.consumed += handled.consumed;
                match handled.event {
                    Some(Event::Connected { .. }) => told.connected = true,
                    Some(Event::Ready { .. }) => told.ready = true,
                    Some(Event::TelemetryAcked(_)) => told.acked = true,
                    Some(Event::Unknown { .. }) => told.messages += 1,
                    Some(Event::Disconnected(_)) => {}
                    Some(other) => panic!("{other:?}"),
                    None if handled.consumed == 0 => break,
                    None => {}
                }
            }
            Err(Error::Peer(PeerError { kind, offset, packet })) => {
                assert_eq!(packet, rest[0], "the error names the packet");
                told.end = Some(Ok((kind, offset as usize)));
                break;
            }
            Err(Error::Refused(refusal)) => {
                told.end = Some(Err(refusal));
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    told.strays = client.strays() - before;
    told.pubacks = if told.end.is_none() { pubacks(client) } else { 0 };
    told
}

/// PUBACKs that leave now.
fn pubacks(client: &mut Client<'_>) -> u32 {
    let mut count = 0;
    while let Some(lent) = client.poll_transmit() {
        let len = lent.len();
        count += if lent[0] == 0x40 { len as u32 / 4 } else { 0 };
        client.confirm_transmit(NOW, len).expect("it was lent");
    }
    count
}

/// Whether the client's reading of one packet differs from the other one.
#[must_use]
pub fn different(input: &[u8], fault: Fault) -> bool {
    verdict(input) != decode(input, fault)
}

/// What the client's codec makes of the front of `input`.
#[must_use]
pub fn verdict(input: &[u8]) -> Verdict<'_> {
    let read = || -> Result<Option<(usize, Packet<'_>)>, PeerError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let kind = Kind::of(first)?;
        let Some(header) = frame::header(input)? else { return Ok(None) };
        kind.check_length(&header)?;
        if input.len() < header.total() {
            return Ok(None);
        }
        Ok(Some((header.total(), packet::decode(&header, input)?)))
    };
    match read() {
        Ok(None) => Verdict::Incomplete,
        Ok(Some((len, packet))) => Verdict::Whole(len, packet),
        Err(PeerError { kind, offset, .. }) => Verdict::Bad { kind, offset: offset as usize },
    }
}

/// An input in a phase.
pub type Case = (Phase, Vec<u8>);

/// Feeds every first byte with every Remaining Length up to 5 and a body of zeros, in every phase: gives how many
/// there are and, for each of `faults`, those of which the client told something else than the model with that fault.
/// With the input also its beginnings are fed.
#[must_use]
pub fn headers<const N: usize>(faults: [Fault; N]) -> (usize, [Vec<Case>; N]) {
    let mut subject = Subject::default();
    let (mut count, mut found) = (0, [const { Vec::new() }; N]);
    for phase in Phase::ALL {
        for first in 0..=255 {
            for len in 0..=5 {
                let mut input = vec![0; 2 + usize::from(len)];
                (input[0], input[1]) = (first, len);
                let told: Vec<Told> =
                    (1..=input.len()).map(|cut| feed(&mut subject.client(phase), &input[..cut])).collect();
                for (fault, found) in faults.iter().zip(&mut found) {
                    let model = Model::new(phase, *fault);
                    if !told.iter().enumerate().all(|(cut, told)| *told == model.run(&input[..=cut])) {
                        found.push((phase, input.clone()));
                    }
                }
                count += 1;
            }
        }
    }
    (count, found)
}
