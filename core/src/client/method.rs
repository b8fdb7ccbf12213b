//! Direct methods: answered once, on the connection they came on.

use super::machine::{Machine, Parts};
use crate::error::{Error, UsageError};
use crate::event::RequestId;
use crate::packet::{QoS, publish};
use crate::session::state::Command;
use crate::storage::SlotKind;
use crate::time::Instant;
use crate::topic::method;

/// The hub carries at most 128 KiB each way.
const MAX_BODY: usize = 128 * 1024;

impl Machine {
    pub(crate) fn method_respond(
        &mut self,
        parts: &mut Parts<'_>,
        now: Instant,
        request: &RequestId<'_>,
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
            let first = publish::first_byte(QoS::AtMostOnce, false, false);
            this.session.enqueue(&mut parts.storage, SlotKind::Answer, first, &mut |w, _| {
                let mut topic = |w: &mut crate::wire::Writer<'_>| {
                    method::put_response_topic(w, status, request.as_bytes());
                };
                super::telemetry::check_topic(publish::put_body(w, &mut topic, None, body))
            })?;
            this.session.method_answered();
            Ok(())
        })
    }
}
