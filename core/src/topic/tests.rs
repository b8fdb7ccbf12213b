//! Properties of the topic layer. The tables, one row a rule, are `tests/vectors/topics.json`.

use super::*;
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

const DEVICE: Device<'_> = Device { device_id: "d1", module_id: None };
const MODULE: Device<'_> = Device { device_id: "d1", module_id: Some("m1") };
const EACH: [Features; 5] =
    [Features::MESSAGES, Features::TWIN, Features::DESIRED, Features::METHODS, Features::INPUTS];

fn written(put: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut room = [0; 4096];
    let mut writer = Writer::new(&mut room);
    put(&mut writer);
    String::from_utf8(writer.finish().unwrap().to_vec()).unwrap()
}

/// The feature whose filter lets such a topic through.
fn feature_of(inbound: Inbound<'_>) -> Option<Features> {
    Some(match inbound {
        Inbound::CloudToDevice { .. } => Features::MESSAGES,
        Inbound::Input { .. } => Features::INPUTS,
        Inbound::TwinResponse { .. } => Features::TWIN,
        Inbound::Desired { .. } => Features::DESIRED,
        Inbound::Method { .. } => Features::METHODS,
        Inbound::Unknown => return None,
    })
}

/// MQTT 3.1.1 §4.7 for filters that end in `/#` and have no other wildcard.
fn matches(filter: &str, topic: &str) -> bool {
    let level = filter.strip_suffix("/#").expect("filter");
    topic.strip_prefix(level).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[test]
fn features_are_a_set_in_the_order_of_their_constants() {
    for (at, feature) in EACH.into_iter().enumerate() {
        assert_eq!(feature.bits(), 1 << at);
        assert!(feature.iter().eq([feature]));
    }
    let all = Features::ALL_DEVICE | Features::ALL_MODULE;
    assert!(all.iter().eq(EACH));
    assert!(Features::ALL_DEVICE.iter().eq([EACH[0], EACH[1], EACH[2], EACH[3]]));
    assert!(Features::ALL_MODULE.iter().eq([EACH[1], EACH[2], EACH[3], EACH[4]]));
    assert_eq!(Features::ALL_DEVICE.difference(Features::ALL_MODULE), Features::MESSAGES);
    assert!(Features::ALL_DEVICE.contains(Features::TWIN) && !Features::TWIN.contains(Features::ALL_DEVICE));
    assert!(all.contains(Features::NONE) && Features::NONE.is_empty() && !Features::TWIN.is_empty());
    assert_eq!(Features::from_bits(0b1_1111), Some(all));
    assert_eq!(Features::from_bits(0b10_0000), None);
    assert_eq!(EACH.map(Features::qos), [1, 0, 0, 0, 1]);
    assert_eq!((Features::TWIN | Features::INPUTS).qos(), 1);
}

#[test]
fn a_filter_is_of_one_feature() {
    assert_eq!(written(|writer| put_filter(writer, DEVICE, Features::NONE)), "");
    assert_eq!(written(|writer| put_filter(writer, DEVICE, Features::ALL_DEVICE)), "");
}

/// Texts of pieces that the dialect uses, so that most come close to a real topic and some are one.
fn near_topics() -> impl Strategy<Value = String> {
    let pieces = "$iothub/ twin/ res/ methods/ POST/ PATCH/properties/ desired reported devices/ d1 m1 /modules/ \
                  /messages/ devicebound events /inputs/ 200 65536 0 -1 / ? ?$rid= $rid= $version= & = blink \
                  18446744073709551616 %24.mid é";
    let starts = "$iothub/twin/res/ $iothub/twin/PATCH/properties/desired $iothub/methods/POST/ devices/ \
                  devices/d1/messages/devicebound devices/d1/modules/m1/inputs/ devices/d1/modules/m1/ $";
    let pieces: Vec<_> = pieces.split(' ').collect();
    let starts: Vec<_> = starts.split(' ').collect();
    let rest = prop::collection::vec(prop::sample::select(pieces), 0..8);
    (prop::sample::select(starts), rest).prop_map(|(start, rest)| {
        let mut topic = String::from(start);
        topic.extend(rest);
        topic
    })
}

/// What holds for every topic, however strange.
fn check_any(topic: &str) -> Result<(), TestCaseError> {
    for device in [DEVICE, MODULE] {
        let inbound = parse(topic, device);
        if let Some(feature) = feature_of(inbound) {
            let filter = written(|writer| put_filter(writer, device, feature));
            prop_assert!(matches(&filter, topic), "{topic} is read as {inbound:?}, and {filter} does not match it");
        }
        match inbound {
            Inbound::Method { name, request_id } => {
                prop_assert!(!name.is_empty() && !request_id.is_empty());
                prop_assert!(!name.contains(['/', '?']) && !request_id.contains('&'));
                prop_assert!(topic.contains(request_id));
            }
            Inbound::TwinResponse { request_id, .. } => {
                prop_assert!(!request_id.is_empty() && !request_id.contains('&'));
            }
            Inbound::Input { name, properties } => {
                prop_assert!(device.module_id.is_some() && !name.is_empty() && !name.contains('/'));
                prop_assert!(topic.ends_with(properties.raw().as_str()));
            }
            Inbound::CloudToDevice { properties } => prop_assert!(topic.ends_with(properties.raw().as_str())),
            Inbound::Desired { .. } | Inbound::Unknown => {}
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_has_a_meaning_or_none(topic in any::<String>()) {
        check_any(&topic)?;
    }

    #[test]
    fn what_is_understood_was_subscribed(topic in near_topics()) {
        check_any(&topic)?;
    }

    #[test]
    fn a_call_is_answered_with_its_own_id(name in "[!-.0-9A-Z*~]{1,20}", id in "[A-Za-z0-9-]{1,47}", status: u16) {
        let topic = std::format!("$iothub/methods/POST/{name}/?$rid={id}");
        prop_assert_eq!(parse(&topic, DEVICE), Inbound::Method { name: &name, request_id: &id });
        let answer = written(|writer| method::put_response_topic(writer, status, id.as_bytes()));
        prop_assert_eq!(answer, std::format!("$iothub/methods/res/{status}/?$rid={id}"));
    }

    #[test]
    fn twin_numbers_come_through(status: u16, number: u32, version: u64, extra in 0_usize..3, swap: bool) {
        let request = written(|writer| {
            twin::put_report_topic(writer);
            writer.put_decimal(number);
        });
        let id = request.strip_prefix("$iothub/twin/PATCH/properties/reported/?$rid=").unwrap();
        let mut pairs = Vec::from([std::format!("$rid={id}"), std::format!("$version={version}")]);
        if swap {
            pairs.swap(0, 1);
        }
        pairs.insert(extra, String::from("other=1"));
        let topic = std::format!("$iothub/twin/res/{status}/?{}", pairs.join("&"));
        let id = std::format!("{number}");
        let expected = Inbound::TwinResponse { status, request_id: &id, version: Some(version) };
        prop_assert_eq!(parse(&topic, DEVICE), expected);
        let topic = std::format!("$iothub/twin/PATCH/properties/desired/?{}", pairs.join("&"));
        prop_assert_eq!(parse(&topic, MODULE), Inbound::Desired { version: Some(version) });
    }

    #[test]
    fn a_message_reaches_its_own_device_only(own in "[a-z]{1,3}", other in "[a-z]{1,3}", bag in "[a-z=&%/?]{0,12}") {
        let topic = std::format!("devices/{own}/messages/devicebound/{bag}");
        let expected = if own == other {
            Inbound::CloudToDevice { properties: Properties::new(&bag) }
        } else {
            Inbound::Unknown
        };
        prop_assert_eq!(parse(&topic, Device { device_id: &other, module_id: None }), expected);
    }
}
