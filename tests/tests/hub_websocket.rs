//! A device's life over WebSocket, against the hub simulator on real sockets.

mod common;
#[path = "common/program.rs"]
mod program;
#[path = "common/tls.rs"]
mod tls;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use common::{HOST, KEY};
use iothub_proto::{
    Client, Config, ConnectOptions, Event, Inbound, RxBuffer, Slot, Storage, Telemetry,
    auth::{Identity, SharedAccessKey},
    error::WebSocketError,
    event::DisconnectReason,
    time::{Instant, UnixSeconds},
    topic::Features,
    websocket::{NO_CLIENT_CERTIFICATE, State, Upgrade, WebSocket},
};
use iothub_tests::{
    hub::{CallResult, CloseReason, CloudMessage, Credentials, Hub, HubConfig, Outcome},
    server::Server,
};
use program::Program;
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;
use tls::LIMIT;

fn server() -> Server {
    let mut hub = Hub::new(HubConfig::new(HOST));
    hub.register("dev1", Credentials::key(KEY).unwrap());
    Server::new(hub).unwrap()
}

trait Stream: Read + Write {
    fn cut(&self);
}

impl Stream for TcpStream {
    fn cut(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn cut(&self) {
        self.sock.cut();
    }
}

fn plain(port: u16) -> Box<dyn Stream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // A wait ends with the client's next input at the latest, or here.
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    Box::new(stream)
}

fn encrypted(server: &Server, port: u16) -> Box<dyn Stream> {
    Box::new(tls::polled(server.ca_pem(), HOST, port))
}

/// A device with a window of 256 bytes, so that most of its packets leave in several frames.
struct Device<'a> {
    client: Client<'a>,
    socket: WebSocket<'static>,
    rx: RxBuffer<'a>,
    stream: Option<Box<dyn Stream>>,
    /// Events in words, to be waited for; what they ask for is done.
    told: Vec<String>,
    start: std::time::Instant,
}

