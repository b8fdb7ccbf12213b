//! Connection strings, and SAS tokens in two steps.

use crate::error::{iothub_error, saturate};
use crate::guard;
use crate::ptr::{self, Input, Misuse, Zeroed};
use crate::status::*;
use crate::types::iothub_str;
use core::ffi::c_char;
use iothub_proto::auth::{
    ConnectionString, ConnectionStringError, Credential, Resource, put_string_to_sign, put_token,
};
use iothub_proto::time::UnixSeconds;
use iothub_proto::wire::Writer;

/// A key of a connection string; `subject` of IOTHUB_ERR_STRING_*. This one: HostName.
pub const IOTHUB_KEY_HOST_NAME: u32 = 1;
/// DeviceId.
pub const IOTHUB_KEY_DEVICE_ID: u32 = 2;
/// ModuleId.
pub const IOTHUB_KEY_MODULE_ID: u32 = 3;
/// SharedAccessKey.
pub const IOTHUB_KEY_SHARED_ACCESS_KEY: u32 = 4;
/// SharedAccessKeyName.
pub const IOTHUB_KEY_SHARED_ACCESS_KEY_NAME: u32 = 5;
/// SharedAccessSignature.
pub const IOTHUB_KEY_SHARED_ACCESS_SIGNATURE: u32 = 6;
/// GatewayHostName.
pub const IOTHUB_KEY_GATEWAY_HOST_NAME: u32 = 7;
/// x509, or X509Cert.
pub const IOTHUB_KEY_X509: u32 = 8;
/// UseProvisioning.
pub const IOTHUB_KEY_USE_PROVISIONING: u32 = 9;

/// How the device authenticates: with `key`, which signs tokens.
pub const IOTHUB_CREDENTIAL_KEY: u32 = 1;
/// With `token`, the password of CONNECT as it is.
pub const IOTHUB_CREDENTIAL_TOKEN: u32 = 2;
/// With the client certificate of the TLS connection. CONNECT has no password.
pub const IOTHUB_CREDENTIAL_X509: u32 = 3;

/// A connection string taken apart. It points into the text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_connection_string {
    /// `host_name` of iothub_config: the hub.
    pub host_name: iothub_str,
    /// `device_id` of iothub_config.
    pub device_id: iothub_str,
    /// `module_id` of iothub_config; none (NULL) for a device.
    pub module_id: iothub_str,
    /// The host to connect to, to name in TLS and to find in its certificate: the gateway if there is one, else the hub.
    pub connect_host: iothub_str,
    /// CREDENTIAL_KEY: the key in base64. Secret.
    pub key: iothub_str,
    /// CREDENTIAL_KEY: the hub policy it belongs to; none (NULL) for a device's own key.
    pub key_name: iothub_str,
    /// CREDENTIAL_TOKEN: a ready-made token. Secret.
    pub token: iothub_str,
    /// IOTHUB_CREDENTIAL_*.
    pub credential: u32,
}

// SAFETY: numbers and pointers.
unsafe impl Zeroed for iothub_connection_string {}

/// What a token grants access to. This: all of a hub. `host` is its host name; the key is that of a hub policy.
pub const IOTHUB_RESOURCE_HUB: u32 = 1;
/// A device. `host` is the hub's host name, also behind a gateway; `id` the device id.
pub const IOTHUB_RESOURCE_DEVICE: u32 = 2;
/// A module: as a device, with `module_id`.
pub const IOTHUB_RESOURCE_MODULE: u32 = 3;
/// A registration of the Device Provisioning Service. `host` is the id scope, `id` the registration id; the key name is
/// `registration`.
pub const IOTHUB_RESOURCE_REGISTRATION: u32 = 4;
/// `host` is a URI that is encoded already: it is signed and sent as it is.
pub const IOTHUB_RESOURCE_ENCODED: u32 = 5;

/// What a SAS token grants access to. Make it with IOTHUB_RESOURCE_INIT.
#[repr(C)]
pub struct iothub_resource {
    /// sizeof(iothub_resource).
    pub struct_size: u32,
    /// IOTHUB_RESOURCE_*: which of the following count.
    pub kind: u32,
    /// The host.
    pub host: iothub_str,
    /// The device or registration.
    pub id: iothub_str,
    /// The module.
    pub module_id: iothub_str,
}

