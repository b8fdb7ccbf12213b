//! The firmware of `ffi-c/examples/cortex-m` in QEMU, with a modem between its serial line and the hub.
//!
//! Ignored unless asked for: `IOTHUB_CORTEX_M_IMAGE` names the image, which `tests/run cortex-m` builds.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use iothub_tests::{
    hub::{CallResult, CloudMessage, Credentials, Cut, Hub, HubConfig},
    server::Server,
};
use serde_json::json;

mod common;
use common::KEY;

const LIMIT: Duration = Duration::from_secs(60);

/// Stands between a serial line and the hub. On `D` it connects and says `U` and the time; on `H` it hangs up; when the
/// hub ends the connection it says `X`, after the last byte.
fn modem(mut control: TcpStream, line: TcpStream, hub: u16, dialled: &AtomicU32) {
    let link: Arc<Mutex<Option<TcpStream>>> = Arc::default();
    let outward = {
        let (link, mut line) = (Arc::clone(&link), line.try_clone().unwrap());
        thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok(count @ 1..) = line.read(&mut bytes) {
                // What is sent without a connection is lost, as on any line.
                if let Some(link) = &mut *link.lock().unwrap() {
                    let _ = link.write_all(&bytes[..count]);
                }
            }
        })
    };
    let mut command = [0];
    while let Ok(1) = control.read(&mut command) {
        match command {
            [b'D'] => {
                dialled.fetch_add(1, Ordering::SeqCst);
                let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, hub)).unwrap();
                let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                *link.lock().unwrap() = Some(connection.try_clone().unwrap());
                write!(control, "U{unix:08x}").unwrap();
                let (mut connection, mut line) = (connection, line.try_clone().unwrap());
                let (mut control, link) = (control.try_clone().unwrap(), Arc::clone(&link));
                thread::spawn(move || {
                    let mut bytes = [0; 512];
                    while let Ok(count @ 1..) = connection.read(&mut bytes) {
                        if line.write_all(&bytes[..count]).is_err() {
                            return;
                        }
                    }
                    *link.lock().unwrap() = None;
                    let _ = control.write_all(b"X");
                });
            }
            _ => {
                if let Some(link) = &*link.lock().unwrap() {
                    let _ = link.shutdown(Shutdown::Both);
                }
            }
        }
    }
    let _ = line.shutdown(Shutdown::Both);
    let _ = outward.join();
}

/// An image in QEMU, its lines connected to a modem, which dials a hub.
struct Machine {
    process: Child,
    bridge: JoinHandle<()>,
    dialled: Arc<AtomicU32>,
}

