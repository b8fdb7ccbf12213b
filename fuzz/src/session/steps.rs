//! What a session is made of, and how bytes say it.

use arbitrary::{Arbitrary, Error, Result, Unstructured};
use iothub_proto::Settings;
use iothub_proto::topic::Features;

/// The client's memory and settings: four bytes.
#[derive(Clone, Debug)]
pub struct Setup {
    /// An [`OwnedClient`](iothub_proto::OwnedClient) instead of a [`Client`](iothub_proto::Client).
    pub owned: bool,
    /// See [`Settings::auto_accept`].
    pub auto_accept: bool,
    /// See [`Settings::twin_sync`].
    pub twin_sync: bool,
    /// See [`Settings::clean_session`].
    pub clean_session: bool,
    /// Whether everything is subscribed from the start.
    pub subscribes: bool,
    /// See [`Settings::keep_alive`].
    pub keep_alive: u16,
    /// See [`Settings::max_packet`].
    pub max_packet: u32,
    /// See [`Settings::stream_payloads`].
    pub stream_payloads: bool,
    /// Parts of messages are supplied late, and in small pieces.
    pub lazy: bool,
    /// See [`Settings::send_window`].
    pub send_window: u16,
    /// Bytes for packets.
    pub tx: u16,
    /// Commands.
    pub slots: u8,
    /// Messages.
    pub inbound: u8,
}

impl Arbitrary<'_> for Setup {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        let [flags, tx, sizes, window]: [u8; 4] = input.arbitrary()?;
        let has = |bit: u8| flags & bit != 0;
        Ok(Self {
            owned: has(1),
            auto_accept: has(2),
            twin_sync: has(4),
            clean_session: has(8),
            subscribes: has(16),
            keep_alive: if has(32) { 30 } else { 0 },
            max_packet: if has(64) { 128 } else { 512 },
            send_window: if has(128) { u16::from(window % 4) + 1 } else { u16::MAX },
            tx: 600 + 8 * u16::from(tx),
            stream_payloads: sizes & 64 != 0,
            lazy: sizes & 128 != 0,
            slots: sizes % 8 + 1,
            inbound: sizes / 8 % 8 + 1,
        })
    }
}

impl Setup {
    pub(crate) fn settings(&self) -> Settings {
        let features = if self.subscribes || self.twin_sync { Features::ALL_DEVICE } else { Features::NONE };
        Settings {
            features,
            keep_alive: self.keep_alive,
            clean_session: self.clean_session,
            auto_accept: self.auto_accept,
            twin_sync: self.twin_sync,
            max_packet: self.max_packet,
            stream_payloads: self.stream_payloads,
            send_window: self.send_window,
            ..Settings::default()
        }
    }
}

/// One thing that is done: a byte says what, two say which, how much or how long.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of the calls")]
pub enum Step {
    /// With a clock that was set to another time, if so.
    Connect {
        set_clock: bool,
        expires: bool,
        n: u16,
    },
    /// The transport is gone, and both ends know.
    Cut,
    /// Bytes vanish from now on, and nobody knows.
    HalfOpen,
    Disconnect,
    /// With a payload that comes in parts, so large at most, unless 0.
    Telemetry {
        qos1: bool,
        len: u16,
        room: u16,
    },
    Withdraw(u16),
    TwinGet,
    TwinReport(u16),
    Subscribe(u8),
    Accept(u16),
    Leave(u16),
    Respond(u16),
    /// So many of the bytes lent were sent; 0: all that there are.
    Transmit(u16),
    /// So many bytes of those under way reach the hub.
    HubReads(u16),
    /// So many bytes of the hub reach the client.
    Arrive(u16),
    /// Everything moves until nothing does.
    Pump,
    Wait {
        millis: u32,
    },
    /// To the next deadline of either end.
    NextDeadline,
    /// The hub does something of its own.
    CloudMessage(u16),
    Desired(u16),
    Invoke(u16),
    /// Something goes wrong from now on, or once.
    Fault(Fault),
    /// The hub ends every connection, and may forget the sessions.
    Restart {
        keep_sessions: bool,
    },
    /// The device was deleted and made anew.
    Recreate,
    /// A packet that the hub never sent.
    Garbage(u16),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of the hub's faults")]
pub enum Fault {
    DropPubacks(u32),
    PubackDelay { secs: u32 },
    AnswerDelay { secs: u32 },
    TwinStatus(u16),
    IgnorePings(bool),
    RefuseConnect(u8),
    CutInbound(u64),
    CutOutbound(u64),
}

impl Arbitrary<'_> for Step {
    fn arbitrary(input: &mut Unstructured<'_>) -> Result<Self> {
        if input.len() < 3 {
            // An empty input would give zeros for ever.
            return Err(Error::NotEnoughData);
        }
        let [what, high, low]: [u8; 3] = input.arbitrary()?;
        let n = u16::from_be_bytes([high, low]);
        Ok(match what % 40 {
            0..=2 => Self::Connect { set_clock: n % 4 == 1, expires: n % 8 >= 6, n },
            3 => Self::Cut,
            4 => Self::HalfOpen,
            5 => Self::Disconnect,
            6..=9 => Self::Telemetry { qos1: n % 5 != 4, len: n % 300, room: n / 1_500 % 40 },
            10 => Self::Withdraw(n),
            11 => Self::TwinGet,
            12 => Self::TwinReport(n),
            13 => Self::Subscribe(low),
            14..=16 => Self::Accept(n),
            17 => Self::Leave(n),
            18 => Self::Respond(n),
            19 | 20 => Self::Transmit(n % 512),
            21 => Self::HubReads(n % 512),
            22 | 23 => Self::Arrive(n % 512),
            24..=27 => Self::Pump,
            28 => Self::Wait { millis: u32::from(n) * 2 },
            29 | 30 => Self::NextDeadline,
            31 | 32 => Self::CloudMessage(n),
            33 | 34 => Self::Desired(n),
            35 => Self::Invoke(n),
            36 => Self::Fault(Fault::of(high, low)),
            37 => Self::Restart { keep_sessions: n % 2 == 0 },
            38 => Self::Recreate,
            _ => Self::Garbage(n),
        })
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (3, Some(3))
    }
}

impl Fault {
    const fn of(what: u8, n: u8) -> Self {
        match what % 8 {
            0 => Self::DropPubacks(n as u32 % 4),
            1 => Self::PubackDelay { secs: n as u32 },
            2 => Self::AnswerDelay { secs: n as u32 % 64 },
            3 => Self::TwinStatus([400, 404, 412, 429, 500, 503, 200, 204][n as usize % 8]),
            4 => Self::IgnorePings(n.is_multiple_of(2)),
            5 => Self::RefuseConnect(n % 5 + 1),
            6 => Self::CutInbound(n as u64 * 4),
            _ => Self::CutOutbound(n as u64 * 2),
        }
    }
}
