//! SAS tokens in two steps, so that the key can be anywhere.
//!
//! ```text
//! string to sign = sr LF se
//! token          = "SharedAccessSignature sr=" sr "&sig=" sig "&se=" se ["&skn=" key name]
//! ```
//!
//! `sr` is signed as it stands in the token, that is encoded. We encode once and in upper-case hex, as the Python
//! SDK and azure-sdk-for-c do. `sig` is the base64 of HMAC-SHA-256 over the string to sign, percent-encoded.

use crate::time::UnixSeconds;
use crate::wire::{Writer, put_base64, put_encoded};

/// What a token grants access to: `sr`.
///
/// A token for a hub serves its devices, one for a device its modules; a key that signs must belong to what the
/// token names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Resource<'a> {
    /// All of a hub, signed with the key of a hub policy.
    Hub {
        /// The hub's host name.
        host_name: &'a str,
    },
    /// A device.
    Device {
        /// The hub's host name, also behind a gateway.
        host_name: &'a str,
        /// The device id.
        device_id: &'a str,
    },
    /// A module.
    Module {
        /// The hub's host name, also behind a gateway.
        host_name: &'a str,
        /// The device id.
        device_id: &'a str,
        /// The module id.
        module_id: &'a str,
    },
    /// A registration of the Device Provisioning Service. Its tokens carry the key name `registration`.
    Registration {
        /// The id scope, such as `0ne00000001`.
        id_scope: &'a str,
        /// The registration id.
        registration_id: &'a str,
    },
    /// A URI that is encoded already, or in the spelling of another SDK. It is signed and sent as it is, so it
    /// must not hold `&` or white space.
    Encoded(&'a str),
}

impl Resource<'_> {
    /// The key name that tokens for a [`Resource::Registration`] carry.
    pub const REGISTRATION_KEY_NAME: &'static str = "registration";

    /// Appends the resource URI, percent-encoded once.
    pub fn put_uri(&self, w: &mut Writer<'_>) {
        let (root, collection, id) = match *self {
            Self::Encoded(uri) => return w.put(uri.as_bytes()),
            Self::Hub { host_name } => return put_encoded(w, host_name.as_bytes()),
            Self::Device { host_name, device_id } | Self::Module { host_name, device_id, .. } => {
                (host_name, "/devices/", device_id)
            }
            Self::Registration { id_scope, registration_id } => (id_scope, "/registrations/", registration_id),
        };
        put_encoded(w, root.as_bytes());
        put_encoded(w, collection.as_bytes());
        put_encoded(w, id.as_bytes());
        if let Self::Module { module_id, .. } = *self {
            put_encoded(w, b"/modules/");
            put_encoded(w, module_id.as_bytes());
        }
    }

    /// Bytes of the longest token for this resource: no expiry and no signature makes a longer one.
    #[must_use]
    pub fn token_capacity(&self, key_name: Option<&str>) -> usize {
        // All ones are base64's `/`, of which each takes three bytes; the tests show that nothing is longer.
        let mut w = Writer::new(&mut []);
        put_token(&mut w, self, &[0xFF; 32], UnixSeconds(u32::MAX), key_name);
        w.len()
    }
}

/// Appends what HMAC-SHA-256 is to be computed over, with the base64-decoded key.
///
/// `expiry` is wall-clock time; the service refuses a token that expired more than about five minutes ago.
pub fn put_string_to_sign(w: &mut Writer<'_>, resource: &Resource<'_>, expiry: UnixSeconds) {
    resource.put_uri(w);
    w.put_u8(b'\n');
    w.put_decimal(expiry.0);
}

/// Appends the token: the password of CONNECT, or a `SharedAccessSignature` of a connection string.
///
/// `signature` is the HMAC-SHA-256 over what [`put_string_to_sign`] made for the same `resource` and `expiry`.
/// `key_name` is the hub policy that the key belongs to, or
/// [`REGISTRATION_KEY_NAME`](Resource::REGISTRATION_KEY_NAME); a device's own key has none.
pub fn put_token(
    w: &mut Writer<'_>,
    resource: &Resource<'_>,
    signature: &[u8; 32],
    expiry: UnixSeconds,
    key_name: Option<&str>,
) {
    w.put(b"SharedAccessSignature sr=");
    resource.put_uri(w);
    w.put(b"&sig=");
    let mut room = [0; 44];
    let mut digits = Writer::new(&mut room);
    put_base64(&mut digits, signature);
    put_encoded(w, &room);
    w.put(b"&se=");
    w.put_decimal(expiry.0);
    if let Some(name) = key_name {
        w.put(b"&skn=");
        put_encoded(w, name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token_len(resource: &Resource<'_>, signature: &[u8; 32], expiry: u32, key_name: Option<&str>) -> usize {
        let mut w = Writer::new(&mut []);
        put_token(&mut w, resource, signature, UnixSeconds(expiry), key_name);
        w.len()
    }

    proptest! {
        #[test]
        fn no_token_is_longer_than_the_capacity(
            device_id in "[a-z@+]{1,20}",
            signature: [u8; 32],
            slashes: [u8; 32],
            expiry: u32,
            key_name in proptest::option::of("[a-z ]{0,9}"),
        ) {
            let resource = Resource::Device { host_name: "contoso.azure-devices.net", device_id: &device_id };
            let capacity = resource.token_capacity(key_name.as_deref());
            prop_assert!(token_len(&resource, &signature, expiry, key_name.as_deref()) <= capacity);
            // Also near the worst case, where nearly every digit is `/`.
            let dense = slashes.map(|byte| byte | 0xFB);
            prop_assert!(token_len(&resource, &dense, u32::MAX, key_name.as_deref()) <= capacity);
        }
    }
}
