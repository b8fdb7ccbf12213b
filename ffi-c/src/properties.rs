//! The property bag of a received message, read where it is.

use crate::guard::{self, Mark};
use crate::ptr::{self, Misuse, Zeroed};
use crate::status::{IOTHUB_ERR_BAD_VALUE, IOTHUB_ERR_BUFFER_TOO_SMALL, IOTHUB_ERR_NOT_UTF8, IOTHUB_OK, iothub_status};
use crate::types::iothub_str;
use core::ffi::c_char;
use iothub_proto::topic::{DecodeError, Encoded, Properties, Property, PropertyIter};
use iothub_proto::wire::Text;

/// `system` of an application property.
pub const IOTHUB_SYSTEM_NONE: u32 = 0;
/// `$.mid`: message id. The meaning of all of these is in iothub_system_properties.
pub const IOTHUB_SYSTEM_MESSAGE_ID: u32 = 1;
/// `$.cid`.
pub const IOTHUB_SYSTEM_CORRELATION_ID: u32 = 2;
/// `$.uid`.
pub const IOTHUB_SYSTEM_USER_ID: u32 = 3;
/// `$.to`. On every cloud-to-device message: `/devices/{id}/messages/deviceBound`; letter case varies.
pub const IOTHUB_SYSTEM_TO: u32 = 4;
/// `$.ct`.
pub const IOTHUB_SYSTEM_CONTENT_TYPE: u32 = 5;
/// `$.ce`.
pub const IOTHUB_SYSTEM_CONTENT_ENCODING: u32 = 6;
/// `$.exp`.
pub const IOTHUB_SYSTEM_EXPIRY: u32 = 7;
/// `$.ctime`.
pub const IOTHUB_SYSTEM_CREATION_TIME: u32 = 8;
/// `$.on`.
pub const IOTHUB_SYSTEM_OUTPUT: u32 = 9;
/// `$.ifid`.
pub const IOTHUB_SYSTEM_INTERFACE_ID: u32 = 10;
/// `$.schema`.
pub const IOTHUB_SYSTEM_SCHEMA: u32 = 11;
/// `$.sub`.
pub const IOTHUB_SYSTEM_COMPONENT: u32 = 12;
/// `$.cdid`.
pub const IOTHUB_SYSTEM_CONNECTION_DEVICE_ID: u32 = 13;
/// `$.cmid`.
pub const IOTHUB_SYSTEM_CONNECTION_MODULE_ID: u32 = 14;
/// `$.diagid`.
pub const IOTHUB_SYSTEM_DIAGNOSTIC_ID: u32 = 15;
/// `$.diagctx`.
pub const IOTHUB_SYSTEM_DIAGNOSTIC_CONTEXT: u32 = 16;
/// `iothub-ack`.
pub const IOTHUB_SYSTEM_ACK: u32 = 17;
/// `iothub-operation`.
pub const IOTHUB_SYSTEM_OPERATION: u32 = 18;

/// One property as it came: percent-encoded. iothub_text_decode() decodes, iothub_text_equals() compares. It points into
/// the bag.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_received_property {
    /// Its name.
    pub name: iothub_str,
    /// Its value; none (NULL) if it came without `=`.
    pub value: iothub_str,
    /// IOTHUB_SYSTEM_* if it is one of those, else IOTHUB_SYSTEM_NONE.
    pub system: u32,
}

// SAFETY: numbers and pointers.
unsafe impl Zeroed for iothub_received_property {}

/// Where the reading of a bag is. Made by iothub_properties_iter() and not to be changed by the caller; it may be copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_property_iter {
    /// What is still to be read.
    pub rest: iothub_str,
    /// Not for the caller.
    pub mark: u32,
}

// SAFETY: as above.
unsafe impl Zeroed for iothub_property_iter {}

const ITERATOR: u32 = 0x1074_0B04;

impl iothub_property_iter {
    fn new(rest: Text<'_>) -> Self {
        let rest = iothub_str::new(rest);
        Self { rest, mark: Self::mark(rest).number() }
    }

    fn mark(rest: iothub_str) -> Mark {
        Mark::of(ITERATOR, rest.ptr.addr() ^ rest.len.rotate_left(7))
    }
}

impl iothub_received_property {
    fn new(property: &Property<'_>) -> Self {
        Self {
            name: iothub_str::new(property.name.raw()),
            value: iothub_str::optional(property.value.map(|value| value.raw())),
            // The kinds count as the fields do; a test goes through all of them.
            system: property.system_position().map_or(IOTHUB_SYSTEM_NONE, |at| at as u32 + IOTHUB_SYSTEM_MESSAGE_ID),
        }
    }
}

