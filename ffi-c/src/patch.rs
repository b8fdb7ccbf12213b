//! Reported properties of IoT Plug and Play, and the acknowledgements of writable ones: patches, written property by property.

use crate::guard::{self, Mark};
use crate::ptr::{self, Misuse};
use crate::status::*;
use crate::types::{fits, iothub_bytes, iothub_str};
use core::mem::{align_of, size_of};
use iothub_proto::pnp::{Ack, PatchError, PatchWriter, ReportedValue};

/// `code` of an acknowledgement: the value is applied.
pub const IOTHUB_ACK_APPLIED: u32 = 200;
/// It is being applied; another acknowledgement follows.
pub const IOTHUB_ACK_IN_PROGRESS: u32 = 202;
/// The value is the device's own, as nobody has desired one yet; `version` is 0.
pub const IOTHUB_ACK_DEFAULT: u32 = 203;
/// The value is not acceptable.
pub const IOTHUB_ACK_REJECTED: u32 = 400;
/// It could not be applied.
pub const IOTHUB_ACK_FAILED: u32 = 500;

const PATCH: u32 = 0x1074_0B12;

/// A patch of reported properties that is being written, in memory of the caller's. Opaque. It must not be copied or moved; it
/// ends with iothub_patch_finish().
#[repr(C)]
pub struct iothub_patch {
    /// Not for the caller.
    pub opaque: [usize; 8],
}

#[repr(C)]
struct Patch {
    mark: Mark,
    writer: PatchWriter<'static>,
}

fits!(Patch, iothub_patch);

/// Begins a patch of reported properties: what iothub_client_twin_report() takes.
///
/// @param patch The place.
/// @param patch_size sizeof *patch.
/// @param memory Takes the patch, and is its alone until the patch was reported.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `patch_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH of the memory.
///
/// # Safety
///
/// `patch` points to `patch_size` bytes, `memory` to `memory_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_patch_init(
    patch: *mut iothub_patch,
    patch_size: usize,
    memory: *mut u8,
    memory_len: usize,
) -> iothub_status {
    guard::call(|| {
        ptr::place(patch)?;
        if patch_size < size_of::<iothub_patch>() {
            return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE));
        }
        let inner = patch.cast::<Patch>();
        // SAFETY: there is room for a `Patch`; the rest is the caller's promise.
        unsafe {
            (&raw mut (*inner).mark).write(Mark::NONE);
            let writer = PatchWriter::new(ptr::slice_mut(memory, memory_len)?);
            inner.write(Patch { mark: Mark::of(PATCH, patch.addr()), writer });
        }
        Ok(IOTHUB_OK)
    })
}

/// A patch that was begun.
///
/// # Safety
///
/// Unless NULL or misaligned, `patch` points to an `iothub_patch` that nobody else uses meanwhile.
unsafe fn find(patch: *mut iothub_patch) -> Result<*mut Patch, Misuse> {
    ptr::place(patch)?;
    let inner = patch.cast::<Patch>();
    // SAFETY: not NULL and aligned; there is room for a `Patch`.
    unsafe { (*inner).mark }.check(PATCH, patch.addr())?;
    Ok(inner)
}

