//! What the service's answers say. The status in the topic comes first; of a success the body's own word counts.

use super::event::Assignment;
use crate::error::RegistrationError;
use crate::wire::{JsonError, JsonText, JsonValue, json_value};

/// A body in the terms of a registration.
#[derive(Debug)]
pub(super) enum Answer<'i> {
    /// Ask again, with this operation id if there is one.
    Assigning(Option<&'i str>),
    Assigned(Assignment<'i>),
}

/// Reads the body of an answer with a status of success.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Answer<'_>, RegistrationError> {
    let bad = RegistrationError::BadAnswer { status };
    let get = |path: &[&str]| json_value(body, path).map_err(|_: JsonError| bad);
    let text = |path: &[&str]| get(path).map(|value| value.and_then(JsonValue::text));
    let plain = |path: &[&str]| text(path).map(|text| text.and_then(JsonText::plain));

    let word = match plain(&["status"])? {
        None => plain(&[STATE, "status"])?,
        word => word,
    };
    match word {
        Some("assigned") => {
            let payload = get(&[STATE, "payload"])?.filter(|payload| !payload.is_null());
            Ok(Answer::Assigned(Assignment {
                assigned_hub: plain(&[STATE, "assignedHub"])?.filter(|hub| !hub.is_empty()).ok_or(bad)?,
                device_id: text(&[STATE, "deviceId"])?.filter(|id| !id.raw().is_empty()).ok_or(bad)?,
                substatus: plain(&[STATE, "substatus"])?.unwrap_or_default(),
                payload: payload.map_or(&[], JsonValue::raw),
            }))
        }
        Some("assigning" | "unassigned") => Ok(Answer::Assigning(plain(&["operationId"])?)),
        // The word is the service's to leave out, as long as the status says the same.
        None if status == 202 => Ok(Answer::Assigning(plain(&["operationId"])?)),
        Some("failed") => Err(RegistrationError::Failed { code: code(body) }),
        Some("disabled") => Err(RegistrationError::Disabled),
        _ => Err(bad),
    }
}

/// What a registration has come to is a member of its own.
const STATE: &str = "registrationState";

/// The service's error code; 0 if there is none, or no body that can be read.
pub(super) fn code(body: &[u8]) -> u32 {
    let paths: [&[&str]; 2] = [&["errorCode"], &[STATE, "errorCode"]];
    let codes = paths.into_iter().filter_map(|path| json_value(body, path).ok()??.number());
    codes.filter_map(|code| u32::try_from(code).ok()).find(|code| *code != 0).unwrap_or_default()
}
