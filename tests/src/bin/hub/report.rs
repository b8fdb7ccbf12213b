//! What happens, as it happens.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use iothub_tests::{
    hub::{CallId, CallResult, Hub},
    server::Server,
};
use serde_json::{Value, json};

use super::print;

/// Prints what happens, as it happens.
pub(crate) fn report(server: &Server, stop: &AtomicBool) {
    let mut seen = Seen::default();
    while !stop.load(Ordering::SeqCst) {
        let events = server.wait(Duration::from_secs(3_600), |hub| {
            let events = seen.news(hub);
            (!events.is_empty() || stop.load(Ordering::SeqCst)).then_some(events)
        });
        for event in events.into_iter().flatten() {
            print(&event);
        }
    }
}

/// What has been printed already.
#[derive(Default)]
struct Seen {
    violations: usize,
    registered: usize,
    /// Calls are counted from 1; this many are over and printed, or in `open`.
    calls: u32,
    open: VecDeque<CallId>,
}

impl Seen {
    fn news(&mut self, hub: &mut Hub) -> Vec<Value> {
        let mut events = Vec::new();
        for telemetry in hub.take_telemetry() {
            events.push(json!({
                "event": "telemetry",
                "from": telemetry.client_id,
                "qos": telemetry.qos,
                "dup": telemetry.dup,
                "properties": telemetry.properties,
                "text": str::from_utf8(&telemetry.payload).ok(),
                "base64": STANDARD.encode(&telemetry.payload),
            }));
        }
        for violation in &hub.violations()[self.violations..] {
            events.push(json!({ "event": "violation", "from": violation.client_id, "what": violation.what }));
        }
        self.violations = hub.violations().len();
        for registered in &hub.dps.registered()[self.registered..] {
            events.push(json!({
                "event": "registered",
                "from": registered.registration_id,
                "payload": registered.payload,
                "hub": registered.hub,
            }));
        }
        self.registered = hub.dps.registered().len();
        self.open.extend((self.calls..hub.calls_made()).map(|made| CallId(made + 1)));
        self.calls = hub.calls_made();
        self.open.retain(|&call| {
            let (status, payload) = match hub.call_result(call) {
                CallResult::Pending => return true,
                CallResult::Answered { status, payload } => (status, String::from_utf8_lossy(&payload).into_owned()),
                CallResult::NotOnline => (404_103, String::new()),
                CallResult::TimedOut => (504_101, String::new()),
            };
            events.push(json!({ "event": "answer", "call": call.0, "status": status, "payload": payload }));
            false
        });
        events
    }
}
