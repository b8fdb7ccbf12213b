//! Every state, every transition and every permission.
//!
//! # Theory of operation
//!
//! The machine lives through connections, one after another, and is `Offline` between them. `connect` begins
//! one: `Connecting` until CONNACK, `Subscribing` until SUBACK (skipped when there is nothing to subscribe),
//! then `Ready`. A polite end goes through `Draining`, where what is in flight settles, and `Closing`, where
//! DISCONNECT is on its way, back to `Offline`. The transport may end at any time: `Offline` too. What a peer
//! or a deadline does to end a connection for good leads to `Failed`, which differs from `Offline` in one
//! thing: the error is repeated until the next `connect`.
//!
//! Two rules keep this file honest. Everything that changes the state goes through [`next`]; everything that
//! depends on the state when the application calls asks [`permits`]. Neither knows topics or memory.

/// Where the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum State {
    /// No connection. Commands are kept for the next one.
    Offline,
    /// CONNECT is on its way, or CONNACK is.
    Connecting,
    /// CONNACK came; SUBACK has not. Messages may arrive already.
    Subscribing,
    /// Everything works.
    Ready,
    /// `disconnect` was called: what is in flight settles, nothing new is begun.
    Draining,
    /// DISCONNECT is on its way. Input is ignored.
    Closing,
    /// The connection ended with a fatal error, which is repeated until `connect`.
    Failed,
}

impl State {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Offline, Self::Connecting, Self::Subscribing, Self::Ready, Self::Draining, Self::Closing, Self::Failed];

    /// Whether CONNACK came and the connection is not being closed: packets flow.
    pub(crate) const fn is_connected(self) -> bool {
        matches!(self, Self::Subscribing | Self::Ready | Self::Draining)
    }

    /// Whether there is a connection to lose.
    pub(crate) const fn has_connection(self) -> bool {
        !matches!(self, Self::Offline | Self::Failed)
    }
}

/// What moves the machine from state to state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Trigger {
    /// The application called `connect`.
    Connect,
    /// CONNACK with code 0.
    Accepted,
    /// SUBACK, or nothing to subscribe.
    Subscribed,
    /// The application called `disconnect`.
    Disconnect,
    /// Nothing is in flight any more, or it was waited for long enough.
    Drained,
    /// DISCONNECT is sent, or was waited for long enough.
    Closed,
    /// The transport ended.
    Eof,
    /// The peer or a deadline ended it.
    Fatal,
}

/// Every transition there is. What is not here does not happen.
const TRANSITIONS: [(State, Trigger, State); 24] = {
    use State::{Closing, Connecting, Draining, Failed, Offline, Ready, Subscribing};
    [
        (Offline, Trigger::Connect, Connecting),
        (Failed, Trigger::Connect, Connecting),
        (Connecting, Trigger::Accepted, Subscribing),
        (Subscribing, Trigger::Subscribed, Ready),
        // Before CONNACK there is nothing to drain and nobody to say goodbye to.
        (Connecting, Trigger::Disconnect, Offline),
        (Subscribing, Trigger::Disconnect, Draining),
        (Ready, Trigger::Disconnect, Draining),
        (Draining, Trigger::Drained, Closing),
        // A second `disconnect` does not wait.
        (Draining, Trigger::Disconnect, Closing),
        (Closing, Trigger::Closed, Offline),
        (Closing, Trigger::Disconnect, Closing),
        (Connecting, Trigger::Eof, Offline),
        (Subscribing, Trigger::Eof, Offline),
        (Ready, Trigger::Eof, Offline),
        (Draining, Trigger::Eof, Offline),
        (Closing, Trigger::Eof, Offline),
        (Offline, Trigger::Eof, Offline),
        (Failed, Trigger::Eof, Failed),
        (Connecting, Trigger::Fatal, Failed),
        (Subscribing, Trigger::Fatal, Failed),
        (Ready, Trigger::Fatal, Failed),
        (Draining, Trigger::Fatal, Failed),
        // SUBACK while draining: known, but no reason to go back.
        (Draining, Trigger::Subscribed, Draining),
        (Offline, Trigger::Disconnect, Offline),
    ]
};

/// The state after `trigger`, or `None` if it does not belong here.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn next(state: State, trigger: Trigger) -> Option<State> {
    TRANSITIONS.iter().find(|(from, by, _)| *from == state && *by == trigger).map(|(_, _, to)| *to)
}

/// What the application may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Command {
    Connect,
    Disconnect,
    /// Telemetry and its withdrawal, twin requests, more subscriptions: kept for the next connection if need
    /// be, so legal everywhere.
    Queue,
    /// Accepting or leaving a message, answering a method: they belong to a living connection.
    Settle,
}

/// Which command is legal in which state: a row a state, in the order of [`State::ALL`]; a column a command.
const PERMISSIONS: [[bool; 4]; 7] = [
    // Connect, Disconnect, Queue, Settle
    [true, true, true, false],  // Offline
    [false, true, true, false], // Connecting
    [false, true, true, true],  // Subscribing
    [false, true, true, true],  // Ready
    [false, true, true, true],  // Draining
    [false, true, true, false], // Closing
    [true, false, true, false], // Failed
];

/// Whether `command` is legal in `state`.
pub(crate) fn permits(state: State, command: Command) -> bool {
    let row = PERMISSIONS.get(state as usize);
    row.and_then(|row| row.get(command as usize)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_is_unique_and_every_state_has_a_way_out() {
        for (index, (from, by, _)) in TRANSITIONS.iter().enumerate() {
            let twin = TRANSITIONS.iter().skip(index + 1).find(|(f, b, _)| f == from && b == by);
            assert!(twin.is_none(), "{from:?} × {by:?} twice");
        }
        for state in State::ALL {
            assert!(TRANSITIONS.iter().any(|(from, _, to)| *from == state && *to != state), "{state:?} is a trap");
            assert!(TRANSITIONS.iter().any(|(_, _, to)| *to == state), "{state:?} cannot be reached");
        }
    }

    #[test]
    fn every_state_survives_the_end_of_the_transport() {
        for state in State::ALL {
            let after = next(state, Trigger::Eof);
            assert!(matches!(after, Some(State::Offline | State::Failed)), "{state:?}: {after:?}");
        }
    }

    #[test]
    fn a_permission_row_stands_for_every_state() {
        for (index, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index, "rows are in the order of the states");
            assert!(permits(state, Command::Queue), "commands are queued in every state");
            assert_eq!(permits(state, Command::Settle), state.is_connected(), "{state:?}");
            assert_eq!(permits(state, Command::Connect), next(state, Trigger::Connect).is_some(), "{state:?}");
            assert_eq!(permits(state, Command::Disconnect), next(state, Trigger::Disconnect).is_some(), "{state:?}");
        }
    }
}
