//! Output: what is lent is frozen, what half-sent packets come to, which lane is next, and how it ends.

use iothub_proto::error::{TimeoutReason, UsageError};
use iothub_proto::event::KeptRequestId;
use iothub_proto::topic::Features;
use iothub_proto::{Settings, State, Telemetry};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, packets, quiet, suback};

mod every_kind;
mod half_sent;
mod order;

#[path = "../common/mod.rs"]
mod common;
use common::{puback, publish, sent_id};

const C2D: &str = "devices/dev1/messages/devicebound/";
const D2C: &str = "devices/dev1/messages/events/";
const METHOD: &str = "$iothub/methods/POST/blink/?$rid=7";

fn settings() -> Settings {
    Settings { features: Features::ALL_DEVICE, ..quiet() }
}

fn call(rig: &mut Rig<'_>) -> KeptRequestId {
    let events = rig.feed(&publish(0x30, METHOD, None, b"{}")).events;
    let [Seen::Method { request, .. }] = events.as_slice() else { panic!("{events:?}") };
    *request
}
