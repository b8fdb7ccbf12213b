//! Device-to-cloud messages: checked against the hub's limits before anything is queued.

use super::machine::{Machine, Parts, device};
use crate::config::Telemetry;
use crate::error::{Error, UsageError};
use crate::event::TelemetryToken;
use crate::packet::{QoS, publish};
use crate::session::Withdrawn;
use crate::storage::SlotKind;
use crate::time::Instant;
use crate::topic::{Device, properties, telemetry};
use crate::wire::{MAX_TEXT, Writer};

/// What the hub takes: the body with the values of system properties and the names and values of the others.
const MAX_MESSAGE: usize = 256 * 1024;

impl Machine {
    pub(crate) fn send_telemetry(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        message: &Telemetry<'_>,
    ) -> Result<TelemetryToken, Error> {
        self.at(parts, now, |this, parts| {
            let device = device(parts.identity);
            check_message(device, message)?;
            let kind = match message.qos {
                QoS::AtMostOnce => SlotKind::Telemetry0,
                QoS::AtLeastOnce => SlotKind::Telemetry1,
            };
            let first = publish::first_byte(message.qos, false, false);
            let ident = this.session.enqueue(&mut parts.storage, kind, first, &mut |w, ident| {
                let mut counted = 0;
                let mut topic = |w: &mut Writer<'_>| {
                    counted = telemetry::put_topic(w, device, &message.system, message.properties);
                };
                let topic_len = publish::put_body(w, &mut topic, ident.id, message.payload);
                let len = counted.saturating_add(message.payload.len());
                if len > MAX_MESSAGE {
                    return Err(UsageError::MessageTooLarge { len, limit: MAX_MESSAGE });
                }
                check_topic(topic_len)
            })?;
            Ok(TelemetryToken(ident.ticket))
        })
    }

    pub(crate) fn telemetry_withdraw(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        token: TelemetryToken,
    ) -> Result<Withdrawn, Error> {
        self.at(parts, now, |this, parts| Ok(this.session.withdraw(&mut parts.storage, token.0)?))
    }
}

/// What no message of `device` may have, a will included.
pub(super) fn check_message(device: Device<'_>, message: &Telemetry<'_>) -> Result<(), UsageError> {
    if message.system.output.is_some() && device.module_id.is_none() {
        return Err(UsageError::WrongIdentity);
    }
    properties::check(message.properties)
}

/// A topic has a 16-bit length (MQTT-4.7.3-3).
pub(super) const fn check_topic(len: usize) -> Result<(), UsageError> {
    if len > MAX_TEXT { Err(UsageError::TopicTooLong { len }) } else { Ok(()) }
}
