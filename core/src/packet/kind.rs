//! Which packet it is, and whether its fixed header can be right.

use crate::error::{PeerError, Violation};
use crate::wire::frame::Header;

/// The packets a client receives that never subscribes above QoS 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// Type 2, the answer to CONNECT.
    Connack,
    /// Type 3, a message.
    Publish,
    /// Type 4, the answer to a QoS 1 PUBLISH.
    Puback,
    /// Type 9, the answer to SUBSCRIBE.
    Suback,
    /// Type 11, the answer to UNSUBSCRIBE.
    Unsuback,
    /// Type 13, the answer to PINGREQ.
    Pingresp,
}

impl Kind {
    /// The packet that begins with `first`: type and flags (MQTT 3.1.1 §2.2.1, §2.2.2).
    ///
    /// # Errors
    ///
    /// At offset 0: [`Violation::ForbiddenType`] for a type that only clients send, a reserved one, or what
    /// belongs to QoS 2; [`Violation::BadFlags`]; and of PUBLISH [`Violation::BadQos`] and
    /// [`Violation::DupOnQos0`].
    ///
    /// ```
    /// use iothub_proto::error::Violation;
    /// use iothub_proto::packet::Kind;
    /// assert_eq!(Kind::of(0x32), Ok(Kind::Publish));
    /// assert_eq!(Kind::of(0xD1).unwrap_err().kind, Violation::BadFlags);
    /// ```
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub const fn of(first: u8) -> Result<Self, PeerError> {
        // A PUBLISH with QoS 1, whatever DUP and RETAIN, comes most often: a branch that is foretold, where the rest
        // becomes a jump by a table.
        if matches!(first, 0x32 | 0x33 | 0x3A | 0x3B) {
            return Ok(Self::Publish);
        }
        let kind = match first >> 4 {
            2 => Some(Self::Connack),
            3 => Some(Self::Publish),
            4 => Some(Self::Puback),
            9 => Some(Self::Suback),
            11 => Some(Self::Unsuback),
            13 => Some(Self::Pingresp),
            _ => None,
        };
        let violation = match kind {
            // Its flags are DUP, QoS in two bits, and RETAIN.
            Some(Self::Publish) => match first & 0b0110 {
                0b0000 if first & 0b1000 != 0 => Violation::DupOnQos0,
                0b0000 | 0b0010 => return Ok(Self::Publish),
                0b0100 => Violation::ForbiddenType,
                _ => Violation::BadQos,
            },
            Some(kind) if first & 0x0F == 0 => return Ok(kind),
            Some(_) => Violation::BadFlags,
            None => Violation::ForbiddenType,
        };
        Err(PeerError { kind: violation, packet: first, offset: 0 })
    }

    /// Whether a packet of this kind can have the Remaining Length in `header`. Fixed sizes are exact; a SUBACK
    /// has at least one code, a PUBLISH a topic of at least one byte and, above QoS 0, a packet id.
    ///
    /// # Errors
    ///
    /// [`Violation::WrongLength`] at offset 1.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub const fn check_length(self, header: &Header) -> Result<(), PeerError> {
        if self.fits(header) { Ok(()) } else { Err(header.error(Violation::WrongLength, 1)) }
    }

    /// What [`check_length`](Self::check_length) checks.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) const fn fits(self, header: &Header) -> bool {
        match self {
            Self::Connack | Self::Puback | Self::Unsuback => header.remaining == 2,
            Self::Pingresp => header.remaining == 0,
            Self::Suback => header.remaining >= 3,
            Self::Publish if header.first & 0x06 == 0 => header.remaining >= 3,
            Self::Publish => header.remaining >= 5,
        }
    }
}
