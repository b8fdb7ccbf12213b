//! The machine without its memory: one code path for every owner.

use super::stream::Stream;
use super::twin::TwinSync;
use crate::auth::Identity;
use crate::config::{Config, ConnectOptions, INBOUND, Settings, offered};
use crate::error::{CapacityError, Error, Setting, TimeoutReason, UsageError};
use crate::event::{MessageToken, RequestId};
use crate::session::Session;
use crate::session::state::State;
use crate::storage::list::NONE;
use crate::storage::{Flags, Slot, SlotKind, Storage};
use crate::time::Instant;
use crate::topic::{Device, Features};
use crate::wire::{Writer, frame};
use core::ops::Range;

/// What the machine does not hold: memory, identity and settings, from whoever owns them.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) storage: Storage<'a>,
    pub(crate) config: Config<'a>,
    /// Whether the owner can make more room for inbound records: input then stops where that is needed.
    #[cfg(feature = "alloc")]
    pub(crate) inbound_grows: bool,
}

impl<'a> Parts<'a> {
    /// Memory that does not grow, and the rest.
    pub(crate) const fn new(storage: Storage<'a>, config: Config<'a>) -> Self {
        Self {
            storage,
            config,
            #[cfg(feature = "alloc")]
            inbound_grows: false,
        }
    }
}

/// How much memory an owner has, or may come to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) tx: usize,
    pub(crate) slots: usize,
    pub(crate) inbound: usize,
}

impl Limits {
    /// Memory that does not grow.
    pub(crate) const fn of(storage: &Storage<'_>) -> Self {
        Self { tx: storage.tx.len(), slots: storage.slots.len(), inbound: storage.inbound.len() }
    }
}

pub(super) const fn device<'p>(identity: &'p Identity<'_>) -> Device<'p> {
    Device { device_id: identity.device_id, module_id: identity.module_id }
}

/// Azure's meaning over an MQTT session.
#[derive(Debug)]
#[repr(C)] // As in `Session`: what is small first.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Machine {
    /// What to subscribe on each connection.
    pub(super) wanted: Features,
    /// On this connection: in the outstanding SUBSCRIBE, granted, refused.
    pub(super) asked: Features,
    pub(super) granted: Features,
    pub(super) refused: Features,
    /// `Ready` waits to be taken.
    pub(super) ready: bool,
    /// The credential ends soon, and the application was not told.
    pub(super) credential_due: bool,
    pub(super) session: Session,
    /// A message to accept at the next input call.
    pub(super) accept_next: Option<MessageToken>,
    /// Bytes of the reserve at the front of `tx`.
    pub(super) reserve: u32,
    /// Bytes of input that were there at the end of the last call.
    pub(super) unread: u32,
    pub(super) twin: TwinSync,
    pub(super) stream: Stream,
}

/// Commands not settled, as [`Client::pending`](crate::Client::pending) counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pending {
    /// Telemetry messages unsent or unacknowledged.
    pub telemetry: u16,
    /// Twin requests unsent or unanswered.
    pub twin_requests: u16,
    /// Method answers unsent.
    pub method_answers: u16,
    /// Messages delivered and not acknowledged or left.
    pub messages: u16,
}

impl Machine {
    /// Checks everything once; trusted after. Gives the bytes of the reserve.
    pub(crate) fn check(identity: &Identity<'_>, settings: &Settings, limits: Limits) -> Result<u32, Error> {
        identity.check()?;
        settings.check()?;
        check_features(identity, settings.features)?;
        if limits.slots >= usize::from(NONE) {
            return Err(UsageError::BadSetting(Setting::Slots).into());
        }
        if limits.inbound == 0 || limits.inbound > usize::from(NONE) {
            return Err(UsageError::BadSetting(Setting::Inbound).into());
        }
        let reserve = reserve(identity, settings);
        if reserve >= limits.tx || u32::try_from(limits.tx).is_err() {
            return Err(CapacityError::TooLarge { needed: reserve, capacity: limits.tx }.into());
        }
        Ok(reserve as u32)
    }

