//! Device-to-cloud messages: checked against the hub's limits before anything is queued.

use super::machine::{Machine, Parts, device};
use crate::auth::Identity;
#[cfg(feature = "stream")]
use crate::config::Parts as Supplied;
use crate::config::Telemetry;
use crate::error::{Error, UsageError};
use crate::event::TelemetryToken;
use crate::packet::{QoS, publish};
use crate::session::{Body, Ident, Withdrawn};
use crate::storage::{Slot, SlotKind};
use crate::time::Instant;
use crate::topic::{Device, properties, telemetry};
use crate::wire::Writer;

/// What the hub takes: the body with the values of system properties and the names and values of the others.
const MAX_MESSAGE: usize = 256 * 1024;

/// Nothing of the payload comes in parts.
#[cfg(feature = "stream")]
const WHOLE: Supplied = Supplied::NONE;
#[cfg(not(feature = "stream"))]
const WHOLE: Supplied = ();
#[cfg(not(feature = "stream"))]
type Supplied = ();

impl Machine {
    pub(crate) fn send_telemetry(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        message: &Telemetry<'_>,
    ) -> Result<TelemetryToken, Error> {
        self.at(parts, now, |this, parts| this.queue(parts, message, WHOLE))
    }

    #[cfg(feature = "stream")]
    pub(crate) fn send_telemetry_parts(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        message: &Telemetry<'_>,
        supplied: Supplied,
    ) -> Result<TelemetryToken, Error> {
        self.at(parts, now, |this, parts| this.queue(parts, message, supplied.checked()))
    }

    #[cfg(feature = "stream")]
    pub(crate) fn telemetry_part(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        token: TelemetryToken,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.at(parts, now, |this, parts| this.session.supply(&mut parts.storage, token.0, offset, bytes))
    }

    fn queue(
        &mut self,
        parts: &mut Parts<'_>,
        message: &Telemetry<'_>,
        supplied: Supplied,
    ) -> Result<TelemetryToken, Error> {
        let device = device(&parts.config.identity);
        check(&parts.config.identity, message)?;
        let kind = match message.qos {
            QoS::AtMostOnce => SlotKind::Telemetry0,
            QoS::AtLeastOnce => SlotKind::Telemetry1,
        };
        let first = publish::first_byte(message.qos, false, false);
        let ident = self.session.enqueue(&mut parts.storage, kind, first, &Outgoing { device, message, supplied })?;
        Ok(TelemetryToken(ident.ticket))
    }

    pub(crate) fn telemetry_withdraw(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        token: TelemetryToken,
    ) -> Result<Withdrawn, Error> {
        self.at(parts, now, |this, parts| Ok(this.session.withdraw(&mut parts.storage, token.0)?))
    }

    pub(crate) fn telemetry_sent(&self, slots: &[Slot], token: TelemetryToken) -> Result<bool, UsageError> {
        self.session.was_sent(slots, token.0)
    }
}

/// What no topic can say, of a message or a will. Only modules have outputs.
pub(super) fn check(identity: &Identity<'_>, message: &Telemetry<'_>) -> Result<(), UsageError> {
    if message.system.output.is_some() && identity.module_id.is_none() {
        return Err(UsageError::WrongIdentity);
    }
    properties::check(message.properties)
}

struct Outgoing<'m> {
    device: Device<'m>,
    message: &'m Telemetry<'m>,
    #[cfg_attr(not(feature = "stream"), expect(dead_code, reason = "nothing is supplied"))]
    supplied: Supplied,
}

impl Body for Outgoing<'_> {
    fn put_topic(&self, w: &mut Writer<'_>, _ident: Ident) -> Result<(), UsageError> {
        let Telemetry { payload, system, properties, .. } = self.message;
        let counted = telemetry::put_topic(w, self.device, system, *properties);
        let len = counted.saturating_add(payload.len());
        #[cfg(feature = "stream")]
        let len = len.saturating_add(self.supplied.len as usize);
        if len > MAX_MESSAGE { Err(UsageError::MessageTooLarge { len, limit: MAX_MESSAGE }) } else { Ok(()) }
    }

    fn payload(&self) -> &[u8] {
        self.message.payload
    }

    #[cfg(feature = "stream")]
    fn parts(&self) -> Supplied {
        self.supplied
    }
}
