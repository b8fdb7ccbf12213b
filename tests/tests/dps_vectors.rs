//! Runs `vectors/dps.json`. C and Python run the same file.

mod common;

use common::publish;
use iothub_proto::auth::Registration;
use iothub_proto::error::{Error, RegistrationError, UsageError};
use iothub_proto::time::Instant;
use iothub_proto::topic::registration::{self, Response};
use iothub_proto::wire::Writer;
use iothub_proto::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent as Event};
use serde_json::{Value, json};

/// The vectors of a list, at least `least` of them: a list that was emptied by mistake is no success.
fn list(name: &str, least: usize) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/dps.json")).expect("dps.json");
    let list = file[name].as_array().unwrap_or_else(|| panic!("no list '{name}'")).clone();
    assert!(list.len() >= least, "only {} vectors in '{name}'", list.len());
    list
}

fn text(vector: &Value, field: &str) -> &'static str {
    vector[field].as_str().unwrap_or_else(|| panic!("no text '{field}' in {vector}")).to_owned().leak()
}

fn written(put: impl Fn(&mut Writer<'_>)) -> String {
    let mut room = [0; 4_096];
    let mut w = Writer::new(&mut room);
    put(&mut w);
    String::from_utf8(w.finish().expect("room").to_vec()).expect("UTF-8")
}

fn registration(vector: &Value) -> Registration<'static> {
    Registration::new(text(vector, "id_scope"), text(vector, "registration_id")).with_product(text(vector, "product"))
}

#[test]
fn registrations() {
    for vector in list("registrations", 4) {
        let registration = registration(&vector);
        assert_eq!(registration.check(), Ok(()), "{vector}");
        assert_eq!(registration.registration_id, text(&vector, "client_id"));
        assert_eq!(written(|w| registration.put_user_name(w)), text(&vector, "user_name"));
        assert_eq!(written(|w| registration.resource().put_uri(w)), text(&vector, "resource_uri"));
    }
}

#[test]
fn bad_registrations() {
    for vector in list("bad_registrations", 12) {
        let Err(UsageError::BadText { field, at }) = registration(&vector).check() else { panic!("{vector}") };
        assert_eq!(
            (json!(format!("{field:?}")), json!(at)),
            (vector["field"].clone(), vector["at"].clone()),
            "{vector}"
        );
    }
}

/// Sends all there is, as one text.
fn send(client: &mut ProvisioningClient<'_>, now: Instant) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(bytes) = client.poll_transmit() {
        let len = bytes.len();
        sent.extend_from_slice(bytes);
        client.confirm_transmit(now, len).expect("what was lent");
    }
    sent
}

/// A client that was answered by CONNACK and SUBACK, and what it then published.
fn registering(id: &'static str, payload: Option<&'static str>) -> (ProvisioningClient<'static>, Vec<u8>) {
    let config = ProvisioningConfig {
        payload: payload.map(str::as_bytes),
        ..ProvisioningConfig::new(Registration::new("0ne00000001", id))
    };
    let mut client = ProvisioningClient::new(config, vec![0; 1_024].leak()).expect("a good configuration");
    let now = Instant::ZERO;
    client.connect(now, None, 0).expect("offline");
    for answer in [&b"\x20\x02\x00\x00"[..], b"\x90\x03\xff\xff\x01"] {
        send(&mut client, now);
        assert!(client.handle_input(now, answer).expect("good").event.is_some());
    }
    let sent = send(&mut client, now);
    (client, sent)
}

fn answer(topic: &str, rid: u32, body: &str) -> &'static [u8] {
    publish(0x30, &topic.replace("{rid}", &rid.to_string()), None, body.as_bytes()).leak()
}

#[test]
fn requests() {
    for vector in list("requests", 5) {
        let (mut client, mut sent) = registering(
            text(&vector, "registration_id"),
            vector["payload"].as_str().map(|text| &*text.to_owned().leak()),
        );
        let mut rid = 1;
        if let Some(operation) = vector["operation_id"].as_str() {
            let body = json!({ "operationId": operation, "status": "assigning" }).to_string();
            let answer = answer("$dps/registrations/res/202/?$rid={rid}", 1, &body);
            assert!(client.handle_input(Instant::ZERO, answer).expect("good").event.is_some());
            let due = client.poll_timeout().expect("a question is due");
            client.handle_timeout(due).expect("a wait");
            sent = send(&mut client, due);
            rid = 2;
        }
        assert_eq!(json!(rid), vector["rid"]);
        assert_eq!(sent, publish(0x30, text(&vector, "topic"), None, text(&vector, "body").as_bytes()), "{vector}");
    }
}

#[test]
fn responses() {
    for vector in list("responses", 17) {
        let means = registration::parse(text(&vector, "topic")).map(|Response { status, request_id, retry_after }| {
            json!({ "status": status, "request_id": request_id, "retry_after": retry_after })
        });
        assert_eq!(means.unwrap_or_default(), vector["means"], "{vector}");
    }
}

fn refused(error: RegistrationError) -> Value {
    use RegistrationError as E;
    match error {
        E::Refused { status, code } => json!({ "error": "Refused", "status": status, "code": code }),
        E::Failed { code } => json!({ "error": "Failed", "code": code }),
        E::Disabled => json!({ "error": "Disabled" }),
        E::AnswerTooLarge { len } => json!({ "error": "AnswerTooLarge", "len": len }),
        E::BadAnswer { status } => json!({ "error": "BadAnswer", "status": status }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers() {
    for vector in list("answers", 43) {
        let (mut client, _) = registering("reg-001", None);
        let padding = vector["padding"].as_u64().and_then(|len| usize::try_from(len).ok()).expect("a length");
        let body = text(&vector, "body").to_owned() + &" ".repeat(padding);
        let bytes = answer(text(&vector, "topic"), 1, &body);
        let handled = client.handle_input(Instant::ZERO, bytes).expect("good MQTT");
        let seen = match handled.event {
            Some(Event::Assigned(it)) => json!({
                "kind": "assigned",
                "assigned_hub": it.assigned_hub,
                "device_id": it.device_id.to_string(),
                "substatus": it.substatus,
                "payload": str::from_utf8(it.payload).expect("UTF-8"),
            }),
            Some(Event::Assigning { retry_after }) => json!({ "kind": "assigning", "waits": retry_after.as_millis() }),
            Some(Event::Throttled { status, code, retry_after }) => {
                json!({ "kind": "throttled", "status": status, "code": code, "waits": retry_after.as_millis() })
            }
            Some(Event::Refused { error, payload }) => {
                assert_eq!(payload, if padding > 0 { b"" } else { body.as_bytes() });
                let mut seen = refused(error);
                seen["kind"] = json!("refused");
                // After the end of the connection it is the error of every call.
                assert!(client.handle_input(Instant::ZERO, &[]).is_ok_and(|handled| handled.event.is_some()));
                assert_eq!(client.handle_input(Instant::ZERO, &[]), Err(Error::Registration(error)));
                seen
            }
            other => panic!("{vector}: {other:?}"),
        };
        assert_eq!(seen, vector["event"], "{vector}");
    }
}
