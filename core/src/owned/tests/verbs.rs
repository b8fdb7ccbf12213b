//! Both owners of the machine behind one trait.

use crate::error::{Error, TimeoutReason};
use crate::event::{KeptRequestId, MessageToken, TelemetryToken, TwinToken, Withdrawn};
use crate::time::Instant;
use crate::{Client, ConnectOptions, Handled, OwnedClient, OwnedEvent, Pending, State, Telemetry};
use std::vec::Vec;
/// The verbs, as far as tests of both owners need them.
pub(super) trait Verbs {
    fn connect(&mut self, now: Instant) -> Result<(), Error>;
    fn feed(&mut self, now: Instant, input: &mut Vec<u8>) -> Result<Option<OwnedEvent>, Error>;
    fn transmit(&mut self, now: Instant, at_most: usize) -> Option<Vec<u8>>;
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error>;
    fn handle_eof(&mut self, now: Instant) -> Result<(), Error>;
    fn disconnect(&mut self, now: Instant) -> Result<(), Error>;
    fn send(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error>;
    fn withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error>;
    fn accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error>;
    fn leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error>;
    fn respond(&mut self, now: Instant, request: &KeptRequestId, body: &[u8]) -> Result<(), Error>;
    fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error>;
    fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error>;
    fn unacked(&self) -> Vec<TelemetryToken>;
    fn seen(&self) -> (State, Pending, bool, Option<(Instant, TimeoutReason)>, u32);
}

macro_rules! verbs {
    ($owner:ty, |$self:ident, $now:ident, $input:ident| $feed:expr) => {
        impl Verbs for $owner {
            fn connect(&mut self, now: Instant) -> Result<(), Error> {
                Self::connect(self, now, &ConnectOptions { password: Some("password"), ..Default::default() })
            }
            fn feed(&mut $self, $now: Instant, $input: &mut Vec<u8>) -> Result<Option<OwnedEvent>, Error> {
                $feed
            }
            fn transmit(&mut self, now: Instant, at_most: usize) -> Option<Vec<u8>> {
                let bytes = self.poll_transmit()?;
                let bytes = bytes[..bytes.len().min(at_most)].to_vec();
                self.confirm_transmit(now, bytes.len()).unwrap();
                Some(bytes)
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
            fn send(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error> {
                self.send_telemetry(now, message)
            }
            fn withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error> {
                self.telemetry_withdraw(now, token)
            }
            fn accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
                self.message_accept(now, token)
            }
            fn leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
                self.message_leave(now, token)
            }
            fn respond(&mut self, now: Instant, request: &KeptRequestId, body: &[u8]) -> Result<(), Error> {
                self.method_respond(now, request, 200, body)
            }
            fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error> {
                Self::twin_get(self, now)
            }
            fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error> {
                Self::twin_report(self, now, patch)
            }
            fn unacked(&self) -> Vec<TelemetryToken> {
                Self::unacked(self).collect()
            }
            fn seen(&self) -> (State, Pending, bool, Option<(Instant, TimeoutReason)>, u32) {
                let deadline = self.poll_timeout().zip(self.timeout_reason());
                (self.state(), self.pending(), self.has_event(), deadline, self.strays())
            }
        }
    };
}

verbs!(Client<'_>, |self, now, input| {
    loop {
        let Handled { consumed, event, .. } = self.handle_input(now, input)?;
        let event = event.map(OwnedEvent::from);
        input.drain(..consumed);
        if event.is_some() || consumed == 0 {
            return Ok(event);
        }
    }
});

verbs!(OwnedClient, |self, now, input| {
    let Handled { consumed, event, .. } = self.handle_input(now, input)?;
    let event = event.map(OwnedEvent::from);
    input.drain(..consumed);
    Ok(event)
});
