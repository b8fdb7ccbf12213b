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
    let flags = fields.u8()?;
    if flags > 1 {
        return Err(fields.error(Violation::BadConnackFlags, flags_at));
    }
    let code_at = fields.offset();
    let code = fields.u8()?;
    let refusal = ConnectRefusal::from_code(code);
    if code != 0 && refusal.is_none() {
        return Err(fields.error(Violation::BadReturnCode, code_at));
    }
    let session_present = flags == 1;
    if session_present && refusal.is_some() {
        return Err(fields.error(Violation::BadSessionPresent, flags_at));
    }
    Ok(Connack { session_present, refusal })
}
