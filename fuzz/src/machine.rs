//! Both owners of the state machine behind one trait.

use iothub_proto::error::{Error, TimeoutReason};
use iothub_proto::event::{KeptRequestId, MessageToken, TelemetryToken, TwinToken, Withdrawn};
use iothub_proto::time::Instant;
use iothub_proto::topic::Features;
use iothub_proto::{Client, ConnectOptions, Handled, OwnedClient, Parts, Pending, State, Telemetry};

/// The verbs of [`Client`] and [`OwnedClient`].
pub(crate) trait Machine {
    fn connect(&mut self, now: Instant, options: &ConnectOptions<'_>) -> Result<(), Error>;
    fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<Handled<'i>, Error>;
    fn has_event(&self) -> bool;
    fn poll_transmit(&mut self) -> Option<&[u8]>;
    fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error>;
    fn poll_timeout(&self) -> Option<Instant>;
    fn timeout_reason(&self) -> Option<TimeoutReason>;
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error>;
    fn handle_eof(&mut self, now: Instant) -> Result<(), Error>;
    fn disconnect(&mut self, now: Instant) -> Result<(), Error>;
    fn subscribe(&mut self, now: Instant, features: Features) -> Result<(), Error>;
    fn send_telemetry(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error>;
    fn send_telemetry_parts(
        &mut self,
        now: Instant,
        message: &Telemetry<'_>,
        parts: Parts,
    ) -> Result<TelemetryToken, Error>;
    fn telemetry_part(&mut self, now: Instant, token: TelemetryToken, offset: u32, bytes: &[u8]) -> Result<(), Error>;
    fn telemetry_withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error>;
    fn message_accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error>;
    fn message_leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error>;
    fn method_respond(&mut self, now: Instant, id: &KeptRequestId, status: u16, body: &[u8]) -> Result<(), Error>;
    fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error>;
    fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error>;
    fn state(&self) -> State;
    fn pending(&self) -> Pending;
    fn unacked(&self) -> Vec<TelemetryToken>;
    fn tx_free(&self) -> usize;
    fn strays(&self) -> u32;
}

macro_rules! machine {
    ($($owner:ty),*) => {$(
        impl Machine for $owner {
            fn connect(&mut self, now: Instant, options: &ConnectOptions<'_>) -> Result<(), Error> {
                Self::connect(self, now, options)
            }
            fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<Handled<'i>, Error> {
                Self::handle_input(self, now, input)
            }
            fn has_event(&self) -> bool {
                Self::has_event(self)
            }
            fn poll_transmit(&mut self) -> Option<&[u8]> {
                Self::poll_transmit(self)
            }
            fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error> {
                Self::confirm_transmit(self, now, count)
            }
            fn poll_timeout(&self) -> Option<Instant> {
                Self::poll_timeout(self)
            }
            fn timeout_reason(&self) -> Option<TimeoutReason> {
                Self::timeout_reason(self)
            }
            fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
                Self::handle_timeout(self, now)
            }
            fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
                Self::handle_eof(self, now)
            }
            fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
                Self::disconnect(self, now)
            }
            fn subscribe(&mut self, now: Instant, features: Features) -> Result<(), Error> {
                Self::subscribe(self, now, features)
            }
            fn send_telemetry(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error> {
                Self::send_telemetry(self, now, message)
            }
            fn send_telemetry_parts(
                &mut self,
                now: Instant,
                message: &Telemetry<'_>,
                parts: Parts,
            ) -> Result<TelemetryToken, Error> {
                Self::send_telemetry_parts(self, now, message, parts)
            }
            fn telemetry_part(
                &mut self,
                now: Instant,
                token: TelemetryToken,
                offset: u32,
                bytes: &[u8],
            ) -> Result<(), Error> {
                Self::telemetry_part(self, now, token, offset, bytes)
            }
            fn telemetry_withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error> {
                Self::telemetry_withdraw(self, now, token)
            }
            fn message_accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
                Self::message_accept(self, now, token)
            }
            fn message_leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
                Self::message_leave(self, now, token)
            }
            fn method_respond(
                &mut self,
                now: Instant,
                id: &KeptRequestId,
                status: u16,
                body: &[u8],
            ) -> Result<(), Error> {
                Self::method_respond(self, now, id, status, body)
            }
            fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error> {
                Self::twin_get(self, now)
            }
            fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error> {
                Self::twin_report(self, now, patch)
            }
            fn state(&self) -> State {
                Self::state(self)
            }
            fn pending(&self) -> Pending {
                Self::pending(self)
            }
            fn unacked(&self) -> Vec<TelemetryToken> {
                Self::unacked(self).collect()
            }
            fn tx_free(&self) -> usize {
                Self::tx_free(self)
            }
            fn strays(&self) -> u32 {
                Self::strays(self)
            }
        }
    )*};
}

machine!(Client<'_>, OwnedClient);
