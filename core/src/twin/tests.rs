use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Applied, TwinError, TwinReplica, check_patch, merge};
use crate::error::PatchRule;

fn check(patch: &Value) -> Result<(), PatchRule> {
    check_patch(patch.to_string().as_bytes())
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn patches_that_pass() {
    for patch in [
        json!({}),
        json!({"a": null}),
        json!({"thermostat": {"__t": "c", "target": {"value": 21.5, "ac": 200, "av": 3, "ad": "ok"}}}),
        json!({"ключ": "значение", "a-b_c#d/e": true, "list": [1, "two", [3], {"four": 5}]}),
        json!({"min": -4503599627370496i64, "max": 4503599627370495i64, "float": 1e300}),
        json!({"empty": {}, "none": []}),
    ] {
        assert_eq!(check(&patch), Ok(()), "{patch}");
    }
    assert_eq!(check_patch(b" { \"a\" : 1 }\r\n"), Ok(()));
}

#[test]
fn patches_that_are_no_objects() {
    for text in ["", "{", "{\"a\":}", "{\"a\":1}x", "{\"a\":1,}", "{a:1}", "\u{feff}{}", "{\"a\":1e999}"] {
        assert_eq!(check_patch(text.as_bytes()), Err(PatchRule::Json), "{text}");
    }
    assert_eq!(check_patch(b"{\"a\":\"\xff\"}"), Err(PatchRule::Json));
    for text in ["null", "1", "\"a\"", "[]", "[{}]", "true"] {
        assert_eq!(check_patch(text.as_bytes()), Err(PatchRule::NotAnObject), "{text}");
    }
}

#[test]
fn keys_have_rules() {
    let longest = "é".repeat(512);
    assert_eq!(check(&json!({ longest.as_str(): 1 })), Ok(()));
    let too_long = format!("{longest}x");
    for key in ["", ".", "a.b", "$", "$version", "a b", " ", "\n", "a\u{0}", "\u{7f}", "\u{85}", too_long.as_str()] {
        for patch in [json!({ key: 1 }), json!({ key: null }), json!({"a": { key: 1 }}), json!({"a": [{ key: 1 }]})] {
            assert_eq!(check(&patch), Err(PatchRule::BadKey), "{patch}");
        }
    }
}

#[test]
fn values_have_rules() {
    assert_eq!(check(&json!({"a": "é".repeat(2048)})), Ok(()));
    assert_eq!(check(&json!({"a": "é".repeat(2048) + "x"})), Err(PatchRule::StringTooLong));
    assert_eq!(check(&json!({"a": ["x".repeat(4097)]})), Err(PatchRule::StringTooLong));
    for number in [json!(4503599627370496i64), json!(-4503599627370497i64), json!(i64::MIN), json!(u64::MAX)] {
        assert_eq!(check(&json!({ "a": number })), Err(PatchRule::IntegerOutOfRange), "{number}");
        assert_eq!(check(&json!({"a": [number]})), Err(PatchRule::IntegerOutOfRange), "{number}");
    }
    for patch in [json!({"a": [null]}), json!({"a": [[null]]}), json!({"a": [{"b": null}]})] {
        assert_eq!(check(&patch), Err(PatchRule::NullInArray), "{patch}");
    }
}

/// The documentation's own example of the deepest twin: ten objects inside the section, the last with a
/// property.
#[test]
fn depth_is_ten_below_the_section() {
    let deepest = r#"{"one":{"two":{"three":{"four":{"five":{"six":{"seven":{"eight":{"nine":{"ten":
        {"property":"value"}}}}}}}}}}}"#;
    assert_eq!(check_patch(deepest.as_bytes()), Ok(()));
    for inner in ["{}", "[]", r#"{"a":1}"#] {
        let deeper = deepest.replace(r#""value""#, inner);
        assert_eq!(check_patch(deeper.as_bytes()), Err(PatchRule::TooDeep));
    }
    let arrays = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(check_patch(arrays(10).as_bytes()), Ok(()));
    assert_eq!(check_patch(arrays(11).as_bytes()), Err(PatchRule::TooDeep));
    assert_eq!(check_patch(arrays(126).as_bytes()), Err(PatchRule::TooDeep));
    assert_eq!(check_patch(arrays(100_000).as_bytes()), Err(PatchRule::Json));
}

