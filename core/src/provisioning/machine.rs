//! The machine without its memory.
//!
//! One request is outstanding at a time: first the registration, then questions about it once the service has named the
//! operation. Each is written when its turn comes, into the same memory as CONNECT and SUBSCRIBE, so nothing is queued.
//! A request without an answer in time, or one that the service had no time for, is made again under a new number.

use super::answer::{self, Answer};
use super::event::{ProvisioningEvent, ProvisioningHandled};
use super::pace::Pace;
use super::{ProvisioningConfig, request};
use crate::config::Settings;
use crate::error::{Error, RegistrationError, TimeoutReason, UsageError};
use crate::event::Disconnected;
use crate::packet::{Publish, subscribe};
use crate::session::state::{Command, State};
use crate::session::{Fatal, Incoming, Lane, Lent, Look, Session, Step};
use crate::storage::Storage;
use crate::storage::window::Decision;
use crate::time::Instant;
use crate::topic::registration;
use crate::wire::{copy, frame};
use core::ops::Range;

/// Bytes of the longest operation id, percent-encoded. The service's have 55.
pub(super) const MAX_OPERATION_ID: usize = 128;

/// What the machine does not hold.
pub(super) struct Parts<'p, 'c> {
    pub(super) storage: Storage<'p>,
    pub(super) config: &'p ProvisioningConfig<'c>,
}

/// A registration over an MQTT session.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) session: Session,
    pace: Pace,
    operation: Operation,
    /// The number of the last request, its `$rid`, and whether it is lent or sent and not answered.
    number: u32,
    outstanding: bool,
    /// Bytes of input that were there at the end of the last call.
    unread: u32,
}

/// The service's name for what it does; empty before it does anything.
#[derive(Clone, Copy, Debug)]
struct Operation {
    id: [u8; MAX_OPERATION_ID],
    len: u8,
}

impl Operation {
    const NONE: Self = Self { id: [0; MAX_OPERATION_ID], len: 0 };

    /// `None` if it is too long.
    fn new(id: &str) -> Option<Self> {
        let mut operation = Self::NONE;
        copy(operation.id.get_mut(..id.len())?, id.as_bytes());
        operation.len = id.len() as u8;
        (request::encoded_len(id) <= MAX_OPERATION_ID).then_some(operation)
    }

    fn id(&self) -> Option<&str> {
        let id = self.id.get(..usize::from(self.len)).filter(|id| !id.is_empty())?;
        core::str::from_utf8(id).ok()
    }
}

impl Machine {
    pub(super) fn new(reserve: u32) -> Self {
        Self {
            session: Session::new(reserve, &mut []),
            pace: Pace::new(0),
            operation: Operation::NONE,
            number: 0,
            outstanding: false,
            unread: 0,
        }
    }

    /// Runs `call` at `now`, and what follows from any call after it.
    pub(super) fn at<T>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        now: Instant,
        call: impl FnOnce(&mut Self, &mut Parts<'_, '_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.session.tick(parts.storage.slots, now).ok_or(UsageError::BadInstant)?;
        let outcome = call(self, parts);
        self.session.settle(&parts.storage, &parts.config.settings);
        if !matches!(self.session.state(), State::Connecting | State::Subscribing | State::Ready) {
            // It is over, or about to be: nothing more is asked.
            self.rest();
        }
        outcome
    }

    fn rest(&mut self) {
        for reason in [TimeoutReason::Request, TimeoutReason::Poll, TimeoutReason::Registration] {
            self.pace.arm(reason, Instant::NEVER);
        }
        self.outstanding = false;
    }

