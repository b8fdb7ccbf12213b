//! The quickstart, as a program and as what its transcript promises.

#[path = "../examples/quickstart/main.rs"]
#[expect(dead_code, reason = "a program's own main is not called")]
mod quickstart;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iothub_proto::time::Duration as Span;
use iothub_tests::hub::{CloudMessage, Credentials, Enrollment, Hub, HubConfig};
use iothub_tests::server::Server;
use quickstart::{Request, Source, parse, run};
use serde_json::json;

const KEY: &str = "c2VjcmV0IG9mIG9uZSBkZXZpY2U=";

/// What the program prints, to be read afterwards.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs with these arguments: whether all went well, and the transcript.
fn quickstart(arguments: &[&str]) -> (bool, String) {
    let paper = Paper::default();
    let request = parse(arguments.iter().map(|&argument| argument.to_owned())).unwrap();
    let done = run(&request, Box::new(paper.clone()));
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

/// A hub with `dev1`, on a port of its own, and a file with its authority's certificate.
struct RealHub {
    server: Server,
    port: String,
    ca: String,
}

impl RealHub {
    fn start(test: &str) -> Self {
        let mut hub = Hub::new(HubConfig::new("localhost"));
        hub.register("dev1", Credentials::key(KEY).unwrap());
        let mut server = Server::new(hub).unwrap();
        let port = server.listen_tls(0).unwrap().to_string();
        let ca = std::env::temp_dir().join(format!("iothub-quickstart-{}-{test}.pem", std::process::id()));
        std::fs::write(&ca, server.ca_pem()).unwrap();
        Self { server, port, ca: ca.to_str().unwrap().to_owned() }
    }

    fn quickstart(&self, key: &str, more: &[&str]) -> (bool, String) {
        let connection_string = format!("HostName=localhost;DeviceId=dev1;SharedAccessKey={key}");
        let arguments = ["--connection-string", &connection_string, "--port", &self.port, "--count", "30"];
        quickstart(&[&arguments, more].concat())
    }
}

impl Drop for RealHub {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca);
    }
}

#[test]
fn a_whole_conversation_with_the_simulator() {
    let (done, text) = quickstart(&["--count", "150"]);
    assert!(done, "{text}");
    assert_eq!(text.matches("checked  ").count(), 8, "{text}");
    assert!(text.contains("simulator: MQTT 3.1.1 over TLS, on loopback"), "{text}");
    assert!(text.contains("Total: 390 sent, 390 acknowledged, 390 stored, "), "{text}");
    // It is to be read: on one page, without lines that wrap.
    assert!(text.lines().count() <= 60, "{text}");
    let longest = text.lines().filter(|line| !line.starts_with("Total: ")).map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{text}");
}

#[test]
fn a_whole_conversation_over_websocket() {
    let (done, text) = quickstart(&["--websocket", "--provision", "--count", "150"]);
    assert!(done, "{text}");
    assert_eq!(text.matches("checked  ").count(), 9, "{text}");
    assert!(text.contains("simulator: MQTT 3.1.1 over WebSocket, on loopback"), "{text}");
    assert!(text.contains("Total: 390 sent, 390 acknowledged, 390 stored, "), "{text}");
}

