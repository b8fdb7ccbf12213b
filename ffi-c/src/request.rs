//! The name of a direct method call.

use crate::guard;
use crate::ptr::{self, Misuse, Zeroed};
use crate::status::{IOTHUB_ERR_BUFFER_TOO_SMALL, IOTHUB_ERR_STALE, IOTHUB_OK, iothub_status};
use crate::types::iothub_str;
use core::ffi::c_char;
use iothub_proto::event::RequestId;

/// Bytes of a request id that can be kept. A UUID has 36.
pub const IOTHUB_KEPT_REQUEST_MAX: usize = 47;

/// What the answer to a direct method names: the hub's `$rid` and the connection it came on. It points into the bytes of
/// its event.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_request {
    /// The id as the hub gave it.
    pub id: iothub_str,
    /// The number of the connection; above 0.
    pub connection: u32,
}

/// A request that points nowhere: for an answer that comes later. It may be copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_kept_request {
    /// The id, not ended by NUL.
    pub id: [u8; IOTHUB_KEPT_REQUEST_MAX],
    /// Bytes of it.
    pub id_len: u8,
    /// The number of the connection; above 0.
    pub connection: u32,
}

// SAFETY: numbers.
unsafe impl Zeroed for iothub_kept_request {}

impl iothub_request {
    pub(crate) const NONE: Self = Self { id: iothub_str::NONE, connection: 0 };

    pub(crate) fn new(request: RequestId<'_>) -> Self {
        Self { id: iothub_str::new(request.as_str()), connection: request.connection().into() }
    }

    /// # Safety
    ///
    /// The id lives as `'a`.
    pub(crate) unsafe fn read<'a>(&self) -> Result<RequestId<'a>, Misuse> {
        let connection = u16::try_from(self.connection).map_err(|_| Misuse(IOTHUB_ERR_STALE))?;
        // SAFETY: the caller's promise.
        Ok(RequestId::from_parts(unsafe { ptr::text(self.id) }?, connection))
    }
}

impl iothub_kept_request {
    /// The same, pointing into this.
    pub(crate) fn view(&self) -> iothub_request {
        let len = usize::from(self.id_len).min(IOTHUB_KEPT_REQUEST_MAX);
        iothub_request { id: iothub_str { ptr: self.id.as_ptr().cast::<c_char>(), len }, connection: self.connection }
    }
}

/// Copies the request of an event, to answer it after the event is gone: iothub_client_method_respond_kept().
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_BUFFER_TOO_SMALL The id is longer than IOTHUB_KEPT_REQUEST_MAX: it can be answered only while its
/// event lives. No hub is known to send such a one.
///
/// # Safety
///
/// `request` is that of an event that lives; `kept` points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_request_keep(
    request: *const iothub_request,
    kept: *mut iothub_kept_request,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let kept = ptr::out(kept)?;
        let request = ptr::shared(request)?;
        let id = ptr::text(request.id)?.as_bytes();
        let room = kept.id.get_mut(..id.len()).ok_or(Misuse(IOTHUB_ERR_BUFFER_TOO_SMALL))?;
        room.copy_from_slice(id);
        kept.id_len = id.len() as u8;
        kept.connection = request.connection;
        Ok(IOTHUB_OK)
    })
}
