//! The provisioning service on real sockets: the simulator as a program, and certificates over TLS.

mod common;
#[path = "common/program.rs"]
mod program;
#[path = "common/tls.rs"]
mod tls;

use std::io::{Read, Write};

use common::*;
use iothub_proto::auth::{Registration, Resource, SharedAccessKey};
use iothub_proto::error::{ConnectRefusal, Error, RegistrationError, TimeoutReason};
use iothub_proto::time::{Instant, UnixSeconds};
use iothub_proto::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent};
use iothub_tests::hub::{Credentials, Enrollment, Hub, HubConfig};
use iothub_tests::server::{ClientCertificate, Server};
use program::Program;
use serde_json::{Value, json};
use tls::plain;

const PAYLOAD: &[u8] = br#"{"modelId":"dtmi:com:example:Thermostat;1"}"#;

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
    let service = format!("--host {HOST} --dps-plain 0 --dps-polls 1 --enroll-group {OTHER_KEY}");
    let mut program = Program::start(&format!("{service} --enroll reg-001={KEY} --plain 0"));
    let port = program.port("dps_plain");
    let payload: Value = serde_json::from_slice(PAYLOAD).unwrap();

    let own = |id: &str, key: &str| register(&mut plain(port), id, Some(key));
    assert_eq!(own("reg-001", KEY), Ok((HOST.to_owned(), "reg-001".to_owned())));
    assert_eq!(program.event(), json!({ "event": "registered", "from": "reg-001", "payload": payload, "hub": HOST }));
    let group = SharedAccessKey::from_base64(OTHER_KEY).unwrap();
    let mut derived = [0; SharedAccessKey::DERIVED_LEN];
    group.put_device_key(&mut iothub_proto::wire::Writer::new(&mut derived), "of-a-group");
    let derived = str::from_utf8(&derived).unwrap();
    assert_eq!(own("of-a-group", derived), Ok((HOST.to_owned(), "of-a-group".to_owned())));
    assert_eq!(program.event()["from"], "of-a-group");
    assert_eq!(own("reg-001", derived), Err(Error::Refused(ConnectRefusal::NotAuthorized)));

    // Commands and registrations are not in one order: what follows an event comes after it.
    let mut command = |line: &str| {
        program.tell(&format!("{line}\nnothing"));
        assert_eq!(program.event()["message"], "unknown command nothing", "{line}");
    };
    command("assign reg-001 fabrikam.azure-devices.net boiler");
    assert_eq!(own("reg-001", KEY), Ok(("fabrikam.azure-devices.net".to_owned(), "boiler".to_owned())));
    program.end();
}

#[test]
fn faults_of_the_program() {
    let mut program = Program::start(&format!("--dps-plain 0 --dps-polls 0 --enroll reg-001={KEY}"));
    let port = program.port("dps_plain");
    // Each registration that comes to an end is an event, between those of the commands.
    let mut run = |line: &str| {
        program.tell(&format!("{line}\nnothing"));
        while program.event()["message"] != "unknown command nothing" {}
        register(&mut plain(port), "reg-001", Some(KEY))
    };
    let refused = |error| Err(Error::Registration(error));
    assert_eq!(run("enrollment reg-001 disabled"), refused(RegistrationError::Disabled));
    assert_eq!(run("enrollment reg-001 failed"), refused(RegistrationError::Failed { code: 400_207 }));
    run("enrollment reg-001 enabled").unwrap();
    run("fault dps-status 429 5").unwrap();
    assert_eq!(run("fault dps-status 404"), refused(RegistrationError::Refused { status: 404, code: 404_001 }));
    for wrong in ["assign nobody h.net", "enrollment reg-001 broken", "fault dps-status x"] {
        program.tell(wrong);
        while program.event()["event"] != "error" {}
    }
    program.end();
}

#[test]
fn certificates_over_tls() {
    let own = ClientCertificate::self_signed("any name").unwrap();
    let mut hub = Hub::new(HubConfig::new(HOST));
    hub.dps.enroll("cert-1", Enrollment::new(Credentials::Certificate, HOST));
    hub.dps.enroll("cert-2", Enrollment::new(Credentials::thumbprint(&own.thumbprint).unwrap(), HOST));
    let mut server = Server::new(hub).unwrap();
    let (port, hub_port) = (server.listen_dps_tls(0).unwrap(), server.listen_tls(0).unwrap());
    let ask = |id: &str, client: Option<&ClientCertificate>| {
        register(&mut tls::open(server.ca_pem(), client, HOST, port), id, None)
    };
    let [one, two, three] = ["cert-1", "cert-2", "cert-3"].map(|name| server.issue_client(name).unwrap());
    let refused = Err(Error::Refused(ConnectRefusal::NotAuthorized));
    assert_eq!(ask("cert-1", Some(&one)), Ok((HOST.to_owned(), "cert-1".to_owned())));
    assert_eq!(ask("cert-2", Some(&own)), Ok((HOST.to_owned(), "cert-2".to_owned())));
    for (id, other) in [
        ("cert-1", None),
        ("cert-1", Some(&two)),
        ("cert-1", Some(&own)),
        ("cert-2", Some(&two)),
        ("cert-3", Some(&three)),
    ] {
        assert_eq!(ask(id, other), refused, "{id}");
    }
    // A group takes every certificate of the authority, under its own name only.
    server.with(|hub| hub.dps.enroll_group(Enrollment::new(Credentials::Certificate, HOST)));
    assert_eq!(ask("cert-3", Some(&three)), Ok((HOST.to_owned(), "cert-3".to_owned())));
    assert_eq!(ask("cert-4", Some(&three)), refused);

    // The hub knows each device by the same certificate.
    for (id, client, code) in [("cert-1", &one, 0), ("cert-2", &own, 0), ("cert-3", &three, 0), ("cert-2", &two, 5)] {
        let mut stream = tls::open(server.ca_pem(), Some(client), HOST, hub_port);
        let head = [b"\x00\x04MQTT\x04\x82\x00\x3c".to_vec(), field(id)].concat();
        stream
            .write_all(&packet(0x10, &[head, field(format!("{HOST}/{id}/?api-version=2021-04-12"))].concat()))
            .unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, code], "{id}");
    }
    server.with(|hub| assert_eq!((hub.violations(), hub.dps.registered().len()), (&[][..], 3)));
}
