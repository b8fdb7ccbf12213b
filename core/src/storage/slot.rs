//! One record for each command in flight.

use super::list::Link;
use crate::time::Moment;

/// What a slot is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SlotKind {
    Free,
    /// Telemetry, QoS 0: gone when sent.
    Telemetry0,
    /// Telemetry, QoS 1: kept until its PUBACK.
    Telemetry1,
    /// GET of the twin: answered by a response.
    TwinGet,
    /// PATCH of reported properties: answered by a response.
    TwinReport,
    /// Answer to a direct method: gone when sent.
    Answer,
}

impl SlotKind {
    pub(crate) const fn is_telemetry(self) -> bool {
        matches!(self, Self::Telemetry0 | Self::Telemetry1)
    }
}

/// Where a packet is in its life. A set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// A byte was lent on this connection.
    pub(crate) const LENT: Self = Self(1);
    /// A byte was lent in this session, on an earlier connection: the next copy carries DUP.
    pub(crate) const DUP: Self = Self(2);
    /// Settled while its bytes are lent: released when the lend ends.
    pub(crate) const DONE: Self = Self(4);
    /// Withdrawn by the application: its PUBACK is awaited, because its id is in use, and not reported.
    pub(crate) const WITHDRAWN: Self = Self(8);
    /// A twin request ended by the end of its connection, which the application was not told yet.
    pub(crate) const LOST: Self = Self(16);
    /// A twin request ended by its deadline, which the application was not told yet.
    pub(crate) const EXPIRED: Self = Self(32);
    /// Every byte was confirmed on this connection.
    pub(crate) const SENT: Self = Self(64);
    /// A byte was lent on an earlier connection, of this session or of one that was lost: the hub may have it.
    pub(crate) const EARLIER: Self = Self(128);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A record of one command in flight. The caller gives an array of them and never looks inside.
///
/// ```
/// let slots = [iothub_proto::Slot::EMPTY; 8];
/// # let _ = slots;
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(C)] // As in `Session`: what is small first.
pub struct Slot {
    pub(crate) kind: SlotKind,
    pub(crate) flags: Flags,
    /// The packet id it had last.
    pub(crate) id: u16,
    /// Counts the uses of this slot: a token of an earlier use is stale.
    pub(crate) generation: u16,
    /// Places on the lists, see [`list`](super::list).
    pub(crate) links: [Link; 3],
    /// Its packet's place in `tx`; `len` 0: no bytes there (any more).
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// If its payload comes in parts: bytes of its beginning, behind which is room for one part. Else 0.
    #[cfg(feature = "stream")]
    pub(crate) head: u32,
    /// Deadline of a twin request that waits for its answer.
    pub(crate) deadline: Moment,
}

impl Slot {
    /// A slot that is not in use.
    pub const EMPTY: Self = Self {
        deadline: Moment::NEVER,
        start: 0,
        len: 0,
        #[cfg(feature = "stream")]
        head: 0,
        links: [Link::EMPTY; 3],
        id: 0,
        generation: 0,
        kind: SlotKind::Free,
        flags: Flags::NONE,
    };

    /// Where its packet ends in `tx`, whose length is a `u32`.
    pub(crate) const fn end(&self) -> u32 {
        self.start.wrapping_add(self.len)
    }
}

/// Which use of which slot: what tokens are made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Ticket {
    pub(crate) slot: u16,
    pub(crate) generation: u16,
}

impl Ticket {
    /// Both numbers in one, as request ids and the C API carry it.
    pub(crate) const fn to_bits(self) -> u32 {
        (self.generation as u32) << 16 | self.slot as u32
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self { slot: bits as u16, generation: (bits >> 16) as u16 }
    }
}
