//! The name of a direct method call.

use core::fmt;

/// Bytes of a request id that can be kept beyond its event. A UUID has 36.
const KEPT: usize = 47;

/// What the answer to a direct method names: the hub's `$rid` and the connection it came on.
///
/// It borrows the event it came in; [`keep`](Self::keep) makes one that does not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId<'i> {
    text: &'i str,
    /// The connection it came on.
    pub(crate) generation: u16,
}

impl<'i> RequestId<'i> {
    /// The id `text`, which came on connection `generation`.
    pub(crate) const fn new(text: &'i str, generation: u16) -> Self {
        Self { text, generation }
    }

    /// The id `text` of a call that came on `connection`: what [`as_str`](Self::as_str) and
    /// [`connection`](Self::connection) gave, for a binding to carry.
    #[must_use]
    pub const fn from_parts(text: &'i str, connection: u16) -> Self {
        Self::new(text, connection)
    }

    /// The number of the connection it came on.
    #[must_use]
    pub const fn connection(&self) -> u16 {
        self.generation
    }

    /// A copy that outlives the event, if the id has at most 47 bytes. A longer one can only be answered while
    /// its event lives; no hub is known to send one.
    #[must_use]
    pub fn keep(&self) -> Option<KeptRequestId> {
        let from = self.text.as_bytes();
        let mut bytes = [0; KEPT];
        for (to, from) in bytes.get_mut(..from.len())?.iter_mut().zip(from) {
            *to = *from;
        }
        Some(KeptRequestId { bytes, len: from.len() as u8, generation: self.generation })
    }

    /// The id as the hub gave it.
    #[must_use]
    pub const fn as_str(&self) -> &'i str {
        self.text
    }
}

impl From<&Self> for RequestId<'_> {
    fn from(id: &Self) -> Self {
        *id
    }
}

impl<'k> From<&'k KeptRequestId> for RequestId<'k> {
    fn from(kept: &'k KeptRequestId) -> Self {
        kept.id()
    }
}

impl fmt::Debug for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({:?}, connection {})", self.text, self.generation)
    }
}

/// A [`RequestId`] that borrows nothing: for an answer that comes later.
///
/// ```
/// use iothub_proto::event::{KeptRequestId, RequestId};
/// use iothub_proto::{Client, error::Error, time::Instant};
/// fn answer_later(client: &mut Client<'_>, now: Instant, kept: &KeptRequestId) -> Result<(), Error> {
///     client.method_respond(now, kept, 200, b"{}")
/// }
/// # let _ = answer_later;
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeptRequestId {
    bytes: [u8; KEPT],
    len: u8,
    generation: u16,
}

impl KeptRequestId {
    /// The id, to answer with.
    #[must_use]
    pub fn id(&self) -> RequestId<'_> {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        RequestId::new(core::str::from_utf8(bytes).unwrap_or_default(), self.generation)
    }
}

impl fmt::Debug for KeptRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits() {
        let longest = "x".repeat(KEPT);
        let id = RequestId::new(&longest, 3);
        assert_eq!(id.keep().unwrap().id(), id);
        assert!(RequestId::new(&"x".repeat(KEPT + 1), 3).keep().is_none());
        assert_eq!(std::format!("{:?}", RequestId::new("7\n", 1)), "RequestId(\"7\\n\", connection 1)");
    }
}
