//! Properties of the bag. The tables, one row a rule, are `tests/vectors/properties.json`.

use super::*;
use crate::wire::Writer;
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

type Pairs = Vec<(String, String)>;

fn bag_of(system: &SystemProperties<'_>, application: &dyn PropertySource) -> (String, usize) {
    let mut room = std::vec![0; 64 * 1024];
    let mut writer = Writer::new(&mut room);
    let counted = put_bag(&mut writer, system, application);
    (String::from_utf8(writer.finish().unwrap().to_vec()).unwrap(), counted)
}

fn text(encoded: Encoded<'_>) -> String {
    let mut buffer = std::vec![0; encoded.raw().len()];
    encoded.decode(&mut buffer).unwrap().to_string()
}

fn decoded<'i>(properties: impl Iterator<Item = Property<'i>>) -> Pairs {
    properties.map(|property| (text(property.name), text(property.value.unwrap()))).collect()
}

fn visited(source: &dyn PropertySource) -> Pairs {
    let mut pairs = Pairs::new();
    source.visit(&mut |name, value| pairs.push((name.into(), value.into())));
    pairs
}

#[test]
fn every_shape_of_source_keeps_its_order() {
    let pairs = [("b", "1"), ("a", "2"), ("b", "3")];
    let expected: Pairs = pairs.map(|(name, value)| (name.into(), value.into())).into();
    let slice: &[(&str, &str)] = &pairs;
    assert_eq!(visited(&pairs), expected);
    assert_eq!(visited(&slice), expected);
    assert_eq!(visited(&expected.as_slice()), expected);
    assert_eq!(visited(&()), Pairs::new());
    #[cfg(feature = "alloc")]
    {
        assert_eq!(visited(&expected), expected);
        let map: std::collections::BTreeMap<_, _> = [("b", "1"), ("a", "2")].into();
        assert_eq!(visited(&map), Pairs::from([("a".into(), "2".into()), ("b".into(), "1".into())]));
    }
    #[cfg(feature = "std")]
    {
        let mut any_order = visited(&std::collections::HashMap::from([("b", "1"), ("a", "2")]));
        any_order.sort();
        assert_eq!(any_order, Pairs::from([("a".into(), "2".into()), ("b".into(), "1".into())]));
    }
}

#[test]
fn an_empty_name_anywhere_is_refused() {
    let refused = Err(crate::error::UsageError::BadText { field: crate::error::Field::PropertyName, at: 0 });
    assert_eq!(check(&()), Ok(()));
    assert_eq!(check(&[("a", ""), ("=&\0", "")]), Ok(()));
    assert_eq!(check(&[("", "x"), ("a", "")]), refused);
    assert_eq!(check(&[("a", ""), ("", "x")]), refused);
}

#[test]
fn a_short_buffer_says_what_it_lacks_and_stays_as_it_is() {
    let encoded = Encoded::new("21%20%C2%B0C");
    let mut buffer = *b"######";
    assert_eq!(encoded.decode(&mut buffer[..5]), Err(DecodeError::TooSmall { needed: 6 }));
    assert_eq!(&buffer, b"######");
    assert_eq!(encoded.decode(&mut buffer), Ok("21 °C"));
    assert_eq!(Encoded::new("").decode(&mut []), Ok(""));
}

#[test]
fn text_that_is_not_utf8_is_an_error_and_its_bytes_are_there() {
    let encoded = Encoded::new("a%C3%28");
    assert_eq!(encoded.decode(&mut [0; 8]), Err(DecodeError::NotUtf8 { at: 1 }));
    assert!(encoded.bytes().eq([b'a', 0xC3, 0x28]));
    #[cfg(feature = "alloc")]
    assert_eq!(encoded.to_cow(), Err(DecodeError::NotUtf8 { at: 1 }));
}

#[test]
fn texts_are_compared_decoded() {
    let (escaped, plain, other) = (Encoded::new("%41b"), Encoded::new("Ab"), Encoded::new("ab"));
    assert_eq!((escaped == plain, escaped == other), (true, false));
    assert_eq!((escaped == "Ab", escaped == "ab"), (true, false));
    assert_eq!((Encoded::new("").is_empty(), escaped.is_empty()), (true, false));
}

#[test]
fn errors_say_what_is_wrong() {
    assert_eq!(DecodeError::TooSmall { needed: 3 }.to_string(), "the decoded text needs 3 bytes");
    assert_eq!(DecodeError::NotUtf8 { at: 1 }.to_string(), "the decoded text is not UTF-8 from byte 1 on");
}

#[test]
fn a_name_is_the_systems_in_any_spelling_and_nothing_near_it_is() {
    for (bag, is_system) in [
        ("$.mid=1", true),
        ("%24.mid=1", true),
        ("%24%2Emid=1", true),
        ("$%2emid=1", true),
        ("iothub-ack=1", true),
        ("iothub%2Dack=1", true),
        ("%69othub-ack=1", true),
        (".mid=1", false),
        ("%24iothub-ack=1", false),
        ("%24othub-ack=1", false),
        ("%24.mi=1", false),
        ("%24%2Emid2=1", false),
        ("mid=1", false),
    ] {
        assert_eq!(Properties::new(bag).application().next().is_none(), is_system, "{bag}");
    }
}

#[cfg(feature = "alloc")]
#[test]
fn text_without_escapes_is_borrowed() {
    use std::borrow::Cow;
    assert!(matches!(Encoded::new("plain+%").to_cow(), Ok(Cow::Borrowed("plain+%"))));
    assert!(matches!(Encoded::new("%41").to_cow(), Ok(Cow::Owned(text)) if text == "A"));
}