/// Begins to read a bag: `properties` of iothub_event_message, or any text.
///
/// @param[out] iter What iothub_properties_next() takes. It lives as long as the bag.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the bag.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_properties_iter(bag: iothub_str, iter: *mut iothub_property_iter) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let iter = ptr::out(iter)?;
        *iter = iothub_property_iter::new(Properties::new(ptr::text(bag)?).iter().rest());
        Ok(IOTHUB_OK)
    })
}

/// The next property, system or application, in the order of the bag. Repeated names are kept.
///
/// @param[out] property The property; zeroed if there is none.
/// @return 1 for a property, 0 if there is no more, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_properties_next(
    iter: *mut iothub_property_iter,
    property: *mut iothub_received_property,
) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let property = ptr::out(property)?;
        let iter = ptr::exclusive(iter)?;
        if iothub_property_iter::mark(iter.rest).number() != iter.mark {
            return Err(Misuse(crate::status::IOTHUB_ERR_NOT_INITIALIZED));
        }
        // The mark says that this text was looked at.
        let mut rest = PropertyIter::resume(ptr::checked(iter.rest).into());
        let Some(found) = rest.next() else { return Ok(0) };
        *property = iothub_received_property::new(&found);
        *iter = iothub_property_iter::new(rest.rest());
        Ok(1)
    })
}

/// The first property of this name, compared decoded: `$.mid` finds `%24.mid`.
///
/// @param name The name, not encoded.
/// @param[out] property The property; zeroed if there is none.
/// @return 1 if there is one, 0 if not, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the bag or the name.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_properties_get(
    bag: iothub_str,
    name: iothub_str,
    property: *mut iothub_received_property,
) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let property = ptr::out(property)?;
        let Some(found) = Properties::new(ptr::text(bag)?).get(ptr::text(name)?) else { return Ok(0) };
        *property = iothub_received_property::new(&found);
        Ok(1)
    })
}

/// A system property: the first one of its kind that has a value.
///
/// @param system IOTHUB_SYSTEM_*.
/// @param[out] value Its value, percent-encoded; zeroed if there is none.
/// @return 1 if there is one, 0 if not, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the bag.
/// @retval IOTHUB_ERR_BAD_VALUE There is no such kind.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_properties_system(bag: iothub_str, system: u32, value: *mut iothub_str) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let value = ptr::out(value)?;
        let bag = Properties::new(ptr::text(bag)?);
        if !(IOTHUB_SYSTEM_MESSAGE_ID..=IOTHUB_SYSTEM_OPERATION).contains(&system) {
            return Err(Misuse(IOTHUB_ERR_BAD_VALUE));
        }
        let position = (system - IOTHUB_SYSTEM_MESSAGE_ID) as usize;
        for property in bag.iter() {
            if let Some(found) = property.value
                && property.system_position() == Some(position)
            {
                *value = iothub_str::new(found.raw());
                return Ok(1);
            }
        }
        Ok(0)
    })
}

/// Decodes a name or value. Every text is percent-encoded text: what looks like an escape and is none stands for itself.
///
/// @param encoded The text as it came.
/// @param[out] buffer Where to write to; no NUL is added. `encoded.len` bytes are always enough.
/// @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed, and nothing is written.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `encoded` or the buffer.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
/// @retval IOTHUB_ERR_NOT_UTF8 The bytes are written, and are not UTF-8.
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `buffer_size` bytes that are no part of `encoded`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_text_decode(
    encoded: iothub_str,
    buffer: *mut c_char,
    buffer_size: usize,
    len: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let len = ptr::out(len)?;
        let buffer = ptr::room(buffer, buffer_size)?;
        let encoded = Encoded::new(ptr::text(encoded)?);
        match encoded.decode(buffer) {
            Ok(text) => {
                *len = text.len();
                Ok(IOTHUB_OK)
            }
            Err(error) => {
                *len = encoded.decoded_len();
                let too_small = matches!(error, DecodeError::TooSmall { .. });
                Err(Misuse(if too_small { IOTHUB_ERR_BUFFER_TOO_SMALL } else { IOTHUB_ERR_NOT_UTF8 }))
            }
        }
    })
}

/// Whether a name or value says the same as a text.
///
/// @param encoded The name or value as it came.
/// @param text The text, not encoded.
/// @return 1 or 0, or a negative status:
/// @retval IOTHUB_ERR_NULL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of either.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_text_equals(encoded: iothub_str, text: iothub_str) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { Ok((Encoded::new(ptr::text(encoded)?) == *ptr::text(text)?).into()) })
}
