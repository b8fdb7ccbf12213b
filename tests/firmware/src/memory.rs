//! Static memory that is handed out as `&'static mut`.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// Room for one `T` in a `static`.
///
/// Put `#[unsafe(link_section = ".bss.message")]` on one that holds messages, so that it is counted apart.
pub struct Place<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: the machine has one core, and no interrupt is enabled.
unsafe impl<T> Sync for Place<T> {}

impl<T> Place<T> {
    /// An empty place.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Fills the place with `value` and lends it for good.
    ///
    /// # Safety
    ///
    /// Once only: a second call would lend the same memory again.
    #[inline(always)]
    pub unsafe fn put(&'static self, value: T) -> &'static mut T {
        // SAFETY: this is the only reference, by the caller's promise.
        unsafe { (*self.0.get()).write(value) }
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self::new()
    }
}
