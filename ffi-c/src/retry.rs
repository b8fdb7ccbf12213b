//! When to connect again.

use crate::guard::{self, Mark};
use crate::ptr::{self, Input, Misuse, Zeroed};
use crate::status::*;
use crate::types::fits;
use core::mem::{align_of, size_of};
use iothub_proto::error::ConnectRefusal;
use iothub_proto::retry::{Backoff, RetryCause, RetryPolicy, Schedule};
use iothub_proto::time::Duration;

/// Why there is no connection: the link broke, or could not be made.
pub const IOTHUB_RETRY_LOST: u32 = 1;
/// The hub is unavailable or throttles.
pub const IOTHUB_RETRY_UNAVAILABLE: u32 = 2;
/// The credentials are wrong. A token may have expired, a clock may be wrong.
pub const IOTHUB_RETRY_UNAUTHORIZED: u32 = 3;
/// The hub does not take such clients: without another build or configuration, trying again makes no sense.
pub const IOTHUB_RETRY_REJECTED: u32 = 4;

const BACKOFF: u32 = 0x1074_0B06;

/// The delays for one IOTHUB_RETRY_*, in milliseconds: evenly drawn from `min_ms` to the least of `max_ms` and `first_ms`
/// times 2 to the number of failures before. `first_ms` is raised to `min_ms`, and `max_ms` to `first_ms`, if below.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_schedule {
    /// The shortest delay.
    pub min_ms: u32,
    /// The longest delay at the first failure.
    pub first_ms: u32,
    /// The longest delay at all.
    pub max_ms: u32,
}

/// How to retry. iothub_retry_policy_init() fills it in.
#[repr(C)]
pub struct iothub_retry_policy {
    /// sizeof(iothub_retry_policy); set by iothub_retry_policy_init().
    pub struct_size: u32,
    /// Failures in a row from which on another assignment is advised; 0 for never. Default 10.
    pub reprovision_after: u32,
    /// How long a connection must have been ready for the failures before it to be forgotten. Default 60,000.
    pub stable_after_ms: u32,
    /// After IOTHUB_RETRY_LOST. Default: 0 to 1 s, doubling to 60 s.
    pub lost: iothub_schedule,
    /// After IOTHUB_RETRY_UNAVAILABLE. Default: 5 to 10 s, doubling to 5 min.
    pub unavailable: iothub_schedule,
    /// After IOTHUB_RETRY_UNAUTHORIZED. Default: 10 to 20 s, doubling to 10 min.
    pub unauthorized: iothub_schedule,
    /// After IOTHUB_RETRY_REJECTED. Default: 1 to 10 min, doubling to 1 h.
    pub rejected: iothub_schedule,
}

// SAFETY: it begins with `struct_size`, and is numbers.
unsafe impl Input for iothub_retry_policy {}

/// Counts failures and draws delays, in memory of the caller's. Opaque. It must not be copied or moved; it needs no end.
#[repr(C)]
pub struct iothub_backoff {
    /// Not for the caller.
    pub opaque: [u32; 17],
}

/// What to do after a connection ended.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct iothub_retry {
    /// How long to wait before connecting, in milliseconds.
    pub after_ms: u32,
    /// Whether to ask the Device Provisioning Service again first: the device may have moved to another hub.
    pub reprovision: bool,
}

// SAFETY: a number and `false`.
unsafe impl Zeroed for iothub_retry {}

/// What stands in an [`iothub_backoff`].
#[repr(C)]
struct Inner {
    mark: Mark,
    backoff: Backoff,
}

fits!(Inner, iothub_backoff);

/// # Safety
///
/// Unless NULL or misaligned, `backoff` points to an `iothub_backoff` that nobody changes during `'a`.
unsafe fn find(backoff: *const iothub_backoff) -> Result<*mut Inner, Misuse> {
    ptr::place(backoff)?;
    let inner = backoff.cast::<Inner>().cast_mut();
    // SAFETY: not NULL and aligned, and there is room for an `Inner`.
    unsafe { (*inner).mark }.check(BACKOFF, backoff.addr())?;
    Ok(inner)
}

/// Fills in the defaults, which suit IoT Hub. `policy_size` is sizeof *policy: no more than that is written.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_STRUCT_SIZE `policy_size` is not that of this or a later header.
///
/// # Safety
///
/// `policy` points to `policy_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_retry_policy_init(
    policy: *mut iothub_retry_policy,
    policy_size: usize,
) -> iothub_status {
    guard::call(|| {
        ptr::place(policy)?;
        if policy_size < size_of::<iothub_retry_policy>() {
            return Err(Misuse(IOTHUB_ERR_STRUCT_SIZE));
        }
        // SAFETY: it is large enough for what is written, by the caller's promise.
        unsafe { policy.write(DEFAULTS) };
        Ok(IOTHUB_OK)
    })
}

const DEFAULTS: iothub_retry_policy = iothub_retry_policy {
    struct_size: size_of::<iothub_retry_policy>() as u32,
    reprovision_after: RetryPolicy::DEFAULT.reprovision_after,
    stable_after_ms: RetryPolicy::DEFAULT.stable_after.as_millis() as u32,
    lost: seconds(0, 1, 60),
    unavailable: seconds(5, 10, 300),
    unauthorized: seconds(10, 20, 600),
    rejected: seconds(60, 600, 3_600),
};

