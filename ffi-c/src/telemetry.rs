//! What goes out: a device-to-cloud message with its properties.

use crate::ptr::{self, Input, Misuse};
use crate::status::IOTHUB_ERR_BAD_VALUE;
use crate::types::{iothub_bytes, iothub_str};
use core::mem::{align_of, offset_of, size_of};
use iothub_proto::Telemetry;
use iothub_proto::packet::QoS;
use iothub_proto::topic::{PropertySource, SystemProperties};

/// At most once: sent once, and perhaps lost. What a struct of zeros says.
pub const IOTHUB_QOS_0: u32 = 0;
/// At least once: kept in `tx` until the hub has stored it. What IOTHUB_TELEMETRY_INIT says.
pub const IOTHUB_QOS_1: u32 = 1;

/// One application property to send: both texts as they are, neither NULL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_property {
    /// Its name, not empty.
    pub name: iothub_str,
    /// Its value.
    pub value: iothub_str,
}

/// The properties that the hub knows, to be sent as they are. None (NULL) sends none, an empty text an empty value. Make
/// it with IOTHUB_SYSTEM_PROPERTIES_INIT.
#[repr(C)]
pub struct iothub_system_properties {
    /// sizeof(iothub_system_properties).
    pub struct_size: u32,
    /// `$.mid`: message id, at most 128 ASCII characters.
    pub message_id: iothub_str,
    /// `$.cid`: correlation id.
    pub correlation_id: iothub_str,
    /// `$.uid`: user id.
    pub user_id: iothub_str,
    /// `$.to`: destination.
    pub to: iothub_str,
    /// `$.ct`: content type. The hub routes by body only with `application/json`.
    pub content_type: iothub_str,
    /// `$.ce`: content encoding. The hub routes by body only with `utf-8`, `utf-16` or `utf-32`.
    pub content_encoding: iothub_str,
    /// `$.exp`: absolute expiry time, ISO 8601.
    pub expiry: iothub_str,
    /// `$.ctime`: creation time, ISO 8601.
    pub creation_time: iothub_str,
    /// `$.on`: the output of a module.
    pub output: iothub_str,
    /// `$.ifid`: interface id, of security messages.
    pub interface_id: iothub_str,
    /// `$.schema`: message schema, on IoT Edge.
    pub schema: iothub_str,
    /// `$.sub`: the component of an IoT Plug and Play device that the message is from.
    pub component: iothub_str,
    /// `$.cdid`: the device that sent the message to a module's input.
    pub connection_device_id: iothub_str,
    /// `$.cmid`: the module that sent the message to a module's input.
    pub connection_module_id: iothub_str,
    /// `$.diagid`: id of a distributed trace.
    pub diagnostic_id: iothub_str,
    /// `$.diagctx`: context of a distributed trace, `creationtimeutc=...`.
    pub diagnostic_context: iothub_str,
    /// `iothub-ack`: the feedback that the sender of a cloud-to-device message wants.
    pub ack: iothub_str,
    /// `iothub-operation`: operation, of a cloud-to-device message.
    pub operation: iothub_str,
}

// SAFETY: it begins with `struct_size`, and is numbers and pointers.
unsafe impl Input for iothub_system_properties {}

/// One device-to-cloud message. Make it with IOTHUB_TELEMETRY_INIT: QoS 1, no body, no properties. Nothing of it is used
/// after the call that it is given to.
#[repr(C)]
pub struct iothub_telemetry {
    /// sizeof(iothub_telemetry).
    pub struct_size: u32,
    /// IOTHUB_QOS_0 or IOTHUB_QOS_1.
    pub qos: u32,
    /// The body: any bytes, also none. With the properties at most 256 KiB.
    pub payload: iothub_bytes,
    /// Properties of the application, in this order. NULL if there are none.
    pub properties: *const iothub_property,
    /// How many.
    pub properties_len: usize,
    /// Properties that the hub knows, or NULL.
    pub system: *const iothub_system_properties,
}

// SAFETY: as above.
unsafe impl Input for iothub_telemetry {}

/// Application properties that were found to be UTF-8, still in the caller's array.
pub(crate) struct Pairs<'a>(&'a [iothub_property]);

