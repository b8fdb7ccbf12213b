//! The names in CONNECT to the Device Provisioning Service.

use super::Resource;
use super::identity::{Allowed, MAX_API_VERSION, MAX_ID, MAX_PRODUCT, bad};
use crate::error::{Field, UsageError};
use crate::wire::{Writer, put_encoded};

/// A device as the Device Provisioning Service knows it, before it belongs to a hub.
///
/// It proves itself with a SAS token for [`resource`](Self::resource), signed with the key of its enrollment and with
/// the key name [`Resource::REGISTRATION_KEY_NAME`], or with a client certificate whose common name is the
/// registration id.
///
#[cfg_attr(feature = "sas", doc = "```")]
#[cfg_attr(not(feature = "sas"), doc = "```ignore")]
/// use iothub_proto::auth::{Registration, Resource, SharedAccessKey};
/// use iothub_proto::time::UnixSeconds;
///
/// let registration = Registration::new("0ne00000001", "reg-001");
/// // Of an enrollment group: the device holds this key, never the group's.
/// let group = SharedAccessKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// let key = group.derive_device_key(registration.registration_id);
///
/// let (expiry, key_name) = (UnixSeconds(1_767_225_600), Some(Resource::REGISTRATION_KEY_NAME));
/// let mut room = [0; 256];
/// let token = key.token_for(&registration.resource(), expiry, key_name, &mut room).expect("256 bytes are enough");
/// assert!(token.starts_with("SharedAccessSignature sr=0ne00000001%2Fregistrations%2Freg-001&sig="));
/// # Ok::<(), iothub_proto::auth::SasError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Registration<'a> {
    /// The id scope of the service's instance, such as `0ne00000001`. Up to 128 bytes.
    pub id_scope: &'a str,
    /// The registration id. Up to 128 ASCII letters, digits and `- . _ :`, a letter, digit or `-` at the end. The
    /// service takes it without regard to case, but a derived key depends on it: best in lower case.
    pub registration_id: &'a str,
    /// The service API version. Up to 32 bytes.
    pub api_version: &'a str,
    /// Name and version of the product, sent as `ClientVersion`. Up to 1,024 bytes.
    pub product: &'a str,
}

impl<'a> Registration<'a> {
    /// Where every instance of the service can be reached, outside sovereign clouds.
    pub const GLOBAL_HOST: &'static str = "global.azure-devices-provisioning.net";
    /// The API version that [`new`](Self::new) sets.
    pub const API_VERSION: &'static str = "2019-03-31";

    /// A device of an id scope.
    #[must_use]
    pub const fn new(id_scope: &'a str, registration_id: &'a str) -> Self {
        Self { id_scope, registration_id, api_version: Self::API_VERSION, product: super::Identity::PRODUCT }
    }

    /// The same with another product name.
    #[must_use]
    pub const fn with_product(mut self, product: &'a str) -> Self {
        self.product = product;
        self
    }

    /// The same with another API version.
    #[must_use]
    pub const fn with_api_version(mut self, api_version: &'a str) -> Self {
        self.api_version = api_version;
        self
    }

    /// Whether every field can be sent.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadText`] names the first field that is empty, too long, or has another character.
    pub fn check(&self) -> Result<(), UsageError> {
        let id = self.registration_id;
        let (field, at) = if let Some(at) = bad(self.id_scope, MAX_ID, Allowed::Host) {
            (Field::IdScope, at)
        } else if let Some(at) = bad(id, MAX_ID, Allowed::RegistrationId) {
            (Field::RegistrationId, at)
        } else if id.ends_with(['.', '_', ':']) {
            (Field::RegistrationId, id.len().saturating_sub(1))
        } else if let Some(at) = bad(self.api_version, MAX_API_VERSION, Allowed::Host) {
            (Field::ApiVersion, at)
        } else if let Some(at) = bad(self.product, MAX_PRODUCT, Allowed::Any) {
            (Field::Product, at)
        } else {
            return Ok(());
        };
        Err(UsageError::BadText { field, at })
    }

    /// Appends the MQTT user name: `{id scope}/registrations/{registration id}/api-version=…&ClientVersion=…`. Unlike a
    /// hub's it has no question mark. The client id is the registration id.
    pub fn put_user_name(&self, w: &mut Writer<'_>) {
        w.put(self.id_scope.as_bytes());
        w.put(b"/registrations/");
        w.put(self.registration_id.as_bytes());
        w.put(b"/api-version=");
        put_encoded(w, self.api_version.as_bytes());
        w.put(b"&ClientVersion=");
        put_encoded(w, self.product.as_bytes());
    }

    /// What a SAS token for this registration grants access to.
    #[must_use]
    pub const fn resource(&self) -> Resource<'a> {
        Resource::Registration { id_scope: self.id_scope, registration_id: self.registration_id }
    }

    /// Bytes of the longest SAS token for this registration.
    #[must_use]
    pub fn token_capacity(&self) -> usize {
        self.resource().token_capacity(Some(Resource::REGISTRATION_KEY_NAME))
    }
}