#[test]
fn size_is_counted_as_the_hub_counts() {
    // A name of one letter and 4,095 bytes make 4 KiB, seven times; the eighth fills what `added` leaves of 32 KiB.
    let table = [
        (json!({"k": 1}), 9),
        (json!({"k": -1.25e10}), 9),
        (json!({"k": false}), 5),
        (json!({"é": "é"}), 4),
        (json!({"k": "a\n\u{85}b"}), 3),
        (json!({"k": [1, true, "abc", []]}), 16),
        (json!({"k": {"l": {"m": "n"}}}), 4),
        (json!({"kkkk": null}), 0),
    ];
    for (added, size) in table {
        let patch = |last: usize| {
            let mut patch = added.clone();
            for (at, name) in "ABCDEFGH".chars().enumerate() {
                let len = if at < 7 { 4095 } else { last };
                patch[name.to_string()] = "x".repeat(len).into();
            }
            patch
        };
        assert_eq!(check(&patch(4095 - size)), Ok(()), "{added}");
        assert_eq!(check(&patch(4096 - size)), Err(PatchRule::TooLarge), "{added}");
    }
}

const DOCUMENT: &[u8] =
    br#"{"desired":{"a":{"b":1,"c":2},"$metadata":{"a":{}},"$version":7},"reported":{"x":1,"$version":3}}"#;