/// Runs `test` with a device.
fn with_device(test: impl FnOnce(&mut Device<'_>)) {
    let (mut tx, mut slots, mut inbound) = (vec![0; 64 * 1024], [Slot::EMPTY; 32], [Inbound::EMPTY; 16]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut config = Config::new(Identity::device(HOST, "dev1"));
    config.settings.features = Features::ALL_DEVICE;
    config.settings.max_packet = 32 * 1024;
    let mut room = vec![0; 32 * 1024];
    test(&mut Device {
        client: Client::new(config, storage).unwrap(),
        socket: WebSocket::with_window(256),
        rx: RxBuffer::new(&mut room),
        stream: None,
        told: Vec::new(),
        start: std::time::Instant::now(),
    });
}

impl Device<'_> {
    fn now(&self) -> Instant {
        Instant::from_millis(self.start.elapsed().as_millis() as u64)
    }

    fn connect(&mut self, stream: Box<dyn Stream>, upgrade: &Upgrade<'_>) {
        self.stream = Some(stream);
        self.rx.clear();
        let mut room = [0; 512];
        let key = SharedAccessKey::from_base64(KEY).unwrap();
        let token = key.token(&Identity::device(HOST, "dev1"), UnixSeconds(u32::MAX), None, &mut room).unwrap();
        self.socket.connect(self.now(), upgrade).unwrap();
        self.client.connect(self.now(), &ConnectOptions { password: Some(token), ..Default::default() }).unwrap();
    }

    /// One turn of the loop in the documentation of `websocket`.
    fn turn(&mut self) {
        self.receive();
        let now = self.now();
        let _ = (self.socket.handle_timeout(now), self.client.handle_timeout(now));
        self.take_events();
        self.send(usize::MAX);
        if self.socket.state() == State::Closed
            && let Some(stream) = self.stream.take()
        {
            stream.cut();
            self.client.handle_eof(now).unwrap();
            self.take_events();
        }
    }

    fn receive(&mut self) {
        let now = self.now();
        let Some(stream) = &mut self.stream else { return };
        match stream.read(self.rx.space()) {
            Ok(read @ 1..) => {
                let mqtt = self.socket.handle_input_in_place(now, &mut self.rx.space()[..read]);
                self.rx.commit(mqtt.unwrap_or(0));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => {
                self.stream = None;
                self.socket.handle_eof(now).unwrap();
                self.client.handle_eof(now).unwrap();
            }
        }
    }

    /// Sends at most so many bytes.
    fn send(&mut self, mut most: usize) {
        let now = self.now();
        let Some(stream) = &mut self.stream else { return };
        while let Some(lent) = self.socket.poll_transmit(self.client.poll_transmit()) {
            let count = lent.len().min(most);
            if count == 0 || stream.write_all(&lent[..count]).is_err() {
                break;
            }
            most -= count;
            let mqtt = self.socket.confirm_transmit(now, count).unwrap();
            self.client.confirm_transmit(now, mqtt).unwrap();
        }
        let _ = stream.flush();
    }

    fn take_events(&mut self) {
        let now = self.now();
        while let Ok(Some(event)) = self.client.poll_event(now, &mut self.rx) {
            let told = match event {
                Event::Connected { session_present } => format!("connected, session present: {session_present}"),
                Event::Ready { .. } => "ready".to_owned(),
                Event::TelemetryAcked(_) => "acked".to_owned(),
                Event::Message(message) => {
                    self.client.message_accept(now, message.token.unwrap()).unwrap();
                    format!("message {}", message.payload.escape_ascii())
                }
                Event::MethodCall { name, payload, request } => {
                    self.client.method_respond(now, request, 200, payload).unwrap();
                    format!("method {name}")
                }
                Event::TwinDocument { version, .. } => format!("twin {}", version.unwrap()),
                Event::TwinDesired { version, .. } => format!("desired {}", version.unwrap()),
                Event::TwinReported { .. } => "reported".to_owned(),
                Event::Disconnected(end) => {
                    if end.reason == DisconnectReason::Requested {
                        self.socket.disconnect(now).unwrap();
                    }
                    format!("disconnected: {:?}", end.reason)
                }
                other => panic!("{other:?}"),
            };
            self.told.push(told);
        }
    }

    /// Runs until all of these were told, in this order, among others.
    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        for &expected in expected {
            let found = self.run(|device| device.told.iter().position(|told| told == expected));
            let found = found.unwrap_or_else(|| panic!("{expected}, not only {:?}", self.told));
            self.told.drain(..=found);
        }
    }

    fn run<T>(&mut self, mut done: impl FnMut(&mut Self) -> Option<T>) -> Option<T> {
        let start = std::time::Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(found) = done(self) {
                return Some(found);
            }
            self.turn();
        }
        None
    }
}

const fn upgrade() -> Upgrade<'static> {
    Upgrade::new(HOST, *b"the sample nonceand a secret one")
}

#[test]
fn a_life_over_tls_with_a_cut_in_a_frame() {
    let mut server = server();
    let port = server.listen_websocket_tls(0).unwrap();
    with_device(|device| {
        device.connect(encrypted(&server, port), &upgrade());
        device.expect(&["connected, session present: false", "ready", "twin 1"]);
        talk(device, &server);
        cut(device, &server, port);

        device.client.disconnect(device.now()).unwrap();
        device.expect(&["disconnected: Requested"]);
        device.run(|device| device.stream.is_none().then_some(())).expect("an end");
        // Whoever of the two was the quicker one to close.
        let error = device.socket.error();
        assert!(matches!(error, None | Some(WebSocketError::Closed { code: Some(1000) })), "{error:?}");
    });
    server.with(|hub| assert_eq!(hub.violations(), []));
}

