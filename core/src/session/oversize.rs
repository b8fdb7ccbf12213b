//! A PUBLISH larger than the receive buffer: its beginning is told, the rest passes by in pieces.

use super::Session;
use super::receive::{Incoming, Step, at};
use crate::config::INBOUND;
use crate::error::{PeerError, Violation};
use crate::packet::publish::{self, Head};
use crate::packet::{PacketId, Publish, QoS};
use crate::wire::Text;
use crate::wire::frame::Header;

/// What passes by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Skip {
    None,
    /// Its topic alone is larger than the buffer: it is skipped, then the packet id is read.
    Topic {
        left: u32,
        first: u8,
        /// Bytes after the topic.
        after: u32,
    },
    Payload {
        left: u32,
    },
}

impl Session {
    /// A PUBLISH larger than the receive buffer is passing by.
    pub(super) const fn is_skipping(&self) -> bool {
        !matches!(self.skip, Skip::None)
    }

    /// The beginning of one came, which has as many bytes as `header` says: more than `buffer`.
    #[inline(never)]
    pub(super) fn oversize<'i>(
        &mut self,
        buffer: usize,
        header: Header,
        input: &'i [u8],
        step: &mut Step<'i>,
    ) -> Result<(), PeerError> {
        // No more than the buffer holds, even if this input holds more (law 8).
        match publish::checked_head(&header, input.get(..buffer).unwrap_or(input))? {
            Head::Complete { publish, len } => {
                let left = (header.total() as u32).saturating_sub(len as u32);
                self.skip = Skip::Payload { left };
                step.took(len, Incoming::Oversize { publish, payload_len: left });
            }
            Head::Needs(needed) if needed <= buffer => step.needs(needed),
            Head::Needs(needed) => {
                // Header and topic length are there, or `needed` would be small: it tells of the topic's length.
                let start = usize::from(header.len).saturating_add(2);
                let (qos, ..) = publish::flags(header.first);
                let id_len = if qos == QoS::AtLeastOnce { 2 } else { 0 };
                let topic = needed.saturating_sub(start).saturating_sub(id_len) as u32;
                let after = header.remaining.saturating_sub(2).saturating_sub(topic);
                self.skip = Skip::Topic { left: topic, first: header.first, after };
                step.took(start, Incoming::Nothing);
            }
        }
        Ok(())
    }

    /// More of it came.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    pub(super) fn skip<'i>(&mut self, input: &'i [u8], step: &mut Step<'i>) -> Result<(), PeerError> {
        match self.skip {
            Skip::Topic { left, first, after } if INBOUND => return self.skip_topic(input, left, first, after, step),
            Skip::Topic { left, .. } | Skip::Payload { left } => self.skip_payload(input, left, step),
            Skip::None => {}
        }
        Ok(())
    }

    fn skip_topic<'i>(
        &mut self,
        input: &'i [u8],
        left: u32,
        first: u8,
        after: u32,
        step: &mut Step<'i>,
    ) -> Result<(), PeerError> {
        if left > 0 {
            let passing = input.len().min(left as usize);
            if passing > 0 {
                self.skip = Skip::Topic { left: left.wrapping_sub(passing as u32), first, after };
                step.took(passing, Incoming::Nothing);
            }
            return Ok(());
        }
        let (qos, dup, retain) = publish::flags(first);
        let (mut id, mut len) = (None, 0);
        if qos == QoS::AtLeastOnce {
            let Some(&bytes) = input.first_chunk::<2>() else {
                step.needs(2);
                return Ok(());
            };
            id = Some(PacketId::new(u16::from_be_bytes(bytes)).ok_or(at(first, Violation::ZeroPacketId, 0))?);
            len = 2;
        }
        let payload_len = after.saturating_sub(len);
        self.skip = if payload_len == 0 { Skip::None } else { Skip::Payload { left: payload_len } };
        let publish = Publish { qos, dup, retain, topic: Text::default(), id, payload: &[] };
        step.took(len as usize, Incoming::Oversize { publish, payload_len });
        Ok(())
    }

    fn skip_payload<'i>(&mut self, input: &'i [u8], left: u32, step: &mut Step<'i>) {
        let bytes = input.get(..left as usize).unwrap_or(input);
        if bytes.is_empty() {
            return;
        }
        let left = left.wrapping_sub(bytes.len() as u32);
        let last = left == 0;
        self.skip = Skip::Payload { left };
        if last {
            self.skip = Skip::None;
            self.window.complete();
        }
        step.took(bytes.len(), Incoming::Piece { bytes, last });
    }
}
