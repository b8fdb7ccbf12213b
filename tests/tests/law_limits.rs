//! What the hub would answer by closing the connection is refused before anything is queued, at the exact byte.

use iothub_proto::auth::Identity;
use iothub_proto::error::{CapacityError, Error, Field, PatchRule, UsageError};
use iothub_proto::packet::QoS;
use iothub_proto::topic::{Features, PropertySource, SystemProperties};
use iothub_proto::{Config, ConnectOptions, Pending, Settings, Telemetry};
use iothub_tests::script::{ACCEPTED, Memory, Rig, Seen, packets, quiet};

mod common;
use common::publish;

const D2C: &str = "devices/dev1/messages/events/";
const KIB_256: usize = 256 * 1024;

fn memory() -> Memory {
    Memory::new(400_000, 2, 2)
}

/// Sends `message`, which must be refused with this and leave nothing.
fn refused(rig: &mut Rig<'_>, message: &Telemetry<'_>, error: UsageError) {
    let before = rig.client.tx_free();
    assert_eq!(rig.client.send_telemetry(rig.now, message), Err(error.into()));
    assert_eq!((rig.client.pending(), rig.client.tx_free()), (Pending::default(), before));
}

#[test]
fn the_hub_takes_256_kib_counted_as_it_counts() {
    // (system, application): bytes that count are values of the first, names and values of the second, unencoded.
    let system = SystemProperties { message_id: Some("a b"), content_type: Some(""), ..Default::default() };
    let some: &[(&str, &str)] = &[("n&me", "välue"), ("empty", "")];
    let cases: [(SystemProperties<'_>, &dyn PropertySource, usize); 3] =
        [(SystemProperties::default(), &(), 0), (system, &(), 3), (system, &some, 3 + 4 + 6 + 5)];
    for (system, properties, counted) in cases {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let (mut memory, body) = (memory(), vec![0x41; KIB_256 + 1]);
            let mut rig = memory.rig(quiet());
            let message = |len: usize| Telemetry { payload: &body[..len], qos, system: &system, properties };
            let error = UsageError::MessageTooLarge { len: KIB_256 + 1, limit: KIB_256 };
            refused(&mut rig, &message(KIB_256 - counted + 1), error);
            assert!(rig.client.send_telemetry(rig.now, &message(KIB_256 - counted)).is_ok());
        }
    }
}

#[test]
fn too_large_for_the_hub_is_told_even_if_it_is_too_large_for_the_memory() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    let payload = vec![0; KIB_256 + 1];
    let message = Telemetry { payload: &payload, ..Telemetry::default() };
    refused(&mut rig, &message, UsageError::MessageTooLarge { len: KIB_256 + 1, limit: KIB_256 });
    let message = Telemetry { payload: &payload[1..], ..message };
    let outcome = rig.client.send_telemetry(rig.now, &message);
    assert!(matches!(outcome, Err(Error::Capacity(CapacityError::TooLarge { .. }))), "{outcome:?}");
}

#[test]
fn a_topic_has_65535_bytes_and_its_length_is_never_wrapped() {
    // A property of one letter: the value fills the topic.
    let room = 65_535 - D2C.len() - "n=".len();
    for (len, fits) in [(room - 1, true), (room, true), (room + 1, false), (room + 2, false), (65_536 + 10, false)] {
        let mut memory = memory();
        let mut rig = memory.rig(quiet());
        rig.sign_in(ACCEPTED);
        let value = "v".repeat(len);
        let properties = [("n", value.as_str())];
        let message = Telemetry { payload: b"p", properties: &properties, ..Telemetry::default() };
        let topic_len = D2C.len() + 2 + len;
        if fits {
            rig.client.send_telemetry(rig.now, &message).unwrap();
            assert_eq!(packets(&rig.sent()), [publish(0x32, &format!("{D2C}n={value}"), Some(1), b"p")]);
        } else {
            refused(&mut rig, &message, UsageError::TopicTooLong { len: topic_len });
            assert_eq!(rig.sent(), b"");
        }
    }
    // Encoded it counts three times in the topic, once for the hub.
    let mut memory = memory();
    let mut rig = memory.rig(quiet());
    let value = "&".repeat(room / 3 + 1);
    let message = Telemetry { properties: &[("n", value.as_str())], ..Telemetry::default() };
    refused(&mut rig, &message, UsageError::TopicTooLong { len: D2C.len() + 2 + 3 * value.len() });
}

#[test]
fn a_property_needs_a_name() {
    let mut memory = memory();
    let mut rig = memory.rig(quiet());
    for properties in [&[("", "v")][..], &[("a", "v"), ("", "")][..], &[("", ""), ("a", "v")][..]] {
        let message = Telemetry { properties: &properties, ..Telemetry::default() };
        refused(&mut rig, &message, UsageError::BadText { field: Field::PropertyName, at: 0 });
    }
}

#[test]
fn what_could_be_mistaken_in_a_topic_is_encoded() {
    let mut memory = memory();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    let system = SystemProperties { message_id: Some("+/#"), ..Default::default() };
    let message = Telemetry { system: &system, properties: &[("a+b\0", "#=&/?")], ..Telemetry::default() };
    rig.client.send_telemetry(rig.now, &message).unwrap();
    let topic = format!("{D2C}%24.mid=%2B%2F%23&a%2Bb%00=%23%3D%26%2F%3F");
    assert_eq!(rig.sent(), publish(0x32, &topic, Some(1), b""));
}

