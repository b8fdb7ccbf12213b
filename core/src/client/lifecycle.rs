//! How a connection begins and ends, and what time does to it.

use super::machine::{Machine, Parts, check_features, device, finish_reserve};
use super::telemetry;
use crate::auth::Identity;
use crate::config::{ConnectOptions, INBOUND, Settings};
use crate::error::{CapacityError, Error, Field, TimeoutReason, UsageError};
use crate::event::{Disconnected, Suspect, TelemetryToken};
use crate::packet::{Connect, WillFields, connect};
use crate::session::Ended;
use crate::session::state::{Command, State};
use crate::time::{Duration, Instant};
use crate::topic::{self, Features};
use crate::wire::{MAX_TEXT, Writer, frame};
use core::ops::Range;
use zeroize::Zeroize;

impl Machine {
    pub(crate) fn connect(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        options: &ConnectOptions<'_>,
    ) -> Result<(), Error> {
        if now > Instant::MAX {
            return Err(UsageError::BadInstant.into());
        }
        self.session.check(Command::Connect)?;
        check_options(&parts.config.identity, options)?;
        let packet = self.write_connect(parts, options)?;
        self.session.begin(&mut parts.storage, now, packet, parts.config.settings.clean_session);
        self.asked = Features::NONE;
        self.granted = Features::NONE;
        self.refused = Features::NONE;
        self.ready = false;
        self.credential_due = false;
        self.accept_next = None;
        self.unread = 0;
        self.twin.reset();
        self.stream.reset();
        if let Some(lifetime) = options.lifetime {
            let left = renew_after(lifetime, parts.config.settings.credential_margin, options.random);
            self.session.arm_after(TimeoutReason::Credential, left);
        }
        self.session.settle(&parts.storage, &parts.config.settings);
        Ok(())
    }

    /// Writes CONNECT into the reserve, whole or not at all.
    #[cfg_attr(target_os = "none", inline(never))]
    fn write_connect(&self, parts: &mut Parts<'_>, options: &ConnectOptions<'_>) -> Result<Range<u32>, Error> {
        let room = parts.storage.tx.get_mut(..self.reserve as usize).unwrap_or_default();
        let mut writer = frame::body_writer(room, frame::MAX_HEADER);
        let topic_len = put_connect(&mut writer, &parts.config.identity, &parts.config.settings, options);
        let remaining = writer.len();
        let outcome = match finish_reserve(room, connect::FIRST, remaining) {
            _ if topic_len > MAX_TEXT => Err(UsageError::TopicTooLong { len: topic_len }.into()),
            Ok(packet) => return Ok(packet),
            Err(needed) => Err(CapacityError::TooLarge { needed, capacity: room.len() }.into()),
        };
        room.zeroize();
        outcome
    }

    pub(crate) fn disconnect(&mut self, parts: &mut Parts<'_>, now: Instant) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            this.session.check(Command::Disconnect)?;
            this.session.disconnect(&mut parts.storage, &parts.config.settings);
            Ok(())
        })
    }

    pub(crate) fn handle_eof(&mut self, parts: &mut Parts<'_>, now: Instant) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            this.session.eof(&mut parts.storage);
            Ok(())
        })
    }

    pub(crate) fn subscribe(&mut self, parts: &mut Parts<'_>, now: Instant, features: Features) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            this.session.check(Command::Queue)?;
            check_features(&parts.config.identity, features)?;
            this.wanted = this.wanted.union(features);
            // Asking again is how a refused filter is tried again.
            this.refused = this.refused.difference(features);
            this.want_subscribe();
            Ok(())
        })
    }

    /// Has a SUBSCRIBE sent if a filter is wanted that was not asked for on this connection.
    pub(super) fn want_subscribe(&mut self) {
        let missing = self.wanted.difference(self.granted).difference(self.refused).difference(self.asked);
        self.session.wants_subscribe = INBOUND && self.session.state().is_connected() && !missing.is_empty();
    }

    pub(crate) fn handle_timeout(&mut self, parts: &mut Parts<'_>, now: Instant) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            // Also after a fatal error: the deadlines of requests not yet sent run on.
            while let Some(reason) = this.session.pop_due(&parts.storage, &parts.config.settings) {
                match reason {
                    TimeoutReason::Credential => this.credential_due = true,
                    TimeoutReason::TwinSync => this.sync_retry(),
                    TimeoutReason::TwinRefetch => this.session.wants_request = true,
                    _ => this.session.timeout(&mut parts.storage, &parts.config.settings, reason),
                }
            }
            this.session.error().map_or(Ok(()), Err)
        })
    }

    /// Whether `CredentialExpiring` may be told: once, and not before `Ready`.
    pub(super) fn credential_expires(&self) -> bool {
        self.credential_due && self.session.state() == State::Ready && !self.ready
    }
}

