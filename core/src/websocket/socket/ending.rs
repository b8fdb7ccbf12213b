//! How a [`WebSocket`] ends: by us, by the server, by an error, or with its transport (RFC 6455 §7).

use super::WebSocket;
use crate::error::{WebSocketError, WebSocketViolation as Violation};
use crate::time::{Duration, Instant};
use crate::websocket::State;

/// How long the closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Done (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;
/// The other side broke the protocol.
const PROTOCOL_ERROR: u16 = 1002;
/// The other side sent what cannot be taken: text.
const UNACCEPTABLE: u16 = 1003;

/// Our Close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goodbye {
    Unsaid,
    /// It is next, with this code.
    Due(Option<u16>),
    Lent,
    Sent,
}

impl WebSocket<'_> {
    /// A polite end, after that of the machine above: a last frame, and the server's answer to it, for which it
    /// waits 2 s at most. It is over when [`state`](Self::state) is [`Closed`](State::Closed). What comes in before
    /// that is still given on; a frame of which a byte has left is finished, but none of it is the machine's any more.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadInstant`](crate::error::UsageError::BadInstant).
    pub fn disconnect(&mut self, now: Instant) -> Result<(), WebSocketError> {
        self.observe(now)?;
        // The machine's own lend has ended with its connection: it would refuse to have it confirmed.
        self.lend.disown();
        match self.state {
            State::Upgrading => self.end(State::Closed),
            State::Open => self.say_goodbye(Some(NORMAL)),
            State::Offline | State::Closing | State::Closed => {}
        }
        Ok(())
    }

    /// The transport is gone, by whatever cause. Nothing is lent any more.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadInstant`](crate::error::UsageError::BadInstant).
    pub fn handle_eof(&mut self, now: Instant) -> Result<(), WebSocketError> {
        self.observe(now)?;
        self.end(State::Offline);
        Ok(())
    }

    pub(super) fn closed_by_peer(&mut self, code: Option<u16>) {
        self.peer_done = true;
        match self.goodbye {
            Goodbye::Unsaid => {
                self.error = Some(WebSocketError::Closed { code });
                self.say_goodbye(code);
            }
            Goodbye::Due(_) | Goodbye::Lent => {}
            Goodbye::Sent => self.end(State::Closed),
        }
    }

    pub(in crate::websocket) fn fail(&mut self, error: WebSocketError) {
        self.error = Some(error);
        self.peer_done = true;
        match (self.state, self.goodbye) {
            // Before the upgrade there are no frames to tell it with.
            (State::Upgrading, _) | (_, Goodbye::Sent) => self.end(State::Closed),
            (_, Goodbye::Due(_) | Goodbye::Lent) => {}
            (_, Goodbye::Unsaid) => self.say_goodbye(Some(match error {
                WebSocketError::Peer(Violation::TextFrame) => UNACCEPTABLE,
                _ => PROTOCOL_ERROR,
            })),
        }
    }

    fn say_goodbye(&mut self, code: Option<u16>) {
        self.goodbye = Goodbye::Due(code);
        self.state = State::Closing;
        self.deadline = self.now.after(CLOSE_TIMEOUT);
    }

    pub(super) fn end(&mut self, state: State) {
        self.state = state;
        self.deadline = Instant::NEVER;
        self.lend.wipe(self.window.bytes());
    }

    pub(super) fn goodbye_sent(&mut self) {
        self.goodbye = Goodbye::Sent;
        self.deadline = self.now.after(CLOSE_TIMEOUT);
        if self.peer_done {
            self.end(State::Closed);
        }
    }
}
