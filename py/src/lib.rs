//! `iothub_proto._native`: the state machine of `iothub-proto` for Python. Thin: what it adds is conversion.
//!
//! Calls take microseconds, so the interpreter is never released, and a client is one thread's at a time: a call that
//! meets another in progress raises.
#![forbid(unsafe_code)]
// What `#[pymethods]` makes inside a `macro_rules!` is taken for ours.
#![allow(unsafe_op_in_unsafe_fn)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod auth;
mod client;
mod driver;
mod enums;
mod errors;
mod events;
mod identity;
mod input;
mod outgoing;
mod properties;
mod provisioning;
mod record;
mod retry;
mod settings;
mod stream;
mod time;
mod twin;
mod websocket;

/// The native half of `iothub_proto`; import from there.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::auth::{ConnectionString, SharedAccessKey, registration_uri, resource_uri, sas_token, string_to_sign};
    #[pymodule_export]
    use crate::client::{Client, Pending};
    #[pymodule_export]
    use crate::events::{
        Connected, CredentialExpiring, Disconnected, Message, MessageLeft, MethodCall, Ready, RequestId, Skipped,
        Subscribed, Suspect, TelemetryAcked, TwinDesired, TwinDocument, TwinReported, TwinRequestFailed,
        TwinSyncFailed, Unknown,
    };
    #[pymodule_export]
    use crate::identity::{Identity, Registration};
    #[pymodule_export]
    use crate::outgoing::Telemetry;
    #[pymodule_export]
    use crate::properties::{SystemProperties, all_pairs, application_pairs, read_bag, system_properties};
    #[pymodule_export]
    use crate::provisioning::{Assigned, Assigning, NotAssigned, ProvisioningClient, Throttled};
    #[pymodule_export]
    use crate::retry::{Backoff, Retry, RetryPolicy};
    #[pymodule_export]
    use crate::settings::{Limits, Settings};
    #[pymodule_export]
    use crate::stream::{StreamBegin, StreamEnd, StreamPiece};
    #[pymodule_export]
    use crate::twin::{TwinReplica, check_patch};
    #[pymodule_export]
    use crate::websocket::WebSocket;

    /// The version of the package and of the machine in it.
    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name.
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
