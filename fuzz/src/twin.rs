//! Any bytes as twin documents and patches: the replica against a merge written as a function of values, the rules of
//! reported patches, the streaming reader of `$version` and the splitters of properties against a whole parse.

use crate::plant::{Plant, planted};
use arbitrary::Unstructured;
use iothub_proto::error::PatchRule;
use iothub_proto::twin::{Applied, TwinError, TwinReplica, check_patch};
use iothub_proto::wire::VersionReader;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// Takes `data` as JSON, and as a description of a twin's life.
pub fn run(data: &[u8]) {
    let parsed: Result<Value, _> = serde_json::from_slice(data);
    rules(data, parsed.as_ref().ok());
    versions(data, parsed.as_ref());
    crate::pnp::run(data, parsed.as_ref().ok());
    raw_document(data, parsed.ok());
    let mut input = Unstructured::new(data);
    // It fails only by lack of bytes.
    let _ = life(&mut input);
}

/// A replica is made of a document that has what it needs, and of no other; bad patches change nothing.
fn raw_document(data: &[u8], parsed: Option<Value>) {
    let replica = TwinReplica::from_document(data);
    let section = |name: &str| parsed.as_ref()?.get(name)?.as_object();
    let version = |name: &str| section(name)?.get("$version")?.as_u64();
    match (&replica, &parsed) {
        (Err(TwinError::Json), None) => {}
        (Err(TwinError::NotAnObject), Some(value)) => assert!(!value.is_object()),
        (Err(TwinError::NoSection), Some(_)) => assert!(section("desired").and(section("reported")).is_none()),
        (Err(TwinError::NoVersion), Some(_)) => assert!(version("desired").and(version("reported")).is_none()),
        (Ok(replica), Some(_)) => {
            assert_eq!(Some(replica.desired_version()), version("desired"));
            assert_eq!(Some(replica.reported_version()), version("reported"));
            assert_eq!(Some(replica.desired()), section("desired").map(properties).as_ref());
            assert_eq!(Some(replica.reported()), section("reported").map(properties).as_ref());
        }
        (replica, parsed) => panic!("{replica:?} of {parsed:?}"),
    }
    let mut twin = TwinReplica::from_document(br#"{"desired":{"a":1,"$version":1},"reported":{"$version":1}}"#)
        .expect("a document");
    let before = twin.clone();
    match (twin.apply_desired(data, 2), parsed) {
        (Ok(Applied::Merged), Some(Value::Object(patch))) => {
            let expected = merged(before.desired(), &properties(&patch));
            assert_eq!((twin.desired(), twin.desired_version()), (&expected, 2));
        }
        (Err(TwinError::Json), None) => assert_eq!(twin, before),
        (Err(TwinError::NotAnObject), Some(value)) if !value.is_object() => assert_eq!(twin, before),
        (applied, parsed) => panic!("{applied:?} of {parsed:?}"),
    }
}

/// Without what the hub adds.
fn properties(members: &Object) -> Object {
    members
        .iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// RFC 7396 as a function: what `patch` makes of `target`.
fn merged(target: &Object, patch: &Object) -> Object {
    let kept = target.iter().filter(|(name, _)| !patch.contains_key(*name));
    let changed = patch.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let value = match (target.get(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merged(old, new).into(),
            (_, Value::Object(new)) if planted(Plant::Merge) => new.clone().into(),
            (_, Value::Object(new)) => merged(&Map::new(), new).into(),
            (_, value) => value.clone(),
        };
        (name.clone(), value)
    });
    kept.map(|(name, value)| (name.clone(), value.clone())).chain(changed).collect()
}

/// Patches made of the input, some lost, some repeated, applied to a replica and to a model.
fn life(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut model = properties(&merged(&Map::new(), &object(input, 3)?));
    let mut version = u64::from(input.arbitrary::<u8>()?);
    let mut document = model.clone();
    document.insert("$version".to_owned(), version.into());
    let document = json!({ "desired": document, "reported": { "$version": 1 } }).to_string();
    let mut twin = TwinReplica::from_document(document.as_bytes()).expect("a document");
    while !input.is_empty() {
        let patch = object(input, 3)?;
        let sent = (version + u64::from(input.int_in_range(0..=3u8)?)).saturating_sub(1);
        let applied = twin.apply_desired(Value::from(patch.clone()).to_string().as_bytes(), sent);
        let gap = if planted(Plant::Gap) { 3 } else { 2 };
        let expected = match sent {
            sent if sent <= version => Applied::Stale,
            sent if sent >= version + gap => Applied::Gap,
            _ => {
                (model, version) = (merged(&model, &properties(&patch)), sent);
                Applied::Merged
            }
        };
        assert_eq!(applied, Ok(expected));
        assert_eq!((twin.desired(), twin.desired_version()), (&model, version));
    }
    Ok(())
}

fn object(input: &mut Unstructured<'_>, depth: u8) -> arbitrary::Result<Object> {
    const NAMES: [&str; 6] = ["a", "b", "c", "", "$metadata", "ä.b"];
    let mut members = Map::new();
    for _ in 0..input.int_in_range(0..=4u8)? {
        let name = *input.choose(&NAMES)?;
        members.insert(name.to_owned(), value(input, depth)?);
    }
    Ok(members)
}

fn value(input: &mut Unstructured<'_>, depth: u8) -> arbitrary::Result<Value> {
    Ok(match input.int_in_range(0..=6u8)? {
        0 | 1 => Value::Null,
        2 => input.arbitrary::<i64>()?.into(),
        3 => input.arbitrary::<String>()?.into(),
        4 if depth > 0 => vec![value(input, depth - 1)?, value(input, depth - 1)?].into(),
        5 | 6 if depth > 0 => object(input, depth - 1)?.into(),
        _ => input.arbitrary::<bool>()?.into(),
    })
}

/// Every rule that a patch breaks, by a walk through the whole of it.
fn rules(data: &[u8], parsed: Option<&Value>) {
    let mut broken = Vec::new();
    let size = match parsed {
        None => {
            broken.push(PatchRule::Json);
            0
        }
        Some(patch) => {
            if !patch.is_object() {
                broken.push(PatchRule::NotAnObject);
            }
            walk(patch, 0, false, &mut broken)
        }
    };
    if size > 32 * 1024 {
        broken.push(PatchRule::TooLarge);
    }
    let verdict = check_patch(data);
    if planted(Plant::Rules) {
        broken.retain(|rule| *rule != PatchRule::NullInArray);
    }
    match verdict {
        Ok(()) => assert!(broken.is_empty(), "it breaks {broken:?}"),
        Err(rule) => assert!(broken.contains(&rule), "{rule:?}, but it breaks {broken:?}"),
    }
}

/// Bytes that `value` counts; what it breaks is added to `broken`.
fn walk(value: &Value, depth: usize, in_array: bool, broken: &mut Vec<PatchRule>) -> usize {
    if depth > 10 && (value.is_array() || value.is_object()) {
        broken.push(PatchRule::TooDeep);
    }
    match value {
        Value::Null => {
            if in_array {
                broken.push(PatchRule::NullInArray);
            }
            0
        }
        Value::Bool(_) => 4,
        Value::Number(number) => {
            let whole = number.is_u64() || number.is_i64();
            if whole && !number.as_i64().is_some_and(|n| (-4_503_599_627_370_496..=4_503_599_627_370_495).contains(&n))
            {
                broken.push(PatchRule::IntegerOutOfRange);
            }
            8
        }
        Value::String(text) => {
            if text.len() > 4096 {
                broken.push(PatchRule::StringTooLong);
            }
            text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum()
        }
        Value::Array(items) => items.iter().map(|item| walk(item, depth + 1, true, broken)).sum(),
        Value::Object(members) => {
            let mut size = 0;
            for (name, value) in members {
                if name.is_empty() || name.len() > 1024 || name.contains(|c: char| c.is_control() || ".$ ".contains(c))
                {
                    broken.push(PatchRule::BadKey);
                }
                let own = walk(value, depth + 1, in_array, broken);
                size += if value.is_null() { 0 } else { name.len() + own };
            }
            size
        }
    }
}

/// The reader of `$version` finds what a parser finds, however the bytes come.
fn versions(data: &[u8], parsed: Result<&Value, &serde_json::Error>) {
    let levels = data.iter().filter(|byte| b"[{".contains(byte)).count();
    for (reader, path) in [(VersionReader::document(), "/desired/$version"), (VersionReader::patch(), "/$version")] {
        let read = |pieces: &[&[u8]]| {
            let mut reader = reader;
            pieces.iter().for_each(|piece| reader.feed(piece));
            reader.version()
        };
        let version = read(&[data]);
        let bytewise: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(read(&bytewise), version);
        let at = data.len() / 2;
        let mut halves = read(&[&data[..at], &data[at..]]);
        if planted(Plant::SplitVersion) && at % 8 == 3 {
            halves = None;
        }
        assert_eq!(halves, version);
        match parsed {
            Ok(value) if levels < 64 => {
                let mut found = value.pointer(path).and_then(Value::as_u64);
                if planted(Plant::Version) {
                    found = found.or(value.pointer(&path.replace('$', "fan/$")).and_then(Value::as_u64));
                }
                assert_eq!(version, found);
            }
            Err(error) if std::str::from_utf8(data).is_ok() && !may_overlook(error) => assert_eq!(version, None),
            _ => {}
        }
    }
}

/// What a parser refuses and the reader may overlook: a number too large, and an escaped surrogate without its half.
fn may_overlook(error: &serde_json::Error) -> bool {
    let told = error.to_string();
    ["number out of range", "surrogate", "hex escape"].iter().any(|what| told.contains(what))
}
