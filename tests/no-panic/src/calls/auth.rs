//! `auth`.

use super::{any, bytes, number, room, some_string, string, used, writer};
use iothub_proto::auth::{
    ConnectionString, ConnectionStringKey, Identity, Registration, Resource, put_string_to_sign, put_token,
};
use iothub_proto::time::UnixSeconds;

pub(super) fn all() {
    identity();
    connection_string();
    registration();
    resource();
    tokens();
    #[cfg(feature = "sas")]
    key();
}

pub(super) fn some_identity() -> Identity<'static> {
    let mut identity = any(Identity::device(string(), string()));
    identity.module_id = some_string();
    identity.model_id = some_string();
    identity.product = string();
    identity.api_version = string();
    any(identity)
}

fn some_resource() -> Resource<'static> {
    let (host_name, device_id) = (string(), string());
    any(match number() {
        0 => Resource::Hub { host_name },
        1 => Resource::Device { host_name, device_id },
        2 => Resource::Module { host_name, device_id, module_id: string() },
        3 => Resource::Registration { id_scope: string(), registration_id: string() },
        _ => Resource::Encoded(string()),
    })
}

fn expiry() -> UnixSeconds {
    UnixSeconds(any(0))
}

#[inline(never)]
fn identity() {
    used(Identity::device(string(), string()));
    used(Identity::module(string(), string(), string()));
    used(Identity::with_product(some_identity(), string()));
    used(Identity::with_model_id(some_identity(), string()));
    used(Identity::with_api_version(some_identity(), string()));
    let identity = some_identity();
    used(Identity::check(&identity));
    let mut w = writer();
    Identity::put_client_id(&identity, &mut w);
    Identity::put_user_name(&identity, &mut w);
    Identity::put_resource_uri(&identity, &mut w);
    used(w);
    used(Identity::resource(&identity));
    used(Identity::token_capacity(&identity, some_string()));
}

pub(super) fn some_registration() -> Registration<'static> {
    let mut registration = any(Registration::new(string(), string()));
    registration.product = string();
    registration.api_version = string();
    any(registration)
}

#[inline(never)]
fn registration() {
    used(Registration::with_product(some_registration(), string()));
    used(Registration::with_api_version(some_registration(), string()));
    let registration = some_registration();
    used(Registration::check(&registration));
    let mut w = writer();
    Registration::put_user_name(&registration, &mut w);
    used(w);
    used(Registration::resource(&registration));
    used(Registration::token_capacity(&registration));
}

#[inline(never)]
fn connection_string() {
    used(ConnectionStringKey::name(any(ConnectionStringKey::X509)));
    let Ok(parsed) = any(ConnectionString::parse(string())) else { return };
    used(ConnectionString::identity(&parsed));
    used(ConnectionString::credential(&parsed));
    used(ConnectionString::connect_host(&parsed));
    for key in ConnectionString::unknown_keys(&parsed) {
        used(key);
    }
}

#[inline(never)]
fn resource() {
    let mut w = writer();
    Resource::put_uri(&some_resource(), &mut w);
    used(w);
    used(Resource::token_capacity(&some_resource(), some_string()));
}

#[inline(never)]
fn tokens() {
    let mut w = writer();
    put_string_to_sign(&mut w, &some_resource(), expiry());
    put_token(&mut w, &some_resource(), &any([0; 32]), expiry(), some_string());
    used(w);
    used(bytes());
    used(room());
}

#[cfg(feature = "sas")]
#[inline(never)]
fn key() {
    use iothub_proto::auth::SharedAccessKey;
    used(SharedAccessKey::from_bytes(bytes()));
    let Ok(key) = any(SharedAccessKey::from_base64(string())) else { return };
    used(SharedAccessKey::sign(&key, bytes()));
    used(SharedAccessKey::token(&key, &some_identity(), expiry(), some_string(), room()));
    used(SharedAccessKey::token_for(&key, &some_resource(), expiry(), some_string(), room()));
    used(SharedAccessKey::derive_device_key(&key, string()));
    let mut w = writer();
    SharedAccessKey::put_device_key(&key, &mut w, string());
    used(w);
}
