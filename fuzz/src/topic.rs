//! Any text as the topic of a PUBLISH and as a property bag, and properties made of any bytes on their way out.
//!
//! What comes in is read a second time by splitting it naively; what goes out is read by the hub simulator.

use crate::plant::{Plant, planted};
use arbitrary::Unstructured;
use iothub_proto::auth::Identity;
use iothub_proto::topic::{
    DecodeError, Device, Encoded, Features, Inbound, Properties, PropertyIter, SystemProperties, method, parse,
    properties, put_filter, telemetry, twin,
};
use iothub_proto::wire::Writer;
use iothub_tests::hub::topic as hub;

const DEVICE: Device<'static> = Device { device_id: "dev1", module_id: None };
const MODULE: Device<'static> = Device { device_id: "dev1", module_id: Some("mod1") };

/// Reads `data` as topic and bag, and sends what can be made of it.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for device in [DEVICE, MODULE] {
        received(&text, device);
        let topic = format!("{}/messages/devicebound/{text}", hub::resource(&client_id(device)));
        assert_eq!(parse(&topic, device), Inbound::CloudToDevice { properties: Properties::new(&text) });
    }
    bag(&text);
    let mut input = Unstructured::new(data);
    // It fails only by lack of bytes.
    let _ = sent(&mut input);
}

fn client_id(device: Device<'_>) -> String {
    device.module_id.map_or(device.device_id.to_owned(), |module| format!("{}/{module}", device.device_id))
}

/// The meaning of a topic is that of a naive reading.
fn received(topic: &str, device: Device<'_>) {
    let mut meaning = parse(topic, device);
    if let (true, Inbound::TwinResponse { version, .. }) = (planted(Plant::WrongMeaning), &mut meaning) {
        *version = version.or(Some(0));
    }
    assert_eq!(meaning, read(topic, device), "{topic:?}");
}

fn read<'t>(topic: &'t str, device: Device<'_>) -> Inbound<'t> {
    let below = |level: &str| topic.strip_prefix(level).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let rest = |below: &'t str| below.strip_prefix('/').unwrap_or(below);
    if let Some(query) = below("$iothub/twin/res").map(rest) {
        let status = level(query).and_then(number).and_then(|status| u16::try_from(status).ok());
        return match (status, pair(query, "$rid").filter(|id| !id.is_empty())) {
            (Some(status), Some(request_id)) => {
                Inbound::TwinResponse { status, request_id, version: pair(query, "$version").and_then(number) }
            }
            _ => Inbound::Unknown,
        };
    }
    if let Some(query) = below("$iothub/twin/PATCH/properties/desired").map(rest) {
        return match query.split('?').next() {
            Some("") => Inbound::Desired { version: pair(query, "$version").and_then(number) },
            _ => Inbound::Unknown,
        };
    }
    if let Some(query) = below("$iothub/methods/POST").map(rest) {
        return match (level(query), pair(query, "$rid").filter(|id| !id.is_empty())) {
            (Some(name), Some(request_id)) => Inbound::Method { name, request_id },
            _ => Inbound::Unknown,
        };
    }
    let resource = hub::resource(&client_id(device));
    if let Some(bag) = below(&format!("{resource}/messages/devicebound")).map(rest) {
        return Inbound::CloudToDevice { properties: Properties::new(bag) };
    }
    match below(&format!("{resource}/inputs")).map(rest).map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((name, bag)) if device.module_id.is_some() && !name.is_empty() => {
            Inbound::Input { name, properties: Properties::new(bag) }
        }
        _ => Inbound::Unknown,
    }
}

/// The one level before `?`; a `/` may end it.
fn level(query: &str) -> Option<&str> {
    let path = query.split('?').next().unwrap_or_default();
    let level = path.strip_suffix('/').unwrap_or(path);
    Some(level).filter(|level| !level.is_empty() && !level.contains('/'))
}

/// The value of the first pair of this name.
fn pair<'t>(query: &'t str, name: &str) -> Option<&'t str> {
    let (_, pairs) = query.split_once('?')?;
    let pairs = pairs.strip_suffix('/').unwrap_or(pairs);
    pairs.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn number(text: &str) -> Option<u64> {
    Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok())
}

/// A bag is what splitting it gives; and what it says can be sent again.
fn bag(text: &str) {
    let properties = Properties::new(text);
    let inner = text.strip_prefix('?').unwrap_or(text);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let naive: Vec<(Vec<u8>, Option<Vec<u8>>)> = inner
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value))))
        .map(|(name, value)| {
            let value = if planted(Plant::BagPair) { value.and_then(|value| value.split('=').next()) } else { value };
            (unescape(name), value.map(unescape))
        })
        .collect();
    let found: Vec<_> = properties.iter().map(|it| (decoded(it.name), it.value.map(decoded))).collect();
    assert_eq!(found, naive, "{text:?}");

    assert_eq!(properties.is_empty(), naive.is_empty());
    let system = properties.iter().filter(|property| property.is_system()).count();
    assert_eq!(properties.application().count() + system, naive.len());
    if let Some(id) = properties.system().message_id {
        let first = naive.iter().find(|(name, value)| name == b"$.mid" && value.is_some());
        assert_eq!(Some(decoded(id)), first.and_then(|(_, value)| value.clone()));
    }
    let mut rest = properties.iter();
    for (at, (name, value)) in naive.iter().enumerate() {
        let mut resumed = PropertyIter::resume(rest.rest());
        assert_eq!(resumed.next(), rest.next(), "it goes on where it stopped");
        if at < 16
            && let Ok(name) = std::str::from_utf8(name)
            && naive.iter().position(|(known, _)| known == name.as_bytes()) == Some(at)
        {
            let found = properties.get(name).expect("it is there");
            assert_eq!(found.value.map(decoded), *value, "the first of a name counts");
        }
    }
    assert_eq!(rest.next(), None);
    sent_again(&naive);
}

