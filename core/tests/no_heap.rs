//! The base tier allocates nothing: a whole session with a heap that counts.

use iothub_proto::auth::{Identity, Registration};
use iothub_proto::error::{CapacityError, Error, TimeoutReason};
use iothub_proto::event::{Event, TwinToken};
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::{Features, SystemProperties};
use iothub_proto::{
    Client, Config, ConnectOptions, Inbound, ProvisioningClient, ProvisioningConfig, ProvisioningEvent, RxBuffer,
    Settings, Slot, State, Storage, Telemetry,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's heap, which counts what each thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends has no counter any more, and no test either.
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: every call is the system allocator's own, with the caller's arguments; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// Calls, and fails if the heap was asked for anything.
#[track_caller]
fn free<T>(call: impl FnOnce() -> T) -> T {
    let before = ASKED.get();
    let result = call();
    assert_eq!(ASKED.get(), before, "the heap was used");
    result
}

#[test]
fn the_counter_counts() {
    let before = ASKED.get();
    drop(vec![0_u8; 10]);
    assert_eq!(ASKED.get(), before + 2);
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first, (body.len() % 128) as u8 | 128, (body.len() / 128) as u8];
    packet.extend(body);
    packet
}

fn publish(first: u8, topic: &str, id: &[u8], payload: &[u8]) -> Vec<u8> {
    packet(first, &[&(topic.len() as u16).to_be_bytes()[..], topic.as_bytes(), id, payload].concat())
}

/// A driver without a heap.
struct Driver<'m> {
    client: Client<'m>,
    rx: RxBuffer<'m>,
    now: Instant,
    /// What was sent last.
    sent: [u8; 512],
    len: usize,
}

impl Driver<'_> {
    fn feed(&mut self, bytes: &[u8]) {
        free(|| {
            self.rx.space()[..bytes.len()].copy_from_slice(bytes);
            self.rx.commit(bytes.len());
        });
    }

    /// The next event, of which `look` says whether it is the right one.
    #[track_caller]
    fn event<T>(&mut self, look: impl FnOnce(&mut Client<'_>, Event<'_>) -> Option<T>) -> T {
        let Self { client, rx, now, .. } = self;
        // The client is free to be called while the event lives, which `poll_event` borrows from `rx` alone.
        let event = free(|| client.poll_event(*now, rx));
        let event = event.expect("no error").expect("an event");
        let shown = format!("{event:?}");
        free(|| look(client, event)).unwrap_or_else(|| panic!("{shown}"))
    }

    #[track_caller]
    fn no_event(&mut self) {
        assert_eq!(free(|| self.client.poll_event(self.now, &mut self.rx)), Ok(None));
    }

    /// Sends everything, in two parts each; how many packets that was.
    fn send(&mut self) -> usize {
        let mut packets = 0;
        while let Some(lent) = free(|| self.client.poll_transmit().map(<[u8]>::len)) {
            let (client, sent) = (&mut self.client, &mut self.sent);
            free(|| {
                sent[..lent].copy_from_slice(client.poll_transmit().unwrap_or_default());
                client.confirm_transmit(self.now, 1)
            })
            .expect("lent");
            free(|| self.client.confirm_transmit(self.now, lent - 1)).expect("lent");
            self.len = lent;
            packets += 1;
        }
        packets
    }

    #[track_caller]
    fn pass(&mut self, reason: TimeoutReason) -> Result<(), Error> {
        assert_eq!(free(|| self.client.timeout_reason()), Some(reason));
        self.now = free(|| self.client.poll_timeout()).expect("a deadline");
        free(|| self.client.handle_timeout(self.now))
    }

    fn sign_in(&mut self, connack: &[u8]) {
        let lifetime = Some(Duration::from_secs(3_600));
        let options = ConnectOptions { password: Some("SharedAccessSignature sig=x"), lifetime, ..Default::default() };
        free(|| self.client.connect(self.now, &options)).expect("offline");
        assert_eq!(self.send(), 1);
        self.feed(connack);
        self.event(|_, event| matches!(event, Event::Connected { .. }).then_some(()));
        assert_eq!(self.send(), 1, "SUBSCRIBE");
        self.feed(b"\x90\x06\xff\xff\x01\x00\x00\x00");
        self.event(|_, event| matches!(event, Event::Ready { .. }).then_some(()));
    }

    /// The topic of the answer to the twin request sent last.
    fn answer_topic(&self, status: u16) -> String {
        let sent = String::from_utf8_lossy(&self.sent[..self.len]).into_owned();
        let rid = sent.split("$rid=").nth(1).expect("a request id");
        let end = rid.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rid.len());
        format!("$iothub/twin/res/{status}/?$rid={}", &rid[..end])
    }
}

