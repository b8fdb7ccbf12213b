//! The provisioning service on real sockets: the simulator as a program, and certificates over TLS.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use iothub_proto::auth::{Registration, Resource, SharedAccessKey};
use iothub_proto::error::{ConnectRefusal, Error, RegistrationError, TimeoutReason};
use iothub_proto::time::{Instant, UnixSeconds};
use iothub_proto::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent};
use iothub_tests::hub::{Credentials, Enrollment, Hub, HubConfig};
use iothub_tests::server::Server;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// Far more than anything here takes: only a failure waits for it.
const LIMIT: Duration = Duration::from_secs(20);

const PAYLOAD: &[u8] = br#"{"modelId":"dtmi:com:example:Thermostat;1"}"#;

fn plain(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Registers over `stream`. Waits between questions take no time: the clock is this function's. The service's is real, so
/// a device may ask five times here.
fn register(stream: &mut (impl Read + Write), id: &str, key: Option<&str>) -> Result<(String, String), Error> {
    let registration = Registration::new("0ne00000001", id);
    let mut room = [0; 512];
    let password = key.map(|key| {
        let (key, name) = (SharedAccessKey::from_base64(key).unwrap(), Some(Resource::REGISTRATION_KEY_NAME));
        key.token_for(&registration.resource(), UnixSeconds(u32::MAX), name, &mut room).unwrap()
    });
    let config = ProvisioningConfig { payload: Some(PAYLOAD), ..ProvisioningConfig::new(registration) };
    let mut tx = [0; 1_024];
    let mut client = ProvisioningClient::new(config, &mut tx).unwrap();
    let (mut now, mut rx, mut assigned) = (Instant::ZERO, Vec::new(), None);
    client.connect(now, password, 0)?;
    loop {
        while let Some(bytes) = client.poll_transmit() {
            stream.write_all(bytes).unwrap();
            let sent = bytes.len();
            client.confirm_transmit(now, sent)?;
        }
        let handled = client.handle_input(now, &rx)?;
        let (consumed, event) = (handled.consumed, handled.event);
        match event {
            Some(ProvisioningEvent::Assigned(assignment)) => {
                assert_eq!(assignment.payload, PAYLOAD);
                assigned = Some((assignment.assigned_hub.to_owned(), assignment.device_id.to_string()));
            }
            Some(ProvisioningEvent::Disconnected(_)) if assigned.is_some() => return Ok(assigned.unwrap()),
            Some(_) => {}
            None if consumed == 0 && client.timeout_reason() == Some(TimeoutReason::Poll) => {
                now = client.poll_timeout().unwrap();
                client.handle_timeout(now)?;
            }
            None if consumed == 0 && client.poll_transmit().is_none() => {
                let mut room = [0; 256];
                let len = stream.read(&mut room).unwrap();
                assert!(len > 0, "the service hung up");
                rx.extend(&room[..len]);
            }
            None => {}
        }
        rx.drain(..consumed);
    }
}

#[test]
fn as_a_program() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["--host", HOST, "--dps-plain", "0", "--dps-polls", "1", "--enroll-group", OTHER_KEY])
        .args(["--enroll", &format!("reg-001={KEY}"), "--plain", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut commands = program.stdin.take().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut event = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let port = u16::try_from(event()["dps_plain"].as_u64().unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(PAYLOAD).unwrap();

    let own = |id: &str, key: &str| register(&mut plain(port), id, Some(key));
    assert_eq!(own("reg-001", KEY), Ok((HOST.to_owned(), "reg-001".to_owned())));
    assert_eq!(event(), json!({ "event": "registered", "from": "reg-001", "payload": payload, "hub": HOST }));
    let group = SharedAccessKey::from_base64(OTHER_KEY).unwrap();
    let mut derived = [0; SharedAccessKey::DERIVED_LEN];
    group.put_device_key(&mut iothub_proto::wire::Writer::new(&mut derived), "of-a-group");
    let derived = str::from_utf8(&derived).unwrap();
    assert_eq!(own("of-a-group", derived), Ok((HOST.to_owned(), "of-a-group".to_owned())));
    assert_eq!(event()["from"], "of-a-group");
    assert_eq!(own("reg-001", derived), Err(Error::Refused(ConnectRefusal::NotAuthorized)));

    // Commands and registrations are not in one order: what follows an event comes after it.
    let mut command = |line: &str| {
        writeln!(commands, "{line}\nnothing").unwrap();
        assert_eq!(event()["message"], "unknown command nothing", "{line}");
    };
    command("assign reg-001 fabrikam.azure-devices.net boiler");
    assert_eq!(own("reg-001", KEY), Ok(("fabrikam.azure-devices.net".to_owned(), "boiler".to_owned())));
    drop(commands);
    assert!(program.wait().unwrap().success());
}

#[test]
fn faults_of_the_program() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["--dps-plain", "0", "--dps-polls", "0", "--enroll", &format!("reg-001={KEY}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut commands = program.stdin.take().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut event = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let port = u16::try_from(event()["dps_plain"].as_u64().unwrap()).unwrap();
    // Each registration that comes to an end is an event, between those of the commands.
    let mut run = |line: &str| {
        writeln!(commands, "{line}\nnothing").unwrap();
        while event()["message"] != "unknown command nothing" {}
        register(&mut plain(port), "reg-001", Some(KEY))
    };
    let refused = |error| Err(Error::Registration(error));
    assert_eq!(run("enrollment reg-001 disabled"), refused(RegistrationError::Disabled));
    assert_eq!(run("enrollment reg-001 failed"), refused(RegistrationError::Failed { code: 400_207 }));
    run("enrollment reg-001 enabled").unwrap();
    run("fault dps-status 429 5").unwrap();
    assert_eq!(run("fault dps-status 404"), refused(RegistrationError::Refused { status: 404, code: 404_001 }));
    for wrong in ["assign nobody h.net", "enrollment reg-001 broken", "fault dps-status x"] {
        writeln!(commands, "{wrong}").unwrap();
        while event()["event"] != "error" {}
    }
    drop(commands);
    assert!(program.wait().unwrap().success());
}

/// A certificate of the server's authority, in TLS.
fn tls(server: &Server, port: u16, client: Option<&str>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(name) => {
            let (certificate, key) = server.issue_client(name).unwrap();
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(connection, plain(port))
}

#[test]
fn certificates_over_tls() {
    let mut hub = Hub::new(HubConfig::new(HOST));
    hub.dps.enroll("cert-1", Enrollment::new(Credentials::Certificate, HOST));
    let mut server = Server::new(hub).unwrap();
    let port = server.listen_dps_tls(0).unwrap();
    let assigned = register(&mut tls(&server, port, Some("cert-1")), "cert-1", None);
    assert_eq!(assigned, Ok((HOST.to_owned(), "cert-1".to_owned())));
    for other in [None, Some("cert-2")] {
        let refused = register(&mut tls(&server, port, other), "cert-1", None);
        assert_eq!(refused, Err(Error::Refused(ConnectRefusal::NotAuthorized)));
    }
    // The hub knows it by the same certificate.
    server.with(|hub| assert_eq!((hub.violations(), hub.dps.registered().len()), (&[][..], 1)));
}
