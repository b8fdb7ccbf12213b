//! When to connect again.

use crate::enums::RETRY_CAUSE;
use crate::time::{duration, span};
use iothub_proto::retry::{Backoff as Machine, Retry as Advice, RetryCause, RetryPolicy as Policy, Schedule};
use pyo3::prelude::*;
use std::sync::Mutex;

/// How to retry. The default suits IoT Hub. A schedule is (min, first, max) in seconds: delays are drawn evenly from min
/// to the least of max and first * 2**n, n being the number of failures before.
///
/// lost: after RetryCause.LOST; default (0, 1, 60).
/// unavailable: after RetryCause.UNAVAILABLE; default (5, 10, 300).
/// unauthorized: after RetryCause.UNAUTHORIZED; default (10, 20, 600).
/// rejected: after RetryCause.REJECTED; default (60, 600, 3600).
/// reprovision_after: failures in a row from which on Retry.reprovision is advised; 0 for never; default 10.
/// stable_after: seconds of Ready after which the failures before it are forgotten; default 60.
#[pyclass(frozen, eq, module = "iothub_proto")]
#[derive(PartialEq, Eq)]
pub(crate) struct RetryPolicy(Policy);

/// (min, first, max) in seconds.
type Seconds = (f64, f64, f64);

#[pymethods]
impl RetryPolicy {
    #[new]
    #[pyo3(signature = (
        *, lost=None, unavailable=None, unauthorized=None, rejected=None, reprovision_after=None, stable_after=None
    ))]
    fn new(
        lost: Option<Seconds>,
        unavailable: Option<Seconds>,
        unauthorized: Option<Seconds>,
        rejected: Option<Seconds>,
        reprovision_after: Option<u32>,
        stable_after: Option<f64>,
    ) -> PyResult<Self> {
        let schedule = |given: Option<Seconds>, default: Schedule| -> PyResult<Schedule> {
            let Some((min, first, max)) = given else { return Ok(default) };
            Ok(Schedule::new(duration(min)?, duration(first)?, duration(max)?))
        };
        let default = Policy::DEFAULT;
        Ok(Self(Policy {
            lost: schedule(lost, default.lost)?,
            unavailable: schedule(unavailable, default.unavailable)?,
            unauthorized: schedule(unauthorized, default.unauthorized)?,
            rejected: schedule(rejected, default.rejected)?,
            reprovision_after: reprovision_after.unwrap_or(default.reprovision_after),
            stable_after: stable_after.map_or(Ok(default.stable_after), duration)?,
        }))
    }

    fn __repr__(&self) -> &'static str {
        if self.0 == Policy::DEFAULT { "RetryPolicy()" } else { "RetryPolicy(...)" }
    }
}

/// What to do after a connection ended.
#[pyclass(frozen, eq, get_all, module = "iothub_proto")]
#[derive(PartialEq)]
pub(crate) struct Retry {
    /// Seconds to wait before connecting.
    after: f64,
    /// Whether to ask the Device Provisioning Service again first: the device may have moved to another hub.
    reprovision: bool,
}

#[pymethods]
impl Retry {
    #[classattr]
    const fn __match_args__() -> (&'static str, &'static str) {
        ("after", "reprovision")
    }

    fn __repr__(&self) -> String {
        let reprovision = if self.reprovision { "True" } else { "False" };
        format!("Retry(after={:?}, reprovision={reprovision})", self.after)
    }
}

/// Counts failures and draws delays. The caller gives the randomness: the same numbers give the same delays.
///
/// A connection counts as good once it has been ready for RetryPolicy.stable_after, not when CONNACK came: two devices
/// with one identity evict each other right after it, and must slow down.
///
/// >>> from iothub_proto import Backoff, RetryCause
/// >>> Backoff().next(RetryCause.LOST, random=0x8000_0000)
/// Retry(after=0.5, reprovision=False)
#[pyclass(frozen, module = "iothub_proto")]
pub(crate) struct Backoff(Mutex<Machine>);

impl Backoff {
    fn machine(&self) -> std::sync::MutexGuard<'_, Machine> {
        // Nothing done with it can panic half way.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[pymethods]
impl Backoff {
    #[new]
    #[pyo3(signature = (policy=None))]
    fn new(policy: Option<&Bound<'_, RetryPolicy>>) -> Self {
        Self(Mutex::new(Machine::new(policy.map_or(Policy::DEFAULT, |policy| policy.get().0))))
    }

    /// A connection ended, or an attempt failed.
    ///
    /// cause: why.
    /// ready_for: seconds for which the connection was ready: Disconnected.ready_for, or 0.
    /// random: an even random number of 32 bits, such as random.getrandbits(32).
    #[pyo3(signature = (cause, *, ready_for=0.0, random))]
    fn next(&self, cause: &Bound<'_, PyAny>, ready_for: f64, random: u32) -> PyResult<Retry> {
        let cause = retry_cause(cause)?;
        let Advice { after, reprovision } = self.machine().next(cause, duration(ready_for)?, random);
        Ok(Retry { after: span(after), reprovision })
    }

    /// Forgets all failures, as after a new assignment by the Device Provisioning Service.
    fn reset(&self) {
        self.machine().reset();
    }

    /// Failures in a row.
    #[getter]
    fn failures(&self) -> u32 {
        self.machine().failures()
    }

    fn __repr__(&self) -> String {
        format!("<Backoff failures={}>", self.failures())
    }
}

fn retry_cause(cause: &Bound<'_, PyAny>) -> PyResult<RetryCause> {
    let causes = [RetryCause::Lost, RetryCause::Unavailable, RetryCause::Unauthorized, RetryCause::Rejected];
    for known in causes {
        if RETRY_CAUSE.member(cause.py(), known)?.is(cause) {
            return Ok(known);
        }
    }
    Err(pyo3::exceptions::PyTypeError::new_err("'cause' is a RetryCause"))
}
