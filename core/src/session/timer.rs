//! Deadlines: one for each reason, disarmed before it is acted upon.

use crate::error::TimeoutReason;
use crate::time::{Duration, Moment};

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

/// What it is remembered when it happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// The last byte of a packet was confirmed.
    LastOut = ARMED as isize,
    /// A byte came in.
    LastIn,
    /// The connection became ready.
    Ready,
}

/// The deadlines that are set, and behind them the marks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    moments: [Moment; ARMED + 3],
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self { moments: [Moment::NEVER; ARMED + 3] }
    }

    /// Sets the deadline of a reason that has one here. For the others this does nothing.
    pub(crate) fn arm(&mut self, reason: TimeoutReason, at: Moment) {
        if (reason as usize) < ARMED {
            self.put(reason as usize, at);
        }
    }

    pub(crate) fn mark(&mut self, mark: Mark, at: Moment) {
        self.put(mark as usize, at);
    }

    fn put(&mut self, index: usize, at: Moment) {
        if let Some(moment) = self.moments.get_mut(index) {
            *moment = at;
        }
    }

    /// When it happened last; [`Moment::NEVER`] if it has not.
    pub(crate) fn when(&self, mark: Mark) -> Moment {
        self.moments.get(mark as usize).copied().unwrap_or(Moment::NEVER)
    }

    pub(crate) fn disarm(&mut self, reason: TimeoutReason) {
        self.arm(reason, Moment::NEVER);
    }

    /// No deadline is set any more. What happened is still known.
    pub(crate) fn disarm_all(&mut self) {
        self.moments.iter_mut().take(ARMED).for_each(|deadline| *deadline = Moment::NEVER);
    }

    pub(crate) fn is_armed(&self, reason: TimeoutReason) -> bool {
        self.moments.get(reason as usize).is_some_and(|deadline| deadline.is_set())
    }

    /// The base is later by `span`.
    pub(crate) fn rebase(&mut self, span: Duration) {
        for moment in &mut self.moments {
            *moment = moment.rebased(span);
        }
    }

    /// The earliest deadline; [`Moment::NEVER`] if none is set.
    pub(crate) fn next(&self) -> (Moment, TimeoutReason) {
        let mut earliest = (Moment::NEVER, TimeoutReason::Connack);
        for (&at, &reason) in self.moments.iter().zip(&REASONS) {
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
        pub(crate) fn deadlines(&self) -> &[Moment] {
            &self.moments[..ARMED]
        }
    }

    #[test]
    fn disarming_forgets_nothing_that_happened() {
        let mut timers = Timers::new();
        let at = |millis| Moment::START.after(Duration::from_millis(millis));
        for (mark, millis) in [(Mark::LastOut, 1), (Mark::LastIn, 2), (Mark::Ready, 3)] {
            timers.mark(mark, at(millis));
        }
        timers.arm(TimeoutReason::Close, at(9));
        // As when they were due: their deadlines are not here.
        for reason in [TimeoutReason::KeepAlive, TimeoutReason::Request, TimeoutReason::Poll, TimeoutReason::Supply] {
            timers.disarm(reason);
        }
        assert_eq!(timers.next(), (at(9), TimeoutReason::Close));
        timers.disarm_all();
        assert_eq!(timers.next().0, Moment::NEVER);
        let marks = [Mark::LastOut, Mark::LastIn, Mark::Ready].map(|mark| timers.when(mark));
        assert_eq!(marks, [at(1), at(2), at(3)]);
    }

    #[test]
    fn of_deadlines_at_the_same_moment_the_first_reason_counts() {
        let mut timers = Timers::new();
        for reason in REASONS.into_iter().rev() {
            timers.arm(reason, Moment::START);
            assert_eq!(timers.next(), (Moment::START, reason));
        }
    }

    #[test]
    fn a_later_base_moves_deadlines_and_marks_but_not_what_is_not_set() {
        let mut timers = Timers::new();
        let at = |millis| Moment::START.after(Duration::from_millis(millis));
        timers.arm(TimeoutReason::Puback, at(100));
        timers.mark(Mark::LastIn, at(30));
        timers.rebase(Duration::from_millis(60));
        assert_eq!(timers.next(), (at(40), TimeoutReason::Puback));
        assert_eq!(timers.when(Mark::LastIn), Moment::START, "what is past is past all the same");
        assert!(!timers.is_armed(TimeoutReason::Close) && !timers.when(Mark::Ready).is_set());
    }

    #[test]
    fn each_reason_has_its_own_deadline() {
        let mut timers = Timers::new();
        assert_eq!(timers.next().0, Moment::NEVER);
        for (index, reason) in REASONS.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "the table is in the order of the enum");
            let at = Moment::START.after(Duration::from_millis(100 - index as u64));
            timers.arm(reason, at);
            assert_eq!(timers.next(), (at, reason));
        }
        for reason in REASONS.into_iter().rev() {
            assert!(timers.is_armed(reason));
            timers.disarm(reason);
            assert!(!timers.is_armed(reason));
        }
        assert_eq!(timers.next().0, Moment::NEVER);
    }
}
