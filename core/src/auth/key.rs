//! Signing with a key in memory.

use super::{Identity, Masked, Resource, put_string_to_sign, put_token};
use crate::error::CapacityError;
use crate::time::UnixSeconds;
use crate::wire::{Writer, copy, put_base64, put_from_base64};
use core::fmt;
use sha2::block_api::compress256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a block of SHA-256, to which HMAC fits its key.
const BLOCK: usize = 64;

/// Where the number of bits stands in the last one.
const LENGTH_AT: usize = 56;

/// A text that is no key. It says where, never what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SasError {
    /// The key has no bytes.
    Empty,
    /// The key is not base64 with the standard alphabet and padding.
    BadBase64 {
        /// Offset in bytes of the first wrong character; the text's length if it ends too early.
        at: usize,
    },
    /// The key has more than [`SharedAccessKey::MAX_LEN`] bytes.
    TooLong {
        /// Bytes it has when decoded.
        len: usize,
    },
}

impl fmt::Display for SasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the key is empty"),
            Self::BadBase64 { at } => write!(f, "the key is not base64: wrong at byte {at}"),
            Self::TooLong { len } => {
                write!(f, "the key has {len} bytes, more than {}", SharedAccessKey::MAX_LEN)
            }
        }
    }
}

impl core::error::Error for SasError {}

/// The key of a device, a module, a hub policy or an enrollment, ready to sign. Wiped when dropped.
///
/// ```
/// use iothub_proto::auth::{Identity, SharedAccessKey};
/// use iothub_proto::time::UnixSeconds;
///
/// let key = SharedAccessKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// let identity = Identity::device("contoso.azure-devices.net", "dev1");
/// let mut room = [0; 256];
/// let token = key.token(&identity, UnixSeconds(1_767_225_600), None, &mut room).expect("256 bytes are enough");
/// assert_eq!(
///     token,
///     "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdev1\
///      &sig=OiEkDGQNyfGK9PfPOGuZj%2FuPx8Uv%2Fpzd3TB45Saz5Wg%3D&se=1767225600"
/// );
/// # Ok::<(), iothub_proto::auth::SasError>(())
/// ```
pub struct SharedAccessKey {
    /// The key as HMAC takes it: filled up with zeros, or its digest if it is longer (RFC 2104 §2).
    block: [u8; BLOCK],
}

impl SharedAccessKey {
    /// The longest key in bytes, before base64. The hub's own have 16 to 64.
    pub const MAX_LEN: usize = 128;
    /// Bytes of a derived device key in base64.
    pub const DERIVED_LEN: usize = 44;

    /// Takes a key as the portal shows it. Wiping `text` is left to the caller.
    ///
    /// # Errors
    ///
    /// [`SasError`] if it is empty, too long, or not base64 with padding.
    #[cfg_attr(target_os = "none", inline(never))] // Its buffers must not stay on the caller's stack while it signs.
    pub fn from_base64(text: &str) -> Result<Self, SasError> {
        let mut room = [0; Self::MAX_LEN];
        let mut w = Writer::new(&mut room);
        let decoded = put_from_base64(&mut w, text.as_bytes());
        let key = match (decoded, w.finish()) {
            (Err(at), _) => Err(SasError::BadBase64 { at }),
            (Ok(()), Err(len)) => Err(SasError::TooLong { len }),
            (Ok(()), Ok(key)) => Self::from_bytes(key),
        };
        room.zeroize();
        key
    }

    /// Takes a key that is decoded already.
    ///
    /// # Errors
    ///
    /// [`SasError::Empty`] or [`SasError::TooLong`].
    pub fn from_bytes(key: &[u8]) -> Result<Self, SasError> {
        match key.len() {
            0 => Err(SasError::Empty),
            len if len > Self::MAX_LEN => Err(SasError::TooLong { len }),
            _ => Ok(Self::fit(key)),
        }
    }

    /// The key fitted to a block.
    fn fit(key: &[u8]) -> Self {
        let mut fitted = Self { block: [0; BLOCK] };
        if let Some(to) = fitted.block.get_mut(..key.len()) {
            copy(to, key);
        } else if let Some(to) = fitted.block.first_chunk_mut() {
            sha256(&[], 0, key, to);
        }
        fitted
    }

