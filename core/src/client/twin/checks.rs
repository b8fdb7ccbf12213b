//! What tests and the search of the small scope look at.

use super::{Machine, NEEDED, TwinSync};
use crate::error::TimeoutReason;
use crate::session::state::State;

impl Machine {
    /// As [`Session::put_key`](crate::session::Session::put_key), for synchronisation.
    pub(crate) fn put_sync_key(&self, timed: bool, out: &mut std::vec::Vec<u8>) {
        let TwinSync { have, seen, failed, outstanding, last, apart, .. } = &self.twin;
        // Versions count from what the application has.
        out.extend([have.is_some(), seen > &have.unwrap_or(0), *failed, *outstanding].map(u8::from));
        if timed {
            let ago = self.session.now().since(*last).as_millis().min(60_000) as u32;
            out.extend([ago, apart.as_millis() as u32].iter().flat_map(|span| span.to_le_bytes()));
        }
    }

    /// Panics if a desired version is missing and nothing would ever fetch it.
    pub(crate) fn check_synced(&self, settings: &crate::config::Settings) {
        assert!(!self.session.wants_request || !self.twin.outstanding);
        let active = settings.twin_sync && !self.twin.failed && self.granted.contains(NEEDED);
        let missing = self.twin.have.is_none_or(|have| self.twin.seen > have);
        let coming =
            self.twin.outstanding || self.session.wants_request || self.session.is_armed(TimeoutReason::TwinRefetch);
        assert!(!active || !missing || coming || self.session.state() != State::Ready, "{:?}", self.twin);
    }
}
