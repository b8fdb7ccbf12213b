//! The sizes of what crosses the interface, on 64 and 32 bits: changing one breaks every caller. `tests/abi.c` holds C to
//! the same.

#[cfg(feature = "websocket")]
use crate::websocket::*;
use crate::{
    auth::*, client::*, config::*, error::*, event::*, json::*, patch::*, pnp::*, properties::*, request::*, retry::*,
};
#[cfg(feature = "provisioning")]
use crate::{provisioning::*, registration::*};
use crate::{state::*, stream::*, telemetry::*, types::*};
use core::mem::size_of;

/// Where 64 bits are aligned to 64 bits, as on ARM, a struct that has such a field is a multiple of that.
const fn wide(size: usize) -> usize {
    size.next_multiple_of(align_of::<u64>())
}

macro_rules! sizes {
    ($($name:ident: $on_64:expr, $on_32:expr;)*) => { $(
        const _: () = assert!(size_of::<$name>() == if size_of::<usize>() == 8 { $on_64 } else { $on_32 });
    )* };
}

sizes! {
    iothub_backoff: 68, 68;
    iothub_bytes: 16, 8;
    iothub_client: 768, wide(640);
    iothub_config: 160, 112;
    iothub_connect: 40, 28;
    iothub_connection_string: 120, 60;
    iothub_desired_iter: 144, 144;
    iothub_desired_property: 48, 24;
    iothub_error: 20, 20;
    iothub_event: 104, wide(56);
    iothub_event_acked: 4, 4;
    iothub_event_assigned: 64, 32;
    iothub_event_assigning: 12, 12;
    iothub_event_connected: 1, 1;
    iothub_event_disconnected: 40, 40;
    iothub_event_message: 56, 32;
    iothub_event_method_call: 56, 28;
    iothub_event_part_wanted: 12, 12;
    iothub_event_refused: 48, 36;
    iothub_event_request_failed: 40, wide(32);
    iothub_event_skipped: 56, 32;
    iothub_event_stream_begin: 72, 44;
    iothub_event_stream_end: 24, wide(20);
    iothub_event_stream_piece: 24, 12;
    iothub_event_subscribed: 8, 8;
    iothub_event_twin_desired: 32, wide(20);
    iothub_event_twin_document: 32, wide(24);
    iothub_event_twin_reported: 16, wide(12);
    iothub_event_union: 96, wide(48);
    iothub_event_unknown: 40, 20;
    iothub_inbound: 4, 4;
    iothub_json_reader: 96, 96;
    iothub_kept_request: 52, 52;
    iothub_patch: 64, 32;
    iothub_pending: 16, 16;
    iothub_property: 32, 16;
    iothub_property_iter: 24, 12;
    iothub_received_property: 40, 20;
    iothub_request: 24, 12;
    iothub_resource: 56, 32;
    iothub_retry: 8, 8;
    iothub_retry_policy: 60, 60;
    iothub_rx: 48, 24;
    iothub_schedule: 12, 12;
    iothub_slot: 40, wide(40);
    iothub_storage: 56, 28;
    iothub_str: 16, 8;
    iothub_system_properties: 296, 148;
    iothub_telemetry: 48, 28;
}

#[cfg(feature = "provisioning")]
sizes! {
    iothub_provisioning: 832, 704;
    iothub_provisioning_config: 112, 68;
}

#[cfg(feature = "websocket")]
sizes! {
    iothub_upgrade: 80, 64;
    iothub_websocket: 512, 480;
}

#[cfg(feature = "sas")]
const _: () = assert!(size_of::<crate::key::iothub_key>() == 72);
