//! A receive buffer over the caller's memory.

use crate::guard::{self, Mark};
use crate::ptr::{self, Misuse};
use crate::status::{IOTHUB_ERR_OBJECT_SIZE, IOTHUB_OK, iothub_status};
pub use crate::types::iothub_rx;
use core::mem::size_of;
use iothub_proto::RxBuffer;

const RX: u32 = 0x1074_0B03;

/// What stands in an [`iothub_rx`].
#[repr(C)]
pub(crate) struct Inner {
    mark: Mark,
    buffer: RxBuffer<'static>,
}

/// The buffer in an `iothub_rx` that was initialised.
///
/// # Safety
///
/// Unless NULL or misaligned, `rx` points to an `iothub_rx` that nobody else uses during `'a`.
pub(crate) unsafe fn find<'a>(rx: *mut iothub_rx) -> Result<&'a mut RxBuffer<'static>, Misuse> {
    ptr::place(rx)?;
    let inner = rx.cast::<Inner>();
    // SAFETY: not NULL and aligned; there is room for an `Inner`, see `types`. What is behind its mark is one.
    unsafe {
        (*inner).mark.check(RX, rx.addr())?;
        Ok(&mut (*inner).buffer)
    }
}

/// Makes a receive buffer over `memory`, which is the buffer's alone as long as it is used. It needs no end.
///
/// @param rx The place.
/// @param rx_size sizeof *rx.
/// @param memory At least `max_packet` bytes.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `rx_size` is too small.
/// @retval IOTHUB_ERR_BAD_LENGTH `memory_len` is larger than any memory.
///
/// # Safety
///
/// `rx` points to `rx_size` bytes, `memory` to `memory_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_rx_init(
    rx: *mut iothub_rx,
    rx_size: usize,
    memory: *mut u8,
    memory_len: usize,
) -> iothub_status {
    guard::call(|| {
        ptr::place(rx)?;
        if rx_size < size_of::<iothub_rx>() {
            return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE));
        }
        let inner = rx.cast::<Inner>();
        // SAFETY: there is room for an `Inner`, see `types`; the rest is the caller's promise.
        unsafe {
            (&raw mut (*inner).mark).write(Mark::NONE);
            let buffer = RxBuffer::new(ptr::slice_mut(memory, memory_len)?);
            inner.write(Inner { mark: Mark::of(RX, rx.addr()), buffer });
        }
        Ok(IOTHUB_OK)
    })
}

/// Where to read into. Never empty after iothub_client_poll_event() gave IOTHUB_EVENT_NONE. What an event pointed to is gone
/// with this call.
///
/// @param[out] space The first byte.
/// @param[out] space_len Bytes.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_rx_space(
    rx: *mut iothub_rx,
    space: *mut *mut u8,
    space_len: *mut usize,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe {
        let (space, space_len) = (ptr::out(space), ptr::out(space_len));
        guard::call(|| {
            let (space, space_len) = (space?, space_len?);
            let room = find(rx)?.space();
            (*space, *space_len) = (room.as_mut_ptr(), room.len());
            Ok(IOTHUB_OK)
        })
    }
}

/// `count` bytes were read into iothub_rx_space(). More than there was room for counts as all of it.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// `rx` points to an iothub_rx.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_rx_commit(rx: *mut iothub_rx, count: usize) -> iothub_status {
    guard::call(|| {
        // SAFETY: the caller's promise.
        unsafe { find(rx) }?.commit(count);
        Ok(IOTHUB_OK)
    })
}

/// Drops everything, as on a new connection.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// `rx` points to an iothub_rx.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_rx_clear(rx: *mut iothub_rx) -> iothub_status {
    guard::call(|| {
        // SAFETY: the caller's promise.
        unsafe { find(rx) }?.clear();
        Ok(IOTHUB_OK)
    })
}