const C2D: &str = "devices/dev1/messages/devicebound/%24.mid=7&room=caf%C3%A9";

#[test]
fn a_whole_session_asks_nothing_of_the_heap() {
    let (mut tx, mut slots, mut inbound) = ([0; 1_200], [Slot::EMPTY; 4], [Inbound::EMPTY; 4]);
    let mut room = [0; 512];
    let settings = Settings {
        features: Features::ALL_DEVICE,
        twin_sync: true,
        max_packet: 512,
        keep_alive: 60,
        ..Settings::default()
    };
    let identity = Identity::device("contoso.azure-devices.net", "dev1");
    let client = free(|| {
        let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
        Client::new(Config { identity, settings }, storage)
    });
    let rx = free(|| RxBuffer::new(&mut room));
    let mut driver = Driver { client: client.expect("room"), rx, now: Instant::ZERO, sent: [0; 512], len: 0 };

    driver.sign_in(b"\x20\x02\x00\x00");
    assert_eq!(driver.send(), 1, "the fetch of the twin");
    let document = br#"{"desired":{"$version":4},"reported":{"$version":1}}"#;
    driver.feed(&publish(0x30, &driver.answer_topic(200), b"", document));
    driver.event(|_, event| matches!(event, Event::TwinDocument { version: Some(4), .. }).then_some(()));

    telemetry(&mut driver);
    messages_and_methods(&mut driver);
    twin(&mut driver);

    driver.pass(TimeoutReason::KeepAlive).expect("PINGREQ");
    assert_eq!(driver.send(), 1);
    driver.feed(b"\xd0\x00");
    driver.no_event();

    resume(&mut driver);
}

fn telemetry(driver: &mut Driver<'_>) {
    let system = SystemProperties { message_id: Some("m 1"), ..Default::default() };
    let properties = [("room", "café"), ("n", "&")];
    for (qos, id) in [(QoS::AtMostOnce, None), (QoS::AtLeastOnce, Some(2))] {
        let message = Telemetry { payload: b"21.5", qos, system: &system, properties: &properties };
        let token = free(|| driver.client.send_telemetry(driver.now, &message)).expect("room");
        assert_eq!(driver.send(), 1);
        if let Some(id) = id {
            driver.feed(&[0x40, 2, 0, id]);
            driver.event(|_, event| (event == Event::TelemetryAcked(token)).then_some(()));
        }
    }
    // Full, withdrawn, and packets that slide.
    let message = Telemetry { payload: &[7; 100], ..Default::default() };
    let mut tokens = [None; 4];
    for token in &mut tokens {
        *token = free(|| driver.client.send_telemetry(driver.now, &message)).ok();
    }
    let full = free(|| driver.client.send_telemetry(driver.now, &message));
    assert!(matches!(full, Err(Error::Capacity(CapacityError::SlotsFull | CapacityError::TxFull { .. }))));
    for token in tokens.into_iter().flatten() {
        free(|| driver.client.telemetry_withdraw(driver.now, token)).expect("queued");
    }
    assert_eq!(free(|| (driver.client.unacked().count(), driver.client.pending().telemetry)), (0, 0));
}

