//! IoT Plug and Play: components, commands and desired properties.

use crate::guard::{self, Mark};
use crate::json::{Name, names, wrong_json};
use crate::ptr::{self, Misuse, Zeroed};
use crate::status::*;
use crate::types::{fits, iothub_bytes, iothub_str};
use core::mem::{align_of, size_of};
use iothub_proto::pnp::{Command, Properties};
use iothub_proto::wire::JsonValue;

/// A whole twin, the answer to GET: its desired section is split.
pub const IOTHUB_DESIRED_DOCUMENT: u32 = 1;
/// A patch of desired properties.
pub const IOTHUB_DESIRED_PATCH: u32 = 2;

const ITERATOR: u32 = 0x1074_0B11;

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
