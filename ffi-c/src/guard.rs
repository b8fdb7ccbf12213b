//! A client in the caller's memory: recognised, called, and shut when something panicked.

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

const ALIVE: u32 = 0x1074_0B01;
/// A call is inside, or did not come out.
#[cfg(any(feature = "std", test))]
const BUSY: u32 = 0x1074_0B02;

/// What stands in an [`iothub_client`].
#[repr(C)]
pub(crate) struct Inner {
    mark: Mark,
    /// What the machine refused last.
    last: Option<Error>,
    client: MaybeUninit<Client<'static>>,
}

/// Runs `call`. A panic in it is an error: what it leaves behind is not looked at, since a client is shut and results are
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

/// The inside of a client that was initialised.
#[cfg_attr(target_os = "none", inline(never))]
fn find(client: *const iothub_client) -> Result<*mut Inner, Misuse> {
    ptr::place(client)?;
    let inner = client.cast::<Inner>().cast_mut();
    // SAFETY: not NULL and aligned; that a client's room is there is what every caller promises.
    let mark = unsafe { (*inner).mark };
    #[cfg(any(feature = "std", test))]
    if mark == Mark::of(BUSY, client.addr()) {
        return Err(Misuse(IOTHUB_ERR_INTERNAL));
    }
    mark.check(ALIVE, client.addr()).map(|()| inner)
}

/// Runs `command` on a client, and remembers what the machine refused.
///
/// # Safety
///
/// Unless NULL or misaligned, `client` points to an `iothub_client`, which nobody else uses meanwhile.
pub(crate) unsafe fn with<T>(
    client: *mut iothub_client,
    command: impl FnOnce(&mut Client<'static>) -> Result<T, Error>,
) -> Result<T, Misuse> {
    // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
    let inner = unsafe { &mut *find(client)? };
    #[cfg(any(feature = "std", test))]
    {
        inner.mark = Mark::of(BUSY, client.addr());
    }
    // SAFETY: as above.
    let outcome = command(unsafe { inner.client.assume_init_mut() });
    #[cfg(any(feature = "std", test))]
    {
        inner.mark = Mark::of(ALIVE, client.addr());
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
pub(crate) unsafe fn command(
    client: *mut iothub_client,
    command: impl FnOnce(&mut Client<'static>) -> Result<(), Error>,
) -> iothub_status {
    // SAFETY: the caller's promise.
    call(|| unsafe { with(client, command).map(|()| IOTHUB_OK) })
}

/// A client that nobody changes during `'a`.
///
/// # Safety
///
/// Unless NULL or misaligned, `client` points to an `iothub_client`.
pub(crate) unsafe fn peek<'a>(client: *const iothub_client) -> Result<&'a Client<'static>, Misuse> {
    // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
    unsafe { Ok((*find(client)?).client.assume_init_ref()) }
}

/// What the client's last failed call was about.
///
/// # Safety
///
/// As of [`peek`].
pub(crate) unsafe fn last(client: *const iothub_client) -> Result<iothub_error, Misuse> {
    // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
    let last = unsafe { &(*find(client)?).last };
    Ok(last.as_ref().map_or(iothub_error::of(IOTHUB_OK), iothub_error::from))
}

/// Makes a client in its place: `fill` puts it there, and it is one if that went well.
///
/// # Safety
///
/// `client` points to room for an `iothub_client`, initialised or not, which nobody else uses meanwhile.
pub(crate) unsafe fn make(
    client: &mut MaybeUninit<iothub_client>,
    fill: impl FnOnce(&mut MaybeUninit<Client<'static>>) -> Result<iothub_status, Misuse>,
) -> Result<iothub_status, Misuse> {
    let inner = client.as_mut_ptr().cast::<Inner>();
    // SAFETY: there is room for an `Inner`, see `types`. Fields are written before a reference to the whole is made.
    unsafe {
        (&raw mut (*inner).mark).write(Mark::NONE);
        (&raw mut (*inner).last).write(None);
        let status = fill(&mut (*inner).client)?;
        (*inner).mark = Mark::of(ALIVE, inner.addr());
        Ok(status)
    }
}

/// Ends a client.
///
/// # Safety
///
/// As of [`with`].
pub(crate) unsafe fn end(client: *mut iothub_client) -> Result<(), Misuse> {
    let inner = find(client)?;
    // SAFETY: the mark says that `make` has put it there; it is taken off, so that this happens once.
    unsafe {
        (*inner).mark = Mark::NONE;
        (*inner).client.assume_init_drop();
    }
    Ok(())
}

impl Inner {
    #[cfg_attr(target_os = "none", inline(never))]
    fn note(&mut self, error: &Error) -> Misuse {
        self.last = Some(*error);
        Misuse(status_of(error))
    }
}