    pub(super) fn eof(&mut self, parts: &mut Parts<'_, '_>, now: Instant) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            this.session.eof(&mut parts.storage);
            Ok(())
        })
    }

    pub(super) fn disconnect(&mut self, parts: &mut Parts<'_, '_>, now: Instant) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            this.session.check(Command::Disconnect)?;
            this.session.disconnect(&mut parts.storage, &parts.config.settings);
            Ok(())
        })
    }

    pub(super) fn connect(
        &mut self,
        parts: &mut Parts<'_, '_>,
        now: Instant,
        password: Option<&str>,
        random: u32,
    ) -> Result<(), Error> {
        if now > Instant::MAX {
            return Err(UsageError::BadInstant.into());
        }
        self.session.check(Command::Connect)?;
        let packet = request::write_connect(parts.storage.tx, parts.config, password)?;
        self.session.begin(&mut parts.storage, now, packet, true);
        self.pace = Pace::new(random);
        self.pace.arm(TimeoutReason::Registration, now + parts.config.deadline);
        self.operation = Operation::NONE;
        self.outstanding = false;
        self.unread = 0;
        self.session.settle(&parts.storage, &parts.config.settings);
        Ok(())
    }

    pub(super) fn deadline(&self, settings: &Settings) -> Option<(Instant, TimeoutReason)> {
        let session = self.session.deadline(&[], settings);
        session.into_iter().chain(self.pace.next()).min_by_key(|(at, _)| *at)
    }

    pub(super) fn handle_timeout(&mut self, parts: &mut Parts<'_, '_>, now: Instant) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            while let Some(reason) = this.session.pop_due(&parts.storage, &parts.config.settings) {
                this.session.timeout(&mut parts.storage, &parts.config.settings, reason);
            }
            while let Some(reason) = this.pace.pop_due(this.session.now()) {
                match reason {
                    TimeoutReason::Registration => {
                        this.session.fail(&mut parts.storage, Fatal::TimedOut(TimeoutReason::Registration));
                    }
                    // Time to ask, or to ask again what was not answered.
                    _ => this.ask(),
                }
            }
            this.session.error().map_or(Ok(()), Err)
        })
    }

    /// Has the next request sent.
    fn ask(&mut self) {
        self.outstanding = false;
        self.session.wants_request = self.session.state() == State::Ready;
    }

    /// Chooses the next packet, if none is lent.
    pub(super) fn prepare_transmit(&mut self, parts: &mut Parts<'_, '_>) {
        // Everything was sized when the client was made: an empty packet is never lent.
        match self.session.take_turn() {
            None => {}
            Some(Lane::Subscribe) => {
                let packet =
                    frame::write(parts.storage.tx, frame::MAX_HEADER, subscribe::FIRST, &mut request::put_subscribe);
                self.session.subscribe_sent(1);
                self.session.lend_reserve(Lent::Subscribe, place(packet));
            }
            Some(Lane::Request) => {
                self.number = self.number.wrapping_add(1);
                self.outstanding = true;
                self.session.wants_request = false;
                let packet = request::write(parts.storage.tx, parts.config, self.number, self.operation.id());
                self.session.lend_registration(&place(packet));
            }
            Some(lane) => self.session.lend(&mut parts.storage, lane),
        }
    }

    pub(super) fn confirm_transmit(
        &mut self,
        parts: &mut Parts<'_, '_>,
        now: Instant,
        count: usize,
    ) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            let sent = this.session.confirm(&mut parts.storage, &parts.config.settings, count)?;
            if sent == Lent::Request && this.outstanding {
                let at = this.session.now() + parts.config.settings.request_timeout;
                this.pace.arm(TimeoutReason::Request, at);
            }
            Ok(())
        })
    }

    pub(super) fn handle_input<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        now: Instant,
        input: &'i [u8],
        handled: &mut ProvisioningHandled<'i>,
    ) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            if input.len() > this.unread as usize {
                this.session.heard();
            }
            this.take_input(parts, input, handled)
        })
    }

    fn take_input<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        input: &'i [u8],
        handled: &mut ProvisioningHandled<'i>,
    ) -> Result<(), Error> {
        // What waits comes first.
        let mut step = Step { consumed: 0, incoming: Incoming::Nothing };
        handled.event = self.event(parts, &step.incoming);
        loop {
            if handled.event.is_some() {
                break;
            }
            if !self.session.listens(&parts.storage, &parts.config.settings, input, &mut handled.consumed)? {
                break;
            }
            let ProvisioningHandled { consumed, needed, .. } = &mut *handled;
            let look =
                self.session.look(&mut parts.storage, &parts.config.settings, input, consumed, needed, &mut step);
            handled.event = match look {
                Look::Message(publish) => self.publish(parts, &publish, None),
                // Of a message, and none is sent.
                Look::Acked(_) => None,
                Look::Step => self.event(parts, &step.incoming),
                Look::Over => break,
            };
        }
        if !input.is_empty() {
            self.unread = input.len().saturating_sub(handled.consumed) as u32;
        }
        Ok(())
    }

    /// What `incoming` means to the application; if it is nothing, the connection's end if that waits.
    fn event<'i>(&mut self, parts: &mut Parts<'_, '_>, incoming: &Incoming<'i>) -> Option<ProvisioningEvent<'i>> {
        match *incoming {
            Incoming::Accepted { session_present } => {
                self.session.accept(parts.storage.slots, session_present);
                self.session.wants_subscribe = true;
                Some(ProvisioningEvent::Connected)
            }
            Incoming::Subscribed(suback) => {
                if suback.codes().any(|granted| granted.is_none()) {
                    return self.refuse(parts, RegistrationError::NotSubscribed, &[]);
                }
                let ready = self.session.subscribed();
                self.ask();
                ready.then_some(ProvisioningEvent::Ready)
            }
            Incoming::Oversize { publish, payload_len } => self.publish(parts, &publish, Some(payload_len)),
            Incoming::Nothing | Incoming::Needs(_) | Incoming::Refused(_) | Incoming::Piece { .. } => {
                let ended = self.session.take_ended()?;
                Some(ProvisioningEvent::Disconnected(Disconnected {
                    reason: ended.reason,
                    last_sent: ended.last_sent,
                    suspect: None,
                    ready_for: ended.ready_for,
                }))
            }
        }
    }

    /// An answer came. With `skipped` its body, of so many bytes, is larger than the receive buffer and passes by.
    fn publish<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        publish: &Publish<'i>,
        skipped: Option<u32>,
    ) -> Option<ProvisioningEvent<'i>> {
        if let Some(id) = publish.id {
            // If there is no room the answer comes twice at worst, and once its number is out of date.
            let _ = self.session.remember(&mut parts.storage, id, Decision::Accepted);
        }
        let response = registration::parse(publish.topic);
        let is_ours = |rid: &str| crate::wire::decimal(rid.into()) == Some(u64::from(self.number));
        // A topic that is larger than the buffer is told as an empty one: here nothing else but answers can come.
        let answers = response.map_or(publish.topic.is_empty(), |response| is_ours(response.request_id));
        if !self.outstanding || !answers {
            self.session.count_stray();
            return None;
        }
        self.outstanding = false;
        self.pace.arm(TimeoutReason::Request, Instant::NEVER);
        let too_large = skipped.map(|len| RegistrationError::AnswerTooLarge { len });
        let (Some(response), body) = (response, publish.payload) else {
            return self.refuse(parts, too_large.unwrap_or(RegistrationError::BadAnswer { status: 0 }), &[]);
        };
        let status = response.status;
        let answer = match status {
            200..=299 => too_large.map_or_else(|| answer::read(status, body), Err),
            429 | 500.. => {
                let retry_after = self.pace.retry_after(response.retry_after);
                self.pace.arm(TimeoutReason::Poll, self.session.now() + retry_after);
                return Some(ProvisioningEvent::Throttled { status, code: answer::code(body), retry_after });
            }
            _ => Err(RegistrationError::Refused { status, code: answer::code(body) }),
        };
        match answer {
            Ok(Answer::Assigned(assignment)) => {
                self.session.disconnect(&mut parts.storage, &parts.config.settings);
                Some(ProvisioningEvent::Assigned(assignment))
            }
            Ok(Answer::Assigning(id)) => {
                if let Some(id) = id {
                    self.operation = Operation::new(id).unwrap_or(Operation::NONE);
                }
                if self.operation.id().is_none() {
                    return self.refuse(parts, RegistrationError::BadAnswer { status }, body);
                }
                let retry_after = self.pace.poll_after(response.retry_after);
                self.pace.arm(TimeoutReason::Poll, self.session.now() + retry_after);
                Some(ProvisioningEvent::Assigning { retry_after })
            }
            Err(error) => self.refuse(parts, error, body),
        }
    }

    /// The device will not be assigned: the connection ends with this error.
    fn refuse<'i>(
        &mut self,
        parts: &mut Parts<'_, '_>,
        error: RegistrationError,
        payload: &'i [u8],
    ) -> Option<ProvisioningEvent<'i>> {
        self.session.fail(&mut parts.storage, Fatal::Registration(error));
        Some(ProvisioningEvent::Refused { error, payload })
    }
}

/// The place of a packet in memory that was sized for it.
fn place(packet: Result<Range<usize>, usize>) -> Range<u32> {
    packet.map_or(0..0, |packet| packet.start as u32..packet.end as u32)
}
