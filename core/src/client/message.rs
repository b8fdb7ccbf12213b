//! Cloud-to-device messages and module inputs: accepted or left, in order.

use super::machine::{Machine, Parts};
use crate::error::{Error, UsageError};
use crate::event::MessageToken;
use crate::session::state::Command;
use crate::storage::Storage;
use crate::storage::window::Decision;
use crate::time::Instant;

impl Machine {
    /// Accepts or leaves the message `token`.
    pub(crate) fn settle_message(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        token: MessageToken,
        decision: Decision,
    ) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            let connected = this.session.check(Command::Settle).is_ok();
            if !connected || !this.decide(&mut parts.storage, token, decision) {
                return Err(UsageError::Stale.into());
            }
            Ok(())
        })
    }

    /// `false` if there is nothing (any more) to decide about this token.
    pub(super) fn decide(&mut self, storage: &mut Storage<'_>, token: MessageToken, decision: Decision) -> bool {
        let current = token.generation == self.session.generation();
        current && self.session.window.decide(storage.inbound, token.number, decision)
    }
}