impl PropertySource for Pairs<'_> {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        for property in self.0 {
            // SAFETY: made by `pairs`, which looked at every text; the caller promises to leave them alone meanwhile.
            unsafe { each(ptr::checked(property.name), ptr::checked(property.value)) }
        }
    }
}

/// The application properties of `telemetry`.
///
/// # Safety
///
/// They live as `'a`.
pub(crate) unsafe fn pairs<'a>(telemetry: &iothub_telemetry) -> Result<Pairs<'a>, Misuse> {
    // SAFETY: the caller's promise.
    unsafe {
        let pairs = ptr::slice(telemetry.properties, telemetry.properties_len)?;
        for pair in pairs {
            ptr::text(pair.name)?;
            ptr::text(pair.value)?;
        }
        Ok(Pairs(pairs))
    }
}

/// `telemetry` as the machine takes it, with the properties that [`pairs`] gave.
///
/// # Safety
///
/// What it points to lives as `'a`.
pub(crate) unsafe fn read<'a>(telemetry: &iothub_telemetry, pairs: &'a Pairs<'a>) -> Result<Telemetry<'a>, Misuse> {
    let qos = match telemetry.qos {
        IOTHUB_QOS_0 => QoS::AtMostOnce,
        IOTHUB_QOS_1 => QoS::AtLeastOnce,
        _ => return Err(Misuse(IOTHUB_ERR_BAD_VALUE)),
    };
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Telemetry {
            payload: ptr::bytes(telemetry.payload)?,
            qos,
            system: system(telemetry.system)?,
            properties: pairs,
        })
    }
}

/// The system properties where the caller has them: they are many, and a copy would stand on a small stack.
///
/// # Safety
///
/// Unless NULL or misaligned, `system` points to a struct that lives as `'a` with its texts.
unsafe fn system<'a>(system: *const iothub_system_properties) -> Result<&'a SystemProperties<'a>, Misuse> {
    if system.is_null() {
        return Ok(&SystemProperties::NONE);
    }
    // SAFETY: the caller's promise.
    unsafe {
        ptr::input(system)?;
        // From the caller's pointer, which is good for all fields and not for one only.
        let first = system.byte_add(offset_of!(iothub_system_properties, message_id)).cast::<iothub_str>();
        for text in core::slice::from_raw_parts(first, SYSTEM_TEXTS) {
            ptr::optional_text(*text)?;
        }
        Ok(&*first.cast::<SystemProperties<'a>>())
    }
}

/// Fields of [`SystemProperties`].
const SYSTEM_TEXTS: usize = size_of::<SystemProperties<'static>>() / size_of::<iothub_str>();

/// The caller's struct behind its size is a [`SystemProperties`]: the same fields in the same order, and an
/// `Option<&str>` is laid out as an [`iothub_str`], `None` as one of NULL.
const _: () = {
    const FIRST: usize = offset_of!(iothub_system_properties, message_id);
    assert!(size_of::<iothub_system_properties>() == FIRST + size_of::<SystemProperties<'static>>());
    assert!(align_of::<iothub_str>() == align_of::<SystemProperties<'static>>());
    macro_rules! same {
        ($($field:ident)*) => { $(
            assert!(offset_of!(iothub_system_properties, $field) == FIRST + offset_of!(SystemProperties<'static>, $field));
        )* };
    }
    same!(message_id correlation_id user_id to content_type content_encoding expiry creation_time output interface_id);
    same!(schema component connection_device_id connection_module_id diagnostic_id diagnostic_context ack operation);

    // SAFETY: were the layouts not the same, evaluating this would be an error.
    unsafe {
        let text = core::mem::transmute::<Option<&'static str>, iothub_str>(Some("abc"));
        assert!(text.len == 3 && *text.ptr == b'a' as core::ffi::c_char);
        let back = core::mem::transmute::<iothub_str, Option<&'static str>>(text);
        assert!(matches!(back, Some(text) if text.len() == 3));
        assert!(core::mem::transmute::<iothub_str, Option<&'static str>>(iothub_str::NONE).is_none());
    }
};
