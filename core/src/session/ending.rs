//! How a connection ended, as far as MQTT can tell.

use crate::error::{ConnectRefusal, Error, PeerError, RegistrationError, TimeoutReason};
use crate::storage::Ticket;
use crate::time::Duration;

/// Why the connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DisconnectReason {
    /// `disconnect` was called, and DISCONNECT is sent or was given up.
    Requested,
    /// The transport ended. Over MQTT the hub gives no reason: see [`LastSent`].
    TransportClosed,
    /// A fatal error, which [`handle_input`](crate::Client::handle_input) repeats until `connect`.
    Failed(Error),
}

/// The last packet of which a byte was lent on the connection that ended: what the hub may have objected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LastSent {
    /// CONNECT.
    Connect,
    /// SUBSCRIBE.
    Subscribe,
    /// PUBACK or PINGREQ.
    Control,
    /// DISCONNECT.
    Disconnect,
    /// A telemetry message.
    Telemetry,
    /// A twin request, the GET of synchronisation included.
    TwinRequest,
    /// The answer to a direct method.
    MethodAnswer,
    /// A request to the Device Provisioning Service.
    Registration,
}

/// The errors that end a connection: those of [`Error`] that are small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fatal {
    Peer(PeerError),
    Registration(RegistrationError),
    Refused(ConnectRefusal),
    TimedOut(TimeoutReason),
}

impl From<Fatal> for Error {
    #[cfg_attr(target_os = "none", inline(never))]
    fn from(fatal: Fatal) -> Self {
        match fatal {
            Fatal::Peer(error) => Self::Peer(error),
            Fatal::Registration(error) => Self::Registration(error),
            Fatal::Refused(refusal) => Self::Refused(refusal),
            Fatal::TimedOut(reason) => Self::TimedOut(reason),
        }
    }
}

/// How a connection ended, until the application is told; the rest of that the session knows besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// By `disconnect`.
    pub(super) requested: bool,
    pub(super) suspect: Option<(Ticket, u8)>,
    pub(super) ready_for: Duration,
}

/// What [`Disconnected`](crate::event::Disconnected) is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) reason: DisconnectReason,
    pub(crate) last_sent: Option<LastSent>,
    /// The oldest unacknowledged message, once the poison rule holds, and the number of cuts.
    pub(crate) suspect: Option<(Ticket, u8)>,
    pub(crate) ready_for: Duration,
}
