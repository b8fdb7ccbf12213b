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
/// Something panicked in it: nothing is known of its state.
const SHUT: u32 = 0x1074_0B02;

/// What stands in an [`iothub_client`].
#[repr(C)]
pub(crate) struct Inner {
    mark: Mark,
    /// What went wrong last.
    last: Fault,
    client: MaybeUninit<Client<'static>>,
}

/// What went wrong in a call.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Here.
    Call(iothub_status),
    /// In the machine.
    Machine(Error),
}

impl Fault {
    pub(crate) fn status(self) -> iothub_status {
        match self {
            Self::Call(status) => status,
            Self::Machine(error) => status_of(error),
        }
    }
}

impl From<Misuse> for Fault {
    fn from(misuse: Misuse) -> Self {
        Self::Call(misuse.0)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Machine(error)
    }
}

/// Runs `call`; a panic in it is an error.
#[cfg(any(feature = "std", test))]
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Misuse> {
    // What a panic leaves behind is not looked at: a client is shut, results are of no account.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).map_err(|_| Misuse(IOTHUB_ERR_INTERNAL))
}

/// Runs `call`, which has no panic in it.
#[cfg(not(any(feature = "std", test)))]
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Misuse> {
    Ok(call())
}

/// Runs a call that needs no client.
pub(crate) fn plain(call: impl FnOnce() -> Result<iothub_status, Misuse>) -> iothub_status {
    match catch(call).and_then(|outcome| outcome) {
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
    match mark.check(SHUT, client.addr()) {
        Ok(()) => Err(Misuse(IOTHUB_ERR_INTERNAL)),
        Err(_) => mark.check(ALIVE, client.addr()).map(|()| inner),
    }
}

/// Runs `call` on a client, and remembers what went wrong.
///
/// # Safety
///
/// Unless NULL or misaligned, `client` points to an `iothub_client`, which nobody else uses meanwhile.
pub(crate) unsafe fn with(
    client: *mut iothub_client,
    call: impl FnOnce(&mut Client<'static>) -> Result<iothub_status, Fault>,
) -> iothub_status {
    let inner = match find(client) {
        // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
        Ok(inner) => unsafe { &mut *inner },
        Err(Misuse(status)) => return status,
    };
    // SAFETY: as above.
    let machine = unsafe { inner.client.assume_init_mut() };
    match catch(|| call(machine)) {
        Ok(Ok(status)) => status,
        Ok(Err(fault)) => inner.note(fault),
        Err(Misuse(status)) => {
            inner.mark = Mark::of(SHUT, client.addr());
            status
        }
    }
}

/// As [`with`], for what gives nothing but success.
///
/// # Safety
///
/// As of [`with`].
pub(crate) unsafe fn command<E: Into<Fault>>(
    client: *mut iothub_client,
    call: impl FnOnce(&mut Client<'static>) -> Result<(), E>,
) -> iothub_status {
    // SAFETY: the caller's promise.
    unsafe { with(client, |client| call(client).map(|()| IOTHUB_OK).map_err(Into::into)) }
}

/// Looks at a client that nobody changes meanwhile.
///
/// # Safety
///
/// Unless NULL or misaligned, `client` points to an `iothub_client`.
pub(crate) unsafe fn peek(
    client: *const iothub_client,
    call: impl FnOnce(&Client<'static>) -> Result<iothub_status, Misuse>,
) -> iothub_status {
    plain(|| {
        let inner = find(client)?;
        // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
        call(unsafe { (*inner).client.assume_init_ref() })
    })
}

/// What the client's last failed call was about.
///
/// # Safety
///
/// As of [`peek`].
pub(crate) unsafe fn last(client: *const iothub_client) -> Result<iothub_error, Misuse> {
    let inner = find(client)?;
    // SAFETY: the mark says that `make` has put it there; the rest is the caller's promise.
    Ok(iothub_error::from(unsafe { (*inner).last }))
}

/// Makes a client in its place: `fill` puts it there, and it is one if that went well.
///
/// # Safety
///
/// `client` points to room for an `iothub_client`, initialised or not, which nobody else uses meanwhile.
pub(crate) unsafe fn make(
    client: &mut MaybeUninit<iothub_client>,
    fill: impl FnOnce(&mut MaybeUninit<Client<'static>>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let inner = client.as_mut_ptr().cast::<Inner>();
    // SAFETY: there is room for an `Inner`, see `types`. Fields are written before a reference to the whole is made.
    unsafe {
        (&raw mut (*inner).mark).write(Mark::NONE);
        (&raw mut (*inner).last).write(Fault::Call(IOTHUB_OK));
        catch(|| fill(&mut *(&raw mut (*inner).client)))??;
        (*inner).mark = Mark::of(ALIVE, inner.addr());
    }
    Ok(())
}

/// Ends a client. One that is shut is only forgotten.
///
/// # Safety
///
/// As of [`with`].
pub(crate) unsafe fn end(client: *mut iothub_client) -> iothub_status {
    match find(client) {
        Ok(inner) => {
            // SAFETY: the mark says that `make` has put it there; it is taken off, so that this happens once.
            unsafe {
                (*inner).mark = Mark::NONE;
                (*inner).client.assume_init_drop();
            }
            IOTHUB_OK
        }
        Err(Misuse(status)) => status,
    }
}

impl Inner {
    #[cfg_attr(target_os = "none", inline(never))]
    fn note(&mut self, fault: Fault) -> iothub_status {
        self.last = fault;
        fault.status()
    }
}
