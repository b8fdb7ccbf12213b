//! The only place where a pointer of the caller becomes a reference.
//!
//! What can be told wrong is: NULL, alignment, a length no memory has, a `struct_size` of another version, ill-formed
//! UTF-8. That the memory is there, is not shared with another thread, and stays as long as the function's comment
//! says, is the caller's promise; every `unsafe` in this crate rests on it.

use crate::status::{
    IOTHUB_ERR_BAD_LENGTH, IOTHUB_ERR_BAD_UTF8, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NULL, IOTHUB_ERR_STRUCT_SIZE,
    iothub_status,
};
use crate::types::{iothub_bytes, iothub_str};
use core::ffi::c_char;
use core::mem::{align_of, size_of};

/// A call that was wrong before the machine saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Misuse(pub(crate) iothub_status);

/// A struct that every bit pattern of zeros is a value of.
///
/// # Safety
///
/// That is so.
pub(crate) unsafe trait Zeroed {}

/// A struct that begins with `uint32_t struct_size`.
///
/// A later version may only append fields. It then reads a smaller struct of an earlier version's callers into its own
/// defaults; for now there is one version, so that what is large enough is whole.
///
/// # Safety
///
/// It is `repr(C)`, begins with a `u32`, and every bit pattern is a value of it.
pub(crate) unsafe trait Input {}

/// No version of a struct will ever be as large: what says so is memory that nobody initialised.
const MAX_STRUCT: usize = 4096;

/// Not inlined: once for all types.
#[cfg_attr(target_os = "none", inline(never))]
fn check(address: usize, align: usize) -> Result<(), Misuse> {
    if address != 0 && address & (align - 1) == 0 {
        return Ok(());
    }
    Err(Misuse(if address == 0 { IOTHUB_ERR_NULL } else { IOTHUB_ERR_MISALIGNED }))
}

/// What `pointer` points to, to be read or passed on raw.
pub(crate) fn place<T>(pointer: *const T) -> Result<(), Misuse> {
    check(pointer.addr(), align_of::<T>())
}

/// # Safety
///
/// Unless NULL or misaligned, `pointer` points to a valid `T` that lives as `'a` and is not written to meanwhile.
pub(crate) unsafe fn shared<'a, T>(pointer: *const T) -> Result<&'a T, Misuse> {
    place(pointer)?;
    // SAFETY: not NULL, aligned; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// # Safety
///
/// Unless NULL or misaligned, `pointer` points to a valid `T` that lives as `'a` and is used by nobody else meanwhile.
pub(crate) unsafe fn exclusive<'a, T>(pointer: *mut T) -> Result<&'a mut T, Misuse> {
    place(pointer)?;
    // SAFETY: not NULL, aligned; the rest is the caller's promise.
    Ok(unsafe { &mut *pointer })
}

/// Where to write a result: zeroed first, so that it is written whatever comes after.
///
/// # Safety
///
/// Unless NULL or misaligned, `pointer` points to room for a `T`, initialised or not, used by nobody else during `'a`.
pub(crate) unsafe fn out<'a, T: Zeroed>(pointer: *mut T) -> Result<&'a mut T, Misuse> {
    place(pointer)?;
    // SAFETY: not NULL, aligned; zeros are a `T`; the rest is the caller's promise.
    unsafe {
        pointer.write_bytes(0, 1);
        Ok(&mut *pointer)
    }
}

/// As [`out`]; NULL for a result that is not wanted.
///
/// # Safety
///
/// As of [`out`].
pub(crate) unsafe fn optional_out<'a, T: Zeroed>(pointer: *mut T) -> Result<Option<&'a mut T>, Misuse> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { out(pointer) }.map(Some)
}

/// A struct the caller filled in.
///
/// # Safety
///
/// Unless NULL or misaligned, `pointer` points to a `u32` and as many bytes as that says, which live as `'a` and are not
/// written to meanwhile.
pub(crate) unsafe fn input<'a, T: Input>(pointer: *const T) -> Result<&'a T, Misuse> {
    place(pointer)?;
    // SAFETY: not NULL, aligned for a `T`, which begins with a `u32`.
    let says = unsafe { *pointer.cast::<u32>() } as usize;
    if says < size_of::<T>() || says > MAX_STRUCT {
        return Err(Misuse(IOTHUB_ERR_STRUCT_SIZE));
    }
    // SAFETY: it is as large as a `T`, of which every bit pattern is one; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// Whether an array of `len` elements can be at `pointer`; `false` if it is empty.
fn array<T>(pointer: *const T, len: usize) -> Result<bool, Misuse> {
    if len == 0 {
        return Ok(false);
    }
    if align_of::<T>() > 1 || pointer.is_null() {
        check(pointer.addr(), align_of::<T>())?;
    }
    if len > isize::MAX as usize / size_of::<T>() {
        return Err(Misuse(IOTHUB_ERR_BAD_LENGTH));
    }
    Ok(true)
}

/// # Safety
///
/// Unless this refuses them, `pointer` points to `len` valid `T`s that live as `'a` and are not written to meanwhile.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize) -> Result<&'a [T], Misuse> {
    if !array(pointer, len)? {
        return Ok(&[]);
    }
    // SAFETY: checked by `array`; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(pointer, len) })
}