#[test]
fn outputs_are_for_modules_and_so_are_inputs() {
    let module = Identity::module("contoso.azure-devices.net", "dev1", "mod1");
    let system = SystemProperties { output: Some("out"), ..Default::default() };
    let message = Telemetry { system: &system, ..Telemetry::default() };
    let (mut own, mut of_module) = (memory(), memory());
    let mut device = own.rig(quiet());
    refused(&mut device, &message, UsageError::WrongIdentity);
    let wrong = Err(UsageError::WrongIdentity.into());
    assert_eq!(device.client.subscribe(device.now, Features::INPUTS), wrong);
    let mut rig = of_module.try_rig(Config { identity: module, settings: quiet() }).unwrap();
    assert!(rig.client.send_telemetry(rig.now, &message).is_ok());
    assert_eq!(rig.client.subscribe(rig.now, Features::MESSAGES), wrong);
    assert_eq!(rig.client.subscribe(rig.now, Features::MESSAGES | Features::INPUTS), wrong);
    assert_eq!(rig.client.subscribe(rig.now, Features::INPUTS), Ok(()));
}

#[test]
fn a_will_obeys_the_rules_of_messages_and_of_connect() {
    let mut memory = memory();
    let mut rig = memory.rig(Settings { connect_reserve: 200_000, ..quiet() });
    let body = vec![b'w'; 65_536];
    let long = "v".repeat(65_536);
    let longest = [("n", &long[D2C.len() + 2 + 1..])];
    let will = |payload, properties| Telemetry { payload, properties, ..Telemetry::default() };
    let system = SystemProperties { output: Some("out"), ..Default::default() };
    let long = [("n", long.as_str())];
    let cases: [(Telemetry<'_>, UsageError); 4] = [
        (will(&body, &()), UsageError::MessageTooLarge { len: 65_536, limit: 65_535 }),
        (will(b"", &long), UsageError::TopicTooLong { len: D2C.len() + 2 + 65_536 }),
        (will(b"", &[("", "")]), UsageError::BadText { field: Field::PropertyName, at: 0 }),
        (Telemetry { system: &system, ..Telemetry::default() }, UsageError::WrongIdentity),
    ];
    for (will, error) in cases {
        let outcome = rig.client.connect(rig.now, &ConnectOptions { will: Some(&will), ..Default::default() });
        assert_eq!(outcome, Err(error.into()));
        assert_eq!((rig.sent().len(), rig.client.poll_timeout()), (0, None));
    }
    rig.connect_with(&ConnectOptions { will: Some(&will(b"", &longest)), ..Default::default() });
    assert!(rig.sent().len() > 65_535, "with the longest topic there is");
    rig.cut();
    let will = will(&body[1..], &[("n", "v")]);
    rig.connect_with(&ConnectOptions { will: Some(&will), ..Default::default() });
    let sent = rig.sent();
    let flags = sent[sent.windows(5).position(|w| w == b"MQTT\x04").unwrap() + 5];
    assert_eq!(flags, 0b1000_1100, "user name, will at QoS 1, no password, the session kept");
    assert!(String::from_utf8_lossy(&sent).contains("devices/dev1/messages/events/n=v"));
}

#[test]
fn a_password_has_a_16_bit_length() {
    let mut memory = memory();
    let mut rig = memory.rig(Settings { connect_reserve: 70_000, ..quiet() });
    let long = "p".repeat(65_536);
    let options = |len: usize| ConnectOptions { password: Some(&long[..len]), ..Default::default() };
    let error = UsageError::BadText { field: Field::Password, at: 65_535 };
    assert_eq!(rig.client.connect(rig.now, &options(65_536)), Err(error.into()));
    rig.connect_with(&options(65_535));
    assert_eq!(packets(&rig.sent()).len(), 1);
}

#[test]
fn a_method_answer_has_128_kib() {
    let mut memory = memory();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    let events = rig.feed(&publish(0x30, "$iothub/methods/POST/m/?$rid=1", None, b"")).events;
    let [Seen::Method { request, .. }] = events.as_slice() else { panic!("{events:?}") };
    let body = vec![b'x'; 128 * 1024 + 1];
    let error = UsageError::MessageTooLarge { len: body.len(), limit: body.len() - 1 };
    assert_eq!(rig.client.method_respond(rig.now, request, 200, &body), Err(error.into()));
    assert_eq!(rig.client.pending(), Pending::default());
    assert_eq!(rig.client.method_respond(rig.now, request, 200, &body[1..]), Ok(()));
}

#[test]
fn a_patch_that_breaks_a_rule_of_twins_is_not_queued() {
    let mut memory = memory();
    let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
    for (patch, rule) in [
        (&b""[..], PatchRule::Json),
        (b"{", PatchRule::Json),
        (b"[]", PatchRule::NotAnObject),
        (br#"{"a.b":1}"#, PatchRule::BadKey),
        (br#"{"$version":1}"#, PatchRule::BadKey),
        (br#"{"a":[null]}"#, PatchRule::NullInArray),
        (br#"{"a":4503599627370496}"#, PatchRule::IntegerOutOfRange),
    ] {
        let error = UsageError::BadPatch(rule);
        assert_eq!(rig.client.twin_report(rig.now, patch), Err(error.into()));
        assert_eq!((rig.client.pending(), rig.client.poll_timeout()), (Pending::default(), None));
    }
    assert!(rig.client.twin_report(rig.now, br#"{"a":null,"b":{"c":[1,2]}}"#).is_ok());
}