#[test]
fn an_iterator_can_be_resumed_from_its_text() {
    let properties = Properties::new("?a=1&&b&?c=3//");
    let mut from_text = Vec::new();
    let mut rest = properties.iter().rest();
    loop {
        let mut iter = PropertyIter::resume(rest);
        let Some(property) = iter.next() else { break };
        from_text.push(property);
        rest = iter.rest();
    }
    assert!(from_text.iter().map(|property| property.name.raw().as_str()).eq(["a", "b", "?c"]));
    assert!(properties.into_iter().eq(from_text));
}

#[test]
fn the_first_of_a_name_counts() {
    let properties = Properties::new("a=1&%24.mid&$.mid=x&%24.mid=y&%61=2");
    assert!(properties.get("a").unwrap().value.unwrap() == "1");
    assert!(properties.get("$.mid").unwrap().value.is_none());
    assert!(properties.system().message_id.unwrap() == "x");
    assert_eq!(properties.get("A"), None);
    assert_eq!(properties.application().count(), 2);
}

/// Decodes as the URL standard says, another way.
fn naive_decode(raw: &[u8]) -> Vec<u8> {
    let hex = |at: usize| raw.get(at).and_then(|&digit| char::from(digit).to_digit(16));
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        match (raw[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap());
                at += 3;
            }
            (byte, ..) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

fn is_encoded(bag: &str) -> bool {
    let mut bytes = bag.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'%' => bytes.by_ref().take(2).filter(|digit| b"0123456789ABCDEF".contains(digit)).count() == 2,
            b'=' | b'&' | b'-' | b'.' | b'_' | b'~' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !fine {
            return false;
        }
    }
    true
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let name = prop_oneof![any::<String>(), "[$%.?/&=+a-z]{1,6}"]
        .prop_filter("no application name", |name| !name.is_empty() && system::position(Encoded::new(name)).is_none());
    let value = prop_oneof![any::<String>(), "[$%.?/&=+a-z]{0,6}"];
    prop::collection::vec((name, value), 0..6)
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(
        id in prop::option::of(any::<String>()),
        content_type in prop::option::of("[a-z/; =]{0,12}"),
        ack in prop::option::of("[a-z]{0,8}"),
        application in pairs(),
    ) {
        let system = SystemProperties {
            message_id: id.as_deref(),
            content_type: content_type.as_deref(),
            ack: ack.as_deref(),
            ..Default::default()
        };
        let (bag, counted) = bag_of(&system, &application.as_slice());
        prop_assert!(is_encoded(&bag), "{}", bag);

        let names = ["$.mid", "$.ct", "iothub-ack"];
        let values = [&id, &content_type, &ack];
        let sent = names.iter().zip(values).filter_map(|(name, value)| Some((name.to_string(), value.clone()?)));
        let sent: Pairs = sent.chain(application.iter().cloned()).collect();
        let system_names: usize = names.iter().zip(values).filter(|(_, value)| value.is_some()).map(|(n, _)| n.len()).sum();
        prop_assert_eq!(counted, sent.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() - system_names);

        let properties = Properties::new(&bag);
        prop_assert_eq!(properties.is_empty(), sent.is_empty());
        prop_assert_eq!(decoded(properties.iter()), sent);
        prop_assert_eq!(decoded(properties.application()), application);
        let received = properties.system();
        prop_assert_eq!(received.message_id.map(text), id);
        prop_assert_eq!(received.content_type.map(text), content_type);
        prop_assert_eq!(received.ack.map(text), ack);
        prop_assert_eq!(received.user_id, None);
    }

    #[test]
    fn any_text_is_a_bag(bag in prop_oneof![any::<String>(), "[$%.?/&=+a4Cé]{0,24}"]) {
        let properties = Properties::new(&bag);
        let system = properties.iter().filter(Property::is_system).count();
        prop_assert_eq!(properties.application().count() + system, properties.iter().count());
        for property in properties {
            if let Ok(name) = String::from_utf8(naive_decode(property.name.raw().as_bytes())) {
                prop_assert!(properties.get(&name).is_some_and(|first| first.name == property.name));
            }
            prop_assert!(!property.name.raw().as_str().contains(['&', '=']));
        }
        // Nothing is lost: the pieces put together are the bag but for what the rules drop.
        let joined: Vec<_> = properties.iter().map(|property| match property.value {
            Some(value) => std::format!("{}={}", property.name.raw().as_str(), value.raw().as_str()),
            None => property.name.raw().as_str().to_string(),
        }).collect();
        let bare = bag.strip_prefix('?').unwrap_or(&bag);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let kept: Vec<_> = bare.split('&').filter(|pair| !pair.is_empty()).collect();
        prop_assert_eq!(joined, kept);
    }

    #[test]
    fn decoding_is_the_url_standards(raw in prop_oneof![any::<String>(), "(%[0-9a-fA-Fg]{0,2}|[a-z+é%]){0,12}"]) {
        let encoded = Encoded::new(&raw);
        let expected = naive_decode(raw.as_bytes());
        prop_assert_eq!(encoded.bytes().collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(encoded.decoded_len(), expected.len());
        let mut buffer = std::vec![0; raw.len()];
        let result = encoded.decode(&mut buffer);
        match std::str::from_utf8(&expected) {
            Ok(text) => {
                prop_assert_eq!(result, Ok(text));
                prop_assert!(encoded == *text && encoded == text);
                let longer = std::format!("{text}x");
                prop_assert!(encoded != *longer);
            }
            Err(error) => prop_assert_eq!(result, Err(DecodeError::NotUtf8 { at: error.valid_up_to() })),
        }
    }
}
