//! Values of JSON documents, such as twins, by the names that lead to them.

use crate::guard::{self, Mark};
use crate::ptr::{self, Misuse};
use crate::status::*;
use crate::types::{fits, iothub_bytes, iothub_str};
use core::ffi::c_char;
use core::mem::{align_of, size_of};
use iothub_proto::wire::{JsonError, JsonText, JsonValue, ValueReader};

const READER: u32 = 0x1074_0B10;

/// Finds one value in a document that comes in pieces, in memory of the caller's. Opaque. It must not be copied or moved; it
/// needs no end.
#[repr(C)]
pub struct iothub_json_reader {
    /// Not for the caller.
    pub opaque: [u64; 12],
}

/// What stands in an [`iothub_json_reader`].
#[repr(C)]
struct Inner {
    mark: Mark,
    reader: ValueReader<'static, Name>,
}

fits!(Inner, iothub_json_reader);

/// One of the caller's texts, which [`names`] has checked.
#[repr(transparent)]
pub(crate) struct Name(iothub_str);

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        // SAFETY: see `names`.
        unsafe { ptr::checked(self.0) }
    }
}

/// Texts in an array of the caller's.
///
/// # Safety
///
/// As of [`ptr::slice`]; what the texts point to lives as `'a`, too, and is not written to meanwhile.
pub(crate) unsafe fn names<'a>(pointer: *const iothub_str, len: usize) -> Result<&'a [Name], Misuse> {
    // SAFETY: the caller's promise.
    unsafe {
        for text in ptr::slice(pointer, len)? {
            ptr::text(*text)?;
        }
        // A `Name` is one of these.
        ptr::slice(pointer.cast::<Name>(), len)
    }
}

pub(crate) fn wrong_json(_: JsonError) -> Misuse {
    Misuse(IOTHUB_ERR_BAD_JSON)
}

/// Finds a value in a document that is in memory: the member of the top object, the member of that, and so on. The version
/// of a twin is at "desired", "$version". Of duplicate members the last counts; names may be spelled with escapes; arrays are
/// not entered. The whole document is checked.
///
/// @param path The names.
/// @param[out] value The value as it stands in the document: an object with its braces, a text with its quotes. Zeroed if
/// there is none.
/// @return 1 if there is one, 0 if not, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the document or the names.
/// @retval IOTHUB_ERR_BAD_JSON
///
/// # Safety
///
/// The pointers point to what their types say, `path` to `path_len` names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_json_find(
    document: iothub_bytes,
    path: *const iothub_str,
    path_len: usize,
    value: *mut iothub_bytes,
) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let value = ptr::out(value)?;
        let names = names(path, path_len)?;
        let mut found = JsonValue::parse(ptr::bytes(document)?).map_err(wrong_json)?;
        for name in names {
            let Some(member) = found.get(name.as_ref()) else { return Ok(0) };
            found = member;
        }
        *value = iothub_bytes::new(found.raw());
        Ok(1)
    })
}

/// A value that is a whole number from 0 to UINT64_MAX in plain digits, such as a version.
///
/// @param value The value, from iothub_json_find(), iothub_json_reader_value() or an iothub_desired_property.
/// @param[out] number The number; zeroed if it is none.
/// @return 1 if it is one, 0 if not, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH of the value.
/// @retval IOTHUB_ERR_BAD_JSON The value is none.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_json_number(value: iothub_bytes, number: *mut u64) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let number = ptr::out(number)?;
        let Some(found) = JsonValue::parse(ptr::bytes(value)?).map_err(wrong_json)?.number() else { return Ok(0) };
        *number = found;
        Ok(1)
    })
}

/// Decodes a value that is a text. Half of an escaped pair stands for nothing and becomes U+FFFD.
///
/// @param value The value with its quotes, as for iothub_json_number().
/// @param[out] buffer Where to write to; no NUL is added. `value.len` bytes are always enough.
/// @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
/// @return 1 if it is a text, 0 if not, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH of the value or the buffer.
/// @retval IOTHUB_ERR_BAD_JSON The value is none.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `buffer_size` bytes that are no part of `value`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_json_text(
    value: iothub_bytes,
    buffer: *mut c_char,
    buffer_size: usize,
    len: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let len = ptr::out(len)?;
        let buffer = ptr::room(buffer, buffer_size)?;
        let value = JsonValue::parse(ptr::bytes(value)?).map_err(wrong_json)?;
        let Some(text) = value.text() else { return Ok(0) };
        match text.decode(buffer) {
            Ok(decoded) => *len = decoded.len(),
            Err(needed) => {
                *len = needed;
                return Err(Misuse(IOTHUB_ERR_BUFFER_TOO_SMALL));
            }
        }
        Ok(1)
    })
}

