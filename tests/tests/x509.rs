//! Sign-in with client certificates, and the service's own, over TLS.

#[path = "../../core/examples/blocking_tls.rs"]
#[expect(dead_code, reason = "a program's own main is not called")]
mod blocking_tls;
mod common;
#[path = "common/program.rs"]
mod program;
#[path = "common/tls.rs"]
mod tls;

use std::io::{Read, Write};
use std::process::Command;

use common::*;
use iothub_proto::auth::{ConnectionString, Credential};
use iothub_proto::error::{ConnectRefusal, Error};
use iothub_proto::time::Instant;
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, Slot, Storage};
use iothub_tests::hub::{Credentials, Hub, HubConfig};
use iothub_tests::server::{ClientCertificate, Server};
use program::Program;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// Signs in over `stream` as a connection string with `x509=true` says, without a password.
fn sign_in(stream: &mut (impl Read + Write), connection_string: &str) -> Result<(), Error> {
    let login = ConnectionString::parse(connection_string).unwrap();
    assert!(matches!(login.credential(), Credential::X509));
    let (mut tx, mut slots, mut inbound) = ([0; 1_024], [Slot::EMPTY; 2], [Inbound::EMPTY; 2]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut client = Client::new(Config::new(login.identity()), storage).unwrap();
    client.connect(Instant::ZERO, &ConnectOptions::default()).unwrap();
    while let Some(bytes) = client.poll_transmit() {
        stream.write_all(bytes).unwrap();
        let sent = bytes.len();
        client.confirm_transmit(Instant::ZERO, sent).unwrap();
    }
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    let handled = client.handle_input(Instant::ZERO, &connack)?;
    match handled.event {
        Some(Event::Connected { .. }) => Ok(()),
        // The error comes behind it.
        Some(Event::Disconnected(_)) => Err(client.handle_input(Instant::ZERO, &[]).unwrap_err()),
        other => panic!("{other:?}"),
    }
}

/// A server and what it takes to sign in there.
struct World {
    server: Server,
    port: u16,
}

impl World {
    fn new(register: impl FnOnce(&mut Hub)) -> Self {
        let mut hub = Hub::new(HubConfig::new(HOST));
        register(&mut hub);
        let mut server = Server::new(hub).unwrap();
        let port = server.listen_tls(0).unwrap();
        Self { server, port }
    }

    /// Signs `id` in, in each version of TLS, and gives what came of it.
    fn sign_in(&self, id: &str, client: Option<&ClientCertificate>) -> Result<(), Error> {
        let module = id.split_once('/').map(|(_, module)| format!("ModuleId={module};")).unwrap_or_default();
        let device = id.split('/').next().unwrap();
        let text = format!("HostName={HOST};DeviceId={device};{module}x509=true");
        let attempt = |version: &'static SupportedProtocolVersion| {
            let config = tls::config(self.server.ca_pem(), client, &[version]);
            sign_in(&mut tls::connect(config, HOST, self.port), &text)
        };
        let result = attempt(&TLS12);
        assert_eq!(attempt(&TLS13), result);
        result
    }
}

/// A folder of one test, deleted at its end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("iothub-x509-{test}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const REFUSED: Result<(), Error> = Err(Error::Refused(ConnectRefusal::NotAuthorized));

#[test]
fn a_certificate_of_a_trusted_authority_opens_what_it_names() {
    let mut world = World::new(|hub| {
        hub.register("dev1", Credentials::Certificate);
        hub.register("dev1/mod1", Credentials::Certificate);
        hub.register("dev2", Credentials::key(KEY).unwrap());
    });
    let stranger = World::new(|_| ()).server;
    let own = world.server.issue_client("dev1").unwrap();
    assert_eq!(world.sign_in("dev1", Some(&own)), Ok(()));
    assert_eq!(world.sign_in("dev1/mod1", Some(&own)), Ok(()));

    let of_another_device = world.server.issue_client("dev2").unwrap();
    let of_a_stranger = stranger.issue_client("dev1").unwrap();
    let of_nobody = ClientCertificate::self_signed("dev1").unwrap();
    for (client, what) in [
        (None, "none"),
        (Some(&of_another_device), "of another device"),
        (Some(&of_a_stranger), "of another authority"),
        (Some(&of_nobody), "of no authority"),
    ] {
        assert_eq!(world.sign_in("dev1", client), REFUSED, "{what}");
    }
    assert_eq!(world.sign_in("dev2", Some(&of_another_device)), REFUSED, "it signs in with a key");

    world.server.trust_clients(stranger.ca_pem().as_bytes()).unwrap();
    world.port = world.server.listen_tls(0).unwrap();
    assert_eq!(world.sign_in("dev1", Some(&of_a_stranger)), Ok(()), "its authority is trusted now");
    assert_eq!(world.sign_in("dev1", Some(&own)), Ok(()));
    assert_eq!(world.sign_in("dev1", Some(&of_nobody)), REFUSED);
    assert!(world.server.trust_clients(b"no certificate").is_err());
}

