//! Planted faults: for each oracle one that it has to find.

use iothub_proto::event::MessageToken;
use iothub_proto::time::Instant;
use iothub_proto::{Client, Event, Telemetry};

use super::oracle::Oracle;
use super::wire::Kind;
use super::world::World;

/// A fault of a client, of the wire before it, or of the hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plant {
    /// After a cut the client forgets its oldest message.
    ForgetTelemetry,
    /// The client tells of an acknowledgement that it did not get.
    InventAck,
    /// Two messages leave in the wrong order.
    SwapTelemetry,
    /// A message leaves twice on one connection.
    RepeatTelemetry,
    /// DUP is set on what the hub never got, and not on what it may have.
    FlipDup,
    /// The client accepts a message that it does not deliver.
    SwallowMessage,
    /// The hub forgets what it has queued.
    LoseMessage,
    /// A token of an older connection names a message of this one.
    ReviveToken,
    /// The client refuses a stale token, and acknowledges a message of this connection all the same.
    AckForStale,
    /// The client does not tell which message the hub may be closing the link for.
    HideSuspect,
    /// Telemetry overtakes the answer of a method.
    HoldAnswer,
    /// Telemetry overtakes an acknowledgement.
    HoldAck,
    /// Telemetry overtakes a twin request.
    HoldRequest,
    /// The end of a request is told twice.
    RepeatEnd,
    /// The end of a request is not told.
    SwallowEnd,
    /// The answer of a method goes to another call.
    MixAnswers,
    /// The client swallows a patch.
    SwallowPatch,
    /// The client has no deadline.
    NoDeadlines,
    /// The client keeps memory that nobody asked for.
    Leak,
    /// The client never tells of a method call.
    SwallowCall,
    /// A piece of a payload is another's.
    MixPieces,
    /// A part of a message is sent as another.
    MixParts,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::ForgetTelemetry,
        Self::InventAck,
        Self::SwapTelemetry,
        Self::RepeatTelemetry,
        Self::FlipDup,
        Self::SwallowMessage,
        Self::LoseMessage,
        Self::ReviveToken,
        Self::AckForStale,
        Self::HideSuspect,
        Self::HoldAnswer,
        Self::HoldAck,
        Self::HoldRequest,
        Self::RepeatEnd,
        Self::SwallowEnd,
        Self::MixAnswers,
        Self::SwallowPatch,
        Self::NoDeadlines,
        Self::Leak,
        Self::SwallowCall,
        Self::MixPieces,
        Self::MixParts,
    ];

    /// The oracle that has to find it.
    #[must_use]
    pub const fn oracle(self) -> Oracle {
        match self {
            Self::ForgetTelemetry | Self::InventAck => Oracle::AtLeastOnce,
            Self::SwapTelemetry => Oracle::Order,
            Self::RepeatTelemetry => Oracle::Once,
            Self::FlipDup => Oracle::Dup,
            Self::SwallowMessage | Self::LoseMessage => Oracle::Message,
            Self::ReviveToken | Self::AckForStale => Oracle::StaleToken,
            Self::HideSuspect => Oracle::Poison,
            Self::HoldAnswer | Self::HoldAck | Self::HoldRequest => Oracle::Lane,
            Self::RepeatEnd | Self::SwallowEnd => Oracle::OneEvent,
            Self::MixAnswers | Self::SwallowCall => Oracle::Method,
            Self::SwallowPatch => Oracle::Replica,
            Self::NoDeadlines => Oracle::Deadline,
            Self::Leak => Oracle::Memory,
            Self::MixPieces => Oracle::Pieces,
            Self::MixParts => Oracle::Parts,
        }
    }

    /// It lies in what is told and supplied of payloads, not on the wire: there are messages in parts with these alone.
    #[must_use]
    pub const fn is_of_payloads(self) -> bool {
        matches!(self, Self::MixPieces | Self::MixParts)
    }
}

impl World {
    pub(super) fn planted(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// How often the application is told of `event`.
    pub(super) fn told_times(&mut self, client: &mut Client<'_>, now: Instant, event: &Event<'_>) -> u32 {
        let Some(plant) = self.plant else { return 1 };
        let is_end = matches!(
            event,
            Event::TwinDocument { token: Some(_), .. } | Event::TwinReported { .. } | Event::RequestFailed { .. }
        );
        match (plant, event) {
            (Plant::RepeatEnd, _) if is_end => 2,
            (Plant::SwallowEnd, _) if is_end => 0,
            (Plant::SwallowPatch, Event::TwinDesired { .. }) => 0,
            (Plant::SwallowMessage, Event::Message(message)) => {
                // Only what leaves at once: the application knows nothing of it.
                message.token.map_or(1, |token| client.message_accept(now, token).map_or(1, |()| 0))
            }
            (Plant::ForgetTelemetry, Event::Disconnected(_)) => {
                let oldest = client.unacked().next();
                oldest.map(|token| client.telemetry_withdraw(now, token));
                1
            }
            (Plant::InventAck, Event::Ready { .. }) => {
                if let Some(token) = client.unacked().next() {
                    let _ = client.telemetry_withdraw(now, token);
                    self.acked(token);
                }
                1
            }
            (Plant::SwallowCall, Event::MethodCall { request, .. }) => {
                let _ = client.method_respond(now, request, 200, b"null");
                0
            }
            _ => 1,
        }
    }

    /// The token that the client takes the stale `token` for.
    pub(super) fn taken_for(&self, client: &mut Client<'_>, now: Instant, token: MessageToken) -> MessageToken {
        let current = self.deliveries.iter().rev().find(|delivery| delivery.connection == self.connection);
        match (current, self.plant) {
            (Some(delivery), Some(Plant::ReviveToken)) => return delivery.token,
            (Some(delivery), Some(Plant::AckForStale)) => drop(client.message_accept(now, delivery.token)),
            _ => {}
        }
        token
    }

    /// What leaves instead of `packet`.
    pub(super) fn on_the_wire(&mut self, kind: &Kind, packet: &[u8], out: &mut Vec<u8>) {
        let holds = match (self.plant, kind) {
            (Some(Plant::SwapTelemetry), Kind::Telemetry { qos: 1, .. }) => self.held.is_empty(),
            (Some(Plant::HoldAnswer), Kind::Answer) => true,
            (Some(Plant::HoldAck), Kind::Puback) => true,
            (Some(Plant::HoldRequest), Kind::TwinRequest(Some(_))) => true,
            _ => false,
        };
        if holds {
            self.held.extend_from_slice(packet);
            return;
        }
        let start = out.len();
        out.extend_from_slice(packet);
        if let Kind::Telemetry { qos, .. } = kind {
            match self.plant {
                Some(Plant::RepeatTelemetry) => out.extend_from_slice(packet),
                Some(Plant::FlipDup) if *qos == 1 => out[start] ^= 8,
                _ => {}
            }
            out.append(&mut self.held);
        }
    }

    /// Memory that nobody gave back.
    pub(super) fn leak(&self, client: &mut Client<'_>, now: Instant) {
        if self.planted(Plant::Leak) {
            let _ = client.send_telemetry(now, &Telemetry { payload: b"leak", ..Telemetry::default() });
        }
    }
}
