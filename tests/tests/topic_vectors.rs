//! Runs `vectors/topics.json` and `vectors/properties.json`. The files are the truth for every language; here the
//! Rust crate meets them.

use iothub_proto::error::{Field, UsageError};
use iothub_proto::topic::{
    Device, Encoded, Features, Inbound, Properties, Property, PropertySource, ReceivedSystem, SystemProperties, method,
    parse, properties, put_filter, telemetry, twin,
};
use iothub_proto::wire::{Writer, put_encoded};
use serde_json::{Map, Value, json};

fn topics() -> Value {
    serde_json::from_str(include_str!("../vectors/topics.json")).expect("topics.json")
}

fn bags() -> Value {
    serde_json::from_str(include_str!("../vectors/properties.json")).expect("properties.json")
}

/// Visits the cases of a list, which must have some.
fn each(list: &Value, mut run: impl FnMut(&Value)) {
    let list = list.as_array().expect("a list");
    assert!(!list.is_empty());
    list.iter().for_each(&mut run);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

fn device(case: &Value) -> Device<'_> {
    Device { device_id: text(&case["device"]), module_id: case["module"].as_str() }
}

fn written(put: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut room = [0; 4096];
    let mut writer = Writer::new(&mut room);
    put(&mut writer);
    String::from_utf8(writer.finish().expect("room").to_vec()).expect("UTF-8")
}

/// A decoded text in the words of the vectors.
fn decoded(encoded: Encoded<'_>) -> Value {
    let bytes: Vec<u8> = encoded.bytes().collect();
    assert_eq!(encoded.decoded_len(), bytes.len());
    match encoded.to_cow() {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

fn pairs<'i>(properties: impl Iterator<Item = Property<'i>>) -> Value {
    properties.map(|property| json!([decoded(property.name), property.value.map(decoded)])).collect()
}

/// Defines the two translations between the fields of a case and those of the structs.
macro_rules! system_fields {
    ($($field:ident)*) => {
        fn received_system(system: &ReceivedSystem<'_>) -> Value {
            let mut map = Map::new();
            $(if let Some(value) = system.$field { map.insert(stringify!($field).into(), decoded(value)); })*
            Value::Object(map)
        }

        fn system_to_send(case: &Value) -> SystemProperties<'_> {
            let mut system = SystemProperties::default();
            for (name, value) in case.as_object().expect("system properties") {
                match name.as_str() {
                    $(stringify!($field) => system.$field = Some(text(value)),)*
                    _ => panic!("no such system property: {name}"),
                }
            }
            system
        }
    };
}

system_fields! {
    message_id correlation_id user_id to content_type content_encoding expiry creation_time output interface_id schema
    component connection_device_id connection_module_id diagnostic_id diagnostic_context ack operation
}

fn application(case: &Value) -> Vec<(&str, &str)> {
    case.as_array().expect("pairs").iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn meaning(inbound: Inbound<'_>) -> Value {
    match inbound {
        Inbound::CloudToDevice { properties } => json!({ "kind": "cloud_to_device", "bag": properties.raw().as_str() }),
        Inbound::Input { name, properties } => {
            json!({ "kind": "input", "name": name, "bag": properties.raw().as_str() })
        }
        Inbound::TwinResponse { status, request_id, version } => {
            json!({ "kind": "twin_response", "status": status, "request_id": request_id, "version": version })
        }
        Inbound::Desired { version } => json!({ "kind": "desired", "version": version }),
        Inbound::Method { name, request_id } => json!({ "kind": "method", "name": name, "request_id": request_id }),
        Inbound::Unknown => json!({ "kind": "unknown" }),
        _ => panic!("a meaning that the vectors do not know: {inbound:?}"),
    }
}

#[test]
fn topics_received() {
    each(&topics()["received"], |case| {
        assert_eq!(meaning(parse(text(&case["topic"]), device(case))), case["means"], "{case}");
    });
}

#[test]
fn topic_filters() {
    each(&topics()["filters"], |case| {
        let device = device(case);
        let all = if device.module_id.is_some() { Features::ALL_MODULE } else { Features::ALL_DEVICE };
        let filters = all.iter().map(|feature| {
            let name = match feature {
                Features::MESSAGES => "messages",
                Features::TWIN => "twin",
                Features::DESIRED => "desired",
                Features::METHODS => "methods",
                Features::INPUTS => "inputs",
                _ => panic!("a feature that the vectors do not know: {feature:?}"),
            };
            let filter = written(|writer| put_filter(writer, device, feature));
            json!({ "feature": name, "filter": filter, "qos": feature.qos() })
        });
        assert_eq!(filters.collect::<Value>(), case["filters"], "{case}");
    });
}

#[test]
fn telemetry_topics_sent() {
    each(&topics()["sent"]["telemetry"], |case| {
        let (system, application) = (system_to_send(&case["system"]), application(&case["application"]));
        let mut counted = 0;
        let topic = written(|writer| counted = telemetry::put_topic(writer, device(case), &system, &application));
        assert_eq!(topic, case["topic"], "{case}");
        assert_eq!(counted, case["counted"], "{case}");
    });
}

#[test]
fn request_and_answer_topics_sent() {
    let sent = &topics()["sent"];
    let number = |case: &Value| case["request_id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("a number");
    each(&sent["twin_get"], |case| {
        let topic = written(|writer| {
            twin::put_get_topic(writer);
            writer.put_decimal(number(case));
        });
        assert_eq!(topic, case["topic"]);
    });
    each(&sent["twin_report"], |case| {
        let topic = written(|writer| {
            twin::put_report_topic(writer);
            writer.put_decimal(number(case));
        });
        assert_eq!(topic, case["topic"]);
    });
    each(&sent["method_response"], |case| {
        let status = case["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
        let request_id = text(&case["request_id"]).as_bytes();
        assert_eq!(written(|writer| method::put_response_topic(writer, status, request_id)), case["topic"]);
    });
}

#[test]
fn bags_received() {
    each(&bags()["received"], |case| {
        let properties = Properties::new(text(&case["bag"]));
        assert_eq!(pairs(properties.iter()), case["pairs"], "{case}");
        assert_eq!(received_system(&properties.system()), case["system"], "{case}");
        assert_eq!(pairs(properties.application()), case["application"], "{case}");
        assert_eq!(properties.is_empty(), case["pairs"] == json!([]), "{case}");
    });
}

#[test]
fn bags_sent() {
    each(&bags()["sent"], |case| {
        let (system, application) = (system_to_send(&case["system"]), application(&case["application"]));
        assert_eq!(properties::check(&application), Ok(()), "{case}");
        let mut counted = 0;
        let bag = written(|writer| counted = properties::put_bag(writer, &system, &application));
        assert_eq!(bag, case["bag"], "{case}");
        assert_eq!(counted, case["counted"], "{case}");
    });
}

#[test]
fn texts_encoded() {
    each(&bags()["encoding"], |case| {
        let plain = text(&case["text"]);
        let encoded = written(|writer| put_encoded(writer, plain.as_bytes()));
        assert_eq!(encoded, case["encoded"], "{case}");
        assert!(Encoded::new(&encoded) == plain, "{case}");
    });
}

#[test]
fn properties_refused() {
    each(&bags()["refused"], |case| {
        let application: &dyn PropertySource = &application(&case["application"]);
        let refused = UsageError::BadText { field: Field::PropertyName, at: 0 };
        assert_eq!(properties::check(application), Err(refused), "{case}");
    });
}