#[test]
fn a_replica_follows_the_twin() {
    let mut twin = TwinReplica::from_document(DOCUMENT).unwrap();
    assert_eq!(Value::from(twin.desired().clone()), json!({"a": {"b": 1, "c": 2}}));
    assert_eq!(Value::from(twin.reported().clone()), json!({"x": 1}));
    assert_eq!((twin.desired_version(), twin.reported_version()), (7, 3));

    assert_eq!(twin.apply_desired(br#"{"a":{"b":null,"d":4},"$version":8}"#, 8), Ok(Applied::Merged));
    assert_eq!(Value::from(twin.desired().clone()), json!({"a": {"c": 2, "d": 4}}));
    assert_eq!(twin.apply_reported(br#"{"x":null,"y":[null]}"#, 4), Ok(Applied::Merged));
    assert_eq!(Value::from(twin.reported().clone()), json!({"y": [null]}));
    assert_eq!((twin.desired_version(), twin.reported_version()), (8, 4));
}

#[test]
fn what_is_not_next_or_not_a_patch_changes_nothing() {
    let twin = TwinReplica::from_document(DOCUMENT).unwrap();
    let patch = br#"{"a":1}"#;
    let table: [(&[u8], u64, _); 8] = [
        (patch, 0, Ok(Applied::Stale)),
        (patch, 6, Ok(Applied::Stale)),
        (patch, 7, Ok(Applied::Stale)),
        (patch, 9, Ok(Applied::Gap)),
        (patch, u64::MAX, Ok(Applied::Gap)),
        (b"{", 8, Err(TwinError::Json)),
        (b"", 8, Err(TwinError::Json)),
        (b"[]", 8, Err(TwinError::NotAnObject)),
    ];
    for (patch, version, expected) in table {
        let mut copy = twin.clone();
        assert_eq!(copy.apply_desired(patch, version), expected);
        assert_eq!(copy, twin);
    }
}

#[test]
fn versions_end_without_overflow() {
    let document = format!(r#"{{"desired":{{"$version":{}}},"reported":{{"$version":0}}}}"#, u64::MAX - 1);
    let mut twin = TwinReplica::from_document(document.as_bytes()).unwrap();
    assert_eq!(twin.apply_desired(b"{}", u64::MAX), Ok(Applied::Merged));
    assert_eq!(twin.apply_desired(b"{}", u64::MAX), Ok(Applied::Stale));
    assert_eq!(twin.apply_reported(b"{}", 1), Ok(Applied::Merged));
}

#[test]
fn documents_that_are_no_twin() {
    let table = [
        ("", TwinError::Json),
        ("{\"desired\":", TwinError::Json),
        ("[]", TwinError::NotAnObject),
        ("{}", TwinError::NoSection),
        (r#"{"desired":{"$version":1}}"#, TwinError::NoSection),
        (r#"{"reported":{"$version":1}}"#, TwinError::NoSection),
        (r#"{"desired":1,"reported":{"$version":1}}"#, TwinError::NoSection),
        (r#"{"desired":{},"reported":{"$version":1}}"#, TwinError::NoVersion),
        (r#"{"desired":{"$version":"1"},"reported":{"$version":1}}"#, TwinError::NoVersion),
        (r#"{"desired":{"$version":1},"reported":{"$version":-1}}"#, TwinError::NoVersion),
        (r#"{"desired":{"$version":1},"reported":{"$version":1.0}}"#, TwinError::NoVersion),
    ];
    for (document, error) in table {
        assert_eq!(TwinReplica::from_document(document.as_bytes()), Err(error), "{document}");
    }
}

/// A merge of any two values, as members of objects: a merge of objects does not merge anything else.
fn merge_values(target: &Value, patch: &Value) -> Value {
    let mut members = Map::from_iter([("it".to_string(), target.clone())]);
    merge(&mut members, Map::from_iter([("it".to_string(), patch.clone())]));
    members.remove("it").unwrap_or(Value::Null)
}

/// RFC 7396, appendix A.
#[test]
fn the_table_of_rfc_7396() {
    let table = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"foo"}"#, r#"null"#, r#"null"#),
        (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ];
    for (target, patch, result) in table {
        assert_eq!(merge_values(&parse(target), &parse(patch)), parse(result), "{target} with {patch}");
    }
}

#[test]
fn the_deepest_patch_merges() {
    let nested = |levels: usize| format!("{}{{}}{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let mut twin = TwinReplica::from_document(DOCUMENT).unwrap();
    assert_eq!(twin.apply_desired(nested(126).as_bytes(), 8), Ok(Applied::Merged));
    assert_eq!(twin.apply_desired(nested(126).as_bytes(), 9), Ok(Applied::Merged));
    assert_eq!(twin.apply_desired(nested(127).as_bytes(), 10), Err(TwinError::Json));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..3).prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            3 => members(inner).prop_map(Value::from),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[abc]", value, 0..4).prop_map(Map::from_iter)
}

/// RFC 7396 as a function from two values to a third: a member is there if one of the two has it.
fn model(target: Option<&Value>, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let none = Map::new();
    let target = target.and_then(Value::as_object).unwrap_or(&none);
    let names: BTreeSet<&String> = target.keys().chain(patch.keys()).collect();
    let merged = names.into_iter().filter_map(|name| match (target.get(name), patch.get(name)) {
        (_, Some(Value::Null)) => None,
        (old, Some(new)) => Some((name.clone(), model(old, new))),
        (old, None) => old.map(|old| (name.clone(), old.clone())),
    });
    merged.collect::<Map<_, _>>().into()
}

/// The smallest patch that makes `new` of `old`.
fn difference(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let changed = new.iter().filter(|(name, value)| old.get(*name) != Some(*value)).map(|(name, value)| {
        let value = match (old.get(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => difference(old, new).into(),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    gone.chain(changed).collect()
}

proptest! {
    #[test]
    fn merge_is_that_of_the_model(target in members(value()), patch in members(value())) {
        let expected = model(Some(&target.clone().into()), &patch.clone().into());
        let mut merged = target;
        merge(&mut merged, patch.clone());
        prop_assert_eq!(Value::from(merged.clone()), expected);
        let once = merged.clone();
        merge(&mut merged, patch);
        prop_assert_eq!(merged, once, "the same patch twice");
    }

    #[test]
    fn a_replica_that_gets_every_change_is_the_twin(states in prop::collection::vec(members(value()), 1..6)) {
        // A twin has no null outside of arrays: `null` deletes.
        let states: Vec<Map<_, _>> =
            states.iter().map(|state| model(None, &state.clone().into()).as_object().unwrap().clone()).collect();
        let document = json!({
            "desired": model(Some(&states[0].clone().into()), &json!({"$version": 1})),
            "reported": {"$version": 1},
        });
        let mut twin = TwinReplica::from_document(document.to_string().as_bytes()).unwrap();
        for (version, pair) in (2..).zip(states.windows(2)) {
            let mut patch = difference(&pair[0], &pair[1]);
            patch.insert("$version".to_string(), version.into());
            let patch = Value::from(patch).to_string();
            prop_assert_eq!(twin.apply_desired(patch.as_bytes(), version), Ok(Applied::Merged));
            prop_assert_eq!(twin.desired(), &pair[1]);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if check_patch(&bytes).is_ok() {
            prop_assert!(serde_json::from_slice::<Map<String, Value>>(&bytes).is_ok());
        }
        let mut twin = TwinReplica::from_document(DOCUMENT).unwrap();
        let before = twin.clone();
        if twin.apply_desired(&bytes, 8).is_err() {
            prop_assert_eq!(twin, before);
        }
    }
}
