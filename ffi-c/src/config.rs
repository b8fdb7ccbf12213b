//! What the application says once, and what one connection signs in with.

use crate::guard;
use crate::ptr::{self, Input, Misuse};
use crate::status::{IOTHUB_ERR_BAD_VALUE, IOTHUB_ERR_STRUCT_SIZE, IOTHUB_OK, iothub_status};
use crate::types::{iothub_inbound, iothub_slot, iothub_str};
use core::mem::size_of;
use iothub_proto::auth::Identity;
use iothub_proto::time::Duration;
use iothub_proto::topic::Features;
use iothub_proto::{Config, Inbound, Settings, Slot, Storage};

/// What the hub can send, as bits: cloud-to-device messages. Devices only.
pub const IOTHUB_FEATURE_MESSAGES: u32 = 1;
/// Answers to twin requests.
pub const IOTHUB_FEATURE_TWIN: u32 = 2;
/// Changes of the twin's desired section.
pub const IOTHUB_FEATURE_DESIRED: u32 = 4;
/// Direct methods.
pub const IOTHUB_FEATURE_METHODS: u32 = 8;
/// Messages routed to the module's inputs. Modules only.
pub const IOTHUB_FEATURE_INPUTS: u32 = 16;
/// In iothub_config only: all that this device or module can have.
pub const IOTHUB_FEATURE_ALL: u32 = u32::MAX;

/// Who signs in, and how the machine behaves. iothub_config_init() fills it in; then set `host_name` and `device_id`, and
/// what else should differ. Durations are milliseconds, at most 49.7 days.
#[repr(C)]
pub struct iothub_config {
    /// sizeof(iothub_config); set by iothub_config_init().
    pub struct_size: u32,
    /// What to subscribe after each connect: IOTHUB_FEATURE_* bits. Default IOTHUB_FEATURE_ALL.
    pub features: u32,
    /// The hub's own host name, also when connecting through a gateway. 1 to 253 bytes.
    pub host_name: iothub_str,
    /// The device id, case-sensitive. 1 to 128 bytes: ASCII letters, digits and `- . % _ * ? ! ( ) , = @ $ ' : ;`.
    pub device_id: iothub_str,
    /// The module id; none (NULL) for a device. 1 to 128 bytes, as the device id.
    pub module_id: iothub_str,
    /// The service API version, 1 to 32 bytes; none (NULL) for the library's, 2021-04-12.
    pub api_version: iothub_str,
    /// Name and version of the product, 1 to 1,024 bytes; none (NULL) for this library's.
    pub product: iothub_str,
    /// The IoT Plug and Play model that the device implements, 1 to 4,096 bytes; none (NULL) without one.
    pub model_id: iothub_str,
    /// Seconds of silence after which the hub may give the device up (times 1.5). 0: none; at most 1177. Default 240.
    pub keep_alive: u16,
    /// QoS 1 messages on their way at once. At least 1; default 65,535, so that memory is the limit.
    pub send_window: u16,
    /// 1: ask for a clean session: the hub discards what it queued. Default 0.
    pub clean_session: u8,
    /// 1: accept each message at the input call after the one that delivered it. Default 0.
    pub auto_accept: u8,
    /// 1: fetch the twin after each connect and whenever a desired patch was missed, as soon as both of its features are
    /// subscribed. Default 1.
    pub twin_sync: u8,
    /// 1: deliver the payloads of PUBLISHes larger than `max_packet` in pieces: IOTHUB_EVENT_STREAM_BEGIN and so on. Only
    /// in a library built with the feature `stream`; another gives IOTHUB_ERR_BAD_VALUE. Default 0.
    pub stream_payloads: u8,
    /// Bytes of the largest packet the receive buffer holds. Larger PUBLISHes are skipped as they arrive, and reported. 64
    /// to `packet_limit`; default 4096.
    pub max_packet: u32,
    /// Bytes of the largest packet at all: a larger one is a protocol error. At most 268,435,460; default 1 MiB.
    pub packet_limit: u32,
    /// Bytes kept for CONNECT, out of `tx`. 0, the default: as much as this identity needs with a SAS token signed by its
    /// own key, and no will.
    pub connect_reserve: u32,
    /// From the last byte of CONNECT to CONNACK. Default 30,000.
    pub connect_timeout_ms: u32,
    /// From the last byte of SUBSCRIBE to SUBACK. Default 30,000.
    pub subscribe_timeout_ms: u32,
    /// From PINGREQ to PINGRESP. Default 30,000.
    pub ping_timeout_ms: u32,
    /// Without any PUBACK while messages wait for one. Default 120,000: the hub shapes traffic by delaying.
    pub puback_timeout_ms: u32,
    /// Without any byte confirmed while bytes wait. Default 60,000.
    pub send_timeout_ms: u32,
    /// For a twin request to be answered, counted anew when it is sent. Default 60,000.
    pub request_timeout_ms: u32,
    /// For a polite disconnect to settle what is in flight. Default 5,000.
    pub drain_timeout_ms: u32,
    /// For DISCONNECT to be confirmed. Default 2,000.
    pub close_timeout_ms: u32,
    /// How long before its end a credential is reported as expiring; jitter of the same length is added, and it is never
    /// more than a quarter of the lifetime. Default 300,000.
    pub credential_margin_ms: u32,
}

