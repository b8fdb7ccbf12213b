//! Other people's clients against the hub simulator: what it says must be what they expect of the service.
//!
//! Ignored unless asked for, since they need Python packages: `azure-iot-device` 2.14 (it always connects to
//! port 8883, so that port must be free) and `paho-mqtt`. `IOTHUB_PEERS_PYTHON` names the interpreter that has them.

mod common;

use std::{
    cell::RefCell,
    path::PathBuf,
    process::{Child, Command},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::KEY;
use iothub_proto::time::Duration as Span;
use iothub_tests::{
    hub::{
        CallId, CallResult, CloseReason, CloudMessage, Credentials, Hub, HubConfig, Outcome, Telemetry, topic::Feature,
    },
    pair::{Setup, is_ready},
    server::Server,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// The port is one, the tests are several.
static PORT: Mutex<()> = Mutex::new(());

/// A hub on port 8883 and a Python client of it.
struct Peer {
    server: Server,
    script: Child,
    ca_file: PathBuf,
    /// Telemetry that was not asked for yet.
    heard: RefCell<Vec<Telemetry>>,
    _port: MutexGuard<'static, ()>,
}

impl Peer {
    fn start(script: &str) -> Self {
        let port = PORT.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hub = Hub::new(HubConfig::new("localhost"));
        hub.register("dev1", Credentials::key(KEY).unwrap());
        hub.patch_desired("dev1", &json!({"interval": 5, "unit": "°C"})).unwrap();
        let mut server = Server::new(hub).unwrap();
        server.listen_tls(8883).expect("port 8883 is free");
        let ca_file = std::env::temp_dir().join(format!("iothub-peer-{}.pem", std::process::id()));
        std::fs::write(&ca_file, server.ca_pem()).unwrap();
        let python = std::env::var("IOTHUB_PEERS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/").to_owned() + script)
            .arg(format!("HostName=localhost;DeviceId=dev1;SharedAccessKey={KEY}"))
            .arg(&ca_file)
            .spawn()
            .expect("python runs");
        Self { server, script, ca_file, heard: RefCell::default(), _port: port }
    }

    /// The next telemetry whose property `what` is this, and its body.
    fn told(&self, what: &str) -> (Telemetry, Value) {
        let found = self.server.wait(LIMIT, |hub| {
            let mut heard = self.heard.borrow_mut();
            heard.extend(hub.take_telemetry());
            let index = heard.iter().position(|told| told.property("what") == Some(what))?;
            Some(heard.remove(index))
        });
        let telemetry = found.unwrap_or_else(|| panic!("{what}; violations: {:?}", self.violations()));
        let body = serde_json::from_slice(&telemetry.payload).unwrap();
        (telemetry, body)
    }

    fn answer(&self, call: CallId) -> CallResult {
        let done = |hub: &mut Hub| Some(hub.call_result(call)).filter(|result| *result != CallResult::Pending);
        self.server.wait(LIMIT, done).expect("an answer")
    }

    fn invoke(&self, method: &str, payload: &[u8]) -> CallResult {
        self.answer(self.server.with(|hub| hub.invoke("dev1", method, payload, Span::from_secs(20))))
    }

    fn violations(&self) -> Vec<String> {
        self.server.with(|hub| hub.violations().iter().map(|violation| violation.what.to_owned()).collect())
    }

    /// Checks that the client ended well and did nothing wrong.
    fn finish(mut self) {
        assert!(self.script.wait().unwrap().success());
        assert_eq!(self.violations(), Vec::<String>::new());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
        let _ = std::fs::remove_file(&self.ca_file);
    }
}

#[test]
#[ignore = "needs azure-iot-device and port 8883"]
fn microsofts_python_sdk() {
    let peer = Peer::start("peer_sdk.py");
    let (telemetry, body) = peer.told("ready");
    assert_eq!(telemetry.property("$.ct"), Some("application/json"));
    assert_eq!(body["twin"]["desired"], json!({"interval": 5, "unit": "°C", "$version": 2}));
    assert_eq!(body["special"], "a b/ü%?&=");
    let reported = peer.server.with(|hub| hub.twin("dev1")["reported"].clone());
    assert_eq!(reported["list"], json!([1, {"a": null}]));

    let mut message = CloudMessage::new(b"hello").with("k 1", "v/1&ü");
    message.message_id = "m:1".to_owned();
    message.system.push(("$.cid".to_owned(), "c 1".to_owned()));
    let id = peer.server.with(|hub| hub.send_message("dev1", message)).unwrap();
    let (_, body) = peer.told("message");
    let expected = json!({"data": "hello", "id": "m:1", "correlation_id": "c 1", "properties": {"k 1": "v/1&ü"}});
    assert_eq!(body, expected);
    peer.server.wait(LIMIT, |hub| (hub.outcome(id) == Some(Outcome::Completed)).then_some(())).expect("PUBACK");

    peer.server.with(|hub| hub.patch_desired("dev1", &json!({"interval": null, "mode": {"eco": true}}))).unwrap();
    assert_eq!(peer.told("patch").1["patch"], json!({"interval": null, "mode": {"eco": true}, "$version": 3}));

    let CallResult::Answered { status: 207, payload } = peer.invoke("reboot", b"{\"in\":5}") else { panic!() };
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload, json!({"name": "reboot", "payload": {"in": 5}}));

    // A cut: it comes back to its session, and what was queued meanwhile arrives.
    peer.server.with(|hub| {
        hub.end_client("dev1", CloseReason::Fault);
        hub.send_message("dev1", CloudMessage::new(b"meanwhile")).unwrap();
    });
    assert_eq!(peer.told("message").1["data"], "meanwhile");
    peer.server.wait(LIMIT, |hub| hub.is_subscribed("dev1", Feature::Methods).then_some(())).expect("back");
    assert!(matches!(peer.invoke("stop", b""), CallResult::Answered { status: 200, .. }));
    peer.finish();
}

