//! A machine in the caller's memory: recognised, called, and shut when something panicked.

use crate::error::iothub_error;
use crate::ptr::{self, Misuse};
use crate::status::{IOTHUB_ERR_INTERNAL, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_OK, iothub_status, status_of};
use crate::types::iothub_client;
use core::mem::MaybeUninit;
use iothub_proto::Client;
use iothub_proto::error::Error;

/// Says that memory holds what was put there by its `init` function, at this address.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Mark(u32);

impl Mark {
    /// No mark: zeroed memory has this one.
    pub(crate) const NONE: Self = Self(0);

    /// The mark of a `kind` at `address`: a copy of it elsewhere has a wrong one.
    pub(crate) fn of(kind: u32, address: usize) -> Self {
        Self(kind ^ address as u32)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn check(self, kind: u32, address: usize) -> Result<(), Misuse> {
        if self == Self::of(kind, address) { Ok(()) } else { Err(Misuse(IOTHUB_ERR_NOT_INITIALIZED)) }
    }
}

/// Memory of the caller's in which a machine stands.
pub(crate) trait Place {
    type Machine;
    type Error: Copy;
    /// The mark of one that can be called.
    const ALIVE: u32;

    fn status(error: &Self::Error) -> iothub_status;
    fn detail(error: &Self::Error) -> iothub_error;
}

impl Place for iothub_client {
    type Machine = Client<'static>;
    type Error = Error;
    const ALIVE: u32 = 0x1074_0B01;

    fn status(error: &Error) -> iothub_status {
        status_of(error)
    }

    fn detail(error: &Error) -> iothub_error {
        error.into()
    }
}

/// Added to the mark while a call is inside, and for good if it did not come out.
#[cfg(any(feature = "std", test))]
const BUSY: u32 = 0x8000_0000;

/// What stands in a place.
#[repr(C)]
pub(crate) struct Inner<P: Place> {
    mark: Mark,
    /// What the machine refused last.
    last: Option<P::Error>,
    machine: MaybeUninit<P::Machine>,
}

/// Runs `call`. A panic in it is an error: what it leaves behind is not looked at, since a machine is shut and results are
/// of no account.
#[cfg(any(feature = "std", test))]
pub(crate) fn call(call: impl FnOnce() -> Result<iothub_status, Misuse>) -> iothub_status {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(Ok(status) | Err(Misuse(status))) => status,
        Err(_) => IOTHUB_ERR_INTERNAL,
    }
}

/// Runs `call`, which has no panic in it.
#[cfg(not(any(feature = "std", test)))]
pub(crate) fn call(call: impl FnOnce() -> Result<iothub_status, Misuse>) -> iothub_status {
    match call() {
        Ok(status) | Err(Misuse(status)) => status,
    }
}

/// The inside of a place that was initialised.
#[cfg_attr(target_os = "none", inline(never))]
fn find<P: Place>(place: *const P) -> Result<*mut Inner<P>, Misuse> {
    ptr::place(place)?;
    let inner = place.cast::<Inner<P>>().cast_mut();
    // SAFETY: not NULL and aligned; that a place's room is there is what every caller promises.
    let mark = unsafe { (*inner).mark };
    #[cfg(any(feature = "std", test))]
    if mark == Mark::of(P::ALIVE | BUSY, place.addr()) {
        return Err(Misuse(IOTHUB_ERR_INTERNAL));
    }
    mark.check(P::ALIVE, place.addr()).map(|()| inner)
}

/// Runs `command` on a machine, and remembers what it refused.
///
/// # Safety
///
/// Unless NULL or misaligned, `place` points to what its type says, which nobody else uses meanwhile.
pub(crate) unsafe fn with<P: Place, T>(
    place: *mut P,
    command: impl FnOnce(&mut P::Machine) -> Result<T, P::Error>,
) -> Result<T, Misuse> {
    // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
    let inner = unsafe { &mut *find(place)? };
    #[cfg(any(feature = "std", test))]
    {
        inner.mark = Mark::of(P::ALIVE | BUSY, place.addr());
    }
    // SAFETY: as above.
    let outcome = command(unsafe { inner.machine.assume_init_mut() });
    #[cfg(any(feature = "std", test))]
    {
        inner.mark = Mark::of(P::ALIVE, place.addr());
    }
    match &outcome {
        Ok(_) => {}
        // By reference: it is noted where it is.
        Err(error) => return Err(inner.note(error)),
    }
    outcome.map_err(|_| Misuse(IOTHUB_ERR_INTERNAL))
}

/// As [`with`], for a whole call that gives nothing but success.
///
/// # Safety
///
/// As of [`with`].
pub(crate) unsafe fn command<P: Place>(
    place: *mut P,
    command: impl FnOnce(&mut P::Machine) -> Result<(), P::Error>,
) -> iothub_status {
    // SAFETY: the caller's promise.
    call(|| unsafe { with(place, command).map(|()| IOTHUB_OK) })
}

/// A machine that nobody changes during `'a`.
///
/// # Safety
///
/// Unless NULL or misaligned, `place` points to what its type says.
pub(crate) unsafe fn peek<'a, P: Place>(place: *const P) -> Result<&'a P::Machine, Misuse> {
    // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
    unsafe { Ok((*find(place)?).machine.assume_init_ref()) }
}

/// What the machine's last failed call was about.
///
/// # Safety
///
/// As of [`peek`].
pub(crate) unsafe fn last<P: Place>(place: *const P) -> Result<iothub_error, Misuse> {
    // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
    let last = unsafe { &(*find(place)?).last };
    Ok(last.as_ref().map_or(iothub_error::of(IOTHUB_OK), P::detail))
}

/// Makes a machine in its place: `fill` puts it there, and it is one if that went well.
///
/// # Safety
///
/// `place` is room for what its type says, initialised or not, which nobody else uses meanwhile.
pub(crate) unsafe fn make<P: Place>(
    place: &mut MaybeUninit<P>,
    fill: impl FnOnce(&mut MaybeUninit<P::Machine>) -> Result<(), iothub_error>,
) -> Result<(), iothub_error> {
    let inner = place.as_mut_ptr().cast::<Inner<P>>();
    // SAFETY: there is room for an `Inner`, see `fits`. Fields are written before a reference to the whole is made.
    unsafe {
        (&raw mut (*inner).mark).write(Mark::NONE);
        (&raw mut (*inner).last).write(None);
        fill(&mut (*inner).machine)?;
        (*inner).mark = Mark::of(P::ALIVE, inner.addr());
    }
    Ok(())
}

/// Ends a machine.
///
/// # Safety
///
/// As of [`with`].
pub(crate) unsafe fn end<P: Place>(place: *mut P) -> Result<(), Misuse> {
    let inner = find(place)?;
    // SAFETY: the mark says that `make` has put it there; it is taken off, so that this happens once.
    unsafe {
        (*inner).mark = Mark::NONE;
        (*inner).machine.assume_init_drop();
    }
    Ok(())
}

impl<P: Place> Inner<P> {
    #[cfg_attr(target_os = "none", inline(never))]
    fn note(&mut self, error: &P::Error) -> Misuse {
        self.last = Some(*error);
        Misuse(P::status(error))
    }
}
