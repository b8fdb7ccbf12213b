//! The hub simulator, its service side, and what its records say.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use iothub_proto::time::Duration as Span;
use iothub_tests::hub::{
    CallId, CallResult, CloudMessage, Credentials, Enrollment, Hub, HubConfig, MessageId, Outcome, Telemetry,
};
use iothub_tests::server::Server;
use serde_json::{Value, json};

use super::app::{INTERVAL, ROOM};
use super::link::Remote;
use super::options::Enrolled;
use super::tls;

/// The hub's name, which is also where it is.
const HOST: &str = "localhost";
/// The name of the device.
pub(crate) const DEVICE: &str = "thermostat-1";
/// Its key, which is no secret: this hub lives as long as the program.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The key of the enrollment group that the device is of, when it is to be provisioned.
const GROUP_KEY: &str = "c29tZSBvdGhlciBrZXk=";
/// Far more than anything on one machine takes.
const LIMIT: Duration = Duration::from_secs(10);

/// A hub on loopback, and whoever uses it from the other side.
pub(crate) struct Simulator {
    server: Server,
    port: u16,
    dps_port: u16,
    websocket: bool,
    stored: Vec<Telemetry>,
}

/// Telemetry as the hub has stored it.
pub(crate) struct Stored {
    /// Different messages.
    pub(crate) messages: u32,
    /// Further copies, all of them with DUP.
    pub(crate) copies: u32,
}

impl Simulator {
    /// Starts a hub with one device, which is to do something every 30 s. A device that is provisioned has a key derived
    /// from its group's.
    pub(crate) fn start(provision: bool, websocket: bool) -> io::Result<Self> {
        let mut hub = Hub::new(HubConfig::new(HOST));
        let key = if provision { Self::enrolled().device_key()? } else { None };
        let key = key.unwrap_or_else(|| KEY.to_owned());
        hub.register(DEVICE, Credentials::key(&key).map_err(io::Error::other)?);
        let group = Credentials::key(GROUP_KEY).map_err(io::Error::other)?;
        hub.dps.enroll_group(Enrollment::new(group, HOST));
        // The shortest wait that the service allows.
        hub.dps.retry_after = Some(2);
        hub.patch_desired(DEVICE, &json!({ INTERVAL: 30 })).map_err(io::Error::other)?;
        let mut server = Server::new(hub)?;
        let (port, dps_port) = if websocket {
            (server.listen_websocket_tls(0)?, server.listen_dps_websocket_tls(0)?)
        } else {
            (server.listen_tls(0)?, server.listen_dps_tls(0)?)
        };
        Ok(Self { server, port, dps_port, websocket, stored: Vec::new() })
    }

    /// What a device needs to sign in.
    pub(crate) fn connection_string() -> String {
        format!("HostName={HOST};DeviceId={DEVICE};SharedAccessKey={KEY}")
    }