impl Machine {
    fn start(hub: u16) -> Self {
        let image = std::env::var("IOTHUB_CORTEX_M_IMAGE").expect("the name of an image");
        let lines = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let controls = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let serial = |listener: &TcpListener| format!("tcp:127.0.0.1:{}", listener.local_addr().unwrap().port());
        let process = Command::new("qemu-system-arm")
            .args(["-M", "mps2-an385", "-display", "none", "-monitor", "none", "-kernel", &image])
            .args(["-semihosting-config", "enable=on,target=native"])
            .args(["-serial", &serial(&lines), "-serial", &serial(&controls)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // What a program prints by semihosting comes here.
            .stderr(Stdio::piped())
            .spawn()
            .expect("qemu-system-arm is there");
        let (line, control) = (lines.accept().unwrap().0, controls.accept().unwrap().0);
        let dialled = Arc::new(AtomicU32::new(0));
        let bridge = {
            let dialled = Arc::clone(&dialled);
            thread::spawn(move || modem(control, line, hub, &dialled))
        };
        Self { process, bridge, dialled }
    }

    /// What it counted, when it stops by itself. Printed too, for `ffi-c/sizes` to read.
    fn counted(self) -> BTreeMap<String, u32> {
        let output = self.process.wait_with_output().unwrap();
        self.bridge.join().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("{text}");
        assert!(output.status.success(), "{text}");
        let numbers = text.lines().filter_map(|line| line.split_once('='));
        numbers.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }
}

/// A hub that cuts the device off twice in the midst of a packet: once of the device's, once of its own.
fn hub(outbound: u64) -> Hub {
    let mut hub = Hub::new(HubConfig::new("localhost"));
    hub.register("dev1", Credentials::key(KEY).unwrap());
    let cuts = [Cut { inbound: Some(2_345), outbound: None }, Cut { inbound: None, outbound: Some(outbound) }];
    hub.faults.cuts.extend(cuts);
    hub
}

/// All 100 readings came, none twice but as a duplicate.
fn nothing_is_lost(hub: &mut Hub) {
    assert_eq!(hub.violations(), []);
    let mut seen = [0; 100];
    for telemetry in hub.take_telemetry() {
        if telemetry.property("log") == Some("boot") {
            let line = b"watchdog ok, heap none, link up, tank 21.5 degrees, valves shut\n";
            assert_eq!(telemetry.payload, line.repeat(128), "whole, however often it came");
            continue;
        }
        let number: usize = telemetry.property("reading").unwrap().parse().unwrap();
        assert!(seen[number] == 0 || telemetry.dup, "twice only with DUP");
        assert_eq!(telemetry.property("room"), Some("boiler & tank"));
        seen[number] += 1;
    }
    assert!(seen.iter().all(|&count| count >= 1), "nothing is lost: {seen:?}");
}

#[test]
#[ignore = "needs QEMU and an image: tests/run cortex-m"]
fn the_whole_device_lives_through_two_cuts_and_loses_nothing() {
    let mut hub = hub(111);
    hub.send_message("dev1", CloudMessage::new(b"paint").with("colour", "dark red")).unwrap();
    hub.patch_desired("dev1", &json!({ "limit": 7 })).unwrap();
    let mut server = Server::new(hub).unwrap();
    let machine = Machine::start(server.listen_plain(0).unwrap());

    // The first reading after the second cut: now it is called, and told of a new limit.
    let resumed = server.wait(LIMIT, |hub| {
        (machine.dialled.load(Ordering::SeqCst) == 3 && hub.connection("dev1").is_some()).then_some(())
    });
    resumed.expect("it connects again");
    let call = server.with(|hub| hub.invoke("dev1", "echo", b"[1,2]", iothub_proto::time::Duration::from_secs(60)));
    server.with(|hub| hub.patch_desired("dev1", &json!({ "limit": 42 }))).unwrap();

    let counted = machine.counted();
    assert_eq!((counted["sent"], counted["acknowledged"]), (100, 100));
    assert_eq!((counted["methods"], counted["limit"], counted["failures"]), (1, 42, 0));
    assert_eq!((counted["connections"], counted["resumed"]), (3, 2));
    assert!(counted["messages"] >= 1);
    server.with(|hub| {
        assert_eq!(hub.queued("dev1"), 0, "the message is accepted");
        assert_eq!(hub.twin("dev1")["reported"]["limit"], 42);
        let CallResult::Answered { status, payload } = hub.call_result(call) else { panic!("not answered") };
        assert_eq!((status, payload.as_slice()), (200, &b"[1,2]"[..]));
        nothing_is_lost(hub);
    });
}

/// A twin of 32 KB through a receive buffer of one, and a log of 8 KB in parts of 200 bytes.
#[test]
#[ignore = "needs QEMU and an image: tests/run cortex-m"]
fn streams_live_through_two_cuts_and_nothing_is_lost() {
    let mut hub = hub(20_000);
    // Neither connection lasts until the twin is whole, however fast either side is.
    hub.faults.cuts[0].outbound = Some(20_000);
    hub.patch_desired("dev1", &json!({ "limit": 42 })).unwrap();
    for n in 0..32 {
        hub.patch_desired("dev1", &json!({ format!("table{n}"): "t".repeat(980) })).unwrap();
    }
    assert!(hub.twin("dev1").to_string().len() > 31 * 1_024);
    let mut server = Server::new(hub).unwrap();
    let counted = Machine::start(server.listen_plain(0).unwrap()).counted();
    assert_eq!((counted["sent"], counted["acknowledged"], counted["failures"]), (100, 100, 0));
    assert_eq!((counted["connections"], counted["resumed"], counted["limit"]), (3, 2, 42));
    // 41 parts are the log once; those before a cut come again.
    assert!(counted["documents"] >= 1 && counted["parts"] > 41, "{counted:?}");
    server.with(|hub| {
        assert_eq!(hub.twin("dev1")["reported"]["limit"], 42);
        nothing_is_lost(hub);
    });
}

#[test]
#[ignore = "needs QEMU and an image: ffi-c/sizes"]
fn telemetry_alone_lives_through_two_cuts_and_loses_nothing() {
    let mut server = Server::new(hub(33)).unwrap();
    let counted = Machine::start(server.listen_plain(0).unwrap()).counted();
    assert_eq!((counted["sent"], counted["acknowledged"], counted["failures"]), (100, 100, 0));
    assert_eq!((counted["connections"], counted["resumed"]), (3, 2));
    server.with(nothing_is_lost);
}
