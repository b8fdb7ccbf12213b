//! Payloads that come in pieces and leave in parts.

use iothub_proto::Client;
use iothub_proto::error::{Error, UsageError};
use iothub_proto::event::{KeptRequestId, StreamEnd, StreamSource, TwinToken};
use iothub_proto::time::Instant;
use iothub_proto::twin::{Applied, TwinReplica};

use super::oracle::Oracle;
use super::plant::Plant;
use super::wire;
use super::world::World;

/// Whose payload comes in pieces.
#[derive(Debug)]
pub(super) enum Begun {
    Message,
    Document(Option<TwinToken>),
    Desired { unsynced: bool },
    Method(KeptRequestId),
}

impl Begun {
    pub(super) fn of(source: StreamSource<'_>) -> Self {
        match source {
            StreamSource::Message { .. } => Self::Message,
            StreamSource::TwinDocument { token } => Self::Document(token),
            StreamSource::TwinDesired { unsynced, .. } => Self::Desired { unsynced },
            StreamSource::MethodCall { request, .. } => Self::Method(request.keep().expect("the hub's ids are short")),
            other => panic!("the hub sends no {other:?}"),
        }
    }
}

impl World {
    pub(super) fn document(&mut self, token: Option<TwinToken>, stale: bool, payload: &[u8]) {
        if let Some(token) = token {
            self.ended(token);
        }
        if !stale {
            self.replica = Some(TwinReplica::from_document(payload).expect("the hub's document"));
        }
    }

    pub(super) fn patch(&mut self, version: u64, unsynced: bool, payload: &[u8]) {
        let applied = self.replica.as_mut().map(|it| it.apply_desired(payload, version).expect("a patch"));
        let next = unsynced || applied == Some(Applied::Merged);
        Oracle::Replica.must(next, format_args!("patch {version} is {applied:?}"));
    }

    /// The payload that came in pieces is whole.
    pub(super) fn is_whole(&mut self, client: &mut Client<'_>, now: Instant, end: StreamEnd) {
        let (begun, payload) = self.pieces.take().expect("a payload begins before its end");
        match (begun, end) {
            (Begun::Message, StreamEnd::Message { token }) => {
                let number = wire::number(&payload);
                let same = self.messages.get(number).is_some_and(|message| message.body == payload);
                Oracle::Pieces.must(same, format_args!("message {number} comes as {payload:?}"));
                match token {
                    Some(token) => self.delivered(client, now, token, number, true),
                    None => self.accept_number(number),
                }
            }
            (Begun::Document(known), StreamEnd::TwinDocument { token, stale, .. }) => {
                assert_eq!(known, token);
                self.document(token, stale, &payload);
            }
            (Begun::Desired { unsynced }, StreamEnd::TwinDesired { version: Some(version) }) => {
                self.patch(version, unsynced, &payload);
            }
            (Begun::Method(request), StreamEnd::MethodCall) => self.called(client, now, &request.id(), &payload),
            other => panic!("{other:?}"),
        }
    }

    /// Supplies what is wanted, or was before a cut.
    pub(super) fn supply_late(&mut self, client: &mut Client<'_>, now: Instant) {
        let Some((token, offset, room)) = self.wanted.take() else { return };
        let message = self.telemetry.iter().rev().find(|message| message.token == token);
        let behind = &message.expect("a message that was queued").payload[4 + offset as usize..];
        let len = if self.calm { room } else { self.rng.between(1, room.into()) as u32 };
        let mut part = behind[..len as usize].to_vec();
        if self.planted(Plant::MixParts) {
            part[0] ^= 1;
        }
        let supplied = client.telemetry_part(now, token, offset, &part);
        assert!(matches!(supplied, Ok(()) | Err(Error::Usage(UsageError::Stale))), "{supplied:?}");
    }
}