/// Telemetry, a message, a method and the twin.
fn talk(device: &mut Device<'_>, server: &Server) {
    let body: Vec<u8> = (0..2_000_u32).map(|index| index as u8).collect();
    for _ in 0..20 {
        device.client.send_telemetry(device.now(), &Telemetry { payload: &body, ..Default::default() }).unwrap();
    }
    device.expect(&["acked"; 20]);
    let stored = server.with(Hub::take_telemetry);
    assert!(stored.len() == 20 && stored.iter().all(|telemetry| telemetry.payload == body && !telemetry.dup));

    let id = server.with(|hub| hub.send_message("dev1", CloudMessage::new(b"hello"))).unwrap();
    let call =
        server.with(|hub| hub.invoke("dev1", "blink", br#"{"n":3}"#, iothub_proto::time::Duration::from_secs(20)));
    device.expect(&["message hello", "method blink"]);
    let answered = CallResult::Answered { status: 200, payload: br#"{"n":3}"#.to_vec() };
    device.run(|_| server.with(|hub| (hub.call_result(call) == answered).then_some(()))).expect("an answer");
    device.run(|_| server.with(|hub| (hub.outcome(id) == Some(Outcome::Completed)).then_some(()))).expect("PUBACK");

    server.with(|hub| hub.patch_desired("dev1", &json!({ "interval": 5 })).unwrap());
    device.expect(&["desired 2"]);
    device.client.twin_report(device.now(), br#"{"interval":5}"#).unwrap();
    device.expect(&["reported"]);
    assert_eq!(server.with(|hub| hub.twin("dev1")["reported"]["interval"].clone()), 5);
}

/// The cable is cut inside the second frame of a message; the session is resumed.
fn cut(device: &mut Device<'_>, server: &Server, port: u16) {
    let message = Telemetry { payload: &[7; 1_000], ..Default::default() };
    device.client.send_telemetry(device.now(), &message).unwrap();
    device.send(300);
    device.stream.as_ref().unwrap().cut();
    device.expect(&["disconnected: TransportClosed"]);
    server.wait(LIMIT, |hub| hub.connection("dev1").is_none().then_some(())).expect("the hub sees it, too");
    server.with(|hub| hub.send_message("dev1", CloudMessage::new(b"meanwhile")).unwrap());

    let again = Upgrade { query: NO_CLIENT_CERTIFICATE, ..upgrade() };
    device.connect(encrypted(server, port), &again);
    device.expect(&["connected, session present: true", "message meanwhile"]);
    device.run(|device| (device.client.pending().telemetry == 0).then_some(())).expect("PUBACK");
    let stored = server.with(Hub::take_telemetry);
    assert_eq!((stored.len(), stored[0].dup, stored[0].payload.len()), (1, true, 1_000));
}

#[test]
fn a_hub_that_ends_the_connection_says_so() {
    let mut server = server();
    let port = server.listen_websocket_plain(0).unwrap();
    with_device(|device| {
        device.connect(plain(port), &upgrade());
        device.expect(&["ready"]);
        server.with(|hub| hub.end_client("dev1", CloseReason::Fault));
        device.expect(&["disconnected: TransportClosed"]);
        assert_eq!(device.socket.error(), Some(WebSocketError::Closed { code: Some(1000) }));
    });
}

#[test]
fn another_path_is_refused() {
    let mut server = server();
    let port = server.listen_websocket_tls(0).unwrap();
    with_device(|device| {
        device.connect(encrypted(&server, port), &Upgrade { path: "/mqtt", ..upgrade() });
        device.expect(&["disconnected: TransportClosed"]);
        assert_eq!(device.socket.error(), Some(WebSocketError::Refused { status: 404 }));
        // The client is none the worse for it.
        device.connect(encrypted(&server, port), &upgrade());
        device.expect(&["connected, session present: false", "ready"]);
    });
}

/// The status line that answers a request with this sub-protocol, and the sub-protocol of the answer.
fn answer(port: u16, protocol: &str) -> (String, Option<String>) {
    let mut stream = tls::plain(port);
    let request = format!(
        "GET /$iothub/websocket?any=thing HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let lines: Vec<String> =
        BufReader::new(stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let chosen = lines.iter().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
    (lines[0].clone(), chosen.map(str::to_owned))
}

#[test]
fn the_program_takes_the_sub_protocol_in_any_case() {
    let program = Program::start("--websocket 0 --websocket-plain 0");
    assert!(program.port("websocket") > 0);
    let port = program.port("websocket_plain");
    for (header, chosen) in [
        ("Sec-WebSocket-Protocol: mqtt\r\n", Some("mqtt")),
        ("Sec-WebSocket-Protocol: MQTT\r\n", Some("MQTT")),
        ("Sec-WebSocket-Protocol: amqp, mqtt\r\n", Some("mqtt")),
        ("Sec-WebSocket-Protocol: amqp\r\n", None),
        ("", None),
    ] {
        let status = if chosen.is_some() { "HTTP/1.1 101 Switching Protocols" } else { "HTTP/1.1 400 Bad Request" };
        assert_eq!(answer(port, header), (status.to_owned(), chosen.map(str::to_owned)), "{header:?}");
    }
    program.end();
}
