//! CONNACK (MQTT 3.1.1 §3.2): the hub's answer to CONNECT.

use crate::error::{ConnectRefusal, PeerError, Violation};
use crate::wire::Fields;

/// What the hub says to CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Connack {
    /// Whether the hub has kept a session of this device. Never with a refusal.
    pub session_present: bool,
    /// Why the connection is refused; `None` if it is accepted.
    pub refusal: Option<ConnectRefusal>,
}

pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Connack, PeerError> {
    let flags_at = fields.offset();
    let Some(body) = fields.u16() else { return Err(fields.error(Violation::Truncated, flags_at)) };
    let [flags, code] = body.to_be_bytes();
    let session_present = flags == 1;
    let refusal = ConnectRefusal::from_code(code);
    let (violation, at) = if flags > 1 {
        (Violation::BadConnackFlags, flags_at)
    } else if code != 0 && refusal.is_none() {
        (Violation::BadReturnCode, flags_at.wrapping_add(1))
    } else if session_present && refusal.is_some() {
        (Violation::BadSessionPresent, flags_at)
    } else {
        return Ok(Connack { session_present, refusal });
    };
    Err(fields.error(violation, at))
}
