//! What an application asks of a [`Client`], as against what its driver does.

use super::Client;
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

    /// Takes a message back: it is not sent (again), and no acknowledgement is reported.
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