    /// What was [checked](Self::check). Apart from that, so that a client can be made in its place.
    pub(crate) fn new(reserve: u32, features: Features, slots: &mut [Slot]) -> Self {
        Self {
            session: Session::new(reserve, slots),
            twin: TwinSync::new(),
            stream: Stream::new(),
            reserve,
            wanted: features,
            asked: Features::NONE,
            granted: Features::NONE,
            refused: Features::NONE,
            ready: false,
            credential_due: false,
            accept_next: None,
            unread: 0,
        }
    }

    pub(crate) const fn state(&self) -> State {
        self.session.state()
    }

    pub(crate) fn deadline(&self, slots: &[Slot], settings: &Settings) -> Option<(Instant, TimeoutReason)> {
        let (at, reason) = self.session.deadline(slots, settings)?;
        Some((at, self.session.stalled_by(reason)))
    }

    /// Runs `call` at `now`, and what follows from any call after it.
    pub(super) fn at<T>(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        call: impl FnOnce(&mut Self, &mut Parts<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.session.tick(parts.storage.slots, now).ok_or(UsageError::BadInstant)?;
        let outcome = call(self, parts);
        self.session.settle(&parts.storage, &parts.config.settings);
        outcome
    }

    pub(crate) fn pending(&self, slots: &[Slot]) -> Pending {
        let mut pending = Pending { messages: self.session.window.len(), ..Pending::default() };
        // What is settled may have its bytes lent or its id in use still.
        let settled = Flags::DONE.with(Flags::WITHDRAWN);
        for slot in slots.iter().filter(|slot| !slot.flags.has(settled)) {
            let count = match slot.kind {
                SlotKind::Free => continue,
                SlotKind::Telemetry0 | SlotKind::Telemetry1 => &mut pending.telemetry,
                SlotKind::TwinGet | SlotKind::TwinReport => &mut pending.twin_requests,
                SlotKind::Answer => &mut pending.method_answers,
            };
            *count = count.saturating_add(1);
        }
        pending
    }

    pub(crate) fn tx_free(&self, slots: &[Slot], tx_len: usize) -> usize {
        self.session.largest(slots, tx_len)
    }

    /// Overwrites a CONNECT that was not sent whole.
    pub(crate) fn forget_password(&self, storage: &mut Storage<'_>) {
        self.session.wipe_connect(storage);
    }

    pub(crate) const fn strays(&self) -> u32 {
        self.session.strays()
    }

    /// The request id of a method call on this connection.
    pub(super) const fn request_id<'i>(&self, text: &'i str) -> RequestId<'i> {
        RequestId::new(text, self.session.generation())
    }
}

/// Messages are for devices, inputs for modules, and some builds have less.
pub(super) fn check_features(identity: &Identity<'_>, features: Features) -> Result<(), UsageError> {
    if offered(identity).contains(features) { Ok(()) } else { Err(UsageError::WrongIdentity) }
}

/// Puts the fixed header before a body that was put into the reserve, the longest header's distance from its front.
/// Gives the packet's place, or the bytes it needs.
pub(super) fn finish_reserve(room: &mut [u8], first: u8, remaining: usize) -> Result<Range<u32>, usize> {
    let packet = frame::finish(room, frame::MAX_HEADER, first, remaining, 0)?;
    Ok(packet.start as u32..packet.end as u32)
}

/// Bytes the handshake needs: the largest of CONNECT, SUBSCRIBE with every filter, and the GET of
/// synchronisation. One of them is there at a time.
pub(super) fn reserve(identity: &Identity<'_>, settings: &Settings) -> usize {
    // What is put into no room is counted.
    let mut connect = Writer::new(&mut []);
    super::lifecycle::put_connect(&mut connect, identity, settings, &ConnectOptions::default());
    let password = identity.token_capacity(None).saturating_add(2);
    let mut subscribe = Writer::new(&mut []);
    if INBOUND {
        super::outbound::put_subscribe(&mut subscribe, device(identity), offered(identity));
    }
    let mut get = Writer::new(&mut []);
    super::twin::put_sync_get(&mut get, 0);

    let connect = match settings.connect_reserve {
        0 => connect.len().saturating_add(password),
        bytes => bytes as usize,
    };
    connect.max(subscribe.len()).max(get.len()).saturating_add(frame::MAX_HEADER)
}