fn messages_and_methods(driver: &mut Driver<'_>) {
    driver.feed(&publish(0x32, C2D, b"\x00\x09", b"hello"));
    let now = driver.now;
    driver.event(|client, event| {
        let Event::Message(message) = event else { return None };
        let mut buffer = [0; 16];
        let system = message.properties.system();
        assert!(system.message_id.is_some_and(|id| id == *"7"));
        for property in message.properties.application() {
            assert_eq!(property.value?.decode(&mut buffer), Ok("café"));
        }
        client.message_accept(now, message.token?).ok()
    });
    driver.feed(&publish(0x30, "$iothub/methods/POST/blink/?$rid=7", b"", b"{}"));
    driver.event(|client, event| {
        let Event::MethodCall { ref request, .. } = event else { return None };
        client.method_respond(now, request, 200, b"{}").ok()
    });
    assert_eq!(driver.send(), 2, "PUBACK and the answer");
    // Larger than the buffer: fed in pieces.
    let large = publish(0x32, C2D, b"\x00\x0a", &[b'x'; 900]);
    driver.feed(&large[..300]);
    let token = driver.event(|_, event| match event {
        Event::Skipped(skipped) => skipped.token,
        _ => None,
    });
    for piece in large[300..].chunks(300) {
        driver.no_event();
        driver.feed(piece);
    }
    driver.no_event();
    free(|| driver.client.message_leave(driver.now, token)).expect("undecided");
    driver.feed(&publish(0x31, "t", b"", b""));
    driver.event(|_, event| matches!(event, Event::Unknown { .. }).then_some(()));
}

