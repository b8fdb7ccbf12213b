//! Wireshark's dissector as a judge: a whole life of the client against the hub simulator, recorded at its socket,
//! must be MQTT to the last bit and mean there what it was meant to.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use common::KEY;
use iothub_proto::{
    Client, Config, ConnectOptions, Event, Inbound, Slot, Storage, Telemetry,
    auth::{Identity, SharedAccessKey},
    error::TimeoutReason,
    packet::QoS,
    time::{Duration as Span, Instant, UnixSeconds},
    topic::SystemProperties,
};
use iothub_tests::{
    hub::{CallResult, CloseReason, CloudMessage, Credentials, Hub, HubConfig, Outcome},
    link::End,
    pcap::{Conversation, pcap},
    server::Server,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// The client on a socket, and all that passes. Its clock is made up, so that nothing is waited for.
struct Device<'a> {
    client: Client<'a>,
    password: String,
    stream: TcpStream,
    hub_port: u16,
    now: Instant,
    input: Vec<u8>,
    record: Vec<Conversation>,
    /// Every event as text.
    told: Vec<String>,
}

impl<'a> Device<'a> {
    fn connect(client: Client<'a>, password: String, hub_port: u16) -> Self {
        let stream = open(hub_port);
        let mut device = Self {
            client,
            password,
            stream,
            hub_port,
            now: Instant::from_millis(1),
            input: Vec::new(),
            record: Vec::new(),
            told: Vec::new(),
        };
        device.sign_in(None);
        device
    }

    fn reconnect(&mut self, will: &Telemetry<'_>) {
        self.stream = open(self.hub_port);
        self.input.clear();
        self.sign_in(Some(will));
    }

    fn sign_in(&mut self, will: Option<&Telemetry<'_>>) {
        let client_port = self.stream.local_addr().unwrap().port();
        self.record.push(Conversation { client_port, hub_port: self.hub_port, chunks: Vec::new() });
        let options = ConnectOptions { password: Some(&self.password), will, ..ConnectOptions::default() };
        self.client.connect(self.now, &options).unwrap();
    }

    fn passed(&mut self, from: End, bytes: &[u8]) {
        self.record.last_mut().unwrap().chunks.push((from, bytes.to_vec()));
    }

    fn send(&mut self, message: &Telemetry<'_>) {
        self.client.send_telemetry(self.now, message).unwrap();
    }

    /// Sends what there is to send.
    fn flush(&mut self) {
        while let Some(bytes) = self.client.poll_transmit().map(<[u8]>::to_vec) {
            self.stream.write_all(&bytes).unwrap();
            self.client.confirm_transmit(self.now, bytes.len()).unwrap();
            self.passed(End::Client, &bytes);
        }
    }

    /// Runs until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        loop {
            while self.handle_input() {}
            self.flush();
            if done(self) {
                return;
            }
            if self.client.has_event() {
                continue;
            }
            let mut buffer = [0; 4_096];
            match self.stream.read(&mut buffer) {
                Ok(0) => self.client.handle_eof(self.now).unwrap(),
                Ok(len) => {
                    self.input.extend(&buffer[..len]);
                    self.passed(End::Hub, &buffer[..len]);
                }
                Err(error) => panic!("{error} while waiting for {what}; so far: {:#?}", self.told),
            }
        }
    }

    /// Runs until `count` events of this kind have come in all.
    fn told(&mut self, kind: &str, count: usize) {
        self.until(kind, |device| device.told.iter().filter(|told| told.starts_with(kind)).count() == count);
    }

    /// Passes input on, and does what an event asks for. `false` if nothing came of it.
    fn handle_input(&mut self) -> bool {
        let handled = self.client.handle_input(self.now, &self.input).unwrap();
        let (consumed, told) = (handled.consumed, handled.event.is_some());
        if let Some(event) = handled.event {
            self.told.push(format!("{event:?}"));
            match event {
                Event::Message(message) if message.payload == b"later" && !message.redelivered => {
                    self.client.message_leave(self.now, message.token.unwrap()).unwrap();
                }
                Event::Message(message) => self.client.message_accept(self.now, message.token.unwrap()).unwrap(),
                Event::MethodCall { payload, request, .. } => {
                    self.client.method_respond(self.now, request, 207, payload).unwrap();
                }
                _ => {}
            }
        }
        self.input.drain(..consumed);
        consumed > 0 || told
    }
}

fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// What was recorded of a life with every kind of packet in it, some of them split over many segments.
fn life() -> Vec<Conversation> {
    let mut hub = Hub::new(HubConfig::new("localhost"));
    hub.register("dev1", Credentials::key(KEY).unwrap());
    let mut server = Server::new(hub).unwrap();
    let port = server.listen_plain(0).unwrap();

    let (mut tx, mut slots, mut inbound) = (vec![0; 64 * 1024], [Slot::EMPTY; 16], [Inbound::EMPTY; 16]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let identity = Identity::device("localhost", "dev1").with_model_id("dtmi:com:example:Thermostat;1");
    let mut config = Config::new(identity);
    config.settings.connect_reserve = 2_048;
    let expiry = UnixSeconds(server.with(|hub| hub.unix_now()) as u32).plus(3_600);
    let key = SharedAccessKey::from_base64(KEY).unwrap();
    let password = key.token(&identity, expiry, None, &mut [0; 512]).unwrap().to_owned();
    let mut device = Device::connect(Client::new(config, storage).unwrap(), password, port);
    device.told("TwinDocument", 1);

    let properties = &[("room", "Küche & Bad/1"), ("empty", ""), ("a+b#c", "100 %")];
    let system = SystemProperties { content_type: Some("application/json"), ..SystemProperties::default() };
    device.send(&Telemetry { payload: b"{\"t\":21.5}", system: &system, properties, ..Telemetry::default() });
    device.send(&Telemetry::default());
    device.send(&Telemetry { payload: b"unsure", qos: QoS::AtMostOnce, ..Telemetry::default() });
    device.send(&Telemetry { payload: &[0; 20_000], ..Telemetry::default() });
    device.told("TelemetryAcked", 3);

    server.with(|hub| {
        hub.send_message("dev1", CloudMessage::new(&[7; 3_000]).with("k", "v")).unwrap();
    });
    let later = server.with(|hub| hub.send_message("dev1", CloudMessage::new(b"later"))).unwrap();
    device.told("Message(", 2);
    let call = server.with(|hub| hub.invoke("dev1", "reboot", b"{\"in\":5}", Span::from_secs(20)));
    device.told("MethodCall", 1);
    let answered =
        server.wait(LIMIT, |hub| Some(hub.call_result(call)).filter(|result| *result != CallResult::Pending));
    assert_eq!(answered, Some(CallResult::Answered { status: 207, payload: b"{\"in\":5}".to_vec() }));
    server.with(|hub| hub.patch_desired("dev1", &json!({ "interval": 5 }))).unwrap();
    device.told("TwinDesired", 1);
    device.client.twin_report(device.now, b"{\"interval\":5}").unwrap();
    device.told("TwinReported", 1);

    // Silence, which only the made-up clock knows of.
    device.now = device.client.poll_timeout().unwrap();
    assert_eq!(device.client.timeout_reason(), Some(TimeoutReason::KeepAlive));
    device.client.handle_timeout(device.now).unwrap();
    device.flush();
    assert_eq!(device.client.timeout_reason(), Some(TimeoutReason::Pingresp));
    device.until("PINGRESP", |device| device.client.timeout_reason() == Some(TimeoutReason::KeepAlive));

    // Taken by the hub, and not acknowledged: it goes out again after the cut.
    server.with(|hub| hub.faults.drop_pubacks = 1);
    device.send(&Telemetry { payload: b"twice", ..Telemetry::default() });
    device.flush();
    let twice = |hub: &mut Hub| hub.take_telemetry().into_iter().find(|taken| taken.payload == b"twice");
    server.wait(LIMIT, twice).expect("telemetry");
    server.with(|hub| hub.end_client("dev1", CloseReason::Fault));
    device.told("Disconnected", 1);
    device.reconnect(&Telemetry { payload: b"gone", properties: &[("will", "yes")], ..Telemetry::default() });
    device.told("TwinDocument", 2);
    device.told("TelemetryAcked", 4);
    device.told("Message(", 3);
    server.wait(LIMIT, |hub| (hub.outcome(later) == Some(Outcome::Completed)).then_some(())).expect("PUBACK");
    device.client.disconnect(device.now).unwrap();
    device.told("Disconnected", 2);
    server.wait(LIMIT, |hub| hub.connection("dev1").is_none().then_some(())).expect("the end");
    assert_eq!(server.with(|hub| hub.violations().len()), 0);
    device.record
}

/// A capture in a file of its own, gone when dropped.
struct Capture(PathBuf, u16);

impl Capture {
    fn new(name: &str, conversations: &[Conversation]) -> Self {
        let file = std::env::temp_dir().join(format!("iothub-{name}-{}.pcap", std::process::id()));
        std::fs::write(&file, pcap(conversations)).unwrap();
        Self(file, conversations[0].hub_port)
    }

    /// What tshark prints for the frames that pass `filter`: these fields of each, the values of one field separated
    /// by bars. A field is a line's column.
    fn dissect(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(&self.0).args(["-d", &format!("tcp.port=={},mqtt", self.1), "-Y", filter]);
        tshark.args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
        tshark.args(["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"]);
        tshark.args(fields.iter().flat_map(|field| ["-e", field]));
        let output = tshark.output().expect("tshark runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Frames that tshark has something against, and what: expert severity warning (0x600000) or error.
    fn complaints(&self) -> Vec<Vec<String>> {
        let filter = "_ws.malformed || _ws.expert.severity >= 0x600000";
        self.dissect(filter, &["frame.number", "_ws.expert.message", "_ws.malformed"])
    }

    /// The values of a field in all MQTT packets to, or from, the hub.
    fn values(&self, from: End, field: &str) -> Vec<String> {
        let direction = match from {
            End::Client => "dstport",
            End::Hub => "srcport",
        };
        let rows = self.dissect(&format!("mqtt && tcp.{direction} == {}", self.1), &[field]);
        rows.iter().flat_map(|row| row[0].split('|')).filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    /// How many packets of each type, 0 to 15, this end sent.
    fn counts(&self, from: End) -> [usize; 16] {
        let mut counts = [0; 16];
        for kind in self.values(from, "mqtt.msgtype") {
            counts[kind.parse::<usize>().unwrap()] += 1;
        }
        counts
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// `[(type, number)]` as [`Capture::counts`] gives it.
fn counted(kinds: &[(usize, usize)]) -> [usize; 16] {
    let mut counts = [0; 16];
    for &(kind, number) in kinds {
        counts[kind] = number;
    }
    counts
}

const CONNECT: usize = 1;
const CONNACK: usize = 2;
const PUBLISH: usize = 3;
const PUBACK: usize = 4;
const SUBSCRIBE: usize = 8;
const SUBACK: usize = 9;
const PINGREQ: usize = 12;
const PINGRESP: usize = 13;
const DISCONNECT: usize = 14;

#[test]
#[ignore = "needs tshark"]
fn a_whole_life_is_mqtt() {
    let capture = Capture::new("life", &life());
    assert_eq!(capture.complaints(), Vec::<Vec<String>>::new());

    // Five messages, an answer and a report, then one message again; two GETs of synchronisation.
    let sent = [(CONNECT, 2), (PUBLISH, 10), (PUBACK, 2), (SUBSCRIBE, 2), (PINGREQ, 1), (DISCONNECT, 1)];
    assert_eq!(capture.counts(End::Client), counted(&sent));
    // Two messages, one again; a call, a patch, the answer to the report and to two GETs.
    let received = [(CONNACK, 2), (PUBLISH, 8), (PUBACK, 4), (SUBACK, 2), (PINGRESP, 1)];
    assert_eq!(capture.counts(End::Hub), counted(&received));

    let sent = |field| capture.values(End::Client, field);
    assert_eq!(sent("mqtt.ver"), ["4", "4"]);
    assert_eq!(sent("mqtt.clientid"), ["dev1", "dev1"]);
    let user = concat!(
        "localhost/dev1/?api-version=2021-04-12&DeviceClientType=iothub-proto%2F",
        env!("CARGO_PKG_VERSION"),
        "&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1"
    );
    assert_eq!(sent("mqtt.username"), [user, user]);
    assert_eq!(sent("mqtt.conflag.willflag"), ["0", "1"]);
    assert_eq!(sent("mqtt.willtopic"), ["devices/dev1/messages/events/will=yes"]);
    assert_eq!(sent("mqtt.willmsg"), ["676f6e65"]);
    assert_eq!(sent("mqtt.sub.qos"), ["1", "0", "0", "0", "1", "0", "0", "0"]);
    // By PUBLISH: GET, four messages, call, report, `twice`; GET, `twice`. Only the last is sent for the second time.
    assert_eq!(sent("mqtt.dupflag"), ["0", "0", "0", "0", "0", "0", "0", "0", "0", "1"]);
    assert_eq!(sent("mqtt.qos"), ["0", "1", "1", "0", "1", "0", "0", "1", "0", "1"]);
    assert_eq!(sent("mqtt.retain"), ["0"; 10]);
    let topics = sent("mqtt.topic");
    assert_eq!(
        topics[5],
        "devices/dev1/messages/events/%24.ct=application%2Fjson&room=K%C3%BCche%20%26%20Bad%2F1&empty=&a%2Bb%23c=100%20%25"
    );
    assert!(topics.contains(&"$iothub/methods/res/207/?$rid=1".to_owned()), "{topics:#?}");
    assert_eq!(capture.values(End::Hub, "mqtt.conack.flags.sp"), ["0", "1"]);
}

/// The dissector is shown to see what it is for.
#[test]
#[ignore = "needs tshark"]
fn what_is_wrong_is_seen() {
    let publish = b"\x32\x07\x00\x03a/b\x00\x01";
    let wrong: [&[u8]; 3] = [
        // The topic's length is beyond the end; no topic; a CONNECT cut short.
        b"\x32\x07\x00\x13a/b\x00\x01",
        b"\x30\x02\x00\x00",
        b"\x10\x08\x00\x04MQTT\x04\x02",
    ];
    let judge = |bytes: &[u8]| {
        let chunks = vec![(End::Client, bytes.to_vec())];
        Capture::new("wrong", &[Conversation { client_port: 50_000, hub_port: 11_883, chunks }]).complaints()
    };
    assert!(judge(publish).is_empty());
    for bytes in wrong {
        assert!(!judge(bytes).is_empty(), "{}", bytes.escape_ascii());
    }
}
