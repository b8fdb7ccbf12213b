//! What an application asks of a [`Client`], as against what its driver does.

use super::Client;
#[cfg(feature = "stream")]
use crate::config::Parts;
use crate::config::Telemetry;
use crate::error::Error;
use crate::event::{MessageToken, RequestId, TelemetryToken};
use crate::session::Withdrawn;
use crate::storage::window::Decision;
use crate::time::Instant;
use crate::topic::Features;
#[cfg(doc)]
use crate::{
    Event,
    error::{CapacityError, UsageError},
};

impl Client<'_> {
    /// Adds to what is subscribed, on this connection and all later ones. [`Event::Subscribed`] answers, or
    /// [`Event::Ready`] if the connection is not ready yet; nothing does if all of it is granted already.
    ///
    /// # Errors
    ///
    /// [`UsageError::WrongIdentity`] for module inputs on a device or messages on a module.
    pub fn subscribe(&mut self, now: Instant, features: Features) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.subscribe(parts, now, features)
    }

    /// Queues a message, in every state.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] if memory is short;
    /// [`UsageError::MessageTooLarge`], [`UsageError::TopicTooLong`], [`UsageError::BadText`] for what the hub
    /// would answer by closing the connection.
    pub fn send_telemetry(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error> {
        let Self { machine, parts } = self;
        machine.send_telemetry(parts, now, message)
    }

    /// Queues a message whose payload, behind what `message` has of it, the application supplies in parts while the
    /// packet leaves: from flash, for instance. It takes `parts.room` bytes of memory instead of the payload's.
    ///
    /// When it is the message's turn, [`Event::PartWanted`] asks for one part after another; after a cut it is sent
    /// again as any other message, so at QoS 1 it asks for all of them again. A part is asked for while packets leave:
    /// a driver looks at [`has_event`](Self::has_event) before it sleeps. Half a packet holds up everything behind it,
    /// acknowledgements and PINGREQ too, so an application that does not supply for
    /// [`Settings::send_timeout`](crate::Settings::send_timeout) loses its connection
    /// ([`TimeoutReason::Supply`](crate::error::TimeoutReason::Supply)).
    ///
    /// ```
    /// use iothub_proto::{Client, Event, Parts, Telemetry, error::Error, time::Instant};
    ///
    /// fn send_log(client: &mut Client<'_>, now: Instant, log: &[u8]) -> Result<(), Error> {
    ///     client.send_telemetry_parts(now, &Telemetry::default(), Parts { len: log.len() as u32, room: 512 })?;
    ///     Ok(())
    /// }
    ///
    /// fn on_event(client: &mut Client<'_>, now: Instant, event: &Event<'_>, log: &[u8]) -> Result<(), Error> {
    ///     if let Event::PartWanted { token, offset, room } = *event {
    ///         let rest = &log[offset as usize..];
    ///         client.telemetry_part(now, token, offset, &rest[..rest.len().min(room as usize)])?;
    ///     }
    ///     Ok(())
    /// }
    /// # let _ = (send_log, on_event);
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`send_telemetry`](Self::send_telemetry), the parts counted as payload.
    #[cfg(feature = "stream")]
    pub fn send_telemetry_parts(
        &mut self,
        now: Instant,
        message: &Telemetry<'_>,
        parts: Parts,
    ) -> Result<TelemetryToken, Error> {
        let Self { machine, parts: memory } = self;
        machine.send_telemetry_parts(memory, now, message, parts)
    }

    /// Supplies the part that [`Event::PartWanted`] asked for: some bytes, copied, at most as many as there is room
    /// for. None at all changes nothing.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if this message wants no part now, or one at another offset, as after a cut;
    /// [`CapacityError::TooLarge`] if it has more bytes than there is room for.
    #[cfg(feature = "stream")]
    pub fn telemetry_part(
        &mut self,
        now: Instant,
        token: TelemetryToken,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.telemetry_part(parts, now, token, offset, bytes)
    }

    /// Takes a message back: it is not sent (again), and no acknowledgement is reported. One that is half sent on this
    /// connection goes on wanting its parts, as half a packet cannot be taken back.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if it is settled already.
    pub fn telemetry_withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error> {
        let Self { machine, parts } = self;
        machine.telemetry_withdraw(parts, now, token)
    }

    /// Accepts a message: its PUBACK leaves when the earlier messages are decided.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if it was decided before or its connection is over.
    pub fn message_accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.settle_message(parts, now, token, Decision::Accepted)
    }

    /// Leaves a message with the hub: no PUBACK, so it comes again on a later connection.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if it was decided before or its connection is over.
    pub fn message_leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.settle_message(parts, now, token, Decision::Left)
    }

    /// Answers a direct method with an HTTP-like status and JSON, or nothing. The request is named by its
    /// [`RequestId`] or by what [`RequestId::keep`] made of it. The hub drops a second answer.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] if its connection is over; [`UsageError::MessageTooLarge`] above 128 KiB;
    /// [`CapacityError`].
    pub fn method_respond<'r>(
        &mut self,
        now: Instant,
        request: impl Into<RequestId<'r>>,
        status: u16,
        body: &[u8],
    ) -> Result<(), Error> {
        let Self { machine, parts } = self;
        machine.method_respond(parts, now, request.into(), status, body)
    }
}