    /// What a device needs to be provisioned; the port is known when the simulator is started.
    pub(crate) fn enrolled() -> Enrolled {
        Enrolled {
            id_scope: "0ne00000001".to_owned(),
            registration_id: DEVICE.to_owned(),
            key: Some(GROUP_KEY.to_owned()),
            of_group: true,
            payload: Some(r#"{"modelId":"dtmi:com:example:Thermostat;1"}"#.to_owned()),
            host: HOST.to_owned(),
            port: 0,
        }
    }

    /// How to reach it.
    pub(crate) fn remote(&self) -> io::Result<Remote> {
        let tls = tls::trust_pem(self.server.ca_pem().as_bytes(), None)?;
        Ok(Remote { host: HOST.to_owned(), port: self.port, tls, websocket: self.websocket })
    }

    /// How to reach its provisioning service.
    pub(crate) fn dps_remote(&self) -> io::Result<Remote> {
        self.remote().map(|remote| Remote { port: self.dps_port, ..remote })
    }

    /// Whether the provisioning service has assigned the device to this hub.
    pub(crate) fn check_registered(&self) -> Result<(), String> {
        self.wait("registration at the service", |hub| {
            hub.dps.registered().iter().any(|done| done.registration_id == DEVICE && done.hub.as_deref() == Some(HOST))
        })
    }

    /// Sends a message to the device, with a property that needs escapes in a topic.
    pub(crate) fn send_message(&self, text: &str) -> Result<MessageId, String> {
        let message = CloudMessage::new(text.as_bytes()).with(ROOM.0, ROOM.1);
        self.server.with(|hub| hub.send_message(DEVICE, message)).map_err(|error| format!("message: {error:?}"))
    }

    /// Whether the device has acknowledged the message.
    pub(crate) fn check_message(&self, id: MessageId) -> Result<(), String> {
        self.wait("PUBACK of the message at the hub", |hub| hub.outcome(id) == Some(Outcome::Completed))
    }

    /// Calls a method of the device.
    pub(crate) fn call(&self, method: &str, payload: &Value) -> CallId {
        self.server.with(|hub| hub.invoke(DEVICE, method, payload.to_string().as_bytes(), Span::from_secs(10)))
    }

    /// Whether the caller got this answer.
    pub(crate) fn check_call(&self, call: CallId, body: &Value) -> Result<(), String> {
        let expected = CallResult::Answered { status: 200, payload: body.to_string().into_bytes() };
        self.wait("answer to the method at the hub", |hub| hub.call_result(call) == expected)
    }

    /// Desires another interval.
    pub(crate) fn desire(&self, interval: u32) -> Result<(), String> {
        self.server
            .with(|hub| hub.patch_desired(DEVICE, &json!({ INTERVAL: interval })).map(drop).map_err(str::to_owned))
    }

    /// Whether the twin says so, desired and reported.
    pub(crate) fn check_twin(&self, interval: u32) -> Result<(), String> {
        self.wait("agreement of desired and reported at the hub", |hub| {
            let twin = hub.twin(DEVICE);
            twin["desired"][INTERVAL] == interval && twin["reported"][INTERVAL] == interval
        })
    }

    /// Holds acknowledgements of telemetry back for so long, as distance does.
    pub(crate) fn delay_acknowledgements(&self, millis: u64) {
        self.server.with(|hub| hub.faults.puback_delay = Span::from_millis(millis));
    }

    /// Whether the hub has a connection of the device, or none.
    pub(crate) fn check_online(&self, online: bool) -> Result<(), String> {
        let what = if online { "connection at the hub" } else { "end of the connection at the hub" };
        self.wait(what, |hub| hub.connection(DEVICE).is_some() == online)
    }

    /// Whether the hub has stored the first `sent` messages, whole and in order; further copies must be marked.
    pub(crate) fn check_telemetry(&mut self, sent: u32) -> Result<Stored, String> {
        self.stored.extend(self.server.with(Hub::take_telemetry));
        let mut first: HashMap<u32, &Telemetry> = HashMap::new();
        let mut copies = 0;
        for message in &self.stored {
            let n =
                message.property("n").and_then(|n| n.parse().ok()).ok_or("the hub has a message without a number")?;
            let intact =
                message.property(ROOM.0) == Some(ROOM.1) && message.property("$.ct") == Some("application/json");
            if !intact || serde_json::from_slice::<Value>(&message.payload).is_err() {
                return Err(format!("the hub did not get message {n} as it was sent"));
            }
            match first.get(&n) {
                None if n as usize == first.len() => drop(first.insert(n, message)),
                None => return Err(format!("the hub got message {n} before message {}", first.len())),
                Some(other) if message.dup && message.payload == other.payload => copies += 1,
                Some(_) => return Err(format!("the hub got message {n} twice, without DUP")),
            }
        }
        let messages = u32::try_from(first.len()).unwrap_or(u32::MAX);
        if messages != sent {
            return Err(format!("the hub has {messages} of {sent} messages"));
        }
        Ok(Stored { messages, copies })
    }

    /// Whether the device broke no rule.
    pub(crate) fn check_rules(&self) -> Result<(), String> {
        self.server.with(|hub| match (hub.violations(), hub.stray_answers()) {
            ([], 0) => Ok(()),
            ([], strays) => Err(format!("{strays} answers to no method call")),
            (violations, _) => Err(format!("the hub saw rules broken: {violations:?}")),
        })
    }

    fn wait(&self, what: &str, mut check: impl FnMut(&Hub) -> bool) -> Result<(), String> {
        let found = self.server.wait(LIMIT, |hub| check(hub).then_some(()));
        found.ok_or_else(|| format!("no {what} within {} s", LIMIT.as_secs()))
    }
}
