//! Payloads that come in pieces and leave in parts.

use iothub_proto::error::UsageError;
use iothub_proto::event::{StreamEnd, TelemetryToken, TwinToken};
use iothub_proto::time::Instant;

use super::model::Model;
use crate::machine::Machine;
use crate::plant::{Plant, planted};

/// The part of a message that is wanted: where it begins, and the most bytes it may have.
pub(super) type Wish = (TelemetryToken, u32, u32);

/// Whose payload it is that comes in pieces.
#[derive(Debug)]
pub(super) enum Begun {
    Message,
    Document(Option<TwinToken>),
    Desired { unsynced: bool },
    Other,
}

impl Model {
    /// The payload that came in pieces is whole.
    pub(super) fn is_whole(&mut self, machine: &mut dyn Machine, now: Instant, end: StreamEnd) {
        let (begun, payload) = self.pieces.take().expect("it has begun");
        match (begun, end) {
            (Begun::Message, StreamEnd::Message { token }) => {
                let Some(token) = token else { return };
                let number = payload.first_chunk().map(|number| u32::from_be_bytes(*number)).expect("a number");
                assert_eq!(payload[4..], vec![b'c'; payload.len() - 4], "as it was sent");
                self.delivered(machine, now, token, Some(number));
            }
            (Begun::Document(known), StreamEnd::TwinDocument { token, version, stale }) => {
                assert_eq!(token, known);
                token.into_iter().for_each(|token| self.ended(token));
                if !stale {
                    self.has_document(token.is_none(), version, &payload);
                }
            }
            (Begun::Desired { unsynced }, StreamEnd::TwinDesired { version }) => {
                self.has_patch(version, unsynced, &payload);
            }
            (Begun::Other, StreamEnd::MethodCall | StreamEnd::Unknown) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Supplies the part of a wish, which may be `late`.
    pub(super) fn supply(&mut self, machine: &mut dyn Machine, now: Instant, wish: Wish, late: bool) {
        let (token, offset, room) = wish;
        let named = self.named.iter().rev().find(|(known, _)| *known == token);
        let (_, number) = named.expect("a message in parts");
        let (_, payload) = &self.payloads[number];
        let rest = &payload[4 + offset as usize..];
        let len = if self.lazy { (offset % room + 1) as usize } else { room as usize };
        let mut part = rest[..len].to_vec();
        if planted(Plant::OtherPart) {
            part[0] ^= 1;
        }
        match machine.telemetry_part(now, token, offset, &part) {
            Ok(()) => {
                let goes_on = self.supplied.is_some_and(|(known, end)| known == token && end == offset);
                assert!(offset == 0 || goes_on, "no part is left out");
                self.supplied = Some((token, offset + len as u32));
            }
            Err(error) => assert!(late && error == UsageError::Stale.into(), "{error:?}"),
        }
    }
}