/// Puts the body of CONNECT. Gives the length of the will's topic.
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn put_connect(
    writer: &mut Writer<'_>,
    identity: &Identity<'_>,
    settings: &Settings,
    options: &ConnectOptions<'_>,
) -> usize {
    let mut topic_len = 0;
    let mut will_topic = |w: &mut Writer<'_>| {
        if let Some(will) = options.will {
            let before = w.len();
            topic::telemetry::put_topic(w, device(identity), will.system, will.properties);
            topic_len = w.len().saturating_sub(before);
        }
    };
    let will = options.will.map(|will| (will.payload, will.qos));
    let mut connect = Connect {
        client_id: &mut |w| identity.put_client_id(w),
        user_name: &mut |w| identity.put_user_name(w),
        password: options.password.map(str::as_bytes),
        keep_alive: settings.keep_alive,
        clean_session: settings.clean_session,
        will: will.map(|(message, qos)| WillFields { topic: &mut will_topic, message, qos, retain: false }),
    };
    connect.put_body(writer);
    topic_len
}

/// What was known when the connection ended, in the application's terms.
pub(super) fn disconnected(ended: Ended) -> Disconnected {
    Disconnected {
        reason: ended.reason,
        last_sent: ended.last_sent,
        suspect: ended.suspect.map(|(ticket, cuts)| Suspect { token: TelemetryToken(ticket), cuts }),
        ready_for: ended.ready_for,
    }
}

fn check_options(identity: &Identity<'_>, options: &ConnectOptions<'_>) -> Result<(), UsageError> {
    if options.password.is_some_and(|password| password.len() > MAX_TEXT) {
        return Err(UsageError::BadText { field: Field::Password, at: MAX_TEXT });
    }
    let Some(will) = options.will else { return Ok(()) };
    let len = will.payload.len();
    if len > MAX_TEXT {
        return Err(UsageError::MessageTooLarge { len, limit: MAX_TEXT });
    }
    telemetry::check(identity, will)
}

/// When to renew a credential of this lifetime: before its end by the margin and as much jitter at most, but never
/// more than a quarter of it.
fn renew_after(lifetime: Duration, margin: Duration, random: u32) -> Duration {
    let jitter = margin.scaled(random);
    lifetime.saturating_sub(margin.saturating_add(jitter).min(lifetime.quarter()))
}

#[cfg(all(test, feature = "twin"))]
mod tests {
    use crate::auth::Identity;
    use crate::error::{Error, TimeoutReason};
    use crate::event::{Event, RequestError};
    use crate::time::{Duration, Instant};
    use crate::{Client, Config, ConnectOptions, Inbound, Slot, State, Storage};

    #[test]
    fn a_request_expires_after_a_fatal_error_too() {
        let (mut tx, mut slots, mut inbound) = ([0; 2_048], [Slot::EMPTY; 4], [Inbound::EMPTY; 4]);
        let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
        let mut client =
            Client::new(Config::new(Identity::device("contoso.azure-devices.net", "dev1")), storage).unwrap();
        let start = Instant::ZERO;
        let token = client.twin_report(start, b"{}").unwrap();
        client.connect(start, &ConnectOptions::default()).unwrap();
        let connect = client.poll_transmit().unwrap().len();
        client.confirm_transmit(start, connect).unwrap();

        let fatal = Error::TimedOut(TimeoutReason::Connack);
        let connack = start + Duration::from_secs(30);
        assert_eq!(client.handle_timeout(connack), Err(fatal));
        assert!(matches!(client.handle_input(connack, &[]).unwrap().event, Some(Event::Disconnected(_))));
        assert_eq!((client.state(), client.timeout_reason()), (State::Failed, Some(TimeoutReason::Request)));

        let due = client.poll_timeout().unwrap();
        assert_eq!(client.handle_timeout(due), Err(fatal));
        // Law 7: a driver that sleeps until the next deadline would never sleep again.
        assert_eq!(client.poll_timeout(), None);
        let expired = Event::RequestFailed { token, reason: RequestError::TimedOut, payload: &[] };
        assert_eq!(client.handle_input(due, &[]).unwrap().event, Some(expired));
        assert_eq!(client.handle_input(due, &[]), Err(fatal));
    }
}
