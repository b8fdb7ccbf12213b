//! Signing with a key in memory. Not in a library built without the feature `sas`.

use crate::auth::{iothub_resource, put};
use crate::error::{explain, iothub_error};
use crate::guard::{self, Mark};
use crate::ptr::{self, Misuse};
use crate::status::*;
use crate::types::{fits, iothub_bytes, iothub_str};
use core::ffi::c_char;
use core::mem::{align_of, size_of};
use iothub_proto::auth::{SasError, SharedAccessKey};
use iothub_proto::error::CapacityError;
use iothub_proto::time::UnixSeconds;

/// Bytes of a derived device key in base64.
pub const IOTHUB_DERIVED_KEY_LEN: usize = 44;

const KEY: u32 = 0x1074_0B05;

/// A key that signs, in memory of the caller's. Opaque and secret. It must not be copied or moved; it ends with
/// iothub_key_deinit().
#[repr(C)]
pub struct iothub_key {
    /// Not for the caller.
    pub opaque: [u64; 9],
}

/// What stands in an [`iothub_key`].
#[repr(C)]
struct Inner {
    mark: Mark,
    key: SharedAccessKey,
}

fits!(Inner, iothub_key);
const _: () = assert!(SharedAccessKey::DERIVED_LEN == IOTHUB_DERIVED_KEY_LEN);

/// # Safety
///
/// Unless NULL or misaligned, `key` points to an `iothub_key`.
unsafe fn find<'a>(key: *const iothub_key) -> Result<&'a SharedAccessKey, Misuse> {
    ptr::place(key)?;
    let inner = key.cast::<Inner>();
    // SAFETY: not NULL and aligned, and there is room for an `Inner`. What is behind its mark is one.
    unsafe {
        (*inner).mark.check(KEY, key.addr())?;
        Ok(&(*inner).key)
    }
}

/// # Safety
///
/// `key` points to `size` bytes, `error` to what its type says.
unsafe fn init(
    key: *mut iothub_key,
    size: usize,
    error: *mut iothub_error,
    make: impl FnOnce() -> Result<Result<SharedAccessKey, SasError>, Misuse>,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        explain(error, || {
            ptr::place(key)?;
            if size < size_of::<iothub_key>() {
                return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE).into());
            }
            let inner = key.cast::<Inner>();
            (&raw mut (*inner).mark).write(Mark::NONE);
            // Matched here, so that a key is moved once: each copy would stand on the stack.
            match make()? {
                Ok(made) => (&raw mut (*inner).key).write(made),
                Err(wrong) => return Err(wrong_key(wrong)),
            }
            (*inner).mark = Mark::of(KEY, key.addr());
            Ok(())
        })
    }
}

fn wrong_key(wrong: SasError) -> iothub_error {
    match wrong {
        SasError::Empty => iothub_error::of(IOTHUB_ERR_KEY_EMPTY),
        SasError::BadBase64 { at } => iothub_error::of(IOTHUB_ERR_KEY_BASE64).at(at),
        SasError::TooLong { len } => iothub_error::of(IOTHUB_ERR_KEY_TOO_LONG).needs(len, SharedAccessKey::MAX_LEN),
        _ => iothub_error::of(IOTHUB_ERR_USAGE),
    }
}

/// Takes a key as the portal shows it. Wiping the text is left to the caller.
///
/// @param key The place.
/// @param key_size sizeof *key.
/// @param base64 The key in base64.
/// @param[out] error What is behind a failure; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `key_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the text.
/// @retval IOTHUB_ERR_KEY_EMPTY, IOTHUB_ERR_KEY_BASE64, IOTHUB_ERR_KEY_TOO_LONG It is no key.
///
/// # Safety
///
/// The pointers point to what their types say, `key` to `key_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_key_init(
    key: *mut iothub_key,
    key_size: usize,
    base64: iothub_str,
    error: *mut iothub_error,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { init(key, key_size, error, || Ok(SharedAccessKey::from_base64(ptr::text(base64)?))) }
}

/// Takes a key that is decoded already.
///
/// @param key The place.
/// @param key_size sizeof *key.
/// @param bytes 1 to 128 bytes. Wiping them is left to the caller.
/// @param[out] error What is behind a failure; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `key_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH of the bytes.
/// @retval IOTHUB_ERR_KEY_EMPTY, IOTHUB_ERR_KEY_TOO_LONG It is no key.
///
/// # Safety
///
/// The pointers point to what their types say, `key` to `key_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_key_init_bytes(
    key: *mut iothub_key,
    key_size: usize,
    bytes: iothub_bytes,
    error: *mut iothub_error,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { init(key, key_size, error, || Ok(SharedAccessKey::from_bytes(ptr::bytes(bytes)?))) }
}