/// # Safety
///
/// Unless this refuses them, `pointer` points to `len` valid `T`s that live as `'a` and are used by nobody else meanwhile.
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, len: usize) -> Result<&'a mut [T], Misuse> {
    if !array(pointer, len)? {
        return Ok(&mut []);
    }
    // SAFETY: checked by `array`; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer, len) })
}

/// Records of the library's own kind in `len` of the caller's, made `empty` first.
///
/// # Safety
///
/// Unless this refuses them, `pointer` points to room for `len` `Outer`s, initialised or not, that lives as `'a` and is
/// used by nobody else meanwhile. An `Inner` is no larger and no more aligned than an `Outer`.
pub(crate) unsafe fn records<'a, Outer, Inner: Copy>(
    pointer: *mut Outer,
    len: usize,
    empty: Inner,
) -> Result<&'a mut [Inner], Misuse> {
    if !array(pointer, len)? {
        return Ok(&mut []);
    }
    let first = pointer.cast::<Inner>();
    for index in 0..len {
        // SAFETY: `len` of the smaller are within `len` of the larger.
        unsafe { first.add(index).write(empty) };
    }
    // SAFETY: as above; all are written now.
    Ok(unsafe { core::slice::from_raw_parts_mut(first, len) })
}

/// # Safety
///
/// As of [`slice`].
pub(crate) unsafe fn bytes<'a>(bytes: iothub_bytes) -> Result<&'a [u8], Misuse> {
    // SAFETY: the caller's promise.
    unsafe { slice(bytes.ptr, bytes.len) }
}

/// A text that may be empty.
///
/// # Safety
///
/// As of [`slice`].
pub(crate) unsafe fn text<'a>(text: iothub_str) -> Result<&'a str, Misuse> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice(text.ptr.cast::<u8>(), text.len) }?;
    if is_ascii(bytes) {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { core::str::from_utf8_unchecked(bytes) });
    }
    core::str::from_utf8(bytes).map_err(|_| Misuse(IOTHUB_ERR_BAD_UTF8))
}

/// As nearly all texts are; four bytes at once, for processors without a fast search for others.
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<4>();
    let all = words.iter().fold(0, |all, word| all | u32::from_ne_bytes(*word));
    rest.iter().fold(all, |all, &byte| all | u32::from(byte)) & 0x8080_8080 == 0
}

/// A text that may be absent: NULL with length 0.
///
/// # Safety
///
/// As of [`slice`].
pub(crate) unsafe fn optional_text<'a>(value: iothub_str) -> Result<Option<&'a str>, Misuse> {
    if value.ptr.is_null() && value.len == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { text(value) }.map(Some)
}

/// A text that [`text`] took before.
///
/// # Safety
///
/// It did, and nothing was written to it since.
pub(crate) unsafe fn checked<'a>(text: iothub_str) -> &'a str {
    if text.len == 0 {
        return "";
    }
    // SAFETY: `text` found it to be readable and UTF-8.
    unsafe { core::str::from_utf8_unchecked(core::slice::from_raw_parts(text.ptr.cast(), text.len)) }
}

/// Room for a text.
///
/// # Safety
///
/// Unless this refuses them, `pointer` points to room for `size` bytes, used by nobody else during `'a`.
pub(crate) unsafe fn room<'a>(pointer: *mut c_char, size: usize) -> Result<&'a mut [u8], Misuse> {
    // SAFETY: the caller's promise.
    unsafe { slice_mut(pointer.cast::<u8>(), size) }
}

/// # Safety
///
/// `text` is NULL or ends with NUL.
pub(crate) unsafe fn terminated(text: *const c_char) -> iothub_str {
    let mut len = 0;
    if !text.is_null() {
        // SAFETY: up to the NUL, all is readable.
        while unsafe { *text.add(len) } != 0 {
            len += 1;
        }
    }
    iothub_str { ptr: text, len }
}

// SAFETY: they are numbers.
unsafe impl Zeroed for u8 {}
// SAFETY: as above.
unsafe impl Zeroed for u32 {}
// SAFETY: as above.
unsafe impl Zeroed for u64 {}
// SAFETY: as above.
unsafe impl Zeroed for usize {}
// SAFETY: `false`.
unsafe impl Zeroed for bool {}
// SAFETY: a NULL pointer and a number.
unsafe impl Zeroed for iothub_str {}
// SAFETY: as above.
unsafe impl Zeroed for iothub_bytes {}
// SAFETY: NULL.
unsafe impl Zeroed for *const u8 {}
// SAFETY: as above.
unsafe impl Zeroed for *mut u8 {}
