//! The programs of `ffi-c/examples/posix-tls` against the hub and the provisioning service over TLS.
//!
//! Ignored unless asked for: `IOTHUB_POSIX_TLS` names their folder; `ffi-c/tests/hosted` builds them.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use iothub_proto::time::Duration as Span;
use iothub_tests::{
    hub::{CallId, CallResult, CloseReason, CloudMessage, ConnId, Credentials, Enrollment, Hub, HubConfig, Telemetry},
    server::Server,
};
use serde_json::json;

mod common;
use common::{KEY, OTHER_KEY};

const LIMIT: Duration = Duration::from_secs(60);

fn program(name: &str) -> Command {
    Command::new(PathBuf::from(std::env::var("IOTHUB_POSIX_TLS").expect("the folder of the programs")).join(name))
}

/// A hub with TLS, and what a device needs to find and trust it.
struct Place {
    server: Server,
    port: u16,
    websocket_port: u16,
    dps_port: u16,
    folder: PathBuf,
}

impl Place {
    fn new(name: &str, hub: Hub) -> Self {
        let mut server = Server::new(hub).unwrap();
        let (port, dps_port) = (server.listen_tls(0).unwrap(), server.listen_dps_tls(0).unwrap());
        let websocket_port = server.listen_websocket_tls(0).unwrap();
        let folder = std::env::temp_dir().join(format!("iothub-posix-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("ca.pem"), server.ca_pem()).unwrap();
        Self { server, port, websocket_port, dps_port, folder }
    }

    fn start(&self, connection_string: &str, arguments: &[&str]) -> Child {
        program("posix-tls")
            .args(["--ca", self.folder.join("ca.pem").to_str().unwrap(), "--port", &self.port(arguments).to_string()])
            .args(arguments)
            .env("IOTHUB_CONNECTION_STRING", connection_string)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is there")
    }

    fn port(&self, arguments: &[&str]) -> u16 {
        if arguments.contains(&"--websocket") { self.websocket_port } else { self.port }
    }

    /// Asks the provisioning service: whether it was assigned, and what it said.
    fn provision(&self, key: &str) -> (bool, String) {
        let output = program("provision")
            .args(["0ne00000001", "reg-001", "--host", "localhost", "--port", &self.dps_port.to_string()])
            .args(["--ca", self.folder.join("ca.pem").to_str().unwrap()])
            .env("IOTHUB_KEY", key)
            .output()
            .expect("the program is there");
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    fn wait<T>(&self, what: &str, check: impl FnMut(&mut Hub) -> Option<T>) -> T {
        self.server.wait(LIMIT, check).unwrap_or_else(|| panic!("in vain: {what}"))
    }

    fn answer(&self, call: CallId) -> (i32, String) {
        self.wait("an answer", |hub| match hub.call_result(call) {
            CallResult::Pending => None,
            CallResult::Answered { status, payload } => Some((status, String::from_utf8(payload).unwrap())),
            other => panic!("{other:?}"),
        })
    }

    /// The number of the next connection, when it is ready.
    fn connected(&self, after: Option<ConnId>) -> ConnId {
        self.wait("a connection", |hub| hub.connection("dev1").filter(|&conn| Some(conn) != after))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn hub(credentials: Credentials) -> Hub {
    let mut hub = Hub::new(HubConfig::new("localhost"));
    hub.register("dev1", credentials);
    hub.patch_desired("dev1", &json!({ "interval_ms": 10 })).unwrap();
    hub
}

/// Asks politely, and gives what the device said.
fn terminate(device: Child) -> (Output, String) {
    assert!(Command::new("kill").arg(device.id().to_string()).status().unwrap().success());
    let output = device.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

fn with_key(key: &str) -> String {
    format!("HostName=localhost;DeviceId=dev1;SharedAccessKey={key}")
}

#[test]
#[ignore = "needs the programs: tests/run c"]
fn a_life_with_a_cut_and_a_renewal() {
    a_life("life", &["--token-seconds", "3"]);
}

#[test]
#[ignore = "needs the programs: tests/run c"]
fn the_same_in_a_websocket() {
    a_life("websocket", &["--token-seconds", "3", "--websocket"]);
}

fn a_life(name: &str, arguments: &[&str]) {
    let mut hub = hub(Credentials::key(KEY).unwrap());
    let message = hub.send_message("dev1", CloudMessage::new(b"paint").with("colour", "dark red")).unwrap();
    let place = Place::new(name, hub);
    let device = place.start(&with_key(KEY), arguments);

    // Sign-in, the twin and its report, telemetry, the message that waited.
    let mut readings: Vec<Telemetry> = Vec::new();
    let first = place.connected(None);
    place.wait("a report", |hub| (hub.twin("dev1")["reported"]["interval_ms"]["value"] == 10).then_some(()));
    place.wait("the message", |hub| hub.outcome(message));
    place.wait("readings", |hub| {
        readings.extend(hub.take_telemetry());
        (readings.len() >= 5).then_some(())
    });
    assert_eq!(place.server.with(|hub| hub.queued("dev1")), 0);

    // Methods: good, bad, unknown; one that asks for the twin.
    let invoke = |name: &str, payload: &[u8]| {
        let call = place.server.with(|hub| hub.invoke("dev1", name, payload, Span::from_secs(60)));
        place.answer(call)
    };
    assert_eq!(invoke("blink", b"{\"times\":3}"), (200, "{\"blinked\":3}".to_owned()));
    assert_eq!(invoke("blink", b"3"), (400, "{}".to_owned()));
    assert_eq!(invoke("sing", b""), (404, "{}".to_owned()));
    assert_eq!(invoke("refresh", b"{}"), (202, "{}".to_owned()));

    // A patch, and its report.
    let version = place.server.with(|hub| hub.patch_desired("dev1", &json!({ "interval_ms": 20 }))).unwrap();
    let report = place.wait("another report", |hub| {
        Some(hub.twin("dev1")["reported"]["interval_ms"].clone()).filter(|report| report["value"] == 20)
    });
    assert_eq!(report, json!({ "value": 20, "ac": 200, "av": version }));

    // A cut, in the midst of what is said then; and a renewal, which comes before the token's end.
    place.server.with(|hub| hub.end_client("dev1", CloseReason::Fault));
    let second = place.connected(Some(first));
    let third = place.connected(Some(second));
    place.wait("readings on the last connection", |hub| {
        readings.extend(hub.take_telemetry());
        readings.iter().any(|reading| reading.conn == third).then_some(())
    });

    let (output, text) = terminate(device);
    println!("{text}");
    assert!(output.status.success(), "{:?}: {text}", output.status);
    readings.extend(place.server.with(Hub::take_telemetry));
    let taken: usize = text.lines().find_map(|line| line.strip_suffix(" readings")).unwrap().parse().unwrap();
    let mut seen = vec![0; taken];
    for reading in &readings {
        let number: usize = reading.property("reading").unwrap().parse().unwrap();
        assert!(seen[number] == 0 || reading.dup, "twice only with DUP");
        assert_eq!((reading.qos, reading.property("room")), (1, Some("boiler & tank")));
        assert!(reading.payload.starts_with(b"{\"celsius\":2"));
        seen[number] += 1;
    }
    // A polite end settles what was on its way.
    assert!(seen.iter().all(|&count| count >= 1), "nothing is lost: {seen:?}");
    for line in ["message: paint", "  colour = dark red", "method: sing", "twin: a reading each 20 ms"] {
        assert!(text.lines().any(|said| said == line), "{line}: {text}");
    }
    // On a slow machine there is time for another renewal.
    assert!(text.matches("signed in").count() >= 3, "{text}");
    assert_eq!(text.matches("disconnected: ").count(), 1, "a renewal is none: {text}");
    assert!(!text.contains(KEY) && !text.contains("SharedAccessSignature"), "{text}");
    place.server.with(|hub| assert_eq!(hub.violations(), []));
}

#[test]
#[ignore = "needs the programs: tests/run c"]
fn a_certificate_instead_of_a_key() {
    let place = Place::new("x509", hub(Credentials::Certificate));
    let own = place.server.issue_client("dev1").unwrap();
    let file = place.folder.join("dev1.pem");
    std::fs::write(&file, own.certificate + &own.key).unwrap();
    let string = "HostName=localhost;DeviceId=dev1;x509=true";
    let device = place.start(string, &["--certificate", file.to_str().unwrap()]);
    place.wait("readings", |hub| (!hub.take_telemetry().is_empty()).then_some(()));
    let (output, text) = terminate(device);
    assert!(output.status.success(), "{text}");
}

#[test]
#[ignore = "needs the programs: tests/run c"]
fn a_device_that_is_told_its_hub() {
    let mut hub = hub(Credentials::key(KEY).unwrap());
    let mut enrollment = Enrollment::new(Credentials::key(KEY).unwrap(), "localhost");
    enrollment.device_id = Some("dev1".to_owned());
    hub.dps.enroll("reg-001", enrollment);
    let place = Place::new("dps", hub);
    let (assigned, said) = place.provision(KEY);
    assert!(assigned, "{said}");
    assert_eq!(said, "HostName=localhost;DeviceId=dev1\n");
    let device = place.start(&format!("{};SharedAccessKey={KEY}", said.trim()), &[]);
    place.wait("readings", |hub| (!hub.take_telemetry().is_empty()).then_some(()));
    let (output, text) = terminate(device);
    assert!(output.status.success(), "{text}");

    place.server.with(|hub| hub.dps.enrollment("reg-001").unwrap().enabled = false);
    let (assigned, said) = place.provision(KEY);
    assert!(!assigned && said.contains("the enrollment is disabled"), "{said}");
    let (assigned, said) = place.provision(OTHER_KEY);
    assert!(!assigned && said.starts_with("the hub refused: expired or wrong token"), "{said}");
}

/// Starts a device that cannot sign in, and gives what it said until it waits for another attempt.
fn in_vain(place: &Place, connection_string: &str) -> String {
    let mut device = place.start(connection_string, &[]);
    let mut said = String::new();
    BufReader::new(device.stdout.take().unwrap()).read_line(&mut said).unwrap();
    // A signal is heard while it waits.
    let (output, text) = terminate(device);
    assert!(output.status.success(), "{text}");
    assert!(
        said.starts_with("connecting again in 1") && said.len() > "connecting again in 10000".len(),
        "{said}{text}"
    );
    text
}

#[test]
#[ignore = "needs the programs: tests/run c"]
fn a_wrong_key_is_not_tried_in_haste() {
    let place = Place::new("refused", hub(Credentials::key(KEY).unwrap()));
    let text = in_vain(&place, &with_key(OTHER_KEY));
    assert!(text.starts_with("disconnected: the hub refused: "), "{text}");
}

#[test]
#[ignore = "needs the programs: tests/run c"]
fn nobody_else_is_believed_to_be_the_hub() {
    // The certificate is good, but another host's.
    let mut place = Place::new("trusted", hub(Credentials::key(KEY).unwrap()));
    place.port = place.server.listen_tls_as("elsewhere.azure-devices.net", 0).unwrap();
    let text = in_vain(&place, &with_key(KEY));
    assert!(text.starts_with("no TLS: hostname mismatch"), "{text}");
    // The host is right, but the authority is one that the device does not trust.
    let other = Place::new("other", hub(Credentials::key(KEY).unwrap()));
    std::fs::copy(place.folder.join("ca.pem"), other.folder.join("ca.pem")).unwrap();
    let text = in_vain(&other, &with_key(KEY));
    assert!(text.starts_with("no TLS: ") && text.contains("certificate"), "{text}");
}
