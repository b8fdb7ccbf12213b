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

    /// Lends the place for good.
    ///
    /// # Safety
    ///
    /// As of [`put`](Self::put).
    pub unsafe fn lend(&'static self) -> &'static mut MaybeUninit<T> {
        // SAFETY: this is the only reference, by the caller's promise.
        unsafe { &mut *self.0.get() }
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

impl<T: Copy, const N: usize> Place<[T; N]> {
    /// Fills the place with copies of `value`, one after the other, and lends it for good.
    ///
    /// # Safety
    ///
    /// As of [`put`](Self::put).
    #[inline(always)]
    pub unsafe fn fill(&'static self, value: T) -> &'static mut [T; N] {
        let place = self.0.get().cast::<T>();
        for index in 0..N {
            // SAFETY: an element of this array.
            unsafe { place.add(index).write(value) };
        }
        // SAFETY: every element is written, and this is the only reference, by the caller's promise.
        unsafe { (*self.0.get()).assume_init_mut() }
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self::new()
    }
}
