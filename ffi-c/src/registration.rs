//! What a device asks the Device Provisioning Service, and what comes of it.

use crate::error::iothub_error;
use crate::event::*;
use crate::guard;
use crate::ptr::{self, Input, Misuse};
use crate::status::{IOTHUB_ERR_BUFFER_TOO_SMALL, IOTHUB_ERR_STRUCT_SIZE, IOTHUB_OK, iothub_status};
use crate::translate;
use crate::types::{iothub_bytes, iothub_str};
use core::ffi::c_char;
use core::mem::size_of;
use iothub_proto::auth::Registration;
use iothub_proto::error::{Error, RegistrationError};
use iothub_proto::provisioning::{Assignment, ProvisioningEvent};
use iothub_proto::time::Duration;
use iothub_proto::wire::JsonText;
use iothub_proto::{ProvisioningConfig, Settings};

/// Who registers, and how. iothub_provisioning_config_init() fills it in; then set `id_scope` and `registration_id`, and
/// what else should differ. Durations are milliseconds.
#[repr(C)]
pub struct iothub_provisioning_config {
    /// sizeof(iothub_provisioning_config); set by iothub_provisioning_config_init().
    pub struct_size: u32,
    /// Bytes of the largest packet the receive buffer holds. 64 to 1 MiB; default 1024, which holds every answer without a
    /// large payload.
    pub max_packet: u32,
    /// The id scope of the service's instance, such as `0ne00000001`. 1 to 128 bytes.
    pub id_scope: iothub_str,
    /// The registration id. 1 to 128 ASCII letters, digits and `- . _ :`, a letter, digit or `-` at the end; best in lower
    /// case: see iothub_key_derive().
    pub registration_id: iothub_str,
    /// The service API version, 1 to 32 bytes; none (NULL) for the library's, 2019-03-31.
    pub api_version: iothub_str,
    /// Name and version of the product, 1 to 1,024 bytes; none (NULL) for this library's.
    pub product: iothub_str,
    /// JSON for a custom allocation policy or for the application behind the hub, such as `{"modelId":"dtmi:..."}`; nothing
    /// (NULL) without one. With the registration id at most 96 KiB.
    pub payload: iothub_bytes,
    /// Seconds of silence after which the service may give the device up (times 1.5). 0: none; at most 1177. Default 240.
    pub keep_alive: u16,
    /// 0.
    pub reserved: u16,
    /// Bytes kept for CONNECT, out of `tx`. 0, the default: as much as this registration needs with a SAS token.
    pub connect_reserve: u32,
    /// From iothub_provisioning_connect() to the assignment, whatever happens in between. Default 300,000.
    pub deadline_ms: u32,
    /// From the last byte of CONNECT to CONNACK. Default 30,000.
    pub connect_timeout_ms: u32,
    /// For a request to be answered, after which it is sent again. Default 60,000.
    pub request_timeout_ms: u32,
}

// SAFETY: it begins with `struct_size`, and is numbers and pointers.
unsafe impl Input for iothub_provisioning_config {}

/// Fills in the defaults. `config_size` is sizeof *config: no more than that is written.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE `config_size` is not that of this or a later header.
///
/// # Safety
///
/// `config` points to `config_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_provisioning_config_init(
    config: *mut iothub_provisioning_config,
    config_size: usize,
) -> iothub_status {
    guard::call(|| {
        ptr::place(config)?;
        if config_size < size_of::<iothub_provisioning_config>() {
            return Err(Misuse(IOTHUB_ERR_STRUCT_SIZE));
        }
        // SAFETY: it is large enough for what is written, by the caller's promise.
        unsafe { config.write(defaults()) };
        Ok(IOTHUB_OK)
    })
}

fn defaults() -> iothub_provisioning_config {
    let config = ProvisioningConfig::new(Registration::new("", ""));
    let millis = |span: Duration| span.as_millis() as u32;
    iothub_provisioning_config {
        struct_size: size_of::<iothub_provisioning_config>() as u32,
        max_packet: 1024,
        id_scope: iothub_str::NONE,
        registration_id: iothub_str::NONE,
        api_version: iothub_str::NONE,
        product: iothub_str::NONE,
        payload: iothub_bytes::new(&[]),
        keep_alive: config.settings.keep_alive,
        reserved: 0,
        connect_reserve: config.settings.connect_reserve,
        deadline_ms: millis(config.deadline),
        connect_timeout_ms: millis(config.settings.connect_timeout),
        request_timeout_ms: millis(config.settings.request_timeout),
    }
}