    /// HMAC-SHA-256 of `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut signature = [0; 32];
        self.sign_into(message, &mut signature);
        signature
    }

    /// Two digests (RFC 2104 §2), one after the other. The `hmac` crate holds both at once and takes more stack.
    fn sign_into(&self, message: &[u8], signature: &mut [u8; 32]) {
        sha256(&self.block, 0x36, message, signature);
        let inner = *signature;
        sha256(&self.block, 0x5C, &inner, signature);
    }

    /// Writes a token for `identity` into `buf`; see [`token_for`](Self::token_for).
    ///
    /// # Errors
    ///
    /// [`CapacityError::BufferTooSmall`]. [`Identity::token_capacity`] bytes are always enough.
    pub fn token<'b>(
        &self,
        identity: &Identity<'_>,
        expiry: UnixSeconds,
        key_name: Option<&str>,
        buf: &'b mut [u8],
    ) -> Result<&'b str, CapacityError> {
        self.token_for(&identity.resource(), expiry, key_name, buf)
    }

    /// Writes a token for `resource` into `buf`: the password of CONNECT.
    ///
    /// `expiry` is wall-clock time. `key_name` is the hub policy that this key belongs to, or
    /// [`Resource::REGISTRATION_KEY_NAME`]; a device's own key has none.
    ///
    /// # Errors
    ///
    /// [`CapacityError::BufferTooSmall`] with a size that is enough for every expiry
    /// ([`Resource::token_capacity`]); what `buf` holds then means nothing.
    pub fn token_for<'b>(
        &self,
        resource: &Resource<'_>,
        expiry: UnixSeconds,
        key_name: Option<&str>,
        buf: &'b mut [u8],
    ) -> Result<&'b str, CapacityError> {
        let too_small = |_| CapacityError::BufferTooSmall { needed: resource.token_capacity(key_name) };
        let mut w = Writer::new(buf);
        put_string_to_sign(&mut w, resource, expiry);
        let mut signature = [0; 32];
        self.sign_into(w.finish().map_err(too_small)?, &mut signature);

        let mut w = Writer::new(buf);
        put_token(&mut w, resource, &signature, expiry, key_name);
        let token = w.finish().map_err(too_small)?;
        // Whole texts and ASCII were put one after the other: this cannot fail.
        Ok(core::str::from_utf8(token).unwrap_or_default())
    }

    /// The key of one device of an enrollment group, whose key this is.
    ///
    /// The service takes registration ids without regard to case; the derived key depends on it. Use one spelling,
    /// best in lower case.
    #[must_use]
    pub fn derive_device_key(&self, registration_id: &str) -> Self {
        let mut derived = self.sign(registration_id.as_bytes());
        let key = Self::fit(&derived);
        derived.zeroize();
        key
    }

    /// Appends the key of [`derive_device_key`](Self::derive_device_key) in base64, to be stored in the device:
    /// [`DERIVED_LEN`](Self::DERIVED_LEN) bytes, to be wiped by the caller.
    pub fn put_device_key(&self, w: &mut Writer<'_>, registration_id: &str) {
        let mut derived = self.sign(registration_id.as_bytes());
        put_base64(w, &derived);
        derived.zeroize();
    }
}

/// SHA-256 of `key` with every byte XORed with `pad`, and of `message` after it.
///
/// Not inlined: its frame is the largest here and must not add up.
#[cfg_attr(target_os = "none", inline(never))]
fn sha256(key: &[u8], pad: u8, message: &[u8], out: &mut [u8; 32]) {
    let mut digest = Digest { state: INITIAL, block: [0; BLOCK], len: 0 };
    for byte in key {
        digest.put(byte ^ pad);
    }
    for &byte in message {
        digest.put(byte);
    }
    digest.finish(out);
    // The state after a block of key is worth as much as the key.
    digest.state.zeroize();
    digest.block.zeroize();
}

/// SHA-256 byte by byte. Of the `sha2` crate it needs the compression alone: the buffers around it, made for every hash
/// there is, cost a firmware another 250 bytes.
struct Digest {
    state: [u32; 8],
    block: [u8; BLOCK],
    /// Bytes put so far.
    len: u32,
}

/// What the state is at first (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];

impl Digest {
    #[cfg_attr(target_os = "none", inline(never))]
    fn put(&mut self, byte: u8) {
        let at = self.len as usize % BLOCK;
        if let Some(to) = self.block.get_mut(at) {
            *to = byte;
        }
        self.len = self.len.wrapping_add(1);
        if at == BLOCK - 1 {
            compress256(&mut self.state, core::array::from_ref(&self.block));
        }
    }

    /// A one bit, zeros up to the end of a block, and there the number of bits (FIPS 180-4 §5.1.1).
    fn finish(&mut self, out: &mut [u8; 32]) {
        let bits = u64::from(self.len).wrapping_mul(8);
        self.put(0x80);
        while self.len as usize % BLOCK != LENGTH_AT {
            self.put(0);
        }
        for byte in bits.to_be_bytes() {
            self.put(byte);
        }
        for (to, word) in out.as_chunks_mut().0.iter_mut().zip(&self.state) {
            *to = word.to_be_bytes();
        }
    }
}

impl Drop for SharedAccessKey {
    fn drop(&mut self) {
        self.block.zeroize();
    }
}

impl ZeroizeOnDrop for SharedAccessKey {}

impl fmt::Debug for SharedAccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedAccessKey").field(&Masked).finish()
    }
}

#[cfg(test)]
mod tests;