// SAFETY: it begins with `struct_size`, and is numbers and pointers.
unsafe impl Input for iothub_resource {}

impl iothub_resource {
    /// # Safety
    ///
    /// Unless NULL or misaligned, `resource` points to one that lives as `'a` with its texts.
    pub(crate) unsafe fn read<'a>(resource: *const Self) -> Result<Resource<'a>, Misuse> {
        // SAFETY: the caller's promise.
        let (kind, host, id, module) = unsafe {
            let from = ptr::input(resource)?;
            (from.kind, ptr::text(from.host)?, ptr::text(from.id)?, ptr::text(from.module_id)?)
        };
        Ok(match kind {
            IOTHUB_RESOURCE_HUB => Resource::Hub { host_name: host },
            IOTHUB_RESOURCE_DEVICE => Resource::Device { host_name: host, device_id: id },
            IOTHUB_RESOURCE_MODULE => Resource::Module { host_name: host, device_id: id, module_id: module },
            IOTHUB_RESOURCE_REGISTRATION => Resource::Registration { id_scope: host, registration_id: id },
            IOTHUB_RESOURCE_ENCODED => Resource::Encoded(host),
            _ => return Err(Misuse(IOTHUB_ERR_BAD_VALUE)),
        })
    }
}

/// Takes a connection string apart. Ids and host name are checked later, by iothub_client_init().
///
/// @param text The text. White space at both ends, such as the line break of a file, is skipped.
/// @param[out] parsed Its parts; they live as long as the text. Zeroed on failure.
/// @param[out] error What is behind a failure; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the text.
/// @retval IOTHUB_ERR_STRING_x The first mistake in the order of the text, then what is missing.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_connection_string_parse(
    text: iothub_str,
    parsed: *mut iothub_connection_string,
    error: *mut iothub_error,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        let (parsed, error) = (ptr::out(parsed), ptr::optional_out(error));
        guard::call(|| {
            let (to, error) = (parsed?, error?);
            let outcome = match ptr::text(text) {
                Ok(text) => ConnectionString::parse(text).map_err(|error| wrong_string(&error)),
                Err(Misuse(status)) => Err(iothub_error::of(status)),
            };
            match outcome {
                Ok(parsed) => parts(&parsed, to),
                Err(detail) => {
                    if let Some(error) = error {
                        *error = detail;
                    }
                    return Err(Misuse(detail.status));
                }
            }
            Ok(IOTHUB_OK)
        })
    }
}

fn parts(parsed: &ConnectionString<'_>, to: &mut iothub_connection_string) {
    let identity = parsed.identity();
    to.host_name = iothub_str::new(identity.host_name);
    to.device_id = iothub_str::new(identity.device_id);
    to.module_id = iothub_str::optional(identity.module_id);
    to.connect_host = iothub_str::new(parsed.connect_host());
    to.credential = match parsed.credential() {
        Credential::Key { key, name } => {
            to.key = iothub_str::new(key);
            to.key_name = iothub_str::optional(name);
            IOTHUB_CREDENTIAL_KEY
        }
        Credential::Token(token) => {
            to.token = iothub_str::new(token);
            IOTHUB_CREDENTIAL_TOKEN
        }
        Credential::X509 => IOTHUB_CREDENTIAL_X509,
    };
}

/// The keys count as their numbers do; a test goes through all of them.
pub(crate) fn wrong_string(error: &ConnectionStringError) -> iothub_error {
    use ConnectionStringError as Wrong;
    let about = |status, key| iothub_error::of(status).subject(key as u32 + IOTHUB_KEY_HOST_NAME);
    match *error {
        Wrong::Missing(key) => about(IOTHUB_ERR_STRING_MISSING, key),
        Wrong::Duplicate(key) => about(IOTHUB_ERR_STRING_DUPLICATE, key),
        Wrong::Empty(key) => about(IOTHUB_ERR_STRING_EMPTY, key),
        Wrong::BadValue(key) => about(IOTHUB_ERR_STRING_BAD_VALUE, key),
        Wrong::Unsupported(key) => about(IOTHUB_ERR_STRING_UNSUPPORTED, key),
        Wrong::BadBase64 { at } => iothub_error::of(IOTHUB_ERR_STRING_BASE64).at(at),
        Wrong::BadSegment { at } => iothub_error::of(IOTHUB_ERR_STRING_SEGMENT).at(at),
        Wrong::BadCharacter { at } => iothub_error::of(IOTHUB_ERR_STRING_CHARACTER).at(at),
        Wrong::TwoCredentials => iothub_error::of(IOTHUB_ERR_STRING_TWO_CREDENTIALS),
        Wrong::NoCredential => iothub_error::of(IOTHUB_ERR_STRING_NO_CREDENTIAL),
        _ => iothub_error::of(IOTHUB_ERR_USAGE),
    }
}

