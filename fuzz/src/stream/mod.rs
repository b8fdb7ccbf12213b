//! Any bytes in any chunks to a connected client (laws 6, 8 and 9).
//!
//! Four clients get the same bytes: one at once; one in chunks out of a slice, one out of an `RxBuffer` that is as small
//! as it may be, and an `OwnedClient` out of `RxBytes`. Their application reacts to each event. What they tell, send and
//! are in the end must be equal, but for the names of tokens.
//!
//! The first bytes are [flags, chunk, chunk, seed], see [`Script::of`].

mod application;

use crate::plant::{Plant, planted};
use iothub_proto::auth::Identity;
use iothub_proto::error::Error;
use iothub_proto::time::Instant;
use iothub_proto::{
    Client, Config, Inbound, OwnedClient, OwnedLimits, RxBuffer, RxBytes, Settings, Slot, State, Storage,
};
use iothub_tests::link::Rng;
use std::sync::Arc;

use application::{Application, Feeding};

/// In flags: the identity is a module; messages are accepted by themselves; the twin is synchronised; the client is
/// draining; the stream begins when it is ready, and not with CONNACK; payloads larger than the buffer come in pieces.
pub const MODULE: u8 = 1;
/// See [`MODULE`].
pub const AUTO_ACCEPT: u8 = 2;
/// See [`MODULE`].
pub const SYNC: u8 = 4;
/// See [`MODULE`].
pub const DRAINS: u8 = 8;
/// See [`MODULE`].
pub const READY: u8 = 16;
/// See [`MODULE`].
pub const PIECES: u8 = 32;

const NOW: Instant = Instant::from_millis(1_000);
/// The host of every client, and its memory.
pub const HOST: &str = "contoso.azure-devices.net";
/// See [`HOST`].
pub const MEMORY: (usize, usize, usize) = (TX, SLOTS, INBOUND);
const TX: usize = 4096;
/// The owned client begins with as many, so that it gives the same names.
const SLOTS: usize = 4;
const INBOUND: usize = 5;

/// What the bytes ask for.
struct Script<'d> {
    flags: u8,
    max_packet: u32,
    chunk: u64,
    seed: u64,
    stream: &'d [u8],
}

impl<'d> Script<'d> {
    /// Of the first byte six bits are flags and two choose the largest packet; the second and the third are the
    /// largest chunk and the fourth seeds the chunks.
    fn of(data: &'d [u8]) -> Option<Self> {
        let (&[flags, high, low, seed], stream) = data.split_first_chunk()?;
        let max_packet = [64, 128, 1024, 4096][usize::from(flags >> 6)];
        let chunk = u64::from(u16::from_be_bytes([high, low])).max(1);
        Some(Self { flags, max_packet, chunk, seed: seed.into(), stream })
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn config(&self) -> Config<'static> {
        let identity =
            if self.has(MODULE) { Identity::module(HOST, "dev1", "mod1") } else { Identity::device(HOST, "dev1") };
        let mut config = Config::new(identity);
        let (auto_accept, twin_sync) = (self.has(AUTO_ACCEPT), self.has(SYNC));
        let (max_packet, stream_payloads) = (self.max_packet, self.has(PIECES));
        config.settings = Settings { auto_accept, twin_sync, max_packet, stream_payloads, ..config.settings };
        config
    }

    /// The stream in chunks of 1 to `chunk` bytes; the end of it is a chunk of its own.
    fn chunks(&self) -> Vec<&'d [u8]> {
        let mut rng = Rng::new(self.seed);
        let (mut chunks, mut rest) = (Vec::new(), self.stream);
        while !rest.is_empty() {
            let len = rng.between(1, self.chunk).min(rest.len() as u64) as usize;
            let (chunk, behind) = rest.split_at(len);
            chunks.push(chunk);
            rest = behind;
        }
        chunks.push(rest);
        chunks
    }
}

/// Feeds the rest of `data` as its first bytes say.
pub fn run(data: &[u8]) {
    let Some(script) = Script::of(data) else { return };
    let chunks = script.chunks();
    let at_once = with_client(&script, |client, application| from_slice(client, application, &[script.stream]));
    let split = with_client(&script, |client, application| from_slice(client, application, &chunks));
    same(&split, &at_once, "in chunks out of a slice");
    let buffered = with_client(&script, |client, application| from_buffer(client, application, &chunks));
    same(&buffered, &at_once, "in chunks out of a buffer");
    let owned_at_once = owned(&script, &[script.stream]);
    same(&owned(&script, &chunks), &owned_at_once, "in chunks, the owned client");
    at_once.agrees_with(&owned_at_once);
}

/// Tells where they begin to differ: whole they are too long to read.
fn same(split: &Outcome, at_once: &Outcome, how: &str) {
    for (at, (left, right)) in split.events.lines().zip(at_once.events.lines()).enumerate() {
        assert_eq!(left, right, "{how}: line {at}");
    }
    let first = split.sent.iter().zip(&at_once.sent).position(|(left, right)| left != right);
    assert_eq!(first, None, "{how}: the first byte sent that differs");
    assert_eq!(split.sent.len(), at_once.sent.len(), "{how}: bytes sent");
    same_pubacks(split, at_once, how);
    assert_eq!(split.end, at_once.end, "{how}");
}