// SAFETY: it begins with `struct_size`, and is numbers and pointers.
unsafe impl Input for iothub_config {}

/// The memory a client works in; IOTHUB_STORAGE() makes static one. All of it must live as long as the client and is the
/// client's alone. It need not be zeroed.
#[repr(C)]
pub struct iothub_storage {
    /// sizeof(iothub_storage).
    pub struct_size: u32,
    /// Encoded packets, kept until they are acknowledged. Its front is a reserve for the handshake.
    pub tx: *mut u8,
    /// Bytes.
    pub tx_len: usize,
    /// One for each command in flight: telemetry, twin request, method answer.
    pub slots: *mut iothub_slot,
    /// Records; below 65,535.
    pub slots_len: usize,
    /// One for each message delivered and not yet acknowledged. The hub queues at most 50.
    pub inbound: *mut iothub_inbound,
    /// Records; 1 to 65,535.
    pub inbound_len: usize,
}

// SAFETY: as above.
unsafe impl Input for iothub_storage {}

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
pub unsafe extern "C" fn iothub_config_init(config: *mut iothub_config, config_size: usize) -> iothub_status {
    guard::call(|| {
        ptr::place(config)?;
        if config_size < size_of::<iothub_config>() {
            return Err(Misuse(IOTHUB_ERR_STRUCT_SIZE));
        }
        // SAFETY: it is large enough for what is written, by the caller's promise.
        unsafe { config.write(defaults()) };
        Ok(IOTHUB_OK)
    })
}

fn defaults() -> iothub_config {
    let settings = Settings::default();
    let millis = |span: Duration| span.as_millis() as u32;
    iothub_config {
        struct_size: size_of::<iothub_config>() as u32,
        features: IOTHUB_FEATURE_ALL,
        host_name: iothub_str::NONE,
        device_id: iothub_str::NONE,
        module_id: iothub_str::NONE,
        api_version: iothub_str::NONE,
        product: iothub_str::NONE,
        model_id: iothub_str::NONE,
        keep_alive: settings.keep_alive,
        send_window: settings.send_window,
        clean_session: settings.clean_session.into(),
        auto_accept: settings.auto_accept.into(),
        twin_sync: 1,
        stream_payloads: 0,
        max_packet: settings.max_packet,
        packet_limit: settings.packet_limit,
        connect_reserve: settings.connect_reserve,
        connect_timeout_ms: millis(settings.connect_timeout),
        subscribe_timeout_ms: millis(settings.subscribe_timeout),
        ping_timeout_ms: millis(settings.ping_timeout),
        puback_timeout_ms: millis(settings.puback_timeout),
        send_timeout_ms: millis(settings.send_timeout),
        request_timeout_ms: millis(settings.request_timeout),
        drain_timeout_ms: millis(settings.drain_timeout),
        close_timeout_ms: millis(settings.close_timeout),
        credential_margin_ms: millis(settings.credential_margin),
    }
}

