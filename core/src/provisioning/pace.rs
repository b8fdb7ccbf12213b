//! When something is to happen: the deadlines of a registration, and how long to wait before asking again.

use crate::error::TimeoutReason;
use crate::time::{Duration, Instant};

/// The service takes 5 questions of a device in 10 s.
const POLL_APART: Duration = Duration::from_secs(2);

/// The backoff when the service throttles or has trouble: at first, and at most.
const RETRY_FIRST: Duration = POLL_APART;
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The deadlines of a registration, apart from MQTT's own.
#[derive(Debug)]
pub(super) struct Pace {
    deadlines: [(Instant, TimeoutReason); 3],
    /// The next backoff.
    retry: Duration,
    /// For jitter.
    random: u32,
}

impl Pace {
    /// Nothing is due.
    pub(super) const fn new(random: u32) -> Self {
        let deadlines = [
            (Instant::NEVER, TimeoutReason::Request),
            (Instant::NEVER, TimeoutReason::Poll),
            (Instant::NEVER, TimeoutReason::Registration),
        ];
        Self { deadlines, retry: RETRY_FIRST, random }
    }

    /// Sets the deadline of `reason`; [`Instant::NEVER`] takes it off.
    pub(super) fn arm(&mut self, reason: TimeoutReason, at: Instant) {
        if let Some((deadline, _)) = self.deadlines.iter_mut().find(|(_, known)| *known == reason) {
            *deadline = at;
        }
    }

    /// The next deadline, if one is set.
    pub(super) fn next(&self) -> Option<(Instant, TimeoutReason)> {
        self.deadlines.iter().copied().filter(|(at, _)| at.is_set()).min_by_key(|(at, _)| *at)
    }

    /// Takes the earliest deadline that has passed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<TimeoutReason> {
        let (_, reason) = self.next().filter(|(at, _)| *at <= now)?;
        self.arm(reason, Instant::NEVER);
        Some(reason)
    }

    /// The service works on it: how long to wait.
    pub(super) fn poll_after(&mut self, wanted: Option<u32>) -> Duration {
        self.retry = RETRY_FIRST;
        seconds(wanted).max(POLL_APART)
    }

    /// The service has no time: how long to wait.
    pub(super) fn retry_after(&mut self, wanted: Option<u32>) -> Duration {
        let wait = seconds(wanted).max(self.retry);
        self.retry = self.retry.saturating_add(self.retry).min(RETRY_MAX);
        // So that devices which were throttled together do not come back together.
        wait.saturating_add(wait.quarter().scaled(self.random))
    }
}

fn seconds(wanted: Option<u32>) -> Duration {
    wanted.map_or(Duration::ZERO, Duration::from_secs)
}
