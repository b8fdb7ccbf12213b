//! What was on the wire, and the dump of a failure.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use iothub_proto::time::Instant;

use super::PairIn;
use crate::hub::codec::{self, Packet};

/// Lines that a dump shows.
const LINES: usize = 60;
/// Characters of a line: payloads can be long.
const WIDTH: usize = 240;

/// A packet that the client lent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// When its first byte was lent.
    pub at: Instant,
    /// On which connection, counted from 1.
    pub connection: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it is, as the hub's codec reads it.
    pub packet: Packet,
}

impl Sent {
    /// Takes the packets out of what was lent: one, several acknowledgements, or none as long as a message in parts is
    /// not whole.
    pub(super) fn split(at: Instant, connection: u32, lent: &mut Vec<u8>) -> Vec<Self> {
        let mut found = Vec::new();
        while let Some(len) =
            codec::frame_len(lent).expect("packets begin with a header").filter(|len| *len <= lent.len())
        {
            let frame: Vec<u8> = lent.drain(..len).collect();
            let packet = codec::decode(&frame).expect("the client writes what the hub can read");
            found.push(Self { at, connection, bytes: frame, packet });
        }
        found
    }

    /// Payload and DUP flag of a QoS 1 telemetry message.
    #[must_use]
    pub fn telemetry(&self) -> Option<(&[u8], bool)> {
        match &self.packet {
            Packet::Publish(publish) if publish.qos == 1 => Some((&publish.payload, publish.dup)),
            _ => None,
        }
    }
}

/// What is remembered of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum History {
    /// What was seen, sent and received, and the latest lines of the trace.
    #[default]
    Kept,
    /// The same, and every line of the trace is printed.
    Printed,
    /// Nothing: for sessions by the million.
    None,
}

/// The latest lines of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    pub(super) history: History,
    lines: VecDeque<String>,
}

impl Trace {
    pub(super) fn note(&mut self, now: Instant, what: fmt::Arguments<'_>) {
        if self.history == History::None {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let line: String = format!("{:>9} ms  {what}", now.as_millis()).chars().take(WIDTH).collect();
        if self.history == History::Printed {
            println!("{line}");
        }
        self.lines.push_back(line);
    }
}

/// The first bytes, which tell what a packet is.
pub(super) struct Head<'b>(pub(super) &'b [u8]);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        let more = if bytes.len() > 48 { "…" } else { "" };
        write!(f, "{} bytes: {}{more}", bytes.len(), bytes[..bytes.len().min(48)].escape_ascii())
    }
}

impl PairIn<'_> {
    /// What a failed test shows.
    pub(super) fn dump(&self) -> String {
        let mut text = String::new();
        let client = &self.client;
        let due = self.client_deadline().map(|at| (at.as_millis(), client.timeout_reason()));
        let _ = writeln!(text, "now {} ms, connection {}", self.now.as_millis(), self.connections);
        let _ = writeln!(text, "client {:?}, due {due:?}, {:?}", client.state(), client.pending());
        let _ = writeln!(text, "client has {} bytes unread, {} bytes free", self.rx.len(), client.tx_free());
        let _ = writeln!(text, "hub due {:?}, closes {:?}", self.hub.poll_timeout(), self.closes);
        let _ = writeln!(text, "last events and bytes:");
        for line in &self.trace.lines {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}