fn twin(driver: &mut Driver<'_>) {
    driver.feed(&publish(0x30, "$iothub/twin/PATCH/properties/desired/?$version=5", b"", br#"{"$version":5}"#));
    driver.event(|_, event| matches!(event, Event::TwinDesired { version: Some(5), .. }).then_some(()));
    let get = free(|| driver.client.twin_get(driver.now)).expect("room");
    let ends = |driver: &mut Driver<'_>, token: TwinToken| {
        assert_eq!(driver.send(), 1);
        driver.feed(&publish(0x30, &driver.answer_topic(429), b"", b"{}"));
        driver.event(|_, event| matches!(event, Event::RequestFailed { token: of, .. } if of == token).then_some(()));
    };
    ends(driver, get);
    // With serde_json the patch is checked first, on the heap: that is no call of the base tier.
    let report = |client: &mut Client<'_>, now| client.twin_report(now, br#"{"a":1}"#);
    let report = if cfg!(feature = "json") {
        report(&mut driver.client, driver.now)
    } else {
        free(|| report(&mut driver.client, driver.now))
    };
    ends(driver, report.expect("room"));
}

fn resume(driver: &mut Driver<'_>) {
    let token = free(|| driver.client.send_telemetry(driver.now, &Telemetry::default())).expect("room");
    let lost = free(|| driver.client.twin_get(driver.now)).expect("room");
    assert_eq!(driver.send(), 2);
    free(|| driver.client.handle_eof(driver.now)).expect("a good instant");
    driver.event(|_, event| matches!(event, Event::RequestFailed { token, .. } if token == lost).then_some(()));
    driver.event(|_, event| matches!(event, Event::Disconnected(_)).then_some(()));

    driver.sign_in(b"\x20\x02\x01\x00");
    assert_eq!(driver.send(), 2, "the fetch, and the message again");
    assert_eq!(driver.sent[0], 0x3a);
    let id = driver.len - 2;
    driver.feed(&[0x40, 2, driver.sent[id], driver.sent[id + 1]]);
    driver.event(|_, event| (event == Event::TelemetryAcked(token)).then_some(()));
    free(|| driver.client.disconnect(driver.now)).expect("ready");
    assert_eq!(driver.send(), 1);
    driver.event(|_, event| matches!(event, Event::Disconnected(_)).then_some(()));

    // Hostile bytes, and a dead link.
    driver.sign_in(b"\x20\x02\x01\x00");
    driver.feed(b"\x36");
    driver.event(|_, event| matches!(event, Event::Disconnected(_)).then_some(()));
    assert!(free(|| driver.client.poll_event(driver.now, &mut driver.rx).is_err()));
    assert!(free(|| driver.client.handle_timeout(driver.now)).is_err());
    driver.rx.clear();
    let options = ConnectOptions::default();
    free(|| driver.client.connect(driver.now, &options)).expect("failed");
    assert_eq!(driver.pass(TimeoutReason::Send), Err(Error::TimedOut(TimeoutReason::Send)));
    assert_eq!(driver.client.state(), State::Failed);
}

/// A twin and a message larger than the buffer, and one that leaves in parts.
#[test]
#[cfg(feature = "stream")]
fn pieces_and_parts_use_no_heap() {
    use iothub_proto::Parts;
    use iothub_proto::event::StreamEnd;

    let (mut tx, mut slots, mut inbound) = ([0; 1_200], [Slot::EMPTY; 4], [Inbound::EMPTY; 4]);
    let mut room = [0; 512];
    let (features, twin_sync) = (Features::ALL_DEVICE, true);
    let settings =
        Settings { features, twin_sync, max_packet: 512, stream_payloads: true, keep_alive: 0, ..Settings::default() };
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let config = Config { identity: Identity::device("contoso.azure-devices.net", "dev1"), settings };
    let client = Client::new(config, storage).expect("room");
    let mut driver = Driver { client, rx: RxBuffer::new(&mut room), now: Instant::ZERO, sent: [0; 512], len: 0 };
    driver.sign_in(b"\x20\x02\x00\x00");
    driver.send();

    let document = format!(r#"{{"desired":{{"a":"{}","$version":4}},"reported":{{}}}}"#, "x".repeat(2_000));
    let packets = [
        publish(0x30, &driver.answer_topic(200), b"", document.as_bytes()),
        publish(0x32, C2D, b"\x00\x09", &[b'y'; 2_000]),
    ];
    for packet in packets {
        let (mut len, mut end) = (0, None);
        for bytes in packet.chunks(400) {
            driver.feed(bytes);
            while let Some(event) = free(|| driver.client.poll_event(driver.now, &mut driver.rx)).expect("no error") {
                match event {
                    Event::StreamBegin { payload_len, .. } => assert!(payload_len >= 2_000),
                    Event::StreamPiece { bytes, .. } => len += bytes.len(),
                    Event::StreamEnd(it) => end = Some(it),
                    other => panic!("{other:?}"),
                }
            }
        }
        match end.expect("it ends") {
            StreamEnd::TwinDocument { version: Some(4), stale: false, .. } => assert_eq!(len, document.len()),
            StreamEnd::Message { token } => {
                assert_eq!(len, 2_000);
                free(|| driver.client.message_accept(driver.now, token.expect("QoS 1"))).expect("undecided");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(driver.send(), 1, "PUBACK");

    let parts = Parts { len: 1_000, room: 300 };
    let token = free(|| driver.client.send_telemetry_parts(driver.now, &Telemetry::default(), parts)).expect("room");
    let mut supplied = 0;
    loop {
        driver.send();
        let Some(event) = free(|| driver.client.poll_event(driver.now, &mut driver.rx)).expect("no error") else {
            break;
        };
        let Event::PartWanted { token: of, offset, room } = event else { panic!("{event:?}") };
        assert_eq!((of, offset), (token, supplied));
        free(|| driver.client.telemetry_part(driver.now, token, offset, &[7; 300][..room as usize])).expect("wanted");
        supplied += room;
    }
    assert_eq!(supplied, 1_000);
}

#[test]
fn a_registration_uses_no_heap() {
    let config = ProvisioningConfig {
        payload: Some(br#"{"modelId":"dtmi:com:example:Thermostat;1"}"#),
        ..ProvisioningConfig::new(Registration::new("0ne00000001", "reg-001"))
    };
    let (mut tx, now) = ([0; 512], Instant::ZERO);
    let mut client = free(|| ProvisioningClient::new(config, &mut tx)).expect("512 bytes are enough");
    free(|| client.connect(now, Some("token"), 7)).expect("offline");
    let answer = |status: u16, rid: u32, body: &str| {
        publish(0x30, &format!("$dps/registrations/res/{status}/?$rid={rid}&retry-after=1"), b"", body.as_bytes())
    };
    let later = r#"{"operationId":"4.op","status":"assigning"}"#;
    let state = r#"{"assignedHub":"contoso.azure-devices.net","deviceId":"dev\u0031","payload":{"a":[1]}}"#;
    let done = format!(r#"{{"status":"assigned","registrationState":{state}}}"#);
    let inputs = [
        b"\x20\x02\x00\x00".to_vec(),
        b"\x90\x03\xff\xff\x01".to_vec(),
        answer(429, 1, r#"{"errorCode":429001}"#),
        answer(202, 2, later),
        answer(200, 3, &done),
    ];
    let mut room = [0; 384];
    for (number, input) in inputs.iter().enumerate() {
        let due = client.poll_timeout().expect("a connection has deadlines");
        free(|| {
            while let Some(len) = client.poll_transmit().map(<[u8]>::len) {
                client.confirm_transmit(now, len).expect("no more than was lent");
            }
            // The wait that an answer asked for.
            if client.timeout_reason() == Some(TimeoutReason::Poll) {
                client.handle_timeout(due).expect("only a wait");
                while let Some(len) = client.poll_transmit().map(<[u8]>::len) {
                    client.confirm_transmit(due, len).expect("no more than was lent");
                }
            }
            let handled = client.handle_input(due, input).expect("all is well");
            match handled.event {
                Some(ProvisioningEvent::Assigned(assignment)) => {
                    let identity = assignment.identity(&mut room).expect("384 bytes are enough");
                    assert_eq!((identity.host_name, identity.device_id), ("contoso.azure-devices.net", "dev1"));
                    assert_eq!((number, assignment.payload), (4, &br#"{"a":[1]}"#[..]));
                }
                event => assert!(event.is_some() && number < 4, "{number}: {event:?}"),
            }
        });
    }
}

/// Upgrade, MQTT both ways, a ping, both ends, and what is refused.
#[cfg(feature = "websocket")]
#[test]
fn a_websocket_asks_nothing_of_the_heap() {
    use iothub_proto::websocket::{self, Upgrade, WebSocket};

    const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    let now = Instant::ZERO;
    let (mut window, mut input) = ([0; 512], [0; 512]);
    let mut socket = free(|| WebSocket::new(&mut window));
    let upgrade = Upgrade::new("contoso.azure-devices.net", *b"the sample nonceand a secret one");
    // The server's part in pieces of a byte, and what is sent in answer to it.
    let mut session = |server: &[u8], mut mqtt: &[u8]| {
        free(|| socket.connect(now, &upgrade)).expect("offline or closed");
        let mut received = 0;
        for &byte in [ANSWER, server].concat().iter() {
            input[0] = byte;
            received += free(|| socket.handle_input_in_place(now, &mut input[..1])).unwrap_or(0);
            while let Some(lent) = free(|| socket.poll_transmit(Some(mqtt)).map(<[u8]>::len)) {
                mqtt = &mqtt[free(|| socket.confirm_transmit(now, lent)).expect("lent")..];
            }
        }
        if socket.error().is_none() {
            free(|| socket.disconnect(now)).expect("open");
            let lent = free(|| socket.poll_transmit(None).map(<[u8]>::len)).expect("a last frame");
            free(|| socket.confirm_transmit(now, lent)).expect("lent");
            let until = free(|| socket.poll_timeout()).expect("a deadline");
            free(|| socket.handle_timeout(until)).expect("no error");
        }
        assert_eq!((free(|| socket.state()), mqtt.is_empty()), (websocket::State::Closed, true));
        received
    };
    assert_eq!(session(b"\x02\x01a\x89\x02hi\x80\x7e\x00\x80", &[7; 2_000]), 1);
    assert_eq!(session(b"\x82\x02ok\x88\x02\x03\xe8", b"x"), 2);
    assert_eq!(session(b"\x82\x02ok\x81", b"x"), 2);
    let small = free(|| WebSocket::new(&mut [0; 8]).connect(now, &upgrade).is_err());
    assert!(small);
}
