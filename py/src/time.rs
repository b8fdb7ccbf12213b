//! Seconds as `time.monotonic()` gives them, and the machine's milliseconds.

use crate::errors::Fault;
use iothub_proto::error::UsageError;
use iothub_proto::time::{Duration, Instant};
use pyo3::PyResult;

/// A thousandth of a millisecond: more than rounding takes from a deadline on its way out and in again (for 140
/// years), and less than any caller means.
const SLACK: f64 = 1e-3;

/// Whole milliseconds, rounded down: nothing happens before its time.
fn floor(seconds: f64) -> u64 {
    (seconds * 1_000.0 + SLACK) as u64
}

/// `now` of a caller.
pub(crate) fn instant(seconds: f64) -> Result<Instant, Fault> {
    // NaN is not in the range either.
    if !(0.0..=9e15).contains(&seconds) {
        return Err(UsageError::BadInstant.into());
    }
    Ok(Instant::from_millis(floor(seconds)))
}

/// A deadline: the same instant when it comes back.
pub(crate) fn seconds(at: Instant) -> f64 {
    let millis = at.as_millis();
    let mut seconds = millis as f64 / 1_000.0;
    while floor(seconds) < millis {
        seconds = seconds.next_up();
    }
    seconds
}

/// A span, rounded to the nearest millisecond; one that is longer than the machine's longest counts as that.
pub(crate) fn duration(seconds: f64) -> PyResult<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(pyo3::exceptions::PyValueError::new_err("a span of time cannot be negative"));
    }
    Ok(Duration::from_millis((seconds * 1_000.0).round() as u64))
}

/// A span in seconds.
pub(crate) fn span(span: Duration) -> f64 {
    span.as_millis() as f64 / 1_000.0
}
