use super::*;
use crate::wire::JsonError;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::borrow::ToOwned;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

type Split = Vec<(Option<String>, String, Value)>;

fn owned(property: Property<'_>) -> (Option<String>, String, Value) {
    let value = serde_json::from_slice(property.value.raw()).unwrap();
    (property.component.map(|text| text.to_string()), property.name.to_string(), value)
}

/// The properties of a patch by the rules, on `serde_json`.
fn expected(section: &Value, components: &[&str]) -> Split {
    let Some(section) = section.as_object() else { return Vec::new() };
    let mut split = Vec::new();
    for (name, value) in section.iter().filter(|(name, _)| !name.starts_with('$')) {
        match value {
            Value::Object(members)
                if components.contains(&name.as_str()) || members.get("__t") == Some(&json!("c")) =>
            {
                let own = members.iter().filter(|(name, _)| !name.starts_with('$') && *name != "__t");
                split.extend(own.map(|(member, value)| (Some(name.clone()), member.clone(), value.clone())));
            }
            _ => split.push((None, name.clone(), value.clone())),
        }
    }
    split
}

fn sorted(mut split: Split) -> Split {
    split.sort_by_key(|(component, name, _)| (component.clone(), name.clone()));
    split
}

fn streamed(mut reader: PropertyReader<'_>, document: &[u8], sizes: &[usize]) -> (Split, Result<(), JsonError>) {
    let (mut split, mut rest) = (Vec::new(), document);
    for size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        reader.feed(piece, &mut |property| split.push(owned(property)));
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    (split, reader.finish())
}

/// Compares all that split a section, as a patch and in a document, whole and in pieces.
fn check(section: &Value, components: &[&str], sizes: &[usize]) {
    let patch = section.to_string();
    let document =
        json!({ "reported": { "a": { "__t": "c", "b": 1 }, "$version": 1 }, "desired": section }).to_string();
    let expected = sorted(expected(section, components));
    let whole: Split = Properties::of_patch(patch.as_bytes(), components).unwrap().map(owned).collect();
    assert_eq!(sorted(whole.clone()), expected, "{patch}");
    let of_document: Split = Properties::of_document(document.as_bytes(), components).unwrap().map(owned).collect();
    assert_eq!(of_document, whole, "{patch}");

    let mut room = vec![0; patch.len() + 2];
    assert_eq!(
        streamed(PropertyReader::of_patch(components, &mut room), patch.as_bytes(), sizes),
        (whole.clone(), Ok(()))
    );
    let reader = PropertyReader::of_document(components, &mut room);
    assert_eq!(streamed(reader, document.as_bytes(), sizes), (whole, Ok(())), "{patch} in {sizes:?}");

    #[cfg(feature = "json")]
    {
        let none = Map::new();
        let tree = properties(section.as_object().unwrap_or(&none), components);
        let tree = tree.map(|(component, name, value)| (component.map(str::to_owned), name.to_owned(), value.clone()));
        assert_eq!(sorted(tree.collect()), expected, "{patch}");
    }
}

#[test]
fn components_are_on_the_list_or_marked() {
    let section = json!({
        "interval": 5,
        "gone": null,
        "colour": { "r": 1, "g": 2 },
        "__t": "x",
        "fan": { "speed": 3, "mode": { "__t": "c" }, "__t": "c", "$metadata": {} },
        "listed": { "a": [{ "b": 1 }], "$version": 1 },
        "not": { "__t": "d", "x": 1 },
        "listed_too": 7,
        "empty": { "__t": "c" },
        "$version": 7,
        "$metadata": { "fan": { "__t": "c" } },
    });
    check(&section, &["listed", "listed_too"], &[1]);
    check(&section, &[], &[3]);
    let text = section.to_string();
    let names = |property: Property<'_>| {
        (property.component.map(|name| name.raw().to_string()), property.name.raw().to_string())
    };
    let mut split: Vec<_> =
        Properties::of_patch(text.as_bytes(), &["listed", "listed_too"]).unwrap().map(names).collect();
    split.sort();
    let expected = [
        (None, "__t"),
        (None, "colour"),
        (None, "gone"),
        (None, "interval"),
        (None, "listed_too"),
        (None, "not"),
        (Some("fan"), "mode"),
        (Some("fan"), "speed"),
        (Some("listed"), "a"),
    ];
    assert_eq!(split, expected.map(|(component, name)| (component.map(str::to_owned), name.to_owned())));
}