#[test]
fn a_thumbprint_opens_its_device_whatever_the_certificate_says() {
    let [primary, secondary, other] = ["a", "b", "dev1"].map(|name| ClientCertificate::self_signed(name).unwrap());
    let thumbprint = |client: &ClientCertificate| match Credentials::thumbprint(&client.thumbprint) {
        Some(Credentials::Thumbprints { primary, .. }) => primary,
        other => panic!("{other:?}"),
    };
    let credentials = Credentials::Thumbprints { primary: thumbprint(&primary), secondary: thumbprint(&secondary) };
    let world = World::new(|hub| {
        hub.register("dev1", credentials);
        hub.register("dev1/mod1", Credentials::key(KEY).unwrap());
    });
    assert_eq!(world.sign_in("dev1", Some(&primary)), Ok(()));
    assert_eq!(world.sign_in("dev1", Some(&secondary)), Ok(()));
    assert_eq!(world.sign_in("dev1", Some(&other)), REFUSED);
    assert_eq!(world.sign_in("dev1", Some(&world.server.issue_client("dev1").unwrap())), REFUSED);
    assert_eq!(world.sign_in("dev1", None), REFUSED);
    assert_eq!(world.sign_in("dev1/mod1", Some(&primary)), REFUSED, "a module has credentials of its own");
    for wrong in ["", "00", &"0".repeat(63), &"x".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
        assert_eq!(Credentials::thumbprint(wrong), None, "{wrong}");
    }
}

#[test]
fn a_service_that_cannot_be_trusted_gets_no_byte_of_mqtt() {
    let world = World::new(|hub| hub.register("dev1", Credentials::Certificate));
    let stranger = World::new(|_| ()).server;
    let own = world.server.issue_client("dev1").unwrap();
    for (ca_pem, host) in [(stranger.ca_pem(), HOST), (world.server.ca_pem(), "fabrikam.azure-devices.net")] {
        let error = tls::open(ca_pem, Some(&own), host, world.port).write_all(&[0x10]).unwrap_err();
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    }
    assert_eq!(world.sign_in("dev1", Some(&own)), Ok(()));
    world.server.with(|hub| assert_eq!(hub.violations(), []));
}

#[test]
fn the_example_works_with_a_certificate_instead_of_a_key() {
    let world = World::new(|hub| hub.register("dev1", Credentials::Certificate));
    let folder = Folder::new("example");
    let own = world.server.issue_client("dev1").unwrap();
    std::fs::write(folder.path("dev1.pem"), own.certificate + &own.key).unwrap();
    std::fs::write(folder.path("ca.pem"), world.server.ca_pem()).unwrap();
    let (port, ca) = (world.port.to_string(), folder.path("ca.pem"));
    let run = |more: &[&str]| {
        let login = format!("HostName={HOST};DeviceId=dev1;x509=true");
        let options =
            [&login, "--host", "localhost", "--port", &port, "--ca", &ca, "--count", "3", "--interval-ms", "1"];
        let options = options.iter().chain(more).map(|&option| option.to_owned());
        blocking_tls::run(&blocking_tls::Options::read(options).unwrap()).map_err(|error| error.to_string())
    };
    run(&["--certificate", &folder.path("dev1.pem")]).unwrap();
    let stored = world.server.with(Hub::take_telemetry);
    assert_eq!(stored.iter().map(|telemetry| telemetry.client_id.as_str()).collect::<Vec<_>>(), ["dev1"; 3]);
    assert!(run(&[]).unwrap_err().contains("--certificate"));
    world.server.with(|hub| assert_eq!(hub.violations(), []));
}

#[test]
fn the_program_makes_certificates_and_knows_them() {
    let stranger = World::new(|_| ()).server;
    let folder = Folder::new("program");
    let path = |name: &str| folder.path(name);
    std::fs::write(path("client-ca.pem"), stranger.ca_pem()).unwrap();
    let (ca, client_ca, thumbprint) = (path("ca.pem"), path("client-ca.pem"), "0".repeat(64));
    let service = format!("--host {HOST} --tls 0 --ca-out {ca} --client-ca {client_ca}");
    let mut program = Program::start(&format!("{service} --x509 dev1 --x509 dev2={thumbprint}"));
    let port = program.port("tls");
    let ca_pem = std::fs::read_to_string(ca).unwrap();
    let attempt = |id: &str, client: &ClientCertificate| {
        let text = format!("HostName={HOST};DeviceId={id};x509=true");
        sign_in(&mut tls::open(&ca_pem, Some(client), HOST, port), &text)
    };
    let mut make = |command: &str, file: &str| {
        program.tell(command);
        let made = program.event();
        assert_eq!(made["event"], "certificate", "{made}");
        let pem = std::fs::read_to_string(path(file)).unwrap();
        let thumbprint = made["thumbprint"].as_str().unwrap().to_owned();
        ClientCertificate { certificate: pem.clone(), key: pem, thumbprint }
    };
    let one = make(&format!("certificate dev1 {}", path("one.pem")), "one.pem");
    let two = make(&format!("certificate any {} self-signed", path("two.pem")), "two.pem");
    assert_eq!(attempt("dev1", &one), Ok(()));
    assert_eq!(attempt("dev1", &stranger.issue_client("dev1").unwrap()), Ok(()), "--client-ca");
    assert_eq!(attempt("dev1", &two), REFUSED);
    assert_eq!(attempt("dev2", &two), REFUSED, "another thumbprint");
    program.tell(&format!("x509 dev2 {}\nx509 dev2 0\ncertificate a b c", two.thumbprint));
    for message in ["0 is no thumbprint", "c is no kind of certificate"] {
        assert_eq!(program.event()["message"], message);
    }
    assert_eq!(attempt("dev2", &two), Ok(()));
    program.end();

    let help = Command::new(env!("CARGO_BIN_EXE_hub")).arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("--client-ca"));
}
