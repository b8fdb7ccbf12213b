//! The application: what a device does with the events it is told.

use std::collections::HashMap;

use iothub_proto::error::Error;
use iothub_proto::event::{Message, RequestId, TelemetryToken, TwinToken};
use iothub_proto::time::Instant;
use iothub_proto::topic::{Encoded, SystemProperties};
use iothub_proto::twin::TwinReplica;
use iothub_proto::{Client, Event, Telemetry};
use serde_json::{Value, json};

use super::transcript::{Transcript, excerpt};

/// The desired property that this device understands.
pub(crate) const INTERVAL: &str = "interval";
/// The direct method that this device understands.
pub(crate) const BLINK: &str = "blink";
/// A property with characters that a topic must escape.
pub(crate) const ROOM: (&str, &str) = ("room", "kitchen & hall, 100%");

/// Telemetry messages without an acknowledgement at most.
pub(crate) const WINDOW: usize = 56;

/// The application's state, and what it has seen so far.
pub(crate) struct App<'t> {
    /// What is told to whoever watches.
    pub(crate) log: &'t Transcript,
    /// Telemetry messages given to the client, and acknowledged.
    pub(crate) sent: u32,
    /// Of these, acknowledged.
    pub(crate) acknowledged: u32,
    /// Acknowledgements of a message that was acknowledged before, or never sent.
    pub(crate) unexpected: u32,
    /// Cloud-to-device messages accepted, and the last of them with its properties.
    pub(crate) messages: u32,
    pub(crate) last_message: String,
    /// Direct methods answered.
    pub(crate) methods: u32,
    /// Twin documents received.
    pub(crate) documents: u32,
    /// Desired patches received.
    pub(crate) patches: u32,
    /// The device's copy of its twin.
    pub(crate) twin: Option<TwinReplica>,
    /// The token should be renewed.
    pub(crate) credential_expiring: bool,
    in_flight: HashMap<TelemetryToken, u32>,
    /// Reported patches on their way.
    reports: HashMap<TwinToken, Value>,
}

impl<'t> App<'t> {
    /// An application that has seen nothing.
    pub(crate) fn new(log: &'t Transcript) -> Self {
        Self {
            log,
            sent: 0,
            acknowledged: 0,
            unexpected: 0,
            messages: 0,
            last_message: String::new(),
            methods: 0,
            documents: 0,
            patches: 0,
            twin: None,
            credential_expiring: false,
            in_flight: HashMap::new(),
            reports: HashMap::new(),
        }
    }

    /// Sends one message, unless there is no room until an earlier one is acknowledged. Its property `n` says
    /// which it is.
    ///
    /// # Errors
    /// The client refuses it.
    pub(crate) fn send_telemetry(&mut self, client: &mut Client<'_>, now: Instant) -> Result<bool, Error> {
        // Telemetry could fill the client's memory, and answers and reports need some of it too.
        if self.in_flight.len() >= WINDOW {
            return Ok(false);
        }
        let n = self.sent.to_string();
        let payload = json!({ "temperature": 20.0 + f64::from(self.sent % 40) / 10.0 }).to_string();
        let message = Telemetry {
            payload: payload.as_bytes(),
            properties: &[("n", n.as_str()), ROOM],
            system: &SystemProperties {
                content_type: Some("application/json"),
                content_encoding: Some("utf-8"),
                ..Default::default()
            },
            ..Default::default()
        };
        let token = client.send_telemetry(now, &message)?;
        self.in_flight.insert(token, self.sent);
        self.sent += 1;
        Ok(true)
    }