/// From the first byte of MQTT until messages, methods and twin are subscribed: two round trips, and no more bytes than
/// that SDK takes for the same.
#[test]
#[ignore = "needs azure-iot-device and port 8883"]
fn a_sign_in_costs_less_than_theirs() {
    let subscribed = |hub: &Hub| {
        let wanted = [Feature::Messages, Feature::TwinResponses, Feature::DesiredProperties, Feature::Methods];
        wanted.into_iter().all(|feature| hub.is_subscribed("dev1", feature))
    };
    let peer = Peer::start("peer_sign_in.py");
    let theirs = peer.server.wait(LIMIT, |hub| subscribed(hub).then(|| hub.traffic("dev1"))?).expect("subscribed");
    peer.told("ready");
    peer.finish();

    // The same host and key, so that user name and token are as long.
    let string = format!("HostName=localhost;DeviceId=dev1;SharedAccessKey={KEY}");
    let mut pair = Setup::with_string(string).hub(|hub| hub.host_name = "localhost".to_owned()).start();
    pair.connect();
    pair.run_until("ready", |pair| pair.has(is_ready));
    let ours = pair.hub.traffic("dev1").expect("connected");
    println!("ours: {ours:?}\ntheirs: {theirs:?}");
    assert!(subscribed(&pair.hub) && ours.round_trips <= 2 && ours.round_trips < theirs.round_trips);
    assert!(ours.received + ours.sent < theirs.received + theirs.sent);
}

#[test]
#[ignore = "needs paho-mqtt and port 8883"]
fn paho_by_hand() {
    let peer = Peer::start("peer_paho.py");
    let (telemetry, _) = peer.told("ready");
    assert_eq!((telemetry.qos, telemetry.property("mqtt-retain")), (1, Some("true")));
    let id = peer.server.with(|hub| hub.send_message("dev1", CloudMessage::new(b"hello"))).unwrap();
    let (telemetry, _) = peer.told("done");
    assert_eq!((telemetry.qos, telemetry.properties[1].clone()), (0, ("x".to_owned(), None)));
    peer.server.wait(LIMIT, |hub| (hub.outcome(id) == Some(Outcome::Completed)).then_some(())).expect("PUBACK");
    let (will, _) = peer.told("will");
    assert_eq!(will.property("iothub-MessageType"), Some("Will"));
    peer.finish();
}
