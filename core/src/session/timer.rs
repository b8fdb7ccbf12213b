//! Deadlines: one for each reason, disarmed before it is acted upon.

use crate::error::TimeoutReason;
use crate::time::Instant;

/// How many reasons have a deadline of their own here: those before [`TimeoutReason::KeepAlive`]. The keep-alive
/// and the twin requests compute theirs.
const ARMED: usize = TimeoutReason::KeepAlive as usize;

const REASONS: [TimeoutReason; ARMED] = [
    TimeoutReason::Connack,
    TimeoutReason::Suback,
    TimeoutReason::Pingresp,
    TimeoutReason::Puback,
    TimeoutReason::Send,
    TimeoutReason::TwinSync,
    TimeoutReason::TwinRefetch,
    TimeoutReason::Credential,
    TimeoutReason::Drain,
    TimeoutReason::Close,
];

/// The deadlines that are set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    deadlines: [Instant; ARMED],
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self { deadlines: [Instant::NEVER; ARMED] }
    }

    pub(crate) fn arm(&mut self, reason: TimeoutReason, at: Instant) {
        if let Some(deadline) = self.deadlines.get_mut(reason as usize) {
            *deadline = at;
        }
    }

    pub(crate) fn disarm(&mut self, reason: TimeoutReason) {
        self.arm(reason, Instant::NEVER);
    }

    pub(crate) fn is_armed(&self, reason: TimeoutReason) -> bool {
        self.deadlines.get(reason as usize).is_some_and(|deadline| deadline.is_set())
    }

    /// The earliest deadline; [`Instant::NEVER`] if none is set.
    pub(crate) fn next(&self) -> (Instant, TimeoutReason) {
        let mut earliest = (Instant::NEVER, TimeoutReason::Connack);
        for (&at, &reason) in self.deadlines.iter().zip(&REASONS) {
            if at < earliest.0 {
                earliest = (at, reason);
            }
        }
        earliest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Timers {
        /// Every deadline, set or not.
        pub(crate) const fn all(&self) -> &[Instant] {
            &self.deadlines
        }
    }

    #[test]
    fn each_reason_has_its_own_deadline() {
        let mut timers = Timers::new();
        assert_eq!(timers.next().0, Instant::NEVER);
        for (index, reason) in REASONS.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "the table is in the order of the enum");
            timers.arm(reason, Instant::from_millis(100 - index as u64));
            assert_eq!(timers.next(), (Instant::from_millis(100 - index as u64), reason));
        }
        for reason in REASONS.into_iter().rev() {
            assert!(timers.is_armed(reason));
            timers.disarm(reason);
            assert!(!timers.is_armed(reason));
        }
        assert_eq!(timers.next().0, Instant::NEVER);
    }
}
