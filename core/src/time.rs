//! Time as the caller tells it. The machine reads no clock.
//!
//! Three notions are kept apart: [`Instant`] is a point on the caller's monotonic clock, [`Duration`] is a
//! span of it, and [`UnixSeconds`] is wall-clock time, which only token signing needs.

/// Milliseconds on the caller's monotonic clock. The zero point is arbitrary.
///
/// Sixty-four bits do not wrap. Instants above `u64::MAX / 2` are refused by the machine
/// ([`UsageError::BadInstant`](crate::error::UsageError::BadInstant)), so that adding a duration to one never
/// reaches the value that stands for "no deadline".
///
/// ```
/// use iothub_proto::time::{Duration, Instant};
/// let now = Instant::from_millis(1_000);
/// assert_eq!((now + Duration::from_secs(2)).as_millis(), 3_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The clock's zero.
    pub const ZERO: Self = Self(0);
    /// Later than every instant a caller may pass: a deadline that is not set.
    pub(crate) const NEVER: Self = Self(u64::MAX);
    /// The latest instant a caller may pass.
    pub const MAX: Self = Self(u64::MAX / 2);

    /// The instant `millis` milliseconds after the clock's zero.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's zero.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later, the longest duration if it is longer.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whether this is a deadline and not [`Instant::NEVER`]. The upper half tells, since no deadline comes near it.
    pub(crate) const fn is_set(self) -> bool {
        (self.0 >> 32) as u32 != u32::MAX
    }

    /// `self` plus `span`, for an instant up to [`Instant::MAX`]: nothing can overflow.
    pub(crate) const fn after(self, span: Duration) -> Self {
        Self(self.0.wrapping_add(span.as_millis()))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    /// Saturates. From an instant up to [`Instant::MAX`] no duration reaches the value that stands for "no
    /// deadline": a deadline once set stays set.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_millis()))
    }
}

/// A span of time in milliseconds, at most 49.7 days: a longer one counts as that.
///
/// ```
/// use iothub_proto::time::Duration;
/// assert_eq!(Duration::from_secs(60).as_millis(), 60_000);
/// assert_eq!(Duration::from_secs(86_400 * 365), Duration::MAX);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Duration(u32);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span, 4,294,967,295 ms.
    pub const MAX: Self = Self(u32::MAX);

    /// A span of `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        if millis > u32::MAX as u64 { Self::MAX } else { Self(millis as u32) }
    }

    /// A span of `secs` seconds.
    #[must_use]
    pub const fn from_secs(secs: u32) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// The span in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 as u64
    }

    /// `self` times `fraction` / 2³², without a division.
    pub(crate) const fn scaled(self, fraction: u32) -> Self {
        Self((self.as_millis().saturating_mul(fraction as u64) >> 32) as u32)
    }

    /// Three quarters of the span, without a division.
    pub(crate) const fn three_quarters(self) -> Self {
        Self(self.0.wrapping_sub(self.0 >> 2))
    }

    /// A quarter of the span, without a division.
    pub(crate) const fn quarter(self) -> Self {
        Self(self.0 >> 2)
    }

    /// `self` plus `other`, saturating.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self` minus `other`, not below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A point in a session's time: milliseconds from a base that moves along. It has half the size of an [`Instant`], and a
/// session has many of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Moment(u32);

impl Moment {
    /// The base.
    pub(crate) const START: Self = Self(0);
    /// Later than all others: a deadline that is not set.
    pub(crate) const NEVER: Self = Self(u32::MAX);

    /// Whether this is a deadline and not [`Moment::NEVER`].
    pub(crate) const fn is_set(self) -> bool {
        self.0 != u32::MAX
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later, as [`Moment::NEVER`] is.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// The time from the base.
    pub(crate) const fn since_start(self) -> Duration {
        Duration(self.0)
    }

    /// The moment `span` later, if it is in reach, or else the last one.
    pub(crate) const fn after(self, span: Duration) -> Self {
        match self.0.saturating_add(span.0) {
            u32::MAX => Self(u32::MAX - 1),
            at => Self(at),
        }
    }

    /// The same moment from a base that is later by `span`: no earlier than that.
    pub(crate) const fn rebased(self, span: Duration) -> Self {
        if self.is_set() { Self(self.0.saturating_sub(span.0)) } else { self }
    }
}

/// Wall-clock time: seconds since 1970-01-01T00:00:00Z, up to the year 2106.
///
/// Only SAS tokens use it (their `se` field). It never meets [`Instant`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct UnixSeconds(pub u32);

impl UnixSeconds {
    /// This time plus `seconds`, not beyond the last representable second.
    ///
    /// ```
    /// use iothub_proto::time::UnixSeconds;
    /// assert_eq!(UnixSeconds(1_767_222_000).plus(3_600), UnixSeconds(1_767_225_600));
    /// ```
    #[must_use]
    pub const fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}
