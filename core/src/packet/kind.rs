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
        let violation = match first {
            0x20 => return Ok(Self::Connack),
            // The flags of PUBLISH are DUP, QoS in two bits, and RETAIN.
            0x30..=0x33 | 0x3A | 0x3B => return Ok(Self::Publish),
            0x40 => return Ok(Self::Puback),
            0x90 => return Ok(Self::Suback),
            0xB0 => return Ok(Self::Unsuback),
            0xD0 => return Ok(Self::Pingresp),
            0x38 | 0x39 => Violation::DupOnQos0,
            0x36 | 0x37 | 0x3E | 0x3F => Violation::BadQos,
            0x20..=0x2F | 0x40..=0x4F | 0x90..=0x9F | 0xB0..=0xBF | 0xD0..=0xDF => Violation::BadFlags,
            _ => Violation::ForbiddenType,
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
        let fits = match self {
            Self::Connack | Self::Puback | Self::Unsuback => header.remaining == 2,
            Self::Pingresp => header.remaining == 0,
            Self::Suback => header.remaining >= 3,
            Self::Publish if header.first & 0x06 == 0 => header.remaining >= 3,
            Self::Publish => header.remaining >= 5,
        };
        if fits { Ok(()) } else { Err(header.error(Violation::WrongLength, 1)) }
    }
}
