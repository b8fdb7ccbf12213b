//! What a registration comes to.

use crate::auth::Identity;
use crate::error::{CapacityError, RegistrationError};
use crate::event::Disconnected;
use crate::time::Duration;
use crate::wire::{JsonText, copy};

/// One thing that happened to a [`ProvisioningClient`](super::ProvisioningClient).
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum ProvisioningEvent<'i> {
    /// CONNACK: the service accepts the device.
    Connected,
    /// SUBACK: answers can come, and the registration is asked for.
    Ready,
    /// The service works on it, and is asked again after so long.
    Assigning {
        /// At least 2 s: the service takes 5 questions in 10 s.
        retry_after: Duration,
    },
    /// The service has no time (429), or trouble of its own (5xx): the same is asked again after so long.
    Throttled {
        /// In HTTP's numbers.
        status: u16,
        /// The service's own number; 0 if it gave none.
        code: u32,
        /// What the service asked for, and no less than a backoff with jitter from 2 s to 75 s.
        retry_after: Duration,
    },
    /// The device belongs to a hub. What follows is the polite end of this connection.
    Assigned(Assignment<'i>),
    /// The device was not assigned, and will not be by asking again. The error is fatal: it comes again from
    /// [`handle_input`](super::ProvisioningClient::handle_input) once the events are taken.
    Refused {
        /// Why.
        error: RegistrationError,
        /// The service's answer: JSON with `errorCode`, `trackingId` and `message` as a rule. Empty if it was too large.
        payload: &'i [u8],
    },
    /// The connection is over, for the reason in it.
    Disconnected(Disconnected),
}

/// Where a device belongs. It borrows the input: [`identity`](Self::identity) makes a copy of what is needed to connect.
///
/// ```
/// use iothub_proto::provisioning::Assignment;
/// # use iothub_proto::error::CapacityError;
/// # use iothub_proto::auth::Identity;
/// /// The hub's name and the device id, in memory that outlives the event.
/// fn keep<'m>(assignment: &Assignment<'_>, room: &'m mut [u8; 384]) -> Result<Identity<'m>, CapacityError> {
///     Ok(assignment.identity(room)?.with_model_id("dtmi:com:example:Thermostat;1"))
/// }
/// # let _ = keep;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assignment<'i> {
    /// The hub's host name; not empty.
    pub assigned_hub: &'i str,
    /// The device id, with the escapes of JSON; not empty. As a rule it is the registration id.
    pub device_id: JsonText<'i>,
    /// How it came about: `initialAssignment`, `deviceDataMigrated`, `deviceDataReset` or
    /// `reprovisionedToInitialAssignment`; empty if the service does not say.
    pub substatus: &'i str,
    /// JSON that a custom allocation policy gives the device; empty if there is none.
    pub payload: &'i [u8],
}

impl Assignment<'_> {
    /// Who the device is at its hub, with copies of the hub's name and the device id in `room`: 253 + 128 bytes are enough
    /// for what a hub allows.
    ///
    /// # Errors
    ///
    /// [`CapacityError::BufferTooSmall`].
    pub fn identity<'b>(&self, room: &'b mut [u8]) -> Result<Identity<'b>, CapacityError> {
        let hub = self.assigned_hub.as_bytes();
        let (to, rest) = room
            .split_at_mut_checked(hub.len())
            .ok_or(CapacityError::BufferTooSmall { needed: hub.len().saturating_add(self.device_id.raw().len()) })?;
        copy(to, hub);
        let device_id = self.device_id.decode(rest);
        let device_id =
            device_id.map_err(|needed| CapacityError::BufferTooSmall { needed: hub.len().saturating_add(needed) })?;
        // A copy of a text is one.
        Ok(Identity::device(core::str::from_utf8(to).unwrap_or_default(), device_id))
    }
}

/// What one call of [`handle_input`](super::ProvisioningClient::handle_input) did.
#[derive(Clone, Copy, PartialEq, Debug)]
#[must_use]
pub struct ProvisioningHandled<'i> {
    /// Drop exactly this many bytes from the front of the input.
    pub consumed: usize,
    /// The full size in bytes of a packet that is incomplete in what then remains, as far as known; else 0.
    pub needed: usize,
    /// At most one event.
    pub event: Option<ProvisioningEvent<'i>>,
}
