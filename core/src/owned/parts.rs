//! Messages whose payload the application supplies in parts.

use super::OwnedClient;
use crate::config::{Parts, Telemetry};
use crate::error::Error;
use crate::event::TelemetryToken;
use crate::time::Instant;

impl OwnedClient {
    /// As [`Client::send_telemetry_parts`](crate::Client::send_telemetry_parts).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn send_telemetry_parts(
        &mut self,
        now: Instant,
        message: &Telemetry<'_>,
        parts: Parts,
    ) -> Result<TelemetryToken, Error> {
        self.command(|machine, memory| machine.send_telemetry_parts(memory, now, message, parts))
    }

    /// As [`Client::telemetry_part`](crate::Client::telemetry_part).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn telemetry_part(
        &mut self,
        now: Instant,
        token: TelemetryToken,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.finish(|machine, parts| machine.telemetry_part(parts, now, token, offset, bytes))
    }
}
