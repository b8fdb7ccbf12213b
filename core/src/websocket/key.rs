//! What a WebSocket makes of the caller's randomness: its key, the answer to it, and the masks.

use crate::wire::{Writer, put_base64};
use sha1::{Digest, Sha1};

/// What the server appends to the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `Sec-WebSocket-Key`: 16 random bytes in base64.
pub(super) fn key(nonce: &[u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    put_base64(&mut Writer::new(&mut key), nonce);
    key
}

/// The `Sec-WebSocket-Accept` that answers it (RFC 6455 §4.2.2).
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn accept(key: &[u8; 24]) -> [u8; 28] {
    let mut accept = [0; 28];
    put_base64(&mut Writer::new(&mut accept), &sha1(key, GUID));
    accept
}

/// Masking keys: each frame has its own, which nobody can foretell from the others (RFC 6455 §5.3).
///
/// A key is the front of SHA-1 over a secret seed and the number of the frame. So the caller's 16 random bytes serve
/// a connection, and no call needs a generator.
#[derive(Clone)]
pub(super) struct Masks {
    seed: [u8; 16],
    frames: u64,
}

impl Masks {
    pub(super) const fn new(seed: [u8; 16]) -> Self {
        Self { seed, frames: 0 }
    }

    pub(super) fn next(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha1(&self.seed, &self.frames.to_be_bytes());
        self.frames = self.frames.wrapping_add(1);
        [a, b, c, d]
    }
}

#[cfg_attr(target_os = "none", inline(never))]
fn sha1(first: &[u8], second: &[u8]) -> [u8; 20] {
    Sha1::new().chain_update(first).chain_update(second).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The example of RFC 6455 §1.3.
    #[test]
    fn key_and_answer_of_the_rfc() {
        let key = key(b"the sample nonce");
        assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(&accept(&key), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn masks_differ_and_depend_on_the_seed_alone() {
        let keys = |seed: u8| {
            let mut masks = Masks::new([seed; 16]);
            (0..1_000).map(|_| masks.next()).collect::<std::vec::Vec<_>>()
        };
        assert_eq!(keys(1), keys(1));
        let all: BTreeSet<_> = keys(1).into_iter().chain(keys(2)).collect();
        assert_eq!(all.len(), 2_000);
    }
}
