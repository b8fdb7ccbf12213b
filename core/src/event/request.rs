//! The name of a direct method call.

use core::fmt;

/// Bytes of a request id that can be kept beyond its event. A UUID has 36.
const KEPT: usize = 47;

/// What the answer to a direct method names: the hub's `$rid` and the connection it came on.
///
/// It borrows the event it came in; [`keep`](Self::keep) makes one that does not.
#[derive(Clone, Copy)]
pub struct RequestId<'i> {
    text: Text<'i>,
    pub(crate) generation: u16,
}

#[derive(Clone, Copy)]
enum Text<'i> {
    Borrowed(&'i [u8]),
    Kept { len: u8, bytes: [u8; KEPT] },
}

impl<'i> RequestId<'i> {
    /// The id `text`, which came on connection `generation`.
    pub(crate) const fn new(text: &'i str, generation: u16) -> Self {
        Self { text: Text::Borrowed(text.as_bytes()), generation }
    }

    /// A copy that outlives the event, if the id has at most 47 bytes. A longer one can only be answered while
    /// its event lives; no hub is known to send one.
    #[must_use]
    pub fn keep(&self) -> Option<RequestId<'static>> {
        let from = self.as_bytes();
        let mut bytes = [0; KEPT];
        for (to, from) in bytes.get_mut(..from.len())?.iter_mut().zip(from) {
            *to = *from;
        }
        Some(RequestId { text: Text::Kept { len: from.len() as u8, bytes }, generation: self.generation })
    }

    /// The id as the hub gave it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.text {
            Text::Borrowed(bytes) => bytes,
            Text::Kept { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
        }
    }
}

impl PartialEq for RequestId<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.generation == other.generation && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for RequestId<'_> {}

impl fmt::Debug for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({}, connection {})", self.as_bytes().escape_ascii(), self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits() {
        let longest = "x".repeat(KEPT);
        let kept = RequestId::new(&longest, 3).keep().unwrap();
        assert_eq!((kept.as_bytes(), kept.generation), (longest.as_bytes(), 3));
        assert!(RequestId::new(&"x".repeat(KEPT + 1), 3).keep().is_none());
        assert_eq!(std::format!("{:?}", RequestId::new("7\n", 1)), "RequestId(7\\n, connection 1)");
    }
}
