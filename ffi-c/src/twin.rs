//! What an application asks of its twin. Not in a library built without the feature `twin`.

use crate::guard;
use crate::ptr::{self, Misuse};
use crate::status::{IOTHUB_OK, iothub_status};
use crate::translate;
use crate::types::{iothub_bytes, iothub_client, iothub_token};
use iothub_proto::event::TwinToken;
use iothub_proto::time::Instant;

/// Asks for the whole twin. It ends in IOTHUB_EVENT_TWIN_DOCUMENT or IOTHUB_EVENT_REQUEST_FAILED.
///
/// @param[out] token What names the request; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_NOT_SUBSCRIBED without IOTHUB_FEATURE_TWIN.
/// @retval IOTHUB_ERR_TX_FULL, IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
/// @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_twin_get(
    client: *mut iothub_client,
    now_ms: u64,
    token: *mut iothub_token,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let token = ptr::optional_out(token)?;
        let made = guard::with(client, |client| client.twin_get(Instant::from_millis(now_ms)))?;
        give(token, made)
    })
}

/// Reports properties: a JSON merge patch. It ends in IOTHUB_EVENT_TWIN_REPORTED or IOTHUB_EVENT_REQUEST_FAILED.
///
/// @param patch The patch. It is copied.
/// @param[out] token What names the request; may be NULL.
/// @retval IOTHUB_OK
/// @retval IOTHUB_ERR_NULL, IOTHUB_ERR_MISALIGNED, IOTHUB_ERR_NOT_INITIALIZED, IOTHUB_ERR_INTERNAL as said above.
/// @retval IOTHUB_ERR_BAD_LENGTH of `patch`.
/// @retval IOTHUB_ERR_BAD_INSTANT `now_ms` is too large.
/// @retval IOTHUB_ERR_NOT_SUBSCRIBED without IOTHUB_FEATURE_TWIN.
/// @retval IOTHUB_ERR_BAD_PATCH It breaks a rule of twins; see iothub_client_last_error(). Only a library built with the
/// feature `json` looks.
/// @retval IOTHUB_ERR_TX_FULL, IOTHUB_ERR_SLOTS_FULL Not now: when something in flight is settled.
/// @retval IOTHUB_ERR_TOO_LARGE It can never fit into `tx`.
///
/// # Safety
///
/// The pointers point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_client_twin_report(
    client: *mut iothub_client,
    now_ms: u64,
    patch: iothub_bytes,
    token: *mut iothub_token,
) -> iothub_status {
    // SAFETY: the caller's promise.
    guard::call(|| unsafe {
        let token = ptr::optional_out(token)?;
        let patch = ptr::bytes(patch)?;
        let made = guard::with(client, |client| client.twin_report(Instant::from_millis(now_ms), patch))?;
        give(token, made)
    })
}

fn give(token: Option<&mut iothub_token>, made: TwinToken) -> Result<iothub_status, Misuse> {
    if let Some(token) = token {
        *token = translate::twin_number(made);
    }
    Ok(IOTHUB_OK)
}