/// 0 or 1.
pub(crate) fn flag(value: u8) -> Result<bool, Misuse> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Misuse(IOTHUB_ERR_BAD_VALUE)),
    }
}

/// A set of IOTHUB_FEATURE_*.
pub(crate) fn features(bits: u32) -> Result<Features, Misuse> {
    let known = u8::try_from(bits).ok().and_then(Features::from_bits);
    known.ok_or(Misuse(IOTHUB_ERR_BAD_VALUE))
}

impl iothub_config {
    /// # Safety
    ///
    /// The texts live as `'a`.
    pub(crate) unsafe fn read<'a>(&self) -> Result<Config<'a>, Misuse> {
        // SAFETY: the caller's promise, for each of the texts.
        let identity = unsafe {
            Identity {
                host_name: ptr::text(self.host_name)?,
                device_id: ptr::text(self.device_id)?,
                module_id: ptr::optional_text(self.module_id)?,
                api_version: ptr::optional_text(self.api_version)?.unwrap_or(Identity::API_VERSION),
                product: ptr::optional_text(self.product)?.unwrap_or(Identity::PRODUCT),
                model_id: ptr::optional_text(self.model_id)?,
            }
        };
        let features = match self.features {
            IOTHUB_FEATURE_ALL => Config::new(identity).settings.features,
            bits => features(bits)?,
        };
        let span = |millis: u32| Duration::from_millis(millis.into());
        let stream_payloads = flag(self.stream_payloads)?;
        if stream_payloads && !cfg!(feature = "stream") {
            return Err(Misuse(IOTHUB_ERR_BAD_VALUE));
        }
        #[allow(clippy::needless_update, reason = "the core may have the feature `stream` though this library has not")]
        let settings = Settings {
            #[cfg(feature = "stream")]
            stream_payloads,
            features,
            keep_alive: self.keep_alive,
            clean_session: flag(self.clean_session)?,
            auto_accept: flag(self.auto_accept)?,
            twin_sync: flag(self.twin_sync)?,
            max_packet: self.max_packet,
            packet_limit: self.packet_limit,
            connect_reserve: self.connect_reserve,
            send_window: self.send_window,
            connect_timeout: span(self.connect_timeout_ms),
            subscribe_timeout: span(self.subscribe_timeout_ms),
            ping_timeout: span(self.ping_timeout_ms),
            puback_timeout: span(self.puback_timeout_ms),
            send_timeout: span(self.send_timeout_ms),
            request_timeout: span(self.request_timeout_ms),
            drain_timeout: span(self.drain_timeout_ms),
            close_timeout: span(self.close_timeout_ms),
            credential_margin: span(self.credential_margin_ms),
            ..Settings::default()
        };
        Ok(Config { identity, settings })
    }
}

impl iothub_storage {
    /// # Safety
    ///
    /// The memory lives as `'a` and is used by nobody else meanwhile.
    pub(crate) unsafe fn read<'a>(&self) -> Result<Storage<'a>, Misuse> {
        // SAFETY: the caller's promise; that the records fit is asserted in `types`.
        unsafe {
            Ok(Storage {
                tx: ptr::slice_mut(self.tx, self.tx_len)?,
                slots: ptr::records(self.slots, self.slots_len, Slot::EMPTY)?,
                inbound: ptr::records(self.inbound, self.inbound_len, Inbound::EMPTY)?,
            })
        }
    }
}
