//! Connection strings and SAS tokens.

use crate::errors::{bad_connection_string, bad_key};
use crate::identity::{Identity, Registration, written};
use iothub_proto::auth::{
    ConnectionString as Parsed, Credential, Identity as Named, Resource, SharedAccessKey as Key, put_string_to_sign,
    put_token,
};
use iothub_proto::time::UnixSeconds;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use zeroize::Zeroizing;

/// A key in memory that signs SAS tokens. It is wiped when dropped, and never shown.
///
/// The argument is base64 with padding, as the portal shows it. Raises ConfigurationError.
///
/// >>> from iothub_proto import Identity, SharedAccessKey
/// >>> key = SharedAccessKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
/// >>> token = key.token(Identity("contoso.azure-devices.net", "dev1"), expiry=1767225600)
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct SharedAccessKey(Key);

#[pymethods]
impl SharedAccessKey {
    #[new]
    #[pyo3(signature = (text, /))]
    fn new(py: Python<'_>, text: &str) -> PyResult<Self> {
        Key::from_base64(text).map(Self).map_err(|error| bad_key(py, error))
    }

    /// A key that is decoded already: 1 to 128 bytes.
    #[staticmethod]
    #[pyo3(signature = (key, /))]
    fn from_bytes(py: Python<'_>, key: &[u8]) -> PyResult<Self> {
        Key::from_bytes(key).map(Self).map_err(|error| bad_key(py, error))
    }

    /// HMAC-SHA-256 of a message, 32 bytes.
    #[pyo3(signature = (message, /))]
    fn sign(&self, message: &[u8]) -> [u8; 32] {
        self.0.sign(message)
    }

    /// A SAS token for an identity, for a registration, or for a resource URI that is percent-encoded already.
    ///
    /// expiry: Unix time in seconds.
    /// key_name: the hub policy that the key belongs to; "registration" for the provisioning service; a device's own key
    ///     has none.
    #[pyo3(signature = (resource, *, expiry, key_name=None))]
    fn token(&self, resource: ResourceArgument<'_>, expiry: f64, key_name: Option<&str>) -> PyResult<String> {
        let resource = resource.lend()?;
        Ok(token(&self.0, &resource, unix(expiry)?, key_name))
    }

    /// The key of one device of an enrollment group, whose key this is.
    #[pyo3(signature = (registration_id, /))]
    fn derive_device_key(&self, registration_id: &str) -> Self {
        Self(self.0.derive_device_key(registration_id))
    }

    fn __repr__(&self) -> &'static str {
        "SharedAccessKey(***)"
    }
}

fn token(key: &Key, resource: &Resource<'_>, expiry: UnixSeconds, key_name: Option<&str>) -> String {
    let mut room = vec![0; resource.token_capacity(key_name)];
    // The capacity is enough for every expiry.
    key.token_for(resource, expiry, key_name, &mut room).map(str::to_owned).unwrap_or_default()
}

fn unix(expiry: f64) -> PyResult<UnixSeconds> {
    if !(0.0..=f64::from(u32::MAX)).contains(&expiry) {
        return Err(PyValueError::new_err("'expiry' is Unix time in seconds, up to the year 2106"));
    }
    Ok(UnixSeconds(expiry as u32))
}

/// An `Identity`, a `Registration`, or an encoded URI.
#[derive(FromPyObject)]
pub(crate) enum ResourceArgument<'py> {
    Of(Bound<'py, Identity>),
    At(Bound<'py, Registration>),
    Encoded(Bound<'py, PyString>),
}

impl ResourceArgument<'_> {
    fn lend(&self) -> PyResult<Resource<'_>> {
        match self {
            Self::Of(identity) => Ok(identity.get().lend().resource()),
            Self::At(registration) => Ok(registration.get().lend().resource()),
            Self::Encoded(uri) => {
                let uri = uri.to_str()?;
                if uri.is_empty() || uri.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'&') {
                    return Err(PyValueError::new_err("a resource URI is percent-encoded text"));
                }
                Ok(Resource::Encoded(uri))
            }
        }
    }
}

/// The text to sign for a SAS token, for a signer of your own such as a TPM: HMAC-SHA-256 of it goes into sas_token.
#[pyfunction]
#[pyo3(signature = (resource, *, expiry))]
pub(crate) fn string_to_sign(resource: ResourceArgument<'_>, expiry: f64) -> PyResult<Vec<u8>> {
    let (resource, expiry) = (resource.lend()?, unix(expiry)?);
    Ok(written(|w| put_string_to_sign(w, &resource, expiry)).into_bytes())
}

/// The SAS token with a signature made elsewhere, 32 bytes; resource and expiry as given to string_to_sign.
#[pyfunction]
#[pyo3(signature = (resource, signature, *, expiry, key_name=None))]
pub(crate) fn sas_token(
    resource: ResourceArgument<'_>,
    signature: [u8; 32],
    expiry: f64,
    key_name: Option<&str>,
) -> PyResult<String> {
    let (resource, expiry) = (resource.lend()?, unix(expiry)?);
    Ok(written(|w| put_token(w, &resource, &signature, expiry, key_name)))
}

