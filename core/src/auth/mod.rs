//! Who the device is, and how it proves it.
//!
//! | file | what |
//! |---|---|
//! | [`Identity`] | host, device, module, and the client id and user name made of them |
//! | [`Registration`] | the same for the Device Provisioning Service |
//! | [`ConnectionString`] | the text that the portal hands out, taken apart |
//! | [`Resource`], [`put_string_to_sign`], [`put_token`] | a SAS token in two steps, for a signer of your own |
//! | `SharedAccessKey` | the same in one call, when the key is in memory (feature `sas`) |
//!
//! Nothing here keeps state, reads a clock or takes memory: texts borrow the caller's and output goes into the
//! caller's slice. A token lives for as long as its expiry says; renewing it means to connect again.
//!
//! With a TPM or a secure element the key never enters this program:
//!
//! ```
//! use iothub_proto::auth::{Identity, put_string_to_sign, put_token};
//! use iothub_proto::time::UnixSeconds;
//! use iothub_proto::wire::Writer;
//! # fn hmac_in_hardware(_text: &[u8]) -> [u8; 32] { [0; 32] }
//!
//! let resource = Identity::device("contoso.azure-devices.net", "dev1").resource();
//! let expiry = UnixSeconds(1_767_225_600);
//! let mut room = [0; 256];
//!
//! let mut w = Writer::new(&mut room);
//! put_string_to_sign(&mut w, &resource, expiry);
//! let text = w.finish().expect("256 bytes are enough for these names");
//! assert_eq!(text, b"contoso.azure-devices.net%2Fdevices%2Fdev1\n1767225600");
//! let signature = hmac_in_hardware(text);
//!
//! let mut w = Writer::new(&mut room);
//! put_token(&mut w, &resource, &signature, expiry, None);
//! let token = w.finish().expect("256 bytes are enough for these names");
//! assert!(token.starts_with(b"SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdev1&sig="));
//! ```

mod connection_string;
mod identity;
#[cfg(feature = "sas")]
mod key;
mod registration;
mod sas;

pub use connection_string::{ConnectionString, ConnectionStringError, ConnectionStringKey, Credential};
pub use identity::Identity;
#[cfg(feature = "sas")]
pub use key::{SasError, SharedAccessKey};
pub use registration::Registration;
pub use sas::{Resource, put_string_to_sign, put_token};

/// What `Debug` shows in place of a secret.
struct Masked;

impl core::fmt::Debug for Masked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("***")
    }
}