/// Has `write` write one property of `component`.
///
/// # Safety
///
/// The pointers point to what their types say.
unsafe fn write(
    patch: *mut iothub_patch,
    component: iothub_str,
    name: iothub_str,
    write: impl FnOnce(&mut PatchWriter<'static>, Option<&str>, &str) -> Result<Result<(), PatchError>, Misuse>,
) -> iothub_status {
    // SAFETY: the caller's promise; what is behind the mark is a `Patch`.
    guard::call(|| unsafe {
        let inner = find(patch)?;
        let (component, name) = (ptr::optional_text(component)?, ptr::text(name)?);
        write(&mut (*inner).writer, component, name)?.map_err(wrong_patch)?;
        Ok(IOTHUB_OK)
    })
}

fn wrong_patch(error: PatchError) -> Misuse {
    Misuse(match error {
        PatchError::BufferTooSmall { .. } => IOTHUB_ERR_BUFFER_TOO_SMALL,
        PatchError::BadName => IOTHUB_ERR_BAD_TEXT,
        PatchError::BadValue { .. } => IOTHUB_ERR_BAD_JSON,
        PatchError::Duplicate => IOTHUB_ERR_DUPLICATE,
        _ => IOTHUB_ERR_USAGE,
    })
}

/// Writes one property. Properties of one component are written one after the other. A property is written whole or not at
/// all: when the memory is full, what is there can be finished and reported, and the rest in another patch.
///
/// @param component The component; none (NULL) for the default component.
/// @param name Its name.
/// @param json Its value as JSON; `null` deletes the property.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the names or the value.
/// @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
/// @retval IOTHUB_ERR_BAD_JSON The value is no JSON.
/// @retval IOTHUB_ERR_DUPLICATE
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_patch_json(
    patch: *mut iothub_patch,
    component: iothub_str,
    name: iothub_str,
    json: iothub_bytes,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        write(patch, component, name, |writer, component, name| {
            Ok(writer.property(component, name, ReportedValue::Json(ptr::bytes(json)?)))
        })
    }
}

/// As iothub_patch_json(), with a text as the value, which is escaped.
///
/// @param text Its value.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the texts.
/// @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
/// @retval IOTHUB_ERR_DUPLICATE
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_patch_text(
    patch: *mut iothub_patch,
    component: iothub_str,
    name: iothub_str,
    text: iothub_str,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        write(patch, component, name, |writer, component, name| {
            Ok(writer.property(component, name, ReportedValue::Text(ptr::text(text)?)))
        })
    }
}

/// As iothub_patch_json(), with a whole number as the value. The hub takes those of 53 bits.
///
/// @param number Its value.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the names.
/// @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
/// @retval IOTHUB_ERR_DUPLICATE
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_patch_integer(
    patch: *mut iothub_patch,
    component: iothub_str,
    name: iothub_str,
    number: i64,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        write(patch, component, name, |writer, component, name| {
            Ok(writer.property(component, name, ReportedValue::Integer(number)))
        })
    }
}

/// As iothub_patch_json(), for a writable property: tells what became of it.
///
/// @param json The value in force: what was desired if that was applied.
/// @param code IOTHUB_ACK_*, or another HTTP-like status.
/// @param version The desired version that the value came with.
/// @param description For people to read; none (NULL) leaves it out.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the texts or the value.
/// @retval IOTHUB_ERR_BAD_VALUE `code` is above 65,535.
/// @retval IOTHUB_ERR_BAD_TEXT A name is empty, or longer than 254 bytes.
/// @retval IOTHUB_ERR_BAD_JSON The value is no JSON.
/// @retval IOTHUB_ERR_DUPLICATE
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_patch_acknowledge(
    patch: *mut iothub_patch,
    component: iothub_str,
    name: iothub_str,
    json: iothub_bytes,
    code: u32,
    version: u64,
    description: iothub_str,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        write(patch, component, name, |writer, component, name| {
            let (json, description) = (ptr::bytes(json)?, ptr::optional_text(description)?);
            let code = u16::try_from(code).map_err(|_| Misuse(IOTHUB_ERR_BAD_VALUE))?;
            Ok(writer.acknowledge(component, name, ReportedValue::Json(json), &Ack { code, version, description }))
        })
    }
}

/// Ends a patch.
///
/// @param[out] json The whole patch, in its memory. Without a property it is `{}`.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL The memory had fewer than two bytes from the beginning.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_patch_finish(patch: *mut iothub_patch, json: *mut iothub_bytes) -> iothub_status {
    // SAFETY: the caller's promise; the mark is taken off, so that the writer is read once.
    guard::call(|| unsafe {
        let json = ptr::out(json)?;
        let inner = find(patch)?;
        (*inner).mark = Mark::NONE;
        *json = iothub_bytes::new((&raw const (*inner).writer).read().finish().map_err(wrong_patch)?);
        Ok(IOTHUB_OK)
    })
}
