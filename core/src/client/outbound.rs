//! Bytes out: the session says which packet is next; those that name topics are written here.

use super::machine::{Machine, Parts, finish_reserve};
use crate::config::INBOUND;
use crate::error::Error;
use crate::packet::subscribe;
use crate::session::{Lane, Lent, SUBSCRIBE_ID};
use crate::storage::Storage;
use crate::time::Instant;
use crate::topic::{Device, Features, put_filter};
use crate::wire::{Writer, frame};

impl Machine {
    /// Chooses the next packet, if none is lent.
    pub(crate) fn prepare_transmit(&mut self, parts: &mut Parts<'_>) {
        if let Some(lane) = self.take_turn() {
            self.lend(parts, lane);
        }
    }

    /// The lane of the next packet, once, if none is lent; [`lend`](Self::lend) goes on with it.
    pub(crate) const fn take_turn(&mut self) -> Option<Lane> {
        self.session.take_turn()
    }

    /// Lends the packet of `lane`, whose turn it is.
    pub(crate) fn lend(&mut self, parts: &mut Parts<'_>, lane: Lane) {
        match lane {
            Lane::Subscribe if INBOUND => self.lend_subscribe(parts),
            Lane::Request if INBOUND => self.lend_sync_get(parts),
            lane => self.lend_ready(&mut parts.storage, lane),
        }
    }

    /// The same for a lane whose packets need no texts any more.
    pub(crate) fn lend_ready(&mut self, storage: &mut Storage<'_>, lane: Lane) {
        self.session.lend(storage, lane);
    }

    pub(crate) fn lent_bytes<'s>(&'s self, tx: &'s [u8]) -> Option<&'s [u8]> {
        self.session.lent_bytes(tx)
    }

    pub(crate) fn confirm_transmit(&mut self, parts: &mut Parts<'_>, now: Instant, count: usize) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            let sent = this.session.confirm(&mut parts.storage, &parts.config.settings, count)?;
            if sent == Lent::Request {
                this.sync_sent(parts);
            }
            Ok(())
        })
    }

    /// One SUBSCRIBE with every filter that is wanted and was not asked for on this connection.
    fn lend_subscribe(&mut self, parts: &mut Parts<'_>) {
        let features = self.wanted.difference(self.granted).difference(self.refused);
        let device = super::machine::device(&parts.config.identity);
        let room = parts.storage.tx.get_mut(..self.reserve as usize).unwrap_or_default();
        let mut writer = frame::body_writer(room, frame::MAX_HEADER);
        put_subscribe(&mut writer, device, features);
        let remaining = writer.len();
        let packet = finish_reserve(room, subscribe::FIRST, remaining);
        self.asked = features;
        self.session.subscribe_sent(features.iter().count() as u8);
        // The reserve was sized for it.
        self.session.lend_reserve(Lent::Subscribe, packet.unwrap_or_default());
    }
}

/// The body of a SUBSCRIBE for `features`.
pub(super) fn put_subscribe(w: &mut Writer<'_>, device: Device<'_>, features: Features) {
    w.put_u16(SUBSCRIBE_ID);
    for feature in features.iter() {
        let filter = w.begin_text();
        put_filter(w, device, feature);
        w.end_text(filter);
        w.put_u8(feature.qos());
    }
}