const fn seconds(min: u32, first: u32, max: u32) -> iothub_schedule {
    iothub_schedule { min_ms: min * 1_000, first_ms: first * 1_000, max_ms: max * 1_000 }
}

impl iothub_schedule {
    #[cfg_attr(target_os = "none", inline(never))]
    fn read(&self) -> Schedule {
        let span = |millis: u32| Duration::from_millis(millis.into());
        Schedule::new(span(self.min_ms), span(self.first_ms), span(self.max_ms))
    }
}

impl iothub_retry_policy {
    fn read(&self) -> RetryPolicy {
        RetryPolicy {
            lost: self.lost.read(),
            unavailable: self.unavailable.read(),
            unauthorized: self.unauthorized.read(),
            rejected: self.rejected.read(),
            reprovision_after: self.reprovision_after,
            stable_after: Duration::from_millis(self.stable_after_ms.into()),
        }
    }
}

/// No failure yet.
///
/// @param backoff The place.
/// @param backoff_size sizeof *backoff.
/// @param policy How to retry; NULL for the defaults.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED as said above.
/// @retval IOTHUB_ERR_OBJECT_SIZE `backoff_size` is too small.
/// @retval IOTHUB_ERR_STRUCT_SIZE of `policy`.
///
/// # Safety
///
/// The pointers point to what their types say, `backoff` to `backoff_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_backoff_init(
    backoff: *mut iothub_backoff,
    backoff_size: usize,
    policy: *const iothub_retry_policy,
) -> iothub_status {
    guard::call(|| {
        ptr::place(backoff)?;
        if backoff_size < size_of::<iothub_backoff>() {
            return Err(Misuse(IOTHUB_ERR_OBJECT_SIZE));
        }
        let inner = backoff.cast::<Inner>();
        // SAFETY: there is room for an `Inner`; the rest is the caller's promise.
        unsafe {
            (&raw mut (*inner).mark).write(Mark::NONE);
            let policy = if policy.is_null() { RetryPolicy::DEFAULT } else { ptr::input(policy)?.read() };
            inner.write(Inner { mark: Mark::of(BACKOFF, backoff.addr()), backoff: Backoff::new(policy) });
        }
        Ok(IOTHUB_OK)
    })
}

/// A connection ended, or an attempt failed.
///
/// @param cause IOTHUB_RETRY_*; iothub_retry_cause() makes one of a status.
/// @param ready_for_ms How long the connection was ready, in milliseconds; 0 if it never was.
/// @param random Any number, evenly distributed.
/// @param[out] retry What to do.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
/// @retval IOTHUB_ERR_BAD_VALUE There is no such cause.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_backoff_next(
    backoff: *mut iothub_backoff,
    cause: u32,
    ready_for_ms: u32,
    random: u32,
    retry: *mut iothub_retry,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let retry = ptr::out(retry)?;
        let (out, inner) = (retry, find(backoff)?);
        let cause = match cause {
            IOTHUB_RETRY_LOST => RetryCause::Lost,
            IOTHUB_RETRY_UNAVAILABLE => RetryCause::Unavailable,
            IOTHUB_RETRY_UNAUTHORIZED => RetryCause::Unauthorized,
            IOTHUB_RETRY_REJECTED => RetryCause::Rejected,
            _ => return Err(Misuse(IOTHUB_ERR_BAD_VALUE)),
        };
        let next = (*inner).backoff.next(cause, Duration::from_millis(ready_for_ms.into()), random);
        *out = iothub_retry { after_ms: next.after.as_millis() as u32, reprovision: next.reprovision };
        Ok(IOTHUB_OK)
    })
}

/// Forgets all failures, as after a new assignment by the Device Provisioning Service.
///
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// `backoff` points to an iothub_backoff.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_backoff_reset(backoff: *mut iothub_backoff) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        (*find(backoff)?).backoff.reset();
        Ok(IOTHUB_OK)
    })
}

/// Failures in a row.
///
/// @param[out] failures How many.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED as said above.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_backoff_failures(backoff: *const iothub_backoff, failures: *mut u32) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let failures = ptr::out(failures)?;
        *failures = (*find(backoff)?).backoff.failures();
        Ok(IOTHUB_OK)
    })
}

/// The IOTHUB_RETRY_* for the status a connection ended with: `u.disconnected.error.status`, or what any call gave.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_retry_cause(status: iothub_status) -> u32 {
    let code = IOTHUB_ERR_REFUSED_PROTOCOL_VERSION.wrapping_sub(status).wrapping_add(1);
    let refusal = u8::try_from(code).ok().and_then(ConnectRefusal::from_code);
    match refusal.map_or(RetryCause::Lost, RetryCause::from) {
        RetryCause::Unavailable => IOTHUB_RETRY_UNAVAILABLE,
        RetryCause::Unauthorized => IOTHUB_RETRY_UNAUTHORIZED,
        RetryCause::Rejected => IOTHUB_RETRY_REJECTED,
        _ => IOTHUB_RETRY_LOST,
    }
}
