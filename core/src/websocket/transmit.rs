//! What is lent to the transport: the request, or one frame, whole in the window.
//!
//! A frame carries as much of MQTT's bytes as the window holds and is a message of its own: MQTT 3.1.1 §6.0 lets packets
//! be split over messages anywhere. So a frame never waits for bytes that may not come, and control frames get their
//! turn after each.

use super::frame::{self, Opcode};
use super::key::Masks;
use crate::error::UsageError;
use zeroize::Zeroize;

/// What the lent bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lent {
    Request,
    /// A frame whose last bytes are so many of MQTT's.
    Data(usize),
    Pong,
    Close,
}

/// The bytes of the window that are lent: `start..end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lend {
    what: Lent,
    start: usize,
    end: usize,
}

impl Lend {
    pub(super) const NOTHING: Self = Self { what: Lent::Request, start: 0, end: 0 };

    /// The request, that fills the window up to `end`.
    pub(super) const fn request(end: usize) -> Self {
        Self { what: Lent::Request, start: 0, end }
    }

    /// As many of MQTT's bytes as the window holds, in a frame.
    pub(super) fn data(window: &mut [u8], masks: &mut Masks, mqtt: &[u8]) -> Self {
        let piece = mqtt.get(..frame::payload_that_fits(mqtt.len(), window.len())).unwrap_or_default();
        let end = frame::write(window, Opcode::Binary, masks.next(), piece);
        Self { what: Lent::Data(piece.len()), start: 0, end }
    }

    /// An answer to a ping.
    pub(super) fn pong(window: &mut [u8], masks: &mut Masks, payload: &[u8]) -> Self {
        Self { what: Lent::Pong, start: 0, end: frame::write(window, Opcode::Pong, masks.next(), payload) }
    }

    /// The last frame, with its code if there is one.
    pub(super) fn close(window: &mut [u8], masks: &mut Masks, code: Option<u16>) -> Self {
        let bytes = code.unwrap_or_default().to_be_bytes();
        let payload = if code.is_some() { bytes.as_slice() } else { &[] };
        Self { what: Lent::Close, start: 0, end: frame::write(window, Opcode::Close, masks.next(), payload) }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn bytes<'w>(&self, window: &'w [u8]) -> Option<&'w [u8]> {
        window.get(self.start..self.end).filter(|bytes| !bytes.is_empty())
    }

    /// `count` bytes were sent. How many of them were MQTT's, and what ended with them.
    ///
    /// What was sent is overwritten: a password was in one of the frames, and its mask beside it (law 10).
    pub(super) fn confirm(&mut self, window: &mut [u8], count: usize) -> Result<(usize, Option<Lent>), UsageError> {
        let lent = self.end.saturating_sub(self.start);
        if count > lent {
            return Err(UsageError::BadConfirm { lent, confirmed: count });
        }
        let before = self.mqtt_left();
        self.start = self.start.saturating_add(count);
        let sent = before.saturating_sub(self.mqtt_left());
        let ended = (count > 0 && self.is_empty()).then_some(self.what);
        if ended.is_some() {
            self.wipe(window);
        }
        Ok((sent, ended))
    }

    /// Of what is lent nothing is MQTT's any more.
    pub(super) const fn disown(&mut self) {
        if let Lent::Data(len) = &mut self.what {
            *len = 0;
        }
    }

    /// Takes back what is lent.
    pub(super) fn wipe(&mut self, window: &mut [u8]) {
        window.get_mut(..self.end).unwrap_or_default().zeroize();
        *self = Self::NOTHING;
    }

    /// MQTT's bytes that were not confirmed.
    fn mqtt_left(&self) -> usize {
        let left = self.end.saturating_sub(self.start);
        match self.what {
            Lent::Data(len) => len.min(left),
            _ => 0,
        }
    }
}
