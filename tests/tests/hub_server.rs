//! The hub simulator on real sockets.

mod common;
#[path = "common/program.rs"]
mod program;
#[path = "common/tls.rs"]
mod tls;

use std::io::{Read, Write};

use common::*;
use iothub_tests::{
    hub::{CallResult, CloudMessage, Credentials, Hub, HubConfig, Outcome},
    server::Server,
};
use program::Program;
use tls::{LIMIT, plain};

/// A hub whose device signs in with a token without practical end.
fn server() -> Server {
    let mut hub = Hub::new(HubConfig::new(HOST));
    hub.register("dev1", Credentials::key(KEY).unwrap());
    Server::new(hub).unwrap()
}

/// A token for `dev1` until 2106: the server takes the time from this machine, where those of the vectors expired.
fn long_token() -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(b"contoso.azure-devices.net%2Fdevices%2Fdev1\n4294967295");
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdev1&sig={signature}&se=4294967295")
}

fn exact<const N: usize>(stream: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Signs in, subscribes, receives a message and a call at once, and sends more than any buffer holds.
fn converse(server: &Server, stream: &mut (impl Read + Write)) {
    stream.write_all(&connect(2, 60, "dev1", DEVICE_USER, &long_token())).unwrap();
    assert_eq!(exact(stream), ACCEPTED);
    stream.write_all(&subscribe(1, &[(C2D, 1), (METHODS, 0)])).unwrap();
    assert_eq!(exact(stream), [0x90, 4, 0, 1, 1, 0]);

    let id = server.with(|hub| hub.send_message("dev1", CloudMessage::new(b"hi"))).unwrap();
    let [first, len] = exact(stream);
    let mut message = vec![0; usize::from(len)];
    stream.read_exact(&mut message).unwrap();
    assert_eq!((first, &message[message.len() - 4..]), (0x32, &[0, 1, b'h', b'i'][..]));
    stream.write_all(&puback(1)).unwrap();
    let outcome = |hub: &mut Hub| hub.outcome(id).filter(|&outcome| outcome == Outcome::Completed);
    server.wait(LIMIT, outcome).expect("completed");

    let call = server.with(|hub| hub.invoke("dev1", "m", b"", iothub_proto::time::Duration::from_secs(30)));
    let [_, len] = exact(stream);
    stream.read_exact(&mut vec![0; usize::from(len)]).unwrap();
    let rid = call.0;
    stream.write_all(&publish(0x30, &format!("$iothub/methods/res/200/?$rid={rid:x}"), None, b"1")).unwrap();
    let answered = |hub: &mut Hub| Some(hub.call_result(call)).filter(|result| *result != CallResult::Pending);
    let expected = CallResult::Answered { status: 200, payload: b"1".to_vec() };
    assert_eq!(server.wait(LIMIT, answered), Some(expected));

    let body: Vec<u8> = (0..200_000_u32).map(|index| index as u8).collect();
    for id in 1..=20 {
        stream.write_all(&publish(0x32, "devices/dev1/messages/events/", Some(id), &body)).unwrap();
    }
    for id in 1..=20 {
        assert_eq!(exact(stream), [0x40, 2, 0, id]);
    }
    let telemetry = server.with(Hub::take_telemetry);
    assert!(telemetry.len() == 20 && telemetry.iter().all(|telemetry| telemetry.payload == body));

    stream.write_all(&DISCONNECT).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the server closes");
    assert_eq!(server.with(|hub| hub.violations().to_vec()), []);
}

#[test]
fn plain_tcp() {
    let mut server = server();
    let port = server.listen_plain(0).unwrap();
    converse(&server, &mut plain(port));
}

#[test]
fn tls_with_a_token() {
    let mut server = server();
    let port = server.listen_tls(0).unwrap();
    converse(&server, &mut tls::open(server.ca_pem(), None, HOST, port));
}

#[test]
fn deadlines_that_arise_later_are_kept() {
    let mut server = server();
    let port = server.listen_plain(0).unwrap();
    let mut stream = plain(port);
    stream.write_all(&connect(2, 0, "dev1", DEVICE_USER, &long_token())).unwrap();
    assert_eq!(exact(&mut stream), ACCEPTED);
    stream.write_all(&subscribe(1, &[(METHODS, 0)])).unwrap();
    assert_eq!(exact(&mut stream), [0x90, 3, 0, 1, 0]);
    // Held back when it is made, so that only its deadline can bring it out.
    let call = server.with(|hub| {
        hub.faults.answer_delay = iothub_proto::time::Duration::from_millis(20);
        hub.invoke("dev1", "m", b"", iothub_proto::time::Duration::from_millis(60))
    });
    let [first] = exact(&mut stream);
    assert_eq!(first, 0x30);
    let late = |hub: &mut Hub| (hub.call_result(call) == CallResult::TimedOut).then_some(());
    server.wait(LIMIT, late).expect("the call times out");
}

#[test]
fn a_server_that_is_dropped_ends_its_connections() {
    let mut server = server();
    let (port, secure) = (server.listen_plain(0).unwrap(), server.listen_tls(0).unwrap());
    let mut idle = plain(port);
    let mut before_handshake = plain(secure);
    idle.write_all(&connect(2, 60, "dev1", DEVICE_USER, &long_token())).unwrap();
    assert_eq!(exact(&mut idle), ACCEPTED);
    drop(server);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(before_handshake.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn the_program_takes_commands_and_prints_events() {
    let mut program = Program::start(&format!("--host {HOST} --plain 0 --device dev1={KEY}"));
    let port = program.port("plain");
    let mut stream = plain(port);
    stream.write_all(&connect(2, 60, "dev1", DEVICE_USER, &long_token())).unwrap();
    stream.write_all(&subscribe(1, &[(C2D, 0)])).unwrap();
    assert_eq!(exact(&mut stream), [0x20, 2, 0, 0, 0x90, 3, 0, 1, 0]);
    program.tell("send dev1 hello world");
    let [_, len] = exact(&mut stream);
    let mut message = vec![0; usize::from(len)];
    stream.read_exact(&mut message).unwrap();
    assert!(message.ends_with(b"hello world"));
    stream.write_all(&publish(0x30, "devices/dev1/messages/events/a=b", None, b"hi")).unwrap();
    let telemetry = program.event();
    assert_eq!((&telemetry["event"], &telemetry["text"]), (&"telemetry".into(), &"hi".into()));
    program.tell("invoke dev1 reboot");
    assert_eq!(program.event()["status"], 404_103);
    program.tell("explode");
    assert_eq!(program.event()["event"], "error");

    let message = r#"{"payload":"x","properties":{"a":"b"},"system":{"$.ct":"text/plain"}}"#;
    program.tell(&format!("message dev1 {message}"));
    let [_, low, high] = exact(&mut stream);
    let mut message = vec![0; usize::from(low & 0x7f) + usize::from(high) * 128];
    stream.read_exact(&mut message).unwrap();
    assert!(message.ends_with(b"&%24.ct=text%2Fplain&a=bx"), "{}", String::from_utf8_lossy(&message));
    program.tell("queued dev1");
    assert_eq!(program.event()["messages"], 0);
    program.tell("desired dev1 {\"a\":1}\ntwin dev1");
    assert_eq!(program.event()["twin"]["desired"]["a"], 1);
    let file = std::env::temp_dir().join(format!("iothub-certificate-{}.pem", std::process::id()));
    program.tell(&format!("certificate dev1 {}", file.display()));
    assert_eq!(program.event()["event"], "certificate");
    let pem = std::fs::read_to_string(&file).unwrap();
    assert!(pem.contains("BEGIN CERTIFICATE") && pem.contains("PRIVATE KEY"));
    std::fs::remove_file(file).unwrap();
    program.tell("fault refuse 3\nfault drop-pubacks many\nrestart keep");
    assert_eq!(program.event()["message"], "many is no number");
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    let mut stream = plain(port);
    stream.write_all(&connect(2, 60, "dev1", DEVICE_USER, &long_token())).unwrap();
    assert_eq!(exact(&mut stream), [0x20, 2, 0, 3]);
    program.end();
}