/// A key of a connection string that means nothing here: worth a warning, as it may be mistyped.
///
/// @param text A text that iothub_connection_string_parse() took.
/// @param index 0 for the first, and so on.
/// @param[out] key Its name; zeroed if there are not so many.
/// @return 1 if there is one, 0 if not, or a negative status as of iothub_connection_string_parse().
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_connection_string_unknown_key(
    text: iothub_str,
    index: usize,
    key: *mut iothub_str,
) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let key = ptr::out(key)?;
        let parsed = ConnectionString::parse(ptr::text(text)?);
        let parsed = parsed.map_err(|error| Misuse(wrong_string(&error).status))?;
        let Some(name) = parsed.unknown_keys().nth(index) else { return Ok(0) };
        *key = iothub_str::new(name);
        Ok(1)
    })
}

/// What HMAC-SHA-256 is to be computed over, with the base64-decoded key, by a TPM, a secure element or the application.
///
/// @param expiry When the token ends, in seconds since 1970.
/// @param[out] buffer Where to write to; no NUL is added. What it holds after a failure means nothing.
/// @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE, IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `resource` or the buffer.
/// @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `buffer_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_sas_string_to_sign(
    resource: *const iothub_resource,
    expiry: u32,
    buffer: *mut c_char,
    buffer_size: usize,
    len: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        put(buffer, buffer_size, len, |w| {
            put_string_to_sign(w, &iothub_resource::read(resource)?, UnixSeconds(expiry));
            Ok(())
        })
    }
}

/// A SAS token from a signature: the `password` of iothub_connect.
///
/// @param signature HMAC-SHA-256 over what iothub_sas_string_to_sign() gave for the same resource and expiry: 32 bytes.
/// @param expiry When the token ends, in seconds since 1970.
/// @param key_name The hub policy that the key belongs to; none (NULL) for a device's own key.
/// @param[out] buffer Where to write to; no NUL is added. What it holds after a failure means nothing.
/// @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE, IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `resource`, `key_name` or the buffer.
/// @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `buffer_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_sas_token(
    resource: *const iothub_resource,
    signature: *const u8,
    expiry: u32,
    key_name: iothub_str,
    buffer: *mut c_char,
    buffer_size: usize,
    len: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        put(buffer, buffer_size, len, |w| {
            let resource = iothub_resource::read(resource)?;
            let signature = ptr::shared(signature.cast::<[u8; 32]>())?;
            put_token(w, &resource, signature, UnixSeconds(expiry), ptr::optional_text(key_name)?);
            Ok(())
        })
    }
}

/// Bytes of the longest token for a resource: no expiry and no signature makes a longer one.
///
/// @param key_name The hub policy that the key belongs to; none (NULL) for a device's own key.
/// @param[out] capacity The bytes.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE, IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `resource` or `key_name`.
/// @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_sas_token_capacity(
    resource: *const iothub_resource,
    key_name: iothub_str,
    capacity: *mut u32,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let capacity = ptr::out(capacity)?;
        let resource = iothub_resource::read(resource)?;
        *capacity = saturate(resource.token_capacity(ptr::optional_text(key_name)?));
        Ok(IOTHUB_OK)
    })
}

/// Writes what `text` puts into the caller's buffer, and its length.
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `size` bytes.
pub(crate) unsafe fn put(
    buffer: *mut c_char,
    size: usize,
    len: *mut usize,
    text: impl FnOnce(&mut Writer<'_>) -> Result<(), Misuse>,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let len = ptr::out(len)?;
        let mut w = Writer::new(ptr::room(buffer, size)?);
        text(&mut w)?;
        *len = w.len();
        if w.overflowed() { Err(Misuse(IOTHUB_ERR_BUFFER_TOO_SMALL)) } else { Ok(IOTHUB_OK) }
    })
}
