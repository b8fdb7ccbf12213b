//! When to connect again. Policy, apart from the mechanism: nothing else in this crate depends on it.
//!
//! Delays grow exponentially and are drawn evenly from a range ("full jitter"), so that devices which a failing
//! hub dropped together do not return together. How fast they grow depends on why the last connection ended: a
//! hub that throttles or refuses wants to be left alone. The caller gives the randomness.

use crate::error::ConnectRefusal;
use crate::time::Duration;

/// Why there is no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RetryCause {
    /// The link broke, or could not be made: TCP, TLS, a deadline, a protocol error, the hub closing it.
    Lost,
    /// The hub is unavailable or throttles: CONNACK 3, status 429.
    Unavailable,
    /// The credentials are wrong: CONNACK 4 and 5. A token may have expired, a clock may be wrong, the device may
    /// be disabled or live on another hub now.
    Unauthorized,
    /// The hub does not take such clients: CONNACK 1 and 2. Without another build or configuration, trying again
    /// makes no sense.
    Rejected,
}

impl From<ConnectRefusal> for RetryCause {
    fn from(refusal: ConnectRefusal) -> Self {
        match refusal {
            ConnectRefusal::ProtocolVersion | ConnectRefusal::ClientId => Self::Rejected,
            ConnectRefusal::ServerUnavailable => Self::Unavailable,
            ConnectRefusal::BadCredentials | ConnectRefusal::NotAuthorized => Self::Unauthorized,
        }
    }
}

/// The delays for one [`RetryCause`]: evenly drawn from `min` to the least of `max` and `first` · 2ⁿ, n being the
/// number of failures before.
///
/// Durations are kept in 32 bits, so at most about 49 days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Schedule {
    min: u32,
    first: u32,
    max: u32,
}

impl Schedule {
    /// A schedule. `first` is raised to `min`, and `max` to `first`, if they are below.
    #[must_use]
    pub const fn new(min: Duration, first: Duration, max: Duration) -> Self {
        let min = millis(min);
        let first = if millis(first) > min { millis(first) } else { min };
        let max = if millis(max) > first { millis(max) } else { first };
        Self { min, first, max }
    }

    /// The longest delay after `failures` failures before this one, in milliseconds.
    const fn cap(&self, failures: u32) -> u32 {
        let doublings = if failures < 31 { failures } else { 31 };
        // `first << doublings` would be beyond `max`, or beyond 32 bits.
        if self.first > self.max >> doublings { self.max } else { self.first << doublings }
    }

    /// A delay in milliseconds, as far up its range as `random` is in its own.
    const fn delay(&self, failures: u32, random: u32) -> u32 {
        let range = self.cap(failures).saturating_sub(self.min).saturating_add(1);
        // The high half of the product: even, and without a division.
        let within = (random as u64).wrapping_mul(range as u64) >> 32;
        self.min.saturating_add(within as u32)
    }
}

/// Whole milliseconds that fit in 32 bits.
const fn millis(span: Duration) -> u32 {
    let millis = span.as_millis();
    if millis < u32::MAX as u64 { millis as u32 } else { u32::MAX }
}

/// How to retry. The default suits IoT Hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RetryPolicy {
    /// After [`RetryCause::Lost`]. Default: 0 to 1 s, doubling to 60 s.
    pub lost: Schedule,
    /// After [`RetryCause::Unavailable`]. Default: 5 to 10 s, doubling to 5 min.
    pub unavailable: Schedule,
    /// After [`RetryCause::Unauthorized`]. Default: 10 to 20 s, doubling to 10 min.
    pub unauthorized: Schedule,
    /// After [`RetryCause::Rejected`]. Default: 1 to 10 min, doubling to 1 h.
    pub rejected: Schedule,
    /// Failures in a row from which on [`Retry::reprovision`] is advised; 0 for never. Default: 10.
    pub reprovision_after: u32,
    /// How long a connection must have been ready for the failures before it to be forgotten. Default: 60 s.
    pub stable_after: Duration,
}

impl RetryPolicy {
    /// The default.
    pub const DEFAULT: Self = {
        const fn seconds(min: u32, first: u32, max: u32) -> Schedule {
            Schedule::new(Duration::from_secs(min), Duration::from_secs(first), Duration::from_secs(max))
        }
        Self {
            lost: seconds(0, 1, 60),
            unavailable: seconds(5, 10, 300),
            unauthorized: seconds(10, 20, 600),
            rejected: seconds(60, 600, 3_600),
            reprovision_after: 10,
            stable_after: Duration::from_secs(60),
        }
    };

