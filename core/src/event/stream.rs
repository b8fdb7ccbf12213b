//! Payloads larger than the receive buffer, told in pieces (feature `stream`).

use super::{MessageToken, RequestId, TwinToken};
use crate::topic::Properties;

/// Whose payload it is that comes in pieces: what the event of a whole one would say beside its payload.
///
/// # Life of a stream
///
/// With [`Settings::stream_payloads`](crate::Settings::stream_payloads) a PUBLISH larger than
/// [`Settings::max_packet`](crate::Settings::max_packet) is told as [`StreamBegin`](crate::Event::StreamBegin), pieces
/// in order and without gaps, [`StreamEnd`](crate::Event::StreamEnd). There is one stream at a time, and nothing else
/// that comes from the hub is told within. Where pieces are cut depends on how the bytes came; what they make together
/// does not.
///
/// A stream without its end is void: forget what came of it. It ends so by [`Disconnected`](crate::Event::Disconnected)
/// (or the [`connect`](crate::Client::connect) that drops this event), or, if it answers a
/// [`twin_get`](crate::Client::twin_get), by the [`RequestFailed`](crate::Event::RequestFailed) of that request, whose
/// time begins anew with each piece. The hub sends a message again on a later connection, and synchronisation fetches the
/// twin again.
///
/// A message whose topic alone is larger than the buffer, and one for which the inbound window has no room, is
/// [`Skipped`](crate::Event::Skipped) all the same.
///
/// ```
/// use iothub_proto::Event;
/// use iothub_proto::event::{StreamEnd, StreamSource};
/// /// Takes a twin as it comes, of any size; gives its desired version when it is whole and new.
/// fn take(event: &Event<'_>, flash: &mut Vec<u8>) -> Option<u64> {
///     match *event {
///         Event::StreamBegin { source: StreamSource::TwinDocument { .. }, .. } => flash.clear(),
///         Event::StreamPiece { bytes, .. } => flash.extend_from_slice(bytes),
///         Event::StreamEnd(StreamEnd::TwinDocument { version, stale: false, .. }) => return version,
///         _ => {}
///     }
///     None
/// }
/// # let _ = take;
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum StreamSource<'i> {
    /// A cloud-to-device message, or one routed to a module's input.
    Message {
        /// The module's input; `None` for a cloud-to-device message.
        input: Option<&'i str>,
        /// Its properties.
        properties: Properties<'i>,
        /// It may have been delivered before (DUP).
        redelivered: bool,
    },
    /// A direct method. It may be answered at once, or after its end by a request that was
    /// [kept](RequestId::keep).
    MethodCall {
        /// Its name, raw.
        name: &'i str,
        /// What the answer names.
        request: RequestId<'i>,
    },
    /// The whole twin. Its version, and whether it is stale, is known at its end.
    TwinDocument {
        /// The request it answers; `None` if twin synchronisation fetched it.
        token: Option<TwinToken>,
    },
    /// A change of the desired section.
    TwinDesired {
        /// Its new version.
        version: Option<u64>,
        /// Patches may be missing before this one.
        unsynced: bool,
    },
    /// A topic outside the dialect.
    Unknown {
        /// The topic.
        topic: &'i str,
        /// Whether it is a retained message.
        retain: bool,
    },
}

/// A stream is whole: what is known, or can be answered, only now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StreamEnd {
    /// A message: accept or leave it.
    Message {
        /// What to accept or leave; `None` at QoS 0.
        token: Option<MessageToken>,
    },
    /// A direct method: answer it.
    MethodCall,
    /// The whole twin.
    TwinDocument {
        /// The request that has ended by it; `None` if twin synchronisation fetched it.
        token: Option<TwinToken>,
        /// `desired.$version`, if it could be read.
        version: Option<u64>,
        /// Older than what was delivered before: do not apply it.
        stale: bool,
    },
    /// A change of the desired section.
    TwinDesired {
        /// Its new version.
        version: Option<u64>,
    },
    /// A topic outside the dialect.
    Unknown,
}
