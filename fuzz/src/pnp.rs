//! Desired properties split whole, in pieces and on `serde_json`, and what was split, reported again.

use crate::plant::{Plant, planted};
use iothub_proto::pnp::{PatchError, PatchWriter, Properties, Property, PropertyReader, ReportedValue, properties};
use iothub_proto::wire::JsonError;
use serde_json::{Map, Value, json};

/// Components that are known without the marker.
const COMPONENTS: [&str; 2] = ["a", "fan"];

/// Component, name and value, which is JSON: `serde_json` does not read each number as it wrote it.
type Split = Vec<(Option<String>, String, Vec<u8>)>;

fn owned(property: Property<'_>) -> (Option<String>, String, Vec<u8>) {
    let component = property.component.map(|name| name.to_string());
    (component, property.name.to_string(), property.value.raw().to_vec())
}

/// Takes `data` as a patch, and if it is JSON as a section of a twin or as a whole one.
pub(crate) fn run(data: &[u8], parsed: Option<&Value>) {
    let whole = Properties::of_patch(data, &COMPONENTS).map(|properties| properties.map(owned).collect::<Split>());
    for size in [1, data.len() / 2 + 1] {
        let mut room = vec![0; data.len() + 2];
        let mut reader = PropertyReader::of_patch(&COMPONENTS, &mut room);
        let mut found = Vec::new();
        data.chunks(size).for_each(|piece| reader.feed(piece, &mut |property| found.push(owned(property))));
        if planted(Plant::SplitProperty) && size > 8 {
            found.pop();
        }
        match &whole {
            Ok(whole) => assert_eq!((&found, reader.finish()), (whole, Ok(()))),
            Err(_) if std::str::from_utf8(data).is_ok() => {
                assert!(matches!(reader.finish(), Err(JsonError::IllFormed { .. })));
            }
            Err(_) => {}
        }
    }
    // `serde_json` takes deeper ones.
    if data.iter().filter(|byte| b"[{".contains(byte)).count() < 60 {
        for section in parsed.into_iter().chain(parsed.and_then(|document| document.get("desired"))) {
            section_is_split_alike(section, data.len());
        }
    }
}

fn section_is_split_alike(section: &Value, size: usize) {
    let none = Map::new();
    let tree = properties(section.as_object().unwrap_or(&none), &COMPONENTS);
    let json = |value: &Value| value.to_string().into_bytes();
    let mut expected: Split =
        tree.map(|(component, name, value)| (component.map(str::to_owned), name.to_owned(), json(value))).collect();
    if planted(Plant::Component) {
        expected.retain(|(component, ..)| component.as_deref() != Some("fan"));
    }
    let patch = section.to_string();
    let of_patch: Split = Properties::of_patch(patch.as_bytes(), &COMPONENTS).expect("JSON").map(owned).collect();
    let document = json!({ "desired": section, "reported": { "a": 1 } }).to_string();
    let of_document: Split =
        Properties::of_document(document.as_bytes(), &COMPONENTS).expect("JSON").map(owned).collect();
    assert_eq!((&of_patch, &of_document), (&expected, &expected));
    report(&expected, size);
}

/// Writes what was split into room of some size: what fits is there.
fn report(split: &Split, size: usize) {
    let mut room = vec![0xA5; size];
    let mut patch = PatchWriter::new(&mut room);
    let mut model = Map::new();
    for (component, name, value) in split {
        let written = patch.property(component.as_deref(), name, ReportedValue::Json(value));
        let value: Value = serde_json::from_slice(value).expect("JSON");
        let is_name = |name: &str| (1..=254).contains(&name.len());
        match written {
            Ok(()) => match component {
                None => drop(model.insert(name.clone(), value)),
                Some(component) => {
                    let members = model.entry(component.clone()).or_insert(json!({ "__t": "c" }));
                    members[name] = value;
                }
            },
            Err(PatchError::BadName) => assert!(!is_name(name) || !component.as_deref().is_none_or(is_name)),
            Err(PatchError::BufferTooSmall { needed }) => assert!(needed > size),
            Err(error) => panic!("{error}"),
        }
    }
    match patch.finish() {
        Ok(written) => assert_eq!(serde_json::from_slice::<Value>(written).expect("JSON"), Value::Object(model)),
        Err(error) => assert_eq!((error, size < 2), (PatchError::BufferTooSmall { needed: 2 }, true)),
    }
}
