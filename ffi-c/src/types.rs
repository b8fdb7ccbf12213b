//! Texts, bytes, tokens, and the memory that the caller places.

use crate::guard::Inner;
use core::ffi::c_char;
use core::mem::{align_of, size_of};
use iothub_proto::wire::Text;
use iothub_proto::{Inbound, RxBuffer, Slot};

/// What a call gives: IOTHUB_OK, a count where the function says so, or a negative IOTHUB_ERR_*.
pub type iothub_status = i32;

/// Names a telemetry message, a twin request or a message from the hub. Tokens may be kept and compared for equality;
/// one that is out of date is refused as IOTHUB_ERR_STALE, never mistaken for another.
pub type iothub_token = u32;

/// No token.
pub const IOTHUB_TOKEN_NONE: iothub_token = 0;

/// No version of a twin is known.
pub const IOTHUB_VERSION_NONE: u64 = u64::MAX;

/// No deadline.
pub const IOTHUB_NEVER: u64 = u64::MAX;

/// A text: UTF-8, not ended by NUL. `ptr` NULL with `len` 0 means that there is none; a text of length 0 elsewhere is
/// an empty one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_str {
    /// The first byte, or NULL.
    pub ptr: *const c_char,
    /// Bytes.
    pub len: usize,
}

impl iothub_str {
    pub(crate) const NONE: Self = Self { ptr: core::ptr::null(), len: 0 };

    pub(crate) fn new<'t>(text: impl Into<Text<'t>>) -> Self {
        let bytes = text.into().as_bytes();
        Self { ptr: bytes.as_ptr().cast(), len: bytes.len() }
    }

    pub(crate) fn optional<'t>(text: Option<impl Into<Text<'t>>>) -> Self {
        text.map_or(Self::NONE, Self::new)
    }
}

/// Any bytes. `ptr` may be NULL if `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_bytes {
    /// The first byte, or NULL.
    pub ptr: *const u8,
    /// Bytes.
    pub len: usize,
}

impl iothub_bytes {
    pub(crate) const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }
}

/// Words of 8 bytes in an iothub_client.
#[cfg(target_pointer_width = "64")]
pub const IOTHUB_CLIENT_WORDS: usize = 96;
/// Words of 8 bytes in an iothub_client.
#[cfg(target_pointer_width = "32")]
pub const IOTHUB_CLIENT_WORDS: usize = 80;

/// A device or module, in memory of the caller's: static, on a stack or on a heap, zeroed or not. Opaque. It must not be
/// copied or moved; it ends with iothub_client_deinit().
#[repr(C)]
pub struct iothub_client {
    /// Not for the caller.
    pub opaque: [u64; IOTHUB_CLIENT_WORDS],
}

/// A record of one command in flight: a telemetry message, a twin request, a method answer. Opaque.
#[repr(C)]
pub struct iothub_slot {
    /// Not for the caller.
    pub opaque: [u64; 5],
}

/// A record of one message delivered and not yet acknowledged. Opaque.
#[repr(C)]
pub struct iothub_inbound {
    /// Not for the caller.
    pub opaque: [u16; 2],
}

/// A receive buffer over memory of the caller's; see iothub_rx_init(). Opaque. It must not be copied or moved.
#[repr(C)]
pub struct iothub_rx {
    /// Not for the caller.
    pub opaque: [usize; 6],
}

/// Asserts that `$inner` can be placed in the caller's `$outer`.
macro_rules! fits {
    ($inner:ty, $outer:ty) => {
        const _: () =
            assert!(size_of::<$inner>() <= size_of::<$outer>() && align_of::<$inner>() <= align_of::<$outer>());
    };
}
pub(crate) use fits;

fits!(Inner<iothub_client>, iothub_client);
fits!(Slot, iothub_slot);
fits!(Inbound, iothub_inbound);
fits!(crate::rx::Inner, iothub_rx);
const _: () = assert!(size_of::<RxBuffer<'static>>() == 4 * size_of::<usize>());

/// The text that ends with NUL at `text`, or none for NULL. `text` must live as long as what is given. For a literal,
/// the macro IOTHUB_STR() does this at compile time.
///
/// # Safety
///
/// `text` is NULL or ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_str_from(text: *const c_char) -> iothub_str {
    // SAFETY: the caller's promise.
    unsafe { crate::ptr::terminated(text) }
}