/// Whether a name of a document says the same as a text, however it is spelled there.
///
/// @param spelled The name as it stands between its quotes: that of an iothub_desired_property.
/// @param text The text, without escapes.
/// @return 1 or 0, or a negative status:
/// @retval IOTHUB_ERR_NULL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of either.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_json_equals(spelled: iothub_str, text: iothub_str) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe { Ok(JsonText::from_raw(ptr::text(spelled)?).is(ptr::text(text)?).into()) })
}

/// The reader in an `iothub_json_reader` that was initialised.
///
/// # Safety
///
/// Unless NULL or misaligned, `reader` points to an `iothub_json_reader` that nobody else uses during `'a`.
unsafe fn find<'a>(reader: *mut iothub_json_reader) -> Result<&'a mut ValueReader<'static, Name>, Misuse> {
    ptr::place(reader)?;
    let inner = reader.cast::<Inner>();
    // SAFETY: not NULL and aligned; there is room for an `Inner`. What is behind its mark is one.
    unsafe {
        (*inner).mark.check(READER, reader.addr())?;
        Ok(&mut (*inner).reader)
    }
}

/// Begins to read a document for one value, as iothub_json_find() does, but in pieces, of which none is kept: a 32 KB twin
/// passes through a small buffer. Reads the next document after another call of this.
///
/// @param reader The place.
/// @param reader_size sizeof *reader.
/// @param path The names, at most 254 bytes each. They, and this array of them, must live as long as the reader is used.
/// @param memory Takes the value, and is the reader's alone as long as it is used. 20 bytes for a version.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `reader_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the names or the memory.
///
/// # Safety
///
/// `reader` points to `reader_size` bytes, `path` to `path_len` names, `memory` to `memory_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_json_reader_init(
    reader: *mut iothub_json_reader,
    reader_size: usize,
    path: *const iothub_str,
    path_len: usize,
    memory: *mut u8,
    memory_len: usize,
) -> iothub_status {
    guard::call(|| {
        ptr::place(reader)?;
        if reader_size < size_of::<iothub_json_reader>() {
            return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE));
        }
        let inner = reader.cast::<Inner>();
        // SAFETY: there is room for an `Inner`; the rest is the caller's promise.
        unsafe {
            (&raw mut (*inner).mark).write(Mark::NONE);
            let made = ValueReader::with_names(names(path, path_len)?, ptr::slice_mut(memory, memory_len)?);
            inner.write(Inner { mark: Mark::of(READER, reader.addr()), reader: made });
        }
        Ok(IOTHUB_OK)
    })
}

/// Reads the next bytes, which may be cut anywhere.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH of the bytes.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_json_reader_feed(
    reader: *mut iothub_json_reader,
    bytes: iothub_bytes,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        find(reader)?.feed(ptr::bytes(bytes)?);
        Ok(IOTHUB_OK)
    })
}

/// The value, when the document is complete.
///
/// @param[out] value The value, in the reader's memory; zeroed if there is none.
/// @return 1 if there is one, 0 if not, or a negative status:
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_JSON The document is not complete yet, or ill-formed.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL The value does not fit into the reader's memory.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_json_reader_value(reader: *mut iothub_json_reader, value: *mut iothub_bytes) -> i32 {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let value = ptr::out(value)?;
        match find(reader)?.value() {
            Ok(None) => return Ok(0),
            Ok(Some(found)) => *value = iothub_bytes::new(found.raw()),
            Err(JsonError::TooLong { .. }) => return Err(Misuse(IOTHUB_ERR_BUFFER_TOO_SMALL)),
            Err(error) => return Err(wrong_json(error)),
        }
        Ok(1)
    })
}