/// Acknowledgements are the same among themselves, but not where they stand between other packets, nor how many left
/// before an error: a call may end a message and go on to the next packet, which brings an answer of the application
/// that overtakes the PUBACK, or is fatal. Where bytes come apart between these two there are two calls, and the PUBACK
/// leaves in between. Out of a buffer, "at once" is in pieces, too.
fn same_pubacks(split: &Outcome, at_once: &Outcome, how: &str) {
    let (left, right) = (&split.pubacks, &at_once.pubacks);
    let common = left.len().min(right.len());
    assert_eq!(left[..common], right[..common], "{how}: PUBACKs");
    assert!(left.len() == right.len() || at_once.end.error.is_some(), "{how}: {left:02X?} and {right:02X?} as PUBACKs");
}

fn with_client(script: &Script<'_>, drive: impl FnOnce(&mut Client<'_>, &mut Application)) -> Outcome {
    let (mut tx, mut slots, mut inbound) = ([0; TX], [Slot::EMPTY; SLOTS], [Inbound::EMPTY; INBOUND]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut client = Client::new(script.config(), storage).expect("a configuration that works");
    let mut application = Application::new(Feeding::AtOnce);
    application.begin(&mut client, script);
    drive(&mut client, &mut application);
    application.end(&mut client)
}

fn owned(script: &Script<'_>, chunks: &[&[u8]]) -> Outcome {
    let Config { identity, settings } = script.config();
    let limits = OwnedLimits { tx: TX as u32, slots: SLOTS as u16, inbound: INBOUND as u16 };
    let mut client = OwnedClient::new(&identity, Arc::new(settings), limits).expect("a configuration that works");
    let mut application = Application::new(Feeding::Owned);
    application.begin(&mut client, script);
    let mut rx = RxBytes::new(script.max_packet as usize);
    for chunk in chunks {
        let mut rest = *chunk;
        loop {
            let taken = rx.receive(rest);
            rest = &rest[taken..];
            loop {
                match client.poll_event(NOW, &mut rx) {
                    Ok(Some(event)) => application.on_event(&mut client, &event.as_event()),
                    Ok(None) => break application.send(&mut client),
                    Err(error) => {
                        application.error = Some(error);
                        return application.end(&mut client);
                    }
                }
                application.send(&mut client);
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    application.end(&mut client)
}

/// Feeds chunks as a caller with a slice does.
fn from_slice(client: &mut Client<'_>, application: &mut Application, chunks: &[&[u8]]) {
    if chunks.len() > 1 {
        application.feeding = Feeding::InChunks;
    }
    let mut input = Vec::new();
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            let waits = client.has_event();
            let handled = match client.handle_input(NOW, &input) {
                Ok(handled) => handled,
                Err(error) => {
                    assert!(!waits && error.is_fatal());
                    assert_eq!(client.handle_input(NOW, &input), Err(error), "sticky");
                    assert_eq!(client.poll_transmit(), None);
                    application.error = Some(error);
                    return;
                }
            };
            let (consumed, mut needed, over) = (handled.consumed, handled.needed, handled.event.is_none());
            assert!(consumed <= input.len());
            assert!(!waits || consumed == 0 && !over, "what waits comes before any byte");
            if planted(Plant::Needed) && needed > 0 {
                needed = 2;
            }
            assert!(needed == 0 || needed > input.len() - consumed, "{needed} are there");
            if let Some(event) = handled.event {
                application.on_event(client, &event);
            }
            input.drain(..consumed);
            if !over || consumed == 0 {
                application.send(client);
            }
            if over && consumed == 0 {
                break;
            }
        }
        assert!(input.len() < client.config().settings.max_packet as usize, "a buffer of max_packet bytes has room");
    }
}

/// Feeds chunks through the helper buffer.
fn from_buffer(client: &mut Client<'_>, application: &mut Application, chunks: &[&[u8]]) {
    let mut memory = vec![0; client.config().settings.max_packet as usize];
    let mut rx = RxBuffer::new(&mut memory);
    for chunk in chunks {
        let mut rest = *chunk;
        loop {
            let space = rx.space();
            assert!(!space.is_empty(), "a buffer of max_packet bytes has room");
            let (piece, behind) = rest.split_at(space.len().min(rest.len()));
            space[..piece.len()].copy_from_slice(piece);
            rx.commit(piece.len());
            rest = behind;
            loop {
                match client.poll_event(NOW, &mut rx) {
                    Ok(Some(event)) => application.on_event(client, &event),
                    Ok(None) => break application.send(client),
                    Err(error) => {
                        application.error = Some(error);
                        return;
                    }
                }
                application.send(client);
            }
            if rest.is_empty() {
                break;
            }
        }
    }
}

/// All there is to see of a client that took the stream in.
#[derive(PartialEq, Debug)]
struct Outcome {
    events: String,
    /// All but PUBACKs.
    sent: Vec<u8>,
    pubacks: Vec<u8>,
    end: End,
    /// Bytes of events and of what was sent, when nothing was pending first.
    free: Option<(usize, usize)>,
}

/// What can be asked of it then.
#[derive(PartialEq, Debug)]
struct End {
    error: Option<Error>,
    state: State,
    pending: iothub_proto::Pending,
    unacked: Vec<Option<usize>>,
    strays: u32,
    deadline: Option<Instant>,
}

impl Outcome {
    /// An owned client tells and sends the same, until it gave memory back: then it begins to give other names.
    fn agrees_with(&self, owned: &Self) {
        assert_eq!(self.free, owned.free);
        match self.free {
            None => same(owned, self, "the owned client"),
            Some((events, sent)) => {
                assert_eq!(owned.events[..events], self.events[..events]);
                assert_eq!(owned.sent[..sent], self.sent[..sent]);
                same_pubacks(owned, self, "the owned client");
            }
        }
    }
}
