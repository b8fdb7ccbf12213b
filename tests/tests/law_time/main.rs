//! Time: which deadline is next and why, what passes when it does, and clocks that go backwards or far.

use iothub_proto::error::{Error, TimeoutReason, UsageError};
use iothub_proto::event::RequestError;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, quiet};

mod any_step;
mod clock;
mod deadlines;

#[path = "../common/mod.rs"]
mod common;
use common::{puback, publish};

const FAR: Duration = Duration::MAX;

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds)
}

/// Every timeout differs, in seconds.
fn distinct() -> Settings {
    Settings {
        keep_alive: 400,
        connect_timeout: seconds(11),
        subscribe_timeout: seconds(12),
        ping_timeout: seconds(13),
        puback_timeout: seconds(14),
        send_timeout: seconds(15),
        request_timeout: seconds(16),
        drain_timeout: seconds(17),
        close_timeout: seconds(18),
        ..Settings::default()
    }
}

fn next(rig: &Rig<'_>) -> Option<(TimeoutReason, u64)> {
    let client = &rig.client;
    Some((client.timeout_reason()?, client.poll_timeout()?.as_millis()))
}