/// Wipes a key. Its memory is the caller's again.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// `key` points to an iothub_key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_key_deinit(key: *mut iothub_key) -> iothub_status {
    // SAFETY: the caller's promise; the mark is taken off, so that the key is dropped once.
    guard::call(|| unsafe {
        find(key)?;
        let inner = key.cast::<Inner>();
        (*inner).mark = Mark::NONE;
        (&raw mut (*inner).key).drop_in_place();
        Ok(IOTHUB_OK)
    })
}

/// HMAC-SHA-256 of a message.
///
/// @param[out] signature 32 bytes. Written on success only.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH of the message.
///
/// # Safety
///
/// The pointers point to what their types say, `signature` to 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_key_sign(
    key: *const iothub_key,
    message: iothub_bytes,
    signature: *mut u8,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let to = ptr::exclusive(signature.cast::<[u8; 32]>())?;
        *to = find(key)?.sign(ptr::bytes(message)?);
        Ok(IOTHUB_OK)
    })
}

/// A SAS token, signed here: the `password` of iothub_connect.
///
/// @param expiry When the token ends, in seconds since 1970. The hub refuses one that ended more than about five minutes
/// ago.
/// @param key_name The hub policy that the key belongs to; none (NULL) for a device's own key.
/// @param[out] buffer Where to write to; no NUL is added. iothub_sas_token_capacity() bytes are always enough. What it
/// holds after a failure means nothing.
/// @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes that are enough for every expiry.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE, IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of `resource`, `key_name` or the buffer.
/// @retval IOTHUB_ERR_BAD_VALUE `kind` of `resource`.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `buffer_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_key_token(
    key: *const iothub_key,
    resource: *const iothub_resource,
    expiry: u32,
    key_name: iothub_str,
    buffer: *mut c_char,
    buffer_size: usize,
    len: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let len = ptr::out(len)?;
        let (len, key, resource) = (len, find(key)?, iothub_resource::read(resource)?);
        let (name, room) = (ptr::optional_text(key_name)?, ptr::room(buffer, buffer_size)?);
        match key.token_for(&resource, UnixSeconds(expiry), name, room) {
            Ok(token) => {
                *len = token.len();
                Ok(IOTHUB_OK)
            }
            Err(CapacityError::BufferTooSmall { needed }) => {
                *len = needed;
                Err(Misuse(IOTHUB_ERR_BUFFER_TOO_SMALL))
            }
            Err(_) => Err(Misuse(IOTHUB_ERR_CAPACITY)),
        }
    })
}

/// Makes the key of one device of an enrollment group, whose key `group` is.
///
/// @param key The place; not that of `group`.
/// @param key_size sizeof *key.
/// @param group The group's key.
/// @param registration_id The device. The service takes it without regard to case, the key depends on it: use one
/// spelling, best in lower case.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `key_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the id.
///
/// # Safety
///
/// The pointers point to what their types say, `key` to `key_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_key_derive(
    key: *mut iothub_key,
    key_size: usize,
    group: *const iothub_key,
    registration_id: iothub_str,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        init(key, key_size, core::ptr::null_mut(), || {
            Ok(Ok(find(group)?.derive_device_key(ptr::text(registration_id)?)))
        })
    }
}

/// The key of one device of an enrollment group in base64, to be stored in the device. Secret: wiping it is left to the
/// caller.
///
/// @param group The group's key.
/// @param registration_id The device, as for iothub_key_derive().
/// @param[out] buffer Where to write to: IOTHUB_DERIVED_KEY_LEN bytes; no NUL is added.
/// @param[out] len Bytes written; with IOTHUB_ERR_BUFFER_TOO_SMALL bytes needed.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8 of the id or the buffer.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL
///
/// # Safety
///
/// The pointers point to what their types say, `buffer` to `buffer_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_key_derive_base64(
    group: *const iothub_key,
    registration_id: iothub_str,
    buffer: *mut c_char,
    buffer_size: usize,
    len: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        put(buffer, buffer_size, len, |w| {
            find(group)?.put_device_key(w, ptr::text(registration_id)?);
            Ok(())
        })
    }
}
