//! The machine without its memory: one code path for every owner.

use super::twin::TwinSync;
use crate::auth::Identity;
use crate::config::Settings;
use crate::error::{CapacityError, Error, Setting, TimeoutReason, UsageError};
use crate::event::{MessageToken, RequestId};
use crate::packet::{Connect, QoS, connect, publish};
use crate::session::Session;
use crate::session::state::State;
use crate::storage::list::NONE;
use crate::storage::{Slot, SlotKind, Storage};
use crate::time::Instant;
use crate::topic::{Device, Features};
use crate::wire::{Writer, frame};
use core::ops::Range;

/// What the machine does not hold: memory, identity and settings, from whoever owns them.
pub(crate) struct Parts<'p> {
    pub(crate) storage: Storage<'p>,
    pub(crate) identity: &'p Identity<'p>,
    pub(crate) settings: &'p Settings,
    /// Whether the owner can make more room for inbound records: input then stops where that is needed.
    pub(crate) inbound_grows: bool,
}

/// How much memory an owner has, or may come to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) tx: usize,
    pub(crate) slots: usize,
    pub(crate) inbound: usize,
}

pub(super) const fn device<'p>(identity: &'p Identity<'_>) -> Device<'p> {
    Device { device_id: identity.device_id, module_id: identity.module_id }
}

/// Azure's meaning over an MQTT session.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(super) session: Session,
    pub(super) twin: TwinSync,
    /// Bytes of the reserve at the front of `tx`.
    pub(super) reserve: u32,
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
    /// A message to accept at the next input call.
    pub(super) accept_next: Option<MessageToken>,
    /// Bytes of input that were there at the end of the last call.
    pub(super) unread: usize,
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
    /// Checks everything once; trusted after. It has no slots yet: see [`add_slots`](Self::add_slots).
    pub(crate) fn new(identity: &Identity<'_>, settings: &Settings, limits: Limits) -> Result<Self, Error> {
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
        Ok(Self {
            session: Session::new(reserve as u32, limits.slots as u16),
            twin: TwinSync::new(),
            reserve: reserve as u32,
            wanted: settings.features,
            asked: Features::NONE,
            granted: Features::NONE,
            refused: Features::NONE,
            ready: false,
            credential_due: false,
            accept_next: None,
            unread: 0,
        })
    }

    /// Takes in the slots from `from` on.
    pub(crate) fn add_slots(&mut self, slots: &mut [Slot], from: usize) {
        self.session.add_slots(slots, from);
    }

    pub(crate) const fn state(&self) -> State {
        self.session.state()
    }

    pub(crate) fn deadline(&self, slots: &[Slot], settings: &Settings) -> Option<(Instant, TimeoutReason)> {
        self.session.deadline(slots, settings)
    }

    /// Runs `call` at `now`, and what follows from any call after it.
    pub(super) fn at<T>(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        call: impl FnOnce(&mut Self, &mut Parts<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.session.tick(now)?;
        let outcome = call(self, parts);
        self.session.settle(&parts.storage, parts.settings);
        outcome
    }

    pub(crate) fn pending(&self, slots: &[Slot]) -> Pending {
        let mut pending = Pending { messages: self.session.window.len(), ..Pending::default() };
        for slot in slots {
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

    pub(crate) const fn strays(&self) -> u32 {
        self.session.strays()
    }

    /// The request id of a method call on this connection.
    pub(super) const fn request_id<'i>(&self, text: &'i str) -> RequestId<'i> {
        RequestId::new(text, self.session.generation())
    }
}

/// Messages are for devices, inputs for modules.
pub(super) fn check_features(identity: &Identity<'_>, features: Features) -> Result<(), UsageError> {
    let all = if identity.module_id.is_some() { Features::ALL_MODULE } else { Features::ALL_DEVICE };
    if all.contains(features) { Ok(()) } else { Err(UsageError::WrongIdentity) }
}

/// Writes a packet at the front of the reserve: its place, or the bytes it needs.
pub(super) fn write_reserve(
    room: &mut [u8],
    first: u8,
    body: &mut dyn FnMut(&mut Writer<'_>),
) -> Result<Range<u32>, usize> {
    // CONNECT usually has two length bytes, the others one; the second try knows.
    let range = frame::write(room, 3, first, body)
        .or_else(|needed| frame::write(room, frame::header_len(needed), first, body))?;
    Ok(range.start as u32..range.end as u32)
}

/// Bytes the handshake needs: the largest of CONNECT, SUBSCRIBE with every filter, and the GET of
/// synchronisation. One of them is there at a time.
fn reserve(identity: &Identity<'_>, settings: &Settings) -> usize {
    // Nothing fits into no room, so this is always the size.
    let size =
        |first, body: &mut dyn FnMut(&mut Writer<'_>)| frame::write(&mut [], 0, first, body).err().unwrap_or_default();
    let connect = match settings.connect_reserve {
        0 => {
            let bare = size(connect::FIRST, &mut |w| {
                let mut client_id = |w: &mut Writer<'_>| identity.put_client_id(w);
                let mut user_name = |w: &mut Writer<'_>| identity.put_user_name(w);
                Connect {
                    client_id: &mut client_id,
                    user_name: &mut user_name,
                    password: None,
                    keep_alive: settings.keep_alive,
                    clean_session: settings.clean_session,
                    will: None,
                }
                .put_body(w);
            });
            // The password, its length, and perhaps one more byte of Remaining Length.
            bare.saturating_add(identity.token_capacity(None)).saturating_add(3)
        }
        bytes => bytes as usize,
    };
    let all = if identity.module_id.is_some() { Features::ALL_MODULE } else { Features::ALL_DEVICE };
    let subscribe = size(crate::packet::subscribe::FIRST, &mut |w| {
        super::outbound::put_subscribe(w, device(identity), all);
    });
    let get = size(publish::first_byte(QoS::AtMostOnce, false, false), &mut |w| super::twin::put_sync_get(w, 0));
    // With the header a first try leaves room for.
    connect.max(subscribe).max(get).saturating_add(3)
}
