//! The names in CONNECT: client id and user name.

use super::Resource;
use crate::error::{Field, UsageError};
use crate::wire::{Writer, put_encoded};

/// Longest host name in bytes (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;
/// Longest device, module or registration id in bytes.
pub(super) const MAX_ID: usize = 128;
/// Longest API version in bytes.
pub(super) const MAX_API_VERSION: usize = 32;
/// Longest product name in bytes.
pub(super) const MAX_PRODUCT: usize = 1024;
/// Longest model id in bytes (Digital Twins Definition Language 2).
const MAX_MODEL_ID: usize = 4096;

/// A device or module of a hub, and what it tells the hub about itself.
///
/// The limits of [`check`](Self::check) keep the user name, the longest text made of these fields, below the
/// 65,535 bytes that MQTT allows.
///
/// ```
/// use iothub_proto::auth::Identity;
/// use iothub_proto::wire::Writer;
///
/// let identity = Identity::module("contoso.azure-devices.net", "dev1", "mod1").with_product("acme/1.0");
/// identity.check().expect("these names are fine");
///
/// let mut room = [0; 128];
/// let mut w = Writer::new(&mut room);
/// identity.put_user_name(&mut w);
/// assert_eq!(
///     w.finish().expect("128 bytes are enough for these names"),
///     b"contoso.azure-devices.net/dev1/mod1/?api-version=2021-04-12&DeviceClientType=acme%2F1.0"
/// );
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Identity<'a> {
    /// The hub's own host name, also when connecting through a gateway. Up to 253 bytes.
    pub host_name: &'a str,
    /// The device id, case-sensitive. Up to 128 bytes.
    pub device_id: &'a str,
    /// The module id, if this is a module. Up to 128 bytes.
    pub module_id: Option<&'a str>,
    /// The service API version. Up to 32 bytes.
    pub api_version: &'a str,
    /// Name and version of the product, sent as `DeviceClientType`. Up to 1,024 bytes.
    pub product: &'a str,
    /// The IoT Plug and Play model that the device implements. Up to 4,096 bytes.
    pub model_id: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// The API version that [`device`](Self::device) and [`module`](Self::module) set.
    pub const API_VERSION: &'static str = "2021-04-12";
    /// The product that [`device`](Self::device) and [`module`](Self::module) set: this library and its version.
    pub const PRODUCT: &'static str = concat!("iothub-proto/", env!("CARGO_PKG_VERSION"));

    /// A device.
    #[must_use]
    pub const fn device(host_name: &'a str, device_id: &'a str) -> Self {
        Self {
            host_name,
            device_id,
            module_id: None,
            api_version: Self::API_VERSION,
            product: Self::PRODUCT,
            model_id: None,
        }
    }

    /// A module of a device.
    #[must_use]
    pub const fn module(host_name: &'a str, device_id: &'a str, module_id: &'a str) -> Self {
        let mut identity = Self::device(host_name, device_id);
        identity.module_id = Some(module_id);
        identity
    }

    /// The same with another product name.
    #[must_use]
    pub const fn with_product(mut self, product: &'a str) -> Self {
        self.product = product;
        self
    }

    /// The same with a model id, such as `dtmi:com:example:Thermostat;1`.
    #[must_use]
    pub const fn with_model_id(mut self, model_id: &'a str) -> Self {
        self.model_id = Some(model_id);
        self
    }

    /// The same with another API version. A model id needs `2020-09-30` or later.
    #[must_use]
    pub const fn with_api_version(mut self, api_version: &'a str) -> Self {
        self.api_version = api_version;
        self
    }

    /// Whether every field can be sent.
    ///
    /// Ids may hold ASCII letters, digits and `- . % _ * ? ! ( ) , = @ $ ' : ;`. The hub allows `+` and `#` too,
    /// but they are wildcards in MQTT, so no topic could carry such an id: it is refused here instead of as a
    /// connection that the hub closes without a word.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadText`] names the first field that is empty, too long, or has another character.
    pub fn check(&self) -> Result<(), UsageError> {
        let (field, at) = if let Some(at) = bad(self.host_name, MAX_HOST, Allowed::Host) {
            (Field::HostName, at)
        } else if let Some(at) = bad(self.device_id, MAX_ID, Allowed::Id) {
            (Field::DeviceId, at)
        } else if let Some(at) = self.module_id.and_then(|id| bad(id, MAX_ID, Allowed::Id)) {
            (Field::ModuleId, at)
        } else if let Some(at) = bad(self.api_version, MAX_API_VERSION, Allowed::Host) {
            (Field::ApiVersion, at)
        } else if let Some(at) = bad(self.product, MAX_PRODUCT, Allowed::Any) {
            (Field::Product, at)
        } else if let Some(at) = self.model_id.and_then(|id| bad(id, MAX_MODEL_ID, Allowed::Any)) {
            (Field::ModelId, at)
        } else {
            return Ok(());
        };
        Err(UsageError::BadText { field, at })
    }

    /// Appends the MQTT client id: `device` or `device/module`. Ids are never encoded here.
    pub fn put_client_id(&self, w: &mut Writer<'_>) {
        w.put(self.device_id.as_bytes());
        if let Some(module_id) = self.module_id {
            w.put_u8(b'/');
            w.put(module_id.as_bytes());
        }
    }

    /// Appends the MQTT user name:
    /// `{host}/{client id}/?api-version=…&DeviceClientType=…[&model-id=…]`, the values percent-encoded.
    pub fn put_user_name(&self, w: &mut Writer<'_>) {
        w.put(self.host_name.as_bytes());
        w.put_u8(b'/');
        self.put_client_id(w);
        w.put(b"/?api-version=");
        put_encoded(w, self.api_version.as_bytes());
        w.put(b"&DeviceClientType=");
        put_encoded(w, self.product.as_bytes());
        if let Some(model_id) = self.model_id {
            w.put(b"&model-id=");
            put_encoded(w, model_id.as_bytes());
        }
    }

    /// What a SAS token for this identity grants access to.
    #[must_use]
    pub const fn resource(&self) -> Resource<'a> {
        let Self { host_name, device_id, .. } = *self;
        match self.module_id {
            Some(module_id) => Resource::Module { host_name, device_id, module_id },
            None => Resource::Device { host_name, device_id },
        }
    }

    /// Appends the resource URI of this identity, percent-encoded once: the `sr` of a SAS token.
    pub fn put_resource_uri(&self, w: &mut Writer<'_>) {
        self.resource().put_uri(w);
    }

    /// Bytes of the longest SAS token for this identity: no expiry and no signature makes a longer one.
    #[must_use]
    pub fn token_capacity(&self, key_name: Option<&str>) -> usize {
        self.resource().token_capacity(key_name)
    }
}