/// The resource URI of a hub, a device or a module, percent-encoded once.
#[pyfunction]
#[pyo3(signature = (host_name, device_id=None, module_id=None))]
pub(crate) fn resource_uri(host_name: &str, device_id: Option<&str>, module_id: Option<&str>) -> PyResult<String> {
    let resource = match (device_id, module_id) {
        (Some(device_id), Some(module_id)) => Resource::Module { host_name, device_id, module_id },
        (Some(device_id), None) => Resource::Device { host_name, device_id },
        (None, None) => Resource::Hub { host_name },
        (None, Some(_)) => return Err(PyValueError::new_err("a module belongs to a device")),
    };
    Ok(written(|w| resource.put_uri(w)))
}

/// The resource URI of a registration of the Device Provisioning Service; its tokens have the key name "registration".
#[pyfunction]
#[pyo3(signature = (id_scope, registration_id))]
pub(crate) fn registration_uri(id_scope: &str, registration_id: &str) -> String {
    written(|w| Resource::Registration { id_scope, registration_id }.put_uri(w))
}

/// A connection string of a device or module, taken apart. Secrets are never shown.
///
/// Raises ConfigurationError, which says where the text is wrong and never holds it.
///
/// >>> from iothub_proto import ConnectionString
/// >>> parsed = ConnectionString(
/// ...     "HostName=contoso.azure-devices.net;DeviceId=dev1;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw=="
/// ... )
/// >>> parsed.identity
/// Identity("contoso.azure-devices.net", "dev1")
/// >>> password = parsed.password(expiry=1767225600)
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct ConnectionString {
    /// The device or module.
    #[pyo3(get)]
    identity: Py<Identity>,
    /// The host to connect to, and to find in its certificate: the gateway if there is one, else the hub.
    #[pyo3(get)]
    connect_host: String,
    /// The key that signs tokens, if there is one.
    #[pyo3(get)]
    key: Option<Py<SharedAccessKey>>,
    /// The hub policy that the key belongs to, if it is not the device's own.
    #[pyo3(get)]
    key_name: Option<String>,
    token: Option<Zeroizing<String>>,
    /// Keys that mean nothing here: worth a warning, as one may be mistyped.
    #[pyo3(get)]
    unknown_keys: Vec<String>,
}

#[pymethods]
impl ConnectionString {
    #[new]
    #[pyo3(signature = (text, /, *, product=None, model_id=None, api_version=None))]
    fn new(
        py: Python<'_>,
        text: &str,
        product: Option<&str>,
        model_id: Option<&str>,
        api_version: Option<&str>,
    ) -> PyResult<Self> {
        let parsed = Parsed::parse(text).map_err(|error| bad_connection_string(py, error))?;
        let Named { host_name, device_id, module_id, api_version: latest, product: own, .. } = parsed.identity();
        let (product, api_version) = (product.unwrap_or(own), api_version.unwrap_or(latest));
        let identity = Identity::copy(&Named { host_name, device_id, module_id, api_version, product, model_id })?;
        let (key, key_name, token) = match parsed.credential() {
            Credential::Key { key, name } => (Some(Py::new(py, SharedAccessKey::new(py, key)?)?), name, None),
            Credential::Token(token) => (None, None, Some(Zeroizing::new(token.to_owned()))),
            Credential::X509 => (None, None, None),
        };
        Ok(Self {
            identity: Py::new(py, identity)?,
            connect_host: parsed.connect_host().to_owned(),
            key,
            key_name: key_name.map(str::to_owned),
            token,
            unknown_keys: parsed.unknown_keys().map(str::to_owned).collect(),
        })
    }

    /// Whether a client certificate authenticates: then CONNECT has no password.
    #[getter]
    fn x509(&self) -> bool {
        self.key.is_none() && self.token.is_none()
    }

    /// The ready-made token, if the text has one instead of a key.
    #[getter]
    fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.as_str())
    }

    /// What to sign in with: a new token valid until `expiry` (Unix time in seconds), the ready-made token, or None with
    /// a client certificate.
    #[pyo3(signature = (*, expiry))]
    fn password(&self, expiry: f64) -> PyResult<Option<String>> {
        let Some(key) = &self.key else { return Ok(self.token().map(str::to_owned)) };
        let resource = self.identity.get().lend().resource();
        Ok(Some(token(&key.get().0, &resource, unix(expiry)?, self.key_name.as_deref())))
    }

    fn __repr__(&self) -> String {
        let credential = match (&self.key, &self.token) {
            (Some(_), _) => "SharedAccessKey=***",
            (_, Some(_)) => "SharedAccessSignature=***",
            _ => "x509=true",
        };
        let Named { host_name, device_id, module_id, .. } = self.identity.get().lend();
        let module = module_id.map(|id| format!(";ModuleId={id}")).unwrap_or_default();
        format!("ConnectionString(\"HostName={host_name};DeviceId={device_id}{module};{credential}\")")
    }
}