impl iothub_provisioning_config {
    /// # Safety
    ///
    /// The texts live as `'a`.
    pub(crate) unsafe fn read<'a>(&self) -> Result<ProvisioningConfig<'a>, Misuse> {
        // SAFETY: the caller's promise, for each of the texts.
        let (registration, payload) = unsafe {
            let registration = Registration {
                id_scope: ptr::text(self.id_scope)?,
                registration_id: ptr::text(self.registration_id)?,
                api_version: ptr::optional_text(self.api_version)?.unwrap_or(Registration::API_VERSION),
                product: ptr::optional_text(self.product)?.unwrap_or(Registration::new("", "").product),
            };
            (registration, ptr::bytes(self.payload)?)
        };
        let span = |millis: u32| Duration::from_millis(millis.into());
        Ok(ProvisioningConfig {
            registration,
            payload: if payload.is_empty() { None } else { Some(payload) },
            settings: Settings {
                max_packet: self.max_packet,
                keep_alive: self.keep_alive,
                connect_reserve: self.connect_reserve,
                connect_timeout: span(self.connect_timeout_ms),
                request_timeout: span(self.request_timeout_ms),
                ..Settings::default()
            },
            deadline: span(self.deadline_ms),
        })
    }
}

/// Who the device is at its hub: copies of the names in an IOTHUB_EVENT_ASSIGNED, for `host_name` and `device_id` of
/// iothub_config. They must stay where they are as long as the client that is made with them.
///
/// @param assigned `u.assigned` of an event that lives.
/// @param[out] buffer Where to write to; no NUL is added. 253 + 128 bytes are enough for what a hub allows.
/// @param[out] host_name The hub, in `buffer`.
/// @param[out] device_id The device id, in `buffer`.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `assigned` or the buffer.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `buffer_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_assigned_names(
    assigned: *const iothub_event_assigned,
    buffer: *mut c_char,
    buffer_size: usize,
    host_name: *mut iothub_str,
    device_id: *mut iothub_str,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let (host_name, device_id) = (ptr::out(host_name), ptr::out(device_id));
        let (host_name, device_id) = (host_name?, device_id?);
        let assigned = ptr::shared(assigned)?;
        let assignment = Assignment {
            assigned_hub: ptr::text(assigned.host_name)?,
            device_id: JsonText::from_raw(ptr::text(assigned.device_id)?),
            substatus: "",
            payload: &[],
        };
        let identity = assignment.identity(ptr::room(buffer, buffer_size)?);
        let identity = identity.map_err(|_| Misuse(IOTHUB_ERR_BUFFER_TOO_SMALL))?;
        *host_name = iothub_str::new(identity.host_name);
        *device_id = iothub_str::new(identity.device_id);
        Ok(IOTHUB_OK)
    })
}

/// Writes `event` into `to`, which is zeroed.
pub(crate) fn write(to: &mut iothub_event, event: &Option<ProvisioningEvent<'_>>) {
    let Some(event) = event else { return };
    to.kind = match *event {
        ProvisioningEvent::Connected => IOTHUB_EVENT_CONNECTED,
        ProvisioningEvent::Ready => IOTHUB_EVENT_READY,
        ProvisioningEvent::Assigning { retry_after } => {
            to.u.assigning = iothub_event_assigning { http_status: 0, code: 0, retry_after_ms: millis(retry_after) };
            IOTHUB_EVENT_ASSIGNING
        }
        ProvisioningEvent::Throttled { status, code, retry_after } => {
            to.u.assigning =
                iothub_event_assigning { http_status: status.into(), code, retry_after_ms: millis(retry_after) };
            IOTHUB_EVENT_THROTTLED
        }
        ProvisioningEvent::Assigned(ref assigned) => {
            to.u.assigned = iothub_event_assigned {
                host_name: iothub_str::new(assigned.assigned_hub),
                device_id: iothub_str::new(assigned.device_id.raw()),
                substatus: iothub_str::new(assigned.substatus),
                payload: iothub_bytes::new(assigned.payload),
            };
            IOTHUB_EVENT_ASSIGNED
        }
        ProvisioningEvent::Refused { error, payload } => {
            let (http_status, code) = match error {
                RegistrationError::Refused { status, code } => (status.into(), code),
                RegistrationError::Failed { code } => (0, code),
                RegistrationError::BadAnswer { status } => (status.into(), 0),
                _ => (0, 0),
            };
            to.u.refused = iothub_event_refused {
                http_status,
                code,
                payload: iothub_bytes::new(payload),
                error: iothub_error::from(&Error::Registration(error)),
            };
            IOTHUB_EVENT_REFUSED
        }
        ProvisioningEvent::Disconnected(ref ended) => {
            to.u.disconnected = translate::ended_by(ended);
            IOTHUB_EVENT_DISCONNECTED
        }
        _ => IOTHUB_EVENT_OTHER,
    };
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