/// What has a name, a value and is text comes back as it was.
fn sent_again(pairs: &[(Vec<u8>, Option<Vec<u8>>)]) {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok().filter(|text| !text.is_empty());
    let pairs: Vec<(String, String)> =
        pairs.iter().filter_map(|(name, value)| Some((text(name)?, text(value.as_ref()?)?))).collect();
    let bag = written(|w| {
        properties::put_bag(w, &SystemProperties::NONE, &pairs);
    });
    let bag = if planted(Plant::BagSent) { bag.replace("%20", "+") } else { bag };
    let again: Vec<_> = Properties::new(&bag).iter().map(|it| (decoded(it.name), it.value.map(decoded))).collect();
    let expected: Vec<_> = pairs.into_iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
    assert_eq!(again, expected, "{bag:?}");
}

/// The bytes of a text, which all ways of decoding must agree on.
fn decoded(encoded: Encoded<'_>) -> Vec<u8> {
    let bytes: Vec<u8> = encoded.bytes().collect();
    assert_eq!(encoded.decoded_len(), bytes.len());
    assert!(bytes.len() <= encoded.raw().len());
    let mut room = vec![0; bytes.len()];
    let text = encoded.decode(&mut room).map(str::to_owned);
    assert_eq!(text, encoded.to_cow().map(|text| text.into_owned()));
    match &text {
        Ok(text) => assert_eq!(text.as_bytes(), bytes),
        Err(DecodeError::NotUtf8 { at }) => {
            assert_eq!(std::str::from_utf8(&bytes).map_err(|error| error.valid_up_to()), Err(*at));
        }
        Err(error) => panic!("{error:?} with enough room"),
    }
    if let Some(short) = bytes.len().checked_sub(1) {
        assert_eq!(encoded.decode(&mut vec![0; short]), Err(DecodeError::TooSmall { needed: bytes.len() }));
    }
    assert!(encoded == Encoded::new(&written(|w| iothub_proto::wire::put_encoded(w, &bytes))));
    bytes
}

/// RFC 3986 §2.1; an escape that is none stands for itself.
fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high << 4 | low) as u8);
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}

fn written(put: impl Fn(&mut Writer<'_>)) -> String {
    let mut counter = Writer::new(&mut []);
    put(&mut counter);
    let mut room = vec![0; counter.len()];
    let mut writer = Writer::new(&mut room);
    put(&mut writer);
    String::from_utf8(writer.finish().expect("as much room as was counted").to_vec()).expect("what is sent is text")
}

/// What a device sends, with texts made of `input`, as the hub reads it.
fn sent(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (device_id, module_id): (&str, Option<&str>) = input.arbitrary()?;
    let mut identity = Identity::device("contoso.azure-devices.net", device_id);
    identity.module_id = module_id;
    let device = if identity.check().is_ok() { Device { device_id, module_id } } else { MODULE };
    let resource = hub::resource(&client_id(device));

    let (message_id, output): (Option<&str>, Option<&str>) = input.arbitrary()?;
    let system = SystemProperties { message_id, output, ..SystemProperties::NONE };
    let pairs: Vec<(&str, &str)> = input.arbitrary()?;
    if properties::check(&pairs).is_ok() {
        let counted = telemetry::put_topic(&mut Writer::new(&mut []), device, &system, &pairs);
        let topic = written(|w| {
            telemetry::put_topic(w, device, &system, &pairs);
        });
        let bag = topic.strip_prefix(&format!("{resource}/messages/events/")).expect("telemetry has one topic");
        let read = hub::parse_bag(bag).expect("the hub can read every bag");
        let own = [message_id.map(|id| ("$.mid", id)), output.map(|name| ("$.on", name))];
        let all = own.into_iter().flatten().chain(pairs.iter().copied());
        let all: Vec<_> = all.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
        assert_eq!(read, all);
        let named =
            |(name, value): &(&str, &str)| if planted(Plant::Counted) { value.len() } else { name.len() + value.len() };
        let expected =
            own.iter().flatten().map(|(_, value)| value.len()).sum::<usize>() + pairs.iter().map(named).sum::<usize>();
        assert_eq!(counted, expected, "as the hub counts");
    } else {
        assert!(pairs.iter().any(|(name, _)| name.is_empty()), "only a property without a name is refused");
    }

    let (status, request_id): (u16, &str) = input.arbitrary()?;
    let answer = written(|w| method::put_response_topic(w, status, request_id.as_bytes()));
    assert_eq!(answer, format!("$iothub/methods/res/{status}/?$rid={request_id}"));
    assert_eq!(written(twin::put_get_topic), "$iothub/twin/GET/?$rid=");
    assert_eq!(written(twin::put_report_topic), "$iothub/twin/PATCH/properties/reported/?$rid=");
    for feature in Features::ALL_MODULE.iter().chain([Features::MESSAGES]) {
        let filter = written(|w| put_filter(w, device, feature));
        if feature != Features::INPUTS || device.module_id.is_some() {
            assert!(hub::feature(&client_id(device), &filter).is_some(), "the hub knows {filter:?}");
        }
    }
    Ok(())
}