    /// Takes one event. It borrows the input only, so the client can be called meanwhile (law 1).
    ///
    /// # Errors
    /// The client refuses what follows from it.
    pub(crate) fn take(&mut self, client: &mut Client<'_>, now: Instant, event: &Event<'_>) -> Result<(), Error> {
        match *event {
            Event::Connected { session_present: true } => self.log.hub("accepts the device and resumes its session"),
            Event::Connected { session_present: false } => self.log.hub("accepts the device and begins a session"),
            Event::Ready { refused } if !refused.is_empty() => self.log.hub("refuses some of the subscriptions"),
            Event::Ready { .. } if self.documents == 0 => self.log.hub("grants every subscription: ready"),
            // What was granted before is not worth another line.
            Event::Ready { .. } => {}
            Event::TelemetryAcked(token) => match self.in_flight.remove(&token) {
                Some(_) => self.acknowledged += 1,
                None => self.unexpected += 1,
            },
            Event::Message(message) => return self.message(client, now, &message),
            Event::MethodCall { name, payload, request } => return self.method(client, now, name, payload, &request),
            Event::TwinDocument { payload, .. } => {
                self.documents += 1;
                if let Ok(twin) = TwinReplica::from_document(payload) {
                    // After each connection it comes, news or not.
                    if self.twin.as_ref() != Some(&twin) {
                        self.log.hub(format_args!("sends the twin: {}", describe(&twin)));
                    }
                    self.twin = Some(twin);
                }
                return self.follow(client, now);
            }
            Event::TwinDesired { version, payload, .. } => {
                self.patches += 1;
                if let (Some(twin), Some(version)) = (&mut self.twin, version)
                    && twin.apply_desired(payload, version).is_ok()
                {
                    self.log.device(format_args!("applies the patch: {}", describe(twin)));
                }
                return self.follow(client, now);
            }
            Event::TwinReported { token, version } => {
                if let (Some(patch), Some(twin), Some(version)) = (self.reports.remove(&token), &mut self.twin, version)
                    && twin.apply_reported(patch.to_string().as_bytes(), version).is_ok()
                {
                    let interval = &patch[INTERVAL];
                    self.log.hub(format_args!("stores what is reported: {INTERVAL} = {interval}, version {version}"));
                }
            }
            Event::RequestFailed { token, reason, .. } => {
                self.reports.remove(&token);
                self.log.hub(format_args!("did not answer a twin request with success: {reason:?}"));
            }
            Event::TwinSyncFailed { reason } => self.log.hub(format_args!("does not give the twin: {reason:?}")),
            Event::CredentialExpiring => {
                self.credential_expiring = true;
                self.log.device("is told that its token ends soon");
            }
            // Also those that this library may tell one day.
            _ => self.log.device("is told something that this example has no use for"),
        }
        Ok(())
    }

    /// Shows a message and accepts it: the hub then forgets it.
    fn message(&mut self, client: &mut Client<'_>, now: Instant, message: &Message<'_>) -> Result<(), Error> {
        let mut text = format!("\"{}\"", excerpt(message.payload));
        let decode = |text: Encoded<'_>| excerpt(text.bytes().collect::<Vec<_>>());
        for property in message.properties.application() {
            let value = property.value.map_or_else(|| "null".to_owned(), decode);
            text.push_str(&format!("; {} = {value}", decode(property.name)));
        }
        self.log.device(format_args!("gets {text}; accepts it"));
        self.last_message = text;
        self.messages += 1;
        message.token.map_or(Ok(()), |token| client.message_accept(now, token))
    }

    /// Answers a method, here and now. [`RequestId::keep`] would allow to answer later.
    fn method(
        &mut self,
        client: &mut Client<'_>,
        now: Instant,
        name: &str,
        payload: &[u8],
        request: &RequestId<'_>,
    ) -> Result<(), Error> {
        let (status, body) = match name {
            BLINK => {
                let times =
                    serde_json::from_slice::<Value>(payload).map_or(Value::Null, |value| value["times"].clone());
                (200, json!({ "blinked": times }))
            }
            _ => (404, json!({ "error": "no such method" })),
        };
        self.log.device(format_args!("runs {} and answers {status} {body}", excerpt(name)));
        self.methods += 1;
        client.method_respond(now, request, status, body.to_string().as_bytes())
    }

    /// Does what is desired, and reports that it is so, unless the twin says that already.
    fn follow(&mut self, client: &mut Client<'_>, now: Instant) -> Result<(), Error> {
        let Some(twin) = &self.twin else { return Ok(()) };
        let desired = twin.desired().get(INTERVAL);
        let Some(desired) = desired.filter(|desired| twin.reported().get(INTERVAL) != Some(*desired)) else {
            return Ok(());
        };
        let patch = json!({ INTERVAL: desired });
        let token = client.twin_report(now, patch.to_string().as_bytes())?;
        self.reports.insert(token, patch);
        Ok(())
    }

    /// Whether everything is told and acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.is_empty() && self.reports.is_empty()
    }
}

fn describe(twin: &TwinReplica) -> String {
    let version = twin.desired_version();
    match twin.desired().get(INTERVAL) {
        Some(interval) => format!("desired version {version}, {INTERVAL} = {interval}"),
        None => format!("desired version {version}, nothing about {INTERVAL}"),
    }
}