#[test]
fn provisioned_by_the_simulator_first() {
    let (done, text) = quickstart(&["--provision", "--count", "20"]);
    assert!(done, "{text}");
    assert_eq!(text.matches("checked  ").count(), 9, "{text}");
    for line in [
        "1. Provisioning: ",
        "works on it: ask again in 2000 ms",
        "assigns thermostat-1 to localhost (initialAssignment)",
        "2. Sign-in: ",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn provisioned_by_a_real_service_first() {
    let mut hub = RealHub::start("dps");
    hub.server.with(|hub| {
        hub.dps.polls = 0;
        hub.dps.enroll("reg-1", Enrollment::new(Credentials::key(KEY).unwrap(), "localhost"));
    });
    let dps_port = hub.server.listen_dps_tls(0).unwrap().to_string();
    let ask = |id: &str, key: &str| {
        let dps = ["--provision", "--id-scope", "0ne00000001", "--registration-id", id, "--symmetric-key", key];
        let hosts = ["--dps-host", "localhost", "--dps-port", &dps_port, "--port", &hub.port, "--ca", &hub.ca];
        quickstart(&[&dps[..], &hosts, &["--wait", "0", "--count", "20"]].concat())
    };
    let (done, text) = ask("reg-1", KEY);
    assert!(done && text.contains("The device reg-1 talks to localhost"), "{text}");
    assert!(!text.contains(KEY), "{text}");
    let (done, text) = ask("reg-2", KEY);
    assert!(!done && text.contains("step 1: the hub refused the connection: NotAuthorized"), "{text}");
    hub.server.with(|hub| hub.dps.enrollment("reg-1").unwrap().enabled = false);
    let (done, text) = ask("reg-1", KEY);
    assert!(!done && text.contains("step 1: no hub was assigned: Disabled"), "{text}");
}

#[test]
fn a_certificate_in_place_of_a_key() {
    let mut hub = RealHub::start("x509");
    hub.server.with(|hub| {
        hub.register("dev2", Credentials::Certificate);
        hub.dps.polls = 0;
        hub.dps.enroll("reg-2", Enrollment::new(Credentials::Certificate, "localhost"));
    });
    let dps_port = hub.server.listen_dps_tls(0).unwrap().to_string();
    let file = |name: &str| {
        let client = hub.server.issue_client(name).unwrap();
        let file = std::env::temp_dir().join(format!("iothub-quickstart-{}-{name}.pem", std::process::id()));
        std::fs::write(&file, client.certificate + &client.key).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (dev2, reg2) = (file("dev2"), file("reg-2"));
    let common = ["--port", &hub.port, "--ca", &hub.ca, "--wait", "0", "--count", "20"];
    let login = "HostName=localhost;DeviceId=dev2;x509=true";
    let (done, text) = quickstart(&[&["--connection-string", login, "--certificate", &dev2][..], &common].concat());
    assert!(done && text.contains("client certificate shown"), "{text}");
    let dps = ["--provision", "--id-scope", "0ne00000001", "--registration-id", "reg-2", "--dps-host", "localhost"];
    let dps = [&dps[..], &["--dps-port", &dps_port, "--certificate", &reg2], &common].concat();
    let (done, text) = quickstart(&dps);
    assert!(done && text.contains("The device reg-2 talks to localhost"), "{text}");
    for other in [&[][..], &["--certificate", &reg2]] {
        let (done, text) = quickstart(&[&["--connection-string", login][..], other, &common].concat());
        assert!(!done && text.contains("step 1: the hub refused the connection: NotAuthorized"), "{text}");
    }
    [dev2, reg2].iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

#[test]
fn a_device_that_its_hub_does_not_know_is_provisioned_again() {
    let mut hub = RealHub::start("moved");
    hub.server.with(|hub| {
        hub.dps.polls = 0;
        hub.dps.enroll("reg-1", Enrollment::new(Credentials::key(KEY).unwrap(), "localhost"));
    });
    let dps_port = hub.server.listen_dps_tls(0).unwrap().to_string();
    let ask = || {
        let dps = ["--provision", "--id-scope", "0ne00000001", "--registration-id", "reg-1", "--symmetric-key", KEY];
        let hosts = ["--dps-host", "localhost", "--dps-port", &dps_port, "--port", &hub.port, "--ca", &hub.ca];
        quickstart(&[&dps[..], &hosts, &["--wait", "0", "--count", "20"]].concat())
    };
    // The hub forgets the device as soon as it is assigned. The second assignment makes it known again, for good or not.
    for (forgets, completed) in [(1, true), (2, false)] {
        let before = hub.server.with(|hub| hub.dps.registered().len());
        let (done, text) = std::thread::scope(|scope| {
            scope.spawn(|| {
                for time in 1..=forgets {
                    hub.server.wait(Duration::from_secs(20), |hub| {
                        (hub.dps.registered().len() == before + time).then(|| hub.delete("reg-1"))
                    });
                }
            });
            ask()
        });
        assert_eq!(done, completed, "{text}");
        assert_eq!(text.matches("assigns reg-1 to localhost").count(), 2, "{text}");
        assert!(text.contains("is refused by this hub, and asks the provisioning service again"), "{text}");
        assert!(done || text.contains("the hub refused the connection: NotAuthorized"), "{text}");
        assert!(!text.contains(KEY), "{text}");
    }
}

#[test]
fn a_real_hub_with_somebody_at_the_other_side() {
    let hub = RealHub::start("all");
    let (done, text) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stored = 0;
            let all = hub.server.wait(Duration::from_secs(20), |hub| {
                stored += hub.take_telemetry().len();
                (stored == 30).then_some(())
            });
            assert_eq!((all, stored), (Some(()), 30));
            hub.server.with(|hub| {
                hub.send_message("dev1", CloudMessage::new(b"from the cloud").with("a", "b=c")).unwrap();
                hub.invoke("dev1", "dance", b"{}", Span::from_secs(10));
                hub.patch_desired("dev1", &json!({ "interval": 7 })).unwrap();
            });
        });
        hub.quickstart(KEY, &["--ca", &hub.ca, "--wait", "20"])
    });
    assert!(done, "{text}");
    for line in [
        "gets \"from the cloud\"; a = b=c; accepts it",
        "runs dance and answers 404",
        "stores what is reported: interval = 7, version 2",
        "Total: 270 sent, 270 acknowledged; ",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    hub.server.with(|hub| assert_eq!(hub.violations(), []));
}

#[test]
fn a_real_hub_with_nobody_there() {
    let hub = RealHub::start("nobody");
    let (done, text) = hub.quickstart(KEY, &["--ca", &hub.ca, "--wait", "0"]);
    assert!(done, "{text}");
    assert!(text.contains("az iot hub device-twin update -n localhost -d dev1"), "{text}");
    assert!(text.contains("has not got all of them, and goes on"), "{text}");
}

#[test]
fn what_is_wrong_is_told_without_the_key() {
    let hub = RealHub::start("wrong");
    let other_key = "YW5vdGhlciBzZWNyZXQ=";
    let (done, text) = hub.quickstart(other_key, &["--ca", &hub.ca]);
    assert!(!done && text.contains("step 1: the hub refused the connection: NotAuthorized"), "{text}");
    assert!(!text.contains(other_key), "{text}");

    let stranger = RealHub::start("stranger");
    let (done, text) = hub.quickstart(KEY, &["--ca", &stranger.ca]);
    assert!(!done && text.contains("step 1: no hub to trust there"), "{text}");

    let (done, text) = hub.quickstart("?", &["--ca", &hub.ca]);
    assert!(!done && text.contains("NOT COMPLETED: connection string: "), "{text}");
}

#[test]
fn the_command_line() {
    let parse = |line: &str| parse(line.split_whitespace().map(str::to_owned));
    assert_eq!(parse(""), Ok(Request::Simulator { count: 1_000, provision: false, websocket: false }));
    assert_eq!(parse("--websocket"), Ok(Request::Simulator { count: 1_000, provision: false, websocket: true }));
    assert_eq!(parse("--count 7"), Ok(Request::Simulator { count: 7, provision: false, websocket: false }));
    assert_eq!(parse("--provision"), Ok(Request::Simulator { count: 1_000, provision: true, websocket: false }));
    assert_eq!(parse("--count 7 --help"), Ok(Request::Help));
    let Ok(Request::Real(hub)) = parse("--connection-string - --host gateway --wait 0") else { panic!("real") };
    assert_eq!((hub.port, hub.count, hub.wait, hub.host.as_deref()), (8883, 100, 0, Some("gateway")));
    let Ok(Request::Real(hub)) = parse("--connection-string - --websocket") else { panic!("real") };
    assert_eq!((hub.port, hub.websocket), (443, true));
    let enrolled = "--id-scope 0ne1 --registration-id r --group-key SECRET";
    let Ok(Request::Real(hub)) = parse(&format!("--provision {enrolled} --payload {{}} --dps-port 7")) else {
        panic!("real")
    };
    assert!(!format!("{hub:?}").contains("SECRET"), "{hub:?}");
    let Source::Provisioning(found) = hub.source else { panic!("provisioning") };
    let host = "global.azure-devices-provisioning.net";
    assert_eq!(
        (found.host.as_str(), found.port, found.of_group, found.payload.as_deref()),
        (host, 7, true, Some("{}"))
    );
    for wrong in [
        enrolled,
        "--provision --connection-string SECRET",
        "--provision --id-scope SECRET",
        "--symmetric-key SECRET",
        "--payload SECRET",
        "--provision --dps-port 7",
        "--certificate SECRET",
        "--provision --id-scope 0ne1 --registration-id r",
        "--provision --id-scope 0ne1 --registration-id r --symmetric-key SECRET --certificate c.pem",
        "--provision --port 7",
    ] {
        let error = parse(wrong).unwrap_err();
        assert!(!error.contains("SECRET"), "{error}");
    }
    for wrong in ["--count", "--count 0", "--count x", "--port 70000", "--port 1", "SECRET", "--SECRET", "--ca SECRET"]
    {
        let error = parse(wrong).unwrap_err();
        assert!(!error.contains("SECRET"), "{error}");
    }
}
