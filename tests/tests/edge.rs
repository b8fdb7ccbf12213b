//! Modules behind an IoT Edge gateway, over TLS: from the output of one to the input of the other.

mod common;
#[path = "common/tls.rs"]
mod tls;

use std::io::{ErrorKind, Read, Write};

use common::*;
use iothub_proto::auth::{ConnectionString, Credential, Identity, SharedAccessKey};
use iothub_proto::time::{Instant, UnixSeconds};
use iothub_proto::topic::{Features, SystemProperties};
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, Slot, Storage, Telemetry};
use iothub_tests::hub::{Credentials, Hub, HubConfig, Route};
use iothub_tests::server::Server;

/// Where the gateway is. It is not where the hub is.
const GATEWAY: &str = "localhost";

fn gateway() -> (Server, u16) {
    let mut hub = Hub::new(HubConfig { gateway_host_name: Some(GATEWAY.to_owned()), ..HubConfig::new(HOST) });
    hub.register("edge1/camera", Credentials::key(KEY).unwrap());
    hub.register("edge1/bell", Credentials::key(OTHER_KEY).unwrap());
    hub.add_route(Route::parse("edge1/camera/fire=edge1/bell/ring 1").unwrap());
    let mut server = Server::new(hub).unwrap();
    let port = server.listen_tls(0).unwrap();
    (server, port)
}

fn connection_string(module: &str, key: &str) -> String {
    format!("HostName={HOST};DeviceId=edge1;ModuleId={module};SharedAccessKey={key};GatewayHostName={GATEWAY}")
}

struct Module<'a> {
    client: Client<'a>,
    stream: tls::Stream,
    rx: Vec<u8>,
    start: std::time::Instant,
}