#[test]
fn names_may_be_spelled_with_escapes() {
    let patch = br#"{"\u0066an":{"\u005f_t":"\u0063","spe\u0065d":3,"\u0024x":1},"\u0024version":7}"#;
    let split: Vec<_> = Properties::of_patch(patch, &[]).unwrap().collect();
    assert_eq!(split.len(), 1);
    assert!(split[0].is(Some("fan"), "speed") && !split[0].is(None, "speed") && !split[0].is(Some("fan"), "speeds"));
    assert!(!split[0].is(Some("fans"), "speed"));
    let listed = Properties::of_patch(br#"{"f\u0061n":{"speed":3}}"#, &["fan"]).unwrap();
    assert!(listed.last().unwrap().is(Some("fan"), "speed"));
}

#[test]
fn what_is_no_twin_has_no_properties() {
    for json in
        ["[]", "7", "null", "\"x\"", "{}", r#"{"desired":7}"#, r#"{"desired":[{"a":1}]}"#, r#"{"reported":{"a":1}}"#]
    {
        assert_eq!(Properties::of_document(json.as_bytes(), &[]).unwrap().count(), 0, "{json}");
        let mut room = [0; 64];
        let reader = PropertyReader::of_document(&[], &mut room);
        assert_eq!(streamed(reader, json.as_bytes(), &[1]), (vec![], Ok(())), "{json}");
    }
    for (json, at) in [(&b""[..], 0), (b"{\"a\":1", 6), (b"{\"a\":\"\xff\"}", 6), (b"{\"\xff\":1}", 2), (b"{} x", 3)] {
        let error = Err(JsonError::IllFormed { at });
        assert_eq!(Properties::of_patch(json, &[]).map(Iterator::count), error);
        assert_eq!(Properties::of_document(json, &[]).map(Iterator::count), error);
    }
}

#[test]
fn pieces_that_are_no_json_end_it() {
    for (patch, split, at) in [
        (&b"{\"a\":1,\"b\":2"[..], 1, 12),
        (b"{\"a\":1,\"b\":x,\"c\":3}", 1, 11),
        (b"{\"a\":1,\"b\":\"\xff\",\"c\":3}", 1, 14),
        (b"{\"a\":1} 2", 1, 8),
        (b"", 0, 0),
    ] {
        let mut room = [0; 64];
        let (found, end) = streamed(PropertyReader::of_patch(&[], &mut room), patch, &[2]);
        assert_eq!((found.len(), end), (split, Err(JsonError::IllFormed { at })), "{}", patch.escape_ascii());
    }
}

#[test]
fn what_the_room_cannot_hold_is_told_and_the_rest_comes() {
    let patch = br#"{"a":1,"long":"0123456789","b":2,"longer":"0123456789abc","c":3,"lone":"012345"}"#;
    for room in 0..40 {
        let mut room = vec![0; room];
        let fits = |len: usize| len <= room.len();
        let expected = [("a", 7), ("long", 21), ("b", 7), ("longer", 26), ("c", 7), ("lone", 17)];
        let names: Vec<_> = expected.iter().filter(|(_, len)| fits(*len)).map(|(name, _)| (*name).to_owned()).collect();
        let needed = expected.iter().map(|(_, len)| *len).filter(|len| !fits(*len)).max();
        let end = needed.map_or(Ok(()), |needed| Err(JsonError::TooLong { needed }));
        let (split, finished) = streamed(PropertyReader::of_patch(&[], &mut room), patch, &[5]);
        assert_eq!((split.into_iter().map(|(_, name, _)| name).collect::<Vec<_>>(), finished), (names, end));
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "[a\"\\\\{}\u{e9}]{0,3}".prop_map(Value::from),
        Just(json!("c")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![
            "[ab\"\u{e9}]{0,2}",
            Just("__t".to_owned()),
            Just("$version".to_owned()),
            Just("desired".to_owned())
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_section_is_split_alike_by_all(
        section in value(),
        components in proptest::collection::vec("[ab]{0,1}", 0..2),
        sizes in proptest::collection::vec(1..20_usize, 1..6),
    ) {
        let components: Vec<&str> = components.iter().map(String::as_str).collect();
        check(&section, &components, &sizes);
    }

    #[test]
    fn any_bytes_in_pieces(bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b':'),
        Just(b'\\'), Just(b'u'), Just(b'a'), Just(b','), any::<u8>()], 0..40), size in 1..9_usize) {
        let split = |size| {
            let mut room = [0; 16];
            streamed(PropertyReader::of_patch(&["a"], &mut room), &bytes, &[size])
        };
        prop_assert_eq!(split(size), split(1));
        let (found, end) = split(1);
        if let (Ok(()), Ok(whole)) = (end, Properties::of_patch(&bytes, &["a"])) {
            prop_assert_eq!(found, whole.map(owned).collect::<Split>());
        }
    }
}

const ROOM: usize = 512;

/// Writes a patch with `write` into room of every size up to what it needs, and gives it.
fn written(write: impl Fn(&mut PatchWriter<'_>) -> Result<(), PatchError>) -> Value {
    let mut room = [0xA5; ROOM];
    let mut patch = PatchWriter::new(&mut room);
    write(&mut patch).unwrap();
    let needed = patch.finish().unwrap().len();
    for size in 0..needed {
        let mut room = [0xA5; ROOM];
        let mut patch = PatchWriter::new(&mut room[..size]);
        // In small rooms a part of it is there; what is there is well-formed, and the need is told.
        if let Err(PatchError::BufferTooSmall { needed: part }) = write(&mut patch) {
            assert!(size < part && part <= needed, "{size} {part} {needed}");
        } else {
            assert_eq!((patch.is_empty(), patch.finish()), (true, Err(PatchError::BufferTooSmall { needed: 2 })));
            continue;
        }
        match patch.finish() {
            Ok(part) => drop(serde_json::from_slice::<Value>(part).unwrap()),
            Err(error) => assert_eq!((error, size < 2), (PatchError::BufferTooSmall { needed: 2 }, true)),
        }
    }
    let mut room = vec![0xA5; needed];
    let mut patch = PatchWriter::new(&mut room);
    write(&mut patch).unwrap();
    serde_json::from_slice(patch.finish().unwrap()).unwrap()
}

#[test]
fn patches_are_written() {
    assert_eq!(written(|_| Ok(())), json!({}));
    let patch = written(|patch| {
        patch.property(None, "serial\"Number", "A\n\u{1}\u{e9}".into())?;
        patch.property(Some("fan"), "speed", i64::MIN.into())?;
        patch.property(Some("fan"), "gone", ReportedValue::Json(b" null "))?;
        let ack = Ack { code: Ack::APPLIED, version: u64::MAX, description: Some("a \"b\"") };
        patch.acknowledge(Some("fan"), "target", ReportedValue::Json(b" [1, {\"a\":2}]"), &ack)?;
        patch.property(Some("pump"), "fan", 1.into())?;
        patch.acknowledge(None, "interval", 5.into(), &Ack { code: Ack::DEFAULT, version: 0, description: None })
    });
    assert_eq!(
        patch,
        json!({
            "serial\"Number": "A\n\u{1}\u{e9}",
            "fan": {
                "__t": "c",
                "speed": i64::MIN,
                "gone": null,
                "target": { "ac": 200, "av": u64::MAX, "ad": "a \"b\"", "value": [1, { "a": 2 }] },
            },
            "pump": { "__t": "c", "fan": 1 },
            "interval": { "ac": 203, "av": 0, "value": 5 },
        })
    );
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut room = [0; ROOM];
    let mut patch = PatchWriter::new(&mut room);
    assert!(patch.is_empty());
    patch.property(Some("fan"), "speed", 3.into()).unwrap();
    let long = "n".repeat(255);
    for (component, name, value, error) in [
        (None, "", "1", PatchError::BadName),
        (None, long.as_str(), "1", PatchError::BadName),
        (Some(""), "a", "1", PatchError::BadName),
        (Some(long.as_str()), "a", "1", PatchError::BadName),
        (Some("fan"), "speed", "1", PatchError::Duplicate),
        (Some("fan"), "__t", "1", PatchError::Duplicate),
        (None, "fan", "null", PatchError::Duplicate),
        (None, "a", "", PatchError::BadValue { at: 0 }),
        (None, "a", "1,\"b\":2", PatchError::BadValue { at: 1 }),
        (None, "a", "{", PatchError::BadValue { at: 1 }),
    ] {
        assert_eq!(
            patch.property(component, name, ReportedValue::Json(value.as_bytes())),
            Err(error),
            "{name} {value}"
        );
    }
    assert_eq!(patch.property(None, "a", ReportedValue::Json(b"\"\xff\"")), Err(PatchError::BadValue { at: 1 }));
    patch.property(None, "a", 1.into()).unwrap();
    let again = patch.property(Some("fan"), "mode", 3.into());
    assert_eq!(again, Err(PatchError::Duplicate), "a second object of the name would replace the first");
    patch.property(Some("a\"b"), "speed", 3.into()).unwrap();
    patch.property(Some("a\"b"), &long[1..], 4.into()).unwrap();
    let expected =
        json!({ "fan": { "__t": "c", "speed": 3 }, "a": 1, "a\"b": { "__t": "c", "speed": 3, &long[1..]: 4 } });
    assert_eq!(serde_json::from_slice::<Value>(patch.finish().unwrap()).unwrap(), expected);
}

proptest! {
    #[test]
    fn what_was_split_can_be_reported(section in value()) {
        let text = section.to_string();
        let mut room = vec![0; 4096];
        let mut patch = PatchWriter::new(&mut room);
        let mut expected = Map::new();
        for property in Properties::of_patch(text.as_bytes(), &[]).unwrap() {
            let (component, name, value) = owned(property);
            // An object with the marker as a property would be a component again.
            prop_assume!(!name.is_empty() && component.as_deref() != Some(""));
            patch.property(component.as_deref(), &name, property.value.into()).unwrap();
            match component {
                None => drop(expected.insert(name, value)),
                Some(component) => {
                    let members = expected.entry(component).or_insert(json!({ "__t": "c" }));
                    members[name] = value;
                }
            }
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(patch.finish().unwrap()).unwrap(), Value::Object(expected));
    }
}

#[test]
fn commands_are_split_at_the_first_star() {
    let parse = |method| {
        let command = Command::parse(method);
        (command.component, command.name)
    };
    assert_eq!(parse("reboot"), (None, "reboot"));
    assert_eq!(parse("fan*stop*now"), (Some("fan"), "stop*now"));
    assert_eq!(parse("*"), (Some(""), ""));
    assert_eq!(parse(""), (None, ""));
}

#[cfg(feature = "json")]
#[test]
fn acknowledgements_as_trees_are_those_of_the_writer() {
    for description in [None, Some("too \"fast\"")] {
        let ack = Ack { code: Ack::REJECTED, version: 1 << 40, description };
        let patch = written(|patch| patch.acknowledge(None, "a", ReportedValue::Json(b"{\"x\":[1]}"), &ack));
        assert_eq!(patch["a"], acknowledgement(json!({ "x": [1] }), &ack));
    }
}