    const fn schedule(&self, cause: RetryCause) -> &Schedule {
        match cause {
            RetryCause::Lost => &self.lost,
            RetryCause::Unavailable => &self.unavailable,
            RetryCause::Unauthorized => &self.unauthorized,
            RetryCause::Rejected => &self.rejected,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What to do after a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Retry {
    /// How long to wait before connecting.
    pub after: Duration,
    /// Whether to ask the Device Provisioning Service again first: the device may have moved to another hub.
    /// Advised at every failure from [`RetryPolicy::reprovision_after`] on, and at once after
    /// [`RetryCause::Rejected`]; call [`Backoff::reset`] when a new assignment came.
    pub reprovision: bool,
}

/// Counts failures and draws delays.
///
/// A connection counts as good once it has been ready for [`RetryPolicy::stable_after`], not when CONNACK came:
/// two devices with one identity evict each other right after it, and must slow down.
///
/// ```
/// use iothub_proto::retry::{Backoff, RetryCause, RetryPolicy};
/// use iothub_proto::time::Duration;
///
/// let mut backoff = Backoff::new(RetryPolicy::default());
/// let random = 0x8000_0000; // from the device's random numbers, at best
/// let retry = backoff.next(RetryCause::Lost, Duration::ZERO, random);
/// assert_eq!(retry.after, Duration::from_millis(500));
/// let retry = backoff.next(RetryCause::Lost, Duration::ZERO, random);
/// assert_eq!(retry.after, Duration::from_millis(1_000));
/// assert!(!retry.reprovision);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub const fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// A connection ended, or an attempt failed, because of `cause`.
    ///
    /// `ready_for` is how long the connection was ready, zero if it never was. `random` is any number of the
    /// caller's, evenly distributed; the same numbers give the same delays.
    #[must_use]
    pub fn next(&mut self, cause: RetryCause, ready_for: Duration, random: u32) -> Retry {
        if ready_for >= self.policy.stable_after {
            self.reset();
        }
        let delay = self.policy.schedule(cause).delay(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        let worn_out = self.policy.reprovision_after != 0 && self.failures >= self.policy.reprovision_after;
        Retry { after: Duration::from_millis(delay.into()), reprovision: worn_out || cause == RetryCause::Rejected }
    }

    /// Forgets all failures, as after a new assignment by the Device Provisioning Service.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAUSES: [RetryCause; 4] =
        [RetryCause::Lost, RetryCause::Unavailable, RetryCause::Unauthorized, RetryCause::Rejected];

    fn range(backoff: Backoff, cause: RetryCause) -> (u64, u64) {
        let draw = |random| { backoff }.next(cause, Duration::ZERO, random).after.as_millis();
        (draw(0), draw(u32::MAX))
    }

    #[test]
    fn default_ranges() {
        let mut backoff = Backoff::new(RetryPolicy::default());
        let mut lost = [(0, 0); 8];
        let mut refused = [(0, 0); 8];
        for (lost, refused) in lost.iter_mut().zip(&mut refused) {
            *lost = range(backoff, RetryCause::Lost);
            *refused = range(backoff, RetryCause::Unauthorized);
            let _ = backoff.next(RetryCause::Lost, Duration::ZERO, 0);
        }
        assert_eq!(lost.map(|(_, max)| max), [1, 2, 4, 8, 16, 32, 60, 60].map(|s| s * 1_000));
        assert_eq!(lost.map(|(min, _)| min), [0; 8]);
        assert_eq!(refused.map(|(_, max)| max), [20, 40, 80, 160, 320, 600, 600, 600].map(|s| s * 1_000));
        assert_eq!(refused.map(|(min, _)| min), [10_000; 8]);
    }

    #[test]
    fn every_refusal_has_its_cause() {
        assert_eq!(
            [1, 2, 3, 4, 5].map(|code| RetryCause::from(ConnectRefusal::from_code(code).unwrap())),
            [
                RetryCause::Rejected,
                RetryCause::Rejected,
                RetryCause::Unavailable,
                RetryCause::Unauthorized,
                RetryCause::Unauthorized,
            ]
        );
    }

    #[test]
    fn advises_to_provision_again() {
        let mut backoff = Backoff::new(RetryPolicy::default());
        for failure in 1..=12 {
            let retry = backoff.next(RetryCause::Lost, Duration::from_secs(59), 7);
            assert_eq!((retry.reprovision, backoff.failures()), (failure >= 10, failure));
        }
        backoff.reset();
        assert!(!backoff.next(RetryCause::Unauthorized, Duration::ZERO, 7).reprovision);
        assert!(backoff.next(RetryCause::Rejected, Duration::ZERO, 7).reprovision);
        let mut never = Backoff::new(RetryPolicy { reprovision_after: 0, ..RetryPolicy::default() });
        assert!((0..100).all(|_| !never.next(RetryCause::Lost, Duration::ZERO, 7).reprovision));
    }

    #[test]
    fn a_minute_of_ready_forgets_failures() {
        let mut backoff = Backoff::new(RetryPolicy::default());
        for _ in 0..20 {
            let _ = backoff.next(RetryCause::Lost, Duration::from_millis(59_999), u32::MAX);
        }
        assert_eq!(backoff.next(RetryCause::Lost, Duration::ZERO, u32::MAX).after, Duration::from_secs(60));
        let retry = backoff.next(RetryCause::Lost, Duration::from_secs(60), u32::MAX);
        assert_eq!(retry, Retry { after: Duration::from_secs(1), reprovision: false });
    }

    #[test]
    fn absurd_schedules_are_put_in_order() {
        let years = Duration::from_secs(u32::MAX);
        let huge = Schedule::new(Duration::ZERO, Duration::ZERO, years);
        assert_eq!((huge.cap(0), huge.cap(u32::MAX)), (0, 0));
        assert_eq!(Schedule::new(years, Duration::ZERO, Duration::ZERO).delay(3, 5), u32::MAX);
        let steep = Schedule::new(Duration::ZERO, Duration::from_millis(3), years);
        assert_eq!((steep.cap(30), steep.cap(31)), (3 << 30, u32::MAX));
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        // Spans of every order of magnitude, also beyond 32 bits.
        let span = || (any::<u64>(), 20..64_u32).prop_map(|(bits, shift)| Duration::from_millis(bits >> shift));
        (span(), span(), span()).prop_map(|(min, first, max)| Schedule::new(min, first, max))
    }

    proptest! {
        #[test]
        fn delays_stay_in_their_range(schedule in schedules(), failures: u32, random: u32) {
            let delay = schedule.delay(failures, random);
            prop_assert!(schedule.min <= delay && delay <= schedule.cap(failures));
            prop_assert!(schedule.cap(failures) <= schedule.max);
        }

        #[test]
        fn the_range_never_shrinks_and_reaches_its_end(schedule in schedules(), failures in 0..40_u32) {
            prop_assert!(schedule.cap(failures) <= schedule.cap(failures + 1));
            let doubled = u64::from(schedule.first) << 31;
            prop_assert_eq!(u64::from(schedule.cap(40)), doubled.min(schedule.max.into()));
        }

        #[test]
        fn jitter_covers_the_range_evenly(failures in 0..40_u32, randoms in proptest::collection::vec(any::<u32>(), 400)) {
            let schedule = RetryPolicy::DEFAULT.lost;
            prop_assert_eq!(schedule.delay(failures, 0), schedule.min);
            prop_assert_eq!(schedule.delay(failures, u32::MAX), schedule.cap(failures));
            let middle = schedule.cap(failures) / 2;
            let low = randoms.iter().filter(|&&random| schedule.delay(failures, random) < middle).count();
            prop_assert!((100..300).contains(&low), "{low} of 400 in the lower half");
        }

        #[test]
        fn refused_devices_always_wait(causes in proptest::collection::vec((0..4_usize, any::<u32>()), 1..40)) {
            let mut backoff = Backoff::new(RetryPolicy::default());
            let mut twin = backoff;
            for (cause, random) in causes {
                let cause = CAUSES[cause];
                let retry = backoff.next(cause, Duration::ZERO, random);
                prop_assert_eq!(retry, twin.next(cause, Duration::ZERO, random));
                prop_assert!(cause != RetryCause::Unauthorized || retry.after >= Duration::from_secs(10));
                prop_assert!(cause != RetryCause::Unavailable || retry.after >= Duration::from_secs(5));
                prop_assert!(cause != RetryCause::Rejected || retry.after >= Duration::from_secs(60));
                prop_assert!(retry.after <= Duration::from_secs(3_600));
            }
        }
    }
}