/// Which characters a text may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// A DNS name has these, and `_` is seen in names of gateways. No port, no scheme: a pasted URL stops here.
    Host,
    /// What the Device Provisioning Service documents for registration ids.
    RegistrationId,
    /// What the hub documents for ids without `+` and `#`, and the legacy `:` and `;`.
    Id,
    /// All: percent-encoding carries them.
    Any,
}

impl Allowed {
    const fn has(self, byte: u8) -> bool {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => true,
            b':' => !matches!(self, Self::Host),
            b'%' | b'*' | b'?' | b'!' | b'(' | b')' | b',' | b'=' | b'@' | b'$' | b'\'' | b';' => {
                matches!(self, Self::Id | Self::Any)
            }
            _ => matches!(self, Self::Any),
        }
    }
}

/// Where `text` is wrong, which should have 1 to `max` bytes, all of them allowed.
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn bad(text: &str, max: usize, allowed: Allowed) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    text.bytes().enumerate().position(|(at, byte)| at >= max || !allowed.has(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    const HOST: &str = "contoso.azure-devices.net";

    fn bad(field: Field, at: usize) -> Result<(), UsageError> {
        Err(UsageError::BadText { field, at })
    }

    #[test]
    fn ids_of_documented_characters_are_fine_but_for_wildcards() {
        let device_id = "Az09-.%_*?!(),=@$':;";
        assert_eq!(Identity::module(HOST, device_id, "$edgeHub").check(), Ok(()));
        for byte in 0..=127_u8 {
            let id = format!("a{}", char::from(byte));
            let fine = device_id.contains(char::from(byte)) || byte.is_ascii_alphanumeric();
            let expected = |field| if fine { Ok(()) } else { bad(field, 1) };
            assert_eq!(Identity::device(HOST, &id).check(), expected(Field::DeviceId), "{id:?}");
            assert_eq!(Identity::module(HOST, "dev1", &id).check(), expected(Field::ModuleId), "{id:?}");
        }
        assert_eq!(Identity::device(HOST, "gerät").check(), bad(Field::DeviceId, 3));
    }

    #[test]
    fn every_field_has_its_limits() {
        let text = "a".repeat(MAX_MODEL_ID + 1);
        let of = |len: usize| text.get(..len).unwrap();
        let dev = Identity::device(HOST, "dev1");
        assert_eq!(dev.with_product("").check(), bad(Field::Product, 0));
        assert_eq!(dev.with_model_id("").check(), bad(Field::ModelId, 0));
        assert_eq!(dev.with_api_version("").check(), bad(Field::ApiVersion, 0));
        assert_eq!(dev.with_api_version("2021&x=1").check(), bad(Field::ApiVersion, 4));
        assert_eq!(Identity::device("", "dev1").check(), bad(Field::HostName, 0));
        assert_eq!(Identity::device(HOST, "").check(), bad(Field::DeviceId, 0));
        assert_eq!(Identity::module(HOST, "dev1", "").check(), bad(Field::ModuleId, 0));
        assert_eq!(Identity::device("contoso.net:8883", "dev1").check(), bad(Field::HostName, 11));

        type Make = fn(&str) -> Identity<'_>;
        let makes: [(Field, usize, Make); 6] = [
            (Field::HostName, MAX_HOST, |text| Identity::device(text, "dev1")),
            (Field::DeviceId, MAX_ID, |text| Identity::device(HOST, text)),
            (Field::ModuleId, MAX_ID, |text| Identity::module(HOST, "dev1", text)),
            (Field::ApiVersion, MAX_API_VERSION, |text| Identity::device(HOST, "dev1").with_api_version(text)),
            (Field::Product, MAX_PRODUCT, |text| Identity::device(HOST, "dev1").with_product(text)),
            (Field::ModelId, MAX_MODEL_ID, |text| Identity::device(HOST, "dev1").with_model_id(text)),
        ];
        for (field, max, identity) in makes {
            assert_eq!(identity(of(max)).check(), Ok(()), "{field:?}");
            assert_eq!(identity(of(max + 1)).check(), bad(field, max), "{field:?}");
        }
    }

    #[test]
    fn the_longest_user_name_fits_mqtt() {
        let text: String = "\u{1}".repeat(MAX_MODEL_ID);
        let of = |len: usize| text.get(..len).unwrap();
        let host = "h".repeat(MAX_HOST);
        let id = "i".repeat(MAX_ID);
        let api_version = "v".repeat(MAX_API_VERSION);
        let identity = Identity::module(&host, &id, &id)
            .with_api_version(&api_version)
            .with_product(of(MAX_PRODUCT))
            .with_model_id(&text);
        assert_eq!(identity.check(), Ok(()));
        let mut w = Writer::new(&mut []);
        identity.put_user_name(&mut w);
        assert!(w.len() > 3 * (MAX_MODEL_ID + MAX_PRODUCT) && w.len() <= 65_535, "{}", w.len());
    }
}
