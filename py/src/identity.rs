//! Who the device is.

use crate::errors::Fault;
use iothub_proto::auth::{Identity as Named, Registration as Registered};
use iothub_proto::wire::Writer;
use pyo3::prelude::*;

/// A device or module of a hub, and what it tells the hub about itself.
///
/// Ids may hold ASCII letters, digits and - . % _ * ? ! ( ) , = @ $ ' : ; and have at most 128 of them.
///
/// Raises ConfigurationError for what the hub could only answer by closing the connection.
///
/// >>> from iothub_proto import Identity
/// >>> Identity("contoso.azure-devices.net", "dev1", "mod1").client_id
/// 'dev1/mod1'
#[pyclass(frozen, eq, hash, module = "iothub_proto")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// The hub's own host name, also when connecting through a gateway.
    #[pyo3(get)]
    host_name: String,
    /// The device id, case-sensitive.
    #[pyo3(get)]
    device_id: String,
    /// The module id, if this is a module.
    #[pyo3(get)]
    module_id: Option<String>,
    /// Name and version of the product, sent as DeviceClientType.
    #[pyo3(get)]
    product: String,
    /// The IoT Plug and Play model that the device implements.
    #[pyo3(get)]
    model_id: Option<String>,
    /// The service API version.
    #[pyo3(get)]
    api_version: String,
}

impl Identity {
    pub(crate) fn lend(&self) -> Named<'_> {
        Named {
            host_name: &self.host_name,
            device_id: &self.device_id,
            module_id: self.module_id.as_deref(),
            api_version: &self.api_version,
            product: &self.product,
            model_id: self.model_id.as_deref(),
        }
    }

    /// A checked copy.
    pub(crate) fn copy(identity: &Named<'_>) -> Result<Self, Fault> {
        identity.check()?;
        Ok(Self {
            host_name: identity.host_name.to_owned(),
            device_id: identity.device_id.to_owned(),
            module_id: identity.module_id.map(str::to_owned),
            product: identity.product.to_owned(),
            model_id: identity.model_id.map(str::to_owned),
            api_version: identity.api_version.to_owned(),
        })
    }
}

#[pymethods]
impl Identity {
    #[new]
    #[pyo3(signature = (host_name, device_id, module_id=None, *, product=None, model_id=None, api_version=None))]
    fn new(
        host_name: &str,
        device_id: &str,
        module_id: Option<&str>,
        product: Option<&str>,
        model_id: Option<&str>,
        api_version: Option<&str>,
    ) -> Result<Self, Fault> {
        Self::copy(&Named {
            host_name,
            device_id,
            module_id,
            api_version: api_version.unwrap_or(Named::API_VERSION),
            product: product.unwrap_or(Named::PRODUCT),
            model_id,
        })
    }

    /// The MQTT client id.
    #[getter]
    fn client_id(&self) -> String {
        written(|w| self.lend().put_client_id(w))
    }

    /// The MQTT user name.
    #[getter]
    fn user_name(&self) -> String {
        written(|w| self.lend().put_user_name(w))
    }

    /// What a SAS token for this identity grants access to, percent-encoded once: its 'sr'.
    #[getter]
    fn resource_uri(&self) -> String {
        written(|w| self.lend().put_resource_uri(w))
    }

    fn __repr__(&self) -> String {
        let module = self.module_id.as_ref().map(|id| format!(", {id:?}")).unwrap_or_default();
        let model = self.model_id.as_ref().map(|id| format!(", model_id={id:?}")).unwrap_or_default();
        format!("Identity({:?}, {:?}{module}{model})", self.host_name, self.device_id)
    }
}

/// A device as the Device Provisioning Service knows it, before it belongs to a hub.
///
/// id_scope: the service's instance, such as '0ne00000001'.
/// registration_id: up to 128 ASCII letters, digits and - . _ : and best in lower case.
///
/// Raises ConfigurationError for what the service could only refuse.
///
/// >>> from iothub_proto import Registration
/// >>> Registration("0ne00000001", "reg-001").resource_uri
/// '0ne00000001%2Fregistrations%2Freg-001'
#[pyclass(frozen, eq, hash, module = "iothub_proto")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Registration {
    /// The service's instance.
    #[pyo3(get)]
    id_scope: String,
    /// The device's name there.
    #[pyo3(get)]
    registration_id: String,
    /// Name and version of the product, sent as ClientVersion.
    #[pyo3(get)]
    product: String,
    /// The service API version.
    #[pyo3(get)]
    api_version: String,
}

impl Registration {
    pub(crate) fn lend(&self) -> Registered<'_> {
        Registered {
            id_scope: &self.id_scope,
            registration_id: &self.registration_id,
            api_version: &self.api_version,
            product: &self.product,
        }
    }
}

#[pymethods]
impl Registration {
    /// Where every instance of the service can be reached, outside sovereign clouds.
    #[classattr]
    const GLOBAL_HOST: &'static str = Registered::GLOBAL_HOST;

    #[new]
    #[pyo3(signature = (id_scope, registration_id, *, product=None, api_version=None))]
    fn new(
        id_scope: String,
        registration_id: String,
        product: Option<String>,
        api_version: Option<String>,
    ) -> Result<Self, Fault> {
        let product = product.unwrap_or_else(|| Named::PRODUCT.to_owned());
        let api_version = api_version.unwrap_or_else(|| Registered::API_VERSION.to_owned());
        let registration = Self { id_scope, registration_id, product, api_version };
        registration.lend().check()?;
        Ok(registration)
    }

    /// What a SAS token for this registration grants access to, percent-encoded once: its 'sr'. The token's key name
    /// is 'registration'.
    #[getter]
    fn resource_uri(&self) -> String {
        written(|w| self.lend().resource().put_uri(w))
    }

    fn __repr__(&self) -> String {
        format!("Registration({:?}, {:?})", self.id_scope, self.registration_id)
    }
}

/// What `put` writes. Only whole texts are put, so it is one.
pub(crate) fn written(put: impl Fn(&mut Writer<'_>)) -> String {
    let mut measure = Writer::new(&mut []);
    put(&mut measure);
    let mut room = vec![0; measure.len()];
    let mut w = Writer::new(&mut room);
    put(&mut w);
    String::from_utf8(room).unwrap_or_default()
}
