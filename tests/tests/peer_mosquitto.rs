//! A stock broker as a peer: the example devices over TLS against Mosquitto, with a plain client behind it that plays
//! the hub. It is stopped and killed in the middle, and no telemetry may be lost.
//!
//! `IOTHUB_PEERS_PYTHON` names a Python that has `paho-mqtt`.
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;

/// For anything to happen. The device may back off for some seconds, and the machine may be slow.
const LIMIT: Duration = Duration::from_secs(90);
/// Readings of the device: at the initial interval too many for the time that the test takes.
const READINGS: usize = 600;
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Looks every few milliseconds until there is something.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a program has printed.
#[derive(Default)]
struct Output {
    lines: Vec<String>,
    ended: bool,
}

/// A program, and what it prints.
struct Program {
    child: Child,
    output: Arc<(Mutex<Output>, Condvar)>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
        let output = Arc::<(Mutex<Output>, Condvar)>::default();
        let (shared, stdout) = (Arc::clone(&output), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                lock(&shared.0).lines.push(line);
                shared.1.notify_all();
            }
            lock(&shared.0).ended = true;
            shared.1.notify_all();
        });
        Self { child, output }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until `check` gives something for the lines printed so far.
    fn wait<T>(&self, what: &str, check: impl Fn(&[String]) -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        let mut output = lock(&self.output.0);
        loop {
            if let Some(found) = check(&output.lines) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || output.ended {
                let tail = &output.lines[output.lines.len().saturating_sub(30)..];
                panic!("in vain: {what}; the last lines:\n{}", tail.join("\n"));
            }
            output = self.output.1.wait_timeout(output, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the `count`-th line that begins so, and gives the last such.
    fn printed(&self, start: &str, count: usize) -> String {
        self.wait(&format!("'{start}', {count} times"), |lines| {
            let found: Vec<&String> = lines.iter().filter(|line| line.starts_with(start)).collect();
            found.last().filter(|_| found.len() >= count).map(|line| line.to_string())
        })
    }

    fn count(&self, start: &str) -> usize {
        lock(&self.output.0).lines.iter().filter(|line| line.starts_with(start)).count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Mosquitto with TLS for the device and plain TCP for the service, and a folder for what it keeps.
struct Broker {
    folder: PathBuf,
    plain: u16,
    tls: u16,
    child: Child,
}

impl Broker {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("iothub-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("ca.pem"), certificate.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
        let (plain, tls) = free_ports();
        let place = folder.display();
        // Without limits and with nothing dropped, as the service behind it is one with the hub. It saves its state
        // at its end and when told to.
        let config = format!(
            "user root\nallow_anonymous true\nset_tcp_nodelay true\n\
             max_inflight_messages 0\nmax_queued_messages 0\nqueue_qos0_messages true\n\
             persistence true\npersistence_location {place}/\nautosave_interval 0\n\
             log_dest file {place}/log\nlog_type all\n\
             listener {plain} 127.0.0.1\n\
             listener {tls} 127.0.0.1\ncertfile {place}/ca.pem\nkeyfile {place}/key.pem\n"
        );
        fs::write(folder.join("conf"), config).unwrap();
        let child = launch(&folder, plain);
        Self { folder, plain, tls, child }
    }

    fn restart(&mut self) {
        self.child = launch(&self.folder, self.plain);
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn end(&mut self, signal: &str) {
        self.signal(signal);
        eventually("the end of the broker", || self.child.try_wait().unwrap());
    }

    /// Has it save its state, which it does in a new file.
    fn save(&self) {
        let file = || fs::metadata(self.folder.join("mosquitto.db")).ok().map(|file| file.ino());
        let before = file();
        self.signal("USR1");
        eventually("the broker's state", || file().filter(|file| Some(*file) != before));
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap()).into_owned()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts the broker, and waits until it listens. While it was away, somebody's connection may have got its port for a
/// moment: then it ends at once, and is started again.
fn launch(folder: &Path, port: u16) -> Child {
    let start = || Command::new("mosquitto").arg("-c").arg(folder.join("conf")).spawn().expect("mosquitto runs");
    let mut child = start();
    eventually("the broker", || {
        if child.try_wait().unwrap().is_some() {
            child = start();
        }
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    child
}

fn free_ports() -> (u16, u16) {
    let (one, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    (one.local_addr().unwrap().port(), other.local_addr().unwrap().port())
}

/// Builds an example, and gives its program.
fn example(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells this test of its package would make build scripts run anew, each time.
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&variable);
        }
    }
    let cargo = cargo
        .args(["build", "--package", "iothub-proto", "--example", name, "--message-format", "json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let messages = String::from_utf8(cargo.stdout).unwrap();
    let mut programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["target"]["name"] == name { message["executable"].as_str().map(PathBuf::from) } else { None }
    });
    programs.next_back().expect("cargo names the program")
}

/// Events of this kind that the service told.
fn events(lines: &[String], kind: &str) -> Vec<Value> {
    let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

/// Waits for the service's `count`-th event of this kind, and gives it.
fn told(service: &Program, kind: &str, count: usize) -> Value {
    service.wait(&format!("{kind}, {count} times"), |lines| events(lines, kind).get(count - 1).cloned())
}

fn invoke(service: &mut Program, number: usize) {
    service.tell(&format!("invoke dev1 call-{number} echo {{\"in\":{number}}}"));
    let answer = told(service, "answer", number);
    let expected = (Value::from(200), format!("call-{number}").into(), format!("{{\"in\":{number}}}").into());
    assert_eq!((answer["status"].clone(), answer["rid"].clone(), answer["payload"].clone()), expected);
}

/// The whole story for one example.
fn nothing_is_lost(name: &str) {
    let program = example(name);
    let mut broker = Broker::start(name);
    let python = std::env::var("IOTHUB_PEERS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/hub_behind_broker.py");
    let mut service = Program::start(Command::new(python).arg(script).arg(broker.plain.to_string()));
    assert_eq!(told(&service, "subscribed", 1)["granted"], serde_json::json!([1, 1, 1, 1]));

    let mut device = Program::start(
        Command::new(program)
            .arg(format!("HostName=contoso.azure-devices.net;DeviceId=dev1;SharedAccessKey={KEY}"))
            .args(["--host", "localhost", "--port", &broker.tls.to_string(), "--interval-ms", "200"])
            .args(["--count", &READINGS.to_string(), "--ca"])
            .arg(broker.folder.join("ca.pem")),
    );
    assert_eq!(device.printed("Ready", 1), "Ready { refused: Features(0) }");
    device.printed("twin: desired version Some(1)", 1);
    invoke(&mut service, 1);
    service.tell("send dev1 one");
    device.printed("message: one", 1);
    // In its log lies what the broker took in: the device has accepted the message.
    eventually("PUBACK", || broker.log().contains("Received PUBACK from dev1").then_some(()));
    device.printed("acknowledged", 5);

    // An orderly restart. What the service sends meanwhile waits for the device.
    broker.end("TERM");
    device.printed("offline", 1);
    broker.restart();
    assert_eq!(told(&service, "connected", 2)["session_present"], true);
    service.tell("send dev1 two");
    assert_eq!(device.printed("Connected", 2), "Connected { session_present: true }");
    device.printed("Ready", 2);
    device.printed("message: two", 1);
    device.printed("twin: desired version Some(1)", 2);
    invoke(&mut service, 2);

    // A crash while messages are under way: it was halted before it could read them. What it acknowledged before, it
    // had passed on before, and the service was there.
    told(&service, "subscribed", 2);
    device.printed("acknowledged", device.count("acknowledged") + 5);
    broker.save();
    broker.signal("STOP");
    device.printed("reading", device.count("reading") + 3);
    broker.end("KILL");
    let before = broker.log().len();
    broker.restart();
    assert_eq!(told(&service, "connected", 3)["session_present"], true);
    assert_eq!(device.printed("Connected", 3), "Connected { session_present: true }");
    device.printed("Ready", 3);
    eventually("DUP", || broker.log()[before..].contains("Received PUBLISH from dev1 (d1, q1, r0,").then_some(()));
    told(&service, "subscribed", 3);
    invoke(&mut service, 3);

    // Quickly to the end: the device applies what is desired.
    service.tell("desired dev1 {\"interval_ms\":1}");
    assert_eq!(told(&service, "reported", 1)["patch"]["interval_ms"], 1);
    device.printed(&format!("acknowledged {READINGS}"), 1);
    let status = eventually("the end of the device", || device.child.try_wait().unwrap());
    assert!(status.success());
    service.wait("every reading", |lines| {
        let readings = events(lines, "telemetry");
        let mut indexes: Vec<u64> = readings.iter().filter_map(|reading| reading["body"]["index"].as_u64()).collect();
        indexes.sort_unstable();
        indexes.dedup();
        (indexes.len() == READINGS && indexes.last() == Some(&(READINGS as u64 - 1))).then_some(())
    });
    let reading = told(&service, "telemetry", 1);
    assert_eq!(reading["topic"], "devices/dev1/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8");
    assert_eq!((&reading["qos"], &reading["body"]["index"]), (&Value::from(1), &Value::from(0)));
}

#[test]
#[ignore = "needs mosquitto and paho-mqtt"]
fn a_blocking_device_loses_nothing() {
    nothing_is_lost("blocking_tls");
}

#[test]
#[ignore = "needs mosquitto and paho-mqtt"]
fn a_tokio_device_loses_nothing() {
    nothing_is_lost("tokio_tls");
}