/// Runs `test` with a module that is connected and ready.
fn with_module<T>(server: &Server, port: u16, text: &str, test: impl FnOnce(&mut Module<'_>) -> T) -> T {
    let login = ConnectionString::parse(text).unwrap();
    assert_eq!((login.connect_host(), login.identity().host_name), (GATEWAY, HOST));
    let Credential::Key { key, name } = login.credential() else { panic!("a key") };
    let (mut tx, mut slots, mut inbound) = (vec![0; 4_096], [Slot::EMPTY; 8], [Inbound::EMPTY; 8]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut config = Config::new(login.identity());
    config.settings.features = Features::INPUTS;
    // What the gateway must show is its own name.
    let stream = tls::polled(server.ca_pem(), GATEWAY, port);
    let client = Client::new(config, storage).unwrap();
    let mut module = Module { client, stream, rx: Vec::new(), start: std::time::Instant::now() };
    let mut room = [0; 512];
    let key = SharedAccessKey::from_base64(key).unwrap();
    let token = key.token(&login.identity(), UnixSeconds(u32::MAX), name, &mut room).unwrap();
    module.client.connect(module.now(), &ConnectOptions { password: Some(token), ..Default::default() }).unwrap();
    module.run(|_, _, event| matches!(event, Event::Ready { refused } if refused.is_empty()).then_some(()));
    test(&mut module)
}

impl Module<'_> {
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap())
    }

    /// Runs until `take` makes something of an event.
    fn run<T>(&mut self, mut take: impl FnMut(&mut Client<'_>, Instant, &Event<'_>) -> Option<T>) -> T {
        while self.start.elapsed() < tls::LIMIT {
            let now = self.now();
            let handled = self.client.handle_input(now, &self.rx).unwrap();
            let consumed = handled.consumed;
            let taken = handled.event.and_then(|event| take(&mut self.client, now, &event));
            self.rx.drain(..consumed);
            while let Some(bytes) = self.client.poll_transmit() {
                self.stream.write_all(bytes).unwrap();
                let sent = bytes.len();
                self.client.confirm_transmit(now, sent).unwrap();
            }
            match taken {
                Some(taken) => return taken,
                None if consumed > 0 => continue,
                None => {}
            }
            let mut room = [0; 1_024];
            match self.stream.read(&mut room) {
                Ok(len) => self.rx.extend(&room[..len]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("nothing within {:?}", tls::LIMIT)
    }
}

fn output(payload: &[u8], output: &'static str) -> impl FnOnce(&mut Module<'_>) {
    move |module: &mut Module<'_>| {
        let system = SystemProperties { output: Some(output), message_id: Some("m1"), ..Default::default() };
        let properties = [("room", "kitchen & hall")];
        let message = Telemetry { payload, properties: &properties, system: &system, ..Default::default() };
        let token = module.client.send_telemetry(module.now(), &message).unwrap();
        module.run(|_, _, event| matches!(event, Event::TelemetryAcked(acked) if *acked == token).then_some(()));
    }
}

#[test]
fn an_output_reaches_the_input_of_another_module() {
    let (server, port) = gateway();
    let camera = connection_string("camera", KEY);
    with_module(&server, port, &connection_string("bell", OTHER_KEY), |bell| {
        with_module(&server, port, &camera, output(b"it burns", "fire"));
        with_module(&server, port, &camera, output(b"all quiet", "report"));
        bell.run(|client, now, event| {
            let Event::Message(message) = event else { return None };
            assert_eq!((message.input, message.payload), (Some("ring%201"), &b"it burns"[..]));
            let value = |name| message.properties.get(name).and_then(|property| property.value);
            for (name, wanted) in
                [("room", "kitchen & hall"), ("$.mid", "m1"), ("$.cdid", "edge1"), ("$.cmid", "camera")]
            {
                assert!(value(name).is_some_and(|value| value == *wanted), "{name}");
            }
            assert!(message.properties.get("$.on").is_none());
            client.message_accept(now, message.token.expect("at QoS 1")).unwrap();
            Some(())
        });
        bell.client.disconnect(bell.now()).unwrap();
        bell.run(|_, _, event| matches!(event, Event::Disconnected(_)).then_some(()));
    });
    // What has no route goes to the cloud, and no more than that.
    let telemetry = server.with(Hub::take_telemetry);
    assert_eq!(telemetry.len(), 1);
    assert_eq!((telemetry[0].client_id.as_str(), telemetry[0].payload.as_slice()), ("edge1/camera", &b"all quiet"[..]));
    assert_eq!(telemetry[0].property("$.on"), Some("report"));
    server.with(|hub| assert_eq!(hub.violations(), []));
}

#[test]
fn the_gateway_shows_its_own_certificate_and_takes_the_hubs_name() {
    let (server, port) = gateway();
    let error = tls::open(server.ca_pem(), None, HOST, port).write_all(&[0x10]).unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    // A token may be for the hub or for the gateway, a user name is of the hub.
    for (host, audience, code) in [(HOST, HOST, 0), (HOST, GATEWAY, 0), (HOST, "other", 5), (GATEWAY, GATEWAY, 5)] {
        let mut room = [0; 512];
        let key = SharedAccessKey::from_base64(KEY).unwrap();
        let token = key.token(&Identity::module(audience, "edge1", "camera"), UnixSeconds(u32::MAX), None, &mut room);
        let user = format!("{host}/edge1/camera/?api-version=2021-04-12");
        let mut stream = tls::open(server.ca_pem(), None, GATEWAY, port);
        stream.write_all(&connect(2, 60, "edge1/camera", &user, token.unwrap())).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, code], "{host} {audience}");
    }
}

#[test]
fn routes_are_read() {
    let route = Route::parse("d/m/out=d/n/in").unwrap();
    assert_eq!([route.from, route.output, route.to, route.input], ["d/m", "out", "d/n", "in"]);
    for wrong in ["", "d/m/out", "d/out=d/n/in", "d/m/=d/n/in", "d/m/out=d//in", "d/m/x/out=d/n/in"] {
        assert_eq!(Route::parse(wrong), None, "{wrong}");
    }
}
