//! An IoT Plug and Play device: model, components, commands and writable properties, without a heap for any of it.

use iothub_proto::pnp::{Ack, Command, PatchWriter, Properties};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::SystemProperties;
use iothub_proto::wire::JsonError;
use iothub_proto::{Client, Event, Telemetry};
use iothub_tests::hub::CallResult;
use iothub_tests::pair::{Pair, Seen, Setup};
use serde_json::json;

const MODEL: &str = "dtmi:com:example:TemperatureController;1";
/// Those of the model.
const COMPONENTS: [&str; 2] = ["thermostat1", "thermostat2"];
/// What a thermostat can do.
const WARMEST: u64 = 25;

/// Answers for every desired property, in one patch.
fn acknowledge(
    client: &mut Client<'_>,
    now: Instant,
    properties: Result<Properties<'_>, JsonError>,
    version: Option<u64>,
) {
    let version = version.expect("the hub tells it");
    let mut room = [0; 512];
    let mut patch = PatchWriter::new(&mut room);
    for property in properties.expect("the hub sends JSON") {
        let (component, name) = (property.component.and_then(|text| text.plain()), property.name.plain().unwrap());
        let wanted = property.value.number().expect("every property of the model is a number");
        let written = if name == "targetTemperature" && wanted > WARMEST {
            let ack = Ack { code: Ack::REJECTED, version, description: Some("more than \"25\"") };
            patch.acknowledge(component, name, (WARMEST as i64).into(), &ack)
        } else {
            patch.acknowledge(
                component,
                name,
                property.value.into(),
                &Ack { code: Ack::APPLIED, version, description: None },
            )
        };
        written.expect("room for all of them");
    }
    if !patch.is_empty() {
        client.twin_report(now, patch.finish().unwrap()).unwrap();
    }
}

fn application(client: &mut Client<'_>, now: Instant, event: &Event<'_>) {
    match *event {
        Event::TwinDocument { payload, version, stale: false, .. } => {
            acknowledge(client, now, Properties::of_document(payload, &COMPONENTS), version);
        }
        Event::TwinDesired { payload, version, .. } => {
            acknowledge(client, now, Properties::of_patch(payload, &COMPONENTS), version);
        }
        Event::MethodCall { name, request, .. } => {
            let (status, answer) = match Command::parse(name) {
                Command { component: None, name: "reboot" } => (200, &b"null"[..]),
                Command { component: Some("thermostat1"), name: "getReport" } => (200, &b"{\"max\":25}"[..]),
                _ => (404, &b""[..]),
            };
            client.method_respond(now, request, status, answer).unwrap();
        }
        _ => {}
    }
}

fn device() -> Pair {
    let setup = Setup { model_id: Some(MODEL), ..Setup::device() };
    let mut pair = setup.start();
    pair.handler = Some(Box::new(|client, now, event| application(client, now, event)));
    pair
}

fn reports(pair: &Pair) -> usize {
    pair.count(|seen| matches!(seen, Seen::TwinReported { .. }))
}

#[test]
fn the_model_is_told_with_each_sign_in() {
    let mut pair = device();
    assert_eq!(pair.hub.model_id("dev1"), None);
    pair.sign_in();
    assert_eq!(pair.hub.model_id("dev1"), Some(MODEL));
    let mut without = Setup::device().start();
    without.sign_in();
    assert_eq!(without.hub.model_id("dev1"), None);
}

#[test]
fn writable_properties_are_acknowledged_with_their_version() {
    let mut pair = device();
    let desired = json!({ "interval": 5, "thermostat1": { "targetTemperature": 21, "__t": "c" } });
    assert_eq!(pair.hub.patch_desired("dev1", &desired), Ok(2));
    pair.sign_in();
    pair.run_until("reported", |pair| reports(pair) == 1);
    let mut expected = json!({
        "interval": { "ac": 200, "av": 2, "value": 5 },
        "thermostat1": { "__t": "c", "targetTemperature": { "ac": 200, "av": 2, "value": 21 } },
        "$version": 2,
    });
    assert_eq!(pair.hub.twin("dev1")["reported"], expected);

    // A patch may come without the marker.
    pair.hub.patch_desired("dev1", &json!({ "thermostat2": { "targetTemperature": 30 } })).unwrap();
    pair.run_until("reported", |pair| reports(pair) == 2);
    let rejected = json!({ "ac": 400, "av": 3, "ad": "more than \"25\"", "value": 25 });
    expected["thermostat2"] = json!({ "__t": "c", "targetTemperature": rejected });
    expected["$version"] = 3.into();
    assert_eq!(pair.hub.twin("dev1")["reported"], expected);
}

#[test]
fn commands_and_telemetry_name_their_component() {
    let mut pair = device();
    pair.sign_in();
    let calls = ["reboot", "thermostat1*getReport", "thermostat2*getReport"]
        .map(|method| pair.hub.invoke("dev1", method, b"null", Duration::from_secs(10)));
    pair.run_until("answered", |pair| calls.iter().all(|call| pair.hub.call_result(*call) != CallResult::Pending));
    let answered = |status, payload: &[u8]| CallResult::Answered { status, payload: payload.to_vec() };
    assert_eq!(
        calls.map(|call| pair.hub.call_result(call)),
        [answered(200, b"null"), answered(200, b"{\"max\":25}"), answered(404, b"")]
    );

    let system = SystemProperties { component: Some("thermostat1"), ..SystemProperties::default() };
    let message = Telemetry { payload: b"{\"temperature\":21}", system: &system, ..Telemetry::default() };
    let token = pair.client.send_telemetry(pair.now(), &message).unwrap();
    pair.run_until("acknowledged", |pair| pair.has(|seen| *seen == Seen::Acked(token)));
    assert_eq!(pair.hub.take_telemetry()[0].property("$.sub"), Some("thermostat1"));
}
