//! Direct methods.

use iothub_proto::time::{Duration, Instant};

use super::{
    CloseReason, Hub,
    topic::{Feature, parse_request_bag},
};

/// Largest request or answer in bytes.
const MAX_BODY: usize = 128 * 1024;

/// Names a call of a method; counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u32);

/// How a call stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallResult {
    /// No answer yet.
    Pending,
    /// The client answered.
    Answered {
        /// Its status, passed through.
        status: i32,
        /// Its payload: JSON or empty.
        payload: Vec<u8>,
    },
    /// The client is not connected, or not subscribed to methods (404103).
    NotOnline,
    /// No answer in time (504101).
    TimedOut,
}

/// A call that was made.
#[derive(Debug)]
pub(super) struct Call {
    client_id: String,
    rid: String,
    deadline: Instant,
    result: CallResult,
}

impl Hub {
    /// Calls a method. The result is had by [`Hub::call_result`].
    pub fn invoke(&mut self, client_id: &str, method: &str, payload: &[u8], timeout: Duration) -> CallId {
        let id = CallId(self.calls_made() + 1);
        let rid = format!("{}{:x}", self.config.request_id_prefix, id.0);
        let topic = format!("$iothub/methods/POST/{method}/?$rid={rid}");
        let qos = self.config.notification_qos;
        let sent = self.publish_to(client_id, Feature::Methods, qos, (topic, payload), None);
        let result = if sent.is_some() { CallResult::Pending } else { CallResult::NotOnline };
        self.calls.push(Call { client_id: client_id.to_owned(), rid, deadline: self.now + timeout, result });
        id
    }

    /// How a call stands; `NotOnline` for one that was never made.
    #[must_use]
    pub fn call_result(&self, id: CallId) -> CallResult {
        let call = (id.0 as usize).checked_sub(1).and_then(|index| self.calls.get(index));
        call.map_or(CallResult::NotOnline, |call| call.result.clone())
    }

    /// How many calls were made so far; the last one has this number.
    #[must_use]
    pub fn calls_made(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }

    /// How many answers came too late, twice, or to no call at all.
    #[must_use]
    pub const fn stray_answers(&self) -> u32 {
        self.stray_answers
    }

    /// A publish to `$iothub/methods/res/…`; `rest` is what follows.
    pub(super) fn on_method_answer(
        &mut self,
        client_id: &str,
        rest: &str,
        payload: Vec<u8>,
    ) -> Result<(), CloseReason> {
        let parsed = rest.split_once('/').and_then(|(status, bag)| Some((status.parse::<i32>().ok()?, bag)));
        let (status, bag) = parsed.ok_or(CloseReason::Violation("method answer without a status"))?;
        let bag = parse_request_bag(bag).map_err(CloseReason::Violation)?;
        let [("$rid", rid)] = bag.as_slice() else {
            return Err(CloseReason::Violation("method answer with another bag than $rid"));
        };
        if payload.len() > MAX_BODY || !is_json_or_empty(&payload) {
            return Err(CloseReason::Violation("method answer that is too large or no JSON"));
        }
        let waiting =
            |call: &&mut Call| call.rid == *rid && call.client_id == client_id && call.result == CallResult::Pending;
        match self.calls.iter_mut().find(waiting) {
            Some(call) => call.result = CallResult::Answered { status, payload },
            None => self.stray_answers += 1,
        }
        Ok(())
    }

    /// The next deadline of a call.
    pub(super) fn next_call_deadline(&self) -> Option<Instant> {
        let pending = self.calls.iter().filter(|call| call.result == CallResult::Pending);
        pending.map(|call| call.deadline).min()
    }

    /// Gives up the calls whose time is over.
    pub(super) fn expire_calls(&mut self) {
        for call in &mut self.calls {
            if call.result == CallResult::Pending && call.deadline <= self.now {
                call.result = CallResult::TimedOut;
            }
        }
    }
}

fn is_json_or_empty(payload: &[u8]) -> bool {
    payload.is_empty() || serde_json::from_slice::<serde_json::Value>(payload).is_ok()
}
