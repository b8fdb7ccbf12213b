//! Direct methods: answered once, on the connection they came on.

use super::machine::{Machine, Parts};
use crate::error::{Error, UsageError};
use crate::event::RequestId;
use crate::packet::{QoS, publish};
use crate::session::state::Command;
use crate::session::{Body, Ident};
use crate::storage::SlotKind;
use crate::time::Instant;
use crate::topic::method;
use crate::wire::Writer;

/// The hub carries at most 128 KiB each way.
const MAX_BODY: usize = 128 * 1024;

impl Machine {
    pub(crate) fn method_respond(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        request: RequestId<'_>,
        status: u16,
        body: &[u8],
    ) -> Result<(), Error> {
        self.at(parts, now, |this, parts| {
            let connected = this.session.check(Command::Settle).is_ok();
            if !connected || request.generation != this.session.generation() {
                return Err(UsageError::Stale.into());
            }
            if body.len() > MAX_BODY {
                return Err(UsageError::MessageTooLarge { len: body.len(), limit: MAX_BODY }.into());
            }
            let answer = Answer { status, request: request.as_str().as_bytes(), body };
            let first = publish::first_byte(QoS::AtMostOnce, false, false);
            this.session.enqueue(&mut parts.storage, SlotKind::Answer, first, &answer)?;
            this.session.method_answered();
            Ok(())
        })
    }
}

struct Answer<'m> {
    status: u16,
    request: &'m [u8],
    body: &'m [u8],
}

impl Body for Answer<'_> {
    fn put_topic(&self, w: &mut Writer<'_>, _: Ident) -> Result<(), UsageError> {
        method::put_response_topic(w, self.status, self.request);
        Ok(())
    }

    fn payload(&self) -> &[u8] {
        self.body
    }
}
