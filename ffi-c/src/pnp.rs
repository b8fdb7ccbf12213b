//! IoT Plug and Play: components, commands, writable properties and their acknowledgements.

use crate::guard::{self, Mark};
use crate::json::{Name, names, wrong_json};
use crate::ptr::{self, Misuse, Zeroed};
use crate::status::*;
use crate::types::{fits, iothub_bytes, iothub_str};
use core::mem::{align_of, size_of};
use iothub_proto::pnp::{Ack, Command, PatchError, PatchWriter, Properties, ReportedValue};
use iothub_proto::wire::JsonValue;

/// A whole twin, the answer to GET: its desired section is split.
pub const IOTHUB_DESIRED_DOCUMENT: u32 = 1;
/// A patch of desired properties.
pub const IOTHUB_DESIRED_PATCH: u32 = 2;

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

const ITERATOR: u32 = 0x1074_0B11;
const PATCH: u32 = 0x1074_0B12;

/// One desired property. It points into the JSON.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_desired_property {
    /// The component as it is spelled in JSON, which iothub_json_equals() compares; none (NULL) for the default component.
    pub component: iothub_str,
    /// Its name, likewise.
    pub name: iothub_str,
    /// Its value as it stands there: JSON. `null` in a patch says that the property is no more; so does the whole component,
    /// if `component` is none and the name is a component's.
    pub value: iothub_bytes,
}

// SAFETY: numbers and pointers.
unsafe impl Zeroed for iothub_desired_property {}

/// Where the reading of desired properties is, in memory of the caller's. Opaque. It must not be copied or moved; it needs no
/// end.
#[repr(C)]
pub struct iothub_desired_iter {
    /// Not for the caller.
    pub opaque: [u64; 18],
}

#[repr(C)]
struct Iterator {
    mark: Mark,
    properties: Properties<'static, Name>,
}

fits!(Iterator, iothub_desired_iter);

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

/// Splits the `name` of IOTHUB_EVENT_METHOD_CALL at its first `*`: a command, perhaps of a component.
///
/// @param[out] component The component; none (NULL) for the default component. It points into `method`.
/// @param[out] name The command, likewise.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the method.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_command_split(
    method: iothub_str,
    component: *mut iothub_str,
    name: *mut iothub_str,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        let (component, name) = (ptr::out(component), ptr::out(name));
        guard::call(|| {
            let (component, name) = (component?, name?);
            let command = Command::parse(ptr::text(method)?);
            (*component, *name) = (iothub_str::optional(command.component), iothub_str::new(command.name));
            Ok(IOTHUB_OK)
        })
    }
}

/// Begins to split desired properties. An object is a component if its name is among `components`, since a patch may come
/// without the marker, or if it has the marker `"__t":"c"`: then its members are given, and not it. What the hub adds, members
/// whose name begins with `$` such as `$version`, and the marker are left out.
///
/// @param iter The place.
/// @param iter_size sizeof *iter.
/// @param section IOTHUB_DESIRED_*: what `json` is.
/// @param json The payload of IOTHUB_EVENT_TWIN_DOCUMENT or IOTHUB_EVENT_TWIN_DESIRED. It, the array and the names must live as
/// long as the iterator is used.
/// @param components Names of components; NULL if there are none.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `iter_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `json` or the names.
/// @retval IOTHUB_ERR_BAD_VALUE `section` is none.
/// @retval IOTHUB_ERR_BAD_JSON
///
/// # Safety
///
/// `iter` points to `iter_size` bytes, `components` to `components_len` names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_desired_iter_init(
    iter: *mut iothub_desired_iter,
    iter_size: usize,
    section: u32,
    json: iothub_bytes,
    components: *const iothub_str,
    components_len: usize,
) -> iothub_status {
    guard::call(|| {
        ptr::place(iter)?;
        if iter_size < size_of::<iothub_desired_iter>() {
            return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE));
        }
        let inner = iter.cast::<Iterator>();
        // SAFETY: there is room for an `Iterator`; the rest is the caller's promise.
        unsafe {
            (&raw mut (*inner).mark).write(Mark::NONE);
            let json = ptr::bytes(json)?;
            core::str::from_utf8(json).map_err(|_| Misuse(IOTHUB_ERR_BAD_UTF8))?;
            let whole = JsonValue::parse(json).map_err(wrong_json)?;
            let properties = match section {
                IOTHUB_DESIRED_DOCUMENT => whole.get("desired").unwrap_or_default(),
                IOTHUB_DESIRED_PATCH => whole,
                _ => return Err(Misuse(IOTHUB_ERR_BAD_VALUE)),
            };
            let properties = Properties::with_names(properties, names(components, components_len)?);
            inner.write(Iterator { mark: Mark::of(ITERATOR, iter.addr()), properties });
        }
        Ok(IOTHUB_OK)
    })
}

/// The next property.
///
/// @param[out] property The property; zeroed if there is none.
/// @return 1 for a property, 0 if there is no more, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_desired_next(
    iter: *mut iothub_desired_iter,
    property: *mut iothub_desired_property,
) -> i32 {
    // SAFETY: the caller's promise; what is behind the mark is an `Iterator`.
    guard::call(|| unsafe {
        let property = ptr::out(property)?;
        ptr::place(iter)?;
        let inner = iter.cast::<Iterator>();
        (*inner).mark.check(ITERATOR, iter.addr())?;
        let Some(found) = (*inner).properties.next() else { return Ok(0) };
        *property = iothub_desired_property {
            component: iothub_str::optional(found.component.map(|text| text.raw())),
            name: iothub_str::new(found.name.raw()),
            value: iothub_bytes::new(found.value.raw()),
        };
        Ok(1)
    })
}

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
