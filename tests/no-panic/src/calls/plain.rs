//! `time` and `retry`.

use super::{any, used};
use iothub_proto::error::ConnectRefusal;
use iothub_proto::retry::{Backoff, RetryCause, RetryPolicy, Schedule};
use iothub_proto::time::{Duration, Instant, UnixSeconds};

pub(super) fn all() {
    time();
    retry();
}

fn span() -> Duration {
    Duration::from_millis(any(0))
}

#[inline(never)]
fn time() {
    let now = Instant::from_millis(any(0));
    used(Instant::as_millis(any(now)));
    used(Instant::since(any(now), any(now)));
    used(any(now) + span());
    used(Duration::from_secs(any(0)));
    used(Duration::as_millis(span()));
    used(Duration::saturating_add(span(), span()));
    used(Duration::saturating_sub(span(), span()));
    used(UnixSeconds::plus(UnixSeconds(any(0)), any(0)));
}

#[inline(never)]
fn retry() {
    let schedule = || any(Schedule::new(span(), span(), span()));
    let policy = RetryPolicy {
        lost: schedule(),
        unavailable: schedule(),
        unauthorized: schedule(),
        rejected: schedule(),
        reprovision_after: any(0),
        stable_after: span(),
    };
    let mut backoff = any(Backoff::new(any(policy)));
    let cause = RetryCause::from(any(ConnectRefusal::ClientId));
    used(Backoff::next(&mut backoff, any(cause), span(), any(0)));
    used(Backoff::failures(&backoff));
    Backoff::reset(&mut backoff);
    used(backoff);
}
